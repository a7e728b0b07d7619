/* A recording of a GPS receiver and the fixes in it: {file, fixes: [{time, lat, lon, rmc_agrees}],
 * expect_no_fix}. Each fix whose rmc_agrees is true must come out, to the millisecond and within 2e-6
 * degrees; the others are no cases. A fix of a moment for which no RMC and no GGA of the recording says
 * that it is valid is invented, and so is every one where none is expected.
 *
 * A case is a fix. Dates before 2000 are moved by whole rollovers of the week number. `file` is a path
 * in the folder, or beside the list.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/nmea.h"
#include "base/rfc3339.h"
#include "tests/conformance/conformance.h"

#define FLOOR_MS INT64_C(946684800000) /* 2000-01-01 */
#define FIXES_MAX 100000
#define SAME_DEGREES 2e-6
#define DAY_MS INT64_C(86400000)

struct given {
	struct nmea_fix *fixes; /* owned */
	size_t count, room;
	/* For each millisecond of the day a bit: is it claimed to be valid? */
	uint8_t *valid; /* owned */
};

static int keep(struct given *given, const struct nmea_fix *fix)
{
	struct nmea_fix *fixes = given->fixes;

	if (given->count == FIXES_MAX)
		return -EFBIG;
	if (given->count == given->room) {
		const size_t room = given->room ? 2 * given->room : 256;

		fixes = realloc(fixes, room * sizeof(*fixes));
		if (!fixes)
			return -ENOMEM;
		given->fixes = fixes;
		given->room = room;
	}
	given->fixes[given->count++] = *fix;
	return 0;
}

/* ---- what a recording claims, read without the parser that is judged ---- */

/* The field `index` of a sentence, up to its comma. */
static const char *field_of(const char *line, int index)
{
	for (; index && line; index--) {
		line = strchr(line, ',');
		line = line ? line + 1 : NULL;
	}
	return line;
}

/* hhmmss, hhmmss.sss; -1 where it is none. */
static int64_t time_of_day(const char *text)
{
	double number;
	char *end;
	int64_t whole;

	if (!text)
		return -1;
	number = strtod(text, &end);
	if (end == text || !(number >= 0) || number >= 240000)
		return -1;
	whole = (int64_t)number;
	return (whole / 10000 * 3600 + whole / 100 % 100 * 60 + whole % 100) * 1000 +
	       (int64_t)floor((number - (double)whole) * 1000 + 0.01);
}

static void note_claim(struct given *given, const char *line)
{
	const char *start = strrchr(line, '$');
	const char *word;
	int64_t ms;
	bool valid = false;

	if (!start || strlen(start) < 7)
		return;
	if (strncmp(start + 3, "RMC,", 4) == 0) {
		word = field_of(start, 2);
		valid = word && word[0] == 'A';
	} else if (strncmp(start + 3, "GGA,", 4) == 0) {
		word = field_of(start, 6);
		valid = word && word[0] >= '1' && word[0] <= '9';
	}
	ms = time_of_day(field_of(start, 1));
	if (valid && ms >= 0 && ms < DAY_MS)
		given->valid[ms / 8] |= (uint8_t)(1U << (ms % 8));
}

static bool is_claimed(const struct given *given, const struct nmea_fix *fix)
{
	const int64_t ms = fix->time_ms % DAY_MS;

	return ms >= 0 && (given->valid[ms / 8] >> (ms % 8) & 1);
}

/* ---- the recording ---- */

static int read_recording(FILE *in, struct given *given)
{
	struct nmea nmea;
	struct nmea_fix fix;
	char line[1024];
	size_t len = 0;
	int c, err = 0;

	nmea_init(&nmea, FLOOR_MS);
	while (!err && (c = fgetc(in)) != EOF) {
		if (nmea_feed(&nmea, (uint8_t)c, &fix) == NMEA_FIX)
			err = keep(given, &fix);
		if (c == '\n' || c == '\r' || len + 1 == sizeof(line)) {
			line[len] = '\0';
			note_claim(given, line);
			len = 0;
		} else if (c) {
			line[len++] = (char)c;
		}
	}
	if (!err && nmea_flush(&nmea, &fix) == NMEA_FIX)
		err = keep(given, &fix);
	return !err && ferror(in) ? -EIO : err;
}

