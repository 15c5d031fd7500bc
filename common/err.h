/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/*
 * err.h - the one set of error codes.
 *
 * Inner code returns them, the edge (input.c, main.c, a timer) turns them into
 * one log line and one counter.  Columns: code, counter name, what a
 * person reads.
 */
#define ERR_LIST(X) \
	X(OK, "ok", "ok") \
	X(TRUNCATED, "truncated", "message ends inside a field") \
	X(MALFORMED, "malformed", "malformed") \
	X(UNSUPPORTED, "unsupported", \
	    "version, type or address family not supported") \
	X(FULL, "full", "table or buffer full") \
	X(KEY_UNKNOWN, "key-unknown", "no key for this sender and key-id") \
	X(ALGORITHM, "algorithm", \
	    "authentication algorithm not allowed for this key") \
	X(AUTH, "auth", "authentication failed") \
	X(SOURCE, "source", "source address not configured for this sender") \
	X(REFLECTED, "reflected", "message of our own site thrown back") \
	X(REPLAY, "replay", "nonce seen before or too old") \
	X(NONCE, "nonce", "nonce not outstanding") \
	X(FUTURE, "future", "nonce or generation too far ahead of our clock") \
	X(STALE, "stale", "overtaken by a newer generation") \
	X(LATE, "late", "overtaken by a newer message of the same sender") \
	X(POLICY, "policy", "not authorised for this sender") \
	X(VM_ID, "vm-id", "EID is owned under another VM-ID") \
	X(RATE, "rate", "rate limit") \
	X(NOT_FOUND, "not-found", "no such entry") \
	X(ROLE, "role", "role not configured") \
	X(SUBTYPE, "sub-type", "sub-type of LISP type 15 that is not ours") \
	X(IO, "io", "input/output error") \
	X(NOMEM, "nomem", "out of memory") \
	X(INTERNAL, "internal", "internal error")

enum err {
#define ERR_ENUM(id, name, text) ERR_##id,
	ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
	    ERR_COUNT
};

#define MUST_USE __attribute__((warn_unused_result))

/* The words for a person; static storage, never NULL. */
const char *err_str(enum err);

/* The counter's name, lower case with dashes ("key-unknown"); static storage. */
const char *err_name(enum err);

#endif
