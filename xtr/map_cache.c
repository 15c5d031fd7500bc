/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_cache.c - mappings learned from Map-Replies, and their expiry.
 *
 * itr.c stores, forward.c looks up and picks a locator, the data plane hears of
 * every change through dp_mapping_changed().  Bounded: forward.c only writes a
 * time into the entry it uses, so the order of use is made up for when an entry
 * must go: the oldest of the list goes, unless it was used since it was put
 * there; then it moves to the end and the next is looked at (second chance).
 *
 * Whatever may concern all entries at once is done in pieces, the *_TURN below:
 * expiry and refresh by the agenda, a smaller bound after a reload, the end of
 * everything under a prefix.
 */
#include "map_cache.h"

#include <stdlib.h>

#include "common/agenda.h"
#include "common/loop.h"
#include "common/trie.h"
#include "xtr/dp.h"
#include "xtr/itr.h"
#include "xtr/pending.h"
#include "xtr/snapshot.h"
#include "xtr/subscribe.h"

enum {
	REFRESH_PERCENT = 90,	 /* of the TTL */
	REFRESH_USED_MS = 60000, /* only if used this lately */
	REFRESH_READ_MS = 2000,	 /* after a restart */
	REFRESH_LATER_MS = 1000, /* at least, when there is no room to ask */

	DUE_TURN = 64,	    /* entries due */
	EVICT_TURN = 64,    /* evicted by one that is stored */
	REMOVE_TURN = 128,  /* removed under a prefix */
	LOOK_TURN = 4096,   /* only looked at */
	EID_BITS_MAX = 128, /* so many prefixes can be around one */
	CLEARINGS_MAX = 16, /* prefixes under which more must go */
};

struct entry {
	struct map_cache_entry e; /* first: what callers see */
	struct entry *newer, *older;
	struct agenda_node due;
	uint32_t listed; /* its 'packets' when it was put at the new end */
	/* Read from the store and not asked for since: when to look again
	 * whether it is used; 0 for all others. */
	uint32_t unverified_ms;
};

/* What map_cache_remove_under() has left for later. */
struct clearing {
	struct eid under;
	struct mono before;
};

struct map_cache {
	struct xtr *x;
	struct trie trie;
	struct entry *newest, *oldest;
	struct agenda *agenda;
	struct snapshot *snapshot;
	struct clearing clearings[CLEARINGS_MAX];
	unsigned n_clearings;
	struct loop_timer *clearing;
};

static void
unlist(struct map_cache *t, struct entry *n)
{
	if (n->newer)
		n->newer->older = n->older;
	else
		t->newest = n->older;
	if (n->older)
		n->older->newer = n->newer;
	else
		t->oldest = n->newer;
	n->newer = n->older = NULL;
}

static void
list_newest(struct map_cache *t, struct entry *n)
{
	n->listed = (uint32_t)n->e.packets;
	n->newer = NULL;
	n->older = t->newest;
	if (t->newest)
		t->newest->newer = n;
	else
		t->oldest = n;
	t->newest = n;
}

static void
unuse_rlocs(struct map_cache_entry *e)
{
	for (unsigned i = 0; i < e->n_locators; i++)
		reach_unuse(&e->locators[i].use);
}

/* One of priority 255 is never sent to: nobody asks whether it is there. */
static void
use_rlocs(struct xtr *x, const struct eid *eid, struct map_cache_entry *e)
{
	for (unsigned i = 0; i < e->n_locators; i++) {
		struct cache_locator *l = &e->locators[i];

		if (l->priority != LISP_PRIORITY_UNUSABLE &&
		    !addr_is_martian(&l->rloc))
			reach_use(x, &l->rloc, eid, &l->use);
	}
}

static void
entry_free(struct entry *n)
{
	if (!n)
		return;
	unuse_rlocs(&n->e);
	free(n->e.locators);
	free(n);
}

/* Takes it out of all indexes and the store, tells the data plane, frees it. */
static void
drop(struct xtr *x, struct entry *n)
{
	const struct eid eid = n->e.eid;

	trie_remove(&x->map_cache->trie, &eid);
	unlist(x->map_cache, n);
	agenda_remove(x->map_cache->agenda, &n->due);
	entry_free(n);
	snapshot_changed(x->map_cache->snapshot, &eid);
	dp_mapping_changed(x, &eid);
	subscribe_on_uncached(x, &eid);
}

