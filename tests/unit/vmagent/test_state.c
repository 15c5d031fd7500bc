/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_state.c - what is left after a crash, and a file that is no longer one.
 * The rows are in test_state_row.c.
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

#include "rows.h"
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

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = { T(test_keep), T(test_crash),
		T(test_one_process), T(test_broken_file) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
