/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_AGENT_H
#define VMAGENT_AGENT_H

/*
 * agent.h - the one context of vmagent, and the flow of an event through it:
 *
 *	virt -> agent -> mobility -> speak -> notify
 *
 *	agent_open.c the context, from its parts
 *	agent.c     what libvirt says, and what it does to a VM
 *	speak.c     an action becomes a statement; its Acks
 *	resync.c    listings against what we thought; expiry
 *	watch.c     departing and paused VMs are looked at
 *	metadata.c  generation, owner and peers in the live metadata
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/ctl_server.h"
#include "common/loop.h"
#include "vmagent/conf.h"
#include "vmagent/history.h"
#include "vmagent/notify.h"
#include "vmagent/peers.h"
#include "vmagent/state.h"
#include "vmagent/virt.h"
#include "vmagent/vms.h"

enum {
	RESYNC_RATE = 50,	/* docs/cpm.md 7.3 item 4: present a second */
	RESYNC_BURST = 50,	/* so a small host says all at once */
	JOB_OVER_MS = 2000,	/* docs/cpm.md 7.2 */
	PAUSED_LOOK_MS = 30000, /* docs/cpm.md 7.2 */
	METADATA_PEERS_S = 30,	/* docs/cpm.md 7.3: at most every */
	METADATA_RETRY_MS = 1000,
	METADATA_BUSY_S = 10,
	METADATA_SETTLE_MS = 200, /* an arrival's own job ends meanwhile */
	EXPIRE_MS = 60000,
	METADATA_TICK_MS = 250,
};

/* Why a domain is looked at: virt_domain.purpose. */
enum look {
	LOOK_EVENT,   /* events wait for its XML */
	LOOK_LIST,    /* a listing found it */
	LOOK_CHANGED, /* its XML has changed */
	LOOK_COPYING, /* is the job an outgoing migration? */
	LOOK_POLL,    /* is it over, is the VM still here? */
	LOOK_RECLAIM, /* our claim is stale: does the VM run here? */
};

struct agent_counters {
	uint64_t events[EV_COUNT];
	uint64_t said[DO_ACTIONS];
	uint64_t vms_refused; /* the table is full */
	uint64_t reclaims, reclaims_spent;
	uint64_t metadata_written, metadata_postponed, metadata_failed;
	uint64_t listings, resync_said;
};

struct agent {
	struct loop *loop;
	struct agent_conf *conf;
	const char *conf_path;
	bool dry_run; /* say what would be said, and keep nothing */
	bool ready;   /* the host-id is known */
	uint8_t host_id[16];

	struct virt *virt;
	struct notify *notify;
	struct peers *peers;
	struct state *state; /* NULL: dry run */
	struct ctl_server *ctl;
	struct vms vms;
	struct history history;

	/* resync.c */
	struct loop_timer *resync, *pace, *expire;
	struct vm *due_first, **due_last;
	unsigned credit;  /* presents that may go at once */
	unsigned listing; /* looks of the last listing still to come */
	/* metadata.c */
	struct loop_timer *metadata;

	struct agent_counters counters;
	struct vm_info scratch; /* room for one XML */
	struct cpm_peer peers_room[CPM_PEERS_SENT_MAX];
};

/* ---- agent_open.c ---- */

/*
 * Opens the state, connects, listens.  Takes over 'conf' if it succeeds; 'path'
 * is borrowed.  virt_loop_init() and eids_init() come first.  NULL after an
 * error that was logged.
 */
struct agent *agent_new(
    struct loop *, struct agent_conf *conf, const char *path, bool dry_run);
void agent_free(struct agent *); /* accepts NULL */
/* False while a call to libvirt is under way: agent_free() would wait. */
bool agent_idle(const struct agent *);
/*
 * Reads the configuration file again.  ERR_MALFORMED: nothing changed, the
 * errors are on stderr.
 */
enum err agent_reload(struct agent *) MUST_USE;

/* ---- agent.c ---- */

extern const struct virt_hooks agent_virt_hooks;

/* The host-id is known: from now on we can speak. */
void agent_ready(struct agent *, const uint8_t host_id[16]);
/* Something happened to 'vm' at 'wall_ms': decide and act. */
void agent_happened(
    struct agent *, struct vm *, enum vm_event_kind, uint64_t wall_ms);
/* The entry of a VM, made if need be; NULL: the table is full. */
struct vm *agent_vm(struct agent *, const uint8_t uuid[16]);
/* Its XML as it is now; says what follows from changed EIDs. */
void agent_learn(struct agent *, struct vm *, const char *xml);
/* Keeps what must survive of it. */
void agent_save(struct agent *, const struct vm *);
uint64_t agent_wall_ms(const struct agent *);

/* ---- speak.c ---- */

void speak(struct agent *, struct vm *, enum vm_action, uint64_t wall_ms);
/* Says again what not all xTRs have acked: after a restart or a reload. */
void speak_again(struct agent *, struct vm *, bool after_restart);
/* 'absent' for the EIDs of 'old' that the VM no longer has. */
void
speak_removed(struct agent *, const struct vm *, const struct vm_info *old);
void speak_acked(void *agent, const struct notify_ack *);
void
speak_reclaim_looked(struct agent *, struct vm *, const struct virt_domain *);

/* ---- resync.c ---- */

enum err resync_init(struct agent *) MUST_USE;
void resync_fini(struct agent *);
void resync_connected(struct agent *);
void resync_listed(
    void *agent, const uint8_t (*uuids)[16], size_t n, struct mono asked);
void resync_looked(struct agent *, const struct virt_domain *);
/* 'vm' is about to be removed. */
void resync_forget(struct agent *, struct vm *);

/* ---- watch.c ---- */

void watch_copying(void *agent, const uint8_t uuid[16], uint64_t wall_ms);
void
watch_copying_looked(struct agent *, struct vm *, const struct virt_domain *);
/* The VM's state has changed: starts, restarts or ends its poll. */
void watch_state(struct agent *, struct vm *);
void watch_looked(struct agent *, struct vm *, const struct virt_domain *);

/* ---- metadata.c ---- */

enum err metadata_init(struct agent *) MUST_USE;
void metadata_fini(struct agent *);
/* A claim was acked: what differs will be written soon. */
void metadata_due(struct agent *, struct vm *);
void metadata_written(
    void *agent, const uint8_t uuid[16], enum err, const char *why);
/* Generation in the VM's metadata, 0 if there is none or it is absurd. */
uint64_t metadata_generation(const struct agent *, const struct vm *);
/* Peers seen here and those that came along; at most 'max'. */
unsigned
metadata_peers(struct agent *, struct vm *, struct cpm_peer *out, unsigned max);

#endif
