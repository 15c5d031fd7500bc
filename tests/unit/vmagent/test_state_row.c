/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_state_row.c - a VM as octets of the state file: all of it comes back, and
 * what is no row is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows.h"
#include "vmagent/state.h"

/* Offsets of a row, to break it; see state_row.c. */
enum {
	AT_STATE = 1 + 16 + EIDS_NAME_MAX,
	AT_ACTION = AT_STATE + 1 + 3 * 8 + 1,
	AT_NICS = AT_STATE + 1 + 3 * 8 + SAIDS * 18,
	AT_MAC = AT_NICS + 1,
	AT_EIDS = AT_MAC + 8 + EIDS_IFNAME_MAX + 4,
	AT_EID_AFI = AT_EIDS + 1 + 5,
};

struct back {
	struct vm vm;
	struct vm_info info;
};

static struct back *
decoded(const uint8_t *row, size_t len, enum err expected)
{
	static struct back b;

	memset(&b, 0x55, sizeof(b));
	b.vm.info = &b.info;
	assert_int_equal(state_row_decode(row, len, &b.vm), expected);
	return &b;
}

static void
test_row(void **state)
{
	struct vm *vm = make_vm(1);
	static struct vm back;
	static struct vm_info info;
	uint8_t row[STATE_ROW_MAX], *exact;
	size_t len = state_row_encode(vm, row, sizeof(row));

	(void)state;
	assert_true(len > 0);
	back.info = &info;
	assert_int_equal(state_row_decode(row, len, &back), ERR_OK);
	assert_vm(vm, &back);
	/* Every prefix is refused, in a block of exactly its size. */
	for (size_t i = 0; i < len; i++) {
		exact = malloc(i + 1);
		memcpy(exact, row, i);
		assert_int_not_equal(state_row_decode(exact, i, &back), ERR_OK);
		free(exact);
	}
	assert_int_not_equal(state_row_decode(row, len + 1, &back), ERR_OK);
	row[0]++;
	assert_int_equal(state_row_decode(row, len, &back), ERR_MALFORMED);
	assert_int_equal(state_row_encode(vm, row, len - 1), 0);
}

/* The largest VM fits, and comes back. */
static void
test_large_row(void **state)
{
	struct vm *vm = make_vm(1);
	uint8_t row[STATE_ROW_MAX];
	size_t len;

	(void)state;
	memset(vm->name, 'n', sizeof(vm->name) - 1);
	memcpy(vm->info->name, vm->name, sizeof(vm->name));
	vm->info->n_nics = EIDS_NICS_MAX;
	for (unsigned i = 0; i < EIDS_NICS_MAX; i++) {
		vm->info->nics[i] = vm->info->nics[0];
		vm->info->nics[i].n_eids = EIDS_PER_NIC;
		for (unsigned k = 0; k < EIDS_PER_NIC; k++)
			vm->info->nics[i].eids[k] = vm->info->nics[0].eids[1];
	}
	len = state_row_encode(vm, row, sizeof(row));
	assert_true(len > 0);
	assert_vm(vm, &decoded(row, len, ERR_OK)->vm);
}

/* Nothing known yet but its identity. */
static void
test_no_info(void **state)
{
	struct vm vm = { .uuid = { 9 }, .state = VM_ARRIVING };
	uint8_t row[STATE_ROW_MAX];
	size_t len = state_row_encode(&vm, row, sizeof(row));
	const struct back *b = decoded(row, len, ERR_OK);

	(void)state;
	assert_int_equal(len, AT_NICS + 1);
	assert_int_equal(b->vm.uuid[0], 9);
	assert_int_equal(b->vm.state, VM_ARRIVING);
	assert_int_equal(b->info.n_nics, 0);
	assert_int_equal(b->info.uuid[0], 9);
}

/* Of the info only EIDs and vNICs: the rest libvirt tells anew. */
static void
test_no_metadata(void **state)
{
	struct vm *vm = make_vm(1);
	uint8_t row[STATE_ROW_MAX];
	size_t len;

	(void)state;
	vm->info->metadata.generation = 5;
	vm->info->metadata.n_peers = 3;
	len = state_row_encode(vm, row, sizeof(row));
	assert_int_equal(
	    decoded(row, len, ERR_OK)->info.metadata.generation, 0);
}

/* A file that was written by something else is not believed. */
static void
test_out_of_range(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} cases[] = {
		{ 0, STATE_VERSION + 1 },
		{ AT_STATE, VM_STATES },
		{ AT_STATE, 255 },
		{ AT_ACTION, DO_ACTIONS },
		{ AT_ACTION + 18, DO_ACTIONS },
		{ AT_NICS, EIDS_NICS_MAX + 1 },
		{ AT_NICS, 255 },
		{ AT_NICS, 1 }, /* octets are left over */
		{ AT_MAC + 1, 17 },
		{ AT_EIDS, EIDS_PER_NIC + 1 },
		{ AT_EIDS, 255 },
		{ AT_EID_AFI + 1, 5 },
		{ AT_EID_AFI, 0x40 },
	};
	const struct vm *vm = make_vm(1);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t row[STATE_ROW_MAX];
		size_t len = state_row_encode(vm, row, sizeof(row));

		decoded(row, len, ERR_OK);
		row[cases[i].at] = cases[i].value;
		decoded(row, len, ERR_MALFORMED);
	}
}

/* A name without its NUL gets one. */
static void
test_long_name(void **state)
{
	struct vm *vm = make_vm(1);
	uint8_t row[STATE_ROW_MAX];
	size_t len;

	(void)state;
	memset(vm->name, 'n', sizeof(vm->name));
	memset(vm->info->nics[0].ifname, 'i', EIDS_IFNAME_MAX);
	len = state_row_encode(vm, row, sizeof(row));
	assert_int_equal(
	    strlen(decoded(row, len, ERR_OK)->vm.name), EIDS_NAME_MAX - 1);
	assert_int_equal(strlen(decoded(row, len, ERR_OK)->info.nics[0].ifname),
	    EIDS_IFNAME_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_large_row),
		cmocka_unit_test(test_no_info),
		cmocka_unit_test(test_no_metadata),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests_name(
	    "vmagent/state_row", tests, NULL, NULL);
}
