/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility.c - the agent's decision table.
 *
 * agent.c asks it with every event that virt.c, a poll or a listing brings, and
 * hands the action to notify.c.  It is data, so that the test can hold it
 * against docs/cpm.md 7.1 line by line.
 */
#include "mobility.h"

#include <string.h>

#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* clang-format off */
#define NONE(state)	 { VM_##state, DO_NOTHING }
#define SAY(what, state) { VM_##state, DO_##what }
/* Nothing happens, whatever the state. */
#define NOWHERE \
	{ NONE(ABSENT), NONE(HERE), NONE(DEPARTING), \
	  NONE(PAUSED), NONE(LEFT), NONE(ARRIVING) }

/*
 * Columns: absent, here, departing / paused, left, arriving.
 *
 * Where 7.1 is silent, an event that cannot happen in a state changes nothing,
 * unless it proves that we missed something: a boot or an incoming migration
 * begins a new stay, whatever was before.
 */
static const struct verdict table[EV_COUNT][VM_STATES] = {
	[EV_NOTHING] = NOWHERE,

	/* Resumed Unpaused comes before Started Booted: the first counts. */
	[EV_STARTED] = {
		SAY(PRESENT_NEW, HERE), NONE(HERE), SAY(PRESENT_NEW, HERE),
		SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, HERE) },
	[EV_STARTED_MIGRATED] = {
		SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING),
		SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING), NONE(ARRIVING) },
	/* In the switch-over: rolled back.  At a target: somebody resumed a
	 * guest that had arrived paused. */
	[EV_RESUMED] = {
		SAY(PRESENT_NEW, HERE), NONE(HERE), NONE(DEPARTING),
		SAY(ABORTED, HERE), SAY(PRESENT_NEW, HERE), SAY(ARRIVED, HERE) },
	/* Post-copy says it twice.  At a source: libvirt resumes the guest of a
	 * cancelled migration with this detail, too; QEMU's own roll-back is
	 * Resumed Unpaused. */
	[EV_RESUMED_MIGRATED] = {
		SAY(ARRIVED, HERE), NONE(HERE), SAY(ABORTED, HERE),
		SAY(ABORTED, HERE), SAY(ARRIVED, HERE), SAY(ARRIVED, HERE) },
	/* A VM that was paused before arrives with this one. */
	[EV_SUSPENDED] = {
		SAY(PRESENT_NEW, HERE), NONE(HERE), NONE(DEPARTING),
		NONE(PAUSED), NONE(LEFT), SAY(ARRIVED, HERE) },
	/* Post-copy says it twice here, too. */
	[EV_SUSPENDED_MIGRATED] = {
		NONE(ABSENT), SAY(PAUSED, PAUSED), SAY(PAUSED, PAUSED),
		NONE(PAUSED), NONE(LEFT), NONE(ARRIVING) },
	/* Only a source that has begun to leave can get here. */
	[EV_POSTCOPY_FAILED] = {
		NONE(ABSENT), NONE(HERE), SAY(DEPARTED, LEFT),
		SAY(DEPARTED, LEFT), NONE(LEFT), NONE(ARRIVING) },
	[EV_STOPPED] = {
		NONE(ABSENT), SAY(ABSENT, ABSENT), SAY(ABSENT, ABSENT),
		SAY(ABSENT, ABSENT), NONE(ABSENT), SAY(ABORTED_HERE, ABSENT) },
	[EV_STOPPED_MIGRATED] = {
		NONE(ABSENT), SAY(DEPARTED, ABSENT), SAY(DEPARTED, ABSENT),
		SAY(DEPARTED, ABSENT), NONE(ABSENT), SAY(ABORTED_HERE, ABSENT) },
	[EV_UNDEFINED] = {
		NONE(ABSENT), SAY(ABSENT, ABSENT), SAY(ABSENT, ABSENT),
		SAY(ABSENT, ABSENT), NONE(ABSENT), SAY(ABORTED_HERE, ABSENT) },

	[EV_COPYING] = {
		NONE(ABSENT), SAY(DEPARTING, DEPARTING), NONE(DEPARTING),
		NONE(PAUSED), NONE(LEFT), NONE(ARRIVING) },
	[EV_JOB_OVER] = {
		NONE(ABSENT), NONE(HERE), SAY(ABORTED, HERE),
		NONE(PAUSED), NONE(LEFT), NONE(ARRIVING) },
	[EV_STILL_HERE] = {
		NONE(ABSENT), NONE(HERE), NONE(DEPARTING),
		SAY(ABORTED, HERE), NONE(LEFT), NONE(ARRIVING) },

	/* While departing, the poll of the job decides. */
	[EV_LIST_MINE] = {
		SAY(PRESENT, HERE), SAY(PRESENT, HERE), NONE(DEPARTING),
		SAY(ABORTED, HERE), SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, HERE) },
	[EV_LIST_OTHER] = {
		SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, HERE), NONE(DEPARTING),
		SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, HERE) },
	/* Said again at every resync while it lasts. */
	[EV_LIST_INCOMING] = {
		SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING),
		SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING), SAY(ARRIVING, ARRIVING) },
	[EV_LIST_OUTGOING_MINE] = {
		SAY(PAUSED, PAUSED), SAY(PAUSED, PAUSED), SAY(PAUSED, PAUSED),
		SAY(PAUSED, PAUSED), NONE(LEFT), NONE(ARRIVING) },
	[EV_LIST_OUTGOING_OTHER] = {
		NONE(ABSENT), SAY(PAUSED, PAUSED), SAY(PAUSED, PAUSED),
		SAY(PAUSED, PAUSED), NONE(LEFT), NONE(ARRIVING) },
	/* Never present again, not even by a restarted agent. */
	[EV_LIST_POSTCOPY_FAILED] = {
		NONE(ABSENT), SAY(DEPARTED, LEFT), SAY(DEPARTED, LEFT),
		SAY(DEPARTED, LEFT), NONE(LEFT), NONE(ARRIVING) },
	[EV_LIST_CRASHED] = NOWHERE,
	/* libvirtd finished the migration while we did not listen: it left. */
	[EV_LIST_MISSING] = {
		NONE(ABSENT), SAY(ABSENT, ABSENT), SAY(DEPARTED, ABSENT),
		SAY(DEPARTED, ABSENT), NONE(ABSENT), SAY(ABORTED_HERE, ABSENT) },

	/* Past 'paused' it is not ours to claim. */
	[EV_STALE] = {
		NONE(ABSENT), SAY(PRESENT_NEW, HERE), SAY(PRESENT_NEW, DEPARTING),
		NONE(PAUSED), NONE(LEFT), NONE(ARRIVING) },
};
/* clang-format on */

