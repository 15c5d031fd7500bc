/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register.c - what is to be registered: changes, states, timers.
 *
 * mobility.c says that an EID is ours, changed, somebody else's or gone; each
 * becomes the state of one 'struct reg' per Map-Server of its mapping system.  A
 * change leaves at once and alone; whatever is repeated goes through the
 * server's list and is packed.  The record itself is made by etr.c when it is
 * sent, so the last state always wins.
 */
#include "register.h"

#include <stdlib.h>

#include "common/lisp.h"
#include "common/loop.h"
#include "xtr/register_state.h"

/* Static EIDs come on top of the dynamic ones' bound, as in eids.c. */
#define STATIC_MAX 65536

struct reg_eid *
reg_find(const struct registers *t, const struct eid *eid)
{
	return table_entry(table_find(&t->eids, eid), struct reg_eid, by_eid);
}

static void
ready_leave(struct reg *g)
{
	struct reg_server *s = g->server;

	if (!g->ready)
		return;
	if (g->prev_ready)
		g->prev_ready->next_ready = g->next_ready;
	else
		s->ready = g->next_ready;
	if (g->next_ready)
		g->next_ready->prev_ready = g->prev_ready;
	else
		s->last_ready = g->prev_ready;
	g->next_ready = g->prev_ready = NULL;
	g->ready = false;
}

/* It goes with the server's next packed message, M = 1. */
static void
ready_join(struct reg *g)
{
	struct reg_server *s = g->server;

	if (g->ready)
		return;
	g->ready = true;
	g->prev_ready = s->last_ready;
	if (s->last_ready)
		s->last_ready->next_ready = g;
	else
		s->ready = g;
	s->last_ready = g;
	if (!loop_timer_armed(s->pace))
		loop_timer_set(s->pace, REG_PACE_MS);
}

void
reg_stop(struct reg *g)
{
	loop_timer_cancel(g->timer);
	bundle_leave(g);
	ready_leave(g);
}

bool
reg_is_current(const struct reg *g)
{
	const struct eid_entry *e;

	if (g->of->withdraw)
		return true;
	e = eids_find(g->server->x->eids, &g->of->eid);
	return e && eid_is_ours(e);
}

/* Nothing left at any Map-Server: only the burst limit is remembered. */
static void
rest(struct reg_eid *r)
{
	const struct mono now = xtr_now(r->x);

	r->idle = true;
	r->withdraw = r->paused = false;
	loop_timer_at(r->limit, mono_before(now, r->full) ? r->full : now);
}

void
reg_done(struct reg *g)
{
	struct reg_eid *r = g->of;

	reg_stop(g);
	g->state = REG_IDLE;
	g->sent_ever = g->confirmed = false;
	g->tries = 0;
	g->series = 0;
	for (unsigned i = 0; i < r->n; i++)
		if (r->regs[i].state != REG_IDLE)
			return;
	rest(r);
}

void
reg_sent(struct reg *g, uint64_t nonce, bool want_notify)
{
	int64_t wait_s = REGISTER_RETRY_FIRST_S;

	g->nonces[g->n_nonces++ % REG_NONCES] = nonce;
	g->sent_ever = true;
	g->sent_ms = (int64_t)clock_wall_ms(g->server->x->clock);
	if (!want_notify) {
		g->series = 0;
		return;
	}
	g->series++;
	g->tries++;
	g->state = REG_WAIT;
	for (unsigned i = 1; i < g->tries && wait_s < REGISTER_RETRY_MAX_S; i++)
		wait_s *= 2;
	if (wait_s > REGISTER_RETRY_MAX_S)
		wait_s = REGISTER_RETRY_MAX_S;
	loop_timer_set(g->timer, wait_s * 1000);
}

void
reg_acked(struct reg *g)
{
	const struct reg_eid *r = g->of;

	if (r->withdraw) {
		reg_done(g);
		return;
	}
	reg_stop(g);
	g->tries = 0;
	g->series = 0;
	g->confirmed = true;
	g->confirmed_ms = (int64_t)clock_wall_ms(g->server->x->clock);
	g->state = r->paused ? REG_PAUSED : REG_REGISTERED;
	if (r->paused)
		return;
	bundle_join(g);
	if (!g->bundle)
		loop_timer_set(g->timer, REGISTER_INTERVAL_S * 1000);
}

