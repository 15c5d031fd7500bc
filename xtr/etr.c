/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etr.c - the ETR role: what we say when we are asked.
 *
 * input.c brings Map-Requests that are no SMRs; reply.c sends the answers.
 * register.c takes the same records for its Map-Registers.  A record is made
 * when it is needed, from the configuration and the state of the EID, so there
 * is no copy of it that could be old.
 */
#include "etr.h"

#include <stdlib.h>

#include "common/lisp.h"
#include "common/trie.h"
#include "xtr/itr.h"
#include "xtr/partner.h"
#include "xtr/reach.h"
#include "xtr/reply.h"
#include "xtr/requesters.h"
#include "xtr/smr.h"

enum { ANSWERS_MAX = 16 }; /* records of one Map-Reply */

/* Keeps the list sorted (RFC 9301 5.5); the first of equal addresses stays. */
static void
add_locator(struct mapping *m, const struct locator *l)
{
	unsigned at = m->n_locators;

	for (unsigned i = 0; i < m->n_locators; i++)
		if (addr_equal(&m->locators[i].addr.addr, &l->addr.addr))
			return;
	if (m->n_locators == LISP_LOCATORS_MAX)
		return;
	for (; at &&
	     addr_compare(&m->locators[at - 1].addr.addr, &l->addr.addr) > 0;
	     at--)
		m->locators[at] = m->locators[at - 1];
	m->locators[at] = *l;
	m->n_locators++;
}

static void
add_rlocs(const struct xtr *x, const struct conf_list *rlocs, bool own,
    struct mapping *m)
{
	for (size_t i = 0; i < rlocs->n; i++) {
		const struct conf_rloc *c =
		    conf_at(*rlocs, struct conf_rloc, i);
		const struct locator l = {
			.priority = (uint8_t)c->priority,
			.weight = (uint8_t)c->weight,
			.mpriority = (uint8_t)c->mpriority,
			.mweight = (uint8_t)c->mweight,
			.local = own,
			.reachable = reach_is_up(x, &c->address),
			.addr = lisp_addr_from_addr(&c->address),
		};

		add_locator(m, &l);
	}
}

/*
 * Those of our site, the same set whichever of its xTRs says so: without merge
 * the last one to register counts (RFC 9301 5.6).
 */
static void
add_own(const struct xtr *x, struct mapping *m)
{
	const struct conf_site *s = &x->conf->site;

	add_rlocs(x, &s->rlocs, true, m);
	for (size_t i = 0; i < s->partners.n; i++)
		add_rlocs(x,
		    &conf_at(s->partners, struct conf_partner, i)->rlocs, false,
		    m);
}

static void
add_standby(struct mapping *m, const struct addr *rloc, int64_t weight)
{
	const struct locator l = {
		.priority = LISP_PRIORITY_UNUSABLE,
		.weight = (uint8_t)weight,
		.mpriority = LISP_PRIORITY_UNUSABLE,
		.reachable = true,
		.addr = lisp_addr_from_addr(rloc),
	};

	add_locator(m, &l);
}

static bool
site_serves(const struct conf_other_site *s, const struct eid *eid)
{
	for (size_t i = 0; i < s->prefixes.n; i++)
		if (eid_covers(conf_at(s->prefixes, struct eid, i), eid))
			return true;
	return false;
}

/* The RLOCs of all other sites of the mobile prefix; docs/cpm.md 6.1. */
static void
add_other_sites(const struct xtr *x, const struct eid *eid, struct mapping *m)
{
	const struct conf_list *sites = &x->conf->mobility.sites;

	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_other_site *s =
		    conf_at(*sites, struct conf_other_site, i);

		for (size_t j = 0; site_serves(s, eid) && j < s->xtrs.n; j++) {
			const struct conf_site_xtr *xtr =
			    conf_at(s->xtrs, struct conf_site_xtr, j);

			add_standby(m, &xtr->rloc, xtr->weight);
			for (size_t k = 0; k < xtr->rlocs.n; k++)
				add_standby(m,
				    conf_at(xtr->rlocs, struct addr, k),
				    xtr->weight);
		}
	}
}

