/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_cache_pick.c - the locator for a flow, RFC 9300 9 and 12.
 *
 * forward.c asks for every packet, so the common case, one locator of the best
 * priority, costs one pass.  Among several: weighted rendezvous hashing.  Each
 * locator draws a number from (flow, RLOC) that is exponentially distributed
 * with its weight as rate; the smallest wins.  Shares follow the weights, and a
 * lost locator moves only its own flows.
 */
#include "map_cache.h"

/* A good mixer of 64 bits (the finalizer of SplitMix64). */
static uint64_t
mix(uint64_t v)
{
	v ^= v >> 30;
	v *= UINT64_C(0xbf58476d1ce4e5b9);
	v ^= v >> 27;
	v *= UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

static uint64_t
draw(uint32_t flow, const struct addr *rloc)
{
	uint64_t high, low;

	memcpy(&high, rloc->bytes, sizeof(high));
	memcpy(&low, rloc->bytes + 8, sizeof(low));
	return mix(flow ^ mix(high ^ mix(low + rloc->afi)));
}

/*
 * -log2(u / 2^32) in 1/65536, for u > 0: the integer part by counting zeros,
 * each further bit by squaring.
 */
static uint64_t
minus_log2(uint32_t u)
{
	const unsigned zeros = (unsigned)__builtin_clz(u);
	uint64_t mantissa = (uint64_t)u << zeros; /* in [2^31, 2^32) */
	uint64_t log = (uint64_t)(31 - zeros) << 16;

	for (unsigned bit = 1 << 15; bit; bit >>= 1) {
		mantissa = mantissa * mantissa >> 31;
		if (mantissa >> 32) {
			mantissa >>= 1;
			log |= bit;
		}
	}
	return (UINT64_C(32) << 16) - log;
}

static bool
usable(const struct xtr *x, const struct cache_locator *l)
{
	return l->reachable && !l->status_down && reach_use_is_up(&l->use) &&
	    l->priority != LISP_PRIORITY_UNUSABLE && xtr_rloc(x, l->rloc.afi) &&
	    !xtr_rloc_is_own(x, &l->rloc);
}

const struct cache_locator *
map_cache_pick(
    const struct xtr *x, const struct map_cache_entry *e, uint32_t hash)
{
	const struct cache_locator *best = NULL;
	unsigned n = 0, weights = 0;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < e->n_locators; i++) {
		const struct cache_locator *l = &e->locators[i];

		if (!usable(x, l) || (best && l->priority > best->priority))
			continue;
		if (!best || l->priority < best->priority) {
			best = l;
			n = weights = 0;
		}
		n++;
		weights += l->weight;
	}
	if (n <= 1)
		return best;

	const uint8_t priority = best->priority;

	for (unsigned i = 0; i < e->n_locators; i++) {
		const struct cache_locator *l = &e->locators[i];
		const unsigned weight = weights ? l->weight : 1;
		uint64_t score;

		if (l->priority != priority || !weight || !usable(x, l))
			continue;
		score = (minus_log2((uint32_t)(draw(hash, &l->rloc) >> 32) | 1)
			    << 16) /
		    weight;
		if (score < least) {
			least = score;
			best = l;
		}
	}
	return best;
}
