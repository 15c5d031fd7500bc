/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resync.c - what libvirt lists against what we thought: on every connect and
 * every resync interval.
 *
 * Each domain listed is looked at, and mobility_listed() says what that means.
 * A look that is older than the VM's last event counts for nothing.  'present'
 * is paced, RESYNC_RATE a second after a burst; everything else goes at once.
 * VMs gone for a day are forgotten here, too.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "common/log.h"

static void on_interval(void *arg);
static void on_pace(void *arg);
static void on_expire(void *arg);

enum err
resync_init(struct agent *a)
{
	a->due_last = &a->due_first;
	a->credit = RESYNC_BURST;
	a->resync = loop_timer_new(a->loop, on_interval, a);
	a->pace = loop_timer_new(a->loop, on_pace, a);
	a->expire = loop_timer_new(a->loop, on_expire, a);
	if (!a->resync || !a->pace || !a->expire)
		return ERR_NOMEM;
	loop_timer_set(a->resync, a->conf->resync_s * 1000);
	loop_timer_set(a->expire, EXPIRE_MS);
	return ERR_OK;
}

void
resync_fini(struct agent *a)
{
	loop_timer_free(a->resync);
	loop_timer_free(a->pace);
	loop_timer_free(a->expire);
}

/* ---- pacing ---- */

static void
due_fire(struct agent *a, struct vm *vm)
{
	bool plain = vm->due_kind == EV_LIST_MINE && vm->state == VM_HERE;

	vm->due = false;
	if (vm->looking || mono_before(vm->due_asked, vm->event_at))
		return; /* overtaken */
	/* What waits for its Ack says as much. */
	if (plain && notify_outstanding(a->notify, vm->uuid, false))
		return;
	a->counters.resync_said++;
	agent_happened(a, vm, vm->due_kind, agent_wall_ms(a));
}

static void
pump(struct agent *a)
{
	while (a->due_first && a->credit) {
		struct vm *vm = a->due_first;

		a->due_first = vm->next_due;
		if (!a->due_first)
			a->due_last = &a->due_first;
		a->credit--;
		due_fire(a, vm);
	}
	if (a->credit < RESYNC_BURST && !loop_timer_armed(a->pace))
		loop_timer_set(a->pace, 1000 / RESYNC_RATE);
}

static void
on_pace(void *arg)
{
	struct agent *a = arg;

	a->credit++;
	pump(a);
}

static void
due_add(
    struct agent *a, struct vm *vm, enum vm_event_kind kind, struct mono asked)
{
	vm->due_kind = kind;
	vm->due_asked = asked;
	if (!vm->due) {
		vm->due = true;
		vm->next_due = NULL;
		*a->due_last = vm;
		a->due_last = &vm->next_due;
	}
	pump(a);
}

void
resync_forget(struct agent *a, struct vm *vm)
{
	struct vm **at = &a->due_first;

	if (!vm->due)
		return;
	while (*at != vm)
		at = &(*at)->next_due;
	*at = vm->next_due;
	if (!*at)
		a->due_last = at;
	vm->due = false;
}

/* ---- listing ---- */

static void
list(struct agent *a)
{
	a->counters.listings++;
	a->listing = 0;
	virt_list(a->virt);
}

void
resync_connected(struct agent *a)
{
	list(a);
	loop_timer_set(a->resync, a->conf->resync_s * 1000);
}

static void
on_interval(void *arg)
{
	struct agent *a = arg;

	loop_timer_set(a->resync, a->conf->resync_s * 1000);
	if (a->ready && virt_connected(a->virt) && !a->listing)
		list(a);
}

static int
compare_uuid(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* VMs that we thought were here and that libvirt does not have. */
static void
find_missing(
    struct agent *a, const uint8_t (*sorted)[16], size_t n, struct mono asked)
{
	struct table_iter it = table_iter(&a->vms.table);
	struct vm *vm;

	while ((vm = vms_next(&it))) {
		if (vm->state == VM_ABSENT || vm->looking ||
		    mono_before(asked, vm->event_at))
			continue;
		if (n && bsearch(vm->uuid, sorted, n, 16, compare_uuid))
			continue;
		agent_happened(a, vm, EV_LIST_MISSING, agent_wall_ms(a));
	}
}

void
resync_listed(
    void *arg, const uint8_t (*uuids)[16], size_t n, struct mono asked)
{
	struct agent *a = arg;
	uint8_t(*sorted)[16] = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return;
	memcpy(sorted, uuids, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_uuid);
	find_missing(a, (const uint8_t(*)[16])sorted, n, asked);
	free(sorted);
	for (size_t i = 0; i < n; i++)
		if (!virt_look(a->virt, uuids[i], false,
			WANT_XML | WANT_MIGRATION_JOB, LOOK_LIST))
			a->listing++;
}

/* Owned by us, as the metadata or the state file have it; sets generation. */
static bool
find_owner(struct agent *a, struct vm *vm)
{
	const struct vm_metadata *md = &vm->info->metadata;
	uint64_t own = vm_is_owned(vm) ? vm->generation : 0;
	uint64_t written = metadata_generation(a, vm);
	bool written_by_us =
	    written && memcmp(md->owner, a->host_id, sizeof(a->host_id)) == 0;
	bool mine = mobility_mine(own, written, written_by_us);

	if (mine && written_by_us && written > own)
		vm->generation = written;
	return mine;
}

void
resync_looked(struct agent *a, const struct virt_domain *d)
{
	enum vm_event_kind kind;
	enum vm_action action;
	struct vm *vm;

	if (a->listing)
		a->listing--;
	if (d->err || !d->xml || d->life == LIFE_GONE ||
	    d->life == LIFE_CHANGING)
		return;
	vm = agent_vm(a, d->uuid);
	if (!vm || vm->looking || mono_before(d->asked, vm->event_at))
		return;
	agent_learn(a, vm, d->xml);
	if (!vm->info)
		return;
	if (!vm->seen_ms)
		vm->seen_ms = agent_wall_ms(a);
	kind = mobility_listed(d->life, d->job, vm->state, find_owner(a, vm));
	action = mobility_decide(vm->state, kind).action;
	if (action == DO_PRESENT || action == DO_PRESENT_NEW)
		due_add(a, vm, kind, d->asked);
	else
		agent_happened(a, vm, kind, agent_wall_ms(a));
}

/* ---- expiry ---- */

static void
on_expire(void *arg)
{
	struct agent *a = arg;
	uint64_t now = agent_wall_ms(a);
	struct table_iter it = table_iter(&a->vms.table);
	struct vm *vm;

	loop_timer_set(a->expire, EXPIRE_MS);
	while ((vm = vms_next(&it))) {
		if (vm->state != VM_ABSENT || vm_is_open(vm) || vm->looking ||
		    now < vm->seen_ms + VMS_MEMORY_S * UINT64_C(1000))
			continue;
		resync_forget(a, vm);
		notify_forget(a->notify, vm->uuid);
		if (a->state)
			state_remove_vm(a->state, vm->uuid);
		vms_remove(&a->vms, vm);
	}
}
