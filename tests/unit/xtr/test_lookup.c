/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lookup.c - whom the ITR asks and when; what becomes of the packets that
 * wait.  RFC 9301 5.2, 5.3, 5.8.
 */
#include "asking.h"

static void
test_request_form(void **state)
{
	struct node *n = *state;
	const struct asked *a;
	const struct eid source = E("10.1.2.3"), wanted = E("10.2.0.5");
	struct eid said;

	miss(n, "10.2.0.5", 1);
	a = asked(n, 0);
	assert_string_equal(asked_whom(n, 0), FIRST);
	assert_true(eid_equal(&a->eid, &wanted));
	assert_int_equal(a->m.records[0].eid_bits, 32);
	assert_true(a->m.nonce != 0);
	assert_false(a->m.smr || a->m.smr_invoked || a->m.probe || a->m.pitr);
	/* Both families, in the order of the configuration. */
	assert_int_equal(a->m.n_itr_rlocs, 2);
	assert_true(addr_equal(&a->m.itr_rlocs[0].addr, &n->rlocs[0].address));
	assert_true(addr_equal(&a->m.itr_rlocs[1].addr, &n->rlocs[1].address));
	assert_int_equal(lisp_addr_eid(&a->m.source_eid, 32, &said), ERR_OK);
	assert_true(eid_equal(&said, &source));
	/* RFC 9301 5.8: inner destination the EID, source an RLOC. */
	assert_true(addr_equal(&a->ecm.destination, &a->eid.addr));
	assert_true(addr_equal(&a->ecm.source, &n->rlocs[0].address));
	assert_int_equal(a->ecm.destination_port, LISP_CONTROL_PORT);
}

/* RFC 9301 5: no fragments; 5.3: one ITR-RLOC of each family at least. */
static void
test_request_of_many_rlocs(void **state)
{
	struct node *n = *state;
	struct conf_rloc rlocs[LISP_LOCATORS_MAX] = { 0 };
	const struct conf_list kept = n->conf.site.rlocs;
	const struct asked *a;
	const struct sent *s;

	for (unsigned i = 0; i < LISP_LOCATORS_MAX; i++) {
		rlocs[i].address = A(i < 200 ? "2001:db8::" : "192.0.2.0");
		rlocs[i].address.bytes[i < 200 ? 15 : 3] = (uint8_t)(i + 1);
	}
	n->conf.site.rlocs = (struct conf_list){ rlocs, LISP_LOCATORS_MAX };
	miss(n, "10.2.0.5", 1);
	a = asked(n, 0);
	s = node_sent(n, LISP_MAP_REQUEST, 0);
	assert_true(s->len <= LISP_PAYLOAD_IPV4);
	assert_int_equal(a->m.n_itr_rlocs, 16);
	assert_true(addr_equal(&a->m.itr_rlocs[0].addr, &rlocs[0].address));
	assert_true(addr_equal(&a->m.itr_rlocs[15].addr, &rlocs[200].address));
	n->conf.site.rlocs = kept;
}

/* An IPv6 EID asked by an IPv4-only ITR: no RLOC of its family. */
static void
test_inner_source_of_other_family(void **state)
{
	struct node *n = *state;
	const struct eid source = E("2001:db8:e::1"), eid = E("2001:db8:f::1");
	const uint8_t packet[40] = { 0x60 };
	static const uint8_t zero[16];

	n->conf.site.rlocs.n = 1;
	itr_on_miss(&n->x, &eid, &source, packet, sizeof(packet));
	assert_true(addr_equal(&asked(n, 0)->ecm.source, &source.addr));
	resolve(n, "2001:db8:f::2");
	assert_int_equal(asked(n, 1)->ecm.source.afi, AFI_IPV6);
	assert_memory_equal(asked(n, 1)->ecm.source.bytes, zero, 16);
	assert_int_equal(asked(n, 1)->m.source_eid.addr.afi, AFI_NONE);
}

