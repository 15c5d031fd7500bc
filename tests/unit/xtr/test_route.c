/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_route.c - routes, rules, addresses, neighbours and links against the
 * real kernel, in a network namespace of the program's own.
 *
 * Where neither root nor user namespaces give us one, each test says that it
 * was skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "xtr/route.h"
#include "xtr/sysctl.h"

static bool in_namespace;
static int tun = -1;

static struct eid
eid(const char *text)
{
	struct eid e;

	assert_int_equal(eid_parse(text, &e), ERR_OK);
	return e;
}

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

/* A TAP device "seg0": has a MAC and neighbours; up, with carrier. */
static int
group_setup(void **state)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	(void)state;
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 0;
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	strcpy(ifr.ifr_name, "seg0");
	in_namespace = tun >= 0 && ioctl(tun, TUNSETIFF, &ifr) == 0;
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
	    route_link_set(r, route_ifindex("seg0"), true, 0, NULL), ERR_OK);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	route_close(*state);
	return 0;
}

static int
seg0(void **state)
{
	if (!*state) {
		print_message(
		    "# skipped: no network namespace or TAP device\n");
		skip();
	}
	return route_ifindex("seg0");
}

struct found {
	unsigned n;
	struct route_spec specs[16];
	struct route_rule rules[16];
	struct addr neighbours[16];
};

static bool
found_route(void *arg, const struct route_spec *s)
{
	struct found *f = arg;

	f->specs[f->n++] = *s;
	return true;
}

static bool
found_rule(void *arg, const struct route_rule *rule)
{
	struct found *f = arg;

	f->rules[f->n++] = *rule;
	return true;
}

static bool
found_neigh(void *arg, int ifindex, const struct addr *a)
{
	struct found *f = arg;

	(void)ifindex;
	f->neighbours[f->n++] = *a;
	return true;
}

static struct found
routes(struct route *r)
{
	struct found f = { 0 };

	assert_int_equal(route_list(r, found_route, &f), ERR_OK);
	return f;
}

static struct found
rules(struct route *r)
{
	struct found f = { 0 };

	assert_int_equal(route_rule_list(r, found_rule, &f), ERR_OK);
	return f;
}

static void
set_and_unset(struct route *r, const struct route_spec *s)
{
	struct found f;

	assert_int_equal(route_set(r, s), ERR_OK);
	assert_int_equal(route_set(r, s), ERR_OK); /* again: the same */
	f = routes(r);
	assert_int_equal(f.n, 1);
	assert_memory_equal(&f.specs[0].prefix, &s->prefix, sizeof(s->prefix));
	assert_int_equal(f.specs[0].ifindex, s->ifindex);
	assert_int_equal(f.specs[0].unreachable, s->unreachable);
	assert_int_equal(f.specs[0].metric, s->metric);
	assert_int_equal(f.specs[0].table, s->table);
	assert_int_equal(route_unset(r, s), ERR_OK);
	assert_int_equal(route_unset(r, s), ERR_OK);
	assert_int_equal(routes(r).n, 0);
}

static void
a_route_comes_and_goes(void **state)
{
	int ifindex = seg0(state);
	const char *const prefixes[] = { "10.1.1.0/24", "10.1.1.10",
		"fd01:1::/64", "fd01:1::10", "0.0.0.0/0", "::/0" };
	const uint32_t tables[] = { ROUTE_TABLE_MAIN, 4341 };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		for (size_t j = 0; j < 2; j++) {
			struct route_spec s = { .prefix = eid(prefixes[i]),
				.ifindex = ifindex,
				.table = tables[j] };

			set_and_unset(*state, &s);
			s.ifindex = 0;
			s.unreachable = true;
			s.metric = ROUTE_BACKSTOP_METRIC;
			set_and_unset(*state, &s);
		}
}

