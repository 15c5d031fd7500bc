/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_forward.c - what happens to a data packet: a whole context with its real
 * tables, and a data plane that only writes down what it was told to send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/data.h"
#include "tests/unit/xtr/packet.h"
#include "xtr/dp.h"
#include "xtr/eids.h"
#include "xtr/inner.h"
#include "xtr/map_cache.h"
#include "xtr/output.h"
#include "xtr/requesters.h"

static const char config[] =
    "site: { name: dc1, rlocs: [ { address: 192.0.2.1 },\n"
    "  { address: 2001:db8:a::1 } ] }\n"
    "mapping-systems: [ { name: corp, map-servers: [ { address: 192.0.2.129,\n"
    "  key-id: 1, key-file: key } ], map-resolvers: [ 192.0.2.129 ] } ]\n"
    "eids: [ { prefix: 10.1.0.0/16 }, { prefix: fd01::/32 } ]\n"
    "mobility:\n"
    "  prefixes:\n"
    "  - { prefix: 10.1.1.0/24, segment: br-vms, gateway: 10.1.1.1,\n"
    "      static-hosts: [ 10.1.1.5 ] }\n"
    "  - { prefix: 'fd01:0:1::/64', segment: br-vms, gateway: 'fd01:0:1::1' }\n"
    "  sites:\n"
    "  - { name: dc2, key-id: 21, key-file: key,\n"
    "      prefixes: [ 10.1.1.0/24, 'fd01:0:1::/64' ],\n"
    "      xtrs: [ { rloc: 198.51.100.1, rlocs: [ 2001:db8:b::1 ] },\n"
    "        { rloc: 198.51.100.9 } ] }\n"
    "dataplane: { mtu: 1444 }\n";

enum kind { ENCAPSULATED, DELIVERED, ICMP, NATIVE };

struct sent {
	enum kind kind;
	struct addr source, to;
	uint16_t sport;
	uint8_t ttl, tos;
	uint8_t bytes[2048];
	size_t len;
};

struct rig {
	struct clock clock;
	struct xtr x;
	struct dp dp;
	char dir[64];
	struct sent sent[16];
	unsigned n;
};

static struct rig *
rig_of(struct dp *d)
{
	return (struct rig *)(void *)((char *)d - offsetof(struct rig, dp));
}

static struct sent *
note(struct dp *d, enum kind kind, const struct addr *to, const uint8_t *bytes,
    size_t len)
{
	struct rig *r = rig_of(d);
	struct sent *s = &r->sent[r->n++ % 16];

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	if (to)
		s->to = *to;
	s->len = len;
	assert_true(len <= sizeof(s->bytes));
	memcpy(s->bytes, bytes, len);
	return s;
}

static enum err
fake_encapsulate(struct dp *d, const struct addr *source,
    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
    const uint8_t *payload, size_t len)
{
	struct sent *s = note(d, ENCAPSULATED, rloc, payload, len);

	s->source = *source;
	s->sport = sport;
	s->ttl = ttl;
	s->tos = tos;
	return ERR_OK;
}

static enum err
fake_deliver(struct dp *d, const uint8_t *packet, size_t len)
{
	note(d, DELIVERED, NULL, packet, len);
	return ERR_OK;
}

static enum err
fake_icmp(struct dp *d, const struct addr *to, const uint8_t *bytes, size_t len)
{
	note(d, ICMP, to, bytes, len);
	return ERR_OK;
}

static enum err
fake_native(
    struct dp *d, const struct addr *to, const uint8_t *bytes, size_t len)
{
	note(d, NATIVE, to, bytes, len);
	return ERR_OK;
}

static const struct dp_ops fake = {
	.name = "fake",
	.encapsulate = fake_encapsulate,
	.deliver = fake_deliver,
	.icmp = fake_icmp,
	.native = fake_native,
};

