/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.c - token buckets per key in a bounded table.
 *
 * Who sends because a remote did asks here before: reply.c, smr_send.c,
 * smr_limit.c, forward.c and mobility_act.c.  A bucket is one number, the time
 * at which it will be full again (the generic cell rate algorithm): a take moves
 * it on by an interval and is refused when that leads too far ahead of now.  A
 * time that has passed is a full bucket, and a free slot.  The key itself is not kept: 64 bits of SipHash under a random seed
 * stand for it.  Sets of eight slots, two cache lines, twice as many as 'max',
 * so that a set hardly fills up before the table does.
 */
#include "xtr/limit.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/auth.h"
#include "common/table.h"

enum { WAYS = 8 };

struct slot {
	uint64_t tag; /* hash of the key; means nothing once 'full_us' passed */
	int64_t full_us; /* when the bucket is full again; 0 = never used */
};

struct limits {
	size_t n_sets; /* power of two */
	uint64_t seed[2];
	int64_t interval_us, depth_us; /* depth: (burst - 1) intervals */
	struct slot slots[];
};

struct limits *
limits_new(size_t max, unsigned burst, unsigned interval_ms)
{
	struct limits *l;
	size_t n_sets = 1;

	while (n_sets * WAYS < max * 2)
		n_sets *= 2;
	l = calloc(1, sizeof(*l) + n_sets * WAYS * sizeof(l->slots[0]));
	if (!l)
		return NULL;
	l->n_sets = n_sets;
	l->interval_us = (int64_t)interval_ms * 1000;
	l->depth_us = l->interval_us * (burst - 1);
	auth_random(l->seed, sizeof(l->seed));
	return l;
}

void
limits_free(struct limits *l)
{
	free(l);
}

bool
limit_take(struct limits *l, const void *key, size_t key_len, struct mono now)
{
	const uint64_t tag = table_hash(l->seed, key, key_len);
	struct slot *set = &l->slots[(tag & (l->n_sets - 1)) * WAYS];
	struct slot *chosen = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].tag == tag && set[i].full_us > now.us) {
			if (set[i].full_us > now.us + l->depth_us)
				return false;
			set[i].full_us += l->interval_us;
			return true;
		}
		if (set[i].full_us < chosen->full_us)
			chosen = &set[i];
	}
	if (chosen->full_us > now.us)
		return false; /* all in force */
	*chosen = (struct slot){ tag, now.us + l->interval_us };
	return true;
}

bool
limit_total_take(struct mono *full, int64_t per_s, struct mono now)
{
	const int64_t interval_us = 1000000 / per_s;

	if (full->us > now.us + 1000000 - interval_us)
		return false;
	full->us = (full->us < now.us ? now.us : full->us) + interval_us;
	return true;
}
