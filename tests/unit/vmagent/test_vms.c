/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vms.c - the table of VMs: who goes when it is full, and what counts as
 * ours, open, gone.
 */
#include "vmagent/vms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_table(void **state)
{
	static struct vms v;
	uint8_t uuid[16] = { 0 }, forgotten[16];
	bool did;
	struct vm *vm;

	(void)state;
	assert_int_equal(vms_init(&v), ERR_OK);
	for (unsigned i = 0; i < VMS_MAX; i++) {
		uuid[0] = (uint8_t)i;
		uuid[1] = (uint8_t)(i >> 8);
		vm = vms_make(&v, uuid, forgotten, &did);
		assert_non_null(vm);
		assert_false(did);
		assert_ptr_equal(vms_find(&v, uuid), vm);
		vm->state = VM_HERE;
	}
	/* All are here: no room.  The one gone the longest makes some. */
	uuid[2] = 1;
	assert_null(vms_make(&v, uuid, forgotten, &did));
	memset(uuid, 0, sizeof(uuid));
	for (unsigned i = 5; i < 8; i++) {
		uuid[0] = (uint8_t)i;
		vm = vms_find(&v, uuid);
		vm->state = VM_ABSENT;
		vm->seen_ms = 100 - i;
	}
	vm->said[SAID_OWNER].open = true; /* 7: not everybody knows it */
	uuid[2] = 1;
	assert_non_null(vms_make(&v, uuid, forgotten, &did));
	assert_true(did);
	assert_int_equal(forgotten[0], 6);
	vms_fini(&v);
}

/* Busy ones stay, too: somebody holds a pointer or waits for an answer. */
static void
test_busy_stay(void **state)
{
	static struct vms v;
	uint8_t uuid[16] = { 0 }, forgotten[16] = { 0xff };
	bool did;

	(void)state;
	assert_int_equal(vms_init(&v), ERR_OK);
	for (unsigned i = 0; i < VMS_MAX; i++) {
		struct vm *vm;

		uuid[0] = (uint8_t)i;
		uuid[1] = (uint8_t)(i >> 8);
		vm = vms_make(&v, uuid, forgotten, &did);
		vm->looking = i % 3 == 0;
		vm->due = i % 3 == 1;
		vm->said[SAID_MARK].open = i % 3 == 2;
	}
	uuid[2] = 1;
	assert_null(vms_make(&v, uuid, forgotten, &did));
	assert_false(did);
	/* one that is there already is found all the same */
	uuid[2] = 0;
	assert_non_null(vms_make(&v, uuid, forgotten, &did));
	vms_find(&v, uuid)->due = vms_find(&v, uuid)->looking = false;
	vms_find(&v, uuid)->said[SAID_MARK].open = false;
	uuid[3] = 1;
	assert_non_null(vms_make(&v, uuid, forgotten, &did));
	assert_true(did);
	uuid[3] = 0;
	assert_memory_equal(forgotten, uuid, 16);
	assert_null(vms_find(&v, uuid));
	vms_fini(&v);
}

/* A new entry is empty; removing frees what hangs on it. */
static void
test_entry(void **state)
{
	struct vms v;
	struct clock clock;
	struct loop *loop;
	uint8_t uuid[16] = { 1 }, forgotten[16];
	struct table_iter it;
	bool did = true;
	struct vm *vm;
	unsigned n = 0;

	(void)state;
	clock_fake(&clock, 0);
	loop = loop_new(&clock);
	assert_int_equal(vms_init(&v), ERR_OK);
	assert_null(vms_find(&v, uuid));
	vm = vms_make(&v, uuid, forgotten, &did);
	assert_false(did);
	assert_int_equal(vm->state, VM_ABSENT);
	assert_int_equal(vm->generation, 0);
	assert_null(vm->info);
	assert_ptr_equal(vms_make(&v, uuid, forgotten, &did), vm);
	vm->info = calloc(1, sizeof(*vm->info));
	vm->fresh = calloc(1, sizeof(*vm->fresh));
	vm->written = calloc(1, sizeof(*vm->written));
	vm->poll = loop_timer_new(loop, NULL, NULL);
	uuid[0] = 2;
	vms_make(&v, uuid, forgotten, &did);
	it = table_iter(&v.table);
	while ((vm = vms_next(&it))) {
		vms_remove(&v, vm);
		n++;
	}
	assert_int_equal(n, 2);
	assert_null(vms_find(&v, uuid));
	vms_fini(&v);
	loop_free(loop);
}

static void
test_words(void **state)
{
	static const bool owned[VM_STATES] = {
		[VM_HERE] = true, [VM_DEPARTING] = true, [VM_PAUSED] = true
	};
	struct vm vm = { .uuid = { [15] = 1 } };
	char buf[UUID_STR_MAX];

	(void)state;
	for (vm.state = 0; vm.state < VM_STATES; vm.state++)
		assert_int_equal(vm_is_owned(&vm), owned[vm.state]);
	assert_false(vm_is_open(&vm));
	vm.said[SAID_MARK].open = true;
	assert_true(vm_is_open(&vm));
	vm.said[SAID_MARK].open = false;
	vm.said[SAID_OWNER].open = true;
	assert_true(vm_is_open(&vm));
	assert_string_equal(
	    vm_str(&vm, buf), "00000000-0000-0000-0000-000000000001");
	strcpy(vm.name, "web1");
	assert_string_equal(vm_str(&vm, buf), "web1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_busy_stay),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("vmagent/vms", tests, NULL, NULL);
}
