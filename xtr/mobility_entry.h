/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MOBILITY_ENTRY_H
#define XTR_MOBILITY_ENTRY_H

/*
 * mobility_entry.h - what the files of the handover share: its own part of a
 * dynamic EID, and the steps between them.
 *
 *	datagram -> mobility.c -> mobility_order.c (does it count?) -> decide.c
 *	timer, Map-Notify, lookup -> mobility_event.c -> decide.c
 *	decision -> mobility_entry.c -> mobility_act.c (actions)
 *	                             -> mobility_store.c
 *	peers and requesters: mobility_peers.c
 */
#include "common/cpm.h"
#include "xtr/cpm_in.h"
#include "xtr/decide.h"
#include "xtr/eids.h"
#include "xtr/limit.h"
#include "xtr/mobility.h"
#include "xtr/xtr.h"

#define MOBILITY_PEERS_MAX (1u << 20) /* of all EIDs together */
#define ANSWERS_BURST 1000	      /* docs/cpm.md 9 */
#define ANSWERS_INTERVAL_MS 5
#define MARKS_MAX 4096
#define LATE_SENDERS 4
#define LATE_KEEP_MS 30000 /* docs/cpm.md 4.2 step 5 */

struct mobility {
	struct senders *senders;
	unsigned n_peers;	/* of all EIDs */
	unsigned n_marks;	/* incoming ones */
	struct limits *answers; /* op 4 in answer to Notify 6, per site */
	/* The store could not be written, and lags behind until 'save' has
	 * written all of it again. */
	bool unsaved;
	struct loop_timer *save;
	struct log_limit alarm_limit, refuse_limit;
};

enum task { /* what an EID waits for; one timer for the earliest */
	TASK_HOLD_MAX,
	TASK_LOOKUP,
	TASK_VERIFY,
	TASK_CONTEST,
	TASK_REVISED,
	TASK_AWAY,
	TASK_INCOMING,
	TASK_MEMORY,
	TASKS
};

struct mobile {
	struct xtr *x;
	struct eid eid;

	struct loop_timer *timer;
	bool armed[TASKS];
	struct mono at[TASKS];
	uint8_t step[TASKS];
	bool last_lookup; /* hold-max is over, its answer decides */
	bool contest_lookup;

	/* Two sequences of nonces per sender, docs/cpm.md 4.2 step 5. */
	struct late {
		uint8_t sender[16];
		uint64_t mark, ownership;
		int64_t at_ms;
	} late[LATE_SENDERS];

	/* The owner's last claim, for the revised Ack of 6.8. */
	struct claim {
		bool set;
		struct addr from, to;
		uint16_t port;
		uint8_t sender[16];
		uint64_t nonce;
		uint32_t series;
		uint16_t part, parts;
		uint8_t reason;
	} claim;

	struct cpm_peer *peers; /* kind 1 */
	unsigned n_peers;

	int64_t committed_ms; /* wall clock of the last COMMIT, 0 = never */
	uint64_t committed;   /* its generation */
	bool unfinished;      /* not all ITRs and sites have heard of it */
	int64_t hold_until_ms;

	struct mono fight_began; /* with a stranger's registration */
	unsigned fights;

	uint64_t aimed;	  /* generation that the away entry was made for */
	unsigned n_found; /* locators of the last LOOKUP or Map-Notify */
	struct addr found[AWAY_RLOCS_MAX];
};

/* The entry's part; never NULL for an entry mobility_entry() gave. */
static inline struct mobile *
mobile_of(const struct eid_entry *e)
{
	return e->mobility;
}

/* mobility.c */
__attribute__((format(printf, 3, 4))) void
mobility_alarm(struct xtr *, const struct eid *, const char *fmt, ...);

/* mobility_entry.c */
/*
 * Finds or makes the dynamic entry; where there is no more room the oldest
 * absent one is forgotten.  ERR_FULL, ERR_NOMEM, ERR_POLICY (static).
 */