static void
swallow(void *arg, const struct addr *to, uint16_t port, const uint8_t *bytes,
    size_t len)
{
	(void)arg;
	(void)to;
	(void)port;
	(void)bytes;
	(void)len;
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static struct rig *
rig_new(const char *more)
{
	struct rig *r = calloc(1, sizeof(*r));
	char text[sizeof(config) + 512], path[128];

	assert_non_null(r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/forward-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(text, sizeof(text),
	    "%sstate: { directory: %s/state, size: 16M }\n%s", config, r->dir,
	    more);
	write_file(r->dir, "xtrd.yaml", text);
	write_file(r->dir, "key", "an octet string of some length\n");
	snprintf(path, sizeof(path), "%s/xtrd.yaml", r->dir);
	clock_fake(&r->clock, INT64_C(1800000000000000));
	r->x.conf = xtr_conf_load(path, stderr);
	assert_non_null(r->x.conf);
	r->x.clock = &r->clock;
	r->x.loop = loop_new(&r->clock);
	assert_int_equal(xtr_open(&r->x), ERR_OK);
	output_divert(&r->x, swallow, NULL);
	assert_int_equal(dp_init(&r->dp, &fake), ERR_OK);
	r->x.dp = &r->dp;
	return r;
}

static int
setup(void **state)
{
	*state = rig_new("");
	return 0;
}

static int
setup_native(void **state)
{
	*state = rig_new("itr: { natively-forward: true }\n");
	return 0;
}

static int
setup_use_petr(void **state)
{
	*state = rig_new("itr: { use-petr: [ { address: 203.0.113.7 },\n"
			 "  { address: 203.0.113.8 },\n"
			 "  { address: '2001:db8:7::9', priority: 2 } ] }\n");
	return 0;
}

/* rig_new() appends; the second site.partners would be a second site. */
static int
setup_partner(void **state)
{
	static const struct conf_rloc rloc = { .address = { AFI_IPV4,
						   { 192, 0, 2, 5 } } };
	static const struct conf_partner partner = {
		.rlocs = { (void *)(uintptr_t)&rloc, 1 }
	};
	struct rig *r = rig_new("");
	struct xtr_conf *c = (struct xtr_conf *)(uintptr_t)r->x.conf;

	c->site.partners = (struct conf_list){ (void *)(uintptr_t)&partner, 1 };
	*state = r;
	return 0;
}

static int
setup_proxy(void **state)
{
	*state = rig_new("proxy: { pitr: true, petr: true,\n"
			 "  eid-space: [ 10.3.0.0/16, 'fd03::/32' ] }\n"
			 "itr: { natively-forward: true }\n");
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	char command[96];

	r->x.dp = NULL;
	xtr_close(&r->x);
	loop_free(r->x.loop);
	dp_fini(&r->dp);
	xtr_conf_free((struct xtr_conf *)(uintptr_t)r->x.conf);
	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static struct eid
host(const char *text)
{
	struct addr a = packet_addr(text);

	return eid_host(0, &a);
}

static struct eid_entry *
dynamic(struct rig *r, const char *text, enum eid_state state)
{
	struct eid eid = host(text);
	struct eid_entry *e = eids_find(r->x.eids, &eid);

	if (!e)
		assert_int_equal(eids_add(r->x.eids, &eid,
				     conf_mobile_find(r->x.conf, &eid), &e),
		    ERR_OK);
	eids_set_state(r->x.eids, e, state);
	return e;
}

static struct eid_entry *
away(struct rig *r, const char *text, const char *rloc)
{
	struct eid_entry *e = dynamic(r, text, EID_AWAY);

	e->away[0] = packet_addr(rloc);
	e->n_away = 1;
	return e;
}

/* A mapping of 'prefix' to 'rloc', or a negative one with 'action'. */
static void
cache(struct rig *r, const char *prefix, const char *rloc,
    enum lisp_action action)
{
	struct mapping m = { .ttl_min = 15, .action = (uint8_t)action };
	struct eid eid;

	assert_int_equal(eid_parse(prefix, &eid), ERR_OK);
	m.eid = lisp_addr_from_eid(&eid);
	m.eid_bits = eid.bits;
	if (rloc) {
		struct addr a = packet_addr(rloc);

		m.n_locators = 1;
		m.locators[0] = (struct locator){ .priority = 1,
			.weight = 100,
			.reachable = true,
			.addr = lisp_addr_from_addr(&a) };
	}
	assert_int_equal(map_cache_store(&r->x, &eid, &m), ERR_OK);
}

static void
out(struct rig *r, const struct packet_spec *s)
{
	struct packet p;

	packet_make(s, &p);
	forward_out(&r->x, p.bytes, p.len);
}

/* 's' comes encapsulated from 'rloc'; 'flags', 'iid': of the LISP header. */
static void
in_full(struct rig *r, const struct packet_spec *s,
    const struct forward_outer *o, uint8_t flags, uint32_t iid)
{
	struct packet p;
	uint8_t header[8] = { flags, 0, 0, 0, (uint8_t)(iid >> 16),
		(uint8_t)(iid >> 8), (uint8_t)iid, 0 };

	packet_make(s, &p);
	memcpy(p.bytes - 8, header, 8);
	forward_in(&r->x, o, p.bytes - 8, p.len + 8);
}

static void
in(struct rig *r, const struct packet_spec *s, const char *rloc)
{
	const struct forward_outer o = { .from = packet_addr(rloc),
		.to = packet_addr("192.0.2.1"),
		.ttl = 60 };

	in_full(r, s, &o, 0, 0);
}

static const struct sent *
one(struct rig *r, enum kind kind)
{
	assert_int_equal(r->n, 1);
	r->n = 0;
	assert_int_equal(r->sent[0].kind, kind);
	return &r->sent[0];
}

static void
nothing(struct rig *r, uint64_t counter)
{
	assert_int_equal(r->n, 0);
	assert_int_equal(counter, 1);
}

static void
goes_to(const struct sent *s, const char *source, const char *rloc)
{
	struct addr a = packet_addr(source), b = packet_addr(rloc);

	assert_true(addr_equal(&s->source, &a));
	assert_true(addr_equal(&s->to, &b));
}

static const struct packet_spec vm_to_peer = { .from = "10.1.1.10",
	.to = "10.3.0.10" };
static const struct packet_spec peer_to_vm = { .from = "10.3.0.10",
	.to = "10.1.1.10" };

/* Out. */

static void
out_by_the_map_cache(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = vm_to_peer;
	const struct sent *sent;
	struct data_header h;
	struct inner inner;
	uint8_t bytes[2048];

	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "10.3.0.0/24", "203.0.113.1", LISP_NO_ACTION);
	s.ttl = 63;
	s.tos = 0xb9;
	out(r, &s);
	sent = one(r, ENCAPSULATED);
	goes_to(sent, "192.0.2.1", "203.0.113.1");
	/* The kernel took one off already; the outer header has the same. */
	assert_int_equal(sent->ttl, 63);
	assert_int_equal(sent->tos, 0xb9);
	assert_true(sent->sport >= 49152);
	memcpy(bytes, sent->bytes, sent->len);
	assert_int_equal(data_header_decode(bytes, sent->len, &h), ERR_OK);
	assert_false(h.has_nonce || h.has_lsb || h.has_iid || h.gpe);
	assert_int_equal(inner_parse(bytes + 8, sent->len - 8, &inner), ERR_OK);
	assert_int_equal(inner.ttl, 63);
	assert_true(packet_checksum_right(bytes + 8));
	assert_int_equal(r->x.counters.data_encapsulated, 1);
	cache(r, "10.3.0.0/24", "2001:db8:d::1", LISP_NO_ACTION);
	out(r, &vm_to_peer);
	goes_to(one(r, ENCAPSULATED), "2001:db8:a::1", "2001:db8:d::1");
}

static void
out_ipv6(void **state)
{
	struct rig *r = *state;

	dynamic(r, "fd01:0:1::10", EID_LOCAL);
	cache(r, "fd03::/32", "203.0.113.1", LISP_NO_ACTION);
	out(r,
	    &(struct packet_spec){
		.from = "fd01:0:1::10", .to = "fd03::10", .ttl = 9, .tos = 3 });
	goes_to(one(r, ENCAPSULATED), "192.0.2.1", "203.0.113.1");
	assert_int_equal(r->sent[0].ttl, 9);
	assert_int_equal(r->sent[0].tos, 3);
	assert_int_equal(r->sent[0].bytes[8] >> 4, 6);
}

static void
out_miss_asks_and_queues(void **state)
{
	struct rig *r = *state;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	out(r, &vm_to_peer);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->x.counters.data_queued, 1);
	assert_int_equal(r->x.counters.map_request_sent, 1);
}

static void
out_negative_by_action(void **state)
{
	static const struct {
		enum lisp_action action;
		uint8_t code;
	} cases[] = {
		{ LISP_NO_ACTION, 1 },
		{ LISP_NATIVELY_FORWARD, 1 },
		{ LISP_DROP_NO_REASON, 1 },
		{ LISP_DROP_POLICY, 13 },
		{ LISP_DROP_AUTH, 13 },
	};
	struct rig *r = *state;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct sent *sent;
		struct addr to = packet_addr("10.1.1.10");

		cache(r, "10.3.0.0/24", NULL, cases[i].action);
		out(r, &vm_to_peer);
		sent = one(r, ICMP);
		assert_true(addr_equal(&sent->to, &to));
		assert_int_equal(sent->bytes[0], 3);
		assert_int_equal(sent->bytes[1], cases[i].code);
		assert_int_equal(
		    checksum_fold(checksum_add(0, sent->bytes, sent->len)), 0);
		assert_int_equal(r->x.counters.data_drop_negative, i + 1);
	}
	cache(r, "10.3.0.0/24", NULL, LISP_SEND_MAP_REQUEST);
	out(r, &vm_to_peer);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->x.counters.map_request_sent, 1);
}

