/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_REGISTERING_H
#define TESTS_REGISTERING_H

/*
 * registering.h - node.h's xTR as it registers: reads its Map-Registers and
 * answers as its Map-Servers would.
 */
#include "node.h"

#include "common/auth.h"
#include "xtr/mobility_entry.h"

#define TEN "198.51.100.10"
#define ELEVEN "198.51.100.11"
#define LAB "2001:db8:9::10"
#define VM "10.1.1.10"

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

UNUSED_OK static struct eid_entry *
dynamic(struct node *n, const char *eid, enum eid_state state)
{
	const struct eid e = E(eid);
	struct eid_entry *entry = eids_find(n->x.eids, &e);

	if (!entry)
		assert_int_equal(
		    mobility_entry(&n->x, &e, &n->mobile[0], &entry), ERR_OK);
	eids_set_state(n->x.eids, entry, state);
	return entry;
}

UNUSED_OK static void
schedule(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	register_schedule(&n->x, &e);
	loop_poll(n->x.loop);
}

/* Only the first of its mapping system, from now on. */
UNUSED_OK static void
one_map_server(struct node *n)
{
	n->systems[0].map_servers.n = 1;
	registers_free(n->x.registers);
	n->x.registers = registers_new(&n->x);
	assert_non_null(n->x.registers);
}

/* Becomes ours and is registered at once. */
UNUSED_OK static void
local(struct node *n, const char *eid)
{
	dynamic(n, eid, EID_LOCAL);
	schedule(n, eid);
}

UNUSED_OK static bool
confirmed(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return register_is_confirmed(&n->x, &e);
}

UNUSED_OK static const struct conf_map_server_peer *
server(const struct node *n, const struct addr *a)
{
	for (unsigned i = 0; i < 2; i++)
		if (addr_equal(&n->corp_ms[i].address, a))
			return &n->corp_ms[i];
	return addr_equal(&n->lab_ms[0].address, a) ? &n->lab_ms[0] : NULL;
}

/* One Map-Register as sent. */
struct registered {
	struct addr to;
	const struct sent *sent;
	struct map_register m;
	unsigned n;
	struct mapping records[64];
};

/* The 'nth' one; its MAC must be that of its Map-Server. */
UNUSED_OK static const struct registered *
registered(struct node *n, unsigned nth)
{
	static struct registered r;

	r.sent = node_sent(n, LISP_MAP_REGISTER, nth);
	r.to = r.sent->to;
	r.n = 0;
	assert_int_equal(r.sent->port, LISP_CONTROL_PORT);
	assert_non_null(server(n, &r.to));
	assert_int_equal(auth_verify(r.sent->bytes, r.sent->len,
			     &server(n, &r.to)->keys.first.key),
	    ERR_OK);
	assert_int_equal(
	    map_register_decode(r.sent->bytes, r.sent->len, &r.m), ERR_OK);
	while (r.n < 64 && records_next(&r.m.records, &r.records[r.n]))
		r.n++;
	assert_int_equal(r.n, r.m.n_records);
	return &r;
}

UNUSED_OK static unsigned
n_registered(struct node *n)
{
	return node_count(n, LISP_MAP_REGISTER);
}

UNUSED_OK static bool
is_for(const struct registered *r, unsigned i, const char *eid)
{
	const struct eid wanted = E(eid);
	struct eid e;

	assert_int_equal(
	    lisp_addr_eid(&r->records[i].eid, r->records[i].eid_bits, &e),
	    ERR_OK);
	return eid_equal(&e, &wanted);
}

/* A Map-Notify of these records, signed with the key of 'from' (or 'key'). */
UNUSED_OK static enum err
notify(struct node *n, const char *from, uint64_t nonce,
    const struct mapping *records, unsigned count, const struct auth_key *key)
{
	const struct addr a = A(from);
	const struct auth_key *k = key ? key : &server(n, &a)->keys.first.key;
	const struct map_notify m = {
		.type = LISP_MAP_NOTIFY,
		.nonce = nonce,
		.auth = { .key_id = k->key_id,
		    .algorithm = k->algorithm,
		    .len = auth_len(k) },
		.n_records = count,
	};
	uint8_t bytes[8192];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	map_notify_header(&w, &m);
	for (unsigned i = 0; i < count; i++)
		mapping_encode(&w, &records[i]);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(bytes, wire_written(&w), k), ERR_OK);
	return node_receive(n, from, bytes, wire_written(&w));
}

/* The Map-Server acknowledges the 'nth' Map-Register, as RFC 9301 5.7 says. */
UNUSED_OK static enum err
acknowledge(struct node *n, unsigned nth)
{
	static struct registered r;
	char buf[ADDR_STR_MAX];

	r = *registered(n, nth);
	return notify(n, addr_str(&r.to, buf), r.m.nonce, r.records, r.n, NULL);
}

/* Acknowledges all that ask for it, until nothing is sent any more. */
UNUSED_OK static void
acknowledge_all(struct node *n)
{
	for (unsigned i = 0; i < n_registered(n); i++)
		if (registered(n, i)->m.want_notify)
			assert_int_equal(acknowledge(n, i), ERR_OK);
	node_forget_sent(n);
}

#endif
