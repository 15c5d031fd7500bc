/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpm.c - the Change Priority Message and its Ack: octets -> struct.
 *
 * xtrd reads ops 1, 3, 4 and Acks, vmagent Acks only; cpm_encode.c is the
 * other direction.  The layout is that of docs/cpm.md 3.2 and 3.3.
 *
 * Two kinds of "no" leave the decoder.  What cannot be read, or lies about its
 * own size, is ERR_MALFORMED or ERR_TRUNCATED and gets no answer.  What can be
 * read but must not be said (a reason its op has not, a generation of 0 where
 * one is needed) is ERR_UNSUPPORTED: the sender is told with Ack status 5, so
 * it needs to know which EIDs and part that was about, and '*out' says so.
 */
#include "cpm.h"

#include "auth.h"
#include "lisp.h"
#include "msg.h"

enum {
	FLAG_ACK_WANTED = 0x80,
	FLAG_DRAINED = 0x40,
};

#define GENERATION_MAX (UINT64_C(1) << 63) /* exclusive */
#define REASON(r) (1u << (r))
#define KIND(k) (1u << (k))

/* docs/cpm.md 3.2: what each op may say. */
static const struct op_rules {
	uint16_t reasons;
	uint16_t generation_0; /* reasons that may have it */
	uint16_t owner;	       /* reasons that need exactly one */
	uint16_t rloc;	       /* reasons that need one at least */
	uint16_t mac;	       /* reasons that may have one */
	uint8_t kinds;	       /* that count; others are skipped */
} ops[] = {
	[CPM_OP_CPM] = {
		.reasons = 0x1fe,
		.generation_0 = REASON(CPM_ABORTED) | REASON(CPM_ARRIVING),
		.mac = REASON(CPM_ARRIVED) | REASON(CPM_PRESENT) |
		    REASON(CPM_ARRIVING),
		.kinds = KIND(CPM_PEER) | KIND(CPM_OWNER) | KIND(CPM_MAC),
	},
	[CPM_OP_NOTIFY] = {
		.reasons = REASON(CPM_ARRIVED) | REASON(CPM_ABORTED) |
		    REASON(CPM_ARRIVING) | REASON(CPM_ABSENT),
		.generation_0 = REASON(CPM_ABORTED) | REASON(CPM_ARRIVING),
		.owner = REASON(CPM_ARRIVED) | REASON(CPM_ABSENT),
		.rloc = REASON(CPM_ARRIVED),
		.kinds = KIND(CPM_RLOC) | KIND(CPM_OWNER),
	},
	[CPM_OP_REQUESTERS] = {
		.reasons = REASON(CPM_ARRIVED) | REASON(CPM_ARRIVING),
		.generation_0 = REASON(CPM_ARRIVED) | REASON(CPM_ARRIVING),
		.kinds = KIND(CPM_PEER) | KIND(CPM_ITR) | KIND(CPM_PXTR) |
		    KIND(CPM_OWNER),
	},
};

static const struct op_rules *
op_rules(unsigned op)
{
	if (op >= sizeof(ops) / sizeof(ops[0]) || !ops[op].reasons)
		return NULL;
	return &ops[op];
}

static bool
has_reason(uint16_t set, uint8_t reason)
{
	return reason < 16 && (set & REASON(reason));
}

/* Octets 0 to 47. */
static void
header_read(struct wire_reader *r, struct cpm_header *out, uint8_t *flags)
{
	uint16_t type = wire_get_u16(r);
	uint8_t version_op = wire_get_u8(r);
	uint16_t auth_len;

	*flags = wire_get_u8(r);
	out->subtype = type & 0x0fff;
	out->version = version_op >> 4;
	out->op = version_op & 0x0f;
	out->nonce = wire_get_u64(r);
	out->key_id = wire_get_u8(r);
	out->algorithm = wire_get_u8(r);
	auth_len = wire_get_u16(r);
	wire_take(r, CPM_AUTH_LEN);
	wire_get_bytes(r, out->sender_id, sizeof(out->sender_id));
	if (!r->err && type >> 12 != LISP_SHARED)
		wire_fail(r, ERR_MALFORMED);
	if (!r->err && out->algorithm != AUTH_SHA256_128 &&
	    out->algorithm != AUTH_SHA256_128_HKDF)
		wire_fail(r, ERR_ALGORITHM);
	if (!r->err && auth_len != CPM_AUTH_LEN)
		wire_fail(r, ERR_MALFORMED);
}

