/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_KEYRING_H
#define XTR_KEYRING_H

/*
 * keyring.h - the keys of one relation, the strongest algorithm first, then in
 * the order of the file (conf_check.c).
 *
 * Several keys at a time let both ends change them one after the other: who
 * receives takes any of them, who sends takes the first that is answered.
 */
#include <stddef.h>

#include "common/auth.h"
#include "common/err.h"

struct conf_keyring {
	const struct auth_key **keys; /* never empty after conf_check() */
	size_t n;
};

/*
 * auth_verify() with each key of that key-id; '*used' is the one that fits.
 * ERR_KEY_UNKNOWN, or the most telling reason: ERR_AUTH, ERR_ALGORITHM,
 * ERR_MALFORMED.
 */
enum err keyring_verify(const struct conf_keyring *, const uint8_t *msg,
    size_t len, const struct auth_key **used) MUST_USE;

/*
 * The key of this key-id and algorithm, if it is not there one of that key-id,
 * else NULL.
 */
const struct auth_key *
keyring_find(const struct conf_keyring *, uint8_t key_id, uint8_t algorithm);

#endif
