/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify_queue.c - xTR to xTR: messages until they are acked.
 *
 * notify.c makes them; this file encodes, signs, sends, repeats and reads the
 * Acks.  A message is kept as the octets that were sent, so that a
 * retransmission is the same datagram and the other side sees a duplicate.
 */
#include "notify_queue.h"

#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/mobility.h"
#include "xtr/move.h"
#include "xtr/output.h"
#include "xtr/store.h"

enum {
	RETRY_FIRST_MS = 100,
	RETRY_MAX_MS = 1000,
	SENDINGS = 12,
	SLOW_MS = 60000,
};

struct stream { /* what one xTR is told about one EID */
	struct eid eid;
	uint8_t to[16];
	uint32_t kind; /* enum notify_stream */
};

struct out {
	struct table_node by_nonce;
	uint64_t nonce;
	struct stream stream;
	struct out *next_in_stream, *prev_in_stream;
	struct xtr *x;
	struct loop_timer *timer;
	struct addr rloc;
	uint64_t generation;
	uint8_t reason;
	unsigned sendings;
	size_t len;
	uint8_t bytes[];
};

struct stream_head {
	struct table_node by_stream;
	struct stream stream;
	struct out *first;
};

struct notify {
	struct table outs, streams;
};

struct notify *
notify_new(struct xtr *x)
{
	struct notify *t = calloc(1, sizeof(*t));

	(void)x;
	if (!t)
		return NULL;
	if (table_init(&t->outs, NOTIFY_MAX, offsetof(struct out, by_nonce),
		offsetof(struct out, nonce), sizeof(uint64_t)) ||
	    table_init(&t->streams, NOTIFY_MAX,
		offsetof(struct stream_head, by_stream),
		offsetof(struct stream_head, stream), sizeof(struct stream))) {
		table_fini(&t->outs);
		free(t);
		return NULL;
	}
	return t;
}

static void
out_free(struct notify *t, struct out *o)
{
	struct stream_head *h = table_entry(
	    table_find(&t->streams, &o->stream), struct stream_head, by_stream);

	if (o->next_in_stream)
		o->next_in_stream->prev_in_stream = o->prev_in_stream;
	if (o->prev_in_stream)
		o->prev_in_stream->next_in_stream = o->next_in_stream;
	else if (h)
		h->first = o->next_in_stream;
	if (h && !h->first) {
		table_remove(&t->streams, &h->by_stream);
		free(h);
	}
	table_remove(&t->outs, &o->by_nonce);
	loop_timer_free(o->timer);
	free(o);
}

void
notify_free(struct notify *t)
{
	struct table_iter i;
	struct table_node *n;

	if (!t)
		return;
	for (i = table_iter(&t->outs); (n = table_next(&i));)
		out_free(t, table_entry(n, struct out, by_nonce));
	table_fini(&t->outs);
	table_fini(&t->streams);
	free(t);
}

static struct stream
stream_of(const struct eid *eid, const uint8_t to[16], enum notify_stream kind)
{
	struct stream s;

	memset(&s, 0, sizeof(s));
	s.eid = *eid;
	memcpy(s.to, to, 16);
	s.kind = kind;
	return s;
}

static struct stream_head *
head_find(const struct notify *t, const struct stream *s)
{
	return table_entry(
	    table_find(&t->streams, s), struct stream_head, by_stream);
}

void
notify_queue_cancel(const struct xtr *x, const struct eid *eid,
    const uint8_t to[16], enum notify_stream kind)
{
	const struct stream s = stream_of(eid, to, kind);
	struct stream_head *h;

	while ((h = head_find(x->notify, &s)))
		out_free(x->notify, h->first);
}

bool
notify_queue_has(const struct xtr *x, const struct eid *eid,
    const uint8_t to[16], enum notify_stream kind)
{
	const struct stream s = stream_of(eid, to, kind);

	return head_find(x->notify, &s);
}

/* Does what the message says still hold? */
static bool
still_true(const struct xtr *x, const struct out *o)
{
	const struct eid_entry *e = eids_find(x->eids, &o->stream.eid);

	if (!e || o->stream.kind == NOTIFY_REQUESTERS)
		return false;
	switch (o->reason) {
	case CPM_ARRIVED:
		return eid_is_ours(e) && e->generation == o->generation &&
		    !e->contested;
	case CPM_ABSENT:
		return e->state == EID_ABSENT && e->generation == o->generation;
	case CPM_ARRIVING:
		return e->incoming;
	default:
		return false;
	}
}

static void
transmit(struct xtr *x, struct out *o)
{
	const bool again = o->sendings++ > 0;

	if (o->stream.kind != NOTIFY_REQUESTERS) {
		x->counters.notify_sent++;
		x->counters.notify_retried += again;
	} else {
		x->counters.requesters_sent++;
		x->counters.requesters_retried += again;
	}
	output_send(x, xtr_rloc(x, o->rloc.afi), &o->rloc, LISP_CONTROL_PORT,
	    o->bytes, o->len);
}

