/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_inner.c - reading and changing IP headers: every truncation, checksums
 * after every change, the table of RFC 6040, fragments, flow hashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/xtr/packet.h"
#include "xtr/inner.h"

static struct inner
parsed(struct packet *p)
{
	struct inner in;

	assert_int_equal(inner_parse(p->bytes, p->len, &in), ERR_OK);
	return in;
}

static void
reads_both_families(void **state)
{
	struct packet p;
	struct inner in;
	struct addr to4 = packet_addr("10.3.0.10");
	struct addr to6 = packet_addr("fd01:3::10");

	(void)state;
	packet_make(&(struct packet_spec){ .from = "10.1.1.10",
			.to = "10.3.0.10",
			.ttl = 7,
			.tos = 0xb9,
			.payload = 10 },
	    &p);
	p.len += 5; /* an Ethernet trailer, say */
	in = parsed(&p);
	assert_int_equal(in.len, 38);
	assert_int_equal(in.ttl, 7);
	assert_int_equal(in.tos, 0xb9);
	assert_int_equal(in.protocol, IPPROTO_UDP);
	assert_int_equal(in.payload, 20);
	assert_true(in.may_be_split);
	assert_true(addr_equal(&in.destination, &to4));
	packet_make(&(struct packet_spec){ .from = "fd01:1::10",
			.to = "fd01:3::10",
			.ttl = 9,
			.tos = 0x2e },
	    &p);
	in = parsed(&p);
	assert_int_equal(in.len, 48);
	assert_int_equal(in.ttl, 9);
	assert_int_equal(in.tos, 0x2e);
	assert_int_equal(in.payload, 40);
	assert_false(in.may_be_split);
	assert_true(addr_equal(&in.destination, &to6));
}

/* Each in a block of its exact size, so that a sanitizer sees an overrun. */
static void
refuses_every_truncation(void **state)
{
	const struct packet_spec specs[] = {
		{ .from = "10.1.1.10", .to = "10.3.0.10", .payload = 4 },
		{ .from = "fd01:1::10", .to = "fd01:3::10", .payload = 4 },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct packet p;

		packet_make(&specs[i], &p);
		for (size_t len = 0; len < p.len; len++) {
			uint8_t *exact = malloc(len ? len : 1);
			struct inner in;

			memcpy(exact, p.bytes, len);
			assert_int_not_equal(
			    inner_parse(exact, len, &in), ERR_OK);
			free(exact);
		}
	}
}

static void
refuses_wrong_headers(void **state)
{
	struct packet p;
	struct inner in;

	(void)state;
	packet_make(
	    &(struct packet_spec){ .from = "10.1.1.10", .to = "10.3.0.10" },
	    &p);
	p.bytes[0] = 0x43;
	assert_int_equal(inner_parse(p.bytes, p.len, &in), ERR_MALFORMED);
	p.bytes[0] = 0x55;
	assert_int_equal(inner_parse(p.bytes, p.len, &in), ERR_MALFORMED);
	p.bytes[0] = 0x45;
	p.bytes[3] = 19; /* shorter than its header */
	assert_int_equal(inner_parse(p.bytes, p.len, &in), ERR_MALFORMED);
}

static void
walks_extension_headers(void **state)
{
	/* hop-by-hop (8), destination options (16), UDP */
	static const uint8_t extensions[] = { 60, 0, 1, 4, 0, 0, 0, 0, 17, 1, 1,
		12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8, 7, 0xd0, 0, 8,
		0, 0 };
	struct packet p;
	struct inner in;
	uint32_t hash;

	(void)state;
	packet_make(
	    &(struct packet_spec){ .from = "fd01:1::10", .to = "fd01:3::10" },
	    &p);
	in = parsed(&p);
	hash = inner_flow_hash(&in); /* ports 1000, 2000 */
	p.bytes[5] = sizeof(extensions);
	p.bytes[6] = IPPROTO_HOPOPTS;
	memcpy(p.bytes + 40, extensions, sizeof(extensions));
	p.len = 40 + sizeof(extensions);
	in = parsed(&p);
	assert_int_equal(in.protocol, IPPROTO_UDP);
	assert_int_equal(in.payload, 64);
	assert_int_equal(inner_flow_hash(&in), hash);
	/* Cut anywhere: still no reading behind the end. */
	for (uint8_t n = 0; n < sizeof(extensions); n++) {
		uint8_t *exact = malloc(40u + n);

		p.bytes[5] = n;
		memcpy(exact, p.bytes, 40u + n);
		assert_int_equal(inner_parse(exact, 40u + n, &in), ERR_OK);
		inner_flow_hash(&in);
		free(exact);
	}
}

