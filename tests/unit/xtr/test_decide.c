/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_decide.c - every cell of the decision table against its own data,
 * tests/golden/vectors/cpm-decisions.json.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "xtr/decide.h"

static json_t *
table(void)
{
	const char *dir = getenv("LISP_VECTORS");
	char path[512];
	json_error_t error;
	json_t *t;

	snprintf(path, sizeof(path), "%s/cpm-decisions.json",
	    dir ? dir : "tests/golden/vectors");
	t = json_load_file(path, 0, &error);
	if (!t)
		fail_msg("%s: %s", path, error.text);
	return t;
}

static enum eid_state
state_of(const char *name)
{
	for (unsigned s = 0; s < EID_STATES; s++)
		if (strcmp(name, eid_state_str(s)) == 0)
			return s;
	fail_msg("unknown state %s", name);
	return 0;
}

static enum relation
relation_of(const char *name)
{
	if (strcmp(name, "same") == 0)
		return RELATION_SAME;
	if (strcmp(name, "newer") == 0)
		return RELATION_NEWER;
	assert_string_equal(name, "any");
	return RELATION_ANY;
}

static void
check_decision(const struct decision *d, json_t *actions, const char *next)
{
	size_t n = json_array_size(actions);

	assert_non_null(d);
	assert_int_equal(d->next, state_of(next));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(action_str(d->actions[i]),
		    json_string_value(json_array_get(actions, i)));
	if (n < sizeof(d->actions))
		assert_int_equal(d->actions[n], ACT_NONE);
}

static void
test_messages(void **unused)
{
	json_t *t = table(), *rows = json_object_get(t, "rows"), *row;
	unsigned cells = 0;
	size_t i;

	(void)unused;
	json_array_foreach(rows, i, row)
	{
		json_t *cell;
		const char *state;

		json_object_foreach(json_object_get(row, "cells"), state, cell)
		{
			const struct decision *d =
			    decide((enum cpm_op)json_integer_value(
				       json_object_get(row, "op")),
				(uint8_t)json_integer_value(
				    json_object_get(row, "reason")),
				relation_of(json_string_value(
				    json_object_get(row, "relation"))),
				state_of(state));
			const char *next =
			    json_string_value(json_object_get(cell, "next"));

			check_decision(d, json_object_get(cell, "actions"),
			    next ? next : state);
			cells++;
		}
	}
	assert_int_equal(json_array_size(rows), 24);
	assert_int_equal(cells, 144);
	json_decref(t);
}

/* What a condition of the data means in facts. */
static unsigned
facts_of(const char *condition)
{
	static const struct {
		const char *text;
		unsigned facts;
	} known[] = {
		{ "", 0 },
		{ "else", 0 },
		{ "not gone", 0 },
		{ "gone", FACT_GONE },
		{ "gone, last LOOKUP finds locators not ours",
		    FACT_GONE | FACT_ELSEWHERE },
		{ "LOOKUP finds locators not ours", FACT_ELSEWHERE },
		{ "of a configured other site", FACT_OTHER_SITE },
		{ "registered later than the entry was made", FACT_LATER },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(condition, known[i].text) == 0)
			return known[i].facts;
	fail_msg("unknown condition '%s'", condition);
	return 0;
}

static void
test_events(void **unused)
{
	json_t *t = table(), *events = json_object_get(t, "events"), *event;
	size_t i;

	(void)unused;
	assert_int_equal(json_array_size(events), EVENTS);
	json_array_foreach(events, i, event)
	{
		json_t *cases, *one;
		const char *state;
		size_t j;

		json_object_foreach(
		    json_object_get(event, "cells"), state, cases)
		{
			if (json_array_size(cases) == 0)
				assert_null(decide_event(
				    (enum event)i, state_of(state), ~0u));
			json_array_foreach(cases, j, one) check_decision(
			    decide_event((enum event)i, state_of(state),
				facts_of(json_string_value(
				    json_object_get(one, "condition")))),
			    json_object_get(one, "actions"),
			    json_string_value(json_object_get(one, "next")));
		}
	}
	json_decref(t);
}

static void
test_no_such_row(void **unused)
{
	(void)unused;
	assert_null(
	    decide(CPM_OP_NOTIFY, CPM_PAUSED, RELATION_NEWER, EID_LOCAL));
	assert_null(decide(CPM_OP_CPM, CPM_ARRIVED, RELATION_OLDER, EID_LOCAL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_no_such_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
