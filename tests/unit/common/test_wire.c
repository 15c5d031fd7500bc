/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_wire.c - the cursor: bounds, stickiness, byte order.
 */
#include "common/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t octets[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16 };

static void
test_reads_big_endian(void **state)
{
	struct wire_reader r = wire_reader(octets, 15);

	(void)state;
	assert_int_equal(wire_get_u8(&r), 0x01);
	assert_int_equal(wire_get_u16(&r), 0x0203);
	assert_int_equal(wire_get_u32(&r), 0x04050607);
	assert_true(wire_get_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_int_equal(wire_left(&r), 0);
	assert_int_equal(r.err, ERR_OK);
}

static void
test_first_failure_stays(void **state)
{
	struct wire_reader r = wire_reader(octets, 3);

	(void)state;
	assert_int_equal(wire_get_u32(&r), 0);
	assert_int_equal(r.err, ERR_TRUNCATED);
	assert_int_equal(wire_get_u8(&r), 0); /* there would be one left */
	assert_null(wire_take(&r, 0));
	wire_fail(&r, ERR_MALFORMED);
	assert_int_equal(r.err, ERR_TRUNCATED);
	assert_int_equal(wire_left(&r), 0);
}

static void
test_take_of_huge_length(void **state)
{
	struct wire_reader r = wire_reader(octets, sizeof(octets));

	(void)state;
	assert_null(wire_take(&r, SIZE_MAX));
	assert_int_equal(r.err, ERR_TRUNCATED);
}

static void
test_take_to_the_last_octet(void **state)
{
	struct wire_reader r = wire_reader(octets, 2);

	(void)state;
	assert_ptr_equal(wire_take(&r, 2), octets);
	assert_non_null(wire_take(&r, 0));
	assert_int_equal(r.err, ERR_OK);
	assert_null(wire_take(&r, 1));
}

static void
test_get_bytes_zeroes_on_failure(void **state)
{
	struct wire_reader r = wire_reader(octets, 3);
	uint8_t out[4] = { 9, 9, 9, 9 };
	static const uint8_t zero[4];

	(void)state;
	wire_get_bytes(&r, out, sizeof(out));
	assert_memory_equal(out, zero, sizeof(out));
	assert_int_equal(r.err, ERR_TRUNCATED);
}

static void
test_sub_reader_sees_its_part_only(void **state)
{
	struct wire_reader r = wire_reader(octets, 6);
	struct wire_reader sub = wire_sub(&r, 2);

	(void)state;
	assert_int_equal(wire_get_u16(&sub), 0x0102);
	assert_int_equal(wire_get_u8(&sub), 0);
	assert_int_equal(sub.err, ERR_TRUNCATED);
	assert_int_equal(r.err, ERR_OK);
	assert_int_equal(wire_get_u8(&r), 3);
}

static void
test_sub_reader_too_long(void **state)
{
	struct wire_reader r = wire_reader(octets, 4);
	struct wire_reader sub = wire_sub(&r, 5);

	(void)state;
	assert_int_equal(r.err, ERR_TRUNCATED);
	assert_int_equal(sub.err, ERR_TRUNCATED);
	assert_int_equal(wire_left(&sub), 0);
}

static void
test_writes_mirror_reads(void **state)
{
	uint8_t buf[16];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)state;
	wire_put_u8(&w, 0x01);
	wire_put_u16(&w, 0x0203);
	wire_put_u32(&w, 0x04050607);
	wire_put_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	wire_put_bytes(&w, &octets[15], 1);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(wire_written(&w), 16);
	assert_memory_equal(buf, octets, 16);
}

static void
test_full_writer_writes_nothing(void **state)
{
	uint8_t buf[4] = { 0xee, 0xee, 0xee, 0xee };
	struct wire_writer w = wire_writer(buf, 3);

	(void)state;
	wire_put_u16(&w, 0x0102);
	wire_put_u16(&w, 0x0304);
	assert_int_equal(w.err, ERR_FULL);
	wire_put_u8(&w, 5); /* there would be room for it */
	wire_put_zero(&w, 1);
	assert_int_equal(wire_written(&w), 2);
	assert_int_equal(buf[2], 0xee);
	assert_int_equal(buf[3], 0xee);
}

static void
test_nothing_to_write(void **state)
{
	struct wire_writer w = wire_writer(NULL, 0);

	(void)state;
	wire_put_bytes(&w, NULL, 0);
	assert_int_equal(w.err, ERR_OK);
	wire_put_u8(&w, 1);
	assert_int_equal(w.err, ERR_FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_big_endian),
		cmocka_unit_test(test_first_failure_stays),
		cmocka_unit_test(test_take_of_huge_length),
		cmocka_unit_test(test_take_to_the_last_octet),
		cmocka_unit_test(test_get_bytes_zeroes_on_failure),
		cmocka_unit_test(test_sub_reader_sees_its_part_only),
		cmocka_unit_test(test_sub_reader_too_long),
		cmocka_unit_test(test_writes_mirror_reads),
		cmocka_unit_test(test_full_writer_writes_nothing),
		cmocka_unit_test(test_nothing_to_write),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
