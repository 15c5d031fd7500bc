/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpm_in.c - who may say what: authentication, replay, bounds, Acks.
 *
 * mobility.c gets here only what a configured sender said, once.  The order is
 * that of docs/cpm.md 4.2: reflection, key, source, MAC, replay, decoding; a
 * failure before the MAC has been verified is never answered.
 */
#include "cpm_in.h"

#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/output.h"
#include "xtr/store.h"

struct senders {
	struct table table;
};

struct stored { /* in the store, key = Sender-ID */
	uint8_t version, pad[7];
	struct replay replay;
};

#define STORE_VERSION 1
#define SENDERS_MAX 65536

static enum err
add(struct xtr *x, struct senders *t, const uint8_t id[16],
    const struct conf_hypervisor *h, const struct conf_other_site *site,
    const struct conf_site_xtr *xtr)
{
	const void *value;
	size_t len;
	struct stored v;
	struct sender *s = calloc(1, sizeof(*s));
	enum err err;

	if (!s)
		return ERR_NOMEM;
	memcpy(s->id, id, 16);
	s->hypervisor = h;
	s->site = site;
	s->xtr = xtr;
	s->tokens = (double)x->conf->mobility.cpm_burst;
	s->refilled = xtr_now(x);
	replay_init(&s->replay, clock_wall_ms(x->clock));
	value =
	    x->store ? store_get(x->store, STORE_SENDER, id, 16, &len) : NULL;
	if (value && len == sizeof(v)) {
		memcpy(&v, value, sizeof(v));
		if (v.version == STORE_VERSION)
			s->replay = v.replay;
	}
	/* What a power loss may have taken from the store counts as seen. */
	if (x->store && store_rebooted(x->store) &&
	    s->replay.highest < clock_wall_ms(x->clock))
		replay_init(&s->replay, clock_wall_ms(x->clock));
	err = table_add(&t->table, &s->by_id);
	if (err)
		free(s);
	return err;
}

struct senders *
senders_new(struct xtr *x)
{
	const struct conf_mobility *c = &x->conf->mobility;
	struct senders *t = calloc(1, sizeof(*t));

	if (!t ||
	    table_init(&t->table, SENDERS_MAX, offsetof(struct sender, by_id),
		offsetof(struct sender, id), 16)) {
		free(t);
		return NULL;
	}
	for (size_t i = 0; i < c->hypervisors.n; i++) {
		const struct conf_hypervisor *h =
		    conf_at(c->hypervisors, struct conf_hypervisor, i);

		if (add(x, t, h->host_id, h, NULL, NULL))
			goto fail;
	}
	for (size_t i = 0; i < c->sites.n; i++) {
		const struct conf_other_site *s =
		    conf_at(c->sites, struct conf_other_site, i);

		for (size_t j = 0; j < s->xtrs.n; j++) {
			const struct conf_site_xtr *p =
			    conf_at(s->xtrs, struct conf_site_xtr, j);

			if (add(x, t, p->xtr_id, NULL, s, p))
				goto fail;
		}
	}
	return t;
fail:
	senders_free(t);
	return NULL;
}

void
senders_free(struct senders *t)
{
	struct table_iter i;
	struct table_node *n;

	if (!t)
		return;
	for (i = table_iter(&t->table); (n = table_next(&i));)
		free(table_entry(n, struct sender, by_id));
	table_fini(&t->table);
	free(t);
}

struct sender *
sender_find(const struct senders *t, const uint8_t id[16])
{
	return table_entry(table_find(&t->table, id), struct sender, by_id);
}

const char *
sender_name(const struct sender *s)
{
	return s->hypervisor ? s->hypervisor->name : s->site->name;
}

const struct auth_key *
sender_key(const struct sender *s)
{
	return s->hypervisor ? &s->hypervisor->key.key : &s->site->key.key;
}

