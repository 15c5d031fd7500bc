/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_move.c - move records: steps that wait, counts, bounds, and that a
 * restart reads back what was there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xtr/move.h"
#include "xtr/output.h"
#include "xtr/store.h"

#define WALL_US (INT64_C(1700000000) * 1000 * 1000)

struct fixture {
	char directory[64];
	struct clock clock;
	struct xtr x;
	struct eid eid;
};

static const uint8_t vm[16] = { 1, 2, 3 };

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static struct eid
numbered(unsigned i)
{
	uint8_t bytes[4] = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i };
	struct addr a = addr_make(AFI_IPV4, bytes);

	return eid_host(0, &a);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_level_set(LOG_LEVEL_ERROR);
	snprintf(f->directory, sizeof(f->directory), "/tmp/test_move.XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	clock_fake(&f->clock, WALL_US);
	f->x.clock = &f->clock;
	f->x.loop = loop_new(&f->clock);
	f->x.output = output_new(&f->x);
	if (store_open(NULL, f->directory, 64, &f->x.store))
		return -1;
	f->x.moves = moves_new(&f->x);
	f->eid = numbered(10);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[100];

	moves_free(f->x.moves);
	store_close(f->x.store);
	output_free(f->x.output);
	loop_free(f->x.loop);
	snprintf(command, sizeof(command), "rm -r %s", f->directory);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* As after kill -9, but for the commit. */
static void
restart(struct fixture *f)
{
	moves_free(f->x.moves);
	assert_int_equal(store_commit(f->x.store), ERR_OK);
	f->x.moves = moves_new(&f->x);
	assert_non_null(f->x.moves);
}

static void
begin(struct fixture *f, const struct eid *eid, uint64_t generation)
{
	move_begin(&f->x, eid, generation, vm, "dc1", "dc2", 1234);
}

static void
note(struct fixture *f, enum move_step step, const char *peer)
{
	struct addr a = peer ? address(peer) : (struct addr){ 0 };

	clock_advance(&f->clock, 1000);
	move_note(&f->x, &f->eid, step, peer ? &a : NULL);
}

struct want {
	size_t skip; /* rows before the one wanted */
	size_t n;    /* rows seen */
	struct move_row row;
};

static bool
one_row(void *arg, const struct move_row *row)
{
	struct want *w = arg;

	if (w->n++ == w->skip)
		w->row = *row;
	return true;
}

/* The i-th newest move; *n is how many there are. */
static struct move_row
nth(const struct fixture *f, size_t i, size_t *n)
{
	struct want w = { .skip = i };

	moves_walk(&f->x, one_row, &w);
	if (n)
		*n = w.n;
	return w.row;
}

static void
eid_is(const struct fixture *f, size_t i, const struct eid *eid)
{
	struct move_row m = nth(f, i, NULL);

	assert_true(eid_equal(&m.eid, eid));
}

static void
steps_are(const struct move_row *m, const enum move_step *steps, size_t n)
{
	assert_int_equal(m->n_steps, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(
		    move_step_str(m->steps[i].step), move_step_str(steps[i]));
}
#define STEPS_ARE(m, ...) \
	steps_are(m, (enum move_step[]){ __VA_ARGS__ }, \
	    sizeof((enum move_step[]){ __VA_ARGS__ }) / \
		sizeof(enum move_step))

static void
record(void **state)
{
	struct fixture *f = *state;
	struct move_row m;
	size_t n;

	begin(f, &f->eid, 0x18bcfe5687d);
	note(f, MOVE_ARRIVED, NULL);
	note(f, MOVE_REGISTER, "192.0.2.129");
	m = nth(f, 0, &n);
	assert_int_equal(n, 1);
	assert_string_equal(m.id, "18bcfe5687d");
	assert_true(eid_equal(&m.eid, &f->eid));
	assert_memory_equal(m.vm_id, vm, 16);
	assert_string_equal(m.from, "dc1");
	assert_string_equal(m.to, "dc2");
	assert_int_equal(m.event_ms, 1234);
	assert_false(m.finished);
	STEPS_ARE(&m, MOVE_ARRIVED, MOVE_REGISTER);
	assert_int_equal(m.steps[1].at_us, WALL_US + 2000);
	assert_int_equal(f->x.counters.moves, 1);

	move_finish(&f->x, &f->eid);
	assert_true(nth(f, 0, NULL).finished);
}

static void
no_move_no_step(void **state)
{
	struct fixture *f = *state;
	size_t n;

	note(f, MOVE_SMR, "203.0.113.1");
	note(f, MOVE_DEPARTED, NULL);
	move_finish(&f->x, &f->eid);
	nth(f, 0, &n);
	assert_int_equal(n, 0);
}

static void
same_step_counts(void **state)
{
	struct fixture *f = *state;
	struct move_row m;

	begin(f, &f->eid, 7);
	note(f, MOVE_SMR, "203.0.113.1");
	note(f, MOVE_SMR, "203.0.113.2");
	note(f, MOVE_SMR, "203.0.113.1");
	note(f, MOVE_CONVERGED, "203.0.113.1");
	m = nth(f, 0, NULL);
	STEPS_ARE(&m, MOVE_SMR, MOVE_SMR, MOVE_CONVERGED);
	assert_int_equal(m.steps[0].count, 2);
	assert_int_equal(m.steps[0].at_us, WALL_US + 1000);
	assert_int_equal(m.steps[1].count, 1);

	/* and the same when it is over */
	move_finish(&f->x, &f->eid);
	note(f, MOVE_CONVERGED, "203.0.113.1");
	note(f, MOVE_DEPARTED, NULL);
	m = nth(f, 0, NULL);
	STEPS_ARE(&m, MOVE_SMR, MOVE_SMR, MOVE_CONVERGED, MOVE_DEPARTED);
	assert_int_equal(m.steps[2].count, 2);
	assert_true(m.finished);
	note(f, MOVE_SMR, "203.0.113.1");
	note(f, MOVE_SMR, "203.0.113.3");
	m = nth(f, 0, NULL);
	assert_int_equal(m.n_steps, 5);
	assert_int_equal(m.steps[0].count, 3);
	assert_false(m.finished);
}

static void
early_steps_wait(void **state)
{
	struct fixture *f = *state;
	struct move_row m;

	begin(f, &f->eid, 7); /* it came; now it goes again */
	note(f, MOVE_DEPARTING, NULL);
	note(f, MOVE_PAUSED, NULL);
	note(f, MOVE_DEPARTED, NULL);
	m = nth(f, 0, NULL);
	assert_int_equal(m.n_steps, 0);

	clock_advance(&f->clock, INT64_C(299) * 1000 * 1000);
	begin(f, &f->eid, 8);
	note(f, MOVE_AWAY, "198.51.100.1");
	m = nth(f, 0, NULL);
	STEPS_ARE(&m, MOVE_DEPARTING, MOVE_PAUSED, MOVE_DEPARTED, MOVE_AWAY);
	assert_int_equal(m.steps[0].at_us, WALL_US + 1000);
	assert_true(nth(f, 1, NULL).finished); /* overtaken */

	/* Late words of the site that was left are of this move. */
	note(f, MOVE_PAUSED, NULL);
	m = nth(f, 0, NULL);
	assert_int_equal(m.n_steps, 4);
	assert_int_equal(m.steps[1].count, 2);
	begin(f, &f->eid, 9);
	assert_int_equal(nth(f, 0, NULL).n_steps, 0);
}

static void
waiting_ends(void **state)
{
	struct fixture *f = *state;
	struct move_row m;

	note(f, MOVE_ARRIVING, NULL);
	clock_advance(&f->clock, INT64_C(301) * 1000 * 1000);
	begin(f, &f->eid, 7);
	assert_int_equal(nth(f, 0, NULL).n_steps, 0);

	note(f, MOVE_DEPARTING, NULL);
	note(f, MOVE_ABORTED, NULL); /* ends the wait ... */
	begin(f, &f->eid, 8);
	assert_int_equal(nth(f, 0, NULL).n_steps, 0);
	note(f, MOVE_ABORTED, NULL); /* ... or is a step */
	m = nth(f, 0, NULL);
	STEPS_ARE(&m, MOVE_ABORTED);
}

static void
waiting_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct eid eid;

	for (unsigned i = 0; i < 5000; i++) {
		eid = numbered(i);
		move_note(&f->x, &eid, MOVE_ARRIVING, NULL);
	}
	eid = numbered(0);
	begin(f, &eid, 1);
	assert_int_equal(nth(f, 0, NULL).n_steps, 0); /* went */
	eid = numbered(4999);
	begin(f, &eid, 1);
	assert_int_equal(nth(f, 0, NULL).n_steps, 1);
}

static void
equal_key_goes_on(void **state)
{
	struct fixture *f = *state;
	struct move_row m;
	size_t n;

	begin(f, &f->eid, 7);
	note(f, MOVE_SMR, "203.0.113.1");
	move_finish(&f->x, &f->eid);
	begin(f, &f->eid, 7);
	note(f, MOVE_SMR, "203.0.113.1");
	note(f, MOVE_CONVERGED, "203.0.113.1");
	m = nth(f, 0, &n);
	assert_int_equal(n, 1);
	assert_false(m.finished);
	STEPS_ARE(&m, MOVE_SMR, MOVE_CONVERGED);
	assert_int_equal(m.steps[0].count, 2);
	assert_int_equal(f->x.counters.moves, 1);
}

static size_t
stored(struct fixture *f)
{
	size_t n;

	restart(f);
	nth(f, 0, &n);
	return n;
}

static void
records_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct eid eid;
	size_t n;

	for (unsigned i = 0; i < MOVES_MAX; i++) {
		eid = numbered(i);
		clock_advance(&f->clock, 1000);
		begin(f, &eid, 7);
		move_note(&f->x, &eid, MOVE_ARRIVED, NULL);
		if (i >= 2)
			move_finish(&f->x, &eid);
	}
	clock_advance(&f->clock, 1000);
	eid = numbered(MOVES_MAX);
	begin(f, &eid, 7);

	/* 0 and 1 are not finished: 2 went, here and in the store. */
	nth(f, 0, &n);
	assert_int_equal(n, MOVES_MAX);
	eid = numbered(1);
	eid_is(f, MOVES_MAX - 2, &eid);
	eid = numbered(3);
	eid_is(f, MOVES_MAX - 3, &eid);
	assert_int_equal(stored(f), MOVES_MAX);
	eid_is(f, MOVES_MAX - 3, &eid);
}

