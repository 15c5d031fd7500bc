/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eids.c - the mapping database: one trie over static and dynamic EIDs.
 *
 * mobility.c changes dynamic entries, etr.c, register.c and forward.c read.
 * Absent entries only remember a generation; they are chained by age, so that
 * the oldest goes when the table is full.
 */
#include "eids.h"

#include <stdlib.h>

#include "common/loop.h"
#include "common/trie.h"

struct eids {
	struct trie trie;
	size_t n_dynamic, max_dynamic;
	struct eid_entry *oldest, *newest; /* absent dynamic ones */
	void (*release)(struct eid_entry *);
};

/* Static entries come on top of the dynamic ones' bound. */
#define STATIC_MAX 65536

static void
unchain(struct eids *t, struct eid_entry *e)
{
	if (e->older)
		e->older->newer = e->newer;
	else if (t->oldest == e)
		t->oldest = e->newer;
	if (e->newer)
		e->newer->older = e->older;
	else if (t->newest == e)
		t->newest = e->older;
	e->older = e->newer = NULL;
}

static void
chain(struct eids *t, struct eid_entry *e)
{
	e->older = t->newest;
	e->newer = NULL;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
}

static void
entry_free(struct eids *t, struct eid_entry *e)
{
	if (t->release)
		t->release(e);
	free(e);
}

void
eids_on_release(struct eids *t, void (*fn)(struct eid_entry *))
{
	t->release = fn;
}

