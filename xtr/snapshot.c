/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - map-cache entries <-> octets in the store.
 *
 * map_cache.c tells every change, which is queued by its EID and written from
 * what the table says when its turn comes; read once by map_cache_new().  The
 * expiry is kept as wall clock, so that time without a process counts.
 */
#include "snapshot.h"

#include <stdlib.h>

#include "common/wire.h"
#include "xtr/output.h"
#include "xtr/store.h"

enum {
	LAYOUT = 1,
	HEAD = 16,	      /* octets before the locators */
	LOCATOR = 3 + 2 + 16, /* flags, priority, weight, AFI, address */
	QUEUE_MIN = 64,
};

struct snapshot {
	struct xtr *x;
	struct loop_timer *timer;
	size_t may;	   /* writes left until the timer is due */
	struct eid *queue; /* a ring of 'size', a power of two */
	size_t first, n, size;
};

/* Value: version, action, count, 0; TTL; expiry in wall clock ms; locators. */
void
snapshot_put(struct xtr *x, const struct map_cache_entry *e)
{
	uint8_t key[STORE_EID_KEY];
	uint8_t value[HEAD + LISP_LOCATORS_MAX * LOCATOR];
	struct wire_writer w = wire_writer(value, sizeof(value));
	const int64_t left_ms = mono_diff_us(e->expires, xtr_now(x)) / 1000;

	if (!x->store)
		return;
	wire_put_u8(&w, LAYOUT);
	wire_put_u8(&w, e->action);
	wire_put_u8(&w, e->n_locators);
	wire_put_u8(&w, 0);
	wire_put_u32(&w, e->ttl_min);
	wire_put_u64(&w, clock_wall_ms(x->clock) + (uint64_t)left_ms);
	for (unsigned i = 0; i < e->n_locators; i++) {
		const struct cache_locator *l = &e->locators[i];

		wire_put_u8(&w, l->reachable);
		wire_put_u8(&w, l->priority);
		wire_put_u8(&w, l->weight);
		wire_put_u16(&w, l->rloc.afi);
		wire_put_bytes(&w, l->rloc.bytes, sizeof(l->rloc.bytes));
	}
	store_eid_key(&e->eid, key);
	if (w.err ||
	    store_put(x->store, STORE_MAPCACHE, key, sizeof(key), value,
		wire_written(&w)))
		x->counters.store_errors++;
}

void
snapshot_remove(struct xtr *x, const struct eid *eid)
{
	uint8_t key[STORE_EID_KEY];

	if (!x->store)
		return;
	store_eid_key(eid, key);
	if (store_remove(x->store, STORE_MAPCACHE, key, sizeof(key)))
		x->counters.store_errors++;
}

static void
write_one(struct xtr *x, const struct eid *eid, const struct map_cache_entry *e)
{
	if (e)
		snapshot_put(x, e);
	else
		snapshot_remove(x, eid);
}

static void
write_some(struct snapshot *s, size_t count)
{
	struct xtr *x = s->x;

	for (; count > 0 && s->n > 0; count--) {
		const struct eid *eid = &s->queue[s->first];
		struct map_cache_entry *e = map_cache_find(x->map_cache, eid);

		if (!e || e->unsaved)
			write_one(x, eid, e);
		if (e)
			e->unsaved = false;
		s->first = (s->first + 1) & (s->size - 1);
		s->n--;
	}
	if (s->n == 0) {
		free(s->queue);
		s->queue = NULL;
		s->first = s->size = 0;
	}
}

static void
due(void *arg)
{
	struct snapshot *s = arg;

	s->may = SNAPSHOT_WRITES;
	if (!s->n)
		return;
	s->may = s->n < SNAPSHOT_WRITES ? SNAPSHOT_WRITES - s->n : 0;
	write_some(s, SNAPSHOT_WRITES);
	output_arm(s->x);
	loop_timer_set(s->timer, SNAPSHOT_MS);
}

struct snapshot *
snapshot_new(struct xtr *x)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->x = x;
	s->may = SNAPSHOT_WRITES;
	s->timer = loop_timer_new(x->loop, due, s);
	if (s->timer)
		return s;
	free(s);
	return NULL;
}

void
snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	while (s->n > 0)
		write_some(s, s->n);
	loop_timer_free(s->timer);
	free(s);
}

