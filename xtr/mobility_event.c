/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility_event.c - what happens to an EID without a message about it: timers,
 * the mapping system's word, a contest.  docs/cpm.md 5 (second table), 6.6,
 * 6.8, 6.13.
 *
 * An EID waits for up to TASKS things at once and has one timer, for the
 * earliest.  A lookup's answer comes through itr_ask(), which neither
 * map-cache nor database answer.
 */
#include "xtr/mobility_entry.h"

#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/itr.h"
#include "xtr/output.h"
#include "xtr/register.h"

#define LOOKUP_WAIT_MS 1000

static void on_timer(void *arg);

static void
rearm(struct mobile *m)
{
	struct mono first = { INT64_MAX };

	for (unsigned i = 0; i < TASKS; i++)
		if (m->armed[i] && mono_before(m->at[i], first))
			first = m->at[i];
	if (first.us == INT64_MAX) {
		if (m->timer)
			loop_timer_cancel(m->timer);
		return;
	}
	if (!m->timer)
		m->timer = loop_timer_new(m->x->loop, on_timer, m);
	if (m->timer)
		loop_timer_at(m->timer, first);
}

void
mobility_arm(struct eid_entry *e, enum task task, int64_t in_ms)
{
	struct mobile *m = mobile_of(e);

	m->armed[task] = true;
	m->at[task] = mono_add_ms(xtr_now(m->x), in_ms);
	rearm(m);
}

void
mobility_disarm(struct eid_entry *e, enum task task)
{
	struct mobile *m = mobile_of(e);

	if (!m->armed[task])
		return;
	m->armed[task] = false;
	rearm(m);
}

void
mobility_event(
    struct xtr *x, struct eid_entry *e, enum event event, unsigned facts)
{
	const struct decision *d =
	    decide_event(event, e->state, facts | (e->gone ? FACT_GONE : 0));

	if (d)
		mobility_apply(x, e, d, NULL);
}

static bool
is_of_other_site(
    const struct xtr *x, const struct eid *eid, const struct addr *rloc)
{
	const struct conf_list *sites = &x->conf->mobility.sites;

	for (size_t i = 0; i < sites->n; i++) {
		const struct conf_other_site *s =
		    conf_at(*sites, struct conf_other_site, i);
		bool covers = false;

		for (size_t j = 0; j < s->prefixes.n; j++)
			covers |= eid_covers(
			    conf_at(s->prefixes, struct eid, j), eid);
		if (covers && site_has_rloc(s, rloc))
			return true;
	}
	return false;
}

bool
mobility_elsewhere(
    struct xtr *x, struct eid_entry *e, const struct mapping *mapping)
{
	struct mobile *m = mobile_of(e);
	bool usable = false;

	m->n_found = 0;
	for (unsigned i = 0; i < mapping->n_locators; i++) {
		const struct locator *l = &mapping->locators[i];

		if (l->priority == LISP_PRIORITY_UNUSABLE || !l->reachable ||
		    l->addr.opaque)
			continue;
		/* Another xTR of the site registers the same EIDs. */
		if (xtr_rloc_is_own(x, &l->addr.addr) ||
		    conf_partner_of(x->conf, &l->addr.addr))
			return false;
		usable = true;
		if (m->n_found < AWAY_RLOCS_MAX &&
		    xtr_rloc(x, l->addr.addr.afi))
			m->found[m->n_found++] = l->addr.addr;
	}
	return usable;
}

static void
verified(struct xtr *x, struct eid_entry *e, enum lookup_result result,
    bool negative, bool elsewhere)
{
	const bool last = mobile_of(e)->step[TASK_VERIFY] >= 3;
	const bool ours = result == LOOKUP_OWN ||
	    (result == LOOKUP_MAPPING && !elsewhere && !negative);

	if (e->state == EID_HELD) {
		/* The table has no VERIFY in held: a LOOKUP that finds it
		 * elsewhere was believed already. */
		if (!ours && !negative && !last)
			return;
		mobility_undisputed(e);
		if (!e->gone)
			register_schedule_later(x, &e->eid);
	} else if (ours) {
		mobility_event(x, e, EVENT_VERIFY_OWN, 0);
	} else if (negative) {
		mobility_event(x, e, EVENT_VERIFY_NEGATIVE, 0);
	} else if (last) {
		mobility_event(x, e, EVENT_VERIFY_OVER, 0);
	}
}

