/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_REPLAY_H
#define XTR_REPLAY_H

/*
 * replay.h - the nonces of one sender: the highest accepted and a window of 64
 * below it.  docs/cpm.md 4.2 step 2.  Pure; the caller keeps it in the store.
 */
#include <stdint.h>

struct replay {
	uint64_t highest;
	uint64_t seen;	/* bit i: highest - i was accepted */
	uint64_t floor; /* nothing up to here is accepted */
};

enum replay_verdict {
	REPLAY_NEW,
	REPLAY_DUPLICATE, /* in the window and seen */
	REPLAY_STALE,	  /* below the window or the floor */
};

/* A sender never heard of: nothing up to 'wall_ms' is accepted any more. */
void replay_init(struct replay *, uint64_t wall_ms);
enum replay_verdict replay_check(const struct replay *, uint64_t nonce);
/* Only after REPLAY_NEW. */
void replay_accept(struct replay *, uint64_t nonce);

#endif
