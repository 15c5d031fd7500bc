/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending.c - Map-Requests that wait for their Map-Reply: the table.
 *
 * itr.c is the only user.  A trie and not a hash table, because an answer for a
 * short prefix serves every lookup inside it.  The nonces lie in the lookup, and
 * a hash table leads from each to it.
 */
#include "pending.h"

#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/loop.h"
#include "xtr/forward.h"
#include "xtr/limit.h"

static size_t
lookups_max(const struct xtr *x)
{
	return (size_t)x->conf->itr.pending_max * (1 + PENDING_SPARE);
}

struct pending *
pending_new(struct xtr *x)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	trie_init(&p->trie, lookups_max(x));
	if (table_init(&p->nonces, lookups_max(x) * PENDING_NONCES,
		offsetof(struct lookup_nonce, by_nonce),
		offsetof(struct lookup_nonce, nonce), sizeof(uint64_t)) ||
	    table_init(&p->sources, lookups_max(x),
		offsetof(struct pending_source, by_eid),
		offsetof(struct pending_source, eid), sizeof(struct eid))) {
		pending_free(p);
		return NULL;
	}
	return p;
}

static void
packets_free(struct pending_packet *packet)
{
	while (packet) {
		struct pending_packet *next = packet->next;

		free(packet);
		packet = next;
	}
}

static void
lookup_free(struct lookup *l)
{
	loop_timer_free(l->timer);
	packets_free(l->packets);
	for (struct lookup_ask *a = l->asks, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	free(l);
}

static bool
free_one(void *arg, const struct eid *eid, void *value)
{
	(void)arg;
	(void)eid;
	lookup_free(value);
	return true;
}

void
pending_free(struct pending *p)
{
	struct table_iter it;
	struct table_node *node;

	if (!p)
		return;
	trie_walk_all(&p->trie, free_one, NULL);
	trie_fini(&p->trie);
	table_fini(&p->nonces);
	it = table_iter(&p->sources);
	while ((node = table_next(&it)))
		free(table_entry(node, struct pending_source, by_eid));
	table_fini(&p->sources);
	limits_free(p->smr_known);
	limits_free(p->smr_strangers);
	free(p->good);
	free(p);
}

size_t
pending_count(const struct pending *p)
{
	return p->n_asking;
}

struct lookup *
pending_find(const struct pending *p, const struct eid *eid)
{
	return trie_find(&p->trie, eid);
}

void
pending_set_spare(struct lookup *l, bool spare)
{
	struct pending *p = l->x->pending;

	if (l->spare == spare)
		return;
	l->spare = spare;
	if (spare) {
		l->newer = NULL;
		l->older = p->newest;
		if (p->newest)
			p->newest->newer = l;
		else
			p->oldest = l;
		p->newest = l;
		return;
	}
	if (l->newer)
		l->newer->older = l->older;
	else
		p->newest = l->older;
	if (l->older)
		l->older->newer = l->newer;
	else
		p->oldest = l->newer;
}

static bool
make_room(struct xtr *x)
{
	struct pending *p = x->pending;

	p->trie.max = p->sources.max = lookups_max(x);
	p->nonces.max = lookups_max(x) * PENDING_NONCES;
	while (p->trie.count >= p->trie.max) {
		if (!p->oldest)
			return false;
		if (p->oldest->again)
			x->counters.smr_forgotten++;
		pending_remove(p->oldest);
	}
	return true;
}

struct lookup *
pending_obtain(struct xtr *x, const struct eid *eid, void (*due)(void *lookup))
{
	struct lookup *l = pending_find(x->pending, eid);

	if (l || !make_room(x))
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->x = x;
	l->eid = *eid;
	l->last_packet = &l->packets;
	l->earliest = l->sent = xtr_now(x);
	l->timer = loop_timer_new(x->loop, due, l);
	if (!l->timer || trie_add(&x->pending->trie, eid, l)) {
		lookup_free(l);
		return NULL;
	}
	return l;
}

static void
nonce_forget(struct pending *p, struct lookup_nonce *n)
{
	if (n->nonce)
		table_remove(&p->nonces, &n->by_nonce);
	n->nonce = 0;
}

void
pending_remove(struct lookup *l)
{
	struct pending *p = l->x->pending;

	pending_close(l, false);
	pending_set_spare(l, false);
	trie_remove(&p->trie, &l->eid);
	(void)pending_drop_packets(l, (struct mono){ INT64_MAX });
	lookup_free(l);
}

/* One more open question of this source: false at its bound. */
static bool
source_take(struct pending *p, const struct eid *eid, struct lookup *l)
{
	struct pending_source *s = table_entry(
	    table_find(&p->sources, eid), struct pending_source, by_eid);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return false;
		s->eid = *eid;
		if (table_add(&p->sources, &s->by_eid)) {
			free(s);
			return false;
		}
	}
	if (s->n >= PENDING_PER_SOURCE)
		return false;
	s->n++;
	l->counted = s;
	return true;
}

