/* What is to be asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/source/obd.h"
#include "provider/obd/profile.h"

#define WORD_MAX 128
#define PERIOD_MIN_US INT64_C(20000)
#define PERIOD_MAX_US INT64_C(86400000000)

static bool parse_period(const char *text, int64_t *ret_us)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {{"ms", 1000}, {"s", 1000000}, {"min", 60000000}, {"h", INT64_C(3600000000)}};
	char *end;
	const long long value = strtoll(text, &end, 10);

	if (end == text || value <= 0 || value > 86400000)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		*ret_us = value * units[i].us;
		return *ret_us >= PERIOD_MIN_US && *ret_us <= PERIOD_MAX_US;
	}
	return false;
}

/* The VIN is asked for when a vehicle is found, by obd_vin.c. */
static bool is_asked_again(const struct profile_command *command)
{
	return command->kind != PROFILE_KIND_VIN;
}

static int64_t clamp(int64_t us)
{
	return us < PERIOD_MIN_US ? PERIOD_MIN_US : us > PERIOD_MAX_US ? PERIOD_MAX_US : us;
}

/* The profile's fastest commands get the period `fastest_us`, the others keep their proportion. */
static int64_t scaled(const struct profile *profile, const struct profile_command *command,
		      int64_t fastest_us)
{
	int64_t fastest = INT64_MAX;

	for (size_t i = 0; i < profile_command_count(profile) && fastest_us; i++) {
		const struct profile_command *other = profile_command(profile, i);

		if (is_asked_again(other) && other->when != PROFILE_WHEN_ONCE &&
		    other->period_us < fastest)
			fastest = other->period_us;
	}
	if (!fastest_us || fastest == INT64_MAX || fastest <= 0 ||
	    command->when == PROFILE_WHEN_ONCE)
		return clamp(command->period_us);
	return clamp((int64_t)((double)command->period_us / (double)fastest * (double)fastest_us));
}

/* ---- names ---- */

/* "odometer_km" or "vehicle_state.odometer_km". */
static bool is_field(int field, const char *name)
{
	const struct model_field_info *info;
	size_t len;

	if (field < 0)
		return false;
	info = model_field_info((enum model_field)field);
	len = strlen(model_module_name(info->module));
	if (strncmp(name, model_module_name(info->module), len) == 0 && name[len] == '.')
		name += len + 1;
	return strcmp(info->path, name) == 0;
}

/* Is that the command's name, or one of something that its answers carry? */
static bool answers_to(const struct profile *profile, const struct profile_command *command,
		       const char *name)
{
	if (strcmp(command->id, name) == 0)
		return true;
	for (size_t i = 0; i < command->signal_count; i++) {
		const struct profile_signal *signal =
			profile_signal(profile, command->signal_first + i);

		if (strcmp(signal->id, name) == 0 || is_field(signal->field, name))
			return true;
	}
	return (command->kind == PROFILE_KIND_DTC_CONFIRMED &&
		is_field(MODEL_FIELD_DTC_CONFIRMED, name)) ||
	       (command->kind == PROFILE_KIND_DTC_PENDING &&
		is_field(MODEL_FIELD_DTC_PENDING, name)) ||
	       (command->kind == PROFILE_KIND_DTC_PERMANENT &&
		is_field(MODEL_FIELD_DTC_PERMANENT, name));
}

/* Adds a command; one that is there keeps the shorter period. */
static int add(struct obd_want *out, int count, size_t command, int64_t period_us, bool named)
{
	for (int i = 0; i < count; i++) {
		if (out[i].command != command)
			continue;
		if (out[i].period_us > period_us)
			out[i].period_us = period_us;
		return count;
	}
	out[count] = (struct obd_want){.command = command, .period_us = period_us, .named = named};
	return count + 1;
}

/* Adds what a word names. Returns the new count, or the old one where it names nothing. */
static int add_named(const struct profile *profile, const char *name, int64_t period_us,
		     int64_t fastest_us, struct obd_want *out, int count)
{
	for (size_t i = 0; i < profile_command_count(profile); i++) {
		const struct profile_command *command = profile_command(profile, i);

		if (is_asked_again(command) && answers_to(profile, command, name))
			count = add(out, count, i,
				    period_us ? period_us : scaled(profile, command, fastest_us),
				    true);
	}
	return count;
}

static bool is_known(const struct profile *profile, const char *name)
{
	for (size_t i = 0; i < profile_command_count(profile); i++)
		if (is_asked_again(profile_command(profile, i)) &&
		    answers_to(profile, profile_command(profile, i), name))
			return true;
	return false;
}

/* Returns the new count, or -EINVAL. */
static int take_word(const struct profile *profile, char *word, int64_t fastest_us,
		     struct obd_want *out, int count, char *expected, size_t size)
{
	char *colon = strchr(word, ':');
	int64_t period_us = 0;

	if (colon)
		*colon = '\0';
	if (colon && !parse_period(colon + 1, &period_us)) {
		(void)snprintf(expected, size,
			       "a period in ms, s, min or h (20 ms to a day) after '%.60s:'", word);
		return -EINVAL;
	}
	if (!is_known(profile, word)) {
		(void)snprintf(expected, size,
			       "a signal, command or field of profile %s instead of '%.60s'",
			       profile_name(profile), word);
		return -EINVAL;
	}
	return add_named(profile, word, period_us, fastest_us, out, count);
}

int obd_wants_make(const struct profile *profile, const char *signals, int64_t fastest_us,
		   struct obd_want *out, char *expected, size_t size)
{
	static const char separators[] = " ,\t";
	char word[WORD_MAX];
	int count = 0;

	signals += strspn(signals, separators);
	for (size_t i = 0; !*signals && i < profile_command_count(profile); i++) {
		const struct profile_command *command = profile_command(profile, i);

		if (is_asked_again(command))
			count = add(out, count, i, scaled(profile, command, fastest_us), false);
	}
	for (; *signals; signals += strspn(signals, separators)) {
		const size_t len = strcspn(signals, separators);

		(void)snprintf(word, sizeof(word), "%.*s",
			       (int)(len < WORD_MAX ? len : WORD_MAX - 1), signals);
		count = take_word(profile, word, fastest_us, out, count, expected, size);
		if (count < 0)
			return count;
		signals += len;
	}
	return count;
}
