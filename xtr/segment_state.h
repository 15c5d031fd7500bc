/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SEGMENT_STATE_H
#define XTR_SEGMENT_STATE_H

/*
 * segment_state.h - what the files of the segments share; the rest of the
 * program sees segment.h.
 *
 *     segment.c       gateway, routes and neighbours, EIDs that come and go
 *     segment_vrrp.c  the gateway address is keepalived's: hold it or not
 */
#include <net/if.h>

#include "xtr/announce.h"
#include "xtr/ndp.h"
#include "xtr/segment.h"

struct segment {
	char name[IFNAMSIZ];
	struct eid prefix;
	int base;    /* interface of the configuration */
	int ifindex; /* where its hosts are reached: 'base', or the interface
		      * on top of it that has the gateway address */
	bool vrrp;   /* gateway-by: vrrp */
	bool active; /* we are the gateway; always true without 'vrrp' */
	struct addr gateway;
	struct addr mac;	    /* configured; AFI_NONE: any */
	struct neighbour_sender us; /* in its family, while active */
	struct ndp *ndp;	    /* first IPv6 prefix of an interface */
	bool is_new; /* not on this interface before the last start */
};

struct segments {
	struct announcer *announcer;
	struct segment *items;
	size_t n;
};

/* segment.c */
/* Counts a refusal of the kernel, which route.c or sysctl.c has logged. */
enum err segment_counted(struct xtr *, enum err);
/* Kernel parameters of 'interface'; 'proxy': proxy ARP, for IPv4. */
enum err segment_sysctls(
    const struct segment *, const char *interface, bool proxy) MUST_USE;
/* The ND responder on s->ifindex, if none of 't' is there yet. */
enum err
segment_start_ndp(struct xtr *, struct segments *t, struct segment *s) MUST_USE;
/* Host route and, with a MAC, neighbour on s->ifindex. */
void
segment_install(struct xtr *, const struct segment *, const struct eid_entry *);

/* segment_vrrp.c */
/* Fills in 'ifindex', 'active' and 'us' as the kernel has it now. */
enum err segment_vrrp_start(struct xtr *, struct segment *) MUST_USE;

#endif
