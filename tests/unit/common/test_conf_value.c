/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_value.c - every type of a row: what it takes, what it says of what
 * it does not take, and that its text means the same value again.
 */
#include "common/conf_value.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/conf_doc.h"

/* One value of each kind; the row says which is meant. */
union value {
	bool flag;
	int64_t number;
	const char *text;
	struct addr addr;
	struct eid eid;
	uint8_t uuid[16];
	struct conf_secret secret;
	uint8_t algorithm;
	int choice;
};

static int
setup(void **state)
{
	*state = conf_doc_new("/etc/xtrd.yaml", stderr);
	return 0;
}

static int
teardown(void **state)
{
	conf_doc_free(*state);
	return 0;
}

static void
takes(void **state, const struct conf_item *item, const char *text,
    union value *v)
{
	char why[CONF_WHY_MAX] = "";

	memset(v, 0x55, sizeof(*v));
	if (!conf_value_set(*state, item, text, v, why))
		fail_msg("'%s': %s", text, why);
}

static void
refuses(void **state, const struct conf_item *item, const char *text,
    const char *expected)
{
	char why[CONF_WHY_MAX] = "";
	union value v = { 0 };

	if (conf_value_set(*state, item, text, &v, why))
		fail_msg("'%s' is taken", text);
	assert_string_equal(why, expected);
}

/* The text of 'v' is 'expected', and is taken for the same. */
static void
prints(void **state, const struct conf_item *item, const union value *v,
    const char *expected)
{
	char buf[CONF_TEXT_MAX];
	union value again;
	const char *text = conf_value_text(item, v, buf);

	assert_non_null(text);
	assert_string_equal(text, expected);
	takes(state, item, text, &again);
	assert_string_equal(conf_value_text(item, &again, buf), expected);
}

static void
test_numbers(void **state)
{
	static const struct conf_item any = {
		.name = "n", .type = CONF_INT, .min = INT64_MIN
	};
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "10", 10 },
		{ "-7", -7 },
		{ "0x1F", 31 },
		{ "0Xff", 255 },
		{ "-0x10", -16 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775807", -INT64_MAX },
		{ "0x7fffffffffffffff", INT64_MAX },
	};
	static const char *const bad[] = { "", "-", "+1", "1 ", " 1", "1s", "x",
		"0x", "-0x", "08", "-01", "1.5", "1e3", "0xg", "--1",
		"9223372036854775808", "99999999999999999999" };
	char expected[CONF_WHY_MAX];
	union value v;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[32];

		takes(state, &any, good[i].text, &v);
		assert_true(v.number == good[i].value);
		snprintf(text, sizeof(text), "%" PRId64, good[i].value);
		prints(state, &any, &v, text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(
		    expected, sizeof(expected), "'%s' is not a number", bad[i]);
		refuses(state, &any, bad[i], expected);
	}
}

/* Both ends belong to the range; 'max' 0 is no upper bound. */
static void
test_ranges(void **state)
{
	static const struct conf_item small = {
		.name = "n", .type = CONF_INT, .min = -5, .max = 5
	};
	static const struct conf_item open = {
		.name = "n", .type = CONF_INT, .min = 1
	};
	static const struct conf_item seconds = {
		.name = "s", .type = CONF_SECONDS, .min = 10, .max = 3600
	};
	static const struct conf_item size = {
		.name = "m", .type = CONF_MIB, .min = 16, .max = 1048576
	};
	union value v;

	takes(state, &small, "-5", &v);
	takes(state, &small, "5", &v);
	refuses(state, &small, "-6", "-6 is below the minimum -5");
	refuses(state, &small, "6", "6 is above the maximum 5");
	takes(state, &open, "9223372036854775807", &v);
	refuses(state, &open, "0", "0 is below the minimum 1");
	takes(state, &seconds, "10", &v);
	takes(state, &seconds, "1h", &v);
	refuses(state, &seconds, "9s", "9s is below the minimum 10s");
	refuses(state, &seconds, "3601", "3601 is above the maximum 1h");
	refuses(state, &seconds, "-1m", "-1m is below the minimum 10s");
	takes(state, &size, "1T", &v);
	refuses(state, &size, "2T", "2T is above the maximum 1T");
}

