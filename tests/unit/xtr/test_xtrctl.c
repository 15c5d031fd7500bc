/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_xtrctl.c - the program: words -> request, reply -> text and exit status,
 * with a daemon of ours on a socket.  How tables are printed is in
 * test_xtrctl_print.c.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 12 };

static char folder[] = "/tmp/xtrctl-XXXXXX", path[64];

/* The daemon's half: one client, one request, one reply (NULL: none). */
static void
daemon_run(int listener, const char *reply, int requests)
{
	char line[4096];
	size_t n = 0;
	int fd = accept(listener, NULL, NULL);

	while (
	    n < sizeof(line) && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	(void)!write(requests, line, n);
	if (reply) {
		(void)!write(fd, reply, strlen(reply));
		(void)!write(fd, "\n", 1);
	}
	close(fd);
}

static void
read_all(int fd, char *out, size_t size)
{
	size_t at = 0;
	ssize_t n;

	while (at + 1 < size && (n = read(fd, out + at, size - 1 - at)) > 0)
		at += (size_t)n;
	out[at] = '\0';
	close(fd);
}

/* What came of it. */
static struct {
	int code;
	char request[4096], out[65536], err[4096];
} got;

static void
program_run(const char *const words[], int out, int err)
{
	const char *build = getenv("BUILD");
	const char *argv[ARGS_MAX + 4] = { "xtrctl" };
	char program[512];
	int n = 1;

	snprintf(
	    program, sizeof(program), "%s/xtrctl", build ? build : "build");
	for (int i = 0; words[i]; i++)
		argv[n++] = words[i];
	dup2(out, 1);
	dup2(err, 2);
	execv(program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static void
run(const char *reply, const char *const words[])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int out[2], err[2], requests[2], status;
	pid_t server, program;

	memset(&got, 0, sizeof(got));
	strcpy(at.sun_path, path);
	unlink(path);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_true(pipe(out) == 0 && pipe(err) == 0 && pipe(requests) == 0);
	server = fork();
	if (server == 0) {
		close(out[1]);
		close(err[1]);
		daemon_run(listener, reply, requests[1]);
		_exit(0);
	}
	program = fork();
	if (program == 0) {
		close(requests[1]);
		program_run(words, out[1], err[1]);
	}
	close(out[1]);
	close(err[1]);
	close(requests[1]);
	read_all(out[0], got.out, sizeof(got.out));
	read_all(err[0], got.err, sizeof(got.err));
	assert_int_equal(waitpid(program, &status, 0), program);
	got.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	/* one that was not asked still waits */
	{
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		(void)!connect(fd, (struct sockaddr *)&at, sizeof(at));
		close(fd);
	}
	close(listener);
	read_all(requests[0], got.request, sizeof(got.request));
	assert_int_equal(waitpid(server, NULL, 0), server);
}

#define RUN(reply, ...) \
	run(reply, (const char *const[]){ "-s", path, __VA_ARGS__, NULL })

static void
assert_request(const char *expected)
{
	json_t *a = json_loads(got.request, 0, NULL);
	json_t *b = json_loads(expected, 0, NULL);

	assert_non_null(b);
	if (!json_equal(a, b))
		fail_msg("%s", got.request);
	json_decref(a);
	json_decref(b);
}

#define OK "{\"v\":1,\"ok\":true,\"rows\":[]}"

static void
test_requests(void **state)
{
	(void)state;
	RUN(OK, "show", "eids");
	assert_request("{\"v\":1,\"cmd\":\"show\",\"what\":\"eids\"}");
	assert_int_equal(got.code, 0);
	RUN(OK, "show", "map-cache", "10.1.0.0/16");
	assert_request("{\"v\":1,\"cmd\":\"show\",\"what\":\"map-cache\","
		       "\"eid\":\"10.1.0.0/16\"}");
	RUN(OK, "-a", "show", "vms", "web1");
	assert_request("{\"v\":1,\"cmd\":\"show\",\"what\":\"vms\","
		       "\"vm\":\"web1\"}");
	RUN(OK, "--limit", "17", "--all", "show", "counters");
	assert_request("{\"v\":1,\"cmd\":\"show\",\"what\":\"counters\","
		       "\"limit\":17,\"all\":true}");
	RUN(OK, "move", "10.1.1.10", "--to-here");
	assert_request("{\"v\":1,\"cmd\":\"move\",\"eid\":\"10.1.1.10\","
		       "\"to\":\"here\"}");
	RUN(OK, "reload");
	assert_request("{\"v\":1,\"cmd\":\"reload\"}");
}

/* Wrong words ask nobody. */
static void
test_usage(void **state)
{
	static const char *const wrong[][4] = { { "show" },
		{ "show", "a", "b", "c" }, { "move", "10.1.1.10" },
		{ "move", "--to-here" }, { "reload", "now" }, { "frob" },
		{ "lig" }, { "lig", "10.1.1.10", "198.51.100.1" },
		{ "lig", "no-eid", "@198.51.100.1" },
		{ "lig", "10.1.1.10", "@nowhere" },
		{ "lig", "10.1.1.10", "@02:00:00:00:00:01" },
		{ "-a", "lig", "10.1.1.10" }, { "--limit", "0", "reload" },
		{ "--limit", "-3", "reload" }, { "--limit", "3x", "reload" },
		{ "--no-such-option" } };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		RUN(OK, wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3]);
		assert_int_equal(got.code, 2);
		assert_string_equal(got.request, "");
		assert_string_equal(got.out, "");
		assert_true(got.err[0] != '\0');
	}
	run(OK, (const char *const[]){ NULL });
	assert_int_equal(got.code, 2);
}

