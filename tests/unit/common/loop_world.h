/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LOOP_WORLD_H
#define TESTS_LOOP_WORLD_H

/* loop_world.h - a loop, what is registered with it, and a trace of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/loop.h"

struct world {
	struct clock clock;
	struct loop *loop;
	struct mono start;
	char trace[256]; /* one letter per event */
	struct loop_timer *timers[4];
	struct loop_fd *fds[4];
	int pair[2];
};

static inline struct world *
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

static inline void
world_free(struct world *w)
{
	loop_free(w->loop);
	for (int i = 0; i < 2; i++)
		if (w->pair[i] >= 0)
			close(w->pair[i]);
	free(w);
}

static inline void
trace(struct world *w, char c)
{
	size_t n = strlen(w->trace);

	assert_true(n + 1 < sizeof(w->trace));
	w->trace[n] = c;
}

static inline void
assert_trace(struct world *w, const char *expected)
{
	assert_string_equal(w->trace, expected);
	memset(w->trace, 0, sizeof(w->trace));
}

static inline void
on_a(void *arg)
{
	trace(arg, 'a');
}

static inline void
on_b(void *arg)
{
	trace(arg, 'b');
}

static inline void
on_c(void *arg)
{
	trace(arg, 'c');
}

static inline void
on_stop(void *arg)
{
	struct world *w = arg;

	trace(w, 's');
	loop_stop(w->loop);
}

#endif
