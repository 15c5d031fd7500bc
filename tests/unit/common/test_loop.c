/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_loop.c - timers by a fake clock, descriptors, signals, threads.
 *
 * Nothing here asserts that something is fast: the machine may be busy.
 */
#include "common/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 300, THREADS = 4, ROUNDS = 500 };

struct world {
	struct clock clock;
	struct loop *loop;
	struct mono start;
	char trace[256]; /* one letter per event */
	struct loop_timer *timers[4];
	struct loop_fd *fds[4];
	int pair[2];
};

static struct world *
world_new(bool fake)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	if (fake)
		clock_fake(&w->clock, 1700000000000000);
	else
		clock_system(&w->clock);
	w->loop = loop_new(&w->clock);
	assert_non_null(w->loop);
	w->start = clock_mono(&w->clock);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->pair), 0);
	return w;
}

static void
world_free(struct world *w)
{
	loop_free(w->loop);
	for (int i = 0; i < 2; i++)
		if (w->pair[i] >= 0)
			close(w->pair[i]);
	free(w);
}

static void
trace(struct world *w, char c)
{
	size_t n = strlen(w->trace);

	assert_true(n + 1 < sizeof(w->trace));
	w->trace[n] = c;
}

static void
assert_trace(struct world *w, const char *expected)
{
	assert_string_equal(w->trace, expected);
	memset(w->trace, 0, sizeof(w->trace));
}

/*
 * Timers.
 */
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
on_a(void *arg)
{
	trace(arg, 'a');
}

static void
on_b(void *arg)
{
	trace(arg, 'b');
}

