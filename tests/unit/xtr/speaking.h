/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SPEAKING_H
#define TESTS_SPEAKING_H

/*
 * speaking.h - node.h's xTR with somebody to speak to: a hypervisor "hv1" at
 * 192.0.2.50 with 10.1.1.0/24, and the keys of site dc2.
 */
#include "common/auth.h"
#include "node.h"
#include "xtr/cpm_in.h"
#include "xtr/mobility_entry.h"
#include "xtr/notify_queue.h"

#define HV "192.0.2.50"
#define XTR "203.0.113.2"
#define VM "10.1.1.10"

enum { HV_KEY = 21, SITE_KEY = 22, RATE = 10, BURST = 4 };

static struct conf_hypervisor hypervisors[1];
static struct addr hv_addresses[1];
static struct eid hv_prefixes[1];

UNUSED_OK static struct conf_key
key_of(uint8_t key_id)
{
	struct conf_key k = { .key_id = key_id,
		.algorithm = AUTH_SHA256_128,
		.key = { .key_id = key_id,
		    .algorithm = AUTH_SHA256_128,
		    .accept = 1 << AUTH_SHA256_128,
		    .secret_len = 8 } };

	memset(k.key.secret, key_id, 8);
	return k;
}

UNUSED_OK static int
setup(void **state)
{
	struct node *n = node_new();
	struct conf_mobility *c = &n->conf.mobility;

	node_stop(n);
	hv_addresses[0] = A(HV);
	hv_prefixes[0] = E("10.1.1.0/24");
	hypervisors[0] = (struct conf_hypervisor){ .name = "hv1",
		.host_id = { 0xb1 },
		.addresses = { hv_addresses, 1 },
		.key = key_of(HV_KEY),
		.prefixes = { hv_prefixes, 1 } };
	c->hypervisors = (struct conf_list){ hypervisors, 1 };
	n->sites[0].key = key_of(SITE_KEY);
	c->cpm_subtype = CPM_SUBTYPE;
	c->cpm_rate = RATE;
	c->cpm_burst = BURST;
	node_start(n);
	*state = n;
	return 0;
}

UNUSED_OK static int
teardown(void **state)
{
	node_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* A CPM of hv1 about VM, to be changed. */
UNUSED_OK static struct cpm
cpm_of_hv(struct node *n)
{
	struct cpm m = { .subtype = CPM_SUBTYPE,
		.op = CPM_OP_CPM,
		.ack_wanted = true,
		.nonce = clock_wall_ms(&n->clock) + 1,
		.key_id = HV_KEY,
		.algorithm = AUTH_SHA256_128,
		.sender_id = { 0xb1 },
		.generation = clock_wall_ms(&n->clock),
		.series = 5,
		.part = 1,
		.parts = 1,
		.reason = CPM_PRESENT,
		.n_eids = 1,
		.eids = { E(VM) } };

	return m;
}

UNUSED_OK static size_t
cpm_bytes(const struct cpm *m, uint8_t *buf, size_t size)
{
	const struct conf_key k =
	    key_of(m->key_id == SITE_KEY ? SITE_KEY : HV_KEY);
	struct auth_key key = k.key;
	struct wire_writer w = wire_writer(buf, size);

	key.key_id = m->key_id;
	cpm_encode(&w, m, NULL, 0);
	assert_int_equal(w.err, ERR_OK);
	assert_int_equal(auth_sign(buf, wire_written(&w), &key), ERR_OK);
	return wire_written(&w);
}

#endif