static void
out_natively_if_configured(void **state)
{
	struct rig *r = *state;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "0.0.0.0/0", NULL, LISP_NATIVELY_FORWARD);
	out(r, &vm_to_peer);
	one(r, NATIVE);
	assert_int_equal(r->sent[0].bytes[0], 0x45);
	assert_int_equal(r->x.counters.data_native, 1);
}

/* Both of the best priority, and a flow keeps its own; never the third. */
static void
out_through_a_petr(void **state)
{
	struct rig *r = *state;
	const struct addr petrs[] = { packet_addr("203.0.113.7"),
		packet_addr("203.0.113.8") };
	unsigned n[2] = { 0 };

	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "0.0.0.0/0", NULL, LISP_NATIVELY_FORWARD);
	for (uint16_t port = 1; port <= 64; port++) {
		struct packet_spec s = vm_to_peer;
		struct addr to;

		s.sport = port;
		out(r, &s);
		to = one(r, ENCAPSULATED)->to;
		out(r, &s);
		assert_true(addr_equal(&one(r, ENCAPSULATED)->to, &to));
		n[0] += addr_equal(&to, &petrs[0]);
		n[1] += addr_equal(&to, &petrs[1]);
	}
	assert_int_equal(n[0] + n[1], 64);
	assert_true(n[0] > 10 && n[1] > 10);
	assert_int_equal(r->x.counters.data_to_petr, 128);
	assert_int_equal(r->x.counters.data_encapsulated, 0);
	/* Other actions do not go there. */
	cache(r, "0.0.0.0/0", NULL, LISP_DROP_NO_REASON);
	out(r, &vm_to_peer);
	one(r, ICMP);
}

