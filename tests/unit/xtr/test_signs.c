/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_signs.c - what the headers of data packets say, and what is believed:
 * map-versions (RFC 9302), locator-status-bits and nonces (RFC 9300 10).
 */
#include "common/data.h"
#include "node.h"
#include "packet.h"
#include "xtr/map_version.h"
#include "xtr/reach_probe.h"
#include "xtr/signs.h"
#include "xtr/status_bits.h"

#define FAR "203.0.113.7"
#define OTHER "203.0.113.8"
#define OURS "10.1.7.7" /* in 10.1.0.0/16, map-version 5 */
#define THEIRS "10.2.0.1"

/* Their mapping: FAR, OTHER; version 100; in the cache since now. */
static void
store(struct node *n, uint16_t version, bool swapped)
{
	struct mapping m = node_mapping("10.2.0.0/16", 1440, FAR);
	const struct addr other = A(OTHER);
	const struct eid e = E("10.2.0.0/16");

	m.version = version;
	m.locators[1] = m.locators[0];
	m.locators[1].addr = lisp_addr_from_addr(&other);
	m.n_locators = 2;
	if (swapped) {
		m.locators[2] = m.locators[0];
		m.locators[0] = m.locators[1];
		m.locators[1] = m.locators[2];
	}
	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
}

static int
setup(void **state)
{
	struct node *n = node_new();

	n->conf.reachability =
	    (struct conf_reachability){ .probe_interval_s = 30,
		    .probe_rate = 100,
		    .map_version = true,
		    .lsb = true,
		    .echo_nonce = true };
	*state = n;
	store(n, 100, false);
	return 0;
}

static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

/* The header of a packet from OURS to THEIRS. */
static struct data_header
sent(struct node *n)
{
	const struct packet_spec spec = { .from = OURS, .to = THEIRS };
	struct data_header h;
	struct packet p;
	uint8_t whole[LISP_DATA_HEADER + 100];

	packet_make(&spec, &p);
	memcpy(whole + LISP_DATA_HEADER, p.bytes, p.len);
	n->n_forwarded = 0;
	forward_out(&n->x, p.bytes, p.len);
	assert_int_equal(n->n_forwarded, 1);
	memcpy(whole, n->forwarded[0].header, LISP_DATA_HEADER);
	assert_int_equal(
	    data_header_decode(whole, LISP_DATA_HEADER + p.len, &h), ERR_OK);
	return h;
}

/* A packet from THEIRS with that header; true if it was delivered. */
static bool
received_from(struct node *n, const char *rloc, const struct data_header *h)
{
	const struct packet_spec spec = { .from = THEIRS, .to = OURS };
	const struct forward_outer o = {
		.from = A(rloc), .to = n->rlocs[0].address, .ttl = 60
	};
	const uint64_t before = n->x.counters.data_decapsulated;
	struct wire_writer w;
	struct packet p;

	packet_make(&spec, &p);
	w = wire_writer(p.bytes - LISP_DATA_HEADER, LISP_DATA_HEADER);
	data_header_encode(&w, h);
	forward_in(
	    &n->x, &o, p.bytes - LISP_DATA_HEADER, p.len + LISP_DATA_HEADER);
	loop_poll(n->x.loop);
	return n->x.counters.data_decapsulated > before;
}

static bool
received(struct node *n, const struct data_header *h)
{
	return received_from(n, FAR, h);
}

static struct data_header
versions(uint16_t source, uint16_t destination)
{
	return (struct data_header){ .has_version = true,
		.source_version = source,
		.destination_version = destination };
}

static bool
received_versions(struct node *n, uint16_t source, uint16_t destination)
{
	const struct data_header h = versions(source, destination);

	return received(n, &h);
}

/* --- map-versions --- */

