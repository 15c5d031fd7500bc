/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ROUTE_H
#define XTR_ROUTE_H

/*
 * route.h - routes, rules, addresses, neighbours, links through rtnetlink.
 * The only user of libmnl.
 *
 * Every call waits for the kernel's acknowledgement (tens of microseconds) and
 * is idempotent: adding what is there and removing what is not are ERR_OK.  All
 * we install carries RTPROT ROUTE_PROTO, so that a restart finds its own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"

#define ROUTE_PROTO 0x4c	    /* 'L' */
#define ROUTE_BACKSTOP_METRIC 65000 /* of the unreachable routes */

struct route;

enum err route_open(struct route **out) MUST_USE;
void route_close(struct route *); /* accepts NULL */

/* Interface index, 0 if there is none of that name. */
int route_ifindex(const char *name);

struct route_spec {
	struct eid prefix; /* IPv4 or IPv6; iid is not looked at */
	int ifindex;	   /* 0 with 'unreachable' */
	struct addr via;   /* AFI_NONE: on link */
	bool unreachable;
	uint32_t metric; /* 0: the kernel's default */
	uint32_t table;	 /* 254 = main */
};
enum err route_set(struct route *, const struct route_spec *) MUST_USE;
enum err route_unset(struct route *, const struct route_spec *) MUST_USE;
/* Every route of ours (ROUTE_PROTO). */
enum err route_list(struct route *,
    bool (*fn)(void *arg, const struct route_spec *), void *arg) MUST_USE;

/*
 * Policy rule: packets from 'from' look into 'table'; with 'suppress_default'
 * only its routes longer than /0 count.
 */
enum err route_rule_set(struct route *, const struct eid *from,
    uint32_t priority, uint32_t table, bool suppress_default) MUST_USE;
enum err route_rule_unset(struct route *, const struct eid *from,
    uint32_t priority, uint32_t table) MUST_USE;

enum err route_addr_set(
    struct route *, int ifindex, const struct addr *, unsigned bits) MUST_USE;
enum err route_addr_unset(
    struct route *, int ifindex, const struct addr *, unsigned bits) MUST_USE;

/* Neighbour with MAC, state stale. */
enum err route_neigh_set(struct route *, int ifindex, const struct addr *,
    const struct addr *mac) MUST_USE;
enum err
route_neigh_unset(struct route *, int ifindex, const struct addr *) MUST_USE;

enum err route_link_set(struct route *, int ifindex, bool up, unsigned mtu,
    const struct addr *mac) MUST_USE; /* mtu 0, mac NULL: unchanged */
enum err route_link_mac(struct route *, int ifindex, struct addr *out) MUST_USE;

/* Writes a sysctl, e.g. "net/ipv4/conf/br0/proxy_arp".  ERR_IO. */
enum err sysctl_write(const char *name, const char *value) MUST_USE;

#endif
