/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_etr.c - what our mapping records say and whom the ETR answers what.
 * RFC 9301 5.4, 5.5, 7.1; docs/cpm.md 6.1, 6.10.
 */
#include "node.h"

#include "xtr/requesters.h"
#include "xtr/smr.h"

#define VM "10.1.1.10"

static int
setup(void **state)
{
	*state = node_new();
	return 0;
}

static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

static struct eid_entry *
dynamic(struct node *n, const char *eid, enum eid_state state)
{
	const struct eid e = E(eid);
	struct eid_entry *entry = eids_find(n->x.eids, &e);

	if (!entry)
		assert_int_equal(
		    eids_add(n->x.eids, &e, &n->mobile[0], &entry), ERR_OK);
	eids_set_state(n->x.eids, entry, state);
	return entry;
}

static struct mapping
mapping_of(struct node *n, const char *eid)
{
	const struct eid e = E(eid);
	struct mapping m;

	etr_mapping(&n->x, eids_find(n->x.eids, &e), &m);
	return m;
}

static void
check_locator(const struct mapping *m, unsigned i, const char *rloc,
    uint8_t priority, uint8_t weight, bool local)
{
	const struct addr a = A(rloc);

	assert_true(i < m->n_locators);
	assert_true(addr_equal(&m->locators[i].addr.addr, &a));
	assert_int_equal(m->locators[i].priority, priority);
	assert_int_equal(m->locators[i].weight, weight);
	assert_int_equal(m->locators[i].local, local);
	assert_true(m->locators[i].reachable);
	assert_false(m->locators[i].probed);
}

static void
test_static_mapping(void **state)
{
	struct node *n = *state;
	struct mapping m = mapping_of(n, "10.1.0.0/16");

	assert_int_equal(m.ttl_min, 1440);
	assert_int_equal(m.version, 5);
	assert_true(m.authoritative);
	assert_int_equal(m.n_locators, 2);
	check_locator(&m, 0, "192.0.2.1", 1, 100, true);
	check_locator(&m, 1, "2001:db8::1", 1, 100, true);
	assert_int_equal(m.locators[0].mpriority, 255);
	/* A static host of a mobile prefix never moves. */
	m = mapping_of(n, "10.1.1.5");
	assert_int_equal(m.n_locators, 2);
	assert_int_equal(m.ttl_min, 15);
}

static void
test_locators_sorted(void **state)
{
	struct node *n = *state;
	const struct conf_rloc first = n->rlocs[0];
	struct mapping m;

	n->rlocs[0] = n->rlocs[1];
	n->rlocs[1] = first;
	m = mapping_of(n, "10.1.0.0/16");
	check_locator(&m, 0, "192.0.2.1", 1, 100, true);
	check_locator(&m, 1, "2001:db8::1", 1, 100, true);
}

/* An RLOC that two of them are configured with is there once, as ours. */
static void
test_locators_once(void **state)
{
	struct node *n = *state;
	struct mapping m;

	n->site_rlocs[0] = A("2001:db8::1");
	dynamic(n, VM, EID_LOCAL);
	m = mapping_of(n, VM);
	assert_int_equal(m.n_locators, 3);
	check_locator(&m, 2, "2001:db8::1", 1, 100, true);
}

/* The other sites of the prefix stand by with 255. */
static void
test_dynamic_mapping(void **state)
{
	struct node *n = *state;
	struct mapping m;

	for (enum eid_state s = EID_LOCAL; s <= EID_HELD; s++) {
		dynamic(n, VM, s);
		m = mapping_of(n, VM);
		assert_int_equal(m.ttl_min, 15);
		assert_int_equal(m.eid_bits, 32);
		assert_true(m.authoritative);
		assert_int_equal(m.n_locators, 4);
		check_locator(&m, 0, "192.0.2.1", 1, 100, true);
		check_locator(&m, 1, "203.0.113.2", 255, 50, false);
		check_locator(&m, 2, "2001:db8::1", 1, 100, true);
		check_locator(&m, 3, "2001:db8:2::2", 255, 50, false);
	}
	/* A site that does not serve the prefix is not listed. */
	n->site_prefixes[0] = E("10.1.3.0/24");
	m = mapping_of(n, VM);
	assert_int_equal(m.n_locators, 2);
	n->site_prefixes[0] = E("10.1.1.0/24");
	n->conf.mobility.mode = CONF_CPM_REPLACE;
	m = mapping_of(n, VM);
	assert_int_equal(m.n_locators, 2);
}

