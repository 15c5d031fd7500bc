/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_check.c - what the rules of xtrd.yaml are made of.  The rules
 * themselves, each with its exact message, are the cases of tests/conf/xtrd.
 */
#include "xtr/conf_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf_doc.h"

static struct {
	struct xtr_conf c;
	char *errors;
	size_t size;
	FILE *f;
} fx;

static int
setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.f = open_memstream(&fx.errors, &fx.size);
	fx.c.doc = conf_doc_new("x", fx.f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conf_doc_free(fx.c.doc);
	fclose(fx.f);
	free(fx.errors);
	return 0;
}

static void
assert_errors(const char *expected)
{
	fflush(fx.f);
	assert_string_equal(fx.errors, expected);
}

static struct addr
A(const char *text) {
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static struct eid
E(const char *text) {
	struct eid e;

	assert_int_equal(eid_parse(text, &e), ERR_OK);
	return e;
}

static void
test_addresses(void **state)
{
	const struct eid plain = E("10.1.0.0/16"), seven = E("[7]10.1.0.0/16");
	const struct eid six = E("fd00::/64");
	const struct addr inside = A("10.1.2.3"), outside = A("10.2.0.0"),
			  high = A("fd00::1");
	struct addr list[] = { A("192.0.2.1"), A("fd00::1") };
	const struct conf_list l = { list, 2 };
	struct eid e = conf_check_prefix(&plain, 7);

	(void)state;
	assert_true(eid_equal(&e, &seven));
	e = conf_check_prefix(&seven, 0);
	assert_true(eid_equal(&e, &plain));
	assert_true(conf_check_covers(&plain, &inside));
	assert_true(conf_check_covers(&seven, &inside)); /* its instance */
	assert_false(conf_check_covers(&plain, &outside));
	assert_false(conf_check_covers(&six, &inside));
	assert_true(conf_check_listed(&l, &high));
	assert_false(conf_check_listed(&l, &inside));
	assert_ptr_equal(conf_check_lower(NULL, &inside), &inside);
	assert_ptr_equal(conf_check_lower(&inside, &outside), &inside);
	assert_ptr_equal(conf_check_lower(&outside, &inside), &inside);
	assert_ptr_equal(conf_check_lower(&high, &inside), &inside);
	assert_ptr_equal(conf_check_lower(&inside, &inside), &inside);
}

/* Space of instance 0 attracts packets; that of others is not routed here. */
static void
test_rloc(void **state)
{
	const struct conf_pos pos = { 3, 7 };
	const struct addr inside = A("10.1.2.3"), good = A("192.0.2.1"),
			  martian = A("127.0.0.1");
	struct conf_eid eids[1] = { { .prefix = E("[7]10.1.0.0/16") } };
	struct eid space[1] = { E("10.0.0.0/8") };

	(void)state;
	fx.c.eids = (struct conf_list){ eids, 1 };
	conf_check_rloc(&fx.c, pos, "it", &good);
	conf_check_rloc(&fx.c, pos, "it", &inside);
	assert_errors("");
	fx.c.itr.eid_space = (struct conf_list){ space, 1 };
	conf_check_rloc(&fx.c, pos, "it", &good);
	assert_errors("");
	conf_check_rloc(&fx.c, pos, "it", &inside);
	conf_check_rloc(&fx.c, pos, "it", &martian);
	assert_errors("x:3:7: it: 10.1.2.3 lies inside the EID prefix "
		      "10.0.0.0/8, its packets would loop\n"
		      "x:3:7: it: 127.0.0.1 cannot be an RLOC\n");
}

static void
test_names(void **state)
{
	struct conf_mapping_system m[] = {
		{ .name = "a", .pos = { 1, 1 } },
		{ .name = "b", .pos = { 2, 1 } },
		{ .name = "a", .pos = { 3, 1 } },
		{ .name = "a", .pos = { 4, 1 } },
	};
	struct conf_list list = { m, 2 };

	(void)state;
	CONF_CHECK_NAMES(&fx.c, "systems", &list, conf_mapping_system);
	assert_errors("");
	list.n = 4;
	CONF_CHECK_NAMES(&fx.c, "systems", &list, conf_mapping_system);
	assert_errors(
	    "x:3:1: systems[2]: the name 'a' is taken by systems[0]\n"
	    "x:4:1: systems[3]: the name 'a' is taken by systems[0]\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_addresses),
		T(test_rloc),
		T(test_names),
	};

	return cmocka_run_group_tests_name("xtr/conf_check", tests, NULL, NULL);
}
