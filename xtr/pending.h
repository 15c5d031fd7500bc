/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_PENDING_H
#define XTR_PENDING_H

/*
 * pending.h - Map-Requests that wait for their Map-Reply, and the packets that
 * wait with them.
 *
 * Key: EID asked; second index: the last PENDING_NONCES nonces of each.  Owner:
 * this table.  Bound: conf->itr.pending_max open questions, PENDING_PER_SOURCE
 * of them per source EID, and conf->itr.queue_packets packets each
 * (PENDING_BYTES_MAX in all); the oldest packet of the lookup goes.  An open
 * question is never evicted.  A lookup stays for the limits' sake after its
 * answer, or because an SMR waits for its limit: PENDING_SPARE times as many;
 * at that bound the oldest one goes that is over or waits for a stranger's SMR.
 *
 * The table knows no role: itr.c decides when to ask and what an answer means.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/table.h"
#include "common/trie.h"
#include "xtr/xtr.h"

#define PENDING_NONCES 4
#define PENDING_PER_SOURCE 64
#define PENDING_BYTES_MAX (4u << 20)
#define PENDING_SPARE 4

struct pending_packet {
	struct pending_packet *next;
	struct mono queued;
	size_t len;
	uint8_t bytes[]; /* FORWARD_ROOM free octets, then the packet */
};

enum lookup_result {
	LOOKUP_MAPPING, /* 'mapping' is set, positive or negative */
	LOOKUP_OWN,	/* our own Map-Request came back to us: own RLOCs */
	LOOKUP_TIMEOUT,
};

struct mapping;
typedef void lookup_fn(struct xtr *, const struct eid *eid, enum lookup_result,
    const struct mapping *);

struct lookup_ask { /* one itr_ask() */
	struct lookup_ask *next;
	lookup_fn *fn;
	struct mono deadline;
};

struct lookup_nonce {
	struct table_node by_nonce;
	uint64_t nonce; /* 0 = free */
	struct mono sent;
	struct addr resolver;
	bool subscribe; /* a Map-Notify may answer it; RFC 9437 */
	struct lookup *lookup;
};

struct pending_source { /* how many open questions one source EID has */
	struct table_node by_eid;
	struct eid eid;
	unsigned n;
};

struct lookup {
	struct xtr *x;
	struct eid eid;
	struct loop_timer *timer;

	/* The open question. */
	bool asking;
	bool lasting; /* goes on when all itr_ask() are over */
	bool invoked; /* by an SMR: s bit */
	bool refresh; /* of a cached prefix */
	bool has_source;
	struct eid source;
	unsigned tries;	     /* Map-Requests sent for it */
	unsigned subscribes; /* of those: with the wish to subscribe */
	struct mono next;    /* when the next one goes */
	struct lookup_nonce nonces[PENDING_NONCES];
	unsigned next_nonce;
	struct pending_source *counted;

	/* What stays between questions. */
	struct mono sent;     /* the last Map-Request */
	struct mono earliest; /* none before: 1 s, hold-off; RFC 9301 5.3 */
	bool again;	      /* an SMR waits for the answer or for a limit */
	bool known;	      /* its sender is no stranger */
	bool delayed;	      /* counted as such */
	struct addr smr_from;
	struct mono smr_next; /* when to try again */

	unsigned n_packets;
	struct pending_packet *packets, **last_packet;
	struct lookup_ask *asks;

	bool spare;		       /* in the list of those that may go */
	struct lookup *newer, *older;  /* there */
	struct lookup *next_in_answer; /* scratch of itr.c */
};

struct limits;
struct pending {
	struct trie trie;
	struct table nonces, sources;
	size_t n_asking, bytes;
	struct lookup *newest, *oldest; /* spare ones */

	/* itr.c's own. */
	bool replaying;	   /* queued packets are being forwarded */
	struct addr *good; /* per mapping system: who answered last */
	size_t n_good;
	struct limits *smr_known, *smr_strangers;
	struct mono smr_total[2]; /* global buckets: known, strangers */
};

/* NULL if out of memory. */
struct pending *pending_new(struct xtr *);
void pending_free(struct pending *);	      /* accepts NULL */
size_t pending_count(const struct pending *); /* open questions */

struct lookup *pending_find(const struct pending *, const struct eid *);
/*
 * The lookup of 'eid', a new one without a question if there is none; NULL at
 * the bound.  'due' is its timer's callback.  May free spare ones.
 */
struct lookup *
pending_obtain(struct xtr *, const struct eid *, void (*due)(void *lookup));
void pending_remove(struct lookup *);
/* Whether it may go at the bound. */
void pending_set_spare(struct lookup *, bool spare);

/*
 * Opens the question; 'source' or NULL.  ERR_FULL at the bound of questions or
 * of those of the source.  pending_close() forgets the nonces, too, unless they
 * are to be kept for a late answer.
 */
enum err pending_open(struct lookup *, const struct eid *source) MUST_USE;
void pending_close(struct lookup *, bool keep_nonces);

/*
 * A nonce for a Map-Request to 'resolver'; the oldest is forgotten.  It is
 * 'wanted' if that is not 0 and not in use, else a fresh one.  0: no room.
 */
uint64_t
pending_nonce(struct lookup *, const struct addr *resolver, uint64_t wanted);
/* The nonce, if it is outstanding, else NULL. */
struct lookup_nonce *pending_by_nonce(const struct pending *, uint64_t nonce);

/* Copies the packet to the end of the queue. */
void pending_queue(struct lookup *, const uint8_t *packet, size_t len);
/* All packets, oldest first; the caller frees them. */
struct pending_packet *pending_take_packets(struct lookup *);
/* Drops those queued before 'before'; returns how many. */
unsigned pending_drop_packets(struct lookup *, struct mono before);

#endif
