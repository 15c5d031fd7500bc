/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CONF_H
#define XTR_CONF_H

/*
 * conf.h - xtrd's configuration as the rest of the program sees it: checked,
 * with all defaults, constant.  Manual: xtrd.conf(5).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/auth.h"
#include "common/conf_read.h"
#include "common/err.h"
#include "xtr/keyring.h"

/* site.rlocs[] */
struct conf_rloc {
	struct addr address;
	const char *interface;	    /* NULL: whatever the routes say */
	int64_t priority, weight;   /* defaults 1, 100 */
	int64_t mpriority, mweight; /* defaults 255, 0 */
	struct conf_pos pos;
};

/* site.partners[]: the other xTRs of our site */
struct conf_partner {
	struct conf_list rlocs; /* struct conf_rloc, without interfaces */
	uint8_t xtr_id[16];	/* default: derived from the lowest RLOC */
	bool has_xtr_id;
	struct conf_pos pos;
};

/* site: "" and no RLOC in a process that is no tunnel router */
struct conf_site {
	const char *name;
	struct conf_list rlocs; /* struct conf_rloc */
	uint8_t xtr_id[16];	/* default: derived from the lowest RLOC */
	bool has_xtr_id;	/* it is in the file */
	int64_t site_id;
	struct conf_list partners; /* struct conf_partner */
	int64_t partner_probe_ms;  /* default 300; three missed are down */
	struct conf_pos pos;
};

/*
 * A key as most sections name it: key-id, key-file, algorithm; those of the
 * mapping system also auth-length and replay-check.
 */
struct conf_key {
	int64_t key_id; /* 0..255 */
	struct conf_secret secret;
	uint8_t algorithm;   /* default hmac-sha256-128 */
	int64_t auth_length; /* 0, or 32 for old peers; not for CPM keys */
	bool replay_check;   /* default true; not for CPM keys */
	struct auth_key key; /* made of the above by conf_check */
	struct conf_pos pos; /* as an element of keys[] */
};

/* A relation's key, further ones while it is changed; conf_check: the ring. */
struct conf_keys {
	struct conf_key first; /* key-id, key-file ... */
	struct conf_list more; /* struct conf_key: keys[] */
	struct conf_keyring ring;
};

/* mapping-systems[].map-servers[] */
struct conf_map_server_peer {
	struct addr address;
	struct conf_keys keys;
	bool proxy_reply; /* ask the Map-Server to answer; default false */
	bool merge;	  /* static EIDs: a bit, RFC 9301 5.6; default false */
	bool use_ttl;	  /* T bit: expiry by Record TTL; default false */
	struct conf_pos pos;
};

#define CONF_SYSTEMS_MAX 64

/* mapping-systems[].pubsub.map-servers[]: the PubSubKey shared with each */
struct conf_pubsub_server {
	struct addr address;
	struct conf_key key;
	struct conf_pos pos;
};

/* mapping-systems[].pubsub: RFC 9437, as ITR */
struct conf_pubsub {
	bool enabled;		  /* section present */
	struct conf_list servers; /* struct conf_pubsub_server */
	int64_t refresh_s;	  /* of a subscription in use, default 900 */
	struct conf_pos pos;
};

/* mapping-systems[] */
struct conf_mapping_system {
	const char *name;
	struct conf_list map_servers;	/* struct conf_map_server_peer */
	struct conf_list map_resolvers; /* struct addr */
	/* struct eid, of any instance: what is asked for here only; empty:
	 * whatever is in no other one's. */
	struct conf_list eid_space;
	struct conf_pubsub pubsub;
	struct conf_pos pos;
};

/* The ones a prefix belongs to; made of their names by conf_check. */
struct conf_systems {
	const struct conf_mapping_system **list;
	size_t n;
};

/* eids[]: static mappings */
struct conf_eid {
	struct eid prefix; /* with instance-id */
	int64_t instance_id;
	struct conf_list mapping_systems; /* const char *: their names */
	struct conf_systems systems;
	int64_t ttl_min; /* Record TTL, minutes; default 1440 */
	int64_t map_version;
	struct conf_pos pos;
};

enum conf_gateway_by { CONF_GATEWAY_XTRD, CONF_GATEWAY_VRRP };

/* mobility.prefixes[] */
struct conf_mobile_prefix {
	struct eid prefix;
	int64_t instance_id;
	const char *segment; /* interface of the VM segment */
	struct addr gateway; /* on the segment, /32 or /128 */
	struct addr mac;     /* of the gateway; AFI_NONE: the interface's own */
	int gateway_by;	     /* enum conf_gateway_by: who puts it there */
	/* const char *: names; default: those of the covering eids[] */
	struct conf_list mapping_systems;
	struct conf_systems systems;
	struct conf_list static_hosts; /* struct addr: hosts that never move */
	struct conf_pos pos;
};

