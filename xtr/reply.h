/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REPLY_H
#define XTR_REPLY_H

/*
 * reply.h - sends Map-Replies, for the ETR and the Map-Server.  RFC 9301 5.4,
 * 5.5.
 *
 * Rate: per (ITR-RLOC, EID asked) a bucket of REPLY_BURST, one per
 * REPLY_INTERVAL_S; and per ITR-RLOC, whatever is asked, of REPLY_RLOC_BURST,
 * REPLY_RLOC_PER_S a second, because a Map-Request is not authenticated and may
 * name anybody as ITR-RLOC and any number of EIDs.  Answers to probes have a
 * bucket of their own per RLOC, and one for all.
 * Bound: REPLY_LIMITS_MAX limits in force of each kind; beyond, no reply.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/msg.h"
#include "xtr/xtr.h"

#define REPLY_BURST 8
#define REPLY_RLOC_BURST 2048 /* all EIDs of a site that moves, at once */
#define REPLY_RLOC_PER_S 100
#define REPLY_PROBE_BURST 100 /* and so many per second and RLOC */
#define REPLY_PROBES_PER_S 5000
#define REPLY_LIMITS_MAX 131072

struct replies;
void replies_free(struct replies *); /* accepts NULL */

/*
 * Answers 'm', which came in 'dg', with a Map-Reply of the same nonce and these
 * 'n' records (n >= 1), encoded as given; 'probe': with the P bit.  It goes to
 * reply_itr_rloc() and the UDP source port of the Map-Request, that of the inner
 * header if there was an ECM (RFC 9301 5.5, 5.8).
 *
 * ERR_FULL: several records do not fit the payload that needs no fragments
 * (RFC 9301 5); nothing was sent, the caller answers with less.  A single record
 * always goes.  ERR_RATE; ERR_SOURCE if there is no ITR-RLOC that we can reach.
 */
enum err
reply_send(struct xtr *, const struct datagram *dg, const struct map_request *m,
    const struct mapping *const *mappings, unsigned n, bool probe) MUST_USE;

/*
 * The ITR-RLOC that a reply goes to, the first one that we can reach; NULL if
 * there is none.  Borrowed from 'm'.
 */
const struct addr *reply_itr_rloc(
    const struct xtr *, const struct datagram *dg, const struct map_request *m);

/*
 * What we pass on to an ETR or another Map-Server costs the same tokens as an
 * answer, of its first ITR-RLOC (RFC 9301 9); false, and counted, if there are
 * none.
 */
bool reply_may_forward(struct xtr *, const struct map_request *m);

/*
 * True if we can send to addresses of this family: we have an RLOC of it or,
 * with no RLOCs configured (Map-Server, Map-Resolver), a socket.
 */
bool reply_can_reach(const struct xtr *, uint16_t afi);

#endif
