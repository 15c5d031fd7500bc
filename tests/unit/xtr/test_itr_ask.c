/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_itr_ask.c - questions to the mapping system that neither map-cache nor
 * database answers; docs/cpm.md 6.6.
 */
#include "asking.h"

static struct told {
	unsigned n;
	enum lookup_result result;
	bool again;
	struct mapping mapping;
} told;

static void
on_answer(struct xtr *x, const struct eid *eid, enum lookup_result result,
    const struct mapping *mapping)
{
	told.n++;
	told.result = result;
	if (mapping)
		told.mapping = *mapping;
	if (told.again && told.n < 4)
		assert_int_equal(itr_ask(x, eid, 1000, on_answer), ERR_OK);
}

static void
ask(struct node *n, const char *eid, int64_t timeout_ms)
{
	const struct eid e = E(eid);

	assert_int_equal(itr_ask(&n->x, &e, timeout_ms, on_answer), ERR_OK);
	loop_poll(n->x.loop);
}

/* Neither the cache nor the database is the mapping system. */
static void
test_ask_bypasses(void **state)
{
	struct node *n = *state;

	told = (struct told){ 0 };
	store(n, "10.2.0.0/16", "203.0.113.7");
	ask(n, "10.2.0.5", 5000);
	ask(n, "10.1.2.3", 5000);
	assert_int_equal(n_asked(n), 2);
	assert_int_equal(told.n, 0);
	reply(n, asked(n, 1)->m.nonce, "10.1.0.0/16", "203.0.113.66");
	assert_int_equal(told.n, 1);
	assert_int_equal(told.result, LOOKUP_MAPPING);
	assert_int_equal(told.mapping.n_locators, 1);
	/* Told, but not believed: it is ours. */
	assert_int_equal(map_cache_count(n->x.map_cache), 1);
	reply(n, asked(n, 0)->m.nonce, "10.2.0.5/32", NULL);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.mapping.n_locators, 0);
}

static void
test_ask_times_out_once(void **state)
{
	struct node *n = *state;
	unsigned before;

	told = (struct told){ 0 };
	ask(n, "10.2.0.5", 1500);
	node_run(n, 1499);
	assert_int_equal(told.n, 0);
	node_run(n, 2);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.result, LOOKUP_TIMEOUT);
	before = n_asked(n);
	assert_int_equal(before, 2); /* repeated while it lasted ... */
	node_run(n, 60000);
	assert_int_equal(n_asked(n), before); /* ... and not longer */
	assert_int_equal(told.n, 1);
	assert_int_equal(pending_count(n->x.pending), 0);
}

/* docs/cpm.md 6.6: asked again from within the answer. */
static void
test_ask_again_from_callback(void **state)
{
	struct node *n = *state;

	told = (struct told){ 0 };
	told.again = true;
	ask(n, "10.2.0.5", 1000);
	node_run(n, 10000);
	assert_int_equal(told.n, 4);
	assert_int_equal(n_asked(n), 4);
}

/* Our own Map-Request, forwarded to us as ETR: we are it. */
static void
test_ask_own(void **state)
{
	struct node *n = *state;
	const struct asked *a;

	told = (struct told){ 0 };
	ask(n, "10.1.2.3", 5000);
	a = asked(n, 0);
	assert_int_equal(
	    node_receive(n, FIRST, node_sent(n, LISP_MAP_REQUEST, 0)->bytes,
		node_sent(n, LISP_MAP_REQUEST, 0)->len),
	    ERR_OK);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.result, LOOKUP_OWN);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 0);
	assert_false(itr_own_request(&n->x, a->m.nonce));
}

static void
test_ask_refused(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.2.0.5");
	char text[EID_STR_MAX];

	told = (struct told){ 0 };
	for (unsigned i = 0; i < 8; i++)
		ask(n, "10.2.0.5", 1000);
	assert_int_equal(itr_ask(&n->x, &e, 1000, on_answer), ERR_FULL);
	for (unsigned i = 0; i < 15; i++) {
		snprintf(text, sizeof(text), "10.2.1.%u", i);
		ask(n, text, 1000);
	}
	{
		const struct eid other = E("10.3.0.1");

		assert_int_equal(
		    itr_ask(&n->x, &other, 1000, on_answer), ERR_FULL);
	}
	node_run(n, 2000);
	assert_int_equal(told.n, 8 + 15);
	n->conf.mapping_systems.n = 0;
	assert_int_equal(itr_ask(&n->x, &e, 1000, on_answer), ERR_ROLE);
}

/* What is pending when the process ends is freed. */
static void
test_free_while_pending(void **state)
{
	struct node *n = *state;

	told = (struct told){ 0 };
	miss(n, "10.2.0.5", 1);
	ask(n, "10.2.0.6", 100000);
	store(n, "10.2.0.7/32", "203.0.113.7");
	smr(n, "10.2.0.7", "203.0.113.66");
	smr(n, "10.2.0.7", "203.0.113.7");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ask_bypasses),
		TEST(test_ask_times_out_once),
		TEST(test_ask_again_from_callback),
		TEST(test_ask_own),
		TEST(test_ask_refused),
		TEST(test_free_while_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
