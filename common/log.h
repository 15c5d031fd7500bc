/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/*
 * log.h - one line per fact: "subsystem: text".
 *
 * error: needs a human; warning: lost something; info: state changed; debug:
 * the rest.  To stderr with a time stamp, or in systemd's "<3>" form when
 * stderr is the journal ($JOURNAL_STREAM).  Never a key or a MAC value.  The
 * level is the tree's only mutable global.
 */
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

void log_level_set(enum log_level);
bool log_enabled(enum log_level);
/* "error", "warning", "info", "debug" -> level; false if none of them. */
bool log_level_parse(const char *text, enum log_level *out);

__attribute__((format(printf, 3, 4))) void
log_line(enum log_level, const char *subsystem, const char *fmt, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) \
	do { \
		if (log_enabled(LOG_LEVEL_DEBUG)) \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

/*
 * For what a remote can trigger: at most one line a second per limit; says how
 * many it kept back.  True: log now, '*suppressed' lines went unsaid before.
 */
struct log_limit {
	struct mono next;
	uint32_t suppressed;
};
bool log_allowed(struct log_limit *, struct mono now, uint32_t *suppressed);

#endif