static void
backstop_stays_behind_the_route(void **state)
{
	int ifindex = seg0(state);
	const char *const prefixes[] = { "10.1.1.0/24", "fd01:1::/64" };

	for (size_t i = 0; i < 2; i++) {
		struct route_spec s = { .prefix = eid(prefixes[i]),
			.ifindex = ifindex,
			.table = ROUTE_TABLE_MAIN };
		struct route_spec b = { .prefix = s.prefix,
			.unreachable = true,
			.metric = ROUTE_BACKSTOP_METRIC,
			.table = ROUTE_TABLE_MAIN };
		struct found f;

		assert_int_equal(route_set(*state, &b), ERR_OK);
		assert_int_equal(route_set(*state, &s), ERR_OK);
		assert_int_equal(routes(*state).n, 2);
		assert_int_equal(route_unset(*state, &s), ERR_OK);
		f = routes(*state);
		assert_int_equal(f.n, 1);
		assert_true(f.specs[0].unreachable);
		assert_int_equal(route_unset(*state, &b), ERR_OK);
	}
}

static bool
unset_it(void *arg, const struct route_spec *s)
{
	assert_int_equal(route_unset(arg, s), ERR_OK);
	return true;
}

static void
a_walk_may_remove_what_it_sees(void **state)
{
	int ifindex = seg0(state);

	for (unsigned i = 0; i < 1000; i++) {
		uint8_t bytes[4] = { 10, 9, (uint8_t)(i >> 8), (uint8_t)i };
		struct addr a = addr_make(AFI_IPV4, bytes);
		struct route_spec s = { .prefix = eid_host(0, &a),
			.ifindex = ifindex,
			.table = ROUTE_TABLE_MAIN };

		assert_int_equal(route_set(*state, &s), ERR_OK);
	}
	assert_int_equal(route_list(*state, unset_it, *state), ERR_OK);
	assert_int_equal(routes(*state).n, 0);
}

static void
rules_of_ours_are_found_again(void **state)
{
	const char *const froms[] = { "10.1.1.0/24", "fd01:1::/64" };
	struct found f;

	seg0(state);
	for (size_t i = 0; i < 2; i++) {
		struct eid from = eid(froms[i]);

		for (int twice = 0; twice < 2; twice++) {
			assert_int_equal(route_rule_set(*state, &from, 4341,
					     ROUTE_TABLE_MAIN, true),
			    ERR_OK);
			assert_int_equal(
			    route_rule_set(*state, &from, 4342, 4341, false),
			    ERR_OK);
		}
		f = rules(*state);
		assert_int_equal(f.n, 2);
		assert_memory_equal(&f.rules[0].from, &from, sizeof(from));
		assert_int_equal(f.rules[0].priority, 4341);
		assert_int_equal(f.rules[0].table, ROUTE_TABLE_MAIN);
		assert_true(f.rules[0].suppress_default);
		assert_int_equal(f.rules[1].table, 4341);
		assert_false(f.rules[1].suppress_default);
		for (size_t j = 0; j < 2; j++)
			assert_int_equal(
			    route_rule_unset(*state, &from, f.rules[j].priority,
				f.rules[j].table),
			    ERR_OK);
		assert_int_equal(
		    route_rule_unset(*state, &from, 4342, 4341), ERR_OK);
		assert_int_equal(rules(*state).n, 0);
	}
}