static void
changes_keep_the_checksum(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		struct packet p;
		struct inner in;

		packet_make(&(struct packet_spec){ .from = "10.1.1.10",
				.to = "10.3.0.10",
				.ttl = (uint8_t)(255 - i % 255),
				.tos = (uint8_t)(i * 7) },
		    &p);
		in = parsed(&p);
		inner_set_ttl(&in, (uint8_t)i);
		inner_set_tos(&in, (uint8_t)(255 - i));
		assert_true(packet_checksum_right(p.bytes));
		in = parsed(&p);
		assert_int_equal(in.ttl, i);
		assert_int_equal(in.tos, 255 - i);
		assert_int_equal(p.bytes[0], 0x45);
		assert_int_equal(p.bytes[9], IPPROTO_UDP);
		packet_make(&(struct packet_spec){ .from = "fd01:1::10",
				.to = "fd01:3::10" },
		    &p);
		in = parsed(&p);
		inner_set_ttl(&in, (uint8_t)i);
		inner_set_tos(&in, (uint8_t)(255 - i));
		in = parsed(&p);
		assert_int_equal(in.ttl, i);
		assert_int_equal(in.tos, 255 - i);
		/* The flow label stays. */
		assert_int_equal(p.bytes[1] & 15, 0xa);
		assert_int_equal(p.bytes[2], 0xbc);
		assert_int_equal(p.bytes[3], 0xde);
	}
}

/* RFC 6040 4.2: rows inner, columns outer, in the order of the figure. */
static void
ecn_table(void **state)
{
	enum { N = 0, E1 = 1, E0 = 2, C = 3, DROP = 9 };
	static const uint8_t codes[4] = { N, E0, E1, C };
	static const uint8_t expected[4][4] = {
		{ N, N, N, DROP },
		{ E0, E0, E1, C },
		{ E1, E1, E1, C },
		{ C, C, C, C },
	};
	static const bool odd_ones[4][4] = {
		{ false, true, true, true },
		{ false, false, false, false },
		{ false, true, false, false },
		{ false, false, true, false },
	};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t o = 0; o < 4; o++) {
			uint8_t inner = (uint8_t)(0x50 | codes[i]);
			uint8_t outer = (uint8_t)(0xb8 | codes[o]), merged = 0;
			bool odd;
			bool keep =
			    inner_merge_tos(inner, outer, &merged, &odd);

			assert_int_equal(keep, expected[i][o] != DROP);
			assert_int_equal(odd, odd_ones[i][o]);
			if (keep) /* DSCP of the outer header */
				assert_int_equal(merged, 0xb8 | expected[i][o]);
		}
}

struct parts {
	unsigned n;
	size_t data, longest;
	uint8_t bytes[9000];
	bool last_seen;
};

static void
put_together(void *arg, struct inner *part)
{
	struct parts *t = arg;
	unsigned flags = (unsigned)(part->packet[6] << 8 | part->packet[7]);
	size_t at = (flags & 0x1fffu) * 8, len = part->len - part->header_len;

	assert_true(packet_checksum_right(part->packet));
	assert_false(t->last_seen);
	memcpy(t->bytes + at, part->packet + part->header_len, len);
	t->data += len;
	t->last_seen = !(flags & 0x2000);
	if (part->len > t->longest)
		t->longest = part->len;
	t->n++;
}

