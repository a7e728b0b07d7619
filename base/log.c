/* Past 2038 also where time_t has 32 bits otherwise (armhf). Before any header. */
#define _TIME_BITS 64

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/rfc3339.h"

#define LINE_MAX_BYTES 1024

/* Stand around values while the line is being made; they are never written. */
#define VALUE_BEGIN '\x01'
#define VALUE_END '\x02'

static const struct {
	enum log_level level;
	const char *name;
} levels[] = {
	{LOG_LEVEL_ERROR, "error"}, {LOG_LEVEL_WARNING, "warning"}, {LOG_LEVEL_NOTICE, "notice"},
	{LOG_LEVEL_INFO, "info"},   {LOG_LEVEL_DEBUG, "debug"},
};
#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

/* The one process-wide object, see log.h: written by log_init() before threads start. */
static struct {
	const char *program;
	enum log_level level;
	bool journal;
} logger = {.program = "freshet", .level = LOG_LEVEL_INFO};

/* Is stderr the socket that journald gave us? sd_journal documents JOURNAL_STREAM=device:inode. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char *end;

	if (!stream)
		return false;
	errno = 0;
	device = strtoull(stream, &end, 10);
	if (errno || end == stream || *end != ':')
		return false;
	stream = end + 1;
	inode = strtoull(stream, &end, 10);
	if (errno || end == stream || *end != '\0')
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *program, enum log_level level)
{
	logger.program = program;
	logger.level = level;
	logger.journal = stderr_is_journal();
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < N_LEVELS; i++) {
		if (!strcmp(text, levels[i].name)) {
			*ret_level = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

int log_enabled(enum log_level level)
{
	return level <= logger.level;
}

static const char *level_name(enum log_level level)
{
	for (size_t i = 0; i < N_LEVELS; i++) {
		if (levels[i].level == level)
			return levels[i].name;
	}
	return "log";
}

/* A line that is being made; what does not fit is cut and remembered. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut;
};

static void put(struct line *line, const char *data, size_t len)
{
	/* The last byte belongs to the newline. */
	size_t room = sizeof(line->text) - 1 - line->len;

	if (len > room) {
		len = room;
		line->cut = true;
	}
	memcpy(line->text + line->len, data, len);
	line->len += len;
}

/* Control characters would let a value forge lines; they are shown as \xNN. */
static void put_safe(struct line *line, char c)
{
	char escaped[5];

	if (c == '\n') {
		put(line, "\\n", 2);
	} else if ((unsigned char)c < ' ' || c == '\x7f') {
		snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned)(unsigned char)c);
		put(line, escaped, 4);
	} else {
		put(line, &c, 1);
	}
}

static void put_quoted(struct line *line, const char *value, size_t len)
{
	put(line, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		if (value[i] == '"' || value[i] == '\\')
			put(line, "\\", 1);
		put_safe(line, value[i]);
	}
	put(line, "\"", 1);
}

static void put_value(struct line *line, const char *value, size_t len)
{
	bool plain = len > 0;

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)value[i] <= ' ' || strchr("\"=\\\x7f", value[i]))
			plain = false;
	}
	if (plain)
		put(line, value, len);
	else
		put_quoted(line, value, len);
}

/* Length of a `%s` conversion at `spec`, with its flags, width and precision; 0 for another one. */
static size_t string_conversion(const char *spec)
{
	size_t n = 1 + strspn(spec + 1, "-0123456789.*");

	return spec[n] == 's' ? n + 1 : 0;
}

/* Copies `fmt` with marks around the `%s` of each `key=%s`. Returns how many, or -1 when `out` is too
 * small. */
static int mark_values(const char *fmt, char *out, size_t size)
{
	size_t len = 0;
	int marks = 0;

	while (*fmt) {
		size_t n = fmt[0] == '=' && fmt[1] == '%' ? string_conversion(fmt + 1) : 0;

		if (len + n + 4 > size)
			return -1;
		out[len++] = *fmt++;
		if (!n)
			continue;
		out[len++] = VALUE_BEGIN;
		memcpy(out + len, fmt, n);
		len += n;
		fmt += n;
		out[len++] = VALUE_END;
		marks++;
	}
	out[len] = '\0';
	return marks;
}

static int count_char(const char *text, char c)
{
	int n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* Appends a formatted message whose values stand between marks. `marks` is how many there should be:
 * when an argument smuggled marks in, nothing in the message can be told apart, and it is quoted as
 * a whole. */
static void put_message(struct line *line, const char *text, int marks, bool whole)
{
	if (count_char(text, VALUE_BEGIN) > marks || count_char(text, VALUE_END) > marks) {
		put(line, "msg=", 4);
		put_quoted(line, text, strlen(text));
		return;
	}
	while (*text) {
		const char *end;

		if (*text != VALUE_BEGIN) {
			put_safe(line, *text++);
			continue;
		}
		text++;
		end = strchr(text, VALUE_END);
		if (!end)
			end = text + strlen(text); /* cut off by the buffer */
		put_value(line, text, (size_t)(end - text));
		text = *end ? end + 1 : end;
	}
	if (!whole)
		line->cut = true;
}

static void put_prefix(struct line *line, enum log_level level)
{
	char prefix[96];
	char when[RFC3339_SIZE];
	struct timespec now;

	if (logger.journal) {
		snprintf(prefix, sizeof(prefix), "<%d>", (int)level);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		rfc3339_format((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, when);
		snprintf(prefix, sizeof(prefix), "%s %s %.40s: ", when, level_name(level),
			 logger.program);
	}
	put(line, prefix, strlen(prefix));
}

/* One write(2) a line, so that lines of several threads do not mix. A log that cannot be written has
 * nowhere to say so. */
static void write_line(struct line *line)
{
	if (line->cut) {
		/* Do not leave half of a UTF-8 character in front of the dots. */
		if (line->len > sizeof(line->text) - 4)
			line->len = sizeof(line->text) - 4;
		while ((line->text[line->len] & 0xc0) == 0x80)
			line->len--;
		line->cut = false;
		put(line, "...", 3);
	}
	line->text[line->len++] = '\n';
	while (write(STDERR_FILENO, line->text, line->len) < 0 && errno == EINTR)
		;
}

/* The format is the caller's literal with marks put in; the compiler has checked it there. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int format_marked(char *out, size_t size, const char *fmt, va_list args)
{
	return vsnprintf(out, size, fmt, args);
}
#pragma GCC diagnostic pop

void log_write(enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	struct line line = {.len = 0};
	char message[LINE_MAX_BYTES + 64];
	char marked[512];
	int marks = mark_values(fmt, marked, sizeof(marked));
	va_list args;
	int n;

	put_prefix(&line, level);
	va_start(args, fmt);
	n = format_marked(message, sizeof(message), marks < 0 ? fmt : marked, args);
	va_end(args);
	if (n < 0)
		snprintf(message, sizeof(message), "unprintable log message");
	put_message(&line, message, marks < 0 ? 0 : marks, n < (int)sizeof(message));
	write_line(&line);
	errno = saved_errno;
}
