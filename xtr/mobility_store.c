/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility_store.c - dynamic EIDs in the store, and what a restart makes of
 * them.  docs/cpm.md 4.1, 6.12.
 *
 * Wall-clock times are stored, so that what was left of an away-time or a hold
 * goes on after a restart.  Written in the turn of the loop that sends the Ack.
 */
#include "xtr/mobility_entry.h"

#include <string.h>

#include "xtr/output.h"
#include "xtr/segment.h"
#include "xtr/store.h"

#define STORE_VERSION 1
#define SAVE_AGAIN_MS 1000

enum {
	FLAG_INCOMING = 1,
	FLAG_TOLD = 2,
	FLAG_GONE = 4,
	FLAG_UNFINISHED = 16,
};

struct stored {
	uint8_t version, state, flags, n_away;
	uint8_t owner[16], vm_id[16], incoming_from[16], away_site[16];
	struct addr mac, away[AWAY_RLOCS_MAX];
	uint8_t pad[6];
	uint64_t generation, seen;
	int64_t changed_ms, away_until_ms, hold_until_ms, incoming_until_ms,
	    committed_ms;
};

void
mobility_unsave(struct xtr *x, const struct eid *eid)
{
	uint8_t key[STORE_EID_KEY];

	store_eid_key(eid, key);
	if (store_remove(x->store, STORE_EID, key, sizeof(key)))
		x->counters.store_errors++;
	output_arm(x);
}

void
mobility_save(struct xtr *x, struct eid_entry *e)
{
	const struct mobile *m = mobile_of(e);
	uint8_t key[STORE_EID_KEY];
	struct stored v;

	memset(&v, 0, sizeof(v));
	v.version = STORE_VERSION;
	v.state = (uint8_t)e->state;
	v.flags = (uint8_t)((e->incoming ? FLAG_INCOMING : 0) |
	    (e->incoming_told ? FLAG_TOLD : 0) | (e->gone ? FLAG_GONE : 0) |
	    (m->unfinished ? FLAG_UNFINISHED : 0));
	v.n_away = (uint8_t)e->n_away;
	memcpy(v.owner, e->owner, 16);
	memcpy(v.vm_id, e->vm_id, 16);
	memcpy(v.incoming_from, e->incoming_from, 16);
	memcpy(v.away_site, e->away_site, 16);
	v.mac = e->mac;
	memcpy(v.away, e->away, sizeof(v.away));
	v.generation = e->generation;
	v.seen = e->seen;
	v.changed_ms = e->changed_ms;
	v.away_until_ms = e->away_until_ms;
	v.hold_until_ms = m->hold_until_ms;
	if (m->armed[TASK_INCOMING])
		v.incoming_until_ms = (int64_t)clock_wall_ms(x->clock) +
		    mono_diff_us(m->at[TASK_INCOMING], xtr_now(x)) / 1000;
	v.committed_ms = m->committed_ms;
	store_eid_key(&e->eid, key);
	if (store_put(x->store, STORE_EID, key, sizeof(key), &v, sizeof(v)))
		x->counters.store_errors++;
	output_arm(x);
}

void
mobility_unsaved(struct xtr *x)
{
	struct mobility *t = x->mobility;

	if (!t)
		return;
	t->unsaved = true;
	if (!loop_timer_armed(t->save))
		loop_timer_set(t->save, SAVE_AGAIN_MS);
}

static bool
save_one(void *arg, struct eid_entry *e)
{
	if (!e->is_static)
		mobility_save(arg, e);
	return true;
}

/* Whether it worked this time the end of the turn tells. */
void
mobility_save_all(void *xtr)
{
	struct xtr *x = xtr;

	x->mobility->unsaved = false;
	senders_save(x, x->mobility->senders);
	eids_walk(x->eids, save_one, x);
	output_arm(x);
}

static void
arm_rest(struct xtr *x, struct eid_entry *e, enum task task, int64_t until_ms)
{
	const int64_t left = until_ms - (int64_t)clock_wall_ms(x->clock);

	mobility_arm(e, task, left > 0 ? left : 0);
}

static void
restore(struct xtr *x, struct eid_entry *e, const struct stored *v)
{
	struct mobile *m = mobile_of(e);

	memcpy(e->owner, v->owner, 16);
	memcpy(e->vm_id, v->vm_id, 16);
	memcpy(e->incoming_from, v->incoming_from, 16);
	memcpy(e->away_site, v->away_site, 16);
	e->mac = v->mac;
	e->n_away = v->n_away <= AWAY_RLOCS_MAX ? v->n_away : 0;
	memcpy(e->away, v->away, sizeof(e->away));
	e->generation = v->generation;
	e->seen = v->seen;
	e->changed_ms = v->changed_ms;
	e->away_until_ms = v->away_until_ms;
	mobility_mark(e, v->flags & FLAG_INCOMING);
	e->incoming_told = v->flags & FLAG_TOLD;
	e->gone = v->flags & FLAG_GONE;
	m->unfinished = v->flags & FLAG_UNFINISHED;
	m->committed_ms = v->committed_ms;
	m->hold_until_ms = v->hold_until_ms;
	eids_set_state(x->eids, e, v->state);
	if (e->incoming)
		arm_rest(x, e, TASK_INCOMING, v->incoming_until_ms);
	if (e->state == EID_HELD)
		arm_rest(x, e, TASK_HOLD_MAX, v->hold_until_ms);
	if (e->state == EID_AWAY)
		arm_rest(x, e, TASK_AWAY, v->away_until_ms);
	if (e->state == EID_ABSENT)
		arm_rest(x, e, TASK_MEMORY,
		    v->changed_ms + mobility_memory_ms(x, e));
}

static bool
load_one(void *arg, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	struct xtr *x = arg;
	const struct conf_mobile_prefix *p;
	struct eid_entry *e;
	struct stored v;
	struct eid eid;

	if (value_len != sizeof(v) || store_eid_parse(key, key_len, &eid))
		return true;
	memcpy(&v, value, sizeof(v));
	p = conf_mobile_find(x->conf, &eid);
	/* A prefix that is not mobile any more, a host that is static now:
	 * nothing is done with it, and nothing lost if it comes back. */
	if (v.version != STORE_VERSION || v.state >= EID_STATES || !p ||
	    eids_find(x->eids, &eid) || mobility_entry_add(x, &eid, p, &e))
		return true;
	restore(x, e, &v);
	return true;
}

static bool
resume_one(void *arg, struct eid_entry *e)
{
	struct xtr *x = arg;

	if (e->is_static)
		return true;
	if (eid_is_ours(e))
		segment_eid_here(x, e);
	mobility_event(x, e, EVENT_RESTART_KEPT, 0);
	return true;
}

void
mobility_start(struct xtr *x)
{
	store_walk(x->store, STORE_EID, NULL, 0, load_one, x);
	eids_walk(x->eids, resume_one, x);
}
