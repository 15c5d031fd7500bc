/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reach.c - which RLOCs are up, who hears of it, and the timers of probing,
 * RFC 9301 7 and 7.1, on a fake clock.
 */
#include "node.h"
#include "xtr/reach.h"
#include "xtr/reach_icmp.h"
#include "xtr/reach_probe.h"

#define FAR "203.0.113.7"
#define OTHER "203.0.113.8"

static int
setup(void **state)
{
	struct node *n = node_new();

	n->conf.reachability =
	    (struct conf_reachability){ .probe_interval_s = 30,
		    .probe_rate = 100 };
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
store(struct node *n, const char *eid, const char *first, const char *second)
{
	struct mapping m = node_mapping(eid, 1440, first);
	const struct eid e = E(eid);

	if (second) {
		const struct addr a = A(second);

		m.locators[m.n_locators] = m.locators[0];
		m.locators[m.n_locators].priority = 2;
		m.locators[m.n_locators++].addr = lisp_addr_from_addr(&a);
	}
	assert_int_equal(map_cache_store(&n->x, &e, &m), ERR_OK);
}

static const struct reach_rloc *
find(struct node *n, const char *rloc)
{
	const struct addr a = A(rloc);

	return reach_find(&n->x, &a);
}

static enum reach_state
state_of(struct node *n, const char *rloc)
{
	return reach_state(find(n, rloc));
}

static void
set(struct node *n, const char *rloc, enum reach_cause cause,
    enum reach_state state)
{
	const struct addr a = A(rloc);

	reach_set(&n->x, &a, cause, state);
}

static const char *
picked(struct node *n, const char *eid)
{
	static char buf[ADDR_STR_MAX];
	const struct eid e = E(eid);
	const struct map_cache_entry *c = map_cache_match(n->x.map_cache, &e);
	const struct cache_locator *l = map_cache_pick(&n->x, c, 1);

	return l ? addr_str(&l->rloc, buf) : "";
}

/* --- the table --- */

static void
test_used_by_mappings(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.2.0.0/16");

	assert_null(find(n, FAR));
	store(n, "10.2.0.0/16", FAR, NULL);
	store(n, "10.3.0.0/16", FAR, OTHER);
	assert_int_equal(find(n, FAR)->n_uses, 2);
	assert_int_equal(state_of(n, FAR), REACH_UNKNOWN);
	map_cache_remove(&n->x, &e);
	assert_int_equal(find(n, FAR)->n_uses, 1);
	store(n, "10.3.0.0/16", OTHER, NULL);
	assert_null(find(n, FAR));
	assert_int_equal(find(n, OTHER)->n_uses, 1);
	/* Our own are always there. */
	assert_true(find(n, "192.0.2.1")->own);
}

/* One cause never speaks for another. */
static void
test_causes(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", FAR, OTHER);
	assert_string_equal(picked(n, "10.2.0.1"), FAR);
	set(n, FAR, REACH_ROUTE, REACH_DOWN);
	set(n, FAR, REACH_PROBE, REACH_DOWN);
	assert_int_equal(reach_why(find(n, FAR)), REACH_ROUTE);
	assert_string_equal(picked(n, "10.2.0.1"), OTHER);
	set(n, FAR, REACH_ROUTE, REACH_UNKNOWN);
	assert_int_equal(state_of(n, FAR), REACH_DOWN);
	assert_int_equal(reach_why(find(n, FAR)), REACH_PROBE);
	set(n, FAR, REACH_PROBE, REACH_UP);
	assert_string_equal(picked(n, "10.2.0.1"), FAR);
	/* The data plane heard of the mapping, and of the two changes. */
	assert_int_equal(n->n_changed, 3);
	assert_int_equal(n->x.counters.reach_down, 1);
	assert_int_equal(n->x.counters.reach_up, 1);
}

/* What is known outlives a renewal of the only mapping. */
static void
test_down_survives_refresh(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", FAR, OTHER);
	set(n, FAR, REACH_ROUTE, REACH_DOWN);
	store(n, "10.2.0.0/16", FAR, OTHER);
	assert_string_equal(picked(n, "10.2.0.1"), OTHER);
}

/* --- probes --- */

/* The 'nth' probe; what goes to the mapping system is in an ECM. */
static const struct sent *
probe_sent(struct node *n, unsigned nth)
{
	loop_poll(n->x.loop);
	for (unsigned i = 0; i < n->n_sent; i++)
		if (msg_type(n->sent[i].bytes, n->sent[i].len) ==
			LISP_MAP_REQUEST &&
		    nth-- == 0)
			return &n->sent[i];
	fail_msg("no such probe");
	return NULL;
}

static struct map_request
probe_decoded(struct node *n, unsigned nth)
{
	const struct sent *s = probe_sent(n, nth);
	struct map_request m;

	assert_int_equal(map_request_decode(s->bytes, s->len, &m), ERR_OK);
	assert_true(m.probe);
	return m;
}

/* The answer to the 'nth' probe; 'with' may change the record. */
static enum err
answer(struct node *n, unsigned nth, void (*with)(struct mapping *))
{
	const struct map_request q = probe_decoded(n, nth);
	const struct map_reply reply = {
		.probe = true, .nonce = q.nonce, .n_records = 1
	};
	struct addr to = probe_sent(n, nth)->to;
	char text[ADDR_STR_MAX], eid[EID_STR_MAX];
	uint8_t bytes[512];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct mapping m;
	struct eid e;

	assert_int_equal(
	    lisp_addr_eid(&q.records[0].eid, q.records[0].eid_bits, &e),
	    ERR_OK);
	m = node_mapping(eid_str(&e, eid), 1440, addr_str(&to, text));
	m.authoritative = true;
	m.locators[0].probed = true;
	if (with)
		with(&m);
	map_reply_header(&w, &reply);
	mapping_encode(&w, &m);
	return node_receive(n, text, bytes, wire_written(&w));
}

static unsigned
probes(struct node *n)
{
	unsigned count = 0;

	loop_poll(n->x.loop);
	for (unsigned i = 0; i < n->n_sent; i++)
		count += msg_type(n->sent[i].bytes, n->sent[i].len) ==
		    LISP_MAP_REQUEST;
	return count;
}

static void
run_until_probes(struct node *n, unsigned count)
{
	for (unsigned ms = 0; ms < 40000 && probes(n) < count; ms++) {
		loop_advance(n->x.loop, &n->clock, 1000);
		if (n->n_sent)
			loop_poll(n->x.loop);
	}
	assert_int_equal(probes(n), count);
}

/* Off by default: nothing leaves. */
static void
test_probing_off(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", FAR, NULL);
	node_run(n, 3600 * 1000);
	assert_int_equal(probes(n), 0);
}

/* Three prefixes, one RLOC, one probe; fields as wire.md 4 has them. */
static void
test_probe_once_per_rloc(void **state)
{
	struct node *n = *state;
	struct map_request m;
	struct mono before;

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	store(n, "10.3.0.0/16", FAR, NULL);
	store(n, "10.4.0.0/16", FAR, NULL);
	node_run(n, 1000); /* the first is spread over a second */
	assert_int_equal(probes(n), 1);
	m = probe_decoded(n, 0);
	assert_int_equal(m.n_records, 1);
	assert_int_equal(m.records[0].eid_bits, 16);
	assert_int_equal(m.source_eid.addr.afi, AFI_NONE);
	assert_int_equal(m.n_itr_rlocs, 2);
	assert_true(addr_equal(&m.itr_rlocs[0].addr, &n->rlocs[0].address));
	assert_int_equal(n->sent[0].port, LISP_CONTROL_PORT);
	node_run(n, 20);
	before = xtr_now(&n->x);
	assert_int_equal(answer(n, 0, NULL), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	assert_int_equal(reach_why(find(n, FAR)), REACH_PROBE);
	/* A second time that nonce is nobody's. */
	assert_int_equal(answer(n, 0, NULL), ERR_NONCE);
	/* The next one after the interval, 10 % more or less. */
	node_run(n, 24000);
	assert_int_equal(probes(n), 1);
	run_until_probes(n, 2);
	assert_true(xtr_now(&n->x).us <= before.us + 33000 * 1000);
}

static void
rtt_of(struct node *n, int64_t us)
{
	struct reach_probe_info info;

	reach_probe_info(find(n, FAR), &info);
	assert_int_equal(info.rtt_us, us);
}

static void
test_rtt(void **state)
{
	struct node *n = *state;

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	rtt_of(n, -1);
	run_until_probes(n, 1);
	node_run(n, 35);
	assert_int_equal(answer(n, 0, NULL), ERR_OK);
	rtt_of(n, 35000);
}

/* Misses after 1, 2 and 4 s; then 8, 16 ... s, not above five minutes. */
static void
test_misses_and_back_off(void **state)
{
	static const int waits_s[] = { 8, 16, 32, 64, 128, 256, 300, 300 };
	struct node *n = *state;

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, OTHER);
	set(n, OTHER, REACH_CONFIG, REACH_DOWN);
	set(n, OTHER, REACH_ROUTE, REACH_DOWN); /* not probed */
	run_until_probes(n, 1);
	node_run(n, 998);
	assert_int_equal(probes(n), 1);
	node_run(n, 2);
	assert_int_equal(probes(n), 2);
	node_run(n, 1998);
	assert_int_equal(probes(n), 2);
	node_run(n, 2);
	assert_int_equal(probes(n), 3);
	node_run(n, 3995);
	assert_int_equal(probes(n), 3);
	assert_int_equal(state_of(n, FAR), REACH_UNKNOWN);
	node_run(n, 5);
	assert_int_equal(state_of(n, FAR), REACH_DOWN);
	assert_int_equal(reach_why(find(n, FAR)), REACH_PROBE);
	assert_int_equal(n->x.counters.probe_missed, 3);
	/* The mapping system is asked whether that mapping still holds. */
	assert_int_equal(n->x.counters.map_request_sent, 1);
	assert_int_equal(probes(n), 4);
	for (unsigned i = 0; i < sizeof(waits_s) / sizeof(*waits_s); i++) {
		node_run(n, waits_s[i] * 899); /* jitter: 10 % */
		assert_int_equal(probes(n), 4 + i);
		while (probes(n) == 4 + i)
			node_run(n, 1);
		assert_true(xtr_now(&n->x).us > 0);
		assert_int_equal(probes(n), 5 + i);
	}
	/* One answer is enough. */
	assert_int_equal(answer(n, probes(n) - 1, NULL), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
}

/* An upper bound for the above: it does come back to us in time. */
static void
test_back_off_is_bounded(void **state)
{
	struct node *n = *state;
	unsigned before;

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	node_run(n, 1800 * 1000);
	before = probes(n);
	node_run(n, 331 * 1000);
	assert_true(probes(n) > before);
	assert_true(probes(n) <= before + 2);
}

static void
not_authoritative(struct mapping *m)
{
	m->authoritative = false;
}

static void
about_other(struct mapping *m)
{
	const struct addr a = A(OTHER);

	m->locators[0].addr = lisp_addr_from_addr(&a);
}

static void
not_reachable(struct mapping *m)
{
	m->locators[0].reachable = false;
}

static void
no_p_bit(struct mapping *m)
{
	m->locators[0].probed = false;
}

static void
test_answers(void **state)
{
	struct node *n = *state;

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	run_until_probes(n, 1);
	/* RFC 9301 5.4: A must be 1. */
	assert_int_equal(answer(n, 0, not_authoritative), ERR_MALFORMED);
	assert_int_equal(state_of(n, FAR), REACH_UNKNOWN);
	assert_int_equal(answer(n, 0, no_p_bit), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	/* Its own R bit counts, though it has answered. */
	run_until_probes(n, 2);
	assert_int_equal(answer(n, 1, not_reachable), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	assert_string_equal(picked(n, "10.2.0.1"), "");
	run_until_probes(n, 3);
	assert_int_equal(answer(n, 2, NULL), ERR_OK);
	assert_string_equal(picked(n, "10.2.0.1"), FAR);
}

/* The first p bit names whom the answer is about; another set is verified. */
static void
test_credit_and_changed_set(void **state)
{
	struct node *n = *state;
	const struct eid e = E("10.2.0.0/16");

	store(n, "10.2.0.0/16", FAR, OTHER);
	set(n, OTHER, REACH_ROUTE, REACH_DOWN); /* not probed */
	n->conf.reachability.probe = true;
	reach_reload(&n->x);
	run_until_probes(n, 1);
	set(n, OTHER, REACH_ROUTE, REACH_UNKNOWN);
	assert_int_equal(answer(n, 0, about_other), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UNKNOWN);
	assert_int_equal(state_of(n, OTHER), REACH_UP);
	assert_int_equal(n->x.counters.probe_changed_set, 1);
	assert_int_equal(n->x.counters.map_request_sent, 1);
	assert_true(addr_equal(
	    &map_cache_find(n->x.map_cache, &e)->locators[0].rloc,
	    &(struct addr){ .afi = AFI_IPV4, .bytes = { 203, 0, 113, 7 } }));
}

/* An ETR cannot speak for the RLOCs of others. */
static void
test_no_credit_for_others(void **state)
{
	struct node *n = *state;

	store(n, "10.2.0.0/16", FAR, NULL);
	store(n, "10.3.0.0/16", OTHER, NULL);
	set(n, OTHER, REACH_ROUTE, REACH_DOWN); /* not probed */
	n->conf.reachability.probe = true;
	reach_reload(&n->x);
	run_until_probes(n, 1);
	set(n, OTHER, REACH_ROUTE, REACH_UNKNOWN);
	assert_int_equal(answer(n, 0, about_other), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	assert_int_equal(state_of(n, OTHER), REACH_UNKNOWN);
}

static void
test_late_and_unasked(void **state)
{
	struct node *n = *state;

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	run_until_probes(n, 1);
	node_run(n, 5000); /* the second and third are out */
	assert_int_equal(answer(n, 0, NULL), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	node_run(n, 30000);
	assert_int_equal(answer(n, 1, NULL), ERR_NONCE);
}

/* All probes together: no more than the rate, nothing forgotten. */
static void
test_total_rate(void **state)
{
	struct node *n = *state;
	unsigned first;

	n->conf.reachability.probe = true;
	n->conf.reachability.probe_rate = 5;
	for (unsigned i = 0; i < 40; i++) {
		char eid[32], rloc[32];

		snprintf(eid, sizeof(eid), "10.2.%u.0/24", i);
		snprintf(rloc, sizeof(rloc), "203.0.113.%u", 100 + i);
		store(n, eid, rloc, NULL);
	}
	node_run(n, 1000);
	first = probes(n);
	assert_in_range(first, 5, 10);
	node_run(n, 1000);
	assert_in_range(probes(n) - first, 4, 6);
	assert_true(n->x.counters.probe_delayed > 0);
	for (unsigned s = 2; s < 20; s++) {
		const unsigned before = probes(n);

		node_run(n, 1000);
		assert_true(probes(n) - before <= 6);
	}
}

/* --- hints --- */

/* An ICMP error makes us ask, also where probing is off. */
static void
test_hint(void **state)
{
	struct node *n = *state;
	const struct addr a = A(FAR);

	store(n, "10.2.0.0/16", FAR, OTHER);
	reach_probe_hint(reach_find(&n->x, &a), REACH_ICMP);
	node_run(n, 0);
	assert_int_equal(probes(n), 1);
	assert_string_equal(picked(n, "10.2.0.1"), FAR);
	assert_int_equal(answer(n, 0, NULL), ERR_OK);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	/* Not again at once, however many there are. */
	for (unsigned i = 0; i < 10; i++)
		reach_probe_hint(reach_find(&n->x, &a), REACH_ICMP);
	node_run(n, 3000 - 1);
	reach_probe_hint(reach_find(&n->x, &a), REACH_ICMP);
	node_run(n, 0);
	assert_int_equal(probes(n), 1);
	node_run(n, 1);
	reach_probe_hint(reach_find(&n->x, &a), REACH_ICMP);
	node_run(n, 6999);
	assert_int_equal(probes(n), 4);
	assert_int_equal(state_of(n, FAR), REACH_UP);
	node_run(n, 1);
	assert_int_equal(state_of(n, FAR), REACH_DOWN);
	assert_int_equal(reach_why(find(n, FAR)), REACH_ICMP);
	assert_string_equal(picked(n, "10.2.0.1"), OTHER);
	/* It goes on until there is an answer, and then stops. */
	node_run(n, 60000);
	assert_true(probes(n) > 5);
	for (const unsigned count = probes(n); probes(n) == count;)
		node_run(n, 10); /* an answer that is late is none */
	assert_int_equal(answer(n, probes(n) - 1, NULL), ERR_OK);
	assert_string_equal(picked(n, "10.2.0.1"), FAR);
	node_forget_sent(n);
	node_run(n, 600000);
	assert_int_equal(probes(n), 0);
}

/* --- ICMP errors --- */

struct quote { /* of a packet, in an ICMP error */
	unsigned type, code;
	const char *source, *destination;
	unsigned protocol, dport;
	size_t cut; /* octets missing at the end */
	bool bad_sum;
	unsigned fragment;
};

static enum err
icmp(struct node *n, const struct quote *q)
{
	const struct addr from = A(q->source), to = A(q->destination);
	const bool v6 = from.afi == AFI_IPV6;
	uint8_t bytes[128];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	uint16_t sum;

	wire_put_u8(&w, q->type);
	wire_put_u8(&w, q->code);
	wire_put_zero(&w, 6);
	if (v6) {
		wire_put_u32(&w, 0x60000000);
		wire_put_u16(&w, 100);
		wire_put_u8(&w, q->protocol);
		wire_put_u8(&w, 60);
	} else {
		wire_put_u32(&w, 0x45000064);
		wire_put_u16(&w, 0);
		wire_put_u16(&w, q->fragment);
		wire_put_u8(&w, 60);
		wire_put_u8(&w, q->protocol);
		wire_put_u16(&w, 0);
	}
	wire_put_bytes(&w, from.bytes, addr_len(from.afi));
	wire_put_bytes(&w, to.bytes, addr_len(to.afi));
	wire_put_u16(&w, 50000);
	wire_put_u16(&w, q->dport);
	wire_put_u32(&w, 0);
	assert_int_equal(w.err, ERR_OK);
	sum = checksum_fold(checksum_add(0, bytes, wire_written(&w)));
	bytes[2] = (uint8_t)(sum >> 8);
	bytes[3] = (uint8_t)((sum & 0xff) ^ q->bad_sum);
	return reach_on_icmp(&n->x, from.afi, bytes, wire_written(&w) - q->cut);
}

/* What is no echo of a packet of ours is not even a hint. */
static void
test_icmp(void **state)
{
	const struct quote good = { 3, 1, "192.0.2.1", FAR, 17, 4341, 0, 0, 0 };
	const struct quote v6 = { 1, 0, "2001:db8::1", "2001:db8:7::7", 17,
		4341, 0, 0, 0 };
	struct node *n = *state;
	struct reach_rloc *r;
	struct quote q;
	const struct addr a = A(FAR), a6 = A("2001:db8:7::7");

	n->conf.reachability.icmp = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	store(n, "10.3.0.0/16", "2001:db8:7::7", NULL);
	r = reach_find(&n->x, &a);
	assert_int_equal(icmp(n, &good), ERR_POLICY); /* we sent nothing */
	r->data_sent = xtr_now(&n->x);
	q = good, q.source = "192.0.2.9";
	assert_int_equal(icmp(n, &q), ERR_POLICY);
	q = good, q.destination = OTHER;
	assert_int_equal(icmp(n, &q), ERR_POLICY);
	q = good, q.destination = "192.0.2.1";
	assert_int_equal(icmp(n, &q), ERR_POLICY);
	q = good, q.dport = 4342;
	assert_int_equal(icmp(n, &q), ERR_POLICY);
	q = good, q.protocol = 6;
	assert_int_equal(icmp(n, &q), ERR_POLICY);
	q = good, q.fragment = 1;
	assert_int_equal(icmp(n, &q), ERR_POLICY);
	q = good, q.code = 4; /* too big: not about reachability */
	assert_int_equal(icmp(n, &q), ERR_UNSUPPORTED);
	q = good, q.type = 11;
	assert_int_equal(icmp(n, &q), ERR_UNSUPPORTED);
	q = good, q.bad_sum = true;
	assert_int_equal(icmp(n, &q), ERR_MALFORMED);
	for (q = good, q.cut = 5; q.cut <= 36; q.cut++)
		assert_int_not_equal(icmp(n, &q), ERR_OK);
	assert_int_equal(probes(n), 0);
	assert_int_equal(n->x.counters.icmp_hints, 0);

	assert_int_equal(icmp(n, &good), ERR_OK);
	node_run(n, 0);
	assert_int_equal(probes(n), 1);
	assert_int_equal(icmp(n, &v6), ERR_POLICY);
	r = reach_find(&n->x, &a6);
	r->data_sent = xtr_now(&n->x);
	assert_int_equal(icmp(n, &v6), ERR_OK);
	node_run(n, 0);
	assert_int_equal(probes(n), 2);
	/* Recently means recently. */
	node_run(n, 9990);
	assert_int_equal(icmp(n, &v6), ERR_OK);
	node_run(n, 11);
	assert_int_equal(icmp(n, &v6), ERR_POLICY);
	r->data_sent = xtr_now(&n->x);
	n->conf.reachability.icmp = false;
	assert_int_equal(icmp(n, &v6), ERR_ROLE);
}

/* However many come: a hundred a second. */
static void
test_icmp_rate(void **state)
{
	const struct quote good = { 3, 1, "192.0.2.1", FAR, 17, 4341, 0, 0, 0 };
	const struct addr a = A(FAR);
	struct node *n = *state;
	unsigned taken = 0;

	n->conf.reachability.icmp = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	reach_find(&n->x, &a)->data_sent = xtr_now(&n->x);
	for (unsigned i = 0; i < 1000; i++)
		taken += icmp(n, &good) == ERR_OK;
	assert_int_equal(taken, 100);
	node_run(n, 0);
	assert_int_equal(probes(n), 1);
}

/* --- watches --- */

struct heard {
	unsigned n;
	enum reach_state last;
	struct reach_watch *watch;
	bool once;
};

static void
on_change(void *arg, const struct addr *rloc, enum reach_state state)
{
	struct heard *h = arg;
	const struct addr a = A(FAR);

	assert_true(addr_equal(rloc, &a));
	h->n++;
	h->last = state;
	if (h->once)
		reach_unwatch(h->watch);
}

/* A partner that nobody has a mapping of: fast, whatever the knobs say. */
static void
test_watch(void **state)
{
	struct node *n = *state;
	const struct addr a = A(FAR);
	struct heard h = { 0 };
	struct map_request m;

	h.watch = reach_watch(&n->x, &a, NULL, 200, on_change, &h);
	assert_non_null(h.watch);
	node_run(n, 0);
	assert_int_equal(probes(n), 1);
	m = probe_decoded(n, 0); /* one of ours: both serve them */
	assert_memory_equal(
	    m.records[0].eid.addr.bytes, n->eids[0].prefix.addr.bytes, 4);
	assert_int_equal(answer(n, 0, NULL), ERR_OK);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.last, REACH_UP);
	node_run(n, 199);
	assert_int_equal(probes(n), 1);
	node_run(n, 1);
	assert_int_equal(probes(n), 2);
	node_run(n, 599);
	assert_int_equal(h.n, 1);
	node_run(n, 1); /* three intervals */
	assert_int_equal(h.n, 2);
	assert_int_equal(h.last, REACH_DOWN);
	assert_false(reach_is_up(&n->x, &a));
	/* No back-off: who watches wants to know. */
	node_forget_sent(n);
	node_run(n, 10000);
	assert_in_range(probes(n), 49, 51);
	assert_int_equal(answer(n, probes(n) - 1, NULL), ERR_OK);
	assert_int_equal(h.last, REACH_UP);
	reach_unwatch(h.watch);
	assert_null(find(n, FAR));
}

static void
test_watch_ends_itself(void **state)
{
	struct node *n = *state;
	const struct addr a = A(FAR);
	struct heard h = { .once = true }, other = { 0 };

	h.watch = reach_watch(&n->x, &a, NULL, 200, on_change, &h);
	other.watch = reach_watch(&n->x, &a, NULL, 0, on_change, &other);
	set(n, FAR, REACH_CONFIG, REACH_DOWN);
	assert_int_equal(h.n, 1);
	assert_int_equal(other.n, 1);
	set(n, FAR, REACH_CONFIG, REACH_UP);
	assert_int_equal(h.n, 1);
	assert_int_equal(other.n, 2);
	other.once = true;
	set(n, FAR, REACH_CONFIG, REACH_DOWN);
	assert_null(find(n, FAR));
	node_run(n, 10000);
}

/* A watch of an RLOC that is probed rarely takes effect at once. */
static void
test_watch_hurries(void **state)
{
	struct node *n = *state;
	const struct addr a = A(FAR);
	struct heard h = { 0 };

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	run_until_probes(n, 1);
	assert_int_equal(answer(n, 0, NULL), ERR_OK);
	h.watch = reach_watch(&n->x, &a, NULL, 300, on_change, &h);
	node_run(n, 300 * 4 + 10);
	assert_int_equal(h.last, REACH_DOWN);
	reach_unwatch(h.watch);
	assert_non_null(find(n, FAR));
}

static void
test_watches_bounded(void **state)
{
	struct node *n = *state;
	const struct addr a = A(FAR);
	struct reach_watch *w[REACH_WATCHES_MAX];
	struct heard h = { 0 };

	for (unsigned i = 0; i < REACH_WATCHES_MAX; i++)
		assert_non_null(
		    w[i] = reach_watch(&n->x, &a, NULL, 0, on_change, &h));
	assert_null(reach_watch(&n->x, &a, NULL, 0, on_change, &h));
	reach_unwatch(w[7]);
	assert_non_null(reach_watch(&n->x, &a, NULL, 0, on_change, &h));
}

/* --- our own --- */

static bool
r_bit(struct node *n, const struct records *records, const char *rloc)
{
	struct records r = *records;
	const struct addr a = A(rloc);
	struct mapping m;

	(void)n;
	assert_true(records_next(&r, &m));
	for (unsigned i = 0; i < m.n_locators; i++)
		if (addr_equal(&m.locators[i].addr.addr, &a))
			return m.locators[i].reachable;
	fail_msg("%s is not in the record", rloc);
	return false;
}

/* Down: R = 0, at once, in every record that has it; RFC 9301 7. */
static void
test_own_rloc(void **state)
{
	struct node *n = *state;
	struct map_register m;
	const struct sent *s;

	registers_start(&n->x);
	node_run(n, 1000);
	node_forget_sent(n);
	set(n, "192.0.2.1", REACH_INTERFACE, REACH_UP);
	node_run(n, 0);
	assert_int_equal(node_count(n, LISP_MAP_REGISTER), 0);
	set(n, "192.0.2.1", REACH_INTERFACE, REACH_DOWN);
	set(n, "2001:db8::1", REACH_INTERFACE, REACH_DOWN);
	set(n, "2001:db8::1", REACH_INTERFACE, REACH_UP);
	node_run(n, 0);
	/* 10.1.0.0/16, 10.1.64.0/24, 10.1.1.5 at two Map-Servers, 10.9/16 at
	 * one: once each. */
	assert_int_equal(node_count(n, LISP_MAP_REGISTER), 7);
	s = node_sent(n, LISP_MAP_REGISTER, 0);
	assert_int_equal(map_register_decode(s->bytes, s->len, &m), ERR_OK);
	assert_true(m.want_notify);
	assert_false(r_bit(n, &m.records, "192.0.2.1"));
	assert_true(r_bit(n, &m.records, "2001:db8::1"));
	node_forget_sent(n);
	set(n, "192.0.2.1", REACH_INTERFACE, REACH_UP);
	node_run(n, 0);
	assert_int_equal(node_count(n, LISP_MAP_REGISTER), 7);
	s = node_sent(n, LISP_MAP_REGISTER, 0);
	assert_int_equal(map_register_decode(s->bytes, s->len, &m), ERR_OK);
	assert_true(r_bit(n, &m.records, "192.0.2.1"));
}

/* What was a dead partner's becomes ours by a reload: nothing is against it. */
static void
test_taken_over(void **state)
{
	struct node *n = *state;
	static struct conf_rloc rlocs[3];

	n->conf.reachability.probe = true;
	store(n, "10.2.0.0/16", FAR, NULL);
	while (state_of(n, FAR) != REACH_DOWN)
		node_run(n, 1000);
	memcpy(rlocs, n->rlocs, sizeof(n->rlocs));
	rlocs[2] = rlocs[0];
	rlocs[2].address = A(FAR);
	n->conf.site.rlocs = (struct conf_list){ rlocs, 3 };
	reach_reload(&n->x);
	assert_int_not_equal(state_of(n, FAR), REACH_DOWN);
	assert_true(reach_is_up(&n->x, &rlocs[2].address));
	n->conf.site.rlocs = (struct conf_list){ n->rlocs, 2 };
}

/* A partner that is dead for hours is asked at its interval all the time. */
static void
test_watch_for_ever(void **state)
{
	struct node *n = *state;
	const struct addr far = A(FAR);
	struct heard h = { 0 };

	h.watch = reach_watch(&n->x, &far, NULL, 100, on_change, &h);
	assert_non_null(h.watch);
	for (unsigned i = 0; i < 20; i++) {
		node_forget_sent(n);
		node_run(n, 1000);
		assert_in_range(probes(n), 8, 12);
	}
	assert_int_equal(state_of(n, FAR), REACH_DOWN);
	reach_unwatch(h.watch);
}

/* What we say when we are probed: RFC 9301 5.4, 7.1; RFC 9300 10.1. */
static void
test_answerer(void **state)
{
	struct node *n = *state;
	struct map_request q = { .probe = true, .nonce = 77, .n_records = 1 };
	const struct eid asked = E("10.1.0.0/16");
	const struct addr itr = A(FAR), *to = &n->rlocs[0].address;

	q.n_itr_rlocs = 1;
	q.itr_rlocs[0] = lisp_addr_from_addr(&itr);
	q.records[0].eid = lisp_addr_from_eid(&asked);
	q.records[0].eid_bits = asked.bits;
	for (unsigned echo = 0; echo < 2; echo++) {
		uint8_t bytes[256];
		struct wire_writer w = wire_writer(bytes, sizeof(bytes));
		const struct sent *s;
		struct map_reply m;
		struct mapping r;

		n->conf.reachability.echo_nonce = echo;
		set(n, "2001:db8::1", REACH_INTERFACE,
		    echo ? REACH_DOWN : REACH_UP);
		node_run(n, 1000);
		node_forget_sent(n);
		map_request_encode(&w, &q);
		assert_int_equal(
		    node_receive(n, FAR, bytes, wire_written(&w)), ERR_OK);
		s = node_sent(n, LISP_MAP_REPLY, 0);
		assert_int_equal(
		    map_reply_decode(s->bytes, s->len, &m), ERR_OK);
		assert_true(m.probe && m.nonce == 77 && m.echo_nonce == echo);
		assert_true(records_next(&m.records, &r));
		assert_true(r.authoritative && r.n_locators == 2);
		assert_int_equal(r.version, 5);
		assert_true(addr_equal(&r.locators[0].addr.addr, to));
		assert_true(r.locators[0].probed && r.locators[0].reachable);
		assert_false(r.locators[1].probed);
		assert_int_equal(r.locators[1].reachable, !echo);
	}
}

/* Of two of a family the one that is up is our address. */
static void
test_own_source(void **state)
{
	struct node *n = *state;
	struct conf_rloc three[3] = { n->rlocs[0], n->rlocs[1], n->rlocs[0] };
	const struct addr second = A("192.0.2.5");

	three[2].address = second;
	n->conf.site.rlocs = (struct conf_list){ three, 3 };
	reach_reload(&n->x);
	assert_true(addr_equal(xtr_rloc(&n->x, AFI_IPV4), &three[0].address));
	set(n, "192.0.2.1", REACH_INTERFACE, REACH_DOWN);
	assert_true(addr_equal(xtr_rloc(&n->x, AFI_IPV4), &second));
	set(n, "192.0.2.5", REACH_INTERFACE, REACH_DOWN);
	assert_true(addr_equal(xtr_rloc(&n->x, AFI_IPV4), &three[0].address));
	/* A configuration without it forgets it. */
	n->conf.site.rlocs = (struct conf_list){ n->rlocs, 2 };
	reach_reload(&n->x);
	assert_null(find(n, "192.0.2.5"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_used_by_mappings),
		TEST(test_causes),
		TEST(test_down_survives_refresh),
		TEST(test_probing_off),
		TEST(test_probe_once_per_rloc),
		TEST(test_rtt),
		TEST(test_misses_and_back_off),
		TEST(test_back_off_is_bounded),
		TEST(test_answers),
		TEST(test_credit_and_changed_set),
		TEST(test_no_credit_for_others),
		TEST(test_late_and_unasked),
		TEST(test_total_rate),
		TEST(test_hint),
		TEST(test_icmp),
		TEST(test_icmp_rate),
		TEST(test_watch),
		TEST(test_watch_ends_itself),
		TEST(test_watch_hurries),
		TEST(test_watches_bounded),
		TEST(test_own_rloc),
		TEST(test_taken_over),
		TEST(test_watch_for_ever),
		TEST(test_answerer),
		TEST(test_own_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
