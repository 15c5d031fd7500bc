/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_STORIES_H
#define TESTS_SIM_STORIES_H

/*
 * stories.h - what happens to the VMs of test_random.c: they boot, move, are
 * rolled back, end, lose their host; libvirt and hypervisors, as it were.
 */
#include "agents.h"

enum phase { OFF, RUNS, PREPARED, COPYING, ROLLING_BACK, SWITCHED, ARRIVED };

struct world {
	struct sim *s;
	struct agents a;
	uint64_t seed;
	bool closing;
	int64_t slow; /* this many times slower than life: packets, events */
	struct loop_timer *traffic;
	struct story { /* of one VM */
		struct world *w;
		struct vm *vm;
		enum phase phase;
		int target;
		struct loop_timer *timer;
		uint64_t delivered[SIM_NODES];
	} stories[AGENT_VMS];
};

static unsigned
roll(struct world *w, unsigned n)
{
	return (unsigned)(sim_random(w->s) >> 16) % n;
}

static int64_t
pause_ms(struct world *w)
{
	static const int choices[] = { 1, 3, 20, 60, 200, 400, 1500, 6000 };

	return choices[roll(w, 8)];
}

static void
boot(struct story *y)
{
	const unsigned host = roll(y->w, SIM_HOSTS);
	struct stay *t = &y->vm->stays[host];

	if (t->frozen)
		return;
	y->vm->at = (int)host;
	y->vm->meta_generation = 0;
	y->vm->meta_owner = -1;
	t->reclaims = 0;
	stay_claim(t, CPM_PRESENT);
	y->phase = RUNS;
}

static void
called_off(struct story *y)
{
	struct stay *b = &y->vm->stays[y->target];

	y->vm->incoming[y->target] = false;
	if (b->state != ARRIVING)
		return;
	b->state = GONE;
	if (!b->frozen)
		stay_say(b, CPM_ABORTED, 0);
}

static void
goes_on_here(struct story *y)
{
	struct stay *a = &y->vm->stays[y->vm->at];

	if (a->state != DEPARTING && a->state != PAUSED)
		return;
	a->state = HERE;
	stay_say(a, CPM_ABORTED, a->own);
}

/* The VM runs; what next? */
static void
begin_something(struct story *y)
{
	struct world *w = y->w;
	struct stay *a = &y->vm->stays[y->vm->at], *b;
	const unsigned what = roll(w, 100);

	if (what < 8) { /* it ends */
		y->vm->at = -1;
		y->phase = OFF;
		a->state = GONE;
		stay_say(a, CPM_ABSENT, a->own);
	} else if (what < 12) { /* its host dies, nobody says so */
		y->vm->at = -1;
		y->phase = OFF;
		a->frozen = true;
	} else if (what < 16) { /* the agent is restarted */
		a->claim_nonce = a->high = 0;
		a->reclaims = 0;
		if (a->said[OWNERSHIP].open)
			return;
		if (y->vm->meta_owner == (int)a->host &&
		    y->vm->meta_generation == a->own)
			stay_say(a, CPM_PRESENT, a->own);
		else
			stay_claim(a, CPM_PRESENT);
	} else {
		do
			y->target = (int)roll(w, SIM_HOSTS);
		while (y->target == y->vm->at);
		b = &y->vm->stays[y->target];
		if (b->frozen)
			return;
		y->vm->incoming[y->target] = true;
		if (what < 90) { /* else the event is lost */
			b->state = ARRIVING;
			stay_say(b, CPM_ARRIVING, y->vm->meta_generation);
		}
		y->phase = PREPARED;
	}
}

static void
switched(struct story *y)
{
	struct world *w = y->w;
	struct stay *a = &y->vm->stays[y->vm->at];
	struct stay *b = &y->vm->stays[y->target];
	const bool departed_first = roll(w, 10) == 0;

	if (roll(w, 100) < 15) {
		goes_on_here(y);
		called_off(y);
		y->phase = RUNS;
		return;
	}
	y->vm->at = y->target;
	y->vm->incoming[y->target] = false;
	y->phase = RUNS;
	if (departed_first) {
		a->state = GONE;
		stay_say(a, CPM_DEPARTED, a->own);
	}
	b->reclaims = 0;
	stay_claim(b, CPM_ARRIVED);
	if (!departed_first) {
		y->target = (int)a->host; /* which has to be left yet */
		y->phase = ARRIVED;
	}
}

static void
left(struct story *y)
{
	struct world *w = y->w;
	struct stay *a = &y->vm->stays[y->target];
	struct stay *b = &y->vm->stays[y->vm->at];

	y->phase = RUNS;
	if (roll(w, 100) < 6) { /* the target failed after all */
		y->vm->at = (int)a->host;
		a->state = HERE;
		stay_say(a, CPM_ABORTED, a->own);
		b->state = GONE;
		stay_say(b, CPM_ABSENT, b->own);
	} else if (roll(w, 100) < 85) {
		a->state = GONE;
		stay_say(a, CPM_DEPARTED, a->own);
	} /* else libvirt did not say so: the next listing does */
}

static void
story_due(void *arg)
{
	struct story *y = arg;
	struct world *w = y->w;
	struct stay *a = y->vm->at < 0 ? NULL : &y->vm->stays[y->vm->at];

	switch (y->phase) {
	case OFF:
		if (!w->closing || roll(w, 4))
			boot(y);
		else
			return;
		break;
	case RUNS:
		if (w->closing)
			return;
		begin_something(y);
		break;
	case PREPARED:
		if (a->state == HERE) {
			a->state = DEPARTING;
			stay_say(a, CPM_DEPARTING, a->own);
		}
		y->phase = COPYING;
		break;
	case COPYING:
		if (roll(w, 100) < 20) {
			called_off(y);
			y->phase = ROLLING_BACK; /* found by polling */
			loop_timer_set(y->timer, 2500);
			return;
		}
		a->state = PAUSED;
		stay_say(a, CPM_PAUSED, a->own);
		y->phase = SWITCHED;
		break;
	case ROLLING_BACK:
		goes_on_here(y);
		y->phase = RUNS;
		break;
	case SWITCHED:
		switched(y);
		break;
	case ARRIVED:
		left(y);
		break;
	}
	/* What has begun goes on at its own pace. */
	loop_timer_set(y->timer,
	    pause_ms(w) * (y->phase <= RUNS && !w->closing ? w->slow : 1));
}

#endif
