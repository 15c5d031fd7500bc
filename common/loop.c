/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - the event loop: its turn, descriptors and signals, by libevent.
 *
 * A turn is: wait for descriptors or the earliest timer (libevent), run the
 * callbacks of the ready ones, then the due timers (loop_timer.c), then the
 * deferred calls (loop_work.c).  Timers are ours because tests drive them by a
 * fake clock and want them in a fixed order; libevent only learns how long it
 * may sleep.
 *
 * No callback runs with the lock held, and nothing of ours is touched after a
 * callback returned, so a callback may free whatever it likes.  Only a loop_fd
 * outlives its loop_fd_free(): another thread may have called it just when
 * libevent was about to call us, so it waits in the graveyard for the end of the
 * turn, when no callback of libevent is under way.  Lock order: ours, then
 * libevent's, which it never holds while calling us.
 */
#include "common/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <poll.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/loop_state.h"

enum {
	SLEEP_MAX_S = 3600,
	SETTLE_MAX = 1000, /* turns of loop_advance() at one point in time */
};

struct loop_fd {
	struct loop *loop;
	struct event event;
	int fd;
	unsigned what;
	bool dead; /* freed, in the graveyard */
	void (*fn)(void *arg, int fd, unsigned what);
	void *arg;
	struct loop_fd *next, **link; /* in loop->fds or loop->graveyard */
};

struct signal_watch {
	struct loop *loop;
	struct event event;
	void (*fn)(void *arg, int signo);
	void *arg;
	struct signal_watch *next;
};

void
loop_wake(struct loop *l)
{
	if (l->waiting && !pthread_equal(l->thread, pthread_self())) {
		l->waiting = false;
		event_active(l->wake, EV_TIMEOUT, 0);
	}
}

/*
 * A turn.
 */
static void
turn_begin(struct loop *l)
{
	if (!l->in_turn) {
		l->now = clock_mono(l->clock);
		l->in_turn = true;
	}
}

/* From libevent. */
static void
fd_ready(evutil_socket_t fd, short event, void *arg)
{
	struct loop_fd *f = arg;
	struct loop *l = f->loop;
	struct pollfd p = { .fd = fd };
	void (*fn)(void *, int, unsigned);
	unsigned what = 0;
	void *fn_arg;

	pthread_mutex_lock(&l->lock);
	if (event & EV_READ)
		what |= LOOP_READ;
	if (event & EV_WRITE)
		what |= LOOP_WRITE;
	what &= f->dead ? 0 : f->what;
	fn = f->fn;
	fn_arg = f->arg;
	pthread_mutex_unlock(&l->lock);
	if (!what)
		return; /* changed by another thread meanwhile */

	/* libevent does not tell an error from data. */
	if (poll(&p, 1, 0) > 0) {
		if (p.revents & POLLERR)
			what |= LOOP_ERROR;
		if (p.revents & POLLHUP)
			what |= LOOP_HANGUP;
	}
	turn_begin(l);
	l->calls++;
	fn(fn_arg, fd, what);
}

/* From libevent. */
static void
signal_came(evutil_socket_t signo, short event, void *arg)
{
	struct signal_watch *s = arg;

	(void)event;
	turn_begin(s->loop);
	s->loop->calls++;
	s->fn(s->arg, signo);
}

/* From libevent: all that matters is that it no longer waits. */
static void
woken(evutil_socket_t fd, short event, void *arg)
{
	(void)fd;
	(void)event;
	(void)arg;
}

static void
bury(struct loop *l)
{
	struct loop_fd *f, *next;

	pthread_mutex_lock(&l->lock);
	f = l->graveyard;
	l->graveyard = NULL;
	pthread_mutex_unlock(&l->lock);
	for (; f; f = next) {
		next = f->next;
		free(f);
	}
}

/* Tells libevent how long it may sleep; false if not at all.  Locked. */
static bool
sleep_set(struct loop *l)
{
	struct timeval tv = { .tv_sec = SLEEP_MAX_S };
	struct mono next;
	int64_t us;

	if (l->deferred.head || l->graveyard || l->stop)
		return false;
	if (loop_timers_next(l, &next)) {
		us = mono_diff_us(next, clock_mono(l->clock));
		if (us <= 0)
			return false;
		if (us < SLEEP_MAX_S * INT64_C(1000000)) {
			tv.tv_sec = us / 1000000;
			tv.tv_usec = us % 1000000;
		}
	}
	return event_add(l->sleep, &tv) == 0;
}

/* One turn; returns true if it called anything. */
static bool
turn(struct loop *l, bool wait)
{
	uint64_t calls = l->calls;
	int flags = EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_ONCE;

	pthread_mutex_lock(&l->lock);
	l->thread = pthread_self();
	l->waiting = wait && sleep_set(l);
	if (!l->waiting)
		flags |= EVLOOP_NONBLOCK;
	pthread_mutex_unlock(&l->lock);

	event_base_loop(l->base, flags);

	pthread_mutex_lock(&l->lock);
	l->waiting = false;
	pthread_mutex_unlock(&l->lock);

	turn_begin(l);
	loop_timers_run(l);
	loop_deferred_run(l);
	bury(l);
	l->in_turn = false;
	return l->calls != calls;
}

/* All that happens at this point in time. */
static void
settle(struct loop *l)
{
	for (unsigned i = 0; i < SETTLE_MAX && turn(l, false); i++)
		;
}

/*
 * The loop.
 */
