/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ROUTE_H
#define XTR_ROUTE_H

/*
 * route.h - routes, rules, addresses, neighbours, links through rtnetlink.
 * The only user of libmnl.
 *
 * Every call waits for the kernel's acknowledgement (tens of microseconds) and
 * is idempotent: adding what is there and removing what is not are ERR_OK.  All
 * we install carries ROUTE_PROTO, so that a restart finds its own.  A refusal
 * is logged here, with the kernel's words; counting it is the caller's.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"

#define ROUTE_PROTO 0x4c	    /* 'L' */
#define ROUTE_BACKSTOP_METRIC 65000 /* of the unreachable routes */
#define ROUTE_TABLE_MAIN 254

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
	uint32_t table;	 /* ROUTE_TABLE_MAIN ... */
};
enum err route_set(struct route *, const struct route_spec *) MUST_USE;
enum err route_unset(struct route *, const struct route_spec *) MUST_USE;
/*
 * Calls 'fn' for every route of ours (ROUTE_PROTO, table 0 in the filter: of
 * any table) until it returns false.  'fn' may set and unset routes.
 */
enum err route_list(struct route *,
    bool (*fn)(void *arg, const struct route_spec *), void *arg) MUST_USE;

/*
 * The interface that a packet to 'to' would leave by, by the routes of this host.
 * ERR_NOT_FOUND if there is no route, or one that says so (unreachable).
 */
enum err
route_lookup(struct route *, const struct addr *to, int *ifindex) MUST_USE;

/*
 * Policy rule: packets from 'from' look into 'table'; with 'suppress_default'
 * only its routes longer than /0 count.
 */
struct route_rule {
	struct eid from;
	uint32_t priority;
	uint32_t table;
	bool suppress_default;
};
enum err route_rule_set(struct route *, const struct eid *from,
    uint32_t priority, uint32_t table, bool suppress_default) MUST_USE;
enum err route_rule_unset(struct route *, const struct eid *from,
    uint32_t priority, uint32_t table) MUST_USE;
/* Every rule of ours; 'fn' as of route_list(). */
enum err route_rule_list(struct route *,
    bool (*fn)(void *arg, const struct route_rule *), void *arg) MUST_USE;

/* An address of the host, without duplicate address detection. */
enum err route_addr_set(
    struct route *, int ifindex, const struct addr *, unsigned bits) MUST_USE;
enum err route_addr_unset(
    struct route *, int ifindex, const struct addr *, unsigned bits) MUST_USE;

/* Neighbour with MAC, state stale. */
enum err route_neigh_set(struct route *, int ifindex, const struct addr *,
    const struct addr *mac) MUST_USE;
enum err
route_neigh_unset(struct route *, int ifindex, const struct addr *) MUST_USE;
/* Every neighbour of ours on this interface; 'fn' as of route_list(). */
enum err route_neigh_list(struct route *, int ifindex,
    bool (*fn)(void *arg, int ifindex, const struct addr *),
    void *arg) MUST_USE;

struct route_link {
	struct addr mac; /* AFI_NONE if it has none */
	int parent;	 /* what a macvlan is on top of; 0: nothing */
	unsigned mtu;
	bool up; /* administratively, and with carrier */
};
enum err
route_link_get(struct route *, int ifindex, struct route_link *out) MUST_USE;
enum err route_link_set(struct route *, int ifindex, bool up, unsigned mtu,
    const struct addr *mac) MUST_USE; /* mtu 0, mac NULL: unchanged */

#endif
