/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_merge.c - what several registrations of an EID say together: the
 * youngest wins, each locator once, in order (RFC 9301 5.5, 5.6; RFC 8378).
 */
#include "ms_parts.h"

/* A registration that nothing but the merge looks at. */
static struct registration *
part(
    const struct record_of *of, int64_t refreshed_us, struct registration *next)
{
	uint8_t bytes[4096];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct registration *r;
	struct mapping m;

	record_make(of, &m);
	mapping_encode(&w, &m);
	assert_int_equal(w.err, ERR_OK);
	r = calloc(1, sizeof(*r) + wire_written(&w));
	r->len = (uint16_t)wire_written(&w);
	r->refreshed_us = refreshed_us;
	r->next_merged = next;
	memcpy(r->record, bytes, r->len);
	return r;
}

#define PART(at, next, ttl, ...) \
	part(&(const struct record_of){ .eid = "10.1.1.0/24", \
		 .ttl_min = ttl, \
		 .locators = { __VA_ARGS__ } }, \
	    at, next)

static void
chain_free(struct registration *r)
{
	while (r) {
		struct registration *next = r->next_merged;

		free(r);
		r = next;
	}
}

/* "address/priority/weight ..." of the merged record; the chain is freed. */
static const char *
merged(struct registration *r)
{
	static char text[512];
	struct mapping m;
	char buf[ADDR_STR_MAX];
	size_t n = 0;

	ms_mapping(r, &m);
	n += (size_t)snprintf(text, sizeof(text), "%u", m.ttl_min);
	for (unsigned i = 0; i < m.n_locators; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s%s/%u/%u",
		    m.locators[i].reachable ? "" : "-",
		    addr_str(&m.locators[i].addr.addr, buf),
		    m.locators[i].priority, m.locators[i].weight);
	chain_free(r);
	return text;
}

static void
test_one(void **state)
{
	(void)state;
	/* as it was registered, in its own order */
	assert_string_equal(
	    merged(PART(5, NULL, 7, "192.0.2.9/1/50", "192.0.2.1/2/60")),
	    "7 192.0.2.9/1/50 192.0.2.1/2/60");
}

/* All locators, sorted by family and address; the youngest one's TTL. */
static void
test_union(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct registration *r = NULL;

		for (int i = 0; i < 2; i++)
			r = i == order ? PART(100, r, 10, "2001:db8::1/1/10",
					     "192.0.2.9/1/20")
				       : PART(200, r, 20, "192.0.2.1/2/30");
		assert_string_equal(merged(r),
		    "20 192.0.2.1/2/30 192.0.2.9/1/20 2001:db8::1/1/10");
	}
}

/* One locator of both: the younger one's priority, weight, R bit. */
static void
test_youngest_wins(void **state)
{
	struct registration *r;

	(void)state;
	r = PART(300, NULL, 30, "-192.0.2.1/3/33");
	r = PART(100, r, 10, "192.0.2.1/1/11");
	r = PART(200, r, 20, "192.0.2.1/2/22");
	assert_string_equal(merged(r), "30 -192.0.2.1/3/33");
}

/* Of equal age: all of them, and always the same record. */
static void
test_equal_age(void **state)
{
	struct registration *a, *b;
	struct mapping one, two;

	(void)state;
	a = PART(100, NULL, 10, "192.0.2.1/1/10");
	b = PART(100, a, 20, "192.0.2.2/1/10", "192.0.2.1/5/50");
	ms_mapping(b, &one);
	assert_int_equal(one.n_locators, 2);
	b->next_merged = NULL;
	a->next_merged = b;
	ms_mapping(a, &two);
	assert_true(ms_same_locators(&one, &two));
	assert_int_equal(one.ttl_min, two.ttl_min);
	chain_free(a);
}

/* The octets are those of the record. */
static void
test_octets(void **state)
{
	uint8_t buf[1024];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct wire_reader r;
	struct registration *a = PART(1, NULL, 7, "192.0.2.9/1/50");
	struct mapping m, expected;

	(void)state;
	ms_record_put(&w, a);
	assert_int_equal(wire_written(&w), a->len);
	assert_memory_equal(buf, a->record, a->len);
	a = PART(2, a, 8, "192.0.2.1/1/60");
	w = wire_writer(buf, sizeof(buf));
	ms_record_put(&w, a);
	r = wire_reader(buf, wire_written(&w));
	assert_int_equal(mapping_decode(&r, &m), ERR_OK);
	ms_mapping(a, &expected);
	assert_true(ms_same_locators(&m, &expected));
	ms_record(a, &m); /* alone */
	assert_int_equal(m.n_locators, 1);
	assert_int_equal(m.locators[0].weight, 60);
	w = wire_writer(buf, 10);
	ms_record_put(&w, a);
	assert_int_equal(w.err, ERR_FULL);
	chain_free(a);
}