/* Room for one more.  A smaller bound than before is reached step by step. */
static void
make_room(struct xtr *x)
{
	struct map_cache *t = x->map_cache;
	const size_t max = (size_t)x->conf->itr.cache_max;
	unsigned looked = 0;
	struct entry *n;

	for (unsigned i = 0;
	     i < EVICT_TURN && t->trie.count >= max && (n = t->oldest); i++) {
		while ((uint32_t)n->e.packets != n->listed &&
		    looked++ < LOOK_TURN) {
			unlist(t, n);
			list_newest(t, n);
			n = t->oldest;
		}
		x->counters.map_cache_evicted++;
		drop(x, n);
	}
	t->trie.max = t->trie.count < max ? max : t->trie.count + 1;
}

/* The entry is in the agenda, or was just taken out: this cannot fail. */
static void
look_again(struct map_cache *t, struct entry *n, struct mono at)
{
	if (agenda_add(t->agenda, &n->due,
		mono_before(at, n->e.expires) ? at : n->e.expires))
		abort();
}

static void
arm(struct map_cache *t, struct entry *n, struct mono now)
{
	const int64_t ttl_us = mono_diff_us(n->e.expires, now);

	look_again(
	    t, n, (struct mono){ now.us + ttl_us / 100 * REFRESH_PERCENT });
}

/*
 * Half of the lookups at most are refreshes, so that packets without a mapping
 * find room; who finds none tries again several times before its end.
 */
static void
refresh(struct xtr *x, struct entry *n, struct mono now)
{
	const int64_t left_us = mono_diff_us(n->e.expires, now);
	struct mono later = { now.us + left_us / 10 };
	const struct eid eid = n->e.eid;

	if (2 * pending_count(x->pending) >= (size_t)x->conf->itr.pending_max) {
		if (left_us / 10000 < REFRESH_LATER_MS)
			later = mono_add_ms(now, REFRESH_LATER_MS);
		look_again(x->map_cache, n, later);
		return;
	}
	if (n->unverified_ms)
		arm(x->map_cache, n, now);
	else
		look_again(x->map_cache, n, n->e.expires);
	n->unverified_ms = 0;
	itr_refresh(x, &eid);
}

static void
due(void *arg, struct agenda_node *node)
{
	struct map_cache *t = arg;
	struct entry *n = (void *)((char *)node - offsetof(struct entry, due));
	const struct mono now = xtr_now(t->x);
	const bool in_use = n->e.packets &&
	    mono_diff_us(now, n->e.used) <= REFRESH_USED_MS * 1000;

	if (!mono_before(now, n->e.expires)) {
		t->x->counters.map_cache_expired++;
		drop(t->x, n);
		return;
	}
	if (n->unverified_ms && !in_use) {
		if (n->unverified_ms < UINT32_MAX / 2)
			n->unverified_ms *= 2;
		look_again(t, n, mono_add_ms(now, n->unverified_ms));
		return;
	}
	if (in_use)
		refresh(t->x, n, now);
	else
		look_again(t, n, n->e.expires);
}

struct earliest {
	const struct eid *above;
	struct mono at;
	unsigned looked;
};

static bool
earliest_one(void *arg, const struct eid *eid, void *value)
{
	struct earliest *s = arg;
	const struct entry *n = value;

	if (!eid_equal(eid, s->above) && mono_before(n->e.expires, s->at))
		s->at = n->e.expires;
	return ++s->looked < LOOK_TURN;
}

static uint32_t
ttl_clamped(uint32_t ttl_min)
{
	if (ttl_min == LISP_TTL_LOCAL)
		return TTL_LOCAL_MIN;
	return ttl_min > TTL_MAX_MIN ? TTL_MAX_MIN : ttl_min;
}

/* The entry of this prefix, a new and empty one if there is none. */
static struct entry *
obtain(struct xtr *x, const struct eid *eid)
{
	struct map_cache *t = x->map_cache;
	struct entry *n = trie_find(&t->trie, eid);

	if (n)
		return n;
	make_room(x);
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->e.eid = *eid;
	n->e.expires = xtr_now(x);
	if (agenda_add(t->agenda, &n->due, n->e.expires) ||
	    trie_add(&t->trie, eid, n)) {
		agenda_remove(t->agenda, &n->due);
		entry_free(n);
		return NULL;
	}
	list_newest(t, n);
	return n;
}

