/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partner.c - the other xTRs of our own site.
 *
 * reach.c probes them; etr.c puts their RLOCs into our records with the R bit
 * that it found; forward.c sends them what it does not know.  requesters.c has
 * each of its entries told to them: an ITR that sends to one of us only is
 * known to that one only, and after its death nobody else could solicit it.
 *
 * What tells is a Map-Request, so it is believed as far as any other one
 * (docs/cpm.md 6.10): it fills a bounded list and costs an SMR.
 */
#include "partner.h"

#include <stdlib.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/eids.h"
#include "xtr/limit.h"
#include "xtr/output.h"
#include "xtr/reach.h"
#include "xtr/reach_own.h"
#include "xtr/requesters.h"
#include "xtr/smr.h"

enum { TELL_BURST = 1000, TELL_INTERVAL_MS = 1 };

struct watched {
	struct partners *of;
	struct watched *next;
	struct reach_watch *watch;
	bool down;
};

struct partners {
	struct xtr *x;
	struct watched *watched;
	struct loop_timer *changed; /* several RLOCs change together */
	struct limits *tell;	    /* made by the first partner_tell() */
};

static const struct conf_partner *
partner(const struct xtr *x, size_t i)
{
	return conf_at(x->conf->site.partners, struct conf_partner, i);
}

/* --- there or not --- */

static void
on_reach(void *arg, const struct addr *rloc, enum reach_state state)
{
	struct watched *w = arg;
	const bool down = state == REACH_DOWN;
	char buf[ADDR_STR_MAX];

	if (w->down == down)
		return; /* unknown before it is up */
	w->down = down;
	log_info("partner", "RLOC %s of our site is %s", addr_str(rloc, buf),
	    down ? "down" : "up again");
	loop_timer_set(w->of->changed, 0);
}

static void
changed(void *arg)
{
	reach_own_changed(arg);
}

static void
watch(struct partners *t, const struct addr *rloc)
{
	struct watched *w = calloc(1, sizeof(*w));
	char buf[ADDR_STR_MAX];

	if (!w)
		return;
	w->of = t;
	w->down = !reach_is_up(t->x, rloc);
	w->watch = reach_watch(
	    t->x, rloc, NULL, t->x->conf->site.partner_probe_ms, on_reach, w);
	if (!w->watch) {
		log_error("partner", "RLOC %s is not watched: %s",
		    addr_str(rloc, buf), err_str(ERR_FULL));
		free(w);
		return;
	}
	w->next = t->watched;
	t->watched = w;
}

static void
watch_all(struct partners *t)
{
	for (size_t i = 0; i < t->x->conf->site.partners.n; i++) {
		const struct conf_list *rlocs = &partner(t->x, i)->rlocs;

		for (size_t j = 0; j < rlocs->n; j++)
			watch(
			    t, &conf_at(*rlocs, struct conf_rloc, j)->address);
	}
}

static void
unwatch(struct watched *w)
{
	while (w) {
		struct watched *next = w->next;

		reach_unwatch(w->watch);
		free(w);
		w = next;
	}
}

struct partners *
partners_new(struct xtr *x)
{
	struct partners *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->x = x;
	t->changed = loop_timer_new(x->loop, changed, x);
	if (!t->changed) {
		partners_free(t);
		return NULL;
	}
	watch_all(t);
	return t;
}

void
partners_free(struct partners *t)
{
	if (!t)
		return;
	unwatch(t->watched);
	loop_timer_free(t->changed);
	limits_free(t->tell);
	free(t);
}

/* The new watches first: what is known of an RLOC that stays is kept. */
void
partners_reload(struct xtr *x)
{
	struct partners *t = x->partners;
	struct watched *old = t->watched;

	t->watched = NULL;
	watch_all(t);
	unwatch(old);
}

/* The first RLOC of a partner that is up and of a family of ours. */
static const struct addr *
first_rloc(const struct xtr *x, const struct conf_partner *p)
{
	for (size_t i = 0; i < p->rlocs.n; i++) {
		const struct addr *a =
		    &conf_at(p->rlocs, struct conf_rloc, i)->address;

		if (xtr_rloc(x, a->afi) && reach_is_up(x, a))
			return a;
	}
	return NULL;
}

const struct addr *
partner_rloc(const struct xtr *x)
{
	const struct addr *found = NULL;

	for (size_t i = 0; i < x->conf->site.partners.n && !found; i++)
		found = first_rloc(x, partner(x, i));
	return found;
}

/* --- who has our mappings --- */

bool
partner_tell(struct xtr *x, const struct eid *eid, const struct addr *rloc,
    const struct eid *source, bool data)
{
	static const char key;
	struct partners *t = x->partners;
	struct map_request m = { .no_reply = true,
		.authoritative = data,
		.n_itr_rlocs = 1,
		.n_records = 1 };
	uint8_t bytes[512];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	if (t && !t->tell)
		t->tell = limits_new(1, TELL_BURST, TELL_INTERVAL_MS);
	if (!t || !t->tell ||
	    !limit_take(t->tell, &key, sizeof(key), xtr_now(x)))
		return false;
	auth_random(&m.nonce, sizeof(m.nonce));
	if (source)
		m.source_eid = lisp_addr_from_eid(source);
	m.itr_rlocs[0] = lisp_addr_from_addr(rloc);
	m.records[0].eid = lisp_addr_from_eid(eid);
	m.records[0].eid_bits = eid->bits;
	map_request_encode(&w, &m);
	if (w.err) {
		x->counters.output_errors++;
		return true;
	}
	for (size_t i = 0; i < x->conf->site.partners.n; i++) {
		const struct addr *to = first_rloc(x, partner(x, i));

		if (!to)
			continue;
		output_send(x, xtr_rloc(x, to->afi), to, LISP_CONTROL_PORT,
		    bytes, wire_written(&w));
		x->counters.partner_told++;
	}
	return true;
}

bool
partner_on_told(
    struct xtr *x, const struct datagram *dg, const struct map_request *m)
{
	struct eid asked, source;
	bool has_source;

	if (!m->no_reply || m->smr || m->probe || dg->ecm ||
	    !conf_partner_of(x->conf, &dg->from))
		return false;
	has_source = !lisp_addr_eid(
	    &m->source_eid, lisp_addr_bits(&m->source_eid), &source);
	for (unsigned i = 0; i < m->n_records; i++) {
		const struct request_record *r = &m->records[i];
		const struct eid_entry *e;

		if (lisp_addr_eid(&r->eid, r->eid_bits, &asked))
			continue;
		e = eids_own(x, &asked);
		for (unsigned j = 0; e && j < m->n_itr_rlocs; j++) {
			const struct addr *rloc = &m->itr_rlocs[j].addr;

			if (rloc->afi != AFI_IPV4 && rloc->afi != AFI_IPV6)
				continue;
			requesters_told(x, &e->eid, rloc,
			    has_source ? &source : NULL, m->authoritative);
			if (m->authoritative)
				smr_on_data(x, &e->eid, rloc);
			else
				smr_on_converged(x, &e->eid, rloc);
		}
	}
	return true;
}