static const struct action_form forms[DO_ACTIONS] = {
	[DO_PRESENT] = { .reason = CPM_PRESENT,
	    .generation = GENERATION_OWN,
	    .peers = PEERS_NONE,
	    .mac = true,
	    .claim = true },
	[DO_PRESENT_NEW] = { .reason = CPM_PRESENT,
	    .generation = GENERATION_NEW,
	    .peers = PEERS_METADATA,
	    .mac = true,
	    .claim = true },
	[DO_ARRIVING] = { .reason = CPM_ARRIVING,
	    .generation = GENERATION_METADATA,
	    .peers = PEERS_METADATA,
	    .mac = true,
	    .mark = true },
	[DO_ARRIVED] = { .reason = CPM_ARRIVED,
	    .generation = GENERATION_NEW,
	    .peers = PEERS_METADATA,
	    .mac = true,
	    .twice = true,
	    .claim = true },
	[DO_DEPARTING] = { .reason = CPM_DEPARTING,
	    .generation = GENERATION_OWN,
	    .peers = PEERS_FRESH },
	[DO_PAUSED] = { .reason = CPM_PAUSED,
	    .generation = GENERATION_OWN,
	    .peers = PEERS_NONE,
	    .twice = true },
	[DO_DEPARTED] = { .reason = CPM_DEPARTED,
	    .generation = GENERATION_OWN,
	    .peers = PEERS_NONE },
	[DO_ABORTED] = { .reason = CPM_ABORTED,
	    .generation = GENERATION_OWN,
	    .peers = PEERS_NONE,
	    .claim = true },
	[DO_ABORTED_HERE] = { .reason = CPM_ABORTED,
	    .generation = GENERATION_NONE,
	    .peers = PEERS_NONE,
	    .mark = true },
	[DO_ABSENT] = { .reason = CPM_ABSENT,
	    .generation = GENERATION_OWN,
	    .peers = PEERS_NONE },
};

