/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lcaf.c - the inside of LCAFs: read, shown, written again, and which of
 * them say where packets may go.
 */
#include "common/msg.h"
#include "tests/golden/reencode.h"

#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define BOTH (LCAF_FAMILY(AFI_IPV4) | LCAF_FAMILY(AFI_IPV6))

/* Lends from a static buffer. */
static struct lisp_addr
addr_of(const char *text)
{
	static uint8_t buf[512];
	size_t len = hex(text, buf);
	struct wire_reader r = wire_reader(buf, len);
	struct lisp_addr a;

	lisp_addr_decode(&r, &a);
	if (r.err || wire_left(&r))
		fail_msg("%s: %s", text, err_str(r.err));
	return a;
}

static const struct {
	const char *octets, *text;
} lcafs[] = {
	{ "4003 0000 0000 0000", "null()" },
	{ "4003 0000 0100 0000", "afi-list()" },
	{ "4003 0000 0100 000c 0001 c0000201 0001 c0000202",
	    "afi-list(192.0.2.1, 192.0.2.2)" },
	{ "4003 0000 0200 000a 00000007 0001 c0000201", "[7]192.0.2.1" },
	{ "4003 0000 0210 0006 00010000 0000", "[65536/16]" },
	{ "4003 0000 0200 0009 00000007 0011 6162 00", "[7]dn:ab" },
	{ "4003 0000 0300 000a 0001000f 0001 c0000201",
	    "as-number(65551, 192.0.2.1)" },
	{ "4003 0000 0300 0006 0001000f 0000", "as-number(65551)" },
	{ "4003 0000 0400 0012 00002e06 0050 0051 0400 ffff 0001 c0000201",
	    "application(tos 46, protocol 6, local 80-81, "
	    "remote 1024-65535, 192.0.2.1)" },
	{ "4003 0000 0500 0012 80303230 80021515 00000023 0001 c0000201",
	    "geo(48d50m48s N, 2d21m21s E, 35 m, 192.0.2.1)" },
	{ "4003 0000 0500 000e 00303230 00021515 7fffffff 0000",
	    "geo(48d50m48s S, 2d21m21s W)" },
	{ "4003 0000 0500 0012 80c86330 80021515 ffffffff 0001 c0000201",
	    "geo(invalid, 192.0.2.1)" },
	{ "4003 0000 0600 0005 010001 0102",
	    "opaque-key(fields 2, wildcards 0x0001, 0102)" },
	{ "4003 0000 0700 0012 10f6 9c40 0001 cb007105 0001 c0000232 0000",
	    "nat(ms-port 4342, etr-port 40000, global 203.0.113.5, "
	    "ms 192.0.2.50, private none)" },
	{ "4003 0000 0700 001e 10f6 9c40 0001 cb007105 0001 c0000232 0000"
	  "0001 c000023c 0001 c000023d",
	    "nat(ms-port 4342, etr-port 40000, global 203.0.113.5, "
	    "ms 192.0.2.50, private none, rtrs 192.0.2.60, 192.0.2.61)" },
	{ "4003 0000 0800 000a 00a1b2c3 0001 c0000201",
	    "nonce(0xa1b2c3, 192.0.2.1)" },
	{ "4003 0000 0900 0014 00000007 0000 2018 0001 0a01000a 0001 e8010100",
	    "multicast(iid 7, source 10.1.0.10/32, group 232.1.1.0/24)" },
	{ "4003 0000 0a00 0018 0001 0001 c000021f 0002 0001 c0000220"
	  "0004 0001 c0000221",
	    "elp(192.0.2.31 S, 192.0.2.32 P, 192.0.2.33 L)" },
	{ "4003 0000 0a00 0010 0007 0001 c000021f 0000 0001 c0000220",
	    "elp(192.0.2.31 LPS, 192.0.2.32)" },
	{ "4003 0000 0b00 0012 02000201 0002 1122 0002 3344 0001 c0000201",
	    "security-key(algorithm 2, revoked, keys 2: 2 octets, 2 octets, "
	    "192.0.2.1)" },
	{ "4003 0000 0b00 0006 00000300 0000",
	    "security-key(algorithm 3, keys 0)" },
	{ "4003 0000 0c00 0010 0000 1820 0001 0a010000 0001 0a020014",
	    "source-dest(source 10.1.0.0/24, dest 10.2.0.20/32)" },
	{ "4003 0000 0d00 0014 00000000 0001 c0000229 00000001 0001 c000022a",
	    "replication(192.0.2.41 level 0, 192.0.2.42 level 1)" },
	{ "4003 0000 0e00 000d 0005 7b22 5c0a ff 0001 c0000201",
	    "json({\"\\x5c\\x0a\\xff, 192.0.2.1)" },
	{ "4003 0000 0e01 0006 0002 a1ff 0000", "json(a1ff)" },
	{ "4003 0000 0f00 000b 0001 c0000201 0011 6162 00",
	    "key-value(192.0.2.1, dn:ab)" },
	{ "4003 0000 1000 000a 0000007f 0001 c0000201",
	    "encapsulation(L3-LISP L2-LISP VXLAN VXLAN-GPE NVGRE Geneve GUE, "
	    "192.0.2.1)" },
	{ "4003 0000 1000 0006 00000000 0000", "encapsulation(none)" },
	{ "4003 0000 ff00 0006 00aabbcc 0102", "vendor(aabbcc, 0102)" },
	/* nested */
	{ "4003 0000 0100 0014 4003 0000 0200 000a 00000009 0001 c0000201"
	  "0000",
	    "afi-list([9]192.0.2.1, none)" },
	{ "4003 0000 0200 001c 00000007 4003 0000 0c00 0010 0000 2020"
	  "0001 0a000001 0001 0a000002",
	    "[7]source-dest(source 10.0.0.1/32, dest 10.0.0.2/32)" },
};

