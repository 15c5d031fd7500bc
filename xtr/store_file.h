/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_STORE_FILE_H
#define XTR_STORE_FILE_H

/*
 * store_file.h - the store's directory, lock and file, for store.c alone: who
 * may open it and whether it can be trusted.
 */
#include <stdint.h>

#include "common/err.h"

#define STORE_BOOT_ID_SIZE 36

struct MDB_env;

/* Names of the databases, by enum store_db. */
extern const char *const store_db_names[];

/* Text of the kernel's boot-id; zeroes if it cannot be read. */
void store_boot_id(char out[STORE_BOOT_ID_SIZE]);

/*
 * Makes 'directory', takes its lock ('*lock_fd', the caller closes it whatever
 * is returned unless it is -1) and opens the environment in it.  A file torn by
 * a reboot is put aside and an empty one begun.  ERR_POLICY if another process
 * has the lock, ERR_IO; both logged.
 */
enum err store_file_open(const char *directory, int64_t size_mib, int *lock_fd,
    struct MDB_env **out) MUST_USE;

#endif
