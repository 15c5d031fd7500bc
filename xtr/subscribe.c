/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe.c - the ITR's subscriptions.  RFC 9437 5, 6.
 *
 * resolver.c asks here whether a Map-Request of a lookup is to subscribe.  The
 * answer is a Map-Notify (input.c -> here -> itr.c, which ends the lookup as
 * after a Map-Reply), or a Map-Reply (itr.c), and then there is no subscription.
 * Publications go to the map-cache at once.
 *
 * A request that the Map-Server thinks is old gets no answer at all.  So the
 * first two sendings of a question subscribe, the second with a nonce far ahead,
 * in case publications were missed; then sendings that only ask take turns with
 * those that subscribe.
 */
#include "subscribe.h"

#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "common/loop.h"
#include "common/wire.h"
#include "xtr/eids.h"
#include "xtr/itr.h"
#include "xtr/map_cache.h"
#include "xtr/output.h"
#include "xtr/pending.h"
#include "xtr/pubsub.h"
#include "xtr/resolver.h"
#include "xtr/store.h"

enum {
	NONCE_AGE_MS = 30000, /* no confirmation is taken later than that */
	NONCE_JUMP = 1 << 16, /* after silence */
	SILENT_MAX = 2,	      /* subscribing sendings without an answer */
	LEAVE_TRIES = 3,
	LEAVE_WAIT_MS = 1000, /* doubling */
	HELD_OFF_MAX = 64,
	VALUE_VERSION = 1,
	KEY_LEN = 1 + STORE_EID_KEY,
};

enum state { SUB_ENDED, SUB_ACTIVE, SUB_LEAVING };

struct subscription {
	struct xtr *x;
	struct eid eid;
	enum state state;
	uint64_t heard; /* last one of a Map-Notify; 0 = none */
	uint64_t asked; /* last one of a Map-Request; 0 = none */
	struct addr server, resolver;
	struct loop_timer *timer; /* to renew it, or to repeat the leaving */
	bool check;		  /* something of it left the map-cache */
	unsigned tries;
	uint64_t published;
	int64_t since_ms, heard_ms;	    /* wall clock */
	struct subscription *newer, *older; /* ended ones */
};

struct subscriptions {
	struct trie trie;
	struct subscription *newest, *oldest;
	struct held_off { /* Map-Resolvers that do not lead to PubSub */
		struct addr resolver;
		struct mono until;
	} held_off[HELD_OFF_MAX];
	unsigned n_held_off;
};

/* In STORE_SUBSCRIPTION under 'S' and the EID key. */
struct value {
	uint8_t version, state;
	uint8_t zero[6];
	uint64_t heard, asked;
	int64_t since_ms, heard_ms;
	struct addr server, resolver;
	uint8_t zero2[4];
};

_Static_assert(sizeof(struct value) == 80, "layout in the store");

/* --- the table --- */

static void
unlist(struct subscription *s)
{
	struct subscriptions *t = s->x->subscriptions;

	*(s->newer ? &s->newer->older : &t->newest) = s->older;
	*(s->older ? &s->older->newer : &t->oldest) = s->newer;
	s->newer = s->older = NULL;
}

static void
list(struct subscription *s)
{
	struct subscriptions *t = s->x->subscriptions;

	s->newer = NULL;
	s->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = s;
	t->newest = s;
}

static void
store_key(const struct eid *eid, uint8_t key[KEY_LEN])
{
	key[0] = 'S';
	store_eid_key(eid, key + 1);
}

static void
save(const struct subscription *s)
{
	const struct value v = {
		.version = VALUE_VERSION,
		.state = s->state,
		.heard = s->heard,
		.asked = s->asked,
		.since_ms = s->since_ms,
		.heard_ms = s->heard_ms,
		.server = s->server,
		.resolver = s->resolver,
	};
	uint8_t key[KEY_LEN];

	store_key(&s->eid, key);
	if (s->x->store &&
	    store_put(s->x->store, STORE_SUBSCRIPTION, key, sizeof(key), &v,
		sizeof(v)))
		s->x->counters.store_errors++;
	output_arm(s->x);
}

static void
forget(struct subscription *s)
{
	struct xtr *x = s->x;
	uint8_t key[KEY_LEN];

	store_key(&s->eid, key);
	if (x->store &&
	    store_remove(x->store, STORE_SUBSCRIPTION, key, sizeof(key)))
		x->counters.store_errors++;
	trie_remove(&x->subscriptions->trie, &s->eid);
	unlist(s);
	loop_timer_free(s->timer);
	free(s);
}

