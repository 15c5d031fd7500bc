/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - what must survive kill -9, in LMDB.
 *
 * Tables write through to it as they change; input.c commits once a turn of the
 * loop and sends only then.  A commit is a write into the page cache, so the
 * loop never waits for a disk; a worker syncs once a second.  store_file.c opens
 * the file; the two are the only users of lmdb.h.
 *
 * LMDB's locks are off, so no read transaction may be open while a write
 * transaction works: turn_begin() sees to it.
 */
#include "xtr/store.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/log.h"
#include "xtr/store_file.h"

enum {
	LAYOUT = 1,
	SYNC_MS = 1000,
	NONCE_AHEAD = 65536,
	NONCE_NAME_MAX = 48,
};

/* One sequence of store_nonce_next(); there are a handful. */
struct sequence {
	struct sequence *next_sequence;
	char name[NONCE_NAME_MAX];
	uint64_t next, ceiling; /* values below 'ceiling' may be given out */
};

struct sync_job { /* all the worker sees */
	MDB_env *env;
	int rc;
};

struct store {
	MDB_env *env;
	MDB_dbi dbs[STORE_DBS];
	MDB_txn *write;	 /* of this turn, NULL until the first put */
	MDB_txn *read;	 /* reset unless 'reading' */
	bool reading;	 /* 'read' is renewed */
	bool walking;	 /* a callback must not write */
	enum err failed; /* of this turn: its later puts are refused, too */
	bool healthy;	 /* the last commit worked */
	bool rebooted;
	bool unsynced; /* committed since the last sync began */
	struct sequence *sequences;
	int lock_fd;
	struct loop_timer *sync_timer;
	struct loop_worker *worker;
	struct sync_job sync;
	bool syncing; /* 'sync' is the worker's */
	struct log_limit log_limit;
	struct loop *loop;
};

static enum err
err_from_mdb(int rc)
{
	if (rc == 0)
		return ERR_OK;
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == MDB_TXN_FULL)
		return ERR_FULL;
	return rc == ENOMEM ? ERR_NOMEM : ERR_IO;
}

/*
 * Databases, layout and boot-id, in one transaction; an error of LMDB.  The
 * layout is of the whole file; values have versions of their own.
 */
static int
databases_open(struct store *s)
{
	char boot_id[STORE_BOOT_ID_SIZE];
	uint8_t layout = LAYOUT;
	MDB_val k = { 6, (char[]){ "layout" } };
	MDB_val v = { sizeof(layout), &layout };
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc)
		return rc;
	for (unsigned i = 0; i < STORE_DBS && !rc; i++)
		rc = mdb_dbi_open(
		    txn, store_db_names[i], MDB_CREATE, &s->dbs[i]);
	if (!rc)
		rc = mdb_put(txn, s->dbs[STORE_META], &k, &v, MDB_NOOVERWRITE);
	if (rc == MDB_KEYEXIST)
		rc = v.mv_size == 1 && *(const uint8_t *)v.mv_data == LAYOUT
		    ? 0
		    : MDB_VERSION_MISMATCH;
	if (rc)
		goto abort;

	store_boot_id(boot_id);
	k = (MDB_val){ 7, (char[]){ "boot-id" } };
	s->rebooted = !mdb_get(txn, s->dbs[STORE_META], &k, &v) &&
	    (v.mv_size != sizeof(boot_id) ||
		memcmp(v.mv_data, boot_id, sizeof(boot_id)) != 0);
	v = (MDB_val){ sizeof(boot_id), boot_id };
	rc = mdb_put(txn, s->dbs[STORE_META], &k, &v, 0);
	if (rc)
		goto abort;
	return mdb_txn_commit(txn);
abort:
	mdb_txn_abort(txn);
	return rc;
}

static void
sync_fn(void *arg)
{
	struct sync_job *job = &((struct store *)arg)->sync;

	job->rc = mdb_env_sync(job->env, 1);
}

static void
sync_done(void *arg)
{
	struct store *s = arg;

	s->syncing = false;
	if (s->sync.rc)
		log_error("store", "sync: %s", mdb_strerror(s->sync.rc));
}

/* A second is over: what was committed goes to the disk. */
static void
sync_due(void *arg)
{
	struct store *s = arg;

	loop_timer_set(s->sync_timer, SYNC_MS);
	if (!s->unsynced || s->syncing)
		return;
	s->sync.env = s->env;
	if (loop_work(s->worker, sync_fn, sync_done, s) == ERR_OK) {
		s->syncing = true;
		s->unsynced = false;
	}
}

static enum err
worker_start(struct store *s)
{
	s->worker = loop_worker_new(s->loop, "store-sync", 1);
	s->sync_timer = loop_timer_new(s->loop, sync_due, s);
	if (!s->worker || !s->sync_timer)
		return ERR_NOMEM;
	loop_timer_set(s->sync_timer, SYNC_MS);
	return ERR_OK;
}

