/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_store.c - registrations over a restart: their times go on, a refresh is
 * saved in time, what is no registration is left out.
 */
#include <endian.h>

#include "ms_parts.h"

#define X "10.7.1.5/32"

static const struct registration *
find(struct fixture *f, const char *eid)
{
	const struct eid e = E(eid);

	return ms_find(f->x.map_server, &e);
}

static void
restart_after(struct fixture *f, int64_t ms)
{
	fixture_stop(f);
	clock_advance(&f->clock, ms * 1000);
	fixture_start(f);
}

static void
test_round(void **state)
{
	struct fixture *f = *state;
	struct put p = { peer_of(f, "a", 1, "192.0.2.1"), MS_PROXY | MS_USE_TTL,
		600, RECORD(X, "192.0.2.1/3/33"), false, { 0 } };
	const struct registration *r;
	int64_t registered_ms;

	assert_int_equal(put(f, &p), ERR_OK);
	registered_ms = find(f, X)->registered_ms;
	restart_after(f, 200000);
	r = find(f, X);
	assert_non_null(r);
	assert_string_equal(registered(f, X), "192.0.2.1/3/33");
	assert_int_equal(r->flags, MS_PROXY | MS_USE_TTL);
	assert_int_equal(r->lifetime_s, 600);
	assert_int_equal(r->registered_ms, registered_ms);
	assert_int_equal(r->peer->refs, 1);
	assert_string_equal(r->peer->site->name, "a");
	pass(f, 399000);
	assert_non_null(find(f, X));
	pass(f, 2000);
	assert_null(find(f, X));
}

/* Over while nobody was there: not answered, not even at first. */
static void
test_over_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct put p = { peer_of(f, "a", 1, "192.0.2.1"), 0, 180,
		RECORD(X, "192.0.2.1"), false, { 0 } };

	assert_int_equal(put(f, &p), ERR_OK);
	restart_after(f, 181000);
	assert_null(find(f, X));
	fixture_restart(f);
	assert_null(find(f, X)); /* gone from the store, too */
}

/* A quarter of its lifetime may be lost by a crash, never more. */
static void
test_refresh(void **state)
{
	struct fixture *f = *state;
	struct put p = { peer_of(f, "a", 1, "192.0.2.1"), 0, 400,
		RECORD(X, "192.0.2.1"), false, { 0 } };

	assert_int_equal(put(f, &p), ERR_OK);
	pass(f, 99000);
	assert_int_equal(put(f, &p), ERR_OK);
	assert_true(find(f, X)->saved_s + 99 ==
	    (uint32_t)(find(f, X)->refreshed_us / US_PER_S));
	pass(f, 1000);
	assert_int_equal(put(f, &p), ERR_OK);
	assert_true(find(f, X)->saved_s ==
	    (uint32_t)(find(f, X)->refreshed_us / US_PER_S));
	restart_after(f, 0);
	pass(f, 399000);
	assert_non_null(find(f, X));
}

static void
test_withdrawn(void **state)
{
	struct fixture *f = *state;
	const struct eid eid = E(X);
	struct put p = { peer_of(f, "a", 1, "192.0.2.1"), 0, 0,
		RECORD(X, "192.0.2.1"), false, { 0 } };

	assert_int_equal(put(f, &p), ERR_OK);
	assert_true(ms_table_withdraw(f->x.map_server, &eid, p.peer));
	fixture_restart(f);
	assert_null(find(f, X));
}

/* A clock that went back makes nothing younger than now. */
static void
test_clock_back(void **state)
{
	struct fixture *f = *state;
	struct put p = { peer_of(f, "a", 1, "192.0.2.1"), 0, 180,
		RECORD(X, "192.0.2.1"), false, { 0 } };

	assert_int_equal(put(f, &p), ERR_OK);
	fixture_stop(f);
	f->clock.fake_wall_us -= INT64_C(3600000000);
	fixture_start(f);
	assert_int_equal(find(f, X)->refreshed_us, xtr_now(&f->x).us);
	pass(f, 181000);
	assert_null(find(f, X));
}

/* Pairs of the store by hand: which of them are registrations? */
static void
test_strange_values(void **state)
{
	struct fixture *f = *state;
	struct peer *peer = peer_of(f, "a", 1, "192.0.2.1");
	struct put p = { peer, 0, 0, RECORD(X, "192.0.2.1"), false, { 0 } };
	const struct eid eid = E(X), other = E("10.7.1.6");
	uint8_t key[STORE_EID_KEY + 4], value[256];
	uint32_t number_be = htobe32(peer->number), nobody = htobe32(999);
	const void *good;
	size_t len;
#define PUT(k_len, v_len) \
	assert_int_equal( \
	    store_put(f->x.store, STORE_MSREG, key, k_len, value, v_len), \
	    ERR_OK)

	assert_int_equal(put(f, &p), ERR_OK);
	store_eid_key(&eid, key);
	memcpy(key + STORE_EID_KEY, &number_be, 4);
	good = store_get(f->x.store, STORE_MSREG, key, sizeof(key), &len);
	assert_non_null(good);
	assert_true(len < sizeof(value));
	memcpy(value, good, len);
	PUT(sizeof(key) - 1, len);
	memcpy(key + STORE_EID_KEY, &nobody, 4); /* of an unknown peer */
	PUT(sizeof(key), len);
	store_eid_key(&other, key); /* the record is of another EID */
	memcpy(key + STORE_EID_KEY, &number_be, 4);
	PUT(sizeof(key), len);
	fixture_restart(f);
	assert_int_equal(f->x.map_server->n_registrations, 1);
	/* cut, longer, of another version, no record at all */
	store_eid_key(&eid, key);
	for (unsigned how = 0; how < 5; how++) {
		uint8_t copy[256];

		memcpy(copy, value, len);
		if (how == 2)
			value[0]++;
		if (how == 3)
			value[2] = 0xff; /* length */
		if (how == 4)
			memset(value + 24, 0xff, len - 24);
		PUT(sizeof(key), how == 0 ? len - 1 : how == 1 ? len + 1 : len);
		memcpy(value, copy, len);
		fixture_restart(f);
		assert_int_equal(f->x.map_server->n_registrations, 0);
	}
	PUT(sizeof(key), len);
	fixture_restart(f);
	assert_int_equal(f->x.map_server->n_registrations, 1);
}

/* More in the store than there may be now: as many as fit. */
static void
test_too_many(void **state)
{
	struct fixture *f = *state;
	char eid[32];
	struct put p = { .peer = peer_of(f, "a", 1, "192.0.2.1"),
		.record = RECORD(eid, "192.0.2.1") };

	for (unsigned i = 0; i < 40; i++) {
		snprintf(eid, sizeof(eid), "10.7.1.%u/32", i);
		assert_int_equal(put(f, &p), ERR_OK);
	}
	fixture_stop(f);
	f->conf->map_server.registrations_max = 16;
	fixture_start(f);
	assert_int_equal(f->x.map_server->n_registrations, 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round),
		T(test_over_meanwhile),
		T(test_refresh),
		T(test_withdrawn),
		T(test_clock_back),
		T(test_strange_values),
		T(test_too_many),
	};

	return cmocka_run_group_tests_name("xtr/ms_store", tests, NULL, NULL);
}
