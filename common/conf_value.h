/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

/*
 * conf_value.h - one row of a schema: text <-> field.  Between conf_read.c,
 * conf_print.c and nobody else.
 */
#include <stdbool.h>
#include <stddef.h>

#include "conf_read.h"

#define CONF_WHY_MAX 320  /* a complaint about a value, with its NUL */
#define CONF_TEXT_MAX 160 /* any value that is not free text, with its NUL */

/*
 * Sets the field of 'item' in the struct at 'base' from 'text'.  On failure the
 * field may be half set and 'why' says what is wrong, printable and without the
 * path.  Only rows of one value: no STRUCT, INLINE, *LIST.
 */
bool conf_value_set(struct conf_doc *, const struct conf_item *item,
    const char *text, void *base, char why[CONF_WHY_MAX]) MUST_USE;

/* Sets the default of the row; recurses into STRUCT and INLINE. */
void
conf_value_default(struct conf_doc *, const struct conf_item *item, void *base);

/*
 * The text that conf_value_set() would take, in 'buf' or borrowed from the
 * struct; NULL if the value is absent.
 */
const char *conf_value_text(
    const struct conf_item *item, const void *base, char buf[CONF_TEXT_MAX]);

/* The row that an element of an ADDR_LIST, PREFIX_LIST, STRING_LIST obeys. */
struct conf_item conf_value_element(const struct conf_item *list, size_t *size);

/* 'text' in quotes, shortened, control characters as '?'; for messages. */
#define CONF_QUOTE_MAX 72
const char *conf_quote(const char *text, char buf[CONF_QUOTE_MAX]);

#endif
