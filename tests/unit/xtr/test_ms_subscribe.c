/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_subscribe.c - who may subscribe, what is published to whom and how
 * often.  RFC 9437 5, 6.
 */
#include "ms_fixture.h"

#include "xtr/ms_subscribe.h"

#define ITR "203.0.113.9"
#define ITR2 "203.0.113.10"

static const char pubsub_yaml[] =
    "  pubsub:\n"
    "    subscriptions-max: 6\n"
    "    subscriptions-per-xtr: 4\n"
    "    subscribers:\n"
    "      - { name: one, xtr-id: 01010101-0101-0101-0101-010101010101,\n"
    "          key-id: 31, key-file: key-a, sources: [ " ITR " ],\n"
    "          rlocs: [ " ITR ", " ITR2 " ] }\n"
    "      - { name: two, xtr-id: 02020202-0202-0202-0202-020202020202,\n"
    "          key-id: 32, key-file: key-b, sources: [ " ITR " ] }\n";

static int
setup_pubsub(void **state)
{
	char text[4096];

	if (fixture_setup(state))
		return -1;
	snprintf(text, sizeof(text), "%s%s", fixture_yaml, pubsub_yaml);
	fixture_conf(*state, text);
	return 0;
}

static void
put(struct fixture *f, const char *eid, const char *rloc)
{
	assert_int_equal(
	    REG(f, .no_notify = true,
		.records = { { .eid = eid, .locators = { rloc } } }),
	    ERR_OK);
}

static void
withdraw(struct fixture *f, const char *eid)
{
	assert_int_equal(REG(f, .no_notify = true,
			     .records = { { .eid = eid, .withdraw = true } }),
	    ERR_OK);
}

/* The only message sent since the last step: "records | records". */
static const char *
told(struct fixture *f, const char *to, uint64_t nonce)
{
	static char text[2048];
	struct map_notify m;
	size_t n;

	assert_int_equal(f->n_sent, 1);
	assert_true(
	    addr_equal(&f->sent[0].to, &(const struct addr[]){ A(to) }[0]));
	assert_int_equal(f->sent[0].port, LISP_CONTROL_PORT);
	m = notify_at(f, 0, "secret of a", 31);
	assert_true(m.nonce == nonce);
	n = (size_t)snprintf(text, sizeof(text), "%s", record_text(&m.records));
	while (m.records.left)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " | %s",
		    record_text(&m.records));
	return text;
}

/* Acknowledges the 'i'th message sent. */
static enum err
ack_of(struct fixture *f, unsigned i, const char *secret, uint8_t key_id)
{
	struct auth_key key = { .key_id = key_id,
		.algorithm = AUTH_SHA256_128 };
	uint8_t bytes[2048];
	struct datagram dg = { .bytes = bytes,
		.len = f->sent[i].len,
		.from = f->sent[i].to,
		.port = LISP_CONTROL_PORT };
	struct map_notify m;
	enum err err;

	key.secret_len = (uint8_t)strlen(secret);
	memcpy(key.secret, secret, key.secret_len);
	memcpy(bytes, f->sent[i].bytes, dg.len);
	bytes[0] = LISP_MAP_NOTIFY_ACK << 4 | (bytes[0] & 15);
	bytes[12] = key_id;
	memset(bytes + 16, 0, 16);
	assert_int_equal(auth_sign(bytes, dg.len, &key), ERR_OK);
	assert_int_equal(map_notify_decode(bytes, dg.len, &m), ERR_OK);
	err = map_server_on_map_notify_ack(&f->x, &dg, &m);
	input_turn_end(&f->x);
	return err;
}

static void
acked(struct fixture *f)
{
	assert_int_equal(ack_of(f, 0, "secret of a", 31), ERR_OK);
}

/* Subscribes xTR 1 with nonce 100; what it is told. */
static const char *
subscribe(struct fixture *f, const char *eid)
{
	const char *text;

	assert_int_equal(
	    ASK(f, .eid = eid, .subscribe = 1, .nonce = 100), ERR_OK);
	pass(f, 1);
	text = told(f, ITR, 100);
	acked(f);
	return text;
}

struct find {
	struct eid eid;
	const char *state;
};

static bool
find_row(void *arg, const struct ms_sub_row *r)
{
	struct find *f = arg;

	if (eid_equal(&r->eid, &f->eid))
		f->state = r->state;
	return true;
}

static const char *
state_of(struct fixture *f, const char *eid)
{
	struct find s = { .eid = E(eid), .state = "none" };

	map_server_subs_walk(&f->x, find_row, &s);
	return s.state;
}

