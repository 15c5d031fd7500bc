/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.c - MACs, per-message keys, secrets from files, random octets.
 *
 * input.c verifies with it before a message is believed, output.c signs with it
 * after one is encoded.  The only file that knows OpenSSL.
 *
 * All message types that carry a MAC have key-id, algorithm and length at the
 * same place, and the MAC runs over the whole payload with its own octets zero
 * (RFC 9301 5.6); so one routine serves them all, and the message need not be
 * changed to be checked.
 *
 * A Map-Server verifies a hundred thousand Map-Registers a second.  Fetching an
 * algorithm and building a context cost more than the MAC of a short message,
 * and keying it as much as the MAC itself, so each thread keeps one context per
 * hash for derived keys and a few that stay keyed with the secrets used last.
 * This cache holds no state of ours: losing it changes nothing but time.
 */
#include "auth.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "cpm.h"
#include "lisp.h"
#include "msg.h"

enum hash { HASH_SHA1, HASH_SHA256, HASH_COUNT };

enum { KEYED_MAX = 16 };

/* A context keyed with a secret. */
struct keyed {
	EVP_MAC_CTX *ctx; /* NULL: free */
	enum hash hash;
	uint8_t secret_len;
	uint8_t secret[AUTH_SECRET_MAX];
};

struct macs {
	EVP_MAC_CTX *ctx[HASH_COUNT];
	struct keyed keyed[KEYED_MAX];
};

static pthread_once_t macs_once = PTHREAD_ONCE_INIT;
static pthread_key_t macs_key;

static void
keyed_fini(struct keyed *k)
{
	EVP_MAC_CTX_free(k->ctx);
	OPENSSL_cleanse(k, sizeof(*k));
	k->ctx = NULL;
}

static void
macs_free(void *arg)
{
	struct macs *m = arg;

	for (unsigned i = 0; i < HASH_COUNT; i++)
		EVP_MAC_CTX_free(m->ctx[i]);
	for (unsigned i = 0; i < KEYED_MAX; i++)
		keyed_fini(&m->keyed[i]);
	free(m);
}

static void
macs_key_init(void)
{
	if (pthread_key_create(&macs_key, macs_free))
		abort();
}

static EVP_MAC_CTX *
ctx_new(enum hash h)
{
	char sha1[] = "SHA1", sha256[] = "SHA256"; /* OSSL_PARAM is not const */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, h == HASH_SHA1 ? sha1 : sha256, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac);
	if (ctx && !EVP_MAC_CTX_set_params(ctx, params)) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* This thread's contexts, or NULL. */
static struct macs *
macs_find(void)
{
	struct macs *m;

	pthread_once(&macs_once, macs_key_init);
	m = pthread_getspecific(macs_key);
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m || pthread_setspecific(macs_key, m)) {
			free(m);
			return NULL;
		}
	}
	return m;
}

/* A context of this thread keyed with 'key', ready to use, or NULL. */
static EVP_MAC_CTX *
ctx_keyed(enum hash h, const void *key, size_t key_len)
{
	struct macs *m = macs_find();

	if (!m)
		return NULL;
	if (!m->ctx[h])
		m->ctx[h] = ctx_new(h);
	if (!m->ctx[h] || !EVP_MAC_init(m->ctx[h], key, key_len, NULL))
		return NULL;
	return m->ctx[h];
}

static bool
keyed_is(const struct keyed *k, const struct auth_key *key)
{
	return k->ctx && k->secret_len == key->secret_len &&
	    memcmp(k->secret, key->secret, key->secret_len) == 0;
}

