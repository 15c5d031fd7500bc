/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpm.c - what each op and reason may say (docs/cpm.md 3.2), which peers
 * count, how many fit into a part (3.4).
 */
#include "common/cpm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct addr
addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static struct eid
eid(const char *text)
{
	struct eid e;

	assert_int_equal(eid_parse(text, &e), ERR_OK);
	return e;
}

static struct cpm
message(enum cpm_op op, unsigned reason, uint64_t generation)
{
	struct cpm m = { .subtype = CPM_SUBTYPE,
		.op = op,
		.ack_wanted = true,
		.nonce = 7,
		.key_id = 1,
		.algorithm = 2,
		.generation = generation,
		.series = 7,
		.part = 1,
		.parts = 1,
		.reason = (uint8_t)reason,
		.n_eids = 1 };

	m.eids[0] = eid("[5]10.2.0.20");
	memset(m.sender_id, 0xab, 16);
	return m;
}

static struct cpm_peer
peer(unsigned kind, const char *text)
{
	return (struct cpm_peer){ .kind = (uint8_t)kind, .addr = addr(text) };
}

/* Encodes and decodes; '*len' octets remain in the static buffer returned. */
static enum err
round_trip(const struct cpm *m, const struct cpm_peer *peers, unsigned n,
    struct cpm *out, uint8_t **bytes, size_t *len)
{
	static uint8_t buf[4096];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	cpm_encode(&w, m, peers, n);
	assert_int_equal(w.err, ERR_OK);
	if (bytes) {
		*bytes = buf;
		*len = wire_written(&w);
	}
	return cpm_decode(buf, wire_written(&w), CPM_SUBTYPE, out);
}

/* What goes with a message of the table below. */
enum { OWNER = 1, RLOC = 2, MAC = 4 };

static unsigned
peers_of(unsigned with, struct cpm_peer *peers)
{
	unsigned n = 0;

	if (with & OWNER)
		peers[n++] = peer(CPM_OWNER, "c1c2::1");
	if (with & RLOC)
		peers[n++] = peer(CPM_RLOC, "198.51.100.7");
	if (with & MAC)
		peers[n++] = peer(CPM_MAC, "52:54:00:0a:02:14");
	return n;
}

/*
 * Which (op, reason) exist, and which of them take generation 0, need an owner
 * or an RLOC, may have a MAC: all combinations.
 */
static void
test_rules(void **state)
{
	static const struct {
		unsigned op, reasons, zero, owner, rloc, mac;
	} rules[] = {
		{ 1, 0x1fe, 1 << 4 | 1 << 6, 0, 0, 1 << 1 | 1 << 5 | 1 << 6 },
		{ 3, 1 << 1 | 1 << 4 | 1 << 6 | 1 << 8, 1 << 4 | 1 << 6,
		    1 << 1 | 1 << 8, 1 << 1, 0 },
		{ 4, 1 << 1 | 1 << 6, 1 << 1 | 1 << 6, 0, 0, 0 },
	};
	struct cpm_peer peers[3];
	struct cpm out;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (unsigned reason = 0; reason < 20; reason++)
			for (unsigned with = 0; with < 16; with++) {
				uint64_t generation = with & 8 ? 0 : 1000;
				struct cpm m =
				    message(rules[i].op, reason, generation);
				unsigned bit = 1u << reason;
				bool ok = rules[i].reasons & bit;
				enum err err;

				ok &= generation || (rules[i].zero & bit);
				ok &= (with & OWNER) || !(rules[i].owner & bit);
				ok &= (with & RLOC) || !(rules[i].rloc & bit);
				ok &= !(with & MAC) || (rules[i].mac & bit);
				err = round_trip(&m, peers,
				    peers_of(with, peers), &out, NULL, NULL);
				if (err != (ok ? ERR_OK : ERR_UNSUPPORTED))
					fail_msg("op %u reason %u with %x: %s",
					    rules[i].op, reason, with,
					    err_str(err));
				assert_int_equal(out.n_eids, 1);
				assert_int_equal(out.reason, reason);
			}
}