static void
addresses_and_neighbours(void **state)
{
	int ifindex = seg0(state);
	const char *const gateways[] = { "10.1.1.1", "fe80::1" };
	const char *const vms[] = { "10.1.1.10", "fd01:1::10" };
	struct addr mac = address("52:54:00:01:01:10");

	for (size_t i = 0; i < 2; i++) {
		struct addr gateway = address(gateways[i]);
		struct addr vm = address(vms[i]);
		unsigned bits = addr_bits(&gateway);
		struct found f = { 0 };

		for (int twice = 0; twice < 2; twice++) {
			assert_int_equal(
			    route_addr_set(*state, ifindex, &gateway, bits),
			    ERR_OK);
			assert_int_equal(
			    route_neigh_set(*state, ifindex, &vm, &mac),
			    ERR_OK);
		}
		assert_int_equal(
		    route_neigh_list(*state, ifindex, found_neigh, &f), ERR_OK);
		assert_int_equal(f.n, 1);
		assert_true(addr_equal(&f.neighbours[0], &vm));
		for (int twice = 0; twice < 2; twice++) {
			assert_int_equal(
			    route_neigh_unset(*state, ifindex, &vm), ERR_OK);
			assert_int_equal(
			    route_addr_unset(*state, ifindex, &gateway, bits),
			    ERR_OK);
		}
		f.n = 0;
		assert_int_equal(
		    route_neigh_list(*state, ifindex, found_neigh, &f), ERR_OK);
		assert_int_equal(f.n, 0);
	}
}

static void
a_link_takes_mac_and_mtu(void **state)
{
	int ifindex = seg0(state);
	struct addr mac = address("02:00:5e:00:01:01");
	struct route_link link;

	assert_int_equal(
	    route_link_set(*state, ifindex, true, 1444, &mac), ERR_OK);
	assert_int_equal(route_link_get(*state, ifindex, &link), ERR_OK);
	assert_true(addr_equal(&link.mac, &mac));
	assert_int_equal(link.mtu, 1444);
	assert_true(link.up);
	assert_int_equal(
	    route_link_set(*state, ifindex, false, 0, NULL), ERR_OK);
	assert_int_equal(route_link_get(*state, ifindex, &link), ERR_OK);
	assert_false(link.up);
	assert_int_equal(link.mtu, 1444);
	assert_int_equal(
	    route_link_get(*state, ifindex + 1000, &link), ERR_NOT_FOUND);
	assert_int_equal(route_ifindex("nosuch0"), 0);
}

static void
a_refusal_is_an_error(void **state)
{
	struct route_spec s = { .prefix = eid("10.1.1.0/24"),
		.ifindex = 123456,
		.table = ROUTE_TABLE_MAIN };

	seg0(state);
	assert_int_equal(route_set(*state, &s), ERR_IO);
	assert_int_equal(
	    sysctl_write("net/ipv4/conf/nosuch0/proxy_arp", "1"), ERR_IO);
}

/* Which way a packet would go; an unreachable route is none. */
static void
the_way_to_an_address(void **state)
{
	static const char *const prefixes[] = { "10.77.0.0/16", "fd77::/16" };
	static const char *const hosts[] = { "10.77.1.1", "fd77::1" };
	const int ifindex = seg0(state);

	for (unsigned i = 0; i < 2; i++) {
		struct route_spec s = { .prefix = eid(prefixes[i]),
			.ifindex = ifindex,
			.table = ROUTE_TABLE_MAIN };
		struct route_spec none = s;
		const struct addr to = address(hosts[i]);
		int found = 0;

		none.ifindex = 0;
		none.unreachable = true;
		none.metric = 7;
		assert_int_equal(
		    route_lookup(*state, &to, &found), ERR_NOT_FOUND);
		assert_int_equal(route_set(*state, &s), ERR_OK);
		assert_int_equal(route_lookup(*state, &to, &found), ERR_OK);
		assert_int_equal(found, ifindex);
		assert_int_equal(route_unset(*state, &s), ERR_OK);
		assert_int_equal(route_set(*state, &none), ERR_OK);
		assert_int_equal(
		    route_lookup(*state, &to, &found), ERR_NOT_FOUND);
		assert_int_equal(route_unset(*state, &none), ERR_OK);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_route_comes_and_goes),
		TEST(backstop_stays_behind_the_route),
		TEST(a_walk_may_remove_what_it_sees),
		TEST(rules_of_ours_are_found_again),
		TEST(addresses_and_neighbours),
		TEST(a_link_takes_mac_and_mtu),
		TEST(a_refusal_is_an_error),
		TEST(the_way_to_an_address),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
