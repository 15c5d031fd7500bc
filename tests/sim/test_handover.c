/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_handover.c - the handover between two sites, message by message, in
 * simulated time.  docs/cpm.md 4 to 6, 8.
 */
#include "steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xtr/eids.h"
#include "xtr/input.h"
#include "xtr/itr.h"
#include "xtr/mobility.h"
#include "xtr/move.h"
#include "xtr/register.h"

static void
test_there_and_back(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s), nonce;

	(void)unused;
	g = move_to(s, DC1, DC2, g);
	/* SMR, Map-Request through the mapping system, Map-Reply. */
	sim_run(s, 400);
	agree_on(s, DC2);
	/* The old owner's word is older now, and says how high it is. */
	nonce = sim_cpm(s,
	    &(struct sim_cpm){
		.site = DC1, .reason = CPM_DEPARTED, .generation = g - 1 });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_STALE);
	assert_int_equal(sim_ack(s, nonce)->highest_generation, g);
	/* For ten minutes nobody but the owner registers. */
	for (unsigned i = 0; i < 10; i++) {
		sim_run(s, 60000);
		agree_on(s, DC2);
	}
	/* And back within the away-time. */
	g = move_to(s, DC2, DC1, g);
	sim_run(s, 400);
	agree_on(s, DC1);
	/* The away entry ends, the EID stays. */
	sim_run(s, 16 * 60000);
	assert_string_equal(sim_state(s, DC2), "absent");
	assert_string_equal(sim_state(s, DC1), "local");
	assert_string_equal(sim_registered(s, VM), A);
	sim_free(s);
}

static void
test_roll_back(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	say(s, DC2, CPM_ARRIVING, g);
	assert_true(entry(s, DC2)->incoming);
	say(s, DC1, CPM_DEPARTING, g);
	assert_string_equal(sim_state(s, DC1), "departing");
	say(s, DC1, CPM_PAUSED, g);
	say(s, DC1, CPM_ABORTED, g);
	assert_string_equal(sim_state(s, DC1), "local");
	say(s, DC2, CPM_ABORTED, 0);
	sim_run(s, 1000);
	assert_false(entry(s, DC2)->incoming);
	assert_string_equal(sim_state(s, DC2), "away");
	assert_string_equal(sim_registered(s, VM), A);
	assert_string_equal(sim_cached(s, VM), A);
	sim_free(s);
}

static void
test_hold_max(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	say(s, DC1, CPM_PAUSED, g);
	sim_run(s, 29000);
	assert_string_equal(sim_state(s, DC1), "held");
	sim_run(s, 2000);
	assert_string_equal(sim_state(s, DC1), "departing");
	assert_string_equal(sim_registered(s, VM), A);
	sim_free(s);
}

/* The VM ends: its registration goes, and the client learns that it has. */
static void
test_absent(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	say(s, DC1, CPM_ABSENT, g);
	sim_run(s, 5000);
	assert_string_equal(sim_state(s, DC1), "absent");
	assert_string_equal(sim_registered(s, VM), "");
	assert_string_equal(sim_cached(s, VM), "");
	sim_free(s);
}

/* Notify is lost for a while: the mapping system tells the old site. */
static void
test_notify_lost(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t old = settle(s);
	uint64_t g, nonce;

	(void)unused;
	s->cut[DC2][DC1] = s->cut[DC1][DC2] = true;
	s->cut_only = LISP_SHARED;
	g = move_to(s, DC1, DC2, old);
	/* The Map-Notify of dc2's registration has told dc1 already. */
	assert_string_equal(sim_state(s, DC1), "away");
	nonce = sim_cpm(s,
	    &(struct sim_cpm){
		.site = DC1, .reason = CPM_DEPARTED, .generation = old });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	sim_run(s, 3000);
	/* Held and gone, until LOOKUP found dc2 without any Notify. */
	assert_string_equal(sim_state(s, DC1), "away");
	sim_run(s, 8000);
	assert_string_equal(sim_registered(s, VM), B);
	assert_string_equal(sim_cached(s, VM), B);
	/* The Notify gets through in the end. */
	s->cut[DC2][DC1] = s->cut[DC1][DC2] = false;
	sim_run(s, 70000);
	agree_on(s, DC2);
	assert_int_equal(entry(s, DC1)->generation, g);
	sim_free(s);
}

