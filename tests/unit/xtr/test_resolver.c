/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_resolver.c - which Map-Resolver is asked first, next and after an answer,
 * and the Map-Request to it (RFC 9301 5.2, 5.3, 5.8).
 */
#include "asking.h"
#include "xtr/resolver.h"

static void
due(void *lookup)
{
	(void)lookup;
}

static struct lookup *
lookup(struct node *n, const char *eid)
{
	const struct eid e = E(eid);
	struct lookup *l = pending_obtain(&n->x, &e, due);

	assert_non_null(l);
	return l;
}

static unsigned
count(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return resolver_count(&n->x, &e);
}

/* Whom the 'nth' sending of a question about 'eid' goes to. */
static const char *
whom(struct node *n, const char *eid, unsigned nth)
{
	node_forget_sent(n);
	resolver_ask(lookup(n, eid), nth);
	return asked_whom(n, 0);
}

/* Each sending to the next, its own mapping system first, and around. */
static void
test_turns(void **state)
{
	struct node *n = *state;

	assert_int_equal(count(n, "198.18.0.1"), 3);
	/* of no prefix of ours: in the order of the configuration */
	assert_string_equal(whom(n, "198.18.0.1", 0), FIRST);
	assert_string_equal(whom(n, "198.18.0.1", 1), SECOND);
	assert_string_equal(whom(n, "198.18.0.1", 2), LAB);
	assert_string_equal(whom(n, "198.18.0.1", 3), FIRST);
	assert_string_equal(whom(n, "198.18.0.1", 3000001), SECOND);
	assert_string_equal(whom(n, "10.9.1.1", 0), LAB);
	assert_string_equal(whom(n, "10.9.1.1", 1), FIRST);
	assert_string_equal(whom(n, "10.9.1.1", 2), SECOND);
	assert_string_equal(whom(n, "10.1.1.10", 0), FIRST); /* mobile */
}

/* The mobile prefix, then the longest of eids[] says which system. */
static void
test_own_system(void **state)
{
	struct node *n = *state;

	n->eids[2].systems.list = n->lab; /* 10.1.64.0/24 in 10.1.0.0/16 */
	assert_string_equal(whom(n, "10.1.64.1", 0), LAB);
	assert_string_equal(whom(n, "10.1.65.1", 0), FIRST);
	n->mobile[0].systems.list = n->lab;
	assert_string_equal(whom(n, "10.1.1.10", 0), LAB);
}

/* Whose EID space has the longest prefix around it, and nobody else. */
static void
test_eid_space(void **state)
{
	struct node *n = *state;
	struct eid wide[1] = { E("198.18.0.0/15") };
	struct eid narrow[2] = { E("10.1.0.0/16"), E("198.18.7.0/24") };

	n->systems[0].eid_space = (struct conf_list){ wide, 1 };
	n->systems[1].eid_space = (struct conf_list){ narrow, 2 };
	assert_int_equal(count(n, "198.18.1.1"), 2);
	assert_string_equal(whom(n, "198.18.1.1", 2), FIRST);
	assert_int_equal(count(n, "198.18.7.1"), 1);
	assert_string_equal(whom(n, "198.18.7.1", 0), LAB);
	assert_int_equal(count(n, "10.1.2.3"), 1);    /* though it is ours */
	assert_int_equal(count(n, "203.0.113.1"), 0); /* in none of them */
	n->systems[0].eid_space.n = 0;
	assert_string_equal(whom(n, "203.0.113.1", 0), FIRST);
	assert_int_equal(count(n, "203.0.113.1"), 2);
	narrow[0] = E("198.18.7.0/24"); /* the same length in both */
	n->systems[0].eid_space = (struct conf_list){ narrow, 1 };
	assert_int_equal(count(n, "198.18.7.1"), 3);
}

