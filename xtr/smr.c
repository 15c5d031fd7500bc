/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smr.c - Solicit-Map-Request out, and what one that comes in means.
 *
 * mobility.c opens a group per committed EID, requesters.c and other sites give
 * its members; a group waits for the Map-Server's word (smr_release), sends,
 * repeats to members known by their data, and ends when each has asked again,
 * has sent its data here, or was given up.  docs/cpm.md 6.10 says why an SMR
 * that leaves earlier does harm.
 */
#include "smr.h"

#include <stdlib.h>
#include <string.h>

#include "common/lisp.h"
#include "common/table.h"
#include "xtr/itr.h"
#include "xtr/mobility.h"
#include "xtr/move.h"
#include "xtr/register.h"
#include "xtr/requesters.h"
#include "xtr/smr_limit.h"
#include "xtr/smr_send.h"

enum {
	DRAIN_WAIT_MS = 200, /* docs/cpm.md 6.10 */
	BUSY_WAIT_MS = 5,
	PEERS_WAIT_MS = 250,
	PEERS_RESOLVE_MS = 5000,
	LATE_AFTER_MS = 1000, /* docs/cpm.md 6.4 */
};

struct key {
	struct eid eid;
	struct addr rloc;
};

struct solicit {
	struct table_node by_key;
	struct key key;
	struct solicit *next_in_group;
	bool has_source, confirmed, through_old, done;
	struct eid source;
	unsigned sent;
	struct mono due; /* of the repetition */
};

struct group {
	struct table_node by_eid;
	struct eid eid;
	struct xtr *x;
	struct loop_timer *timer;
	struct mono release_by, drained_by;
	struct mono peers_by; /* peers not resolved until then are left out */
	bool released, drained;
	bool asks_only; /* data is no sign of the present record */
	struct solicit *members;
	size_t n, n_done;
};

struct smrs {
	struct table groups, solicits;
	struct smr_limits *limits;
};

struct smrs *
smrs_new(struct xtr *x)
{
	struct smrs *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->limits = smr_limits_new(x);
	if (!t->limits ||
	    table_init(&t->groups, SMR_QUEUE_MAX,
		offsetof(struct group, by_eid), offsetof(struct group, eid),
		sizeof(struct eid)) ||
	    table_init(&t->solicits, SMR_QUEUE_MAX,
		offsetof(struct solicit, by_key), offsetof(struct solicit, key),
		sizeof(struct key))) {
		smrs_free(t);
		return NULL;
	}
	return t;
}

static void
group_free(struct smrs *t, struct group *g)
{
	while (g->members) {
		struct solicit *s = g->members;

		g->members = s->next_in_group;
		table_remove(&t->solicits, &s->by_key);
		free(s);
	}
	table_remove(&t->groups, &g->by_eid);
	loop_timer_free(g->timer);
	free(g);
}

void
smrs_free(struct smrs *t)
{
	struct table_iter i;
	struct table_node *n;

	if (!t)
		return;
	if (t->groups.buckets)
		for (i = table_iter(&t->groups); (n = table_next(&i));)
			group_free(t, table_entry(n, struct group, by_eid));
	table_fini(&t->groups);
	table_fini(&t->solicits);
	smr_limits_free(t->limits);
	free(t);
}

static struct group *
group_find(const struct smrs *t, const struct eid *eid)
{
	return table_entry(table_find(&t->groups, eid), struct group, by_eid);
}

static struct key
key_of(const struct eid *eid, const struct addr *rloc)
{
	struct key k;

	memset(&k, 0, sizeof(k));
	k.eid = *eid;
	k.rloc = *rloc;
	return k;
}

static void
done(struct group *g, struct solicit *s)
{
	s->done = true;
	g->n_done++;
}

/* One member, due: sends, gives up, or waits some more. */
static void
attend(struct group *g, struct solicit *s)
{
	struct xtr *x = g->x;
	const bool known =
	    s->confirmed || smr_sender_known(x, &g->eid, &s->key.rloc);
	const struct mono now = xtr_now(x);

	/* Map-Requests are not authenticated: to an ITR known by them alone
	 * one SMR, no repetition. */
	if (s->sent > (s->confirmed ? SMR_RETRIES : 0)) {
		x->counters.smr_given_up++;
		move_note(x, &g->eid, MOVE_GIVEN_UP, &s->key.rloc);
		done(g, s);
		return;
	}
	s->due = mono_add_ms(now, SMR_INTERVAL_S * 1000);
	switch (smr_send(x, x->smrs->limits, known ? SMR_KNOWN : SMR_STRANGER,
	    &g->eid, &s->key.rloc, s->has_source ? &s->source : NULL)) {
	case SMR_SENT:
		if (s->sent++)
			x->counters.smr_retried++;
		move_note(x, &g->eid, MOVE_SMR, &s->key.rloc);
		break;
	case SMR_LIMITED:
		break;
	case SMR_BUSY:
		s->due = mono_add_ms(now, BUSY_WAIT_MS);
		break;
	}
}

