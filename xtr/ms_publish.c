/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_publish.c - Map-Notifies to subscribers: a confirmation, then every change.
 * RFC 9437 5, 6; RFC 9301 5.7.
 *
 * ms_register.c and ms_table.c say which EID changed.  Each xTR hears of it by
 * the longest prefix that it is subscribed to around the EID, and for
 * subscriptions inside the EID that live on its mapping.  A receiver believes
 * rising nonces only, so two messages of a subscription must not overtake each
 * other: there is one under way, and a newer one says all that the older one
 * said.  All of them share one pace.
 */
#include "ms_subscribe.h"

#include <stdlib.h>
#include <string.h>

#include "xtr/output.h"
#include "xtr/reply.h"
#include "xtr/smr.h"

/* --- the queue --- */

static void
sub_ready(struct sub *s)
{
	struct subs *t = s->ms->subs;

	if (s->ready)
		return;
	s->ready = true;
	s->next_ready = NULL;
	*t->last_ready = s;
	t->last_ready = &s->next_ready;
	/* Not from here: the caller may be walking. */
	if (!loop_timer_armed(t->pace))
		loop_timer_at(t->pace, xtr_now(s->ms->x));
}

void
sub_unready(struct sub *s)
{
	struct subs *t = s->ms->subs;
	struct sub **link = &t->ready;

	if (!s->ready)
		return;
	while (*link != s)
		link = &(*link)->next_ready;
	*link = s->next_ready;
	if (!*link)
		t->last_ready = link;
	s->ready = false;
}

/* One of map-server.pubsub.rate a second; false, and the timer is set. */
static bool
take_token(struct map_server *ms)
{
	struct subs *t = ms->subs;
	const struct mono now = xtr_now(ms->x);
	const int64_t each_us = US_PER_S / ms->x->conf->map_server.pubsub.rate;

	if (mono_before(t->paced, now))
		t->paced = now;
	if (mono_diff_us(t->paced, now) > SUB_BURST_US - each_us) {
		loop_timer_at(t->pace,
		    (struct mono){ t->paced.us + each_us - SUB_BURST_US });
		return false;
	}
	t->paced.us += each_us;
	return true;
}

/* --- messages --- */

static const struct auth_key *
key_of(const struct sub *s)
{
	return s->who->conf ? &s->who->conf->key.key : NULL;
}

static void
put_header(const struct sub *s, struct wire_writer *w, unsigned n)
{
	const struct auth_key *key = key_of(s);
	const struct map_notify m = { .type = LISP_MAP_NOTIFY,
		.nonce = s->nonce,
		.auth = { .key_id = key->key_id,
		    .algorithm = key->algorithm,
		    .len = auth_len(key) },
		.n_records = n };

	map_notify_header(w, &m);
}

/* What every RLOC of the subscription takes without fragments. */
static size_t
payload_max(const struct sub *s)
{
	for (unsigned i = 0; i < s->n_rlocs; i++)
		if (s->rlocs[i].afi == AFI_IPV4)
			return LISP_PAYLOAD_IPV4;
	return LISP_PAYLOAD_IPV6;
}

static void
send_to(const struct sub *s, const struct addr *to, const uint8_t *bytes,
    size_t len)
{
	struct xtr *x = s->ms->x;

	if (!reply_can_reach(x, to->afi))
		return;
	output_send(x, s->local.afi == to->afi ? &s->local : NULL, to,
	    LISP_CONTROL_PORT, bytes, len);
	x->counters.map_notify_sent++;
}

void
sub_flight_free(struct sub *s)
{
	free(s->flight);
	s->flight = NULL;
	s->n_flight = 0;
	s->confirming = s->resend = false;
	s->sent = 0;
}

/* Signs what is in 'w' and makes it the message under way. */
static bool
take_off(struct sub *s, struct wire_writer *w)
{
	const size_t len = wire_written(w);

	sub_flight_free(s);
	if (w->err || auth_sign(w->start, len, key_of(s)))
		return false;
	s->flight = malloc(len);
	if (!s->flight)
		return false;
	memcpy(s->flight, w->start, len);
	s->flight_len = len;
	return true;
}

