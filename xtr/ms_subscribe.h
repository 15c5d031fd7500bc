/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MS_SUBSCRIBE_H
#define XTR_MS_SUBSCRIBE_H

/*
 * ms_subscribe.h - who wants to hear of changes of which prefix: the publisher
 * of RFC 9437, shared by the Map-Server's files only.
 *
 *	ms_subscribe.c        the table, what an xTR may ask for
 *	ms_subscribe_store.c  its copy in the store
 *	ms_publish.c          Map-Notifies to subscribers, until acknowledged
 *
 * Key: xTR-ID and prefix.  Owner: this table.  Bound: subscriptions-max of
 * map-server.pubsub, and subscriptions-per-xtr; one that ended stays for its
 * nonce's sake, and the oldest of those goes first.  At the bound no more are
 * taken.  A subscription has one Map-Notify under way; what changes meanwhile is
 * noted by EID, SUB_CHANGES_MAX of them, beyond which the subscription ends and
 * the xTR asks again.
 */
#include "xtr/ms.h"
#include "xtr/pubsub.h"

enum {
	SUB_RLOCS = 4,	       /* ITR-RLOCs kept of a subscription */
	SUB_CHANGES_MAX = 256, /* not yet published */
	SUB_ONCE = 64,
	SUB_GRACE_S = 60,	/* beyond the TTL: the renewal is on its way */
	SUB_BURST_US = 1000000, /* Map-Notifies at once: those of a second */
};

/* An xTR of the configuration, now or earlier. */
struct subscriber {
	struct table_node by_id;
	uint8_t xtr_id[16];
	const struct conf_subscriber *conf; /* NULL: not configured any more */
	size_t n;			    /* subscriptions */
	uint64_t told;			    /* scratch of ms_publish() */
};

struct sub_key { /* no padding: hashed as memory */
	uint8_t xtr_id[16];
	struct eid eid;
};

_Static_assert(sizeof(struct sub_key) == 40, "hashed as memory");

struct sub {
	struct table_node by_key;
	struct sub_key key;
	struct map_server *ms;
	struct subscriber *who;
	bool active;		    /* else only its nonce counts */
	struct sub *next_of_prefix; /* active ones */
	struct sub *newer, *older;  /* ended ones */
	uint64_t nonce;		    /* last one heard or sent */
	struct addr local;	    /* ours that it talks to, or AFI_NONE */
	struct addr rlocs[SUB_RLOCS];
	uint8_t n_rlocs, rloc; /* 'rloc': the one in use */
	int64_t expires_us;
	int64_t since_ms, acked_ms; /* wall clock */
	uint64_t published;
	struct loop_timer *timer;

	/* What the xTR does not know yet: the first n_flight are in the message
	 * under way. */
	struct eid *changes;
	unsigned n_changes, max_changes, n_flight;
	uint8_t *flight; /* NULL, or the message that waits for its Ack */
	size_t flight_len;
	bool confirming; /* it confirms the subscription */
	bool last;	 /* it says that the mapping is gone */
	bool resend;	 /* its time has come again */
	bool overflow;	 /* changes were forgotten */
	unsigned sent;
	struct mono resend_at;

	bool ready; /* in the queue of those that have something to send */
	struct sub *next_ready;
};

struct subs {
	struct table subs;	  /* struct sub */
	struct trie prefixes;	  /* the first active struct sub of each */
	struct table subscribers; /* struct subscriber */
	struct sub *newest, *oldest;
	struct sub *ready, **last_ready;
	struct mono paced; /* when the bucket is full again */
	struct loop_timer *pace;
	uint64_t telling;
	struct mapping *scratch;
	/* Between ms_publish_begin() and _end(): the record before. */
	bool concerned;
	uint8_t *before;
	size_t before_len;
	/* Nonces of messages that nobody repeats: their Acks are no surprise. */
	uint64_t once[SUB_ONCE];
	unsigned n_once;
};

/* ms_subscribe.c */

/* ERR_NOMEM.  ms_subs_load(): what the store has; after the registrations. */
enum err ms_subs_init(struct map_server *) MUST_USE;
void ms_subs_load(struct map_server *);
void ms_subs_fini(struct map_server *);
/* After a reload: subscriptions of xTRs that are not configured end. */
void ms_subs_reload(struct map_server *);

/*
 * Whether the Map-Request 'm' may subscribe: ERR_AUTH if its xTR shares no key
 * with us, ERR_POLICY if it may not from there or with those ITR-RLOCs.
 * ERR_ROLE: without "pubsub"; the wish is ignored.
 */
enum err ms_subscribe_check(const struct map_server *, const struct datagram *,
    const struct map_request *) MUST_USE;
/* True if 'm' takes a subscription back: one ITR-RLOC, of AFI 0. */
bool ms_is_unsubscribe(const struct map_request *);

/*
 * Subscribes the sender of 'm' to the prefix of records[0], which with the other
 * records is the answer to what it asked, and sends it the Map-Notify.  After
 * ms_subscribe_check().  'temporary': nothing is registered there.
 * ERR_REPLAY: drop it; ERR_FULL: several records do not fit a message;
 * ERR_NOMEM: no room, answer as without the wish.
 */
enum err ms_subscribe(struct map_server *, const struct datagram *,
    const struct map_request *, const struct mapping *const *records,
    unsigned n, bool temporary) MUST_USE;
/* Takes it back; confirmed to the source RLOC.  ERR_NOT_FOUND, ERR_REPLAY. */
enum err ms_unsubscribe(struct map_server *, const struct datagram *,
    const struct map_request *, const struct eid *) MUST_USE;

/* Not active any more; forgets what is under way. */
void sub_end(struct sub *);
/* A new one, ended, not in the store; NULL at the bound. */
struct sub *
sub_new(struct map_server *, struct subscriber *, const struct eid *, uint64_t);
void sub_activate(struct sub *);
/* The subscriber, made if need be, or NULL. */
struct subscriber *subscriber_get(struct map_server *, const uint8_t id[16]);
uint32_t sub_lifetime_s(uint32_t ttl_min, bool temporary);

/* ms_subscribe_store.c */

void sub_save(const struct sub *);
void sub_unsave(const struct sub *);
void subs_read(struct map_server *);

/* ms_publish.c */

/*
 * Around a change of the mapping of 'eid'; ms_publish_end() publishes it if it
 * is another one.  ms_publish(): it is another one.
 */
void ms_publish_begin(struct map_server *, const struct eid *);
void ms_publish_end(struct map_server *, const struct eid *);
void ms_publish(struct map_server *, const struct eid *);
/* Timer of struct sub / of struct subs.pace. */
void sub_due(void *sub);
void subs_pace_due(void *map_server);
/* Confirms the subscription with these records.  ERR_FULL, ERR_NOMEM. */
enum err sub_confirm(
    struct sub *, const struct mapping *const *records, unsigned n) MUST_USE;
/* One Map-Notify of its present nonce that nobody repeats. */
void sub_tell_once(struct sub *, const struct addr *to, const struct mapping *);
/* All that there is under its prefix is published again. */
void sub_publish_all(struct sub *);
void sub_arm(struct sub *);
/* Forgets what is under way. */
void sub_flight_free(struct sub *);
void sub_unready(struct sub *);
/*
 * A Map-Notify-Ack that may be for one of them.  ERR_NONCE: it is not.
 */
enum err ms_publish_on_ack(struct map_server *, const struct datagram *,
    const struct map_notify *) MUST_USE;

#endif
