/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_NOTIFY_H
#define XTR_NOTIFY_H

/*
 * notify.h - xTR to xTR: Notify (op 3) and Requesters (op 4).  docs/cpm.md 6.9.
 *
 * A newer Notify for an EID and xTR replaces the older one; those about the
 * incoming mark and those about the owner are counted apart.
 */
#include "xtr/cpm_in.h"
#include "xtr/eids.h"
#include "xtr/xtr.h"

struct notify *notify_new(struct xtr *);
void notify_free(struct notify *); /* accepts NULL */

/*
 * Notify 'reason' (arrived, arriving, aborted, absent) to every xTR of the
 * other sites whose prefixes cover the EID; the one with Sender-ID 'first' (may
 * be NULL) gets it first.  Arrived is sent twice at once.  Returns how many
 * xTRs were told.
 */
unsigned notify_send(struct xtr *, const struct eid_entry *, uint8_t reason,
    const uint8_t first[16]);
/* Forgets what is outstanding about who owns the EID (arrived, absent). */
void notify_cancel(struct xtr *, const struct eid *);

/* A Notify 1 of the EID waits for its Ack. */
bool notify_is_open(const struct xtr *, const struct eid *);

/*
 * Op 4 to 'to': requesters and proxy ITRs, with reason arrived also peers, and
 * the owner; 'drained' in every part (nothing was held).  Replaces what that
 * xTR was told before.
 */
void notify_requesters(struct xtr *, const struct eid_entry *,
    const struct sender *to, uint8_t reason, bool drained,
    const struct cpm_peer *peers, unsigned n_peers);
/* One more op 4, of peers that came late (docs/cpm.md 6.4). */
void notify_peers(struct xtr *, const struct eid_entry *,
    const struct sender *to, const struct cpm_peer *peers, unsigned n_peers);

/*
 * An Ack from another site's xTR, authenticated.  Of what is not outstanding
 * towards it, such as a second copy, it is counted in ack_unmatched.  ERR_FUTURE
 * if it is and names a nonce or generation too far ahead; errors of
 * cpm_ack_decode().
 */
enum err notify_on_ack(
    struct xtr *, const struct sender *, const struct datagram *) MUST_USE;

#endif
