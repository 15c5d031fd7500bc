/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_decode.c - rules of the decoders that the golden vectors do not reach,
 * or reach only together with others.
 */
#include "common/auth.h"
#include "common/msg.h"

#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define RECORD \
	"000005a0 01 18 1000 0000 0001 0a020000" \
	"01 64 ff 00 0005 0001 c6336407"

static enum err
request(const char *text, struct map_request *out)
{
	static uint8_t buf[512];

	return map_request_decode(buf, hex(text, buf), out);
}

static void
test_itr_rlocs(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		/* multicast, then a good one */
		{ "10000101 0000000000000001 0000 0001 e0000001 0001 c0000201"
		  "00 20 0001 0a020014",
		    true },
		/* multicast and loopback */
		{ "10000101 0000000000000001 0000 0001 e0000001 0001 7f000001"
		  "00 20 0001 0a020014",
		    false },
		/* an LCAF alone, which we cannot answer to */
		{ "10000001 0000000000000001 0000 4003 0000 6300 0000"
		  "00 20 0001 0a020014",
		    false },
		/* AFI 0 without and with N */
		{ "10000001 0000000000000001 0000 0000 00 20 0001 0a020014",
		    false },
		{ "10000001 0000000000000001 0000 0000 80 20 0001 0a020014",
		    true },
		/* in an instance-ID */
		{ "10000001 0000000000000001 0000"
		  "4003 0000 0200 000a 00000007 0001 c0000201"
		  "00 20 0001 0a020014",
		    true },
	};
	static struct map_request m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((request(cases[i].text, &m) == ERR_OK) != cases[i].ok)
			fail_msg("case %zu", i);
}

static void
test_nothing_is_touched_on_error(void **state)
{
	struct map_request *m = malloc(sizeof(*m)), *copy = malloc(sizeof(*m));

	(void)state;
	memset(m, 0xa5, sizeof(*m));
	memcpy(copy, m, sizeof(*m));
	assert_int_equal(request("10000001 0000000000000001 0000 0001 c0000201"
				 "00 20 0001 0a0200",
			     m),
	    ERR_TRUNCATED);
	assert_memory_equal(m, copy, sizeof(*m));
	free(copy);
	free(m);
}

static void
test_wrong_type(void **state)
{
	uint8_t buf[64];
	size_t len = hex("20000000 0000000000000001", buf);
	static struct map_request request_out;
	struct map_notify notify_out;
	struct auth_header a;

	(void)state;
	assert_int_equal(
	    map_request_decode(buf, len, &request_out), ERR_MALFORMED);
	assert_int_equal(
	    map_notify_decode(buf, len, &notify_out), ERR_MALFORMED);
	assert_int_equal(auth_header_decode(buf, len, &a), ERR_MALFORMED);
	assert_int_equal(msg_type(buf, len), LISP_MAP_REPLY);
	assert_int_equal(msg_type(buf, 0), -1);
}

static void
test_records_walk(void **state)
{
	uint8_t buf[128];
	size_t len = hex("20000002 0000000000000001" RECORD RECORD "ff", buf);
	static struct mapping m;
	struct map_reply reply;
	struct records records;

	(void)state;
	assert_int_equal(map_reply_decode(buf, len, &reply), ERR_OK);
	assert_int_equal(reply.trailer_len, 1);
	records = reply.records;
	for (unsigned i = 0; i < 2; i++) {
		assert_true(records_next(&records, &m));
		assert_int_equal(m.ttl_min, 1440);
		assert_int_equal(m.n_locators, 1);
		assert_true(m.authoritative && m.locators[0].local);
		assert_true(m.locators[0].reachable && !m.locators[0].probed);
	}
	assert_false(records_next(&records, &m));
	assert_false(records_next(&records, &m));
	assert_int_equal(records.len, 0);
}