bool
sender_may(const struct sender *s, const struct eid *eid)
{
	const struct conf_list *l =
	    s->hypervisor ? &s->hypervisor->prefixes : &s->site->prefixes;

	for (size_t i = 0; i < l->n; i++)
		if (eid_covers(conf_at(*l, struct eid, i), eid))
			return true;
	return false;
}

static bool
in_list(const struct conf_list *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (addr_equal(conf_at(*l, struct addr, i), a))
			return true;
	return false;
}

bool
site_xtr_has_rloc(const struct conf_site_xtr *p, const struct addr *a)
{
	return addr_equal(&p->rloc, a) || in_list(&p->rlocs, a);
}

bool
site_has_rloc(const struct conf_other_site *s, const struct addr *a)
{
	for (size_t i = 0; i < s->xtrs.n; i++)
		if (site_xtr_has_rloc(
			conf_at(s->xtrs, struct conf_site_xtr, i), a))
			return true;
	return false;
}

static bool
source_allowed(const struct sender *s, const struct addr *from)
{
	if (s->hypervisor)
		return in_list(&s->hypervisor->addresses, from);
	return site_xtr_has_rloc(s->xtr, from);
}

bool
cpm_is_future(const struct xtr *x, uint64_t value)
{
	const uint64_t ahead = (uint64_t)x->conf->mobility.future_max_s * 1000;

	return value > clock_wall_ms(x->clock) + ahead;
}

static bool
is_op(unsigned op)
{
	return op >= CPM_OP_CPM && op <= CPM_OP_REQUESTERS;
}

enum err
cpm_in_authenticate(struct xtr *x, struct senders *t, const struct datagram *dg,
    const struct cpm_header *h, struct sender **out)
{
	struct sender *s;
	enum err err;

	/* Keys are symmetric and the direction is not under the MAC. */
	if (memcmp(h->sender_id, x->conf->site.xtr_id, 16) == 0)
		return ERR_REFLECTED;
	s = sender_find(t, h->sender_id);
	if (!s || h->key_id != sender_key(s)->key_id)
		return ERR_KEY_UNKNOWN;
	/* Whose an op that we do not know is, we do not know either. */
	if (is_op(h->op) && (h->op == CPM_OP_CPM) != (s->hypervisor != NULL))
		return ERR_KEY_UNKNOWN;
	if (!source_allowed(s, &dg->from))
		return ERR_SOURCE;
	err = auth_verify(dg->bytes, dg->len, sender_key(s));
	if (!err)
		*out = s;
	return err;
}

static bool
rate_take(struct xtr *x, struct sender *s)
{
	const struct conf_mobility *c = &x->conf->mobility;
	const double seconds =
	    (double)mono_diff_us(xtr_now(x), s->refilled) / 1e6;

	s->refilled = xtr_now(x);
	s->tokens += seconds * (double)c->cpm_rate;
	if (s->tokens > (double)c->cpm_burst)
		s->tokens = (double)c->cpm_burst;
	if (s->tokens < 1)
		return false;
	s->tokens -= 1;
	return true;
}

static enum err
save(struct xtr *x, const struct sender *s, const struct replay *replay)
{
	const struct stored v = { .version = STORE_VERSION, .replay = *replay };

	if (!x->store ||
	    !store_put(x->store, STORE_SENDER, s->id, 16, &v, sizeof(v)))
		return ERR_OK;
	x->counters.store_errors++;
	return ERR_IO;
}

static enum err
remember_nonce(struct xtr *x, struct sender *s, uint64_t nonce)
{
	struct replay replay = s->replay;
	enum err err;

	replay_accept(&replay, nonce);
	err = save(x, s, &replay);
	if (!err)
		s->replay = replay;
	return err;
}

void
cpm_in_release(struct xtr *x, const struct cpm_in *in)
{
	in->sender->replay = in->before;
	(void)!save(x, in->sender, &in->before);
}

void
senders_save(struct xtr *x, const struct senders *t)
{
	struct table_iter i;
	struct table_node *n;

	for (i = table_iter(&t->table); (n = table_next(&i));) {
		const struct sender *s = table_entry(n, struct sender, by_id);

		/* Who was never heard counts from the next start's clock. */
		if (s->replay.seen && save(x, s, &s->replay))
			return; /* the whole turn has failed */
	}
}