static struct eid_entry *
static_entry(struct eids *t, const struct eid *eid)
{
	struct eid_entry *e = trie_find(&t->trie, eid);

	if (e && !e->is_static) {
		eids_remove(t, e);
		e = NULL;
	}
	if (e) {
		e->unlisted = false;
		return e;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->eid = *eid;
	e->is_static = true;
	e->state = EID_LOCAL;
	if (trie_add(&t->trie, eid, e)) {
		free(e);
		return NULL;
	}
	return e;
}

/* What the configuration says: eids[], then static-hosts. */
static enum err
add_static(struct eids *t, const struct xtr_conf *conf)
{
	for (size_t i = 0; i < conf->eids.n; i++) {
		const struct conf_eid *c =
		    conf_at(conf->eids, struct conf_eid, i);
		struct eid_entry *e = static_entry(t, &c->prefix);

		if (!e)
			return ERR_NOMEM;
		e->conf = c;
	}
	for (size_t i = 0; i < conf->mobility.prefixes.n; i++) {
		const struct conf_mobile_prefix *p = conf_at(
		    conf->mobility.prefixes, struct conf_mobile_prefix, i);

		for (size_t j = 0; j < p->static_hosts.n; j++) {
			const struct eid host = eid_host(p->prefix.iid,
			    conf_at(p->static_hosts, struct addr, j));
			struct eid_entry *e = static_entry(t, &host);

			if (!e)
				return ERR_NOMEM;
			e->mobile = p;
		}
	}
	return ERR_OK;
}

struct eids *
eids_new(struct xtr *x)
{
	struct eids *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max_dynamic = (size_t)x->conf->mobility.eids_max;
	trie_init(&t->trie, t->max_dynamic + STATIC_MAX);
	if (add_static(t, x->conf)) {
		eids_free(t);
		return NULL;
	}
	return t;
}

static bool
free_one(void *arg, const struct eid *eid, void *value)
{
	(void)eid;
	entry_free(arg, value);
	return true;
}

void
eids_free(struct eids *t)
{
	if (!t)
		return;
	trie_walk_all(&t->trie, free_one, t);
	trie_fini(&t->trie);
	free(t);
}

struct eid_entry *
eids_find(const struct eids *t, const struct eid *eid)
{
	return trie_find(&t->trie, eid);
}

struct eid_entry *
eids_match(const struct eids *t, const struct eid *eid)
{
	struct eid_entry *e = trie_match(&t->trie, eid);

	while (e && e->state == EID_ABSENT)
		e = trie_parent(&t->trie, &e->eid);
	return e;
}

enum err
eids_add(struct eids *t, const struct eid *eid,
    const struct conf_mobile_prefix *mobile, struct eid_entry **out)
{
	struct eid_entry *e;
	enum err err;

	if (t->n_dynamic >= t->max_dynamic)
		return ERR_FULL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return ERR_NOMEM;
	e->eid = *eid;
	e->mobile = mobile;
	e->state = EID_ABSENT;
	err = trie_add(&t->trie, eid, e);
	if (err) {
		free(e);
		return err;
	}
	t->n_dynamic++;
	chain(t, e);
	*out = e;
	return ERR_OK;
}

struct eid_entry *
eids_oldest(const struct eids *t)
{
	return t->oldest;
}

void
eids_remove(struct eids *t, struct eid_entry *e)
{
	if (!e->is_static) {
		unchain(t, e);
		t->n_dynamic--;
	}
	trie_remove(&t->trie, &e->eid);
	entry_free(t, e);
}

void
eids_set_state(struct eids *t, struct eid_entry *e, enum eid_state state)
{
	unchain(t, e);
	e->state = state;
	if (state == EID_ABSENT)
		chain(t, e);
}

struct walk {
	bool (*fn)(void *arg, struct eid_entry *);
	void *arg;
};

static bool
walk_one(void *arg, const struct eid *eid, void *value)
{
	const struct walk *w = arg;

	(void)eid;
	return w->fn(w->arg, value);
}

void
eids_walk(
    const struct eids *t, bool (*fn)(void *arg, struct eid_entry *), void *arg)
{
	struct walk w = { fn, arg };

	trie_walk_all(&t->trie, walk_one, &w);
}

size_t
eids_count(const struct eids *t)
{
	return t->trie.count;
}

struct eid_entry *
eids_own(const struct xtr *x, const struct eid *eid)
{
	struct eid_entry *e = eids_match(x->eids, eid);
	const struct conf_mobile_prefix *m;

	if (!e || !eid_is_ours(e))
		return NULL;
	m = e->mobile ? NULL : conf_mobile_find(x->conf, eid);
	return m && e->eid.bits <= m->prefix.bits ? NULL : e;
}

bool
eid_is_ours(const struct eid_entry *e)
{
	return e->is_static || e->state == EID_LOCAL ||
	    e->state == EID_DEPARTING || e->state == EID_HELD;
}

const char *
eid_state_str(enum eid_state state)
{
	static const char *const names[EID_STATES] = {
		[EID_ABSENT] = "absent",
		[EID_ARRIVING] = "arriving",
		[EID_LOCAL] = "local",
		[EID_DEPARTING] = "departing",
		[EID_HELD] = "held",
		[EID_AWAY] = "away",
	};

	return names[state];
}

struct statics {
	struct eid_entry **items;
	size_t n, max;
};

static bool
collect_static(void *arg, struct eid_entry *e)
{
	struct statics *s = arg;

	if (e->is_static && s->n < s->max)
		s->items[s->n++] = e;
	return true;
}

static bool
rebind(void *arg, struct eid_entry *e)
{
	struct xtr *x = arg;

	if (!e->is_static)
		e->mobile = conf_mobile_find(x->conf, &e->eid);
	return true;
}

enum err
eids_reload(struct xtr *x)
{
	struct eids *t = x->eids;
	struct statics s = { .max = eids_count(t) };
	enum err err;

	s.items = calloc(s.max ? s.max : 1, sizeof(struct eid_entry *));
	if (!s.items)
		return ERR_NOMEM;
	eids_walk(t, collect_static, &s);
	for (size_t i = 0; i < s.n; i++) {
		s.items[i]->unlisted = true;
		s.items[i]->conf = NULL;
		s.items[i]->mobile = NULL;
	}
	t->max_dynamic = (size_t)x->conf->mobility.eids_max;
	t->trie.max = t->max_dynamic + STATIC_MAX;
	err = add_static(t, x->conf);
	for (size_t i = 0; i < s.n; i++)
		if (s.items[i]->unlisted)
			eids_remove(t, s.items[i]);
	free(s.items);
	eids_walk(t, rebind, x);
	return err;
}