void
sub_arm(struct sub *s)
{
	struct mono at = { s->expires_us };

	if (s->flight && s->sent && !s->resend && mono_before(s->resend_at, at))
		at = s->resend_at;
	loop_timer_at(s->timer, at);
}

static void
send_flight(struct sub *s)
{
	send_to(s, &s->rlocs[s->rloc], s->flight, s->flight_len);
	s->sent++;
	s->resend_at =
	    mono_add_ms(xtr_now(s->ms->x), ms_notify_wait_ms(s->sent));
	sub_arm(s);
}

void
sub_tell_once(struct sub *s, const struct addr *to, const struct mapping *m)
{
	struct subs *t = s->ms->subs;
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	if (!key_of(s))
		return;
	put_header(s, &w, 1);
	mapping_encode(&w, m);
	if (w.err || auth_sign(bytes, wire_written(&w), key_of(s)))
		return;
	send_to(s, to, bytes, wire_written(&w));
	t->once[t->n_once++ % SUB_ONCE] = s->nonce;
}

/* The xTR is not there any more, or has too much to catch up with. */
static void
give_up(struct sub *s)
{
	struct mapping *m = s->ms->subs->scratch;

	s->ms->x->counters.publication_given_up++;
	*m = (struct mapping){ .ttl_min = NEGATIVE_UNREGISTERED_MIN,
		.action = LISP_DROP_AUTH,
		.eid = lisp_addr_from_eid(&s->key.eid),
		.eid_bits = s->key.eid.bits };
	if (s->n_rlocs)
		sub_tell_once(s, &s->rlocs[s->rloc], m);
	sub_end(s);
}

/* The registration that a Map-Request for the prefix would be answered from. */
static const struct registration *
covering(const struct map_server *ms, const struct eid *eid)
{
	const struct ms_prefix *p = ms_prefix_match(ms, eid);
	const struct registration *r = trie_match(&ms->registered, eid);

	return p && r && r->eid.bits >= p->eid.bits ? r : NULL;
}

/* What is registered of 'eid' now; TTL 0 if nothing is. */
static void
put_record(struct sub *s, struct wire_writer *w, const struct eid *eid)
{
	struct map_server *ms = s->ms;
	const bool own = eid_equal(eid, &s->key.eid);
	const struct registration *r = ms_find(ms, eid);
	struct mapping *m = ms->subs->scratch;

	if (!r && own)
		r = covering(ms, eid);
	if (r) {
		ms_mapping(r, m);
		m->eid.addr = eid->addr;
		m->eid_bits = eid->bits;
	} else {
		*m = (struct mapping){ .eid = lisp_addr_from_eid(eid),
			.eid_bits = eid->bits };
	}
	mapping_encode(w, m);
	if (!own)
		return;
	s->last = !r;
	if (r)
		s->expires_us = xtr_now(ms->x).us +
		    sub_lifetime_s(m->ttl_min, false) * US_PER_S;
}

/* As many changes as fit, under the next nonce. */
static bool
build(struct sub *s)
{
	const size_t max = payload_max(s);
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes)), head = w;
	unsigned n;

	s->nonce = pubsub_nonce_add(s->nonce, 1);
	put_header(s, &w, 0);
	for (n = 0; n < s->n_changes && n < LISP_RECORDS_MAX; n++) {
		const struct wire_writer before = w;

		put_record(s, &w, &s->changes[n]);
		if (n && (w.err || wire_written(&w) > max)) {
			w = before;
			break;
		}
	}
	put_header(s, &head, n); /* now with their number */
	if (!take_off(s, &w))
		return false;
	s->n_flight = n;
	return true;
}

