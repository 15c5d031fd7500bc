/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpm_in.c - who is believed, in the order of docs/cpm.md 4.2; what uses up
 * a nonce and what does not; the Acks.
 */
#include "speaking.h"

static struct senders *senders;
static uint8_t bytes[2048];
static struct datagram dg;

static int
setup_senders(void **state)
{
	struct node *n;

	if (setup(state))
		return -1;
	n = *state;
	senders = senders_new(&n->x);
	return senders ? 0 : -1;
}

static int
teardown_senders(void **state)
{
	senders_free(senders);
	return teardown(state);
}

/* What becomes of 'm' from 'from'. */
static enum err
read_from(
    struct node *n, const struct cpm *m, const char *from, struct cpm_in *in)
{
	struct cpm_header h;

	dg = (struct datagram){ .bytes = bytes,
		.len = cpm_bytes(m, bytes, sizeof(bytes)),
		.from = A(from),
		.port = 4342,
		.to = A("192.0.2.1") };
	assert_int_equal(
	    cpm_header_decode(bytes, dg.len, CPM_SUBTYPE, &h), ERR_OK);
	loop_poll(n->x.loop);
	return cpm_in_read(&n->x, senders, &dg, &h, in);
}

/* The status that it gets; 255 for a duplicate. */
static uint8_t
status_of(struct node *n, const struct cpm *m)
{
	struct cpm_in in;

	assert_int_equal(read_from(n, m, HV, &in), ERR_OK);
	return in.duplicate ? 255 : in.status;
}

static void
test_senders(void **state)
{
	static const uint8_t hv[16] = { 0xb1 }, xtr[16] = { 0xcc },
			     nobody[16] = { 9 };
	struct sender *s = sender_find(senders, hv);
	const struct eid vm = E(VM), other = E("10.1.2.1"),
			 instance = E("[7]10.1.1.10");

	(void)state;
	assert_string_equal(sender_name(s), "hv1");
	assert_int_equal(sender_key(s)->key_id, HV_KEY);
	assert_null(s->site);
	assert_true(sender_may(s, &vm));
	assert_false(sender_may(s, &other));
	assert_false(sender_may(s, &instance));
	s = sender_find(senders, xtr);
	assert_string_equal(sender_name(s), "dc2");
	assert_int_equal(sender_key(s)->key_id, SITE_KEY);
	assert_null(s->hypervisor);
	assert_non_null(s->xtr);
	assert_true(sender_may(s, &vm));
	assert_null(sender_find(senders, nobody));
	senders_free(NULL);
}

static void
test_rlocs(void **state)
{
	const struct node *n = *state;
	const struct addr first = A(XTR), more = A("2001:db8:2::2"),
			  other = A("203.0.113.3");

	assert_true(site_xtr_has_rloc(&n->site_xtrs[0], &first));
	assert_true(site_xtr_has_rloc(&n->site_xtrs[0], &more));
	assert_false(site_xtr_has_rloc(&n->site_xtrs[0], &other));
	assert_true(site_has_rloc(&n->sites[0], &more));
	assert_false(site_has_rloc(&n->sites[0], &other));
}

/* Each step by itself; an earlier one wins. */
static void
test_authenticate(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);
	struct cpm_in in;

	memcpy(m.sender_id, n->conf.site.xtr_id, 16);
	assert_int_equal(read_from(n, &m, HV, &in), ERR_REFLECTED);
	m = cpm_of_hv(n);
	m.sender_id[1] = 1; /* nobody */
	assert_int_equal(read_from(n, &m, HV, &in), ERR_KEY_UNKNOWN);
	m = cpm_of_hv(n);
	m.key_id = SITE_KEY; /* the key of another sender */
	assert_int_equal(read_from(n, &m, HV, &in), ERR_KEY_UNKNOWN);
	m = cpm_of_hv(n);
	m.op = CPM_OP_REQUESTERS; /* no hypervisor says that */
	assert_int_equal(read_from(n, &m, HV, &in), ERR_KEY_UNKNOWN);
	m = cpm_of_hv(n);
	memset(m.sender_id, 0, 16);
	m.sender_id[0] = 0xcc; /* nor an xTR this */
	m.key_id = SITE_KEY;
	assert_int_equal(read_from(n, &m, XTR, &in), ERR_KEY_UNKNOWN);
	m.op = CPM_OP_REQUESTERS;
	m.reason = CPM_ARRIVED;
	assert_int_equal(read_from(n, &m, XTR, &in), ERR_OK);
	m.nonce++;
	assert_int_equal(read_from(n, &m, "2001:db8:2::2", &in), ERR_OK);
	m.nonce++;
	assert_int_equal(read_from(n, &m, HV, &in), ERR_SOURCE);
	m = cpm_of_hv(n);
	assert_int_equal(read_from(n, &m, XTR, &in), ERR_SOURCE);
	assert_int_equal(read_from(n, &m, HV, &in), ERR_OK);
	assert_int_equal(in.status, 0);
	assert_false(in.duplicate);
	assert_string_equal(sender_name(in.sender), "hv1");
	assert_int_equal(in.m.nonce, m.nonce);
}

