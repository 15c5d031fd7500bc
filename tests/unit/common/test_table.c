/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_table.c - the hash table: keys, bound, growth, walking while removing.
 */
#include "common/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5000, KEY_LEN = 11 };

struct entry {
	unsigned id;
	struct table_node node;
	uint8_t key[KEY_LEN]; /* behind the node */
	bool seen;
};

static struct entry *
entries_new(void)
{
	struct entry *e = calloc(N, sizeof(*e));

	assert_non_null(e);
	for (unsigned i = 0; i < N; i++) {
		e[i].id = i;
		memcpy(e[i].key + 3, &i, sizeof(i));
	}
	return e;
}

static void
init(struct table *t, size_t max)
{
	assert_int_equal(table_init(t, max, offsetof(struct entry, node),
			     offsetof(struct entry, key), KEY_LEN),
	    ERR_OK);
}

static struct entry *
find(const struct table *t, const void *key)
{
	return table_entry(table_find(t, key), struct entry, node);
}

static void
test_find_add_remove(void **state)
{
	struct entry *e = entries_new();
	struct table t;

	(void)state;
	init(&t, N);
	assert_null(find(&t, e[0].key));
	for (unsigned i = 0; i < N; i++) {
		assert_null(find(&t, e[i].key));
		assert_int_equal(table_add(&t, &e[i].node), ERR_OK);
		assert_ptr_equal(find(&t, e[i / 2].key), &e[i / 2]);
	}
	assert_int_equal(t.count, N);
	assert_true(t.n_buckets >= N / 2);
	for (unsigned i = 0; i < N; i++) {
		uint8_t copy[KEY_LEN];

		memcpy(copy, e[i].key, KEY_LEN);
		assert_ptr_equal(find(&t, copy), &e[i]);
		copy[KEY_LEN - 1] ^= 1; /* every octet counts */
		assert_null(find(&t, copy));
	}
	for (unsigned i = 0; i < N; i += 2)
		table_remove(&t, &e[i].node);
	for (unsigned i = 0; i < N; i++)
		assert_ptr_equal(find(&t, e[i].key), i % 2 ? &e[i] : NULL);
	assert_int_equal(t.count, N / 2);
	table_fini(&t);
	free(e);
}

static void
test_bound(void **state)
{
	struct entry *e = entries_new();
	struct table t;

	(void)state;
	init(&t, 2);
	assert_int_equal(table_add(&t, &e[0].node), ERR_OK);
	assert_int_equal(table_add(&t, &e[1].node), ERR_OK);
	assert_int_equal(table_add(&t, &e[2].node), ERR_FULL);
	assert_null(find(&t, e[2].key));
	table_remove(&t, &e[0].node);
	assert_int_equal(table_add(&t, &e[2].node), ERR_OK);
	table_fini(&t);
	free(e);
}

/* Walks a table of 'n', removing every third, then the rest. */
static void
check_walk(unsigned n)
{
	struct entry *e = entries_new();
	struct table_node *node;
	struct table_iter it;
	struct table t;
	size_t seen = 0;

	init(&t, N);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(table_add(&t, &e[i].node), ERR_OK);
	for (it = table_iter(&t); (node = table_next(&it)); seen++) {
		struct entry *x = table_entry(node, struct entry, node);

		assert_false(x->seen);
		x->seen = true;
		if (x->id % 3 == 0)
			table_remove(&t, node);
	}
	assert_int_equal(seen, n);
	assert_int_equal(t.count, n - (n + 2) / 3);

	for (it = table_iter(&t); (node = table_next(&it));)
		table_remove(&t, node);
	assert_int_equal(t.count, 0);
	table_fini(&t);
	free(e);
}

static void
test_walk(void **state)
{
	(void)state;
	check_walk(0);
	check_walk(N);
	/* Around and in the middle of growing. */
	for (unsigned n = 1020; n < 1100; n++)
		check_walk(n);
	for (unsigned n = 1500; n < 1560; n++)
		check_walk(n);
}

/*
 * Two tables disagree on where a key goes: what collides here does not there.
 * That the spread is even is the other half: no bucket gets far above its share.
 */
static void
test_seed_and_spread(void **state)
{
	struct entry *e = entries_new(), *f = entries_new();
	unsigned same = 0, longest = 0;
	struct table a, b;

	(void)state;
	init(&a, N);
	init(&b, N);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(table_add(&a, &e[i].node), ERR_OK);
		assert_int_equal(table_add(&b, &f[i].node), ERR_OK);
		same += e[i].node.hash == f[i].node.hash;
	}
	assert_int_equal(same, 0);
	for (size_t i = 0; i < a.n_buckets; i++) {
		unsigned len = 0;

		for (struct table_node *n = a.buckets[i]; n;
		     n = n->next_in_table)
			len++;
		if (len > longest)
			longest = len;
	}
	assert_true(longest <= 14); /* a random function: p < 1e-9 */
	table_fini(&a);
	table_fini(&b);
	free(e);
	free(f);
}

/* The hash is SipHash-1-3: its reference vectors, key and input 00 01 02 ... */
static void
test_hash_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{ 0, UINT64_C(0xabac0158050fc4dc) },
		{ 1, UINT64_C(0xc9f49bf37d57ca93) },
		{ 7, UINT64_C(0xd3927d989bb11140) },
		{ 8, UINT64_C(0x369095118d299a8e) },
		{ 11, UINT64_C(0x70c118c1f94dc352) },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct entry e = { .key = {
				       0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } };
		struct table t;

		init(&t, 1);
		t.key_len = vectors[i].len;
		t.seed[0] = UINT64_C(0x0706050403020100);
		t.seed[1] = UINT64_C(0x0f0e0d0c0b0a0908);
		assert_int_equal(table_add(&t, &e.node), ERR_OK);
		assert_true(e.node.hash == vectors[i].hash);
		table_fini(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find_add_remove),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_seed_and_spread),
		cmocka_unit_test(test_hash_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
