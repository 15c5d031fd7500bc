/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mobility.c - the handover at the xTR: a believed message, its relation to
 * what is known, the cell of the table, the Ack.
 *
 * cpm_in.c hands over what a configured sender said; here it is compared, per
 * EID, with the stored generation (docs/cpm.md 4.2 steps 4 to 7) and the cell
 * of decide.c is carried out.  Ownership is by generation, never by order of
 * arrival: an older statement changes nothing.
 */
#include "mobility.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/mobility_entry.h"
#include "xtr/move.h"
#include "xtr/notify.h"
#include "xtr/output.h"
#include "xtr/requesters.h"
#include "xtr/smr.h"

struct mobility *
mobility_new(struct xtr *x)
{
	struct mobility *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->senders = senders_new(x);
	t->answers = limits_new(1024, ANSWERS_BURST, ANSWERS_INTERVAL_MS);
	t->save = loop_timer_new(x->loop, mobility_save_all, x);
	if (!t->senders || !t->answers || !t->save) {
		mobility_free(t);
		return NULL;
	}
	eids_on_release(x->eids, mobility_entry_released);
	return t;
}

void
mobility_free(struct mobility *t)
{
	if (!t)
		return;
	loop_timer_free(t->save);
	senders_free(t->senders);
	limits_free(t->answers);
	free(t);
}

enum err
mobility_reload(struct xtr *x)
{
	struct senders *senders = senders_new(x);

	if (!senders)
		return ERR_NOMEM;
	senders_free(x->mobility->senders);
	x->mobility->senders = senders;
	return ERR_OK;
}

const struct sender *
mobility_sender(const struct xtr *x, const uint8_t id[16])
{
	return sender_find(x->mobility->senders, id);
}

void
mobility_alarm(struct xtr *x, const struct eid *eid, const char *fmt, ...)
{
	char text[160], buf[EID_STR_MAX];
	uint32_t held;
	va_list ap;

	x->counters.cpm_alarm++;
	if (!log_allowed(&x->mobility->alarm_limit, xtr_now(x), &held))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("mobility", "%s: %s", eid_str(eid, buf), text);
}

/* "It runs here", which the agent says again if we say no (7.4). */
static bool
is_claim(const struct cpm *c)
{
	return c->reason == CPM_ARRIVED || c->reason == CPM_PRESENT ||
	    (c->reason == CPM_ABORTED && c->generation);
}

static void
remember_claim(struct mobile *m, const struct cpm_in *in)
{
	const struct cpm *c = &in->m;

	m->claim = (struct claim){ .set = true,
		.from = in->dg->from,
		.to = in->dg->to,
		.port = in->dg->port,
		.nonce = c->nonce,
		.series = c->series,
		.part = c->part,
		.parts = c->parts,
		.reason = c->reason };
	memcpy(m->claim.sender, c->sender_id, 16);
}

/* Steps of the handover that the move record wants to know of. */
static void
note_step(struct xtr *x, const struct eid_entry *e, const struct cpm *c)
{
	static const uint8_t steps[] = {
		[CPM_DEPARTING] = MOVE_DEPARTING,
		[CPM_DEPARTED] = MOVE_DEPARTED,
		[CPM_ABORTED] = MOVE_ABORTED,
		[CPM_ARRIVING] = MOVE_ARRIVING,
		[CPM_PAUSED] = MOVE_PAUSED,
	};

	if (c->op == CPM_OP_CPM && c->reason != CPM_ARRIVED &&
	    c->reason != CPM_PRESENT && c->reason != CPM_ABSENT)
		move_note(x, &e->eid, steps[c->reason], NULL);
}

static uint8_t
refuse(struct xtr *x, const struct cpm_in *in, const struct eid *eid,
    enum err why, uint8_t status)
{
	char buf[EID_STR_MAX];
	uint32_t held;

	x->counters.rx[LISP_SHARED][why]++;
	if (log_allowed(&x->mobility->refuse_limit, xtr_now(x), &held))
		log_warning("mobility", "%s from %s for %s: %s (%u more)",
		    cpm_reason_str(in->m.reason), sender_name(in->sender),
		    eid_str(eid, buf), err_str(why), held);
	return status;
}

static uint8_t
older(struct xtr *x, struct eid_entry *e, const struct cpm_in *in)
{
	if (in->duplicate)
		return CPM_ACK_STALE;
	x->counters.rx[LISP_SHARED][ERR_STALE]++;
	note_step(x, e, &in->m);
	if (in->m.op == CPM_OP_CPM)
		mobility_pass_on(x, e, &in->m);
	return CPM_ACK_STALE;
}

