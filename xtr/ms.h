/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_MS_H
#define XTR_MS_H

/*
 * ms.h - the Map-Server's tables, shared by its files only.
 *
 *	ms_site.c      who may register what (from the configuration)
 *	ms_peer.c      the xTRs that registered: last nonce, where they are
 *	ms_table.c     registrations, their expiry
 *	ms_store.c     their copy in the store
 *	ms_merge.c     what a registered record says
 *	ms_register.c  Map-Register in, its Map-Notify out
 *	ms_notify.c    unsolicited Map-Notifies, until acknowledged
 *	ms_answer.c    Map-Request in, answer out
 *	ms_subscribe.h subscriptions and publications (RFC 9437)
 *	map_resolver.c what is not ours goes to another Map-Server
 *	map_server.c   the role as the rest of xtrd sees it
 */
#include "common/msg.h"
#include "common/table.h"
#include "common/trie.h"
#include "xtr/map_server.h"
#include "xtr/xtr.h"

#define US_PER_S INT64_C(1000000)

enum {
	MS_KEYS_TRIED = 4,    /* sites whose key one Map-Register is tried on */
	MS_RECORDS_TRIED = 8, /* records that may name these sites */
	MS_PEERS_PER_SITE = 1024,
	MS_MERGED_MAX = 16, /* contributors to one merged record */
	MS_NOTICES_MAX = 65536,
	MS_ANSWER_MAX = 44, /* records of a Map-Reply: what 1232 octets hold */
	MS_SAVE_PART = 4, /* a refresh is saved after this part of a lifetime */
	MS_WHEEL = 512,	  /* slots of a second */
	MS_EXPIRE_BUDGET = 4096, /* looked at in one turn of the loop */
};

/*
 * A site.  Key: name.  Owner: the Map-Server, for its lifetime, because peers
 * point here; bound: the names ever configured.
 */
struct ms_site {
	const struct conf_ms_site *conf; /* NULL: not configured any more */
	char *name;
	uint32_t number;	      /* index in map_server.sites */
	struct peer *newest, *oldest; /* by their last Map-Register */
	unsigned n_peers;
};

/* One site's right to a prefix. */
struct ms_claim {
	struct ms_claim *next_of_prefix;
	struct ms_site *site;
	bool more_specifics;
};

/* A configured prefix, with all sites that have it. */
struct ms_prefix {
	struct ms_prefix *next_prefix;
	struct eid eid;
	bool mobile; /* for one of them at least */
	struct ms_claim *claims;
};

/* Who registers; no padding, hashed and compared as memory. */
struct peer_key {
	uint32_t site; /* ms_site.number */
	uint8_t key_id;
	uint8_t has_xtr_id;
	uint8_t id[18]; /* xTR-ID, or struct addr of the source RLOC */
};

_Static_assert(sizeof(struct peer_key) == 24, "compared as memory");

/*
 * An xTR that registered.  Owner: ms_peer.c; bound: MS_PEERS_PER_SITE, of those
 * without registrations the one longest silent goes.  Its last nonce is in the
 * store, RFC 9301 5.6.
 */
struct peer {
	struct table_node by_key;
	struct peer_key key;
	struct ms_site *site;
	struct peer *newer, *older;
	uint32_t number;  /* names it in the store */
	uint32_t refs;	  /* registrations and notices */
	struct addr addr; /* source of its last Map-Register */
	uint16_t port;
	uint8_t algorithm, auth_len; /* it used; 0 = never heard */
	bool heard;		     /* nonce and mac are set */
	uint64_t nonce;
	uint8_t mac[AUTH_DATA_MAX]; /* of that message */
	struct mono copy_after;	    /* when a copy of it is answered again */
};

enum {
	MS_PROXY = 1,	/* P: answer for us */
	MS_MERGE = 2,	/* a */
	MS_USE_TTL = 4, /* T */
};

/*
 * A registration: one xTR's record for an EID prefix.  Several of one EID (merge)
 * are a chain, whose first is the trie's value.
 */
struct registration {
	struct registration *next_merged;
	struct registration *next_in_slot, **link_in_slot;
	struct peer *peer;
	int64_t registered_ms; /* wall clock */
	int64_t refreshed_us;  /* monotonic */
	uint32_t saved_s;      /* monotonic: the refresh that the store has */
	uint32_t lifetime_s;
	struct eid eid;
	uint16_t len;
	uint8_t flags;
	uint8_t record[]; /* as mapping_encode() wrote it */
};

/* xTRs to be told that an EID is registered otherwise now. */
struct ms_told {
	unsigned n;
	struct peer *peers[MS_MERGED_MAX];
};

struct map_server {
	struct xtr *x;

	struct ms_site **sites;
	size_t n_sites;
	struct ms_prefix *prefixes;
	struct trie configured; /* struct ms_prefix */
	struct trie mobile;	/* those with 'mobile' */

	struct table peers;
	uint32_t peers_numbered;

	struct trie registered; /* struct registration */
	size_t n_registrations;
	struct registration *slots[MS_WHEEL], *due;
	int64_t wheel_s; /* every slot before this second was looked at */
	struct loop_timer *wheel_timer;

	struct subs *subs;

	struct table notices;  /* by nonce */
	struct table notified; /* by EID */
	uint64_t last_nonce;   /* without a store */

	struct mapping *answer; /* MS_ANSWER_MAX, for one Map-Reply */
	struct log_limit refused_log, moved_log;
};

/* ms_site.c */

