/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_STEPS_H
#define TESTS_SIM_STEPS_H

/*
 * steps.h - the steps that most tests of the handover are made of: a VM that
 * lives at dc1, its moves, what all must agree on.
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xtr/eids.h"
#include "xtr/itr.h"
#include "xtr/mobility.h"
#include "xtr/register.h"

#define UNUSED_OK __attribute__((unused))

#define VM "10.1.1.10"
#define A "192.0.2.1"
#define B "198.51.100.1"

UNUSED_OK static uint64_t
generation(struct sim *s)
{
	return clock_wall_ms(&s->clock);
}

UNUSED_OK static struct eid_entry *
entry(struct sim *s, enum sim_name n)
{
	const struct eid eid = sim_eid(VM);

	return eids_find(sim_xtr(s, n)->eids, &eid);
}

/* One packet from the client's host to the VM; true if it came to 'to'. */
UNUSED_OK static bool
packet_reaches(struct sim *s, enum sim_name to)
{
	const uint64_t before = s->nodes[to].delivered;

	sim_packet(s, CLIENT, "10.3.0.10", VM);
	sim_run(s, 200);
	return s->nodes[to].delivered == before + 1;
}

/* Says it, with the client's host as peer, and returns the nonce. */
UNUSED_OK static uint64_t
tell(struct sim *s, enum sim_name site, uint8_t reason, uint64_t g)
{
	uint64_t nonce = sim_cpm(s,
	    &(struct sim_cpm){ .site = site,
		.reason = reason,
		.generation = g,
		.peer = "10.3.0.10" });

	sim_run(s, 50);
	return nonce;
}

/* Says it, which must be accepted. */
UNUSED_OK static void
say(struct sim *s, enum sim_name site, uint8_t reason, uint64_t g)
{
	assert_int_equal(sim_status(s, tell(s, site, reason, g)), CPM_ACK_DONE);
}

/* The VM lives at dc1 and the client sends to it. */
UNUSED_OK static uint64_t
settle(struct sim *s)
{
	const uint64_t g = generation(s);

	say(s, DC1, CPM_PRESENT, g);
	sim_run(s, 100);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_string_equal(sim_registered(s, VM), A);
	assert_true(packet_reaches(s, DC1));
	assert_string_equal(sim_cached(s, VM), A);
	sim_run(s, 5000);
	return g;
}

UNUSED_OK static uint64_t
move_to(struct sim *s, enum sim_name from, enum sim_name to, uint64_t g)
{
	const uint64_t next = generation(s) > g ? generation(s) : g + 1;

	say(s, to, CPM_ARRIVING, g);
	say(s, from, CPM_DEPARTING, g);
	say(s, from, CPM_PAUSED, g);
	assert_string_equal(sim_state(s, from), "held");
	say(s, to, CPM_ARRIVED, next);
	return next;
}

/* All of them say that the VM is at 'here', and packets get there. */
UNUSED_OK static void
agree_on(struct sim *s, enum sim_name here)
{
	const struct addr to = sim_addr(sim_rloc(here));
	const struct eid eid = sim_eid(VM);

	for (unsigned i = 0; i < SIM_SITES; i++) {
		if (i == here) {
			assert_string_equal(sim_state(s, i), "local");
			assert_true(register_is_confirmed(sim_xtr(s, i), &eid));
			continue;
		}
		assert_string_equal(sim_state(s, i), "away");
		assert_true(entry(s, i)->n_away > 0);
		assert_true(addr_equal(&entry(s, i)->away[0], &to));
		assert_false(register_is_confirmed(sim_xtr(s, i), &eid));
	}
	assert_string_equal(sim_registered(s, VM), sim_rloc(here));
	assert_string_equal(sim_cached(s, VM), sim_rloc(here));
	assert_true(packet_reaches(s, here));
}

#endif
