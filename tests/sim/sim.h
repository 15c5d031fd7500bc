/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

/*
 * sim.h - whole xTRs and Map-Servers in one process, on one fake clock and a
 * fake network that delays, loses, duplicates and re-orders.
 *
 *	 dc1 (192.0.2.1)   dc2 (198.51.100.1)   dc3 (198.51.100.129)
 *	        \                 |                 /
 *	         +------------ network ------------+---- ms (192.0.2.129)
 *	                          |
 *	        client (203.0.113.1, EIDs 10.3.0.0/24)
 *
 * Each dc has two hypervisors, hyp1 to hyp6: 10.0.N.11 and 10.0.N.12.  Mobile
 * prefixes: 10.1.1.0/24 and 2001:db8:1::/64.  Packets pass through forward.c;
 * only the kernel is left out.  SIM_LOG=1 in the environment shows the log.
 * A test runs the same way each time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/cpm.h"
#include "common/msg.h"
#include "xtr/dp.h"
#include "xtr/xtr.h"

#define SIM_SITES 3
#define SIM_NODES 5
#define SIM_HOSTS (2 * SIM_SITES)
#define SIM_INBOX 256

enum sim_name { DC1, DC2, DC3, CLIENT, MS };

struct sim_ack { /* what an agent was told */
	struct addr to;
	struct cpm_ack ack;
};

struct sim {
	struct clock clock;
	struct loop *loop;
	char dir[64];
	struct sim_node {
		struct sim *sim;
		struct xtr x;
		struct dp dp;
		bool up;
		uint64_t delivered; /* packets to its segment */
	} nodes[SIM_NODES];
	int64_t delay_us;
	int64_t jitter_us; /* on top, at random: re-orders */
	unsigned loss_percent, dup_percent;
	bool cut[SIM_NODES][SIM_NODES]; /* [from][to]: nothing passes, or */
	int cut_only;			/* nothing of this type, if not 0 */
	bool cut_rloc[SIM_NODES][2];	/* [to][which]: nothing arrives there */
	bool two_rlocs;
	uint64_t seed;
	uint64_t nonces[SIM_HOSTS];
	uint64_t sent[16]; /* messages by type, all nodes */
	struct sim_ack inbox[SIM_INBOX];
	unsigned n_inbox;
	/* NULL, or what takes the Acks, after the network's delay and loss,
	 * instead of the inbox. */
	void (*acked)(void *arg, unsigned host, const struct cpm_ack *);
	void *acked_arg;
	/* NULL, or what hears of packets on a segment. */
	void (*on_packet)(void *arg, enum sim_name, const struct addr *to);
	void *packet_arg;
};

struct sim_options {
	uint64_t seed;	   /* of all chance, that of the nodes included */
	unsigned iid;	   /* instance-ID of the mobile prefixes */
	const char *extra; /* more lines of the section "mobility" */
	const char *static_hosts; /* of the IPv4 prefix */
	unsigned hosts_left_out;  /* bit n: hypervisor n is not configured */
	unsigned sites_left_out;  /* bit n: nor is site n */
	bool subscriber;	  /* the client subscribes, */
	bool publisher;		  /* and the Map-Server lets it; RFC 9437 */
	/* Each node has a second RLOC, of priority 2. */
	bool two_rlocs;
	const char *reachability; /* the whole section, one line */
};

/* Starts all nodes; fails the test if anything does not start. */
struct sim *sim_new(void);
struct sim *sim_new_with(const struct sim_options *);
void sim_free(struct sim *);
/* Ends a node as SIGTERM would / starts it again from its store. */
void sim_stop(struct sim *, enum sim_name);
void sim_start(struct sim *, enum sim_name);
/* Ends it as SIGKILL would: nothing more leaves it. */
void sim_kill(struct sim *, enum sim_name);
/* Its state directory is gone; the node is down. */
void sim_lose_store(struct sim *, enum sim_name);

/* A new configuration while it runs, as SIGHUP. */
void sim_reload(struct sim *, enum sim_name, const struct sim_options *);

void sim_run(struct sim *, int64_t ms);
uint64_t sim_random(struct sim *);
static inline struct xtr *
sim_xtr(struct sim *s, enum sim_name n)
{
	return &s->nodes[n].x;
}

/* What a hypervisor says; 'eid' NULL: 10.1.1.10. */
struct sim_cpm {
	enum sim_name site;
	unsigned second; /* 1: the site's second hypervisor */
	uint8_t op;	 /* 0: CPM */
	uint8_t reason;
	uint64_t generation;
	const char *eid;
	const struct eid *eids; /* these instead of 'eid' */
	unsigned n_eids;
	uint64_t nonce; /* 0: the next one of that hypervisor */
	uint8_t vm;	/* 0: the usual VM-ID, else another one; 255: none */
	const char *peer;
	const struct cpm_peer *peers; /* these instead of 'peer' */
	unsigned n_peers;
	uint16_t part, parts; /* 0: the only one */
	bool bad_key, bad_source, unknown_sender;
};
/* Hands it to the xTR at once and returns its nonce. */
uint64_t sim_cpm(struct sim *, const struct sim_cpm *);
/* Sends it through the network; 'nonce' is set. */
void sim_cpm_send(struct sim *, const struct sim_cpm *);
/* The Ack status for that nonce, or -1. */
int sim_status(const struct sim *, uint64_t nonce);
const struct cpm_ack *sim_ack(const struct sim *, uint64_t nonce);

/* A packet from a host behind 'from', as the kernel would hand it over. */
void sim_packet(
    struct sim *, enum sim_name from, const char *source, const char *to);

struct eid sim_eid(const char *text);
struct addr sim_addr(const char *text);
/* RLOC of a node, as text; the second one, with two_rlocs. */
const char *sim_rloc(enum sim_name);
const char *sim_second_rloc(enum sim_name);
/* Sender-ID of a hypervisor. */
void sim_host_id(unsigned host, uint8_t out[16]);
/* State of an EID (NULL: 10.1.1.10) at a node, as text. */
const char *sim_state_of(struct sim *, enum sim_name, const char *eid);
const char *sim_state(struct sim *, enum sim_name);
/* First usable locator of an EID in the client's map-cache, as text, or "". */
const char *sim_cached(struct sim *, const char *eid);
/* The same at the Map-Server. */
const char *sim_registered(struct sim *, const char *eid);

#endif
