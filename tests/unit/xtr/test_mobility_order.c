/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mobility_order.c - which of two statements about an EID counts: docs/cpm.md
 * 4.2 steps 4 to 6, row by row.
 */
#include "registering.h"

static struct cpm
message(enum cpm_op op, uint8_t reason, uint64_t generation)
{
	struct cpm m = { .op = op, .reason = reason, .generation = generation };

	m.sender_id[0] = 0x51;
	m.owner[0] = 0x51;
	return m;
}

static void
test_about_mark(void **state)
{
	(void)state;
	for (uint8_t reason = CPM_ARRIVED; reason <= CPM_ABSENT; reason++) {
		struct cpm zero = message(CPM_OP_CPM, reason, 0);
		struct cpm one = message(CPM_OP_CPM, reason, 1);

		assert_int_equal(mobility_is_about_mark(&zero),
		    reason == CPM_ARRIVING || reason == CPM_ABORTED);
		assert_int_equal(
		    mobility_is_about_mark(&one), reason == CPM_ARRIVING);
	}
}

/* Two sequences: what is about the mark is late after both of them. */
static void
test_late(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_ABSENT);
	struct mobile *m = mobile_of(e);
	struct cpm mark = message(CPM_OP_CPM, CPM_ARRIVING, 0);
	struct cpm owner = message(CPM_OP_CPM, CPM_ARRIVED, 9);

	mark.nonce = owner.nonce = 1;
	assert_false(mobility_is_late(m, &mark)); /* never heard */
	mark.nonce = 100;
	mobility_late_note(&n->x, e, &mark);
	assert_false(mobility_is_late(m, &mark)); /* itself */
	mark.nonce = 99;
	assert_true(mobility_is_late(m, &mark));
	owner.nonce = 50;
	assert_false(mobility_is_late(m, &owner));
	mobility_late_note(&n->x, e, &owner);
	owner.nonce = 49;
	assert_true(mobility_is_late(m, &owner));
	owner.nonce = 200;
	mobility_late_note(&n->x, e, &owner);
	mark.nonce = 150;
	assert_true(mobility_is_late(m, &mark));
	mark.nonce = 201;
	assert_false(mobility_is_late(m, &mark));
	/* of another sender nothing is known */
	mark.nonce = 1;
	mark.sender_id[0] = 0x52;
	assert_false(mobility_is_late(m, &mark));
}

/* The sender heard least recently gives way, never owner or holder. */
static void
test_late_senders(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	struct cpm m = message(CPM_OP_CPM, CPM_PRESENT, 9);

	memset(e->owner, 0, 16);
	e->owner[0] = 1;
	e->incoming = true;
	memset(e->incoming_from, 0, 16);
	e->incoming_from[0] = 2;
	m.nonce = 100;
	for (uint8_t id = 1; id <= 6; id++) {
		m.sender_id[0] = id;
		mobility_late_note(&n->x, e, &m);
		node_run(n, 1);
	}
	m.nonce = 99;
	for (uint8_t id = 1; id <= 6; id++) {
		m.sender_id[0] = id;
		/* 3 and 4 had to go for 5 and 6 */
		assert_int_equal(
		    mobility_is_late(mobile_of(e), &m), id != 3 && id != 4);
	}
	e->incoming = false; /* 2 is nobody special any more */
	m.nonce = 100;
	m.sender_id[0] = 7;
	mobility_late_note(&n->x, e, &m);
	m.nonce = 99;
	m.sender_id[0] = 2;
	assert_false(mobility_is_late(mobile_of(e), &m));
	m.sender_id[0] = 1;
	assert_true(mobility_is_late(mobile_of(e), &m));
}

enum { SMALLER = 0x50, OWNER = 0x51, LARGER = 0x52 };

