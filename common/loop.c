/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - the event loop: libevent for descriptors and signals, a heap of our
 * own for timers, a queue for what is to run soon, and worker threads.
 *
 * A turn is: wait for descriptors or the earliest timer (libevent), run the
 * callbacks of the ready ones, then the due timers, then the deferred calls.
 * Timers are ours because tests drive them by a fake clock and want them in a
 * fixed order; libevent only learns how long it may sleep.
 *
 * One lock guards all of it.  No callback runs with the lock held, and nothing of
 * ours is touched after a callback returned, so a callback may free whatever it
 * likes.  Only a loop_fd outlives its loop_fd_free(): another thread may have
 * called it just when libevent was about to call us, so it waits in the
 * graveyard for the end of the turn, when no callback of libevent is under way.
 * Lock order: ours, then libevent's, which it never holds while calling us.
 *
 * Workers are for calls that block (libvirt, state store, DNS); their results
 * come back through the queue of deferred calls.
 */
#include "common/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum {
	TIMERS_MIN = 16,
	SLEEP_MAX_S = 3600,
	SETTLE_MAX = 1000, /* turns of loop_advance() at one point in time */
	THREAD_NAME_MAX = 16,
};

struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	struct mono deadline;
	uint64_t seq; /* order among equal deadlines */
	size_t index; /* in loop->timers */
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

/* A deferred call, or a worker's job, whose 'done' becomes one. */
struct task {
	struct task *next;
	uint64_t seq;
	void (*fn)(void *arg);	/* in the loop */
	void (*job)(void *arg); /* in the worker */
	void *arg;
	struct loop_worker *worker; /* NULL: loop_defer() */
};

struct queue {
	struct task *head, **tail;
};

struct loop_worker {
	struct loop *loop;
	pthread_t thread;
	pthread_cond_t changed;
	struct queue jobs;
	unsigned n_jobs, limit;
	bool stop;
	struct loop_worker *next, **link; /* in loop->workers */
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
	uint64_t seq;
	/* The first n_armed are a heap, the rest are unarmed. */
	struct loop_timer **timers;
	size_t n_armed, n_timers, timers_size;
	struct queue deferred;
	struct loop_fd *fds, *graveyard;
	struct signal_watch *signals;
	struct loop_worker *workers;
};