static void
on_c(void *arg)
{
	trace(arg, 'c');
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

/*
 * Descriptors.
 */
static void
on_read(void *arg, int fd, unsigned what)
{
	struct world *w = arg;
	char c = '?';

	assert_true(what & LOOP_READ);
	if (read(fd, &c, 1) == 1)
		trace(w, c);
	else
		trace(w, '.');
	if (what & LOOP_HANGUP) {
		trace(w, 'H');
		loop_fd_free(w->fds[0]);
		w->fds[0] = NULL;
	}
}

static void
on_write(void *arg, int fd, unsigned what)
{
	struct world *w = arg;

	(void)fd;
	assert_true(what & LOOP_WRITE);
	trace(w, 'w');
	loop_fd_update(w->fds[1], 0);
}

static void
test_fd(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	w->fds[0] = loop_fd_new(w->loop, w->pair[0], LOOP_READ, on_read, w);
	assert_non_null(w->fds[0]);
	loop_poll(w->loop);
	assert_trace(w, "");
	assert_int_equal(write(w->pair[1], "12", 2), 2);
	loop_poll(w->loop); /* level triggered, one call a turn */
	assert_trace(w, "1");
	loop_fd_update(w->fds[0], 0);
	loop_poll(w->loop);
	assert_trace(w, "");
	loop_fd_update(w->fds[0], LOOP_READ);
	loop_advance(w->loop, &w->clock, 0);
	assert_trace(w, "2");

	w->fds[1] = loop_fd_new(w->loop, w->pair[1], 0, on_write, w);
	loop_advance(w->loop, &w->clock, 1000);
	assert_trace(w, "");
	loop_fd_update(w->fds[1], LOOP_WRITE);
	loop_advance(w->loop, &w->clock, 1000);
	assert_trace(w, "w");
	loop_fd_free(w->fds[1]);
	close(w->pair[1]);
	w->pair[1] = -1;
	loop_advance(w->loop, &w->clock, 1000);
	assert_trace(w, ".H");
	assert_null(w->fds[0]);
	loop_fd_free(NULL);
	world_free(w);
}

/* What epoll cannot watch is refused, not lost. */
static void
test_fd_refused(void **state)
{
	struct world *w = world_new(true);
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_true(fd >= 0);
	assert_null(loop_fd_new(w->loop, fd, LOOP_READ, on_read, w));
	assert_null(loop_fd_new(w->loop, 12345, LOOP_READ, on_read, w));
	close(fd);
	world_free(w);
}

/* Whichever comes first frees both, though both are ready. */
static void
on_read_free_both(void *arg, int fd, unsigned what)
{
	struct world *w = arg;

	(void)fd;
	(void)what;
	trace(w, 'r');
	for (int i = 0; i < 2; i++) {
		loop_fd_free(w->fds[i]);
		close(w->pair[i]);
		w->pair[i] = -1;
	}
}

static void
test_fd_free_in_callback(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	assert_int_equal(write(w->pair[0], "x", 1), 1);
	assert_int_equal(write(w->pair[1], "x", 1), 1);
	for (int i = 0; i < 2; i++)
		w->fds[i] = loop_fd_new(
		    w->loop, w->pair[i], LOOP_READ, on_read_free_both, w);
	loop_advance(w->loop, &w->clock, 1000);
	assert_trace(w, "r");
	world_free(w);
}

static void
on_bounce(void *arg, int fd, unsigned what)
{
	struct world *w = arg;
	char c;

	(void)what;
	assert_int_equal(read(fd, &c, 1), 1);
	trace(w, c);
	if (++c <= 'f')
		assert_int_equal(write(fd, &c, 1), 1);
}

/* A whole exchange happens at one point in time, before the timers after it. */
static void
test_fd_exchange(void **state)
{
	struct world *w = world_new(true);
	struct loop_timer *b = loop_timer_new(w->loop, on_b, w);

	(void)state;
	for (int i = 0; i < 2; i++)
		w->fds[i] =
		    loop_fd_new(w->loop, w->pair[i], LOOP_READ, on_bounce, w);
	loop_timer_set_us(b, 1);
	assert_int_equal(write(w->pair[0], "a", 1), 1);
	loop_advance(w->loop, &w->clock, 1);
	assert_trace(w, "abcdefb");
	world_free(w);
}

/*
 * Deferred calls.
 */
static void
on_defer_more(void *arg)
{
	struct world *w = arg;

	trace(w, 'd');
	assert_int_equal(loop_defer(w->loop, on_b, w), ERR_OK);
}

static void
test_defer(void **state)
{
	struct world *w = world_new(true);

	(void)state;
	assert_int_equal(loop_defer(w->loop, on_a, w), ERR_OK);
	assert_int_equal(loop_defer(w->loop, on_defer_more, w), ERR_OK);
	assert_int_equal(loop_defer(w->loop, on_c, w), ERR_OK);
	assert_trace(w, ""); /* not now */
	loop_poll(w->loop);
	assert_trace(w, "adc");
	loop_poll(w->loop);
	assert_trace(w, "b");
	/* What is left is freed with the loop, and not run. */
	assert_int_equal(loop_defer(w->loop, on_a, w), ERR_OK);
	world_free(w);
}

/*
 * The real clock, signals and threads.
 */
static void
on_stop(void *arg)
{
	struct world *w = arg;

	trace(w, 's');
	loop_stop(w->loop);
}

static void
test_run(void **state)
{
	struct world *w = world_new(false);
	struct loop_timer *a = loop_timer_new(w->loop, on_a, w),
			  *s = loop_timer_new(w->loop, on_stop, w);

	(void)state;
	loop_timer_set(s, 20);
	loop_timer_set_us(a, 1500);
	loop_run(w->loop);
	assert_trace(w, "as");
	assert_true(mono_diff_us(clock_mono(&w->clock), w->start) >= 20000);
	assert_true(loop_clock(w->loop) == &w->clock);

	loop_stop(w->loop); /* before it runs */
	loop_run(w->loop);
	assert_trace(w, "");
	assert_int_equal(loop_defer(w->loop, on_stop, w), ERR_OK);
	loop_run(w->loop);
	assert_trace(w, "s");
	world_free(w);
}

static void
on_signal(void *arg, int signo)
{
	assert_int_equal(signo, SIGUSR1);
	on_stop(arg);
}

static void
test_signal(void **state)
{
	struct world *w = world_new(false);

	(void)state;
	assert_int_equal(loop_signal(w->loop, SIGUSR1, on_signal, w), ERR_OK);
	raise(SIGUSR1);
	loop_run(w->loop);
	assert_trace(w, "s");
	world_free(w);
}

static void *
wake_by_timer(void *arg)
{
	struct world *w = arg;

	loop_timer_set(w->timers[0], 0);
	return NULL;
}

static void *
wake_by_defer(void *arg)
{
	struct world *w = arg;

	if (loop_defer(w->loop, on_stop, w) != ERR_OK)
		abort();
	return NULL;
}

static void *
wake_by_stop(void *arg)
{
	struct world *w = arg;

	loop_stop(w->loop);
	return NULL;
}

/* A loop with nothing to wait for notices what other threads do. */
static void
test_wake(void **state)
{
	void *(*const wakers[])(
	    void *) = { wake_by_timer, wake_by_defer, wake_by_stop };
	struct world *w = world_new(false);

	(void)state;
	w->timers[0] = loop_timer_new(w->loop, on_stop, w);
	for (int i = 0; i < 60; i++) {
		pthread_t thread;

		memset(w->trace, 0, sizeof(w->trace));
		assert_int_equal(
		    pthread_create(&thread, NULL, wakers[i % 3], w), 0);
		loop_run(w->loop); /* or it never returns */
		pthread_join(thread, NULL);
	}
	world_free(w);
}

struct visitor {
	struct world *w;
	pthread_t thread;
	unsigned deferred, *left;
};

static void
on_visit(void *arg)
{
	struct visitor *v = arg;

	if (++v->deferred == ROUNDS && --*v->left == 0)
		loop_stop(v->w->loop);
}

static void
on_nothing(void *arg)
{
	(void)arg;
}

static void
on_any(void *arg, int fd, unsigned what)
{
	(void)arg;
	(void)fd;
	(void)what;
}

/* As libvirt's threads do: handles and timeouts come, change and go. */
static void *
visit(void *arg)
{
	struct visitor *v = arg;
	struct loop *l = v->w->loop;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
	    write(pair[1], "x", 1) != 1)
		abort();
	for (int i = 0; i < ROUNDS; i++) {
		struct loop_fd *f =
		    loop_fd_new(l, pair[0], LOOP_READ, on_any, v);
		struct loop_timer *t = loop_timer_new(l, on_nothing, v);

		if (!f || !t)
			abort();
		loop_timer_set_us(t, i % 50);
		loop_fd_update(f, LOOP_READ | LOOP_WRITE);
		if (loop_defer(l, on_visit, v) != ERR_OK)
			abort();
		loop_fd_update(f, i % 2 ? LOOP_WRITE : 0);
		loop_timer_set_us(t, 1000);
		loop_fd_free(f);
		loop_timer_free(t);
	}
	close(pair[0]);
	close(pair[1]);
	return NULL;
}

