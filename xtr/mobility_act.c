/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility_act.c - what the cells of the decision table mean, docs/cpm.md 6.
 *
 * Each action is a few calls into the tables and roles that do the work:
 * segment.c (route, neighbour, announcement), register.c (Map-Register),
 * notify.c (the other sites), smr.c (the ITRs).  None waits for another, none
 * can fail half-way: what cannot be sent now is repeated by its owner.
 *
 * There is no hold queue yet: a held EID's packets are dropped and counted by
 * forward.c, so FLUSH has nothing to send and every YIELD is drained at once.
 */
#include "xtr/mobility_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/itr.h"
#include "xtr/move.h"
#include "xtr/notify.h"
#include "xtr/output.h"
#include "xtr/register.h"
#include "xtr/segment.h"
#include "xtr/smr.h"

static void
take_mac(struct eid_entry *e, const struct cpm_in *in)
{
	if (in && in->m.op == CPM_OP_CPM && in->m.has_mac &&
	    !(in->m.mac.bytes[0] & 1))
		e->mac = in->m.mac;
}

static const char *
site_of(const struct xtr *x, const uint8_t xtr_id[16])
{
	const struct sender *s = mobility_sender(x, xtr_id);

	return s && s->site ? s->site->name : "";
}

static void
note_map_servers(struct xtr *x, const struct eid_entry *e)
{
	for (size_t i = 0; e->mobile && i < e->mobile->systems.n; i++) {
		const struct conf_list *servers =
		    &e->mobile->systems.list[i]->map_servers;

		for (size_t j = 0; j < servers->n; j++)
			move_note(x, &e->eid, MOVE_REGISTER,
			    &conf_at(*servers, struct conf_map_server_peer, j)
				 ->address);
	}
}

/* docs/cpm.md 6.1. */
static void
commit(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	struct mobile *m = mobile_of(e);
	const bool known = !uuid_is_zero(e->away_site);
	char from[64], to[64];

	snprintf(from, sizeof(from), "%s", site_of(x, e->away_site));
	snprintf(to, sizeof(to), "%s%s%s", x->conf->site.name, in ? "/" : "",
	    in ? sender_name(in->sender) : "");
	take_mac(e, in);
	e->n_away = 0;
	mobility_undisputed(e);
	m->committed_ms = (int64_t)clock_wall_ms(x->clock);
	m->committed = e->generation;
	m->unfinished = true;
	move_begin(x, &e->eid, e->generation, e->vm_id, from, to,
	    in ? in->m.event_ms : 0);
	move_note(x, &e->eid, MOVE_ARRIVED, in ? &in->dg->from : NULL);
	segment_eid_here(x, e);
	move_note(x, &e->eid, MOVE_LOCAL, NULL);

	notify_send(x, e, CPM_ARRIVED, known ? e->away_site : NULL);
	register_schedule(x, &e->eid);
	note_map_servers(x, e);
	smr_commit(x, e);
}

/* docs/cpm.md 6.2: another host or generation, the same site. */
static void
within_site(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	char to[64];

	if (e->contested) {
		commit(x, e, in);
		return;
	}
	take_mac(e, in);
	mobility_undisputed(e);
	snprintf(to, sizeof(to), "%s/%s", x->conf->site.name,
	    in ? sender_name(in->sender) : "");
	move_begin(x, &e->eid, e->generation, e->vm_id, x->conf->site.name, to,
	    in ? in->m.event_ms : 0);
	move_note(x, &e->eid, MOVE_ARRIVED, in ? &in->dg->from : NULL);
	segment_eid_here(x, e);
	move_note(x, &e->eid, MOVE_LOCAL, NULL);
	notify_send(x, e, CPM_ARRIVED, NULL);
	register_schedule_later(x, &e->eid);
	note_map_servers(x, e);
	mobile_of(e)->unfinished = true;
}

/* docs/cpm.md 6.3. */
static void
prepare(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	take_mac(e, in);
	itr_resolve(x, &e->eid);
	mobility_add_peers(x, &e->eid);
	if (notify_send(
		x, e, CPM_ARRIVING, e->state == EID_AWAY ? e->away_site : NULL))
		e->incoming_told = true;
}

static void
set_away(struct xtr *x, struct eid_entry *e)
{
	const int64_t ms = x->conf->mobility.away_time_s * 1000;

	e->away_until_ms = (int64_t)clock_wall_ms(x->clock) + ms;
	mobility_arm(e, TASK_AWAY, ms);
}

static void
join_away(struct eid_entry *e, const struct addr *rloc)
{
	for (unsigned i = 0; i < e->n_away; i++)
		if (addr_equal(&e->away[i], rloc))
			return;
	if (e->n_away < AWAY_RLOCS_MAX)
		e->away[e->n_away++] = *rloc;
}

/*
 * Where to, docs/cpm.md 6.4 step 2: RLOCs of the xTR that notified, its UDP
 * source first; of another xTR of that site when that has notified, too.
 */
