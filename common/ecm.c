/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecm.c - Encapsulated Control Messages, RFC 9301 5.8: both directions.
 *
 * input.c unwraps with it, then decodes the payload like a message that came
 * bare; output.c wraps Map-Requests for the Map-Resolver.  The inner IP and
 * UDP headers never met a kernel, so what a kernel would check is checked here:
 * version, lengths, fragments, checksums.  What may not travel in an ECM at all
 * (another ECM, a Map-Reply, a probe) is refused here too, from the first
 * octet of the payload.
 */
#include "msg.h"

enum {
	IP_UDP = 17,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	UDP_HEADER = 8,
	TTL_DEFAULT = 64,
};

uint32_t
checksum_add(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t s = sum;

	for (; len > 1; len -= 2, p += 2)
		s += (uint32_t)(p[0] << 8 | p[1]);
	if (len)
		s += (uint32_t)p[0] << 8;
	while (s >> 32)
		s = (s & 0xffffffff) + (s >> 32);
	return (uint32_t)s;
}

uint16_t
checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Sum over the UDP pseudo-header: RFC 768, RFC 8200 8.1. */
static uint32_t
pseudo_header(const struct ecm *m, size_t udp_len)
{
	uint32_t sum = IP_UDP + (uint32_t)udp_len;

	sum = checksum_add(sum, m->source.bytes, addr_len(m->source.afi));
	return checksum_add(
	    sum, m->destination.bytes, addr_len(m->destination.afi));
}

/*
 * The data between the first word and the inner IP header when S is set:
 * LISP-SEC (RFC 9303 6.1) or that of an RTR (draft-ermagan-lisp-nat-traversal).
 * Bounded here, understood elsewhere.
 */
static void
security_read(struct wire_reader *r, struct ecm *m)
{
	const uint8_t *start = r->at;
	uint8_t type = wire_get_u8(r);
	uint16_t len;

	wire_take(r, 3); /* unassigned, requested HMAC; RTR: reserved */
	switch (type) {
	case 1:
		len = wire_get_u16(r); /* OTK */
		wire_take(r, 2);       /* key-id, wrapping */
		wire_take(r, len);
		len = wire_get_u16(r); /* EID-AD, counts itself */
		if (!r->err && len < 4)
			wire_fail(r, ERR_MALFORMED);
		wire_take(r, len - 2u);
		break;
	case 2:
		wire_take(r, 2); /* MS-RTR key-id */
		wire_take(r, wire_get_u16(r));
		break;
	default:
		wire_fail(r, ERR_UNSUPPORTED);
	}
	m->security_data = start;
	m->security_len = (size_t)(r->at - start);
}

/* Returns a reader of what is behind the inner IPv4 header. */
static struct wire_reader
ipv4_read(struct wire_reader *r, struct ecm *m)
{
	const uint8_t *start = r->at;
	uint8_t header = (uint8_t)((wire_get_u8(r) & 0x0f) * 4);
	uint16_t total, fragment;
	uint8_t protocol;

	wire_get_u8(r); /* DSCP, ECN */
	total = wire_get_u16(r);
	wire_get_u16(r); /* identification */
	fragment = wire_get_u16(r);
	m->ttl = wire_get_u8(r);
	protocol = wire_get_u8(r);
	wire_get_u16(r); /* checksum */
	m->source.afi = AFI_IPV4;
	wire_get_bytes(r, m->source.bytes, 4);
	m->destination.afi = AFI_IPV4;
	wire_get_bytes(r, m->destination.bytes, 4);
	if (!r->err &&
	    (header < IPV4_HEADER || total < header + UDP_HEADER ||
		(fragment & 0x3fff) || protocol != IP_UDP))
		wire_fail(r, ERR_MALFORMED);
	wire_take(r, header - (size_t)IPV4_HEADER); /* options */
	if (!r->err && checksum_fold(checksum_add(0, start, header)))
		wire_fail(r, ERR_MALFORMED);
	return wire_sub(r, (size_t)total - header);
}

static struct wire_reader
ipv6_read(struct wire_reader *r, struct ecm *m)
{
	uint16_t len;
	uint8_t next;

	wire_get_u32(r); /* version, traffic class, flow label */
	len = wire_get_u16(r);
	next = wire_get_u8(r);
	m->ttl = wire_get_u8(r);
	m->source.afi = AFI_IPV6;
	wire_get_bytes(r, m->source.bytes, 16);
	m->destination.afi = AFI_IPV6;
	wire_get_bytes(r, m->destination.bytes, 16);
	/* No extension headers: nobody needs any here. */
	if (!r->err && next != IP_UDP)
		wire_fail(r, ERR_MALFORMED);
	return wire_sub(r, len);
}

/* The inner UDP header; what follows it is the payload. */
static void
udp_read(struct wire_reader *r, struct ecm *m)
{
	const uint8_t *start = r->at;
	uint16_t len, checksum;
	uint32_t sum;

	m->source_port = wire_get_u16(r);
	m->destination_port = wire_get_u16(r);
	len = wire_get_u16(r);
	checksum = wire_get_u16(r);
	if (!r->err && len < UDP_HEADER)
		wire_fail(r, ERR_MALFORMED);
	m->payload_len = len - (size_t)UDP_HEADER;
	m->payload = wire_take(r, m->payload_len);
	if (r->err)
		return;
	if (m->source_port == LISP_DATA_PORT ||
	    m->destination_port == LISP_DATA_PORT)
		wire_fail(r, ERR_MALFORMED);
	m->no_checksum = checksum == 0;
	if (m->no_checksum) {
		if (m->source.afi == AFI_IPV6) /* RFC 8200 8.1 */
			wire_fail(r, ERR_MALFORMED);
		return;
	}
	sum = checksum_add(pseudo_header(m, len), start, len);
	if (checksum_fold(sum))
		wire_fail(r, ERR_MALFORMED);
}