static void
splits_into_parts_of_the_same_size(void **state)
{
	static const struct {
		size_t payload, max;
		unsigned parts;
	} cases[] = {
		{ 1432, 1444, 2 }, /* 1460 octets */
		{ 2800, 1444, 2 },
		{ 2900, 1444, 3 },
		{ 8000, 1280, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct parts t = { 0 };
		struct packet p;
		struct inner in;

		packet_make(&(struct packet_spec){ .from = "10.1.1.10",
				.to = "10.3.0.10",
				.payload = cases[i].payload },
		    &p);
		in = parsed(&p);
		assert_true(inner_split(&in, cases[i].max, put_together, &t));
		assert_int_equal(t.n, cases[i].parts);
		assert_int_equal(t.data, p.len - 20);
		assert_true(t.longest <= cases[i].max);
		assert_true(t.last_seen);
		assert_memory_equal(t.bytes, p.bytes + 20, t.data);
	}
}

static void
splits_no_other_packets(void **state)
{
	struct parts t = { 0 };
	struct packet p;
	struct inner in;

	(void)state;
	packet_make(&(struct packet_spec){ .from = "10.1.1.10",
			.to = "10.3.0.10",
			.payload = 1500,
			.df = true },
	    &p);
	in = parsed(&p);
	assert_false(inner_split(&in, 1444, put_together, &t));
	packet_make(
	    &(struct packet_spec){
		.from = "fd01:1::10", .to = "fd01:3::10", .payload = 1500 },
	    &p);
	in = parsed(&p);
	assert_false(inner_split(&in, 1444, put_together, &t));
	assert_int_equal(t.n, 0);
}

static void
split_keeps_what_a_fragment_was(void **state)
{
	struct parts t = { 0 };
	struct packet p;
	struct inner in;

	(void)state;
	/* The middle of a larger datagram: offset 1600, more follow. */
	packet_make(&(struct packet_spec){ .from = "10.1.1.10",
			.to = "10.3.0.10",
			.payload = 1592,
			.flags = 0x2000 | 200 },
	    &p);
	in = parsed(&p);
	assert_true(in.fragment);
	assert_true(in.later_part);
	assert_true(inner_split(&in, 1444, put_together, &t));
	assert_int_equal(t.n, 2);
	assert_false(t.last_seen);
	assert_memory_equal(t.bytes + 1600, p.bytes + 20, 1600);
}

static uint32_t
hash_of(const struct packet_spec *s)
{
	struct packet p;
	struct inner in;

	packet_make(s, &p);
	in = parsed(&p);
	return inner_flow_hash(&in);
}

static void
a_flow_keeps_its_port(void **state)
{
	struct packet_spec s = { .from = "10.1.1.10", .to = "10.3.0.10" };
	uint32_t base = hash_of(&s), ports[64] = { 0 };
	unsigned used = 0;

	(void)state;
	s.ttl = 3;
	s.tos = 0xff;
	s.payload = 100;
	assert_int_equal(hash_of(&s), base);
	for (uint16_t i = 1; i <= 4096; i++) {
		uint16_t port;

		s.sport = i;
		port = inner_flow_port(hash_of(&s));
		assert_true(port >= 49152);
		ports[(port - 49152) / 256]++;
	}
	for (size_t i = 0; i < 64; i++)
		used += ports[i] > 32 && ports[i] < 128; /* 64 on average */
	assert_int_equal(used, 64);
}

static void
fragments_take_one_path(void **state)
{
	struct packet_spec s = { .from = "10.1.1.10",
		.to = "10.3.0.10",
		.payload = 64,
		.flags = 0x2000 };
	uint32_t first = hash_of(&s);

	(void)state;
	s.flags = 0x2000 | 9;
	s.sport = 77;
	assert_int_equal(hash_of(&s), first);
	s.flags = 18;
	assert_int_equal(hash_of(&s), first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_families),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_wrong_headers),
		cmocka_unit_test(walks_extension_headers),
		cmocka_unit_test(changes_keep_the_checksum),
		cmocka_unit_test(ecn_table),
		cmocka_unit_test(splits_into_parts_of_the_same_size),
		cmocka_unit_test(splits_no_other_packets),
		cmocka_unit_test(split_keeps_what_a_fragment_was),
		cmocka_unit_test(a_flow_keeps_its_port),
		cmocka_unit_test(fragments_take_one_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
