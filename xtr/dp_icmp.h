/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_DP_ICMP_H
#define XTR_DP_ICMP_H

/*
 * dp_icmp.h - ICMP and ICMPv6 errors that come to this host, of the kind
 * "destination unreachable"; at most DP_ICMP_TURN in one turn of the loop.
 */
#include "xtr/xtr.h"

#define DP_ICMP_TURN 64

struct dp_icmp;

/* Each message goes to reach_on_icmp().  ERR_NOMEM; what the kernel refuses is
 * logged, and done without. */
enum err dp_icmp_new(struct xtr *, struct dp_icmp **out) MUST_USE;
void dp_icmp_free(struct dp_icmp *); /* accepts NULL */

#endif
