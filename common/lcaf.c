/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lcaf.c - the bodies of LCAFs: octets -> struct lcaf.
 *
 * addr_wire.c opens the header and has every body walked here once, because a
 * length that lies would let two programs read two different messages; so what
 * is in a decoded message reads without errors later.  lcaf_encode.c is
 * the mirror, lcaf_str.c makes text.  What is left over behind the last field of a body is skipped: later RFCs
 * may put something there.
 */
#include "lcaf.h"

#include "msg.h"

#define TO_THE_END UINT32_MAX

/* An address inside 'l'. */
static void
inner_read(struct wire_reader *r, unsigned depth, struct lcaf *l,
    struct lisp_addr *out)
{
	lisp_addr_decode_at(r, depth, out);
	l->vendor |= out->vendor;
}

static void
item_read(
    struct wire_reader *r, unsigned type, unsigned depth, struct lcaf_item *out)
{
	uint16_t flags;

	*out = (struct lcaf_item){ 0 };
	switch (type) {
	case LCAF_ELP:
		flags = wire_get_u16(r);
		out->lookup = flags & 0x0004;
		out->probe = flags & 0x0002;
		out->strict = flags & 0x0001;
		break;
	case LCAF_REPLICATION:
		wire_take(r, 3); /* reserved */
		out->level = wire_get_u8(r);
		break;
	case LCAF_SECURITY_KEY:
		out->key_len = wire_get_u16(r);
		out->key = wire_take(r, out->key_len);
		return;
	}
	lisp_addr_decode_at(r, depth, &out->addr);
}

/* 'count' items, or those TO_THE_END of the body. */
static void
list_read(struct wire_reader *r, unsigned depth, uint32_t count, struct lcaf *l)
{
	const uint8_t *start = r->at;
	struct lcaf_item item;
	uint32_t n = 0;

	while (n < count && !r->err && (count != TO_THE_END || wire_left(r))) {
		item_read(r, l->type, depth, &item);
		l->vendor |= item.addr.vendor;
		n++;
	}
	l->list = (struct lcaf_list){
		.type = l->type,
		.left = n,
		.at = start,
		.len = (size_t)(r->at - start),
	};
}

bool
lcaf_next(struct lcaf_list *list, struct lcaf_item *out)
{
	struct wire_reader r;

	if (!list->left)
		return false;
	r = wire_reader(list->at, list->len);
	item_read(&r, list->type, 1, out);
	list->at = r.at;
	list->len = wire_left(&r);
	list->left--;
	return true;
}

static void
rest_read(struct wire_reader *r, struct lcaf_octets *out)
{
	out->len = wire_left(r);
	out->at = wire_take(r, out->len);
}

/* RFC 8060 4.1. */
static void
instance_read(struct wire_reader *r, unsigned depth, struct lcaf *l)
{
	struct wire_reader inner;

	l->iid = wire_get_u32(r);
	inner_read(r, depth, l, &l->addr);
	inner = wire_reader(l->addr.opaque, l->addr.opaque_len);
	if (l->addr.has_iid || lisp_addr_lcaf_type(&l->addr) == LCAF_INSTANCE)
		wire_fail(r, ERR_MALFORMED); /* no instance in an instance */
	if (lisp_addr_lcaf_type(&l->addr) != LCAF_MULTICAST)
		return;
	/* It has its own instance: two that differ mean nothing. */
	wire_take(&inner, LCAF_HEADER);
	if (wire_get_u32(&inner) != l->iid)
		wire_fail(r, ERR_MALFORMED);
}

/* RFC 8060 5.1. */
static void
application_read(struct wire_reader *r, struct lcaf_application *a)
{
	uint32_t word = wire_get_u32(r);

	a->tos = word >> 8;
	a->protocol = word & 0xff;
	a->local_low = wire_get_u16(r);
	a->local_high = wire_get_u16(r);
	a->remote_low = wire_get_u16(r);
	a->remote_high = wire_get_u16(r);
}

/*
 * RFC 8060 4.3.  Other layouts are deployed under this number: a locator to
 * ignore, not an error.
 */
static void
geo_read(struct wire_reader *body, unsigned depth, struct lcaf *l)
{
	struct wire_reader reader = *body, *r = &reader;
	struct lcaf_geo g;
	uint16_t degrees;

	degrees = wire_get_u16(r);
	g.north = degrees & 0x8000;
	g.lat_deg = degrees & 0x7fff;
	g.lat_min = wire_get_u8(r);
	g.lat_sec = wire_get_u8(r);
	degrees = wire_get_u16(r);
	g.east = degrees & 0x8000;
	g.lon_deg = degrees & 0x7fff;
	g.lon_min = wire_get_u8(r);
	g.lon_sec = wire_get_u8(r);
	g.altitude_m = (int32_t)wire_get_u32(r);
	inner_read(r, depth, l, &l->addr);
	if (r->err)
		l->unread = true;
	else
		l->geo = g;
}

/* RFC 8060 4.4. */
static void
nat_read(struct wire_reader *r, unsigned depth, struct lcaf *l)
{
	l->nat.ms_port = wire_get_u16(r);
	l->nat.etr_port = wire_get_u16(r);
	inner_read(r, depth, l, &l->nat.global_etr);
	inner_read(r, depth, l, &l->nat.ms);
	inner_read(r, depth, l, &l->nat.private_etr);
	list_read(r, depth, TO_THE_END, l);
}

