/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XTR_XTRCTL_PRINT_H
#define XTR_XTRCTL_PRINT_H

/*
 * xtrctl_print.h - the rows of a reply as text for people.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Writes the rows of 'table' ("eids", "moves", ...): the columns that people
 * look at, all of them if 'wide' or if the table is not known.  A table called
 * "moves" becomes timelines, one called "config" plain YAML.
 */
void print_rows(FILE *, const char *table, const json_t *rows, bool wide);

#endif
