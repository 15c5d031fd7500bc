/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_ANNOUNCE_H
#define XTR_ANNOUNCE_H

/*
 * announce.h - tells the hosts of a segment where an EID is: three times, at
 * 0, 100 and 500 ms.  docs/cpm.md 6.4.
 *
 * Key: EID.  Owner: this table.  Bound: conf->mobility.eids_max series; what
 * comes beyond is sent once.  A newer series for the EID replaces the older.
 */
#include "xtr/neighbour.h"
#include "xtr/xtr.h"

struct announcer;

/* ERR_IO after logging why (the packet socket needs CAP_NET_RAW). */
enum err announcer_new(struct xtr *, struct announcer **out) MUST_USE;
void announcer_free(struct announcer *); /* accepts NULL */

/* "'eid' is at 'mac'" on this interface, from now on. */
void announce(struct announcer *, int ifindex, const struct neighbour_sender *,
    const struct eid *eid, const struct addr *mac);
/* Ends the series, if one runs. */
void announce_cancel(struct announcer *, const struct eid *eid);
/* Asks 'mac' once whether it is 'eid', so that the kernel hears its answer. */
void announce_question(struct announcer *, int ifindex,
    const struct neighbour_sender *, const struct eid *eid,
    const struct addr *mac);

#endif
