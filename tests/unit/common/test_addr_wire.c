/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_addr_wire.c - AFIs and LCAFs: what is read, carried, refused.
 */
#include "common/msg.h"

#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* Decodes one wire address, all of whose octets must be used. */
static enum err
addr_decode(const char *text, struct lisp_addr *out)
{
	static uint8_t buf[256];
	size_t len = hex(text, buf);
	struct wire_reader r = wire_reader(buf, len);

	lisp_addr_decode(&r, out);
	if (!r.err)
		assert_int_equal(wire_left(&r), 0);
	return r.err;
}

static void
test_addr_errors(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		{ "0001 0a0000", ERR_TRUNCATED },
		{ "00", ERR_TRUNCATED },
		{ "0003 00", ERR_UNSUPPORTED },
		{ "ffff", ERR_UNSUPPORTED },
		{ "0011 6162", ERR_TRUNCATED }, /* no NUL */
		/* length leaves the message; the inner one leaves its LCAF */
		{ "4003 0000 0200 000b 00000007 0001 0a000001", ERR_TRUNCATED },
		{ "4003 0000 0200 0009 00000007 0001 0a000001", ERR_MALFORMED },
		/* instance in instance */
		{ "4003 0000 0200 0012 00000007"
		  "4003 0000 0200 0006 00000007 0000",
		    ERR_MALFORMED },
		/* unknown AFI inside an AFI list */
		{ "4003 0000 0100 0008 0063 000000000000", ERR_UNSUPPORTED },
		/* source-dest with mask-lens 33 and 32, 32 and 33 */
		{ "4003 0000 0c00 0010 0000 2120 0001 0a000001 0001 0a000002",
		    ERR_MALFORMED },
		{ "4003 0000 0c00 0010 0000 2021 0001 0a000001 0001 0a000002",
		    ERR_MALFORMED },
		/* multicast of instance 8 in instance 7 */
		{ "4003 0000 0200 0020 00000007"
		  "4003 0000 0900 0014 00000008 0000 2020"
		  "0001 0a000001 0001 e8000001",
		    ERR_MALFORMED },
		/* key of 5 octets in 4; JSON of 5 in 4 */
		{ "4003 0000 0b00 000a 01000200 0005 01020304", ERR_MALFORMED },
		{ "4003 0000 0e00 0006 0005 01020304", ERR_MALFORMED },
		/* NAT with two of three addresses */
		{ "4003 0000 0700 0010 10f6 10f6 0001 0a000001 0001 0a000002",
		    ERR_MALFORMED },
	};
	struct lisp_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err = addr_decode(cases[i].text, &a);

		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_str(err));
		assert_null(a.opaque);
	}
}

static void
test_addr_carried(void **state)
{
	static const char *const texts[] = {
		"0011 6162 00",
		"4003 0000 0000 0000",
		"4003 0000 6300 0003 010203", /* unknown type */
		"4003 0000 0500 0002 0102",   /* geo of another layout */
		"4003 0000 0100 0000",	      /* empty AFI list */
		/* instance around a name, a source-dest, its own multicast */
		"4003 0000 0200 0009 00000007 0011 6162 00",
		"4003 0000 0200 001c 00000007 4003 0000 0c00 0010 0000 2020"
		"0001 0a000001 0001 0a000002",
		"4003 0000 0200 0020 00000007"
		"4003 0000 0900 0014 00000007 0000 2020"
		"0001 0a000001 0001 e8000001",
	};
	struct lisp_addr a;
	uint8_t buf[256], out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = hex(texts[i], buf);
		struct wire_writer w = wire_writer(out, sizeof(out));

		if (addr_decode(texts[i], &a))
			fail_msg("%s", texts[i]);
		assert_non_null(a.opaque);
		assert_false(a.has_iid);
		lisp_addr_encode(&w, &a);
		assert_int_equal(wire_written(&w), len);
		assert_memory_equal(out, buf, len);
	}
}

