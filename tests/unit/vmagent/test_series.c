/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_series.c - a statement and the CPMs that carry it: what goes into each
 * part, their nonces, and what does not fit.
 */
#include "vmagent/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARTS = 256 };

static struct vm_info vm;
static struct auth_key key;
static struct series_conf conf;

static struct addr
address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), ERR_OK);
	return a;
}

static void
add_eids(unsigned nic, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct addr a = address("10.1.0.0");

		a.bytes[2] = (uint8_t)nic;
		a.bytes[3] = (uint8_t)i;
		vm.nics[nic].eids[i] = eid_host(0, &a);
	}
	vm.nics[nic].n_eids = n;
	vm.nics[nic].mac = address("52:54:00:00:00:01");
	vm.nics[nic].mac.bytes[4] = (uint8_t)nic;
	if (vm.n_nics <= nic)
		vm.n_nics = nic + 1;
}

static int
setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(vm.uuid, 0x7c, sizeof(vm.uuid));
	strcpy(vm.name, "web1");
	key = (struct auth_key){ .key_id = 11,
		.algorithm = AUTH_SHA256_128,
		.accept = 1 << AUTH_SHA256_128,
		.secret_len = 8,
		.secret = "secret!!" };
	conf = (struct series_conf){ .sender_id = { 0xa1 },
		.subtype = CPM_SUBTYPE,
		.payload = 548,
		.key = &key };
	return 0;
}

static struct cpm_peer
peer(unsigned i)
{
	uint8_t b[4] = { 10, 9, (uint8_t)(i >> 8), (uint8_t)i };

	return (struct cpm_peer){ .kind = CPM_PEER,
		.addr = addr_make(AFI_IPV4, b) };
}

static struct statement *
statement(enum vm_action action, unsigned n_peers)
{
	struct cpm_peer *peers = calloc(n_peers + 1, sizeof(*peers));
	struct statement *m;

	for (unsigned i = 0; i < n_peers; i++)
		peers[i] = peer(i);
	m = statement_new(&vm, mobility_form(action), peers, n_peers);
	free(peers);
	m->generation = 500;
	m->event_ms = 400;
	return m;
}

struct encoded {
	unsigned n;
	struct part *parts[PARTS];
	struct cpm cpm[PARTS];
};

/* All parts, each with a right MAC and of at most the payload. */
static struct encoded *
encode(struct statement *m, uint64_t nonce)
{
	static struct encoded e;

	e.n = series_parts(m, &conf);
	assert_true(e.n <= PARTS);
	assert_int_equal(series_encode(m, &conf, nonce, e.parts), ERR_OK);
	for (unsigned i = 0; i < e.n; i++) {
		const struct part *p = e.parts[i];

		assert_true(p->len <= conf.payload);
		assert_false(p->done);
		assert_int_equal(auth_verify(p->bytes, p->len, &key), ERR_OK);
		assert_int_equal(
		    cpm_decode(p->bytes, p->len, CPM_SUBTYPE, &e.cpm[i]),
		    ERR_OK);
		assert_int_equal(e.cpm[i].nonce, nonce + i);
		assert_int_equal(p->nonce, nonce + i);
		assert_int_equal(p->first, e.cpm[i].part == 1);
	}
	return &e;
}

static void
drop(struct encoded *e, struct statement *m)
{
	for (unsigned i = 0; i < e->n; i++)
		free(e->parts[i]);
	statement_free(m);
}

static unsigned
count_peers(struct cpm *m)
{
	struct cpm_peer p;
	unsigned n = 0;

	while (cpm_peer_next(&m->peers, &p))
		n += p.kind == CPM_PEER;
	return n;
}

/* What was said stays said, whatever becomes of the VM. */
static void
test_copies(void **state)
{
	struct cpm_peer peers[1] = { peer(7) };
	struct statement *m;

	(void)state;
	add_eids(0, 1);
	add_eids(1, 0);
	add_eids(2, 2);
	m = statement_new(&vm, mobility_form(DO_ARRIVED), peers, 1);
	peers[0] = peer(8);
	memset(&vm, 0, sizeof(vm));
	assert_string_equal(m->name, "web1");
	assert_int_equal(m->vm_id[15], 0x7c);
	assert_int_equal(m->form.reason, CPM_ARRIVED);
	assert_false(m->side);
	assert_int_equal(m->n_nics, 2); /* those with EIDs */
	assert_int_equal(m->nics[1].n_eids, 2);
	assert_int_equal(m->n_peers, 1);
	assert_int_equal(m->peers[0].addr.bytes[3], 7);
	statement_free(m);
	statement_free(NULL);
}

