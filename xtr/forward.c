/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c - decides about every data packet.
 *
 * dp_tun.c brings what the kernel routed to the LISP device (forward_out) and
 * what came to UDP 4341 (forward_in); eids.c says what is ours, map_cache.c
 * where the rest is; what is decided leaves through the ops of dp.h.  Nothing
 * is kept here, so any packet can be decided again later (itr.c does so with
 * those that waited for a Map-Reply).
 *
 * TTL: the kernel has taken one off when it forwarded a packet to the device,
 * and takes one off when it forwards a delivered one.  So forward_out() takes
 * none (RFC 9300 5.3 asks for the decrement of one router) and only
 * re-encapsulation, which the kernel does not see, takes its own.
 *
 * An address inside a mobile prefix belongs to whom its dynamic entry says, not
 * to the static prefix around it: without an entry it is elsewhere.
 */
#include "forward.h"

#include <netinet/in.h>

#include "common/data.h"
#include "common/lisp.h"
#include "common/wire.h"
#include "xtr/dp.h"
#include "xtr/eids.h"
#include "xtr/icmp.h"
#include "xtr/inner.h"
#include "xtr/itr.h"
#include "xtr/map_cache.h"
#include "xtr/mobility.h"
#include "xtr/partner.h"
#include "xtr/proxy.h"
#include "xtr/requesters.h"
#include "xtr/signs.h"
#include "xtr/smr.h"

_Static_assert((int)INNER_ROOM == (int)FORWARD_ROOM,
    "parts of a packet have the room of a whole one");

/* The entry that decides about an address; NULL: not an EID of ours. */
static struct eid_entry *
entry_of(const struct xtr *x, const struct eid *host)
{
	struct eid_entry *e = eids_match(x->eids, host);
	const struct conf_mobile_prefix *mobile;

	if (!e || eid_is_host(&e->eid))
		return e;
	mobile = conf_mobile_find(x->conf, host);
	return mobile && mobile->prefix.bits >= e->eid.bits ? NULL : e;
}

/* Errors to senders. */

/*
 * Tells the sender of 'in' why it goes no further.  With 'away', the EID that
 * it was for, the sender is behind another tunnel router: the answer is
 * encapsulated, and comes from the gateway of that EID.
 */
static void
icmp(struct xtr *x, const struct inner *in, enum icmp_reason reason,
    const struct eid_entry *away)
{
	uint8_t message[ICMP_ERROR_MAX], room[FORWARD_ROOM + 1400];
	size_t len =
	    icmp_error(in, reason, (unsigned)x->conf->dataplane.mtu, message);
	const struct addr *from;

	if (!len ||
	    !limit_take(x->dp->icmp_limits, &in->source, sizeof(in->source),
		xtr_now(x)))
		return;
	if (!away) {
		if (x->dp->ops->icmp(x->dp, &in->source, message, len))
			x->counters.data_drop_io++;
		return;
	}
	from = away->mobile ? &away->mobile->gateway : NULL;
	if (!from || from->afi != in->source.afi || addr_is_martian(from))
		from = xtr_rloc(x, in->source.afi);
	if (!from)
		return;
	len = icmp_packet(from, &in->source, message, len, room + FORWARD_ROOM,
	    sizeof(room) - FORWARD_ROOM);
	forward_out(x, room + FORWARD_ROOM, len);
}

/* Out to an RLOC. */

/* Says nothing: to an EID that is away, whose mapping is not ours to know. */
static const struct data_header plain;

struct target {
	struct xtr *x;
	const struct data_header *header;
	const struct addr *source, *rloc;
	uint16_t sport;
	uint64_t *counter;
};

static void
send_one(void *arg, struct inner *in)
{
	const struct target *t = arg;
	struct dp *dp = t->x->dp;
	struct wire_writer w =
	    wire_writer(in->packet - LISP_DATA_HEADER, LISP_DATA_HEADER);

	data_header_encode(&w, t->header);
	if (dp->ops->encapsulate(dp, t->source, t->rloc, t->sport, in->ttl,
		in->tos, w.start, LISP_DATA_HEADER + in->len))
		t->x->counters.data_drop_io++;
	else
		(*t->counter)++;
}

