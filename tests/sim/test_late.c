/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_late.c - statements that come late, doubled, in parts, or for several
 * EIDs at once.  docs/cpm.md 3.4, 4.2, 8.
 */
#include "steps.h"

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/map_cache.h"
#include "xtr/mobility_entry.h"
#include "xtr/requesters.h"

/* The target gives up before its 'arriving' has come through. */
static void
test_arriving_after_aborted(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = generation(s);
	struct sim_cpm late = {
		.site = DC2, .reason = CPM_ARRIVING, .generation = g
	};

	(void)unused;
	say(s, DC2, CPM_PRESENT, g); /* to know a nonce */
	say(s, DC2, CPM_ABSENT, g);
	late.nonce = ++s->nonces[DC2];
	late.eid = "10.1.1.11";
	assert_int_equal(sim_status(s,
			     sim_cpm(s,
				 &(struct sim_cpm){ .site = DC2,
				     .reason = CPM_ABORTED,
				     .eid = "10.1.1.11" })),
	    CPM_ACK_DONE);
	assert_int_equal(sim_status(s, sim_cpm(s, &late)), CPM_ACK_NOTHING);
	assert_string_equal(sim_state_of(s, DC2, "10.1.1.11"), "absent");
	/* Half a minute is as long as anything can be late. */
	sim_run(s, 31000);
	assert_string_equal(sim_state_of(s, DC2, "10.1.1.11"), "none");
	sim_free(s);
}

/* Ops and reasons that we do not know are answered, whoever says them. */
static void
test_unknown_op(void **unused)
{
	struct sim *s = sim_new();
	struct sim_cpm c = { .site = DC1,
		.op = 9,
		.reason = CPM_PRESENT,
		.generation = generation(s) };

	(void)unused;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_MALFORMED);
	c.op = 0;
	c.reason = 9;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_MALFORMED);
	/* A hypervisor does not speak for a site. */
	c.op = CPM_OP_NOTIFY;
	c.reason = CPM_ARRIVING;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), -1);
	assert_string_equal(sim_state(s, DC1), "none");
	sim_free(s);
}

/* Two parts of one series: 'first' and 'second' are their peers. */
static void
arrived_in_parts(struct sim *s, uint64_t g, const char *first,
    const char *second, bool reversed)
{
	struct sim_cpm c = {
		.site = DC2, .reason = CPM_ARRIVED, .generation = g, .parts = 2
	};
	const uint64_t nonce = s->nonces[DC2] + 1;

	s->nonces[DC2] += 2;
	for (unsigned i = 0; i < 2; i++) {
		const unsigned n = reversed ? 1 - i : i;

		c.part = (uint16_t)(n + 1);
		c.nonce = nonce + n;
		c.peer = n ? second : first;
		sim_cpm(s, &c);
		assert_int_equal(sim_status(s, c.nonce),
		    reversed && i ? CPM_ACK_NOTHING : CPM_ACK_DONE);
		sim_run(s, 300);
	}
}

/* The EIDs at the first valid part, the peers as each part comes. */
static void
test_parts(void **unused)
{
	(void)unused;
	for (unsigned reversed = 0; reversed < 2; reversed++) {
		struct sim *s = sim_new();
		const uint64_t g = settle(s);

		/* dc1 names no ITR: the peer list is all that dc2 has. */
		s->cut[DC1][DC2] = true;
		s->cut_only = LISP_SHARED;
		assert_string_equal(sim_cached(s, VM), A);
		s->nonces[DC2] = clock_wall_ms(&s->clock);
		arrived_in_parts(s, g + 9000,
		    reversed ? "10.3.0.10" : "172.16.0.1",
		    reversed ? "172.16.0.1" : "10.3.0.10", reversed);
		sim_run(s, 1000);
		assert_string_equal(sim_state(s, DC2), "local");
		assert_string_equal(sim_cached(s, VM), B);
		sim_free(s);
	}
}

/* Something about the peer was looked up at dc2. */
static bool
was_resolved(struct sim *s, const char *peer)
{
	const struct eid eid = sim_eid(peer);

	return map_cache_match(sim_xtr(s, DC2)->map_cache, &eid);
}

/* What a late 'departed' brings does not displace what is being handed over. */
static void
test_late_peers(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);
	struct sim_cpm c = { .site = DC1,
		.reason = CPM_DEPARTING,
		.generation = g,
		.peer = "172.16.0.1" };

	(void)unused;
	sim_cpm(s, &c);
	s->cut[DC1][DC2] = true;
	s->cut_only = LISP_SHARED;
	say(s, DC2, CPM_ARRIVED, g + 9000);
	assert_string_equal(sim_state(s, DC1), "away");
	c.reason = CPM_DEPARTED;
	c.peer = "10.99.0.1";
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_STALE);
	sim_run(s, 100);
	assert_false(was_resolved(s, "172.16.0.1"));
	s->cut[DC1][DC2] = false;
	sim_run(s, 3000);
	assert_true(was_resolved(s, "172.16.0.1"));
	assert_true(was_resolved(s, "10.99.0.1"));
	sim_free(s);
}

