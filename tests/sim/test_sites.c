/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sites.c - the hard cases between three sites, docs/cpm.md 8, and EIDs of
 * other kinds.
 */
#include "steps.h"

#include "common/lisp.h"

/* No CPM, Notify or Ack passes from one to the other. */
static void
cut(struct sim *s, enum sim_name from, enum sim_name to, bool on)
{
	s->cut_only = LISP_SHARED;
	s->cut[from][to] = on;
}

/* dc1 -> dc2 -> dc3, and dc1 hears of the second move first. */
static void
test_crossing_moves(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);
	uint64_t nonce;

	(void)unused;
	cut(s, DC2, DC1, true);
	cut(s, DC3, DC2, true);
	nonce = tell(s, DC2, CPM_ARRIVED, g + 10000);
	say(s, DC3, CPM_ARRIVED, g + 20000);
	assert_string_equal(sim_state(s, DC1), "away");
	assert_int_equal(entry(s, DC1)->generation, g + 20000);
	assert_string_equal(sim_state(s, DC2), "local");
	/* Its Notify is answered with 9; its agent has no such VM any more. */
	cut(s, DC2, DC1, false);
	sim_run(s, 1500);
	assert_true(entry(s, DC2)->contested);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_STALE);
	assert_true(packet_reaches(s, DC3));
	cut(s, DC3, DC2, false);
	sim_run(s, 5000);
	agree_on(s, DC3);
	sim_free(s);
}

/* There and back within the away-time, late copies included. */
static void
test_ping_pong(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	s->dup_percent = 100;
	s->jitter_us = 200000;
	for (unsigned i = 0; i < 6; i++) {
		static const enum sim_name path[] = { DC1, DC2, DC1, DC3, DC1,
			DC2, DC1 };

		g = move_to(s, path[i], path[i + 1], g);
		sim_run(s, 100 + 700 * i);
	}
	s->dup_percent = 0;
	s->jitter_us = 0;
	sim_run(s, 5000);
	agree_on(s, DC1);
	sim_free(s);
}

/*
 * Map-Register and Map-Notify are faster than the Notify, which is lost at
 * first: what dc1 knows of the ITRs is handed over all the same.
 */
static void
test_map_notify_first(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	say(s, DC1, CPM_PAUSED, g);
	cut(s, DC2, DC1, true);
	sim_cpm(s,
	    &(struct sim_cpm){
		.site = DC2, .reason = CPM_ARRIVED, .generation = g + 10000 });
	sim_run(s, 50);
	assert_string_equal(sim_state(s, DC1), "away");
	assert_int_equal(entry(s, DC1)->generation, g);
	cut(s, DC2, DC1, false);
	assert_string_equal(sim_cached(s, VM), A);
	/* No packet of the client leads it there. */
	sim_run(s, 1000);
	assert_string_equal(sim_cached(s, VM), B);
	agree_on(s, DC2);
	sim_free(s);
}

/* dc1 never heard that it had left, and has it again. */
static void
test_back_before_notify(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	cut(s, DC2, DC1, true);
	s->cut[DC2][MS] = true; /* nor does the Map-Server */
	s->cut_only = 0;
	say(s, DC1, CPM_PAUSED, g);
	say(s, DC2, CPM_ARRIVED, g + 10000);
	say(s, DC1, CPM_DEPARTED, g);
	assert_string_equal(sim_state(s, DC1), "held");
	/* The same site for dc1, another one for dc2. */
	say(s, DC1, CPM_ARRIVED, g + 20000);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_false(entry(s, DC1)->gone);
	s->cut[DC2][DC1] = s->cut[DC2][MS] = false;
	sim_run(s, 5000);
	agree_on(s, DC1);
	sim_free(s);
}

/* One generation, two hosts: the higher Sender-ID wins everywhere. */
static void
test_tie(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s) + 10000;
	uint64_t low, high;
	uint8_t owner[16];

	(void)unused;
	low = tell(s, DC2, CPM_ARRIVED, g);
	high = tell(s, DC3, CPM_ARRIVED, g); /* its host-id is higher */
	assert_int_equal(sim_status(s, high), CPM_ACK_DONE);
	sim_run(s, 5000);
	agree_on(s, DC3);
	assert_int_equal(sim_status(s, low), CPM_ACK_DONE);
	sim_host_id(DC3, owner);
	for (unsigned i = 0; i < SIM_SITES; i++)
		assert_memory_equal(entry(s, i)->owner, owner, 16);
	assert_true(sim_xtr(s, DC2)->counters.cpm_tie > 0);
	/* The loser is told, and claims above it if the VM runs there. */
	low = tell(s, DC2, CPM_PRESENT, g);
	assert_int_equal(sim_status(s, low), CPM_ACK_STALE);
	assert_int_equal(sim_ack(s, low)->highest_generation, g);
	say(s, DC2, CPM_PRESENT, g + 1);
	sim_run(s, 2000);
	agree_on(s, DC2);
	sim_free(s);
}

