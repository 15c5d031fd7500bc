/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REGISTER_H
#define XTR_REGISTER_H

/*
 * register.h - Map-Register to every Map-Server of an EID's mapping system,
 * until its Map-Notify.  RFC 9301 5.6, 5.7, 8.2.
 *
 * Key: (Map-Server, EID).  States IDLE, SEND, WAIT-NOTIFY, REGISTERED.  A change
 * goes out at once and alone; the periodic refresh is spread over the interval
 * (+-10 %) and packs records up to the payload limit.  A retransmission has the
 * same records, a new nonce and a new MAC; a Map-Notify for any nonce of the
 * series acknowledges.  Bound: EIDs of eids.h x configured Map-Servers.
 */
#include "common/msg.h"
#include "xtr/eids.h"
#include "xtr/xtr.h"

struct registers *registers_new(struct xtr *);
void registers_free(struct registers *); /* accepts NULL */

/* Registers every static EID, packed and paced: after start. */
void registers_start(struct xtr *);
/*
 * x->conf is a new one and the eids follow it: static EIDs that are gone are
 * withdrawn, and what would be sent otherwise than it was registers anew;
 * 'changed' (or NULL) hears of each of those.
 */
void registers_reload(
    struct xtr *, void (*changed)(struct xtr *, const struct eid_entry *));

/* The EID is ours, or its record changed: Map-Register now, M = 1. */
void register_schedule(struct xtr *, const struct eid *);
/*
 * Several at once, not urgent (resync, move inside the site): packed and paced.
 */
void register_schedule_later(struct xtr *, const struct eid *);
/*
 * The record of an EID of ours changed, not its owner: Map-Register as above, of
 * a dynamic one packed with others.  Nothing if it is not registered, paused or
 * being withdrawn.
 */
void register_changed(struct xtr *, const struct eid *);
/*
 * Somebody else has it: everything pending or being retransmitted is cancelled,
 * packed messages are rebuilt without it; nothing is withdrawn.
 */
void register_cancel(struct xtr *, const struct eid *);
/* Cancels, and sends TTL 0 with M = 1 until acknowledged, if registered. */
void register_withdraw(struct xtr *, const struct eid *);
/* No refresh until register_schedule() (docs/cpm.md 6.6, 6.8, 6.13). */
void register_pause(struct xtr *, const struct eid *);

/* True if at least one Map-Server has confirmed the present record. */
bool register_is_confirmed(const struct xtr *, const struct eid *);

/*
 * Map-Notify: acknowledges a Map-Register (then mobility_on_registered() for
 * each dynamic EID), or is unsolicited: Map-Notify-Ack, then
 * mobility_on_map_notify() for own EIDs.  ERR_SOURCE, ERR_AUTH, ERR_NONCE.
 */
enum err register_on_map_notify(
    struct xtr *, const struct datagram *, struct map_notify *);

/* Rows for 'show': one per (Map-Server, EID). */
struct register_row {
	struct eid eid;
	struct addr map_server;
	const char *mapping_system;
	const char *state;
	int64_t sent_ms, confirmed_ms; /* wall clock, 0 = never */
	unsigned tries;
	uint8_t key_id, algorithm; /* that the next one is signed with */
};
void registers_walk(const struct xtr *,
    bool (*fn)(void *arg, const struct register_row *), void *arg);

#endif
