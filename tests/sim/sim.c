/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.c - whole xTRs in one process: configurations, network, agents.
 *
 * A message leaves a node through output_divert() and enters another one
 * through input_datagram() after the network's delay, as a timer of the shared
 * loop; the clock stands still until sim_run().
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/eids.h"
#include "xtr/input.h"
#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/output.h"
#include "xtr/store.h"

#define START_WALL_US INT64_C(1800000000000000)

static const char *const names[SIM_NODES] = { "dc1", "dc2", "client", "ms" };
static const char *const rlocs[SIM_NODES] = { "192.0.2.1", "198.51.100.1",
	"203.0.113.1", "192.0.2.129" };
static const char *const hypervisors[2] = { "10.0.0.11", "10.0.1.11" };

static const char dc_conf[] =
    "site: { name: %s, rlocs: [ { address: %s } ] }\n"
    "mapping-systems:\n"
    "  - name: corp\n"
    "    map-servers: [ { address: 192.0.2.129, key-id: 1, key-file: key } ]\n"
    "    map-resolvers: [ 192.0.2.129 ]\n"
    "mobility:\n"
    "  prefixes: [ { prefix: 10.1.1.0/24, mapping-system: corp } ]\n"
    "  hypervisors:\n"
    "    - { name: %s, host-id: %s, addresses: [ %s ], key-id: 11,\n"
    "        key-file: key, prefixes: [ 10.1.1.0/25 ] }\n"
    "  sites:\n"
    "    - { name: %s, xtrs: [ { rloc: %s } ], prefixes: [ 10.1.1.0/24 ],\n"
    "        key-id: 21, key-file: key }\n"
    "dataplane: { kind: none }\n"
    "state: { directory: %s, size: 64M }\n";

static const char client_conf[] =
    "site: { name: client, rlocs: [ { address: 203.0.113.1 } ] }\n"
    "mapping-systems:\n"
    "  - name: corp\n"
    "    map-servers: [ { address: 192.0.2.129, key-id: 1, key-file: key } ]\n"
    "    map-resolvers: [ 192.0.2.129 ]\n"
    "eids: [ { prefix: 10.3.0.0/24, mapping-system: corp } ]\n"
    "dataplane: { kind: none }\n"
    "state: { directory: %s, size: 64M }\n";

static const char ms_conf[] =
    "site: { name: ms, rlocs: [ { address: 192.0.2.129 } ] }\n"
    "map-server:\n"
    "  sites:\n"
    "    - { name: dc1, key-id: 1, key-file: key, sources: [ 192.0.2.1 ],\n"
    "        prefixes: [ { prefix: 10.1.1.0/24, mobile: true,\n"
    "                      accept-more-specifics: true } ] }\n"
    "    - { name: dc2, key-id: 1, key-file: key, sources: [ 198.51.100.1 ],\n"
    "        prefixes: [ { prefix: 10.1.1.0/24, mobile: true,\n"
    "                      accept-more-specifics: true } ] }\n"
    "    - { name: client, key-id: 1, key-file: key,\n"
    "        prefixes: [ { prefix: 10.3.0.0/24 } ] }\n"
    "map-resolver: {}\n"
    "dataplane: { kind: none }\n"
    "state: { directory: %s, size: 64M }\n";

static const char *const host_ids[2] = { "a1a1a1a1-0000-4000-8000-000000000001",
	"b2b2b2b2-0000-4000-8000-000000000002" };

struct eid
sim_eid(const char *text)
{
	struct eid eid;

	if (eid_parse(text, &eid))
		fail_msg("no EID: %s", text);
	return eid;
}

struct addr
sim_addr(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a))
		fail_msg("no address: %s", text);
	return a;
}

static uint64_t
random_u64(struct sim *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return s->seed;
}

struct flight { /* a datagram under way */
	struct sim *sim;
	struct loop_timer *timer;
	enum sim_name from, to;
	size_t len;
	uint8_t bytes[];
};

static void
arrive(void *arg)
{
	struct flight *f = arg;
	struct sim_node *n = &f->sim->nodes[f->to];
	const struct datagram dg = { .bytes = f->bytes,
		.len = f->len,
		.from = sim_addr(rlocs[f->from]),
		.port = LISP_CONTROL_PORT,
		.to = sim_addr(rlocs[f->to]) };

	if (n->up)
		(void)!input_datagram(&n->x, &dg);
	loop_timer_free(f->timer);
	free(f);
}

