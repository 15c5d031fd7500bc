/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ecm.c - inner headers and payloads of Encapsulated Control Messages,
 * one octet wrong at a time.
 */
#include "common/msg.h"

#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

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

static struct addr
ipv4(uint8_t last)
{
	const uint8_t bytes[4] = { 192, 0, 2, last };

	return addr_make(AFI_IPV4, bytes);
}

static void
test_checksum(void **state)
{
	/* RFC 1071 3 */
	static const uint8_t octets[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5,
		0xf6, 0xf7 };
	static const uint8_t odd[] = { 0x12, 0x34, 0x56 };
	uint32_t sum = checksum_add(0, octets, sizeof(octets));

	(void)state;
	assert_int_equal(checksum_fold(sum), (uint16_t)~0xddf2);
	assert_int_equal(
	    checksum_fold(checksum_add(0, odd, 3)), (uint16_t)~0x6834);
	assert_int_equal(checksum_fold(0), 0xffff);
	assert_int_equal(checksum_fold(checksum_add(0xffffffff, odd, 0)), 0);
}

/* A sum of 0 must be sent as 0xffff: 0 would say "no checksum". */
static void
test_ecm_checksum_is_never_0(void **state)
{
	uint8_t payload[16] = { 0x10 }, buf[128];
	struct ecm m = { .source = ipv4(1),
		.destination = ipv4(2),
		.source_port = 1,
		.destination_port = LISP_CONTROL_PORT,
		.payload = payload,
		.payload_len = sizeof(payload) };
	unsigned seen = 0;
	struct ecm out;

	(void)state;
	for (unsigned i = 0; i <= 0xffff; i++) {
		struct wire_writer w = wire_writer(buf, sizeof(buf));

		payload[14] = (uint8_t)(i >> 8);
		payload[15] = (uint8_t)i;
		ecm_encode(&w, &m);
		assert_int_equal(
		    ecm_decode(buf, wire_written(&w), &out), ERR_OK);
		assert_false(out.no_checksum);
		seen += buf[30] == 0xff && buf[31] == 0xff;
	}
	assert_int_equal(seen, 1); /* the one whose checksum is 0 */
}

static void
test_ecm_too_long(void **state)
{
	uint8_t buf[64];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct ecm m = {
		.source.afi = AFI_IPV4, .payload = buf, .payload_len = 65508
	};

	(void)state;
	ecm_encode(&w, &m);
	assert_int_equal(w.err, ERR_FULL);
	assert_int_equal(wire_written(&w), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecm_ipv4),
		cmocka_unit_test(test_ecm_ipv6),
		cmocka_unit_test(test_ecm_payload),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_ecm_checksum_is_never_0),
		cmocka_unit_test(test_ecm_too_long),
	};

	return cmocka_run_group_tests_name("ecm", tests, NULL, NULL);
}