static void
test_threads(void **state)
{
	struct world *w = world_new(false);
	struct visitor v[THREADS] = { 0 };
	unsigned left = THREADS;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		v[i].w = w;
		v[i].left = &left;
		assert_int_equal(
		    pthread_create(&v[i].thread, NULL, visit, &v[i]), 0);
	}
	loop_run(w->loop);
	for (int i = 0; i < THREADS; i++)
		pthread_join(v[i].thread, NULL);
	world_free(w);
}

/*
 * Workers.
 */
struct job {
	struct world *w;
	pthread_t thread, done_thread;
	pthread_mutex_t *gate;
	char name;
	bool stop;
};

static void
job_run(void *arg)
{
	struct job *j = arg;

	if (j->gate) {
		pthread_mutex_lock(j->gate);
		pthread_mutex_unlock(j->gate);
	}
	j->thread = pthread_self();
}

static void
job_done(void *arg)
{
	struct job *j = arg;

	j->done_thread = pthread_self();
	trace(j->w, j->name);
	if (j->stop)
		loop_stop(j->w->loop);
}

static void
test_worker(void **state)
{
	struct world *w = world_new(false);
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct loop_worker *worker = loop_worker_new(w->loop, "test", 3);
	struct job j[4] = { 0 };

	(void)state;
	assert_non_null(worker);
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 4; i++) {
		j[i] = (struct job){ .w = w,
			.name = (char)('0' + i),
			.gate = &gate,
			.stop = i == 2 };
		assert_int_equal(loop_work(worker, job_run, job_done, &j[i]),
		    i < 3 ? ERR_OK : ERR_FULL);
	}
	assert_trace(w, "");
	pthread_mutex_unlock(&gate);
	loop_run(w->loop);
	assert_trace(w, "012"); /* in order */
	for (int i = 0; i < 3; i++) {
		assert_false(pthread_equal(j[i].thread, pthread_self()));
		assert_true(pthread_equal(j[i].done_thread, pthread_self()));
	}

	/* There is room again; a job without 'done' is fine. */
	assert_int_equal(loop_work(worker, job_run, NULL, &j[0]), ERR_OK);
	j[3].stop = true;
	assert_int_equal(loop_work(worker, job_run, job_done, &j[3]), ERR_OK);
	loop_run(w->loop);
	assert_trace(w, "3");
	loop_worker_free(worker);
	loop_worker_free(NULL);
	world_free(w);
}

/* Freed while one job runs and others wait: none of them is ever 'done'. */
static void
test_worker_free(void **state)
{
	struct world *w = world_new(false);
	struct loop_worker *worker = loop_worker_new(
	    w->loop, "a name that is too long for a thread", 10);
	struct job j[3] = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		j[i] = (struct job){ .w = w, .name = 'x' };
		assert_int_equal(
		    loop_work(worker, job_run, job_done, &j[i]), ERR_OK);
	}
	loop_worker_free(worker);
	loop_poll(w->loop);
	assert_trace(w, "");

	/* loop_free() takes care of one that is left. */
	worker = loop_worker_new(w->loop, "left", 1);
	assert_int_equal(loop_work(worker, job_run, job_done, &j[0]), ERR_OK);
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
		cmocka_unit_test(test_fd),
		cmocka_unit_test(test_fd_refused),
		cmocka_unit_test(test_fd_free_in_callback),
		cmocka_unit_test(test_fd_exchange),
		cmocka_unit_test(test_defer),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_worker_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
