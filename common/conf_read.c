/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_read.c - YAML -> struct, by a table of rows.
 *
 * main -> the daemon's conf.c -> here -> conf_value.c, one row at a time.  The
 * only user of libyaml, and of that only the event parser: events come with
 * their position, nothing is built that the text does not contain, and an alias
 * stays an alias, to be refused.
 *
 * Every read_*() is entered with the first event of its value as the current
 * one and left with the last.  An error is reported and reading goes on behind
 * the value, so that one run shows all of them; a syntax error and the error
 * bound end it, from then on there are only YAML_NO_EVENTs.
 */
#include "conf_read.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "conf_doc.h"
#include "conf_value.h"

enum {
	TEXT_MAX = 4 * 1024 * 1024, /* octets in a file */
	DEPTH_MAX = 16,		    /* of what is skipped; rows nest less */
	LIST_MAX = 4096,
	ROWS_MAX = 64, /* keys of one mapping: bits of 'seen' */
	KEY_MAX = 64,  /* characters of a key that messages show */
	PATH_STR_MAX = 256,
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool stopped;
	struct conf_doc *doc;
};

/* Where we are: "map-servers[1].key-id", innermost first, on the C stack. */
struct path {
	const struct path *up;
	const char *name; /* NULL: a list element */
	size_t index;
};

static void read_mapping(struct reader *, const struct conf_item *items,
    char *base, const struct path *);

/* Messages with a path. */

static const char *
path_str(const struct path *p, char buf[PATH_STR_MAX])
{
	char tail[PATH_STR_MAX];

	buf[0] = '\0';
	for (; p; p = p->up) {
		const char *dot = buf[0] && buf[0] != '[' ? "." : "";

		memcpy(tail, buf, PATH_STR_MAX);
		if (p->name)
			snprintf(buf, PATH_STR_MAX, "%.*s%s%.*s", KEY_MAX,
			    p->name, dot, PATH_STR_MAX - KEY_MAX - 2, tail);
		else
			snprintf(buf, PATH_STR_MAX, "[%zu]%s%.*s", p->index,
			    dot, PATH_STR_MAX - KEY_MAX - 2, tail);
	}
	return buf;
}

static struct conf_pos
mark_pos(yaml_mark_t mark)
{
	return (struct conf_pos){ (uint32_t)mark.line + 1,
		(uint32_t)mark.column + 1 };
}

static struct conf_pos
event_pos(const struct reader *r)
{
	return mark_pos(r->event.start_mark);
}

__attribute__((format(printf, 4, 5))) static void
value_error(struct reader *r, struct conf_pos pos, const struct path *path,
    const char *fmt, ...)
{
	char where[PATH_STR_MAX], what[CONF_WHY_MAX + KEY_MAX];
	va_list ap;

	if (r->stopped)
		return; /* no value, because there is no text any more */
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	path_str(path, where);
	conf_error(r->doc, pos, "%s%s%s", where, where[0] ? ": " : "", what);
	if (conf_errors(r->doc) >= CONF_ERRORS_MAX)
		r->stopped = true;
}

/* Events. */

static void
syntax_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	struct conf_pos pos = mark_pos(p->problem_mark);

	if (p->error == YAML_READER_ERROR) /* counts octets, not lines */
		conf_error(r->doc, (struct conf_pos){ 0, 0 }, "%s at octet %zu",
		    p->problem, p->problem_offset);
	else if (p->context)
		conf_error(r->doc, pos, "%s, %s", p->context, p->problem);
	else
		conf_error(
		    r->doc, pos, "%s", p->problem ? p->problem : "not YAML");
	r->stopped = true;
}

/* The next event; YAML_NO_EVENT when there is none any more. */
static void
event_next(struct reader *r)
{
	yaml_event_delete(&r->event);
	if (!r->stopped && !yaml_parser_parse(&r->parser, &r->event))
		syntax_error(r);
	if (r->stopped) {
		yaml_event_delete(&r->event);
		memset(&r->event, 0, sizeof(r->event));
	}
}

static bool
event_is(const struct reader *r, yaml_event_type_t type)
{
	return r->event.type == type;
}

static bool
at_end(const struct reader *r)
{
	return event_is(r, YAML_NO_EVENT) ||
	    event_is(r, YAML_MAPPING_END_EVENT) ||
	    event_is(r, YAML_SEQUENCE_END_EVENT);
}

static bool
is_start(const struct reader *r)
{
	return event_is(r, YAML_MAPPING_START_EVENT) ||
	    event_is(r, YAML_SEQUENCE_START_EVENT);
}

