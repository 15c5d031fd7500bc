/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CPM_H
#define COMMON_CPM_H

/*
 * cpm.h - the Change Priority Message and its family (LISP type 15, RFC 9304):
 * what a hypervisor tells its xTRs, xTRs tell those of other sites, and the
 * Acks.  Layout and meaning: docs/cpm.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"
#include "wire.h"

enum {
	CPM_SUBTYPE = 4000, /* default; configurable */
	CPM_VERSION = 1,
	CPM_HEADER = 92, /* octets before the EIDs */
	CPM_ACK_HEADER = 76,
	CPM_AUTH_LEN = 16,
	CPM_EIDS_MAX = 8,
	CPM_PARTS_MAX = 128,
	CPM_PEERS_SENT_MAX = 2048,
	CPM_PEERS_MAX = 16384, /* that fit into a UDP payload */
};

enum cpm_op {
	CPM_OP_CPM = 1, /* agent -> xTR */
	CPM_OP_ACK = 2,
	CPM_OP_NOTIFY = 3,     /* xTR -> xTRs of the other sites */
	CPM_OP_REQUESTERS = 4, /* xTR of an old site -> xTR of the new one */
};

enum cpm_reason {
	CPM_ARRIVED = 1,
	CPM_DEPARTING = 2,
	CPM_DEPARTED = 3,
	CPM_ABORTED = 4,
	CPM_PRESENT = 5,
	CPM_ARRIVING = 6,
	CPM_PAUSED = 7,
	CPM_ABSENT = 8,
};

enum cpm_kind {
	CPM_PEER = 1,  /* correspondent: an EID or any IP address */
	CPM_RLOC = 2,  /* RLOC of the new site (op 3) */
	CPM_ITR = 3,   /* RLOC of an ITR (op 4) */
	CPM_PXTR = 4,  /* RLOC of a proxy xTR (op 4) */
	CPM_OWNER = 5, /* 16 octets: Sender-ID of the owner */
	CPM_MAC = 6,   /* MAC of the EIDs' vNIC */
};

#define CPM_CONFIRMED 0x01 /* octet after kind 3: confirmed by data */

enum cpm_status {
	CPM_ACK_DONE = 0,
	CPM_ACK_NOTHING = 1, /* duplicate or overtaken */
	CPM_ACK_DIFFER = 2,  /* see the EIDs' own status */
	CPM_ACK_POLICY = 3,
	CPM_ACK_RATE = 4,
	CPM_ACK_MALFORMED = 5,
	CPM_ACK_NONCE = 6, /* stale nonce; highest given */
	CPM_ACK_INTERNAL = 8,
	CPM_ACK_STALE = 9, /* stale generation; highest given */
};

struct cpm_peer {
	uint8_t kind;	  /* enum cpm_kind; unknown ones are skipped */
	uint8_t flags;	  /* kind 3: CPM_CONFIRMED */
	uint32_t iid;	  /* of a correspondent in an instance-ID LCAF */
	struct addr addr; /* owner: AFI_IPV6 and the 16 octets */
};

struct cpm {
	uint16_t subtype;
	uint8_t version;
	enum cpm_op op;	 /* 1, 3 or 4 */
	bool ack_wanted; /* A */
	bool drained;	 /* D, op 4 reason 1 */
	uint64_t nonce;
	uint8_t key_id, algorithm;
	uint8_t sender_id[16];
	uint8_t vm_id[16]; /* zero = none */
	uint64_t generation;
	uint64_t event_ms; /* since 1970, information only */
	uint32_t series;
	uint16_t part, parts; /* 1-based */
	uint8_t reason;	      /* enum cpm_reason */
	uint8_t n_eids;
	struct eid eids[CPM_EIDS_MAX]; /* duplicates already removed */
	/* The peers: validated octets, walked with cpm_peer_next(). */
	struct records_peers {
		const uint8_t *at;
		size_t len;
		unsigned left;
		uint8_t kinds; /* 1 << kind of those this op and reason have */
	} peers;
	bool has_owner, has_mac; /* a group address or zero is no MAC */
	uint8_t owner[16];
	struct addr mac;
};

struct cpm_ack_eid {
	uint8_t status;
	struct eid eid;
};

struct cpm_ack {
	uint16_t subtype;
	uint64_t nonce; /* of the message acknowledged */
	uint8_t key_id, algorithm;
	uint8_t sender_id[16];
	uint32_t series;
	uint16_t part, parts;
	uint8_t status; /* enum cpm_status, or unknown */
	uint8_t reason;
	uint64_t highest_nonce;
	uint64_t highest_generation;
	uint8_t n_eids;
	struct cpm_ack_eid eids[CPM_EIDS_MAX];
};

/* The fields that choose key and order, before anything is believed. */
struct cpm_header {
	uint16_t subtype;
	uint8_t version, op, key_id, algorithm;
	uint64_t nonce;
	uint8_t sender_id[16];
};

/*
 * Octets 0 to 47, which keep their place in every version.  ERR_TRUNCATED,
 * ERR_MALFORMED (not type 15, authentication length not 16),
 * ERR_SUBTYPE (another's message, RFC 9304), ERR_ALGORITHM (not 2 or 3).
 */
enum err cpm_header_decode(const uint8_t *bytes, size_t len, uint16_t subtype,
    struct cpm_header *out) MUST_USE;

/*
 * Ops 1, 3, 4.  ERR_TRUNCATED, ERR_MALFORMED and those of the header: drop
 * without an Ack.
 * ERR_UNSUPPORTED: well-formed, but a version, op, reason, generation, owner
 * or MAC that this version forbids: Ack status 5; then header, EIDs and series
 * fields of '*out' are valid, as far as they could be read (of another version:
 * those of struct cpm_header, the rest 0; of another op: all or those).  The
 * bound of a generation ahead of the clock is the caller's.
 */
enum err cpm_decode(const uint8_t *bytes, size_t len, uint16_t subtype,
    struct cpm *out) MUST_USE;

/*
 * Next peer that counts (a kind its op has, usable address); false after the
 * last.  Owner and MAC come too.
 */
bool cpm_peer_next(struct records_peers *, struct cpm_peer *out);

/* ERR_TRUNCATED, ERR_MALFORMED, ERR_UNSUPPORTED: drop the Ack. */
enum err cpm_ack_decode(const uint8_t *bytes, size_t len, uint16_t subtype,
    struct cpm_ack *out) MUST_USE;

/*
 * Writes 'm' with 'n_peers' peers (owner and MAC are peers here: entries of
 * kind 5 and 6 of 'peers', m->peers is not read).  The version is always
 * CPM_VERSION.  MAC zero; auth_sign() next.  ERR_FULL in the writer if there is
 * no room or a count is out of range.
 */
void cpm_encode(struct wire_writer *, const struct cpm *m,
    const struct cpm_peer *peers, unsigned n_peers);
void cpm_ack_encode(struct wire_writer *, const struct cpm_ack *);

/*
 * How many of 'peers' go into one part of at most 'payload' octets, counted
 * from the first; a kind 3 entry and the kind 1 entry behind it stay together.
 */
unsigned cpm_peers_fit(const struct cpm *m, const struct cpm_peer *peers,
    unsigned n_peers, size_t payload);

/* Octets of one peer in a message. */
size_t cpm_peer_len(const struct cpm_peer *);

const char *cpm_reason_str(uint8_t reason);
const char *cpm_status_str(uint8_t status);

#endif
