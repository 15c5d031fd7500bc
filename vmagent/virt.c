/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt.c - libvirt callback -> struct vm_event, and questions to libvirt.
 *
 * agent.c gets everything through the hooks.  Opening, closing and every other
 * call that may wait runs in one of two workers; the callbacks run in the loop,
 * which is also libvirt's (virt_loop.c).  The read worker has one job at a time
 * and takes the next from our own two queues, so that an urgent look does not
 * wait behind a thousand of a listing.
 */
#include "virt.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "virt_call.h"

enum { WRITES_MAX = 1024 };

struct queue {
	struct call *first, **last;
};

struct virt {
	struct loop *loop;
	char *uri;
	struct virt_conf conf;
	const struct virt_hooks *hooks;
	void *arg;
	struct loop_worker *reader, *writer;
	struct loop_timer *retry;
	struct virt_writer write_conn;
	virConnectPtr conn; /* the reader's; NULL: not connected */
	int ids[VIRT_CALLBACKS];
	struct call *calls; /* all there are */
	int64_t backoff_ms;
	bool said_lost;
	bool reading; /* a job of the reader is under way */
	unsigned writing;
	struct queue urgent, normal;
	size_t n_queued;
	struct virt_counters counters;
};

/* ---- callbacks, in the loop ---- */

static uint64_t
wall_ms(const struct virt *v)
{
	return clock_wall_ms(loop_clock(v->loop));
}

static void
on_lifecycle(
    virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
	struct virt *v = arg;
	struct vm_event ev = { .wall_ms = wall_ms(v),
		.name = virDomainGetName(dom) };

	(void)conn;
	ev.kind =
	    virt_lifecycle(event, detail, virDomainGetID(dom) != (unsigned)-1);
	if (virDomainGetUUID(dom, ev.uuid) < 0)
		return;
	v->counters.events++;
	log_debug("virt", "%s: lifecycle %d/%d: %s", ev.name, event, detail,
	    vm_event_str(ev.kind));
	v->hooks->event(v->arg, &ev);
}

static void
on_iteration(virConnectPtr conn, virDomainPtr dom, int iteration, void *arg)
{
	struct virt *v = arg;
	uint8_t uuid[16];

	(void)conn;
	log_debug("virt", "%s: iteration %d", virDomainGetName(dom), iteration);
	if (iteration == 1 && virDomainGetUUID(dom, uuid) == 0) {
		v->counters.events++;
		v->hooks->copying(v->arg, uuid, wall_ms(v));
	}
}

static void
on_metadata(
    virConnectPtr conn, virDomainPtr dom, int type, const char *uri, void *arg)
{
	struct virt *v = arg;
	uint8_t uuid[16];

	(void)conn;
	if (type == VIR_DOMAIN_METADATA_ELEMENT &&
	    (!uri || strcmp(uri, v->conf.own_uri) != 0) &&
	    virDomainGetUUID(dom, uuid) == 0)
		v->hooks->changed(v->arg, uuid);
}

static void
on_device(virConnectPtr conn, virDomainPtr dom, const char *alias, void *arg)
{
	struct virt *v = arg;
	uint8_t uuid[16];

	(void)conn;
	(void)alias;
	if (virDomainGetUUID(dom, uuid) == 0)
		v->hooks->changed(v->arg, uuid);
}

static void connection_lost(struct virt *, const char *why);

static void
on_closed(virConnectPtr conn, int reason, void *arg)
{
	static const char *const reasons[] = { "error", "end of file",
		"no keepalive", "closed" };
	struct virt *v = arg;

	if (conn == v->conn)
		connection_lost(
		    v, reason >= 0 && reason < 4 ? reasons[reason] : "unknown");
}

static const struct virt_callbacks callbacks = {
	.events = {
		{ VIR_DOMAIN_EVENT_ID_LIFECYCLE,
		    VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), true },
		{ VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
		    VIR_DOMAIN_EVENT_CALLBACK(on_iteration), false },
		{ VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
		    VIR_DOMAIN_EVENT_CALLBACK(on_metadata), false },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
		    VIR_DOMAIN_EVENT_CALLBACK(on_device), false },
		{ VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
		    VIR_DOMAIN_EVENT_CALLBACK(on_device), false },
	},
	.closed = on_closed,
};

/* ---- the loop's side of the calls ---- */

static void reader_next(struct virt *);

static void
call_free(struct call *c)
{
	if (c->next_call)
		c->next_call->prev_call = c->prev_call;
	*c->prev_call = c->next_call;
	free(c->xml);
	free(c->uuids);
	free(c);
}

