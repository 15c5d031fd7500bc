/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_resolver.c - a Map-Request out of an ECM, as Map-Resolver.  RFC 9301 8.4.
 *
 * What our own Map-Server has is answered by ms_answer.c; the rest goes to a
 * Map-Server of others, and nothing is remembered: the answer goes to the ITR
 * directly.  The nonce chooses among several, so an ITR that asks again, with a
 * fresh nonce, comes to another one sooner or later.
 */
#include "xtr/ms.h"

#include "xtr/output.h"
#include "xtr/reply.h"

enum { RECORDS_ANSWERED_MAX = 8 };

static bool
is_elsewhere(const struct map_server *ms, const struct eid *eid)
{
	struct eid host = eid_host(eid->iid, &eid->addr);

	return ms->x->conf->map_resolver.forward_to.n &&
	    !ms_prefix_match(ms, &host);
}

/* RFC 9437 1.1: we answer for it that the xTR may subscribe. */
static bool
may_subscribe(const struct xtr *x, const struct addr *from)
{
	const struct conf_list *l = &x->conf->map_resolver.pubsub_sources;

	for (size_t i = 0; i < l->n; i++)
		if (addr_equal(conf_at(*l, struct addr, i), from))
			return true;
	return false;
}

static enum err
deny_subscription(struct xtr *x, const struct datagram *dg,
    const struct map_request *m, const struct request_record *r)
{
	struct mapping *denied = x->map_server->answer;
	const struct mapping *one = denied;

	denied->ttl_min = NEGATIVE_UNREGISTERED_MIN;
	denied->action = LISP_DROP_POLICY;
	denied->authoritative = false;
	denied->version = 0;
	denied->eid = r->eid;
	denied->eid_bits = r->eid_bits;
	denied->n_locators = 0;
	x->counters.subscriptions_refused++;
	return reply_send(x, dg, m, &one, 1, false);
}

static enum err
forward(struct xtr *x, const struct datagram *dg, const struct map_request *m,
    const struct eid *asked)
{
	const struct conf_list *l = &x->conf->map_resolver.forward_to;

	for (size_t i = 0; i < l->n; i++) {
		const struct addr *to =
		    conf_at(*l, struct addr, (m->nonce + i) % l->n);

		if (!reply_can_reach(x, to->afi) || xtr_rloc_is_own(x, to))
			continue;
		if (!reply_may_forward(x, m))
			return ERR_RATE;
		output_ecm(x, to, dg->ecm ? &dg->ecm->source : &dg->from,
		    dg->ecm ? &dg->ecm->destination : &asked->addr,
		    dg->ecm ? dg->ecm->source_port : dg->port, dg->bytes,
		    dg->len);
		x->counters.map_request_forwarded++;
		return ERR_OK;
	}
	return ERR_SOURCE;
}

enum err
map_server_on_map_request(
    struct xtr *x, const struct datagram *dg, const struct map_request *m)
{
	struct map_server *ms = x->map_server;
	bool forwarded = false;
	enum err err = ERR_OK;

	if (m->probe || m->smr)
		return ERR_POLICY; /* RFC 9301 5.2: not for us */
	for (unsigned i = 0; i < m->n_records && i < RECORDS_ANSWERED_MAX;
	     i++) {
		const struct request_record *r = &m->records[i];
		struct eid asked;

		err = lisp_addr_eid(&r->eid, r->eid_bits, &asked);
		if (err)
			return err;
		if (!is_elsewhere(ms, &asked)) {
			if (!x->conf->map_server.enabled)
				return ERR_ROLE;
			err =
			    ms_answer(ms, dg, m, &asked, r->notify, &forwarded);
		} else if (r->notify && !may_subscribe(x, &dg->from)) {
			err = deny_subscription(x, dg, m, r);
		} else if (!forwarded) {
			err = forward(x, dg, m, &asked);
			forwarded = true;
		}
		if (err)
			return err;
	}
	return ERR_OK;
}
