/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_FIELDS_H
#define TESTS_GOLDEN_FIELDS_H

/*
 * fields.h - compares a decoded message with the "fields" of its vector.
 *
 * Each message is a list of (key, value) in the JSON's spelling; a key that
 * the list has not is a failure, so a field cannot go unchecked.
 */
#include "lcaf.h"

struct field {
	const char *key;
	uint64_t value;
};

#define FIELDS(...) \
	(const struct field[]) \
	{ \
		__VA_ARGS__, \
		{ \
			NULL, 0 \
		} \
	}

/* An integer, or a string of hex digits with or without 0x. */
static inline uint64_t
json_number(json_t *v)
{
	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 16);
	assert_true(json_is_integer(v));
	return (uint64_t)json_integer_value(v);
}

/* True if 'key' is in the list; then 'v' must be its value. */
static inline bool
field_checked(const struct field *list, const char *key, json_t *v)
{
	for (; list->key; list++) {
		if (strcmp(list->key, key) != 0)
			continue;
		if (json_number(v) != list->value)
			fail_msg("%s: %llu, expected %llu", key,
			    (unsigned long long)list->value,
			    (unsigned long long)json_number(v));
		return true;
	}
	return false;
}

static inline void
hex_check(const char *key, const uint8_t *bytes, size_t len, json_t *v)
{
	char text[2 * 64 + 1];

	assert_true(len <= 64);
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	if (strcmp(text, json_string_value(v)) != 0)
		fail_msg(
		    "%s: %s, expected %s", key, text, json_string_value(v));
}

/* Is it the LCAF that the JSON object describes? */
static inline void
lcaf_check(const struct lisp_addr *a, json_t *o)
{
	uint8_t buf[256];
	struct wire_writer w = wire_writer(buf, sizeof(buf));

	lcaf_build(o, &w);
	assert_non_null(a->opaque);
	assert_int_equal(a->opaque_len, wire_written(&w));
	assert_memory_equal(a->opaque, buf, a->opaque_len);
}

static inline void
text_check(const char *got, json_t *v)
{
	assert_non_null(json_string_value(v));
	assert_string_equal(got, json_string_value(v));
}

/* Address without mask-len: "[1000]10.1.0.10", null = AFI 0. */
static inline void
addr_check(const struct lisp_addr *a, json_t *v)
{
	char buf[EID_STR_MAX], text[ADDR_STR_MAX];

	if (json_is_null(v)) {
		assert_null(a->opaque);
		assert_int_equal(a->addr.afi, AFI_NONE);
		return;
	}
	addr_str(&a->addr, text);
	if (a->has_iid)
		snprintf(buf, sizeof(buf), "[%u]%s", a->iid, text);
	else
		snprintf(buf, sizeof(buf), "%s", text);
	text_check(buf, v);
}

/* Address with mask-len, masked. */
static inline void
eid_check(const struct lisp_addr *a, unsigned bits, json_t *v)
{
	char buf[300];
	struct eid e;

	if (json_is_object(v) && json_object_get(v, "lcaf")) {
		lcaf_check(a, v);
	} else if (json_is_object(v)) { /* a range of instances */
		assert_true(a->has_iid);
		assert_int_equal(a->iid, json_uint(v, "iid"));
		assert_int_equal(a->iid_bits, json_uint(v, "iid_mask_len"));
		assert_int_equal(a->addr.afi, AFI_NONE);
	} else if (a->opaque) {
		assert_int_equal(a->opaque[1], AFI_NAME);
		snprintf(buf, sizeof(buf), "dn:%s/%u",
		    (const char *)a->opaque + 2, bits);
		text_check(buf, v);
	} else {
		assert_int_equal(lisp_addr_eid(a, bits, &e), ERR_OK);
		text_check(eid_str(&e, buf), v);
	}
}

static inline void
locator_check(const struct locator *l, json_t *o)
{
	const struct field *list =
	    FIELDS({ "priority", l->priority }, { "weight", l->weight },
		{ "mpriority", l->mpriority }, { "mweight", l->mweight },
		{ "L", l->local }, { "p", l->probed }, { "R", l->reachable });
	const char *key;
	json_t *v;

	if (json_object_get(o, "lcaf")) {
		lcaf_check(&l->addr, o);
		return;
	}
	json_object_foreach(o, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "addr") != 0)
			fail_msg("locator: field %s unknown", key);
		addr_check(&l->addr, v);
	}
}

