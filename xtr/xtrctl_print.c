/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xtrctl_print.c - JSON rows as tables, timelines, text.
 *
 * It knows no table's rows: columns are the members of the rows, in their order,
 * and how a cell is written follows from its type and name.  columns[]
 * only says which of them fit on a screen.  Strings may come from far away, so
 * control characters never reach the terminal.
 */
#include "xtr/xtrctl_print.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	COLUMNS_MAX = 64,
	GAP = 2, /* blanks between columns */
};
#define WALL_MS_MIN 1e12 /* wall clock, 2001; less is a duration */

/* What people see without --wide. */
static const struct {
	const char *table;
	const char *columns[12];
} columns[] = {
	{ "eids",
	    { "eid", "state", "generation", "locators", "registered",
		"changed_ms" } },
	{ "map-cache",
	    { "eid", "action", "ttl_s", "used_s", "packets", "locators" } },
	{ "locators",
	    { "rloc", "own", "state", "why", "since_ms", "rtt_ms", "users",
		"probes", "missed" } },
	{ "registrations",
	    { "eid", "site", "registrant", "locators", "registered_ms",
		"expires_s" } },
	{ "registers",
	    { "eid", "mapping_system", "map_server", "state",
		"confirmed_ms" } },
	{ "requesters", { "eid", "rloc", "confirmed", "source", "seen_ms" } },
	{ "subscriptions",
	    { "eid", "role", "peer", "name", "state", "published",
		"heard_ms" } },
	{ "interfaces", { "name", "kind", "address", "mac", "up" } },
	/* vmagent */
	{ "vms", { "vm", "state", "generation", "eids", "peers", "xtrs" } },
	{ "moves",
	    { "sent_ms", "vm", "event", "generation", "peers", "xtrs" } },
	{ "lig", { "eid", "ttl_min", "action", "locators", "from", "rtt_ms" } },
};

/* --- text that grows --- */

struct text {
	char *s;
	size_t len, size;
};

__attribute__((format(printf, 2, 3))) static void
text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	for (;;) {
		va_start(ap, fmt);
		n = vsnprintf(
		    t->s ? t->s + t->len : NULL, t->size - t->len, fmt, ap);
		va_end(ap);
		if (n < 0)
			return;
		if ((size_t)n < t->size - t->len)
			break;
		t->size = (t->size + (size_t)n + 16) * 2;
		t->s = realloc(t->s, t->size);
		if (!t->s)
			abort();
	}
	t->len += (size_t)n;
}

/* Control characters as '?'. */
static void
text_clean(struct text *t)
{
	for (size_t i = 0; i < t->len; i++)
		if ((unsigned char)t->s[i] < 0x20 || t->s[i] == 0x7f)
			t->s[i] = '?';
}

/* Width on the screen: code points of UTF-8. */
static int
text_width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* --- cells --- */

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Whole numbers that end in _ms are times of day, 0 is never. */
static bool
is_wall(const char *name, const json_t *v)
{
	return has_suffix(name, "_ms") && !json_is_real(v);
}

static void
add_time(struct text *t, double ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char buf[40];

	localtime_r(&s, &tm);
	strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
	text_add(t, "%s.%03d", buf, (int)(ms - (double)s * 1000));
}

static void
add_number(struct text *t, const char *name, const json_t *v)
{
	double d = json_number_value(v);

	if (has_suffix(name, "_ms") && d >= WALL_MS_MIN)
		add_time(t, d);
	else if (is_wall(name, v) && d <= 0)
		text_add(t, "-"); /* never */
	else if (strcmp(name, "generation") == 0 || strcmp(name, "seen") == 0)
		text_add(t, d > 0 ? "%llx" : "-",
		    (unsigned long long)json_integer_value(v));
	else if (json_is_integer(v))
		text_add(t, "%lld", (long long)json_integer_value(v));
	else
		text_add(t, "%.1f", d);
}

/*
 * {"rloc":"192.0.2.1","priority":1,"weight":100} -> "192.0.2.1 (1/100)", what
 * "lcaf" it came in behind it.
 */
static void
add_locator(struct text *t, const char *rloc, const json_t *v)
{
	const json_t *reachable = json_object_get(v, "reachable");
	const json_t *used = json_object_get(v, "used");
	const char *lcaf = json_string_value(json_object_get(v, "lcaf"));

	text_add(t, "%s (%lld/%lld%s%s%s%s)", rloc,
	    (long long)json_integer_value(json_object_get(v, "priority")),
	    (long long)json_integer_value(json_object_get(v, "weight")),
	    json_is_false(reachable) ? ", down" : "",
	    json_is_false(used) ? ", not used" : "", lcaf ? ", of " : "",
	    lcaf ? lcaf : "");
}

