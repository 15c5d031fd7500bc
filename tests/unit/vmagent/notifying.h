/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_NOTIFYING_H
#define TESTS_NOTIFYING_H

/*
 * notifying.h - two xTRs that are told, on a fake clock: what is sent is
 * decoded and kept, Acks are made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

static inline void
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

static inline void
on_acked(void *arg, const struct notify_ack *a)
{
	struct fixture *f = arg;

	f->acked[f->n_acked++] = *a;
}

static inline void
on_reserve(void *arg, uint64_t ceiling)
{
	struct fixture *f = arg;

	f->ceiling = ceiling;
}

static const struct notify_hooks hooks = { on_acked, on_reserve, on_send,
	false };

static inline struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static inline void
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

static inline int
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

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	notify_free(f->n);
	loop_free(f->loop);
	return 0;
}

static inline struct cpm_peer *
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

static inline void
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
static inline void
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

static inline void
ack(struct fixture *f, unsigned i, uint8_t status)
{
	ack_full(f, i, status, f->sent[i].cpm.generation, f->sent[i].cpm.nonce,
	    false);
}

static inline void
ms(struct fixture *f, int64_t n)
{
	loop_advance(f->loop, &f->clock, n * 1000);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
