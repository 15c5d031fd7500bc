/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CONF_READ_H
#define COMMON_CONF_READ_H

/*
 * conf_read.h - YAML through a table into a struct.  The only user of libyaml.
 *
 * A row gives name, type, range and default; the reader does the rest and
 * reports every error as "file:line:col: path: what", e.g.
 *
 *	/etc/xtrd.yaml:14:14: map-servers[1].refresh: 5 is below the minimum 10
 *
 * Unknown and repeated keys are errors, as are anchors, aliases and tags: a
 * configuration says each thing once, in place.  Lists become a counted array.
 * Every block of memory belongs to the struct conf_doc and is freed with it.
 *
 * Bounds: 4 MiB of text, 16 levels, 4096 elements per list unless the row says
 * otherwise, 100 errors; at the last the reader stops.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "addr.h"
#include "auth.h"
#include "err.h"

enum conf_type {
	CONF_END,
	CONF_BOOL,	/* bool */
	CONF_INT,	/* int64_t; min..max */
	CONF_SECONDS,	/* int64_t, "60", "60s", "5m", "2h", "1d" -> s */
	CONF_MS,	/* int64_t, "200ms", "1s" -> ms; unit required */
	CONF_MINUTES,	/* int64_t, "15", "15m", "24h" -> minutes */
	CONF_MIB,	/* int64_t, "16M", "1G", "2T" -> MiB; unit required */
	CONF_STRING,	/* const char *; NULL if absent */
	CONF_PATH,	/* const char *, relative to the file's folder */
	CONF_ADDR,	/* struct addr, IPv4 or IPv6 */
	CONF_MACADDR,	/* struct addr, AFI_MAC */
	CONF_PREFIX,	/* struct eid with instance-ID 0 */
	CONF_UUID,	/* uint8_t[16] */
	CONF_KEY_FILE,	/* struct conf_secret: read from the file */
	CONF_ALGORITHM, /* uint8_t: "hmac-sha256-128" ... */
	CONF_ENUM,	/* int, one of 'names' */
	CONF_STRUCT,	/* nested mapping: 'items', in place */
	CONF_INLINE, /* nested struct whose keys stand in the parent's mapping */
	CONF_LIST,   /* struct conf_list of structs: 'items', 'size' */
	CONF_ADDR_LIST,	  /* struct conf_list of struct addr */
	CONF_PREFIX_LIST, /* struct conf_list of struct eid */
	CONF_STRING_LIST, /* struct conf_list of const char *; one may stand alone */
};

struct conf_secret { /* a key file (0600, one line); see auth_key_load */
	const char *path;
	uint8_t len;
	uint8_t bytes[AUTH_SECRET_MAX];
};

struct conf_list {
	void *items; /* n elements; NULL if empty */
	size_t n;
};

/* Position of a value, for messages of conf_check(). */
struct conf_pos {
	uint32_t line, col; /* 1-based; 0 = not in the file */
};

struct conf_item {
	const char *name; /* as in the file; NULL ends the table */
	enum conf_type type;
	size_t offset;		       /* in the parent struct */
	const struct conf_item *items; /* STRUCT, INLINE, LIST */
	size_t size;		       /* LIST: of one element */
	const char *const *names; /* ENUM: NULL-terminated, value = index */
	/*
	 * INT, SECONDS, MS, MINUTES, MIB: range, max 0 = no upper bound.
	 * ALGORITHM: the weakest allowed.  STRING, PATH: longest, in octets
	 * (0 = 255; PATH: after it was made absolute, 0 = 4095).  *LIST: number
	 * of elements (max 0 = 4096).
	 */
	int64_t min, max;
	int64_t dflt; /* BOOL, INT, all units, ENUM, ALGORITHM */
	/* STRING, PATH, ADDR, MACADDR, PREFIX: value if absent, in the form of
	 * the file.  UUID: a word that means absent ("any"). */
	const char *dflt_text;
	bool required;
	/* Offset of a struct conf_pos that takes the position of the value; 0 =
	 * none (a position is never the first member).  In the parent struct;
	 * LIST: in the element. */
	size_t pos_offset;
	/* Offset in the parent struct of a bool that is set when the key is in
	 * the file; 0 = none.  STRUCT: conf_print() leaves it out if false. */
	size_t present_offset;
};

struct conf_doc;

/*
 * Reads 'path' into 'out' (its size is 'out_size', zeroed first), by 'items'.
 * NULL after any error, 'out' is zero then; every error has been written to
 * 'errors', which must stay open as long as conf_error() may be called.  The
 * document owns all memory that 'out' points to.
 */
struct conf_doc *conf_read(const char *path, const struct conf_item *items,
    void *out, size_t out_size, FILE *errors);
/*
 * The same from memory; 'name' stands for the file in messages, and its folder
 * is the one that relative paths start from.
 */
struct conf_doc *conf_read_text(const char *name, const char *text, size_t len,
    const struct conf_item *items, void *out, size_t out_size, FILE *errors);
void conf_doc_free(struct conf_doc *); /* wipes keys; accepts NULL */

/*
 * An error of the rules across fields: writes "file:line:col: text" and counts
 * it in the document.
 */
__attribute__((format(printf, 3, 4))) void
conf_error(struct conf_doc *, struct conf_pos, const char *fmt, ...);
unsigned conf_errors(const struct conf_doc *);

/* Makes a key of what a section says; accepts only the algorithm named. */
void conf_auth_key(const struct conf_secret *, int64_t key_id,
    uint8_t algorithm, struct auth_key *out);

/* Memory that lives as long as the document, zeroed; aborts if there is none. */
void *conf_alloc(struct conf_doc *, size_t);
const char *conf_strdup(struct conf_doc *, const char *);

/*
 * Writes 'in' as YAML that loads again, from any folder, with all defaults;
 * secrets as the absolute name of their file.
 */
void conf_print(FILE *, const struct conf_item *items, const void *in);

#endif
