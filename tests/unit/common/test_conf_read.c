/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_read.c - the reader and the printer with a table of every type.
 * Messages and the schemas of the daemons are tested by the cases of
 * tests/conf; here is what those do not reach.
 */
#include "common/conf_read.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct inner {
	int64_t number;
	const char *text;
	struct conf_pos pos;
};

struct outer {
	bool flag, flag_present;
	int64_t number, seconds, ms, minutes, mib;
	const char *text, *path;
	struct addr addr, mac;
	struct eid prefix;
	uint8_t uuid[16];
	bool has_uuid;
	struct conf_secret secret;
	uint8_t algorithm;
	int choice;
	struct inner nested, inlined;
	bool nested_present;
	struct conf_list list, addrs, prefixes, strings;
	struct conf_pos number_pos;
};

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct conf_item inner_items[] = {
	{ "number", CONF_INT, AT(inner, number), .min = -5, .max = 5 },
	{ "text", CONF_STRING, AT(inner, text), .max = 8, .dflt_text = "none" },
	{ 0 },
};
static const struct conf_item inline_items[] = {
	{ "inline-number", CONF_INT, AT(inner, number), .dflt = 3,
	    .pos_offset = offsetof(struct inner, pos) },
	{ "inline-text", CONF_STRING, AT(inner, text), .required = true },
	{ 0 },
};
static const char *const choices[] = { "one", "two", NULL };
static const struct conf_item items[] = {
	{ "flag", CONF_BOOL, AT(outer, flag), .dflt = true,
	    .present_offset = offsetof(struct outer, flag_present) },
	{ "number", CONF_INT, AT(outer, number), .dflt = -1, .min = INT64_MIN,
	    .pos_offset = offsetof(struct outer, number_pos) },
	{ "seconds", CONF_SECONDS, AT(outer, seconds), .dflt = 61 },
	{ "ms", CONF_MS, AT(outer, ms), .dflt = 1500 },
	{ "minutes", CONF_MINUTES, AT(outer, minutes), .dflt = 90 },
	{ "mib", CONF_MIB, AT(outer, mib), .dflt = 2048 },
	{ "text", CONF_STRING, AT(outer, text) },
	{ "path", CONF_PATH, AT(outer, path), .dflt_text = "/dflt" },
	{ "addr", CONF_ADDR, AT(outer, addr), .dflt_text = "::1" },
	{ "mac", CONF_MACADDR, AT(outer, mac) },
	{ "prefix", CONF_PREFIX, AT(outer, prefix) },
	{ "uuid", CONF_UUID, AT(outer, uuid), .dflt_text = "any",
	    .present_offset = offsetof(struct outer, has_uuid) },
	{ "secret", CONF_KEY_FILE, AT(outer, secret) },
	{ "algorithm", CONF_ALGORITHM, AT(outer, algorithm),
	    .dflt = AUTH_SHA256_128 },
	{ "choice", CONF_ENUM, AT(outer, choice), .names = choices, .dflt = 1 },
	{ "nested", CONF_STRUCT, AT(outer, nested), inner_items,
	    .pos_offset = offsetof(struct outer, nested.pos),
	    .present_offset = offsetof(struct outer, nested_present) },
	{ "", CONF_INLINE, AT(outer, inlined), inline_items },
	{ "list", CONF_LIST, AT(outer, list), inner_items, sizeof(struct inner),
	    .max = 20000, .pos_offset = offsetof(struct inner, pos) },
	{ "addrs", CONF_ADDR_LIST, AT(outer, addrs) },
	{ "prefixes", CONF_PREFIX_LIST, AT(outer, prefixes) },
	{ "strings", CONF_STRING_LIST, AT(outer, strings), .max = 3 },
	{ 0 },
};

struct read {
	struct outer out;
	struct conf_doc *doc;
	char *errors;
};

static void
read_named(struct read *r, const char *name, const char *text, size_t len)
{
	size_t size;
	FILE *f = open_memstream(&r->errors, &size);

	memset(&r->out, 0x55, sizeof(r->out));
	r->doc =
	    conf_read_text(name, text, len, items, &r->out, sizeof(r->out), f);
	fclose(f);
}

static void
read_done(struct read *r)
{
	conf_doc_free(r->doc);
	free(r->errors);
}