static void
test_wrong_mac(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);
	struct cpm_header h;
	struct cpm_in in;
	struct sender *s;

	assert_int_equal(read_from(n, &m, XTR, &in), ERR_SOURCE);
	dg.from = A(HV);
	bytes[20] ^= 1;
	assert_int_equal(
	    cpm_header_decode(bytes, dg.len, CPM_SUBTYPE, &h), ERR_OK);
	assert_int_equal(
	    cpm_in_authenticate(&n->x, senders, &dg, &h, &s), ERR_AUTH);
	assert_int_equal(cpm_in_read(&n->x, senders, &dg, &h, &in), ERR_AUTH);
	/* it has not used up the nonce */
	assert_int_equal(status_of(n, &m), 0);
}

/* Seen before, below the window, below the clock of the start. */
static void
test_replay(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);
	const uint64_t first = m.nonce;

	m.nonce = first - 2; /* nothing up to the start's clock */
	assert_int_equal(status_of(n, &m), CPM_ACK_NONCE);
	m.nonce = first + 10;
	assert_int_equal(status_of(n, &m), 0);
	assert_int_equal(status_of(n, &m), 255);
	m.nonce = first + 5; /* overtaken, but in the window */
	assert_int_equal(status_of(n, &m), 0);
	assert_int_equal(status_of(n, &m), 255);
	m.nonce = first + 200;
	assert_int_equal(status_of(n, &m), 0);
	m.nonce = first + 11;
	assert_int_equal(status_of(n, &m), CPM_ACK_NONCE);
	assert_int_equal(n->x.counters.cpm_duplicate, 2);
}

/* An answer of status 8 leaves the nonce for the repetition. */
static void
test_release(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);
	struct cpm_in in;

	assert_int_equal(read_from(n, &m, HV, &in), ERR_OK);
	cpm_in_release(&n->x, &in);
	assert_int_equal(read_from(n, &m, HV, &in), ERR_OK);
	assert_false(in.duplicate);
	assert_int_equal(in.status, 0);
}

/* More than the burst at once: refused, and the nonce is not used up. */
static void
test_rate(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);

	for (unsigned i = 0; i < BURST; i++, m.nonce++)
		assert_int_equal(status_of(n, &m), 0);
	assert_int_equal(status_of(n, &m), CPM_ACK_RATE);
	node_run(n, 1000 / RATE - 1);
	assert_int_equal(status_of(n, &m), CPM_ACK_RATE);
	node_run(n, 2);
	assert_int_equal(status_of(n, &m), 0);
	node_run(n, 100000); /* no more than the burst again */
	for (unsigned i = 0; i < BURST; i++) {
		m.nonce++;
		assert_int_equal(status_of(n, &m), 0);
	}
	m.nonce++;
	assert_int_equal(status_of(n, &m), CPM_ACK_RATE);
	/* a copy of what was heard costs nothing */
	m.nonce--;
	assert_int_equal(status_of(n, &m), 255);
}

/* Ahead of our clock: answered, and never stored. */
static void
test_future(void **state)
{
	struct node *n = *state;
	const uint64_t now = clock_wall_ms(&n->clock);
	const uint64_t bound = now + 86400 * UINT64_C(1000);
	struct cpm m = cpm_of_hv(n);

	assert_false(cpm_is_future(&n->x, bound));
	assert_true(cpm_is_future(&n->x, bound + 1));
	m.nonce = bound + 1;
	assert_int_equal(status_of(n, &m), CPM_ACK_MALFORMED);
	assert_int_equal(status_of(n, &m), CPM_ACK_MALFORMED);
	m = cpm_of_hv(n); /* so a right one still counts */
	assert_int_equal(status_of(n, &m), 0);
	m.nonce++;
	m.generation = bound + 1;
	assert_int_equal(status_of(n, &m), CPM_ACK_MALFORMED);
	m.nonce++;
	m.generation = bound;
	assert_int_equal(status_of(n, &m), 0);
	assert_int_equal(n->x.counters.rx[LISP_SHARED][ERR_FUTURE], 3);
}

