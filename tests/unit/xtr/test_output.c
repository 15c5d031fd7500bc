/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_output.c - control messages out: nothing before the end of the turn and
 * the store's commit, in order, within the bound.
 */
#include "node.h"

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
send(struct node *n, const char *to, const char *text)
{
	const struct addr a = A(to);

	output_send(&n->x, NULL, &a, 4711, (const uint8_t *)text, strlen(text));
}

static void
assert_sent(struct node *n, unsigned i, const char *to, const char *text)
{
	const struct addr a = A(to);

	assert_true(i < n->n_sent);
	assert_true(addr_equal(&n->sent[i].to, &a));
	assert_int_equal(n->sent[i].port, 4711);
	assert_int_equal(n->sent[i].len, strlen(text));
	assert_memory_equal(n->sent[i].bytes, text, n->sent[i].len);
}

/* Copied, kept to the end of the turn, in the order in which they came. */
static void
test_order(void **state)
{
	struct node *n = *state;
	char text[8];

	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "%u", i);
		send(n, i % 2 ? "192.0.2.9" : "2001:db8::9", text);
	}
	assert_int_equal(n->n_sent, 0);
	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 300);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_sent(n, i, i % 2 ? "192.0.2.9" : "2001:db8::9", text);
	}
	loop_poll(n->x.loop); /* once */
	assert_int_equal(n->n_sent, 300);
	output_flush(&n->x);
	assert_int_equal(n->n_sent, 300);
	send(n, "192.0.2.9", "next"); /* a turn of its own */
	loop_poll(n->x.loop);
	assert_sent(n, 300, "192.0.2.9", "next");
}

static void
test_drop(void **state)
{
	struct node *n = *state;

	send(n, "192.0.2.9", "a");
	send(n, "192.0.2.9", "b");
	output_drop(&n->x);
	assert_int_equal(n->x.counters.output_errors, 2);
	send(n, "192.0.2.9", "c");
	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 1);
	assert_sent(n, 0, "192.0.2.9", "c");
}

static unsigned n_seen;
static size_t bytes_seen;

static void
count(void *arg, const struct addr *to, uint16_t port, const uint8_t *bytes,
    size_t len)
{
	(void)arg;
	(void)to;
	(void)port;
	n_seen++;
	bytes_seen += len;
	assert_int_equal(bytes[0], bytes[len - 1]);
}

/* At the bound of octets the new ones are dropped; after it there is room. */
static void
test_bound(void **state)
{
	enum { LARGE = 65000 };
	const unsigned fit = OUTPUT_QUEUE_MAX / LARGE;
	struct node *n = *state;
	const struct addr a = A("192.0.2.9");
	static uint8_t bytes[LARGE];

	n_seen = 0;
	bytes_seen = 0;
	output_divert(&n->x, count, NULL);
	for (unsigned i = 0; i < fit + 3; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		output_send(&n->x, NULL, &a, 1, bytes, sizeof(bytes));
	}
	assert_int_equal(n->x.counters.output_errors, 3);
	/* a small one may still fit */
	output_send(&n->x, NULL, &a, 1, bytes, 1);
	assert_int_equal(n->x.counters.output_errors, 3);
	loop_poll(n->x.loop);
	assert_int_equal(n_seen, fit + 1);
	assert_int_equal(bytes_seen, (size_t)fit * LARGE + 1);
	output_send(&n->x, NULL, &a, 1, bytes, sizeof(bytes));
	loop_poll(n->x.loop);
	assert_int_equal(n_seen, fit + 2);
}

static void
test_ecm(void **state)
{
	struct node *n = *state;
	const struct addr to = A("198.51.100.20"), from = A("10.1.2.3"),
			  eid = A("10.2.3.4"), six = A("fd00::1");
	static const uint8_t payload[] = { 0x10, 1, 2, 3 };
	static uint8_t large[LISP_MSG_MAX];
	struct ecm ecm;

	output_ecm(&n->x, &to, &from, &eid, 4344, payload, sizeof(payload));
	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 1);
	assert_true(addr_equal(&n->sent[0].to, &to));
	assert_int_equal(n->sent[0].port, LISP_CONTROL_PORT);
	assert_int_equal(
	    ecm_decode(n->sent[0].bytes, n->sent[0].len, &ecm), ERR_OK);
	assert_true(addr_equal(&ecm.source, &from));
	assert_true(addr_equal(&ecm.destination, &eid));
	assert_int_equal(ecm.source_port, 4344);
	assert_int_equal(ecm.destination_port, LISP_CONTROL_PORT);
	assert_int_equal(ecm.payload_len, sizeof(payload));
	assert_memory_equal(ecm.payload, payload, sizeof(payload));
	/* too large with its headers */
	output_ecm(&n->x, &to, &six, &six, 4344, large, sizeof(large));
	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 1);
	assert_int_equal(n->x.counters.output_errors, 1);
}

/* Without a socket of the family it is counted, not kept. */
static void
test_no_socket(void **state)
{
	struct node *n = *state;

	output_divert(&n->x, NULL, NULL);
	assert_int_equal(input_fd(&n->x, AFI_IPV4), -1);
	for (unsigned i = 0; i < 100; i++)
		send(n, i % 2 ? "192.0.2.9" : "2001:db8::9", "x");
	loop_poll(n->x.loop);
	assert_int_equal(n->x.counters.output_errors, 100);
	output_divert(&n->x, node_capture, n);
	loop_poll(n->x.loop);
	assert_int_equal(n->n_sent, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_drop),
		TEST(test_bound),
		TEST(test_ecm),
		TEST(test_no_socket),
	};

	return cmocka_run_group_tests_name("xtr/output", tests, NULL, NULL);
}
