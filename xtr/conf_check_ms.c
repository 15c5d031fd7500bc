/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_check_ms.c - the rules of the section "map-server": names, keys, and
 * that each registration has one site it can be from.  Part of conf_check.c.
 */
#include "conf_check.h"

#include <stdlib.h>
#include <string.h>

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
		if (conf_check_listed(
			&b->sources, conf_at(a->sources, struct addr, i)))
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

/* One entry per key-id of the site; returns how many. */
static size_t
add_entries(struct ms_entry *out, const struct conf_ms_site *s,
    const struct conf_ms_prefix *p, uint32_t site, uint32_t index)
{
	size_t n = 0;

	for (size_t i = 0; i < s->keys.ring.n; i++) {
		const uint8_t id = s->keys.ring.keys[i]->key_id;
		bool known = false;

		for (size_t j = 0; j < n; j++)
			known |= out[j].key_id == id;
		if (!known)
			out[n++] =
			    (struct ms_entry){ p->prefix, id, site, index };
	}
	return n;
}

static void
check_ms_prefixes(struct xtr_conf *c)
{
	const struct conf_list *sites = &c->map_server.sites;
	struct ms_entry *all;
	size_t n = 0;

	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_ms_site *s =
		    conf_at(*sites, struct conf_ms_site, i);

		n += s->prefixes.n * s->keys.ring.n;
	}
	all = conf_alloc(c->doc, n * sizeof(*all));
	n = 0;
	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_ms_site *s =
		    conf_at(*sites, struct conf_ms_site, i);

		for (size_t j = 0; j < s->prefixes.n; j++) {
			struct conf_ms_prefix *p =
			    conf_edit(s->prefixes, struct conf_ms_prefix, j);

			p->prefix =
			    conf_check_prefix(&p->prefix, p->instance_id);
			n += add_entries(
			    &all[n], s, p, (uint32_t)i, (uint32_t)j);
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

void
conf_check_map_server(struct xtr_conf *c)
{
	struct conf_list *sites = &c->map_server.sites;
	char what[CONF_WHAT_MAX];

	CONF_CHECK_NAMES(c, "map-server.sites", sites, conf_ms_site);
	for (size_t i = 0; i < sites->n; i++) {
		struct conf_ms_site *s =
		    conf_edit(*sites, struct conf_ms_site, i);

		snprintf(what, sizeof(what), "map-server.sites[%zu]", i);
		conf_check_map_keys(c, s->pos, what, &s->keys);
	}
	check_ms_prefixes(c);
}
