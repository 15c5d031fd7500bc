/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_register.c - what is registered where, how often, in what message; RFC
 * 9301 5, 5.6, 5.7, 8.2.
 */
#include "registering.h"

static void
test_change_goes_at_once_and_alone(void **state)
{
	struct node *n = *state;
	const struct registered *r;
	struct mapping wanted;
	struct eid e = E(VM);

	local(n, VM);
	/* To every Map-Server of its mapping system, and to no other. */
	assert_int_equal(n_registered(n), 2);
	r = registered(n, 1);
	assert_true(addr_equal(&r->to, &n->corp_ms[1].address));
	r = registered(n, 0);
	assert_true(addr_equal(&r->to, &n->corp_ms[0].address));
	assert_true(r->m.want_notify);
	assert_false(r->m.proxy || r->m.use_ttl || r->m.merge ||
	    r->m.security || r->m.eid_notify);
	assert_true(r->m.has_xtr_id);
	assert_memory_equal(r->m.xtr_id, n->conf.site.xtr_id, 16);
	assert_int_equal(r->m.site_id, 99);
	assert_int_equal(r->m.auth.key_id, KEY_ID);
	assert_int_equal(r->n, 1);
	assert_true(is_for(r, 0, VM));
	etr_mapping(&n->x, eids_find(n->x.eids, &e), &wanted);
	assert_int_equal(r->records[0].ttl_min, 15);
	assert_int_equal(r->records[0].n_locators, wanted.n_locators);
	assert_true(r->records[0].authoritative);
	assert_true(r->records[0].locators[0].local);
	assert_int_equal(r->records[0].locators[1].priority, 255);
	for (unsigned i = 0; i < r->records[0].n_locators; i++)
		assert_false(r->records[0].locators[i].probed);
	assert_int_equal(n->x.counters.map_register_sent, 2);
}

static void
test_key_of_each_map_server(void **state)
{
	struct node *n = *state;
	const struct sent *s;

	local(n, VM);
	s = node_sent(n, LISP_MAP_REGISTER, 0);
	assert_int_equal(
	    auth_verify(s->bytes, s->len, &n->corp_ms[1].keys.first.key),
	    ERR_AUTH);
}

static void
test_what_is_not_ours_is_not_registered(void **state)
{
	struct node *n = *state;

	schedule(n, VM);
	dynamic(n, VM, EID_AWAY);
	schedule(n, VM);
	assert_int_equal(n_registered(n), 0);
	/* Nor repeated once it is somebody else's, whatever was forgotten. */
	local(n, VM);
	dynamic(n, VM, EID_AWAY);
	node_run(n, 300000);
	assert_int_equal(n_registered(n), 2);
}

/* RFC 9301 5.6: the nonce rises with every sending, also over a restart. */
static void
test_nonce_rises(void **state)
{
	struct node *n = *state;
	uint64_t last = 0;

	local(n, VM);
	node_run(n, 100000);
	for (unsigned i = 0; i < n_registered(n); i++) {
		assert_true(registered(n, i)->m.nonce > last);
		last = registered(n, i)->m.nonce;
	}
	node_forget_sent(n);
	node_stop(n);
	/* The clock was set back meanwhile. */
	n->clock.fake_wall_us -= INT64_C(1000000000000);
	node_start(n);
	local(n, VM);
	assert_true(registered(n, 0)->m.nonce > last);
}