/* What is kept has the unit of the type, whatever the text says. */
static void
test_units(void **state)
{
	static const struct {
		enum conf_type type;
		const char *text;
		int64_t value;
		const char *again;
	} good[] = {
		{ CONF_SECONDS, "60", 60, "1m" },
		{ CONF_SECONDS, "61s", 61, "61s" },
		{ CONF_SECONDS, "3000ms", 3, "3s" },
		{ CONF_SECONDS, "5m", 300, "5m" },
		{ CONF_SECONDS, "2h", 7200, "2h" },
		{ CONF_SECONDS, "1d", 86400, "1d" },
		{ CONF_SECONDS, "0", 0, "0s" },
		{ CONF_MS, "200ms", 200, "200ms" },
		{ CONF_MS, "1s", 1000, "1s" },
		{ CONF_MS, "86400001ms", 86400001, "86400001ms" },
		{ CONF_MS, "0ms", 0, "0ms" },
		{ CONF_MINUTES, "15", 15, "15m" },
		{ CONF_MINUTES, "24h", 1440, "1d" },
		{ CONF_MINUTES, "120s", 2, "2m" },
		{ CONF_MIB, "16M", 16, "16M" },
		{ CONF_MIB, "1G", 1024, "1G" },
		{ CONF_MIB, "3T", 3145728, "3T" },
		{ CONF_MIB, "1025M", 1025, "1025M" },
	};
	static const struct {
		enum conf_type type;
		const char *text, *what;
	} bad[] = {
		{ CONF_SECONDS, "1500ms",
		    "a duration in whole seconds, such "
		    "as 60s or 5m" },
		{ CONF_SECONDS, "1w",
		    "a duration in whole seconds, such as "
		    "60s or 5m" },
		{ CONF_SECONDS, "1 s",
		    "a duration in whole seconds, such as "
		    "60s or 5m" },
		{ CONF_SECONDS, "s",
		    "a duration in whole seconds, such as 60s "
		    "or 5m" },
		{ CONF_SECONDS, "9223372036854775807",
		    "a duration in whole seconds, such as 60s or 5m" },
		{ CONF_MS, "200",
		    "a duration with its unit, such as 200ms or "
		    "1s" },
		{ CONF_MS, "200M",
		    "a duration with its unit, such as 200ms or "
		    "1s" },
		{ CONF_MINUTES, "90s",
		    "a duration in whole minutes, such as "
		    "15m or 24h" },
		{ CONF_MIB, "16", "a size with its unit, such as 16M or 1G" },
		{ CONF_MIB, "16K", "a size with its unit, such as 16M or 1G" },
		{ CONF_MIB, "9223372036854775807G",
		    "a size with its unit, such as 16M or 1G" },
	};
	char expected[CONF_WHY_MAX];
	union value v;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct conf_item item = { .name = "x",
			.type = good[i].type };

		takes(state, &item, good[i].text, &v);
		assert_int_equal(v.number, good[i].value);
		prints(state, &item, &v, good[i].again);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct conf_item item = { .name = "x",
			.type = bad[i].type };

		snprintf(expected, sizeof(expected), "'%s' is not %s",
		    bad[i].text, bad[i].what);
		refuses(state, &item, bad[i].text, expected);
	}
}

static void
test_bool(void **state)
{
	static const struct conf_item item = { .name = "b", .type = CONF_BOOL };
	union value v;

	takes(state, &item, "true", &v);
	assert_true(v.flag);
	prints(state, &item, &v, "true");
	takes(state, &item, "false", &v);
	assert_false(v.flag);
	prints(state, &item, &v, "false");
	refuses(state, &item, "yes", "'yes' is not true or false");
	refuses(state, &item, "True", "'True' is not true or false");
}

