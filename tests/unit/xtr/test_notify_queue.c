/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify_queue.c - messages to xTRs of other sites, until they are acked:
 * the rhythm, the same octets, what each status does (docs/cpm.md 6.9).
 */
#include "speaking.h"

static struct eid_entry *
local(struct node *n)
{
	const struct eid eid = E(VM);
	struct eid_entry *e;

	assert_int_equal(
	    mobility_entry(&n->x, &eid, &n->mobile[0], &e), ERR_OK);
	e->generation = e->seen = clock_wall_ms(&n->clock);
	e->owner[0] = 0xb1;
	eids_set_state(n->x.eids, e, EID_LOCAL);
	return e;
}

static const struct sender *
dc2(struct node *n)
{
	return mobility_sender(&n->x, n->site_xtrs[0].xtr_id);
}

/* The 'i'th message sent, its MAC right. */
static struct cpm
sent(struct node *n, unsigned i)
{
	const struct conf_key k = key_of(SITE_KEY);
	struct cpm m;

	loop_poll(n->x.loop);
	assert_true(i < n->n_sent);
	assert_int_equal(
	    auth_verify(n->sent[i].bytes, n->sent[i].len, &k.key), ERR_OK);
	assert_int_equal(
	    cpm_decode(n->sent[i].bytes, n->sent[i].len, CPM_SUBTYPE, &m),
	    ERR_OK);
	return m;
}

static unsigned
n_sent(struct node *n)
{
	loop_poll(n->x.loop);
	return n->n_sent;
}

/* Hands a statement to the queue, as notify.c does. */
static bool
send(struct node *n, enum cpm_op op, uint8_t reason, uint64_t generation)
{
	struct cpm m = { .op = op,
		.reason = reason,
		.part = 1,
		.parts = 1,
		.n_eids = 1,
		.generation = generation,
		.eids = { E(VM) } };
	struct cpm_peer peers[2] = { { .kind = CPM_OWNER, .addr = A("b100::") },
		{ .kind = CPM_RLOC, .addr = n->rlocs[0].address } };

	return notify_queue_send(
	    &n->x, dc2(n), &m, peers, op == CPM_OP_NOTIFY ? 2 : 1, 1);
}

static bool
has(struct node *n, enum notify_stream stream)
{
	const struct eid eid = E(VM);

	return notify_queue_has(&n->x, &eid, n->site_xtrs[0].xtr_id, stream);
}

static enum err
answer(struct node *n, uint64_t nonce, uint8_t status, uint64_t highest_nonce,
    uint64_t highest_generation)
{
	const struct conf_key k = key_of(SITE_KEY);
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.nonce = nonce,
		.key_id = SITE_KEY,
		.algorithm = AUTH_SHA256_128,
		.sender_id = { 0xcc },
		.part = 1,
		.parts = 1,
		.status = status,
		.highest_nonce = highest_nonce,
		.highest_generation = highest_generation,
		.n_eids = 1,
		.eids = { { status, E(VM) } } };
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct datagram dg = { .bytes = buf, .from = A(XTR) };
	enum err err;

	cpm_ack_encode(&w, &a);
	assert_int_equal(auth_sign(buf, wire_written(&w), &k.key), ERR_OK);
	dg.len = wire_written(&w);
	err = notify_on_ack(&n->x, dc2(n), &dg);
	loop_poll(n->x.loop);
	return err;
}

static void
test_streams(void **state)
{
	(void)state;
	assert_int_equal(
	    notify_stream(CPM_OP_NOTIFY, CPM_ARRIVED), NOTIFY_OWNER);
	assert_int_equal(
	    notify_stream(CPM_OP_NOTIFY, CPM_ABSENT), NOTIFY_OWNER);
	assert_int_equal(
	    notify_stream(CPM_OP_NOTIFY, CPM_ARRIVING), NOTIFY_MARK);
	assert_int_equal(
	    notify_stream(CPM_OP_NOTIFY, CPM_ABORTED), NOTIFY_MARK);
	assert_int_equal(
	    notify_stream(CPM_OP_REQUESTERS, CPM_ARRIVED), NOTIFY_REQUESTERS);
}

/* What names us is filled in. */
static void
test_message(void **state)
{
	struct node *n = *state;
	struct cpm m;

	assert_true(send(n, CPM_OP_NOTIFY, CPM_ARRIVED, 100));
	assert_int_equal(n_sent(n), 1);
	m = sent(n, 0);
	assert_true(addr_equal(&n->sent[0].to, &n->site_xtrs[0].rloc));
	assert_int_equal(n->sent[0].port, LISP_CONTROL_PORT);
	assert_int_equal(m.op, CPM_OP_NOTIFY);
	assert_true(m.ack_wanted);
	assert_memory_equal(m.sender_id, n->conf.site.xtr_id, 16);
	assert_int_equal(m.key_id, SITE_KEY);
	assert_true(m.nonce >= clock_wall_ms(&n->clock));
	assert_int_equal(m.series, (uint32_t)m.nonce);
	assert_true(has(n, NOTIFY_OWNER));
	assert_false(has(n, NOTIFY_MARK));
}

