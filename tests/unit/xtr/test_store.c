/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store.c - what the store promises: kill -9 loses nothing that was
 * committed, nonces never repeat, one process at a time, a torn file is not
 * trusted.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/addr.h"
#include "xtr/store.h"

#define WALL UINT64_C(1700000000000)

struct fixture {
	char directory[64];
	struct store *s;
};

static struct store *
opened(const char *directory)
{
	struct store *s = NULL;

	assert_int_equal(store_open(NULL, directory, 16, &s), ERR_OK);
	assert_non_null(s);
	return s;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/test_store.XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	f->s = opened(f->directory);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = { "data.mdb", "data.mdb.torn",
		"lock" };
	char path[128];

	store_close(f->s);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, files[i]);
		unlink(path);
	}
	rmdir(f->directory);
	free(f);
	return 0;
}

static void
reopen(struct fixture *f)
{
	store_close(f->s);
	f->s = opened(f->directory);
}

static void
put(struct store *s, enum store_db db, const char *key, const char *value)
{
	assert_int_equal(
	    store_put(s, db, key, strlen(key), value, strlen(value)), ERR_OK);
}

/* True if 'key' has 'value'; NULL: if it has none. */
static bool
has(struct store *s, enum store_db db, const char *key, const char *value)
{
	size_t len = 0;
	const char *got = store_get(s, db, key, strlen(key), &len);

	if (!value || !got)
		return !value && !got;
	return len == strlen(value) && memcmp(got, value, len) == 0;
}

/* Runs 'fn' on the store in a process of its own that dies of SIGKILL. */
static void
killed(struct fixture *f, void (*fn)(struct store *, int out), int out)
{
	pid_t child;
	int status;

	store_close(f->s);
	f->s = NULL;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store *s;

		if (store_open(NULL, f->directory, 16, &s) == ERR_OK)
			fn(s, out);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	f->s = opened(f->directory);
}

static void
put_get_remove(void **state)
{
	struct fixture *f = *state;

	assert_true(has(f->s, STORE_EID, "a", NULL));
	put(f->s, STORE_EID, "a", "1");
	assert_true(has(f->s, STORE_EID, "a", "1")); /* before the commit */
	assert_true(has(f->s, STORE_SENDER, "a", NULL));
	assert_int_equal(store_commit(f->s), ERR_OK);
	put(f->s, STORE_EID, "a", "22");
	assert_int_equal(store_commit(f->s), ERR_OK);
	assert_true(has(f->s, STORE_EID, "a", "22"));
	assert_int_equal(store_remove(f->s, STORE_EID, "a", 1), ERR_OK);
	assert_int_equal(store_remove(f->s, STORE_EID, "b", 1), ERR_OK);
	assert_true(has(f->s, STORE_EID, "a", NULL));
	assert_int_equal(store_commit(f->s), ERR_OK);
	assert_true(has(f->s, STORE_EID, "a", NULL));
	assert_int_equal(store_commit(f->s), ERR_OK); /* nothing to do */
	assert_true(store_healthy(f->s));
}

static bool
join_key(void *arg, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	char *text = arg;

	(void)value;
	(void)value_len;
	strncat(text, key, key_len);
	strcat(text, " ");
	return strlen(text) < 12;
}

static void
walk_by_prefix_in_order(void **state)
{
	struct fixture *f = *state;
	char text[64] = "";

	put(f->s, STORE_MOVE, "b2", "x");
	put(f->s, STORE_MOVE, "b1", "x");
	put(f->s, STORE_MOVE, "a", "x");
	put(f->s, STORE_MOVE, "c", "x");
	store_walk(f->s, STORE_MOVE, "b", 1, join_key, text);
	assert_string_equal(text, "b1 b2 ");
	assert_int_equal(store_commit(f->s), ERR_OK);
	*text = '\0';
	store_walk(f->s, STORE_MOVE, NULL, 0, join_key, text);
	assert_string_equal(text, "a b1 b2 c ");
	*text = '\0';
	store_walk(f->s, STORE_EID, NULL, 0, join_key, text);
	store_walk(f->s, STORE_MOVE, "d", 1, join_key, text);
	assert_string_equal(text, "");
}

static void
put_commit_put(struct store *s, int out)
{
	(void)out;
	put(s, STORE_EID, "committed", "yes");
	if (store_commit(s) != ERR_OK)
		return;
	put(s, STORE_EID, "committed", "no");
	put(s, STORE_EID, "other", "no");
}

