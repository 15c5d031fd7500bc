/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr_wire.c - addresses in messages: AFI, instance-ID, the other LCAFs.
 *
 * decode.c, encode.c and cpm.c stand on this.  We read plain addresses and
 * those in an instance-ID LCAF; every other LCAF and a distinguished name is
 * carried as octets, so that a record can be passed on unchanged.  Carried is
 * not trusted: the inside of each type of RFC 8060 is walked once, because a
 * length that lies would let two programs read two different messages.
 *
 * The walk is one table of layouts, not sixteen functions: fixed octets in
 * front, then addresses, sometimes repeated to the end of the body.
 */
#include "msg.h"

enum {
	LCAF_NULL = 0,
	LCAF_AFI_LIST = 1,
	LCAF_MULTICAST = 9,
	LCAF_SECURITY_KEY = 11,
	LCAF_SOURCE_DEST = 12,
	LCAF_JSON = 14,
	LCAF_KNOWN_MAX = 16, /* the last one RFC 8060 names */
	LCAF_VENDOR = 255,   /* RFC 9306 4 */
	LCAF_HEADER = 8,     /* AFI included */
};

/* RFC 8060 4 and 5; RFC 9306 4. */
struct lcaf_layout {
	uint8_t fixed;	/* octets before the first address */
	uint8_t addrs;	/* addresses that must be there */
	uint8_t repeat; /* 1 + octets before each further address, 0 = none */
};

static const struct lcaf_layout layouts[LCAF_KNOWN_MAX + 1] = {
	[LCAF_NULL] = { 0, 0, 0 },
	[LCAF_AFI_LIST] = { 0, 0, 1 },
	[LISP_LCAF_IID] = { 4, 1, 0 },
	[3] = { 4, 1, 0 },  /* AS number */
	[4] = { 12, 1, 0 }, /* application data */
	/* 5, geo: other layouts are deployed; an RLOC to ignore, not an error */
	[5] = { 0, 0, 0 },
	[6] = { 3, 0, 0 }, /* opaque key */
	[7] = { 4, 3, 1 }, /* NAT traversal */
	[8] = { 4, 1, 0 }, /* nonce locator */
	[LCAF_MULTICAST] = { 8, 2, 0 },
	[10] = { 0, 0, 3 }, /* explicit locator path */
	[LCAF_SECURITY_KEY] = { 4, 1, 0 },
	[LCAF_SOURCE_DEST] = { 4, 2, 0 },
	[13] = { 0, 0, 5 }, /* replication list */
	[LCAF_JSON] = { 2, 1, 0 },
	[15] = { 0, 2, 0 }, /* key, value */
	[16] = { 4, 1, 0 }, /* encapsulation format */
};

static void
addr_read(struct wire_reader *, unsigned depth, struct lisp_addr *out);

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

/* The part of variable length between 'fixed' and the address. */
static void
variable_skip(struct wire_reader *r, unsigned type, const uint8_t *fixed)
{
	if (!fixed)
		return;
	if (type == LCAF_SECURITY_KEY)
		for (unsigned i = 0; i < fixed[0] && !r->err; i++)
			wire_take(r, wire_get_u16(r));
	if (type == LCAF_JSON)
		wire_take(r, (size_t)(fixed[0] << 8 | fixed[1]));
}

/* The mask-lens that types 9 and 12 carry themselves. */
static void
inner_mask_check(struct wire_reader *r, unsigned type, const uint8_t *fixed,
    unsigned index, const struct lisp_addr *a)
{
	unsigned bits;

	if (r->err || index > 1)
		return;
	if (type == LCAF_SOURCE_DEST)
		bits = fixed[2 + index];
	else if (type == LCAF_MULTICAST)
		bits = fixed[6 + index];
	else
		return;
	if (bits > lisp_addr_bits(a))
		wire_fail(r, ERR_MALFORMED);
}

