/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_subscribe.c - the publisher's table: who is subscribed to which prefix.
 * RFC 9437 5.
 *
 * ms_answer.c finds the answer to a Map-Request that asks for a subscription and
 * hands it in here; ms_publish.c sends it, and what changes later.  A
 * Map-Request has no MAC: who may ask from where is the configuration's, the
 * nonce keeps old ones out, and what the xTR believes is signed.  It is also
 * what the xTR must acknowledge, so a forged request costs a few Map-Notifies.
 */
#include "ms_subscribe.h"

#include <stdlib.h>
#include <string.h>

#include "xtr/reply.h"

static const struct conf_publisher *
conf_of(const struct map_server *ms)
{
	return &ms->x->conf->map_server.pubsub;
}

enum err
ms_subs_init(struct map_server *ms)
{
	struct subs *t = calloc(1, sizeof(*t));
	enum err err;

	if (!t)
		return ERR_NOMEM;
	ms->subs = t;
	t->last_ready = &t->ready;
	trie_init(&t->prefixes, SIZE_MAX);
	err = table_init(&t->subs, SIZE_MAX, offsetof(struct sub, by_key),
	    offsetof(struct sub, key), sizeof(struct sub_key));
	if (!err)
		err = table_init(&t->subscribers, SIZE_MAX,
		    offsetof(struct subscriber, by_id),
		    offsetof(struct subscriber, xtr_id), 16);
	t->scratch = calloc(1, sizeof(*t->scratch));
	t->before = malloc(LISP_MSG_MAX);
	t->pace = loop_timer_new(ms->x->loop, subs_pace_due, ms);
	return err || !t->scratch || !t->before || !t->pace ? ERR_NOMEM
							    : ERR_OK;
}

/* Out of the list of ended ones. */
static void
unlist(struct sub *s)
{
	struct subs *t = s->ms->subs;

	*(s->newer ? &s->newer->older : &t->newest) = s->older;
	*(s->older ? &s->older->newer : &t->oldest) = s->newer;
	s->newer = s->older = NULL;
}

static void
list(struct sub *s)
{
	struct subs *t = s->ms->subs;

	s->newer = NULL;
	s->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = s;
	t->newest = s;
}

/* Takes an active one out of its prefix. */
static void
unlink_prefix(struct sub *s)
{
	struct trie *t = &s->ms->subs->prefixes;
	struct sub *head = trie_find(t, &s->key.eid), **link = &head;

	while (*link != s)
		link = &(*link)->next_of_prefix;
	*link = s->next_of_prefix;
	s->next_of_prefix = NULL;
	if (head)
		(void)!trie_add(t, &s->key.eid, head); /* replaces: no memory */
	else
		trie_remove(t, &s->key.eid);
}

static void
sub_free(struct sub *s)
{
	sub_unready(s);
	sub_flight_free(s);
	if (s->active)
		unlink_prefix(s);
	else
		unlist(s);
	table_remove(&s->ms->subs->subs, &s->by_key);
	s->who->n--;
	loop_timer_free(s->timer);
	free(s->changes);
	free(s);
}

void
ms_subs_fini(struct map_server *ms)
{
	struct subs *t = ms->subs;
	struct table_iter it;
	struct table_node *node;

	if (!t)
		return;
	it = table_iter(&t->subs);
	while ((node = table_next(&it)))
		sub_free(table_entry(node, struct sub, by_key));
	table_fini(&t->subs);
	it = table_iter(&t->subscribers);
	while ((node = table_next(&it)))
		free(table_entry(node, struct subscriber, by_id));
	table_fini(&t->subscribers);
	trie_fini(&t->prefixes);
	loop_timer_free(t->pace);
	free(t->before);
	free(t->scratch);
	free(t);
	ms->subs = NULL;
}

static struct subscriber *
subscriber_find(const struct map_server *ms, const uint8_t id[16])
{
	return table_entry(
	    table_find(&ms->subs->subscribers, id), struct subscriber, by_id);
}

struct subscriber *
subscriber_get(struct map_server *ms, const uint8_t id[16])
{
	struct subscriber *w = subscriber_find(ms, id);

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	memcpy(w->xtr_id, id, sizeof(w->xtr_id));
	if (table_add(&ms->subs->subscribers, &w->by_id) == ERR_OK)
		return w;
	free(w);
	return NULL;
}

void
ms_subs_reload(struct map_server *ms)
{
	const struct conf_list *l = &conf_of(ms)->subscribers;
	struct table_iter it = table_iter(&ms->subs->subscribers);
	struct table_node *node;

	while ((node = table_next(&it)))
		table_entry(node, struct subscriber, by_id)->conf = NULL;
	for (size_t i = 0; i < l->n; i++) {
		const struct conf_subscriber *c =
		    conf_at(*l, struct conf_subscriber, i);
		struct subscriber *w = subscriber_get(ms, c->xtr_id);

		if (w)
			w->conf = c;
	}
	it = table_iter(&ms->subs->subs);
	while ((node = table_next(&it))) {
		struct sub *s = table_entry(node, struct sub, by_key);

		if (s->active && !s->who->conf)
			sub_end(s);
	}
}