static void
queue_init(struct queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
queue_push(struct queue *q, struct task *t)
{
	t->next = NULL;
	*q->tail = t;
	q->tail = &t->next;
}

static struct task *
queue_pop(struct queue *q)
{
	struct task *t = q->head;

	q->head = t->next;
	if (!q->head)
		q->tail = &q->head;
	return t;
}

/* Frees the tasks of 'w', or all for NULL. */
static void
queue_drop(struct queue *q, const struct loop_worker *w)
{
	struct task **link = &q->head, *t;

	while ((t = *link)) {
		if (!w || t->worker == w) {
			*link = t->next;
			free(t);
		} else {
			link = &t->next;
		}
	}
	q->tail = link;
}

/* Something changed that a waiting loop has not seen.  Locked. */
static void
wake(struct loop *l)
{
	if (l->waiting && !pthread_equal(l->thread, pthread_self())) {
		l->waiting = false;
		event_active(l->wake, EV_TIMEOUT, 0);
	}
}

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
run_timers(struct loop *l)
{
	uint64_t last;

	pthread_mutex_lock(&l->lock);
	last = l->seq; /* later ones wait for the next turn */
	while (l->n_armed > 0) {
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

static void
run_deferred(struct loop *l)
{
	uint64_t last;

	pthread_mutex_lock(&l->lock);
	last = l->seq;
	while (l->deferred.head && l->deferred.head->seq <= last) {
		struct task *t = queue_pop(&l->deferred);
		void (*fn)(void *) = t->fn;
		void *arg = t->arg;

		if (t->worker)
			t->worker->n_jobs--;
		free(t);
		l->calls++;
		pthread_mutex_unlock(&l->lock);
		if (fn)
			fn(arg);
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
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
	int64_t us;

	if (l->deferred.head || l->graveyard || l->stop)
		return false;
	if (l->n_armed > 0) {
		us = mono_diff_us(l->timers[0]->deadline, clock_mono(l->clock));
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
	run_timers(l);
	run_deferred(l);
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
	queue_init(&l->deferred);
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
	queue_drop(&l->deferred, NULL);
	while (l->fds)
		loop_fd_free(l->fds);
	bury(l);
	while (l->signals) {
		struct signal_watch *s = l->signals;

		l->signals = s->next;
		event_del(&s->event);
		free(s);
	}
	while (l->n_timers > 0)
		loop_timer_free(l->timers[l->n_timers - 1]);
	free(l->timers);
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
	wake(l);
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

	assert(l->clock == fake);
	settle(l);
	for (;;) {
		pthread_mutex_lock(&l->lock);
		next = l->n_armed > 0 ? l->timers[0]->deadline
				      : (struct mono){ INT64_MAX };
		pthread_mutex_unlock(&l->lock);
		if (mono_before(end, next))
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
	wake(l);
	pthread_mutex_unlock(&l->lock);
}

/*
 * Timers.
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
		wake(l);
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

enum err
loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return ERR_NOMEM;
	*t = (struct task){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&l->lock);
	t->seq = ++l->seq;
	queue_push(&l->deferred, t);
	wake(l);
	pthread_mutex_unlock(&l->lock);
	return ERR_OK;
}

/*
 * Workers.
 */
static void *
worker_main(void *arg)
{
	struct loop_worker *w = arg;
	struct loop *l = w->loop;

	pthread_mutex_lock(&l->lock);
	for (;;) {
		struct task *t;

		while (!w->stop && !w->jobs.head)
			pthread_cond_wait(&w->changed, &l->lock);
		if (w->stop)
			break;
		t = queue_pop(&w->jobs);
		pthread_mutex_unlock(&l->lock);
		t->job(t->arg);
		pthread_mutex_lock(&l->lock);
		t->seq = ++l->seq;
		queue_push(&l->deferred, t);
		wake(l);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* Starts the thread with all signals blocked: they are for the loop. */
static bool
worker_start(struct loop_worker *w, const char *name)
{
	char thread_name[THREAD_NAME_MAX];
	sigset_t all, old;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed)
		return false;
	snprintf(thread_name, sizeof(thread_name), "%s", name);
	pthread_setname_np(w->thread, thread_name);
	return true;
}

struct loop_worker *
loop_worker_new(struct loop *l, const char *name, unsigned limit)
{
	struct loop_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = l;
	w->limit = limit;
	queue_init(&w->jobs);
	pthread_cond_init(&w->changed, NULL);
	if (!worker_start(w, name)) {
		pthread_cond_destroy(&w->changed);
		free(w);
		return NULL;
	}
	pthread_mutex_lock(&l->lock);
	w->next = l->workers;
	w->link = &l->workers;
	if (w->next)
		w->next->link = &w->next;
	l->workers = w;
	pthread_mutex_unlock(&l->lock);
	return w;
}

enum err
loop_work(struct loop_worker *w, void (*fn)(void *job), void (*done)(void *job),
    void *job)
{
	struct loop *l = w->loop;
	struct task *t = calloc(1, sizeof(*t));
	enum err err = ERR_OK;

	if (!t)
		return ERR_NOMEM;
	*t = (struct task){ .job = fn, .fn = done, .arg = job, .worker = w };
	pthread_mutex_lock(&l->lock);
	if (w->n_jobs < w->limit) {
		w->n_jobs++;
		queue_push(&w->jobs, t);
		pthread_cond_signal(&w->changed);
	} else {
		free(t);
		err = ERR_FULL;
	}
	pthread_mutex_unlock(&l->lock);
	return err;
}

void
loop_worker_free(struct loop_worker *w)
{
	struct loop *l;

	if (!w)
		return;
	l = w->loop;
	pthread_mutex_lock(&l->lock);
	w->stop = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&l->lock);
	pthread_join(w->thread, NULL);

	pthread_mutex_lock(&l->lock);
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	queue_drop(&l->deferred, w);
	pthread_mutex_unlock(&l->lock);
	queue_drop(&w->jobs, NULL);
	pthread_cond_destroy(&w->changed);
	free(w);
}
