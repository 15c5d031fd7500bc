/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_server.c - the Map-Server as the rest of xtrd sees it: start, reload, show.
 *
 * ms.h lists the files behind it and what each does.
 */
#include "xtr/map_server.h"

#include <stdlib.h>

#include "xtr/ms.h"
#include "xtr/ms_subscribe.h"

void
map_server_free(struct map_server *ms)
{
	if (!ms)
		return;
	ms_subs_fini(ms);
	ms_notices_fini(ms);
	ms_table_fini(ms);
	ms_peers_fini(ms);
	ms_sites_fini(ms);
	free(ms->answer);
	free(ms);
}

struct map_server *
map_server_new(struct xtr *x)
{
	struct map_server *ms = calloc(1, sizeof(*ms));

	if (!ms)
		return NULL;
	ms->x = x;
	ms->answer = calloc(MS_ANSWER_MAX, sizeof(*ms->answer));
	if (!ms->answer || ms_subs_init(ms) || ms_sites_load(ms) ||
	    ms_peers_load(ms) || ms_notices_init(ms) || ms_table_init(ms) ||
	    ms_table_load(ms)) {
		map_server_free(ms);
		return NULL;
	}
	ms_subs_load(ms);
	ms_table_recheck(ms);
	if (ms->n_registrations)
		log_info("map-server", "%zu registrations from the store",
		    ms->n_registrations);
	return ms;
}

void
map_server_reload(struct xtr *x)
{
	struct map_server *ms = x->map_server;

	if (ms_sites_load(ms)) {
		log_error("map-server", "out of memory: sites are missing");
		return;
	}
	ms->registered.max = (size_t)x->conf->map_server.registrations_max;
	ms_subs_reload(ms);
	ms_table_recheck(ms);
}

struct walk {
	const struct map_server *ms;
	bool (*fn)(void *arg, const struct registration_row *);
	void *arg;
	struct mapping mapping;
	bool stopped;
};

static void
row_make(const struct walk *w, const struct registration *r,
    struct registration_row *out)
{
	const struct peer *p = r->peer;
	int64_t age_us = xtr_now(w->ms->x).us - r->refreshed_us;

	*out = (struct registration_row){
		.site = p->site->name,
		.eid = r->eid,
		.registrant = p->addr,
		.has_xtr_id = p->key.has_xtr_id,
		.proxy = r->flags & MS_PROXY,
		.merge = r->flags & MS_MERGE,
		.key_id = p->key.key_id,
		.algorithm = p->algorithm,
		.registered_ms = r->registered_ms,
		.refreshed_ms =
		    (int64_t)clock_wall_ms(w->ms->x->clock) - age_us / 1000,
		.expires_s = r->lifetime_s - age_us / US_PER_S,
		.mapping = &w->mapping,
	};
	if (p->key.has_xtr_id)
		memcpy(out->xtr_id, p->key.id, sizeof(out->xtr_id));
}

static bool
walk_one(void *arg, const struct eid *eid, void *value)
{
	struct walk *w = arg;
	struct registration_row row;

	(void)eid;
	for (const struct registration *r = value; r && !w->stopped;
	     r = r->next_merged) {
		ms_record(r, &w->mapping);
		row_make(w, r, &row);
		w->stopped = !w->fn(w->arg, &row);
	}
	return !w->stopped;
}

void
map_server_walk(const struct xtr *x,
    bool (*fn)(void *arg, const struct registration_row *), void *arg)
{
	struct walk w = { .ms = x->map_server, .fn = fn, .arg = arg };

	if (x->map_server)
		trie_walk_all(&x->map_server->registered, walk_one, &w);
}

void
map_server_walk_about(const struct xtr *x, const struct eid *about,
    bool (*fn)(void *arg, const struct registration_row *), void *arg)
{
	struct walk w = { .ms = x->map_server, .fn = fn, .arg = arg };
	const struct trie *t;
	struct eid at = *about;
	struct registration *r;

	if (!x->map_server)
		return;
	t = &x->map_server->registered;
	while (!w.stopped && (r = trie_parent(t, &at))) {
		at = r->eid;
		walk_one(&w, &at, r);
	}
	if (!w.stopped)
		trie_walk(t, about, walk_one, &w);
}

size_t
map_server_count(const struct xtr *x)
{
	return x->map_server ? x->map_server->registered.count : 0;
}
