/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_doc.c - what a document owns: memory, the folder of its paths, the
 * errors found in it.
 */
#include "common/conf_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Each block is zero, its own, and aligned for whatever goes there. */
static void
test_memory(void **state)
{
	struct conf_doc *doc = conf_doc_new("x", stderr);
	uint8_t *blocks[64];
	char mine[] = "mine";
	const char *copy;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		blocks[i] = conf_alloc(doc, i);
		assert_int_equal(
		    (uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(blocks[i][k], 0);
		memset(blocks[i], (int)i, i);
	}
	for (size_t i = 0; i < 64; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(blocks[i][k], i);
	copy = conf_strdup(doc, mine);
	mine[0] = 'f';
	assert_string_equal(copy, "mine");
	assert_string_equal(conf_strdup(doc, ""), "");
	conf_doc_free(doc);
	conf_doc_free(NULL);
}

static void
is_path(const char *file, const char *text, const char *expected)
{
	struct conf_doc *doc = conf_doc_new(file, stderr);

	assert_string_equal(conf_path(doc, text), expected);
	conf_doc_free(doc);
}

static void
test_paths(void **state)
{
	char here[4096], expected[4200];

	(void)state;
	is_path("/etc/xtrd.yaml", "key", "/etc/key");
	is_path("/etc/xtrd.yaml", "a/../key", "/etc/a/../key");
	is_path("/etc/xtrd.yaml", "/key", "/key");
	is_path("/xtrd.yaml", "key", "/key");
	is_path("/usr/./lib/../xtrd.yaml", "key", "/usr/key");
	is_path("/no/such/../folder/x", "key", "/no/such/../folder/key");
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(expected, sizeof(expected), "%s/key", here);
	is_path("xtrd.yaml", "key", expected);
	is_path("./xtrd.yaml", "key", expected);
}

/* The folder is that of the start, wherever the process goes later. */
static void
test_path_stays(void **state)
{
	char here[4096], expected[4200];
	struct conf_doc *doc = conf_doc_new("xtrd.yaml", stderr);

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(expected, sizeof(expected), "%s/key", here);
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(conf_path(doc, "key"), expected);
	assert_int_equal(chdir(here), 0);
	conf_doc_free(doc);
}

static void
test_errors(void **state)
{
	char *errors, *last;
	size_t size;
	FILE *f = open_memstream(&errors, &size);
	struct conf_doc *doc = conf_doc_new("/etc/x", f);

	(void)state;
	assert_int_equal(conf_errors(doc), 0);
	conf_error(doc, (struct conf_pos){ 14, 3 }, "%d is %s", 5, "low");
	conf_error(doc, (struct conf_pos){ 0, 0 }, "nowhere");
	fflush(f);
	assert_string_equal(errors, "/etc/x:14:3: 5 is low\n/etc/x: nowhere\n");
	while (conf_errors(doc) < CONF_ERRORS_MAX - 1)
		conf_error(doc, (struct conf_pos){ 1, 1 }, "more");
	fflush(f);
	assert_null(strstr(errors, "more errors"));
	for (int i = 0; i < 3; i++)
		conf_error(doc, (struct conf_pos){ 1, 1 }, "last");
	assert_int_equal(conf_errors(doc), CONF_ERRORS_MAX + 2);
	conf_doc_free(doc);
	fclose(f);
	last = strstr(errors, "/etc/x:1:1: last\n");
	assert_string_equal(
	    last, "/etc/x:1:1: last\n/etc/x: more errors than these 100\n");
	free(errors);
}

static void
test_auth_key(void **state)
{
	struct conf_secret secret = { .path = "/k", .len = AUTH_SECRET_MAX };
	struct auth_key key;

	(void)state;
	memset(secret.bytes, 0xa5, sizeof(secret.bytes));
	memset(&key, 0xff, sizeof(key));
	for (uint8_t a = AUTH_SHA1_96; a <= AUTH_SHA256_128_HKDF; a++) {
		conf_auth_key(&secret, 255, a, &key);
		assert_int_equal(key.key_id, 255);
		assert_int_equal(key.algorithm, a);
		assert_int_equal(key.accept, 1 << a);
		assert_int_equal(key.secret_len, AUTH_SECRET_MAX);
		assert_memory_equal(key.secret, secret.bytes, AUTH_SECRET_MAX);
		assert_int_equal(key.send_len, 0);
		assert_false(key.replay_off);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_path_stays),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_auth_key),
	};

	return cmocka_run_group_tests_name(
	    "common/conf_doc", tests, NULL, NULL);
}