static void
confirmed_and_published(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	assert_string_equal(
	    subscribe(f, "10.1.2.5"), "10.1.2.0/24 1440 A 192.0.2.1/1/100");
	assert_string_equal(state_of(f, "10.1.2.0/24"), "active");
	/* A refresh is no news. */
	put(f, "10.1.2.0/24", "192.0.2.1");
	pass(f, 1);
	assert_int_equal(f->n_sent, 0);
	put(f, "10.1.2.0/24", "192.0.2.1/2");
	pass(f, 1);
	assert_string_equal(
	    told(f, ITR, 101), "10.1.2.0/24 1440 A 192.0.2.1/2/100");
	acked(f);
	pass(f, 60000);
	assert_int_equal(f->n_sent, 0);
	/* A more-specific comes, and goes. */
	put(f, "10.1.2.7", "192.0.2.9");
	pass(f, 1);
	assert_string_equal(
	    told(f, ITR, 102), "10.1.2.7/32 1440 A 192.0.2.9/1/100");
	acked(f);
	withdraw(f, "10.1.2.7");
	pass(f, 1);
	assert_string_equal(told(f, ITR, 103), "10.1.2.7/32 0");
	acked(f);
	/* And the mapping itself: the subscription ends with it. */
	withdraw(f, "10.1.2.0/24");
	pass(f, 1);
	assert_string_equal(told(f, ITR, 104), "10.1.2.0/24 0");
	acked(f);
	assert_string_equal(state_of(f, "10.1.2.0/24"), "ended");
}

/* The one that expires is published as well. */
static void
expiry(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	subscribe(f, "10.1.2.5");
	pass(f, (REGISTER_EXPIRY_S + 2) * 1000);
	assert_true(f->n_sent > 0);
	assert_string_equal(registered(f, "10.1.2.0/24"), "");
	acked(f);
	assert_string_equal(state_of(f, "10.1.2.0/24"), "ended");
}

/* What is newer says what was not acknowledged, too. */
static void
superseded(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	subscribe(f, "10.1.2.5");
	put(f, "10.1.2.7", "192.0.2.9");
	pass(f, 1);
	told(f, ITR, 101);
	put(f, "10.1.2.8", "192.0.2.9");
	pass(f, 1);
	assert_string_equal(told(f, ITR, 102),
	    "10.1.2.7/32 1440 A 192.0.2.9/1/100 | "
	    "10.1.2.8/32 1440 A 192.0.2.9/1/100");
	put(f, "10.1.2.7", "192.0.2.10");
	pass(f, 1);
	assert_string_equal(told(f, ITR, 103),
	    "10.1.2.7/32 1440 A 192.0.2.10/1/100 | "
	    "10.1.2.8/32 1440 A 192.0.2.9/1/100");
	acked(f);
	pass(f, 60000);
	assert_int_equal(f->n_sent, 0);
}

/* RFC 9301 5.7: six more times, its RLOCs in turn; then it is over. */
static void
given_up(void **state)
{
	static const int after_s[] = { 3, 3, 3, 6, 12, 24 };
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	assert_int_equal(ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = 100,
			     .itr_rlocs = { ITR, ITR2 }),
	    ERR_OK);
	pass(f, 1);
	acked(f);
	put(f, "10.1.2.0/24", "192.0.2.7");
	pass(f, 1);
	told(f, ITR, 101);
	for (unsigned i = 0; i < 6; i++) {
		pass(f, after_s[i] * 1000 - 2);
		assert_int_equal(f->n_sent, 0);
		pass(f, 2);
		assert_string_equal(told(f, i % 2 ? ITR : ITR2, 101),
		    "10.1.2.0/24 1440 A 192.0.2.7/1/100");
		REG(f, .no_notify = true,
		    .records = { { .eid = "10.1.2.0/24",
			.locators = { "192.0.2.7" } } });
	}
	pass(f, 24000);
	assert_string_equal(told(f, ITR, 101), "10.1.2.0/24 1 act5");
	assert_string_equal(state_of(f, "10.1.2.0/24"), "ended");
	assert_int_equal(f->x.counters.publication_given_up, 1);
	/* Its Ack is no surprise, and a new one needs a greater nonce. */
	acked(f);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = 101),
	    ERR_REPLAY);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = 102), ERR_OK);
}

