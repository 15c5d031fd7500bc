/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_SERIES_H
#define VMAGENT_SERIES_H

/*
 * series.h - one statement about a VM as the CPMs that carry it.
 *
 * docs/cpm.md 3.4: at most eight EIDs of one vNIC make a series; a series has
 * as many parts as its peers need, each complete by itself.  Pure: the nonces
 * come in by argument.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/auth.h"
#include "common/cpm.h"
#include "common/err.h"
#include "vmagent/eids.h"
#include "vmagent/mobility.h"

/* What is said about a VM.  Owns its arrays. */
struct statement {
	uint8_t vm_id[16];
	char name[EIDS_NAME_MAX]; /* for logs */
	struct action_form form;
	bool side; /* about EIDs that the VM no longer has; see notify.h */
	uint64_t generation;
	uint64_t event_ms;
	unsigned n_nics; /* those with EIDs */
	struct vm_nic *nics;
	unsigned n_peers;
	struct cpm_peer *peers; /* kind 1, best first */
};

/*
 * Copies the EIDs of 'vm' and the peers.  NULL if out of memory; a VM without
 * EIDs gives a statement of no messages.
 */
struct statement *
statement_new(const struct vm_info *vm, const struct action_form *form,
    const struct cpm_peer *peers, unsigned n_peers);
void statement_free(struct statement *); /* accepts NULL */

/*
 * Appends the peers of 'from' that 'to' lacks, up to CPM_PEERS_SENT_MAX.
 * ERR_NOMEM: nothing changed.
 */
enum err statement_add_peers(
    struct statement *to, const struct statement *from) MUST_USE;

/* One CPM, encoded and signed. */
struct part {
	uint64_t nonce;
	bool first; /* of its series: what moves the EIDs */
	bool done;  /* answered */
	uint16_t len;
	uint8_t bytes[]; /* len octets */
};

/* What is the same for all messages to an xTR. */
struct series_conf {
	uint8_t sender_id[16];
	uint16_t subtype;
	size_t payload; /* largest message in octets */
	const struct auth_key *key;
};

/* How many parts 'm' needs: so many nonces. */
unsigned series_parts(const struct statement *m, const struct series_conf *);

/*
 * Encodes and signs all of them with the nonces 'nonce', nonce + 1, ... into
 * out[0 .. series_parts() - 1], each to be freed by the caller.
 * ERR_NOMEM, ERR_INTERNAL: nothing is left in 'out'.
 */
enum err series_encode(const struct statement *m, const struct series_conf *,
    uint64_t nonce, struct part **out) MUST_USE;

/* A copy of a part for another xTR with the same key; NULL: no memory. */
struct part *part_copy(const struct part *);

#endif