static void run_group(struct group *g);

static void
timed_out(void *arg)
{
	run_group(arg);
}

static void
finish(struct group *g)
{
	struct xtr *x = g->x;
	const struct eid eid = g->eid;

	group_free(x->smrs, g);
	move_finish(x, &eid);
	mobility_on_converged(x, &eid);
}

/* Sends what may go now, arms the timer for the rest. */
static void
run_group(struct group *g)
{
	const struct mono now = xtr_now(g->x);
	struct mono next = { INT64_MAX };
	bool waits_for_notify = false;
	unsigned unresolved = 0;

	if (!mono_before(now, g->release_by))
		g->released = true;
	if (g->released && !mono_before(now, g->drained_by))
		g->drained = true;
	if (g->released)
		unresolved = mobility_add_peers(g->x, &g->eid);
	for (struct solicit *s = g->members; s; s = s->next_in_group) {
		struct mono at = s->due;

		if (s->done)
			continue;
		if (!g->released) {
			waits_for_notify = true;
			continue;
		}
		if (s->through_old && !g->drained)
			at = g->drained_by;
		else if (!mono_before(now, s->due)) {
			attend(g, s);
			at = s->due;
			if (s->done)
				continue;
		}
		if (mono_before(at, next))
			next = at;
	}
	if (waits_for_notify || !g->released)
		next = g->release_by;
	else if (unresolved && mono_before(now, g->peers_by))
		next = mono_before(next, mono_add_ms(now, PEERS_WAIT_MS))
		    ? next
		    : mono_add_ms(now, PEERS_WAIT_MS);
	else if (g->n_done == g->n) {
		/* What the old site hands over may still come. */
		if (g->drained || !mono_before(now, g->drained_by)) {
			finish(g);
			return;
		}
		next = g->drained_by;
	}
	loop_timer_at(g->timer, next);
}

static struct group *
group_open(struct xtr *x, const struct eid *eid)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->x = x;
	g->eid = *eid;
	g->release_by = mono_add_ms(xtr_now(x), SMR_WAIT_NOTIFY_MS);
	g->drained_by = mono_add_ms(xtr_now(x), DRAIN_WAIT_MS);
	g->peers_by = mono_add_ms(xtr_now(x), PEERS_RESOLVE_MS);
	g->timer = loop_timer_new(x->loop, timed_out, g);
	if (!g->timer || table_add(&x->smrs->groups, &g->by_eid)) {
		loop_timer_free(g->timer);
		free(g);
		return NULL;
	}
	loop_timer_at(g->timer, g->release_by);
	return g;
}

