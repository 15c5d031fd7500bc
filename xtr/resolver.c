/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c - the Map-Request of a lookup, to the Map-Resolver whose turn it
 * is.  itr.c says when.
 */
#include "resolver.h"

#include <stdlib.h>

#include "common/lisp.h"
#include "common/msg.h"
#include "xtr/output.h"

unsigned
resolver_count(const struct xtr *x)
{
	const struct conf_list *systems = &x->conf->mapping_systems;
	size_t n = 0;

	for (size_t i = 0; i < systems->n; i++)
		n += conf_at(*systems, struct conf_mapping_system, i)
			 ->map_resolvers.n;
	return (unsigned)n;
}

/* The mapping system that a prefix of ours around 'eid' belongs to, or NULL. */
static const struct conf_mapping_system *
own_system(const struct xtr *x, const struct eid *eid)
{
	const struct conf_mobile_prefix *m = conf_mobile_find(x->conf, eid);
	const struct conf_eid *best = NULL;

	if (m)
		return m->system;
	for (size_t i = 0; i < x->conf->eids.n; i++) {
		const struct conf_eid *c =
		    conf_at(x->conf->eids, struct conf_eid, i);

		if (eid_covers(&c->prefix, eid) &&
		    (!best || c->prefix.bits > best->prefix.bits))
			best = c;
	}
	return best ? best->system : NULL;
}

/* Index of the one in 's' that answered last, 0 if none did. */
static size_t
good_one(const struct xtr *x, const struct conf_mapping_system *s)
{
	const struct pending *p = x->pending;
	const size_t i = (size_t)(s -
	    conf_at(x->conf->mapping_systems, struct conf_mapping_system, 0));

	for (size_t j = 0; i < p->n_good && j < s->map_resolvers.n; j++)
		if (addr_equal(
			conf_at(s->map_resolvers, struct addr, j), &p->good[i]))
			return j;
	return 0;
}

static const struct addr *
resolver_of(const struct xtr *x, const struct eid *eid, unsigned nth)
{
	const struct conf_list *systems = &x->conf->mapping_systems;
	const struct conf_mapping_system *own = own_system(x, eid);
	const unsigned count = resolver_count(x);
	size_t k = count ? nth % count : 0;

	for (size_t i = 0; i <= systems->n; i++) {
		/* First its own one, then the others. */
		const struct conf_mapping_system *s = i
		    ? conf_at(*systems, struct conf_mapping_system, i - 1)
		    : own;

		if (!s || (i && s == own))
			continue;
		if (k < s->map_resolvers.n)
			return conf_at(s->map_resolvers, struct addr,
			    (good_one(x, s) + k) % s->map_resolvers.n);
		k -= s->map_resolvers.n;
	}
	return NULL;
}

void
resolver_answered(struct xtr *x, const struct addr *resolver)
{
	struct pending *p = x->pending;
	const struct conf_list *systems = &x->conf->mapping_systems;

	if (p->n_good != systems->n) {
		free(p->good);
		p->good = calloc(systems->n, sizeof(*p->good));
		p->n_good = p->good ? systems->n : 0;
	}
	for (size_t i = 0; i < p->n_good; i++) {
		const struct conf_mapping_system *s =
		    conf_at(*systems, struct conf_mapping_system, i);

		for (size_t j = 0; j < s->map_resolvers.n; j++)
			if (addr_equal(
				conf_at(s->map_resolvers, struct addr, j),
				resolver))
				p->good[i] = *resolver;
	}
}

/*
 * Source of the inner header: an RLOC of ours of the EID's family, else the EID
 * that the packet came from, else the unspecified address (RFC 9301 5.8: both
 * inner addresses are of one family).
 */
static struct addr
inner_source(const struct lookup *l, uint16_t afi)
{
	const struct addr *rloc = xtr_rloc(l->x, afi);

	if (rloc)
		return *rloc;
	if (l->has_source && l->source.addr.afi == afi)
		return l->source.addr;
	return (struct addr){ .afi = afi };
}

void
resolver_ask(struct lookup *l, unsigned nth)
{
	struct xtr *x = l->x;
	const struct addr *resolver = resolver_of(x, &l->eid, nth);
	const struct conf_list *rlocs = &x->conf->site.rlocs;
	struct map_request m = { .smr_invoked = l->invoked, .n_records = 1 };
	struct addr from, to = l->eid.addr;
	uint8_t bytes[2048];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	if (!resolver)
		return;
	if (to.afi != AFI_IPV4 && to.afi != AFI_IPV6)
		to = *resolver;
	from = inner_source(l, to.afi);
	m.nonce = pending_nonce(l, resolver);
	if (l->has_source)
		m.source_eid = lisp_addr_from_eid(&l->source);
	for (size_t i = 0; i < rlocs->n && i < LISP_ITR_RLOCS_MAX; i++)
		m.itr_rlocs[m.n_itr_rlocs++] = lisp_addr_from_addr(
		    &conf_at(*rlocs, struct conf_rloc, i)->address);
	m.records[0].eid = lisp_addr_from_eid(&l->eid);
	m.records[0].eid_bits = l->eid.bits;
	map_request_encode(&w, &m);
	if (w.err) {
		x->counters.output_errors++;
		return;
	}
	output_ecm(x, resolver, &from, &to, LISP_CONTROL_PORT, bytes,
	    wire_written(&w));
}
