/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_watch.c - a VM that departs or is paused: when it is looked at, and what
 * each answer means (docs/cpm.md 7.2).
 */
#include "agent_world.h"

/* Copying begins: peers are read while the tap is there, then the job is
 * looked at. */
static void
test_copying(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct virt_domain d;

	give_peers(vm, 3);
	vm->inherited_until = mono_add_ms(now(), 1000);
	ms(5);
	watch_copying(a, vm->uuid, WALL_MS + 3);
	assert_int_equal(vm->event_at.us, now().us);
	assert_int_equal(vm->n_fresh, 3);
	assert_int_equal(looks(LOOK_COPYING), 1);
	assert_int_equal(world.n_said, 0);
	d = found(vm, LIFE_RUNNING, JOB_OUTGOING);
	watch_copying_looked(a, vm, &d);
	assert_said(1, CPM_DEPARTING);
	assert_int_equal(last_said()->event_ms, WALL_MS + 3);
	assert_int_equal(last_said()->generation, vm->generation);
	assert_int_equal(peers_said(), 3);
	assert_int_equal(vm->state, VM_DEPARTING);
	assert_int_equal(vm->n_fresh, 0); /* said, so not said again */
}

/* A managed save copies memory, too; and what cannot be asked means nothing. */
static void
test_copying_something_else(void **state)
{
	static const enum vm_job jobs[] = { JOB_UNKNOWN, JOB_NONE, JOB_INCOMING,
		JOB_OTHER };
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct virt_domain d;

	vm->inherited_until = mono_add_ms(now(), 1000);
	give_peers(vm, 2);
	for (unsigned i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		watch_copying(a, vm->uuid, WALL_MS);
		assert_int_equal(vm->n_fresh, 2);
		d = found(vm, LIFE_RUNNING, jobs[i]);
		watch_copying_looked(a, vm, &d);
		assert_null(vm->fresh);
		assert_int_equal(vm->n_fresh, 0);
		assert_int_equal(vm->state, VM_HERE);
	}
	watch_copying(a, vm->uuid, WALL_MS);
	d = found(vm, LIFE_RUNNING, JOB_OUTGOING);
	d.err = ERR_IO;
	watch_copying_looked(a, vm, &d);
	assert_int_equal(vm->state, VM_HERE);
	assert_int_equal(vm->n_fresh, 2); /* 'paused' may carry them */
	assert_int_equal(world.n_said, 0);
}

/* Of no interest: not here, unknown, or we cannot speak yet. */
static void
test_copying_elsewhere(void **state)
{
	struct agent *a = *state;
	uint8_t unknown[16] = { 9 };

	for (unsigned s = 0; s < VM_STATES; s++)
		if (s != VM_HERE) {
			struct vm *vm = make_vm(a, s + 1, (enum vm_state)s);

			watch_copying(a, vm->uuid, WALL_MS);
			assert_null(vm->fresh);
			assert_int_equal(vm->event_at.us, 0);
		}
	watch_copying(a, unknown, WALL_MS);
	a->ready = false;
	watch_copying(a, make_vm(a, 20, VM_HERE)->uuid, WALL_MS);
	assert_int_equal(looks(LOOK_COPYING), 0);
}

static struct vm *
departing(struct agent *a)
{
	struct vm *vm = make_vm(a, 1, VM_HERE);

	agent_happened(a, vm, EV_COPYING, WALL_MS);
	assert_said(1, CPM_DEPARTING);
	return vm;
}

/* Each job-poll while it departs, one look at a time; then no more. */
static void
test_poll(void **state)
{
	struct agent *a = *state;
	struct vm *vm = departing(a);
	struct virt_domain d;

	ms(499);
	assert_int_equal(looks(LOOK_POLL), 0);
	ms(1);
	assert_int_equal(looks(LOOK_POLL), 1);
	ms(2000); /* the first is not answered */
	assert_int_equal(looks(LOOK_POLL), 1);
	d = found(vm, LIFE_RUNNING, JOB_OUTGOING);
	watch_looked(a, vm, &d);
	assert_int_equal(vm->state, VM_DEPARTING);
	ms(500);
	assert_int_equal(looks(LOOK_POLL), 2);
	vm->polling = false;
	agent_happened(a, vm, EV_STOPPED_MIGRATED, WALL_MS);
	assert_false(loop_timer_armed(vm->poll));
	ms(5000);
	assert_int_equal(looks(LOOK_POLL), 2);
}

