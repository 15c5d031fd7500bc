/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MAP_VERSION_H
#define XTR_MAP_VERSION_H

/*
 * map_version.h - versions of mappings in data packets, RFC 9302; for networks
 * where everybody is trusted.
 *
 * The version of an EID prefix of ours is configuration (eids[].map-version) and
 * the same on all xTRs of the site; 0 is "none".  Kept here: when it changed, and
 * how often each ITR with an old one was told (key: RLOC and prefix; bound:
 * VERSION_PEERS_MAX, beyond which nobody is counted).
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/data.h"
#include "xtr/eids.h"
#include "xtr/map_cache.h"
#include "xtr/xtr.h"

enum {
	VERSION_PEERS_MAX = 4096,
	VERSION_TRIES = 10,	/* RFC 9302 7.1 */
	VERSION_ASK_MS = 3000,	/* ours: between questions about one EID */
	VERSION_FORGET_S = 600, /* ours: a peer that is not heard of */
};

struct map_versions;
struct map_versions *map_versions_new(struct xtr *);
void map_versions_free(struct map_versions *); /* accepts NULL */
/* x->conf is a new one. */
void map_versions_reload(struct xtr *);

/*
 * > 0 if 'a' is newer than 'b', < 0 if older, 0 if equal; neither is 0.
 * RFC 9302 6: half of the numbers are ahead, half behind.
 */
int map_version_compare(uint16_t a, uint16_t b);

/* Sets V and both versions, if the destination's mapping has one. */
void map_version_out(
    uint16_t own, const struct map_cache_entry *, struct data_header *h);

/*
 * What a packet from 'rloc' says about the mapping of 'own', an EID of ours that
 * it is for, and of 'source'.  False: drop it.  May ask 'rloc' to ask us (SMR), or
 * the mapping system for 'source'.
 */
bool map_version_in(struct xtr *, const struct data_header *h,
    const struct eid_entry *own, const struct eid *source,
    const struct addr *rloc);

#endif
