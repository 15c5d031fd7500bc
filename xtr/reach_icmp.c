/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_icmp.c - ICMP errors about packets that we encapsulated.
 *
 * dp_icmp.c reads them; what is believed goes to reach_probe.c as a hint.  Only
 * as much of the quoted packet is looked at as every router quotes: its IP header
 * and eight octets (RFC 792).
 */
#include "reach_icmp.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "common/lisp.h"
#include "common/msg.h"
#include "common/wire.h"
#include "xtr/limit.h"
#include "xtr/reach_probe.h"

struct quoted {
	struct addr source, destination;
	uint8_t protocol;
	uint16_t dport;
};

static struct addr
get_addr(struct wire_reader *r, uint16_t afi)
{
	const uint8_t *bytes = wire_take(r, addr_len(afi));

	return bytes ? addr_make(afi, bytes) : (struct addr){ 0 };
}

static void
quoted4(struct wire_reader *r, struct quoted *q)
{
	const unsigned first = wire_get_u8(r);
	const size_t header = (first & 0x0f) * 4u;
	unsigned fragment;

	if (first >> 4 != 4 || header < 20)
		wire_fail(r, ERR_MALFORMED);
	wire_take(r, 5); /* type of service, length, identification */
	fragment = wire_get_u16(r);
	wire_get_u8(r); /* TTL */
	q->protocol = wire_get_u8(r);
	wire_take(r, 2); /* checksum */
	q->source = get_addr(r, AFI_IPV4);
	q->destination = get_addr(r, AFI_IPV4);
	wire_take(r, header > 20 ? header - 20 : 0);
	if (fragment & 0x1fff)
		wire_fail(r, ERR_POLICY); /* we send none */
}

static void
quoted6(struct wire_reader *r, struct quoted *q)
{
	if (wire_get_u8(r) >> 4 != 6)
		wire_fail(r, ERR_MALFORMED);
	wire_take(r, 5);
	q->protocol = wire_get_u8(r);
	wire_get_u8(r); /* hop limit */
	q->source = get_addr(r, AFI_IPV6);
	q->destination = get_addr(r, AFI_IPV6);
}

/* Whether the message says that its destination cannot be reached at all. */
static bool
says_unreachable(uint16_t afi, unsigned type, unsigned code)
{
	if (afi == AFI_IPV6)
		return type == ICMP6_DST_UNREACH;
	return type == ICMP_DEST_UNREACH && code != ICMP_FRAG_NEEDED;
}

static enum err
parse(uint16_t afi, const uint8_t *message, size_t len, struct quoted *q)
{
	struct wire_reader reader = wire_reader(message, len), *r = &reader;
	const unsigned type = wire_get_u8(r), code = wire_get_u8(r);

	wire_take(r, 6); /* checksum, unused */
	if (r->err)
		return r->err;
	if (!says_unreachable(afi, type, code))
		return ERR_UNSUPPORTED;
	if (afi == AFI_IPV4 &&
	    checksum_fold(checksum_add(0, message, len)) != 0)
		return ERR_MALFORMED;
	if (afi == AFI_IPV6)
		quoted6(r, q);
	else
		quoted4(r, q);
	wire_get_u16(r); /* source port */
	q->dport = wire_get_u16(r);
	return r->err;
}

static enum err
judge(struct xtr *x, uint16_t afi, const uint8_t *message, size_t len)
{
	const struct mono now = xtr_now(x);
	struct quoted q = { 0 };
	enum err err = parse(afi, message, len, &q);
	struct reach_rloc *r;

	if (err)
		return err;
	r = reach_find(x, &q.destination);
	if (q.protocol != IPPROTO_UDP || q.dport != LISP_DATA_PORT || !r ||
	    r->own || !xtr_rloc_is_own(x, &q.source) || !r->data_sent.us ||
	    mono_before(mono_add_ms(r->data_sent, ICMP_RECENT_MS), now))
		return ERR_POLICY;
	if (!limit_total_take(reach_icmp_bucket(x), ICMP_HINTS_PER_S, now))
		return ERR_RATE;
	reach_probe_hint(r, REACH_ICMP);
	return ERR_OK;
}

enum err
reach_on_icmp(struct xtr *x, uint16_t afi, const uint8_t *message, size_t len)
{
	enum err err =
	    x->conf->reachability.icmp ? judge(x, afi, message, len) : ERR_ROLE;

	if (err)
		x->counters.icmp_ignored++;
	else
		x->counters.icmp_hints++;
	return err;
}
