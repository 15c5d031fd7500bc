/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_CONF_H
#define VMAGENT_CONF_H

/*
 * conf.h - vmagent's configuration: checked, with all defaults, constant.
 * Manual: vmagent.conf(5).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/auth.h"
#include "common/conf_read.h"

/* xtrs[]: every xTR of the own site */
struct conf_agent_xtr {
	const char *name;
	struct addr address;
	int64_t port;	    /* default 4342 */
	uint8_t xtr_id[16]; /* zero unless has_xtr_id */
	bool has_xtr_id; /* false ("any"): any Sender-ID whose Ack verifies */
	int64_t key_id;
	struct conf_secret secret;
	uint8_t algorithm;   /* default hmac-sha256-128 */
	struct auth_key key; /* made of the above */
	struct conf_pos pos;
};

/* static[]: EIDs of VMs without operator metadata */
struct conf_static_vm {
	const char *vm;	       /* name or UUID of the domain */
	struct conf_list eids; /* struct addr */
	int64_t instance_id;
	struct addr mac; /* AFI_NONE: of the first interface */
	struct conf_pos pos;
};

enum conf_peer_source {
	CONF_PEERS_AUTO,
	CONF_PEERS_BPF,
	CONF_PEERS_PACKET,
	CONF_PEERS_OFF
};

struct agent_conf {
	struct conf_list xtrs; /* struct conf_agent_xtr */
	struct conf_list vms;  /* struct conf_static_vm; key "static" */
	uint8_t host_id[16];
	bool has_host_id; /* false: libvirt's host UUID */
	struct {
		const char *uri;	 /* default qemu:///system */
		int64_t keepalive_s;	 /* default 5 */
		int64_t keepalive_count; /* default 3 */
	} libvirt;
	struct {
		int source;	      /* enum conf_peer_source */
		int64_t max;	      /* per VM, default 2048 */
		int64_t metadata_max; /* default 256 */
		int64_t age_s;	      /* forget a peer after, default 1 h */
	} peers;
	int64_t resync_s;    /* default 60 */
	int64_t job_poll_ms; /* default 1000 */
	int64_t cpm_subtype;
	int64_t payload; /* largest CPM in octets, default 548 */
	struct {
		const char *socket; /* default /run/vmagent/vmagent.sock */
		const char *group;
	} control;
	struct {
		const char *directory; /* default /var/lib/vmagent */
	} state;
	struct conf_doc *doc;
};

/* As xtr_conf_load() and its companions. */
struct agent_conf *agent_conf_load(const char *path, FILE *errors);
void agent_conf_free(struct agent_conf *); /* accepts NULL */
void agent_conf_print(FILE *, const struct agent_conf *);

#endif