static void
transmit(struct sub *s)
{
	struct counters *c = &s->ms->x->counters;

	if (!key_of(s)) {
		sub_end(s);
	} else if (s->overflow) {
		give_up(s);
	} else if (s->flight && (s->resend || !s->sent)) {
		if (s->resend) {
			s->rloc = (uint8_t)((s->rloc + 1) % s->n_rlocs);
			c->publication_retried++;
		}
		s->resend = false;
		send_flight(s);
	} else if (!s->flight && s->n_changes) {
		if (!build(s)) {
			give_up(s);
			return;
		}
		s->published++;
		c->publication_sent++;
		send_flight(s);
		sub_save(s);
	}
}

void
subs_pace_due(void *arg)
{
	struct map_server *ms = arg;
	struct subs *t = ms->subs;
	struct sub *s;

	while ((s = t->ready) && take_token(ms)) {
		sub_unready(s);
		transmit(s);
	}
	output_arm(ms->x); /* the store was written to */
}

void
sub_due(void *arg)
{
	struct sub *s = arg;
	struct xtr *x = s->ms->x;
	const struct mono now = xtr_now(x);

	if (s->expires_us <= now.us) {
		x->counters.subscriptions_expired++;
		sub_end(s);
		output_arm(x);
		return;
	}
	if (s->flight && s->sent && !s->resend &&
	    !mono_before(now, s->resend_at)) {
		if (s->sent > NOTIFY_RETRIES) {
			give_up(s);
			output_arm(x);
			return;
		}
		s->resend = true;
		sub_ready(s);
	}
	sub_arm(s);
}

enum err
sub_confirm(struct sub *s, const struct mapping *const *records, unsigned n)
{
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	put_header(s, &w, n);
	for (unsigned i = 0; i < n; i++)
		mapping_encode(&w, records[i]);
	if (n > 1 && (w.err || wire_written(&w) > payload_max(s)))
		return ERR_FULL;
	if (!take_off(s, &w))
		return ERR_NOMEM;
	s->confirming = true;
	s->last = s->overflow = false;
	s->ms->x->counters.subscriptions_taken++;
	sub_ready(s);
	return ERR_OK;
}

/* --- changes --- */

/* 's' has to hear of 'eid'. */
static void
note(struct sub *s, const struct eid *eid)
{
	unsigned i;

	/* All of it goes into the next one, if it was not more than one. */
	if (s->flight && !s->confirming && s->n_flight == s->n_changes)
		sub_flight_free(s);
	for (i = s->n_flight; i < s->n_changes; i++)
		if (eid_equal(&s->changes[i], eid))
			break;
	if (i == SUB_CHANGES_MAX) {
		s->overflow = true;
	} else if (i == s->n_changes) {
		if (i == s->max_changes) {
			const unsigned max = i ? 2 * i : 2;
			struct eid *list =
			    realloc(s->changes, max * sizeof(*list));

			if (list) {
				s->changes = list;
				s->max_changes = max;
			}
		}
		if (i < s->max_changes)
			s->changes[s->n_changes++] = *eid;
		else
			s->overflow = true;
	}
	if (!s->flight || s->overflow)
		sub_ready(s);
}

struct inside {
	struct map_server *ms;
	const struct eid *eid;
};

/* A subscription strictly inside the EID that has no longer registration. */
static bool
note_inside(void *arg, const struct eid *prefix, void *value)
{
	const struct inside *in = arg;
	const struct registration *r = trie_match(&in->ms->registered, prefix);

	if (eid_equal(prefix, in->eid) || (r && r->eid.bits > in->eid->bits))
		return true;
	for (struct sub *s = value; s; s = s->next_of_prefix)
		if (covering(in->ms, prefix) || !r)
			note(s, prefix);
	return true;
}

void
ms_publish(struct map_server *ms, const struct eid *eid)
{
	struct subs *t = ms->subs;
	struct inside in = { ms, eid };
	const struct sub *next;

	if (!ms->x->conf->map_server.pubsub.enabled)
		return;
	t->telling++;
	for (const struct sub *s = trie_match(&t->prefixes, eid); s; s = next) {
		next = trie_parent(&t->prefixes, &s->key.eid);
		for (struct sub *i = (struct sub *)(uintptr_t)s; i;
		     i = i->next_of_prefix) {
			if (i->who->told == t->telling)
				continue;
			i->who->told = t->telling;
			note(i, eid);
		}
	}
	trie_walk(&t->prefixes, eid, note_inside, &in);
}

