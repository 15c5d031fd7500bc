/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ndp.c - for which targets we answer in the place of their VM.  Frames on a
 * real segment are in tests/netns.
 */
#include "registering.h"
#include "xtr/ndp.h"

#define VM6 "fd00:1::10"

static int
setup_six(void **state)
{
	struct node *n;

	if (setup(state))
		return -1;
	n = *state;
	n->mobile[0].prefix = E("fd00:1::/64");
	n->mobile[0].segment = "br-vms";
	n->mobile[0].gateway = A("fd00:1::1");
	n->static_hosts[0] = A("fd00:1::5");
	return eids_reload(&n->x) == ERR_OK ? 0 : -1;
}

static bool
answers(struct node *n, const char *segment, const char *target)
{
	const struct addr a = A(target);

	return ndp_answers(&n->x, segment, &a);
}

static void
test_targets(void **state)
{
	struct node *n = *state;

	assert_true(answers(n, "br-vms", VM6));		 /* never heard of */
	assert_false(answers(n, "br-vms", "fd00:1::1")); /* the gateway */
	assert_false(answers(n, "br-vms", "fd00:1::5")); /* a static host */
	assert_false(answers(n, "br-vms", "fd00:2::10"));
	assert_false(answers(n, "br-vms", "fe80::1"));
	assert_false(answers(n, "br-other", VM6));
	assert_false(answers(n, "br", VM6));
	n->mobile[0].segment = NULL; /* without a segment there is none */
	assert_false(answers(n, "br-vms", VM6));
}

/* What lives here or is about to answers for itself. */
static void
test_states(void **state)
{
	static const bool expected[EID_STATES] = {
		[EID_ABSENT] = true, [EID_AWAY] = true
	};
	struct node *n = *state;

	for (unsigned s = 0; s < EID_STATES; s++) {
		dynamic(n, VM6, (enum eid_state)s);
		assert_int_equal(answers(n, "br-vms", VM6), expected[s]);
	}
}

/* Where we may not listen, or there is no such interface: an error. */
static void
test_no_interface(void **state)
{
	struct node *n = *state;
	const struct addr mac = A("02:00:00:00:00:01");
	struct ndp *ndp = NULL;

	assert_int_equal(
	    ndp_new(&n->x, "no-such", 0x7ffffff0, &mac, &ndp), ERR_IO);
	assert_null(ndp);
	ndp_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_six, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_targets),
		T(test_states),
		T(test_no_interface),
	};

	return cmocka_run_group_tests_name("xtr/ndp", tests, NULL, NULL);
}
