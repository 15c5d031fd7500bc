/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_answer.c - what the Map-Server says to a Map-Request.  RFC 9301 8.3, 5.5.
 *
 * The longest configured prefix and the longest registered one decide: answer
 * for the ETRs (they asked for it), forward to one of them, or a negative reply
 * whose prefix is as short as what we know allows, and no shorter.  An ITR keeps
 * the prefix of an answer for its whole TTL, so no answer may cover an EID of
 * which we would have said something else: more-specifics go along
 * (RFC 9301 5.5), or the prefix is narrowed until it holds none.  To an xTR that
 * subscribes (RFC 9437 5) the same answer goes in a Map-Notify.
 */
#include "xtr/ms.h"

#include <stdlib.h>

#include "xtr/ms_subscribe.h"
#include "xtr/output.h"
#include "xtr/reply.h"

/* One question on its way. */
struct question {
	struct map_server *ms;
	const struct datagram *dg;
	const struct map_request *m;
	struct eid asked, host;
	const struct ms_prefix *configured; /* longest, or NULL */
	const struct registration *found;   /* longest, or NULL */
	bool subscribe;
};

struct search {
	int longer_than;
	bool found;
};

static bool
stop_at_longer(void *arg, const struct eid *eid, void *value)
{
	struct search *s = arg;

	(void)value;
	s->found = eid->bits > s->longer_than;
	return !s->found;
}

/* Does 't' hold a prefix inside 'under' that is longer than 'bits'? */
static bool
holds(const struct trie *t, const struct eid *under, int bits)
{
	struct search s = { .longer_than = bits };

	trie_walk(t, under, stop_at_longer, &s);
	return s.found;
}

/*
 * The shortest prefix around q->host, from 'from' bits on, inside which neither
 * trie holds one longer than 'bits'.
 */
static struct eid
narrow(const struct question *q, unsigned from, const struct trie *a,
    const struct trie *b, int bits)
{
	for (unsigned d = from; d < q->host.bits; d++) {
		struct eid p = eid_make(q->host.iid, &q->host.addr, d);

		if (!holds(a, &p, bits) && !holds(b, &p, bits))
			return p;
	}
	return q->host;
}

static enum err
reply_negative(const struct question *q, const struct eid *prefix,
    enum lisp_action action, uint32_t ttl_min)
{
	struct mapping *m = &q->ms->answer[0];
	const struct mapping *one = m;

	m->ttl_min = ttl_min;
	m->action = (uint8_t)action;
	m->authoritative = false;
	m->version = 0;
	m->eid = lisp_addr_from_eid(prefix);
	m->eid_bits = prefix->bits;
	m->n_locators = 0;
	if (q->subscribe)
		return ms_subscribe(q->ms, q->dg, q->m, &one, 1, true);
	q->ms->x->counters.map_reply_negative++;
	return reply_send(q->ms->x, q->dg, q->m, &one, 1, false);
}

/* No configured prefix: RFC 9301 8.3, 8.4. */
static enum err
reply_hole(const struct question *q)
{
	struct eid hole = q->host;

	(void)trie_hole(&q->ms->configured, &q->host, 0, &hole);
	return reply_negative(
	    q, &hole, LISP_NATIVELY_FORWARD, NEGATIVE_HOLE_MIN);
}

/*
 * Configured, but not registered.  Of a mobile prefix each host is asked for by
 * itself, and again: it may be on its way.
 */
static enum err
reply_unregistered(const struct question *q)
{
	struct eid p;

	if (q->configured->mobile)
		return reply_negative(q, &q->host, LISP_SEND_MAP_REQUEST,
		    NEGATIVE_UNREGISTERED_MIN);
	p = narrow(
	    q, q->configured->eid.bits, &q->ms->registered, &q->ms->mobile, -1);
	return reply_negative(
	    q, &p, LISP_NATIVELY_FORWARD, NEGATIVE_UNREGISTERED_MIN);
}