static void
who_may(void **state)
{
	struct fixture *f = *state;
	struct map_reply m;

	put(f, "10.1.2.0/24", "192.0.2.1");
	/* No key: ACT 5.  Not from there, not to there: ACT 4. */
	ASK(f, .eid = "10.1.2.5", .subscribe = 9);
	m = reply_sent(f, ITR);
	assert_string_equal(record_text(&m.records), "10.1.2.5/32 1 act5");
	ASK(f, .eid = "10.1.2.6", .subscribe = 1, .from = "203.0.113.77");
	m = reply_sent(f, ITR);
	assert_string_equal(record_text(&m.records), "10.1.2.6/32 1 act4");
	ASK(f, .eid = "10.1.2.7", .subscribe = 1,
	    .itr_rlocs = { "203.0.113.77" });
	m = reply_sent(f, "203.0.113.77");
	assert_string_equal(record_text(&m.records), "10.1.2.7/32 1 act4");
	assert_int_equal(f->x.counters.subscriptions_refused, 3);
	assert_int_equal(map_server_subs_count(&f->x), 0);
	/* Not published with another's key, nor acknowledged. */
	ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = 100);
	pass(f, 1);
	assert_int_equal(ack_of(f, 0, "secret of b", 32), ERR_KEY_UNKNOWN);
	assert_int_equal(ack_of(f, 0, "secret of b", 31), ERR_AUTH);
	assert_string_equal(state_of(f, "10.1.2.0/24"), "confirming");
	acked(f);
	assert_string_equal(state_of(f, "10.1.2.0/24"), "active");
}

/* Not greater, as serial numbers: dropped without a word. */
static void
replays(void **state)
{
	struct fixture *f = *state;
	const uint64_t high = UINT64_MAX - 1;

	put(f, "10.1.2.0/24", "192.0.2.1");
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = high), ERR_OK);
	pass(f, 1);
	told(f, ITR, high);
	acked(f);
	fixture_clear(f);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = high),
	    ERR_REPLAY);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = high - 5),
	    ERR_REPLAY);
	pass(f, 1);
	assert_int_equal(f->n_sent, 0);
	/* 2^64 - 1, then 1: never 0. */
	put(f, "10.1.2.0/24", "192.0.2.7");
	pass(f, 1);
	told(f, ITR, UINT64_MAX);
	acked(f);
	put(f, "10.1.2.0/24", "192.0.2.8");
	pass(f, 1);
	told(f, ITR, 1);
	acked(f);
	/* What ended keeps its nonce, also through a restart. */
	assert_int_equal(ASK(f, .eid = "10.1.2.0/24", .subscribe = 1,
			     .nonce = 2, .leave = true),
	    ERR_OK);
	told(f, ITR, 2);
	fixture_restart(f);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = 2), ERR_REPLAY);
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.5", .subscribe = 1, .nonce = 3), ERR_OK);
}

static void
leaving(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	subscribe(f, "10.1.2.5");
	assert_int_equal(ASK(f, .eid = "10.1.2.0/24", .subscribe = 1,
			     .nonce = 100, .leave = true),
	    ERR_REPLAY);
	assert_int_equal(ASK(f, .eid = "10.1.2.0/24", .subscribe = 1,
			     .nonce = 101, .leave = true),
	    ERR_OK);
	assert_string_equal(told(f, ITR, 101), "10.1.2.0/24 0");
	assert_string_equal(state_of(f, "10.1.2.0/24"), "ended");
	put(f, "10.1.2.0/24", "192.0.2.2");
	pass(f, 60000);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(ASK(f, .eid = "10.1.9.0/24", .subscribe = 1,
			     .nonce = 101, .leave = true),
	    ERR_NOT_FOUND);
}

/* Nothing there: for a quarter of an hour, or until it is registered. */
static void
temporary(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(subscribe(f, "10.7.1.5"), "10.7.1.5/32 1 act2");
	put(f, "10.7.1.5", "192.0.2.1");
	pass(f, 1);
	assert_string_equal(
	    told(f, ITR, 101), "10.7.1.5/32 1440 A 192.0.2.1/1/100");
	acked(f);
	assert_string_equal(subscribe(f, "10.1.3.9"), "10.1.0.0/16 1 act1");
	/* Inside of it. */
	put(f, "10.1.200.0/24", "192.0.2.1");
	pass(f, 1);
	assert_string_equal(
	    told(f, ITR, 101), "10.1.200.0/24 1440 A 192.0.2.1/1/100");
	acked(f);
	pass(f, PUBSUB_TEMPORARY_S * 1000);
	assert_string_equal(state_of(f, "10.1.0.0/16"), "ended");
}

/* A subscription that lives on a mapping around it. */
static void
covering_mapping(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	put(f, "10.1.2.7", "192.0.2.9");
	assert_int_equal(
	    ASK(f, .eid = "10.1.2.7", .subscribe = 1, .nonce = 100), ERR_OK);
	pass(f, 1);
	acked(f);
	/* It goes; what covers it stands in, and is followed. */
	withdraw(f, "10.1.2.7");
	pass(f, 1);
	assert_string_equal(
	    told(f, ITR, 101), "10.1.2.7/32 1440 A 192.0.2.1/1/100");
	acked(f);
	put(f, "10.1.2.0/24", "192.0.2.8");
	pass(f, 1);
	assert_string_equal(
	    told(f, ITR, 102), "10.1.2.7/32 1440 A 192.0.2.8/1/100");
	acked(f);
	withdraw(f, "10.1.2.0/24");
	pass(f, 1);
	assert_string_equal(told(f, ITR, 103), "10.1.2.7/32 0");
}