/* Overtaken by a later statement of its sender: only its peers count. */
static uint8_t
late(struct xtr *x, struct eid_entry *e, const struct cpm *c,
    enum relation relation)
{
	x->counters.rx[LISP_SHARED][ERR_LATE]++;
	if (relation == RELATION_OLDER)
		mobility_pass_on(x, e, c);
	else
		mobility_take_peers(x, e, c);
	return c->generation && c->generation < e->generation ? CPM_ACK_STALE
							      : CPM_ACK_NOTHING;
}

/* The entry of an EID that the sender may speak of; else its Ack status. */
static uint8_t
entry_for(struct xtr *x, const struct cpm_in *in, const struct eid *eid,
    struct eid_entry **out)
{
	const struct cpm *c = &in->m;
	const struct conf_mobile_prefix *p = conf_mobile_find(x->conf, eid);
	enum err err;

	if (!p || !conf_mobile_is_vm(p, eid) || !sender_may(in->sender, eid))
		return refuse(x, in, eid, ERR_POLICY, CPM_ACK_POLICY);
	if (in->duplicate && !eids_find(x->eids, eid))
		return CPM_ACK_NOTHING; /* forgotten since */
	err = mobility_entry(x, eid, p, out);
	if (err == ERR_POLICY)
		return refuse(x, in, eid, ERR_POLICY, CPM_ACK_POLICY);
	if (!err && c->reason == CPM_ARRIVING && c->op == CPM_OP_CPM &&
	    !(*out)->incoming && x->mobility->n_marks >= MARKS_MAX)
		err = ERR_FULL;
	if (!err)
		return CPM_ACK_DONE;
	x->counters.local_overflow++;
	return refuse(x, in, eid, err, CPM_ACK_INTERNAL);
}

/* Everything allows it: what is remembered of it, then what it means. */
static void
carry_out(struct xtr *x, struct eid_entry *e, const struct cpm_in *in,
    const struct decision *d, enum relation relation)
{
	const struct cpm *c = &in->m;

	mobility_check_vm_id(x, e, c);
	if (relation != RELATION_ANY &&
	    (d->actions[0] != ACT_NONE || d->next != e->state))
		mobility_adopt(e, c, relation);
	if (c->op == CPM_OP_CPM) {
		mobility_late_note(x, e, c);
		if (is_claim(c))
			remember_claim(mobile_of(e), in);
		/* Its own other statements are about its last stay. */
		if (is_claim(c) && e->incoming &&
		    memcmp(e->incoming_from, c->sender_id, 16) == 0)
			mobility_mark(e, false);
		mobility_take_peers(x, e, c);
	}
	note_step(x, e, c);
	mobility_apply(x, e, d, in);
}

/* One EID of a message; returns its Ack status. */
static uint8_t
on_eid(struct xtr *x, const struct cpm_in *in, const struct eid *eid,
    uint64_t *highest)
{
	const struct cpm *c = &in->m;
	const struct decision *d;
	struct eid_entry *e;
	enum relation relation;
	uint8_t status = entry_for(x, in, eid, &e);
	bool tie;

	if (status)
		return status;
	if (e->seen > *highest)
		*highest = e->seen;
	relation = mobility_relate(e, c, &tie);
	if (relation == RELATION_NEWER && !mobility_vm_id_allows(e, c)) {
		if (!in->duplicate)
			mobility_alarm(x, eid, "claimed by %s for another VM",
			    sender_name(in->sender));
		return refuse(x, in, eid, ERR_VM_ID, CPM_ACK_POLICY);
	}
	if (in->duplicate)
		return relation == RELATION_OLDER ? older(x, e, in)
						  : CPM_ACK_NOTHING;
	if (c->op == CPM_OP_CPM && mobility_is_late(mobile_of(e), c))
		return late(x, e, c, relation);
	if (tie) {
		x->counters.cpm_tie++;
		mobility_alarm(x, eid, "two owners of one generation");
	}
	if (relation == RELATION_OLDER)
		return older(x, e, in);
	d = decide(c->op, c->reason, relation, e->state);
	if (!d)
		return refuse(x, in, eid, ERR_UNSUPPORTED, CPM_ACK_MALFORMED);
	carry_out(x, e, in, d, relation);
	if (e->seen > *highest)
		*highest = e->seen;
	return CPM_ACK_DONE;
}

/* Kind 2 RLOCs must be configured for the sender's site, not ours. */
static bool
rlocs_allowed(const struct xtr *x, const struct cpm_in *in)
{
	struct records_peers peers = in->m.peers;
	struct cpm_peer p;

	while (cpm_peer_next(&peers, &p))
		if (p.kind == CPM_RLOC &&
		    (!site_has_rloc(in->sender->site, &p.addr) ||
			xtr_rloc_is_own(x, &p.addr)))
			return false;
	return true;
}

