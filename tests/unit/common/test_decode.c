/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_decode.c - rules of the decoders that the golden vectors do not reach,
 * or reach only together with others.
 */
#include "common/data.h"
#include "common/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Octets from "4003 0000 02"; spaces are skipped. */
static size_t
hex(const char *text, uint8_t *out)
{
	unsigned octet;
	size_t n = 0;
	int used;

	while (sscanf(text, " %2x%n", &octet, &used) == 1) {
		out[n++] = (uint8_t)octet;
		text += used;
	}
	return n;
}

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

#define RECORD \
	"000005a0 01 18 1000 0000 0001 0a020000" \
	"01 64 ff 00 0005 0001 c6336407"

static enum err
request(const char *text, struct map_request *out)
{
	static uint8_t buf[512];

	return map_request_decode(buf, hex(text, buf), out);
}

static void
test_itr_rlocs(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		/* multicast, then a good one */
		{ "10000101 0000000000000001 0000 0001 e0000001 0001 c0000201"
		  "00 20 0001 0a020014",
		    true },
		/* multicast and loopback */
		{ "10000101 0000000000000001 0000 0001 e0000001 0001 7f000001"
		  "00 20 0001 0a020014",
		    false },
		/* an LCAF alone, which we cannot answer to */
		{ "10000001 0000000000000001 0000 4003 0000 6300 0000"
		  "00 20 0001 0a020014",
		    false },
		/* AFI 0 without and with N */
		{ "10000001 0000000000000001 0000 0000 00 20 0001 0a020014",
		    false },
		{ "10000001 0000000000000001 0000 0000 80 20 0001 0a020014",
		    true },
		/* in an instance-ID */
		{ "10000001 0000000000000001 0000"
		  "4003 0000 0200 000a 00000007 0001 c0000201"
		  "00 20 0001 0a020014",
		    true },
	};
	static struct map_request m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((request(cases[i].text, &m) == ERR_OK) != cases[i].ok)
			fail_msg("case %zu", i);
}

static void
test_nothing_is_touched_on_error(void **state)
{
	struct map_request *m = malloc(sizeof(*m)), *copy = malloc(sizeof(*m));

	(void)state;
	memset(m, 0xa5, sizeof(*m));
	memcpy(copy, m, sizeof(*m));
	assert_int_equal(request("10000001 0000000000000001 0000 0001 c0000201"
				 "00 20 0001 0a0200",
			     m),
	    ERR_TRUNCATED);
	assert_memory_equal(m, copy, sizeof(*m));
	free(copy);
	free(m);
}

static void
test_wrong_type(void **state)
{
	uint8_t buf[64];
	size_t len = hex("20000000 0000000000000001", buf);
	static struct map_request request_out;
	struct map_notify notify_out;
	struct auth_header a;

	(void)state;
	assert_int_equal(
	    map_request_decode(buf, len, &request_out), ERR_MALFORMED);
	assert_int_equal(
	    map_notify_decode(buf, len, &notify_out), ERR_MALFORMED);
	assert_int_equal(auth_header_decode(buf, len, &a), ERR_MALFORMED);
	assert_int_equal(msg_type(buf, len), LISP_MAP_REPLY);
	assert_int_equal(msg_type(buf, 0), -1);
}

static void
test_records_walk(void **state)
{
	uint8_t buf[128];
	size_t len = hex("20000002 0000000000000001" RECORD RECORD "ff", buf);
	static struct mapping m;
	struct map_reply reply;
	struct records records;

	(void)state;
	assert_int_equal(map_reply_decode(buf, len, &reply), ERR_OK);
	assert_int_equal(reply.trailer_len, 1);
	records = reply.records;
	for (unsigned i = 0; i < 2; i++) {
		assert_true(records_next(&records, &m));
		assert_int_equal(m.ttl_min, 1440);
		assert_int_equal(m.n_locators, 1);
		assert_true(m.authoritative && m.locators[0].local);
		assert_true(m.locators[0].reachable && !m.locators[0].probed);
	}
	assert_false(records_next(&records, &m));
	assert_false(records_next(&records, &m));
	assert_int_equal(records.len, 0);
}

