/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_virt_map.c - what each of libvirt's lifecycle details and domain states
 * means, beside docs/cpm.md 7.1.
 */
#define VIR_ENUM_SENTINELS
#include <libvirt/libvirt.h>

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmagent/virt.h"
#include "vmagent/virt_call.h"

/* Every detail of an event, in libvirt's order; short lists end in nothing. */
static const struct {
	int event, last;
	enum vm_event_kind kinds[10];
} lifecycle[] = {
	{ VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_LAST, { 0 } },
	{ VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_LAST,
	    { EV_UNDEFINED, EV_NOTHING } },
	/* booted, migrated, restored, from snapshot, wakeup */
	{ VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_LAST,
	    { EV_STARTED, EV_STARTED_MIGRATED, EV_STARTED, EV_STARTED,
		EV_STARTED } },
	/* paused, migrated, I/O error, watchdog, restored, from snapshot, API
	 * error, post-copy, post-copy failed */
	{ VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_LAST,
	    { EV_SUSPENDED, EV_SUSPENDED_MIGRATED, EV_NOTHING, EV_NOTHING,
		EV_NOTHING, EV_NOTHING, EV_NOTHING, EV_SUSPENDED_MIGRATED,
		EV_POSTCOPY_FAILED } },
	/* unpaused, migrated, from snapshot, post-copy, post-copy failed */
	{ VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_LAST,
	    { EV_RESUMED, EV_RESUMED_MIGRATED, EV_RESUMED, EV_RESUMED_MIGRATED,
		EV_RESUMED_MIGRATED } },
	/* shutdown, destroyed, crashed, migrated, saved, failed, from snapshot */
	{ VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_LAST,
	    { EV_STOPPED, EV_STOPPED, EV_STOPPED, EV_STOPPED_MIGRATED,
		EV_STOPPED, EV_STOPPED, EV_STOPPED } },
	{ VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_LAST, { 0 } },
	{ VIR_DOMAIN_EVENT_PMSUSPENDED, VIR_DOMAIN_EVENT_PMSUSPENDED_LAST,
	    { 0 } },
	{ VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_LAST, { 0 } },
};

static void
test_lifecycle(void **state)
{
	(void)state;
	assert_int_equal(
	    sizeof(lifecycle) / sizeof(lifecycle[0]), VIR_DOMAIN_EVENT_LAST);
	for (int i = 0; i < VIR_DOMAIN_EVENT_LAST; i++) {
		assert_int_equal(lifecycle[i].event, i);
		for (int d = 0; d < lifecycle[i].last; d++)
			if (virt_lifecycle(i, d, false) !=
			    lifecycle[i].kinds[d])
				fail_msg("%d/%d is '%s'", i, d,
				    vm_event_str(virt_lifecycle(i, d, false)));
	}
}

/* A VM that runs on without its definition is still here. */
static void
test_process(void **state)
{
	(void)state;
	for (int i = 0; i < VIR_DOMAIN_EVENT_LAST; i++)
		for (int d = 0; d < lifecycle[i].last; d++) {
			enum vm_event_kind kind = lifecycle[i].kinds[d];

			assert_int_equal(virt_lifecycle(i, d, true),
			    kind == EV_UNDEFINED ? EV_NOTHING : kind);
		}
}

/* Of a newer libvirtd. */
static void
test_unknown(void **state)
{
	static const int odd[] = { -1, INT_MIN, INT_MAX, 77,
		VIR_DOMAIN_EVENT_LAST };

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(virt_lifecycle(odd[i], 0, false), EV_NOTHING);
	for (int i = 0; i < VIR_DOMAIN_EVENT_LAST; i++) {
		assert_int_equal(virt_lifecycle(i, -1, false), EV_NOTHING);
		assert_int_equal(
		    virt_lifecycle(i, lifecycle[i].last, false), EV_NOTHING);
		assert_int_equal(virt_lifecycle(i, INT_MAX, false), EV_NOTHING);
	}
}

static void
test_life(void **state)
{
	static const struct {
		int state;
		enum vm_life life;
	} states[] = {
		{ VIR_DOMAIN_NOSTATE, LIFE_GONE },
		{ VIR_DOMAIN_RUNNING, LIFE_RUNNING },
		{ VIR_DOMAIN_BLOCKED, LIFE_RUNNING },
		{ VIR_DOMAIN_SHUTDOWN, LIFE_CHANGING },
		{ VIR_DOMAIN_SHUTOFF, LIFE_GONE },
		{ VIR_DOMAIN_CRASHED, LIFE_CRASHED },
		{ VIR_DOMAIN_PMSUSPENDED, LIFE_RUNNING },
	};
	static const enum vm_life paused[] = {
		[VIR_DOMAIN_PAUSED_UNKNOWN] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_USER] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_MIGRATION] = LIFE_PAUSED_MIGRATION,
		[VIR_DOMAIN_PAUSED_SAVE] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_DUMP] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_IOERROR] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_WATCHDOG] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_FROM_SNAPSHOT] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_SHUTTING_DOWN] = LIFE_CHANGING,
		[VIR_DOMAIN_PAUSED_SNAPSHOT] = LIFE_PAUSED,
		[VIR_DOMAIN_PAUSED_CRASHED] = LIFE_CRASHED,
		[VIR_DOMAIN_PAUSED_STARTING_UP] = LIFE_CHANGING,
		[VIR_DOMAIN_PAUSED_POSTCOPY] = LIFE_PAUSED_POSTCOPY,
		[VIR_DOMAIN_PAUSED_POSTCOPY_FAILED] = LIFE_POSTCOPY_FAILED,
	};

	(void)state;
	/* the reason counts for a paused one alone */
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		for (int reason = 0; reason < 20; reason++)
			assert_int_equal(
			    virt_life(states[i].state, reason), states[i].life);
	for (int reason = 0; reason <= VIR_DOMAIN_PAUSED_POSTCOPY_FAILED;
	     reason++)
		assert_int_equal(
		    virt_life(VIR_DOMAIN_PAUSED, reason), paused[reason]);
	assert_int_equal(virt_life(VIR_DOMAIN_PAUSED, 77), LIFE_PAUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lifecycle),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_life),
	};

	return cmocka_run_group_tests_name(
	    "vmagent/virt_map", tests, NULL, NULL);
}
