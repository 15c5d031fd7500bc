/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TRIE_H
#define COMMON_TRIE_H

/*
 * trie.h - longest-prefix match over EID prefixes.
 *
 * Key: struct eid (instance-ID, family, prefix).  A path-compressed binary
 * trie, one for all instances and families.  Owner: values are borrowed, nodes
 * are the trie's.  Bound: 'max' values; ERR_FULL beyond.  Find, add and remove
 * walk at most one node per bit (<= 176), in practice O(log n).  Costs 64
 * octets per value (128 just after growing); an empty trie holds no memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"

struct trie_node; /* a value and its prefix */
struct trie_fork; /* where two branches part without a value */

struct trie {
	struct trie_node *nodes; /* two pools, see trie.c */
	struct trie_fork *forks;
	uint32_t pool_size;
	uint32_t nodes_used, forks_used;
	uint32_t free_node, free_fork; /* heads of the free lists */
	uint64_t root;
	size_t count, max;
};

void trie_init(struct trie *, size_t max);
void trie_fini(struct trie *); /* frees the nodes, not the values */

/*
 * 'value' must not be NULL.  Replaces an equal key's value.  ERR_FULL,
 * ERR_NOMEM; the trie is then as before.
 */
enum err trie_add(struct trie *, const struct eid *, void *value) MUST_USE;
/* The value removed, or NULL. */
void *trie_remove(struct trie *, const struct eid *);

/* Exactly this prefix, or NULL. */
void *trie_find(const struct trie *, const struct eid *);
/* The longest prefix that covers 'eid' (itself included), or NULL. */
void *trie_match(const struct trie *, const struct eid *eid);
/* The next shorter covering prefix, strictly above 'eid', or NULL. */
void *trie_parent(const struct trie *, const struct eid *eid);

/*
 * Calls 'fn' for every value inside 'under' (itself included), in order of
 * address, shorter prefixes first; stops when it returns false.  'fn' must not
 * change the trie.
 */
void trie_walk(const struct trie *, const struct eid *under,
    bool (*fn)(void *arg, const struct eid *, void *value), void *arg);
/* Every value of the trie. */
void trie_walk_all(const struct trie *,
    bool (*fn)(void *arg, const struct eid *, void *value), void *arg);

/*
 * The least specific prefix that contains 'eid', is at least 'min_bits' long
 * and holds no prefix of the trie (RFC 9301 8.4, behaviour "negative prefix").
 * False, with '*out' untouched, if there is none: a prefix of the trie covers
 * 'eid' or lies inside it, or 'min_bits' is longer than 'eid'.
 */
bool trie_hole(const struct trie *, const struct eid *eid, unsigned min_bits,
    struct eid *out);

#endif
