/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_echo_nonce.c - the states of echo-nonce, RFC 9300 10.1, and the two ends of
 * it talking to each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "xtr/echo_nonce.h"

static const struct data_header plain;

static struct mono
at(int64_t ms)
{
	return mono_add_ms((struct mono){ 1000000 }, ms);
}

/* The header of a packet that leaves at 'ms'. */
static struct data_header
out(struct echo *e, int64_t ms, enum echo_verdict verdict)
{
	struct data_header h = { 0 };

	assert_int_equal(echo_out(e, at(ms), 0xabcdef12, &h), verdict);
	return h;
}

static void
not_where_the_reply_did_not_say_so(void **state)
{
	struct echo e = { 0 };

	(void)state;
	assert_false(out(&e, 0, ECHO_NOTHING).has_nonce);
	assert_false(out(&e, 100000, ECHO_NOTHING).has_nonce);
}

static void
a_request_until_the_echo(void **state)
{
	struct echo e = { .capable = true };
	struct data_header h, reply = { .has_nonce = true };

	(void)state;
	h = out(&e, 0, ECHO_NOTHING);
	assert_true(h.has_nonce && h.echo);
	assert_int_equal(h.nonce, 0xcdef12); /* 24 bits */
	h = out(&e, 100, ECHO_NOTHING);	     /* every packet */
	assert_true(h.has_nonce && h.echo);
	/* Data without it, and with another one, are no echo. */
	assert_int_equal(echo_in(&e, at(200), &plain), ECHO_NOTHING);
	reply.nonce = 0xcdef13;
	assert_int_equal(echo_in(&e, at(210), &reply), ECHO_NOTHING);
	reply.nonce = 0xcdef12;
	assert_int_equal(echo_in(&e, at(220), &reply), ECHO_WORKS);
	assert_false(out(&e, 230, ECHO_NOTHING).has_nonce);
	/* Once: a copy of the echo is nothing. */
	assert_int_equal(echo_in(&e, at(240), &reply), ECHO_NOTHING);
	assert_false(out(&e, 220 + 30000 - 1, ECHO_NOTHING).has_nonce);
	assert_true(out(&e, 220 + 30000, ECHO_NOTHING).echo);
}

static void
data_without_the_echo_is_down(void **state)
{
	struct echo e = { .capable = true };

	(void)state;
	out(&e, 0, ECHO_NOTHING);
	assert_int_equal(echo_in(&e, at(1000), &plain), ECHO_NOTHING);
	assert_true(out(&e, 5000 - 1, ECHO_NOTHING).echo);
	assert_false(out(&e, 5000, ECHO_FAILS).has_nonce);
	assert_false(out(&e, 5000 + 1, ECHO_NOTHING).has_nonce);
	/* What comes in may be first to notice. */
	assert_true(out(&e, 5000 + 30000, ECHO_NOTHING).echo);
	assert_int_equal(echo_in(&e, at(2 * 5000 + 30000), &plain), ECHO_FAILS);
}

/* RFC 9300 10: the absence of traffic alone is not a sign. */
static void
silence_says_nothing(void **state)
{
	struct echo e = { .capable = true };

	(void)state;
	assert_int_equal(echo_in(&e, at(-500), &plain), ECHO_NOTHING);
	out(&e, 0, ECHO_NOTHING);
	out(&e, 5000, ECHO_NOTHING);
	assert_false(out(&e, 5000 + 1, ECHO_NOTHING).has_nonce);
}

/* What is asked of us is sent back once, with E = 0; then we may ask. */
static void
the_other_side_goes_first(void **state)
{
	const struct data_header request = {
		.has_nonce = true, .echo = true, .nonce = 0x123456
	};
	struct echo e = { .capable = true };
	struct data_header h;

	(void)state;
	out(&e, 0, ECHO_NOTHING);
	assert_int_equal(echo_in(&e, at(100), &request), ECHO_NOTHING);
	h = out(&e, 110, ECHO_NOTHING);
	assert_true(h.has_nonce && !h.echo);
	assert_int_equal(h.nonce, 0x123456);
	assert_false(out(&e, 120, ECHO_NOTHING).has_nonce);
	assert_false(out(&e, 100 + 3000 - 1, ECHO_NOTHING).has_nonce);
	assert_true(out(&e, 100 + 3000, ECHO_NOTHING).echo);
	/* Also for a side whose Map-Reply we do not have. */
	e = (struct echo){ 0 };
	echo_in(&e, at(0), &request);
	assert_int_equal(out(&e, 1, ECHO_NOTHING).nonce, 0x123456);
}

/* Two xTRs, both ask; each learns within a few packets that it works. */
static void
both_ends(void **state)
{
	struct echo a = { .capable = true }, b = { .capable = true };
	unsigned works_a = 0, works_b = 0;

	(void)state;
	for (int64_t ms = 0; ms < 120000; ms += 10) {
		struct data_header h = { 0 };

		echo_out(&a, at(ms), 0x111111, &h);
		works_b += echo_in(&b, at(ms), &h) == ECHO_WORKS;
		h = plain;
		echo_out(&b, at(ms + 5), 0x222222, &h);
		works_a += echo_in(&a, at(ms + 5), &h) == ECHO_WORKS;
	}
	assert_in_range(works_a, 3, 5);
	assert_in_range(works_b, 3, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_where_the_reply_did_not_say_so),
		cmocka_unit_test(a_request_until_the_echo),
		cmocka_unit_test(data_without_the_echo_is_down),
		cmocka_unit_test(silence_says_nothing),
		cmocka_unit_test(the_other_side_goes_first),
		cmocka_unit_test(both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
