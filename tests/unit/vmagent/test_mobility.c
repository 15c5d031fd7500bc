/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mobility.c - every row of docs/cpm.md 7.1, 7.2 and 7.4 against the
 * decision table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "vmagent/mobility.h"

struct row {
	const char *what;
	enum vm_state before;
	enum vm_event_kind event;
	enum vm_action action;
	enum vm_state after;
};

/* The rows of 7.1, top down; owner = here, departing or paused. */
static const struct row rows_7_1[] = {
	{ "start", VM_ABSENT, EV_STARTED, DO_PRESENT_NEW, VM_HERE },
	{ "Resumed Unpaused comes first", VM_ABSENT, EV_RESUMED, DO_PRESENT_NEW,
	    VM_HERE },
	{ "once", VM_HERE, EV_STARTED, DO_NOTHING, VM_HERE },
	{ "start --paused", VM_ABSENT, EV_SUSPENDED, DO_PRESENT_NEW, VM_HERE },

	{ "listing: metadata owner = me", VM_ABSENT, EV_LIST_MINE, DO_PRESENT,
	    VM_HERE },
	{ "listing: resync", VM_HERE, EV_LIST_MINE, DO_PRESENT, VM_HERE },
	{ "listing: other or none", VM_ABSENT, EV_LIST_OTHER, DO_PRESENT_NEW,
	    VM_HERE },
	{ "listing: it came back unseen", VM_HERE, EV_LIST_OTHER,
	    DO_PRESENT_NEW, VM_HERE },
	{ "listing: its arrival was missed", VM_ARRIVING, EV_LIST_OTHER,
	    DO_PRESENT_NEW, VM_HERE },
	{ "listing: incoming", VM_ABSENT, EV_LIST_INCOMING, DO_ARRIVING,
	    VM_ARRIVING },
	{ "listing: incoming, resync", VM_ARRIVING, EV_LIST_INCOMING,
	    DO_ARRIVING, VM_ARRIVING },
	{ "listing: outgoing", VM_HERE, EV_LIST_OUTGOING_MINE, DO_PAUSED,
	    VM_PAUSED },
	{ "listing: outgoing, departing", VM_DEPARTING, EV_LIST_OUTGOING_MINE,
	    DO_PAUSED, VM_PAUSED },
	{ "listing: outgoing, by metadata", VM_ABSENT, EV_LIST_OUTGOING_MINE,
	    DO_PAUSED, VM_PAUSED },
	{ "listing: outgoing, not owner", VM_ABSENT, EV_LIST_OUTGOING_OTHER,
	    DO_NOTHING, VM_ABSENT },
	{ "listing: post-copy failed", VM_PAUSED, EV_LIST_POSTCOPY_FAILED,
	    DO_DEPARTED, VM_LEFT },
	{ "the same, here", VM_HERE, EV_LIST_POSTCOPY_FAILED, DO_DEPARTED,
	    VM_LEFT },
	{ "the same, no state file", VM_ABSENT, EV_LIST_POSTCOPY_FAILED,
	    DO_NOTHING, VM_ABSENT },
	{ "the same, said already", VM_LEFT, EV_LIST_POSTCOPY_FAILED,
	    DO_NOTHING, VM_LEFT },
	{ "listing: crashed", VM_HERE, EV_LIST_CRASHED, DO_NOTHING, VM_HERE },
	{ "listing: crashed, unknown", VM_ABSENT, EV_LIST_CRASHED, DO_NOTHING,
	    VM_ABSENT },
	{ "missing, departing", VM_DEPARTING, EV_LIST_MISSING, DO_DEPARTED,
	    VM_ABSENT },
	{ "missing, paused", VM_PAUSED, EV_LIST_MISSING, DO_DEPARTED,
	    VM_ABSENT },
	{ "missing, otherwise", VM_HERE, EV_LIST_MISSING, DO_ABSENT,
	    VM_ABSENT },

	{ "Started Migrated", VM_ABSENT, EV_STARTED_MIGRATED, DO_ARRIVING,
	    VM_ARRIVING },
	{ "comes back before its absent", VM_HERE, EV_STARTED_MIGRATED,
	    DO_ARRIVING, VM_ARRIVING },
	{ "iteration 1", VM_HERE, EV_COPYING, DO_DEPARTING, VM_DEPARTING },
	{ "iteration 1, not owner", VM_ABSENT, EV_COPYING, DO_NOTHING,
	    VM_ABSENT },
	{ "iteration 1, late", VM_PAUSED, EV_COPYING, DO_NOTHING, VM_PAUSED },
	{ "Suspended Migrated", VM_DEPARTING, EV_SUSPENDED_MIGRATED, DO_PAUSED,
	    VM_PAUSED },
	{ "the same, no iteration seen", VM_HERE, EV_SUSPENDED_MIGRATED,
	    DO_PAUSED, VM_PAUSED },
	{ "Suspended Post-copy: once", VM_PAUSED, EV_SUSPENDED_MIGRATED,
	    DO_NOTHING, VM_PAUSED },
	{ "the same, not owner", VM_ABSENT, EV_SUSPENDED_MIGRATED, DO_NOTHING,
	    VM_ABSENT },
	{ "Resumed Migrated", VM_ARRIVING, EV_RESUMED_MIGRATED, DO_ARRIVED,
	    VM_HERE },
	{ "the second one", VM_HERE, EV_RESUMED_MIGRATED, DO_NOTHING, VM_HERE },
	{ "agent restarted meanwhile", VM_ABSENT, EV_RESUMED_MIGRATED,
	    DO_ARRIVED, VM_HERE },
	{ "at the source: migration cancelled", VM_PAUSED, EV_RESUMED_MIGRATED,
	    DO_ABORTED, VM_HERE },
	{ "the same, Suspended missed", VM_DEPARTING, EV_RESUMED_MIGRATED,
	    DO_ABORTED, VM_HERE },
	{ "arrives paused", VM_ARRIVING, EV_SUSPENDED, DO_ARRIVED, VM_HERE },
	{ "Stopped Migrated, departing", VM_DEPARTING, EV_STOPPED_MIGRATED,
	    DO_DEPARTED, VM_ABSENT },
	{ "Stopped Migrated, paused", VM_PAUSED, EV_STOPPED_MIGRATED,
	    DO_DEPARTED, VM_ABSENT },
	{ "Resumed Unpaused, paused", VM_PAUSED, EV_RESUMED, DO_ABORTED,
	    VM_HERE },
	{ "job over", VM_DEPARTING, EV_JOB_OVER, DO_ABORTED, VM_HERE },
	{ "job over, too late", VM_PAUSED, EV_JOB_OVER, DO_NOTHING, VM_PAUSED },
	{ "Stopped, arriving", VM_ARRIVING, EV_STOPPED, DO_ABORTED_HERE,
	    VM_ABSENT },
	{ "Stopped Migrated, arriving", VM_ARRIVING, EV_STOPPED_MIGRATED,
	    DO_ABORTED_HERE, VM_ABSENT },
	{ "missing, arriving", VM_ARRIVING, EV_LIST_MISSING, DO_ABORTED_HERE,
	    VM_ABSENT },
	{ "Stopped, owner", VM_HERE, EV_STOPPED, DO_ABSENT, VM_ABSENT },
	{ "Stopped, departing", VM_DEPARTING, EV_STOPPED, DO_ABSENT,
	    VM_ABSENT },
	{ "Stopped, paused", VM_PAUSED, EV_STOPPED, DO_ABSENT, VM_ABSENT },
	{ "Stopped, unknown", VM_ABSENT, EV_STOPPED, DO_NOTHING, VM_ABSENT },
	{ "Undefined, owner", VM_HERE, EV_UNDEFINED, DO_ABSENT, VM_ABSENT },
	{ "Post-copy Failed, source", VM_PAUSED, EV_POSTCOPY_FAILED,
	    DO_DEPARTED, VM_LEFT },
	{ "then its process ends", VM_LEFT, EV_STOPPED, DO_NOTHING, VM_ABSENT },
	{ "Suspended Paused of an owned VM", VM_HERE, EV_SUSPENDED, DO_NOTHING,
	    VM_HERE },
	{ "Resumed Unpaused of it", VM_HERE, EV_RESUMED, DO_NOTHING, VM_HERE },
	{ "Shutdown, Reboot, Crashed, I/O error", VM_HERE, EV_NOTHING,
	    DO_NOTHING, VM_HERE },

	/* 7.2 */
	{ "paused for 30 s, runs", VM_PAUSED, EV_STILL_HERE, DO_ABORTED,
	    VM_HERE },
	{ "paused for 30 s, gone", VM_PAUSED, EV_LIST_MISSING, DO_DEPARTED,
	    VM_ABSENT },

	/* 7.4 */
	{ "stale claim, runs here", VM_HERE, EV_STALE, DO_PRESENT_NEW,
	    VM_HERE },
	{ "stale claim, copying", VM_DEPARTING, EV_STALE, DO_PRESENT_NEW,
	    VM_DEPARTING },
	{ "stale claim, past paused", VM_PAUSED, EV_STALE, DO_NOTHING,
	    VM_PAUSED },
	{ "stale claim, gone", VM_ABSENT, EV_STALE, DO_NOTHING, VM_ABSENT },
	{ "stale claim, left", VM_LEFT, EV_STALE, DO_NOTHING, VM_LEFT },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows_7_1) / sizeof(rows_7_1[0]); i++) {
		const struct row *r = &rows_7_1[i];
		struct verdict v = mobility_decide(r->before, r->event);

		if (v.action != r->action || v.next != r->after)
			fail_msg("%s: %s, %s -> action %d, %s", r->what,
			    vm_state_str(r->before), vm_event_str(r->event),
			    v.action, vm_state_str(v.next));
	}
}

