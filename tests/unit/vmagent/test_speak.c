/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_speak.c - which generation and which peers a statement carries, what is
 * said again, and what the answers do (docs/cpm.md 4.1, 7.4).
 */
#include "agent_world.h"

/* A claim that changes the owner is above all that is known, and the clock. */
static void
test_new_generation(void **state)
{
	static const struct {
		uint64_t metadata, highest, generation;
	} cases[] = {
		{ 0, 0, WALL_MS },
		{ WALL_MS - 5, WALL_MS - 7, WALL_MS },
		{ WALL_MS + 5, WALL_MS - 7, WALL_MS + 6 },
		{ WALL_MS - 5, WALL_MS + 7, WALL_MS + 8 },
		{ WALL_MS, 0, WALL_MS + 1 },
		/* absurd: more than a day ahead */
		{ WALL_MS + DAY_MS + 60000, WALL_MS + 7, WALL_MS + 8 },
	};
	struct agent *a = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm *vm = make_vm(a, i, VM_ARRIVING);
		/* the clock moves on from test to test */
		uint64_t base = agent_wall_ms(a) - WALL_MS;

		vm->info->metadata.generation =
		    cases[i].metadata ? cases[i].metadata + base : 0;
		vm->highest = cases[i].highest ? cases[i].highest + base : 0;
		vm->claim_acked = true;
		speak(a, vm, DO_ARRIVED, 5);
		assert_said(i + 1, CPM_ARRIVED);
		assert_int_equal(
		    last_said()->generation, cases[i].generation + base);
		assert_int_equal(last_said()->event_ms, 5);
		assert_int_equal(vm->generation, last_said()->generation);
		assert_int_equal(vm->highest, vm->generation);
		assert_false(vm->claim_acked);
		assert_true(vm->said[SAID_OWNER].open);
	}
}

/* Each action with the generation its form asks for. */
static void
test_generations(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	const uint64_t own = vm->generation;

	vm->info->metadata.generation = 4711;
	vm->claim_acked = true;
	speak(a, vm, DO_PRESENT, 0);
	assert_int_equal(last_said()->generation, own);
	speak(a, vm, DO_DEPARTING, 0);
	assert_int_equal(last_said()->generation, own);
	speak(a, vm, DO_ABORTED, 0);
	assert_int_equal(last_said()->generation, own);
	assert_true(vm->claim_acked);
	speak(a, vm, DO_ARRIVING, 0);
	assert_int_equal(last_said()->generation, 4711);
	speak(a, vm, DO_ABORTED_HERE, 0);
	assert_int_equal(last_said()->generation, 0);
	assert_int_equal(vm->generation, own);
	/* owned, but under no generation yet: it gets one */
	vm->generation = vm->highest = 0;
	speak(a, vm, DO_PRESENT, 0);
	assert_int_equal(last_said()->generation, agent_wall_ms(a));
	assert_int_equal(a->counters.said[DO_PRESENT], 2);
}

/* Fresh ones of this host, those that came along, or none. */
static void
test_peers(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);

	give_peers(vm, 3);
	speak(a, vm, DO_ARRIVED, 0);
	assert_int_equal(peers_said(), 3);
	speak(a, vm, DO_PRESENT_NEW, 0);
	assert_int_equal(peers_said(), 3);
	answer(world.n_said - 1, CPM_ACK_DONE, 0); /* or they are taken over */
	speak(a, vm, DO_PRESENT, 0);
	assert_int_equal(peers_said(), 0);
	speak(a, vm, DO_PAUSED, 0);
	assert_int_equal(peers_said(), 0);
	/* copying was over before 'departing' could be said */
	vm->fresh = calloc(1, sizeof(*vm->fresh));
	vm->fresh[0] = vm->info->metadata.peers[1];
	vm->n_fresh = 1;
	speak(a, vm, DO_PAUSED, 0);
	assert_int_equal(peers_said(), 1);
	assert_int_equal(vm->n_fresh, 0);
}

/* Nothing to say, or no name to say it under: it does not stay open. */
static void
test_silent(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE), *other = make_vm(a, 2, VM_HERE);

	vm->info->nics[0].n_eids = 0;
	speak(a, vm, DO_PRESENT_NEW, 0);
	assert_false(vm_is_open(vm));
	free(vm->info);
	vm->info = NULL;
	speak(a, vm, DO_PRESENT_NEW, 0);
	assert_false(vm_is_open(vm));
	a->ready = false;
	speak(a, other, DO_PRESENT_NEW, 0);
	assert_false(vm_is_open(other));
	assert_int_equal(world.n_said, 0);
	assert_null(history_get(&a->history, 0));
}

