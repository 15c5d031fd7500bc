/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_metadata.c - when the live metadata is written, with what, and what
 * becomes of a write that failed (docs/cpm.md 7.3).
 */
#include "agent_world.h"

/* The domain of libvirt's test driver. */
#define DOMAIN "6695eb01-f6a4-8304-79aa-97f2502e193f"

static struct vm *
make_domain(struct agent *a)
{
	struct vm *vm = make_vm(a, 1, VM_HERE), *real;
	uint8_t uuid[16];

	assert_int_equal(uuid_parse(DOMAIN, uuid), ERR_OK);
	real = agent_vm(a, uuid);
	real->info = vm->info;
	vm->info = NULL;
	memcpy(real->info->uuid, uuid, 16);
	real->state = VM_HERE;
	real->generation = real->highest = WALL_MS - 1000;
	vms_remove(&a->vms, vm);
	return real;
}

/* How many writes libvirt has done since the start of the test. */
static unsigned
writes(void)
{
	settle();
	return world.n_written;
}

static void
test_generation(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);

	vm->info->metadata.generation = 4711;
	assert_int_equal(metadata_generation(a, vm), 4711);
	vm->info->metadata.generation = agent_wall_ms(a) + DAY_MS;
	assert_int_equal(metadata_generation(a, vm), agent_wall_ms(a) + DAY_MS);
	vm->info->metadata.generation++;
	assert_int_equal(metadata_generation(a, vm), 0);
	vm->info->metadata.generation = UINT64_MAX;
	assert_int_equal(metadata_generation(a, vm), 0);
	free(vm->info);
	vm->info = NULL;
	assert_int_equal(metadata_generation(a, vm), 0);
}

/* Those that came along count for a while, as far as there is room. */
static void
test_peers(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_vm(a, 1, VM_HERE);
	struct cpm_peer out[8];

	give_peers(vm, 5);
	assert_int_equal(metadata_peers(a, vm, out, 8), 0);
	vm->inherited_until = mono_add_ms(now(), 1000);
	assert_int_equal(metadata_peers(a, vm, out, 8), 5);
	assert_int_equal(vm->n_peers, 5);
	assert_int_equal(out[4].addr.bytes[3], 4);
	assert_int_equal(metadata_peers(a, vm, out, 3), 3);
	assert_int_equal(out[2].addr.bytes[3], 2); /* the best */
	assert_int_equal(metadata_peers(a, vm, out, 0), 0);
	ms(999);
	assert_int_equal(metadata_peers(a, vm, out, 8), 5);
	ms(1);
	assert_int_equal(metadata_peers(a, vm, out, 8), 0);
	free(vm->info);
	vm->info = NULL;
	assert_int_equal(metadata_peers(a, vm, out, 8), 0);
}

/* Only what an xTR has acked, and only after the arrival's own job. */
static void
test_claim(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_domain(a);
	const struct vm_metadata *md = &vm->info->metadata;

	give_peers(vm, 2);
	vm->inherited_until = mono_add_ms(now(), 3600000);
	ms(2000);
	assert_int_equal(writes(), 0);
	vm->claim_acked = true;
	metadata_due(a, vm);
	ms(METADATA_SETTLE_MS - 1);
	assert_int_equal(writes(), 0);
	ms(METADATA_TICK_MS);
	assert_int_equal(writes(), 1);
	assert_int_equal(world.written, ERR_OK);
	assert_int_equal(a->counters.metadata_written, 1);
	assert_false(vm->writing);
	assert_null(vm->written);
	assert_int_equal(md->generation, vm->generation);
	assert_int_equal(md->owner[0], 0xa1);
	assert_int_equal(md->n_peers, 2);
	assert_true(md->written_ms >= agent_wall_ms(a) - 1000);
	/* nothing differs: nothing is written */
	metadata_due(a, vm);
	ms(METADATA_PEERS_S * 3000);
	assert_int_equal(writes(), 1);
	/* a new generation is news at once */
	vm->generation++;
	metadata_due(a, vm);
	ms(METADATA_SETTLE_MS + METADATA_TICK_MS);
	assert_int_equal(writes(), 2);
	/* another owner, too */
	vm->info->metadata.owner[0] = 0xb1;
	metadata_due(a, vm);
	ms(METADATA_SETTLE_MS + METADATA_TICK_MS);
	assert_int_equal(writes(), 3);
}

