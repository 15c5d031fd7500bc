/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMAGENT_STATE_H
#define VMAGENT_STATE_H

/*
 * state.h - what must survive kill -9: the VMs, what was said and not acked,
 * the nonces.
 *
 * One LMDB environment in the state directory, opened by one process; databases
 * 'meta' and 'vm', the latter by UUID.  Writes are gathered and committed at
 * the end of the loop's turn, so behind the sending, without sync; a worker
 * syncs within a second.  A crash of the process loses nothing; after a power
 * loss nonces and generations rise with the clock.  The only user of LMDB.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/loop.h"
#include "vmagent/vms.h"

enum {
	STATE_VERSION = 1,
	STATE_MAP_MIB = 256,
	STATE_SYNC_MS = 1000,
	STATE_ROW_MAX = 32768, /* octets */
};

struct state;

/*
 * Makes the directory (0700) if it is missing.  A file that cannot be read as
 * LMDB is moved aside.  ERR_IO after logging why, ERR_POLICY if another process
 * has it, ERR_NOMEM.
 */
enum err
state_open(struct loop *, const char *directory, struct state **out) MUST_USE;
void state_close(struct state *); /* commits and syncs; accepts NULL */

/*
 * Keeps what must survive of a VM: identity, EIDs, state, generations, what was
 * said.  An error is logged, once, and makes state_healthy() false.
 */
void state_put_vm(struct state *, const struct vm *);
void state_remove_vm(struct state *, const uint8_t uuid[16]);
/* Calls 'fn' for every VM; 'vm' and its info are lent.  Bad rows are removed. */
void state_walk(
    struct state *, void (*fn)(void *arg, const struct vm *vm), void *arg);

/* The nonces promised last (0: none), and a new promise: kept at once. */
uint64_t state_nonces(struct state *);
void state_reserve(struct state *, uint64_t ceiling);

/* The host UUID used last; ERR_NOT_FOUND. */
enum err state_host_id(struct state *, uint8_t out[16]) MUST_USE;
void state_set_host_id(struct state *, const uint8_t host_id[16]);

bool state_healthy(const struct state *);

/* One row; for the test.  encode: octets written, 0 if it does not fit. */
size_t state_row_encode(const struct vm *, uint8_t *out, size_t size);
/* 'vm' with 'vm->info' set to be filled.  ERR_MALFORMED, ERR_TRUNCATED. */
enum err
state_row_decode(const uint8_t *bytes, size_t len, struct vm *vm) MUST_USE;

#endif
