/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_subscribe_store.c - subscriptions in the store, so that a restarted
 * Map-Server publishes on, and no nonce is taken twice.  RFC 9437 5.
 *
 * What was under way when the process ended is not in the store, only that
 * something was: then all that there is under the prefix is published again.
 */
#include "ms_subscribe.h"

#include <string.h>

#include "xtr/store.h"

enum { VALUE_VERSION = 1, KEY_LEN = 1 + 16 + STORE_EID_KEY };

/* In STORE_SUBSCRIPTION under 'M', xTR-ID, EID key. */
struct value {
	uint8_t version, active, unacked, n_rlocs;
	uint8_t rloc;
	uint8_t zero[3];
	uint64_t nonce;
	int64_t expires_ms, since_ms, acked_ms; /* wall clock */
	struct addr rlocs[SUB_RLOCS];
	struct addr local;
	uint8_t zero2[6];
};

_Static_assert(sizeof(struct value) == 136, "layout in the store");

static void
store_key(const struct sub *s, uint8_t key[KEY_LEN])
{
	key[0] = 'M';
	memcpy(key + 1, s->key.xtr_id, sizeof(s->key.xtr_id));
	store_eid_key(&s->key.eid, key + 17);
}

void
sub_save(const struct sub *s)
{
	struct xtr *x = s->ms->x;
	const struct value v = {
		.version = VALUE_VERSION,
		.active = s->active,
		.unacked = s->flight || s->n_changes,
		.n_rlocs = s->n_rlocs,
		.rloc = s->rloc,
		.nonce = s->nonce,
		.expires_ms = (int64_t)clock_wall_ms(x->clock) +
		    (s->expires_us - xtr_now(x).us) / 1000,
		.since_ms = s->since_ms,
		.acked_ms = s->acked_ms,
		.rlocs = { s->rlocs[0], s->rlocs[1], s->rlocs[2], s->rlocs[3] },
		.local = s->local,
	};
	uint8_t key[KEY_LEN];

	store_key(s, key);
	if (x->store &&
	    store_put(
		x->store, STORE_SUBSCRIPTION, key, sizeof(key), &v, sizeof(v)))
		x->counters.store_errors++;
}

void
sub_unsave(const struct sub *s)
{
	struct xtr *x = s->ms->x;
	uint8_t key[KEY_LEN];

	store_key(s, key);
	if (x->store &&
	    store_remove(x->store, STORE_SUBSCRIPTION, key, sizeof(key)))
		x->counters.store_errors++;
}

static void
resume(struct sub *s, const struct value *v, int64_t left_ms)
{
	s->rloc = v->rloc < v->n_rlocs ? v->rloc : 0;
	s->n_rlocs = v->n_rlocs;
	memcpy(s->rlocs, v->rlocs, sizeof(s->rlocs));
	s->local = v->local;
	s->expires_us = xtr_now(s->ms->x).us + left_ms * 1000;
	s->acked_ms = v->acked_ms;
	if (!v->active || left_ms <= 0 || !v->n_rlocs || !s->who->conf)
		return;
	sub_activate(s);
	s->since_ms = v->since_ms;
	if (!s->active)
		return;
	sub_arm(s);
	if (v->unacked)
		sub_publish_all(s);
}

static bool
read_one(void *arg, const void *bytes, size_t len, const void *value,
    size_t value_len)
{
	struct map_server *ms = arg;
	const uint8_t *key = bytes;
	struct subscriber *who;
	struct sub *s;
	struct value v;
	struct eid eid;

	if (len != KEY_LEN || value_len != sizeof(v) ||
	    store_eid_parse(key + 17, STORE_EID_KEY, &eid))
		return true;
	memcpy(&v, value, sizeof(v));
	if (v.version != VALUE_VERSION || v.n_rlocs > SUB_RLOCS)
		return true;
	who = subscriber_get(ms, key + 1);
	/* At the bound nothing may go: that would write to the store. */
	if (!who ||
	    ms->subs->subs.count >=
		(size_t)ms->x->conf->map_server.pubsub.subscriptions_max ||
	    who->n >=
		(size_t)ms->x->conf->map_server.pubsub.subscriptions_per_xtr)
		return true;
	s = sub_new(ms, who, &eid, v.nonce);
	if (s)
		resume(
		    s, &v, v.expires_ms - (int64_t)clock_wall_ms(ms->x->clock));
	return true;
}

void
subs_read(struct map_server *ms)
{
	if (ms->x->store && ms->x->conf->map_server.pubsub.enabled)
		store_walk(
		    ms->x->store, STORE_SUBSCRIPTION, "M", 1, read_one, ms);
}