static void
test_strings(void **state)
{
	static const struct conf_item item = { .name = "s",
		.type = CONF_STRING };
	static const struct conf_item eight = {
		.name = "s", .type = CONF_STRING, .max = 8
	};
	static const char *const control[] = { "a\tb", "a\nb", "\x7f",
		"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
		"\xef\xbf\xbe", "\xef\xbf\xbf" };
	char text[257], mine[] = "mine";
	union value v;

	takes(state, &item, mine, &v);
	mine[0] = 'x'; /* copied */
	assert_string_equal(v.text, "mine");
	takes(state, &item, "\xc3\xa4 \xc2\xa0 \xe2\x80\xa7 \xef\xbf\xbd", &v);
	refuses(state, &item, "", "must not be empty");
	for (size_t i = 0; i < sizeof(control) / sizeof(control[0]); i++)
		refuses(
		    state, &item, control[i], "contains a control character");
	memset(text, 'a', 256);
	text[256] = '\0';
	refuses(state, &item, text, "is longer than 255 characters");
	text[255] = '\0';
	takes(state, &item, text, &v);
	takes(state, &eight, "12345678", &v);
	refuses(state, &eight, "123456789", "is longer than 8 characters");
	v.text = "";
	assert_null(conf_value_text(&item, &v, text));
	v.text = NULL;
	assert_null(conf_value_text(&item, &v, text));
}

/* From the folder of the file; the bound is that of the whole path. */
static void
test_paths(void **state)
{
	static const struct conf_item item = { .name = "p", .type = CONF_PATH };
	static const struct conf_item ten = {
		.name = "p", .type = CONF_PATH, .max = 10
	};
	char text[4097];
	union value v;

	takes(state, &item, "/run/x", &v);
	assert_string_equal(v.text, "/run/x");
	takes(state, &item, "a/b", &v);
	assert_string_equal(v.text, "/etc/a/b");
	takes(state, &ten, "12345", &v);
	refuses(state, &ten, "123456", "is longer than 10 characters");
	memset(text, '/', 4096);
	text[4096] = '\0';
	refuses(state, &item, text, "is longer than 4095 characters");
	takes(state, &item, text + 1, &v);
}

static void
test_addresses(void **state)
{
	static const struct conf_item ip = { .name = "a", .type = CONF_ADDR };
	static const struct conf_item mac = { .name = "m",
		.type = CONF_MACADDR };
	static const struct conf_item prefix = { .name = "p",
		.type = CONF_PREFIX };
	char buf[CONF_TEXT_MAX];
	union value v;

	takes(state, &ip, "192.0.2.1", &v);
	prints(state, &ip, &v, "192.0.2.1");
	takes(state, &ip, "2001:DB8::1", &v);
	prints(state, &ip, &v, "2001:db8::1");
	refuses(state, &ip, "02:00:5e:00:01:01",
	    "'02:00:5e:00:01:01' is not an IPv4 or IPv6 address");
	refuses(state, &ip, "192.0.2.1/32",
	    "'192.0.2.1/32' is not an IPv4 or IPv6 address");
	takes(state, &mac, "02:00:5E:00:01:01", &v);
	prints(state, &mac, &v, "02:00:5e:00:01:01");
	refuses(state, &mac, "192.0.2.1",
	    "'192.0.2.1' is not a MAC address such as 02:00:5e:00:01:01");

	takes(state, &prefix, "10.1.0.0/16", &v);
	assert_int_equal(v.eid.iid, 0);
	prints(state, &prefix, &v, "10.1.0.0/16");
	v.eid.iid = 7; /* stands in a key of its own */
	prints(state, &prefix, &v, "10.1.0.0/16");
	takes(state, &prefix, "::/0", &v);
	prints(state, &prefix, &v, "::/0");
	refuses(state, &prefix, "10.1.0.1/16",
	    "'10.1.0.1/16' is not a prefix such as 10.1.0.0/16 (host bits "
	    "zero)");
	refuses(state, &prefix, "[7]10.1.0.0/16",
	    "'[7]10.1.0.0/16' is not a prefix such as 10.1.0.0/16 (host bits "
	    "zero)");
	refuses(state, &prefix, "02:00:5e:00:01:01",
	    "'02:00:5e:00:01:01' is not a prefix such as 10.1.0.0/16 (host "
	    "bits zero)");

	memset(&v, 0, sizeof(v));
	assert_null(conf_value_text(&ip, &v, buf));
	assert_null(conf_value_text(&mac, &v, buf));
	assert_null(conf_value_text(&prefix, &v, buf));
}

