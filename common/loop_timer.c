/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_timer.c - the timers of a loop: a binary heap, the earliest on top.
 *
 * loop.c asks for the earliest deadline before it sleeps and has the due ones
 * run in its turn.  An unarmed timer keeps its place behind the heap, so that
 * arming never fails for want of memory.
 */
#include "common/loop.h"

#include <stdlib.h>

#include "common/loop_state.h"

enum {
	TIMERS_MIN = 16,
	TIMERS_TURN = 256, /* of those due; then descriptors have their turn */
};

struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	struct mono deadline;
	uint64_t seq; /* order among equal deadlines */
	size_t index; /* in loop->timers */
};

/*
 * The heap.
 */
static bool
timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
	if (a->deadline.us != b->deadline.us)
		return a->deadline.us < b->deadline.us;
	return a->seq < b->seq;
}

static void
timers_swap(struct loop *l, size_t i, size_t j)
{
	struct loop_timer *t = l->timers[i];

	l->timers[i] = l->timers[j];
	l->timers[j] = t;
	l->timers[i]->index = i;
	l->timers[j]->index = j;
}

/* Restores the heap's order after the deadline of the timer at 'i' changed. */
static void
timers_fix(struct loop *l, size_t i)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (!timer_before(l->timers[i], l->timers[parent]))
			break;
		timers_swap(l, i, parent);
		i = parent;
	}
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->n_armed)
			return;
		if (child + 1 < l->n_armed &&
		    timer_before(l->timers[child + 1], l->timers[child]))
			child++;
		if (!timer_before(l->timers[child], l->timers[i]))
			return;
		timers_swap(l, i, child);
		i = child;
	}
}

static void
timer_disarm(struct loop *l, struct loop_timer *t)
{
	size_t i = t->index;

	if (i >= l->n_armed)
		return;
	timers_swap(l, i, --l->n_armed);
	if (i < l->n_armed)
		timers_fix(l, i);
}

/*
 * For loop.c.
 */
void
loop_timers_run(struct loop *l)
{
	uint64_t last;

	pthread_mutex_lock(&l->lock);
	last = l->seq; /* later ones wait for the next turn */
	for (unsigned i = 0; i < TIMERS_TURN && l->n_armed > 0; i++) {
		struct loop_timer *t = l->timers[0];
		void (*fn)(void *) = t->fn;
		void *arg = t->arg;

		if (mono_before(l->now, t->deadline) || t->seq > last)
			break;
		timer_disarm(l, t);
		l->calls++;
		pthread_mutex_unlock(&l->lock);
		fn(arg);
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
}

bool
loop_timers_next(const struct loop *l, struct mono *deadline)
{
	if (l->n_armed == 0)
		return false;
	*deadline = l->timers[0]->deadline;
	return true;
}

void
loop_timers_free(struct loop *l)
{
	while (l->n_timers > 0)
		loop_timer_free(l->timers[l->n_timers - 1]);
	free(l->timers);
}

/*
 * For all.
 */
struct loop_timer *
loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg };
	pthread_mutex_lock(&l->lock);
	/* Its place is taken now, so that setting it cannot fail. */
	if (l->n_timers == l->timers_size) {
		size_t size = l->timers_size ? l->timers_size * 2 : TIMERS_MIN;
		struct loop_timer **timers =
		    realloc(l->timers, size * sizeof(struct loop_timer *));

		if (!timers) {
			pthread_mutex_unlock(&l->lock);
			free(t);
			return NULL;
		}
		l->timers = timers;
		l->timers_size = size;
	}
	t->index = l->n_timers;
	l->timers[l->n_timers++] = t;
	pthread_mutex_unlock(&l->lock);
	return t;
}

void
loop_timer_set(struct loop_timer *t, int64_t in_ms)
{
	loop_timer_set_us(
	    t, in_ms > INT64_MAX / 2000 ? INT64_MAX / 2 : in_ms * 1000);
}

void
loop_timer_set_us(struct loop_timer *t, int64_t in_us)
{
	if (in_us < 0)
		in_us = 0;
	if (in_us > INT64_MAX / 2)
		in_us = INT64_MAX / 2;
	loop_timer_at(
	    t, (struct mono){ clock_mono(t->loop->clock).us + in_us });
}

void
loop_timer_at(struct loop_timer *t, struct mono deadline)
{
	struct loop *l = t->loop;
	struct mono now = clock_mono(l->clock);

	/* In the past is now: it must not overtake what is already due. */
	if (mono_before(deadline, now))
		deadline = now;
	pthread_mutex_lock(&l->lock);
	t->deadline = deadline;
	t->seq = ++l->seq;
	if (t->index >= l->n_armed)
		timers_swap(l, t->index, l->n_armed++);
	timers_fix(l, t->index);
	if (t->index == 0)
		loop_wake(l);
	pthread_mutex_unlock(&l->lock);
}

void
loop_timer_cancel(struct loop_timer *t)
{
	struct loop *l = t->loop;

	pthread_mutex_lock(&l->lock);
	timer_disarm(l, t);
	pthread_mutex_unlock(&l->lock);
}

bool
loop_timer_armed(const struct loop_timer *t)
{
	struct loop *l = t->loop;
	bool armed;

	pthread_mutex_lock(&l->lock);
	armed = t->index < l->n_armed;
	pthread_mutex_unlock(&l->lock);
	return armed;
}

void
loop_timer_free(struct loop_timer *t)
{
	struct loop *l;

	if (!t)
		return;
	l = t->loop;
	pthread_mutex_lock(&l->lock);
	timer_disarm(l, t);
	timers_swap(l, t->index, --l->n_timers);
	pthread_mutex_unlock(&l->lock);
	free(t);
}