/* What a PITR attracts can only leave encapsulated: its route is in the way. */
static void
out_of_a_pitr(void **state)
{
	struct rig *r = *state;
	const struct packet_spec native = { .from = "198.18.0.5",
		.to = "10.3.0.10" };

	cache(r, "10.3.0.0/24", "203.0.113.1", LISP_NO_ACTION);
	out(r, &native);
	goes_to(one(r, ENCAPSULATED), "192.0.2.1", "203.0.113.1");
	cache(r, "10.3.0.0/24", NULL, LISP_NATIVELY_FORWARD);
	out(r, &native);
	one(r, ICMP);
	assert_int_equal(r->x.counters.data_drop_negative, 1);
	/* An address of a mobile prefix must still live here. */
	out(r, &(struct packet_spec){ .from = "10.1.1.99", .to = "10.3.0.10" });
	nothing(r, r->x.counters.data_drop_source);
	/* Our own EIDs' packets to outside are no business of the PITR. */
	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "198.18.0.0/15", NULL, LISP_NATIVELY_FORWARD);
	out(r,
	    &(struct packet_spec){ .from = "10.1.1.10", .to = "198.18.0.5" });
	one(r, NATIVE);
}

static void
out_icmp_is_limited(void **state)
{
	struct rig *r = *state;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "10.3.0.0/24", NULL, LISP_DROP_NO_REASON);
	for (unsigned i = 0; i < 1000; i++)
		out(r, &vm_to_peer);
	assert_int_equal(r->n, 10);
	loop_advance(r->x.loop, &r->clock, 100000);
	out(r, &vm_to_peer);
	assert_int_equal(r->n, 11);
	assert_int_equal(r->x.counters.data_drop_negative, 1001);
}

static void
out_no_usable_locator(void **state)
{
	struct rig *r = *state;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "10.3.0.0/24", "192.0.2.1", LISP_NO_ACTION); /* ours */
	out(r, &vm_to_peer);
	one(r, ICMP);
	assert_int_equal(r->x.counters.data_drop_no_locator, 1);
}

static void
out_too_big(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = vm_to_peer;
	const struct sent *sent;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	dynamic(r, "fd01:0:1::10", EID_LOCAL);
	cache(r, "10.3.0.0/24", "203.0.113.1", LISP_NO_ACTION);
	cache(r, "fd03::/32", "203.0.113.1", LISP_NO_ACTION);
	s.payload = 1444 - 28;
	s.df = true;
	out(r, &s);
	one(r, ENCAPSULATED);
	s.payload++;
	out(r, &s);
	sent = one(r, ICMP); /* RFC 1191: 3, 4, MTU in the last 16 bits */
	assert_memory_equal(sent->bytes, "\x03\x04", 2);
	assert_memory_equal(sent->bytes + 4, "\0\0\x05\xa4", 4);
	assert_int_equal(sent->len, 576 - 20);
	assert_int_equal(r->x.counters.data_drop_mtu, 1);
	s.df = false;
	out(r, &s);
	assert_int_equal(r->n, 2); /* RFC 9300 7.1 */
	assert_int_equal(r->sent[0].sport, r->sent[1].sport);
	assert_true(r->sent[0].len <= 8 + 1444 && r->sent[1].len <= 8 + 1444);
	r->n = 0;
	s = (struct packet_spec){
		.from = "fd01:0:1::10", .to = "fd03::10", .payload = 1444 - 47
	};
	out(r, &s);
	sent = one(r, ICMP); /* RFC 4443 3.2 */
	assert_memory_equal(sent->bytes, "\x02\x00", 2);
	assert_memory_equal(sent->bytes + 4, "\0\0\x05\xa4", 4);
	assert_int_equal(sent->len, 1280 - 40);
}

