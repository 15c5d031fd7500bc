/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PACKET_H
#define TESTS_PACKET_H

/*
 * packet.h - IP packets for the tests of the data plane: UDP, IPv4 or IPv6 by
 * the addresses, with right checksums of the IPv4 header.
 */
#include <netinet/in.h>
#include <string.h>

#include "common/msg.h"
#include "common/wire.h"
#include "xtr/forward.h"

struct packet {
	uint8_t all[FORWARD_ROOM + 9000];
	uint8_t *bytes; /* behind the room */
	size_t len;
};

struct packet_spec {
	const char *from, *to;
	uint8_t ttl, tos;      /* ttl 0: 64 */
	uint16_t sport, dport; /* UDP; 0: 1000, 2000 */
	size_t payload;	       /* octets behind the UDP header */
	bool df;
	uint16_t flags; /* IPv4: MF and offset */
};

static inline struct addr
packet_addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static inline void
packet_make(const struct packet_spec *s, struct packet *p)
{
	struct addr from = packet_addr(s->from), to = packet_addr(s->to);
	struct wire_writer w = wire_writer(p->all, sizeof(p->all));
	size_t udp = 8 + s->payload;
	bool v4 = from.afi == AFI_IPV4;

	wire_put_zero(&w, FORWARD_ROOM);
	p->bytes = w.at;
	if (v4) {
		wire_put_u8(&w, 0x45);
		wire_put_u8(&w, s->tos);
		wire_put_u16(&w, (unsigned)(20 + udp));
		wire_put_u16(&w, 0x1234);
		wire_put_u16(&w, (s->df ? 0x4000u : 0u) | s->flags);
		wire_put_u8(&w, s->ttl ? s->ttl : 64);
		wire_put_u8(&w, IPPROTO_UDP);
		wire_put_u16(&w, 0);
	} else {
		wire_put_u32(
		    &w, 0x60000000u | (uint32_t)s->tos << 20 | 0xabcde);
		wire_put_u16(&w, (unsigned)udp);
		wire_put_u8(&w, IPPROTO_UDP);
		wire_put_u8(&w, s->ttl ? s->ttl : 64);
	}
	wire_put_bytes(&w, from.bytes, addr_len(from.afi));
	wire_put_bytes(&w, to.bytes, addr_len(to.afi));
	wire_put_u16(&w, s->sport ? s->sport : 1000);
	wire_put_u16(&w, s->dport ? s->dport : 2000);
	wire_put_u16(&w, (unsigned)udp);
	wire_put_u16(&w, 0);
	for (size_t i = 0; i < s->payload; i++)
		wire_put_u8(&w, (uint8_t)i);
	assert_int_equal(w.err, ERR_OK);
	p->len = wire_written(&w) - FORWARD_ROOM;
	if (v4) {
		uint16_t sum = checksum_fold(checksum_add(0, p->bytes, 20));

		p->bytes[10] = (uint8_t)(sum >> 8);
		p->bytes[11] = (uint8_t)sum;
	}
}

/* The header checksum of an IPv4 packet is right. */
static inline bool
packet_checksum_right(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ||
	    checksum_fold(checksum_add(0, ip, (ip[0] & 15u) * 4u)) == 0;
}

#endif