/* 'away' as in icmp(). */
static void
encapsulate(struct xtr *x, struct inner *in, const struct data_header *h,
    const struct addr *rloc, uint32_t hash, const struct eid_entry *away,
    uint64_t *counter)
{
	size_t mtu = (size_t)x->conf->dataplane.mtu;
	struct target t = { x, h, xtr_rloc(x, rloc->afi), rloc,
		inner_flow_port(hash), counter };

	if (in->len <= mtu) {
		send_one(&t, in);
	} else if (!inner_split(in, mtu, send_one, &t)) { /* RFC 9300 7.1 */
		x->counters.data_drop_mtu++;
		icmp(x, in, ICMP_TOO_BIG, away);
	}
}

/* True if both are RLOCs of one other site, or the same. */
static bool
same_site(const struct xtr *x, const struct addr *a, const struct addr *b)
{
	const struct conf_list *sites = &x->conf->mobility.sites;

	if (addr_equal(a, b))
		return true;
	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_list *xtrs =
		    &conf_at(*sites, struct conf_other_site, i)->xtrs;
		bool has_a = false, has_b = false;

		for (size_t j = 0; j < xtrs->n; j++) {
			const struct conf_site_xtr *r =
			    conf_at(*xtrs, struct conf_site_xtr, j);

			has_a |= addr_equal(&r->rloc, a);
			has_b |= addr_equal(&r->rloc, b);
			for (size_t k = 0; k < r->rlocs.n; k++) {
				const struct addr *more =
				    conf_at(r->rlocs, struct addr, k);

				has_a |= addr_equal(more, a);
				has_b |= addr_equal(more, b);
			}
		}
		if (has_a && has_b)
			return true;
	}
	return false;
}

/*
 * The RLOC that packets for an away EID go to: never one of ours, never one of
 * the site that 'from' (NULL: a host of ours) is an RLOC of.  NULL if none is
 * left; '*split' if 'from' was the reason.
 */
static const struct addr *
away_rloc(const struct xtr *x, const struct eid_entry *e,
    const struct addr *from, bool *split)
{
	const struct addr *found = NULL;

	*split = false;
	for (unsigned i = 0; i < e->n_away; i++) {
		const struct addr *a = &e->away[i];

		if (from && same_site(x, a, from)) {
			*split = true;
			return NULL;
		}
		if (!found && xtr_rloc(x, a->afi) && !xtr_rloc_is_own(x, a))
			found = a;
	}
	return found;
}

/* From our side to the rest of the world. */

/*
 * A source in a mobile prefix must be an EID that lives here, or is just coming
 * and may run before we are told (docs/cpm.md 6.3); the gateway answers, too.
 */
static bool
source_allowed(const struct xtr *x, const struct inner *in)
{
	const struct eid source = eid_host(0, &in->source);
	const struct conf_mobile_prefix *mobile;
	const struct eid_entry *e;

	if (addr_is_martian(&in->source))
		return false;
	mobile = conf_mobile_find(x->conf, &source);
	if (!mobile || addr_equal(&mobile->gateway, &in->source))
		return true;
	e = eids_find(x->eids, &source);
	return e && (eid_is_ours(e) || e->incoming || e->state == EID_ARRIVING);
}

/*
 * A packet that we encapsulated and the kernel gave back: an RLOC is routed to
 * the device (RFC 9300: never resolve an RLOC through the overlay).
 */
static bool
is_our_own(const struct xtr *x, const struct inner *in)
{
	struct wire_reader r =
	    wire_reader(in->packet + in->payload, in->len - in->payload);

	if (in->protocol != IPPROTO_UDP || in->fragment ||
	    !xtr_rloc_is_own(x, &in->source))
		return false;
	wire_get_u16(&r); /* source port */
	return wire_get_u16(&r) == LISP_DATA_PORT;
}

