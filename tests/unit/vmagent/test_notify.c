/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify.c - series, retransmission and Acks on a fake clock, with the
 * sending injected; once over a real socket.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cpm.h"
#include "vmagent/notify.h"

enum { SENT_MAX = 4096 };
#define WALL_MS UINT64_C(1700000000000)

struct datagram {
	struct addr to;
	size_t len;
	uint8_t bytes[1500];
	struct cpm cpm; /* of 'bytes' */
	int64_t at_us;
};

struct fixture {
	struct clock clock;
	struct loop *loop;
	struct conf_agent_xtr xtrs[3];
	struct agent_conf conf;
	struct notify *n;
	struct vm_info vm;
	unsigned n_sent;
	struct datagram sent[SENT_MAX];
	unsigned n_acked;
	struct notify_ack acked[SENT_MAX];
	uint64_t ceiling;
};

static struct fixture fx;

static void
on_send(void *arg, const struct addr *to, uint16_t port, const uint8_t *bytes,
    size_t len)
{
	struct fixture *f = arg;
	struct datagram *d = &f->sent[f->n_sent++];

	assert_true(f->n_sent < SENT_MAX);
	assert_int_equal(port, 4342);
	assert_true(len <= (size_t)f->conf.payload);
	d->to = *to;
	d->len = len;
	d->at_us = clock_mono(&f->clock).us;
	memcpy(d->bytes, bytes, len);
	for (unsigned i = 0; i < f->conf.xtrs.n; i++)
		if (addr_equal(to, &f->xtrs[i].address))
			assert_int_equal(
			    auth_verify(bytes, len, &f->xtrs[i].key), ERR_OK);
	assert_int_equal(
	    cpm_decode(d->bytes, len, CPM_SUBTYPE, &d->cpm), ERR_OK);
}

static void
on_acked(void *arg, const struct notify_ack *a)
{
	struct fixture *f = arg;

	f->acked[f->n_acked++] = *a;
}

static void
on_reserve(void *arg, uint64_t ceiling)
{
	struct fixture *f = arg;

	f->ceiling = ceiling;
}

static const struct notify_hooks hooks = { on_acked, on_reserve, on_send,
	false };

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static void
set_xtr(struct fixture *f, unsigned i, const char *a, uint8_t key)
{
	struct conf_agent_xtr *x = &f->xtrs[i];

	*x = (struct conf_agent_xtr){
		.name = a, .address = address(a), .port = 4342
	};
	x->key = (struct auth_key){ .key_id = key,
		.algorithm = AUTH_SHA256_128,
		.accept = 1 << AUTH_SHA256_128,
		.secret_len = 8 };
	memset(x->key.secret, key, 8);
}