enum err
cpm_header_decode(
    const uint8_t *bytes, size_t len, uint16_t subtype, struct cpm_header *out)
{
	struct wire_reader r = wire_reader(bytes, len);
	struct wire_reader first = r;
	struct cpm_header h;
	uint8_t flags;

	/* Another sub-type may have any layout (RFC 9304). */
	if (wire_get_u16(&first) != (LISP_SHARED << 12 | subtype) &&
	    msg_type(bytes, len) == LISP_SHARED && !first.err)
		return ERR_SUBTYPE;
	header_read(&r, &h, &flags);
	if (r.err)
		return r.err;
	*out = h;
	return ERR_OK;
}

/* An EID entry but for its first octet. */
static void
eid_read(struct wire_reader *r, struct eid *out)
{
	unsigned bits = wire_get_u8(r);
	struct lisp_addr a;

	lisp_addr_decode(r, &a);
	if (!r->err && lisp_addr_eid(&a, bits, out))
		wire_fail(r, ERR_MALFORMED);
}

static void
eids_read(struct wire_reader *r, unsigned count, struct cpm *m)
{
	if (!r->err && (!count || count > CPM_EIDS_MAX))
		wire_fail(r, ERR_MALFORMED);
	for (unsigned i = 0; i < count && !r->err; i++) {
		struct eid e = { 0 };
		unsigned same = 0;

		wire_get_u8(r); /* reserved */
		eid_read(r, &e);
		while (same < m->n_eids && !eid_equal(&m->eids[same], &e))
			same++;
		if (!r->err && same == m->n_eids)
			m->eids[m->n_eids++] = e;
	}
}

/* What is in 'peers' besides correspondents and RLOCs. */
struct specials {
	unsigned owners, macs, rlocs;
	bool bad; /* owner or MAC of another family */
};

static void
peer_read(struct wire_reader *r, struct cpm_peer *out)
{
	struct lisp_addr a;

	*out = (struct cpm_peer){ 0 };
	out->kind = wire_get_u8(r);
	out->flags = wire_get_u8(r);
	if (out->kind != CPM_ITR)
		out->flags = 0;
	out->flags &= CPM_CONFIRMED;
	lisp_addr_decode(r, &a);
	out->iid = a.iid;
	out->addr = a.addr;
	if (r->err || a.opaque || a.addr.afi == AFI_NONE ||
	    (a.addr.afi == AFI_MAC && (out->kind != CPM_MAC || a.has_iid)))
		wire_fail(r, ERR_MALFORMED); /* no family a peer may have */
	if (a.has_iid && (out->kind == CPM_OWNER || out->kind == CPM_MAC))
		out->addr.afi = AFI_NONE; /* well-formed, never right */
}

static bool
peer_is_usable(const struct cpm_peer *p)
{
	return p->kind == CPM_OWNER || !addr_is_martian(&p->addr);
}

static void
special_note(struct cpm *m, const struct cpm_peer *p, struct specials *s)
{
	switch (p->kind) {
	case CPM_OWNER:
		s->owners++;
		s->bad |= p->addr.afi != AFI_IPV6;
		m->has_owner = true;
		memcpy(m->owner, p->addr.bytes, sizeof(m->owner));
		break;
	case CPM_MAC:
		s->macs++;
		s->bad |= p->addr.afi != AFI_MAC;
		m->has_mac = peer_is_usable(p);
		if (m->has_mac)
			m->mac = p->addr;
		break;
	case CPM_RLOC:
		s->rlocs += peer_is_usable(p);
		break;
	}
}

static void
peers_read(
    struct wire_reader *r, unsigned count, struct cpm *m, struct specials *s)
{
	const uint8_t *start = r->at;

	for (unsigned i = 0; i < count && !r->err; i++) {
		struct cpm_peer p;

		peer_read(r, &p);
		if (!r->err)
			special_note(m, &p, s);
	}
	m->peers.at = start;
	m->peers.len = (size_t)(r->at - start);
	m->peers.left = count;
}

/* Octets 48 to the end. */
static void
body_read(struct wire_reader *r, struct cpm *m, struct specials *s)
{
	uint8_t n_eids;
	uint16_t n_peers;

	wire_get_bytes(r, m->vm_id, sizeof(m->vm_id));
	m->generation = wire_get_u64(r);
	m->event_ms = wire_get_u64(r);
	m->series = wire_get_u32(r);
	m->part = wire_get_u16(r);
	m->parts = wire_get_u16(r);
	m->reason = wire_get_u8(r);
	n_eids = wire_get_u8(r);
	n_peers = wire_get_u16(r);
	if (!r->err &&
	    (m->part < 1 || m->part > m->parts || m->parts > CPM_PARTS_MAX))
		wire_fail(r, ERR_MALFORMED);
	eids_read(r, n_eids, m);
	peers_read(r, n_peers, m, s);
}