static void
aim_at_notifier(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	const struct sender *s = in->sender,
			    *before = mobility_sender(x, e->away_site);
	struct mobile *m = mobile_of(e);
	struct records_peers peers = in->m.peers;
	struct cpm_peer p;

	if (m->aimed != e->generation || before == s || !before ||
	    before->site != s->site)
		e->n_away = 0;
	m->aimed = e->generation;
	memcpy(e->away_site, s->id, 16);
	join_away(e, &in->dg->from);
	while (cpm_peer_next(&peers, &p))
		if (p.kind == CPM_RLOC && xtr_rloc(x, p.addr.afi) &&
		    site_xtr_has_rloc(s->xtr, &p.addr))
			join_away(e, &p.addr);
	set_away(x, e);
}

/*
 * Who has the mapping, and whom the VM talks to, to the xTR that has it now.
 * Nothing is held, so it is drained with that.
 */
static void
hand_over(struct xtr *x, struct eid_entry *e, const struct sender *to)
{
	const struct mobile *m = mobile_of(e);

	notify_requesters(x, e, to, CPM_ARRIVED, true, m->peers, m->n_peers);
}

static void
aim(struct xtr *x, struct eid_entry *e, enum eid_state before,
    const struct cpm_in *in)
{
	const struct mobile *m = mobile_of(e);
	/* The mapping system was faster than the Notify. */
	const bool unheard = before == EID_AWAY && uuid_is_zero(e->away_site);

	register_cancel(x, &e->eid);
	notify_cancel(x, &e->eid);
	smr_cancel(x, &e->eid);
	if (in) {
		aim_at_notifier(x, e, in);
		if (unheard)
			hand_over(x, e, in->sender);
	} else {
		e->n_away = m->n_found;
		memcpy(e->away, m->found, sizeof(m->found));
		memset(e->away_site, 0, 16);
		set_away(x, e);
	}
	if (before != EID_AWAY) {
		segment_eid_left(x, e);
		move_note(
		    x, &e->eid, MOVE_AWAY, e->n_away ? &e->away[0] : NULL);
	}
}

/* docs/cpm.md 6.4. */
static void
yield(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	register_cancel(x, &e->eid);
	notify_cancel(x, &e->eid);
	smr_cancel(x, &e->eid);
	aim_at_notifier(x, e, in);
	move_begin(x, &e->eid, e->generation, e->vm_id, x->conf->site.name,
	    sender_name(in->sender), in->m.event_ms);
	move_note(x, &e->eid, MOVE_AWAY, &e->away[0]);
	segment_eid_left(x, e);
	hand_over(x, e, in->sender);
	move_finish(x, &e->eid);
}

static void
hold(struct xtr *x, struct eid_entry *e, enum eid_state before)
{
	const int64_t ms = x->conf->mobility.hold_max_s * 1000;

	/* Another 'paused' does not extend it. */
	if (before == EID_HELD)
		return;
	mobile_of(e)->hold_until_ms = (int64_t)clock_wall_ms(x->clock) + ms;
	mobility_arm(e, TASK_HOLD_MAX, ms);
}

/* docs/cpm.md 6.7; 'tell': Notify 8 to the other sites. */
static void
withdraw(struct xtr *x, struct eid_entry *e, bool tell)
{
	notify_cancel(x, &e->eid);
	smr_cancel(x, &e->eid);
	register_withdraw(x, &e->eid);
	segment_eid_gone(x, e);
	if (tell)
		notify_send(x, e, CPM_ABSENT, NULL);
	memset(e->away_site, 0, 16);
}

static void
solicit_ended(struct xtr *x, struct eid_entry *e)
{
	/* Those who know the EID ask again and learn that it is gone. */
	smr_commit(x, e);
}

static void
set_incoming(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	mobility_mark(e, true);
	memcpy(e->incoming_from, in->m.sender_id, 16);
	mobility_arm(
	    e, TASK_INCOMING, x->conf->mobility.arriving_time_s * 1000);
}

static void
tell_aborted(struct xtr *x, struct eid_entry *e)
{
	if (e->incoming_told)
		notify_send(x, e, CPM_ABORTED, NULL);
	e->incoming_told = false;
}

/* The mark if its time is over, else VERIFY: registering goes on. */
static void
clear(struct xtr *x, struct eid_entry *e)
{
	if (e->incoming && !mobile_of(e)->armed[TASK_INCOMING]) {
		mobility_mark(e, false);
		e->incoming_told = false;
	} else {
		mobility_undisputed(e);
		register_schedule_later(x, &e->eid);
	}
}

/* Who asks for the requesters is answered, and asks again if need be. */
static void
interest(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	if (e->state != EID_ABSENT && e->state != EID_ARRIVING &&
	    limit_take(x->mobility->answers, in->m.sender_id, 16, xtr_now(x)))
		notify_requesters(
		    x, e, in->sender, CPM_ARRIVING, false, NULL, 0);
}

