/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpm_encode.c - the octets of a CPM and of an Ack, field by field beside
 * docs/cpm.md 3.2 and 3.3; no room and counts out of range.  What decodes again
 * and how many peers fit is in test_cpm.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/cpm.h"
#include "hex.h"

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
message(void)
{
	struct cpm m = { .subtype = 4000,
		.version = 9, /* not read */
		.op = CPM_OP_REQUESTERS,
		.ack_wanted = true,
		.drained = true,
		.nonce = 0x0102030405060708,
		.key_id = 0x11,
		.algorithm = 2,
		.generation = 0x2122232425262728,
		.event_ms = 0x3132333435363738,
		.series = 0x41424344,
		.part = 0x5152,
		.parts = 0x6162,
		.reason = CPM_ARRIVED,
		.n_eids = 2 };

	memset(m.sender_id, 0xab, 16);
	memset(m.vm_id, 0xcd, 16);
	m.eids[0] = eid("10.2.0.20");
	m.eids[1] = eid("[7]fd00::/16");
	return m;
}

static void
is_octets(const struct wire_writer *w, const char *expected)
{
	uint8_t bytes[512];
	size_t n = hex(expected, bytes);

	assert_int_equal(w->err, ERR_OK);
	assert_int_equal(wire_written(w), n);
	assert_memory_equal(w->start, bytes, n);
}

static void
test_message(void **state)
{
	const struct cpm m = message();
	const struct cpm_peer peers[] = {
		{ .kind = CPM_ITR, .flags = 0xff, .addr = addr("192.0.2.1") },
		{ .kind = CPM_PEER, .iid = 9, .addr = addr("10.1.0.10") },
		{ .kind = CPM_PXTR, .flags = 0xff, .addr = addr("192.0.2.9") },
		{ .kind = CPM_OWNER, .iid = 9, .addr = addr("c1c2::1") },
		{ .kind = CPM_MAC,
		    .iid = 9,
		    .addr = addr("52:54:00:0a:02:14") },
	};
	uint8_t buf[512];
	struct wire_writer w;

	(void)state;
	memset(buf, 0xee, sizeof(buf));
	w = wire_writer(buf, sizeof(buf));
	cpm_encode(&w, &m, peers, 5);
	is_octets(&w,
	    "ffa0 14 c0  0102030405060708"
	    "11 02 0010  00000000000000000000000000000000"
	    "abababababababababababababababab"
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	    "2122232425262728 3132333435363738"
	    "41424344 5152 6162  01 02 0005"
	    "00 20 0001 0a020014"
	    "00 10 4003 0000 0200 0016 00000007"
	    " 0002 fd000000000000000000000000000000"
	    "03 01 0001 c0000201"
	    "01 00 4003 0000 0200 000a 00000009 0001 0a01000a"
	    "04 00 0001 c0000209"
	    "05 00 0002 c1c20000000000000000000000000001"
	    "06 00 0006 5254000a0214");
}

/* Neither flag set, no EID, no peer: the header alone. */
static void
test_header_alone(void **state)
{
	struct cpm m = message();
	uint8_t buf[CPM_HEADER + 1];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)state;
	m.ack_wanted = m.drained = false;
	m.op = CPM_OP_CPM;
	m.n_eids = 0;
	cpm_encode(&w, &m, NULL, 0);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(wire_written(&w), CPM_HEADER);
	assert_int_equal(buf[2], 0x11);
	assert_int_equal(buf[3], 0);
	assert_int_equal(buf[89], 0);
	assert_int_equal(buf[90] << 8 | buf[91], 0);
}

/* The sub-type has 12 bits; the type in front of it stays 15. */
static void
test_subtype(void **state)
{
	struct cpm m = message();
	uint8_t buf[512];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)state;
	m.subtype = 0x1234;
	cpm_encode(&w, &m, NULL, 0);
	assert_int_equal(buf[0], 0xf2);
	assert_int_equal(buf[1], 0x34);
}

static void
test_ack(void **state)
{
	struct cpm_ack a = { .subtype = 4001,
		.nonce = 0x0102030405060708,
		.key_id = 0x11,
		.algorithm = 3,
		.series = 0x41424344,
		.part = 0x5152,
		.parts = 0x6162,
		.status = CPM_ACK_DIFFER,
		.reason = CPM_ABSENT,
		.highest_nonce = 0x2122232425262728,
		.highest_generation = 0x3132333435363738,
		.n_eids = 2,
		.eids = { { CPM_ACK_DONE, eid("10.2.0.20") },
		    { CPM_ACK_STALE, eid("02:00:5e:10:00:01") } } };
	uint8_t buf[512];
	struct wire_writer w;

	(void)state;
	memset(a.sender_id, 0xab, 16);
	memset(buf, 0xee, sizeof(buf));
	w = wire_writer(buf, sizeof(buf));
	cpm_ack_encode(&w, &a);
	is_octets(&w,
	    "ffa1 12 00  0102030405060708"
	    "11 03 0010  00000000000000000000000000000000"
	    "abababababababababababababababab"
	    "41424344 5152 6162  02 08 02 00"
	    "2122232425262728 3132333435363738"
	    "00 20 0001 0a020014"
	    "09 30 0006 02005e100001");
}

