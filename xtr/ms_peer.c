/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ms_peer.c - the xTRs that registered: last nonce, last message, address.
 *
 * ms_register.c asks for the peer of a Map-Register whose MAC was right, so only
 * who has a site's key can make us remember anything.  The nonce goes into the
 * store with every message: after a restart an old Map-Register is still old
 * (RFC 9301 5.6).  After a power loss the last second may be missing.
 */
#include "xtr/ms.h"

#include <stdlib.h>
#include <string.h>

#include "xtr/store.h"

enum { VALUE_VERSION = 1, KEY_MAX = 300, KEY_TAIL = 21 };

/* In STORE_SENDER under 'R', site name, NUL, key-id, has-xtr-id, id. */
struct value {
	uint8_t version;
	uint8_t heard;
	uint8_t algorithm, auth_len;
	uint32_t number;
	uint64_t nonce;
	struct addr addr;
	uint16_t port;
	uint8_t mac[AUTH_DATA_MAX];
	uint32_t zero;
};

_Static_assert(sizeof(struct value) == 72, "layout in the store");

/* 0 if the site's name is too long for a key. */
static size_t
store_key(const struct peer *p, uint8_t out[KEY_MAX])
{
	size_t len = strlen(p->site->name) + 1;

	if (len + KEY_TAIL > KEY_MAX)
		return 0;
	out[0] = 'R';
	memcpy(out + 1, p->site->name, len);
	out[len + 1] = p->key.key_id;
	out[len + 2] = p->key.has_xtr_id;
	memcpy(out + len + 3, p->key.id, sizeof(p->key.id));
	return len + KEY_TAIL;
}

static void
save(struct map_server *ms, const struct peer *p)
{
	struct value v = {
		.version = VALUE_VERSION,
		.heard = p->heard,
		.algorithm = p->algorithm,
		.auth_len = p->auth_len,
		.number = p->number,
		.nonce = p->nonce,
		.addr = p->addr,
		.port = p->port,
	};
	uint8_t key[KEY_MAX];
	size_t len = store_key(p, key);

	memcpy(v.mac, p->mac, sizeof(v.mac));
	if (ms->x->store &&
	    (!len ||
		store_put(ms->x->store, STORE_SENDER, key, len, &v, sizeof(v))))
		ms->x->counters.store_errors++;
}

/* A site that uses so many xTR-IDs gives up its own replay protection. */
static void
forget(struct map_server *ms, const struct peer *p)
{
	uint8_t key[KEY_MAX];
	size_t len = store_key(p, key);

	if (ms->x->store && len &&
	    store_remove(ms->x->store, STORE_SENDER, key, len))
		ms->x->counters.store_errors++;
}

/* To the end of its site's list that was heard last. */
static void
link_newest(struct peer *p)
{
	struct ms_site *s = p->site;

	p->newer = NULL;
	p->older = s->newest;
	if (s->newest)
		s->newest->newer = p;
	else
		s->oldest = p;
	s->newest = p;
}

static void
unlink_peer(struct peer *p)
{
	*(p->newer ? &p->newer->older : &p->site->newest) = p->older;
	*(p->older ? &p->older->newer : &p->site->oldest) = p->newer;
}

static void
peer_free(struct map_server *ms, struct peer *p)
{
	table_remove(&ms->peers, &p->by_key);
	unlink_peer(p);
	p->site->n_peers--;
	free(p);
}

/* Makes room: the peer longest silent that nothing points to goes. */
static bool
site_has_room(struct map_server *ms, struct ms_site *s)
{
	struct peer *p = s->oldest;

	if (s->n_peers < MS_PEERS_PER_SITE)
		return true;
	while (p && p->refs)
		p = p->newer;
	if (!p)
		return false;
	forget(ms, p);
	peer_free(ms, p);
	return true;
}

static enum err
peer_add(struct map_server *ms, struct ms_site *s, const struct peer_key *key,
    struct peer **out)
{
	struct peer *p;

