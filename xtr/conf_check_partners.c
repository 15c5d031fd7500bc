/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_check_partners.c - the rules of site.partners, the other xTRs of our own
 * site.
 *
 * Part of conf_check.c, which calls it after the site itself.
 */
#include "conf_check.h"

#include <string.h>

#include "common/lisp.h"

static const struct conf_partner *
partner(const struct xtr_conf *c, size_t i)
{
	return conf_at(c->site.partners, struct conf_partner, i);
}

/* Partner 'n', RLOC 'i': no other xTR of the site has it. */
static void
check_rloc(struct xtr_conf *c, size_t n, size_t i)
{
	const struct conf_rloc *r =
	    conf_at(partner(c, n)->rlocs, struct conf_rloc, i);
	char what[CONF_WHAT_MAX];

	snprintf(what, sizeof(what), "site.partners[%zu].rlocs[%zu]", n, i);
	conf_check_rloc(c, r->pos, what, &r->address);
	for (size_t j = 0; j < c->site.rlocs.n; j++)
		if (addr_equal(&r->address,
			&conf_at(c->site.rlocs, struct conf_rloc, j)->address))
			conf_error(c->doc, r->pos,
			    "%s: the same address as site.rlocs[%zu]", what, j);
	for (size_t k = 0; k <= n; k++) {
		const struct conf_list *rlocs = &partner(c, k)->rlocs;

		for (size_t j = 0; j < (k == n ? i : rlocs->n); j++)
			if (addr_equal(&r->address,
				&conf_at(*rlocs, struct conf_rloc, j)->address))
				conf_error(c->doc, r->pos,
				    "%s: the same address as "
				    "site.partners[%zu].rlocs[%zu]",
				    what, k, j);
	}
}

static void
check_id(struct xtr_conf *c, size_t n)
{
	struct conf_partner *p =
	    conf_edit(c->site.partners, struct conf_partner, n);
	const struct addr *lowest = NULL;

	for (size_t i = 0; i < p->rlocs.n; i++)
		lowest = conf_check_lower(
		    lowest, &conf_at(p->rlocs, struct conf_rloc, i)->address);
	if (lowest && !p->has_xtr_id)
		xtr_id_derive(lowest, p->xtr_id);
	if (memcmp(p->xtr_id, c->site.xtr_id, 16) == 0)
		conf_error(c->doc, p->pos,
		    "site.partners[%zu]: its xtr-id is our own", n);
	for (size_t i = 0; i < n; i++)
		if (memcmp(p->xtr_id, partner(c, i)->xtr_id, 16) == 0)
			conf_error(c->doc, p->pos,
			    "site.partners[%zu]: the same xtr-id as "
			    "site.partners[%zu]",
			    n, i);
}

/*
 * Each registers the whole set, and the last one counts.  Merged, what a dead one
 * said of itself would stay until it expires (RFC 9301 5.6).
 */
static void
check_no_merge(struct xtr_conf *c)
{
	for (size_t i = 0; i < c->mapping_systems.n; i++) {
		const struct conf_list *servers =
		    &conf_at(c->mapping_systems, struct conf_mapping_system, i)
			 ->map_servers;

		for (size_t j = 0; j < servers->n; j++) {
			const struct conf_map_server_peer *p =
			    conf_at(*servers, struct conf_map_server_peer, j);

			if (p->merge)
				conf_error(c->doc, p->pos,
				    "mapping-systems[%zu].map-servers[%zu]: "
				    "merge does not go with site.partners",
				    i, j);
		}
	}
}

void
conf_check_partners(struct xtr_conf *c)
{
	size_t locators = c->site.rlocs.n;

	for (size_t n = 0; n < c->site.partners.n; n++) {
		locators += partner(c, n)->rlocs.n;
		for (size_t i = 0; i < partner(c, n)->rlocs.n; i++)
			check_rloc(c, n, i);
		check_id(c, n);
	}
	if (c->site.partners.n)
		check_no_merge(c);
	if (c->site.partners.n && !c->site.rlocs.n)
		conf_error(c->doc, c->site.pos,
		    "site.partners: without site.rlocs there is no partner");
	if (locators > LISP_LOCATORS_MAX)
		conf_error(c->doc, c->site.pos,
		    "site.partners: %zu RLOCs do not fit into a record",
		    locators);
}
