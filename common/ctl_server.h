/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CTL_SERVER_H
#define COMMON_CTL_SERVER_H

/*
 * ctl_server.h - the control socket: one JSON object per line, both ways.
 *
 *	{"v":1,"cmd":"show","what":"eids"}
 *	{"v":1,"ok":true,"rows":[ ... ]}
 *	{"v":1,"ok":false,"error":"no such EID"}
 *
 * A client is served one request at a time, in order.  Bounds: CTL_CLIENTS_MAX
 * clients (more are told so and closed), CTL_LINE_MAX octets a request, an idle
 * client goes after CTL_IDLE_S.  Who may connect: root, the daemon's own user,
 * members of the socket's group (mode 0660, checked again by SO_PEERCRED).
 */
#include <jansson.h>

#include "err.h"
#include "loop.h"

enum {
	CTL_VERSION = 1,
	CTL_CLIENTS_MAX = 32,
	CTL_LINE_MAX = 65536,
	CTL_IDLE_S = 300,
};

struct ctl_server;
struct ctl_reply;

/*
 * A row of the command table; a row with neither function ends it.  A request
 * matches by "cmd", and by "what" unless the row's 'what' is NULL; the first
 * row that matches is called.  Exactly one of 'fn' and 'later' is set.
 */
struct ctl_command {
	const char *cmd;
	const char *what;
	/*
	 * Answers at once: the rows (a new reference to an array, or to an
	 * object of "rows" and further members of the reply), or NULL after
	 * setting '*error' to text that lives until fn is called again
	 * (a literal, or a buffer of 'arg').
	 */
	json_t *(*fn)(void *arg, const json_t *request, const char **error);
	/*
	 * Answers later: must call ctl_reply_rows() or ctl_reply_error() for
	 * 'reply' exactly once, now or in a later callback.
	 */
	void (*later)(
	    void *arg, const json_t *request, struct ctl_reply *reply);
};

/*
 * Listens on 'path', whose folder is made if missing.  A socket file that
 * nobody listens on any more is replaced; one that is in use, or a file of
 * another kind, is an error.  'group' may be NULL or empty: the process's own.
 * 'commands' and 'arg' are borrowed.  NULL after an error, with '*err' set to
 * ERR_IO (errno says more), ERR_NOT_FOUND (no such group) or ERR_NOMEM.
 */
struct ctl_server *
ctl_server_new(struct loop *, const char *path, const char *group,
    const struct ctl_command *commands, void *arg, enum err *err);

/*
 * Closes all clients and removes the socket file.  Replies still owed may be
 * given after it; they go nowhere.  Accepts NULL.
 */
void ctl_server_free(struct ctl_server *);

/* Ends a 'later' command; 'rows' is taken over.  'reply' is gone after it. */
void ctl_reply_rows(struct ctl_reply *reply, json_t *rows);
/* 'error' is copied. */
void ctl_reply_error(struct ctl_reply *reply, const char *error);

/* The string or integer member 'key' of a request; NULL / false if absent. */
const char *ctl_string(const json_t *request, const char *key);
bool ctl_integer(const json_t *request, const char *key, int64_t *out);

#endif
