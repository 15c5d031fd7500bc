/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dp_routes.c - the routes and rules of a configuration in a real kernel,
 * in a network namespace of the program's own; what an earlier one left goes.
 */
#include "xtr/dp_routes.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINES = 4096 };

static bool in_namespace;
static int tun[2] = { -1, -1 };
static struct conf_eid eids[2];
static struct conf_mobile_prefix mobile[2];
static struct eid space[1];
static struct xtr_conf conf;

static struct eid
E(const char *text) {
	struct eid e;

	assert_int_equal(eid_parse(text, &e), ERR_OK);
	return e;
}

static int
make_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
group_setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 0;
	tun[0] = make_tap("lisp0");
	tun[1] = make_tap("seg0");
	in_namespace = tun[0] >= 0 && tun[1] >= 0;
	return 0;
}

static int
setup(void **state)
{
	struct route *r;

	*state = NULL;
	if (!in_namespace)
		return 0;
	assert_int_equal(route_open(&r), ERR_OK);
	assert_int_equal(
	    route_link_set(r, route_ifindex("lisp0"), true, 0, NULL), ERR_OK);
	assert_int_equal(
	    route_link_set(r, route_ifindex("seg0"), true, 0, NULL), ERR_OK);
	eids[0] = (struct conf_eid){ .prefix = E("10.1.0.0/16") };
	eids[1] = (struct conf_eid){ .prefix = E("[7]10.9.0.0/16") };
	mobile[0] = (struct conf_mobile_prefix){ .prefix = E("10.1.1.0/24") };
	mobile[1] = (struct conf_mobile_prefix){ .prefix = E("fd00:1::/64") };
	space[0] = E("10.0.0.0/8");
	conf = (struct xtr_conf){ .eids = { eids, 2 },
		.mobility.prefixes = { mobile, 1 },
		.dataplane.table = 4341 };
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	if (*state)
		assert_int_equal(dp_routes_remove(*state), ERR_OK);
	route_close(*state);
	return 0;
}

static struct route *
routes(void **state)
{
	if (!*state) {
		print_message(
		    "# skipped: no network namespace or TAP device\n");
		skip();
	}
	return *state;
}

/* ---- what the kernel has, as lines in order ---- */

static bool
add_route(void *arg, const struct route_spec *s)
{
	char line[128], buf[EID_STR_MAX], *text = arg;
	const char *device = s->unreachable	   ? "unreachable"
	    : s->ifindex == route_ifindex("lisp0") ? "lisp0"
						   : "other";

	snprintf(line, sizeof(line), "%s %s table %u\n",
	    eid_str(&s->prefix, buf), device, s->table);
	if (s->unreachable)
		assert_int_equal(s->metric, ROUTE_BACKSTOP_METRIC);
	strcat(text, line);
	return true;
}

