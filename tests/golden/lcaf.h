/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_LCAF_H
#define TESTS_GOLDEN_LCAF_H

/*
 * lcaf.h - a vector's description of an LCAF -> the octets it must have.
 *
 * The decoder carries most LCAFs unread, so "every field is right" is checked
 * the other way round: build the body from the fields as RFC 8060 draws it and
 * compare.
 */
#include "vectors.h"

static inline void lcaf_build(json_t *, struct wire_writer *);

static inline unsigned
json_uint(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return (unsigned)json_integer_value(value);
}

/* "192.0.2.1", "[9]192.0.2.1", "dn:name", null, or a nested LCAF. */
static inline void
addr_build(json_t *json, struct wire_writer *w)
{
	const char *text = json_string_value(json);
	struct lisp_addr a;
	struct eid e;

	if (json_is_null(json)) {
		wire_put_u16(w, AFI_NONE);
		return;
	}
	if (json_is_object(json)) {
		lcaf_build(json, w);
		return;
	}
	assert_non_null(text);
	if (strncmp(text, "dn:", 3) == 0) {
		wire_put_u16(w, AFI_NAME);
		wire_put_bytes(w, text + 3, strlen(text + 3) + 1);
		return;
	}
	assert_int_equal(eid_parse(text, &e), ERR_OK);
	a = lisp_addr_from_eid(&e);
	lisp_addr_encode(w, &a);
}

/* The address of "10.1.0.0/24"; '*bits' is its length. */
static inline void
prefix_build(
    json_t *object, const char *key, uint8_t *bits, struct wire_writer *w)
{
	struct lisp_addr a;
	struct eid e;

	assert_int_equal(
	    eid_parse(json_string_value(json_object_get(object, key)), &e),
	    ERR_OK);
	*bits = e.bits;
	a = lisp_addr_from_eid(&e);
	lisp_addr_encode(w, &a);
}

static inline void
hex_build(json_t *json, struct wire_writer *w)
{
	const char *text = json_string_value(json);
	unsigned octet;

	assert_non_null(text);
	for (; sscanf(text, "%2x", &octet) == 1 && text[0]; text += 2)
		wire_put_u8(w, octet);
}

static inline void
geo_build(json_t *o, struct wire_writer *w)
{
	static const char *const keys[] = { "lat", "lon" };
	json_t *alt = json_object_get(o, "alt");

	for (unsigned i = 0; i < 2; i++) {
		json_t *a = json_object_get(o, keys[i]);
		const char *side = json_string_value(json_array_get(a, 0));
		unsigned on = side[0] == (i ? 'E' : 'N');

		wire_put_u16(w,
		    on << 15 |
			(unsigned)json_integer_value(json_array_get(a, 1)));
		wire_put_u8(
		    w, (unsigned)json_integer_value(json_array_get(a, 2)));
		wire_put_u8(
		    w, (unsigned)json_integer_value(json_array_get(a, 3)));
	}
	wire_put_u32(w,
	    json_is_null(alt) ? 0x7fffffff : (uint32_t)json_integer_value(alt));
}

static inline void
range_build(json_t *o, const char *key, struct wire_writer *w)
{
	for (size_t i = 0; i < 2; i++)
		wire_put_u16(w,
		    (unsigned)json_integer_value(
			json_array_get(json_object_get(o, key), i)));
}

/* Types 9 and 12: two mask-lens, then two prefixes. */
static inline void
pair_build(json_t *o, const char *second, struct wire_writer *w)
{
	uint8_t *bits;

	wire_put_u16(w, 0);
	bits = wire_room(w, 2);
	prefix_build(o, "source", &bits[0], w);
	prefix_build(o, second, &bits[1], w);
}

static inline void
nat_build(json_t *o, struct wire_writer *w)
{
	json_t *rtr;
	size_t i;

	wire_put_u16(w, json_uint(o, "ms_port"));
	wire_put_u16(w, json_uint(o, "etr_port"));
	addr_build(json_object_get(o, "global_etr"), w);
	addr_build(json_object_get(o, "ms"), w);
	addr_build(json_object_get(o, "private_etr"), w);
	json_array_foreach(json_object_get(o, "rtrs"), i, rtr)
	    addr_build(rtr, w);
}

