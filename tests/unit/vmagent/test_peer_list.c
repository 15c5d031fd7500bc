/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_peer_list.c - the bounded list of peers, its two classes, and the order
 * in which peers matter.
 */
#include "vmagent/peer_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BOTH = PEER_SENT | PEER_RECEIVED };

static struct addr
v4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	uint8_t bytes[4] = { (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d };

	return addr_make(AFI_IPV4, bytes);
}

static struct mono
at_s(int64_t s)
{
	return (struct mono){ s * 1000000 };
}

static void
both(struct peer_list *l, struct addr a, uint64_t bytes, struct mono now)
{
	peer_list_note(l, &a, PEER_SENT, bytes / 2, now);
	peer_list_note(l, &a, PEER_RECEIVED, bytes - bytes / 2, now);
}

static bool
has(const struct peer_seen *p, unsigned n, struct addr a)
{
	for (unsigned i = 0; i < n; i++)
		if (addr_equal(&p[i].addr, &a))
			return true;
	return false;
}

static void
test_note(void **state)
{
	struct peer_list *l = peer_list_new(64);
	struct peer_seen out[64];
	struct addr a = v4(10, 0, 0, 1);

	(void)state;
	peer_list_note(l, &a, PEER_SENT, 100, at_s(1));
	peer_list_note(l, &a, PEER_SENT, 50, at_s(2));
	assert_int_equal(peer_list_read(l, out, 64), 1);
	assert_int_equal(out[0].dirs, PEER_SENT);
	assert_int_equal(out[0].bytes, 150);
	assert_int_equal(out[0].last.us, 2000000);
	peer_list_note(l, &a, PEER_RECEIVED, 10, at_s(3));
	assert_int_equal(peer_list_read(l, out, 64), 1);
	assert_int_equal(out[0].dirs, PEER_SENT | PEER_RECEIVED);
	assert_int_equal(out[0].bytes, 160);
	peer_list_free(l);
}

/* A scan of 10,000 addresses displaces no two-way peer. */
static void
test_scan(void **state)
{
	struct peer_list *l = peer_list_new(64);
	struct peer_seen out[128];
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < 48; i++)
		both(l, v4(10, 0, 0, i), 100, at_s(1));
	for (unsigned i = 0; i < 10000; i++) {
		struct addr a = v4(10, 1, i >> 8, i & 0xff);

		peer_list_note(l, &a, PEER_SENT, 60, at_s(2));
	}
	n = peer_list_read(l, out, 128);
	assert_int_equal(n, 64);
	for (unsigned i = 0; i < 48; i++)
		assert_true(has(out, n, v4(10, 0, 0, i)));
	/* Of the scan the newest are left. */
	assert_true(has(out, n, v4(10, 1, 9999 >> 8, 9999 & 0xff)));
	assert_false(has(out, n, v4(10, 1, 0, 0)));

	/* A real peer still gets in: the quietest goes. */
	both(l, v4(10, 0, 0, 0), 100, at_s(3));
	both(l, v4(192, 0, 2, 1), 100, at_s(4));
	n = peer_list_read(l, out, 128);
	assert_int_equal(n, 63); /* it left the one-way class */
	assert_true(has(out, n, v4(192, 0, 2, 1)));
	assert_true(has(out, n, v4(10, 0, 0, 0)));
	assert_false(has(out, n, v4(10, 0, 0, 1)));
	assert_int_equal(peer_list_read(l, out, 10), 10);
	peer_list_free(l);
}

static void
test_rank(void **state)
{
	struct peer_seen p[] = {
		{ .addr = v4(1, 0, 0, 1),
		    .dirs = PEER_SENT,
		    .bytes = 900,
		    .last = at_s(100) },
		{ .addr = v4(1, 0, 0, 2),
		    .dirs = BOTH,
		    .bytes = 1,
		    .last = at_s(90) },
		{ .addr = v4(1, 0, 0, 3),
		    .dirs = BOTH,
		    .bytes = 5,
		    .last = at_s(100) },
		{ .addr = v4(1, 0, 0, 4),
		    .dirs = BOTH,
		    .bytes = 7,
		    .last = at_s(100) },
		{ .addr = v4(1, 0, 0, 5),
		    .dirs = BOTH,
		    .bytes = 900,
		    .last = at_s(39) }, /* too old */
		/* Seen on two vNICs, one way each. */
		{ .addr = v4(1, 0, 0, 6),
		    .dirs = PEER_SENT,
		    .bytes = 400,
		    .last = at_s(99) },
		{ .addr = v4(1, 0, 0, 6),
		    .dirs = PEER_RECEIVED,
		    .bytes = 500,
		    .last = at_s(100) },
		/* The same address in another instance is another peer. */
		{ .addr = v4(1, 0, 0, 6),
		    .iid = 7,
		    .dirs = PEER_SENT,
		    .bytes = 1,
		    .last = at_s(100) },
	};
	unsigned n = peer_rank(p, sizeof(p) / sizeof(p[0]), 60, at_s(100));
	static const uint8_t order[] = { 6, 4, 3, 2, 1, 6 };

	(void)state;
	assert_int_equal(n, 6);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(p[i].addr.bytes[3], order[i]);
	assert_int_equal(p[0].bytes, 900);
	assert_int_equal(p[0].dirs, BOTH);
	assert_int_equal(p[5].iid, 7);
	assert_int_equal(peer_rank(p, 0, 60, at_s(100)), 0);
}