enum err
cpm_in_read(struct xtr *x, struct senders *t, const struct datagram *dg,
    const struct cpm_header *h, struct cpm_in *out)
{
	enum replay_verdict verdict;
	enum err err;

	*out = (struct cpm_in){ .dg = dg };
	err = cpm_in_authenticate(x, t, dg, h, &out->sender);
	if (err)
		return err;
	err = cpm_decode(dg->bytes, dg->len,
	    (uint16_t)x->conf->mobility.cpm_subtype, &out->m);
	if (err && err != ERR_UNSUPPORTED)
		return err;
	if (err || cpm_is_future(x, h->nonce) ||
	    cpm_is_future(x, out->m.generation)) {
		out->status = CPM_ACK_MALFORMED;
		x->counters.rx[LISP_SHARED][err ? err : ERR_FUTURE]++;
	}
	if (cpm_is_future(x, h->nonce))
		return ERR_OK; /* acked, but never stored: 4.3 */
	verdict = replay_check(&out->sender->replay, h->nonce);
	if (verdict == REPLAY_STALE) {
		out->status = CPM_ACK_NONCE;
		x->counters.rx[LISP_SHARED][ERR_REPLAY]++;
		return ERR_OK;
	}
	out->before = out->sender->replay;
	/* Nothing is written then, or the Ack would not leave either. */
	if (x->store && !store_healthy(x->store)) {
		out->status = CPM_ACK_INTERNAL;
		return ERR_OK;
	}
	if (verdict == REPLAY_DUPLICATE) {
		out->duplicate = true;
		x->counters.cpm_duplicate++;
		return ERR_OK;
	}
	/* Statuses 4, 6 and 8 do not use up the nonce. */
	if (!rate_take(x, out->sender)) {
		out->status = CPM_ACK_RATE;
		x->counters.rx[LISP_SHARED][ERR_RATE]++;
		return ERR_OK;
	}
	if (remember_nonce(x, out->sender, h->nonce))
		out->status = CPM_ACK_INTERNAL;
	return ERR_OK;
}

void
cpm_ack_send(struct xtr *x, const struct cpm_in *in,
    const uint8_t eid_status[CPM_EIDS_MAX], uint64_t highest_generation)
{
	const struct auth_key *key = sender_key(in->sender);
	struct cpm_ack a = {
		.subtype = (uint16_t)x->conf->mobility.cpm_subtype,
		.nonce = in->m.nonce,
		.key_id = key->key_id,
		.algorithm = key->algorithm,
		.series = in->m.series,
		.part = in->m.part,
		.parts = in->m.parts,
		.status = in->status,
		.reason = in->m.reason,
		.highest_nonce = in->sender->replay.highest,
		.highest_generation = highest_generation,
		.n_eids = in->m.n_eids,
	};
	uint8_t buf[CPM_ACK_HEADER + CPM_EIDS_MAX * 32];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	memcpy(a.sender_id, x->conf->site.xtr_id, 16);
	for (unsigned i = 0; i < a.n_eids; i++) {
		a.eids[i].eid = in->m.eids[i];
		a.eids[i].status = in->status ? in->status : eid_status[i];
	}
	if (!in->status && a.n_eids) {
		a.status = a.eids[0].status;
		for (unsigned i = 1; i < a.n_eids; i++)
			if (a.eids[i].status != a.status)
				a.status = CPM_ACK_DIFFER;
	}
	cpm_ack_encode(&w, &a);
	if (w.err || auth_sign(buf, wire_written(&w), key)) {
		x->counters.output_errors++;
		return;
	}
	x->counters.cpm_ack_sent++;
	output_send(x, in->dg->to.afi ? &in->dg->to : NULL, &in->dg->from,
	    in->dg->port, buf, wire_written(&w));
}
