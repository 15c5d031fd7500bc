/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pending.c - the table of lookups: its bounds, what goes at them, nonces,
 * and the packets that wait.
 */
#include "node.h"
#include "xtr/forward.h"

static int
setup(void **state)
{
	struct node *n = node_new();

	n->conf.itr.pending_max = 4;
	pending_free(n->x.pending);
	n->x.pending = pending_new(&n->x);
	assert_non_null(n->x.pending);
	*state = n;
	return 0;
}

static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

static void
due(void *lookup)
{
	(void)lookup;
}

static struct lookup *
obtain(struct node *n, unsigned id)
{
	struct addr a = A("198.51.0.0");
	struct eid eid;

	a.bytes[2] = (uint8_t)(id >> 8);
	a.bytes[3] = (uint8_t)id;
	eid = eid_host(0, &a);
	return pending_obtain(&n->x, &eid, due);
}

static bool
is_there(struct node *n, unsigned id)
{
	struct addr a = A("198.51.0.0");
	struct eid eid;

	a.bytes[2] = (uint8_t)(id >> 8);
	a.bytes[3] = (uint8_t)id;
	eid = eid_host(0, &a);
	return pending_find(n->x.pending, &eid) != NULL;
}

static void
test_obtain(void **state)
{
	struct node *n = *state;
	struct lookup *l = obtain(n, 1);

	assert_non_null(l);
	assert_ptr_equal(obtain(n, 1), l);
	assert_false(l->asking);
	assert_int_equal(l->n_packets, 0);
	assert_int_equal(pending_count(n->x.pending), 0);
	assert_false(is_there(n, 2));
	pending_remove(l);
	assert_false(is_there(n, 1));
}

static void
test_open_and_close(void **state)
{
	struct node *n = *state;
	struct lookup *l = obtain(n, 1);
	const struct eid source = E("10.1.2.3");

	assert_int_equal(pending_open(l, &source), ERR_OK);
	assert_true(l->asking);
	assert_true(l->has_source);
	assert_true(eid_equal(&l->source, &source));
	assert_int_equal(pending_count(n->x.pending), 1);
	l->lasting = l->invoked = l->refresh = true;
	pending_close(l, false);
	assert_false(l->asking || l->lasting || l->invoked || l->refresh);
	assert_int_equal(pending_count(n->x.pending), 0);
	pending_close(l, false); /* of none: nothing */
	assert_int_equal(pending_count(n->x.pending), 0);
	assert_int_equal(pending_open(l, NULL), ERR_OK);
	assert_false(l->has_source);
	pending_remove(l);
	assert_int_equal(pending_count(n->x.pending), 0);
}

/* So many questions; an open one is never evicted for another. */
static void
test_bound_of_questions(void **state)
{
	struct node *n = *state;

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pending_open(obtain(n, i), NULL), ERR_OK);
	assert_int_equal(pending_open(obtain(n, 4), NULL), ERR_FULL);
	assert_false(obtain(n, 4)->asking);
	pending_close(obtain(n, 2), false);
	assert_int_equal(pending_open(obtain(n, 4), NULL), ERR_OK);
	assert_int_equal(pending_count(n->x.pending), 4);
}

/* Lookups stay for the limits' sake; the spare one of longest standing goes. */
static void
test_bound_of_lookups(void **state)
{
	struct node *n = *state;
	const unsigned max = 4 * (1 + PENDING_SPARE);

	for (unsigned i = 0; i < max; i++)
		assert_non_null(obtain(n, i));
	assert_null(obtain(n, max)); /* none of them may go */
	assert_non_null(obtain(n, 3));
	for (unsigned i = 5; i < 8; i++)
		pending_set_spare(obtain(n, i), true);
	pending_set_spare(obtain(n, 5), true); /* again: nothing new */
	pending_set_spare(obtain(n, 6), false);
	obtain(n, 7)->again = true;
	assert_non_null(obtain(n, max));
	assert_false(is_there(n, 5));
	assert_true(is_there(n, 6) && is_there(n, 7));
	assert_int_equal(n->x.counters.smr_forgotten, 0);
	assert_non_null(obtain(n, max + 1));
	assert_false(is_there(n, 7));
	assert_int_equal(n->x.counters.smr_forgotten, 1);
	assert_null(obtain(n, max + 2));
	/* one that asks again is no longer spare */
	pending_set_spare(obtain(n, 9), true);
	assert_int_equal(pending_open(obtain(n, 9), NULL), ERR_OK);
	assert_null(obtain(n, max + 2));
}

/* The bound of one source leaves room for the others. */
static void
test_bound_of_a_source(void **state)
{
	struct node *n = *state;
	const struct eid one = E("10.1.2.3"), other = E("10.1.2.4");

	n->conf.itr.pending_max = 1000;
	for (unsigned i = 0; i < PENDING_PER_SOURCE; i++)
		assert_int_equal(pending_open(obtain(n, i), &one), ERR_OK);
	assert_int_equal(pending_open(obtain(n, 100), &one), ERR_FULL);
	assert_int_equal(pending_count(n->x.pending), PENDING_PER_SOURCE);
	assert_int_equal(pending_open(obtain(n, 101), &other), ERR_OK);
	pending_close(obtain(n, 0), true);
	assert_int_equal(pending_open(obtain(n, 100), &one), ERR_OK);
	assert_int_equal(pending_open(obtain(n, 102), &one), ERR_FULL);
}

