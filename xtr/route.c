/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c - the kernel's routes, rules, addresses, neighbours and links.
 *
 * dp_routes.c says which routes the data plane needs, segment.c which ones a
 * VM segment needs; here they become rtnetlink messages for netlink.c.  Lists
 * are read whole before the caller sees the first element, so that it may
 * change what it walks.
 */
#include "route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "xtr/netlink.h"

#define IPV6_METRIC 1024 /* what the kernel takes for an IPv6 metric of 0 */
#define WHAT_MAX (EID_STR_MAX + 32)

struct route {
	struct netlink *nl;
};

int
route_ifindex(const char *name)
{
	return (int)if_nametoindex(name);
}

enum err
route_open(struct route **out)
{
	struct route *r = calloc(1, sizeof(*r));
	enum err err = r ? netlink_open(&r->nl) : ERR_NOMEM;

	if (err) {
		free(r);
		return err;
	}
	*out = r;
	return ERR_OK;
}

void
route_close(struct route *r)
{
	if (!r)
		return;
	netlink_close(r->nl);
	free(r);
}

static uint8_t
family_of(const struct addr *a)
{
	return a->afi == AFI_IPV6 ? AF_INET6 : AF_INET;
}

/* AFI_NONE if it is neither IPv4 nor IPv6. */
static uint16_t
afi_of(int family)
{
	return family == AF_INET ? AFI_IPV4
	    : family == AF_INET6 ? AFI_IPV6
				 : AFI_NONE;
}

/* Table numbers beyond an octet stand in their attribute only. */
static uint8_t
table_octet(uint32_t table)
{
	return table < 256 ? (uint8_t)table : RT_TABLE_UNSPEC;
}

/* "add route 10.1.1.0/24", for the log. */
static const char *
what_eid(const char *verb, const struct eid *prefix, char *buf)
{
	char text[EID_STR_MAX];

	snprintf(buf, WHAT_MAX, "%s %s", verb, eid_str(prefix, text));
	return buf;
}

static const char *
what_addr(const char *verb, const struct addr *a, int ifindex, char *buf)
{
	char text[ADDR_STR_MAX];

	snprintf(buf, WHAT_MAX, "%s %s, interface %d", verb, addr_str(a, text),
	    ifindex);
	return buf;
}

/* What a list is collected in before the caller sees it. */
struct collected {
	uint8_t *items;
	size_t n, max, size;
	bool nomem;
	int ifindex; /* neighbours: only of this interface */
};

static void
collect(struct collected *c, const void *item)
{
	if (c->n == c->max) {
		size_t max = c->max ? c->max * 2 : 64;
		uint8_t *items = reallocarray(c->items, max, c->size);

		if (!items) {
			c->nomem = true;
			return;
		}
		c->items = items;
		c->max = max;
	}
	memcpy(c->items + c->n++ * c->size, item, c->size);
}

/* Routes. */

static void
route_begin(
    struct route *r, uint16_t type, unsigned flags, const struct route_spec *s)
{
	struct rtmsg m = {
		.rtm_family = family_of(&s->prefix.addr),
		.rtm_dst_len = s->prefix.bits,
		.rtm_table = table_octet(s->table),
		.rtm_protocol = ROUTE_PROTO,
		.rtm_type = s->unreachable ? RTN_UNREACHABLE : RTN_UNICAST,
	};

	if (!s->unreachable && s->via.afi == AFI_NONE &&
	    m.rtm_family == AF_INET)
		m.rtm_scope = RT_SCOPE_LINK;
	netlink_begin(r->nl, type, flags, &m, sizeof(m));
	netlink_put_addr(r->nl, RTA_DST, &s->prefix.addr);
	netlink_put_u32(r->nl, RTA_TABLE, s->table);
	if (s->ifindex)
		netlink_put_u32(r->nl, RTA_OIF, (uint32_t)s->ifindex);
	if (s->via.afi != AFI_NONE)
		netlink_put_addr(r->nl, RTA_GATEWAY, &s->via);
	if (s->metric)
		netlink_put_u32(r->nl, RTA_PRIORITY, s->metric);
}

enum err
route_set(struct route *r, const struct route_spec *s)
{
	char what[WHAT_MAX];

	route_begin(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, s);
	return netlink_call(
	    r->nl, EEXIST, 0, what_eid("add route", &s->prefix, what));
}

