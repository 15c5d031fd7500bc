/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.c - addresses and EID prefixes: text, comparison, prefix arithmetic.
 *
 * Used by everything; addr_wire.c has their form in messages.  struct addr and
 * struct eid are keys of tables and compared as memory, so every function here
 * that makes one starts from zeroes and keeps host bits zero.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

size_t
addr_len(uint16_t afi)
{
	switch (afi) {
	case AFI_IPV4:
		return 4;
	case AFI_IPV6:
		return 16;
	case AFI_MAC:
		return 6;
	}
	return 0;
}

unsigned
addr_bits(const struct addr *a)
{
	return (unsigned)addr_len(a->afi) * 8;
}

int
addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->afi != b->afi)
		return a->afi < b->afi ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

struct addr
addr_make(uint16_t afi, const void *bytes)
{
	struct addr a = { .afi = afi };
	size_t len = addr_len(afi);

	if (len)
		memcpy(a.bytes, bytes, len);
	return a;
}

static bool
ipv4_is_martian(const uint8_t *b)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	/* 0/8 and 127/8: RFC 1122 3.2.1.3; 224/4: RFC 1112 4. */
	return b[0] == 0 || b[0] == 127 || (b[0] & 0xf0) == 0xe0 ||
	    memcmp(b, broadcast, 4) == 0;
}

static bool
ipv6_is_martian(const uint8_t *b)
{
	static const uint8_t zero[15];
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(b, zero, 15) == 0 && b[15] <= 1)
		return true; /* :: and ::1 */
	/* ::ffff:0:0/96 means IPv4 inside a host, never on the wire. */
	return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) ||
	    memcmp(b, mapped, sizeof(mapped)) == 0;
}

bool
addr_is_martian(const struct addr *a)
{
	static const uint8_t zero[6];

	switch (a->afi) {
	case AFI_IPV4:
		return ipv4_is_martian(a->bytes);
	case AFI_IPV6:
		return ipv6_is_martian(a->bytes);
	case AFI_MAC:
		return (a->bytes[0] & 1) || memcmp(a->bytes, zero, 6) == 0;
	}
	return true;
}

/* Value of a hex digit, -1 if it is none. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Two hex digits -> octet; false if they are not. */
static bool
hex_octet(const char *text, uint8_t *out)
{
	int high = hex_digit(text[0]);
	int low = high < 0 ? -1 : hex_digit(text[1]);

	if (low < 0)
		return false;
	*out = (uint8_t)(high << 4 | low);
	return true;
}

static bool
mac_parse(const char *text, uint8_t out[6])
{
	if (strlen(text) != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		if (!hex_octet(text + 3 * i, &out[i]))
			return false;
		if (i < 5 && text[3 * i + 2] != ':')
			return false;
	}
	return true;
}

enum err
addr_parse(const char *text, struct addr *out)
{
	uint8_t bytes[16];
	uint16_t afi;

	if (inet_pton(AF_INET, text, bytes) == 1)
		afi = AFI_IPV4;
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		afi = AFI_IPV6;
	else if (mac_parse(text, bytes))
		afi = AFI_MAC;
	else
		return ERR_MALFORMED;
	*out = addr_make(afi, bytes);
	return ERR_OK;
}

const char *
addr_str(const struct addr *a, char *buf)
{
	const uint8_t *b = a->bytes;

	switch (a->afi) {
	case AFI_IPV4:
		return inet_ntop(AF_INET, b, buf, ADDR_STR_MAX);
	case AFI_IPV6:
		return inet_ntop(AF_INET6, b, buf, ADDR_STR_MAX);
	case AFI_MAC:
		snprintf(buf, ADDR_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x",
		    b[0], b[1], b[2], b[3], b[4], b[5]);
		return buf;
	}
	snprintf(buf, ADDR_STR_MAX, "none");
	return buf;
}

void
addr_to_sockaddr(const struct addr *a, uint16_t port,
    struct sockaddr_storage *out, unsigned *len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	*len = 0;
	if (a->afi == AFI_IPV4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes, 4);
		*len = sizeof(*in);
	} else if (a->afi == AFI_IPV6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, a->bytes, 16);
		*len = sizeof(*in6);
	}
}

enum err
addr_from_sockaddr(const struct sockaddr *sa, struct addr *out, uint16_t *port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	if (sa->sa_family == AF_INET) {
		*out = addr_make(AFI_IPV4, &in->sin_addr);
		*port = ntohs(in->sin_port);
		return ERR_OK;
	}
	if (sa->sa_family != AF_INET6)
		return ERR_UNSUPPORTED;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		*out = addr_make(AFI_IPV4, &in6->sin6_addr.s6_addr[12]);
	else
		*out = addr_make(AFI_IPV6, &in6->sin6_addr);
	*port = ntohs(in6->sin6_port);
	return ERR_OK;
}

