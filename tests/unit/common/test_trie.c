/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_trie.c - the trie against a list that is searched from end to end.
 *
 * Random prefixes of few distinct bits, so that covering, nesting, siblings and
 * removal of inner nodes are the rule, in two instances and three families.
 */
#include "common/trie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LIST_MAX = 400 };

struct list {
	struct eid eids[LIST_MAX];
	size_t n;
};

/* Values only need to be told apart: the address of a slot. */
static char slots[LIST_MAX];

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* True if the first 'bits' bits agree; written as slowly as can be. */
static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool
covers(const struct eid *outer, const struct eid *inner)
{
	return outer->iid == inner->iid && outer->addr.afi == inner->addr.afi &&
	    outer->bits <= inner->bits &&
	    same_bits(outer->addr.bytes, inner->addr.bytes, outer->bits);
}

static struct eid
cut(struct eid e, unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		e.addr.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	e.bits = (uint8_t)bits;
	return e;
}

static unsigned
family_bits(const struct eid *e)
{
	return e->addr.afi == AFI_IPV4 ? 32
	    : e->addr.afi == AFI_IPV6  ? 128
				       : 48;
}

/* A random EID; 'host' for full length. */
static struct eid
random_eid(uint32_t *state, bool host)
{
	static const uint16_t families[] = { AFI_IPV4, AFI_IPV4, AFI_IPV6,
		AFI_MAC };
	static const uint32_t instances[] = { 0, 1, 0x80000001 };
	struct eid e = { .iid = instances[next_random(state) % 3] };
	unsigned bits;

	e.addr.afi = families[next_random(state) % 4];
	bits = family_bits(&e);
	for (unsigned i = 0; i < bits / 8; i++)
		if (next_random(state) % 3 == 0)
			e.addr.bytes[i] =
			    (uint8_t)(next_random(state) & next_random(state));
	if (host)
		return cut(e, bits);
	if (next_random(state) % 2) /* many short ones, to nest */
		return cut(e, next_random(state) % 12);
	return cut(e, next_random(state) % (bits + 1));
}

static size_t
list_index(const struct list *l, const struct eid *e)
{
	size_t i = 0;

	while (i < l->n && memcmp(&l->eids[i], e, sizeof(*e)) != 0)
		i++;
	return i;
}

static void *
list_find(const struct list *l, const struct eid *e)
{
	size_t i = list_index(l, e);

	return i < l->n ? &slots[i] : NULL;
}

static void *
list_match(const struct list *l, const struct eid *e, int max_bits)
{
	void *best = NULL;
	int best_bits = -1;

	for (size_t i = 0; i < l->n; i++)
		if (covers(&l->eids[i], e) && l->eids[i].bits <= max_bits &&
		    l->eids[i].bits > best_bits) {
			best = &slots[i];
			best_bits = l->eids[i].bits;
		}
	return best;
}

static bool
list_hole(const struct list *l, const struct eid *e, unsigned min_bits,
    struct eid *out)
{
	if (list_match(l, e, 128))
		return false;
	for (unsigned bits = min_bits; bits <= e->bits; bits++) {
		struct eid hole = cut(*e, bits);
		bool empty = true;

		for (size_t i = 0; i < l->n && empty; i++)
			empty = !covers(&hole, &l->eids[i]);
		if (empty) {
			*out = hole;
			return true;
		}
	}
	return false;
}

static int
order(const struct eid *a, const struct eid *b)
{
	int d;

	if (a->iid != b->iid)
		return a->iid < b->iid ? -1 : 1;
	if (a->addr.afi != b->addr.afi)
		return a->addr.afi < b->addr.afi ? -1 : 1;
	d = memcmp(a->addr.bytes, b->addr.bytes, 16);
	return d ? d : (int)a->bits - (int)b->bits;
}

struct walked {
	const struct list *list;
	struct eid last;
	size_t n, stop_at;
};

static bool
walked_one(void *arg, const struct eid *e, void *value)
{
	struct walked *w = arg;

	assert_ptr_equal(value, list_find(w->list, e));
	if (w->n > 0)
		assert_true(order(&w->last, e) < 0);
	w->last = *e;
	return ++w->n != w->stop_at;
}

