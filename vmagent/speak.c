/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speak.c - an action becomes a statement with its generation and peers, and
 * what the xTRs' answers mean for the VM.
 *
 * agent.c acts; notify.c delivers.  Which generation a claim gets is chosen
 * here and nowhere else (docs/cpm.md 4.1).  The state file is written after the
 * sending.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "common/log.h"

static uint64_t
choose_generation(struct agent *a, struct vm *vm, const struct action_form *f)
{
	enum statement_generation which = f->generation;

	if (which == GENERATION_OWN && vm->generation == 0)
		which = GENERATION_NEW;
	switch (which) {
	case GENERATION_NONE:
		return 0;
	case GENERATION_METADATA:
		return metadata_generation(a, vm);
	case GENERATION_OWN:
		break;
	case GENERATION_NEW:
		vm->generation = mobility_generation(
		    metadata_generation(a, vm), vm->highest, agent_wall_ms(a));
		vm->claim_acked = false;
		break;
	}
	if (vm->generation > vm->highest)
		vm->highest = vm->generation;
	return vm->generation;
}

/* The peers that go along, in the agent's room; returns how many. */
static unsigned
choose_peers(const struct vm *vm, const struct action_form *f,
    const struct cpm_peer **out)
{
	*out = NULL;
	/* Copying was over before its departing could be said. */
	if (f->peers == PEERS_FRESH ||
	    (f->reason == CPM_PAUSED && vm->n_fresh)) {
		*out = vm->fresh;
		return vm->n_fresh;
	}
	if (f->peers == PEERS_METADATA && vm->info) {
		*out = vm->info->metadata.peers;
		return vm->info->metadata.n_peers;
	}
	return 0;
}

static void
record(struct agent *a, const struct vm *vm, const struct vm_said *said,
    unsigned n_peers)
{
	struct history_record *r;

	if (said->action == DO_PRESENT)
		return;
	r = history_add(&a->history);
	memcpy(r->vm_id, vm->uuid, sizeof(r->vm_id));
	memcpy(r->name, vm->name, sizeof(r->name));
	r->reason = (uint8_t)mobility_form(said->action)->reason;
	r->generation = said->generation;
	r->event_ms = said->event_ms;
	r->sent_ms = agent_wall_ms(a);
	r->n_eids = eids_count(vm->info);
	r->n_peers = n_peers;
}

/* Says what 'said' is about.  A VM without EIDs has nothing to say. */
static void
deliver(struct agent *a, struct vm *vm, struct vm_said *said)
{
	const struct action_form *form = mobility_form(said->action);
	const struct cpm_peer *peers;
	unsigned n_peers = choose_peers(vm, form, &peers);
	struct statement *m;
	char uuid[UUID_STR_MAX];
	enum err err;

	if (!a->ready || !vm->info || !eids_count(vm->info)) {
		said->open = false;
		return;
	}
	m = statement_new(vm->info, form, peers, n_peers);
	if (m) {
		m->generation = said->generation;
		m->event_ms = said->event_ms;
	}
	err = m ? notify_say(a->notify, m) : ERR_NOMEM;
	if (err) {
		log_error("speak", "%s: %s: %s", vm_str(vm, uuid),
		    cpm_reason_str(form->reason), err_str(err));
		return; /* it stays open: the next resync says it again */
	}
	if (form->reason == CPM_DEPARTING || form->reason == CPM_PAUSED)
		vm->n_fresh = 0; /* notify.c has them now */
	record(a, vm, said, n_peers);
	log_line(said->action == DO_PRESENT ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
	    "speak", "%s: %s, generation %llu, %u EIDs, %u peers",
	    vm_str(vm, uuid), cpm_reason_str(form->reason),
	    (unsigned long long)said->generation, eids_count(vm->info),
	    n_peers);
}

void
speak(struct agent *a, struct vm *vm, enum vm_action action, uint64_t wall_ms)
{
	const struct action_form *form = mobility_form(action);
	struct vm_said *said = &vm->said[form->mark ? SAID_MARK : SAID_OWNER];

	*said = (struct vm_said){ .open = true,
		.action = action,
		.generation = choose_generation(a, vm, form),
		.event_ms = wall_ms };
	if (!form->mark)
		vm->said[SAID_MARK].open = false;
	a->counters.said[action]++;
	deliver(a, vm, said);
}

/*
 * After a restart the listing says what a running VM needs; a stale 'paused'
 * would hold its packets for nothing, so these wait for it.
 */