struct eid
eid_make(uint32_t iid, const struct addr *a, unsigned bits)
{
	struct eid e = { .iid = iid, .addr = *a };
	unsigned max = addr_bits(a);

	if (bits > max)
		bits = max;
	e.bits = (uint8_t)bits;
	for (unsigned i = 0; i < sizeof(e.addr.bytes); i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;

		if (keep < 8)
			e.addr.bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
	return e;
}

struct eid
eid_host(uint32_t iid, const struct addr *a)
{
	return eid_make(iid, a, addr_bits(a));
}

bool
eid_is_host(const struct eid *e)
{
	return e->addr.afi != AFI_NONE && e->bits == addr_bits(&e->addr);
}

bool
eid_covers(const struct eid *outer, const struct eid *inner)
{
	struct eid cut;

	if (outer->iid != inner->iid || outer->addr.afi != inner->addr.afi ||
	    outer->bits > inner->bits)
		return false;
	cut = eid_make(inner->iid, &inner->addr, outer->bits);
	return eid_equal(&cut, outer);
}

/* Decimal digits up to 'end', a value of at most 'max'. */
static bool
number_parse(const char *text, const char *end, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return true;
}

enum err
eid_parse(const char *text, struct eid *out)
{
	char buf[ADDR_STR_MAX];
	const char *slash;
	struct addr a;
	struct eid e;
	uint64_t iid = 0, bits;
	size_t len;

	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (!close || !number_parse(text + 1, close, UINT32_MAX, &iid))
			return ERR_MALFORMED;
		text = close + 1;
	}
	slash = strchr(text, '/');
	len = slash ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(buf))
		return ERR_MALFORMED;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (addr_parse(buf, &a))
		return ERR_MALFORMED;
	bits = addr_bits(&a);
	if (slash &&
	    !number_parse(slash + 1, slash + strlen(slash), bits, &bits))
		return ERR_MALFORMED;
	e = eid_make((uint32_t)iid, &a, (unsigned)bits);
	if (!addr_equal(&e.addr, &a))
		return ERR_MALFORMED; /* host bits beyond the mask */
	*out = e;
	return ERR_OK;
}

const char *
eid_str(const struct eid *e, char *buf)
{
	char addr[ADDR_STR_MAX];

	addr_str(&e->addr, addr);
	if (e->iid)
		snprintf(buf, EID_STR_MAX, "[%u]%s/%u", e->iid, addr, e->bits);
	else
		snprintf(buf, EID_STR_MAX, "%s/%u", addr, e->bits);
	return buf;
}

enum err
lisp_addr_eid(const struct lisp_addr *a, unsigned bits, struct eid *out)
{
	if (a->opaque || a->addr.afi == AFI_NONE)
		return ERR_UNSUPPORTED;
	if (bits > addr_bits(&a->addr))
		return ERR_MALFORMED;
	*out = eid_make(a->has_iid ? a->iid : 0, &a->addr, bits);
	return ERR_OK;
}

struct lisp_addr
lisp_addr_from_eid(const struct eid *e)
{
	return (struct lisp_addr){
		.addr = e->addr,
		.has_iid = e->iid != 0,
		.iid = e->iid,
	};
}

struct lisp_addr
lisp_addr_from_addr(const struct addr *a)
{
	return (struct lisp_addr){ .addr = *a };
}

enum err
uuid_parse(const char *text, uint8_t out[16])
{
	uint8_t uuid[16];
	bool dashes = strlen(text) == 36;

	if (!dashes && strlen(text) != 32)
		return ERR_MALFORMED;
	for (unsigned i = 0; i < 16; i++) {
		if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) &&
		    *text++ != '-')
			return ERR_MALFORMED;
		if (!hex_octet(text, &uuid[i]))
			return ERR_MALFORMED;
		text += 2;
	}
	memcpy(out, uuid, 16);
	return ERR_OK;
}

const char *
uuid_str(const uint8_t u[16], char buf[UUID_STR_MAX])
{
	snprintf(buf, UUID_STR_MAX,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
	    u[11], u[12], u[13], u[14], u[15]);
	return buf;
}

bool
uuid_is_zero(const uint8_t uuid[16])
{
	static const uint8_t zero[16];

	return memcmp(uuid, zero, 16) == 0;
}
