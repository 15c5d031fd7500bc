/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_check.c - the rules across fields of xtrd.yaml.
 *
 * conf.c calls it when every value by itself is right.  It goes through the
 * sections in the order of the file, fills in what follows from several values
 * and reports all that do not fit together; nothing it does can fail otherwise.
 * Operators' mistakes that would show as a black hole or a loop at run time are
 * worth a rule here; each has a case in tests/conf/xtrd.
 */
#include "conf_check.h"

#include <stdlib.h>
#include <string.h>

/* An element that may be changed; conf_at() is for everybody else. */
#define item_at(list, type, i) (&((type *)(list).items)[i])

enum { WHAT_MAX = 80 }; /* "mobility.sites[1023].xtrs[63]" */

/* Addresses. */

static struct eid
prefix_in(const struct eid *prefix, int64_t instance_id)
{
	return eid_make((uint32_t)instance_id, &prefix->addr, prefix->bits);
}

static bool
covers_addr(const struct eid *prefix, const struct addr *a)
{
	struct eid host = eid_host(prefix->iid, a);

	return eid_covers(prefix, &host);
}

/*
 * Our routes are those of instance 0: only there can an underlay address be
 * taken for an EID.
 */
static bool
attracts(const struct eid *prefix, const struct addr *a)
{
	return prefix->iid == 0 && covers_addr(prefix, a);
}

static bool
is_loopback(const struct addr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return a->afi == AFI_IPV4 ? a->bytes[0] == 127
				  : memcmp(a->bytes, v6, 16) == 0;
}

static bool
list_has(const struct conf_list *addresses, const struct addr *a)
{
	for (size_t i = 0; i < addresses->n; i++)
		if (addr_equal(conf_at(*addresses, struct addr, i), a))
			return true;
	return false;
}

/*
 * An address that we send to or from must not lie in EID space: its packets
 * would be mapped and encapsulated towards itself.
 */
static void
check_no_loop(struct xtr_conf *c, struct conf_pos pos, const char *what,
    const struct addr *a)
{
	char text[ADDR_STR_MAX], prefix[EID_STR_MAX];
	const struct eid *in = NULL;

	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		const struct conf_mobile_prefix *p =
		    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, i);

		if (attracts(&p->prefix, a))
			in = &p->prefix;
	}
	for (size_t i = 0; i < c->eids.n; i++) {
		const struct conf_eid *e = conf_at(c->eids, struct conf_eid, i);

		if (attracts(&e->prefix, a))
			in = &e->prefix;
	}
	for (size_t i = 0; i < c->itr.eid_space.n; i++) {
		const struct eid *e = conf_at(c->itr.eid_space, struct eid, i);

		if (attracts(e, a))
			in = e;
	}
	if (in)
		conf_error(c->doc, pos,
		    "%s: %s lies inside the EID prefix %s, its packets would "
		    "loop",
		    what, addr_str(a, text), eid_str(in, prefix));
}

/* A Map-Server or -Resolver; one of our own process may be on loopback. */
static void
check_server(struct xtr_conf *c, struct conf_pos pos, const char *what,
    const struct addr *a)
{
	char text[ADDR_STR_MAX];

	if (addr_is_martian(a) && !is_loopback(a))
		conf_error(c->doc, pos, "%s: %s is no address of a server",
		    what, addr_str(a, text));
	else
		check_no_loop(c, pos, what, a);
}

static void
check_rloc(struct xtr_conf *c, struct conf_pos pos, const char *what,
    const struct addr *a)
{
	char text[ADDR_STR_MAX];

	if (addr_is_martian(a))
		conf_error(c->doc, pos, "%s: %s cannot be an RLOC", what,
		    addr_str(a, text));
	else
		check_no_loop(c, pos, what, a);
}

static void
check_servers(struct xtr_conf *c, struct conf_pos pos, const char *what,
    const struct conf_list *addresses)
{
	for (size_t i = 0; i < addresses->n; i++)
		check_server(c, pos, what, conf_at(*addresses, struct addr, i));
}

static const struct addr *
lower(const struct addr *a, const struct addr *b)
{
	return !a || addr_compare(b, a) < 0 ? b : a;
}