static void
test_mapping_of_what_is_not_ours(void **state)
{
	struct node *n = *state;
	struct mapping m;

	dynamic(n, VM, EID_AWAY);
	m = mapping_of(n, VM);
	assert_int_equal(m.n_locators, 0);
	assert_int_equal(m.action, LISP_SEND_MAP_REQUEST);
	assert_false(m.authoritative);
}

static void
test_withdrawal(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);
	struct mapping m;

	etr_withdrawal(&n->x, &e, &m);
	assert_int_equal(m.ttl_min, 0);
	assert_int_equal(m.n_locators, 2);
	assert_int_equal(m.eid_bits, 32);
}

/* --- answers ------------------------------------------------------------ */

static struct map_request
question(const char *eid)
{
	const struct eid e = E(eid), source = E("10.3.0.10");
	struct map_request m = {
		.nonce = 0x1122334455667788, .n_itr_rlocs = 1, .n_records = 1
	};
	const struct addr rloc = A("203.0.113.50");

	m.source_eid = lisp_addr_from_eid(&source);
	m.itr_rlocs[0] = lisp_addr_from_addr(&rloc);
	m.records[0].eid = lisp_addr_from_eid(&e);
	m.records[0].eid_bits = e.bits;
	return m;
}

static enum err
receive(struct node *n, const struct map_request *m)
{
	uint8_t bytes[1024];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));

	map_request_encode(&w, m);
	assert_int_equal(w.err, ERR_OK);
	return node_receive(n, "203.0.113.50", bytes, wire_written(&w));
}

/* The only Map-Reply sent so far; its records in '*out'. */
static unsigned
replied(struct node *n, struct mapping out[16], struct map_reply *r)
{
	const struct sent *s = node_sent(n, LISP_MAP_REPLY, 0);
	unsigned count = 0;

	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
	assert_int_equal(map_reply_decode(s->bytes, s->len, r), ERR_OK);
	while (count < 16 && records_next(&r->records, &out[count]))
		count++;
	return count;
}

/* Asks and gives the records of the answer. */
static unsigned
ask(struct node *n, const char *eid, struct mapping out[16])
{
	const struct map_request m = question(eid);
	struct map_reply r;

	node_forget_sent(n);
	assert_int_equal(receive(n, &m), ERR_OK);
	return replied(n, out, &r);
}

static void
check_eid(const struct mapping *m, const char *eid)
{
	const struct eid wanted = E(eid);
	struct eid e;

	assert_int_equal(lisp_addr_eid(&m->eid, m->eid_bits, &e), ERR_OK);
	assert_true(eid_equal(&e, &wanted));
}

static bool
count_requester(void *arg, const struct requester *r)
{
	unsigned *count = arg;
	const struct addr rloc = A("203.0.113.50");
	const struct eid source = E("10.3.0.10");

	assert_true(addr_equal(&r->rloc, &rloc));
	assert_false(r->confirmed);
	assert_true(r->has_source && eid_equal(&r->source, &source));
	(*count)++;
	return true;
}

static unsigned
requesters(struct node *n, const char *eid)
{
	const struct eid e = E(eid);
	unsigned count = 0;

	requesters_walk(&n->x, &e, count_requester, &count);
	return count;
}