/* Each of the last few is known, and none before. */
static void
test_nonces(void **state)
{
	struct node *n = *state;
	struct lookup *l = obtain(n, 1);
	const struct addr resolver = A("198.51.100.20");
	uint64_t nonces[PENDING_NONCES + 2];

	for (unsigned i = 0; i < PENDING_NONCES + 2; i++) {
		node_run(n, 1);
		nonces[i] = pending_nonce(l, &resolver, 0);
		assert_true(nonces[i] != 0);
		for (unsigned k = 0; k < i; k++)
			assert_true(nonces[i] != nonces[k]);
	}
	for (unsigned i = 0; i < PENDING_NONCES + 2; i++) {
		const struct lookup_nonce *found =
		    pending_by_nonce(n->x.pending, nonces[i]);

		assert_true((found != NULL) == (i >= 2));
		if (!found)
			continue;
		assert_ptr_equal(found->lookup, l);
		assert_true(addr_equal(&found->resolver, &resolver));
		assert_int_equal(mono_diff_us(xtr_now(&n->x), found->sent),
		    (PENDING_NONCES + 1 - i) * 1000);
	}
	assert_null(pending_by_nonce(n->x.pending, 0));
	assert_int_equal(pending_open(l, NULL), ERR_OK);
	pending_close(l, true); /* kept for a late answer */
	assert_non_null(pending_by_nonce(n->x.pending, nonces[5]));
	pending_close(l, false);
	assert_null(pending_by_nonce(n->x.pending, nonces[5]));
	(void)pending_nonce(l, &resolver, 0);
	pending_remove(l);
}

/* A configuration with more room: all of it can be used. */
static void
test_grown_bound(void **state)
{
	struct node *n = *state;
	const struct addr resolver = A("198.51.100.20");

	n->conf.itr.pending_max = 200;
	for (unsigned i = 0; i < 200; i++) {
		struct addr a = A("10.1.2.0");
		struct lookup *l = obtain(n, i);
		struct eid source;

		a.bytes[3] = (uint8_t)i;
		source = eid_host(0, &a);
		assert_non_null(l);
		assert_int_equal(pending_open(l, &source), ERR_OK);
		for (unsigned k = 0; k < PENDING_NONCES; k++)
			assert_true(pending_nonce(l, &resolver, 0) != 0);
	}
}

static void
queue(struct lookup *l, uint8_t mark, size_t len)
{
	uint8_t *packet = malloc(len);

	memset(packet, mark, len);
	pending_queue(l, packet, len);
	free(packet);
}

/* Oldest first; at the bound the oldest goes. */
static void
test_packets(void **state)
{
	struct node *n = *state;
	struct lookup *l = obtain(n, 1);
	struct pending_packet *p, *next;
	uint8_t mark = 3;

	for (uint8_t i = 1; i <= 10; i++)
		queue(l, i, 20u + i);
	assert_int_equal(l->n_packets, 8);
	assert_int_equal(n->x.counters.data_drop_miss, 2);
	assert_int_equal(n->x.counters.data_queued, 10);
	p = pending_take_packets(l);
	assert_int_equal(l->n_packets, 0);
	assert_int_equal(n->x.pending->bytes, 0);
	for (; p; p = next, mark++) {
		next = p->next;
		assert_int_equal(p->len, 20u + mark);
		assert_int_equal(p->bytes[FORWARD_ROOM], mark);
		assert_int_equal(p->bytes[FORWARD_ROOM + p->len - 1], mark);
		free(p);
	}
	assert_int_equal(mark, 11);
	assert_null(pending_take_packets(l));
	queue(l, 1, 20); /* and on */
	assert_int_equal(l->n_packets, 1);
}

static void
test_old_packets(void **state)
{
	struct node *n = *state;
	struct lookup *l = obtain(n, 1);
	struct mono then;

	queue(l, 1, 20);
	node_run(n, 10);
	queue(l, 2, 20);
	then = xtr_now(&n->x);
	node_run(n, 10);
	queue(l, 3, 20);
	assert_int_equal(pending_drop_packets(l, then), 1);
	assert_int_equal(l->packets->bytes[FORWARD_ROOM], 2);
	assert_int_equal(pending_drop_packets(l, then), 0);
	assert_int_equal(
	    pending_drop_packets(l, mono_add_ms(xtr_now(&n->x), 1)), 2);
	assert_int_equal(n->x.pending->bytes, 0);
	queue(l, 4, 20);
	assert_int_equal(l->n_packets, 1);
}

/* The bound of octets is that of all lookups together. */
static void
test_bytes(void **state)
{
	enum { LARGE = PENDING_BYTES_MAX / 8 };
	struct node *n = *state;
	struct lookup *l = obtain(n, 1), *other = obtain(n, 2);

	for (unsigned i = 0; i < 8; i++)
		queue(l, 1, LARGE);
	assert_int_equal(n->x.pending->bytes, PENDING_BYTES_MAX);
	queue(other, 2, 20); /* it has none to give */
	assert_int_equal(other->n_packets, 0);
	assert_int_equal(n->x.counters.data_drop_miss, 1);
	queue(l, 3, LARGE);
	assert_int_equal(l->n_packets, 8);
	assert_int_equal(n->x.counters.data_drop_miss, 2);
	pending_remove(l);
	assert_int_equal(n->x.pending->bytes, 0);
	queue(other, 2, 20);
	assert_int_equal(other->n_packets, 1);
	n->conf.itr.queue_packets = 0; /* nothing waits */
	queue(other, 2, 20);
	assert_int_equal(other->n_packets, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_obtain),
		TEST(test_open_and_close),
		TEST(test_bound_of_questions),
		TEST(test_bound_of_lookups),
		TEST(test_bound_of_a_source),
		TEST(test_nonces),
		TEST(test_grown_bound),
		TEST(test_packets),
		TEST(test_old_packets),
		TEST(test_bytes),
	};

	return cmocka_run_group_tests_name("xtr/pending", tests, NULL, NULL);
}
