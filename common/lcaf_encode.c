/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lcaf_encode.c - LCAFs: struct lcaf -> octets; the mirror of lcaf.c.
 *
 * For those who make one, such as the NAT-traversal LCAF of an Info-Reply.  What
 * only passes through leaves as the octets it came as, see lisp_addr_encode().
 */
#include "lcaf.h"
#include "msg.h"

void
lcaf_item_encode(
    struct wire_writer *w, uint8_t type, const struct lcaf_item *item)
{
	switch (type) {
	case LCAF_ELP:
		wire_put_u16(w,
		    (item->lookup ? 4u : 0u) | (item->probe ? 2u : 0u) |
			(item->strict ? 1u : 0u));
		break;
	case LCAF_REPLICATION:
		wire_put_u32(w, item->level);
		break;
	case LCAF_SECURITY_KEY:
		wire_put_u16(w, item->key_len);
		wire_put_bytes(w, item->key, item->key_len);
		return;
	}
	lisp_addr_encode(w, &item->addr);
}

static void
list_put(struct wire_writer *w, const struct lcaf *l)
{
	wire_put_bytes(w, l->list.at, l->list.len);
}

static void
application_put(struct wire_writer *w, const struct lcaf_application *a)
{
	wire_put_u32(w, a->tos << 8 | a->protocol);
	wire_put_u16(w, a->local_low);
	wire_put_u16(w, a->local_high);
	wire_put_u16(w, a->remote_low);
	wire_put_u16(w, a->remote_high);
}

static void
geo_put(struct wire_writer *w, const struct lcaf_geo *g)
{
	wire_put_u16(w, (g->north ? 0x8000u : 0u) | (g->lat_deg & 0x7fffu));
	wire_put_u8(w, g->lat_min);
	wire_put_u8(w, g->lat_sec);
	wire_put_u16(w, (g->east ? 0x8000u : 0u) | (g->lon_deg & 0x7fffu));
	wire_put_u8(w, g->lon_min);
	wire_put_u8(w, g->lon_sec);
	wire_put_u32(w, (uint32_t)g->altitude_m);
}

static void
nat_put(struct wire_writer *w, const struct lcaf *l)
{
	wire_put_u16(w, l->nat.ms_port);
	wire_put_u16(w, l->nat.etr_port);
	lisp_addr_encode(w, &l->nat.global_etr);
	lisp_addr_encode(w, &l->nat.ms);
	lisp_addr_encode(w, &l->nat.private_etr);
	list_put(w, l);
}

static void
prefixes_put(struct wire_writer *w, const struct lcaf_prefix *first,
    const struct lcaf_prefix *second)
{
	wire_put_u16(w, 0);
	wire_put_u8(w, first->bits);
	wire_put_u8(w, second->bits);
	lisp_addr_encode(w, &first->addr);
	lisp_addr_encode(w, &second->addr);
}

static void
security_key_put(struct wire_writer *w, const struct lcaf *l)
{
	wire_put_u8(w, l->list.left);
	wire_put_u8(w, 0);
	wire_put_u8(w, l->security.algorithm);
	wire_put_u8(w, l->security.revoke ? 1 : 0);
	list_put(w, l);
	lisp_addr_encode(w, &l->addr);
}

static void
body_put(struct wire_writer *w, const struct lcaf *l)
{
	switch (l->type) {
	case LCAF_AFI_LIST:
	case LCAF_ELP:
	case LCAF_REPLICATION:
		list_put(w, l);
		break;
	case LCAF_INSTANCE:
		wire_put_u32(w, l->iid);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_AS_NUMBER:
		wire_put_u32(w, l->as_number);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_APPLICATION:
		application_put(w, &l->application);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_GEO:
		geo_put(w, &l->geo);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_OPAQUE_KEY:
		wire_put_u8(w, l->key.fields - 1u);
		wire_put_u16(w, l->key.wildcards);
		wire_put_bytes(w, l->key.octets.at, l->key.octets.len);
		break;
	case LCAF_NAT:
		nat_put(w, l);
		break;
	case LCAF_NONCE:
		wire_put_u32(w, l->nonce & 0xffffff);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_MULTICAST:
		wire_put_u32(w, l->multicast.iid);
		prefixes_put(w, &l->multicast.source, &l->multicast.group);
		break;
	case LCAF_SECURITY_KEY:
		security_key_put(w, l);
		break;
	case LCAF_SOURCE_DEST:
		prefixes_put(w, &l->source_dest.source, &l->source_dest.dest);
		break;
	case LCAF_JSON:
		wire_put_u16(w, (unsigned)l->json.len);
		wire_put_bytes(w, l->json.at, l->json.len);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_KEY_VALUE:
		lisp_addr_encode(w, &l->pair.key);
		lisp_addr_encode(w, &l->pair.value);
		break;
	case LCAF_ENCAPSULATION:
		wire_put_u32(w, l->encapsulations);
		lisp_addr_encode(w, &l->addr);
		break;
	case LCAF_VENDOR:
		wire_put_u32(w, l->of_vendor.oui & 0xffffff);
		wire_put_bytes(w, l->of_vendor.data.at, l->of_vendor.data.len);
		break;
	}
}

void
lcaf_encode(struct wire_writer *w, const struct lcaf *l)
{
	uint8_t *length;
	size_t start, len;

	wire_put_u16(w, AFI_LCAF);
	wire_put_u16(w, 0);
	wire_put_u8(w, l->type);
	wire_put_u8(w, l->rsvd2);
	length = wire_room(w, 2);
	start = wire_written(w);
	body_put(w, l);
	if (w->err)
		return;
	len = wire_written(w) - start;
	if (len > UINT16_MAX - LCAF_HEADER) {
		w->err = ERR_FULL;
		return;
	}
	length[0] = (uint8_t)(len >> 8);
	length[1] = (uint8_t)len;
}

struct lisp_addr
lcaf_addr(struct wire_writer *w, const struct lcaf *l)
{
	const uint8_t *start = w->at;

	lcaf_encode(w, l);
	if (w->err)
		return (struct lisp_addr){ 0 };
	return (struct lisp_addr){
		.opaque = start,
		.opaque_len = (uint16_t)(w->at - start),
		.vendor = l->vendor,
	};
}
