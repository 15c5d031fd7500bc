/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_encode.c - what the encoders do at their limits; the layouts are checked
 * by the golden vectors.
 */
#include "common/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct lisp_addr
ipv4(uint8_t last)
{
	const uint8_t bytes[4] = { 192, 0, 2, last };
	struct addr a = addr_make(AFI_IPV4, bytes);

	return lisp_addr_from_addr(&a);
}

static struct mapping *
mapping(unsigned n_locators)
{
	struct mapping *m = calloc(1, sizeof(*m));

	m->ttl_min = LISP_TTL_LOCAL;
	m->action = 7;
	m->version = 0xfff;
	m->eid = ipv4(0);
	m->eid_bits = 24;
	m->n_locators = (uint8_t)n_locators;
	for (unsigned i = 0; i < n_locators; i++) {
		m->locators[i].priority = (uint8_t)i;
		m->locators[i].addr = ipv4((uint8_t)(i + 1));
	}
	return m;
}

/* Every shorter buffer gives ERR_FULL, and nothing behind it is written. */
static void
test_full(void **state)
{
	struct mapping *m = mapping(3);
	uint8_t whole[128];
	struct wire_writer w = wire_writer(whole, sizeof(whole));
	size_t len;

	(void)state;
	mapping_encode(&w, m);
	assert_int_equal(w.err, ERR_OK);
	len = wire_written(&w);
	assert_int_equal(len, 10 + 6 + 3 * 12);
	for (size_t size = 0; size < len; size++) {
		uint8_t *buf = malloc(size);

		w = wire_writer(buf, size);
		mapping_encode(&w, m);
		assert_int_equal(w.err, ERR_FULL);
		assert_true(wire_written(&w) <= size);
		free(buf);
	}
	free(m);
}

static void
test_most_locators(void **state)
{
	struct mapping *m = mapping(255), *back = mapping(0);
	uint8_t buf[4096];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct wire_reader r;

	(void)state;
	mapping_encode(&w, m);
	assert_int_equal(w.err, ERR_OK);
	r = wire_reader(buf, wire_written(&w));
	assert_int_equal(mapping_decode(&r, back), ERR_OK);
	assert_int_equal(wire_left(&r), 0);
	assert_int_equal(back->n_locators, 255);
	assert_int_equal(back->locators[254].priority, 254);
	assert_int_equal(back->ttl_min, LISP_TTL_LOCAL);
	assert_int_equal(back->action, 7);
	assert_int_equal(back->version, 0xfff);
	free(back);
	free(m);
}

static void
test_values_are_cut_to_their_bits(void **state)
{
	struct mapping *m = mapping(0), *back = mapping(0);
	uint8_t buf[64];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct wire_reader r;

	(void)state;
	m->version = 0xf123;
	m->action = 9;
	mapping_encode(&w, m);
	r = wire_reader(buf, wire_written(&w));
	assert_int_equal(mapping_decode(&r, back), ERR_OK);
	assert_int_equal(back->version, 0x123);
	assert_int_equal(back->action, 1);
	assert_false(back->authoritative);
	free(back);
	free(m);
}

static void
test_request_counts(void **state)
{
	struct map_request *m = calloc(1, sizeof(*m));
	static uint8_t buf[4096];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)state;
	map_request_encode(&w, m); /* no ITR-RLOC: no way to say it */
	assert_int_equal(w.err, ERR_FULL);
	m->n_itr_rlocs = LISP_ITR_RLOCS_MAX + 1;
	w = wire_writer(buf, sizeof(buf));
	map_request_encode(&w, m);
	assert_int_equal(w.err, ERR_FULL);
	m->n_itr_rlocs = LISP_ITR_RLOCS_MAX;
	m->n_records = LISP_RECORDS_MAX;
	for (unsigned i = 0; i < LISP_ITR_RLOCS_MAX; i++)
		m->itr_rlocs[i] = ipv4((uint8_t)i);
	for (unsigned i = 0; i < LISP_RECORDS_MAX; i++)
		m->records[i].eid = ipv4((uint8_t)i);
	w = wire_writer(buf, sizeof(buf));
	map_request_encode(&w, m);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(map_request_decode(buf, wire_written(&w), m), ERR_OK);
	assert_int_equal(m->n_itr_rlocs, 32);
	assert_int_equal(m->n_records, 255);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_most_locators),
		cmocka_unit_test(test_values_are_cut_to_their_bits),
		cmocka_unit_test(test_request_counts),
	};

	return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
