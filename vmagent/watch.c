/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - a VM that departs or is paused for the switch-over is looked at.
 *
 * An aborted pre-copy gives the source no event at all, so somebody has to ask:
 * for the job, each job-poll, while departing; for the domain, after 30 s
 * without an event, while paused (docs/cpm.md 7.2).  The calls run in virt.c's
 * worker; the answers come back here.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "common/log.h"

/* ---- copying has begun ---- */

/* The tap is gone before the migration's end is heard of: read it now. */
static void
read_fresh(struct agent *a, struct vm *vm)
{
	unsigned n = metadata_peers(a, vm, a->peers_room, CPM_PEERS_SENT_MAX);
	struct cpm_peer *fresh = calloc(n + 1, sizeof(*fresh));

	if (!fresh)
		return;
	memcpy(fresh, a->peers_room, n * sizeof(*fresh));
	free(vm->fresh);
	vm->fresh = fresh;
	vm->n_fresh = n;
}

void
watch_copying(void *arg, const uint8_t uuid[16], uint64_t wall_ms)
{
	struct agent *a = arg;
	struct vm *vm = vms_find(&a->vms, uuid);

	if (!a->ready || !vm || vm->state != VM_HERE)
		return;
	vm->event_at = loop_now(a->loop);
	vm->copying_ms = wall_ms;
	read_fresh(a, vm);
	/* A managed save copies, too.  If this is refused, 'paused' will carry
	 * the peers. */
	(void)!virt_look(a->virt, uuid, true, WANT_JOB, LOOK_COPYING);
}

void
watch_copying_looked(
    struct agent *a, struct vm *vm, const struct virt_domain *d)
{
	if (d->err)
		return;
	if (d->job == JOB_OUTGOING) {
		agent_happened(a, vm, EV_COPYING, vm->copying_ms);
	} else if (vm->state == VM_HERE) {
		free(vm->fresh);
		vm->fresh = NULL;
		vm->n_fresh = 0;
	}
}

/* ---- the poll ---- */

static int64_t
poll_ms(const struct agent *a, const struct vm *vm)
{
	return vm->state == VM_DEPARTING ? a->conf->job_poll_ms
					 : PAUSED_LOOK_MS;
}

static void
on_poll(void *arg)
{
	struct vm *vm = arg;
	struct agent *a = vm->agent;
	int64_t quiet_us = mono_diff_us(loop_now(a->loop), vm->event_at);

	loop_timer_set(vm->poll, poll_ms(a, vm));
	if (vm->state == VM_PAUSED && quiet_us < PAUSED_LOOK_MS * INT64_C(1000))
		return;
	if (!vm->polling)
		vm->polling =
		    !virt_look(a->virt, vm->uuid, true, WANT_JOB, LOOK_POLL);
}

void
watch_state(struct agent *a, struct vm *vm)
{
	bool watched = vm->state == VM_DEPARTING || vm->state == VM_PAUSED;

	vm->poll_found = EV_NOTHING;
	if (watched && !vm->poll)
		vm->poll = loop_timer_new(a->loop, on_poll, vm);
	if (watched && vm->poll)
		loop_timer_set(vm->poll, poll_ms(a, vm));
	else if (vm->poll)
		loop_timer_cancel(vm->poll);
}

void
watch_looked(struct agent *a, struct vm *vm, const struct virt_domain *d)
{
	enum vm_event_kind kind;

	vm->polling = false;
	if (d->err || mono_before(d->asked, vm->event_at)) {
		vm->poll_found = EV_NOTHING;
		return;
	}
	kind = mobility_polled(d->life, d->job, vm->state);
	if (kind == EV_NOTHING || vm->state == VM_PAUSED ||
	    vm->poll_found == kind) {
		vm->poll_found = EV_NOTHING;
		if (kind != EV_NOTHING)
			agent_happened(a, vm, kind, agent_wall_ms(a));
		return;
	}
	/* The event that explains it may still come: look once more. */
	vm->poll_found = kind;
	loop_timer_set(vm->poll, JOB_OVER_MS);
}
