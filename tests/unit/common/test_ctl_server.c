/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl_server.c - requests, errors, bounds and the socket file of the
 * control server.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ctl_server.h"

struct fixture {
	struct clock clock;
	struct loop *loop;
	struct ctl_server *server;
	char folder[64], path[96];
	struct ctl_reply *owed;
};

static json_t *
show_eids(void *arg, const json_t *request, const char **error)
{
	int64_t n = 1;
	json_t *rows = json_array();

	(void)arg;
	(void)error;
	ctl_integer(request, "n", &n);
	for (int64_t i = 0; i < n; i++)
		json_array_append_new(rows,
		    json_pack("{s:s, s:I}", "eid", "10.1.1.10/32", "i",
			(json_int_t)i));
	return rows;
}

/* Rows, and something to say about them. */
static json_t *
show_some(void *arg, const json_t *request, const char **error)
{
	(void)arg;
	(void)request;
	(void)error;
	return json_pack("{s:b, s:[]}", "truncated", 1, "rows");
}

static json_t *
refuse(void *arg, const json_t *request, const char **error)
{
	(void)arg;
	(void)request;
	*error = "no such EID";
	return NULL;
}

static void
lig(void *arg, const json_t *request, struct ctl_reply *reply)
{
	struct fixture *f = arg;

	if (ctl_string(request, "now")) {
		ctl_reply_rows(reply, json_array());
		return;
	}
	f->owed = reply;
}

static const struct ctl_command commands[] = {
	{ "show", "eids", show_eids, NULL },
	{ "show", "some", show_some, NULL },
	{ "lig", NULL, NULL, lig },
	{ "fail", NULL, refuse, NULL },
	{ 0 },
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	enum err err;

	clock_fake(&f->clock, 1000000);
	f->loop = loop_new(&f->clock);
	strcpy(f->folder, "/tmp/ctl-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/run/x.sock", f->folder);
	f->server = ctl_server_new(f->loop, f->path, NULL, commands, f, &err);
	assert_int_equal(err, ERR_OK);
	assert_non_null(f->server);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char run[80];

	ctl_server_free(f->server);
	assert_int_equal(access(f->path, F_OK), -1);
	loop_free(f->loop);
	snprintf(run, sizeof(run), "%s/run", f->folder);
	rmdir(run);
	rmdir(f->folder);
	free(f);
	return 0;
}

static int
client(const struct fixture *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, f->path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
turns(const struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		loop_poll(f->loop);
}

/* Sends, lets the loop work, returns what came back (static). */
static const char *
ask(const struct fixture *f, int fd, const char *line)
{
	static char answer[1 << 20];
	size_t at = 0;
	ssize_t n;

	if (*line)
		assert_int_equal(
		    send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	for (int i = 0; i < 50; i++) {
		loop_poll(f->loop);
		n = recv(fd, answer + at, sizeof(answer) - 1 - at, 0);
		if (n > 0)
			at += (size_t)n;
	}
	answer[at] = 0;
	return answer;
}

static void
test_rows(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);

	assert_string_equal(
	    ask(f, fd, "{\"v\":1,\"cmd\":\"show\",\"what\":\"eids\"}\n"),
	    "{\"v\":1,\"ok\":true,\"rows\":[{\"eid\":\"10.1.1.10/32\",\"i\":"
	    "0}]}\n");
	assert_string_equal(
	    ask(f, fd, "{\"v\":1,\"cmd\":\"show\",\"what\":\"some\"}\n"),
	    "{\"v\":1,\"ok\":true,\"truncated\":true,\"rows\":[]}\n");
	/* Two requests in one write, one in two writes. */
	assert_string_equal(ask(f, fd,
				"{\"v\":1,\"cmd\":\"show\",\"what\":\"eids\","
				"\"n\":0}\n\n{\"v\":1,\"cmd\":\"fail\"}\n"),
	    "{\"v\":1,\"ok\":true,\"rows\":[]}\n"
	    "{\"v\":1,\"ok\":false,\"error\":\"no such EID\"}\n");
	assert_string_equal(ask(f, fd, "{\"v\":1,\"cmd\":"), "");
	assert_string_equal(ask(f, fd, "\"fail\"}\n"),
	    "{\"v\":1,\"ok\":false,\"error\":\"no such EID\"}\n");
	close(fd);
}

static void
test_bad_requests(void **state)
{
	static const char *const bad[] = {
		"\"x\"\n",
		"[]\n",
		"{\"v\":1,\"v\":1,\"cmd\":\"fail\"}\n",
		"{\"v\":2,\"cmd\":\"fail\"}\n",
		"{\"cmd\":\"fail\"}\n",
		"{\"v\":1}\n",
		"{\"v\":1,\"cmd\":7}\n",
		"{\"v\":1,\"cmd\":\"show\"}\n",
		"{\"v\":1,\"cmd\":\"show\",\"what\":\"x\"}\n",
	};
	struct fixture *f = *state;
	int fd = client(f);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(strstr(ask(f, fd, bad[i]), "\"ok\":false"));
	assert_non_null(
	    strstr(ask(f, fd, "{\"v\":1,\"cmd\":\"help\"}\n"), "\"lig\""));
	close(fd);
}

static void
test_too_long(void **state)
{
	struct fixture *f = *state;
	static char line[CTL_LINE_MAX + 2];
	int fd = client(f);
	char c;

	memset(line, 'x', sizeof(line) - 1);
	assert_non_null(strstr(ask(f, fd, line), "too long"));
	assert_true(recv(fd, &c, 1, 0) <= 0 && errno != EAGAIN);
	close(fd);
}

static void
test_later(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);

	/* The second request waits for the first one's reply. */
	assert_string_equal(ask(f, fd,
				"{\"v\":1,\"cmd\":\"lig\"}\n"
				"{\"v\":1,\"cmd\":\"fail\"}\n"),
	    "");
	assert_non_null(f->owed);
	ctl_reply_rows(f->owed, json_array());
	assert_string_equal(
	    ask(f, fd, "{\"v\":1,\"cmd\":\"lig\",\"now\":\"y\"}\n"),
	    "{\"v\":1,\"ok\":true,\"rows\":[]}\n"
	    "{\"v\":1,\"ok\":false,\"error\":\"no such EID\"}\n"
	    "{\"v\":1,\"ok\":true,\"rows\":[]}\n");
	assert_string_equal(ask(f, fd, "{\"v\":1,\"cmd\":\"lig\"}\n"), "");
	ctl_reply_error(f->owed, "timed out");
	assert_string_equal(ask(f, fd, "\n"),
	    "{\"v\":1,\"ok\":false,\"error\":\"timed out\"}\n");

	/* A client that goes away before its reply. */
	ask(f, fd, "{\"v\":1,\"cmd\":\"lig\"}\n");
	close(fd);
	turns(f);
	ctl_reply_rows(f->owed, json_array());
	turns(f);
}

