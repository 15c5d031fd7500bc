/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MAP_SERVER_H
#define XTR_MAP_SERVER_H

/*
 * map_server.h - the Map-Server and Map-Resolver roles.  RFC 9301 8.
 *
 * Registrations: key EID prefix with instance-ID, longest match; owner: this
 * table; bound: conf->map_server.registrations_max, ERR_FULL beyond (counted,
 * the registrant gets no Map-Notify).  The record is kept as encoded octets, so
 * opaque LCAFs come back byte for byte: <= 300 octets for an EID with one
 * locator.  Persistent: a restart answers at once.
 */
#include "common/msg.h"
#include "xtr/xtr.h"

/* NULL if out of memory.  Reads the registrations from the store. */
struct map_server *map_server_new(struct xtr *);
void map_server_free(struct map_server *); /* accepts NULL */
/* After a reload: registrations outside the new configuration go. */
void map_server_reload(struct xtr *);

/*
 * Map-Register: key, MAC, nonce, authority, apply, Map-Notify; RFC 9301 8.2.
 * ERR_KEY_UNKNOWN, ERR_AUTH, ERR_REPLAY, ERR_POLICY (a record refused), ...
 */
enum err map_server_on_map_register(
    struct xtr *, const struct datagram *, struct map_register *);
enum err map_server_on_map_notify_ack(
    struct xtr *, const struct datagram *, struct map_notify *);

/*
 * A Map-Request (normally out of an ECM) as Map-Resolver and Map-Server:
 * proxy reply, forward to an ETR in a new ECM, negative reply, or forward to
 * map-resolver.forward-to.  Probes are dropped (ERR_POLICY).
 */
enum err map_server_on_map_request(
    struct xtr *, const struct datagram *, const struct map_request *);

struct registration_row {
	const char *site;
	struct eid eid;
	struct addr registrant; /* source of the Map-Register */
	uint8_t xtr_id[16];
	bool has_xtr_id, proxy, merge;
	uint8_t key_id, algorithm;	     /* of its last Map-Register */
	int64_t registered_ms, refreshed_ms; /* wall clock */
	int64_t expires_s;
	const struct mapping *mapping;
};
void map_server_walk(const struct xtr *,
    bool (*fn)(void *arg, const struct registration_row *), void *arg);
/* Only prefixes that cover 'about', are it, or lie in it: O(those). */
void map_server_walk_about(const struct xtr *, const struct eid *about,
    bool (*fn)(void *arg, const struct registration_row *), void *arg);
size_t map_server_count(const struct xtr *);

/* A subscription of RFC 9437, as the publisher sees it. */
struct ms_sub_row {
	struct eid eid;
	const char *name; /* of the subscriber */
	const uint8_t *xtr_id;
	const char *state; /* "ended", "confirming", "publishing", "active" */
	struct addr rloc;  /* that is in use */
	uint64_t nonce, published;
	unsigned waiting;	    /* EIDs that it has not acknowledged yet */
	int64_t since_ms, acked_ms; /* wall clock */
	int64_t expires_s;
};
void map_server_subs_walk(const struct xtr *,
    bool (*fn)(void *arg, const struct ms_sub_row *), void *arg);
size_t map_server_subs_count(const struct xtr *);

#endif
