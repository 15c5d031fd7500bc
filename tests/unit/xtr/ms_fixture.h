/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MS_FIXTURE_H
#define TESTS_MS_FIXTURE_H

/*
 * ms_fixture.h - a Map-Server with a fake clock, a store in a folder of its own
 * and its output caught, for test_ms_*.c and test_map_server.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "common/log.h"
#include "xtr/input.h"
#include "xtr/ms.h"
#include "xtr/output.h"
#include "xtr/reply.h"
#include "xtr/store.h"

#define SENT_MAX 256
#define START_WALL_US INT64_C(1700000000000000)

struct sent {
	struct addr to;
	uint16_t port;
	size_t len;
	uint8_t *bytes;
};

struct fixture {
	char folder[64];
	struct clock clock;
	struct loop *loop;
	struct xtr x;
	struct xtr_conf *conf;
	struct sent sent[SENT_MAX]; /* since the last step */
	unsigned n_sent;
	uint64_t nonce;
};

static inline struct addr
A(const char *text) {
	struct addr a;

	if (addr_parse(text, &a))
		fail_msg("no address: %s", text);
	return a;
}

static inline struct eid
E(const char *text) {
	struct eid e;

	if (eid_parse(text, &e))
		fail_msg("no EID: %s", text);
	return e;
}

static inline void
caught(void *arg, const struct addr *to, uint16_t port, const uint8_t *bytes,
    size_t len)
{
	struct fixture *f = arg;
	struct sent *s = &f->sent[f->n_sent];

	if (f->n_sent == SENT_MAX)
		return;
	*s = (struct sent){ *to, port, len, malloc(len) };
	memcpy(s->bytes, bytes, len);
	f->n_sent++;
}

/* Forgets what was sent. */
static inline void
fixture_clear(struct fixture *f)
{
	while (f->n_sent)
		free(f->sent[--f->n_sent].bytes);
}

static inline void
fixture_write(struct fixture *f, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
}

static inline void
fixture_conf(struct fixture *f, const char *text)
{
	struct xtr_conf *conf;
	char path[128];

	fixture_write(f, "xtrd.yaml", text);
	snprintf(path, sizeof(path), "%s/xtrd.yaml", f->folder);
	conf = xtr_conf_load(path, stderr);
	assert_non_null(conf);
	f->x.conf = conf;
	if (f->x.map_server)
		map_server_reload(&f->x);
	xtr_conf_free(f->conf);
	f->conf = conf;
}

static inline void
fixture_start(struct fixture *f)
{
	char state[128];

	snprintf(state, sizeof(state), "%s/state", f->folder);
	assert_int_equal(store_open(f->loop, state, 256, &f->x.store), ERR_OK);
	f->x.output = output_new(&f->x);
	output_divert(&f->x, caught, f);
	f->x.map_server = map_server_new(&f->x);
	assert_non_null(f->x.map_server);
}

static inline void
fixture_stop(struct fixture *f)
{
	input_turn_end(&f->x);
	map_server_free(f->x.map_server);
	f->x.map_server = NULL;
	replies_free(f->x.replies);
	f->x.replies = NULL;
	output_free(f->x.output);
	store_close(f->x.store);
}

/* A site each, as the tests need them. */
static const char fixture_yaml[] =
    "map-server:\n"
    "  registrations-max: 40\n"
    "  locators-max: 4\n"
    "  sites:\n"
    "    - { name: a, key-id: 1, key-file: key-a,\n"
    "        keys: [ { key-id: 5, key-file: key-n,\n"
    "          algorithm: hmac-sha256-128-hkdf } ], prefixes: [\n"
    "        { prefix: 10.1.0.0/16, accept-more-specifics: true },\n"
    "        { prefix: 10.7.1.0/24, mobile: true,\n"
    "          accept-more-specifics: true },\n"
    "        { prefix: \"2001:db8::/32\", accept-more-specifics: true } ] }\n"
    "    - { name: b, key-id: 2, key-file: key-b, prefixes: [\n"
    "        { prefix: 10.2.0.0/16 },\n"
    "        { prefix: 10.7.1.0/24, mobile: true,\n"
    "          accept-more-specifics: true } ] }\n"
    "    - { name: c, key-id: 3, key-file: key-c, sources: [ 192.0.2.3 ],\n"
    "        prefixes: [ { prefix: 10.3.0.0/16 },\n"
    "        { prefix: 10.7.0.0/16 } ] }\n"
    "    - { name: old, key-id: 4, key-file: key-a, replay-check: false,\n"
    "        prefixes: [ { prefix: 10.4.0.0/16 } ] }\n";