/* RFC 9301 5.2: the p bit of a PITR, whose senders are no EIDs. */
static void
test_proxy_itr(void **state)
{
	struct node *n = *state;
	struct eid space = E("10.2.0.0/16");
	const struct eid outside = E("198.18.0.5"), eid = E("10.2.0.6"),
			 ours = E("10.1.2.3");
	const uint8_t packet[32] = { 0x45 };
	struct eid said;

	n->conf.proxy.pitr = true;
	n->conf.proxy.eid_space = (struct conf_list){ &space, 1 };
	itr_on_miss(&n->x, &eid, &outside, packet, sizeof(packet));
	assert_true(asked(n, 0)->m.pitr);
	assert_int_equal(asked(n, 0)->m.source_eid.addr.afi, AFI_NONE);
	resolve(n, "10.2.0.7");
	assert_true(asked(n, 1)->m.pitr);
	/* An EID of its own asks as any ITR does. */
	miss(n, "10.2.0.8", 1);
	assert_false(asked(n, 2)->m.pitr);
	assert_int_equal(
	    lisp_addr_eid(&asked(n, 2)->m.source_eid, 32, &said), ERR_OK);
	assert_true(eid_equal(&said, &ours));
}

/* RFC 9301 5.3: the limit is once a second and prefix, whoever asks. */
static void
test_once_a_second(void **state)
{
	struct node *n = *state;
	const struct eid eid = E("10.2.0.5");

	for (unsigned i = 0; i < 20; i++) {
		miss(n, "10.2.0.5", 1);
		resolve(n, "10.2.0.5");
		node_run(n, 49);
	}
	assert_int_equal(n_asked(n), 1);
	node_run(n, 30);
	assert_int_equal(n_asked(n), 2);
	/* An answer does not lift it. */
	assert_int_equal(
	    reply(n, asked(n, 1)->m.nonce, "10.2.0.5/32", NULL), ERR_OK);
	map_cache_remove(&n->x, &eid);
	miss(n, "10.2.0.5", 1);
	assert_int_equal(n_asked(n), 2);
	node_run(n, 1000);
	assert_int_equal(n_asked(n), 3);
	/* Another EID has its own. */
	miss(n, "10.2.0.6", 1);
	assert_int_equal(n_asked(n), 4);
}

static void
test_fail_over(void **state)
{
	struct node *n = *state;

	resolve(n, "10.2.0.5");
	node_run(n, 3000);
	assert_int_equal(n_asked(n), 4);
	assert_string_equal(asked_whom(n, 0), FIRST);
	assert_string_equal(asked_whom(n, 1), SECOND);
	assert_string_equal(asked_whom(n, 2), LAB);
	assert_string_equal(asked_whom(n, 3), FIRST);
	/* Each with a nonce of its own, RFC 9301 5.2. */
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = i + 1; j < 4; j++) {
			const uint64_t nonce = asked(n, i)->m.nonce;

			assert_true(nonce != asked(n, j)->m.nonce);
		}
	assert_int_equal(n->x.counters.map_request_sent, 1);
	assert_int_equal(n->x.counters.map_request_retried, 3);
	/* The one that answered is asked first from now on. */
	reply(n, asked(n, 1)->m.nonce, "10.2.0.5/32", "203.0.113.7");
	resolve(n, "10.2.0.6");
	assert_string_equal(asked_whom(n, 4), SECOND);
	node_run(n, 1000);
	assert_string_equal(asked_whom(n, 5), FIRST);
}

/* An EID in a prefix of ours: its own mapping system first. */
static void
test_own_mapping_system_first(void **state)
{
	struct node *n = *state;

	n->mobile[0].systems.list = n->lab;
	resolve(n, "10.1.1.77");
	node_run(n, 1000);
	assert_string_equal(asked_whom(n, 0), LAB);
	assert_string_equal(asked_whom(n, 1), FIRST);
}

