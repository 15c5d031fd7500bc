/* SPDX-License-Identifier: Apache-2.0 */
/*
 * itr.c - the ITR role: asks the mapping system, fills the map-cache.
 *
 * forward.c brings packets without a mapping, mobility.c and the map-cache EIDs
 * to ask for, smr.c those that changed: each becomes a lookup (lookup.c, kept in
 * pending.c), which resolver.c turns into Map-Requests.  input.c brings the
 * Map-Replies; here they are checked, stored, and end the lookup.
 */
#include "itr.h"

#include <stdlib.h>

#include "common/lisp.h"
#include "xtr/eids.h"
#include "xtr/lookup.h"
#include "xtr/map_cache.h"
#include "xtr/resolver.h"
#include "xtr/signs.h"
#include "xtr/smr_limit.h"
#include "xtr/subscribe.h"

enum {
	NONCE_AGE_MS = 30000, /* no Map-Reply is taken later than that */
	ASKS_MAX = 8,	      /* itr_ask() of one EID at a time */
};

static bool
can_ask(const struct xtr *x, const struct eid *eid)
{
	return x->conf->site.rlocs.n && resolver_count(x, eid);
}

void
itr_on_miss(struct xtr *x, const struct eid *eid, const struct eid *source,
    const uint8_t *packet, size_t len)
{
	struct lookup *l;

	if (x->pending->replaying) {
		/* The answer says Send-Map-Request: the next packet asks. */
		x->counters.data_drop_negative++;
		return;
	}
	if (!can_ask(x, eid) || eids_own(x, eid)) {
		x->counters.data_drop_no_locator++;
		return;
	}
	l = lookup_obtain(x, eid);
	if (!l || lookup_begin(l, source, true)) {
		x->counters.data_drop_miss++;
		return;
	}
	pending_queue(l, packet, len);
	lookup_run(l);
}

static void
resolve(struct xtr *x, const struct eid *eid, bool refresh)
{
	struct lookup *l;

	if (!can_ask(x, eid) || eids_own(x, eid))
		return;
	l = lookup_obtain(x, eid);
	if (!l || lookup_begin(l, NULL, true))
		return;
	l->refresh = refresh;
	lookup_run(l);
}

void
itr_resolve(struct xtr *x, const struct eid *eid)
{
	const struct map_cache_entry *e = map_cache_match(x->map_cache, eid);

	if (!e || (!e->n_locators && e->action == LISP_SEND_MAP_REQUEST))
		resolve(x, eid, false);
}

void
itr_refresh(struct xtr *x, const struct eid *prefix)
{
	resolve(x, prefix, true);
}

bool
itr_on_smr(struct xtr *x, const struct eid *eid, const struct addr *from)
{
	struct lookup *l = pending_find(x->pending, eid);
	const bool known = smr_sender_known(x, eid, from);

	if (!can_ask(x, eid) || eids_own(x, eid) ||
	    (!map_cache_match(x->map_cache, eid) && !(l && l->asking)))
		return false;
	l = lookup_obtain(x, eid);
	if (!l) {
		x->counters.smr_forgotten++;
		return true;
	}
	/* Not sent yet, or in this turn (an SMR may name an EID twice): the
	 * question under way serves this one, too. */
	if (l->asking && (l->tries == 0 || !mono_before(l->sent, xtr_now(x)))) {
		l->invoked = true;
		return true;
	}
	if (!l->again || (known && !l->known)) {
		l->smr_from = *from;
		l->known = known;
		l->smr_next = xtr_now(x);
	}
	if (!l->again)
		l->delayed = false;
	l->again = true;
	lookup_run(l);
	return true;
}

enum err
itr_ask(struct xtr *x, const struct eid *eid, int64_t timeout_ms, lookup_fn *fn)
{
	struct lookup_ask *a, **last;
	struct lookup *l;
	unsigned n = 0;

	if (!can_ask(x, eid))
		return ERR_ROLE;
	l = lookup_obtain(x, eid);
	if (!l)
		return ERR_FULL;
	for (last = &l->asks; *last; last = &(*last)->next)
		n++;
	if (n >= ASKS_MAX || lookup_begin(l, NULL, false))
		return ERR_FULL;
	a = calloc(1, sizeof(*a));
	if (!a) {
		lookup_run(l);
		return ERR_NOMEM;
	}
	a->fn = fn;
	a->deadline = mono_add_ms(xtr_now(x), timeout_ms);
	*last = a;
	lookup_run(l);
	return ERR_OK;
}

/*
 * The record that answers: of those that cover the EID asked, the longest.  Its
 * mask is never longer than the one asked for (RFC 9301 5.5).
 */
static bool
find_answer(struct records records, const struct eid *asked,
    struct mapping *out, struct eid *out_eid)
{
	struct mapping m;
	struct eid eid;
	bool found = false;

	while (records_next(&records, &m)) {
		if (lisp_addr_eid(&m.eid, m.eid_bits, &eid) ||
		    !eid_covers(&eid, asked) ||
		    (found && eid.bits <= out_eid->bits))
			continue;
		*out = m;
		*out_eid = eid;
		found = true;
	}
	return found;
}

/* How a mapping came. */
struct told {
	enum cache_origin origin;
	struct addr from;
};

