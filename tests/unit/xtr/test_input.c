/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_input.c - datagrams that no role of ours wants: dropped, each counted
 * under a reason of its own.
 */
#include "node.h"
#include "tests/unit/common/hex.h"

#define RECORD_OF_VENDOR \
	"000005a0 01 18 1000 0000 0001 0a020000" \
	"0164ff00 0005 4003 0000 ff00 0004 00aabbcc"

static int
setup(void **state)
{
	*state = node_new();
	return 0;
}

static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

static void
test_dropped(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		/* DDT, NAT traversal */
		{ "60000001 0000000000000001 0000000f 00 18 9000 0000"
		  "0001 0a020000",
		    ERR_ROLE },
		{ "60000001 0000000000000001 0000000f 00 18 1000 0000"
		  "0001 0a020000",
		    ERR_MALFORMED },
		{ "70000000 0000000000000001 00000000 000005a0 00 20"
		  "0001 0a020014 0000",
		    ERR_ROLE },
		{ "78000000 0000000000000001 00000000 000005a0 00 20"
		  "0001 0a020014 0000",
		    ERR_MALFORMED },
		/* type 15 of others, whatever it is, and cut */
		{ "f4d20000", ERR_SUBTYPE },
		{ "f4d2", ERR_SUBTYPE },
		{ "ffff0000 0000000000000001 00000000", ERR_SUBTYPE },
		{ "f4", ERR_TRUNCATED },
		/* a vendor's LCAF */
		{ "20000001 0000000000000001" RECORD_OF_VENDOR,
		    ERR_UNSUPPORTED },
		{ "40000001 0000000000000001 00000000" RECORD_OF_VENDOR,
		    ERR_UNSUPPORTED },
		{ "10000001 0000000000000001 0000 0001 cb007105"
		  "00 20 0001 0a010505",
		    ERR_OK },
		{ "10000101 0000000000000001 0000 0001 cb007105"
		  "4003 0000 ff00 0004 00aabbcc 00 20 0001 0a010505",
		    ERR_UNSUPPORTED },
		/* nobody's */
		{ "00000000 0000000000000001", ERR_UNSUPPORTED },
		{ "90000000 0000000000000001", ERR_UNSUPPORTED },
	};
	struct node *n = *state;
	uint8_t buf[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct datagram dg = {
			.bytes = buf,
			.len = hex(cases[i].text, buf),
			.from = A("203.0.113.5"),
			.to = A("192.0.2.1"),
			.port = LISP_CONTROL_PORT,
		};
		const uint64_t *count =
		    &n->x.counters.rx[buf[0] >> 4][cases[i].err];
		const uint64_t before = *count;
		enum err err = input_datagram(&n->x, &dg);

		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_str(err));
		assert_int_equal(*count, before + 1);
	}
	assert_int_equal(map_cache_count(n->x.map_cache), 0);
	assert_string_equal(input_type_str(LISP_MAP_REFERRAL), "Map-Referral");
	assert_string_equal(input_type_str(LISP_INFO), "Info");
	assert_string_equal(err_name(ERR_SUBTYPE), "sub-type");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dropped, setup, teardown),
	};

	return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
