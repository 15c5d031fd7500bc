/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_smr_send.c - how an SMR looks, and how many leave.  RFC 9301 6.1.
 */
#include "node.h"

#include "xtr/smr.h"
#include "xtr/smr_send.h"

#define VM "10.1.1.10"
#define ITR "203.0.113.50"

struct rig {
	struct node *n;
	struct smr_limits *limits;
};

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->n = node_new();
	r->limits = smr_limits_new(&r->n->x);
	assert_non_null(r->limits);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	smr_limits_free(r->limits);
	node_free(r->n);
	free(r);
	return 0;
}

static enum smr_result
solicit(struct rig *r, enum smr_to to, const char *eid, const char *rloc)
{
	const struct eid e = E(eid);
	const struct addr a = A(rloc);

	return smr_send(&r->n->x, r->limits, to, &e, &a, NULL);
}

/* How many of 'count' leave at once. */
static unsigned
burst(struct rig *r, enum smr_to to, const char *eid, const char *rloc,
    unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += solicit(r, to, eid, rloc) == SMR_SENT;
	return n;
}

static void
form(void **state)
{
	struct rig *r = *state;
	const struct eid moved = E(VM), theirs = E("10.3.0.10");
	const struct addr to = A(ITR);
	struct map_request m;
	const struct sent *s;

	assert_int_equal(
	    smr_send(&r->n->x, r->limits, SMR_KNOWN, &moved, &to, &theirs),
	    SMR_SENT);
	s = node_sent(r->n, LISP_MAP_REQUEST, 0);
	/* Not in an ECM, to the ITR itself. */
	assert_int_equal(map_request_decode(s->bytes, s->len, &m), ERR_OK);
	assert_true(addr_equal(&s->to, &to));
	assert_int_equal(s->port, LISP_CONTROL_PORT);
	assert_true(m.smr && m.no_reply);
	assert_false(m.smr_invoked || m.probe || m.has_mapping);
	assert_int_equal(m.n_records, 1);
	assert_true(addr_equal(&m.source_eid.addr, &moved.addr));
	assert_true(addr_equal(&m.records[0].eid.addr, &theirs.addr));
	assert_int_equal(m.n_itr_rlocs, 2);
	assert_true(addr_equal(&m.itr_rlocs[0].addr, &r->n->rlocs[0].address));
}

/* Ours for those we know: SMR_BURST of an EID, then one in 3 s. */
static void
known(void **state)
{
	struct rig *r = *state;

	assert_int_equal(burst(r, SMR_KNOWN, VM, ITR, 20), SMR_BURST);
	assert_int_equal(r->n->x.counters.smr_limited, 20 - SMR_BURST);
	assert_int_equal(solicit(r, SMR_KNOWN, "10.1.1.11", ITR), SMR_SENT);
	assert_int_equal(solicit(r, SMR_KNOWN, VM, "203.0.113.51"), SMR_SENT);
	node_run(r->n, 2999);
	assert_int_equal(burst(r, SMR_KNOWN, VM, ITR, 2), 0);
	node_run(r->n, 2);
	assert_int_equal(burst(r, SMR_KNOWN, VM, ITR, 2), 1);
}

/* The RFC's for all others: one in 3 s to an RLOC, whatever the EID. */
static void
strangers(void **state)
{
	struct rig *r = *state;

	assert_int_equal(burst(r, SMR_STRANGER, VM, ITR, 20), 1);
	assert_int_equal(
	    solicit(r, SMR_STRANGER, "10.1.1.11", ITR), SMR_LIMITED);
	node_run(r->n, 2999);
	assert_int_equal(burst(r, SMR_STRANGER, VM, ITR, 2), 0);
	node_run(r->n, 2);
	assert_int_equal(burst(r, SMR_STRANGER, VM, ITR, 2), 1);
}

static void
late_senders(void **state)
{
	struct rig *r = *state;

	assert_int_equal(burst(r, SMR_LATE, VM, ITR, 20), 1);
	node_run(r->n, 3001);
	assert_int_equal(burst(r, SMR_LATE, VM, ITR, 20), 1);
}

/* In the first second the new site's own SMRs come (docs/cpm.md 6.4). */
static void
late_senders_wait(void **state)
{
	struct rig *r = *state;
	struct xtr *x = &r->n->x;
	const struct addr rloc = A(ITR);
	const struct eid_entry e = { .eid = E(VM),
		.changed_ms = (int64_t)clock_wall_ms(x->clock) };

	node_run(r->n, 999);
	assert_false(smr_late_sender(x, &e, &rloc, NULL));
	node_run(r->n, 1);
	assert_true(smr_late_sender(x, &e, &rloc, NULL));
}

/* All together; strangers cannot use up what the known ones have. */
static void
totals(void **state)
{
	struct rig *r = *state;
	char rloc[ADDR_STR_MAX];
	enum smr_result last = SMR_SENT;
	unsigned n = 0;

	for (; last == SMR_SENT && n < 100000; n++) {
		snprintf(rloc, sizeof(rloc), "198.18.%u.%u", n / 256, n % 256);
		last = solicit(r, SMR_STRANGER, VM, rloc);
	}
	assert_int_equal(last, SMR_BUSY);
	assert_int_equal(n - 1, 200); /* a tenth of a second's worth */
	assert_int_equal(solicit(r, SMR_KNOWN, VM, ITR), SMR_SENT);
	node_run(r->n, 10);
	assert_int_equal(solicit(r, SMR_STRANGER, VM, rloc), SMR_SENT);
}

/* RFC 6832 5: PITRs are among those who hear of a change. */
static void
pitrs_are_told(void **state)
{
	struct rig *r = *state;
	struct addr pitr = A("203.0.113.77");
	const struct eid vm = E(VM);
	struct eid_entry *e;

	r->n->conf.itr.proxy_itrs = (struct conf_list){ &pitr, 1 };
	assert_int_equal(
	    eids_add(r->n->x.eids, &vm, &r->n->mobile[0], &e), ERR_OK);
	eids_set_state(r->n->x.eids, e, EID_LOCAL);
	smr_commit(&r->n->x, e);
	/* Nobody confirms the registration: after a second all the same. */
	node_run(r->n, SMR_WAIT_NOTIFY_MS - 1);
	assert_int_equal(node_count(r->n, LISP_MAP_REQUEST), 0);
	node_run(r->n, 2);
	assert_int_equal(node_count(r->n, LISP_MAP_REQUEST), 1);
	assert_true(
	    addr_equal(&node_sent(r->n, LISP_MAP_REQUEST, 0)->to, &pitr));
	r->n->conf.itr.proxy_itrs = (struct conf_list){ 0 };
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(form),
		TEST(known),
		TEST(strangers),
		TEST(late_senders),
		TEST(late_senders_wait),
		TEST(totals),
		TEST(pitrs_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