/* The relation of what is said to what is known; owner 0x51. */
static void
test_relate(void **state)
{
	static const struct {
		uint64_t known, seen, said;
		uint8_t sender;
		uint8_t reason;
		enum relation relation;
		bool tie;
	} cases[] = {
		{ 0, 0, 5, OWNER, CPM_ARRIVED, RELATION_NEWER, false },
		{ 5, 5, 6, LARGER, CPM_ARRIVED, RELATION_NEWER, false },
		{ 5, 5, 4, OWNER, CPM_ARRIVED, RELATION_OLDER, false },
		{ 5, 5, 5, OWNER, CPM_ARRIVED, RELATION_SAME, false },
		{ 5, 5, 5, LARGER, CPM_ARRIVED, RELATION_NEWER, true },
		{ 5, 5, 5, SMALLER, CPM_ARRIVED, RELATION_OLDER, true },
		/* a claim must be above all that was ever seen */
		{ 5, 9, 6, LARGER, CPM_ARRIVED, RELATION_OLDER, false },
		{ 5, 9, 9, LARGER, CPM_PRESENT, RELATION_OLDER, false },
		{ 5, 9, 10, LARGER, CPM_PRESENT, RELATION_NEWER, false },
		{ 5, 9, 5, OWNER, CPM_PRESENT, RELATION_SAME, false },
		/* what is no claim is not held against it */
		{ 5, 9, 6, LARGER, CPM_DEPARTED, RELATION_NEWER, false },
		{ 5, 9, 6, LARGER, CPM_ABSENT, RELATION_NEWER, false },
		/* nothing is known: only a generation counts */
		{ 0, 0, 0, OWNER, CPM_DEPARTED, RELATION_OLDER, false },
		{ 0, 9, 9, OWNER, CPM_ARRIVED, RELATION_OLDER, false },
	};
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	bool tie;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpm m =
		    message(CPM_OP_CPM, cases[i].reason, cases[i].said);

		memset(e->owner, 0, 16);
		e->owner[0] = OWNER;
		e->generation = cases[i].known;
		e->seen = cases[i].seen;
		m.sender_id[0] = cases[i].sender;
		tie = !cases[i].tie;
		if (mobility_relate(e, &m, &tie) != cases[i].relation)
			fail_msg("case %u", i);
		assert_int_equal(tie, cases[i].tie);
	}
}

/* A Notify names the owner; its sender is the xTR. */
static void
test_relate_notify(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	struct cpm m = message(CPM_OP_NOTIFY, CPM_ARRIVED, 5);
	bool tie;

	memset(e->owner, 0, 16);
	e->owner[0] = OWNER;
	e->generation = e->seen = 5;
	m.sender_id[0] = LARGER;
	assert_int_equal(mobility_relate(e, &m, &tie), RELATION_SAME);
	m.owner[0] = LARGER;
	m.sender_id[0] = OWNER;
	assert_int_equal(mobility_relate(e, &m, &tie), RELATION_NEWER);
	assert_true(tie);
	/* 'seen' is not held against another site's claim */
	e->seen = 9;
	m.generation = 6;
	assert_int_equal(mobility_relate(e, &m, &tie), RELATION_NEWER);
	/* an owner that we do not know yet is no other */
	e->generation = e->seen = 5;
	m.generation = 5;
	memset(e->owner, 0, 16);
	assert_int_equal(mobility_relate(e, &m, &tie), RELATION_SAME);
	assert_false(tie);
}

/* The mark, and what other sites tell of it, has no generation to compare. */
static void
test_relate_any(void **state)
{
	static const struct {
		enum cpm_op op;
		uint8_t reason;
		uint64_t generation;
		bool any;
	} cases[] = {
		{ CPM_OP_CPM, CPM_ARRIVING, 1, true },
		{ CPM_OP_CPM, CPM_ABORTED, 0, true },
		{ CPM_OP_CPM, CPM_ABORTED, 1, false },
		{ CPM_OP_CPM, CPM_PAUSED, 1, false },
		{ CPM_OP_NOTIFY, CPM_ARRIVING, 1, true },
		{ CPM_OP_NOTIFY, CPM_ABORTED, 1, true },
		{ CPM_OP_NOTIFY, CPM_ABSENT, 1, false },
		{ CPM_OP_REQUESTERS, CPM_ARRIVED, 1, true },
		{ CPM_OP_REQUESTERS, CPM_ARRIVING, 1, true },
	};
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	bool tie;

	e->generation = e->seen = 7;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct cpm m =
		    message(cases[i].op, cases[i].reason, cases[i].generation);

		assert_int_equal(
		    mobility_relate(e, &m, &tie) == RELATION_ANY, cases[i].any);
	}
}

