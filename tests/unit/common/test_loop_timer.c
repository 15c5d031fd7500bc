/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop_timer.c - timers by a fake clock: order, change in callbacks. */
#include "common/loop.h"

#include "loop_world.h"

enum { N = 300 };

struct ticker {
	struct world *w;
	struct loop_timer *timer;
	int64_t deadline_us, every_us; /* since the start */
	unsigned count, *order;
};

static void
on_tick(void *arg)
{
	struct ticker *k = arg;
	struct world *w = k->w;

	/* Each at its own time, not at the end of the step. */
	assert_true(
	    mono_diff_us(loop_now(w->loop), w->start) == k->deadline_us);
	assert_false(loop_timer_armed(k->timer));
	k->count++;
	if (k->every_us > 0) {
		k->deadline_us += k->every_us;
		loop_timer_set_us(k->timer, k->every_us);
	}
}

static void
test_timer_day(void **state)
{
	struct world *w = world_new(true);
	struct ticker second = { .w = w, .every_us = 1000000 },
		      minute = { .w = w, .every_us = 60000000 },
		      once = { .w = w, .deadline_us = 1500 };

	(void)state;
	second.timer = loop_timer_new(w->loop, on_tick, &second);
	minute.timer = loop_timer_new(w->loop, on_tick, &minute);
	once.timer = loop_timer_new(w->loop, on_tick, &once);
	second.deadline_us = minute.deadline_us = 250;
	loop_timer_set_us(second.timer, 250);
	loop_timer_set_us(minute.timer, 250);
	loop_timer_at(once.timer, (struct mono){ w->start.us + 1500 });
	assert_true(loop_timer_armed(once.timer));

	loop_advance(w->loop, &w->clock, 249);
	assert_int_equal(second.count, 0);
	loop_advance(w->loop, &w->clock, 1);
	assert_int_equal(second.count, 1);
	loop_advance(w->loop, &w->clock, INT64_C(86400) * 1000000 - 250);
	assert_int_equal(second.count, 86400);
	assert_int_equal(minute.count, 1440);
	assert_int_equal(once.count, 1);
	assert_true(mono_diff_us(clock_mono(&w->clock), w->start) ==
	    INT64_C(86400) * 1000000);
	world_free(w);
}

static void
test_timer_order(void **state)
{
	struct world *w = world_new(true);
	struct loop_timer *a = loop_timer_new(w->loop, on_a, w),
			  *b = loop_timer_new(w->loop, on_b, w),
			  *c = loop_timer_new(w->loop, on_c, w);

	(void)state;
	loop_timer_set(c, 5);
	loop_timer_set(a, 5);
	loop_timer_set(b, 4);
	loop_advance(w->loop, &w->clock, 5000);
	assert_trace(w, "bca"); /* by time, then as they were set */

	loop_timer_set(a, 5); /* setting again moves it */
	loop_timer_set(b, 6);
	loop_timer_set(a, 7);
	loop_timer_set(c, 1);
	loop_timer_cancel(c);
	loop_timer_cancel(c);
	assert_false(loop_timer_armed(c));
	loop_advance(w->loop, &w->clock, 10000);
	assert_trace(w, "ba");

	/* The past and the far future. */
	loop_timer_set(b, 0);
	loop_timer_set(c, -1000);
	loop_timer_at(a, (struct mono){ 1 });
	loop_advance(w->loop, &w->clock, 0);
	assert_trace(w, "bca");
	loop_timer_set(a, INT64_MAX);
	loop_timer_set_us(b, INT64_MAX);
	loop_advance(w->loop, &w->clock, INT64_C(1000000) * 86400 * 365);
	assert_trace(w, "");
	loop_timer_free(NULL);
	world_free(w);
}

/* Frees itself and a timer that is due in the same turn; arms a third. */
static void
on_free_others(void *arg)
{
	struct world *w = arg;

	trace(w, 'x');
	loop_timer_free(w->timers[0]);
	loop_timer_free(w->timers[1]);
	loop_timer_set(w->timers[2], 0);
}

static void
test_timer_free_in_callback(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	w->timers[0] = loop_timer_new(w->loop, on_free_others, w);
	w->timers[1] = loop_timer_new(w->loop, on_a, w);
	w->timers[2] = loop_timer_new(w->loop, on_b, w);
	w->timers[3] = loop_timer_new(w->loop, on_c, w);
	loop_timer_set(w->timers[0], 1);
	loop_timer_set(w->timers[1], 1);
	loop_timer_set(w->timers[3], 1);
	loop_advance(w->loop, &w->clock, 1000);
	assert_trace(w, "xcb");
	world_free(w);
}

static void
on_again(void *arg)
{
	struct world *w = arg;

	trace(w, 'g');
	loop_timer_at(w->timers[0], (struct mono){ 0 });
}

/* A timer that is always due does not keep the others from running. */
static void
test_timer_always_due(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	w->timers[0] = loop_timer_new(w->loop, on_again, w);
	w->timers[1] = loop_timer_new(w->loop, on_a, w);
	loop_timer_set(w->timers[0], 1);
	loop_timer_set(w->timers[1], 2);
	clock_advance(&w->clock, 2000);
	loop_poll(w->loop);
	assert_trace(w, "ga");
	loop_poll(w->loop);
	assert_trace(w, "g");
	world_free(w);
}

static void
on_ticker_order(void *arg)
{
	struct ticker *k = arg;
	struct world *w = k->w;
	int64_t now_us = mono_diff_us(loop_now(w->loop), w->start);

	assert_true(now_us == k->deadline_us);
	k->count = ++*k->order;
}

/* Many timers, set, moved and cancelled at random, run in order of time. */
static void
test_timer_heap(void **state)
{
	struct world *w = world_new(true);
	struct ticker k[N] = { 0 };
	unsigned order = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < N; i++) {
		k[i].w = w;
		k[i].order = &order;
		k[i].timer = loop_timer_new(w->loop, on_ticker_order, &k[i]);
	}
	for (int round = 0; round < 5 * N; round++) {
		struct ticker *x = &k[rand() % N];

		x->deadline_us = rand() % 1000;
		loop_timer_set_us(x->timer, x->deadline_us);
		x = &k[rand() % N];
		if (rand() % 3 == 0) {
			loop_timer_cancel(x->timer);
			x->deadline_us = -1;
		}
	}
	for (int i = 0; i < N; i++)
		if (!loop_timer_armed(k[i].timer))
			k[i].deadline_us = -1;
	loop_advance(w->loop, &w->clock, 1000);
	for (int i = 0; i < N; i++) {
		assert_int_equal(k[i].count > 0, k[i].deadline_us >= 0);
		for (int j = 0; j < N; j++)
			if (k[i].count && k[j].count &&
			    k[i].deadline_us < k[j].deadline_us)
				assert_true(k[i].count < k[j].count);
	}
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_day),
		cmocka_unit_test(test_timer_order),
		cmocka_unit_test(test_timer_free_in_callback),
		cmocka_unit_test(test_timer_always_due),
		cmocka_unit_test(test_timer_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
