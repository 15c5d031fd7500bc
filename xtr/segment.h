/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SEGMENT_H
#define XTR_SEGMENT_H

/*
 * segment.h - the VM segment, where the xTR is the gateway: same address and
 * MAC in every site, a host route and a neighbour per local EID, proxy ARP and
 * ND for EIDs that are elsewhere, announcements when one comes or goes.
 * docs/cpm.md 6.1, 6.4.
 *
 * Announcements in flight: one series of three per EID, bounded by the EIDs.
 * Only EIDs of instance 0 have a segment.
 */
#include "xtr/eids.h"
#include "xtr/route.h"
#include "xtr/xtr.h"

/*
 * Gateway addresses (an IPv6 prefix has fe80::1 besides) and MAC, sysctls, host
 * routes of static-hosts.  The route of the prefix to the LISP device is the
 * data plane's.  Again after a reload: follows the new configuration.  ERR_IO
 * after logging why; a missing interface is named.
 */
enum err segments_start(struct xtr *) MUST_USE;
/* The last segments_start() put the segment of the EID on another interface. */
bool segment_is_new(const struct xtr *, const struct eid *);
/* The process ends: addresses and routes stay.  Accepts none started. */
void segments_stop(struct xtr *);

/*
 * Addresses of interfaces changed: where keepalived has the gateway's (knob
 * gateway-by) we are the gateway while it is on the segment, or on an interface
 * on top of it such as keepalived's vmac.  Host routes and neighbours are there
 * then, EIDs elsewhere are answered for; without it they are on the segment, and
 * we deliver and keep silent.
 */
void segments_follow_vrrp(struct xtr *);

/*
 * The EID lives on its segment: host route, neighbour entry with e->mac (stale,
 * then probed), three announcements "EID is-at e->mac" with the xTR's own
 * Ethernet source at 0, 100, 500 ms.  Without e->mac neither neighbour nor
 * announcement.
 */
void segment_eid_here(struct xtr *, const struct eid_entry *e);
/* It left: route and neighbour removed, "EID is-at gateway MAC" announced. */
void segment_eid_left(struct xtr *, const struct eid_entry *e);
/* Only removes (withdrawn): nothing is announced. */
void segment_eid_gone(struct xtr *, const struct eid_entry *e);

/*
 * After a restart: host routes and neighbours of EIDs that are not local any
 * more go.
 */
void segments_reconcile(struct xtr *);

/* Takes back what segments_start() did, as far as it is known (--cleanup). */
enum err segments_cleanup(struct route *, const struct xtr_conf *) MUST_USE;

/* Rows for 'show interfaces' are made by ctl.c from the configuration and: */
struct segment_row {
	const char *segment;
	int ifindex; /* of the segment, or on top of it with the gateway */
	bool active; /* we are the gateway */
	struct eid prefix;
	struct addr gateway, mac;
	bool up;
	unsigned local_eids;
};
void segments_walk(const struct xtr *,
    bool (*fn)(void *arg, const struct segment_row *), void *arg);

#endif
