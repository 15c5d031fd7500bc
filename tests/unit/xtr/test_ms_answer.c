/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_answer.c - what Map-Server and Map-Resolver say to a Map-Request.
 * RFC 9301 5.5, 8.3, 8.4.
 */
#include "ms_fixture.h"

/* The configuration of the holes' example: 10/8 and 172.16/12. */
static const char holes_yaml[] =
    "map-server:\n"
    "  sites:\n"
    "    - { name: a, key-id: 1, key-file: key-a, prefixes: [\n"
    "        { prefix: 10.0.0.0/8, accept-more-specifics: true },\n"
    "        { prefix: 172.16.0.0/12 } ] }\n";

static void
put(struct fixture *f, const char *eid, bool proxy)
{
	assert_int_equal(REG(f, .proxy = proxy, .no_notify = true,
			     .records = { { .eid = eid,
				 .locators = { "192.0.2.1" },
				 .local = true } }),
	    ERR_OK);
}

/* The ECM just sent, the only message; checks that the request is unchanged. */
static struct ecm
forward_sent(struct fixture *f, const char *to)
{
	struct map_request m;
	struct ecm ecm;

	assert_int_equal(f->n_sent, 1);
	assert_true(
	    addr_equal(&f->sent[0].to, &(const struct addr[]){ A(to) }[0]));
	assert_int_equal(f->sent[0].port, LISP_CONTROL_PORT);
	assert_int_equal(
	    ecm_decode(f->sent[0].bytes, f->sent[0].len, &ecm), ERR_OK);
	assert_int_equal(
	    map_request_decode(ecm.payload, ecm.payload_len, &m), ERR_OK);
	assert_int_equal(m.nonce, 77);
	assert_int_equal(ecm.source_port, ask_port);
	assert_int_equal(ecm.destination_port, LISP_CONTROL_PORT);
	return ecm;
}

static void
probes_and_smrs_are_dropped(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.0.0/16", true);
	assert_int_equal(ASK(f, .eid = "10.1.1.1", .probe = true), ERR_POLICY);
	assert_int_equal(ASK(f, .eid = "10.1.1.1", .smr = true), ERR_POLICY);
	assert_int_equal(f->n_sent, 0);
}

static void
no_configured_prefix(void **state)
{
	struct fixture *f = *state;

	fixture_conf(f, holes_yaml);
	expect_reply(f, "8.8.8.8", "8.0.0.0/7 15 act1");
	expect_reply(f, "192.0.2.1", "192.0.0.0/2 15 act1");
	expect_reply(f, "172.32.0.1", "172.32.0.0/11 15 act1");
	expect_reply(f, "2001:db8::1", "::/0 15 act1");
	expect_reply(f, "[5]10.0.0.1", "[5]0.0.0.0/0 15 act1");
}

static void
configured_but_not_registered(void **state)
{
	struct fixture *f = *state;

	fixture_conf(f, holes_yaml);
	expect_reply(f, "10.1.2.3", "10.0.0.0/8 1 act1");
	expect_reply(f, "172.16.0.1", "172.16.0.0/12 1 act1");
	/* Least specific part in which nothing is registered. */
	put(f, "10.128.0.0/16", true);
	put(f, "10.65.0.0/16", true);
	expect_reply(f, "10.1.2.3", "10.0.0.0/10 1 act1");
	expect_reply(f, "10.64.0.1", "10.64.0.0/16 1 act1");
}

static void
mobile_prefixes_are_asked_host_by_host(void **state)
{
	struct fixture *f = *state;

	expect_reply(f, "10.7.1.5", "10.7.1.5/32 1 act2");
	expect_reply(f, "10.7.2.9", "10.7.2.0/23 1 act1");
	put(f, "10.7.1.6", true);
	expect_reply(f, "10.7.1.5", "10.7.1.5/32 1 act2");
	/* A shorter prefix's answer does not cover the mobile one. */
	expect_reply(f, "10.7.2.1", "10.7.2.0/23 1 act1");
	expect_reply(f, "10.7.0.9", "10.7.0.0/24 1 act1");
}

