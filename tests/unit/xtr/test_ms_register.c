/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_register.c - Map-Register: key, nonce, authority, expiry, merge,
 * withdrawal.  RFC 9301 5.6, 5.7, 8.2.
 */
#include "ms_fixture.h"

static void
registers_and_notifies(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;

	assert_int_equal(REG(f, .nonce = 5000, .port = 4711,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" },
				 .local = true } }),
	    ERR_OK);
	assert_string_equal(registered(f, "10.1.0.0/16"), "192.0.2.1/1/100");
	assert_int_equal(f->n_sent, 1);
	m = notify_at(f, 0, "secret of a", 1);
	assert_int_equal(m.nonce, 5000);
	assert_int_equal(f->sent[0].port, 4711);
	assert_int_equal(m.n_records, 1);
	assert_string_equal(
	    record_text(&m.records), "10.1.0.0/16 1440 A 192.0.2.1/1/100L");
}

static void
no_notify_unless_wanted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f, .no_notify = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(map_server_count(&f->x), 1);
}

static void
every_algorithm_answers_in_kind(void **state)
{
	static const struct {
		uint8_t algorithm, len, sent;
	} rows[] = { { AUTH_SHA256_128, 0, 16 }, { AUTH_SHA256_128, 32, 32 },
		{ AUTH_SHA256_128_HKDF, 0, 16 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum err err = REG(f, .algorithm = rows[i].algorithm,
		    .auth_len = rows[i].len,
		    .records = { { .eid = "10.1.0.0/16",
			.locators = { "192.0.2.1" } } });
		struct map_notify m;

		if (err == ERR_ALGORITHM)
			continue; /* the key is for one only */
		assert_int_equal(err, ERR_OK);
		m = notify_at(f, 0, "secret of a", 1);
		assert_int_equal(m.auth.algorithm, rows[i].algorithm);
		assert_int_equal(m.auth.len, rows[i].sent);
	}
}

static void
wrong_key_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.66" } };

	assert_int_equal(REG(f, .key = "wrong", .records = { r }), ERR_AUTH);
	assert_int_equal(
	    REG(f, .key_id = 9, .records = { r }), ERR_KEY_UNKNOWN);
	assert_int_equal(
	    REG(f, .algorithm = AUTH_SHA1_96, .records = { r }), ERR_ALGORITHM);
	/* The key of another site, for a prefix of site a. */
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .records = { r }),
	    ERR_KEY_UNKNOWN);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(map_server_count(&f->x), 0);
	/* Nor did they touch the nonce. */
	assert_int_equal(REG(f, .nonce = 1, .records = { r }), ERR_OK);
}

/*
 * An xTR changes its key: the registration stays one, the nonces of each key
 * are counted by themselves (RFC 9301 5.6), each is answered under its own.
 */
static void
key_changes(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.1" } };
	struct map_notify m;

	assert_int_equal(
	    REG(f, .xtr_id = 7, .nonce = 500, .records = { r }), ERR_OK);
	assert_int_equal(
	    notify_at(f, 0, "secret of a", 1).auth.algorithm, AUTH_SHA256_128);
	fixture_clear(f);
	assert_int_equal(
	    REG(f, .xtr_id = 7, .nonce = 10, .key = "new one of a", .key_id = 5,
		.algorithm = AUTH_SHA256_128_HKDF, .records = { r }),
	    ERR_OK);
	m = notify_at(f, 0, "new one of a", 5);
	assert_int_equal(m.auth.algorithm, AUTH_SHA256_128_HKDF);
	assert_int_equal(f->n_sent, 1); /* nobody else is told of it */
	assert_int_equal(map_server_count(&f->x), 1);
	assert_int_equal(
	    REG(f, .xtr_id = 7, .nonce = 499, .records = { r }), ERR_REPLAY);
	/* The new key's id with the old secret, and the reverse. */
	assert_int_equal(
	    REG(f, .xtr_id = 7, .key_id = 5, .algorithm = AUTH_SHA256_128_HKDF,
		.records = { r }),
	    ERR_AUTH);
	assert_int_equal(
	    REG(f, .xtr_id = 7, .key = "new one of a", .records = { r }),
	    ERR_AUTH);
}