static void
test_addr_read(void **state)
{
	struct lisp_addr a;

	(void)state;
	assert_int_equal(addr_decode("4003 0000 0200 000a 00abcdef"
				     "0001 0a000001",
			     &a),
	    ERR_OK);
	assert_true(a.has_iid && !a.opaque);
	assert_int_equal(a.iid, 0xabcdef);
	assert_int_equal(lisp_addr_bits(&a), 32);
	/* slack behind the address is skipped */
	assert_int_equal(addr_decode("4003 0000 0200 000c 00000001"
				     "0001 0a000001 ffff",
			     &a),
	    ERR_OK);
	assert_int_equal(a.addr.bytes[3], 1);
	/* a range of instances */
	assert_int_equal(
	    addr_decode("4003 0000 0210 0006 00010000 0000", &a), ERR_OK);
	assert_true(a.has_iid);
	assert_int_equal(a.iid_bits, 16);
	assert_int_equal(lisp_addr_bits(&a), 0);
}

static void
test_lcaf_depth(void **state)
{
	struct lisp_addr a;

	(void)state;
	/* AFI lists: four in each other, then five */
	assert_int_equal(addr_decode("4003 0000 0100 0018 4003 0000 0100 0010"
				     "4003 0000 0100 0008 4003 0000 0100 0000",
			     &a),
	    ERR_OK);
	assert_int_equal(addr_decode("4003 0000 0100 0020 4003 0000 0100 0018"
				     "4003 0000 0100 0010 4003 0000 0100 0008"
				     "4003 0000 0100 0000",
			     &a),
	    ERR_MALFORMED);
}

static void
test_longest_opaque(void **state)
{
	size_t len = 8 + 65535;
	uint8_t *buf = calloc(1, len);
	struct wire_reader r = wire_reader(buf, len);
	struct lisp_addr a;

	(void)state;
	hex("4003 0000 6300 ffff", buf);
	lisp_addr_decode(&r, &a); /* would not fit opaque_len */
	assert_int_equal(r.err, ERR_MALFORMED);
	hex("4003 0000 6300 fff7", buf);
	r = wire_reader(buf, len);
	lisp_addr_decode(&r, &a);
	assert_int_equal(r.err, ERR_OK);
	assert_int_equal(a.opaque_len, 65535);
	free(buf);
}

static void
test_mask_len_of_a_name(void **state)
{
	struct lisp_addr a;
	char text[128] = "0011";

	(void)state;
	assert_int_equal(addr_decode("0011 6162 00", &a), ERR_OK);
	assert_int_equal(lisp_addr_bits(&a), 24);
	for (unsigned i = 0; i < 32; i++)
		strcat(text, "61");
	strcat(text, "00");
	assert_int_equal(addr_decode(text, &a), ERR_OK);
	assert_int_equal(lisp_addr_bits(&a), 255);
}

/* RFC 9306: an unknown LCAF may be a locator, not an EID. */
static void
test_unknown_lcaf_as_eid(void **state)
{
	static const char *const texts[] = { "4003 0000 6300 0003 010203",
		"4003 0000 ff00 0004 00aabbcc",
		"4003 0000 0200 000f 00000001 4003 0000 6300 0003 010203" };
	uint8_t buf[64];
	struct lisp_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct wire_reader r = wire_reader(buf, hex(texts[i], buf));

		assert_int_equal(addr_decode(texts[i], &a), ERR_OK);
		lisp_eid_decode(&r, &a);
		assert_int_equal(r.err, ERR_UNSUPPORTED);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_errors),
		cmocka_unit_test(test_addr_carried),
		cmocka_unit_test(test_addr_read),
		cmocka_unit_test(test_lcaf_depth),
		cmocka_unit_test(test_longest_opaque),
		cmocka_unit_test(test_mask_len_of_a_name),
		cmocka_unit_test(test_unknown_lcaf_as_eid),
	};

	return cmocka_run_group_tests_name("addr_wire", tests, NULL, NULL);
}
