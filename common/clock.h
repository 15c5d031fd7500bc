/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

/*
 * clock.h - time, injectable.  Monotonic time is a struct, so that it cannot be
 * mixed up with wall time or a duration.
 */
#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t us;
};

struct clock {
	struct mono (*mono)(const struct clock *);
	int64_t (*wall_us)(const struct clock *); /* since 1970 */
	/* Used by the fake clock only. */
	int64_t fake_mono_us, fake_wall_us;
};

/*
 * The system's clocks: CLOCK_MONOTONIC, and CLOCK_REALTIME but never before the
 * program was built (docs/cpm.md 4.3).
 */
void clock_system(struct clock *);
/* Stands still until clock_advance(). */
void clock_fake(struct clock *, int64_t wall_us);
void clock_advance(struct clock *, int64_t us);

static inline struct mono
clock_mono(const struct clock *c)
{
	return c->mono(c);
}

static inline uint64_t
clock_wall_ms(const struct clock *c)
{
	return (uint64_t)(c->wall_us(c) / 1000);
}

static inline struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	return (struct mono){ t.us + ms * 1000 };
}

/* a - b in microseconds. */
static inline int64_t
mono_diff_us(struct mono a, struct mono b)
{
	return a.us - b.us;
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.us < b.us;
}

#endif
