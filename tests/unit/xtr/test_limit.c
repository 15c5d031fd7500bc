/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_limit.c - burst, refill, independence of keys, and that a full table
 * frees nobody of a limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "xtr/limit.h"

static const struct mono start = { 5000000 };

static unsigned
taken(struct limits *l, uint32_t key, unsigned tries, int64_t at_ms)
{
	unsigned n = 0;

	while (tries--)
		n +=
		    limit_take(l, &key, sizeof(key), mono_add_ms(start, at_ms));
	return n;
}

static void
burst_then_one_per_interval(void **state)
{
	struct limits *l = limits_new(64, 8, 3000);

	(void)state;
	assert_int_equal(taken(l, 1, 100, 0), 8);
	assert_int_equal(taken(l, 1, 100, 2999), 0);
	assert_int_equal(taken(l, 1, 100, 3000), 1);
	assert_int_equal(taken(l, 1, 100, 8999), 1);
	assert_int_equal(taken(l, 1, 100, 9000), 1);
	assert_int_equal(taken(l, 1, 100, 9000 + 8 * 3000), 8);
	assert_int_equal(taken(l, 1, 100, 10 * 86400 * 1000), 8);
	limits_free(l);
}

static void
burst_of_one(void **state)
{
	struct limits *l = limits_new(64, 1, 1000);

	(void)state;
	assert_int_equal(taken(l, 1, 2, 0), 1);
	assert_int_equal(taken(l, 1, 2, 999), 0);
	assert_int_equal(taken(l, 1, 2, 1000), 1);
	limits_free(l);
}

static void
keys_are_apart(void **state)
{
	struct limits *l = limits_new(64, 8, 3000);

	(void)state;
	assert_int_equal(taken(l, 1, 100, 0), 8);
	assert_int_equal(taken(l, 2, 100, 0), 8);
	assert_int_equal(taken(l, 1, 100, 0), 0);
	limits_free(l);
}

static void
full_table_resets_no_limit(void **state)
{
	const uint32_t max = 1000;
	struct limits *l = limits_new(max, 2, 3000);
	unsigned fit = 0, again = 0;

	(void)state;
	assert_int_equal(taken(l, 0, 9, 0), 2);
	for (uint32_t key = 1; key < max; key++)
		fit += taken(l, key, 1, 0);
	assert_true(fit > max * 97 / 100);
	for (uint32_t key = max; key < 100 * max; key++)
		taken(l, key, 1, 0);
	assert_int_equal(taken(l, 0, 9, 0), 0); /* still in force */
	/* When their time is over there is room again. */
	for (uint32_t key = 0; key < max; key++)
		again += taken(l, key, 1, 10000);
	assert_true(again > max * 97 / 100);
	limits_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_one_per_interval),
		cmocka_unit_test(burst_of_one),
		cmocka_unit_test(keys_are_apart),
		cmocka_unit_test(full_table_resets_no_limit),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
