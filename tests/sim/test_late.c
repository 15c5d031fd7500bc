/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_late.c - statements that come late, doubled, in parts, or for several
 * EIDs at once.  docs/cpm.md 3.4, 4.2, 8.
 */
#include "steps.h"

#include "xtr/mobility_entry.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arriving_after_aborted),
		cmocka_unit_test(test_unknown_op),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