static int
setup(void **state)
{
	static const uint8_t host[16] = { 0xa1 };
	struct fixture *f = &fx;
	struct addr eid = address("10.1.1.10");

	memset(f, 0, sizeof(*f));
	clock_fake(&f->clock, (int64_t)WALL_MS * 1000);
	f->loop = loop_new(&f->clock);
	set_xtr(f, 0, "192.0.2.1", 11);
	set_xtr(f, 1, "192.0.2.2", 11);
	f->conf.xtrs = (struct conf_list){ f->xtrs, 2 };
	f->conf.cpm_subtype = CPM_SUBTYPE;
	f->conf.payload = 548;
	f->vm.uuid[0] = 0x7c;
	strcpy(f->vm.name, "web1");
	f->vm.n_nics = 1;
	f->vm.nics[0].mac = address("52:54:00:00:00:01");
	f->vm.nics[0].n_eids = 1;
	f->vm.nics[0].eids[0] = eid_host(0, &eid);
	f->n = notify_new(f->loop, &f->conf, &hooks, f);
	notify_sender(f->n, host);
	notify_nonces(f->n, 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	notify_free(f->n);
	loop_free(f->loop);
	return 0;
}

static struct cpm_peer *
make_peers(unsigned n, bool v6, uint32_t iid)
{
	struct cpm_peer *p = calloc(n + 1, sizeof(*p));

	for (unsigned i = 0; i < n; i++) {
		uint8_t b[16] = { 0x20,
			1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i };
		uint8_t b4[4] = { 10, 3, (uint8_t)(i >> 8), (uint8_t)i };

		p[i] = (struct cpm_peer){ .kind = CPM_PEER,
			.iid = iid,
			.addr = v6 ? addr_make(AFI_IPV6, b)
				   : addr_make(AFI_IPV4, b4) };
	}
	return p;
}

static void
say(struct fixture *f, enum vm_action action, uint64_t generation,
    unsigned n_peers)
{
	struct cpm_peer *peers = make_peers(n_peers, false, 0);
	struct statement *m =
	    statement_new(&f->vm, mobility_form(action), peers, n_peers);

	free(peers);
	m->generation = generation;
	m->event_ms = WALL_MS - 5;
	assert_int_equal(notify_say(f->n, m), ERR_OK);
}

/* An Ack of datagram 'i' from the xTR it went to. */
static void
ack_full(struct fixture *f, unsigned i, uint8_t status, uint64_t generation,
    uint64_t nonce, bool bad_mac)
{
	const struct datagram *d = &f->sent[i];
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.nonce = d->cpm.nonce,
		.key_id = d->cpm.key_id,
		.algorithm = d->cpm.algorithm,
		.sender_id = { 0x66 },
		.series = d->cpm.series,
		.part = d->cpm.part,
		.parts = d->cpm.parts,
		.status = status,
		.reason = d->cpm.reason,
		.highest_nonce = nonce,
		.highest_generation = generation,
		.n_eids = 1 };
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	const struct auth_key *key = NULL;

	for (unsigned x = 0; x < f->conf.xtrs.n; x++)
		if (addr_equal(&d->to, &f->xtrs[x].address))
			key = &f->xtrs[x].key;
	a.eids[0].eid = d->cpm.eids[0];
	a.eids[0].status = status;
	cpm_ack_encode(&w, &a);
	assert_int_equal(auth_sign(buf, wire_written(&w), key), ERR_OK);
	buf[20] ^= bad_mac;
	notify_received(f->n, &d->to, 4342, buf, wire_written(&w));
}

static void
ack(struct fixture *f, unsigned i, uint8_t status)
{
	ack_full(f, i, status, f->sent[i].cpm.generation, f->sent[i].cpm.nonce,
	    false);
}

static void
ms(struct fixture *f, int64_t n)
{
	loop_advance(f->loop, &f->clock, n * 1000);
}

static void
test_message(void **state)
{
	struct fixture *f = *state;
	const struct cpm *m = &f->sent[0].cpm;

	say(f, DO_PRESENT_NEW, WALL_MS, 0);
	/* Once to each xTR; the same octets, for they share the key. */
	assert_int_equal(f->n_sent, 2);
	assert_int_equal(f->sent[0].len, f->sent[1].len);
	assert_memory_equal(f->sent[0].bytes, f->sent[1].bytes, f->sent[0].len);
	assert_int_equal(m->op, CPM_OP_CPM);
	assert_true(m->ack_wanted);
	assert_int_equal(m->nonce, WALL_MS); /* the clock, for nothing saved */
	assert_true(f->ceiling >= WALL_MS);
	assert_int_equal(m->reason, CPM_PRESENT);
	assert_int_equal(m->generation, WALL_MS);
	assert_int_equal(m->event_ms, WALL_MS - 5);
	assert_int_equal(m->series, (uint32_t)m->nonce);
	assert_int_equal(m->part, 1);
	assert_int_equal(m->parts, 1);
	assert_int_equal(m->sender_id[0], 0xa1);
	assert_int_equal(m->vm_id[0], 0x7c);
	assert_int_equal(m->n_eids, 1);
	assert_true(m->has_mac);
	assert_int_equal(m->mac.bytes[5], 1);
}