/* 1, 2, 4 ... 60 s until the Map-Notify. */
static void
test_retransmission(void **state)
{
	struct node *n = *state;
	const unsigned wait_s[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	unsigned sent = 1;

	one_map_server(n);
	local(n, VM);
	for (unsigned i = 0; i < 8; i++) {
		/* Gathering adds REG_PACE_MS, 10 ms, to each. */
		node_run(n, wait_s[i] * 1000 - 100);
		assert_int_equal(n_registered(n), sent);
		node_run(n, 115);
		assert_int_equal(n_registered(n), ++sent);
		assert_true(registered(n, sent - 1)->m.want_notify);
		assert_true(is_for(registered(n, sent - 1), 0, VM));
	}
	assert_false(confirmed(n, VM));
	assert_int_equal(n->x.counters.map_register_retried, 8);
}

/* What failed together is repeated together. */
static void
test_retransmissions_are_packed(void **state)
{
	struct node *n = *state;

	local(n, "10.1.1.10");
	local(n, "10.1.1.11");
	local(n, "10.1.1.12");
	assert_int_equal(n_registered(n), 6);
	node_run(n, 1500);
	assert_int_equal(n_registered(n), 8);
	assert_int_equal(registered(n, 6)->n, 3);
}

/* Refresh: 60 s +- 10 %, packed; every fifth wants a Map-Notify. */
static void
test_refresh(void **state)
{
	struct node *n = *state;
	char text[EID_STR_MAX];
	unsigned with_notify = 0;

	one_map_server(n);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "10.1.1.%u", 10 + i);
		local(n, text);
	}
	acknowledge_all(n);
	node_run(n, 53000);
	assert_int_equal(n_registered(n), 0);
	node_run(n, 13100);
	assert_int_equal(n_registered(n), 1);
	assert_false(registered(n, 0)->m.want_notify);
	assert_in_range(registered(n, 0)->sent->len, 1, 548);
	node_forget_sent(n);
	/* Eleven minutes: ten to twelve rounds of one message. */
	for (unsigned i = 0; i < 6600; i++) {
		node_run(n, 100);
		for (unsigned j = 0; j < n_registered(n); j++) {
			assert_int_equal(registered(n, j)->n, 4);
			if (registered(n, j)->m.want_notify) {
				with_notify++;
				acknowledge(n, j);
			}
		}
		node_forget_sent(n);
	}
	assert_in_range(with_notify, 1, 2);
	assert_in_range(n->x.counters.map_register_sent, 14, 18);
	assert_int_equal(n->x.counters.map_register_retried, 0);
}

/* No two intervals alike: refreshes do not gather at one moment. */
static void
test_refresh_is_spread(void **state)
{
	struct node *n = *state;
	int64_t last_ms[2] = { 0 }, least_ms = INT64_MAX, most_ms = 0;

	local(n, VM);
	acknowledge_all(n);
	for (unsigned i = 0; i < 30000; i++) {
		node_run(n, 10);
		for (unsigned j = 0; j < n_registered(n); j++) {
			const struct registered *r = registered(n, j);
			const unsigned k =
			    addr_equal(&r->to, &n->corp_ms[1].address);
			const int64_t now_ms = xtr_now(&n->x).us / 1000;
			const int64_t interval_ms = now_ms - last_ms[k];

			if (last_ms[k] && interval_ms < least_ms)
				least_ms = interval_ms;
			if (last_ms[k] && interval_ms > most_ms)
				most_ms = interval_ms;
			last_ms[k] = now_ms;
			if (r->m.want_notify)
				acknowledge(n, j);
		}
		node_forget_sent(n);
	}
	assert_true(least_ms >= 53990);
	assert_true(most_ms <= 66010);
	assert_true(most_ms - least_ms > 20);
}

/* A refresh whose Map-Notify does not come is repeated. */
static void
test_lost_refresh(void **state)
{
	struct node *n = *state;

	one_map_server(n);
	local(n, VM);
	acknowledge_all(n);
	while (!n_registered(n) ||
	    !registered(n, n_registered(n) - 1)->m.want_notify)
		node_run(n, 500);
	node_forget_sent(n);
	node_run(n, 3500);
	assert_int_equal(n_registered(n), 2);
	/* The record itself was confirmed before. */
	assert_true(confirmed(n, VM));
	acknowledge_all(n);
	node_run(n, 50000);
	assert_int_equal(n_registered(n), 0);
}