enum err
route_unset(struct route *r, const struct route_spec *s)
{
	char what[WHAT_MAX];

	route_begin(r, RTM_DELROUTE, 0, s);
	/* ENODEV: the interface is gone, and its routes with it. */
	return netlink_call(
	    r->nl, ESRCH, ENODEV, what_eid("remove route", &s->prefix, what));
}

static void
on_route(void *arg, const void *header, const struct netlink_attrs *t)
{
	const struct rtmsg *m = header;
	uint16_t afi = afi_of(m->rtm_family);
	struct route_spec s = { .unreachable = m->rtm_type == RTN_UNREACHABLE };
	struct addr dst;

	if (m->rtm_protocol != ROUTE_PROTO || afi == AFI_NONE)
		return;
	dst = netlink_addr(t, RTA_DST, afi);
	s.prefix = eid_make(0, &dst, m->rtm_dst_len);
	/* IPv6 shows the loopback interface with an unreachable route. */
	if (!s.unreachable)
		s.ifindex = (int)netlink_u32(t, RTA_OIF, 0);
	if (t->data[RTA_GATEWAY])
		s.via = netlink_addr(t, RTA_GATEWAY, afi);
	s.metric = netlink_u32(t, RTA_PRIORITY, 0);
	if (afi == AFI_IPV6 && s.metric == IPV6_METRIC)
		s.metric = 0;
	s.table = netlink_u32(t, RTA_TABLE, m->rtm_table);
	collect(arg, &s);
}

enum err
route_list(struct route *r, bool (*fn)(void *arg, const struct route_spec *),
    void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct collected c = { .size = sizeof(struct route_spec) };
	const struct route_spec *s;
	enum err err = ERR_OK;

	for (size_t i = 0; i < 2 && !err; i++) {
		struct rtmsg m = { .rtm_family = families[i],
			.rtm_protocol = ROUTE_PROTO };

		netlink_begin(r->nl, RTM_GETROUTE, 0, &m, sizeof(m));
		err = netlink_dump(r->nl, on_route, &c, "list routes");
	}
	if (!err && c.nomem)
		err = ERR_NOMEM;
	s = (const void *)c.items;
	for (size_t i = 0; i < c.n && !err; i++)
		if (!fn(arg, &s[i]))
			break;
	free(c.items);
	return err;
}

/* Policy rules. */

static void
rule_begin(struct route *r, uint16_t type, unsigned flags,
    const struct eid *from, uint32_t priority, uint32_t table)
{
	struct fib_rule_hdr h = {
		.family = family_of(&from->addr),
		.src_len = from->bits,
		.table = table_octet(table),
		.action = FR_ACT_TO_TBL,
	};

	netlink_begin(r->nl, type, flags, &h, sizeof(h));
	if (from->bits)
		netlink_put_addr(r->nl, FRA_SRC, &from->addr);
	netlink_put_u32(r->nl, FRA_PRIORITY, priority);
	netlink_put_u32(r->nl, FRA_TABLE, table);
	netlink_put_u8(r->nl, FRA_PROTOCOL, ROUTE_PROTO);
}

enum err
route_rule_set(struct route *r, const struct eid *from, uint32_t priority,
    uint32_t table, bool suppress_default)
{
	char what[WHAT_MAX];

	rule_begin(
	    r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, from, priority, table);
	if (suppress_default)
		netlink_put_u32(r->nl, FRA_SUPPRESS_PREFIXLEN, 0);
	return netlink_call(
	    r->nl, EEXIST, 0, what_eid("add rule from", from, what));
}

enum err
route_rule_unset(
    struct route *r, const struct eid *from, uint32_t priority, uint32_t table)
{
	char what[WHAT_MAX];

	rule_begin(r, RTM_DELRULE, 0, from, priority, table);
	return netlink_call(
	    r->nl, ENOENT, ESRCH, what_eid("remove rule from", from, what));
}

static bool
is_ours(const struct netlink_attrs *t, unsigned attr)
{
	return t->len[attr] >= 1 &&
	    *(const uint8_t *)t->data[attr] == ROUTE_PROTO;
}