static void
open_records_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct eid eid;
	size_t n;

	for (unsigned i = 0; i <= MOVES_MAX; i++) {
		eid = numbered(i);
		clock_advance(&f->clock, 1000);
		begin(f, &eid, 7);
	}
	nth(f, 0, &n);
	assert_int_equal(n, MOVES_MAX);
	eid = numbered(1);
	eid_is(f, MOVES_MAX - 1, &eid);
}

static void
one_eid_ping_pong(void **state)
{
	struct fixture *f = *state;
	size_t n;

	for (unsigned i = 1; i <= MOVES_MAX + 10; i++) {
		clock_advance(&f->clock, 1000);
		begin(f, &f->eid, i);
	}
	nth(f, 0, &n);
	assert_int_equal(n, MOVES_MAX);
	assert_int_equal(nth(f, 0, NULL).generation, MOVES_MAX + 10);
	assert_int_equal(nth(f, MOVES_MAX - 1, NULL).generation, 11);
	note(f, MOVE_ARRIVED, NULL);
	assert_int_equal(nth(f, 0, NULL).n_steps, 1);
}

static void
steps_are_bounded(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[4] = { 198, 18, 0, 0 };
	struct move_row m;

	begin(f, &f->eid, 7);
	for (unsigned i = 0; i < MOVE_STEPS_MAX + 100; i++) {
		struct addr a;

		bytes[2] = (uint8_t)(i >> 8);
		bytes[3] = (uint8_t)i;
		a = addr_make(AFI_IPV4, bytes);
		move_note(&f->x, &f->eid, MOVE_SMR, &a);
	}
	assert_int_equal(nth(f, 0, NULL).n_steps, MOVE_STEPS_MAX);
	restart(f);
	m = nth(f, 0, NULL);
	assert_int_equal(m.n_steps, MOVE_STEPS_MAX);
	assert_int_equal(m.steps[MOVE_STEPS_MAX - 1].peer.bytes[3], 255);
}