static void
test_generation_bounds(void **state)
{
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, INT64_MAX), out;

	(void)state;
	assert_int_equal(round_trip(&m, NULL, 0, &out, NULL, NULL), ERR_OK);
	assert_true(out.generation == INT64_MAX);
	m.generation++;
	assert_int_equal(
	    round_trip(&m, NULL, 0, &out, NULL, NULL), ERR_UNSUPPORTED);
}

static void
test_all_fields_survive(void **state)
{
	struct cpm m = message(CPM_OP_REQUESTERS, CPM_ARRIVED, 9), out;
	struct cpm_peer peers[3] = { peer(CPM_ITR, "192.0.2.1"),
		peer(CPM_PEER, "10.1.0.10"), peer(CPM_OWNER, "ff02::1") };
	struct cpm_peer p;

	(void)state;
	peers[0].flags = CPM_CONFIRMED;
	peers[1].iid = 5;
	m.drained = true;
	m.event_ms = 12345;
	m.part = 2;
	m.parts = 3;
	m.n_eids = 2;
	m.eids[1] = eid("02:00:5e:10:00:01");
	memset(m.vm_id, 0xcd, 16);
	assert_int_equal(round_trip(&m, peers, 3, &out, NULL, NULL), ERR_OK);
	assert_true(out.drained && out.ack_wanted);
	assert_int_equal(out.version, CPM_VERSION);
	assert_int_equal(out.event_ms, 12345);
	assert_int_equal(out.part, 2);
	assert_int_equal(out.parts, 3);
	assert_memory_equal(out.sender_id, m.sender_id, 16);
	assert_memory_equal(out.vm_id, m.vm_id, 16);
	assert_int_equal(out.n_eids, 2);
	assert_true(eid_equal(&out.eids[0], &m.eids[0]));
	assert_true(eid_equal(&out.eids[1], &m.eids[1]));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(cpm_peer_next(&out.peers, &p));
		assert_int_equal(p.kind, peers[i].kind);
		assert_int_equal(p.flags, peers[i].flags);
		assert_int_equal(p.iid, peers[i].iid);
		assert_true(addr_equal(&p.addr, &peers[i].addr));
	}
	assert_false(cpm_peer_next(&out.peers, &p));
	assert_true(out.has_owner);
	assert_memory_equal(out.owner, peers[2].addr.bytes, 16);
}

static void
test_drained_elsewhere_means_nothing(void **state)
{
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9), out;

	(void)state;
	m.drained = true;
	assert_int_equal(round_trip(&m, NULL, 0, &out, NULL, NULL), ERR_OK);
	assert_false(out.drained);
}

/* Unusable, unknown, or of another op: skipped, the rest is walked. */
static void
test_peers_that_do_not_count(void **state)
{
	static const struct {
		enum cpm_op op;
		unsigned reason, kind;
		const char *addr;
		bool counts;
	} cases[] = {
		{ 1, 1, CPM_PEER, "10.1.0.10", true },
		{ 1, 1, CPM_PEER, "224.0.0.1", false },
		{ 1, 1, CPM_PEER, "127.0.0.1", false },
		{ 1, 1, CPM_PEER, "::", false },
		{ 1, 1, CPM_ITR, "192.0.2.1", false },
		{ 1, 1, CPM_RLOC, "192.0.2.1", false },
		{ 1, 1, 99, "192.0.2.1", false },
		{ 1, 1, 0, "192.0.2.1", false },
		{ 1, 1, CPM_MAC, "52:54:00:0a:02:14", true },
		{ 1, 1, CPM_MAC, "33:33:00:0a:02:14", false },
		{ 1, 1, CPM_MAC, "00:00:00:00:00:00", false },
		{ 3, 6, CPM_RLOC, "192.0.2.1", true },
		{ 3, 6, CPM_PEER, "10.1.0.10", false },
		{ 4, 1, CPM_PEER, "10.1.0.10", true },
		{ 4, 1, CPM_PXTR, "192.0.2.1", true },
		{ 4, 6, CPM_ITR, "192.0.2.1", true },
		{ 4, 6, CPM_PEER, "10.1.0.10", false },
	};
	struct cpm_peer peers[2], p;
	struct cpm out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpm m = message(cases[i].op, cases[i].reason, 9);

		peers[0] = peer(cases[i].kind, cases[i].addr);
		peers[1] = peer(CPM_OWNER, "::"); /* the end of the walk */
		assert_int_equal(
		    round_trip(&m, peers, 2, &out, NULL, NULL), ERR_OK);
		assert_true(cpm_peer_next(&out.peers, &p));
		if ((p.kind == cases[i].kind) != cases[i].counts)
			fail_msg("case %zu", i);
		if (cases[i].kind == CPM_MAC)
			assert_int_equal(out.has_mac, cases[i].counts);
	}
}

