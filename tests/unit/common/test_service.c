/* SPDX-License-Identifier: Apache-2.0 */
/* test_service.c - what a service manager hears, by path and abstract name. */
#include "common/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager that listens at 'name', "@..." for an abstract one. */
static int
manager_new(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(a.sun_path, name, strlen(name));
	if (a.sun_path[0] == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(name))),
	    0);
	return fd;
}

static void
assert_heard(int fd, const char *expected)
{
	char buf[64] = "";
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	assert_int_equal(n, (ssize_t)strlen(expected));
	assert_string_equal(buf, expected);
}

static void
test_path(void **state)
{
	char folder[] = "/tmp/test-service-XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
	fd = manager_new(path);
	setenv("NOTIFY_SOCKET", path, 1);
	service_notify("READY=1");
	assert_heard(fd, "READY=1");
	service_notify("STOPPING=1");
	assert_heard(fd, "STOPPING=1");
	close(fd);
	service_notify("READY=1"); /* nobody listens */
	unlink(path);
	service_notify("READY=1"); /* nor is there a socket */
	rmdir(folder);
}

static void
test_abstract(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@test-service-%d", (int)getpid());
	fd = manager_new(name);
	setenv("NOTIFY_SOCKET", name, 1);
	service_notify("READY=1");
	assert_heard(fd, "READY=1");
	close(fd);
}

/* Without a manager, or with one that no address can name: nothing happens. */
static void
test_none(void **state)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	service_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	service_notify("READY=1");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	service_notify("READY=1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
