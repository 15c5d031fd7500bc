/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_notify.c - unsolicited Map-Notifies to who had registered before, and
 * their repetition until acknowledged.  RFC 9301 5.7.
 */
#include "ms_fixture.h"

/* Site a registers the EID, then site b. */
static void
move_to_b(struct fixture *f)
{
	assert_int_equal(
	    REG(f, .port = 4711,
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.1", "192.0.2.2/255" } } }),
	    ERR_OK);
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.1/255", "192.0.2.2" } } }),
	    ERR_OK);
}

static uint64_t
nonce_at(const struct fixture *f, unsigned i)
{
	struct map_notify m;

	assert_true(i < f->n_sent);
	assert_int_equal(
	    map_notify_decode(f->sent[i].bytes, f->sent[i].len, &m), ERR_OK);
	return m.nonce;
}

/* A Map-Notify-Ack of that nonce. */
static enum err
ack(struct fixture *f, uint64_t nonce, const char *secret, uint8_t key_id)
{
	struct auth_key key = { .key_id = key_id,
		.algorithm = AUTH_SHA256_128 };
	struct map_notify m = { .type = LISP_MAP_NOTIFY_ACK,
		.nonce = nonce,
		.auth = { .key_id = key_id,
		    .algorithm = AUTH_SHA256_128,
		    .len = 16 } };
	uint8_t bytes[256];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct datagram dg = { .bytes = bytes,
		.from = A("192.0.2.1"),
		.port = LISP_CONTROL_PORT };

	key.secret_len = (uint8_t)strlen(secret);
	memcpy(key.secret, secret, key.secret_len);
	map_notify_header(&w, &m);
	dg.len = wire_written(&w);
	assert_int_equal(auth_sign(bytes, dg.len, &key), ERR_OK);
	assert_int_equal(map_notify_decode(bytes, dg.len, &m), ERR_OK);
	return map_server_on_map_notify_ack(&f->x, &dg, &m);
}

static void
previous_registrant_is_told(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;

	move_to_b(f);
	assert_int_equal(f->n_sent, 2);
	/* To where it registered from, port 4342, under its own key. */
	m = notify_at(f, 0, "secret of a", 1);
	assert_true(addr_equal(
	    &f->sent[0].to, &(const struct addr[]){ A("192.0.2.1") }[0]));
	assert_int_equal(f->sent[0].port, LISP_CONTROL_PORT);
	assert_string_equal(record_text(&m.records),
	    "10.7.1.5/32 1440 A 192.0.2.1/255/100 192.0.2.2/1/100");
	assert_true(m.nonce > 1000000); /* greater than any it was sent */
	notify_at(f, 1, "secret of b", 2);
	assert_int_equal(f->x.counters.registrations_moved, 1);
}

static void
nobody_is_told_of_a_refresh(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(REG(f,
				     .records = { { .eid = "10.1.0.0/16",
					 .locators = { "192.0.2.1" } } }),
		    ERR_OK);
		assert_int_equal(f->n_sent, 1);
	}
	/* Nor of its own change. */
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1/2/3" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 1);
}

