/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trie.c - longest-prefix match over EID prefixes.
 *
 * Every prefix becomes a string of up to 192 bits, held in three words:
 *
 *	instance-ID (32), family (16), zero (16), address (64), address (64)
 *
 * so one tree holds all instances and families, and a prefix never reaches into
 * another instance.  Two kinds of node: a trie_node holds a value and its whole
 * prefix; a trie_fork is where two branches part, at a bit that the reference to
 * it tells.  A fork does not know the bits that were skipped above it: a walk goes
 * down by single bits and compares whole prefixes at the values only.  That is
 * right because all values below a fork agree in the bits before it, so the
 * first value met tells for all of them whether, and where, the key leaves them.
 *
 * Nodes and forks live in two arrays and name each other by index: no allocator
 * overhead, and room for the bit.  There are fewer forks than values, so with
 * arrays of one length trie_remove(), which may turn a node into a fork, needs
 * no memory and cannot fail.
 */
#include "common/trie.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

/*
 * A reference: 0 is none, else an index (from 1) into the nodes or, with FORK
 * set, the forks, and the bit at which the walk goes on below: so the side to
 * take is known before the fork itself has come from memory.
 */
#define FORK (UINT64_C(1) << 63)
#define REF_BIT_SHIFT 32

enum {
	HEAD_BITS = 64, /* before the address */
	KEY_BITS = HEAD_BITS + 128,
	POOL_MIN = 8,
	/* A walk leaves one branch behind per bit that can differ. */
	STACK_MAX = KEY_BITS + 1,
};

struct key {
	uint64_t w[3];
	unsigned len; /* in bits, HEAD_BITS included */
};

struct trie_node {
	uint64_t w[3]; /* the low 16 bits of w[0] hold the length */
	void *value;
	uint64_t child[2]; /* child[0] links free nodes */
};

struct trie_fork {
	uint64_t child[2]; /* child[0] links free forks */
};

_Static_assert(sizeof(struct trie_node) + sizeof(struct trie_fork) == 64,
    "trie.h promises 64 octets per value");

#define LEN_MASK UINT64_C(0xffff)

static inline unsigned
node_len(const struct trie_node *n)
{
	return (unsigned)(n->w[0] & LEN_MASK);
}

static inline unsigned
key_bit(const uint64_t w[3], unsigned bit)
{
	return (unsigned)(w[bit / 64] >> (63 - bit % 64)) & 1;
}

/* The first 'n' bits of a word; n may be out of 0..64. */
static inline uint64_t
mask(int n)
{
	if (n <= 0)
		return 0;
	return n >= 64 ? UINT64_MAX : ~(UINT64_MAX >> n);
}

static struct key
key_of(const struct eid *e)
{
	struct key k = { .len = HEAD_BITS + (unsigned)e->bits };
	uint64_t high, low;

	assert(k.len <= KEY_BITS);
	memcpy(&high, e->addr.bytes, 8);
	memcpy(&low, e->addr.bytes + 8, 8);
	k.w[0] = (uint64_t)e->iid << 32 | (uint64_t)e->addr.afi << 16;
	k.w[1] = be64toh(high) & mask(e->bits);
	k.w[2] = be64toh(low) & mask(e->bits - 64);
	return k;
}

static struct eid
eid_of(const uint64_t w[3], unsigned len)
{
	unsigned bits = len - HEAD_BITS;
	uint64_t high = htobe64(w[1] & mask((int)bits));
	uint64_t low = htobe64(w[2] & mask((int)bits - 64));
	struct eid e = {
		.iid = (uint32_t)(w[0] >> 32),
		.addr.afi = (uint16_t)(w[0] >> 16),
		.bits = (uint8_t)bits,
	};

	memcpy(e.addr.bytes, &high, 8);
	memcpy(e.addr.bytes + 8, &low, 8);
	return e;
}

