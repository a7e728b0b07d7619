#include "base/rfc3339.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
#define MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* Days since 1970-01-01 of a proleptic Gregorian date, and back: years start in March, so that the
 * leap day is the last of its year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static int64_t days_from_date(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

/* For days from 1970 on. */
static void date_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
	*month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

/* Writes `value` as `width` digits. */
static char *put_digits(char *out, int value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return out + width;
}

char *rfc3339_format(int64_t ms, char out[static RFC3339_SIZE])
{
	int year, month, day, rest;
	char *at = out;

	if (ms < 0)
		ms = 0;
	if (ms > MS_MAX)
		ms = MS_MAX;
	date_from_days(ms / MS_PER_DAY, &year, &month, &day);
	rest = (int)(ms % MS_PER_DAY);

	at = put_digits(at, year, 4);
	*at++ = '-';
	at = put_digits(at, month, 2);
	*at++ = '-';
	at = put_digits(at, day, 2);
	*at++ = 'T';
	at = put_digits(at, rest / 3600000, 2);
	*at++ = ':';
	at = put_digits(at, rest / 60000 % 60, 2);
	*at++ = ':';
	at = put_digits(at, rest / 1000 % 60, 2);
	*at++ = '.';
	at = put_digits(at, rest % 1000, 3);
	*at++ = 'Z';
	*at = '\0';
	return out;
}

struct cursor {
	const char *at;
	const char *end;
};

static bool take_char(struct cursor *in, char c)
{
	if (in->at == in->end || *in->at != c)
		return false;
	in->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly `width` digits, with a value in min..max. */
static bool take_number(struct cursor *in, int width, int min, int max, int *ret_value)
{
	int value = 0;

	if (in->end - in->at < width)
		return false;
	for (int i = 0; i < width; i++) {
		if (!is_digit(in->at[i]))
			return false;
		value = value * 10 + (in->at[i] - '0');
	}
	if (value < min || value > max)
		return false;
	in->at += width;
	*ret_value = value;
	return true;
}

/* An optional "." and at least one digit; what is finer than a millisecond is cut off. */
static bool take_fraction(struct cursor *in, int *ret_ms)
{
	int scale = 100;

	*ret_ms = 0;
	if (!take_char(in, '.'))
		return true;
	if (in->at == in->end || !is_digit(*in->at))
		return false;
	while (in->at != in->end && is_digit(*in->at)) {
		*ret_ms += (*in->at - '0') * scale;
		scale /= 10;
		in->at++;
	}
	return true;
}

/* "Z" (RFC 3339 allows "z") or +hh:mm. */
static bool take_offset(struct cursor *in, int64_t *ret_ms)
{
	int hour, minute, sign;

	if (take_char(in, 'Z') || take_char(in, 'z')) {
		*ret_ms = 0;
		return true;
	}
	if (take_char(in, '+'))
		sign = 1;
	else if (take_char(in, '-'))
		sign = -1;
	else
		return false;
	if (!take_number(in, 2, 0, 23, &hour) || !take_char(in, ':') ||
	    !take_number(in, 2, 0, 59, &minute))
		return false;
	*ret_ms = (int64_t)sign * (hour * 60 + minute) * 60000;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(struct cursor *in, int64_t *ret_days)
{
	int year, month, day;

	if (!take_number(in, 4, 0, 9999, &year) || !take_char(in, '-') ||
	    !take_number(in, 2, 1, 12, &month) || !take_char(in, '-') ||
	    !take_number(in, 2, 1, days_in_month(year, month), &day))
		return false;
	*ret_days = days_from_date(year, month, day);
	return true;
}

static bool take_time(struct cursor *in, int64_t *ret_ms, bool *ret_leap)
{
	int hour, minute, second, ms;

	if (!take_number(in, 2, 0, 23, &hour) || !take_char(in, ':') ||
	    !take_number(in, 2, 0, 59, &minute) || !take_char(in, ':') ||
	    !take_number(in, 2, 0, 60, &second) || !take_fraction(in, &ms))
		return false;
	*ret_leap = second == 60;
	if (*ret_leap) {
		second = 59;
		ms = 999;
	}
	*ret_ms = (((int64_t)hour * 60 + minute) * 60 + second) * 1000 + ms;
	return true;
}

int rfc3339_parse(const char *text, size_t len, int64_t *ret_ms)
{
	struct cursor in = {text, text + len};
	int64_t days, ms, offset_ms;
	bool leap;

	if (!take_date(&in, &days))
		return -EINVAL;
	if (!take_char(&in, 'T') && !take_char(&in, 't'))
		return -EINVAL;
	if (!take_time(&in, &ms, &leap) || !take_offset(&in, &offset_ms) || in.at != in.end)
		return -EINVAL;
	ms += days * MS_PER_DAY - offset_ms;
	/* Leap seconds exist at the end of a UTC day only. */
	if (leap && (ms % MS_PER_DAY + MS_PER_DAY) % MS_PER_DAY != MS_PER_DAY - 1)
		return -EINVAL;
	*ret_ms = ms;
	return 0;
}
