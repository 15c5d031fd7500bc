/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtr.c - the context: its tables are made and ended here, in the order in
 * which they need each other.  Sockets and data plane are main.c's, so that a
 * simulation runs the same xTR without them.
 */
#include "xtr.h"

#include "xtr/eids.h"
#include "xtr/input.h"
#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/map_version.h"
#include "xtr/mobility.h"
#include "xtr/move.h"
#include "xtr/notify.h"
#include "xtr/output.h"
#include "xtr/partner.h"
#include "xtr/pending.h"
#include "xtr/reach.h"
#include "xtr/register.h"
#include "xtr/reply.h"
#include "xtr/requesters.h"
#include "xtr/segment.h"
#include "xtr/smr.h"
#include "xtr/store.h"
#include "xtr/subscribe.h"

enum err
xtr_open(struct xtr *x)
{
	enum err err = store_open(x->loop, x->conf->state.directory,
	    x->conf->state.size_mib, &x->store);

	if (err)
		return err;
	if (!(x->output = output_new(x)) || !(x->eids = eids_new(x)) ||
	    !(x->requesters = requesters_new(x)) ||
	    !(x->map_versions = map_versions_new(x)) ||
	    !(x->reach = reach_new(x)) || !(x->map_cache = map_cache_new(x)) ||
	    !(x->pending = pending_new(x)) ||
	    !(x->subscriptions = subscriptions_new(x)) ||
	    !(x->registers = registers_new(x)) || !(x->smrs = smrs_new(x)) ||
	    !(x->moves = moves_new(x)) || !(x->notify = notify_new(x)) ||
	    !(x->mobility = mobility_new(x)) ||
	    !(x->partners = partners_new(x)))
		return ERR_NOMEM;
	if (x->conf->map_server.enabled || x->conf->map_resolver.enabled) {
		x->map_server = map_server_new(x);
		if (!x->map_server)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

void
xtr_resume(struct xtr *x)
{
	mobility_start(x);
	if (x->segments)
		segments_reconcile(x);
	registers_start(x);
}

void
xtr_close(struct xtr *x)
{
	if (x->store && x->output)
		input_turn_end(x);
	map_server_free(x->map_server);
	partners_free(x->partners);
	x->partners = NULL;
	replies_free(x->replies);
	notify_free(x->notify);
	moves_free(x->moves);
	smrs_free(x->smrs);
	registers_free(x->registers);
	subscriptions_free(x->subscriptions);
	pending_free(x->pending);
	map_cache_free(x->map_cache);
	reach_free(x->reach);
	map_versions_free(x->map_versions);
	x->reach = NULL;
	requesters_free(x->requesters);
	eids_free(x->eids);
	mobility_free(x->mobility);
	output_free(x->output);
	x->output = NULL;
	store_close(x->store);
}

const struct addr *
xtr_rloc(const struct xtr *x, uint16_t afi)
{
	const struct conf_list *rlocs = &x->conf->site.rlocs;
	const struct addr *first = NULL;

	for (size_t i = 0; i < rlocs->n; i++) {
		const struct addr *a =
		    &conf_at(*rlocs, struct conf_rloc, i)->address;

		if (a->afi != afi)
			continue;
		/* Asked for every packet: with one there is no choice. */
		if (first && !reach_is_up(x, first) && reach_is_up(x, a))
			return a;
		if (!first)
			first = a;
	}
	return first;
}

bool
xtr_rloc_is_own(const struct xtr *x, const struct addr *rloc)
{
	for (size_t i = 0; i < x->conf->site.rlocs.n; i++)
		if (addr_equal(
			&conf_at(x->conf->site.rlocs, struct conf_rloc, i)
			     ->address,
			rloc))
			return true;
	return false;
}
