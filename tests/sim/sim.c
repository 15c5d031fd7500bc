/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.c - whole xTRs in one process: configurations, network, agents.
 *
 * A message leaves a node through output_divert() and enters another one
 * through input_datagram() after the network's delay, as a timer of the shared
 * loop; a packet likewise through the ops of dp.h and forward_in().  The clock
 * stands still until sim_run().
 */
#include "sim.h"

#include <ftw.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "tests/unit/xtr/packet.h"
#include "xtr/eids.h"
#include "xtr/forward.h"
#include "xtr/input.h"
#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/output.h"
#include "xtr/reload.h"
#include "xtr/store.h"

#define SEED UINT64_C(88172645463325252)
#define START_WALL_US INT64_C(1800000000000000)
#define MS_RLOC "192.0.2.129"
#define MOBILE "10.1.1.0"
#define MOBILE6 "2001:db8:1::"

static const char *const names[SIM_NODES] = { "dc1", "dc2", "dc3", "client",
	"ms" };
static const char *const rlocs[SIM_NODES] = { "192.0.2.1", "198.51.100.1",
	"198.51.100.129", "203.0.113.1", MS_RLOC };

static const char *const second_rlocs[SIM_NODES] = { "192.0.2.65",
	"198.51.100.65", "198.51.100.193", "203.0.113.65", "192.0.2.193" };

static const char mapping_systems[] =
    "mapping-systems:\n"
    "  - name: corp\n"
    "    map-servers: [ { address: " MS_RLOC ", key-id: 1, key-file: key } ]\n"
    "    map-resolvers: [ " MS_RLOC " ]\n";

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

const char *
sim_rloc(enum sim_name n)
{
	return rlocs[n];
}

const char *
sim_second_rloc(enum sim_name n)
{
	return second_rlocs[n];
}

/* Hypervisors: host 0 and 3 at dc1, 1 and 4 at dc2, 2 and 5 at dc3. */
static enum sim_name
site_of_host(unsigned host)
{
	return host % SIM_SITES;
}

static struct addr
host_addr(unsigned host)
{
	const uint8_t bytes[] = { 10, 0, (uint8_t)(host % SIM_SITES),
		(uint8_t)(11 + host / SIM_SITES) };

	return addr_make(AFI_IPV4, bytes);
}

void
sim_host_id(unsigned host, uint8_t out[16])
{
	memset(out, 0xa0 + (int)host, 16);
}

/* xorshift64 */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

uint64_t
sim_random(struct sim *s)
{
	return next_random(&s->seed);
}

/*
 * What the nodes take for chance: found before those of the libraries, so that
 * a test runs the same way each time.
 */
static uint64_t chance = SEED;

static void
fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(next_random(&chance) >> 24);
}

int RAND_bytes(unsigned char *bytes, int n);

int
RAND_bytes(unsigned char *bytes, int n)
{
	fill(bytes, (size_t)n);
	return 1;
}

ssize_t
getrandom(void *bytes, size_t n, unsigned flags)
{
	(void)flags;
	fill(bytes, n);
	return (ssize_t)n;
}

/*
 * The network.
 */

struct flight { /* a datagram under way */
	struct sim *sim;
	struct loop_timer *timer;
	enum sim_name to;
	struct addr from, rloc; /* the one that it was sent to */
	bool data;
	bool to_host;
	unsigned host;
	size_t len;
	uint8_t bytes[];
};

static void
land(struct flight *f)
{
	struct sim *s = f->sim;
	struct sim_node *n = &s->nodes[f->to];
	uint8_t *bytes = f->bytes + FORWARD_ROOM;
	struct cpm_ack ack;

	if (f->to_host) {
		if (!s->acked)
			return; /* the agents are gone */
		assert_int_equal(
		    cpm_ack_decode(bytes, f->len, CPM_SUBTYPE, &ack), ERR_OK);
		s->acked(s->acked_arg, f->host, &ack);
	} else if (!n->up) {
		return;
	} else if (f->data) {
		const struct forward_outer o = {
			.from = f->from, .to = f->rloc, .ttl = 60
		};

		forward_in(&n->x, &o, bytes, f->len);
	} else {
		const struct datagram dg = { .bytes = bytes,
			.len = f->len,
			.from = f->from,
			.port = LISP_CONTROL_PORT,
			.to = f->rloc };

		(void)!input_datagram(&n->x, &dg);
	}
}

