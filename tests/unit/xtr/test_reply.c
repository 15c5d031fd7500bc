/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reply.c - where a Map-Reply goes, how large and how often it may be.
 * RFC 9301 5, 5.4, 5.5.
 */
#include <stdio.h>

#include "ms_fixture.h"

/* 'n' records with one locator each, for who asks for 'asked'. */
static enum err
send_of(struct fixture *f, const char *itr_rloc, const char *asked, unsigned n,
    bool probe)
{
	struct addr from = A("203.0.113.9"), itr = A(itr_rloc), eid = A(asked);
	struct mapping *m = calloc(n, sizeof(*m));
	const struct mapping *list[64];
	const struct datagram dg = {
		.from = from, .port = ask_port, .to = A("192.0.2.100")
	};
	struct map_request q = {
		.probe = probe, .nonce = 5, .n_itr_rlocs = 1, .n_records = 1
	};
	enum err err;

	q.itr_rlocs[0] = lisp_addr_from_addr(&itr);
	q.records[0].eid = lisp_addr_from_addr(&eid);
	q.records[0].eid_bits = 32;
	for (unsigned i = 0; i < n; i++) {
		char prefix[32];

		snprintf(prefix, sizeof(prefix), "10.1.%u.0/24", i);
		record_make(&(const struct record_of){ .eid = prefix,
				.locators = { "192.0.2.1" } },
		    &m[i]);
		list[i] = &m[i];
	}
	fixture_clear(f);
	err = reply_send(&f->x, &dg, &q, list, n, probe);
	input_turn_end(&f->x);
	free(m);
	return err;
}

static enum err
send_n(struct fixture *f, const char *itr_rloc, unsigned n, bool probe)
{
	return send_of(f, itr_rloc, "10.1.0.1", n, probe);
}

static void
several_records_need_no_fragments(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(send_n(f, "203.0.113.9", 19, false), ERR_OK);
	assert_true(f->sent[0].len <= LISP_PAYLOAD_IPV4);
	assert_int_equal(send_n(f, "203.0.113.9", 20, false), ERR_FULL);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(send_n(f, "2001:db8::9", 43, false), ERR_OK);
	assert_true(f->sent[0].len <= LISP_PAYLOAD_IPV6);
	assert_int_equal(send_n(f, "2001:db8::9", 44, false), ERR_FULL);
}

/* One with 255 locators goes all the same: IP fragments it. */
static void
one_record_always_goes(void **state)
{
	struct fixture *f = *state;
	struct addr itr = A("203.0.113.9");
	struct mapping *m = calloc(1, sizeof(*m));
	const struct mapping *const one = m;
	const struct datagram dg = { .from = itr, .port = ask_port };
	struct map_request q = { .n_itr_rlocs = 1, .n_records = 1 };
	struct map_reply reply;

	q.itr_rlocs[0] = lisp_addr_from_addr(&itr);
	q.records[0].eid = q.itr_rlocs[0];
	m->eid = q.itr_rlocs[0];
	m->eid_bits = 32;
	for (unsigned i = 0; i < LISP_LOCATORS_MAX; i++) {
		m->locators[i] = locator_of("192.0.2.1");
		m->locators[i].addr.addr.bytes[3] = (uint8_t)i;
	}
	m->n_locators = LISP_LOCATORS_MAX;
	assert_int_equal(reply_send(&f->x, &dg, &q, &one, 1, false), ERR_OK);
	input_turn_end(&f->x);
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(
	    map_reply_decode(f->sent[0].bytes, f->sent[0].len, &reply), ERR_OK);
	assert_true(records_next(&reply.records, m));
	assert_int_equal(m->n_locators, LISP_LOCATORS_MAX);
	free(m);
}

static void
nowhere_to_send(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "224.0.0.5", "0.0.0.0",
		"255.255.255.255", "::1", "ff02::1", "fe80::1" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(send_n(f, bad[i], 1, false), ERR_SOURCE);
	assert_int_equal(f->n_sent, 0);
}

