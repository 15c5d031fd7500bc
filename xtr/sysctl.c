/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl.c - kernel parameters, by their files under /proc/sys.
 *
 * Used by dp_tun.c and segment.c when they start.  A value that is right
 * already is not written: a container may have /proc/sys read-only and set up
 * from outside.
 */
#include "sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define NAME_MAX_LEN 320
#define RP_FILTER_DIR "net/ipv4/conf"

static enum err
path_of(const char *name, char *path, size_t size)
{
	int n = snprintf(path, size, "/proc/sys/%s", name);

	return n > 0 && (size_t)n < size ? ERR_OK : ERR_IO;
}

enum err
sysctl_read(const char *name, char *out, size_t size)
{
	char path[NAME_MAX_LEN];
	ssize_t n;
	int fd;

	if (path_of(name, path, sizeof(path)))
		return ERR_IO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return ERR_IO;
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return ERR_OK;
}

enum err
sysctl_write(const char *name, const char *value)
{
	char path[NAME_MAX_LEN], old[32];
	size_t len = strlen(value);
	int fd, saved = ENAMETOOLONG;
	ssize_t n = -1;

	if (!sysctl_read(name, old, sizeof(old)) && strcmp(old, value) == 0)
		return ERR_OK;
	if (!path_of(name, path, sizeof(path))) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		saved = errno;
		if (fd >= 0) {
			n = write(fd, value, len);
			saved = errno;
			close(fd);
		}
	}
	if (n == (ssize_t)len)
		return ERR_OK;
	log_error("kernel", "sysctl %s = %s: %s", name, value, strerror(saved));
	return ERR_IO;
}

enum err
sysctl_write_if(const char *family, const char *kind, const char *interface,
    const char *name, const char *value)
{
	char full[NAME_MAX_LEN];

	snprintf(full, sizeof(full), "net/%s/%s/%s/%s", family, kind, interface,
	    name);
	return sysctl_write(full, value);
}

static enum err
rp_filter_raise(const char *interface, int to)
{
	char name[NAME_MAX_LEN], old[32], value[16];

	snprintf(name, sizeof(name), RP_FILTER_DIR "/%s/rp_filter", interface);
	if (!sysctl_read(name, old, sizeof(old)) && atoi(old) >= to)
		return ERR_OK;
	snprintf(value, sizeof(value), "%d", to);
	return sysctl_write(name, value);
}

enum err
sysctl_rp_filter_off(const char *interface)
{
	enum err err = ERR_OK;
	char old[32];
	int all = 0;

	if (!sysctl_read(RP_FILTER_DIR "/all/rp_filter", old, sizeof(old)))
		all = atoi(old);
	if (all > 0) {
		DIR *dir = opendir("/proc/sys/" RP_FILTER_DIR);
		const struct dirent *d;

		log_info("kernel",
		    "rp_filter %d moves from 'all' to each interface, "
		    "for %s must be without",
		    all, interface);
		while (dir && !err && (d = readdir(dir)) != NULL)
			if (d->d_name[0] != '.' &&
			    strcmp(d->d_name, "all") != 0 &&
			    strcmp(d->d_name, interface) != 0)
				err = rp_filter_raise(d->d_name, all);
		if (dir)
			closedir(dir);
		if (!err)
			err = sysctl_write(RP_FILTER_DIR "/all/rp_filter", "0");
	}
	return err
	    ? err
	    : sysctl_write_if("ipv4", "conf", interface, "rp_filter", "0");
}
