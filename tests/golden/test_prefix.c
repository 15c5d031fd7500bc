/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_prefix.c - every valid vector and every capture, cut at every length, in
 * a heap block of exactly that length: refused, and nothing read behind it.
 *
 * A cut is legitimately valid only behind the last octet that the message
 * announces.  Where that lies follows from the decoded whole, see
 * complete_len(); from there on each cut must decode.  No MAC survives a cut.
 */
#include "vectors.h"

static size_t
ecm_complete_len(const struct vector *v, const struct ecm *m)
{
	return (size_t)(m->payload - v->bytes) + m->payload_len;
}

/* Octets from which on every prefix of 'v' is a message. */
static size_t
complete_len(const struct vector *v, const struct decoded *d)
{
	switch (d->type) {
	case LISP_MAP_REPLY: /* with LISP-SEC the trailer is announced */
		return d->reply.security ? v->len
					 : v->len - d->reply.trailer_len;
	case LISP_MAP_REGISTER:
		return v->len - d->reg.trailer_len;
	case LISP_MAP_NOTIFY:
	case LISP_MAP_NOTIFY_ACK:
		/* RFC 9301 5.7 reserves the bit that announces the ids. */
		return v->len - d->notify.trailer_len -
		    (d->notify.has_xtr_id ? 24u : 0u);
	case LISP_MAP_REFERRAL:
		return v->len - d->referral.trailer_len;
	case LISP_INFO:
		return v->len - d->info.trailer_len;
	case LISP_ECM:
		return ecm_complete_len(v, &d->ecm);
	case TYPE_DATA:
		/* A frame has no length of its own. */
		return (size_t)(d->data.inner - v->bytes) +
		    (d->data.protocol == DATA_ETHERNET ? 14
						       : d->data.inner_len);
	}
	return v->len;
}

/* A MAC that is right for the whole must not be for a part. */
static void
mac_check(const struct vector *v, const uint8_t *bytes, size_t len)
{
	json_t *auth = json_object_get(v->json, "auth");
	struct auth_key key;

	if (!auth || !json_object_get(auth, "mac_len"))
		return;
	key = vector_key(json_string_value(json_object_get(auth, "psk_ascii")),
	    (unsigned)json_integer_value(json_object_get(auth, "key_id")),
	    (unsigned)json_integer_value(
		json_object_get(auth, "algorithm_id")));
	/* The vector whose MAC ends before the ids: right for that part. */
	if (strcmp(v->name, "mreg-06-xtrid-mac-without-trailer") == 0)
		return;
	assert_int_not_equal(auth_verify(bytes, len, &key), ERR_OK);
}

static void
test_prefix(void **state)
{
	const struct vector *v = *state;
	struct auth_header header;
	size_t complete = v->len;
	struct decoded *d;

	VECTOR_SKIP(v);
	d = calloc(1, sizeof(*d));
	if (!vector_decode(v, v->bytes, v->len, d))
		complete = complete_len(v, d);
	for (size_t len = 0; len < v->len; len++) {
		uint8_t *cut = malloc(len);
		enum err err;

		memcpy(cut, v->bytes, len);
		err = vector_decode(v, cut, len, d);
		if ((err == ERR_OK) != (len >= complete))
			fail_msg("%zu of %zu octets (complete: %zu): %s", len,
			    v->len, complete, err_str(err));
		if (auth_header_decode(cut, len, &header) == ERR_OK)
			mac_check(v, cut, len);
		free(cut);
	}
	free(d);
}

int
main(void)
{
	return vectors_run("golden/prefix/ok", "ok", test_prefix) |
	    vectors_run("golden/prefix/captures", "captures", test_prefix);
}
