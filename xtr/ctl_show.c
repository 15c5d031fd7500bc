/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_show.c - the tables of xtrd as JSON rows, for ctl.c.
 *
 * One function per table: it walks what the table's owner lends and changes
 * nothing.  A walk ends at the limit, and the reply says so: a Map-Server with a
 * million registrations must not stop forwarding because somebody looks.
 */
#include "xtr/ctl_show.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/ctl_json.h"
#include "common/ctl_server.h"
#include "common/msg.h"
#include "xtr/eids.h"
#include "xtr/etr.h"
#include "xtr/input.h"
#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/move.h"
#include "xtr/reach_probe.h"
#include "xtr/register.h"
#include "xtr/requesters.h"
#include "xtr/segment.h"
#include "xtr/subscribe.h"

struct rows {
	struct xtr *x;
	json_t *array;
	bool all;      /* zero counters, too */
	bool filtered; /* only what concerns 'filter' */
	struct eid filter;
	size_t left; /* of the limit */
	bool truncated;
	size_t total; /* of an unfiltered table; 0: not known */
};

/* --- rows --- */

/*
 * Whether a row about 'eid' is asked for; NULL: about none.  Past the limit it
 * is not, and the walk ends: rows_more() is false then.
 */
static bool
rows_want(struct rows *r, const struct eid *eid)
{
	if (r->filtered &&
	    (!eid ||
		(!eid_covers(eid, &r->filter) && !eid_covers(&r->filter, eid))))
		return false;
	if (r->left == 0)
		r->truncated = true;
	return r->left > 0;
}

static bool
rows_more(const struct rows *r)
{
	return !r->truncated;
}

/* Takes over 'row', which has so many nested elements. */
static void
rows_add(struct rows *r, json_t *row, size_t nested)
{
	json_array_append_new(r->array, row);
	r->left -= nested < r->left ? nested + 1 : r->left;
}

/* --- eids --- */

/* Name of a configured hypervisor, or NULL. */
static const char *
hypervisor_name(const struct xtr *x, const uint8_t id[16])
{
	const struct conf_list *list = &x->conf->mobility.hypervisors;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_hypervisor *h =
		    conf_at(*list, struct conf_hypervisor, i);

		if (memcmp(h->host_id, id, 16) == 0)
			return h->name;
	}
	return NULL;
}

/* Where packets for the EID go. */
static json_t *
eid_locators(const struct xtr *x, const struct eid_entry *e)
{
	struct mapping m;
	json_t *array;

	if (eid_is_ours(e)) {
		etr_mapping(x, e, &m);
		return ctl_json_locators(&m);
	}
	array = json_array();
	for (unsigned i = 0; e->state == EID_AWAY && i < e->n_away; i++)
		json_array_append_new(
		    array, ctl_json_rloc(&e->away[i], 1, 100, true));
	return array;
}

static bool
eid_row(void *arg, struct eid_entry *e)
{
	struct rows *r = arg;
	struct xtr *x = r->x;
	json_t *locators;

	if (!rows_want(r, &e->eid))
		return rows_more(r);
	locators = eid_locators(x, e);
	rows_add(r,
	    json_pack("{s:o, s:I, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o,"
		      " s:b, s:b, s:b, s:b, s:b, s:I, s:I}",
		"eid", ctl_json_eid(&e->eid), "iid", (json_int_t)e->eid.iid,
		"state", e->is_static ? "static" : eid_state_str(e->state),
		"generation", (json_int_t)e->generation, "seen",
		(json_int_t)e->seen, "owner", ctl_json_uuid(e->owner),
		"owner_name", ctl_json_text(hypervisor_name(x, e->owner)), "vm",
		ctl_json_uuid(e->vm_id), "mac", ctl_json_addr(&e->mac),
		"locators", locators, "registered",
		x->registers && register_is_confirmed(x, &e->eid), "contested",
		e->contested, "verifying", e->verifying, "incoming",
		e->incoming, "gone", e->gone, "changed_ms",
		(json_int_t)e->changed_ms, "away_until_ms",
		e->state == EID_AWAY ? (json_int_t)e->away_until_ms
				     : (json_int_t)0),
	    json_array_size(locators));
	return true;
}

static void
show_eids(struct rows *r)
{
	r->total = eids_count(r->x->eids);
	eids_walk(r->x->eids, eid_row, r);
}

/* --- map-cache --- */

