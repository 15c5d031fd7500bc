/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_data.c - the header of data packets: flags, shims, inner lengths.
 */
#include "common/data.h"

#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define INNER "45000014 00000000 40110000 0a000001 0a000002"

static void
test_data_header(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		{ "00 000000 00000000" INNER, ERR_OK },
		{ "01 000000 00000000" INNER, ERR_UNSUPPORTED }, /* KK */
		{ "10 001001 00000000" INNER, ERR_OK },
		{ "10 001000 00000000" INNER, ERR_MALFORMED },
		{ "90 001000 00000000" INNER, ERR_OK }, /* N wins */
		{ "04 000001 00000000" INNER, ERR_OK },
		{ "04 000000 00000000" INNER, ERR_UNSUPPORTED },
		{ "04 000004 00000000" INNER, ERR_UNSUPPORTED }, /* NSH */
		{ "04 000002 00000000" INNER, ERR_TRUNCATED },
		/* one shim of 4 + 4 octets, then IPv4 */
		{ "04 000080 00000000 00010001 aabbccdd" INNER, ERR_OK },
		{ "04 000080 00000000 00ff0001 aabbccdd" INNER, ERR_TRUNCATED },
		{ "00 000000 00000000", ERR_TRUNCATED },
		{ "00 000000 00000000 35", ERR_TRUNCATED },
	};
	uint8_t buf[64];
	struct data_header h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err =
		    data_header_decode(buf, hex(cases[i].text, buf), &h);

		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_str(err));
		if (!err)
			assert_int_equal(h.inner_len, 20);
	}
}

/* What no flag announces reads as 0. */
static void
test_data_header_ignores_the_rest(void **state)
{
	uint8_t buf[64];
	struct data_header h;

	(void)state;
	assert_int_equal(
	    data_header_decode(buf, hex("20 ffffff ffffffff" INNER, buf), &h),
	    ERR_OK);
	assert_false(h.echo); /* E without N */
	assert_int_equal(h.nonce, 0);
	assert_int_equal(h.iid, 0);
	assert_int_equal(h.lsb, 0);
	assert_int_equal(
	    data_header_decode(buf, hex("08 ffffff 000007ff" INNER, buf), &h),
	    ERR_OK);
	assert_int_equal(h.iid, 7);
	assert_int_equal(h.lsb, 0);
}

static void
test_data_header_encode(void **state)
{
	static const struct {
		struct data_header h;
		uint8_t octets[8];
	} cases[] = {
		{ { .has_iid = true, .iid = 0xabcdef },
		    { 0x08, 0, 0, 0, 0xab, 0xcd, 0xef, 0 } },
		{ { .has_lsb = true, .lsb = 0x80000003 },
		    { 0x40, 0, 0, 0, 0x80, 0, 0, 3 } },
		{ { .has_lsb = true, .has_iid = true, .iid = 1, .lsb = 0x1ff },
		    { 0x48, 0, 0, 0, 0, 0, 1, 0xff } },
		{ { .has_nonce = true, .echo = true, .nonce = 0x123456 },
		    { 0xa0, 0x12, 0x34, 0x56, 0, 0, 0, 0 } },
		{ { .has_version = true,
		      .source_version = 0x123,
		      .destination_version = 0x456 },
		    { 0x10, 0x12, 0x34, 0x56, 0, 0, 0, 0 } },
		/* Never N and V: RFC 9300 5.3, RFC 9302 5. */
		{ { .has_nonce = true,
		      .nonce = 0x123456,
		      .has_version = true,
		      .source_version = 1,
		      .destination_version = 2 },
		    { 0x80, 0x12, 0x34, 0x56, 0, 0, 0, 0 } },
		{ { .gpe = true, .protocol = DATA_ETHERNET, .has_nonce = true },
		    { 0x04, 0, 0, 3, 0, 0, 0, 0 } },
	};
	uint8_t buf[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_writer w = wire_writer(buf, sizeof(buf));

		data_header_encode(&w, &cases[i].h);
		assert_int_equal(w.err, ERR_OK);
		assert_memory_equal(buf, cases[i].octets, 8);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_header),
		cmocka_unit_test(test_data_header_ignores_the_rest),
		cmocka_unit_test(test_data_header_encode),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
