/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr_wire.c - addresses in messages: AFI, LCAF header, instance-ID.
 *
 * decode.c, encode.c and cpm.c stand on this.  We read plain addresses and
 * those in an instance-ID LCAF; every other LCAF and a distinguished name is
 * carried as octets, so that a record can be passed on unchanged.  Carried is
 * not trusted: lcaf.c walks the inside of each type once.
 */
#include "lcaf.h"
#include "msg.h"

/* Everything from 'start' to where 'r' stands, as octets. */
static void
opaque_set(struct wire_reader *r, const uint8_t *start, struct lisp_addr *out)
{
	size_t len = (size_t)(r->at - start);

	if (r->err)
		return;
	if (len > UINT16_MAX) {
		wire_fail(r, ERR_MALFORMED); /* longer than any message */
		return;
	}
	*out = (struct lisp_addr){
		.opaque = start,
		.opaque_len = (uint16_t)len,
	};
}

/* A name ends with its first NUL inside the message (RFC 9735). */
static void
name_skip(struct wire_reader *r)
{
	const uint8_t *nul = NULL;

	if (!r->err && wire_left(r))
		nul = memchr(r->at, 0, wire_left(r));
	if (nul)
		wire_take(r, (size_t)(nul - r->at) + 1);
	else
		wire_fail(r, ERR_TRUNCATED);
}

int
lisp_addr_lcaf_type(const struct lisp_addr *a)
{
	struct wire_reader r = wire_reader(a->opaque, a->opaque_len);
	uint8_t type;

	if (wire_get_u16(&r) != AFI_LCAF)
		return -1;
	wire_take(&r, 2); /* Rsvd1, flags */
	type = wire_get_u8(&r);
	return r.err ? -1 : type;
}

bool
lisp_addr_is_name(const struct lisp_addr *a)
{
	struct wire_reader r = wire_reader(a->opaque, a->opaque_len);

	return wire_get_u16(&r) == AFI_NAME;
}

/* The octets after the AFI of an LCAF, whose own start is 'start'. */
static void
lcaf_read(struct wire_reader *r, const uint8_t *start, unsigned depth,
    struct lisp_addr *out)
{
	struct wire_reader body;
	struct lcaf l = { 0 };

	wire_take(r, 2); /* Rsvd1, flags */
	l.type = wire_get_u8(r);
	l.rsvd2 = wire_get_u8(r);
	body = wire_sub(r, wire_get_u16(r));
	if (depth >= LISP_LCAF_DEPTH_MAX)
		wire_fail(r, ERR_MALFORMED);
	if (r->err)
		return;
	lcaf_body_decode(&body, depth + 1, &l);
	if (body.err) {
		wire_fail(
		    r, body.err == ERR_TRUNCATED ? ERR_MALFORMED : body.err);
		return;
	}
	if (l.type == LCAF_INSTANCE && !l.addr.opaque) {
		out->has_iid = true;
		out->iid_bits = l.rsvd2;
		out->iid = l.iid;
		out->addr = l.addr.addr;
		return;
	}
	opaque_set(r, start, out);
	out->vendor = l.vendor;
}

void
lisp_addr_decode_at(
    struct wire_reader *r, unsigned depth, struct lisp_addr *out)
{
	const uint8_t *start = r->at;
	uint16_t afi = wire_get_u16(r);

	*out = (struct lisp_addr){ 0 };
	switch (afi) {
	case AFI_NONE:
	case AFI_IPV4:
	case AFI_IPV6:
	case AFI_MAC:
		out->addr.afi = afi;
		wire_get_bytes(r, out->addr.bytes, addr_len(afi));
		break;
	case AFI_NAME:
		name_skip(r);
		opaque_set(r, start, out);
		break;
	case AFI_LCAF:
		lcaf_read(r, start, depth, out);
		break;
	default:
		/* Its length is unknown: no way on (RFC 9301 5.1). */
		wire_fail(r, ERR_UNSUPPORTED);
	}
	if (r->err)
		*out = (struct lisp_addr){ 0 };
}

void
lisp_addr_decode(struct wire_reader *r, struct lisp_addr *out)
{
	lisp_addr_decode_at(r, 0, out);
}

void
lisp_eid_decode(struct wire_reader *r, struct lisp_addr *out)
{
	const struct lisp_addr *inner = out;
	struct lcaf l;

	lisp_addr_decode_at(r, 0, out);
	if (r->err || !out->opaque)
		return;
	if (lisp_addr_lcaf_type(out) == LCAF_INSTANCE && !lcaf_decode(out, &l))
		inner = &l.addr;
	/* RFC 9306 3 and 4: drop what a locator may carry but an EID not. */
	if (lisp_addr_lcaf_type(inner) > LCAF_NAMED_MAX)
		wire_fail(r, ERR_UNSUPPORTED);
}

void
lisp_addr_encode(struct wire_writer *w, const struct lisp_addr *a)
{
	size_t len = addr_len(a->addr.afi);

	if (a->opaque) {
		wire_put_bytes(w, a->opaque, a->opaque_len);
		return;
	}
	if (a->has_iid) { /* RFC 8060 4.1 */
		wire_put_u16(w, AFI_LCAF);
		wire_put_u16(w, 0);
		wire_put_u8(w, LCAF_INSTANCE);
		wire_put_u8(w, a->iid_bits);
		wire_put_u16(w, (unsigned)(4 + 2 + len));
		wire_put_u32(w, a->iid);
	}
	wire_put_u16(w, a->addr.afi);
	wire_put_bytes(w, a->addr.bytes, len);
}

unsigned
lisp_addr_bits(const struct lisp_addr *a)
{
	unsigned octets;

	if (!a->opaque)
		return addr_bits(&a->addr);
	if (!lisp_addr_is_name(a))
		return 255;
	octets = a->opaque_len - 2u; /* its NUL counts, RFC 9735 */
	return octets < 32 ? octets * 8 : 255;
}