static inline void
security_key_build(json_t *o, struct wire_writer *w)
{
	json_t *key;
	size_t i;

	wire_put_u8(w, json_uint(o, "key_count"));
	wire_put_u8(w, 0);
	wire_put_u8(w, json_uint(o, "key_algorithm"));
	wire_put_u8(w, json_uint(o, "revoke"));
	json_array_foreach(json_object_get(o, "keys"), i, key)
	{
		wire_put_u16(w, (unsigned)json_string_length(key) / 2);
		hex_build(key, w);
	}
}

static inline void
json_build(json_t *o, struct wire_writer *w)
{
	json_t *text = json_object_get(o, "json");

	wire_put_u16(w, (unsigned)json_string_length(text));
	wire_put_bytes(w, json_string_value(text), json_string_length(text));
}

/* The body between the LCAF header and the final address, by type. */
static inline void
body_build(unsigned type, json_t *o, struct wire_writer *w)
{
	json_t *item;
	size_t i;

	switch (type) {
	case 1:
		json_array_foreach(json_object_get(o, "items"), i, item)
		    addr_build(item, w);
		break;
	case 3:
		wire_put_u32(w, json_uint(o, "asn"));
		break;
	case 4:
		wire_put_u32(
		    w, json_uint(o, "tos") << 8 | json_uint(o, "protocol"));
		range_build(o, "local", w);
		range_build(o, "remote", w);
		break;
	case 5:
		geo_build(o, w);
		break;
	case 6:
		wire_put_u8(w, json_uint(o, "fields") - 1);
		wire_put_u16(w, json_uint(o, "wildcard"));
		hex_build(json_object_get(o, "key"), w);
		break;
	case 7:
		nat_build(o, w);
		break;
	case 8:
		wire_put_u32(w, json_uint(o, "nonce"));
		break;
	case 9:
		wire_put_u32(w, json_uint(o, "iid"));
		pair_build(o, "group", w);
		break;
	case 10:
		json_array_foreach(json_object_get(o, "hops"), i, item)
		{
			wire_put_u16(w,
			    json_uint(item, "L") << 2 |
				json_uint(item, "P") << 1 |
				json_uint(item, "S"));
			addr_build(json_object_get(item, "addr"), w);
		}
		break;
	case 11:
		security_key_build(o, w);
		break;
	case 12:
		pair_build(o, "dest", w);
		break;
	case 13:
		json_array_foreach(json_object_get(o, "entries"), i, item)
		{
			wire_put_u32(w, json_uint(item, "level"));
			addr_build(json_object_get(item, "addr"), w);
		}
		break;
	case 14:
		json_build(o, w);
		break;
	case 15:
		addr_build(json_object_get(o, "key"), w);
		addr_build(json_object_get(o, "value"), w);
		break;
	case 16:
		wire_put_u32(w, json_uint(o, "bits"));
		break;
	case 255:
		wire_put_u8(w, 0);
		hex_build(json_object_get(o, "oui"), w);
		hex_build(json_object_get(o, "data"), w);
		break;
	}
}

static inline unsigned
lcaf_type_of(json_t *o)
{
	static const struct {
		const char *name;
		unsigned type;
	} names[] = { { "afi-list", 1 }, { "asn", 3 }, { "app-data", 4 },
		{ "geo", 5 }, { "opaque", 6 }, { "nat", 7 }, { "nonce-loc", 8 },
		{ "mcast-info", 9 }, { "elp", 10 }, { "security-key", 11 },
		{ "source-dest", 12 }, { "rle", 13 }, { "json", 14 },
		{ "key-value", 15 }, { "encap", 16 }, { "vendor", 255 } };
	const char *name = json_string_value(json_object_get(o, "lcaf"));

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name && strcmp(name, names[i].name) == 0)
			return names[i].type;
	fail_msg("LCAF %s is not known to this test", name ? name : "?");
	return 0;
}

static inline void
lcaf_build(json_t *o, struct wire_writer *w)
{
	unsigned type = lcaf_type_of(o);
	uint8_t *len;
	size_t start;

	wire_put_u16(w, AFI_LCAF);
	wire_put_u16(w, 0);
	wire_put_u8(w, type);
	wire_put_u8(w, type == 14 ? json_uint(o, "binary") : 0);
	len = wire_room(w, 2);
	start = wire_written(w);
	body_build(type, o, w);
	if (json_object_get(o, "addr"))
		addr_build(json_object_get(o, "addr"), w);
	assert_int_equal(w->err, ERR_OK);
	len[0] = (uint8_t)((wire_written(w) - start) >> 8);
	len[1] = (uint8_t)(wire_written(w) - start);
}

#endif