static void
no_prefix_no_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f,
			     .records = { { .eid = "10.99.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_KEY_UNKNOWN);
	assert_int_equal(f->n_sent, 0);
}

static void
sources_are_checked(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.3.0.0/16",
		.locators = { "192.0.2.3" } };

	assert_int_equal(REG(f, .key = "secret of c", .key_id = 3,
			     .from = "192.0.2.4", .records = { r }),
	    ERR_SOURCE);
	assert_int_equal(REG(f, .key = "secret of c", .key_id = 3,
			     .from = "192.0.2.3", .records = { r }),
	    ERR_OK);
}

/* Two sites have the prefix: the key tells which it was, and answers. */
static void
the_verifying_key_is_kept(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	notify_at(f, 0, "secret of b", 2);
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.7.1.6",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	notify_at(f, 0, "secret of a", 1);
}

static void
four_keys_are_tried_at_most(void **state)
{
	struct fixture *f = *state;
	char yaml[2048] = "map-server:\n  sites:\n";
	unsigned accepted = 0;

	for (unsigned i = 0; i < 6; i++) {
		char line[256], name[16], secret[16];

		snprintf(name, sizeof(name), "key-%u", i);
		snprintf(secret, sizeof(secret), "secret %u\n", i);
		fixture_write(f, name, secret);
		snprintf(line, sizeof(line),
		    "    - { name: s%u, key-id: 1, key-file: key-%u, prefixes: "
		    "[ { prefix: 10.0.0.0/%u,\n"
		    "        accept-more-specifics: true } ] }\n",
		    i, i, 8 + i);
		strcat(yaml, line);
	}
	fixture_conf(f, yaml);
	for (unsigned i = 0; i < 6; i++) {
		char secret[16];
		enum err err;

		snprintf(secret, sizeof(secret), "secret %u", i);
		err = REG(f, .key = secret,
		    .records = { { .eid = "10.0.0.0/24",
			.locators = { "192.0.2.1" } } });
		assert_true(err == ERR_OK || err == ERR_AUTH);
		accepted += err == ERR_OK;
	}
	assert_int_equal(accepted, MS_KEYS_TRIED);
	for (unsigned i = 0; i < 6; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/key-%u", f->folder, i);
		unlink(path);
	}
}

static void
records_outside_are_refused_one_by_one(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;

	assert_int_equal(
	    REG(f,
		.records = { { .eid = "10.1.1.0/24",
				 .locators = { "192.0.2.1" } },
		    { .eid = "10.2.0.0/16", .locators = { "192.0.2.1" } },
		    { .eid = "10.1.2.0/24", .locators = { "192.0.2.1" } } }),
	    ERR_POLICY);
	assert_string_equal(registered(f, "10.1.1.0/24"), "192.0.2.1/1/100");
	assert_string_equal(registered(f, "10.2.0.0/16"), "");
	assert_string_equal(registered(f, "10.1.2.0/24"), "192.0.2.1/1/100");
	m = notify_at(f, 0, "secret of a", 1);
	assert_int_equal(m.n_records, 2);
	record_text(&m.records);
	assert_string_equal(
	    record_text(&m.records), "10.1.2.0/24 1440 A 192.0.2.1/1/100");
	assert_int_equal(f->x.counters.registrations_refused, 1);
	/* A foreign one first: the others tell the site. */
	assert_int_equal(
	    REG(f,
		.records = { { .eid = "10.2.0.0/16",
				 .locators = { "192.0.2.1" } },
		    { .eid = "10.1.3.0/24", .locators = { "192.0.2.1" } } }),
	    ERR_POLICY);
	assert_string_equal(registered(f, "10.1.3.0/24"), "192.0.2.1/1/100");
}