static void
join(struct group *g, const struct addr *rloc, const struct eid *source,
    bool confirmed, bool through_old)
{
	struct xtr *x = g->x;
	const struct key k = key_of(&g->eid, rloc);
	struct solicit *s;

	if (addr_is_martian(rloc) || xtr_rloc_is_own(x, rloc))
		return;
	s = table_entry(
	    table_find(&x->smrs->solicits, &k), struct solicit, by_key);
	if (s) {
		s->confirmed |= confirmed;
		if (source && !s->has_source) {
			s->has_source = true;
			s->source = *source;
		}
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->key = k;
	s->confirmed = confirmed;
	s->through_old = through_old;
	s->due = xtr_now(x);
	if (source) {
		s->has_source = true;
		s->source = *source;
	}
	if (table_add(&x->smrs->solicits, &s->by_key)) {
		x->counters.smr_given_up++;
		free(s);
		return;
	}
	s->next_in_group = g->members;
	g->members = s;
	g->n++;
}

static bool
join_requester(void *arg, const struct requester *r)
{
	join(arg, &r->rloc, r->has_source ? &r->source : NULL, r->confirmed,
	    r->confirmed);
	return true;
}

void
smr_commit(struct xtr *x, const struct eid_entry *e)
{
	const struct conf_list *pitrs = &x->conf->itr.proxy_itrs;
	struct group *g;

	smr_cancel(x, &e->eid);
	g = group_open(x, &e->eid);
	if (!g) {
		x->counters.smr_given_up++;
		return;
	}
	requesters_walk(x, &e->eid, join_requester, g);
	for (size_t i = 0; i < pitrs->n; i++)
		join(g, conf_at(*pitrs, struct addr, i), NULL, true, false);
}

void
smr_record_changed(struct xtr *x, const struct eid_entry *e)
{
	struct group *g;

	smr_commit(x, e);
	g = group_find(x->smrs, &e->eid);
	if (g)
		g->asks_only = true;
}

/* The EID's group, opened if need be, runs at the next turn. */
static struct group *
group_wake(struct xtr *x, const struct eid *eid)
{
	struct group *g = group_find(x->smrs, eid);

	if (!g) {
		g = group_open(x, eid);
		if (!g)
			return NULL;
		g->released = register_is_confirmed(x, eid);
	}
	loop_timer_at(g->timer, g->released ? xtr_now(x) : g->release_by);
	return g;
}

void
smr_add(struct xtr *x, const struct eid *eid, const struct addr *rloc,
    const struct eid *source, bool confirmed, bool through_old)
{
	const struct key k = key_of(eid, rloc);
	struct group *g = table_find(&x->smrs->solicits, &k)
	    ? group_find(x->smrs, eid)
	    : group_wake(x, eid);

	if (g)
		join(g, rloc, source, confirmed, through_old);
}

void
smr_add_peers(struct xtr *x, const struct eid *eid)
{
	struct group *g = group_wake(x, eid);

	if (g)
		g->peers_by = mono_add_ms(xtr_now(x), PEERS_RESOLVE_MS);
}

void
smr_release(struct xtr *x, const struct eid *eid)
{
	struct group *g = group_find(x->smrs, eid);

	if (!g || g->released)
		return;
	g->released = true;
	run_group(g);
}

void
smr_release_drained(struct xtr *x, const struct eid *eid)
{
	struct group *g = group_find(x->smrs, eid);

	if (!g || g->drained)
		return;
	g->drained = true;
	if (g->released)
		run_group(g);
}

bool
smr_is_open(const struct xtr *x, const struct eid *eid)
{
	return group_find(x->smrs, eid);
}

void
smr_cancel(struct xtr *x, const struct eid *eid)
{
	struct group *g = group_find(x->smrs, eid);

	if (g)
		group_free(x->smrs, g);
}

void
smr_on_converged(struct xtr *x, const struct eid *eid, const struct addr *rloc)
{
	const struct key k = key_of(eid, rloc);
	struct solicit *s = table_entry(
	    table_find(&x->smrs->solicits, &k), struct solicit, by_key);
	struct group *g;

	if (!s || s->done)
		return;
	g = group_find(x->smrs, eid);
	x->counters.smr_converged++;
	move_note(x, eid, MOVE_CONVERGED, rloc);
	done(g, s);
	/* Not from here: the caller may be walking. */
	if (g->released && g->n_done == g->n)
		loop_timer_at(g->timer, xtr_now(x));
}

void
smr_on_data(struct xtr *x, const struct eid *eid, const struct addr *rloc)
{
	const struct group *g = group_find(x->smrs, eid);

	if (g && !g->asks_only)
		smr_on_converged(x, eid, rloc);
}

bool
smr_late_sender(struct xtr *x, const struct eid_entry *e,
    const struct addr *rloc, const struct eid *source)
{
	const int64_t age = (int64_t)clock_wall_ms(x->clock) - e->changed_ms;

	/* The new site's own SMRs come first.  (Negative: the clock was set
	 * back since.) */
	return (age < 0 || age >= LATE_AFTER_MS) && !addr_is_martian(rloc) &&
	    !xtr_rloc_is_own(x, rloc) &&
	    smr_send(x, x->smrs->limits, SMR_LATE, &e->eid, rloc, source) ==
	    SMR_SENT;
}

static bool
obey(struct xtr *x, const struct lisp_addr *a, unsigned bits,
    const struct addr *from)
{
	struct eid eid;

	return !lisp_addr_eid(a, bits, &eid) && eid.addr.afi != AFI_NONE &&
	    itr_on_smr(x, &eid, from);
}

enum err
smr_on_map_request(
    struct xtr *x, const struct datagram *dg, const struct map_request *m)
{
	bool obeyed =
	    obey(x, &m->source_eid, addr_bits(&m->source_eid.addr), &dg->from);

	x->counters.smr_received++;
	for (unsigned i = 0; i < m->n_records; i++)
		obeyed |= obey(
		    x, &m->records[i].eid, m->records[i].eid_bits, &dg->from);
	if (!obeyed)
		x->counters.smr_ignored++;
	return ERR_OK;
}
