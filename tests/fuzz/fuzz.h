/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/*
 * fuzz.h - what the targets share.
 *
 * A target decodes; if that succeeds it walks everything the struct lends out,
 * encodes, and decodes and encodes once more: the second message must be
 * accepted and come out as the same octets, so nothing that the decoder keeps
 * is lost or read differently.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/auth.h"
#include "common/lcaf.h"
#include "tests/golden/reencode.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf( \
			    stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

/*
 * The body of a target for 'struct type', its decoder and its re-encoder.
 * 'walk' looks at one decoded message.
 */
#define ROUND_TRIP(type, decode, reencode, walk, bytes, len) \
	do { \
		static struct type first, second; \
		static uint8_t once[1 << 17], twice[1 << 17]; \
		struct wire_writer w1 = wire_writer(once, sizeof(once)); \
		struct wire_writer w2 = wire_writer(twice, sizeof(twice)); \
\
		if (decode(bytes, len, &first)) \
			return 0; \
		walk(bytes, len, &first); \
		reencode(&w1, &first); \
		CHECK(!w1.err); \
		CHECK(decode(once, wire_written(&w1), &second) == ERR_OK); \
		walk(once, wire_written(&w1), &second); \
		reencode(&w2, &second); \
		CHECK(!w2.err); \
		CHECK(wire_written(&w1) == wire_written(&w2)); \
		CHECK(memcmp(once, twice, wire_written(&w1)) == 0); \
	} while (0)

/* Is [at, at + n) inside the message? */
static inline void
inside(const uint8_t *bytes, size_t len, const uint8_t *at, size_t n)
{
	CHECK(at >= bytes && n <= len && (size_t)(at - bytes) <= len - n);
}

/* Text of any address is printable ASCII and ends in its buffer. */
static inline void
text_walk(const struct lisp_addr *a)
{
	char buf[LISP_ADDR_STR_MAX];

	for (size_t size = 1; size <= sizeof(buf); size *= 4) {
		lisp_addr_str(a, buf, size);
		CHECK(strlen(buf) < size);
		for (const char *c = buf; *c; c++)
			CHECK(*c >= 0x20 && *c < 0x7f);
	}
}

static inline void
addr_walk(const uint8_t *bytes, size_t len, const struct lisp_addr *a)
{
	struct addr rloc;

	if (a->opaque) {
		inside(bytes, len, a->opaque, a->opaque_len);
		CHECK(a->addr.afi == AFI_NONE && !a->has_iid);
	}
	text_walk(a);
	if (lcaf_rloc(a, ~0u, &rloc))
		CHECK(!addr_is_martian(&rloc));
}

static inline void
eid_walk(
    const uint8_t *bytes, size_t len, const struct lisp_addr *a, unsigned bits)
{
	struct eid e, back;
	char buf[EID_STR_MAX];

	addr_walk(bytes, len, a);
	CHECK(bits <= lisp_addr_bits(a));
	if (lisp_addr_eid(a, bits, &e))
		return;
	CHECK(eid_parse(eid_str(&e, buf), &back) == ERR_OK);
	CHECK(eid_equal(&e, &back));
}

static inline void
records_walk(
    const uint8_t *bytes, size_t len, struct records records, unsigned count)
{
	static struct mapping m;
	unsigned n = 0;

	inside(bytes, len, records.at, records.len);
	for (; records_next(&records, &m); n++) {
		eid_walk(bytes, len, &m.eid, m.eid_bits);
		CHECK(m.action < 8 && m.version < 4096);
		for (unsigned i = 0; i < m.n_locators; i++)
			addr_walk(bytes, len, &m.locators[i].addr);
	}
	CHECK(n == count && records.len == 0);
}

/*
 * A signed message verifies, and no longer after a bit is flipped anywhere
 * ('bytes' is changed).  What came in verifies only by a MAC of the corpus.
 */
static inline void
mac_walk(uint8_t *bytes, size_t len)
{
	struct auth_key key = { .key_id = bytes[12],
		.algorithm = bytes[13],
		.accept = 0x0e,
		.send_len = bytes[15] == 32 ? 32 : 0,
		.secret_len = 6,
		.secret = "secret" };
	size_t at = (bytes[4] | (size_t)bytes[11] << 8) % len;
	struct auth_header h;

	CHECK(auth_header_decode(bytes, len, &h) == ERR_OK);
	if (auth_sign(bytes, len, &key))
		return; /* no algorithm, or 12 octets of SHA-1 */
	CHECK(auth_verify(bytes, len, &key) == ERR_OK);
	bytes[at] ^= 1;
	CHECK(auth_verify(bytes, len, &key) != ERR_OK);
	bytes[at] ^= 1;
}

#endif