/* 50 ms doubling to 1 s, 12 sendings, byte-identical; then every 60 s. */
static void
test_retransmission(void **state)
{
	static const int at_ms[] = { 0, 50, 150, 350, 750, 1550, 2550, 3550,
		4550, 5550, 6550, 7550 };
	struct fixture *f = *state;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	say(f, DO_DEPARTED, WALL_MS, 0);
	ms(f, 8549);
	assert_int_equal(f->n_sent, 12);
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(
		    f->sent[i].at_us - f->sent[0].at_us, at_ms[i] * 1000);
		assert_memory_equal(
		    f->sent[i].bytes, f->sent[0].bytes, f->sent[0].len);
	}
	assert_int_equal(notify_counters(f->n)->alarms, 0);
	ms(f, 1);
	assert_int_equal(notify_counters(f->n)->alarms, 1);
	assert_true(notify_outstanding(f->n, f->vm.uuid, false));
	ms(f, 59999);
	assert_int_equal(f->n_sent, 12);
	ms(f, 1);
	assert_int_equal(f->n_sent, 13);
	assert_true(f->sent[12].cpm.nonce > f->sent[0].cpm.nonce);
	assert_int_equal(f->sent[12].cpm.generation, WALL_MS);
	ms(f, 50);
	assert_int_equal(f->n_sent, 14);
	ack(f, 13, CPM_ACK_DONE);
	assert_int_equal(f->n_acked, 1);
	assert_true(f->acked[0].all_done);
	assert_false(notify_outstanding(f->n, f->vm.uuid, false));
	ms(f, 100000);
	assert_int_equal(f->n_sent, 14);
}

/* Each xTR by itself; 0 and 1 finish. */
static void
test_acks(void **state)
{
	struct fixture *f = *state;
	struct notify_progress p;

	say(f, DO_DEPARTING, WALL_MS, 0);
	ack(f, 1, CPM_ACK_NOTHING);
	assert_int_equal(f->n_acked, 1);
	assert_int_equal(f->acked[0].xtr, 1);
	assert_true(f->acked[0].xtr_done);
	assert_false(f->acked[0].all_done);
	assert_true(notify_progress(f->n, f->vm.uuid, 1, &p));
	assert_int_equal(p.acked, 1);
	ms(f, 60);
	assert_int_equal(f->n_sent, 3);
	assert_true(addr_equal(&f->sent[2].to, &f->xtrs[0].address));
	ack(f, 0, CPM_ACK_DONE);
	assert_true(f->acked[1].all_done);
	ms(f, 100000);
	assert_int_equal(f->n_sent, 3);
	/* Another Ack of the same is nothing. */
	ack(f, 0, CPM_ACK_DONE);
	assert_int_equal(f->n_acked, 2);
	assert_int_equal(notify_counters(f->n)->refused[ERR_NONCE], 1);
}

static void
test_twice(void **state)
{
	struct fixture *f = *state;

	say(f, DO_ARRIVED, WALL_MS, 100);
	/* Two parts to each of two xTRs, the first of them twice. */
	assert_int_equal(f->n_sent, 6);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(f->sent[i].cpm.part, 1);
		assert_memory_equal(
		    f->sent[i].bytes, f->sent[0].bytes, f->sent[0].len);
	}
	assert_int_equal(f->sent[4].cpm.part, 2);
	assert_int_equal(f->sent[5].cpm.part, 2);
	/* The Ack of the copy: nothing new. */
	ack(f, 0, CPM_ACK_DONE);
	ack(f, 0, CPM_ACK_NOTHING);
	assert_false(f->acked[1].xtr_done);
	ack(f, 4, CPM_ACK_DONE);
	assert_true(f->acked[2].xtr_done);
	f->n_sent = 0;
	say(f, DO_PAUSED, WALL_MS, 0);
	/* xTR 2 has not acked the peers: they go with the newer one. */
	assert_int_equal(f->sent[0].cpm.reason, CPM_PAUSED);
	assert_int_equal(f->sent[0].cpm.parts, 2);
	assert_false(f->sent[0].cpm.has_mac);
}

