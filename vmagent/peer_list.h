/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_PEER_LIST_H
#define VMAGENT_PEER_LIST_H

/*
 * peer_list.h - who a vNIC talks to: a bounded table, and the order in which
 * peers matter.
 *
 * Key: the peer's address.  Owner: the list owns its entries.  Bound: two
 * classes, flows seen in both directions and flows seen in one, the first with
 * three quarters of 'max', the second with the rest.  At a class's bound its
 * entry that was quiet the longest goes, so that a scan, which gets no answers,
 * displaces other one-way entries and never a real peer.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/cpm.h"
#include "common/err.h"

enum { PEER_SENT = 1, PEER_RECEIVED = 2 }; /* by the guest: a bit mask */

struct peer_seen {
	struct addr addr;
	uint32_t iid;
	uint8_t dirs; /* PEER_SENT | PEER_RECEIVED */
	uint64_t bytes;
	struct mono last;
};

struct peer_list;

struct peer_list *peer_list_new(unsigned max); /* NULL: out of memory */
void peer_list_free(struct peer_list *);       /* accepts NULL */

/* A packet of 'bytes' to or from 'addr', which is no martian. */
void peer_list_note(struct peer_list *, const struct addr *addr, uint8_t dir,
    uint64_t bytes, struct mono now);

/* Copies at most 'max' entries, in no order; returns how many. */
unsigned
peer_list_read(const struct peer_list *, struct peer_seen *out, unsigned max);

/*
 * Sorts what matters most to the front: two-way before one-way, then by age (in
 * powers of two of a second), then by bytes.  Entries older than 'age_s' and
 * repeated addresses (of the same instance) are removed.  Returns how many are
 * left.
 */
unsigned
peer_rank(struct peer_seen *, unsigned n, int64_t age_s, struct mono now);

#endif