/* A statement about ownership ends the one about the mark. */
static void
test_open(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_ARRIVING);

	speak(a, vm, DO_ARRIVING, 7);
	assert_true(vm->said[SAID_MARK].open);
	assert_false(vm->said[SAID_OWNER].open);
	assert_int_equal(vm->said[SAID_MARK].action, DO_ARRIVING);
	assert_int_equal(vm->said[SAID_MARK].event_ms, 7);
	speak(a, vm, DO_ARRIVED, 8);
	assert_false(vm->said[SAID_MARK].open);
	assert_true(vm->said[SAID_OWNER].open);
	answer(1, CPM_ACK_DONE, 0);
	assert_false(vm_is_open(vm));
}

/* Moves are in the history, resyncs are not. */
static void
test_history(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	const struct history_record *r;

	speak(a, vm, DO_PRESENT, 0);
	assert_null(history_get(&a->history, 0));
	give_peers(vm, 2);
	ms(5);
	speak(a, vm, DO_ARRIVED, 77);
	r = history_get(&a->history, 0);
	assert_non_null(r);
	assert_string_equal(r->name, "vm1");
	assert_int_equal(r->reason, CPM_ARRIVED);
	assert_int_equal(r->generation, vm->generation);
	assert_int_equal(r->event_ms, 77);
	assert_int_equal(r->sent_ms, agent_wall_ms(a));
	assert_int_equal(r->n_eids, 1);
	assert_int_equal(r->n_peers, 2);
	assert_int_equal(r->acked[0].ms, 0);
	ms(3);
	answer(world.n_said - 1, CPM_ACK_DONE, 0);
	assert_int_equal(r->acked[0].ms, agent_wall_ms(a));
	assert_int_equal(r->acked[0].status, CPM_ACK_DONE);
}

static void
set_said(struct vm *vm, int which, enum vm_action action)
{
	vm->said[which] = (struct vm_said){ .open = true,
		.action = action,
		.generation = 42 + (unsigned)action,
		.event_ms = 7 };
}

/* What was open is said as it was; after a restart some of it is left to the
 * listing, which knows better. */
static void
test_again(void **state)
{
	static const struct {
		enum vm_action action;
		bool restart; /* said after one, too */
	} cases[] = {
		{ DO_PRESENT, true },
		{ DO_PRESENT_NEW, true },
		{ DO_ARRIVING, false },
		{ DO_ARRIVED, true },
		{ DO_DEPARTING, false },
		{ DO_PAUSED, false },
		{ DO_DEPARTED, true },
		{ DO_ABORTED, true },
		{ DO_ABORTED_HERE, true },
		{ DO_ABSENT, true },
	};
	struct agent *a = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum vm_action action = cases[i].action;
		const struct action_form *form = mobility_form(action);
		struct vm *vm = make_vm(a, i, VM_HERE);

		for (int restart = 1; restart >= 0; restart--) {
			bool said = cases[i].restart || !restart;

			world.n_said = 0;
			set_said(
			    vm, form->mark ? SAID_MARK : SAID_OWNER, action);
			speak_again(a, vm, restart);
			assert_int_equal(world.n_said, said);
			if (!said)
				continue;
			assert_int_equal(last_said()->reason, form->reason);
			assert_int_equal(last_said()->generation, 42 + action);
			assert_int_equal(last_said()->event_ms, 7);
		}
	}
}

static void
test_again_nothing(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);

	set_said(vm, SAID_OWNER, DO_PRESENT);
	vm->said[SAID_OWNER].open = false;
	speak_again(a, vm, false);
	set_said(vm, SAID_OWNER, DO_NOTHING);
	speak_again(a, vm, false);
	assert_int_equal(world.n_said, 0);
}

/* 'absent' for exactly the EIDs that are gone, beside what is said of the VM. */
static void
test_removed(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct vm_info *old = malloc(sizeof(*old));
	struct addr gone = address("10.1.7.7"), moved = address("10.1.7.8");

	*old = *vm->info;
	speak_removed(a, vm, old);
	assert_int_equal(world.n_said, 0);
	speak(a, vm, DO_PRESENT, 0);
	old->nics[0].n_eids = 3;
	old->nics[0].eids[1] = eid_host(0, &gone);
	old->nics[0].eids[2] = eid_host(0, &moved);
	vm->info->n_nics = 2; /* one went to another vNIC */
	vm->info->nics[1].n_eids = 1;
	vm->info->nics[1].eids[0] = old->nics[0].eids[2];
	speak_removed(a, vm, old);
	assert_said(2, CPM_ABSENT);
	assert_int_equal(last_said()->n_eids, 1);
	assert_true(eid_equal(&last_said()->eids[0], &old->nics[0].eids[1]));
	assert_int_equal(last_said()->generation, vm->generation);
	/* its Ack is none of the claim's */
	answer(1, CPM_ACK_DONE, 0);
	assert_true(vm->said[SAID_OWNER].open);
	assert_false(vm->claim_acked);
	answer(0, CPM_ACK_DONE, 0);
	assert_false(vm->said[SAID_OWNER].open);
	assert_true(vm->claim_acked);
	a->ready = false;
	speak_removed(a, vm, old);
	assert_int_equal(world.n_said, 2);
	free(old);
}

