/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_addr.c - text, prefixes, order, socket addresses; wire addresses as keys.
 */
#include "common/addr.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

static struct addr
addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static struct eid
eid(const char *text)
{
	struct eid e;

	assert_int_equal(eid_parse(text, &e), ERR_OK);
	return e;
}

static void
test_addr_text(void **state)
{
	static const char *const same[] = { "192.0.2.1", "2001:db8::1",
		"::", "02:00:5e:10:00:01",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	static const char *const bad[] = { "", "192.0.2", "192.0.2.1 ",
		"192.0.2.256", "2001:db8:::1", "fe80::1%eth0", "02:00:5e:10:00",
		"02:00:5e:10:00:0g", "02-00-5e-10-00-01",
		"02:00:5e:10:00:01:02", "10.0.0.0/8", "localhost" };
	char buf[ADDR_STR_MAX];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		a = addr(same[i]);
		assert_string_equal(addr_str(&a, buf), same[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(addr_parse(bad[i], &a), ERR_MALFORMED);
	a = (struct addr){ 0 };
	assert_string_equal(addr_str(&a, buf), "none");
}

static void
test_addr_lengths(void **state)
{
	struct addr mac = addr("02:00:5e:10:00:01");

	(void)state;
	assert_int_equal(addr_len(AFI_NONE), 0);
	assert_int_equal(addr_len(AFI_IPV4), 4);
	assert_int_equal(addr_len(AFI_IPV6), 16);
	assert_int_equal(addr_len(AFI_MAC), 6);
	assert_int_equal(addr_len(AFI_LCAF), 0);
	assert_int_equal(addr_bits(&mac), 48);
}

/* Unused octets must be zero whatever was there: the key is the memory. */
static void
test_addr_is_compared_as_memory(void **state)
{
	uint8_t bytes[16];
	struct addr a, b;

	(void)state;
	memset(bytes, 0xee, sizeof(bytes));
	memset(&a, 0xdd, sizeof(a));
	a = addr_make(AFI_IPV4, bytes);
	b = addr("238.238.238.238");
	assert_true(addr_equal(&a, &b));
}

static void
test_addr_order(void **state)
{
	struct addr a = addr("192.0.2.1"), b = addr("192.0.2.2"),
		    c = addr("2001:db8::1");

	(void)state;
	assert_true(addr_compare(&a, &b) < 0);
	assert_true(addr_compare(&b, &a) > 0);
	assert_true(addr_compare(&b, &c) < 0); /* IPv4 first */
	assert_int_equal(addr_compare(&c, &c), 0);
}

static void
test_martians(void **state)
{
	static const char *const martians[] = { "0.0.0.0", "127.0.0.1",
		"127.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255",
		"::", "::1", "ff02::1", "fe80::1", "febf::1",
		"::ffff:192.0.2.1", "00:00:00:00:00:00", "01:00:5e:00:00:01" };
	static const char *const good[] = { "10.0.0.1", "192.0.2.255",
		"240.0.0.1", "2001:db8::1", "fd00::1", "fec0::1", "::2",
		"02:00:5e:10:00:01" };
	struct addr a = { 0 };

	(void)state;
	assert_true(addr_is_martian(&a));
	for (size_t i = 0; i < sizeof(martians) / sizeof(martians[0]); i++) {
		a = addr(martians[i]);
		if (!addr_is_martian(&a))
			fail_msg("%s", martians[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		a = addr(good[i]);
		if (addr_is_martian(&a))
			fail_msg("%s", good[i]);
	}
}

static void
test_sockaddr(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };
	struct sockaddr_storage ss;
	struct addr a, back;
	uint16_t port;
	unsigned len;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		a = addr(texts[i]);
		addr_to_sockaddr(&a, 4342, &ss, &len);
		assert_int_equal(len,
		    i ? sizeof(struct sockaddr_in6)
		      : sizeof(struct sockaddr_in));
		assert_int_equal(
		    addr_from_sockaddr((struct sockaddr *)&ss, &back, &port),
		    ERR_OK);
		assert_true(addr_equal(&a, &back));
		assert_int_equal(port, 4342);
	}
	a = addr("::ffff:192.0.2.1");
	addr_to_sockaddr(&a, 1, &ss, &len);
	assert_int_equal(
	    addr_from_sockaddr((struct sockaddr *)&ss, &back, &port), ERR_OK);
	a = addr("192.0.2.1");
	assert_true(addr_equal(&a, &back));
	ss.ss_family = AF_UNIX;
	assert_int_equal(
	    addr_from_sockaddr((struct sockaddr *)&ss, &back, &port),
	    ERR_UNSUPPORTED);
	a = addr("02:00:5e:10:00:01");
	addr_to_sockaddr(&a, 1, &ss, &len);
	assert_int_equal(len, 0);
}

static void
test_eid_text(void **state)
{
	static const struct {
		const char *text, *printed;
	} good[] = {
		{ "10.1.0.0/16", "10.1.0.0/16" },
		{ "[7]10.1.0.0/16", "[7]10.1.0.0/16" },
		{ "[0]10.1.0.0/16", "10.1.0.0/16" },
		{ "fd00::1", "fd00::1/128" },
		{ "10.1.0.10", "10.1.0.10/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "[4294967295]ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "[4294967295]ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
		{ "02:00:5e:10:00:01", "02:00:5e:10:00:01/48" },
	};
	static const char *const bad[] = { "", "10.1.0.0/", "10.1.0.0/33",
		"10.1.0.1/16", "10.1.0.0/-1", "10.1.0.0/ 8", "10.1.0.0/8x",
		"[]10.1.0.0/16", "[7 ]10.1.0.0/16", "[4294967296]10.0.0.0/8",
		"[7", "[7]", "7]10.0.0.0/8", "/8", "fd00::1/64",
		"10.1.0.0/16/8", "[-1]10.0.0.0/8" };
	char buf[EID_STR_MAX];
	struct eid e;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		e = eid(good[i].text);
		assert_string_equal(eid_str(&e, buf), good[i].printed);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (eid_parse(bad[i], &e) != ERR_MALFORMED)
			fail_msg("accepted: \"%s\"", bad[i]);
}

static void
test_eid_make_masks(void **state)
{
	struct addr v4 = addr("10.1.2.3");
	struct addr v6 = addr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
	struct eid e = eid_make(0, &v4, 9), want = eid("10.0.0.0/9");

	(void)state;
	assert_true(eid_equal(&e, &want));
	e = eid_make(3, &v4, 200); /* clamped */
	want = eid("[3]10.1.2.3/32");
	assert_true(eid_equal(&e, &want));
	e = eid_make(0, &v6, 33);
	want = eid("2001:db8:8000::/33");
	assert_true(eid_equal(&e, &want));
	e = eid_make(0, &v6, 0);
	want = eid("::/0");
	assert_true(eid_equal(&e, &want));
	e = eid_host(5, &v6);
	assert_int_equal(e.bits, 128);
	assert_true(eid_is_host(&e));
	e.bits = 127;
	assert_false(eid_is_host(&e));
}

static void
test_eid_covers(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} cases[] = {
		{ "10.1.0.0/16", "10.1.2.0/24", true },
		{ "10.1.0.0/16", "10.1.0.0/16", true },
		{ "10.1.0.0/16", "10.0.0.0/8", false },
		{ "10.1.0.0/16", "10.2.0.0/24", false },
		{ "0.0.0.0/0", "10.2.0.0/24", true },
		{ "0.0.0.0/0", "::/0", false },
		{ "[1]10.1.0.0/16", "10.1.2.0/24", false },
		{ "[1]10.1.0.0/16", "[1]10.1.2.0/24", true },
		{ "fc00::/7", "fd00::1", true },
		{ "10.1.2.128/25", "10.1.2.127", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct eid outer = eid(cases[i].outer);
		struct eid inner = eid(cases[i].inner);

		if (eid_covers(&outer, &inner) != cases[i].covers)
			fail_msg("%s, %s", cases[i].outer, cases[i].inner);
	}
}

static void
test_lisp_addr_eid(void **state)
{
	struct eid e = eid("[7]10.1.0.0/16"), back;
	struct lisp_addr a = lisp_addr_from_eid(&e);
	struct addr plain = addr("10.1.2.3");

	(void)state;
	assert_true(a.has_iid);
	assert_int_equal(lisp_addr_eid(&a, 16, &back), ERR_OK);
	assert_true(eid_equal(&e, &back));
	assert_int_equal(lisp_addr_eid(&a, 33, &back), ERR_MALFORMED);
	a = lisp_addr_from_addr(&plain);
	assert_false(a.has_iid);
	assert_int_equal(lisp_addr_eid(&a, 8, &back), ERR_OK);
	e = eid("10.0.0.0/8");
	assert_true(eid_equal(&e, &back));
	a = (struct lisp_addr){ 0 };
	assert_int_equal(lisp_addr_eid(&a, 0, &back), ERR_UNSUPPORTED);
	a.opaque = (const uint8_t *)"x";
	assert_int_equal(lisp_addr_eid(&a, 0, &back), ERR_UNSUPPORTED);
}

static void
test_uuid(void **state)
{
	static const char text[] = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
	static const char *const bad[] = { "", "7c9e6679",
		"7c9e6679-7425-40de-944b-e07fc1f90ae", /* one short */
		"7c9e6679-7425-40de-944b-e07fc1f90aeg",
		"7c9e6679x7425-40de-944b-e07fc1f90ae7",
		"7c9e66797425-40de-944b--e07fc1f90ae7",
		"7c9e6679742540de944be07fc1f90ae" };
	uint8_t id[16], plain[16], zero[16] = { 0 };
	char buf[UUID_STR_MAX];

	(void)state;
	assert_int_equal(uuid_parse(text, id), ERR_OK);
	assert_string_equal(uuid_str(id, buf), text);
	assert_int_equal(
	    uuid_parse("7C9E6679742540DE944BE07FC1F90AE7", plain), ERR_OK);
	assert_memory_equal(id, plain, 16);
	assert_false(uuid_is_zero(id));
	assert_true(uuid_is_zero(zero));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uuid_parse(bad[i], zero), ERR_MALFORMED);
	assert_true(uuid_is_zero(zero)); /* untouched */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_text),
		cmocka_unit_test(test_addr_lengths),
		cmocka_unit_test(test_addr_is_compared_as_memory),
		cmocka_unit_test(test_addr_order),
		cmocka_unit_test(test_martians),
		cmocka_unit_test(test_sockaddr),
		cmocka_unit_test(test_eid_text),
		cmocka_unit_test(test_eid_make_masks),
		cmocka_unit_test(test_eid_covers),
		cmocka_unit_test(test_lisp_addr_eid),
		cmocka_unit_test(test_uuid),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
