/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_subscribe.c - the ITR's subscriptions: which Map-Requests ask for one,
 * which Map-Notifies are believed.  RFC 9437 5, 6.
 */
#include "asking.h"

#include "common/auth.h"
#include "xtr/subscribe.h"

#define PUBLISHER "198.51.100.10"

static struct conf_pubsub_server server;

static int
setup_pubsub(void **state)
{
	struct node *n = node_new();

	server = (struct conf_pubsub_server){ .address = A(PUBLISHER),
		.key = { .key_id = 31,
		    .key = { .key_id = 31,
			.algorithm = AUTH_SHA256_128,
			.accept = 1 << AUTH_SHA256_128,
			.secret_len = 6,
			.secret = "pubsub" } } };
	n->systems[0].pubsub = (struct conf_pubsub){
		.enabled = true, .servers = { &server, 1 }, .refresh_s = 900
	};
	*state = n;
	return 0;
}

/* A Map-Notify of the publisher with these records. */
static enum err
notify_with(struct node *n, uint64_t nonce, const struct mapping *list,
    unsigned count, const char *from, const char *secret)
{
	struct auth_key key = { .key_id = 31, .algorithm = AUTH_SHA256_128 };
	const struct map_notify m = { .type = LISP_MAP_NOTIFY,
		.nonce = nonce,
		.auth = { .key_id = 31,
		    .algorithm = AUTH_SHA256_128,
		    .len = 16 },
		.n_records = count };
	uint8_t bytes[4096];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	key.secret_len = (uint8_t)strlen(secret);
	memcpy(key.secret, secret, key.secret_len);
	map_notify_header(&w, &m);
	for (unsigned i = 0; i < count; i++)
		mapping_encode(&w, &list[i]);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(bytes, wire_written(&w), &key), ERR_OK);
	return node_receive(n, from, bytes, wire_written(&w));
}

static enum err
notify(struct node *n, uint64_t nonce, const char *eid, const char *rloc)
{
	const struct mapping m = node_mapping(eid, rloc ? 10 : 0, rloc);

	return notify_with(n, nonce, &m, 1, PUBLISHER, "pubsub");
}

struct find {
	struct eid eid;
	const char *state;
};

static bool
find_row(void *arg, const struct subscription_row *r)
{
	struct find *f = arg;

	if (eid_equal(&r->eid, &f->eid))
		f->state = r->state;
	return true;
}

static const char *
state_of(struct node *n, const char *eid)
{
	struct find f = { .eid = E(eid), .state = "none" };

	subscriptions_walk(&n->x, find_row, &f);
	return f.state;
}

/* Asks for 10.2.0.5 and is subscribed to 10.2.0.0/24; the nonce. */
static uint64_t
subscribed(struct node *n)
{
	const unsigned nth = n_asked(n);
	uint64_t nonce;

	resolve(n, "10.2.0.5");
	nonce = asked(n, nth)->m.nonce;
	assert_true(asked(n, nth)->m.records[0].notify);
	assert_int_equal(
	    notify(n, nonce, "10.2.0.0/24", "203.0.113.7"), ERR_OK);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "active");
	return nonce;
}

static void
what_is_asked(void **state)
{
	struct node *n = *state;
	const struct map_request *m;

	resolve(n, "10.2.0.5");
	m = &asked(n, 0)->m;
	assert_true(m->has_xtr_id);
	assert_memory_equal(m->xtr_id, n->conf.site.xtr_id, 16);
	assert_int_equal(m->site_id, 99);
	assert_int_equal(m->n_itr_rlocs, 2);
	assert_true(m->records[0].notify);
	/* For an SMR, and to know who has an EID, the ETR is asked. */
	store(n, "10.3.0.0/24", "203.0.113.7");
	assert_true(smr(n, "10.3.0.5", "203.0.113.7"));
	assert_false(asked(n, 1)->m.has_xtr_id);
	assert_false(asked(n, 1)->m.records[0].notify);
}

/* The other mapping system has no such section. */
static void
system_without(void **state)
{
	struct node *n = *state;

	n->systems[0].pubsub.enabled = false;
	resolve(n, "10.2.0.5");
	assert_false(asked(n, 0)->m.has_xtr_id);
	assert_false(asked(n, 0)->m.records[0].notify);
}

