/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data.c - the LISP header of data packets, RFC 9300 5 and RFC 9305 3.
 *
 * Beside decode.c and encode.c because it is another port and another world:
 * no types, no records.  Most of the header is optional; what is not announced
 * by a flag reads as 0 here, whatever the octets say.
 */
#include "data.h"

#include "lisp.h"

enum {
	FLAG_N = 0x80,
	FLAG_L = 0x40,
	FLAG_E = 0x20,
	FLAG_V = 0x10,
	FLAG_I = 0x08,
	FLAG_P = 0x04,
	FLAG_KK = 0x03,
	SHIM_FIRST = 0x80, /* RFC 9305 3: next protocols that are shims */
};

/* Bits 8 to 31 of the first word. */
static void
second_part_read(struct wire_reader *r, uint8_t flags, struct data_header *h)
{
	uint32_t word = (uint32_t)wire_get_u8(r) << 16;

	word |= wire_get_u16(r);
	h->gpe = flags & FLAG_P;
	if (h->gpe)
		return;
	h->has_nonce = flags & FLAG_N;
	h->echo = h->has_nonce && (flags & FLAG_E);
	h->has_version = !h->has_nonce && (flags & FLAG_V);
	if (h->has_nonce)
		h->nonce = word;
	if (h->has_version) {
		h->source_version = (uint16_t)(word >> 12);
		h->destination_version = word & 0x0fff;
		/* RFC 9302 7.1: never null towards the destination. */
		if (!r->err && !h->destination_version)
			wire_fail(r, ERR_MALFORMED);
	}
}

static void
iid_lsb_read(struct wire_reader *r, uint8_t flags, struct data_header *h)
{
	uint32_t word = wire_get_u32(r);

	h->has_iid = flags & FLAG_I;
	h->has_lsb = flags & FLAG_L;
	if (h->has_iid)
		h->iid = word >> 8;
	if (h->has_lsb)
		h->lsb = h->has_iid ? word & 0xff : word;
}

/* The protocol behind any number of shims, whose lengths we know. */
static unsigned
shims_skip(struct wire_reader *r, unsigned next)
{
	while (next >= SHIM_FIRST && !r->err) {
		unsigned len;

		wire_get_u8(r); /* type */
		len = wire_get_u8(r);
		wire_get_u8(r); /* reserved */
		next = wire_get_u8(r);
		wire_take(r, (size_t)len * 4);
	}
	return next;
}

/* Length of the inner packet by its own header. */
static size_t
inner_length(struct wire_reader r, enum data_protocol protocol, enum err *err)
{
	const uint8_t *p = r.at;
	size_t left = wire_left(&r), len = left, header = 14;

	*err = ERR_TRUNCATED;
	if (protocol == DATA_IPV4)
		header = 20;
	else if (protocol == DATA_IPV6)
		header = 40;
	if (left < header)
		return 0;
	if (protocol == DATA_IPV4) {
		header = (p[0] & 0x0fu) * 4u;
		len = (size_t)(p[2] << 8 | p[3]);
		if (p[0] >> 4 != 4 || header < 20 || len < header)
			*err = ERR_MALFORMED;
	} else if (protocol == DATA_IPV6) {
		len = 40u + (size_t)(p[4] << 8 | p[5]);
		if (p[0] >> 4 != 6)
			*err = ERR_MALFORMED;
	}
	if (*err == ERR_TRUNCATED && len <= left)
		*err = ERR_OK;
	return len;
}

enum err
data_header_decode(const uint8_t *bytes, size_t len, struct data_header *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct data_header h = { 0 };
	uint8_t flags = wire_get_u8(r);
	unsigned next = 0;
	enum err err;

	second_part_read(r, flags, &h);
	iid_lsb_read(r, flags, &h);
	if (r->err)
		return r->err;
	if (flags & FLAG_KK)
		return ERR_UNSUPPORTED; /* RFC 8061: we negotiate no keys */
	if (h.gpe)
		next = shims_skip(r, bytes[3]);
	else if (wire_left(r))
		next = r->at[0] >> 4 == 4 ? DATA_IPV4 : DATA_IPV6;
	if (!r->err && !wire_left(r))
		wire_fail(r, ERR_TRUNCATED);
	if (r->err)
		return r->err;
	if (next < DATA_IPV4 || next > DATA_ETHERNET)
		return ERR_UNSUPPORTED;
	h.protocol = (enum data_protocol)next;
	h.inner = r->at;
	h.inner_len = inner_length(*r, h.protocol, &err);
	if (err)
		return err;
	*out = h;
	return ERR_OK;
}

void
data_header_encode(struct wire_writer *w, const struct data_header *h)
{
	unsigned flags =
	    (h->has_lsb ? FLAG_L : 0u) | (h->has_iid ? FLAG_I : 0u);
	uint32_t first = 0, second = 0;

	if (h->gpe) {
		flags |= FLAG_P;
		first = h->protocol;
	} else if (h->has_nonce) {
		flags |= FLAG_N | (h->echo ? FLAG_E : 0u);
		first = h->nonce & 0xffffff;
	} else if (h->has_version) {
		flags |= FLAG_V;
		first = (h->source_version & 0xfffu) << 12 |
		    (h->destination_version & 0xfffu);
	}
	if (h->has_iid)
		second = h->iid << 8;
	if (h->has_lsb)
		second |= h->has_iid ? h->lsb & 0xff : h->lsb;
	wire_put_u32(w, (uint32_t)flags << 24 | first);
	wire_put_u32(w, second);
}
