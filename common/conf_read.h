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
 * Unknown and repeated keys are errors.  Lists become a counted array.  Every
 * block of memory belongs to the struct conf_doc and is freed with it.
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
	CONF_BOOL,	  /* bool */
	CONF_INT,	  /* int64_t; min..max */
	CONF_SECONDS,	  /* int64_t, "60", "60s", "5m", "2h", "1d" -> s */
	CONF_MS,	  /* int64_t, "200ms", "1s" -> ms */
	CONF_STRING,	  /* const char *; NULL if absent */
	CONF_PATH,	  /* const char *, relative to the file's folder */
	CONF_ADDR,	  /* struct addr, IPv4 or IPv6 */
	CONF_MACADDR,	  /* struct addr, AFI_MAC */
	CONF_PREFIX,	  /* struct eid with instance-ID 0 */
	CONF_UUID,	  /* uint8_t[16] */
	CONF_KEY_FILE,	  /* struct conf_secret: read from the file */
	CONF_ALGORITHM,	  /* uint8_t: "hmac-sha256-128" ... */
	CONF_ENUM,	  /* int, one of 'names' */
	CONF_STRUCT,	  /* nested mapping: 'items', in place */
	CONF_LIST,	  /* struct conf_list of structs: 'items', 'size' */
	CONF_ADDR_LIST,	  /* struct conf_list of struct addr */
	CONF_PREFIX_LIST, /* struct conf_list of struct eid */
	CONF_STRING_LIST, /* struct conf_list of const char * */
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
	const struct conf_item *items; /* STRUCT, LIST */
	size_t size;		       /* LIST: of one element */
	const char *const *names; /* ENUM: NULL-terminated, value = index */
	int64_t min, max; /* INT, SECONDS, MS; LIST*: max elements (0 = 4096) */
	int64_t dflt;	  /* BOOL, INT, SECONDS, MS, ENUM, ALGORITHM */
	const char *dflt_text; /* STRING, PATH, ADDR, MACADDR, PREFIX */
	bool required;
	/* Offset of a struct conf_pos that takes the position; 0 = none
	 * (a position is never the first member). */
	size_t pos_offset;
	/* Offset of a bool that is set when the key is in the file; 0 = none. */
	size_t present_offset;
};

struct conf_doc;

/*
 * Reads 'path' into 'out' (its size is 'out_size', zeroed first), by 'items'.
 * NULL after any error; every error has been written to 'errors'.  The document
 * owns all memory that 'out' points to.
 */
struct conf_doc *conf_read(const char *path, const struct conf_item *items,
    void *out, size_t out_size, FILE *errors);
/* The same from memory; 'name' stands for the file in messages. */
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

/* Memory that lives as long as the document, zeroed; aborts if there is none. */
void *conf_alloc(struct conf_doc *, size_t);
const char *conf_strdup(struct conf_doc *, const char *);

/*
 * Writes 'in' as YAML that loads again, with all defaults; secrets as the name
 * of their file.
 */
void conf_print(FILE *, const struct conf_item *items, const void *in);

#endif