/* 'text' must be refused with exactly 'errors'. */
static void
refused(const char *text, size_t len, const char *errors)
{
	static const struct outer zero;
	struct read r;

	read_named(&r, "x.yaml", text, len);
	assert_null(r.doc);
	assert_string_equal(r.errors, errors);
	assert_memory_equal(&r.out, &zero, sizeof(zero));
	read_done(&r);
}
#define REFUSED(text, errors) refused(text, strlen(text), errors)

static void
accepted(struct read *r, const char *text)
{
	read_named(r, "x.yaml", text, strlen(text));
	assert_string_equal(r->errors, "");
	assert_non_null(r->doc);
	assert_int_equal(conf_errors(r->doc), 0);
}

static void
defaults(void **state)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	struct read r;

	(void)state;
	accepted(&r, "inline-text: x");
	assert_true(r.out.flag);
	assert_false(r.out.flag_present);
	assert_int_equal(r.out.number, -1);
	assert_int_equal(r.out.number_pos.line, 0);
	assert_int_equal(r.out.seconds, 61);
	assert_int_equal(r.out.ms, 1500);
	assert_int_equal(r.out.minutes, 90);
	assert_int_equal(r.out.mib, 2048);
	assert_null(r.out.text);
	assert_string_equal(r.out.path, "/dflt");
	assert_int_equal(r.out.addr.afi, AFI_IPV6);
	assert_memory_equal(r.out.addr.bytes, loopback, 16);
	assert_int_equal(r.out.mac.afi, AFI_NONE);
	assert_int_equal(r.out.prefix.addr.afi, AFI_NONE);
	assert_true(uuid_is_zero(r.out.uuid));
	assert_false(r.out.has_uuid);
	assert_null(r.out.secret.path);
	assert_int_equal(r.out.algorithm, AUTH_SHA256_128);
	assert_int_equal(r.out.choice, 1);
	assert_string_equal(r.out.nested.text, "none");
	assert_false(r.out.nested_present);
	assert_int_equal(r.out.inlined.number, 3);
	assert_int_equal(r.out.list.n, 0);
	assert_null(r.out.list.items);
	read_done(&r);
}

static void
values(void **state)
{
	struct read r;
	const struct inner *list;

	(void)state;
	accepted(&r,
	    "flag: false\n"
	    "number: -0x10\n"
	    "seconds: 2m\n"
	    "ms: 2s\n"
	    "minutes: 7\n"
	    "mib: 1T\n"
	    "text: some text\n"
	    "addr: 192.0.2.1\n"
	    "mac: 02:00:5E:00:01:01\n"
	    "prefix: 0.0.0.0/0\n"
	    "uuid: 00112233-4455-6677-8899-AABBCCDDEEFF\n"
	    "algorithm: hmac-sha1-96\n"
	    "choice: one\n"
	    "nested:\n"
	    "  number: 5\n"
	    "inline-number: 9\n"
	    "inline-text: ''''\n"
	    "list: [ { number: -5 }, { text: b }, {} ]\n"
	    "addrs: [ 192.0.2.1, '::' ]\n"
	    "prefixes: [ 192.0.2.1, '2001:db8::/32' ]\n"
	    "strings: [ a, \"b\\u00e4\", 'c: d' ]\n");
	assert_false(r.out.flag);
	assert_true(r.out.flag_present);
	assert_int_equal(r.out.number, -16);
	assert_int_equal(r.out.number_pos.line, 2);
	assert_int_equal(r.out.number_pos.col, 9);
	assert_int_equal(r.out.seconds, 120);
	assert_int_equal(r.out.ms, 2000);
	assert_int_equal(r.out.minutes, 7);
	assert_int_equal(r.out.mib, 1048576);
	assert_string_equal(r.out.text, "some text");
	assert_int_equal(r.out.mac.afi, AFI_MAC);
	assert_int_equal(r.out.mac.bytes[2], 0x5e);
	assert_int_equal(r.out.prefix.addr.afi, AFI_IPV4);
	assert_int_equal(r.out.prefix.bits, 0);
	assert_true(r.out.has_uuid);
	assert_int_equal(r.out.uuid[15], 0xff);
	assert_int_equal(r.out.algorithm, AUTH_SHA1_96);
	assert_int_equal(r.out.choice, 0);
	assert_true(r.out.nested_present);
	assert_int_equal(r.out.nested.number, 5);
	assert_int_equal(r.out.nested.pos.line, 15);
	assert_int_equal(r.out.nested.pos.col, 3);
	assert_int_equal(r.out.inlined.number, 9);
	assert_int_equal(r.out.inlined.pos.line, 16);
	assert_string_equal(r.out.inlined.text, "'");
	list = r.out.list.items;
	assert_int_equal(r.out.list.n, 3);
	assert_int_equal(list[0].number, -5);
	assert_int_equal(list[1].number, 0);
	assert_string_equal(list[1].text, "b");
	assert_string_equal(list[2].text, "none");
	assert_int_equal(list[1].pos.line, 18);
	assert_int_equal(list[1].pos.col, 25);
	assert_int_equal(((struct addr *)r.out.addrs.items)[1].afi, AFI_IPV6);
	assert_int_equal(((struct eid *)r.out.prefixes.items)[0].bits, 32);
	assert_string_equal(
	    ((const char **)r.out.strings.items)[1], "b\xc3\xa4");
	read_done(&r);
}