static void
out_no_error_about_errors(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = vm_to_peer;
	struct packet p;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	cache(r, "10.3.0.0/24", NULL, LISP_DROP_NO_REASON);
	s.flags = 9; /* a later fragment */
	out(r, &s);
	assert_int_equal(r->n, 0);
	packet_make(&vm_to_peer, &p);
	p.bytes[9] = IPPROTO_ICMP;
	p.bytes[20] = 3;
	forward_out(&r->x, p.bytes, p.len);
	assert_int_equal(r->n, 0);
	p.bytes[20] = 8; /* a question may be answered */
	forward_out(&r->x, p.bytes, p.len);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->x.counters.data_drop_negative, 3);
}

static void
out_to_own_eids(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = { .from = "10.1.1.10", .to = "10.1.1.20" };

	dynamic(r, "10.1.1.10", EID_LOCAL);
	away(r, "10.1.1.20", "198.51.100.1");
	out(r, &s);
	goes_to(one(r, ENCAPSULATED), "192.0.2.1", "198.51.100.1");
	dynamic(r, "10.1.1.20", EID_HELD);
	out(r, &s);
	nothing(r, r->x.counters.data_drop_held);
	/* Local, and yet the kernel gave it to us: its segment is down. */
	dynamic(r, "10.1.1.20", EID_LOCAL);
	out(r, &s);
	one(r, ICMP);
	/* In the static prefix, and nowhere. */
	s.to = "10.1.9.9";
	out(r, &s);
	one(r, ICMP);
	assert_int_equal(r->x.counters.data_drop_not_local, 2);
	/* In the mobile one, and no entry: somewhere else. */
	s.to = "10.1.1.77";
	out(r, &s);
	assert_int_equal(r->x.counters.map_request_sent, 1);
	/* Arriving attracts nothing yet. */
	dynamic(r, "10.1.1.78", EID_ARRIVING);
	s.to = "10.1.1.78";
	out(r, &s);
	assert_int_equal(r->x.counters.map_request_sent, 2);
}

static void
out_never_to_an_own_rloc(void **state)
{
	struct rig *r = *state;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	away(r, "10.1.1.20", "192.0.2.1");
	out(r, &(struct packet_spec){ .from = "10.1.1.10", .to = "10.1.1.20" });
	one(r, ICMP);
	assert_int_equal(r->x.counters.data_drop_no_locator, 1);
}

static void
out_sources(void **state)
{
	static const struct {
		const char *from;
		enum eid_state state;
		bool allowed;
	} cases[] = {
		{ "10.1.1.10", EID_LOCAL, true },
		{ "10.1.1.10", EID_DEPARTING, true },
		{ "10.1.1.10", EID_HELD, true },
		{ "10.1.1.10", EID_ARRIVING, true }, /* runs before we know */
		{ "10.1.1.10", EID_AWAY, false },
		{ "10.1.1.10", EID_ABSENT, false },
		{ "10.1.1.99", EID_STATES, false }, /* nobody's */
		{ "10.1.1.5", EID_STATES, true },   /* static-hosts */
		{ "10.1.1.1", EID_STATES, true },   /* the gateway */
		{ "10.1.9.9", EID_STATES, true },   /* static prefix */
		{ "127.0.0.1", EID_STATES, false },
		{ "224.0.0.1", EID_STATES, false },
	};
	struct rig *r = *state;
	uint64_t dropped = 0;

	cache(r, "10.3.0.0/24", "203.0.113.1", LISP_NO_ACTION);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (cases[i].state != EID_STATES)
			dynamic(r, cases[i].from, cases[i].state);
		out(r,
		    &(struct packet_spec){
			.from = cases[i].from, .to = "10.3.0.10" });
		assert_int_equal(r->n, cases[i].allowed);
		r->n = 0;
		dropped += !cases[i].allowed;
		assert_int_equal(r->x.counters.data_drop_source, dropped);
	}
	/* Away, and its incoming mark is set: it comes back. */
	away(r, "10.1.1.10", "198.51.100.1")->incoming = true;
	out(r, &vm_to_peer);
	one(r, ENCAPSULATED);
	/* What we encapsulated, given back by a route to the device. */
	out(r,
	    &(struct packet_spec){
		.from = "192.0.2.1", .to = "10.3.0.10", .dport = 4341 });
	assert_int_equal(r->n, 0);
	assert_int_equal(r->x.counters.data_drop_source, dropped + 1);
}

/* In. */

static void
in_to_local(void **state)
{
	struct rig *r = *state;
	const struct packet_spec to_static = { .from = "10.3.0.10",
		.to = "10.1.9.9" };

	dynamic(r, "10.1.1.10", EID_LOCAL);
	in(r, &peer_to_vm, "203.0.113.1");
	one(r, DELIVERED);
	dynamic(r, "10.1.1.10", EID_DEPARTING);
	in(r, &peer_to_vm, "203.0.113.1");
	one(r, DELIVERED);
	in(r, &to_static, "203.0.113.1");
	one(r, DELIVERED);
	assert_int_equal(r->x.counters.data_decapsulated, 3);
}

