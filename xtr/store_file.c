/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_file.c - the store's directory, lock and file.
 *
 * store.c opens through it.  A commit reaches the page cache only, which keeps
 * it when the process dies.  When the machine dies, pages may have reached the
 * disk in any order, and a torn B-tree may crash its reader: so the first start
 * after a reboot has a child process walk the whole file before we trust it.
 *
 * LMDB's own locks are off (they would let several processes in); a lock on a
 * file of ours admits one.
 */
#include "xtr/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "xtr/store.h"

enum {
	CHECK_TIMEOUT_S = 60,
	DIRECTORY_MAX = 3072,
	PATH_SIZE = 4096,
};

const char *const store_db_names[STORE_DBS] = {
	[STORE_META] = "meta",
	[STORE_EID] = "eid",
	[STORE_REQUESTER] = "requester",
	[STORE_SENDER] = "sender",
	[STORE_MSREG] = "msreg",
	[STORE_MAPCACHE] = "mapcache",
	[STORE_MOVE] = "move",
	[STORE_SUBSCRIPTION] = "subscription",
};

/* Text of /proc/sys/kernel/random/boot_id; zeroes if it cannot be read. */
void
store_boot_id(char out[STORE_BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(out, 0, STORE_BOOT_ID_SIZE);
	if (fd < 0)
		return;
	if (read(fd, out, STORE_BOOT_ID_SIZE) != STORE_BOOT_ID_SIZE)
		memset(out, 0, STORE_BOOT_ID_SIZE);
	close(fd);
}

static int
env_open(const char *path, int64_t size_mib, unsigned flags, MDB_env **out)
{
	MDB_env *env;
	int rc = mdb_env_create(&env);

	if (rc)
		return rc;
	if (!(rc = mdb_env_set_maxdbs(env, STORE_DBS)) &&
	    !(rc = mdb_env_set_mapsize(env, (size_t)size_mib << 20)) &&
	    !(rc = mdb_env_open(env, path,
		  MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK | flags, 0600))) {
		*out = env;
		return 0;
	}
	mdb_env_close(env);
	return rc;
}

static void
touch(const volatile uint8_t *p, size_t n)
{
	if (n) {
		(void)p[0];
		(void)p[n - 1];
	}
}

/* Reads every pair of every database; 0 if all of it can be read. */
static int
env_walk(MDB_env *env)
{
	MDB_txn *txn = NULL;
	MDB_val k, v;
	int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

	for (unsigned i = 0; i < STORE_DBS && !rc; i++) {
		MDB_cursor *c;
		MDB_dbi db;

		rc = mdb_dbi_open(txn, store_db_names[i], 0, &db);
		if (rc == MDB_NOTFOUND) {
			rc = 0;
			continue;
		}
		if (rc || (rc = mdb_cursor_open(txn, db, &c)))
			break;
		while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
			/* Both ends must lie inside the file. */
			touch(k.mv_data, k.mv_size);
			touch(v.mv_data, v.mv_size);
		}
		mdb_cursor_close(c);
		if (rc == MDB_NOTFOUND)
			rc = 0;
	}
	mdb_txn_abort(txn);
	return rc;
}

/* True if the file was last written under this boot of the machine. */
static bool
env_same_boot(MDB_env *env)
{
	char now[STORE_BOOT_ID_SIZE];
	MDB_val k = { 7, (char[]){ "boot-id" } };
	MDB_val v;
	MDB_txn *txn;
	MDB_dbi db;
	bool same = false;

	store_boot_id(now);
	if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
		return false;
	if (!mdb_dbi_open(txn, store_db_names[STORE_META], 0, &db) &&
	    !mdb_get(txn, db, &k, &v))
		same = v.mv_size == sizeof(now) &&
		    memcmp(v.mv_data, now, sizeof(now)) == 0;
	mdb_txn_abort(txn);
	return same;
}

/*
 * False if the file cannot be trusted: written before a reboot, and a child
 * that walks it fails or dies of it.
 */
static bool
file_is_sound(const char *path, int64_t size_mib)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGALRM,
		SIGTERM, SIGINT };
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		MDB_env *env;

		/* It may die of the file: quietly. */
		for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
			signal(deadly[i], SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		alarm(CHECK_TIMEOUT_S);
		if (env_open(path, size_mib, MDB_RDONLY, &env))
			_exit(1);
		_exit(env_same_boot(env) || env_walk(env) == 0 ? 0 : 1);
	}
	if (child < 0)
		return true; /* cannot look; take the chance */
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return true;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Puts a torn file aside, so that an empty one is begun. */
static void
file_check(const char *path, int64_t size_mib)
{
	char aside[PATH_SIZE];
	struct stat st;

	if (stat(path, &st) != 0 || st.st_size == 0 ||
	    file_is_sound(path, size_mib))
		return;
	snprintf(aside, sizeof(aside), "%.*s.torn", PATH_SIZE - 16, path);
	log_error(
	    "store", "%s: torn by the last reboot, kept as %s", path, aside);
	if (rename(path, aside) != 0)
		log_error("store", "%s: %s", aside, strerror(errno));
}

/* The directory, and the lock that admits one process. */
static enum err
directory_lock(const char *directory, int *fd)
{
	char path[PATH_SIZE];

	*fd = -1;
	if (strlen(directory) > DIRECTORY_MAX) {
		log_error(
		    "store", "%.64s...: %s", directory, strerror(ENAMETOOLONG));
		return ERR_IO;
	}
	if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
		log_error("store", "%s: %s", directory, strerror(errno));
		return ERR_IO;
	}
	snprintf(path, sizeof(path), "%s/lock", directory);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0) {
		log_error("store", "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
		log_error("store", "%s: in use by another process", directory);
		return ERR_POLICY;
	}
	return ERR_OK;
}

enum err
store_file_open(
    const char *directory, int64_t size_mib, int *lock_fd, struct MDB_env **out)
{
	char path[PATH_SIZE];
	enum err err = directory_lock(directory, lock_fd);
	int rc;

	if (err)
		return err;
	snprintf(path, sizeof(path), "%.*s/data.mdb", DIRECTORY_MAX, directory);
	file_check(path, size_mib);
	rc = env_open(path, size_mib, 0, out);
	if (rc)
		log_error("store", "%s: %s", path, mdb_strerror(rc));
	return rc ? ERR_IO : ERR_OK;
}
