/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_itr.c - which Map-Replies the ITR believes, and what they change.  RFC
 * 9301 5.4, 5.5.
 */
#include "asking.h"

static void
test_answer_is_stored(void **state)
{
	struct node *n = *state;

	resolve(n, "10.2.0.5");
	assert_int_equal(
	    reply(n, asked(n, 0)->m.nonce, "10.2.0.0/24", "203.0.113.7"),
	    ERR_OK);
	assert_int_equal(cached(n, "10.2.0.9")->eid.bits, 24);
	assert_int_equal(n->n_changed, 1);
	node_run(n, 60000);
	assert_int_equal(n_asked(n), 1);
	/* Cached: nothing to ask. */
	resolve(n, "10.2.0.5");
	assert_int_equal(n_asked(n), 1);
}

static void
test_unknown_nonce(void **state)
{
	struct node *n = *state;
	uint64_t nonce;

	resolve(n, "10.2.0.5");
	nonce = asked(n, 0)->m.nonce;
	assert_int_equal(
	    reply(n, nonce + 1, "10.2.0.0/24", "203.0.113.7"), ERR_NONCE);
	assert_null(cached(n, "10.2.0.5"));
	assert_int_equal(reply(n, nonce, "10.2.0.0/24", "203.0.113.7"), ERR_OK);
	/* Once: a copy of it is not outstanding any more. */
	assert_int_equal(
	    reply(n, nonce, "10.2.0.0/24", "203.0.113.66"), ERR_NONCE);
	assert_int_equal(cached(n, "10.2.0.5")->locators[0].rloc.bytes[3], 7);
}

/* The last four nonces are good, the fifth is not. */
static void
test_late_answers(void **state)
{
	struct node *n = *state;
	uint64_t first, second;

	resolve(n, "10.2.0.5");
	node_run(n, 5000);
	assert_int_equal(n_asked(n), 5);
	first = asked(n, 0)->m.nonce;
	second = asked(n, 1)->m.nonce;
	assert_int_not_equal(first, second);
	assert_int_equal(
	    reply(n, first, "10.2.0.0/24", "203.0.113.7"), ERR_NONCE);
	assert_int_equal(
	    reply(n, second, "10.2.0.0/24", "203.0.113.7"), ERR_OK);
}

/* RFC 9301 5.5; security: a record must cover what was asked. */
static void
test_record_must_cover(void **state)
{
	struct node *n = *state;
	uint64_t nonce;

	resolve(n, "10.2.0.5");
	nonce = asked(n, 0)->m.nonce;
	assert_int_equal(
	    reply(n, nonce, "10.3.0.0/24", "203.0.113.7"), ERR_POLICY);
	assert_int_equal(
	    reply(n, nonce, "[7]10.2.0.0/24", "203.0.113.7"), ERR_POLICY);
	assert_null(cached(n, "10.3.0.1"));
	assert_int_equal(n->x.counters.map_reply_ignored, 2);
	/* The question is still open. */
	assert_int_equal(reply(n, nonce, "10.2.0.0/24", "203.0.113.7"), ERR_OK);
}

/* Asked for a /24, a /25 is no answer. */
static void
test_mask_not_longer_than_asked(void **state)
{
	struct node *n = *state;
	const struct eid prefix = E("10.2.0.0/24");

	store(n, "10.2.0.0/24", "203.0.113.7");
	itr_refresh(&n->x, &prefix);
	assert_int_equal(asked(n, 0)->m.records[0].eid_bits, 24);
	assert_int_equal(asked(n, 0)->m.source_eid.addr.afi, AFI_NONE);
	assert_int_equal(
	    reply(n, asked(n, 0)->m.nonce, "10.2.0.0/25", "203.0.113.7"),
	    ERR_POLICY);
}

/* Of several records that cover the EID the longest is the answer. */
static void
test_longest_record_answers(void **state)
{
	struct node *n = *state;
	const struct eid host = E("10.2.1.5");
	const struct mapping list[] = {
		node_mapping("10.2.0.0/16", 10, "203.0.113.7"),
		node_mapping("10.2.1.0/24", 10, "203.0.113.8"),
		node_mapping("10.0.0.0/8", 10, "203.0.113.66"),
	};

	resolve(n, "10.2.1.5");
	assert_int_equal(reply_many(n, asked(n, 0)->m.nonce, list, 3), ERR_OK);
	assert_int_equal(map_cache_match(n->x.map_cache, &host)->eid.bits, 24);
	/* The others do not lie inside it. */
	assert_int_equal(map_cache_count(n->x.map_cache), 1);
}

/* More-specifics come along; what lies outside of the answer does not. */
static void
test_overlap(void **state)
{
	struct node *n = *state;
	const struct mapping list[] = {
		node_mapping("10.2.1.0/24", 10, "203.0.113.8"),
		node_mapping("10.2.0.0/16", 10, "203.0.113.7"),
		node_mapping("10.3.0.0/16", 10, "203.0.113.66"),
		node_mapping("10.2.2.0/24", 10, "203.0.113.9"),
	};

	resolve(n, "10.2.7.5");
	assert_int_equal(reply_many(n, asked(n, 0)->m.nonce, list, 4), ERR_OK);
	assert_int_equal(map_cache_count(n->x.map_cache), 3);
	assert_int_equal(cached(n, "10.2.7.5")->eid.bits, 16);
	assert_int_equal(cached(n, "10.2.1.1")->eid.bits, 24);
	assert_null(cached(n, "10.3.0.1"));
	assert_int_equal(n->x.counters.map_reply_ignored, 1);
}

