/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_snapshot.c - the map-cache in the store: what is written is read, time
 * without a process counts, what is of no use leaves.
 */
#include "node.h"
#include "xtr/snapshot.h"
#include "xtr/store.h"

static struct {
	unsigned n;
	bool take;
	struct map_cache_entry last;
} got;

static bool
on_entry(struct xtr *x, const struct map_cache_entry *e)
{
	(void)x;
	got.n++;
	if (got.take) {
		free(got.last.locators);
		got.last = *e;
	}
	return got.take;
}

static unsigned
read_all(struct node *n, bool take)
{
	got.n = 0;
	got.take = take;
	snapshot_read(&n->x, on_entry);
	return got.n;
}

static int
setup(void **state)
{
	*state = node_new();
	memset(&got, 0, sizeof(got));
	return 0;
}

static int
teardown(void **state)
{
	free(got.last.locators);
	node_free(*state);
	return 0;
}

static struct map_cache_entry
entry(struct node *n, const char *eid, int64_t left_ms)
{
	static struct cache_locator locators[255];
	struct map_cache_entry e = { .eid = E(eid),
		.action = LISP_DROP_POLICY,
		.ttl_min = 1440,
		.expires = mono_add_ms(xtr_now(&n->x), left_ms),
		.packets = 7,
		.n_locators = 2,
		.locators = locators };

	locators[0] = (struct cache_locator){ .rloc = A("198.51.100.1"),
		.priority = 1,
		.weight = 50,
		.reachable = true };
	locators[1] = (struct cache_locator){ .rloc = A("2001:db8:9::9"),
		.priority = 255 };
	return e;
}

static void
test_round(void **state)
{
	struct node *n = *state;
	struct map_cache_entry e = entry(n, "[7]fd00::/64", 60000);

	snapshot_put(&n->x, &e);
	clock_advance(&n->clock, 20000000);
	loop_poll(n->x.loop);
	assert_int_equal(read_all(n, true), 1);
	assert_true(eid_equal(&got.last.eid, &e.eid));
	assert_int_equal(got.last.action, LISP_DROP_POLICY);
	assert_int_equal(got.last.ttl_min, 1440);
	assert_int_equal(
	    mono_diff_us(got.last.expires, xtr_now(&n->x)), 40000000);
	assert_int_equal(got.last.packets, 0); /* counts begin anew */
	assert_int_equal(got.last.n_locators, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct cache_locator *a = &got.last.locators[i],
					   *b = &e.locators[i];

		assert_true(addr_equal(&a->rloc, &b->rloc));
		assert_int_equal(a->priority, b->priority);
		assert_int_equal(a->weight, b->weight);
		assert_int_equal(a->reachable, b->reachable);
	}
	assert_int_equal(read_all(n, true), 1); /* it was taken: it stays */
}

/* A negative one, the largest one, an equal prefix, a removed one. */
static void
test_many(void **state)
{
	struct node *n = *state;
	struct map_cache_entry e = entry(n, "10.3.0.0/16", 60000);

	e.n_locators = 0;
	snapshot_put(&n->x, &e);
	assert_int_equal(read_all(n, true), 1);
	assert_int_equal(got.last.n_locators, 0);
	assert_non_null(got.last.locators); /* to be freed all the same */
	for (unsigned i = 2; i < LISP_LOCATORS_MAX; i++)
		e.locators[i] = e.locators[0];
	e.n_locators = LISP_LOCATORS_MAX;
	snapshot_put(&n->x, &e); /* replaces */
	assert_int_equal(read_all(n, true), 1);
	assert_int_equal(got.last.n_locators, LISP_LOCATORS_MAX);
	assert_int_equal(
	    got.last.locators[LISP_LOCATORS_MAX - 1].rloc.bytes[3], 1);
	snapshot_remove(&n->x, &e.eid);
	snapshot_remove(&n->x, &e.eid);
	assert_int_equal(read_all(n, true), 0);
	assert_int_equal(n->x.counters.store_errors, 0);
}

/* Over, or of a clock that was far ahead: not read, and gone afterwards. */
static void
test_over(void **state)
{
	struct node *n = *state;
	const int64_t longest = (int64_t)TTL_MAX_MIN * 60000;
	struct map_cache_entry e = entry(n, "10.3.0.0/16", 1);

	snapshot_put(&n->x, &e);
	assert_int_equal(read_all(n, true), 1);
	node_run(n, 1);
	assert_int_equal(read_all(n, true), 0);
	e = entry(n, "10.3.0.0/16", longest + 1);
	snapshot_put(&n->x, &e);
	assert_int_equal(read_all(n, true), 0);
	node_run(n, 1000); /* it would be in the range now */
	assert_int_equal(read_all(n, true), 0);
	e = entry(n, "10.3.0.0/16", longest);
	snapshot_put(&n->x, &e);
	assert_int_equal(read_all(n, true), 1);
}

/* Whom nobody takes, leaves; more of them than fit at once. */
static void
test_refused(void **state)
{
	struct node *n = *state;

	for (unsigned i = 0; i < 200; i++) {
		char eid[32];
		struct map_cache_entry e;

		snprintf(eid, sizeof(eid), "10.3.%u.0/24", i);
		e = entry(n, eid, 60000);
		snapshot_put(&n->x, &e);
	}
	assert_int_equal(read_all(n, false), 200);
	assert_int_equal(read_all(n, false), 0);
}

/* Values that are none: every prefix of one, another layout. */
static void
test_strange_values(void **state)
{
	struct node *n = *state;
	struct map_cache_entry e = entry(n, "10.3.0.0/16", 60000);
	uint8_t key[STORE_EID_KEY], value[256];
	const void *good;
	size_t len;

	snapshot_put(&n->x, &e);
	store_eid_key(&e.eid, key);
	good = store_get(n->x.store, STORE_MAPCACHE, key, sizeof(key), &len);
	assert_true(len < sizeof(value));
	memcpy(value, good, len);
	for (size_t i = 1; i < len; i++) {
		assert_int_equal(store_put(n->x.store, STORE_MAPCACHE, key,
				     sizeof(key), value, i),
		    ERR_OK);
		assert_int_equal(read_all(n, true), 0);
	}
	value[0]++;
	assert_int_equal(
	    store_put(n->x.store, STORE_MAPCACHE, key, sizeof(key), value, len),
	    ERR_OK);
	assert_int_equal(
	    store_put(n->x.store, STORE_MAPCACHE, "x", 1, value, len), ERR_OK);
	assert_int_equal(read_all(n, true), 0);
	assert_null(
	    store_get(n->x.store, STORE_MAPCACHE, key, sizeof(key), &len));
}

static void
test_no_store(void **state)
{
	struct node *n = *state;
	struct store *store = n->x.store;
	struct map_cache_entry e = entry(n, "10.3.0.0/16", 60000);

	n->x.store = NULL;
	snapshot_put(&n->x, &e);
	snapshot_remove(&n->x, &e.eid);
	assert_int_equal(read_all(n, true), 0);
	assert_int_equal(n->x.counters.store_errors, 0);
	n->x.store = store;
	assert_int_equal(read_all(n, true), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round),
		TEST(test_many),
		TEST(test_over),
		TEST(test_refused),
		TEST(test_strange_values),
		TEST(test_no_store),
	};

	return cmocka_run_group_tests_name("xtr/snapshot", tests, NULL, NULL);
}
