/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_partner.c - two xTRs of one site: one locator set with the R bit of the
 * other as it is, what they tell each other, and what is no move.
 */
#include "registering.h"

#include "xtr/forward.h"
#include "xtr/partner.h"
#include "xtr/reach.h"
#include "xtr/requesters.h"
#include "xtr/smr.h"

#define PARTNER "192.0.2.5"
#define PARTNER6 "2001:db8::5"
#define ITR "203.0.113.99"
#define PROBE_MS 300

struct pair {
	struct node *n;
	struct conf_partner partner;
	struct conf_rloc rlocs[2];
};

static int
pair_setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct node *n = node_new();

	assert_non_null(p);
	p->n = n;
	for (unsigned i = 0; i < 2; i++)
		p->rlocs[i] =
		    (struct conf_rloc){ .address = A(i ? PARTNER6 : PARTNER),
			    .priority = 1,
			    .weight = 50,
			    .mpriority = 255 };
	p->partner = (struct conf_partner){ .rlocs = { p->rlocs, 2 },
		.xtr_id = { 0xaa, 0xcc } };
	n->conf.site.partners = (struct conf_list){ &p->partner, 1 };
	n->conf.site.partner_probe_ms = PROBE_MS;
	partners_reload(&n->x);
	*state = p;
	return 0;
}

static int
pair_teardown(void **state)
{
	struct pair *p = *state;

	node_free(p->n);
	free(p);
	return 0;
}

/* A Map-Request that came without an ECM: a probe, an SMR, or what tells. */
static bool
plain_request(const struct sent *s, struct map_request *m)
{
	return msg_type(s->bytes, s->len) == LISP_MAP_REQUEST &&
	    !map_request_decode(s->bytes, s->len, m);
}

/* Answers every probe sent to 'rloc' so far, and forgets all that was sent. */
static unsigned
answer_probes(struct node *n, const char *rloc)
{
	const struct addr from = A(rloc);
	unsigned n_answered = 0;

	loop_poll(n->x.loop);
	for (unsigned i = 0; i < n->n_sent; i++) {
		struct map_reply reply = { .probe = true, .n_records = 1 };
		uint8_t bytes[256];
		struct wire_writer w = wire_writer(bytes, sizeof(bytes));
		struct mapping m = { .authoritative = true, .ttl_min = 1 };
		struct map_request q;

		if (!plain_request(&n->sent[i], &q) || !q.probe ||
		    !addr_equal(&n->sent[i].to, &from))
			continue;
		reply.nonce = q.nonce;
		m.eid = q.records[0].eid;
		m.eid_bits = q.records[0].eid_bits;
		map_reply_header(&w, &reply);
		mapping_encode(&w, &m);
		n_answered +=
		    node_receive(n, rloc, bytes, wire_written(&w)) == ERR_OK;
	}
	return n_answered;
}

/* 'ms' pass, in which the RLOCs named answer. */
static void
pass(struct node *n, int64_t ms, const char *one, const char *two)
{
	for (; ms > 0; ms -= 50) {
		if (one)
			answer_probes(n, one);
		if (two)
			answer_probes(n, two);
		node_run(n, 50);
	}
}

static const struct locator *
locator(const struct mapping *m, const char *rloc)
{
	const struct addr a = A(rloc);

	for (unsigned i = 0; i < m->n_locators; i++)
		if (addr_equal(&m->locators[i].addr.addr, &a))
			return &m->locators[i];
	return NULL;
}

static struct mapping
record(struct node *n, const char *eid)
{
	const struct eid e = E(eid);
	struct mapping m;

	etr_mapping(&n->x, eids_find(n->x.eids, &e), &m);
	return m;
}

static void
one_set(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	struct mapping m = record(n, "10.1.0.0/16");

	assert_int_equal(m.n_locators, 4);
	for (unsigned i = 1; i < 4; i++)
		assert_true(addr_compare(&m.locators[i - 1].addr.addr,
				&m.locators[i].addr.addr) < 0);
	assert_true(locator(&m, "192.0.2.1")->local);
	assert_false(locator(&m, PARTNER)->local);
	assert_int_equal(locator(&m, PARTNER)->weight, 50);
	assert_true(locator(&m, PARTNER)->reachable);
	/* The same for a VM; those of other sites stand by. */
	local(n, VM);
	m = record(n, VM "/32");
	assert_int_equal(locator(&m, PARTNER6)->priority, 1);
	assert_int_equal(locator(&m, "203.0.113.2")->priority, 255);
}

