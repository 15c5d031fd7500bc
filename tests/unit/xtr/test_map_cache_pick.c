/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_map_cache_pick.c - the locator for a flow: which are usable, how flows
 * are shared by weight, and that a change moves only the flows it must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xtr/map_cache.h"

enum { FLOWS = 20000, LOCATORS_MAX = 8 };

static struct conf_rloc rlocs[2];
static struct xtr_conf conf = { .site = { .rlocs = { rlocs, 2 } } };
static struct xtr x = { .conf = &conf };
static struct cache_locator locators[LOCATORS_MAX];
static struct map_cache_entry entry = { .locators = locators };

static struct addr
A(const char *text) {
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static int
setup(void **state)
{
	(void)state;
	rlocs[0].address = A("192.0.2.1");
	rlocs[1].address = A("2001:db8::1");
	conf.site.rlocs.n = 2;
	entry.n_locators = 0;
	return 0;
}

static void
add(const char *rloc, uint8_t priority, uint8_t weight, bool reachable)
{
	locators[entry.n_locators++] = (struct cache_locator){ .rloc = A(rloc),
		.priority = priority,
		.weight = weight,
		.reachable = reachable };
}

/* Flows are numbered as a bad hash would: one after the other. */
static const struct cache_locator *
pick(uint32_t flow)
{
	return map_cache_pick(&x, &entry, flow);
}

static void
share(unsigned n[LOCATORS_MAX])
{
	memset(n, 0, LOCATORS_MAX * sizeof(n[0]));
	for (uint32_t i = 0; i < FLOWS; i++)
		n[pick(i) - locators]++;
}

/* Within a twentieth of all flows. */
static void
assert_share(unsigned n, unsigned weight, unsigned total)
{
	const int expected = (int)(FLOWS * weight / total);
	const int off = (int)n - expected;

	if (off > FLOWS / 20 || off < -FLOWS / 20)
		fail_msg("%u flows instead of %d", n, expected);
}

static void
test_usable(void **state)
{
	(void)state;
	assert_null(pick(1)); /* none */
	add("198.51.100.1", 1, 100, false);
	add("198.51.100.2", 255, 100, true);
	add("192.0.2.1", 1, 100, true); /* ours */
	add("2001:db8::1", 1, 100, true);
	assert_null(pick(1));
	add("198.51.100.3", 254, 0, true);
	assert_ptr_equal(pick(1), &locators[4]);
}

/* Without an RLOC of that family there is no way to it. */
static void
test_families(void **state)
{
	(void)state;
	add("2001:db8:9::9", 1, 100, true);
	add("198.51.100.1", 2, 100, true);
	assert_ptr_equal(pick(1), &locators[0]);
	conf.site.rlocs.n = 1;
	assert_ptr_equal(pick(1), &locators[1]);
	conf.site.rlocs.n = 0;
	assert_null(pick(1));
}

/* Lower is better, wherever it stands; others serve when it is down. */
static void
test_priority(void **state)
{
	(void)state;
	add("198.51.100.1", 3, 255, true);
	add("198.51.100.2", 1, 1, true);
	add("198.51.100.3", 2, 255, true);
	for (uint32_t i = 0; i < 100; i++)
		assert_ptr_equal(pick(i), &locators[1]);
	locators[1].reachable = false;
	assert_ptr_equal(pick(1), &locators[2]);
	locators[2].priority = 0;
	assert_ptr_equal(pick(1), &locators[2]);
}

static void
test_weights(void **state)
{
	static const uint8_t weights[][3] = { { 1, 1, 1 }, { 100, 100, 100 },
		{ 75, 25, 100 }, { 255, 1, 0 }, { 0, 0, 7 }, { 1, 2, 3 } };
	unsigned n[LOCATORS_MAX];

	(void)state;
	add("198.51.100.1", 1, 0, true);
	add("198.51.100.2", 1, 0, true);
	add("2001:db8:9::9", 1, 0, true);
	for (unsigned i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
		unsigned total = 0;

		for (unsigned k = 0; k < 3; k++) {
			locators[k].weight = weights[i][k];
			total += weights[i][k];
		}
		share(n);
		for (unsigned k = 0; k < 3; k++) {
			assert_share(n[k], weights[i][k], total);
			if (!weights[i][k]) /* RFC 9300 12: no traffic */
				assert_int_equal(n[k], 0);
		}
	}
}

/* RFC 9300 12: with all weights 0 the sender decides; evenly. */
static void
test_all_zero(void **state)
{
	unsigned n[LOCATORS_MAX];

	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		static const char *const rloc[] = { "198.51.100.1",
			"198.51.100.2", "198.51.100.3", "2001:db8:9::9" };

		add(rloc[k], 1, 0, true);
	}
	share(n);
	for (unsigned k = 0; k < 4; k++)
		assert_share(n[k], 1, 4);
}

/* A weight counts only among those that can be used at all. */
static void
test_weight_of_unusable(void **state)
{
	unsigned n[LOCATORS_MAX];

	(void)state;
	add("198.51.100.1", 1, 0, true);
	add("198.51.100.2", 1, 100, false);
	add("198.51.100.3", 1, 0, true);
	add("198.51.100.4", 2, 100, true);
	share(n);
	assert_share(n[0], 1, 2);
	assert_share(n[2], 1, 2);
}

/* What a locator's loss, return or new weight does to the flows of others. */
static void
test_only_its_own_flows(void **state)
{
	static uint8_t before[FLOWS];

	(void)state;
	add("198.51.100.1", 1, 50, true);
	add("198.51.100.2", 1, 50, true);
	add("198.51.100.3", 1, 50, true);
	add("198.51.100.4", 1, 50, true);
	for (uint32_t i = 0; i < FLOWS; i++)
		before[i] = (uint8_t)(pick(i) - locators);
	locators[2].reachable = false;
	for (uint32_t i = 0; i < FLOWS; i++)
		if (before[i] != 2)
			assert_int_equal(pick(i) - locators, before[i]);
	locators[2].reachable = true;
	locators[2].weight = 100; /* takes from others, gives to none */
	for (uint32_t i = 0; i < FLOWS; i++)
		if (pick(i) != &locators[2])
			assert_int_equal(pick(i) - locators, before[i]);
		else if (before[i] == 2)
			before[i] = 9;
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_int_not_equal(before[i], 2);
}

/* The order of the record does not matter, nor which process asks. */
static void
test_order(void **state)
{
	static struct addr before[FLOWS];

	(void)state;
	add("198.51.100.1", 1, 30, true);
	add("198.51.100.2", 1, 70, true);
	add("2001:db8:9::9", 1, 50, true);
	for (uint32_t i = 0; i < FLOWS; i++)
		before[i] = pick(i)->rloc;
	{
		const struct cache_locator l = locators[0];

		locators[0] = locators[2];
		locators[2] = l;
	}
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_true(addr_equal(&pick(i)->rloc, &before[i]));
}

#define T(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_usable),
		T(test_families),
		T(test_priority),
		T(test_weights),
		T(test_all_zero),
		T(test_weight_of_unusable),
		T(test_only_its_own_flows),
		T(test_order),
	};

	return cmocka_run_group_tests_name(
	    "xtr/map_cache_pick", tests, NULL, NULL);
}
