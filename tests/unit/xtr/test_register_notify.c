/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_register_notify.c - Map-Notifies: what they acknowledge, whom we believe,
 * what is news, what is answered.  RFC 9301 5.7.
 */
#include "registering.h"

#include "xtr/smr.h"

static void
test_acknowledged(void **state)
{
	struct node *n = *state;

	local(n, VM);
	assert_false(confirmed(n, VM));
	assert_int_equal(acknowledge(n, 0), ERR_OK);
	assert_true(confirmed(n, VM));
	node_forget_sent(n);
	node_run(n, 1500);
	/* Only the Map-Server that kept silent hears it again. */
	assert_int_equal(n_registered(n), 1);
	assert_true(addr_equal(&registered(n, 0)->to, &n->corp_ms[1].address));
	/* An acknowledgement gets none. */
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 0);
}

/* Any nonce of the series, and only that record. */
static void
test_any_nonce_of_the_series(void **state)
{
	struct node *n = *state;

	one_map_server(n);
	local(n, VM);
	node_run(n, 3500);
	assert_int_equal(n_registered(n), 3);
	assert_int_equal(acknowledge(n, 0), ERR_OK);
	assert_true(confirmed(n, VM));
	/* The others are late, and no news. */
	assert_int_equal(acknowledge(n, 1), ERR_OK);
	assert_int_equal(acknowledge(n, 2), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 0);
}

static void
test_record_not_in_the_notify(void **state)
{
	struct node *n = *state;
	const struct registered *r;
	struct mapping one;

	one_map_server(n);
	local(n, "10.1.1.10");
	local(n, "10.1.1.11");
	node_run(n, 1500);
	r = registered(n, 2);
	assert_int_equal(r->n, 2);
	one = r->records[1];
	/* The Map-Server refused the other one. */
	assert_int_equal(notify(n, TEN, r->m.nonce, &one, 1, NULL), ERR_OK);
	node_forget_sent(n);
	node_run(n, 2500);
	assert_int_equal(n_registered(n), 1);
	assert_int_equal(registered(n, 0)->n, 1);
	assert_int_equal(
	    confirmed(n, "10.1.1.10") + confirmed(n, "10.1.1.11"), 1);
}

/* The Map-Notify of an older state says nothing about the newer one. */
static void
test_older_series(void **state)
{
	struct node *n = *state;

	one_map_server(n);
	local(n, VM);
	schedule(n, VM);
	assert_int_equal(acknowledge(n, 0), ERR_OK);
	assert_false(confirmed(n, VM));
	assert_int_equal(acknowledge(n, 1), ERR_OK);
	assert_true(confirmed(n, VM));
	schedule(n, VM);
	assert_false(confirmed(n, VM));
}

static void
test_refused(void **state)
{
	struct node *n = *state;
	struct registered r;
	struct auth_key wrong = n->corp_ms[0].keys.first.key;

	local(n, VM);
	r.m = registered(n, 0)->m;
	wrong.secret[0] ^= 1;
	assert_int_equal(
	    notify(n, TEN, r.m.nonce, registered(n, 0)->records, 1, &wrong),
	    ERR_AUTH);
	/* The key of another Map-Server. */
	assert_int_equal(notify(n, TEN, r.m.nonce, registered(n, 0)->records, 1,
			     &n->corp_ms[1].keys.first.key),
	    ERR_AUTH);
	wrong = n->corp_ms[0].keys.first.key;
	wrong.key_id++;
	assert_int_equal(
	    notify(n, TEN, r.m.nonce, registered(n, 0)->records, 1, &wrong),
	    ERR_KEY_UNKNOWN);
	assert_int_equal(
	    notify(n, "198.51.100.66", r.m.nonce, registered(n, 0)->records, 1,
		&n->corp_ms[0].keys.first.key),
	    ERR_SOURCE);
	assert_false(confirmed(n, VM));
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 0);
	/* Another Map-Server cannot speak for this one. */
	assert_int_equal(
	    notify(n, ELEVEN, r.m.nonce, registered(n, 0)->records, 1, NULL),
	    ERR_OK);
	assert_false(confirmed(n, VM));
}

/* docs/cpm.md 6.10: the first Map-Notify lets the SMRs go. */
static void
test_mobility_is_told_once(void **state)
{
	struct node *n = *state;
	const struct addr itr = A("203.0.113.50");
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);

	smr_commit(&n->x, e);
	smr_add(&n->x, &e->eid, &itr, NULL, true, false);
	schedule(n, VM);
	node_run(n, 50);
	assert_int_equal(n->x.counters.smr_sent, 0);
	acknowledge(n, 1);
	node_run(n, 50);
	assert_int_equal(n->x.counters.smr_sent, 1);
}