/* RFC 9302 6. */
static void
test_compare(void **state)
{
	static const struct {
		uint16_t a, b;
		int newer;
	} cases[] = {
		{ 1, 1, 0 },
		{ 2, 1, 1 },
		{ 1, 2, -1 },
		{ 2049, 1, 1 },	 /* 2048 ahead */
		{ 2050, 1, -1 }, /* more: the other is ahead, by the wrap */
		{ 1, 2049, -1 },
		{ 1, 2050, 1 },
		{ 1, 4095, 1 }, /* 4095 -> 1 */
		{ 4095, 1, -1 },
		{ 2047, 4095, -1 },
		{ 2046, 4095, 1 },
		{ 4095, 4095, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(map_version_compare(cases[i].a, cases[i].b),
		    cases[i].newer);
	/* Of two different ones exactly one is newer. */
	for (unsigned a = 1; a < 4096; a += 7)
		for (unsigned b = 1; b < 4096; b += 5)
			assert_int_equal(
			    map_version_compare((uint16_t)a, (uint16_t)b),
			    -map_version_compare((uint16_t)b, (uint16_t)a));
}

static void
test_versions_sent(void **state)
{
	struct node *n = *state;
	struct data_header h;

	n->conf.reachability.echo_nonce = false;
	h = sent(n);
	assert_true(h.has_version && !h.has_nonce);
	assert_int_equal(h.source_version, 5);
	assert_int_equal(h.destination_version, 100);
	/* Null towards a destination is never sent. */
	store(n, 0, false);
	assert_false(sent(n).has_version);
	/* Our own may be none. */
	store(n, 100, false);
	n->eids[0].map_version = 0;
	assert_int_equal(sent(n).source_version, 0);
}

static unsigned
smrs(struct node *n)
{
	return (unsigned)n->x.counters.smr_sent;
}

/* The table of RFC 9302 7.1 and 7.2. */
static void
test_destination_version(void **state)
{
	struct node *n = *state;

	assert_true(received_versions(n, 100, 5));
	assert_int_equal(smrs(n), 0);
	assert_false(received_versions(n, 100, 6)); /* newer than ours */
	assert_int_equal(smrs(n), 0);
	assert_true(received_versions(n, 100, 4)); /* older: and told */
	assert_int_equal(smrs(n), 1);
	assert_true(received_versions(n, 100, 4)); /* within the limit */
	assert_int_equal(smrs(n), 1);
	assert_int_equal(n->x.counters.data_drop_version, 1);
	/* Ours has none: nobody can know one. */
	n->eids[0].map_version = 0;
	assert_false(received_versions(n, 100, 4));
	assert_false(received_versions(n, 100, 5));
}

/* After ten solicitations an ITR that stays with the old one is not heard. */
static void
test_old_for_ever(void **state)
{
	struct node *n = *state;

	for (unsigned i = 0; i < 10; i++) {
		assert_true(received_versions(n, 100, 4));
		assert_int_equal(smrs(n), i + 1);
		node_run(n, SMR_INTERVAL_S * 1000);
	}
	assert_false(received_versions(n, 100, 4));
	assert_int_equal(smrs(n), 10);
	/* It has learned: all is well, and it may be wrong again. */
	assert_true(received_versions(n, 100, 5));
	assert_true(received_versions(n, 100, 4));
}

/* The TTL of the old mapping is over: RFC 9302 7.1 says MUST. */
static void
test_old_ttl(void **state)
{
	struct node *n = *state;

	n->eids[0].ttl_min = 10;
	map_versions_reload(&n->x);
	n->eids[0].map_version = 6;
	n->eids[0].ttl_min = 1440;
	map_versions_reload(&n->x);
	assert_true(received_versions(n, 100, 5));
	node_run(n, 10 * 60000 - 1);
	assert_true(received_versions(n, 100, 5));
	node_run(n, 1);
	assert_false(received_versions(n, 100, 5));
	assert_true(received_versions(n, 100, 6));
}

static void
test_source_version(void **state)
{
	struct node *n = *state;

	assert_true(received_versions(n, 0, 5)); /* null: nothing said */
	assert_int_equal(n->x.counters.version_asked, 0);
	assert_false(received_versions(n, 99, 5)); /* older */
	assert_true(received_versions(n, 101, 5)); /* newer: asked for */
	assert_true(received_versions(n, 101, 5));
	assert_int_equal(n->x.counters.version_asked, 1);
	assert_int_equal(node_count(n, LISP_MAP_REQUEST), 1);
	node_run(n, 3000);
	assert_true(received_versions(n, 101, 5));
	assert_int_equal(n->x.counters.version_asked, 2);
}

/* Not trusted: as if it were not there. */
static void
test_off(void **state)
{
	const struct data_header request = { .has_nonce = true,
		.echo = true,
		.nonce = 7,
		.has_lsb = true,
		.lsb = 2 };
	struct node *n = *state;
	struct data_header h;

	n->conf.reachability.map_version = false;
	n->conf.reachability.lsb = false;
	n->conf.reachability.echo_nonce = false;
	assert_true(received_versions(n, 99, 4000));
	assert_true(received(n, &request));
	assert_int_equal(smrs(n), 0);
	h = sent(n);
	assert_false(h.has_version || h.has_nonce || h.has_lsb || h.echo);
	assert_int_equal(n->x.counters.status_bits_changed, 0);
}

/* --- locator-status-bits --- */

/* Which of the two flows get. */
static const char *
picked(struct node *n)
{
	const struct eid e = E(THEIRS);
	const struct addr far = A(FAR);
	const struct map_cache_entry *c = map_cache_match(n->x.map_cache, &e);
	unsigned of_far = 0, of_other = 0;

	for (uint32_t flow = 0; flow < 64; flow++) {
		const struct cache_locator *l =
		    map_cache_pick(&n->x, c, flow * 2654435761u);

		of_far += l && addr_equal(&l->rloc, &far);
		of_other += l && !addr_equal(&l->rloc, &far);
	}
	if (of_far && of_other)
		return "both";
	return of_far ? FAR : of_other ? OTHER : "";
}

static bool
received_bits(struct node *n, uint32_t bits, uint16_t version)
{
	struct data_header h = versions(version, 5);

	h.has_lsb = true;
	h.lsb = bits;
	h.has_version = version;
	return received(n, &h);
}

static void
test_bits_sent(void **state)
{
	struct node *n = *state;
	const struct addr v6 = A("2001:db8::1");

	assert_true(sent(n).has_lsb);
	assert_int_equal(sent(n).lsb, 3);
	reach_set(&n->x, &v6, REACH_INTERFACE, REACH_DOWN);
	assert_int_equal(sent(n).lsb, 1);
	/* A locator was added or removed: five minutes without. */
	n->x.status_bits_from = mono_add_ms(xtr_now(&n->x), STATUS_BITS_OFF_MS);
	assert_false(sent(n).has_lsb);
	node_run(n, 5 * 60000 - 1);
	assert_false(sent(n).has_lsb);
	node_run(n, 1);
	assert_true(sent(n).has_lsb);
}

struct bits_case {
	uint32_t bits;
	const char *picked;
};

static void
test_bits_received(void **state)
{
	static const struct bits_case cases[] = {
		{ 3, "both" },
		{ 1, FAR },	     /* the second is down */
		{ 2, OTHER },	     /* back, and the first is down */
		{ 0, OTHER },	     /* all: nonsense, ignored */
		{ 0xfffffffd, FAR }, /* bits of no locator */
		{ 0xffffffff, "both" },
	};
	struct node *n = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(received_bits(n, cases[i].bits, 100));
		assert_string_equal(picked(n), cases[i].picked);
	}
	assert_int_equal(n->x.counters.status_bits_ignored, 1);
}

/* The order is that of the Map-Reply, not that of addresses. */
static void
test_bits_by_place(void **state)
{
	struct node *n = *state;

	store(n, 100, true);
	received_bits(n, 1, 100);
	assert_string_equal(picked(n), OTHER);
}

static void
test_bits_not_believed(void **state)
{
	struct node *n = *state;
	struct data_header h = versions(101, 5);

	/* Not without the version of the mapping, and only with the right one. */
	received_bits(n, 1, 0);
	assert_string_equal(picked(n), "both");
	h.has_lsb = true;
	h.lsb = 1;
	received(n, &h);
	assert_string_equal(picked(n), "both");
	/* Not from somebody else. */
	h.source_version = 100;
	received_from(n, "203.0.113.99", &h);
	assert_string_equal(picked(n), "both");
	received_from(n, OTHER, &h);
	assert_string_equal(picked(n), FAR);
	/* A mapping without version has to do without. */
	store(n, 0, false);
	assert_string_equal(picked(n), "both");
	received_bits(n, 2, 0);
	assert_string_equal(picked(n), OTHER);
}

/* A probe is sent, and an answer with R = 1 goes before the bit. */
static void
test_bits_are_verified(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.2.0.0/16");
	struct mapping m = node_mapping("10.2.0.0/16", 1440, FAR);
	const struct addr other = A(OTHER);

	received_bits(n, 1, 100);
	node_run(n, 0);
	assert_int_equal(n->x.counters.probe_sent, 1);
	m.locators[1] = m.locators[0];
	m.locators[1].addr = lisp_addr_from_addr(&other);
	m.n_locators = 2;
	assert_true(map_cache_set_reachable(&n->x, &e, &m));
	assert_string_equal(picked(n), "both");
}

/* --- nonces --- */

static void
test_nonce(void **state)
{
	struct node *n = *state;
	struct mapping m = node_mapping("10.2.0.0/16", 1440, FAR);
	const struct addr far = A(FAR);
	uint8_t bytes[256];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct data_header h, back = { .has_nonce = true };
	const struct eid e = E("10.2.0.0/16");
	struct reach_rloc *r;

	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
	assert_false(sent(n).has_nonce); /* the Map-Reply had no E */
	mapping_encode(&w, &m);
	signs_note_echo(
	    &n->x, (struct records){ bytes, wire_written(&w), 1 }, true);
	h = sent(n);
	assert_true(h.has_nonce && h.echo && !h.has_version);
	back.nonce = h.nonce;
	assert_true(received(n, &back));
	r = reach_find(&n->x, &far);
	assert_int_equal(reach_state(r), REACH_UP);
	assert_int_equal(reach_why(r), REACH_ECHO);
	/* Data, but no echo: down, and a probe decides. */
	node_run(n, 30000);
	back.nonce ^= 1;
	assert_true(sent(n).echo);
	assert_true(received(n, &back));
	node_run(n, 5000);
	assert_int_equal(reach_state(r), REACH_UP);
	sent(n);
	assert_int_equal(reach_state(r), REACH_DOWN);
	assert_int_equal(reach_why(r), REACH_ECHO);
	node_run(n, 0);
	assert_int_equal(n->x.counters.probe_sent, 1);
	/* What a stranger asks leaves no trace. */
	back.echo = true;
	assert_true(received_from(n, "203.0.113.99", &back));
	assert_int_equal(reach_count(&n->x), 3);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		TEST(test_versions_sent),
		TEST(test_destination_version),
		TEST(test_old_for_ever),
		TEST(test_old_ttl),
		TEST(test_source_version),
		TEST(test_off),
		TEST(test_bits_sent),
		TEST(test_bits_received),
		TEST(test_bits_by_place),
		TEST(test_bits_not_believed),
		TEST(test_bits_are_verified),
		TEST(test_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