static void
source_release(struct pending *p, struct lookup *l)
{
	struct pending_source *s = l->counted;

	l->counted = NULL;
	if (!s || --s->n)
		return;
	table_remove(&p->sources, &s->by_eid);
	free(s);
}

enum err
pending_open(struct lookup *l, const struct eid *source)
{
	struct pending *p = l->x->pending;

	if (p->n_asking >= (size_t)l->x->conf->itr.pending_max ||
	    (source && !source_take(p, source, l)))
		return ERR_FULL;
	p->n_asking++;
	l->asking = true;
	l->has_source = source;
	if (source)
		l->source = *source;
	l->tries = l->subscribes = 0;
	pending_set_spare(l, false);
	return ERR_OK;
}

void
pending_close(struct lookup *l, bool keep_nonces)
{
	struct pending *p = l->x->pending;

	for (unsigned i = 0; i < PENDING_NONCES && !keep_nonces; i++)
		nonce_forget(p, &l->nonces[i]);
	if (!l->asking)
		return;
	source_release(p, l);
	p->n_asking--;
	l->asking = l->lasting = l->invoked = l->refresh = false;
}

uint64_t
pending_nonce(struct lookup *l, const struct addr *resolver, uint64_t wanted)
{
	struct pending *p = l->x->pending;
	struct lookup_nonce *n = &l->nonces[l->next_nonce++ % PENDING_NONCES];

	nonce_forget(p, n);
	n->nonce = wanted;
	while (!n->nonce || table_find(&p->nonces, &n->nonce))
		auth_random(&n->nonce, sizeof(n->nonce));
	n->sent = xtr_now(l->x);
	n->resolver = *resolver;
	n->subscribe = false;
	n->lookup = l;
	if (table_add(&p->nonces, &n->by_nonce))
		n->nonce = 0; /* the request goes unanswered, and is repeated */
	return n->nonce;
}

struct lookup_nonce *
pending_by_nonce(const struct pending *p, uint64_t nonce)
{
	return table_entry(
	    table_find(&p->nonces, &nonce), struct lookup_nonce, by_nonce);
}

static void
first_packet_free(struct lookup *l)
{
	struct pending_packet *packet = l->packets;

	l->packets = packet->next;
	if (!l->packets)
		l->last_packet = &l->packets;
	l->n_packets--;
	l->x->pending->bytes -= packet->len;
	free(packet);
}

void
pending_queue(struct lookup *l, const uint8_t *packet, size_t len)
{
	struct xtr *x = l->x;
	struct pending *p = x->pending;
	struct pending_packet *q;

	while (l->packets &&
	    (l->n_packets >= (size_t)x->conf->itr.queue_packets ||
		p->bytes + len > PENDING_BYTES_MAX)) {
		first_packet_free(l);
		x->counters.data_drop_miss++;
	}
	q = x->conf->itr.queue_packets > 0 &&
		p->bytes + len <= PENDING_BYTES_MAX
	    ? malloc(sizeof(*q) + FORWARD_ROOM + len)
	    : NULL;
	if (!q) {
		x->counters.data_drop_miss++;
		return;
	}
	q->next = NULL;
	q->queued = xtr_now(x);
	q->len = len;
	memcpy(q->bytes + FORWARD_ROOM, packet, len);
	*l->last_packet = q;
	l->last_packet = &q->next;
	l->n_packets++;
	p->bytes += len;
	x->counters.data_queued++;
}

struct pending_packet *
pending_take_packets(struct lookup *l)
{
	struct pending_packet *packets = l->packets;

	for (struct pending_packet *q = packets; q; q = q->next)
		l->x->pending->bytes -= q->len;
	l->packets = NULL;
	l->last_packet = &l->packets;
	l->n_packets = 0;
	return packets;
}

unsigned
pending_drop_packets(struct lookup *l, struct mono before)
{
	unsigned n = 0;

	while (l->packets && mono_before(l->packets->queued, before)) {
		first_packet_free(l);
		n++;
	}
	return n;
}