static const char *const state_names[VM_STATES] = {
#define VM_STATE_NAME(id, text) text,
	VM_STATE_LIST(VM_STATE_NAME)
#undef VM_STATE_NAME
};

static const char *const event_names[EV_COUNT] = {
#define VM_EVENT_NAME(id, text) text,
	VM_EVENT_LIST(VM_EVENT_NAME)
#undef VM_EVENT_NAME
};

struct verdict
mobility_decide(enum vm_state state, enum vm_event_kind event)
{
	return table[event][state];
}

static bool
owned(enum vm_state state)
{
	return state == VM_HERE || state == VM_DEPARTING || state == VM_PAUSED;
}

/*
 * Suspended by its user while it was copied, and then the migration was
 * aborted: libvirt goes on naming the migration as the reason.
 */
static enum vm_life
really(enum vm_life life, enum vm_job job, enum vm_state state)
{
	return life == LIFE_PAUSED_MIGRATION && job == JOB_NONE && owned(state)
	    ? LIFE_PAUSED
	    : life;
}

enum vm_event_kind
mobility_listed(
    enum vm_life life, enum vm_job job, enum vm_state state, bool mine)
{
	switch (really(life, job, state)) {
	case LIFE_GONE:
	case LIFE_CHANGING:
		return EV_NOTHING;
	case LIFE_RUNNING:
	case LIFE_PAUSED:
		return mine ? EV_LIST_MINE : EV_LIST_OTHER;
	case LIFE_PAUSED_MIGRATION:
		if (job == JOB_INCOMING ||
		    (job != JOB_OUTGOING && !owned(state) && state != VM_LEFT))
			return EV_LIST_INCOMING;
		/* fall through */
	case LIFE_PAUSED_POSTCOPY:
		return mine ? EV_LIST_OUTGOING_MINE : EV_LIST_OUTGOING_OTHER;
	case LIFE_POSTCOPY_FAILED:
		return EV_LIST_POSTCOPY_FAILED;
	case LIFE_CRASHED:
		return EV_LIST_CRASHED;
	}
	return EV_NOTHING;
}

enum vm_event_kind
mobility_polled(enum vm_life life, enum vm_job job, enum vm_state state)
{
	if (state != VM_DEPARTING && state != VM_PAUSED)
		return EV_NOTHING;
	switch (really(life, job, state)) {
	case LIFE_GONE:
		return EV_LIST_MISSING;
	case LIFE_RUNNING:
		if (state == VM_PAUSED)
			return EV_STILL_HERE;
		return job == JOB_NONE ? EV_JOB_OVER : EV_NOTHING;
	case LIFE_POSTCOPY_FAILED:
		return EV_LIST_POSTCOPY_FAILED;
	case LIFE_PAUSED:
		/* Its user paused it; the migration was aborted silently. */
		if (job != JOB_NONE)
			return EV_NOTHING;
		return state == VM_PAUSED ? EV_STILL_HERE : EV_JOB_OVER;
	case LIFE_CHANGING:
	case LIFE_PAUSED_MIGRATION:
	case LIFE_PAUSED_POSTCOPY:
	case LIFE_CRASHED:
		return EV_NOTHING;
	}
	return EV_NOTHING;
}

const struct action_form *
mobility_form(enum vm_action action)
{
	return &forms[action];
}

bool
mobility_generation_sane(uint64_t generation, uint64_t wall_ms)
{
	return generation <= INT64_MAX &&
	    generation <= wall_ms + GENERATION_AHEAD_MS;
}

uint64_t
mobility_generation(uint64_t metadata, uint64_t highest, uint64_t wall_ms)
{
	uint64_t least = metadata || highest ? MAX(metadata, highest) + 1 : 1;

	return MAX(least, wall_ms);
}

bool
mobility_mine(uint64_t own, uint64_t metadata, bool metadata_mine)
{
	return metadata_mine || (own != 0 && own >= metadata);
}

const char *
vm_state_str(enum vm_state state)
{
	return (unsigned)state < VM_STATES ? state_names[state] : "?";
}

enum vm_state
vm_state_parse(const char *text)
{
	for (unsigned s = 0; s < VM_STATES; s++)
		if (strcmp(state_names[s], text) == 0)
			return (enum vm_state)s;
	return VM_ABSENT;
}

const char *
vm_event_str(enum vm_event_kind kind)
{
	return (unsigned)kind < EV_COUNT ? event_names[kind] : "?";
}
