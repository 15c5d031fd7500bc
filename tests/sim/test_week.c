/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_week.c - a week of the whole network in which every tenth message is
 * lost: VMs move now and then, mappings are refreshed, registrations renewed.
 * At its end all tables are right, and nothing has grown that should not.
 */
#include "world.h"

#include <malloc.h>

#include "xtr/map_cache.h"
#include "xtr/map_server.h"
#include "xtr/pending.h"

enum {
	HOUR_MS = 3600 * 1000,
	DAYS = 7,
	SLOW = 40, /* an event of a VM takes 40 s on average, then */
	GROWTH_MAX = 256 * 1024, /* octets, of all five nodes */
};

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Nothing but what the VMs and sites there are account for. */
static void
tables_are_small(struct sim *s)
{
	const size_t eids = AGENT_VMS * 2;

	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct xtr *x = sim_xtr(s, (enum sim_name)i);

		if (x->map_cache)
			assert_in_range(map_cache_count(x->map_cache), 0,
			    eids + SIM_NODES + 8);
		if (x->pending)
			assert_in_range(pending_count(x->pending), 0, eids);
		if (x->map_server)
			assert_in_range(
			    map_server_count(x), 0, eids + SIM_NODES + 8);
		if (x->eids)
			assert_in_range(eids_count(x->eids), 0, eids + 8);
	}
}

static void
test_week(void **unused)
{
	size_t after_a_day = 0, at_the_end;
	struct world w;

	(void)unused;
	world_open(&w, 7, SLOW);
	w.s->loss_percent = 10;
	w.s->dup_percent = 2;
	w.s->delay_us = 15000;
	w.s->jitter_us = 20000;
	for (unsigned hour = 1; hour <= DAYS * 24; hour++) {
		sim_run(w.s, HOUR_MS);
		if (hour == 24)
			after_a_day = mallinfo2().uordblks;
		tables_are_small(w.s);
	}
	at_the_end = mallinfo2().uordblks;
	settle_down(&w);
	check(&w);
	if (!SANITIZED)
		assert_in_range(at_the_end, 0, after_a_day + GROWTH_MAX);
	/* It was a busy week. */
	assert_true(w.s->sent[LISP_MAP_REGISTER] > 20000);
	assert_true(w.s->sent[LISP_SHARED] > 5000);
	print_message("%llu Map-Registers, %llu messages of moves; %zu octets "
		      "after a day, %zu after a week\n",
	    (unsigned long long)w.s->sent[LISP_MAP_REGISTER],
	    (unsigned long long)w.s->sent[LISP_SHARED], after_a_day,
	    at_the_end);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_week),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