static void
test_own_eid_in_reply_ignored(void **state)
{
	struct node *n = *state;
	const struct mapping list[] = {
		node_mapping("10.0.0.0/8", 10, "203.0.113.7"),
		node_mapping("10.1.0.0/16", 10, "203.0.113.66"),
		node_mapping("10.9.7.0/24", 10, "203.0.113.66"),
		node_mapping("10.1.1.77/32", 10, "203.0.113.2"),
	};

	resolve(n, "10.2.0.5");
	assert_int_equal(reply_many(n, asked(n, 0)->m.nonce, list, 4), ERR_OK);
	assert_int_equal(cached(n, "10.1.2.3")->eid.bits, 8);
	assert_int_equal(cached(n, "10.9.7.1")->eid.bits, 8);
	/* A mobile address elsewhere is not ours. */
	assert_int_equal(cached(n, "10.1.1.77")->eid.bits, 32);
	assert_int_equal(n->x.counters.map_reply_ignored, 2);
}

static void
test_probe_reply_refused(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.0/24", 10, "203.0.113.7");
	struct map_reply r = { .probe = true, .n_records = 1 };
	uint8_t bytes[512];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	resolve(n, "10.2.0.5");
	r.nonce = asked(n, 0)->m.nonce;
	m.authoritative = true;
	map_reply_header(&w, &r);
	mapping_encode(&w, &m);
	assert_int_equal(
	    node_receive(n, "203.0.113.7", bytes, wire_written(&w)), ERR_NONCE);
}

/* RFC 9301 5.5: what a refresh says replaces the more-specifics it covers. */
static void
test_refresh_replaces_more_specifics(void **state)
{
	struct node *n = *state;
	const struct eid prefix = E("10.2.1.0/24");
	const struct mapping list[] = {
		node_mapping("10.2.0.0/16", 10, "203.0.113.7"),
		node_mapping("10.2.2.0/24", 10, "203.0.113.9"),
	};

	store(n, "10.2.1.0/24", "203.0.113.8");
	store(n, "10.2.2.0/24", "203.0.113.8");
	store(n, "10.2.3.4/32", "203.0.113.8");
	itr_refresh(&n->x, &prefix);
	assert_int_equal(reply_many(n, asked(n, 0)->m.nonce, list, 2), ERR_OK);
	assert_int_equal(map_cache_count(n->x.map_cache), 2);
	assert_int_equal(cached(n, "10.2.1.1")->eid.bits, 16);
	assert_int_equal(cached(n, "10.2.3.4")->eid.bits, 16);
	assert_int_equal(cached(n, "10.2.2.1")->locators[0].rloc.bytes[3], 9);
}

/* A lookup of a host only removes what denied it: others stay. */
static void
test_answer_removes_what_it_denies(void **state)
{
	struct node *n = *state;

	store(n, "10.2.1.5/32", "203.0.113.8");
	store(n, "10.2.1.6/32", "203.0.113.8");
	assert_true(smr(n, "10.2.1.5", "203.0.113.8"));
	assert_int_equal(
	    reply(n, asked(n, 0)->m.nonce, "10.2.0.0/16", "203.0.113.7"),
	    ERR_OK);
	assert_int_equal(cached(n, "10.2.1.5")->eid.bits, 16);
	assert_int_equal(cached(n, "10.2.1.6")->eid.bits, 32);
}

static void
test_negative_and_ttl_zero(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.0/24", 1, NULL);

	m.action = LISP_DROP_NO_REASON;
	resolve(n, "10.2.0.5");
	reply_many(n, asked(n, 0)->m.nonce, &m, 1);
	assert_int_equal(cached(n, "10.2.0.5")->action, LISP_DROP_NO_REASON);
	/* The cached negative answer holds, then it is asked again. */
	resolve(n, "10.2.0.5");
	assert_int_equal(n_asked(n), 1);
	node_run(n, 61000);
	assert_null(cached(n, "10.2.0.5"));
	resolve(n, "10.2.0.5");
	assert_int_equal(n_asked(n), 2);
	store(n, "10.2.0.0/24", "203.0.113.7");
	m = node_mapping("10.2.0.0/24", 0, "203.0.113.7");
	reply_many(n, asked(n, 1)->m.nonce, &m, 1);
	assert_null(cached(n, "10.2.0.5"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer_is_stored),
		TEST(test_unknown_nonce),
		TEST(test_late_answers),
		TEST(test_record_must_cover),
		TEST(test_mask_not_longer_than_asked),
		TEST(test_longest_record_answers),
		TEST(test_overlap),
		TEST(test_own_eid_in_reply_ignored),
		TEST(test_probe_reply_refused),
		TEST(test_refresh_replaces_more_specifics),
		TEST(test_answer_removes_what_it_denies),
		TEST(test_negative_and_ttl_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
