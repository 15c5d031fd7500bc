/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c - sends Map-Replies.
 *
 * etr.c and ms_answer.c decide what the records say; here they become one
 * message to one ITR-RLOC.  A Map-Request may carry anybody's address as
 * ITR-RLOC, so this is the place where reflection is limited: one reply, to one
 * address, in one packet, so often and no more.
 */
#include "xtr/reply.h"

#include <stdlib.h>

#include "xtr/input.h"
#include "xtr/limit.h"
#include "xtr/output.h"

struct replies {
	struct limits *requests; /* by (RLOC, EID) */
	struct limits *rlocs;	 /* by RLOC */
	struct limits *probes;	 /* by RLOC */
	struct mono probes_full; /* of the bucket of all probes */
};

/* Octets without padding: hashed as memory. */
struct request_key {
	struct addr rloc;
	uint8_t bits, zero;
	uint32_t iid;
	struct addr eid;
	uint16_t zero2;
};

_Static_assert(sizeof(struct request_key) == 44, "hashed as memory");

void
replies_free(struct replies *r)
{
	if (!r)
		return;
	limits_free(r->requests);
	limits_free(r->rlocs);
	limits_free(r->probes);
	free(r);
}

static struct replies *
replies_new(void)
{
	struct replies *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->requests =
	    limits_new(REPLY_LIMITS_MAX, REPLY_BURST, REPLY_INTERVAL_S * 1000);
	r->rlocs = limits_new(
	    REPLY_LIMITS_MAX, REPLY_RLOC_BURST, 1000 / REPLY_RLOC_PER_S);
	r->probes = limits_new(
	    REPLY_LIMITS_MAX, REPLY_PROBE_BURST, 1000 / REPLY_PROBE_BURST);
	if (r->requests && r->rlocs && r->probes)
		return r;
	replies_free(r);
	return NULL;
}

static bool
allowed(struct xtr *x, const struct addr *rloc, const struct map_request *m,
    bool probe)
{
	const struct request_record *asked = &m->records[0];
	struct request_key key = { .rloc = *rloc,
		.bits = asked->eid_bits,
		.iid = asked->eid.iid,
		.eid = asked->eid.addr };

	if (!x->replies)
		x->replies = replies_new();
	if (!x->replies)
		return false;
	if (probe)
		return limit_take(x->replies->probes, rloc, sizeof(*rloc),
			   xtr_now(x)) &&
		    limit_total_take(&x->replies->probes_full,
			REPLY_PROBES_PER_S, xtr_now(x));
	return limit_take(
		   x->replies->requests, &key, sizeof(key), xtr_now(x)) &&
	    limit_take(x->replies->rlocs, rloc, sizeof(*rloc), xtr_now(x));
}

bool
reply_may_forward(struct xtr *x, const struct map_request *m)
{
	if (allowed(x, &m->itr_rlocs[0].addr, m, false))
		return true;
	x->counters.map_request_limited++;
	return false;
}

bool
reply_can_reach(const struct xtr *x, uint16_t afi)
{
	if (afi != AFI_IPV4 && afi != AFI_IPV6)
		return false;
	if (x->conf->site.rlocs.n)
		return xtr_rloc(x, afi) != NULL;
	return !x->input || input_fd(x, afi) >= 0;
}

static bool
is_usable(const struct xtr *x, const struct lisp_addr *a)
{
	return !a->opaque && !addr_is_martian(&a->addr) &&
	    reply_can_reach(x, a->addr.afi);
}

const struct addr *
reply_itr_rloc(
    const struct xtr *x, const struct datagram *dg, const struct map_request *m)
{
	const struct addr *first = NULL;

	for (unsigned i = 0; i < m->n_itr_rlocs; i++) {
		const struct lisp_addr *a = &m->itr_rlocs[i];

		if (!is_usable(x, a))
			continue;
		/* Without RLOCs of our own, the family that the question came
		 * in is the one known to work. */
		if (x->conf->site.rlocs.n || a->addr.afi == dg->from.afi)
			return &a->addr;
		if (!first)
			first = &a->addr;
	}
	return first;
}

enum err
reply_send(struct xtr *x, const struct datagram *dg,
    const struct map_request *m, const struct mapping *const *mappings,
    unsigned n, bool probe)
{
	const struct addr *rloc = reply_itr_rloc(x, dg, m);
	const struct map_reply reply = { .probe = probe,
		/* Ours to say only of our own EIDs, not for a site. */
		.echo_nonce = x->conf->reachability.echo_nonce &&
		    mappings[0]->authoritative,
		.nonce = m->nonce,
		.n_records = n };
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	if (!rloc)
		return ERR_SOURCE;
	map_reply_header(&w, &reply);
	for (unsigned i = 0; i < n; i++)
		mapping_encode(&w, mappings[i]);
	if (w.err)
		return w.err;
	if (n > 1 &&
	    wire_written(&w) >
		(rloc->afi == AFI_IPV4 ? LISP_PAYLOAD_IPV4 : LISP_PAYLOAD_IPV6))
		return ERR_FULL;
	if (!allowed(x, rloc, m, probe)) {
		x->counters.map_reply_limited++;
		return ERR_RATE;
	}
	/* From where it was asked, if that can be. */
	output_send(x, dg->to.afi == rloc->afi ? &dg->to : NULL, rloc,
	    dg->ecm ? dg->ecm->source_port : dg->port, bytes, wire_written(&w));
	x->counters.map_reply_sent++;
	return ERR_OK;
}
