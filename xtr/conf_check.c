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

/* Addresses. */

struct eid
conf_check_prefix(const struct eid *prefix, int64_t instance_id)
{
	return eid_make((uint32_t)instance_id, &prefix->addr, prefix->bits);
}

bool
conf_check_covers(const struct eid *prefix, const struct addr *a)
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
	return prefix->iid == 0 && conf_check_covers(prefix, a);
}

static bool
is_loopback(const struct addr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return a->afi == AFI_IPV4 ? a->bytes[0] == 127
				  : memcmp(a->bytes, v6, 16) == 0;
}

bool
conf_check_listed(const struct conf_list *addresses, const struct addr *a)
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
	for (size_t i = 0; i < c->proxy.eid_space.n; i++) {
		const struct eid *e =
		    conf_at(c->proxy.eid_space, struct eid, i);

		if (attracts(e, a))
			in = e;
	}
	if (in)
		conf_error(c->doc, pos,
		    "%s: %s lies inside the EID prefix %s, its packets would "
		    "loop",
		    what, addr_str(a, text), eid_str(in, prefix));
}

void
conf_check_server(struct xtr_conf *c, struct conf_pos pos, const char *what,
    const struct addr *a)
{
	char text[ADDR_STR_MAX];

	if (addr_is_martian(a) && !is_loopback(a))
		conf_error(c->doc, pos, "%s: %s is no address of a server",
		    what, addr_str(a, text));
	else
		check_no_loop(c, pos, what, a);
}

void
conf_check_rloc(struct xtr_conf *c, struct conf_pos pos, const char *what,
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
		conf_check_server(
		    c, pos, what, conf_at(*addresses, struct addr, i));
}

const struct addr *
conf_check_lower(const struct addr *a, const struct addr *b)
{
	return !a || addr_compare(b, a) < 0 ? b : a;
}

/* Names and keys. */

void
conf_check_names(struct xtr_conf *c, const char *what,
    const struct conf_list *list, size_t size, size_t name_offset,
    size_t pos_offset)
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

static void
check_map_key(struct xtr_conf *c, struct conf_pos pos, const char *what,
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

/* Before those with a weaker algorithm, behind those before it in the file. */
static void
ring_add(struct conf_keyring *ring, const struct auth_key *key)
{
	size_t at = ring->n++;

	for (; at && ring->keys[at - 1]->algorithm < key->algorithm; at--)
		ring->keys[at] = ring->keys[at - 1];
	ring->keys[at] = key;
}

void
conf_check_map_keys(struct xtr_conf *c, struct conf_pos pos, const char *what,
    struct conf_keys *k)
{
	char more[CONF_WHAT_MAX];

	k->ring.keys =
	    conf_alloc(c->doc, (k->more.n + 1) * sizeof(*k->ring.keys));
	check_map_key(c, pos, what, &k->first);
	ring_add(&k->ring, &k->first.key);
	for (size_t i = 0; i < k->more.n; i++) {
		struct conf_key *m = conf_edit(k->more, struct conf_key, i);

		snprintf(more, sizeof(more), "%s.keys[%zu]", what, i);
		check_map_key(c, m->pos, more, m);
		for (size_t j = 0; j < k->ring.n; j++)
			if (k->ring.keys[j]->key_id == m->key.key_id &&
			    k->ring.keys[j]->algorithm == m->key.algorithm)
				conf_error(c->doc, m->pos,
				    "%s: key-id %u with this algorithm is "
				    "there already",
				    more, m->key.key_id);
		ring_add(&k->ring, &m->key);
	}
}

/* site, listen, mapping-systems */

static void
check_site(struct xtr_conf *c)
{
	struct conf_site *s = &c->site;
	bool is_xtr = s->rlocs.n || c->mapping_systems.n || c->eids.n ||
	    c->mobility.prefixes.n || c->mobility.hypervisors.n ||
	    c->mobility.sites.n || c->proxy.pitr || c->proxy.petr;
	const struct addr *lowest = NULL;
	char what[CONF_WHAT_MAX];

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
		conf_check_rloc(c, r->pos, what, &r->address);
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&r->address,
				&conf_at(s->rlocs, struct conf_rloc, j)
				     ->address))
				conf_error(c->doc, r->pos,
				    "%s: the same address as "
				    "site.rlocs[%zu]",
				    what, j);
		lowest = conf_check_lower(lowest, &r->address);
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
	char what[CONF_WHAT_MAX];

	snprintf(what, sizeof(what), "mapping-systems[%zu].map-resolvers", n);
	check_servers(c, m->pos, what, &m->map_resolvers);
	if (!m->map_servers.n && !m->map_resolvers.n)
		conf_error(c->doc, m->pos,
		    "mapping-systems[%zu]: neither map-servers nor "
		    "map-resolvers",
		    n);
	for (size_t i = 0; i < m->map_servers.n; i++) {
		struct conf_map_server_peer *p =
		    conf_edit(m->map_servers, struct conf_map_server_peer, i);

		snprintf(what, sizeof(what),
		    "mapping-systems[%zu].map-servers[%zu]", n, i);
		conf_check_server(c, p->pos, what, &p->address);
		conf_check_map_keys(c, p->pos, what, &p->keys);
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
	CONF_CHECK_NAMES(
	    c, "mapping-systems", &c->mapping_systems, conf_mapping_system);
	for (size_t i = 0; i < c->mapping_systems.n; i++)
		check_mapping_system(c,
		    conf_edit(
			c->mapping_systems, struct conf_mapping_system, i),
		    i);
}

