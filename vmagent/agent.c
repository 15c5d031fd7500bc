/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - what libvirt says about a VM, and what that does to it.
 *
 * virt.c calls the hooks; mobility.c decides; speak.c says it.  An event of a
 * VM whose XML we do not have yet waits for it, in order; everything else is
 * known before, so nothing stands between an event and its CPM.
 */
#include "agent.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

uint64_t
agent_wall_ms(const struct agent *a)
{
	return clock_wall_ms(loop_clock(a->loop));
}

void
agent_save(struct agent *a, const struct vm *vm)
{
	if (a->state)
		state_put_vm(a->state, vm);
}

struct vm *
agent_vm(struct agent *a, const uint8_t uuid[16])
{
	uint8_t forgotten[16];
	bool did_forget;
	struct vm *vm = vms_make(&a->vms, uuid, forgotten, &did_forget);

	if (did_forget) {
		notify_forget(a->notify, forgotten);
		if (a->state)
			state_remove_vm(a->state, forgotten);
	}
	if (!vm) {
		if (!a->counters.vms_refused++)
			log_error("agent",
			    "too many VMs: not all are looked "
			    "after");
		return NULL;
	}
	vm->agent = a;
	return vm;
}

/* What a new state asks for besides words. */
static void
entered(struct agent *a, struct vm *vm)
{
	switch (vm->state) {
	case VM_HERE:
	case VM_ARRIVING:
		if (vm->info)
			peers_watch(a->peers, vm->info);
		break;
	case VM_ABSENT:
		peers_unwatch(a->peers, vm->uuid);
		break;
	case VM_DEPARTING:
	case VM_PAUSED:
	case VM_LEFT:
	case VM_STATES:
		break;
	}
	if (vm->state != VM_DEPARTING && vm->state != VM_PAUSED) {
		free(vm->fresh);
		vm->fresh = NULL;
		vm->n_fresh = 0;
	}
}

void
agent_happened(
    struct agent *a, struct vm *vm, enum vm_event_kind kind, uint64_t wall_ms)
{
	enum vm_state before = vm->state;
	struct verdict v = mobility_decide(before, kind);
	bool resync = v.action == DO_PRESENT && v.next == before;
	char uuid[UUID_STR_MAX];

	a->counters.events[kind]++;
	if (!resync)
		log_debug("agent", "%s: %s: %s -> %s", vm_str(vm, uuid),
		    vm_event_str(kind), vm_state_str(before),
		    vm_state_str(v.next));
	if (v.action == DO_ARRIVED ||
	    (v.action == DO_PRESENT_NEW && kind != EV_STALE))
		vm->reclaims = 0;
	if (v.next == VM_HERE && !vm_is_owned(vm))
		vm->inherited_until =
		    mono_add_ms(loop_now(a->loop), a->conf->peers.age_s * 1000);
	vm->state = v.next;
	if (v.action != DO_NOTHING)
		speak(a, vm, v.action, wall_ms);
	if (v.next != before || v.action != DO_NOTHING)
		watch_state(a, vm);
	if (v.next != before) {
		vm->seen_ms = agent_wall_ms(a);
		entered(a, vm);
	}
	if (!resync)
		agent_save(a, vm);
}

/* ---- XML ---- */

void
agent_learn(struct agent *a, struct vm *vm, const char *xml)
{
	struct vm_info *info = &a->scratch, *old = vm->info;
	char uuid[UUID_STR_MAX];
	bool changed;

	if (eids_read(xml, a->conf, info) ||
	    memcmp(info->uuid, vm->uuid, sizeof(vm->uuid)) != 0) {
		log_warning("agent", "%s: XML: %s", vm_str(vm, uuid),
		    err_str(ERR_MALFORMED));
		return;
	}
	vm->info = malloc(sizeof(*vm->info));
	if (!vm->info) {
		vm->info = old;
		return;
	}
	*vm->info = *info;
	memcpy(vm->name, info->name, sizeof(vm->name));
	if (info->n_bad && (!old || old->n_bad != info->n_bad))
		log_warning("agent", "%s: %u unusable entries in its metadata",
		    vm_str(vm, uuid), info->n_bad);
	changed = old && !eids_same(old, vm->info);
	if (vm->state == VM_HERE || vm->state == VM_ARRIVING)
		peers_watch(a->peers, vm->info);
	if (changed && vm_is_owned(vm)) {
		log_info(
		    "agent", "%s: its EIDs have changed", vm_str(vm, uuid));
		speak_removed(a, vm, old);
		if (vm->state == VM_HERE)
			speak(a, vm, DO_PRESENT, agent_wall_ms(a));
		agent_save(a, vm);
	}
	free(old);
}

/* True if the event says something that needs XML we do not have. */
static bool
needs_xml(const struct vm *vm, enum vm_event_kind kind)
{
	struct verdict v = mobility_decide(vm->state, kind);

	if (v.action == DO_NOTHING)
		return false;
	/* After an absence everything may be new: taps, metadata, EIDs. */
	return !vm->info || vm->state == VM_ABSENT ||
	    (v.next == VM_ARRIVING && vm->state != VM_ARRIVING);
}

