/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify.c - what is said, to whom and how often, with the sending injected;
 * once over a real socket.  What answers mean is in test_notify_ack.c.
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

#include "notifying.h"

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
	const struct CMUnitTest tests[] = {
		T(test_message),
		T(test_retransmission),
		T(test_acks),
		T(test_twice),
		T(test_series_sizes),
		T(test_many_eids),
		T(test_replace),
		T(test_two_keys),
		T(test_nonce_floor),
		T(test_udp),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
