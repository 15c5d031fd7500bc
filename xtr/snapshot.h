/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SNAPSHOT_H
#define XTR_SNAPSHOT_H

/*
 * snapshot.h - the map-cache in the store, so that an ITR that is started again
 * knows where its peers are.  map_cache.c is the only caller.  Without a store
 * all of it does nothing.
 *
 * A change is written at once, but no more than SNAPSHOT_WRITES of them every
 * SNAPSHOT_MS, so that the expiry or refresh of a whole table holds nobody up.
 * Beyond, the EIDs wait in a queue; at its bound a change is not written: the
 * store then has an older record, whose time is over the earlier.
 */
#include "xtr/map_cache.h"

enum {
	SNAPSHOT_MS = 20,
	SNAPSHOT_WRITES = 64,
	SNAPSHOT_QUEUE_MAX = 1 << 20,
};

struct snapshot;

/* NULL if out of memory. */
struct snapshot *snapshot_new(struct xtr *);
/* Writes what waits, x->map_cache still being there; accepts NULL. */
void snapshot_free(struct snapshot *);

/* At once, for what comes one by one. */
void snapshot_put(struct xtr *, const struct map_cache_entry *);
void snapshot_remove(struct xtr *, const struct eid *);

/* The entry of 'eid' is new, another one, or gone. */
void snapshot_changed(struct snapshot *, const struct eid *eid);

/*
 * Calls 'fn' for every entry whose TTL is not over.  'fn' takes 'locators' if
 * it returns true; otherwise the entry leaves the store.
 */
void snapshot_read(
    struct xtr *, bool (*fn)(struct xtr *, const struct map_cache_entry *));

#endif