/* With RLOCs of our own, only their families. */
static void
families_of_our_rlocs(void **state)
{
	struct fixture *f = *state;

	fixture_conf(f,
	    "site: { name: x, rlocs: [ { address: 192.0.2.1 } ] }\n"
	    "dataplane: { kind: none }\n"
	    "map-server: { sites: [ { name: a, key-id: 1, key-file: key-a,\n"
	    "  prefixes: [ { prefix: 10.1.0.0/16 } ] } ] }\n");
	assert_int_equal(send_n(f, "2001:db8::9", 1, false), ERR_SOURCE);
	assert_int_equal(send_n(f, "203.0.113.9", 1, false), ERR_OK);
}

static void
probes_have_a_limit_of_their_own(void **state)
{
	struct fixture *f = *state;
	struct map_reply m;
	unsigned n = 0;

	for (unsigned i = 0; i < 20; i++)
		n += send_n(f, "203.0.113.9", 1, false) == ERR_OK;
	assert_int_equal(n, REPLY_BURST);
	assert_int_equal(f->x.counters.map_reply_limited, 20 - REPLY_BURST);
	for (unsigned i = n = 0; i < 200; i++)
		n += send_n(f, "203.0.113.9", 1, true) == ERR_OK;
	assert_int_equal(n, REPLY_PROBE_BURST);
	pass(f, 1000);
	assert_int_equal(send_n(f, "203.0.113.9", 1, true), ERR_OK);
	assert_int_equal(
	    map_reply_decode(f->sent[0].bytes, f->sent[0].len, &m), ERR_OK);
	assert_true(m.probe);
	assert_int_equal(m.nonce, 5);
	assert_int_equal(f->sent[0].port, ask_port);
}

/*
 * RFC 9301 5.4: Map-Replies are limited, also to an address that a flood of
 * questions for ever other EIDs names as its ITR-RLOC.
 */
static void
other_eids_are_no_way_around(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;
	char eid[32];

	for (unsigned i = 0; i < REPLY_RLOC_BURST + 500; i++) {
		snprintf(eid, sizeof(eid), "10.1.%u.%u", i / 256, i % 256);
		n += send_of(f, "203.0.113.9", eid, 1, false) == ERR_OK;
	}
	assert_int_equal(n, REPLY_RLOC_BURST);
	assert_int_equal(f->x.counters.map_reply_limited, 500);
	assert_int_equal(
	    send_of(f, "203.0.113.10", "10.1.0.1", 1, false), ERR_OK);
	pass(f, 1000);
	for (unsigned i = n = 0; i < 500; i++) {
		snprintf(eid, sizeof(eid), "10.2.%u.%u", i / 256, i % 256);
		n += send_of(f, "203.0.113.9", eid, 1, false) == ERR_OK;
	}
	assert_int_equal(n, REPLY_RLOC_PER_S);
}

/* However many ask. */
static void
probes_have_a_limit_in_all(void **state)
{
	struct fixture *f = *state;
	unsigned n = 0;

	for (unsigned i = 0; i < 2 * REPLY_PROBES_PER_S; i++) {
		char rloc[32];

		snprintf(rloc, sizeof(rloc), "203.%u.%u.9", i >> 8, i & 255);
		n += send_n(f, rloc, 1, true) == ERR_OK;
	}
	assert_int_equal(n, 5000);
	pass(f, 1);
	assert_int_equal(send_n(f, "203.0.113.9", 1, true), ERR_OK);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(several_records_need_no_fragments),
		TEST(one_record_always_goes),
		TEST(nowhere_to_send),
		TEST(families_of_our_rlocs),
		TEST(probes_have_a_limit_of_their_own),
		TEST(other_eids_are_no_way_around),
		TEST(probes_have_a_limit_in_all),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
