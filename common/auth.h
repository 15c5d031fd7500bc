/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_AUTH_H
#define COMMON_AUTH_H

/*
 * auth.h - the MAC of Map-Register, Map-Notify, Map-Notify-Ack, Info-Request and
 * -Reply and the CPM family; RFC 9301 5.6, 5.7.  The only user of OpenSSL.
 *
 * The length that is compared follows from the algorithm and the key's
 * configuration, never from the packet.  Comparison takes constant time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum auth_algorithm { /* RFC 9301 12.5 */
	AUTH_NONE = 0,
	AUTH_SHA1_96 = 1,
	AUTH_SHA256_128 = 2,
	AUTH_SHA256_128_HKDF = 3,
};

#define AUTH_SECRET_MAX 128 /* octets */
#define AUTH_DATA_MAX 32
#define AUTH_MSG_MIN 16 /* octets up to the authentication data */

struct auth_key {
	uint8_t key_id;
	uint8_t algorithm; /* the one we send; 1, 2 or 3 */
	uint8_t accept;	   /* bit mask of 1 << algorithm we accept */
	uint8_t send_len; /* 0 = default (20 for SHA-1, 16); 32 for old peers */
	bool replay_off;  /* old peers that send no rising nonce */
	uint8_t secret_len;
	uint8_t secret[AUTH_SECRET_MAX];
};

/* Octets of authentication data this key sends. */
uint16_t auth_len(const struct auth_key *);

/*
 * Fills in the authentication data of a complete message of type 3, 4, 5, 7 or
 * 15 (CPM, Ack), whose header already names key-id, algorithm and length as of
 * 'key'.  ERR_MALFORMED if it does not, ERR_INTERNAL if OpenSSL fails,
 * ERR_ALGORITHM for algorithm 3 in type 7, for which nobody named a salt.
 */
enum err
auth_sign(uint8_t *msg, size_t len, const struct auth_key *key) MUST_USE;

/*
 * Checks it.  ERR_KEY_UNKNOWN if the key-id is another, ERR_ALGORITHM if the
 * key does not accept the algorithm, ERR_MALFORMED if the length does not fit
 * it (SHA-1: 20; SHA-256: 16 or 32; CPM: 16), ERR_AUTH if the MAC is wrong.
 * 'msg' is not changed.
 */
enum err auth_verify(
    const uint8_t *msg, size_t len, const struct auth_key *key) MUST_USE;

/*
 * Reads a secret from a file: one line of text, trailing newline removed.
 * Refused (ERR_POLICY) if the file is open to group or others, ERR_IO if it
 * cannot be read, ERR_MALFORMED if empty or longer than AUTH_SECRET_MAX.
 */
enum err auth_key_load(const char *path, struct auth_key *out) MUST_USE;

/* Zeroes the secret in a way the compiler keeps. */
void auth_key_wipe(struct auth_key *);

/* 'n' octets from the system's CSPRNG; aborts if there are none. */
void auth_random(void *out, size_t n);

#endif
