/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pubsub.c - the client subscribes to the mapping of a VM that moves.  RFC
 * 9437, both ends.
 */
#include "steps.h"

#include "common/lisp.h"
#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/subscribe.h"

static const struct sim_options both = { .subscriber = true,
	.publisher = true };

/* No SMR and no other Map-Request comes to the client. */
static void
cut_smr(struct sim *s)
{
	s->cut_only = LISP_MAP_REQUEST;
	for (unsigned i = 0; i < SIM_SITES; i++)
		s->cut[i][CLIENT] = true;
}

struct state {
	const char *eid;
	char text[32];
	uint64_t nonce;
};

static bool
subscriber_row(void *arg, const struct subscription_row *r)
{
	struct state *st = arg;
	const struct eid eid = sim_eid(st->eid);

	if (!eid_equal(&r->eid, &eid))
		return true;
	snprintf(st->text, sizeof(st->text), "%s", r->state);
	st->nonce = r->nonce;
	return false;
}

static bool
publisher_row(void *arg, const struct ms_sub_row *r)
{
	struct state *st = arg;
	const struct eid eid = sim_eid(st->eid);

	if (!eid_equal(&r->eid, &eid))
		return true;
	snprintf(st->text, sizeof(st->text), "%s", r->state);
	st->nonce = r->nonce;
	return false;
}

/* Of the client, and of the Map-Server about it. */
static struct state
at_client(struct sim *s, const char *eid)
{
	struct state st = { .eid = eid, .text = "none" };

	subscriptions_walk(sim_xtr(s, CLIENT), subscriber_row, &st);
	return st;
}

static struct state
at_ms(struct sim *s, const char *eid)
{
	struct state st = { .eid = eid, .text = "none" };

	map_server_subs_walk(sim_xtr(s, MS), publisher_row, &st);
	return st;
}

static void
assert_subscribed(struct sim *s, const char *eid)
{
	const struct state c = at_client(s, eid), m = at_ms(s, eid);

	assert_string_equal(c.text, "active");
	assert_string_equal(m.text, "active");
	assert_true(c.nonce == m.nonce);
}

static void
assert_moves(struct sim *s, uint64_t g)
{
	const uint64_t before =
	    sim_xtr(s, CLIENT)->counters.publication_received;

	move_to(s, DC1, DC2, g);
	assert_string_equal(sim_registered(s, VM), B);
	assert_string_equal(sim_cached(s, VM), B);
	assert_true(sim_xtr(s, CLIENT)->counters.publication_received > before);
	assert_subscribed(s, VM);
	assert_true(packet_reaches(s, DC2));
}

static void
test_move_by_push(void **unused)
{
	struct sim *s = sim_new_with(&both);
	const uint64_t g = settle(s);
	const uint64_t before = sim_xtr(s, CLIENT)->counters.smr_received;

	(void)unused;
	assert_subscribed(s, VM);
	cut_smr(s);
	assert_moves(s, g);
	assert_int_equal(sim_xtr(s, CLIENT)->counters.smr_received, before);
	sim_free(s);
}

/* What is pushed is what SMR and Map-Reply say, too. */
static void
test_with_smr(void **unused)
{
	struct sim *s = sim_new_with(&both);
	const uint64_t g = settle(s);

	(void)unused;
	assert_moves(s, g);
	sim_run(s, 10000);
	agree_on(s, DC2);
	assert_subscribed(s, VM);
	sim_free(s);
}

/* There and back, while a third of all messages is lost or late. */
static void
test_loss_and_reordering(void **unused)
{
	(void)unused;
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct sim_options o = both;
		struct sim *s;
		uint64_t g;

		o.seed = seed;
		s = sim_new_with(&o);
		g = settle(s);
		cut_smr(s);
		s->jitter_us = 400000;
		s->loss_percent = 30;
		s->dup_percent = 10;
		for (unsigned i = 0; i < 8; i++) {
			const enum sim_name to = i % 2 ? DC1 : DC2;

			g = generation(s);
			sim_cpm(s,
			    &(struct sim_cpm){ .site = to,
				.reason = CPM_ARRIVED,
				.generation = g });
			sim_run(s, 700 + 300 * i);
		}
		s->jitter_us = s->loss_percent = s->dup_percent = 0;
		for (unsigned i = 0; i < 90; i++) {
			sim_packet(s, CLIENT, "10.3.0.10", VM);
			sim_run(s, 1000);
		}
		assert_string_equal(sim_registered(s, VM), A);
		assert_string_equal(sim_cached(s, VM), A);
		assert_subscribed(s, VM);
		sim_free(s);
	}
}