/* Names and keys. */

/*
 * No two elements of 'size' octets with the same name, which stands at
 * 'name_offset', as the position does at 'pos_offset'.
 */
static void
check_names(struct xtr_conf *c, const char *what, const struct conf_list *list,
    size_t size, size_t name_offset, size_t pos_offset)
{
	const char *elements = list->items;

	for (size_t i = 0; i < list->n; i++) {
		const char *name =
		    *(const char *const *)(const void *)(elements + i * size +
			name_offset);
		const struct conf_pos *pos =
		    (const void *)(elements + i * size + pos_offset);

		for (size_t j = 0; j < i; j++) {
			const char *other =
			    *(const char *const *)(const void *)(elements +
				j * size + name_offset);

			if (strcmp(name, other) != 0)
				continue;
			conf_error(c->doc, *pos,
			    "%s[%zu]: the name '%s' is taken by "
			    "%s[%zu]",
			    what, i, name, what, j);
			break;
		}
	}
}
#define CHECK_NAMES(c, what, list, type) \
	check_names(c, what, list, sizeof(struct type), \
	    offsetof(struct type, name), offsetof(struct type, pos))

static void
make_map_key(struct xtr_conf *c, struct conf_pos pos, const char *what,
    struct conf_key *k)
{
	conf_auth_key(&k->secret, k->key_id, k->algorithm, &k->key);
	k->key.send_len = (uint8_t)k->auth_length;
	k->key.replay_off = !k->replay_check;
	if (k->auth_length && k->auth_length != 32)
		conf_error(
		    c->doc, pos, "%s: auth-length must be 0 or 32", what);
	else if (k->auth_length && k->algorithm != AUTH_SHA256_128)
		conf_error(c->doc, pos,
		    "%s: auth-length is only for hmac-sha256-128", what);
}

static void
make_cpm_key(struct conf_key *k)
{
	k->replay_check = true;
	conf_auth_key(&k->secret, k->key_id, k->algorithm, &k->key);
}

/* site, listen, mapping-systems */

static void
check_site(struct xtr_conf *c)
{
	struct conf_site *s = &c->site;
	bool is_xtr = s->rlocs.n || c->mapping_systems.n || c->eids.n ||
	    c->mobility.prefixes.n || c->mobility.hypervisors.n ||
	    c->mobility.sites.n;
	const struct addr *lowest = NULL;
	char what[WHAT_MAX];

	if (is_xtr && !s->name)
		conf_error(c->doc, s->pos, "site.name: missing");
	if (is_xtr && !s->rlocs.n)
		conf_error(c->doc, s->pos,
		    "site.rlocs: a tunnel router needs at least one");
	if (!s->name)
		s->name = "";
	for (size_t i = 0; i < s->rlocs.n; i++) {
		const struct conf_rloc *r =
		    conf_at(s->rlocs, struct conf_rloc, i);

		snprintf(what, sizeof(what), "site.rlocs[%zu]", i);
		check_rloc(c, r->pos, what, &r->address);
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&r->address,
				&conf_at(s->rlocs, struct conf_rloc, j)
				     ->address))
				conf_error(c->doc, r->pos,
				    "%s: the same address as "
				    "site.rlocs[%zu]",
				    what, j);
		lowest = lower(lowest, &r->address);
	}
	if (lowest && !s->has_xtr_id)
		xtr_id_derive(lowest, s->xtr_id);
}

static void
fill_listen(struct xtr_conf *c)
{
	struct addr *any;

	if (c->listen.n)
		return;
	any = conf_alloc(c->doc, 2 * sizeof(*any));
	any[0].afi = AFI_IPV4;
	any[1].afi = AFI_IPV6;
	c->listen = (struct conf_list){ any, 2 };
}

static void
check_mapping_system(
    struct xtr_conf *c, struct conf_mapping_system *m, size_t n)
{
	char what[WHAT_MAX];

