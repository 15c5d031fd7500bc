/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl_json.c - the text of each value as the control sockets give it, and
 * what is null.
 */
#include "common/ctl_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Takes over 'j'. */
static void
is_json(json_t *j, const char *expected)
{
	char *text;

	assert_non_null(j);
	text = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(j);
}

static struct addr
addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static void
test_text(void **state)
{
	(void)state;
	is_json(ctl_json_text(NULL), "null");
	is_json(ctl_json_text(""), "null");
	is_json(ctl_json_text("a \"b\"\n"), "\"a \\\"b\\\"\\n\"");
}

static void
test_uuid(void **state)
{
	uint8_t uuid[16] = { 0 };

	(void)state;
	is_json(ctl_json_uuid(uuid), "null");
	uuid[15] = 1;
	is_json(
	    ctl_json_uuid(uuid), "\"00000000-0000-0000-0000-000000000001\"");
}

static void
test_addr(void **state)
{
	const struct addr none = { 0 };
	struct addr a = addr("192.0.2.1");
	struct eid e;

	(void)state;
	is_json(ctl_json_addr(&none), "null");
	is_json(ctl_json_addr(&a), "\"192.0.2.1\"");
	a = addr("02:00:5e:00:01:01");
	is_json(ctl_json_addr(&a), "\"02:00:5e:00:01:01\"");
	assert_int_equal(eid_parse("[7]fd00::/16", &e), ERR_OK);
	is_json(ctl_json_eid(&e), "\"[7]fd00::/16\"");
	assert_int_equal(eid_parse("10.1.0.1", &e), ERR_OK);
	is_json(ctl_json_eid(&e), "\"10.1.0.1/32\"");
}

static void
test_rloc(void **state)
{
	const struct addr a = addr("192.0.2.1"), none = { 0 };

	(void)state;
	is_json(ctl_json_rloc(&a, 1, 100, true),
	    "{\"rloc\":\"192.0.2.1\",\"priority\":1,\"weight\":100,"
	    "\"reachable\":true}");
	is_json(ctl_json_rloc(&none, 255, 0, false),
	    "{\"rloc\":null,\"priority\":255,\"weight\":0,"
	    "\"reachable\":false}");
}

/* Carried but not read: in hex, and no more of it than fits a row. */
static void
test_locators(void **state)
{
	struct mapping m = { .n_locators = 2 };
	/* Of a type that nobody has assigned. */
	static const uint8_t lcaf[] = { 0x40, 0x03, 0, 0, 200, 0, 0, 1, 0xaa };
	const struct addr a = addr("2001:db8::1");

	(void)state;
	m.locators[0] = (struct locator){ .priority = 2,
		.weight = 50,
		.reachable = true,
		.addr = lisp_addr_from_addr(&a) };
	m.locators[1] = (struct locator){ .priority = 255,
		.addr = { .opaque = lcaf, .opaque_len = sizeof(lcaf) } };
	is_json(ctl_json_locators(&m),
	    "[{\"rloc\":\"2001:db8::1\",\"priority\":2,\"weight\":50,"
	    "\"reachable\":true},{\"rloc\":\"lcaf-200(aa)\",\"priority\":255,"
	    "\"weight\":0,\"reachable\":false}]");
	m.n_locators = 0;
	is_json(ctl_json_locators(&m), "[]");
}

/* RFC 9301 5.4: the action counts only without locators. */
static void
test_action(void **state)
{
	static const char *const words[] = { "no-action", "natively-forward",
		"send-map-request", "drop", "drop-policy", "drop-auth",
		"unassigned", "unassigned" };

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		assert_string_equal(ctl_action_str(0, i), words[i]);
		assert_string_equal(ctl_action_str(1, i), "encapsulate");
	}
	assert_string_equal(ctl_action_str(0, 255), "unassigned");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_rloc),
		cmocka_unit_test(test_locators),
		cmocka_unit_test(test_action),
	};

	return cmocka_run_group_tests_name(
	    "common/ctl_json", tests, NULL, NULL);
}
