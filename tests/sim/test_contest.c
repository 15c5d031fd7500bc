/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_contest.c - two sites that both believe to have the VM, and a mapping
 * system that says something else.  docs/cpm.md 6.6, 6.8, 6.13.
 */
#include "steps.h"

#include "common/auth.h"
#include "common/lisp.h"
#include "xtr/input.h"
#include "xtr/itr.h"
#include "xtr/mobility_entry.h"
#include "xtr/store.h"

/* A Map-Notify that says: the VM is at 'rloc'. */
static void
map_notify(struct sim *s, enum sim_name at, const char *rloc)
{
	const struct eid eid = sim_eid(VM);
	const struct addr a = sim_addr(rloc);
	struct mapping m = { .ttl_min = 15, .n_locators = 1, .eid_bits = 32 };

	m.eid = lisp_addr_from_eid(&eid);
	m.locators[0] = (struct locator){ .priority = 1,
		.weight = 100,
		.reachable = true,
		.addr = lisp_addr_from_addr(&a) };
	mobility_on_map_notify(sim_xtr(s, at), &eid, &m);
}

/* No control message between 'n' and the Map-Server. */
static void
cut_map_server(struct sim *s, enum sim_name n, bool cut)
{
	s->cut[n][MS] = s->cut[MS][n] = cut;
}

static uint64_t
registers_sent(struct sim *s, enum sim_name n)
{
	const struct counters *c = &sim_xtr(s, n)->counters;

	return c->map_register_sent + c->map_register_retried;
}

/*
 * dc2 has not heard of generation g, its agent's clock is behind: its claim is
 * contested.  Returns the nonce of that claim.
 */
static uint64_t
contested(struct sim *s, uint64_t *g)
{
	uint64_t nonce;

	s->cut[DC1][DC2] = true;
	*g = settle(s);
	sim_run(s, 10000);
	s->cut[DC1][DC2] = false;
	nonce = tell(s, DC2, CPM_ARRIVED, *g - 1000);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	return nonce;
}

/* The agent claims again while the revised Acks are still being sent. */
static void
test_claimed_again_at_once(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g, nonce = contested(s, &g);

	(void)unused;
	sim_run(s, 100);
	assert_true(entry(s, DC2)->contested);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_STALE);
	assert_int_equal(sim_ack(s, nonce)->highest_generation, g);
	nonce = tell(s, DC2, CPM_PRESENT, g + 1);
	sim_run(s, 2000);
	/* The new claim is not revised. */
	assert_int_equal(sim_status(s, nonce), CPM_ACK_DONE);
	agree_on(s, DC2);
	sim_free(s);
}

/* The mapping system has not heard of it when contest-wait would be over. */
static void
test_claimed_again_map_server_down(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g;

	(void)unused;
	contested(s, &g);
	sim_run(s, 300);
	s->cut_only = LISP_MAP_REGISTER;
	s->cut[DC2][MS] = true;
	say(s, DC2, CPM_PRESENT, g + 1);
	for (unsigned i = 0; i < 60; i++) {
		sim_run(s, 100);
		assert_string_equal(sim_state(s, DC2), "local");
	}
	assert_int_equal(sim_xtr(s, DC2)->counters.cpm_alarm, 0);
	s->cut[DC2][MS] = false;
	sim_run(s, 10000);
	agree_on(s, DC2);
	sim_free(s);
}

/* Nobody claims again: the mapping system decides. */
static void
test_not_claimed_again(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g;

	(void)unused;
	contested(s, &g);
	/* dc2 had registered before it was contested: dc1 verifies, and is
	 * contested, too. */
	sim_run(s, 10000);
	assert_string_equal(sim_state(s, DC1), "away");
	assert_string_equal(sim_state(s, DC2), "local");
	assert_int_equal(sim_xtr(s, DC2)->counters.cpm_alarm, 1);
	sim_run(s, 300000);
	assert_string_equal(sim_registered(s, VM), B);
	/* The agent at dc1 knows better. */
	say(s, DC1, CPM_PRESENT, g);
	sim_run(s, 5000);
	agree_on(s, DC1);
	sim_free(s);
}

