/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ASKING_H
#define TESTS_ASKING_H

/*
 * asking.h - node.h's xTR as ITR: makes it ask, reads what it asked, answers.
 */
#include "node.h"

#define FIRST "198.51.100.20"
#define SECOND "198.51.100.21"
#define LAB "2001:db8:9::20"

/* A decoded Map-Request with where it went. */
struct asked {
	struct addr to;
	struct ecm ecm;
	struct map_request m;
	struct eid eid;
};

UNUSED_OK static const struct asked *
asked(struct node *n, unsigned nth)
{
	static struct asked a;
	const struct sent *s = node_sent(n, LISP_MAP_REQUEST, nth);

	a.to = s->to;
	assert_int_equal(s->port, LISP_CONTROL_PORT);
	assert_int_equal(ecm_decode(s->bytes, s->len, &a.ecm), ERR_OK);
	assert_int_equal(
	    map_request_decode(a.ecm.payload, a.ecm.payload_len, &a.m), ERR_OK);
	assert_int_equal(a.m.n_records, 1);
	assert_int_equal(
	    lisp_addr_eid(&a.m.records[0].eid, a.m.records[0].eid_bits, &a.eid),
	    ERR_OK);
	return &a;
}

UNUSED_OK static const char *
asked_whom(struct node *n, unsigned nth)
{
	static char buf[ADDR_STR_MAX];

	return addr_str(&asked(n, nth)->to, buf);
}

UNUSED_OK static unsigned
n_asked(struct node *n)
{
	return node_count(n, LISP_MAP_REQUEST);
}

/* An IPv4 UDP packet; its last octet is 'mark'. */
UNUSED_OK static void
miss(struct node *n, const char *to, uint8_t mark)
{
	const struct eid source = E("10.1.2.3"), eid = E(to);
	struct addr d = A(to);
	uint8_t packet[32] = { 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17 };
	uint16_t sum;

	memcpy(packet + 12, source.addr.bytes, 4);
	memcpy(packet + 16, d.bytes, 4);
	sum = checksum_fold(checksum_add(0, packet, 20));
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	packet[25] = 12;
	packet[31] = mark;
	itr_on_miss(&n->x, &eid, &source, packet, sizeof(packet));
	loop_poll(n->x.loop);
}

UNUSED_OK static void
resolve(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	itr_resolve(&n->x, &e);
	loop_poll(n->x.loop);
}

UNUSED_OK static bool
smr(struct node *n, const char *eid, const char *from)
{
	const struct eid e = E(eid);
	const struct addr a = A(from);
	const bool obeyed = itr_on_smr(&n->x, &e, &a);

	loop_poll(n->x.loop);
	return obeyed;
}

UNUSED_OK static enum err
reply_many(
    struct node *n, uint64_t nonce, const struct mapping *list, unsigned count)
{
	const struct map_reply m = { .nonce = nonce, .n_records = count };
	uint8_t bytes[4096];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	map_reply_header(&w, &m);
	for (unsigned i = 0; i < count; i++)
		mapping_encode(&w, &list[i]);
	assert_int_equal(w.err, ERR_OK);
	return node_receive(n, "203.0.113.99", bytes, wire_written(&w));
}

UNUSED_OK static enum err
reply(struct node *n, uint64_t nonce, const char *eid, const char *rloc)
{
	const struct mapping m = node_mapping(eid, 10, rloc);

	return reply_many(n, nonce, &m, 1);
}

UNUSED_OK static void
store(struct node *n, const char *eid, const char *rloc)
{
	const struct mapping m = node_mapping(eid, 10, rloc);
	const struct eid e = E(eid);

	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
}

UNUSED_OK static struct map_cache_entry *
cached(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return map_cache_match(n->x.map_cache, &e);
}

UNUSED_OK static int
setup(void **state)
{
	*state = node_new();
	return 0;
}

UNUSED_OK static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
