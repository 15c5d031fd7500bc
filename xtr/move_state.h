/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MOVE_STATE_H
#define XTR_MOVE_STATE_H

/*
 * move_state.h - the records of move.c, as move_store.c keeps them.  For these
 * two files only.
 */
#include "common/table.h"
#include "xtr/move.h"
#include "xtr/move_wait.h"

#define MOVE_NAME_MAX 64 /* octets, with the NUL */

struct move {
	struct table_node by_eid; /* only the newest of its EID is in there */
	struct eid eid;
	struct move *older_of_eid;
	struct move *newer, *older; /* list of all, by age */
	uint64_t generation;
	uint32_t serial; /* our name for it in the table of steps */
	uint8_t vm_id[16];
	char from[MOVE_NAME_MAX], to[MOVE_NAME_MAX];
	uint64_t event_ms;
	int64_t begun_us;
	bool finished;
	bool away; /* has the step: we are the site that was left */
	struct move_step_row *steps;
	size_t n_steps, steps_size;
};

struct moves {
	struct table by_eid;
	struct table steps; /* (move, step, peer), of open moves only */
	struct move *newest, *oldest;
	size_t count;
	uint32_t last_serial;
	struct waits waits;
};

/*
 * Makes 'm' the newest of its EID and puts it into the list by its age.
 * ERR_FULL, ERR_NOMEM; then it stays the caller's.
 */
enum err move_link(struct moves *, struct move *m) MUST_USE;
/* Appends a step that is not there yet.  False: no room. */
bool
move_step_append(struct moves *, struct move *, const struct move_step_row *);

/* Writes the head of a record / the block that holds step 'at'. */
void move_save(struct xtr *, const struct move *);
void move_save_step(struct xtr *, const struct move *, size_t at);
/* Removes the record from the store. */
void move_unsave(struct xtr *, const struct move *);
/* Reads what the store has; unreadable records are left out and logged. */
void moves_load(struct store *, struct moves *);

#endif
