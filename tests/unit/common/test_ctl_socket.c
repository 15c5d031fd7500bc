/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl_socket.c - the file of the control socket: who may open it, what may
 * stand in its place, what an error leaves behind.
 */
#include "common/ctl_socket.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char folder[40], path[64];
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->folder, "/tmp/ctl-socket-XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/run/sock", p->folder);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	*strrchr(p->path, '/') = '\0';
	rmdir(p->path);
	rmdir(p->folder);
	free(p);
	return 0;
}

static int
opened(const struct place *p, gid_t *gid)
{
	enum err err = ERR_INTERNAL;
	int fd = ctl_socket_open(p->path, NULL, gid, &err);

	if (fd < 0)
		fail_msg("%s: %s", err_str(err), strerror(errno));
	assert_int_equal(err, ERR_OK);
	return fd;
}

/* Fails with ERR_IO and this errno. */
static void
refused(const char *path, int why)
{
	enum err err = ERR_OK;
	gid_t gid;

	errno = 0;
	assert_int_equal(ctl_socket_open(path, "", &gid, &err), -1);
	assert_int_equal(errno, why);
	assert_int_equal(err, ERR_IO);
}

static int
connected(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
test_open(void **state)
{
	const struct place *p = *state;
	gid_t gid = (gid_t)-1;
	int fd = opened(p, &gid), client, accepted;
	struct stat st;

	assert_int_equal(gid, getegid());
	assert_int_equal(lstat(p->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(st.st_gid, gid);
	client = connected(p->path);
	assert_true(client >= 0);
	accepted = accept(fd, NULL, NULL);
	assert_true(accepted >= 0);
	assert_true(ctl_socket_allowed(accepted, gid)); /* ourselves */
	assert_int_equal(accept(fd, NULL, NULL), -1);	/* does not wait */
	assert_int_equal(errno, EAGAIN);
	close(client);
	close(accepted);
	close(fd);
}

static void
test_group(void **state)
{
	const struct place *p = *state;
	const struct group *g = getgrgid(getegid());
	enum err err = ERR_INTERNAL;
	gid_t gid = (gid_t)-1;
	struct stat st;
	int fd;

	assert_int_equal(
	    ctl_socket_open(p->path, "no such group", &gid, &err), -1);
	assert_int_equal(err, ERR_NOT_FOUND);
	assert_int_equal(lstat(p->path, &st), -1);
	if (!g)
		return;
	fd = ctl_socket_open(p->path, g->gr_name, &gid, &err);
	assert_true(fd >= 0);
	assert_int_equal(gid, getegid());
	close(fd);
}

/* A daemon that died leaves its file; one that lives keeps it. */
static void
test_stale(void **state)
{
	const struct place *p = *state;
	gid_t gid;
	int fd = opened(p, &gid);

	refused(p->path, EADDRINUSE);
	assert_true(connected(p->path) >= 0); /* still the first one's */
	close(fd);
	assert_int_equal(connected(p->path), -1);
	fd = opened(p, &gid);
	close(fd);
}

/* What is no socket of ours is not replaced. */
static void
test_other_files(void **state)
{
	struct place *p = *state;
	struct stat st;
	char other[64];
	gid_t gid;
	FILE *f;
	int fd;

	close(opened(p, &gid)); /* makes the folder */
	unlink(p->path);
	f = fopen(p->path, "w");
	fclose(f);
	refused(p->path, EEXIST);
	assert_int_equal(lstat(p->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(p->path);
	snprintf(other, sizeof(other), "%s/other", p->folder);
	assert_int_equal(symlink(other, p->path), 0);
	refused(p->path, EEXIST);
	assert_int_equal(lstat(p->path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(lstat(other, &st), -1);
	unlink(p->path);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0); /* somebody else's */
	{
		struct sockaddr_un a = { .sun_family = AF_UNIX };

		strcpy(a.sun_path, p->path);
		assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	}
	refused(p->path, EADDRINUSE);
	close(fd);
}

static void
test_no_place(void **state)
{
	const struct place *p = *state;
	char path[200];

	snprintf(path, sizeof(path), "%s/a/b/sock", p->folder);
	refused(path, ENOENT); /* one folder is made, not two */
	memset(path, 'x', sizeof(path));
	path[sizeof(((struct sockaddr_un *)0)->sun_path)] = '\0';
	refused(path, ENAMETOOLONG);
}

/* The longest name that there is room for works. */
static void
test_longest(void **state)
{
	struct place *p = *state;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	enum err err;
	gid_t gid;
	int fd;

	memset(path, 'x', sizeof(path));
	memcpy(path, p->folder, strlen(p->folder));
	path[strlen(p->folder)] = '/';
	path[sizeof(path) - 1] = '\0';
	fd = ctl_socket_open(path, NULL, &gid, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* A failed attempt leaves no descriptor open. */
static void
test_no_leak(void **state)
{
	const struct place *p = *state;
	int before = dup(0), after;
	char path[200];

	close(before);
	snprintf(path, sizeof(path), "%s/a/b/sock", p->folder);
	refused(path, ENOENT);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

/* Not a socket: nobody. */
static void
test_allowed_unknown(void **state)
{
	(void)state;
	assert_false(ctl_socket_allowed(-1, getegid()));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_group),
		TEST(test_stale),
		TEST(test_other_files),
		TEST(test_no_place),
		TEST(test_longest),
		TEST(test_no_leak),
		cmocka_unit_test(test_allowed_unknown),
	};

	return cmocka_run_group_tests_name(
	    "common/ctl_socket", tests, NULL, NULL);
}