enum err
store_open(struct loop *loop, const char *directory, int64_t size_mib,
    struct store **out)
{
	struct store *s = calloc(1, sizeof(*s));
	enum err err;
	int rc;

	if (!s)
		return ERR_NOMEM;
	*s = (struct store){ .lock_fd = -1, .healthy = true, .loop = loop };
	err = store_file_open(directory, size_mib, &s->lock_fd, &s->env);
	if (err)
		goto fail;
	if ((rc = databases_open(s)) ||
	    (rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->read))) {
		log_error("store", "%s: %s", directory, mdb_strerror(rc));
		err = ERR_IO;
		goto fail;
	}
	mdb_txn_reset(s->read);
	err = loop ? worker_start(s) : ERR_OK;
	if (err)
		goto fail;
	*out = s;
	return ERR_OK;
fail:
	store_close(s);
	return err;
}

bool
store_rebooted(const struct store *s)
{
	return s->rebooted;
}

bool
store_healthy(const struct store *s)
{
	return s->healthy;
}

static void
turn_failed(struct store *s, int rc, const char *what)
{
	uint32_t kept_back;

	s->failed = err_from_mdb(rc);
	s->healthy = false;
	if (s->write)
		mdb_txn_abort(s->write);
	s->write = NULL;
	/* Their ceilings may have been in it. */
	for (struct sequence *q = s->sequences; q; q = q->next_sequence)
		q->ceiling = q->next;
	if (!s->loop)
		log_error("store", "%s: %s", what, mdb_strerror(rc));
	else if (log_allowed(&s->log_limit, loop_now(s->loop), &kept_back))
		log_error("store", "%s: %s; %u more", what, mdb_strerror(rc),
		    kept_back);
}

/* The write transaction of this turn. */
static enum err
turn_begin(struct store *s)
{
	int rc;

	assert(!s->walking);
	if (s->failed)
		return s->failed;
	if (s->write)
		return ERR_OK;
	if (s->reading) {
		mdb_txn_reset(s->read);
		s->reading = false;
	}
	rc = mdb_txn_begin(s->env, NULL, 0, &s->write);
	if (rc) {
		s->write = NULL;
		turn_failed(s, rc, "begin");
	}
	return s->failed;
}

/* Where to read: what this turn has written is seen; NULL if unreadable. */
static MDB_txn *
reader(struct store *s)
{
	if (s->write)
		return s->write;
	if (s->reading && !s->walking)
		mdb_txn_reset(s->read);
	if (!s->walking)
		s->reading = mdb_txn_renew(s->read) == 0;
	return s->reading ? s->read : NULL;
}

static MDB_val
val(const void *bytes, size_t len)
{
	return (MDB_val){ len, (void *)(uintptr_t)bytes };
}

enum err
store_put(struct store *s, enum store_db db, const void *key, size_t key_len,
    const void *value, size_t value_len)
{
	MDB_val k = val(key, key_len), v = val(value, value_len);
	enum err err = turn_begin(s);
	int rc;

	if (err)
		return err;
	rc = mdb_put(s->write, s->dbs[db], &k, &v, 0);
	if (rc)
		turn_failed(s, rc, store_db_names[db]);
	return s->failed;
}

enum err
store_remove(struct store *s, enum store_db db, const void *key, size_t key_len)
{
	MDB_val k = val(key, key_len);
	enum err err = turn_begin(s);
	int rc;

	if (err)
		return err;
	rc = mdb_del(s->write, s->dbs[db], &k, NULL);
	if (rc && rc != MDB_NOTFOUND)
		turn_failed(s, rc, store_db_names[db]);
	return s->failed;
}

const void *
store_get(struct store *s, enum store_db db, const void *key, size_t key_len,
    size_t *value_len)
{
	MDB_val k = val(key, key_len), v;
	MDB_txn *txn = reader(s);

	if (!txn || mdb_get(txn, s->dbs[db], &k, &v))
		return NULL;
	*value_len = v.mv_size;
	return v.mv_data;
}

void
store_walk(struct store *s, enum store_db db, const void *prefix,
    size_t prefix_len,
    bool (*fn)(void *arg, const void *key, size_t key_len, const void *value,
	size_t value_len),
    void *arg)
{
	MDB_val k = val(prefix, prefix_len), v;
	MDB_txn *txn = reader(s);
	bool outermost = !s->walking;
	MDB_cursor *c;
	int rc;

	if (!txn || mdb_cursor_open(txn, s->dbs[db], &c))
		return;
	s->walking = true;
	rc = mdb_cursor_get(c, &k, &v, prefix_len ? MDB_SET_RANGE : MDB_FIRST);
	while (!rc && k.mv_size >= prefix_len &&
	    memcmp(k.mv_data, prefix_len ? prefix : k.mv_data, prefix_len) ==
		0 &&
	    fn(arg, k.mv_data, k.mv_size, v.mv_data, v.mv_size))
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	mdb_cursor_close(c);
	if (outermost)
		s->walking = false;
}

