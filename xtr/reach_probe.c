/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_probe.c - RLOC probing, RFC 9301 7.1.
 *
 * reach.c says which RLOCs there are and hears what they are like; input.c
 * brings the Map-Replies with the P bit.  One timer per RLOC: when it is due, a
 * probe that is still out has been missed, and the next one leaves if anybody
 * wants it.  The EID asked for is that of a mapping that led to the RLOC, each
 * try that of another one if there are several: the ETR says nothing about an
 * EID that has moved away, and that is no reason to think it dead.
 *
 * What an answer says about the mapping is not believed: R bits of the mapping
 * that was asked for are taken over, a changed locator set makes us ask the
 * mapping system (security: overclaiming).
 */
#include "reach_probe.h"

#include <stdlib.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/itr.h"
#include "xtr/limit.h"
#include "xtr/map_cache.h"
#include "xtr/output.h"
#include "xtr/signs.h"

enum {
	JITTER_PERCENT = 10,
	BUSY_MS = 100,		/* until the total rate is asked again */
	EIDS_TRIED = 8,		/* of those behind an RLOC */
	START_SPREAD_MS = 1000, /* of the first probe */
	AGAIN_MS = 8000,	/* one that is down, when something is new */
};

struct nonce {
	struct table_node by_nonce;
	uint64_t nonce; /* 0 = free */
	struct mono sent;
	struct eid asked;
	struct reach_rloc *of;
};

struct reach_probe {
	struct loop_timer *timer;
	struct nonce nonces[PROBE_NONCES];
	unsigned next_nonce, next_eid;
	bool out;		  /* a probe is, and has not been answered */
	bool hint;		  /* somebody wants to know once */
	enum reach_cause cause;	  /* what it is down by, if it is */
	unsigned misses;	  /* in a row */
	int64_t slow_ms;	  /* of the back-off */
	struct mono due;	  /* of the timer */
	struct mono sent, hinted; /* 0 = never */
	struct reach_probe_info info;
};

struct reach_probes {
	struct table nonces;
	struct mono full; /* of the bucket of all */
};

struct reach_probes *
reach_probes_new(struct xtr *x)
{
	struct reach_probes *t = calloc(1, sizeof(*t));

	(void)x;
	if (t &&
	    table_init(&t->nonces,
		(size_t)(REACH_MAX + REACH_SPARE) * PROBE_NONCES,
		offsetof(struct nonce, by_nonce), offsetof(struct nonce, nonce),
		sizeof(uint64_t))) {
		free(t);
		return NULL;
	}
	return t;
}

void
reach_probes_free(struct reach_probes *t)
{
	if (!t)
		return;
	table_fini(&t->nonces);
	free(t);
}

static void
nonce_forget(struct reach_rloc *r, struct nonce *n)
{
	if (n->nonce)
		table_remove(&reach_probes(r->x)->nonces, &n->by_nonce);
	n->nonce = 0;
}

void
reach_probe_free(struct reach_rloc *r)
{
	struct reach_probe *p = r->probe;

	if (!p)
		return;
	for (unsigned i = 0; i < PROBE_NONCES; i++)
		nonce_forget(r, &p->nonces[i]);
	loop_timer_free(p->timer);
	free(p);
	r->probe = NULL;
}

/* --- when --- */

static void
arm(struct reach_probe *p, struct mono at)
{
	p->due = at;
	loop_timer_at(p->timer, at);
}

static bool
down_by_us(const struct reach_rloc *r)
{
	return r->down &
	    (1u << REACH_PROBE | 1u << REACH_ICMP | 1u << REACH_ECHO);
}

/* Whether anybody wants to know. */
static bool
wanted(const struct reach_rloc *r)
{
	const struct xtr *x = r->x;

	if (r->own || !xtr_rloc(x, r->addr.afi) ||
	    r->down & (1u << REACH_ROUTE))
		return false;
	if (reach_watch_interval(r))
		return true;
	if (!r->uses)
		return false;
	return x->conf->reachability.probe || down_by_us(r) ||
	    (r->probe && r->probe->hint);
}

