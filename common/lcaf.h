/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LCAF_H
#define COMMON_LCAF_H

/*
 * lcaf.h - what is inside an LCAF: RFC 8060 types 0 to 16, RFC 9306 type 255.
 *
 * A message's addresses are struct lisp_addr; an LCAF in one is carried as
 * octets, so that it leaves as it came.  Who wants to know what it says asks
 * for this view of it, and who makes one fills this in.  Host byte order.
 * Octets and nested addresses are borrowed from where the LCAF came from.
 *
 * Lists are not copied, a body may hold thousands of addresses: 'list' is the
 * checked stretch of the body, walked with lcaf_next(), which cannot fail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"
#include "lisp.h"
#include "wire.h"

struct lcaf_prefix { /* types 9 and 12 */
	uint8_t bits;
	struct lisp_addr addr;
};

struct lcaf_item {
	bool lookup, probe, strict; /* 10: L, P, S */
	uint8_t level;		    /* 13 */
	struct lisp_addr addr;	    /* 1, 7 (RTR), 10, 13 */
	uint16_t key_len;	    /* 11 */
	const uint8_t *key;
};

struct lcaf_list {
	uint8_t type;
	unsigned left;
	const uint8_t *at;
	size_t len;
};

struct lcaf_octets {
	const uint8_t *at;
	size_t len;
};

struct lcaf_geo {
	bool north, east;
	uint16_t lat_deg, lon_deg; /* up to 32767 on the wire */
	uint8_t lat_min, lat_sec, lon_min, lon_sec;
	int32_t altitude_m; /* LCAF_NO_ALTITUDE: not known */
};

#define LCAF_NO_ALTITUDE INT32_C(0x7fffffff)

struct lcaf_application {
	uint32_t tos; /* TOS, traffic class or flow label: 24 bits */
	uint8_t protocol;
	uint16_t local_low, local_high, remote_low, remote_high;
};

struct lcaf {
	uint8_t type;  /* enum lcaf_type, or one that nobody named */
	uint8_t rsvd2; /* 2: IID mask-len; 14: bit 0 is B, binary */
	bool unread;   /* another layout than ours, or an unknown type */
	bool vendor;   /* is of type 255, or an address inside is */
	struct lisp_addr addr; /* the one of 2, 3, 4, 5, 8, 11, 14, 16 */
	struct lcaf_list list; /* of 1, 7, 10, 11, 13 */
	union {
		uint32_t iid;	    /* 2 */
		uint32_t as_number; /* 3 */
		struct lcaf_application application;
		struct lcaf_geo geo;
		struct {
			uint16_t fields; /* 1 to 16 */
			uint16_t wildcards;
			struct lcaf_octets octets;
		} key; /* 6 */
		struct {
			uint16_t ms_port, etr_port;
			struct lisp_addr global_etr, ms, private_etr;
		} nat;		/* the list has the RTRs */
		uint32_t nonce; /* 8: 24 bits */
		struct {
			uint32_t iid;
			struct lcaf_prefix source, group;
		} multicast;
		struct {
			uint8_t algorithm;
			bool revoke; /* R */
		} security;
		struct {
			struct lcaf_prefix source, dest;
		} source_dest;
		struct lcaf_octets json;
		struct {
			struct lisp_addr key, value;
		} pair;			 /* 15 */
		uint32_t encapsulations; /* 16: bits, LCAF_ENCAP_ */
		struct {
			uint32_t oui; /* 24 bits */
			struct lcaf_octets data;
		} of_vendor; /* 255 */
	};
};

enum { /* RFC 8060 5.6 */
	LCAF_ENCAP_L3_LISP = 1 << 0,
	LCAF_ENCAP_L2_LISP = 1 << 1,
	LCAF_ENCAP_VXLAN = 1 << 2,
	LCAF_ENCAP_VXLAN_GPE = 1 << 3,
	LCAF_ENCAP_NVGRE = 1 << 4,
	LCAF_ENCAP_GENEVE = 1 << 5,
	LCAF_ENCAP_GUE = 1 << 6,
};

/*
 * The view of 'a', which lisp_addr_decode() has read.  ERR_UNSUPPORTED if it is
 * no LCAF, or one of another type or layout; then it can only be carried.  All
 * or nothing.
 */
enum err lcaf_decode(const struct lisp_addr *a, struct lcaf *out) MUST_USE;

/* Next of the list into '*out'; false after the last. */
bool lcaf_next(struct lcaf_list *, struct lcaf_item *out);

/*
 * Writes the LCAF with its AFI; what RFC 8060 reserves is 0, but for Rsvd2.
 * 'list' must be octets of lcaf_item_encode().  ERR_FULL in 'w' if it is longer
 * than an LCAF can be.
 */
void lcaf_encode(struct wire_writer *, const struct lcaf *);
void
lcaf_item_encode(struct wire_writer *, uint8_t type, const struct lcaf_item *);

/*
 * Encodes into 'w' and lends what was written as an address for a message; an
 * address of AFI 0 if it did not fit.
 */
struct lisp_addr lcaf_addr(struct wire_writer *w, const struct lcaf *);

/* Are degrees, minutes and seconds within their ranges? */
bool lcaf_geo_is_valid(const struct lcaf_geo *);

/*
 * The plain address that packets for the locator 'a' may go to: itself; the
 * first usable one of an AFI list (RFC 8060 4.10.1, 4.10.5); the one that an AS
 * number or coordinates are told about (4.2, 4.3).  'families': those wanted,
 * LCAF_FAMILY() of each.  False if there is none: a martian, or an LCAF that
 * asks for more than we do, like an ELP.
 */
#define LCAF_FAMILY(afi) (1u << (afi)) /* AFI_IPV4, AFI_IPV6 */
bool lcaf_rloc(const struct lisp_addr *a, unsigned families, struct addr *out);

/*
 * A wire address as text, LCAFs in full: "[7]10.1.0.1", "dn:vm-42",
 * "elp(192.0.2.31 S, 198.51.100.7 L)".  Printable ASCII; what a name or JSON
 * has beyond that is "\xNN".  Ends in "..." where 'size' octets do not suffice.
 * No key material.  Returns 'buf'.
 */
#define LISP_ADDR_STR_MAX 1024 /* enough for what one meets */
const char *lisp_addr_str(const struct lisp_addr *, char *buf, size_t size);
/* The same with a mask-len: "dn:vm-42/48". */
const char *lisp_prefix_str(
    const struct lisp_addr *, unsigned bits, char *buf, size_t size);

/*
 * For addr_wire.c, which walks every LCAF once with it: the body of the one
 * whose type and Rsvd2 are in '*l'.  'depth': how many LCAFs are around its
 * addresses.
 */
void lcaf_body_decode(struct wire_reader *body, unsigned depth, struct lcaf *l);

#endif
