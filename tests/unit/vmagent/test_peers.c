/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_peers.c - the bounded list of peers and their ranking.  What needs a
 * tap and root is in tests/netns/test_peers.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmagent/peer_list.h"
#include "vmagent/peers.h"

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
	enum { BOTH = PEER_SENT | PEER_RECEIVED };
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

/* No source, no tap: nothing is watched, nothing fails. */
static void
test_off(void **state)
{
	const struct peers_conf conf = {
		.source = CONF_PEERS_OFF, .max = 64, .age_s = 60
	};
	static struct vm_info vm = { .n_nics = 1 };
	struct clock clock;
	struct cpm_peer out[8];
	struct loop *loop;
	struct peers *p;

	(void)state;
	clock_fake(&clock, 1000000);
	loop = loop_new(&clock);
	p = peers_new(loop, &conf);
	strcpy(vm.nics[0].ifname, "no-such-tap");
	vm.nics[0].n_eids = 1;
	peers_watch(p, &vm);
	assert_int_equal(peers_watched(p), 0);
	assert_int_equal(peers_collect(p, &vm, out, 8), 0);
	peers_unwatch(p, vm.uuid);
	assert_string_equal(peers_source(p), "off");
	peers_free(p);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_note),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_off),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
