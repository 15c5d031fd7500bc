/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - the agent's LMDB environment.
 *
 * agent.c puts a VM after it has spoken about it; the row goes into the
 * transaction of this turn of the loop.  state_row.c knows the octets; a row
 * that cannot be read is dropped, not believed.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/wire.h"

enum { PATH_SIZE = 512 };

struct state {
	struct loop *loop;
	MDB_env *env;
	MDB_dbi meta, vm;
	MDB_txn *txn; /* of this turn, or NULL */
	int lock;
	bool healthy;
	bool commit_due, unsynced, syncing;
	struct loop_timer *sync;
	struct loop_worker *worker;
	uint8_t row[STATE_ROW_MAX];
};

/* ---- the environment ---- */

static void
failed(struct state *s, const char *what, int rc)
{
	if (s->healthy)
		log_error("state", "%s: %s", what, mdb_strerror(rc));
	s->healthy = false;
	if (s->txn)
		mdb_txn_abort(s->txn);
	s->txn = NULL;
}

static void
commit(struct state *s)
{
	int rc;

	if (!s->txn)
		return;
	rc = mdb_txn_commit(s->txn);
	s->txn = NULL;
	if (rc) {
		failed(s, "commit", rc);
		return;
	}
	if (!s->healthy)
		log_info("state", "written again");
	s->healthy = true;
	s->unsynced = true;
	if (!loop_timer_armed(s->sync))
		loop_timer_set(s->sync, STATE_SYNC_MS);
}

static void
on_turn_end(void *arg)
{
	struct state *s = arg;

	s->commit_due = false;
	commit(s);
}

/* The transaction of this turn, or NULL after a failure. */
static MDB_txn *
writing(struct state *s)
{
	int rc;

	if (s->txn)
		return s->txn;
	rc = mdb_txn_begin(s->env, NULL, 0, &s->txn);
	if (rc) {
		s->txn = NULL;
		failed(s, "begin", rc);
		return NULL;
	}
	if (!s->commit_due && loop_defer(s->loop, on_turn_end, s) == ERR_OK)
		s->commit_due = true;
	return s->txn;
}

static void
sync_work(void *arg)
{
	const struct state *s = arg;

	(void)mdb_env_sync(s->env, 1);
}

static void
sync_done(void *arg)
{
	struct state *s = arg;

	s->syncing = false;
	if (s->unsynced && !loop_timer_armed(s->sync))
		loop_timer_set(s->sync, STATE_SYNC_MS);
}

static void
on_sync(void *arg)
{
	struct state *s = arg;

	if (s->syncing || !s->unsynced)
		return;
	s->unsynced = false;
	s->syncing = loop_work(s->worker, sync_work, sync_done, s) == ERR_OK;
	if (!s->syncing) {
		s->unsynced = true;
		loop_timer_set(s->sync, STATE_SYNC_MS);
	}
}

static int
open_env(struct state *s, const char *path)
{
	MDB_txn *txn = NULL;
	int rc = mdb_env_create(&s->env);

	if (rc)
		return rc;
	rc = mdb_env_set_maxdbs(s->env, 4);
	if (!rc)
		rc = mdb_env_set_mapsize(
		    s->env, (size_t)STATE_MAP_MIB * 1024 * 1024);
	if (!rc)
		rc = mdb_env_open(
		    s->env, path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0600);
	if (!rc)
		rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (!rc)
		rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &s->meta);
	if (!rc)
		rc = mdb_dbi_open(txn, "vm", MDB_CREATE, &s->vm);
	if (!rc) {
		rc = mdb_txn_commit(txn);
		txn = NULL;
	}
	if (txn)
		mdb_txn_abort(txn);
	if (rc) {
		mdb_env_close(s->env);
		s->env = NULL;
	}
	return rc;
}

/* Opens it; what is no LMDB file is moved aside, once. */
static enum err
open_or_move(struct state *s, const char *directory)
{
	char path[PATH_SIZE], aside[PATH_SIZE + 8];
	int rc;

	snprintf(path, sizeof(path), "%s/state.mdb", directory);
	snprintf(aside, sizeof(aside), "%s.broken", path);
	rc = open_env(s, path);
	if (rc == MDB_INVALID || rc == MDB_CORRUPTED ||
	    rc == MDB_VERSION_MISMATCH || rc == MDB_PAGE_NOTFOUND) {
		log_error("state", "%s: %s; moved to %s", path,
		    mdb_strerror(rc), aside);
		if (rename(path, aside) == 0)
			rc = open_env(s, path);
	}
	if (!rc)
		return ERR_OK;
	log_error("state", "%s: %s", path, mdb_strerror(rc));
	return ERR_IO;
}

