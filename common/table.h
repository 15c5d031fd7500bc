/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

/*
 * table.h - a bounded hash table of intrusive nodes.
 *
 * Key: octets inside the entry, fixed length per table.  Owner: the caller owns
 * the entries, the table links them.  Bound: 'max' nodes, table_add() then says
 * ERR_FULL and the caller decides what goes.  Find, add and remove are O(1);
 * growing moves a few entries per add, so that no add takes long.  The hash is
 * seeded per table, so a remote cannot choose collisions.
 */
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct table_node {
	struct table_node *next_in_table;
	uint64_t hash;
};

struct table {
	struct table_node **buckets;
	size_t n_buckets; /* power of two */
	/* While growing: the half as long array before, empty up to 'moved'. */
	struct table_node **old_buckets;
	size_t n_old, moved;
	size_t count, max;
	size_t key_len;
	ptrdiff_t key_offset; /* from the node to the key */
	uint64_t seed[2];
};

/*
 * The hash of these tables, for others: SipHash-1-3 of 'len' octets under 'seed',
 * 16 octets of auth_random().
 */
uint64_t table_hash(const uint64_t seed[2], const void *bytes, size_t len);

/*
 * 'node_offset' and 'key_offset' are offsetof() in the entry's struct.
 * ERR_NOMEM.
 */
enum err table_init(struct table *, size_t max, size_t node_offset,
    size_t key_offset, size_t key_len) MUST_USE;
void table_fini(struct table *); /* entries stay the caller's */

/* The node whose key is the 'key_len' octets at 'key', or NULL. */
struct table_node *table_find(const struct table *, const void *key);
/* The key must not be in the table yet.  ERR_FULL. */
enum err table_add(struct table *, struct table_node *) MUST_USE;
void table_remove(struct table *, struct table_node *);

/* Walk all; removing the node just returned is allowed, adding is not. */
struct table_iter {
	const struct table *t;
	size_t bucket;
	struct table_node *next;
};
struct table_iter table_iter(const struct table *);
struct table_node *table_next(struct table_iter *);

/* The entry that holds this node, or NULL for NULL. */
#define table_entry(node, type, member) \
	((type *)((node) ? (void *)((char *)(node)-offsetof(type, member)) \
			 : NULL))

#endif
