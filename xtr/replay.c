/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - the replay window of a CPM sender; cpm_in.c asks, then stores.
 */
#include "replay.h"

#define WINDOW 64

void
replay_init(struct replay *r, uint64_t wall_ms)
{
	*r = (struct replay){ .highest = wall_ms, .floor = wall_ms };
}

enum replay_verdict
replay_check(const struct replay *r, uint64_t nonce)
{
	if (nonce > r->highest)
		return REPLAY_NEW;
	if (nonce <= r->floor || r->highest - nonce >= WINDOW)
		return REPLAY_STALE;
	return r->seen >> (r->highest - nonce) & 1 ? REPLAY_DUPLICATE
						   : REPLAY_NEW;
}

void
replay_accept(struct replay *r, uint64_t nonce)
{
	if (nonce > r->highest) {
		const uint64_t step = nonce - r->highest;

		r->seen = step < WINDOW ? r->seen << step : 0;
		r->highest = nonce;
	}
	r->seen |= UINT64_C(1) << (r->highest - nonce);
}
