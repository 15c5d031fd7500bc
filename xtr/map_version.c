/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_version.c - versions of mappings in data packets, RFC 9302.
 *
 * signs.c calls for each packet where reachability.map-version is on.  The
 * versions of others are in the map-cache, ours in the configuration.  An ITR
 * with an old version of ours is solicited, as often as SMRs to the sender of a
 * late packet may be; one that stays at the old version after VERSION_TRIES of
 * them, or beyond the TTL of what it has, is not listened to any more.
 */
#include "map_version.h"

#include <stdlib.h>
#include <string.h>

#include "common/lisp.h"
#include "common/table.h"
#include "xtr/itr.h"
#include "xtr/limit.h"
#include "xtr/smr.h"

enum { HALF = 2048, ASK_LIMITS_MAX = 4096 };

struct peer_key {
	struct eid eid; /* ours */
	struct addr rloc;
	uint16_t zero;
};

struct peer { /* an ITR with an old version */
	struct table_node by_key;
	struct peer_key key;
	unsigned tries;
	struct mono heard;
};

struct own { /* the version of one prefix, as it was configured last */
	struct eid prefix;
	uint16_t version;
	int64_t ttl_min;
	bool replaced;	      /* since we run */
	struct mono old_ends; /* then nobody has the old one rightly */
};

struct map_versions {
	struct xtr *x;
	struct own *own;
	size_t n_own;
	struct table peers;
	struct limits *asks;
	struct log_limit log;
};

int
map_version_compare(uint16_t a, uint16_t b)
{
	const int ahead = a - b;

	if (ahead == 0)
		return 0;
	if (ahead > 0)
		return ahead <= HALF ? 1 : -1;
	return -ahead <= HALF ? -1 : 1;
}

/* --- our own --- */

static struct own *
own_find(const struct map_versions *t, const struct eid *prefix)
{
	for (size_t i = 0; i < t->n_own; i++)
		if (eid_equal(&t->own[i].prefix, prefix))
			return &t->own[i];
	return NULL;
}

void
map_versions_reload(struct xtr *x)
{
	struct map_versions *t = x->map_versions;
	const struct conf_list *eids = &x->conf->eids;
	struct own *list;

	if (!t)
		return;
	list = calloc(eids->n + 1, sizeof(*list));
	if (!list)
		return; /* the old ones are as good as none */
	for (size_t i = 0; i < eids->n; i++) {
		const struct conf_eid *c = conf_at(*eids, struct conf_eid, i);
		const struct own *old = own_find(t, &c->prefix);
		struct own *new = &list[i];

		*new = old ? *old : (struct own){ .prefix = c->prefix };
		if (old && old->version && old->version != c->map_version) {
			new->replaced = true;
			new->old_ends =
			    mono_add_ms(xtr_now(x), old->ttl_min * 60000);
		}
		new->version = (uint16_t)c->map_version;
		new->ttl_min = c->ttl_min;
	}
	free(t->own);
	t->own = list;
	t->n_own = eids->n;
}

struct map_versions *
map_versions_new(struct xtr *x)
{
	struct map_versions *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->x = x;
	t->asks = limits_new(ASK_LIMITS_MAX, 1, VERSION_ASK_MS);
	if (!t->asks ||
	    table_init(&t->peers, VERSION_PEERS_MAX,
		offsetof(struct peer, by_key), offsetof(struct peer, key),
		sizeof(struct peer_key))) {
		map_versions_free(t);
		return NULL;
	}
	x->map_versions = t;
	map_versions_reload(x);
	return t;
}

void
map_versions_free(struct map_versions *t)
{
	struct table_iter i;
	struct table_node *n;

	if (!t)
		return;
	if (t->peers.buckets) {
		for (i = table_iter(&t->peers); (n = table_next(&i));)
			free(table_entry(n, struct peer, by_key));
		table_fini(&t->peers);
	}
	limits_free(t->asks);
	free(t->own);
	free(t);
}

/* --- out --- */

void
map_version_out(
    uint16_t own, const struct map_cache_entry *e, struct data_header *h)
{
	/* RFC 9302 7.1: never null towards the destination. */
	if (!e->version)
		return;
	h->has_version = true;
	h->source_version = own;
	h->destination_version = e->version;
}

/* --- in --- */

