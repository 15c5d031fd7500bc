/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ICMP_H
#define XTR_ICMP_H

/*
 * icmp.h - ICMP errors about packets that we cannot forward: RFC 792, 1191,
 * 1812 4.3; RFC 4443.
 */
#include "xtr/inner.h"

enum icmp_reason {
	ICMP_NO_ROUTE,	 /* negative mapping, or none */
	ICMP_PROHIBITED, /* by policy of the mapping system */
	ICMP_TTL,
	ICMP_TOO_BIG,
};

#define ICMP_ERROR_MAX 1280 /* RFC 4443 2.4 (c); IPv4: 576, RFC 1812 */

/*
 * The ICMP message about 'in' for its source, without IP header; returns its
 * length, 0 if none may be sent (about an ICMP error, a later fragment, from
 * or to what is no single host; RFC 1122 3.2.2, RFC 4443 2.4).  'mtu' is for
 * ICMP_TOO_BIG.  The ICMPv6 checksum is left 0, the IPv4 one is right.
 */
size_t icmp_error(const struct inner *in, enum icmp_reason, unsigned mtu,
    uint8_t out[ICMP_ERROR_MAX]);

/*
 * A whole packet from 'from' to 'to' around that message, checksum and all;
 * returns its length, 0 if it does not fit into the 'size' octets of 'out'.
 */
size_t icmp_packet(const struct addr *from, const struct addr *to,
    const uint8_t *message, size_t len, uint8_t *out, size_t size);

#endif
