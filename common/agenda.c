/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agenda.c - one deadline per entry of a large table: a binary heap of
 * (deadline, node), the earliest on top, and one loop_timer for the top.
 *
 * The deadlines lie in the heap itself, so that keeping its order touches no
 * entry but those that change their place.  Of the due ones a turn takes a bounded
 * number; the timer is then set to now, which is the next turn (loop.h).
 */
#include "common/agenda.h"

#include <assert.h>
#include <stdlib.h>

#include "common/loop.h"

enum { SLOTS_MIN = 64 };

struct slot {
	struct mono deadline;
	struct agenda_node *node;
};

struct agenda {
	struct loop *loop;
	struct loop_timer *timer;
	unsigned per_turn;
	void (*fn)(void *arg, struct agenda_node *);
	void *arg;
	struct slot *slots; /* the first at index 1 */
	uint32_t n, size;
	bool running; /* the timer is set when all are done */
};

static void
put(struct agenda *a, uint32_t at, struct slot s)
{
	a->slots[at] = s;
	s.node->place = at;
}

/* Where 's' belongs in place of the one at 'at'. */
static void
settle(struct agenda *a, uint32_t at, struct slot s)
{
	while (at > 1 && mono_before(s.deadline, a->slots[at / 2].deadline)) {
		put(a, at, a->slots[at / 2]);
		at /= 2;
	}
	for (;;) {
		uint32_t child = 2 * at;

		if (child > a->n)
			break;
		if (child < a->n &&
		    mono_before(
			a->slots[child + 1].deadline, a->slots[child].deadline))
			child++;
		if (!mono_before(a->slots[child].deadline, s.deadline))
			break;
		put(a, at, a->slots[child]);
		at = child;
	}
	put(a, at, s);
}

static void
arm(struct agenda *a)
{
	if (a->running)
		return;
	if (a->n)
		loop_timer_at(a->timer, a->slots[1].deadline);
	else
		loop_timer_cancel(a->timer);
}

static void
take_out(struct agenda *a, struct agenda_node *node)
{
	const uint32_t at = node->place;
	struct slot last = a->slots[a->n--];

	node->place = 0;
	if (last.node != node)
		settle(a, at, last);
}

static void
due(void *arg)
{
	struct agenda *a = arg;
	const struct mono now = loop_now(a->loop);

	a->running = true;
	for (unsigned i = 0;
	     i < a->per_turn && a->n && !mono_before(now, a->slots[1].deadline);
	     i++) {
		struct agenda_node *node = a->slots[1].node;

		take_out(a, node);
		a->fn(a->arg, node);
	}
	a->running = false;
	arm(a);
}

struct agenda *
agenda_new(struct loop *loop, unsigned per_turn,
    void (*fn)(void *arg, struct agenda_node *), void *arg)
{
	struct agenda *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct agenda){
		.loop = loop, .per_turn = per_turn, .fn = fn, .arg = arg
	};
	a->timer = loop_timer_new(loop, due, a);
	if (a->timer)
		return a;
	free(a);
	return NULL;
}

void
agenda_free(struct agenda *a)
{
	if (!a)
		return;
	loop_timer_free(a->timer);
	free(a->slots);
	free(a);
}

/* Makes sure that there is a slot for one more. */
static enum err
reserve(struct agenda *a)
{
	const uint32_t size = a->size ? 2 * a->size : SLOTS_MIN;
	struct slot *slots;

	if (a->n + 1 < a->size)
		return ERR_OK;
	if (size < a->size)
		return ERR_NOMEM;
	slots = realloc(a->slots, size * sizeof(*slots));
	if (!slots)
		return ERR_NOMEM;
	a->slots = slots;
	a->size = size;
	return ERR_OK;
}

enum err
agenda_add(struct agenda *a, struct agenda_node *node, struct mono deadline)
{
	enum err err;

	if (node->place) {
		agenda_move(a, node, deadline);
		return ERR_OK;
	}
	err = reserve(a);
	if (err)
		return err;
	a->n++;
	settle(a, a->n, (struct slot){ deadline, node });
	if (node->place == 1)
		arm(a);
	return ERR_OK;
}

void
agenda_move(struct agenda *a, struct agenda_node *node, struct mono deadline)
{
	const bool was_first = node->place == 1;

	assert(node->place);
	settle(a, node->place, (struct slot){ deadline, node });
	if (was_first || node->place == 1)
		arm(a);
}

void
agenda_remove(struct agenda *a, struct agenda_node *node)
{
	const bool was_first = node->place == 1;

	if (!node->place)
		return;
	take_out(a, node);
	if (was_first)
		arm(a);
}

struct mono
agenda_deadline(const struct agenda *a, const struct agenda_node *node)
{
	assert(node->place);
	return a->slots[node->place].deadline;
}
