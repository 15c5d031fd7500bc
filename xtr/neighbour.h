/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_NEIGHBOUR_H
#define XTR_NEIGHBOUR_H

/*
 * neighbour.h - Ethernet frames that tell or ask which MAC an EID is at: ARP
 * (RFC 826, 5227) and IPv6 neighbour discovery (RFC 4861).  Bytes only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define NEIGHBOUR_FRAME_MAX 128

/* Who sends: our MAC and, as the family of the EID, an address of ours. */
struct neighbour_sender {
	struct addr mac, address;
};

/*
 * To everybody: 'eid' is at 'mac'.  A gratuitous ARP or an unsolicited NA with
 * override.  Frame into 'out'; returns its length.
 */
size_t
neighbour_announcement(const struct neighbour_sender *, const struct addr *eid,
    const struct addr *mac, uint8_t out[NEIGHBOUR_FRAME_MAX]);

/* To 'mac' alone: are you 'eid'?  An ARP request or an NS. */
size_t
neighbour_question(const struct neighbour_sender *, const struct addr *eid,
    const struct addr *mac, uint8_t out[NEIGHBOUR_FRAME_MAX]);

struct neighbour_solicitation { /* an NS, RFC 4861 4.3 */
	struct addr target;
	struct addr source;	/* unspecified: duplicate address detection */
	struct addr source_mac; /* where the answer goes */
};

/*
 * A received frame; false if it is no valid NS (RFC 4861 7.1.1, without the
 * checksum, which the frame's own covers).
 */
bool neighbour_solicitation_parse(
    const uint8_t *frame, size_t len, struct neighbour_solicitation *out);

/*
 * "The target is at 'mac'", to the one who asked.  We speak for somebody else,
 * so without override: whoever has it takes precedence (RFC 4861 7.2.8).
 */
size_t neighbour_answer(const struct neighbour_solicitation *,
    const struct addr *mac, uint8_t out[NEIGHBOUR_FRAME_MAX]);

#endif
