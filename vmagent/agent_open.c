/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_open.c - makes the context of its parts, takes it apart, and swaps the
 * configuration.
 *
 * main.c calls it; what happens in between is in agent.c.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "common/log.h"
#include "ctl.h"
#include "dry_run.h"

/* ---- hooks of notify.c ---- */

static void
on_reserve(void *arg, uint64_t ceiling)
{
	struct agent *a = arg;

	if (a->state)
		state_reserve(a->state, ceiling);
}

static const struct notify_hooks notify_hooks = { speak_acked, on_reserve, NULL,
	false };
static const struct notify_hooks dry_hooks = { speak_acked, on_reserve,
	dry_run_send, true };

/* ---- begin and end ---- */

static void
on_row(void *arg, const struct vm *row)
{
	struct agent *a = arg;
	struct vm *vm = agent_vm(a, row->uuid);

	if (!vm)
		return;
	memcpy(vm->name, row->name, sizeof(vm->name));
	vm->state = row->state;
	vm->generation = row->generation;
	vm->highest = row->highest;
	vm->seen_ms = row->seen_ms;
	memcpy(vm->said, row->said, sizeof(vm->said));
	vm->info = malloc(sizeof(*vm->info));
	if (vm->info)
		*vm->info = *row->info;
}

static bool
open_state(struct agent *a)
{
	uint64_t nonces = 0;

	if (!a->dry_run) {
		if (state_open(a->loop, a->conf->state.directory, &a->state))
			return false;
		state_walk(a->state, on_row, a);
		nonces = state_nonces(a->state);
	}
	notify_nonces(a->notify, nonces);
	return true;
}

static bool
open_virt(struct agent *a)
{
	const struct virt_conf conf = {
		.uri = a->conf->libvirt.uri,
		.keepalive_s = a->conf->libvirt.keepalive_s,
		.keepalive_count = a->conf->libvirt.keepalive_count,
		.own_uri = EIDS_STATE_URI,
		.own_key = EIDS_STATE_KEY,
	};

	a->virt = virt_new(a->loop, &conf, &agent_virt_hooks, a);
	return a->virt != NULL;
}

static bool
open_peers(struct agent *a)
{
	/* A dry run leaves no program on a tap. */
	bool passive = a->dry_run && a->conf->peers.source != CONF_PEERS_OFF;
	const struct peers_conf conf = {
		.source = passive ? CONF_PEERS_PACKET : a->conf->peers.source,
		.max = (unsigned)a->conf->peers.max,
		.age_s = a->conf->peers.age_s,
	};

	a->peers = peers_new(a->loop, &conf);
	return a->peers != NULL;
}

struct agent *
agent_new(
    struct loop *loop, struct agent_conf *conf, const char *path, bool dry_run)
{
	struct agent *a = calloc(1, sizeof(*a));
	uint8_t id[16];

	if (!a || vms_init(&a->vms)) {
		free(a);
		return NULL;
	}
	a->loop = loop;
	a->conf = conf;
	a->conf_path = path;
	a->dry_run = dry_run;
	a->notify =
	    notify_new(loop, conf, dry_run ? &dry_hooks : &notify_hooks, a);
	if (!a->notify || !open_peers(a) || resync_init(a) ||
	    metadata_init(a) || !open_state(a) || (!dry_run && !ctl_open(a)) ||
	    !open_virt(a)) {
		a->conf = NULL; /* stays the caller's */
		agent_free(a);
		return NULL;
	}
	if (conf->has_host_id)
		agent_ready(a, conf->host_id);
	else if (a->state && !state_host_id(a->state, id))
		log_debug("agent", "host-id of the last run is known");
	return a;
}

bool
agent_idle(const struct agent *a)
{
	return virt_idle(a->virt);
}

void
agent_free(struct agent *a)
{
	if (!a)
		return;
	ctl_server_free(a->ctl);
	virt_free(a->virt);
	resync_fini(a);
	metadata_fini(a);
	notify_free(a->notify);
	vms_fini(&a->vms);
	peers_free(a->peers);
	state_close(a->state);
	agent_conf_free(a->conf);
	free(a);
}

/* What a running agent cannot change. */
static void
warn_restart(const struct agent_conf *old, const struct agent_conf *new)
{
	bool differs = strcmp(old->libvirt.uri, new->libvirt.uri) != 0 ||
	    strcmp(old->state.directory, new->state.directory) != 0 ||
	    strcmp(old->control.socket, new->control.socket) != 0 ||
	    old->has_host_id != new->has_host_id ||
	    memcmp(old->host_id, new->host_id, sizeof(old->host_id)) != 0 ||
	    old->peers.source != new->peers.source ||
	    old->peers.max != new->peers.max;

	if (differs)
		log_warning("agent",
		    "libvirt, state, control, host-id and "
		    "peers change with a restart only");
}

enum err
agent_reload(struct agent *a)
{
	struct agent_conf *conf = agent_conf_load(a->conf_path, stderr);
	struct agent_conf *old = a->conf;
	struct table_iter it;
	struct vm *vm;

	if (!conf) {
		log_error(
		    "agent", "%s: not loaded, nothing changed", a->conf_path);
		return ERR_MALFORMED;
	}
	warn_restart(old, conf);
	a->conf = conf;
	notify_reload(a->notify, conf);
	agent_conf_free(old);
	log_info("agent", "%s: loaded", a->conf_path);
	if (!a->ready)
		return ERR_OK;
	it = table_iter(&a->vms.table);
	while ((vm = vms_next(&it)))
		speak_again(a, vm, false);
	resync_connected(a);
	return ERR_OK;
}