static void
test_lossy_network(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	for (unsigned i = 0; i < 10; i++) {
		s->loss_percent = 30;
		s->dup_percent = 20;
		g = i % 2 ? move_to(s, DC2, DC1, g) : move_to(s, DC1, DC2, g);
		sim_run(s, 60000);
		s->loss_percent = s->dup_percent = 0;
		sim_run(s, 61000);
		/* The client may have asked between withdrawal and
		 * registration, and that answer is over: it asks again. */
		sim_packet(s, CLIENT, "10.3.0.10", VM);
		sim_run(s, 1000);
		agree_on(s, i % 2 ? DC1 : DC2);
	}
	sim_free(s);
}

/* Both xTRs are ended in the middle of a move and go on from their stores. */
static void
test_restart(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	g = move_to(s, DC1, DC2, g);
	sim_stop(s, DC2);
	sim_stop(s, DC1);
	sim_run(s, 500);
	sim_start(s, DC2);
	sim_start(s, DC1);
	sim_run(s, 5000);
	assert_string_equal(sim_state(s, DC2), "local");
	assert_string_equal(sim_state(s, DC1), "away");
	assert_int_equal(entry(s, DC2)->generation, g);
	assert_string_equal(sim_registered(s, VM), B);
	assert_string_equal(sim_cached(s, VM), B);
	sim_free(s);
}

/* A site that knows a higher generation answers 9: the agent is told. */
static void
test_contest(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g, nonce;

	(void)unused;
	/* dc2 has not heard of g, and its agent's clock is behind. */
	s->cut[DC1][DC2] = true;
	g = settle(s);
	sim_run(s, 10000);
	s->cut[DC1][DC2] = false;
	nonce = sim_cpm(s,
	    &(struct sim_cpm){
		.site = DC2, .reason = CPM_ARRIVED, .generation = g - 1000 });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	sim_run(s, 300);
	assert_true(entry(s, DC2)->contested);
	/* The revised Ack of the claim. */
	assert_int_equal(sim_status(s, nonce), CPM_ACK_STALE);
	assert_int_equal(sim_ack(s, nonce)->highest_generation, g);
	/* The agent re-claims above it: a whole commit. */
	nonce = sim_cpm(s,
	    &(struct sim_cpm){
		.site = DC2, .reason = CPM_PRESENT, .generation = g + 1 });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	sim_run(s, 2000);
	agree_on(s, DC2);
	sim_free(s);
}

static uint64_t
refused(struct sim *s, enum err why)
{
	return sim_xtr(s, DC1)->counters.rx[LISP_SHARED][why];
}

/*
 * Each refusal is counted under its own name, answered as docs/cpm.md says, and
 * changes nothing.
 */