	snprintf(what, sizeof(what), "mapping-systems[%zu].map-resolvers", n);
	check_servers(c, m->pos, what, &m->map_resolvers);
	if (!m->map_servers.n && !m->map_resolvers.n)
		conf_error(c->doc, m->pos,
		    "mapping-systems[%zu]: neither map-servers nor "
		    "map-resolvers",
		    n);
	for (size_t i = 0; i < m->map_servers.n; i++) {
		struct conf_map_server_peer *p =
		    item_at(m->map_servers, struct conf_map_server_peer, i);

		snprintf(what, sizeof(what),
		    "mapping-systems[%zu].map-servers[%zu]", n, i);
		check_server(c, p->pos, what, &p->address);
		make_map_key(c, p->pos, what, &p->key);
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&p->address,
				&conf_at(m->map_servers,
				    struct conf_map_server_peer, j)
				     ->address))
				conf_error(c->doc, p->pos,
				    "%s: the same address as "
				    "map-servers[%zu]",
				    what, j);
	}
}

static void
check_mapping_systems(struct xtr_conf *c)
{
	CHECK_NAMES(
	    c, "mapping-systems", &c->mapping_systems, conf_mapping_system);
	for (size_t i = 0; i < c->mapping_systems.n; i++)
		check_mapping_system(c,
		    item_at(c->mapping_systems, struct conf_mapping_system, i),
		    i);
}

/* The mapping system that registers a prefix; NULL after an error. */
static const struct conf_mapping_system *
resolve_system(
    struct xtr_conf *c, struct conf_pos pos, const char *what, const char *name)
{
	const struct conf_mapping_system *found = NULL;

	for (size_t i = 0; i < c->mapping_systems.n; i++) {
		const struct conf_mapping_system *m =
		    conf_at(c->mapping_systems, struct conf_mapping_system, i);

		if (!found && (!name || strcmp(m->name, name) == 0))
			found = m;
	}
	if (!name && c->mapping_systems.n != 1) {
		conf_error(c->doc, pos,
		    "%s.mapping-system: missing, and there is not exactly one "
		    "that could be meant",
		    what);
		return NULL;
	}
	if (!found)
		conf_error(c->doc, pos, "%s: no mapping system is named '%s'",
		    what, name);
	else if (!found->map_servers.n)
		conf_error(c->doc, pos,
		    "%s: mapping system '%s' has no map-servers to register "
		    "with",
		    what, found->name);
	return found;
}

/* eids */

static void
check_eids(struct xtr_conf *c)
{
	char what[WHAT_MAX], text[EID_STR_MAX];

	for (size_t i = 0; i < c->eids.n; i++) {
		struct conf_eid *e = item_at(c->eids, struct conf_eid, i);

		snprintf(what, sizeof(what), "eids[%zu]", i);
		e->system = resolve_system(c, e->pos, what, e->mapping_system);
		if (e->system)
			e->mapping_system = e->system->name;
		for (size_t j = 0; j < i; j++)
			if (eid_equal(&e->prefix,
				&conf_at(c->eids, struct conf_eid, j)->prefix))
				conf_error(c->doc, e->pos,
				    "%s: %s is eids[%zu] already", what,
				    eid_str(&e->prefix, text), j);
	}
}

/*
 * The data plane carries 24 bits of an instance-ID (RFC 9300 5.1): two that
 * differ above them only would share their traffic.
 */
static void
check_instance(struct xtr_conf *c, struct conf_pos pos, const char *what,
    uint32_t iid, size_t n_eids, size_t n_mobile)
{
	uint32_t other = iid;

	for (size_t i = 0; i < n_mobile; i++) {
		uint32_t o =
		    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, i)
			->prefix.iid;

		if (((o ^ iid) & 0xffffff) == 0 && o != iid)
			other = o;
	}
	for (size_t i = 0; i < n_eids; i++) {
		uint32_t o = conf_at(c->eids, struct conf_eid, i)->prefix.iid;

		if (((o ^ iid) & 0xffffff) == 0 && o != iid)
			other = o;
	}
	if (other != iid)
		conf_error(c->doc, pos,
		    "%s: instance-id %u and %u are the same in 24 bits", what,
		    iid, other);
}