/* A withdrawal is answered with whatever is registered now. */
static void
test_withdrawal_answered_with_the_new_owner(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);
	struct mapping other = node_mapping(VM "/32", 15, "203.0.113.2");

	one_map_server(n);
	local(n, VM);
	acknowledge_all(n);
	dynamic(n, VM, EID_ABSENT);
	register_withdraw(&n->x, &e);
	assert_int_equal(
	    notify(n, TEN, registered(n, 0)->m.nonce, &other, 1, NULL), ERR_OK);
	node_forget_sent(n);
	node_run(n, 300000);
	assert_int_equal(n_registered(n), 0);
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 0);
}

/* --- unsolicited -------------------------------------------------------- */

/* The Map-Server says that the VM is at dc2 now. */
static enum err
moved(struct node *n, uint64_t nonce)
{
	const struct mapping m = node_mapping(VM "/32", 15, "203.0.113.2");

	return notify(n, TEN, nonce, &m, 1, NULL);
}

static enum eid_state
vm_state(struct node *n)
{
	const struct eid e = E(VM);

	return eids_find(n->x.eids, &e)->state;
}

static void
test_unsolicited(void **state)
{
	struct node *n = *state;
	const struct addr ten = A(TEN);
	const struct sent *s;
	struct map_notify ack;
	struct mapping record;

	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 1000), ERR_OK);
	assert_int_equal(vm_state(n), EID_AWAY);
	/* Same nonce, same records, own MAC, to where it came from. */
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 1);
	s = node_sent(n, LISP_MAP_NOTIFY_ACK, 0);
	assert_true(addr_equal(&s->to, &ten));
	assert_int_equal(s->port, LISP_CONTROL_PORT);
	assert_int_equal(
	    auth_verify(s->bytes, s->len, &n->corp_ms[0].keys.first.key),
	    ERR_OK);
	assert_int_equal(map_notify_decode(s->bytes, s->len, &ack), ERR_OK);
	assert_int_equal(ack.nonce, 1000);
	assert_int_equal(ack.n_records, 1);
	assert_true(records_next(&ack.records, &record));
	assert_int_equal(record.n_locators, 1);
	assert_int_equal(record.ttl_min, 15);
}

/* A copy is acknowledged again, and changes nothing. */
static void
test_repeated(void **state)
{
	struct node *n = *state;

	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 1000), ERR_OK);
	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 1000), ERR_OK);
	assert_int_equal(vm_state(n), EID_HELD);
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 2);
}

/* Overtaken by others, but new; too old to tell; after a restart. */
static void
test_order_of_nonces(void **state)
{
	struct node *n = *state;

	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 10000), ERR_OK);
	for (unsigned i = 0; i < 2; i++) {
		dynamic(n, VM, EID_HELD);
		assert_int_equal(moved(n, 9000 + i * 990), ERR_OK);
		assert_int_equal(vm_state(n), EID_AWAY);
	}
	/* A jump forgets what it passed, and no more. */
	assert_int_equal(moved(n, 10070), ERR_OK);
	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 10069), ERR_OK);
	assert_int_equal(vm_state(n), EID_AWAY);
	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 10000), ERR_OK);
	assert_int_equal(vm_state(n), EID_HELD);
	node_forget_sent(n);
	assert_int_equal(moved(n, 10070 - 4096), ERR_REPLAY);
	assert_int_equal(vm_state(n), EID_HELD);
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 0);

	node_stop(n);
	node_start(n);
	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 10070), ERR_OK);
	assert_int_equal(moved(n, 10001), ERR_OK);
	assert_int_equal(vm_state(n), EID_HELD);
	assert_int_equal(moved(n, 10071), ERR_OK);
	assert_int_equal(vm_state(n), EID_AWAY);
}

/* Old Map-Servers number theirs at random. */
static void
test_replay_check_off(void **state)
{
	struct node *n = *state;

	n->corp_ms[0].keys.first.key.replay_off = true;
	assert_int_equal(moved(n, UINT64_C(1) << 60), ERR_OK);
	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 5), ERR_OK);
	assert_int_equal(vm_state(n), EID_AWAY);
}

/*
 * A Map-Notify for a Map-Register of ours that nothing waits for any more is
 * not the Map-Server's own: it must not set the mark for those either.
 */
static void
test_late_acknowledgement_is_not_news(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	local(n, VM);
	register_cancel(&n->x, &e);
	assert_int_equal(acknowledge(n, 0), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_NOTIFY_ACK), 0);
	dynamic(n, VM, EID_HELD);
	assert_int_equal(moved(n, 1000), ERR_OK);
	assert_int_equal(vm_state(n), EID_AWAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_acknowledged),
		TEST(test_any_nonce_of_the_series),
		TEST(test_record_not_in_the_notify),
		TEST(test_older_series),
		TEST(test_refused),
		TEST(test_mobility_is_told_once),
		TEST(test_withdrawal_answered_with_the_new_owner),
		TEST(test_unsolicited),
		TEST(test_repeated),
		TEST(test_order_of_nonces),
		TEST(test_replay_check_off),
		TEST(test_late_acknowledgement_is_not_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
