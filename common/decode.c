/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - control messages of RFC 9301: octets -> the structs of msg.h.
 *
 * Called by input.c; ecm.c opens the wrapped ones, decode_referral.c reads those
 * of DDT, cpm.c type 15.  Pure: no log, no clock, no lookup.  One line per field
 * in the order of the RFC's diagrams.  Each decoder checks its message to the
 * last record before it says ERR_OK, so whoever walks the records afterwards
 * meets no error half-way.
 *
 * Octets behind the last structure the flags announce are left alone: later
 * RFCs may put something there.
 */
#include "decode.h"

#include "auth.h"

int
msg_type(const uint8_t *bytes, size_t len)
{
	return len ? bytes[0] >> 4 : -1;
}

uint32_t
decode_first_word(struct wire_reader *r, enum lisp_type type)
{
	uint32_t word = wire_get_u32(r);

	if (!r->err && word >> 28 != type)
		wire_fail(r, ERR_MALFORMED);
	return word;
}

/* Is bit 'n' of a message's first word set, counted as the RFCs do? */
static bool
bit(uint32_t word, unsigned n)
{
	return word >> (31 - n) & 1;
}

/* RFC 9301 5.4. */
void
decode_locator(struct wire_reader *r, struct locator *l)
{
	uint16_t flags;

	l->priority = wire_get_u8(r);
	l->weight = wire_get_u8(r);
	l->mpriority = wire_get_u8(r);
	l->mweight = wire_get_u8(r);
	flags = wire_get_u16(r);
	l->local = flags & 0x0004;
	l->probed = flags & 0x0002;
	l->reachable = flags & 0x0001;
	lisp_addr_decode(r, &l->addr);
}

static bool
is_none(const struct lisp_addr *a)
{
	return !a->opaque && !a->has_iid && a->addr.afi == AFI_NONE;
}

/* An EID, or AFI 0, with its mask-len, which stands before it. */
static void
optional_eid_read(struct wire_reader *r, unsigned bits, struct lisp_addr *out)
{
	lisp_eid_decode(r, out);
	if (!r->err && bits > lisp_addr_bits(out))
		wire_fail(r, ERR_MALFORMED);
}

void
decode_eid(struct wire_reader *r, unsigned bits, struct lisp_addr *out)
{
	optional_eid_read(r, bits, out);
	if (is_none(out))
		wire_fail(r, ERR_MALFORMED);
}

/*
 * RFC 9301 5.4.  'step' 1 keeps the locators, 0 only checks them: most
 * messages are walked once to be checked, and 255 locators are 14 KB.
 */
static void
record_read(
    struct wire_reader *r, unsigned step, struct mapping *m, bool *vendor)
{
	uint16_t word;

	m->ttl_min = wire_get_u32(r);
	m->n_locators = wire_get_u8(r);
	m->eid_bits = wire_get_u8(r);
	word = wire_get_u16(r);
	m->action = (uint8_t)(word >> 13);
	m->authoritative = word & 0x1000;
	m->version = wire_get_u16(r) & 0x0fff;
	decode_eid(r, m->eid_bits, &m->eid);
	*vendor |= m->eid.vendor;
	for (unsigned i = 0; i < m->n_locators && !r->err; i++) {
		decode_locator(r, &m->locators[i * step]);
		*vendor |= m->locators[i * step].addr.vendor;
	}
}

/*
 * Checks 'n' records; 'all_authoritative': each must have A.  True if there is
 * an LCAF of a vendor.
 */
static bool
records_check(struct wire_reader *r, unsigned n, bool all_authoritative,
    struct records *out)
{
	const uint8_t *start = r->at;
	bool vendor = false;
	struct mapping m;

	for (unsigned i = 0; i < n && !r->err; i++) {
		record_read(r, 0, &m, &vendor);
		if (all_authoritative && !m.authoritative)
			wire_fail(r, ERR_MALFORMED);
	}
	*out = (struct records){ start, (size_t)(r->at - start), n };
	return vendor;
}

bool
records_next(struct records *records, struct mapping *out)
{
	struct wire_reader r;
	bool vendor = false;

	if (!records->left)
		return false;
	r = wire_reader(records->at, records->len);
	record_read(&r, 1, out, &vendor);
	records->at = r.at;
	records->len = wire_left(&r);
	records->left--;
	return true;
}

enum err
mapping_decode(struct wire_reader *r, struct mapping *out)
{
	struct records one;

	records_check(r, 1, false, &one);
	if (r->err)
		return r->err;
	records_next(&one, out);
	return ERR_OK;
}

