/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_STATUS_BITS_H
#define XTR_STATUS_BITS_H

/*
 * status_bits.h - locator-status-bits: which RLOCs of its site are up, says each
 * data packet.  RFC 9300 10, 13.1; for networks where everybody is trusted.
 *
 * Bit k is the k-th locator of the last Map-Reply for the prefix of the inner
 * source.  A bit that is 0 takes the RLOC out of that mapping (l->status_down)
 * and has it probed; the bit, or an answer that says R = 1, brings it back.
 */
#include "common/data.h"
#include "xtr/eids.h"
#include "xtr/map_cache.h"
#include "xtr/xtr.h"

#define STATUS_BITS_OFF_MS 300000 /* RFC 9300 13.1, use-LSB timer */

/*
 * The header of a packet from an EID of ours: sets L and the bits, unless our
 * locators became others within STATUS_BITS_OFF_MS.
 */
void status_bits_out(
    const struct xtr *, const struct eid_entry *own, struct data_header *h);

/*
 * A packet from 'source' behind 'rloc'.  Nothing is believed of an RLOC that is
 * not in the mapping of 'source', of all bits 0, or, if the mapping has a
 * version, without the same one beside.
 */
void status_bits_in(struct xtr *, const struct data_header *h,
    const struct eid *source, const struct addr *rloc);

#endif
