/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_CTL_SHOW_H
#define XTR_CTL_SHOW_H

/*
 * ctl_show.h - the tables of xtrd as JSON rows.  xtrctl(8) lists the members;
 * they only grow.
 */
#include <jansson.h>

#include "xtr/xtr.h"

enum {
	CTL_ROWS_DEFAULT = 4096,
	CTL_ROWS_MAX = 100000,
};

/*
 * Answers {"cmd":"show","what":TABLE}.  Optional: "eid" (only rows whose
 * prefix covers it, is it, or lies in it), "limit" (rows and their nested
 * elements; CTL_ROWS_DEFAULT, at most CTL_ROWS_MAX: building them holds up the
 * loop, about 5 us each), "all" (counters that are zero, too).
 *
 * An object with "rows", "truncated" and, where it is known, "total".  NULL
 * with a literal in '*error' if the request cannot be answered.
 */
json_t *ctl_show(struct xtr *, const json_t *request, const char **error);

/*
 * A locator of a map-cache entry, one we do not act on included, with the LCAF
 * it came in, if it did.
 */
struct map_cache_entry;
struct cache_locator;
json_t *
ctl_cache_locator(const struct map_cache_entry *, const struct cache_locator *);

#endif
