/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LOOP_STATE_H
#define COMMON_LOOP_STATE_H

/*
 * loop_state.h - what the files of the loop share; the rest of the program sees
 * loop.h.
 *
 *     loop.c        the turn, descriptors, signals; the only user of libevent
 *     loop_timer.c  timers: a heap keyed by the injected clock
 *     loop_work.c   deferred calls, workers
 *
 * One lock guards all of it; "Locked" below means that the caller holds it.
 */
#include <pthread.h>

#include "common/loop.h"

struct event;
struct event_base;
struct signal_watch;
struct task;

struct task_queue {
	struct task *head, **tail;
};

struct loop {
	const struct clock *clock;
	struct event_base *base;
	struct event *sleep, *wake;

	/* Of the loop's thread alone. */
	struct mono now;
	bool in_turn; /* 'now' is valid */
	uint64_t calls;

	pthread_mutex_t lock; /* of all that follows */
	pthread_t thread;     /* that runs the turn */
	bool waiting;	      /* for events: wake it if something changes */
	bool stop;
	uint64_t seq; /* of what was set or deferred last */
	/* The first n_armed are a heap, the rest are unarmed. */
	struct loop_timer **timers;
	size_t n_armed, n_timers, timers_size;
	struct task_queue deferred;
	struct loop_fd *fds, *graveyard;
	struct signal_watch *signals;
	struct loop_worker *workers;
};

/* Something changed that a waiting loop has not seen.  Locked. */
void loop_wake(struct loop *);

/* Runs timers that are due by 'now' and were set before this call: some. */
void loop_timers_run(struct loop *);
/* False if no timer is armed, else the earliest 'deadline'.  Locked. */
bool loop_timers_next(const struct loop *, struct mono *deadline);
/* Frees the timers and their table, at the end of the loop. */
void loop_timers_free(struct loop *);

/* Runs what was deferred before this call, results of workers among it. */
void loop_deferred_run(struct loop *);
void loop_deferred_init(struct loop *);
/* Frees what waits, at the end of the loop; calls nothing. */
void loop_deferred_free(struct loop *);

#endif