/* The rows of docs/cpm.md 3.4. */
static void
test_series_sizes(void **state)
{
	static const struct {
		size_t payload;
		unsigned n4, n6; /* EIDs */
		uint32_t iid;
		bool peers6, mac;
		unsigned per_part;
	} rows[] = {
		{ 548, 1, 0, 0, false, false, 56 },
		{ 548, 0, 1, 0, true, false, 21 },
		{ 548, 0, 8, 0, true, false, 14 },
		{ 548, 1, 0, 0, false, true, 54 },
		{ 1232, 0, 1, 0, true, false, 56 },
		{ 1232, 1, 1, 0, true, false, 55 },
		{ 548, 1, 0, 7, false, false, 21 },
		{ 548, 0, 1, 7, true, false, 13 },
		{ 548, 0, 8, 7, true, true, 5 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vm_nic *nic = &f->vm.nics[0];
		struct cpm_peer *peers =
		    make_peers(3000, rows[i].peers6, rows[i].iid);
		struct statement *m;
		unsigned per = rows[i].per_part, total = per * CPM_PARTS_MAX;
		unsigned sum = 0;

		if (total > CPM_PEERS_SENT_MAX)
			total = CPM_PEERS_SENT_MAX;
		nic->n_eids = 0;
		for (unsigned k = 0; k < rows[i].n4 + rows[i].n6; k++) {
			uint8_t b[16] = { 0xfd, [15] = (uint8_t)(k + 1) };
			struct addr a = k < rows[i].n4 ? address("10.1.1.10")
						       : addr_make(AFI_IPV6, b);

			nic->eids[nic->n_eids++] = eid_host(rows[i].iid, &a);
		}
		nic->mac = rows[i].mac ? address("52:54:00:00:00:01")
				       : (struct addr){ 0 };
		f->conf.payload = (int64_t)rows[i].payload;
		f->conf.xtrs.n = 1;
		notify_reload(f->n, &f->conf);
		f->n_sent = 0;
		m = statement_new(
		    &f->vm, mobility_form(DO_PRESENT_NEW), peers, 3000);
		m->generation = WALL_MS;
		free(peers);
		assert_int_equal(notify_say(f->n, m), ERR_OK);
		for (unsigned k = 0; k < f->n_sent; k++) {
			const struct cpm *c = &f->sent[k].cpm;

			assert_int_equal(c->part, k + 1);
			assert_int_equal(c->parts, f->n_sent);
			assert_int_equal(c->series, f->sent[0].cpm.series);
			assert_int_equal(c->nonce, f->sent[0].cpm.nonce + k);
			assert_int_equal(c->n_eids, nic->n_eids);
			sum += c->peers.left - rows[i].mac;
			if (k + 1 < f->n_sent)
				assert_int_equal(
				    c->peers.left - rows[i].mac, per);
		}
		assert_int_equal(sum, total);
	}
}

/* Nine EIDs on one vNIC, one on another: three series, peers in the first. */
static void
test_many_eids(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 9; i++) {
		uint8_t b[4] = { 10, 1, 1, (uint8_t)(i + 1) };
		struct addr a = addr_make(AFI_IPV4, b);

		f->vm.nics[0].eids[i] = eid_host(0, &a);
	}
	f->vm.nics[0].n_eids = 9;
	f->vm.n_nics = 3;
	f->vm.nics[2] = f->vm.nics[0];
	f->vm.nics[2].n_eids = 1;
	f->vm.nics[2].mac = address("52:54:00:00:00:03");
	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	say(f, DO_ARRIVING, 0, 3);
	assert_int_equal(f->n_sent, 3);
	assert_int_equal(f->sent[0].cpm.n_eids, 8);
	assert_int_equal(f->sent[1].cpm.n_eids, 1);
	assert_int_equal(f->sent[2].cpm.n_eids, 1);
	assert_int_equal(f->sent[0].cpm.peers.left, 4);
	assert_int_equal(f->sent[1].cpm.peers.left, 1); /* the MAC */
	assert_int_equal(f->sent[2].cpm.mac.bytes[5], 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(f->sent[i].cpm.part, 1);
		assert_int_equal(
		    f->sent[i].cpm.series, (uint32_t)f->sent[i].cpm.nonce);
	}
}

