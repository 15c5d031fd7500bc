/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_referral.c - Map-Referrals of RFC 8111: octets -> struct map_referral.
 *
 * A record is that of a Map-Reply with other actions, the I bit and signatures
 * behind it, so it has a struct and a walk of its own.  Signatures are kept, not
 * verified.
 */
#include "decode.h"

/* RFC 8111 6.4.1. */
static void
signature_read(struct wire_reader *r, struct referral_signature *s)
{
	s->original_ttl_min = wire_get_u32(r);
	s->expiration_s = wire_get_u32(r);
	s->inception_s = wire_get_u32(r);
	s->key_tag = wire_get_u16(r);
	s->len = wire_get_u16(r);
	s->algorithm = wire_get_u8(r);
	wire_take(r, 3); /* reserved */
	s->data = wire_take(r, s->len);
}

/* A node or a Map-Server that is to be asked must be named (RFC 8111 6.2). */
static bool
referral_is_complete(const struct referral *m)
{
	switch (m->action) {
	case LISP_NODE_REFERRAL:
	case LISP_MS_REFERRAL:
	case LISP_MS_ACK:
		return m->n_locators;
	case LISP_MS_NOT_REGISTERED:
	case LISP_DELEGATION_HOLE:
	case LISP_NOT_AUTHORITATIVE:
		return true;
	}
	return false;
}

/*
 * RFC 8111 6.4.  'step' 1 keeps the locators, 0 only checks them, as in
 * decode.c.
 */
static void
referral_read(
    struct wire_reader *r, unsigned step, struct referral *m, bool *vendor)
{
	uint16_t word;

	m->ttl_min = wire_get_u32(r);
	m->n_locators = wire_get_u8(r);
	m->eid_bits = wire_get_u8(r);
	word = wire_get_u16(r);
	m->action = (enum lisp_referral)(word >> 13);
	m->authoritative = word & 0x1000;
	m->incomplete = word & 0x0800;
	word = wire_get_u16(r);
	m->n_signatures = (uint8_t)(word >> 12);
	m->version = word & 0x0fff;
	decode_eid(r, m->eid_bits, &m->eid);
	*vendor |= m->eid.vendor;
	for (unsigned i = 0; i < m->n_locators && !r->err; i++) {
		decode_locator(r, &m->locators[i * step]);
		*vendor |= m->locators[i * step].addr.vendor;
	}
	for (unsigned i = 0; i < m->n_signatures && !r->err; i++)
		signature_read(r, &m->signatures[i]);
	if (!r->err && !referral_is_complete(m))
		wire_fail(r, ERR_MALFORMED);
}

bool
referrals_next(struct records *records, struct referral *out)
{
	struct wire_reader r;
	bool vendor = false;

	if (!records->left)
		return false;
	r = wire_reader(records->at, records->len);
	referral_read(&r, 1, out, &vendor);
	records->at = r.at;
	records->len = wire_left(&r);
	records->left--;
	return true;
}

/* RFC 8111 6.4. */
enum err
map_referral_decode(const uint8_t *bytes, size_t len, struct map_referral *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct map_referral m = { 0 };
	uint32_t word = decode_first_word(r, LISP_MAP_REFERRAL);
	struct referral record;

	m.n_records = word & 0xff;
	m.nonce = wire_get_u64(r);
	m.records.at = r->at;
	m.records.left = m.n_records;
	for (unsigned i = 0; i < m.n_records && !r->err; i++)
		referral_read(r, 0, &record, &m.vendor);
	if (r->err)
		return r->err;
	m.records.len = (size_t)(r->at - m.records.at);
	m.trailer = r->at;
	m.trailer_len = wire_left(r);
	*out = m;
	return ERR_OK;
}