static int64_t
retry_ms(unsigned sendings)
{
	int64_t ms = RETRY_FIRST_MS;

	for (unsigned i = 1; i < sendings && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	return ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
}

/* The same statement under a new nonce; false: it stays as it is. */
static bool
renew(struct xtr *x, struct out *o)
{
	const struct sender *to = mobility_sender(x, o->stream.to);
	const uint64_t nonce =
	    store_nonce_next(x->store, "cpm", clock_wall_ms(x->clock));
	struct wire_writer w = wire_writer(o->bytes + 4, o->len - 4);

	if (!to)
		return false;
	wire_put_u64(&w, nonce);
	(void)wire_room(&w, 4); /* key, algorithm, length stay */
	wire_put_zero(&w, CPM_AUTH_LEN);
	if (auth_sign(o->bytes, o->len, sender_key(to)))
		return false;
	table_remove(&x->notify->outs, &o->by_nonce);
	o->nonce = nonce;
	o->sendings = 0;
	/* There is room: one was just removed. */
	return table_add(&x->notify->outs, &o->by_nonce) == ERR_OK;
}

static void
timed_out(void *arg)
{
	struct out *o = arg;
	struct xtr *x = o->x;
	char eid[EID_STR_MAX], rloc[ADDR_STR_MAX];

	if (o->sendings < SENDINGS) {
		transmit(x, o);
		loop_timer_set(o->timer, retry_ms(o->sendings));
		return;
	}
	if (o->sendings == SENDINGS) {
		log_warning("notify", "%s: no Ack from %s for %s",
		    eid_str(&o->stream.eid, eid), addr_str(&o->rloc, rloc),
		    cpm_reason_str(o->reason));
		if (o->stream.kind != NOTIFY_REQUESTERS)
			x->counters.notify_given_up++;
		else
			x->counters.requesters_given_up++;
		o->sendings++;
		if (still_true(x, o)) {
			loop_timer_set(o->timer, SLOW_MS);
			return;
		}
	} else if (still_true(x, o) && renew(x, o)) {
		transmit(x, o);
		loop_timer_set(o->timer, retry_ms(o->sendings));
		return;
	}
	out_free(x->notify, o);
}

const struct addr *
notify_queue_rloc(const struct xtr *x, const struct conf_site_xtr *p)
{
	if (xtr_rloc(x, p->rloc.afi))
		return &p->rloc;
	for (size_t i = 0; i < p->rlocs.n; i++) {
		const struct addr *a = conf_at(p->rlocs, struct addr, i);

		if (xtr_rloc(x, a->afi))
			return a;
	}
	return NULL;
}

/* Signed octets of 'm' in 'buf'; their number, 0 if that cannot be. */
static size_t
encode(struct xtr *x, const struct sender *to, struct cpm *m,
    const struct cpm_peer *peers, unsigned n_peers, uint8_t *buf, size_t size)
{
	const struct auth_key *key = sender_key(to);
	struct wire_writer w = wire_writer(buf, size);

	m->nonce = store_nonce_next(x->store, "cpm", clock_wall_ms(x->clock));
	if (m->parts == 1)
		m->series = (uint32_t)m->nonce;
	m->subtype = (uint16_t)x->conf->mobility.cpm_subtype;
	m->ack_wanted = true;
	m->key_id = key->key_id;
	m->algorithm = key->algorithm;
	memcpy(m->sender_id, x->conf->site.xtr_id, 16);
	cpm_encode(&w, m, peers, n_peers);
	if (w.err || auth_sign(buf, wire_written(&w), key))
		return 0;
	return wire_written(&w);
}

/* The head of a stream, made if need be; NULL if it cannot be. */
static struct stream_head *
head_get(struct notify *t, const struct stream *s)
{
	struct stream_head *h = head_find(t, s);

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->stream = *s;
	if (!table_add(&t->streams, &h->by_stream))
		return h;
	free(h);
	return NULL;
}

/* Into both tables, or into none. */
static bool
keep(struct notify *t, struct out *o)
{
	struct stream_head *h = head_get(t, &o->stream);

	if (!h)
		return false;
	if (table_add(&t->outs, &o->by_nonce)) {
		if (!h->first) {
			table_remove(&t->streams, &h->by_stream);
			free(h);
		}
		return false;
	}
	o->next_in_stream = h->first;
	if (h->first)
		h->first->prev_in_stream = o;
	h->first = o;
	return true;
}

bool
notify_queue_send(struct xtr *x, const struct sender *to, struct cpm *m,
    const struct cpm_peer *peers, unsigned n_peers, unsigned copies)
{
	struct notify *t = x->notify;
	const struct addr *rloc = notify_queue_rloc(x, to->xtr);
	uint8_t buf[2048];
	struct out *o;
	size_t len;

	if (!rloc ||
	    (m->op == CPM_OP_REQUESTERS && t->outs.count >= NOTIFY_MAX / 2))
		return false;
	len = encode(x, to, m, peers, n_peers, buf, sizeof(buf));
	o = len ? calloc(1, sizeof(*o) + len) : NULL;
	if (!o)
		return false;
	o->x = x;
	o->nonce = m->nonce;
	o->stream =
	    stream_of(&m->eids[0], to->id, notify_stream(m->op, m->reason));
	o->rloc = *rloc;
	o->generation = m->generation;
	o->reason = m->reason;
	o->len = len;
	memcpy(o->bytes, buf, len);
	o->timer = loop_timer_new(x->loop, timed_out, o);
	if (!o->timer || !keep(t, o)) {
		loop_timer_free(o->timer);
		free(o);
		return false;
	}
	for (unsigned i = 0; i < copies; i++)
		transmit(x, o);
	loop_timer_set(o->timer, retry_ms(1));
	return true;
}

/* It has its answer. */
static void
answered(struct xtr *x, struct out *o)
{
	const struct eid eid = o->stream.eid;
	const bool owner = o->stream.kind == NOTIFY_OWNER;

	out_free(x->notify, o);
	if (owner && !notify_is_open(x, &eid))
		mobility_on_told(x, &eid);
}

static void
refused(struct xtr *x, struct out *o, uint8_t status)
{
	char eid[EID_STR_MAX], rloc[ADDR_STR_MAX];

	log_error("notify", "%s: %s refuses %s: %s",
	    eid_str(&o->stream.eid, eid), addr_str(&o->rloc, rloc),
	    cpm_reason_str(o->reason), cpm_status_str(status));
	answered(x, o);
}

/* Their highest nonce of ours is above this one. */
static void
stale_nonce(struct xtr *x, struct out *o, uint64_t highest)
{
	if (highest < o->nonce) { /* it says so for no reason */
		loop_timer_set(o->timer, RETRY_MAX_MS);
		return;
	}
	store_nonce_raise(x->store, "cpm", highest);
	if (!renew(x, o)) {
		out_free(x->notify, o);
		return;
	}
	transmit(x, o);
	loop_timer_set(o->timer, retry_ms(o->sendings));
}

/* What a status means for the message that it answers, docs/cpm.md 3.3. */
static void
on_status(struct xtr *x, struct out *o, const struct sender *from,
    uint8_t status, const struct cpm_ack *a)
{
	const struct eid eid = o->stream.eid;
	const uint64_t generation = o->generation;
	const bool arrived =
	    o->stream.kind == NOTIFY_OWNER && o->reason == CPM_ARRIVED;

	switch (status) {
	case CPM_ACK_DONE:
	case CPM_ACK_NOTHING:
		if (arrived)
			move_note(x, &eid, MOVE_NOTIFY_ACKED, &from->xtr->rloc);
		answered(x, o);
		break;
	case CPM_ACK_POLICY:
	case CPM_ACK_MALFORMED:
		refused(x, o, status);
		break;
	case CPM_ACK_NONCE:
		stale_nonce(x, o, a->highest_nonce);
		break;
	case CPM_ACK_STALE:
		answered(x, o);
		if (arrived)
			mobility_on_stale(
			    x, &eid, generation, a->highest_generation);
		break;
	default: /* rate, internal, unknown: again, later */
		loop_timer_set(o->timer, RETRY_MAX_MS);
		break;
	}
}

enum err
notify_on_ack(
    struct xtr *x, const struct sender *from, const struct datagram *dg)
{
	struct cpm_ack a;
	struct out *o;
	enum err err = cpm_ack_decode(
	    dg->bytes, dg->len, (uint16_t)x->conf->mobility.cpm_subtype, &a);

	if (err)
		return err;
	o = table_entry(
	    table_find(&x->notify->outs, &a.nonce), struct out, by_nonce);
	/* A second Ack of what was sent twice is no news. */
	if (!o || memcmp(o->stream.to, from->id, 16) != 0) {
		x->counters.ack_unmatched++;
		return ERR_OK;
	}
	if (cpm_is_future(x, a.highest_generation) ||
	    cpm_is_future(x, a.highest_nonce))
		return ERR_FUTURE;
	mobility_on_seen(x, &o->stream.eid, a.highest_generation);
	on_status(x, o, from,
	    a.status == CPM_ACK_DIFFER && a.n_eids ? a.eids[0].status
						   : a.status,
	    &a);
	return ERR_OK;
}