/* What no cell may do, whatever its row says. */
static void
test_every_cell(void **state)
{
	(void)state;
	for (unsigned e = 0; e < EV_COUNT; e++) {
		for (unsigned s = 0; s < VM_STATES; s++) {
			struct verdict v = mobility_decide(s, e);
			const struct action_form *f = mobility_form(v.action);
			bool owner =
			    s == VM_HERE || s == VM_DEPARTING || s == VM_PAUSED;

			assert_true(v.next < VM_STATES);
			assert_true(v.action < DO_ACTIONS);
			/* Own generation only of what is owned, or what the
			 * metadata says is ours. */
			if (f->reason && f->generation == GENERATION_OWN)
				assert_true(owner || e == EV_LIST_MINE ||
				    e == EV_LIST_OUTGOING_MINE);
			/* Never present for a guest stopped by a migration. */
			if (e == EV_LIST_POSTCOPY_FAILED ||
			    e == EV_LIST_OUTGOING_MINE ||
			    e == EV_LIST_INCOMING || e == EV_POSTCOPY_FAILED ||
			    e == EV_SUSPENDED_MIGRATED)
				assert_true(f->reason != CPM_PRESENT &&
				    f->reason != CPM_ARRIVED);
			/* Vanished while leaving is departed, never absent. */
			if (e == EV_LIST_MISSING &&
			    (s == VM_DEPARTING || s == VM_PAUSED))
				assert_int_equal(f->reason, CPM_DEPARTED);
			/* A change of state is said, but for remnants. */
			if (v.next != s && v.action == DO_NOTHING)
				assert_true(
				    s == VM_LEFT && v.next == VM_ABSENT);
		}
	}
}

