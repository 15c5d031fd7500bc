/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REACH_ICMP_H
#define XTR_REACH_ICMP_H

/*
 * reach_icmp.h - ICMP errors about packets that we encapsulated.  RFC 9301 7 (1),
 * (3).
 *
 * Anybody can make one up, so it must quote a header that we could have written:
 * from an RLOC of ours, to the data port of an RLOC that we sent data to within
 * ICMP_RECENT_MS.  Even then it is a hint: it causes a probe, at most
 * ICMP_HINTS_PER_S of them in all, one per RLOC in PROBE_HINT_MS.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "xtr/xtr.h"

enum { /* ours */
	ICMP_RECENT_MS = 10000,
	ICMP_HINTS_PER_S = 100,
};

/*
 * A "destination unreachable" of 'afi', ICMP header first, checksum not yet
 * checked if it is IPv4.  ERR_TRUNCATED, ERR_MALFORMED, ERR_UNSUPPORTED (another
 * message), ERR_POLICY (not about a packet of ours), ERR_RATE.
 */
enum err
reach_on_icmp(struct xtr *, uint16_t afi, const uint8_t *message, size_t len);

#endif
