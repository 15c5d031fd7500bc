/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register_send.c - Map-Registers out.
 *
 * register.c and register_refresh.c say which records; here they become one
 * message, no longer than what needs no fragments (RFC 9301 5) unless a single
 * record is.  Every sending has a nonce of its own, above all before it, also
 * after a restart (RFC 9301 5.6).
 */
#include "register_state.h"

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/etr.h"
#include "xtr/output.h"
#include "xtr/store.h"

#define SEQUENCE "map-register"
/* Nonces of an earlier process that crashed lie this far below ours at most. */
#define NONCES_SKIPPED (UINT64_C(1) << 17)

/*
 * The sequence starts at the time in 2^-20 s: far from the milliseconds that a
 * Map-Server may number its own Map-Notifies with, because a Map-Notify is an
 * acknowledgement or a message of its own by its nonce alone.
 */
static uint64_t
next_nonce(struct xtr *x)
{
	struct registers *t = x->registers;
	const uint64_t start = clock_wall_ms(x->clock) / 1000 << 20;
	uint64_t nonce;

	if (x->store) {
		nonce = store_nonce_next(x->store, SEQUENCE, start);
	} else {
		if (t->next_nonce < start)
			t->next_nonce = start;
		nonce = t->next_nonce++;
	}
	if (!t->first_nonce)
		t->first_nonce = nonce;
	t->recent[nonce % REG_RECENT] = nonce;
	return nonce;
}

bool
reg_nonce_is_ours(const struct registers *t, uint64_t nonce)
{
	return t->recent[nonce % REG_RECENT] == nonce ||
	    (nonce < t->first_nonce && t->first_nonce - nonce < NONCES_SKIPPED);
}

/*
 * A dynamic EID is never merged: the site that it left would stay in the record.
 */
unsigned
reg_flags(const struct reg *g)
{
	const struct conf_map_server_peer *peer = g->server->peer;
	const bool dynamic = g->of->dynamic,
		   proxy = dynamic ? g->server->x->conf->mobility.proxy_reply
				   : peer->proxy_reply;

	return (proxy ? REG_PROXY : 0u) |
	    (peer->merge && !dynamic ? REG_MERGE : 0u) |
	    (peer->use_ttl ? REG_USE_TTL : 0u);
}

/*
 * No Map-Notify for a while although one was asked for: the Map-Server may have
 * another of our keys.
 */
static void
choose_key(struct reg_server *s)
{
	const struct conf_keyring *ring = &s->peer->keys.ring;
	const struct mono now = xtr_now(s->x);
	char buf[ADDR_STR_MAX];
	size_t i = 0;

	if (!s->asked || ring->n == 1 ||
	    mono_before(now, mono_add_ms(s->unanswered, REG_KEY_WAIT_MS)))
		return;
	while (ring->keys[i] != s->key)
		i++;
	s->key = ring->keys[(i + 1) % ring->n];
	s->asked = false;
	s->x->counters.map_register_other_key++;
	log_info("register", "%s does not answer: trying key-id %u",
	    addr_str(&s->peer->address, buf), s->key->key_id);
}

void
reg_server_answered(struct reg_server *s, const struct auth_key *key)
{
	s->key = key;
	s->asked = false;
}

struct reg_message *
reg_message_begin(struct reg_server *s)
{
	s->message->server = s;
	s->message->n = 0;
	s->message->flags = 0;
	s->message->used = 0;
	return s->message;
}

/* Octets of a Map-Register around its records, with whichever key. */
enum { FRAME_OCTETS = AUTH_MSG_MIN + AUTH_DATA_MAX + 16 + 8 };

static enum err
record_encode(struct wire_writer *w, const struct reg *g)
{
	const struct reg_server *s = g->server;
	struct mapping mapping;

	if (g->of->withdraw)
		etr_withdrawal(s->x, &g->of->eid, &mapping);
	else
		etr_mapping(s->x, eids_find(s->x->eids, &g->of->eid), &mapping);
	mapping_encode(w, &mapping);
	return w->err;
}

static uint64_t
hash(const struct reg *g, const uint8_t *record, size_t len)
{
	const struct conf_site *site = &g->server->x->conf->site;
	const uint64_t flags[2] = { reg_flags(g), (uint64_t)site->site_id };

	return table_hash(flags, record, len);
}

uint64_t
reg_record_hash(const struct reg *g)
{
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	return record_encode(&w, g) ? 0 : hash(g, bytes, wire_written(&w));
}

bool
reg_message_add(struct reg_message *m, struct reg *g)
{
	struct reg_server *s = m->server;
	const size_t limit =
	    (s->peer->address.afi == AFI_IPV4 ? LISP_PAYLOAD_IPV4
					      : LISP_PAYLOAD_IPV6) -
	    FRAME_OCTETS;
	struct wire_writer w = wire_writer(
	    m->records + m->used, sizeof(m->records) - FRAME_OCTETS - m->used);

	if (m->n && (m->n == LISP_RECORDS_MAX || m->flags != reg_flags(g)))
		return false;
	if (record_encode(&w, g))
		return false;
	g->octets = wire_written(&w);
	if (m->n && m->used + g->octets > limit)
		return false;
	g->hash = hash(g, m->records + m->used, g->octets);
	m->used += g->octets;
	m->flags = reg_flags(g);
	m->regs[m->n++] = g;
	return true;
}

static void
encode_and_send(const struct reg_message *m, const struct map_register *header)
{
	struct xtr *x = m->server->x;
	const struct conf_map_server_peer *peer = m->server->peer;
	uint8_t bytes[LISP_MSG_MAX];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	map_register_header(&w, header);
	wire_put_bytes(&w, m->records, m->used);
	map_register_trailer(&w, header);
	if (w.err || auth_sign(bytes, wire_written(&w), m->server->key)) {
		x->counters.output_errors++;
		return;
	}
	output_send(x, xtr_rloc(x, peer->address.afi), &peer->address,
	    LISP_CONTROL_PORT, bytes, wire_written(&w));
}

void
reg_message_send(struct reg_message *m, bool want_notify)
{
	struct xtr *x = m->server->x;
	struct reg_server *s = m->server;
	const struct auth_key *key;
	struct map_register header = {
		.proxy = m->flags & REG_PROXY,
		.merge = m->flags & REG_MERGE,
		.use_ttl = m->flags & REG_USE_TTL,
		.has_xtr_id = !uuid_is_zero(x->conf->site.xtr_id),
		.want_notify = want_notify,
		.n_records = m->n,
		.site_id = (uint64_t)x->conf->site.site_id,
	};

	if (m->n == 0)
		return;
	choose_key(s);
	key = s->key;
	header.auth = (struct auth_header){ .key_id = key->key_id,
		.algorithm = key->algorithm,
		.len = auth_len(key) };
	header.nonce = next_nonce(x);
	memcpy(header.xtr_id, x->conf->site.xtr_id, sizeof(header.xtr_id));
	if (m->regs[0]->tries)
		x->counters.map_register_retried++;
	else
		x->counters.map_register_sent++;
	encode_and_send(m, &header);
	if (want_notify && !s->asked) {
		s->asked = true;
		s->unanswered = xtr_now(x);
	}
	for (unsigned i = 0; i < m->n; i++)
		reg_sent(m->regs[i], header.nonce, want_notify);
	reg_message_begin(s);
}
