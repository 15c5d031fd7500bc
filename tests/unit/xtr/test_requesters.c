/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_requesters.c - bounds, order and eviction of the requester log,
 * docs/cpm.md 6.10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xtr/output.h"
#include "xtr/requesters.h"
#include "xtr/store.h"

#define MAX 200

struct rig {
	struct clock clock;
	struct conf_rloc rloc;
	struct xtr_conf conf;
	struct xtr x;
	char dir[64];
	struct eid eid;
};

static void
open_tables(struct rig *r)
{
	r->x.loop = loop_new(&r->clock);
	assert_non_null(r->x.loop);
	assert_int_equal(
	    store_open(r->x.loop, r->dir, 16, &r->x.store), ERR_OK);
	r->x.output = output_new(&r->x);
	r->x.requesters = requesters_new(&r->x);
	assert_non_null(r->x.requesters);
}

static void
close_tables(struct rig *r)
{
	requesters_free(r->x.requesters);
	output_free(r->x.output);
	r->x.output = NULL;
	store_close(r->x.store);
	loop_free(r->x.loop);
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct addr vm;

	assert_non_null(r);
	clock_fake(&r->clock, INT64_C(1800000000000000));
	assert_int_equal(addr_parse("192.0.2.1", &r->rloc.address), ERR_OK);
	r->conf.site.rlocs = (struct conf_list){ &r->rloc, 1 };
	r->conf.mobility.requesters_max = MAX;
	r->conf.mobility.requester_age_s = 3600;
	r->x.conf = &r->conf;
	r->x.clock = &r->clock;
	snprintf(r->dir, sizeof(r->dir), "/tmp/requesters-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	assert_int_equal(addr_parse("10.1.1.10", &vm), ERR_OK);
	r->eid = eid_host(0, &vm);
	open_tables(r);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	char command[96];

	close_tables(r);
	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static struct addr
itr(unsigned n)
{
	const uint8_t bytes[4] = { 203, 0, (uint8_t)(n >> 8), (uint8_t)n };

	return addr_make(AFI_IPV4, bytes);
}

static void
note(struct rig *r, unsigned n, bool data)
{
	const struct addr rloc = itr(n);

	clock_advance(&r->clock, 1000);
	requesters_note(&r->x, &r->eid, &rloc, NULL, data);
}

struct seen {
	unsigned n, confirmed;
	bool order_right;
	bool has[4096];
};

static bool
count(void *arg, const struct requester *r)
{
	struct seen *s = arg;

	/* Confirmed ones come first. */
	if (r->confirmed && s->n != s->confirmed)
		s->order_right = false;
	s->n++;
	s->confirmed += r->confirmed;
	s->has[(r->rloc.bytes[2] << 8 | r->rloc.bytes[3]) % 4096] = true;
	return true;
}

static struct seen
look(struct rig *r)
{
	struct seen s = { .order_right = true };

	requesters_walk(&r->x, &r->eid, count, &s);
	assert_true(s.order_right);
	return s;
}

static void
test_bounds(void **state)
{
	struct rig *r = *state;
	struct seen s;

	for (unsigned i = 0; i < 1000; i++)
		note(r, i, false);
	s = look(r);
	assert_int_equal(s.n, REQUESTERS_UNCONFIRMED_MAX);
	assert_true(s.has[999]);
	assert_false(s.has[0]);
	/* Confirmed ones push the unconfirmed out, not the other way. */
	for (unsigned i = 2000; i < 2000 + MAX; i++)
		note(r, i, true);
	s = look(r);
	assert_int_equal(s.n, MAX);
	assert_int_equal(s.confirmed, MAX);
	note(r, 1, false);
	s = look(r);
	assert_int_equal(s.n, MAX);
	assert_false(s.has[1]);
	/* A newer confirmed one: the oldest of them goes. */
	note(r, 3000, true);
	s = look(r);
	assert_int_equal(s.n, MAX);
	assert_true(s.has[3000]);
	assert_false(s.has[2000]);
}

static void
test_confirmed_by_data_only(void **state)
{
	struct rig *r = *state;

	note(r, 1, false);
	note(r, 1, false);
	assert_int_equal(look(r).confirmed, 0);
	note(r, 1, true);
	assert_int_equal(look(r).confirmed, 1);
	note(r, 1, false);
	assert_int_equal(look(r).confirmed, 1);
	assert_int_equal(look(r).n, 1);
}

static void
test_not_ours_nor_martian(void **state)
{
	struct rig *r = *state;
	struct addr a;

	assert_int_equal(addr_parse("127.0.0.1", &a), ERR_OK);
	requesters_note(&r->x, &r->eid, &a, NULL, true);
	requesters_note(&r->x, &r->eid, &r->rloc.address, NULL, true);
	assert_int_equal(look(r).n, 0);
}

static void
test_age(void **state)
{
	struct rig *r = *state;

	note(r, 1, true);
	clock_advance(&r->clock, INT64_C(3000) * 1000000);
	note(r, 2, false);
	clock_advance(&r->clock, INT64_C(700) * 1000000);
	assert_int_equal(look(r).n, 1);
	assert_true(look(r).has[2]);
}

static void
test_restart(void **state)
{
	struct rig *r = *state;

	note(r, 1, true);
	note(r, 2, false);
	assert_int_equal(store_commit(r->x.store), ERR_OK);
	close_tables(r);
	open_tables(r);
	assert_int_equal(look(r).n, 2);
	assert_int_equal(look(r).confirmed, 1);
	requesters_forget(&r->x, &r->eid);
	assert_int_equal(look(r).n, 0);
	close_tables(r);
	open_tables(r);
	assert_int_equal(look(r).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_confirmed_by_data_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_not_ours_nor_martian, setup, teardown),
		cmocka_unit_test_setup_teardown(test_age, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
