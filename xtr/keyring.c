/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyring.c - which of several keys a message was made with.
 *
 * register_notify.c, ms_site.c and ms_notify.c ask.  Key-id and algorithm name
 * one key of a ring; conf_check.c sees to it.
 */
#include "keyring.h"

enum err
keyring_verify(const struct conf_keyring *ring, const uint8_t *msg, size_t len,
    const struct auth_key **used)
{
	enum err err = ERR_KEY_UNKNOWN;

	for (size_t i = 0; i < ring->n; i++) {
		const enum err e = auth_verify(msg, len, ring->keys[i]);

		if (!e) {
			*used = ring->keys[i];
			return ERR_OK;
		}
		if (err == ERR_KEY_UNKNOWN || e == ERR_AUTH)
			err = e;
	}
	return err;
}

const struct auth_key *
keyring_find(const struct conf_keyring *ring, uint8_t key_id, uint8_t algorithm)
{
	const struct auth_key *found = NULL;

	for (size_t i = 0; i < ring->n; i++) {
		const struct auth_key *k = ring->keys[i];

		if (k->key_id != key_id)
			continue;
		if (k->accept >> algorithm & 1)
			return k;
		if (!found)
			found = k;
	}
	return found;
}