/* In every room that is too small: ERR_FULL, and nothing behind its end. */
static void
test_no_room(void **state)
{
	const struct cpm m = message();
	const struct cpm_peer p = { .kind = CPM_PEER,
		.addr = addr("10.1.0.1") };
	struct cpm_ack a = { .n_eids = 1 };
	uint8_t whole[512];
	struct wire_writer w = wire_writer(whole, sizeof(whole));
	size_t len;

	(void)state;
	cpm_encode(&w, &m, &p, 1);
	len = wire_written(&w);
	for (size_t n = 0; n <= len; n++) {
		uint8_t *buf = malloc(n ? n : 1);

		w = wire_writer(buf, n);
		cpm_encode(&w, &m, &p, 1);
		assert_int_equal(w.err, n < len ? ERR_FULL : ERR_OK);
		free(buf);
	}
	a.eids[0].eid = m.eids[0];
	for (size_t n = 0; n <= CPM_ACK_HEADER + 8; n++) {
		uint8_t *buf = malloc(n ? n : 1);

		w = wire_writer(buf, n);
		cpm_ack_encode(&w, &a);
		assert_int_equal(
		    w.err, n < CPM_ACK_HEADER + 8 ? ERR_FULL : ERR_OK);
		free(buf);
	}
}

static void
test_counts_out_of_range(void **state)
{
	struct cpm m = message();
	struct cpm_ack a = { .n_eids = CPM_EIDS_MAX + 1 };
	uint8_t buf[2048];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	(void)state;
	m.n_eids = CPM_EIDS_MAX + 1;
	cpm_encode(&w, &m, NULL, 0);
	assert_int_equal(w.err, ERR_FULL);
	assert_int_equal(wire_written(&w), 0);
	w = wire_writer(buf, sizeof(buf));
	m.n_eids = 1;
	cpm_encode(&w, &m, NULL, UINT16_MAX + 1);
	assert_int_equal(w.err, ERR_FULL);
	assert_int_equal(wire_written(&w), 0);
	w = wire_writer(buf, sizeof(buf));
	cpm_ack_encode(&w, &a);
	assert_int_equal(w.err, ERR_FULL);
	assert_int_equal(wire_written(&w), 0);
}

/* What is reckoned for a peer is what it takes. */
static void
test_peer_len(void **state)
{
	static const char *const addrs[] = { "10.1.0.1", "fd00::1",
		"52:54:00:0a:02:14" };
	struct cpm m = message();

	(void)state;
	m.n_eids = 0;
	for (unsigned kind = 0; kind < 8; kind++)
		for (unsigned i = 0; i < 3; i++)
			for (uint32_t iid = 0; iid < 2; iid++) {
				const struct cpm_peer p = {
					.kind = (uint8_t)kind,
					.iid = iid,
					.addr = addr(addrs[i]),
				};
				uint8_t buf[256];
				struct wire_writer w =
				    wire_writer(buf, sizeof(buf));

				cpm_encode(&w, &m, &p, 1);
				assert_int_equal(cpm_peer_len(&p),
				    wire_written(&w) - CPM_HEADER);
			}
}

/* The count of peers is 16 bits wide. */
static void
test_fit_is_bounded(void **state)
{
	enum { MANY = UINT16_MAX + 5 };
	struct cpm_peer *peers = calloc(MANY, sizeof(*peers));
	struct cpm m = message();

	(void)state;
	assert_non_null(peers);
	for (unsigned i = 0; i < MANY; i++)
		peers[i].addr = addr("10.1.0.1");
	assert_int_equal(
	    cpm_peers_fit(&m, peers, MANY, SIZE_MAX / 2), UINT16_MAX);
	free(peers);
}

static void
test_words(void **state)
{
	static const char *const reasons[] = { "none", "arrived", "departing",
		"departed", "aborted", "present", "arriving", "paused",
		"absent", "unknown" };
	static const char *const statuses[] = { [CPM_ACK_DONE] = "done",
		[CPM_ACK_NOTHING] = "nothing to do",
		[CPM_ACK_DIFFER] = "EIDs differ",
		[CPM_ACK_POLICY] = "not authorised",
		[CPM_ACK_RATE] = "rate limit",
		[CPM_ACK_MALFORMED] = "malformed",
		[CPM_ACK_NONCE] = "stale nonce",
		[7] = "reserved",
		[CPM_ACK_INTERNAL] = "internal error",
		[CPM_ACK_STALE] = "stale generation",
		[10] = "unknown" };

	(void)state;
	for (uint8_t i = 0; i < 10; i++)
		assert_string_equal(cpm_reason_str(i), reasons[i]);
	for (uint8_t i = 0; i < 11; i++)
		assert_string_equal(cpm_status_str(i), statuses[i]);
	assert_string_equal(cpm_reason_str(255), "unknown");
	assert_string_equal(cpm_status_str(255), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_header_alone),
		cmocka_unit_test(test_subtype),
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_counts_out_of_range),
		cmocka_unit_test(test_peer_len),
		cmocka_unit_test(test_fit_is_bounded),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name(
	    "common/cpm_encode", tests, NULL, NULL);
}
