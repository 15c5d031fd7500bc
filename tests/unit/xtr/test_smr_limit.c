/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_smr_limit.c - SMRs received: each is obeyed, inside the limits or later.
 * RFC 9301 6.1.
 */
#include "asking.h"

#include "xtr/smr_limit.h"

static void
test_smr_asks_for_the_host(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", "203.0.113.7");
	assert_true(smr(n, "10.2.0.5", "203.0.113.7"));
	assert_int_equal(n_asked(n), 1);
	assert_true(asked(n, 0)->m.smr_invoked);
	assert_int_equal(asked(n, 0)->m.records[0].eid_bits, 32);
	/* By way of the mapping system, never to its sender. */
	assert_string_equal(asked_whom(n, 0), FIRST);
	/* The old entry is used until the answer comes. */
	assert_int_equal(cached(n, "10.2.0.5")->eid.bits, 16);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.5/32", "203.0.113.8");
	assert_int_equal(cached(n, "10.2.0.5")->eid.bits, 32);
	assert_int_equal(cached(n, "10.2.0.6")->eid.bits, 16);
}

static void
test_smr_that_does_not_concern_us(void **state)
{
	struct node *n = *state;

	assert_false(smr(n, "10.2.0.5", "203.0.113.7"));
	store(n, "10.0.0.0/8", "203.0.113.7");
	assert_false(smr(n, "10.1.2.3", "203.0.113.7")); /* ours */
	node_run(n, 5000);
	assert_int_equal(n_asked(n), 0);
}

/* No answer: the SMR alone changes nothing. */
static void
test_smr_unanswered(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", "203.0.113.7");
	smr(n, "10.2.0.5", "203.0.113.7");
	node_run(n, 120000);
	assert_int_equal(cached(n, "10.2.0.5")->locators[0].rloc.bytes[3], 7);
}

/* The message whole, as smr.c reads it; both forms that are in use. */
static void
test_smr_message(void **state)
{
	struct node *n = *state;
	const struct eid moved = E("10.2.0.5"), mine = E("10.1.2.3");
	const struct addr rloc = A("203.0.113.8");

	store(n, "10.2.0.0/16", "203.0.113.7");
	for (unsigned form = 0; form < 2; form++) {
		struct map_request m = { .smr = true,
			.no_reply = true,
			.nonce = 1,
			.n_itr_rlocs = 1,
			.n_records = 1 };
		uint8_t bytes[256];
		struct wire_writer w = wire_writer(bytes, sizeof(bytes));

		m.source_eid = lisp_addr_from_eid(&moved);
		m.itr_rlocs[0] = lisp_addr_from_addr(&rloc);
		m.records[0].eid = lisp_addr_from_eid(form ? &moved : &mine);
		m.records[0].eid_bits = 32;
		map_request_encode(&w, &m);
		assert_int_equal(
		    node_receive(n, "203.0.113.8", bytes, wire_written(&w)),
		    ERR_OK);
		node_run(n, 500);
		assert_int_equal(n_asked(n), form + 1);
		reply(n, asked(n, form)->m.nonce, "10.2.0.5/32", "203.0.113.8");
		node_run(n, 10000);
		/* No second question for the second mention. */
		assert_int_equal(n_asked(n), form + 1);
	}
	assert_int_equal(n->x.counters.smr_received, 2);
	assert_int_equal(n->x.counters.smr_ignored, 0);
}

/* RFC 9301 6.1 and ours: 1/s, burst of 8 per (RLOC, EID), never dropped. */
static void
test_smr_inside_the_limit(void **state)
{
	struct node *n = *state;
	unsigned before;

	store(n, "10.2.0.0/16", "203.0.113.7");
	smr(n, "10.2.0.5", "203.0.113.7");
	reply(n, asked(n, 0)->m.nonce, "10.2.0.5/32", "203.0.113.7");
	node_run(n, 100);
	/* Inside the second: remembered, asked when it is over. */
	smr(n, "10.2.0.5", "203.0.113.7");
	assert_int_equal(n_asked(n), 1);
	assert_int_equal(n->x.counters.smr_delayed, 1);
	node_run(n, 850);
	assert_int_equal(n_asked(n), 1);
	node_run(n, 60);
	assert_int_equal(n_asked(n), 2);
	reply(n, asked(n, 1)->m.nonce, "10.2.0.5/32", "203.0.113.7");

	/* The bucket of this sender and EID: 8, then one per 3 s. */
	for (unsigned i = 2; i < 12; i++) {
		node_run(n, 1000);
		smr(n, "10.2.0.5", "203.0.113.7");
		if (n_asked(n) > i)
			reply(n, asked(n, i)->m.nonce, "10.2.0.5/32",
			    "203.0.113.7");
	}
	before = n_asked(n);
	assert_in_range(before, 9, 11);
	/* Another EID of the same sender is not held back by it. */
	smr(n, "10.2.0.6", "203.0.113.7");
	assert_int_equal(n_asked(n), before + 1);
	/* The last of them is asked for, too. */
	node_run(n, 4000);
	assert_true(n_asked(n) > before + 1);
	assert_true(asked(n, n_asked(n) - 1)->m.smr_invoked);
}