/* The EID space of a mapping system: asked there only, the longest wins. */
static void
test_eid_space(void **state)
{
	struct node *n = *state;
	struct eid corp[] = { E("10.0.0.0/8") }, lab[] = { E("10.2.0.0/16") };

	n->systems[0].eid_space = (struct conf_list){ corp, 1 };
	n->systems[1].eid_space = (struct conf_list){ lab, 1 };
	resolve(n, "10.2.0.5");
	node_run(n, 2000);
	assert_int_equal(n_asked(n), 2);
	assert_string_equal(asked_whom(n, 0), LAB);
	assert_string_equal(asked_whom(n, 1), LAB);
	resolve(n, "10.3.0.5");
	assert_string_equal(asked_whom(n, 2), FIRST);
	/* In nobody's, and both have one: there is nobody to ask. */
	resolve(n, "172.16.0.5");
	assert_int_equal(n_asked(n), 3);
	n->systems[1].eid_space.n = 0;
	resolve(n, "172.16.0.5");
	assert_string_equal(asked_whom(n, 3), LAB);
}

/* Ten retransmissions, then thirty seconds of silence. */
static void
test_hold_off(void **state)
{
	struct node *n = *state;
	struct mono gave_up;

	resolve(n, "10.2.0.5");
	while (!n->x.counters.map_request_given_up)
		node_run(n, 100);
	gave_up = xtr_now(&n->x);
	assert_int_equal(n_asked(n), 11);
	assert_int_equal(pending_count(n->x.pending), 0);
	node_forget_sent(n);
	while (mono_diff_us(xtr_now(&n->x), gave_up) < 29500000) {
		miss(n, "10.2.0.5", 1);
		node_run(n, 500);
	}
	assert_int_equal(n_asked(n), 0);
	node_run(n, 700);
	assert_int_equal(n_asked(n), 1);
}

/* A late answer ends the hold-off: the mapping system is there. */
static void
test_answer_in_the_hold_off(void **state)
{
	struct node *n = *state;
	const struct eid eid = E("10.2.0.5");

	resolve(n, "10.2.0.5");
	while (!n->x.counters.map_request_given_up)
		node_run(n, 100);
	assert_int_equal(
	    reply(n, asked(n, 10)->m.nonce, "10.2.0.5/32", "203.0.113.7"),
	    ERR_OK);
	assert_non_null(cached(n, "10.2.0.5"));
	map_cache_remove(&n->x, &eid);
	resolve(n, "10.2.0.5");
	node_run(n, 10);
	assert_int_equal(n_asked(n), 12);
}

static void
test_backoff(void **state)
{
	struct node *n = *state;

	n->conf.mapping_systems.n = 1;
	n->systems[0].map_resolvers.n = 1;
	resolve(n, "10.2.0.5");
	node_run(n, 1000); /* +1 */
	assert_int_equal(n_asked(n), 2);
	node_run(n, 1900);
	assert_int_equal(n_asked(n), 2);
	node_run(n, 200); /* +2 */
	assert_int_equal(n_asked(n), 3);
	node_run(n, 3800);
	assert_int_equal(n_asked(n), 3);
	node_run(n, 200); /* +4 */
	assert_int_equal(n_asked(n), 4);
}

static void
test_own_eids_not_asked_for(void **state)
{
	struct node *n = *state;

	miss(n, "10.1.2.3", 1);
	resolve(n, "10.9.0.1");
	resolve(n, "10.1.1.5"); /* static host of the mobile prefix */
	assert_int_equal(n_asked(n), 0);
	/* An address of the mobile prefix is ours only if it lives here. */
	resolve(n, "10.1.1.77");
	assert_int_equal(n_asked(n), 1);
}

static void
test_bounds(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "10.2.0.%u", i);
		resolve(n, text);
	}
	assert_int_equal(pending_count(n->x.pending), 16);
	assert_int_equal(n_asked(n), 16);
	assert_int_equal(n->x.counters.map_request_refused, 24);
}

/* One host inside the site cannot use up all lookups. */
static void
test_bound_per_source(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];

	n->conf.itr.pending_max = 1000;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "10.2.0.%u", i);
		miss(n, text, 1);
	}
	assert_int_equal(n_asked(n), PENDING_PER_SOURCE);
	resolve(n, "10.3.0.1");
	assert_int_equal(n_asked(n), PENDING_PER_SOURCE + 1);
	/* They are given back by the answer. */
	reply(n, asked(n, 0)->m.nonce, "10.2.0.0/32", "203.0.113.7");
	miss(n, "10.3.0.2", 1);
	assert_int_equal(n_asked(n), PENDING_PER_SOURCE + 2);
}

