/* SPDX-License-Identifier: Apache-2.0 */
/*
 * requesters.c - who has the mapping of an EID.
 *
 * etr.c notes ITR-RLOCs of Map-Requests, forward.c outer sources of data;
 * smr.c makes the audience of it, mobility.c hands it over (docs/cpm.md 6.10).
 * Two chains per EID, oldest last: confirmed by data, and not; a table finds
 * the entry of (EID, RLOC), so noting one is O(1).
 */
#include "requesters.h"

#include <stdlib.h>
#include <string.h>

#include "common/table.h"
#include "xtr/output.h"
#include "xtr/partner.h"
#include "xtr/store.h"

#define STORE_VERSION 1
#define REFRESH_MS 60000 /* a store write for the time alone */
#define TELL_MS 60000	 /* the partners, of one who is still there */

struct key {
	struct eid eid;
	struct addr rloc;
};

struct entry {
	struct table_node by_key;
	struct key key;
	struct requester r;
	int64_t stored_ms;
	int64_t told_ms; /* the partners know it since; 0 = never */
	struct entry *newer, *older;
};

struct chain {
	struct entry *newest, *oldest;
	size_t n;
};

struct log {
	struct table_node by_eid;
	struct eid eid;
	struct chain chains[2]; /* [confirmed] */
};

struct requesters {
	struct table entries, logs;
};

struct value { /* in the store */
	uint8_t version, confirmed, has_source, zero;
	uint32_t iid;
	uint8_t source_afi[2], source[16];
	uint8_t source_bits, pad[5];
	int64_t seen_ms, data_ms;
};

#define KEY_LEN (STORE_EID_KEY + sizeof(struct addr))
#define ENTRIES_MAX (1u << 21)

static void
store_key(const struct key *k, uint8_t out[KEY_LEN])
{
	store_eid_key(&k->eid, out);
	memcpy(out + STORE_EID_KEY, &k->rloc, sizeof(k->rloc));
}

static void
save(struct xtr *x, struct entry *e)
{
	uint8_t key[KEY_LEN];
	struct value v = { .version = STORE_VERSION,
		.confirmed = e->r.confirmed,
		.has_source = e->r.has_source,
		.iid = e->r.source.iid,
		.source_bits = e->r.source.bits,
		.seen_ms = e->r.seen_ms,
		.data_ms = e->r.data_ms };

	memcpy(v.source_afi, &e->r.source.addr.afi, 2);
	memcpy(v.source, e->r.source.addr.bytes, 16);
	store_key(&e->key, key);
	e->stored_ms = e->r.seen_ms;
	if (x->store &&
	    store_put(x->store, STORE_REQUESTER, key, KEY_LEN, &v, sizeof(v)))
		x->counters.store_errors++;
	output_arm(x);
}

static void
unchain(struct chain *c, struct entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		c->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		c->oldest = e->newer;
	e->newer = e->older = NULL;
	c->n--;
}

static void
chain_newest(struct chain *c, struct entry *e)
{
	e->older = c->newest;
	if (c->newest)
		c->newest->newer = e;
	else
		c->oldest = e;
	c->newest = e;
	c->n++;
}

static void
drop(struct xtr *x, struct log *l, struct entry *e)
{
	uint8_t key[KEY_LEN];

	store_key(&e->key, key);
	if (x->store && store_remove(x->store, STORE_REQUESTER, key, KEY_LEN))
		x->counters.store_errors++;
	unchain(&l->chains[e->r.confirmed], e);
	table_remove(&x->requesters->entries, &e->by_key);
	free(e);
}

static struct log *
log_find(const struct requesters *t, const struct eid *eid)
{
	return table_entry(table_find(&t->logs, eid), struct log, by_eid);
}

static struct log *
log_get(struct requesters *t, const struct eid *eid)
{
	struct log *l = log_find(t, eid);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->eid = *eid;
	if (table_add(&t->logs, &l->by_eid)) {
		free(l);
		return NULL;
	}
	return l;
}

static bool
is_full(struct xtr *x, const struct eid *eid, bool confirmed)
{
	const struct log *l = log_find(x->requesters, eid);

	if (!l)
		return false;
	if (!confirmed && l->chains[0].n >= REQUESTERS_UNCONFIRMED_MAX)
		return true;
	return l->chains[0].n + l->chains[1].n >=
	    (size_t)x->conf->mobility.requesters_max;
}

/* True if there is room for one more of this kind, after evicting. */
static bool
make_room(struct xtr *x, struct log *l, bool confirmed)
{
	struct chain *weak = &l->chains[0], *strong = &l->chains[1];
	const size_t max = (size_t)x->conf->mobility.requesters_max;

	if (!confirmed && weak->n >= REQUESTERS_UNCONFIRMED_MAX)
		drop(x, l, weak->oldest);
	if (weak->n + strong->n < max)
		return true;
	if (weak->n)
		drop(x, l, weak->oldest);
	else if (confirmed)
		drop(x, l, strong->oldest);
	else
		return false;
	return true;
}

static struct entry *
add(struct xtr *x, const struct key *k, bool confirmed)
{
	struct requesters *t = x->requesters;
	struct log *l = log_get(t, &k->eid);
	struct entry *e;

	if (!l || !make_room(x, l, confirmed))
		return NULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->key = *k;
	e->r.rloc = k->rloc;
	e->r.confirmed = confirmed;
	if (table_add(&t->entries, &e->by_key)) {
		free(e);
		return NULL;
	}
	chain_newest(&l->chains[confirmed], e);
	return e;
}