/* mobility.hypervisors[] */
struct conf_hypervisor {
	const char *name;
	uint8_t host_id[16];
	struct conf_list addresses; /* struct addr: allowed sources */
	struct conf_key key;
	int64_t instance_id;
	struct conf_list prefixes; /* struct eid it may speak for */
	struct conf_pos pos;
};

/* mobility.sites[].xtrs[] */
struct conf_site_xtr {
	struct addr rloc;
	int64_t priority,
	    weight;	    /* default 1, 100: in the shared locator set */
	uint8_t xtr_id[16]; /* default: derived from the lowest RLOC */
	bool has_xtr_id;
	struct conf_list rlocs; /* struct addr: further RLOCs of this xTR */
	struct conf_pos pos;
};

/* mobility.sites[]: the other sites */
struct conf_other_site {
	const char *name;
	struct conf_list xtrs;	   /* struct conf_site_xtr */
	struct conf_list prefixes; /* struct eid */
	int64_t instance_id;
	struct conf_key key;
	struct conf_pos pos;
};

enum conf_cpm_mode { CONF_CPM_PRIORITY, CONF_CPM_REPLACE };

struct conf_mobility {
	struct conf_list prefixes;    /* struct conf_mobile_prefix */
	struct conf_list hypervisors; /* struct conf_hypervisor */
	struct conf_list sites;	      /* struct conf_other_site */
	int mode;		      /* enum conf_cpm_mode */
	int64_t cpm_subtype;
	int64_t away_time_s;	 /* default 15 min */
	int64_t arriving_time_s; /* default 15 min */
	int64_t ttl_min;	 /* Record TTL of a dynamic EID, default 15 */
	bool proxy_reply;	 /* P of dynamic EIDs, default false */
	int64_t hold_max_s;	 /* bounds the state held, default 30 */
	int64_t future_max_s;	 /* bound ahead of the clock, default 24 h */
	int64_t memory_s;	 /* generation of an absent EID, default 24 h */
	int64_t contest_wait_ms; /* default 3000 */
	int64_t eids_max;	 /* default 65536 */
	int64_t requesters_max;	 /* per EID, default 1024 */
	int64_t requester_age_s; /* default 24 h */
	int64_t cpm_rate;	 /* per sender and second, default 2000 */
	int64_t cpm_burst;	 /* default 4096 */
	struct conf_pos pos;
};

enum conf_dataplane_kind { CONF_DP_TUN, CONF_DP_NONE };

struct conf_dataplane {
	int kind;	    /* enum conf_dataplane_kind; default tun */
	const char *device; /* default lisp0 */
	int64_t mtu; /* of 'device', default 1464 - 20 = 1444 (IPv6 outer) */
	/* Routing table of the default route to 'device', for packets from our
	 * EIDs while itr.eid_space is empty; default 4341. */
	int64_t table;
	struct conf_pos pos;
};

/* map-server.sites[].prefixes[] */
struct conf_ms_prefix {
	struct eid prefix;
	int64_t instance_id;
	bool more_specifics; /* accept-more-specifics */
	bool mobile;	     /* negative answers: Send-Map-Request */
	struct conf_pos pos;
};

/* map-server.sites[] */
struct conf_ms_site {
	const char *name;
	struct conf_keys keys;
	struct conf_list sources;  /* struct addr; empty: any */
	struct conf_list prefixes; /* struct conf_ms_prefix */
	struct conf_pos pos;
};

/* map-server.pubsub.subscribers[] */
struct conf_subscriber {
	const char *name;
	uint8_t xtr_id[16]; /* default: derived from the lowest of rlocs */
	bool has_xtr_id;
	struct conf_key key;
	struct conf_list sources; /* struct addr, of the ECM; empty: any */
	struct conf_list rlocs;	  /* struct addr: ITR-RLOCs; empty: any */
	struct conf_pos pos;
};

/* map-server.pubsub: RFC 9437, as Map-Server */
struct conf_publisher {
	bool enabled;		       /* section present */
	struct conf_list subscribers;  /* struct conf_subscriber */
	int64_t subscriptions_max;     /* default 65536 */
	int64_t subscriptions_per_xtr; /* default 4096 */
	int64_t rate;		       /* publications per second, 1000 */
	struct conf_pos pos;
};