static void
test_mapping_alone(void **state)
{
	uint8_t buf[128];
	size_t len = hex(RECORD "ee", buf);
	struct wire_reader r = wire_reader(buf, len);
	static struct mapping m;

	(void)state;
	assert_int_equal(mapping_decode(&r, &m), ERR_OK);
	assert_int_equal(wire_left(&r), 1);
	assert_int_equal(m.locators[0].weight, 100);
	r = wire_reader(buf, len - 2);
	m.ttl_min = 7;
	assert_int_equal(mapping_decode(&r, &m), ERR_TRUNCATED);
	assert_int_equal(m.ttl_min, 7);
}

/* Bit 4 of a Map-Notify is reserved: it means ids only if they are there. */
static void
test_notify_ids(void **state)
{
	uint8_t buf[128];
	size_t len = hex("48000000 0000000000000001 0001 0010"
			 "00000000000000000000000000000000"
			 "00112233445566778899aabbccddeeff 0000000000000042",
	    buf);
	struct map_notify m;

	(void)state;
	assert_int_equal(map_notify_decode(buf, len, &m), ERR_MALFORMED);
	buf[13] = 2; /* 16 octets are of SHA-256 */
	assert_int_equal(map_notify_decode(buf, len, &m), ERR_OK);
	assert_true(m.has_xtr_id);
	assert_int_equal(m.site_id, 0x42);
	assert_int_equal(map_notify_decode(buf, len - 1, &m), ERR_OK);
	assert_false(m.has_xtr_id);
	assert_int_equal(m.trailer_len, 23);
	buf[0] = 0x40;
	assert_int_equal(map_notify_decode(buf, len, &m), ERR_OK);
	assert_false(m.has_xtr_id);
	assert_int_equal(m.trailer_len, 24);
}

static void
test_reply_security(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		{ "22000000 0000000000000001 01000000 0004 0002 0004 0002",
		    ERR_OK },
		{ "22000000 0000000000000001 02000000 0004 0002 0004 0002",
		    ERR_UNSUPPORTED },
		{ "22000000 0000000000000001 01000000 0003 0002 0004 0002",
		    ERR_MALFORMED },
		{ "22000000 0000000000000001 01000000 0000 0002 0004 0002",
		    ERR_MALFORMED },
		{ "22000000 0000000000000001 01000000 0004 0002 0005 0002",
		    ERR_TRUNCATED },
	};
	uint8_t buf[64];
	struct map_reply m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    map_reply_decode(buf, hex(cases[i].text, buf), &m),
		    cases[i].err);
}

static void
test_auth_header_lengths(void **state)
{
	uint8_t buf[64] = { 0x30 };
	struct auth_header a;

	(void)state;
	for (unsigned algorithm = 0; algorithm < 6; algorithm++)
		for (unsigned len = 0; len <= 40; len++) {
			bool fits = algorithm == 0 ? len == 0
			    : algorithm == 1	   ? len == 12 || len == 20
			    : algorithm < 4	   ? len == 16 || len == 32
						   : false;

			buf[13] = (uint8_t)algorithm;
			buf[15] = (uint8_t)len;
			assert_int_equal(auth_header_decode(buf, 64, &a),
			    fits		? ERR_OK
				: algorithm > 3 ? ERR_ALGORITHM
						: ERR_MALFORMED);
		}
}

#define INFO \
	"000000 0000000000000001 00000000" /* nonce, no authentication */ \
	"000005a0 00"

