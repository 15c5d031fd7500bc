/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_check_mobility.c - the rules of the section "mobility": where mobile
 * prefixes belong, who may speak for them, and that no two speakers look alike.
 *
 * Part of conf_check.c, which calls it when site, mapping systems and eids are
 * complete.
 */
#include "conf_check.h"

#include <string.h>

/* mobility.prefixes */

static void
check_gateway(
    struct xtr_conf *c, const struct conf_mobile_prefix *p, const char *what)
{
	char text[ADDR_STR_MAX], prefix[EID_STR_MAX];
	bool has_gateway = p->gateway.afi != AFI_NONE;
	bool has_mac = p->mac.afi != AFI_NONE;

	if (has_gateway != (p->segment != NULL))
		conf_error(c->doc, p->pos,
		    "%s: segment and gateway go together", what);
	if (p->gateway_by == CONF_GATEWAY_VRRP && !has_gateway)
		conf_error(
		    c->doc, p->pos, "%s: gateway-by without gateway", what);
	if (has_mac && !p->segment)
		conf_error(c->doc, p->pos, "%s: mac without segment", what);
	if (has_mac && (p->mac.bytes[0] & 1))
		conf_error(c->doc, p->pos, "%s: mac %s is a group address",
		    what, addr_str(&p->mac, text));
	if (has_gateway && !conf_check_covers(&p->prefix, &p->gateway))
		conf_error(c->doc, p->pos, "%s: gateway %s is not inside %s",
		    what, addr_str(&p->gateway, text),
		    eid_str(&p->prefix, prefix));
	if (p->segment && strcmp(p->segment, c->dataplane.device) == 0)
		conf_error(c->doc, p->pos,
		    "%s: segment '%s' is the device of the data plane", what,
		    p->segment);
	for (size_t i = 0; i < p->static_hosts.n; i++) {
		const struct addr *a = conf_at(p->static_hosts, struct addr, i);

		if (!conf_check_covers(&p->prefix, a))
			conf_error(c->doc, p->pos,
			    "%s.static-hosts[%zu]: %s is not inside %s", what,
			    i, addr_str(a, text), eid_str(&p->prefix, prefix));
	}
}

static void
check_mobile_system(
    struct xtr_conf *c, struct conf_mobile_prefix *p, const char *what)
{
	const struct conf_eid *covering = NULL;
	char text[EID_STR_MAX];

	for (size_t i = 0; i < c->eids.n; i++) {
		const struct conf_eid *e = conf_at(c->eids, struct conf_eid, i);

		if (eid_covers(&e->prefix, &p->prefix) &&
		    (!covering || e->prefix.bits > covering->prefix.bits))
			covering = e;
	}
	if (p->mapping_systems.n) {
		conf_check_systems(
		    c, p->pos, what, &p->mapping_systems, &p->systems);
	} else if (covering) {
		p->mapping_systems = covering->mapping_systems;
		p->systems = covering->systems;
	} else {
		conf_error(c->doc, p->pos,
		    "%s: %s is inside no prefix of eids and has no "
		    "mapping-system of its own",
		    what, eid_str(&p->prefix, text));
	}
}

/* Against the mobile prefixes before it. */
static void
check_mobile_others(struct xtr_conf *c, const struct conf_mobile_prefix *p,
    size_t n, const char *what)
{
	char text[EID_STR_MAX];

	for (size_t i = 0; i < n; i++) {
		const struct conf_mobile_prefix *o =
		    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, i);

		if (eid_equal(&o->prefix, &p->prefix))
			conf_error(c->doc, p->pos,
			    "%s: %s is mobility.prefixes[%zu] already", what,
			    eid_str(&p->prefix, text), i);
		if (p->segment && o->segment &&
		    strcmp(p->segment, o->segment) == 0 &&
		    !addr_equal(&p->mac, &o->mac))
			conf_error(c->doc, p->pos,
			    "%s: segment '%s' has another mac in "
			    "mobility.prefixes[%zu]",
			    what, p->segment, i);
		if (p->segment && o->segment &&
		    strcmp(p->segment, o->segment) == 0 &&
		    p->gateway_by != o->gateway_by)
			conf_error(c->doc, p->pos,
			    "%s: segment '%s' has another gateway-by in "
			    "mobility.prefixes[%zu]",
			    what, p->segment, i);
	}
}

