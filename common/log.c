/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - lines to stderr.
 *
 * Called from everywhere, worker threads included: a line is built on the stack
 * and leaves with one write(2), so that lines of two threads do not mix.  What a
 * remote sent may be part of the text, so control characters are replaced: a
 * packet must not be able to forge a second line.
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_SIZE = 2048, LIMIT_INTERVAL_MS = 1000 };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* Of sd-daemon(3): what the journal files the line under. */
static const char *const journal_prefixes[] = {
	[LOG_LEVEL_ERROR] = "<3>",
	[LOG_LEVEL_WARNING] = "<4>",
	[LOG_LEVEL_INFO] = "<6>",
	[LOG_LEVEL_DEBUG] = "<7>",
};

/* The tree's only mutable global; read by workers too. */
static _Atomic enum log_level level = LOG_LEVEL_INFO;

/* True if stderr is the journal's stream: "device:inode", systemd.exec(5). */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char *end;
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	if (strtoull(stream, &end, 10) != st.st_dev || *end != ':')
		return false;
	return strtoull(end + 1, &end, 10) == st.st_ino && *end == '\0';
}

/* Writes the start of a line into 'buf' and returns its length. */
static size_t
line_start(char *buf, size_t size, enum log_level l)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	if (stderr_is_journal())
		return (size_t)snprintf(buf, size, "%s", journal_prefixes[l]);

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return n +
	    (size_t)snprintf(buf + n, size - n, ".%03ldZ %s ",
		ts.tv_nsec / 1000000, level_names[l]);
}

static void
write_all(const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody left to tell */
		buf += n;
		len -= (size_t)n;
	}
}

void
log_level_set(enum log_level l)
{
	atomic_store_explicit(&level, l, memory_order_relaxed);
}

bool
log_enabled(enum log_level l)
{
	return l <= atomic_load_explicit(&level, memory_order_relaxed);
}

bool
log_level_parse(const char *text, enum log_level *out)
{
	for (unsigned l = LOG_LEVEL_ERROR; l <= LOG_LEVEL_DEBUG; l++)
		if (strcmp(text, level_names[l]) == 0) {
			*out = (enum log_level)l;
			return true;
		}
	return false;
}

void
log_line(enum log_level l, const char *subsystem, const char *fmt, ...)
{
	char buf[LINE_MAX_SIZE];
	size_t room = sizeof(buf) - 1, n; /* 1 for the newline */
	int saved = errno;
	va_list ap;

	if (!log_enabled(l))
		return;

	n = line_start(buf, room, l);
	n += (size_t)snprintf(buf + n, room - n, "%s: ", subsystem);
	if (n < room) {
		va_start(ap, fmt);
		n += (size_t)vsnprintf(buf + n, room - n, fmt, ap);
		va_end(ap);
	}
	if (n >= room) {
		n = room - 1;
		memcpy(buf + n - 3, "...", 3);
	}
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = '?';
	buf[n++] = '\n';
	write_all(buf, n);
	errno = saved;
}

bool
log_allowed(struct log_limit *limit, struct mono now, uint32_t *suppressed)
{
	if (mono_before(now, limit->next)) {
		if (limit->suppressed < UINT32_MAX)
			limit->suppressed++;
		return false;
	}
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	limit->next = mono_add_ms(now, LIMIT_INTERVAL_MS);
	return true;
}