static int64_t
jittered(int64_t ms)
{
	const int64_t range = ms * JITTER_PERCENT / 100;
	uint32_t random;

	auth_random(&random, sizeof(random));
	return ms - range + (int64_t)(random % (uint64_t)(2 * range + 1));
}

/* How long to wait for the answer to the probe that just left. */
static int64_t
answer_ms(const struct reach_rloc *r)
{
	const int64_t watch_ms = reach_watch_interval(r);
	const unsigned misses = r->probe->misses;

	if (misses < PROBE_MISSES && !down_by_us(r)) {
		const int64_t retry_ms = (int64_t)PROBE_RETRY_FIRST_MS
		    << misses;

		return watch_ms && watch_ms < retry_ms ? watch_ms : retry_ms;
	}
	if (watch_ms)
		return watch_ms;
	r->probe->slow_ms = r->probe->slow_ms
	    ? r->probe->slow_ms * 2
	    : (int64_t)PROBE_RETRY_FIRST_MS << PROBE_MISSES;
	if (r->probe->slow_ms > PROBE_SLOW_MAX_MS)
		r->probe->slow_ms = PROBE_SLOW_MAX_MS;
	return jittered(r->probe->slow_ms);
}

static int64_t
interval_ms(const struct reach_rloc *r)
{
	const int64_t conf_ms = r->x->conf->reachability.probe
	    ? r->x->conf->reachability.probe_interval_s * 1000
	    : 0;
	const int64_t watch_ms = reach_watch_interval(r);

	if (watch_ms && (!conf_ms || watch_ms < conf_ms))
		return watch_ms;
	return jittered(conf_ms);
}

/* Watched ones are few, and must not wait. */
static bool
total_take(const struct reach_rloc *r)
{
	const int64_t per_s = r->x->conf->reachability.probe_rate;

	return reach_watch_interval(r) ||
	    limit_total_take(&reach_probes(r->x)->full, per_s, xtr_now(r->x));
}

/* --- out --- */

static struct nonce *
nonce_new(struct reach_rloc *r, const struct eid *asked)
{
	struct reach_probe *p = r->probe;
	struct nonce *n = &p->nonces[p->next_nonce++ % PROBE_NONCES];

	nonce_forget(r, n);
	do
		auth_random(&n->nonce, sizeof(n->nonce));
	while (!n->nonce || table_find(&reach_probes(r->x)->nonces, &n->nonce));
	n->sent = xtr_now(r->x);
	n->asked = *asked;
	n->of = r;
	if (table_add(&reach_probes(r->x)->nonces, &n->by_nonce))
		n->nonce = 0;
	return n->nonce ? n : NULL;
}

/* ITR-RLOCs: first the source, so that the answer tries the same way back. */
static void
add_itr_rlocs(
    const struct xtr *x, const struct addr *source, struct map_request *m)
{
	const struct conf_list *rlocs = &x->conf->site.rlocs;

	m->itr_rlocs[m->n_itr_rlocs++] = lisp_addr_from_addr(source);
	for (size_t i = 0; i < rlocs->n && m->n_itr_rlocs < LISP_ITR_RLOCS_MAX;
	     i++) {
		const struct addr *a =
		    &conf_at(*rlocs, struct conf_rloc, i)->address;

		if (!addr_equal(a, source) && reach_is_up(x, a))
			m->itr_rlocs[m->n_itr_rlocs++] = lisp_addr_from_addr(a);
	}
}

static void
send_probe(struct reach_rloc *r)
{
	struct xtr *x = r->x;
	struct reach_probe *p = r->probe;
	const struct addr *source = xtr_rloc(x, r->addr.afi);
	struct map_request m = { .probe = true, .n_records = 1 };
	uint8_t bytes[1024];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct nonce *n;
	struct eid eid;

	if (!reach_probe_eid(r, p->next_eid++ % EIDS_TRIED, &eid) ||
	    !(n = nonce_new(r, &eid)))
		return;
	m.nonce = n->nonce;
	m.records[0].eid = lisp_addr_from_eid(&eid);
	m.records[0].eid_bits = eid.bits;
	add_itr_rlocs(x, source, &m);
	map_request_encode(&w, &m);
	if (w.err) {
		x->counters.output_errors++;
		return;
	}
	output_send(
	    x, source, &r->addr, LISP_CONTROL_PORT, bytes, wire_written(&w));
	x->counters.probe_sent++;
	if (p->misses)
		x->counters.probe_retried++;
	p->out = true;
	p->sent = xtr_now(x);
	p->info.sent++;
	p->info.sent_ms = (int64_t)clock_wall_ms(x->clock);
}