static struct peer_key
key_of(const struct eid *eid, const struct addr *rloc)
{
	struct peer_key k;

	memset(&k, 0, sizeof(k));
	k.eid = *eid;
	k.rloc = *rloc;
	return k;
}

static struct peer *
peer_find(const struct map_versions *t, const struct peer_key *k)
{
	return table_entry(table_find(&t->peers, k), struct peer, by_key);
}

static void
peer_free(struct map_versions *t, struct peer *p)
{
	if (!p)
		return;
	table_remove(&t->peers, &p->by_key);
	free(p);
}

static void
forget_old(struct map_versions *t, struct mono now)
{
	struct table_iter i = table_iter(&t->peers);
	struct table_node *n;

	while ((n = table_next(&i))) {
		struct peer *p = table_entry(n, struct peer, by_key);

		if (mono_diff_us(now, p->heard) >
		    (int64_t)VERSION_FORGET_S * 1000000)
			peer_free(t, p);
	}
}

static struct peer *
peer_obtain(struct map_versions *t, const struct peer_key *k, struct mono now)
{
	struct peer *p = peer_find(t, k);

	if (p)
		return p;
	if (t->peers.count >= VERSION_PEERS_MAX)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key = *k;
	p->heard = now;
	if (table_add(&t->peers, &p->by_key)) {
		free(p);
		return NULL;
	}
	if (t->peers.count == VERSION_PEERS_MAX)
		forget_old(t, now);
	return p;
}

/* The ITR has an old mapping of 'own': tells it, or has done so often enough. */
static bool
old_destination(struct map_versions *t, const struct eid_entry *own,
    const struct eid *source, const struct addr *rloc)
{
	struct xtr *x = t->x;
	const struct mono now = xtr_now(x);
	const struct own *o = own_find(t, &own->eid);
	const struct peer_key k = key_of(&own->eid, rloc);
	struct peer *p;

	if (o && o->replaced && !mono_before(now, o->old_ends))
		return false;
	p = peer_obtain(t, &k, now);
	if (p)
		p->heard = now;
	if (p && p->tries >= VERSION_TRIES)
		return false;
	if (smr_late_sender(x, own, rloc, source) && p)
		p->tries++;
	return true;
}

static void
log_newer(struct map_versions *t, const struct data_header *h,
    const struct eid_entry *own, const struct addr *rloc)
{
	char from[ADDR_STR_MAX], eid[EID_STR_MAX];
	uint32_t held;

	if (log_allowed(&t->log, xtr_now(t->x), &held))
		log_warning("data",
		    "from %s for %s: map-version %u is newer than ours "
		    "(%u more not shown)",
		    addr_str(rloc, from), eid_str(&own->eid, eid),
		    h->destination_version, held);
}

static bool
destination_in(struct map_versions *t, const struct data_header *h,
    const struct eid_entry *own, const struct eid *source,
    const struct addr *rloc)
{
	const uint16_t ours = own->conf ? (uint16_t)own->conf->map_version : 0;
	const struct peer_key k = key_of(&own->eid, rloc);
	int newer;

	if (!ours || !h->destination_version)
		return false;
	newer = map_version_compare(h->destination_version, ours);
	if (newer > 0) {
		log_newer(t, h, own, rloc);
		return false;
	}
	if (newer < 0)
		return old_destination(t, own, source, rloc);
	peer_free(t, peer_find(t, &k));
	return true;
}

static bool
source_in(struct map_versions *t, const struct data_header *h,
    const struct eid *source)
{
	struct xtr *x = t->x;
	const struct map_cache_entry *e = map_cache_match(x->map_cache, source);
	int newer;

	if (!h->source_version || !e || !e->version)
		return true;
	newer = map_version_compare(h->source_version, e->version);
	if (newer < 0)
		return false;
	if (newer > 0 &&
	    limit_take(t->asks, &e->eid, sizeof(e->eid), xtr_now(x))) {
		const struct eid prefix = e->eid;

		x->counters.version_asked++;
		itr_refresh(x, &prefix);
	}
	return true;
}

bool
map_version_in(struct xtr *x, const struct data_header *h,
    const struct eid_entry *own, const struct eid *source,
    const struct addr *rloc)
{
	struct map_versions *t = x->map_versions;

	if (!h->has_version ||
	    (destination_in(t, h, own, source, rloc) &&
		source_in(t, h, source)))
		return true;
	x->counters.data_drop_version++;
	return false;
}