static void
more_specifics_only_where_accepted(void **state)
{
	struct fixture *f = *state;
	const struct reg g = { .key = "secret of b",
		.key_id = 2,
		.records = {
		    { .eid = "10.2.1.0/24", .locators = { "192.0.2.2" } } } };

	assert_int_equal(reg(f, &g), ERR_POLICY);
	assert_int_equal(f->n_sent, 0); /* nothing accepted, no Map-Notify */
	assert_int_equal(map_server_count(&f->x), 0);
	/* And a shorter one never. */
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.0.0.0/8",
				 .locators = { "192.0.2.1" } } }),
	    ERR_KEY_UNKNOWN);
}

static void
other_instance_is_another_prefix(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f,
			     .records = { { .eid = "[7]10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_KEY_UNKNOWN);
}

/* An EID of a kind that we do not know: the whole message goes. */
static void
unknown_eid_drops_the_message(void **state)
{
	struct fixture *f = *state;
	static const uint8_t name[] = { 0, 17, 'x', 0 };
	uint8_t bytes[1024];
	struct auth_key key = { .key_id = 1, .algorithm = AUTH_SHA256_128 };
	struct map_register m = { .want_notify = true,
		.nonce = 9000,
		.auth = { .key_id = 1,
		    .algorithm = AUTH_SHA256_128,
		    .len = 16 },
		.n_records = 2 };
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct mapping map;

	memcpy(key.secret, "secret of a", key.secret_len = 11);
	map_register_header(&w, &m);
	record_make(&(const struct record_of){ .eid = "10.1.0.0/16",
			.locators = { "192.0.2.1" } },
	    &map);
	mapping_encode(&w, &map);
	map.eid =
	    (struct lisp_addr){ .opaque = name, .opaque_len = sizeof(name) };
	map.eid_bits = 16;
	mapping_encode(&w, &map);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(bytes, wire_written(&w), &key), ERR_OK);
	assert_int_equal(receive_register(f, NULL, 0, bytes, wire_written(&w)),
	    ERR_UNSUPPORTED);
	assert_int_equal(map_server_count(&f->x), 0);
	assert_int_equal(f->n_sent, 0);
}

static void
too_many_locators_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    REG(f,
		.records = { { .eid = "10.1.0.0/16",
		    .locators = { "192.0.2.1", "192.0.2.2", "192.0.2.3",
			"192.0.2.4", "192.0.2.5" } } }),
	    ERR_FULL);
	assert_int_equal(map_server_count(&f->x), 0);
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1", "192.0.2.2",
				     "192.0.2.3", "192.0.2.4" } } }),
	    ERR_OK);
}

static void
registrations_are_bounded(void **state)
{
	struct fixture *f = *state;
	char eid[32];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(eid, sizeof(eid), "10.1.2.%u", i);
		assert_int_equal(REG(f,
				     .records = { { .eid = eid,
					 .locators = { "192.0.2.1" } } }),
		    ERR_OK);
	}
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.1.3.1",
				 .locators = { "192.0.2.1" } } }),
	    ERR_FULL);
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(map_server_count(&f->x), 40);
	/* Those that are in stay, and may change. */
	assert_int_equal(REG(f,
			     .records = { { .eid = "10.1.2.39",
				 .locators = { "192.0.2.9" } } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 1);
}

static void
nonce_must_rise(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.1" } };
	const struct record_of other = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.6" } };

	assert_int_equal(REG(f, .nonce = 100, .records = { r }), ERR_OK);
	assert_int_equal(REG(f, .nonce = 99, .records = { other }), ERR_REPLAY);
	assert_int_equal(
	    REG(f, .nonce = 100, .records = { other }), ERR_REPLAY);
	assert_string_equal(registered(f, "10.1.0.0/16"), "192.0.2.1/1/100");
	assert_int_equal(f->n_sent, 0);
	assert_int_equal(REG(f, .nonce = 101, .records = { other }), ERR_OK);
	/* It is of the xTR, not of the EID. */
	assert_int_equal(
	    REG(f, .nonce = 50, .records = { { .eid = "10.1.5.0/24" } }),
	    ERR_REPLAY);
}

static void
nonce_is_per_xtr_id_else_source(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.1" } };

	assert_int_equal(
	    REG(f, .nonce = 100, .xtr_id = 1, .records = { r }), ERR_OK);
	assert_int_equal(
	    REG(f, .nonce = 10, .xtr_id = 2, .records = { r }), ERR_OK);
	assert_int_equal(REG(f, .nonce = 10, .records = { r }), ERR_OK);
	assert_int_equal(
	    REG(f, .nonce = 10, .from = "192.0.2.9", .records = { r }), ERR_OK);
	/* With an xTR-ID the source does not matter. */
	assert_int_equal(REG(f, .nonce = 99, .xtr_id = 1, .from = "192.0.2.8",
			     .records = { r }),
	    ERR_REPLAY);
	assert_int_equal(REG(f, .nonce = 9, .records = { r }), ERR_REPLAY);
}

static void
nonce_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	const struct reg g = { .nonce = 100,
		.xtr_id = 1,
		.records = {
		    { .eid = "10.1.0.0/16", .locators = { "192.0.2.1" } } } };

	assert_int_equal(reg(f, &g), ERR_OK);
	fixture_restart(f);
	assert_int_equal(REG(f, .nonce = 99, .xtr_id = 1,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "1.2.3.4" } } }),
	    ERR_REPLAY);
	assert_int_equal(reg(f, &g), ERR_OK); /* a copy */
	assert_int_equal(f->n_sent, 1);
}

