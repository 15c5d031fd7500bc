/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - the life of one lookup.
 *
 * Each EID asked for is one 'struct lookup' of pending.c with one timer.
 * lookup_run() does whatever of it is due, settle() arms the timer for the rest
 * or frees it.  One lookup never sends more than one Map-Request a second,
 * whoever wants it.
 */
#include "lookup.h"

#include <stdlib.h>

#include "common/lisp.h"
#include "common/loop.h"
#include "xtr/forward.h"
#include "xtr/resolver.h"
#include "xtr/smr_limit.h"

enum {
	PACKET_AGE_MS = 1000, /* of a queued packet */
	BACKOFF_MAX = 3,      /* doublings of REQUEST_INTERVAL_S */
	SMR_AGAIN_MS = 1000,  /* between attempts of one a limit stops */
};

static struct mono
later(struct mono a, struct mono b)
{
	return mono_before(a, b) ? b : a;
}

/* Arms the timer for what comes next; frees 'l' if nothing does. */
static void
settle(struct lookup *l)
{
	const struct mono now = xtr_now(l->x);
	struct mono at = { INT64_MAX };

	if (l->again && !l->delayed) {
		l->delayed = true;
		l->x->counters.smr_delayed++;
	}
	if (l->asking)
		at = l->next;
	else if (l->again)
		at = later(l->earliest, l->smr_next);
	else if (!l->asks)
		at = l->earliest;
	if (!l->asking && !l->again && !l->asks && !mono_before(now, at)) {
		pending_remove(l);
		return;
	}
	if (l->packets) {
		const struct mono over =
		    mono_add_ms(l->packets->queued, PACKET_AGE_MS);

		if (mono_before(over, at))
			at = over;
	}
	for (const struct lookup_ask *a = l->asks; a; a = a->next)
		if (mono_before(a->deadline, at))
			at = a->deadline;
	pending_set_spare(l, !l->asking && !l->asks && !(l->again && l->known));
	loop_timer_at(l->timer, at);
}

static enum err
begin(struct lookup *l, const struct eid *source, bool lasting)
{
	enum err err = l->asking ? ERR_OK : pending_open(l, source);

	if (err) {
		l->x->counters.map_request_refused++;
		return err;
	}
	if (l->tries == 0)
		l->next = later(xtr_now(l->x), l->earliest);
	l->lasting = l->lasting || lasting;
	return ERR_OK;
}

/* RFC 9301 5.3: after ten retransmissions, thirty seconds of silence. */
static void
give_up(struct lookup *l, struct mono now)
{
	struct xtr *x = l->x;
	char buf[EID_STR_MAX];

	x->counters.map_request_given_up++;
	log_debug("itr", "%s: no Map-Reply", eid_str(&l->eid, buf));
	l->earliest = mono_add_ms(now, REQUEST_HOLDOFF_S * 1000);
	pending_close(l, true);
	x->counters.data_drop_unanswered +=
	    pending_drop_packets(l, (struct mono){ INT64_MAX });
	if (l->asks && begin(l, NULL, false))
		return; /* they time out */
}

static void
send_request(struct lookup *l, struct mono now)
{
	struct xtr *x = l->x;
	const unsigned resolvers = resolver_count(x, &l->eid);
	/* None any more after a reload: it is asked nobody, and given up. */
	const unsigned round = resolvers ? l->tries / resolvers : BACKOFF_MAX;
	const int64_t wait_ms = (REQUEST_INTERVAL_S * 1000)
	    << (round < BACKOFF_MAX ? round : BACKOFF_MAX);

	resolver_ask(l, l->tries);
	if (l->tries++)
		x->counters.map_request_retried++;
	else
		x->counters.map_request_sent++;
	l->sent = now;
	l->earliest = mono_add_ms(now, REQUEST_INTERVAL_S * 1000);
	l->next = mono_add_ms(now, wait_ms);
}

/* Takes those out of the list whose time is over. */
static struct lookup_ask *
take_overdue(struct lookup *l, struct mono now)
{
	struct lookup_ask *overdue = NULL, **last = &overdue, **at = &l->asks;

	while (*at) {
		struct lookup_ask *a = *at;

		if (mono_before(now, a->deadline)) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		a->next = NULL;
		*last = a;
		last = &a->next;
	}
	return overdue;
}

/* Tells and frees them.  A callback may ask again: no lookup is held here. */
static void
tell(struct xtr *x, const struct eid *eid, struct lookup_ask *asks,
    enum lookup_result result, const struct mapping *mapping)
{
	while (asks) {
		struct lookup_ask *a = asks;

		asks = a->next;
		a->fn(x, eid, result, mapping);
		free(a);
	}
}

/* The SMR that waits: opens its question if the limits allow. */
static void
smr_try(struct lookup *l, struct mono now)
{
	if (!l->again || l->asking || mono_before(now, l->earliest) ||
	    mono_before(now, l->smr_next))
		return;
	if (!smr_limit_take(l, now) || begin(l, NULL, true)) {
		l->smr_next = mono_add_ms(now, SMR_AGAIN_MS);
		return;
	}
	l->again = false;
	l->invoked = true;
}

/* Does all that is due; may free 'l'. */
void
lookup_run(struct lookup *l)
{
	struct xtr *x = l->x;
	const struct eid eid = l->eid;
	const struct mono now = xtr_now(x);
	struct lookup_ask *overdue = take_overdue(l, now);

	x->counters.data_drop_unanswered += pending_drop_packets(
	    l, (struct mono){ now.us - PACKET_AGE_MS * 1000 + 1 });
	if (l->asking && !l->lasting && !l->asks)
		pending_close(l, true);
	smr_try(l, now);
	if (l->asking && !mono_before(now, l->next)) {
		if (l->tries > REQUEST_RETRIES)
			give_up(l, now);
		else
			send_request(l, now);
	}
	settle(l);
	tell(x, &eid, overdue, LOOKUP_TIMEOUT, NULL);
}

static void
due(void *lookup)
{
	lookup_run(lookup);
}

struct lookup *
lookup_obtain(struct xtr *x, const struct eid *eid)
{
	return pending_obtain(x, eid, due);
}

enum err
lookup_begin(struct lookup *l, const struct eid *source, bool lasting)
{
	enum err err = begin(l, source, lasting);

	if (err)
		settle(l);
	return err;
}

void
lookup_replay(struct xtr *x, struct pending_packet *packets)
{
	x->pending->replaying = true;
	while (packets) {
		struct pending_packet *q = packets;

		packets = q->next;
		forward_out(x, q->bytes + FORWARD_ROOM, q->len);
		free(q);
	}
	x->pending->replaying = false;
}

void
lookup_answered(
    struct lookup *l, enum lookup_result result, const struct mapping *mapping)
{
	struct xtr *x = l->x;
	const struct eid eid = l->eid;
	struct pending_packet *packets = pending_take_packets(l);
	struct lookup_ask *asks = l->asks;

	l->asks = NULL;
	pending_close(l, false);
	l->earliest = mono_add_ms(l->sent, REQUEST_INTERVAL_S * 1000);
	settle(l);
	tell(x, &eid, asks, result, mapping);
	lookup_replay(x, packets);
}

struct pending_packet *
lookup_served(struct lookup *l)
{
	struct pending_packet *packets = pending_take_packets(l);

	if (!l->asks && !l->invoked && !l->refresh) {
		pending_close(l, true);
		settle(l);
	}
	return packets;
}
