/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify_ack.c - which answers count, and what each status does to what is
 * outstanding (docs/cpm.md 3.3).
 */
#include "notifying.h"

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

/* Every status there is: over with it, again, later, anew. */
static void
test_statuses(void **state)
{
	static const struct {
		uint8_t status;
		bool over;
		int64_t again_ms; /* the next sending */
	} cases[] = {
		{ CPM_ACK_DONE, true, 0 },
		{ CPM_ACK_NOTHING, true, 0 },
		{ CPM_ACK_POLICY, true, 0 },
		{ CPM_ACK_RATE, false, NOTIFY_RATE_MS },
		{ CPM_ACK_MALFORMED, true, 0 },
		{ 7, false, NOTIFY_FIRST_MS },
		{ CPM_ACK_INTERNAL, false, NOTIFY_FIRST_MS },
		{ CPM_ACK_STALE, true, 0 },
		{ 10, false, NOTIFY_FIRST_MS },
		{ 255, false, NOTIFY_FIRST_MS },
	};
	struct fixture *f = *state;
	const struct notify_counters *c = notify_counters(f->n);

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t counted =
		    cases[i].status < 10 ? cases[i].status : CPM_ACK_INTERNAL;
		uint64_t before = c->acks[counted];

		f->n_sent = f->n_acked = 0;
		say(f, DO_PRESENT, WALL_MS + i, 0);
		ack(f, 0, cases[i].status);
		assert_int_equal(f->n_acked, 1);
		assert_int_equal(f->acked[0].status, cases[i].status);
		assert_int_equal(f->acked[0].generation, WALL_MS + i);
		assert_int_equal(f->acked[0].reason, CPM_PRESENT);
		assert_int_equal(f->acked[0].vm_id[0], 0x7c);
		assert_int_equal(f->acked[0].xtr_done, cases[i].over);
		assert_int_equal(f->acked[0].all_done, cases[i].over);
		assert_int_equal(notify_outstanding(f->n, f->vm.uuid, false),
		    !cases[i].over);
		assert_int_equal(c->acks[counted], before + 1);
		if (!cases[i].over) {
			ms(f, cases[i].again_ms - 1);
			assert_int_equal(f->n_sent, 1);
			ms(f, 1);
			assert_int_equal(f->n_sent, 2);
		}
	}
}

/* Part by part; the same answer twice counts once. */
static void
test_parts(void **state)
{
	struct fixture *f = *state;
	struct notify_progress p;
	unsigned parts;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	f->vm.nics[0].n_eids = 20; /* three series */
	for (unsigned i = 0; i < 20; i++) {
		struct addr a = address("10.1.1.10");

		a.bytes[3] = (uint8_t)i;
		f->vm.nics[0].eids[i] = eid_host(0, &a);
	}
	say(f, DO_PRESENT, WALL_MS, 0);
	parts = f->n_sent;
	assert_int_equal(parts, 3);
	ack(f, 1, CPM_ACK_DONE);
	ack(f, 1, CPM_ACK_DONE);
	assert_true(notify_progress(f->n, f->vm.uuid, 0, &p));
	assert_int_equal(p.acked, 1);
	assert_int_equal(p.parts, 3);
	assert_false(f->acked[1].xtr_done);
	/* only what is not acked goes again */
	ms(f, NOTIFY_FIRST_MS);
	assert_int_equal(f->n_sent, parts + 2);
	ack(f, 0, CPM_ACK_DONE);
	ack(f, 2, CPM_ACK_POLICY);
	assert_true(f->acked[f->n_acked - 1].xtr_done);
	assert_true(notify_progress(f->n, f->vm.uuid, 0, &p));
	assert_int_equal(p.status, CPM_ACK_POLICY);
	/* what comes after the end is no answer any more */
	f->n_acked = 0;
	ack(f, 0, CPM_ACK_DONE);
	assert_int_equal(f->n_acked, 0);
	assert_int_equal(notify_counters(f->n)->refused[ERR_NONCE], 1);
}

