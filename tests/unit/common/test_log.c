/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log.c - what a log line looks like, the level, the rate limit; clocks.
 */
#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr goes to a file between capture_start() and capture_end(). */
struct capture {
	FILE *file;
	int saved;
};

static struct capture
capture_start(void)
{
	struct capture c = { tmpfile(), dup(STDERR_FILENO) };

	assert_non_null(c.file);
	dup2(fileno(c.file), STDERR_FILENO);
	return c;
}

static void
capture_end(struct capture *c, char *buf, size_t size)
{
	size_t n;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	rewind(c->file);
	n = fread(buf, 1, size - 1, c->file);
	buf[n] = '\0';
	fclose(c->file);
}

static void
test_line(void **state)
{
	char buf[8192];
	struct capture c = capture_start();
	int year, ms;
	char rest[64];

	(void)state;
	log_warning("etr", "lost %d of %s", 3, "4");
	capture_end(&c, buf, sizeof(buf));
	assert_int_equal(sscanf(buf, "%d-%*d-%*dT%*d:%*d:%*d.%dZ %63[^\n]\n",
			     &year, &ms, rest),
	    3);
	assert_true(year >= 2024 && ms >= 0 && ms < 1000);
	assert_string_equal(rest, "warning etr: lost 3 of 4");
}

/* What a remote sent cannot begin a line of its own, nor grow without end. */
static void
test_line_is_one_line(void **state)
{
	char buf[8192], longer[4000];
	struct capture c;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';

	c = capture_start();
	log_error("rx", "name a\nb\033[1m");
	capture_end(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "rx: name a?b?[1m\n"));
	assert_ptr_equal(strchr(buf, '\n'), buf + strlen(buf) - 1);

	c = capture_start();
	log_error("rx", "%s", longer);
	capture_end(&c, buf, sizeof(buf));
	assert_in_range(strlen(buf), 1000, 2048);
	assert_string_equal(buf + strlen(buf) - 4, "...\n");
}

static void
test_journal(void **state)
{
	char buf[256], stream[64];
	struct capture c = capture_start();
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("itr", "a");
	log_info("itr", "b");
	setenv("JOURNAL_STREAM", "1:2", 1); /* of somebody else */
	log_info("itr", "c");
	unsetenv("JOURNAL_STREAM");
	capture_end(&c, buf, sizeof(buf));
	assert_memory_equal(buf, "<3>itr: a\n<6>itr: b\n2", 21);
}

static void
test_level(void **state)
{
	enum log_level l = LOG_LEVEL_ERROR;
	char buf[256];
	struct capture c;

	(void)state;
	assert_true(log_level_parse("debug", &l));
	assert_int_equal(l, LOG_LEVEL_DEBUG);
	assert_false(log_level_parse("loud", &l));
	assert_int_equal(l, LOG_LEVEL_DEBUG);

	assert_true(log_enabled(LOG_LEVEL_INFO));
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	c = capture_start();
	log_debug("x", "no");
	log_level_set(LOG_LEVEL_ERROR);
	log_warning("x", "no");
	log_level_set(LOG_LEVEL_DEBUG);
	log_debug("x", "yes");
	log_level_set(LOG_LEVEL_INFO);
	capture_end(&c, buf, sizeof(buf));
	assert_null(strstr(buf, "no"));
	assert_non_null(strstr(buf, " debug x: yes\n"));
}

static void
test_limit(void **state)
{
	struct log_limit limit = { { 0 }, 0 };
	struct clock c;
	uint32_t suppressed = 99;

	(void)state;
	clock_fake(&c, 1700000000000000);
	assert_true(log_allowed(&limit, clock_mono(&c), &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 5; i++)
		assert_false(log_allowed(&limit, clock_mono(&c), &suppressed));
	clock_advance(&c, 999999);
	assert_false(log_allowed(&limit, clock_mono(&c), &suppressed));
	clock_advance(&c, 1);
	assert_true(log_allowed(&limit, clock_mono(&c), &suppressed));
	assert_int_equal(suppressed, 6);
	clock_advance(&c, 1000000);
	assert_true(log_allowed(&limit, clock_mono(&c), &suppressed));
	assert_int_equal(suppressed, 0);
}

static void
test_clocks(void **state)
{
	struct clock fake, real;
	struct mono t;

	(void)state;
	clock_fake(&fake, 1700000000123456);
	t = clock_mono(&fake);
	assert_true(t.us > 0);
	assert_true(clock_wall_ms(&fake) == 1700000000123);
	clock_advance(&fake, 2000000);
	assert_true(clock_wall_ms(&fake) == 1700000002123);
	assert_true(mono_diff_us(clock_mono(&fake), t) == 2000000);
	assert_true(mono_add_ms(t, 2000).us == clock_mono(&fake).us);

	clock_system(&real);
	t = clock_mono(&real);
	assert_false(mono_before(clock_mono(&real), t));
	assert_true(clock_wall_ms(&real) > UINT64_C(1700000000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_line_is_one_line),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