/* Three missed probes: the R bit goes, at once and everywhere. */
static void
death_and_return(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	const struct eid eid = E("10.1.0.0/16");
	const struct addr itr = A(ITR);
	unsigned registers;
	struct mapping m;

	schedule(n, "10.1.0.0/16");
	requesters_note(&n->x, &eid, &itr, NULL, true);
	pass(n, 2000, PARTNER, PARTNER6);
	m = record(n, "10.1.0.0/16");
	assert_true(locator(&m, PARTNER)->reachable);
	node_forget_sent(n);

	pass(n, 3 * PROBE_MS - 50, NULL, PARTNER6);
	m = record(n, "10.1.0.0/16");
	assert_true(locator(&m, PARTNER)->reachable);
	registers = node_count(n, LISP_MAP_REGISTER);
	pass(n, PROBE_MS + 100, NULL, PARTNER6);
	m = record(n, "10.1.0.0/16");
	assert_false(locator(&m, PARTNER)->reachable);
	assert_true(locator(&m, PARTNER6)->reachable);
	assert_true(node_count(n, LISP_MAP_REGISTER) > registers);
	assert_true(smr_is_open(&n->x, &eid));
	/* Data that comes to us is no sign that the ITR knows. */
	smr_on_data(&n->x, &eid, &itr);
	pass(n, 1500, NULL, PARTNER6);
	assert_int_equal(n->x.counters.smr_sent, 1);
	assert_int_equal(n->x.counters.smr_converged, 0);
	smr_on_converged(&n->x, &eid, &itr);
	assert_int_equal(n->x.counters.smr_converged, 1);

	node_forget_sent(n);
	pass(n, 2000, PARTNER, PARTNER6);
	m = record(n, "10.1.0.0/16");
	assert_true(locator(&m, PARTNER)->reachable);
	assert_true(node_count(n, LISP_MAP_REGISTER) > 0);
}

static void
a_reload_keeps_what_is_known(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	struct mapping m;

	pass(n, 4 * PROBE_MS + 100, NULL, PARTNER6);
	partners_reload(&n->x);
	m = record(n, "10.1.0.0/16");
	assert_false(locator(&m, PARTNER)->reachable);
	n->conf.site.partners.n = 0;
	partners_reload(&n->x);
	m = record(n, "10.1.0.0/16");
	assert_int_equal(m.n_locators, 2);
}

/* The last message to 'to' that tells of a requester; false if there is none. */
static bool
told(struct node *n, const char *to, struct map_request *out)
{
	const struct addr a = A(to);
	bool found = false;

	loop_poll(n->x.loop);
	for (unsigned i = 0; i < n->n_sent; i++) {
		struct map_request m;

		if (!plain_request(&n->sent[i], &m) || !m.no_reply || m.smr ||
		    !addr_equal(&n->sent[i].to, &a))
			continue;
		*out = m;
		found = true;
	}
	return found;
}

static void
requesters_are_told(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	const struct eid eid = E("10.1.0.0/16"), source = E("10.3.0.10");
	const struct addr itr = A(ITR), own = A("192.0.2.1"),
			  partner = A(PARTNER);
	struct map_request m;
	struct eid said;

	requesters_note(&n->x, &eid, &itr, &source, false);
	assert_true(told(n, PARTNER, &m));
	assert_false(m.authoritative || m.probe);
	assert_int_equal(m.n_itr_rlocs, 1);
	assert_true(addr_equal(&m.itr_rlocs[0].addr, &itr));
	assert_int_equal(lisp_addr_eid(&m.records[0].eid, 16, &said), ERR_OK);
	assert_true(eid_equal(&said, &eid));
	assert_int_equal(lisp_addr_eid(&m.source_eid, 32, &said), ERR_OK);
	assert_true(eid_equal(&said, &source));
	assert_false(told(n, PARTNER6, &m)); /* one RLOC is enough */
	/* Confirmed by data: once more; then a minute nothing. */
	node_forget_sent(n);
	requesters_note(&n->x, &eid, &itr, &source, true);
	assert_true(told(n, PARTNER, &m));
	assert_true(m.authoritative);
	node_forget_sent(n);
	requesters_note(&n->x, &eid, &itr, &source, true);
	assert_false(told(n, PARTNER, &m));
	clock_advance(&n->clock, 61 * INT64_C(1000000));
	requesters_note(&n->x, &eid, &itr, &source, true);
	assert_true(told(n, PARTNER, &m));
	/* RLOCs of our own site are none. */
	node_forget_sent(n);
	requesters_note(&n->x, &eid, &own, NULL, true);
	requesters_note(&n->x, &eid, &partner, NULL, true);
	assert_false(told(n, PARTNER, &m));
}

