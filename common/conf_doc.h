/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CONF_DOC_H
#define COMMON_CONF_DOC_H

/*
 * conf_doc.h - the document behind conf_read.h, between its files.
 */
#include <stdio.h>

#include "conf_read.h"

enum { CONF_ERRORS_MAX = 100 }; /* that are written; all are counted */

/* A document without memory or errors; 'name' is the file's, 'errors' lent. */
struct conf_doc *conf_doc_new(const char *name, FILE *errors);

/* 'text' itself if absolute, else below the folder of the document's file. */
const char *conf_path(struct conf_doc *, const char *text);

#endif
