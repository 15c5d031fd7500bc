/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_LOOKUP_H
#define XTR_LOOKUP_H

/*
 * lookup.h - the life of one lookup: when its Map-Request is sent, repeated,
 * given up; RFC 9301 5.3, 6.1.  itr.c is the only user.
 */
#include "xtr/pending.h"
#include "xtr/xtr.h"

/* As pending_obtain(), with lookup_run() as its timer. */
struct lookup *lookup_obtain(struct xtr *, const struct eid *);

/*
 * Opens the question unless it is open; lookup_run() then sends what the limits
 * allow.  'lasting': it goes on when all itr_ask() are over.  ERR_FULL, after
 * which 'l' may be freed.
 */
enum err
lookup_begin(struct lookup *l, const struct eid *source, bool lasting) MUST_USE;
/* Does all that is due and arms the timer; may free 'l'. */
void lookup_run(struct lookup *l);

/*
 * The question of 'l' is answered: tells those who asked, forwards the packets;
 * may free 'l'.
 */
void lookup_answered(
    struct lookup *l, enum lookup_result, const struct mapping *mapping);
/*
 * A mapping for its EID came another way: hands out the packets, and ends the
 * question unless somebody wants more than a mapping; may free 'l'.
 */
struct pending_packet *lookup_served(struct lookup *l);

/* Hands packets to forward.c again, in order, and frees them. */
void lookup_replay(struct xtr *, struct pending_packet *);

#endif
