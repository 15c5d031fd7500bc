/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_show.c - the tables of xtrd after a handover, as programs see them:
 * every member that xtrctl(8) names, filters, limits, and the control commands.
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xtr/ctl_show.h"
#include "xtr/eids.h"
#include "xtr/itr.h"
#include "xtr/mobility.h"
#include "xtr/move.h"

#define VM "10.1.1.10/32"
#define B "198.51.100.1"

struct fixture {
	struct sim *s;
	uint64_t generation;
};

static uint64_t
say(struct sim *s, enum sim_name site, uint8_t reason, uint64_t generation)
{
	uint64_t nonce = sim_cpm(s,
	    &(struct sim_cpm){ .site = site,
		.reason = reason,
		.generation = generation,
		.peer = "10.3.0.10" });

	sim_run(s, 100);
	return nonce;
}

/* The VM was at dc1, the client had its mapping, and it moved to dc2. */
static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct addr rloc = sim_addr("203.0.113.1");
	const struct eid vm = sim_eid("10.1.1.10");
	const struct eid source = sim_eid("10.3.0.10");
	struct xtr *dc1;

	f->s = sim_new();
	dc1 = sim_xtr(f->s, DC1);
	f->generation = clock_wall_ms(&f->s->clock);
	say(f->s, DC1, CPM_PRESENT, f->generation);
	itr_resolve(sim_xtr(f->s, CLIENT), &vm);
	sim_run(f->s, 200);
	mobility_on_data(dc1, eids_find(dc1->eids, &vm), &rloc, &source);
	say(f->s, DC2, CPM_ARRIVING, f->generation);
	say(f->s, DC1, CPM_DEPARTING, f->generation);
	say(f->s, DC1, CPM_PAUSED, f->generation);
	f->generation = clock_wall_ms(&f->s->clock);
	say(f->s, DC2, CPM_ARRIVED, f->generation);
	sim_run(f->s, 2000);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sim_free(f->s);
	free(f);
	return 0;
}

/* The reply to a request: to be freed. */
static json_t *
asked(struct fixture *f, enum sim_name n, json_t *request)
{
	const char *error = NULL;
	json_t *reply = ctl_show(sim_xtr(f->s, n), request, &error);

	json_decref(request);
	if (!reply)
		print_message("refused: %s\n", error);
	assert_non_null(reply);
	return reply;
}

static json_t *
shown(struct fixture *f, enum sim_name n, const char *what)
{
	return asked(f, n, json_pack("{s:s}", "what", what));
}

static size_t
n_rows(const json_t *reply)
{
	return json_array_size(json_object_get(reply, "rows"));
}

/* The first row whose 'key' is 'text'. */
static const json_t *
row_with(const json_t *reply, const char *key, const char *text)
{
	const json_t *rows = json_object_get(reply, "rows");

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *s = json_string_value(json_object_get(row, key));

		if (s && strcmp(s, text) == 0)
			return row;
	}
	fail_msg("no row with %s %s", key, text);
	return NULL;
}

static const char *
string_of(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "(none)";
}

static json_int_t
integer_of(const json_t *row, const char *key)
{
	assert_true(json_is_integer(json_object_get(row, key)));
	return json_integer_value(json_object_get(row, key));
}

static bool
true_of(const json_t *row, const char *key)
{
	assert_true(json_is_boolean(json_object_get(row, key)));
	return json_is_true(json_object_get(row, key));
}

/* The priority of an RLOC in a row's locators, -1 if it is not there. */
static json_int_t
priority_of(const json_t *row, const char *rloc)
{
	const json_t *locators = json_object_get(row, "locators");

	assert_true(json_is_array(locators));
	for (size_t i = 0; i < json_array_size(locators); i++) {
		const json_t *l = json_array_get(locators, i);

		if (strcmp(string_of(l, "rloc"), rloc) == 0)
			return integer_of(l, "priority");
	}
	return -1;
}

static void
eids_here(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, DC2, "eids");
	const json_t *row = row_with(reply, "eid", VM);

	assert_string_equal(string_of(row, "state"), "local");
	assert_int_equal(integer_of(row, "iid"), 0);
	assert_int_equal(integer_of(row, "generation"), f->generation);
	assert_true(true_of(row, "registered"));
	assert_false(true_of(row, "contested"));
	assert_false(true_of(row, "incoming"));
	assert_int_equal(strlen(string_of(row, "owner")), 36);
	assert_int_equal(strlen(string_of(row, "vm")), 36);
	assert_true(integer_of(row, "changed_ms") > 0);
	assert_int_equal(priority_of(row, B), 1);
	assert_int_equal(priority_of(row, "192.0.2.1"), 255);
	assert_true(json_is_false(json_object_get(reply, "truncated")));
	json_decref(reply);
}

