/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mobility_entry.c - the life of a dynamic EID: made, marked, forgotten,
 * and what ends with each state.
 */
#include "registering.h"
#include "xtr/requesters.h"

static struct eid_entry *
find(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return eids_find(n->x.eids, &e);
}

static void
apply(struct node *n, struct eid_entry *e, enum eid_state next)
{
	const struct decision d = { .next = next };

	mobility_apply(&n->x, e, &d, NULL);
}

static void
test_make(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = NULL, *again = NULL;
	const struct eid eid = E(VM), host = E("10.1.1.5");

	assert_int_equal(
	    mobility_entry(&n->x, &eid, &n->mobile[0], &e), ERR_OK);
	assert_int_equal(e->state, EID_ABSENT);
	assert_ptr_equal(mobile_of(e)->x, &n->x);
	assert_true(eid_equal(&mobile_of(e)->eid, &eid));
	assert_int_equal(
	    mobility_entry(&n->x, &eid, &n->mobile[0], &again), ERR_OK);
	assert_ptr_equal(again, e);
	again = NULL;
	assert_int_equal(
	    mobility_entry(&n->x, &host, &n->mobile[0], &again), ERR_POLICY);
	assert_null(again);
}

/* Of which nothing came: it is forgotten, as nothing is known of it. */
static void
test_memory(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_ABSENT);

	assert_int_equal(mobility_memory_ms(&n->x, e), LATE_KEEP_MS);
	node_run(n, LATE_KEEP_MS - 1);
	assert_non_null(find(n, VM));
	node_run(n, 1);
	assert_null(find(n, VM));
	/* a generation is kept for the configured time */
	e = dynamic(n, VM, EID_ABSENT);
	e->seen = 1;
	assert_int_equal(mobility_memory_ms(&n->x, e), 86400 * 1000);
	e->seen = 0;
	e->generation = 1;
	assert_int_equal(mobility_memory_ms(&n->x, e), 86400 * 1000);
	apply(n, e, EID_ABSENT); /* reckons it anew */
	node_run(n, 86400 * 1000 - 1);
	assert_non_null(find(n, VM));
	node_run(n, 1);
	assert_null(find(n, VM));
}

static bool
count_one(void *arg, const struct requester *r)
{
	(void)r;
	++*(unsigned *)arg;
	return true;
}

static unsigned
requesters_of(struct node *n, const struct eid *eid)
{
	unsigned count = 0;

	requesters_walk(&n->x, eid, count_one, &count);
	return count;
}

/* Where there is no room, the oldest absent one goes; with what it had. */
static void
test_room(void **state)
{
	struct node *n = *state;
	struct eid_entry *old, *e;
	const struct eid eid = E("10.1.1.12"), first = E("10.1.1.10");
	const struct addr rloc = A("203.0.113.9");

	n->conf.mobility.eids_max = 2;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	old = dynamic(n, "10.1.1.10", EID_ABSENT);
	requesters_note(&n->x, &first, &rloc, NULL, false);
	assert_int_equal(requesters_of(n, &first), 1);
	mobility_mark(old, true);
	assert_int_equal(n->x.mobility->n_marks, 1);
	dynamic(n, "10.1.1.11", EID_LOCAL);
	assert_int_equal(
	    mobility_entry(&n->x, &eid, &n->mobile[0], &e), ERR_OK);
	assert_null(find(n, "10.1.1.10"));
	assert_non_null(find(n, "10.1.1.11"));
	assert_int_equal(n->x.mobility->n_marks, 0);
	assert_int_equal(requesters_of(n, &first), 0);
	/* what is not absent does not give way */
	eids_set_state(n->x.eids, e, EID_AWAY);
	assert_int_equal(
	    mobility_entry(&n->x, &first, &n->mobile[0], &e), ERR_FULL);
	assert_int_equal(
	    mobility_entry_add(&n->x, &first, &n->mobile[0], &e), ERR_FULL);
}