/*
 * To a destination that is no EID: through a PETR, or as it is.  False if
 * neither may be.  What an EID space or a PITR's route brought here would come
 * back by that route.
 */
static bool
out_of_lisp(struct xtr *x, struct inner *in, const struct eid *destination)
{
	const struct conf_itr *c = &x->conf->itr;
	const uint32_t hash = inner_flow_hash(in);
	struct addr petr;

	if (proxy_attracts(x, destination))
		return false;
	if (c->use_petr.n) {
		if (!proxy_petr(x, hash, &petr))
			return false;
		encapsulate(x, in, &plain, &petr, hash, NULL,
		    &x->counters.data_to_petr);
		return true;
	}
	if (!c->natively_forward || c->eid_space.n)
		return false;
	if (x->dp->ops->native(x->dp, &in->destination, in->packet, in->len))
		x->counters.data_drop_io++;
	else
		x->counters.data_native++;
	return true;
}

static void
negative(struct xtr *x, struct inner *in, const struct map_cache_entry *m,
    const struct eid *destination, const struct eid *source)
{
	enum icmp_reason reason = ICMP_NO_ROUTE;

	switch (m->action) {
	case LISP_SEND_MAP_REQUEST: /* RFC 9301 5.4; itr.c limits the rate */
		itr_on_miss(x, destination, source, in->packet, in->len);
		return;
	case LISP_NATIVELY_FORWARD:
		if (out_of_lisp(x, in, destination))
			return;
		break;
	case LISP_DROP_POLICY:
	case LISP_DROP_AUTH:
		reason = ICMP_PROHIBITED;
		break;
	default: /* no action, drop, and what RFC 9301 12.3 leaves open */
		break;
	}
	x->counters.data_drop_negative++;
	icmp(x, in, reason, NULL);
}

static void
out_by_cache(struct xtr *x, struct inner *in, const struct eid *destination)
{
	const struct eid source = eid_host(0, &in->source);
	struct map_cache_entry *m = map_cache_match(x->map_cache, destination);
	const struct cache_locator *l;
	struct data_header h = { 0 };
	uint32_t hash;

	if (!m) {
		itr_on_miss(x, destination, &source, in->packet, in->len);
		return;
	}
	m->used = xtr_now(x);
	m->packets++;
	m->bytes += in->len;
	if (!m->n_locators) {
		negative(x, in, m, destination, &source);
		return;
	}
	hash = inner_flow_hash(in);
	l = map_cache_pick(x, m, hash);
	if (!l || xtr_rloc_is_own(x, &l->rloc)) {
		x->counters.data_drop_no_locator++;
		icmp(x, in, ICMP_NO_ROUTE, NULL);
		return;
	}
	if (l->use.of)
		l->use.of->data_sent = xtr_now(x);
	signs_out(x, &source, m, l, &h);
	encapsulate(
	    x, in, &h, &l->rloc, hash, NULL, &x->counters.data_encapsulated);
}

static void
out_away(struct xtr *x, struct inner *in, const struct eid_entry *e)
{
	bool split;
	const struct addr *rloc = away_rloc(x, e, NULL, &split);

	if (!rloc) {
		x->counters.data_drop_no_locator++;
		icmp(x, in, ICMP_NO_ROUTE, NULL);
		return;
	}
	encapsulate(x, in, &plain, rloc, inner_flow_hash(in), NULL,
	    &x->counters.data_encapsulated);
}

void
forward_out(struct xtr *x, uint8_t *packet, size_t len)
{
	const struct eid_entry *e;
	struct eid destination;
	struct inner in;

	if (inner_parse(packet, len, &in)) {
		x->counters.data_drop_malformed++;
		return;
	}
	/* What every host says on every interface, MLD and the like. */
	if (addr_is_martian(&in.destination))
		return;
	if (!source_allowed(x, &in) || is_our_own(x, &in)) {
		x->counters.data_drop_source++;
		return;
	}
	if (!in.ttl) {
		x->counters.data_drop_ttl++;
		return;
	}
	destination = eid_host(0, &in.destination);
	e = entry_of(x, &destination);
	if (!e || e->state == EID_ARRIVING) {
		out_by_cache(x, &in, &destination);
	} else if (e->state == EID_AWAY) {
		out_away(x, &in, e);
	} else if (e->state == EID_HELD) {
		x->counters.data_drop_held++;
	} else {
		/* Ours, and the kernel has no route to it but this device. */
		x->counters.data_drop_not_local++;
		icmp(x, &in, ICMP_NO_ROUTE, NULL);
	}
}