/* xTR-ID and Site-ID (RFC 9301 5.6). */
static void
ids_read(struct wire_reader *r, uint8_t xtr_id[16], uint64_t *site_id)
{
	wire_get_bytes(r, xtr_id, 16);
	*site_id = wire_get_u64(r);
}

/*
 * An ITR must be reachable at one of its RLOCs at least (RFC 9301 5.3); AFI 0
 * alone ends a subscription (RFC 9437 5).
 */
static void
itr_rlocs_check(struct wire_reader *r, const struct map_request *m)
{
	bool notify = false, none = false;

	for (unsigned i = 0; i < m->n_itr_rlocs; i++) {
		const struct lisp_addr *a = &m->itr_rlocs[i];

		if (!a->opaque && !addr_is_martian(&a->addr))
			return;
		none |= !a->opaque && a->addr.afi == AFI_NONE;
	}
	for (unsigned i = 0; i < m->n_records; i++)
		notify |= m->records[i].notify;
	if (!none || !notify)
		wire_fail(r, ERR_MALFORMED);
}

static void
request_record_read(struct wire_reader *r, struct request_record *out)
{
	out->notify = wire_get_u8(r) & 0x80; /* RFC 9437 4 */
	out->eid_bits = wire_get_u8(r);
	decode_eid(r, out->eid_bits, &out->eid);
}

/* RFC 9301 5.2, RFC 9437 4. */
enum err
map_request_decode(const uint8_t *bytes, size_t len, struct map_request *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct map_request m = { 0 };
	uint32_t word = decode_first_word(r, LISP_MAP_REQUEST);

	m.authoritative = bit(word, 4);
	m.has_mapping = bit(word, 5);
	m.probe = bit(word, 6);
	m.smr = bit(word, 7);
	m.pitr = bit(word, 8);
	m.smr_invoked = bit(word, 9);
	m.has_xtr_id = bit(word, 11);
	m.local_xtr = bit(word, 17);
	m.no_reply = bit(word, 18);
	m.n_itr_rlocs = (word >> 8 & 0x1f) + 1;
	m.n_records = word & 0xff;
	m.nonce = wire_get_u64(r);
	lisp_eid_decode(r, &m.source_eid);
	m.vendor = m.source_eid.vendor;
	for (unsigned i = 0; i < m.n_itr_rlocs && !r->err; i++) {
		lisp_addr_decode(r, &m.itr_rlocs[i]);
		m.vendor |= m.itr_rlocs[i].vendor;
	}
	for (unsigned i = 0; i < m.n_records && !r->err; i++) {
		request_record_read(r, &m.records[i]);
		m.vendor |= m.records[i].eid.vendor;
	}
	if (m.has_mapping)
		m.vendor |= records_check(r, 1, false, &m.mapping);
	if (m.has_xtr_id)
		ids_read(r, m.xtr_id, &m.site_id);
	if (!r->err && !m.n_records)
		wire_fail(r, ERR_MALFORMED);
	if (!r->err)
		itr_rlocs_check(r, &m);
	if (r->err)
		return r->err;
	*out = m;
	return ERR_OK;
}

/*
 * RFC 9303 6.2: EID-AD and PKT-AD, whose lengths count themselves.  Bounded
 * here, understood elsewhere.
 */
static void
reply_security_check(struct wire_reader *r)
{
	uint8_t type = wire_get_u8(r);
	uint16_t len;

	if (!r->err && type != 1)
		wire_fail(r, ERR_UNSUPPORTED);
	wire_take(r, 3); /* unassigned */
	for (unsigned part = 0; part < 2; part++) {
		len = wire_get_u16(r);
		if (!r->err && len < 4)
			wire_fail(r, ERR_MALFORMED);
		wire_take(r, len - 2u);
	}
}

/* RFC 9301 5.4. */
enum err
map_reply_decode(const uint8_t *bytes, size_t len, struct map_reply *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct map_reply m = { 0 };
	uint32_t word = decode_first_word(r, LISP_MAP_REPLY);

	m.probe = bit(word, 4);
	m.echo_nonce = bit(word, 5);
	m.security = bit(word, 6);
	m.n_records = word & 0xff;
	m.nonce = wire_get_u64(r);
	/* A probe is answered by the ETR itself (RFC 9301 5.4, 7.1). */
	m.vendor = records_check(r, m.n_records, m.probe, &m.records);
	m.trailer = r->at;
	m.trailer_len = wire_left(r);
	if (m.security)
		reply_security_check(r);
	if (r->err)
		return r->err;
	*out = m;
	return ERR_OK;
}

static bool
auth_len_fits(const struct auth_header *a)
{
	switch (a->algorithm) {
	case AUTH_NONE:
		return a->len == 0;
	case AUTH_SHA1_96:
		return a->len == 20 || a->len == 12;
	}
	return a->len == 16 || a->len == 32;
}

