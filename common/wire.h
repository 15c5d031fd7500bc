/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

/*
 * wire.h - reader and writer: the only pointer arithmetic on packets.
 *
 * Both are sticky: the first failure is remembered, it and later reads give 0,
 * later writes nothing, and the caller asks once.  A length field opens a
 * sub-reader that cannot see past its end.  Big-endian on the wire, host order
 * in every value.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

struct wire_reader {
	const uint8_t *at, *end;
	enum err err; /* sticky: the first failure wins */
};

struct wire_writer {
	uint8_t *start, *at, *end;
	enum err err;
};

static inline struct wire_reader
wire_reader(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	/* NULL + 0 is undefined in C. */
	return (struct wire_reader){ p, len ? p + len : p, ERR_OK };
}

static inline size_t
wire_left(const struct wire_reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline void
wire_fail(struct wire_reader *r, enum err err)
{
	if (!r->err)
		r->err = err;
	r->at = r->end;
}

/* Returns the next 'n' octets, borrowed, or NULL after failing 'r'. */
static inline const uint8_t *
wire_take(struct wire_reader *r, size_t n)
{
	if (r->err || n > wire_left(r)) {
		wire_fail(r, ERR_TRUNCATED);
		return NULL;
	}
	if (!n)
		return r->at;
	r->at += n;
	return r->at - n;
}

static inline uint8_t
wire_get_u8(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t
wire_get_u16(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 2);

	if (!p)
		return 0;
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
wire_get_u32(struct wire_reader *r)
{
	const uint8_t *p = wire_take(r, 4);

	if (!p)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
wire_get_u64(struct wire_reader *r)
{
	uint64_t v = 0;
	const uint8_t *p = wire_take(r, 8);

	for (unsigned i = 0; p && i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* Copies 'n' octets into 'out'; zeroes on failure. */
static inline void
wire_get_bytes(struct wire_reader *r, void *out, size_t n)
{
	const uint8_t *p = wire_take(r, n);

	if (!n)
		return;
	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

/* A reader for the next 'n' octets; 'r' moves past them. */
static inline struct wire_reader
wire_sub(struct wire_reader *r, size_t n)
{
	const uint8_t *p = wire_take(r, n);

	if (p)
		return wire_reader(p, n);
	return (struct wire_reader){ r->end, r->end, r->err };
}

static inline struct wire_writer
wire_writer(void *bytes, size_t size)
{
	uint8_t *p = bytes;

	return (struct wire_writer){ p, p, size ? p + size : p, ERR_OK };
}

/* Octets written so far. */
static inline size_t
wire_written(const struct wire_writer *w)
{
	return (size_t)(w->at - w->start);
}

/* Room for 'n' octets, to be filled by the caller; NULL after failing 'w'. */
static inline uint8_t *
wire_room(struct wire_writer *w, size_t n)
{
	if (w->err || n > (size_t)(w->end - w->at)) {
		if (!w->err)
			w->err = ERR_FULL;
		return NULL;
	}
	if (!n)
		return w->at;
	w->at += n;
	return w->at - n;
}

static inline void
wire_put_u8(struct wire_writer *w, unsigned v)
{
	uint8_t *p = wire_room(w, 1);

	if (p)
		p[0] = (uint8_t)v;
}

static inline void
wire_put_u16(struct wire_writer *w, unsigned v)
{
	uint8_t *p = wire_room(w, 2);

	if (p) {
		p[0] = (uint8_t)(v >> 8);
		p[1] = (uint8_t)v;
	}
}

static inline void
wire_put_u32(struct wire_writer *w, uint32_t v)
{
	wire_put_u16(w, v >> 16);
	wire_put_u16(w, v & 0xffff);
}

static inline void
wire_put_u64(struct wire_writer *w, uint64_t v)
{
	wire_put_u32(w, (uint32_t)(v >> 32));
	wire_put_u32(w, (uint32_t)v);
}

static inline void
wire_put_bytes(struct wire_writer *w, const void *bytes, size_t n)
{
	uint8_t *p = wire_room(w, n);

	if (p && n)
		memcpy(p, bytes, n);
}

static inline void
wire_put_zero(struct wire_writer *w, size_t n)
{
	uint8_t *p = wire_room(w, n);

	if (p && n)
		memset(p, 0, n);
}

#endif
