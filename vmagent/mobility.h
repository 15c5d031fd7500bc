/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_MOBILITY_H
#define VMAGENT_MOBILITY_H

/*
 * mobility.h - what the agent says about a VM, and when: docs/cpm.md 7.1, 7.2
 * and 7.4 as one pure function over (state, event).
 *
 * No clock, no libvirt, no socket; the caller brings what happened and does
 * what the verdict says.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/cpm.h"

/* Where a VM is, as far as this host is concerned. */
#define VM_STATE_LIST(X) \
	X(ABSENT, "absent")	  /* not here; perhaps remembered */ \
	X(HERE, "here")		  /* owned: it runs, or its user paused it */ \
	X(DEPARTING, "departing") /* owned, copying has begun */ \
	X(PAUSED, "paused")	  /* owned, stopped for the switch-over */ \
	X(LEFT, "left")		  /* said departed, a process is left over */ \
	X(ARRIVING, "arriving")	  /* an incoming migration is prepared */

enum vm_state {
#define VM_STATE_ENUM(id, text) VM_##id,
	VM_STATE_LIST(VM_STATE_ENUM)
#undef VM_STATE_ENUM
	    VM_STATES
};

/*
 * What happens to a VM.  The LIST events are what a listing finds, after a
 * (re)connect and at every resync; MINE means that the metadata or the state
 * file name this host as the owner (mobility_mine()).
 */
#define VM_EVENT_LIST(X) \
	/* lifecycle */ \
	X(NOTHING, "nothing") \
	X(STARTED, "started") /* Booted, Restored, Wakeup, From snapshot */ \
	X(STARTED_MIGRATED, "started migrated") \
	X(RESUMED, "resumed")			/* Unpaused, From snapshot */ \
	X(RESUMED_MIGRATED, "resumed migrated") /* or Post-copy */ \
	X(SUSPENDED, "suspended")		/* Paused */ \
	X(SUSPENDED_MIGRATED, "suspended migrated") /* or Post-copy */ \
	X(POSTCOPY_FAILED, "post-copy failed") \
	X(STOPPED, "stopped") /* every detail but Migrated */ \
	X(STOPPED_MIGRATED, "stopped migrated") \
	X(UNDEFINED, "undefined") /* of a VM without a process */ \
	/* the job */ \
	X(COPYING, "copying")	    /* iteration 1 of an outgoing migration */ \
	X(JOB_OVER, "job over")	    /* 2 s ago; the domain runs */ \
	X(STILL_HERE, "still here") /* paused for 30 s, and runs now */ \
	/* a listing */ \
	X(LIST_MINE, "listed, ours") /* running or paused by the user */ \
	X(LIST_OTHER, "listed, not ours") \
	X(LIST_INCOMING, "listed, incoming") \
	X(LIST_OUTGOING_MINE, "listed, outgoing, ours") \
	X(LIST_OUTGOING_OTHER, "listed, outgoing, not ours") \
	X(LIST_POSTCOPY_FAILED, "listed, post-copy failed") \
	X(LIST_CRASHED, "listed, crashed") \
	X(LIST_MISSING, "not listed") \
	/* an xTR */ \
	X(STALE, "claim is stale") /* status 9, and the VM runs here */

enum vm_event_kind {
#define VM_EVENT_ENUM(id, text) EV_##id,
	VM_EVENT_LIST(VM_EVENT_ENUM)
#undef VM_EVENT_ENUM
	    EV_COUNT
};

/* What libvirt says a domain is doing. */
enum vm_life {
	LIFE_GONE,     /* no such domain, or no process */
	LIFE_CHANGING, /* starts up or shuts down: an event follows */
	LIFE_RUNNING,
	LIFE_PAUSED,	       /* by the user, an I/O error, a snapshot ... */
	LIFE_PAUSED_MIGRATION, /* at either end of one */
	LIFE_PAUSED_POSTCOPY,  /* at the source */
	LIFE_POSTCOPY_FAILED,
	LIFE_CRASHED,
};