/* A Notify whose only RLOC is unusable has none. */
static void
test_unusable_rloc_is_none(void **state)
{
	struct cpm m = message(CPM_OP_NOTIFY, CPM_ARRIVED, 9), out;
	struct cpm_peer peers[2] = { peer(CPM_OWNER, "c1::1"),
		peer(CPM_RLOC, "224.0.0.1") };

	(void)state;
	assert_int_equal(
	    round_trip(&m, peers, 2, &out, NULL, NULL), ERR_UNSUPPORTED);
}

/* No answer to what cannot be read; status 5 to what must not be said. */
static void
test_drop_or_answer(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		enum err err;
	} cases[] = {
		{ 0, 0xe0, ERR_MALFORMED },   /* type 14 */
		{ 1, 0xa1, ERR_SUBTYPE },     /* sub-type */
		{ 2, 0x21, ERR_UNSUPPORTED }, /* version 2 */
		{ 2, 0x12, ERR_MALFORMED },   /* an Ack */
		{ 2, 0x15, ERR_UNSUPPORTED }, /* op 5 */
		{ 13, 1, ERR_ALGORITHM }, { 15, 20, ERR_MALFORMED },
		{ 85, 2, ERR_MALFORMED }, /* part 2 of 1 */
		{ 85, 0, ERR_MALFORMED },
		{ 88, 9, ERR_UNSUPPORTED },			    /* reason */
		{ 89, 0, ERR_MALFORMED },			    /* no EID */
		{ 89, 9, ERR_MALFORMED }, { 91, 2, ERR_TRUNCATED }, /* peers */
		{ 93, 33, ERR_MALFORMED }, /* mask-len */
		{ 95, 17, ERR_MALFORMED }, /* EID is a name */
		{ 95, 0, ERR_MALFORMED },
		{ 95, 99, ERR_MALFORMED }, /* unknown AFI: no answer */
		{ 103, 6, ERR_TRUNCATED }, /* a MAC as correspondent */
	};
	struct cpm_peer peers[1] = { peer(CPM_PEER, "10.1.0.10") };
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9), out;
	size_t len;
	uint8_t *bytes;

	(void)state;
	m.eids[0] = eid("10.2.0.20");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err;

		assert_int_equal(
		    round_trip(&m, peers, 1, &out, &bytes, &len), ERR_OK);
		bytes[cases[i].at] = cases[i].value;
		err = cpm_decode(bytes, len, CPM_SUBTYPE, &out);
		if (err != cases[i].err)
			fail_msg("case %zu: %s", i, err_str(err));
	}
}

/* Of another version only octets 0 to 47 are known to stand where they do. */
static void
test_other_version(void **state)
{
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9), out;
	size_t len;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(round_trip(&m, NULL, 0, &out, &bytes, &len), ERR_OK);
	bytes[2] = 0x91;
	assert_int_equal(
	    cpm_decode(bytes, 48, CPM_SUBTYPE, &out), ERR_UNSUPPORTED);
	assert_int_equal(out.version, 9);
	assert_int_equal(out.nonce, 7);
	assert_memory_equal(out.sender_id, m.sender_id, 16);
	assert_int_equal(out.n_eids, 0);
	assert_int_equal(
	    cpm_decode(bytes, 47, CPM_SUBTYPE, &out), ERR_TRUNCATED);
}