/* Another VM's EID is taken over by an awaited arrival only. */
static void
test_vm_id(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9);

	assert_true(mobility_vm_id_allows(e, &m)); /* none is known */
	e->vm_id[0] = 0xaa;
	m.vm_id[0] = 0xaa;
	assert_true(mobility_vm_id_allows(e, &m));
	m.vm_id[0] = 0xbb;
	assert_false(mobility_vm_id_allows(e, &m));
	m.vm_id[0] = 0; /* one without is another one, too */
	assert_false(mobility_vm_id_allows(e, &m));
	m.vm_id[0] = 0xbb;
	e->incoming = true;
	memset(e->incoming_from, 0, 16);
	e->incoming_from[0] = 0x99;
	assert_false(mobility_vm_id_allows(e, &m));
	e->incoming_from[0] = 0x51;
	assert_true(mobility_vm_id_allows(e, &m));
	m.reason = CPM_PRESENT;
	assert_false(mobility_vm_id_allows(e, &m));
	m.reason = CPM_ARRIVING; /* that is about the mark */
	assert_true(mobility_vm_id_allows(e, &m));
	m.reason = CPM_ARRIVED;
	m.op = CPM_OP_NOTIFY;
	e->incoming = false;
	assert_true(mobility_vm_id_allows(e, &m));
	m.op = CPM_OP_CPM;
	for (unsigned s = 0; s < EID_STATES; s++) {
		e->state = (enum eid_state)s;
		assert_int_equal(mobility_vm_id_allows(e, &m),
		    s == EID_ABSENT || s == EID_ARRIVING);
	}
	eids_set_state(n->x.eids, e, EID_LOCAL);
}

static void
test_adopt(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9);

	e->mac = A("02:00:00:00:00:01");
	e->seen = 20;
	m.vm_id[0] = 0xaa;
	m.sender_id[0] = 0x77;
	mobility_adopt(e, &m, RELATION_NEWER);
	assert_int_equal(e->generation, 9);
	assert_int_equal(e->seen, 20); /* the highest told stays */
	assert_int_equal(e->owner[0], 0x77);
	assert_int_equal(e->vm_id[0], 0xaa);
	assert_int_equal(e->mac.afi, AFI_MAC); /* none was known before */
	/* the same generation again does not rename the VM */
	m.vm_id[0] = 0xbb;
	mobility_adopt(e, &m, RELATION_SAME);
	assert_int_equal(e->vm_id[0], 0xaa);
	/* a newer one does, and the MAC was the other's */
	m.generation = 30;
	mobility_adopt(e, &m, RELATION_NEWER);
	assert_int_equal(e->vm_id[0], 0xbb);
	assert_int_equal(e->mac.afi, AFI_NONE);
	assert_int_equal(e->seen, 30);
	m.vm_id[0] = 0; /* its VM-ID is not kept for the next one */
	m.op = CPM_OP_NOTIFY;
	m.owner[0] = 0x66;
	mobility_adopt(e, &m, RELATION_NEWER);
	assert_true(uuid_is_zero(e->vm_id));
	assert_int_equal(e->owner[0], 0x66);
	m.vm_id[0] = 0xcc; /* none was known: it is, now */
	mobility_adopt(e, &m, RELATION_SAME);
	assert_int_equal(e->vm_id[0], 0xcc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_about_mark),
		TEST(test_late),
		TEST(test_late_senders),
		TEST(test_relate),
		TEST(test_relate_notify),
		TEST(test_relate_any),
		TEST(test_vm_id),
		TEST(test_adopt),
	};

	return cmocka_run_group_tests_name(
	    "xtr/mobility_order", tests, NULL, NULL);
}