/* Builds the prefixes from x->conf; forgets the former ones.  ERR_NOMEM. */
enum err ms_sites_load(struct map_server *) MUST_USE;
void ms_sites_fini(struct map_server *);
/* The site of this name, made if need be; NULL if out of memory. */
struct ms_site *ms_site_get(struct map_server *, const char *name);
/* The longest configured prefix that covers 'eid', or NULL. */
const struct ms_prefix *
ms_prefix_match(const struct map_server *, const struct eid *eid);
/*
 * True if the site may register 'eid': one of its prefixes, or inside one that
 * accepts more-specifics; its longest one decides.
 */
bool ms_site_may(
    const struct map_server *, const struct ms_site *, const struct eid *eid);
/*
 * The site one of whose keys, '*key', verifies the Map-Register 'm' in 'dg': of
 * those that cover one of its first records, with that source.  ERR_KEY_UNKNOWN,
 * ERR_SOURCE, ERR_ALGORITHM, ERR_AUTH; ERR_UNSUPPORTED if a record's EID is of a
 * kind that we do not know.
 */
enum err ms_site_verify(struct map_server *, const struct datagram *dg,
    const struct map_register *m, struct ms_site **out,
    const struct auth_key **key) MUST_USE;

/* ms_peer.c */

enum err ms_peers_load(struct map_server *) MUST_USE;
void ms_peers_fini(struct map_server *);
/* The peer that sent 'm', made if need be.  ERR_FULL, ERR_NOMEM. */
enum err
ms_peer_get(struct map_server *, struct ms_site *, const struct datagram *,
    const struct map_register *, struct peer **out) MUST_USE;
/* Its Map-Register was accepted: nonce, MAC, address; into the store. */
void ms_peer_heard(struct map_server *, struct peer *, const struct datagram *,
    const struct map_register *);
/* The same xTR, whatever key it used. */
bool ms_peer_same(const struct peer *, const struct peer *);

/* ms_table.c */

enum err ms_table_init(struct map_server *) MUST_USE;
void ms_table_fini(struct map_server *);
/* The registrations of exactly this EID, or NULL. */
struct registration *ms_find(const struct map_server *, const struct eid *);
/*
 * 'peer' registers 'eid' with the 'len' octets of 'record'.  '*told': who must
 * hear of it.  '*changed': usable locators, a priority, a weight or the
 * registrant did.  ERR_FULL, ERR_NOMEM: nothing changed.
 */
struct ms_entry {
	struct eid eid;
	struct peer *peer;
	uint8_t flags;
	uint32_t lifetime_s;
	const uint8_t *record;
	uint16_t len;
};
enum err ms_table_put(struct map_server *, const struct ms_entry *,
    bool *changed, struct ms_told *told) MUST_USE;
/* Removes the registration of this xTR, if it has one; false if not. */
bool
ms_table_withdraw(struct map_server *, const struct eid *, const struct peer *);
/* Removes what the configuration does not allow any more. */
void ms_table_recheck(struct map_server *);
/* For ms_store.c: a registration as of now / into wheel and counts. */
struct registration *ms_part_new(struct map_server *, const struct ms_entry *);
void ms_part_link(struct map_server *, struct registration *);
/* Looks at up to 'budget' registrations whose time may be over. */
void ms_wheel_turn(struct map_server *, int64_t now_us, size_t budget);

/* ms_store.c */

/* After sites, peers and notices: what the store has. */
enum err ms_table_load(struct map_server *) MUST_USE;
void ms_save(struct map_server *, struct registration *);
void ms_unsave(struct map_server *, const struct registration *);

/* ms_merge.c */

/* The record of an EID, merged if need be; 'r' is the first of its chain. */
void ms_mapping(const struct registration *r, struct mapping *out);
/* What this xTR alone registered. */
void ms_record(const struct registration *r, struct mapping *out);
/* Writes the octets of ms_mapping(). */
void ms_record_put(struct wire_writer *, const struct registration *r);
/* True if locators, priorities, weights and R bits are the same. */
bool ms_same_locators(const struct mapping *, const struct mapping *);

/* ms_notify.c */

enum err ms_notices_init(struct map_server *) MUST_USE;
void ms_notices_fini(struct map_server *);
/*
 * The EID is registered otherwise: what is pending of its older state is
 * cancelled, and 'told', as well as those who had not acknowledged, hear of
 * the present one.
 */
void ms_notify_changed(
    struct map_server *, const struct eid *, const struct ms_told *told);
/* The EID is not registered any more. */
void ms_notify_cancel(struct map_server *, const struct eid *);
/* How long to wait for the Ack after so many sendings, RFC 9301 5.7. */
int64_t ms_notify_wait_ms(unsigned sent);
/*
 * The key of a peer, with algorithm and length as it used them: its site's, or
 * '*own' made of it, which the caller wipes.  NULL: it has none now.
 */
const struct auth_key *ms_peer_auth(const struct peer *, struct auth_key *own);
/*
 * Signs the Map-Notify in 'w' with the key of 'peer' and sends it; 'from' NULL:
 * the kernel's choice.
 */
void ms_notify_send(struct map_server *, const struct peer *,
    const struct addr *from, uint16_t port, struct wire_writer *w);

/* ms_answer.c */

/*
 * One record of a Map-Request, as Map-Server; 'notify': its N bit.  '*forwarded'
 * is set if the request went on to an ETR.  ERR_NOT_FOUND: we are the ETR to ask.
 */
enum err ms_answer(struct map_server *, const struct datagram *,
    const struct map_request *, const struct eid *asked, bool notify,
    bool *forwarded) MUST_USE;

#endif
