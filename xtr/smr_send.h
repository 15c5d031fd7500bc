/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SMR_SEND_H
#define XTR_SMR_SEND_H

/*
 * smr_send.h - one SMR on its way, and how many may leave.  smr.c is the only
 * user.
 *
 * Known ITRs: a bucket of SMR_BURST per (RLOC, EID), one per SMR_INTERVAL_S,
 * and SMR_TOTAL_PER_S in all.  Strangers, which any Map-Request can make us
 * solicit: one per SMR_INTERVAL_S and RLOC whatever the EID, and a tenth of the
 * total, so that they do not use up that of the known ones (RFC 9301 6.1).
 * Senders of late packets: one per SMR_INTERVAL_S and (RLOC, EID).
 */
#include "common/addr.h"
#include "xtr/xtr.h"

struct smr_limits;

struct smr_limits *smr_limits_new(struct xtr *); /* NULL: out of memory */
void smr_limits_free(struct smr_limits *);	 /* accepts NULL */

enum smr_to { SMR_KNOWN, SMR_STRANGER, SMR_LATE };
enum smr_result {
	SMR_SENT,
	SMR_LIMITED, /* this ITR has had its share; again in SMR_INTERVAL_S */
	SMR_BUSY,    /* all of them together have; again in a moment */
};

/*
 * The EID has moved, says an SMR to 'rloc'; 'source' is an EID of its side or
 * NULL.  RFC 9301 6.1, docs/cpm.md 6.10.
 */
enum smr_result smr_send(struct xtr *, struct smr_limits *, enum smr_to,
    const struct eid *, const struct addr *rloc, const struct eid *source);

#endif
