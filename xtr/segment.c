/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment.c - the interface the VMs are on.
 *
 * mobility.c says that an EID is here or has left; this file makes the kernel
 * and the other hosts of the segment see it so, in an order in which no packet
 * is lost: first the neighbour, so that a flush does not meet an unresolved
 * one, then the route, then the announcement.  ndp.c answers for what is
 * elsewhere; for IPv4 the kernel does, because the prefix is routed to another
 * device (proxy ARP), and never to the probe of duplicate address detection.
 *
 * Every segment copies what it needs of the configuration, so a reload that
 * frees the old one leaves nothing dangling.
 */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtr/segment_state.h"
#include "xtr/sysctl.h"

/* What the kernel keeps for an unresolved neighbour; as much as can be held for
 * one EID (docs/cpm.md 6.5), else it loses most of a flush. */
#define UNRESOLVED_BYTES "16777216"

static const struct addr link_local_gateway = { AFI_IPV6,
	{ 0xfe, 0x80, [15] = 0x01 } };
#define LINK_LOCAL_BITS 64

enum err
segment_counted(struct xtr *x, enum err err)
{
	if (err)
		x->counters.kernel_errors++;
	return err;
}

/* The segment of an EID, or NULL. */
static struct segment *
segment_of(const struct xtr *x, const struct eid *eid)
{
	struct segments *t = x->segments;
	struct segment *found = NULL;

	for (size_t i = 0; t && i < t->n; i++)
		if (eid_covers(&t->items[i].prefix, eid) &&
		    (!found || t->items[i].prefix.bits > found->prefix.bits))
			found = &t->items[i];
	return found;
}

static struct route_spec
host_route(const struct segment *s, const struct eid *eid)
{
	return (struct route_spec){
		.prefix = *eid, .ifindex = s->ifindex, .table = ROUTE_TABLE_MAIN
	};
}

/* Start. */

/* Some drivers take another MAC only while the interface is down. */
static enum err
set_mac(struct xtr *x, const struct segment *s, const struct addr *mac)
{
	struct route_link link;
	enum err err = route_link_get(x->route, s->ifindex, &link);

	if (err || mac->afi == AFI_NONE || addr_equal(&link.mac, mac))
		return err;
	if (route_link_set(x->route, s->ifindex, true, 0, mac) == ERR_OK)
		return ERR_OK;
	log_info("segment", "%s: down for a moment to take its MAC", s->name);
	err = route_link_set(x->route, s->ifindex, false, 0, NULL);
	return err ? err : route_link_set(x->route, s->ifindex, true, 0, mac);
}

/*
 * ARP is answered for the gateway and, by proxy, for what is routed elsewhere;
 * not for the other addresses of this host (arp_ignore), which are not asked
 * from either (arp_announce).
 */
enum err
segment_sysctls(const struct segment *s, const char *interface, bool proxy)
{
	static const struct {
		const char *family, *kind, *name, *value;
	} values[] = {
		{ "ipv4", "conf", "arp_ignore", "1" },
		{ "ipv4", "conf", "arp_announce", "2" },
		{ "ipv4", "conf", "send_redirects", "0" },
		{ "ipv4", "neigh", "proxy_delay", "0" },
		{ "ipv4", "neigh", "unres_qlen_bytes", UNRESOLVED_BYTES },
		{ "ipv6", "conf", "disable_ipv6", "0" },
		{ "ipv6", "conf", "accept_ra", "0" },
		{ "ipv6", "neigh", "unres_qlen_bytes", UNRESOLVED_BYTES },
	};
	bool v4 = s->prefix.addr.afi == AFI_IPV4;
	enum err err = v4 ? sysctl_rp_filter_off(interface) : ERR_OK;

	for (size_t i = 0; i < sizeof(values) / sizeof(*values) && !err; i++)
		if ((strcmp(values[i].family, "ipv4") == 0) == v4)
			err = sysctl_write_if(values[i].family, values[i].kind,
			    interface, values[i].name, values[i].value);
	if (v4 && !err)
		err = sysctl_write_if(
		    "ipv4", "conf", interface, "proxy_arp", proxy ? "1" : "0");
	return err;
}