static void
copy_gets_the_same_notify(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[1024], first[1024];
	size_t len = reg_encode(f,
	    &(const struct reg){ .records = { { .eid = "10.1.0.0/16",
						  .locators = { "192.0.2.1" } },
				     { .eid = "10.1.7.0/24",
					 .locators = { "192.0.2.1" },
					 .withdraw = true } } },
	    bytes, sizeof(bytes));
	size_t first_len;

	assert_int_equal(receive_register(f, NULL, 0, bytes, len), ERR_OK);
	assert_int_equal(f->n_sent, 1);
	first_len = f->sent[0].len;
	memcpy(first, f->sent[0].bytes, first_len);
	pass(f, 1000);
	assert_int_equal(receive_register(f, NULL, 0, bytes, len), ERR_OK);
	assert_int_equal(f->n_sent, 1);
	assert_int_equal(f->sent[0].len, first_len);
	assert_memory_equal(f->sent[0].bytes, first, first_len);
	/* At most once a second. */
	pass(f, 999);
	assert_int_equal(receive_register(f, NULL, 0, bytes, len), ERR_RATE);
	assert_int_equal(f->n_sent, 0);
	pass(f, 1);
	assert_int_equal(receive_register(f, NULL, 0, bytes, len), ERR_OK);
	assert_int_equal(f->n_sent, 1);
}

static void
copy_extends_nothing(void **state)
{
	struct fixture *f = *state;
	const struct reg g = { .nonce = 100,
		.records = {
		    { .eid = "10.1.0.0/16", .locators = { "192.0.2.1" } } } };

	assert_int_equal(reg(f, &g), ERR_OK);
	pass(f, 170000);
	assert_int_equal(reg(f, &g), ERR_OK);
	pass(f, 11000);
	assert_int_equal(map_server_count(&f->x), 0);
	/* And brings nothing back. */
	assert_int_equal(reg(f, &g), ERR_OK);
	assert_int_equal(map_server_count(&f->x), 0);
	assert_int_equal(f->n_sent, 0);
}

static void
old_peers_repeat_their_nonce(void **state)
{
	struct fixture *f = *state;
	const struct reg g = { .key_id = 4,
		.zero_nonce = true,
		.records = {
		    { .eid = "10.4.0.0/16", .locators = { "192.0.2.1" } } } };

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(reg(f, &g), ERR_OK);
		assert_int_equal(f->n_sent, 1);
		pass(f, 100000);
		assert_int_equal(map_server_count(&f->x), 1);
	}
}

