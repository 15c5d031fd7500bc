/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.c - which RLOCs can be reached: the table, and who hears of a change.
 *
 * map_cache.c puts the RLOCs of its mappings in, the configuration our own ones,
 * reach_watch() those that somebody wants to know about.  What is known comes
 * from reach_probe.c (probes), reach_kernel.c (interfaces, routes), dp_icmp.c
 * (ICMP errors, by way of a probe) and echo_nonce.c.  Why a bit per cause: an
 * RLOC that lost its route and does not answer is up again when both say so, and
 * a person sees which.
 */
#include "reach.h"

#include <stdlib.h>

#include "xtr/dp.h"
#include "xtr/reach_kernel.h"
#include "xtr/reach_own.h"
#include "xtr/reach_probe.h"

struct reach_watch {
	struct reach_rloc *of;
	struct reach_watch *next;
	int64_t interval_ms;
	bool has_eid;
	struct eid eid;
	reach_fn *fn;
	void *arg;
};

struct reach {
	struct table rlocs;
	size_t n_watches;
	/* Several RLOCs on one interface change together. */
	struct loop_timer *own_changed;
	struct reach_probes *probes;
	struct mono icmp_bucket;
	struct log_limit log;
};

static const char *const state_names[REACH_STATES] = {
	[REACH_UNKNOWN] = "unknown", [REACH_UP] = "up", [REACH_DOWN] = "down"
};

static const char *const cause_names[REACH_CAUSES + 1] = {
	[REACH_CONFIG] = "config",
	[REACH_INTERFACE] = "interface",
	[REACH_ROUTE] = "route",
	[REACH_PROBE] = "probe",
	[REACH_ICMP] = "icmp",
	[REACH_ECHO] = "echo-nonce",
	[REACH_CAUSES] = "",
};

const char *
reach_state_str(enum reach_state s)
{
	return state_names[s];
}

const char *
reach_cause_str(enum reach_cause c)
{
	return cause_names[c];
}

enum reach_state
reach_state(const struct reach_rloc *r)
{
	if (r->down)
		return REACH_DOWN;
	return r->up ? REACH_UP : REACH_UNKNOWN;
}

enum reach_cause
reach_why(const struct reach_rloc *r)
{
	const unsigned bits = r->down ? r->down : r->up;

	return bits ? (enum reach_cause)__builtin_ctz(bits) : REACH_CAUSES;
}

struct reach_rloc *
reach_find(const struct xtr *x, const struct addr *rloc)
{
	if (!x->reach)
		return NULL;
	return table_entry(
	    table_find(&x->reach->rlocs, rloc), struct reach_rloc, by_addr);
}

bool
reach_is_up(const struct xtr *x, const struct addr *rloc)
{
	const struct reach_rloc *r = reach_find(x, rloc);

	return !r || !r->down;
}

/* --- the table --- */