static void
test_stale_nonce(void **state)
{
	struct fixture *f = *state;
	uint64_t high = WALL_MS + 500000;

	say(f, DO_ARRIVED, WALL_MS, 0);
	f->n_sent = 2; /* without the copies */
	ack_full(f, 0, CPM_ACK_NONCE, 0, high, false);
	/* At once, with nonces above, to that xTR only. */
	assert_int_equal(f->n_sent, 3);
	assert_true(addr_equal(&f->sent[2].to, &f->sent[0].to));
	assert_int_equal(f->sent[2].cpm.nonce, high + 1);
	assert_true(f->ceiling > high);
	ack(f, 2, CPM_ACK_DONE);
	assert_true(f->acked[f->n_acked - 1].xtr_done);
	ack(f, 1, CPM_ACK_DONE);
	assert_true(f->acked[f->n_acked - 1].all_done);
	/* It never ends otherwise: three times, then the timer alone. */
	f->n_sent = 0;
	say(f, DO_PRESENT, WALL_MS, 0);
	for (unsigned i = 0; i < 10; i++) {
		unsigned last = f->n_sent - 1;

		if (addr_equal(&f->sent[last].to, &f->xtrs[0].address) ||
		    last == 1)
			ack_full(f, last == 1 ? 0 : last, CPM_ACK_NONCE, 0,
			    f->sent[last].cpm.nonce + 1000, false);
	}
	assert_int_equal(f->n_sent, 2 + 3);
}

static void
test_rate_limited(void **state)
{
	struct fixture *f = *state;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	say(f, DO_PRESENT, WALL_MS, 0);
	ack(f, 0, CPM_ACK_RATE);
	ms(f, 999);
	assert_int_equal(f->n_sent, 1);
	ms(f, 1);
	assert_int_equal(f->n_sent, 2);
	assert_memory_equal(f->sent[0].bytes, f->sent[1].bytes, f->sent[0].len);
	/* 8, 7 and unknown: the back-off goes on. */
	ack(f, 0, CPM_ACK_INTERNAL);
	ack(f, 0, 7);
	ack(f, 0, 77);
	assert_true(notify_outstanding(f->n, f->vm.uuid, false));
	ms(f, 100);
	assert_int_equal(f->n_sent, 3);
	ack(f, 0, CPM_ACK_DONE);
	assert_false(notify_outstanding(f->n, f->vm.uuid, false));
}

static void
test_refused_and_stale(void **state)
{
	static const uint8_t final[] = { CPM_ACK_POLICY, CPM_ACK_MALFORMED,
		CPM_ACK_STALE };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(final); i++) {
		struct notify_progress p;

		f->n_sent = f->n_acked = 0;
		say(f, DO_PRESENT, WALL_MS + i, 0);
		ack_full(
		    f, 0, final[i], WALL_MS + 70, f->sent[0].cpm.nonce, false);
		assert_int_equal(f->acked[0].status, final[i]);
		assert_int_equal(f->acked[0].highest_generation, WALL_MS + 70);
		assert_true(f->acked[0].claim);
		assert_true(f->acked[0].xtr_done);
		assert_true(notify_progress(f->n, f->vm.uuid, 0, &p));
		assert_int_equal(p.status, final[i]);
		ack(f, 1, CPM_ACK_DONE);
		assert_true(f->acked[1].all_done);
	}
}

/* Each EID its own status: the worst decides. */
static void
test_differ(void **state)
{
	struct fixture *f = *state;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	say(f, DO_PRESENT, WALL_MS, 0);
	{
		struct cpm_ack a = { .subtype = CPM_SUBTYPE,
			.nonce = f->sent[0].cpm.nonce,
			.key_id = 11,
			.algorithm = AUTH_SHA256_128,
			.series = f->sent[0].cpm.series,
			.part = 1,
			.parts = 1,
			.status = CPM_ACK_DIFFER,
			.reason = CPM_PRESENT,
			.highest_generation = WALL_MS + 9,
			.n_eids = 2 };
		uint8_t buf[256];
		struct wire_writer w = wire_writer(buf, sizeof(buf));
		struct addr other = address("10.1.1.11");

		a.eids[0].eid = f->sent[0].cpm.eids[0];
		a.eids[1].eid = eid_host(0, &other);
		a.eids[1].status = CPM_ACK_STALE;
		cpm_ack_encode(&w, &a);
		assert_int_equal(
		    auth_sign(buf, wire_written(&w), &f->xtrs[0].key), ERR_OK);
		notify_received(
		    f->n, &f->xtrs[0].address, 4342, buf, wire_written(&w));
	}
	assert_int_equal(f->n_acked, 1);
	assert_int_equal(f->acked[0].status, CPM_ACK_STALE);
	assert_true(f->acked[0].all_done);
}

