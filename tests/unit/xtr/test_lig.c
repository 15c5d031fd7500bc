/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lig.c - lig against a thread that plays the Map-Resolver on a loopback
 * address of its own.
 */
#include "xtr/lig.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/lisp.h"
#include "common/msg.h"

#define RESOLVER "127.77.1.2"
/* The reply comes from elsewhere, as with any ETR. */
#define ETR "127.77.1.3"
/* Of the ITR-RLOC in a Map-Request without Source-EID. */
#define ITR_AT 16

struct server {
	int fd, etr;
	size_t itr_at;
	unsigned ignore; /* requests before the one answered */
	bool negative, wrong_nonce_first;
	struct eid source; /* of the question */
	pthread_t thread;
	/* What came. */
	unsigned n;
	struct map_request request;
	struct ecm ecm;
	uint8_t bytes[2048];
};

static int
udp(const char *address, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	struct timeval wait = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &at.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A Map-Reply with one record for what was asked. */
static size_t
reply_make(const struct server *s, uint64_t nonce, uint8_t *out, size_t size)
{
	static const uint8_t rloc[4] = { 192, 0, 2, 1 };
	struct addr a = addr_make(AFI_IPV4, rloc);
	struct map_reply reply = { .nonce = nonce, .n_records = 1 };
	static struct mapping m;
	struct wire_writer w = wire_writer(out, size);

	m = (struct mapping){ .ttl_min = 15,
		.eid_bits = s->request.records[0].eid_bits,
		.eid = s->request.records[0].eid,
		.authoritative = true,
		.action = s->negative ? LISP_NATIVELY_FORWARD : LISP_NO_ACTION,
		.n_locators = s->negative ? 0 : 1 };
	m.locators[0] = (struct locator){ .priority = 1,
		.weight = 100,
		.reachable = true,
		.addr = lisp_addr_from_addr(&a) };
	map_reply_header(&w, &reply);
	mapping_encode(&w, &m);
	return w.err ? 0 : wire_written(&w);
}

static void
send_reply(struct server *s, const struct sockaddr_in *to, uint64_t nonce)
{
	uint8_t out[512];
	size_t len = reply_make(s, nonce, out, sizeof(out));

	(void)!sendto(
	    s->etr, out, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t *itr;
	ssize_t len;

	do {
		len = recvfrom(s->fd, s->bytes, sizeof(s->bytes), 0,
		    (struct sockaddr *)&from, &from_len);
		if (len <= 0)
			return NULL;
		s->n++;
	} while (s->n <= s->ignore);
	if (ecm_decode(s->bytes, (size_t)len, &s->ecm) ||
	    s->ecm.payload_len < s->itr_at + 4)
		return NULL;
	/* No decoder takes a loopback address for an RLOC. */
	itr = s->bytes + (s->ecm.payload - s->bytes) + s->itr_at;
	memcpy(&from.sin_addr, itr, 4);
	memcpy(itr, "\xcb\x00\x71\x01", 4);
	if (map_request_decode(s->ecm.payload, s->ecm.payload_len, &s->request))
		return NULL;
	/* RFC 9301 5.8: to the ITR-RLOC, the port of the inner header. */
	from.sin_port = htons(s->ecm.source_port);
	if (s->wrong_nonce_first)
		send_reply(s, &from, s->request.nonce + 1);
	send_reply(s, &from, s->request.nonce);
	return NULL;
}

static int
setup(void **state)
{
	struct server *s = calloc(1, sizeof(*s));

	s->fd = udp(RESOLVER, LISP_CONTROL_PORT);
	s->etr = udp(ETR, LISP_CONTROL_PORT);
	s->itr_at = ITR_AT;
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct server *s = *state;

	close(s->fd);
	close(s->etr);
	free(s);
	return 0;
}

static enum err
ask(struct server *s, const char *text, json_t **rows)
{
	struct lig_question q = { .source = s->source };
	enum err err;

	if (s->fd < 0 || s->etr < 0)
		skip(); /* somebody has port 4342 on all addresses */
	assert_int_equal(addr_parse(RESOLVER, &q.resolver), ERR_OK);
	assert_int_equal(eid_parse(text, &q.eid), ERR_OK);
	pthread_create(&s->thread, NULL, serve, s);
	err = lig_ask(&q, rows);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	return err;
}

static void
answered(void **state)
{
	struct server *s = *state;
	json_t *rows, *row, *locators;
	char nonce[20];

	s->wrong_nonce_first = true;
	assert_int_equal(ask(s, "10.1.1.10", &rows), ERR_OK);
	assert_int_equal(json_array_size(rows), 1);
	row = json_array_get(rows, 0);
	assert_string_equal(
	    json_string_value(json_object_get(row, "eid")), "10.1.1.10/32");
	assert_string_equal(
	    json_string_value(json_object_get(row, "from")), ETR);
	assert_string_equal(
	    json_string_value(json_object_get(row, "action")), "encapsulate");
	assert_int_equal(
	    json_integer_value(json_object_get(row, "ttl_min")), 15);
	assert_string_equal(
	    json_string_value(json_object_get(row, "resolver")), RESOLVER);
	assert_int_equal(json_integer_value(json_object_get(row, "try")), 1);
	snprintf(nonce, sizeof(nonce), "%016llx",
	    (unsigned long long)s->request.nonce);
	assert_string_equal(
	    json_string_value(json_object_get(row, "nonce")), nonce);
	locators = json_object_get(row, "locators");
	assert_int_equal(json_array_size(locators), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(locators, 0), "rloc")),
	    "192.0.2.1");
	json_decref(rows);

	/* What was asked. */
	assert_in_range(s->request.n_itr_rlocs, 1, 2);
	assert_int_equal(s->request.source_eid.addr.afi, AFI_NONE);
	assert_int_equal(s->request.records[0].eid_bits, 32);
	assert_false(s->request.smr || s->request.probe);
	assert_int_equal(s->ecm.destination_port, LISP_CONTROL_PORT);
	assert_memory_equal(s->ecm.destination.bytes, "\x0a\x01\x01\x0a", 4);
}