/* 100 ms, doubling to 1 s, 12 sendings of the same octets. */
static void
test_rhythm(void **state)
{
	static const int64_t waits[] = { 100, 200, 400, 800, 1000, 1000, 1000,
		1000, 1000, 1000, 1000 };
	struct node *n = *state;

	assert_true(send(n, CPM_OP_REQUESTERS, CPM_ARRIVED, 100));
	for (unsigned i = 0; i < 11; i++) {
		node_run(n, waits[i] - 1);
		assert_int_equal(n_sent(n), i + 1);
		node_run(n, 1);
		assert_int_equal(n_sent(n), i + 2);
		assert_int_equal(n->sent[i + 1].len, n->sent[0].len);
		assert_memory_equal(
		    n->sent[i + 1].bytes, n->sent[0].bytes, n->sent[0].len);
	}
	assert_true(has(n, NOTIFY_REQUESTERS));
	node_run(n, 1000); /* Requesters are given up */
	assert_false(has(n, NOTIFY_REQUESTERS));
	node_run(n, 200000);
	assert_int_equal(n_sent(n), 12);
	assert_int_equal(n->x.counters.requesters_sent, 12);
	assert_int_equal(n->x.counters.requesters_retried, 11);
	assert_int_equal(n->x.counters.requesters_given_up, 1);
}

/* A Notify goes on every minute, under a new nonce, while it is true. */
static void
test_slow(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = local(n);
	uint64_t first;

	assert_true(send(n, CPM_OP_NOTIFY, CPM_ARRIVED, e->generation));
	first = sent(n, 0).nonce;
	node_run(n, 9499);
	assert_int_equal(n_sent(n), 12);
	node_run(n, 1 + 59999);
	assert_int_equal(n_sent(n), 12);
	assert_int_equal(n->x.counters.notify_given_up, 1);
	node_run(n, 1);
	assert_int_equal(n_sent(n), 13);
	assert_true(sent(n, 12).nonce > first);
	assert_int_equal(sent(n, 12).generation, e->generation);
	node_run(n, 100); /* and in its first rhythm */
	assert_int_equal(n_sent(n), 14);
	/* an Ack of the old nonce means nothing any more */
	assert_int_equal(answer(n, first, CPM_ACK_DONE, 0, 0), ERR_OK);
	assert_true(has(n, NOTIFY_OWNER));
	assert_int_equal(n->x.counters.ack_unmatched, 1);
	e->generation++; /* overtaken */
	node_run(n, 80000);
	assert_false(has(n, NOTIFY_OWNER));
}

/* Statuses that end it, and those after which it goes on. */
static void
test_statuses(void **state)
{
	static const struct {
		uint8_t status;
		bool over;
	} cases[] = {
		{ CPM_ACK_DONE, true },
		{ CPM_ACK_NOTHING, true },
		{ CPM_ACK_POLICY, true },
		{ CPM_ACK_RATE, false },
		{ CPM_ACK_MALFORMED, true },
		{ 7, false },
		{ CPM_ACK_INTERNAL, false },
		{ CPM_ACK_STALE, true },
		{ 200, false },
	};
	struct node *n = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct eid eid = E(VM);

		node_forget_sent(n);
		assert_true(send(n, CPM_OP_NOTIFY, CPM_ABSENT, 100));
		assert_int_equal(
		    answer(n, sent(n, 0).nonce, cases[i].status, 0, 0), ERR_OK);
		assert_int_equal(has(n, NOTIFY_OWNER), !cases[i].over);
		if (!cases[i].over) { /* a second later again */
			node_run(n, 999);
			assert_int_equal(n_sent(n), 1);
			node_run(n, 1);
			assert_int_equal(n_sent(n), 2);
		}
		notify_queue_cancel(
		    &n->x, &eid, n->site_xtrs[0].xtr_id, NOTIFY_OWNER);
		assert_false(has(n, NOTIFY_OWNER));
		node_run(n, 5000);
		assert_int_equal(n_sent(n), cases[i].over ? 1 : 2);
	}
}

