/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ETR_H
#define XTR_ETR_H

/*
 * etr.h - the ETR role: what our mapping records say, Map-Replies, probes.
 * RFC 9301 5.4, 5.5, 7.1.
 */
#include "common/msg.h"
#include "xtr/eids.h"
#include "xtr/xtr.h"

/*
 * The mapping record of one of our EIDs, for Map-Register and Map-Reply:
 * locators sorted by address, own ones with L = 1.  A dynamic EID lists the
 * RLOCs of all sites of its mobile prefix, those of the other sites with
 * priority 255 (cpm-mode priority), or only ours (replace).  An entry that is
 * not ours gives a negative record (Send-Map-Request, not authoritative).
 */
void
etr_mapping(const struct xtr *, const struct eid_entry *, struct mapping *out);

/* Our record of 'eid' with TTL 0, whatever the mapping database says. */
void
etr_withdrawal(const struct xtr *, const struct eid *, struct mapping *out);

/*
 * A Map-Request for an EID of ours (not an SMR): answers it, notes the
 * requester.  An address of a mobile prefix that is not here gets a negative
 * answer.  ERR_NOT_FOUND if we cannot say anything about the EID, ERR_SOURCE,
 * ERR_RATE as reply_send().
 */
enum err etr_on_map_request(
    struct xtr *, const struct datagram *, const struct map_request *);

#endif