static void add_value(struct text *t, const char *name, json_t *v);

static void
add_array(struct text *t, const char *name, const json_t *v)
{
	size_t n = json_array_size(v);

	for (size_t i = 0; i < n; i++) {
		text_add(t, "%s", i ? ", " : "");
		add_value(t, name, json_array_get(v, i));
	}
	if (n == 0)
		text_add(t, "-");
}

/* {"name":"a","acked":true,"late":false,"n":2} -> "a (acked, n 2)". */
static void
add_object(struct text *t, json_t *v)
{
	void *i = json_object_iter(v);
	const char *before = "(";
	bool open = false;

	if (i && json_is_string(json_object_iter_value(i))) {
		add_value(t, "", json_object_iter_value(i));
		before = " (";
		i = json_object_iter_next(v, i);
	}
	for (; i; i = json_object_iter_next(v, i)) {
		json_t *e = json_object_iter_value(i);

		if (json_is_null(e) || json_is_false(e))
			continue;
		text_add(t, "%s%s", before, json_object_iter_key(i));
		if (is_wall(json_object_iter_key(i), e))
			t->len -= 3; /* "acked_ms" */
		if (!json_is_true(e)) {
			text_add(t, " ");
			add_value(t, json_object_iter_key(i), e);
		}
		before = ", ";
		open = true;
	}
	text_add(t, "%s", open ? ")" : "");
}

static void
add_value(struct text *t, const char *name, json_t *v)
{
	const char *rloc = json_string_value(json_object_get(v, "rloc"));

	if (rloc) {
		add_locator(t, rloc, v);
	} else if (json_is_string(v)) {
		text_add(t, "%s", json_string_value(v));
	} else if (json_is_number(v)) {
		add_number(t, name, v);
	} else if (json_is_boolean(v)) {
		text_add(t, "%s", json_is_true(v) ? "yes" : "no");
	} else if (json_is_array(v)) {
		add_array(t, name, v);
	} else if (json_is_object(v)) {
		add_object(t, v);
	} else {
		text_add(t, "-"); /* null, or not in this row */
	}
}

static char *
cell(const char *name, json_t *v)
{
	struct text t = { 0 };

	add_value(&t, name, v);
	text_clean(&t);
	return t.s;
}

/* "changed_ms" -> "CHANGED", "ttl_s" -> "TTL S". */
static char *
heading(const char *name, const json_t *v)
{
	char *s = strdup(name);

	if (!s)
		abort();
	if (is_wall(name, v))
		s[strlen(s) - 3] = '\0';
	for (char *p = s; *p; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (*p == '_')
			*p = ' ';
	}
	return s;
}

/* --- tables --- */

struct column {
	const char *name;
	bool right; /* numbers */
	int width;
};

/* Adds the members of 'row' that are no columns yet; the new number. */
static size_t
add_columns(struct column out[COLUMNS_MAX], size_t n, json_t *row)
{
	for (void *i = json_object_iter(row); i && n < COLUMNS_MAX;
	     i = json_object_iter_next(row, i)) {
		size_t k = 0;

		while (k < n && strcmp(out[k].name, json_object_iter_key(i)))
			k++;
		if (k == n)
			out[n++].name = json_object_iter_key(i);
	}
	return n;
}

/* The columns to print; their number. */
static size_t
pick_columns(const char *table, const json_t *rows, bool wide,
    struct column out[COLUMNS_MAX])
{
	const size_t n_known = sizeof(columns) / sizeof(columns[0]);
	size_t known = wide ? n_known : 0, n = 0;

	while (known < n_known && strcmp(columns[known].table, table) != 0)
		known++;
	if (known < n_known)
		for (; n < 12 && columns[known].columns[n]; n++)
			out[n].name = columns[known].columns[n];
	else
		for (size_t i = 0; i < json_array_size(rows); i++)
			n = add_columns(out, n, json_array_get(rows, i));
	return n;
}

static void
print_cell(FILE *f, const struct column *c, const char *text, bool last)
{
	int blanks = c->width - text_width(text);

	if (c->right)
		fprintf(f, "%*s", blanks, "");
	fputs(text, f);
	if (!last)
		fprintf(f, "%*s", (c->right ? 0 : blanks) + GAP, "");
}