/* The probe that is out was not answered; may free 'r'. */
static void
missed(struct reach_rloc *r)
{
	struct xtr *x = r->x;
	struct reach_probe *p = r->probe;
	const struct addr addr = r->addr;
	const bool was_down = down_by_us(r);
	struct eid asked;

	p->out = false;
	p->misses++;
	p->info.missed++;
	x->counters.probe_missed++;
	if (p->misses < PROBE_MISSES || was_down)
		return;
	p->hint = false;
	/* Perhaps what led us there is wrong: the mapping system knows. */
	if (r->uses) {
		asked = *r->uses->eid;
		itr_refresh(x, &asked);
	}
	reach_set(x, &addr, p->cause, REACH_DOWN);
}

static void
due(void *arg)
{
	struct reach_rloc *r = arg;
	struct xtr *x = r->x;
	const struct addr addr = r->addr;

	if (r->probe->out) {
		missed(r);
		r = reach_find(x, &addr); /* a watch may have ended */
		if (!r || !r->probe)
			return;
	}
	if (!wanted(r)) {
		r->probe->misses = 0;
		r->probe->hint = false;
		return;
	}
	if (!total_take(r)) {
		x->counters.probe_delayed++;
		arm(r->probe, mono_add_ms(xtr_now(x), BUSY_MS));
		return;
	}
	if (!r->probe->misses && !down_by_us(r) && !r->probe->hint)
		r->probe->cause = REACH_PROBE;
	send_probe(r);
	arm(r->probe, mono_add_ms(xtr_now(x), answer_ms(r)));
}

static struct reach_probe *
obtain(struct reach_rloc *r)
{
	struct reach_probe *p = r->probe;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->timer = loop_timer_new(r->x->loop, due, r);
	if (!p->timer) {
		free(p);
		return NULL;
	}
	p->info.rtt_us = -1;
	p->cause = REACH_PROBE;
	r->probe = p;
	return p;
}

/* Now, but never twice within a second. */
static void
probe_soon(struct reach_rloc *r, int64_t in_ms)
{
	struct reach_probe *p = r->probe;
	const struct mono now = xtr_now(r->x);
	struct mono at = mono_add_ms(now, in_ms);
	const struct mono may = mono_add_ms(p->sent, PROBE_RETRY_FIRST_MS);

	if (p->sent.us && mono_before(at, may))
		at = may;
	arm(p, at);
}

void
reach_probe_attend(struct reach_rloc *r)
{
	const struct mono now = xtr_now(r->x);
	const int64_t watch_ms = reach_watch_interval(r);
	struct reach_probe *p;
	uint32_t random;

	if (!wanted(r) || !(p = obtain(r)))
		return;
	if (!loop_timer_armed(p->timer)) {
		auth_random(&random, sizeof(random));
		probe_soon(r,
		    watch_ms || down_by_us(r) ? 0 : random % START_SPREAD_MS);
	} else if (watch_ms) {
		if (mono_before(mono_add_ms(now, watch_ms), p->due))
			arm(p, mono_add_ms(now, watch_ms));
	} else if (down_by_us(r) &&
	    !mono_before(now, mono_add_ms(p->sent, AGAIN_MS))) {
		p->slow_ms = 0;
		probe_soon(r, 0);
	}
}

void
reach_probe_hint(struct reach_rloc *r, enum reach_cause cause)
{
	struct reach_probe *p = r->own ? NULL : obtain(r);
	const struct mono now = xtr_now(r->x);

	/* One series at a time, and not as often as somebody likes. */
	if (!p || p->hint ||
	    (p->hinted.us &&
		mono_before(now, mono_add_ms(p->hinted, PROBE_HINT_MS))))
		return;
	p->hinted = now;
	p->hint = true;
	if (!wanted(r)) {
		p->hint = false;
		return;
	}
	if (!p->out && !down_by_us(r))
		p->cause = cause;
	if (!p->out)
		probe_soon(r, 0);
}