/* Not elsewhere: it goes on as it was. */
static void
contest_over(struct xtr *x, struct eid_entry *e, bool elsewhere)
{
	mobile_of(e)->contest_lookup = false;
	mobility_event(
	    x, e, EVENT_CONTEST_OVER, elsewhere ? FACT_ELSEWHERE : 0);
	if (!e->contested)
		return;
	e->contested = false;
	if (!e->gone)
		register_schedule(x, &e->eid);
}

/* One answer serves all that wait for one. */
static void
looked_up(struct xtr *x, const struct eid *eid, enum lookup_result result,
    const struct mapping *mapping)
{
	struct eid_entry *e = eids_find(x->eids, eid);
	struct mobile *m;
	bool elsewhere, negative;

	if (!e || e->is_static || !eid_is_ours(e))
		return;
	m = mobile_of(e);
	elsewhere =
	    result == LOOKUP_MAPPING && mobility_elsewhere(x, e, mapping);
	negative = result == LOOKUP_MAPPING && !mapping->n_locators;
	if (e->state == EID_HELD && elsewhere &&
	    (e->gone || e->verifying || e->contested)) {
		mobility_event(x, e, EVENT_LOOKUP_ELSEWHERE, 0);
		return;
	}
	if (m->contest_lookup)
		contest_over(x, e, elsewhere);
	if (e->verifying)
		verified(x, e, result, negative, elsewhere);
	if (m->last_lookup)
		mobility_event(x, e, EVENT_HOLD_MAX, 0);
}

static void
ask(struct xtr *x, const struct eid *eid)
{
	if (itr_ask(x, eid, LOOKUP_WAIT_MS, looked_up))
		looked_up(x, eid, LOOKUP_TIMEOUT, NULL);
}

/* Asks at the times of 'at_s' after the first. */
static void
ask_in_steps(struct xtr *x, struct eid_entry *e, enum task task,
    const unsigned *at_s, unsigned n)
{
	struct mobile *m = mobile_of(e);
	const unsigned step = m->step[task]++;

	if (step + 1 < n)
		mobility_arm(e, task, (at_s[step + 1] - at_s[step]) * 1000);
	ask(x, &m->eid);
}

/* docs/cpm.md 6.8: status 9 to the owner's agent for its own claim. */
static void
revised_ack(struct xtr *x, struct eid_entry *e)
{
	struct mobile *m = mobile_of(e);
	const struct claim *c = &m->claim;
	const struct sender *s = mobility_sender(x, c->sender);
	const unsigned step = m->step[TASK_REVISED]++;
	const uint8_t status[CPM_EIDS_MAX] = { CPM_ACK_STALE };
	struct sender copy;
	struct datagram dg = { .from = c->from, .port = c->port, .to = c->to };
	struct cpm_in in = { .dg = &dg, .status = CPM_ACK_STALE };

	if (step < 2)
		mobility_arm(e, TASK_REVISED, step == 0 ? 100 : 200);
	if (!c->set || !s)
		return;
	copy = *s;
	in.sender = &copy;
	in.m.nonce = c->nonce;
	in.m.series = c->series;
	in.m.part = c->part;
	in.m.parts = c->parts;
	in.m.reason = c->reason;
	in.m.n_eids = 1;
	in.m.eids[0] = e->eid;
	cpm_ack_send(x, &in, status, e->seen);
}

static void
hold_max(struct xtr *x, struct eid_entry *e)
{
	struct mobile *m = mobile_of(e);

	if (!e->gone) {
		mobility_event(x, e, EVENT_HOLD_MAX, 0);
		return;
	}
	mobility_disarm(e, TASK_LOOKUP);
	m->last_lookup = true;
	ask(x, &m->eid);
}