static void
confirmation(void **state)
{
	struct node *n = *state;
	uint64_t nonce = subscribed(n);
	struct map_notify ack;
	const struct sent *s;

	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 7);
	s = node_sent(n, LISP_MAP_NOTIFY_ACK, 0);
	assert_int_equal(map_notify_decode(s->bytes, s->len, &ack), ERR_OK);
	assert_true(ack.nonce == nonce);
	assert_int_equal(ack.auth.key_id, 31);
	assert_int_equal(ack.n_records, 1);
	assert_int_equal(
	    auth_verify(s->bytes, s->len, &server.key.key), ERR_OK);
	/* A copy, because the Ack was lost: acknowledged, nothing else. */
	assert_int_equal(
	    notify(n, nonce, "10.2.0.0/24", "203.0.113.66"), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 7);
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 2);
}

static void
publications(void **state)
{
	struct node *n = *state;
	const uint64_t nonce = subscribed(n);

	assert_int_equal(
	    notify(n, nonce + 1, "10.2.0.0/24", "203.0.113.8"), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 8);
	/* Of a more-specific; one was lost in between. */
	assert_int_equal(
	    notify(n, nonce + 3, "10.2.0.7", "203.0.113.9"), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.7")->locators[0].rloc.bytes[3], 9);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 8);
	/* Not greater: no Ack, no change. */
	node_forget_sent(n);
	assert_int_equal(
	    notify(n, nonce + 2, "10.2.0.0/24", "203.0.113.66"), ERR_REPLAY);
	assert_int_equal(n->n_sent, 0);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 8);
	assert_int_equal(n->x.counters.publication_ignored, 1);
	assert_int_equal(n->x.counters.publication_received, 2);
	/* TTL 0: gone; the subscription to the rest stays. */
	assert_int_equal(notify(n, nonce + 4, "10.2.0.7", NULL), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.7")->eid.bits, 24);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "active");
	assert_int_equal(notify(n, nonce + 5, "10.2.0.0/24", NULL), ERR_OK);
	assert_null(cached(n, "10.2.0.7"));
	assert_string_equal(state_of(n, "10.2.0.0/24"), "ended");
}

static void
who_is_believed(void **state)
{
	struct node *n = *state;
	const uint64_t nonce = subscribed(n);
	const struct mapping m =
	    node_mapping("10.2.0.0/24", 10, "203.0.113.66");
	const struct mapping other =
	    node_mapping("10.3.0.0/24", 10, "203.0.113.66");
	const struct mapping own =
	    node_mapping("10.1.0.0/16", 10, "203.0.113.66");

	assert_int_equal(
	    notify_with(n, nonce + 1, &m, 1, PUBLISHER, "wrong"), ERR_AUTH);
	assert_int_not_equal(
	    notify_with(n, nonce + 1, &m, 1, "198.51.100.99", "pubsub"),
	    ERR_OK);
	assert_int_equal(
	    notify_with(n, nonce + 1, &other, 1, PUBLISHER, "pubsub"),
	    ERR_NONCE);
	assert_int_equal(
	    notify_with(n, nonce + 1, &own, 1, PUBLISHER, "pubsub"), ERR_NONCE);
	assert_int_equal(map_cache_count(n->x.map_cache), 1);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 7);
	/* A confirmation must cover what was asked. */
	resolve(n, "10.5.0.1");
	assert_int_equal(
	    notify(n, asked(n, 1)->m.nonce, "10.6.0.0/24", "203.0.113.66"),
	    ERR_POLICY);
	assert_null(cached(n, "10.6.0.1"));
}

