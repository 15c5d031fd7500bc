/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inner.c - reads and changes the header of a packet that is being forwarded.
 *
 * forward.c decides, icmp.c quotes; this file is the only one of the data plane
 * that knows where a field of an IP header stands.  Every offset it writes to
 * has been checked by inner_parse().
 */
#include "inner.h"

#include <netinet/in.h>

#include "common/msg.h"
#include "common/wire.h"

enum {
	IP4_TOS = 1,
	IP4_LENGTH = 2,
	IP4_FLAGS = 6,
	IP4_TTL = 8,
	IP4_CHECKSUM = 10,
	IP4_DF = 0x4000,
	IP4_MF = 0x2000,
	IP4_OFFSET = 0x1fff,
	IP4_HEADER = 20,
	IP6_HOP_LIMIT = 7,
	IP6_HEADER = 40,
	IP6_EXTENSIONS_MAX = 8, /* ours: more than any sensible sender uses */
	OPTION_COPIED = 0x80,	/* RFC 791 3.1 */
};

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static enum err
parse4(struct wire_reader *r, struct inner *in)
{
	unsigned first = wire_get_u8(r), flags;
	uint8_t address[8];
	size_t len;

	in->header_len = (first & 0x0f) * 4u;
	in->tos = wire_get_u8(r);
	len = wire_get_u16(r);
	wire_get_u16(r); /* identification */
	flags = wire_get_u16(r);
	in->ttl = wire_get_u8(r);
	in->protocol = wire_get_u8(r);
	wire_get_u16(r); /* checksum: the kernel looks at it on delivery */
	wire_get_bytes(r, address, sizeof(address));
	if (r->err || len > in->len)
		return ERR_TRUNCATED;
	if (in->header_len < IP4_HEADER || len < in->header_len)
		return ERR_MALFORMED;
	in->len = len;
	in->source = addr_make(AFI_IPV4, address);
	in->destination = addr_make(AFI_IPV4, address + 4);
	in->payload = in->header_len;
	in->fragment = flags & (IP4_MF | IP4_OFFSET);
	in->later_part = flags & IP4_OFFSET;
	in->may_be_split = !(flags & IP4_DF);
	return ERR_OK;
}

/* Walks the extension headers as far as the first that hides the rest. */
static void
parse6_extensions(struct inner *in)
{
	struct wire_reader r =
	    wire_reader(in->packet + IP6_HEADER, in->len - IP6_HEADER);
	unsigned n = 0;

	while (n++ < IP6_EXTENSIONS_MAX) {
		uint8_t next, size;
		uint16_t offset;

		if (in->protocol != IPPROTO_HOPOPTS &&
		    in->protocol != IPPROTO_ROUTING &&
		    in->protocol != IPPROTO_DSTOPTS &&
		    in->protocol != IPPROTO_FRAGMENT)
			break;
		next = wire_get_u8(&r);
		size = wire_get_u8(&r);
		if (in->protocol == IPPROTO_FRAGMENT) {
			offset = wire_get_u16(&r);
			wire_get_u32(&r);
			in->fragment = true;
			in->later_part = offset & 0xfff8;
		} else {
			wire_take(&r, size * 8u + 6u);
		}
		if (r.err)
			break;
		in->protocol = next;
		if (in->later_part)
			break;
	}
	in->payload = in->len - wire_left(&r);
}

static enum err
parse6(struct wire_reader *r, struct inner *in)
{
	uint32_t first = wire_get_u32(r);
	uint8_t address[32];
	size_t len;

	in->tos = (uint8_t)(first >> 20);
	len = IP6_HEADER + (size_t)wire_get_u16(r);
	in->protocol = wire_get_u8(r);
	in->ttl = wire_get_u8(r);
	wire_get_bytes(r, address, sizeof(address));
	if (r->err || len > in->len)
		return ERR_TRUNCATED;
	in->len = len;
	in->header_len = IP6_HEADER;
	in->source = addr_make(AFI_IPV6, address);
	in->destination = addr_make(AFI_IPV6, address + 16);
	parse6_extensions(in);
	return ERR_OK;
}

enum err
inner_parse(uint8_t *packet, size_t len, struct inner *out)
{
	struct wire_reader r = wire_reader(packet, len);
	struct inner in = { .packet = packet, .len = len };
	enum err err = ERR_MALFORMED;

	if (!len)
		return ERR_TRUNCATED;
	if (packet[0] >> 4 == 4)
		err = parse4(&r, &in);
	else if (packet[0] >> 4 == 6)
		err = parse6(&r, &in);
	if (!err)
		*out = in;
	return err;
}

/* Changes 16 bits of an IPv4 header and its checksum with them, RFC 1624. */
static void
change4(uint8_t *packet, size_t at, uint16_t value)
{
	uint32_t sum = (uint16_t)~get16(packet + IP4_CHECKSUM);

	sum += (uint16_t)~get16(packet + at);
	sum += value;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(packet + at, value);
	put16(packet + IP4_CHECKSUM, (uint16_t)~sum);
}