static void
check_instances(struct xtr_conf *c)
{
	char what[WHAT_MAX];

	for (size_t i = 0; i < c->eids.n; i++) {
		const struct conf_eid *e = conf_at(c->eids, struct conf_eid, i);

		snprintf(what, sizeof(what), "eids[%zu]", i);
		check_instance(c, e->pos, what, e->prefix.iid, i, 0);
	}
	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		const struct conf_mobile_prefix *p =
		    conf_at(c->mobility.prefixes, struct conf_mobile_prefix, i);

		snprintf(what, sizeof(what), "mobility.prefixes[%zu]", i);
		check_instance(c, p->pos, what, p->prefix.iid, c->eids.n, i);
	}
}

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
	if (has_mac && !p->segment)
		conf_error(c->doc, p->pos, "%s: mac without segment", what);
	if (has_mac && (p->mac.bytes[0] & 1))
		conf_error(c->doc, p->pos, "%s: mac %s is a group address",
		    what, addr_str(&p->mac, text));
	if (has_gateway && !covers_addr(&p->prefix, &p->gateway))
		conf_error(c->doc, p->pos, "%s: gateway %s is not inside %s",
		    what, addr_str(&p->gateway, text),
		    eid_str(&p->prefix, prefix));
	if (p->segment && strcmp(p->segment, c->dataplane.device) == 0)
		conf_error(c->doc, p->pos,
		    "%s: segment '%s' is the device of the data plane", what,
		    p->segment);
	for (size_t i = 0; i < p->static_hosts.n; i++) {
		const struct addr *a = conf_at(p->static_hosts, struct addr, i);

		if (!covers_addr(&p->prefix, a))
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
	if (p->mapping_system)
		p->system = resolve_system(c, p->pos, what, p->mapping_system);
	else if (covering)
		p->system = covering->system;
	else
		conf_error(c->doc, p->pos,
		    "%s: %s is inside no prefix of eids and has no "
		    "mapping-system of its own",
		    what, eid_str(&p->prefix, text));
	if (p->system)
		p->mapping_system = p->system->name;
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
	}
}

static void
check_mobile_prefixes(struct xtr_conf *c)
{
	char what[WHAT_MAX];

	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		struct conf_mobile_prefix *p =
		    item_at(c->mobility.prefixes, struct conf_mobile_prefix, i);

		snprintf(what, sizeof(what), "mobility.prefixes[%zu]", i);
		check_mobile_system(c, p, what);
		check_gateway(c, p, what);
		check_mobile_others(c, p, i, what);
	}
}

/* mobility.hypervisors, mobility.sites */

/* Puts the prefixes of a sender into its instance; each must be mobile. */
static void
check_authority(struct xtr_conf *c, struct conf_pos pos, const char *what,
    struct conf_list *prefixes, int64_t instance_id)
{
	char text[EID_STR_MAX];

