/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

/*
 * loop.h - descriptors, timers, signals, workers.  The only user of libevent.
 *
 * One thread runs loop_run() and every callback.  Thread-safe for other threads:
 * all loop_fd_*, loop_timer_*, loop_defer, loop_stop and loop_work calls
 * (libvirt adds handles from worker threads); a call from another thread wakes
 * the loop.  A callback may free anything, itself included; what another thread
 * frees may be just about to be called: there, release 'arg' by loop_defer().
 *
 * Timers live in a heap of ours keyed by the injected clock, so that a fake
 * clock drives the very same code (loop_advance); libevent sleeps until the
 * earliest.  Add, change and remove are O(log n).  Bounds: as many timers and
 * descriptors as the callers make; 72 octets per timer.
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

/* Runs until loop_stop(), also if that was called before. */
void loop_run(struct loop *);
void loop_stop(struct loop *);
/*
 * For tests with a fake clock (clock_fake(), passed to loop_new()): moves the
 * clock forward by 'us', running due timers in order, each at its own time, and
 * in between ready descriptors until there are none.  Not from a callback.
 */
void loop_advance(struct loop *, struct clock *fake, int64_t us);
/* One turn without waiting.  Not from a callback. */
void loop_poll(struct loop *);

/*
 * 'what' is LOOP_READ | LOOP_WRITE, or 0 to watch nothing for now.  'fn' gets
 * those that are ready, with LOOP_ERROR and LOOP_HANGUP if they are the reason.
 * The fd stays the caller's: free before closing it.  NULL if out of memory or
 * if the fd cannot be watched.
 */
struct loop_fd *loop_fd_new(struct loop *, int fd, unsigned what,
    void (*fn)(void *arg, int fd, unsigned what), void *arg);
void loop_fd_update(struct loop_fd *, unsigned what);
void loop_fd_free(struct loop_fd *); /* accepts NULL */

/*
 * A timer, unarmed; NULL if out of memory.  One shot: 'fn' may arm it again, or
 * free it.  Timers of the same time run in the order they were set; one set to
 * now or the past by a callback runs in the next turn, and so do those beyond
 * the first few hundred that are due at once.
 */
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
 * A named worker: one thread, one queue of at most 'limit' jobs (counted until
 * their 'done' begins), in order.  'fn' sees only its own job; 'done', if not
 * NULL, runs in the loop.  ERR_FULL at the limit, ERR_NOMEM.
 * loop_worker_free(), in the loop's thread, waits for the running job, runs no
 * queued one, and calls 'done' for none: the jobs stay the caller's.
 */
struct loop_worker *
loop_worker_new(struct loop *, const char *name, unsigned limit);
enum err loop_work(struct loop_worker *, void (*fn)(void *job),
    void (*done)(void *job), void *job) MUST_USE;
void loop_worker_free(struct loop_worker *); /* accepts NULL */

#endif
