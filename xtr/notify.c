/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c - xTR to xTR: what the xTRs of the other sites are told.
 *
 * mobility_act.c says when; here a statement becomes one message per xTR, or
 * the parts of a series.  notify_queue.c repeats them until they are acked.
 */
#include "notify.h"

#include <stdlib.h>
#include <string.h>

#include "common/lisp.h"
#include "xtr/mobility.h"
#include "xtr/move.h"
#include "xtr/notify_queue.h"
#include "xtr/requesters.h"

enum { PEERS_MAX = 4096 }; /* entries of one op 4 */

static struct cpm_peer
owner_peer(const struct eid_entry *e)
{
	return (struct cpm_peer){ .kind = CPM_OWNER,
		.addr = addr_make(AFI_IPV6, e->owner) };
}

static struct cpm
message(const struct eid_entry *e, enum cpm_op op, uint8_t reason)
{
	struct cpm m = { .op = op,
		.reason = reason,
		.part = 1,
		.parts = 1,
		.n_eids = 1,
		.generation = e->generation };

	memcpy(m.vm_id, e->vm_id, 16);
	m.eids[0] = e->eid;
	return m;
}

static void
notify_one(struct xtr *x, const struct eid_entry *e, uint8_t reason,
    const struct sender *to)
{
	struct cpm m = message(e, CPM_OP_NOTIFY, reason);
	struct cpm_peer peers[1 + 32];
	unsigned n = 0;

	m.event_ms = clock_wall_ms(x->clock);
	if (reason == CPM_ARRIVING || reason == CPM_ABORTED)
		m.generation =
		    e->seen > e->generation ? e->seen : e->generation;
	if (reason == CPM_ARRIVED || reason == CPM_ABSENT)
		peers[n++] = owner_peer(e);
	if (reason == CPM_ARRIVED)
		for (size_t i = 0; i < x->conf->site.rlocs.n && n < 33; i++)
			peers[n++] = (struct cpm_peer){ .kind = CPM_RLOC,
				.addr = conf_at(
				    x->conf->site.rlocs, struct conf_rloc, i)
					    ->address };
	notify_queue_cancel(
	    x, &e->eid, to->id, notify_stream(CPM_OP_NOTIFY, reason));
	if (!notify_queue_send(
		x, to, &m, peers, n, reason == CPM_ARRIVED ? 2 : 1)) {
		x->counters.notify_given_up++;
		return;
	}
	if (reason == CPM_ARRIVED)
		move_note(x, &e->eid, MOVE_NOTIFY, &to->xtr->rloc);
}

unsigned
notify_send(struct xtr *x, const struct eid_entry *e, uint8_t reason,
    const uint8_t first[16])
{
	const struct conf_list *sites = &x->conf->mobility.sites;
	const struct sender *early = first ? mobility_sender(x, first) : NULL;
	unsigned told = 0;

	if (early && early->xtr && sender_may(early, &e->eid)) {
		notify_one(x, e, reason, early);
		told++;
	} else {
		early = NULL;
	}
	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_other_site *site =
		    conf_at(*sites, struct conf_other_site, i);

		for (size_t j = 0; j < site->xtrs.n; j++) {
			const struct sender *to = mobility_sender(x,
			    conf_at(site->xtrs, struct conf_site_xtr, j)
				->xtr_id);

			if (!to || to == early || !sender_may(to, &e->eid))
				continue;
			notify_one(x, e, reason, to);
			told++;
		}
	}
	return told;
}

/* Calls 'fn' for each xTR of the other sites until it returns true. */
static bool
any_xtr(const struct xtr *x, const struct eid *eid,
    bool (*fn)(const struct xtr *, const struct eid *, const uint8_t to[16]))
{
	const struct conf_list *sites = &x->conf->mobility.sites;

	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_list *xtrs =
		    &conf_at(*sites, struct conf_other_site, i)->xtrs;

		for (size_t j = 0; j < xtrs->n; j++)
			if (fn(x, eid,
				conf_at(*xtrs, struct conf_site_xtr, j)
				    ->xtr_id))
				return true;
	}
	return false;
}

static bool
cancel_one(const struct xtr *x, const struct eid *eid, const uint8_t to[16])
{
	notify_queue_cancel(x, eid, to, NOTIFY_OWNER);
	return false;
}

void
notify_cancel(struct xtr *x, const struct eid *eid)
{
	any_xtr(x, eid, cancel_one);
}

