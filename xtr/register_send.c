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

bool
reg_wants_proxy(const struct reg *g)
{
	return g->of->dynamic ? g->server->x->conf->mobility.proxy_reply
			      : g->server->peer->proxy_reply;
}

struct reg_message *
reg_message_begin(struct reg_server *s)
{
	s->message->server = s;
	s->message->n = 0;
	s->message->proxy = false;
	s->message->used = 0;
	return s->message;
}

/* Octets of a Map-Register around its records. */
static size_t
frame_octets(const struct reg_server *s)
{
	return AUTH_MSG_MIN + auth_len(&s->peer->key.key) + 16 + 8;
}

bool
reg_message_add(struct reg_message *m, struct reg *g)
{
	struct reg_server *s = m->server;
	const size_t limit =
	    (s->peer->address.afi == AFI_IPV4 ? LISP_PAYLOAD_IPV4
					      : LISP_PAYLOAD_IPV6) -
	    frame_octets(s);
	struct wire_writer w = wire_writer(m->records + m->used,
	    sizeof(m->records) - frame_octets(s) - m->used);
	struct mapping mapping;

	if (m->n &&
	    (m->n == LISP_RECORDS_MAX || m->proxy != reg_wants_proxy(g)))
		return false;
	if (g->of->withdraw)
		etr_withdrawal(s->x, &g->of->eid, &mapping);
	else
		etr_mapping(s->x, eids_find(s->x->eids, &g->of->eid), &mapping);
	mapping_encode(&w, &mapping);
	g->octets = wire_written(&w);
	if (w.err || (m->n && m->used + g->octets > limit))
		return false;
	m->used += g->octets;
	m->proxy = reg_wants_proxy(g);
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
	if (w.err || auth_sign(bytes, wire_written(&w), &peer->key.key)) {
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
	const struct auth_key *key = &m->server->peer->key.key;
	struct map_register header = {
		.proxy = m->proxy,
		.has_xtr_id = !uuid_is_zero(x->conf->site.xtr_id),
		.want_notify = want_notify,
		.auth = { .key_id = key->key_id,
		    .algorithm = key->algorithm,
		    .len = auth_len(key) },
		.n_records = m->n,
		.site_id = (uint64_t)x->conf->site.site_id,
	};

	if (m->n == 0)
		return;
	header.nonce = next_nonce(x);
	memcpy(header.xtr_id, x->conf->site.xtr_id, sizeof(header.xtr_id));
	if (m->regs[0]->tries)
		x->counters.map_register_retried++;
	else
		x->counters.map_register_sent++;
	encode_and_send(m, &header);
	for (unsigned i = 0; i < m->n; i++)
		reg_sent(m->regs[i], header.nonce, want_notify);
	reg_message_begin(m->server);
}
