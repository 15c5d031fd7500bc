/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_FIELDS_CPM_H
#define TESTS_GOLDEN_FIELDS_CPM_H

/*
 * fields_cpm.h - the "fields" of CPM vectors (docs/cpm.md 3).
 */
#include "check.h"

static inline void
peer_check(const struct cpm_peer *p, json_t *o)
{
	const struct field *list = FIELDS({ "kind", p->kind },
	    { "confirmed", (p->flags & CPM_CONFIRMED) != 0 });
	struct lisp_addr a = {
		.addr = p->addr, .has_iid = p->iid != 0, .iid = p->iid
	};
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "owner") == 0)
			hex_check(key, p->addr.bytes, 16, v);
		else if (strcmp(key, "addr") == 0 || strcmp(key, "mac") == 0)
			addr_check(&a, v);
		else if (strcmp(key, "eid") != 0) /* the next entry has it */
			fail_msg("peer: field %s unknown", key);
	}
}

static inline void
peers_check(struct records_peers peers, json_t *list)
{
	struct cpm_peer p;
	size_t n = 0;

	while (cpm_peer_next(&peers, &p)) {
		json_t *o = json_array_get(list, n++);
		json_t *eid = o ? json_object_get(o, "eid") : NULL;

		assert_non_null(o);
		peer_check(&p, o);
		if (eid) {
			json_t *next = json_array_get(list, n);

			assert_true(
			    json_equal(eid, json_object_get(next, "addr")));
			assert_int_equal(json_uint(next, "kind"), CPM_PEER);
		}
	}
	assert_int_equal(n, json_array_size(list));
}

static inline void
cpm_fields(const struct cpm *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_SHARED },
	    { "sub_type", m->subtype }, { "version", m->version },
	    { "op", m->op }, { "ack_requested", m->ack_wanted },
	    { "drained", m->drained }, { "nonce", m->nonce },
	    { "key_id", m->key_id }, { "algorithm_id", m->algorithm },
	    { "auth_len", CPM_AUTH_LEN }, { "generation", m->generation },
	    { "event_ms", m->event_ms }, { "series", m->series },
	    { "index", m->part }, { "total", m->parts },
	    { "reason", m->reason }, { "peer_count", m->peers.left });
	char buf[EID_STR_MAX];
	const char *key;
	json_t *v, *item;
	size_t i;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "sender_id") == 0) {
			hex_check(key, m->sender_id, 16, v);
		} else if (strcmp(key, "vm_id") == 0) {
			hex_check(key, m->vm_id, 16, v);
		} else if (strcmp(key, "peers") == 0) {
			peers_check(m->peers, v);
		} else if (strcmp(key, "eids") == 0) {
			assert_int_equal(json_array_size(v), m->n_eids);
			json_array_foreach(v, i, item)
			    text_check(eid_str(&m->eids[i], buf), item);
		} else {
			fail_msg("CPM: field %s unknown", key);
		}
	}
}

static inline void
ack_fields(const struct cpm_ack *a, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_SHARED },
	    { "sub_type", a->subtype }, { "version", CPM_VERSION },
	    { "op", CPM_OP_ACK }, { "nonce", a->nonce },
	    { "key_id", a->key_id }, { "algorithm_id", a->algorithm },
	    { "series", a->series }, { "index", a->part },
	    { "total", a->parts }, { "status", a->status },
	    { "reason", a->reason }, { "highest_nonce", a->highest_nonce },
	    { "highest_generation", a->highest_generation });
	char buf[EID_STR_MAX];
	const char *key;
	json_t *v, *item;
	size_t i;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "sender_id") == 0) {
			hex_check(key, a->sender_id, 16, v);
		} else if (strcmp(key, "eids") == 0) {
			assert_int_equal(json_array_size(v), a->n_eids);
			json_array_foreach(v, i, item)
			{
				assert_int_equal(a->eids[i].status,
				    json_uint(item, "status"));
				text_check(eid_str(&a->eids[i].eid, buf),
				    json_object_get(item, "eid"));
			}
		} else {
			fail_msg("Ack: field %s unknown", key);
		}
	}
}

#endif
