/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_PARTNER_H
#define XTR_PARTNER_H

/*
 * partner.h - the other xTRs of our own site: whether they are there, and what
 * we and they tell each other.
 *
 * All xTRs of a site register one and the same locator set (etr.c); the agents
 * tell each of them of every VM.  Owner: this file keeps one watch per RLOC of a
 * partner (reach.h), at most REACH_WATCHES_MAX.  When one goes down or comes
 * back, our EIDs register at once with its R bit so, and their ITRs are
 * solicited.
 */
#include "common/msg.h"
#include "xtr/xtr.h"

#define PARTNERS_MAX 8 /* site.partners */

struct partners;

struct partners *partners_new(struct xtr *);
void partners_free(struct partners *); /* accepts NULL */
/* x->conf is a new one. */
void partners_reload(struct xtr *);

/* An RLOC of a partner that is up and that we can reach, or NULL. */
const struct addr *partner_rloc(const struct xtr *);

/*
 * 'rloc' has the mapping of 'eid' ('data': it sends for it): so do the partners
 * know whom to solicit when we are dead.  A Map-Request with D, that RLOC and,
 * with 'data', A set; nobody answers it.  False if a limit stops it.
 */
bool partner_tell(struct xtr *, const struct eid *eid, const struct addr *rloc,
    const struct eid *source, bool data);
/*
 * True if 'm' is such a message of a partner: then its requesters are noted, and
 * that is all.
 */
bool partner_on_told(
    struct xtr *, const struct datagram *, const struct map_request *m);

#endif
