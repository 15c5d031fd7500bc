/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_STORE_H
#define XTR_STORE_H

/*
 * store.h - what must survive kill -9, in LMDB.
 *
 * One environment in the state directory, opened by one process (lock file;
 * a second xtrd on the same directory is refused).  Writes go into a
 * transaction that opens by itself and is committed by store_commit() once a
 * turn of the loop, without sync; a worker syncs at least once a second.  A
 * crash of the process loses nothing; after a power loss (the kernel's boot-id
 * differs) store_rebooted() says so and nonce floors rise to the clock.
 *
 * Keys are the caller's octets (big-endian, so that they sort); values are the
 * caller's versioned structs of fixed layout.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/loop.h"

enum store_db {
	STORE_META,	 /* boot-id, nonce ceilings, layout version */
	STORE_EID,	 /* struct eid key: generation, owner, state ... */
	STORE_REQUESTER, /* EID + RLOC */
	STORE_SENDER, /* Sender-ID: replay window; xTR-ID: Map-Register nonce */
	STORE_MSREG,  /* Map-Server: registrations */
	STORE_MAPCACHE,	    /* snapshot */
	STORE_MOVE,	    /* move records */
	STORE_SUBSCRIPTION, /* 'M': publisher, 'S': subscriber */
	STORE_DBS,
};

struct store;

/*
 * Opens (and creates, mode 0700) 'directory'; 'size_mib' bounds the file.
 * ERR_IO after logging why, ERR_POLICY if another process has it open.
 */
enum err store_open(struct loop *, const char *directory, int64_t size_mib,
    struct store **out) MUST_USE;
void store_close(struct store *); /* commits and syncs; accepts NULL */

/* True if the machine was restarted since the store was last written. */
bool store_rebooted(const struct store *);
/* False after a failed commit, until one works again. */
bool store_healthy(const struct store *);

/* ERR_FULL (map full), ERR_IO.  The value is copied. */
enum err store_put(struct store *, enum store_db, const void *key,
    size_t key_len, const void *value, size_t value_len) MUST_USE;
/* ERR_OK also if there was none. */
enum err store_remove(
    struct store *, enum store_db, const void *key, size_t key_len) MUST_USE;
/*
 * The value, borrowed until the next call of any store function; NULL if there
 * is none.  Sees what this turn has put.
 */
const void *store_get(struct store *, enum store_db, const void *key,
    size_t key_len, size_t *value_len);
/*
 * Calls 'fn' for every pair whose key starts with 'prefix', in key order, until
 * it returns false.  'fn' must not write to the store.
 */
void
store_walk(struct store *, enum store_db, const void *prefix, size_t prefix_len,
    bool (*fn)(void *arg, const void *key, size_t key_len, const void *value,
	size_t value_len),
    void *arg);

/* Commits what was put since the last time.  ERR_IO, ERR_FULL: it is lost. */
enum err store_commit(struct store *) MUST_USE;

/* Key of an EID: {iid, family, length, address}, big-endian, 23 octets. */
#define STORE_EID_KEY 23
struct eid;
void store_eid_key(const struct eid *, uint8_t key[STORE_EID_KEY]);
enum err
store_eid_parse(const uint8_t *key, size_t len, struct eid *out) MUST_USE;

/*
 * A 64-bit nonce that never repeats across restarts: the next one of the
 * sequence 'name'.  A ceiling 2^16 ahead is kept in the store; a new sequence
 * starts at the wall clock in ms (also after a reboot, if that is higher).
 */
uint64_t store_nonce_next(struct store *, const char *name, uint64_t wall_ms);
/* The next one will be above 'above'; a receiver said that it knows that one. */
void store_nonce_raise(struct store *, const char *name, uint64_t above);

#endif