static void
test_mapping_alone(void **state)
{
	uint8_t buf[128];
	size_t len = hex(RECORD "ee", buf);
	struct wire_reader r = wire_reader(buf, len);
	static struct mapping m;

	(void)state;
	assert_int_equal(mapping_decode(&r, &m), ERR_OK);
	assert_int_equal(wire_left(&r), 1);
	assert_int_equal(m.locators[0].weight, 100);
	r = wire_reader(buf, len - 2);
	m.ttl_min = 7;
	assert_int_equal(mapping_decode(&r, &m), ERR_TRUNCATED);
	assert_int_equal(m.ttl_min, 7);
}

/* Bit 4 of a Map-Notify is reserved: it means ids only if they are there. */
static void
test_notify_ids(void **state)
{
	uint8_t buf[128];
	size_t len = hex("48000000 0000000000000001 0001 0010"
			 "00000000000000000000000000000000"
			 "00112233445566778899aabbccddeeff 0000000000000042",
	    buf);
	struct map_notify m;

	(void)state;
	assert_int_equal(map_notify_decode(buf, len, &m), ERR_MALFORMED);
	buf[13] = 2; /* 16 octets are of SHA-256 */
	assert_int_equal(map_notify_decode(buf, len, &m), ERR_OK);
	assert_true(m.has_xtr_id);
	assert_int_equal(m.site_id, 0x42);
	assert_int_equal(map_notify_decode(buf, len - 1, &m), ERR_OK);
	assert_false(m.has_xtr_id);
	assert_int_equal(m.trailer_len, 23);
	buf[0] = 0x40;
	assert_int_equal(map_notify_decode(buf, len, &m), ERR_OK);
	assert_false(m.has_xtr_id);
	assert_int_equal(m.trailer_len, 24);
}

static void
test_reply_security(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		{ "22000000 0000000000000001 01000000 0004 0002 0004 0002",
		    ERR_OK },
		{ "22000000 0000000000000001 02000000 0004 0002 0004 0002",
		    ERR_UNSUPPORTED },
		{ "22000000 0000000000000001 01000000 0003 0002 0004 0002",
		    ERR_MALFORMED },
		{ "22000000 0000000000000001 01000000 0000 0002 0004 0002",
		    ERR_MALFORMED },
		{ "22000000 0000000000000001 01000000 0004 0002 0005 0002",
		    ERR_TRUNCATED },
	};
	uint8_t buf[64];
	struct map_reply m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    map_reply_decode(buf, hex(cases[i].text, buf), &m),
		    cases[i].err);
}

static void
test_auth_header_lengths(void **state)
{
	uint8_t buf[64] = { 0x30 };
	struct auth_header a;

	(void)state;
	for (unsigned algorithm = 0; algorithm < 6; algorithm++)
		for (unsigned len = 0; len <= 40; len++) {
			bool fits = algorithm == 0 ? len == 0
			    : algorithm == 1	   ? len == 12 || len == 20
			    : algorithm < 4	   ? len == 16 || len == 32
						   : false;

			buf[13] = (uint8_t)algorithm;
			buf[15] = (uint8_t)len;
			assert_int_equal(auth_header_decode(buf, 64, &a),
			    fits		? ERR_OK
				: algorithm > 3 ? ERR_ALGORITHM
						: ERR_MALFORMED);
		}
}

