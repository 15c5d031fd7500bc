/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop_work.c - deferred calls; workers: order, limit, end. */
#include "common/loop.h"

#include <pthread.h>

#include "loop_world.h"

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
		cmocka_unit_test(test_defer),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_worker_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
