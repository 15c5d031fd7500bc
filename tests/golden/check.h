/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_CHECK_H
#define TESTS_GOLDEN_CHECK_H

/*
 * check.h - one value of a vector's "fields" against one decoded value.
 */
#include "vectors.h"

struct field {
	const char *key;
	uint64_t value;
};

#define FIELDS(...) \
	(const struct field[]) \
	{ \
		__VA_ARGS__, \
		{ \
			NULL, 0 \
		} \
	}

/* An integer, or a string of hex digits with or without 0x. */
static inline uint64_t
json_number(json_t *v)
{
	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 16);
	assert_true(json_is_integer(v));
	return (uint64_t)json_integer_value(v);
}

/* True if 'key' is in the list; then 'v' must be its value. */
static inline bool
field_checked(const struct field *list, const char *key, json_t *v)
{
	for (; list->key; list++) {
		if (strcmp(list->key, key) != 0)
			continue;
		if (json_number(v) != list->value)
			fail_msg("%s: %llu, expected %llu", key,
			    (unsigned long long)list->value,
			    (unsigned long long)json_number(v));
		return true;
	}
	return false;
}

static inline void
hex_check(const char *key, const uint8_t *bytes, size_t len, json_t *v)
{
	char text[2 * 64 + 1];

	assert_true(len <= 64);
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	if (strcmp(text, json_string_value(v)) != 0)
		fail_msg(
		    "%s: %s, expected %s", key, text, json_string_value(v));
}

static inline unsigned
json_uint(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return (unsigned)json_integer_value(value);
}

/* In lcaf.h: is it the LCAF that the JSON object describes? */
static inline void lcaf_check(const struct lisp_addr *, json_t *);

static inline void
text_check(const char *got, json_t *v)
{
	assert_non_null(json_string_value(v));
	assert_string_equal(got, json_string_value(v));
}

/* "[1000]10.1.0.10", "dn:vm-42", null for AFI 0, an object for an LCAF. */
static inline void
addr_check(const struct lisp_addr *a, json_t *v)
{
	char buf[LISP_ADDR_STR_MAX];

	if (json_is_object(v)) {
		lcaf_check(a, v);
	} else if (json_is_null(v)) {
		assert_null(a->opaque);
		assert_int_equal(a->addr.afi, AFI_NONE);
	} else {
		text_check(lisp_addr_str(a, buf, sizeof(buf)), v);
	}
}

/* Address with mask-len, masked. */
static inline void
eid_check(const struct lisp_addr *a, unsigned bits, json_t *v)
{
	char buf[300];
	struct eid e;

	if (json_is_object(v) && json_object_get(v, "lcaf")) {
		lcaf_check(a, v);
	} else if (json_is_object(v)) { /* a range of instances */
		assert_true(a->has_iid);
		assert_int_equal(a->iid, json_uint(v, "iid"));
		assert_int_equal(a->iid_bits, json_uint(v, "iid_mask_len"));
		assert_int_equal(a->addr.afi, AFI_NONE);
	} else if (a->opaque) {
		assert_int_equal(a->opaque[1], AFI_NAME);
		snprintf(buf, sizeof(buf), "dn:%s/%u",
		    (const char *)a->opaque + 2, bits);
		text_check(buf, v);
	} else {
		assert_int_equal(lisp_addr_eid(a, bits, &e), ERR_OK);
		text_check(eid_str(&e, buf), v);
	}
}

#endif
