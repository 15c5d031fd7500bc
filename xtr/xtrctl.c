/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtrctl.c - shows and steers xtrd and vmagent: words -> one JSON request on
 * the control socket -> text (xtrctl_print.c) or the reply as it came.
 *
 * 'lig' needs the daemon only for its Map-Resolvers, and not if they are given;
 * the question is lig.c's.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/addr.h"
#include "xtr/lig.h"
#include "xtr/xtrctl_print.h"

#define XTRD_SOCKET "/run/xtrd/xtrd.sock"
#define AGENT_SOCKET "/run/vmagent/vmagent.sock"

enum exit_code { /* xtrctl(8) */
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* the daemon answered with an error */
	EXIT_USAGE = 2,
	EXIT_NO_DAEMON = 3,
	EXIT_NO_ANSWER = 4, /* lig */
};

/* A daemon that hangs is noticed soon; a reload may take its time. */
enum { SHOW_WAIT_S = 5, REPLY_WAIT_S = 60, REPLY_CHUNK = 65536 };

struct options {
	const char *socket;
	bool agent, json, all, wide, to_here;
	long limit; /* 0: the daemon's own */
	const char *from, *flow;
};

static void
usage(FILE *f)
{
	fputs(
	    "usage: xtrctl [-aw] [-s SOCKET] [--json] COMMAND\n"
	    "\n"
	    "  show TABLE [EID|VM]   eids map-cache locators registrations\n"
	    "                        registers requesters subscriptions "
	    "moves\n"
	    "                        interfaces counters config resolvers;\n"
	    "                        of vmagent: vms peers moves counters\n"
	    "                        status config\n"
	    "  lig EID [@RESOLVER]...\n"
	    "                        ask the mapping system\n"
	    "  explain EID           what happens to its packets, and why\n"
	    "  move EID --to-here    this site has the EID now\n"
	    "  reload                read the configuration file again\n"
	    "\n"
	    "  -a, --agent           vmagent instead of xtrd\n"
	    "  -s, --socket SOCKET   default " XTRD_SOCKET ",\n"
	    "                        with -a " AGENT_SOCKET "\n"
	    "  --json                print the reply as it came\n"
	    "  -w, --wide            all columns\n"
	    "  --all                 counters that are zero, VMs that have "
	    "left\n"
	    "  --limit N             as many rows at most\n"
	    "  --from EID            lig, explain: on behalf of this one\n"
	    "  --flow PROTO:S:D      explain: of this flow, as tcp:40000:443\n"
	    "  --version, --help\n"
	    "\n"
	    "Exit status: 0 done, 1 refused, 2 usage, 3 no daemon,\n"
	    "4 no answer (lig).  More in xtrctl(8).\n",
	    f);
}

static enum exit_code
bad_usage(const char *text)
{
	fprintf(stderr, "xtrctl: %s; xtrctl --help\n", text);
	return EXIT_USAGE;
}

/* --- the control socket --- */

static int
ctl_connect(const char *path, int wait_s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = wait_s };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	strcpy(at.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		goto fail;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
fail:
	close(fd);
	return -1;
}

