/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata.c - generation, owner and peers in the domain's live metadata, which
 * travels with the VM and is at the target before its first event.
 *
 * Written by virt.c's write worker, only while the VM runs undisturbed, and
 * only after an xTR has acked the claim: at once when generation or owner
 * differ (but for the moment in which the arrival's own job ends), the peers at
 * most every 30 s and only if they have changed.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "common/log.h"

static void on_tick(void *arg);

enum err
metadata_init(struct agent *a)
{
	a->metadata = loop_timer_new(a->loop, on_tick, a);
	if (!a->metadata)
		return ERR_NOMEM;
	loop_timer_set(a->metadata, METADATA_TICK_MS);
	return ERR_OK;
}

void
metadata_fini(struct agent *a)
{
	loop_timer_free(a->metadata);
}

uint64_t
metadata_generation(const struct agent *a, const struct vm *vm)
{
	uint64_t g = vm->info ? vm->info->metadata.generation : 0;

	return mobility_generation_sane(g, agent_wall_ms(a)) ? g : 0;
}

static bool
has_peer(const struct cpm_peer *peers, unsigned n, const struct cpm_peer *p)
{
	for (unsigned i = 0; i < n; i++)
		if (peers[i].iid == p->iid &&
		    addr_equal(&peers[i].addr, &p->addr))
			return true;
	return false;
}

unsigned
metadata_peers(
    struct agent *a, struct vm *vm, struct cpm_peer *out, unsigned max)
{
	const struct vm_metadata *md;
	unsigned n, seen;

	if (!vm->info)
		return 0;
	n = seen = peers_collect(a->peers, vm->info, out, max);
	/* A new host has no history: those that came along count, too. */
	md = &vm->info->metadata;
	if (mono_before(loop_now(a->loop), vm->inherited_until))
		for (unsigned i = 0; i < md->n_peers && n < max; i++)
			if (!has_peer(out, seen, &md->peers[i]))
				out[n++] = md->peers[i];
	vm->n_peers = n;
	return n;
}

/* Generation and owner, which are written at once. */
static bool
claim_differs(const struct agent *a, const struct vm *vm)
{
	const struct vm_metadata *md = &vm->info->metadata;

	return md->generation != vm->generation ||
	    memcmp(md->owner, a->host_id, sizeof(a->host_id)) != 0;
}

/* The same set, in whatever order. */
static bool
same_peers(const struct vm_metadata *a, const struct vm_metadata *b)
{
	if (a->n_peers != b->n_peers)
		return false;
	for (unsigned i = 0; i < a->n_peers; i++)
		if (!has_peer(b->peers, b->n_peers, &a->peers[i]))
			return false;
	return true;
}

static void
write_now(struct agent *a, struct vm *vm, struct vm_metadata *md)
{
	char *xml = eids_state_xml(md);

	if (!xml || virt_write(a->virt, vm->uuid, xml)) {
		free(md);
		return;
	}
	free(vm->written);
	vm->written = md;
	vm->writing = true;
}

static void
consider(struct agent *a, struct vm *vm)
{
	struct mono now = loop_now(a->loop);
	struct vm_metadata *md;
	unsigned max = (unsigned)a->conf->peers.metadata_max;
	bool differs;

	if (a->dry_run || vm->state != VM_HERE || !vm->claim_acked ||
	    vm->writing || !vm->info || mono_before(now, vm->write_at))
		return;
	differs = claim_differs(a, vm);
	vm->write_at = mono_add_ms(
	    now, differs ? METADATA_RETRY_MS : METADATA_PEERS_S * 1000);
	md = calloc(1, sizeof(*md));
	if (!md)
		return;
	md->generation = vm->generation;
	memcpy(md->owner, a->host_id, sizeof(md->owner));
	md->written_ms = agent_wall_ms(a);
	md->n_peers = metadata_peers(a, vm, md->peers,
	    max < EIDS_STATE_PEERS_MAX ? max : EIDS_STATE_PEERS_MAX);
	if (differs || !same_peers(md, &vm->info->metadata))
		write_now(a, vm, md);
	else
		free(md);
}

void
metadata_due(struct agent *a, struct vm *vm)
{
	if (vm->info && claim_differs(a, vm))
		vm->write_at =
		    mono_add_ms(loop_now(a->loop), METADATA_SETTLE_MS);
}

static void
on_tick(void *arg)
{
	struct agent *a = arg;
	struct table_iter it = table_iter(&a->vms.table);
	struct vm *vm;

	loop_timer_set(a->metadata, METADATA_TICK_MS);
	if (!virt_connected(a->virt))
		return;
	while ((vm = vms_next(&it)))
		consider(a, vm);
}

void
metadata_written(
    void *arg, const uint8_t uuid[16], enum err err, const char *why)
{
	struct agent *a = arg;
	struct vm *vm = vms_find(&a->vms, uuid);
	char text[UUID_STR_MAX];

	if (err == ERR_RATE)
		a->counters.metadata_postponed++;
	else if (err)
		a->counters.metadata_failed++;
	else
		a->counters.metadata_written++;
	if (err && err != ERR_RATE)
		log_info("metadata", "%s: not written: %s",
		    vm ? vm_str(vm, text) : uuid_str(uuid, text), why);
	if (!vm)
		return;
	if (err == ERR_RATE) /* a job, perhaps a long one */
		vm->write_at = mono_add_ms(
		    loop_now(a->loop), METADATA_BUSY_S * INT64_C(1000));
	if (!err && vm->written && vm->info)
		vm->info->metadata = *vm->written;
	vm->writing = false;
	free(vm->written);
	vm->written = NULL;
}
