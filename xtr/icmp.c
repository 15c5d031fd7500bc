/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c - writes ICMP errors.
 *
 * forward.c says when and limits how many; the data plane sends the message
 * with the kernel's choice of source address, or forward.c encapsulates the
 * whole packet when its receiver is behind another tunnel router.
 */
#include "icmp.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "common/msg.h"
#include "common/wire.h"

enum {
	ICMP4_QUOTE_MAX = 576 - 20 - 8,	 /* RFC 1812 4.3.2.3 */
	ICMP6_QUOTE_MAX = 1280 - 40 - 8, /* RFC 4443 2.4 (c) */
	HOPS = 64,
};

/* Type and code of each reason, IPv4 and IPv6. */
static const struct {
	uint8_t type4, code4, type6, code6;
} reasons[] = {
	[ICMP_NO_ROUTE] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH,
	    ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE },
	[ICMP_PROHIBITED] = { ICMP_DEST_UNREACH, ICMP_PKT_FILTERED,
	    ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN },
	[ICMP_TTL] = { ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, ICMP6_TIME_EXCEEDED,
	    ICMP6_TIME_EXCEED_TRANSIT },
	[ICMP_TOO_BIG] = { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
	    ICMP6_PACKET_TOO_BIG, 0 },
};

/* An ICMP message that is not a plain question or answer. */
static bool
is_icmp_error(const struct inner *in)
{
	bool v4 = in->source.afi == AFI_IPV4;
	uint8_t type;

	if (in->protocol != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	if (in->payload >= in->len)
		return true;
	type = in->packet[in->payload];
	if (!v4)
		return !(type & ICMP6_INFOMSG_MASK) || type == ND_REDIRECT;
	return type != ICMP_ECHO && type != ICMP_ECHOREPLY &&
	    type != ICMP_TIMESTAMP && type != ICMP_TIMESTAMPREPLY;
}

size_t
icmp_error(const struct inner *in, enum icmp_reason reason, unsigned mtu,
    uint8_t out[ICMP_ERROR_MAX])
{
	struct wire_writer w = wire_writer(out, ICMP_ERROR_MAX);
	bool v4 = in->source.afi == AFI_IPV4;
	size_t most = v4 ? ICMP4_QUOTE_MAX : ICMP6_QUOTE_MAX;

	if (is_icmp_error(in) || in->later_part ||
	    addr_is_martian(&in->source) || addr_is_martian(&in->destination))
		return 0;
	wire_put_u8(&w, v4 ? reasons[reason].type4 : reasons[reason].type6);
	wire_put_u8(&w, v4 ? reasons[reason].code4 : reasons[reason].code6);
	wire_put_u16(&w, 0); /* checksum */
	wire_put_u32(&w, reason == ICMP_TOO_BIG ? mtu : 0);
	wire_put_bytes(&w, in->packet, in->len < most ? in->len : most);
	if (v4) {
		uint16_t sum =
		    checksum_fold(checksum_add(0, out, wire_written(&w)));

		out[2] = (uint8_t)(sum >> 8);
		out[3] = (uint8_t)sum;
	}
	return wire_written(&w);
}

size_t
icmp_packet(const struct addr *from, const struct addr *to,
    const uint8_t *message, size_t len, uint8_t *out, size_t size)
{
	struct wire_writer w = wire_writer(out, size);
	uint32_t pseudo[2] = { htonl((uint32_t)len), htonl(IPPROTO_ICMPV6) };
	bool v4 = from->afi == AFI_IPV4;
	uint16_t sum;

	if (v4) {
		wire_put_u16(&w, 0x4500);
		wire_put_u16(&w, (unsigned)(20 + len));
		wire_put_u32(&w, 0x4000); /* DF */
		wire_put_u8(&w, HOPS);
		wire_put_u8(&w, IPPROTO_ICMP);
		wire_put_u16(&w, 0);
	} else {
		wire_put_u32(&w, 0x60000000);
		wire_put_u16(&w, (unsigned)len);
		wire_put_u8(&w, IPPROTO_ICMPV6);
		wire_put_u8(&w, HOPS);
	}
	wire_put_bytes(&w, from->bytes, addr_len(from->afi));
	wire_put_bytes(&w, to->bytes, addr_len(to->afi));
	wire_put_bytes(&w, message, len);
	if (w.err)
		return 0;
	if (v4) {
		sum = checksum_fold(checksum_add(0, out, 20));
		out[10] = (uint8_t)(sum >> 8);
		out[11] = (uint8_t)sum;
	} else {
		uint32_t s = checksum_add(0, out + 8, 32);

		s = checksum_add(s, pseudo, sizeof(pseudo));
		sum = checksum_fold(checksum_add(s, out + 40, len));
		out[42] = (uint8_t)(sum >> 8);
		out[43] = (uint8_t)sum;
	}
	return wire_written(&w);
}