static struct call *
call_new(struct virt *v, enum call_kind kind)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->v = v;
	c->kind = kind;
	c->conf = &v->conf;
	c->callbacks = &callbacks;
	c->writer = &v->write_conn;
	c->asked = loop_now(v->loop);
	for (int i = 0; i < VIRT_CALLBACKS; i++)
		c->ids[i] = -1;
	c->next_call = v->calls;
	if (c->next_call)
		c->next_call->prev_call = &c->next_call;
	c->prev_call = &v->calls;
	v->calls = c;
	return c;
}

static void
queue_push(struct queue *q, struct call *c)
{
	c->next_queued = NULL;
	*q->last = c;
	q->last = &c->next_queued;
}

static struct call *
queue_pop(struct queue *q)
{
	struct call *c = q->first;

	if (c) {
		q->first = c->next_queued;
		if (!q->first)
			q->last = &q->first;
	}
	return c;
}

static void
queues_drop(struct virt *v)
{
	struct call *c;

	while ((c = queue_pop(&v->urgent)) || (c = queue_pop(&v->normal)))
		call_free(c);
	v->n_queued = 0;
}

static void
retry_later(struct virt *v)
{
	loop_timer_set(v->retry, v->backoff_ms);
	v->backoff_ms *= 2;
	if (v->backoff_ms > VIRT_BACKOFF_MAX_MS)
		v->backoff_ms = VIRT_BACKOFF_MAX_MS;
}

/* Closes 'conn' in the reader; the next attempt follows it. */
static void
close_later(struct virt *v, virConnectPtr conn, const int ids[VIRT_CALLBACKS])
{
	struct call *c = call_new(v, CALL_CLOSE);

	if (!c) {
		retry_later(v); /* leaks the connection; memory is out */
		return;
	}
	c->conn = conn;
	memcpy(c->ids, ids, sizeof(c->ids));
	queue_push(&v->urgent, c);
	reader_next(v);
}

static void
connection_lost(struct virt *v, const char *why)
{
	virConnectPtr conn = v->conn;

	if (!conn)
		return;
	log_warning("virt", "%s: connection lost: %s", v->conf.uri, why);
	v->counters.losses++;
	v->conn = NULL;
	queues_drop(v);
	v->backoff_ms = VIRT_BACKOFF_FIRST_MS;
	close_later(v, conn, v->ids);
	v->hooks->lost(v->arg);
}

static void
connect_failed(struct virt *v, const struct call *c)
{
	if (!v->said_lost)
		log_warning("virt", "%s: %s; trying again", v->conf.uri,
		    c->err ? c->why : "closed at once");
	v->said_lost = true;
	if (c->conn)
		close_later(v, c->conn, c->ids);
	else
		retry_later(v);
}

static void
connect_done(struct virt *v, const struct call *c)
{
	/* It may have closed before 'conn' was known to on_closed(). */
	if (c->err || virConnectIsAlive(c->conn) == 0) {
		connect_failed(v, c);
		return;
	}
	log_info("virt", "%s: connected", v->conf.uri);
	v->said_lost = false;
	v->conn = c->conn;
	memcpy(v->ids, c->ids, sizeof(v->ids));
	v->backoff_ms = VIRT_BACKOFF_FIRST_MS;
	v->counters.connects++;
	v->hooks->connected(v->arg, c->xml ? c->xml : "");
}

static void
look_done(struct virt *v, const struct call *c)
{
	struct virt_domain d = { .err = c->err,
		.life = c->life,
		.job = c->job,
		.xml = c->xml,
		.purpose = c->purpose,
		.asked = c->asked };

	memcpy(d.uuid, c->uuid, sizeof(d.uuid));
	if (c->err)
		log_debug("virt", "look: %s", c->why);
	v->hooks->looked(v->arg, &d);
}

/* A job of the reader is over, in the loop. */
static void
read_done(void *job)
{
	struct call *c = job;
	struct virt *v = c->v;
	bool current = c->conn == v->conn;

	v->reading = false;
	switch (c->kind) {
	case CALL_CONNECT:
		connect_done(v, c);
		break;
	case CALL_CLOSE:
		retry_later(v);
		break;
	case CALL_LIST:
		if (c->err)
			log_warning("virt", "list: %s", c->why);
		else if (current)
			v->hooks->listed(v->arg, (const uint8_t(*)[16])c->uuids,
			    c->n_uuids, c->asked);
		break;
	case CALL_LOOK:
		if (current)
			look_done(v, c);
		break;
	case CALL_WRITE:
		break;
	}
	call_free(c);
	reader_next(v);
}

static void
reader_start(struct virt *v, struct call *c)
{
	v->reading = true;
	if (loop_work(v->reader, virt_call_run, read_done, c)) {
		v->reading = false;
		call_free(c);
	}
}