/* The JSON leaves out the locators that a receiver ignores. */
static inline void
locators_check(const struct mapping *m, json_t *list)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->n_locators; i++) {
		json_t *o = json_array_get(list, n);

		if (m->locators[i].addr.opaque &&
		    !(o && json_object_get(o, "lcaf")))
			continue;
		assert_non_null(o);
		locator_check(&m->locators[i], o);
		n++;
	}
	assert_int_equal(n, json_array_size(list));
}

static inline void
mapping_check(const struct mapping *m, json_t *o)
{
	const struct field *list = FIELDS({ "ttl", m->ttl_min },
	    { "act", m->action }, { "A", m->authoritative },
	    { "map_version", m->version }, { "locator_count", m->n_locators });
	char buf[EID_STR_MAX], text[ADDR_STR_MAX];
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "eid") == 0) {
			eid_check(&m->eid, m->eid_bits, v);
		} else if (strcmp(key, "eid_as_sent") == 0) {
			snprintf(buf, sizeof(buf), "%s/%u",
			    addr_str(&m->eid.addr, text), m->eid_bits);
			text_check(buf, v);
		} else if (strcmp(key, "rlocs") == 0) {
			locators_check(m, v);
		} else {
			fail_msg("record: field %s unknown", key);
		}
	}
}

static inline void
records_check(struct records records, json_t *list)
{
	struct mapping *m = calloc(1, sizeof(*m));
	size_t n = 0;

	while (records_next(&records, m))
		mapping_check(m, json_array_get(list, n++));
	free(m);
	assert_int_equal(n, json_array_size(list));
}

/* Keys that Map-Register and Map-Notify share; false if it is none. */
static inline bool
tail_checked(
    const char *key, json_t *v, struct records records, const uint8_t *xtr_id)
{
	if (strcmp(key, "records") == 0)
		records_check(records, v);
	else if (strcmp(key, "xtr_id") == 0)
		hex_check(key, xtr_id, 16, v);
	else if (strcmp(key, "mac_scope") != 0) /* said by the MAC */
		return false;
	return true;
}

static inline void
request_fields(const struct map_request *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_MAP_REQUEST },
	    { "A", m->authoritative }, { "M", m->has_mapping },
	    { "P", m->probe }, { "S", m->smr }, { "p", m->pitr },
	    { "s", m->smr_invoked }, { "I", m->has_xtr_id },
	    { "L", m->local_xtr }, { "D", m->no_reply },
	    { "irc", m->n_itr_rlocs - 1 }, { "record_count", m->n_records },
	    { "nonce", m->nonce }, { "site_id", m->site_id });
	struct mapping *mapping = calloc(1, sizeof(*mapping));
	struct records records = m->mapping;
	const char *key;
	json_t *v, *item;
	size_t i;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "source_eid") == 0) {
			addr_check(&m->source_eid, v);
		} else if (strcmp(key, "itr_rlocs") == 0) {
			assert_int_equal(json_array_size(v), m->n_itr_rlocs);
			json_array_foreach(v, i, item)
			    addr_check(&m->itr_rlocs[i], item);
		} else if (strcmp(key, "records") == 0) {
			assert_int_equal(json_array_size(v), m->n_records);
			json_array_foreach(v, i, item)
			{
				json_t *notify = json_object_get(item, "N");

				eid_check(&m->records[i].eid,
				    m->records[i].eid_bits,
				    json_object_get(item, "eid"));
				if (notify)
					assert_int_equal(m->records[i].notify,
					    json_number(notify));
			}
		} else if (strcmp(key, "xtr_id") == 0) {
			hex_check(key, m->xtr_id, 16, v);
		} else if (strcmp(key, "map_reply_record") == 0) {
			assert_true(records_next(&records, mapping));
			mapping_check(mapping, v);
			assert_false(records_next(&records, mapping));
		} else {
			fail_msg("Map-Request: field %s unknown", key);
		}
	}
	free(mapping);
}

