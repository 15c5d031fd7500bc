/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.c - statement -> parts.
 *
 * notify.c asks for the parts of a statement and sends them until they are
 * acked; common/cpm.c and auth.c know the octets.
 */
#include "series.h"

#include <stdlib.h>
#include <string.h>

struct statement *
statement_new(const struct vm_info *vm, const struct action_form *form,
    const struct cpm_peer *peers, unsigned n_peers)
{
	struct statement *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	memcpy(m->vm_id, vm->uuid, sizeof(m->vm_id));
	memcpy(m->name, vm->name, sizeof(m->name));
	m->form = *form;
	m->nics = calloc(vm->n_nics + 1, sizeof(*m->nics));
	m->peers = calloc(n_peers + 1, sizeof(*m->peers));
	if (!m->nics || !m->peers) {
		statement_free(m);
		return NULL;
	}
	for (unsigned i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].n_eids)
			m->nics[m->n_nics++] = vm->nics[i];
	m->n_peers = n_peers;
	if (n_peers)
		memcpy(m->peers, peers, n_peers * sizeof(*peers));
	return m;
}

void
statement_free(struct statement *m)
{
	if (!m)
		return;
	free(m->nics);
	free(m->peers);
	free(m);
}

static bool
has_peer(const struct statement *m, const struct cpm_peer *p)
{
	for (unsigned i = 0; i < m->n_peers; i++)
		if (m->peers[i].iid == p->iid &&
		    addr_equal(&m->peers[i].addr, &p->addr))
			return true;
	return false;
}

enum err
statement_add_peers(struct statement *to, const struct statement *from)
{
	struct cpm_peer *peers = realloc(
	    to->peers, (to->n_peers + from->n_peers + 1) * sizeof(*peers));

	if (!peers)
		return ERR_NOMEM;
	to->peers = peers;
	for (unsigned i = 0;
	     i < from->n_peers && to->n_peers < CPM_PEERS_SENT_MAX; i++)
		if (!has_peer(to, &from->peers[i]))
			to->peers[to->n_peers++] = from->peers[i];
	return ERR_OK;
}

/* Which EIDs and peers go into one part. */
struct slice {
	const struct vm_nic *nic;
	unsigned first_eid, n_eids;
	unsigned first_peer, n_peers;
	uint16_t part, parts;
};

enum {
	SERIES_PER_NIC = (EIDS_PER_NIC + CPM_EIDS_MAX - 1) / CPM_EIDS_MAX,
	/* Peers go with the first series only. */
	SLICES_MAX = EIDS_NICS_MAX * SERIES_PER_NIC + CPM_PARTS_MAX,
	MESSAGE_MAX = 2048, /* more than fits into a frame */
	ENTRIES_MAX = MESSAGE_MAX / 8,
};

static bool
has_mac(const struct statement *m, const struct slice *s)
{
	return m->form.mac && s->nic->mac.afi == AFI_MAC;
}

/* The message of a slice, but for its nonce and series. */
static struct cpm
slice_cpm(const struct statement *m, const struct series_conf *conf,
    const struct slice *s)
{
	struct cpm cpm = {
		.subtype = conf->subtype,
		.version = CPM_VERSION,
		.op = CPM_OP_CPM,
		.ack_wanted = true,
		.key_id = conf->key->key_id,
		.algorithm = conf->key->algorithm,
		.generation = m->generation,
		.event_ms = m->event_ms,
		.reason = (uint8_t)m->form.reason,
		.part = s->part,
		.parts = s->parts,
		.n_eids = (uint8_t)s->n_eids,
	};

	memcpy(cpm.sender_id, conf->sender_id, sizeof(cpm.sender_id));
	memcpy(cpm.vm_id, m->vm_id, sizeof(cpm.vm_id));
	memcpy(cpm.eids, s->nic->eids + s->first_eid,
	    s->n_eids * sizeof(cpm.eids[0]));
	return cpm;
}

/* Cuts one series into slices; returns how many. */
static unsigned
plan_series(const struct statement *m, const struct series_conf *conf,
    struct slice s, unsigned n_peers, struct slice *out)
{
	const struct cpm cpm = slice_cpm(m, conf, &s);
	size_t payload =
	    conf->payload < MESSAGE_MAX ? conf->payload : MESSAGE_MAX;
	unsigned at = 0, n = 0;

