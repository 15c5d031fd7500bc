/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify.c - what the xTRs of the other sites are told: which of them, with
 * which entries, in how many parts (docs/cpm.md 3.2, 6.9).
 */
#include "speaking.h"
#include "xtr/move.h"
#include "xtr/requesters.h"

static struct eid_entry *
local(struct node *n)
{
	const struct eid eid = E(VM);
	struct eid_entry *e;

	assert_int_equal(
	    mobility_entry(&n->x, &eid, &n->mobile[0], &e), ERR_OK);
	e->generation = 100;
	e->seen = 107;
	e->owner[0] = 0xb1;
	e->vm_id[0] = 0x7c;
	eids_set_state(n->x.eids, e, EID_LOCAL);
	return e;
}

static struct cpm
sent(struct node *n, unsigned i)
{
	struct cpm m;

	loop_poll(n->x.loop);
	assert_true(i < n->n_sent);
	assert_int_equal(
	    cpm_decode(n->sent[i].bytes, n->sent[i].len, CPM_SUBTYPE, &m),
	    ERR_OK);
	return m;
}

static unsigned
count(struct cpm m, uint8_t kind)
{
	struct cpm_peer p;
	unsigned n = 0;

	while (cpm_peer_next(&m.peers, &p))
		n += p.kind == kind;
	return n;
}

/* Arrived and absent name the owner, arrived our RLOCs, the mark neither. */
static void
test_reasons(void **state)
{
	static const struct {
		uint8_t reason;
		unsigned copies, owners, rlocs;
		uint64_t generation;
	} cases[] = {
		{ CPM_ARRIVED, 2, 1, 2, 100 },
		{ CPM_ABSENT, 1, 1, 0, 100 },
		{ CPM_ARRIVING, 1, 0, 0, 107 }, /* the highest known */
		{ CPM_ABORTED, 1, 0, 0, 107 },
	};
	struct node *n = *state;
	struct eid_entry *e = local(n);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpm m;

		node_forget_sent(n);
		assert_int_equal(
		    notify_send(&n->x, e, cases[i].reason, NULL), 1);
		m = sent(n, 0);
		assert_int_equal(n->n_sent, cases[i].copies);
		assert_int_equal(m.op, CPM_OP_NOTIFY);
		assert_int_equal(m.reason, cases[i].reason);
		assert_int_equal(m.generation, cases[i].generation);
		assert_int_equal(m.event_ms, clock_wall_ms(&n->clock));
		assert_int_equal(m.vm_id[0], 0x7c);
		assert_int_equal(m.n_eids, 1);
		assert_true(eid_equal(&m.eids[0], &e->eid));
		assert_int_equal(m.has_owner, cases[i].owners);
		if (m.has_owner)
			assert_int_equal(m.owner[0], 0xb1);
		assert_int_equal(count(m, CPM_RLOC), cases[i].rlocs);
	}
}

/* A newer one replaces the older; mark and owner do not touch each other. */
static void
test_replace(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = local(n);
	const uint8_t *to = n->site_xtrs[0].xtr_id;

	assert_false(notify_is_open(&n->x, &e->eid));
	notify_send(&n->x, e, CPM_ARRIVING, NULL);
	assert_false(notify_is_open(&n->x, &e->eid));
	notify_send(&n->x, e, CPM_ARRIVED, NULL);
	assert_true(notify_is_open(&n->x, &e->eid));
	notify_send(&n->x, e, CPM_ABSENT, NULL);
	loop_poll(n->x.loop);
	node_forget_sent(n);
	node_run(n, 100);
	assert_int_equal(n->n_sent, 2); /* arriving and absent */
	notify_cancel(&n->x, &e->eid);
	assert_false(notify_is_open(&n->x, &e->eid));
	assert_true(notify_queue_has(&n->x, &e->eid, to, NOTIFY_MARK));
}

/* Only who may hear of it, and the one named before all others. */
static void
test_whom(void **state)
{
	struct node *n = *state;
	struct conf_site_xtr xtrs[2];
	struct eid_entry *e;
	static const uint8_t nobody[16] = { 9 };
	struct addr second = A("203.0.113.3");

	xtrs[0] = n->site_xtrs[0];
	xtrs[1] = n->site_xtrs[0];
	xtrs[1].rloc = second;
	xtrs[1].xtr_id[0] = 0xdd;
	xtrs[1].rlocs.n = 0;
	n->sites[0].xtrs = (struct conf_list){ xtrs, 2 };
	assert_int_equal(mobility_reload(&n->x), ERR_OK);
	e = local(n);
	assert_int_equal(notify_send(&n->x, e, CPM_ABSENT, nobody), 2);
	sent(n, 1);
	assert_int_equal(n->n_sent, 2);
	assert_true(addr_equal(&n->sent[1].to, &second));
	node_forget_sent(n);
	assert_int_equal(notify_send(&n->x, e, CPM_ABSENT, xtrs[1].xtr_id), 2);
	sent(n, 1);
	assert_int_equal(n->n_sent, 2);
	assert_true(addr_equal(&n->sent[0].to, &second));
	node_forget_sent(n);
	n->site_prefixes[0] = E("10.1.7.0/24"); /* not theirs */
	assert_int_equal(notify_send(&n->x, e, CPM_ABSENT, xtrs[1].xtr_id), 0);
	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 0);
	assert_int_equal(mobility_reload(&n->x), ERR_OK);
}