/* Two mask-lens, then two addresses: the end of types 9 and 12. */
static void
prefixes_read(struct wire_reader *r, unsigned depth, struct lcaf *l,
    struct lcaf_prefix *first, struct lcaf_prefix *second)
{
	wire_take(r, 2); /* reserved */
	first->bits = wire_get_u8(r);
	second->bits = wire_get_u8(r);
	inner_read(r, depth, l, &first->addr);
	inner_read(r, depth, l, &second->addr);
	if (!r->err &&
	    (first->bits > lisp_addr_bits(&first->addr) ||
		second->bits > lisp_addr_bits(&second->addr)))
		wire_fail(r, ERR_MALFORMED);
}

/* RFC 8060 4.7. */
static void
security_key_read(struct wire_reader *r, unsigned depth, struct lcaf *l)
{
	uint8_t count = wire_get_u8(r);

	wire_get_u8(r); /* reserved */
	l->security.algorithm = wire_get_u8(r);
	l->security.revoke = wire_get_u8(r) & 0x01;
	list_read(r, depth, count, l);
	inner_read(r, depth, l, &l->addr);
}

/* RFC 9306 4. */
static void
vendor_read(struct wire_reader *r, struct lcaf *l)
{
	l->vendor = true;
	l->of_vendor.oui = wire_get_u32(r) & 0xffffff;
	rest_read(r, &l->of_vendor.data);
}

void
lcaf_body_decode(struct wire_reader *r, unsigned depth, struct lcaf *l)
{
	switch (l->type) {
	case LCAF_NULL:
		break;
	case LCAF_AFI_LIST:
	case LCAF_ELP:
	case LCAF_REPLICATION:
		list_read(r, depth, TO_THE_END, l);
		break;
	case LCAF_INSTANCE:
		instance_read(r, depth, l);
		break;
	case LCAF_AS_NUMBER:
		l->as_number = wire_get_u32(r);
		inner_read(r, depth, l, &l->addr);
		break;
	case LCAF_APPLICATION:
		application_read(r, &l->application);
		inner_read(r, depth, l, &l->addr);
		break;
	case LCAF_GEO:
		geo_read(r, depth, l);
		break;
	case LCAF_OPAQUE_KEY:
		l->key.fields = (uint16_t)(wire_get_u8(r) + 1);
		l->key.wildcards = wire_get_u16(r);
		rest_read(r, &l->key.octets);
		break;
	case LCAF_NAT:
		nat_read(r, depth, l);
		break;
	case LCAF_NONCE:
		l->nonce = wire_get_u32(r) & 0xffffff;
		inner_read(r, depth, l, &l->addr);
		break;
	case LCAF_MULTICAST:
		l->multicast.iid = wire_get_u32(r);
		prefixes_read(
		    r, depth, l, &l->multicast.source, &l->multicast.group);
		break;
	case LCAF_SECURITY_KEY:
		security_key_read(r, depth, l);
		break;
	case LCAF_SOURCE_DEST:
		prefixes_read(
		    r, depth, l, &l->source_dest.source, &l->source_dest.dest);
		break;
	case LCAF_JSON:
		l->json.len = wire_get_u16(r);
		l->json.at = wire_take(r, l->json.len);
		inner_read(r, depth, l, &l->addr);
		break;
	case LCAF_KEY_VALUE:
		inner_read(r, depth, l, &l->pair.key);
		inner_read(r, depth, l, &l->pair.value);
		break;
	case LCAF_ENCAPSULATION:
		l->encapsulations = wire_get_u32(r);
		inner_read(r, depth, l, &l->addr);
		break;
	case LCAF_VENDOR:
		vendor_read(r, l);
		break;
	default:
		l->unread = true;
	}
}

enum err
lcaf_decode(const struct lisp_addr *a, struct lcaf *out)
{
	struct wire_reader r = wire_reader(a->opaque, a->opaque_len);
	struct wire_reader body;
	struct lcaf l = { 0 };

	if (a->has_iid) {
		l.type = LCAF_INSTANCE;
		l.rsvd2 = a->iid_bits;
		l.iid = a->iid;
		l.addr = lisp_addr_from_addr(&a->addr);
		*out = l;
		return ERR_OK;
	}
	if (lisp_addr_lcaf_type(a) < 0)
		return ERR_UNSUPPORTED;
	wire_take(&r, 4); /* AFI, Rsvd1, flags */
	l.type = wire_get_u8(&r);
	l.rsvd2 = wire_get_u8(&r);
	body = wire_sub(&r, wire_get_u16(&r));
	lcaf_body_decode(&body, 1, &l);
	if (body.err)
		return ERR_MALFORMED;
	if (l.unread)
		return ERR_UNSUPPORTED;
	*out = l;
	return ERR_OK;
}

bool
lcaf_geo_is_valid(const struct lcaf_geo *g)
{
	return g->lat_deg <= 90 && g->lat_min < 60 && g->lat_sec < 60 &&
	    g->lon_deg <= 180 && g->lon_min < 60 && g->lon_sec < 60;
}

bool
lcaf_rloc(const struct lisp_addr *a, unsigned families, struct addr *out)
{
	struct lcaf_item item;
	struct lcaf l;

	if (!a->opaque) {
		if ((a->addr.afi != AFI_IPV4 && a->addr.afi != AFI_IPV6) ||
		    !(families & LCAF_FAMILY(a->addr.afi)) ||
		    addr_is_martian(&a->addr))
			return false;
		*out = a->addr;
		return true;
	}
	if (lcaf_decode(a, &l))
		return false;
	/* Each nesting was counted when the message was decoded. */
	if (l.type == LCAF_AS_NUMBER || l.type == LCAF_GEO)
		return lcaf_rloc(&l.addr, families, out);
	if (l.type != LCAF_AFI_LIST)
		return false;
	while (lcaf_next(&l.list, &item))
		if (lcaf_rloc(&item.addr, families, out))
			return true;
	return false;
}