static void
test_answer(void **state)
{
	struct node *n = *state;
	const struct map_request m = question(VM);
	const struct addr to = A("203.0.113.50");
	struct mapping out[16];
	struct map_reply r;

	dynamic(n, VM, EID_LOCAL);
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(replied(n, out, &r), 1);
	assert_int_equal(r.nonce, m.nonce);
	assert_false(r.probe);
	check_eid(&out[0], VM);
	assert_int_equal(out[0].n_locators, 4);
	assert_true(out[0].authoritative);
	assert_true(addr_equal(&n->sent[0].to, &to));
	assert_int_equal(n->sent[0].port, LISP_CONTROL_PORT);
	assert_int_equal(requesters(n, VM), 1);
}

/* RFC 9301 5.2: a sender asks for one EID, a receiver takes several. */
static void
test_several_records(void **state)
{
	struct node *n = *state;
	struct map_request m = question("10.1.2.3");
	const struct eid second = E("10.9.0.7"), foreign = E("10.2.0.1");
	struct mapping out[16];
	struct map_reply r;

	m.n_records = 3;
	m.records[1].eid = lisp_addr_from_eid(&foreign);
	m.records[2].eid = lisp_addr_from_eid(&second);
	m.records[1].eid_bits = m.records[2].eid_bits = 32;
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(replied(n, out, &r), 2);
	check_eid(&out[1], "10.9.0.0/16");
}

/*
 * RFC 9301 5.2, 5.3: the mapping that a Map-Request brings along is not taken
 * unless it was verified; we do without it.
 */
static void
test_mapping_in_a_request_is_ignored(void **state)
{
	struct node *n = *state;
	struct map_request m = question(VM);
	const struct mapping brought =
	    node_mapping("10.3.0.0/16", 10, "203.0.113.66");
	uint8_t record[256];
	struct wire_writer w = wire_writer(record, sizeof(record));

	dynamic(n, VM, EID_LOCAL);
	mapping_encode(&w, &brought);
	m.has_mapping = true;
	m.mapping = (struct records){ record, wire_written(&w), 1 };
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
	assert_int_equal(map_cache_count(n->x.map_cache), 0);
	assert_int_equal(node_count(n, LISP_MAP_REQUEST), 0);
}

/* Converged: it asked, in whatever way, except by a probe. */
static void
test_converged(void **state)
{
	struct node *n = *state;
	const struct addr rloc = A("203.0.113.50");
	const struct eid e = E(VM);
	struct map_request m = question(VM);

	dynamic(n, VM, EID_LOCAL);
	smr_add(&n->x, &e, &rloc, NULL, true, false);
	m.probe = true;
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(n->x.counters.smr_converged, 0);
	m.probe = false;
	m.smr_invoked = true;
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(n->x.counters.smr_converged, 1);
}

static void
test_no_reply_bit(void **state)
{
	struct node *n = *state;
	struct map_request m = question(VM);

	dynamic(n, VM, EID_LOCAL);
	m.no_reply = true;
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 0);
	assert_int_equal(requesters(n, VM), 1);
}

/* In an ECM: to the inner UDP source port. */
static void
test_answer_to_ecm(void **state)
{
	struct node *n = *state;
	const struct map_request m = question(VM);
	struct ecm ecm = { .source = A("203.0.113.50"),
		.destination = A(VM),
		.source_port = 5555,
		.destination_port = LISP_CONTROL_PORT };
	uint8_t inner[512], bytes[1024];
	struct wire_writer w = wire_writer(inner, sizeof(inner));

	dynamic(n, VM, EID_LOCAL);
	map_request_encode(&w, &m);
	ecm.payload = inner;
	ecm.payload_len = wire_written(&w);
	w = wire_writer(bytes, sizeof(bytes));
	ecm_encode(&w, &ecm);
	assert_int_equal(w.err, ERR_OK);
	/* From a Map-Server, which is not whom the answer is for. */
	assert_int_equal(
	    node_receive(n, "198.51.100.10", bytes, wire_written(&w)), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
	assert_int_equal(n->sent[0].port, 5555);
	assert_true(addr_equal(&n->sent[0].to, &ecm.source));
}

/* The first ITR-RLOC that we can reach; never one of ours. */
static void
test_itr_rlocs(void **state)
{
	struct node *n = *state;
	struct map_request m = question(VM);
	const struct addr list[] = { A("127.0.0.1"), A("2001:db8:50::1"),
		A("203.0.113.50") };

	dynamic(n, VM, EID_LOCAL);
	m.n_itr_rlocs = 3;
	for (unsigned i = 0; i < 3; i++)
		m.itr_rlocs[i] = lisp_addr_from_addr(&list[i]);
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_true(addr_equal(&n->sent[0].to, &list[1]));
	/* Without IPv6 of our own the other one. */
	node_forget_sent(n);
	n->conf.site.rlocs.n = 1;
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
	assert_true(addr_equal(&n->sent[0].to, &list[2]));
	node_forget_sent(n);
	m.n_itr_rlocs = 2; /* no IPv6 of ours any more */
	assert_int_equal(receive(n, &m), ERR_SOURCE);
	m.n_itr_rlocs = 1;
	m.itr_rlocs[0] = lisp_addr_from_addr(&n->rlocs[0].address);
	assert_int_equal(receive(n, &m), ERR_SOURCE);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 0);
}

