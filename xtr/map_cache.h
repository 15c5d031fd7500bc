/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MAP_CACHE_H
#define XTR_MAP_CACHE_H

/*
 * map_cache.h - mappings learned from Map-Replies, and their expiry.
 *
 * Key: EID prefix with instance-ID, longest match.  Owner: this table.  Bound:
 * conf->itr.cache_max; at the bound the least recently used entry goes, so a
 * scan from inside the site costs old entries, not memory.  Each entry has a
 * deadline: one used in the last minute asks for its refresh at 90 % of its TTL
 * through itr_refresh(), and it goes when the TTL is over.  Every change reaches
 * the data plane by dp_mapping_changed() and the store; what is read back from
 * there after a restart is asked for again as soon as it is used.
 *
 * There may be a million entries, and all may come due, or have to go, at once:
 * no turn of the loop does more than a few hundred of them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/msg.h"
#include "xtr/reach.h"
#include "xtr/xtr.h"

struct cache_locator {
	struct addr rloc;
	uint8_t priority, weight;
	bool reachable;	  /* R bit */
	bool status_down; /* locator-status-bits say so */
	uint8_t place;	  /* in the Map-Reply, from 1; 0 = not known */
	/* Where among the entry's octets the LCAF is that it came in, plus 1;
	 * 0: it came plain.  See map_cache_lcaf(). */
	uint16_t lcaf;
	struct reach_use use; /* whether it is up, as far as we know */
};

enum cache_origin {
	CACHE_UNKNOWN,
	CACHE_MAP_REPLY,   /* 'from' sent it */
	CACHE_MAP_NOTIFY,  /* of the Map-Server, RFC 9437 */
	CACHE_EARLIER_RUN, /* read back from the store */
	CACHE_ORIGINS
};

struct map_cache_entry {
	struct eid eid;
	uint32_t ttl_min;    /* as received, clamped */
	uint16_t version;    /* of the mapping, RFC 9302; 0 = none */
	struct addr from;    /* AFI_NONE: not known */
	uint16_t n_locators; /* IPv4 and IPv6 ones, in the record's order */
	/* Behind them: LCAFs we do not act on, to be shown. */
	uint16_t n_unused;
	uint8_t action; /* enum lisp_action, when n_locators is 0 */
	uint8_t origin; /* enum cache_origin */
	bool unsaved;	/* snapshot.c will write it */
	struct mono learned, expires;
	struct mono used; /* last packet; no meaning before the first */
	uint64_t packets, bytes;
	struct cache_locator *locators; /* and the octets of the LCAFs */
};

struct map_cache *map_cache_new(struct xtr *);
void map_cache_free(struct map_cache *); /* accepts NULL */

/* A packet of 'len' octets used the entry. */
static inline void
map_cache_used(struct map_cache_entry *e, size_t len, struct mono now)
{
	e->used = now;
	e->packets++;
	e->bytes += len;
}

/*
 * Stores 'm' (EID 'eid'), replacing an equal prefix.  TTL 0 removes it,
 * LISP_TTL_LOCAL means TTL_LOCAL_MIN, more than TTL_MAX_MIN is clamped; a less
 * specific one takes the earliest expiry of the more-specifics under it
 * (RFC 9301 5.5), of some thousands if there are more.  An LCAF locator counts
 * as the plain address that lcaf_rloc() has for it, of a family we have an RLOC
 * of, else it is only kept; a record without any other acts as action No-Action
 * (RFC 9306 3).  Copies.  ERR_NOMEM; the old entry is then as before.
 */
enum err map_cache_store(
    struct xtr *, const struct eid *eid, const struct mapping *m) MUST_USE;
void map_cache_remove(struct xtr *, const struct eid *);
/* Locator-status-bits say that 'l' of 'e' is down, or is not. */
void map_cache_set_status(struct xtr *, const struct map_cache_entry *e,
    struct cache_locator *l, bool down);
/*
 * 'm' is what the ETR itself says about 'eid': takes over its R bits, which go
 * before locator-status-bits.  False if its locators are not those of the entry.
 */
bool map_cache_set_reachable(
    struct xtr *, const struct eid *eid, const struct mapping *m);
/*
 * Removes every entry strictly inside 'eid' (RFC 9301 5.5, refresh).  If there
 * are many, the rest goes in the next turns, but for those stored since then.
 */
void map_cache_remove_under(struct xtr *, const struct eid *eid);
/* What was stored last for 'eid' came so; nothing if there is no entry. */
void map_cache_set_origin(struct map_cache *, const struct eid *eid,
    enum cache_origin, const struct addr *from);

/* Longest match / exact; NULL.  Borrowed until the next turn of the loop. */
struct map_cache_entry *
map_cache_match(const struct map_cache *, const struct eid *);
struct map_cache_entry *
map_cache_find(const struct map_cache *, const struct eid *);

/*
 * The locator for a flow: best priority among reachable ones of the families
 * we have an RLOC of, never one of ours; among several by weight and 'hash',
 * rendezvous hashing: a lost locator moves only its own flows.  RFC 9300 9, 12.
 * NULL if none is usable.
 */
const struct cache_locator *map_cache_pick(
    const struct xtr *, const struct map_cache_entry *, uint32_t hash);

/*
 * For map_cache.c: locators and action of 'out' from a record; 'locators' is the
 * caller's to free.  False if out of memory.
 */
bool map_cache_locators(
    const struct xtr *, const struct mapping *m, struct map_cache_entry *out);

/* The LCAF that 'l', one of 'e', came in -> '*out', borrowed; false: none. */
bool map_cache_lcaf(const struct map_cache_entry *e,
    const struct cache_locator *l, struct lisp_addr *out);

/*
 * Whether there is an entry in 'eid' or equal to it; with 'since' one that was
 * used after that.
 */
bool map_cache_holds(
    const struct map_cache *, const struct eid *, const struct mono *since);

void map_cache_walk(const struct map_cache *,
    bool (*fn)(void *arg, struct map_cache_entry *), void *arg);
/* Only those that cover 'eid', shortest first, then those in it. */
void map_cache_walk_about(const struct map_cache *, const struct eid *eid,
    bool (*fn)(void *arg, struct map_cache_entry *), void *arg);
size_t map_cache_count(const struct map_cache *);

#endif