/* "key:" with nothing behind it. */
static bool
is_empty(const struct reader *r)
{
	return event_is(r, YAML_SCALAR_EVENT) &&
	    r->event.data.scalar.length == 0 &&
	    r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const char *
scalar_text(const struct reader *r)
{
	const void *text = r->event.data.scalar.value;

	return text;
}

/* Leaves the value whose first event is the current one, whatever it is. */
static void
skip_value(struct reader *r)
{
	unsigned depth = 0;

	for (;; event_next(r)) {
		if (is_start(r))
			depth++;
		else if (at_end(r) && depth)
			depth--;
		if (!depth || event_is(r, YAML_NO_EVENT))
			return;
		if (depth > DEPTH_MAX) {
			value_error(r, event_pos(r), NULL,
			    "nested deeper than %d levels", DEPTH_MAX);
			r->stopped = true;
		}
	}
}

static const void *
event_anchor(const struct reader *r)
{
	if (event_is(r, YAML_SCALAR_EVENT))
		return r->event.data.scalar.anchor;
	if (event_is(r, YAML_MAPPING_START_EVENT))
		return r->event.data.mapping_start.anchor;
	return event_is(r, YAML_SEQUENCE_START_EVENT)
	    ? r->event.data.sequence_start.anchor
	    : NULL;
}

static const void *
event_tag(const struct reader *r)
{
	if (event_is(r, YAML_SCALAR_EVENT))
		return r->event.data.scalar.tag;
	if (event_is(r, YAML_MAPPING_START_EVENT))
		return r->event.data.mapping_start.tag;
	return event_is(r, YAML_SEQUENCE_START_EVENT)
	    ? r->event.data.sequence_start.tag
	    : NULL;
}

/*
 * What YAML allows and we do not.  False: the value was reported and must be
 * skipped.
 */
static bool
is_supported(struct reader *r, const struct path *path)
{
	const char *what = event_is(r, YAML_ALIAS_EVENT) ? "aliases"
	    : event_anchor(r)				 ? "anchors"
	    : event_tag(r)				 ? "tags"
							 : NULL;

	if (what)
		value_error(
		    r, event_pos(r), path, "YAML %s are not supported", what);
	return !what;
}

/* Values. */

static void
read_single(struct reader *r, const struct conf_item *item, char *base,
    const struct path *path)
{
	char why[CONF_WHY_MAX];

	if (is_start(r)) {
		value_error(r, event_pos(r), path, "must be a single value");
		skip_value(r);
	} else if (is_empty(r)) {
		value_error(r, event_pos(r), path, "has no value");
	} else if (strlen(scalar_text(r)) != r->event.data.scalar.length) {
		value_error(r, event_pos(r), path, "contains a NUL character");
	} else if (!conf_value_set(r->doc, item, scalar_text(r), base, why)) {
		value_error(r, event_pos(r), path, "%s", why);
	}
}

/* Room for one more element at the end of the list, zeroed, with defaults. */
static char *
list_grow(struct conf_doc *doc, struct conf_list *list,
    const struct conf_item *element, size_t size)
{
	char *at;

	if ((list->n & (list->n - 1)) == 0) { /* 0, 1, 2, 4, 8, ... */
		void *items =
		    conf_alloc(doc, (list->n ? list->n * 2 : 1) * size);

		if (list->n)
			memcpy(items, list->items, list->n * size);
		list->items = items;
	}
	at = (char *)list->items + list->n++ * size;
	conf_value_default(doc, element, at);
	return at;
}

static void
set_pos(char *base, size_t offset, struct conf_pos pos)
{
	if (offset)
		*(struct conf_pos *)(void *)(base + offset) = pos;
}

static void
read_element(struct reader *r, const struct conf_item *element, char *at,
    const struct path *path)
{
	if (!is_supported(r, path)) {
		skip_value(r);
	} else if (element->type != CONF_STRUCT) {
		read_single(r, element, at, path);
	} else if (event_is(r, YAML_MAPPING_START_EVENT)) {
		read_mapping(r, element->items, at, path);
	} else {
		value_error(r, event_pos(r), path,
		    "must be a mapping of keys and values");
		skip_value(r);
	}
}

static void
read_list(struct reader *r, const struct conf_item *item,
    struct conf_list *list, const struct path *path)
{
	struct conf_pos start = event_pos(r);
	size_t size, max = item->max ? (size_t)item->max : LIST_MAX;
	struct conf_item element = conf_value_element(item, &size);

	if (event_is(r, YAML_SEQUENCE_START_EVENT)) {
		for (event_next(r); !at_end(r); event_next(r)) {
			struct path here = { path, NULL, list->n };
			char *at;

			if (list->n == max) {
				value_error(r, event_pos(r), path,
				    "more than %zu entries", max);
				r->stopped = true;
				continue;
			}
			at = list_grow(r->doc, list, &element, size);
			set_pos(at, item->pos_offset, event_pos(r));
			read_element(r, &element, at, &here);
		}
	} else if (item->type == CONF_STRING_LIST &&
	    event_is(r, YAML_SCALAR_EVENT) && !is_empty(r)) {
		read_element(
		    r, &element, list_grow(r->doc, list, &element, size), path);
	} else if (!is_empty(r)) {
		value_error(r, start, path, "must be a list");
		skip_value(r);
		return;
	}
	if (!r->stopped && list->n < (size_t)item->min)
		value_error(r, start, path, "needs at least %" PRId64 " entr%s",
		    item->min, item->min == 1 ? "y" : "ies");
}

/*
 * 'key' in the table, looking through inline structs: '*base' becomes the
 * struct that the row is relative to, '*ordinal' the row's number.
 */
static const struct conf_item *
item_find(const struct conf_item *items, const char *key, char **base,
    unsigned *ordinal)
{
	for (; items->name; items++) {
		if (items->type == CONF_INLINE) {
			char *inner = *base + items->offset;
			const struct conf_item *found =
			    item_find(items->items, key, &inner, ordinal);

			if (found) {
				*base = inner;
				return found;
			}
		} else if (strcmp(items->name, key) == 0) {
			return items;
		} else {
			++*ordinal;
		}
	}
	return NULL;
}

static void
report_missing(struct reader *r, const struct conf_item *items, uint64_t seen,
    struct conf_pos pos, const struct path *path, unsigned *ordinal)
{
	for (; items->name; items++) {
		struct path here = { path, items->name, 0 };

		assert(*ordinal < ROWS_MAX);
		if (items->type == CONF_INLINE)
			report_missing(
			    r, items->items, seen, pos, path, ordinal);
		else if (!(seen >> (*ordinal)++ & 1) && items->required)
			value_error(r, pos, &here, "missing");
	}
}

/* The value of a known key. */
static void
read_value(struct reader *r, const struct conf_item *item, char *base,
    const struct path *path)
{
	struct conf_pos pos = event_pos(r);
	char *field = base + item->offset;

	if (item->type != CONF_LIST)
		set_pos(base, item->pos_offset, pos);
	if (item->present_offset)
		*(bool *)(void *)(base + item->present_offset) = true;
	switch (item->type) {
	case CONF_STRUCT:
		if (event_is(r, YAML_MAPPING_START_EVENT) || is_empty(r)) {
			read_mapping(r, item->items, field, path);
		} else {
			value_error(r, pos, path,
			    "must be a mapping of keys and values");
			skip_value(r);
		}
		break;
	case CONF_LIST:
	case CONF_ADDR_LIST:
	case CONF_PREFIX_LIST:
	case CONF_STRING_LIST:
		read_list(r, item, (struct conf_list *)(void *)field, path);
		break;
	case CONF_UUID:
		read_single(r, item, base, path);
		if (item->present_offset) /* the word for "absent" is allowed */
			*(bool *)(void *)(base + item->present_offset) =
			    !uuid_is_zero((uint8_t *)field);
		break;
	case CONF_BOOL:
	case CONF_INT:
	case CONF_SECONDS:
	case CONF_MS:
	case CONF_MINUTES:
	case CONF_MIB:
	case CONF_STRING:
	case CONF_PATH:
	case CONF_ADDR:
	case CONF_MACADDR:
	case CONF_PREFIX:
	case CONF_KEY_FILE:
	case CONF_ALGORITHM:
	case CONF_ENUM:
		read_single(r, item, base, path);
		break;
	case CONF_END:
	case CONF_INLINE:
		break; /* item_find() does not return them */
	}
}

/* One key, which is the current event, and its value. */
static void
read_member(struct reader *r, const struct conf_item *items, char *base,
    const struct path *path, uint64_t *seen)
{
	char key[KEY_MAX + 1], quoted[CONF_QUOTE_MAX];
	struct conf_pos pos = event_pos(r);
	const struct conf_item *item = NULL;
	struct path here = { path, key, 0 };
	unsigned row = 0;

	if (!is_supported(r, path)) {
		skip_value(r);
	} else if (!event_is(r, YAML_SCALAR_EVENT)) {
		value_error(r, pos, path, "a key must be a single value");
		skip_value(r);
	} else {
		snprintf(key, sizeof(key), "%s", scalar_text(r));
		item = item_find(items, key, &base, &row);
		if (!item)
			value_error(r, pos, path, "unknown key %s",
			    conf_quote(key, quoted));
	}
	if (item && (*seen >> row & 1)) {
		value_error(r, pos, &here, "given twice");
		item = NULL;
	}
	event_next(r);
	if (!item || event_is(r, YAML_NO_EVENT)) {
		skip_value(r);
		return;
	}
	*seen |= UINT64_C(1) << row;
	if (is_supported(r, &here))
		read_value(r, item, base, &here);
	else
		skip_value(r);
}

static void
read_mapping(struct reader *r, const struct conf_item *items, char *base,
    const struct path *path)
{
	struct conf_pos start = event_pos(r);
	uint64_t seen = 0;
	unsigned row = 0;

	if (event_is(r, YAML_MAPPING_START_EVENT))
		for (event_next(r); !at_end(r); event_next(r))
			read_member(r, items, base, path, &seen);
	if (!r->stopped)
		report_missing(r, items, seen, start, path, &row);
}

static void
read_document(struct reader *r, const struct conf_item *items, char *out)
{
	unsigned row = 0;

	event_next(r); /* the stream */
	event_next(r);
	if (event_is(r, YAML_STREAM_END_EVENT)) {
		report_missing(
		    r, items, 0, (struct conf_pos){ 1, 1 }, NULL, &row);
		return;
	}
	event_next(r); /* behind the document's start */
	if (!is_supported(r, NULL)) {
		skip_value(r);
	} else if (event_is(r, YAML_MAPPING_START_EVENT) || is_empty(r)) {
		read_mapping(r, items, out, NULL);
	} else if (!event_is(r, YAML_NO_EVENT)) {
		value_error(r, event_pos(r), NULL,
		    "must be a mapping of keys and values");
		skip_value(r);
	}
	event_next(r); /* its end */
	event_next(r);
	if (event_is(r, YAML_DOCUMENT_START_EVENT))
		value_error(r, event_pos(r), NULL,
		    "more than one document in the file");
}

static void
read_text(struct conf_doc *doc, const char *text, size_t len,
    const struct conf_item *items, char *out)
{
	struct reader r = { .doc = doc };

	if (len > TEXT_MAX) {
		conf_error(doc, (struct conf_pos){ 0, 0 },
		    "larger than %d octets", TEXT_MAX);
		return;
	}
	for (const struct conf_item *i = items; i->name; i++)
		conf_value_default(doc, i, out);
	if (!yaml_parser_initialize(&r.parser))
		abort(); /* out of memory */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &r.parser, (const unsigned char *)text, len);
	read_document(&r, items, out);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
}