static void
set_state(struct subscription *s, enum state state)
{
	if ((s->state == SUB_ENDED) != (state == SUB_ENDED)) {
		if (state == SUB_ENDED)
			list(s);
		else
			unlist(s);
	}
	s->state = state;
	s->check = false;
	s->tries = 0;
	if (state == SUB_ENDED)
		loop_timer_cancel(s->timer);
}

static bool
has_room(const struct subscriptions *t)
{
	return t->oldest || t->trie.count < t->trie.max;
}

static void due(void *arg);

/* The one of this prefix, a new and ended one if need be; NULL at the bound. */
static struct subscription *
obtain(struct xtr *x, const struct eid *eid)
{
	struct subscriptions *t = x->subscriptions;
	struct subscription *s = trie_find(&t->trie, eid);

	if (s)
		return s;
	t->trie.max = (size_t)x->conf->itr.cache_max;
	while (t->trie.count >= t->trie.max && t->oldest)
		forget(t->oldest);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->x = x;
	s->eid = *eid;
	s->timer = loop_timer_new(x->loop, due, s);
	if (!s->timer || trie_add(&t->trie, eid, s)) {
		loop_timer_free(s->timer);
		free(s);
		return NULL;
	}
	list(s);
	return s;
}

/* --- configuration --- */

static const struct conf_pubsub_server *
find_server(const struct xtr *x, const struct addr *address, int key_id,
    const struct conf_pubsub **out)
{
	const struct conf_list *systems = &x->conf->mapping_systems;

	for (size_t i = 0; i < systems->n; i++) {
		const struct conf_pubsub *p =
		    &conf_at(*systems, struct conf_mapping_system, i)->pubsub;

		for (size_t j = 0; j < p->servers.n; j++) {
			const struct conf_pubsub_server *s =
			    conf_at(p->servers, struct conf_pubsub_server, j);

			if (!addr_equal(&s->address, address) ||
			    (key_id >= 0 && s->key.key_id != key_id))
				continue;
			*out = p;
			return s;
		}
	}
	return NULL;
}

/* When the subscription is due to be renewed. */
static void
arm(struct subscription *s)
{
	const struct conf_pubsub *p = NULL;
	uint16_t jitter;

	if (!find_server(s->x, &s->server, -1, &p))
		return;
	auth_random(&jitter, sizeof(jitter));
	/* The last tenth at random. */
	loop_timer_set(s->timer, p->refresh_s * (900 + jitter % 100));
}

/* --- Map-Resolvers without PubSub --- */

static void
hold_off(struct xtr *x, const struct addr *resolver)
{
	struct subscriptions *t = x->subscriptions;
	struct held_off *h = NULL;
	char buf[ADDR_STR_MAX];

	for (unsigned i = 0; i < HELD_OFF_MAX && !h; i++)
		if (addr_equal(&t->held_off[i].resolver, resolver))
			h = &t->held_off[i];
	if (!h)
		h = &t->held_off[t->n_held_off++ % HELD_OFF_MAX];
	if (mono_before(h->until, xtr_now(x)))
		log_info("subscribe", "%s: no subscription by way of it",
		    addr_str(resolver, buf));
	h->resolver = *resolver;
	h->until = mono_add_ms(xtr_now(x), PUBSUB_REFUSED_S * 1000);
	x->counters.subscribe_refused++;
}

static bool
is_held_off(const struct xtr *x, const struct addr *resolver)
{
	const struct subscriptions *t = x->subscriptions;

	for (unsigned i = 0; i < HELD_OFF_MAX; i++)
		if (addr_equal(&t->held_off[i].resolver, resolver))
			return mono_before(xtr_now(x), t->held_off[i].until);
	return false;
}

/* --- asking --- */

static uint64_t
nonce_next(const struct subscription *s, uint64_t step)
{
	const uint64_t last = s->asked && pubsub_nonce_after(s->asked, s->heard)
	    ? s->asked
	    : s->heard;

	return pubsub_nonce_add(last, step);
}

static void
identify(const struct xtr *x, struct map_request *m)
{
	m->has_xtr_id = true;
	memcpy(m->xtr_id, x->conf->site.xtr_id, sizeof(m->xtr_id));
	m->site_id = (uint64_t)x->conf->site.site_id;
	m->records[0].notify = true;
}