/* Who answered last is the first of its system. */
static void
test_answered(void **state)
{
	struct node *n = *state;
	const struct addr second = A(SECOND), first = A(FIRST),
			  stranger = A("198.51.100.99");

	resolver_answered(&n->x, &second);
	assert_string_equal(whom(n, "198.18.0.1", 0), SECOND);
	assert_string_equal(whom(n, "198.18.0.1", 1), FIRST);
	assert_string_equal(whom(n, "198.18.0.1", 2), LAB);
	assert_string_equal(whom(n, "10.9.1.1", 0), LAB);
	assert_string_equal(whom(n, "10.9.1.1", 1), SECOND);
	resolver_answered(&n->x, &stranger); /* no Map-Resolver of ours */
	assert_string_equal(whom(n, "198.18.0.1", 0), SECOND);
	resolver_answered(&n->x, &first);
	assert_string_equal(whom(n, "198.18.0.1", 0), FIRST);
	/* one that is configured no more is forgotten */
	resolver_answered(&n->x, &second);
	n->systems[0].map_resolvers.n = 1;
	assert_string_equal(whom(n, "198.18.0.1", 0), FIRST);
	n->conf.mapping_systems.n = 1;
	resolver_answered(&n->x, &first);
	assert_int_equal(count(n, "198.18.0.1"), 1);
	assert_string_equal(whom(n, "198.18.0.1", 5), FIRST);
}

static void
test_none(void **state)
{
	struct node *n = *state;

	n->conf.mapping_systems.n = 0;
	assert_int_equal(count(n, "198.18.0.1"), 0);
	resolver_ask(lookup(n, "198.18.0.1"), 0);
	assert_int_equal(n_asked(n), 0);
	assert_int_equal(n->x.pending->nonces.count, 0);
}

static void
test_message(void **state)
{
	struct node *n = *state;
	struct lookup *l = lookup(n, "198.18.0.0/24");
	const struct eid eid = E("198.18.0.0/24"), source = E("10.1.2.3");
	const struct asked *a;
	struct eid from;

	l->invoked = true;
	assert_int_equal(pending_open(l, &source), ERR_OK);
	resolver_ask(l, 0);
	a = asked(n, 0);
	assert_true(eid_equal(&a->eid, &eid));
	assert_true(a->m.smr_invoked);
	assert_false(a->m.smr || a->m.probe);
	assert_int_equal(a->m.n_itr_rlocs, 2);
	assert_true(addr_equal(&a->m.itr_rlocs[0].addr, &n->rlocs[0].address));
	assert_int_equal(lisp_addr_eid(&a->m.source_eid, 32, &from), ERR_OK);
	assert_true(eid_equal(&from, &source));
	assert_true(addr_equal(&a->ecm.destination, &eid.addr));
	assert_true(addr_equal(&a->ecm.source, &n->rlocs[0].address));
	assert_int_equal(a->ecm.source_port, LISP_CONTROL_PORT);
	assert_int_equal(a->ecm.destination_port, LISP_CONTROL_PORT);
	assert_ptr_equal(pending_by_nonce(n->x.pending, a->m.nonce)->lookup, l);
	assert_true(addr_equal(
	    &pending_by_nonce(n->x.pending, a->m.nonce)->resolver, &a->to));
}

/* The inner source: of the EID's family, whatever there is of it. */
static void
test_inner_source(void **state)
{
	struct node *n = *state;
	const struct eid source = E("fd01::1"), other = E("10.1.2.3");
	struct lookup *l = lookup(n, "fd00::1");
	struct addr none = { .afi = AFI_IPV6 };

	assert_int_equal(pending_open(l, &source), ERR_OK);
	resolver_ask(l, 0);
	assert_true(addr_equal(&asked(n, 0)->ecm.source, &n->rlocs[1].address));
	node_forget_sent(n);
	n->conf.site.rlocs.n = 1; /* IPv4 only */
	resolver_ask(l, 0);
	assert_true(addr_equal(&asked(n, 0)->ecm.source, &source.addr));
	node_forget_sent(n);
	pending_close(l, false);
	assert_int_equal(pending_open(l, &other), ERR_OK);
	resolver_ask(l, 0);
	assert_true(addr_equal(&asked(n, 0)->ecm.source, &none));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_turns),
		TEST(test_own_system),
		TEST(test_eid_space),
		TEST(test_answered),
		TEST(test_none),
		TEST(test_message),
		TEST(test_inner_source),
	};

	return cmocka_run_group_tests_name("xtr/resolver", tests, NULL, NULL);
}
