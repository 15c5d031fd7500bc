/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GOLDEN_VECTORS_H
#define TESTS_GOLDEN_VECTORS_H

/*
 * vectors.h - what the golden tests share: load the vectors of a folder, one
 * cmocka test each, and decode any of them by its group and type.
 *
 * The octets of a vector are a heap block of exactly their length, so that
 * AddressSanitizer sees a read behind the end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>
#include <jansson.h>

#include "common/auth.h"
#include "common/cpm.h"
#include "common/data.h"
#include "common/lcaf.h"
#include "common/msg.h"

#define MAYBE_UNUSED __attribute__((unused))

struct vector {
	char name[64];
	uint8_t *bytes;
	size_t len;
	json_t *json;
	const char *skip; /* why it cannot be tested, or NULL */
};

/* Any decoded message; 'type' says which member. */
struct decoded {
	int type; /* LISP type, TYPE_DATA or TYPE_CPM_ACK */
	union {
		struct map_request request;
		struct map_reply reply;
		struct map_register reg;
		struct map_notify notify;
		struct map_referral referral;
		struct info info;
		struct ecm ecm;
		struct cpm cpm;
		struct cpm_ack ack;
		struct data_header data;
	};
};

enum { TYPE_DATA = 100, TYPE_CPM_ACK = 101 };

static inline bool
vector_is(const struct vector *v, const char *group)
{
	return strncmp(v->name, group, strlen(group)) == 0;
}

/* Groups whose messages this tree has no codec for: named, never passed. */
static inline const char *
vector_skip(const struct vector *v)
{
	if (vector_is(v, "tcp-"))
		return "reliable transport: not implemented";
	return NULL;
}

static inline const char *
vectors_root(void)
{
	const char *root = getenv("LISP_VECTORS");

	return root ? root : "tests/golden/vectors";
}

static inline uint8_t *
hex_load(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	uint8_t *buf = malloc(70000), *exact;
	unsigned octet;

	if (!f || !buf) {
		perror(path);
		exit(1);
	}
	*len = 0;
	while (fscanf(f, "%2x", &octet) == 1)
		buf[(*len)++] = (uint8_t)octet;
	fclose(f);
	exact = malloc(*len);
	if (*len)
		memcpy(exact, buf, *len);
	free(buf);
	return exact;
}

/* Loads "FOLDER/NAME"; exits if it is not there. */
static inline struct vector *
vector_load(const char *folder, const char *name)
{
	struct vector *v = calloc(1, sizeof(*v));
	json_error_t error;
	char path[512];

	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(
	    path, sizeof(path), "%s/%s/%s.hex", vectors_root(), folder, name);
	v->bytes = hex_load(path, &v->len);
	snprintf(
	    path, sizeof(path), "%s/%s/%s.json", vectors_root(), folder, name);
	v->json = json_load_file(path, 0, &error);
	if (!v->json) {
		fprintf(stderr, "%s: %s\n", path, error.text);
		exit(1);
	}
	v->skip = vector_skip(v);
	return v;
}

static inline void
vector_free(struct vector *v)
{
	json_decref(v->json);
	free(v->bytes);
	free(v);
}

/* An auth_key that accepts what the CPM and RFC 9301 allow. */
static inline struct auth_key
vector_key(const char *secret, unsigned key_id, unsigned algorithm)
{
	struct auth_key key = {
		.key_id = (uint8_t)key_id,
		.algorithm = (uint8_t)algorithm,
		.accept = 1 << 1 | 1 << 2 | 1 << 3,
		.secret_len = (uint8_t)strlen(secret),
	};

	memcpy(key.secret, secret, strlen(secret));
	return key;
}

static inline int
vector_type(const struct vector *v, const uint8_t *bytes, size_t len)
{
	if (vector_is(v, "data-"))
		return TYPE_DATA;
	if (msg_type(bytes, len) == LISP_SHARED && len > 2 &&
	    (bytes[2] & 0x0f) == CPM_OP_ACK)
		return TYPE_CPM_ACK;
	return msg_type(bytes, len);
}

/* As input.c dispatches; a type without decoder is ERR_UNSUPPORTED. */
static inline enum err
vector_decode(const struct vector *v, const uint8_t *bytes, size_t len,
    struct decoded *out)
{
	out->type = vector_type(v, bytes, len);
	switch (out->type) {
	case -1:
		return ERR_TRUNCATED;
	case TYPE_DATA:
		return data_header_decode(bytes, len, &out->data);
	case TYPE_CPM_ACK:
		return cpm_ack_decode(bytes, len, CPM_SUBTYPE, &out->ack);
	case LISP_MAP_REQUEST:
		return map_request_decode(bytes, len, &out->request);
	case LISP_MAP_REPLY:
		return map_reply_decode(bytes, len, &out->reply);
	case LISP_MAP_REGISTER:
		return map_register_decode(bytes, len, &out->reg);
	case LISP_MAP_NOTIFY:
	case LISP_MAP_NOTIFY_ACK:
		return map_notify_decode(bytes, len, &out->notify);
	case LISP_MAP_REFERRAL:
		return map_referral_decode(bytes, len, &out->referral);
	case LISP_INFO:
		return info_decode(bytes, len, &out->info);
	case LISP_ECM:
		return ecm_decode(bytes, len, &out->ecm);
	case LISP_SHARED:
		return cpm_decode(bytes, len, CPM_SUBTYPE, &out->cpm);
	}
	return ERR_UNSUPPORTED;
}

/*
 * One cmocka test per vector of 'folder', all with the function 'test', which
 * gets the vector as *state.  Says on stderr what it skipped.
 */
static inline int
vectors_run(const char *group, const char *folder, CMUnitTestFunction test)
{
	struct CMUnitTest *tests;
	unsigned skipped = 0;
	char pattern[512];
	glob_t found;
	int failed;

	snprintf(
	    pattern, sizeof(pattern), "%s/%s/*.hex", vectors_root(), folder);
	if (glob(pattern, 0, NULL, &found) || !found.gl_pathc) {
		fprintf(stderr, "no vectors: %s\n", pattern);
		return 1;
	}
	tests = calloc(found.gl_pathc, sizeof(*tests));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *name = strrchr(found.gl_pathv[i], '/') + 1;
		struct vector *v;

		*strrchr(name, '.') = '\0';
		v = vector_load(folder, name);
		skipped += v->skip != NULL;
		tests[i] = (struct CMUnitTest){
			.name = v->name,
			.test_func = test,
			.initial_state = v,
		};
	}
	failed =
	    _cmocka_run_group_tests(group, tests, found.gl_pathc, NULL, NULL);
	if (skipped)
		fprintf(stderr, "# %s: %u of %zu skipped: tcp has no codec\n",
		    group, skipped, found.gl_pathc);
	for (size_t i = 0; i < found.gl_pathc; i++)
		vector_free(tests[i].initial_state);
	free(tests);
	globfree(&found);
	return failed != 0;
}

/* Skips the test of a vector we have no codec for. */
#define VECTOR_SKIP(v) \
	do { \
		if ((v)->skip) { \
			print_message("# skipped: %s\n", (v)->skip); \
			skip(); \
		} \
	} while (0)

#endif