static void
test_header(void **state)
{
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9), out;
	struct cpm_header h;
	size_t len;
	uint8_t *bytes;

	(void)state;
	assert_int_equal(round_trip(&m, NULL, 0, &out, &bytes, &len), ERR_OK);
	assert_int_equal(
	    cpm_header_decode(bytes, len, CPM_SUBTYPE, &h), ERR_OK);
	assert_int_equal(h.op, CPM_OP_CPM);
	assert_int_equal(h.nonce, 7);
	assert_int_equal(h.key_id, 1);
	assert_int_equal(cpm_header_decode(bytes, len, 4001, &h), ERR_SUBTYPE);
	assert_int_equal(cpm_header_decode(bytes, 3, 4001, &h), ERR_SUBTYPE);
	assert_int_equal(
	    cpm_header_decode(bytes, 47, CPM_SUBTYPE, &h), ERR_TRUNCATED);
	bytes[0] = 0x30;
	assert_int_equal(
	    cpm_header_decode(bytes, len, CPM_SUBTYPE, &h), ERR_MALFORMED);
}

static void
test_same_eid_twice(void **state)
{
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9), out;

	(void)state;
	m.n_eids = 3;
	m.eids[1] = eid("10.2.0.21");
	m.eids[2] = m.eids[0];
	assert_int_equal(round_trip(&m, NULL, 0, &out, NULL, NULL), ERR_OK);
	assert_int_equal(out.n_eids, 2);
	assert_true(eid_equal(&out.eids[1], &m.eids[1]));
}

static void
test_ack(void **state)
{
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.nonce = 1,
		.key_id = 2,
		.algorithm = 3,
		.series = 4,
		.part = 5,
		.parts = 6,
		.status = CPM_ACK_STALE,
		.reason = CPM_ARRIVED,
		.highest_nonce = UINT64_MAX,
		.highest_generation = INT64_MAX,
		.n_eids = 8 };
	struct cpm_ack out;
	uint8_t buf[512];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		a.eids[i].status = i;
		a.eids[i].eid = eid("[7]fd00::1");
		a.eids[i].eid.addr.bytes[15] = i;
	}
	cpm_ack_encode(&w, &a);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(wire_written(&w), CPM_ACK_HEADER + 8 * 32);
	assert_int_equal(
	    cpm_ack_decode(buf, wire_written(&w), CPM_SUBTYPE, &out), ERR_OK);
	assert_int_equal(out.nonce, 1);
	assert_int_equal(out.series, 4);
	assert_int_equal(out.part, 5);
	assert_int_equal(out.parts, 6);
	assert_int_equal(out.status, CPM_ACK_STALE);
	assert_true(out.highest_nonce == UINT64_MAX);
	assert_true(out.highest_generation == INT64_MAX);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(out.eids[i].status, i);
		assert_true(eid_equal(&out.eids[i].eid, &a.eids[i].eid));
	}
	buf[68] |= 0x80; /* generation 2^63 and more */
	assert_int_equal(
	    cpm_ack_decode(buf, wire_written(&w), CPM_SUBTYPE, &out),
	    ERR_MALFORMED);
	buf[2] = 0x22;
	assert_int_equal(
	    cpm_ack_decode(buf, wire_written(&w), CPM_SUBTYPE, &out),
	    ERR_UNSUPPORTED);
}

