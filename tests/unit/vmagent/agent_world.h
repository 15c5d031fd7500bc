/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_AGENT_WORLD_H
#define TESTS_AGENT_WORLD_H

/*
 * agent_world.h - an agent on a fake clock with one xTR that hears everything
 * and answers when told to.  libvirt is its own test driver; what a look finds
 * is kept from the agent, the tests say it themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cpm.h"
#include "common/log.h"
#include "vmagent/agent.h"
#include "vmagent/virt_loop.h"

enum { SAID_MAX = 1024, LOOKED_MAX = 512, WAIT_MS = 5000 };
#define WALL_MS UINT64_C(1700000000000)
#define DAY_MS (UINT64_C(86400) * 1000)

struct said {
	uint8_t bytes[1500];
	size_t len;
	struct cpm m;
};

struct looked {
	uint8_t uuid[16];
	int purpose;
};

struct world {
	struct clock clock;
	struct loop *loop;
	struct virt *virt;
	bool connected;
	struct agent *a;
	struct agent_conf conf;
	struct conf_agent_xtr xtr;
	unsigned n_said;
	struct said said[SAID_MAX];
	uint64_t last_nonce; /* repetitions are left out */
	unsigned n_looked;
	struct looked looked[LOOKED_MAX];
	unsigned n_written;
	enum err written;
};

static struct world world;

/* ---- hooks ---- */

static inline void
on_send(void *arg, const struct addr *to, uint16_t port, const uint8_t *bytes,
    size_t len)
{
	struct said *s = &world.said[world.n_said];

	(void)arg;
	(void)to;
	(void)port;
	assert_true(len <= sizeof(s->bytes));
	memcpy(s->bytes, bytes, len);
	s->len = len;
	assert_int_equal(cpm_decode(s->bytes, len, CPM_SUBTYPE, &s->m), ERR_OK);
	if (s->m.nonce <= world.last_nonce)
		return;
	world.last_nonce = s->m.nonce;
	assert_true(++world.n_said < SAID_MAX);
}

static inline void
on_reserve(void *arg, uint64_t ceiling)
{
	(void)arg;
	(void)ceiling;
}

static inline void
on_connected(void *arg, const char *capabilities)
{
	(void)arg;
	(void)capabilities;
	world.connected = true;
}

static inline void
on_lost(void *arg)
{
	(void)arg;
}

static inline void
on_event(void *arg, const struct vm_event *ev)
{
	(void)arg;
	(void)ev;
}

static inline void
on_copying(void *arg, const uint8_t uuid[16], uint64_t wall_ms)
{
	(void)arg;
	(void)uuid;
	(void)wall_ms;
}

static inline void
on_changed(void *arg, const uint8_t uuid[16])
{
	(void)arg;
	(void)uuid;
}

static inline void
on_listed(void *arg, const uint8_t (*uuids)[16], size_t n, struct mono asked)
{
	(void)arg;
	(void)uuids;
	(void)n;
	(void)asked;
}

static inline void
on_looked(void *arg, const struct virt_domain *d)
{
	struct looked *l = &world.looked[world.n_looked];

	(void)arg;
	assert_true(++world.n_looked < LOOKED_MAX);
	memcpy(l->uuid, d->uuid, sizeof(l->uuid));
	l->purpose = d->purpose;
}

static inline void
on_written(void *arg, const uint8_t uuid[16], enum err err, const char *why)
{
	(void)arg;
	world.n_written++;
	world.written = err;
	if (world.a)
		metadata_written(world.a, uuid, err, why);
}

static const struct virt_hooks virt_hooks = { on_connected, on_lost, on_event,
	on_copying, on_changed, on_listed, on_looked, on_written };
static const struct notify_hooks notify_hooks = { speak_acked, on_reserve,
	on_send, false };

/* ---- begin and end ---- */

static inline void
turn(void)
{
	loop_poll(world.loop);
	usleep(200);
}

/* Nothing of libvirt's is under way any more. */
static inline void
settle(void)
{
	for (int i = 0; i < WAIT_MS * 5 && !virt_idle(world.virt); i++)
		turn();
	assert_true(virt_idle(world.virt));
}

/* libvirt takes one event loop in the life of a process. */
static inline int
group_setup(void **state)
{
	const struct virt_conf conf = { .uri = "test:///default",
		.own_uri = EIDS_STATE_URI,
		.own_key = EIDS_STATE_KEY };

	(void)state;
	log_level_set(LOG_LEVEL_ERROR);
	clock_fake(&world.clock, (int64_t)WALL_MS * 1000);
	world.loop = loop_new(&world.clock);
	eids_init();
	if (virt_loop_init(world.loop))
		return -1;
	world.virt = virt_new(world.loop, &conf, &virt_hooks, NULL);
	for (int i = 0; i < WAIT_MS * 5 && !world.connected; i++)
		turn();
	return world.connected ? 0 : -1;
}

static inline int
group_teardown(void **state)
{
	(void)state;
	virt_free(world.virt);
	virt_loop_fini();
	loop_free(world.loop);
	eids_fini();
	return 0;
}