static void
note_acked(struct xtr *x, const struct cpm_in *in, const uint8_t *status)
{
	const struct cpm *c = &in->m;

	if (in->status || c->op != CPM_OP_CPM ||
	    (c->reason != CPM_ARRIVED && c->reason != CPM_PRESENT))
		return;
	for (unsigned i = 0; i < c->n_eids; i++)
		if (status[i] == CPM_ACK_DONE)
			move_note(x, &c->eids[i], MOVE_ACKED, &in->dg->from);
}

static void
act_on(struct xtr *x, struct cpm_in *in)
{
	uint8_t status[CPM_EIDS_MAX] = { 0 };
	uint64_t highest = 0;
	bool failed = false;

	if (!in->status && x->mobility->unsaved) {
		in->status = CPM_ACK_INTERNAL;
		failed = true;
	}
	if (!in->status && in->m.op == CPM_OP_NOTIFY && !rlocs_allowed(x, in))
		in->status =
		    refuse(x, in, &in->m.eids[0], ERR_POLICY, CPM_ACK_POLICY);
	for (unsigned i = 0; i < in->m.n_eids; i++) {
		const struct eid *eid = &in->m.eids[i];
		const struct eid_entry *e = eids_find(x->eids, eid);

		if (!in->status)
			status[i] = on_eid(x, in, eid, &highest);
		else if (e && sender_may(in->sender, eid) && e->seen > highest)
			highest = e->seen;
		failed |= status[i] == CPM_ACK_INTERNAL;
	}
	/* The same octets may come again for what has failed. */
	if (failed && !in->duplicate)
		cpm_in_release(x, in);
	cpm_ack_send(x, in, status, highest);
	note_acked(x, in, status);
}

enum err
mobility_on_datagram(struct xtr *x, const struct datagram *dg)
{
	const uint16_t subtype = (uint16_t)x->conf->mobility.cpm_subtype;
	struct senders *senders = x->mobility->senders;
	struct cpm_header h;
	struct sender *sender;
	struct cpm_in in;
	enum err err;

	err = cpm_header_decode(dg->bytes, dg->len, subtype, &h);
	if (err)
		return err;
	if (h.op == CPM_OP_ACK) {
		err = cpm_in_authenticate(x, senders, dg, &h, &sender);
		if (!err)
			err = notify_on_ack(x, sender, dg);
		return err;
	}
	err = cpm_in_read(x, senders, dg, &h, &in);
	if (err)
		return err;
	act_on(x, &in);
	return ERR_OK;
}

void
mobility_on_seen(struct xtr *x, const struct eid *eid, uint64_t seen)
{
	struct eid_entry *e = eids_find(x->eids, eid);

	if (!e || e->is_static || seen <= e->seen)
		return;
	e->seen = seen;
	mobility_save(x, e);
}

void
mobility_on_data(struct xtr *x, struct eid_entry *e, const struct addr *rloc,
    const struct eid *source)
{
	requesters_note(x, &e->eid, rloc, source, true);
	if (eid_is_ours(e))
		smr_on_data(x, &e->eid, rloc);
}

enum err
mobility_move_here(struct xtr *x, const struct eid *eid, const char **error)
{
	const struct conf_mobile_prefix *p = conf_mobile_find(x->conf, eid);
	static const struct conf_hypervisor console = { .name = "operator" };
	struct sender self = { .hypervisor = &console };
	const struct datagram dg = { 0 };
	struct cpm_in in = { .sender = &self, .dg = &dg };
	const uint64_t now = clock_wall_ms(x->clock);
	struct eid_entry *e;
	enum err err;

	if (!p || !conf_mobile_is_vm(p, eid)) {
		*error = "not an address that a VM of this xTR can have";
		return ERR_POLICY;
	}
	err = mobility_entry(x, eid, p, &e);
	if (err) {
		*error = err == ERR_POLICY ? "a static host does not move"
					   : err_str(err);
		return err;
	}
	/* Other sites refuse the Notify, unless their clocks are like ours. */
	if (cpm_is_future(x, e->seen))
		mobility_alarm(x, eid, "its generation is far ahead");
	in.m = (struct cpm){ .op = CPM_OP_CPM,
		.reason = CPM_PRESENT,
		.generation = (e->seen > now ? e->seen : now) + 1,
		.event_ms = now,
		.n_eids = 1 };
	in.m.eids[0] = *eid;
	memcpy(in.m.sender_id, x->conf->site.xtr_id, 16);
	memcpy(in.m.vm_id, e->vm_id, 16);
	mobility_adopt(e, &in.m, RELATION_NEWER);
	mobile_of(e)->claim.set = false;
	mobility_apply(x, e,
	    decide(CPM_OP_CPM, CPM_PRESENT, RELATION_NEWER, e->state), &in);
	return ERR_OK;
}