json_t *
ctl_cache_locator(
    const struct map_cache_entry *e, const struct cache_locator *l)
{
	struct lisp_addr lcaf;
	const bool up =
	    l->reachable && !l->status_down && reach_use_is_up(&l->use);
	json_t *o;

	if (!map_cache_lcaf(e, l, &lcaf))
		return ctl_json_rloc(&l->rloc, l->priority, l->weight, up);
	if (l->rloc.afi == AFI_NONE)
		return ctl_json_unused(&lcaf, l->priority, l->weight, up);
	o = ctl_json_rloc(&l->rloc, l->priority, l->weight, up);
	json_object_set_new(o, "lcaf", ctl_json_lisp_addr(&lcaf));
	return o;
}

static bool
cache_row(void *arg, struct map_cache_entry *e)
{
	struct rows *r = arg;
	struct mono now = xtr_now(r->x);
	json_t *locators;

	if (!rows_want(r, &e->eid))
		return rows_more(r);
	locators = json_array();
	for (unsigned i = 0; i < e->n_locators + e->n_unused; i++)
		json_array_append_new(
		    locators, ctl_cache_locator(e, &e->locators[i]));
	rows_add(r,
	    json_pack("{s:o, s:I, s:s, s:I, s:o, s:I, s:I, s:o}", "eid",
		ctl_json_eid(&e->eid), "iid", (json_int_t)e->eid.iid, "action",
		ctl_action_str(e->n_locators, e->action), "ttl_s",
		(json_int_t)(mono_diff_us(e->expires, now) / 1000000), "used_s",
		e->packets ? json_integer(mono_diff_us(now, e->used) / 1000000)
			   : json_null(),
		"packets", (json_int_t)e->packets, "bytes",
		(json_int_t)e->bytes, "locators", locators),
	    e->n_locators + e->n_unused);
	return true;
}

static void
show_map_cache(struct rows *r)
{
	if (!r->x->map_cache)
		return;
	r->total = map_cache_count(r->x->map_cache);
	if (r->filtered) /* there may be a million */
		map_cache_walk_about(r->x->map_cache, &r->filter, cache_row, r);
	else
		map_cache_walk(r->x->map_cache, cache_row, r);
}

/* --- locators --- */

static bool
locator_row(void *arg, struct reach_rloc *l)
{
	struct rows *r = arg;
	struct reach_probe_info p;

	if (!rows_want(r, NULL))
		return rows_more(r);
	reach_probe_info(l, &p);
	rows_add(r,
	    json_pack("{s:o, s:b, s:s, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I}",
		"rloc", ctl_json_addr(&l->addr), "own", l->own, "state",
		reach_state_str(reach_state(l)), "why",
		reach_cause_str(reach_why(l)), "since_ms",
		(json_int_t)l->changed_ms, "rtt_ms",
		p.rtt_us < 0 ? json_null() : json_real((double)p.rtt_us / 1000),
		"users", (json_int_t)l->n_uses, "probe_ms",
		(json_int_t)p.sent_ms, "probes", (json_int_t)p.sent, "answered",
		(json_int_t)p.answered, "missed", (json_int_t)p.missed),
	    0);
	return true;
}

static void
show_locators(struct rows *r)
{
	r->total = reach_count(r->x);
	reach_walk(r->x, locator_row, r);
}

/* --- registrations (Map-Server), registers (ours) --- */

static bool
registration_row(void *arg, const struct registration_row *g)
{
	struct rows *r = arg;

	if (!rows_want(r, &g->eid))
		return rows_more(r);
	rows_add(r,
	    json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:b,"
		      " s:b, s:I, s:i, s:i, s:i}",
		"site", g->site, "eid", ctl_json_eid(&g->eid), "iid",
		(json_int_t)g->eid.iid, "registrant",
		ctl_json_addr(&g->registrant), "xtr_id",
		g->has_xtr_id ? ctl_json_uuid(g->xtr_id) : json_null(),
		"locators", ctl_json_locators(g->mapping), "registered_ms",
		(json_int_t)g->registered_ms, "refreshed_ms",
		(json_int_t)g->refreshed_ms, "expires_s",
		(json_int_t)g->expires_s, "proxy", g->proxy, "merge", g->merge,
		"ttl_min", (json_int_t)g->mapping->ttl_min, "map_version",
		(int)g->mapping->version, "key_id", (int)g->key_id, "algorithm",
		(int)g->algorithm),
	    g->mapping->n_locators);
	return true;
}

static void
show_registrations(struct rows *r)
{
	if (!r->x->map_server)
		return;
	r->total = map_server_count(r->x);
	if (r->filtered) /* there may be a million */
		map_server_walk_about(r->x, &r->filter, registration_row, r);
	else
		map_server_walk(r->x, registration_row, r);
}