static void
reader_next(struct virt *v)
{
	struct call *c;

	if (v->reading)
		return;
	c = queue_pop(&v->urgent);
	if (!c)
		c = queue_pop(&v->normal);
	if (!c)
		return;
	if (c->kind != CALL_CLOSE && c->kind != CALL_CONNECT) {
		c->conn = v->conn;
		v->n_queued--;
	}
	reader_start(v, c);
}

static void
on_retry(void *arg)
{
	struct virt *v = arg;
	struct call *c = call_new(v, CALL_CONNECT);

	if (!c) {
		retry_later(v);
		return;
	}
	queue_push(&v->urgent, c);
	reader_next(v);
}

static void
write_done(void *job)
{
	struct call *c = job;
	struct virt *v = c->v;

	v->writing--;
	if (c->err && c->err != ERR_RATE)
		v->counters.write_errors++;
	v->hooks->written(v->arg, c->uuid, c->err, c->why);
	call_free(c);
}

/* ---- the interface ---- */

static void
quiet(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error; /* the callers log, once and with a subject */
}

struct virt *
virt_new(struct loop *loop, const struct virt_conf *conf,
    const struct virt_hooks *hooks, void *arg)
{
	struct virt *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	virInitialize();
	virSetErrorFunc(NULL, quiet);
	v->loop = loop;
	v->conf = *conf;
	v->conf.uri = v->uri = strdup(conf->uri);
	v->hooks = hooks;
	v->arg = arg;
	v->backoff_ms = VIRT_BACKOFF_FIRST_MS;
	v->urgent.last = &v->urgent.first;
	v->normal.last = &v->normal.first;
	v->reader = loop_worker_new(loop, "virt-read", 4);
	v->writer = loop_worker_new(loop, "virt-write", WRITES_MAX);
	v->retry = loop_timer_new(loop, on_retry, v);
	if (!v->uri || !v->reader || !v->writer || !v->retry) {
		virt_free(v);
		return NULL;
	}
	on_retry(v);
	return v;
}

void
virt_free(struct virt *v)
{
	if (!v)
		return;
	loop_timer_free(v->retry);
	loop_worker_free(v->reader);
	loop_worker_free(v->writer);
	while (v->calls) {
		struct call *c = v->calls;

		/* Opened but not handed over, or not closed yet. */
		if (c->conn && c->ran == (c->kind == CALL_CONNECT) &&
		    (c->kind == CALL_CONNECT || c->kind == CALL_CLOSE))
			virt_call_close(c->conn, &callbacks, c->ids);
		call_free(c);
	}
	if (v->conn)
		virt_call_close(v->conn, &callbacks, v->ids);
	if (v->write_conn.conn)
		virConnectClose(v->write_conn.conn);
	free(v->uri);
	free(v);
}

bool
virt_idle(const struct virt *v)
{
	return !v->reading && !v->writing;
}

bool
virt_connected(const struct virt *v)
{
	return v->conn != NULL;
}

const struct virt_counters *
virt_counters(const struct virt *v)
{
	return &v->counters;
}

static enum err
enqueue(struct virt *v, struct queue *q, struct call *c)
{
	if (!c)
		return ERR_NOMEM;
	queue_push(q, c);
	v->n_queued++;
	v->counters.looks++;
	reader_next(v);
	return ERR_OK;
}

void
virt_list(struct virt *v)
{
	if (v->conn && enqueue(v, &v->urgent, call_new(v, CALL_LIST)))
		log_error("virt", "list: %s", err_str(ERR_NOMEM));
}

enum err
virt_look(struct virt *v, const uint8_t uuid[16], bool urgent, unsigned want,
    int purpose)
{
	struct call *c;

	if (!v->conn)
		return ERR_IO;
	if (v->n_queued >= VIRT_LOOKS_MAX)
		return ERR_FULL;
	c = call_new(v, CALL_LOOK);
	if (c) {
		memcpy(c->uuid, uuid, sizeof(c->uuid));
		c->want = want;
		c->purpose = purpose;
	}
	return enqueue(v, urgent ? &v->urgent : &v->normal, c);
}

enum err
virt_write(struct virt *v, const uint8_t uuid[16], char *xml)
{
	struct call *c = v->conn ? call_new(v, CALL_WRITE) : NULL;
	enum err err = ERR_IO;

	if (c) {
		memcpy(c->uuid, uuid, sizeof(c->uuid));
		c->xml = xml;
		err = loop_work(v->writer, virt_call_run, write_done, c);
	}
	if (err) {
		if (c)
			call_free(c);
		else
			free(xml);
		return err;
	}
	v->writing++;
	v->counters.writes++;
	return ERR_OK;
}
