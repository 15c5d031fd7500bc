/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_own.c - an RLOC of ours went down or came up.
 *
 * reach.c calls, in a turn of its own; etr.c reads the state when it makes the
 * records that go out from here.  Static EIDs are few and go at once and alone;
 * of dynamic ones there may be thousands, they are packed.
 */
#include "reach_own.h"

#include "xtr/eids.h"
#include "xtr/register.h"
#include "xtr/smr.h"

static bool
tell_one(void *arg, struct eid_entry *e)
{
	struct xtr *x = arg;

	/* Others say so by themselves when they are ours again. */
	if (e->is_static ||
	    (e->state == EID_LOCAL && !e->contested && !e->verifying)) {
		/* No other site holds packets, unless it moves just now. */
		const bool moving = smr_is_open(x, &e->eid);

		register_changed(x, &e->eid);
		smr_record_changed(x, e);
		if (!moving)
			smr_release_drained(x, &e->eid);
	}
	return true;
}

void
reach_own_changed(struct xtr *x)
{
	eids_walk(x->eids, tell_one, x);
}
