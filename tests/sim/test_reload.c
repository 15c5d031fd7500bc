/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reload.c - another configuration in the middle of what is going on.
 */
#include "steps.h"

#include "common/lisp.h"

static uint64_t
present(struct sim *s, unsigned second, const char *eid, uint64_t g)
{
	return sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.second = second,
		.reason = CPM_PRESENT,
		.generation = g,
		.eid = eid });
}

/* An EID that is only remembered becomes a static host. */
static void
test_dynamic_to_static(void **unused)
{
	struct sim *s =
	    sim_new_with(&(struct sim_options){ .extra = "  eids-max: 1\n" });
	const uint64_t g = settle(s);
	const struct eid eid = sim_eid(VM);
	const struct eid_entry *e;
	uint64_t nonce;

	(void)unused;
	say(s, DC1, CPM_ABSENT, g);
	sim_reload(s, DC1,
	    &(struct sim_options){
		.extra = "  eids-max: 1\n", .static_hosts = VM });
	nonce = present(s, 0, "10.1.1.11", g);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	e = eids_find(sim_xtr(s, DC1)->eids, &eid);
	assert_non_null(e);
	assert_true(e->is_static);
	/* It does not move any more. */
	nonce = present(s, 0, VM, g + 9000);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_POLICY);
	/* And back; the other one ends, and is forgotten for this one. */
	sim_reload(s, DC1, &(struct sim_options){ .extra = "  eids-max: 1\n" });
	assert_null(eids_find(sim_xtr(s, DC1)->eids, &eid));
	sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.reason = CPM_ABSENT,
		.generation = g,
		.eid = "10.1.1.11" });
	nonce = present(s, 0, VM, g + 9000);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	sim_run(s, 1000);
	agree_on(s, DC1);
	sim_free(s);
}

/* A hypervisor is taken out of the configuration, and put back. */
static void
test_hypervisor_goes(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s), nonce = present(s, 1, "10.1.1.11", g), again;

	(void)unused;
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	sim_reload(s, DC1, &(struct sim_options){ .hosts_left_out = 1u << 3 });
	again = present(s, 1, "10.1.1.11", g);
	assert_int_equal(sim_status(s, again), -1);
	/* What it owns stays, until somebody says something else. */
	assert_string_equal(sim_state_of(s, DC1, "10.1.1.11"), "local");
	say(s, DC1, CPM_PRESENT, g);
	/* It comes back, and its old messages do not count. */
	sim_reload(s, DC1, &(struct sim_options){ 0 });
	sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.second = 1,
		.reason = CPM_ABSENT,
		.generation = g,
		.eid = "10.1.1.11",
		.nonce = nonce });
	assert_int_equal(sim_status(s, nonce), CPM_ACK_NOTHING);
	assert_string_equal(sim_state_of(s, DC1, "10.1.1.11"), "local");
	sim_free(s);
}

/* A site goes that is being told of a move. */
static void
test_site_goes(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g = settle(s);

	(void)unused;
	s->cut[DC2][DC3] = true;
	s->cut_only = LISP_SHARED;
	g = move_to(s, DC1, DC2, g);
	sim_reload(
	    s, DC2, &(struct sim_options){ .sites_left_out = 1u << DC3 });
	sim_run(s, 120000);
	assert_int_equal(entry(s, DC2)->generation, g);
	assert_string_equal(sim_state(s, DC1), "away");
	assert_true(packet_reaches(s, DC2));
	/* And back: it hears of the next change. */
	sim_reload(s, DC2, &(struct sim_options){ 0 });
	s->cut[DC2][DC3] = false;
	move_to(s, DC2, DC1, g);
	sim_run(s, 2000);
	agree_on(s, DC1);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dynamic_to_static),
		cmocka_unit_test(test_hypervisor_goes),
		cmocka_unit_test(test_site_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
