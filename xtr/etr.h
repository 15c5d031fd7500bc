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
 * priority 255 (cpm-mode priority), or only ours (replace).
 */
void
etr_mapping(const struct xtr *, const struct eid_entry *, struct mapping *out);

/*
 * A Map-Request for an EID of ours (not an SMR): answers it, notes the
 * requester.  ERR_NOT_FOUND if the EID is not ours.
 */
enum err etr_on_map_request(
    struct xtr *, const struct datagram *, const struct map_request *);

/*
 * Sends a Map-Reply to the first usable ITR-RLOC of 'm'.  'mappings' are
 * encoded as given.  Limits per destination as behaviour of RFC 9301 5.4.
 */
void
etr_reply(struct xtr *, const struct datagram *, const struct map_request *m,
    const struct mapping *const *mappings, unsigned n);

#endif
