/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_server.c - accepts control clients, cuts their octets into lines, finds
 * the command in the daemon's table and writes its rows back.
 *
 * The daemons' ctl.c are the only callers: they know tables, this file knows
 * clients, ctl_socket.c the socket's file.  A client's next request is not read
 * before its last reply is written, so a client that does not read costs one
 * reply and no more.
 */
#include "ctl_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl_socket.h"
#include "log.h"

enum { READ_CHUNK = 4096 };

struct client {
	struct ctl_server *server;
	struct client *next_client, **prev_client;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *idle;
	struct ctl_reply *owed; /* a 'later' command is at work */
	bool closing;		/* close when 'out' is written */
	char *in;		/* requests not yet served */
	size_t in_len, in_size;
	char *out; /* the reply being written */
	size_t out_len, out_at;
};

struct ctl_server {
	struct loop *loop;
	const struct ctl_command *commands;
	void *arg;
	char *path;
	gid_t gid;
	int fd;
	struct loop_fd *watch;
	struct client *clients;
	unsigned n_clients;
};

struct ctl_reply {
	struct client *client; /* NULL: it went away */
};

static void
client_free(struct client *c)
{
	if (c->owed)
		c->owed->client = NULL;
	if (c->next_client)
		c->next_client->prev_client = c->prev_client;
	*c->prev_client = c->next_client;
	c->server->n_clients--;
	loop_fd_free(c->watch);
	loop_timer_free(c->idle);
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

static void
on_idle(void *arg)
{
	struct client *c = arg;

	if (c->owed)
		loop_timer_set(c->idle, CTL_IDLE_S * INT64_C(1000));
	else
		client_free(c);
}

/* Makes 'message', which it takes over, the reply to be written. */
static void
client_say(struct client *c, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	json_decref(message);
	if (!line) {
		free(text);
		c->closing = true; /* out of memory */
		return;
	}
	memcpy(line + len, "\n", 2);
	c->out = line;
	c->out_len = len + 1;
	c->out_at = 0;
}

static void
client_say_error(struct client *c, const char *error)
{
	client_say(c,
	    json_pack("{s:i, s:b, s:s}", "v", CTL_VERSION, "ok", 0, "error",
		error ? error : "internal error"));
}

/* 'rows' is an array, or an object that brings it and more. */
static void
client_say_rows(struct client *c, json_t *rows)
{
	json_t *message = json_pack("{s:i, s:b}", "v", CTL_VERSION, "ok", 1);

	if (json_is_object(rows)) {
		json_object_update_missing(message, rows);
		json_decref(rows);
	} else {
		json_object_set_new(message, "rows", rows);
	}
	client_say(c, message);
}

/* The built-in "help": which commands there are. */
static json_t *
help_rows(const struct ctl_server *s)
{
	json_t *rows = json_array();

	for (const struct ctl_command *c = s->commands; c->fn || c->later; c++)
		json_array_append_new(rows,
		    json_pack("{s:s, s:s}", "cmd", c->cmd, "what",
			c->what ? c->what : ""));
	return rows;
}

static const struct ctl_command *
command_find(const struct ctl_server *s, const char *cmd, const char *what)
{
	for (const struct ctl_command *c = s->commands; c->fn || c->later; c++)
		if (strcmp(c->cmd, cmd) == 0 &&
		    (!c->what || (what && strcmp(c->what, what) == 0)))
			return c;
	return NULL;
}

/* Starts a command that answers later. */
static void
client_later(
    struct client *c, const struct ctl_command *command, const json_t *request)
{
	struct ctl_reply *reply = calloc(1, sizeof(*reply));

	if (!reply) {
		client_say_error(c, "out of memory");
		return;
	}
	reply->client = c;
	c->owed = reply;
	command->later(c->server->arg, request, reply);
}

static void
client_run(struct client *c, const json_t *request)
{
	struct ctl_server *s = c->server;
	const char *cmd = ctl_string(request, "cmd");
	const char *what = ctl_string(request, "what");
	const struct ctl_command *command = NULL;
	const char *error = "unknown command";
	json_t *rows = NULL;
	int64_t version;

	if (!ctl_integer(request, "v", &version) || version != CTL_VERSION)
		error = "\"v\":1 expected";
	else if (!cmd)
		error = "\"cmd\" expected";
	else if (strcmp(cmd, "help") == 0)
		rows = help_rows(s);
	else
		command = command_find(s, cmd, what);

	if (command && command->later) {
		client_later(c, command, request);
		return;
	}
	if (command) {
		error = NULL;
		rows = command->fn(s->arg, request, &error);
	}
	if (rows)
		client_say_rows(c, rows);
	else
		client_say_error(c, error);
}

static void
client_line(struct client *c, const char *line, size_t len)
{
	json_error_t where;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);

	if (json_is_object(request))
		client_run(c, request);
	else
		client_say_error(c, "a JSON object per line expected");
	json_decref(request);
}

/* Writes what can be written.  False: the client is gone. */
static bool
client_write(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at,
		    c->out_len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n < 0) {
			client_free(c);
			return false;
		}
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_at = 0;
	if (c->closing) {
		client_free(c);
		return false;
	}
	return true;
}