static bool
count_confirmed(void *arg, const struct requester *q)
{
	*(unsigned *)arg += q->confirmed;
	return true;
}

static void
in_confirms_the_sender(void **state)
{
	struct rig *r = *state;
	struct eid vm = host("10.1.1.10"), prefix;
	unsigned n = 0;

	assert_int_equal(eid_parse("10.1.0.0/16", &prefix), ERR_OK);
	dynamic(r, "10.1.1.10", EID_LOCAL);
	in(r, &peer_to_vm, "203.0.113.1");
	requesters_walk(&r->x, &vm, count_confirmed, &n);
	assert_int_equal(n, 1);
	in(r, &(struct packet_spec){ .from = "10.3.0.10", .to = "10.1.9.9" },
	    "203.0.113.1");
	n = 0;
	requesters_walk(&r->x, &prefix, count_confirmed, &n);
	assert_int_equal(n, 1);
	/* But packets make no mapping: no gleaning, RFC 9300 9. */
	assert_int_equal(map_cache_count(r->x.map_cache), 0);
}

static void
in_ttl_and_tos(void **state)
{
	static const struct {
		uint8_t inner, outer, expected;
	} ttls[] = { { 64, 60, 60 }, { 60, 64, 60 }, { 5, 5, 5 },
		{ 1, 64, 1 } };
	struct rig *r = *state;
	struct forward_outer o = { .from = packet_addr("203.0.113.1"),
		.tos = 0xb8 | 3 };

	dynamic(r, "10.1.1.10", EID_LOCAL);
	for (size_t i = 0; i < sizeof(ttls) / sizeof(*ttls); i++) {
		struct packet_spec s = peer_to_vm;

		s.ttl = ttls[i].inner;
		s.tos = 0x02;
		o.ttl = ttls[i].outer;
		in_full(r, &s, &o, 0, 0);
		one(r, DELIVERED);
		assert_int_equal(r->sent[0].bytes[8], ttls[i].expected);
		assert_int_equal(r->sent[0].bytes[1], 0xb8 | 3); /* CE */
		assert_true(packet_checksum_right(r->sent[0].bytes));
	}
	/* CE outside of a packet that does not know ECN: RFC 6040 4.2. */
	in_full(r, &peer_to_vm, &o, 0, 0);
	nothing(r, r->x.counters.data_drop_ecn);
}

static void
in_by_state(void **state)
{
	struct rig *r = *state;

	in(r, &peer_to_vm, "203.0.113.1"); /* covered by 10.1.0.0/16 only */
	nothing(r, r->x.counters.data_drop_not_local);
	dynamic(r, "10.1.1.10", EID_ARRIVING);
	in(r, &peer_to_vm, "203.0.113.1");
	nothing(r, r->x.counters.data_drop_arriving);
	dynamic(r, "10.1.1.10", EID_HELD);
	in(r, &peer_to_vm, "203.0.113.1");
	nothing(r, r->x.counters.data_drop_held);
	in(r, &(struct packet_spec){ .from = "10.3.0.10", .to = "10.4.0.10" },
	    "203.0.113.1");
	assert_int_equal(r->n, 0);
	assert_int_equal(r->x.counters.data_drop_not_local, 2);
}

static void
in_away_goes_on(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = peer_to_vm;
	const struct sent *sent;

	away(r, "10.1.1.10", "198.51.100.1");
	s.ttl = 64;
	in(r, &s, "203.0.113.1"); /* outer TTL 60 */
	sent = one(r, ENCAPSULATED);
	goes_to(sent, "192.0.2.1", "198.51.100.1");
	assert_int_equal(sent->ttl, 59);
	assert_int_equal(sent->bytes[8 + 8], 59);
	assert_true(packet_checksum_right(sent->bytes + 8));
	assert_int_equal(r->x.counters.data_reencapsulated, 1);
	assert_int_equal(r->x.counters.data_decapsulated, 0);
	/* Its sender learns of it, once (docs/cpm.md 6.4). */
	in(r, &s, "203.0.113.1");
	loop_advance(r->x.loop, &r->clock, 2000000);
	assert_int_equal(r->x.counters.smr_sent, 1);
}

/* RFC 9300 5.3: decapsulation, then encapsulation, of ECN and DSCP, too. */
static void
in_away_keeps_congestion(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = peer_to_vm;
	const struct forward_outer o = {
		.from = packet_addr("203.0.113.1"), .ttl = 60, .tos = 0xb8 | 3
	};

	away(r, "10.1.1.10", "198.51.100.1");
	s.tos = 2; /* ECT(0) */
	in_full(r, &s, &o, 0, 0);
	assert_int_equal(one(r, ENCAPSULATED)->tos, 0xb8 | 3);
	assert_int_equal(r->sent[0].bytes[8 + 1], 0xb8 | 3);
	s.tos = 0; /* not ECN-capable: dropped */
	in_full(r, &s, &o, 0, 0);
	nothing(r, r->x.counters.data_drop_ecn);
}

