/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_check_pubsub.c - the rules of the sections "pubsub" of a mapping system
 * and of the Map-Server: whose key is whose.  Part of conf_check.c.
 */
#include "conf_check.h"

#include <string.h>

static void
make_key(struct conf_key *k)
{
	conf_auth_key(&k->secret, k->key_id, k->algorithm, &k->key);
}

static bool
has_key_id(const struct conf_keys *k, int64_t key_id)
{
	for (size_t i = 0; i < k->more.n; i++)
		if (conf_at(k->more, struct conf_key, i)->key_id == key_id)
			return true;
	return k->first.key_id == key_id;
}

/*
 * A Map-Notify names its key by source and key-id: what a registration shares
 * with the Map-Server must be another one.
 */
static void
check_key_id(
    struct xtr_conf *c, const struct conf_pubsub_server *s, const char *what)
{
	for (size_t i = 0; i < c->mapping_systems.n; i++) {
		const struct conf_mapping_system *m =
		    conf_at(c->mapping_systems, struct conf_mapping_system, i);

		for (size_t j = 0; j < m->map_servers.n; j++) {
			const struct conf_map_server_peer *p = conf_at(
			    m->map_servers, struct conf_map_server_peer, j);

			if (addr_equal(&p->address, &s->address) &&
			    has_key_id(&p->keys, s->key.key_id))
				conf_error(c->doc, s->pos,
				    "%s: key-id %lld is that of the "
				    "registrations, "
				    "mapping-systems[%zu].map-servers[%zu]",
				    what, (long long)s->key.key_id, i, j);
		}
	}
}

/* The same address and key-id, in this list or another one, before. */
static void
check_twice(struct xtr_conf *c, const struct conf_pubsub_server *s, size_t n,
    size_t index, const char *what)
{
	for (size_t i = 0; i <= n; i++) {
		const struct conf_list *l =
		    &conf_at(c->mapping_systems, struct conf_mapping_system, i)
			 ->pubsub.servers;

		for (size_t j = 0; j < (i == n ? index : l->n); j++) {
			const struct conf_pubsub_server *o =
			    conf_at(*l, struct conf_pubsub_server, j);

			if (addr_equal(&o->address, &s->address) &&
			    o->key.key_id == s->key.key_id)
				conf_error(c->doc, s->pos,
				    "%s: the same address and key-id as "
				    "mapping-systems[%zu].pubsub."
				    "map-servers[%zu]",
				    what, i, j);
		}
	}
}

static void
check_pubsub(struct xtr_conf *c, struct conf_mapping_system *m, size_t n)
{
	char what[CONF_WHAT_MAX];

	if (m->pubsub.enabled && !m->map_resolvers.n)
		conf_error(c->doc, m->pubsub.pos,
		    "mapping-systems[%zu].pubsub: needs map-resolvers", n);
	for (size_t i = 0; i < m->pubsub.servers.n; i++) {
		struct conf_pubsub_server *s =
		    conf_edit(m->pubsub.servers, struct conf_pubsub_server, i);

		snprintf(what, sizeof(what),
		    "mapping-systems[%zu].pubsub.map-servers[%zu]", n, i);
		conf_check_server(c, s->pos, what, &s->address);
		make_key(&s->key);
		check_key_id(c, s, what);
		check_twice(c, s, n, i, what);
	}
}

static bool
same_id(const struct conf_list *l, size_t i, size_t j)
{
	return memcmp(conf_at(*l, struct conf_subscriber, i)->xtr_id,
		   conf_at(*l, struct conf_subscriber, j)->xtr_id, 16) == 0;
}

static void
check_publisher(struct xtr_conf *c)
{
	const struct conf_list *l = &c->map_server.pubsub.subscribers;

	CONF_CHECK_NAMES(
	    c, "map-server.pubsub.subscribers", l, conf_subscriber);
	for (size_t i = 0; i < l->n; i++) {
		struct conf_subscriber *s =
		    conf_edit(*l, struct conf_subscriber, i);
		const struct addr *lowest = NULL;

		make_key(&s->key);
		for (size_t j = 0; j < s->rlocs.n; j++)
			lowest = conf_check_lower(
			    lowest, conf_at(s->rlocs, struct addr, j));
		if (lowest && !s->has_xtr_id)
			xtr_id_derive(lowest, s->xtr_id);
		else if (!s->has_xtr_id)
			conf_error(c->doc, s->pos,
			    "map-server.pubsub.subscribers[%zu]: needs xtr-id "
			    "or rlocs",
			    i);
		/* A Map-Request has no MAC: where it comes from must do. */
		if (!s->sources.n)
			s->sources = s->rlocs;
		if (!s->sources.n)
			conf_error(c->doc, s->pos,
			    "map-server.pubsub.subscribers[%zu]: needs sources "
			    "or rlocs",
			    i);
		for (size_t j = 0; j < i; j++)
			if (same_id(l, i, j)) {
				conf_error(c->doc, s->pos,
				    "map-server.pubsub.subscribers[%zu]: the "
				    "same xtr-id as subscribers[%zu]",
				    i, j);
				break;
			}
	}
}

void
conf_check_pubsub(struct xtr_conf *c)
{
	for (size_t i = 0; i < c->mapping_systems.n; i++)
		check_pubsub(c,
		    conf_edit(
			c->mapping_systems, struct conf_mapping_system, i),
		    i);
	check_publisher(c);
}