static inline int
setup(void **state)
{
	static const uint8_t host[16] = { 0xa1 };
	const struct peers_conf peers = {
		.source = CONF_PEERS_OFF, .max = 64, .age_s = 3600
	};
	struct agent *a = calloc(1, sizeof(*a));

	settle();
	world.n_said = world.n_looked = world.n_written = 0;
	world.last_nonce = 0;
	world.xtr = (struct conf_agent_xtr){ .name = "x1",
		.port = 4342,
		.key = { .key_id = 11,
		    .algorithm = AUTH_SHA256_128,
		    .accept = 1 << AUTH_SHA256_128,
		    .secret_len = 8 } };
	if (addr_parse("192.0.2.1", &world.xtr.address))
		return -1;
	world.conf = (struct agent_conf){ .xtrs = { &world.xtr, 1 },
		.cpm_subtype = CPM_SUBTYPE,
		.payload = 548,
		.resync_s = 60,
		.job_poll_ms = 500,
		.peers = { .metadata_max = 256, .age_s = 3600 } };
	a->loop = world.loop;
	a->conf = &world.conf;
	a->virt = world.virt;
	a->notify = notify_new(world.loop, &world.conf, &notify_hooks, a);
	notify_nonces(a->notify, 0);
	a->peers = peers_new(world.loop, &peers);
	if (vms_init(&a->vms) || resync_init(a) || metadata_init(a))
		return -1;
	agent_ready(a, host);
	world.a = a;
	*state = a;
	return 0;
}

static inline int
teardown(void **state)
{
	struct agent *a = *state;

	settle();
	world.a = NULL;
	resync_fini(a);
	metadata_fini(a);
	notify_free(a->notify);
	vms_fini(&a->vms);
	peers_free(a->peers);
	free(a);
	return 0;
}

/* ---- what the tests say and ask ---- */

static inline void
ms(int64_t n)
{
	loop_advance(world.loop, &world.clock, n * 1000);
}

static inline struct mono
now(void)
{
	return loop_now(world.loop);
}

/* Looks that were asked for with this purpose, since the start. */
static inline unsigned
looks(int purpose)
{
	unsigned n = 0;

	settle();
	for (unsigned i = 0; i < world.n_looked; i++)
		n += world.looked[i].purpose == purpose;
	return n;
}

static inline struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static inline void
make_uuid(unsigned id, uint8_t uuid[16])
{
	memset(uuid, 0, 16);
	uuid[0] = 0x7c;
	uuid[14] = (uint8_t)(id >> 8);
	uuid[15] = (uint8_t)id;
}

/* VM 'id' has the EID 10.1.x.y and one vNIC. */
static inline struct vm *
make_vm(struct agent *a, unsigned id, enum vm_state state)
{
	struct addr eid = address("10.1.0.0");
	uint8_t uuid[16];
	struct vm *vm;

	make_uuid(id, uuid);
	vm = agent_vm(a, uuid);
	assert_non_null(vm);
	snprintf(vm->name, sizeof(vm->name), "vm%u", id);
	vm->state = state;
	vm->info = calloc(1, sizeof(*vm->info));
	memcpy(vm->info->uuid, uuid, 16);
	memcpy(vm->info->name, vm->name, sizeof(vm->name));
	vm->info->n_nics = 1;
	vm->info->nics[0].mac = address("52:54:00:00:00:01");
	vm->info->nics[0].n_eids = 1;
	eid.bytes[2] = (uint8_t)(id >> 8);
	eid.bytes[3] = (uint8_t)id;
	vm->info->nics[0].eids[0] = eid_host(0, &eid);
	if (vm_is_owned(vm))
		vm->generation = vm->highest = WALL_MS - 1000;
	return vm;
}

/* Its metadata names 'n' peers, 10.9.0.0 and on. */
static inline void
give_peers(struct vm *vm, unsigned n)
{
	struct addr a = address("10.9.0.0");

	for (unsigned i = 0; i < n; i++) {
		a.bytes[3] = (uint8_t)i;
		vm->info->metadata.peers[i] =
		    (struct cpm_peer){ .kind = CPM_PEER, .addr = a };
	}
	vm->info->metadata.n_peers = n;
}

/* The statement said last. */
static inline const struct cpm *
last_said(void)
{
	assert_true(world.n_said > 0);
	return &world.said[world.n_said - 1].m;
}

static inline void
assert_said(unsigned n, uint8_t reason)
{
	if (world.n_said != n)
		fail_msg("%u CPMs instead of %u, the last %s", world.n_said, n,
		    world.n_said ? cpm_reason_str(last_said()->reason) : "-");
	assert_string_equal(
	    cpm_reason_str(last_said()->reason), cpm_reason_str(reason));
}

static inline unsigned
peers_said(void)
{
	struct cpm m = *last_said();
	struct cpm_peer p;
	unsigned n = 0;

	while (cpm_peer_next(&m.peers, &p))
		n += p.kind == CPM_PEER;
	return n;
}

/* The xTR answers the 'i'th CPM. */
static inline void
answer(unsigned i, uint8_t status, uint64_t highest)
{
	const struct cpm *m = &world.said[i].m;
	struct cpm_ack ack = { .subtype = CPM_SUBTYPE,
		.nonce = m->nonce,
		.key_id = m->key_id,
		.algorithm = m->algorithm,
		.series = m->series,
		.part = m->part,
		.parts = m->parts,
		.status = status,
		.reason = m->reason,
		.highest_nonce = m->nonce,
		.highest_generation = highest,
		.n_eids = 1,
		.eids = { { status, m->eids[0] } } };
	uint8_t buf[512];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	cpm_ack_encode(&w, &ack);
	assert_int_equal(
	    auth_sign(buf, wire_written(&w), &world.xtr.key), ERR_OK);
	notify_received(
	    world.a->notify, &world.xtr.address, 4342, buf, wire_written(&w));
}

/* A look at 'vm' that was asked for just now. */
static inline struct virt_domain
found(const struct vm *vm, enum vm_life life, enum vm_job job)
{
	struct virt_domain d = { .life = life, .job = job, .asked = now() };

	memcpy(d.uuid, vm->uuid, sizeof(d.uuid));
	return d;
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define RUN(name) \
	cmocka_run_group_tests_name(name, tests, group_setup, group_teardown)

#endif