/* --- in --- */

/* 'r' answered. */
static void
answered(struct reach_rloc *r)
{
	struct xtr *x = r->x;
	const struct addr addr = r->addr;
	struct reach_probe *p = obtain(r);

	if (p) {
		p->out = false;
		p->hint = false;
		p->misses = 0;
		p->slow_ms = 0;
		p->cause = REACH_PROBE;
		p->info.answered++;
	}
	reach_set(x, &addr, REACH_ICMP, REACH_UNKNOWN);
	reach_set(x, &addr, REACH_ECHO, REACH_UNKNOWN);
	reach_set(x, &addr, REACH_PROBE, REACH_UP);
	r = reach_find(x, &addr);
	if (!r || !r->probe)
		return;
	if (wanted(r))
		arm(r->probe, mono_add_ms(xtr_now(x), interval_ms(r)));
	else
		loop_timer_cancel(r->probe->timer);
}

/* The first locator with the p bit. */
static bool
first_probed(struct records records, struct addr *out)
{
	struct mapping m;

	while (records_next(&records, &m))
		for (unsigned i = 0; i < m.n_locators; i++)
			if (m.locators[i].probed) {
				*out = m.locators[i].addr.addr;
				return true;
			}
	return false;
}

static bool
is_locator_of(struct xtr *x, const struct eid *eid, const struct addr *rloc)
{
	const struct map_cache_entry *e = map_cache_find(x->map_cache, eid);

	for (unsigned i = 0; e && i < e->n_locators; i++)
		if (addr_equal(&e->locators[i].rloc, rloc))
			return true;
	return false;
}

/*
 * Whom the answer to a probe of 'r' is about, RFC 9301 5.4: the locator with the
 * p bit.  But an ETR says nothing about the RLOCs of other mappings.
 */
static struct reach_rloc *
credited_rloc(
    struct reach_rloc *r, struct records records, const struct eid *asked)
{
	struct reach_rloc *named;
	struct addr rloc;

	if (!first_probed(records, &rloc) || !is_locator_of(r->x, asked, &rloc))
		return r;
	named = reach_find(r->x, &rloc);
	return named && !named->own ? named : r;
}

/* What the answer says about the mapping that was asked for. */
static void
note_mapping(struct xtr *x, struct records records, const struct eid *asked)
{
	struct mapping m;
	struct eid eid;

	while (records_next(&records, &m))
		if (!lisp_addr_eid(&m.eid, m.eid_bits, &eid) &&
		    eid_equal(&eid, asked) &&
		    !map_cache_set_reachable(x, asked, &m)) {
			x->counters.probe_changed_set++;
			itr_refresh(x, asked);
		}
}

enum err
reach_probe_on_map_reply(
    struct xtr *x, const struct datagram *dg, const struct map_reply *m)
{
	struct table_node *node =
	    x->reach ? table_find(&reach_probes(x)->nonces, &m->nonce) : NULL;
	struct nonce *n = table_entry(node, struct nonce, by_nonce);
	struct reach_rloc *r, *credited;
	struct eid asked;
	int64_t rtt_us;

	(void)dg; /* its source proves nothing */
	if (!n)
		return ERR_NONCE;
	r = n->of;
	asked = n->asked;
	rtt_us = mono_diff_us(xtr_now(x), n->sent);
	if (rtt_us > PROBE_NONCE_AGE_MS * 1000)
		return ERR_NONCE;
	nonce_forget(r, n);

	x->counters.probe_answered++;
	credited = credited_rloc(r, m->records, &asked);
	if (credited == r)
		r->probe->info.rtt_us = rtt_us;
	signs_note_echo(x, m->records, m->echo_nonce);
	answered(credited);
	note_mapping(x, m->records, &asked);
	return ERR_OK;
}

void
reach_probe_info(const struct reach_rloc *r, struct reach_probe_info *out)
{
	*out = (struct reach_probe_info){ .rtt_us = -1 };
	if (!r->probe)
		return;
	*out = r->probe->info;
	out->misses = r->probe->misses;
}
