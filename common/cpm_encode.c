/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpm_encode.c - the Change Priority Message and its Ack: struct -> octets.
 *
 * vmagent writes op 1, xtrd ops 3, 4 and the Acks.  How many peers fit into a
 * part is reckoned here too, so that the sizes and the layout cannot drift
 * apart.  docs/cpm.md 3.2 to 3.4; cpm.c is the other direction.
 */
#include "cpm.h"

#include "lisp.h"
#include "msg.h"

enum {
	FLAG_ACK_WANTED = 0x80,
	FLAG_DRAINED = 0x40,
	ENTRY_HEADER = 4, /* status or kind, mask-len or flags, AFI */
	IID_LCAF = 12,	  /* what an instance-ID adds to an address */
};

static void
header_put(struct wire_writer *w, const struct cpm_header *h, uint8_t flags)
{
	wire_put_u16(w, LISP_SHARED << 12 | (h->subtype & 0x0fffu));
	wire_put_u8(w, CPM_VERSION << 4 | (h->op & 0x0fu));
	wire_put_u8(w, flags);
	wire_put_u64(w, h->nonce);
	wire_put_u8(w, h->key_id);
	wire_put_u8(w, h->algorithm);
	wire_put_u16(w, CPM_AUTH_LEN);
	wire_put_zero(w, CPM_AUTH_LEN);
	wire_put_bytes(w, h->sender_id, sizeof(h->sender_id));
}

/* 'first' is the reserved octet, or in an Ack the EID's status. */
static void
eid_put(struct wire_writer *w, uint8_t first, const struct eid *e)
{
	struct lisp_addr a = lisp_addr_from_eid(e);

	wire_put_u8(w, first);
	wire_put_u8(w, e->bits);
	lisp_addr_encode(w, &a);
}

static void
peer_put(struct wire_writer *w, const struct cpm_peer *p)
{
	struct lisp_addr a = lisp_addr_from_addr(&p->addr);

	if (p->kind != CPM_OWNER && p->kind != CPM_MAC && p->iid) {
		a.has_iid = true;
		a.iid = p->iid;
	}
	wire_put_u8(w, p->kind);
	wire_put_u8(w, p->kind == CPM_ITR ? p->flags & CPM_CONFIRMED : 0);
	lisp_addr_encode(w, &a);
}

void
cpm_encode(struct wire_writer *w, const struct cpm *m,
    const struct cpm_peer *peers, unsigned n_peers)
{
	struct cpm_header h = {
		.subtype = m->subtype,
		.op = (uint8_t)m->op,
		.key_id = m->key_id,
		.algorithm = m->algorithm,
		.nonce = m->nonce,
	};

	if (m->n_eids > CPM_EIDS_MAX || n_peers > UINT16_MAX) {
		w->err = ERR_FULL;
		return;
	}
	memcpy(h.sender_id, m->sender_id, sizeof(h.sender_id));
	header_put(w, &h,
	    (uint8_t)((m->ack_wanted ? FLAG_ACK_WANTED : 0) |
		(m->drained ? FLAG_DRAINED : 0)));
	wire_put_bytes(w, m->vm_id, sizeof(m->vm_id));
	wire_put_u64(w, m->generation);
	wire_put_u64(w, m->event_ms);
	wire_put_u32(w, m->series);
	wire_put_u16(w, m->part);
	wire_put_u16(w, m->parts);
	wire_put_u8(w, m->reason);
	wire_put_u8(w, m->n_eids);
	wire_put_u16(w, n_peers);
	for (unsigned i = 0; i < m->n_eids; i++)
		eid_put(w, 0, &m->eids[i]);
	for (unsigned i = 0; i < n_peers; i++)
		peer_put(w, &peers[i]);
}

void
cpm_ack_encode(struct wire_writer *w, const struct cpm_ack *a)
{
	struct cpm_header h = {
		.subtype = a->subtype,
		.op = CPM_OP_ACK,
		.key_id = a->key_id,
		.algorithm = a->algorithm,
		.nonce = a->nonce,
	};

	if (a->n_eids > CPM_EIDS_MAX) {
		w->err = ERR_FULL;
		return;
	}
	memcpy(h.sender_id, a->sender_id, sizeof(h.sender_id));
	header_put(w, &h, 0);
	wire_put_u32(w, a->series);
	wire_put_u16(w, a->part);
	wire_put_u16(w, a->parts);
	wire_put_u8(w, a->status);
	wire_put_u8(w, a->reason);
	wire_put_u8(w, a->n_eids);
	wire_put_u8(w, 0);
	wire_put_u64(w, a->highest_nonce);
	wire_put_u64(w, a->highest_generation);
	for (unsigned i = 0; i < a->n_eids; i++)
		eid_put(w, a->eids[i].status, &a->eids[i].eid);
}

size_t
cpm_peer_len(const struct cpm_peer *p)
{
	bool iid = p->kind != CPM_OWNER && p->kind != CPM_MAC && p->iid;

	return ENTRY_HEADER + addr_len(p->addr.afi) + (iid ? IID_LCAF : 0u);
}

unsigned
cpm_peers_fit(const struct cpm *m, const struct cpm_peer *peers,
    unsigned n_peers, size_t payload)
{
	size_t len = CPM_HEADER;
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_eids; i++)
		len += ENTRY_HEADER + addr_len(m->eids[i].addr.afi) +
		    (m->eids[i].iid ? IID_LCAF : 0u);
	for (; n < n_peers && n < UINT16_MAX; n++) {
		len += cpm_peer_len(&peers[n]);
		if (len > payload)
			break;
	}
	/* An ITR goes with the EID of its side, docs/cpm.md 3.2. */
	if (n && n < n_peers && peers[n - 1].kind == CPM_ITR &&
	    peers[n].kind == CPM_PEER)
		n--;
	return n;
}

const char *
cpm_reason_str(uint8_t reason)
{
	static const char *const words[] = { "none", "arrived", "departing",
		"departed", "aborted", "present", "arriving", "paused",
		"absent" };

	return reason < sizeof(words) / sizeof(words[0]) ? words[reason]
							 : "unknown";
}

const char *
cpm_status_str(uint8_t status)
{
	static const char *const words[] = { "done", "nothing to do",
		"EIDs differ", "not authorised", "rate limit", "malformed",
		"stale nonce", "reserved", "internal error",
		"stale generation" };

	return status < sizeof(words) / sizeof(words[0]) ? words[status]
							 : "unknown";
}