	for (size_t i = 0; i < prefixes->n; i++) {
		struct eid *p = item_at(*prefixes, struct eid, i);

		*p = prefix_in(p, instance_id);
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
	char what[WHAT_MAX];

	CHECK_NAMES(c, "mobility.hypervisors", list, conf_hypervisor);
	for (size_t i = 0; i < list->n; i++) {
		struct conf_hypervisor *h =
		    item_at(*list, struct conf_hypervisor, i);

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
	return addr_equal(&x->rloc, a) || list_has(&x->rlocs, a);
}

static void
check_site_rloc(struct xtr_conf *c, const struct conf_site_xtr *x,
    const char *what, const struct addr *a)
{
	char text[ADDR_STR_MAX];

	check_rloc(c, x->pos, what, a);
	for (size_t i = 0; i < c->site.rlocs.n; i++)
		if (addr_equal(
			&conf_at(c->site.rlocs, struct conf_rloc, i)->address,
			a))
			conf_error(c->doc, x->pos, "%s: %s is our own RLOC",
			    what, addr_str(a, text));
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
		lowest = lower(lowest, a);
	}
	if (!x->has_xtr_id)
		xtr_id_derive(lowest, x->xtr_id);
	if (memcmp(x->xtr_id, c->site.xtr_id, 16) == 0)
		conf_error(c->doc, x->pos, "%s: xtr-id %s is our own", what,
		    uuid_str(x->xtr_id, id));
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
	char what[WHAT_MAX];

	for (size_t i = 0; i < s->xtrs.n; i++) {
		struct conf_site_xtr *x =
		    item_at(s->xtrs, struct conf_site_xtr, i);

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
	char what[WHAT_MAX];

	CHECK_NAMES(c, "mobility.sites", list, conf_other_site);
	for (size_t i = 0; i < list->n; i++) {
		struct conf_other_site *s =
		    item_at(*list, struct conf_other_site, i);

		snprintf(what, sizeof(what), "mobility.sites[%zu]", i);
		make_cpm_key(&s->key);
		if (strcmp(s->name, c->site.name) == 0)
			conf_error(c->doc, s->pos,
			    "%s: '%s' is our own site, which has one "
			    "xTR in "
			    "this version",
			    what, s->name);
		check_authority(c, s->pos, what, &s->prefixes, s->instance_id);
		check_site_xtrs(c, i);
	}
}

static void
check_mobility(struct xtr_conf *c)
{
	const struct conf_mobility *m = &c->mobility;

	check_mobile_prefixes(c);
	check_hypervisors(c);
	check_other_sites(c);
	if (m->away_time_s < m->ttl_min * 60)
		conf_error(c->doc, m->pos,
		    "mobility.away-time: shorter than mobility.ttl, so that "
		    "packets of a cached mapping would be dropped");
	if (m->hold_total_mib < m->hold_mib)
		conf_error(c->doc, m->pos,
		    "mobility.hold-total: below mobility.hold-size");
}

/* dataplane */

static void
check_dataplane(struct xtr_conf *c)
{
	for (size_t i = 0; i < c->site.rlocs.n; i++) {
		const struct conf_rloc *r =
		    conf_at(c->site.rlocs, struct conf_rloc, i);

		if (r->interface &&
		    strcmp(r->interface, c->dataplane.device) == 0)
			conf_error(c->doc, r->pos,
			    "site.rlocs[%zu]: interface '%s' is the "
			    "device of "
			    "the data plane",
			    i, r->interface);
	}
	if (c->dataplane.table >= 253 && c->dataplane.table <= 255)
		conf_error(c->doc, c->dataplane.pos,
		    "dataplane.table: 253, 254 and 255 are the kernel's own");
}

/* map-server, map-resolver, itr */

/* One prefix of one site, for sorting. */
struct ms_entry {
	struct eid prefix;
	uint8_t key_id;
	uint32_t site, index;
};

static int
ms_entry_compare(const void *a, const void *b)
{
	const struct ms_entry *x = a, *y = b;
	int order = memcmp(&x->prefix, &y->prefix, sizeof(x->prefix));

	if (!order)
		order = (int)x->key_id - (int)y->key_id;
	if (!order && x->site != y->site)
		order = x->site < y->site ? -1 : 1;
	if (!order && x->index != y->index)
		order = x->index < y->index ? -1 : 1;
	return order;
}

/* Whether a packet's source tells the two sites apart. */
static bool
sources_differ(const struct conf_ms_site *a, const struct conf_ms_site *b)
{
	for (size_t i = 0; i < a->sources.n; i++)
		if (list_has(&b->sources, conf_at(a->sources, struct addr, i)))
			return false;
	return a->sources.n && b->sources.n;
}

/* Two entries with the same prefix and key-id; false after an error. */
static bool
check_ms_pair(
    struct xtr_conf *c, const struct ms_entry *first, const struct ms_entry *e)
{
	const struct conf_list *sites = &c->map_server.sites;
	const struct conf_ms_site *a =
	    conf_at(*sites, struct conf_ms_site, first->site);
	const struct conf_ms_site *b =
	    conf_at(*sites, struct conf_ms_site, e->site);
	struct conf_pos pos =
	    conf_at(b->prefixes, struct conf_ms_prefix, e->index)->pos;
	char text[EID_STR_MAX];

	if (a == b)
		conf_error(c->doc, pos,
		    "map-server.sites[%u].prefixes[%u]: %s is prefixes[%u] "
		    "already",
		    e->site, e->index, eid_str(&e->prefix, text), first->index);
	else if (sources_differ(a, b))
		return true;
	else
		conf_error(c->doc, pos,
		    "map-server.sites[%u].prefixes[%u]: %s has key-id %u in "
		    "map-server.sites[%u] too; that needs different sources",
		    e->site, e->index, eid_str(&e->prefix, text), e->key_id,
		    first->site);
	return false;
}

static void
check_ms_prefixes(struct xtr_conf *c)
{
	const struct conf_list *sites = &c->map_server.sites;
	struct ms_entry *all;
	size_t n = 0;

	for (size_t i = 0; i < sites->n; i++)
		n += conf_at(*sites, struct conf_ms_site, i)->prefixes.n;
	all = conf_alloc(c->doc, n * sizeof(*all));
	n = 0;
	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_ms_site *s =
		    conf_at(*sites, struct conf_ms_site, i);

		for (size_t j = 0; j < s->prefixes.n; j++) {
			struct conf_ms_prefix *p =
			    item_at(s->prefixes, struct conf_ms_prefix, j);

			p->prefix = prefix_in(&p->prefix, p->instance_id);
			all[n++] = (struct ms_entry){ p->prefix,
				(uint8_t)s->key.key_id, (uint32_t)i,
				(uint32_t)j };
		}
	}
	if (!n)
		return;
	qsort(all, n, sizeof(*all), ms_entry_compare);
	for (size_t i = 1, run = 0; i < n; i++) {
		if (!eid_equal(&all[run].prefix, &all[i].prefix) ||
		    all[run].key_id != all[i].key_id)
			run = i; /* the first of those that are alike */
		for (size_t j = run; j < i; j++)
			if (!check_ms_pair(c, &all[j], &all[i]))
				break;
	}
}

static void
check_map_server(struct xtr_conf *c)
{
	struct conf_list *sites = &c->map_server.sites;
	char what[WHAT_MAX];

	CHECK_NAMES(c, "map-server.sites", sites, conf_ms_site);
	for (size_t i = 0; i < sites->n; i++) {
		struct conf_ms_site *s =
		    item_at(*sites, struct conf_ms_site, i);

		snprintf(what, sizeof(what), "map-server.sites[%zu]", i);
		make_map_key(c, s->pos, what, &s->key);
	}
	check_ms_prefixes(c);
}

static void
check_map_resolver(struct xtr_conf *c)
{
	const struct conf_map_resolver *r = &c->map_resolver;

	check_servers(c, r->pos, "map-resolver.forward-to", &r->forward_to);
	if (r->enabled && !r->forward_to.n && !c->map_server.enabled)
		conf_error(c->doc, r->pos,
		    "map-resolver: needs forward-to or a map-server section");
}

static void
check_itr(struct xtr_conf *c)
{
	for (size_t i = 0; i < c->itr.proxy_itrs.n; i++)
		check_rloc(c, c->itr.pos, "itr.proxy-itrs",
		    conf_at(c->itr.proxy_itrs, struct addr, i));
	if (c->itr.natively_forward && c->itr.eid_space.n)
		conf_error(c->doc, c->itr.pos,
		    "itr.natively-forward: not with eid-space, whose routes "
		    "would bring the packets back");
}

/* Every prefix gets its instance before anything is compared. */
static void
fill_instances(struct xtr_conf *c)
{
	for (size_t i = 0; i < c->eids.n; i++) {
		struct conf_eid *e = item_at(c->eids, struct conf_eid, i);

		e->prefix = prefix_in(&e->prefix, e->instance_id);
	}
	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		struct conf_mobile_prefix *p =
		    item_at(c->mobility.prefixes, struct conf_mobile_prefix, i);

		p->prefix = prefix_in(&p->prefix, p->instance_id);
	}
}

void
conf_check(struct xtr_conf *c)
{
	fill_listen(c);
	fill_instances(c);
	check_site(c);
	check_mapping_systems(c);
	check_eids(c);
	check_instances(c);
	check_mobility(c);
	check_dataplane(c);
	check_map_server(c);
	check_map_resolver(c);
	check_itr(c);
}