/* As a Map-Server says it: not authoritative, no locator is ours. */
static void
make_proxy(struct mapping *m)
{
	m->authoritative = false;
	m->action = LISP_NO_ACTION;
	for (unsigned i = 0; i < m->n_locators; i++)
		m->locators[i].local = false;
}

static bool
is_proxied(const struct registration *r)
{
	while (r && !(r->flags & MS_PROXY))
		r = r->next_merged;
	return r != NULL;
}

struct collection {
	struct map_server *ms;
	bool publish; /* what is registered, for all ETRs */
	unsigned n;
	bool complete;
};

static bool
collect(void *arg, const struct eid *eid, void *value)
{
	struct collection *c = arg;

	(void)eid;
	c->complete = c->n < MS_ANSWER_MAX && (c->publish || is_proxied(value));
	if (c->complete) {
		ms_mapping(value, &c->ms->answer[c->n]);
		if (!c->publish)
			make_proxy(&c->ms->answer[c->n]);
		c->n++;
	}
	return c->complete;
}

static bool
is_registered(void *arg, const struct eid *eid, void *value)
{
	struct collection *c = arg;

	(void)value;
	c->complete = trie_find(&c->ms->registered, eid) != NULL;
	return c->complete;
}

/*
 * The match with all its more-specifics into ms->answer, at one TTL; 0 if we may
 * not, or cannot, tell all of them.
 */
static unsigned
overlapping(const struct question *q)
{
	struct map_server *ms = q->ms;
	const struct eid *match = &q->found->eid;
	struct collection c = {
		.ms = ms, .publish = q->subscribe, .complete = true
	};
	struct eid below[2];
	uint32_t ttl_min = LISP_TTL_LOCAL;

	/* A configured one that is not registered has another answer. */
	for (unsigned i = 0; i < 2 && match->bits < q->host.bits; i++) {
		below[i] = eid_make(match->iid, &match->addr, match->bits + 1u);
		if (i)
			below[i].addr.bytes[match->bits / 8] |=
			    (uint8_t)(0x80 >> match->bits % 8);
		trie_walk(&ms->configured, &below[i], is_registered, &c);
		if (!c.complete)
			return 0;
	}
	trie_walk(&ms->registered, match, collect, &c);
	if (!c.complete)
		return 0;
	for (unsigned i = 0; i < c.n; i++)
		if (ms->answer[i].ttl_min < ttl_min)
			ttl_min = ms->answer[i].ttl_min;
	for (unsigned i = 0; i < c.n; i++)
		ms->answer[i].ttl_min = ttl_min;
	return c.n;
}

static enum err
reply_list(
    const struct question *q, const struct mapping *const *list, unsigned n)
{
	if (q->subscribe)
		return ms_subscribe(q->ms, q->dg, q->m, list, n, false);
	return reply_send(q->ms->x, q->dg, q->m, list, n, false);
}

static enum err
reply_registered(const struct question *q)
{
	struct map_server *ms = q->ms;
	const struct mapping *list[MS_ANSWER_MAX];
	unsigned n = overlapping(q);
	enum err err = ERR_FULL;
	struct eid p;

	for (unsigned i = 0; i < n; i++)
		list[i] = &ms->answer[i];
	if (n)
		err = reply_list(q, list, n);
	if (err != ERR_FULL)
		return err;

	/* They do not fit: around the EID asked, where there are none. */
	p = narrow(q, q->found->eid.bits, &ms->registered, &ms->configured,
	    q->found->eid.bits);
	ms_mapping(q->found, &ms->answer[0]);
	if (!q->subscribe)
		make_proxy(&ms->answer[0]);
	ms->answer[0].eid.addr = p.addr;
	ms->answer[0].eid_bits = p.bits;
	list[0] = &ms->answer[0];
	return reply_list(q, list, 1);
}

static bool
is_usable(const struct xtr *x, const struct locator *l)
{
	return !l->addr.opaque && l->reachable &&
	    l->priority != LISP_PRIORITY_UNUSABLE &&
	    !addr_is_martian(&l->addr.addr) &&
	    reply_can_reach(x, l->addr.addr.afi);
}