/* RFC 9303 6.2, one EID: read by the test, the tree only bounds it. */
static inline void
reply_security_fields(const struct map_reply *m, json_t *o)
{
	struct wire_reader r = wire_reader(m->trailer, m->trailer_len);
	struct lisp_addr eid;
	unsigned bits;

	assert_int_equal(wire_get_u8(&r), json_uint(o, "ad_type"));
	wire_take(&r, 3);
	assert_int_equal(wire_get_u16(&r), json_uint(o, "eid_ad_length"));
	assert_int_equal(wire_get_u16(&r), json_uint(o, "kdf_id"));
	assert_int_equal(wire_get_u8(&r), json_uint(o, "record_count"));
	wire_take(&r, 1);
	assert_int_equal(wire_get_u16(&r), json_uint(o, "eid_hmac_id"));
	wire_take(&r, 1);
	bits = wire_get_u8(&r);
	lisp_addr_decode(&r, &eid);
	eid_check(
	    &eid, bits, json_array_get(json_object_get(o, "eid_prefixes"), 0));
	hex_check(
	    "eid_hmac", wire_take(&r, 16), 16, json_object_get(o, "eid_hmac"));
	assert_int_equal(wire_get_u16(&r), json_uint(o, "pkt_ad_length"));
	assert_int_equal(wire_get_u16(&r), json_uint(o, "pkt_hmac_id"));
	hex_check(
	    "pkt_hmac", wire_take(&r, 16), 16, json_object_get(o, "pkt_hmac"));
	assert_int_equal(r.err, ERR_OK);
	assert_int_equal(wire_left(&r), 0);
}

static inline void
reply_fields(const struct map_reply *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_MAP_REPLY },
	    { "P", m->probe }, { "E", m->echo_nonce }, { "S", m->security },
	    { "record_count", m->n_records }, { "nonce", m->nonce });
	const char *key;
	json_t *v;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "records") == 0)
			records_check(m->records, v);
		else if (strcmp(key, "ad") == 0)
			reply_security_fields(m, v);
		else
			fail_msg("Map-Reply: field %s unknown", key);
	}
}

static inline void
register_fields(const struct map_register *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_MAP_REGISTER },
	    { "P", m->proxy }, { "S", m->security }, { "I", m->has_xtr_id },
	    { "E", m->eid_notify }, { "T", m->use_ttl }, { "a", m->merge },
	    { "M", m->want_notify }, { "record_count", m->n_records },
	    { "nonce", m->nonce }, { "key_id", m->auth.key_id },
	    { "algorithm_id", m->auth.algorithm },
	    { "key_id_16",
		(uint64_t)(m->auth.key_id << 8 | m->auth.algorithm) },
	    { "auth_len", m->auth.len }, { "site_id", m->site_id });
	const char *key;
	json_t *v;

	json_object_foreach(fields, key, v) if (!field_checked(list, key, v) &&
	    !tail_checked(key, v, m->records, m->xtr_id))
	    fail_msg("Map-Register: field %s unknown", key);
}

static inline void
notify_fields(const struct map_notify *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", m->type },
	    { "I", m->has_xtr_id }, { "record_count", m->n_records },
	    { "nonce", m->nonce }, { "key_id", m->auth.key_id },
	    { "algorithm_id", m->auth.algorithm }, { "auth_len", m->auth.len },
	    { "site_id", m->site_id });
	const char *key;
	json_t *v;

	json_object_foreach(fields, key, v) if (!field_checked(list, key, v) &&
	    !tail_checked(key, v, m->records, m->xtr_id))
	    fail_msg("Map-Notify: field %s unknown", key);
}

/* RFC 9303 6.1, read by the test, the tree only bounds it. */
static inline void
ecm_security_fields(const struct ecm *m, json_t *o)
{
	struct wire_reader r = wire_reader(m->security_data, m->security_len);

	assert_int_equal(wire_get_u8(&r), json_uint(o, "ad_type"));
	wire_take(&r, 1);
	assert_int_equal(wire_get_u16(&r), json_uint(o, "requested_hmac"));
	assert_int_equal(wire_get_u16(&r), json_uint(o, "otk_length"));
	assert_int_equal(wire_get_u8(&r), json_uint(o, "key_id"));
	assert_int_equal(wire_get_u8(&r), json_uint(o, "wrap_id"));
	hex_check(
	    "preamble", wire_take(&r, 8), 8, json_object_get(o, "preamble"));
	hex_check("otk_wrapped", wire_take(&r, 16), 16,
	    json_object_get(o, "otk_wrapped"));
	assert_int_equal(wire_get_u16(&r), json_uint(o, "eid_ad_length"));
	assert_int_equal(wire_get_u16(&r), json_uint(o, "kdf_id"));
	assert_int_equal(r.err, ERR_OK);
	assert_int_equal(wire_left(&r), 0);
}

