/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

/*
 * sim.h - whole xTRs and Map-Servers in one process, on one fake clock and a
 * fake network that delays, loses and duplicates.
 *
 *	 dc1 (192.0.2.1)        dc2 (198.51.100.1)      agents 10.0.0.11, 10.0.1.11
 *	      \                   /
 *	       +---- network ----+---- ms (192.0.2.129)
 *	      /
 *	 client (203.0.113.1, EIDs 10.3.0.0/24)
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/cpm.h"
#include "common/msg.h"
#include "xtr/xtr.h"

#define SIM_NODES 4
#define SIM_INBOX 256

enum sim_name { DC1, DC2, CLIENT, MS };

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
		struct xtr_conf *conf;
		bool up;
	} nodes[SIM_NODES];
	int64_t delay_us;
	unsigned loss_percent, dup_percent;
	bool cut[SIM_NODES][SIM_NODES]; /* [from][to]: nothing passes, or */
	int cut_only;			/* nothing of this type, if not 0 */
	uint64_t seed;
	uint64_t nonces[2]; /* of the two hypervisors */
	uint64_t sent[16];  /* messages by type, all nodes */
	struct sim_ack inbox[SIM_INBOX];
	unsigned n_inbox;
};

/* Starts all four nodes; fails the test if anything does not start. */
struct sim *sim_new(void);
void sim_free(struct sim *);
/* Ends a node as SIGTERM would / starts it again from its store. */
void sim_stop(struct sim *, enum sim_name);
void sim_start(struct sim *, enum sim_name);

void sim_run(struct sim *, int64_t ms);
static inline struct xtr *
sim_xtr(struct sim *s, enum sim_name n)
{
	return &s->nodes[n].x;
}

/* What a hypervisor says; 'eid' NULL: 10.1.1.10. */
struct sim_cpm {
	enum sim_name site; /* DC1: hyp1, DC2: hyp2 */
	uint8_t reason;
	uint64_t generation;
	const char *eid;
	uint64_t nonce; /* 0: the next one of that hypervisor */
	uint8_t vm;	/* 0: the usual VM-ID, else another one */
	const char *peer;
	bool bad_key, bad_source, unknown_sender;
};
/* Sends it and returns its nonce. */
uint64_t sim_cpm(struct sim *, const struct sim_cpm *);
/* The Ack status for that nonce, or -1. */
int sim_status(const struct sim *, uint64_t nonce);
const struct cpm_ack *sim_ack(const struct sim *, uint64_t nonce);

struct eid sim_eid(const char *text);
struct addr sim_addr(const char *text);
/* State of the usual VM's EID at a node, as text. */
const char *sim_state(struct sim *, enum sim_name);
/* First usable locator of an EID in the client's map-cache, as text, or "". */
const char *sim_cached(struct sim *, const char *eid);
/* The same at the Map-Server. */
const char *sim_registered(struct sim *, const char *eid);

#endif
