/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - the ring of statements.  speak.c writes it, ctl.c shows it.
 */
#include "history.h"

#include <string.h>

struct history_record *
history_add(struct history *h)
{
	struct history_record *r = &h->ring[h->last_id % HISTORY_MAX];

	memset(r, 0, sizeof(*r));
	r->id = ++h->last_id;
	return r;
}

const struct history_record *
history_get(const struct history *h, unsigned back)
{
	if (back >= HISTORY_MAX || back >= h->last_id)
		return NULL;
	return &h->ring[(h->last_id - 1 - back) % HISTORY_MAX];
}

void
history_acked(struct history *h, const struct notify_ack *a, uint64_t wall_ms)
{
	for (unsigned back = 0; back < HISTORY_MAX && back < h->last_id;
	     back++) {
		struct history_record *r =
		    &h->ring[(h->last_id - 1 - back) % HISTORY_MAX];

		if (r->reason != a->reason || r->generation != a->generation ||
		    memcmp(r->vm_id, a->vm_id, sizeof(r->vm_id)) != 0)
			continue;
		if (!r->acked[a->xtr].ms) {
			r->acked[a->xtr].ms = wall_ms;
			r->acked[a->xtr].status = a->status;
		}
		return;
	}
}
