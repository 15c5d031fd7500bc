/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SMR_H
#define XTR_SMR_H

/*
 * smr.h - Solicit-Map-Request out: tells ITRs that a mapping changed, until
 * they ask again.  RFC 9301 6.1, docs/cpm.md 6.10.
 *
 * Key: (EID, RLOC of the ITR).  Owner: this table.  Bound: SMR_QUEUE_MAX; what
 * comes beyond is counted and not sent.  Rates: smr_send.h.
 */
#include "common/msg.h"
#include "xtr/eids.h"
#include "xtr/xtr.h"

#define SMR_QUEUE_MAX 131072
#define SMR_TOTAL_PER_S 20000

struct smrs *smrs_new(struct xtr *);
void smrs_free(struct smrs *); /* accepts NULL */

/*
 * The EID was committed here (or withdrawn): audience = its requesters,
 * configured proxy ITRs.  Nothing leaves before smr_release().
 */
void smr_commit(struct xtr *, const struct eid_entry *);
/*
 * The same when the EID stays and its record changes: an RLOC of its site went
 * down or came up.  Data that comes by another one is then no sign that the ITR
 * knows, only its Map-Request is.
 */
void smr_record_changed(struct xtr *, const struct eid_entry *);
/*
 * Adds one ITR (handed over, or RLOC serving a peer).  'through_old': it is
 * known to send through the old site and waits for smr_release_drained().
 */
void smr_add(struct xtr *, const struct eid *, const struct addr *rloc,
    const struct eid *source, bool confirmed, bool through_old);
/*
 * The peers of the EID have become more (mobility_add_peers()): those that
 * resolve within a few seconds join.
 */
void smr_add_peers(struct xtr *, const struct eid *);
/* First Map-Notify, or SMR_WAIT_NOTIFY_MS over: the default ones may go. */
void smr_release(struct xtr *, const struct eid *);
/* The old site has drained: those that waited for it may go, too. */
void smr_release_drained(struct xtr *, const struct eid *);
/* Somebody is still solicited for the EID. */
bool smr_is_open(const struct xtr *, const struct eid *);
/* A newer state of the EID: forgets everything queued for it. */
void smr_cancel(struct xtr *, const struct eid *);

/* 'rloc' asked for the EID: it has converged. */
void
smr_on_converged(struct xtr *, const struct eid *, const struct addr *rloc);
/* 'rloc' sent data for the EID: it has converged if the EID came here. */
void smr_on_data(struct xtr *, const struct eid *, const struct addr *rloc);

/*
 * One SMR to the sender of a late packet (away, old map-version), <= 1 per 3 s;
 * true if it was sent.
 */
bool smr_late_sender(struct xtr *, const struct eid_entry *,
    const struct addr *rloc, const struct eid *source);

/* An SMR received: Source-EID and record EID go to itr_on_smr(). */
enum err smr_on_map_request(
    struct xtr *, const struct datagram *, const struct map_request *);

#endif