static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_level_set(LOG_LEVEL_ERROR);
	snprintf(f->folder, sizeof(f->folder), "/tmp/test_ms.XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	fixture_write(f, "key-a", "secret of a\n");
	fixture_write(f, "key-b", "secret of b\n");
	fixture_write(f, "key-c", "secret of c\n");
	fixture_write(f, "key-n", "new one of a\n");
	clock_fake(&f->clock, START_WALL_US);
	f->loop = loop_new(&f->clock);
	f->x.loop = f->loop;
	f->x.clock = &f->clock;
	f->nonce = 1000;
	fixture_conf(f, fixture_yaml);
	fixture_start(f);
	*state = f;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = { "key-a", "key-b", "key-c", "key-n",
		"xtrd.yaml", "state/data.mdb", "state/lock", "state" };
	char path[128];

	fixture_clear(f);
	fixture_stop(f);
	xtr_conf_free(f->conf);
	loop_free(f->loop);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->folder, files[i]);
		remove(path);
	}
	rmdir(f->folder);
	free(f);
	return 0;
}

static inline void
fixture_restart(struct fixture *f)
{
	fixture_stop(f);
	fixture_start(f);
}

/* Lets time pass; what is sent meanwhile is caught. */
static inline void
pass(struct fixture *f, int64_t ms)
{
	fixture_clear(f);
	loop_advance(f->loop, &f->clock, ms * 1000);
	input_turn_end(&f->x);
}

/* A locator: "address/priority/weight", a '-' in front: R = 0. */
static inline struct locator
locator_of(const char *text)
{
	struct locator l = { .reachable = *text != '-', .weight = 100 };
	char address[64];
	unsigned priority = 1, weight = 100;
	struct addr a;

	sscanf(text + (*text == '-'), "%63[^/]/%u/%u", address, &priority,
	    &weight);
	a = A(address);
	l.addr = lisp_addr_from_addr(&a);
	l.priority = (uint8_t)priority;
	l.weight = (uint8_t)weight;
	l.mpriority = 255;
	return l;
}

struct record_of {
	const char *eid;
	const char *locators[6];
	uint32_t ttl_min; /* 0: 1440 */
	bool withdraw;	  /* TTL 0 */
	bool local;	  /* L = 1 in all */
};

static inline void
record_make(const struct record_of *r, struct mapping *m)
{
	struct eid eid = E(r->eid);

	memset(m, 0, sizeof(*m));
	m->ttl_min = r->withdraw ? 0 : r->ttl_min ? r->ttl_min : 1440;
	m->authoritative = true;
	m->eid = lisp_addr_from_eid(&eid);
	m->eid_bits = eid.bits;
	for (unsigned i = 0; i < 6 && r->locators[i]; i++) {
		m->locators[i] = locator_of(r->locators[i]);
		m->locators[i].local = r->local;
		m->n_locators++;
	}
}

/* A Map-Register as an xTR sends it. */
struct reg {
	const char *from; /* "192.0.2.1" by default */
	uint16_t port;	  /* 4342 by default */
	const char *key;  /* the secret; of site 'a' by default */
	uint8_t key_id;	  /* 1 by default */
	uint8_t algorithm;
	uint8_t auth_len; /* 32: for old peers */
	uint64_t nonce;	  /* 0: the next one */
	bool zero_nonce;
	uint8_t xtr_id; /* 0: none; all 16 octets */
	bool proxy, merge, use_ttl, no_notify;
	struct record_of records[4];
};

