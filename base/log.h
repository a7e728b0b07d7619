/* Leveled, structured logging to stderr for main-level code.
 *
 * Library code below the mains returns reasons and never logs. The logger is the one process-wide
 * object of Freshet: its level is set once by main before threads start, and a line is written
 * with a single write(2), so any thread may log.
 *
 * Lines are `message key=value ...`; when journald listens on stderr (JOURNAL_STREAM) each line
 * starts with the sd-daemon priority `<n>` and carries no time of its own, else with the wall time
 * in UTC. The values of `key=%s` are quoted when they hold spaces, quotes, backslashes, "=" or
 * nothing; control characters are shown as \n or \xNN everywhere, so that no value can forge a
 * line. errno is kept. Secrets must never be passed; VINs go through
 * vin_mask().
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/* Priorities are those of syslog(3) and sd-daemon(3). */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Sets the program's name and the most verbose level that is written. Call once, before threads. */
void log_init(const char *program, enum log_level level);

/* Parses "error", "warning", "notice", "info" or "debug". Returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level);

/* Writes one line of at most 1,024 bytes (longer ones end in "..."). Use the macros. */
__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *fmt, ...);

/* True where a line of this level would be written. */
int log_enabled(enum log_level level);

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(level, __VA_ARGS__);                                             \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
