/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_eids.c - the mapping database: static and dynamic entries, the bound of
 * the latter, their order by age, what a reload makes of both.
 */
#include "registering.h"

static struct eid_entry *
find(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return eids_find(n->x.eids, &e);
}

static struct eid_entry *
match(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return eids_match(n->x.eids, &e);
}

static struct eid_entry *
own(struct node *n, const char *eid)
{
	const struct eid e = E(eid);

	return eids_own(&n->x, &e);
}

static enum err
add(struct node *n, const char *eid, struct eid_entry **out)
{
	const struct eid e = E(eid);

	return eids_add(n->x.eids, &e, &n->mobile[0], out);
}

static void
test_static(void **state)
{
	struct node *n = *state;
	const struct eid_entry *e = find(n, "10.1.64.0/24");

	assert_int_equal(eids_count(n->x.eids), 4);
	assert_true(e->is_static);
	assert_true(eid_is_ours(e));
	assert_ptr_equal(e->conf, &n->eids[2]);
	assert_null(e->mobile);
	e = find(n, "10.1.1.5");
	assert_true(e->is_static);
	assert_null(e->conf);
	assert_ptr_equal(e->mobile, &n->mobile[0]);
	assert_null(find(n, "10.1.1.0/24")); /* a mobile prefix is no EID */
	assert_null(find(n, "10.1.0.0/17"));
}

static void
test_add(void **state)
{
	struct node *n = *state;
	struct eid_entry *e;

	assert_int_equal(add(n, VM, &e), ERR_OK);
	assert_ptr_equal(find(n, VM), e);
	assert_int_equal(e->state, EID_ABSENT);
	assert_int_equal(e->generation, 0);
	assert_false(e->is_static);
	assert_ptr_equal(e->mobile, &n->mobile[0]);
	assert_int_equal(eids_count(n->x.eids), 5);
	eids_remove(n->x.eids, e);
	assert_null(find(n, VM));
	assert_int_equal(eids_count(n->x.eids), 4);
}

/* Absent ones only remember: the prefix around them is matched. */
static void
test_match(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_ABSENT);

	assert_true(match(n, VM)->eid.bits == 16);
	for (unsigned s = EID_ARRIVING; s < EID_STATES; s++) {
		eids_set_state(n->x.eids, e, (enum eid_state)s);
		assert_ptr_equal(match(n, VM), e);
	}
	eids_set_state(n->x.eids, e, EID_ABSENT);
	assert_null(match(n, "198.51.100.1"));
	assert_true(match(n, "10.1.64.7")->eid.bits == 24);
	assert_true(match(n, "10.1.1.5")->eid.bits == 32);
}

/* Each address of a mobile prefix stands for itself. */
static void
test_own(void **state)
{
	struct node *n = *state;
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);

	assert_ptr_equal(own(n, VM), e);
	assert_null(own(n, "10.1.1.11"));
	assert_non_null(own(n, "10.1.1.5")); /* a static host */
	assert_non_null(own(n, "10.1.2.3"));
	assert_non_null(own(n, "10.1.0.0/16"));
	assert_null(own(n, "198.51.100.1"));
	for (unsigned s = 0; s < EID_STATES; s++) {
		eids_set_state(n->x.eids, e, (enum eid_state)s);
		assert_int_equal(own(n, VM) != NULL,
		    s == EID_LOCAL || s == EID_DEPARTING || s == EID_HELD);
		assert_int_equal(eid_is_ours(e), own(n, VM) != NULL);
	}
}

/* The one absent longest is the first to go. */
static void
test_oldest(void **state)
{
	struct node *n = *state;
	struct eid_entry *a = dynamic(n, "10.1.1.10", EID_ABSENT);
	struct eid_entry *b = dynamic(n, "10.1.1.11", EID_ABSENT);
	struct eid_entry *c = dynamic(n, "10.1.1.12", EID_ABSENT);

	assert_ptr_equal(eids_oldest(n->x.eids), a);
	eids_set_state(n->x.eids, a, EID_LOCAL);
	assert_ptr_equal(eids_oldest(n->x.eids), b);
	eids_set_state(n->x.eids, a, EID_ABSENT); /* the newest now */
	eids_set_state(n->x.eids, b, EID_AWAY);
	assert_ptr_equal(eids_oldest(n->x.eids), c);
	eids_remove(n->x.eids, c);
	assert_ptr_equal(eids_oldest(n->x.eids), a);
	eids_set_state(n->x.eids, a, EID_HELD);
	assert_null(eids_oldest(n->x.eids));
	eids_remove(n->x.eids, a);
	eids_set_state(n->x.eids, b, EID_ABSENT);
	assert_ptr_equal(eids_oldest(n->x.eids), b);
}