static void
test_publisher_restarts(void **unused)
{
	struct sim *s = sim_new_with(&both);
	const uint64_t g = settle(s);

	(void)unused;
	cut_smr(s);
	sim_kill(s, MS);
	sim_run(s, 3000);
	sim_start(s, MS);
	assert_moves(s, g);
	sim_free(s);
}

/* It ends before the client has heard what is new. */
static void
test_publisher_ends_in_between(void **unused)
{
	struct sim *s = sim_new_with(&both);
	const uint64_t g = settle(s);

	(void)unused;
	cut_smr(s);
	s->cut_only = LISP_MAP_NOTIFY;
	s->cut[MS][CLIENT] = true;
	move_to(s, DC1, DC2, g);
	assert_string_equal(sim_cached(s, VM), A);
	sim_kill(s, MS);
	s->cut[MS][CLIENT] = false;
	cut_smr(s);
	sim_start(s, MS);
	sim_run(s, 500);
	assert_string_equal(sim_cached(s, VM), B);
	assert_subscribed(s, VM);
	sim_free(s);
}

/* Its subscriptions are gone: the client renews them in time. */
static void
test_publisher_loses_store(void **unused)
{
	struct sim *s = sim_new_with(&both);
	uint64_t g = settle(s);

	(void)unused;
	sim_kill(s, MS);
	sim_lose_store(s, MS);
	sim_start(s, MS);
	for (unsigned i = 0; i < PUBSUB_REFRESH_S; i++) {
		sim_packet(s, CLIENT, "10.3.0.10", VM);
		sim_run(s, 1000);
	}
	assert_subscribed(s, VM);
	cut_smr(s);
	assert_moves(s, g);
	sim_free(s);
}

static void
test_subscriber_restarts(void **unused)
{
	struct sim *s = sim_new_with(&both);
	const uint64_t g = settle(s);
	const struct state before = at_client(s, VM);

	(void)unused;
	cut_smr(s);
	sim_kill(s, CLIENT);
	sim_run(s, 2000);
	sim_start(s, CLIENT);
	sim_run(s, 100);
	assert_true(at_client(s, VM).nonce == before.nonce);
	/* Pushed to the subscription of its former life. */
	assert_moves(s, g);
	assert_int_equal(sim_xtr(s, CLIENT)->counters.subscribe_sent, 0);
	/* Without a push it is renewed as soon as it is used. */
	sim_kill(s, CLIENT);
	sim_start(s, CLIENT);
	for (unsigned i = 0; i < 5; i++) {
		sim_packet(s, CLIENT, "10.3.0.10", VM);
		sim_run(s, 1000);
	}
	assert_int_equal(sim_xtr(s, CLIENT)->counters.subscribe_confirmed, 1);
	assert_subscribed(s, VM);
	sim_free(s);
}

/* It missed so many that its next nonce would be old. */
static void
test_subscriber_was_away(void **unused)
{
	struct sim *s = sim_new_with(&both);
	uint64_t g = settle(s);

	(void)unused;
	sim_kill(s, CLIENT);
	for (unsigned i = 0; i < 6; i++)
		g = move_to(s, i % 2 ? DC2 : DC1, i % 2 ? DC1 : DC2, g);
	assert_string_equal(sim_registered(s, VM), A);
	sim_start(s, CLIENT);
	cut_smr(s);
	for (unsigned i = 0; i < 20; i++) {
		sim_packet(s, CLIENT, "10.3.0.10", VM);
		sim_run(s, 1000);
	}
	assert_string_equal(sim_cached(s, VM), A);
	assert_subscribed(s, VM);
	assert_moves(s, g);
	sim_free(s);
}

/* Its store is gone, and so are its nonces. */
static void
test_subscriber_loses_store(void **unused)
{
	struct sim *s = sim_new_with(&both);
	uint64_t g = settle(s);

	(void)unused;
	sim_kill(s, CLIENT);
	sim_lose_store(s, CLIENT);
	sim_start(s, CLIENT);
	for (unsigned i = 0; i < 5; i++) {
		sim_packet(s, CLIENT, "10.3.0.10", VM);
		sim_run(s, 1000);
	}
	/* At the third sending at the latest, subscribed or not. */
	assert_string_equal(sim_cached(s, VM), A);
	move_to(s, DC1, DC2, g);
	sim_run(s, 5000);
	assert_string_equal(sim_cached(s, VM), B);
	sim_free(s);
}