/* With its more-specifics, as a Map-Reply (RFC 9301 5.5). */
static void
overlapping(void **state)
{
	struct fixture *f = *state;

	put(f, "10.1.2.0/24", "192.0.2.1");
	put(f, "10.1.2.7", "192.0.2.9");
	assert_string_equal(subscribe(f, "10.1.2.5"),
	    "10.1.2.0/24 1440 A 192.0.2.1/1/100 | "
	    "10.1.2.7/32 1440 A 192.0.2.9/1/100");
}

/* At the bound as without the wish: forwarded, or answered in place. */
static void
bounds(void **state)
{
	struct fixture *f = *state;
	char eid[32];

	for (unsigned i = 0; i < 6; i++) {
		snprintf(eid, sizeof(eid), "10.7.1.%u", i + 1);
		assert_int_equal(
		    ASK(f, .eid = eid, .subscribe = 1, .nonce = 100), ERR_OK);
		if (i >= 4)
			reply_sent(f, ITR);
	}
	assert_int_equal(map_server_subs_count(&f->x), 4);
	assert_int_equal(f->x.counters.subscriptions_full, 2);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(eid, sizeof(eid), "10.7.1.%u", i + 1);
		assert_int_equal(
		    ASK(f, .eid = eid, .subscribe = 2, .nonce = 100), ERR_OK);
	}
	assert_int_equal(map_server_subs_count(&f->x), 6);
	/* Nobody acknowledges; those that ended give way. */
	pass(f, 120000);
	assert_string_equal(state_of(f, "10.7.1.1"), "ended");
	assert_int_equal(
	    ASK(f, .eid = "10.7.1.9", .subscribe = 1, .nonce = 100), ERR_OK);
	assert_int_equal(map_server_subs_count(&f->x), 6);
	assert_string_equal(state_of(f, "10.7.1.9"), "confirming");
}

/* So many a second and no more. */
static void
pace(void **state)
{
	struct fixture *f = *state;
	char text[4096], eid[32];

	snprintf(
	    text, sizeof(text), "%s%s    rate: 2\n", fixture_yaml, pubsub_yaml);
	fixture_conf(f, text);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(eid, sizeof(eid), "10.7.1.%u", i + 1);
		assert_int_equal(
		    ASK(f, .eid = eid, .subscribe = 1, .nonce = 100), ERR_OK);
	}
	pass(f, 0);
	assert_int_equal(f->n_sent, 2);
	pass(f, 501);
	assert_int_equal(f->n_sent, 1);
	pass(f, 501);
	assert_int_equal(f->n_sent, 1);
}

static void
off_by_reload(void **state)
{
	struct fixture *f = *state;
	struct map_reply m;

	put(f, "10.1.2.0/24", "192.0.2.1");
	subscribe(f, "10.1.2.5");
	fixture_conf(f, fixture_yaml);
	assert_string_equal(state_of(f, "10.1.2.0/24"), "ended");
	put(f, "10.1.2.0/24", "192.0.2.2");
	pass(f, 10000);
	assert_int_equal(f->n_sent, 0);
	/* The wish is ignored. */
	assert_int_equal(
	    ASK(f, .eid = "10.1.9.9", .subscribe = 1, .nonce = 500), ERR_OK);
	m = reply_sent(f, ITR);
	assert_true(m.nonce == 500);
}

/* A Map-Resolver in front answers for who subscribes through it. */
static void
forwarded(void **state)
{
	static const char yaml[] =
	    "map-resolver: { forward-to: [ 198.51.100.7 ],\n"
	    "    pubsub-sources: [ " ITR " ] }\n";
	struct fixture *f = *state;
	struct map_reply m;

	fixture_conf(f, yaml);
	assert_int_equal(ASK(f, .eid = "10.9.9.9", .subscribe = 1), ERR_OK);
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(msg_type(f->sent[0].bytes, f->sent[0].len), LISP_ECM);
	assert_int_equal(
	    ASK(f, .eid = "10.9.9.9", .subscribe = 1, .from = "203.0.113.77"),
	    ERR_OK);
	m = reply_sent(f, ITR);
	assert_string_equal(record_text(&m.records), "10.9.9.9/32 1 act4");
}

#define TEST(t) \
	cmocka_unit_test_setup_teardown(t, setup_pubsub, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(confirmed_and_published),
		TEST(expiry),
		TEST(superseded),
		TEST(given_up),
		TEST(who_may),
		TEST(replays),
		TEST(leaving),
		TEST(temporary),
		TEST(covering_mapping),
		TEST(overlapping),
		TEST(bounds),
		TEST(pace),
		TEST(off_by_reload),
		TEST(forwarded),
	};

	return cmocka_run_group_tests_name("ms_subscribe", tests, NULL, NULL);
}
