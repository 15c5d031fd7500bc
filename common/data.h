/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_DATA_H
#define COMMON_DATA_H

/*
 * data.h - the LISP header of data packets (RFC 9300 5, UDP port 4341), with
 * the next-protocol form of LISP-GPE (RFC 9305 3).
 *
 * For what user space sees of the data plane: packets punted by it, held ones
 * that are encapsulated later, and the tests.  The fast path has its own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "wire.h"

enum data_protocol { /* RFC 9305 3, Next Protocol */
	DATA_IPV4 = 1,
	DATA_IPV6 = 2,
	DATA_ETHERNET = 3,
};

struct data_header {
	bool has_nonce;	  /* N; wins over V if both are set */
	bool has_lsb;	  /* L */
	bool echo;	  /* E, only with N */
	bool has_version; /* V */
	bool has_iid;	  /* I */
	bool gpe;	  /* P: the protocol is named in the header */
	uint32_t nonce;	  /* 24 bits */
	uint16_t source_version, destination_version; /* 12 bits */
	uint32_t iid;				      /* 24 bits */
	uint32_t lsb; /* 8 bits with has_iid, else 32 */
	enum data_protocol protocol;
	const uint8_t *inner; /* the inner packet, borrowed */
	size_t inner_len;     /* as its own header says */
};

/*
 * A whole UDP payload of port 4341.  Fields whose flag is clear are 0.  Checks
 * version and lengths of the inner packet, not what it says.  ERR_TRUNCATED,
 * ERR_MALFORMED; ERR_UNSUPPORTED: encrypted (RFC 8061), or a next protocol we
 * do not know.  On error '*out' is untouched.
 */
enum err data_header_decode(
    const uint8_t *bytes, size_t len, struct data_header *out) MUST_USE;

/* The 8 octets; the caller appends the inner packet. */
void data_header_encode(struct wire_writer *, const struct data_header *);

#endif