/* xtrctl lig on this very machine, RFC 6835 4.2: its port is not ours. */
static void
test_lig_from_here(void **state)
{
	struct node *n = *state;
	struct map_request m = question(VM);
	const struct datagram dg = { .from = n->rlocs[0].address,
		.port = 40000 };

	dynamic(n, VM, EID_LOCAL);
	m.n_itr_rlocs = 1;
	m.itr_rlocs[0] = lisp_addr_from_addr(&n->rlocs[0].address);
	assert_int_equal(etr_on_map_request(&n->x, &dg, &m), ERR_OK);
	output_flush(&n->x);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 1);
	assert_int_equal(n->sent[0].port, 40000);
	assert_true(addr_equal(&n->sent[0].to, &n->rlocs[0].address));
}

static void
test_not_ours(void **state)
{
	struct node *n = *state;
	struct map_request m = question("10.2.0.1");

	assert_int_equal(receive(n, &m), ERR_NOT_FOUND);
	m = question("[7]10.1.2.3");
	assert_int_equal(receive(n, &m), ERR_NOT_FOUND);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 0);
}

/* An address of a mobile prefix that is not here: ask again. */
static void
test_absent_and_away(void **state)
{
	struct node *n = *state;
	struct mapping out[16];

	for (unsigned i = 0; i < 3; i++) {
		if (i)
			dynamic(n, VM, i == 1 ? EID_AWAY : EID_ARRIVING);
		assert_int_equal(ask(n, VM, out), 1);
		check_eid(&out[0], VM);
		assert_int_equal(out[0].n_locators, 0);
		assert_int_equal(out[0].action, LISP_SEND_MAP_REQUEST);
		assert_int_equal(out[0].ttl_min, 1);
		assert_false(out[0].authoritative);
		assert_int_equal(requesters(n, VM), 0);
	}
}