static void
test_info(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		{ "70" INFO "20 0001 0a020014 0000", ERR_OK },
		{ "70" INFO "00 0000 0000", ERR_OK },
		{ "70" INFO "00 0000 0011 7800", ERR_OK },
		{ "70" INFO "20 0001 0a020014 0000 eeee", ERR_OK },
		/* mask-len, an address or an LCAF where a request has none */
		{ "70" INFO "21 0001 0a020014 0000", ERR_MALFORMED },
		{ "70" INFO "01 0000 0000", ERR_MALFORMED },
		{ "70" INFO "00 0000 0001 0a020014", ERR_MALFORMED },
		{ "70" INFO "00 0000 4003 0000 0700 000a 10f6 10f6"
		  "0000 0000 0000",
		    ERR_MALFORMED },
		{ "70" INFO "00 0000 0011 78", ERR_TRUNCATED },
		{ "78" INFO "00 0000 4003 0000 0700 000a 10f6 10f6"
		  "0000 0000 0000",
		    ERR_OK },
		/* lispers.net: its name where the private RLOC would be */
		{ "78" INFO "00 0000 4003 0000 0700 000c 10f6 10f6"
		  "0000 0000 0011 7800",
		    ERR_OK },
		{ "78" INFO "00 0000 0000", ERR_MALFORMED },
		{ "78" INFO "00 0000 0011 7800", ERR_MALFORMED },
		{ "78" INFO "00 0000 4003 0000 0000 0000", ERR_MALFORMED },
		{ "78" INFO "00 0000 4003 0000 0700 0008 10f6 10f6 0000 0000",
		    ERR_MALFORMED },
		/* an EID of an unknown LCAF */
		{ "70" INFO "00 4003 0000 c800 0000 0000", ERR_UNSUPPORTED },
		{ "60" INFO "00 0000 0000", ERR_MALFORMED },
	};
	uint8_t buf[128];
	struct info m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err = info_decode(buf, hex(cases[i].text, buf), &m);

		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_str(err));
	}
	assert_int_equal(msg_type(buf, 1), LISP_MAP_REFERRAL);
}

#define REFERRAL "60000001 0000000000000001 000005a0"

static void
test_referral(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		/* hole; without authority; as a hole with one locator */
		{ REFERRAL "00 18 9000 0000 0001 0a020000", ERR_OK },
		{ REFERRAL "00 18 b800 0000 0001 0a020000", ERR_OK },
		{ REFERRAL "01 18 9000 0000 0001 0a020000"
			   "0064ff00 0001 0001 c0000265",
		    ERR_OK },
		/* three that must name whom to ask; unassigned actions */
		{ REFERRAL "00 18 1000 0000 0001 0a020000", ERR_MALFORMED },
		{ REFERRAL "00 18 3000 0000 0001 0a020000", ERR_MALFORMED },
		{ REFERRAL "00 18 5000 0000 0001 0a020000", ERR_MALFORMED },
		{ REFERRAL "00 18 d000 0000 0001 0a020000", ERR_MALFORMED },
		{ REFERRAL "00 18 f000 0000 0001 0a020000", ERR_MALFORMED },
		/* mask-len; AFI 0 */
		{ REFERRAL "00 21 9000 0000 0001 0a020000", ERR_MALFORMED },
		{ REFERRAL "00 00 9000 0000 0000", ERR_MALFORMED },
		/* one signature of 2 octets, of 3 in 2, none of one */
		{ REFERRAL "00 18 9000 1000 0001 0a020000"
			   "000005a0 713fb300 6553f100 0007 0002 02000000 abcd",
		    ERR_OK },
		{ REFERRAL "00 18 9000 1000 0001 0a020000"
			   "000005a0 713fb300 6553f100 0007 0003 02000000 abcd",
		    ERR_TRUNCATED },
		{ REFERRAL "00 18 9000 1000 0001 0a020000", ERR_TRUNCATED },
	};
	uint8_t buf[128];
	struct map_referral m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err err =
		    map_referral_decode(buf, hex(cases[i].text, buf), &m);

		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_str(err));
	}
}

