/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

/*
 * loop.h - descriptors, timers, signals, workers.  The only user of libevent.
 *
 * One thread runs loop_run() and every callback.  Thread-safe for other threads:
 * all loop_fd_*, loop_timer_*, loop_defer and loop_work calls (libvirt adds
 * handles from worker threads); a call from another thread wakes the loop.
 *
 * Timers live in a heap of ours keyed by the injected clock, so that a fake
 * clock drives the very same code (loop_advance); libevent sleeps until the
 * earliest.  Add, change and remove are O(log n).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_worker;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_ERROR = 4, LOOP_HANGUP = 8 };

/* NULL if out of memory.  'clock' is borrowed and must outlive the loop. */
struct loop *loop_new(const struct clock *clock);
/* Frees the loop and whatever is still registered with it; accepts NULL. */
void loop_free(struct loop *);
const struct clock *loop_clock(const struct loop *);
/* Time at the start of this turn of the loop. */
struct mono loop_now(const struct loop *);

/* Runs until loop_stop(). */
void loop_run(struct loop *);
void loop_stop(struct loop *);
/*
 * For tests with a fake clock (clock_fake(), passed to loop_new()): moves the
 * clock forward by 'us', running due timers in order, each at its own time, and
 * ready descriptors in between.
 */
void loop_advance(struct loop *, struct clock *fake, int64_t us);
/* One turn without waiting. */
void loop_poll(struct loop *);

/* 'what' is LOOP_READ | LOOP_WRITE.  The fd stays the caller's. */
struct loop_fd *loop_fd_new(struct loop *, int fd, unsigned what,
    void (*fn)(void *arg, int fd, unsigned what), void *arg);
void loop_fd_update(struct loop_fd *, unsigned what);
void loop_fd_free(struct loop_fd *); /* accepts NULL */

/* A timer, unarmed.  One shot: 'fn' may arm it again, or free it. */
struct loop_timer *
loop_timer_new(struct loop *, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *, int64_t in_ms);
void loop_timer_set_us(struct loop_timer *, int64_t in_us);
void loop_timer_at(struct loop_timer *, struct mono);
void loop_timer_cancel(struct loop_timer *);
bool loop_timer_armed(const struct loop_timer *);
void loop_timer_free(struct loop_timer *); /* accepts NULL */

/* Calls 'fn' when the process gets 'signo'.  ERR_NOMEM. */
enum err loop_signal(struct loop *, int signo, void (*fn)(void *arg, int signo),
    void *arg) MUST_USE;

/* Runs 'fn' in the loop's thread, soon, in order.  ERR_NOMEM. */
enum err loop_defer(struct loop *, void (*fn)(void *arg), void *arg) MUST_USE;

/*
 * A named worker: one thread, one queue of at most 'limit' jobs, in order.
 * 'fn' sees only its own job; 'done' runs in the loop.  ERR_FULL at the limit.
 * loop_worker_free() waits for the running job, runs no queued one, and calls
 * 'done' for none.
 */
struct loop_worker *
loop_worker_new(struct loop *, const char *name, unsigned limit);
enum err loop_work(struct loop_worker *, void (*fn)(void *job),
    void (*done)(void *job), void *job) MUST_USE;
void loop_worker_free(struct loop_worker *);

#endif