/* One request out of 'in', if a whole one is there. */
static bool
client_next(struct client *c)
{
	char *end = c->in_len ? memchr(c->in, '\n', c->in_len) : NULL;
	size_t len = end ? (size_t)(end - c->in) : 0;

	if (!end && c->in_len < CTL_LINE_MAX)
		return false;
	if (!end) {
		client_say_error(c, "request too long");
		c->closing = true;
		c->in_len = 0;
		return true;
	}
	if (len)
		client_line(c, c->in, len);
	c->in_len -= len + 1;
	memmove(c->in, end + 1, c->in_len);
	return true;
}

/* Serves requests until there is none, or a reply has to wait. */
static void
client_serve(struct client *c)
{
	while (!c->out && !c->owed && client_next(c))
		if (!client_write(c))
			return;
	loop_timer_set(c->idle, CTL_IDLE_S * INT64_C(1000));
	loop_fd_update(c->watch, c->out ? LOOP_WRITE : c->owed ? 0 : LOOP_READ);
}

/* False: the client is gone. */
static bool
client_read(struct client *c)
{
	ssize_t n;

	if (c->in_size - c->in_len < READ_CHUNK) {
		size_t size = c->in_size ? c->in_size * 2 : READ_CHUNK;
		char *p = realloc(c->in, size);

		if (!p) {
			client_free(c);
			return false;
		}
		c->in = p;
		c->in_size = size;
	}
	n = read(c->fd, c->in + c->in_len, c->in_size - c->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		client_free(c);
		return false;
	}
	c->in_len += (size_t)n;
	return true;
}

static void
on_client(void *arg, int fd, unsigned what)
{
	struct client *c = arg;

	(void)fd;
	if (what & LOOP_WRITE) {
		if (client_write(c))
			client_serve(c);
	} else if (c->out || c->owed) {
		client_free(c); /* hung up before its reply */
	} else if (client_read(c)) {
		client_serve(c);
	}
}

void
ctl_reply_rows(struct ctl_reply *reply, json_t *rows)
{
	struct client *c = reply->client;

	free(reply);
	if (!c) {
		json_decref(rows);
		return;
	}
	c->owed = NULL;
	client_say_rows(c, rows);
	loop_fd_update(c->watch, LOOP_WRITE);
}

void
ctl_reply_error(struct ctl_reply *reply, const char *error)
{
	struct client *c = reply->client;

	free(reply);
	if (!c)
		return;
	c->owed = NULL;
	client_say_error(c, error);
	loop_fd_update(c->watch, LOOP_WRITE);
}

const char *
ctl_string(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

bool
ctl_integer(const json_t *request, const char *key, int64_t *out)
{
	const json_t *v = json_object_get(request, key);

	if (!json_is_integer(v))
		return false;
	*out = json_integer_value(v);
	return true;
}

/* Takes over 'fd'. */
static void
client_new(struct ctl_server *s, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->next_client = s->clients;
	if (c->next_client)
		c->next_client->prev_client = &c->next_client;
	c->prev_client = &s->clients;
	s->clients = c;
	s->n_clients++;
	c->watch = loop_fd_new(s->loop, fd, LOOP_READ, on_client, c);
	c->idle = loop_timer_new(s->loop, on_idle, c);
	if (!c->watch || !c->idle) {
		client_free(c);
		return;
	}
	loop_timer_set(c->idle, CTL_IDLE_S * INT64_C(1000));
}

static void
on_accept(void *arg, int listener, unsigned what)
{
	static const char full[] =
	    "{\"v\":1,\"ok\":false,\"error\":\"too many clients\"}\n";
	struct ctl_server *s = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		return;
	if (!ctl_socket_allowed(fd, s->gid)) {
		log_warning("ctl", "client refused: not in the socket's group");
		close(fd);
		return;
	}
	if (s->n_clients >= CTL_CLIENTS_MAX) {
		(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
		close(fd);
		return;
	}
	client_new(s, fd);
}

struct ctl_server *
ctl_server_new(struct loop *loop, const char *path, const char *group,
    const struct ctl_command *commands, void *arg, enum err *err)
{
	struct ctl_server *s = calloc(1, sizeof(*s));
	int saved;

	if (!s) {
		*err = ERR_NOMEM;
		return NULL;
	}
	s->loop = loop;
	s->commands = commands;
	s->arg = arg;
	s->fd = ctl_socket_open(path, group, &s->gid, err);
	if (s->fd < 0)
		goto out;
	s->path = strdup(path);
	s->watch = loop_fd_new(loop, s->fd, LOOP_READ, on_accept, s);
	*err = s->path && s->watch ? ERR_OK : ERR_NOMEM;
out:
	if (!*err)
		return s;
	saved = errno;
	ctl_server_free(s);
	errno = saved;
	return NULL;
}

void
ctl_server_free(struct ctl_server *s)
{
	if (!s)
		return;
	while (s->clients)
		client_free(s->clients);
	loop_fd_free(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	if (s->path)
		unlink(s->path);
	free(s->path);
	free(s);
}
