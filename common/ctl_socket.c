/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_socket.c - makes the control socket's file, and looks at who connects.
 *
 * Under ctl_server.c, which speaks to the clients.
 */
#include "ctl_socket.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PEER_GROUPS_MAX = 1024, BACKLOG = 16 };

/* Removes a socket file that nobody listens on.  0, or -1 with errno. */
static int
remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	int fd, ret;

	if (lstat(at->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	ret = connect(fd, (const struct sockaddr *)at, sizeof(*at));
	if (ret < 0 && errno == ECONNREFUSED) {
		close(fd);
		return unlink(at->sun_path);
	}
	close(fd);
	errno = EADDRINUSE;
	return -1;
}

static void
make_folder(const char *path)
{
	char *copy = strdup(path);

	if (copy)
		(void)!mkdir(dirname(copy), 0755);
	free(copy);
}

/* Binds with nobody let in yet, then opens it to the group. */
static int
bind_socket(int fd, const char *path, gid_t gid)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(at.sun_path, path);
	make_folder(path);
	if (remove_stale(&at) < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	if (chown(path, (uid_t)-1, gid) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		int saved = errno;

		unlink(path);
		errno = saved;
		return -1;
	}
	return 0;
}

static enum err
find_group(const char *name, gid_t *out)
{
	const struct group *g;

	*out = getegid();
	if (!name || !*name)
		return ERR_OK;
	g = getgrnam(name);
	if (!g)
		return ERR_NOT_FOUND;
	*out = g->gr_gid;
	return ERR_OK;
}

int
ctl_socket_open(const char *path, const char *group, gid_t *gid, enum err *err)
{
	int fd, saved;

	*err = find_group(group, gid);
	if (*err)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind_socket(fd, path, *gid) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	*err = ERR_IO;
	return -1;
}

/* File modes say it already; a socket handed on does not obey them. */
bool
ctl_socket_allowed(int fd, gid_t gid)
{
	gid_t groups[PEER_GROUPS_MAX];
	socklen_t len = sizeof(groups);
	struct ucred cred;
	socklen_t cred_len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) < 0)
		return false;
	if (cred.uid == 0 || cred.uid == geteuid() || cred.gid == gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}
