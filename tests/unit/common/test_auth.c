/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_auth.c - lengths and algorithms that decide before the MAC does, key
 * files, threads.  The MACs themselves are the golden vectors' business.
 */
#include "common/auth.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define BODY 24 /* octets behind the authentication data */

static struct auth_key
key(unsigned algorithm)
{
	return (struct auth_key){ .key_id = 1,
		.algorithm = (uint8_t)algorithm,
		.accept = 0x0e,
		.secret = "secret",
		.secret_len = 6 };
}

/* An unsigned Map-Register or CPM; returns its length. */
static size_t
message(uint8_t *msg, unsigned type, unsigned algorithm, unsigned mac_len)
{
	memset(msg, 0x5a, 16 + mac_len + BODY);
	msg[0] = (uint8_t)(type << 4);
	msg[2] = 0x11;
	msg[12] = 1;
	msg[13] = (uint8_t)algorithm;
	msg[14] = 0;
	msg[15] = (uint8_t)mac_len;
	return 16 + mac_len + BODY;
}

static void
test_length_follows_the_key(void **state)
{
	struct auth_key k = key(AUTH_SHA256_128);

	(void)state;
	assert_int_equal(auth_len(&k), 16);
	k.send_len = 32;
	assert_int_equal(auth_len(&k), 32);
	k.algorithm = AUTH_SHA1_96;
	assert_int_equal(auth_len(&k), 20);
	k.algorithm = AUTH_NONE;
	assert_int_equal(auth_len(&k), 0);
}

static void
test_sign_then_verify(void **state)
{
	static const struct {
		unsigned type, algorithm, len;
	} cases[] = { { 3, 1, 20 }, { 3, 2, 16 }, { 3, 2, 32 }, { 4, 3, 16 },
		{ 5, 3, 32 }, { 7, 1, 20 }, { 7, 2, 16 }, { 15, 2, 16 },
		{ 15, 3, 16 } };
	uint8_t msg[128], other[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_key k = key(cases[i].algorithm);
		size_t len = message(
		    msg, cases[i].type, cases[i].algorithm, cases[i].len);

		k.send_len = cases[i].len == 32 ? 32 : 0;
		assert_int_equal(auth_sign(msg, len, &k), ERR_OK);
		assert_int_equal(auth_verify(msg, len, &k), ERR_OK);
		for (size_t bit = 0; bit < len * 8; bit++) {
			memcpy(other, msg, len);
			other[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (auth_verify(other, len, &k) == ERR_OK)
				fail_msg("case %zu, bit %zu", i, bit);
		}
		k.secret[0] ^= 1;
		assert_int_equal(auth_verify(msg, len, &k), ERR_AUTH);
	}
}

/* The octets of the field must not count, whatever they were. */
static void
test_sign_does_not_depend_on_the_field(void **state)
{
	struct auth_key k = key(AUTH_SHA256_128_HKDF);
	uint8_t one[128], two[128];
	size_t len = message(one, 3, 3, 16);

	(void)state;
	memcpy(two, one, len);
	memset(two + 16, 0, 16);
	assert_int_equal(auth_sign(one, len, &k), ERR_OK);
	assert_int_equal(auth_sign(two, len, &k), ERR_OK);
	assert_memory_equal(one, two, len);
}

static void
test_sign_wants_the_header_of_the_key(void **state)
{
	struct auth_key k = key(AUTH_SHA256_128);
	uint8_t msg[128];
	size_t len = message(msg, 3, 2, 16);

	(void)state;
	k.key_id = 2;
	assert_int_equal(auth_sign(msg, len, &k), ERR_MALFORMED);
	k.key_id = 1;
	k.algorithm = AUTH_SHA256_128_HKDF;
	assert_int_equal(auth_sign(msg, len, &k), ERR_MALFORMED);
	k.algorithm = AUTH_SHA256_128;
	k.send_len = 32;
	assert_int_equal(auth_sign(msg, len, &k), ERR_MALFORMED);
	len = message(msg, 15, 2, 16); /* a CPM has 16 always */
	assert_int_equal(auth_sign(msg, len, &k), ERR_OK);
	assert_int_equal(auth_sign(msg, 20, &k), ERR_MALFORMED);
}

static void
test_verify_refuses_before_the_mac(void **state)
{
	static const struct {
		unsigned type, algorithm, len;
		enum err err;
	} cases[] = {
		{ 3, 0, 0, ERR_ALGORITHM },
		{ 3, 1, 12, ERR_MALFORMED }, /* SHA-1 is 20 here */
		{ 3, 1, 16, ERR_MALFORMED },
		{ 3, 2, 0, ERR_MALFORMED },
		{ 3, 2, 8, ERR_MALFORMED },
		{ 3, 2, 20, ERR_MALFORMED },
		{ 3, 4, 16, ERR_ALGORITHM },
		{ 3, 200, 16, ERR_ALGORITHM },
		{ 15, 2, 32, ERR_MALFORMED },
		{ 15, 3, 32, ERR_MALFORMED },
		{ 1, 2, 16, ERR_MALFORMED }, /* carries no MAC */
		{ 2, 2, 16, ERR_MALFORMED },
	};
	uint8_t msg[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_key k = key(2);
		size_t len = message(
		    msg, cases[i].type, cases[i].algorithm, cases[i].len);

		k.accept = 0xff;
		if (auth_verify(msg, len, &k) != cases[i].err)
			fail_msg("case %zu: %s", i,
			    err_str(auth_verify(msg, len, &k)));
	}
}

static void
test_verify_wants_an_accepted_algorithm(void **state)
{
	struct auth_key k = key(AUTH_SHA1_96);
	uint8_t msg[128];
	size_t len = message(msg, 3, 1, 20);

	(void)state;
	assert_int_equal(auth_sign(msg, len, &k), ERR_OK);
	k.accept = 1 << AUTH_SHA256_128;
	assert_int_equal(auth_verify(msg, len, &k), ERR_ALGORITHM);
	k.accept |= 1 << AUTH_SHA1_96;
	assert_int_equal(auth_verify(msg, len, &k), ERR_OK);
	k.key_id = 7;
	assert_int_equal(auth_verify(msg, len, &k), ERR_KEY_UNKNOWN);
}

/* Algorithm 3: a MAC of one message type is no MAC of another. */
static void
test_types_have_their_own_keys(void **state)
{
	struct auth_key k = key(AUTH_SHA256_128_HKDF);
	static const unsigned types[] = { 3, 4, 5, 15, 15 };
	uint8_t macs[5][16], msg[128];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		size_t len = message(msg, types[i], 3, 16);

		if (i == 4)
			msg[2] = 0x12; /* Ack */
		assert_int_equal(auth_sign(msg, len, &k), ERR_OK);
		memcpy(macs[i], msg + 16, 16);
		for (size_t n = 0; n < i; n++)
			assert_memory_not_equal(macs[n], macs[i], 16);
	}
}

