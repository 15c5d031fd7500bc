/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REACH_H
#define XTR_REACH_H

/*
 * reach.h - which RLOCs can be reached, and why we think so.  RFC 9301 7, 7.1.
 *
 * Key: RLOC address.  Owner: this table.  An RLOC is in it while somebody has
 * to do with it: a cached mapping (reach_use), a watch, or because it is ours.
 * Bound: REACH_MAX, beyond which the RLOC of a mapping is not looked after and
 * counts as up; ours and watched ones always find room (REACH_SPARE).
 *
 * Each cause speaks for itself: an RLOC is down while one of them says so.  A
 * change is seen at once by whoever asks here (map_cache_pick.c, etr.c), by the
 * data plane (dp_mapping_changed() of every mapping that has the RLOC) and by
 * watches; if the RLOC is ours, our EIDs register anew and their peers are
 * solicited (reach_own.c).
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/table.h"
#include "xtr/echo_nonce.h"
#include "xtr/xtr.h"

#define REACH_MAX 65536
#define REACH_SPARE 1024 /* on top, for our own and watched RLOCs */
/* reach_watch(): all RLOCs of a record, before and after a reload. */
#define REACH_WATCHES_MAX 512

enum reach_state { REACH_UNKNOWN, REACH_UP, REACH_DOWN, REACH_STATES };

enum reach_cause {    /* the first that says "down" is the one that is shown */
	REACH_CONFIG, /* somebody's decision: operator, partner xTR */
	REACH_INTERFACE, /* of our own RLOC: down, or without the address */
	REACH_ROUTE,	 /* the kernel has none, RFC 9301 7 (2) */
	REACH_PROBE,	 /* RFC 9301 7.1 */
	REACH_ICMP,	 /* unreachable, and no answer to the probes after */
	REACH_ECHO,	 /* echo-nonce, RFC 9300 10.1 */
	REACH_CAUSES
};

struct reach_probe;
struct reach_probes;
struct reach_use;
struct reach_watch;

struct reach_rloc {
	struct table_node by_addr;
	struct addr addr;
	struct xtr *x;
	bool own;		/* one of site.rlocs */
	uint8_t down, up;	/* causes that say so, bit by bit */
	struct mono changed;	/* state, as of reach_state() */
	int64_t changed_ms;	/* the same, wall clock; 0 = never */
	struct reach_use *uses; /* by cached mappings, newest first */
	size_t n_uses;
	struct reach_watch *watches;
	struct echo echo;
	struct mono data_sent;	   /* the last packet to it; 0 = none */
	struct reach_probe *probe; /* reach_probe.c's, NULL before the first */
};

struct reach *reach_new(struct xtr *);
void reach_free(struct reach *); /* accepts NULL */
/* x->conf is a new one: our own RLOCs, knobs. */
void reach_reload(struct xtr *);

/* False if it is known to be down; true for those that are not in the table. */
bool reach_is_up(const struct xtr *, const struct addr *rloc);
/* NULL if it is not in the table.  Borrowed until the next turn of the loop. */
struct reach_rloc *reach_find(const struct xtr *, const struct addr *rloc);
enum reach_state reach_state(const struct reach_rloc *);
/* What the state rests on; REACH_CAUSES while it is unknown. */
enum reach_cause reach_why(const struct reach_rloc *);
const char *reach_state_str(enum reach_state);
const char *reach_cause_str(enum reach_cause); /* "" for REACH_CAUSES */

/*
 * What one cause says; REACH_UNKNOWN takes back what it said.  Nothing happens
 * if the RLOC is not in the table.
 */
void reach_set(
    struct xtr *, const struct addr *rloc, enum reach_cause, enum reach_state);

/* --- mappings --- */

/*
 * The place of an RLOC in a cached mapping: a member of struct cache_locator.
 * 'eid' is the prefix of the mapping, which outlives the use.
 */
struct reach_use {
	struct reach_rloc *of; /* NULL: not looked after */
	const struct eid *eid;
	struct reach_use *next, **at;
};

/* '*use' must not move until reach_unuse(). */
void reach_use(struct xtr *, const struct addr *rloc, const struct eid *eid,
    struct reach_use *use);
void reach_unuse(struct reach_use *); /* accepts one that is zero */

/* The quick question of map_cache_pick.c. */
static inline bool
reach_use_is_up(const struct reach_use *u)
{
	return !u->of || !u->of->down;
}

/* --- watches --- */

/*
 * Looks after one RLOC, that of a partner xTR for instance, and calls 'fn' at
 * every change of its state, in the turn in which it changes; 'fn' may end its
 * own watch.  With 'interval_ms' > 0 the RLOC is probed that often whatever the
 * configuration says about probing: three intervals without an answer are down,
 * one answer is up.  'eid' is an EID prefix that the RLOC's ETR answers for;
 * NULL: that of a cached mapping, else one of ours (both xTRs of a site serve
 * them).  'eid' is copied.  NULL at REACH_WATCHES_MAX or without memory.
 */
typedef void reach_fn(void *arg, const struct addr *rloc, enum reach_state);
struct reach_watch *reach_watch(struct xtr *, const struct addr *rloc,
    const struct eid *eid, int64_t interval_ms, reach_fn *fn, void *arg);
void reach_unwatch(struct reach_watch *); /* accepts NULL */

/* The shortest interval of the watches of 'r', 0 without. */
int64_t reach_watch_interval(const struct reach_rloc *r);
/*
 * An EID prefix to probe 'r' with; 'nth' chooses among several.  False if there
 * is none.
 */
bool reach_probe_eid(const struct reach_rloc *r, unsigned nth, struct eid *out);

/* --- for the others of reach_*.c --- */

/* All, in no order; 'fn' must not add or remove any. */
void reach_walk(
    const struct xtr *, bool (*fn)(void *arg, struct reach_rloc *), void *arg);
size_t reach_count(const struct xtr *);
struct reach_probes *reach_probes(const struct xtr *); /* reach_probe.c's own */
struct mono *reach_icmp_bucket(const struct xtr *);    /* reach_icmp.c's */

#endif