static void
check_mobile_prefixes(struct xtr_conf *c)
{
	char what[CONF_WHAT_MAX];

	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		struct conf_mobile_prefix *p = conf_edit(
		    c->mobility.prefixes, struct conf_mobile_prefix, i);

		snprintf(what, sizeof(what), "mobility.prefixes[%zu]", i);
		check_mobile_system(c, p, what);
		check_gateway(c, p, what);
		check_mobile_others(c, p, i, what);
	}
}

/* mobility.hypervisors, mobility.sites */

static void
make_cpm_key(struct conf_key *k)
{
	k->replay_check = true;
	conf_auth_key(&k->secret, k->key_id, k->algorithm, &k->key);
}

/* Puts the prefixes of a sender into its instance; each must be mobile. */
static void
check_authority(struct xtr_conf *c, struct conf_pos pos, const char *what,
    struct conf_list *prefixes, int64_t instance_id)
{
	char text[EID_STR_MAX];

	for (size_t i = 0; i < prefixes->n; i++) {
		struct eid *p = conf_edit(*prefixes, struct eid, i);

		*p = conf_check_prefix(p, instance_id);
		if (!conf_mobile_find(c, p))
			conf_error(c->doc, pos,
			    "%s.prefixes[%zu]: %s is inside no mobile "
			    "prefix",
			    what, i, eid_str(p, text));
	}
}

static void
check_hypervisors(struct xtr_conf *c)
{
	struct conf_list *list = &c->mobility.hypervisors;
	char what[CONF_WHAT_MAX];

	CONF_CHECK_NAMES(c, "mobility.hypervisors", list, conf_hypervisor);
	for (size_t i = 0; i < list->n; i++) {
		struct conf_hypervisor *h =
		    conf_edit(*list, struct conf_hypervisor, i);

		snprintf(what, sizeof(what), "mobility.hypervisors[%zu]", i);
		make_cpm_key(&h->key);
		check_authority(c, h->pos, what, &h->prefixes, h->instance_id);
		for (size_t j = 0; j < i; j++)
			if (memcmp(h->host_id,
				conf_at(*list, struct conf_hypervisor, j)
				    ->host_id,
				16) == 0)
				conf_error(c->doc, h->pos,
				    "%s: the same host-id as "
				    "mobility.hypervisors[%zu]",
				    what, j);
	}
}

/* Whether 'x' has this RLOC. */
static bool
site_xtr_has(const struct conf_site_xtr *x, const struct addr *a)
{
	return addr_equal(&x->rloc, a) || conf_check_listed(&x->rlocs, a);
}

static void
check_site_rloc(struct xtr_conf *c, const struct conf_site_xtr *x,
    const char *what, const struct addr *a)
{
	char text[ADDR_STR_MAX];

	conf_check_rloc(c, x->pos, what, a);
	for (size_t i = 0; i < c->site.rlocs.n; i++)
		if (addr_equal(
			&conf_at(c->site.rlocs, struct conf_rloc, i)->address,
			a))
			conf_error(c->doc, x->pos, "%s: %s is our own RLOC",
			    what, addr_str(a, text));
	if (conf_partner_of(c, a))
		conf_error(c->doc, x->pos, "%s: %s is that of a partner", what,
		    addr_str(a, text));
}

/* Nothing of 'x' may be that of mobility.sites[site].xtrs[n] before it. */
static void
check_site_xtr_pair(struct xtr_conf *c, const struct conf_site_xtr *x,
    const char *what, size_t site, size_t n)
{
	const struct conf_other_site *s =
	    conf_at(c->mobility.sites, struct conf_other_site, site);
	const struct conf_site_xtr *o =
	    conf_at(s->xtrs, struct conf_site_xtr, n);
	const struct addr *same = site_xtr_has(o, &x->rloc) ? &x->rloc : NULL;
	char text[ADDR_STR_MAX];

	for (size_t i = 0; i < x->rlocs.n; i++)
		if (site_xtr_has(o, conf_at(x->rlocs, struct addr, i)))
			same = conf_at(x->rlocs, struct addr, i);
	if (same)
		conf_error(c->doc, x->pos,
		    "%s: RLOC %s is that of mobility.sites[%zu].xtrs[%zu] too",
		    what, addr_str(same, text), site, n);
	else if (memcmp(x->xtr_id, o->xtr_id, 16) == 0)
		conf_error(c->doc, x->pos,
		    "%s: the same xtr-id as mobility.sites[%zu].xtrs[%zu]",
		    what, site, n);
}

