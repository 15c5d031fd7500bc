/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smr_limit.c - how many Map-Requests SMRs may make us send.
 *
 * lookup.c asks before it opens a question for an SMR; what is refused here
 * waits there and is asked for again, it is never dropped.
 */
#include "smr_limit.h"

#include "common/lisp.h"
#include "xtr/limit.h"
#include "xtr/map_cache.h"

enum {
	KNOWN_PER_S = 5000, /* ours */
	STRANGERS_PER_S = KNOWN_PER_S / 10,
	KNOWN_LIMITS_MAX = 131072,
	STRANGER_LIMITS_MAX = 16384,
};

bool
smr_sender_known(
    const struct xtr *x, const struct eid *eid, const struct addr *rloc)
{
	const struct map_cache_entry *e = map_cache_match(x->map_cache, eid);
	const struct conf_list *sites = &x->conf->mobility.sites;

	for (unsigned i = 0; e && i < e->n_locators; i++)
		if (addr_equal(&e->locators[i].rloc, rloc))
			return true;
	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_other_site *s =
		    conf_at(*sites, struct conf_other_site, i);

		for (size_t j = 0; j < s->xtrs.n; j++) {
			const struct conf_site_xtr *xtr =
			    conf_at(s->xtrs, struct conf_site_xtr, j);

			if (addr_equal(&xtr->rloc, rloc))
				return true;
			for (size_t k = 0; k < xtr->rlocs.n; k++)
				if (addr_equal(
					conf_at(xtr->rlocs, struct addr, k),
					rloc))
					return true;
		}
	}
	return false;
}

bool
smr_limit_take(struct lookup *l, struct mono now)
{
	struct pending *p = l->x->pending;
	const struct {
		struct eid eid;
		struct addr from;
		uint16_t zero;
	} key = { .eid = l->eid, .from = l->smr_from };

	if (!p->smr_known)
		p->smr_known = limits_new(
		    KNOWN_LIMITS_MAX, SMR_BURST, SMR_INTERVAL_S * 1000);
	if (!p->smr_strangers)
		p->smr_strangers =
		    limits_new(STRANGER_LIMITS_MAX, 1, SMR_INTERVAL_S * 1000);
	if (!p->smr_known || !p->smr_strangers)
		return false;
	if (l->known)
		return limit_take(p->smr_known, &key, sizeof(key), now) &&
		    limit_total_take(&p->smr_total[0], KNOWN_PER_S, now);
	return limit_take(
		   p->smr_strangers, &l->smr_from, sizeof(l->smr_from), now) &&
	    limit_total_take(&p->smr_total[1], STRANGERS_PER_S, now);
}