void
reg_goes_on(struct reg *g)
{
	g->confirmed = true;
	g->state = REG_REGISTERED;
	bundle_join(g);
	if (!g->bundle)
		loop_timer_set(g->timer, REGISTER_INTERVAL_S * 1000);
}

void
reg_again(struct reg *g)
{
	g->state = REG_SEND;
	ready_join(g);
}

/* No Map-Notify in time, RFC 9301 5.7. */
static void
retransmit_due(void *arg)
{
	struct reg *g = arg;

	if (g->of->withdraw && g->tries >= REG_WITHDRAW_TRIES) {
		g->server->x->counters.map_register_given_up++;
		reg_done(g);
	} else if (!reg_is_current(g)) {
		reg_done(g);
	} else {
		ready_join(g);
	}
}

/* One packed message of what is ready; more of it a little later. */
void
reg_pace_due(void *arg)
{
	struct reg_server *s = arg;
	struct reg_message *m = reg_message_begin(s);

	for (struct reg *g = s->ready, *next; g; g = next) {
		next = g->next_ready;
		if (!reg_is_current(g)) {
			reg_done(g);
			continue;
		}
		if (!reg_message_add(m, g)) {
			if (m->flags == reg_flags(g))
				break; /* full */
			continue;
		}
		ready_leave(g);
	}
	reg_message_send(m, true);
	if (s->ready)
		loop_timer_set(s->pace, REG_PACE_MS);
}

/*
 * A change: at once and alone to every Map-Server, as far as the burst limit
 * allows; later what is the state then (RFC 9301 8.2).
 */
static void
change(struct reg_eid *r)
{
	const struct mono now = xtr_now(r->x);
	const int64_t interval_ms = REGISTER_BURST_S * 1000;
	const struct mono may =
	    mono_add_ms(r->full, -(REGISTER_BURST - 1) * interval_ms);

	if (mono_before(now, may)) {
		r->x->counters.map_register_delayed++;
		loop_timer_at(r->limit, may);
		return;
	}
	r->full =
	    mono_add_ms(mono_before(r->full, now) ? now : r->full, interval_ms);
	for (unsigned i = 0; i < r->n; i++) {
		struct reg *g = &r->regs[i];
		struct reg_message *m = reg_message_begin(g->server);

		if (g->state == REG_SEND && reg_message_add(m, g))
			reg_message_send(m, true);
	}
}

void
reg_eid_free(struct reg_eid *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		reg_stop(&r->regs[i]);
		loop_timer_free(r->regs[i].timer);
	}
	loop_timer_free(r->limit);
	free(r);
}

static void
limit_due(void *arg)
{
	struct reg_eid *r = arg;

	if (!r->idle) {
		change(r);
		return;
	}
	table_remove(&r->x->registers->eids, &r->by_eid);
	reg_eid_free(r);
}

/* A new state of the record: whatever was under way for the old one ends. */
static void
restart(struct reg_eid *r, bool withdraw)
{
	loop_timer_cancel(r->limit);
	r->withdraw = withdraw;
	r->idle = r->paused = r->told = false;
	for (unsigned i = 0; i < r->n; i++) {
		struct reg *g = &r->regs[i];

		reg_stop(g);
		g->confirmed = false;
		g->tries = 0;
		g->series = 0;
		g->state = withdraw && !g->sent_ever ? REG_IDLE : REG_SEND;
	}
}

const struct conf_systems *
reg_systems(const struct eid_entry *e)
{
	static const struct conf_systems none;

	if (e->conf)
		return &e->conf->systems;
	return e->mobile ? &e->mobile->systems : &none;
}

static bool
is_among(const struct conf_systems *systems, const struct reg_server *s)
{
	for (size_t i = 0; i < systems->n; i++)
		if (systems->list[i] == s->system)
			return true;
	return false;
}