/* The view is complete: it encodes to what it was read from. */
static void
test_round_trip(void **state)
{
	uint8_t buf[512], again[512];

	(void)state;
	for (size_t i = 0; i < sizeof(lcafs) / sizeof(lcafs[0]); i++) {
		struct wire_writer w = wire_writer(again, sizeof(again));
		struct lisp_addr a = addr_of(lcafs[i].octets);
		size_t len = hex(lcafs[i].octets, buf);
		struct lcaf l;

		assert_int_equal(lcaf_decode(&a, &l), ERR_OK);
		assert_int_equal(l.type, buf[4]);
		lcaf_reencode(&w, &l);
		assert_int_equal(w.err, ERR_OK);
		if (wire_written(&w) != len || memcmp(again, buf, len) != 0)
			fail_msg("%s", lcafs[i].text);
	}
}

static void
test_text(void **state)
{
	static const struct {
		const char *octets, *text;
	} others[] = {
		{ "0000", "none" },
		{ "0001 c0000201", "192.0.2.1" },
		{ "0006 02005e100001", "02:00:5e:10:00:01" },
		{ "0011 00", "dn:" },
		{ "0011 61 1b 5c 00", "dn:a\\x1b\\x5c" },
		/* another layout, an unknown type: what is there */
		{ "4003 0000 0500 0002 0102", "lcaf-5(0102)" },
		{ "4003 0000 c800 0003 010203", "lcaf-200(010203)" },
	};
	char buf[LISP_ADDR_STR_MAX];
	struct lisp_addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(lcafs) / sizeof(lcafs[0]); i++) {
		a = addr_of(lcafs[i].octets);
		assert_string_equal(
		    lisp_addr_str(&a, buf, sizeof(buf)), lcafs[i].text);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		a = addr_of(others[i].octets);
		assert_string_equal(
		    lisp_addr_str(&a, buf, sizeof(buf)), others[i].text);
	}
	a = addr_of("0011 6162 00");
	assert_string_equal(
	    lisp_prefix_str(&a, 24, buf, sizeof(buf)), "dn:ab/24");
}