/* The inner message: another vector's name, or some of its fields. */
static inline void
ecm_message_check(const struct ecm *m, json_t *v)
{
	struct map_register reg;

	if (json_is_string(v)) {
		struct vector *inner = vector_load("ok", json_string_value(v));

		assert_int_equal(m->payload_len, inner->len);
		assert_memory_equal(m->payload, inner->bytes, inner->len);
		vector_free(inner);
		return;
	}
	assert_int_equal(
	    map_register_decode(m->payload, m->payload_len, &reg), ERR_OK);
	register_fields(&reg, v);
}

static inline void
ecm_fields(const struct ecm *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_ECM },
	    { "S", m->security }, { "D", m->ddt }, { "E", m->to_etr },
	    { "M", m->to_ms }, { "nat_R", m->rtr }, { "nat_N", m->nat });
	const struct field *inner =
	    FIELDS({ "version", m->source.afi == AFI_IPV4 ? 4 : 6 },
		{ "sport", m->source_port }, { "dport", m->destination_port });
	char text[ADDR_STR_MAX];
	const char *key;
	json_t *v, *o = json_object_get(fields, "inner");

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v) || v == o)
			continue;
		if (strcmp(key, "ad") == 0)
			ecm_security_fields(m, v);
		else if (strcmp(key, "message") == 0)
			ecm_message_check(m, v);
		else
			fail_msg("ECM: field %s unknown", key);
	}
	json_object_foreach(o, key, v)
	{
		if (field_checked(inner, key, v))
			continue;
		if (strcmp(key, "src") == 0)
			text_check(addr_str(&m->source, text), v);
		else if (strcmp(key, "dst") == 0)
			text_check(addr_str(&m->destination, text), v);
		else
			fail_msg("ECM, inner: field %s unknown", key);
	}
}

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

/* A Map-Notify inside a data packet (draft-ermagan-lisp-nat-traversal). */
static inline void
inner_control_check(const struct data_header *h, json_t *fields)
{
	struct map_notify m;

	assert_int_equal(h->protocol, DATA_IPV4);
	assert_int_equal(
	    map_notify_decode(h->inner + 28, h->inner_len - 28, &m), ERR_OK);
	notify_fields(&m, fields);
}

static inline void
data_fields(const struct data_header *h, json_t *fields)
{
	const struct field *list =
	    FIELDS({ "N", h->has_nonce }, { "L", h->has_lsb }, { "E", h->echo },
		{ "I", h->has_iid }, { "P", h->gpe },
		/* Encrypted ones are not decoded. */
		{ "KK", 0 }, { "nonce", h->nonce }, { "iid", h->iid },
		{ "lsb", h->lsb }, { "src_ver", h->source_version },
		{ "dst_ver", h->destination_version },
		{ "next_protocol", h->protocol });
	const char *key;
	json_t *v;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "V") == 0) /* N wins over V */
			assert_int_equal(h->has_version || h->has_nonce,
			    json_number(v) || h->has_nonce);
		else if (strcmp(key, "inner_control") == 0)
			inner_control_check(h, v);
		else
			fail_msg("data: field %s unknown", key);
	}
}

static inline void
fields_check(const struct decoded *d, json_t *fields)
{
	switch (d->type) {
	case TYPE_DATA:
		data_fields(&d->data, fields);
		break;
	case TYPE_CPM_ACK:
		ack_fields(&d->ack, fields);
		break;
	case LISP_MAP_REQUEST:
		request_fields(&d->request, fields);
		break;
	case LISP_MAP_REPLY:
		reply_fields(&d->reply, fields);
		break;
	case LISP_MAP_REGISTER:
		register_fields(&d->reg, fields);
		break;
	case LISP_MAP_NOTIFY:
	case LISP_MAP_NOTIFY_ACK:
		notify_fields(&d->notify, fields);
		break;
	case LISP_ECM:
		ecm_fields(&d->ecm, fields);
		break;
	case LISP_SHARED:
		cpm_fields(&d->cpm, fields);
		break;
	default:
		fail_msg("type %d has no fields", d->type);
	}
}

#endif
