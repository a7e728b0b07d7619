#include "agent/protocol/nmea.h"

#include <string.h>

#define FIELDS_MAX 32
#define DAY_MS INT64_C(86400000)
#define ROLLOVER_DAYS INT64_C(7168) /* 1024 weeks */
#define KMH_PER_KNOT 1.852

double nmea_accuracy_m(const struct nmea_fix *fix)
{
	return fix->has_hdop ? fix->hdop * NMEA_METRES_PER_HDOP : 0;
}

/* ---- fields ---- */

/* A sentence's fields, split at commas; each is NUL-terminated. */
struct fields {
	char *at[FIELDS_MAX];
	size_t count;
};

static const char *field(const struct fields *fields, size_t index)
{
	return index < fields->count ? fields->at[index] : "";
}

static void split(char *text, struct fields *ret)
{
	ret->count = 0;
	for (;;) {
		char *comma = strchr(text, ',');

		ret->at[ret->count++] = text;
		if (!comma || ret->count == FIELDS_MAX)
			return;
		*comma = '\0';
		text = comma + 1;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly `digits` digits. */
static bool take_digits(const char **text, int digits, int *ret)
{
	int value = 0;

	for (int i = 0; i < digits; i++, (*text)++) {
		if (!is_digit(**text))
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret = value;
	return true;
}

/* Digits, a point, digits; a sign where `sign` allows it. At most 15 digits are weighed. */
static bool parse_decimal(const char *text, bool sign, double *ret)
{
	const bool negative = sign && *text == '-';
	double value = 0;
	double scale = 1;
	int digits = 0;
	bool fraction = false;

	for (text += negative; *text; text++) {
		if (*text == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (!is_digit(*text))
			return false;
		if (++digits > 15)
			continue;
		value = value * 10 + (*text - '0');
		if (fraction)
			scale *= 10;
	}
	if (!digits || (digits > 15 && !fraction))
		return false;
	*ret = (negative ? -value : value) / scale;
	return true;
}

/* An optional field: absent is no mistake. */
static bool parse_optional(const char *text, bool sign, bool *ret_has, double *ret)
{
	*ret_has = false;
	if (!*text)
		return true;
	*ret_has = parse_decimal(text, sign, ret);
	return *ret_has;
}

/* hhmmss, hhmmss.sss; a leap second counts into the next minute. */
static bool parse_time(const char *text, int32_t *ret_ms)
{
	int hours, minutes, seconds;
	int ms = 0;

	if (!take_digits(&text, 2, &hours) || !take_digits(&text, 2, &minutes) ||
	    !take_digits(&text, 2, &seconds) || hours > 23 || minutes > 59 || seconds > 60)
		return false;
	if (*text == '.')
		for (int weight = 100; is_digit(*++text); weight /= 10)
			ms += (*text - '0') * weight;
	if (*text)
		return false;
	*ret_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
	return true;
}

/* ddmm.mmmm with `degrees` digits of degrees, and the letter of its hemisphere. */
static bool parse_angle(const char *text, int degrees, const char *hemisphere,
			const char letters[2], double *ret)
{
	double minutes;
	int whole;

	if (!take_digits(&text, degrees, &whole) || !parse_decimal(text, false, &minutes) ||
	    minutes >= 60 || !hemisphere[0] || hemisphere[1])
		return false;
	*ret = whole + minutes / 60;
	if (*ret > (degrees == 2 ? 90 : 180))
		return false;
	if (hemisphere[0] == letters[1])
		*ret = -*ret;
	return hemisphere[0] == letters[0] || hemisphere[0] == letters[1];
}

static bool parse_position(const struct fields *fields, size_t first, struct nmea_fix *fix)
{
	return parse_angle(field(fields, first), 2, field(fields, first + 1), "NS",
			   &fix->latitude) &&
	       parse_angle(field(fields, first + 2), 3, field(fields, first + 3), "EW",
			   &fix->longitude);
}

/* ---- dates ---- */

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted from 0000-03-01, so that the
 * leap day ends a year (H. Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_of(int year, int month, int day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = y / 400;
	const int64_t of_era = y - era * 400;
	const int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool date_is_real(int year, int month, int day)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month >= 1 && month <= 12 && day >= 1 &&
	       day <= lengths[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* The day, moved over the floor by whole rollovers of the week number. */
static bool take_date(struct nmea *nmea, int year, int month, int day, int32_t time_ms)
{
	int64_t days;

	if (!date_is_real(year, month, day))
		return false;
	days = days_of(year, month, day);
	if (days < nmea->floor_day)
		days += (nmea->floor_day - days + ROLLOVER_DAYS - 1) / ROLLOVER_DAYS *
			ROLLOVER_DAYS;
	nmea->day = days;
	nmea->day_time_ms = time_ms;
	nmea->has_day = true;
	return true;
}

/* ddmmyy; GPS began in 1980. */
static bool take_short_date(struct nmea *nmea, const char *text, int32_t time_ms)
{
	int day, month, year;

	if (!take_digits(&text, 2, &day) || !take_digits(&text, 2, &month) ||
	    !take_digits(&text, 2, &year) || *text)
		return false;
	return take_date(nmea, year < 80 ? 2000 + year : 1900 + year, month, day, time_ms);
}

/* ---- epochs ---- */

/* What is known of the moment is given once. */
static enum nmea_event tell(struct nmea *nmea, struct nmea_fix *ret_fix)
{
	struct nmea_epoch *epoch = &nmea->epoch;

	/* A position without a date waits for one: RMC may follow. */
	if (epoch->told || epoch->time_of_day_ms < 0 || (epoch->valid && !epoch->has_day))
		return NMEA_NOTHING;
	epoch->told = true;
	if (!epoch->valid)
		return NMEA_NO_FIX;
	epoch->fix.time_ms = epoch->day * DAY_MS + epoch->time_of_day_ms;
	*ret_fix = epoch->fix;
	return NMEA_FIX;
}

/* Begins the moment of a sentence where it is another one; what was held back of the one before is
 * told. */
static enum nmea_event enter(struct nmea *nmea, int32_t time_ms, struct nmea_fix *ret_fix)
{
	struct nmea_epoch *epoch = &nmea->epoch;
	enum nmea_event event;

	if (epoch->time_of_day_ms == time_ms)
		return NMEA_NOTHING;
	event = tell(nmea, ret_fix);
	if (epoch->time_of_day_ms >= 0) {
		nmea->sends_rmc = epoch->has_rmc;
		nmea->sends_gga = epoch->has_gga;
	}
	memset(epoch, 0, sizeof(*epoch));
	epoch->time_of_day_ms = time_ms;
	return event;
}

static enum nmea_event tell_if_whole(struct nmea *nmea, struct nmea_fix *ret_fix)
{
	const struct nmea_epoch *epoch = &nmea->epoch;

	if ((nmea->sends_rmc && !epoch->has_rmc) || (nmea->sends_gga && !epoch->has_gga))
		return NMEA_NOTHING;
	return tell(nmea, ret_fix);
}

/* GGA has no date: that of the last dated sentence, or the day after where midnight has passed. */
static void date_epoch(struct nmea *nmea)
{
	struct nmea_epoch *epoch = &nmea->epoch;

	if (!nmea->has_day)
		return;
	epoch->day = nmea->day + (epoch->time_of_day_ms < nmea->day_time_ms ? 1 : 0);
	epoch->has_day = true;
}

/* ---- sentences; false where a field is not what it must be ---- */

/* RMC: 1 time, 2 status, 3-6 position, 7 speed in knots, 8 track, 9 date, 12 mode (since 2.3). */
static bool read_rmc(struct nmea *nmea, const struct fields *fields)
{
	struct nmea_epoch *epoch = &nmea->epoch;
	const char mode = field(fields, 12)[0];
	struct nmea_fix fix = epoch->fix;
	double knots = 0;

	epoch->has_rmc = true;
	epoch->valid = false;
	if (strcmp(field(fields, 2), "A") != 0 || (mode && !strchr("ADFPR", mode)))
		return true;
	if (!parse_position(fields, 3, &fix) ||
	    !parse_optional(field(fields, 7), false, &fix.has_speed, &knots) ||
	    !parse_optional(field(fields, 8), false, &fix.has_track, &fix.track_deg) ||
	    !take_short_date(nmea, field(fields, 9), epoch->time_of_day_ms))
		return false;
	fix.has_track = fix.has_track && fix.track_deg <= 360;
	fix.speed_kmh = knots * KMH_PER_KNOT;
	epoch->fix = fix;
	epoch->day = nmea->day;
	epoch->has_day = true;
	epoch->valid = true;
	return true;
}

/* GGA: 1 time, 2-5 position, 6 quality, 7 satellites, 8 HDOP, 9 altitude. */
static bool read_gga(struct nmea *nmea, const struct fields *fields)
{
	struct nmea_epoch *epoch = &nmea->epoch;
	const char *quality = field(fields, 6);
	struct nmea_fix fix = epoch->fix;
	double satellites = 0;
	bool counted;

	epoch->has_gga = true;
	/* 6 estimated, 7 set by hand, 8 simulated. */
	if (!quality[0] || quality[1] || !strchr("123459", quality[0]))
		return true;
	if (!parse_position(fields, 2, &fix) ||
	    !parse_optional(field(fields, 7), false, &counted, &satellites) ||
	    !parse_optional(field(fields, 8), false, &fix.has_hdop, &fix.hdop) ||
	    !parse_optional(field(fields, 9), true, &fix.has_altitude, &fix.altitude_m))
		return false;
	/* Receivers say 99.99 where they do not know. */
	fix.has_hdop = fix.has_hdop && fix.hdop > 0 && fix.hdop < 99;
	fix.satellites = (uint8_t)(satellites < 255 ? satellites : 255);
	if (epoch->has_rmc) {
		/* RMC's position stands; GGA completes it. */
		fix.latitude = epoch->fix.latitude;
		fix.longitude = epoch->fix.longitude;
	}
	epoch->fix = fix;
	if (!epoch->has_rmc) {
		epoch->valid = true;
		date_epoch(nmea);
	}
	return true;
}

/* ZDA: 1 time, 2 day, 3 month, 4 year. */
static bool read_zda(struct nmea *nmea, const struct fields *fields, int32_t time_ms)
{
	const char *day_text = field(fields, 2);
	const char *month_text = field(fields, 3);
	const char *year_text = field(fields, 4);
	int day, month, year;

	if (!*day_text && !*month_text && !*year_text)
		return true; /* not known yet */
	return take_digits(&day_text, 2, &day) && take_digits(&month_text, 2, &month) &&
	       take_digits(&year_text, 4, &year) && year >= 1980 &&
	       take_date(nmea, year, month, day, time_ms);
}

static enum nmea_event read_timed(struct nmea *nmea, const char *type, const struct fields *fields,
				  struct nmea_fix *ret_fix)
{
	enum nmea_event event;
	int32_t time_ms;
	bool good;

	if (!field(fields, 1)[0])
		return NMEA_NO_FIX; /* a receiver that does not know the time knows no place */
	if (!parse_time(field(fields, 1), &time_ms)) {
		nmea->counts.malformed++;
		return NMEA_NOTHING;
	}
	if (strcmp(type, "ZDA") == 0) {
		nmea->counts.malformed += !read_zda(nmea, fields, time_ms);
		return NMEA_NOTHING;
	}
	event = enter(nmea, time_ms, ret_fix);
	good = strcmp(type, "RMC") == 0 ? read_rmc(nmea, fields) : read_gga(nmea, fields);
	if (!good) {
		nmea->counts.malformed++;
		return event;
	}
	/* One event a sentence: the moment before first, this one with its next sentence. */
	return event != NMEA_NOTHING ? event : tell_if_whole(nmea, ret_fix);
}

/* ---- lines ---- */

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The line without '$': text, '*', two hex digits. Cuts it at the '*'. */
static bool checksum_is_right(char *line, size_t len)
{
	uint8_t sum = 0;
	int high, low;

	if (len < 3 || line[len - 3] != '*')
		return false;
	for (size_t i = 0; i < len - 3; i++)
		sum ^= (uint8_t)line[i];
	high = hex_digit(line[len - 2]);
	low = hex_digit(line[len - 1]);
	if (high < 0 || low < 0 || sum != high * 16 + low)
		return false;
	line[len - 3] = '\0';
	return true;
}

static enum nmea_event take_line(struct nmea *nmea, struct nmea_fix *ret_fix)
{
	struct fields fields;
	const char *type;

	/* Some receivers pad their lines. */
	while (nmea->len && nmea->line[nmea->len - 1] == ' ')
		nmea->len--;
	nmea->line[nmea->len] = '\0';
	if (!checksum_is_right(nmea->line, nmea->len)) {
		nmea->counts.bad_checksum++;
		return NMEA_NOTHING;
	}
	nmea->counts.sentences++;
	split(nmea->line, &fields);
	/* Two letters of the talker (GP, GN, GL, GA, GB, BD, QZ ...), three of the sentence. */
	if (strlen(fields.at[0]) != 5 || fields.at[0][0] == 'P')
		return NMEA_NOTHING;
	type = fields.at[0] + 2;
	if (strcmp(type, "RMC") != 0 && strcmp(type, "GGA") != 0 && strcmp(type, "ZDA") != 0)
		return NMEA_NOTHING;
	return read_timed(nmea, type, &fields, ret_fix);
}

void nmea_init(struct nmea *nmea, int64_t floor_ms)
{
	memset(nmea, 0, sizeof(*nmea));
	nmea->floor_day = floor_ms / DAY_MS;
	nmea->epoch.time_of_day_ms = -1;
}

enum nmea_event nmea_feed(struct nmea *nmea, uint8_t byte, struct nmea_fix *ret_fix)
{
	if (byte == '$') {
		/* A '$' begins a sentence wherever it comes: what was before it was cut. */
		if (nmea->in_sentence && nmea->len)
			nmea->counts.bad_checksum++;
		nmea->in_sentence = true;
		nmea->overlong = false;
		nmea->len = 0;
		return NMEA_NOTHING;
	}
	if (!nmea->in_sentence)
		return NMEA_NOTHING;
	if (byte == '\r' || byte == '\n') {
		nmea->in_sentence = false;
		if (nmea->overlong) {
			nmea->counts.overlong++;
			return NMEA_NOTHING;
		}
		return nmea->len ? take_line(nmea, ret_fix) : NMEA_NOTHING;
	}
	if (nmea->len < NMEA_LINE_MAX)
		nmea->line[nmea->len++] = (char)byte;
	else
		nmea->overlong = true;
	return NMEA_NOTHING;
}

int32_t nmea_time_of_day_ms(const struct nmea *nmea)
{
	return nmea->epoch.time_of_day_ms;
}

enum nmea_event nmea_flush(struct nmea *nmea, struct nmea_fix *ret_fix)
{
	return tell(nmea, ret_fix);
}
