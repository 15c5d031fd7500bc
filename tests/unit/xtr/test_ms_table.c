/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_table.c - registrations: who replaces whom, who is told, and when a
 * lifetime is over.
 */
#include "ms_parts.h"

#define X "10.7.1.5/32"

static void
test_put(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	struct put p = { a, 0, 0, RECORD(X, "192.0.2.1"), false, { 0 } };

	assert_int_equal(put(f, &p), ERR_OK);
	assert_true(p.changed);
	assert_int_equal(p.told.n, 0);
	assert_int_equal(a->refs, 1);
	assert_string_equal(registered(f, X), "192.0.2.1/1/100");
	assert_int_equal(f->x.map_server->n_registrations, 1);
	p.changed = true;
	assert_int_equal(put(f, &p), ERR_OK); /* a refresh */
	assert_false(p.changed);
	assert_int_equal(f->x.map_server->n_registrations, 1);
	p.record.ttl_min = 7; /* not a change that others care about */
	assert_int_equal(put(f, &p), ERR_OK);
	assert_false(p.changed);
	p.record.locators[0] = "192.0.2.1/2/100";
	assert_int_equal(put(f, &p), ERR_OK);
	assert_true(p.changed);
	assert_int_equal(p.told.n, 0); /* not itself */
	assert_int_equal(a->refs, 1);
}

/* Another registrant takes over; the one before hears of it. */
static void
test_replaced(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *b = peer_of(f, "b", 2, "192.0.2.2");
	struct put pa = { a, 0, 0, RECORD(X, "192.0.2.1"), false, { 0 } };
	struct put pb = { b, 0, 0, RECORD(X, "192.0.2.2"), false, { 0 } };

	assert_int_equal(put(f, &pa), ERR_OK);
	assert_int_equal(put(f, &pb), ERR_OK);
	assert_true(pb.changed);
	assert_int_equal(pb.told.n, 1);
	assert_ptr_equal(pb.told.peers[0], a);
	assert_int_equal(a->refs, 0);
	assert_int_equal(b->refs, 1);
	assert_string_equal(registered(f, X), "192.0.2.2/1/100");
	/* one xTR cannot withdraw the other's */
	assert_false(
	    ms_table_withdraw(f->x.map_server, &(struct eid[]){ E(X) }[0], a));
	assert_true(
	    ms_table_withdraw(f->x.map_server, &(struct eid[]){ E(X) }[0], b));
	assert_string_equal(registered(f, X), "");
	assert_int_equal(b->refs, 0);
	assert_int_equal(f->x.map_server->n_registrations, 0);
	assert_false(
	    ms_table_withdraw(f->x.map_server, &(struct eid[]){ E(X) }[0], b));
}

/* Two xTRs of a site that say the same take turns, and nobody is told. */
static void
test_same_site(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *twin = peer_of(f, "a", 2, "192.0.2.2");
	struct put pa = { a, 0, 0, RECORD(X, "192.0.2.1"), false, { 0 } };
	struct put pt = { twin, 0, 0, RECORD(X, "192.0.2.1"), false, { 0 } };

	assert_int_equal(put(f, &pa), ERR_OK);
	assert_int_equal(put(f, &pt), ERR_OK);
	assert_int_equal(pt.told.n, 0);
	assert_int_equal(f->x.map_server->n_registrations, 1);
	pa.record.locators[0] = "192.0.2.9";
	assert_int_equal(put(f, &pa), ERR_OK);
	assert_int_equal(pa.told.n, 1);
	assert_ptr_equal(pa.told.peers[0], twin);
}

/* Merged: side by side, each with its own refresh; all hear of a change. */
static void
test_merge(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *b = peer_of(f, "a", 2, "192.0.2.2");
	struct peer *c = peer_of(f, "a", 3, "192.0.2.3");
	struct put pa = { a, MS_MERGE, 0, RECORD(X, "192.0.2.1"), false,
		{ 0 } };
	struct put pb = { b, MS_MERGE, 0, RECORD(X, "192.0.2.2"), false,
		{ 0 } };
	struct put pc = { c, 0, 0, RECORD(X, "192.0.2.3"), false, { 0 } };

	assert_int_equal(put(f, &pa), ERR_OK);
	assert_int_equal(put(f, &pb), ERR_OK);
	assert_true(pb.changed);
	assert_int_equal(pb.told.n, 1);
	assert_ptr_equal(pb.told.peers[0], a);
	assert_string_equal(
	    registered(f, X), "192.0.2.1/1/100 192.0.2.2/1/100");
	assert_int_equal(put(f, &pa), ERR_OK); /* a refresh of its part */
	assert_false(pa.changed);
	assert_int_equal(f->x.map_server->n_registrations, 2);
	assert_int_equal(put(f, &pc), ERR_OK); /* not merged: replaces all */
	assert_int_equal(pc.told.n, 2);
	assert_int_equal(f->x.map_server->n_registrations, 1);
	assert_string_equal(registered(f, X), "192.0.2.3/1/100");
	assert_int_equal(put(f, &pb), ERR_OK); /* beside one that did not ask */
	assert_string_equal(registered(f, X), "192.0.2.2/1/100");
	assert_int_equal(a->refs + c->refs, 0);
}