/* No job any more: only if that stands for two seconds. */
static void
test_job_over(void **state)
{
	struct agent *a = *state;
	struct vm *vm = departing(a);
	struct virt_domain d;

	ms(500);
	assert_int_equal(looks(LOOK_POLL), 1);
	d = found(vm, LIFE_RUNNING, JOB_NONE);
	watch_looked(a, vm, &d);
	assert_said(1, CPM_DEPARTING);
	ms(1999);
	assert_int_equal(looks(LOOK_POLL), 1);
	ms(1);
	assert_int_equal(looks(LOOK_POLL), 2);
	d = found(vm, LIFE_RUNNING, JOB_NONE);
	watch_looked(a, vm, &d);
	assert_said(2, CPM_ABORTED);
	assert_int_equal(vm->state, VM_HERE);
}

/* In between it was something else, could not be asked, or an event came. */
static void
test_job_not_over(void **state)
{
	struct agent *a = *state;
	struct vm *vm = departing(a);
	struct virt_domain none, other;

	for (int how = 0; how < 3; how++) {
		none = found(vm, LIFE_RUNNING, JOB_NONE);
		watch_looked(a, vm, &none);
		assert_int_equal(vm->poll_found, EV_JOB_OVER);
		other = found(vm, LIFE_RUNNING, JOB_OUTGOING);
		if (how == 1)
			other = (struct virt_domain){ .err = ERR_IO };
		if (how == 2) {
			ms(1);
			vm->event_at = now();
			other = none; /* asked before that */
		}
		watch_looked(a, vm, &other);
		assert_int_equal(vm->poll_found, EV_NOTHING);
		ms(1);
		none = found(vm, LIFE_RUNNING, JOB_NONE);
		watch_looked(a, vm, &none);
		assert_int_equal(vm->state, VM_DEPARTING);
		watch_state(a, vm); /* for the next round */
		assert_int_equal(vm->poll_found, EV_NOTHING);
	}
	assert_said(1, CPM_DEPARTING);
}

/* It went while we did not hear of it: said after the second look. */
static void
test_gone(void **state)
{
	struct agent *a = *state;
	struct vm *vm = departing(a);
	struct virt_domain d = found(vm, LIFE_GONE, JOB_UNKNOWN);

	watch_looked(a, vm, &d);
	assert_said(1, CPM_DEPARTING);
	watch_looked(a, vm, &d);
	assert_said(2, CPM_DEPARTED);
	assert_int_equal(vm->state, VM_ABSENT);
}

/* Paused: not before 30 s without an event, but then one answer is enough. */
static void
test_paused(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct virt_domain d;

	vm->event_at = now();
	agent_happened(a, vm, EV_SUSPENDED_MIGRATED, WALL_MS);
	assert_said(1, CPM_PAUSED);
	ms(20000);
	vm->event_at = now(); /* heard of it */
	ms(10000);
	assert_int_equal(looks(LOOK_POLL), 0);
	ms(30000);
	assert_int_equal(looks(LOOK_POLL), 1);
	d = found(vm, LIFE_PAUSED_MIGRATION, JOB_OUTGOING);
	watch_looked(a, vm, &d);
	assert_int_equal(vm->state, VM_PAUSED);
	ms(30000);
	assert_int_equal(looks(LOOK_POLL), 2);
	world.n_said = 0; /* it was said again, too */
	d = found(vm, LIFE_RUNNING, JOB_UNKNOWN);
	watch_looked(a, vm, &d);
	assert_said(1, CPM_ABORTED);
	assert_int_equal(vm->state, VM_HERE);
	assert_false(loop_timer_armed(vm->poll));
}

/* Post-copy that failed is departed for ever. */
static void
test_postcopy_failed(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct virt_domain d;

	agent_happened(a, vm, EV_SUSPENDED_MIGRATED, WALL_MS);
	d = found(vm, LIFE_POSTCOPY_FAILED, JOB_NONE);
	watch_looked(a, vm, &d);
	assert_said(2, CPM_DEPARTED);
	assert_int_equal(vm->state, VM_LEFT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_copying),
		T(test_copying_something_else),
		T(test_copying_elsewhere),
		T(test_poll),
		T(test_job_over),
		T(test_job_not_over),
		T(test_gone),
		T(test_paused),
		T(test_postcopy_failed),
	};

	return RUN("vmagent/watch");
}