static FILE *open_recording(const struct conform_run *run, const char *file)
{
	const char *slash = strrchr(run->file, '/'), *base = strrchr(file, '/');
	const int folder = slash ? (int)(slash - run->file) + 1 : 0;
	char path[8192];
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/%s", run->options->folder, file);
	in = fopen(path, "r");
	if (in)
		return in;
	(void)snprintf(path, sizeof(path), "%s/%.*s%s", run->options->folder, folder, run->file,
		       base ? base + 1 : file);
	return fopen(path, "r");
}

/* ---- the judgement ---- */

static bool is_there(const struct nmea_fix *fix, double latitude, double longitude)
{
	return fabs(fix->latitude - latitude) <= SAME_DEGREES &&
	       fabs(fix->longitude - longitude) <= SAME_DEGREES;
}

static int judge_fix(struct conform_run *run, const struct given *given,
		     const struct jr_value *expected)
{
	const char *time = conform_need_text(run, expected, "time");
	const struct nmea_fix *found = NULL;
	double latitude, longitude;
	int64_t ms;

	if (!time)
		return -EINVAL;
	if (rfc3339_parse(time, strlen(time), &ms) ||
	    !jr_number(jr_get(expected, "lat"), &latitude) ||
	    !jr_number(jr_get(expected, "lon"), &longitude))
		return conform_bad(run, expected, "expected \"time\", \"lat\" and \"lon\"");
	for (size_t i = 0; i < given->count; i++)
		if (given->fixes[i].time_ms == ms &&
		    (!found || is_there(&given->fixes[i], latitude, longitude)))
			found = &given->fixes[i];
	if (!found)
		conform_withheld(run, "%s: no fix", time);
	else if (!is_there(found, latitude, longitude))
		conform_wrong(run, "%s: %.7f %.7f, expected %.7f %.7f", time, found->latitude,
			      found->longitude, latitude, longitude);
	else
		conform_right(run);
	return 0;
}

static int judge(struct conform_run *run, const struct given *given, const struct jr_value *row)
{
	const struct jr_value *fixes = jr_get(row, "fixes");
	bool none = false, agrees;
	int err = 0;

	(void)jr_bool(jr_get(row, "expect_no_fix"), &none);
	for (size_t i = 0; i < given->count; i++)
		if (none || !is_claimed(given, &given->fixes[i]))
			conform_wrong(run, "a fix at %lld ms where none may be",
				      (long long)given->fixes[i].time_ms);
	for (size_t i = 0; !err && i < jr_count(fixes); i++) {
		agrees = false;
		(void)jr_bool(jr_get(jr_at(fixes, i), "rmc_agrees"), &agrees);
		if (agrees)
			err = judge_fix(run, given, jr_at(fixes, i));
	}
	return err;
}

int conform_nmea(struct conform_run *run, const struct jr_value *row)
{
	const char *file = conform_need_text(run, row, "file");
	struct given given = {0};
	FILE *in = NULL;
	int err = -EINVAL;

	if (!file)
		return -EINVAL;
	given.valid = calloc(DAY_MS / 8, 1);
	if (!given.valid)
		return -ENOMEM;
	in = open_recording(run, file);
	if (!in) {
		err = conform_bad(run, NULL, "%s: %s", file, strerror(errno));
		goto out;
	}
	err = read_recording(in, &given);
	(void)fclose(in);
	if (!err)
		err = judge(run, &given, row);
out:
	free(given.fixes);
	free(given.valid);
	return err;
}