/* From another tunnel router. */

/*
 * Inner sources that no other site can have.  An EID that is departing or held
 * here may run at its target already, so only one that is local is a forgery
 * (security: spoofing through a tunnel router, RFC 9300 16).
 */
static bool
source_elsewhere(
    const struct xtr *x, const struct inner *in, const struct eid *source)
{
	const struct eid_entry *e;

	if (addr_is_martian(&in->source) || xtr_rloc_is_own(x, &in->source))
		return false;
	e = entry_of(x, source);
	return !e || e->state != EID_LOCAL;
}

/*
 * TTL, DSCP and ECN from the outer header into the inner one: RFC 9300 5.3,
 * RFC 6040 4.2.  False after counting: the packet must be dropped.
 */
static bool
decapsulate(struct xtr *x, const struct forward_outer *o, struct inner *in)
{
	uint32_t suppressed;
	bool odd, keep;
	uint8_t tos;

	keep = inner_merge_tos(in->tos, o->tos, &tos, &odd);
	if (odd && log_allowed(&x->dp->ecn_log, xtr_now(x), &suppressed)) {
		char from[ADDR_STR_MAX];

		log_warning("data",
		    "from %s: ECN %u outside of %u%s (%u more not shown)",
		    addr_str(&o->from, from), o->tos & 3u, in->tos & 3u,
		    keep ? "" : ", dropped", suppressed);
	}
	if (!keep) {
		x->counters.data_drop_ecn++;
		return false;
	}
	inner_set_tos(in, tos);
	if (o->ttl < in->ttl)
		inner_set_ttl(in, o->ttl);
	if (!in->ttl) {
		x->counters.data_drop_ttl++;
		return false;
	}
	return true;
}

/* Somebody's mapping led to us; remember who, or take it as a sign. */
static void
note_sender(struct xtr *x, const struct forward_outer *o, struct eid_entry *e,
    const struct eid *source)
{
	if (e->is_static)
		requesters_note(x, &e->eid, &o->from, source, true);
	else
		mobility_on_data(x, e, &o->from, source);
}

static void
in_local(struct xtr *x, const struct forward_outer *o, struct inner *in,
    struct eid_entry *e, const struct eid *source)
{
	if (!decapsulate(x, o, in))
		return;
	if (x->dp->ops->deliver(x->dp, in->packet, in->len)) {
		x->counters.data_drop_io++;
		return;
	}
	x->counters.data_decapsulated++;
	note_sender(x, o, e, source);
}

/* The EID moved away: on to where it is now (docs/cpm.md 6.4). */
static void
in_away(struct xtr *x, const struct forward_outer *o, struct inner *in,
    struct eid_entry *e, const struct eid *source)
{
	bool split;
	const struct addr *rloc = away_rloc(x, e, &o->from, &split);

	if (split || !rloc) {
		if (split)
			x->counters.data_drop_split++;
		else
			x->counters.data_drop_no_locator++;
		return;
	}
	if (!decapsulate(x, o, in))
		return;
	if (in->ttl <= 1) {
		x->counters.data_drop_ttl++;
		icmp(x, in, ICMP_TTL, e);
		return;
	}
	inner_set_ttl(in, (uint8_t)(in->ttl - 1));
	encapsulate(x, in, &plain, rloc, inner_flow_hash(in), e,
	    &x->counters.data_reencapsulated);
	smr_late_sender(x, e, &o->from, source);
}

