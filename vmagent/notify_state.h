/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_NOTIFY_STATE_H
#define VMAGENT_NOTIFY_STATE_H

/*
 * notify_state.h - what is outstanding; between notify.c, which sends, and
 * notify_ack.c, which reads the answers.
 */
#include "common/log.h"
#include "common/table.h"
#include "notify.h"

enum { SLOT_OWNER, SLOT_MARK, SLOT_SIDE, SLOTS };

struct sent_key {
	uint64_t nonce;
	uint64_t xtr;
};

/* A part that was sent to an xTR. */
struct sent {
	struct table_node node;
	struct sent_key key;
	bool listed; /* in the table */
	struct leg *leg;
	struct part *part;
};

/* One statement on its way to one xTR. */
struct leg {
	struct notice *notice;
	unsigned xtr;
	struct loop_timer *timer; /* NULL: done */
	struct sent *sent;	  /* n_parts, until done */
	unsigned n_parts, n_acked;
	unsigned sendings;   /* 0: a new attempt is due */
	unsigned renumbered; /* answers to Ack status 6 */
	uint8_t status;
	bool alarm;
};

/* One statement. */
struct notice {
	struct notify *notify;
	struct told *told;
	struct statement *m; /* NULL once all xTRs have answered */
	struct action_form form;
	bool side;
	uint64_t generation;
	unsigned n_legs, n_open;
	struct leg legs[];
};

/* What a VM's xTRs were told. */
struct told {
	struct table_node node;
	uint8_t vm_id[16];
	struct notice *slots[SLOTS];
	/* Nonces of the last claim: a revised Ack names one of them. */
	struct {
		uint64_t low, high;
	} claims[NOTIFY_XTRS_MAX];
};

struct xtr {
	const struct conf_agent_xtr *conf;
	struct series_conf series;
	unsigned like; /* the first xTR with the same key */
	struct log_limit limit;
};

struct notify {
	struct loop *loop;
	const struct notify_hooks *hooks;
	void *arg;
	uint16_t subtype;
	uint8_t sender_id[16];
	unsigned n_xtrs;
	struct xtr xtrs[NOTIFY_XTRS_MAX];
	uint64_t next_nonce, ceiling;
	struct table told; /* struct told by VM-ID */
	struct table sent; /* struct sent by nonce and xTR */
	int fd4, fd6;
	struct loop_fd *watch4, *watch6;
	struct log_limit limit;
	struct notify_counters counters;
};

struct told *notify_told(const struct notify *, const uint8_t vm_id[16]);

/* notify_leg.c */

/*
 * Parts of its own, or copies of those of 'like', a leg whose xTR has the same
 * key.  ERR_FULL, ERR_NOMEM, ERR_INTERNAL: the leg has none.
 */
enum err
notify_leg_fill(struct notify *, struct leg *, const struct leg *like) MUST_USE;
void notify_leg_drop(struct notify *, struct leg *); /* frees its parts */
/* Sends what is not acked: the first parts of their series, or the others. */
void notify_leg_send(struct notify *, const struct leg *, bool first);
/* All of it was sent once more: sets the timer. */
void notify_leg_sent(struct leg *);
void notify_leg_timer(void *leg);
/* Encodes a leg anew with new nonces and sends it. */
enum err notify_renumber(struct notify *, struct leg *) MUST_USE;
/* All parts are answered.  The leg stays, for notify_progress(). */
void notify_leg_done(struct notify *, struct leg *);
/* Remembers the nonces of a leg's parts as those of the VM's last claim. */
void notify_claimed(const struct leg *);

#endif