static bool
register_row(void *arg, const struct register_row *g)
{
	struct rows *r = arg;

	if (!rows_want(r, &g->eid))
		return rows_more(r);
	rows_add(r,
	    json_pack("{s:o, s:I, s:o, s:o, s:s, s:I, s:I, s:i, s:i, s:i}",
		"eid", ctl_json_eid(&g->eid), "iid", (json_int_t)g->eid.iid,
		"map_server", ctl_json_addr(&g->map_server), "mapping_system",
		ctl_json_text(g->mapping_system), "state", g->state, "sent_ms",
		(json_int_t)g->sent_ms, "confirmed_ms",
		(json_int_t)g->confirmed_ms, "tries", (int)g->tries, "key_id",
		(int)g->key_id, "algorithm", (int)g->algorithm),
	    0);
	return true;
}

static void
show_registers(struct rows *r)
{
	if (r->x->registers)
		registers_walk(r->x, register_row, r);
}

/* --- requesters --- */

struct requester_arg {
	struct rows *rows;
	const struct eid *eid;
};

static bool
requester_row(void *arg, const struct requester *q)
{
	const struct requester_arg *a = arg;
	struct rows *r = a->rows;

	if (!rows_want(r, a->eid))
		return rows_more(r);
	rows_add(r,
	    json_pack("{s:o, s:o, s:b, s:o, s:I, s:I}", "eid",
		ctl_json_eid(a->eid), "rloc", ctl_json_addr(&q->rloc),
		"confirmed", q->confirmed, "source",
		q->has_source ? ctl_json_eid(&q->source) : json_null(),
		"seen_ms", (json_int_t)q->seen_ms, "data_ms",
		(json_int_t)q->data_ms),
	    0);
	return true;
}

static bool
requesters_of(void *arg, struct eid_entry *e)
{
	struct rows *r = arg;
	struct requester_arg a = { .rows = r, .eid = &e->eid };

	requesters_walk(r->x, &e->eid, requester_row, &a);
	return rows_more(r);
}

static void
show_requesters(struct rows *r)
{
	if (r->x->requesters)
		eids_walk(r->x->eids, requesters_of, r);
}

/* --- subscriptions: ours, and of others at our Map-Server --- */

/* Takes over 'peer' and 'name'. */
static void
subscription_add(struct rows *r, const struct eid *eid, const char *role,
    json_t *peer, json_t *name, json_t *more)
{
	json_t *row = json_pack("{s:o, s:I, s:s, s:o, s:o}", "eid",
	    ctl_json_eid(eid), "iid", (json_int_t)eid->iid, "role", role,
	    "peer", peer, "name", name);

	json_object_update(row, more);
	json_decref(more);
	rows_add(r, row, 0);
}

static bool
subscriber_row(void *arg, const struct subscription_row *s)
{
	struct rows *r = arg;
	char nonce[20];

	if (!rows_want(r, &s->eid))
		return rows_more(r);
	snprintf(nonce, sizeof(nonce), "%016llx", (unsigned long long)s->nonce);
	subscription_add(r, &s->eid, "subscriber",
	    ctl_json_addr(&s->map_server), json_null(),
	    json_pack("{s:s, s:s, s:I, s:I, s:I}", "state", s->state, "nonce",
		nonce, "published", (json_int_t)s->published, "since_ms",
		(json_int_t)s->since_ms, "heard_ms", (json_int_t)s->heard_ms));
	return true;
}

static bool
publisher_row(void *arg, const struct ms_sub_row *s)
{
	struct rows *r = arg;
	char nonce[20];

	if (!rows_want(r, &s->eid))
		return rows_more(r);
	snprintf(nonce, sizeof(nonce), "%016llx", (unsigned long long)s->nonce);
	subscription_add(r, &s->eid, "publisher", ctl_json_addr(&s->rloc),
	    ctl_json_text(s->name),
	    json_pack("{s:o, s:s, s:s, s:I, s:i, s:I, s:I, s:I}", "xtr_id",
		ctl_json_uuid(s->xtr_id), "state", s->state, "nonce", nonce,
		"published", (json_int_t)s->published, "waiting",
		(int)s->waiting, "since_ms", (json_int_t)s->since_ms,
		"heard_ms", (json_int_t)s->acked_ms, "expires_s",
		(json_int_t)s->expires_s));
	return true;
}

static void
show_subscriptions(struct rows *r)
{
	r->total = subscriptions_count(r->x) + map_server_subs_count(r->x);
	subscriptions_walk(r->x, subscriber_row, r);
	if (rows_more(r))
		map_server_subs_walk(r->x, publisher_row, r);
}

/* --- moves --- */