/* True if the prefix of 'n' covers 'k'. */
static inline bool
node_covers(const struct trie_node *n, const struct key *k)
{
	int bits = (int)node_len(n) - HEAD_BITS;

	return node_len(n) <= k->len && (n->w[0] ^ k->w[0]) <= LEN_MASK &&
	    ((n->w[1] ^ k->w[1]) & mask(bits)) == 0 &&
	    ((n->w[2] ^ k->w[2]) & mask(bits - 64)) == 0;
}

/* How many leading bits the prefix of 'n' and 'k' have in common. */
static unsigned
common_len(const struct trie_node *n, const struct key *k)
{
	uint64_t d0 = (n->w[0] ^ k->w[0]) & ~LEN_MASK;
	unsigned len = node_len(n) < k->len ? node_len(n) : k->len, at;

	if (d0)
		at = (unsigned)__builtin_clzll(d0);
	else if (n->w[1] != k->w[1])
		at = 64 + (unsigned)__builtin_clzll(n->w[1] ^ k->w[1]);
	else if (n->w[2] != k->w[2])
		at = 128 + (unsigned)__builtin_clzll(n->w[2] ^ k->w[2]);
	else
		at = KEY_BITS;
	return at < len ? at : len;
}

static inline bool
is_fork(uint64_t ref)
{
	return ref & FORK;
}

static inline struct trie_node *
node_at(const struct trie *t, uint64_t ref)
{
	return &t->nodes[(uint32_t)ref];
}

static inline struct trie_fork *
fork_at(const struct trie *t, uint64_t ref)
{
	return &t->forks[(uint32_t)ref];
}

static inline uint64_t
ref_make(uint32_t index, unsigned bit)
{
	return index | (uint64_t)bit << REF_BIT_SHIFT;
}

/* The bit at which the walk goes on below: of a node, its length. */
static inline unsigned
ref_bit(uint64_t ref)
{
	return (uint8_t)(ref >> REF_BIT_SHIFT);
}

static inline uint64_t *
ref_children(const struct trie *t, uint64_t ref)
{
	return is_fork(ref) ? fork_at(t, ref)->child : node_at(t, ref)->child;
}

/*
 * The value under which 'k' belongs, or at which it leaves the tree: no value
 * has more leading bits in common with 'k'.  0 if the trie is empty.
 */
static uint64_t
nearest(const struct trie *t, const struct key *k)
{
	uint64_t ref = t->root, next;

	while (ref) {
		unsigned bit = ref_bit(ref);

		if (is_fork(ref)) {
			/* Below, all are longer than 'k': any one will do. */
			next = fork_at(t, ref)
				   ->child[bit < k->len && key_bit(k->w, bit)];
		} else {
			if (bit >= k->len || !node_covers(node_at(t, ref), k))
				return ref;
			next = node_at(t, ref)->child[key_bit(k->w, bit)];
			if (!next)
				return ref;
		}
		ref = next;
	}
	return 0;
}

/* Makes sure that one node and one fork can be had. */
static enum err
reserve(struct trie *t)
{
	uint32_t size = t->pool_size ? t->pool_size * 2 : POOL_MIN;
	struct trie_node *nodes;
	struct trie_fork *forks;

	if (t->free_node || t->nodes_used + 1 < t->pool_size)
		return ERR_OK;
	if (size < t->pool_size)
		return ERR_NOMEM;
	nodes = realloc(t->nodes, size * sizeof(*nodes));
	if (!nodes)
		return ERR_NOMEM;
	t->nodes = nodes;
	forks = realloc(t->forks, size * sizeof(*forks));
	if (!forks)
		return ERR_NOMEM;
	t->forks = forks;
	t->pool_size = size;
	return ERR_OK;
}

static uint64_t
node_new(struct trie *t, const struct key *k, void *value)
{
	uint32_t i = t->free_node;

	if (i)
		t->free_node = (uint32_t)t->nodes[i].child[0];
	else
		i = ++t->nodes_used;
	t->nodes[i] = (struct trie_node){
		.w = { k->w[0] | k->len, k->w[1], k->w[2] },
		.value = value,
	};
	return ref_make(i, k->len);
}