static void
restart_reads_back(void **state)
{
	struct fixture *f = *state;
	struct eid other = numbered(9); /* sorts first, begun last */
	struct move_row m;
	size_t n;

	begin(f, &f->eid, 7);
	move_finish(&f->x, &f->eid);
	clock_advance(&f->clock, 1000);
	begin(f, &f->eid, 8);
	for (unsigned i = 0; i < 40; i++) {
		char peer[32];

		snprintf(peer, sizeof(peer), "203.0.113.%u", i + 1);
		note(f, MOVE_SMR, peer);
	}
	note(f, MOVE_SMR, "203.0.113.1");
	clock_advance(&f->clock, 1000);
	begin(f, &other, 3);

	restart(f);
	m = nth(f, 0, &n);
	assert_int_equal(n, 3);
	assert_true(eid_equal(&m.eid, &other));
	assert_string_equal(m.to, "dc2");
	assert_int_equal(m.event_ms, 1234);
	m = nth(f, 1, NULL);
	assert_int_equal(m.generation, 8);
	assert_false(m.finished);
	assert_int_equal(m.n_steps, 40);
	assert_int_equal(m.steps[0].count, 2);
	assert_int_equal(m.steps[0].at_us, WALL_US + 2000);
	assert_int_equal(m.steps[39].peer.bytes[3], 40);
	assert_true(nth(f, 2, NULL).finished);

	/* It goes on: the newest of the EID, its steps known. */
	note(f, MOVE_SMR, "203.0.113.40");
	note(f, MOVE_CONVERGED, "203.0.113.40");
	m = nth(f, 1, NULL);
	assert_int_equal(m.n_steps, 41);
	assert_int_equal(m.steps[39].count, 2);
	move_finish(&f->x, &f->eid);
	assert_true(nth(f, 1, NULL).finished);
}