/* Messages need no fragments: 548 octets by IPv4, 1232 by IPv6. */
static void
test_size(void **state)
{
	struct node *n = *state;
	static struct conf_eid many[80];
	unsigned records = 0, messages;

	for (unsigned i = 0; i < 80; i++) {
		char text[EID_STR_MAX];

		snprintf(text, sizeof(text), "10.9.%u.0/24", i);
		many[i] = n->eids[1];
		many[i].systems.list = i < 40 ? n->corp : n->lab;
		many[i].prefix = E(text);
	}
	n->conf.eids = (struct conf_list){ many, 80 };
	n->conf.mobility.prefixes.n = 0;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	registers_start(&n->x);
	node_run(n, 500);
	messages = n_registered(n);
	for (unsigned i = 0; i < messages; i++) {
		const struct registered *r = registered(n, i);

		assert_in_range(
		    r->sent->len, 1, r->to.afi == AFI_IPV4 ? 548 : 1232);
		records += r->n;
	}
	assert_int_equal(records, 3 * 40);
	/* 56 octets a record: 8 in 548, 20 in 1232. */
	assert_int_equal(messages, 2 * 5 + 2);
	/* Paced: not all in one go. */
	node_forget_sent(n);
	registers_start(&n->x);
	node_run(n, 15);
	assert_int_equal(n_registered(n), 3);
}

/* A single record goes, however long it is. */
static void
test_long_record(void **state)
{
	struct node *n = *state;
	static struct addr rlocs[200];

	for (unsigned i = 0; i < 200; i++) {
		char text[ADDR_STR_MAX];

		snprintf(text, sizeof(text), "2001:db8:2::%x", 256 + i);
		rlocs[i] = A(text);
	}
	n->site_xtrs[0].rlocs = (struct conf_list){ rlocs, 200 };
	local(n, VM);
	local(n, "10.1.1.11");
	node_run(n, 1500);
	assert_int_equal(n_registered(n), 2 * 2 + 2 * 2);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(registered(n, i)->n, 1);
		assert_true(registered(n, i)->sent->len > 4800);
	}
}

/* Sixteen in a row, then one per 20 s; the last state wins. */
static void
test_burst(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	one_map_server(n);
	for (unsigned i = 0; i < 16; i++)
		local(n, VM);
	assert_int_equal(n_registered(n), 16);
	n->conf.mobility.ttl_min = 14;
	local(n, VM);
	n->conf.mobility.ttl_min = 13;
	local(n, VM);
	assert_int_equal(n_registered(n), 16);
	assert_int_equal(n->x.counters.map_register_delayed, 2);
	node_run(n, 19900);
	assert_int_equal(n_registered(n), 16);
	node_run(n, 200);
	assert_int_equal(n_registered(n), 17);
	assert_int_equal(registered(n, 16)->records[0].ttl_min, 13);
	/* Another EID is not held back. */
	local(n, "10.1.1.11");
	assert_int_equal(n_registered(n), 18);
	/* Cancelling does not give it a new bucket. */
	register_cancel(&n->x, &e);
	node_run(n, 1000);
	node_forget_sent(n);
	local(n, VM);
	assert_int_equal(n_registered(n), 0);
	node_run(n, 20100);
	assert_true(n_registered(n) > 0);
}

/* docs/cpm.md 6.4: somebody else has it. */
static void
test_cancel(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	local(n, VM);
	local(n, "10.1.1.11");
	register_cancel(&n->x, &e);
	dynamic(n, VM, EID_AWAY);
	node_forget_sent(n);
	node_run(n, 200000);
	assert_true(n_registered(n) > 4);
	for (unsigned i = 0; i < n_registered(n); i++) {
		assert_int_equal(registered(n, i)->n, 1);
		assert_true(is_for(registered(n, i), 0, "10.1.1.11"));
	}
	/* Out of the packed refresh, too. */
	local(n, VM);
	acknowledge_all(n);
	register_cancel(&n->x, &e);
	dynamic(n, VM, EID_AWAY);
	assert_false(confirmed(n, VM));
	node_run(n, 67000);
	assert_int_equal(n_registered(n), 2);
	assert_int_equal(registered(n, 0)->n, 1);
	assert_true(is_for(registered(n, 0), 0, "10.1.1.11"));
}

static void
test_withdraw(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);
	const struct registered *r;

	local(n, VM);
	acknowledge_all(n);
	dynamic(n, VM, EID_ABSENT);
	register_withdraw(&n->x, &e);
	assert_int_equal(n_registered(n), 2);
	r = registered(n, 0);
	assert_int_equal(r->records[0].ttl_min, 0);
	assert_true(is_for(r, 0, VM));
	assert_true(r->m.want_notify);
	assert_false(confirmed(n, VM));
	/* Until acknowledged, by each Map-Server. */
	acknowledge(n, 0);
	node_forget_sent(n);
	node_run(n, 1500);
	assert_int_equal(n_registered(n), 1);
	assert_true(addr_equal(&registered(n, 0)->to, &n->corp_ms[1].address));
	acknowledge_all(n);
	node_run(n, 300000);
	assert_int_equal(n_registered(n), 0);
	/* Nothing is left of it but the limit. */
	register_withdraw(&n->x, &e);
	assert_int_equal(n_registered(n), 0);
}