	if (has_mac(m, &s)) {
		struct cpm_peer mac = { .kind = CPM_MAC, .addr = s.nic->mac };

		payload -= cpm_peer_len(&mac);
	}
	do {
		s.first_peer = at;
		s.n_peers =
		    cpm_peers_fit(&cpm, m->peers + at, n_peers - at, payload);
		at += s.n_peers;
		out[n++] = s;
	} while (at < n_peers && s.n_peers && n < CPM_PARTS_MAX);
	for (unsigned i = 0; i < n; i++) {
		out[i].part = (uint16_t)(i + 1);
		out[i].parts = (uint16_t)n;
	}
	return n;
}

static unsigned
plan(const struct statement *m, const struct series_conf *conf,
    struct slice out[SLICES_MAX])
{
	unsigned n_peers = m->n_peers < CPM_PEERS_SENT_MAX
	    ? m->n_peers
	    : (unsigned)CPM_PEERS_SENT_MAX;
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_nics && i < EIDS_NICS_MAX; i++) {
		const struct vm_nic *nic = &m->nics[i];

		for (unsigned at = 0; at < nic->n_eids; at += CPM_EIDS_MAX) {
			struct slice s = { .nic = nic, .first_eid = at };

			s.n_eids = nic->n_eids - at;
			if (s.n_eids > CPM_EIDS_MAX)
				s.n_eids = CPM_EIDS_MAX;
			n += plan_series(m, conf, s, n ? 0 : n_peers, out + n);
		}
	}
	return n;
}

unsigned
series_parts(const struct statement *m, const struct series_conf *conf)
{
	struct slice slices[SLICES_MAX];

	return plan(m, conf, slices);
}

static struct part *
part_new(const uint8_t *bytes, size_t len)
{
	struct part *p = calloc(1, sizeof(*p) + len);

	if (p) {
		p->len = (uint16_t)len;
		memcpy(p->bytes, bytes, len);
	}
	return p;
}

struct part *
part_copy(const struct part *from)
{
	struct part *p = part_new(from->bytes, from->len);

	if (p) {
		p->nonce = from->nonce;
		p->first = from->first;
	}
	return p;
}

static enum err
encode_slice(const struct statement *m, const struct series_conf *conf,
    const struct slice *s, uint64_t nonce, uint32_t series, struct part **out)
{
	uint8_t buf[MESSAGE_MAX];
	struct wire_writer w = wire_writer(
	    buf, conf->payload < sizeof(buf) ? conf->payload : sizeof(buf));
	struct cpm cpm = slice_cpm(m, conf, s);
	struct cpm_peer peers[1 + ENTRIES_MAX];
	unsigned n = 0;

	cpm.nonce = nonce;
	cpm.series = series;
	if (has_mac(m, s))
		peers[n++] =
		    (struct cpm_peer){ .kind = CPM_MAC, .addr = s->nic->mac };
	for (unsigned i = 0; i < s->n_peers && n <= ENTRIES_MAX; i++)
		peers[n++] = m->peers[s->first_peer + i];
	cpm_encode(&w, &cpm, peers, n);
	if (w.err || auth_sign(buf, wire_written(&w), conf->key))
		return ERR_INTERNAL;
	*out = part_new(buf, wire_written(&w));
	if (!*out)
		return ERR_NOMEM;
	(*out)->nonce = nonce;
	(*out)->first = s->part == 1;
	return ERR_OK;
}

enum err
series_encode(const struct statement *m, const struct series_conf *conf,
    uint64_t nonce, struct part **out)
{
	struct slice slices[SLICES_MAX];
	unsigned n = plan(m, conf, slices), done = 0;
	uint32_t series = 0;
	enum err err = ERR_OK;

	for (; done < n; done++) {
		/* Low half of the nonce of its first part. */
		if (slices[done].part == 1)
			series = (uint32_t)(nonce + done);
		err = encode_slice(
		    m, conf, &slices[done], nonce + done, series, &out[done]);
		if (err)
			break;
	}
	while (err && done > 0)
		free(out[--done]);
	return err;
}