/* The revised Ack names the claim, not what the agent said after it. */
static void
test_revised_ack_names_the_claim(void **unused)
{
	struct sim *s = sim_new();
	uint64_t g, nonce, later;

	(void)unused;
	s->cut[DC1][DC2] = s->cut[DC2][DC1] = true;
	s->cut_only = LISP_SHARED;
	g = settle(s);
	sim_run(s, 10000);
	nonce = tell(s, DC2, CPM_ARRIVED, g - 1000);
	later = tell(s, DC2, CPM_DEPARTING, g - 1000);
	s->cut[DC1][DC2] = s->cut[DC2][DC1] = false;
	sim_run(s, 2000);
	assert_int_equal(sim_status(s, nonce), CPM_ACK_STALE);
	assert_int_equal(sim_status(s, later), CPM_ACK_DONE);
	sim_free(s);
}

/* An old Map-Notify: the mapping system has us, refreshing goes on. */
static void
test_verified(void **unused)
{
	struct sim *s = sim_new();

	(void)unused;
	settle(s);
	map_notify(s, DC1, B);
	assert_true(entry(s, DC1)->verifying);
	sim_run(s, 4000);
	assert_false(entry(s, DC1)->verifying);
	sim_run(s, 300000);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_string_equal(sim_registered(s, VM), A);
	sim_free(s);
}

/* The guest is paused while it is verified, and goes on here. */
static void
test_paused_while_verified(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	map_notify(s, DC1, B);
	say(s, DC1, CPM_PAUSED, g);
	sim_run(s, 4000);
	assert_string_equal(sim_state(s, DC1), "held");
	say(s, DC1, CPM_ABORTED, g);
	assert_false(entry(s, DC1)->verifying);
	sim_run(s, 300000);
	assert_string_equal(sim_registered(s, VM), A);
	sim_free(s);
}

/* It leaves while it is verified, and is never heard of again. */
static void
test_departed_while_verified(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	map_notify(s, DC1, B);
	say(s, DC1, CPM_PAUSED, g);
	say(s, DC1, CPM_DEPARTED, g);
	sim_run(s, 40000);
	assert_string_equal(sim_state(s, DC1), "absent");
	assert_string_equal(sim_registered(s, VM), "");
	sim_free(s);
}

/* In held a Map-Notify is believed; while one is verified, LOOKUP is. */
static void
test_moved_while_verified(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	s->cut[DC2][DC1] = s->cut[DC1][DC2] = true;
	s->cut_only = LISP_SHARED;
	say(s, DC2, CPM_ARRIVED, g + 10000);
	assert_string_equal(sim_state(s, DC1), "local");
	assert_true(entry(s, DC1)->verifying);
	say(s, DC1, CPM_PAUSED, g);
	sim_run(s, 4000);
	assert_string_equal(sim_state(s, DC1), "away");
	sim_free(s);
}

/* The incoming mark ends while the EID is verified; neither ends the other. */
static void
test_mark_ends_while_verified(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.second = 1,
		.reason = CPM_ARRIVING,
		.generation = g });
	assert_true(entry(s, DC1)->incoming);
	sim_run(s, 15 * 60000 - 1000);
	cut_map_server(s, DC1, true);
	map_notify(s, DC1, B);
	assert_true(entry(s, DC1)->incoming);
	sim_run(s, 1500);
	assert_false(entry(s, DC1)->incoming);
	assert_true(entry(s, DC1)->verifying);
	sim_free(s);
}

/* Another 'paused' takes the gone mark back, and with it the lookups. */
static void
test_not_gone_after_all(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);
	uint64_t asked;

	(void)unused;
	say(s, DC1, CPM_PAUSED, g);
	say(s, DC1, CPM_DEPARTED, g);
	assert_true(entry(s, DC1)->gone);
	say(s, DC1, CPM_PAUSED, g);
	assert_false(entry(s, DC1)->gone);
	sim_run(s, 1000);
	asked = s->sent[LISP_ECM];
	sim_run(s, 20000);
	assert_int_equal(s->sent[LISP_ECM], asked);
	sim_free(s);
}

/* Locators of no configured site: we do not fight for ever. */
static void
test_stranger_registers(void **unused)
{
	struct sim *s = sim_new();
	uint64_t before;

	(void)unused;
	settle(s);
	before = registers_sent(s, DC1);
	for (unsigned i = 0; i < 40; i++) {
		map_notify(s, DC1, "203.0.113.66");
		sim_run(s, 1000);
	}
	/* Three of ours, and the refresh. */
	assert_true(registers_sent(s, DC1) - before <= 4);
	assert_true(registers_sent(s, DC1) - before >= 3);
	assert_int_equal(sim_xtr(s, DC1)->counters.cpm_alarm, 40);
	sim_free(s);
}