static void
test_packets_wait_and_go_in_order(void **state)
{
	struct node *n = *state;

	for (uint8_t i = 1; i <= 5; i++) {
		miss(n, "10.2.0.5", i);
		node_run(n, 10);
	}
	assert_int_equal(n->x.counters.data_queued, 5);
	assert_int_equal(n->n_forwarded, 0);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.0/24", "203.0.113.7");
	assert_int_equal(n->n_forwarded, 5);
	for (uint8_t i = 0; i < 5; i++) {
		assert_int_equal(n->forwarded[i].mark, i + 1);
		assert_int_equal(n->forwarded[i].rloc.bytes[3], 7);
	}
	assert_int_equal(n->x.pending->bytes, 0);
}

static void
test_packet_bounds(void **state)
{
	struct node *n = *state;

	for (uint8_t i = 1; i <= 12; i++)
		miss(n, "10.2.0.5", i);
	assert_int_equal(n->x.counters.data_drop_miss, 4);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.0/24", "203.0.113.7");
	/* The oldest went. */
	assert_int_equal(n->n_forwarded, 8);
	assert_int_equal(n->forwarded[0].mark, 5);
}

static void
test_packets_do_not_wait_for_ever(void **state)
{
	struct node *n = *state;

	miss(n, "10.2.0.5", 1);
	node_run(n, 500);
	miss(n, "10.2.0.5", 2);
	node_run(n, 499);
	assert_int_equal(n->x.counters.data_drop_unanswered, 0);
	node_run(n, 2);
	assert_int_equal(n->x.counters.data_drop_unanswered, 1);
	node_run(n, 300);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.0/24", "203.0.113.7");
	assert_int_equal(n->n_forwarded, 1);
	assert_int_equal(n->forwarded[0].mark, 2);
}

/* The answer for one EID serves the packets of another one in its prefix. */
static void
test_one_answer_serves_all(void **state)
{
	struct node *n = *state;

	miss(n, "10.2.0.5", 5);
	miss(n, "10.2.0.6", 6);
	miss(n, "10.3.0.7", 7);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.0/24", "203.0.113.7");
	assert_int_equal(n->n_forwarded, 2);
	assert_int_equal(n->forwarded[1].mark, 6);
	assert_int_equal(pending_count(n->x.pending), 1);
}

/* Send-Map-Request: the queue is not turned round for ever. */
static void
test_answer_send_map_request(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.5/32", 1, NULL);

	m.action = LISP_SEND_MAP_REQUEST;
	miss(n, "10.2.0.5", 1);
	miss(n, "10.2.0.5", 2);
	reply_many(n, asked(n, 0)->m.nonce, &m, 1);
	assert_int_equal(n->x.counters.data_drop_negative, 2);
	assert_int_equal(n_asked(n), 1);
	/* The next packet asks, once the second is over. */
	miss(n, "10.2.0.5", 3);
	assert_int_equal(n_asked(n), 1);
	node_run(n, 999);
	assert_int_equal(n_asked(n), 1);
	node_run(n, 2);
	assert_int_equal(n_asked(n), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request_form),
		TEST(test_request_of_many_rlocs),
		TEST(test_inner_source_of_other_family),
		TEST(test_proxy_itr),
		TEST(test_once_a_second),
		TEST(test_fail_over),
		TEST(test_own_mapping_system_first),
		TEST(test_eid_space),
		TEST(test_hold_off),
		TEST(test_answer_in_the_hold_off),
		TEST(test_backoff),
		TEST(test_own_eids_not_asked_for),
		TEST(test_bounds),
		TEST(test_bound_per_source),
		TEST(test_packets_wait_and_go_in_order),
		TEST(test_packet_bounds),
		TEST(test_packets_do_not_wait_for_ever),
		TEST(test_one_answer_serves_all),
		TEST(test_answer_send_map_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
