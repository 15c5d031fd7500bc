/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

/*
 * bench.h - what the measuring programs of `make bench` share.
 *
 * Each measures something of ours and, in the same run, a reference that shows
 * what the machine can do; it prints one line of JSON per figure, which
 * tests/bench/run collects.  A figure is the median of its rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_ROUNDS_MAX = 32 };

struct bench_rounds {
	double ours[BENCH_ROUNDS_MAX], reference[BENCH_ROUNDS_MAX];
	unsigned n;
};

static inline double
bench_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Of this thread alone: a busy machine adds nothing to it. */
static inline double
bench_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline void
bench_round(struct bench_rounds *r, double ours, double reference)
{
	if (r->n == BENCH_ROUNDS_MAX)
		abort();
	r->ours[r->n] = ours;
	r->reference[r->n++] = reference;
}

static inline int
bench_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double
bench_median(const double *values, unsigned n)
{
	double sorted[BENCH_ROUNDS_MAX];

	for (unsigned i = 0; i < n; i++)
		sorted[i] = values[i];
	qsort(sorted, n, sizeof(sorted[0]), bench_compare);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* 'what' says in words what the reference is. */
static inline void
bench_print(const char *name, const char *unit, const char *what,
    const struct bench_rounds *r)
{
	const double value = bench_median(r->ours, r->n);
	const double reference = bench_median(r->reference, r->n);

	printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", "
	       "\"reference\": %.6g, \"ratio\": %.4g, \"rounds\": %u, "
	       "\"reference_is\": \"%s\", \"values\": [",
	    name, value, unit, reference, reference ? value / reference : 0.0,
	    r->n, what);
	for (unsigned i = 0; i < r->n; i++)
		printf("%s%.6g", i ? ", " : "", r->ours[i]);
	printf("]}\n");
	fflush(stdout);
}

#endif