static bool
ctl_write(int fd, const char *line)
{
	size_t len = strlen(line), at = 0;

	while (at < len) {
		ssize_t n = send(fd, line + at, len - at, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		at += (size_t)n;
	}
	return send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

/* One line without its end; NULL if the daemon went away or is silent. */
static char *
ctl_read(int fd)
{
	char *line = NULL, *end = NULL;
	size_t len = 0;

	while (!end) {
		char *p = realloc(line, len + REPLY_CHUNK);
		ssize_t n;

		if (!p)
			abort();
		line = p;
		n = recv(fd, line + len, REPLY_CHUNK, 0);
		if (n <= 0) {
			free(line);
			return NULL;
		}
		end = memchr(line + len, '\n', (size_t)n);
		len += (size_t)n;
	}
	*end = '\0';
	return line;
}

/*
 * Sends 'request', which it takes over.  EXIT_DONE with the reply's text and
 * object ('*reply' is a new reference, '*line' to be freed); otherwise it has
 * said why.
 */
static enum exit_code
ctl_ask(const struct options *o, json_t *request, char **line, json_t **reply)
{
	const char *verb = json_string_value(json_object_get(request, "cmd"));
	const bool show = verb && strcmp(verb, "show") == 0;
	char *text = json_dumps(request, JSON_COMPACT);
	int fd = ctl_connect(o->socket, show ? SHOW_WAIT_S : REPLY_WAIT_S);

	json_decref(request);
	*line = NULL;
	*reply = NULL;
	if (fd < 0)
		goto fail;
	errno = 0;
	if (text && ctl_write(fd, text))
		*line = ctl_read(fd);
	if (errno == EAGAIN)
		errno = ETIMEDOUT;
	if (!*line)
		goto fail;
	close(fd);
	free(text);
	*reply = json_loads(*line, 0, NULL);
	if (json_is_object(*reply))
		return EXIT_DONE;
	fprintf(stderr, "xtrctl: %s: not understood: %s\n", o->socket, *line);
	return EXIT_NO_DAEMON;
fail:
	fprintf(stderr, "xtrctl: %s: %s%s\n", o->socket,
	    errno ? strerror(errno) : "closed without an answer",
	    errno == ENOENT || errno == ECONNREFUSED
		? "; is the daemon running?"
		: "");
	if (fd >= 0)
		close(fd);
	free(text);
	return EXIT_NO_DAEMON;
}

static json_t *
request_new(const char *cmd)
{
	return json_pack("{s:i, s:s}", "v", 1, "cmd", cmd);
}

/* --- replies --- */

static void
say_truncated(const json_t *reply)
{
	const json_t *total = json_object_get(reply, "total");

	if (!json_is_true(json_object_get(reply, "truncated")))
		return;
	if (total)
		fprintf(stderr, "xtrctl: cut; there are %lld rows (--limit)\n",
		    (long long)json_integer_value(total));
	else
		fprintf(stderr, "xtrctl: cut, there is more (--limit)\n");
}

/* Asks and prints.  'table' names the rows. */
static enum exit_code
run(const struct options *o, json_t *request, const char *table)
{
	char *line;
	json_t *reply;
	enum exit_code code = ctl_ask(o, request, &line, &reply);
	const char *error;

	if (code == EXIT_DONE && !json_is_true(json_object_get(reply, "ok"))) {
		code = EXIT_REFUSED;
		error = json_string_value(json_object_get(reply, "error"));
		if (!o->json)
			fprintf(
			    stderr, "xtrctl: %s\n", error ? error : "refused");
	} else if (code == EXIT_DONE && !o->json) {
		print_rows(
		    stdout, table, json_object_get(reply, "rows"), o->wide);
		say_truncated(reply);
	}
	if (o->json && reply)
		puts(line);
	json_decref(reply);
	free(line);
	return code;
}

/* --- commands --- */

static enum exit_code
cmd_show(const struct options *o, char **words, int n)
{
	json_t *request;

	if (n < 1 || n > 2)
		return bad_usage("show TABLE [EID]");
	request = request_new("show");
	json_object_set_new(request, "what", json_string(words[0]));
	if (n == 2)
		json_object_set_new(
		    request, o->agent ? "vm" : "eid", json_string(words[1]));
	if (o->limit)
		json_object_set_new(request, "limit", json_integer(o->limit));
	if (o->all)
		json_object_set_new(request, "all", json_true());
	return run(o, request, words[0]);
}

static enum exit_code
cmd_move(const struct options *o, char **words, int n)
{
	json_t *request;

	if (n != 1 || !o->to_here)
		return bad_usage("move EID --to-here");
	request = request_new("move");
	json_object_set_new(request, "eid", json_string(words[0]));
	json_object_set_new(request, "to", json_string("here"));
	return run(o, request, "move");
}

static enum exit_code
cmd_reload(const struct options *o, char **words, int n)
{
	(void)words;
	if (n != 0)
		return bad_usage("reload");
	return run(o, request_new("reload"), "reload");
}

static enum exit_code
lig_print(const struct options *o, json_t *rows)
{
	json_t *reply =
	    json_pack("{s:i, s:b, s:o}", "v", 1, "ok", 1, "rows", rows);

	if (o->json) {
		json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_rows(stdout, "lig", rows, o->wide);
	}
	json_decref(reply);
	return EXIT_DONE;
}

/* Says why 'q' has no answer. */
static void
lig_complain(const struct lig_question *q, enum err err)
{
	const int said = errno;
	char resolver[ADDR_STR_MAX];

	fprintf(stderr, "xtrctl: %s: ", addr_str(&q->resolver, resolver));
	if (err == ERR_NOT_FOUND)
		fprintf(stderr, "no answer to %d Map-Requests%s%s\n", LIG_TRIES,
		    said ? ": " : "", said ? strerror(said) : "");
	else
		fprintf(stderr, "%s\n",
		    err == ERR_IO ? strerror(said) : err_str(err));
}

/* The addresses of 'resolver', one after the other, until one answers. */
static enum exit_code
lig_one(const struct options *o, struct lig_question *q, const char *resolver)
{
	struct addr addresses[LIG_ADDRESSES_MAX];
	const char *error = NULL;
	unsigned n = lig_resolve(resolver, addresses, &error);
	json_t *rows;
	enum err err;

	if (!n) {
		fprintf(stderr, "xtrctl: %s: %s\n", resolver, error);
		return EXIT_USAGE;
	}
	for (unsigned i = 0; i < n; i++) {
		q->resolver = addresses[i];
		err = lig_ask(q, &rows);
		if (!err)
			return lig_print(o, rows);
		lig_complain(q, err);
	}
	return EXIT_NO_ANSWER;
}

/* Those of the daemon, one after the other, until one answers. */
static enum exit_code
lig_configured(const struct options *o, struct lig_question *q)
{
	enum exit_code code;
	json_t *request = request_new("show"), *reply, *rows;
	char *line;

	json_object_set_new(request, "what", json_string("resolvers"));
	code = ctl_ask(o, request, &line, &reply);
	free(line);
	rows = json_object_get(reply, "rows");
	if (code == EXIT_NO_DAEMON)
		fprintf(
		    stderr, "xtrctl: without a daemon: lig EID @RESOLVER\n");
	if (code == EXIT_DONE && json_array_size(rows) == 0) {
		fprintf(stderr, "xtrctl: no Map-Resolver is configured\n");
		code = EXIT_REFUSED;
	}
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *address = json_string_value(
		    json_object_get(json_array_get(rows, i), "address"));

		code = lig_one(o, q, address ? address : "?");
		if (code == EXIT_DONE)
			break;
	}
	json_decref(reply);
	return code;
}

static enum exit_code
cmd_lig(const struct options *o, char **words, int n)
{
	struct lig_question q = { .source.addr.afi = AFI_NONE };
	enum exit_code code = EXIT_NO_ANSWER;

	for (int i = 1; i < n; i++)
		if (words[i][0] != '@')
			n = 0;
	if (n < 1 || o->agent)
		return bad_usage("lig EID [@RESOLVER]...");
	if (eid_parse(words[0], &q.eid) ||
	    (o->from && eid_parse(o->from, &q.source))) {
		fprintf(stderr, "xtrctl: %s: no EID\n",
		    eid_parse(words[0], &q.eid) ? words[0] : o->from);
		return EXIT_USAGE;
	}
	if (n == 1)
		return lig_configured(o, &q);
	for (int i = 1; i < n; i++) {
		code = lig_one(o, &q, words[i] + 1);
		if (code != EXIT_NO_ANSWER)
			break;
	}
	return code;
}

static enum exit_code
cmd_explain(const struct options *o, char **words, int n)
{
	json_t *request;

	if (n != 1 || o->agent)
		return bad_usage("explain EID [--from EID [--flow FLOW]]");
	request = request_new("explain");
	json_object_set_new(request, "eid", json_string(words[0]));
	if (o->from)
		json_object_set_new(request, "source", json_string(o->from));
	if (o->flow)
		json_object_set_new(request, "flow", json_string(o->flow));
	return run(o, request, "explain");
}

static const struct {
	const char *name;
	enum exit_code (*run)(const struct options *, char **words, int n);
} commands[] = {
	{ "show", cmd_show },
	{ "lig", cmd_lig },
	{ "explain", cmd_explain },
	{ "move", cmd_move },
	{ "reload", cmd_reload },
};

enum {
	OPT_JSON = 256,
	OPT_ALL,
	OPT_LIMIT,
	OPT_TO_HERE,
	OPT_FROM,
	OPT_FLOW,
	OPT_VERSION
};

static const struct option long_options[] = {
	{ "agent", no_argument, NULL, 'a' },
	{ "socket", required_argument, NULL, 's' },
	{ "wide", no_argument, NULL, 'w' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "to-here", no_argument, NULL, OPT_TO_HERE },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "flow", required_argument, NULL, OPT_FLOW },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* False: end with '*code'. */
static bool
parse_option(struct options *o, int opt, enum exit_code *code)
{
	char *end;

	switch (opt) {
	case 'a':
		o->agent = true;
		return true;
	case 's':
		o->socket = optarg;
		return true;
	case 'w':
		o->wide = true;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_ALL:
		o->all = true;
		return true;
	case OPT_TO_HERE:
		o->to_here = true;
		return true;
	case OPT_FROM:
		o->from = optarg;
		return true;
	case OPT_FLOW:
		o->flow = optarg;
		return true;
	case OPT_LIMIT:
		o->limit = strtol(optarg, &end, 10);
		if (o->limit > 0 && !*end)
			return true;
		*code = bad_usage("--limit: a positive number expected");
		return false;
	case OPT_VERSION:
		puts("xtrctl " VERSION);
		*code = EXIT_DONE;
		return false;
	case 'h':
		usage(stdout);
		*code = EXIT_DONE;
		return false;
	}
	*code = EXIT_USAGE; /* getopt has said what is wrong */
	return false;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	enum exit_code code;
	int opt;

	while (
	    (opt = getopt_long(argc, argv, "as:wh", long_options, NULL)) != -1)
		if (!parse_option(&o, opt, &code))
			return (int)code;
	if (!o.socket)
		o.socket = o.agent ? AGENT_SOCKET : XTRD_SOCKET;
	argv += optind;
	argc -= optind;
	if (argc == 0) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[0]) == 0)
			return (int)commands[i].run(&o, argv + 1, argc - 1);
	return (int)bad_usage("no such command");
}
