/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_notify.c - Map-Notifies in, Map-Notify-Acks out; RFC 9301 5.7.
 *
 * A Map-Notify acknowledges the records of a Map-Register of ours if it carries
 * one of its nonces; then no Map-Notify-Ack goes back.  Any other one is the
 * Map-Server's own: it is acknowledged, and its records go to mobility.c, once:
 * the Map-Server repeats it under the same nonce until our Ack arrives.
 */
#include "register_state.h"

#include <stdio.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/mobility.h"
#include "xtr/output.h"
#include "xtr/smr.h"
#include "xtr/store.h"

enum verdict { NONCE_NEW, NONCE_SEEN, NONCE_OLD };

#define KEY_MAX (ADDR_STR_MAX + 80) /* names have 63 octets */

/* Where the highest nonce of this Map-Server is kept. */
static size_t
store_key(const struct reg_server *s, char out[KEY_MAX])
{
	char buf[ADDR_STR_MAX];

	return (size_t)snprintf(out, KEY_MAX, "map-notify %s %s",
	    addr_str(&s->peer->address, buf), s->system->name);
}

/* The highest one of an earlier process: nothing up to it is believed. */
static void
recall(struct reg_server *s)
{
	struct xtr *x = s->x;
	char key[KEY_MAX];
	const size_t key_len = store_key(s, key);
	const void *value = NULL;
	size_t len = 0;

	if (s->heard || !x->store)
		return;
	value = store_get(x->store, STORE_META, key, key_len, &len);
	if (!value || len != sizeof(s->highest))
		return;
	memcpy(&s->highest, value, sizeof(s->highest));
	memset(s->seen, 0xff, sizeof(s->seen));
	s->heard = true;
}

static enum verdict
nonce_check(
    const struct reg_server *s, const struct auth_key *key, uint64_t nonce)
{
	const unsigned bit = (unsigned)(nonce % REG_WINDOW);

	if (key->replay_off || !s->heard || nonce > s->highest)
		return NONCE_NEW;
	if (s->highest - nonce >= REG_WINDOW)
		return NONCE_OLD;
	return s->seen[bit / 64] >> bit % 64 & 1 ? NONCE_SEEN : NONCE_NEW;
}

/* Only after NONCE_NEW. */
static void
nonce_accept(struct reg_server *s, uint64_t nonce)
{
	struct xtr *x = s->x;
	const unsigned bit = (unsigned)(nonce % REG_WINDOW);
	char key[KEY_MAX];
	const size_t key_len = store_key(s, key);

	if (!s->heard || nonce - s->highest >= REG_WINDOW) {
		if (!s->heard || nonce > s->highest)
			memset(s->seen, 0, sizeof(s->seen));
	} else if (nonce > s->highest) {
		for (uint64_t n = s->highest + 1; n != nonce; n++)
			s->seen[n % REG_WINDOW / 64] &=
			    ~(UINT64_C(1) << n % 64);
	}
	s->seen[bit / 64] |= UINT64_C(1) << bit % 64;
	if (s->heard && nonce <= s->highest)
		return;
	s->heard = true;
	s->highest = nonce;
	if (x->store &&
	    store_put(x->store, STORE_META, key, key_len, &s->highest,
		sizeof(s->highest)))
		x->counters.store_errors++;
}

/* The Map-Server that sent it: by address, then by whose key fits. */
static enum err
authenticate(struct xtr *x, const struct datagram *dg, struct reg_server **out,
    const struct auth_key **key)
{
	struct registers *t = x->registers;
	enum err err = ERR_SOURCE;

	for (size_t i = 0; i < t->n_servers; i++) {
		struct reg_server *s = &t->servers[i];
		enum err this_err;

		if (!addr_equal(&s->peer->address, &dg->from))
			continue;
		this_err = keyring_verify(
		    &s->peer->keys.ring, dg->bytes, dg->len, key);
		if (!this_err) {
			*out = s;
			return ERR_OK;
		}
		if (err == ERR_SOURCE || err == ERR_KEY_UNKNOWN)
			err = this_err;
	}
	return err;
}

static bool
in_series(const struct reg *g, uint64_t nonce)
{
	for (unsigned i = 0; i < g->series && i < REG_NONCES; i++)
		if (g->nonces[(g->n_nonces - 1 - i) % REG_NONCES] == nonce)
			return true;
	return false;
}

/* One record of a Map-Notify; true if it acknowledges what we sent. */
static bool
acknowledge(
    struct xtr *x, const struct reg_server *s, uint64_t nonce, struct eid eid)
{
	struct reg_eid *r = reg_find(x->registers, &eid);
	const struct addr from = s->peer->address;

	for (unsigned i = 0; r && i < r->n; i++) {
		struct reg *g = &r->regs[i];
		const bool tell = r->dynamic && !r->told && !r->withdraw;

		if (!addr_equal(&g->server->peer->address, &from) ||
		    !in_series(g, nonce))
			continue;
		reg_acked(g);
		if (!r->dynamic && !r->withdraw)
			smr_release(x, &eid);
		if (tell) {
			r->told = true;
			if (x->mobility)
				mobility_on_registered(x, &eid, &from);
		}
		return true;
	}
	return false;
}

/* True if the Map-Notify acknowledges at least one record. */
static bool
acknowledge_all(
    struct xtr *x, const struct reg_server *s, const struct map_notify *m)
{
	struct records records = m->records;
	struct mapping mapping;
	struct eid eid;
	bool any = false;

	while (records_next(&records, &mapping))
		if (!lisp_addr_eid(&mapping.eid, mapping.eid_bits, &eid) &&
		    acknowledge(x, s, m->nonce, eid))
			any = true;
	return any;
}

static enum err
unsolicited(struct reg_server *s, const struct auth_key *key,
    const struct datagram *dg, const struct map_notify *m)
{
	struct xtr *x = s->x;
	struct records records = m->records;
	struct mapping mapping;
	enum verdict verdict;
	struct eid eid;

	recall(s);
	verdict = nonce_check(s, key, m->nonce);
	if (verdict == NONCE_OLD)
		return ERR_REPLAY;
	output_map_notify_ack(x, dg, m, key);
	if (verdict == NONCE_SEEN)
		return ERR_OK;
	nonce_accept(s, m->nonce);
	while (x->mobility && records_next(&records, &mapping))
		if (!lisp_addr_eid(&mapping.eid, mapping.eid_bits, &eid))
			mobility_on_map_notify(x, &eid, &mapping);
	return ERR_OK;
}

enum err
register_on_map_notify(
    struct xtr *x, const struct datagram *dg, struct map_notify *m)
{
	const struct auth_key *key;
	struct reg_server *s;
	enum err err = authenticate(x, dg, &s, &key);

	if (err)
		return err;
	/* Late ones acknowledge nothing any more, and are no news either. */
	if (acknowledge_all(x, s, m) ||
	    reg_nonce_is_ours(x->registers, m->nonce)) {
		reg_server_answered(s, key);
		return ERR_OK;
	}
	return unsolicited(s, key, dg, m);
}
