/* SPDX-License-Identifier: Apache-2.0 */
/* test_agenda.c - many deadlines, a bounded number of them a turn. */
#include "common/agenda.h"

#include "loop_world.h"

enum { N = 1000, PER_TURN = 16 };

struct thing {
	struct agenda_node due;
	int64_t at_us; /* since the start; -1: it must not come */
	unsigned came;
};

struct calendar {
	struct world *w;
	struct agenda *agenda;
	struct thing things[N];
	unsigned n_came, in_turn;
	int64_t last_us;
	struct thing *remove, *again; /* from the callback, once */
};

static void
on_due(void *arg, struct agenda_node *node)
{
	struct calendar *c = arg;
	struct thing *t = (struct thing *)node; /* its first member */
	const int64_t now_us = mono_diff_us(loop_now(c->w->loop), c->w->start);

	assert_int_equal(node->place, 0);
	assert_true(t->at_us >= 0 && t->at_us <= now_us);
	assert_true(t->at_us >= c->last_us);
	c->last_us = t->at_us;
	t->came++;
	c->n_came++;
	c->in_turn++;
	if (c->remove)
		agenda_remove(c->agenda, &c->remove->due);
	c->remove = NULL;
	if (c->again == t) {
		c->again = NULL;
		t->at_us += 500;
		assert_int_equal(
		    agenda_add(c->agenda, node,
			(struct mono){ c->w->start.us + t->at_us }),
		    ERR_OK);
	}
}

static struct calendar *
calendar_new(void)
{
	struct calendar *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->w = world_new(true);
	c->agenda = agenda_new(c->w->loop, PER_TURN, on_due, c);
	assert_non_null(c->agenda);
	return c;
}

static void
calendar_free(struct calendar *c)
{
	agenda_free(c->agenda);
	world_free(c->w);
	free(c);
}

static void
add(struct calendar *c, unsigned i, int64_t at_us)
{
	c->things[i].at_us = at_us;
	assert_int_equal(agenda_add(c->agenda, &c->things[i].due,
			     (struct mono){ c->w->start.us + at_us }),
	    ERR_OK);
}

/* Each at its time, whatever was moved and removed. */
static void
test_order(void **state)
{
	struct calendar *c = calendar_new();
	unsigned expected = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		add(c, i, 1000 + i * 7919 % 10007);
	for (unsigned i = 0; i < N; i++) {
		if (i % 3 == 0) {
			agenda_remove(c->agenda, &c->things[i].due);
			agenda_remove(c->agenda, &c->things[i].due);
			c->things[i].at_us = -1;
			continue;
		}
		expected++;
		if (i % 3 == 1)
			add(c, i, 20000 - c->things[i].at_us);
		assert_int_equal(
		    mono_diff_us(agenda_deadline(c->agenda, &c->things[i].due),
			c->w->start),
		    c->things[i].at_us);
	}
	for (unsigned step = 0; step < 210; step++)
		loop_advance(c->w->loop, &c->w->clock, 100);
	assert_int_equal(c->n_came, expected);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(c->things[i].came, i % 3 != 0);
	calendar_free(c);
}

/* All at once: so many a turn, and a later timer is not held up. */
static void
test_bounded(void **state)
{
	struct calendar *c = calendar_new();
	struct loop_timer *other = loop_timer_new(c->w->loop, on_a, c->w);
	unsigned turns = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		add(c, i, 10);
	loop_timer_set_us(other, 11);
	clock_advance(&c->w->clock, 20);
	while (c->n_came < N) {
		c->in_turn = 0;
		loop_poll(c->w->loop);
		turns++;
		assert_int_equal(c->in_turn,
		    N - (turns - 1) * PER_TURN < PER_TURN
			? N - (turns - 1) * PER_TURN
			: PER_TURN);
		if (turns == 1)
			assert_trace(c->w, "a");
	}
	assert_int_equal(turns, (N + PER_TURN - 1) / PER_TURN);
	calendar_free(c);
}

/* From the callback: another one goes, this one comes again. */
static void
test_change_inside(void **state)
{
	struct calendar *c = calendar_new();

	(void)state;
	add(c, 0, 100);
	add(c, 1, 200);
	add(c, 2, 300);
	c->remove = &c->things[1];
	c->again = &c->things[0];
	loop_advance(c->w->loop, &c->w->clock, 150);
	assert_int_equal(c->things[0].came, 1);
	loop_advance(c->w->loop, &c->w->clock, 1000);
	assert_int_equal(c->things[0].came, 2);
	assert_int_equal(c->things[1].came, 0);
	assert_int_equal(c->things[2].came, 1);
	calendar_free(c);
}

/* One that is added before all others, and the past. */
static void
test_earlier(void **state)
{
	struct calendar *c = calendar_new();

	(void)state;
	add(c, 0, 1000);
	loop_advance(c->w->loop, &c->w->clock, 100);
	add(c, 1, 500);
	add(c, 2, 50);
	loop_advance(c->w->loop, &c->w->clock, 0);
	assert_int_equal(c->things[2].came, 1);
	loop_advance(c->w->loop, &c->w->clock, 400);
	assert_int_equal(c->things[1].came, 1);
	assert_int_equal(c->things[0].came, 0);
	calendar_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_change_inside),
		cmocka_unit_test(test_earlier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