bool
subscribe_ask(struct lookup *l, const struct conf_mapping_system *system,
    const struct addr *resolver, unsigned round, struct map_request *m)
{
	struct xtr *x = l->x;
	struct subscription *s;
	uint64_t nonce = 0;

	/* An SMR's question goes on to the ETR, and so do those about who has
	 * an EID. */
	if (!x->subscriptions || !system->pubsub.enabled || l->invoked ||
	    l->asks || !l->lasting || is_held_off(x, resolver) ||
	    !has_room(x->subscriptions) ||
	    (round >= SILENT_MAX && !(round & 1)))
		return false;
	s = trie_match(&x->subscriptions->trie, &l->eid);
	if (s)
		nonce = nonce_next(s, round ? NONCE_JUMP : 1);
	m->nonce = pending_nonce(l, resolver, nonce);
	if (!m->nonce)
		return false;
	pending_by_nonce(x->pending, m->nonce)->subscribe = true;
	l->subscribes++;
	identify(x, m);
	if (s) {
		s->asked = m->nonce;
		save(s);
	}
	x->counters.subscribe_sent++;
	return true;
}

bool
subscribe_on_map_reply(struct xtr *x, const struct lookup_nonce *n,
    const struct eid *eid, const struct mapping *answer)
{
	const bool denied = !answer->n_locators &&
	    (answer->action == LISP_DROP_POLICY ||
		answer->action == LISP_DROP_AUTH);
	struct subscription *s;

	if (!x->subscriptions)
		return false;
	if (!n->subscribe) {
		if (n->lookup->subscribes >= SILENT_MAX)
			hold_off(x, &n->resolver);
		return false;
	}
	/* A negative one may be the answer of a Map-Server that has PubSub. */
	if (!answer->n_locators && !denied)
		return false;
	hold_off(x, &n->resolver);
	s = trie_find(&x->subscriptions->trie, eid);
	if (s && s->state == SUB_ACTIVE) {
		set_state(s, SUB_ENDED);
		save(s);
	}
	return denied;
}

/* --- leaving --- */

static void
send_leave(struct subscription *s)
{
	struct map_request m = { .n_itr_rlocs = 1, .n_records = 1 };

	s->asked = m.nonce = nonce_next(s, 1);
	m.records[0].eid = lisp_addr_from_eid(&s->eid);
	m.records[0].eid_bits = s->eid.bits;
	identify(s->x, &m);
	resolver_tell(s->x, &s->resolver, &s->eid, &m);
	s->x->counters.unsubscribe_sent++;
	s->tries++;
	save(s);
	loop_timer_set(s->timer, (int64_t)LEAVE_WAIT_MS << (s->tries - 1));
}

/* Whether something that it serves was used since it was renewed. */
static bool
is_used(const struct subscription *s)
{
	const struct conf_pubsub *p = NULL;
	struct mono since;

	if (!find_server(s->x, &s->server, -1, &p))
		return false;
	since = mono_add_ms(xtr_now(s->x), -1000 * p->refresh_s);
	return map_cache_holds(s->x->map_cache, &s->eid, &since);
}

static void
due(void *arg)
{
	struct subscription *s = arg;

	if (s->state == SUB_LEAVING) {
		if (s->tries < LEAVE_TRIES) {
			send_leave(s);
			return;
		}
		set_state(s, SUB_ENDED);
		save(s);
		return;
	}
	if (s->state != SUB_ACTIVE)
		return;
	s->check = false;
	if (!map_cache_holds(s->x->map_cache, &s->eid, NULL)) {
		set_state(s, SUB_LEAVING);
		send_leave(s);
		return;
	}
	arm(s);
	if (is_used(s))
		itr_refresh(s->x, &s->eid);
}

void
subscribe_on_uncached(struct xtr *x, const struct eid *eid)
{
	struct subscription *s;

	if (!x->subscriptions)
		return;
	s = trie_match(&x->subscriptions->trie, eid);
	while (s && s->state != SUB_ACTIVE)
		s = trie_parent(&x->subscriptions->trie, &s->eid);
	if (!s || s->check || map_cache_holds(x->map_cache, &s->eid, NULL))
		return;
	/* Not from here: it may be on its way back in. */
	s->check = true;
	loop_timer_at(s->timer, xtr_now(x));
}

/* --- Map-Notifies --- */

/* RFC 9437 5: no locator, ACT 5: the Map-Server has ended it. */
static bool
is_end(const struct mapping *m)
{
	return m->ttl_min && !m->n_locators && m->action == LISP_DROP_AUTH;
}