/* NULL if it is none, or there is no room. */
static struct entry *
note(struct xtr *x, const struct eid *eid, const struct addr *rloc,
    const struct eid *source, bool data)
{
	const int64_t now = (int64_t)clock_wall_ms(x->clock);
	struct key k;
	struct entry *e;
	bool changed = false;

	/* A partner's probes ask for our EIDs, but it needs no mapping. */
	if (addr_is_martian(rloc) || xtr_rloc_is_own(x, rloc) ||
	    conf_partner_of(x->conf, rloc))
		return NULL;
	memset(&k, 0, sizeof(k));
	k.eid = *eid;
	k.rloc = *rloc;
	e = table_entry(
	    table_find(&x->requesters->entries, &k), struct entry, by_key);
	if (!e) {
		e = add(x, &k, data);
		if (!e)
			return NULL;
		changed = true;
	} else {
		struct log *l = log_find(x->requesters, eid);

		unchain(&l->chains[e->r.confirmed], e);
		changed = data && !e->r.confirmed;
		if (changed)
			e->told_ms = 0;
		e->r.confirmed |= data;
		chain_newest(&l->chains[e->r.confirmed], e);
	}
	if (source && (!e->r.has_source || !eid_equal(&e->r.source, source))) {
		changed |= !e->r.has_source;
		e->r.has_source = true;
		e->r.source = *source;
	}
	e->r.seen_ms = now;
	if (data)
		e->r.data_ms = now;
	if (changed || now - e->stored_ms > REFRESH_MS)
		save(x, e);
	return e;
}

void
requesters_note(struct xtr *x, const struct eid *eid, const struct addr *rloc,
    const struct eid *source, bool data)
{
	struct entry *e = note(x, eid, rloc, source, data);

	if (!e || !x->conf->site.partners.n ||
	    (e->told_ms && e->r.seen_ms - e->told_ms < TELL_MS))
		return;
	if (partner_tell(
		x, eid, rloc, e->r.has_source ? &e->r.source : NULL, data))
		e->told_ms = e->r.seen_ms;
}

void
requesters_told(struct xtr *x, const struct eid *eid, const struct addr *rloc,
    const struct eid *source, bool data)
{
	struct entry *e = note(x, eid, rloc, source, data);

	if (e)
		e->told_ms = e->r.seen_ms;
}

static bool
walk_chain(struct xtr *x, struct log *l, bool confirmed,
    bool (*fn)(void *arg, const struct requester *), void *arg)
{
	const int64_t age = x->conf->mobility.requester_age_s * 1000;
	const int64_t oldest = (int64_t)clock_wall_ms(x->clock) - age;

	for (struct entry *e = l->chains[confirmed].newest, *older; e;
	     e = older) {
		older = e->older;
		if (e->r.seen_ms < oldest)
			drop(x, l, e);
		else if (!fn(arg, &e->r))
			return false;
	}
	return true;
}

void
requesters_walk(struct xtr *x, const struct eid *eid,
    bool (*fn)(void *arg, const struct requester *), void *arg)
{
	struct log *l = log_find(x->requesters, eid);

	if (l && walk_chain(x, l, true, fn, arg))
		walk_chain(x, l, false, fn, arg);
}

void
requesters_forget(struct xtr *x, const struct eid *eid)
{
	struct log *l = log_find(x->requesters, eid);

	if (!l)
		return;
	for (int i = 0; i < 2; i++)
		while (l->chains[i].oldest)
			drop(x, l, l->chains[i].oldest);
	table_remove(&x->requesters->logs, &l->by_eid);
	free(l);
}

static bool
load_one(void *arg, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	struct xtr *x = arg;
	struct value v;
	struct key k;
	struct entry *e;

	memset(&k, 0, sizeof(k));
	if (key_len != KEY_LEN || value_len != sizeof(v) ||
	    store_eid_parse(key, STORE_EID_KEY, &k.eid))
		return true;
	memcpy(&v, value, sizeof(v));
	if (v.version != STORE_VERSION)
		return true;
	memcpy(&k.rloc, (const uint8_t *)key + STORE_EID_KEY, sizeof(k.rloc));
	if (is_full(x, &k.eid, v.confirmed))
		return true; /* the bound was lowered; a walk must not write */
	e = add(x, &k, v.confirmed);
	if (!e)
		return true;
	e->r.has_source = v.has_source;
	e->r.source.iid = v.iid;
	e->r.source.bits = v.source_bits;
	memcpy(&e->r.source.addr.afi, v.source_afi, 2);
	memcpy(e->r.source.addr.bytes, v.source, 16);
	e->r.seen_ms = e->stored_ms = v.seen_ms;
	e->r.data_ms = v.data_ms;
	return true;
}

struct requesters *
requesters_new(struct xtr *x)
{
	struct requesters *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	if (table_init(&t->entries, ENTRIES_MAX, offsetof(struct entry, by_key),
		offsetof(struct entry, key), sizeof(struct key)) ||
	    table_init(&t->logs, ENTRIES_MAX, offsetof(struct log, by_eid),
		offsetof(struct log, eid), sizeof(struct eid))) {
		requesters_free(t);
		return NULL;
	}
	x->requesters = t;
	if (x->store)
		store_walk(x->store, STORE_REQUESTER, NULL, 0, load_one, x);
	return t;
}

void
requesters_free(struct requesters *t)
{
	struct table_iter i;
	struct table_node *n;

	if (!t)
		return;
	if (t->entries.buckets) {
		for (i = table_iter(&t->entries); (n = table_next(&i));)
			free(table_entry(n, struct entry, by_key));
		table_fini(&t->entries);
	}
	if (t->logs.buckets) {
		for (i = table_iter(&t->logs); (n = table_next(&i));)
			free(table_entry(n, struct log, by_eid));
		table_fini(&t->logs);
	}
	free(t);
}