static void
set_eid(struct mapping *m, const struct eid *eid)
{
	m->eid = lisp_addr_from_eid(eid);
	m->eid_bits = eid->bits;
}

/*
 * Somebody else may have it: the ITR is to ask again at every packet, and what
 * we say is not authoritative.
 */
static void
negative(const struct eid *eid, struct mapping *out)
{
	*out = (struct mapping){
		.ttl_min = NEGATIVE_UNREGISTERED_MIN,
		.action = LISP_SEND_MAP_REQUEST,
	};
	set_eid(out, eid);
}

void
etr_mapping(const struct xtr *x, const struct eid_entry *e, struct mapping *out)
{
	if (!eid_is_ours(e)) {
		negative(&e->eid, out);
		return;
	}
	*out = (struct mapping){ .authoritative = true };
	set_eid(out, &e->eid);
	out->ttl_min =
	    (uint32_t)(e->conf ? e->conf->ttl_min : x->conf->mobility.ttl_min);
	out->version = e->conf ? (uint16_t)e->conf->map_version : 0;
	add_own(x, out);
	if (!e->is_static && x->conf->mobility.mode == CONF_CPM_PRIORITY)
		add_other_sites(x, &e->eid, out);
}

void
etr_withdrawal(const struct xtr *x, const struct eid *eid, struct mapping *out)
{
	*out = (struct mapping){ .authoritative = true };
	set_eid(out, eid);
	add_own(x, out);
}

/* The records of one Map-Reply. */
struct answer {
	unsigned n;
	bool too_many;
	struct mapping *list[ANSWERS_MAX]; /* owned */
};

/* Room for one more, to be filled in; NULL if there is none. */
static struct mapping *
answer_add(struct answer *a)
{
	struct mapping *m = a->n < ANSWERS_MAX ? malloc(sizeof(*m)) : NULL;

	if (m)
		a->list[a->n++] = m;
	else
		a->too_many = true;
	return m;
}

static void
answer_clear(struct answer *a)
{
	for (unsigned i = 0; i < a->n; i++)
		free(a->list[i]);
	*a = (struct answer){ 0 };
}

static bool
strictly_inside(const struct eid *outer, const struct eid *inner)
{
	return inner->bits > outer->bits && eid_covers(outer, inner);
}

/*
 * The longest stretch of the static prefix 'e' around 'asked' in which nothing
 * more specific is configured: a right answer in one record.  False if there is
 * none, because 'asked' itself holds more-specifics.
 */
static bool
hole_around(const struct xtr *x, const struct eid_entry *e,
    const struct eid *asked, struct eid *out)
{
	const struct conf_list *eids = &x->conf->eids,
			       *mobile = &x->conf->mobility.prefixes;
	struct trie t;
	bool found = true;

	trie_init(&t, eids->n + mobile->n);
	for (size_t i = 0; found && i < eids->n; i++) {
		const struct eid *p =
		    &conf_at(*eids, struct conf_eid, i)->prefix;

		if (strictly_inside(&e->eid, p))
			found = !trie_add(&t, p, &t);
	}
	for (size_t i = 0; found && i < mobile->n; i++) {
		const struct eid *p =
		    &conf_at(*mobile, struct conf_mobile_prefix, i)->prefix;

		if (eid_covers(&e->eid, p))
			found = !trie_add(&t, p, &t);
	}
	found = found && trie_hole(&t, asked, e->eid.bits, out);
	trie_fini(&t);
	return found;
}

/*
 * The match and all its more-specifics, same TTL (RFC 9301 5.5).  For a mobile
 * prefix inside stands "ask": its addresses are mapped one by one, and not all
 * by us.
 */