static void
test_refusals(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);
	const struct sim_cpm base = {
		.site = DC1, .reason = CPM_PRESENT, .generation = g + 1000
	};
	const struct eid_entry before = *entry(s, DC1);
	uint64_t nonce, first;
	struct sim_cpm c;

	(void)unused;
	c = base, c.bad_key = true;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), -1);
	assert_int_equal(refused(s, ERR_AUTH), 1);

	c = base, c.unknown_sender = true;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), -1);
	assert_int_equal(refused(s, ERR_KEY_UNKNOWN), 1);

	c = base, c.bad_source = true;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), -1);
	assert_int_equal(refused(s, ERR_SOURCE), 1);

	/* Inside the mobile prefix, outside the hypervisor's. */
	c = base, c.eid = "10.1.1.200";
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_POLICY);
	assert_int_equal(refused(s, ERR_POLICY), 1);
	/* Outside every mobile prefix. */
	c = base, c.eid = "10.3.0.10";
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_POLICY);
	assert_int_equal(refused(s, ERR_POLICY), 2);
	/* The network's own address. */
	c = base, c.eid = "10.1.1.0";
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_POLICY);
	assert_int_equal(refused(s, ERR_POLICY), 3);

	c = base, c.vm = 1;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_POLICY);
	assert_int_equal(refused(s, ERR_VM_ID), 1);

	c = base, c.generation = g - 1;
	nonce = sim_cpm(s, &c);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_STALE);
	assert_int_equal(sim_ack(s, nonce)->highest_generation, g);
	assert_int_equal(refused(s, ERR_STALE), 1);

	c = base, c.generation = g + 25 * 3600 * UINT64_C(1000);
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_MALFORMED);
	assert_int_equal(refused(s, ERR_FUTURE), 1);

	/* Replay: the same nonce is a duplicate, an old one is stale. */
	c = base, c.generation = g, c.reason = CPM_DEPARTING;
	first = nonce = sim_cpm(s, &c);
	c.reason = CPM_ABORTED;
	sim_cpm(s, &c);
	assert_string_equal(sim_state(s, DC1), "local");
	c.nonce = first, c.reason = CPM_DEPARTING;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_NOTHING);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_int_equal(sim_xtr(s, DC1)->counters.cpm_duplicate, 1);
	c.nonce = first - 10000000;
	nonce = sim_cpm(s, &c);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_NONCE);
	assert_true(sim_ack(s, nonce)->highest_nonce >= first);
	assert_int_equal(refused(s, ERR_REPLAY), 1);

	c = base, c.nonce = clock_wall_ms(&s->clock) + 25 * 3600 * 1000;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_MALFORMED);

	assert_int_equal(entry(s, DC1)->generation, before.generation);
	assert_int_equal(entry(s, DC1)->state, before.state);
	assert_memory_equal(entry(s, DC1)->owner, before.owner, 16);
	assert_memory_equal(entry(s, DC1)->vm_id, before.vm_id, 16);
	sim_free(s);
}

/* A message thrown back at us, and garbage of every length. */
static void
test_reflection_and_garbage(void **unused)
{
	struct sim *s = sim_new();
	struct xtr *x = sim_xtr(s, DC1);
	uint8_t bytes[200];
	struct datagram dg = {
		.bytes = bytes, .from = sim_addr("10.0.0.11"), .port = 4342
	};
	uint64_t before;

	(void)unused;
	settle(s);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, (const uint8_t[]){ 0xff, 0xa0, 0x11, 0x80 }, 4);
	bytes[13] = 2;
	bytes[15] = 16;
	memcpy(bytes + 32, x->conf->site.xtr_id, 16);
	dg.len = sizeof(bytes);
	assert_int_equal(input_datagram(x, &dg), ERR_REFLECTED);
	before = x->counters.cpm_ack_sent;
	for (dg.len = 0; dg.len < sizeof(bytes); dg.len++)
		assert_int_not_equal(input_datagram(x, &dg), ERR_OK);
	assert_int_equal(x->counters.cpm_ack_sent, before);
	assert_string_equal(sim_state(s, DC1), "local");
	sim_free(s);
}

static void
test_operator(void **unused)
{
	struct sim *s = sim_new();
	const struct eid eid = sim_eid(VM), outside = sim_eid("10.9.9.9");
	const char *error = NULL;

	(void)unused;
	settle(s);
	assert_int_not_equal(
	    mobility_move_here(sim_xtr(s, DC2), &outside, &error), ERR_OK);
	assert_non_null(error);
	assert_int_equal(
	    mobility_move_here(sim_xtr(s, DC2), &eid, &error), ERR_OK);
	sim_run(s, 2000);
	agree_on(s, DC2);
	/* Also where the stored generation is far ahead: the clock was. */
	s->clock.fake_wall_us -= 30 * 3600 * INT64_C(1000000);
	assert_int_equal(
	    mobility_move_here(sim_xtr(s, DC1), &eid, &error), ERR_OK);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_int_equal(sim_xtr(s, DC1)->counters.cpm_alarm, 1);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_roll_back),
		cmocka_unit_test(test_hold_max),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_notify_lost),
		cmocka_unit_test(test_lossy_network),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_contest),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_reflection_and_garbage),
		cmocka_unit_test(test_operator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