static void
check_query(const struct trie *t, const struct list *l, const struct eid *e,
    unsigned min_bits)
{
	struct walked w = { .list = l };
	struct eid hole, expected;
	size_t inside = 0;
	bool found;

	assert_ptr_equal(trie_find(t, e), list_find(l, e));
	assert_ptr_equal(trie_match(t, e), list_match(l, e, 128));
	assert_ptr_equal(trie_parent(t, e), list_match(l, e, e->bits - 1));

	found = trie_hole(t, e, min_bits, &hole);
	assert_int_equal(found, list_hole(l, e, min_bits, &expected));
	if (found)
		assert_memory_equal(&hole, &expected, sizeof(hole));

	for (size_t i = 0; i < l->n; i++)
		inside += covers(e, &l->eids[i]);
	trie_walk(t, e, walked_one, &w);
	assert_int_equal(w.n, inside);
}

static void
check_all(const struct trie *t, const struct list *l, uint32_t *state)
{
	struct walked all = { .list = l };

	assert_int_equal(t->count, l->n);
	trie_walk_all(t, walked_one, &all);
	assert_int_equal(all.n, l->n);

	for (int i = 0; i < 40; i++) {
		struct eid e = random_eid(state, i % 2);
		unsigned min_bits =
		    next_random(state) % 4 ? 0 : next_random(state) % 40;

		check_query(t, l, &e, min_bits);
		if (l->n > 0) { /* next to, above and below what is there */
			e = l->eids[next_random(state) % l->n];
			check_query(t, l, &e, min_bits);
			if (e.bits > 0) {
				e.addr.bytes[(e.bits - 1) / 8] ^=
				    (uint8_t)(0x80 >> (e.bits - 1) % 8);
				check_query(t, l, &e, min_bits);
				e = cut(e, next_random(state) % e.bits);
				check_query(t, l, &e, min_bits);
			}
		}
	}
}

static void
add_one(struct trie *t, struct list *l, uint32_t *state)
{
	struct eid e = random_eid(state, next_random(state) % 4 == 0);
	size_t i = list_index(l, &e);

	if (i == LIST_MAX)
		return;
	assert_int_equal(trie_add(t, &e, &slots[i]), ERR_OK);
	if (i == l->n)
		l->eids[l->n++] = e;
}

static void
remove_one(struct trie *t, struct list *l, uint32_t *state)
{
	struct eid e = random_eid(state, false);
	size_t i = next_random(state) % 8 && l->n > 0
	    ? next_random(state) % l->n
	    : list_index(l, &e);

	if (i >= l->n) {
		assert_null(trie_remove(t, &e));
		return;
	}
	assert_ptr_equal(trie_remove(t, &l->eids[i]), &slots[i]);
	l->n--;
	if (i < l->n) { /* the last one takes the slot */
		l->eids[i] = l->eids[l->n];
		assert_int_equal(trie_add(t, &l->eids[i], &slots[i]), ERR_OK);
	}
}

static void
test_against_list(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		uint32_t r = seed * 7919;
		struct list l = { .n = 0 };
		struct trie t;

		trie_init(&t, LIST_MAX);
		/* grow, churn, shrink to nothing */
		for (int step = 0; step < 600; step++) {
			unsigned adds = step < 200 ? 9 : step < 400 ? 5 : 1;

			if (next_random(&r) % 10 < adds)
				add_one(&t, &l, &r);
			else
				remove_one(&t, &l, &r);
			if (step % 29 == 0)
				check_all(&t, &l, &r);
		}
		while (l.n > 0)
			remove_one(&t, &l, &r);
		check_all(&t, &l, &r);
		assert_null(t.nodes); /* an empty trie holds no memory */
		trie_fini(&t);
	}
}

/* "a.b.c.d/bits" of instance 'iid' without addr.c, which has its own tests. */
static struct eid
ipv4(uint32_t iid, uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint8_t bits)
{
	return (struct eid){
		.iid = iid, .addr = { AFI_IPV4, { a, b, c, d } }, .bits = bits
	};
}