static void
test_withdraw_has_an_end(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	one_map_server(n);
	local(n, VM);
	acknowledge_all(n);
	dynamic(n, VM, EID_ABSENT);
	register_withdraw(&n->x, &e);
	node_run(n, 2000000);
	assert_int_equal(n_registered(n), 8);
	assert_int_equal(n->x.counters.map_register_given_up, 1);
}

/* What no Map-Server may have heard of needs no withdrawal. */
static void
test_withdraw_unregistered(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	register_withdraw(&n->x, &e);
	local(n, VM);
	register_cancel(&n->x, &e);
	node_forget_sent(n);
	register_withdraw(&n->x, &e);
	node_run(n, 5000);
	assert_int_equal(n_registered(n), 0);
}

/* Back before the withdrawal was acknowledged: the newer state counts. */
static void
test_withdraw_and_back(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	local(n, VM);
	acknowledge_all(n);
	dynamic(n, VM, EID_ABSENT);
	register_withdraw(&n->x, &e);
	local(n, VM);
	assert_int_equal(n_registered(n), 4);
	assert_int_equal(registered(n, 2)->records[0].ttl_min, 15);
	/* A late Map-Notify for the withdrawal does not confirm it. */
	acknowledge(n, 0);
	assert_false(confirmed(n, VM));
	acknowledge(n, 2);
	assert_true(confirmed(n, VM));
	node_forget_sent(n);
	node_run(n, 1500);
	assert_int_equal(n_registered(n), 1); /* the other Map-Server */
	assert_int_equal(registered(n, 0)->records[0].ttl_min, 15);
}

/* docs/cpm.md 6.6, 6.8, 6.13. */
static void
test_pause(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);

	local(n, VM);
	register_pause(&n->x, &e);
	node_forget_sent(n);
	node_run(n, 200000);
	assert_int_equal(n_registered(n), 0);
	schedule(n, VM);
	acknowledge_all(n);
	register_pause(&n->x, &e);
	assert_true(confirmed(n, VM));
	node_run(n, 200000);
	assert_int_equal(n_registered(n), 0);
	/* It may still be registered: it can be withdrawn. */
	register_withdraw(&n->x, &e);
	assert_int_equal(n_registered(n), 2);
	assert_int_equal(registered(n, 0)->records[0].ttl_min, 0);
}

/* P of static EIDs is the Map-Server's, of dynamic ones that of mobility. */
static void
test_proxy_bit(void **state)
{
	struct node *n = *state;
	unsigned with = 0, without = 0;

	n->corp_ms[0].proxy_reply = true;
	local(n, VM);
	registers_start(&n->x);
	node_run(n, 1500);
	for (unsigned i = 0; i < n_registered(n); i++) {
		const struct registered *r = registered(n, i);
		const bool ten = addr_equal(&r->to, &n->corp_ms[0].address);

		for (unsigned j = 0; j < r->n; j++)
			assert_int_equal(r->m.proxy, ten && !is_for(r, j, VM));
		with += r->m.proxy;
		without += !r->m.proxy;
	}
	assert_true(with > 0 && without > 0);
	node_forget_sent(n);
	n->conf.mobility.proxy_reply = true;
	local(n, VM);
	assert_true(registered(n, 0)->m.proxy);
	assert_true(registered(n, 1)->m.proxy);
}

static void
test_start(void **state)
{
	struct node *n = *state;
	unsigned corp = 0, lab = 0;

	registers_start(&n->x);
	node_run(n, 100);
	for (unsigned i = 0; i < n_registered(n); i++) {
		const struct registered *r = registered(n, i);

		if (addr_equal(&r->to, &n->lab_ms[0].address)) {
			lab += r->n;
			assert_true(is_for(r, 0, "10.9.0.0/16"));
		} else {
			corp += r->n;
		}
	}
	/* 10.1.0.0/16, 10.1.64.0/24 and the static host, twice. */
	assert_int_equal(corp, 6);
	assert_int_equal(lab, 1);
	assert_int_equal(n_registered(n), 3);
}

