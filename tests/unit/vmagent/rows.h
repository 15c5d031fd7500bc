/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

/*
 * rows.h - a VM to be kept in the state file, and whether it came back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vmagent/state.h"

static inline struct vm *
make_vm(uint8_t id)
{
	static struct vm vm;
	static struct vm_info info;
	struct addr a;

	memset(&vm, 0, sizeof(vm));
	memset(&info, 0, sizeof(info));
	memset(vm.uuid, id, sizeof(vm.uuid));
	snprintf(vm.name, sizeof(vm.name), "web%u", id);
	vm.info = &info;
	vm.state = VM_PAUSED;
	vm.generation = UINT64_C(1700000000000) + id;
	vm.highest = vm.generation + 5;
	vm.seen_ms = 77;
	vm.said[SAID_OWNER] =
	    (struct vm_said){ true, DO_PAUSED, vm.generation, 78 };
	vm.said[SAID_MARK] = (struct vm_said){ false, DO_ARRIVING, 3, 79 };
	info.n_nics = 2;
	strcpy(info.nics[0].ifname, "vnet0");
	assert_int_equal(
	    addr_parse("52:54:00:00:00:01", &info.nics[0].mac), ERR_OK);
	assert_int_equal(addr_parse("10.1.1.10", &a), ERR_OK);
	info.nics[0].n_eids = 2;
	info.nics[0].eids[0] = eid_host(0, &a);
	assert_int_equal(addr_parse("fd00::10", &a), ERR_OK);
	info.nics[0].eids[1] = eid_host(7, &a);
	memcpy(info.uuid, vm.uuid, sizeof(info.uuid));
	memcpy(info.name, vm.name, sizeof(info.name));
	return &vm;
}

static inline void
assert_vm(const struct vm *a, const struct vm *b)
{
	assert_memory_equal(a->uuid, b->uuid, sizeof(a->uuid));
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->highest, b->highest);
	assert_int_equal(a->seen_ms, b->seen_ms);
	for (int i = 0; i < SAIDS; i++) {
		assert_int_equal(a->said[i].open, b->said[i].open);
		assert_int_equal(a->said[i].action, b->said[i].action);
		assert_int_equal(a->said[i].generation, b->said[i].generation);
		assert_int_equal(a->said[i].event_ms, b->said[i].event_ms);
	}
	assert_memory_equal(a->info, b->info, sizeof(*a->info));
}

#endif
