/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_ADDR_H
#define COMMON_ADDR_H

/*
 * addr.h - addresses, RLOCs, EIDs.
 *
 * struct addr       a plain IPv4, IPv6 or MAC address, or none.
 * struct eid        an EID prefix with its instance-ID: the key of every table.
 * struct lisp_addr  an address as a message carries it: plain, in an
 *                   instance-ID LCAF, or any other LCAF as opaque octets.
 *
 * struct addr and struct eid have no padding and keep unused octets zero: they
 * are compared and hashed as memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

enum afi { /* IANA address family numbers */
	AFI_NONE = 0,
	AFI_IPV4 = 1,
	AFI_IPV6 = 2,
	AFI_MAC = 6,
	AFI_NAME = 17,
	AFI_LCAF = 16387,
};

struct addr {
	uint16_t afi;	   /* AFI_NONE, AFI_IPV4, AFI_IPV6 or AFI_MAC */
	uint8_t bytes[16]; /* network order, the rest zero */
};

struct eid {
	uint32_t iid;	  /* instance-ID, host order; 0 = default */
	struct addr addr; /* host bits beyond 'bits' are zero */
	uint8_t bits;	  /* mask-len: 0..addr_bits(&addr) */
	uint8_t zero;
};

_Static_assert(sizeof(struct addr) == 18 && sizeof(struct eid) == 24,
    "struct addr and struct eid are compared as memory");

struct lisp_addr {
	struct addr addr; /* afi AFI_NONE when 'opaque' is set */
	bool has_iid;	  /* was in, or goes into, an instance-ID LCAF */
	uint8_t iid_bits; /* the LCAF's IID mask-len octet */
	uint32_t iid;
	/* Any other AFI we carry but do not read (LCAF, name): all octets from
	 * the AFI on, borrowed from the message; NULL otherwise. */
	const uint8_t *opaque;
	uint16_t opaque_len;
	bool vendor; /* an LCAF of a vendor (RFC 9306 4) is in 'opaque' */
};

#define ADDR_STR_MAX 48 /* longest addr_str() with its NUL */
#define EID_STR_MAX 72	/* "[4294967295]ipv6/128" with its NUL */
#define UUID_STR_MAX 37

/* Length of an address of this family in octets (0, 4, 16, 6) / in bits. */
size_t addr_len(uint16_t afi);
unsigned addr_bits(const struct addr *);

static inline bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool
eid_equal(const struct eid *a, const struct eid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * Order of locators in a record (RFC 9301 5.5): by {AFI, address}.
 * Returns <0, 0, >0.
 */
int addr_compare(const struct addr *, const struct addr *);

/* 'bytes' is addr_len(afi) octets in network order. */
struct addr addr_make(uint16_t afi, const void *bytes);

/*
 * What must never be a peer or an RLOC: none, unspecified (0/8), loopback,
 * multicast, broadcast 255.255.255.255, IPv6 link-local and IPv4-mapped; of
 * MAC addresses group ones and zero.
 */
bool addr_is_martian(const struct addr *);

/* Text of an IPv4, IPv6 or MAC address -> '*out'.  ERR_MALFORMED otherwise. */
enum err addr_parse(const char *text, struct addr *out) MUST_USE;

/* Writes text into 'buf' (ADDR_STR_MAX octets) and returns 'buf'. */
const char *addr_str(const struct addr *, char *buf);

/*
 * Socket address <-> addr; 'port' in host order.  '*len' is set, to 0 if the
 * address is neither IPv4 nor IPv6.
 */
struct sockaddr;
struct sockaddr_storage;
void addr_to_sockaddr(const struct addr *, uint16_t port,
    struct sockaddr_storage *out, unsigned *len);
/* IPv4-mapped IPv6 becomes IPv4.  ERR_UNSUPPORTED for other families. */
enum err addr_from_sockaddr(
    const struct sockaddr *, struct addr *out, uint16_t *port) MUST_USE;

/* An EID prefix; masks the host bits.  bits > addr_bits() is clamped. */
struct eid eid_make(uint32_t iid, const struct addr *, unsigned bits);
/* The host EID (/32, /128, /48). */
struct eid eid_host(uint32_t iid, const struct addr *);
bool eid_is_host(const struct eid *);

/* True if 'inner' lies in 'outer' (same instance and family, or equal). */
bool eid_covers(const struct eid *outer, const struct eid *inner);

/*
 * "10.1.0.0/16", "[7]10.1.0.0/16", "fd00::1" (host length) -> '*out'.
 * ERR_MALFORMED for anything else, host bits beyond the mask included.
 */
enum err eid_parse(const char *text, struct eid *out) MUST_USE;
/* "10.1.0.0/16", with instance-ID "[7]10.1.0.0/16"; 'buf' EID_STR_MAX. */
const char *eid_str(const struct eid *, char *buf);

/*
 * Wire address + mask-len -> key.  ERR_UNSUPPORTED for opaque or none,
 * ERR_MALFORMED if 'bits' is too large.
 */
enum err lisp_addr_eid(
    const struct lisp_addr *, unsigned bits, struct eid *out) MUST_USE;
/* Key -> wire address; in an instance-ID LCAF only if iid is not 0. */
struct lisp_addr lisp_addr_from_eid(const struct eid *);
struct lisp_addr lisp_addr_from_addr(const struct addr *);

/*
 * UUIDs (libvirt host and domain) and xTR-IDs: 16 octets.  Text with the four
 * dashes of RFC 9562 or with none; ERR_MALFORMED otherwise.
 */
enum err uuid_parse(const char *text, uint8_t out[16]) MUST_USE;
const char *uuid_str(const uint8_t uuid[16], char buf[UUID_STR_MAX]);
bool uuid_is_zero(const uint8_t uuid[16]);

#endif
