/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_explain.c - what xtrctl explain says: each kind of entry, each reason for
 * a locator, and that packets do what was said.
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xtr/ctl_explain.h"
#include "xtr/eids.h"
#include "xtr/itr.h"
#include "xtr/map_cache.h"
#include "xtr/mobility.h"
#include "xtr/pending.h"
#include "xtr/reach.h"

#define VM "10.1.1.10"

struct fixture {
	struct sim *s;
	uint64_t generation;
	json_t *rows; /* of the last answer */
};

static void
say(struct fixture *f, enum sim_name site, uint8_t reason)
{
	sim_cpm(f->s,
	    &(struct sim_cpm){ .site = site,
		.reason = reason,
		.generation = f->generation,
		.peer = "10.3.0.10" });
	sim_run(f->s, 100);
}

/* The VM is at dc1, and the client has its mapping. */
static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct eid vm = sim_eid(VM);

	f->s = sim_new();
	f->generation = clock_wall_ms(&f->s->clock);
	sim_run(f->s, 3000);
	say(f, DC1, CPM_PRESENT);
	itr_resolve(sim_xtr(f->s, CLIENT), &vm);
	sim_run(f->s, 2000);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->rows);
	sim_free(f->s);
	free(f);
	return 0;
}

static json_t *
asked(struct fixture *f, enum sim_name n, const char *eid, const char *source,
    const char *flow, const char **error)
{
	json_t *request = json_pack("{s:s}", "eid", eid);

	if (source)
		json_object_set_new(request, "source", json_string(source));
	if (flow)
		json_object_set_new(request, "flow", json_string(flow));
	json_decref(f->rows);
	f->rows = ctl_explain(sim_xtr(f->s, n), request, error);
	json_decref(request);
	return json_array_get(f->rows, 0);
}

static const json_t *
explained(struct fixture *f, enum sim_name n, const char *eid)
{
	const char *error;
	const json_t *row = asked(f, n, eid, NULL, NULL, &error);

	assert_non_null(row);
	return row;
}

static const char *
text(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

/* True if one of the sentences has these words. */
static bool
says(const json_t *row, const char *words)
{
	const json_t *lines = json_object_get(row, "text");

	for (size_t i = 0; i < json_array_size(lines); i++)
		if (strstr(json_string_value(json_array_get(lines, i)), words))
			return true;
	return false;
}

static void
test_mapping(void **state)
{
	struct fixture *f = *state;
	const json_t *row = explained(f, CLIENT, VM), *l;

	assert_string_equal(text(row, "kind"), "map-cache");
	assert_string_equal(text(row, "entry"), "10.1.1.10/32");
	assert_string_equal(text(row, "action"), "encapsulate");
	assert_string_equal(text(row, "decision"), "encapsulate");
	assert_string_equal(text(row, "rloc"), sim_rloc(DC1));
	assert_string_equal(text(row, "source_rloc"), sim_rloc(CLIENT));
	assert_string_equal(text(row, "origin"), "map-reply");
	assert_string_equal(text(row, "from"), sim_rloc(DC1));
	assert_in_range(
	    json_integer_value(json_object_get(row, "age_s")), 0, 2);
	assert_in_range(
	    json_integer_value(json_object_get(row, "ttl_s")), 890, 900);
	l = json_array_get(json_object_get(row, "locators"), 0);
	assert_string_equal(text(l, "verdict"), "chosen");
	assert_true(says(row, "by a Map-Reply from 192.0.2.1"));
	assert_true(says(row, "packets: encapsulate: 203.0.113.1 to 192"));
}

static void
test_own(void **state)
{
	struct fixture *f = *state;
	const json_t *row = explained(f, DC1, VM);

	assert_string_equal(text(row, "kind"), "eid");
	assert_string_equal(text(row, "state"), "local");
	assert_string_equal(text(row, "decision"), "deliver");
	assert_true(json_is_true(json_object_get(row, "registered")));
	row = explained(f, CLIENT, "10.3.0.77");
	assert_string_equal(text(row, "state"), "static");
	assert_string_equal(text(row, "entry"), "10.3.0.0/24");
	assert_string_equal(text(row, "decision"), "deliver");
}

static void
test_away_and_source(void **state)
{
	struct fixture *f = *state;
	const char *error;
	const json_t *row;

	say(f, DC2, CPM_ARRIVING);
	row = explained(f, DC2, VM);
	assert_true(says(row, "announced: it is on its way here"));
	assert_string_equal(text(row, "state"), "away");
	sim_cpm(f->s,
	    &(struct sim_cpm){
		.site = DC2, .reason = CPM_ARRIVING, .eid = "10.1.1.55" });
	row = explained(f, DC2, "10.1.1.55");
	assert_true(says(row, "announced: it is on its way here"));
	assert_string_not_equal(text(row, "kind"), "eid");
	say(f, DC1, CPM_PAUSED);
	row = explained(f, DC1, VM);
	assert_string_equal(text(row, "state"), "held");
	assert_string_equal(text(row, "decision"), "hold");
	f->generation = clock_wall_ms(&f->s->clock);
	say(f, DC2, CPM_ARRIVED);
	sim_run(f->s, 2000);
	row = explained(f, DC1, VM);
	assert_string_equal(text(row, "state"), "away");
	assert_string_equal(text(row, "decision"), "encapsulate");
	assert_string_equal(text(row, "rloc"), sim_rloc(DC2));
	assert_in_range(
	    json_integer_value(json_object_get(row, "away_s")), 800, 900);
	/* It is not here any more: nothing may leave in its name. */
	row = asked(f, DC1, "10.3.0.10", VM, NULL, &error);
	assert_string_equal(text(row, "kind"), "source");
	assert_string_equal(text(row, "decision"), "drop");
	row = asked(f, DC2, "10.3.0.10", VM, NULL, &error);
	assert_string_not_equal(text(row, "kind"), "source");
}

static void
test_nothing_and_lookup(void **state)
{
	struct fixture *f = *state;
	struct xtr *x = sim_xtr(f->s, CLIENT);
	const json_t *row = explained(f, CLIENT, "10.77.0.1");

	assert_string_equal(text(row, "kind"), "none");
	assert_string_equal(text(row, "decision"), "queue");
	assert_true(json_is_null(json_object_get(row, "lookup")));
	assert_int_equal(json_array_size(json_object_get(row, "resolvers")), 1);
	assert_true(says(row, "a packet would ask 192.0.2.129"));
	/* Asking is not asking. */
	assert_int_equal(pending_count(x->pending), 0);
	f->s->loss_percent = 100;
	sim_packet(f->s, CLIENT, "10.3.0.10", "10.77.0.1");
	sim_run(f->s, 50);
	row = explained(f, CLIENT, "10.77.0.1");
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(row, "lookup"), "tries")),
	    1);
	assert_true(says(row, "1 Map-Request sent, 1 packet waiting"));
	assert_string_equal(text(row, "decision"), "queue");
	f->s->loss_percent = 0;
	sim_run(f->s, 3000);
	row = explained(f, CLIENT, "10.77.0.1");
	assert_string_equal(text(row, "kind"), "map-cache");
	assert_string_equal(text(row, "action"), "natively-forward");
	assert_string_equal(text(row, "decision"), "drop");
	assert_true(says(row, "itr.natively-forward is off"));
	row = explained(f, CLIENT, "10.1.1.99");
	assert_string_equal(text(row, "decision"), "queue");
	row = explained(f, CLIENT, "224.0.0.1");
	assert_string_equal(text(row, "decision"), "drop");
}

