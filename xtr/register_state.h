/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REGISTER_STATE_H
#define XTR_REGISTER_STATE_H

/*
 * register_state.h - what the files of the registration share; the rest of the
 * program sees register.h.
 *
 *     register.c          what is to be registered: changes, states, timers
 *     register_send.c     Map-Registers out: packed, signed, numbered
 *     register_refresh.c  the periodic refresh
 *     register_notify.c   Map-Notifies in, Map-Notify-Acks out
 *     register_start.c    Map-Servers of the configuration, start, reload
 */
#include "common/msg.h"
#include "common/table.h"
#include "xtr/eids.h"
#include "xtr/register.h"
#include "xtr/xtr.h"

enum {
	REG_NONCES = 8,	   /* last ones of a record at a Map-Server */
	REG_RECENT = 4096, /* last ones of all: ours, if no longer needed */
	REG_WITHDRAW_TRIES = 8, /* by then the registration has expired */
	REG_PACE_MS = 10,	/* between packed messages to a Map-Server */
	REG_KEY_WAIT_MS = 5000, /* without an answer: the next key */
	REG_WINDOW = 4096,	/* nonces of Map-Notifies below the highest */
};

enum reg_state {
	REG_IDLE,
	REG_SEND,	/* to be sent, or waits for the burst limit */
	REG_WAIT,	/* for its Map-Notify */
	REG_REGISTERED, /* refreshed by its bundle */
	REG_PAUSED,
};

struct bundle;
struct reg_server;

struct reg { /* one EID at one Map-Server */
	struct reg_eid *of;
	struct reg_server *server;
	enum reg_state state;
	bool sent_ever; /* the Map-Server may have it from us */
	bool confirmed; /* the present record */
	unsigned tries; /* sendings since the last change or Map-Notify */
	uint64_t nonces[REG_NONCES];
	unsigned n_nonces; /* written so far; the newest at n - 1 */
	unsigned series;   /* how many of the newest ask about this record */
	int64_t sent_ms, confirmed_ms;
	struct loop_timer *timer; /* retransmission */
	size_t octets;		  /* of the record, when last encoded */
	uint64_t hash;		  /* of it and its flags then */

	bool ready; /* in the server's list of those to be packed */
	struct reg *next_ready, *prev_ready;
	struct bundle *bundle;
	struct reg *next_in_bundle, *prev_in_bundle;
};

struct reg_eid {
	struct table_node by_eid;
	struct eid eid;
	struct xtr *x;
	bool dynamic;
	bool withdraw;		  /* the record is TTL 0 */
	bool paused;		  /* no refresh, no retransmission */
	bool idle;		  /* kept for the burst limit's sake only */
	bool told;		  /* mobility knows of the Map-Notify */
	struct mono full;	  /* when the burst limit has all tokens back */
	struct loop_timer *limit; /* a change waits; or end of an idle one */
	unsigned n;
	struct reg regs[];
};

struct reg_server { /* one configured Map-Server */
	struct xtr *x;
	const struct conf_mapping_system *system;
	const struct conf_map_server_peer *peer;
	/* The key of its ring that we sign with: the first one that it answers;
	 * 'unanswered' is when the oldest Map-Register went that asks for a
	 * Map-Notify and has none. */
	const struct auth_key *key;
	bool asked;
	struct mono unanswered;
	struct reg *ready, *last_ready; /* to be packed */
	struct loop_timer *pace;
	struct reg_message *message;
	struct bundle *bundles; /* one with room first */

	/* Nonces of its unsolicited Map-Notifies. */
	bool heard;
	uint64_t highest;
	uint64_t seen[REG_WINDOW / 64]; /* bit (nonce % REG_WINDOW) */
};

struct registers {
	struct table eids;
	struct reg_server *servers;
	size_t n_servers;
	uint64_t next_nonce; /* without a store */
	uint64_t recent[REG_RECENT];
	uint64_t first_nonce; /* of this process; 0 = none sent */
};

/* register.c */
/* Out of bundle and list, no timer. */
void reg_stop(struct reg *);
/* The record is still to be registered (or withdrawn) by us. */
bool reg_is_current(const struct reg *);
/* Nothing to do for it any more at this Map-Server. */
void reg_done(struct reg *);
/* It was sent under 'nonce'. */
void reg_sent(struct reg *, uint64_t nonce, bool want_notify);
/* A new one of a reload: registered already / with the next packed message. */
void reg_goes_on(struct reg *);
void reg_again(struct reg *);
/* A Map-Notify of its series came. */
void reg_acked(struct reg *);
struct reg_eid *reg_find(const struct registers *, const struct eid *);
/* The mapping systems an entry belongs to; empty if none. */
const struct conf_systems *reg_systems(const struct eid_entry *);
/* A new one without anything to do; NULL if they have no Map-Server. */
struct reg_eid *reg_eid_new(struct xtr *, const struct eid *, bool dynamic,
    const struct conf_systems *);
void reg_eid_free(struct reg_eid *);
/* Timer of reg_server.pace. */
void reg_pace_due(void *server);

/* register_send.c: one Map-Register in the making. */
struct reg_message {
	struct reg_server *server;
	unsigned flags; /* of all its records */
	unsigned n;
	size_t used;
	struct reg *regs[LISP_RECORDS_MAX];
	uint8_t records[LISP_MSG_MAX];
};
/* The Map-Server's one, empty; in use until it is sent. */
struct reg_message *reg_message_begin(struct reg_server *);
/* False if it does not fit any more or needs other flags. */
bool reg_message_add(struct reg_message *, struct reg *);
/* Sends it, if it has records, and empties it. */
void reg_message_send(struct reg_message *, bool want_notify);
/* True if a Map-Register of ours had this nonce. */
bool reg_nonce_is_ours(const struct registers *, uint64_t nonce);
/* Bits of the header that a record needs. */
enum { REG_PROXY = 1, REG_MERGE = 2, REG_USE_TTL = 4 };
unsigned reg_flags(const struct reg *);
/* The Map-Server answered what was signed with 'key'. */
void reg_server_answered(struct reg_server *, const struct auth_key *key);
/* What 'g' would be sent as now. */
uint64_t reg_record_hash(const struct reg *g);

/* register_refresh.c */
void bundle_join(struct reg *);
void bundle_leave(struct reg *); /* nothing if it is in none */
void bundles_free(struct reg_server *);

#endif
