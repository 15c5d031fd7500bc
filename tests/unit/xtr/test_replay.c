/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_replay.c - the replay window, docs/cpm.md 4.2 step 2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xtr/replay.h"

static void
test_first_contact(void **unused)
{
	struct replay r;

	(void)unused;
	replay_init(&r, 1000);
	/* Neither replayed nor late: everything up to the clock is stale. */
	assert_int_equal(replay_check(&r, 1000), REPLAY_STALE);
	assert_int_equal(replay_check(&r, 990), REPLAY_STALE);
	assert_int_equal(replay_check(&r, 1), REPLAY_STALE);
	assert_int_equal(replay_check(&r, 1001), REPLAY_NEW);
	replay_accept(&r, 1001);
	assert_int_equal(replay_check(&r, 1001), REPLAY_DUPLICATE);
	assert_int_equal(replay_check(&r, 1000), REPLAY_STALE);
}

static void
test_window(void **unused)
{
	struct replay r;

	(void)unused;
	replay_init(&r, 0);
	replay_accept(&r, 100);
	replay_accept(&r, 110);
	assert_int_equal(replay_check(&r, 110), REPLAY_DUPLICATE);
	assert_int_equal(replay_check(&r, 100), REPLAY_DUPLICATE);
	assert_int_equal(replay_check(&r, 105), REPLAY_NEW);
	replay_accept(&r, 105);
	assert_int_equal(replay_check(&r, 105), REPLAY_DUPLICATE);
	assert_int_equal(r.highest, 110);
	/* 64 wide: 110 - 63 is in it, 110 - 64 is not. */
	assert_int_equal(replay_check(&r, 47), REPLAY_NEW);
	assert_int_equal(replay_check(&r, 46), REPLAY_STALE);
	replay_accept(&r, 1000);
	assert_int_equal(replay_check(&r, 937), REPLAY_NEW);
	assert_int_equal(replay_check(&r, 110), REPLAY_STALE);
}

/* Every nonce of a shuffled sequence is accepted once, whatever the order. */
static void
test_each_once(void **unused)
{
	struct replay r;
	unsigned accepted = 0;

	(void)unused;
	replay_init(&r, 0);
	srandom(1);
	for (unsigned base = 1; base < 4000; base += 32)
		for (unsigned i = 0; i < 500; i++) {
			const uint64_t nonce = base + (uint64_t)random() % 32;

			if (replay_check(&r, nonce) != REPLAY_NEW)
				continue;
			replay_accept(&r, nonce);
			accepted++;
			assert_int_equal(
			    replay_check(&r, nonce), REPLAY_DUPLICATE);
		}
	assert_int_equal(accepted, 4000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_contact),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