static void
on_rule(void *arg, const void *header, const struct netlink_attrs *t)
{
	const struct fib_rule_hdr *h = header;
	uint16_t afi = afi_of(h->family);
	struct route_rule rule = { 0 };
	struct addr from;

	if (!is_ours(t, FRA_PROTOCOL) || afi == AFI_NONE)
		return;
	from = netlink_addr(t, FRA_SRC, afi);
	rule.from = eid_make(0, &from, h->src_len);
	rule.priority = netlink_u32(t, FRA_PRIORITY, 0);
	rule.table = netlink_u32(t, FRA_TABLE, h->table);
	rule.suppress_default =
	    netlink_u32(t, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX) == 0;
	collect(arg, &rule);
}

enum err
route_rule_list(struct route *r,
    bool (*fn)(void *arg, const struct route_rule *), void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct collected c = { .size = sizeof(struct route_rule) };
	const struct route_rule *rule;
	enum err err = ERR_OK;

	for (size_t i = 0; i < 2 && !err; i++) {
		struct fib_rule_hdr h = { .family = families[i] };

		netlink_begin(r->nl, RTM_GETRULE, 0, &h, sizeof(h));
		err = netlink_dump(r->nl, on_rule, &c, "list rules");
	}
	if (!err && c.nomem)
		err = ERR_NOMEM;
	rule = (const void *)c.items;
	for (size_t i = 0; i < c.n && !err; i++)
		if (!fn(arg, &rule[i]))
			break;
	free(c.items);
	return err;
}

/* Addresses of the host. */

static void
addr_begin(struct route *r, uint16_t type, unsigned flags, int ifindex,
    const struct addr *a, unsigned bits)
{
	struct ifaddrmsg m = {
		.ifa_family = family_of(a),
		.ifa_prefixlen = (uint8_t)bits,
		.ifa_index = (unsigned)ifindex,
	};

	netlink_begin(r->nl, type, flags, &m, sizeof(m));
	netlink_put_addr(r->nl, IFA_LOCAL, a);
	netlink_put_addr(r->nl, IFA_ADDRESS, a);
	if (type == RTM_NEWADDR) {
		netlink_put_u8(r->nl, IFA_PROTO, ROUTE_PROTO);
		if (a->afi == AFI_IPV6)
			netlink_put_u32(r->nl, IFA_FLAGS, IFA_F_NODAD);
	}
}

enum err
route_addr_set(
    struct route *r, int ifindex, const struct addr *a, unsigned bits)
{
	char what[WHAT_MAX];

	addr_begin(
	    r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, a, bits);
	return netlink_call(
	    r->nl, EEXIST, 0, what_addr("add address", a, ifindex, what));
}

enum err
route_addr_unset(
    struct route *r, int ifindex, const struct addr *a, unsigned bits)
{
	char what[WHAT_MAX];

	addr_begin(r, RTM_DELADDR, 0, ifindex, a, bits);
	return netlink_call(r->nl, EADDRNOTAVAIL, ENODEV,
	    what_addr("remove address", a, ifindex, what));
}

/* Neighbours. */

static void
neigh_begin(struct route *r, uint16_t type, unsigned flags, int ifindex,
    const struct addr *a)
{
	struct ndmsg m = {
		.ndm_family = family_of(a),
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_STALE,
	};

	netlink_begin(r->nl, type, flags, &m, sizeof(m));
	netlink_put_addr(r->nl, NDA_DST, a);
}

enum err
route_neigh_set(
    struct route *r, int ifindex, const struct addr *a, const struct addr *mac)
{
	char what[WHAT_MAX];

	neigh_begin(r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, a);
	netlink_put_addr(r->nl, NDA_LLADDR, mac);
	netlink_put_u8(r->nl, NDA_PROTOCOL, ROUTE_PROTO);
	return netlink_call(
	    r->nl, 0, 0, what_addr("add neighbour", a, ifindex, what));
}

enum err
route_neigh_unset(struct route *r, int ifindex, const struct addr *a)
{
	char what[WHAT_MAX];

	neigh_begin(r, RTM_DELNEIGH, 0, ifindex, a);
	return netlink_call(r->nl, ENOENT, ENODEV,
	    what_addr("remove neighbour", a, ifindex, what));
}

static void
on_neigh(void *arg, const void *header, const struct netlink_attrs *t)
{
	const struct ndmsg *m = header;
	struct collected *c = arg;
	struct addr a;

	if (!is_ours(t, NDA_PROTOCOL) || m->ndm_ifindex != c->ifindex ||
	    afi_of(m->ndm_family) == AFI_NONE)
		return;
	a = netlink_addr(t, NDA_DST, afi_of(m->ndm_family));
	collect(c, &a);
}