/* The /16 must not hide what is mapped one by one inside it. */
static void
test_static_prefix_around_a_mobile_one(void **state)
{
	struct node *n = *state;
	struct mapping out[16];

	assert_int_equal(ask(n, "10.1.2.3", out), 1);
	check_eid(&out[0], "10.1.2.0/23");
	assert_int_equal(out[0].n_locators, 2);
	assert_int_equal(out[0].ttl_min, 1440);
	assert_int_equal(ask(n, "10.1.64.9", out), 1);
	check_eid(&out[0], "10.1.64.0/24");
	assert_int_equal(out[0].ttl_min, 60);
	/* The whole: with "ask" for the mobile prefix, at one TTL. */
	assert_int_equal(ask(n, "10.1.0.0/16", out), 3);
	check_eid(&out[0], "10.1.0.0/16");
	check_eid(&out[1], "10.1.64.0/24");
	check_eid(&out[2], "10.1.1.0/24");
	assert_int_equal(out[2].action, LISP_SEND_MAP_REQUEST);
	assert_int_equal(out[2].n_locators, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(out[i].ttl_min, 1440);
}

/* RFC 9301 5.5: the match and all its more-specifics ... */
static void
test_more_specifics(void **state)
{
	struct node *n = *state;
	struct mapping out[16];
	static struct conf_eid many[40];

	n->conf.mobility.prefixes.n = 0;
	n->eids[2].prefix = E("10.9.8.0/24");
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_int_equal(ask(n, "10.9.1.1", out), 2);
	check_eid(&out[0], "10.9.0.0/16");
	check_eid(&out[1], "10.9.8.0/24");
	assert_int_equal(out[1].ttl_min, out[0].ttl_min);
	assert_int_equal(ask(n, "10.9.8.1", out), 1);

	/* ... or, if they do not fit, one record that hides none. */
	many[0] = n->eids[1];
	for (unsigned i = 1; i < 40; i++) {
		char text[EID_STR_MAX];

		snprintf(text, sizeof(text), "10.9.%u.0/24", 100 + i);
		many[i] = n->eids[1];
		many[i].prefix = E(text);
	}
	n->conf.eids = (struct conf_list){ many, 40 };
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	assert_int_equal(ask(n, "10.9.1.2", out), 1);
	check_eid(&out[0], "10.9.0.0/18");
	assert_int_equal(out[0].n_locators, 2);
}

static void
test_probe(void **state)
{
	struct node *n = *state;
	struct map_request m = question("10.1.2.0/23");
	struct mapping out[16];
	struct map_reply r;

	m.probe = true;
	assert_int_equal(receive(n, &m), ERR_OK);
	assert_int_equal(replied(n, out, &r), 1);
	assert_true(r.probe);
	assert_int_equal(r.nonce, m.nonce);
	assert_true(out[0].authoritative);
	check_eid(&out[0], "10.1.2.0/23");
	/* The locator it was sent to, and no other. */
	assert_true(out[0].locators[0].probed);
	assert_false(out[0].locators[1].probed);
	node_forget_sent(n);
	m = question("10.2.0.1");
	m.probe = true;
	assert_int_equal(receive(n, &m), ERR_NOT_FOUND);
	m = question("10.1.1.10"); /* mobile, not here: silence */
	m.probe = true;
	assert_int_equal(receive(n, &m), ERR_NOT_FOUND);
	assert_int_equal(node_count(n, LISP_MAP_REPLY), 0);
}

/* RFC 9301 5.2: never by way of the mapping system. */
static void
test_probe_in_ecm(void **state)
{
	struct node *n = *state;
	struct map_request m = question("10.1.2.3");
	struct ecm ecm = { 0 };
	const struct datagram dg = { .from = A("203.0.113.50"),
		.port = LISP_CONTROL_PORT,
		.ecm = &ecm };

	m.probe = true;
	assert_int_equal(etr_on_map_request(&n->x, &dg, &m), ERR_POLICY);
}

/* One sender cannot make us answer without end. */
static void
test_limit(void **state)
{
	struct node *n = *state;
	const struct map_request m = question("10.1.2.3");
	unsigned sent = 0;

	for (unsigned i = 0; i < 20; i++)
		sent += receive(n, &m) == ERR_OK;
	assert_int_equal(sent, node_count(n, LISP_MAP_REPLY));
	assert_int_equal(sent, 8);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_static_mapping),
		TEST(test_locators_sorted),
		TEST(test_locators_once),
		TEST(test_dynamic_mapping),
		TEST(test_mapping_of_what_is_not_ours),
		TEST(test_withdrawal),
		TEST(test_answer),
		TEST(test_several_records),
		TEST(test_mapping_in_a_request_is_ignored),
		TEST(test_converged),
		TEST(test_no_reply_bit),
		TEST(test_answer_to_ecm),
		TEST(test_itr_rlocs),
		TEST(test_lig_from_here),
		TEST(test_not_ours),
		TEST(test_absent_and_away),
		TEST(test_static_prefix_around_a_mobile_one),
		TEST(test_more_specifics),
		TEST(test_probe),
		TEST(test_probe_in_ecm),
		TEST(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
