/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.c - xtrd's control socket.
 *
 * common/ctl_server.c cuts the lines; here is what a request does.  What is
 * shown is made in ctl_show.c, a move is mobility.c's, a reload main.c's.
 */
#include "xtr/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ctl_server.h"
#include "xtr/ctl_explain.h"
#include "xtr/ctl_show.h"
#include "xtr/eids.h"
#include "xtr/mobility.h"

struct ctl {
	struct xtr *x;
	struct ctl_server *server;
	ctl_reload_fn *reload;
	void *reload_arg;
	char error[CTL_ERROR_MAX];
};

static json_t *
on_show(void *arg, const json_t *request, const char **error)
{
	struct ctl *c = arg;

	return ctl_show(c->x, request, error);
}

static json_t *
on_explain(void *arg, const json_t *request, const char **error)
{
	struct ctl *c = arg;

	return ctl_explain(c->x, request, error);
}

/* One row: the EID as it is now. */
static json_t *
moved(const struct xtr *x, const struct eid *eid)
{
	const struct eid_entry *e = eids_find(x->eids, eid);
	char text[EID_STR_MAX];

	if (!e)
		return json_array();
	return json_pack("[{s:s, s:s, s:I}]", "eid", eid_str(eid, text),
	    "state", eid_state_str(e->state), "generation",
	    (json_int_t)e->generation);
}

static json_t *
on_move(void *arg, const json_t *request, const char **error)
{
	struct ctl *c = arg;
	const char *text = ctl_string(request, "eid");
	const char *to = ctl_string(request, "to");
	struct eid eid;
	enum err err;

	if (!text || eid_parse(text, &eid)) {
		*error = "\"eid\": an EID expected";
		return NULL;
	}
	if (!to || strcmp(to, "here") != 0) {
		*error = "\"to\":\"here\" expected";
		return NULL;
	}
	if (!c->x->mobility) {
		*error = "mobility is not configured";
		return NULL;
	}
	err = mobility_move_here(c->x, &eid, error);
	if (err && !*error)
		*error = err_str(err);
	return err ? NULL : moved(c->x, &eid);
}

static json_t *
on_reload(void *arg, const json_t *request, const char **error)
{
	struct ctl *c = arg;
	enum err err;

	(void)request;
	if (!c->reload) {
		*error = "there is nothing to reload";
		return NULL;
	}
	c->error[0] = '\0';
	err = c->reload(c->reload_arg, c->error, sizeof(c->error));
	if (!err)
		return json_array();
	*error = c->error[0] ? c->error : err_str(err);
	return NULL;
}

static const struct ctl_command commands[] = {
	{ "show", NULL, on_show, NULL },
	{ "explain", NULL, on_explain, NULL },
	{ "move", NULL, on_move, NULL },
	{ "reload", NULL, on_reload, NULL },
	{ 0 },
};

struct ctl *
ctl_start(struct xtr *x, ctl_reload_fn *reload, void *arg)
{
	const struct conf_control *conf = &x->conf->control;
	struct ctl *c = calloc(1, sizeof(*c));
	enum err err;

	if (!c) {
		log_error("ctl", "%s", err_str(ERR_NOMEM));
		return NULL;
	}
	c->x = x;
	c->reload = reload;
	c->reload_arg = arg;
	c->server = ctl_server_new(
	    x->loop, conf->socket, conf->group, commands, c, &err);
	if (c->server)
		return c;
	if (err == ERR_NOT_FOUND)
		log_error("ctl", "control.group: no group \"%s\"", conf->group);
	else
		log_error("ctl", "%s: %s", conf->socket,
		    err == ERR_IO ? strerror(errno) : err_str(err));
	free(c);
	return NULL;
}

void
ctl_stop(struct ctl *c)
{
	if (!c)
		return;
	ctl_server_free(c->server);
	free(c);
}