/* Not used any more: it leaves the map-cache, and the subscription ends. */
static void
test_leaves(void **unused)
{
	struct sim *s = sim_new_with(&both);
	struct state c, m;

	(void)unused;
	settle(s);
	sim_run(s, (DYNAMIC_TTL_MIN * 60 - 10) * 1000);
	/* Was used since it began, so it is renewed once. */
	assert_int_equal(sim_xtr(s, CLIENT)->counters.subscribe_confirmed, 2);
	assert_subscribed(s, VM);
	sim_run(s, DYNAMIC_TTL_MIN * 60 * 1000);
	c = at_client(s, VM);
	m = at_ms(s, VM);
	assert_string_equal(c.text, "ended");
	assert_string_equal(m.text, "ended");
	assert_true(c.nonce == m.nonce);
	assert_int_equal(sim_xtr(s, CLIENT)->counters.unsubscribe_sent, 1);
	/* And begins again, with a nonce that rises. */
	sim_packet(s, CLIENT, "10.3.0.10", VM);
	sim_run(s, 200);
	assert_true(at_client(s, VM).nonce == c.nonce + 1);
	assert_subscribed(s, VM);
	sim_free(s);
}

/* A Map-Server without PubSub: as before, and not asked in vain. */
static void
test_fallback(void **unused)
{
	struct sim *s =
	    sim_new_with(&(struct sim_options){ .subscriber = true });
	const uint64_t g = settle(s);
	const struct counters *c = &sim_xtr(s, CLIENT)->counters;

	(void)unused;
	assert_int_equal(c->subscribe_sent, 1);
	assert_int_equal(c->subscribe_refused, 1);
	move_to(s, DC1, DC2, g);
	sim_run(s, 3000);
	agree_on(s, DC2);
	assert_int_equal(c->subscribe_sent, 1);
	assert_string_equal(at_client(s, VM).text, "none");
	/* It is asked again some day. */
	for (unsigned i = 0; i < 15 * 60; i++) {
		sim_packet(s, CLIENT, "10.3.0.10", VM);
		sim_run(s, 1000);
	}
	assert_true(c->subscribe_sent > 1);
	assert_true(c->subscribe_sent < 5);
	sim_free(s);
}

/* The client is not in the Map-Server's list any more. */
static void
test_denied(void **unused)
{
	struct sim *s = sim_new_with(&both);
	uint64_t g;

	(void)unused;
	sim_kill(s, CLIENT);
	sim_lose_store(s, CLIENT);
	/* Another xTR-ID. */
	sim_reload(s, MS, &(struct sim_options){ .publisher = true });
	sim_start(s, CLIENT);
	memset((void *)(uintptr_t)sim_xtr(s, CLIENT)->conf->site.xtr_id, 7, 16);
	g = generation(s);
	say(s, DC1, CPM_PRESENT, g);
	sim_packet(s, CLIENT, "10.3.0.10", VM);
	sim_run(s, 3000);
	assert_string_equal(sim_cached(s, VM), A);
	assert_int_equal(sim_xtr(s, MS)->counters.subscriptions_refused, 1);
	assert_int_equal(sim_xtr(s, CLIENT)->counters.subscribe_refused, 1);
	sim_free(s);
}

/* A VM that is not registered yet: pushed when it is. */
static void
test_not_yet_there(void **unused)
{
	struct sim *s = sim_new_with(&both);

	(void)unused;
	sim_packet(s, CLIENT, "10.3.0.10", VM);
	sim_run(s, 500);
	assert_subscribed(s, VM);
	assert_string_equal(sim_cached(s, VM), "");
	cut_smr(s);
	say(s, DC1, CPM_PRESENT, generation(s));
	sim_run(s, 200);
	assert_string_equal(sim_cached(s, VM), A);
	/* And when it ends. */
	say(s, DC1, CPM_ABSENT, generation(s));
	sim_run(s, 200);
	assert_string_equal(sim_cached(s, VM), "");
	assert_string_equal(at_client(s, VM).text, "ended");
	assert_string_equal(at_ms(s, VM).text, "ended");
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move_by_push),
		cmocka_unit_test(test_with_smr),
		cmocka_unit_test(test_loss_and_reordering),
		cmocka_unit_test(test_publisher_restarts),
		cmocka_unit_test(test_publisher_ends_in_between),
		cmocka_unit_test(test_publisher_loses_store),
		cmocka_unit_test(test_subscriber_restarts),
		cmocka_unit_test(test_subscriber_was_away),
		cmocka_unit_test(test_subscriber_loses_store),
		cmocka_unit_test(test_leaves),
		cmocka_unit_test(test_fallback),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_not_yet_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