struct reg_eid *
reg_eid_new(struct xtr *x, const struct eid *eid, bool dynamic,
    const struct conf_systems *systems)
{
	struct registers *t = x->registers;
	struct reg_eid *r;
	unsigned n = 0;

	for (size_t i = 0; i < t->n_servers; i++)
		n += is_among(systems, &t->servers[i]);
	if (n == 0 || !(r = calloc(1, sizeof(*r) + n * sizeof(r->regs[0]))))
		return NULL;
	r->x = x;
	r->eid = *eid;
	r->dynamic = dynamic;
	r->full = xtr_now(x);
	r->limit = loop_timer_new(x->loop, limit_due, r);
	for (size_t i = 0; i < t->n_servers; i++) {
		struct reg *g = &r->regs[r->n];

		if (!is_among(systems, &t->servers[i]))
			continue;
		r->n++;
		g->of = r;
		g->server = &t->servers[i];
		g->timer = loop_timer_new(x->loop, retransmit_due, g);
		if (!g->timer)
			goto fail;
	}
	if (r->limit && !table_add(&t->eids, &r->by_eid))
		return r;
fail:
	for (unsigned i = 0; i < r->n; i++)
		loop_timer_free(r->regs[i].timer);
	loop_timer_free(r->limit);
	free(r);
	return NULL;
}

/* The one of an EID of ours, made if need be; NULL if it cannot be registered. */
static struct reg_eid *
obtain(struct xtr *x, const struct eid *eid)
{
	const struct eid_entry *e = eids_find(x->eids, eid);
	struct reg_eid *r = reg_find(x->registers, eid);
	char buf[EID_STR_MAX];

	if (!e || !eid_is_ours(e))
		return NULL;
	if (r)
		return r;
	r = reg_eid_new(x, eid, !e->is_static, reg_systems(e));
	if (!r)
		log_warning("register", "%s: %s", eid_str(eid, buf),
		    reg_systems(e)->n ? err_str(ERR_NOMEM) : "no Map-Server");
	return r;
}

void
register_schedule(struct xtr *x, const struct eid *eid)
{
	struct reg_eid *r = obtain(x, eid);

	if (!r)
		return;
	restart(r, false);
	change(r);
}

void
register_schedule_later(struct xtr *x, const struct eid *eid)
{
	struct reg_eid *r = obtain(x, eid);

	if (!r)
		return;
	restart(r, false);
	for (unsigned i = 0; i < r->n; i++)
		ready_join(&r->regs[i]);
}

void
register_changed(struct xtr *x, const struct eid *eid)
{
	const struct reg_eid *r = reg_find(x->registers, eid);

	if (!r || r->idle || r->withdraw || r->paused)
		return;
	if (r->dynamic)
		register_schedule_later(x, eid);
	else
		register_schedule(x, eid);
}

void
register_cancel(struct xtr *x, const struct eid *eid)
{
	struct reg_eid *r = reg_find(x->registers, eid);

	if (!r)
		return;
	for (unsigned i = 0; i < r->n; i++)
		reg_done(&r->regs[i]);
}

void
register_withdraw(struct xtr *x, const struct eid *eid)
{
	struct reg_eid *r = reg_find(x->registers, eid);
	bool sent = false;

	for (unsigned i = 0; r && i < r->n; i++)
		sent = sent || r->regs[i].sent_ever;
	if (!sent) {
		register_cancel(x, eid);
		return;
	}
	restart(r, true);
	change(r);
}

void
register_pause(struct xtr *x, const struct eid *eid)
{
	struct reg_eid *r = reg_find(x->registers, eid);

	if (!r || r->idle || r->withdraw)
		return;
	loop_timer_cancel(r->limit);
	r->paused = true;
	for (unsigned i = 0; i < r->n; i++) {
		reg_stop(&r->regs[i]);
		r->regs[i].state = REG_PAUSED;
	}
}

bool
register_is_confirmed(const struct xtr *x, const struct eid *eid)
{
	const struct reg_eid *r = reg_find(x->registers, eid);

	for (unsigned i = 0; r && i < r->n; i++)
		if (r->regs[i].confirmed)
			return true;
	return false;
}