enum err
map_cache_store(struct xtr *x, const struct eid *eid, const struct mapping *m)
{
	const struct mono now = xtr_now(x);
	struct map_cache_entry new = { .ttl_min = ttl_clamped(m->ttl_min) };
	struct earliest s = { .above = eid };
	struct entry *n;

	if (m->ttl_min == 0) {
		map_cache_remove(x, eid);
		return ERR_OK;
	}
	if (!map_cache_locators(x, m, &new))
		return ERR_NOMEM;
	n = obtain(x, eid);
	if (!n) {
		free(new.locators);
		return ERR_NOMEM;
	}

	/* From here on nothing can fail.  What is known about an RLOC that
	 * stays is not forgotten in between. */
	use_rlocs(x, &n->e.eid, &new);
	unuse_rlocs(&n->e);
	free(n->e.locators);
	n->e.locators = new.locators;
	n->e.n_locators = new.n_locators;
	n->e.n_unused = new.n_unused;
	n->e.action = new.action;
	n->e.ttl_min = new.ttl_min;
	n->e.version = m->version;
	n->e.origin = CACHE_UNKNOWN;
	n->e.from = (struct addr){ 0 };
	n->e.learned = now;
	s.at = mono_add_ms(now, (int64_t) new.ttl_min * 60000);
	trie_walk(&x->map_cache->trie, eid, earliest_one, &s);
	n->e.expires = s.at;
	n->unverified_ms = 0;
	arm(x->map_cache, n, now);
	snapshot_changed(x->map_cache->snapshot, eid);
	dp_mapping_changed(x, eid);
	return ERR_OK;
}

void
map_cache_remove(struct xtr *x, const struct eid *eid)
{
	struct entry *n = trie_find(&x->map_cache->trie, eid);

	if (n)
		drop(x, n);
}

void
map_cache_set_status(struct xtr *x, const struct map_cache_entry *e,
    struct cache_locator *l, bool down)
{
	l->status_down = down;
	dp_mapping_changed(x, &e->eid);
}

static struct cache_locator *
locator_of(struct map_cache_entry *e, const struct addr *rloc)
{
	for (unsigned i = 0; i < e->n_locators; i++)
		if (addr_equal(&e->locators[i].rloc, rloc))
			return &e->locators[i];
	return NULL;
}

/* The locators of 'said' are those of 'e', but for the R bits. */
static bool
same_locators(struct map_cache_entry *e, const struct map_cache_entry *said)
{
	bool same = said->n_locators == e->n_locators;

	for (unsigned i = 0; same && i < said->n_locators; i++) {
		const struct cache_locator *l = &said->locators[i];
		const struct cache_locator *own = locator_of(e, &l->rloc);

		same = own && own->priority == l->priority &&
		    own->weight == l->weight;
	}
	return same;
}

bool
map_cache_set_reachable(
    struct xtr *x, const struct eid *eid, const struct mapping *m)
{
	struct map_cache_entry *e = map_cache_find(x->map_cache, eid);
	struct map_cache_entry said = { 0 };
	bool same, changed = false;

	if (!e || !map_cache_locators(x, m, &said))
		return true;
	same = same_locators(e, &said);
	for (unsigned i = 0; same && i < said.n_locators; i++) {
		const bool reachable = said.locators[i].reachable;
		struct cache_locator *own =
		    locator_of(e, &said.locators[i].rloc);

		if (own->reachable == reachable &&
		    !(reachable && own->status_down))
			continue;
		own->reachable = reachable;
		own->status_down &= !reachable;
		changed = true;
	}
	free(said.locators);
	if (changed) {
		snapshot_put(x, e);
		dp_mapping_changed(x, eid);
	}
	return same;
}

void
map_cache_set_origin(struct map_cache *t, const struct eid *eid,
    enum cache_origin origin, const struct addr *from)
{
	struct entry *n = trie_find(&t->trie, eid);

	if (!n)
		return;
	n->e.origin = (uint8_t)origin;
	n->e.from = *from;
}

struct under {
	const struct eid *above;
	struct mono before;
	struct entry *found[REMOVE_TURN];
	unsigned n, looked;
};

static bool
under_one(void *arg, const struct eid *eid, void *value)
{
	struct under *s = arg;
	struct entry *n = value;

	if (!eid_equal(eid, s->above) && mono_before(n->e.learned, s->before))
		s->found[s->n++] = n;
	return s->n < REMOVE_TURN && ++s->looked < LOOK_TURN;
}

/* Removes some of what was learned before; true if there may be more. */
static bool
clear_some(struct xtr *x, const struct eid *above, struct mono before)
{
	struct under s = { .above = above, .before = before };

	trie_walk(&x->map_cache->trie, above, under_one, &s);
	for (unsigned i = 0; i < s.n; i++)
		drop(x, s.found[i]);
	return s.n == REMOVE_TURN;
}

static void
clearing_due(void *arg)
{
	struct map_cache *t = arg;
	struct clearing *c = &t->clearings[0];

	if (!clear_some(t->x, &c->under, c->before)) {
		t->n_clearings--;
		memmove(c, c + 1, t->n_clearings * sizeof(*c));
	}
	if (t->n_clearings)
		loop_timer_set(t->clearing, 0);
}