static void
expires_without_refresh(void **state)
{
	struct fixture *f = *state;
	const struct record_of r = { .eid = "10.1.0.0/16",
		.locators = { "192.0.2.1" } };

	assert_int_equal(REG(f, .records = { r }), ERR_OK);
	pass(f, 179000);
	assert_int_equal(map_server_count(&f->x), 1);
	pass(f, 1000);
	assert_int_equal(map_server_count(&f->x), 0);
	assert_int_equal(f->x.counters.registrations_expired, 1);
	/* A refresh extends it, by no second less. */
	assert_int_equal(REG(f, .records = { r }), ERR_OK);
	pass(f, 1000);
	assert_int_equal(REG(f, .records = { r }), ERR_OK);
	pass(f, 179900);
	assert_int_equal(map_server_count(&f->x), 1);
	pass(f, 1000);
	assert_int_equal(map_server_count(&f->x), 0);
	assert_int_equal(REG(f, .records = { r }), ERR_OK);
	for (unsigned i = 0; i < 20; i++) {
		pass(f, 60000);
		assert_int_equal(REG(f, .records = { r }), ERR_OK);
	}
	pass(f, 179000);
	assert_int_equal(map_server_count(&f->x), 1);
	pass(f, 2000);
	assert_int_equal(map_server_count(&f->x), 0);
}

static void
t_bit_expires_by_record_ttl(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f, .use_ttl = true,
			     .records = { { .eid = "10.1.1.0/24",
					      .locators = { "192.0.2.1" },
					      .ttl_min = 1 },
				 { .eid = "10.1.2.0/24",
				     .locators = { "192.0.2.1" },
				     .ttl_min = 20 },
				 { .eid = "10.1.3.0/24",
				     .locators = { "192.0.2.1" },
				     .ttl_min = 9999999 } }),
	    ERR_OK);
	pass(f, 61000);
	assert_string_equal(registered(f, "10.1.1.0/24"), "");
	pass(f, 19 * 60000 - 2000);
	assert_string_equal(registered(f, "10.1.2.0/24"), "192.0.2.1/1/100");
	pass(f, 2000);
	assert_string_equal(registered(f, "10.1.2.0/24"), "");
	/* Absurd ones are bounded by a week. */
	pass(f, INT64_C(7) * 86400 * 1000);
	assert_int_equal(map_server_count(&f->x), 0);
}

static void
withdrawn_by_the_registrant(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;

	assert_int_equal(REG(f, .xtr_id = 1,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	/* From another address of the same xTR. */
	assert_int_equal(REG(f, .xtr_id = 1, .from = "192.0.2.5",
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" },
				 .withdraw = true } }),
	    ERR_OK);
	assert_int_equal(map_server_count(&f->x), 0);
	m = notify_at(f, 0, "secret of a", 1);
	assert_string_equal(
	    record_text(&m.records), "10.1.0.0/16 0 A 192.0.2.1/1/100");
	expect_reply(f, "10.1.5.5", "10.1.0.0/16 1 act1");
	/* Again: nothing to do, but answered. */
	assert_int_equal(REG(f, .xtr_id = 1,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1" },
				 .withdraw = true } }),
	    ERR_OK);
	assert_int_equal(f->n_sent, 1);
}

static void
withdrawal_of_another_is_answered_with_the_record(void **state)
{
	struct fixture *f = *state;
	const struct reg old = { .records = { { .eid = "10.7.1.5",
				     .locators = { "192.0.2.1" },
				     .withdraw = true } } };
	struct map_notify m;

	assert_int_equal(REG(f,
			     .records = { { .eid = "10.7.1.5",
				 .locators = { "192.0.2.1" } } }),
	    ERR_OK);
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.2",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.2" } } }),
	    ERR_OK);
	/* The old site's withdrawal, late. */
	assert_int_equal(reg(f, &old), ERR_OK);
	assert_string_equal(registered(f, "10.7.1.5"), "192.0.2.2/1/100");
	m = notify_at(f, 0, "secret of a", 1);
	assert_int_equal(m.n_records, 1);
	assert_string_equal(
	    record_text(&m.records), "10.7.1.5/32 1440 A 192.0.2.2/1/100");
	/* Without xTR-ID another source is another xTR. */
	assert_int_equal(
	    REG(f, .key = "secret of b", .key_id = 2, .from = "192.0.2.22",
		.records = { { .eid = "10.7.1.5",
		    .locators = { "192.0.2.2" },
		    .withdraw = true } }),
	    ERR_OK);
	assert_string_equal(registered(f, "10.7.1.5"), "192.0.2.2/1/100");
}