/* An Ack of several EIDs with a status of its own each. */
static void
ack_differing(struct fixture *f, unsigned i, const uint8_t *statuses, uint8_t n)
{
	const struct datagram *d = &f->sent[i];
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.nonce = d->cpm.nonce,
		.key_id = 11,
		.algorithm = AUTH_SHA256_128,
		.part = 1,
		.parts = 1,
		.status = CPM_ACK_DIFFER,
		.n_eids = n };
	uint8_t buf[512];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	for (unsigned k = 0; k < n; k++) {
		struct addr other = address("10.1.1.11");

		other.bytes[3] = (uint8_t)k;
		a.eids[k].eid = eid_host(0, &other);
		a.eids[k].status = statuses[k];
	}
	cpm_ack_encode(&w, &a);
	assert_int_equal(
	    auth_sign(buf, wire_written(&w), &f->xtrs[0].key), ERR_OK);
	notify_received(f->n, &f->xtrs[0].address, 4342, buf, wire_written(&w));
}

/* The most urgent of them: again, later, stale, refused, malformed, done. */
static void
test_worst(void **state)
{
	static const struct {
		uint8_t statuses[3], worst;
	} cases[] = {
		{ { CPM_ACK_DONE, CPM_ACK_NOTHING, CPM_ACK_DONE },
		    CPM_ACK_DONE },
		{ { CPM_ACK_DONE, CPM_ACK_MALFORMED, CPM_ACK_NOTHING },
		    CPM_ACK_MALFORMED },
		{ { CPM_ACK_MALFORMED, CPM_ACK_POLICY, CPM_ACK_DONE },
		    CPM_ACK_POLICY },
		{ { CPM_ACK_POLICY, CPM_ACK_STALE, CPM_ACK_MALFORMED },
		    CPM_ACK_STALE },
		{ { CPM_ACK_STALE, CPM_ACK_RATE, CPM_ACK_DONE }, CPM_ACK_RATE },
		{ { CPM_ACK_RATE, CPM_ACK_INTERNAL, CPM_ACK_STALE },
		    CPM_ACK_INTERNAL },
		{ { CPM_ACK_RATE, 99, CPM_ACK_STALE }, 99 },
	};
	struct fixture *f = *state;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->n_sent = f->n_acked = 0;
		say(f, DO_PRESENT, WALL_MS, 0);
		ack_differing(f, 0, cases[i].statuses, 3);
		assert_int_equal(f->n_acked, 1);
		assert_int_equal(f->acked[0].status, cases[i].worst);
	}
}

/* A VM that never claimed anything is not meant by any nonce. */
static void
test_revised_names_a_claim(void **state)
{
	struct fixture *f = *state;

	say(f, DO_DEPARTED, WALL_MS, 0);
	ack(f, 0, CPM_ACK_DONE);
	ack(f, 1, CPM_ACK_DONE);
	f->n_acked = 0;
	f->sent[0].cpm.nonce = 0;
	ack_full(f, 0, CPM_ACK_STALE, WALL_MS + 100, WALL_MS, false);
	assert_int_equal(f->n_acked, 0);
	assert_int_equal(notify_counters(f->n)->refused[ERR_NONCE], 1);
}

/* About the mark, or about EIDs that are gone: the caller can tell. */
static void
test_kinds(void **state)
{
	struct fixture *f = *state;
	struct statement *m;

	f->conf.xtrs.n = 1;
	notify_reload(f->n, &f->conf);
	say(f, DO_ARRIVING, 0, 0);
	m = statement_new(&f->vm, mobility_form(DO_ABSENT), NULL, 0);
	m->side = true;
	m->generation = WALL_MS;
	assert_int_equal(notify_say(f->n, m), ERR_OK);
	ack(f, 1, CPM_ACK_DONE);
	assert_true(f->acked[0].side);
	assert_false(f->acked[0].mark);
	assert_true(notify_outstanding(f->n, f->vm.uuid, true));
	ack(f, 0, CPM_ACK_DONE);
	assert_true(f->acked[1].mark);
	assert_false(f->acked[1].side);
	assert_false(f->acked[1].claim);
	assert_false(notify_outstanding(f->n, f->vm.uuid, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_statuses),
		T(test_parts),
		T(test_stale_nonce),
		T(test_rate_limited),
		T(test_refused_and_stale),
		T(test_differ),
		T(test_worst),
		T(test_bad_acks),
		T(test_revised_ack),
		T(test_revised_names_a_claim),
		T(test_kinds),
	};

	return cmocka_run_group_tests_name(
	    "vmagent/notify_ack", tests, NULL, NULL);
}
