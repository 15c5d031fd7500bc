/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - control messages of RFC 9301: the structs of msg.h -> octets.
 *
 * Called by output.c; the mirror of decode.c.  Reserved bits are always 0.  A
 * message that carries mapping records is written in pieces, header, records,
 * ids, because the records come from tables and need no array in between.  The
 * authentication data is left zero for auth_sign().
 */
#include "msg.h"

/* 'on' in bit 'n' of the first word, counted as the RFCs do. */
static uint32_t
bit(unsigned n, bool on)
{
	return (uint32_t)on << (31 - n);
}

static void
locator_put(struct wire_writer *w, const struct locator *l)
{
	wire_put_u8(w, l->priority);
	wire_put_u8(w, l->weight);
	wire_put_u8(w, l->mpriority);
	wire_put_u8(w, l->mweight);
	wire_put_u16(w,
	    (l->local ? 4u : 0u) | (l->probed ? 2u : 0u) |
		(l->reachable ? 1u : 0u));
	lisp_addr_encode(w, &l->addr);
}

/* RFC 9301 5.4. */
void
mapping_encode(struct wire_writer *w, const struct mapping *m)
{
	wire_put_u32(w, m->ttl_min);
	wire_put_u8(w, m->n_locators);
	wire_put_u8(w, m->eid_bits);
	wire_put_u16(
	    w, (m->action & 7u) << 13 | (m->authoritative ? 0x1000u : 0u));
	wire_put_u16(w, m->version & 0x0fffu);
	lisp_addr_encode(w, &m->eid);
	for (unsigned i = 0; i < m->n_locators; i++)
		locator_put(w, &m->locators[i]);
}

static void
ids_put(struct wire_writer *w, const uint8_t xtr_id[16], uint64_t site_id)
{
	wire_put_bytes(w, xtr_id, 16);
	wire_put_u64(w, site_id);
}

/* RFC 9301 5.2, RFC 9437 4. */
void
map_request_encode(struct wire_writer *w, const struct map_request *m)
{
	if (!m->n_itr_rlocs || m->n_itr_rlocs > LISP_ITR_RLOCS_MAX ||
	    m->n_records > LISP_RECORDS_MAX) {
		w->err = ERR_FULL;
		return;
	}
	wire_put_u32(w,
	    (uint32_t)LISP_MAP_REQUEST << 28 | bit(4, m->authoritative) |
		bit(5, m->has_mapping) | bit(6, m->probe) | bit(7, m->smr) |
		bit(8, m->pitr) | bit(9, m->smr_invoked) |
		bit(11, m->has_xtr_id) | bit(17, m->local_xtr) |
		bit(18, m->no_reply) | (m->n_itr_rlocs - 1) << 8 |
		m->n_records);
	wire_put_u64(w, m->nonce);
	lisp_addr_encode(w, &m->source_eid);
	for (unsigned i = 0; i < m->n_itr_rlocs; i++)
		lisp_addr_encode(w, &m->itr_rlocs[i]);
	for (unsigned i = 0; i < m->n_records; i++) {
		wire_put_u8(w, m->records[i].notify ? 0x80 : 0);
		wire_put_u8(w, m->records[i].eid_bits);
		lisp_addr_encode(w, &m->records[i].eid);
	}
	if (m->has_mapping)
		wire_put_bytes(w, m->mapping.at, m->mapping.len);
	if (m->has_xtr_id)
		ids_put(w, m->xtr_id, m->site_id);
}

/* RFC 9301 5.4. */
void
map_reply_header(struct wire_writer *w, const struct map_reply *m)
{
	wire_put_u32(w,
	    (uint32_t)LISP_MAP_REPLY << 28 | bit(4, m->probe) |
		bit(5, m->echo_nonce) | bit(6, m->security) |
		(m->n_records & 0xff));
	wire_put_u64(w, m->nonce);
}