static void
in_away_split_horizon(void **state)
{
	struct rig *r = *state;

	away(r, "10.1.1.10", "198.51.100.1");
	/* The same RLOC, another of that xTR, another xTR of that site. */
	in(r, &peer_to_vm, "198.51.100.1");
	in(r, &peer_to_vm, "2001:db8:b::1");
	in(r, &peer_to_vm, "198.51.100.9");
	assert_int_equal(r->n, 0);
	assert_int_equal(r->x.counters.data_drop_split, 3);
	away(r, "10.1.1.10", "192.0.2.1");
	in(r, &peer_to_vm, "203.0.113.1");
	nothing(r, r->x.counters.data_drop_no_locator);
}

static void
in_away_ttl_over(void **state)
{
	struct rig *r = *state;
	struct packet_spec s = peer_to_vm;
	const struct sent *sent;
	struct inner inner;
	struct addr from = packet_addr("10.1.1.1");

	away(r, "10.1.1.10", "198.51.100.1");
	cache(r, "10.3.0.0/24", "203.0.113.1", LISP_NO_ACTION);
	s.ttl = 1;
	in(r, &s, "203.0.113.1");
	/* Back to the sender, through its tunnel router, from the gateway. */
	sent = one(r, ENCAPSULATED);
	goes_to(sent, "192.0.2.1", "203.0.113.1");
	assert_int_equal(
	    inner_parse(r->sent[0].bytes + 8, sent->len - 8, &inner), ERR_OK);
	assert_int_equal(inner.protocol, IPPROTO_ICMP);
	assert_true(addr_equal(&inner.source, &from));
	assert_true(packet_checksum_right(inner.packet));
	assert_int_equal(inner.packet[20], 11);
	assert_int_equal(r->x.counters.data_drop_ttl, 1);
}

static void
in_sources(void **state)
{
	static const struct {
		const char *from;
		enum eid_state state;
		bool allowed;
	} cases[] = {
		{ "10.3.0.10", EID_STATES, true },
		{ "10.1.1.20", EID_LOCAL, false },
		{ "10.1.1.20", EID_DEPARTING,
		    true }, /* may run there already */
		{ "10.1.1.20", EID_HELD, true },
		{ "10.1.1.20", EID_ARRIVING, true },
		{ "10.1.1.20", EID_AWAY, true },
		{ "10.1.1.21", EID_STATES, true }, /* somewhere else */
		{ "10.1.1.5", EID_STATES, false }, /* static-hosts */
		{ "10.1.9.9", EID_STATES, false }, /* static prefix */
		{ "10.1.1.1", EID_STATES, true },  /* the other gateway */
		{ "127.0.0.1", EID_STATES, false },
		{ "224.0.0.1", EID_STATES, false },
		{ "192.0.2.1", EID_STATES, false }, /* our RLOC */
	};
	struct rig *r = *state;
	uint64_t dropped = 0;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (cases[i].state != EID_STATES)
			dynamic(r, cases[i].from, cases[i].state);
		in(r,
		    &(struct packet_spec){
			.from = cases[i].from, .to = "10.1.1.10" },
		    "198.51.100.1");
		assert_int_equal(r->n, cases[i].allowed);
		r->n = 0;
		dropped += !cases[i].allowed;
		assert_int_equal(r->x.counters.data_drop_source, dropped);
	}
}

static void
in_at_a_petr(void **state)
{
	static const struct {
		const char *from, *to;
		size_t counter; /* 0: forwarded */
	} cases[] = {
		{ "10.3.0.10", "198.18.0.5", 0 },
		{ "fd03::10", "2001:db8:99::5", 0 },
		/* no client of ours */
		{ "198.18.0.5", "198.18.0.6",
		    offsetof(struct counters, data_drop_relay) },
		{ "10.4.0.10", "198.18.0.5",
		    offsetof(struct counters, data_drop_relay) },
		/* from EID to EID is a tunnel router's business */
		{ "10.3.0.10", "10.3.9.9",
		    offsetof(struct counters, data_drop_not_local) },
		{ "10.3.0.10", "10.1.1.77",
		    offsetof(struct counters, data_drop_not_local) },
		/* to ourselves, or to nobody */
		{ "10.3.0.10", "192.0.2.1",
		    offsetof(struct counters, data_drop_not_local) },
		{ "10.3.0.10", "127.0.0.1",
		    offsetof(struct counters, data_drop_not_local) },
		{ "10.3.0.10", "224.0.0.5",
		    offsetof(struct counters, data_drop_not_local) },
	};
	struct rig *r = *state;
	uint64_t forwarded = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const uint64_t *counter =
		    (const void *)((const char *)&r->x.counters +
			cases[i].counter);
		const uint64_t before = *counter;

		in(r,
		    &(struct packet_spec){
			.from = cases[i].from, .to = cases[i].to },
		    "203.0.113.1");
		assert_int_equal(r->n, cases[i].counter == 0);
		forwarded += r->n;
		r->n = 0;
		if (cases[i].counter)
			assert_int_equal(*counter, before + 1);
		else
			assert_int_equal(r->sent[0].kind, DELIVERED);
		assert_int_equal(r->x.counters.data_petr, forwarded);
	}
	assert_int_equal(r->x.counters.data_decapsulated, 0);
}