void
ms_subs_load(struct map_server *ms)
{
	ms_subs_reload(ms);
	subs_read(ms);
}

/* Makes room: the one that ended first goes, of 'who' if that is full. */
static bool
has_room(struct map_server *ms, const struct subscriber *who)
{
	const struct conf_publisher *c = conf_of(ms);
	struct subs *t = ms->subs;
	const bool own = who->n >= (size_t)c->subscriptions_per_xtr;
	struct sub *s = t->oldest;

	if (!own && t->subs.count < (size_t)c->subscriptions_max)
		return true;
	while (s && own && s->who != who)
		s = s->newer;
	if (!s)
		return false;
	sub_unsave(s);
	sub_free(s);
	return true;
}

struct sub *
sub_new(struct map_server *ms, struct subscriber *who, const struct eid *eid,
    uint64_t nonce)
{
	struct sub *s;

	if (!has_room(ms, who))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ms = ms;
	s->who = who;
	s->nonce = nonce;
	memcpy(s->key.xtr_id, who->xtr_id, sizeof(s->key.xtr_id));
	s->key.eid = *eid;
	s->timer = loop_timer_new(ms->x->loop, sub_due, s);
	if (!s->timer || table_add(&ms->subs->subs, &s->by_key)) {
		loop_timer_free(s->timer);
		free(s);
		return NULL;
	}
	who->n++;
	list(s);
	return s;
}

void
sub_activate(struct sub *s)
{
	struct trie *t = &s->ms->subs->prefixes;
	struct sub *head = trie_find(t, &s->key.eid);

	if (s->active || trie_add(t, &s->key.eid, s))
		return;
	s->next_of_prefix = head;
	unlist(s);
	s->active = true;
	s->since_ms = (int64_t)clock_wall_ms(s->ms->x->clock);
}

void
sub_end(struct sub *s)
{
	if (!s->active)
		return;
	sub_unready(s);
	sub_flight_free(s);
	unlink_prefix(s);
	s->active = false;
	s->n_changes = 0;
	list(s);
	loop_timer_cancel(s->timer);
	sub_save(s);
}

static bool
addr_listed(const struct conf_list *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (addr_equal(conf_at(*l, struct addr, i), a))
			return true;
	return l->n == 0;
}

bool
ms_is_unsubscribe(const struct map_request *m)
{
	return m->n_itr_rlocs == 1 && !m->itr_rlocs[0].opaque &&
	    m->itr_rlocs[0].addr.afi == AFI_NONE;
}

static bool
rloc_is_usable(const struct map_server *ms, const struct conf_subscriber *c,
    const struct lisp_addr *a)
{
	return !a->opaque && !addr_is_martian(&a->addr) &&
	    addr_listed(&c->rlocs, &a->addr) &&
	    reply_can_reach(ms->x, a->addr.afi);
}

enum err
ms_subscribe_check(const struct map_server *ms, const struct datagram *dg,
    const struct map_request *m)
{
	const struct subscriber *w;

	if (!conf_of(ms)->enabled)
		return ERR_ROLE;
	w = m->has_xtr_id ? subscriber_find(ms, m->xtr_id) : NULL;
	if (!w || !w->conf)
		return ERR_AUTH;
	if (!addr_listed(&w->conf->sources, &dg->from))
		return ERR_POLICY;
	if (ms_is_unsubscribe(m))
		return ERR_OK;
	for (unsigned i = 0; i < m->n_itr_rlocs; i++)
		if (rloc_is_usable(ms, w->conf, &m->itr_rlocs[i]))
			return ERR_OK;
	return ERR_POLICY;
}

static struct sub *
sub_find(
    const struct map_server *ms, const uint8_t id[16], const struct eid *eid)
{
	struct sub_key key = { .eid = *eid };

	memcpy(key.xtr_id, id, sizeof(key.xtr_id));
	return table_entry(
	    table_find(&ms->subs->subs, &key), struct sub, by_key);
}

/* The source RLOC of a Map-Request: of the inner header, if it is one. */
static const struct addr *
source_rloc(const struct datagram *dg)
{
	return dg->ecm && !addr_is_martian(&dg->ecm->source) ? &dg->ecm->source
							     : &dg->from;
}

/* The ITR-RLOCs of 'm'; the one that it came from first. */
static void
take_rlocs(
    struct sub *s, const struct datagram *dg, const struct map_request *m)
{
	s->n_rlocs = s->rloc = 0;
	for (unsigned i = 0; i < m->n_itr_rlocs && s->n_rlocs < SUB_RLOCS;
	     i++) {
		const struct addr *a = &m->itr_rlocs[i].addr;

		if (!rloc_is_usable(s->ms, s->who->conf, &m->itr_rlocs[i]))
			continue;
		if (addr_equal(a, source_rloc(dg)))
			s->rloc = s->n_rlocs;
		s->rlocs[s->n_rlocs++] = *a;
	}
	s->local = dg->to;
}