static void
test_help(void **state)
{
	(void)state;
	RUN(OK, "--help");
	assert_int_equal(got.code, 0);
	assert_memory_equal(got.out, "usage: xtrctl ", 14);
	RUN(OK, "--version");
	assert_int_equal(got.code, 0);
	assert_memory_equal(got.out, "xtrctl ", 7);
	assert_string_equal(got.request, "");
}

/* What the daemon says no to; as it came with --json. */
static void
test_refused(void **state)
{
	static const char reply[] =
	    "{\"v\":1,\"ok\":false,\"error\":\"no such EID\"}";
	char line[sizeof(reply) + 1];

	(void)state;
	RUN(reply, "move", "10.1.1.10", "--to-here");
	assert_int_equal(got.code, 1);
	assert_string_equal(got.out, "");
	assert_string_equal(got.err, "xtrctl: no such EID\n");
	RUN(reply, "--json", "move", "10.1.1.10", "--to-here");
	assert_int_equal(got.code, 1);
	snprintf(line, sizeof(line), "%s\n", reply);
	assert_string_equal(got.out, line);
	assert_string_equal(got.err, "");
	RUN("{\"v\":1,\"ok\":false}", "reload");
	assert_int_equal(got.code, 1);
	assert_string_equal(got.err, "xtrctl: refused\n");
}

static void
test_no_daemon(void **state)
{
	(void)state;
	run(OK,
	    (const char *const[]){ "-s", "/no/such/socket", "reload", NULL });
	assert_int_equal(got.code, 3);
	assert_non_null(strstr(
	    got.err, "xtrctl: /no/such/socket: No such file or directory"));
	RUN(NULL, "reload"); /* it goes away */
	assert_int_equal(got.code, 3);
	assert_non_null(strstr(got.err, "closed without an answer"));
	RUN("[1]", "reload");
	assert_int_equal(got.code, 3);
	assert_non_null(strstr(got.err, "not understood"));
	RUN("{", "reload");
	assert_int_equal(got.code, 3);
}

/* That there is more is said beside the table, not in it. */
static void
test_truncated(void **state)
{
	(void)state;
	RUN("{\"v\":1,\"ok\":true,\"rows\":[],\"truncated\":true,"
	    "\"total\":12}",
	    "show", "eids");
	assert_int_equal(got.code, 0);
	assert_string_equal(
	    got.err, "xtrctl: cut; there are 12 rows (--limit)\n");
	RUN("{\"v\":1,\"ok\":true,\"rows\":[],\"truncated\":true}", "show",
	    "eids");
	assert_string_equal(got.err, "xtrctl: cut, there is more (--limit)\n");
	RUN("{\"v\":1,\"ok\":true,\"rows\":[],\"truncated\":false}", "show",
	    "eids");
	assert_string_equal(got.err, "");
}

/* A reply of any length. */
static void
test_long_reply(void **state)
{
	enum { SIZE = 60000 };
	static char reply[SIZE + 64];
	size_t n = (size_t)sprintf(reply, "{\"v\":1,\"ok\":true,\"x\":\"");

	(void)state;
	memset(reply + n, 'x', SIZE);
	strcpy(reply + n + SIZE, "\",\"rows\":[]}");
	RUN(reply, "--json", "show", "eids");
	assert_int_equal(got.code, 0);
	assert_int_equal(strlen(got.out), strlen(reply) + 1);
}

static void
test_lig(void **state)
{
	(void)state;
	RUN(OK, "lig", "10.1.1.10"); /* whom to ask the daemon knows */
	assert_request("{\"v\":1,\"cmd\":\"show\",\"what\":\"resolvers\"}");
	assert_int_equal(got.code, 1);
	assert_string_equal(got.err, "xtrctl: no Map-Resolver is configured\n");
}

static int
group_setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", folder);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_daemon),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_long_reply),
		cmocka_unit_test(test_lig),
	};

	return cmocka_run_group_tests_name(
	    "xtr/xtrctl", tests, group_setup, group_teardown);
}