static void
test_merge_bound(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i <= MS_MERGED_MAX; i++) {
		char rloc[32];
		struct put p = { .flags = MS_MERGE, .record = RECORD(X, rloc) };

		snprintf(rloc, sizeof(rloc), "192.0.2.%u", i + 1);
		p.peer = peer_of(f, "a", (uint8_t)(i + 1), rloc);
		assert_int_equal(
		    put(f, &p), i < MS_MERGED_MAX ? ERR_OK : ERR_FULL);
		assert_int_equal(p.told.n, i < MS_MERGED_MAX ? i : 0);
	}
	assert_int_equal(f->x.map_server->n_registrations, MS_MERGED_MAX);
}

/* registrations_max; what is there can still be changed and taken over. */
static void
test_bound(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *b = peer_of(f, "b", 2, "192.0.2.2");
	char eid[32];
	struct put p = { .peer = a, .record = RECORD(eid, "192.0.2.1") };

	for (unsigned i = 0; i <= 40; i++) {
		snprintf(eid, sizeof(eid), "10.7.1.%u/32", i);
		assert_int_equal(put(f, &p), i < 40 ? ERR_OK : ERR_FULL);
	}
	assert_string_equal(registered(f, eid), "");
	assert_int_equal(a->refs, 40);
	snprintf(eid, sizeof(eid), "10.7.1.0/32");
	p.record.locators[0] = "192.0.2.9";
	assert_int_equal(put(f, &p), ERR_OK);
	p.peer = b;
	assert_int_equal(put(f, &p), ERR_OK);
	p.flags = MS_MERGE;
	assert_int_equal(put(f, &p), ERR_OK);
	p.peer = a; /* beside it: one more */
	assert_int_equal(put(f, &p), ERR_FULL);
	assert_int_equal(f->x.map_server->n_registrations, 40);
}

/* Neither a second early nor late; a refresh in time keeps it. */
static void
test_lifetime(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	static const uint32_t lifetimes[] = { 1, 180, 511, 512, 513, 5000 };

	for (unsigned i = 0; i < sizeof(lifetimes) / sizeof(lifetimes[0]);
	     i++) {
		const int64_t ms = lifetimes[i] * INT64_C(1000);
		struct put p = { a, 0, lifetimes[i], RECORD(X, "192.0.2.1"),
			false, { 0 } };

		pass(f, 300); /* not on a second */
		assert_int_equal(put(f, &p), ERR_OK);
		pass(f, ms - 1);
		assert_string_not_equal(registered(f, X), "");
		assert_int_equal(put(f, &p), ERR_OK);
		pass(f, ms - 1);
		assert_string_not_equal(registered(f, X), "");
		pass(f, 1001);
		assert_string_equal(registered(f, X), "");
		assert_int_equal(f->x.counters.registrations_expired, i + 1);
		assert_int_equal(a->refs, 0);
	}
}

/* The rest of a chain hears that a part of it is over. */
static void
test_part_expires(void **state)
{
	struct fixture *f = *state;
	struct peer *a = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *b = peer_of(f, "a", 2, "192.0.2.2");
	struct put pa = { a, MS_MERGE, 10, RECORD(X, "192.0.2.1"), false,
		{ 0 } };
	struct put pb = { b, MS_MERGE, 60, RECORD(X, "192.0.2.2"), false,
		{ 0 } };

	assert_int_equal(put(f, &pa), ERR_OK);
	assert_int_equal(put(f, &pb), ERR_OK);
	pass(f, 11000);
	assert_string_equal(registered(f, X), "192.0.2.2/1/100");
	assert_true(f->n_sent > 0);
	assert_true(addr_equal(&f->sent[0].to, &b->addr));
	pass(f, 50000);
	assert_string_equal(registered(f, X), "");
}

/* A turn of the wheel looks at so many; the rest is not forgotten. */
static void
test_budget(void **state)
{
	struct fixture *f = *state;
	struct map_server *ms = f->x.map_server;
	char eid[32];
	struct put p = { .peer = peer_of(f, "a", 1, "192.0.2.1"),
		.lifetime_s = 5,
		.record = RECORD(eid, "192.0.2.1") };

	for (unsigned i = 0; i < 10; i++) {
		snprintf(eid, sizeof(eid), "10.7.1.%u/32", i);
		assert_int_equal(put(f, &p), ERR_OK);
	}
	loop_timer_cancel(ms->wheel_timer);
	clock_advance(&f->clock, 6000000);
	loop_poll(f->loop);
	ms_wheel_turn(ms, xtr_now(&f->x).us, 3);
	assert_int_equal(ms->n_registrations, 7);
	assert_non_null(ms->due);
	/* one of the rest goes by itself meanwhile */
	assert_true(ms_table_withdraw(ms, &ms->due->eid, p.peer));
	ms_wheel_turn(ms, xtr_now(&f->x).us, 100);
	assert_int_equal(ms->n_registrations, 0);
	assert_null(ms->due);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_put),
		T(test_replaced),
		T(test_same_site),
		T(test_merge),
		T(test_merge_bound),
		T(test_bound),
		T(test_lifetime),
		T(test_part_expires),
		T(test_budget),
	};

	return cmocka_run_group_tests_name("xtr/ms_table", tests, NULL, NULL);
}
