/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_work.c - what is to run soon, and worker threads.
 *
 * Workers are for calls that block (libvirt, state store, DNS); their results
 * come back through the queue of deferred calls, which loop.c has run at the end
 * of its turn.  A worker takes the loop's lock for its queue alone, never while
 * it runs a job.
 */
#include "common/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/loop_state.h"

enum { THREAD_NAME_MAX = 16 };

/* A deferred call, or a worker's job, whose 'done' becomes one. */
struct task {
	struct task *next;
	uint64_t seq;
	void (*fn)(void *arg);	/* in the loop */
	void (*job)(void *arg); /* in the worker */
	void *arg;
	struct loop_worker *worker; /* NULL: loop_defer() */
};

struct loop_worker {
	struct loop *loop;
	pthread_t thread;
	pthread_cond_t changed;
	struct task_queue jobs;
	unsigned n_jobs, limit;
	bool stop;
	struct loop_worker *next, **link; /* in loop->workers */
};

/*
 * Queues.
 */
static void
queue_init(struct task_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void
queue_push(struct task_queue *q, struct task *t)
{
	t->next = NULL;
	*q->tail = t;
	q->tail = &t->next;
}

static struct task *
queue_pop(struct task_queue *q)
{
	struct task *t = q->head;

	q->head = t->next;
	if (!q->head)
		q->tail = &q->head;
	return t;
}

/* Frees the tasks of 'w', or all for NULL. */
static void
queue_drop(struct task_queue *q, const struct loop_worker *w)
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

/*
 * Deferred calls.
 */
void
loop_deferred_init(struct loop *l)
{
	queue_init(&l->deferred);
}

void
loop_deferred_free(struct loop *l)
{
	queue_drop(&l->deferred, NULL);
}

void
loop_deferred_run(struct loop *l)
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
	loop_wake(l);
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
		loop_wake(l);
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
