/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_check_proxy.c - the rules of the section "proxy" and of itr.use-petr.
 *
 * Part of conf_check.c, which calls it last.
 */
#include "conf_check.h"

static void
check_use_petr(struct xtr_conf *c)
{
	const struct conf_list *petrs = &c->itr.use_petr;
	char what[CONF_WHAT_MAX];

	for (size_t i = 0; i < petrs->n; i++) {
		const struct conf_petr *p =
		    conf_at(*petrs, struct conf_petr, i);
		bool reached = false;

		snprintf(what, sizeof(what), "itr.use-petr[%zu]", i);
		conf_check_rloc(c, p->pos, what, &p->address);
		for (size_t j = 0; j < c->site.rlocs.n; j++) {
			const struct addr *own =
			    &conf_at(c->site.rlocs, struct conf_rloc, j)
				 ->address;

			reached |= own->afi == p->address.afi;
			if (addr_equal(own, &p->address))
				conf_error(c->doc, p->pos,
				    "%s: site.rlocs[%zu] is our own", what, j);
		}
		if (!reached)
			conf_error(c->doc, p->pos,
			    "%s: site.rlocs has no address of its family",
			    what);
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&p->address,
				&conf_at(*petrs, struct conf_petr, j)->address))
				conf_error(c->doc, p->pos,
				    "%s: the same address as "
				    "itr.use-petr[%zu]",
				    what, j);
	}
	if (petrs->n && c->itr.natively_forward)
		conf_error(c->doc, c->itr.pos,
		    "itr.use-petr: not with natively-forward");
}

static bool
has_resolver(const struct xtr_conf *c)
{
	for (size_t i = 0; i < c->mapping_systems.n; i++)
		if (conf_at(c->mapping_systems, struct conf_mapping_system, i)
			->map_resolvers.n)
			return true;
	return false;
}

void
conf_check_proxy(struct xtr_conf *c)
{
	const struct conf_proxy *p = &c->proxy;
	char text[EID_STR_MAX];

	check_use_petr(c);
	if ((p->pitr || p->petr) != (p->eid_space.n > 0))
		conf_error(c->doc, p->pos,
		    "proxy: eid-space and pitr or petr go together");
	if (p->pitr && !has_resolver(c))
		conf_error(c->doc, p->pos,
		    "proxy.pitr: needs a mapping system with map-resolvers");
	for (size_t i = 0; i < p->eid_space.n; i++) {
		const struct eid *e = conf_at(p->eid_space, struct eid, i);

		/* A default route to us would take the underlay's own. */
		if (e->bits == 0)
			conf_error(c->doc, p->pos,
			    "proxy.eid-space[%zu]: %s is everything, not EIDs",
			    i, eid_str(e, text));
	}
}
