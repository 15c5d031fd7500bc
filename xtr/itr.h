/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ITR_H
#define XTR_ITR_H

/*
 * itr.h - the ITR role: asks the mapping system, fills the map-cache.
 * RFC 9301 5.3 to 5.5, 6.1.
 */
#include "common/msg.h"
#include "xtr/pending.h"
#include "xtr/xtr.h"

/*
 * A packet from 'source' to 'eid' found no mapping.  Queues it (copied) and
 * starts a lookup unless one runs; it is forwarded again when the answer is
 * there, dropped after a second.
 */
void itr_on_miss(struct xtr *, const struct eid *eid, const struct eid *source,
    const uint8_t *packet, size_t len);

/* Starts a lookup without a packet (peers of an arriving VM, refresh). */
void itr_resolve(struct xtr *, const struct eid *eid);

/*
 * The map-cache entry is near its end and in use: asks again for the prefix.
 */
void itr_refresh(struct xtr *, const struct eid *prefix);

/*
 * An SMR says that 'eid' changed: asks for this host EID with the s bit, within
 * the limits of RFC 9301 6.1; what a limit stops is remembered and done later.
 * 'from' is the SMR's source.  False, and nothing happens, if 'eid' is ours or
 * is covered neither by the map-cache nor by a lookup under way.
 */
bool itr_on_smr(struct xtr *, const struct eid *eid, const struct addr *from);

/*
 * One question to the mapping system about 'eid' that neither map-cache nor
 * database answers (docs/cpm.md 6.6); 'fn' is called once, with the answer or
 * LOOKUP_TIMEOUT after 'timeout_ms'.  ERR_FULL, ERR_NOMEM, ERR_ROLE (no
 * Map-Resolver); 'fn' is not called then.
 */
enum err itr_ask(struct xtr *, const struct eid *eid, int64_t timeout_ms,
    lookup_fn *fn) MUST_USE;

/* Map-Reply, decoded; ERR_NONCE if nobody asked. */
enum err
itr_on_map_reply(struct xtr *, const struct datagram *, struct map_reply *);

/*
 * A Map-Notify answers the Map-Request of this nonce as a Map-Reply would (RFC
 * 9437 5); '*prefix' is that of its record.  ERR_POLICY: none covers what was
 * asked.  May free the nonce's lookup.
 */
enum err itr_on_confirmation(struct xtr *, struct lookup_nonce *,
    struct records, struct eid *prefix) MUST_USE;
/* The mapping system says, unasked, that this is the mapping of 'eid'. */
void
itr_on_publication(struct xtr *, const struct eid *, const struct mapping *);

/*
 * A Map-Request reached us as ETR: true if its nonce is one of our own lookups,
 * which then has its answer: we are the ETR (LOOKUP_OWN).
 */
bool itr_own_request(struct xtr *, uint64_t nonce);

#endif
