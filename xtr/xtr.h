/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_XTR_H
#define XTR_XTR_H

/*
 * xtr.h - struct xtr, the one context of xtrd: made in main(), passed down.
 *
 * A member that is a pointer to an incomplete type belongs to the file of that
 * name; NULL means the role is not configured.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "xtr/conf.h"
#include "xtr/counters.h"

struct dp;
struct ecm;
struct eids;
struct map_cache;
struct map_versions;
struct map_server;
struct mobility;
struct moves;
struct notify;
struct output;
struct input;
struct partners;
struct pending;
struct registers;
struct reach;
struct reach_kernel;
struct replies;
struct requesters;
struct route;
struct segments;
struct smrs;
struct store;
struct subscriptions;

struct xtr {
	const struct xtr_conf *conf;
	const struct clock *clock;
	struct loop *loop;
	struct counters counters;

	struct store *store;
	struct input *input;
	struct output *output;
	struct eids *eids;
	struct requesters *requesters;
	struct reach *reach;
	struct reach_kernel *reach_kernel;
	struct map_versions *map_versions;
	struct mono status_bits_from; /* L = 0 until then; 0: no limit */
	struct map_cache *map_cache;
	struct pending *pending;
	struct partners *partners;
	struct subscriptions *subscriptions;
	struct registers *registers;
	struct smrs *smrs;
	struct mobility *mobility;
	struct notify *notify;
	struct moves *moves;
	struct map_server *map_server;
	struct replies *replies; /* made by the first reply_send() */
	struct route *route;
	struct segments *segments;
	struct dp *dp;
};

/* A control datagram on its way through the handlers. */
struct datagram {
	const uint8_t *bytes;
	size_t len;
	struct addr from; /* outer source */
	uint16_t port;	  /* its port */
	struct addr to;	  /* the address of ours it came to; AFI_NONE unknown */
	/* NULL, or the ECM that 'bytes' was taken out of; answers to a
	 * Map-Request then go to ecm->source_port, RFC 9301 5.8. */
	const struct ecm *ecm;
};

/*
 * Opens the store and makes every table; 'conf', 'clock' and 'loop' are set,
 * the rest is zero.  After an error xtr_close() frees what there is.
 */
enum err xtr_open(struct xtr *) MUST_USE;
/*
 * Goes on with what the store says: EIDs, unfinished moves, registrations.
 * Sockets and data plane are there.
 */
void xtr_resume(struct xtr *);
/* Commits, then frees all that xtr_open() made. */
void xtr_close(struct xtr *);

/* Our first RLOC of this family that is up, else the first, or NULL. */
const struct addr *xtr_rloc(const struct xtr *, uint16_t afi);
/* True if it is one of our RLOCs. */
bool xtr_rloc_is_own(const struct xtr *, const struct addr *);

static inline struct mono
xtr_now(const struct xtr *x)
{
	return loop_now(x->loop);
}

#endif