static json_t *
steps_json(const struct move_row *m, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct move_step_row *s = &m->steps[i];

		json_array_append_new(array,
		    json_pack("{s:s, s:f, s:o, s:i}", "step",
			move_step_str(s->step), "at_ms",
			(double)s->at_us / 1000, "peer",
			ctl_json_addr(&s->peer), "count", (int)s->count));
	}
	return array;
}

static bool
move_row_json(void *arg, const struct move_row *m)
{
	struct rows *r = arg;
	size_t n;

	if (!rows_want(r, &m->eid))
		return rows_more(r);
	n = m->n_steps < r->left ? m->n_steps : r->left;
	r->truncated = n < m->n_steps;
	rows_add(r,
	    json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:s, s:o}", "id",
		m->id, "eid", ctl_json_eid(&m->eid), "vm",
		ctl_json_uuid(m->vm_id), "from", ctl_json_text(m->from), "to",
		ctl_json_text(m->to), "generation", (json_int_t)m->generation,
		"event_ms", (json_int_t)m->event_ms, "state",
		m->finished ? "finished" : "converging", "steps",
		steps_json(m, n)),
	    n);
	return rows_more(r);
}

static void
show_moves(struct rows *r)
{
	if (r->x->moves)
		moves_walk(r->x, move_row_json, r);
}

/* --- interfaces --- */

struct link {
	char name[IF_NAMESIZE];
	bool found, up;
	struct addr mac;
};

/* State and MAC of the interface called 'name', or of the one with 'addr'. */
static struct link
link_find(const struct ifaddrs *all, const char *name, const struct addr *addr)
{
	struct link l = { 0 };

	for (const struct ifaddrs *i = all; i && !name; i = i->ifa_next) {
		struct addr a;
		uint16_t port;

		if (i->ifa_addr &&
		    !addr_from_sockaddr(i->ifa_addr, &a, &port) &&
		    addr_equal(&a, addr))
			name = i->ifa_name;
	}
	if (!name)
		return l;
	snprintf(l.name, sizeof(l.name), "%s", name);
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_ll *ll = (const void *)i->ifa_addr;

		if (strcmp(i->ifa_name, name) != 0)
			continue;
		l.found = true;
		l.up = (i->ifa_flags & IFF_UP) && (i->ifa_flags & IFF_RUNNING);
		if (ll && ll->sll_family == AF_PACKET && ll->sll_halen == 6)
			l.mac = addr_make(AFI_MAC, ll->sll_addr);
	}
	return l;
}

/* Takes over 'more', the members of this kind. */
static void
link_row(struct rows *r, const struct link *l, const char *kind, json_t *more)
{
	json_t *row;

	if (rows_want(r, NULL)) {
		row = json_pack("{s:o, s:s, s:b, s:o}", "name",
		    ctl_json_text(l->name), "kind", kind, "up", l->up, "mac",
		    ctl_json_addr(&l->mac));
		json_object_update(row, more);
		rows_add(r, row, 0);
	}
	json_decref(more);
}

static bool
segment_json(void *arg, const struct segment_row *s)
{
	struct rows *r = arg;
	struct link l = { .up = s->up };

	snprintf(l.name, sizeof(l.name), "%s", s->segment);
	char on[IF_NAMESIZE] = "";

	if_indextoname((unsigned)s->ifindex, on);
	link_row(r, &l, "segment",
	    json_pack("{s:o, s:o, s:o, s:i, s:b, s:s}", "address",
		ctl_json_addr(&s->gateway), "mac", ctl_json_addr(&s->mac),
		"prefix", ctl_json_eid(&s->prefix), "local_eids",
		(int)s->local_eids, "gateway", s->active, "interface", on));
	return rows_more(r);
}

static void
show_interfaces(struct rows *r)
{
	const struct xtr_conf *conf = r->x->conf;
	struct ifaddrs *all = NULL;
	struct link l;

	if (getifaddrs(&all))
		all = NULL;
	if (conf->dataplane.kind != CONF_DP_NONE) {
		l = link_find(all, conf->dataplane.device, NULL);
		link_row(r, &l, "lisp",
		    json_pack("{s:n, s:I}", "address", "mtu",
			(json_int_t)conf->dataplane.mtu));
	}
	for (size_t i = 0; i < conf->site.rlocs.n; i++) {
		const struct conf_rloc *c =
		    conf_at(conf->site.rlocs, struct conf_rloc, i);

		l = link_find(all, c->interface, &c->address);
		link_row(r, &l, "uplink",
		    json_pack("{s:o, s:I, s:I}", "address",
			ctl_json_addr(&c->address), "priority",
			(json_int_t)c->priority, "weight",
			(json_int_t)c->weight));
	}
	if (r->x->segments)
		segments_walk(r->x, segment_json, r);
	freeifaddrs(all);
}