static void
contest(struct xtr *x, struct eid_entry *e)
{
	mobility_undisputed(e);
	e->contested = true;
	register_pause(x, &e->eid);
	notify_cancel(x, &e->eid);
	smr_cancel(x, &e->eid);
	mobile_of(e)->step[TASK_REVISED] = 0;
	mobility_arm(e, TASK_REVISED, 100);
	mobility_arm(e, TASK_CONTEST, x->conf->mobility.contest_wait_ms);
}

static void
resume(struct xtr *x, struct eid_entry *e)
{
	const struct mobile *m = mobile_of(e);
	const int64_t age = (int64_t)clock_wall_ms(x->clock) - m->committed_ms;

	if (!m->unfinished && age >= 60000)
		return;
	notify_send(x, e, CPM_ARRIVED, NULL);
	register_schedule(x, &e->eid);
	smr_commit(x, e);
}

/* Over 100 lines: one case for each action of the table, and nothing else. */
void
mobility_act(struct xtr *x, struct eid_entry *e, uint8_t action,
    enum eid_state before, const struct cpm_in *in)
{
	struct mobile *m = mobile_of(e);

	switch ((enum action)action) {
	case ACT_COMMIT:
		commit(x, e, in);
		break;
	case ACT_SITE:
		within_site(x, e, in);
		break;
	case ACT_PREP:
		prepare(x, e, in);
		break;
	case ACT_YIELD:
		yield(x, e, in);
		break;
	case ACT_AIM:
		aim(x, e, before, in);
		break;
	case ACT_HOLD:
		hold(x, e, before);
		break;
	case ACT_FLUSH:
		break;
	case ACT_BACK:
		if (e->gone)
			commit(x, e, in);
		break;
	case ACT_LOOKUP:
		register_pause(x, &e->eid);
		m->step[TASK_LOOKUP] = 0;
		mobility_arm(e, TASK_LOOKUP, 0);
		break;
	case ACT_WITHDRAW:
		withdraw(x, e, true);
		solicit_ended(x, e);
		break;
	case ACT_DROP:
		withdraw(x, e, false);
		break;
	case ACT_FORGET:
		memset(e->away_site, 0, 16);
		break;
	case ACT_TELL:
		notify_send(x, e, CPM_ABSENT, NULL);
		break;
	case ACT_MARK:
		set_incoming(x, e, in);
		break;
	case ACT_UNMARK:
		if (e->incoming &&
		    memcmp(e->incoming_from, in->m.sender_id, 16) == 0) {
			tell_aborted(x, e);
			mobility_mark(e, false);
		}
		break;
	case ACT_INTEREST:
		interest(x, e, in);
		break;
	case ACT_AUDIENCE:
		mobility_audience(x, e, in);
		break;
	case ACT_GONE:
		e->gone = true;
		break;
	case ACT_UNGONE:
		if (e->gone) {
			e->gone = false;
			commit(x, e, in);
		}
		break;
	case ACT_VERIFY:
		e->verifying = true;
		register_pause(x, &e->eid);
		m->step[TASK_VERIFY] = 0;
		mobility_arm(e, TASK_VERIFY, 0);
		break;
	case ACT_CONTEST:
		contest(x, e);
		break;
	case ACT_REGISTER: /* after a restart one of many: packed */
		register_schedule_later(x, &e->eid);
		break;
	case ACT_ALARM:
		mobility_alarm(x, &e->eid,
		    "the mapping system has it elsewhere or knows nothing");
		break;
	case ACT_CLEAR:
		clear(x, e);
		break;
	case ACT_NOTIFY4:
		tell_aborted(x, e);
		break;
	case ACT_RESUME:
		resume(x, e);
		break;
	case ACT_PEERS:	     /* those of every statement are kept */
	case ACT_UNINTEREST: /* nothing was kept */
	case ACT_NOTE:	     /* generation and owner are stored in any case */
	case ACT_NONE:
	case ACTIONS:
		break;
	}
}

void
mobility_on_registered(
    struct xtr *x, const struct eid *eid, const struct addr *map_server)
{
	move_note(x, eid, MOVE_REGISTERED, map_server);
	smr_release(x, eid);
}

/* The move is over when neither an ITR nor a site has to hear of it. */
static void
finish(struct xtr *x, struct eid_entry *e)
{
	if (smr_is_open(x, &e->eid) || notify_is_open(x, &e->eid))
		return;
	mobile_of(e)->unfinished = false;
	mobility_save(x, e);
}

void
mobility_on_converged(struct xtr *x, const struct eid *eid)
{
	struct eid_entry *e = eids_find(x->eids, eid);

	if (!e || e->is_static)
		return;
	if (e->state == EID_LOCAL) /* else they are for the next site */
		mobility_drop_peers(x, e);
	finish(x, e);
}

void
mobility_on_told(struct xtr *x, const struct eid *eid)
{
	struct eid_entry *e = eids_find(x->eids, eid);

	if (e && !e->is_static)
		finish(x, e);
}
