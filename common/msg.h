/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_MSG_H
#define COMMON_MSG_H

/*
 * msg.h - one plain struct per control message: the border between bytes and
 * logic.  Host byte order throughout.
 *
 * A decoder checks the whole message.  Mapping records are not kept (a message
 * may carry thousands of locators): 'records' is the validated stretch of the
 * message, walked with records_next(), which cannot fail any more.  Everything
 * borrowed points into the message and lives as long as its buffer.
 *
 * 'vendor': an LCAF of type 255 is somewhere in it.  Who does not know its OUI
 * MUST drop the message (RFC 9306 4); a decoder knows no OUI and does not care.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"
#include "lisp.h"
#include "wire.h"

struct locator { /* RFC 9301 5.4, RLOC record */
	uint8_t priority, weight, mpriority, mweight;
	bool local;	/* L */
	bool probed;	/* p */
	bool reachable; /* R */
	struct lisp_addr addr;
};

struct mapping { /* RFC 9301 5.4, EID record */
	uint32_t ttl_min;
	uint8_t action;	    /* enum lisp_action, or 6, 7 */
	bool authoritative; /* A */
	uint16_t version;   /* 12 bits, 0 = none */
	uint8_t eid_bits;
	struct lisp_addr eid;
	uint8_t n_locators;
	struct locator locators[LISP_LOCATORS_MAX];
};

struct records {
	const uint8_t *at;
	size_t len;
	unsigned left;
};

/*
 * Next record into '*out'; false after the last.  Only after a decode.
 * Locators from n_locators on are left as they were.
 */
bool records_next(struct records *, struct mapping *out);

/* One record, alone; all or nothing.  Used by the above, store and tests. */
enum err mapping_decode(struct wire_reader *, struct mapping *out) MUST_USE;
void mapping_encode(struct wire_writer *, const struct mapping *);

struct request_record { /* RFC 9301 5.2; N: RFC 9437 4 */
	bool notify;	/* N */
	uint8_t eid_bits;
	struct lisp_addr eid;
};

struct map_request {
	bool authoritative; /* A */
	bool has_mapping;   /* M */
	bool probe;	    /* P */
	bool smr;	    /* S */
	bool pitr;	    /* p */
	bool smr_invoked;   /* s */
	bool has_xtr_id;    /* I */
	bool local_xtr;	    /* L */
	bool no_reply;	    /* D */
	uint64_t nonce;
	struct lisp_addr source_eid;
	unsigned n_itr_rlocs; /* IRC + 1 */
	struct lisp_addr itr_rlocs[LISP_ITR_RLOCS_MAX];
	unsigned n_records;
	struct request_record records[LISP_RECORDS_MAX];
	struct records mapping; /* one encoded record when has_mapping */
	uint8_t xtr_id[16];
	uint64_t site_id;
	bool vendor;
};

struct map_reply {
	bool probe;	 /* P */
	bool echo_nonce; /* E */
	bool security;	 /* S: LISP-SEC data follows, see 'trailer' */
	uint64_t nonce;
	unsigned n_records;
	struct records records;
	bool vendor;
	const uint8_t *trailer; /* octets after the records, borrowed */
	size_t trailer_len;
};

struct auth_header { /* same octets in types 3, 4, 5, 7 and 15 */
	uint8_t key_id;
	uint8_t algorithm;   /* enum auth_algorithm, or unknown */
	uint16_t len;	     /* of the authentication data, octets */
	const uint8_t *data; /* borrowed */
};

struct map_register {
	bool proxy;	  /* P */
	bool security;	  /* S */
	bool has_xtr_id;  /* I */
	bool eid_notify;  /* E */
	bool use_ttl;	  /* T */
	bool merge;	  /* a */
	bool want_notify; /* M */
	uint64_t nonce;
	struct auth_header auth;
	unsigned n_records;
	struct records records;
	uint8_t xtr_id[16];
	uint64_t site_id;
	bool vendor;
	const uint8_t *trailer; /* octets after all of that */
	size_t trailer_len;
};

struct map_notify { /* Map-Notify and Map-Notify-Ack */
	enum lisp_type type;
	bool has_xtr_id; /* bit 4 of the NAT draft, if the ids fit */
	uint64_t nonce;
	struct auth_header auth;
	unsigned n_records;
	struct records records;
	uint8_t xtr_id[16];
	uint64_t site_id;
	bool vendor;
	const uint8_t *trailer;
	size_t trailer_len;
};

struct referral_signature {		    /* RFC 8111 6.4.1 */
	uint32_t original_ttl_min;	    /* Record TTL that was signed */
	uint32_t expiration_s, inception_s; /* since 1970 UTC */
	uint16_t key_tag;
	uint8_t algorithm; /* 2: RSA-SHA256 */
	uint16_t len;
	const uint8_t *data; /* borrowed */
};

struct referral { /* a record of a Map-Referral, RFC 8111 6.4 */
	uint32_t ttl_min;
	enum lisp_referral action;
	bool authoritative; /* A */
	bool incomplete;    /* I: not to be cached */
	uint16_t version;
	uint8_t eid_bits;
	struct lisp_addr eid; /* XEID */
	uint8_t n_locators;   /* the referral set */
	struct locator locators[LISP_LOCATORS_MAX];
	uint8_t n_signatures;
	struct referral_signature signatures[LISP_SIGNATURES_MAX];
};

struct map_referral {
	uint64_t nonce;
	unsigned n_records;
	struct records records; /* walked with referrals_next() */
	bool vendor;
	const uint8_t *trailer;
	size_t trailer_len;
};

/* Next record into '*out'; false after the last.  As records_next(). */
bool referrals_next(struct records *, struct referral *out);
void referral_encode(struct wire_writer *, const struct referral *);

