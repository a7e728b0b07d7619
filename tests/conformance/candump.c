#include "tests/conformance/candump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 256
#define DIGITS_29 8

bool candump_frame_parse(const char *text, struct candump_frame *ret)
{
	struct candump_frame frame = {0};
	const char *hash = strchr(text, '#');
	char *end = NULL;

	if (!hash)
		return false;
	frame.id = (uint32_t)strtoul(text, &end, 16);
	frame.extended = hash - text == DIGITS_29;
	if (end != hash || end == text ||
	    !conform_hex_bytes(hash + 1, frame.data, sizeof(frame.data), &frame.len))
		return false;
	*ret = frame;
	return true;
}

static bool parse_line(const char *line, struct candump_frame *ret)
{
	const char *hash = strchr(line, '#');
	const char *id = hash;
	struct candump_frame frame;
	char *end = NULL;
	double t;

	if (line[0] != '(' || !hash)
		return false;
	t = strtod(line + 1, &end);
	if (end == line + 1 || *end != ')')
		return false;
	while (id > line && id[-1] != ' ')
		id--;
	if (!candump_frame_parse(id, &frame))
		return false;
	frame.t = t;
	*ret = frame;
	return true;
}

/* The path in the folder, or beside the file that names it. */
static FILE *open_log(const struct conform_run *run, const char *log)
{
	const char *slash = strrchr(run->file, '/'), *base = strrchr(log, '/');
	const int folder = slash ? (int)(slash - run->file) + 1 : 0;
	char path[8192];
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/%s", run->options->folder, log);
	in = fopen(path, "r");
	if (in)
		return in;
	(void)snprintf(path, sizeof(path), "%s/%.*s%s", run->options->folder, folder, run->file,
		       base ? base + 1 : log);
	return fopen(path, "r");
}

static int read_lines(FILE *in, const char *log,
		      int (*take)(void *arg, const struct candump_frame *frame), void *arg)
{
	char line[LINE_SIZE];
	int number = 0, err = 0;

	while (!err && fgets(line, sizeof(line), in)) {
		struct candump_frame frame;

		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (!line[0])
			continue;
		err = parse_line(line, &frame) ? take(arg, &frame) : -EINVAL;
		if (err)
			(void)fprintf(stderr, "%s:%d: expected a frame as candump -L writes it\n",
				      log, number);
	}
	return !err && ferror(in) ? -EIO : err;
}

int candump_read(const struct conform_run *run, const char *log,
		 int (*take)(void *arg, const struct candump_frame *frame), void *arg)
{
	FILE *in = open_log(run, log);
	int err;

	if (!in)
		return conform_bad(run, NULL, "%s: %s", log, strerror(errno));
	err = read_lines(in, log, take, arg);
	(void)fclose(in);
	return err;
}
