/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_VMS_H
#define VMAGENT_VMS_H

/*
 * vms.h - the VMs this host has, awaits or has had within a day.
 *
 * Key: the domain's UUID.  Owner: the table.  Bound: VMS_MAX; beyond it the VM
 * that has been gone the longest is forgotten, if all xTRs know that it is
 * gone, else the new one is refused (ERR_FULL).  resync.c removes an entry a
 * day after the VM ended.  The state file has a row for each.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/table.h"
#include "vmagent/eids.h"
#include "vmagent/mobility.h"

enum {
	VMS_MAX = 8192,
	VMS_MEMORY_S = 86400, /* docs/cpm.md 4.1: memory of what is gone */
	VMS_QUEUE_MAX = 16,
};

/* What was said last, of ownership and of the incoming mark. */
struct vm_said {
	bool open; /* not yet acked by all xTRs */
	enum vm_action action;
	uint64_t generation;
	uint64_t event_ms;
};
enum { SAID_OWNER, SAID_MARK, SAIDS };

struct agent;

struct vm {
	struct table_node node;
	struct agent *agent;
	uint8_t uuid[16];
	char name[EIDS_NAME_MAX];
	enum vm_state state;
	uint64_t generation;  /* under which we own or owned it; 0: never */
	uint64_t highest;     /* known from Acks and own claims */
	struct vm_info *info; /* NULL: not known yet */
	struct mono event_at; /* of the last event: older looks are stale */
	uint64_t seen_ms;     /* wall clock of the last change */
	struct vm_said said[SAIDS];

	/* Events that wait for the XML. */
	bool looking;
	unsigned n_queued;
	struct {
		enum vm_event_kind kind;
		uint64_t wall_ms;
	} queue[VMS_QUEUE_MAX];

	/* A departing or paused VM is watched (docs/cpm.md 7.2). */
	struct loop_timer *poll;
	bool polling;
	enum vm_event_kind poll_found; /* last time; EV_NOTHING: go on */

	/* Peers read when copying began, not yet said. */
	struct cpm_peer *fresh;
	unsigned n_fresh;
	uint64_t copying_ms; /* wall clock of that */

	/* Re-claims since the arrival, start or agent start (7.4). */
	unsigned reclaims;
	bool reclaiming;

	/* A listing found it; it waits for its turn. */
	struct vm *next_due;
	bool due;
	enum vm_event_kind due_kind;
	struct mono due_asked;

	unsigned n_peers; /* at the last reading */

	/* Our element in its live metadata. */
	bool claim_acked;
	bool writing;
	struct mono write_at;	     /* not before */
	struct mono inherited_until; /* peers that came along count */
	struct vm_metadata *written; /* under way */
};

struct vms {
	struct table table;
};

enum err vms_init(struct vms *) MUST_USE;
void vms_fini(struct vms *); /* frees all */

struct vm *vms_find(const struct vms *, const uint8_t uuid[16]);
/*
 * Finds or adds.  NULL: full of VMs that are here; otherwise, '*forgotten' is
 * the UUID of the entry that had to go ('*did_forget').
 */
struct vm *vms_make(struct vms *, const uint8_t uuid[16], uint8_t forgotten[16],
    bool *did_forget);
void vms_remove(struct vms *, struct vm *);

/* Walk; removing the one just returned is allowed. */
struct vm *vms_next(struct table_iter *);

/* Owned: here, departing or paused. */
bool vm_is_owned(const struct vm *);
/* Something was said that not all xTRs have acked. */
bool vm_is_open(const struct vm *);
/* Its name, or its UUID; 'buf' UUID_STR_MAX. */
const char *vm_str(const struct vm *, char *buf);

#endif
