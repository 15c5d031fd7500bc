/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.c - the proxy tunnel routers of RFC 6832.
 *
 * forward.c asks where a packet may go, resolver.c whether a Map-Request is a
 * PITR's; dp_routes.c installs the routes that attract.  The choice among
 * several PETRs is that among several locators (map_cache_pick.c): a flow stays
 * with one of them, and a lost one moves only its own flows.
 */
#include "proxy.h"

#include "xtr/eids.h"
#include "xtr/map_cache.h"

static bool
serves(const struct xtr *x, const struct eid *host)
{
	const struct conf_list *space = &x->conf->proxy.eid_space;

	for (size_t i = 0; i < space->n; i++)
		if (eid_covers(conf_at(*space, struct eid, i), host))
			return true;
	return false;
}

bool
proxy_attracts(const struct xtr *x, const struct eid *destination)
{
	return x->conf->proxy.pitr && serves(x, destination);
}

bool
proxy_asks(const struct xtr *x, const struct eid *source)
{
	return x->conf->proxy.pitr &&
	    (!source ||
		(!eids_own(x, source) && !conf_mobile_find(x->conf, source)));
}

bool
proxy_petr(const struct xtr *x, uint32_t hash, struct addr *out)
{
	const struct conf_list *petrs = &x->conf->itr.use_petr;
	struct cache_locator locators[PROXY_PETRS_MAX];
	struct map_cache_entry all = { .locators = locators };
	const struct cache_locator *l;

	for (size_t i = 0; i < petrs->n && i < PROXY_PETRS_MAX; i++) {
		const struct conf_petr *p =
		    conf_at(*petrs, struct conf_petr, i);

		locators[all.n_locators++] =
		    (struct cache_locator){ .rloc = p->address,
			    .priority = (uint8_t)p->priority,
			    .weight = (uint8_t)p->weight,
			    .reachable = true };
	}
	l = map_cache_pick(x, &all, hash);
	if (l)
		*out = l->rloc;
	return l;
}

enum proxy_verdict
proxy_leaves(const struct xtr *x, const struct eid *source,
    const struct eid *destination)
{
	/* To an EID the sender's own tunnel router knows a better way; and who
	 * manages this host does not do so through its tunnel. */
	if (!x->conf->proxy.petr || serves(x, destination) ||
	    conf_mobile_find(x->conf, destination) ||
	    addr_is_martian(&destination->addr) ||
	    xtr_rloc_is_own(x, &destination->addr))
		return PROXY_NOT_OURS;
	return serves(x, source) ? PROXY_FORWARD : PROXY_STRANGER;
}
