/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_AGENDA_H
#define COMMON_AGENDA_H

/*
 * agenda.h - one deadline per entry of a large table.
 *
 * For tables whose entries are too many for a loop_timer each: a place costs 16
 * octets here and 4 in the entry, and however many are due at once, a turn of the
 * loop runs at most 'per_turn' of them, the earliest first; the rest follow in
 * the next turns, with descriptors and other timers in between.
 *
 * Key: the deadline.  Owner: the table owns its entries, the agenda holds
 * pointers to their nodes.  Bound: the table's.  Add, move and remove are
 * O(log n).
 */
#include <stdint.h>

#include "clock.h"
#include "err.h"

struct loop;
struct agenda;

struct agenda_node {
	uint32_t place; /* 0: in no agenda */
};

/*
 * NULL if out of memory.  'fn' gets a node whose time has come, already taken
 * out; it may add, move, remove and free any, this one included.
 */
struct agenda *agenda_new(struct loop *, unsigned per_turn,
    void (*fn)(void *arg, struct agenda_node *), void *arg);
void agenda_free(struct agenda *); /* accepts NULL; nodes stay the caller's */

/*
 * Sets the deadline of a node, in the agenda or not; the past is now.  ERR_NOMEM
 * only if it was not in it, and then only beyond the highest number of nodes
 * that there was so far: an agenda_add() in 'fn' of the node taken out succeeds.
 */
enum err agenda_add(
    struct agenda *, struct agenda_node *, struct mono deadline) MUST_USE;
/* As agenda_add() for a node that is in it; cannot fail. */
void agenda_move(struct agenda *, struct agenda_node *, struct mono deadline);
void agenda_remove(struct agenda *, struct agenda_node *); /* or not in it */

/* When the node's time comes; it must be in the agenda. */
struct mono agenda_deadline(const struct agenda *, const struct agenda_node *);

#endif
