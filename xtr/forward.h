/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_FORWARD_H
#define XTR_FORWARD_H

/*
 * forward.h - what happens to a data packet: the slow path that is right.
 * RFC 9300 4, 5, 7; RFC 6040.  A kernel data plane is a cache of these
 * decisions; a user-space one calls them for every packet.
 */
#include "xtr/xtr.h"

/*
 * An IP packet that the kernel routed to the LISP device: look up, encapsulate,
 * queue on a miss, or drop and count.  'packet' may be changed; FORWARD_ROOM
 * octets before it are free for headers.
 */
#define FORWARD_ROOM 64
void forward_out(struct xtr *, uint8_t *packet, size_t len);

/* Outer header of a packet that came to UDP 4341. */
struct forward_outer {
	struct addr from, to;
	uint8_t ttl, tos; /* hop limit, traffic class */
};
/*
 * Payload of that packet, LISP header first: checks, then local delivery,
 * re-encapsulation (away) or drop.  'payload' may be changed.
 */
void forward_in(
    struct xtr *, const struct forward_outer *, uint8_t *payload, size_t len);

/*
 * For those who ask what forward_out() would do: the entry of ours that decides
 * about a host, or NULL; the RLOC for one that is away, or NULL; whether packets
 * from 'source' may leave.
 */
struct eid_entry;
struct eid_entry *forward_entry(const struct xtr *, const struct eid *host);
const struct addr *
forward_away_rloc(const struct xtr *, const struct eid_entry *);
bool forward_source_allowed(const struct xtr *, const struct addr *source);

#endif
