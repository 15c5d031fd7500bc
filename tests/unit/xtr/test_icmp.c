/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_icmp.c - ICMP errors as octets: type and code, how much is quoted, about
 * what none may be sent, and the packet around them.
 */
#include "xtr/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packet.h"

static struct inner
parsed(const struct packet_spec *s)
{
	static struct packet p;
	struct inner in;

	packet_make(s, &p);
	assert_int_equal(inner_parse(p.bytes, p.len, &in), ERR_OK);
	return in;
}

static const struct packet_spec four = {
	.from = "10.1.0.1", .to = "10.2.0.2", .payload = 100
};
static const struct packet_spec six = {
	.from = "fd01::1", .to = "fd02::2", .payload = 100
};

/* RFC 792, 1191, 1812 5.2.7.1; RFC 4443 3.1 to 3.3. */
static void
test_types(void **state)
{
	static const struct {
		enum icmp_reason reason;
		uint8_t v4[2], v6[2];
	} cases[] = {
		{ ICMP_NO_ROUTE, { 3, 1 }, { 1, 0 } },
		{ ICMP_PROHIBITED, { 3, 13 }, { 1, 1 } },
		{ ICMP_TTL, { 11, 0 }, { 3, 0 } },
		{ ICMP_TOO_BIG, { 3, 4 }, { 2, 0 } },
	};
	uint8_t out[ICMP_ERROR_MAX];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct inner in = parsed(v6 ? &six : &four);
			size_t len =
			    icmp_error(&in, cases[i].reason, 1444, out);
			uint32_t mtu = (uint32_t)(out[6] << 8 | out[7]);

			assert_int_equal(len, 8 + in.len);
			assert_memory_equal(
			    out, v6 ? cases[i].v6 : cases[i].v4, 2);
			assert_int_equal(out[4] << 8 | out[5], 0);
			assert_int_equal(
			    mtu, cases[i].reason == ICMP_TOO_BIG ? 1444 : 0);
			assert_memory_equal(out + 8, in.packet, in.len);
			if (v6)
				assert_int_equal(out[2] << 8 | out[3], 0);
			else
				assert_int_equal(
				    checksum_fold(checksum_add(0, out, len)),
				    0);
		}
}

/* As much as fits into 576 and 1280 octets with its own headers. */
static void
test_quote(void **state)
{
	static const size_t payloads[] = { 0, 500, 519, 520, 521, 1183, 1184,
		1185, 8000 };
	uint8_t out[ICMP_ERROR_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct packet_spec s = v6 ? six : four;
			struct inner in;
			size_t len, most = v6 ? 1280 - 40 : 576 - 20;

			s.payload = payloads[i];
			in = parsed(&s);
			len = icmp_error(&in, ICMP_NO_ROUTE, 0, out);
			assert_int_equal(
			    len, in.len + 8 < most ? in.len + 8 : most);
			assert_memory_equal(out + 8, in.packet, len - 8);
		}
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): never about an ICMP error. */
static void
test_about_icmp(void **state)
{
	uint8_t out[ICMP_ERROR_MAX];

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (int v6 = 0; v6 < 2; v6++) {
			struct inner in = parsed(v6 ? &six : &four);
			bool told = v6 ? type >= 128 && type != 137
				       : type == 0 || type == 8 || type == 13 ||
				type == 14;

			in.protocol = v6 ? 58 : 1;
			in.packet[in.payload] = (uint8_t)type;
			assert_int_equal(
			    icmp_error(&in, ICMP_NO_ROUTE, 0, out) > 0, told);
			in.protocol = v6 ? 1 : 58; /* the other family's */
			assert_true(icmp_error(&in, ICMP_NO_ROUTE, 0, out) > 0);
		}
	{
		struct inner in = parsed(&four);

		in.protocol = 1; /* cut off before its type */
		in.payload = in.len;
		assert_int_equal(icmp_error(&in, ICMP_NO_ROUTE, 0, out), 0);
	}
}

/* From or to what is no single host, and later fragments. */
static void
test_not_about(void **state)
{
	static const char *const pairs[][2] = { { "0.0.0.0", "10.2.0.2" },
		{ "127.0.0.1", "10.2.0.2" }, { "224.0.0.1", "10.2.0.2" },
		{ "10.1.0.1", "224.0.0.5" }, { "10.1.0.1", "255.255.255.255" },
		{ "::", "fd02::2" }, { "ff02::1", "fd02::2" },
		{ "fd01::1", "ff0e::1" }, { "fe80::1", "fd02::2" } };
	uint8_t out[ICMP_ERROR_MAX];
	struct packet_spec s = four;
	struct inner in;

	(void)state;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct packet_spec odd = { .from = pairs[i][0],
			.to = pairs[i][1] };

		in = parsed(&odd);
		assert_int_equal(icmp_error(&in, ICMP_TTL, 0, out), 0);
	}
	s.flags = 0x2000; /* a first fragment */
	in = parsed(&s);
	assert_true(icmp_error(&in, ICMP_TTL, 0, out) > 0);
	s.flags = 0x0010;
	in = parsed(&s);
	assert_int_equal(icmp_error(&in, ICMP_TTL, 0, out), 0);
}

/* A packet that its receiver accepts. */
static void
test_packet(void **state)
{
	uint8_t message[ICMP_ERROR_MAX], out[ICMP_ERROR_MAX + 40];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		const struct inner about = parsed(v6 ? &six : &four);
		const struct addr from =
		    packet_addr(v6 ? "2001:db8::1" : "192.0.2.1");
		const size_t head = v6 ? 40 : 20;
		size_t len = icmp_error(&about, ICMP_NO_ROUTE, 0, message);
		size_t size = icmp_packet(
		    &from, &about.source, message, len, out, len + head);
		struct inner in;

		assert_int_equal(size, len + head);
		assert_int_equal(inner_parse(out, size, &in), ERR_OK);
		assert_int_equal(in.len, size);
		assert_true(addr_equal(&in.source, &from));
		assert_true(addr_equal(&in.destination, &about.source));
		assert_int_equal(in.protocol, v6 ? 58 : 1);
		assert_int_equal(in.ttl, 64);
		assert_int_equal(in.payload, head);
		assert_true(packet_checksum_right(out));
		if (v6) {
			uint32_t sum = checksum_add(0, out + 8, 32);
			const uint8_t rest[] = { (uint8_t)(len >> 8),
				(uint8_t)len, 0, 58 };

			sum = checksum_add(sum, rest, sizeof(rest));
			sum = checksum_add(sum, out + 40, len);
			assert_int_equal(checksum_fold(sum), 0);
		} else {
			assert_memory_equal(out + head, message, len);
			assert_false(in.may_be_split);
		}
		/* one octet too few */
		assert_int_equal(icmp_packet(&from, &about.source, message, len,
				     out, len + head - 1),
		    0);
		assert_int_equal(
		    icmp_packet(&from, &about.source, message, len, out, 0), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_about_icmp),
		cmocka_unit_test(test_not_about),
		cmocka_unit_test(test_packet),
	};

	return cmocka_run_group_tests_name("xtr/icmp", tests, NULL, NULL);
}
