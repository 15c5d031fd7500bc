/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_clock.c - the clock that stands still, the system's, and sums of times.
 */
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

enum { SLACK_US = 60 * 1000000 };

static void
test_fake(void **state)
{
	struct clock c;
	struct mono start;

	(void)state;
	clock_fake(&c, INT64_C(1700000000123456));
	start = clock_mono(&c);
	assert_true(start.us > 0); /* 0 means never */
	assert_true(clock_wall_ms(&c) == UINT64_C(1700000000123));
	assert_int_equal(mono_diff_us(clock_mono(&c), start), 0);
	clock_advance(&c, 543);
	assert_true(clock_wall_ms(&c) == UINT64_C(1700000000123));
	clock_advance(&c, 1);
	assert_true(clock_wall_ms(&c) == UINT64_C(1700000000124));
	assert_int_equal(mono_diff_us(clock_mono(&c), start), 544);
	clock_advance(&c, INT64_C(86400000000));
	assert_true(
	    mono_diff_us(clock_mono(&c), start) == INT64_C(86400000544));
}

/* Two fakes are two clocks. */
static void
test_fakes_are_apart(void **state)
{
	struct clock a, b;

	(void)state;
	clock_fake(&a, 1000);
	clock_fake(&b, 1000);
	clock_advance(&a, 5000);
	assert_int_equal(clock_wall_ms(&a), 6);
	assert_int_equal(clock_wall_ms(&b), 1);
	assert_true(mono_before(clock_mono(&b), clock_mono(&a)));
}

static int64_t
us_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* The right clock for each, in the right unit. */
static void
test_system(void **state)
{
	struct clock c;
	struct mono one, two;
	int64_t off;

	(void)state;
	clock_system(&c);
	one = clock_mono(&c);
	two = clock_mono(&c);
	assert_false(mono_before(two, one));
	off = one.us - us_of(CLOCK_MONOTONIC);
	assert_true(off <= 0 && off > -SLACK_US);
	off = (int64_t)clock_wall_ms(&c) * 1000 - us_of(CLOCK_REALTIME);
	assert_true(off <= 0 && off > -SLACK_US);
}

static void
test_sums(void **state)
{
	const struct mono t = { 5000 };

	(void)state;
	assert_int_equal(mono_add_ms(t, 3).us, 8000);
	assert_int_equal(mono_add_ms(t, -5).us, 0);
	assert_true(
	    mono_add_ms(t, INT64_C(86400000) * 365).us == 31536000005000);
	assert_int_equal(mono_diff_us(t, (struct mono){ 7000 }), -2000);
	assert_true(mono_before(t, (struct mono){ 5001 }));
	assert_false(mono_before(t, t));
	assert_false(mono_before((struct mono){ 5001 }, t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fake),
		cmocka_unit_test(test_fakes_are_apart),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests_name("common/clock", tests, NULL, NULL);
}
