/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_captures.c - real packets from tcpdump's test suite.
 *
 * They are older than RFC 9301: 16-bit key-id 1, which reads as key-id 0 and
 * algorithm 1.  The key is unknown, so the MAC is only carried over.
 */
#include "reencode.h"
#include "vectors.h"

/* Bit 4 announces ids that are not there: sent as 0. */
#define BIT_4_ALONE "tcpdump-lisp_eid_notify-3"

static unsigned
number(const struct vector *v, const char *key)
{
	return (unsigned)json_integer_value(json_object_get(v->json, key));
}

/* The first word's bits that RFC 9301 5.6 and 5.7 reserve. */
static void
reserved_clear(uint8_t *bytes)
{
	if (bytes[0] >> 4 == LISP_MAP_NOTIFY) {
		bytes[0] &= 0xf8;
		bytes[1] = bytes[2] = 0;
		return;
	}
	bytes[0] &= 0xfe;
	bytes[1] = 0;
	bytes[2] &= 0x1d;
}

static void
reencode_check(const struct vector *v, const struct decoded *d)
{
	uint8_t *buf = calloc(1, LISP_MSG_MAX);
	struct wire_writer w = wire_writer(buf, LISP_MSG_MAX);
	uint8_t *want = malloc(v->len);
	size_t trailer;

	memcpy(want, v->bytes, v->len);
	reserved_clear(want);
	if (strcmp(v->name, BIT_4_ALONE) == 0)
		want[0] &= 0xf0;
	if (d->type == LISP_MAP_REGISTER) {
		register_reencode(&w, &d->reg);
		trailer = d->reg.trailer_len;
	} else {
		notify_reencode(&w, &d->notify);
		trailer = d->notify.trailer_len;
	}
	assert_int_equal(w.err, ERR_OK);
	memcpy(buf + 16, v->bytes + 16, 20);
	assert_int_equal(wire_written(&w), v->len - trailer);
	assert_memory_equal(buf, want, v->len - trailer);
	free(want);
	free(buf);
}

static void
test_capture(void **state)
{
	const struct vector *v = *state;
	struct decoded d;
	enum err err = vector_decode(v, v->bytes, v->len, &d);
	const struct auth_header *a;

	if (strstr(v->name, "_invalid")) {
		assert_int_not_equal(err, ERR_OK);
		return;
	}
	assert_int_equal(err, ERR_OK);
	assert_int_equal(d.type, number(v, "type"));
	if (d.type == LISP_MAP_REGISTER) {
		a = &d.reg.auth;
		assert_int_equal(d.reg.n_records, number(v, "record_count"));
		assert_int_equal(d.reg.has_xtr_id, number(v, "I"));
	} else {
		a = &d.notify.auth;
		assert_int_equal(d.notify.n_records, number(v, "record_count"));
		assert_int_equal(d.notify.has_xtr_id,
		    strcmp(v->name, BIT_4_ALONE) ? number(v, "I") : 0);
	}
	assert_int_equal(a->key_id, 0);
	assert_int_equal(a->algorithm, AUTH_SHA1_96);
	assert_int_equal(a->len, 20);
	reencode_check(v, &d);
}

int
main(void)
{
	return vectors_run("golden/captures", "captures", test_capture);
}