static void
test_referrals_walk(void **state)
{
	uint8_t buf[128];
	size_t len = hex("60000002 0000000000000001"
			 "000005a0 00 18 9800 2123 0001 0a020000"
			 "00000001 00000002 00000003 0004 0001 02000000 aa"
			 "00000005 00000006 00000007 0008 0000 01000000"
			 "00000001 01 20 6000 0000 0001 0a030001"
			 "0164ff00 0001 0001 c0000265 eeee",
	    buf);
	struct map_referral m;
	struct referral *r = malloc(sizeof(*r));

	(void)state;
	assert_int_equal(map_referral_decode(buf, len, &m), ERR_OK);
	assert_int_equal(m.trailer_len, 2);
	assert_true(referrals_next(&m.records, r));
	assert_int_equal(r->action, LISP_DELEGATION_HOLE);
	assert_true(r->authoritative && r->incomplete);
	assert_int_equal(r->version, 0x123);
	assert_int_equal(r->n_signatures, 2);
	assert_int_equal(r->signatures[0].inception_s, 3);
	assert_int_equal(r->signatures[0].data[0], 0xaa);
	assert_int_equal(r->signatures[1].key_tag, 8);
	assert_int_equal(r->signatures[1].len, 0);
	assert_true(referrals_next(&m.records, r));
	assert_int_equal(r->action, LISP_MS_NOT_REGISTERED);
	assert_false(r->authoritative || r->incomplete);
	assert_int_equal(r->locators[0].priority, 1);
	assert_int_equal(r->n_signatures, 0);
	assert_false(referrals_next(&m.records, r));
	assert_int_equal(m.records.len, 0);
	free(r);
}

/* RFC 9306 4: whoever acts on the message has to know. */
static void
test_vendor_is_told(void **state)
{
	static const char *const records[] = {
		"000005a0 02 18 1000 0000 0001 0a020000"
		"0164ff00 0005 4003 0000 ff00 0004 00aabbcc"
		"0164ff00 0005 0001 c6336407",
		"000005a0 01 18 1000 0000 0001 0a020000"
		"0164ff00 0005 0001 c6336407",
	};
	char text[256];
	uint8_t buf[128];
	struct map_reply reply;
	struct map_register reg;
	struct map_notify notify;
	struct map_referral referral;
	static struct map_request m;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t len;

		snprintf(text, sizeof(text), "20000001 0000000000000001 %s",
		    records[i]);
		len = hex(text, buf);
		assert_int_equal(map_reply_decode(buf, len, &reply), ERR_OK);
		assert_int_equal(reply.vendor, i == 0);
		buf[0] = 0x60;
		assert_int_equal(
		    map_referral_decode(buf, len, &referral), ERR_OK);
		assert_int_equal(referral.vendor, i == 0);
		snprintf(text, sizeof(text),
		    "30000001 0000000000000001 00000000 %s", records[i]);
		len = hex(text, buf);
		assert_int_equal(map_register_decode(buf, len, &reg), ERR_OK);
		assert_int_equal(reg.vendor, i == 0);
		buf[0] = 0x40;
		assert_int_equal(map_notify_decode(buf, len, &notify), ERR_OK);
		assert_int_equal(notify.vendor, i == 0);
		snprintf(text, sizeof(text),
		    "14000001 0000000000000001 0000 0001 c0000201"
		    "00 20 0001 0a020014 %s",
		    records[i]);
		assert_int_equal(request(text, &m), ERR_OK);
		assert_int_equal(m.vendor, i == 0);
	}
	assert_int_equal(request("10000101 0000000000000001 0000 0001 c0000201"
				 "4003 0000 ff00 0004 00aabbcc"
				 "00 20 0001 0a020014",
			     &m),
	    ERR_OK);
	assert_true(m.vendor);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_itr_rlocs),
		cmocka_unit_test(test_nothing_is_touched_on_error),
		cmocka_unit_test(test_wrong_type),
		cmocka_unit_test(test_records_walk),
		cmocka_unit_test(test_mapping_alone),
		cmocka_unit_test(test_notify_ids),
		cmocka_unit_test(test_reply_security),
		cmocka_unit_test(test_auth_header_lengths),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_referral),
		cmocka_unit_test(test_referrals_walk),
		cmocka_unit_test(test_vendor_is_told),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
