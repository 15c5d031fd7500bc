/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REQUESTERS_H
#define XTR_REQUESTERS_H

/*
 * requesters.h - who has the mapping of an EID: ITRs that asked for it, and
 * outer sources of its data.  docs/cpm.md 6.10.
 *
 * Key: (EID, RLOC of the ITR).  Bound: conf->mobility.requesters_max per EID,
 * of them at most REQUESTERS_UNCONFIRMED_MAX not confirmed by data; the oldest
 * unconfirmed goes first, a confirmed one never for an unconfirmed one.
 * Entries die after requester_age_s.  Kept in the store.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "xtr/xtr.h"

#define REQUESTERS_UNCONFIRMED_MAX 128

struct requester {
	struct addr rloc;
	bool confirmed; /* data came from it */
	bool has_source;
	struct eid source; /* an EID of its side */
	int64_t seen_ms;   /* wall clock */
	int64_t data_ms;   /* wall clock of its last data, 0 = none */
};

struct requesters *requesters_new(struct xtr *);
void requesters_free(struct requesters *); /* accepts NULL */

/*
 * 'rloc' asked for 'eid' (or sent data for it: 'data').  'source' is an EID of
 * its side or NULL.  RLOCs of our site and martians are ignored; the other xTRs
 * of the site are told (partner.h).  O(1), no store write
 * for data that changes nothing but the time within a second.
 */
void requesters_note(struct xtr *, const struct eid *eid,
    const struct addr *rloc, const struct eid *source, bool data);

/* The same, said by a partner, which need not be told. */
void requesters_told(struct xtr *, const struct eid *eid,
    const struct addr *rloc, const struct eid *source, bool data);

/* Calls 'fn' for each requester of 'eid', confirmed ones first. */
void requesters_walk(struct xtr *, const struct eid *eid,
    bool (*fn)(void *arg, const struct requester *), void *arg);
/* Forgets them all. */
void requesters_forget(struct xtr *, const struct eid *eid);

#endif