static bool
count_row(void *arg, const struct register_row *row)
{
	unsigned *count = arg;

	assert_non_null(row->state);
	assert_non_null(row->mapping_system);
	(*count)++;
	return true;
}

static void
test_reload(void **state)
{
	struct node *n = *state;
	const struct eid e = E(VM);
	unsigned withdrawn = 0, again = 0, rows = 0;

	registers_start(&n->x);
	local(n, VM);
	local(n, "10.1.1.11");
	node_run(n, 100);
	acknowledge_all(n);
	register_pause(&n->x, &e);
	/* 10.1.64.0/24 is gone, and so is one Map-Server. */
	n->conf.eids.n = 2;
	n->systems[0].map_servers.n = 1;
	assert_int_equal(eids_reload(&n->x), ERR_OK);
	registers_reload(&n->x, NULL);
	node_run(n, 500);
	for (unsigned i = 0; i < n_registered(n); i++) {
		const struct registered *r = registered(n, i);

		assert_false(addr_equal(&r->to, &n->corp_ms[1].address));
		for (unsigned j = 0; j < r->n; j++) {
			const bool gone = is_for(r, j, "10.1.64.0/24");

			assert_int_equal(r->records[j].ttl_min == 0, gone);
			assert_false(is_for(r, j, VM)); /* paused */
			withdrawn += gone;
			again += !gone;
		}
	}
	assert_int_equal(withdrawn, 1);
	assert_int_equal(again, 0);
	registers_walk(&n->x, count_row, &rows);
	assert_int_equal(rows, 6);
	acknowledge_all(n);
	assert_true(confirmed(n, "10.1.1.11"));
}

static unsigned changed_calls;

static void
count_changed(struct xtr *x, const struct eid_entry *e)
{
	char buf[EID_STR_MAX];

	(void)x;
	assert_string_equal(eid_str(&e->eid, buf), "10.9.0.0/16");
	changed_calls++;
}

/* What goes on after a reload is refreshed as before. */
static void
test_reload_changes_nothing_else(void **state)
{
	struct node *n = *state;
	unsigned changed = 0;

	registers_start(&n->x);
	local(n, VM);
	node_run(n, 100);
	acknowledge_all(n);
	n->eids[1].ttl_min = 7;
	changed_calls = 0;
	registers_reload(&n->x, count_changed);
	assert_int_equal(changed_calls, 1);
	node_run(n, 500);
	for (unsigned i = 0; i < n_registered(n); i++) {
		const struct registered *r = registered(n, i);

		changed += r->n;
		assert_true(is_for(r, 0, "10.9.0.0/16"));
		assert_int_equal(r->records[0].ttl_min, 7);
	}
	assert_int_equal(changed, 1);
	acknowledge_all(n);
	assert_true(confirmed(n, VM));
	node_run(n, 70000); /* one refresh of each by then */
	changed = 0;
	for (unsigned i = 0; i < n_registered(n); i++)
		changed += registered(n, i)->n;
	/* Three of corp's static ones and the VM, at two; one of lab's. */
	assert_in_range(changed, 9, 18);
}

/* Of what RFC 9301 5.6 has in the header, a changed wish is a change. */
static void
test_reload_merge(void **state)
{
	struct node *n = *state;
	unsigned merged = 0;

	registers_start(&n->x);
	local(n, VM);
	node_run(n, 100);
	acknowledge_all(n);
	n->corp_ms[0].merge = n->corp_ms[0].use_ttl = true;
	registers_reload(&n->x, NULL);
	node_run(n, 500);
	for (unsigned i = 0; i < n_registered(n); i++) {
		const struct registered *r = registered(n, i);

		assert_true(addr_equal(&r->to, &n->corp_ms[0].address));
		assert_true(r->m.use_ttl);
		for (unsigned j = 0; j < r->n; j++)
			assert_int_equal(r->m.merge, !is_for(r, j, VM));
		merged += r->m.merge;
	}
	assert_int_equal(merged, 1);
	assert_int_equal(n_registered(n), 2);
}

