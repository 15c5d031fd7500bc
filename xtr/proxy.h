/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_PROXY_H
#define XTR_PROXY_H

/*
 * proxy.h - between LISP sites and the rest of the world, RFC 6832: the proxy
 * ITR (PITR), the proxy ETR (PETR), and the ITR that uses a PETR.
 *
 * Nothing is kept here: the configuration says which EIDs the proxy serves, and
 * forward.c asks per packet.  None of these EIDs is ours, so none is ever
 * registered.
 */
#include "xtr/xtr.h"

#define PROXY_PETRS_MAX 16 /* itr.use-petr */

/*
 * We are the PITR for 'destination': our route brought it here, so it can only
 * leave encapsulated.
 */
bool proxy_attracts(const struct xtr *, const struct eid *destination);

/*
 * Whether a question about a packet from 'source' (NULL: no packet) is a
 * PITR's, with the p bit: we are one, and 'source' is no EID of ours
 * (RFC 9301 5.2).
 */
bool proxy_asks(const struct xtr *, const struct eid *source);

/* The PETR for a flow, by priority, weight and 'hash'.  False if none is
 * configured, or usable with our RLOCs. */
bool proxy_petr(const struct xtr *, uint32_t hash, struct addr *out);

/* What a PETR does with a packet for an EID that is not ours. */
enum proxy_verdict {
	PROXY_NOT_OURS, /* we are no PETR for it: it is for an EID, or for us */
	PROXY_STRANGER, /* its source is no EID that we serve */
	PROXY_FORWARD,	/* out of LISP, as it is */
};
/*
 * Not an open relay (RFC 6832 6.1): only from the EIDs we serve, only to where
 * no EID is.
 */
enum proxy_verdict proxy_leaves(const struct xtr *, const struct eid *source,
    const struct eid *destination);

#endif