/*
 * Info-Request and Info-Reply, draft-ermagan-lisp-nat-traversal 4.1, 4.2.  The
 * draft has a key-id of 16 bits; its algorithms 1 and 2 are ours under key-id 0.
 */
struct info {
	bool reply; /* R */
	uint64_t nonce;
	struct auth_header auth;
	uint32_t ttl_min;
	uint8_t eid_bits;
	struct lisp_addr eid;  /* AFI 0: none, as lispers.net has it */
	struct lisp_addr name; /* request: AFI 0, or lispers.net: a name */
	struct lisp_addr nat;  /* reply: an LCAF_NAT, see lcaf_decode() */
	bool vendor;
	const uint8_t *trailer;
	size_t trailer_len;
};

struct ecm {			      /* RFC 9301 5.8 */
	bool security;		      /* S */
	bool ddt;		      /* D */
	bool to_etr;		      /* E */
	bool to_ms;		      /* M */
	bool rtr;		      /* R, NAT draft */
	bool nat;		      /* N, NAT draft */
	const uint8_t *security_data; /* S = 1: AD, borrowed */
	size_t security_len;
	struct addr source, destination; /* inner, one family */
	uint16_t source_port, destination_port;
	uint8_t ttl;		/* inner TTL or hop limit; 0 = 64 on encode */
	bool no_checksum;	/* inner UDP checksum was 0; IPv4 only */
	const uint8_t *payload; /* the inner LISP control message, borrowed */
	size_t payload_len;
};

/* Type of a control message (first four bits); -1 if empty. */
int msg_type(const uint8_t *bytes, size_t len);

/*
 * The decoders.  'bytes' must outlive '*out'.  All or nothing: on error '*out'
 * is untouched.  ERR_TRUNCATED, ERR_MALFORMED, ERR_UNSUPPORTED (unknown AFI),
 * ERR_ALGORITHM (an authentication algorithm that RFC 9301 12.5 has not).
 * They neither authenticate nor look anything up.
 */
enum err map_request_decode(
    const uint8_t *bytes, size_t len, struct map_request *out) MUST_USE;
enum err map_reply_decode(
    const uint8_t *bytes, size_t len, struct map_reply *out) MUST_USE;
enum err map_register_decode(
    const uint8_t *bytes, size_t len, struct map_register *out) MUST_USE;
enum err map_notify_decode(const uint8_t *bytes, size_t len,
    struct map_notify *out) MUST_USE; /* types 4 and 5 */
/* A record's action is one of RFC 8111 6.4, and has its referral set. */
enum err map_referral_decode(
    const uint8_t *bytes, size_t len, struct map_referral *out) MUST_USE;
enum err
info_decode(const uint8_t *bytes, size_t len, struct info *out) MUST_USE;
/* Checks the inner IP and UDP headers and checksums, RFC 9301 5.8. */
enum err ecm_decode(const uint8_t *bytes, size_t len, struct ecm *out) MUST_USE;

/*
 * Only the authentication header of types 3, 4, 5, 7 and 15 (RFC 9301 5.6), the
 * cheap step before a MAC is computed.  The length must be one of the
 * algorithm's: none 0, SHA-1 12 or 20, SHA-256 16 or 32.
 */
enum err auth_header_decode(
    const uint8_t *bytes, size_t len, struct auth_header *out) MUST_USE;

/*
 * The encoders write to 'w' and leave a failure (ERR_FULL) in it.  Records are
 * written by the caller with mapping_encode() after the header; 'n_records'
 * says how many will follow.  The authentication data is zero, auth.len octets
 * (auth.data is not read); auth_sign() fills it in when all is written.
 * map_register_trailer() writes xTR-ID and Site-ID after the records.
 */
void map_request_encode(struct wire_writer *, const struct map_request *);
void map_reply_header(struct wire_writer *, const struct map_reply *);
void map_register_header(struct wire_writer *, const struct map_register *);
void map_register_trailer(struct wire_writer *, const struct map_register *);
void map_notify_header(struct wire_writer *, const struct map_notify *);
void map_notify_trailer(struct wire_writer *, const struct map_notify *);
void map_referral_header(struct wire_writer *, const struct map_referral *);
void info_encode(struct wire_writer *, const struct info *); /* whole */
/* Whole ECM with inner headers, checksums and m->payload. */
void ecm_encode(struct wire_writer *, const struct ecm *m);

/* One address with its AFI; the other half is addr_decode(). */
void lisp_addr_encode(struct wire_writer *, const struct lisp_addr *);
void lisp_addr_decode(struct wire_reader *, struct lisp_addr *out);
/* The same inside so many LCAFs; at LISP_LCAF_DEPTH_MAX no other may open. */
void lisp_addr_decode_at(
    struct wire_reader *, unsigned depth, struct lisp_addr *out);

/* Type of the LCAF that 'a' carries as octets; -1 if it does not. */
int lisp_addr_lcaf_type(const struct lisp_addr *a);
bool lisp_addr_is_name(const struct lisp_addr *a); /* RFC 9735 */

/*
 * The same where an EID stands: there an LCAF type or vendor that we do not
 * know is ERR_UNSUPPORTED (RFC 9306 3, 4), where a locator is carried opaque.
 */
void lisp_eid_decode(struct wire_reader *, struct lisp_addr *out);

/*
 * Largest mask-len for this wire address: addr_bits() of a plain one, 8 per
 * octet of a distinguished name (RFC 9735), 255 for another opaque one.
 */
unsigned lisp_addr_bits(const struct lisp_addr *);

/* Sum of RFC 1071 over 'len' octets, added to 'sum'; fold with checksum(). */
uint32_t checksum_add(uint32_t sum, const void *bytes, size_t len);
uint16_t checksum_fold(uint32_t sum);

#endif
