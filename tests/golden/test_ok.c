/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ok.c - every valid vector: decode, compare all fields, encode to the
 * same octets, sign to the same MAC, verify the MAC.
 */
#include "fields.h"
#include "reencode.h"

/*
 * Vectors that do not come out of the encoders as they went in, each with its
 * reason.
 */
static const struct {
	const char *name, *reason;
} not_reencoded[] = {
	{ "mreq-14-reserved-bits-set", "reserved bits are sent as 0" },
	{ "data-07-n-and-v", "V is not sent together with N" },
};

/* A MAC over less than the whole payload: to be refused. */
#define OTHER_SCOPE "mreg-06-xtrid-mac-without-trailer"
/* Type 5 with the layout of another age: no message of ours. */
#define NO_CPM "cpm-20-lip6-hypervisor"

static bool
is_reencoded(const struct vector *v)
{
	size_t n = sizeof(not_reencoded) / sizeof(not_reencoded[0]);

	for (size_t i = 0; i < n; i++)
		if (strcmp(not_reencoded[i].name, v->name) == 0) {
			print_message("# %s: not re-encoded: %s\n", v->name,
			    not_reencoded[i].reason);
			return false;
		}
	return true;
}

static void
decoded_encode(struct wire_writer *w, const struct decoded *d)
{
	switch (d->type) {
	case TYPE_DATA:
		data_reencode(w, &d->data);
		break;
	case TYPE_CPM_ACK:
		cpm_ack_encode(w, &d->ack);
		break;
	case LISP_MAP_REQUEST:
		request_reencode(w, &d->request);
		break;
	case LISP_MAP_REPLY:
		reply_reencode(w, &d->reply);
		break;
	case LISP_MAP_REGISTER:
		register_reencode(w, &d->reg);
		break;
	case LISP_MAP_NOTIFY:
	case LISP_MAP_NOTIFY_ACK:
		notify_reencode(w, &d->notify);
		break;
	case LISP_MAP_REFERRAL:
		referral_reencode(w, &d->referral);
		break;
	case LISP_INFO:
		info_encode(w, &d->info);
		break;
	case LISP_ECM:
		ecm_encode(w, &d->ecm);
		break;
	case LISP_SHARED:
		cpm_reencode(w, &d->cpm);
		break;
	}
}

/*
 * Verifies the vector's MAC, and signs 'out' with its key, if it has one.  In
 * an ECM the MAC is that of the inner message.
 */
static void
sign(const struct vector *v, const struct decoded *d, uint8_t *out, size_t len)
{
	json_t *auth = json_object_get(v->json, "auth");
	struct auth_key key;

	if (!auth || !json_object_get(auth, "mac_len"))
		return;
	key = vector_key(json_string_value(json_object_get(auth, "psk_ascii")),
	    json_uint(auth, "key_id"), json_uint(auth, "algorithm_id"));
	if (json_uint(auth, "mac_len") == 32)
		key.send_len = 32;
	if (d->type == LISP_ECM) {
		assert_int_equal(
		    auth_verify(d->ecm.payload, d->ecm.payload_len, &key),
		    ERR_OK);
		return;
	}
	if (strcmp(v->name, OTHER_SCOPE) == 0) {
		assert_int_equal(auth_verify(v->bytes, v->len, &key), ERR_AUTH);
		memcpy(out + 16, v->bytes + 16, 16);
		return;
	}
	assert_int_equal(auth_verify(v->bytes, v->len, &key), ERR_OK);
	assert_int_equal(auth_sign(out, len, &key), ERR_OK);
}

static void
test_ok(void **state)
{
	const struct vector *v = *state;
	struct wire_writer w;
	struct decoded *d;
	uint8_t *buf;

	VECTOR_SKIP(v);
	buf = calloc(1, LISP_MSG_MAX);
	w = wire_writer(buf, LISP_MSG_MAX);
	d = calloc(1, sizeof(*d));
	if (strcmp(v->name, NO_CPM) == 0) {
		assert_int_not_equal(
		    vector_decode(v, v->bytes, v->len, d), ERR_OK);
		assert_int_not_equal(
		    cpm_decode(v->bytes, v->len, CPM_SUBTYPE, &d->cpm), ERR_OK);
		goto out;
	}
	assert_int_equal(vector_decode(v, v->bytes, v->len, d), ERR_OK);
	fields_check(d, json_object_get(v->json, "fields"));
	decoded_encode(&w, d);
	assert_int_equal(w.err, ERR_OK);
	sign(v, d, buf, wire_written(&w));
	if (is_reencoded(v)) {
		assert_int_equal(wire_written(&w), v->len);
		assert_memory_equal(buf, v->bytes, v->len);
	}
out:
	free(d);
	free(buf);
}

int
main(void)
{
	return vectors_run("golden/ok", "ok", test_ok);
}
