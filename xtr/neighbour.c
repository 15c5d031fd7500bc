/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbour.c - writes and reads ARP and neighbour discovery frames.
 *
 * announce.c and ndp.c have the sockets and know when.  The Ethernet source is
 * always our own MAC, also when the frame says that an EID is at a VM's: a
 * bridge must not learn the VM's MAC on our port.
 */
#include "neighbour.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "common/msg.h"
#include "common/wire.h"

enum {
	ETHERTYPE_ARP_ = 0x0806,
	ETHERTYPE_IPV6_ = 0x86dd,
	ETHERNET_HEADER = 14,
	ARP_REQUEST = 1,
	IPV6_HEADER = 40,
	ND_LEN = 24, /* NS or NA without options */
	ND_LINK_OPTION = 8,
	ND_HOPS = 255, /* RFC 4861 7.1: proves that it is from this link */
};

static const struct addr everybody = { AFI_MAC,
	{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct addr all_nodes_mac = { AFI_MAC,
	{ 0x33, 0x33, 0, 0, 0, 1 } };
static const struct addr all_nodes = { AFI_IPV6, { 0xff, 0x02, [15] = 0x01 } };

static void
put_addr(struct wire_writer *w, const struct addr *a)
{
	wire_put_bytes(w, a->bytes, addr_len(a->afi));
}

static void
put_ethernet(struct wire_writer *w, const struct addr *to,
    const struct addr *from, unsigned type)
{
	put_addr(w, to);
	put_addr(w, from);
	wire_put_u16(w, type);
}

/* 'mac' and 'address' are the sender's in ARP's sense. */
static size_t
arp_request(const struct addr *to, const struct addr *from,
    const struct addr *mac, const struct addr *address,
    const struct addr *target, uint8_t *out)
{
	struct wire_writer w = wire_writer(out, NEIGHBOUR_FRAME_MAX);

	put_ethernet(&w, to, from, ETHERTYPE_ARP_);
	wire_put_u16(&w, 1); /* Ethernet */
	wire_put_u16(&w, 0x0800);
	wire_put_u8(&w, 6);
	wire_put_u8(&w, 4);
	wire_put_u16(&w, ARP_REQUEST);
	put_addr(&w, mac);
	put_addr(&w, address);
	wire_put_zero(&w, 6);
	put_addr(&w, target);
	return wire_written(&w);
}

struct nd { /* one NS or NA with its link-layer address option */
	uint8_t type, option;
	uint32_t flags;
	const struct addr *target, *option_mac;
};

static size_t
nd_frame(const struct addr *to_mac, const struct addr *from_mac,
    const struct addr *to, const struct addr *from, const struct nd *nd,
    uint8_t *out)
{
	struct wire_writer w = wire_writer(out, NEIGHBOUR_FRAME_MAX);
	const uint8_t *ip = out + ETHERNET_HEADER;
	size_t len = ND_LEN + ND_LINK_OPTION;
	uint16_t sum;

	put_ethernet(&w, to_mac, from_mac, ETHERTYPE_IPV6_);
	wire_put_u32(&w, 0x60000000);
	wire_put_u16(&w, (unsigned)len);
	wire_put_u8(&w, IPPROTO_ICMPV6);
	wire_put_u8(&w, ND_HOPS);
	put_addr(&w, from);
	put_addr(&w, to);
	wire_put_u8(&w, nd->type);
	wire_put_u8(&w, 0);
	wire_put_u16(&w, 0); /* checksum */
	wire_put_u32(&w, nd->flags);
	put_addr(&w, nd->target);
	wire_put_u8(&w, nd->option);
	wire_put_u8(&w, 1); /* in 8 octets */
	put_addr(&w, nd->option_mac);
	/* RFC 4443 2.3: addresses, length and next header count too. */
	sum = checksum_fold(
	    checksum_add((uint32_t)(len + IPPROTO_ICMPV6), ip + 8, 32 + len));
	out[ETHERNET_HEADER + IPV6_HEADER + 2] = (uint8_t)(sum >> 8);
	out[ETHERNET_HEADER + IPV6_HEADER + 3] = (uint8_t)sum;
	return wire_written(&w);
}

size_t
neighbour_announcement(const struct neighbour_sender *us,
    const struct addr *eid, const struct addr *mac,
    uint8_t out[NEIGHBOUR_FRAME_MAX])
{
	const struct nd nd = { .type = ND_NEIGHBOR_ADVERT,
		.option = ND_OPT_TARGET_LINKADDR,
		.flags = 0x20000000, /* override */
		.target = eid,
		.option_mac = mac };

	if (eid->afi == AFI_IPV4)
		return arp_request(&everybody, &us->mac, mac, eid, eid, out);
	return nd_frame(
	    &all_nodes_mac, &us->mac, &all_nodes, &us->address, &nd, out);
}

size_t
neighbour_question(const struct neighbour_sender *us, const struct addr *eid,
    const struct addr *mac, uint8_t out[NEIGHBOUR_FRAME_MAX])
{
	const struct nd nd = { .type = ND_NEIGHBOR_SOLICIT,
		.option = ND_OPT_SOURCE_LINKADDR,
		.target = eid,
		.option_mac = &us->mac };

	if (eid->afi == AFI_IPV4)
		return arp_request(
		    mac, &us->mac, &us->mac, &us->address, eid, out);
	return nd_frame(mac, &us->mac, eid, &us->address, &nd, out);
}

size_t
neighbour_answer(const struct neighbour_solicitation *s, const struct addr *mac,
    uint8_t out[NEIGHBOUR_FRAME_MAX])
{
	const struct nd nd = { .type = ND_NEIGHBOR_ADVERT,
		.option = ND_OPT_TARGET_LINKADDR,
		.flags = 0x40000000, /* solicited */
		.target = &s->target,
		.option_mac = mac };

	return nd_frame(&s->source_mac, mac, &s->source, &s->target, &nd, out);
}

/* The source link-layer address option, or the Ethernet source if none. */
static void
read_options(struct wire_reader *r, struct neighbour_solicitation *s)
{
	while (!r->err && wire_left(r)) {
		uint8_t type = wire_get_u8(r);
		size_t len = wire_get_u8(r) * 8u;
		struct wire_reader option;

		if (len == 0) { /* RFC 4861 7.1.1 */
			wire_fail(r, ERR_MALFORMED);
			return;
		}
		option = wire_sub(r, len - 2);
		if (type == ND_OPT_SOURCE_LINKADDR && len == ND_LINK_OPTION)
			s->source_mac =
			    addr_make(AFI_MAC, wire_take(&option, 6));
	}
}

bool
neighbour_solicitation_parse(
    const uint8_t *frame, size_t len, struct neighbour_solicitation *out)
{
	struct wire_reader reader = wire_reader(frame, len), *r = &reader, body;
	struct neighbour_solicitation s;
	const uint8_t *mac, *source, *target;
	uint16_t payload;

	wire_take(r, 6);
	mac = wire_take(r, 6);
	if (wire_get_u16(r) != ETHERTYPE_IPV6_ || wire_get_u32(r) >> 28 != 6)
		return false;
	payload = wire_get_u16(r);
	if (wire_get_u8(r) != IPPROTO_ICMPV6 || wire_get_u8(r) != ND_HOPS)
		return false;
	source = wire_take(r, 16);
	wire_take(r, 16); /* destination: solicited-node, or the target */
	body = wire_sub(r, payload);
	if (wire_get_u16(&body) != ND_NEIGHBOR_SOLICIT << 8)
		return false;
	wire_take(&body, 6); /* checksum, reserved */
	target = wire_take(&body, 16);
	if (body.err || !mac || !source || !target || target[0] == 0xff)
		return false;
	s = (struct neighbour_solicitation){
		.target = addr_make(AFI_IPV6, target),
		.source = addr_make(AFI_IPV6, source),
		.source_mac = addr_make(AFI_MAC, mac),
	};
	read_options(&body, &s);
	if (body.err)
		return false;
	*out = s;
	return true;
}
