/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment_vrrp.c - a gateway address that several xTRs of a site share.
 *
 * keepalived decides who has it and tells nobody: netlink_watch.c hears of every
 * change of an address, and here the kernel is asked where the gateway's is.
 * With keepalived's vmac it is on a macvlan of its own on top of the segment,
 * whose MAC is the gateway's.  Host routes follow it there: the kernel answers
 * ARP by proxy on one interface for what it routes to another, so those of local
 * EIDs must lead back to where they were asked for, and their ARP questions must
 * come from the gateway's MAC.
 *
 * Order: nobody may be answered for while a local EID is routed elsewhere than
 * the answering interface; so proxy ARP goes on last and off first.
 */
#include "segment_state.h"

#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "xtr/route.h"
#include "xtr/sysctl.h"

/* Where the gateway address of 's' is, on the segment or on top of it; or 0. */
static int
find_gateway(struct xtr *x, const struct segment *s)
{
	struct ifaddrs *all = NULL;
	struct route_link link;
	int found = 0;

	if (getifaddrs(&all))
		return 0;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct addr a;
		uint16_t port;
		int ifindex;

		if (!i->ifa_addr ||
		    addr_from_sockaddr(i->ifa_addr, &a, &port) ||
		    !addr_equal(&a, &s->gateway))
			continue;
		/* The LISP device has it, too. */
		ifindex = route_ifindex(i->ifa_name);
		if (ifindex == s->base)
			found = ifindex;
		else if (ifindex &&
		    route_link_get(x->route, ifindex, &link) == ERR_OK &&
		    link.parent == s->base)
			found = ifindex;
	}
	freeifaddrs(all);
	return found;
}

static void
log_state(const struct segment *s)
{
	char prefix[EID_STR_MAX], gateway[ADDR_STR_MAX], mac[ADDR_STR_MAX];

	eid_str(&s->prefix, prefix);
	addr_str(&s->gateway, gateway);
	if (!s->active)
		log_info("segment", "%s: another router has the gateway %s",
		    prefix, gateway);
	else
		log_info("segment", "%s: we are the gateway %s, MAC %s", prefix,
		    gateway, addr_str(&s->us.mac, mac));
	if (s->active && s->mac.afi == AFI_MAC &&
	    !addr_equal(&s->mac, &s->us.mac))
		log_warning("segment",
		    "%s: the gateway's MAC is not %s as configured", prefix,
		    addr_str(&s->mac, mac));
}

static bool
answers(const char *interface)
{
	char name[64 + IF_NAMESIZE], value[8];

	snprintf(name, sizeof(name), "net/ipv4/conf/%s/proxy_arp", interface);
	return !sysctl_read(name, value, sizeof(value)) && value[0] == '1';
}

/*
 * An address that left while nobody was there to notice: the interface on top of
 * the segment would go on answering, beside the gateway.
 */
static void
silence_others(struct xtr *x, const struct segment *s, int at)
{
	struct if_nameindex *all = if_nameindex();
	struct route_link link;

	for (const struct if_nameindex *i = all; i && i->if_index; i++)
		if ((int)i->if_index != at && answers(i->if_name) &&
		    !route_link_get(x->route, (int)i->if_index, &link) &&
		    link.parent == s->base)
			segment_counted(x,
			    sysctl_write_if(
				"ipv4", "conf", i->if_name, "proxy_arp", "0"));
	if_freenameindex(all);
}

enum err
segment_vrrp_start(struct xtr *x, struct segment *s)
{
	const int at = find_gateway(x, s);
	char on[IF_NAMESIZE];
	struct route_link link;
	enum err err;

	silence_others(x, s, at);
	s->active = at;
	s->ifindex = at ? at : s->base;
	err = route_link_get(x->route, s->ifindex, &link);
	s->us.mac = link.mac;
	if (!err && at && if_indextoname((unsigned)at, on))
		err = segment_sysctls(s, on, true);
	if (!err)
		log_state(s);
	return err;
}

/* --- a change --- */

struct moving {
	struct xtr *x;
	const struct segment *s;
	int from;
};

static bool
belongs(const struct segment *s, const struct eid_entry *e)
{
	return eid_is_host(&e->eid) && eid_covers(&s->prefix, &e->eid);
}

static bool
move_one(void *arg, struct eid_entry *e)
{
	const struct moving *m = arg;

	if (!belongs(m->s, e) || !eid_is_ours(e))
		return true;
	segment_install(m->x, m->s, e); /* replaces the route */
	if (m->from != m->s->ifindex)
		segment_counted(m->x,
		    route_neigh_unset(m->x->route, m->from, &e->eid.addr));
	return true;
}

/*
 * Hosts that have our predecessor's MAC for an EID that is elsewhere, if it was
 * not the one that we have.
 */
static bool
announce_away(void *arg, struct eid_entry *e)
{
	const struct moving *m = arg;
	const struct segment *s = m->s;

	if (belongs(s, e) && e->state == EID_AWAY)
		announce(m->x->segments->announcer, s->ifindex, &s->us, &e->eid,
		    &s->us.mac);
	return true;
}

static bool
cancel_one(void *arg, struct eid_entry *e)
{
	const struct moving *m = arg;

	if (belongs(m->s, e))
		announce_cancel(m->x->segments->announcer, &e->eid);
	return true;
}

/* The interface may be gone. */
static void
proxy_off(struct xtr *x, const struct segment *s, int ifindex)
{
	char name[IF_NAMESIZE];

	if (s->prefix.addr.afi == AFI_IPV4 &&
	    if_indextoname((unsigned)ifindex, name))
		segment_counted(
		    x, sysctl_write_if("ipv4", "conf", name, "proxy_arp", "0"));
}

static void
yield(struct xtr *x, struct segment *s)
{
	struct moving m = { x, s, s->ifindex };

	s->active = false;
	eids_walk(x->eids, cancel_one, &m);
	ndp_free(s->ndp);
	s->ndp = NULL;
	proxy_off(x, s, s->ifindex);
	s->ifindex = s->base;
	eids_walk(x->eids, move_one, &m);
	log_state(s);
}

static void
take(struct xtr *x, struct segment *s, int at)
{
	const struct eid gateway = eid_host(0, &s->gateway);
	struct moving m = { x, s, s->ifindex };
	struct route_link link;
	char on[IF_NAMESIZE];

	if (route_link_get(x->route, at, &link) ||
	    !if_indextoname((unsigned)at, on))
		return; /* gone again: the next message says so */
	s->ifindex = at;
	s->us.mac = link.mac;
	s->active = true;
	eids_walk(x->eids, move_one, &m);
	segment_counted(x, segment_sysctls(s, on, true));
	segment_counted(x, segment_start_ndp(x, x->segments, s));
	announce(x->segments->announcer, at, &s->us, &gateway, &s->us.mac);
	eids_walk(x->eids, announce_away, &m);
	log_state(s);
}

void
segments_follow_vrrp(struct xtr *x)
{
	struct segments *t = x->segments;

	for (size_t i = 0; t && i < t->n; i++) {
		struct segment *s = &t->items[i];
		int at;

		if (!s->vrrp)
			continue;
		at = find_gateway(x, s);
		if (s->active && at == s->ifindex)
			continue;
		if (s->active)
			yield(x, s);
		if (at)
			take(x, s, at);
	}
}
