/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MS_PARTS_H
#define TESTS_MS_PARTS_H

/*
 * ms_parts.h - the Map-Server's tables without its messages: peers and records
 * made by hand.
 */
#include "ms_fixture.h"

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

/* A Map-Register's outside: whose it is and from where. */
static inline struct map_register
register_of(uint8_t key_id, uint8_t xtr_id)
{
	static const uint8_t mac[AUTH_DATA_MAX] = { 0x3a };
	struct map_register m = { .has_xtr_id = xtr_id != 0,
		.nonce = 7,
		.auth = { .key_id = key_id,
		    .algorithm = AUTH_SHA256_128,
		    .len = 16,
		    .data = mac } };

	memset(m.xtr_id, xtr_id, sizeof(m.xtr_id));
	return m;
}

/* The peer of 'site' with this xTR-ID (0: none) at 'from'. */
static inline struct peer *
peer_of(struct fixture *f, const char *site, uint8_t xtr_id, const char *from)
{
	const struct map_register m = register_of(1, xtr_id);
	const struct datagram dg = { .from = A(from), .port = 4342 };
	struct ms_site *s = ms_site_get(f->x.map_server, site);
	struct peer *p = NULL;

	assert_non_null(s);
	assert_int_equal(ms_peer_get(f->x.map_server, s, &dg, &m, &p), ERR_OK);
	ms_peer_heard(f->x.map_server, p, &dg, &m);
	return p;
}

#define RECORD(e, ...) \
	{ \
		.eid = (e), .locators = { __VA_ARGS__ } \
	}

struct put {
	struct peer *peer;
	uint8_t flags;
	uint32_t lifetime_s; /* 180 by default */
	struct record_of record;
	bool changed;	     /* out */
	struct ms_told told; /* out */
};

static inline enum err
put(struct fixture *f, struct put *p)
{
	uint8_t bytes[2048];
	struct wire_writer w = wire_writer(bytes, sizeof(bytes));
	struct ms_entry e = { .eid = E(p->record.eid),
		.peer = p->peer,
		.flags = p->flags,
		.lifetime_s = p->lifetime_s ? p->lifetime_s : 180,
		.record = bytes };
	struct mapping m;

	record_make(&p->record, &m);
	mapping_encode(&w, &m);
	assert_int_equal(w.err, ERR_OK);
	e.len = (uint16_t)wire_written(&w);
	return ms_table_put(f->x.map_server, &e, &p->changed, &p->told);
}

#endif