static enum err
take_lock(struct state *s, const char *directory)
{
	char path[PATH_SIZE];

	if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
		log_error("state", "%s: %s", directory, strerror(errno));
		return ERR_IO;
	}
	snprintf(path, sizeof(path), "%s/lock", directory);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0) {
		log_error("state", "%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
		log_error("state", "%s: another vmagent uses it", directory);
		return ERR_POLICY;
	}
	return ERR_OK;
}

enum err
state_open(struct loop *loop, const char *directory, struct state **out)
{
	struct state *s = calloc(1, sizeof(*s));
	enum err err;

	if (!s)
		return ERR_NOMEM;
	s->loop = loop;
	s->lock = -1;
	s->healthy = true;
	err = take_lock(s, directory);
	if (!err)
		err = open_or_move(s, directory);
	if (!err) {
		s->sync = loop_timer_new(loop, on_sync, s);
		s->worker = loop_worker_new(loop, "state-sync", 1);
		if (!s->sync || !s->worker)
			err = ERR_NOMEM;
	}
	if (err) {
		state_close(s);
		return err;
	}
	*out = s;
	return ERR_OK;
}

void
state_close(struct state *s)
{
	if (!s)
		return;
	commit(s);
	loop_timer_free(s->sync);
	loop_worker_free(s->worker);
	if (s->env) {
		(void)mdb_env_sync(s->env, 1);
		mdb_env_close(s->env);
	}
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}

bool
state_healthy(const struct state *s)
{
	return s->healthy;
}

/* ---- VMs and meta ---- */

static void
put(struct state *s, MDB_dbi db, const void *key, size_t key_len,
    const void *value, size_t len)
{
	MDB_txn *txn = writing(s);
	/* LMDB only reads them; its struct has no const. */
	MDB_val k = { key_len, (void *)(uintptr_t)key };
	MDB_val v = { len, (void *)(uintptr_t)value };
	int rc = txn ? mdb_put(txn, db, &k, &v, 0) : 0;

	if (rc)
		failed(s, "write", rc);
}

void
state_put_vm(struct state *s, const struct vm *vm)
{
	size_t len = state_row_encode(vm, s->row, sizeof(s->row));

	if (len)
		put(s, s->vm, vm->uuid, sizeof(vm->uuid), s->row, len);
}

void
state_remove_vm(struct state *s, const uint8_t uuid[16])
{
	MDB_txn *txn = writing(s);
	MDB_val k = { 16, (void *)(uintptr_t)uuid };
	int rc = txn ? mdb_del(txn, s->vm, &k, NULL) : 0;

	if (rc && rc != MDB_NOTFOUND)
		failed(s, "remove", rc);
}

void
state_walk(
    struct state *s, void (*fn)(void *arg, const struct vm *vm), void *arg)
{
	struct vm_info *info = calloc(1, sizeof(*info));
	MDB_cursor *cursor = NULL;
	MDB_txn *txn = writing(s);
	MDB_val k, v;

	if (!info || !txn || mdb_cursor_open(txn, s->vm, &cursor)) {
		free(info);
		return;
	}
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		struct vm vm = { .info = info };
		enum err err = state_row_decode(v.mv_data, v.mv_size, &vm);

		if (err) {
			log_error("state", "a row is bad: %s", err_str(err));
			(void)mdb_cursor_del(cursor, 0);
			continue;
		}
		fn(arg, &vm);
	}
	mdb_cursor_close(cursor);
	free(info);
}

static bool
get_meta(struct state *s, const char *name, void *out, size_t len)
{
	MDB_txn *txn = writing(s);
	MDB_val k = { strlen(name), (void *)(uintptr_t)name }, v;

	if (!txn || mdb_get(txn, s->meta, &k, &v) || v.mv_size != len)
		return false;
	memcpy(out, v.mv_data, len);
	return true;
}

uint64_t
state_nonces(struct state *s)
{
	uint8_t bytes[8];
	struct wire_reader r = wire_reader(bytes, sizeof(bytes));

	return get_meta(s, "nonces", bytes, sizeof(bytes)) ? wire_get_u64(&r)
							   : 0;
}

void
state_reserve(struct state *s, uint64_t ceiling)
{
	uint8_t bytes[8];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	wire_put_u64(&w, ceiling);
	put(s, s->meta, "nonces", 6, bytes, sizeof(bytes));
	commit(s); /* a promise: before the first of them is used */
}

enum err
state_host_id(struct state *s, uint8_t out[16])
{
	return get_meta(s, "host-id", out, 16) ? ERR_OK : ERR_NOT_FOUND;
}

void
state_set_host_id(struct state *s, const uint8_t host_id[16])
{
	put(s, s->meta, "host-id", 7, host_id, 16);
}