/* A Map-Request in an ECM, made by the encoder; '*len' is its length. */
static uint8_t *
ecm(uint16_t afi, size_t *len)
{
	static uint8_t buf[256];
	static uint8_t payload[64];
	static const uint8_t source[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	static const uint8_t destination[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct ecm m = {
		.source = addr_make(afi, source),
		.destination = addr_make(afi, destination),
		.source_port = 50000,
		.destination_port = LISP_CONTROL_PORT,
		.payload = payload,
	};

	m.payload_len = hex("10000001 0000000000000001 0000 0001 c0000201"
			    "00 20 0001 0a020014",
	    payload);
	ecm_encode(&w, &m);
	assert_int_equal(w.err, ERR_OK);
	*len = wire_written(&w);
	return buf;
}

/* Sets the inner IPv4 header checksum anew. */
static void
ipv4_fix(uint8_t *msg)
{
	uint16_t sum;

	msg[14] = msg[15] = 0;
	sum = checksum_fold(checksum_add(0, msg + 4, (msg[4] & 0xfu) * 4u));
	msg[14] = (uint8_t)(sum >> 8);
	msg[15] = (uint8_t)sum;
}

static void
test_ecm_ipv4(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		bool ok;
	} cases[] = {
		{ 4, 0x45, true }, { 4, 0x44, false }, { 4, 0x55, false },
		{ 10, 0x20, false },		     /* more fragments */
		{ 11, 0x01, false },		     /* offset */
		{ 10, 0x00, true }, { 12, 1, true }, /* TTL */
		{ 13, 6, false },		     /* TCP */
		{ 16, 9, false }, /* source: UDP checksum wrong */
	};
	struct ecm m;
	uint8_t *msg;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		msg = ecm(AFI_IPV4, &len);
		msg[cases[i].at] = cases[i].value;
		ipv4_fix(msg);
		if ((ecm_decode(msg, len, &m) == ERR_OK) != cases[i].ok)
			fail_msg("case %zu", i);
	}
	msg = ecm(AFI_IPV4, &len);
	msg[15] ^= 1; /* header checksum */
	assert_int_equal(ecm_decode(msg, len, &m), ERR_MALFORMED);
	msg[15] ^= 1;
	assert_int_equal(ecm_decode(msg, len, &m), ERR_OK);
	assert_false(m.no_checksum);
	msg[30] = msg[31] = 0; /* UDP checksum */
	assert_int_equal(ecm_decode(msg, len, &m), ERR_OK);
	assert_true(m.no_checksum);
}

static void
test_ecm_ipv6(void **state)
{
	struct ecm m;
	size_t len;
	uint8_t *msg = ecm(AFI_IPV6, &len);

	(void)state;
	assert_int_equal(ecm_decode(msg, len, &m), ERR_OK);
	assert_int_equal(m.source.bytes[15], 1);
	assert_int_equal(m.ttl, 64);
	msg[10] = 44; /* a fragment header */
	assert_int_equal(ecm_decode(msg, len, &m), ERR_MALFORMED);
	msg = ecm(AFI_IPV6, &len);
	msg[50] = msg[51] = 0; /* UDP checksum: must be there */
	assert_int_equal(ecm_decode(msg, len, &m), ERR_MALFORMED);
	msg = ecm(AFI_IPV6, &len);
	msg[9]++; /* payload length behind the end */
	assert_int_equal(ecm_decode(msg, len, &m), ERR_TRUNCATED);
}

static void
test_ecm_payload(void **state)
{
	static const struct {
		uint8_t first;
		bool ok;
	} cases[] = { { 0x10, true }, { 0x12, false }, { 0x20, false },
		{ 0x30, true }, { 0x40, true }, { 0x50, true }, { 0x60, false },
		{ 0x70, false }, { 0x80, false }, { 0xf0, false },
		{ 0x00, false } };
	uint8_t payload[1], buf[64];
	struct ecm m = { .source.afi = AFI_IPV4,
		.destination.afi = AFI_IPV4,
		.payload = payload,
		.payload_len = 1 };
	struct wire_writer w;
	struct ecm out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		payload[0] = cases[i].first;
		w = wire_writer(buf, sizeof(buf));
		ecm_encode(&w, &m);
		if ((ecm_decode(buf, wire_written(&w), &out) == ERR_OK) !=
		    cases[i].ok)
			fail_msg("first octet %02x", cases[i].first);
	}
	m.payload_len = 0;
	w = wire_writer(buf, sizeof(buf));
	ecm_encode(&w, &m);
	assert_int_equal(
	    ecm_decode(buf, wire_written(&w), &out), ERR_TRUNCATED);
}

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
		cmocka_unit_test(test_itr_rlocs),
		cmocka_unit_test(test_nothing_is_touched_on_error),
		cmocka_unit_test(test_wrong_type),
		cmocka_unit_test(test_records_walk),
		cmocka_unit_test(test_mapping_alone),
		cmocka_unit_test(test_notify_ids),
		cmocka_unit_test(test_reply_security),
		cmocka_unit_test(test_auth_header_lengths),
		cmocka_unit_test(test_ecm_ipv4),
		cmocka_unit_test(test_ecm_ipv6),
		cmocka_unit_test(test_ecm_payload),
		cmocka_unit_test(test_data_header),
		cmocka_unit_test(test_data_header_ignores_the_rest),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