/* While a question is under way: once more after its answer. */
static void
test_smr_during_a_question(void **state)
{
	struct node *n = *state;

	miss(n, "10.2.0.5", 1);
	node_run(n, 100);
	assert_true(smr(n, "10.2.0.5", "203.0.113.7"));
	assert_true(smr(n, "10.2.0.5", "203.0.113.7"));
	assert_int_equal(n_asked(n), 1);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.5/32", "203.0.113.7");
	node_run(n, 1000);
	assert_int_equal(n_asked(n), 2);
	assert_true(asked(n, 1)->m.smr_invoked);
	reply(n, asked(n, 1)->m.nonce, "10.2.0.5/32", "203.0.113.8");
	node_run(n, 10000);
	assert_int_equal(n_asked(n), 2);
}

/* In the hold-off: when it is over. */
static void
test_smr_in_the_hold_off(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", "203.0.113.7");
	smr(n, "10.2.0.5", "203.0.113.7");
	while (!n->x.counters.map_request_given_up)
		node_run(n, 100);
	node_forget_sent(n);
	store(n, "10.2.0.0/16", "203.0.113.7");
	assert_true(smr(n, "10.2.0.5", "203.0.113.7"));
	node_run(n, 29000);
	assert_int_equal(n_asked(n), 0);
	node_run(n, 1500);
	assert_int_equal(n_asked(n), 1);
	assert_true(asked(n, 0)->m.smr_invoked);
}

/* Strangers: one per 3 s and RLOC, whatever the EID; later, not never. */
static void
test_smr_of_strangers(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];

	n->conf.itr.pending_max = 64;
	store(n, "10.2.0.0/16", "203.0.113.7");
	for (unsigned i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "10.2.0.%u", i);
		assert_true(smr(n, text, "203.0.113.66"));
	}
	assert_int_equal(n_asked(n), 1);
	/* A known one of the same EID takes its place. */
	smr(n, "10.2.0.4", "203.0.113.7");
	assert_int_equal(n_asked(n), 2);
	assert_int_equal(asked(n, 1)->eid.addr.bytes[3], 4);
	/* So is one of a configured site. */
	smr(n, "10.2.0.3", "203.0.113.2");
	smr(n, "10.2.0.2", "2001:db8:2::2");
	assert_int_equal(n_asked(n), 4);
	/* The one that is left, in its time. */
	for (unsigned i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "10.2.0.%u/32",
		    asked(n, i)->eid.addr.bytes[3]);
		reply(n, asked(n, i)->m.nonce, text, "203.0.113.7");
	}
	node_run(n, 3900);
	assert_int_equal(n_asked(n), 5);
	assert_int_equal(asked(n, 4)->eid.addr.bytes[3], 1);
}

/* What strangers left waiting goes first when room is needed. */
static void
test_smr_memory_is_bounded(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];

	store(n, "10.0.0.0/8", "203.0.113.7");
	for (unsigned i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "10.2.%u.%u", i / 250, i % 250);
		smr(n, text, "203.0.113.66");
	}
	assert_true(n->x.counters.smr_forgotten > 0);
	assert_int_equal(n_asked(n), 1);
	assert_true(n->x.pending->trie.count <= 16 * (1 + PENDING_SPARE));
	/* Known ones and lookups still find room. */
	smr(n, "10.3.0.1", "203.0.113.7");
	resolve(n, "172.16.0.1");
	assert_int_equal(n_asked(n), 3);
}

/* How many of 'offered' SMRs a tenth of a second, over ten seconds, may ask. */
static unsigned
allowed(struct node *n, bool known, unsigned offered)
{
	unsigned count = 0;

	for (unsigned tenth = 0; tenth < 100; tenth++) {
		for (unsigned i = 0; i < offered; i++) {
			struct lookup l = { .x = &n->x,
				.known = known,
				.eid = E("10.2.0.0/32"),
				.smr_from = A("198.18.0.0") };

			memcpy(l.eid.addr.bytes, &i, 3);
			l.eid.addr.bytes[3] = (uint8_t)tenth;
			memcpy(l.smr_from.bytes, l.eid.addr.bytes, 4);
			count += smr_limit_take(&l, xtr_now(&n->x));
		}
		node_run(n, 100);
	}
	return count;
}

/* All together: 5,000/s, and strangers a tenth of it. */
static void
test_totals(void **state)
{
	struct node *n = *state;

	assert_in_range(allowed(n, true, 8000), 49000, 56000);
	assert_in_range(allowed(n, false, 100), 4900, 5600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_smr_asks_for_the_host),
		TEST(test_smr_that_does_not_concern_us),
		TEST(test_smr_unanswered),
		TEST(test_smr_message),
		TEST(test_smr_inside_the_limit),
		TEST(test_smr_during_a_question),
		TEST(test_smr_in_the_hold_off),
		TEST(test_smr_of_strangers),
		TEST(test_smr_memory_is_bounded),
		TEST(test_totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