/* Eight EIDs, each with its own answer; nothing spills over. */
static void
test_eight_eids(void **unused)
{
	static const struct {
		const char *eid;
		uint8_t status;
		const char *state;
	} all[CPM_EIDS_MAX] = {
		{ "10.1.1.11", CPM_ACK_DONE, "local" },
		{ "10.1.1.200", CPM_ACK_POLICY, "none" },
		{ "10.1.1.12", CPM_ACK_STALE, "away" },
		{ "10.9.9.9", CPM_ACK_POLICY, "none" },
		{ "2001:db8:1::8", CPM_ACK_DONE, "local" },
		{ "2001:db8:2::8", CPM_ACK_POLICY, "none" },
		{ "10.1.1.13", CPM_ACK_POLICY, "local" }, /* another VM's */
		{ "10.1.1.0/26", CPM_ACK_POLICY, "none" },
	};
	struct sim *s = sim_new();
	const uint64_t g = generation(s) + 100;
	struct sim_cpm c = { .site = DC2,
		.reason = CPM_PRESENT,
		.generation = g + 50,
		.eid = "10.1.1.12" };
	struct eid eids[CPM_EIDS_MAX];
	const struct cpm_ack *ack;
	uint64_t nonce;

	(void)unused;
	sim_cpm(s, &c);
	c = (struct sim_cpm){ .site = DC1,
		.reason = CPM_PRESENT,
		.generation = g - 1,
		.eid = "10.1.1.13",
		.vm = 1 };
	sim_cpm(s, &c);
	sim_run(s, 100);
	for (unsigned i = 0; i < CPM_EIDS_MAX; i++)
		eids[i] = sim_eid(all[i].eid);
	c = (struct sim_cpm){ .site = DC1,
		.reason = CPM_PRESENT,
		.generation = g,
		.eids = eids,
		.n_eids = CPM_EIDS_MAX };
	nonce = sim_cpm(s, &c);
	ack = sim_ack(s, nonce);
	assert_non_null(ack);
	assert_int_equal(ack->status, CPM_ACK_DIFFER);
	assert_int_equal(ack->n_eids, CPM_EIDS_MAX);
	/* Only of EIDs that the sender may speak for. */
	assert_int_equal(ack->highest_generation, g + 50);
	sim_run(s, 2000);
	for (unsigned i = 0; i < CPM_EIDS_MAX; i++) {
		assert_int_equal(ack->eids[i].status, all[i].status);
		assert_true(eid_equal(&ack->eids[i].eid, &eids[i]));
		assert_string_equal(
		    sim_state_of(s, DC1, all[i].eid), all[i].state);
	}
	assert_string_equal(sim_registered(s, "10.1.1.11"), A);
	assert_string_equal(sim_registered(s, "2001:db8:1::8"), A);
	assert_string_equal(sim_registered(s, "10.1.1.12"), B);
	sim_free(s);
}

/* A whole move of 'eid'. */
static void
moves(struct sim *s, const char *eid)
{
	const uint64_t g = generation(s);
	const struct {
		enum sim_name site;
		uint8_t reason;
		uint64_t generation;
	} steps[] = {
		{ DC1, CPM_PRESENT, g },
		{ DC2, CPM_ARRIVING, g },
		{ DC1, CPM_DEPARTING, g },
		{ DC1, CPM_PAUSED, g },
		{ DC2, CPM_ARRIVED, g + 1 },
	};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const uint64_t nonce = sim_cpm(s,
		    &(struct sim_cpm){ .site = steps[i].site,
			.reason = steps[i].reason,
			.generation = steps[i].generation,
			.eid = eid });

		assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
		sim_run(s, 200);
	}
	assert_string_equal(sim_state_of(s, DC1, eid), "away");
	assert_string_equal(sim_state_of(s, DC2, eid), "local");
	assert_string_equal(sim_registered(s, eid), B);
	sim_kill(s, DC2);
	sim_start(s, DC2);
	assert_string_equal(sim_state_of(s, DC2, eid), "local");
}

static void
test_ipv6(void **unused)
{
	struct sim *s = sim_new();

	(void)unused;
	moves(s, "2001:db8:1::10");
	sim_free(s);
}

static void
test_instances(void **unused)
{
	struct sim *s = sim_new_with(&(struct sim_options){ .iid = 7 });
	const struct eid mac = { .addr = sim_addr("52:54:00:00:00:01"),
		.bits = 48 };
	uint64_t nonce;

	(void)unused;
	moves(s, "[7]10.1.1.10");
	moves(s, "[7]2001:db8:1::10");
	/* Another instance is another EID, and nobody's here. */
	nonce = tell(s, DC1, CPM_PRESENT, generation(s));
	assert_int_equal(sim_status(s, nonce), CPM_ACK_POLICY);
	assert_string_equal(sim_state(s, DC1), "none");
	/* A MAC can be said, but no prefix of ours has any. */
	nonce = sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.reason = CPM_PRESENT,
		.generation = generation(s),
		.eids = &mac,
		.n_eids = 1 });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_POLICY);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crossing_moves),
		cmocka_unit_test(test_ping_pong),
		cmocka_unit_test(test_map_notify_first),
		cmocka_unit_test(test_back_before_notify),
		cmocka_unit_test(test_tie),
		cmocka_unit_test(test_eight_eids),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_instances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
