/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility_order.c - which of two statements about an EID counts: lateness, the
 * VM-ID, the relation of generations.  docs/cpm.md 4.2 steps 4 to 6.
 *
 * mobility.c asks for each EID of a message before it looks into the table.
 */
#include "xtr/mobility_entry.h"

#include <string.h>

#include "common/auth.h"

bool
mobility_is_about_mark(const struct cpm *m)
{
	return m->reason == CPM_ARRIVING ||
	    (m->reason == CPM_ABORTED && m->generation == 0);
}

static struct late *
late_find(struct mobile *m, const uint8_t sender[16])
{
	for (unsigned i = 0; i < LATE_SENDERS; i++)
		if (m->late[i].at_ms &&
		    memcmp(m->late[i].sender, sender, 16) == 0)
			return &m->late[i];
	return NULL;
}

bool
mobility_is_late(struct mobile *m, const struct cpm *c)
{
	const struct late *l = late_find(m, c->sender_id);

	if (!l)
		return false;
	return c->nonce < l->ownership ||
	    (mobility_is_about_mark(c) && c->nonce < l->mark);
}

/*
 * A free slot, or that of the sender heard least recently.  Owner and holder of
 * the mark keep theirs.
 */
static struct late *
late_add(struct mobile *m, const struct eid_entry *e)
{
	struct late *l = NULL;

	for (unsigned i = 0; i < LATE_SENDERS; i++) {
		struct late *o = &m->late[i];

		if (o->at_ms &&
		    (memcmp(o->sender, e->owner, 16) == 0 ||
			(e->incoming &&
			    memcmp(o->sender, e->incoming_from, 16) == 0)))
			continue;
		if (!l || o->at_ms < l->at_ms)
			l = o;
	}
	memset(l, 0, sizeof(*l));
	return l;
}

void
mobility_late_note(
    struct xtr *x, const struct eid_entry *e, const struct cpm *c)
{
	struct mobile *m = mobile_of(e);
	struct late *l = late_find(m, c->sender_id);

	if (!l)
		l = late_add(m, e);
	memcpy(l->sender, c->sender_id, 16);
	l->at_ms = (int64_t)clock_wall_ms(x->clock);
	if (mobility_is_about_mark(c))
		l->mark = c->nonce;
	else
		l->ownership = c->nonce;
}

static bool
is_compared(const struct cpm *c)
{
	switch (c->op) {
	case CPM_OP_CPM:
		return !mobility_is_about_mark(c);
	case CPM_OP_NOTIFY:
		return c->reason != CPM_ABORTED && c->reason != CPM_ARRIVING;
	case CPM_OP_ACK:
	case CPM_OP_REQUESTERS:
		break;
	}
	return false;
}

enum relation
mobility_relate(const struct eid_entry *e, const struct cpm *c, bool *tie)
{
	const uint8_t *owner = c->op == CPM_OP_CPM ? c->sender_id : c->owner;
	const bool claims = c->op == CPM_OP_CPM &&
	    (c->reason == CPM_ARRIVED || c->reason == CPM_PRESENT);
	const uint64_t known =
	    claims && e->seen > e->generation ? e->seen : e->generation;
	int order;

	*tie = false;
	if (!is_compared(c))
		return RELATION_ANY;
	if (c->generation > known)
		return RELATION_NEWER;
	if (c->generation < e->generation || e->generation == 0)
		return RELATION_OLDER;
	if (c->generation > e->generation)
		return RELATION_OLDER; /* not above 'seen' */
	order = memcmp(owner, e->owner, 16);
	if (order == 0 || uuid_is_zero(e->owner))
		return RELATION_SAME;
	*tie = true;
	return order > 0 ? RELATION_NEWER : RELATION_OLDER;
}

/* The EID is owned by another VM. */
static bool
is_other_vm(const struct eid_entry *e, const struct cpm *c)
{
	return (eid_is_ours(e) || e->state == EID_AWAY) &&
	    !uuid_is_zero(e->vm_id) && memcmp(e->vm_id, c->vm_id, 16) != 0;
}

bool
mobility_vm_id_allows(const struct eid_entry *e, const struct cpm *c)
{
	if (c->op != CPM_OP_CPM || mobility_is_about_mark(c) ||
	    !is_other_vm(e, c))
		return true;
	return c->reason == CPM_ARRIVED && e->incoming &&
	    memcmp(e->incoming_from, c->sender_id, 16) == 0;
}

void
mobility_check_vm_id(
    struct xtr *x, const struct eid_entry *e, const struct cpm *c)
{
	if (c->op != CPM_OP_CPM && !uuid_is_zero(c->vm_id) && is_other_vm(e, c))
		mobility_alarm(x, &e->eid, "another VM at another site");
}

void
mobility_adopt(struct eid_entry *e, const struct cpm *c, enum relation relation)
{
	const uint8_t *owner = c->op == CPM_OP_CPM ? c->sender_id : c->owner;

	e->generation = c->generation;
	if (e->seen < e->generation)
		e->seen = e->generation;
	memcpy(e->owner, owner, 16);
	if (relation == RELATION_SAME && !uuid_is_zero(e->vm_id))
		return;
	if (memcmp(e->vm_id, c->vm_id, 16) != 0 && !uuid_is_zero(e->vm_id))
		e->mac = (struct addr){ 0 }; /* that of the other VM */
	memcpy(e->vm_id, c->vm_id, 16);
}