static void
test_text_is_cut(void **state)
{
	struct lisp_addr a = addr_of("4003 0000 0100 000c 0001 c0000201"
				     "0001 c0000202");
	const char *whole = "afi-list(192.0.2.1, 192.0.2.2)";
	char buf[64];

	(void)state;
	for (size_t size = 1; size < sizeof(buf); size++) {
		memset(buf, 'x', sizeof(buf));
		lisp_addr_str(&a, buf, size);
		assert_true(strlen(buf) < size);
		assert_int_equal(buf[size], 'x');
		/* room for "..." is kept even if it is not needed */
		if (size >= strlen(whole) + 4)
			assert_string_equal(buf, whole);
		else if (size > 3)
			assert_string_equal(buf + strlen(buf) - 3, "...");
	}
}

static void
test_not_read(void **state)
{
	static const char *const texts[] = { "0001 c0000201", "0011 6100",
		"4003 0000 0500 0002 0102", "4003 0000 1100 0000",
		"4003 0000 c800 0003 010203" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lisp_addr a = addr_of(texts[i]);
		struct lcaf l = { .type = 99 };

		assert_int_equal(lcaf_decode(&a, &l), ERR_UNSUPPORTED);
		assert_int_equal(l.type, 99);
	}
}

/* Reserved bits and slack do not disturb; carried octets keep them. */
static void
test_reserved(void **state)
{
	static const struct {
		const char *octets, *text;
	} cases[] = {
		{ "4003 ffff 0aff 0008 fffa 0001 c000021f",
		    "elp(192.0.2.31 P)" },
		{ "4003 ffff 0dff 000a ffffff05 0001 c0000229",
		    "replication(192.0.2.41 level 5)" },
		{ "4003 ffff 0bff 000a 00ff02fe 0001 c0000201",
		    "security-key(algorithm 2, keys 0, 192.0.2.1)" },
		{ "4003 ffff 0cff 0012 ffff 2020 0001 0a000001 0001 0a000002"
		  "eeee",
		    "source-dest(source 10.0.0.1/32, dest 10.0.0.2/32)" },
		{ "4003 ffff 08ff 000b ff000001 0001 c0000201 ee",
		    "nonce(0x000001, 192.0.2.1)" },
		{ "4003 ffff ffff 0004 ffaabbcc", "vendor(aabbcc)" },
	};
	char text[LISP_ADDR_STR_MAX];
	uint8_t buf[64], out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lisp_addr a = addr_of(cases[i].octets);
		struct wire_writer w = wire_writer(out, sizeof(out));
		size_t len = hex(cases[i].octets, buf);

		assert_string_equal(
		    lisp_addr_str(&a, text, sizeof(text)), cases[i].text);
		lisp_addr_encode(&w, &a);
		assert_int_equal(wire_written(&w), len);
		assert_memory_equal(out, buf, len);
	}
}

static void
test_vendor_at_any_depth(void **state)
{
	struct lisp_addr a = addr_of("4003 0000 ff00 0004 00aabbcc");

	(void)state;
	assert_true(a.vendor);
	a = addr_of("4003 0000 0100 0012 0001 c0000201"
		    "4003 0000 ff00 0004 00aabbcc");
	assert_true(a.vendor);
	a = addr_of("4003 0000 0f00 001a 0001 c0000201 4003 0000 0100 000c"
		    "4003 0000 ff00 0004 00aabbcc");
	assert_true(a.vendor);
	a = addr_of("4003 0000 0100 0006 0001 c0000201");
	assert_false(a.vendor);
}