/* The same with a secret, which is likely to come again. */
static EVP_MAC_CTX *
ctx_of_secret(enum hash h, const struct auth_key *key)
{
	struct macs *m = macs_find();
	struct keyed *k;
	unsigned slot = h;

	if (!m)
		return NULL;
	for (unsigned i = 0; i < 8 && i < key->secret_len; i++)
		slot = slot * 31 + key->secret[i];
	k = &m->keyed[slot % KEYED_MAX];
	if (keyed_is(k, key) && k->hash == h)
		return EVP_MAC_init(k->ctx, NULL, 0, NULL) ? k->ctx : NULL;

	keyed_fini(k);
	k->ctx = ctx_new(h);
	if (!k->ctx ||
	    !EVP_MAC_init(k->ctx, key->secret, key->secret_len, NULL)) {
		keyed_fini(k);
		return NULL;
	}
	k->hash = h;
	k->secret_len = key->secret_len;
	memcpy(k->secret, key->secret, key->secret_len);
	return k->ctx;
}

/* One stretch of what a MAC runs over. */
struct piece {
	const void *at;
	size_t len;
};

/* The MAC over the pieces; 'out' has room for AUTH_DATA_MAX octets. */
static bool
mac_pieces(
    EVP_MAC_CTX *ctx, const struct piece *pieces, unsigned n, uint8_t *out)
{
	size_t len;

	if (!ctx)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!EVP_MAC_update(ctx, pieces[i].at, pieces[i].len))
			return false;
	return EVP_MAC_final(ctx, out, &len, AUTH_DATA_MAX);
}

static bool
hmac(enum hash h, const void *key, size_t key_len, const struct piece *pieces,
    unsigned n, uint8_t *out)
{
	return mac_pieces(ctx_keyed(h, key, key_len), pieces, n, out);
}

/*
 * HKDF-SHA256 (RFC 5869) of nonce and secret, no info, 32 octets: that many
 * are one round of the expansion.
 */
static bool
hkdf(const uint8_t nonce[8], const struct auth_key *key, const char *salt,
    uint8_t out[32])
{
	static const uint8_t round = 1;
	const struct piece secret[] = { { nonce, 8 },
		{ key->secret, key->secret_len } };
	const struct piece expand[] = { { &round, 1 } };
	uint8_t prk[AUTH_DATA_MAX];
	bool ok;

	ok = hmac(HASH_SHA256, salt, strlen(salt), secret, 2, prk) &&
	    hmac(HASH_SHA256, prk, sizeof(prk), expand, 1, out);
	OPENSSL_cleanse(prk, sizeof(prk));
	return ok;
}

/* The salt is the message's name: RFC 9301 5.6, 5.7; docs/cpm.md 3.2.  NULL
 * for a message that is older than algorithm 3. */
static const char *
salt_of(const uint8_t *msg)
{
	switch (msg[0] >> 4) {
	case LISP_MAP_REGISTER:
		return "Map-Register Authentication";
	case LISP_MAP_NOTIFY:
		return "Map-Notify Authentication";
	case LISP_MAP_NOTIFY_ACK:
		return "Map-Notify-Ack Authentication";
	case LISP_INFO:
		return NULL;
	}
	if ((msg[2] & 0x0f) == CPM_OP_ACK)
		return "Change-Priority-Ack Authentication";
	return "Change-Priority Authentication";
}

/* The full MAC of 'msg', whose header 'a' was read from it. */
static enum err
mac_of(const uint8_t *msg, size_t len, const struct auth_header *a,
    const struct auth_key *key, uint8_t out[AUTH_DATA_MAX])
{
	static const uint8_t zero[AUTH_DATA_MAX];
	size_t after = (size_t)AUTH_MSG_MIN + a->len;
	const struct piece pieces[] = { { msg, AUTH_MSG_MIN }, { zero, a->len },
		{ msg + after, len - after } };
	const char *salt = salt_of(msg);
	uint8_t derived[32];
	bool ok;

	switch (a->algorithm) {
	case AUTH_SHA1_96:
		ok = mac_pieces(ctx_of_secret(HASH_SHA1, key), pieces, 3, out);
		break;
	case AUTH_SHA256_128:
		ok =
		    mac_pieces(ctx_of_secret(HASH_SHA256, key), pieces, 3, out);
		break;
	case AUTH_SHA256_128_HKDF:
		if (!salt)
			return ERR_ALGORITHM;
		ok = hkdf(msg + 4, key, salt, derived) &&
		    hmac(HASH_SHA256, derived, sizeof(derived), pieces, 3, out);
		OPENSSL_cleanse(derived, sizeof(derived));
		break;
	default:
		return ERR_ALGORITHM;
	}
	return ok ? ERR_OK : ERR_INTERNAL;
}