/* 'spare': also beyond REACH_MAX.  NULL at the bound. */
static struct reach_rloc *
obtain(struct xtr *x, const struct addr *rloc, bool spare)
{
	struct reach_rloc *r = reach_find(x, rloc);

	if (r || !x->reach)
		return r;
	if (!spare && x->reach->rlocs.count >= REACH_MAX) {
		x->counters.reach_full++;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->x = x;
	r->addr = *rloc;
	r->changed = xtr_now(x);
	if (table_add(&x->reach->rlocs, &r->by_addr)) {
		x->counters.reach_full++;
		free(r);
		return NULL;
	}
	reach_kernel_added(r);
	return r;
}

static void
release(struct reach_rloc *r)
{
	if (r->own || r->uses || r->watches)
		return;
	reach_probe_free(r);
	table_remove(&r->x->reach->rlocs, &r->by_addr);
	free(r);
}

struct own_sweep {
	const struct xtr *x;
	struct reach_rloc *gone;
};

static bool
find_gone(void *arg, struct reach_rloc *r)
{
	struct own_sweep *s = arg;

	if (r->own && !xtr_rloc_is_own(s->x, &r->addr))
		s->gone = r;
	return !s->gone;
}

static bool
attend_one(void *arg, struct reach_rloc *r)
{
	(void)arg;
	reach_probe_attend(r);
	return true;
}

void
reach_reload(struct xtr *x)
{
	const struct conf_list *rlocs = &x->conf->site.rlocs;
	struct own_sweep s = { .x = x };

	for (size_t i = 0; i < rlocs->n; i++) {
		const struct conf_rloc *c =
		    conf_at(*rlocs, struct conf_rloc, i);
		struct reach_rloc *r = obtain(x, &c->address, true);

		if (!r || r->own)
			continue;
		/* As another's it may have been down; who asks us now? */
		r->own = true;
		r->down &= 1u << REACH_INTERFACE;
		r->up = 0;
	}
	do {
		s.gone = NULL;
		reach_walk(x, find_gone, &s);
		if (s.gone) {
			s.gone->own = false;
			s.gone->down &= (uint8_t) ~(1u << REACH_INTERFACE);
			s.gone->up = 0;
			release(s.gone);
		}
	} while (s.gone);
	reach_walk(x, attend_one, NULL);
	reach_kernel_changed(x);
}

static void
own_due(void *arg)
{
	struct xtr *x = arg;

	if (x->eids && x->registers && x->smrs)
		reach_own_changed(x);
}

struct reach *
reach_new(struct xtr *x)
{
	struct reach *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->own_changed = loop_timer_new(x->loop, own_due, x);
	t->probes = reach_probes_new(x);
	if (!t->own_changed || !t->probes ||
	    table_init(&t->rlocs, REACH_MAX + REACH_SPARE,
		offsetof(struct reach_rloc, by_addr),
		offsetof(struct reach_rloc, addr), sizeof(struct addr))) {
		reach_free(t);
		return NULL;
	}
	x->reach = t;
	reach_reload(x);
	return t;
}

void
reach_free(struct reach *t)
{
	struct table_iter i;
	struct table_node *n;

	if (!t)
		return;
	if (t->rlocs.buckets)
		i = table_iter(&t->rlocs);
	while (t->rlocs.buckets && (n = table_next(&i))) {
		struct reach_rloc *r =
		    table_entry(n, struct reach_rloc, by_addr);

		while (r->watches) {
			struct reach_watch *w = r->watches;

			r->watches = w->next;
			free(w);
		}
		table_remove(&t->rlocs, n);
		reach_probe_free(r);
		free(r);
	}
	table_fini(&t->rlocs);
	reach_probes_free(t->probes);
	loop_timer_free(t->own_changed);
	free(t);
}

struct mono *
reach_icmp_bucket(const struct xtr *x)
{
	return &x->reach->icmp_bucket;
}

struct reach_probes *
reach_probes(const struct xtr *x)
{
	return x->reach->probes;
}

void
reach_walk(
    const struct xtr *x, bool (*fn)(void *arg, struct reach_rloc *), void *arg)
{
	struct table_iter i;
	struct table_node *n;

	if (!x->reach)
		return;
	for (i = table_iter(&x->reach->rlocs); (n = table_next(&i));)
		if (!fn(arg, table_entry(n, struct reach_rloc, by_addr)))
			return;
}

size_t
reach_count(const struct xtr *x)
{
	return x->reach ? x->reach->rlocs.count : 0;
}

/* --- changes --- */

static void
log_change(struct reach_rloc *r, enum reach_state now)
{
	struct xtr *x = r->x;
	char buf[ADDR_STR_MAX];
	uint32_t held;

	/* A remote may make an RLOC go up and down. */
	if (log_allowed(&x->reach->log, xtr_now(x), &held))
		log_info("reach", "RLOC %s%s is %s%s%s (%u more not logged)",
		    r->own ? "of ours " : "", addr_str(&r->addr, buf),
		    reach_state_str(now), r->down || r->up ? ": " : "",
		    reach_cause_str(reach_why(r)), held);
}

/* The state of 'r' was 'before'.  May free 'r'. */
static void
changed(struct reach_rloc *r, enum reach_state before)
{
	struct xtr *x = r->x;
	const enum reach_state now = reach_state(r);
	const struct addr addr = r->addr;

	if (now == before)
		return;
	r->changed = xtr_now(x);
	r->changed_ms = (int64_t)clock_wall_ms(x->clock);
	if (now == REACH_DOWN)
		x->counters.reach_down++;
	else if (before == REACH_DOWN)
		x->counters.reach_up++;
	if (now == REACH_DOWN || before == REACH_DOWN) {
		log_change(r, now);
		if (x->dp && x->dp->ops->mapping_changed)
			for (const struct reach_use *u = r->uses; u;
			     u = u->next)
				dp_mapping_changed(x, u->eid);
		if (r->own)
			loop_timer_set(x->reach->own_changed, 0);
	}
	for (struct reach_watch *w = r->watches, *next; w; w = next) {
		next = w->next;
		w->fn(w->arg, &addr, now);
	}
}

void
reach_set(struct xtr *x, const struct addr *rloc, enum reach_cause cause,
    enum reach_state state)
{
	struct reach_rloc *r = reach_find(x, rloc);
	const uint8_t bit = (uint8_t)(1u << cause);
	enum reach_state before;

	if (!r)
		return;
	before = reach_state(r);
	r->down =
	    (uint8_t)(state == REACH_DOWN ? r->down | bit : r->down & ~bit);
	r->up = (uint8_t)(state == REACH_UP ? r->up | bit : r->up & ~bit);
	changed(r, before);
}

/* --- mappings --- */

void
reach_use(struct xtr *x, const struct addr *rloc, const struct eid *eid,
    struct reach_use *use)
{
	struct reach_rloc *r = obtain(x, rloc, false);

	*use = (struct reach_use){ .of = r, .eid = eid };
	if (!r)
		return;
	use->next = r->uses;
	use->at = &r->uses;
	if (use->next)
		use->next->at = &use->next;
	r->uses = use;
	r->n_uses++;
	/* Somebody says anew that it may be used. */
	reach_probe_attend(r);
}

void
reach_unuse(struct reach_use *use)
{
	struct reach_rloc *r = use->of;

	if (!r)
		return;
	*use->at = use->next;
	if (use->next)
		use->next->at = use->at;
	*use = (struct reach_use){ 0 };
	r->n_uses--;
	release(r);
}

/* --- watches --- */

struct reach_watch *
reach_watch(struct xtr *x, const struct addr *rloc, const struct eid *eid,
    int64_t interval_ms, reach_fn *fn, void *arg)
{
	struct reach_watch *w;
	struct reach_rloc *r;

	if (!x->reach || x->reach->n_watches >= REACH_WATCHES_MAX)
		return NULL;
	w = calloc(1, sizeof(*w));
	r = w ? obtain(x, rloc, true) : NULL;
	if (!r) {
		free(w);
		return NULL;
	}
	w->of = r;
	w->interval_ms = interval_ms;
	w->fn = fn;
	w->arg = arg;
	if (eid) {
		w->has_eid = true;
		w->eid = *eid;
	}
	w->next = r->watches;
	r->watches = w;
	x->reach->n_watches++;
	reach_probe_attend(r);
	return w;
}

void
reach_unwatch(struct reach_watch *w)
{
	struct reach_watch **at;

	if (!w)
		return;
	for (at = &w->of->watches; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	w->of->x->reach->n_watches--;
	release(w->of);
	free(w);
}

int64_t
reach_watch_interval(const struct reach_rloc *r)
{
	int64_t least = 0;

	for (const struct reach_watch *w = r->watches; w; w = w->next)
		if (w->interval_ms > 0 && (!least || w->interval_ms < least))
			least = w->interval_ms;
	return least;
}

bool
reach_probe_eid(const struct reach_rloc *r, unsigned nth, struct eid *out)
{
	const struct conf_list *eids = &r->x->conf->eids,
			       *mobile = &r->x->conf->mobility.prefixes;
	const struct reach_use *u = r->uses;

	for (const struct reach_watch *w = r->watches; w; w = w->next)
		if (w->has_eid) {
			*out = w->eid;
			return true;
		}
	if (u) {
		for (size_t skip = nth % r->n_uses; skip; skip--)
			u = u->next;
		*out = *u->eid;
	} else if (eids->n) {
		*out = conf_at(*eids, struct conf_eid, nth % eids->n)->prefix;
	} else if (mobile->n) {
		const struct conf_mobile_prefix *m = conf_at(
		    *mobile, struct conf_mobile_prefix, nth % mobile->n);

		*out = m->static_hosts.n
		    ? eid_host(m->prefix.iid,
			  conf_at(m->static_hosts, struct addr, 0))
		    : m->prefix;
	} else {
		return false;
	}
	return true;
}