static void
test_rloc(void **state)
{
	static const struct {
		const char *octets, *rloc; /* NULL: none */
		unsigned families;
	} cases[] = {
		{ "0001 c0000201", "192.0.2.1", BOTH },
		{ "0001 c0000201", NULL, LCAF_FAMILY(AFI_IPV6) },
		{ "0001 7f000001", NULL, BOTH },
		{ "0000", NULL, BOTH },
		{ "0006 02005e100001", NULL, BOTH },
		{ "0011 6100", NULL, BOTH },
		/* the first one that is usable */
		{ "4003 0000 0100 001e"
		  "0002 20010db8000000000000000000000001"
		  "0001 c0000201 0001 c0000202",
		    "2001:db8::1", BOTH },
		{ "4003 0000 0100 001e"
		  "0002 20010db8000000000000000000000001"
		  "0001 c0000201 0001 c0000202",
		    "192.0.2.1", LCAF_FAMILY(AFI_IPV4) },
		{ "4003 0000 0100 0012 0001 e0000001 0000 0001 c0000202 0011"
		  "6100",
		    "192.0.2.2", BOTH },
		{ "4003 0000 0100 0000", NULL, BOTH },
		/* RFC 8060 4.10.5: coordinates, then the address */
		{ "4003 0000 0100 001c"
		  "4003 0000 0500 000e 00303230 00021515 7fffffff 0000"
		  "0001 c0000201",
		    "192.0.2.1", BOTH },
		/* coordinates out of range: the address is none the worse */
		{ "4003 0000 0500 0012 80c86330 80021515 00000023"
		  "0001 c0000201",
		    "192.0.2.1", BOTH },
		{ "4003 0000 0500 0002 0102", NULL, BOTH },
		{ "4003 0000 0300 000a 0001000f 0001 c0000201", "192.0.2.1",
		    BOTH },
		{ "4003 0000 0200 000a 00000009 0001 c0000201", "192.0.2.1",
		    BOTH },
		/* what wants more than encapsulation to an address */
		{ "4003 0000 0000 0000", NULL, BOTH },
		{ "4003 0000 0a00 0008 0001 0001 c000021f", NULL, BOTH },
		{ "4003 0000 0800 000a 00a1b2c3 0001 c0000201", NULL, BOTH },
		{ "4003 0000 0d00 000a 00000000 0001 c0000229", NULL, BOTH },
		{ "4003 0000 c800 0006 0001 c0000201", NULL, BOTH },
	};
	char text[ADDR_STR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lisp_addr a = addr_of(cases[i].octets);
		struct addr rloc;

		if (lcaf_rloc(&a, cases[i].families, &rloc))
			addr_str(&rloc, text);
		else
			snprintf(text, sizeof(text), "none");
		assert_string_equal(
		    text, cases[i].rloc ? cases[i].rloc : "none");
	}
}

/* What an Info-Reply needs: made, not read. */
static void
test_made(void **state)
{
	const char *octets = "4003 0000 0700 0018 10f6 9c40 0001 cb007105"
			     "0001 c0000232 0000 0001 c000023c";
	uint8_t want[64], list[32], out[64];
	size_t len = hex(octets, want);
	struct wire_writer items = wire_writer(list, sizeof(list));
	struct wire_writer w = wire_writer(out, sizeof(out));
	struct lcaf_item rtr = { 0 };
	struct lcaf l = { .type = LCAF_NAT };
	struct lisp_addr a;

	(void)state;
	l.nat.ms_port = 4342;
	l.nat.etr_port = 40000;
	assert_int_equal(
	    addr_parse("203.0.113.5", &l.nat.global_etr.addr), ERR_OK);
	assert_int_equal(addr_parse("192.0.2.50", &l.nat.ms.addr), ERR_OK);
	assert_int_equal(addr_parse("192.0.2.60", &rtr.addr.addr), ERR_OK);
	lcaf_item_encode(&items, LCAF_NAT, &rtr);
	l.list.at = list;
	l.list.len = wire_written(&items);
	a = lcaf_addr(&w, &l);
	assert_int_equal(a.opaque_len, len);
	assert_memory_equal(a.opaque, want, len);
	w = wire_writer(out, 20);
	a = lcaf_addr(&w, &l);
	assert_int_equal(w.err, ERR_FULL);
	assert_null(a.opaque);
}

static void
test_too_long(void **state)
{
	struct lcaf l = { .type = LCAF_JSON };
	uint8_t *text = calloc(1, 70000), *out = malloc(80000);
	struct wire_writer w = wire_writer(out, 80000);

	(void)state;
	l.json.at = text;
	l.json.len = 65520;
	lcaf_encode(&w, &l);
	assert_int_equal(w.err, ERR_OK);
	l.json.len = 65530;
	w = wire_writer(out, 80000);
	lcaf_encode(&w, &l);
	assert_int_equal(w.err, ERR_FULL);
	free(out);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_is_cut),
		cmocka_unit_test(test_not_read),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_vendor_at_any_depth),
		cmocka_unit_test(test_rloc),
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("lcaf", tests, NULL, NULL);
}
