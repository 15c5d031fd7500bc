/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SNAPSHOT_H
#define XTR_SNAPSHOT_H

/*
 * snapshot.h - the map-cache in the store, so that an ITR that is started again
 * knows where its peers are.  map_cache.c is the only caller.  Without a store
 * all of it does nothing.
 */
#include "xtr/map_cache.h"

void snapshot_put(struct xtr *, const struct map_cache_entry *);
void snapshot_remove(struct xtr *, const struct eid *);

/*
 * Calls 'fn' for every entry whose TTL is not over.  'fn' takes 'locators' if
 * it returns true; otherwise the entry leaves the store.
 */
void snapshot_read(
    struct xtr *, bool (*fn)(struct xtr *, const struct map_cache_entry *));

#endif
