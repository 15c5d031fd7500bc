/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_input.c - a datagram to its handler: what no role of ours wants is
 * dropped, each counted under a reason of its own; what an ECM may hold; the
 * sockets.
 */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node.h"
#include "tests/unit/common/hex.h"

#define RECORD_OF_VENDOR \
	"000005a0 01 18 1000 0000 0001 0a020000" \
	"0164ff00 0005 4003 0000 ff00 0004 00aabbcc"

static int
setup(void **state)
{
	*state = node_new();
	return 0;
}

static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

static void
test_dropped(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		/* DDT, NAT traversal */
		{ "60000001 0000000000000001 0000000f 00 18 9000 0000"
		  "0001 0a020000",
		    ERR_ROLE },
		{ "60000001 0000000000000001 0000000f 00 18 1000 0000"
		  "0001 0a020000",
		    ERR_MALFORMED },
		{ "70000000 0000000000000001 00000000 000005a0 00 20"
		  "0001 0a020014 0000",
		    ERR_ROLE },
		{ "78000000 0000000000000001 00000000 000005a0 00 20"
		  "0001 0a020014 0000",
		    ERR_MALFORMED },
		/* type 15 of others, whatever it is, and cut */
		{ "f4d20000", ERR_SUBTYPE },
		{ "f4d2", ERR_SUBTYPE },
		{ "ffff0000 0000000000000001 00000000", ERR_SUBTYPE },
		{ "f4", ERR_TRUNCATED },
		/* a vendor's LCAF */
		{ "20000001 0000000000000001" RECORD_OF_VENDOR,
		    ERR_UNSUPPORTED },
		{ "40000001 0000000000000001 00000000" RECORD_OF_VENDOR,
		    ERR_UNSUPPORTED },
		{ "10000001 0000000000000001 0000 0001 cb007105"
		  "00 20 0001 0a010505",
		    ERR_OK },
		{ "10000101 0000000000000001 0000 0001 cb007105"
		  "4003 0000 ff00 0004 00aabbcc 00 20 0001 0a010505",
		    ERR_UNSUPPORTED },
		/* nobody's */
		{ "00000000 0000000000000001", ERR_UNSUPPORTED },
		{ "90000000 0000000000000001", ERR_UNSUPPORTED },
	};
	struct node *n = *state;
	uint8_t buf[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct datagram dg = {
			.bytes = buf,
			.len = hex(cases[i].text, buf),
			.from = A("203.0.113.5"),
			.to = A("192.0.2.1"),
			.port = LISP_CONTROL_PORT,
		};
		const uint64_t *count =
		    &n->x.counters.rx[buf[0] >> 4][cases[i].err];
		const uint64_t before = *count;
		enum err err = input_datagram(&n->x, &dg);

		if (err != cases[i].err)
			fail_msg("%s: %s", cases[i].text, err_str(err));
		assert_int_equal(*count, before + 1);
	}
	assert_int_equal(map_cache_count(n->x.map_cache), 0);
	assert_string_equal(input_type_str(LISP_MAP_REFERRAL), "Map-Referral");
	assert_string_equal(input_type_str(LISP_INFO), "Info");
	assert_string_equal(err_name(ERR_SUBTYPE), "sub-type");
}

static enum err
receive(struct node *n, const void *bytes, size_t len)
{
	return node_receive(n, "203.0.113.99", bytes, len);
}

static uint64_t
counted(const struct node *n, unsigned type, enum err err)
{
	return n->x.counters.rx[type][err];
}

/* Each first octet is counted under its own type. */
static void
test_types(void **state)
{
	struct node *n = *state;

	for (unsigned type = 0; type < 16; type++) {
		const uint8_t first[1] = { (uint8_t)(type << 4) };
		const enum err err = receive(n, first, 1);

		assert_int_not_equal(err, ERR_OK);
		assert_int_equal(counted(n, type, err), 1);
	}
	assert_int_equal(counted(n, LISP_MAP_REGISTER, ERR_ROLE), 1);
	assert_int_equal(counted(n, LISP_MAP_NOTIFY_ACK, ERR_ROLE), 1);
	assert_int_equal(receive(n, "", 0), ERR_TRUNCATED);
	assert_int_equal(counted(n, 0, ERR_TRUNCATED), 1);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(input_type_str(LISP_MAP_REQUEST), "Map-Request");
	assert_string_equal(
	    input_type_str(LISP_MAP_NOTIFY_ACK), "Map-Notify-Ack");
	assert_string_equal(input_type_str(LISP_ECM), "ECM");
	assert_string_equal(input_type_str(LISP_SHARED), "CPM");
	assert_string_equal(input_type_str(0), "unknown type");
	assert_string_equal(input_type_str(16), "unknown type");
	assert_string_equal(input_type_str(UINT32_MAX), "unknown type");
}