/* May this be said?  docs/cpm.md 3.2. */
static bool
rules_kept(const struct cpm *m, const struct specials *s)
{
	const struct op_rules *o = op_rules(m->op);

	if (!o || !has_reason(o->reasons, m->reason))
		return false;
	if (m->generation >= GENERATION_MAX)
		return false;
	if (!m->generation && !has_reason(o->generation_0, m->reason))
		return false;
	if (s->bad || s->owners > 1 || s->macs > 1)
		return false;
	if (has_reason(o->owner, m->reason) && !s->owners)
		return false;
	if (has_reason(o->rloc, m->reason) && !s->rlocs)
		return false;
	return !s->macs || has_reason(o->mac, m->reason);
}

static uint8_t
kinds_that_count(const struct cpm *m)
{
	const struct op_rules *o = op_rules(m->op);
	unsigned kinds = o ? o->kinds : 0;

	if (m->op == CPM_OP_REQUESTERS && m->reason == CPM_ARRIVING)
		kinds &= ~KIND(CPM_PEER);
	return (uint8_t)kinds;
}

enum err
cpm_decode(const uint8_t *bytes, size_t len, uint16_t subtype, struct cpm *out)
{
	struct wire_reader r = wire_reader(bytes, len);
	struct specials s = { 0 };
	struct cpm_header h;
	struct cpm m, bare;
	uint8_t flags;
	enum err err = cpm_header_decode(bytes, len, subtype, &h);

	if (err)
		return err;
	if (h.op == CPM_OP_ACK)
		return ERR_MALFORMED;
	header_read(&r, &h, &flags);
	m = (struct cpm){
		.subtype = h.subtype,
		.version = h.version,
		.op = (enum cpm_op)h.op,
		.ack_wanted = flags & FLAG_ACK_WANTED,
		.nonce = h.nonce,
		.key_id = h.key_id,
		.algorithm = h.algorithm,
	};
	memcpy(m.sender_id, h.sender_id, sizeof(m.sender_id));
	bare = m;
	if (h.version == CPM_VERSION)
		body_read(&r, &m, &s);
	if (h.version != CPM_VERSION || (!op_rules(h.op) && r.err)) {
		*out = bare;
		return ERR_UNSUPPORTED;
	}
	if (r.err)
		return r.err == ERR_UNSUPPORTED ? ERR_MALFORMED : r.err;
	m.drained = (flags & FLAG_DRAINED) && m.op == CPM_OP_REQUESTERS &&
	    m.reason == CPM_ARRIVED;
	m.peers.kinds = kinds_that_count(&m);
	*out = m;
	return rules_kept(&m, &s) ? ERR_OK : ERR_UNSUPPORTED;
}

bool
cpm_peer_next(struct records_peers *peers, struct cpm_peer *out)
{
	struct wire_reader r = wire_reader(peers->at, peers->len);
	bool found = false;

	while (peers->left && !found) {
		struct cpm_peer p;

		peer_read(&r, &p);
		peers->left--;
		found = p.kind < 8 && (peers->kinds & KIND(p.kind)) &&
		    peer_is_usable(&p);
		if (found)
			*out = p;
	}
	peers->at = r.at;
	peers->len = wire_left(&r);
	return found;
}

/* docs/cpm.md 3.3. */
enum err
cpm_ack_decode(
    const uint8_t *bytes, size_t len, uint16_t subtype, struct cpm_ack *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct cpm_header h;
	struct cpm_ack a = { 0 };
	uint8_t flags;
	enum err err = cpm_header_decode(bytes, len, subtype, &h);

	if (err)
		return err;
	if (h.version != CPM_VERSION)
		return ERR_UNSUPPORTED;
	if (h.op != CPM_OP_ACK)
		return ERR_MALFORMED;
	header_read(r, &h, &flags);
	a.subtype = h.subtype;
	a.nonce = h.nonce;
	a.key_id = h.key_id;
	a.algorithm = h.algorithm;
	memcpy(a.sender_id, h.sender_id, sizeof(a.sender_id));
	a.series = wire_get_u32(r);
	a.part = wire_get_u16(r);
	a.parts = wire_get_u16(r);
	a.status = wire_get_u8(r);
	a.reason = wire_get_u8(r);
	a.n_eids = wire_get_u8(r);
	wire_get_u8(r); /* reserved */
	a.highest_nonce = wire_get_u64(r);
	a.highest_generation = wire_get_u64(r);
	if (!r->err &&
	    (a.n_eids > CPM_EIDS_MAX || a.highest_generation >= GENERATION_MAX))
		wire_fail(r, ERR_MALFORMED);
	for (unsigned i = 0; i < a.n_eids && !r->err; i++) {
		a.eids[i].status = wire_get_u8(r);
		eid_read(r, &a.eids[i].eid);
	}
	if (r->err)
		return r->err;
	*out = a;
	return ERR_OK;
}