/* A registered shorter prefix does not answer for a configured longer one. */
static void
longest_configured_prefix_decides(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f, .key = "secret of c", .key_id = 3,
			     .from = "192.0.2.3", .proxy = true,
			     .records = { { .eid = "10.7.0.0/16",
				 .locators = { "192.0.2.3" } } }),
	    ERR_OK);
	expect_reply(f, "10.7.1.5", "10.7.1.5/32 1 act2");
	/* And does not cover it. */
	expect_reply(f, "10.7.2.5", "10.7.2.0/23 1440 192.0.2.3/1/100");
	expect_reply(f, "10.7.200.5", "10.7.128.0/17 1440 192.0.2.3/1/100");
}

static void
proxy_reply(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    REG(f, .proxy = true,
		.records = { { .eid = "10.1.0.0/16",
		    .locators = { "192.0.2.1", "-198.51.100.1/2/50" },
		    .local = true,
		    .ttl_min = 33 } }),
	    ERR_OK);
	/* A = 0, L = 0, the TTL and the R bits as registered. */
	expect_reply(
	    f, "10.1.2.3", "10.1.0.0/16 33 192.0.2.1/1/100 -198.51.100.1/2/50");
	/* Also for a question that is not of host length. */
	expect_reply(f, "10.1.4.0/24",
	    "10.1.0.0/16 33 192.0.2.1/1/100 -198.51.100.1/2/50");
}

static void
forwarded_to_the_registrant(void **state)
{
	struct fixture *f = *state;
	struct ecm ecm;

	assert_int_equal(
	    REG(f, .from = "192.0.2.7",
		.records = { { .eid = "10.1.0.0/16",
		    .locators = { "192.0.2.1", "192.0.2.7/2" } } }),
	    ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	ecm = forward_sent(f, "192.0.2.7");
	assert_true(addr_equal(
	    &ecm.destination, &(const struct addr[]){ A("10.1.2.3") }[0]));
	assert_true(addr_equal(
	    &ecm.source, &(const struct addr[]){ A("203.0.113.9") }[0]));
	assert_int_equal(f->x.counters.map_request_forwarded, 1);
}

static void
forwarded_to_a_usable_locator(void **state)
{
	struct fixture *f = *state;

	/* The registrant's own is down; 255 is none; the best of the rest. */
	assert_int_equal(REG(f, .from = "192.0.2.1",
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "-192.0.2.1", "192.0.2.2/255",
				     "192.0.2.3/9", "192.0.2.4/8" } } }),
	    ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	forward_sent(f, "192.0.2.4");
	/* Nor is a registrant that must not be used. */
	assert_int_equal(
	    REG(f, .from = "192.0.2.1",
		.records = { { .eid = "10.1.0.0/16",
		    .locators = { "192.0.2.1/255", "192.0.2.4/8" } } }),
	    ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	forward_sent(f, "192.0.2.4");
	/* No usable one: whoever registered. */
	assert_int_equal(REG(f, .from = "192.0.2.9",
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "-192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	forward_sent(f, "192.0.2.9");
}

static void
forwarded_over_the_other_family(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f, .from = "2001:db8:f::1",
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "2001:db8:f::1" } } }),
	    ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	forward_sent(f, "2001:db8:f::1");
}

static void
authoritative_is_asked_of_the_etr(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.0.0/16", true);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.3", .authoritative = true), ERR_OK);
	forward_sent(f, "192.0.2.1");
}

static void
own_etr_is_asked_directly(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	fixture_conf(f,
	    "site: { name: x, rlocs: [ { address: 192.0.2.1 } ] }\n"
	    "dataplane: { kind: none }\n"
	    "map-server: { sites: [ { name: a, key-id: 1, key-file: key-a,\n"
	    "  prefixes: [ { prefix: 10.1.0.0/16 } ] } ] }\n");
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_NOT_FOUND);
	assert_int_equal(f->n_sent, 0);
}