enum err
route_neigh_list(struct route *r, int ifindex,
    bool (*fn)(void *arg, int ifindex, const struct addr *), void *arg)
{
	struct collected c = { .size = sizeof(struct addr),
		.ifindex = ifindex };
	struct ndmsg m = { .ndm_family = AF_UNSPEC };
	const struct addr *a;
	enum err err;

	netlink_begin(r->nl, RTM_GETNEIGH, 0, &m, sizeof(m));
	netlink_put_u32(r->nl, NDA_IFINDEX, (uint32_t)ifindex);
	err = netlink_dump(r->nl, on_neigh, &c, "list neighbours");
	if (!err && c.nomem)
		err = ERR_NOMEM;
	a = (const void *)c.items;
	for (size_t i = 0; i < c.n && !err; i++)
		if (!fn(arg, ifindex, &a[i]))
			break;
	free(c.items);
	return err;
}

/* Which way. */

struct way {
	uint8_t type;
	int ifindex;
};

static void
on_way(void *arg, const void *header, const struct netlink_attrs *t)
{
	const struct rtmsg *m = header;
	struct way *w = arg;

	w->type = m->rtm_type;
	w->ifindex = (int)netlink_u32(t, RTA_OIF, 0);
}

enum err
route_lookup(struct route *r, const struct addr *to, int *ifindex)
{
	/* Of a lookup that ends at an unreachable, prohibit or blackhole route,
	 * and of one without any. */
	static const int none[] = { ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL,
		0 };
	struct rtmsg m = { .rtm_family = family_of(to),
		.rtm_dst_len = (uint8_t)addr_bits(to) };
	char what[WHAT_MAX];
	struct way w = { .type = RTN_UNSPEC };
	enum err err;

	netlink_begin(r->nl, RTM_GETROUTE, 0, &m, sizeof(m));
	netlink_put_addr(r->nl, RTA_DST, to);
	err = netlink_ask(
	    r->nl, on_way, &w, none, what_addr("look up", to, 0, what));
	if (err)
		return err;
	if (w.type != RTN_UNICAST && w.type != RTN_LOCAL)
		return ERR_NOT_FOUND;
	*ifindex = w.ifindex;
	return ERR_OK;
}

/* Links. */

static void
on_link(void *arg, const void *header, const struct netlink_attrs *t)
{
	const struct ifinfomsg *m = header;
	struct collected *c = arg;
	struct route_link link = { 0 };

	if (m->ifi_index != c->ifindex)
		return;
	if (t->len[IFLA_ADDRESS] == addr_len(AFI_MAC))
		link.mac = netlink_addr(t, IFLA_ADDRESS, AFI_MAC);
	link.mtu = netlink_u32(t, IFLA_MTU, 0);
	link.parent = (int)netlink_u32(t, IFLA_LINK, 0);
	link.up = (m->ifi_flags & IFF_UP) && (m->ifi_flags & IFF_RUNNING);
	collect(c, &link);
}

enum err
route_link_get(struct route *r, int ifindex, struct route_link *out)
{
	struct collected c = { .size = sizeof(*out), .ifindex = ifindex };
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC };
	enum err err;

	netlink_begin(r->nl, RTM_GETLINK, 0, &m, sizeof(m));
	err = netlink_dump(r->nl, on_link, &c, "list links");
	if (!err && !c.n)
		err = ERR_NOT_FOUND;
	if (!err)
		memcpy(out, c.items, sizeof(*out));
	free(c.items);
	return err;
}

enum err
route_link_set(
    struct route *r, int ifindex, bool up, unsigned mtu, const struct addr *mac)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = up ? IFF_UP : 0,
		.ifi_change = IFF_UP };
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "set interface %d %s", ifindex,
	    up ? "up" : "down");
	netlink_begin(r->nl, RTM_NEWLINK, 0, &m, sizeof(m));
	if (mtu)
		netlink_put_u32(r->nl, IFLA_MTU, mtu);
	if (mac)
		netlink_put_addr(r->nl, IFLA_ADDRESS, mac);
	return netlink_call(r->nl, 0, 0, what);
}