/* 'echo request | nc -N': the client has stopped writing, not reading. */
static void
test_half_closed(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);
	static const char line[] = "{\"v\":1,\"cmd\":\"lig\"}\n";
	char buf[200];
	ssize_t n;

	assert_int_equal(send(fd, line, sizeof(line) - 1, 0), sizeof(line) - 1);
	shutdown(fd, SHUT_WR);
	turns(f);
	assert_non_null(f->owed);
	ctl_reply_rows(f->owed, json_array());
	turns(f);
	n = recv(fd, buf, sizeof(buf), 0);
	assert_true(n > 0);
	assert_memory_equal(buf, "{\"v\":1,\"ok\":true", 15);
	close(fd);
}

static void
test_server_goes_first(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);

	ask(f, fd, "{\"v\":1,\"cmd\":\"lig\"}\n");
	ctl_server_free(f->server);
	f->server = NULL;
	ctl_reply_error(f->owed, "stopping");
	close(fd);
}

/* More than the socket's buffer holds, read slowly. */
static void
test_large_reply(void **state)
{
	struct fixture *f = *state;
	int fd = client(f);
	static const char line[] =
	    "{\"v\":1,\"cmd\":\"show\",\"what\":\"eids\",\"n\":50000}\n";
	size_t total = 0, ends = 0;
	char buf[65536];

	assert_int_equal(send(fd, line, sizeof(line) - 1, 0), sizeof(line) - 1);
	for (int i = 0; i < 1000 && !ends; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n > 0) {
			total += (size_t)n;
			ends += buf[n - 1] == '\n';
		}
		loop_poll(f->loop);
	}
	assert_int_equal(ends, 1);
	assert_true(total > 50000 * 30);
	close(fd);
}

static void
test_bounds(void **state)
{
	struct fixture *f = *state;
	int fds[CTL_CLIENTS_MAX], extra;

	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		fds[i] = client(f);
		assert_true(fds[i] >= 0);
		turns(f);
	}
	extra = client(f);
	turns(f);
	assert_non_null(strstr(ask(f, extra, ""), "too many"));
	close(extra);

	/* Idle ones go, then there is room again. */
	loop_advance(f->loop, &f->clock, (CTL_IDLE_S + 1) * INT64_C(1000000));
	extra = client(f);
	assert_non_null(
	    strstr(ask(f, extra, "{\"v\":1,\"cmd\":\"fail\"}\n"), "no such"));
	close(extra);
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void
test_socket_file(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	enum err err;
	char stale[128], other[128];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);

	/* In use by ourselves. */
	assert_null(ctl_server_new(f->loop, f->path, NULL, commands, f, &err));
	assert_int_equal(err, ERR_IO);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(access(f->path, F_OK), 0);

	/* Left over by somebody who was killed. */
	snprintf(stale, sizeof(stale), "%s/stale", f->folder);
	strcpy(at.sun_path, stale);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	ctl_server_free(
	    ctl_server_new(f->loop, stale, NULL, commands, f, &err));
	assert_int_equal(err, ERR_OK);

	/* Not a socket: left alone. */
	snprintf(other, sizeof(other), "%s/file", f->folder);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	assert_null(ctl_server_new(f->loop, other, NULL, commands, f, &err));
	assert_int_equal(errno, EEXIST);
	assert_int_equal(unlink(other), 0);

	assert_null(
	    ctl_server_new(f->loop, other, "no-such-group", commands, f, &err));
	assert_int_equal(err, ERR_NOT_FOUND);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = { T(test_rows), T(test_bad_requests),
		T(test_too_long), T(test_later), T(test_half_closed),
		T(test_server_goes_first), T(test_large_reply), T(test_bounds),
		T(test_socket_file) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