static const struct told by_map_notify = { .origin = CACHE_MAP_NOTIFY };

static void
cache(struct xtr *x, const struct eid *eid, const struct mapping *m,
    const struct told *t)
{
	if (eids_own(x, eid))
		x->counters.map_reply_ignored++;
	else if (map_cache_store(x, eid, m))
		log_warning("itr", "map-cache: out of memory");
	else
		map_cache_set_origin(x->map_cache, eid, t->origin, &t->from);
}

/* What an answer of prefix 'eid' says to be gone: RFC 9301 5.5. */
static void
uncache(struct xtr *x, const struct lookup *l, const struct eid *eid)
{
	const struct map_cache_entry *e;

	if (l->refresh && eid->bits < l->eid.bits)
		map_cache_remove_under(x, eid);
	while ((e = map_cache_match(x->map_cache, &l->eid)) &&
	    e->eid.bits > eid->bits) {
		const struct eid gone = e->eid;

		map_cache_remove(x, &gone);
	}
}

/* The answer, then the more-specifics under it that came along. */
static void
cache_all(struct xtr *x, const struct lookup *l, struct records records,
    const struct eid *answer_eid, const struct mapping *answer,
    const struct told *t)
{
	struct mapping m;
	struct eid eid;

	if (!eids_own(x, answer_eid))
		uncache(x, l, answer_eid);
	cache(x, answer_eid, answer, t);
	while (records_next(&records, &m)) {
		if (lisp_addr_eid(&m.eid, m.eid_bits, &eid) ||
		    !eid_covers(answer_eid, &eid)) {
			x->counters.map_reply_ignored++;
			continue;
		}
		if (!eid_equal(answer_eid, &eid))
			cache(x, &eid, &m, t);
	}
}

struct served {
	struct lookup *first, **last;
};

static bool
served_one(void *arg, const struct eid *eid, void *value)
{
	struct served *s = arg;
	struct lookup *l = value;

	(void)eid;
	if (!l->asking || !l->packets)
		return true;
	l->next_in_answer = NULL;
	*s->last = l;
	s->last = &l->next_in_answer;
	return true;
}

/*
 * Lookups of other EIDs in the prefix of the answer have theirs by it: their
 * packets can go.
 */
static struct pending_packet *
serve_others(struct xtr *x, const struct lookup *but, const struct eid *prefix)
{
	struct served s = { .last = &s.first };
	struct pending_packet *packets = NULL, **last = &packets;

	trie_walk(&x->pending->trie, prefix, served_one, &s);
	for (struct lookup *l = s.first, *next; l; l = next) {
		next = l->next_in_answer;
		if (l == but)
			continue;
		*last = lookup_served(l);
		while (*last)
			last = &(*last)->next;
	}
	return packets;
}

/* Every check has passed: the records end the lookup of the nonce. */
static void
take_answer(struct xtr *x, struct lookup_nonce *n, struct records records,
    const struct eid *eid, const struct mapping *answer, const struct told *t)
{
	struct lookup *l = n->lookup;
	struct pending_packet *others;

	resolver_answered(x, &n->resolver);
	cache_all(x, l, records, eid, answer, t);
	others = serve_others(x, l, eid);
	lookup_answered(l, LOOKUP_MAPPING, answer);
	lookup_replay(x, others);
}

enum err
itr_on_confirmation(struct xtr *x, struct lookup_nonce *n,
    struct records records, struct eid *prefix)
{
	struct mapping answer;

	if (!find_answer(records, &n->lookup->eid, &answer, prefix)) {
		x->counters.map_reply_ignored++;
		return ERR_POLICY;
	}
	take_answer(x, n, records, prefix, &answer, &by_map_notify);
	return ERR_OK;
}

void
itr_on_publication(
    struct xtr *x, const struct eid *eid, const struct mapping *m)
{
	cache(x, eid, m, &by_map_notify);
	if (m->ttl_min)
		lookup_replay(x, serve_others(x, NULL, eid));
}

enum err
itr_on_map_reply(struct xtr *x, const struct datagram *dg, struct map_reply *m)
{
	/* Whom it came from proves nothing: the nonce does. */
	const struct told told = { CACHE_MAP_REPLY, dg->from };
	struct lookup_nonce *n = pending_by_nonce(x->pending, m->nonce);
	struct mapping answer;
	struct eid eid;

	if (!n || m->probe ||
	    mono_diff_us(xtr_now(x), n->sent) > NONCE_AGE_MS * 1000)
		return ERR_NONCE;
	if (!find_answer(m->records, &n->lookup->eid, &answer, &eid)) {
		x->counters.map_reply_ignored++;
		return ERR_POLICY;
	}
	if (!subscribe_on_map_reply(x, n, &eid, &answer))
		take_answer(x, n, m->records, &eid, &answer, &told);
	signs_note_echo(x, m->records, m->echo_nonce);
	return ERR_OK;
}

bool
itr_own_request(struct xtr *x, uint64_t nonce)
{
	struct lookup_nonce *n = pending_by_nonce(x->pending, nonce);

	if (!n)
		return false;
	resolver_answered(x, &n->resolver);
	lookup_answered(n->lookup, LOOKUP_OWN, NULL);
	return true;
}
