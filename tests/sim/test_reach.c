/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reach.c - RLOCs that go away and come back, between whole xTRs.
 *
 *     dc1 192.0.2.1, 192.0.2.65  ====  client 203.0.113.1, 203.0.113.65
 *         10.1.1.10                    10.3.0.0/24
 *
 * The second RLOC of each has the worse priority.
 */
#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/lisp.h"
#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/reach.h"

#define VM "10.1.1.10"
#define PEER "10.3.0.10"

static struct sim *
start(const char *reachability)
{
	struct sim *s = sim_new_with(&(struct sim_options){
	    .two_rlocs = true, .reachability = reachability });

	sim_cpm(s,
	    &(struct sim_cpm){ .site = DC1,
		.reason = CPM_PRESENT,
		.generation = clock_wall_ms(&s->clock) });
	sim_run(s, 1000);
	return s;
}

/* A packet a tenth of a second, both ways; how many the client got. */
static unsigned
talk(struct sim *s, int64_t ms)
{
	const uint64_t before = s->nodes[CLIENT].delivered;

	for (int64_t at = 0; at < ms; at += 100) {
		sim_packet(s, DC1, VM, PEER);
		sim_packet(s, CLIENT, PEER, VM);
		sim_run(s, 100);
	}
	return (unsigned)(s->nodes[CLIENT].delivered - before);
}

/* The RLOC that dc1 sends to for the client. */
static const char *
used(struct sim *s)
{
	static char buf[ADDR_STR_MAX];
	const struct eid eid = sim_eid(PEER);
	const struct map_cache_entry *e =
	    map_cache_match(sim_xtr(s, DC1)->map_cache, &eid);
	const struct cache_locator *l =
	    e ? map_cache_pick(sim_xtr(s, DC1), e, 0) : NULL;

	return l ? addr_str(&l->rloc, buf) : "";
}

static const struct reach_rloc *
seen(struct sim *s, enum sim_name by, const char *rloc)
{
	const struct addr a = sim_addr(rloc);

	return reach_find(sim_xtr(s, by), &a);
}

struct r_bit {
	struct eid eid;
	struct addr rloc;
	bool reachable;
};

static bool
r_bit_of(void *arg, const struct registration_row *row)
{
	struct r_bit *f = arg;

	for (unsigned i = 0; i < row->mapping->n_locators; i++) {
		const struct locator *l = &row->mapping->locators[i];

		if (eid_equal(&row->eid, &f->eid) &&
		    addr_equal(&l->addr.addr, &f->rloc))
			f->reachable = l->reachable;
	}
	return true;
}

/* The R bit of one of the client's RLOCs at the Map-Server. */
static bool
registered_up(struct sim *s, const char *rloc)
{
	struct r_bit f = { .eid = sim_eid("10.3.0.0/24"),
		.rloc = sim_addr(rloc) };

	map_server_walk(sim_xtr(s, MS), r_bit_of, &f);
	return f.reachable;
}

static void
own(struct sim *s, enum sim_name n, const char *rloc, enum reach_state state)
{
	const struct addr a = sim_addr(rloc);

	reach_set(sim_xtr(s, n), &a, REACH_INTERFACE, state);
}

/*
 * The network to an RLOC fails: after the interval and three misses traffic takes
 * the next; when it is back, so is the traffic.
 */
static void
an_rloc_is_cut(void **state)
{
	struct sim *s = start("reachability: { trust: public, probe: true }");
	const char *first = sim_rloc(CLIENT), *second = sim_second_rloc(CLIENT);
	unsigned ms;

	(void)state;
	talk(s, 2000);
	assert_string_equal(used(s), first);
	assert_int_equal(reach_state(seen(s, DC1, first)), REACH_UP);
	assert_int_equal(reach_state(seen(s, DC1, second)), REACH_UP);
	s->cut_rloc[CLIENT][0] = true;
	/* 33 s at most to the next probe, 7 s for three misses. */
	for (ms = 0; ms < 41000 && !strcmp(used(s), first); ms += 100)
		talk(s, 100);
	assert_in_range(ms, 7000, 40100);
	assert_string_equal(used(s), second);
	assert_int_equal(reach_why(seen(s, DC1, first)), REACH_PROBE);
	assert_int_equal(talk(s, 5000), 50);
	/* One answer; the probes have become rare. */
	s->cut_rloc[CLIENT][0] = false;
	for (ms = 0; ms < 300000 && strcmp(used(s), first); ms += 100)
		talk(s, 100);
	assert_in_range(ms, 100, 18000);
	assert_int_equal(talk(s, 1000), 10);
	sim_free(s);
}