/* Three quarters for flows in both directions, the rest for the others. */
static void
test_shares(void **state)
{
	static const unsigned sizes[][3] = {
		/* max, two-way, one-way */
		{ 0, 6, 2 },
		{ 7, 6, 2 }, /* never fewer than 8 */
		{ 8, 6, 2 },
		{ 10, 8, 2 },
		{ 64, 48, 16 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct peer_list *l = peer_list_new(sizes[i][0]);
		struct peer_seen out[256];
		unsigned n, two_way = 0;

		for (unsigned k = 0; k < 100; k++) {
			struct addr a = v4(10, 1, 0, k);

			both(l, v4(10, 0, 0, k), 100, at_s(k));
			peer_list_note(l, &a, PEER_RECEIVED, 1, at_s(k));
		}
		n = peer_list_read(l, out, 256);
		for (unsigned k = 0; k < n; k++)
			two_way += out[k].dirs == BOTH;
		assert_int_equal(two_way, sizes[i][1]);
		assert_int_equal(n - two_way, sizes[i][2]);
		/* the newest of each class are those that are left */
		for (unsigned k = 0; k < sizes[i][1]; k++)
			assert_true(has(out, n, v4(10, 0, 0, 99 - k)));
		for (unsigned k = 0; k < sizes[i][2]; k++)
			assert_true(has(out, n, v4(10, 1, 0, 99 - k)));
		peer_list_free(l);
	}
}

/* A peer that turns out to be two-way leaves the other class for good. */
static void
test_change_of_class(void **state)
{
	struct peer_list *l = peer_list_new(8);
	struct peer_seen out[16];
	struct addr a = v4(10, 0, 0, 1);

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		peer_list_note(l, &a, PEER_SENT, 1, at_s(i));
		peer_list_note(l, &a, PEER_RECEIVED, 1, at_s(i));
		assert_int_equal(peer_list_read(l, out, 16), 1);
	}
	assert_int_equal(out[0].bytes, 100);
	for (unsigned i = 0; i < 50; i++) {
		struct addr scan = v4(10, 1, 0, i);

		peer_list_note(l, &scan, PEER_SENT, 1, at_s(100));
	}
	assert_int_equal(peer_list_read(l, out, 16), 3);
	assert_true(has(out, 3, a));
	peer_list_free(l);
	peer_list_free(NULL);
}

static void
test_families(void **state)
{
	struct peer_list *l = peer_list_new(8);
	struct peer_seen out[8];
	struct addr six = { .afi = AFI_IPV6, .bytes = { 10, 0, 0, 1 } };
	struct addr four = v4(10, 0, 0, 1);

	(void)state;
	peer_list_note(l, &six, PEER_SENT, 1, at_s(1));
	peer_list_note(l, &four, PEER_RECEIVED, 2, at_s(1));
	assert_int_equal(peer_list_read(l, out, 8), 2);
	assert_int_equal(out[0].dirs | out[1].dirs, BOTH);
	assert_int_not_equal(out[0].dirs, BOTH);
	peer_list_free(l);
}

static struct peer_seen
seen(unsigned id, uint8_t dirs, uint64_t bytes, int64_t last_s)
{
	return (struct peer_seen){ .addr = v4(1, 0, 0, id),
		.dirs = dirs,
		.bytes = bytes,
		.last = at_s(last_s) };
}

/* Within a power of two of a second, bytes decide; beyond it, age. */
static void
test_rank_ages(void **state)
{
	static const struct {
		int64_t age_s[2];
		bool same; /* of the same age class */
	} cases[] = {
		{ { 0, 0 }, true },
		{ { 0, 1 }, false },
		{ { 2, 3 }, true },
		{ { 3, 4 }, false },
		{ { 4, 7 }, true },
		{ { 7, 8 }, false },
		{ { 64, 127 }, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer_seen p[2] = {
			seen(1, BOTH, 10, 1000 - cases[i].age_s[0]),
			seen(2, BOTH, 20, 1000 - cases[i].age_s[1]),
		};

		assert_int_equal(peer_rank(p, 2, 3600, at_s(1000)), 2);
		assert_int_equal(p[0].addr.bytes[3], cases[i].same ? 2 : 1);
	}
}

/* Just 'age_s' old still counts; the sum of a peer keeps its youngest time. */
static void
test_rank_limits(void **state)
{
	struct peer_seen p[3] = { seen(1, BOTH, 1, 40), seen(2, BOTH, 1, 40),
		seen(1, PEER_SENT, 1, 60) };

	(void)state;
	p[1].last.us--;
	assert_int_equal(peer_rank(p, 3, 60, at_s(100)), 1);
	assert_int_equal(p[0].addr.bytes[3], 1);
	assert_int_equal(p[0].bytes, 2);
	assert_int_equal(p[0].last.us, at_s(60).us);
	assert_int_equal(p[0].dirs, BOTH);
}

/* What is too old adds nothing to what is not. */
static void
test_rank_old_part(void **state)
{
	struct peer_seen p[2] = { seen(1, PEER_SENT, 1000, 10),
		seen(1, PEER_RECEIVED, 1, 90) };

	(void)state;
	assert_int_equal(peer_rank(p, 2, 60, at_s(100)), 1);
	assert_int_equal(p[0].bytes, 1);
	assert_int_equal(p[0].dirs, PEER_RECEIVED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_note),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_change_of_class),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_rank_ages),
		cmocka_unit_test(test_rank_limits),
		cmocka_unit_test(test_rank_old_part),
	};

	return cmocka_run_group_tests_name(
	    "vmagent/peer_list", tests, NULL, NULL);
}
