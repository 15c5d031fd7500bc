/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MOVE_WAIT_H
#define XTR_MOVE_WAIT_H

/*
 * move_wait.h - steps of a move that nobody has announced yet.
 *
 * Key: EID.  Owner: this table.  Bound: WAITS_MAX EIDs, the one noted longest
 * ago goes; an entry is forgotten five minutes after its last step.  Only
 * move.c uses it.
 */
#include "common/table.h"
#include "xtr/move.h"

#define WAITS_MAX 4096
#define WAIT_STEPS_MAX 4 /* arriving, departing, paused, departed */

struct wait {
	struct table_node by_eid;
	struct eid eid;
	struct wait *newer, *older;
	int64_t noted_us;
	unsigned n_steps;
	struct move_step_row steps[WAIT_STEPS_MAX];
};

struct waits {
	struct table by_eid;
	struct wait *newest, *oldest;
};

/* ERR_NOMEM. */
enum err waits_init(struct waits *) MUST_USE;
void waits_fini(struct waits *);

/*
 * True if the step is not one of a move we know: it belongs to the next one,
 * or, 'aborted', there will be no such move.  'left': the EID's newest move took
 * it away from here.
 */
bool waits_note(struct waits *, const struct eid *, enum move_step, bool left,
    int64_t now_us);

/* What waits for a move of 'eid', or NULL; to be removed when it was taken. */
struct wait *waits_find(struct waits *, const struct eid *, int64_t now_us);
void waits_remove(struct waits *, struct wait *);

#endif
