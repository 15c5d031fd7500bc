/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conf_print.c - the exact text of a struct: what is left out, what is
 * quoted, how lists and mappings are set in, and that it reads again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf_read.h"

struct leaf {
	const char *text;
	int64_t number;
};

struct branch {
	struct leaf leaf;
	bool present;
	struct conf_list leaves, strings;
};

struct tree {
	const char *text;
	struct addr addr;
	struct eid prefix;
	struct conf_secret secret;
	struct branch branch, inlined;
	struct conf_list branches, addrs, prefixes;
	struct leaf bare; /* all of it may be absent */
};

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct conf_item text_only[] = {
	{ "text", CONF_STRING, AT(leaf, text) },
	{ 0 },
};
static const struct conf_item leaf_items[] = {
	{ "text", CONF_STRING, AT(leaf, text) },
	{ "number", CONF_INT, AT(leaf, number), .min = INT64_MIN },
	{ 0 },
};
static const struct conf_item branch_items[] = {
	{ "leaf", CONF_STRUCT, AT(branch, leaf), .items = leaf_items,
	    .present_offset = offsetof(struct branch, present) },
	{ "leaves", CONF_LIST, AT(branch, leaves), .items = text_only,
	    .size = sizeof(struct leaf) },
	{ "strings", CONF_STRING_LIST, AT(branch, strings) },
	{ 0 },
};
static const struct conf_item inline_items[] = {
	{ "inline-leaf", CONF_STRUCT, AT(branch, leaf), .items = leaf_items },
	{ 0 },
};
static const struct conf_item tree_items[] = {
	{ "text", CONF_STRING, AT(tree, text) },
	{ "addr", CONF_ADDR, AT(tree, addr) },
	{ "prefix", CONF_PREFIX, AT(tree, prefix) },
	{ "secret", CONF_KEY_FILE, AT(tree, secret) },
	{ "branch", CONF_STRUCT, AT(tree, branch), .items = branch_items },
	{ "", CONF_INLINE, AT(tree, inlined), .items = inline_items },
	{ "branches", CONF_LIST, AT(tree, branches), .items = branch_items,
	    .size = sizeof(struct branch) },
	{ "addrs", CONF_ADDR_LIST, AT(tree, addrs) },
	{ "prefixes", CONF_PREFIX_LIST, AT(tree, prefixes) },
	{ "bare", CONF_STRUCT, AT(tree, bare), .items = text_only },
	{ 0 },
};

static char *
printed(const struct conf_item *items, const void *in)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	conf_print(f, items, in);
	fclose(f);
	return text;
}

static void
prints(const struct conf_item *items, const void *in, const char *expected)
{
	char *text = printed(items, in);

	assert_string_equal(text, expected);
	free(text);
}

/* Absent values are left out; lists and sections say that they are empty. */
static void
test_empty(void **state)
{
	static const struct tree zero;

	(void)state;
	prints(tree_items, &zero,
	    "branch:\n"
	    "  leaves: []\n"
	    "  strings: []\n"
	    "inline-leaf:\n"
	    "  number: 0\n"
	    "branches: []\n"
	    "addrs: []\n"
	    "prefixes: []\n"
	    "bare: {}\n");
}

static void
test_full(void **state)
{
	struct leaf leaves[2] = { { .text = "one" }, { 0 } };
	const char *strings[2] = { "a", "b c" };
	struct branch branches[2] = {
		{ .present = true,
		    .leaves = { leaves, 2 },
		    .strings = { strings, 2 } },
		{ .leaf = { .text = "hidden" } },
	};
	struct addr addrs[2];
	struct eid prefixes[1];
	struct tree t = {
		.text = "t",
		.secret = { .path = "/etc/key", .len = 3, .bytes = "key" },
		.branch = { .present = true, .leaf = { "deep", -1 } },
		.inlined = { .leaf = { "in", 2 } },
		.branches = { branches, 2 },
		.addrs = { addrs, 2 },
		.prefixes = { prefixes, 1 },
		.bare = { .text = "x" },
	};

	(void)state;
	assert_int_equal(addr_parse("192.0.2.1", &addrs[0]), ERR_OK);
	assert_int_equal(addr_parse("::", &addrs[1]), ERR_OK);
	assert_int_equal(eid_parse("2001:db8::/32", &prefixes[0]), ERR_OK);
	t.addr = addrs[0];
	t.prefix = prefixes[0];
	prints(tree_items, &t,
	    "text: t\n"
	    "addr: 192.0.2.1\n"
	    "prefix: \"2001:db8::/32\"\n"
	    "secret: /etc/key\n"
	    "branch:\n"
	    "  leaf:\n"
	    "    text: deep\n"
	    "    number: \"-1\"\n"
	    "  leaves: []\n"
	    "  strings: []\n"
	    "inline-leaf:\n"
	    "  text: in\n"
	    "  number: 2\n"
	    "branches:\n"
	    "  - leaf:\n"
	    "      number: 0\n"
	    "    leaves:\n"
	    "      - text: one\n"
	    "      - {}\n"
	    "    strings:\n"
	    "      - a\n"
	    "      - \"b c\"\n"
	    "  - leaves: []\n"
	    "    strings: []\n"
	    "addrs:\n"
	    "  - 192.0.2.1\n"
	    "  - \"::\"\n"
	    "prefixes:\n"
	    "  - \"2001:db8::/32\"\n"
	    "bare:\n"
	    "  text: x\n");
}

/* The secret itself never shows, only where it lies. */
static void
test_no_secret(void **state)
{
	struct tree t = { .secret = { "/k", 6, "hunter" } };
	char *text;

	(void)state;
	text = printed(tree_items, &t);
	assert_non_null(strstr(text, "secret: /k\n"));
	assert_null(strstr(text, "hunter"));
	free(text);
}

/* Whatever the text, it is the same after a round through the reader. */
static void
test_quotes(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "plain", "text: plain\n" },
		{ "a/b_c-d.e", "text: a/b_c-d.e\n" },
		{ "...", "text: ...\n" },
		{ "---", "text: \"---\"\n" },
		{ "-", "text: \"-\"\n" },
		{ "-a", "text: \"-a\"\n" },
		{ "a: b", "text: \"a: b\"\n" },
		{ "a #b", "text: \"a #b\"\n" },
		{ " a ", "text: \" a \"\n" },
		{ "\"", "text: \"\\\"\"\n" },
		{ "\\n", "text: \"\\\\n\"\n" },
		{ "%YAML", "text: \"%YAML\"\n" },
		{ "*a", "text: \"*a\"\n" },
		{ "&a", "text: \"&a\"\n" },
		{ "!a", "text: \"!a\"\n" },
		{ "{}", "text: \"{}\"\n" },
		{ "~", "text: \"~\"\n" },
		{ "?", "text: \"?\"\n" },
		{ "|", "text: \"|\"\n" },
		{ "null", "text: null\n" },
		{ "\xc3\xa4", "text: \"\xc3\xa4\"\n" },
		{ "\xf0\x9f\x98\x80", "text: \"\xf0\x9f\x98\x80\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leaf in = { .text = cases[i].text }, out;
		char *text = printed(text_only, &in);
		struct conf_doc *doc;

		assert_string_equal(text, cases[i].printed);
		doc = conf_read_text("x", text, strlen(text), text_only, &out,
		    sizeof(out), stderr);
		assert_non_null(doc);
		assert_string_equal(out.text, cases[i].text);
		conf_doc_free(doc);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_no_secret),
		cmocka_unit_test(test_quotes),
	};

	return cmocka_run_group_tests_name(
	    "common/conf_print", tests, NULL, NULL);
}