static void
deliver(struct sim *s, enum sim_name from, enum sim_name to,
    const uint8_t *bytes, size_t len)
{
	struct flight *f = calloc(1, sizeof(*f) + len);

	assert_non_null(f);
	f->sim = s;
	f->from = from;
	f->to = to;
	f->len = len;
	memcpy(f->bytes, bytes, len);
	f->timer = loop_timer_new(s->loop, arrive, f);
	loop_timer_set_us(f->timer, s->delay_us);
}

static void
to_agent(struct sim *s, const struct addr *to, const uint8_t *bytes, size_t len)
{
	struct sim_ack *a = &s->inbox[s->n_inbox % SIM_INBOX];

	a->to = *to;
	assert_int_equal(
	    cpm_ack_decode(bytes, len, CPM_SUBTYPE, &a->ack), ERR_OK);
	s->n_inbox++;
}

static void
on_output(void *arg, const struct addr *to, uint16_t port, const uint8_t *bytes,
    size_t len)
{
	struct sim_node *n = arg;
	struct sim *s = n->sim;
	const enum sim_name from = (enum sim_name)(n - s->nodes);

	(void)port;
	s->sent[msg_type(bytes, len) & 15]++;
	for (unsigned i = 0; i < 2; i++) {
		const struct addr a = sim_addr(hypervisors[i]);

		if (addr_equal(to, &a)) {
			to_agent(s, to, bytes, len);
			return;
		}
	}
	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct addr a = sim_addr(rlocs[i]);

		if (!addr_equal(to, &a))
			continue;
		if (s->cut[from][i] &&
		    (!s->cut_only || s->cut_only == msg_type(bytes, len)))
			continue;
		if (random_u64(s) % 100 >= s->loss_percent)
			deliver(s, from, i, bytes, len);
		if (random_u64(s) % 100 < s->dup_percent)
			deliver(s, from, i, bytes, len);
	}
}

static void
write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void
write_conf(struct sim *s, enum sim_name n)
{
	char text[4096], state[96], name[32];
	const enum sim_name other = n == DC1 ? DC2 : DC1;

	snprintf(state, sizeof(state), "%s/state-%s", s->dir, names[n]);
	if (n == CLIENT)
		snprintf(text, sizeof(text), client_conf, state);
	else if (n == MS)
		snprintf(text, sizeof(text), ms_conf, state);
	else
		snprintf(text, sizeof(text), dc_conf, names[n], rlocs[n],
		    n == DC1 ? "hyp1" : "hyp2", host_ids[n], hypervisors[n],
		    names[other], rlocs[other], state);
	snprintf(name, sizeof(name), "%s.yaml", names[n]);
	write_file(s->dir, name, text, 0600);
}

void
sim_start(struct sim *s, enum sim_name name)
{
	struct sim_node *n = &s->nodes[name];
	char path[160];

	assert_false(n->up);
	snprintf(path, sizeof(path), "%s/%s.yaml", s->dir, names[name]);
	n->conf = xtr_conf_load(path, stderr);
	assert_non_null(n->conf);
	n->sim = s;
	memset(&n->x, 0, sizeof(n->x));
	n->x.conf = n->conf;
	n->x.clock = &s->clock;
	n->x.loop = s->loop;
	assert_int_equal(xtr_open(&n->x), ERR_OK);
	output_divert(&n->x, on_output, n);
	n->up = true;
	xtr_resume(&n->x);
}

void
sim_stop(struct sim *s, enum sim_name name)
{
	struct sim_node *n = &s->nodes[name];

	if (!n->up)
		return;
	/* Deferred work of this node must not outlive it. */
	loop_poll(s->loop);
	xtr_close(&n->x);
	xtr_conf_free(n->conf);
	n->up = false;
}

struct sim *
sim_new(void)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	snprintf(s->dir, sizeof(s->dir), "/tmp/xtr-sim-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->delay_us = 10000;
	s->seed = 88172645463325252u;
	clock_fake(&s->clock, START_WALL_US);
	s->loop = loop_new(&s->clock);
	assert_non_null(s->loop);
	write_file(s->dir, "key", "a-secret-of-the-simulation\n", 0600);
	for (unsigned i = 0; i < SIM_NODES; i++)
		write_conf(s, i);
	for (unsigned i = SIM_NODES; i-- > 0;)
		sim_start(s, i);
	/* A receiver that hears a sender first takes its own clock for the
	 * sender's highest nonce; everybody is a second old then. */
	sim_run(s, 1000);
	return s;
}

void
sim_free(struct sim *s)
{
	char command[96];

	for (unsigned i = 0; i < SIM_NODES; i++)
		sim_stop(s, i);
	loop_free(s->loop);
	snprintf(command, sizeof(command), "rm -rf %s", s->dir);
	assert_int_equal(system(command), 0);
	free(s);
}