/* Walks the body of an LCAF; what is left over at its end is skipped. */
static void
lcaf_check(struct wire_reader *body, unsigned type, unsigned depth)
{
	const struct lcaf_layout *l;
	const uint8_t *fixed;
	struct lisp_addr a;

	if (type == LCAF_VENDOR)
		wire_take(body, 4); /* reserved, OUI */
	if (type > LCAF_KNOWN_MAX)
		return;
	l = &layouts[type];
	fixed = wire_take(body, l->fixed);
	variable_skip(body, type, fixed);
	for (unsigned i = 0; i < l->addrs && !body->err; i++) {
		addr_read(body, depth, &a);
		inner_mask_check(body, type, fixed, i, &a);
	}
	while (l->repeat && !body->err && wire_left(body)) {
		wire_take(body, l->repeat - 1u);
		addr_read(body, depth, &a);
	}
}

/* Type of the LCAF that starts at 'bytes' (its AFI), -1 if it is none. */
static int
lcaf_type(const uint8_t *bytes, size_t len)
{
	if (len < LCAF_HEADER || (bytes[0] << 8 | bytes[1]) != AFI_LCAF)
		return -1;
	return bytes[4];
}

/*
 * The inside of an instance-ID LCAF.  A plain address becomes 'out'; another
 * LCAF leaves out->opaque for the caller to widen.
 */
static void
iid_read(struct wire_reader *body, unsigned depth, struct lisp_addr *out)
{
	struct lisp_addr inner;
	uint32_t iid = wire_get_u32(body);
	int type = lcaf_type(body->at, wire_left(body));

	/* RFC 8060 4.1 knows no instance in an instance. */
	if (type == LISP_LCAF_IID)
		wire_fail(body, ERR_MALFORMED);
	addr_read(body, depth, &inner);
	if (body->err)
		return;
	/* Multicast info has its own: two that differ mean nothing. */
	if (type == LCAF_MULTICAST) {
		struct wire_reader m =
		    wire_reader(inner.opaque, inner.opaque_len);

		wire_take(&m, LCAF_HEADER);
		if (wire_get_u32(&m) != iid)
			wire_fail(body, ERR_MALFORMED);
	}
	out->iid = iid;
	out->has_iid = true;
	out->addr = inner.addr;
	out->opaque = inner.opaque;
}

/* The octets after the AFI of an LCAF, whose own start is 'start'. */
static void
lcaf_read(struct wire_reader *r, const uint8_t *start, unsigned depth,
    struct lisp_addr *out)
{
	struct wire_reader body;
	unsigned type, rsvd2;

	wire_take(r, 2); /* Rsvd1, flags */
	type = wire_get_u8(r);
	rsvd2 = wire_get_u8(r);
	body = wire_sub(r, wire_get_u16(r));
	if (depth >= LISP_LCAF_DEPTH_MAX)
		wire_fail(r, ERR_MALFORMED);
	if (r->err)
		return;
	if (type == LISP_LCAF_IID)
		iid_read(&body, depth + 1, out);
	else
		lcaf_check(&body, type, depth + 1);
	if (body.err) {
		wire_fail(
		    r, body.err == ERR_TRUNCATED ? ERR_MALFORMED : body.err);
		return;
	}
	if (type == LISP_LCAF_IID && !out->opaque) {
		out->iid_bits = (uint8_t)rsvd2;
		return;
	}
	opaque_set(r, start, out);
}

static void
addr_read(struct wire_reader *r, unsigned depth, struct lisp_addr *out)
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
	addr_read(r, 0, out);
}

void
lisp_eid_decode(struct wire_reader *r, struct lisp_addr *out)
{
	const uint8_t *at;
	size_t len;

	addr_read(r, 0, out);
	if (r->err || !out->opaque)
		return;
	at = out->opaque;
	len = out->opaque_len;
	if (lcaf_type(at, len) == LISP_LCAF_IID) {
		at += LCAF_HEADER + 4;
		len -= LCAF_HEADER + 4;
	}
	/* RFC 9306 3 and 4: drop what a locator may carry but an EID not. */
	if (lcaf_type(at, len) > LCAF_KNOWN_MAX)
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
		wire_put_u8(w, LISP_LCAF_IID);
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
	if ((a->opaque[0] << 8 | a->opaque[1]) != AFI_NAME)
		return 255;
	octets = a->opaque_len - 2u; /* its NUL counts, RFC 9735 */
	return octets < 32 ? octets * 8 : 255;
}