/* --- counters --- */

static void
counter_row(struct rows *r, const char *name, uint64_t value)
{
	if ((value || r->all) && rows_want(r, NULL))
		rows_add(r,
		    json_pack(
			"{s:s, s:I}", "name", name, "value", (json_int_t)value),
		    0);
}

/* One word: "Map-Request", "type-9". */
static const char *
type_name(unsigned type, char *buf, size_t size)
{
	const char *name = input_type_str(type);

	if (!strchr(name, ' '))
		return name;
	snprintf(buf, size, "type-%u", type);
	return buf;
}

static void
show_counters(struct rows *r)
{
	const struct counters *c = &r->x->counters;
	char name[64], number[16];

#define COUNTER_ROW(member, text) counter_row(r, text, c->member);
	COUNTER_LIST(COUNTER_ROW)
#undef COUNTER_ROW
	for (unsigned type = 0; type < 16; type++)
		for (enum err e = 0; e < ERR_COUNT; e++) {
			if (!c->rx[type][e])
				continue;
			snprintf(name, sizeof(name), "rx.%s.%s",
			    type_name(type, number, sizeof(number)),
			    err_name(e));
			counter_row(r, name, c->rx[type][e]);
		}
}

/* --- config, resolvers --- */

static void
show_config(struct rows *r)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	xtr_conf_print(f, r->x->conf);
	if (fclose(f) == 0)
		rows_add(r, json_pack("{s:s}", "yaml", text), 0);
	free(text);
}

static void
show_resolvers(struct rows *r)
{
	const struct conf_list *systems = &r->x->conf->mapping_systems;

	for (size_t i = 0; i < systems->n; i++) {
		const struct conf_mapping_system *s =
		    conf_at(*systems, struct conf_mapping_system, i);

		for (size_t k = 0; k < s->map_resolvers.n; k++)
			rows_add(r,
			    json_pack("{s:s, s:o}", "mapping_system", s->name,
				"address",
				ctl_json_addr(
				    conf_at(s->map_resolvers, struct addr, k))),
			    0);
	}
}

static const struct show_table {
	const char *name;
	void (*show)(struct rows *);
} tables[] = {
	{ "eids", show_eids },
	{ "map-cache", show_map_cache },
	{ "locators", show_locators },
	{ "registrations", show_registrations },
	{ "registers", show_registers },
	{ "requesters", show_requesters },
	{ "subscriptions", show_subscriptions },
	{ "moves", show_moves },
	{ "interfaces", show_interfaces },
	{ "counters", show_counters },
	{ "config", show_config },
	{ "resolvers", show_resolvers },
};
#define TABLES \
	"eids, map-cache, locators, registrations, registers, requesters, " \
	"subscriptions, moves, interfaces, counters, config, resolvers"

static const struct show_table *
table_named(const char *what)
{
	for (size_t i = 0; what && i < sizeof(tables) / sizeof(tables[0]); i++)
		if (strcmp(tables[i].name, what) == 0)
			return &tables[i];
	return NULL;
}

/* The optional members of a request. */
static const char *
rows_init(struct rows *r, const json_t *request)
{
	const char *eid = ctl_string(request, "eid");
	int64_t limit = CTL_ROWS_DEFAULT;

	ctl_integer(request, "limit", &limit);
	if (limit < 1 || limit > CTL_ROWS_MAX)
		return "\"limit\" is out of range";
	if (eid && eid_parse(eid, &r->filter))
		return "\"eid\": an EID expected";
	r->filtered = eid;
	r->left = (size_t)limit;
	r->all = json_is_true(json_object_get(request, "all"));
	return NULL;
}

json_t *
ctl_show(struct xtr *x, const json_t *request, const char **error)
{
	const struct show_table *t = table_named(ctl_string(request, "what"));
	struct rows r = { .x = x };
	json_t *reply;

	if (!t) {
		*error = "show what?  One of " TABLES;
		return NULL;
	}
	*error = rows_init(&r, request);
	if (*error)
		return NULL;
	r.array = json_array();
	t->show(&r);
	if (!r.truncated)
		r.total = json_array_size(r.array);
	else if (r.filtered)
		r.total = 0;
	reply =
	    json_pack("{s:b, s:o}", "truncated", r.truncated, "rows", r.array);
	if (r.total || !r.truncated)
		json_object_set_new(
		    reply, "total", json_integer((json_int_t)r.total));
	return reply;
}