static void
kill_loses_nothing_committed(void **state)
{
	struct fixture *f = *state;

	killed(f, put_commit_put, -1);
	assert_true(has(f->s, STORE_EID, "committed", "yes"));
	assert_true(has(f->s, STORE_EID, "other", NULL));
	assert_false(store_rebooted(f->s));
	/* And it can be written again. */
	put(f->s, STORE_EID, "other", "now");
	assert_int_equal(store_commit(f->s), ERR_OK);
	reopen(f);
	assert_true(has(f->s, STORE_EID, "other", "now"));
}

/* Draws nonces for ever; each goes to 'out' only after its commit. */
static void
draw_nonces(struct store *s, int out)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < 100000; i++) {
		last = store_nonce_next(s, "test", WALL);
		if (i % 1000 == 0 && store_commit(s) != ERR_OK)
			return;
	}
	if (store_commit(s) != ERR_OK ||
	    write(out, &last, sizeof(last)) != sizeof(last))
		return;
}

/* Draws one, which leaves after its commit, and dies. */
static void
draw_one(struct store *s, int out)
{
	uint64_t nonce = store_nonce_next(s, "one", WALL);

	if (store_commit(s) == ERR_OK &&
	    write(out, &nonce, sizeof(nonce)) != sizeof(nonce))
		return;
}

static void
nonces_rise_over_short_lives(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0, drawn;
	int pipe_fd[2];

	assert_int_equal(pipe(pipe_fd), 0);
	for (unsigned i = 0; i < 4; i++) {
		killed(f, draw_one, pipe_fd[1]);
		assert_int_equal(
		    read(pipe_fd[0], &drawn, sizeof(drawn)), sizeof(drawn));
		assert_true(drawn > last);
		last = drawn;
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void
nonces_never_repeat(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0, drawn;
	int pipe_fd[2];

	assert_int_equal(store_nonce_next(f->s, "test", WALL), WALL);
	assert_int_equal(store_nonce_next(f->s, "test", WALL), WALL + 1);
	assert_int_equal(store_nonce_next(f->s, "other", WALL - 7), WALL - 7);
	assert_int_equal(pipe(pipe_fd), 0);
	for (unsigned i = 0; i < 3; i++) {
		killed(f, draw_nonces, pipe_fd[1]);
		assert_int_equal(
		    read(pipe_fd[0], &drawn, sizeof(drawn)), sizeof(drawn));
		assert_true(drawn > last);
		/* The clock went back by a day meanwhile: no matter. */
		last = store_nonce_next(f->s, "test", WALL - 86400000);
		assert_true(last > drawn);
		assert_int_equal(store_commit(f->s), ERR_OK);
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	/* A clean end skips none. */
	reopen(f);
	assert_int_equal(store_nonce_next(f->s, "test", WALL), last + 1);
}

static void
reboot_raises_nonces_to_the_clock(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_nonce_next(f->s, "low", WALL), WALL);
	assert_int_equal(store_nonce_next(f->s, "high", WALL), WALL);
	put(f->s, STORE_META, "boot-id",
	    "000000000000000000000000000000000000");
	assert_int_equal(store_commit(f->s), ERR_OK);
	reopen(f);
	assert_true(store_rebooted(f->s));
	assert_int_equal(store_nonce_next(f->s, "low", WALL + 999), WALL + 999);
	assert_int_equal(store_nonce_next(f->s, "high", WALL - 999), WALL + 1);
	reopen(f);
	assert_false(store_rebooted(f->s));
}

static void
second_opener_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	int status;
	pid_t child;

	assert_int_equal(
	    store_open(NULL, f->directory, 16, &second), ERR_POLICY);
	assert_null(second);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(store_open(NULL, f->directory, 16, &second));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == ERR_POLICY);
	put(f->s, STORE_EID, "a", "1"); /* the first is not disturbed */
	assert_int_equal(store_commit(f->s), ERR_OK);
}