static inline size_t
reg_encode(struct fixture *f, const struct reg *g, uint8_t *bytes, size_t size)
{
	struct auth_key key = { .key_id = g->key_id ? g->key_id : 1,
		.algorithm = g->algorithm ? g->algorithm : AUTH_SHA256_128,
		.send_len = g->auth_len };
	const char *secret = g->key ? g->key : "secret of a";
	struct map_register m = {
		.proxy = g->proxy,
		.merge = g->merge,
		.use_ttl = g->use_ttl,
		.want_notify = !g->no_notify,
		.has_xtr_id = g->xtr_id != 0,
		.nonce = g->zero_nonce ? 0
		    : g->nonce	       ? g->nonce
				       : ++f->nonce,
	};
	struct wire_writer w = wire_writer(bytes, size);
	struct mapping map;

	key.secret_len = (uint8_t)strlen(secret);
	memcpy(key.secret, secret, key.secret_len);
	memset(m.xtr_id, g->xtr_id, sizeof(m.xtr_id));
	m.auth = (struct auth_header){ .key_id = key.key_id,
		.algorithm = key.algorithm,
		.len = auth_len(&key) };
	while (m.n_records < 4 && g->records[m.n_records].eid)
		m.n_records++;
	map_register_header(&w, &m);
	for (unsigned i = 0; i < m.n_records; i++) {
		record_make(&g->records[i], &map);
		mapping_encode(&w, &map);
	}
	map_register_trailer(&w, &m);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(bytes, wire_written(&w), &key), ERR_OK);
	return wire_written(&w);
}

static inline enum err
receive_register(struct fixture *f, const char *from, uint16_t port,
    const uint8_t *bytes, size_t len)
{
	const struct datagram dg = { .bytes = bytes,
		.len = len,
		.from = A(from ? from : "192.0.2.1"),
		.port = port ? port : LISP_CONTROL_PORT,
		.to = A("192.0.2.100") };
	struct map_register m;
	enum err err = map_register_decode(bytes, len, &m);

	fixture_clear(f);
	if (!err)
		err = map_server_on_map_register(&f->x, &dg, &m);
	input_turn_end(&f->x);
	return err;
}

/* What the Map-Server makes of it; what it sends is in f->sent. */
static inline enum err
reg(struct fixture *f, const struct reg *g)
{
	uint8_t bytes[8192];
	size_t len = reg_encode(f, g, bytes, sizeof(bytes));

	return receive_register(f, g->from, g->port, bytes, len);
}

#define REG(f, ...) reg(f, &(const struct reg){ __VA_ARGS__ })

/* The registered record of exactly this EID, as text; "" if none. */
static inline const char *
registered(struct fixture *f, const char *eid)
{
	static char text[512];
	struct eid e = E(eid);
	const struct registration *r = ms_find(f->x.map_server, &e);
	struct mapping m;
	char buf[ADDR_STR_MAX];
	size_t n = 0;

	*text = '\0';
	if (!r)
		return text;
	ms_mapping(r, &m);
	for (unsigned i = 0; i < m.n_locators; i++) {
		const struct locator *l = &m.locators[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s%s%s/%u/%u", i ? " " : "", l->reachable ? "" : "-",
		    addr_str(&l->addr.addr, buf), l->priority, l->weight);
	}
	return text;
}

/* The 'i'th message sent is a Map-Notify under this secret. */
static inline struct map_notify
notify_at(struct fixture *f, unsigned i, const char *secret, uint8_t key_id)
{
	struct auth_key key = { .key_id = key_id, .accept = 0xff };
	struct map_notify m;

	assert_true(i < f->n_sent);
	key.secret_len = (uint8_t)strlen(secret);
	memcpy(key.secret, secret, key.secret_len);
	assert_int_equal(
	    auth_verify(f->sent[i].bytes, f->sent[i].len, &key), ERR_OK);
	assert_int_equal(
	    map_notify_decode(f->sent[i].bytes, f->sent[i].len, &m), ERR_OK);
	assert_int_equal(m.type, LISP_MAP_NOTIFY);
	return m;
}

