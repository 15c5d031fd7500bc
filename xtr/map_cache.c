/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_cache.c - mappings learned from Map-Replies, and their expiry.
 *
 * itr.c stores, forward.c looks up and picks a locator, the data plane hears of
 * every change through dp_mapping_changed().  Bounded: forward.c only writes a
 * time into the entry it uses, so the order of use is made up for when an entry
 * must go: the oldest of the list goes, unless it was used since it was put
 * there; then it moves to the end and the next is looked at (second chance).
 */
#include "map_cache.h"

#include <stdlib.h>

#include "common/loop.h"
#include "common/trie.h"
#include "xtr/dp.h"
#include "xtr/itr.h"
#include "xtr/snapshot.h"
#include "xtr/subscribe.h"

enum {
	REFRESH_PERCENT = 90,	 /* of the TTL */
	REFRESH_USED_MS = 60000, /* only if used this lately */
	REFRESH_READ_MS = 2000,	 /* after a restart */
};

struct entry {
	struct map_cache_entry e; /* first: what callers see */
	struct xtr *x;
	struct loop_timer *timer;
	struct entry *newer, *older;
	struct mono listed; /* when it was put at the new end */
	/* Read from the store and not asked for since: when to look again
	 * whether it is used; 0 for all others. */
	int64_t unverified_ms;
};

struct map_cache {
	struct trie trie;
	struct entry *newest, *oldest;
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
list_newest(struct map_cache *t, struct entry *n, struct mono now)
{
	n->listed = now;
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
	loop_timer_free(n->timer);
	unuse_rlocs(&n->e);
	free(n->e.locators);
	free(n);
}

/* Takes it out of trie, list and store, tells the data plane, frees it. */
static void
drop(struct xtr *x, struct entry *n)
{
	const struct eid eid = n->e.eid;

	trie_remove(&x->map_cache->trie, &eid);
	unlist(x->map_cache, n);
	entry_free(n);
	snapshot_remove(x, &eid);
	dp_mapping_changed(x, &eid);
	subscribe_on_uncached(x, &eid);
}

/* The list ends: every step either frees an entry or takes its use away. */
static void
make_room(struct xtr *x)
{
	struct map_cache *t = x->map_cache;
	struct entry *n;

	t->trie.max = (size_t)x->conf->itr.cache_max;
	while (t->trie.count >= t->trie.max && (n = t->oldest)) {
		if (n->e.packets && mono_before(n->listed, n->e.used)) {
			unlist(t, n);
			list_newest(t, n, n->e.used);
			continue;
		}
		x->counters.map_cache_evicted++;
		drop(x, n);
	}
}

static void
arm(struct entry *n, struct mono now)
{
	const int64_t ttl_us = mono_diff_us(n->e.expires, now);

	loop_timer_at(
	    n->timer, (struct mono){ now.us + ttl_us / 100 * REFRESH_PERCENT });
}

static void
arm_unverified(struct entry *n, struct mono now)
{
	const struct mono at = mono_add_ms(now, n->unverified_ms);

	loop_timer_at(
	    n->timer, mono_before(at, n->e.expires) ? at : n->e.expires);
}

static void
timer_due(void *arg)
{
	struct entry *n = arg;
	struct xtr *x = n->x;
	const struct mono now = xtr_now(x);
	const bool in_use = n->e.packets &&
	    mono_diff_us(now, n->e.used) <= REFRESH_USED_MS * 1000;

	if (!mono_before(now, n->e.expires)) {
		x->counters.map_cache_expired++;
		drop(x, n);
		return;
	}
	if (n->unverified_ms && !in_use) {
		n->unverified_ms *= 2;
		arm_unverified(n, now);
		return;
	}
	if (n->unverified_ms) {
		n->unverified_ms = 0;
		arm(n, now);
	} else {
		loop_timer_at(n->timer, n->e.expires);
	}
	if (in_use)
		itr_refresh(x, &n->e.eid);
}
struct earliest {
	const struct eid *above;
	struct mono at;
};

static bool
earliest_one(void *arg, const struct eid *eid, void *value)
{
	struct earliest *s = arg;
	const struct entry *n = value;

	if (!eid_equal(eid, s->above) && mono_before(n->e.expires, s->at))
		s->at = n->e.expires;
	return true;
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
	n->x = x;
	n->e.eid = *eid;
	n->timer = loop_timer_new(x->loop, timer_due, n);
	if (!n->timer || trie_add(&t->trie, eid, n)) {
		entry_free(n);
		return NULL;
	}
	list_newest(t, n, xtr_now(x));
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
	s.at = mono_add_ms(now, (int64_t) new.ttl_min * 60000);
	trie_walk(&x->map_cache->trie, eid, earliest_one, &s);
	n->e.expires = s.at;
	n->unverified_ms = 0;
	arm(n, now);
	snapshot_put(x, &n->e);
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

struct under {
	const struct eid *above;
	struct entry *found;
};

static bool
under_one(void *arg, const struct eid *eid, void *value)
{
	struct under *s = arg;

	if (eid_equal(eid, s->above))
		return true;
	s->found = value;
	return false;
}

void
map_cache_remove_under(struct xtr *x, const struct eid *eid)
{
	struct under s = { .above = eid };

	for (;;) {
		s.found = NULL;
		trie_walk(&x->map_cache->trie, eid, under_one, &s);
		if (!s.found)
			return;
		drop(x, s.found);
	}
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
	n->unverified_ms = REFRESH_READ_MS;
	arm_unverified(n, xtr_now(x));
	return true;
}

struct map_cache *
map_cache_new(struct xtr *x)
{
	struct map_cache *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	trie_init(&t->trie, (size_t)x->conf->itr.cache_max);
	x->map_cache = t;
	snapshot_read(x, read_one);
	return t;
}

void
map_cache_free(struct map_cache *t)
{
	if (!t)
		return;
	for (struct entry *n = t->newest, *older; n; n = older) {
		older = n->older;
		entry_free(n);
	}
	trie_fini(&t->trie);
	free(t);
}