static void
eids_away_and_static(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, DC1, "eids");
	const json_t *row = row_with(reply, "eid", VM);

	assert_string_equal(string_of(row, "state"), "away");
	assert_false(true_of(row, "registered"));
	assert_int_equal(priority_of(row, B), 1);
	assert_int_equal(priority_of(row, "192.0.2.1"), -1);
	assert_true(integer_of(row, "away_until_ms") > 0);
	json_decref(reply);

	reply = shown(f, CLIENT, "eids");
	row = row_with(reply, "eid", "10.3.0.0/24");
	assert_string_equal(string_of(row, "state"), "static");
	assert_true(json_is_null(json_object_get(row, "owner")));
	assert_int_equal(priority_of(row, "203.0.113.1"), 1);
	json_decref(reply);
}

static void
map_cache(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, CLIENT, "map-cache");
	const json_t *row = row_with(reply, "eid", VM);

	assert_string_equal(string_of(row, "action"), "encapsulate");
	assert_true(integer_of(row, "ttl_s") > 0);
	assert_true(json_is_null(json_object_get(row, "used_s")));
	assert_int_equal(integer_of(row, "packets"), 0);
	assert_int_equal(integer_of(row, "bytes"), 0);
	assert_int_equal(priority_of(row, B), 1);
	json_decref(reply);
}

static void
registrations(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, MS, "registrations");
	const json_t *row = row_with(reply, "eid", VM);

	assert_string_equal(string_of(row, "registrant"), B);
	assert_true(strlen(string_of(row, "site")) > 0);
	assert_int_equal(strlen(string_of(row, "xtr_id")), 36);
	assert_int_equal(priority_of(row, B), 1);
	assert_true(integer_of(row, "registered_ms") > 0);
	assert_true(integer_of(row, "expires_s") > 0);
	assert_false(true_of(row, "proxy"));
	json_decref(reply);

	reply = shown(f, CLIENT, "registrations"); /* no Map-Server */
	assert_int_equal(n_rows(reply), 0);
	json_decref(reply);
}

static void
registers(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, DC2, "registers");
	const json_t *row = row_with(reply, "eid", VM);

	assert_string_equal(string_of(row, "map_server"), "192.0.2.129");
	assert_string_equal(string_of(row, "state"), "registered");
	assert_true(integer_of(row, "confirmed_ms") > 0);
	json_decref(reply);
}

static void
requesters(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, DC1, "requesters");
	const json_t *row = row_with(reply, "rloc", "203.0.113.1");

	assert_string_equal(string_of(row, "eid"), VM);
	assert_true(true_of(row, "confirmed"));
	assert_string_equal(string_of(row, "source"), "10.3.0.10/32");
	assert_true(integer_of(row, "seen_ms") > 0);
	json_decref(reply);
}

static bool
has_step(const json_t *row, const char *name, const char *peer)
{
	const json_t *steps = json_object_get(row, "steps");

	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);

		assert_true(json_is_real(json_object_get(s, "at_ms")));
		assert_true(integer_of(s, "count") > 0);
		if (strcmp(string_of(s, "step"), name) == 0 &&
		    strcmp(string_of(s, "peer"), peer ? peer : "(none)") == 0)
			return true;
	}
	return false;
}

static void
moves(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, DC2, "moves");
	const json_t *row = json_array_get(json_object_get(reply, "rows"), 0);
	char id[20];

	snprintf(id, sizeof(id), "%llx", (unsigned long long)f->generation);
	assert_string_equal(string_of(row, "id"), id);
	assert_string_equal(string_of(row, "eid"), VM);
	assert_int_equal(integer_of(row, "generation"), f->generation);
	assert_string_equal(string_of(row, "state"), "finished");
	assert_int_equal(strlen(string_of(row, "vm")), 36);
	assert_true(has_step(row, "arriving", NULL));
	assert_true(has_step(row, "local", NULL));
	assert_true(has_step(row, "notify", "192.0.2.1"));
	assert_true(has_step(row, "notify-acked", "192.0.2.1"));
	assert_true(has_step(row, "requesters", "192.0.2.1"));
	assert_true(has_step(row, "register", "192.0.2.129"));
	assert_true(has_step(row, "registered", "192.0.2.129"));
	assert_true(has_step(row, "smr", "203.0.113.1"));
	assert_true(has_step(row, "converged", "203.0.113.1"));
	json_decref(reply);

	reply = shown(f, DC1, "moves");
	row = json_array_get(json_object_get(reply, "rows"), 0);
	assert_string_equal(string_of(row, "id"), id);
	assert_true(has_step(row, "departing", NULL));
	assert_true(has_step(row, "paused", NULL));
	assert_true(has_step(row, "away", B));
	json_decref(reply);
}

