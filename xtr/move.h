/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MOVE_H
#define XTR_MOVE_H

/*
 * move.h - the record of each handover: every step's time, every ITR's state.
 *
 * Key: (EID, generation).  The id people see is the generation in hex: agent
 * and xTRs of both sites log the same one.  Owner: this table.  Bound: MOVES_MAX
 * records, MOVE_STEPS_MAX steps each (more are not noted); the oldest finished
 * record goes, or the oldest if none is.  Kept in the store; mobility.c resumes
 * the unfinished ones after a restart.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "xtr/xtr.h"

#define MOVES_MAX 1024
#define MOVE_STEPS_MAX 4096

enum move_step {
	MOVE_ARRIVING,	   /* CPM: incoming migration prepared */
	MOVE_DEPARTING,	   /* CPM: copying has begun */
	MOVE_PAUSED,	   /* CPM: guest stopped at the source */
	MOVE_ARRIVED,	   /* CPM arrived (or present) accepted */
	MOVE_ACKED,	   /* its Ack sent */
	MOVE_LOCAL,	   /* routes and permit installed */
	MOVE_NOTIFY,	   /* Notify sent; peer = xTR */
	MOVE_NOTIFY_ACKED, /* peer = xTR */
	MOVE_REQUESTERS,   /* op 4 received; peer = xTR */
	MOVE_DRAINED,	   /* old site's queue is empty; peer = xTR */
	MOVE_REGISTER,	   /* Map-Register sent; peer = Map-Server */
	MOVE_REGISTERED,   /* Map-Notify; peer = Map-Server */
	MOVE_SMR,	   /* peer = ITR */
	MOVE_CONVERGED,	   /* peer = ITR */
	MOVE_GIVEN_UP,	   /* peer = ITR that never asked */
	MOVE_AWAY,	   /* old site: handed over to peer */
	MOVE_DEPARTED,	   /* CPM: source cleaned up */
	MOVE_ABORTED,
	MOVE_STEPS
};

struct moves *moves_new(struct xtr *);
void moves_free(struct moves *); /* accepts NULL */

/*
 * A new owner was accepted here (commit) or notified (yield).  'from', 'to' are
 * names of sites or hypervisors for people, at most 63 octets; 'event_ms' is
 * the hypervisor's own time, 0 if unknown.  An equal key goes on, also if it
 * was finished; an older unfinished move of the EID is finished by it.
 */
void move_begin(struct xtr *, const struct eid *, uint64_t generation,
    const uint8_t vm_id[16], const char *from, const char *to,
    uint64_t event_ms);
/*
 * Notes a step of the newest move of 'eid' with the present wall clock; 'peer'
 * may be NULL.  Only what was accepted is noted.  Steps before a move is known
 * (arriving, departing, paused, and departed after one of them) wait for it
 * for five minutes, aborted ends that; at the site that was left they are late.
 * No move: nothing happens.  The same step and peer again changes nothing but a
 * count.  A move finished still takes late steps, and goes on with an SMR: its
 * ITR has not converged.
 */
void move_note(
    struct xtr *, const struct eid *, enum move_step, const struct addr *peer);
/* Every ITR has converged or was given up. */
void move_finish(struct xtr *, const struct eid *);

const char *move_step_str(enum move_step);

struct move_step_row {
	enum move_step step;
	int64_t at_us;	  /* wall clock */
	struct addr peer; /* AFI_NONE: none */
	unsigned count;
};
struct move_row {
	char id[20];
	struct eid eid;
	uint8_t vm_id[16];
	uint64_t generation;
	const char *from, *to;
	uint64_t event_ms;
	bool finished;
	const struct move_step_row *steps;
	size_t n_steps;
};
/* Newest first. */
void moves_walk(const struct xtr *,
    bool (*fn)(void *arg, const struct move_row *), void *arg);

#endif