static bool
left_to_listing(enum vm_action action)
{
	return action == DO_PAUSED || action == DO_DEPARTING ||
	    action == DO_ARRIVING;
}

void
speak_again(struct agent *a, struct vm *vm, bool after_restart)
{
	for (int i = 0; i < SAIDS; i++) {
		struct vm_said *said = &vm->said[i];

		if (said->open && said->action != DO_NOTHING &&
		    !(after_restart && left_to_listing(said->action)))
			deliver(a, vm, said);
	}
}

static bool
has_eid(const struct vm_info *info, const struct eid *eid)
{
	for (unsigned i = 0; i < info->n_nics; i++)
		for (unsigned k = 0; k < info->nics[i].n_eids; k++)
			if (eid_equal(&info->nics[i].eids[k], eid))
				return true;
	return false;
}

void
speak_removed(struct agent *a, const struct vm *vm, const struct vm_info *old)
{
	struct vm_info *gone = &a->scratch;
	struct statement *m;
	enum err err;

	if (!a->ready)
		return;
	*gone = *old;
	for (unsigned i = 0; i < gone->n_nics; i++) {
		struct vm_nic *nic = &gone->nics[i];
		unsigned kept = 0;

		for (unsigned k = 0; k < nic->n_eids; k++)
			if (!has_eid(vm->info, &nic->eids[k]))
				nic->eids[kept++] = nic->eids[k];
		nic->n_eids = kept;
	}
	if (!eids_count(gone))
		return;
	m = statement_new(gone, mobility_form(DO_ABSENT), NULL, 0);
	if (m) {
		m->side = true;
		m->generation = vm->generation;
		m->event_ms = agent_wall_ms(a);
	}
	err = m ? notify_say(a->notify, m) : ERR_NOMEM;
	if (err)
		log_error("speak", "%s: %s", vm->name, err_str(err));
}

/* ---- answers ---- */

/* Our claim is older than what the site knows: docs/cpm.md 7.4. */
static void
reclaim(struct agent *a, struct vm *vm)
{
	char uuid[UUID_STR_MAX];

	if (vm->reclaiming ||
	    (vm->state != VM_HERE && vm->state != VM_DEPARTING))
		return;
	if (vm->reclaims >= MOBILITY_RECLAIMS) {
		a->counters.reclaims_spent++;
		log_error("speak",
		    "%s: another host claims this VM, too "
		    "(generation %llu): decide with 'xtrctl "
		    "move'",
		    vm_str(vm, uuid), (unsigned long long)vm->highest);
		return;
	}
	vm->reclaiming =
	    !virt_look(a->virt, vm->uuid, true, WANT_LIFE, LOOK_RECLAIM);
}

void
speak_reclaim_looked(
    struct agent *a, struct vm *vm, const struct virt_domain *d)
{
	char uuid[UUID_STR_MAX];

	vm->reclaiming = false;
	if (d->err || (d->life != LIFE_RUNNING && d->life != LIFE_PAUSED))
		return;
	vm->reclaims++;
	a->counters.reclaims++;
	log_info("speak", "%s: it runs here: claimed again (%u of %u)",
	    vm_str(vm, uuid), vm->reclaims, (unsigned)MOBILITY_RECLAIMS);
	agent_happened(a, vm, EV_STALE, agent_wall_ms(a));
}

/* The status that ends a statement well. */
static bool
understood(const struct notify_ack *ack)
{
	return ack->status == CPM_ACK_DONE || ack->status == CPM_ACK_NOTHING;
}

void
speak_acked(void *arg, const struct notify_ack *ack)
{
	struct agent *a = arg;
	struct vm *vm = vms_find(&a->vms, ack->vm_id);
	bool save = false;

	if (!vm)
		return;
	if (ack->highest_generation > vm->highest) {
		vm->highest = ack->highest_generation;
		save = true;
	}
	if (ack->xtr_done)
		history_acked(&a->history, ack, agent_wall_ms(a));
	if (ack->all_done && !ack->side) {
		struct vm_said *said =
		    &vm->said[ack->mark ? SAID_MARK : SAID_OWNER];

		save = save || said->open;
		said->open = false;
	}
	if (save)
		agent_save(a, vm);
	if (ack->side || !ack->claim)
		return;
	if (ack->status == CPM_ACK_STALE) {
		reclaim(a, vm);
	} else if (understood(ack) && ack->generation == vm->generation) {
		vm->claim_acked = true;
		metadata_due(a, vm);
	}
}