/* Status 6: at once, above what they know; but not for no reason. */
static void
test_stale_nonce(void **state)
{
	struct node *n = *state;
	uint64_t nonce, high;

	assert_true(send(n, CPM_OP_NOTIFY, CPM_ABSENT, 100));
	nonce = sent(n, 0).nonce;
	high = nonce + 1000;
	assert_int_equal(answer(n, nonce, CPM_ACK_NONCE, nonce - 1, 0), ERR_OK);
	assert_int_equal(n_sent(n), 1);
	assert_int_equal(answer(n, nonce, CPM_ACK_NONCE, high, 0), ERR_OK);
	assert_int_equal(n_sent(n), 2);
	assert_true(sent(n, 1).nonce > high);
	assert_int_equal(
	    answer(n, sent(n, 1).nonce, CPM_ACK_DONE, 0, 0), ERR_OK);
	assert_false(has(n, NOTIFY_OWNER));
}

/* Absurd numbers are not believed; another xTR's Ack is none. */
static void
test_bad_acks(void **state)
{
	struct node *n = *state;
	const uint64_t absurd =
	    clock_wall_ms(&n->clock) + 86400 * UINT64_C(1000) + 1;
	uint64_t nonce;
	struct datagram dg = { .bytes = (const uint8_t *)"\xff", .len = 1 };

	assert_true(send(n, CPM_OP_NOTIFY, CPM_ABSENT, 100));
	nonce = sent(n, 0).nonce;
	assert_int_equal(
	    answer(n, nonce, CPM_ACK_NONCE, absurd, 0), ERR_FUTURE);
	assert_int_equal(
	    answer(n, nonce, CPM_ACK_STALE, 0, absurd), ERR_FUTURE);
	assert_int_equal(answer(n, nonce + 1, CPM_ACK_DONE, 0, 0), ERR_OK);
	assert_int_not_equal(notify_on_ack(&n->x, dc2(n), &dg), ERR_OK);
	assert_true(has(n, NOTIFY_OWNER));
	assert_int_equal(n->x.counters.ack_unmatched, 1);
}

/* Each stream by itself; one may hold several messages. */
static void
test_cancel(void **state)
{
	struct node *n = *state;
	const struct eid eid = E(VM), other = E("10.1.1.99");
	const uint8_t *to = n->site_xtrs[0].xtr_id;

	assert_true(send(n, CPM_OP_NOTIFY, CPM_ARRIVED, 100));
	assert_true(send(n, CPM_OP_NOTIFY, CPM_ARRIVING, 100));
	for (unsigned i = 0; i < 3; i++)
		assert_true(send(n, CPM_OP_REQUESTERS, CPM_ARRIVED, 100));
	notify_queue_cancel(&n->x, &other, to, NOTIFY_REQUESTERS);
	assert_true(has(n, NOTIFY_REQUESTERS));
	/* one of three is answered */
	assert_int_equal(
	    answer(n, sent(n, 3).nonce, CPM_ACK_DONE, 0, 0), ERR_OK);
	assert_true(has(n, NOTIFY_REQUESTERS));
	notify_queue_cancel(&n->x, &eid, to, NOTIFY_REQUESTERS);
	assert_false(has(n, NOTIFY_REQUESTERS));
	assert_true(has(n, NOTIFY_OWNER) && has(n, NOTIFY_MARK));
	notify_queue_cancel(&n->x, &eid, to, NOTIFY_MARK);
	assert_true(has(n, NOTIFY_OWNER));
	notify_cancel(&n->x, &eid);
	assert_false(has(n, NOTIFY_OWNER));
	assert_false(notify_is_open(&n->x, &eid));
}

/* A family that both have, else there is no way. */
static void
test_rloc(void **state)
{
	struct node *n = *state;
	const struct conf_site_xtr *p = &n->site_xtrs[0];

	assert_ptr_equal(notify_queue_rloc(&n->x, p), &p->rloc);
	n->rlocs[0] = n->rlocs[1]; /* IPv6 only */
	assert_ptr_equal(notify_queue_rloc(&n->x, p), &n->site_rlocs[0]);
	n->site_xtrs[0].rlocs.n = 0;
	assert_null(notify_queue_rloc(&n->x, p));
	assert_false(send(n, CPM_OP_NOTIFY, CPM_ABSENT, 100));
	assert_false(has(n, NOTIFY_OWNER));
	assert_int_equal(n_sent(n), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		TEST(test_message),
		TEST(test_rhythm),
		TEST(test_slow),
		TEST(test_statuses),
		TEST(test_stale_nonce),
		TEST(test_bad_acks),
		TEST(test_cancel),
		TEST(test_rloc),
	};

	return cmocka_run_group_tests_name(
	    "xtr/notify_queue", tests, NULL, NULL);
}