static bool
add_rule(void *arg, const struct route_rule *r)
{
	char line[128], buf[EID_STR_MAX], *text = arg;

	snprintf(line, sizeof(line), "%u from %s table %u%s\n", r->priority,
	    eid_str(&r->from, buf), r->table,
	    r->suppress_default ? " no default" : "");
	strcat(text, line);
	return true;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines, sorted. */
static void
sort(char *text)
{
	char *lines[64], copy[LINES];
	size_t n = 0;

	strcpy(copy, text);
	for (char *l = strtok(copy, "\n"); l; l = strtok(NULL, "\n"))
		lines[n++] = l;
	qsort(lines, n, sizeof(lines[0]), compare);
	*text = '\0';
	for (size_t i = 0; i < n; i++)
		strcat(strcat(text, lines[i]), "\n");
}

static void
assert_kernel(
    struct route *r, const char *expected_routes, const char *expected_rules)
{
	char text[LINES] = "";

	assert_int_equal(route_list(r, add_route, text), ERR_OK);
	sort(text);
	assert_string_equal(text, expected_routes);
	*text = '\0';
	assert_int_equal(route_rule_list(r, add_rule, text), ERR_OK);
	sort(text);
	assert_string_equal(text, expected_rules);
}

static void
set(struct route *r)
{
	assert_int_equal(
	    dp_routes_set(r, &conf, route_ifindex("lisp0")), ERR_OK);
}

#define BY_SOURCE_ROUTES \
	"0.0.0.0/0 lisp0 table 4341\n" \
	"0.0.0.0/0 unreachable table 4341\n" \
	"10.1.0.0/16 unreachable table 254\n" \
	"10.1.1.0/24 lisp0 table 254\n" \
	"10.1.1.0/24 unreachable table 254\n"
#define BY_SOURCE_RULES \
	"4341 from 10.1.0.0/16 table 254 no default\n" \
	"4341 from 10.1.1.0/24 table 254 no default\n" \
	"4342 from 10.1.0.0/16 table 4341\n" \
	"4342 from 10.1.1.0/24 table 4341\n"

/* Without an EID space: what comes from an EID of ours, instance 0 only. */
static void
test_by_source(void **state)
{
	struct route *r = routes(state);

	set(r);
	assert_kernel(r, BY_SOURCE_ROUTES, BY_SOURCE_RULES);
	set(r); /* again: the same */
	assert_kernel(r, BY_SOURCE_ROUTES, BY_SOURCE_RULES);
}

/* Each family gets its default where there are prefixes of it. */
static void
test_both_families(void **state)
{
	struct route *r = routes(state);

	conf.eids.n = 0;
	conf.mobility.prefixes = (struct conf_list){ &mobile[1], 1 };
	set(r);
	assert_kernel(r,
	    "::/0 lisp0 table 4341\n"
	    "::/0 unreachable table 4341\n"
	    "fd00:1::/64 lisp0 table 254\n"
	    "fd00:1::/64 unreachable table 254\n",
	    "4341 from fd00:1::/64 table 254 no default\n"
	    "4342 from fd00:1::/64 table 4341\n");
}

/* With one: its routes, no rules; those of before go. */
static void
test_by_space(void **state)
{
	struct route *r = routes(state);

	set(r);
	conf.itr.eid_space = (struct conf_list){ space, 1 };
	set(r);
	assert_kernel(r,
	    "10.0.0.0/8 lisp0 table 254\n"
	    "10.0.0.0/8 unreachable table 254\n"
	    "10.1.0.0/16 unreachable table 254\n"
	    "10.1.1.0/24 lisp0 table 254\n"
	    "10.1.1.0/24 unreachable table 254\n",
	    "");
	conf.itr.eid_space.n = 0;
	set(r);
	assert_kernel(r, BY_SOURCE_ROUTES, BY_SOURCE_RULES);
}

/* Another prefix and another table leave nothing of the former ones. */
static void
test_change(void **state)
{
	struct route *r = routes(state);

	set(r);
	eids[0].prefix = E("10.2.0.0/16");
	conf.mobility.prefixes.n = 0;
	conf.dataplane.table = 7;
	set(r);
	assert_kernel(r,
	    "0.0.0.0/0 lisp0 table 7\n"
	    "0.0.0.0/0 unreachable table 7\n"
	    "10.2.0.0/16 unreachable table 254\n",
	    "4341 from 10.2.0.0/16 table 254 no default\n"
	    "4342 from 10.2.0.0/16 table 7\n");
	conf.eids.n = 0;
	set(r);
	assert_kernel(r, "", "");
}

/* Host routes on a segment are another's, until all of it goes. */
static void
test_host_routes(void **state)
{
	struct route *r = routes(state);
	const struct route_spec host = { .prefix = E("10.1.1.10"),
		.ifindex = route_ifindex("seg0"),
		.table = ROUTE_TABLE_MAIN };
	const struct route_spec odd = { .prefix = E("10.7.0.0/16"),
		.ifindex = route_ifindex("seg0"),
		.table = ROUTE_TABLE_MAIN };

	assert_int_equal(route_set(r, &host), ERR_OK);
	assert_int_equal(route_set(r, &odd), ERR_OK); /* of an earlier one */
	conf.eids.n = conf.mobility.prefixes.n = 0;
	set(r);
	assert_kernel(r, "10.1.1.10/32 other table 254\n", "");
	assert_int_equal(dp_routes_remove(r), ERR_OK);
	assert_kernel(r, "", "");
	assert_int_equal(dp_routes_remove(r), ERR_OK);
}

/* A device that is not there: an error, the rest can be set again. */
static void
test_no_device(void **state)
{
	struct route *r = routes(state);

	assert_int_equal(dp_routes_set(r, &conf, 0x7ffffff0), ERR_IO);
	set(r);
	assert_kernel(r, BY_SOURCE_ROUTES, BY_SOURCE_RULES);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_by_source),
		TEST(test_both_families),
		TEST(test_by_space),
		TEST(test_change),
		TEST(test_host_routes),
		TEST(test_no_device),
	};

	return cmocka_run_group_tests_name(
	    "xtr/dp_routes", tests, group_setup, NULL);
}
