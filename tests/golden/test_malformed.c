/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_malformed.c - every broken vector at the stage where it must be caught.
 *
 * "parse" is refused by the decoder alone; the answer the sender of a CPM gets
 * (Ack 5 or none) follows from the error code, so that is compared too.
 * "auth" decodes and fails in auth_verify(), but for the replays and foreign
 * nonces, whose MAC is right.  All others decode.
 */
#include "vectors.h"

/* What auth_verify() says to a vector that decodes. */
static const struct {
	const char *name;
	enum err err;
} verdicts[] = {
	{ "cpm-25-bad-mac", ERR_AUTH },
	{ "cpm-32-replay", ERR_OK }, /* replay window */
	{ "cpm-36-map-register-salt", ERR_AUTH },
	{ "cpm-69-ack-bad-mac", ERR_AUTH },
	{ "cpm-70-ack-nonce-not-outstanding", ERR_OK }, /* nonce */
	{ "mack-01-bad-mac", ERR_AUTH },
	{ "mnot-01-bad-mac", ERR_AUTH },
	{ "mnot-02-register-key-reuse", ERR_AUTH },
	{ "mreg-15-alg-0", ERR_ALGORITHM },
	{ "mreg-16-bad-mac", ERR_AUTH },
	{ "mreg-17-wrong-psk", ERR_AUTH },
	{ "mreg-18-unknown-key-id", ERR_KEY_UNKNOWN },
	{ "mreg-19-nonce-not-greater", ERR_OK }, /* nonce */
	/* Decodes; refused unless a peer is known to send 12 octets. */
	{ "mreg-25-sha1-12-octets", ERR_MALFORMED },
};

/* The key of the sender that a vector speaks for. */
static struct auth_key
key_of(const struct vector *v, const uint8_t *bytes)
{
	const char *secret = "xtrd-test-psk";

	if (vector_is(v, "cpm-")) {
		switch (bytes[32]) { /* Sender-ID */
		case 0xa1:
			secret = "hv1-xtrA-cpm-secret";
			break;
		case 0xc1:
			secret = "hv2-xtrB-cpm-secret";
			break;
		default:
			secret = "xtrA-xtrB-cpm-secret";
		}
	}
	if (vector_is(v, "cpm-") &&
	    vector_type(v, bytes, v->len) == TYPE_CPM_ACK)
		secret = "hv2-xtrB-cpm-secret";
	return vector_key(secret,
	    strcmp(v->name, "mreg-18-unknown-key-id") ? bytes[12] : 1,
	    bytes[13]);
}

static void
auth_check(const struct vector *v)
{
	struct auth_key key = key_of(v, v->bytes);
	enum err want = ERR_OK, got = auth_verify(v->bytes, v->len, &key);

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (strcmp(verdicts[i].name, v->name) == 0)
			want = verdicts[i].err;
	if (got != want)
		fail_msg("%s, expected %s", err_str(got), err_str(want));
}

static bool
carries_mac(const struct vector *v)
{
	return vector_is(v, "mreg-") || vector_is(v, "mnot-") ||
	    vector_is(v, "mack-") || vector_is(v, "cpm-");
}

static void
test_malformed(void **state)
{
	const struct vector *v = *state;
	const char *stage =
	    json_string_value(json_object_get(v->json, "stage"));
	const char *expect =
	    json_string_value(json_object_get(v->json, "expect"));
	struct decoded *d;
	enum err err;

	VECTOR_SKIP(v);
	assert_non_null(stage);
	d = calloc(1, sizeof(*d));
	err = vector_decode(v, v->bytes, v->len, d);
	free(d);
	if (strcmp(stage, "parse") == 0) {
		assert_int_not_equal(err, ERR_OK);
		if (vector_is(v, "cpm-"))
			assert_int_equal(err == ERR_UNSUPPORTED,
			    strstr(expect, "Ack status 5") != NULL);
		return;
	}
	if (err)
		fail_msg("refused: %s", err_str(err));
	if (carries_mac(v))
		auth_check(v);
}

int
main(void)
{
	return vectors_run("golden/malformed", "malformed", test_malformed);
}