uint16_t
auth_len(const struct auth_key *key)
{
	switch (key->algorithm) {
	case AUTH_NONE:
		return 0;
	case AUTH_SHA1_96:
		return 20; /* not 12: what every implementation sends */
	}
	return key->send_len == 32 ? 32 : 16;
}

enum err
auth_sign(uint8_t *msg, size_t len, const struct auth_key *key)
{
	struct auth_header a;
	uint8_t mac[AUTH_DATA_MAX];
	enum err err = auth_header_decode(msg, len, &a);
	uint16_t want = auth_len(key);

	if (!err && msg_type(msg, len) == LISP_SHARED)
		want = CPM_AUTH_LEN;
	if (err || a.key_id != key->key_id || a.algorithm != key->algorithm ||
	    a.len != want)
		return ERR_MALFORMED;
	err = mac_of(msg, len, &a, key, mac);
	if (!err)
		memcpy(msg + AUTH_MSG_MIN, mac, a.len);
	return err;
}

/* Does the length belong to algorithm and message?  12 of SHA-1 is refused. */
static bool
len_is_allowed(int type, const struct auth_header *a)
{
	if (type == LISP_SHARED)
		return a->len == CPM_AUTH_LEN;
	if (a->algorithm == AUTH_SHA1_96)
		return a->len == 20;
	return a->len == 16 || a->len == 32;
}

enum err
auth_verify(const uint8_t *msg, size_t len, const struct auth_key *key)
{
	struct auth_header a;
	uint8_t mac[AUTH_DATA_MAX];
	enum err err = auth_header_decode(msg, len, &a);

	if (err)
		return err;
	if (a.key_id != key->key_id)
		return ERR_KEY_UNKNOWN;
	if (a.algorithm == AUTH_NONE || !(key->accept >> a.algorithm & 1))
		return ERR_ALGORITHM;
	if (!len_is_allowed(msg_type(msg, len), &a))
		return ERR_MALFORMED;
	err = mac_of(msg, len, &a, key, mac);
	if (!err && CRYPTO_memcmp(mac, a.data, a.len))
		err = ERR_AUTH;
	OPENSSL_cleanse(mac, sizeof(mac));
	return err;
}

/* Reads up to 'size' octets; -1 on failure. */
static ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

enum err
auth_key_load(const char *path, struct auth_key *out)
{
	char buf[AUTH_SECRET_MAX + 3]; /* "\r\n", and one too many */
	enum err err = ERR_IO;
	struct stat st;
	ssize_t n;
	size_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return ERR_IO;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		goto out;
	err = ERR_POLICY;
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		goto out;
	err = ERR_IO;
	n = read_all(fd, buf, sizeof(buf));
	if (n < 0)
		goto out;
	err = ERR_MALFORMED;
	len = (size_t)n;
	if (len && buf[len - 1] == '\n')
		len--;
	if (len && buf[len - 1] == '\r')
		len--;
	if (!len || len > AUTH_SECRET_MAX || memchr(buf, '\n', len) ||
	    memchr(buf, '\0', len))
		goto out;
	memset(out->secret, 0, sizeof(out->secret));
	memcpy(out->secret, buf, len);
	out->secret_len = (uint8_t)len;
	err = ERR_OK;
out:
	OPENSSL_cleanse(buf, sizeof(buf));
	close(fd);
	return err;
}

void
auth_key_wipe(struct auth_key *key)
{
	struct macs *m = macs_find();

	for (unsigned i = 0; m && i < KEYED_MAX; i++)
		if (keyed_is(&m->keyed[i], key))
			keyed_fini(&m->keyed[i]);
	OPENSSL_cleanse(key->secret, sizeof(key->secret));
	key->secret_len = 0;
}

void
auth_random(void *out, size_t n)
{
	if (n > INT32_MAX || RAND_bytes(out, (int)n) != 1)
		abort();
}
