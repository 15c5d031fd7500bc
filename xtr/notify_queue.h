/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_NOTIFY_QUEUE_H
#define XTR_NOTIFY_QUEUE_H

/*
 * notify_queue.h - messages to xTRs of other sites, repeated until acked.
 * docs/cpm.md 6.9.  notify.c is the only user.
 *
 * Key: nonce; second index (EID, xTR, stream).  Owner: this table.  Bound:
 * NOTIFY_MAX messages, beyond them new ones are refused; Requesters, whose
 * number others can drive up, have half of it.  First retransmission
 * after 100 ms, doubling, cap 1 s, 12 sendings of the same octets; a Notify
 * then every 60 s with a new nonce while what it says still holds, Requesters
 * are given up.
 */
#include "xtr/notify.h"

#define NOTIFY_MAX 65536

/* What replaces what: messages of one stream. */
enum notify_stream {
	NOTIFY_OWNER, /* op 3, arrived and absent */
	NOTIFY_MARK,  /* op 3, arriving and aborted */
	NOTIFY_REQUESTERS,
};

static inline enum notify_stream
notify_stream(enum cpm_op op, uint8_t reason)
{
	if (op == CPM_OP_REQUESTERS)
		return NOTIFY_REQUESTERS;
	return reason == CPM_ARRIVED || reason == CPM_ABSENT ? NOTIFY_OWNER
							     : NOTIFY_MARK;
}

/*
 * Encodes, signs, keeps and sends 'm' with these peers, 'copies' times at once.
 * Fills in what names us: nonce, key, Sender-ID; the series of a single part.
 * False if there is no room, or no way to that xTR.
 */
bool notify_queue_send(struct xtr *, const struct sender *to, struct cpm *m,
    const struct cpm_peer *peers, unsigned n_peers, unsigned copies);
/* Forgets what is outstanding towards that xTR about the EID. */
void notify_queue_cancel(const struct xtr *, const struct eid *,
    const uint8_t to[16], enum notify_stream);
/* Something is. */
bool notify_queue_has(const struct xtr *, const struct eid *,
    const uint8_t to[16], enum notify_stream);
/* The RLOC of that xTR in a family we have, or NULL. */
const struct addr *
notify_queue_rloc(const struct xtr *, const struct conf_site_xtr *);

#endif