/* A VM that came while we were dead: our partner may know it. */
static void
in_for_a_partner(void **state)
{
	struct rig *r = *state;
	const struct packet_spec s = {
		.from = "10.3.0.10", .to = "10.1.1.77", .ttl = 9
	};
	struct inner inner;

	in(r, &s, "203.0.113.1");
	goes_to(one(r, ENCAPSULATED), "192.0.2.1", "192.0.2.5");
	assert_int_equal(
	    inner_parse(r->sent[0].bytes + 8, r->sent[0].len - 8, &inner),
	    ERR_OK);
	assert_int_equal(inner.ttl, 8);
	assert_int_equal(r->x.counters.data_to_partner, 1);
	dynamic(r, "10.1.1.77", EID_ARRIVING);
	in(r, &s, "203.0.113.1");
	one(r, ENCAPSULATED);
	/* It does not know it either. */
	in(r, &s, "192.0.2.5");
	nothing(r, r->x.counters.data_drop_arriving);
	in(r, &(struct packet_spec){ .from = "10.3.0.10", .to = "10.1.1.78" },
	    "192.0.2.5");
	nothing(r, r->x.counters.data_drop_not_local);
	/* Our own EIDs are not sent around. */
	dynamic(r, "10.1.1.77", EID_LOCAL);
	in(r, &s, "203.0.113.1");
	one(r, DELIVERED);
}

/* Without the role none of it leaves. */
static void
in_without_a_petr(void **state)
{
	struct rig *r = *state;

	in(r, &(struct packet_spec){ .from = "10.3.0.10", .to = "198.18.0.5" },
	    "203.0.113.1");
	nothing(r, r->x.counters.data_drop_not_local);
}

static void
in_header(void **state)
{
	struct rig *r = *state;
	const struct forward_outer o = { .from = packet_addr("203.0.113.1"),
		.ttl = 60 };
	struct packet p;

	dynamic(r, "10.1.1.10", EID_LOCAL);
	/* Nonce, echo, LSBs: read by nobody, and no reason to drop. */
	in_full(r, &peer_to_vm, &o, 0xe0, 7);
	one(r, DELIVERED);
	in_full(r, &peer_to_vm, &o, 0x08, 0);
	one(r, DELIVERED);
	in_full(r, &peer_to_vm, &o, 0x08, 1000); /* another instance */
	nothing(r, r->x.counters.data_drop_not_local);
	in_full(r, &peer_to_vm, &o, 0x01, 0); /* encrypted */
	nothing(r, r->x.counters.data_drop_malformed);
	packet_make(&peer_to_vm, &p);
	memset(p.bytes - 8, 0, 8);
	for (size_t len = 0; len < p.len + 8; len++)
		forward_in(&r->x, &o, p.bytes - 8, len);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->x.counters.data_drop_malformed, 1 + p.len + 8);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(out_by_the_map_cache),
		TEST(out_ipv6),
		TEST(out_miss_asks_and_queues),
		TEST(out_negative_by_action),
		cmocka_unit_test_setup_teardown(
		    out_natively_if_configured, setup_native, teardown),
		cmocka_unit_test_setup_teardown(
		    out_through_a_petr, setup_use_petr, teardown),
		cmocka_unit_test_setup_teardown(
		    out_of_a_pitr, setup_proxy, teardown),
		cmocka_unit_test_setup_teardown(
		    in_at_a_petr, setup_proxy, teardown),
		TEST(in_without_a_petr),
		cmocka_unit_test_setup_teardown(
		    in_for_a_partner, setup_partner, teardown),
		TEST(out_icmp_is_limited),
		TEST(out_no_usable_locator),
		TEST(out_too_big),
		TEST(out_no_error_about_errors),
		TEST(out_to_own_eids),
		TEST(out_never_to_an_own_rloc),
		TEST(out_sources),
		TEST(in_to_local),
		TEST(in_confirms_the_sender),
		TEST(in_ttl_and_tos),
		TEST(in_by_state),
		TEST(in_away_goes_on),
		TEST(in_away_keeps_congestion),
		TEST(in_away_split_horizon),
		TEST(in_away_ttl_over),
		TEST(in_sources),
		TEST(in_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
