/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MOBILITY_H
#define XTR_MOBILITY_H

/*
 * mobility.h - the handover at the xTR: CPM in, decision, actions.
 * docs/cpm.md 4 to 6.
 */
#include "common/cpm.h"
#include "common/msg.h"
#include "xtr/eids.h"
#include "xtr/xtr.h"

struct mobility *mobility_new(struct xtr *);
void mobility_free(struct mobility *); /* accepts NULL */
/* Reads the store, resumes what was unfinished (docs/cpm.md 6.12). */
void mobility_start(struct xtr *);

/* x->conf is a new one: keys and authority follow it.  ERR_NOMEM. */
enum err mobility_reload(struct xtr *) MUST_USE;

/*
 * From input.c: what this turn wrote is not in the store.  Until it is, CPMs
 * are answered with status 8, so that no Ack promises what a crash takes back.
 */
void mobility_unsaved(struct xtr *);

/* Type 15: authenticates, checks replay and authority, decides, acks. */
enum err mobility_on_datagram(struct xtr *, const struct datagram *);

/* A configured sender by its Sender-ID, or NULL. */
struct sender;
const struct sender *mobility_sender(const struct xtr *, const uint8_t id[16]);
/* Somebody knows generation 'seen' of 'eid'. */
void mobility_on_seen(struct xtr *, const struct eid *, uint64_t seen);
/*
 * Notify 1 of 'generation' was answered with status 9, because 'highest' is
 * known there (docs/cpm.md 6.8).
 */
void mobility_on_stale(
    struct xtr *, const struct eid *, uint64_t generation, uint64_t highest);
/* From notify.c: no Notify 1 of the EID waits for an Ack any more. */
void mobility_on_told(struct xtr *, const struct eid *);
/*
 * Adds the RLOCs that serve the peers of 'eid' to its SMR audience; returns how
 * many peers are not resolved yet (asked for now).
 */
unsigned mobility_add_peers(struct xtr *, const struct eid *);
/* From smr.c: nobody is left to solicit. */
void mobility_on_converged(struct xtr *, const struct eid *);

/* From register.c: first valid Map-Notify for the record of 'eid'. */
void mobility_on_registered(
    struct xtr *, const struct eid *, const struct addr *map_server);
/* From register.c: unsolicited Map-Notify about an EID of ours or away. */
void mobility_on_map_notify(
    struct xtr *, const struct eid *, const struct mapping *);

/* From forward.c: data for 'e' was decapsulated from 'rloc'. */
void mobility_on_data(struct xtr *, struct eid_entry *e,
    const struct addr *rloc, const struct eid *source);

/*
 * xtrctl move EID --to-here (docs/cpm.md 6.11).  '*error' is a sentence on
 * failure.
 */
enum err mobility_move_here(
    struct xtr *, const struct eid *, const char **error) MUST_USE;

#endif