static void
node_free(struct trie *t, uint64_t ref)
{
	node_at(t, ref)->child[0] = t->free_node;
	t->free_node = (uint32_t)ref;
}

static uint64_t
fork_new(struct trie *t, unsigned bit)
{
	uint32_t i = t->free_fork;

	if (i)
		t->free_fork = (uint32_t)t->forks[i].child[0];
	else
		i = ++t->forks_used;
	assert(i < t->pool_size);
	return FORK | ref_make(i, bit);
}

static void
fork_free(struct trie *t, uint64_t ref)
{
	fork_at(t, ref)->child[0] = t->free_fork;
	t->free_fork = (uint32_t)ref;
}

/*
 * Puts the new node 'ref' of prefix 'k' into the tree.  'sample' is the nearest
 * value, 'len' the number of bits it has in common with 'k'.
 */
static void
insert(struct trie *t, const struct key *k, uint64_t ref,
    const struct trie_node *sample, unsigned len)
{
	struct trie_node *n = node_at(t, ref);
	uint64_t *link = &t->root, fork;
	unsigned bit = 0, side;

	while (*link) {
		bit = ref_bit(*link);
		/* A value of just 'len' bits covers 'k': go below it. */
		if (bit > len || (bit == len && len == k->len))
			break;
		link = &ref_children(t, *link)[key_bit(k->w, bit)];
	}

	if (!*link) {
		*link = ref;
	} else if (len < k->len) { /* they part at bit 'len' */
		side = key_bit(k->w, len);
		fork = fork_new(t, len);
		fork_at(t, fork)->child[side] = ref;
		fork_at(t, fork)->child[!side] = *link;
		*link = fork;
	} else if (bit == len) { /* a value where there was only a fork */
		fork = *link;
		n->child[0] = fork_at(t, fork)->child[0];
		n->child[1] = fork_at(t, fork)->child[1];
		fork_free(t, fork);
		*link = ref;
	} else { /* 'k' covers what is here */
		n->child[key_bit(sample->w, len)] = *link;
		*link = ref;
	}
}

void
trie_init(struct trie *t, size_t max)
{
	*t = (struct trie){ .max = max };
}

void
trie_fini(struct trie *t)
{
	free(t->nodes);
	free(t->forks);
	*t = (struct trie){ .max = t->max };
}

enum err
trie_add(struct trie *t, const struct eid *e, void *value)
{
	struct key k = key_of(e);
	uint64_t near = nearest(t, &k);
	unsigned len = 0;
	enum err err;

	assert(value);
	if (near) {
		struct trie_node *n = node_at(t, near);

		len = common_len(n, &k);
		if (len == k.len && len == node_len(n)) {
			n->value = value;
			return ERR_OK;
		}
	}
	if (t->count >= t->max)
		return ERR_FULL;
	err = reserve(t);
	if (err)
		return err;

	/* Nothing fails from here on. */
	insert(t, &k, node_new(t, &k, value), node_at(t, near), len);
	t->count++;
	return ERR_OK;
}

void *
trie_remove(struct trie *t, const struct eid *e)
{
	struct key k = key_of(e);
	uint64_t *link = &t->root, *above = NULL, ref, fork;
	struct trie_node *n;
	void *value;
	unsigned bit;

	while (*link && (bit = ref_bit(*link)) < k.len) {
		above = link;
		link = &ref_children(t, *link)[key_bit(k.w, bit)];
	}
	ref = *link;
	if (!ref || is_fork(ref))
		return NULL;
	n = node_at(t, ref);
	if (node_len(n) != k.len || !node_covers(n, &k))
		return NULL;

	value = n->value;
	if (n->child[0] && n->child[1]) {
		fork = fork_new(t, node_len(n));
		fork_at(t, fork)->child[0] = n->child[0];
		fork_at(t, fork)->child[1] = n->child[1];
		*link = fork;
	} else if (n->child[0] || n->child[1]) {
		*link = n->child[0] ? n->child[0] : n->child[1];
	} else if (above && is_fork(*above)) {
		/* The branch is gone, so its fork is no longer one. */
		fork = *above;
		*above = fork_at(t, fork)
			     ->child[link == &fork_at(t, fork)->child[0]];
		fork_free(t, fork);
	} else {
		*link = 0;
	}
	node_free(t, ref);
	if (--t->count == 0)
		trie_fini(t);
	return value;
}