/* Nobody probes by default, so nobody notices. */
static void
not_probed(void **state)
{
	struct sim *s = start(NULL);

	(void)state;
	talk(s, 2000);
	s->cut_rloc[CLIENT][0] = true;
	talk(s, 60000);
	assert_string_equal(used(s), sim_rloc(CLIENT));
	assert_int_equal(sim_xtr(s, DC1)->counters.probe_sent, 0);
	sim_free(s);
}

/* Both are dead: nothing is sent, until one answers. */
static void
all_rlocs_are_cut(void **state)
{
	struct sim *s = start("reachability: { probe: true }");
	uint64_t dropped;

	(void)state;
	talk(s, 2000);
	s->cut_rloc[CLIENT][0] = s->cut_rloc[CLIENT][1] = true;
	talk(s, 45000);
	assert_string_equal(used(s), "");
	dropped = sim_xtr(s, DC1)->counters.data_drop_no_locator;
	talk(s, 1000);
	assert_int_equal(
	    sim_xtr(s, DC1)->counters.data_drop_no_locator, dropped + 10);
	s->cut_rloc[CLIENT][1] = false;
	talk(s, 40000);
	assert_string_equal(used(s), sim_second_rloc(CLIENT));
	sim_free(s);
}

/*
 * The interface of an own RLOC goes down: registered with R = 0 at once, peers
 * are solicited, and use the other one within a second; RFC 9301 7, 6.1.
 */
static void
own_interface_goes_down(void **state)
{
	struct sim *s = start(NULL);
	const char *first = sim_rloc(CLIENT);
	unsigned ms;

	(void)state;
	talk(s, 2000);
	assert_string_equal(used(s), first);
	own(s, CLIENT, first, REACH_DOWN);
	for (ms = 0; ms < 5000 && !strcmp(used(s), first); ms += 10)
		sim_run(s, 10);
	assert_true(ms <= 100);
	assert_string_equal(used(s), sim_second_rloc(CLIENT));
	assert_false(registered_up(s, first));
	assert_true(registered_up(s, sim_second_rloc(CLIENT)));
	assert_int_equal(talk(s, 1000), 10);
	own(s, CLIENT, first, REACH_UP);
	talk(s, 10000);
	assert_string_equal(used(s), first);
	assert_true(registered_up(s, first));
	sim_free(s);
}

/* The same of a mobile EID's site. */
static void
interface_of_a_data_centre_goes_down(void **state)
{
	struct sim *s = start(NULL);

	(void)state;
	talk(s, 2000);
	assert_string_equal(sim_cached(s, VM), sim_rloc(DC1));
	own(s, DC1, sim_rloc(DC1), REACH_DOWN);
	sim_run(s, 500);
	assert_string_equal(sim_cached(s, VM), sim_second_rloc(DC1));
	assert_string_equal(sim_state_of(s, DC1, VM), "local");
	/* An interface that flaps is no storm of messages. */
	s->sent[LISP_MAP_REGISTER] = 0;
	for (unsigned i = 0; i < 100; i++) {
		own(s, DC1, sim_rloc(DC1), i % 2 ? REACH_DOWN : REACH_UP);
		sim_run(s, 100);
	}
	assert_in_range(s->sent[LISP_MAP_REGISTER], 1, 250);
	sim_run(s, 30000);
	assert_string_equal(sim_cached(s, VM), sim_second_rloc(DC1));
	sim_free(s);
}

/* An RLOC is added: five minutes without locator-status-bits, RFC 9300 13.1. */
static void
locators_change(void **state)
{
	struct sim *s = sim_new();
	struct xtr *x = sim_xtr(s, CLIENT);
	struct mono before;

	(void)state;
	sim_reload(s, CLIENT, &(struct sim_options){ 0 });
	assert_int_equal(x->status_bits_from.us, 0);
	assert_null(seen(s, CLIENT, sim_second_rloc(CLIENT)));
	before = xtr_now(x);
	sim_reload(s, CLIENT, &(struct sim_options){ .two_rlocs = true });
	assert_int_equal(
	    mono_diff_us(x->status_bits_from, before), 5 * 60 * 1000000);
	assert_true(seen(s, CLIENT, sim_second_rloc(CLIENT))->own);
	sim_reload(s, CLIENT, &(struct sim_options){ 0 });
	assert_null(seen(s, CLIENT, sim_second_rloc(CLIENT)));
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_rloc_is_cut),
		cmocka_unit_test(not_probed),
		cmocka_unit_test(all_rlocs_are_cut),
		cmocka_unit_test(own_interface_goes_down),
		cmocka_unit_test(interface_of_a_data_centre_goes_down),
		cmocka_unit_test(locators_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
