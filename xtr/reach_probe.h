/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REACH_PROBE_H
#define XTR_REACH_PROBE_H

/*
 * reach_probe.h - RLOC probing: asks an RLOC whether it is there.  RFC 9301 7.1.
 *
 * Once per RLOC, whatever the number of prefixes behind it.  An answer that does
 * not come is missed after 1, 2, 4 s; three in a row are "down", then the RLOC is
 * asked ever more rarely, at least every PROBE_SLOW_MAX_MS; one answer is "up".
 * All probes together: conf->reachability.probe_rate a second, watched RLOCs
 * (REACH_WATCHES_MAX) not counted; what the rate stops is sent later.
 */
#include "common/msg.h"
#include "xtr/reach.h"

enum {				     /* ours, RFC 9301 names no numbers */
	PROBE_RETRY_FIRST_MS = 1000, /* doubled at each miss */
	PROBE_MISSES = 3,	     /* are down */
	PROBE_SLOW_MAX_MS = 300000,  /* back-off of one that is down */
	PROBE_NONCES = 4,	     /* the last ones count */
	PROBE_NONCE_AGE_MS = 30000,
	PROBE_HINT_MS = 3000, /* between probes that ICMP errors cause */
};

struct reach_probes *reach_probes_new(struct xtr *);
void reach_probes_free(struct reach_probes *); /* accepts NULL */

struct reach_probe_info { /* for 'show' */
	int64_t rtt_us;	  /* of the last answer; -1 = none yet */
	int64_t sent_ms;  /* wall clock of the last probe, 0 = none */
	uint64_t sent, answered, missed;
	unsigned misses; /* in a row */
};
void reach_probe_info(const struct reach_rloc *, struct reach_probe_info *out);

/*
 * Starts, goes on with or stops probing 'r' as its uses, watches, state and the
 * configuration want it.  One that is down is asked at once.
 */
void reach_probe_attend(struct reach_rloc *r);
/*
 * Something says that 'r' may be down or up again ('cause', of REACH_ICMP,
 * REACH_ECHO, REACH_ROUTE, REACH_PROBE): asks now, also where probing is off.  If
 * it does not answer it is down by that cause.
 */
void reach_probe_hint(struct reach_rloc *r, enum reach_cause cause);
void reach_probe_free(struct reach_rloc *r); /* all of it that is in 'r' */

/*
 * A Map-Reply with the P bit, all of its records authoritative (RFC 9301 5.4; the
 * decoder sees to it).  ERR_NONCE if nobody asked.
 */
enum err reach_probe_on_map_reply(
    struct xtr *, const struct datagram *, const struct map_reply *);

#endif