static enum err
set_addresses(struct xtr *x, struct segment *s)
{
	unsigned bits = addr_bits(&s->gateway);
	enum err err = route_addr_set(x->route, s->ifindex, &s->gateway, bits);

	if (!err && s->prefix.addr.afi == AFI_IPV6)
		err = route_addr_set(
		    x->route, s->ifindex, &link_local_gateway, LINK_LOCAL_BITS);
	return err;
}

static enum err
set_static_hosts(
    struct xtr *x, const struct segment *s, const struct conf_mobile_prefix *c)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < c->static_hosts.n && !err; i++) {
		struct eid host =
		    eid_host(0, conf_at(c->static_hosts, struct addr, i));
		struct route_spec r = host_route(s, &host);

		err = route_set(x->route, &r);
	}
	return err;
}

/* One responder answers for all IPv6 prefixes of an interface. */
enum err
segment_start_ndp(struct xtr *x, struct segments *t, struct segment *s)
{
	if (s->prefix.addr.afi != AFI_IPV6)
		return ERR_OK;
	for (size_t i = 0; i < t->n; i++)
		if (t->items[i].ndp && t->items[i].ifindex == s->ifindex)
			return ERR_OK;
	return ndp_new(x, s->name, s->ifindex, &s->us.mac, &s->ndp);
}

static enum err
start_one(struct xtr *x, struct segments *t, const struct conf_mobile_prefix *c)
{
	struct segment *s = &t->items[t->n];
	struct route_link link;
	char text[EID_STR_MAX];
	enum err err;

	*s = (struct segment){ .prefix = c->prefix,
		.gateway = c->gateway,
		.mac = c->mac,
		.vrrp = c->gateway_by == CONF_GATEWAY_VRRP,
		.active = true };
	snprintf(s->name, sizeof(s->name), "%s", c->segment);
	s->base = s->ifindex = route_ifindex(s->name);
	if (!s->ifindex) {
		log_error("segment",
		    "there is no interface '%s', the segment of %s", s->name,
		    eid_str(&s->prefix, text));
		return ERR_IO;
	}
	s->us.address =
	    s->prefix.addr.afi == AFI_IPV6 ? link_local_gateway : s->gateway;
	err = s->vrrp ? ERR_OK : set_mac(x, s, &c->mac);
	if (!err)
		err = route_link_set(x->route, s->ifindex, true, 0, NULL);
	if (!err)
		err = segment_sysctls(s, s->name, !s->vrrp);
	if (!err)
		err = s->vrrp ? segment_vrrp_start(x, s) : set_addresses(x, s);
	if (!err)
		err = set_static_hosts(x, s, c);
	if (!err)
		err = route_link_get(x->route, s->ifindex, &link);
	if (err)
		return err;
	s->us.mac = link.mac;
	if (s->active)
		err = segment_start_ndp(x, t, s);
	t->n++; /* what it has is segments_free()'s now */
	return err;
}

static void
segments_free(struct segments *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		ndp_free(t->items[i].ndp);
	announcer_free(t->announcer);
	free(t->items);
	free(t);
}

/* After a reload: a gateway that no segment has any more, or no interface. */
static void
retire(struct xtr *x, const struct segments *old, const struct segments *new)
{
	for (size_t i = 0; old && i < old->n; i++) {
		const struct segment *s = &old->items[i];
		bool kept = false, used = false;
		char on[IF_NAMESIZE];

		for (size_t j = 0; j < new->n; j++) {
			const struct segment *n = &new->items[j];

			used |= n->ifindex == s->ifindex;
			kept |= !n->vrrp && n->ifindex == s->ifindex &&
			    addr_equal(&n->gateway, &s->gateway);
		}
		if (!kept && !s->vrrp)
			segment_counted(x,
			    route_addr_unset(x->route, s->ifindex, &s->gateway,
				addr_bits(&s->gateway)));
		if (!used && s->prefix.addr.afi == AFI_IPV4 &&
		    if_indextoname((unsigned)s->ifindex, on))
			segment_counted(x,
			    sysctl_write_if(
				"ipv4", "conf", on, "proxy_arp", "0"));
	}
}