static void
locators(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, CLIENT, "locators");
	const json_t *own = row_with(reply, "rloc", "203.0.113.1");
	const json_t *row = row_with(reply, "rloc", B);

	assert_true(true_of(own, "own"));
	assert_int_equal(integer_of(own, "users"), 0);
	assert_false(true_of(row, "own"));
	assert_string_equal(string_of(row, "state"), "unknown");
	assert_string_equal(string_of(row, "why"), "");
	assert_int_equal(integer_of(row, "users"), 1);
	assert_int_equal(integer_of(row, "since_ms"), 0);
	assert_true(json_is_null(json_object_get(row, "rtt_ms")));
	assert_int_equal(integer_of(row, "probe_ms"), 0);
	assert_int_equal(integer_of(row, "probes"), 0);
	assert_int_equal(integer_of(row, "answered"), 0);
	assert_int_equal(integer_of(row, "missed"), 0);
	json_decref(reply);
}

static void
interfaces(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, DC1, "interfaces");
	const json_t *row = row_with(reply, "kind", "uplink");

	assert_string_equal(string_of(row, "address"), "192.0.2.1");
	assert_non_null(json_object_get(row, "name"));
	assert_non_null(json_object_get(row, "mac"));
	assert_true(json_is_boolean(json_object_get(row, "up")));
	json_decref(reply);
}

static void
counters(void **state)
{
	struct fixture *f = *state;
	json_t *some = shown(f, DC2, "counters");
	json_t *all = asked(
	    f, DC2, json_pack("{s:s, s:b}", "what", "counters", "all", 1));
	const json_t *row = row_with(some, "name", "rx.CPM.ok");

	assert_true(integer_of(row, "value") > 0);
	row_with(some, "name", "smr.sent");
	assert_true(n_rows(all) > n_rows(some));
	row = row_with(all, "name", "data.drop.ttl");
	assert_int_equal(integer_of(row, "value"), 0);
	json_decref(some);
	json_decref(all);
}

static void
config_and_resolvers(void **state)
{
	struct fixture *f = *state;
	json_t *reply = shown(f, CLIENT, "config");
	const json_t *row = json_array_get(json_object_get(reply, "rows"), 0);

	assert_non_null(strstr(string_of(row, "yaml"), "mapping-systems:"));
	json_decref(reply);

	reply = shown(f, CLIENT, "resolvers");
	row = row_with(reply, "address", "192.0.2.129");
	assert_true(strlen(string_of(row, "mapping_system")) > 0);
	json_decref(reply);
}

static size_t
n_for(struct fixture *f, const char *eid)
{
	json_t *reply = asked(f, MS,
	    json_pack("{s:s, s:s}", "what", "registrations", "eid", eid));
	size_t n = n_rows(reply);

	assert_int_equal(integer_of(reply, "total"), n);
	json_decref(reply);
	return n;
}

static void
filtered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(n_for(f, "10.1.1.10"), 1);   /* is it */
	assert_int_equal(n_for(f, "10.3.0.77"), 1);   /* covers it */
	assert_int_equal(n_for(f, "10.1.0.0/16"), 1); /* lies in it */
	assert_int_equal(n_for(f, "10.1.1.11"), 0);
	assert_int_equal(n_for(f, "[7]10.1.1.10"), 0);
}

static void
limited(void **state)
{
	struct fixture *f = *state;
	json_t *reply = asked(f, MS,
	    json_pack("{s:s, s:i}", "what", "registrations", "limit", 1));

	assert_int_equal(n_rows(reply), 1);
	assert_true(true_of(reply, "truncated"));
	assert_int_equal(integer_of(reply, "total"), 2);
	json_decref(reply);

	/* One move and three of its steps. */
	reply =
	    asked(f, DC2, json_pack("{s:s, s:i}", "what", "moves", "limit", 3));
	assert_int_equal(n_rows(reply), 1);
	assert_true(true_of(reply, "truncated"));
	assert_null(json_object_get(reply, "total"));
	json_decref(reply);
}

static void
refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"what\":\"vms\"}",
		"{\"what\":\"eids\",\"eid\":\"x\"}",
		"{\"what\":\"eids\",\"limit\":0}",
		"{\"what\":\"eids\",\"limit\":100001}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *request = json_loads(bad[i], 0, NULL);
		const char *error = NULL;

		assert_null(ctl_show(sim_xtr(f->s, DC1), request, &error));
		assert_non_null(error);
		json_decref(request);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eids_here),
		cmocka_unit_test(eids_away_and_static),
		cmocka_unit_test(map_cache),
		cmocka_unit_test(registrations),
		cmocka_unit_test(registers),
		cmocka_unit_test(requesters),
		cmocka_unit_test(moves),
		cmocka_unit_test(locators),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(counters),
		cmocka_unit_test(config_and_resolvers),
		cmocka_unit_test(filtered),
		cmocka_unit_test(limited),
		cmocka_unit_test(refused),
	};

	log_level_set(LOG_LEVEL_WARNING);
	/* The tables are only looked at: one handover is enough. */
	return cmocka_run_group_tests(tests, setup, teardown);
}
