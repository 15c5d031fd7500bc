/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SIGNS_H
#define XTR_SIGNS_H

/*
 * signs.h - what data packets say beside their contents: nonces, map-versions,
 * locator-status-bits.  RFC 9300 10, RFC 9302.  Each is off unless the
 * configuration says that the network is trusted; then nothing is said, and
 * nothing heard.
 */
#include "common/data.h"
#include "xtr/eids.h"
#include "xtr/map_cache.h"
#include "xtr/xtr.h"

/*
 * The header of a packet from 'source' to locator 'l' of 'e'.  '*h' is zero but
 * for the instance-ID.
 */
void signs_out(struct xtr *, const struct eid *source,
    const struct map_cache_entry *e, const struct cache_locator *l,
    struct data_header *h);

/*
 * A packet from 'source' behind 'rloc' for 'own', an EID of ours.  False, after
 * counting: must be dropped (RFC 9302 7.1).
 */
bool
signs_in(struct xtr *, const struct data_header *h, const struct eid_entry *own,
    const struct eid *source, const struct addr *rloc);

/* A site can, or cannot, do echo-nonce: E of its Map-Reply. */
void signs_note_echo(struct xtr *, struct records records, bool capable);

#endif