void
inner_set_ttl(struct inner *in, uint8_t ttl)
{
	if (in->ttl == ttl)
		return;
	in->ttl = ttl;
	if (in->source.afi == AFI_IPV4)
		change4(in->packet, IP4_TTL,
		    (uint16_t)(ttl << 8 | in->packet[IP4_TTL + 1]));
	else
		in->packet[IP6_HOP_LIMIT] = ttl;
}

void
inner_set_tos(struct inner *in, uint8_t tos)
{
	if (in->tos == tos)
		return;
	in->tos = tos;
	if (in->source.afi == AFI_IPV4)
		change4(in->packet, IP4_TOS - 1,
		    (uint16_t)(in->packet[0] << 8 | tos));
	else
		put16(in->packet,
		    0x6000u | (unsigned)tos << 4 | (in->packet[1] & 0x0fu));
}

/* Flows. */

static uint32_t
mix(uint32_t h, uint32_t v)
{
	h ^= v;
	h ^= h >> 16;
	h *= 0x7feb352du;
	h ^= h >> 15;
	h *= 0x846ca68bu;
	return h ^ h >> 16;
}

static uint32_t
mix_addr(uint32_t h, const struct addr *a)
{
	for (size_t i = 0; i < addr_len(a->afi); i += 4)
		h = mix(h,
		    (uint32_t)get16(a->bytes + i) << 16 |
			get16(a->bytes + i + 2));
	return h;
}

uint32_t
inner_flow_hash(const struct inner *in)
{
	uint32_t h = mix_addr(mix_addr(1, &in->source), &in->destination);
	const uint8_t *ports = in->packet + in->payload;

	if (in->fragment || in->payload + 4 > in->len)
		return h;
	if (in->protocol != IPPROTO_TCP && in->protocol != IPPROTO_UDP &&
	    in->protocol != IPPROTO_SCTP)
		return h;
	h = mix(h, in->protocol);
	return mix(h, (uint32_t)get16(ports) << 16 | get16(ports + 2));
}

uint16_t
inner_flow_port(uint32_t hash)
{
	return (uint16_t)(0xc000 | ((hash ^ hash >> 14) & 0x3fff));
}

/* Splitting. */

/* Options that only the first fragment keeps become "no operation". */
static void
blank_first_only_options(uint8_t *options, size_t len)
{
	size_t i = 0;

	while (i < len && options[i] != 0) {
		size_t size = 1;

		if (options[i] != 1) {
			size = i + 1 < len ? options[i + 1] : 0;
			if (size < 2 || i + size > len)
				return;
			if (!(options[i] & OPTION_COPIED))
				memset(options + i, 1, size);
		}
		i += size;
	}
}

bool
inner_split(const struct inner *in, size_t max,
    void (*fn)(void *arg, struct inner *part), void *arg)
{
	uint8_t room[INNER_ROOM + UINT16_MAX], *packet = room + INNER_ROOM;
	size_t header = in->header_len, data = in->len - header, n, size;
	unsigned flags;

	if (in->source.afi != AFI_IPV4 || !in->may_be_split || max < header + 8)
		return false;
	n = (data + (max - header) / 8 * 8 - 1) / ((max - header) / 8 * 8);
	size = ((data + n - 1) / n + 7) / 8 * 8;
	flags = get16(in->packet + IP4_FLAGS);
	memcpy(packet, in->packet, header);
	for (size_t at = 0; at < data; at += size) {
		size_t len = data - at < size ? data - at : size;
		unsigned more = at + len < data ? IP4_MF : flags & IP4_MF;
		struct inner part;

		memcpy(packet + header, in->packet + header + at, len);
		put16(packet + IP4_LENGTH, (unsigned)(header + len));
		put16(packet + IP4_FLAGS,
		    ((flags & IP4_OFFSET) + (unsigned)(at / 8)) | more);
		put16(packet + IP4_CHECKSUM, 0);
		put16(packet + IP4_CHECKSUM,
		    checksum_fold(checksum_add(0, packet, header)));
		if (!inner_parse(packet, header + len, &part))
			fn(arg, &part);
		if (at == 0)
			blank_first_only_options(
			    packet + IP4_HEADER, header - IP4_HEADER);
	}
	return true;
}

bool
inner_merge_tos(uint8_t inner, uint8_t outer, uint8_t *out, bool *odd)
{
	enum { NOT_ECT, ECT1, ECT0, CE, DROP };
	/* [inner][outer], RFC 6040 4.2, figure 4 */
	static const uint8_t ecn[4][4] = {
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, DROP },
		[ECT1] = { ECT1, ECT1, ECT1, CE },
		[ECT0] = { ECT0, ECT1, ECT0, CE },
		[CE] = { CE, CE, CE, CE },
	};
	static const bool unexpected[4][4] = {
		[NOT_ECT] = { [ECT1] = true, [ECT0] = true, [CE] = true },
		[ECT1] = { [ECT0] = true },
		[CE] = { [ECT1] = true },
	};
	uint8_t merged = ecn[inner & 3][outer & 3];

	*odd = unexpected[inner & 3][outer & 3];
	*out = (uint8_t)((outer & ~3) | (merged & 3));
	return merged != DROP;
}
