/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_peers.c - the watches without a source.  The list and the ranking are in
 * test_peer_list.c; what needs a tap and root is in tests/netns/test_peers.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmagent/peers.h"

/* No source, no tap: nothing is watched, nothing fails. */
static void
test_off(void **state)
{
	const struct peers_conf conf = {
		.source = CONF_PEERS_OFF, .max = 64, .age_s = 60
	};
	static struct vm_info vm = { .n_nics = 1 };
	struct clock clock;
	struct cpm_peer out[8];
	struct loop *loop;
	struct peers *p;

	(void)state;
	clock_fake(&clock, 1000000);
	loop = loop_new(&clock);
	p = peers_new(loop, &conf);
	strcpy(vm.nics[0].ifname, "no-such-tap");
	vm.nics[0].n_eids = 1;
	peers_watch(p, &vm);
	assert_int_equal(peers_watched(p), 0);
	assert_int_equal(peers_collect(p, &vm, out, 8), 0);
	peers_unwatch(p, vm.uuid);
	assert_string_equal(peers_source(p), "off");
	peers_free(p);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
