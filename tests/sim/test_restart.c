/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_restart.c - xTRs that end at any moment of a move and go on from their
 * stores.  docs/cpm.md 6.12, 8.
 */
#include "steps.h"

#include "common/lisp.h"

enum { STEPS = 8 };

/* One step of a move from dc1 to dc2, which began under 'g'. */
static void
step(struct sim *s, unsigned n, uint64_t g)
{
	static const struct {
		enum sim_name site;
		uint8_t reason;
	} steps[STEPS] = {
		{ DC2, CPM_ARRIVING },
		{ DC1, CPM_DEPARTING },
		{ DC1, CPM_PAUSED },
		{ DC2, CPM_ARRIVED },
		{ DC1, CPM_DEPARTED },
		{ DC2, CPM_PRESENT }, /* resync */
		{ DC2, CPM_PRESENT },
		{ DC2, CPM_PRESENT },
	};
	const bool new = steps[n].site == DC2 &&n > 0;

	(void)tell(s, steps[n].site, steps[n].reason, new ? g + 60000 : g);
}

/* Killed right after each step, before the network has answered. */
static void
test_killed_at_every_step(void **unused)
{
	static const enum sim_name both[] = { DC1, DC2 };

	(void)unused;
	for (unsigned at = 0; at < STEPS; at++)
		for (unsigned who = 1; who < 4; who++) {
			struct sim *s = sim_new();
			const uint64_t g = settle(s);

			for (unsigned i = 0; i < STEPS; i++) {
				step(s, i, g);
				for (unsigned j = 0; i == at && j < 2; j++)
					if (who >> j & 1)
						sim_kill(s, both[j]);
				sim_run(s, i == at ? 30 : 0);
				for (unsigned j = 0; i == at && j < 2; j++)
					if (who >> j & 1)
						sim_start(s, both[j]);
			}
			sim_run(s, 5000);
			/* The away entries of the client's packets. */
			for (unsigned i = 0; i < 5; i++) {
				assert_true(packet_reaches(s, DC2));
				sim_run(s, 1000);
			}
			agree_on(s, DC2);
			assert_int_equal(entry(s, DC1)->generation, g + 60000);
			sim_free(s);
		}
}

/*
 * A site that was never told of the move is told after a restart, too, however
 * long ago the commit was.
 */
static void
test_site_not_told(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	s->cut[DC2][DC1] = s->cut[DC1][DC2] = true;
	s->cut_only = LISP_SHARED;
	g = move_to(s, DC1, DC2, g);
	sim_run(s, 90000);
	assert_true(entry(s, DC1)->generation < g);
	sim_kill(s, DC2);
	sim_start(s, DC2);
	s->cut[DC2][DC1] = s->cut[DC1][DC2] = false;
	sim_run(s, 5000);
	assert_int_equal(entry(s, DC1)->generation, g);
	agree_on(s, DC2);
	sim_free(s);
}

/* The rest of an away-time and of a hold go on. */
static void
test_remaining_times(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	g = move_to(s, DC1, DC2, g);
	sim_run(s, 10 * 60000);
	say(s, DC2, CPM_PAUSED, g);
	sim_run(s, 20000);
	sim_kill(s, DC1);
	sim_kill(s, DC2);
	sim_run(s, 1000);
	sim_start(s, DC1);
	sim_start(s, DC2);
	assert_string_equal(sim_state(s, DC2), "held");
	sim_run(s, 10000);
	assert_string_equal(sim_state(s, DC2), "departing");
	sim_run(s, 4 * 60000);
	assert_string_equal(sim_state(s, DC1), "away");
	sim_run(s, 60000);
	assert_string_equal(sim_state(s, DC1), "absent");
	sim_free(s);
}

/* All that was here registers again, in few messages. */
static void
test_many_register(void **unused)
{
	struct sim *s = sim_new();
	struct eid eids[CPM_EIDS_MAX];
	uint64_t before;

	(void)unused;
	for (unsigned i = 0; i < 100; i += CPM_EIDS_MAX) {
		for (unsigned j = 0; j < CPM_EIDS_MAX; j++) {
			eids[j] = sim_eid(VM);
			eids[j].addr.bytes[3] = (uint8_t)(10 + i + j);
		}
		sim_cpm(s,
		    &(struct sim_cpm){ .site = DC1,
			.reason = CPM_PRESENT,
			.generation = generation(s),
			.eids = eids,
			.n_eids = CPM_EIDS_MAX });
	}
	sim_run(s, 120000);
	sim_kill(s, DC1);
	sim_run(s, 170000);
	before = s->sent[LISP_MAP_REGISTER];
	sim_start(s, DC1);
	sim_run(s, 2000);
	assert_true(s->sent[LISP_MAP_REGISTER] - before < 25);
	sim_run(s, 30000);
	assert_string_equal(sim_registered(s, "10.1.1.10"), A);
	assert_string_equal(sim_registered(s, "10.1.1.110"), A);
	sim_free(s);
}

/* The store is lost: the agent's next resync brings it back. */
static void
test_store_lost(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);
	uint64_t nonce;

	(void)unused;
	sim_kill(s, DC1);
	sim_lose_store(s, DC1);
	sim_start(s, DC1);
	assert_string_equal(sim_state(s, DC1), "none");
	/* First contact: an old message must not count, nor a late one. */
	nonce = sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.reason = CPM_PRESENT,
		.generation = g,
		.nonce = g });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_NONCE);
	sim_run(s, 100);
	say(s, DC1, CPM_PRESENT, g);
	sim_run(s, 2000);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_string_equal(sim_registered(s, VM), A);
	assert_true(packet_reaches(s, DC1));
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_every_step),
		cmocka_unit_test(test_site_not_told),
		cmocka_unit_test(test_remaining_times),
		cmocka_unit_test(test_many_register),
		cmocka_unit_test(test_store_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