static void
mark_new(const struct segments *old, struct segments *new)
{
	for (size_t i = 0; i < new->n; i++) {
		struct segment *s = &new->items[i];

		s->is_new = true;
		for (size_t j = 0; old && j < old->n; j++)
			if (eid_equal(&old->items[j].prefix, &s->prefix) &&
			    old->items[j].ifindex == s->ifindex)
				s->is_new = false;
	}
}

enum err
segments_start(struct xtr *x)
{
	const struct conf_list *prefixes = &x->conf->mobility.prefixes;
	struct segments *t = calloc(1, sizeof(*t));
	enum err err = ERR_OK;

	if (t)
		t->items = calloc(prefixes->n + 1, sizeof(*t->items));
	if (!t || !t->items)
		err = ERR_NOMEM;
	else if (prefixes->n)
		err = announcer_new(x, &t->announcer);
	for (size_t i = 0; i < prefixes->n && !err; i++) {
		const struct conf_mobile_prefix *c =
		    conf_at(*prefixes, struct conf_mobile_prefix, i);

		if (c->segment && !c->prefix.iid)
			err = start_one(x, t, c);
	}
	if (segment_counted(x, err)) {
		segments_free(t);
		return err;
	}
	retire(x, x->segments, t);
	mark_new(x->segments, t);
	segments_free(x->segments);
	x->segments = t;
	return ERR_OK;
}

void
segments_stop(struct xtr *x)
{
	segments_free(x->segments);
	x->segments = NULL;
}

bool
segment_is_new(const struct xtr *x, const struct eid *eid)
{
	const struct segment *s = segment_of(x, eid);

	return s && s->is_new;
}

/* EIDs come and go. */

void
segment_install(
    struct xtr *x, const struct segment *s, const struct eid_entry *e)
{
	const struct route_spec r = host_route(s, &e->eid);

	if (e->mac.afi == AFI_MAC)
		segment_counted(x,
		    route_neigh_set(
			x->route, s->ifindex, &e->eid.addr, &e->mac));
	segment_counted(x, route_set(x->route, &r));
}

/*
 * Who is not the gateway delivers, but says nothing: with the gateway's address
 * it would take its place.
 */
void
segment_eid_here(struct xtr *x, const struct eid_entry *e)
{
	const struct segment *s = segment_of(x, &e->eid);
	struct announcer *a = x->segments ? x->segments->announcer : NULL;

	if (!s)
		return;
	segment_install(x, s, e);
	if (e->mac.afi == AFI_MAC && s->active) {
		announce(a, s->ifindex, &s->us, &e->eid, &e->mac);
		announce_question(a, s->ifindex, &s->us, &e->eid, &e->mac);
	} else {
		announce_cancel(a, &e->eid);
	}
}

/* Route first: from then on packets go where the prefix goes. */
static void
remove_eid(struct xtr *x, const struct segment *s, const struct eid *eid)
{
	struct route_spec r = host_route(s, eid);

	segment_counted(x, route_unset(x->route, &r));
	segment_counted(x, route_neigh_unset(x->route, s->ifindex, &eid->addr));
}

void
segment_eid_left(struct xtr *x, const struct eid_entry *e)
{
	const struct segment *s = segment_of(x, &e->eid);

	if (!s)
		return;
	remove_eid(x, s, &e->eid);
	if (s->active)
		announce(x->segments->announcer, s->ifindex, &s->us, &e->eid,
		    &s->us.mac);
	else
		announce_cancel(x->segments->announcer, &e->eid);
}

void
segment_eid_gone(struct xtr *x, const struct eid_entry *e)
{
	const struct segment *s = segment_of(x, &e->eid);

	if (!s)
		return;
	remove_eid(x, s, &e->eid);
	announce_cancel(x->segments->announcer, &e->eid);
}

