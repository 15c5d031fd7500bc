/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - a bounded hash table of intrusive nodes.
 *
 * Chained, with as many buckets as nodes: an entry costs its node and at most
 * three pointers.  Growing spreads over the following adds: rehashing a million
 * entries at once stops everything for 70 ms.  Keys come from packets, so the
 * hash is SipHash-1-3 under a random key per table: whoever does not know the
 * key cannot aim at one bucket.
 * Faster seeded hashes (xxHash, Murmur, City) do not give that: inputs are known
 * for them that collide under every seed.  Thirty lines here also save a
 * dependency.  The hash stays in the node: growing does not touch the keys.
 */
#include "common/table.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS_MIN = 16 };

static inline uint64_t
rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of 'len' octets. */
static uint64_t
sip_hash(const uint64_t seed[2], const uint8_t *p, size_t len)
{
	uint64_t v[4] = {
		seed[0] ^ UINT64_C(0x736f6d6570736575),
		seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261),
		seed[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t word, last = (uint64_t)len << 56;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		word = le64toh(word);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, p, len);
	last |= le64toh(word);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
table_hash(const uint64_t seed[2], const void *bytes, size_t len)
{
	return sip_hash(seed, bytes, len);
}

static const uint8_t *
node_key(const struct table *t, const struct table_node *n)
{
	return (const uint8_t *)n + t->key_offset;
}

static struct table_node **
bucket(const struct table *t, uint64_t hash)
{
	size_t i = hash & (t->n_old - 1);

	if (t->old_buckets && i >= t->moved)
		return &t->old_buckets[i];
	return &t->buckets[hash & (t->n_buckets - 1)];
}

/* Doubles the buckets; without memory the chains just get longer. */
static void
grow(struct table *t)
{
	struct table_node **buckets;

	buckets = calloc(t->n_buckets * 2, sizeof(struct table_node *));
	if (!buckets)
		return;
	t->old_buckets = t->buckets;
	t->n_old = t->n_buckets;
	t->moved = 0;
	t->buckets = buckets;
	t->n_buckets = t->n_old * 2;
}

/* Moves one bucket on from the array before. */
static void
grow_step(struct table *t)
{
	struct table_node *n, *next;

	if (!t->old_buckets)
		return;
	n = t->old_buckets[t->moved];
	t->old_buckets[t->moved++] = NULL;
	for (; n; n = next) {
		struct table_node **head = bucket(t, n->hash);

		next = n->next_in_table;
		n->next_in_table = *head;
		*head = n;
	}
	if (t->moved == t->n_old) {
		free(t->old_buckets);
		t->old_buckets = NULL;
		t->n_old = 0;
	}
}

enum err
table_init(struct table *t, size_t max, size_t node_offset, size_t key_offset,
    size_t key_len)
{
	*t = (struct table){
		.max = max,
		.n_buckets = BUCKETS_MIN,
		.key_len = key_len,
		.key_offset = (ptrdiff_t)key_offset - (ptrdiff_t)node_offset,
	};
	if (getrandom(t->seed, sizeof(t->seed), 0) != (ssize_t)sizeof(t->seed))
		abort(); /* cannot be for 16 octets on Linux */
	t->buckets = calloc(t->n_buckets, sizeof(*t->buckets));
	return t->buckets ? ERR_OK : ERR_NOMEM;
}

void
table_fini(struct table *t)
{
	free(t->buckets);
	free(t->old_buckets);
	*t = (struct table){ 0 };
}

struct table_node *
table_find(const struct table *t, const void *key)
{
	uint64_t hash = sip_hash(t->seed, key, t->key_len);
	struct table_node *n = *bucket(t, hash);

	while (n &&
	    (n->hash != hash || memcmp(node_key(t, n), key, t->key_len) != 0))
		n = n->next_in_table;
	return n;
}

enum err
table_add(struct table *t, struct table_node *n)
{
	struct table_node **head;

	if (t->count >= t->max)
		return ERR_FULL;
	if (t->count >= t->n_buckets && !t->old_buckets)
		grow(t);
	/* Two, to be through well before the next time. */
	grow_step(t);
	grow_step(t);
	n->hash = sip_hash(t->seed, node_key(t, n), t->key_len);
	head = bucket(t, n->hash);
	n->next_in_table = *head;
	*head = n;
	t->count++;
	return ERR_OK;
}

void
table_remove(struct table *t, struct table_node *n)
{
	struct table_node **link = bucket(t, n->hash);

	while (*link && *link != n)
		link = &(*link)->next_in_table;
	assert(*link);
	*link = n->next_in_table;
	n->next_in_table = NULL;
	t->count--;
}

struct table_iter
table_iter(const struct table *t)
{
	return (struct table_iter){ .t = t };
}

struct table_node *
table_next(struct table_iter *it)
{
	struct table_node *n = it->next;

	while (!n && it->bucket < it->t->n_old)
		n = it->t->old_buckets[it->bucket++];
	while (!n && it->bucket - it->t->n_old < it->t->n_buckets)
		n = it->t->buckets[it->bucket++ - it->t->n_old];
	it->next = n ? n->next_in_table : NULL;
	return n;
}