static void
test_no_eids(void **state)
{
	struct statement *m;
	struct part *none = (struct part *)&vm;

	(void)state;
	add_eids(0, 0);
	m = statement(DO_ARRIVED, 3);
	assert_int_equal(series_parts(m, &conf), 0);
	assert_int_equal(series_encode(m, &conf, 1, &none), ERR_OK);
	assert_ptr_equal(none, &vm); /* nothing was written */
	statement_free(m);
}

/* The fields that are the same in all parts. */
static void
test_fields(void **state)
{
	struct statement *m;
	struct encoded *e;

	(void)state;
	add_eids(0, 1);
	m = statement(DO_ARRIVED, 1);
	e = encode(m, UINT64_C(0x1122334455667788));
	assert_int_equal(e->n, 1);
	assert_int_equal(e->cpm[0].op, CPM_OP_CPM);
	assert_int_equal(e->cpm[0].reason, CPM_ARRIVED);
	assert_int_equal(e->cpm[0].generation, 500);
	assert_int_equal(e->cpm[0].event_ms, 400);
	assert_int_equal(e->cpm[0].series, 0x55667788); /* the low half */
	assert_int_equal(e->cpm[0].sender_id[0], 0xa1);
	assert_int_equal(e->cpm[0].vm_id[15], 0x7c);
	assert_int_equal(e->cpm[0].key_id, 11);
	assert_true(e->cpm[0].ack_wanted);
	assert_true(e->cpm[0].has_mac);
	assert_int_equal(count_peers(&e->cpm[0]), 1);
	drop(e, m);
}

/* A MAC where the form has one, and the vNIC. */
static void
test_mac(void **state)
{
	struct statement *m;
	struct encoded *e;

	(void)state;
	add_eids(0, 1);
	add_eids(1, 1);
	add_eids(2, 1);
	vm.nics[1].mac = (struct addr){ 0 };
	m = statement(DO_PRESENT, 0);
	e = encode(m, 1);
	assert_int_equal(e->n, 3);
	assert_true(e->cpm[0].has_mac);
	assert_int_equal(e->cpm[0].mac.bytes[4], 0);
	assert_false(e->cpm[1].has_mac);
	assert_true(e->cpm[2].has_mac);
	assert_int_equal(e->cpm[2].mac.bytes[4], 2);
	drop(e, m);
	m = statement(DO_DEPARTED, 0);
	e = encode(m, 1);
	assert_false(e->cpm[0].has_mac || e->cpm[1].has_mac);
	drop(e, m);
}

/* At most eight EIDs a series, of one vNIC; peers with the first alone. */
static void
test_series_of_eids(void **state)
{
	static const struct {
		unsigned n_eids, series;
	} cases[] = { { 1, 1 }, { 8, 1 }, { 9, 2 }, { 16, 2 }, { 17, 3 },
		{ 32, 4 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned n_eids = 0;
		struct statement *m;
		struct encoded *e;

		setup(NULL);
		add_eids(0, cases[i].n_eids);
		add_eids(1, 1);
		m = statement(DO_ARRIVED, 2);
		e = encode(m, 100);
		assert_int_equal(e->n, cases[i].series + 1);
		for (unsigned k = 0; k < e->n; k++) {
			assert_int_equal(e->cpm[k].part, 1);
			assert_int_equal(e->cpm[k].parts, 1);
			assert_int_equal(e->cpm[k].series, 100 + k);
			n_eids += e->cpm[k].n_eids;
			assert_int_equal(count_peers(&e->cpm[k]), k ? 0 : 2);
		}
		assert_int_equal(n_eids, cases[i].n_eids + 1);
		drop(e, m);
	}
}

/* As many parts as the peers need; each says the EIDs, none says a peer twice. */
static void
test_parts_of_peers(void **state)
{
	struct statement *m;
	struct encoded *e;
	unsigned n = 0;

	(void)state;
	add_eids(0, 2);
	m = statement(DO_ARRIVED, 300);
	e = encode(m, 100);
	assert_true(e->n > 1);
	for (unsigned i = 0; i < e->n; i++) {
		struct cpm_peer p;

		assert_int_equal(e->cpm[i].part, i + 1);
		assert_int_equal(e->cpm[i].parts, e->n);
		assert_int_equal(e->cpm[i].series, 100);
		assert_int_equal(e->cpm[i].n_eids, 2);
		while (cpm_peer_next(&e->cpm[i].peers, &p)) {
			if (p.kind != CPM_PEER)
				continue;
			assert_int_equal(
			    p.addr.bytes[2] << 8 | p.addr.bytes[3], n);
			n++; /* best first */
		}
	}
	assert_int_equal(n, 300);
	drop(e, m);
}

/* Never more than CPM_PARTS_MAX parts of CPM_PEERS_SENT_MAX peers. */
static void
test_bounds(void **state)
{
	struct statement *m;
	struct encoded *e;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < EIDS_NICS_MAX; i++)
		add_eids(i, EIDS_PER_NIC);
	m = statement(DO_ARRIVED, CPM_PEERS_SENT_MAX + 50);
	e = encode(m, 1);
	for (unsigned i = 0; i < e->n; i++) {
		assert_true(e->cpm[i].parts <= CPM_PARTS_MAX);
		n += count_peers(&e->cpm[i]);
	}
	assert_int_equal(n, CPM_PEERS_SENT_MAX);
	drop(e, m);
	/* the least payload that is allowed, the largest peers */
	setup(NULL);
	add_eids(0, 8);
	m = statement(DO_ARRIVED, CPM_PEERS_SENT_MAX);
	for (unsigned i = 0; i < m->n_peers; i++) {
		struct addr a = address("fd00::");

		a.bytes[14] = (uint8_t)(i >> 8);
		a.bytes[15] = (uint8_t)i;
		m->peers[i].iid = 7;
		m->peers[i].addr = a;
	}
	e = encode(m, 1);
	assert_int_equal(e->n, CPM_PARTS_MAX);
	assert_int_equal(e->cpm[0].parts, CPM_PARTS_MAX);
	drop(e, m);
}