static bool
is_open(const struct xtr *x, const struct eid *eid, const uint8_t to[16])
{
	return notify_queue_has(x, eid, to, NOTIFY_OWNER);
}

bool
notify_is_open(const struct xtr *x, const struct eid *eid)
{
	return any_xtr(x, eid, is_open);
}

struct list {
	struct cpm_peer *peers;
	unsigned n;
	bool with_sources;
};

static bool
list_requester(void *arg, const struct requester *r)
{
	struct list *l = arg;

	if (l->n + 2 > PEERS_MAX)
		return false;
	l->peers[l->n++] = (struct cpm_peer){ .kind = CPM_ITR,
		.flags = r->confirmed ? CPM_CONFIRMED : 0,
		.addr = r->rloc };
	if (l->with_sources && r->has_source &&
	    (r->source.addr.afi == AFI_IPV4 || r->source.addr.afi == AFI_IPV6))
		l->peers[l->n++] = (struct cpm_peer){ .kind = CPM_PEER,
			.iid = r->source.iid,
			.addr = r->source.addr };
	return true;
}

/* The list in as many parts as it needs. */
static void
send_parts(
    struct xtr *x, const struct sender *to, struct cpm *m, const struct list *l)
{
	const struct addr *rloc = notify_queue_rloc(x, to->xtr);
	const size_t payload = rloc && rloc->afi == AFI_IPV4
	    ? LISP_PAYLOAD_IPV4
	    : LISP_PAYLOAD_IPV6;
	unsigned at = 0, counts[CPM_PARTS_MAX], parts = 0;

	do {
		counts[parts] =
		    cpm_peers_fit(m, l->peers + at, l->n - at, payload);
		at += counts[parts++];
	} while (at < l->n && parts < CPM_PARTS_MAX);
	m->parts = (uint16_t)parts;
	m->series = (uint32_t)clock_wall_ms(x->clock);
	at = 0;
	for (unsigned i = 0; i < parts; i++) {
		m->part = (uint16_t)(i + 1);
		if (!notify_queue_send(x, to, m, l->peers + at, counts[i], 1))
			x->counters.requesters_given_up++;
		at += counts[i];
	}
}

static void
list_peers(struct list *l, const struct cpm_peer *peers, unsigned n)
{
	for (unsigned i = 0; i < n && l->n < PEERS_MAX / 2; i++)
		l->peers[l->n++] = peers[i];
}

/* The owner stands first. */
static bool
list_begin(struct list *l, const struct eid_entry *e)
{
	l->peers = calloc(PEERS_MAX, sizeof(*l->peers));
	if (l->peers && e->generation)
		l->peers[l->n++] = owner_peer(e);
	return l->peers;
}

void
notify_requesters(struct xtr *x, const struct eid_entry *e,
    const struct sender *to, uint8_t reason, bool drained,
    const struct cpm_peer *peers, unsigned n_peers)
{
	const struct conf_list *pitrs = &x->conf->itr.proxy_itrs;
	struct cpm m = message(e, CPM_OP_REQUESTERS, reason);
	struct list l = { .with_sources = reason == CPM_ARRIVED };

	if (!list_begin(&l, e))
		return;
	notify_queue_cancel(x, &e->eid, to->id, NOTIFY_REQUESTERS);
	m.drained = drained && reason == CPM_ARRIVED;
	/* Correspondents that belong to no RLOC stand before the first ITR. */
	if (reason == CPM_ARRIVED)
		list_peers(&l, peers, n_peers);
	requesters_walk(x, &e->eid, list_requester, &l);
	for (size_t i = 0; i < pitrs->n && l.n < PEERS_MAX; i++)
		l.peers[l.n++] = (struct cpm_peer){ .kind = CPM_PXTR,
			.addr = *conf_at(*pitrs, struct addr, i) };
	send_parts(x, to, &m, &l);
	free(l.peers);
}

void
notify_peers(struct xtr *x, const struct eid_entry *e, const struct sender *to,
    const struct cpm_peer *peers, unsigned n_peers)
{
	struct cpm m = message(e, CPM_OP_REQUESTERS, CPM_ARRIVED);
	struct list l = { 0 };

	if (!list_begin(&l, e))
		return;
	m.drained = true;
	list_peers(&l, peers, n_peers);
	send_parts(x, to, &m, &l);
	free(l.peers);
}
