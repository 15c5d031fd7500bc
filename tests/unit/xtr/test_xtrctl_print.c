/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_xtrctl_print.c - rows as people see them.
 */
#include "xtr/xtrctl_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Prints 'rows' (JSON) and compares. */
static void
prints(const char *table, const char *rows, bool wide, const char *want)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *j = json_loads(rows, 0, NULL);

	assert_non_null(f);
	assert_non_null(j);
	print_rows(f, table, j, wide);
	fclose(f);
	assert_string_equal(text, want);
	json_decref(j);
	free(text);
}

static void
columns_of_a_known_table(void **state)
{
	(void)state;
	prints("eids",
	    "[{\"eid\":\"10.1.1.10/32\",\"vm\":null,\"state\":\"local\","
	    "\"generation\":1700000000125,\"registered\":true,"
	    "\"changed_ms\":1700000000123,\"locators\":["
	    "{\"rloc\":\"192.0.2.1\",\"priority\":1,\"weight\":100,"
	    "\"reachable\":true},{\"rloc\":\"2001:db8::1\",\"priority\":255,"
	    "\"weight\":0,\"reachable\":false}]},"
	    "{\"eid\":\"10.3.0.0/24\",\"state\":\"static\",\"generation\":0,"
	    "\"registered\":false,\"changed_ms\":0,\"locators\":[]}]",
	    false,
	    "EID           STATE    GENERATION  "
	    "LOCATORS                                      REGISTERED  "
	    "CHANGED\n"
	    "10.1.1.10/32  local   18bcfe5687d  "
	    "192.0.2.1 (1/100), 2001:db8::1 (255/0, down)  yes         "
	    "2023-11-14 22:13:20.123\n"
	    "10.3.0.0/24   static            -  "
	    "-                                             no          "
	    "-\n");
}

static void
locators_in_lcafs(void **state)
{
	(void)state;
	prints("map-cache",
	    "[{\"eid\":\"10.2.0.0/24\",\"action\":\"encapsulate\","
	    "\"locators\":[{\"rloc\":\"192.0.2.1\",\"priority\":1,"
	    "\"weight\":100,\"reachable\":true,"
	    "\"lcaf\":\"afi-list(none, 192.0.2.1)\"},"
	    "{\"rloc\":\"elp(192.0.2.31 S)\",\"priority\":2,"
	    "\"weight\":100,\"reachable\":true,\"used\":false}]}]",
	    false,
	    "EID          ACTION       TTL S  USED S  PACKETS  LOCATORS\n"
	    "10.2.0.0/24  encapsulate  -      -       -        "
	    "192.0.2.1 (1/100, of afi-list(none, 192.0.2.1)), "
	    "elp(192.0.2.31 S) (2/100, not used)\n");
}

static void
columns_of_another(void **state)
{
	static const char rows[] =
	    "[{\"vm\":\"w\\u00e9b\",\"n\":7,\"list\":[\"a\",\"b\"],"
	    "\"rtt_ms\":1.25,\"x\":{\"s\":\"a\",\"t\":true,\"f\":false,"
	    "\"at_ms\":1700000000123,\"z\":null,\"n\":1}},"
	    "{\"vm\":\"\\u001b[2J\",\"n\":1234}]";

	(void)state;
	prints("others", rows, false,
	    "VM       N  LIST  RTT MS  X\n"
	    "w\303\251b      7  a, b     1.2  a (t, at 2023-11-14 "
	    "22:13:20.123, n 1)\n"
	    "?[2J  1234  -          -  -\n");
}

static void
wide_shows_all(void **state)
{
	(void)state;
	prints("interfaces",
	    "[{\"name\":\"lisp0\",\"mtu\":1444,\"n\":null},"
	    "{\"name\":\"br\",\"n\":12}]",
	    true,
	    "NAME    MTU   N\n"
	    "lisp0  1444   -\n"
	    "br        -  12\n");
	prints("interfaces", "[{\"name\":\"lisp0\",\"mtu\":1444}]", false,
	    "NAME   KIND  ADDRESS  MAC  UP\n"
	    "lisp0  -     -        -    -\n");
}