/* "eid ttl locator locator" of the first record left. */
static inline const char *
record_text(struct records *left)
{
	static char text[512];
	struct mapping m;
	struct eid eid;
	char buf[EID_STR_MAX];
	size_t n;

	if (!records_next(left, &m))
		return "";
	assert_int_equal(lisp_addr_eid(&m.eid, m.eid_bits, &eid), ERR_OK);
	n = (size_t)snprintf(
	    text, sizeof(text), "%s %u", eid_str(&eid, buf), m.ttl_min);
	if (!m.n_locators && m.action)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, " act%u", m.action);
	if (m.authoritative)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " A");
	for (unsigned i = 0; i < m.n_locators; i++) {
		const struct locator *l = &m.locators[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    " %s%s/%u/%u%s", l->reachable ? "" : "-",
		    addr_str(&l->addr.addr, buf), l->priority, l->weight,
		    l->local ? "L" : "");
	}
	return text;
}

/* A Map-Request out of an ECM. */
struct ask {
	const char *eid;
	const char *itr_rlocs[4]; /* "203.0.113.9" by default */
	const char *from;	  /* outer source, the same by default */
	bool probe, smr, authoritative;
	uint64_t nonce;	   /* 77 by default */
	uint8_t subscribe; /* I and N; all octets of the xTR-ID */
	bool leave;	   /* its only ITR-RLOC has AFI 0 */
};

static const uint16_t ask_port = 50123;

static inline enum err
ask(struct fixture *f, const struct ask *q)
{
	struct map_request m = { .probe = q->probe,
		.smr = q->smr,
		.authoritative = q->authoritative,
		.nonce = q->nonce ? q->nonce : 77,
		.n_records = 1 };
	const char *const itr = "203.0.113.9";
	struct eid eid = E(q->eid);
	struct addr source =
	    A(eid.addr.afi == AFI_IPV6 ? "2001:db8:ffff::9" : "203.0.113.9");
	uint8_t bytes[2048];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct ecm ecm = { .source = source,
		.destination = eid.addr,
		.source_port = ask_port,
		.destination_port = LISP_CONTROL_PORT };
	struct datagram dg = { .bytes = bytes,
		.from = A(q->from ? q->from : itr),
		.port = 1111,
		.to = A("192.0.2.100"),
		.ecm = &ecm };
	struct map_request decoded;
	enum err err;

	for (unsigned i = 0; i < 4 && (q->itr_rlocs[i] || !i); i++) {
		struct addr a = A(q->itr_rlocs[i] ? q->itr_rlocs[i] : itr);

		m.itr_rlocs[m.n_itr_rlocs++] = lisp_addr_from_addr(&a);
	}
	if (q->leave)
		m.itr_rlocs[0] = (struct lisp_addr){ 0 };
	m.has_xtr_id = m.records[0].notify = q->subscribe != 0;
	memset(m.xtr_id, q->subscribe, sizeof(m.xtr_id));
	m.records[0].eid = lisp_addr_from_eid(&eid);
	m.records[0].eid_bits = eid.bits;
	map_request_encode(&w, &m);
	assert_int_equal(w.err, ERR_OK);
	dg.len = ecm.payload_len = wire_written(&w);
	ecm.payload = bytes;
	fixture_clear(f);
	err = map_request_decode(bytes, dg.len, &decoded);
	if (!err)
		err = map_server_on_map_request(&f->x, &dg, &decoded);
	input_turn_end(&f->x);
	return err;
}

#define ASK(f, ...) ask(f, &(const struct ask){ __VA_ARGS__ })

/* The Map-Reply just sent, the only message; checks where it went. */
static inline struct map_reply
reply_sent(struct fixture *f, const char *to)
{
	struct map_reply m;

	assert_int_equal(f->n_sent, 1);
	assert_true(
	    addr_equal(&f->sent[0].to, &(const struct addr[]){ A(to) }[0]));
	assert_int_equal(f->sent[0].port, ask_port);
	assert_int_equal(
	    map_reply_decode(f->sent[0].bytes, f->sent[0].len, &m), ERR_OK);
	assert_false(m.probe);
	return m;
}

/* Asks, and expects one Map-Reply with one record like this. */
static inline void
expect_reply(struct fixture *f, const char *eid, const char *record)
{
	struct map_reply m;

	assert_int_equal(ASK(f, .eid = eid), ERR_OK);
	m = reply_sent(f, "203.0.113.9");
	assert_int_equal(m.n_records, 1);
	assert_int_equal(m.nonce, 77);
	assert_string_equal(record_text(&m.records), record);
}

#endif