/* Locators of a family that we have not are locators. */
static void
test_elsewhere_in_another_family(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = settle(s);

	(void)unused;
	say(s, DC1, CPM_PAUSED, g);
	map_notify(s, DC1, "2001:db8:9::1");
	assert_string_equal(sim_state(s, DC1), "away");
	/* But they do not displace those that we can use. */
	say(s, DC2, CPM_ARRIVED, g + 10000);
	sim_run(s, 61000);
	map_notify(s, DC1, "2001:db8:9::1");
	agree_on(s, DC2);
	sim_free(s);
}

/* An Ack of dc1 to a Notify of dc2, as it would sign it. */
static void
ack_from_dc1(struct sim *s, uint64_t nonce, uint8_t status, uint64_t highest)
{
	static const char secret[] = "a-secret-of-the-simulation";
	struct auth_key key = { .key_id = 21,
		.algorithm = AUTH_SHA256_128,
		.secret_len = sizeof(secret) - 1 };
	struct cpm_ack a = { .subtype = CPM_SUBTYPE,
		.nonce = nonce,
		.key_id = 21,
		.algorithm = AUTH_SHA256_128,
		.part = 1,
		.parts = 1,
		.status = status,
		.reason = CPM_ARRIVED,
		.highest_generation = highest,
		.n_eids = 1 };
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));
	struct datagram dg = { .bytes = buf,
		.from = sim_addr(A),
		.to = sim_addr(B),
		.port = LISP_CONTROL_PORT };

	memcpy(key.secret, secret, sizeof(secret) - 1);
	memcpy(a.sender_id, sim_xtr(s, DC1)->conf->site.xtr_id, 16);
	a.eids[0].eid = sim_eid(VM);
	a.eids[0].status = status;
	cpm_ack_encode(&w, &a);
	assert_int_equal(auth_sign(buf, wire_written(&w), &key), ERR_OK);
	dg.len = wire_written(&w);
	(void)!input_datagram(sim_xtr(s, DC2), &dg);
}

/* "Stale", but for nothing higher: no reason to stop registering. */
static void
test_stale_for_nothing(void **unused)
{
	struct sim *s = sim_new();
	const uint64_t g = generation(s);
	uint64_t nonce;

	(void)unused;
	s->cut[DC2][DC1] = true;
	say(s, DC2, CPM_PRESENT, g);
	/* The next one would be the third: dc1 and dc3 were told. */
	nonce = store_nonce_next(sim_xtr(s, DC2)->store, "cpm", 0);
	ack_from_dc1(s, nonce - 2, CPM_ACK_STALE, g - 1);
	ack_from_dc1(s, nonce - 1, CPM_ACK_STALE, g - 1);
	assert_false(entry(s, DC2)->contested);
	sim_free(s);
}

/* "Stale nonce", but none higher: no reason to send it again at once. */
static void
test_stale_nonce_for_nothing(void **unused)
{
	struct sim *s = sim_new();
	const struct counters *c = &sim_xtr(s, DC2)->counters;
	uint64_t nonce, sent;

	(void)unused;
	s->cut[DC2][DC1] = true;
	say(s, DC2, CPM_PRESENT, generation(s));
	nonce = store_nonce_next(sim_xtr(s, DC2)->store, "cpm", 0);
	sent = c->notify_sent;
	ack_from_dc1(s, nonce - 2, CPM_ACK_NONCE, 0);
	ack_from_dc1(s, nonce - 1, CPM_ACK_NONCE, 0);
	sim_run(s, 0);
	assert_int_equal(c->notify_sent, sent);
	s->cut[DC2][DC1] = false;
	sim_run(s, 2000);
	assert_string_equal(sim_state(s, DC1), "away");
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claimed_again_at_once),
		cmocka_unit_test(test_claimed_again_map_server_down),
		cmocka_unit_test(test_not_claimed_again),
		cmocka_unit_test(test_revised_ack_names_the_claim),
		cmocka_unit_test(test_verified),
		cmocka_unit_test(test_paused_while_verified),
		cmocka_unit_test(test_departed_while_verified),
		cmocka_unit_test(test_moved_while_verified),
		cmocka_unit_test(test_mark_ends_while_verified),
		cmocka_unit_test(test_not_gone_after_all),
		cmocka_unit_test(test_stranger_registers),
		cmocka_unit_test(test_elsewhere_in_another_family),
		cmocka_unit_test(test_stale_for_nothing),
		cmocka_unit_test(test_stale_nonce_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