/* The nonce wraps: RFC 1982. */
static void
serial_numbers(void **state)
{
	struct node *n = *state;
	uint64_t nonce = subscribed(n);

	while (nonce < UINT64_MAX - (UINT64_C(1) << 62)) {
		nonce += UINT64_C(1) << 62;
		assert_int_equal(
		    notify(n, nonce, "10.2.0.0/24", "203.0.113.8"), ERR_OK);
	}
	assert_int_equal(
	    notify(n, UINT64_MAX, "10.2.0.0/24", "203.0.113.8"), ERR_OK);
	assert_int_equal(notify(n, 1, "10.2.0.0/24", "203.0.113.9"), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 9);
	assert_int_equal(
	    notify(n, UINT64_MAX, "10.2.0.0/24", "203.0.113.8"), ERR_REPLAY);
}

/* After silence a nonce far ahead, then a question without the wish. */
static void
silence(void **state)
{
	struct node *n = *state;
	const uint64_t nonce = subscribed(n);
	const struct eid prefix = E("10.2.0.0/24");

	node_run(n, 2000);
	node_forget_sent(n);
	itr_refresh(&n->x, &prefix);
	node_run(n, 30000);
	assert_true(n_asked(n) > 8);
	/* Three Map-Resolvers, one of them of the other system. */
	assert_true(asked(n, 0)->m.nonce == nonce + 1);
	assert_true(asked(n, 1)->m.nonce == nonce + 2);
	assert_false(asked(n, 2)->m.records[0].notify);
	assert_true(asked(n, 3)->m.nonce == nonce + 2 + (1 << 16));
	assert_false(asked(n, 6)->m.records[0].notify);
	assert_true(asked(n, 9)->m.records[0].notify);
	/* The one that is answered says that there is no PubSub. */
	assert_int_equal(n->x.counters.subscribe_refused, 0);
	assert_int_equal(
	    reply(n, asked(n, 8)->m.nonce, "10.2.0.0/24", "203.0.113.8"),
	    ERR_OK);
	assert_int_equal(n->x.counters.subscribe_refused, 1);
}

/* A Map-Reply: no PubSub there, and it is not asked for it for a while. */
static void
map_reply_instead(void **state)
{
	struct node *n = *state;

	resolve(n, "10.2.0.5");
	assert_int_equal(
	    reply(n, asked(n, 0)->m.nonce, "10.2.0.0/24", "203.0.113.7"),
	    ERR_OK);
	assert_non_null(cached(n, "10.2.0.5"));
	assert_string_equal(state_of(n, "10.2.0.0/24"), "none");
	resolve(n, "10.3.0.5");
	assert_false(asked(n, 1)->m.records[0].notify);
	node_run(n, PUBSUB_REFUSED_S * 1000);
	node_forget_sent(n);
	resolve(n, "10.4.0.5");
	assert_true(asked(n, 0)->m.records[0].notify);
}

/* Denied: that says nothing about the EID, which is asked for plainly. */
static void
denied(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.5", 1, NULL);

	m.ttl_min = 1;
	m.action = LISP_DROP_AUTH;
	resolve(n, "10.2.0.5");
	assert_int_equal(reply_many(n, asked(n, 0)->m.nonce, &m, 1), ERR_OK);
	assert_null(cached(n, "10.2.0.5"));
	node_run(n, 5000);
	assert_int_equal(reply(n, asked(n, n_asked(n) - 1)->m.nonce,
			     "10.2.0.0/24", "203.0.113.7"),
	    ERR_OK);
	assert_non_null(cached(n, "10.2.0.5"));
	/* By way of either Map-Resolver. */
	assert_int_equal(n->x.counters.subscribe_refused, 2);
}

/* No locator, ACT 5, the same nonce: the Map-Server has ended it. */
static void
ended_by_map_server(void **state)
{
	struct node *n = *state;
	const uint64_t nonce = subscribed(n);
	struct mapping m = node_mapping("10.2.0.0/24", 1, NULL);

	m.ttl_min = 1;
	m.action = LISP_DROP_AUTH;
	assert_int_equal(
	    notify_with(n, nonce, &m, 1, PUBLISHER, "pubsub"), ERR_OK);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "ended");
	/* The mapping itself is not said to be wrong. */
	assert_int_equal(cached(n, "10.2.0.9")->n_locators, 1);
	assert_int_equal(
	    notify(n, nonce + 1, "10.2.0.0/24", "203.0.113.8"), ERR_NONCE);
}