static void
other_family(void **state)
{
	struct server *s = *state;
	static const uint8_t zero[16];
	json_t *rows;

	s->negative = true;
	assert_int_equal(ask(s, "[7]fd01::1", &rows), ERR_OK);
	assert_int_equal(s->ecm.source.afi, AFI_IPV6);
	if (s->request.n_itr_rlocs == 1) /* this host has no IPv6 */
		assert_memory_equal(s->ecm.source.bytes, zero, 16);
	assert_int_equal(s->request.itr_rlocs[0].addr.afi, AFI_IPV4);
	assert_int_equal(s->request.records[0].eid.iid, 7);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(rows, 0), "action")),
	    "natively-forward");
	json_decref(rows);
}

/* The first question is lost; the reply to the second counts. */
static void
asked_again(void **state)
{
	struct server *s = *state;
	json_t *rows;

	s->ignore = 1;
	assert_int_equal(ask(s, "10.1.0.0/16", &rows), ERR_OK);
	assert_int_equal(s->n, 2);
	assert_int_equal(s->request.records[0].eid_bits, 16);
	json_decref(rows);
}

/* On behalf of an EID. */
static void
with_source(void **state)
{
	struct server *s = *state;
	json_t *rows;

	s->itr_at = ITR_AT + 4;
	assert_int_equal(eid_parse("10.3.0.10", &s->source), ERR_OK);
	assert_int_equal(ask(s, "10.1.1.10", &rows), ERR_OK);
	assert_memory_equal(
	    s->request.source_eid.addr.bytes, "\x0a\x03\x00\x0a", 4);
	json_decref(rows);
}

static void
resolved(void **state)
{
	struct addr out[LIG_ADDRESSES_MAX];
	const char *error = NULL;

	(void)state;
	assert_int_equal(lig_resolve("192.0.2.1", out, &error), 1);
	assert_int_equal(out[0].afi, AFI_IPV4);
	assert_int_equal(lig_resolve("2001:db8::1", out, &error), 1);
	assert_int_equal(out[0].afi, AFI_IPV6);
	assert_true(lig_resolve("localhost", out, &error) >= 1);
	assert_int_equal(lig_resolve("no.such.name.invalid", out, &error), 0);
	assert_non_null(error);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answered),
		TEST(other_family),
		TEST(asked_again),
		TEST(with_source),
		cmocka_unit_test(resolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
