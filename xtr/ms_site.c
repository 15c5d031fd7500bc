/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_site.c - who may register what, and whose key a Map-Register was made with.
 *
 * Built from the configuration, rebuilt as a whole by a reload.  The key of a
 * Map-Register is named by a key-id only, and the prefix that tells the site is
 * inside the records that the MAC protects: so the sites that cover one of the
 * first records are tried, a few at most, before anything is believed.
 */
#include "xtr/ms.h"

#include <stdlib.h>
#include <string.h>

struct ms_site *
ms_site_get(struct map_server *ms, const char *name)
{
	struct ms_site **sites, *s;

	for (size_t i = 0; i < ms->n_sites; i++)
		if (strcmp(ms->sites[i]->name, name) == 0)
			return ms->sites[i];

	sites = realloc(ms->sites, (ms->n_sites + 1) * sizeof(*sites));
	if (!sites)
		return NULL;
	ms->sites = sites;
	s = calloc(1, sizeof(*s));
	if (!s || !(s->name = strdup(name))) {
		free(s);
		return NULL;
	}
	s->number = (uint32_t)ms->n_sites;
	ms->sites[ms->n_sites++] = s;
	return s;
}

static void
prefixes_free(struct map_server *ms)
{
	while (ms->prefixes) {
		struct ms_prefix *p = ms->prefixes;

		ms->prefixes = p->next_prefix;
		while (p->claims) {
			struct ms_claim *c = p->claims;

			p->claims = c->next_of_prefix;
			free(c);
		}
		free(p);
	}
	trie_fini(&ms->configured);
	trie_fini(&ms->mobile);
	trie_init(&ms->configured, SIZE_MAX);
	trie_init(&ms->mobile, SIZE_MAX);
}

static enum err
prefix_add(
    struct map_server *ms, struct ms_site *s, const struct conf_ms_prefix *conf)
{
	struct ms_prefix *p = trie_find(&ms->configured, &conf->prefix);
	struct ms_claim *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_NOMEM;
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p || trie_add(&ms->configured, &conf->prefix, p)) {
			free(p);
			free(c);
			return ERR_NOMEM;
		}
		p->eid = conf->prefix;
		p->next_prefix = ms->prefixes;
		ms->prefixes = p;
	}
	*c = (struct ms_claim){ p->claims, s, conf->more_specifics };
	p->claims = c;
	p->mobile |= conf->mobile;
	return p->mobile ? trie_add(&ms->mobile, &p->eid, p) : ERR_OK;
}

enum err
ms_sites_load(struct map_server *ms)
{
	const struct conf_map_server *conf = &ms->x->conf->map_server;

	prefixes_free(ms);
	for (size_t i = 0; i < ms->n_sites; i++)
		ms->sites[i]->conf = NULL;
	for (size_t i = 0; i < conf->sites.n; i++) {
		const struct conf_ms_site *cs =
		    conf_at(conf->sites, struct conf_ms_site, i);
		struct ms_site *s = ms_site_get(ms, cs->name);

		if (!s)
			return ERR_NOMEM;
		s->conf = cs;
		for (size_t j = 0; j < cs->prefixes.n; j++) {
			enum err err = prefix_add(ms, s,
			    conf_at(cs->prefixes, struct conf_ms_prefix, j));

			if (err)
				return err;
		}
	}
	return ERR_OK;
}

void
ms_sites_fini(struct map_server *ms)
{
	prefixes_free(ms);
	for (size_t i = 0; i < ms->n_sites; i++) {
		free(ms->sites[i]->name);
		free(ms->sites[i]);
	}
	free(ms->sites);
}

const struct ms_prefix *
ms_prefix_match(const struct map_server *ms, const struct eid *eid)
{
	return trie_match(&ms->configured, eid);
}

bool
ms_site_may(
    const struct map_server *ms, const struct ms_site *s, const struct eid *eid)
{
	const struct ms_prefix *p = trie_match(&ms->configured, eid);

	for (; p; p = trie_parent(&ms->configured, &p->eid))
		for (const struct ms_claim *c = p->claims; c;
		     c = c->next_of_prefix)
			if (c->site == s)
				return p->eid.bits == eid->bits ||
				    c->more_specifics;
	return false;
}

/* The sites tried for one Map-Register, and the best reason so far. */
struct trial {
	const struct datagram *dg;
	const struct map_register *m;
	struct ms_site *tried[MS_KEYS_TRIED];
	unsigned n;
	const struct auth_key *key; /* the one that fits */
	enum err err;
};

static bool
source_fits(const struct conf_ms_site *s, const struct addr *from)
{
	for (size_t i = 0; i < s->sources.n; i++)
		if (addr_equal(conf_at(s->sources, struct addr, i), from))
			return true;
	return s->sources.n == 0;
}

/* True if a key of 's' verifies; keeps the more telling reason otherwise. */
static bool
try_site(struct trial *t, struct ms_site *s)
{
	enum err err;

	for (unsigned i = 0; i < t->n; i++)
		if (t->tried[i] == s)
			return false;
	if (!s->conf || t->n == MS_KEYS_TRIED ||
	    !keyring_find(
		&s->conf->keys.ring, t->m->auth.key_id, t->m->auth.algorithm))
		return false;
	if (!source_fits(s->conf, &t->dg->from)) {
		if (t->err == ERR_KEY_UNKNOWN)
			t->err = ERR_SOURCE;
		return false;
	}
	t->tried[t->n++] = s;
	err = keyring_verify(
	    &s->conf->keys.ring, t->dg->bytes, t->dg->len, &t->key);
	if (err && t->err != ERR_AUTH)
		t->err = err;
	return !err;
}

static struct ms_site *
try_covering(struct map_server *ms, struct trial *t, const struct eid *eid)
{
	const struct ms_prefix *p = trie_match(&ms->configured, eid);

	for (; p; p = trie_parent(&ms->configured, &p->eid))
		for (const struct ms_claim *c = p->claims; c;
		     c = c->next_of_prefix)
			if (try_site(t, c->site))
				return c->site;
	return NULL;
}

enum err
ms_site_verify(struct map_server *ms, const struct datagram *dg,
    const struct map_register *m, struct ms_site **out,
    const struct auth_key **key)
{
	struct trial t = { .dg = dg, .m = m, .err = ERR_KEY_UNKNOWN };
	struct records left = m->records;
	struct ms_site *s = NULL;
	struct mapping map;
	struct eid eid;
	unsigned n = 0;

	while (records_next(&left, &map)) {
		enum err err = lisp_addr_eid(&map.eid, map.eid_bits, &eid);

		if (err)
			return err;
		if (!s && n++ < MS_RECORDS_TRIED)
			s = try_covering(ms, &t, &eid);
	}
	if (!s)
		return t.err;
	*out = s;
	*key = t.key;
	return ERR_OK;
}