static const struct conf_mapping_system *
system_named(const struct xtr_conf *c, const char *name)
{
	for (size_t i = 0; i < c->mapping_systems.n; i++) {
		const struct conf_mapping_system *m =
		    conf_at(c->mapping_systems, struct conf_mapping_system, i);

		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

/* Without a name the only mapping system is meant. */
static bool
fill_only_system(struct xtr_conf *c, struct conf_pos pos, const char *what,
    struct conf_list *names)
{
	const char **name;

	if (names->n)
		return true;
	if (c->mapping_systems.n != 1) {
		conf_error(c->doc, pos,
		    "%s.mapping-system: missing, and there is not exactly one "
		    "that could be meant",
		    what);
		return false;
	}
	name = conf_alloc(c->doc, sizeof(*name));
	*name =
	    conf_at(c->mapping_systems, struct conf_mapping_system, 0)->name;
	*names = (struct conf_list){ name, 1 };
	return true;
}

void
conf_check_systems(struct xtr_conf *c, struct conf_pos pos, const char *what,
    struct conf_list *names, struct conf_systems *out)
{
	if (!fill_only_system(c, pos, what, names))
		return;
	out->list = conf_alloc(c->doc, names->n * sizeof(*out->list));
	for (size_t i = 0; i < names->n; i++) {
		const char *name = *conf_at(*names, char *, i);
		const struct conf_mapping_system *s = system_named(c, name);

		if (!s)
			conf_error(c->doc, pos,
			    "%s: no mapping system is named '%s'", what, name);
		else if (!s->map_servers.n)
			conf_error(c->doc, pos,
			    "%s: mapping system '%s' has no map-servers to "
			    "register with",
			    what, name);
		for (size_t j = 0; s && j < out->n; j++) {
			if (out->list[j] != s)
				continue;
			conf_error(c->doc, pos,
			    "%s.mapping-system: '%s' is there twice", what,
			    name);
			s = NULL;
		}
		if (s)
			out->list[out->n++] = s;
	}
}

/* eids */

static void
check_eids(struct xtr_conf *c)
{
	char what[CONF_WHAT_MAX], text[EID_STR_MAX];

	for (size_t i = 0; i < c->eids.n; i++) {
		struct conf_eid *e = conf_edit(c->eids, struct conf_eid, i);

		snprintf(what, sizeof(what), "eids[%zu]", i);
		conf_check_systems(
		    c, e->pos, what, &e->mapping_systems, &e->systems);
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
	char what[CONF_WHAT_MAX];

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

/* map-resolver, itr */

static void
check_map_resolver(struct xtr_conf *c)
{
	const struct conf_map_resolver *r = &c->map_resolver;

	check_servers(c, r->pos, "map-resolver.forward-to", &r->forward_to);
	check_servers(
	    c, r->pos, "map-resolver.pubsub-sources", &r->pubsub_sources);
	if (r->enabled && !r->forward_to.n && !c->map_server.enabled)
		conf_error(c->doc, r->pos,
		    "map-resolver: needs forward-to or a map-server section");
}

static void
check_itr(struct xtr_conf *c)
{
	for (size_t i = 0; i < c->itr.proxy_itrs.n; i++)
		conf_check_rloc(c, c->itr.pos, "itr.proxy-itrs",
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
		struct conf_eid *e = conf_edit(c->eids, struct conf_eid, i);

		e->prefix = conf_check_prefix(&e->prefix, e->instance_id);
	}
	for (size_t i = 0; i < c->mobility.prefixes.n; i++) {
		struct conf_mobile_prefix *p = conf_edit(
		    c->mobility.prefixes, struct conf_mobile_prefix, i);

		p->prefix = conf_check_prefix(&p->prefix, p->instance_id);
	}
}

/* What 'trust' decides where nothing is said. */
static void
fill_reachability(struct conf_reachability *r)
{
	const bool trusted = r->trust == CONF_TRUST_PRIVATE;

	if (!r->has_probe)
		r->probe = trusted;
	if (!r->has_echo_nonce)
		r->echo_nonce = trusted;
	if (!r->has_lsb)
		r->lsb = trusted;
	if (!r->has_map_version)
		r->map_version = trusted;
}

void
conf_check(struct xtr_conf *c)
{
	fill_listen(c);
	fill_instances(c);
	check_site(c);
	conf_check_partners(c);
	check_mapping_systems(c);
	check_eids(c);
	check_instances(c);
	conf_check_mobility(c);
	check_dataplane(c);
	conf_check_map_server(c);
	conf_check_pubsub(c);
	check_map_resolver(c);
	check_itr(c);
	fill_reachability(&c->reachability);
	conf_check_proxy(c);
}