/* docs/cpm.md 3.4: peers per part. */
static void
test_peers_fit(void **state)
{
	static const struct {
		size_t payload;
		const char *eids[9];
		unsigned copies; /* of the last EID */
		bool mac;
		const char *peer;
		uint32_t iid;
		unsigned fit;
	} cases[] = {
		{ 548, { "10.2.0.20" }, 1, false, "10.1.0.10", 0, 56 },
		{ 548, { "fd00::1" }, 1, false, "fd01::1", 0, 21 },
		{ 548, { "fd00::1" }, 8, false, "fd01::1", 0, 14 },
		{ 548, { "10.2.0.20" }, 1, true, "10.1.0.10", 0, 54 },
		{ 1232, { "fd00::1" }, 1, false, "fd01::1", 0, 56 },
		{ 1232, { "10.2.0.20", "fd00::1" }, 1, false, "fd01::1", 0,
		    55 },
		{ 548, { "[7]10.2.0.20" }, 1, false, "10.1.0.10", 7, 21 },
		{ 548, { "[7]fd00::1" }, 1, false, "fd01::1", 7, 13 },
		{ 548, { "[7]fd00::1" }, 8, true, "fd01::1", 7, 5 },
	};
	static struct cpm_peer peers[100];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9);
		uint8_t buf[2000];
		struct wire_writer w = wire_writer(buf, sizeof(buf));
		unsigned n, mac = cases[i].mac;

		m.n_eids = 0;
		for (unsigned k = 0; cases[i].eids[k]; k++)
			m.eids[m.n_eids++] = eid(cases[i].eids[k]);
		while (m.n_eids < cases[i].copies)
			m.eids[m.n_eids++] = m.eids[0];
		for (unsigned k = 0; k < 100; k++) {
			peers[k] = peer(CPM_PEER, cases[i].peer);
			peers[k].iid = cases[i].iid;
		}
		if (mac)
			peers[0] = peer(CPM_MAC, "52:54:00:0a:02:14");
		n = cpm_peers_fit(&m, peers, 100, cases[i].payload);
		if (n - mac != cases[i].fit)
			fail_msg("case %zu: %u", i, n - mac);
		cpm_encode(&w, &m, peers, n);
		assert_true(wire_written(&w) <= cases[i].payload);
		assert_true(wire_written(&w) + cpm_peer_len(&peers[n]) >
		    cases[i].payload);
	}
}

static void
test_peers_fit_few(void **state)
{
	struct cpm m = message(CPM_OP_CPM, CPM_ARRIVED, 9);
	struct cpm_peer peers[3] = { peer(CPM_PEER, "10.1.0.10"),
		peer(CPM_ITR, "192.0.2.1"), peer(CPM_PEER, "10.1.0.11") };
	size_t base = CPM_HEADER + 20;

	(void)state;
	assert_int_equal(cpm_peers_fit(&m, peers, 0, 548), 0);
	assert_int_equal(cpm_peers_fit(&m, peers, 3, 548), 3);
	assert_int_equal(cpm_peers_fit(&m, peers, 3, 10), 0);
	assert_int_equal(cpm_peers_fit(&m, peers, 3, base + 8), 1);
	/* the ITR would fit, the EID of its side not: neither goes */
	assert_int_equal(cpm_peers_fit(&m, peers, 3, base + 16), 1);
	assert_int_equal(cpm_peers_fit(&m, peers, 3, base + 24), 3);
	assert_int_equal(cpm_peers_fit(&m, peers, 2, base + 16), 2);
}

static void
test_words(void **state)
{
	(void)state;
	assert_string_equal(cpm_reason_str(CPM_ARRIVED), "arrived");
	assert_string_equal(cpm_reason_str(CPM_ABSENT), "absent");
	assert_string_equal(cpm_reason_str(200), "unknown");
	assert_string_equal(cpm_status_str(CPM_ACK_DONE), "done");
	assert_string_equal(cpm_status_str(CPM_ACK_STALE), "stale generation");
	assert_string_equal(cpm_status_str(42), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_generation_bounds),
		cmocka_unit_test(test_all_fields_survive),
		cmocka_unit_test(test_drained_elsewhere_means_nothing),
		cmocka_unit_test(test_peers_that_do_not_count),
		cmocka_unit_test(test_unusable_rloc_is_none),
		cmocka_unit_test(test_drop_or_answer),
		cmocka_unit_test(test_other_version),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_same_eid_twice),
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_peers_fit),
		cmocka_unit_test(test_peers_fit_few),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("cpm", tests, NULL, NULL);
}