/* Two xTRs of one site that register the same set take turns. */
static void
same_site_same_set_is_no_move(void **state)
{
	struct fixture *f = *state;

	for (uint8_t i = 0; i < 6; i++) {
		assert_int_equal(
		    REG(f, .xtr_id = (uint8_t)(1 + i % 2),
			.records = { { .eid = "10.1.0.0/16",
			    .locators = { "192.0.2.1", "192.0.2.2" } } }),
		    ERR_OK);
		assert_int_equal(f->n_sent, 1);
	}
	/* Another weight is one. */
	assert_int_equal(
	    REG(f, .xtr_id = 3,
		.records = { { .eid = "10.1.0.0/16",
		    .locators = { "192.0.2.1", "192.0.2.2/1/50" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 2);
}

static void
repeated_until_given_up(void **state)
{
	/* Seconds from the first: 3 times 3, then 6, 12, 24. */
	static const unsigned at_s[] = { 3, 6, 9, 15, 27, 51 };
	struct fixture *f = *state;
	unsigned second = 0;
	uint64_t nonce;

	move_to_b(f);
	nonce = nonce_at(f, 0);
	for (size_t i = 0; i < sizeof(at_s) / sizeof(at_s[0]); i++) {
		pass(f, (at_s[i] - second) * 1000 - 1);
		assert_int_equal(f->n_sent, 0);
		pass(f, 1);
		assert_int_equal(f->n_sent, 1);
		assert_int_equal(nonce_at(f, 0), nonce);
		second = at_s[i];
	}
	pass(f, 24000);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(f->x.counters.map_notify_given_up, 1);
	assert_int_equal(f->x.map_server->notices.count, 0);
	pass(f, 60000);
	assert_int_equal(f->n_sent, 0);
}

static void
ack_ends_it(void **state)
{
	struct fixture *f = *state;
	uint64_t nonce;

	move_to_b(f);
	nonce = nonce_at(f, 0);
	assert_int_equal(ack(f, nonce + 1, "secret of a", 1), ERR_NONCE);
	assert_int_equal(ack(f, nonce, "wrong", 1), ERR_AUTH);
	assert_int_equal(ack(f, nonce, "secret of b", 2), ERR_KEY_UNKNOWN);
	pass(f, 3000);
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(ack(f, nonce, "secret of a", 1), ERR_OK);
	pass(f, 100000);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(ack(f, nonce, "secret of a", 1), ERR_NONCE);
}

static void
newer_state_cancels_the_older(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;
	uint64_t nonce;

	/* And back: a is the registrant, b is told, a not any more. */
	move_to_b(f);
	nonce = nonce_at(f, 0);
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.7.1.5",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 2);
	m = notify_at(f, 0, "secret of b", 2);
	assert_true(m.nonce > nonce);
	assert_string_equal(
	    record_text(&m.records), "10.7.1.5/32 1440 A 192.0.2.1/1/100");
	assert_int_equal(ack(f, nonce, "secret of a", 1), ERR_NONCE);
	pass(f, 3000);
	assert_int_equal(f->n_sent, 1);
	notify_at(f, 0, "secret of b", 2);
}

/* Who has not acknowledged hears of the next state instead. */
static void
pending_ones_hear_the_newest(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;
	uint64_t nonce;

	move_to_b(f);
	nonce = nonce_at(f, 0);
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.2/7" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 2);
	m = notify_at(f, 0, "secret of a", 1);
	assert_true(m.nonce > nonce);
	assert_string_equal(
	    record_text(&m.records), "10.7.1.5/32 1440 A 192.0.2.2/7/100");
	pass(f, 3000);
	assert_int_equal(f->n_sent, 1);
}

static void
withdrawal_and_expiry_cancel(void **state)
{
	struct fixture *f = *state;

	move_to_b(f);
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.2" },
		    .withdraw = true } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 1); /* the acknowledgement */
	pass(f, 100000);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(f->x.map_server->notices.count, 0);
}

static void
nonces_rise_over_restarts(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	for (unsigned i = 0; i < 3; i++) {
		move_to_b(f);
		assert_true(nonce_at(f, 0) > last);
		last = nonce_at(f, 0);
		fixture_clear(f);
		fixture_restart(f);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(previous_registrant_is_told),
		TEST(nobody_is_told_of_a_refresh),
		TEST(same_site_same_set_is_no_move),
		TEST(repeated_until_given_up),
		TEST(ack_ends_it),
		TEST(newer_state_cancels_the_older),
		TEST(pending_ones_hear_the_newest),
		TEST(withdrawal_and_expiry_cancel),
		TEST(nonces_rise_over_restarts),
	};

	return cmocka_run_group_tests_name("ms_notify", tests, NULL, NULL);
}