static void
auth_header_put(struct wire_writer *w, const struct auth_header *a)
{
	wire_put_u8(w, a->key_id);
	wire_put_u8(w, a->algorithm);
	wire_put_u16(w, a->len);
	wire_put_zero(w, a->len);
}

/* RFC 9301 5.6. */
void
map_register_header(struct wire_writer *w, const struct map_register *m)
{
	wire_put_u32(w,
	    (uint32_t)LISP_MAP_REGISTER << 28 | bit(4, m->proxy) |
		bit(5, m->security) | bit(6, m->has_xtr_id) |
		bit(19, m->eid_notify) | bit(20, m->use_ttl) |
		bit(21, m->merge) | bit(23, m->want_notify) |
		(m->n_records & 0xff));
	wire_put_u64(w, m->nonce);
	auth_header_put(w, &m->auth);
}

void
map_register_trailer(struct wire_writer *w, const struct map_register *m)
{
	if (m->has_xtr_id)
		ids_put(w, m->xtr_id, m->site_id);
}

/* RFC 9301 5.7; bit 4: draft-ermagan-lisp-nat-traversal. */
void
map_notify_header(struct wire_writer *w, const struct map_notify *m)
{
	wire_put_u32(w,
	    (uint32_t)m->type << 28 | bit(4, m->has_xtr_id) |
		(m->n_records & 0xff));
	wire_put_u64(w, m->nonce);
	auth_header_put(w, &m->auth);
}

void
map_notify_trailer(struct wire_writer *w, const struct map_notify *m)
{
	if (m->has_xtr_id)
		ids_put(w, m->xtr_id, m->site_id);
}

/* RFC 8111 6.4. */
void
map_referral_header(struct wire_writer *w, const struct map_referral *m)
{
	wire_put_u32(
	    w, (uint32_t)LISP_MAP_REFERRAL << 28 | (m->n_records & 0xff));
	wire_put_u64(w, m->nonce);
}

/* RFC 8111 6.4.1. */
static void
signature_put(struct wire_writer *w, const struct referral_signature *s)
{
	wire_put_u32(w, s->original_ttl_min);
	wire_put_u32(w, s->expiration_s);
	wire_put_u32(w, s->inception_s);
	wire_put_u16(w, s->key_tag);
	wire_put_u16(w, s->len);
	wire_put_u8(w, s->algorithm);
	wire_put_zero(w, 3);
	wire_put_bytes(w, s->data, s->len);
}

/* RFC 8111 6.4. */
void
referral_encode(struct wire_writer *w, const struct referral *m)
{
	wire_put_u32(w, m->ttl_min);
	wire_put_u8(w, m->n_locators);
	wire_put_u8(w, m->eid_bits);
	wire_put_u16(w,
	    ((unsigned)m->action & 7u) << 13 |
		(m->authoritative ? 0x1000u : 0u) |
		(m->incomplete ? 0x0800u : 0u));
	wire_put_u16(
	    w, (m->n_signatures & 0x0fu) << 12 | (m->version & 0x0fffu));
	lisp_addr_encode(w, &m->eid);
	for (unsigned i = 0; i < m->n_locators; i++)
		locator_put(w, &m->locators[i]);
	for (unsigned i = 0; i < (m->n_signatures & 0x0fu); i++)
		signature_put(w, &m->signatures[i]);
}

/* draft-ermagan-lisp-nat-traversal 4.1, 4.2. */
void
info_encode(struct wire_writer *w, const struct info *m)
{
	wire_put_u32(w, (uint32_t)LISP_INFO << 28 | bit(4, m->reply));
	wire_put_u64(w, m->nonce);
	auth_header_put(w, &m->auth);
	wire_put_u32(w, m->ttl_min);
	wire_put_u8(w, 0);
	wire_put_u8(w, m->eid_bits);
	lisp_addr_encode(w, &m->eid);
	lisp_addr_encode(w, m->reply ? &m->nat : &m->name);
}