static void
full_is_refused_and_heals(void **state)
{
	struct fixture *f = *state;
	char value[65536] = "", key[16];
	enum err err = ERR_OK;

	put(f->s, STORE_EID, "before", "1");
	assert_int_equal(store_commit(f->s), ERR_OK);
	for (unsigned i = 0; i < 1000 && !err; i++) {
		snprintf(key, sizeof(key), "%u", i);
		err = store_put(
		    f->s, STORE_EID, key, strlen(key), value, sizeof(value));
	}
	assert_int_equal(err, ERR_FULL);
	/* The turn is lost as a whole, and says so. */
	assert_int_equal(store_put(f->s, STORE_EID, "x", 1, "x", 1), ERR_FULL);
	assert_int_equal(store_commit(f->s), ERR_FULL);
	assert_false(store_healthy(f->s));
	assert_true(has(f->s, STORE_EID, "x", NULL));
	assert_true(has(f->s, STORE_EID, "0", NULL));
	put(f->s, STORE_EID, "after", "1");
	assert_int_equal(store_commit(f->s), ERR_OK);
	assert_true(store_healthy(f->s));
	assert_true(has(f->s, STORE_EID, "before", "1"));
	assert_true(has(f->s, STORE_EID, "after", "1"));
}

/* Overwrites everything behind the two meta pages. */
static void
tear(const char *path)
{
	uint8_t junk[4096];
	struct stat st;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	memset(junk, 0xa5, sizeof(junk));
	for (off_t at = 2 * 4096; at < st.st_size; at += 4096)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), 4096);
	close(fd);
}

static void
torn_file_is_put_aside(void **state)
{
	struct fixture *f = *state;
	char path[128];

	put(f->s, STORE_EID, "a", "1");
	assert_int_equal(store_commit(f->s), ERR_OK);
	store_close(f->s);
	f->s = NULL;
	snprintf(path, sizeof(path), "%s/data.mdb", f->directory);
	tear(path);
	f->s = opened(f->directory);
	assert_true(has(f->s, STORE_EID, "a", NULL));
	put(f->s, STORE_EID, "a", "2");
	assert_int_equal(store_commit(f->s), ERR_OK);
	snprintf(path, sizeof(path), "%s/data.mdb.torn", f->directory);
	assert_int_equal(access(path, F_OK), 0);
}

static void
eid_keys_sort_and_return(void **state)
{
	static const char *const texts[] = { "0.0.0.0/0", "10.0.0.0/8",
		"10.1.1.0/24", "10.1.1.10", "::/0", "fd00::1", "[7]10.1.1.0/24",
		"[4294967295]10.1.1.10" };
	uint8_t key[STORE_EID_KEY], last[STORE_EID_KEY] = { 0 };
	struct eid eid, back;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(eid_parse(texts[i], &eid), ERR_OK);
		store_eid_key(&eid, key);
		assert_int_equal(
		    store_eid_parse(key, sizeof(key), &back), ERR_OK);
		assert_true(eid_equal(&eid, &back));
		assert_true(memcmp(last, key, sizeof(key)) < 0);
		memcpy(last, key, sizeof(key));
	}
	assert_int_equal(
	    store_eid_parse(key, sizeof(key) - 1, &back), ERR_MALFORMED);
	key[6] = 33;
	assert_int_equal(
	    store_eid_parse(key, sizeof(key), &back), ERR_MALFORMED);
	key[5] = 99;
	assert_int_equal(
	    store_eid_parse(key, sizeof(key), &back), ERR_MALFORMED);
}

/* With a loop, a worker syncs what was committed. */
static void
worker_syncs(void **state)
{
	struct fixture *f = *state;
	struct clock clock;
	struct loop *loop;

	store_close(f->s);
	f->s = NULL;
	clock_fake(&clock, (int64_t)WALL * 1000);
	loop = loop_new(&clock);
	assert_int_equal(store_open(loop, f->directory, 16, &f->s), ERR_OK);
	put(f->s, STORE_EID, "a", "1");
	assert_int_equal(store_commit(f->s), ERR_OK);
	for (unsigned i = 0; i < 5; i++)
		loop_advance(loop, &clock, 500000);
	assert_true(has(f->s, STORE_EID, "a", "1"));
	store_close(f->s);
	f->s = NULL;
	loop_free(loop);
	f->s = opened(f->directory);
	assert_true(has(f->s, STORE_EID, "a", "1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    put_get_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    walk_by_prefix_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    kill_loses_nothing_committed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    nonces_never_repeat, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    nonces_rise_over_short_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    reboot_raises_nonces_to_the_clock, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    second_opener_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    full_is_refused_and_heals, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    torn_file_is_put_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(worker_syncs, setup, teardown),
		cmocka_unit_test(eid_keys_sort_and_return),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