static void
test_uuid(void **state)
{
	static const struct conf_item item = { .name = "u", .type = CONF_UUID };
	static const struct conf_item any = {
		.name = "u", .type = CONF_UUID, .dflt_text = "any"
	};
	char buf[CONF_TEXT_MAX];
	union value v;

	takes(state, &item, "00112233-4455-6677-8899-AABBCCDDEEFF", &v);
	assert_int_equal(v.uuid[15], 0xff);
	prints(state, &item, &v, "00112233-4455-6677-8899-aabbccddeeff");
	refuses(state, &item, "any", "'any' is not a UUID (and not all zero)");
	refuses(state, &item, "00000000-0000-0000-0000-000000000000",
	    "'00000000-0000-0000-0000-000000000000' is not a UUID (and not "
	    "all zero)");
	takes(state, &any, "any", &v);
	assert_true(uuid_is_zero(v.uuid));
	prints(state, &any, &v, "any");
	assert_null(conf_value_text(&item, &v, buf));
}

/* 'min' is the weakest that is taken, and that the complaint names. */
static void
test_words(void **state)
{
	static const char *const names[] = { "off", "on", "auto", NULL };
	static const struct conf_item choice = {
		.name = "e", .type = CONF_ENUM, .names = names
	};
	static const struct conf_item all = { .name = "a",
		.type = CONF_ALGORITHM };
	static const struct conf_item strong = {
		.name = "a", .type = CONF_ALGORITHM, .min = AUTH_SHA256_128
	};
	char buf[CONF_TEXT_MAX];
	union value v;

	takes(state, &choice, "auto", &v);
	assert_int_equal(v.choice, 2);
	prints(state, &choice, &v, "auto");
	refuses(state, &choice, "Auto", "'Auto' is none of: off, on, auto");
	takes(state, &all, "hmac-sha1-96", &v);
	assert_int_equal(v.algorithm, AUTH_SHA1_96);
	takes(state, &strong, "hmac-sha256-128-hkdf", &v);
	assert_int_equal(v.algorithm, AUTH_SHA256_128_HKDF);
	prints(state, &strong, &v, "hmac-sha256-128-hkdf");
	refuses(state, &strong, "hmac-sha1-96",
	    "'hmac-sha1-96' is none of: hmac-sha256-128, "
	    "hmac-sha256-128-hkdf");
	refuses(state, &all, "none",
	    "'none' is none of: hmac-sha1-96, hmac-sha256-128, "
	    "hmac-sha256-128-hkdf");
	v.algorithm = AUTH_NONE;
	assert_null(conf_value_text(&all, &v, buf));
	v.algorithm = 200;
	assert_null(conf_value_text(&all, &v, buf));
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

/* Each way a key file can be wrong is said, with the name of the file. */
static void
test_key_file(void **state)
{
	static const struct conf_item item = { .name = "k",
		.type = CONF_KEY_FILE };
	char folder[] = "/tmp/conf-value-XXXXXX", path[64], expected[256];
	char text[200], buf[CONF_TEXT_MAX];
	union value v;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(
	    expected, sizeof(expected), "%s: No such file or directory", path);
	refuses(state, &item, path, expected);
	write_file(path, "secret\n", 0600);
	takes(state, &item, path, &v);
	assert_int_equal(v.secret.len, 6);
	assert_memory_equal(v.secret.bytes, "secret", 6);
	assert_string_equal(conf_value_text(&item, &v, buf), path);
	write_file(path, "secret\n", 0640);
	snprintf(expected, sizeof(expected),
	    "%s: open to group or others, must be mode 0600", path);
	refuses(state, &item, path, expected);
	snprintf(expected, sizeof(expected),
	    "%s: not one line of 1 to 128 characters", path);
	write_file(path, "\n", 0600);
	refuses(state, &item, path, expected);
	memset(text, 'k', sizeof(text));
	text[129] = '\0';
	write_file(path, text, 0600);
	refuses(state, &item, path, expected);
	refuses(state, &item, "", "is not the name of a file");
	refuses(state, &item, "a\nb", "is not the name of a file");
	unlink(path);
	rmdir(folder);
}

/* A key file is found beside the file that names it. */
static void
test_key_file_beside(void **state)
{
	static const struct conf_item item = { .name = "k",
		.type = CONF_KEY_FILE };

	refuses(state, &item, "no-such.key",
	    "/etc/no-such.key: No such file or directory");
}

struct inner {
	int64_t number;
	const char *text;
	struct addr addr;
};

struct outer {
	bool flag;
	uint8_t algorithm;
	int choice;
	struct inner in, inlined;
	struct conf_list list;
};

static void
test_defaults(void **state)
{
	static const char *const names[] = { "a", "b", NULL };
	static const struct conf_item inner[] = {
		{ "n", CONF_SECONDS, offsetof(struct inner, number),
		    .dflt = 60 },
		{ "t", CONF_STRING, offsetof(struct inner, text),
		    .dflt_text = "text" },
		{ "a", CONF_ADDR, offsetof(struct inner, addr),
		    .dflt_text = "::1" },
		{ 0 },
	};
	static const struct conf_item items[] = {
		{ "f", CONF_BOOL, offsetof(struct outer, flag), .dflt = 1 },
		{ "g", CONF_ALGORITHM, offsetof(struct outer, algorithm),
		    .dflt = AUTH_SHA256_128 },
		{ "c", CONF_ENUM, offsetof(struct outer, choice),
		    .names = names, .dflt = 1 },
		{ "s", CONF_STRUCT, offsetof(struct outer, in),
		    .items = inner },
		{ "", CONF_INLINE, offsetof(struct outer, inlined),
		    .items = inner },
		{ "l", CONF_LIST, offsetof(struct outer, list), .items = inner,
		    .size = sizeof(struct inner) },
		{ 0 },
	};
	struct outer out = { 0 };

	for (const struct conf_item *i = items; i->name; i++)
		conf_value_default(*state, i, &out);
	assert_true(out.flag);
	assert_int_equal(out.algorithm, AUTH_SHA256_128);
	assert_int_equal(out.choice, 1);
	assert_int_equal(out.in.number, 60);
	assert_string_equal(out.in.text, "text");
	assert_int_equal(out.in.addr.bytes[15], 1);
	assert_int_equal(out.inlined.number, 60);
	assert_string_equal(out.inlined.text, "text");
	assert_int_equal(out.list.n, 0);
	assert_null(out.list.items);
	assert_int_equal(conf_errors(*state), 0);
}

/* A default that its own row refuses is an error, not silence. */
static void
test_bad_default(void **state)
{
	static const struct conf_item item = {
		.name = "a", .type = CONF_ADDR, .dflt_text = "nowhere"
	};
	struct addr a = { 0 };
	struct conf_doc *doc;
	char *errors;
	size_t size;
	FILE *f = open_memstream(&errors, &size);

	(void)state;
	doc = conf_doc_new("x", f);
	conf_value_default(doc, &item, &a);
	assert_int_equal(conf_errors(doc), 1);
	assert_int_equal(a.afi, AFI_NONE);
	conf_doc_free(doc);
	fclose(f);
	assert_string_equal(
	    errors, "x: a: default 'nowhere' is not an IPv4 or IPv6 address\n");
	free(errors);
}

static void
test_elements(void **state)
{
	static const struct conf_item inner[] = { { 0 } };
	static const struct {
		enum conf_type list, element;
		size_t size;
	} cases[] = {
		{ CONF_ADDR_LIST, CONF_ADDR, sizeof(struct addr) },
		{ CONF_PREFIX_LIST, CONF_PREFIX, sizeof(struct eid) },
		{ CONF_STRING_LIST, CONF_STRING, sizeof(char *) },
		{ CONF_LIST, CONF_STRUCT, 40 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* the bounds are of the list, not of an element */
		const struct conf_item list = { .name = "l",
			.type = cases[i].list,
			.offset = 8,
			.items = inner,
			.size = 40,
			.min = 1,
			.max = 3 };
		size_t size = 0;
		struct conf_item e = conf_value_element(&list, &size);

		assert_int_equal(e.type, cases[i].element);
		assert_int_equal(size, cases[i].size);
		assert_string_equal(e.name, "l");
		assert_int_equal(e.offset, 0);
		assert_int_equal(e.min, 0);
		assert_int_equal(e.max, 0);
		assert_true((e.items == inner) == (e.type == CONF_STRUCT));
		refuses(state, &list, "x", "has no single value");
	}
}

static void
test_quote(void **state)
{
	char text[200], buf[CONF_QUOTE_MAX];

	(void)state;
	assert_string_equal(conf_quote("", buf), "''");
	assert_string_equal(conf_quote("a b", buf), "'a b'");
	assert_string_equal(conf_quote("a\n\x1b[m\xc3\xa4", buf),
	    "'a?"
	    "?[m?"
	    "?'");
	memset(text, 'x', sizeof(text));
	text[65] = '\0';
	assert_int_equal(strlen(conf_quote(text, buf)), 67);
	assert_null(strchr(buf, '.'));
	text[65] = 'x';
	text[66] = '\0';
	assert_int_equal(strlen(conf_quote(text, buf)), 65 + 1 + 4);
	assert_string_equal(buf + 66, "...'");
	text[66] = 'x';
	text[199] = '\0';
	assert_true(strlen(conf_quote(text, buf)) < CONF_QUOTE_MAX);
}

/* However long what is complained about, the complaint ends. */
static void
test_long_complaint(void **state)
{
	static const struct conf_item item = {
		.name = "n", .type = CONF_INT, .max = 1
	};
	static const struct conf_item key = { .name = "k",
		.type = CONF_KEY_FILE };
	char text[4000], why[CONF_WHY_MAX];
	union value v = { 0 };

	memset(text, '0', sizeof(text));
	memcpy(text, "0x", 2);
	text[sizeof(text) - 2] = '2';
	text[sizeof(text) - 1] = '\0';
	assert_false(conf_value_set(*state, &item, text, &v, why));
	assert_true(strlen(why) < CONF_WHY_MAX);
	memset(text, 'k', sizeof(text) - 1);
	assert_false(conf_value_set(*state, &key, text, &v, why));
	assert_non_null(strstr(why, ": "));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numbers),
		TEST(test_ranges),
		TEST(test_units),
		TEST(test_bool),
		TEST(test_strings),
		TEST(test_paths),
		TEST(test_addresses),
		TEST(test_uuid),
		TEST(test_words),
		TEST(test_key_file),
		TEST(test_key_file_beside),
		TEST(test_defaults),
		TEST(test_bad_default),
		TEST(test_elements),
		TEST(test_quote),
		TEST(test_long_complaint),
	};

	return cmocka_run_group_tests_name(
	    "common/conf_value", tests, NULL, NULL);
}