static void
add_match_and_more(const struct xtr *x, const struct eid_entry *e,
    const struct mapping *match, struct answer *a)
{
	const struct conf_list *eids = &x->conf->eids,
			       *mobile = &x->conf->mobility.prefixes;
	struct mapping *m = answer_add(a);

	if (!m)
		return;
	*m = *match;
	for (size_t i = 0; i < eids->n; i++) {
		const struct eid *p =
		    &conf_at(*eids, struct conf_eid, i)->prefix;
		const struct eid_entry *more = eids_find(x->eids, p);

		if (!more || !strictly_inside(&e->eid, p) ||
		    !(m = answer_add(a)))
			continue;
		etr_mapping(x, more, m);
		m->ttl_min = match->ttl_min;
	}
	for (size_t i = 0; i < mobile->n; i++) {
		const struct eid *p =
		    &conf_at(*mobile, struct conf_mobile_prefix, i)->prefix;

		if (!strictly_inside(&e->eid, p) || !(m = answer_add(a)))
			continue;
		negative(p, m);
		m->ttl_min = match->ttl_min;
	}
}

/* How many prefixes of either kind lie in that of 'e'. */
static void
count_inside(const struct xtr *x, const struct eid_entry *e, unsigned *statics,
    unsigned *mobiles)
{
	const struct conf_list *eids = &x->conf->eids,
			       *mobile = &x->conf->mobility.prefixes;

	*statics = *mobiles = 0;
	for (size_t i = 0; i < eids->n; i++)
		*statics += strictly_inside(
		    &e->eid, &conf_at(*eids, struct conf_eid, i)->prefix);
	for (size_t i = 0; i < mobile->n; i++)
		*mobiles += eid_covers(&e->eid,
		    &conf_at(*mobile, struct conf_mobile_prefix, i)->prefix);
}

/*
 * What we say about 'asked', which 'e' serves: one record for a stretch without
 * more-specifics if a mobile prefix lies in 'e' or 'short_one' is set.
 */
static void
add_own_answer(const struct xtr *x, const struct eid_entry *e,
    const struct eid *asked, bool short_one, struct answer *a)
{
	unsigned statics = 0, mobiles = 0;
	struct mapping match, *m;
	struct eid hole;

	etr_mapping(x, e, &match);
	if (e->conf)
		count_inside(x, e, &statics, &mobiles);
	if ((mobiles || short_one) && hole_around(x, e, asked, &hole)) {
		set_eid(&match, &hole);
		statics = mobiles = 0;
	}
	if (statics + mobiles)
		add_match_and_more(x, e, &match, a);
	else if ((m = answer_add(a)))
		*m = match;
}

/* Those who ask have, or will have, the mapping; docs/cpm.md 6.10. */
static void
note_requesters(
    struct xtr *x, const struct map_request *m, const struct eid *eid)
{
	struct eid source;
	const bool has_source = !lisp_addr_eid(
	    &m->source_eid, lisp_addr_bits(&m->source_eid), &source);

	for (unsigned i = 0; i < m->n_itr_rlocs; i++) {
		const struct addr *rloc = &m->itr_rlocs[i].addr;

		if (rloc->afi != AFI_IPV4 && rloc->afi != AFI_IPV6)
			continue;
		requesters_note(
		    x, eid, rloc, has_source ? &source : NULL, false);
		if (!m->probe)
			smr_on_converged(x, eid, rloc);
	}
}

/* One of our mobile prefixes as a whole: it has no mapping, its EIDs do. */
static bool
is_mobile_prefix(const struct xtr *x, const struct eid *eid)
{
	const struct conf_mobile_prefix *m = conf_mobile_find(x->conf, eid);

	return m && eid_equal(&m->prefix, eid);
}

/*
 * RFC 9301 7.1: a probe asks about the locator it was sent to.  The record is
 * for the prefix asked, which the prober has from us.  Another xTR of our site
 * that knows no EID asks for a mobile prefix.
 */
