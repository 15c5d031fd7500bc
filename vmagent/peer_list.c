/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer_list.c - peers of a vNIC in user space, and their ranking.
 *
 * peers_packet.c keeps one list a vNIC; the BPF program does the same with two
 * LRU maps.  peers.c ranks what either has seen.
 */
#include "peer_list.h"

#include <stdlib.h>

#include "common/table.h"

enum { ONE_WAY, TWO_WAY, CLASSES };

struct entry {
	struct table_node node;
	struct entry *newer, *older; /* in its class */
	struct peer_seen seen;
};

struct lru {
	struct entry *newest, *oldest;
	unsigned n, max;
};

struct peer_list {
	struct table table; /* by address */
	struct lru classes[CLASSES];
};

static int
class_of(const struct entry *e)
{
	return e->seen.dirs == (PEER_SENT | PEER_RECEIVED) ? TWO_WAY : ONE_WAY;
}

static void
lru_unlink(struct lru *l, struct entry *e)
{
	*(e->newer ? &e->newer->older : &l->newest) = e->older;
	*(e->older ? &e->older->newer : &l->oldest) = e->newer;
	l->n--;
}

static void
lru_push(struct lru *l, struct entry *e)
{
	e->newer = NULL;
	e->older = l->newest;
	*(e->older ? &e->older->newer : &l->oldest) = e;
	l->newest = e;
	l->n++;
}

struct peer_list *
peer_list_new(unsigned max)
{
	struct peer_list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (max < 8)
		max = 8;
	l->classes[ONE_WAY].max = max / 4;
	l->classes[TWO_WAY].max = max - max / 4;
	if (table_init(&l->table, max + 1, offsetof(struct entry, node),
		offsetof(struct entry, seen.addr), sizeof(struct addr))) {
		free(l);
		return NULL;
	}
	return l;
}

static void
entry_remove(struct peer_list *l, struct entry *e)
{
	lru_unlink(&l->classes[class_of(e)], e);
	table_remove(&l->table, &e->node);
	free(e);
}

void
peer_list_free(struct peer_list *l)
{
	if (!l)
		return;
	for (int c = 0; c < CLASSES; c++)
		while (l->classes[c].oldest)
			entry_remove(l, l->classes[c].oldest);
	table_fini(&l->table);
	free(l);
}

/* An unlinked entry for 'addr', new or the one there was. */
static struct entry *
entry_take(struct peer_list *l, const struct addr *addr)
{
	struct entry *e =
	    table_entry(table_find(&l->table, addr), struct entry, node);

	if (e) {
		lru_unlink(&l->classes[class_of(e)], e);
		return e;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->seen.addr = *addr;
	if (table_add(&l->table, &e->node)) {
		free(e);
		return NULL;
	}
	return e;
}

void
peer_list_note(struct peer_list *l, const struct addr *addr, uint8_t dir,
    uint64_t bytes, struct mono now)
{
	struct entry *e = entry_take(l, addr);
	struct lru *lru;

	if (!e)
		return;
	e->seen.dirs |= dir;
	e->seen.bytes += bytes;
	e->seen.last = now;
	lru = &l->classes[class_of(e)];
	lru_push(lru, e);
	if (lru->n > lru->max)
		entry_remove(l, lru->oldest);
}

unsigned
peer_list_read(const struct peer_list *l, struct peer_seen *out, unsigned max)
{
	unsigned n = 0;

	for (int c = CLASSES - 1; c >= 0; c--)
		for (const struct entry *e = l->classes[c].newest; e && n < max;
		     e = e->older)
			out[n++] = e->seen;
	return n;
}

/* 0 for the last second, then one more for each doubling. */
static int
age_class(const struct peer_seen *p, struct mono now)
{
	int64_t s = mono_diff_us(now, p->last) / 1000000;
	int c = 0;

	for (; s > 0; s >>= 1)
		c++;
	return c;
}

static bool
two_way(const struct peer_seen *p)
{
	return p->dirs == (PEER_SENT | PEER_RECEIVED);
}

static int
compare(const void *x, const void *y, void *now)
{
	const struct peer_seen *a = x, *b = y;
	int d = two_way(b) - two_way(a);

	if (!d)
		d = age_class(a, *(struct mono *)now) -
		    age_class(b, *(struct mono *)now);
	if (!d)
		d = (a->bytes < b->bytes) - (a->bytes > b->bytes);
	return d ? d : memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int
compare_key(const void *x, const void *y)
{
	const struct peer_seen *a = x, *b = y;
	int d = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return d ? d : (a->iid > b->iid) - (a->iid < b->iid);
}

/* Of entries with the same key the sum stays. */
static unsigned
merge(struct peer_seen *p, unsigned n)
{
	unsigned kept = 0;

	qsort(p, n, sizeof(*p), compare_key);
	for (unsigned i = 0; i < n; i++) {
		struct peer_seen *last = kept ? &p[kept - 1] : NULL;

		if (!last || compare_key(last, &p[i]) != 0) {
			p[kept++] = p[i];
			continue;
		}
		last->dirs |= p[i].dirs;
		last->bytes += p[i].bytes;
		if (mono_before(last->last, p[i].last))
			last->last = p[i].last;
	}
	return kept;
}

unsigned
peer_rank(struct peer_seen *p, unsigned n, int64_t age_s, struct mono now)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		if (mono_diff_us(now, p[i].last) <= age_s * 1000000)
			p[kept++] = p[i];
	kept = merge(p, kept);
	qsort_r(p, kept, sizeof(*p), compare, &now);
	return kept;
}