static void
test_bound(void **state)
{
	struct node *n = *state;
	struct eid_entry *e;
	char eid[32];

	n->conf.mobility.eids_max = 3;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(eid, sizeof(eid), "10.1.1.%u", 100 + i);
		assert_int_equal(add(n, eid, &e), ERR_OK);
	}
	assert_int_equal(add(n, VM, &e), ERR_FULL);
	assert_null(find(n, VM));
	eids_remove(n->x.eids, find(n, "10.1.1.100"));
	assert_int_equal(add(n, VM, &e), ERR_OK);
	n->conf.mobility.eids_max = 4;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_int_equal(add(n, "10.1.1.100", &e), ERR_OK);
	assert_int_equal(add(n, "10.1.1.200", &e), ERR_FULL);
}

static struct eid released[8];
static unsigned n_released;

static void
on_release(struct eid_entry *e)
{
	released[n_released++] = e->eid;
}

static void
test_release(void **state)
{
	struct node *n = *state;
	struct eids *t = eids_new(&n->x);
	const struct eid eid = E(VM);
	struct eid_entry *e;

	n_released = 0;
	eids_on_release(t, on_release);
	assert_int_equal(eids_add(t, &eid, &n->mobile[0], &e), ERR_OK);
	eids_remove(t, e);
	assert_int_equal(n_released, 1);
	assert_true(eid_equal(&released[0], &eid));
	eids_free(t);
	assert_int_equal(n_released, 5);
	eids_free(NULL);
}

/* Static entries follow the new configuration, dynamic ones stay. */
static void
test_reload(void **state)
{
	struct node *n = *state;
	struct eid_entry *vm = dynamic(n, VM, EID_LOCAL);
	struct eid_entry *kept = find(n, "10.9.0.0/16");
	struct conf_mobile_prefix mobile[2];
	struct conf_eid eids[2];
	struct addr hosts[2] = { A("10.1.1.6"), A("10.1.1.10") };

	eids[0] = n->eids[1];
	eids[1] = n->eids[2];
	eids[1].prefix = E("10.2.0.0/16");
	mobile[1] = n->mobile[0];
	mobile[0] = n->mobile[0];
	mobile[0].prefix = E("10.7.1.0/24");
	mobile[0].static_hosts = (struct conf_list){ 0 };
	mobile[1].static_hosts = (struct conf_list){ hosts, 1 };
	n->conf.eids = (struct conf_list){ eids, 2 };
	n->conf.mobility.prefixes = (struct conf_list){ mobile, 2 };
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_null(find(n, "10.1.0.0/16"));
	assert_null(find(n, "10.1.64.0/24"));
	assert_null(find(n, "10.1.1.5"));
	assert_ptr_equal(find(n, "10.9.0.0/16"), kept);
	assert_ptr_equal(kept->conf, &eids[0]);
	assert_ptr_equal(find(n, "10.2.0.0/16")->conf, &eids[1]);
	assert_ptr_equal(find(n, "10.1.1.6")->mobile, &mobile[1]);
	assert_ptr_equal(find(n, VM), vm);
	assert_ptr_equal(vm->mobile, &mobile[1]);
	assert_int_equal(vm->state, EID_LOCAL);
	/* static from now on: the dynamic one is freed */
	mobile[1].static_hosts.n = 2;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_true(find(n, VM)->is_static);
	assert_null(find(n, VM)->mobility);
	/* and dynamic again: nothing is known of it */
	mobile[1].static_hosts.n = 0;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_null(find(n, VM));
	/* in no mobile prefix any more */
	vm = dynamic(n, "10.1.1.11", EID_LOCAL);
	n->conf.mobility.prefixes.n = 1;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_ptr_equal(find(n, "10.1.1.11"), vm);
	assert_null(vm->mobile);
	eids_remove(n->x.eids, vm);
}

static bool
three(void *arg, struct eid_entry *e)
{
	unsigned *n = arg;

	(void)e;
	return ++*n < 3;
}

static void
test_walk(void **state)
{
	struct node *n = *state;
	unsigned seen = 0;

	eids_walk(n->x.eids, three, &seen);
	assert_int_equal(seen, 3);
}

static void
test_names(void **state)
{
	static const char *const names[] = { "absent", "arriving", "local",
		"departing", "held", "away" };

	(void)state;
	for (unsigned s = 0; s < EID_STATES; s++)
		assert_string_equal(eid_state_str((enum eid_state)s), names[s]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_static),
		TEST(test_add),
		TEST(test_match),
		TEST(test_own),
		TEST(test_oldest),
		TEST(test_bound),
		TEST(test_release),
		TEST(test_reload),
		TEST(test_walk),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("xtr/eids", tests, NULL, NULL);
}