/* The word for "no UUID" is as good as none. */
static void
uuid_word(void **state)
{
	struct read r;

	(void)state;
	accepted(&r, "{ inline-text: x, uuid: any }");
	assert_false(r.out.has_uuid);
	assert_true(uuid_is_zero(r.out.uuid));
	read_done(&r);
}

/* What is printed reads the same, and prints the same. */
static void
print_reads_again(void **state)
{
	char *one, *two;
	size_t size;
	struct read r, again;
	FILE *f;

	(void)state;
	accepted(&r,
	    "{ inline-text: '\"\\ # %', text: '-', nested: {},"
	    " list: [ {}, { number: 1 } ], addrs: [ '::' ],"
	    " number: -9223372036854775807, ms: 86400001ms,"
	    " minutes: 153722867280912, strings: [ '- ', ': ', '#' ] }");
	f = open_memstream(&one, &size);
	conf_print(f, items, &r.out);
	fclose(f);
	accepted(&again, one);
	f = open_memstream(&two, &size);
	conf_print(f, items, &again.out);
	fclose(f);
	assert_string_equal(one, two);
	assert_string_equal(again.out.inlined.text, "\"\\ # %");
	assert_true(again.out.ms == 86400001);
	assert_true(again.out.minutes == INT64_C(153722867280912));
	read_done(&r);
	read_done(&again);
	free(one);
	free(two);
}

static void
bounds(void **state)
{
	enum { BIG = 4 * 1024 * 1024 };
	char *big = malloc(BIG + 1);
	struct read r;
	size_t n = 0;

	(void)state;
	assert_non_null(big);
	REFUSED("{ inline-text: x, strings: [ a, b, c, d ] }",
	    "x.yaml:1:39: strings: more than 3 entries\n");
	REFUSED("{ inline-text: x, text: a\n b", /* no end */
	    "x.yaml:3:1: while parsing a flow mapping, "
	    "did not find expected ',' or '}'\n");

	memset(big, '#', BIG + 1);
	refused(big, BIG + 1, "x.yaml: larger than 4194304 octets\n");
	refused(big, BIG, "x.yaml:1:1: inline-text: missing\n");

	/* Opened and never closed: the reader stops at its depth. */
	memset(big, '[', BIG);
	memcpy(big, "a:\n ", 4);
	refused(big, BIG,
	    "x.yaml:1:1: unknown key 'a'\n"
	    "x.yaml:2:18: nested deeper than 16 levels\n");

	/* A long list grows and keeps its elements. */
	n = (size_t)sprintf(big, "inline-text: x\nlist:\n");
	for (int i = 0; i < 20000; i++)
		n += (size_t)sprintf(big + n, " - number: %d\n", i % 11 - 5);
	read_named(&r, "x.yaml", big, n);
	assert_non_null(r.doc);
	assert_int_equal(r.out.list.n, 20000);
	for (int i = 0; i < 20000; i++) {
		const struct inner *e = &((struct inner *)r.out.list.items)[i];

		assert_int_equal(e->number, i % 11 - 5);
		assert_int_equal(e->pos.line, i + 3);
		assert_string_equal(e->text, "none");
	}
	read_done(&r);
	free(big);
}

/* Every proper prefix of a text, in a block of exactly its size. */
static void
truncated(void **state)
{
	static const char text[] =
	    "%YAML 1.1\n---\n# \xc3\xa4\ninline-text: &a \"x\\u00e4\"\n"
	    "list: [ { number: 1 }, *a, ! { text: >-\n ab\n } ]\n? [ a ]\n"
	    ": |2\n  x\nnested: { number: 7 }\n...\n";
	size_t len = strlen(text);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		char *copy = malloc(n ? n : 1);
		struct read r;

		memcpy(copy, text, n);
		read_named(&r, "x.yaml", copy, n);
		assert_true(!r.doc == (r.errors[0] != '\0'));
		read_done(&r);
		free(copy);
	}
}

