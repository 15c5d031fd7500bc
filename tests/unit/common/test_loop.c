/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_loop.c - descriptors, signals, other threads.
 *
 * Nothing here asserts that something is fast: the machine may be busy.
 */
#include "common/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "loop_world.h"

enum { THREADS = 4, ROUNDS = 500 };

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
 * The real clock, signals and threads.
 */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd),
		cmocka_unit_test(test_fd_refused),
		cmocka_unit_test(test_fd_free_in_callback),
		cmocka_unit_test(test_fd_exchange),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
