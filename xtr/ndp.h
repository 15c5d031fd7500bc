/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_NDP_H
#define XTR_NDP_H

/*
 * ndp.h - answers neighbour solicitations on a segment for EIDs of a mobile
 * IPv6 prefix that are elsewhere.  The kernel does this for IPv4 (proxy ARP),
 * but has nothing for a whole IPv6 prefix.
 */
#include "xtr/xtr.h"

struct ndp;

/*
 * Listens on 'ifindex', called 'segment' in the configuration, and answers with
 * 'mac'.  ERR_IO after logging why.
 */
enum err ndp_new(struct xtr *, const char *segment, int ifindex,
    const struct addr *mac, struct ndp **out) MUST_USE;
void ndp_free(struct ndp *); /* accepts NULL */

/*
 * True if we answer for 'target' on 'segment': in a mobile prefix of it, not
 * the gateway, and neither local nor arriving.
 */
bool
ndp_answers(const struct xtr *, const char *segment, const struct addr *target);

#endif
