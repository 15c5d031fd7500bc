/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtr.c - what the context says of itself: our RLOCs.
 */
#include "xtr.h"

const struct addr *
xtr_rloc(const struct xtr *x, uint16_t afi)
{
	for (size_t i = 0; i < x->conf->site.rlocs.n; i++) {
		const struct addr *a =
		    &conf_at(x->conf->site.rlocs, struct conf_rloc, i)->address;

		if (a->afi == afi)
			return a;
	}
	return NULL;
}

bool
xtr_rloc_is_own(const struct xtr *x, const struct addr *rloc)
{
	for (size_t i = 0; i < x->conf->site.rlocs.n; i++)
		if (addr_equal(
			&conf_at(x->conf->site.rlocs, struct conf_rloc, i)
			     ->address,
			rloc))
			return true;
	return false;
}