enum err mobility_entry(struct xtr *, const struct eid *,
    const struct conf_mobile_prefix *, struct eid_entry **out) MUST_USE;
/* A new one.  ERR_FULL, ERR_NOMEM. */
enum err mobility_entry_add(struct xtr *, const struct eid *,
    const struct conf_mobile_prefix *, struct eid_entry **out) MUST_USE;
/* For eids_on_release(). */
void mobility_entry_released(struct eid_entry *);
/* Frees it, and what the store has of it. */
void mobility_forget(struct xtr *, struct eid_entry *);
/* How long an absent one is remembered. */
int64_t mobility_memory_ms(const struct xtr *, const struct eid_entry *);
/* Contest and VERIFY are over, with all they wait for. */
void mobility_undisputed(struct eid_entry *);
/* Sets or clears the incoming mark; mobility.n_marks follows. */
void mobility_mark(struct eid_entry *, bool on);
/* Carries a decision out and stores the result; 'in' is NULL for an event. */
void mobility_apply(struct xtr *, struct eid_entry *, const struct decision *,
    const struct cpm_in *in);

/* mobility_order.c */
/* About the incoming mark, or a statement of ownership?  4.2 step 5. */
bool mobility_is_about_mark(const struct cpm *);
/* A later statement of that sender was processed. */
bool mobility_is_late(struct mobile *, const struct cpm *);
/* This one is processed now. */
void
mobility_late_note(struct xtr *, const struct eid_entry *, const struct cpm *);
/* 4.2 step 6; '*tie': two owners of one generation. */
enum relation
mobility_relate(const struct eid_entry *, const struct cpm *, bool *tie);
/*
 * An EID that is owned under one VM-ID is not taken over under another one,
 * except by 'arrived' of the holder of the incoming mark, 4.2 step 4.
 */
bool mobility_vm_id_allows(const struct eid_entry *, const struct cpm *);
/* Ops 3 and 4 are not stopped by it: alarm. */
void mobility_check_vm_id(
    struct xtr *, const struct eid_entry *, const struct cpm *);
/*
 * Generation and owner of the message are those of the EID now; its VM-ID too,
 * if it is newer or none was known.
 */
void
mobility_adopt(struct eid_entry *, const struct cpm *, enum relation relation);

/* mobility_act.c */
void mobility_act(struct xtr *, struct eid_entry *, uint8_t action,
    enum eid_state before, const struct cpm_in *in);

/* mobility_peers.c */
/* Keeps the kind 1 peers of a message, each once. */
void mobility_keep_peers(struct xtr *, struct eid_entry *, const struct cpm *);
/*
 * The same for a statement of the VM's host: what comes with the second and
 * later parts of the series that was the commit is solicited, too (3.4).
 */
void mobility_take_peers(struct xtr *, struct eid_entry *, const struct cpm *);
void mobility_drop_peers(struct xtr *, struct eid_entry *);
/* Hands peers that came late to the site where the EID is now (6.4). */
void mobility_pass_on(struct xtr *, struct eid_entry *, const struct cpm *);
/* What another site knows of the ITRs (6.1 step 4, 6.10). */
void
mobility_audience(struct xtr *, struct eid_entry *, const struct cpm_in *in);

/* mobility_event.c */
void mobility_arm(struct eid_entry *, enum task, int64_t in_ms);
void mobility_disarm(struct eid_entry *, enum task);
void
mobility_event(struct xtr *, struct eid_entry *, enum event, unsigned facts);
/*
 * True if 'm' has usable locators and none is ours; those of a family that we
 * have into the entry.
 */
bool
mobility_elsewhere(struct xtr *, struct eid_entry *, const struct mapping *m);

/* mobility_store.c */
void mobility_save(struct xtr *, struct eid_entry *);
void mobility_unsave(struct xtr *, const struct eid *);
void mobility_save_all(void *xtr);

#endif