static const struct sender *
dc2(struct node *n)
{
	return mobility_sender(&n->x, n->site_xtrs[0].xtr_id);
}

/* Owner, correspondents, ITRs with the EIDs of their side, proxies. */
static void
test_requesters(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = local(n);
	struct addr proxy = A("198.51.100.7");
	const struct addr a = A("198.51.100.1"), b = A("198.51.100.2");
	const struct eid source = E("10.3.0.10");
	const struct cpm_peer peers[] = { { .kind = CPM_PEER,
	    .addr = A("10.4.0.1") } };
	struct cpm_peer p;
	struct cpm m;

	n->conf.itr.proxy_itrs = (struct conf_list){ &proxy, 1 };
	requesters_note(&n->x, &e->eid, &a, &source, true);
	requesters_note(&n->x, &e->eid, &b, NULL, false);
	notify_requesters(&n->x, e, dc2(n), CPM_ARRIVED, true, peers, 1);
	m = sent(n, 0);
	assert_int_equal(n->n_sent, 1);
	assert_int_equal(m.op, CPM_OP_REQUESTERS);
	assert_true(m.drained);
	assert_int_equal(m.generation, 100);
	assert_true(m.has_owner);
	assert_int_equal(count(m, CPM_ITR), 2);
	assert_int_equal(count(m, CPM_PXTR), 1);
	assert_int_equal(count(m, CPM_PEER), 2);
	assert_true(cpm_peer_next(&m.peers, &p) && p.kind == CPM_OWNER);
	assert_true(cpm_peer_next(&m.peers, &p) && p.kind == CPM_PEER);
	assert_true(addr_equal(&p.addr, &peers[0].addr));
	/* confirmed by data first, its EID right behind it */
	assert_true(cpm_peer_next(&m.peers, &p) && p.kind == CPM_ITR);
	assert_true(addr_equal(&p.addr, &a));
	assert_int_equal(p.flags, CPM_CONFIRMED);
	assert_true(cpm_peer_next(&m.peers, &p) && p.kind == CPM_PEER);
	assert_true(addr_equal(&p.addr, &source.addr));
	assert_true(cpm_peer_next(&m.peers, &p) && p.kind == CPM_ITR);
	assert_int_equal(p.flags, 0);
	/* in answer to 'arriving': no peers, never drained; and it replaces */
	node_forget_sent(n);
	notify_requesters(&n->x, e, dc2(n), CPM_ARRIVING, true, peers, 1);
	m = sent(n, 0);
	assert_false(m.drained);
	assert_int_equal(count(m, CPM_ITR), 2);
	assert_int_equal(count(m, CPM_PEER), 0);
	node_run(n, 100);
	assert_int_equal(n->n_sent, 2);
}

/* As many parts as it takes, each complete, each with its own nonce. */
static void
test_parts(void **state)
{
	enum { PEERS = 300 };
	struct node *n = *state;
	struct eid_entry *e = local(n);
	static struct cpm_peer peers[PEERS];
	unsigned told = 0;
	struct cpm first;

	for (unsigned i = 0; i < PEERS; i++) {
		peers[i] = (struct cpm_peer){ .kind = CPM_PEER,
			.addr = A("10.4.0.0") };
		peers[i].addr.bytes[2] = (uint8_t)(i >> 8);
		peers[i].addr.bytes[3] = (uint8_t)i;
	}
	notify_peers(&n->x, e, dc2(n), peers, PEERS);
	first = sent(n, 0);
	assert_true(first.parts > 1);
	assert_int_equal(n->n_sent, first.parts);
	for (unsigned i = 0; i < first.parts; i++) {
		const struct cpm m = sent(n, i);

		assert_true(n->sent[i].len <= LISP_PAYLOAD_IPV4);
		assert_int_equal(m.part, i + 1);
		assert_int_equal(m.parts, first.parts);
		assert_int_equal(m.series, first.series);
		assert_true(m.drained);
		assert_int_equal(m.nonce, first.nonce + i);
		told += count(m, CPM_PEER);
	}
	assert_int_equal(told, PEERS);
	assert_true(first.has_owner);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reasons),
		TEST(test_replace),
		TEST(test_whom),
		TEST(test_requesters),
		TEST(test_parts),
	};

	return cmocka_run_group_tests_name("xtr/notify", tests, NULL, NULL);
}