/* Key ID to the end of the authentication data (RFC 9301 5.6). */
static void
auth_header_read(struct wire_reader *r, struct auth_header *out)
{
	out->key_id = wire_get_u8(r);
	out->algorithm = wire_get_u8(r);
	out->len = wire_get_u16(r);
	out->data = wire_take(r, out->len);
	if (r->err)
		return;
	if (out->algorithm > AUTH_SHA256_128_HKDF)
		wire_fail(r, ERR_ALGORITHM);
	else if (!auth_len_fits(out))
		wire_fail(r, ERR_MALFORMED);
}

enum err
auth_header_decode(const uint8_t *bytes, size_t len, struct auth_header *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct auth_header a = { 0 };
	uint32_t type = wire_get_u32(r) >> 28;

	if (!r->err && type != LISP_MAP_REGISTER && type != LISP_MAP_NOTIFY &&
	    type != LISP_MAP_NOTIFY_ACK && type != LISP_INFO &&
	    type != LISP_SHARED)
		wire_fail(r, ERR_MALFORMED);
	wire_get_u64(r); /* nonce */
	auth_header_read(r, &a);
	if (r->err)
		return r->err;
	*out = a;
	return ERR_OK;
}

/* RFC 9301 5.6. */
enum err
map_register_decode(const uint8_t *bytes, size_t len, struct map_register *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct map_register m = { 0 };
	uint32_t word = decode_first_word(r, LISP_MAP_REGISTER);

	m.proxy = bit(word, 4);
	m.security = bit(word, 5);
	m.has_xtr_id = bit(word, 6);
	m.eid_notify = bit(word, 19);
	m.use_ttl = bit(word, 20);
	m.merge = bit(word, 21);
	m.want_notify = bit(word, 23);
	m.n_records = word & 0xff;
	m.nonce = wire_get_u64(r);
	auth_header_read(r, &m.auth);
	m.vendor = records_check(r, m.n_records, false, &m.records);
	if (m.has_xtr_id)
		ids_read(r, m.xtr_id, &m.site_id);
	if (r->err)
		return r->err;
	m.trailer = r->at;
	m.trailer_len = wire_left(r);
	*out = m;
	return ERR_OK;
}

/*
 * RFC 9301 5.7.  Bit 4 is reserved there; draft-ermagan-lisp-nat-traversal
 * announces xTR-ID and Site-ID with it.  A reserved bit may be set without
 * meaning anything, so it counts only if the ids are there.
 */
enum err
map_notify_decode(const uint8_t *bytes, size_t len, struct map_notify *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct map_notify m = { .type = LISP_MAP_NOTIFY };
	uint32_t word;

	if (msg_type(bytes, len) == LISP_MAP_NOTIFY_ACK)
		m.type = LISP_MAP_NOTIFY_ACK;
	word = decode_first_word(r, m.type);
	m.n_records = word & 0xff;
	m.nonce = wire_get_u64(r);
	auth_header_read(r, &m.auth);
	m.vendor = records_check(r, m.n_records, false, &m.records);
	m.has_xtr_id = bit(word, 4) && wire_left(r) >= 24;
	if (m.has_xtr_id)
		ids_read(r, m.xtr_id, &m.site_id);
	if (r->err)
		return r->err;
	m.trailer = r->at;
	m.trailer_len = wire_left(r);
	*out = m;
	return ERR_OK;
}

/*
 * draft-ermagan-lisp-nat-traversal 4.1, 4.2.  The request ends in AFI 0, where
 * lispers.net has the name of the xTR; the reply in the NAT-traversal LCAF.
 */
enum err
info_decode(const uint8_t *bytes, size_t len, struct info *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct info m = { 0 };
	struct lisp_addr last;

	m.reply = bit(decode_first_word(r, LISP_INFO), 4);
	m.nonce = wire_get_u64(r);
	auth_header_read(r, &m.auth);
	m.ttl_min = wire_get_u32(r);
	wire_get_u8(r); /* reserved */
	m.eid_bits = wire_get_u8(r);
	optional_eid_read(r, m.eid_bits, &m.eid);
	lisp_addr_decode(r, &last);
	if (r->err)
		return r->err;
	if (m.reply ? lisp_addr_lcaf_type(&last) != LCAF_NAT
		    : !is_none(&last) && !lisp_addr_is_name(&last))
		return ERR_MALFORMED;
	*(m.reply ? &m.nat : &m.name) = last;
	m.vendor = m.eid.vendor || last.vendor;
	m.trailer = r->at;
	m.trailer_len = wire_left(r);
	*out = m;
	return ERR_OK;
}