static void
test_forms(void **state)
{
	(void)state;
	/* docs/cpm.md 3.2: kind 6 in reasons 1, 5, 6 only. */
	for (unsigned a = 0; a < DO_ACTIONS; a++) {
		const struct action_form *f = mobility_form(a);

		assert_int_equal(f->mac,
		    f->reason == CPM_ARRIVED || f->reason == CPM_PRESENT ||
			f->reason == CPM_ARRIVING);
		/* 7.3.2: sent twice at once. */
		assert_int_equal(f->twice,
		    f->reason == CPM_ARRIVED || f->reason == CPM_PAUSED);
		/* 4.2.5: the two sequences. */
		assert_int_equal(f->mark,
		    f->reason == CPM_ARRIVING ||
			(f->reason == CPM_ABORTED &&
			    f->generation == GENERATION_NONE));
		assert_int_equal(f->claim,
		    f->reason == CPM_ARRIVED || f->reason == CPM_PRESENT ||
			(f->reason == CPM_ABORTED &&
			    f->generation == GENERATION_OWN));
	}
	assert_int_equal(mobility_form(DO_NOTHING)->reason, 0);
	assert_int_equal(mobility_form(DO_DEPARTING)->peers, PEERS_FRESH);
	assert_int_equal(mobility_form(DO_ARRIVED)->peers, PEERS_METADATA);
	assert_int_equal(mobility_form(DO_PRESENT)->peers, PEERS_NONE);
	assert_int_equal(
	    mobility_form(DO_ARRIVING)->generation, GENERATION_METADATA);
}

