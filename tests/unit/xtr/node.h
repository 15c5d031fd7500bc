/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_NODE_H
#define TESTS_NODE_H

/*
 * node.h - one xTR on a fake clock for the tests of its roles: what it sends is
 * kept, what it forwards is counted, nothing touches the network.
 *
 *     RLOCs      192.0.2.1, 2001:db8::1
 *     corp       Map-Servers 198.51.100.10, .11; Map-Resolvers .20, .21
 *     lab        Map-Server and Map-Resolver 2001:db8:9::10, ::20
 *     EIDs       10.1.0.0/16 and in it 10.1.64.0/24 (corp), 10.9.0.0/16 (lab)
 *     mobile     10.1.1.0/24 (corp); static host 10.1.1.5
 *     site dc2   203.0.113.2 and 2001:db8:2::2, 10.1.1.0/24
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/lisp.h"
#include "common/msg.h"
#include "xtr/dp.h"
#include "xtr/eids.h"
#include "xtr/etr.h"
#include "xtr/input.h"
#include "xtr/itr.h"
#include "xtr/map_cache.h"
#include "xtr/output.h"
#include "xtr/pending.h"
#include "xtr/register.h"
#include "xtr/store.h"
#include "xtr/xtr.h"

#define UNUSED_OK __attribute__((unused))
#define SENT_MAX 8192
#define KEY_ID 7

struct sent {
	struct addr to;
	uint16_t port;
	size_t len;
	uint8_t *bytes;
};

struct forwarded {
	struct addr rloc;
	uint8_t mark; /* last octet of the packet */
	uint8_t header[LISP_DATA_HEADER];
};

struct node {
	struct clock clock;
	struct xtr x;
	struct xtr_conf conf;
	char dir[64];
	struct sent sent[SENT_MAX];
	unsigned n_sent;
	struct forwarded forwarded[256];
	unsigned n_forwarded;
	unsigned n_changed; /* calls of dp_mapping_changed() */

	struct conf_rloc rlocs[2];
	struct conf_mapping_system systems[2];
	struct conf_map_server_peer corp_ms[2], lab_ms[1];
	const struct auth_key *rings[3][2];
	const struct conf_mapping_system *corp[1], *lab[1];
	struct addr corp_mr[2], lab_mr[1];
	struct conf_eid eids[3];
	struct conf_mobile_prefix mobile[1];
	struct addr static_hosts[1];
	struct conf_other_site sites[1];
	struct conf_site_xtr site_xtrs[1];
	struct addr site_rlocs[1];
	struct eid site_prefixes[1];
	struct dp dp;
	struct dp_ops ops;
};

static struct node *the_node; /* dp callbacks have no argument of ours */

