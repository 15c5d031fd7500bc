/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_PENDING_H
#define XTR_PENDING_H

/*
 * pending.h - Map-Requests that wait for their Map-Reply, and the packets that
 * wait with them.
 *
 * Key: EID asked; second index: the last PENDING_NONCES nonces of each.  Owner:
 * this table.  Bound: conf->itr.pending_max lookups, 64 per source EID, and
 * conf->itr.queue_packets packets each (4 MiB in all); the oldest packet goes.
 * A PENDING entry is never evicted for another one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "xtr/xtr.h"

#define PENDING_NONCES 4

struct pending_packet {
	struct pending_packet *next;
	struct mono queued;
	size_t len;
	uint8_t bytes[];
};

enum lookup_result {
	LOOKUP_MAPPING, /* 'mapping' is set, positive or negative */
	LOOKUP_OWN,	/* our own Map-Request came back to us: own RLOCs */
	LOOKUP_TIMEOUT,
};

struct mapping;
typedef void lookup_fn(struct xtr *, const struct eid *eid, enum lookup_result,
    const struct mapping *);

struct pending *pending_new(struct xtr *);
void pending_free(struct pending *); /* accepts NULL */
size_t pending_count(const struct pending *);

#endif