/* After a restart. */

static bool
is_here(const struct xtr *x, const struct eid *eid)
{
	const struct eid_entry *e = eids_find(x->eids, eid);

	return e && eid_is_ours(e);
}

static bool
reconcile_route(void *arg, const struct route_spec *r)
{
	struct xtr *x = arg;
	const struct segment *s = segment_of(x, &r->prefix);

	if (r->unreachable || r->table != ROUTE_TABLE_MAIN ||
	    !eid_is_host(&r->prefix))
		return true;
	/* A prefix that is no longer on this interface loses them, too; the
	 * device's own routes are in dp_routes.c's plan. */
	if (s ? s->ifindex == r->ifindex && is_here(x, &r->prefix)
	      : r->ifindex == route_ifindex(x->conf->dataplane.device))
		return true;
	segment_counted(x, route_unset(x->route, r));
	return true;
}

static bool
reconcile_neigh(void *arg, int ifindex, const struct addr *a)
{
	struct xtr *x = arg;
	const struct eid eid = eid_host(0, a);

	if (!is_here(x, &eid))
		segment_counted(x, route_neigh_unset(x->route, ifindex, a));
	return true;
}

void
segments_reconcile(struct xtr *x)
{
	segment_counted(x, route_list(x->route, reconcile_route, x));
	for (size_t i = 0; i < x->segments->n; i++)
		segment_counted(x,
		    route_neigh_list(x->route, x->segments->items[i].ifindex,
			reconcile_neigh, x));
}

static bool
cleanup_neigh(void *arg, int ifindex, const struct addr *a)
{
	return route_neigh_unset(arg, ifindex, a) == ERR_OK;
}

enum err
segments_cleanup(struct route *r, const struct xtr_conf *conf)
{
	enum err first = ERR_OK;

	for (size_t i = 0; i < conf->mobility.prefixes.n; i++) {
		const struct conf_mobile_prefix *c = conf_at(
		    conf->mobility.prefixes, struct conf_mobile_prefix, i);
		int ifindex = c->segment ? route_ifindex(c->segment) : 0;
		bool v6 = c->prefix.addr.afi == AFI_IPV6;
		enum err err;

		if (!ifindex)
			continue;
		err = route_neigh_list(r, ifindex, cleanup_neigh, r);
		first = first ? first : err;
		if (c->gateway_by == CONF_GATEWAY_VRRP)
			continue; /* keepalived's */
		err = route_addr_unset(
		    r, ifindex, &c->gateway, addr_bits(&c->gateway));
		first = first ? first : err;
		err = v6 ? route_addr_unset(
			       r, ifindex, &link_local_gateway, LINK_LOCAL_BITS)
			 : sysctl_write_if(
			       "ipv4", "conf", c->segment, "proxy_arp", "0");
		first = first ? first : err;
	}
	return first;
}

/* Show. */

struct count {
	const struct eid *prefix;
	unsigned n;
};

static bool
count_local(void *arg, struct eid_entry *e)
{
	struct count *c = arg;

	c->n +=
	    !e->is_static && eid_is_ours(e) && eid_covers(c->prefix, &e->eid);
	return true;
}

void
segments_walk(const struct xtr *x,
    bool (*fn)(void *arg, const struct segment_row *), void *arg)
{
	const struct segments *t = x->segments;

	for (size_t i = 0; t && i < t->n; i++) {
		const struct segment *s = &t->items[i];
		struct count c = { .prefix = &s->prefix };
		struct route_link link = { 0 };
		struct segment_row row;

		if (route_link_get(x->route, s->ifindex, &link))
			link.up = false;
		eids_walk(x->eids, count_local, &c);
		row = (struct segment_row){ .segment = s->name,
			.ifindex = s->ifindex,
			.active = s->active,
			.prefix = s->prefix,
			.gateway = s->gateway,
			.mac = s->us.mac,
			.up = link.up,
			.local_eids = c.n };
		if (!fn(arg, &row))
			return;
	}
}