/* The example of RFC 9301 5.5. */
static void
more_specifics_go_along(void **state)
{
	static const char *const eids[] = { "2001:db8::/32", "2001:db8:1::/48",
		"2001:db8:1:1::/64", "2001:db8:1:2::/64" };
	struct fixture *f = *state;
	struct map_reply m;

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(REG(f, .proxy = true,
				     .records = { { .eid = eids[i],
					 .locators = { "192.0.2.1" },
					 .ttl_min = 100 + i } }),
		    ERR_OK);
	expect_reply(
	    f, "2001:db8:1:1::1", "2001:db8:1:1::/64 102 192.0.2.1/1/100");
	assert_int_equal(ASK(f, .eid = "2001:db8:1:5::5"), ERR_OK);
	m = reply_sent(f, "203.0.113.9");
	assert_int_equal(m.n_records, 3);
	/* All at the same TTL. */
	assert_string_equal(
	    record_text(&m.records), "2001:db8:1::/48 101 192.0.2.1/1/100");
	assert_string_equal(
	    record_text(&m.records), "2001:db8:1:1::/64 101 192.0.2.1/1/100");
	assert_string_equal(
	    record_text(&m.records), "2001:db8:1:2::/64 101 192.0.2.1/1/100");
}

static void
narrowed_when_they_do_not_fit(void **state)
{
	struct fixture *f = *state;
	char eid[32];

	put(f, "10.1.0.0/16", true);
	/* 548 octets hold 19 records of 28. */
	for (unsigned i = 1; i <= 18; i++) {
		snprintf(eid, sizeof(eid), "10.1.%u.0/24", i);
		put(f, eid, true);
	}
	assert_int_equal(ASK(f, .eid = "10.1.200.5"), ERR_OK);
	assert_int_equal(reply_sent(f, "203.0.113.9").n_records, 19);
	put(f, "10.1.19.0/24", true);
	expect_reply(f, "10.1.200.5", "10.1.128.0/17 1440 192.0.2.1/1/100");
	expect_reply(f, "10.1.0.5", "10.1.0.0/24 1440 192.0.2.1/1/100");
	expect_reply(f, "10.1.21.5", "10.1.20.0/22 1440 192.0.2.1/1/100");
	/* Over IPv6 more do. */
	assert_int_equal(
	    ASK(f, .eid = "10.1.200.5", .itr_rlocs = { "2001:db8:f::9" }),
	    ERR_OK);
	assert_int_equal(reply_sent(f, "2001:db8:f::9").n_records, 20);
}

/* We do not answer for an ETR that did not ask for it. */
static void
narrowed_around_what_is_not_proxied(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.0.0/16", true);
	put(f, "10.1.1.10", false);
	expect_reply(f, "10.1.1.11", "10.1.1.11/32 1440 192.0.2.1/1/100");
	expect_reply(f, "10.1.1.200", "10.1.1.128/25 1440 192.0.2.1/1/100");
	assert_int_equal(ASK(f, .eid = "10.1.1.10"), ERR_OK);
	forward_sent(f, "192.0.2.1");
}

static void
reply_goes_to_the_first_usable_itr_rloc(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.0.0/16", true);
	assert_int_equal(ASK(f, .eid = "10.1.0.1",
			     .itr_rlocs = { "224.0.0.1", "127.0.0.1",
				 "198.51.100.7", "198.51.100.8" }),
	    ERR_OK);
	reply_sent(f, "198.51.100.7");
	/* With both families: the one the question came in. */
	assert_int_equal(ASK(f, .eid = "10.1.0.2",
			     .itr_rlocs = { "2001:db8:f::9", "198.51.100.7" }),
	    ERR_OK);
	reply_sent(f, "198.51.100.7");
	assert_int_equal(ASK(f, .eid = "10.1.0.3", .from = "2001:db8:f::9",
			     .itr_rlocs = { "198.51.100.7", "2001:db8:f::9" }),
	    ERR_OK);
	reply_sent(f, "2001:db8:f::9");
}