/* A claim is acked by its own generation only. */
static void
test_claim_acked(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct notify_ack ack = { .status = CPM_ACK_NOTHING,
		.reason = CPM_PRESENT,
		.claim = true,
		.generation = vm->generation - 1 };

	memcpy(ack.vm_id, vm->uuid, 16);
	speak_acked(a, &ack);
	assert_false(vm->claim_acked);
	ack.generation = vm->generation;
	ack.claim = false;
	speak_acked(a, &ack);
	assert_false(vm->claim_acked);
	ack.claim = true;
	ack.status = CPM_ACK_POLICY;
	speak_acked(a, &ack);
	assert_false(vm->claim_acked);
	ack.status = CPM_ACK_NOTHING;
	speak_acked(a, &ack);
	assert_true(vm->claim_acked);
	memset(ack.vm_id, 9, 16); /* forgotten meanwhile */
	speak_acked(a, &ack);
}

/* What an xTR knows is remembered, whatever else it says. */
static void
test_highest(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_PAUSED);

	speak(a, vm, DO_PAUSED, 0);
	answer(0, CPM_ACK_DONE, WALL_MS + 500);
	assert_int_equal(vm->highest, WALL_MS + 500);
	answer(0, CPM_ACK_DONE, WALL_MS + 400);
	assert_int_equal(vm->highest, WALL_MS + 500);
}

/* Status 9: if it runs here it is claimed again, above what the xTR knows. */
static void
test_reclaim(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct virt_domain d;

	for (unsigned i = 0; i < MOBILITY_RECLAIMS; i++) {
		uint64_t high = agent_wall_ms(a) + 1000 * (i + 1);

		speak(a, vm, DO_PRESENT, 0);
		answer(world.n_said - 1, CPM_ACK_STALE, high);
		answer(world.n_said - 1, CPM_ACK_STALE, high); /* twice */
		assert_int_equal(looks(LOOK_RECLAIM), i + 1);
		assert_true(vm->reclaiming);
		d = found(vm, i ? LIFE_PAUSED : LIFE_RUNNING, JOB_NONE);
		speak_reclaim_looked(a, vm, &d);
		assert_false(vm->reclaiming);
		assert_int_equal(last_said()->reason, CPM_PRESENT);
		assert_int_equal(last_said()->generation, high + 1);
		assert_int_equal(vm->reclaims, i + 1);
	}
	/* now a human has to decide */
	answer(world.n_said - 1, CPM_ACK_STALE, agent_wall_ms(a) + 9000);
	assert_int_equal(looks(LOOK_RECLAIM), MOBILITY_RECLAIMS);
	assert_int_equal(a->counters.reclaims, MOBILITY_RECLAIMS);
	assert_int_equal(a->counters.reclaims_spent, 1);
	assert_false(vm->claim_acked);
}

/* It does not run here, or we do not know: no claim. */
static void
test_no_reclaim(void **state)
{
	static const enum vm_life lives[] = { LIFE_GONE, LIFE_CHANGING,
		LIFE_PAUSED_MIGRATION, LIFE_PAUSED_POSTCOPY,
		LIFE_POSTCOPY_FAILED, LIFE_CRASHED };
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct virt_domain d;

	for (unsigned i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		vm->reclaiming = true;
		d = found(vm, lives[i], JOB_NONE);
		speak_reclaim_looked(a, vm, &d);
		assert_false(vm->reclaiming);
	}
	d = found(vm, LIFE_RUNNING, JOB_NONE);
	d.err = ERR_IO;
	speak_reclaim_looked(a, vm, &d);
	assert_int_equal(world.n_said, 0);
	assert_int_equal(vm->reclaims, 0);
	/* past 'paused' it is not ours to claim */
	vm->state = VM_PAUSED;
	speak(a, vm, DO_ABORTED, 0);
	answer(0, CPM_ACK_STALE, WALL_MS + DAY_MS / 2);
	assert_int_equal(looks(LOOK_RECLAIM), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new_generation),
		T(test_generations),
		T(test_peers),
		T(test_silent),
		T(test_open),
		T(test_history),
		T(test_again),
		T(test_again_nothing),
		T(test_removed),
		T(test_claim_acked),
		T(test_highest),
		T(test_reclaim),
		T(test_no_reclaim),
	};

	return RUN("vmagent/speak");
}