static void
files(void **state)
{
	char folder[] = "/tmp/conf-read-XXXXXX", path[64];
	struct read r;
	size_t size;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = { "none", ".", "fifo",
			"file" };
		static const char *const words[] = {
			"No such file or directory", "Is a directory",
			"Invalid argument", NULL
		};

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (i == 2)
			assert_int_equal(mkfifo(path, 0600), 0);
		if (i == 3) {
			f = fopen(path, "w");
			fputs("{ inline-text: x, path: a/b, secret: fifo }", f);
			fclose(f);
		}
		f = open_memstream(&r.errors, &size);
		r.doc = conf_read(path, items, &r.out, sizeof(r.out), f);
		fclose(f);
		assert_null(r.doc);
		if (words[i])
			assert_non_null(strstr(r.errors, words[i]));
		else /* relative to the file's folder, and no key */
			assert_non_null(strstr(r.errors, folder));
		read_done(&r);
		if (i >= 2)
			unlink(path);
	}
	rmdir(folder);
}

static void
paths(void **state)
{
	char here[4096], expected[4200];
	struct read r;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(expected, sizeof(expected), "%s/a/b", here);
	accepted(&r, "{ inline-text: x, path: a/b }");
	assert_string_equal(r.out.path, expected);
	read_done(&r);
	accepted(&r, "{ inline-text: x, path: /a/b }");
	assert_string_equal(r.out.path, "/a/b");
	read_done(&r);
	read_named(&r, "/x.yaml", "{ inline-text: x, path: a }", 27);
	assert_string_equal(r.out.path, "/a");
	read_done(&r);
	read_named(
	    &r, "/no/such/folder/x.yaml", "{ inline-text: x, path: a }", 27);
	assert_string_equal(r.out.path, "/no/such/folder/a");
	read_done(&r);
	read_named(&r, "/usr/../usr/x", "{ inline-text: x, path: a }", 27);
	assert_string_equal(r.out.path, "/usr/a");
	read_done(&r);
}

/* Errors of the rules across fields count, with or without a place. */
static void
rule_errors(void **state)
{
	static const char text[] = "inline-text: x\n";
	struct outer out;
	struct conf_doc *doc;
	char *errors;
	size_t size;
	FILE *f = open_memstream(&errors, &size);

	(void)state;
	doc = conf_read_text(
	    "r.yaml", text, strlen(text), items, &out, sizeof(out), f);
	assert_non_null(doc);
	assert_string_equal(conf_strdup(doc, "copy"), "copy");
	conf_error(doc, (struct conf_pos){ 3, 7 }, "%s %d", "rule", 1);
	conf_error(doc, (struct conf_pos){ 0, 0 }, "rule 2");
	for (int i = 0; i < 200; i++)
		conf_error(doc, (struct conf_pos){ 1, 1 }, "more");
	assert_int_equal(conf_errors(doc), 202);
	conf_doc_free(doc);
	conf_doc_free(NULL);
	fclose(f);
	assert_memory_equal(errors, "r.yaml:3:7: rule 1\nr.yaml: rule 2\n", 34);
	assert_non_null(strstr(errors, "more errors than these 100\n"));
	assert_true(size < 3000); /* bounded */
	free(errors);
}

static void
auth_key(void **state)
{
	struct conf_secret secret = { .len = 3, .bytes = "abc" };
	struct auth_key key;

	(void)state;
	memset(&key, 0xff, sizeof(key));
	conf_auth_key(&secret, 200, AUTH_SHA256_128_HKDF, &key);
	assert_int_equal(key.key_id, 200);
	assert_int_equal(key.algorithm, AUTH_SHA256_128_HKDF);
	assert_int_equal(key.accept, 1 << AUTH_SHA256_128_HKDF);
	assert_int_equal(key.secret_len, 3);
	assert_memory_equal(key.secret, "abc\0", 4);
	assert_int_equal(key.send_len, 0);
	assert_false(key.replay_off);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(values),
		cmocka_unit_test(uuid_word),
		cmocka_unit_test(print_reads_again),
		cmocka_unit_test(bounds),
		cmocka_unit_test(truncated),
		cmocka_unit_test(files),
		cmocka_unit_test(paths),
		cmocka_unit_test(rule_errors),
		cmocka_unit_test(auth_key),
	};

	return cmocka_run_group_tests_name(
	    "common/conf_read", tests, NULL, NULL);
}