UNUSED_OK static struct addr
A(const char *text) {
	struct addr a = { 0 };

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

UNUSED_OK static struct eid
E(const char *text) {
	struct eid e;

	assert_int_equal(eid_parse(text, &e), ERR_OK);
	return e;
}

static void
node_capture(void *arg, const struct addr *to, uint16_t port,
    const uint8_t *bytes, size_t len)
{
	struct node *n = arg;
	struct sent *s = &n->sent[n->n_sent++];

	assert_true(n->n_sent < SENT_MAX);
	*s = (struct sent){ *to, port, len, malloc(len) };
	assert_non_null(s->bytes);
	memcpy(s->bytes, bytes, len);
}

static enum err
node_encapsulate(struct dp *dp, const struct addr *source,
    const struct addr *rloc, uint16_t sport, uint8_t ttl, uint8_t tos,
    const uint8_t *payload, size_t len)
{
	struct node *n = the_node;

	(void)dp;
	(void)source;
	(void)sport;
	(void)ttl;
	(void)tos;
	assert_true(n->n_forwarded < 256);
	memcpy(n->forwarded[n->n_forwarded].header, payload, LISP_DATA_HEADER);
	n->forwarded[n->n_forwarded].rloc = *rloc;
	n->forwarded[n->n_forwarded++].mark = payload[len - 1];
	return ERR_OK;
}

static enum err
node_deliver(struct dp *dp, const uint8_t *packet, size_t len)
{
	(void)dp;
	(void)packet;
	(void)len;
	return ERR_OK;
}

static enum err
node_icmp(
    struct dp *dp, const struct addr *to, const uint8_t *message, size_t len)
{
	(void)dp;
	(void)to;
	(void)message;
	(void)len;
	return ERR_OK;
}

static void
node_changed(struct dp *dp, const struct eid *eid)
{
	(void)dp;
	(void)eid;
	the_node->n_changed++;
}

static struct auth_key
node_key(unsigned key_id, const char *secret)
{
	struct auth_key k = { .key_id = (uint8_t)key_id,
		.algorithm = AUTH_SHA256_128,
		.accept = 1 << AUTH_SHA256_128,
		.secret_len = (uint8_t)strlen(secret) };

	memcpy(k.secret, secret, strlen(secret));
	return k;
}

/* Fills in '*p' with one key; 'ring' has room for two. */
static void
node_ms(struct conf_map_server_peer *p, const char *address, const char *secret,
    const struct auth_key **ring)
{
	*p = (struct conf_map_server_peer){ .address = A(address) };
	p->keys.first.key = node_key(KEY_ID, secret);
	ring[0] = &p->keys.first.key;
	p->keys.ring = (struct conf_keyring){ ring, 1 };
}

static void
node_conf(struct node *n)
{
	struct xtr_conf *c = &n->conf;

	n->rlocs[0] = (struct conf_rloc){ .address = A("192.0.2.1"),
		.priority = 1,
		.weight = 100,
		.mpriority = 255 };
	n->rlocs[1] = n->rlocs[0];
	n->rlocs[1].address = A("2001:db8::1");
	c->site = (struct conf_site){ .name = "dc1",
		.rlocs = { n->rlocs, 2 },
		.xtr_id = { 0xaa, 0xbb },
		.site_id = 99 };
	node_ms(&n->corp_ms[0], "198.51.100.10", "corp ten", n->rings[0]);
	node_ms(&n->corp_ms[1], "198.51.100.11", "corp eleven", n->rings[1]);
	node_ms(&n->lab_ms[0], "2001:db8:9::10", "lab", n->rings[2]);
	n->corp[0] = &n->systems[0];
	n->lab[0] = &n->systems[1];
	n->corp_mr[0] = A("198.51.100.20");
	n->corp_mr[1] = A("198.51.100.21");
	n->lab_mr[0] = A("2001:db8:9::20");
	n->systems[0] = (struct conf_mapping_system){ .name = "corp",
		.map_servers = { n->corp_ms, 2 },
		.map_resolvers = { n->corp_mr, 2 } };
	n->systems[1] = (struct conf_mapping_system){ .name = "lab",
		.map_servers = { n->lab_ms, 1 },
		.map_resolvers = { n->lab_mr, 1 } };
	c->mapping_systems = (struct conf_list){ n->systems, 2 };
	n->eids[0] = (struct conf_eid){ .prefix = E("10.1.0.0/16"),
		.systems = { n->corp, 1 },
		.ttl_min = 1440,
		.map_version = 5 };
	n->eids[1] = (struct conf_eid){ .prefix = E("10.9.0.0/16"),
		.systems = { n->lab, 1 },
		.ttl_min = 1440 };
	n->eids[2] = (struct conf_eid){ .prefix = E("10.1.64.0/24"),
		.systems = { n->corp, 1 },
		.ttl_min = 60 };
	c->eids = (struct conf_list){ n->eids, 3 };
	n->static_hosts[0] = A("10.1.1.5");
	n->mobile[0] = (struct conf_mobile_prefix){ .prefix = E("10.1.1.0/24"),
		.segment = "none",
		.gateway = A("10.1.1.1"),
		.systems = { n->corp, 1 },
		.static_hosts = { n->static_hosts, 1 } };
	n->site_rlocs[0] = A("2001:db8:2::2");
	n->site_xtrs[0] = (struct conf_site_xtr){ .rloc = A("203.0.113.2"),
		.priority = 1,
		.weight = 50,
		.xtr_id = { 0xcc },
		.rlocs = { n->site_rlocs, 1 } };
	n->site_prefixes[0] = E("10.1.1.0/24");
	n->sites[0] = (struct conf_other_site){ .name = "dc2",
		.xtrs = { n->site_xtrs, 1 },
		.prefixes = { n->site_prefixes, 1 } };
	c->mobility = (struct conf_mobility){
		.prefixes = { n->mobile, 1 },
		.sites = { n->sites, 1 },
		.mode = CONF_CPM_PRIORITY,
		.away_time_s = 900,
		.arriving_time_s = 900,
		.ttl_min = 15,
		.hold_max_s = 30,
		.memory_s = 86400,
		.contest_wait_ms = 3000,
		.future_max_s = 86400,
		.eids_max = 4096,
		.requesters_max = 1024,
		.requester_age_s = 86400,
	};
	c->dataplane.mtu = 1444;
	c->itr = (struct conf_itr){
		.cache_max = 64, .pending_max = 16, .queue_packets = 8
	};
	c->state = (struct conf_state){ .directory = n->dir, .size_mib = 16 };
}

/* Opens the context; the store is the one in n->dir. */
UNUSED_OK static void
node_start(struct node *n)
{
	n->x.conf = &n->conf;
	n->x.clock = &n->clock;
	n->x.loop = loop_new(&n->clock);
	assert_non_null(n->x.loop);
	assert_int_equal(xtr_open(&n->x), ERR_OK);
	n->ops = (struct dp_ops){ .name = "test",
		.encapsulate = node_encapsulate,
		.deliver = node_deliver,
		.icmp = node_icmp,
		.mapping_changed = node_changed };
	assert_int_equal(dp_init(&n->dp, &n->ops), ERR_OK);
	n->x.dp = &n->dp;
	output_divert(&n->x, node_capture, n);
	the_node = n;
}

UNUSED_OK static void
node_stop(struct node *n)
{
	xtr_close(&n->x);
	dp_fini(&n->dp);
	loop_free(n->x.loop);
	n->x = (struct xtr){ 0 };
}

UNUSED_OK static struct node *
node_new(void)
{
	struct node *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	log_level_set(LOG_LEVEL_ERROR);
	snprintf(n->dir, sizeof(n->dir), "/tmp/node-XXXXXX");
	assert_non_null(mkdtemp(n->dir));
	clock_fake(&n->clock, INT64_C(1800000000000000));
	node_conf(n);
	node_start(n);
	return n;
}

UNUSED_OK static void
node_forget_sent(struct node *n)
{
	for (unsigned i = 0; i < n->n_sent; i++)
		free(n->sent[i].bytes);
	n->n_sent = 0;
}

UNUSED_OK static void
node_free(struct node *n)
{
	char command[96];

	node_stop(n);
	node_forget_sent(n);
	snprintf(command, sizeof(command), "rm -rf %s", n->dir);
	assert_int_equal(system(command), 0);
	free(n);
}

/* Time passes; timers run, and what they sent is kept. */
UNUSED_OK static void
node_run(struct node *n, int64_t ms)
{
	loop_poll(n->x.loop);
	loop_advance(n->x.loop, &n->clock, ms * 1000);
	loop_poll(n->x.loop);
}

/* The messages of this type sent so far, an ECM counting as what is in it. */
UNUSED_OK static unsigned
node_count(struct node *n, enum lisp_type type)
{
	unsigned count = 0;

	loop_poll(n->x.loop);
	for (unsigned i = 0; i < n->n_sent; i++) {
		const struct sent *s = &n->sent[i];
		int t = msg_type(s->bytes, s->len);
		struct ecm ecm;

		if (t == LISP_ECM) {
			assert_int_equal(
			    ecm_decode(s->bytes, s->len, &ecm), ERR_OK);
			t = msg_type(ecm.payload, ecm.payload_len);
		}
		count += t == (int)type;
	}
	return count;
}

/* The 'nth' message of this type. */
UNUSED_OK static const struct sent *
node_sent(struct node *n, enum lisp_type type, unsigned nth)
{
	loop_poll(n->x.loop);
	for (unsigned i = 0; i < n->n_sent; i++) {
		const struct sent *s = &n->sent[i];
		int t = msg_type(s->bytes, s->len);
		struct ecm ecm;

		if (t == LISP_ECM) {
			assert_int_equal(
			    ecm_decode(s->bytes, s->len, &ecm), ERR_OK);
			t = msg_type(ecm.payload, ecm.payload_len);
		}
		if (t == (int)type && nth-- == 0)
			return s;
	}
	fail_msg("no such message was sent");
	return NULL;
}

/* A mapping record with one locator, or none with NULL. */
UNUSED_OK static struct mapping
node_mapping(const char *eid, uint32_t ttl_min, const char *rloc)
{
	const struct eid e = E(eid);
	struct mapping m = { .ttl_min = ttl_min, .eid_bits = e.bits };

	m.eid = lisp_addr_from_eid(&e);
	if (!rloc)
		return m;
	m.n_locators = 1;
	m.locators[0] =
	    (struct locator){ .priority = 1, .weight = 100, .reachable = true };
	{
		const struct addr a = A(rloc);

		m.locators[0].addr = lisp_addr_from_addr(&a);
	}
	return m;
}

/* A datagram through input.c; returns what input_datagram() says. */
UNUSED_OK static enum err
node_receive(struct node *n, const char *from, const uint8_t *bytes, size_t len)
{
	const struct datagram dg = { .bytes = bytes,
		.len = len,
		.from = A(from),
		.port = LISP_CONTROL_PORT,
		.to = strchr(from, ':') ? n->rlocs[1].address
					: n->rlocs[0].address };
	enum err err = input_datagram(&n->x, &dg);

	input_turn_end(&n->x);
	loop_poll(n->x.loop);
	return err;
}

#endif