/* Natively-Forward, as the configuration has it. */
static void
test_out_of_lisp(void **state)
{
	static struct eid eid_space[1];
	static struct mapping m;
	struct fixture *f = *state;
	struct xtr *x = sim_xtr(f->s, CLIENT);
	const struct xtr_conf *conf = x->conf;
	const struct eid eid = sim_eid("10.66.0.0/16");
	struct conf_petr petr = { .address = sim_addr("198.51.100.66"),
		.priority = 1,
		.weight = 100 };
	struct xtr_conf other = *conf;
	const json_t *row;

	m = (struct mapping){ .ttl_min = 10,
		.eid_bits = eid.bits,
		.action = LISP_NATIVELY_FORWARD };
	m.eid = lisp_addr_from_eid(&eid);
	assert_int_equal(map_cache_store(x, &eid, &m), ERR_OK);
	x->conf = &other;
	row = explained(f, CLIENT, "10.66.0.1");
	assert_string_equal(text(row, "decision"), "drop");
	other.itr.natively_forward = true;
	row = explained(f, CLIENT, "10.66.0.1");
	assert_string_equal(text(row, "decision"), "native");
	other.itr.eid_space = (struct conf_list){ eid_space, 1 };
	row = explained(f, CLIENT, "10.66.0.1");
	assert_string_equal(text(row, "decision"), "drop");
	other.itr.use_petr = (struct conf_list){ &petr, 1 };
	row = explained(f, CLIENT, "10.66.0.1");
	assert_string_equal(text(row, "decision"), "encapsulate");
	assert_string_equal(text(row, "rloc"), "198.51.100.66");
	assert_true(says(row, "through a PETR"));
	petr.address = sim_addr("2001:db8::66");
	row = explained(f, CLIENT, "10.66.0.1");
	assert_string_equal(text(row, "decision"), "drop");
	x->conf = conf;
}

struct given {
	const char *rloc;
	uint8_t priority, weight;
	bool reachable;
	const char *verdict;
};