static void
run_task(struct xtr *x, struct eid_entry *e, enum task task)
{
	static const unsigned lookup_s[] = { 0, 1, 3, 7, 15 };
	static const unsigned verify_s[] = { 0, 1, 3 };

	switch (task) {
	case TASK_HOLD_MAX:
		hold_max(x, e);
		break;
	case TASK_LOOKUP:
		ask_in_steps(x, e, task, lookup_s, 5);
		break;
	case TASK_VERIFY:
		ask_in_steps(x, e, task, verify_s, 3);
		break;
	case TASK_CONTEST:
		mobile_of(e)->contest_lookup = true;
		ask(x, &e->eid);
		break;
	case TASK_REVISED:
		revised_ack(x, e);
		break;
	case TASK_AWAY:
		mobility_event(x, e, EVENT_AWAY_OVER, 0);
		break;
	case TASK_INCOMING:
		mobility_event(x, e, EVENT_INCOMING_OVER, 0);
		break;
	case TASK_MEMORY:
		if (e->state == EID_ABSENT)
			mobility_forget(x, e);
		break;
	case TASKS:
		break;
	}
}

static void
on_timer(void *arg)
{
	struct mobile *m = arg;
	struct xtr *x = m->x;
	const struct eid eid = m->eid;
	const struct mono now = xtr_now(x);
	struct eid_entry *e = eids_find(x->eids, &eid);

	for (unsigned i = 0; i < TASKS && e; i++) {
		m = mobile_of(e);
		if (!m->armed[i] || mono_before(now, m->at[i]))
			continue;
		m->armed[i] = false;
		run_task(x, e, i);
		/* It may have ended the entry. */
		e = eids_find(x->eids, &eid);
	}
	if (e)
		rearm(mobile_of(e));
}

void
mobility_on_stale(
    struct xtr *x, const struct eid *eid, uint64_t generation, uint64_t highest)
{
	struct eid_entry *e = eids_find(x->eids, eid);
	const struct decision contest = { { ACT_CONTEST },
		e ? (uint8_t)e->state : 0 };

	/* Equal: of two owners the other one won. */
	if (!e || e->is_static || !eid_is_ours(e) || highest < generation ||
	    e->generation != generation || e->contested)
		return;
	mobility_apply(x, e, &contest, NULL);
}

/* Against a stranger's registration: 3 times in 60 s, docs/cpm.md 6.13. */
static bool
may_fight(struct mobile *m, struct mono now)
{
	if (mono_diff_us(now, m->fight_began) > 60 * INT64_C(1000000)) {
		m->fight_began = now;
		m->fights = 0;
	}
	return m->fights++ < 3;
}

void
mobility_on_map_notify(
    struct xtr *x, const struct eid *eid, const struct mapping *mapping)
{
	struct eid_entry *e = eids_find(x->eids, eid);
	struct mobile *m;
	unsigned facts = 0;

	if (!e || e->is_static || e->verifying || e->contested ||
	    !mobility_elsewhere(x, e, mapping))
		return;
	m = mobile_of(e);
	for (unsigned i = 0; i < m->n_found; i++)
		if (is_of_other_site(x, eid, &m->found[i]))
			facts |= FACT_OTHER_SITE;
	/* A Map-Notify is repeated for 51 s at most by a Map-Server that has
	 * not been told of a newer state (RFC 9301 5.7). */
	if ((int64_t)clock_wall_ms(x->clock) - e->changed_ms > 60000)
		facts |= FACT_LATER;
	if (e->state == EID_AWAY && !m->n_found)
		return; /* what we have is better than no way at all */
	if (e->state == EID_LOCAL && !(facts & FACT_OTHER_SITE) &&
	    !may_fight(m, xtr_now(x))) {
		mobility_alarm(x, eid, "registered by a stranger");
		return;
	}
	mobility_event(x, e, EVENT_MAP_NOTIFY_ELSEWHERE, facts);
}
