/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_print.c - a struct and its table -> YAML text, with all defaults.
 *
 * The other direction of conf_read.c.  Written by hand rather than with
 * libyaml's emitter: block style with one value a line and quotes wherever
 * there could be a doubt is a few lines, and easier to diff.
 */
#include "conf_read.h"

#include <string.h>

#include "conf_value.h"

struct printer {
	FILE *f;
	int indent;
	bool dash; /* the next line starts a list element */
};

static void
print_items(struct printer *, const struct conf_item *items, const void *base);

static void
print_margin(struct printer *p)
{
	fprintf(p->f, "%*s", p->dash ? p->indent - 2 : p->indent, "");
	if (p->dash)
		fputs("- ", p->f);
	p->dash = false;
}

/* Whether the text needs no quotes; our reader takes every scalar as text. */
static bool
is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789./_-";

	return *text && *text != '-' && text[strspn(text, plain)] == '\0';
}

static void
print_text(FILE *f, const char *text)
{
	if (is_plain(text)) {
		fputs(text, f);
		return;
	}
	putc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', f);
		putc(*text, f);
	}
	putc('"', f);
}

static bool
is_list(enum conf_type type)
{
	return type == CONF_LIST || type == CONF_ADDR_LIST ||
	    type == CONF_PREFIX_LIST || type == CONF_STRING_LIST;
}

/* Whether the row has anything to say. */
static bool
is_present(const struct conf_item *item, const void *base)
{
	const char *b = base;
	char buf[CONF_TEXT_MAX];

	if (item->type == CONF_STRUCT)
		return !item->present_offset ||
		    *(const bool *)(const void *)(b + item->present_offset);
	return item->type == CONF_INLINE || is_list(item->type) ||
	    conf_value_text(item, base, buf);
}

static bool
any_present(const struct conf_item *items, const void *base)
{
	for (; items->name; items++)
		if (is_present(items, base))
			return true;
	return false;
}

static void
print_list(struct printer *p, const struct conf_item *item, const void *base)
{
	const void *field = (const char *)base + item->offset;
	const struct conf_list *list = field;
	char buf[CONF_TEXT_MAX];
	size_t size;
	struct conf_item e = conf_value_element(item, &size);

	if (item->type == CONF_STRING_LIST && list->n == 1) {
		fputs(": ", p->f);
		print_text(p->f, conf_value_text(&e, list->items, buf));
		putc('\n', p->f);
		return;
	}
	fputs(list->n ? ":\n" : ": []\n", p->f);
	p->indent += 4;
	for (size_t i = 0; i < list->n; i++) {
		const void *at = (const char *)list->items + i * size;

		p->dash = true;
		if (e.type == CONF_STRUCT && any_present(e.items, at)) {
			print_items(p, e.items, at);
			continue;
		}
		print_margin(p);
		if (e.type == CONF_STRUCT)
			fputs("{}", p->f);
		else
			print_text(p->f, conf_value_text(&e, at, buf));
		putc('\n', p->f);
	}
	p->indent -= 4;
}

static void
print_struct(struct printer *p, const struct conf_item *item, const void *base)
{
	const void *field = (const char *)base + item->offset;

	if (!any_present(item->items, field)) {
		fputs(": {}\n", p->f);
		return;
	}
	fputs(":\n", p->f);
	p->indent += 2;
	print_items(p, item->items, field);
	p->indent -= 2;
}

static void
print_items(struct printer *p, const struct conf_item *items, const void *base)
{
	char buf[CONF_TEXT_MAX];

	for (; items->name; items++) {
		if (!is_present(items, base))
			continue;
		if (items->type == CONF_INLINE) {
			print_items(p, items->items,
			    (const char *)base + items->offset);
			continue;
		}
		print_margin(p);
		fputs(items->name, p->f);
		if (items->type == CONF_STRUCT) {
			print_struct(p, items, base);
		} else if (is_list(items->type)) {
			print_list(p, items, base);
		} else {
			fputs(": ", p->f);
			print_text(p->f, conf_value_text(items, base, buf));
			putc('\n', p->f);
		}
	}
}

void
conf_print(FILE *f, const struct conf_item *items, const void *in)
{
	struct printer p = { .f = f };

	print_items(&p, items, in);
}