/* It moves on before all ITRs of its last move have converged. */
static void
test_departing_before_converged(void **unused)
{
	struct sim *s = sim_new();
	const struct addr silent = sim_addr("203.0.113.99");
	const struct eid eid = sim_eid(VM);
	uint64_t g = settle(s);

	(void)unused;
	requesters_note(sim_xtr(s, DC1), &eid, &silent, NULL, true);
	g = move_to(s, DC1, DC2, g);
	sim_run(s, 5000);
	sim_cpm(s,
	    &(struct sim_cpm){ .site = DC2,
		.reason = CPM_DEPARTING,
		.generation = g,
		.peer = "172.16.0.1" });
	sim_run(s, 15000);
	assert_int_equal(sim_xtr(s, DC2)->counters.smr_given_up, 1);
	assert_true(mobile_of(entry(s, DC2))->n_peers > 0);
	sim_free(s);
}

/*
 * Two hypervisors of dc2 expect the VM; it runs at one, the other gives up.
 * That must not stop what the other sites are told about the owner.
 */
static void
test_aborted_beside_arrived(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	say(s, DC2, CPM_ARRIVING, g);
	assert_true(entry(s, DC2)->incoming_told);
	s->cut[DC2][DC1] = true;
	s->cut_only = LISP_SHARED;
	g = generation(s);
	assert_int_equal(sim_status(s,
			     sim_cpm(s,
				 &(struct sim_cpm){ .site = DC2,
				     .second = 1,
				     .reason = CPM_ARRIVED,
				     .generation = g })),
	    CPM_ACK_DONE);
	say(s, DC2, CPM_ABORTED, 0);
	s->cut[DC2][DC1] = false;
	sim_run(s, 3000);
	assert_int_equal(entry(s, DC1)->generation, g);
	sim_free(s);
}

/*
 * The VM is to come back before its last stay on that host is over: what ends
 * the stay does not end the mark.
 */
static void
test_arriving_before_absent(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s), nonce = clock_wall_ms(&s->clock);
	struct sim_cpm c = { .site = DC1,
		.reason = CPM_ARRIVING,
		.generation = g,
		.nonce = nonce + 1 };

	(void)unused;
	sim_cpm(s, &c);
	c.reason = CPM_ABSENT;
	c.nonce = nonce;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	assert_string_equal(sim_state(s, DC1), "arriving");
	sim_run(s, 1000);
	/* In arriving a newer end is noted, and the mark still stays. */
	c.reason = CPM_DEPARTED;
	c.generation = g + 1;
	c.nonce = nonce + 2;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	assert_string_equal(sim_state(s, DC1), "arriving");
	assert_true(entry(s, DC1)->incoming);
	sim_run(s, 15 * 60000);
	assert_string_equal(sim_state(s, DC1), "absent");
	sim_free(s);
}

/* Whose VM it is follows the owner, also where the new one names none. */
static void
test_vm_id_follows(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);
	struct sim_cpm c = { .site = DC1,
		.second = 1,
		.reason = CPM_PRESENT,
		.generation = g + 1,
		.vm = 255 };

	(void)unused;
	/* "None" is another one. */
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_POLICY);
	c.reason = CPM_ARRIVING;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	c.reason = CPM_ARRIVED;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	assert_true(uuid_is_zero(entry(s, DC1)->vm_id));
	/* An unknown one becomes the first that is heard of. */
	c.reason = CPM_PRESENT;
	c.vm = 1;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	c.generation++;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	c.generation++;
	c.vm = 2;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_POLICY);
	/* Between sites the generation alone decides; it is an alarm. */
	assert_int_equal(sim_xtr(s, DC2)->counters.cpm_alarm, 0);
	c = (struct sim_cpm){
		.site = DC2, .reason = CPM_ARRIVING, .generation = g, .vm = 2
	};
	sim_cpm(s, &c);
	c.reason = CPM_ARRIVED;
	c.generation = g + 9;
	assert_int_equal(sim_status(s, sim_cpm(s, &c)), CPM_ACK_DONE);
	sim_run(s, 100);
	assert_string_equal(sim_state(s, DC1), "away");
	assert_true(sim_xtr(s, DC3)->counters.cpm_alarm > 0);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arriving_after_aborted),
		cmocka_unit_test(test_unknown_op),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_late_peers),
		cmocka_unit_test(test_departing_before_converged),
		cmocka_unit_test(test_aborted_beside_arrived),
		cmocka_unit_test(test_arriving_before_absent),
		cmocka_unit_test(test_vm_id_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