static void
test_bad_acks(void **state)
{
	struct fixture *f = *state;
	const struct notify_counters *c = notify_counters(f->n);
	struct addr stranger = address("192.0.2.9");
	uint8_t cpm[1500];
	size_t len;

	say(f, DO_PRESENT, WALL_MS, 0);
	ack_full(f, 0, 0, WALL_MS, WALL_MS, true);
	assert_int_equal(c->refused[ERR_AUTH], 1);
	/* More than 24 h ahead. */
	ack_full(f, 0, 9, WALL_MS + 25 * 3600 * 1000, WALL_MS, false);
	ack_full(f, 0, 6, WALL_MS, WALL_MS + 25 * 3600 * 1000, false);
	assert_int_equal(c->refused[ERR_FUTURE], 2);
	/* Our own message thrown back, from the xTR's address. */
	len = f->sent[0].len;
	memcpy(cpm, f->sent[0].bytes, len);
	notify_received(f->n, &f->xtrs[0].address, 4342, cpm, len);
	assert_int_equal(c->refused[ERR_UNSUPPORTED], 1);
	notify_received(f->n, &stranger, 4342, cpm, len);
	notify_received(f->n, &f->xtrs[0].address, 4343, cpm, len);
	assert_int_equal(c->refused[ERR_SOURCE], 2);
	for (size_t i = 0; i < len; i++) {
		uint8_t *exact = malloc(i + 1);

		memcpy(exact, cpm, i);
		notify_received(f->n, &f->xtrs[0].address, 4342, exact, i);
		free(exact);
	}
	assert_int_equal(f->n_acked, 0);
	assert_true(notify_outstanding(f->n, f->vm.uuid, false));
	/* A configured xTR-ID must be the sender. */
	f->xtrs[0].has_xtr_id = true;
	f->xtrs[0].xtr_id[0] = 0x67;
	ack(f, 0, 0);
	assert_int_equal(f->n_acked, 0);
	f->xtrs[0].xtr_id[0] = 0x66;
	ack(f, 0, 0);
	assert_int_equal(f->n_acked, 1);
}

/* Status 9 to a claim that was acked with 0 before (docs/cpm.md 6.8). */
static void
test_revised_ack(void **state)
{
	struct fixture *f = *state;

	say(f, DO_ARRIVED, WALL_MS, 0);
	ack(f, 0, CPM_ACK_DONE);
	ack(f, 1, CPM_ACK_DONE);
	say(f, DO_DEPARTING, WALL_MS, 0);
	f->n_acked = 0;
	ack_full(f, 0, CPM_ACK_STALE, WALL_MS + 100, WALL_MS, false);
	assert_int_equal(f->n_acked, 1);
	assert_true(f->acked[0].claim);
	assert_int_equal(f->acked[0].status, CPM_ACK_STALE);
	assert_int_equal(f->acked[0].highest_generation, WALL_MS + 100);
	/* Only status 9, only of the last claim. */
	ack_full(f, 0, CPM_ACK_DONE, WALL_MS + 100, WALL_MS, false);
	assert_int_equal(f->n_acked, 1);
	say(f, DO_PRESENT_NEW, WALL_MS + 101, 0);
	ack_full(f, 0, CPM_ACK_STALE, WALL_MS + 100, WALL_MS, false);
	assert_int_equal(f->n_acked, 1);
}

/* A newer statement ends the older; the mark has a sequence of its own. */
static void
test_replace(void **state)
{
	struct fixture *f = *state;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	say(f, DO_DEPARTED, WALL_MS, 0);
	say(f, DO_ARRIVING, WALL_MS, 0);
	f->n_sent = 0;
	ms(f, 50);
	assert_int_equal(f->n_sent, 2); /* both go on */
	assert_true(notify_outstanding(f->n, f->vm.uuid, false));
	assert_true(notify_outstanding(f->n, f->vm.uuid, true));
	f->n_sent = 0;
	say(f, DO_ARRIVED, WALL_MS + 1, 0);
	assert_int_equal(f->n_sent, 2); /* twice */
	assert_false(notify_outstanding(f->n, f->vm.uuid, true));
	f->n_sent = 0;
	ms(f, 50);
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(f->sent[0].cpm.reason, CPM_ARRIVED);
	notify_forget(f->n, f->vm.uuid);
	ms(f, 100000);
	assert_int_equal(f->n_sent, 1);
	assert_false(notify_outstanding(f->n, f->vm.uuid, false));
}