static bool
stop(void *arg, const struct eid *eid, void *value)
{
	(void)eid;
	(void)value;
	*(bool *)arg = true;
	return false;
}

void
ms_publish_begin(struct map_server *ms, const struct eid *eid)
{
	struct subs *t = ms->subs;
	const struct registration *r = ms_find(ms, eid);
	struct wire_writer w = wire_writer(t->before, LISP_MSG_MAX);

	t->concerned = trie_match(&t->prefixes, eid) != NULL;
	if (!t->concerned)
		trie_walk(&t->prefixes, eid, stop, &t->concerned);
	if (t->concerned && r)
		ms_record_put(&w, r);
	t->before_len = wire_written(&w);
}

void
ms_publish_end(struct map_server *ms, const struct eid *eid)
{
	struct subs *t = ms->subs;
	const struct registration *r = ms_find(ms, eid);
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	if (!t->concerned)
		return;
	if (r)
		ms_record_put(&w, r);
	if (wire_written(&w) != t->before_len ||
	    memcmp(bytes, t->before, t->before_len) != 0)
		ms_publish(ms, eid);
}

static bool
note_one(void *arg, const struct eid *eid, void *value)
{
	struct sub *s = arg;

	(void)value;
	if (!eid_equal(eid, &s->key.eid))
		note(s, eid);
	return !s->overflow;
}

void
sub_publish_all(struct sub *s)
{
	note(s, &s->key.eid);
	trie_walk(&s->ms->registered, &s->key.eid, note_one, s);
}

/* --- acknowledgements --- */

/* The new owner's own process publishes: an ITR that knows has converged. */
static void
converged(struct sub *s, const struct addr *rloc)
{
	struct xtr *x = s->ms->x;

	for (unsigned i = 0; i < s->n_flight && x->smrs; i++) {
		const struct registration *r = ms_find(s->ms, &s->changes[i]);

		if (r && xtr_rloc_is_own(x, &r->peer->addr))
			smr_on_converged(x, &s->changes[i], rloc);
	}
}

static void
acked(struct sub *s, const struct addr *from)
{
	const unsigned n = s->n_flight;
	const bool over = s->last && n == s->n_changes && !s->confirming;

	converged(s, from);
	s->acked_ms = (int64_t)clock_wall_ms(s->ms->x->clock);
	sub_flight_free(s);
	s->n_changes -= n;
	if (n)
		memmove(s->changes, s->changes + n,
		    s->n_changes * sizeof(*s->changes));
	if (over) {
		sub_end(s);
		return;
	}
	sub_save(s);
	sub_unready(s);
	if (s->n_changes)
		sub_ready(s);
	sub_arm(s);
}

enum err
ms_publish_on_ack(struct map_server *ms, const struct datagram *dg,
    const struct map_notify *m)
{
	struct subs *t = ms->subs;
	struct records left = m->records;
	enum err err = ERR_NONCE;
	struct mapping *first = t->scratch;
	const struct sub *next;
	struct eid eid;

	for (unsigned i = 0; i < SUB_ONCE; i++)
		if (t->once[i] && t->once[i] == m->nonce)
			err = ERR_OK;
	if (!records_next(&left, first) ||
	    lisp_addr_eid(&first->eid, first->eid_bits, &eid))
		return err;
	for (const struct sub *s = trie_match(&t->prefixes, &eid); s;
	     s = next) {
		next = trie_parent(&t->prefixes, &s->key.eid);
		for (struct sub *i = (struct sub *)(uintptr_t)s; i;
		     i = i->next_of_prefix) {
			if (!i->flight || i->nonce != m->nonce || !key_of(i))
				continue;
			err = auth_verify(dg->bytes, dg->len, key_of(i));
			if (!err) {
				acked(i, &dg->from);
				return ERR_OK;
			}
		}
	}
	return err;
}
