/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_LIMIT_H
#define XTR_LIMIT_H

/*
 * limit.h - token buckets per key in a bounded table: how often we send to one
 * RLOC about one EID.
 *
 * Key: any octets.  Bound: room for 'max' limits that are in force, made when
 * the table is, 32 octets each.  A bucket that is full again is forgotten; one
 * that is not is never displaced: what no longer fits is refused, so nobody is
 * freed of a limit by filling the table.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

struct limits;

/*
 * Buckets of 'burst' tokens (>= 1) that gain one every 'interval_ms'.  NULL if
 * out of memory.
 */
struct limits *limits_new(size_t max, unsigned burst, unsigned interval_ms);
void limits_free(struct limits *); /* accepts NULL */

/* Takes a token of 'key'; false if there is none, or no room for the key. */
bool
limit_take(struct limits *, const void *key, size_t key_len, struct mono now);

/*
 * A token of a bucket for all together: 'per_s' of them (>= 1), filled within a
 * second.  '*full' is its only state, 0 at first.
 */
bool limit_total_take(struct mono *full, int64_t per_s, struct mono now);

#endif
