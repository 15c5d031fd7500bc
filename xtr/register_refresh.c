/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_refresh.c - the periodic Map-Register, RFC 9301 8.2.
 *
 * A bundle is a set of confirmed records of one Map-Server that fit one
 * message, with a timer of its own (60 s +- 10 %).  So the refresh is spread and
 * packed at once, and a record that leaves (cancelled, changed) is simply not in
 * the next message.  Every fifth round asks for a Map-Notify: its records leave
 * the bundle as if they were new, and come back when they are acknowledged.
 */
#include "register_state.h"

#include <stdlib.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "common/loop.h"

enum { NOTIFY_ROUNDS = 5, JITTER_PERCENT = 10 };

struct bundle {
	struct reg_server *server;
	unsigned flags;
	unsigned n, rounds;
	size_t octets;
	struct reg *first;
	struct loop_timer *timer;
	struct bundle *next, *prev; /* of the same Map-Server */
};

static void
unlink_bundle(struct bundle *b)
{
	if (b->prev)
		b->prev->next = b->next;
	else
		b->server->bundles = b->next;
	if (b->next)
		b->next->prev = b->prev;
}

static void
link_first(struct bundle *b)
{
	b->prev = NULL;
	b->next = b->server->bundles;
	if (b->next)
		b->next->prev = b;
	b->server->bundles = b;
}

static void
bundle_free(struct bundle *b)
{
	unlink_bundle(b);
	loop_timer_free(b->timer);
	free(b);
}

void
bundles_free(struct reg_server *s)
{
	while (s->bundles)
		bundle_free(s->bundles);
}

static void
arm(struct bundle *b)
{
	const uint32_t spread =
	    REGISTER_INTERVAL_S * 1000 * 2 * JITTER_PERCENT / 100;
	uint32_t random;

	auth_random(&random, sizeof(random));
	loop_timer_set(b->timer,
	    REGISTER_INTERVAL_S * 1000 - spread / 2 + random % (spread + 1));
}

static void
take_out(struct reg *g)
{
	struct bundle *b = g->bundle;

	if (g->prev_in_bundle)
		g->prev_in_bundle->next_in_bundle = g->next_in_bundle;
	else
		b->first = g->next_in_bundle;
	if (g->next_in_bundle)
		g->next_in_bundle->prev_in_bundle = g->prev_in_bundle;
	g->next_in_bundle = g->prev_in_bundle = NULL;
	g->bundle = NULL;
	b->n--;
	b->octets -= g->octets;
}

void
bundle_leave(struct reg *g)
{
	struct bundle *b = g->bundle;

	if (!b)
		return;
	take_out(g);
	if (b->n == 0) {
		bundle_free(b);
		return;
	}
	unlink_bundle(b); /* it has room now */
	link_first(b);
}

/* One round: all records of the bundle in as few messages as they need. */
static void
due(void *arg)
{
	struct bundle *b = arg;
	struct reg_server *s = b->server;
	const bool want_notify = ++b->rounds % NOTIFY_ROUNDS == 0;
	struct reg_message *m = reg_message_begin(s);

	for (struct reg *g = b->first, *next; g; g = next) {
		next = g->next_in_bundle;
		if (want_notify || !reg_is_current(g))
			take_out(g);
		if (!reg_is_current(g)) {
			reg_done(g);
			continue;
		}
		b->octets -= g->bundle ? g->octets : 0;
		if (!reg_message_add(m, g)) {
			reg_message_send(m, want_notify);
			(void)!reg_message_add(m, g);
		}
		b->octets += g->bundle ? g->octets : 0;
	}
	reg_message_send(m, want_notify);
	if (b->n == 0)
		bundle_free(b);
	else
		arm(b);
}

static struct bundle *
bundle_new(struct reg_server *s, unsigned flags)
{
	struct bundle *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->server = s;
	b->flags = flags;
	b->timer = loop_timer_new(s->x->loop, due, b);
	if (!b->timer) {
		free(b);
		return NULL;
	}
	link_first(b);
	arm(b);
	return b;
}

void
bundle_join(struct reg *g)
{
	struct reg_server *s = g->server;
	const unsigned flags = reg_flags(g);
	/* What is left for records with the longest authentication data. */
	const size_t room =
	    (s->peer->address.afi == AFI_IPV4 ? LISP_PAYLOAD_IPV4
					      : LISP_PAYLOAD_IPV6) -
	    AUTH_MSG_MIN - AUTH_DATA_MAX - 24;
	struct bundle *b = s->bundles;

	if (g->bundle)
		return;
	if (!b || b->flags != flags || b->octets + g->octets > room)
		b = bundle_new(s, flags);
	if (!b)
		return; /* out of memory: reg_acked() sees it */
	g->bundle = b;
	g->prev_in_bundle = NULL;
	g->next_in_bundle = b->first;
	if (b->first)
		b->first->prev_in_bundle = g;
	b->first = g;
	b->n++;
	b->octets += g->octets;
}
