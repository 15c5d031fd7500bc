/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SMR_LIMIT_H
#define XTR_SMR_LIMIT_H

/*
 * smr_limit.h - how many Map-Requests SMRs may make us send.  RFC 9301 6.1.
 *
 * Known senders: a bucket of SMR_BURST per (RLOC, EID), one per SMR_INTERVAL_S.
 * Strangers: one per SMR_INTERVAL_S and RLOC.  One global bucket for each kind,
 * so that strangers cannot use up that of the known ones.  Bounds as limit.h.
 */
#include "xtr/pending.h"
#include "xtr/xtr.h"

/*
 * An RLOC of a configured site, or a locator of the mapping that is cached for
 * 'eid', is no stranger.
 */
bool smr_sender_known(
    const struct xtr *, const struct eid *eid, const struct addr *rloc);

/* Takes the tokens for the SMR that waits in 'l'; false if there are none. */
bool smr_limit_take(struct lookup *l, struct mono now);

#endif
