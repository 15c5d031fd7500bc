/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dp_routes.c - which routes and rules a configuration needs.
 *
 * dp_tun.c calls it when the device is there; route.c talks to the kernel.
 * The plan is computed anew at each start and compared with what the kernel
 * has of ours, so a changed configuration leaves nothing behind.  Host routes
 * on the segments are not in the plan: they are segment.c's.
 */
#include "dp_routes.h"

#include <stdlib.h>

struct plan {
	struct route_spec *routes;
	struct route_rule *rules;
	size_t n_routes, n_rules;
	int device;
	uint32_t table;
	bool by_source; /* policy rules instead of an EID space */
};

/* Per own prefix: route and back-stop, two rules; per family: two defaults. */
static enum err
plan_init(struct plan *p, const struct xtr_conf *conf, int device)
{
	size_t own = conf->eids.n + conf->mobility.prefixes.n;

	*p = (struct plan){ .device = device,
		.table = (uint32_t)conf->dataplane.table,
		.by_source = conf->itr.eid_space.n == 0 };
	p->routes = calloc(
	    2 * (own + conf->itr.eid_space.n + conf->proxy.eid_space.n) + 4,
	    sizeof(*p->routes));
	p->rules = calloc(2 * own + 1, sizeof(*p->rules));
	return p->routes && p->rules ? ERR_OK : ERR_NOMEM;
}

static void
plan_fini(struct plan *p)
{
	free(p->routes);
	free(p->rules);
}

static void
plan_backstop(struct plan *p, const struct eid *prefix, uint32_t table)
{
	p->routes[p->n_routes++] = (struct route_spec){ .prefix = *prefix,
		.unreachable = true,
		.metric = ROUTE_BACKSTOP_METRIC,
		.table = table };
}

static void
plan_device(struct plan *p, const struct eid *prefix, uint32_t table)
{
	p->routes[p->n_routes++] = (struct route_spec){
		.prefix = *prefix, .ifindex = p->device, .table = table
	};
	plan_backstop(p, prefix, table);
}

/* Packets from 'prefix' look into our table. */
static void
plan_rules(struct plan *p, const struct eid *prefix)
{
	if (!p->by_source)
		return;
	p->rules[p->n_rules++] = (struct route_rule){ .from = *prefix,
		.priority = DP_RULE_MAIN,
		.table = ROUTE_TABLE_MAIN,
		.suppress_default = true };
	p->rules[p->n_rules++] = (struct route_rule){
		.from = *prefix, .priority = DP_RULE_TABLE, .table = p->table
	};
}

/* The device belongs to instance 0; others have no routes here. */
static void
plan_make(struct plan *p, const struct xtr_conf *conf)
{
	static const uint8_t zero[16];
	bool own4 = false, own6 = false;

	for (size_t i = 0; i < conf->eids.n; i++) {
		const struct eid *prefix =
		    &conf_at(conf->eids, struct conf_eid, i)->prefix;

		if (prefix->iid)
			continue;
		plan_backstop(p, prefix, ROUTE_TABLE_MAIN);
		plan_rules(p, prefix);
		own4 |= prefix->addr.afi == AFI_IPV4;
		own6 |= prefix->addr.afi == AFI_IPV6;
	}
	for (size_t i = 0; i < conf->mobility.prefixes.n; i++) {
		const struct eid *prefix = &conf_at(
		    conf->mobility.prefixes, struct conf_mobile_prefix, i)
						->prefix;

		if (prefix->iid)
			continue;
		plan_device(p, prefix, ROUTE_TABLE_MAIN);
		plan_rules(p, prefix);
		own4 |= prefix->addr.afi == AFI_IPV4;
		own6 |= prefix->addr.afi == AFI_IPV6;
	}
	for (size_t i = 0; i < conf->itr.eid_space.n; i++)
		plan_device(p, conf_at(conf->itr.eid_space, struct eid, i),
		    ROUTE_TABLE_MAIN);
	for (size_t i = 0; conf->proxy.pitr && i < conf->proxy.eid_space.n; i++)
		plan_device(p, conf_at(conf->proxy.eid_space, struct eid, i),
		    ROUTE_TABLE_MAIN);
	for (int v6 = 0; v6 < 2 && p->by_source; v6++) {
		struct addr any = addr_make(v6 ? AFI_IPV6 : AFI_IPV4, zero);
		struct eid all = eid_make(0, &any, 0);

		if (v6 ? own6 : own4)
			plan_device(p, &all, p->table);
	}
}

static bool
same_route(const struct route_spec *a, const struct route_spec *b)
{
	return eid_equal(&a->prefix, &b->prefix) && a->ifindex == b->ifindex &&
	    a->unreachable == b->unreachable && a->metric == b->metric &&
	    a->table == b->table;
}

static bool
same_rule(const struct route_rule *a, const struct route_rule *b)
{
	return eid_equal(&a->from, &b->from) && a->priority == b->priority &&
	    a->table == b->table && a->suppress_default == b->suppress_default;
}

/* What a walk over the kernel's list needs; 'err' is the first failure. */
struct removal {
	struct route *r;
	const struct plan *plan; /* NULL: remove everything */
	enum err err;
};

static bool
remove_route(void *arg, const struct route_spec *s)
{
	struct removal *m = arg;
	enum err err;

	if (m->plan) {
		bool segments = !s->unreachable && eid_is_host(&s->prefix) &&
		    s->ifindex != m->plan->device;

		if (segments)
			return true;
		for (size_t i = 0; i < m->plan->n_routes; i++)
			if (same_route(s, &m->plan->routes[i]))
				return true;
	}
	err = route_unset(m->r, s);
	if (!m->err)
		m->err = err;
	return true;
}

static bool
remove_rule(void *arg, const struct route_rule *rule)
{
	struct removal *m = arg;
	enum err err;

	for (size_t i = 0; m->plan && i < m->plan->n_rules; i++)
		if (same_rule(rule, &m->plan->rules[i]))
			return true;
	err = route_rule_unset(m->r, &rule->from, rule->priority, rule->table);
	if (!m->err)
		m->err = err;
	return true;
}

/* Rules before routes: without a rule a route of our table is not used. */
static enum err
remove_others(struct route *r, const struct plan *plan)
{
	struct removal m = { .r = r, .plan = plan };
	enum err rules = route_rule_list(r, remove_rule, &m);
	enum err routes = route_list(r, remove_route, &m);

	return m.err ? m.err : rules ? rules : routes;
}

enum err
dp_routes_set(struct route *r, const struct xtr_conf *conf, int device)
{
	struct plan p;
	enum err err = plan_init(&p, conf, device);

	if (err) {
		plan_fini(&p);
		return err;
	}
	plan_make(&p, conf);
	/* Routes before rules: no packet may find our table empty. */
	for (size_t i = 0; i < p.n_routes && !err; i++)
		err = route_set(r, &p.routes[i]);
	for (size_t i = 0; i < p.n_rules && !err; i++)
		err = route_rule_set(r, &p.rules[i].from, p.rules[i].priority,
		    p.rules[i].table, p.rules[i].suppress_default);
	if (!err)
		err = remove_others(r, &p);
	plan_fini(&p);
	return err;
}

enum err
dp_routes_remove(struct route *r)
{
	return remove_others(r, NULL);
}