static void
test_marks(void **state)
{
	struct node *n = *state;
	struct eid_entry *a = dynamic(n, "10.1.1.10", EID_ABSENT);
	struct eid_entry *b = dynamic(n, "10.1.1.11", EID_ABSENT);

	mobility_mark(a, true);
	mobility_mark(a, true);
	mobility_mark(b, true);
	assert_int_equal(n->x.mobility->n_marks, 2);
	assert_true(a->incoming);
	mobility_mark(a, false);
	mobility_mark(a, false);
	assert_int_equal(n->x.mobility->n_marks, 1);
	mobility_forget(&n->x, b);
	assert_int_equal(n->x.mobility->n_marks, 0);
	assert_null(find(n, "10.1.1.11"));
}

/* Absent with the mark is arriving. */
static void
test_arriving(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_AWAY);

	mobility_mark(e, true);
	apply(n, e, EID_ABSENT);
	assert_int_equal(e->state, EID_ARRIVING);
	mobility_mark(e, false);
	apply(n, e, EID_ABSENT);
	assert_int_equal(e->state, EID_ABSENT);
}

/* What a state needs ends when it is left, whichever way. */
static void
test_leave(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_HELD);
	struct mobile *m = mobile_of(e);

	for (unsigned s = 0; s < EID_STATES; s++) {
		const bool ours =
		    s == EID_LOCAL || s == EID_DEPARTING || s == EID_HELD;

		eids_set_state(n->x.eids, e, EID_HELD);
		e->gone = m->last_lookup = true;
		m->hold_until_ms = 7;
		e->n_away = 1;
		e->away_until_ms = 7;
		e->contested = e->verifying = m->unfinished = true;
		for (unsigned t = 0; t < TASKS; t++)
			mobility_arm(e, (enum task)t, 10000);
		apply(n, e, (enum eid_state)s);
		assert_int_equal(e->gone, s == EID_HELD);
		assert_int_equal(m->last_lookup, s == EID_HELD);
		assert_int_equal(m->hold_until_ms, s == EID_HELD ? 7 : 0);
		assert_int_equal(m->armed[TASK_HOLD_MAX], s == EID_HELD);
		assert_int_equal(m->armed[TASK_LOOKUP], s == EID_HELD);
		assert_int_equal(e->n_away, s == EID_AWAY);
		assert_int_equal(e->away_until_ms, s == EID_AWAY ? 7 : 0);
		assert_int_equal(m->armed[TASK_AWAY], s == EID_AWAY);
		assert_int_equal(e->contested, ours);
		assert_int_equal(e->verifying, ours);
		assert_int_equal(m->unfinished, ours);
		assert_int_equal(m->armed[TASK_VERIFY], ours);
		assert_int_equal(m->armed[TASK_CONTEST], ours);
		assert_int_equal(m->armed[TASK_REVISED], ours);
		assert_false(m->armed[TASK_INCOMING]);
		assert_int_equal(m->armed[TASK_MEMORY], s == EID_ABSENT);
	}
}

static void
test_undisputed(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);
	struct mobile *m = mobile_of(e);

	e->contested = e->verifying = m->contest_lookup = true;
	mobility_arm(e, TASK_VERIFY, 10);
	mobility_arm(e, TASK_CONTEST, 10);
	mobility_arm(e, TASK_REVISED, 10);
	mobility_arm(e, TASK_AWAY, 10);
	mobility_undisputed(e);
	assert_false(e->contested || e->verifying || m->contest_lookup);
	assert_false(m->armed[TASK_VERIFY] || m->armed[TASK_CONTEST] ||
	    m->armed[TASK_REVISED]);
	assert_true(m->armed[TASK_AWAY]);
	mobility_disarm(e, TASK_AWAY);
}

/* The time of the last change, and of no other decision. */
static void
test_changed(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);

	node_run(n, 1000);
	apply(n, e, EID_LOCAL);
	assert_int_equal(e->changed_ms, 0);
	apply(n, e, EID_DEPARTING);
	assert_int_equal(e->changed_ms, clock_wall_ms(&n->clock));
	assert_true(n->n_changed <= 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_make),
		TEST(test_memory),
		TEST(test_room),
		TEST(test_marks),
		TEST(test_arriving),
		TEST(test_leave),
		TEST(test_undisputed),
		TEST(test_changed),
	};

	return cmocka_run_group_tests_name(
	    "xtr/mobility_entry", tests, NULL, NULL);
}