static void
agent_tables(void **state)
{
	(void)state;
	prints("vms",
	    "[{\"vm\":\"web1\",\"uuid\":\"u\",\"state\":\"here\","
	    "\"generation\":255,\"eids\":[\"10.1.1.10/32\"],\"peers\":2,"
	    "\"xtrs\":[{\"name\":\"a\",\"acked\":true},{\"name\":\"b\","
	    "\"acked\":false}]}]",
	    false,
	    "VM    STATE  GENERATION  EIDS          PEERS  XTRS\n"
	    "web1  here           ff  10.1.1.10/32      2  a (acked), b\n");
	prints("moves",
	    "[{\"id\":1,\"vm\":\"web1\",\"event\":\"arrived\","
	    "\"generation\":255,\"sent_ms\":1700000000123,\"peers\":0,"
	    "\"xtrs\":[{\"n\":1}]}]",
	    false,
	    "SENT                     VM    EVENT    GENERATION  PEERS  XTRS\n"
	    "2023-11-14 22:13:20.123  web1  arrived          ff      0  (n "
	    "1)\n");
}

static void
nothing(void **state)
{
	(void)state;
	prints("eids", "[]", false, "");
	prints("moves", "[]", false, "");
}

static void
config_is_text(void **state)
{
	(void)state;
	prints("config", "[{\"yaml\":\"site:\\n  name: dc1\\n\"}]", false,
	    "site:\n  name: dc1\n");
}

static void
timeline(void **state)
{
	(void)state;
	prints("moves",
	    "[{\"id\":\"18bcfe5687d\",\"eid\":\"10.1.1.10/32\","
	    "\"vm\":null,\"from\":\"dc1\",\"to\":null,\"state\":\"finished\","
	    "\"steps\":["
	    "{\"step\":\"arriving\",\"at_ms\":1700000000100.5,\"peer\":null,"
	    "\"count\":3},"
	    "{\"step\":\"arrived\",\"at_ms\":1700000000200.0,\"peer\":null,"
	    "\"count\":1},"
	    "{\"step\":\"smr\",\"at_ms\":1700000000203.25,"
	    "\"peer\":\"203.0.113.1\",\"count\":1}]}]",
	    false,
	    "18bcfe5687d  10.1.1.10/32  dc1 -> -  finished  "
	    "2023-11-14 22:13:20.200\n"
	    "       -99.5 ms  arriving (3 times)\n"
	    "        +0.0 ms  arrived\n"
	    "        +3.2 ms  smr           203.0.113.1\n");
}

static void
timeline_of_the_old_site(void **state)
{
	(void)state;
	prints("moves",
	    "[{\"id\":\"01\",\"eid\":\"10.1.1.10/32\",\"from\":\"dc1\","
	    "\"to\":\"dc2\",\"state\":\"converging\",\"steps\":["
	    "{\"step\":\"paused\",\"at_ms\":1700000000100.0,\"count\":1},"
	    "{\"step\":\"away\",\"at_ms\":1700000000150.0,"
	    "\"peer\":\"198.51.100.1\",\"count\":1}]}]",
	    false,
	    "01  10.1.1.10/32  dc1 -> dc2  converging  "
	    "2023-11-14 22:13:20.150\n"
	    "       -50.0 ms  paused\n"
	    "        +0.0 ms  away          198.51.100.1\n");
	prints("moves",
	    "[{\"id\":\"01\",\"eid\":\"e\",\"from\":null,\"to\":null,"
	    "\"state\":\"converging\",\"steps\":[]}]",
	    false, "01  e  - -> -  converging\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_a_known_table),
		cmocka_unit_test(locators_in_lcafs),
		cmocka_unit_test(columns_of_another),
		cmocka_unit_test(wide_shows_all),
		cmocka_unit_test(agent_tables),
		cmocka_unit_test(nothing),
		cmocka_unit_test(config_is_text),
		cmocka_unit_test(timeline),
		cmocka_unit_test(timeline_of_the_old_site),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
