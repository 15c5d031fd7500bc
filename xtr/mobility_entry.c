/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility_entry.c - the life of a dynamic EID: made by the first statement
 * about it, changed by decisions, forgotten when its memory is over.
 *
 * mobility.c and mobility_event.c bring the decisions, mobility_act.c carries
 * out their actions.  Nothing but the end of the memory, or a new EID where
 * there is no more room, frees an entry: while a message or an event is worked
 * on it stays.
 */
#include "xtr/mobility_entry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "xtr/dp.h"
#include "xtr/requesters.h"

void
mobility_entry_released(struct eid_entry *e)
{
	struct mobile *m = e->mobility;

	if (!m)
		return;
	mobility_mark(e, false);
	if (m->x->mobility)
		m->x->mobility->n_peers -= m->n_peers;
	loop_timer_free(m->timer);
	free(m->peers);
	free(m);
	e->mobility = NULL;
}

enum err
mobility_entry_add(struct xtr *x, const struct eid *eid,
    const struct conf_mobile_prefix *mobile, struct eid_entry **out)
{
	struct mobile *m = calloc(1, sizeof(*m));
	enum err err;

	if (!m)
		return ERR_NOMEM;
	err = eids_add(x->eids, eid, mobile, out);
	if (err) {
		free(m);
		return err;
	}
	m->x = x;
	m->eid = *eid;
	(*out)->mobility = m;
	mobility_arm(*out, TASK_MEMORY, LATE_KEEP_MS);
	return ERR_OK;
}

enum err
mobility_entry(struct xtr *x, const struct eid *eid,
    const struct conf_mobile_prefix *mobile, struct eid_entry **out)
{
	struct eid_entry *e = eids_find(x->eids, eid), *oldest;
	enum err err;

	if (e && e->is_static)
		return ERR_POLICY;
	if (e) {
		*out = e;
		return ERR_OK;
	}
	err = mobility_entry_add(x, eid, mobile, out);
	oldest = err == ERR_FULL ? eids_oldest(x->eids) : NULL;
	if (!oldest)
		return err;
	mobility_forget(x, oldest);
	return mobility_entry_add(x, eid, mobile, out);
}

void
mobility_forget(struct xtr *x, struct eid_entry *e)
{
	mobility_unsave(x, &e->eid);
	requesters_forget(x, &e->eid);
	eids_remove(x->eids, e);
}

void
mobility_mark(struct eid_entry *e, bool on)
{
	struct mobility *t = mobile_of(e)->x->mobility;

	if (t)
		t->n_marks = t->n_marks + on - e->incoming;
	e->incoming = on;
}

void
mobility_undisputed(struct eid_entry *e)
{
	e->contested = e->verifying = false;
	mobile_of(e)->contest_lookup = false;
	mobility_disarm(e, TASK_VERIFY);
	mobility_disarm(e, TASK_CONTEST);
	mobility_disarm(e, TASK_REVISED);
}

int64_t
mobility_memory_ms(const struct xtr *x, const struct eid_entry *e)
{
	return e->generation || e->seen ? x->conf->mobility.memory_s * 1000
					: LATE_KEEP_MS;
}

/* What ends with a state, whatever led out of it. */
static void
leave_state(struct xtr *x, struct eid_entry *e)
{
	struct mobile *m = mobile_of(e);

	if (e->state != EID_HELD) {
		e->gone = false;
		m->last_lookup = false;
		m->hold_until_ms = 0;
		mobility_disarm(e, TASK_HOLD_MAX);
	}
	if (!e->gone)
		mobility_disarm(e, TASK_LOOKUP);
	if (e->state != EID_AWAY) {
		e->n_away = 0;
		e->away_until_ms = 0;
		mobility_disarm(e, TASK_AWAY);
	}
	if (!eid_is_ours(e)) {
		mobility_undisputed(e);
		m->unfinished = false;
	}
	if (!e->incoming)
		mobility_disarm(e, TASK_INCOMING);
	if (e->state == EID_ABSENT) {
		mobility_drop_peers(x, e);
		mobility_arm(e, TASK_MEMORY, mobility_memory_ms(x, e));
	} else {
		mobility_disarm(e, TASK_MEMORY);
	}
}

static void
log_change(
    const struct eid_entry *e, enum eid_state before, const struct cpm_in *in)
{
	char eid[EID_STR_MAX];

	if (before == e->state)
		return;
	log_info("mobility", "%s: %s -> %s (%s%s%s, move %" PRIx64 ")",
	    eid_str(&e->eid, eid), eid_state_str(before),
	    eid_state_str(e->state),
	    in ? cpm_reason_str(in->m.reason) : "timer or mapping system",
	    in ? " from " : "", in ? sender_name(in->sender) : "",
	    e->generation);
}

void
mobility_apply(struct xtr *x, struct eid_entry *e, const struct decision *d,
    const struct cpm_in *in)
{
	const enum eid_state before = e->state;

	eids_set_state(x->eids, e, d->next);
	if (before != e->state)
		e->changed_ms = (int64_t)clock_wall_ms(x->clock);
	for (unsigned i = 0;
	     i < sizeof(d->actions) && d->actions[i] != ACT_NONE; i++)
		mobility_act(x, e, d->actions[i], before, in);
	if (e->state == EID_ABSENT && e->incoming)
		eids_set_state(x->eids, e, EID_ARRIVING);
	leave_state(x, e);
	log_change(e, before, in);
	dp_eid_changed(x, &e->eid);
	mobility_save(x, e);
}
