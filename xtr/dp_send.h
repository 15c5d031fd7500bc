/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DP_SEND_H
#define XTR_DP_SEND_H

/*
 * dp_send.h - encapsulated packets out, in batches.
 *
 * Queue: one per family, DP_SEND_BATCH packets or DP_SEND_BYTES octets; a full
 * one is sent at once, the rest at the end of a batch or of the loop's turn.
 * Nothing waits longer.
 */
#include "xtr/xtr.h"

#define DP_SEND_BATCH 64
#define DP_SEND_BYTES (256 * 1024)

struct dp_send;

/* Raw sockets for the families of our RLOCs.  ERR_IO after logging why. */
enum err dp_send_new(struct xtr *, struct dp_send **out) MUST_USE;
void dp_send_free(struct dp_send *); /* accepts NULL */
/* After a reload: sockets for families that are new.  ERR_IO as above. */
enum err dp_send_reload(struct dp_send *) MUST_USE;

/*
 * Between these two everything is queued, and sent at the end; for whoever
 * handles many packets in one turn of the loop.
 */
void dp_send_batch_begin(struct dp_send *);
void dp_send_batch_end(struct dp_send *);

/* As encapsulate, icmp and native of dp.h.  ERR_ROLE: no RLOC of the family. */
enum err dp_send_encapsulated(struct dp_send *, const struct addr *source,
    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
    const uint8_t *payload, size_t len) MUST_USE;
enum err dp_send_icmp(struct dp_send *, const struct addr *to,
    const uint8_t *message, size_t len) MUST_USE;
enum err dp_send_native(struct dp_send *, const struct addr *to,
    const uint8_t *packet, size_t len) MUST_USE;

#endif