void *
trie_find(const struct trie *t, const struct eid *e)
{
	struct key k = key_of(e);
	uint64_t ref = t->root;
	unsigned bit;

	while (ref && (bit = ref_bit(ref)) < k.len)
		ref = ref_children(t, ref)[key_bit(k.w, bit)];
	if (!ref || is_fork(ref) || node_len(node_at(t, ref)) != k.len ||
	    !node_covers(node_at(t, ref), &k))
		return NULL;
	return node_at(t, ref)->value;
}

/* The longest prefix of at most 'max_len' bits that covers 'k', or NULL. */
static void *
longest(const struct trie *t, const struct key *k, unsigned max_len)
{
	uint64_t ref = t->root;
	void *best = NULL;

	while (ref) {
		unsigned bit = ref_bit(ref);
		const uint64_t *child;

		if (is_fork(ref)) {
			child = fork_at(t, ref)->child;
		} else {
			const struct trie_node *n = node_at(t, ref);

			if (bit > max_len || !node_covers(n, k))
				break;
			best = n->value;
			child = n->child;
		}
		if (bit >= max_len)
			break;
		ref = child[key_bit(k->w, bit)];
	}
	return best;
}

void *
trie_match(const struct trie *t, const struct eid *e)
{
	struct key k = key_of(e);

	return longest(t, &k, k.len);
}

void *
trie_parent(const struct trie *t, const struct eid *e)
{
	struct key k = key_of(e);

	return longest(t, &k, k.len - 1);
}

/* Calls 'fn' for every value at and below 'ref'. */
static void
walk(const struct trie *t, uint64_t ref,
    bool (*fn)(void *arg, const struct eid *, void *value), void *arg)
{
	uint64_t stack[STACK_MAX];
	unsigned n = 0;

	if (ref)
		stack[n++] = ref;
	while (n > 0) {
		const uint64_t *child;

		ref = stack[--n];
		if (!is_fork(ref)) {
			const struct trie_node *node = node_at(t, ref);
			struct eid e = eid_of(node->w, node_len(node));

			if (!fn(arg, &e, node->value))
				return;
		}
		child = ref_children(t, ref);
		for (int side = 1; side >= 0; side--)
			if (child[side]) {
				assert(n < STACK_MAX);
				stack[n++] = child[side];
			}
	}
}

void
trie_walk(const struct trie *t, const struct eid *under,
    bool (*fn)(void *arg, const struct eid *, void *value), void *arg)
{
	struct key k = key_of(under);
	uint64_t near = nearest(t, &k), ref = t->root;
	unsigned bit;

	if (!near || common_len(node_at(t, near), &k) < k.len)
		return; /* the nearest is not inside, so none is */
	while ((bit = ref_bit(ref)) < k.len)
		ref = ref_children(t, ref)[key_bit(k.w, bit)];
	walk(t, ref, fn, arg);
}

void
trie_walk_all(const struct trie *t,
    bool (*fn)(void *arg, const struct eid *, void *value), void *arg)
{
	walk(t, t->root, fn, arg);
}

bool
trie_hole(const struct trie *t, const struct eid *e, unsigned min_bits,
    struct eid *out)
{
	struct key k = key_of(e);
	uint64_t near = nearest(t, &k);
	unsigned len = HEAD_BITS + min_bits, common;

	if (longest(t, &k, k.len))
		return false;
	if (near) {
		/*
		 * No value agrees with 'k' for longer than the nearest, so one
		 * bit more leaves all of them, unless that one lies inside.
		 */
		common = common_len(node_at(t, near), &k);
		if (common + 1 > len)
			len = common + 1;
	}
	if (len > k.len)
		return false;
	*out = eid_of(k.w, len);
	return true;
}