/* A prefix of two mapping systems is registered with the servers of both. */
static void
test_two_systems(void **state)
{
	struct node *n = *state;
	const struct conf_mapping_system *both[] = { &n->systems[0],
		&n->systems[1] };
	const struct eid e = E("10.9.0.0/16");
	bool lab = false;

	n->eids[1].systems = (struct conf_systems){ both, 2 };
	register_schedule(&n->x, &e);
	assert_int_equal(n_registered(n), 3);
	for (unsigned i = 0; i < 3; i++)
		lab |= addr_equal(&registered(n, i)->to, &n->lab_ms[0].address);
	assert_true(lab);
}

/* Who signed the newest Map-Register to the first Map-Server? */
static bool
signed_by(struct node *n, const struct auth_key *key)
{
	const struct sent *s = node_sent(
	    n, LISP_MAP_REGISTER, node_count(n, LISP_MAP_REGISTER) - 1);

	assert_true(addr_equal(&s->to, &n->corp_ms[0].address));
	return !auth_verify(s->bytes, s->len, key);
}

/*
 * The strongest key is tried, the next one when there is no answer, and the one
 * that was answered stays; a Map-Notify under any of them counts.
 */
static void
test_keys(void **state)
{
	struct node *n = *state;
	struct auth_key strong = node_key(7, "corp ten, new");
	const struct auth_key *weak = &n->corp_ms[0].keys.first.key;
	struct map_register m;
	struct mapping record;
	const struct sent *s;

	strong.algorithm = AUTH_SHA256_128_HKDF;
	strong.accept = 1 << AUTH_SHA256_128_HKDF;
	n->rings[0][0] = &strong;
	n->rings[0][1] = weak;
	n->corp_ms[0].keys.ring.n = 2;
	one_map_server(n);
	local(n, VM);
	assert_true(signed_by(n, &strong));
	node_run(n, 1000);
	assert_true(signed_by(n, &strong));
	assert_int_equal(n->x.counters.map_register_other_key, 0);
	node_run(n, 6500); /* 1, 3 and 7 s after the first */
	assert_true(signed_by(n, weak));
	assert_int_equal(n->x.counters.map_register_other_key, 1);
	s = node_sent(n, LISP_MAP_REGISTER, n_registered(n) - 1);
	assert_int_equal(map_register_decode(s->bytes, s->len, &m), ERR_OK);
	assert_true(records_next(&m.records, &record));
	assert_int_equal(
	    notify(n, "198.51.100.10", m.nonce, &record, 1, weak), ERR_OK);
	assert_true(confirmed(n, VM));
	local(n, "10.1.1.11");
	assert_true(signed_by(n, weak));
	/* The Map-Server has the new one now, and answers with it. */
	s = node_sent(n, LISP_MAP_REGISTER, n_registered(n) - 1);
	assert_int_equal(map_register_decode(s->bytes, s->len, &m), ERR_OK);
	assert_true(records_next(&m.records, &record));
	assert_int_equal(
	    notify(n, "198.51.100.10", m.nonce, &record, 1, &strong), ERR_OK);
	assert_true(confirmed(n, "10.1.1.11"));
	local(n, "10.1.1.12");
	assert_true(signed_by(n, &strong));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_change_goes_at_once_and_alone),
		TEST(test_key_of_each_map_server),
		TEST(test_what_is_not_ours_is_not_registered),
		TEST(test_nonce_rises),
		TEST(test_retransmission),
		TEST(test_retransmissions_are_packed),
		TEST(test_refresh),
		TEST(test_refresh_is_spread),
		TEST(test_lost_refresh),
		TEST(test_size),
		TEST(test_long_record),
		TEST(test_burst),
		TEST(test_cancel),
		TEST(test_withdraw),
		TEST(test_withdraw_has_an_end),
		TEST(test_withdraw_unregistered),
		TEST(test_withdraw_and_back),
		TEST(test_pause),
		TEST(test_proxy_bit),
		TEST(test_start),
		TEST(test_reload),
		TEST(test_reload_changes_nothing_else),
		TEST(test_reload_merge),
		TEST(test_two_systems),
		TEST(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