/* 'payload' in an ECM, this many times. */
static size_t
wrap(const uint8_t *payload, size_t len, unsigned times, uint8_t out[4096])
{
	uint8_t inner[4096];

	memcpy(out, payload, len);
	for (; times; times--) {
		struct wire_writer w = wire_writer(out, 4096);
		const struct ecm ecm = { .source = A("203.0.113.99"),
			.destination = A("10.1.2.3"),
			.source_port = 4342,
			.destination_port = 4342,
			.payload = inner,
			.payload_len = len };

		memcpy(inner, out, len);
		ecm_encode(&w, &ecm);
		assert_int_equal(w.err, ERR_OK);
		len = wire_written(&w);
	}
	return len;
}

static size_t
map_request(const char *text, uint8_t *out, size_t size)
{
	const struct eid eid = E(text);
	const struct addr itr = A("203.0.113.99");
	struct map_request m = {
		.nonce = 77, .n_itr_rlocs = 1, .n_records = 1
	};
	struct wire_writer w = wire_writer(out, size);

	m.itr_rlocs[0] = lisp_addr_from_addr(&itr);
	m.records[0].eid = lisp_addr_from_eid(&eid);
	m.records[0].eid_bits = eid.bits;
	map_request_encode(&w, &m);
	return wire_written(&w);
}

/* RFC 9301 5.8: a Map-Request, once, and nothing else. */
static void
test_ecm(void **state)
{
	struct node *n = *state;
	uint8_t request[256], bytes[4096];
	const size_t len = map_request("10.1.2.3", request, sizeof(request));

	assert_int_equal(
	    receive(n, bytes, wrap(request, len, 1, bytes)), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
	assert_int_equal(counted(n, LISP_ECM, ERR_OK), 1);
	assert_int_equal(counted(n, LISP_MAP_REQUEST, ERR_OK), 0);
	assert_int_equal(
	    receive(n, bytes, wrap(request, len, 2, bytes)), ERR_MALFORMED);
	for (unsigned type = 0; type < 16; type++) {
		/* what a NAT traversal would bring is known, but not ours */
		const bool nat = type == LISP_MAP_REGISTER ||
		    type == LISP_MAP_NOTIFY || type == LISP_MAP_NOTIFY_ACK;

		if (type == LISP_MAP_REQUEST)
			continue;
		request[0] = (uint8_t)(type << 4);
		assert_int_equal(
		    receive(n, bytes, wrap(request, len, 1, bytes)),
		    nat ? ERR_UNSUPPORTED : ERR_MALFORMED);
	}
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
}

/* A turn that writes nothing to the store still sends. */
static void
test_turn_end(void **state)
{
	struct node *n = *state;
	const struct addr a = A("203.0.113.99");

	output_send(&n->x, NULL, &a, 1, (const uint8_t *)"x", 1);
	input_turn_end(&n->x);
	assert_int_equal(n->n_sent, 1);
}

/* An address of loopback that no other test has. */
static struct addr
loopback(unsigned offset)
{
	const unsigned pid = (unsigned)getpid();
	const uint8_t bytes[4] = { 127, (uint8_t)(pid >> 16),
		(uint8_t)(pid >> 8), (uint8_t)(pid + offset) };

	return addr_make(AFI_IPV4, bytes);
}

/* Over real sockets: in, handled, and the answer out. */
static void
test_sockets(void **state)
{
	struct node *n = *state;
	struct addr listen[1] = { loopback(0) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(LISP_CONTROL_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t bad[1] = { 0x10 };

	n->conf.listen = (struct conf_list){ listen, 1 };
	assert_int_equal(input_start(&n->x), ERR_OK);
	assert_true(input_fd(&n->x, AFI_IPV4) >= 0);
	assert_int_equal(input_fd(&n->x, AFI_IPV6), -1);
	memcpy(&to.sin_addr, listen[0].bytes, 4);
	/* more than one batch */
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(
		    sendto(fd, bad, 1, 0, (struct sockaddr *)&to, sizeof(to)),
		    1);
	for (unsigned i = 0;
	     i < 1000 && counted(n, LISP_MAP_REQUEST, ERR_TRUNCATED) < 100;
	     i++) {
		loop_poll(n->x.loop);
		usleep(1000);
	}
	assert_int_equal(counted(n, LISP_MAP_REQUEST, ERR_TRUNCATED), 100);
	close(fd);
	input_stop(&n->x);
	assert_null(n->x.input);
	assert_int_equal(input_fd(&n->x, AFI_IPV4), -1);
	input_stop(&n->x);
}

/* A port that is taken: an error, and nothing stays open. */
static void
test_taken(void **state)
{
	struct node *n = *state;
	struct addr listen[2] = { loopback(1), loopback(0) };
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(LISP_CONTROL_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(&at.sin_addr, listen[1].bytes, 4);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	n->conf.listen = (struct conf_list){ listen, 2 };
	assert_int_equal(input_start(&n->x), ERR_IO);
	assert_null(n->x.input);
	close(fd);
	assert_int_equal(input_start(&n->x), ERR_OK);
	input_stop(&n->x);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dropped),
		TEST(test_types),
		cmocka_unit_test(test_names),
		TEST(test_ecm),
		TEST(test_turn_end),
		TEST(test_sockets),
		TEST(test_taken),
	};

	return cmocka_run_group_tests_name("xtr/input", tests, NULL, NULL);
}
