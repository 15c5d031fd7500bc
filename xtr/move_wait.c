/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move_wait.c - steps that come before their move is known, for move.c.
 *
 * A hypervisor says departing and paused before anybody says where to, and
 * arriving before there is a generation.  They are kept for a while and become
 * the first steps of the record.
 */
#include "xtr/move_wait.h"

#include <stdlib.h>

#define WAIT_US (INT64_C(300) * 1000 * 1000)

void
waits_remove(struct waits *t, struct wait *w)
{
	table_remove(&t->by_eid, &w->by_eid);
	*(w->newer ? &w->newer->older : &t->newest) = w->older;
	*(w->older ? &w->older->newer : &t->oldest) = w->newer;
	free(w);
}

struct wait *
waits_find(struct waits *t, const struct eid *eid, int64_t now_us)
{
	struct wait *w =
	    table_entry(table_find(&t->by_eid, eid), struct wait, by_eid);

	if (w && now_us - w->noted_us > WAIT_US) {
		waits_remove(t, w);
		w = NULL;
	}
	return w;
}

static struct wait *
wait_add(struct waits *t, const struct eid *eid)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	if (t->by_eid.count >= WAITS_MAX)
		waits_remove(t, t->oldest);
	w->eid = *eid;
	if (table_add(&t->by_eid, &w->by_eid)) {
		free(w);
		return NULL;
	}
	w->older = t->newest;
	*(w->older ? &w->older->newer : &t->oldest) = w;
	t->newest = w;
	return w;
}

static void
wait_note(struct wait *w, enum move_step step, int64_t now_us)
{
	unsigned i = 0;

	w->noted_us = now_us;
	while (i < w->n_steps && w->steps[i].step != step)
		i++;
	if (i < w->n_steps)
		w->steps[i].count++;
	else if (i < WAIT_STEPS_MAX)
		w->steps[w->n_steps++] = (struct move_step_row){
			.step = step, .at_us = now_us, .count = 1
		};
}

bool
waits_note(struct waits *t, const struct eid *eid, enum move_step step,
    bool left, int64_t now_us)
{
	struct wait *w = waits_find(t, eid, now_us);
	bool leaves = step == MOVE_DEPARTING || step == MOVE_PAUSED;

	if (step == MOVE_ABORTED && w) {
		waits_remove(t, w);
		return true;
	}
	/* What is said of a VM that has left already is late, and of that
	 * move. */
	if (step != MOVE_ARRIVING && !(leaves && !left) &&
	    !(step == MOVE_DEPARTED && w))
		return false;
	if (!w)
		w = wait_add(t, eid);
	if (w)
		wait_note(w, step, now_us);
	return true;
}

enum err
waits_init(struct waits *t)
{
	t->newest = t->oldest = NULL;
	return table_init(&t->by_eid, WAITS_MAX, offsetof(struct wait, by_eid),
	    offsetof(struct wait, eid), sizeof(struct eid));
}

void
waits_fini(struct waits *t)
{
	while (t->newest)
		waits_remove(t, t->newest);
	table_fini(&t->by_eid);
}
