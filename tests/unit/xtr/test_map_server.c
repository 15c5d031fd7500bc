/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_map_server.c - the Map-Server's life: restart from the store, reload,
 * what it shows.
 */
#include "ms_fixture.h"

struct rows {
	char text[1024];
	unsigned n;
};

static bool
add_row(void *arg, const struct registration_row *row)
{
	struct rows *r = arg;
	char eid[EID_STR_MAX], a[ADDR_STR_MAX];
	size_t n = strlen(r->text);

	snprintf(r->text + n, sizeof(r->text) - n,
	    "%s %s %s%s%s age %d expires %d, %u\n", row->site,
	    eid_str(&row->eid, eid), addr_str(&row->registrant, a),
	    row->has_xtr_id ? " id" : "", row->proxy ? " proxy" : "",
	    (int)(row->refreshed_ms - row->registered_ms), (int)row->expires_s,
	    row->mapping->n_locators);
	return ++r->n < 3;
}

static void
shows_registrations_in_order(void **state)
{
	struct fixture *f = *state;
	struct rows r = { 0 };

	assert_int_equal(
	    REG(f, .proxy = true,
		.records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1", "192.0.2.9" } },
		    { .eid = "10.1.3.0/24", .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	pass(f, 60000);
	assert_int_equal(REG(f, .xtr_id = 7, .from = "192.0.2.2",
			     .key = "secret of b", .key_id = 2,
			     .records = { { .eid = "10.2.0.0/16",
				 .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	assert_int_equal(REG(f, .proxy = true,
			     .records = { { .eid = "10.1.3.0/24",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	map_server_walk(&f->x, add_row, &r);
	assert_string_equal(r.text,
	    "a 10.1.0.0/16 192.0.2.1 proxy age 0 expires 120, 2\n"
	    "a 10.1.3.0/24 192.0.2.1 proxy age 60000 expires 180, 1\n"
	    "b 10.2.0.0/16 192.0.2.2 id age 0 expires 180, 1\n");
	assert_int_equal(map_server_count(&f->x), 3);
}

static void
restart_answers_at_once_and_goes_on_expiring(void **state)
{
	struct fixture *f = *state;
	struct rows r = { 0 };

	assert_int_equal(REG(f, .proxy = true, .xtr_id = 1,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	pass(f, 100000);
	fixture_restart(f);
	map_server_walk(&f->x, add_row, &r);
	assert_string_equal(
	    r.text, "a 10.1.0.0/16 192.0.2.1 id proxy age 0 expires 80, 1\n");
	expect_reply(f, "10.1.0.1", "10.1.0.0/16 1440 192.0.2.1/1/100");
	/* The time while we were away counts, too. */
	fixture_stop(f);
	clock_advance(&f->clock, 50 * INT64_C(1000000));
	fixture_start(f);
	pass(f, 29000);
	assert_int_equal(map_server_count(&f->x), 1);
	pass(f, 2000);
	assert_int_equal(map_server_count(&f->x), 0);
	fixture_restart(f);
	assert_int_equal(map_server_count(&f->x), 0);
	/* Over before the start: not answered for a moment. */
	assert_int_equal(REG(f, .proxy = true, .xtr_id = 1,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	fixture_stop(f);
	clock_advance(&f->clock, 180 * INT64_C(1000000));
	fixture_start(f);
	assert_int_equal(map_server_count(&f->x), 0);
}

/* The registrant is remembered: who may withdraw, who is told. */
static void
restart_keeps_the_registrant(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;

	assert_int_equal(REG(f, .xtr_id = 1,
			     .records = { { .eid = "10.7.1.5",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	fixture_restart(f);
	assert_int_equal(REG(f, .xtr_id = 2, .from = "192.0.2.9",
			     .records = { { .eid = "10.7.1.5",
				 .locators = { "192.0.2.1" },
				 .withdraw = true } }),
	    ERR_OK);
	assert_int_equal(map_server_count(&f->x), 1);
	assert_int_equal(REG(f, .xtr_id = 1, .key = "secret of b", .key_id = 2,
			     .from = "192.0.2.2",
			     .records = { { .eid = "10.7.1.5",
				 .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 2);
	m = notify_at(f, 0, "secret of a", 1);
	assert_string_equal(
	    record_text(&m.records), "10.7.1.5/32 1440 A 192.0.2.2/1/100");
	fixture_restart(f);
	assert_string_equal(registered(f, "10.7.1.5"), "192.0.2.2/1/100");
	assert_int_equal(f->x.map_server->n_registrations, 1);
}

/* Refreshes are saved now and then: what is lost is time, at most a quarter. */
static void
refreshes_are_saved_in_time(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.1" } };

	assert_int_equal(REG(f, .records = { r }), ERR_OK);
	for (unsigned i = 0; i < 30; i++) {
		pass(f, 20000);
		assert_int_equal(REG(f, .records = { r }), ERR_OK);
		if (i % 3 == 0) {
			fixture_restart(f);
			pass(f, 130000);
			assert_int_equal(map_server_count(&f->x), 1);
			assert_int_equal(REG(f, .records = { r }), ERR_OK);
		}
	}
}

static void
merged_records_survive_a_restart(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f, .xtr_id = 1, .merge = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(REG(f, .xtr_id = 2, .merge = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	fixture_restart(f);
	assert_string_equal(
	    registered(f, "10.1.0.0/16"), "192.0.2.1/1/100 192.0.2.2/1/100");
	assert_int_equal(map_server_count(&f->x), 1);
	assert_int_equal(f->x.map_server->n_registrations, 2);
}

static void
reload_removes_what_is_not_allowed_any_more(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    REG(f,
		.records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } },
		    { .eid = "10.1.1.0/24", .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.2.0.0/16",
		    .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	assert_int_equal(map_server_count(&f->x), 3);
	fixture_conf(f,
	    "map-server: { sites: [ { name: a, key-id: 1, key-file: key-a,\n"
	    "  prefixes: [ { prefix: 10.1.0.0/16 } ] } ] }\n");
	assert_int_equal(map_server_count(&f->x), 1);
	assert_string_equal(registered(f, "10.1.0.0/16"), "192.0.2.1/1/100");
	/* Nor does it come back from the store with the old configuration. */
	fixture_restart(f);
	assert_int_equal(map_server_count(&f->x), 1);
	fixture_conf(f, fixture_yaml);
	fixture_restart(f);
	assert_int_equal(map_server_count(&f->x), 1);
}

/* What is pending for a site that was removed is not sent under no key. */
static void
reload_ends_notices_of_removed_sites(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f,
			     .records = { { .eid = "10.7.1.5",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	fixture_conf(f,
	    "map-server: { sites: [ { name: b, key-id: 2, key-file: key-b,\n"
	    "  prefixes: [ { prefix: 10.7.1.0/24,\n"
	    "    accept-more-specifics: true } ] } ] }\n");
	pass(f, 100000);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(map_server_count(&f->x), 1);
}

/* A thousand at the same second: in time, and the loop gets its turns. */
static void
many_expire_together(void **state)
{
	struct fixture *f = *state;
	char eid[32];

	fixture_conf(f,
	    "map-server: { sites: [ { name: a, key-id: 1, key-file: key-a,\n"
	    "  prefixes: [ { prefix: 10.1.0.0/16,\n"
	    "    accept-more-specifics: true } ] } ] }\n");
	for (unsigned i = 0; i < 3 * MS_EXPIRE_BUDGET; i++) {
		snprintf(eid, sizeof(eid), "10.1.%u.%u", i / 256, i % 256);
		assert_int_equal(REG(f, .no_notify = true,
				     .records = { { .eid = eid,
					 .locators = { "192.0.2.1" } } }),
		    ERR_OK);
	}
	fixture_restart(f);
	assert_int_equal(map_server_count(&f->x), 3 * MS_EXPIRE_BUDGET);
	pass(f, 181000);
	assert_int_equal(map_server_count(&f->x), 0);
	assert_int_equal(
	    f->x.counters.registrations_expired, 3 * MS_EXPIRE_BUDGET);
	fixture_restart(f);
	assert_int_equal(map_server_count(&f->x), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shows_registrations_in_order),
		TEST(restart_answers_at_once_and_goes_on_expiring),
		TEST(restart_keeps_the_registrant),
		TEST(refreshes_are_saved_in_time),
		TEST(merged_records_survive_a_restart),
		TEST(reload_removes_what_is_not_allowed_any_more),
		TEST(reload_ends_notices_of_removed_sites),
		TEST(many_expire_together),
	};

	return cmocka_run_group_tests_name("map_server", tests, NULL, NULL);
}