/* Different keys: the octets differ, nonces never repeat. */
static void
test_two_keys(void **state)
{
	struct fixture *f = *state;

	set_xtr(f, 2, "2001:db8::1", 12);
	f->xtrs[2].key.algorithm = AUTH_SHA256_128_HKDF;
	f->xtrs[2].key.accept = 1 << AUTH_SHA256_128_HKDF;
	f->conf.xtrs.n = 3;
	notify_reload(f->n, &f->conf);
	say(f, DO_PRESENT, WALL_MS, 0);
	assert_int_equal(f->n_sent, 3);
	assert_int_equal(f->sent[0].cpm.nonce, f->sent[1].cpm.nonce);
	assert_true(f->sent[2].cpm.nonce > f->sent[1].cpm.nonce);
	assert_int_equal(f->sent[2].cpm.key_id, 12);
	ack(f, 2, CPM_ACK_DONE);
	assert_int_equal(f->acked[0].xtr, 2);
}

static void
test_nonce_floor(void **state)
{
	struct fixture *f = *state;

	notify_nonces(f->n, WALL_MS + 77);
	say(f, DO_PRESENT, WALL_MS, 0);
	assert_int_equal(f->sent[0].cpm.nonce, WALL_MS + 78);
	assert_true(f->ceiling >= WALL_MS + 78);
	/* What was promised to the store is never passed unsaid. */
	for (unsigned i = 0; i < 3 * NOTIFY_NONCES; i++) {
		f->n_sent = 0;
		say(f, DO_PRESENT, WALL_MS, 0);
		assert_true(f->sent[0].cpm.nonce <= f->ceiling);
	}
}

/* Over UDP on loopback, with the real Ack coming back through the loop. */
static void
test_udp(void **state)
{
	static const struct notify_hooks udp = { on_acked, on_reserve, NULL,
		false };
	struct fixture *f = *state;
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } },
			   from;
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct datagram *d = &f->sent[0];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.key_id = 11,
		.algorithm = AUTH_SHA256_128,
		.part = 1,
		.parts = 1,
		.reason = CPM_PRESENT,
		.n_eids = 1 };
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	f->xtrs[0].address = address("127.0.0.1");
	f->xtrs[0].port = ntohs(at.sin_port);
	f->conf.xtrs.n = 1;
	notify_free(f->n);
	f->n = notify_new(f->loop, &f->conf, &udp, f);
	notify_nonces(f->n, 0);
	say(f, DO_PRESENT, WALL_MS, 0);
	assert_int_equal(poll(&p, 1, 2000), 1);
	len = sizeof(from);
	d->len = (size_t)recvfrom(
	    fd, d->bytes, sizeof(d->bytes), 0, (struct sockaddr *)&from, &len);
	assert_int_equal(
	    cpm_decode(d->bytes, d->len, CPM_SUBTYPE, &d->cpm), ERR_OK);
	a.nonce = d->cpm.nonce;
	a.series = d->cpm.series;
	a.eids[0].eid = d->cpm.eids[0];
	cpm_ack_encode(&w, &a);
	assert_int_equal(
	    auth_sign(buf, wire_written(&w), &f->xtrs[0].key), ERR_OK);
	sendto(fd, buf, wire_written(&w), 0, (struct sockaddr *)&from, len);
	for (int i = 0; i < 100 && !f->n_acked; i++) {
		loop_poll(f->loop);
		usleep(1000);
	}
	assert_int_equal(f->n_acked, 1);
	assert_true(f->acked[0].all_done);
	close(fd);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_message),
		T(test_retransmission),
		T(test_acks),
		T(test_twice),
		T(test_series_sizes),
		T(test_many_eids),
		T(test_stale_nonce),
		T(test_rate_limited),
		T(test_refused_and_stale),
		T(test_differ),
		T(test_bad_acks),
		T(test_revised_ack),
		T(test_replace),
		T(test_two_keys),
		T(test_nonce_floor),
		T(test_udp),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