static void
test_generation(void **state)
{
	const uint64_t now = UINT64_C(1700000000000);

	(void)state;
	assert_int_equal(mobility_generation(0, 0, now), now);
	assert_int_equal(mobility_generation(now, 0, now), now + 1);
	assert_int_equal(mobility_generation(0, now + 7, now), now + 8);
	assert_int_equal(mobility_generation(now + 9, now + 7, now), now + 10);
	assert_int_equal(mobility_generation(5, 7, now), now);
	assert_int_equal(mobility_generation(0, 0, 0), 1);

	/* 4.3 */
	assert_true(mobility_generation_sane(now + GENERATION_AHEAD_MS, now));
	assert_false(
	    mobility_generation_sane(now + GENERATION_AHEAD_MS + 1, now));
	assert_false(mobility_generation_sane(UINT64_C(1) << 63, UINT64_MAX));
}

static void
test_mine(void **state)
{
	(void)state;
	assert_true(mobility_mine(0, 5, true));	  /* no state file */
	assert_true(mobility_mine(9, 5, true));	  /* not written yet */
	assert_true(mobility_mine(9, 5, false));  /* not written yet */
	assert_true(mobility_mine(9, 0, false));  /* never written */
	assert_false(mobility_mine(5, 9, false)); /* came back unseen */
	assert_false(mobility_mine(0, 0, false));
}

