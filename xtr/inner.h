/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_INNER_H
#define XTR_INNER_H

/*
 * inner.h - the IP packet inside: what its header says, and the few changes a
 * tunnel router makes to it.  RFC 9300 5.3, RFC 6040.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"

struct inner {
	uint8_t *packet; /* borrowed, changed by inner_set_*() */
	size_t len;	 /* as its header says, at most what was given */
	size_t header_len;
	struct addr source, destination;
	uint8_t ttl, tos;  /* hop limit, traffic class */
	uint8_t protocol;  /* behind IPv6 extension headers */
	size_t payload;	   /* offset of that protocol's header */
	bool fragment;	   /* part of a datagram: ports cannot be trusted */
	bool later_part;   /* a fragment, and not the first */
	bool may_be_split; /* IPv4 without DF */
};

/*
 * Reads the header of an IPv4 or IPv6 packet.  ERR_TRUNCATED, ERR_MALFORMED;
 * what lies behind the length of its header is ignored.
 */
enum err inner_parse(uint8_t *packet, size_t len, struct inner *out) MUST_USE;

/* Both keep the IPv4 header checksum right (RFC 1624). */
void inner_set_ttl(struct inner *, uint8_t ttl);
void inner_set_tos(struct inner *, uint8_t tos);

/*
 * The same for all packets of a flow: addresses, protocol and ports; only
 * addresses where a packet shows no ports (fragments, other protocols), so
 * that all fragments of a datagram take one path.  RFC 9300 12.
 */
uint32_t inner_flow_hash(const struct inner *);
/* Outer UDP source port of a flow: 49152 to 65535. */
uint16_t inner_flow_port(uint32_t hash);

/*
 * Cuts an IPv4 packet into parts of about the same size that are at most 'max'
 * octets long (RFC 9300 7.1) and calls 'fn' for each; INNER_ROOM octets before
 * a part are free for headers.  False, and nothing called, if it cannot be cut.
 */
#define INNER_ROOM 64
bool inner_split(const struct inner *, size_t max,
    void (*fn)(void *arg, struct inner *part), void *arg);

/*
 * ECN of a decapsulated packet, RFC 6040 4.2: traffic class for the inner one
 * (DSCP of the outer one) in '*out'; false: must be dropped.  '*odd' is set if
 * the combination should not occur.
 */
bool inner_merge_tos(uint8_t inner, uint8_t outer, uint8_t *out, bool *odd);

#endif