enum err
store_commit(struct store *s)
{
	enum err err;
	MDB_txn *txn = s->write;
	int rc;

	if (txn) {
		s->write = NULL;
		rc = mdb_txn_commit(txn);
		if (rc) {
			turn_failed(s, rc, "commit");
		} else {
			s->healthy = true;
			s->unsynced = true;
		}
	}
	err = s->failed;
	s->failed = ERR_OK; /* the next turn tries again */
	return err;
}

void
store_eid_key(const struct eid *eid, uint8_t key[STORE_EID_KEY])
{
	uint32_t iid_be = htobe32(eid->iid);
	uint16_t afi_be = htobe16(eid->addr.afi);

	memcpy(key, &iid_be, 4);
	memcpy(key + 4, &afi_be, 2);
	key[6] = eid->bits;
	memcpy(key + 7, eid->addr.bytes, 16);
}

enum err
store_eid_parse(const uint8_t *key, size_t len, struct eid *out)
{
	uint32_t iid_be;
	uint16_t afi_be;
	struct addr addr;

	if (len < STORE_EID_KEY)
		return ERR_MALFORMED;
	memcpy(&iid_be, key, 4);
	memcpy(&afi_be, key + 4, 2);
	if (addr_len(be16toh(afi_be)) == 0)
		return ERR_MALFORMED;
	addr = addr_make(be16toh(afi_be), key + 7);
	if (key[6] > addr_bits(&addr))
		return ERR_MALFORMED;
	*out = eid_make(be32toh(iid_be), &addr, key[6]);
	return ERR_OK;
}

/* Key of a sequence's ceiling in STORE_META. */
static size_t
nonce_key(const char *name, char key[NONCE_NAME_MAX + 8])
{
	return (size_t)snprintf(key, NONCE_NAME_MAX + 8, "nonce:%s", name);
}

/* Raises the ceiling in the store to 'ceiling'. */
static void
nonce_save(struct store *s, struct sequence *q, uint64_t ceiling)
{
	char key[NONCE_NAME_MAX + 8];
	size_t len = nonce_key(q->name, key);
	uint64_t be = htobe64(ceiling);

	/* Without the store it goes on and tries again at the next one. */
	if (store_put(s, STORE_META, key, len, &be, sizeof(be)) == ERR_OK)
		q->ceiling = ceiling;
}

static struct sequence *
sequence_load(struct store *s, const char *name, uint64_t wall_ms)
{
	struct sequence *q = calloc(1, sizeof(*q));
	char key[NONCE_NAME_MAX + 8];
	const void *saved;
	uint64_t be;
	size_t len;

	assert(strlen(name) < NONCE_NAME_MAX);
	if (!q)
		abort(); /* 80 octets, at the start */
	snprintf(q->name, sizeof(q->name), "%s", name);
	saved = store_get(s, STORE_META, key, nonce_key(name, key), &len);
	if (saved && len == sizeof(be)) {
		memcpy(&be, saved, sizeof(be));
		q->next = be64toh(be);
	}
	if ((!q->next || s->rebooted) && q->next < wall_ms)
		q->next = wall_ms;
	q->ceiling = q->next;
	q->next_sequence = s->sequences;
	s->sequences = q;
	return q;
}

static struct sequence *
sequence_get(struct store *s, const char *name, uint64_t wall_ms)
{
	struct sequence *q = s->sequences;

	while (q && strcmp(q->name, name) != 0)
		q = q->next_sequence;
	return q ? q : sequence_load(s, name, wall_ms);
}

void
store_nonce_raise(struct store *s, const char *name, uint64_t above)
{
	struct sequence *q = sequence_get(s, name, above + 1);

	if (q->next <= above)
		q->next = above + 1;
}

uint64_t
store_nonce_next(struct store *s, const char *name, uint64_t wall_ms)
{
	struct sequence *q = sequence_get(s, name, wall_ms);

	if (q->next >= q->ceiling)
		nonce_save(s, q, q->next + NONCE_AHEAD);
	return q->next++;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	loop_timer_free(s->sync_timer);
	loop_worker_free(s->worker);
	while (s->sequences) {
		struct sequence *q = s->sequences;

		s->sequences = q->next_sequence;
		nonce_save(s, q, q->next); /* a clean end skips none */
		free(q);
	}
	if (s->env && store_commit(s) != ERR_OK)
		log_error("store", "the last changes are lost");
	mdb_txn_abort(s->read);
	if (s->env) {
		mdb_env_sync(s->env, 1);
		mdb_env_close(s->env);
	}
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}