static void
replies_are_limited_per_rloc_and_eid(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.0.0/16", true);
	for (unsigned i = 0; i < REPLY_BURST; i++)
		assert_int_equal(ASK(f, .eid = "10.1.0.1"), ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.0.1"), ERR_RATE);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(ASK(f, .eid = "10.1.0.2"), ERR_OK);
	assert_int_equal(
	    ASK(f, .eid = "10.1.0.1", .itr_rlocs = { "198.51.100.7" }), ERR_OK);
	pass(f, 3000);
	assert_int_equal(ASK(f, .eid = "10.1.0.1"), ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.0.1"), ERR_RATE);
}

static void
resolver_forwards_what_is_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct ecm ecm;

	fixture_conf(f,
	    "map-server: { sites: [ { name: a, key-id: 1, key-file: key-a,\n"
	    "  prefixes: [ { prefix: 10.1.0.0/16 } ] } ] }\n"
	    "map-resolver: { forward-to: [ 198.51.100.1, 198.51.100.2 ] }\n");
	put(f, "10.1.0.0/16", true);
	assert_int_equal(ASK(f, .eid = "10.9.0.1"), ERR_OK);
	ecm = forward_sent(f, "198.51.100.2"); /* 77 is odd */
	assert_true(addr_equal(
	    &ecm.destination, &(const struct addr[]){ A("10.9.0.1") }[0]));
	/* Asked again, with another nonce: another one. */
	assert_int_equal(ASK(f, .eid = "10.9.0.1", .nonce = 78), ERR_OK);
	assert_true(addr_equal(
	    &f->sent[0].to, &(const struct addr[]){ A("198.51.100.1") }[0]));
	/* What we have we answer. */
	expect_reply(f, "10.1.0.1", "10.1.0.0/16 1440 192.0.2.1/1/100");
}

/* RFC 9301 9: what is passed on for one ITR-RLOC costs tokens, too. */
static void
forwarding_is_limited(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.0.0/16", false);
	for (unsigned i = 0; i < REPLY_BURST; i++)
		assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_RATE);
	assert_int_equal(f->x.counters.map_request_forwarded, REPLY_BURST);
	assert_int_equal(f->x.counters.map_request_limited, 1);
	assert_int_equal(ASK(f, .eid = "10.1.2.4"), ERR_OK); /* another EID */
	clock_advance(&f->clock, REPLY_INTERVAL_S * 1000000);
	loop_poll(f->loop);
	assert_int_equal(ASK(f, .eid = "10.1.2.3"), ERR_OK);
	/* A Map-Resolver by itself. */
	fixture_conf(f, "map-resolver: { forward-to: [ 198.51.100.1 ] }\n");
	for (unsigned i = 0; i < REPLY_BURST; i++)
		assert_int_equal(ASK(f, .eid = "10.9.9.9"), ERR_OK);
	assert_int_equal(ASK(f, .eid = "10.9.9.9"), ERR_RATE);
}

static void
resolver_alone_forwards_all(void **state)
{
	struct fixture *f = *state;

	fixture_conf(f, "map-resolver: { forward-to: [ 198.51.100.1 ] }\n");
	assert_int_equal(ASK(f, .eid = "10.1.0.1"), ERR_OK);
	forward_sent(f, "198.51.100.1");
	assert_int_equal(
	    REG(f, .records = { { .eid = "10.1.0.0/16" } }), ERR_ROLE);
}

static void
unknown_eids_are_refused(void **state)
{
	struct fixture *f = *state;
	static const uint8_t name[] = { 0, 17, 'x', 0 };
	struct addr itr = A("203.0.113.9");
	struct map_request m = { .n_records = 1, .n_itr_rlocs = 1 };
	const struct datagram dg = { .from = itr };

	m.itr_rlocs[0] = lisp_addr_from_addr(&itr);
	m.records[0].eid =
	    (struct lisp_addr){ .opaque = name, .opaque_len = sizeof(name) };
	assert_int_equal(
	    map_server_on_map_request(&f->x, &dg, &m), ERR_UNSUPPORTED);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probes_and_smrs_are_dropped),
		TEST(no_configured_prefix),
		TEST(configured_but_not_registered),
		TEST(mobile_prefixes_are_asked_host_by_host),
		TEST(longest_configured_prefix_decides),
		TEST(proxy_reply),
		TEST(forwarded_to_the_registrant),
		TEST(forwarded_to_a_usable_locator),
		TEST(forwarded_over_the_other_family),
		TEST(authoritative_is_asked_of_the_etr),
		TEST(own_etr_is_asked_directly),
		TEST(more_specifics_go_along),
		TEST(narrowed_when_they_do_not_fit),
		TEST(narrowed_around_what_is_not_proxied),
		TEST(reply_goes_to_the_first_usable_itr_rloc),
		TEST(replies_are_limited_per_rloc_and_eid),
		TEST(resolver_forwards_what_is_elsewhere),
		TEST(resolver_alone_forwards_all),
		TEST(forwarding_is_limited),
		TEST(unknown_eids_are_refused),
	};

	return cmocka_run_group_tests_name("ms_answer", tests, NULL, NULL);
}
