/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_err.c - every code has words and a counter's name of its own, in the form
 * that logs and 'show counters' promise.
 */
#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_all(void **state)
{
	(void)state;
	assert_int_equal(ERR_OK, 0); /* tests of success compare with 0 */
	for (unsigned e = 0; e < ERR_COUNT; e++) {
		const char *name = err_name((enum err)e);
		const char *text = err_str((enum err)e);

		assert_true(*name && *text);
		assert_int_equal(
		    strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		assert_null(strchr(text, '\n'));
		assert_string_not_equal(name, err_name(ERR_COUNT));
		for (unsigned other = 0; other < e; other++) {
			assert_string_not_equal(
			    name, err_name((enum err)other));
			assert_string_not_equal(text, err_str((enum err)other));
		}
	}
}

static void
test_some(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_OK), "ok");
	assert_string_equal(err_name(ERR_KEY_UNKNOWN), "key-unknown");
	assert_string_equal(
	    err_str(ERR_KEY_UNKNOWN), "no key for this sender and key-id");
	assert_string_equal(err_name(ERR_INTERNAL), "internal");
}

/* Never NULL, not even for what is no code. */
static void
test_out_of_range(void **state)
{
	static const int codes[] = { ERR_COUNT, ERR_COUNT + 1, -1, INT32_MAX,
		INT32_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_string_equal(
		    err_str((enum err)codes[i]), "unknown error");
		assert_string_equal(err_name((enum err)codes[i]), "unknown");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_some),
		cmocka_unit_test(test_out_of_range),
	};

	return cmocka_run_group_tests_name("common/err", tests, NULL, NULL);
}
