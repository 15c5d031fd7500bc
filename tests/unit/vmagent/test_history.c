/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_history.c - the ring of statements: its bound, and which record an answer
 * belongs to.
 */
#include "vmagent/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct history h;

static int
setup(void **state)
{
	(void)state;
	memset(&h, 0, sizeof(h));
	return 0;
}

static struct history_record *
add(uint8_t vm, uint8_t reason, uint64_t generation)
{
	struct history_record *r = history_add(&h);

	memset(r->vm_id, vm, sizeof(r->vm_id));
	r->reason = reason;
	r->generation = generation;
	return r;
}

static void
answer(uint8_t vm, uint8_t reason, uint64_t generation, unsigned xtr,
    uint8_t status, uint64_t wall_ms)
{
	struct notify_ack a = { .xtr = xtr,
		.status = status,
		.reason = reason,
		.generation = generation };

	memset(a.vm_id, vm, sizeof(a.vm_id));
	history_acked(&h, &a, wall_ms);
}

static void
test_ring(void **state)
{
	(void)state;
	assert_null(history_get(&h, 0));
	for (unsigned i = 1; i <= HISTORY_MAX + 3; i++) {
		struct history_record *r = add((uint8_t)i, CPM_ARRIVED, i);

		assert_int_equal(r->id, i);
		assert_int_equal(r->event_ms, 0); /* nothing of the old one */
		assert_int_equal(r->acked[0].ms, 0);
		r->event_ms = r->acked[0].ms = i;
		assert_ptr_equal(history_get(&h, 0), r);
		assert_int_equal(history_get(&h, 0)->generation, i);
		if (i <= HISTORY_MAX)
			assert_null(history_get(&h, i));
	}
	assert_int_equal(
	    history_get(&h, HISTORY_MAX - 1)->id, 4); /* 1 to 3 are gone */
	assert_null(history_get(&h, HISTORY_MAX));
	assert_null(history_get(&h, (unsigned)-1));
}

/* VM, reason and generation name the statement; the last one, if it was said
 * twice. */
static void
test_acked(void **state)
{
	struct history_record *first = add(1, CPM_ARRIVED, 10),
			      *other = add(2, CPM_ARRIVED, 10),
			      *left = add(1, CPM_DEPARTED, 10),
			      *again = add(1, CPM_ARRIVED, 10);

	(void)state;
	answer(1, CPM_ARRIVED, 10, 3, CPM_ACK_STALE, 500);
	assert_int_equal(again->acked[3].ms, 500);
	assert_int_equal(again->acked[3].status, CPM_ACK_STALE);
	assert_int_equal(again->acked[2].ms, 0);
	assert_int_equal(first->acked[3].ms, 0);
	assert_int_equal(other->acked[3].ms, 0);
	assert_int_equal(left->acked[3].ms, 0);
	answer(1, CPM_DEPARTED, 10, NOTIFY_XTRS_MAX - 1, CPM_ACK_DONE, 600);
	assert_int_equal(left->acked[NOTIFY_XTRS_MAX - 1].ms, 600);
	answer(1, CPM_ARRIVED, 11, 0, CPM_ACK_DONE, 700); /* never said */
	answer(9, CPM_ARRIVED, 10, 0, CPM_ACK_DONE, 700);
	for (unsigned back = 0; back < 4; back++)
		assert_int_equal(history_get(&h, back)->acked[0].ms, 0);
}

/* The first final answer is when it was understood. */
static void
test_first_counts(void **state)
{
	struct history_record *r = add(1, CPM_ARRIVED, 10);

	(void)state;
	answer(1, CPM_ARRIVED, 10, 0, CPM_ACK_POLICY, 500);
	answer(1, CPM_ARRIVED, 10, 0, CPM_ACK_DONE, 900);
	assert_int_equal(r->acked[0].ms, 500);
	assert_int_equal(r->acked[0].status, CPM_ACK_POLICY);
}

/* An answer to what the ring no longer has. */
static void
test_late_answer(void **state)
{
	(void)state;
	answer(1, CPM_ARRIVED, 1, 0, CPM_ACK_DONE, 500); /* empty ring */
	add(1, CPM_ARRIVED, 1);
	for (unsigned i = 0; i < HISTORY_MAX; i++)
		add(2, CPM_ARRIVED, 1);
	answer(1, CPM_ARRIVED, 1, 0, CPM_ACK_DONE, 500);
	for (unsigned back = 0; back < HISTORY_MAX; back++)
		assert_int_equal(history_get(&h, back)->acked[0].ms, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ring, setup),
		cmocka_unit_test_setup(test_acked, setup),
		cmocka_unit_test_setup(test_first_counts, setup),
		cmocka_unit_test_setup(test_late_answer, setup),
	};

	return cmocka_run_group_tests_name(
	    "vmagent/history", tests, NULL, NULL);
}
