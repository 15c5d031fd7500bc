/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_store.c - the registrations' copy in the store, so that a restarted
 * Map-Server answers at once.
 *
 * ms_table.c saves what changed.  A mere refresh is saved only when the copy is a
 * quarter of the lifetime behind: after a crash a registration may end that much
 * early, never late.
 */
#include "xtr/ms.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "xtr/store.h"

enum { VALUE_VERSION = 1, KEY_LEN = STORE_EID_KEY + 4 };

/* In STORE_MSREG under EID key and peer number; the record follows. */
struct value {
	uint8_t version, flags;
	uint16_t len;
	uint32_t lifetime_s;
	int64_t registered_ms, refreshed_ms; /* wall clock */
};

_Static_assert(sizeof(struct value) == 24, "layout in the store");

static void
store_key(const struct registration *r, uint8_t key[KEY_LEN])
{
	uint32_t number_be = htobe32(r->peer->number);

	store_eid_key(&r->eid, key);
	memcpy(key + STORE_EID_KEY, &number_be, sizeof(number_be));
}

void
ms_save(struct map_server *ms, struct registration *r)
{
	const struct value v = {
		.version = VALUE_VERSION,
		.flags = r->flags,
		.len = r->len,
		.lifetime_s = r->lifetime_s,
		.registered_ms = r->registered_ms,
		.refreshed_ms = (int64_t)clock_wall_ms(ms->x->clock) -
		    (xtr_now(ms->x).us - r->refreshed_us) / 1000,
	};
	uint8_t key[KEY_LEN], bytes[sizeof(v) + LISP_MSG_MAX];

	r->saved_s = (uint32_t)(r->refreshed_us / US_PER_S);
	if (!ms->x->store)
		return;
	store_key(r, key);
	memcpy(bytes, &v, sizeof(v));
	memcpy(bytes + sizeof(v), r->record, r->len);
	if (store_put(ms->x->store, STORE_MSREG, key, sizeof(key), bytes,
		sizeof(v) + r->len))
		ms->x->counters.store_errors++;
}

void
ms_unsave(struct map_server *ms, const struct registration *r)
{
	uint8_t key[KEY_LEN];

	store_key(r, key);
	if (ms->x->store &&
	    store_remove(ms->x->store, STORE_MSREG, key, sizeof(key)))
		ms->x->counters.store_errors++;
}

struct load {
	struct map_server *ms;
	struct peer **peers; /* by number */
	size_t n_peers;
	struct peer *last;
	int64_t now_us, wall_ms;
	enum err err;
};

static int
by_number(const void *a, const void *b)
{
	const struct peer *const *pa = a, *const *pb = b;

	return ((*pa)->number > (*pb)->number) -
	    ((*pa)->number < (*pb)->number);
}

static struct peer *
peer_find(struct load *l, uint32_t number)
{
	size_t low = 0, high = l->n_peers;

	if (l->last && l->last->number == number)
		return l->last;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (l->peers[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	l->last = low < l->n_peers && l->peers[low]->number == number
	    ? l->peers[low]
	    : NULL;
	return l->last;
}

/* One whole record of this very EID? */
static bool
is_record(const struct ms_entry *e)
{
	struct wire_reader r = wire_reader(e->record, e->len);
	struct mapping m;
	struct eid eid;

	return mapping_decode(&r, &m) == ERR_OK && wire_left(&r) == 0 &&
	    lisp_addr_eid(&m.eid, m.eid_bits, &eid) == ERR_OK &&
	    eid_equal(&eid, &e->eid);
}

static bool
load_one(
    void *arg, const void *key, size_t key_len, const void *bytes, size_t len)
{
	struct load *l = arg;
	struct map_server *ms = l->ms;
	struct registration *r, *head;
	struct ms_entry e = { 0 };
	struct value v;
	uint32_t number_be;
	int64_t age_ms;

	if (key_len != KEY_LEN || len < sizeof(v) ||
	    store_eid_parse(key, key_len, &e.eid))
		return true;
	memcpy(&v, bytes, sizeof(v));
	memcpy(&number_be, (const uint8_t *)key + STORE_EID_KEY, 4);
	e.peer = peer_find(l, be32toh(number_be));
	if (v.version != VALUE_VERSION || len != sizeof(v) + v.len || !e.peer)
		return true;
	e.flags = v.flags;
	e.lifetime_s = v.lifetime_s;
	e.record = (const uint8_t *)bytes + sizeof(v);
	e.len = v.len;
	if (!is_record(&e))
		return true;
	r = ms_part_new(ms, &e);
	if (!r) {
		l->err = ERR_NOMEM;
		return false;
	}
	age_ms = l->wall_ms - v.refreshed_ms;
	r->refreshed_us = l->now_us - (age_ms > 0 ? age_ms : 0) * 1000;
	r->saved_s = (uint32_t)(r->refreshed_us / US_PER_S);
	r->registered_ms = v.registered_ms;
	head = ms_find(ms, &r->eid);
	r->next_merged = head;
	l->err = trie_add(&ms->registered, &r->eid, r);
	if (l->err) {
		free(r);
		return false;
	}
	ms_part_link(ms, r);
	return true;
}

enum err
ms_table_load(struct map_server *ms)
{
	struct load l = { .ms = ms,
		.now_us = xtr_now(ms->x).us,
		.wall_ms = (int64_t)clock_wall_ms(ms->x->clock) };
	struct table_iter it = table_iter(&ms->peers);
	struct table_node *node;

	if (!ms->x->store)
		return ERR_OK;
	l.peers = calloc(ms->peers.count + 1, sizeof(*l.peers));
	if (!l.peers)
		return ERR_NOMEM;
	while ((node = table_next(&it)))
		l.peers[l.n_peers++] = table_entry(node, struct peer, by_key);
	qsort(l.peers, l.n_peers, sizeof(*l.peers), by_number);
	store_walk(ms->x->store, STORE_MSREG, NULL, 0, load_one, &l);
	free(l.peers);
	if (l.err == ERR_FULL) {
		log_warning("map-server",
		    "more registrations in the store than registrations-max");
		l.err = ERR_OK;
	}
	/* What ended while we were away is not answered for a moment. */
	ms_wheel_turn(ms, l.now_us, SIZE_MAX);
	return l.err;
}