static void
test_listed(void **state)
{
	static const struct {
		enum vm_life life;
		enum vm_job job;
		enum vm_state before;
		bool mine;
		enum vm_event_kind event;
	} rows[] = {
		{ LIFE_RUNNING, JOB_NONE, VM_ABSENT, true, EV_LIST_MINE },
		{ LIFE_RUNNING, JOB_NONE, VM_ABSENT, false, EV_LIST_OTHER },
		{ LIFE_PAUSED, JOB_NONE, VM_HERE, true, EV_LIST_MINE },
		{ LIFE_PAUSED, JOB_NONE, VM_ABSENT, false, EV_LIST_OTHER },
		/* A target cannot be asked for its job. */
		{ LIFE_PAUSED_MIGRATION, JOB_UNKNOWN, VM_ABSENT, false,
		    EV_LIST_INCOMING },
		{ LIFE_PAUSED_MIGRATION, JOB_UNKNOWN, VM_ARRIVING, true,
		    EV_LIST_INCOMING },
		{ LIFE_PAUSED_MIGRATION, JOB_INCOMING, VM_HERE, true,
		    EV_LIST_INCOMING },
		{ LIFE_PAUSED_MIGRATION, JOB_OUTGOING, VM_ABSENT, true,
		    EV_LIST_OUTGOING_MINE },
		{ LIFE_PAUSED_MIGRATION, JOB_OUTGOING, VM_ABSENT, false,
		    EV_LIST_OUTGOING_OTHER },
		{ LIFE_PAUSED_MIGRATION, JOB_UNKNOWN, VM_PAUSED, true,
		    EV_LIST_OUTGOING_MINE },
		/* Suspended while it was copied, then aborted. */
		{ LIFE_PAUSED_MIGRATION, JOB_NONE, VM_PAUSED, true,
		    EV_LIST_MINE },
		{ LIFE_PAUSED_MIGRATION, JOB_NONE, VM_ABSENT, true,
		    EV_LIST_INCOMING },
		{ LIFE_PAUSED_POSTCOPY, JOB_OUTGOING, VM_PAUSED, true,
		    EV_LIST_OUTGOING_MINE },
		{ LIFE_POSTCOPY_FAILED, JOB_NONE, VM_PAUSED, true,
		    EV_LIST_POSTCOPY_FAILED },
		{ LIFE_CRASHED, JOB_NONE, VM_HERE, true, EV_LIST_CRASHED },
		{ LIFE_CHANGING, JOB_OTHER, VM_ABSENT, false, EV_NOTHING },
		{ LIFE_GONE, JOB_UNKNOWN, VM_HERE, true, EV_NOTHING },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(mobility_listed(rows[i].life, rows[i].job,
				     rows[i].before, rows[i].mine),
		    rows[i].event);
}

static void
test_polled(void **state)
{
	static const struct {
		enum vm_life life;
		enum vm_job job;
		enum vm_state before;
		enum vm_event_kind event;
	} rows[] = {
		{ LIFE_RUNNING, JOB_OUTGOING, VM_DEPARTING, EV_NOTHING },
		{ LIFE_RUNNING, JOB_NONE, VM_DEPARTING, EV_JOB_OVER },
		{ LIFE_RUNNING, JOB_UNKNOWN, VM_DEPARTING, EV_NOTHING },
		{ LIFE_PAUSED_MIGRATION, JOB_OUTGOING, VM_DEPARTING,
		    EV_NOTHING },
		{ LIFE_GONE, JOB_UNKNOWN, VM_DEPARTING, EV_LIST_MISSING },
		{ LIFE_RUNNING, JOB_NONE, VM_PAUSED, EV_STILL_HERE },
		{ LIFE_PAUSED_MIGRATION, JOB_OUTGOING, VM_PAUSED, EV_NOTHING },
		{ LIFE_PAUSED_POSTCOPY, JOB_OUTGOING, VM_PAUSED, EV_NOTHING },
		{ LIFE_POSTCOPY_FAILED, JOB_NONE, VM_PAUSED,
		    EV_LIST_POSTCOPY_FAILED },
		/* virsh suspend while copying, then virsh domjobabort */
		{ LIFE_PAUSED, JOB_OUTGOING, VM_PAUSED, EV_NOTHING },
		{ LIFE_PAUSED, JOB_NONE, VM_PAUSED, EV_STILL_HERE },
		{ LIFE_PAUSED_MIGRATION, JOB_NONE, VM_PAUSED, EV_STILL_HERE },
		{ LIFE_PAUSED_MIGRATION, JOB_NONE, VM_DEPARTING, EV_JOB_OVER },
		{ LIFE_GONE, JOB_UNKNOWN, VM_PAUSED, EV_LIST_MISSING },
		{ LIFE_RUNNING, JOB_NONE, VM_HERE, EV_NOTHING },
		{ LIFE_GONE, JOB_UNKNOWN, VM_LEFT, EV_NOTHING },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    mobility_polled(rows[i].life, rows[i].job, rows[i].before),
		    rows[i].event);
}

static void
test_names(void **state)
{
	(void)state;
	for (unsigned s = 0; s < VM_STATES; s++)
		assert_int_equal(vm_state_parse(vm_state_str(s)), s);
	assert_int_equal(vm_state_parse("x"), VM_ABSENT);
	assert_string_equal(vm_event_str(EV_COPYING), "copying");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_generation),
		cmocka_unit_test(test_mine),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_polled),
		cmocka_unit_test(test_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
