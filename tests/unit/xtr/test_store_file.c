/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_file.c - the store's directory, lock and file: who gets in, what is
 * made, and what becomes of a file that cannot be trusted.
 */
#include "xtr/store_file.h"

#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "xtr/store.h"

struct place {
	char folder[64], path[128];
	int lock;
	MDB_env *env;
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	log_level_set(LOG_LEVEL_ERROR);
	strcpy(p->folder, "/tmp/store-file-XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/state", p->folder);
	p->lock = -1;
	*state = p;
	return 0;
}

static void
leave(struct place *p)
{
	if (p->env)
		mdb_env_close(p->env);
	if (p->lock >= 0)
		close(p->lock);
	p->env = NULL;
	p->lock = -1;
}

static int
teardown(void **state)
{
	struct place *p = *state;
	char command[128];

	leave(p);
	snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static enum err
enter(struct place *p)
{
	return store_file_open(p->path, 16, &p->lock, &p->env);
}

static void
test_new(void **state)
{
	struct place *p = *state;
	char file[160];
	struct stat st;

	assert_int_equal(enter(p), ERR_OK);
	assert_non_null(p->env);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(file, sizeof(file), "%s/data.mdb", p->path);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	leave(p);
	assert_int_equal(enter(p), ERR_OK); /* and again */
}

/* One process at a time; a failed attempt does not end the other's. */
static void
test_lock(void **state)
{
	struct place *p = *state;
	MDB_env *env = NULL;
	int lock = -1;

	assert_int_equal(enter(p), ERR_OK);
	assert_int_equal(store_file_open(p->path, 16, &lock, &env), ERR_POLICY);
	assert_null(env);
	assert_true(lock >= 0); /* the caller's to close */
	close(lock);
	assert_int_equal(store_file_open(p->path, 16, &lock, &env), ERR_POLICY);
	close(lock);
	leave(p);
	assert_int_equal(enter(p), ERR_OK);
}

static void
test_no_directory(void **state)
{
	struct place *p = *state;

	strcat(p->path, "/below");
	assert_int_equal(enter(p), ERR_IO);
	assert_int_equal(p->lock, -1);
	strcpy(p->path, "/dev/null");
	assert_int_equal(enter(p), ERR_IO);
	assert_int_equal(p->lock, -1);
}

/* Its path would not fit: an error like any other. */
static void
test_long_directory(void **state)
{
	char path[4000];
	MDB_env *env = NULL;
	int lock = 5;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(store_file_open(path, 16, &lock, &env), ERR_IO);
	assert_int_equal(lock, -1);
	assert_null(env);
}

static void
write_file(const struct place *p, const char *text, size_t len)
{
	char path[160];
	FILE *f;

	mkdir(p->path, 0700);
	snprintf(path, sizeof(path), "%s/data.mdb", p->path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static bool
is_torn(const struct place *p)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/data.mdb.torn", p->path);
	return access(path, F_OK) == 0;
}

/* What is no LMDB file is put aside, and an empty one begun. */
static void
test_torn(void **state)
{
	struct place *p = *state;
	char text[8192];

	memset(text, 0xa5, sizeof(text));
	write_file(p, text, sizeof(text));
	assert_int_equal(enter(p), ERR_OK);
	assert_true(is_torn(p));
}

/* An empty file is a new one. */
static void
test_empty_file(void **state)
{
	struct place *p = *state;

	write_file(p, "", 0);
	assert_int_equal(enter(p), ERR_OK);
	assert_false(is_torn(p));
}

static void
put(struct place *p, const char *boot_id)
{
	MDB_val k = { 7, (char[]){ "boot-id" } }, v;
	char id[STORE_BOOT_ID_SIZE + 1];
	MDB_txn *txn;
	MDB_dbi db;

	snprintf(id, sizeof(id), "%s", boot_id);
	v = (MDB_val){ STORE_BOOT_ID_SIZE, id };
	assert_int_equal(mdb_txn_begin(p->env, NULL, 0, &txn), 0);
	assert_int_equal(
	    mdb_dbi_open(txn, store_db_names[STORE_META], MDB_CREATE, &db), 0);
	assert_int_equal(mdb_put(txn, db, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

/* A sound file of an earlier boot is read through and kept. */
static void
test_other_boot(void **state)
{
	struct place *p = *state;

	assert_int_equal(enter(p), ERR_OK);
	put(p, "00000000-0000-0000-0000-000000000000");
	leave(p);
	assert_int_equal(enter(p), ERR_OK);
	assert_false(is_torn(p));
}

/* Torn inside: known after a reboot only, when it is walked. */
static void
test_torn_inside(void **state)
{
	struct place *p = *state;
	char path[160], now[STORE_BOOT_ID_SIZE + 1] = "";

	store_boot_id(now);
	for (int rebooted = 0; rebooted < 2; rebooted++) {
		assert_int_equal(enter(p), ERR_OK);
		put(p,
		    rebooted ? "another boot of the machine, 36 octets" : now);
		leave(p);
		snprintf(path, sizeof(path), "%s/data.mdb", p->path);
		if (rebooted) /* the meta pages are left, the data is not */
			assert_int_equal(truncate(path, 2 * 4096), 0);
		assert_int_equal(enter(p), ERR_OK);
		assert_int_equal(is_torn(p), rebooted);
		leave(p);
	}
}

static void
test_boot_id(void **state)
{
	char one[STORE_BOOT_ID_SIZE], two[STORE_BOOT_ID_SIZE];

	(void)state;
	memset(one, 'x', sizeof(one));
	store_boot_id(one);
	store_boot_id(two);
	assert_memory_equal(one, two, sizeof(one));
	if (one[0]) /* a UUID */
		assert_int_equal(one[8], '-');
	for (int i = 0; i < STORE_DBS; i++)
		assert_non_null(store_db_names[i]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_lock),
		TEST(test_no_directory),
		TEST(test_long_directory),
		TEST(test_torn),
		TEST(test_empty_file),
		TEST(test_other_boot),
		TEST(test_torn_inside),
		cmocka_unit_test(test_boot_id),
	};

	return cmocka_run_group_tests_name("xtr/store_file", tests, NULL, NULL);
}