static enum err
confirmed(struct xtr *x, const struct datagram *dg, const struct map_notify *m,
    struct lookup_nonce *n)
{
	const struct addr resolver = n->resolver;
	struct records left = m->records;
	struct mapping first;
	struct subscription *s;
	struct eid eid;
	enum err err;

	if (!records_next(&left, &first) || is_end(&first))
		return ERR_POLICY;
	err = itr_on_confirmation(x, n, m->records, &eid);
	if (err)
		return err;
	s = obtain(x, &eid);
	if (!s)
		return ERR_FULL;
	if (s->state != SUB_ACTIVE) {
		set_state(s, SUB_ACTIVE);
		s->since_ms = (int64_t)clock_wall_ms(x->clock);
		s->published = 0;
	}
	s->heard = s->asked = m->nonce;
	s->server = dg->from;
	s->resolver = resolver;
	s->heard_ms = (int64_t)clock_wall_ms(x->clock);
	arm(s);
	save(s);
	x->counters.subscribe_confirmed++;
	return ERR_OK;
}

/*
 * The subscription that a record is for: of the active ones around it at that
 * Map-Server the one whose last nonce is next below.  Each has begun anywhere in
 * 64 bits.  NULL: none; '*known': there is one, but the nonce is old.
 */
static struct subscription *
find(struct xtr *x, const struct addr *server, const struct eid *eid,
    uint64_t nonce, bool *known)
{
	struct trie *t = &x->subscriptions->trie;
	struct subscription *best = NULL, *s;

	*known = false;
	for (s = trie_match(t, eid); s; s = trie_parent(t, &s->eid)) {
		if (s->state == SUB_ENDED || !addr_equal(&s->server, server))
			continue;
		*known = true;
		if (nonce != s->heard && !pubsub_nonce_after(nonce, s->heard))
			continue;
		if (!best || nonce - s->heard < nonce - best->heard)
			best = s;
	}
	return best;
}

/* A confirmation is on its way that came later than what follows it. */
static bool
is_early(const struct xtr *x, const struct eid *eid)
{
	const struct lookup *l = pending_find(x->pending, eid);

	return l && l->asking && l->subscribes;
}

static void
publish(struct subscription *s, const struct map_notify *m)
{
	struct xtr *x = s->x;
	struct records left = m->records;
	struct mapping mapping;
	struct eid eid;

	while (records_next(&left, &mapping)) {
		if (lisp_addr_eid(&mapping.eid, mapping.eid_bits, &eid) ||
		    !eid_covers(&s->eid, &eid)) {
			x->counters.publication_ignored++;
			continue;
		}
		if (eid_equal(&eid, &s->eid) && mapping.ttl_min == 0)
			set_state(s, SUB_ENDED);
		itr_on_publication(x, &eid, &mapping);
	}
}

static enum err
published(struct xtr *x, const struct datagram *dg, const struct map_notify *m)
{
	struct records left = m->records;
	struct subscription *s;
	struct mapping first;
	struct eid eid;
	bool known;

	if (!records_next(&left, &first) ||
	    lisp_addr_eid(&first.eid, first.eid_bits, &eid))
		return ERR_POLICY;
	s = find(x, &dg->from, &eid, m->nonce, &known);
	if (!s)
		return known ? ERR_REPLAY : ERR_NONCE;
	if (is_end(&first) && eid_equal(&eid, &s->eid)) {
		const bool used = s->state == SUB_ACTIVE && is_used(s);

		set_state(s, SUB_ENDED);
		s->heard = m->nonce;
		save(s);
		if (used)
			itr_refresh(x, &eid);
		return ERR_OK;
	}
	if (s->state == SUB_LEAVING) {
		/* Confirms that we left, unless it was sent before. */
		if (m->nonce == s->asked) {
			s->heard = m->nonce;
			set_state(s, SUB_ENDED);
			save(s);
		}
		return ERR_OK;
	}
	if (m->nonce == s->heard)
		return ERR_OK; /* our Ack was lost */
	if (!eid_equal(&eid, &s->eid) && is_early(x, &eid))
		return ERR_NONCE; /* it comes again */
	s->heard = m->nonce;
	s->published++;
	s->heard_ms = (int64_t)clock_wall_ms(x->clock);
	x->counters.publication_received++;
	publish(s, m);
	save(s);
	return ERR_OK;
}

enum err
subscribe_on_map_notify(
    struct xtr *x, const struct datagram *dg, const struct map_notify *m)
{
	const struct conf_pubsub *p;
	const struct conf_pubsub_server *server;
	struct lookup_nonce *n;
	enum err err;