static void
strange_values_are_left_out(void **state)
{
	struct fixture *f = *state;
	uint8_t key[STORE_EID_KEY + 8] = { 0 }, value[168] = { 99 };
	size_t n;

	begin(f, &f->eid, 7);
	store_eid_key(&f->eid, key);
	assert_int_equal(store_put(f->x.store, STORE_MOVE, key, sizeof(key),
			     value, sizeof(value)),
	    ERR_OK); /* another version */
	assert_int_equal(
	    store_put(f->x.store, STORE_MOVE, "x", 1, "y", 1), ERR_OK);
	restart(f);
	nth(f, 0, &n);
	assert_int_equal(n, 1);
}

static void
names(void **state)
{
	(void)state;
	for (enum move_step s = 0; s < MOVE_STEPS; s++)
		assert_non_null(move_step_str(s));
	assert_string_equal(move_step_str(MOVE_NOTIFY_ACKED), "notify-acked");
	assert_string_equal(move_step_str(MOVE_STEPS), "unknown");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(record),
		TEST(no_move_no_step),
		TEST(same_step_counts),
		TEST(early_steps_wait),
		TEST(waiting_ends),
		TEST(waiting_is_bounded),
		TEST(equal_key_goes_on),
		TEST(records_are_bounded),
		TEST(open_records_are_bounded),
		TEST(one_eid_ping_pong),
		TEST(steps_are_bounded),
		TEST(restart_reads_back),
		TEST(strange_values_are_left_out),
		TEST(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