static void
arrive(void *arg)
{
	struct flight *f = arg;

	land(f);
	loop_timer_free(f->timer);
	free(f);
}

static void
take_off(struct sim *s, const struct flight *plan, const uint8_t *bytes)
{
	struct flight *f = calloc(1, sizeof(*f) + FORWARD_ROOM + plan->len);

	assert_non_null(f);
	*f = *plan;
	f->sim = s;
	memcpy(f->bytes + FORWARD_ROOM, bytes, plan->len);
	f->timer = loop_timer_new(s->loop, arrive, f);
	loop_timer_set_us(f->timer,
	    s->delay_us +
		(s->jitter_us
			? (int64_t)(sim_random(s) % (uint64_t)s->jitter_us)
			: 0));
}

static void
pass(struct sim *s, const struct flight *plan, const uint8_t *bytes)
{
	if (sim_random(s) % 100 >= s->loss_percent)
		take_off(s, plan, bytes);
	if (sim_random(s) % 100 < s->dup_percent)
		take_off(s, plan, bytes);
}

/* From one node to whoever has the address 'to'. */
static void
route(struct sim_node *n, const struct addr *source, const struct addr *to,
    const uint8_t *bytes, size_t len)
{
	struct sim *s = n->sim;
	const enum sim_name from = (enum sim_name)(n - s->nodes);
	const bool data = source;
	const int type = data ? -1 : msg_type(bytes, len);

	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct addr a = sim_addr(rlocs[i]);
		const struct addr b = sim_addr(second_rlocs[i]);
		const bool second = s->two_rlocs && addr_equal(to, &b);

		if ((!addr_equal(to, &a) && !second) ||
		    s->cut_rloc[i][second] ||
		    (s->cut[from][i] && (!s->cut_only || s->cut_only == type)))
			continue;
		pass(s,
		    &(struct flight){ .to = i,
			.from = data ? *source : sim_addr(rlocs[from]),
			.rloc = *to,
			.data = data,
			.len = len },
		    bytes);
	}
}

static void
to_agent(struct sim *s, unsigned host, const uint8_t *bytes, size_t len)
{
	struct sim_ack *a = &s->inbox[s->n_inbox % SIM_INBOX];

	if (s->acked) {
		pass(s,
		    &(struct flight){
			.to_host = true, .host = host, .len = len },
		    bytes);
		return;
	}
	a->to = host_addr(host);
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

	(void)port;
	s->sent[msg_type(bytes, len) & 15]++;
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		const struct addr a = host_addr(i);

		if (addr_equal(to, &a)) {
			to_agent(s, i, bytes, len);
			return;
		}
	}
	route(n, NULL, to, bytes, len);
}

static void
into_the_void(void *arg, const struct addr *to, uint16_t port,
    const uint8_t *bytes, size_t len)
{
	(void)arg;
	(void)to;
	(void)port;
	(void)bytes;
	(void)len;
}

/*
 * The data plane.
 */

static struct sim_node *
node_of(struct dp *dp)
{
	return (struct sim_node *)((char *)dp - offsetof(struct sim_node, dp));
}

static enum err
encapsulate(struct dp *dp, const struct addr *source, const struct addr *rloc,
    uint16_t sport, uint8_t ttl, uint8_t tos, const uint8_t *payload,
    size_t len)
{
	(void)sport;
	(void)ttl;
	(void)tos;
	route(node_of(dp), source, rloc, payload, len);
	return ERR_OK;
}

static enum err
deliver(struct dp *dp, const uint8_t *packet, size_t len)
{
	struct sim_node *n = node_of(dp);
	struct sim *s = n->sim;
	const struct addr to = packet[0] >> 4 == 4
	    ? addr_make(AFI_IPV4, packet + 16)
	    : addr_make(AFI_IPV6, packet + 24);

	(void)len;
	n->delivered++;
	if (s->on_packet)
		s->on_packet(s->packet_arg, (enum sim_name)(n - s->nodes), &to);
	return ERR_OK;
}

static enum err
no_icmp(
    struct dp *dp, const struct addr *to, const uint8_t *message, size_t len)
{
	(void)dp;
	(void)to;
	(void)message;
	(void)len;
	return ERR_OK;
}

