/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_lcaf.c - one address, the inside of its LCAF, its text; RFC 8060. */
#include "fuzz.h"

static void
octets_walk(const uint8_t *bytes, size_t len, const struct lcaf_octets *octets)
{
	inside(bytes, len, octets->at, octets->len);
}

static void
items_walk(const uint8_t *bytes, size_t len, const struct lcaf *l)
{
	struct lcaf_list list = l->list;
	struct lcaf_item item;
	unsigned n = 0;

	for (; lcaf_next(&list, &item); n++) {
		addr_walk(bytes, len, &item.addr);
		if (l->type == LCAF_SECURITY_KEY)
			inside(bytes, len, item.key, item.key_len);
		CHECK(!item.addr.vendor || l->vendor);
	}
	CHECK(n == l->list.left && list.len == 0);
}

static void
walk(const uint8_t *bytes, size_t len, const struct lcaf *l)
{
	CHECK(!l->unread);
	addr_walk(bytes, len, &l->addr);
	CHECK(!l->addr.vendor || l->vendor);
	items_walk(bytes, len, l);
	switch (l->type) {
	case LCAF_OPAQUE_KEY:
		octets_walk(bytes, len, &l->key.octets);
		break;
	case LCAF_NAT:
		addr_walk(bytes, len, &l->nat.global_etr);
		addr_walk(bytes, len, &l->nat.ms);
		addr_walk(bytes, len, &l->nat.private_etr);
		break;
	case LCAF_MULTICAST:
		eid_walk(bytes, len, &l->multicast.source.addr,
		    l->multicast.source.bits);
		eid_walk(bytes, len, &l->multicast.group.addr,
		    l->multicast.group.bits);
		break;
	case LCAF_SOURCE_DEST:
		eid_walk(bytes, len, &l->source_dest.source.addr,
		    l->source_dest.source.bits);
		eid_walk(bytes, len, &l->source_dest.dest.addr,
		    l->source_dest.dest.bits);
		break;
	case LCAF_JSON:
		octets_walk(bytes, len, &l->json);
		break;
	case LCAF_KEY_VALUE:
		addr_walk(bytes, len, &l->pair.key);
		addr_walk(bytes, len, &l->pair.value);
		break;
	case LCAF_VENDOR:
		octets_walk(bytes, len, &l->of_vendor.data);
		break;
	}
}

/* Carried octets leave as they came, whether we can read them or not. */
static enum err
decode(const uint8_t *bytes, size_t len, struct lcaf *out)
{
	static uint8_t buf[1 << 16];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct wire_reader r = wire_reader(bytes, len);
	struct lisp_addr a;

	lisp_addr_decode(&r, &a);
	if (r.err)
		return r.err;
	addr_walk(bytes, len, &a);
	lisp_addr_encode(&w, &a);
	CHECK(!w.err);
	if (a.opaque)
		CHECK(memcmp(buf, bytes, wire_written(&w)) == 0);
	return lcaf_decode(&a, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	ROUND_TRIP(lcaf, decode, lcaf_reencode, walk, bytes, len);
	return 0;
}
