/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_neighbour.c - ARP and neighbour discovery frames: what we write, octet
 * by octet, and what of the received ones is a solicitation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/msg.h"
#include "xtr/neighbour.h"

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static struct neighbour_sender
gateway(const char *text)
{
	return (struct neighbour_sender){ .mac = address("02:00:5e:00:01:01"),
		.address = address(text) };
}

/* RFC 4443 2.3, over the pseudo header of an Ethernet frame. */
static bool
icmpv6_right(const uint8_t *frame, size_t len)
{
	uint32_t sum = checksum_add(0, frame + 14 + 8, 32);

	sum += (uint32_t)(len - 54) + 58;
	return checksum_fold(checksum_add(sum, frame + 54, len - 54)) == 0;
}

static void
gratuitous_arp(void **state)
{
	static const uint8_t expected[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0x02, 0x00, 0x5e, 0x00, 0x01, 0x01, 0x08, 0x06, 0, 1, 8, 0, 6,
		4, 0, 1, 0x52, 0x54, 0x00, 0x01, 0x01, 0x10, 10, 1, 1, 10, 0, 0,
		0, 0, 0, 0, 10, 1, 1, 10 };
	struct neighbour_sender us = gateway("10.1.1.1");
	struct addr eid = address("10.1.1.10"),
		    mac = address("52:54:00:01:01:10");
	uint8_t frame[NEIGHBOUR_FRAME_MAX];

	(void)state;
	assert_int_equal(
	    neighbour_announcement(&us, &eid, &mac, frame), sizeof(expected));
	assert_memory_equal(frame, expected, sizeof(expected));
}

static void
unsolicited_advertisement(void **state)
{
	struct neighbour_sender us = gateway("fe80::1");
	struct addr eid = address("fd01:1::10"),
		    mac = address("52:54:00:01:01:10");
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	size_t len = neighbour_announcement(&us, &eid, &mac, frame);

	(void)state;
	assert_int_equal(len, 14 + 40 + 32);
	assert_memory_equal(
	    frame, "\x33\x33\0\0\0\1\x02\0\x5e\0\1\1\x86\xdd", 14);
	assert_int_equal(frame[14 + 7], 255);
	assert_memory_equal(frame + 22, us.address.bytes, 16);
	assert_memory_equal(frame + 54, "\x88\0", 2);
	assert_memory_equal(frame + 58, "\x20\0\0\0", 4); /* override */
	assert_memory_equal(frame + 62, eid.bytes, 16);
	assert_memory_equal(frame + 78, "\x02\x01\x52\x54\0\1\1\x10", 8);
	assert_true(icmpv6_right(frame, len));
}

static void
questions_go_to_one_host(void **state)
{
	struct neighbour_sender us4 = gateway("10.1.1.1"),
				us6 = gateway("fe80::1");
	struct addr eid4 = address("10.1.1.10"), eid6 = address("fd01:1::10"),
		    mac = address("52:54:00:01:01:10");
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	size_t len = neighbour_question(&us4, &eid4, &mac, frame);

	(void)state;
	assert_int_equal(len, 42);
	assert_memory_equal(frame, mac.bytes, 6);
	assert_memory_equal(frame + 22, us4.mac.bytes, 6);
	assert_memory_equal(frame + 28, us4.address.bytes, 4);
	assert_memory_equal(frame + 38, eid4.bytes, 4);
	len = neighbour_question(&us6, &eid6, &mac, frame);
	assert_memory_equal(frame, mac.bytes, 6);
	assert_memory_equal(frame + 38, eid6.bytes, 16);
	assert_memory_equal(frame + 54, "\x87\0", 2);
	assert_memory_equal(frame + 78, "\x01\x01\x02\0\x5e\0\1\1", 8);
	assert_true(icmpv6_right(frame, len));
}

/* Our own question is a solicitation as anybody sends it. */
static size_t
solicitation(uint8_t *frame)
{
	struct neighbour_sender vm = { .mac = address("52:54:00:01:01:15"),
		.address = address("fd01:1::21") };
	struct addr target = address("fd01:1::22"),
		    group = address("33:33:ff:00:00:22");

	return neighbour_question(&vm, &target, &group, frame);
}

static void
an_answer_fits_its_question(void **state)
{
	struct addr target = address("fd01:1::22"),
		    asker = address("fd01:1::21"),
		    asker_mac = address("52:54:00:01:01:15"),
		    ours = address("02:00:5e:00:01:01");
	struct neighbour_solicitation s;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	size_t len = solicitation(frame);

	(void)state;
	assert_true(neighbour_solicitation_parse(frame, len, &s));
	assert_true(addr_equal(&s.target, &target));
	assert_true(addr_equal(&s.source, &asker));
	assert_true(addr_equal(&s.source_mac, &asker_mac));
	len = neighbour_answer(&s, &ours, frame);
	assert_memory_equal(frame, asker_mac.bytes, 6);
	assert_memory_equal(frame + 6, ours.bytes, 6);
	assert_memory_equal(frame + 38, asker.bytes, 16);
	assert_memory_equal(frame + 54, "\x88\0", 2);
	assert_memory_equal(frame + 58, "\x40\0\0\0", 4); /* no override */
	assert_memory_equal(frame + 80, ours.bytes, 6);
	assert_true(icmpv6_right(frame, len));
}

static void
without_option_the_frame_tells_the_mac(void **state)
{
	struct addr mac = address("52:54:00:01:01:15");
	struct neighbour_solicitation s;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];

	(void)state;
	solicitation(frame);
	frame[14 + 5] = 24;
	assert_true(neighbour_solicitation_parse(frame, 78, &s));
	assert_true(addr_equal(&s.source_mac, &mac));
}

static void
what_is_no_solicitation(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{ 12, 0x08 },		  /* not IPv6 */
		{ 14, 0x45 }, { 20, 17 }, /* not ICMPv6 */
		{ 21, 254 },		  /* came over a router */
		{ 54, 136 },		  /* an advertisement */
		{ 55, 1 },		  /* code */
		{ 62, 0xff },		  /* multicast target */
		{ 79, 0 },		  /* option without length */
		{ 79, 2 },		  /* option longer than the message */
	};
	struct neighbour_solicitation s;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	size_t len = solicitation(frame);

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		uint8_t changed[NEIGHBOUR_FRAME_MAX];

		memcpy(changed, frame, len);
		changed[changes[i].at] = changes[i].value;
		assert_false(neighbour_solicitation_parse(changed, len, &s));
	}
	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, frame, n);
		assert_false(neighbour_solicitation_parse(exact, n, &s));
		free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gratuitous_arp),
		cmocka_unit_test(unsolicited_advertisement),
		cmocka_unit_test(questions_go_to_one_host),
		cmocka_unit_test(an_answer_fits_its_question),
		cmocka_unit_test(without_option_the_frame_tells_the_mac),
		cmocka_unit_test(what_is_no_solicitation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