static const struct dp_ops ops = { .name = "simulated",
	.encapsulate = encapsulate,
	.deliver = deliver,
	.icmp = no_icmp };

void
sim_packet(
    struct sim *s, enum sim_name from, const char *source, const char *to)
{
	const struct packet_spec spec = { .from = source, .to = to };
	struct packet p;

	packet_make(&spec, &p);
	if (s->nodes[from].up)
		forward_out(sim_xtr(s, from), p.bytes, p.len);
}

/*
 * Configurations.
 */

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
dc_conf(FILE *f, enum sim_name n, const struct sim_options *o)
{
	fputs(mapping_systems, f);
	fprintf(f,
	    "mobility:\n"
	    "  prefixes:\n"
	    "    - { prefix: " MOBILE "/24, instance-id: %u,\n"
	    "        mapping-system: corp, static-hosts: [ %s ] }\n"
	    "    - { prefix: " MOBILE6 "/64, instance-id: %u,\n"
	    "        mapping-system: corp }\n"
	    "  hypervisors:\n",
	    o->iid, o->static_hosts ? o->static_hosts : "", o->iid);
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		const struct addr a = host_addr(i);
		char addr[ADDR_STR_MAX], id[UUID_STR_MAX];
		uint8_t host_id[16];

		if (site_of_host(i) != n || o->hosts_left_out >> i & 1)
			continue;
		sim_host_id(i, host_id);
		fprintf(f,
		    "    - { name: hyp%u, host-id: %s, addresses: [ %s ],\n"
		    "        key-id: 11, key-file: key, instance-id: %u,\n"
		    "        prefixes: [ " MOBILE "/25, " MOBILE6 "/64 ] }\n",
		    i + 1, uuid_str(host_id, id), addr_str(&a, addr), o->iid);
	}
	fputs("  sites:\n", f);
	for (unsigned i = 0; i < SIM_SITES; i++)
		if (i != n && !(o->sites_left_out >> i & 1))
			fprintf(f,
			    "    - { name: %s, xtrs: [ { rloc: %s%s%s%s } ],\n"
			    "        key-id: 21, key-file: key,\n"
			    "        instance-id: %u,\n"
			    "        prefixes: [ " MOBILE "/24, " MOBILE6
			    "/64 ] }\n",
			    names[i], rlocs[i],
			    o->two_rlocs ? ", rlocs: [ " : "",
			    o->two_rlocs ? second_rlocs[i] : "",
			    o->two_rlocs ? " ]" : "", o->iid);
	if (o->extra)
		fputs(o->extra, f);
}

static void
ms_conf(FILE *f, const struct sim_options *o)
{
	fputs("map-server:\n  sites:\n", f);
	for (unsigned i = 0; i < SIM_SITES; i++)
		fprintf(f,
		    "    - name: %s\n"
		    "      key-id: 1\n"
		    "      key-file: key\n"
		    "      sources: [ %s ]\n"
		    "      prefixes:\n"
		    "        - { prefix: " MOBILE "/24, instance-id: %u,\n"
		    "            mobile: true, accept-more-specifics: true }\n"
		    "        - { prefix: " MOBILE6 "/64, instance-id: %u,\n"
		    "            mobile: true, accept-more-specifics: true }\n",
		    names[i], rlocs[i], o->iid, o->iid);
	fputs("    - { name: client, key-id: 1, key-file: key,\n"
	      "        prefixes: [ { prefix: 10.3.0.0/24 } ] }\n",
	    f);
	if (o->publisher)
		fprintf(f,
		    "  pubsub:\n"
		    "    subscribers:\n"
		    "      - { name: client, rlocs: [ %s ], key-id: 31,\n"
		    "          key-file: key }\n",
		    rlocs[CLIENT]);
	fputs("map-resolver: {}\n", f);
}