uint32_t
sub_lifetime_s(uint32_t ttl_min, bool temporary)
{
	if (temporary)
		return PUBSUB_TEMPORARY_S;
	if (ttl_min == LISP_TTL_LOCAL)
		ttl_min = TTL_LOCAL_MIN;
	return (ttl_min < TTL_MAX_MIN ? ttl_min : TTL_MAX_MIN) * 60 +
	    SUB_GRACE_S;
}

/* The subscription did not come about. */
static void
as_it_was(struct sub *s, const struct sub *old)
{
	if (!old->ms) {
		sub_free(s);
		return;
	}
	s->nonce = old->nonce;
	memcpy(s->rlocs, old->rlocs, sizeof(s->rlocs));
	s->n_rlocs = old->n_rlocs;
	s->rloc = old->rloc;
	s->local = old->local;
	if (!old->active)
		sub_end(s);
}

enum err
ms_subscribe(struct map_server *ms, const struct datagram *dg,
    const struct map_request *m, const struct mapping *const *records,
    unsigned n, bool temporary)
{
	struct subscriber *who = subscriber_find(ms, m->xtr_id);
	struct sub *s, old;
	struct eid eid;
	enum err err;

	if (lisp_addr_eid(&records[0]->eid, records[0]->eid_bits, &eid))
		return ERR_INTERNAL;
	s = sub_find(ms, m->xtr_id, &eid);
	if (s && !pubsub_nonce_after(m->nonce, s->nonce))
		return ERR_REPLAY;
	old = s ? *s : (struct sub){ 0 };
	if (!s)
		s = sub_new(ms, who, &eid, m->nonce);
	if (s)
		sub_activate(s);
	if (!s || !s->active) {
		ms->x->counters.subscriptions_full++;
		return ERR_NOMEM;
	}
	s->nonce = m->nonce;
	take_rlocs(s, dg, m);
	err = sub_confirm(s, records, n);
	if (err) {
		as_it_was(s, &old);
		return err;
	}
	s->expires_us = xtr_now(ms->x).us +
	    sub_lifetime_s(records[0]->ttl_min, temporary) * US_PER_S;
	sub_save(s);
	sub_arm(s);
	return ERR_OK;
}

enum err
ms_unsubscribe(struct map_server *ms, const struct datagram *dg,
    const struct map_request *m, const struct eid *eid)
{
	struct sub *s = sub_find(ms, m->xtr_id, eid);
	struct mapping *gone = ms->answer;
	const struct addr *to;

	if (!s)
		return ERR_NOT_FOUND;
	if (!pubsub_nonce_after(m->nonce, s->nonce))
		return ERR_REPLAY;
	s->nonce = m->nonce;
	if (s->active)
		sub_end(s);
	else
		sub_save(s);
	/* To its source, unless that is none of its RLOCs. */
	to = source_rloc(dg);
	for (unsigned i = 0; i < s->n_rlocs; i++)
		if (addr_equal(&s->rlocs[i], &dg->from))
			to = &dg->from;
	if (to != &dg->from &&
	    (!s->who->conf->rlocs.n || !addr_listed(&s->who->conf->rlocs, to)))
		to = s->n_rlocs ? &s->rlocs[0] : &dg->from;
	*gone = (struct mapping){ .eid = lisp_addr_from_eid(eid),
		.eid_bits = eid->bits };
	sub_tell_once(s, to, gone);
	return ERR_OK;
}

struct walk {
	bool (*fn)(void *arg, const struct ms_sub_row *);
	void *arg;
};

static bool
row(const struct sub *s, const struct walk *w)
{
	const struct mono now = xtr_now(s->ms->x);
	const struct ms_sub_row r = {
		.eid = s->key.eid,
		.name = s->who->conf ? s->who->conf->name : "",
		.xtr_id = s->key.xtr_id,
		.state = !s->active ? "ended"
		    : s->confirming ? "confirming"
		    : s->flight	    ? "publishing"
				    : "active",
		.rloc = s->n_rlocs ? s->rlocs[s->rloc] : (struct addr){ 0 },
		.nonce = s->nonce,
		.published = s->published,
		.waiting = s->n_changes,
		.since_ms = s->since_ms,
		.acked_ms = s->acked_ms,
		.expires_s =
		    s->active ? (s->expires_us - now.us) / US_PER_S : 0,
	};

	return w->fn(w->arg, &r);
}

void
map_server_subs_walk(const struct xtr *x,
    bool (*fn)(void *arg, const struct ms_sub_row *), void *arg)
{
	const struct walk w = { .fn = fn, .arg = arg };
	struct table_iter it;
	struct table_node *node;

	if (!x->map_server)
		return;
	it = table_iter(&x->map_server->subs->subs);
	while ((node = table_next(&it)))
		if (!row(table_entry(node, struct sub, by_key), &w))
			return;
}

size_t
map_server_subs_count(const struct xtr *x)
{
	return x->map_server ? x->map_server->subs->subs.count : 0;
}
