/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_value.c - one row of a schema: text <-> field, range, default.
 *
 * Between conf_read.c (which knows YAML) and the struct, and back for
 * conf_print.c.  Everything here works on one value and its row; it knows
 * neither YAML nor positions, so that reading and printing cannot disagree.
 */
#include "conf_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conf_doc.h"

struct unit {
	const char *suffix;
	int64_t factor;
};

/* Descending: the first that divides a value prints it. */
static const struct unit time_units[] = { { "d", 86400000 }, { "h", 3600000 },
	{ "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 } };
static const struct unit size_units[] = { { "T", 1048576 }, { "G", 1024 },
	{ "M", 1 }, { NULL, 0 } };

/* How the types with a unit are written and stored. */
struct measure {
	const struct unit *units;
	int64_t stored;	  /* the factor of the unit we keep it in */
	const char *bare; /* unit of a number alone; NULL: not allowed */
	const char *what;
};

static const char *const algorithms[] = {
	[AUTH_SHA1_96] = "hmac-sha1-96",
	[AUTH_SHA256_128] = "hmac-sha256-128",
	[AUTH_SHA256_128_HKDF] = "hmac-sha256-128-hkdf",
};
enum { N_ALGORITHMS = sizeof(algorithms) / sizeof(algorithms[0]) };

/* NULL for a type without unit. */
static const struct measure *
measure_of(enum conf_type type)
{
	static const struct measure ms = { time_units, 1, NULL,
		"a duration with its unit, such as 200ms or 1s" };
	static const struct measure seconds = { time_units, 1000, "s",
		"a duration in whole seconds, such as 60s or 5m" };
	static const struct measure minutes = { time_units, 60000, "m",
		"a duration in whole minutes, such as 15m or 24h" };
	static const struct measure mib = { size_units, 1, NULL,
		"a size with its unit, such as 16M or 1G" };

	if (type == CONF_MS)
		return &ms;
	if (type == CONF_SECONDS)
		return &seconds;
	if (type == CONF_MINUTES)
		return &minutes;
	return type == CONF_MIB ? &mib : NULL;
}

const char *
conf_quote(const char *text, char buf[CONF_QUOTE_MAX])
{
	size_t n = 0;

	buf[n++] = '\'';
	for (; *text && n < CONF_QUOTE_MAX - 6; text++) {
		unsigned char c = (unsigned char)*text;

		buf[n++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	memcpy(buf + n, *text ? "...'" : "'", *text ? 5 : 2);
	return buf;
}

__attribute__((format(printf, 2, 3))) static bool
fail(char why[CONF_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}

static bool
fail_not(char why[CONF_WHY_MAX], const char *text, const char *what)
{
	char quoted[CONF_QUOTE_MAX];

	return fail(why, "%s is not %s", conf_quote(text, quoted), what);
}

/*
 * Digits, or 0x and hexadecimal ones, up to '*end'.  No leading zeros: some
 * would read them as octal.
 */
static bool
number_parse(const char *text, const char **end, int64_t *out)
{
	int64_t base = 10, v = 0;
	bool negative = *text == '-';
	const char *p = text + negative, *first;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	} else if (p[0] == '0' && p[1] >= '0' && p[1] <= '9')
		return false;
	for (first = p; *p; p++) {
		int digit = *p >= '0' && *p <= '9'	   ? *p - '0'
		    : base == 16 && *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
		    : base == 16 && *p >= 'A' && *p <= 'F' ? *p - 'A' + 10
							   : -1;

		if (digit < 0)
			break;
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*end = p;
	*out = negative ? -v : v;
	return p != first;
}

/* "5m" -> in the stored unit. */
static bool
measure_parse(const struct measure *m, const char *text, int64_t *out)
{
	const struct unit *u = m->units;
	const char *suffix;
	int64_t v;

	if (!number_parse(text, &suffix, &v))
		return false;
	if (!*suffix)
		suffix = m->bare;
	while (suffix && u->suffix && strcmp(u->suffix, suffix) != 0)
		u++;
	if (!suffix || !u->suffix || __builtin_mul_overflow(v, u->factor, &v) ||
	    v % m->stored)
		return false;
	*out = v / m->stored;
	return true;
}

static void
measure_str(const struct measure *m, int64_t v, char buf[CONF_TEXT_MAX])
{
	const struct unit *u = m->units;
	int64_t least;

	/* 0 has every unit; what would overflow has only the stored one. */
	if (!v || __builtin_mul_overflow(v, m->stored, &least))
		while (u->factor != m->stored)
			u++;
	else
		while (least % u->factor)
			u++;
	snprintf(buf, CONF_TEXT_MAX, "%" PRId64 "%s",
	    u->factor == m->stored ? v : v / (u->factor / m->stored),
	    u->suffix);
}

static void
integer_str(const struct conf_item *item, int64_t v, char buf[CONF_TEXT_MAX])
{
	const struct measure *m = measure_of(item->type);

	if (m)
		measure_str(m, v, buf);
	else
		snprintf(buf, CONF_TEXT_MAX, "%" PRId64, v);
}

static bool
integer_set(const struct conf_item *item, const char *text, int64_t *field,
    char why[CONF_WHY_MAX])
{
	const struct measure *m = measure_of(item->type);
	char bound[CONF_TEXT_MAX];
	const char *end;

	if (m && !measure_parse(m, text, field))
		return fail_not(why, text, m->what);
	if (!m && (!number_parse(text, &end, field) || *end))
		return fail_not(why, text, "a number");
	if (*field < item->min) {
		integer_str(item, item->min, bound);
		return fail(why, "%s is below the minimum %s", text, bound);
	}
	if (item->max && *field > item->max) {
		integer_str(item, item->max, bound);
		return fail(why, "%s is above the maximum %s", text, bound);
	}
	return true;
}

static bool
bool_set(const char *text, bool *field, char why[CONF_WHY_MAX])
{
	*field = strcmp(text, "true") == 0;
	if (*field || strcmp(text, "false") == 0)
		return true;
	return fail_not(why, text, "true or false");
}

/*
 * Free text goes into logs, messages and the dump: no control characters, and
 * none that YAML takes for a line break or cannot carry.  'text' is UTF-8.
 */
static bool
text_is_plain(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (p[0] == 0xc2 && p[1] < 0xa0) /* U+0080..U+009F */
			return false;
		if (p[0] == 0xe2 && p[1] == 0x80 &&
		    (p[2] == 0xa8 || p[2] == 0xa9)) /* line separators */
			return false;
		if (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) /* BOM */
			return false;
		if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe)
			return false; /* U+FFFE, U+FFFF */
	}
	return true;
}

static bool
string_set(struct conf_doc *doc, const struct conf_item *item, const char *text,
    const char **field, char why[CONF_WHY_MAX])
{
	int64_t max = item->max	      ? item->max
	    : item->type == CONF_PATH ? 4095
				      : 255;

	if (!*text)
		return fail(why, "must not be empty");
	if (!text_is_plain(text))
		return fail(why, "contains a control character");
	*field = item->type == CONF_PATH ? conf_path(doc, text)
					 : conf_strdup(doc, text);
	if ((int64_t)strlen(*field) > max)
		return fail(why, "is longer than %" PRId64 " characters", max);
	return true;
}

static bool
addr_set(const struct conf_item *item, const char *text, struct addr *field,
    char why[CONF_WHY_MAX])
{
	bool mac = item->type == CONF_MACADDR;

	if (addr_parse(text, field) == ERR_OK && (field->afi == AFI_MAC) == mac)
		return true;
	return fail_not(why, text,
	    mac ? "a MAC address such as 02:00:5e:00:01:01"
		: "an IPv4 or IPv6 address");
}

static bool
prefix_set(const char *text, struct eid *field, char why[CONF_WHY_MAX])
{
	if (text[0] != '[' && eid_parse(text, field) == ERR_OK &&
	    field->addr.afi != AFI_MAC)
		return true;
	return fail_not(
	    why, text, "a prefix such as 10.1.0.0/16 (host bits zero)");
}

static bool
uuid_set(const struct conf_item *item, const char *text, uint8_t field[16],
    char why[CONF_WHY_MAX])
{
	if (item->dflt_text && strcmp(text, item->dflt_text) == 0) {
		memset(field, 0, 16);
		return true;
	}
	if (uuid_parse(text, field) == ERR_OK && !uuid_is_zero(field))
		return true;
	return fail_not(why, text, "a UUID (and not all zero)");
}

static bool
secret_set(struct conf_doc *doc, const char *text, struct conf_secret *field,
    char why[CONF_WHY_MAX])
{
	struct auth_key key = { 0 };
	enum err err;
	int saved;

	if (!*text || !text_is_plain(text))
		return fail(why, "is not the name of a file");
	field->path = conf_path(doc, text);
	errno = 0;
	err = auth_key_load(field->path, &key);
	saved = errno;
	if (!err) {
		field->len = key.secret_len;
		memcpy(field->bytes, key.secret, sizeof(field->bytes));
	}
	auth_key_wipe(&key);
	if (err == ERR_POLICY)
		return fail(why,
		    "%.200s: open to group or others, must be mode 0600",
		    field->path);
	if (err == ERR_MALFORMED)
		return fail(why, "%.200s: not one line of 1 to %d characters",
		    field->path, AUTH_SECRET_MAX);
	if (err)
		return fail(why, "%.200s: %s", field->path,
		    err == ERR_IO && saved ? strerror(saved) : err_str(err));
	return true;
}

/* Joins the names for "is none of: a, b". */
static bool
fail_none_of(char why[CONF_WHY_MAX], const char *text,
    const char *const names[], size_t first, size_t n)
{
	char quoted[CONF_QUOTE_MAX], list[200] = "";

	for (size_t i = first; i < n; i++) {
		size_t len = strlen(list);

		snprintf(list + len, sizeof(list) - len, "%s%s",
		    i == first ? "" : ", ", names[i]);
	}
	return fail(why, "%s is none of: %s", conf_quote(text, quoted), list);
}

static bool
algorithm_set(const struct conf_item *item, const char *text, uint8_t *field,
    char why[CONF_WHY_MAX])
{
	size_t first = item->min > AUTH_NONE ? (size_t)item->min : 1;

	for (size_t i = first; i < N_ALGORITHMS; i++)
		if (strcmp(algorithms[i], text) == 0) {
			*field = (uint8_t)i;
			return true;
		}
	return fail_none_of(why, text, algorithms, first, N_ALGORITHMS);
}

static bool
enum_set(const struct conf_item *item, const char *text, int *field,
    char why[CONF_WHY_MAX])
{
	size_t n = 0;

	for (; item->names[n]; n++)
		if (strcmp(item->names[n], text) == 0) {
			*field = (int)n;
			return true;
		}
	return fail_none_of(why, text, item->names, 0, n);
}

bool
conf_value_set(struct conf_doc *doc, const struct conf_item *item,
    const char *text, void *base, char why[CONF_WHY_MAX])
{
	void *field = (char *)base + item->offset;

	switch (item->type) {
	case CONF_BOOL:
		return bool_set(text, field, why);
	case CONF_INT:
	case CONF_SECONDS:
	case CONF_MS:
	case CONF_MINUTES:
	case CONF_MIB:
		return integer_set(item, text, field, why);
	case CONF_STRING:
	case CONF_PATH:
		return string_set(doc, item, text, field, why);
	case CONF_ADDR:
	case CONF_MACADDR:
		return addr_set(item, text, field, why);
	case CONF_PREFIX:
		return prefix_set(text, field, why);
	case CONF_UUID:
		return uuid_set(item, text, field, why);
	case CONF_KEY_FILE:
		return secret_set(doc, text, field, why);
	case CONF_ALGORITHM:
		return algorithm_set(item, text, field, why);
	case CONF_ENUM:
		return enum_set(item, text, field, why);
	case CONF_END:
	case CONF_STRUCT:
	case CONF_INLINE:
	case CONF_LIST:
	case CONF_ADDR_LIST:
	case CONF_PREFIX_LIST:
	case CONF_STRING_LIST:
		break;
	}
	return fail(why, "has no single value");
}

void
conf_value_default(
    struct conf_doc *doc, const struct conf_item *item, void *base)
{
	void *field = (char *)base + item->offset;
	char why[CONF_WHY_MAX];

	switch (item->type) {
	case CONF_BOOL:
		*(bool *)field = item->dflt != 0;
		break;
	case CONF_INT:
	case CONF_SECONDS:
	case CONF_MS:
	case CONF_MINUTES:
	case CONF_MIB:
		*(int64_t *)field = item->dflt;
		break;
	case CONF_ALGORITHM:
		*(uint8_t *)field = (uint8_t)item->dflt;
		break;
	case CONF_ENUM:
		*(int *)field = (int)item->dflt;
		break;
	case CONF_STRUCT:
	case CONF_INLINE:
		for (const struct conf_item *i = item->items; i->name; i++)
			conf_value_default(doc, i, field);
		break;
	case CONF_STRING:
	case CONF_PATH:
	case CONF_ADDR:
	case CONF_MACADDR:
	case CONF_PREFIX:
		/* A default that is no value is a bug of the table: the field
		 * stays absent, and the test of that table fails. */
		if (item->dflt_text &&
		    !conf_value_set(doc, item, item->dflt_text, base, why))
			conf_error(doc, (struct conf_pos){ 0, 0 },
			    "%s: default %s", item->name, why);
		break;
	case CONF_END:
	case CONF_UUID:
	case CONF_KEY_FILE:
	case CONF_LIST:
	case CONF_ADDR_LIST:
	case CONF_PREFIX_LIST:
	case CONF_STRING_LIST:
		break; /* absent is all zero */
	}
}

static const char *
prefix_str(const struct eid *field, char buf[CONF_TEXT_MAX])
{
	struct eid e = *field;

	e.iid = 0; /* a key of its own */
	return eid_str(&e, buf);
}

const char *
conf_value_text(
    const struct conf_item *item, const void *base, char buf[CONF_TEXT_MAX])
{
	const void *field = (const char *)base + item->offset;

	switch (item->type) {
	case CONF_BOOL:
		return *(const bool *)field ? "true" : "false";
	case CONF_INT:
	case CONF_SECONDS:
	case CONF_MS:
	case CONF_MINUTES:
	case CONF_MIB:
		integer_str(item, *(const int64_t *)field, buf);
		return buf;
	case CONF_STRING:
	case CONF_PATH: {
		const char *text = *(const char *const *)field;

		return text && *text ? text : NULL;
	}
	case CONF_ADDR:
	case CONF_MACADDR:
		if (((const struct addr *)field)->afi == AFI_NONE)
			return NULL;
		return addr_str(field, buf);
	case CONF_PREFIX:
		if (((const struct eid *)field)->addr.afi == AFI_NONE)
			return NULL;
		return prefix_str(field, buf);
	case CONF_UUID:
		return uuid_is_zero(field) ? item->dflt_text
					   : uuid_str(field, buf);
	case CONF_KEY_FILE:
		return ((const struct conf_secret *)field)->path;
	case CONF_ALGORITHM: {
		uint8_t a = *(const uint8_t *)field;

		return a && a < N_ALGORITHMS ? algorithms[a] : NULL;
	}
	case CONF_ENUM:
		return item->names[*(const int *)field];
	case CONF_END:
	case CONF_STRUCT:
	case CONF_INLINE:
	case CONF_LIST:
	case CONF_ADDR_LIST:
	case CONF_PREFIX_LIST:
	case CONF_STRING_LIST:
		break;
	}
	return NULL;
}

struct conf_item
conf_value_element(const struct conf_item *list, size_t *size)
{
	struct conf_item e = { .name = list->name };

	if (list->type == CONF_ADDR_LIST) {
		e.type = CONF_ADDR;
		*size = sizeof(struct addr);
	} else if (list->type == CONF_PREFIX_LIST) {
		e.type = CONF_PREFIX;
		*size = sizeof(struct eid);
	} else if (list->type == CONF_STRING_LIST) {
		e.type = CONF_STRING;
		*size = sizeof(const char *);
	} else {
		e.type = CONF_STRUCT;
		e.items = list->items;
		*size = list->size;
	}
	return e;
}