/* The example of RFC 9301 8.4, with our own prefixes. */
static void
test_hole(void **state)
{
	struct eid in[] = { ipv4(0, 10, 0, 0, 0, 8), ipv4(0, 10, 1, 0, 0, 16),
		ipv4(0, 10, 2, 0, 0, 16) };
	struct eid outside = ipv4(0, 11, 1, 2, 3, 32);
	struct eid between = ipv4(0, 10, 3, 0, 1, 32);
	struct eid other = ipv4(5, 10, 1, 2, 3, 32);
	struct eid hole, expected;
	struct trie t;

	(void)state;
	trie_init(&t, 10);
	assert_true(trie_hole(&t, &outside, 0, &hole)); /* empty: everything */
	expected = ipv4(0, 0, 0, 0, 0, 0);
	assert_memory_equal(&hole, &expected, sizeof(hole));
	assert_true(trie_hole(&t, &outside, 32, &hole));
	assert_memory_equal(&hole, &outside, sizeof(hole));

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(trie_add(&t, &in[i], &in[i]), ERR_OK);
	assert_true(trie_hole(&t, &outside, 0, &hole));
	expected = ipv4(0, 11, 0, 0, 0, 8); /* 10/8 and 11/8 are siblings */
	assert_memory_equal(&hole, &expected, sizeof(hole));
	assert_false(trie_hole(&t, &between, 0, &hole)); /* 10/8 covers it */

	/* Another instance is empty, whatever this one holds. */
	assert_true(trie_hole(&t, &other, 0, &hole));
	expected = ipv4(5, 0, 0, 0, 0, 0);
	assert_memory_equal(&hole, &expected, sizeof(hole));

	assert_ptr_equal(trie_remove(&t, &in[0]), &in[0]);
	assert_true(trie_hole(&t, &between, 8, &hole));
	expected = ipv4(0, 10, 3, 0, 0, 16);
	assert_memory_equal(&hole, &expected, sizeof(hole));
	assert_true(trie_hole(&t, &between, 24, &hole));
	expected = ipv4(0, 10, 3, 0, 0, 24);
	assert_memory_equal(&hole, &expected, sizeof(hole));

	/* No hole around a prefix that has others inside. */
	assert_false(trie_hole(&t, &in[0], 0, &hole));
	/* Nor one longer than what is asked for. */
	expected = ipv4(0, 192, 0, 0, 0, 8);
	assert_false(trie_hole(&t, &expected, 9, &hole));
	trie_fini(&t);
}

static void
test_bound(void **state)
{
	struct eid a = ipv4(0, 10, 0, 0, 1, 32), b = ipv4(0, 10, 0, 0, 2, 32);
	struct trie t;

	(void)state;
	trie_init(&t, 1);
	assert_int_equal(trie_add(&t, &a, &slots[0]), ERR_OK);
	assert_int_equal(trie_add(&t, &b, &slots[1]), ERR_FULL);
	assert_int_equal(trie_add(&t, &a, &slots[2]), ERR_OK); /* replaces */
	assert_ptr_equal(trie_find(&t, &a), &slots[2]);
	assert_null(trie_find(&t, &b));
	assert_int_equal(t.count, 1);
	assert_ptr_equal(trie_remove(&t, &a), &slots[2]);
	assert_null(trie_remove(&t, &a));
	assert_int_equal(trie_add(&t, &b, &slots[1]), ERR_OK);
	trie_fini(&t);
}

/* As deep as it gets: every length of one address, and a host in each hole. */
static void
test_depth(void **state)
{
	struct eid deep = { .addr = { AFI_IPV6, { 0 } } };
	struct list l = { .n = 0 };
	struct walked w = { .list = &l };
	struct trie t;

	(void)state;
	memset(deep.addr.bytes, 0xa5, 16);
	trie_init(&t, LIST_MAX);
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct eid e = cut(deep, bits);

		l.eids[l.n++] = e;
		if (bits == 0)
			continue;
		e = deep;
		e.addr.bytes[(bits - 1) / 8] ^=
		    (uint8_t)(0x80 >> (bits - 1) % 8);
		e.bits = 128;
		l.eids[l.n++] = e;
	}
	for (size_t i = 0; i < l.n; i++)
		assert_int_equal(trie_add(&t, &l.eids[i], &slots[i]), ERR_OK);
	for (size_t i = 0; i < l.n; i++)
		assert_ptr_equal(trie_match(&t, &l.eids[i]), &slots[i]);
	trie_walk_all(&t, walked_one, &w);
	assert_int_equal(w.n, l.n);

	w = (struct walked){ .list = &l, .stop_at = 7 };
	trie_walk_all(&t, walked_one, &w);
	assert_int_equal(w.n, 7);
	trie_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_list),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
