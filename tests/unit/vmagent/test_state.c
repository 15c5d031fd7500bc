/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_state.c - rows of the state file, what is left after a crash, and a
 * file that is no longer one.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmagent/state.h"

struct fixture {
	struct clock clock;
	struct loop *loop;
	char folder[64];
	unsigned n_vms;
	struct vm last;
	struct vm_info last_info;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	clock_fake(&f->clock, 1000000);
	f->loop = loop_new(&f->clock);
	strcpy(f->folder, "/tmp/vmagent-state-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	strcat(f->folder, "/new");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	loop_free(f->loop);
	*strrchr(f->folder, '/') = 0;
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static struct vm *
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

static void
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

static void
on_vm(void *arg, const struct vm *vm)
{
	struct fixture *f = arg;

	f->n_vms++;
	f->last_info = *vm->info;
	f->last = *vm;
	f->last.info = &f->last_info;
}

static struct state *
open_state(struct fixture *f)
{
	struct state *s = NULL;

	assert_int_equal(state_open(f->loop, f->folder, &s), ERR_OK);
	return s;
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

/* The largest VM fits. */
static void
test_large_row(void **state)
{
	struct vm *vm = make_vm(1);
	uint8_t row[STATE_ROW_MAX];

	(void)state;
	vm->info->n_nics = EIDS_NICS_MAX;
	for (unsigned i = 0; i < EIDS_NICS_MAX; i++) {
		vm->info->nics[i] = vm->info->nics[0];
		vm->info->nics[i].n_eids = EIDS_PER_NIC;
		for (unsigned k = 0; k < EIDS_PER_NIC; k++)
			vm->info->nics[i].eids[k] = vm->info->nics[0].eids[1];
	}
	assert_true(state_row_encode(vm, row, sizeof(row)) > 0);
}

static void
test_keep(void **state)
{
	struct fixture *f = *state;
	struct state *s = open_state(f);
	uint8_t id[16] = { 0xa1, [15] = 0xb0 }, out[16];

	assert_int_equal(state_nonces(s), 0);
	assert_int_equal(state_host_id(s, out), ERR_NOT_FOUND);
	state_put_vm(s, make_vm(1));
	state_put_vm(s, make_vm(2));
	state_put_vm(s, make_vm(3));
	state_remove_vm(s, make_vm(2)->uuid);
	state_remove_vm(s, make_vm(9)->uuid);
	state_reserve(s, UINT64_C(1700000001024));
	state_set_host_id(s, id);
	loop_poll(f->loop);
	loop_advance(f->loop, &f->clock, 2000000); /* the sync */
	state_close(s);

	s = open_state(f);
	state_walk(s, on_vm, f);
	assert_int_equal(f->n_vms, 2);
	assert_vm(&f->last, make_vm(3));
	assert_int_equal(state_nonces(s), UINT64_C(1700000001024));
	assert_int_equal(state_host_id(s, out), ERR_OK);
	assert_memory_equal(out, id, 16);
	assert_true(state_healthy(s));
	state_close(s);
}

/* kill -9 right after the turn of the loop. */
static void
test_crash(void **state)
{
	struct fixture *f = *state;
	struct state *s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct loop *loop = loop_new(&f->clock);

		if (state_open(loop, f->folder, &s))
			_exit(1);
		state_put_vm(s, make_vm(1));
		state_reserve(s, 42);
		loop_poll(loop);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	s = open_state(f);
	state_walk(s, on_vm, f);
	assert_int_equal(f->n_vms, 1);
	assert_vm(&f->last, make_vm(1));
	assert_int_equal(state_nonces(s), 42);
	state_close(s);
}

static void
test_one_process(void **state)
{
	struct fixture *f = *state;
	struct state *s = open_state(f), *second = NULL;

	assert_int_equal(state_open(f->loop, f->folder, &second), ERR_POLICY);
	state_close(s);
	s = open_state(f);
	state_close(s);
	assert_int_equal(state_open(f->loop, "/proc/no/such", &second), ERR_IO);
}

static void
test_broken_file(void **state)
{
	struct fixture *f = *state;
	struct state *s = open_state(f);
	char path[128];
	int fd;

	state_close(s);
	snprintf(path, sizeof(path), "%s/state.mdb", f->folder);
	fd = open(path, O_WRONLY | O_TRUNC);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(write(fd, "garbage!", 8), 8);
	close(fd);
	s = open_state(f);
	state_walk(s, on_vm, f);
	assert_int_equal(f->n_vms, 0);
	state_put_vm(s, make_vm(1));
	state_close(s);
	strcat(path, ".broken");
	assert_int_equal(access(path, F_OK), 0);
}

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

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = { T(test_row), T(test_large_row),
		T(test_keep), T(test_crash), T(test_one_process),
		T(test_broken_file), cmocka_unit_test(test_table) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