/* A document with errors is none. */
static struct conf_doc *
doc_finish(struct conf_doc *doc, void *out, size_t out_size)
{
	if (!conf_errors(doc))
		return doc;
	explicit_bzero(out, out_size);
	conf_doc_free(doc);
	return NULL;
}

struct conf_doc *
conf_read_text(const char *name, const char *text, size_t len,
    const struct conf_item *items, void *out, size_t out_size, FILE *errors)
{
	struct conf_doc *doc = conf_doc_new(name, errors);

	memset(out, 0, out_size);
	read_text(doc, text, len, items, out);
	return doc_finish(doc, out, out_size);
}

/* Reads all of 'path' into heap memory, at most one octet over the limit. */
static char *
file_read(struct conf_doc *doc, const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st = { 0 };
	char *text = NULL;
	ssize_t n = -1;

	*len = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto out;
	}
	if (!(text = malloc(TEXT_MAX + 1)))
		abort();
	while ((n = read(fd, text + *len, TEXT_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
out:
	if (n < 0)
		conf_error(
		    doc, (struct conf_pos){ 0, 0 }, "%s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n == 0)
		return text;
	free(text);
	return NULL;
}

struct conf_doc *
conf_read(const char *path, const struct conf_item *items, void *out,
    size_t out_size, FILE *errors)
{
	struct conf_doc *doc = conf_doc_new(path, errors);
	size_t len;
	char *text = file_read(doc, path, &len);

	memset(out, 0, out_size);
	if (text)
		read_text(doc, text, len, items, out);
	free(text);
	return doc_finish(doc, out, out_size);
}