struct conf_map_server {
	bool enabled;		   /* section present */
	struct conf_list sites;	   /* struct conf_ms_site */
	int64_t registrations_max; /* default 1048576 */
	int64_t locators_max;	   /* per record, default 32 */
	struct conf_publisher pubsub;
	struct conf_pos pos;
};

/* map-resolver: answers from the own Map-Server, forwards the rest */
struct conf_map_resolver {
	bool enabled;
	struct conf_list forward_to; /* struct addr: Map-Servers of others */
	struct conf_list pubsub_sources; /* struct addr: who may subscribe */
	struct conf_pos pos;
};

/* itr.use-petr[] */
struct conf_petr {
	struct addr address;
	int64_t priority, weight; /* defaults 1, 100 */
	struct conf_pos pos;
};

struct conf_itr {
	int64_t cache_max;	     /* default 65536 */
	int64_t pending_max;	     /* lookups, default 4096 */
	int64_t queue_packets;	     /* per pending lookup, default 8 */
	struct conf_list proxy_itrs; /* struct addr: PITRs in every audience */
	/* struct eid: remote EID space whose routes go to the LISP device.
	 * Empty: everything that comes from an EID of ours (a policy rule). */
	struct conf_list eid_space;
	struct conf_list use_petr; /* struct conf_petr: to whom what is mapped
				    * to Natively-Forward is encapsulated */
	bool natively_forward; /* obey action Natively-Forward; default false:
				* unreachable, so that no EID leaks */
	struct conf_pos pos;
};

enum conf_trust { CONF_TRUST_PUBLIC, CONF_TRUST_PRIVATE };

/* Which signs of reachability are used and given. */
struct conf_reachability {
	int trust; /* enum conf_trust: what the other networks are */
	/* Default: true if 'trust' is private. */
	bool probe, echo_nonce, lsb, map_version;
	bool has_probe, has_echo_nonce, has_lsb, has_map_version;
	int64_t probe_interval_s;      /* default 30 */
	int64_t probe_rate;	       /* probes per second; default 100 */
	bool icmp, routes, interfaces; /* default true */
	struct conf_pos pos;
};

struct conf_proxy {
	bool pitr; /* attracts packets from outside of LISP to eid_space */
	bool petr; /* forwards packets of eid_space to outside of LISP */
	struct conf_list eid_space; /* struct eid: EIDs of other sites */
	struct conf_pos pos;
};

struct conf_control {
	const char *socket; /* default /run/xtrd/xtrd.sock */
	const char *group;  /* NULL: root's */
};

struct conf_state {
	const char *directory; /* default /var/lib/xtrd */
	int64_t size_mib;      /* of the LMDB map, default 1024 */
};

struct xtr_conf {
	struct conf_site site;
	struct conf_list mapping_systems; /* struct conf_mapping_system */
	struct conf_list eids;		  /* struct conf_eid */
	struct conf_mobility mobility;
	struct conf_dataplane dataplane;
	struct conf_map_server map_server;
	struct conf_map_resolver map_resolver;
	struct conf_itr itr;
	struct conf_reachability reachability;
	struct conf_proxy proxy;
	struct conf_control control;
	struct conf_state state;
	struct conf_list listen; /* struct addr: default 0.0.0.0 and :: */
	struct conf_doc *doc;	 /* owns everything above */
};

/*
 * Reads and checks 'path'.  NULL after any error, all of them on 'errors' as
 * file:line:col lines.  Free with xtr_conf_free().
 */
struct xtr_conf *xtr_conf_load(const char *path, FILE *errors);
void xtr_conf_free(struct xtr_conf *); /* accepts NULL */
/* The configuration with all defaults, as YAML that loads again. */
void xtr_conf_print(FILE *, const struct xtr_conf *);

/* Element 'i' of a list of 'type'. */
#define conf_at(list, type, i) (&((const type *)(list).items)[i])

/*
 * The xTR-ID of an xTR without a configured one: made of its lowest RLOC, so
 * that both ends of a pair of sites derive the same 16 octets.
 */
void xtr_id_derive(const struct addr *rloc, uint8_t out[16]);

/*
 * True if a VM can have this host address of 'p': not the gateway's, not the
 * network's or its broadcast address.
 */
bool
conf_mobile_is_vm(const struct conf_mobile_prefix *p, const struct eid *eid);

/* The partner that has this RLOC, or NULL. */
const struct conf_partner *
conf_partner_of(const struct xtr_conf *, const struct addr *rloc);

/* Longest mobile prefix that covers 'eid', or NULL. */
const struct conf_mobile_prefix *
conf_mobile_find(const struct xtr_conf *, const struct eid *eid);

#endif