/* And the job it has. */
enum vm_job {
	JOB_UNKNOWN, /* could not be asked */
	JOB_NONE,
	JOB_OUTGOING, /* a migration away */
	JOB_INCOMING,
	JOB_OTHER,
};

enum vm_action {
	DO_NOTHING,
	DO_PRESENT,	/* present, own generation */
	DO_PRESENT_NEW, /* present, new generation */
	DO_ARRIVING,
	DO_ARRIVED,
	DO_DEPARTING,
	DO_PAUSED,
	DO_DEPARTED,
	DO_ABORTED,	 /* source: own generation */
	DO_ABORTED_HERE, /* target: generation 0 */
	DO_ABSENT,
	DO_ACTIONS
};

struct verdict {
	enum vm_state next;
	enum vm_action action;
};

/* The decision.  Both arguments are in range. */
struct verdict mobility_decide(enum vm_state, enum vm_event_kind);

/*
 * The event that a listing makes of a domain; 'state' is what we thought, 'mine'
 * as of mobility_mine().  EV_NOTHING where only lifecycle events tell.
 */
enum vm_event_kind
mobility_listed(enum vm_life, enum vm_job, enum vm_state state, bool mine);

/*
 * The event that a look at a departing or paused VM makes (7.2), EV_NOTHING to
 * look again later.  It counts when the answer stands for 2 s (departing), or
 * when nothing was heard of the VM for 30 s (paused).
 */
enum vm_event_kind
mobility_polled(enum vm_life, enum vm_job, enum vm_state state);

/* Which generation a statement carries (docs/cpm.md 3.2, 4.1). */
enum statement_generation {
	GENERATION_NONE,     /* 0 */
	GENERATION_OWN,	     /* under which we owned the VM */
	GENERATION_NEW,	     /* mobility_generation() */
	GENERATION_METADATA, /* as the metadata has it, 0 if none */
};

/* Which peers go with it. */
enum statement_peers {
	PEERS_NONE,
	PEERS_FRESH,	/* seen on the vNIC here */
	PEERS_METADATA, /* brought along in the metadata */
};

/* What an action puts on the wire. */
struct action_form {
	enum cpm_reason reason; /* 0 for DO_NOTHING */
	enum statement_generation generation;
	enum statement_peers peers;
	bool mac;   /* kind 6 goes along */
	bool twice; /* two copies at once */
	bool mark;  /* about the incoming mark, not about ownership */
	bool claim; /* status 9 to it means 7.4 */
};
const struct action_form *mobility_form(enum vm_action);

/* The bound of docs/cpm.md 4.3: 24 h ahead of our clock is no generation. */
#define GENERATION_AHEAD_MS (UINT64_C(24) * 3600 * 1000)
bool mobility_generation_sane(uint64_t generation, uint64_t wall_ms);

/*
 * The generation of a claim that changes the owner: above the one in the
 * metadata and the highest known (0 = none), and at least the wall clock.
 * The caller has left out what mobility_generation_sane() refuses.
 */
uint64_t
mobility_generation(uint64_t metadata, uint64_t highest, uint64_t wall_ms);

/*
 * Whether a VM found by a listing is ours: 'own' is our generation (0 = we do
 * not own it by the state file), 'metadata' the one in its metadata (0 = none)
 * and 'metadata_mine' whether that names this host.
 */
bool mobility_mine(uint64_t own, uint64_t metadata, bool metadata_mine);

/* Re-claims allowed after each arrival, start or agent start (7.4). */
enum { MOBILITY_RECLAIMS = 3 };

const char *vm_state_str(enum vm_state);
/* Text of vm_state_str() -> state; VM_ABSENT if unknown. */
enum vm_state vm_state_parse(const char *);
const char *vm_event_str(enum vm_event_kind);

#endif
