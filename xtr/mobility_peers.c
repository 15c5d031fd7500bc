/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility_peers.c - whom a VM talks to, and who has its mapping: the peers that
 * its agents name, the ITRs that the old site names.  docs/cpm.md 6.1 step 4,
 * 6.4, 6.10.
 *
 * What comes in here leaves as lookups before the VM runs (PREP), as SMRs after
 * the commit, or with the VM to its next site.
 */
#include "xtr/mobility_entry.h"

#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/itr.h"
#include "xtr/map_cache.h"
#include "xtr/move.h"
#include "xtr/notify.h"
#include "xtr/requesters.h"
#include "xtr/smr.h"

/* Peers of one EID by hash, so that keeping n of them is O(n). */
#define PEER_SLOTS 4096 /* power of two, above CPM_PEERS_SENT_MAX */

_Static_assert(PEER_SLOTS > CPM_PEERS_SENT_MAX, "a free slot ends a search");

/* The slot of 'p', or the free one where it belongs; slots hold index + 1. */
static uint16_t *
peer_slot(const struct mobile *m, uint16_t *slots, const struct cpm_peer *p)
{
	uint32_t hash = p->iid * 2654435761u;

	for (size_t i = 0; i < sizeof(p->addr.bytes); i++)
		hash = (hash ^ p->addr.bytes[i]) * 16777619u;
	for (uint32_t i = hash >> 12;; i++) {
		uint16_t *slot = &slots[i & (PEER_SLOTS - 1)];
		const struct cpm_peer *q = *slot ? &m->peers[*slot - 1] : NULL;

		if (!q || (q->iid == p->iid && addr_equal(&q->addr, &p->addr)))
			return slot;
	}
}

/* Room grows by doubling: at 0, 16, 32 ... */
static bool
peers_grow(struct mobile *m)
{
	const size_t room = m->n_peers ? m->n_peers * 2u : 16;
	struct cpm_peer *more;

	if (m->n_peers && (m->n_peers < 16 || m->n_peers & (m->n_peers - 1)))
		return true;
	more = realloc(m->peers, room * sizeof(*more));
	if (!more)
		return false;
	m->peers = more;
	return true;
}

void
mobility_keep_peers(struct xtr *x, struct eid_entry *e, const struct cpm *c)
{
	struct mobile *m = mobile_of(e);
	struct records_peers peers = c->peers;
	uint16_t slots[PEER_SLOTS];
	bool after_itr = false;
	struct cpm_peer p;

	if (!peers.left)
		return;
	memset(slots, 0, sizeof(slots));
	for (unsigned i = 0; i < m->n_peers; i++)
		*peer_slot(m, slots, &m->peers[i]) = (uint16_t)(i + 1);
	while (cpm_peer_next(&peers, &p)) {
		const bool of_itr = after_itr && c->op == CPM_OP_REQUESTERS;
		uint16_t *slot;

		after_itr = p.kind == CPM_ITR;
		if (p.kind != CPM_PEER || of_itr)
			continue;
		slot = peer_slot(m, slots, &p);
		if (*slot)
			continue;
		if (m->n_peers >= CPM_PEERS_SENT_MAX ||
		    x->mobility->n_peers >= MOBILITY_PEERS_MAX ||
		    !peers_grow(m))
			return;
		m->peers[m->n_peers++] = p;
		x->mobility->n_peers++;
		*slot = (uint16_t)m->n_peers;
	}
}

void
mobility_take_peers(struct xtr *x, struct eid_entry *e, const struct cpm *c)
{
	mobility_keep_peers(x, e, c);
	if (c->parts > 1 && c->generation == mobile_of(e)->committed &&
	    (c->reason == CPM_ARRIVED || c->reason == CPM_PRESENT) &&
	    eid_is_ours(e) && !e->contested)
		smr_add_peers(x, &e->eid);
}

void
mobility_drop_peers(struct xtr *x, struct eid_entry *e)
{
	struct mobile *m = mobile_of(e);

	x->mobility->n_peers -= m->n_peers;
	free(m->peers);
	m->peers = NULL;
	m->n_peers = 0;
}

void
mobility_pass_on(struct xtr *x, struct eid_entry *e, const struct cpm *c)
{
	const struct sender *to = mobility_sender(x, e->away_site);
	struct mobile *m = mobile_of(e);
	const unsigned told = m->n_peers;

	if (e->state != EID_AWAY || !to || !to->xtr)
		return;
	mobility_keep_peers(x, e, c);
	if (m->n_peers > told)
		notify_peers(x, e, to, m->peers + told, m->n_peers - told);
}

unsigned
mobility_add_peers(struct xtr *x, const struct eid *eid)
{
	struct eid_entry *e = eids_find(x->eids, eid);
	struct mobile *m = e ? mobile_of(e) : NULL;
	unsigned unresolved = 0;

	for (unsigned i = 0; m && i < m->n_peers; i++) {
		const struct eid peer =
		    eid_host(m->peers[i].iid, &m->peers[i].addr);
		const struct conf_mobile_prefix *p =
		    conf_mobile_find(x->conf, &peer);
		const struct map_cache_entry *c;

		/* The gateway is a peer of every VM, and nobody's EID. */
		if (eids_own(x, &peer) || (p && !conf_mobile_is_vm(p, &peer)))
			continue;
		c = map_cache_match(x->map_cache, &peer);
		if (!c) {
			itr_resolve(x, &peer);
			unresolved++;
			continue;
		}
		if (!eid_is_ours(e) || e->contested)
			continue;
		for (unsigned j = 0; j < c->n_locators; j++)
			if (c->locators[j].priority != LISP_PRIORITY_UNUSABLE)
				smr_add(x, eid, &c->locators[j].rloc, &peer,
				    true, false);
	}
	return unresolved;
}

void
mobility_audience(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	const bool ours = eid_is_ours(e) && !e->contested;
	struct records_peers peers = in->m.peers;
	struct cpm_peer p, next;
	bool more = cpm_peer_next(&peers, &p);

	if (in->m.generation > e->seen) {
		e->seen = in->m.generation;
		if (!ours) /* presumably where it is now */
			memcpy(e->away_site, in->m.sender_id, 16);
	}
	while (more) {
		const bool confirmed = p.flags & CPM_CONFIRMED;
		struct eid source;
		bool has_source = false;

		more = cpm_peer_next(&peers, &next);
		if (p.kind == CPM_ITR) {
			has_source = more && next.kind == CPM_PEER;
			if (has_source)
				source = eid_host(next.iid, &next.addr);
			requesters_note(x, &e->eid, &p.addr,
			    has_source ? &source : NULL, confirmed);
			if (ours)
				smr_add(x, &e->eid, &p.addr,
				    has_source ? &source : NULL, confirmed,
				    confirmed);
		} else if (p.kind == CPM_PXTR && ours) {
			smr_add(x, &e->eid, &p.addr, NULL, true, false);
		}
		p = next;
	}
	mobility_keep_peers(x, e, &in->m);
	if (ours) {
		smr_add_peers(x, &e->eid);
		move_note(x, &e->eid, MOVE_REQUESTERS, &in->dg->from);
	}
	/* An old site's answer names the generation it yielded to. */
	if (in->m.drained && in->m.generation == e->generation) {
		smr_release_drained(x, &e->eid);
		move_note(x, &e->eid, MOVE_DRAINED, &in->dg->from);
	}
}