static void
write_conf(struct sim *s, enum sim_name n, const struct sim_options *o)
{
	char *text = NULL, name[32];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fprintf(f,
	    "site: { name: %s, rlocs: [ { address: %s }%s%s%s ] }\n"
	    "dataplane: { kind: none }\n"
	    "state: { directory: %s/state-%s, size: 64M }\n%s%s",
	    names[n], rlocs[n],
	    o->two_rlocs ? ", { priority: 2, address: " : "",
	    o->two_rlocs ? second_rlocs[n] : "", o->two_rlocs ? " }" : "",
	    s->dir, names[n], o->reachability ? o->reachability : "",
	    o->reachability ? "\n" : "");
	if (n == CLIENT)
		fprintf(f,
		    "%s%seids: [ { prefix: 10.3.0.0/24, mapping-system: corp } "
		    "]\n",
		    mapping_systems,
		    o->subscriber
			? "    pubsub: { map-servers: [ { address: " MS_RLOC
			  ", key-id: 31, key-file: key } ] }\n"
			: "");
	else if (n == MS)
		ms_conf(f, o);
	else
		dc_conf(f, n, o);
	fclose(f);
	snprintf(name, sizeof(name), "%s.yaml", names[n]);
	write_file(s->dir, name, text, 0600);
	free(text);
}

/*
 * Nodes.
 */

static void
path_of(const struct sim *s, enum sim_name name, char path[160])
{
	snprintf(path, 160, "%s/%s.yaml", s->dir, names[name]);
}

void
sim_reload(struct sim *s, enum sim_name name, const struct sim_options *o)
{
	char path[160], error[256];

	write_conf(s, name, o);
	path_of(s, name, path);
	if (xtr_reload(sim_xtr(s, name), path, error, sizeof(error)))
		fail_msg("%s", error);
}

void
sim_start(struct sim *s, enum sim_name name)
{
	struct sim_node *n = &s->nodes[name];
	char path[160];

	assert_false(n->up);
	path_of(s, name, path);
	n->sim = s;
	memset(&n->x, 0, sizeof(n->x));
	n->x.conf = xtr_conf_load(path, stderr);
	assert_non_null(n->x.conf);
	n->x.clock = &s->clock;
	n->x.loop = s->loop;
	log_debug("sim", "%s starts", names[name]);
	assert_int_equal(xtr_open(&n->x), ERR_OK);
	assert_int_equal(dp_init(&n->dp, &ops), ERR_OK);
	n->x.dp = &n->dp;
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
	log_debug("sim", "%s ends", names[name]);
	/* Deferred work of this node must not outlive it. */
	loop_poll(s->loop);
	xtr_close(&n->x);
	dp_fini(&n->dp);
	xtr_conf_free((struct xtr_conf *)(uintptr_t)n->x.conf);
	n->up = false;
}

void
sim_kill(struct sim *s, enum sim_name name)
{
	if (!s->nodes[name].up)
		return;
	output_divert(sim_xtr(s, name), into_the_void, NULL);
	sim_stop(s, name);
}

static int
remove_one(
    const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	return remove(path);
}

