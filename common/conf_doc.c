/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_doc.c - what belongs to one configuration file while it is in use: its
 * memory, the folder its paths start from, and the errors found in it.
 */
#include "conf_doc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct block {
	struct block *next;
	size_t size;
	max_align_t bytes[];
};

struct conf_doc {
	struct block *blocks;
	char *name;   /* in messages */
	char *folder; /* absolute, if the file system knows it */
	FILE *errors;
	unsigned n_errors;
};

void *
conf_alloc(struct conf_doc *doc, size_t size)
{
	struct block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		abort();
	b->size = size;
	b->next = doc->blocks;
	doc->blocks = b;
	return b->bytes;
}

const char *
conf_strdup(struct conf_doc *doc, const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(conf_alloc(doc, size), text, size);
}

const char *
conf_path(struct conf_doc *doc, const char *text)
{
	size_t size = strlen(doc->folder) + strlen(text) + 2;
	char *path;

	if (text[0] == '/')
		return conf_strdup(doc, text);
	path = conf_alloc(doc, size);
	snprintf(path, size, "%s/%s",
	    strcmp(doc->folder, "/") == 0 ? "" : doc->folder, text);
	return path;
}

static char *
folder_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	char *folder, *real;

	folder = !slash	    ? strdup(".")
	    : slash == name ? strdup("/")
			    : strndup(name, (size_t)(slash - name));
	if (!folder)
		abort();
	real = realpath(folder, NULL);
	if (!real)
		return folder;
	free(folder);
	return real;
}

struct conf_doc *
conf_doc_new(const char *name, FILE *errors)
{
	struct conf_doc *doc = calloc(1, sizeof(*doc));

	if (!doc || !(doc->name = strdup(name)))
		abort();
	doc->folder = folder_of(name);
	doc->errors = errors;
	return doc;
}

void
conf_doc_free(struct conf_doc *doc)
{
	if (!doc)
		return;
	for (struct block *b = doc->blocks, *next; b; b = next) {
		next = b->next;
		explicit_bzero(b->bytes, b->size); /* keys among them */
		free(b);
	}
	free(doc->name);
	free(doc->folder);
	free(doc);
}

void
conf_error(struct conf_doc *doc, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	if (++doc->n_errors > CONF_ERRORS_MAX)
		return;
	fprintf(doc->errors, "%s:", doc->name);
	if (pos.line)
		fprintf(
		    doc->errors, "%" PRIu32 ":%" PRIu32 ":", pos.line, pos.col);
	putc(' ', doc->errors);
	va_start(ap, fmt);
	vfprintf(doc->errors, fmt, ap);
	va_end(ap);
	putc('\n', doc->errors);
	if (doc->n_errors == CONF_ERRORS_MAX)
		fprintf(doc->errors, "%s: more errors than these %d\n",
		    doc->name, CONF_ERRORS_MAX);
}

unsigned
conf_errors(const struct conf_doc *doc)
{
	return doc->n_errors;
}

void
conf_auth_key(const struct conf_secret *secret, int64_t key_id,
    uint8_t algorithm, struct auth_key *out)
{
	*out = (struct auth_key){
		.key_id = (uint8_t)key_id,
		.algorithm = algorithm,
		.accept = (uint8_t)(1u << algorithm),
		.secret_len = secret->len,
	};
	memcpy(out->secret, secret->bytes, sizeof(out->secret));
}