	if (!x->subscriptions)
		return ERR_NOT_FOUND;
	server = find_server(x, &dg->from, m->auth.key_id, &p);
	if (!server)
		return ERR_NOT_FOUND;
	err = auth_verify(dg->bytes, dg->len, &server->key.key);
	if (err)
		return err;
	n = pending_by_nonce(x->pending, m->nonce);
	if (n && n->subscribe &&
	    mono_diff_us(xtr_now(x), n->sent) <= NONCE_AGE_MS * 1000)
		err = confirmed(x, dg, m, n);
	else
		err = published(x, dg, m);
	if (!err)
		output_map_notify_ack(x, dg, m, &server->key.key);
	else
		x->counters.publication_ignored++;
	return err;
}

/* --- store, reload --- */

static bool
read_one(void *arg, const void *bytes, size_t len, const void *value,
    size_t value_len)
{
	struct xtr *x = arg;
	struct subscription *s;
	struct value v;
	struct eid eid;

	if (len != KEY_LEN || value_len != sizeof(v) ||
	    store_eid_parse((const uint8_t *)bytes + 1, STORE_EID_KEY, &eid))
		return true;
	memcpy(&v, value, sizeof(v));
	/* At the bound nothing may go: that would write to the store. */
	if (v.version != VALUE_VERSION ||
	    x->subscriptions->trie.count >= (size_t)x->conf->itr.cache_max)
		return true;
	s = obtain(x, &eid);
	if (!s)
		return false;
	s->heard = v.heard;
	s->asked = v.asked;
	s->since_ms = v.since_ms;
	s->heard_ms = v.heard_ms;
	s->server = v.server;
	s->resolver = v.resolver;
	if (v.state == SUB_ENDED)
		return true;
	/* Used or not: its first check comes when the map-cache's has. */
	set_state(s, SUB_ACTIVE);
	if (map_cache_holds(x->map_cache, &eid, NULL))
		arm(s);
	else
		loop_timer_set(s->timer, LEAVE_WAIT_MS);
	return true;
}

struct subscriptions *
subscriptions_new(struct xtr *x)
{
	struct subscriptions *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	trie_init(&t->trie, (size_t)x->conf->itr.cache_max);
	x->subscriptions = t;
	if (x->store)
		store_walk(x->store, STORE_SUBSCRIPTION, "S", 1, read_one, x);
	return t;
}

static bool
free_one(void *arg, const struct eid *eid, void *value)
{
	struct subscription *s = value;

	(void)arg;
	(void)eid;
	loop_timer_free(s->timer);
	free(s);
	return true;
}

void
subscriptions_free(struct subscriptions *t)
{
	if (!t)
		return;
	trie_walk_all(&t->trie, free_one, NULL);
	trie_fini(&t->trie);
	free(t);
}

static bool
reload_one(void *arg, const struct eid *eid, void *value)
{
	struct xtr *x = arg;
	struct subscription *s = value;
	const struct conf_pubsub *p;

	(void)eid;
	if (s->state == SUB_ENDED || find_server(x, &s->server, -1, &p))
		return true;
	set_state(s, SUB_ENDED);
	save(s);
	return true;
}

void
subscriptions_reload(struct xtr *x)
{
	struct subscriptions *t = x->subscriptions;

	if (!t)
		return;
	memset(t->held_off, 0, sizeof(t->held_off));
	trie_walk_all(&t->trie, reload_one, x);
}

struct walk {
	bool (*fn)(void *arg, const struct subscription_row *);
	void *arg;
};

static bool
walk_one(void *arg, const struct eid *eid, void *value)
{
	static const char *const states[] = {
		[SUB_ENDED] = "ended",
		[SUB_ACTIVE] = "active",
		[SUB_LEAVING] = "leaving",
	};
	const struct walk *w = arg;
	const struct subscription *s = value;
	const struct subscription_row r = { .eid = *eid,
		.map_server = s->server,
		.state = states[s->state],
		.nonce = s->heard,
		.published = s->published,
		.since_ms = s->since_ms,
		.heard_ms = s->heard_ms };

	return w->fn(w->arg, &r);
}

void
subscriptions_walk(const struct xtr *x,
    bool (*fn)(void *arg, const struct subscription_row *), void *arg)
{
	struct walk w = { fn, arg };

	if (x->subscriptions)
		trie_walk_all(&x->subscriptions->trie, walk_one, &w);
}

size_t
subscriptions_count(const struct xtr *x)
{
	return x->subscriptions ? x->subscriptions->trie.count : 0;
}