static void
remove_tree(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void
sim_lose_store(struct sim *s, enum sim_name name)
{
	char path[160];

	assert_false(s->nodes[name].up);
	snprintf(path, sizeof(path), "%s/state-%s", s->dir, names[name]);
	remove_tree(path);
}

struct sim *
sim_new_with(const struct sim_options *o)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	/* Large tables stay as untouched as in a daemon that starts once. */
	mallopt(M_MMAP_THRESHOLD, 1 << 18);
	log_level_set(getenv("SIM_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	/* In memory where that is: each second of theirs is a sync of ours. */
	snprintf(s->dir, sizeof(s->dir), "%s/xtr-sim-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(s->dir));
	s->delay_us = 10000;
	s->two_rlocs = o->two_rlocs;
	s->seed = o->seed ? o->seed : SEED;
	chance = s->seed;
	clock_fake(&s->clock, START_WALL_US);
	s->loop = loop_new(&s->clock);
	assert_non_null(s->loop);
	write_file(s->dir, "key", "a-secret-of-the-simulation\n", 0600);
	for (unsigned i = 0; i < SIM_NODES; i++)
		write_conf(s, i, o);
	for (unsigned i = SIM_NODES; i-- > 0;)
		sim_start(s, i);
	/* A receiver that hears a sender first takes its own clock for the
	 * sender's highest nonce; everybody is a second old then. */
	sim_run(s, 1000);
	return s;
}

struct sim *
sim_new(void)
{
	return sim_new_with(&(struct sim_options){ 0 });
}

void
sim_free(struct sim *s)
{
	for (unsigned i = 0; i < SIM_NODES; i++)
		sim_stop(s, i);
	/* What is still under way lands nowhere. */
	sim_run(s, (s->delay_us + s->jitter_us) / 1000 + 1);
	loop_free(s->loop);
	remove_tree(s->dir);
	free(s);
}

void
sim_run(struct sim *s, int64_t ms)
{
	loop_advance(s->loop, &s->clock, ms * 1000);
}

/*
 * Agents.
 */

/* The message, signed; returns its octets. */
static size_t
encode(struct sim *s, const struct sim_cpm *c, uint64_t nonce, uint8_t *buf,
    size_t size)
{
	static const char good[] = "a-secret-of-the-simulation";
	static const char bad[] = "another-secret-entirely!!!";
	struct auth_key key = { .key_id = 11, .algorithm = AUTH_SHA256_128 };
	struct cpm m = { .subtype = CPM_SUBTYPE,
		.op = c->op ? (enum cpm_op)c->op : CPM_OP_CPM,
		.ack_wanted = true,
		.nonce = nonce,
		.key_id = 11,
		.algorithm = AUTH_SHA256_128,
		.generation = c->generation,
		.event_ms = clock_wall_ms(&s->clock),
		.series = (uint32_t)(nonce - (c->parts ? c->part : 0)),
		.part = c->parts ? c->part : 1,
		.parts = c->parts ? c->parts : 1,
		.reason = c->reason,
		.n_eids = (uint8_t)(c->n_eids ? c->n_eids : 1) };
	struct cpm_peer peer = { .kind = CPM_PEER };
	struct wire_writer w = wire_writer(buf, size);

	key.secret_len = sizeof(good) - 1;
	memcpy(key.secret, c->bad_key ? bad : good, sizeof(good) - 1);
	if (c->n_eids)
		memcpy(m.eids, c->eids, c->n_eids * sizeof(m.eids[0]));
	else
		m.eids[0] = sim_eid(c->eid ? c->eid : "10.1.1.10");
	sim_host_id(c->site + SIM_SITES * c->second, m.sender_id);
	if (c->unknown_sender)
		m.sender_id[15] ^= 1;
	if (c->vm != 255)
		memset(m.vm_id, 0x77 + c->vm, 16);
	if (c->peer)
		peer.addr = sim_addr(c->peer);
	if (c->n_peers)
		cpm_encode(&w, &m, c->peers, c->n_peers);
	else
		cpm_encode(&w, &m, &peer, c->peer ? 1 : 0);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(buf, wire_written(&w), &key), ERR_OK);
	return wire_written(&w);
}

uint64_t
sim_cpm(struct sim *s, const struct sim_cpm *c)
{
	const unsigned host = c->site + SIM_SITES * c->second;
	uint64_t nonce = c->nonce;
	uint8_t buf[2048];
	struct datagram dg = { .bytes = buf, .port = 40000 };

	if (!nonce) {
		uint64_t *next = &s->nonces[host];

		if (*next < clock_wall_ms(&s->clock))
			*next = clock_wall_ms(&s->clock);
		nonce = ++*next;
	}
	dg.len = encode(s, c, nonce, buf, sizeof(buf));
	dg.from = c->bad_source ? sim_addr("10.0.0.99") : host_addr(host);
	dg.to = sim_addr(rlocs[c->site]);
	(void)!input_datagram(sim_xtr(s, c->site), &dg);
	sim_run(s, 0);
	return nonce;
}

void
sim_cpm_send(struct sim *s, const struct sim_cpm *c)
{
	uint8_t buf[2048];

	pass(s,
	    &(struct flight){ .to = c->site,
		.rloc = sim_addr(rlocs[c->site]),
		.from = host_addr(c->site + SIM_SITES * c->second),
		.len = encode(s, c, c->nonce, buf, sizeof(buf)) },
	    buf);
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

/*
 * What the nodes think.
 */

const char *
sim_state_of(struct sim *s, enum sim_name n, const char *text)
{
	const struct eid eid = sim_eid(text ? text : "10.1.1.10");
	const struct eid_entry *e = eids_find(sim_xtr(s, n)->eids, &eid);

	return e ? eid_state_str(e->state) : "none";
}

const char *
sim_state(struct sim *s, enum sim_name n)
{
	return sim_state_of(s, n, NULL);
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
