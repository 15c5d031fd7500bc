/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONF_CASES_H
#define TESTS_CONF_CASES_H

/*
 * cases.h - runs the cases of a folder below tests/conf: X.yaml must load and
 * be dumped exactly as X.ok, or be refused with exactly the lines of X.err.
 * What loads must, dumped into another folder, load again to the same dump.
 * For the test programs of both daemons.
 *
 * A case runs in a temporary folder, because git keeps no mode 0600.  Each
 * "keys/NAME" it mentions is a key file there, by NAME: "missing" is not,
 * "open" has mode 0644, "empty" no octet, "long" too many, "lines" two lines;
 * any other is good.  The name of the temporary folder is taken out of the
 * texts that are compared.
 *
 * CONF_CASES_UPDATE=1 in the environment writes the expected files anew.
 */
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Loads 'path' and prints the result to 'out'; false after errors. */
typedef bool cases_load_fn(const char *path, FILE *out, FILE *errors);
static cases_load_fn cases_load;

struct cases_text {
	char *text;
	size_t len;
};

static struct cases_text
cases_read(const char *path)
{
	struct cases_text t = { calloc(1, 1), 0 };
	FILE *f = fopen(path, "r");
	int c;

	while (f && (c = getc(f)) != EOF) {
		t.text = realloc(t.text, t.len + 2);
		t.text[t.len++] = (char)c;
		t.text[t.len] = '\0';
	}
	if (f)
		fclose(f);
	return t;
}

static void
cases_write(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Takes every 'folder' followed by '/' out of 'text'. */
static void
cases_strip(char *text, const char *folder)
{
	size_t n = strlen(folder);

	for (char *p = text; (p = strstr(p, folder));) {
		size_t skip = n + (p[n] == '/');

		memmove(p, p + skip, strlen(p + skip) + 1);
	}
}

static bool
cases_key_is(const char *name, int len, const char *what)
{
	return (size_t)len == strlen(what) &&
	    memcmp(name, what, strlen(what)) == 0;
}

static void
cases_key(const char *folder, const char *name, int len)
{
	char path[512], secret[200];
	mode_t mode = 0600;

	if (cases_key_is(name, len, "missing"))
		return;
	memset(secret, 'x', sizeof(secret));
	snprintf(path, sizeof(path), "%s/keys/%.*s", folder, len, name);
	if (cases_key_is(name, len, "long")) {
		cases_write(path, secret, sizeof(secret), mode);
		return;
	}
	snprintf(secret, sizeof(secret), "secret of %.*s\n", len, name);
	if (cases_key_is(name, len, "open"))
		mode = 0644;
	else if (cases_key_is(name, len, "empty"))
		secret[0] = '\0';
	else if (cases_key_is(name, len, "lines"))
		strcpy(secret, "one\ntwo\n");
	cases_write(path, secret, strlen(secret), mode);
}

/* The case and its keys in a new folder. */
static void
cases_place(const struct cases_text *yaml, char *folder, char *path,
    size_t size, const char *name)
{
	char keys[300];

	assert_non_null(mkdtemp(folder));
	snprintf(keys, sizeof(keys), "%s/keys", folder);
	assert_int_equal(mkdir(keys, 0700), 0);
	for (const char *p = yaml->text; (p = strstr(p, "keys/"));) {
		p += strlen("keys/");
		cases_key(folder, p,
		    (int)strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-"));
	}
	snprintf(path, size, "%s/%s", folder, name);
	cases_write(path, yaml->text, yaml->len, 0644);
}

static int
cases_unlink(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* Loads 'path': its dump, or its errors and '*ok' false. */
static char *
cases_run(const char *path, bool *ok)
{
	char *dump = NULL, *errors = NULL;
	size_t dump_len, errors_len;
	FILE *out = open_memstream(&dump, &dump_len);
	FILE *err = open_memstream(&errors, &errors_len);

	assert_non_null(out);
	assert_non_null(err);
	*ok = cases_load(path, out, err);
	fclose(out);
	fclose(err);
	if (*ok)
		assert_string_equal(errors, ""); /* nothing said, or refused */
	else
		assert_string_not_equal(errors, "");
	free(*ok ? errors : dump);
	return *ok ? dump : errors;
}

/* A dump, loaded from elsewhere, must give the same dump. */
static void
cases_reload(const char *folder, const char *dump)
{
	char path[300];
	char *again;
	bool ok;

	snprintf(path, sizeof(path), "%s/again", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/again/dump.yaml", folder);
	cases_write(path, dump, strlen(dump), 0644);
	again = cases_run(path, &ok);
	assert_string_equal(again, dump);
	assert_true(ok);
	free(again);
}

/* The result of tests/conf/.../X.yaml against X.ok or X.err. */
static void
cases_compare(const char *yaml, bool ok, const char *result)
{
	char expected[300], other[300];
	int stem = (int)(strlen(yaml) - strlen(".yaml"));
	struct cases_text t;

	snprintf(expected, sizeof(expected), "%.*s.%s", stem, yaml,
	    ok ? "ok" : "err");
	snprintf(
	    other, sizeof(other), "%.*s.%s", stem, yaml, ok ? "err" : "ok");
	if (getenv("CONF_CASES_UPDATE"))
		cases_write(expected, result, strlen(result), 0644);
	if (access(other, F_OK) == 0)
		fail_msg("%s exists, but the case gives:\n%s", other, result);
	t = cases_read(expected);
	assert_string_equal(result, t.text);
	free(t.text);
}

static void
cases_one(const char *yaml, bool compare)
{
	char folder[] = "/tmp/conf-case-XXXXXX", path[300];
	struct cases_text text = cases_read(yaml);
	char *result;
	bool ok;

	cases_place(&text, folder, path, sizeof(path), strrchr(yaml, '/') + 1);
	result = cases_run(path, &ok);
	if (ok)
		cases_reload(folder, result);
	cases_strip(result, folder);
	if (compare)
		cases_compare(yaml, ok, result);
	else if (!ok)
		fail_msg("%s: %s", yaml, result);
	free(result);
	free(text.text);
	assert_int_equal(
	    nftw(folder, cases_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void
cases_test(void **state)
{
	cases_one(*state, true);
}

/* For shipped examples: they load, whatever the dump. */
static void
cases_test_loads(void **state)
{
	cases_one(*state, false);
}

/* One test per file of 'cases' and 'examples' (patterns), then 'more'. */
static int
cases_main(const char *group, const char *cases, const char *examples,
    const struct CMUnitTest *more, size_t n_more)
{
	struct CMUnitTest *tests;
	glob_t found = { 0 };
	size_t n_cases, n;
	int failed;

	glob(cases, 0, NULL, &found);
	n_cases = found.gl_pathc;
	glob(examples, GLOB_APPEND, NULL, &found);
	n = found.gl_pathc;
	if (!n_cases || n == n_cases) {
		fprintf(stderr, "%s: no %s, no %s: not in the top folder?\n",
		    group, cases, examples);
		return 1;
	}
	tests = calloc(n + n_more, sizeof(*tests));
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = found.gl_pathv[i],
			.test_func =
			    i < n_cases ? cases_test : cases_test_loads,
			.initial_state = found.gl_pathv[i],
		};
	memcpy(tests + n, more, n_more * sizeof(*more));
	failed = _cmocka_run_group_tests(group, tests, n + n_more, NULL, NULL);
	free(tests);
	globfree(&found);
	return failed;
}

#endif
