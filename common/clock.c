/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - the system's clocks and one that stands still.
 *
 * Everything that asks for the time gets a struct clock, so that a test can run
 * a day in a second (loop_advance).  The fake monotonic clock starts above zero,
 * as the real one does, for zero means "never" in a zeroed struct.
 */
#include "common/clock.h"

#include <time.h>

#define FAKE_START_US INT64_C(1000000000)

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static struct mono
system_mono(const struct clock *c)
{
	(void)c;
	return (struct mono){ read_us(CLOCK_MONOTONIC) };
}

/* A machine without a battery starts in 1970: never before this was built. */
static int64_t
system_wall_us(const struct clock *c)
{
	const int64_t now = read_us(CLOCK_REALTIME);
	const int64_t built = BUILD_TIME * INT64_C(1000000);

	(void)c;
	return now > built ? now : built;
}

static struct mono
fake_mono(const struct clock *c)
{
	return (struct mono){ c->fake_mono_us };
}

static int64_t
fake_wall_us(const struct clock *c)
{
	return c->fake_wall_us;
}

void
clock_system(struct clock *c)
{
	*c = (struct clock){ .mono = system_mono, .wall_us = system_wall_us };
}

void
clock_fake(struct clock *c, int64_t wall_us)
{
	*c = (struct clock){
		.mono = fake_mono,
		.wall_us = fake_wall_us,
		.fake_mono_us = FAKE_START_US,
		.fake_wall_us = wall_us,
	};
}

void
clock_advance(struct clock *c, int64_t us)
{
	c->fake_mono_us += us;
	c->fake_wall_us += us;
}