static const struct given many[] = {
	{ "198.51.100.7", 1, 50, true, "by flow" },
	{ "198.51.100.8", 1, 50, true, "by flow" },
	{ "198.51.100.9", 1, 0, true, "weight 0" },
	{ "198.51.100.10", 2, 50, true, "worse priority" },
	{ "198.51.100.11", 1, 50, false, "down: R bit" },
	{ "198.51.100.12", 255, 50, true, "never: priority 255" },
	{ "203.0.113.1", 1, 50, true, "never: it is ours" },
	{ "2001:db8:7::7", 1, 50, true, "no RLOC of ours has its family" },
};

static void
test_locators(void **state)
{
	static const uint8_t unread[] = { 0x40, 3, 0, 0, 99, 0, 0, 0 };
	static struct mapping m;
	struct fixture *f = *state;
	const struct eid eid = sim_eid("10.88.0.0/16");
	const json_t *row, *l;
	const char *error, *flow_rloc = NULL, *rloc = NULL;
	struct addr a;
	char flow[32];

	m = (struct mapping){ .ttl_min = 10, .eid_bits = eid.bits };
	m.eid = lisp_addr_from_eid(&eid);
	m.locators[8] = (struct locator){ .priority = 1,
		.weight = 50,
		.reachable = true,
		.addr = { .opaque = unread, .opaque_len = sizeof(unread) } };
	for (unsigned i = 0; i < 8; i++) {
		const struct addr one = sim_addr(many[i].rloc);

		m.locators[m.n_locators++] =
		    (struct locator){ .priority = many[i].priority,
			    .weight = many[i].weight,
			    .reachable = many[i].reachable,
			    .addr = lisp_addr_from_addr(&one) };
	}
	m.n_locators++;
	assert_int_equal(
	    map_cache_store(sim_xtr(f->s, CLIENT), &eid, &m), ERR_OK);
	row = explained(f, CLIENT, "10.88.1.1");
	assert_string_equal(text(row, "decision"), "encapsulate");
	assert_null(json_object_get(row, "rloc"));
	for (unsigned i = 0; i < 8; i++) {
		l = json_array_get(json_object_get(row, "locators"), i);
		assert_string_equal(text(l, "rloc"), many[i].rloc);
		assert_string_equal(text(l, "verdict"), many[i].verdict);
	}
	assert_true(says(row, "locators: 1 more"));
	assert_true(says(row, "by flow, 5") || says(row, "by flow, 4"));

	/* One of the two goes down. */
	a = sim_addr(many[0].rloc);
	reach_set(sim_xtr(f->s, CLIENT), &a, REACH_PROBE, REACH_DOWN);
	row = explained(f, CLIENT, "10.88.1.1");
	assert_string_equal(text(row, "rloc"), many[1].rloc);
	assert_true(says(row, "down: no answer to probes"));
	reach_set(sim_xtr(f->s, CLIENT), &a, REACH_PROBE, REACH_UP);

	/* With a flow there is one answer, and not the same for all. */
	for (unsigned port = 40000; port < 40064; port++) {
		snprintf(flow, sizeof(flow), "tcp:%u:443", port);
		row = asked(f, CLIENT, "10.88.1.1", "10.3.0.10", flow, &error);
		assert_non_null(row);
		rloc = text(row, "rloc");
		assert_true(
		    !strcmp(rloc, many[0].rloc) || !strcmp(rloc, many[1].rloc));
		if (flow_rloc && strcmp(flow_rloc, rloc) != 0)
			break;
		flow_rloc =
		    strcmp(rloc, many[0].rloc) ? many[1].rloc : many[0].rloc;
	}
	assert_string_not_equal(flow_rloc, rloc);
	assert_in_range(json_integer_value(json_object_get(row, "source_port")),
	    49152, 65535);
	assert_true(says(row, "chosen for this flow"));
	assert_true(says(row, "for other flows"));
}

static void
test_refused(void **state)
{
	static const char *const bad[][3] = {
		{ "10.1.1.0/24", NULL, NULL },
		{ "x", NULL, NULL },
		{ VM, "2001:db8::1", NULL },
		{ VM, "10.3.0.0/24", NULL },
		{ VM, NULL, "tcp:1:2" },
		{ VM, "10.3.0.10", "tcp:1" },
		{ VM, "10.3.0.10", "tcp:1:2x" },
		{ VM, "10.3.0.10", "tcp:1:70000" },
		{ VM, "10.3.0.10", "nothing" },
		{ VM, "10.3.0.10", "256" },
		{ VM, "10.3.0.10", "" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *error = NULL;

		assert_null(
		    asked(f, CLIENT, bad[i][0], bad[i][1], bad[i][2], &error));
		assert_non_null(error);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mapping),
		TEST(test_own),
		TEST(test_away_and_source),
		TEST(test_nothing_and_lookup),
		TEST(test_out_of_lisp),
		TEST(test_locators),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
