/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_SUBSCRIBE_H
#define XTR_SUBSCRIBE_H

/*
 * subscribe.h - subscriptions to the mappings that we use.  RFC 9437 5, 6.
 *
 * Key: prefix, as the Map-Server named it.  Owner: this table.  Bound:
 * conf->itr.cache_max.  One that ended is kept, because its nonces must go on
 * rising; of those the oldest goes at the bound, and if there is none nothing
 * more is subscribed to.  Persistent.  A subscription is renewed while it is in
 * use and ends when nothing under its prefix is cached any more.
 */
#include "common/msg.h"
#include "xtr/xtr.h"

struct lookup;
struct lookup_nonce;

/* NULL if out of memory.  Reads the subscriptions from the store. */
struct subscriptions *subscriptions_new(struct xtr *);
void subscriptions_free(struct subscriptions *); /* accepts NULL */
/* After a reload: those at Map-Servers that are not configured end. */
void subscriptions_reload(struct xtr *);

/*
 * Makes of 'm', the 'round'th Map-Request of the question of 'l', which goes to
 * 'resolver' of 'system', one that subscribes, and gives it its nonce.  False:
 * this one is to ask only; 'm' is as before.
 */
bool subscribe_ask(struct lookup *l, const struct conf_mapping_system *system,
    const struct addr *resolver, unsigned round, struct map_request *m);

/*
 * A Map-Reply with this nonce came, where a Map-Notify may have been hoped for:
 * its Map-Resolver is not asked for subscriptions for a while.  True if the
 * reply only denies the subscription: it says nothing about the EID, which is
 * to be asked for again.
 */
bool subscribe_on_map_reply(struct xtr *, const struct lookup_nonce *,
    const struct eid *, const struct mapping *answer);

/*
 * A Map-Notify: confirmation or publication.  ERR_NOT_FOUND: it is not from a
 * Map-Server and key that we have for PubSub.  ERR_AUTH; ERR_NONCE: no such
 * subscription; ERR_REPLAY: not greater than the last nonce.
 */
enum err subscribe_on_map_notify(
    struct xtr *, const struct datagram *, const struct map_notify *) MUST_USE;

/* The map-cache has this entry no more; map_cache.c is the caller. */
void subscribe_on_uncached(struct xtr *, const struct eid *);

struct subscription_row {
	struct eid eid;
	struct addr map_server;
	const char *state; /* "active", "leaving", "ended" */
	uint64_t nonce;	   /* highest one heard */
	uint64_t published;
	int64_t since_ms, heard_ms; /* wall clock */
};
void subscriptions_walk(const struct xtr *,
    bool (*fn)(void *arg, const struct subscription_row *), void *arg);
size_t subscriptions_count(const struct xtr *);

#endif