static enum err
on_probe(struct xtr *x, const struct datagram *dg, const struct map_request *m)
{
	const struct eid_entry *e;
	struct mapping mapping;
	const struct mapping *list[] = { &mapping };
	struct eid asked;

	if (dg->ecm)
		return ERR_POLICY;
	if (m->n_records == 0 ||
	    lisp_addr_eid(&m->records[0].eid, m->records[0].eid_bits, &asked))
		return ERR_UNSUPPORTED;
	e = eids_own(x, &asked);
	if (!e && is_mobile_prefix(x, &asked)) {
		negative(&asked, &mapping);
		mapping.authoritative = true; /* nobody else can say it */
		return reply_send(x, dg, m, list, 1, true);
	}
	if (!e)
		return ERR_NOT_FOUND;
	etr_mapping(x, e, &mapping);
	set_eid(&mapping, &asked);
	for (unsigned i = 0; i < mapping.n_locators; i++)
		mapping.locators[i].probed =
		    addr_equal(&mapping.locators[i].addr.addr, &dg->to);
	note_requesters(x, m, &e->eid);
	return reply_send(x, dg, m, list, 1, true);
}

/* Fills in the answer to every record; ERR_NOT_FOUND if there is none. */
static enum err
collect(const struct xtr *x, const struct map_request *m, bool short_one,
    struct answer *a)
{
	for (unsigned i = 0; i < m->n_records; i++) {
		const struct request_record *r = &m->records[i];
		const struct eid_entry *e;
		struct mapping *out;
		struct eid asked;

		if (lisp_addr_eid(&r->eid, r->eid_bits, &asked))
			continue;
		e = eids_own(x, &asked);
		if (e)
			add_own_answer(x, e, &asked, short_one, a);
		else if (conf_mobile_find(x->conf, &asked) &&
		    (out = answer_add(a)))
			negative(&asked, out);
	}
	return a->n ? ERR_OK : ERR_NOT_FOUND;
}

static void
note_all(struct xtr *x, const struct map_request *m)
{
	for (unsigned i = 0; i < m->n_records; i++) {
		const struct request_record *r = &m->records[i];
		const struct eid_entry *e;
		struct eid asked;

		if (lisp_addr_eid(&r->eid, r->eid_bits, &asked))
			continue;
		e = eids_own(x, &asked);
		if (e)
			note_requesters(x, m, &e->eid);
	}
}

static enum err
answer(struct xtr *x, const struct datagram *dg, const struct map_request *m,
    bool short_one)
{
	struct answer a = { 0 };
	enum err err = collect(x, m, short_one, &a);

	if (!err && a.too_many)
		err = ERR_FULL;
	if (!err && !m->no_reply)
		err = reply_send(x, dg, m,
		    (const struct mapping *const *)a.list, a.n, false);
	answer_clear(&a);
	return err;
}

/*
 * Somebody who is not this process asks: xtrctl lig has a port of its own, and
 * may well ask from here.
 */
static bool
is_lig(const struct datagram *dg)
{
	uint16_t port = dg->ecm ? dg->ecm->source_port : dg->port;

	return port != LISP_CONTROL_PORT;
}

enum err
etr_on_map_request(
    struct xtr *x, const struct datagram *dg, const struct map_request *m)
{
	const struct addr *to;
	enum err err;

	if (itr_own_request(x, m->nonce) || partner_on_told(x, dg, m))
		return ERR_OK;
	to = reply_itr_rloc(x, dg, m);
	if (!to || (xtr_rloc_is_own(x, to) && !is_lig(dg)))
		return ERR_SOURCE;
	if (m->probe)
		return on_probe(x, dg, m);
	note_all(x, m);
	err = answer(x, dg, m, false);
	return err == ERR_FULL ? answer(x, dg, m, true) : err;
}
