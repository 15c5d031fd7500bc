/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_notify.c - tells xTRs that an EID they had registered is registered
 * otherwise now.  RFC 9301 5.7, 8.2.
 *
 * ms_table.c says who was there before; each gets an unsolicited Map-Notify with
 * the present record, repeated until its Map-Notify-Ack.  Only the newest state
 * of an EID is ever under way: when it changes again, what is pending of the
 * older one is cancelled, and who had not acknowledged hears the new one.
 *
 * Bound: MS_NOTICES_MAX; beyond, a Map-Notify leaves once and is not repeated.
 */
#include "xtr/ms.h"
#include "xtr/ms_subscribe.h"

#include <stdlib.h>

#include "xtr/output.h"
#include "xtr/reply.h"
#include "xtr/store.h"

enum { TOLD_MAX = 2 * MS_MERGED_MAX };

struct notice {
	struct table_node by_nonce;
	uint64_t nonce;
	struct map_server *ms;
	struct eid eid;
	struct peer *peer;
	struct loop_timer *timer;
	unsigned sent;
	struct notice *next_of_eid;
};

struct notified { /* an EID that has notices */
	struct table_node by_eid;
	struct eid eid;
	struct notice *notices;
};

enum err
ms_notices_init(struct map_server *ms)
{
	enum err err = table_init(&ms->notices, MS_NOTICES_MAX,
	    offsetof(struct notice, by_nonce), offsetof(struct notice, nonce),
	    sizeof(uint64_t));

	return err ? err
		   : table_init(&ms->notified, MS_NOTICES_MAX,
			 offsetof(struct notified, by_eid),
			 offsetof(struct notified, eid), sizeof(struct eid));
}

static struct notified *
notified_find(struct map_server *ms, const struct eid *eid)
{
	return table_entry(
	    table_find(&ms->notified, eid), struct notified, by_eid);
}

static void
notice_free(struct notice *n)
{
	loop_timer_free(n->timer);
	table_remove(&n->ms->notices, &n->by_nonce);
	n->peer->refs--;
	free(n);
}

/* Takes it out of its EID's list, too. */
static void
notice_end(struct notice *n)
{
	struct map_server *ms = n->ms;
	struct notified *e = notified_find(ms, &n->eid);
	struct notice **link = &e->notices;

	while (*link != n)
		link = &(*link)->next_of_eid;
	*link = n->next_of_eid;
	notice_free(n);
	if (!e->notices) {
		table_remove(&ms->notified, &e->by_eid);
		free(e);
	}
}

void
ms_notify_cancel(struct map_server *ms, const struct eid *eid)
{
	struct notified *e = notified_find(ms, eid);

	while (e && e->notices) {
		struct notice *n = e->notices;

		e->notices = n->next_of_eid;
		notice_free(n);
	}
	if (e) {
		table_remove(&ms->notified, &e->by_eid);
		free(e);
	}
}

void
ms_notices_fini(struct map_server *ms)
{
	struct table_iter it = table_iter(&ms->notified);
	struct table_node *node;

	while ((node = table_next(&it)))
		ms_notify_cancel(
		    ms, &table_entry(node, struct notified, by_eid)->eid);
	table_fini(&ms->notices);
	table_fini(&ms->notified);
}

const struct auth_key *
ms_peer_auth(const struct peer *p, struct auth_key *own)
{
	const struct conf_keyring *ring;
	const struct auth_key *key;

	own->secret_len = 0;
	if (!p->site->conf)
		return NULL;
	ring = &p->site->conf->keys.ring;
	key = keyring_find(ring, p->key.key_id, p->algorithm);
	if (!key) /* its key is gone: it may have the new one */
		return ring->keys[0];
	if (!(key->accept >> p->algorithm & 1) ||
	    (p->algorithm == key->algorithm && p->auth_len == auth_len(key)))
		return key;
	*own = *key;
	own->algorithm = p->algorithm;
	own->send_len = p->auth_len == 32 ? 32 : 0;
	return own;
}

/* Only what was copied needs to go. */
static void
wipe(struct auth_key *own)
{
	if (own->secret_len)
		auth_key_wipe(own);
}

void
ms_notify_send(struct map_server *ms, const struct peer *p,
    const struct addr *from, uint16_t port, struct wire_writer *w)
{
	struct auth_key own;
	const struct auth_key *key = ms_peer_auth(p, &own);

	if (key && !w->err &&
	    auth_sign(w->start, wire_written(w), key) == ERR_OK) {
		output_send(
		    ms->x, from, &p->addr, port, w->start, wire_written(w));
		ms->x->counters.map_notify_sent++;
	}
	wipe(&own);
}