static bool
count_requester(void *arg, const struct requester *r)
{
	unsigned *counts = arg;

	counts[r->confirmed]++;
	return true;
}

/* What a partner tells, from 'from'; returns what input.c says. */
static enum err
tell(struct node *n, const char *from, const char *itr, bool data)
{
	const struct eid eid = E("10.1.2.3");
	const struct addr rloc = A(itr);
	struct map_request m = { .no_reply = true,
		.authoritative = data,
		.nonce = 77,
		.n_itr_rlocs = 1,
		.n_records = 1 };
	uint8_t bytes[256];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	m.itr_rlocs[0] = lisp_addr_from_addr(&rloc);
	m.records[0].eid = lisp_addr_from_eid(&eid);
	m.records[0].eid_bits = eid.bits;
	map_request_encode(&w, &m);
	return node_receive(n, from, bytes, wire_written(&w));
}

static void
what_a_partner_tells(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	const struct eid eid = E("10.1.0.0/16");
	unsigned counts[2] = { 0 };
	struct map_request m;

	assert_int_equal(tell(n, PARTNER, "203.0.113.50", false), ERR_OK);
	assert_int_equal(tell(n, PARTNER, "203.0.113.51", true), ERR_OK);
	/* Anybody else's is a Map-Request like another, and unconfirmed. */
	assert_int_equal(tell(n, ITR, "203.0.113.52", true), ERR_OK);
	requesters_walk(&n->x, &eid, count_requester, counts);
	assert_int_equal(counts[1], 1);
	assert_int_equal(counts[0], 2);
	/* No answer, and no echo of what they know. */
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 0);
	assert_true(told(n, PARTNER, &m));
	assert_int_equal(m.itr_rlocs[0].addr.bytes[3], 52);
	assert_int_equal(n->x.counters.partner_told, 1);
}

/* A Map-Notify with a partner's locators says nothing new. */
static void
no_move(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	struct mapping m = node_mapping(VM "/32", 15, PARTNER);
	struct eid_entry *e = dynamic(n, VM, EID_LOCAL);

	assert_false(mobility_elsewhere(&n->x, e, &m));
	m = node_mapping(VM "/32", 15, "203.0.113.2");
	assert_true(mobility_elsewhere(&n->x, e, &m));
}

/* An xTR that has no EID yet is there all the same. */
static void
a_probe_for_a_mobile_prefix(void **state)
{
	struct node *n = ((struct pair *)*state)->n;
	const struct eid eid = E("10.1.1.0/24");
	const struct addr from = A(PARTNER);
	struct map_request q = {
		.probe = true, .nonce = 5, .n_itr_rlocs = 1, .n_records = 1
	};
	uint8_t bytes[256];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	const struct sent *s;
	struct map_reply r;
	struct mapping m;

	q.itr_rlocs[0] = lisp_addr_from_addr(&from);
	q.records[0].eid = lisp_addr_from_eid(&eid);
	q.records[0].eid_bits = eid.bits;
	map_request_encode(&w, &q);
	assert_int_equal(
	    node_receive(n, PARTNER, bytes, wire_written(&w)), ERR_OK);
	s = node_sent(n, LISP_MAP_REPLY, 0);
	assert_int_equal(map_reply_decode(s->bytes, s->len, &r), ERR_OK);
	assert_true(r.probe);
	assert_int_equal(r.nonce, 5);
	assert_true(records_next(&r.records, &m));
	assert_true(m.authoritative);
	assert_int_equal(m.n_locators, 0);
	assert_int_equal(m.action, LISP_SEND_MAP_REQUEST);
}

#define PAIR(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(one_set),
		PAIR(death_and_return),
		PAIR(a_reload_keeps_what_is_known),
		PAIR(requesters_are_told),
		PAIR(what_a_partner_tells),
		PAIR(no_move),
		PAIR(a_probe_for_a_mobile_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