void
sim_run(struct sim *s, int64_t ms)
{
	loop_advance(s->loop, &s->clock, ms * 1000);
}

uint64_t
sim_cpm(struct sim *s, const struct sim_cpm *c)
{
	static const char good[] = "a-secret-of-the-simulation";
	static const char bad[] = "another-secret-entirely!!!";
	struct auth_key key = { .key_id = 11, .algorithm = AUTH_SHA256_128 };
	struct cpm m = { .subtype = CPM_SUBTYPE,
		.op = CPM_OP_CPM,
		.ack_wanted = true,
		.key_id = 11,
		.algorithm = AUTH_SHA256_128,
		.generation = c->generation,
		.event_ms = clock_wall_ms(&s->clock),
		.part = 1,
		.parts = 1,
		.reason = c->reason,
		.n_eids = 1 };
	struct cpm_peer peer = { .kind = CPM_PEER };
	uint8_t buf[512];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct datagram dg = { .bytes = buf, .port = 40000 };

	key.secret_len = sizeof(good) - 1;
	memcpy(key.secret, c->bad_key ? bad : good, sizeof(good) - 1);
	m.nonce = c->nonce;
	if (!m.nonce) {
		uint64_t *next = &s->nonces[c->site];

		if (*next < m.event_ms)
			*next = m.event_ms;
		m.nonce = ++*next;
	}
	m.series = (uint32_t)m.nonce;
	m.eids[0] = sim_eid(c->eid ? c->eid : "10.1.1.10");
	assert_int_equal(uuid_parse(host_ids[c->site], m.sender_id), ERR_OK);
	if (c->unknown_sender)
		m.sender_id[15] ^= 1;
	memset(m.vm_id, 0x77 + c->vm, 16);
	if (c->peer)
		peer.addr = sim_addr(c->peer);
	cpm_encode(&w, &m, &peer, c->peer ? 1 : 0);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(buf, wire_written(&w), &key), ERR_OK);
	dg.len = wire_written(&w);
	dg.from = sim_addr(c->bad_source ? "10.0.0.99" : hypervisors[c->site]);
	dg.to = sim_addr(rlocs[c->site]);
	(void)!input_datagram(sim_xtr(s, c->site), &dg);
	sim_run(s, 0);
	return m.nonce;
}

const struct cpm_ack *
sim_ack(const struct sim *s, uint64_t nonce)
{
	for (unsigned i = s->n_inbox; i-- > 0 && s->n_inbox - i < SIM_INBOX;)
		if (s->inbox[i % SIM_INBOX].ack.nonce == nonce)
			return &s->inbox[i % SIM_INBOX].ack;
	return NULL;
}

int
sim_status(const struct sim *s, uint64_t nonce)
{
	const struct cpm_ack *a = sim_ack(s, nonce);

	return a ? a->status : -1;
}

const char *
sim_state(struct sim *s, enum sim_name n)
{
	const struct eid eid = sim_eid("10.1.1.10");
	const struct eid_entry *e = eids_find(sim_xtr(s, n)->eids, &eid);

	return e ? eid_state_str(e->state) : "none";
}

static const char *
usable(const struct addr *best)
{
	static char buf[ADDR_STR_MAX];

	return best ? addr_str(best, buf) : "";
}

const char *
sim_cached(struct sim *s, const char *text)
{
	const struct eid eid = sim_eid(text);
	const struct map_cache_entry *c =
	    map_cache_match(sim_xtr(s, CLIENT)->map_cache, &eid);
	const struct cache_locator *l =
	    c ? map_cache_pick(sim_xtr(s, CLIENT), c, 0) : NULL;

	return usable(l ? &l->rloc : NULL);
}

struct find {
	struct eid eid;
	struct addr rloc;
	bool found;
};

static bool
find_registration(void *arg, const struct registration_row *row)
{
	struct find *f = arg;

	if (!eid_equal(&row->eid, &f->eid))
		return true;
	for (unsigned i = 0; i < row->mapping->n_locators; i++)
		if (row->mapping->locators[i].priority !=
		    LISP_PRIORITY_UNUSABLE) {
			f->rloc = row->mapping->locators[i].addr.addr;
			f->found = true;
		}
	return false;
}

const char *
sim_registered(struct sim *s, const char *text)
{
	struct find f = { .eid = sim_eid(text) };

	map_server_walk(sim_xtr(s, MS), find_registration, &f);
	return usable(f.found ? &f.rloc : NULL);
}