/* Well-formed, but not said in this version: answered; else dropped. */
static void
test_decode(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);
	struct cpm_in in;

	m.reason = 99;
	assert_int_equal(status_of(n, &m), CPM_ACK_MALFORMED);
	m = cpm_of_hv(n);
	m.part = 2; /* of 1 */
	assert_int_equal(read_from(n, &m, HV, &in), ERR_MALFORMED);
}

/* A sender's window outlives the process. */
static void
test_restart(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);

	m.nonce += 50;
	assert_int_equal(status_of(n, &m), 0);
	input_turn_end(&n->x);
	senders_free(senders);
	node_stop(n);
	node_start(n);
	senders = senders_new(&n->x);
	assert_int_equal(status_of(n, &m), 255);
	m.nonce--;
	assert_int_equal(status_of(n, &m), 0);
}

static struct cpm_ack
ack_sent(struct node *n)
{
	const struct conf_key k = key_of(HV_KEY);
	struct cpm_ack a;

	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 1);
	assert_int_equal(n->sent[0].port, 4342);
	assert_int_equal(
	    auth_verify(n->sent[0].bytes, n->sent[0].len, &k.key), ERR_OK);
	assert_int_equal(
	    cpm_ack_decode(n->sent[0].bytes, n->sent[0].len, CPM_SUBTYPE, &a),
	    ERR_OK);
	node_forget_sent(n);
	return a;
}

static void
test_ack(void **state)
{
	struct node *n = *state;
	struct cpm m = cpm_of_hv(n);
	uint8_t statuses[CPM_EIDS_MAX] = { CPM_ACK_STALE, CPM_ACK_STALE };
	struct cpm_ack a;
	struct cpm_in in;

	m.n_eids = 2;
	m.eids[1] = E("10.1.1.11");
	m.part = 2;
	m.parts = 3;
	assert_int_equal(read_from(n, &m, HV, &in), ERR_OK);
	cpm_ack_send(&n->x, &in, statuses, 4711);
	a = ack_sent(n);
	assert_int_equal(a.nonce, m.nonce);
	assert_int_equal(a.series, 5);
	assert_int_equal(a.part, 2);
	assert_int_equal(a.parts, 3);
	assert_int_equal(a.reason, CPM_PRESENT);
	assert_int_equal(a.status, CPM_ACK_STALE); /* all alike */
	assert_int_equal(a.highest_nonce, m.nonce);
	assert_int_equal(a.highest_generation, 4711);
	assert_memory_equal(a.sender_id, n->conf.site.xtr_id, 16);
	assert_int_equal(a.n_eids, 2);
	assert_true(eid_equal(&a.eids[1].eid, &m.eids[1]));
	statuses[1] = CPM_ACK_DONE;
	cpm_ack_send(&n->x, &in, statuses, 4711);
	a = ack_sent(n);
	assert_int_equal(a.status, CPM_ACK_DIFFER);
	assert_int_equal(a.eids[0].status, CPM_ACK_STALE);
	assert_int_equal(a.eids[1].status, CPM_ACK_DONE);
	in.status = CPM_ACK_RATE; /* that of the whole message wins */
	cpm_ack_send(&n->x, &in, statuses, 4711);
	a = ack_sent(n);
	assert_int_equal(a.status, CPM_ACK_RATE);
	assert_int_equal(a.eids[0].status, CPM_ACK_RATE);
	assert_int_equal(n->x.counters.cpm_ack_sent, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_senders, teardown_senders)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_senders),
		T(test_rlocs),
		T(test_authenticate),
		T(test_wrong_mac),
		T(test_replay),
		T(test_release),
		T(test_rate),
		T(test_future),
		T(test_decode),
		T(test_restart),
		T(test_ack),
	};

	return cmocka_run_group_tests_name("xtr/cpm_in", tests, NULL, NULL);
}
