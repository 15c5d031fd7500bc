/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_EIDS_H
#define XTR_EIDS_H

/*
 * eids.h - the mapping database: EIDs that are, were or will be ours.
 *
 * Key: EID prefix with instance-ID, in one trie.  Owner: this table.  Static
 * entries come from the configuration (eids[], static-hosts); dynamic ones from
 * CPMs, at most conf->mobility.eids_max: beyond, eids_add() says ERR_FULL and
 * mobility_entry.c lets the oldest absent one go.  It knows no role: mobility.c
 * decides, etr.c and forward.c read.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "xtr/xtr.h"

enum eid_state { /* docs/cpm.md 5 */
	EID_ABSENT,
	EID_ARRIVING,
	EID_LOCAL,
	EID_DEPARTING,
	EID_HELD,
	EID_AWAY,
	EID_STATES
};

#define AWAY_RLOCS_MAX 4

struct eid_entry {
	struct eid eid;
	bool is_static;
	bool unlisted;		     /* static, during a reload: not met yet */
	const struct conf_eid *conf; /* static, or NULL */
	const struct conf_mobile_prefix *mobile; /* dynamic and static-hosts */

	/* Dynamic entries; docs/cpm.md 4.1, 5. */
	enum eid_state state;
	uint64_t generation; /* 0 = nothing known */
	uint64_t seen;	     /* highest told, >= generation */
	uint8_t owner[16];   /* zero = unknown */
	uint8_t vm_id[16];   /* zero = unknown */
	struct addr mac;     /* of the VM's vNIC; AFI_NONE unknown */
	bool incoming;	     /* the incoming mark ... */
	uint8_t incoming_from[16];
	bool incoming_told; /* a Notify 6 was sent */
	bool gone;	    /* held and 'departed' was received */
	bool contested;	    /* docs/cpm.md 6.8: no refresh, no SMR */
	bool verifying;	    /* docs/cpm.md 6.13: no refresh */
	int64_t changed_ms; /* wall clock of the last change of state */

	/* Away: where to; first the xTR that notified. */
	unsigned n_away;
	struct addr away[AWAY_RLOCS_MAX];
	uint8_t away_site[16]; /* Sender-ID of the xTR that notified */
	int64_t away_until_ms; /* wall clock */

	void *mobility; /* struct mobile, see eids_on_release() */
	struct eid_entry *newer, *older; /* absent ones by age */
};

struct eids *eids_new(struct xtr *);
void eids_free(struct eids *); /* accepts NULL */

/* Exactly this EID, or NULL.  Borrowed until the next turn of the loop. */
struct eid_entry *eids_find(const struct eids *, const struct eid *);
/* The longest prefix that covers 'eid', or NULL; absent ones are passed over. */
struct eid_entry *eids_match(const struct eids *, const struct eid *eid);

/* A new dynamic entry in state absent.  ERR_FULL, ERR_NOMEM. */
enum err eids_add(struct eids *, const struct eid *,
    const struct conf_mobile_prefix *, struct eid_entry **out) MUST_USE;
/* The one that has been absent longest, or NULL. */
struct eid_entry *eids_oldest(const struct eids *);
/* 'fn' is called before an entry is freed. */
void eids_on_release(struct eids *, void (*fn)(struct eid_entry *));
/* Removes and frees. */
void eids_remove(struct eids *, struct eid_entry *);
/* Changes the state and keeps the list of absent ones right. */
void eids_set_state(struct eids *, struct eid_entry *, enum eid_state);

void eids_walk(
    const struct eids *, bool (*fn)(void *arg, struct eid_entry *), void *arg);
size_t eids_count(const struct eids *);

/*
 * x->conf is a new one: static entries follow it, dynamic ones are bound to
 * its mobile prefixes ('mobile' is NULL where there is none any more).  A
 * dynamic one that is static now is freed.  ERR_NOMEM.
 */
enum err eids_reload(struct xtr *) MUST_USE;

/*
 * The entry of ours that serves 'eid', or NULL.  A static prefix does not serve
 * the addresses of a mobile prefix inside it: each of them is a dynamic EID or
 * a static host.
 */
struct eid_entry *eids_own(const struct xtr *, const struct eid *eid);

/* True if we are its ETR now: static, local, departing or held. */
bool eid_is_ours(const struct eid_entry *);
const char *eid_state_str(enum eid_state);

#endif