static void
unsubscribes(void **state)
{
	struct node *n = *state;
	const uint64_t nonce = subscribed(n);
	const struct eid prefix = E("10.2.0.0/24");
	const struct map_request *m;

	node_forget_sent(n);
	map_cache_remove(&n->x, &prefix);
	node_run(n, 10);
	assert_int_equal(n_asked(n), 1);
	m = &asked(n, 0)->m;
	assert_true(m->nonce == nonce + 1);
	assert_true(m->has_xtr_id);
	assert_int_equal(m->n_itr_rlocs, 1);
	assert_int_equal(m->itr_rlocs[0].addr.afi, AFI_NONE);
	assert_true(m->records[0].notify);
	assert_int_equal(m->records[0].eid_bits, 24);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "leaving");
	assert_int_equal(notify(n, nonce + 1, "10.2.0.0/24", NULL), ERR_OK);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "ended");
	node_run(n, 20000);
	assert_int_equal(n_asked(n), 1);
	/* The next one goes on from there. */
	resolve(n, "10.2.0.5");
	assert_true(asked(n, 1)->m.nonce == nonce + 2);
}

/* Unconfirmed, it is repeated a little. */
static void
unsubscribe_lost(void **state)
{
	struct node *n = *state;
	const struct eid prefix = E("10.2.0.0/24");

	subscribed(n);
	node_forget_sent(n);
	map_cache_remove(&n->x, &prefix);
	node_run(n, 60000);
	assert_int_equal(n_asked(n), 3);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "ended");
}

/* Leaves and comes back in one turn: nothing happened. */
static void
replaced_in_one_turn(void **state)
{
	struct node *n = *state;
	const struct eid prefix = E("10.2.0.0/24");

	subscribed(n);
	node_forget_sent(n);
	map_cache_remove(&n->x, &prefix);
	store(n, "10.2.0.0/24", "203.0.113.8");
	node_run(n, 10);
	assert_int_equal(n_asked(n), 0);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "active");
}

/* At the bound the one that ended first goes. */
static void
bound(void **state)
{
	struct node *n = *state;
	char eid[32];

	for (unsigned i = 0; i < 80; i++) {
		const unsigned nth = n_asked(n);

		snprintf(eid, sizeof(eid), "10.20.%u.1", i);
		resolve(n, eid);
		if (!asked(n, nth)->m.records[0].notify)
			assert_int_equal(subscriptions_count(&n->x), 64);
		assert_int_equal(
		    notify(n, asked(n, nth)->m.nonce, eid, "203.0.113.7") &&
			subscriptions_count(&n->x) < 64,
		    0);
		assert_true(subscriptions_count(&n->x) <= 64);
		node_run(n, 100);
	}
}

static void
restart(void **state)
{
	struct node *n = *state;
	const uint64_t nonce = subscribed(n);

	node_stop(n);
	node_start(n);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "active");
	assert_int_equal(
	    notify(n, nonce, "10.2.0.0/24", "203.0.113.8"), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 7);
	assert_int_equal(
	    notify(n, nonce + 1, "10.2.0.0/24", "203.0.113.8"), ERR_OK);
	assert_int_equal(cached(n, "10.2.0.9")->locators[0].rloc.bytes[3], 8);
	/* The server is not configured any more. */
	server.address = A("198.51.100.77");
	subscriptions_reload(&n->x);
	assert_string_equal(state_of(n, "10.2.0.0/24"), "ended");
}

#define PUBSUB(f) cmocka_unit_test_setup_teardown(f, setup_pubsub, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PUBSUB(what_is_asked),
		PUBSUB(system_without),
		PUBSUB(confirmation),
		PUBSUB(publications),
		PUBSUB(who_is_believed),
		PUBSUB(serial_numbers),
		PUBSUB(silence),
		PUBSUB(map_reply_instead),
		PUBSUB(denied),
		PUBSUB(ended_by_map_server),
		PUBSUB(unsubscribes),
		PUBSUB(unsubscribe_lost),
		PUBSUB(replaced_in_one_turn),
		PUBSUB(bound),
		PUBSUB(restart),
	};

	return cmocka_run_group_tests_name("subscribe", tests, NULL, NULL);
}