/* The present record of 'eid' to one xTR, RFC 9301 5.7. */
static void
send(struct map_server *ms, const struct peer *p, const struct eid *eid,
    uint64_t nonce)
{
	const struct registration *r = ms_find(ms, eid);
	struct map_notify m = {
		.type = LISP_MAP_NOTIFY, .nonce = nonce, .n_records = 1
	};
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct auth_key own;
	const struct auth_key *key = ms_peer_auth(p, &own);

	if (!r || !key || !reply_can_reach(ms->x, p->addr.afi)) {
		wipe(&own);
		return;
	}
	m.auth = (struct auth_header){ .key_id = key->key_id,
		.algorithm = key->algorithm,
		.len = auth_len(key) };
	wipe(&own);
	map_notify_header(&w, &m);
	ms_record_put(&w, r);
	ms_notify_send(ms, p, NULL, LISP_CONTROL_PORT, &w);
}

/* 3 times at 3 s, then 3 more at twice the time before. */
int64_t
ms_notify_wait_ms(unsigned sent)
{
	static const uint8_t seconds[] = { 3, 3, 3, 6, 12, 24, 24 };

	_Static_assert(sizeof(seconds) == NOTIFY_RETRIES + 1, "one per wait");
	return seconds[sent - 1] * (NOTIFY_RETRY_S * 1000 / 3);
}

static void
notice_timed_out(void *arg)
{
	struct notice *n = arg;

	if (n->sent > NOTIFY_RETRIES) {
		n->ms->x->counters.map_notify_given_up++;
		notice_end(n);
		return;
	}
	send(n->ms, n->peer, &n->eid, n->nonce);
	n->ms->x->counters.map_notify_retried++;
	n->sent++;
	loop_timer_set(n->timer, ms_notify_wait_ms(n->sent));
}

static uint64_t
nonce_next(struct map_server *ms)
{
	uint64_t now = clock_wall_ms(ms->x->clock);

	if (ms->x->store)
		return store_nonce_next(ms->x->store, "map-notify", now);
	ms->last_nonce = ms->last_nonce < now ? now : ms->last_nonce + 1;
	return ms->last_nonce;
}

/* NULL: it is not repeated. */
static struct notice *
notice_new(struct map_server *ms, const struct eid *eid, struct peer *p,
    uint64_t nonce)
{
	struct notified *e = notified_find(ms, eid);
	struct notice *n = calloc(1, sizeof(*n));

	if (n && !e) {
		e = calloc(1, sizeof(*e));
		if (e) {
			e->eid = *eid;
			if (table_add(&ms->notified, &e->by_eid)) {
				free(e);
				e = NULL;
			}
		}
	}
	if (!n || !e) {
		free(n);
		return NULL;
	}
	*n = (struct notice){ .nonce = nonce,
		.ms = ms,
		.eid = *eid,
		.peer = p,
		.next_of_eid = e->notices };
	n->timer = loop_timer_new(ms->x->loop, notice_timed_out, n);
	if (!n->timer || table_add(&ms->notices, &n->by_nonce)) {
		loop_timer_free(n->timer);
		free(n);
		if (!e->notices) {
			table_remove(&ms->notified, &e->by_eid);
			free(e);
		}
		return NULL;
	}
	e->notices = n;
	p->refs++;
	return n;
}

static void
tell(struct map_server *ms, const struct eid *eid, struct peer *p)
{
	uint64_t nonce = nonce_next(ms);
	struct notice *n = notice_new(ms, eid, p, nonce);

	send(ms, p, eid, nonce);
	if (!n) {
		ms->x->counters.notices_full++;
		return;
	}
	n->sent = 1;
	loop_timer_set(n->timer, ms_notify_wait_ms(n->sent));
}

/* True if 'p' registers the EID now, alone. */
static bool
is_registrant(
    struct map_server *ms, const struct eid *eid, const struct peer *p)
{
	const struct registration *r = ms_find(ms, eid);

	return r && !(r->flags & MS_MERGE) && ms_peer_same(r->peer, p);
}

void
ms_notify_changed(
    struct map_server *ms, const struct eid *eid, const struct ms_told *told)
{
	const struct notified *e = notified_find(ms, eid);
	struct peer *peers[TOLD_MAX];
	unsigned n = told->n;

	for (unsigned i = 0; i < n; i++)
		peers[i] = told->peers[i];
	for (const struct notice *old = e ? e->notices : NULL; old;
	     old = old->next_of_eid) {
		bool listed = is_registrant(ms, eid, old->peer);

		for (unsigned i = 0; i < n; i++)
			listed |= peers[i] == old->peer;
		if (!listed && n < TOLD_MAX)
			peers[n++] = old->peer;
	}
	ms_notify_cancel(ms, eid);
	if (!ms->x->output)
		return; /* still starting */
	for (unsigned i = 0; i < n; i++)
		tell(ms, eid, peers[i]);
}

enum err
map_server_on_map_notify_ack(
    struct xtr *x, const struct datagram *dg, struct map_notify *m)
{
	struct notice *n =
	    table_entry(table_find(&x->map_server->notices, &m->nonce),
		struct notice, by_nonce);
	const struct auth_key *key;
	enum err err;

	if (!n)
		return ms_publish_on_ack(x->map_server, dg, m);
	if (!n->peer->site->conf)
		return ERR_KEY_UNKNOWN;
	err = keyring_verify(
	    &n->peer->site->conf->keys.ring, dg->bytes, dg->len, &key);
	if (!err)
		notice_end(n);
	return err;
}
