/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_LCAF_H
#define TESTS_GOLDEN_LCAF_H

/*
 * lcaf.h - an LCAF of a message against its description in a vector: every
 * field, every item of its list, and the same octets when encoded again.
 */
#include "check.h"
#include "reencode.h"

static inline unsigned
lcaf_type_of(json_t *o)
{
	static const struct {
		const char *name;
		unsigned type;
	} names[] = { { "afi-list", LCAF_AFI_LIST }, { "asn", LCAF_AS_NUMBER },
		{ "app-data", LCAF_APPLICATION }, { "geo", LCAF_GEO },
		{ "opaque", LCAF_OPAQUE_KEY }, { "nat", LCAF_NAT },
		{ "nonce-loc", LCAF_NONCE }, { "mcast-info", LCAF_MULTICAST },
		{ "elp", LCAF_ELP }, { "security-key", LCAF_SECURITY_KEY },
		{ "source-dest", LCAF_SOURCE_DEST },
		{ "rle", LCAF_REPLICATION }, { "json", LCAF_JSON },
		{ "key-value", LCAF_KEY_VALUE },
		{ "encap", LCAF_ENCAPSULATION }, { "vendor", LCAF_VENDOR } };
	const char *name = json_string_value(json_object_get(o, "lcaf"));

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name && strcmp(name, names[i].name) == 0)
			return names[i].type;
	fail_msg("LCAF %s is not known to this test", name ? name : "?");
	return 0;
}

/* ["N", 48, 50, 48] */
static inline void
degrees_check(json_t *v, const char *side, const unsigned *numbers)
{
	text_check(side, json_array_get(v, 0));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    json_integer_value(json_array_get(v, i + 1)), numbers[i]);
}

static inline bool
geo_checked(const struct lcaf_geo *g, const char *key, json_t *v)
{
	if (strcmp(key, "lat") == 0)
		degrees_check(v, g->north ? "N" : "S",
		    (unsigned[]){ g->lat_deg, g->lat_min, g->lat_sec });
	else if (strcmp(key, "lon") == 0)
		degrees_check(v, g->east ? "E" : "W",
		    (unsigned[]){ g->lon_deg, g->lon_min, g->lon_sec });
	else if (strcmp(key, "alt") == 0 && json_is_null(v))
		assert_int_equal(g->altitude_m, LCAF_NO_ALTITUDE);
	else if (strcmp(key, "alt") == 0)
		assert_int_equal(g->altitude_m, json_integer_value(v));
	else
		return false;
	assert_true(lcaf_geo_is_valid(g));
	return true;
}

static inline bool
application_checked(
    const struct lcaf_application *a, const char *key, json_t *v)
{
	const struct field *list =
	    FIELDS({ "tos", a->tos }, { "protocol", a->protocol });
	const bool local = strcmp(key, "local") == 0;

	if (field_checked(list, key, v))
		return true;
	if (!local && strcmp(key, "remote") != 0)
		return false;
	assert_int_equal(json_integer_value(json_array_get(v, 0)),
	    local ? a->local_low : a->remote_low);
	assert_int_equal(json_integer_value(json_array_get(v, 1)),
	    local ? a->local_high : a->remote_high);
	return true;
}

static inline void
lcaf_prefix_check(const struct lcaf_prefix *p, json_t *v)
{
	char buf[LISP_ADDR_STR_MAX];

	text_check(lisp_prefix_str(&p->addr, p->bits, buf, sizeof(buf)), v);
}

/* An address, an object around one, or a key in hex. */
static inline void
item_check(uint8_t type, const struct lcaf_item *item, json_t *v)
{
	const struct field *list =
	    FIELDS({ "L", item->lookup }, { "P", item->probe },
		{ "S", item->strict }, { "level", item->level });
	const char *key;
	json_t *field;

	if (type == LCAF_SECURITY_KEY) {
		hex_check("keys", item->key, item->key_len, v);
		return;
	}
	if (type != LCAF_ELP && type != LCAF_REPLICATION) {
		addr_check(&item->addr, v);
		return;
	}
	json_object_foreach(v, key, field)
	{
		if (field_checked(list, key, field))
			continue;
		assert_string_equal(key, "addr");
		addr_check(&item->addr, field);
	}
}

static inline bool
list_checked(struct lcaf_list list, const char *key, json_t *v)
{
	struct lcaf_item item;
	size_t n = 0;

	if (strcmp(key, "items") != 0 && strcmp(key, "hops") != 0 &&
	    strcmp(key, "entries") != 0 && strcmp(key, "keys") != 0 &&
	    strcmp(key, "rtrs") != 0)
		return false;
	assert_int_equal(list.left, json_array_size(v));
	while (lcaf_next(&list, &item))
		item_check(list.type, &item, json_array_get(v, n++));
	assert_int_equal(n, json_array_size(v));
	assert_int_equal(list.len, 0);
	return true;
}

/* 'names' of the JSON are all in the text. */
static inline void
names_check(const struct lisp_addr *a, json_t *names)
{
	char buf[LISP_ADDR_STR_MAX];
	json_t *v;
	size_t i;

	lisp_addr_str(a, buf, sizeof(buf));
	json_array_foreach(names, i, v)
	    assert_non_null(strstr(buf, json_string_value(v)));
}

