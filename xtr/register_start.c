/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_start.c - the Map-Servers of the configuration; start, reload, show.
 */
#include "register_state.h"

#include <stdlib.h>
#include <string.h>

#include "common/loop.h"

/* Static EIDs come on top of the dynamic ones' bound, as in eids.c. */
#define STATIC_MAX 65536

static bool
server_init(struct xtr *x, struct reg_server *s,
    const struct conf_mapping_system *system,
    const struct conf_map_server_peer *peer)
{
	s->x = x;
	s->system = system;
	s->peer = peer;
	s->key = peer->keys.ring.keys[0];
	s->message = malloc(sizeof(*s->message));
	s->pace = loop_timer_new(x->loop, reg_pace_due, s);
	return s->message && s->pace;
}

struct registers *
registers_new(struct xtr *x)
{
	const struct conf_list *systems = &x->conf->mapping_systems;
	struct registers *t = calloc(1, sizeof(*t));
	size_t n = 0;

	if (!t)
		return NULL;
	for (size_t i = 0; i < systems->n; i++)
		n += conf_at(*systems, struct conf_mapping_system, i)
			 ->map_servers.n;
	t->servers = calloc(n ? n : 1, sizeof(*t->servers));
	if (!t->servers ||
	    table_init(&t->eids,
		(size_t)x->conf->mobility.eids_max + STATIC_MAX,
		offsetof(struct reg_eid, by_eid), offsetof(struct reg_eid, eid),
		sizeof(struct eid)))
		goto fail;
	for (size_t i = 0; i < systems->n; i++) {
		const struct conf_mapping_system *s =
		    conf_at(*systems, struct conf_mapping_system, i);

		for (size_t j = 0; j < s->map_servers.n; j++)
			if (!server_init(x, &t->servers[t->n_servers++], s,
				conf_at(s->map_servers,
				    struct conf_map_server_peer, j)))
				goto fail;
	}
	return t;
fail:
	registers_free(t);
	return NULL;
}

/* All EIDs and Map-Servers. */
static void
clear(struct registers *t)
{
	struct table_iter it = table_iter(&t->eids);
	struct table_node *node;

	while ((node = table_next(&it))) {
		table_remove(&t->eids, node);
		reg_eid_free(table_entry(node, struct reg_eid, by_eid));
	}
	for (size_t i = 0; i < t->n_servers; i++) {
		bundles_free(&t->servers[i]);
		loop_timer_free(t->servers[i].pace);
		free(t->servers[i].message);
	}
	t->n_servers = 0;
}

void
registers_free(struct registers *t)
{
	if (!t)
		return;
	clear(t);
	table_fini(&t->eids);
	free(t->servers);
	free(t);
}

static bool
start_static(void *arg, struct eid_entry *e)
{
	struct xtr *x = arg;

	if (e->is_static)
		register_schedule_later(x, &e->eid);
	return true;
}

void
registers_start(struct xtr *x)
{
	eids_walk(x->eids, start_static, x);
}

static const char *
state_str(const struct reg *g)
{
	static const char *const names[] = {
		[REG_IDLE] = "idle",
		[REG_SEND] = "send",
		[REG_WAIT] = "wait-notify",
		[REG_REGISTERED] = "registered",
		[REG_PAUSED] = "paused",
	};

	return g->of->withdraw && g->state != REG_IDLE ? "withdrawing"
						       : names[g->state];
}

void
registers_walk(const struct xtr *x,
    bool (*fn)(void *arg, const struct register_row *), void *arg)
{
	struct table_iter it = table_iter(&x->registers->eids);
	struct table_node *node;

	while ((node = table_next(&it))) {
		const struct reg_eid *r =
		    table_entry(node, struct reg_eid, by_eid);

		for (unsigned i = 0; !r->idle && i < r->n; i++) {
			const struct reg *g = &r->regs[i];
			const struct register_row row = {
				.eid = r->eid,
				.map_server = g->server->peer->address,
				.mapping_system = g->server->system->name,
				.state = state_str(g),
				.sent_ms = g->sent_ms,
				.confirmed_ms = g->confirmed_ms,
				.tries = g->tries,
				.key_id = g->server->key->key_id,
				.algorithm = g->server->key->algorithm,
			};

			if (!fn(arg, &row))
				return;
		}
	}
}

static bool
same_server(const struct reg_server *a, const struct reg_server *b)
{
	return addr_equal(&a->peer->address, &b->peer->address) &&
	    strcmp(a->system->name, b->system->name) == 0;
}

static bool
same_key(const struct auth_key *a, const struct auth_key *b)
{
	return a->key_id == b->key_id && a->algorithm == b->algorithm;
}

/*
 * The key that was answered goes on being used, unless the file prefers one now
 * that it did not before.
 */
static void
inherit_key(struct reg_server *s, const struct reg_server *old)
{
	const struct conf_keyring *ring = &s->peer->keys.ring;

	if (!same_key(ring->keys[0], old->peer->keys.ring.keys[0]))
		return;
	for (size_t i = 0; i < ring->n; i++)
		if (same_key(ring->keys[i], old->key))
			s->key = ring->keys[i];
}