/* What may travel in an ECM: requests, and behind a NAT registrations. */
static void
payload_check(struct wire_reader *r, const struct ecm *m)
{
	if (r->err)
		return;
	switch (msg_type(m->payload, m->payload_len)) {
	case -1:
		wire_fail(r, ERR_TRUNCATED);
		break;
	case LISP_MAP_REQUEST:
		if (m->payload[0] & 0x02) /* a probe goes to the RLOC */
			wire_fail(r, ERR_MALFORMED);
		break;
	case LISP_MAP_REGISTER:
	case LISP_MAP_NOTIFY:
	case LISP_MAP_NOTIFY_ACK:
		break;
	default:
		wire_fail(r, ERR_MALFORMED);
	}
}

enum err
ecm_decode(const uint8_t *bytes, size_t len, struct ecm *out)
{
	struct wire_reader reader = wire_reader(bytes, len), *r = &reader;
	struct wire_reader udp;
	struct ecm m = { 0 };
	uint32_t word = wire_get_u32(r);

	if (!r->err && word >> 28 != LISP_ECM)
		wire_fail(r, ERR_MALFORMED);
	m.security = word & 0x08000000;
	m.ddt = word & 0x04000000;
	m.to_etr = word & 0x02000000;
	m.to_ms = word & 0x01000000;
	m.rtr = word & 0x00400000;
	m.nat = word & 0x00200000;
	if (m.security)
		security_read(r, &m);
	if (!r->err && !wire_left(r))
		wire_fail(r, ERR_TRUNCATED);
	if (r->err)
		return r->err;
	switch (r->at[0] >> 4) {
	case 4:
		udp = ipv4_read(r, &m);
		break;
	case 6:
		udp = ipv6_read(r, &m);
		break;
	default:
		return ERR_MALFORMED;
	}
	if (r->err)
		return r->err;
	udp_read(&udp, &m);
	payload_check(&udp, &m);
	if (udp.err)
		return udp.err;
	*out = m;
	return ERR_OK;
}

static void
ipv4_put(struct wire_writer *w, const struct ecm *m, size_t udp_len)
{
	uint8_t *start = w->at;
	uint16_t sum;

	wire_put_u16(w, 0x4500);
	wire_put_u16(w, (unsigned)(IPV4_HEADER + udp_len));
	wire_put_u32(w, 0x4000); /* DF: then an identification of 0 is right */
	wire_put_u8(w, m->ttl ? m->ttl : TTL_DEFAULT);
	wire_put_u8(w, IP_UDP);
	wire_put_u16(w, 0);
	wire_put_bytes(w, m->source.bytes, 4);
	wire_put_bytes(w, m->destination.bytes, 4);
	if (w->err)
		return;
	sum = checksum_fold(checksum_add(0, start, IPV4_HEADER));
	start[10] = (uint8_t)(sum >> 8);
	start[11] = (uint8_t)sum;
}

static void
ipv6_put(struct wire_writer *w, const struct ecm *m, size_t udp_len)
{
	wire_put_u32(w, UINT32_C(6) << 28);
	wire_put_u16(w, (unsigned)udp_len);
	wire_put_u8(w, IP_UDP);
	wire_put_u8(w, m->ttl ? m->ttl : TTL_DEFAULT);
	wire_put_bytes(w, m->source.bytes, 16);
	wire_put_bytes(w, m->destination.bytes, 16);
}

static void
udp_put(struct wire_writer *w, const struct ecm *m, size_t udp_len)
{
	uint8_t *start = w->at;
	uint16_t sum;

	wire_put_u16(w, m->source_port);
	wire_put_u16(w, m->destination_port);
	wire_put_u16(w, (unsigned)udp_len);
	wire_put_u16(w, 0);
	wire_put_bytes(w, m->payload, m->payload_len);
	if (w->err)
		return;
	sum = checksum_fold(
	    checksum_add(pseudo_header(m, udp_len), start, udp_len));
	if (!sum) /* 0 would say "none": RFC 768 */
		sum = 0xffff;
	start[6] = (uint8_t)(sum >> 8);
	start[7] = (uint8_t)sum;
}

void
ecm_encode(struct wire_writer *w, const struct ecm *m)
{
	size_t udp_len = UDP_HEADER + m->payload_len;

	if (udp_len > UINT16_MAX - IPV4_HEADER) {
		w->err = ERR_FULL;
		return;
	}
	wire_put_u32(w,
	    (uint32_t)LISP_ECM << 28 | (m->security ? 0x08000000u : 0u) |
		(m->ddt ? 0x04000000u : 0u) | (m->to_etr ? 0x02000000u : 0u) |
		(m->to_ms ? 0x01000000u : 0u) | (m->rtr ? 0x00400000u : 0u) |
		(m->nat ? 0x00200000u : 0u));
	if (m->security)
		wire_put_bytes(w, m->security_data, m->security_len);
	if (m->source.afi == AFI_IPV6)
		ipv6_put(w, m, udp_len);
	else
		ipv4_put(w, m, udp_len);
	udp_put(w, m, udp_len);
}