/* Changed peers, at most every 30 s; their order is no change. */
static void
test_changed_peers(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_domain(a);
	struct vm_metadata *md = &vm->info->metadata;

	vm->claim_acked = true;
	give_peers(vm, 3);
	vm->inherited_until = mono_add_ms(now(), 3000);
	metadata_due(a, vm);
	ms(METADATA_SETTLE_MS + METADATA_TICK_MS);
	assert_int_equal(writes(), 1);
	assert_int_equal(md->n_peers, 3);
	{ /* as if libvirt gave them in another order */
		struct cpm_peer p = md->peers[0];

		md->peers[0] = md->peers[2];
		md->peers[2] = p;
	}
	ms(2000); /* still inherited */
	assert_int_equal(writes(), 1);
	ms(METADATA_PEERS_S * 1000); /* and now forgotten */
	assert_int_equal(writes(), 2);
	assert_int_equal(md->n_peers, 0);
	for (unsigned i = 1; i <= 2; i++) {
		give_peers(vm, i);
		if (i == 1)
			vm->write_at = now();
		else
			ms(METADATA_PEERS_S * 1000 - 4 * METADATA_TICK_MS);
		assert_int_equal(writes(), 1 + i);
		ms(i == 1 ? METADATA_TICK_MS : 5 * METADATA_TICK_MS);
		assert_int_equal(writes(), 2 + i);
	}
}

/* Only while it runs here undisturbed, and never in a dry run. */
static void
test_not_now(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_domain(a);

	vm->claim_acked = true;
	for (unsigned s = 0; s < VM_STATES; s++) {
		vm->state = (enum vm_state)s;
		if (s == VM_HERE)
			a->dry_run = true;
		ms(2000);
		a->dry_run = false;
	}
	vm->state = VM_HERE;
	vm->writing = true; /* the last one is under way */
	ms(2000);
	vm->writing = false;
	vm->claim_acked = false;
	ms(2000);
	assert_int_equal(writes(), 0);
	vm->claim_acked = true;
	ms(METADATA_TICK_MS);
	assert_int_equal(writes(), 1);
}

/* The bound of the configuration, and of the element. */
static void
test_bound(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_domain(a);

	give_peers(vm, 200);
	vm->inherited_until = mono_add_ms(now(), 3600000);
	vm->claim_acked = true;
	world.conf.peers.metadata_max = 10;
	ms(METADATA_TICK_MS);
	assert_int_equal(writes(), 1);
	assert_int_equal(vm->info->metadata.n_peers, 10);
	give_peers(vm, 200);
	world.conf.peers.metadata_max = 100000;
	ms(METADATA_PEERS_S * 1000);
	assert_int_equal(writes(), 1); /* the same set */
}

/* A job holds the domain: in 10 s again.  Anything else: counted. */
static void
test_failures(void **state)
{
	struct agent *a = *state;
	struct vm *vm = make_domain(a);
	uint8_t nobody[16] = { 3 };

	vm->claim_acked = true;
	vm->writing = true;
	vm->written = calloc(1, sizeof(*vm->written));
	vm->written->generation = 99;
	metadata_written(a, vm->uuid, ERR_RATE, "busy");
	assert_false(vm->writing);
	assert_null(vm->written);
	assert_int_equal(vm->info->metadata.generation, 0);
	assert_int_equal(a->counters.metadata_postponed, 1);
	assert_int_equal(a->counters.metadata_failed, 0);
	ms(METADATA_BUSY_S * 1000 - METADATA_TICK_MS);
	assert_int_equal(writes(), 0);
	ms(2 * METADATA_TICK_MS);
	assert_int_equal(writes(), 1);

	vm->writing = true;
	vm->written = calloc(1, sizeof(*vm->written));
	vm->written->generation = 99;
	metadata_written(a, vm->uuid, ERR_IO, "no");
	assert_false(vm->writing);
	assert_int_equal(vm->info->metadata.generation, vm->generation);
	assert_int_equal(a->counters.metadata_failed, 1);
	metadata_written(a, nobody, ERR_IO, "gone");
	metadata_written(a, nobody, ERR_OK, NULL);
	assert_int_equal(a->counters.metadata_failed, 2);
	assert_int_equal(a->counters.metadata_written, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_generation),
		T(test_peers),
		T(test_claim),
		T(test_changed_peers),
		T(test_not_now),
		T(test_bound),
		T(test_failures),
	};

	return RUN("vmagent/metadata");
}