void
map_cache_remove_under(struct xtr *x, const struct eid *eid)
{
	struct map_cache *t = x->map_cache;
	const struct mono now = xtr_now(x);
	unsigned i = 0;

	/* What was learned in this turn is older than this, too. */
	if (!clear_some(x, eid, (struct mono){ now.us + 1 }))
		return;
	while (i < t->n_clearings && !eid_equal(&t->clearings[i].under, eid))
		i++;
	if (i == CLEARINGS_MAX)
		return; /* the rest stays until its TTL is over */
	t->clearings[i] = (struct clearing){ *eid, now };
	if (i == t->n_clearings)
		t->n_clearings++;
	loop_timer_set(t->clearing, 0);
}

struct map_cache_entry *
map_cache_match(const struct map_cache *t, const struct eid *eid)
{
	struct entry *n = trie_match(&t->trie, eid);

	return n ? &n->e : NULL;
}

struct map_cache_entry *
map_cache_find(const struct map_cache *t, const struct eid *eid)
{
	struct entry *n = trie_find(&t->trie, eid);

	return n ? &n->e : NULL;
}

struct holds {
	const struct mono *since;
	bool found;
};

static bool
holds_one(void *arg, const struct eid *eid, void *value)
{
	struct holds *h = arg;
	const struct entry *n = value;

	(void)eid;
	h->found =
	    !h->since || (n->e.packets && !mono_before(n->e.used, *h->since));
	return !h->found;
}

bool
map_cache_holds(
    const struct map_cache *t, const struct eid *eid, const struct mono *since)
{
	struct holds h = { .since = since };

	trie_walk(&t->trie, eid, holds_one, &h);
	return h.found;
}

struct walk {
	bool (*fn)(void *arg, struct map_cache_entry *);
	void *arg;
};

static bool
walk_one(void *arg, const struct eid *eid, void *value)
{
	const struct walk *w = arg;
	struct entry *n = value;

	(void)eid;
	return w->fn(w->arg, &n->e);
}

void
map_cache_walk(const struct map_cache *t,
    bool (*fn)(void *arg, struct map_cache_entry *), void *arg)
{
	struct walk w = { fn, arg };

	trie_walk_all(&t->trie, walk_one, &w);
}

size_t
map_cache_count(const struct map_cache *t)
{
	return t->trie.count;
}

void
map_cache_walk_about(const struct map_cache *t, const struct eid *eid,
    bool (*fn)(void *arg, struct map_cache_entry *), void *arg)
{
	struct walk w = { fn, arg };
	struct entry *above[EID_BITS_MAX];
	struct entry *n = trie_parent(&t->trie, eid);
	unsigned count = 0;

	for (; n; n = trie_parent(&t->trie, &n->e.eid))
		above[count++] = n;
	while (count > 0)
		if (!fn(arg, &above[--count]->e))
			return;
	trie_walk(&t->trie, eid, walk_one, &w);
}

/* One entry of the snapshot: takes its locators. */
static bool
read_one(struct xtr *x, const struct map_cache_entry *e)
{
	struct map_cache *t = x->map_cache;
	struct entry *n =
	    t->trie.count < t->trie.max ? obtain(x, &e->eid) : NULL;

	if (!n)
		return false;
	n->e = *e;
	use_rlocs(x, &n->e.eid, &n->e);
	n->e.origin = CACHE_EARLIER_RUN;
	n->e.learned = xtr_now(x);
	n->unverified_ms = REFRESH_READ_MS;
	look_again(t, n, mono_add_ms(xtr_now(x), n->unverified_ms));
	return true;
}

struct map_cache *
map_cache_new(struct xtr *x)
{
	struct map_cache *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->x = x;
	trie_init(&t->trie, (size_t)x->conf->itr.cache_max);
	t->agenda = agenda_new(x->loop, DUE_TURN, due, t);
	t->clearing = loop_timer_new(x->loop, clearing_due, t);
	t->snapshot = snapshot_new(x);
	if (!t->agenda || !t->clearing || !t->snapshot) {
		map_cache_free(t);
		return NULL;
	}
	x->map_cache = t;
	snapshot_read(x, read_one);
	return t;
}

void
map_cache_free(struct map_cache *t)
{
	if (!t)
		return;
	snapshot_free(t->snapshot);
	for (struct entry *n = t->newest, *older; n; n = older) {
		older = n->older;
		entry_free(n);
	}
	agenda_free(t->agenda);
	loop_timer_free(t->clearing);
	trie_fini(&t->trie);
	free(t);
}