/*
 * An EID of a mobile prefix that we know nothing of may have come while we were
 * not there: the other xTR of our site may know it.  What comes from there stops
 * here.  False if it is not for a partner.
 */
static bool
in_for_partner(struct xtr *x, const struct forward_outer *o, struct inner *in,
    const struct eid *source, const struct eid *destination)
{
	const struct addr *rloc = partner_rloc(x);

	if (!rloc || !conf_mobile_find(x->conf, destination) ||
	    conf_partner_of(x->conf, &o->from))
		return false;
	if (!source_elsewhere(x, in, source)) {
		x->counters.data_drop_source++;
		return true;
	}
	if (!decapsulate(x, o, in))
		return true;
	if (in->ttl <= 1) {
		x->counters.data_drop_ttl++;
		return true;
	}
	inner_set_ttl(in, (uint8_t)(in->ttl - 1));
	encapsulate(x, in, &plain, rloc, inner_flow_hash(in), NULL,
	    &x->counters.data_to_partner);
	return true;
}

/* For no EID of ours: a PETR takes it out of LISP (RFC 6832 6). */
static void
in_elsewhere(struct xtr *x, const struct forward_outer *o, struct inner *in,
    const struct eid *source, const struct eid *destination)
{
	switch (proxy_leaves(x, source, destination)) {
	case PROXY_NOT_OURS:
		x->counters.data_drop_not_local++;
		return;
	case PROXY_STRANGER:
		x->counters.data_drop_relay++;
		return;
	case PROXY_FORWARD:
		break;
	}
	if (!source_elsewhere(x, in, source)) {
		x->counters.data_drop_source++;
		return;
	}
	if (!decapsulate(x, o, in))
		return;
	/* The kernel is the router from here on: TTL, ICMP errors. */
	if (x->dp->ops->deliver(x->dp, in->packet, in->len))
		x->counters.data_drop_io++;
	else
		x->counters.data_petr++;
}

void
forward_in(
    struct xtr *x, const struct forward_outer *o, uint8_t *payload, size_t len)
{
	struct data_header h;
	struct eid source, destination;
	struct eid_entry *e;
	struct inner in;

	if (data_header_decode(payload, len, &h) ||
	    h.protocol == DATA_ETHERNET ||
	    inner_parse(payload + (h.inner - payload), h.inner_len, &in)) {
		x->counters.data_drop_malformed++;
		return;
	}
	source = eid_host(h.iid, &in.source);
	destination = eid_host(h.iid, &in.destination);
	e = entry_of(x, &destination);
	/* The device belongs to instance 0: no other one is delivered. */
	if (h.iid) {
		x->counters.data_drop_not_local++;
		return;
	}
	if ((!e || e->state == EID_ARRIVING) &&
	    in_for_partner(x, o, &in, &source, &destination))
		return;
	if (!e) {
		in_elsewhere(x, o, &in, &source, &destination);
		return;
	}
	if (!source_elsewhere(x, &in, &source)) {
		x->counters.data_drop_source++;
		return;
	}
	switch (e->state) {
	case EID_LOCAL:
	case EID_DEPARTING:
		if (signs_in(x, &h, e, &source, &o->from))
			in_local(x, o, &in, e, &source);
		break;
	case EID_AWAY:
		in_away(x, o, &in, e, &source);
		break;
	case EID_HELD:
		x->counters.data_drop_held++;
		note_sender(x, o, e, &source);
		break;
	case EID_ARRIVING:
		x->counters.data_drop_arriving++;
		break;
	case EID_ABSENT: /* eids_match() passes them over */
	case EID_STATES:
		break;
	}
}

/* For those who ask. */

struct eid_entry *
forward_entry(const struct xtr *x, const struct eid *host)
{
	return entry_of(x, host);
}

const struct addr *
forward_away_rloc(const struct xtr *x, const struct eid_entry *e)
{
	bool split;

	return away_rloc(x, e, NULL, &split);
}

bool
forward_source_allowed(const struct xtr *x, const struct addr *source)
{
	const struct inner in = { .source = *source };

	return source_allowed(x, &in);
}
