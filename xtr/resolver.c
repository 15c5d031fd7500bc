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
#include "xtr/proxy.h"
#include "xtr/subscribe.h"

enum { ITR_RLOCS_SENT = 16 }; /* ours: 18 octets each if of IPv6 */

/* The mapping systems that a prefix of ours around 'eid' belongs to, or NULL. */
static const struct conf_systems *
own_systems(const struct xtr *x, const struct eid *eid)
{
	const struct conf_mobile_prefix *m = conf_mobile_find(x->conf, eid);
	const struct conf_eid *best = NULL;

	if (m)
		return &m->systems;
	for (size_t i = 0; i < x->conf->eids.n; i++) {
		const struct conf_eid *c =
		    conf_at(x->conf->eids, struct conf_eid, i);

		if (eid_covers(&c->prefix, eid) &&
		    (!best || c->prefix.bits > best->prefix.bits))
			best = c;
	}
	return best ? &best->systems : NULL;
}

/* Length of the longest prefix of its EID space around 'eid', or -1. */
static int
space_bits(const struct conf_mapping_system *s, const struct eid *eid)
{
	int bits = -1;

	for (size_t i = 0; i < s->eid_space.n; i++) {
		struct eid e = *conf_at(s->eid_space, struct eid, i);

		e.iid = eid->iid;
		if (eid_covers(&e, eid) && e.bits > bits)
			bits = e.bits;
	}
	return bits;
}

/*
 * Those to ask, in order: whose EID space fits best; if there is none, those of
 * our own prefix around it, then those without an EID space.
 */
struct candidates {
	const struct conf_mapping_system *list[CONF_SYSTEMS_MAX];
	size_t n;
};

static void
add(struct candidates *c, const struct conf_mapping_system *s)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i] == s)
			return;
	c->list[c->n++] = s;
}

static void
candidates_find(
    const struct xtr *x, const struct eid *eid, struct candidates *c)
{
	const struct conf_list *systems = &x->conf->mapping_systems;
	const struct conf_systems *own = own_systems(x, eid);
	int best = 0;

	c->n = 0;
	for (size_t i = 0; i < systems->n; i++) {
		const struct conf_mapping_system *s =
		    conf_at(*systems, struct conf_mapping_system, i);
		const int bits = space_bits(s, eid);

		if (bits > best)
			c->n = 0;
		if (bits >= best) {
			best = bits;
			add(c, s);
		}
	}
	if (c->n)
		return;
	for (size_t i = 0; own && i < own->n; i++)
		add(c, own->list[i]);
	for (size_t i = 0; i < systems->n; i++) {
		const struct conf_mapping_system *s =
		    conf_at(*systems, struct conf_mapping_system, i);

		if (!s->eid_space.n)
			add(c, s);
	}
}

unsigned
resolver_count(const struct xtr *x, const struct eid *eid)
{
	struct candidates c;
	size_t n = 0;

	candidates_find(x, eid, &c);
	for (size_t i = 0; i < c.n; i++)
		n += c.list[i]->map_resolvers.n;
	return (unsigned)n;
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
resolver_of(const struct xtr *x, const struct eid *eid, unsigned nth,
    const struct conf_mapping_system **system)
{
	const unsigned count = resolver_count(x, eid);
	size_t k = count ? nth % count : 0;
	struct candidates c;

	candidates_find(x, eid, &c);
	for (size_t i = 0; i < c.n; i++) {
		const struct conf_mapping_system *s = c.list[i];

		*system = s;
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
inner_source(const struct xtr *x, const struct map_request *m, uint16_t afi)
{
	const struct addr *rloc = xtr_rloc(x, afi);

	if (rloc)
		return *rloc;
	if (m->source_eid.addr.afi == afi)
		return m->source_eid.addr;
	return (struct addr){ .afi = afi };
}

/*
 * Our RLOCs, as many as a message without fragments holds (RFC 9301 5), of each
 * family one at least (5.3).
 */
static void
add_itr_rlocs(const struct xtr *x, struct map_request *m)
{
	static const uint16_t families[] = { AFI_IPV4, AFI_IPV6 };
	const struct conf_list *rlocs = &x->conf->site.rlocs;
	bool has[AFI_IPV6 + 1] = { false };

	for (size_t i = 0; i < rlocs->n && i < ITR_RLOCS_SENT; i++) {
		const struct addr *a =
		    &conf_at(*rlocs, struct conf_rloc, i)->address;

		has[a->afi] = true;
		m->itr_rlocs[m->n_itr_rlocs++] = lisp_addr_from_addr(a);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct addr *a = xtr_rloc(x, families[i]);

		if (a && !has[a->afi])
			m->itr_rlocs[m->n_itr_rlocs - 1] =
			    lisp_addr_from_addr(a);
	}
}

void
resolver_tell(struct xtr *x, const struct addr *resolver, const struct eid *eid,
    const struct map_request *m)
{
	struct addr from, to = eid->addr;
	uint8_t bytes[2048];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	if (to.afi != AFI_IPV4 && to.afi != AFI_IPV6)
		to = *resolver;
	from = inner_source(x, m, to.afi);
	map_request_encode(&w, m);
	if (w.err) {
		x->counters.output_errors++;
		return;
	}
	output_ecm(x, resolver, &from, &to, LISP_CONTROL_PORT, bytes,
	    wire_written(&w));
}

void
resolver_ask(struct lookup *l, unsigned nth)
{
	struct xtr *x = l->x;
	const struct conf_mapping_system *system = NULL;
	const struct addr *resolver = resolver_of(x, &l->eid, nth, &system);
	struct map_request m = { .smr_invoked = l->invoked, .n_records = 1 };

	if (!resolver)
		return;
	m.pitr = proxy_asks(x, l->has_source ? &l->source : NULL);
	if (l->has_source && !m.pitr)
		m.source_eid = lisp_addr_from_eid(&l->source);
	add_itr_rlocs(x, &m);
	m.records[0].eid = lisp_addr_from_eid(&l->eid);
	m.records[0].eid_bits = l->eid.bits;
	if (!subscribe_ask(
		l, system, resolver, nth / resolver_count(x, &l->eid), &m))
		m.nonce = pending_nonce(l, resolver, 0);
	resolver_tell(x, resolver, &l->eid, &m);
}

const struct addr *
resolver_nth(const struct xtr *x, const struct eid *eid, unsigned nth)
{
	const struct conf_mapping_system *system;

	return resolver_of(x, eid, nth, &system);
}