static void
libevent_log(int severity, const char *text)
{
	switch (severity) {
	case EVENT_LOG_ERR:
		log_error("loop", "%s", text);
		break;
	case EVENT_LOG_WARN:
		log_warning("loop", "%s", text);
		break;
	default:
		log_debug("loop", "%s", text);
	}
}

static struct event_base *
base_new(void)
{
	struct event_config *config;
	struct event_base *base = NULL;

	event_set_log_callback(libevent_log);
	if (evthread_use_pthreads() != 0)
		return NULL;
	config = event_config_new();
	/* Microseconds: held packets are flushed at a pace. */
	if (config &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

struct loop *
loop_new(const struct clock *clock)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->clock = clock;
	pthread_mutex_init(&l->lock, NULL);
	loop_deferred_init(l);
	l->base = base_new();
	if (!l->base)
		goto fail;
	l->sleep = evtimer_new(l->base, woken, NULL);
	l->wake = event_new(l->base, -1, 0, woken, NULL);
	if (!l->sleep || !l->wake)
		goto fail;
	return l;
fail:
	loop_free(l);
	return NULL;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->workers)
		loop_worker_free(l->workers);
	loop_deferred_free(l);
	while (l->fds)
		loop_fd_free(l->fds);
	bury(l);
	while (l->signals) {
		struct signal_watch *s = l->signals;

		l->signals = s->next;
		event_del(&s->event);
		free(s);
	}
	loop_timers_free(l);
	if (l->sleep)
		event_free(l->sleep);
	if (l->wake)
		event_free(l->wake);
	if (l->base)
		event_base_free(l->base);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

const struct clock *
loop_clock(const struct loop *l)
{
	return l->clock;
}

struct mono
loop_now(const struct loop *l)
{
	return l->in_turn ? l->now : clock_mono(l->clock);
}

void
loop_run(struct loop *l)
{
	bool stop = false;

	while (!stop) {
		turn(l, true);
		pthread_mutex_lock(&l->lock);
		stop = l->stop;
		if (stop)
			l->stop = false;
		pthread_mutex_unlock(&l->lock);
	}
}

void
loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	loop_wake(l);
	pthread_mutex_unlock(&l->lock);
}

void
loop_poll(struct loop *l)
{
	turn(l, false);
}

void
loop_advance(struct loop *l, struct clock *fake, int64_t us)
{
	struct mono end = { clock_mono(fake).us + us }, next;
	bool due;

	assert(l->clock == fake);
	settle(l);
	for (;;) {
		pthread_mutex_lock(&l->lock);
		due = loop_timers_next(l, &next) && !mono_before(end, next);
		pthread_mutex_unlock(&l->lock);
		if (!due)
			break;
		if (mono_before(clock_mono(fake), next))
			clock_advance(
			    fake, mono_diff_us(next, clock_mono(fake)));
		settle(l);
	}
	clock_advance(fake, mono_diff_us(end, clock_mono(fake)));
	settle(l);
}

/*
 * Descriptors.
 */

/* Registers what 'f->what' says.  Locked. */
static bool
fd_watch(struct loop_fd *f)
{
	short events = EV_PERSIST;

	if (!(f->what & (LOOP_READ | LOOP_WRITE)))
		return true;
	if (f->what & LOOP_READ)
		events |= EV_READ;
	if (f->what & LOOP_WRITE)
		events |= EV_WRITE;
	return event_assign(
		   &f->event, f->loop->base, f->fd, events, fd_ready, f) == 0 &&
	    event_add(&f->event, NULL) == 0;
}

static void
fd_unwatch(struct loop_fd *f)
{
	/* Not event_del(): that waits for a running callback. */
	if (event_initialized(&f->event))
		event_del_noblock(&f->event);
}

struct loop_fd *
loop_fd_new(struct loop *l, int fd, unsigned what,
    void (*fn)(void *arg, int fd, unsigned what), void *arg)
{
	struct loop_fd *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct loop_fd){
		.loop = l,
		.fd = fd,
		.what = what,
		.fn = fn,
		.arg = arg,
	};
	pthread_mutex_lock(&l->lock);
	if (!fd_watch(f)) {
		pthread_mutex_unlock(&l->lock);
		free(f);
		return NULL;
	}
	f->next = l->fds;
	f->link = &l->fds;
	if (f->next)
		f->next->link = &f->next;
	l->fds = f;
	pthread_mutex_unlock(&l->lock);
	return f;
}

void
loop_fd_update(struct loop_fd *f, unsigned what)
{
	struct loop *l = f->loop;

	pthread_mutex_lock(&l->lock);
	if (what != f->what) {
		fd_unwatch(f);
		f->what = what;
		if (!fd_watch(f))
			log_error("loop", "cannot watch descriptor %d", f->fd);
	}
	pthread_mutex_unlock(&l->lock);
}

void
loop_fd_free(struct loop_fd *f)
{
	struct loop *l;

	if (!f)
		return;
	l = f->loop;
	pthread_mutex_lock(&l->lock);
	fd_unwatch(f);
	f->dead = true;
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	f->next = l->graveyard;
	l->graveyard = f;
	loop_wake(l);
	pthread_mutex_unlock(&l->lock);
}

/*
 * Signals.
 */
enum err
loop_signal(
    struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct signal_watch *s = calloc(1, sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	*s = (struct signal_watch){ .loop = l, .fn = fn, .arg = arg };
	if (evsignal_assign(&s->event, l->base, signo, signal_came, s) != 0 ||
	    event_add(&s->event, NULL) != 0) {
		free(s);
		return ERR_NOMEM;
	}
	s->next = l->signals;
	l->signals = s;
	return ERR_OK;
}