/* No more than a record can hold. */
static void
test_bound(void **state)
{
	struct registration *r = NULL;
	struct mapping m;

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		uint8_t bytes[8192];
		struct wire_writer w = wire_writer(bytes, sizeof(bytes));
		struct registration *p;

		record_make(
		    &(const struct record_of){ .eid = "10.1.1.0/24" }, &m);
		for (unsigned i = 0; i < 100; i++) {
			struct addr a = A("192.0.2.0");

			a.bytes[2] = (uint8_t)k;
			a.bytes[3] = (uint8_t)i;
			m.locators[m.n_locators++] =
			    (struct locator){ .addr = lisp_addr_from_addr(&a),
				    .priority = 1 };
		}
		mapping_encode(&w, &m);
		p = calloc(1, sizeof(*p) + wire_written(&w));
		p->len = (uint16_t)wire_written(&w);
		p->refreshed_us = k;
		p->next_merged = r;
		memcpy(p->record, bytes, p->len);
		r = p;
	}
	ms_mapping(r, &m);
	assert_int_equal(m.n_locators, LISP_LOCATORS_MAX);
	chain_free(r);
}

static bool
same(const struct record_of *a, const struct record_of *b)
{
	struct mapping ma, mb;

	record_make(a, &ma);
	record_make(b, &mb);
	return ms_same_locators(&ma, &mb);
}

#define SAME(...) \
	same(&(const struct record_of)RECORD( \
		 "10.1.1.0/24", "192.0.2.1/1/10", "192.0.2.2/2/20"), \
	    &(const struct record_of)RECORD("10.1.1.0/24", __VA_ARGS__))

static void
test_same(void **state)
{
	(void)state;
	assert_true(SAME("192.0.2.1/1/10", "192.0.2.2/2/20"));
	assert_true(SAME("192.0.2.2/2/20", "192.0.2.1/1/10"));
	assert_false(SAME("192.0.2.1/1/10"));
	assert_false(SAME("192.0.2.1/1/10", "192.0.2.3/2/20"));
	assert_false(SAME("192.0.2.1/9/10", "192.0.2.2/2/20"));
	assert_false(SAME("192.0.2.1/1/99", "192.0.2.2/2/20"));
	assert_false(SAME("-192.0.2.1/1/10", "192.0.2.2/2/20"));
	assert_false(SAME("192.0.2.1/1/10", "192.0.2.2/2/20", "192.0.2.3/1/1"));
}

/* LCAFs are compared as octets, and stand last. */
static void
test_opaque(void **state)
{
	static const uint8_t lcaf[] = { 0x40, 3, 0, 0, 5, 0, 0, 4, 1, 2, 3, 4 };
	uint8_t other[sizeof(lcaf)];
	struct mapping a, b;
	struct record_of plain = RECORD("10.1.1.0/24", "192.0.2.1/1/10");

	(void)state;
	memcpy(other, lcaf, sizeof(lcaf));
	record_make(&plain, &a);
	a.locators[0].addr =
	    (struct lisp_addr){ .opaque = lcaf, .opaque_len = sizeof(lcaf) };
	b = a;
	b.locators[0].addr.opaque = other;
	assert_true(ms_same_locators(&a, &b));
	other[11] = 9;
	assert_false(ms_same_locators(&a, &b));
	record_make(&plain, &b);
	assert_false(ms_same_locators(&a, &b));
}

/* The same RLOC twice is not the same as two RLOCs. */
static void
test_same_twice(void **state)
{
	static const struct record_of twice =
	    RECORD("10.1.1.0/24", "192.0.2.1/1/10", "192.0.2.1/1/10");
	static const struct record_of two =
	    RECORD("10.1.1.0/24", "192.0.2.1/1/10", "192.0.2.2/1/10");

	(void)state;
	assert_false(same(&two, &twice));
	assert_false(same(&twice, &two));
	assert_true(same(&twice, &twice));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_union),
		cmocka_unit_test(test_youngest_wins),
		cmocka_unit_test(test_equal_age),
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_same_twice),
	};

	return cmocka_run_group_tests_name("xtr/ms_merge", tests, NULL, NULL);
}