static void
run_queue(struct agent *a, struct vm *vm)
{
	unsigned n = vm->n_queued;

	vm->looking = false;
	vm->n_queued = 0;
	for (unsigned i = 0; i < n; i++)
		agent_happened(a, vm, vm->queue[i].kind, vm->queue[i].wall_ms);
}

static void
enqueue(struct agent *a, struct vm *vm, const struct vm_event *ev)
{
	char uuid[UUID_STR_MAX];

	if (vm->n_queued == VMS_QUEUE_MAX) {
		log_warning(
		    "agent", "%s: too many events at once", vm_str(vm, uuid));
		return; /* the next listing puts it right */
	}
	vm->queue[vm->n_queued].kind = ev->kind;
	vm->queue[vm->n_queued].wall_ms = ev->wall_ms;
	vm->n_queued++;
	if (vm->looking)
		return;
	vm->looking = true;
	if (virt_look(a->virt, vm->uuid, true, WANT_XML, LOOK_EVENT))
		run_queue(a, vm);
}

/* ---- hooks of virt.c ---- */

static void
on_event(void *arg, const struct vm_event *ev)
{
	struct agent *a = arg;
	struct vm *vm = vms_find(&a->vms, ev->uuid);

	/* Before the host-id is known the coming listing tells it all. */
	if (!a->ready || ev->kind == EV_NOTHING)
		return;
	if (!vm && mobility_decide(VM_ABSENT, ev->kind).action == DO_NOTHING)
		return;
	if (!vm)
		vm = agent_vm(a, ev->uuid);
	if (!vm)
		return;
	if (ev->name && !vm->name[0] && strlen(ev->name) < sizeof(vm->name))
		strcpy(vm->name, ev->name);
	vm->event_at = loop_now(a->loop);
	if (vm->looking || needs_xml(vm, ev->kind))
		enqueue(a, vm, ev);
	else
		agent_happened(a, vm, ev->kind, ev->wall_ms);
}

static void
on_changed(void *arg, const uint8_t uuid[16])
{
	struct agent *a = arg;

	/* Refused: the next listing reads it anyway. */
	if (a->ready && vms_find(&a->vms, uuid))
		(void)!virt_look(a->virt, uuid, false, WANT_XML, LOOK_CHANGED);
}

static void
on_looked(void *arg, const struct virt_domain *d)
{
	struct agent *a = arg;
	struct vm *vm = vms_find(&a->vms, d->uuid);

	if (d->purpose == LOOK_LIST) {
		resync_looked(a, d);
		return;
	}
	if (!vm)
		return;
	switch ((enum look)d->purpose) {
	case LOOK_EVENT:
		if (d->xml)
			agent_learn(a, vm, d->xml);
		run_queue(a, vm);
		break;
	case LOOK_CHANGED:
		if (d->xml && !vm->looking && vm->state != VM_ABSENT)
			agent_learn(a, vm, d->xml);
		break;
	case LOOK_COPYING:
		watch_copying_looked(a, vm, d);
		break;
	case LOOK_POLL:
		watch_looked(a, vm, d);
		break;
	case LOOK_RECLAIM:
		speak_reclaim_looked(a, vm, d);
		break;
	case LOOK_LIST:
		break;
	}
}

void
agent_ready(struct agent *a, const uint8_t host_id[16])
{
	struct table_iter it;
	struct vm *vm;
	char uuid[UUID_STR_MAX];

	if (a->ready)
		return;
	a->ready = true;
	memcpy(a->host_id, host_id, sizeof(a->host_id));
	notify_sender(a->notify, host_id);
	if (a->state)
		state_set_host_id(a->state, host_id);
	log_info("agent", "host-id %s", uuid_str(host_id, uuid));
	it = table_iter(&a->vms.table);
	while ((vm = vms_next(&it))) {
		speak_again(a, vm, true);
		watch_state(a, vm);
	}
}

static void
on_connected(void *arg, const char *capabilities)
{
	struct agent *a = arg;
	uint8_t id[16];

	if (!eids_host_uuid(capabilities, id)) {
		if (a->ready && !a->conf->has_host_id &&
		    memcmp(id, a->host_id, sizeof(id)) != 0)
			log_error("agent",
			    "libvirt's host UUID has changed: "
			    "set host-id, or restart");
		agent_ready(a, id);
	}
	if (!a->ready) {
		log_error("agent", "libvirt tells no host UUID: set host-id");
		return;
	}
	resync_connected(a);
}

static void
on_lost(void *arg)
{
	struct agent *a = arg;
	struct table_iter it = table_iter(&a->vms.table);
	struct vm *vm;

	/* Their looks are forgotten; the listing after the next connect
	 * makes up for their events. */
	while ((vm = vms_next(&it))) {
		vm->looking = vm->polling = vm->reclaiming = false;
		vm->n_queued = 0;
		vm->poll_found = EV_NOTHING;
	}
}

const struct virt_hooks agent_virt_hooks = {
	.connected = on_connected,
	.lost = on_lost,
	.event = on_event,
	.copying = watch_copying,
	.changed = on_changed,
	.listed = resync_listed,
	.looked = on_looked,
	.written = metadata_written,
};