static void
check_site_xtr(struct xtr_conf *c, struct conf_site_xtr *x, const char *what)
{
	const struct addr *lowest = &x->rloc;
	char id[UUID_STR_MAX];

	check_site_rloc(c, x, what, &x->rloc);
	for (size_t i = 0; i < x->rlocs.n; i++) {
		const struct addr *a = conf_at(x->rlocs, struct addr, i);

		check_site_rloc(c, x, what, a);
		lowest = conf_check_lower(lowest, a);
	}
	if (!x->has_xtr_id)
		xtr_id_derive(lowest, x->xtr_id);
	if (memcmp(x->xtr_id, c->site.xtr_id, 16) == 0)
		conf_error(c->doc, x->pos, "%s: xtr-id %s is our own", what,
		    uuid_str(x->xtr_id, id));
	for (size_t i = 0; i < c->site.partners.n; i++)
		if (memcmp(x->xtr_id,
			conf_at(c->site.partners, struct conf_partner, i)
			    ->xtr_id,
			16) == 0)
			conf_error(c->doc, x->pos,
			    "%s: xtr-id %s is that of site.partners[%zu]", what,
			    uuid_str(x->xtr_id, id), i);
	for (size_t i = 0; i < c->mobility.hypervisors.n; i++)
		if (memcmp(x->xtr_id,
			conf_at(
			    c->mobility.hypervisors, struct conf_hypervisor, i)
			    ->host_id,
			16) == 0)
			conf_error(c->doc, x->pos,
			    "%s: xtr-id %s is the host-id of a hypervisor",
			    what, uuid_str(x->xtr_id, id));
}

/* All xTRs up to and including mobility.sites[last], against each other. */
static void
check_site_xtrs(struct xtr_conf *c, size_t last)
{
	const struct conf_other_site *s =
	    conf_at(c->mobility.sites, struct conf_other_site, last);
	char what[CONF_WHAT_MAX];

	for (size_t i = 0; i < s->xtrs.n; i++) {
		struct conf_site_xtr *x =
		    conf_edit(s->xtrs, struct conf_site_xtr, i);

		snprintf(what, sizeof(what), "mobility.sites[%zu].xtrs[%zu]",
		    last, i);
		check_site_xtr(c, x, what);
		for (size_t k = 0; k <= last; k++) {
			const struct conf_other_site *o = conf_at(
			    c->mobility.sites, struct conf_other_site, k);
			size_t n = k == last ? i : o->xtrs.n;

			for (size_t j = 0; j < n; j++)
				check_site_xtr_pair(c, x, what, k, j);
		}
	}
}

static void
check_other_sites(struct xtr_conf *c)
{
	struct conf_list *list = &c->mobility.sites;
	char what[CONF_WHAT_MAX];

	CONF_CHECK_NAMES(c, "mobility.sites", list, conf_other_site);
	for (size_t i = 0; i < list->n; i++) {
		struct conf_other_site *s =
		    conf_edit(*list, struct conf_other_site, i);

		snprintf(what, sizeof(what), "mobility.sites[%zu]", i);
		make_cpm_key(&s->key);
		if (strcmp(s->name, c->site.name) == 0)
			conf_error(c->doc, s->pos,
			    "%s: '%s' is our own site, whose other xTRs are "
			    "site.partners",
			    what, s->name);
		check_authority(c, s->pos, what, &s->prefixes, s->instance_id);
		check_site_xtrs(c, i);
	}
}

void
conf_check_mobility(struct xtr_conf *c)
{
	const struct conf_mobility *m = &c->mobility;

	check_mobile_prefixes(c);
	check_hypervisors(c);
	check_other_sites(c);
	if (m->away_time_s < m->ttl_min * 60)
		conf_error(c->doc, m->pos,
		    "mobility.away-time: shorter than mobility.ttl, so that "
		    "packets of a cached mapping would be dropped");
}