/* What sort of column it is. */
static const json_t *
first_value(const json_t *rows, const char *name)
{
	const json_t *v = NULL;

	for (size_t i = 0; i < json_array_size(rows) && !v; i++) {
		v = json_object_get(json_array_get(rows, i), name);
		if (json_is_null(v))
			v = NULL;
	}
	return v;
}

static void
print_table(FILE *f, const char *table, const json_t *rows, bool wide)
{
	struct column cols[COLUMNS_MAX] = { 0 };
	size_t n = pick_columns(table, rows, wide, cols);
	size_t n_rows = json_array_size(rows);
	char **cells = calloc((n_rows + 1) * n, sizeof(*cells));

	if (!cells)
		abort();
	for (size_t k = 0; k < n; k++) {
		const json_t *v = first_value(rows, cols[k].name);

		cols[k].right = json_is_number(v) && !is_wall(cols[k].name, v);
		cells[k] = heading(cols[k].name, v);
		cols[k].width = text_width(cells[k]);
		for (size_t i = 1; i <= n_rows; i++) {
			char *s = cell(cols[k].name,
			    json_object_get(
				json_array_get(rows, i - 1), cols[k].name));

			cells[i * n + k] = s;
			if (text_width(s) > cols[k].width)
				cols[k].width = text_width(s);
		}
	}
	for (size_t i = 0; i < (n_rows + 1) * n; i++) {
		print_cell(f, &cols[i % n], cells[i], i % n == n - 1);
		if (i % n == n - 1)
			putc('\n', f);
		free(cells[i]);
	}
	free(cells);
}

/* --- moves --- */

/* When the first step of that name was, or of any name if NULL; 0: never. */
static double
step_at(const json_t *steps, const char *name)
{
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);
		const char *step =
		    json_string_value(json_object_get(s, "step"));

		if (!name || (step && strcmp(step, name) == 0))
			return json_number_value(json_object_get(s, "at_ms"));
	}
	return 0;
}

static void
print_word(FILE *f, const json_t *row, const char *name, const char *tail)
{
	char *s = cell(name, json_object_get(row, name));

	fprintf(f, "%s%s", s, tail);
	free(s);
}

static void
print_step(FILE *f, const json_t *s, double zero)
{
	long long count = json_integer_value(json_object_get(s, "count"));
	char *peer = cell("peer", json_object_get(s, "peer"));
	char *step = cell("step", json_object_get(s, "step"));

	fprintf(f, "%+12.1f ms  ",
	    json_number_value(json_object_get(s, "at_ms")) - zero);
	if (strcmp(peer, "-") == 0)
		fputs(step, f);
	else
		fprintf(f, "%-12s  %s", step, peer);
	if (count > 1)
		fprintf(f, " (%lld times)", count);
	putc('\n', f);
	free(peer);
	free(step);
}

/*
 * Who went where, then the steps in ms: from the VM's arrival here, or, at the
 * site it left, from the hand-over.
 */
static void
print_move(FILE *f, const json_t *row)
{
	const json_t *steps = json_object_get(row, "steps");
	double zero = step_at(steps, "arrived");

	if (zero <= 0)
		zero = step_at(steps, "away");
	if (zero <= 0)
		zero = step_at(steps, NULL);
	print_word(f, row, "id", "  ");
	print_word(f, row, "eid", "  ");
	print_word(f, row, "from", " -> ");
	print_word(f, row, "to", "  ");
	print_word(f, row, "state", "");
	if (zero > 0) {
		struct text t = { 0 };

		add_time(&t, zero);
		fprintf(f, "  %s", t.s);
		free(t.s);
	}
	putc('\n', f);
	for (size_t i = 0; i < json_array_size(steps); i++)
		print_step(f, json_array_get(steps, i), zero);
}

/* Lines as they are. */
static void
print_text(FILE *f, const json_t *lines)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		char *s = cell("text", json_array_get(lines, i));

		fprintf(f, "%s\n", s);
		free(s);
	}
}

void
print_rows(FILE *f, const char *table, const json_t *rows, bool wide)
{
	const json_t *first = json_array_get(rows, 0);
	bool has_steps = json_object_get(first, "steps");
	const char *yaml = json_string_value(json_object_get(first, "yaml"));

	if (!first)
		return;
	if (strcmp(table, "explain") == 0)
		print_text(f, json_object_get(first, "text"));
	else if (strcmp(table, "moves") == 0 && has_steps)
		for (size_t i = 0; i < json_array_size(rows); i++)
			print_move(f, json_array_get(rows, i));
	else if (yaml)
		fputs(yaml, f);
	else
		print_table(f, table, rows, wide);
}
