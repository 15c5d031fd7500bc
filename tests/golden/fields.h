/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_FIELDS_H
#define TESTS_GOLDEN_FIELDS_H

/*
 * fields.h - compares a decoded message with the "fields" of its vector.
 *
 * Each message is a list of (key, value) in the JSON's spelling; a key that
 * the list has not is a failure, so a field cannot go unchecked.
 */
#include "check.h"
#include "fields_cpm.h"
#include "lcaf.h"

static inline void
locator_check(const struct locator *l, json_t *o)
{
	const struct field *list =
	    FIELDS({ "priority", l->priority }, { "weight", l->weight },
		{ "mpriority", l->mpriority }, { "mweight", l->mweight },
		{ "L", l->local }, { "p", l->probed }, { "R", l->reachable });
	const char *key;
	json_t *v;

	if (json_is_string(o)) { /* a Map-Referral's */
		addr_check(&l->addr, o);
		return;
	}
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
locators_check(const struct locator *l, unsigned count, json_t *list)
{
	size_t n = 0;

	for (unsigned i = 0; i < count; i++) {
		json_t *o = json_array_get(list, n);

		if (l[i].addr.opaque && !(o && json_object_get(o, "lcaf")))
			continue;
		assert_non_null(o);
		locator_check(&l[i], o);
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
			locators_check(m->locators, m->n_locators, v);
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

static inline const char *
referral_action_str(enum lisp_referral action)
{
	static const char *const names[] = {
		[LISP_NODE_REFERRAL] = "NODE-REFERRAL",
		[LISP_MS_REFERRAL] = "MS-REFERRAL",
		[LISP_MS_ACK] = "MS-ACK",
		[LISP_MS_NOT_REGISTERED] = "MS-NOT-REGISTERED",
		[LISP_DELEGATION_HOLE] = "DELEGATION-HOLE",
		[LISP_NOT_AUTHORITATIVE] = "NOT-AUTHORITATIVE",
	};

	return names[action];
}

static inline void
signatures_check(const struct referral *m, json_t *array)
{
	const char *key;
	json_t *o, *v;
	size_t i;

	assert_int_equal(json_array_size(array), m->n_signatures);
	json_array_foreach(array, i, o)
	{
		const struct referral_signature *s = &m->signatures[i];
		const struct field *list = FIELDS(
		    { "original_ttl", s->original_ttl_min },
		    { "expiration", s->expiration_s },
		    { "inception", s->inception_s }, { "key_tag", s->key_tag },
		    { "sig_len", s->len }, { "algorithm", s->algorithm });

		json_object_foreach(o, key, v) if (!field_checked(list, key, v))
		    fail_msg("signature: field %s unknown", key);
	}
}

static inline void
referral_check(const struct referral *m, json_t *o)
{
	const struct field *list =
	    FIELDS({ "ttl", m->ttl_min }, { "I", m->incomplete },
		{ "A", m->authoritative }, { "sigcnt", m->n_signatures });
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "act") == 0)
			text_check(referral_action_str(m->action), v);
		else if (strcmp(key, "eid") == 0)
			eid_check(&m->eid, m->eid_bits, v);
		else if (strcmp(key, "rlocs") == 0)
			locators_check(m->locators, m->n_locators, v);
		else if (strcmp(key, "signatures") == 0)
			signatures_check(m, v);
		else
			fail_msg("referral: field %s unknown", key);
	}
}

static inline void
referral_fields(const struct map_referral *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_MAP_REFERRAL });
	struct referral *record = malloc(sizeof(*record));
	struct records records = m->records;
	const char *key;
	json_t *v;
	size_t n = 0;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		assert_string_equal(key, "records");
		while (referrals_next(&records, record))
			referral_check(record, json_array_get(v, n++));
		assert_int_equal(n, json_array_size(v));
	}
	free(record);
}

static inline void
info_fields(const struct info *m, json_t *fields)
{
	const struct field *list = FIELDS({ "type", LISP_INFO },
	    { "R", m->reply }, { "nonce", m->nonce }, { "ttl", m->ttl_min },
	    { "key_id_16",
		(uint64_t)(m->auth.key_id << 8 | m->auth.algorithm) },
	    { "auth_len", m->auth.len });
	const char *key;
	json_t *v;

	json_object_foreach(fields, key, v)
	{
		if (field_checked(list, key, v))
			continue;
		if (strcmp(key, "eid") == 0 && json_is_null(v)) {
			addr_check(&m->eid, v);
			assert_int_equal(m->eid_bits, 0);
		} else if (strcmp(key, "eid") == 0) {
			eid_check(&m->eid, m->eid_bits, v);
		} else if (strcmp(key, "nat") == 0) {
			lcaf_body_check(&m->nat, LCAF_NAT, v);
		} else if (strcmp(key, "hostname") == 0) {
			text_check((const char *)m->name.opaque + 2, v);
		} else {
			fail_msg("Info: field %s unknown", key);
		}
	}
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
	case LISP_MAP_REFERRAL:
		referral_fields(&d->referral, fields);
		break;
	case LISP_INFO:
		info_fields(&d->info, fields);
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