static inline bool
nat_checked(const struct lcaf *l, const char *key, json_t *v)
{
	const struct field *list = FIELDS(
	    { "ms_port", l->nat.ms_port }, { "etr_port", l->nat.etr_port });

	if (field_checked(list, key, v) || list_checked(l->list, key, v))
		return true;
	if (strcmp(key, "global_etr") == 0)
		addr_check(&l->nat.global_etr, v);
	else if (strcmp(key, "ms") == 0)
		addr_check(&l->nat.ms, v);
	else if (strcmp(key, "private_etr") == 0)
		addr_check(&l->nat.private_etr, v);
	else
		return false;
	return true;
}

/* Keys of types 9 and 12. */
static inline bool
prefixes_checked(const struct lcaf_prefix *source, const char *second_key,
    const struct lcaf_prefix *second, const char *key, json_t *v)
{
	if (strcmp(key, "source") == 0)
		lcaf_prefix_check(source, v);
	else if (strcmp(key, second_key) == 0)
		lcaf_prefix_check(second, v);
	else
		return false;
	return true;
}

static inline bool
octets_checked(const char *key, const char *want,
    const struct lcaf_octets *octets, json_t *v)
{
	if (strcmp(key, want) != 0)
		return false;
	hex_check(key, octets->at, octets->len, v);
	return true;
}

/* One field of the body; false if the type has none of that name. */
static inline bool
lcaf_field_checked(
    const struct lisp_addr *a, const struct lcaf *l, const char *key, json_t *v)
{
	switch (l->type) {
	case LCAF_AS_NUMBER:
		return field_checked(FIELDS({ "asn", l->as_number }), key, v);
	case LCAF_APPLICATION:
		return application_checked(&l->application, key, v);
	case LCAF_GEO:
		return geo_checked(&l->geo, key, v);
	case LCAF_OPAQUE_KEY:
		return field_checked(FIELDS({ "fields", l->key.fields },
					 { "wildcard", l->key.wildcards }),
			   key, v) ||
		    octets_checked(key, "key", &l->key.octets, v);
	case LCAF_NAT:
		return nat_checked(l, key, v);
	case LCAF_NONCE:
		return field_checked(FIELDS({ "nonce", l->nonce }), key, v);
	case LCAF_MULTICAST:
		return field_checked(
			   FIELDS({ "iid", l->multicast.iid }), key, v) ||
		    prefixes_checked(&l->multicast.source, "group",
			&l->multicast.group, key, v);
	case LCAF_SECURITY_KEY:
		return field_checked(
			   FIELDS({ "key_count", l->list.left },
			       { "key_algorithm", l->security.algorithm },
			       { "revoke", l->security.revoke }),
			   key, v) ||
		    list_checked(l->list, key, v);
	case LCAF_SOURCE_DEST:
		return prefixes_checked(&l->source_dest.source, "dest",
		    &l->source_dest.dest, key, v);
	case LCAF_JSON:
		if (strcmp(key, "json") == 0) {
			assert_int_equal(l->json.len, json_string_length(v));
			assert_memory_equal(
			    l->json.at, json_string_value(v), l->json.len);
			return true;
		}
		return field_checked(FIELDS({ "binary", l->rsvd2 }), key, v);
	case LCAF_KEY_VALUE:
		if (strcmp(key, "key") != 0 && strcmp(key, "value") != 0)
			return false;
		addr_check(key[0] == 'k' ? &l->pair.key : &l->pair.value, v);
		return true;
	case LCAF_ENCAPSULATION:
		if (strcmp(key, "names") == 0) {
			names_check(a, v);
			return true;
		}
		return field_checked(
		    FIELDS({ "bits", l->encapsulations }), key, v);
	case LCAF_VENDOR:
		assert_true(a->vendor);
		return field_checked(
			   FIELDS({ "oui", l->of_vendor.oui }), key, v) ||
		    octets_checked(key, "data", &l->of_vendor.data, v);
	}
	return list_checked(l->list, key, v);
}

static inline void
lcaf_body_check(const struct lisp_addr *a, unsigned type, json_t *o)
{
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	const char *key;
	struct lcaf l;
	json_t *v;

	assert_int_equal(lcaf_decode(a, &l), ERR_OK);
	assert_int_equal(l.type, type);
	json_object_foreach(o, key, v)
	{
		if (strcmp(key, "lcaf") == 0 ||
		    lcaf_field_checked(a, &l, key, v))
			continue;
		if (strcmp(key, "addr") != 0)
			fail_msg("LCAF %u: field %s unknown", l.type, key);
		addr_check(&l.addr, v);
	}
	lcaf_reencode(&w, &l);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(a->opaque_len, wire_written(&w));
	assert_memory_equal(a->opaque, buf, a->opaque_len);
}

static inline void
lcaf_check(const struct lisp_addr *a, json_t *o)
{
	lcaf_body_check(a, lcaf_type_of(o), o);
}

#endif