static void
newest_registration_replaces_all(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(REG(f, .xtr_id = 1,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.1", "192.0.2.2" } } }),
	    ERR_OK);
	assert_int_equal(REG(f, .xtr_id = 2, .from = "192.0.2.3",
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.3" } } }),
	    ERR_OK);
	assert_string_equal(registered(f, "10.1.0.0/16"), "192.0.2.3/1/100");
}

static void
merge_unites(void **state)
{
	struct fixture *f = *state;
	struct map_notify m;

	assert_int_equal(REG(f, .xtr_id = 1, .merge = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.9" } } }),
	    ERR_OK);
	pass(f, 100000);
	assert_int_equal(
	    REG(f, .xtr_id = 2, .merge = true, .from = "192.0.2.3",
		.records = { { .eid = "10.1.0.0/16",
		    .locators = { "192.0.2.3", "192.0.2.9/2/50" } } }),
	    ERR_OK);
	/* The latest priority and weight win; sorted. */
	assert_string_equal(
	    registered(f, "10.1.0.0/16"), "192.0.2.3/1/100 192.0.2.9/2/50");
	/* It is told what is registered now; the other one, too. */
	assert_int_equal(f->n_sent, 2);
	m = notify_at(f, 0, "secret of a", 1);
	assert_string_equal(record_text(&m.records),
	    "10.1.0.0/16 1440 A 192.0.2.3/1/100 192.0.2.9/2/50");
	m = notify_at(f, 1, "secret of a", 1);
	assert_string_equal(record_text(&m.records),
	    "10.1.0.0/16 1440 A 192.0.2.3/1/100 192.0.2.9/2/50");
	/* Each has an expiry of its own. */
	pass(f, 81000);
	assert_string_equal(
	    registered(f, "10.1.0.0/16"), "192.0.2.3/1/100 192.0.2.9/2/50");
	assert_int_equal(REG(f, .xtr_id = 1, .merge = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.7" } } }),
	    ERR_OK);
	/* Only its own go. */
	assert_int_equal(REG(f, .xtr_id = 2, .merge = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.3" },
				 .withdraw = true } }),
	    ERR_OK);
	assert_string_equal(registered(f, "10.1.0.0/16"), "192.0.2.7/1/100");
	/* Without the bit: instead of all. */
	assert_int_equal(REG(f, .xtr_id = 2, .merge = true,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.3" } } }),
	    ERR_OK);
	assert_int_equal(REG(f, .xtr_id = 3,
			     .records = { { .eid = "10.1.0.0/16",
				 .locators = { "192.0.2.8" } } }),
	    ERR_OK);
	assert_string_equal(registered(f, "10.1.0.0/16"), "192.0.2.8/1/100");
}

static void
record_is_cleaned(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[1024];
	/* 10.1.2.3/16, host bits set, p bit, a locator without address. */
	static const uint8_t record[] = { 0, 0, 5, 0xa0, 2, 16, 0x10, 0, 0, 0,
		0, 1, 10, 1, 2, 3,
		/* p and R */ 1, 100, 255, 0, 0, 3, 0, 1, 192, 0, 2, 1,
		/* none */ 1, 100, 255, 0, 0, 1, 0, 0 };
	struct auth_key key = { .key_id = 1, .algorithm = AUTH_SHA256_128 };
	struct map_register m = { .want_notify = true,
		.nonce = 9000,
		.auth = { .key_id = 1,
		    .algorithm = AUTH_SHA256_128,
		    .len = 16 },
		.n_records = 1 };
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct map_notify n;

	memcpy(key.secret, "secret of a", key.secret_len = 11);
	map_register_header(&w, &m);
	wire_put_bytes(&w, record, sizeof(record));
	assert_int_equal(auth_sign(bytes, wire_written(&w), &key), ERR_OK);
	assert_int_equal(
	    receive_register(f, NULL, 0, bytes, wire_written(&w)), ERR_OK);
	n = notify_at(f, 0, "secret of a", 1);
	assert_string_equal(
	    record_text(&n.records), "10.1.0.0/16 1440 A 192.0.2.1/1/100");
}

static void
map_registers_in_ecm_are_not_for_us(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[512];
	size_t len = reg_encode(f,
	    &(const struct reg){ .records = { { .eid = "10.1.0.0/16",
				     .locators = { "192.0.2.1" } } } },
	    bytes, sizeof(bytes));
	const struct ecm ecm = { 0 };
	const struct datagram dg = {
		.bytes = bytes, .len = len, .from = A("192.0.2.1"), .ecm = &ecm
	};
	struct map_register m;

	assert_int_equal(map_register_decode(bytes, len, &m), ERR_OK);
	assert_int_equal(
	    map_server_on_map_register(&f->x, &dg, &m), ERR_UNSUPPORTED);
}

static bool
count_pair(void *arg, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	(void)key;
	(void)key_len;
	(void)value;
	(void)value_len;
	++*(unsigned *)arg;
	return true;
}

/* A site with more xTRs than it may have: the longest silent one goes. */
static void
peers_are_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned stored = 0;
	struct reg g = { .no_notify = true,
		.records = {
		    { .eid = "10.1.0.0/16", .locators = { "192.0.2.1" } } } };
	char from[32];

	for (unsigned i = 0; i < MS_PEERS_PER_SITE + 8; i++) {
		snprintf(from, sizeof(from), "198.18.%u.%u", i / 250, i % 250);
		g.from = from;
		assert_int_equal(reg(f, &g), ERR_OK);
	}
	assert_int_equal(f->x.map_server->peers.count, MS_PEERS_PER_SITE);
	store_walk(f->x.store, STORE_SENDER, NULL, 0, count_pair, &stored);
	assert_int_equal(stored, MS_PEERS_PER_SITE);
	fixture_restart(f);
	assert_int_equal(f->x.map_server->peers.count, MS_PEERS_PER_SITE);
	/* Others are not touched by it. */
	assert_int_equal(REG(f, .key = "secret of b", .key_id = 2,
			     .records = { { .eid = "10.2.0.0/16",
				 .locators = { "192.0.2.2" } } }),
	    ERR_OK);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_and_notifies),
		TEST(no_notify_unless_wanted),
		TEST(every_algorithm_answers_in_kind),
		TEST(wrong_key_changes_nothing),
		TEST(key_changes),
		TEST(no_prefix_no_key),
		TEST(sources_are_checked),
		TEST(the_verifying_key_is_kept),
		TEST(four_keys_are_tried_at_most),
		TEST(records_outside_are_refused_one_by_one),
		TEST(more_specifics_only_where_accepted),
		TEST(other_instance_is_another_prefix),
		TEST(unknown_eid_drops_the_message),
		TEST(too_many_locators_are_refused),
		TEST(registrations_are_bounded),
		TEST(nonce_must_rise),
		TEST(nonce_is_per_xtr_id_else_source),
		TEST(nonce_survives_a_restart),
		TEST(copy_gets_the_same_notify),
		TEST(copy_extends_nothing),
		TEST(old_peers_repeat_their_nonce),
		TEST(expires_without_refresh),
		TEST(t_bit_expires_by_record_ttl),
		TEST(withdrawn_by_the_registrant),
		TEST(withdrawal_of_another_is_answered_with_the_record),
		TEST(newest_registration_replaces_all),
		TEST(merge_unites),
		TEST(record_is_cleaned),
		TEST(map_registers_in_ecm_are_not_for_us),
		TEST(peers_are_bounded),
	};

	return cmocka_run_group_tests_name("ms_register", tests, NULL, NULL);
}
