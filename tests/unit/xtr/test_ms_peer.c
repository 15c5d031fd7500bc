/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ms_peer.c - the xTRs that registered: by what they are known, what is
 * kept of them over a restart, which of them give way.
 */
#include "ms_parts.h"

/* By xTR-ID wherever it is, else by where it is; apart by site. */
static void
test_identity(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *bare = peer_of(f, "a", 0, "192.0.2.1");

	assert_ptr_equal(peer_of(f, "a", 1, "192.0.2.2"), p);
	assert_true(
	    addr_equal(&p->addr, &(struct addr[]){ A("192.0.2.2") }[0]));
	assert_ptr_not_equal(bare, p);
	assert_ptr_equal(peer_of(f, "a", 0, "192.0.2.1"), bare);
	assert_ptr_not_equal(peer_of(f, "a", 0, "192.0.2.2"), bare);
	assert_ptr_not_equal(peer_of(f, "a", 2, "192.0.2.1"), p);
	assert_ptr_not_equal(peer_of(f, "b", 1, "192.0.2.1"), p);
}

/* A new key makes a new peer, but not another xTR. */
static void
test_same(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_of(f, "a", 1, "192.0.2.1"), *other = NULL;
	const struct map_register m = register_of(2, 1);
	const struct datagram dg = { .from = A("192.0.2.9") };

	assert_int_equal(
	    ms_peer_get(f->x.map_server, p->site, &dg, &m, &other), ERR_OK);
	assert_ptr_not_equal(p, other);
	assert_false(other->heard);
	assert_true(ms_peer_same(p, other));
	assert_true(ms_peer_same(p, p));
	assert_false(ms_peer_same(p, peer_of(f, "a", 2, "192.0.2.1")));
	assert_false(ms_peer_same(p, peer_of(f, "a", 0, "192.0.2.1")));
	assert_false(ms_peer_same(p, peer_of(f, "b", 1, "192.0.2.1")));
}

/* All of it is there after a restart; its number, which names it, too. */
static void
test_restart(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_of(f, "a", 1, "192.0.2.1");
	struct peer *q = peer_of(f, "a", 0, "2001:db8::9");
	struct peer before = *p, before_q = *q;
	const struct map_register m = register_of(1, 1);
	const struct datagram dg = { .from = A("192.0.2.77") };

	fixture_restart(f);
	assert_int_equal(ms_peer_get(f->x.map_server,
			     ms_site_get(f->x.map_server, "a"), &dg, &m, &p),
	    ERR_OK);
	assert_true(p->heard);
	assert_int_equal(p->nonce, 7);
	assert_int_equal(p->number, before.number);
	assert_true(addr_equal(&p->addr, &before.addr));
	assert_int_equal(p->port, 4342);
	assert_int_equal(p->algorithm, AUTH_SHA256_128);
	assert_int_equal(p->auth_len, 16);
	assert_memory_equal(p->mac, before.mac, sizeof(p->mac));
	q = peer_of(f, "a", 0, "2001:db8::9");
	assert_int_equal(q->number, before_q.number);
	/* a new one does not get a number that is taken */
	p = peer_of(f, "b", 5, "192.0.2.5");
	assert_true(p->number > before.number && p->number > before_q.number);
}

/* One that was never heard leaves no trace in the store. */
static void
test_never_heard(void **state)
{
	struct fixture *f = *state;
	const struct map_register m = register_of(1, 9);
	const struct datagram dg = { .from = A("192.0.2.1") };
	struct ms_site *a = ms_site_get(f->x.map_server, "a");
	struct peer *p;

	assert_int_equal(ms_peer_get(f->x.map_server, a, &dg, &m, &p), ERR_OK);
	assert_int_equal(a->n_peers, 1);
	fixture_restart(f);
	assert_int_equal(ms_site_get(f->x.map_server, "a")->n_peers, 0);
}

static void
number_id(struct map_register *m, unsigned id)
{
	m->has_xtr_id = true;
	m->xtr_id[14] = (uint8_t)(id >> 8);
	m->xtr_id[15] = (uint8_t)id;
}

/* The one longest silent goes, if nothing points to it. */
static void
test_bound(void **state)
{
	struct fixture *f = *state;
	struct map_server *ms = f->x.map_server;
	struct ms_site *a = ms_site_get(ms, "a");
	struct map_register m = register_of(1, 1);
	const struct datagram dg = { .from = A("192.0.2.1") };
	struct peer *p, *first = NULL, *second = NULL;

	for (unsigned i = 0; i < MS_PEERS_PER_SITE; i++) {
		number_id(&m, i);
		assert_int_equal(ms_peer_get(ms, a, &dg, &m, &p), ERR_OK);
		ms_peer_heard(ms, p, &dg, &m);
		if (i == 0)
			first = p;
		if (i == 1)
			second = p;
	}
	first->refs++;
	number_id(&m, 2000);
	assert_int_equal(ms_peer_get(ms, a, &dg, &m, &p), ERR_OK);
	assert_int_equal(a->n_peers, MS_PEERS_PER_SITE);
	number_id(&m, 0);
	assert_int_equal(ms_peer_get(ms, a, &dg, &m, &p), ERR_OK);
	assert_ptr_equal(p, first);
	number_id(&m, 1); /* it went, and its nonce with it */
	assert_int_equal(ms_peer_get(ms, a, &dg, &m, &second), ERR_OK);
	assert_false(second->heard);
	for (p = a->oldest; p; p = p->newer)
		p->refs++;
	number_id(&m, 3000);
	assert_int_equal(ms_peer_get(ms, a, &dg, &m, &p), ERR_FULL);
	/* other sites have room of their own */
	assert_int_equal(
	    ms_peer_get(ms, ms_site_get(ms, "b"), &dg, &m, &p), ERR_OK);
	for (p = a->oldest; p; p = p->newer)
		p->refs--;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_identity),
		T(test_same),
		T(test_restart),
		T(test_never_heard),
		T(test_bound),
	};

	return cmocka_run_group_tests_name("xtr/ms_peer", tests, NULL, NULL);
}