static void *
sign_many(void *arg)
{
	struct auth_key k = key(AUTH_SHA256_128_HKDF);
	uint8_t msg[128];
	size_t len = message(msg, 3, 3, 16);

	for (unsigned i = 0; i < 2000; i++) {
		msg[11] = (uint8_t)i;
		if (auth_sign(msg, len, &k) || auth_verify(msg, len, &k))
			return arg;
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t threads[4];
	void *failed;

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, sign_many, state), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

/* Writes 'len' octets of 'text' into a new file of this mode. */
static void
key_file(char *path, const char *text, size_t len, mode_t mode)
{
	int fd;

	strcpy(path, "/tmp/auth-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
test_key_file(void **state)
{
	static char max[AUTH_SECRET_MAX + 2];
	const struct {
		const char *text;
		size_t len;
		mode_t mode;
		enum err err;
		unsigned secret_len;
	} cases[] = {
		{ "secret\n", 7, 0600, ERR_OK, 6 },
		{ "secret", 6, 0400, ERR_OK, 6 },
		{ "secret\r\n", 8, 0600, ERR_OK, 6 },
		{ "two words\n", 10, 0600, ERR_OK, 9 },
		{ "secret\n", 7, 0640, ERR_POLICY, 0 },
		{ "secret\n", 7, 0604, ERR_POLICY, 0 },
		{ "secret\n", 7, 0620, ERR_POLICY, 0 },
		{ "", 0, 0600, ERR_MALFORMED, 0 },
		{ "\n", 1, 0600, ERR_MALFORMED, 0 },
		{ "a\nb\n", 4, 0600, ERR_MALFORMED, 0 },
		{ "a\0b\n", 4, 0600, ERR_MALFORMED, 0 },
		{ max, AUTH_SECRET_MAX, 0600, ERR_OK, AUTH_SECRET_MAX },
		{ max, AUTH_SECRET_MAX + 1, 0600, ERR_MALFORMED, 0 },
	};
	char path[64];

	(void)state;
	memset(max, 'x', sizeof(max));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_key k = { .key_id = 9 };
		enum err err;

		key_file(path, cases[i].text, cases[i].len, cases[i].mode);
		err = auth_key_load(path, &k);
		unlink(path);
		if (err != cases[i].err)
			fail_msg("case %zu: %s", i, err_str(err));
		assert_int_equal(k.secret_len, cases[i].secret_len);
		assert_memory_equal(k.secret, cases[i].text, k.secret_len);
		assert_int_equal(k.key_id, 9);
	}
}

static void
test_key_file_that_is_none(void **state)
{
	struct auth_key k = { 0 };

	(void)state;
	assert_int_equal(auth_key_load("/nonexistent/key", &k), ERR_IO);
	assert_int_equal(auth_key_load("/tmp", &k), ERR_IO);
	assert_int_equal(auth_key_load("/dev/null", &k), ERR_IO);
}

static void
test_wipe(void **state)
{
	struct auth_key k = key(2);
	static const uint8_t zero[AUTH_SECRET_MAX];

	(void)state;
	auth_key_wipe(&k);
	assert_memory_equal(k.secret, zero, sizeof(zero));
	assert_int_equal(k.secret_len, 0);
}

/*
 * Contexts stay keyed from one message to the next: whatever came between, the
 * MAC of a message under a secret is the same, and no other secret's.
 */
static void
test_secrets_do_not_mix(void **state)
{
	enum { SECRETS = 50, ROUNDS = 4 };
	static const uint8_t algorithms[] = { AUTH_SHA1_96, AUTH_SHA256_128,
		AUTH_SHA256_128_HKDF };
	uint8_t msg[128], first[SECRETS][3][20];

	(void)state;
	for (unsigned round = 0; round < ROUNDS * SECRETS; round++) {
		unsigned i = round % SECRETS * 7 % SECRETS;

		for (unsigned a = 0; a < 3; a++) {
			struct auth_key k = key(algorithms[a]);
			size_t n = a ? 16 : 20;
			size_t len =
			    message(msg, 3, algorithms[a], (unsigned)n);

			k.secret[5] = (uint8_t)i;
			assert_int_equal(auth_sign(msg, len, &k), ERR_OK);
			assert_int_equal(auth_verify(msg, len, &k), ERR_OK);
			k.secret[5] ^= 0x40;
			assert_int_equal(auth_verify(msg, len, &k), ERR_AUTH);
			if (round < SECRETS)
				memcpy(first[i][a], msg + 16, n);
			else
				assert_memory_equal(first[i][a], msg + 16, n);
		}
	}
}

static void
test_random(void **state)
{
	uint64_t one = 0, two = 0;

	(void)state;
	auth_random(&one, sizeof(one));
	auth_random(&two, sizeof(two));
	assert_true(one && two && one != two);
}

/* Info-Requests are older than algorithm 3: nobody named a salt for them. */
static void
test_info_has_no_derived_key(void **state)
{
	struct auth_key k = key(AUTH_SHA256_128_HKDF);
	uint8_t msg[128];
	size_t len = message(msg, 7, AUTH_SHA256_128_HKDF, 16);

	(void)state;
	assert_int_equal(auth_sign(msg, len, &k), ERR_ALGORITHM);
	assert_int_equal(auth_verify(msg, len, &k), ERR_ALGORITHM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_length_follows_the_key),
		cmocka_unit_test(test_sign_then_verify),
		cmocka_unit_test(test_info_has_no_derived_key),
		cmocka_unit_test(test_sign_does_not_depend_on_the_field),
		cmocka_unit_test(test_sign_wants_the_header_of_the_key),
		cmocka_unit_test(test_verify_refuses_before_the_mac),
		cmocka_unit_test(test_verify_wants_an_accepted_algorithm),
		cmocka_unit_test(test_types_have_their_own_keys),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_key_file_that_is_none),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_secrets_do_not_mix),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