	if (!site_has_room(ms, s))
		return ERR_FULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return ERR_NOMEM;
	p->key = *key;
	p->site = s;
	if (table_add(&ms->peers, &p->by_key)) {
		free(p);
		return ERR_FULL;
	}
	link_newest(p);
	s->n_peers++;
	*out = p;
	return ERR_OK;
}

enum err
ms_peer_get(struct map_server *ms, struct ms_site *s, const struct datagram *dg,
    const struct map_register *m, struct peer **out)
{
	struct peer_key key = { .site = s->number,
		.key_id = m->auth.key_id,
		.has_xtr_id = m->has_xtr_id };
	struct peer *p;
	enum err err;

	if (m->has_xtr_id)
		memcpy(key.id, m->xtr_id, sizeof(m->xtr_id));
	else
		memcpy(key.id, &dg->from, sizeof(dg->from));
	p = table_entry(table_find(&ms->peers, &key), struct peer, by_key);
	if (p) {
		*out = p;
		return ERR_OK;
	}
	err = peer_add(ms, s, &key, &p);
	if (err)
		return err;
	p->number = ms->peers_numbered++;
	*out = p;
	return ERR_OK;
}

void
ms_peer_heard(struct map_server *ms, struct peer *p, const struct datagram *dg,
    const struct map_register *m)
{
	p->heard = true;
	p->nonce = m->nonce;
	p->algorithm = m->auth.algorithm;
	p->auth_len = (uint8_t)m->auth.len;
	p->addr = dg->from;
	p->port = dg->port;
	memset(p->mac, 0, sizeof(p->mac));
	memcpy(p->mac, m->auth.data, m->auth.len);
	unlink_peer(p);
	link_newest(p);
	save(ms, p);
}

bool
ms_peer_same(const struct peer *a, const struct peer *b)
{
	return a == b ||
	    (a->site == b->site && a->key.has_xtr_id == b->key.has_xtr_id &&
		memcmp(a->key.id, b->key.id, sizeof(a->key.id)) == 0);
}

struct load {
	struct map_server *ms;
	enum err err;
};

static bool
load_one(void *arg, const void *bytes, size_t len, const void *value,
    size_t value_len)
{
	struct load *l = arg;
	const uint8_t *key = bytes, *tail = key + len - KEY_TAIL + 1;
	struct peer_key k = { 0 };
	struct ms_site *s;
	struct peer *p;
	struct value v;

	if (len < KEY_TAIL + 1 || tail[-1] != '\0' || value_len != sizeof(v))
		return true; /* another table's */
	memcpy(&v, value, sizeof(v));
	if (v.version != VALUE_VERSION)
		return true;
	s = ms_site_get(l->ms, (const char *)key + 1);
	if (!s) {
		l->err = ERR_NOMEM;
		return false;
	}
	if (s->n_peers >= MS_PEERS_PER_SITE)
		return true;
	k.site = s->number;
	k.key_id = tail[0];
	k.has_xtr_id = tail[1];
	memcpy(k.id, tail + 2, sizeof(k.id));
	l->err = peer_add(l->ms, s, &k, &p);
	if (l->err)
		return false;
	p->number = v.number;
	p->heard = v.heard;
	p->algorithm = v.algorithm;
	p->auth_len = v.auth_len;
	p->nonce = v.nonce;
	p->addr = v.addr;
	p->port = v.port;
	memcpy(p->mac, v.mac, sizeof(p->mac));
	if (p->number >= l->ms->peers_numbered)
		l->ms->peers_numbered = p->number + 1;
	return true;
}

enum err
ms_peers_load(struct map_server *ms)
{
	struct load l = { ms, ERR_OK };
	enum err err =
	    table_init(&ms->peers, SIZE_MAX, offsetof(struct peer, by_key),
		offsetof(struct peer, key), sizeof(struct peer_key));

	if (!err && ms->x->store)
		store_walk(ms->x->store, STORE_SENDER, "R", 1, load_one, &l);
	return err ? err : l.err;
}

void
ms_peers_fini(struct map_server *ms)
{
	for (size_t i = 0; i < ms->n_sites; i++)
		while (ms->sites[i]->oldest)
			peer_free(ms, ms->sites[i]->oldest);
	table_fini(&ms->peers);
}