/* What a Map-Server is known by outlives the change of the configuration. */
static void
inherit(struct registers *t, const struct registers *old)
{
	t->next_nonce = old->next_nonce;
	t->first_nonce = old->first_nonce;
	memcpy(t->recent, old->recent, sizeof(t->recent));
	for (size_t i = 0; i < t->n_servers; i++) {
		struct reg_server *s = &t->servers[i];

		for (size_t j = 0; j < old->n_servers; j++) {
			const struct reg_server *o = &old->servers[j];

			if (!same_server(s, o))
				continue;
			inherit_key(s, o);
			s->heard = o->heard;
			s->highest = o->highest;
			memcpy(s->seen, o->seen, sizeof(s->seen));
		}
	}
}

/* The new table's Map-Servers that 'old' is or was registered with. */
static void
former_systems(const struct xtr *x, const struct reg_eid *old,
    const struct conf_mapping_system **list, struct conf_systems *out)
{
	const struct registers *t = x->registers;

	*out = (struct conf_systems){ list, 0 };
	for (size_t i = 0; i < t->n_servers; i++) {
		const struct reg_server *s = &t->servers[i];
		bool was = false;

		for (unsigned j = 0; j < old->n; j++)
			was |= old->regs[j].sent_ever &&
			    same_server(old->regs[j].server, s);
		if (was && (!out->n || list[out->n - 1] != s->system))
			list[out->n++] = s->system;
	}
}

static const struct reg *
reg_at(const struct reg_eid *r, const struct reg_server *s)
{
	for (unsigned i = 0; i < r->n; i++)
		if (same_server(r->regs[i].server, s))
			return &r->regs[i];
	return NULL;
}

/*
 * Registered there, and what would be sent now is what was sent: it goes on as
 * if nothing had been.
 */
static bool
goes_on(struct reg *g, const struct reg *old)
{
	if (!old || old->state != REG_REGISTERED || !old->confirmed ||
	    old->hash != reg_record_hash(g))
		return false;
	g->confirmed_ms = old->confirmed_ms;
	g->sent_ms = old->sent_ms;
	g->octets = old->octets;
	g->hash = old->hash;
	reg_goes_on(g);
	return true;
}

/* True if the record is not what was sent. */
static bool
go_on(struct reg_eid *r, const struct reg_eid *old)
{
	bool changed = false;

	for (unsigned i = 0; i < r->n; i++) {
		struct reg *g = &r->regs[i];
		const struct reg *o = reg_at(old, g->server);

		if (goes_on(g, o))
			continue;
		changed |= o && o->sent_ever && o->hash != reg_record_hash(g);
		reg_again(g);
	}
	return changed;
}

/*
 * One EID of the old table; see registers_reload().  True if its record changed.
 */
static bool
carry_over(struct xtr *x, const struct reg_eid *old)
{
	const struct eid_entry *e = eids_find(x->eids, &old->eid);
	const bool ours = e && eid_is_ours(e) && reg_systems(e)->n;
	const struct conf_mapping_system *list[CONF_SYSTEMS_MAX];
	struct conf_systems former, present;
	struct reg_eid *r;

	former_systems(x, old, list, &former);
	present = ours ? *reg_systems(e) : former;
	r = old->idle || !present.n
	    ? NULL
	    : reg_eid_new(x, &old->eid, old->dynamic, &present);
	if (!r)
		return false;
	r->full = old->full;
	r->told = old->told;
	for (unsigned i = 0; i < r->n; i++)
		r->regs[i].sent_ever = reg_at(old, r->regs[i].server) != NULL;
	if (!ours || old->withdraw)
		register_withdraw(x, &r->eid);
	else if (old->paused)
		register_pause(x, &r->eid);
	else
		return go_on(r, old);
	return false;
}

static bool
start_missing(void *arg, struct eid_entry *e)
{
	struct xtr *x = arg;

	if (eid_is_ours(e) && !reg_find(x->registers, &e->eid))
		register_schedule_later(x, &e->eid);
	return true;
}

void
registers_reload(
    struct xtr *x, void (*changed)(struct xtr *, const struct eid_entry *))
{
	struct registers *old = x->registers, *t = registers_new(x);
	struct table_iter it = table_iter(&old->eids);
	struct table_node *node;

	if (!t) {
		log_error("register", "%s: nothing is registered any more",
		    err_str(ERR_NOMEM));
		clear(old);
		return;
	}
	inherit(t, old);
	x->registers = t;
	while ((node = table_next(&it))) {
		const struct reg_eid *r =
		    table_entry(node, struct reg_eid, by_eid);

		if (carry_over(x, r) && changed)
			changed(x, eids_find(x->eids, &r->eid));
	}
	eids_walk(x->eids, start_missing, x);
	registers_free(old);
}