static bool
reserve(struct snapshot *s)
{
	const size_t size = s->size ? 2 * s->size : QUEUE_MIN;
	struct eid *queue;

	if (s->n < s->size)
		return true;
	queue = size > SNAPSHOT_QUEUE_MAX
	    ? NULL
	    : realloc(s->queue, size * sizeof(*queue));
	if (!queue)
		return false;
	/* What lay before the first goes behind the old end. */
	memcpy(queue + s->size, queue, s->first * sizeof(*queue));
	s->queue = queue;
	s->size = size;
	return true;
}

void
snapshot_changed(struct snapshot *s, const struct eid *eid)
{
	struct xtr *x = s->x;
	struct map_cache_entry *e;

	if (!x->store)
		return;
	e = map_cache_find(x->map_cache, eid);
	if (e && e->unsaved)
		return;
	if (!loop_timer_armed(s->timer))
		loop_timer_set(s->timer, SNAPSHOT_MS);
	if (s->may) {
		s->may--;
		write_one(x, eid, e);
		output_arm(x);
		return;
	}
	if (!reserve(s)) {
		x->counters.store_errors++;
		return;
	}
	if (e)
		e->unsaved = true;
	s->queue[(s->first + s->n++) & (s->size - 1)] = *eid;
}

/* What the snapshot holds and no entry took: removed after the walk. */
struct reading {
	struct xtr *x;
	bool (*fn)(struct xtr *, const struct map_cache_entry *);
	uint8_t (*stale)[STORE_EID_KEY];
	size_t n_stale, max_stale;
};

static void
snapshot_stale(struct reading *s, const void *key, size_t key_len)
{
	if (s->n_stale == s->max_stale) {
		const size_t max = s->max_stale ? 2 * s->max_stale : 64;
		void *stale = realloc(s->stale, max * sizeof(*s->stale));

		if (!stale)
			return;
		s->stale = stale;
		s->max_stale = max;
	}
	if (key_len == STORE_EID_KEY)
		memcpy(s->stale[s->n_stale++], key, key_len);
}

/* Value -> '*out', with locators to be freed; false if it is of no use. */
static bool
snapshot_get(
    struct xtr *x, const void *value, size_t len, struct map_cache_entry *out)
{
	struct wire_reader r = wire_reader(value, len);
	int64_t left_ms;

	if (wire_get_u8(&r) != LAYOUT)
		return false;
	out->action = wire_get_u8(&r);
	out->n_locators = wire_get_u8(&r);
	wire_get_u8(&r);
	out->ttl_min = wire_get_u32(&r);
	left_ms = (int64_t)(wire_get_u64(&r) - clock_wall_ms(x->clock));
	if (r.err || left_ms <= 0 || left_ms > (int64_t)TTL_MAX_MIN * 60000)
		return false;
	out->expires = mono_add_ms(xtr_now(x), left_ms);
	out->locators = calloc(out->n_locators + 1u, sizeof(*out->locators));
	for (unsigned i = 0; out->locators && i < out->n_locators; i++) {
		struct cache_locator *l = &out->locators[i];

		l->reachable = wire_get_u8(&r);
		l->priority = wire_get_u8(&r);
		l->weight = wire_get_u8(&r);
		l->rloc.afi = wire_get_u16(&r);
		wire_get_bytes(&r, l->rloc.bytes, sizeof(l->rloc.bytes));
	}
	if (out->locators && !r.err)
		return true;
	free(out->locators);
	return false;
}

static bool
snapshot_one(void *arg, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	struct reading *s = arg;
	struct xtr *x = s->x;
	struct map_cache_entry e = { 0 };

	if (store_eid_parse(key, key_len, &e.eid) ||
	    !snapshot_get(x, value, value_len, &e)) {
		snapshot_stale(s, key, key_len);
		return true;
	}
	if (!s->fn(x, &e)) {
		free(e.locators);
		snapshot_stale(s, key, key_len);
	}
	return true;
}

void
snapshot_read(
    struct xtr *x, bool (*fn)(struct xtr *, const struct map_cache_entry *))
{
	struct reading s = { .x = x, .fn = fn };

	if (!x->store)
		return;
	store_walk(x->store, STORE_MAPCACHE, NULL, 0, snapshot_one, &s);
	for (size_t i = 0; i < s.n_stale; i++)
		if (store_remove(x->store, STORE_MAPCACHE, s.stale[i],
			sizeof(s.stale[i])))
			x->counters.store_errors++;
	free(s.stale);
}