/* Too small for even one: nothing is left behind. */
static void
test_no_room(void **state)
{
	struct part *parts[4] = { NULL };
	struct statement *m;

	(void)state;
	add_eids(0, 8);
	m = statement(DO_ARRIVED, 0);
	conf.payload = CPM_HEADER + 8 * 8 + 10 - 1;
	assert_int_equal(series_parts(m, &conf), 1);
	assert_int_equal(series_encode(m, &conf, 1, parts), ERR_INTERNAL);
	conf.payload++;
	assert_int_equal(series_encode(m, &conf, 1, parts), ERR_OK);
	free(parts[0]);
	statement_free(m);
	/* the second series fails after the first was made */
	setup(NULL);
	add_eids(0, 1);
	add_eids(1, 8);
	m = statement(DO_ARRIVED, 0);
	conf.payload = 120;
	assert_int_equal(series_encode(m, &conf, 1, parts), ERR_INTERNAL);
	statement_free(m);
}

static void
test_add_peers(void **state)
{
	struct statement *to, *from;

	(void)state;
	add_eids(0, 1);
	to = statement(DO_ARRIVED, 3);
	from = statement(DO_ARRIVED, 5);
	from->peers[0].iid = 7; /* another peer than to's */
	assert_int_equal(statement_add_peers(to, from), ERR_OK);
	assert_int_equal(to->n_peers, 6);
	assert_int_equal(to->peers[3].iid, 7);
	assert_int_equal(to->peers[4].addr.bytes[3], 3);
	assert_int_equal(to->peers[5].addr.bytes[3], 4);
	assert_int_equal(from->n_peers, 5);
	statement_free(from);
	from = statement(DO_ARRIVED, CPM_PEERS_SENT_MAX);
	assert_int_equal(statement_add_peers(to, from), ERR_OK);
	assert_int_equal(to->n_peers, CPM_PEERS_SENT_MAX);
	assert_int_equal(to->peers[0].addr.bytes[3], 0); /* its own stay */
	statement_free(from);
	statement_free(to);
}

static void
test_part_copy(void **state)
{
	struct statement *m;
	struct encoded *e;
	struct part *copy;

	(void)state;
	add_eids(0, 1);
	m = statement(DO_ARRIVED, 100);
	e = encode(m, 7);
	for (unsigned i = 0; i < e->n; i++) {
		e->parts[i]->done = true; /* by its own xTR only */
		copy = part_copy(e->parts[i]);
		assert_int_equal(copy->nonce, 7 + i);
		assert_int_equal(copy->first, i == 0);
		assert_false(copy->done);
		assert_int_equal(copy->len, e->parts[i]->len);
		assert_memory_equal(copy->bytes, e->parts[i]->bytes, copy->len);
		free(copy);
	}
	drop(e, m);
}

#define T(fn) cmocka_unit_test_setup(fn, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_copies),
		T(test_no_eids),
		T(test_fields),
		T(test_mac),
		T(test_series_of_eids),
		T(test_parts_of_peers),
		T(test_bounds),
		T(test_no_room),
		T(test_add_peers),
		T(test_part_copy),
	};

	return cmocka_run_group_tests_name("vmagent/series", tests, NULL, NULL);
}