/*
 * An RLOC of an ETR to ask: a registrant that is a usable locator, else the
 * usable locator of the best priority, else a registrant.  False: none that
 * we can reach.
 */
static bool
find_etr(const struct question *q, struct addr *out)
{
	const struct xtr *x = q->ms->x;
	const struct locator *best = NULL;
	const struct registration *r;
	struct mapping m;

	ms_mapping(q->found, &m);
	for (unsigned i = 0; i < m.n_locators; i++) {
		const struct locator *l = &m.locators[i];

		if (!is_usable(x, l))
			continue;
		for (r = q->found; r; r = r->next_merged)
			if (addr_equal(&l->addr.addr, &r->peer->addr)) {
				*out = l->addr.addr;
				return true;
			}
		if (!best || l->priority < best->priority)
			best = l;
	}
	if (best) {
		*out = best->addr.addr;
		return true;
	}
	for (r = q->found; r; r = r->next_merged)
		if (reply_can_reach(x, r->peer->addr.afi)) {
			*out = r->peer->addr;
			return true;
		}
	return false;
}

/* The unchanged Map-Request in a new ECM, RFC 9301 8.3. */
static void
forward(const struct question *q, const struct addr *etr)
{
	const struct datagram *dg = q->dg;

	output_ecm(q->ms->x, etr, dg->ecm ? &dg->ecm->source : &dg->from,
	    dg->ecm ? &dg->ecm->destination : &q->host.addr,
	    dg->ecm ? dg->ecm->source_port : dg->port, dg->bytes, dg->len);
	q->ms->x->counters.map_request_forwarded++;
}

static enum err
answer(const struct question *q, bool *forwarded)
{
	struct addr etr;

	if (!q->configured)
		return reply_hole(q);
	if (!q->found || q->found->eid.bits < q->configured->eid.bits)
		return reply_unregistered(q);
	if (q->subscribe || (is_proxied(q->found) && !q->m->authoritative))
		return reply_registered(q);
	if (!find_etr(q, &etr))
		return reply_negative(q, &q->host, LISP_SEND_MAP_REQUEST,
		    NEGATIVE_UNREGISTERED_MIN);
	if (xtr_rloc_is_own(q->ms->x, &etr))
		return ERR_NOT_FOUND;
	if (*forwarded)
		return ERR_OK;
	if (!reply_may_forward(q->ms->x, q->m))
		return ERR_RATE;
	forward(q, &etr);
	*forwarded = true;
	return ERR_OK;
}

/* A subscription, or why not; ERR_NOMEM: answer as without the wish. */
static enum err
subscribe(struct question *q, bool *forwarded)
{
	enum err err = ms_subscribe_check(q->ms, q->dg, q->m);

	if (err == ERR_ROLE)
		return ERR_NOMEM;
	if (err) {
		q->ms->x->counters.subscriptions_refused++;
		return reply_negative(q, &q->asked,
		    err == ERR_AUTH ? LISP_DROP_AUTH : LISP_DROP_POLICY,
		    NEGATIVE_UNREGISTERED_MIN);
	}
	if (ms_is_unsubscribe(q->m))
		return ms_unsubscribe(q->ms, q->dg, q->m, &q->asked);
	q->subscribe = true;
	err = answer(q, forwarded);
	q->subscribe = false;
	return err;
}

enum err
ms_answer(struct map_server *ms, const struct datagram *dg,
    const struct map_request *m, const struct eid *asked, bool notify,
    bool *forwarded)
{
	struct question q = { .ms = ms,
		.dg = dg,
		.m = m,
		.asked = *asked,
		.host = eid_host(asked->iid, &asked->addr) };
	enum err err = ERR_NOMEM;

	q.configured = ms_prefix_match(ms, &q.asked);
	q.found = trie_match(&ms->registered, &q.asked);
	if (!q.configured) {
		/* Shorter than what we know: its first address. */
		q.configured = ms_prefix_match(ms, &q.host);
		q.found = trie_match(&ms->registered, &q.host);
	}
	if (notify)
		err = subscribe(&q, forwarded);
	return err == ERR_NOMEM ? answer(&q, forwarded) : err;
}
