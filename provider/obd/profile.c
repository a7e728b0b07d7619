#include "provider/obd/profile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "provider/obd/profile_priv.h"

/* A signal set of OBDb is a JSON object. */
static bool is_json(const char *text, size_t len)
{
	size_t i = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (i < len && strchr(" \t\r\n", text[i]) && text[i])
		i++;
	return i < len && text[i] == '{';
}

int profile_parse(const char *text, size_t len, const char *path, profile_allowed_fn *allowed,
		  FILE *errors, struct profile **ret_profile)
{
	struct profile_build *build = NULL;
	int r;

	if (len > PROFILE_FILE_MAX) {
		r = -EFBIG;
		goto said;
	}
	r = profile_build_begin(path, allowed, errors, &build);
	if (r < 0)
		goto said;
	if (is_json(text, len))
		r = profile_read_obdb(build, text, len);
	else
		r = profile_read_file(build, text, len, path);
	if (r < 0) {
		profile_build_abandon(build);
		goto said;
	}
	r = profile_build_finish(build, ret_profile);
said:
	if (r < 0 && r != -EINVAL)
		(void)fprintf(errors, "%s: %s\n", path, strerror(-r));
	return r;
}

int profile_load(const char *path, profile_allowed_fn *allowed, FILE *errors,
		 struct profile **ret_profile)
{
	char *text = NULL;
	size_t len = 0;
	int r = file_read(path, PROFILE_FILE_MAX, &text, &len);

	if (r < 0) {
		(void)fprintf(errors, "%s: %s\n", path, strerror(-r));
		return r;
	}
	r = profile_parse(text, len, path, allowed, errors, ret_profile);
	free(text);
	return r;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	for (size_t i = 0; i < profile->condition_count; i++)
		condition_free(profile->conditions[i]);
	free((void *)profile->conditions);
	free(profile->words);
	free(profile->owners);
	free(profile->signals);
	free(profile->commands);
	free(profile->path);
	free(profile);
}

const char *profile_name(const struct profile *profile)
{
	return profile->name;
}

const char *profile_title(const struct profile *profile)
{
	return profile->title;
}

const char *profile_path(const struct profile *profile)
{
	return profile->path;
}

uint8_t profile_protocol(const struct profile *profile)
{
	return profile->protocol;
}

static size_t match_vin(const char *prefix, const char *vin)
{
	size_t i = 0;

	for (; prefix[i]; i++) {
		if (!vin[i] || (prefix[i] != '?' && prefix[i] != vin[i]))
			return 0;
	}
	return i;
}

size_t profile_matches_vin(const struct profile *profile, const char *vin)
{
	size_t best = 0;

	for (size_t i = 0; i < profile->vin_count; i++) {
		const size_t len = match_vin(profile->vins[i], vin);

		if (len > best)
			best = len;
	}
	return best;
}

const struct profile_command *profile_detect(const struct profile *profile)
{
	return profile->detect < 0 ? NULL : &profile->commands[profile->detect];
}

size_t profile_command_count(const struct profile *profile)
{
	return profile->command_count;
}

const struct profile_command *profile_command(const struct profile *profile, size_t index)
{
	return index < profile->command_count ? &profile->commands[index] : NULL;
}

size_t profile_signal_count(const struct profile *profile)
{
	return profile->signal_count;
}

const struct profile_signal *profile_signal(const struct profile *profile, size_t index)
{
	return index < profile->signal_count ? &profile->signals[index] : NULL;
}

int profile_signal_find(const struct profile *profile, const char *id)
{
	for (size_t i = 0; i < profile->signal_count; i++) {
		if (strcmp(profile->signals[i].id, id) == 0)
			return (int)i;
	}
	return -1;
}

const struct profile_word *profile_word(const struct profile *profile, size_t index)
{
	return index < profile->word_count ? &profile->words[index] : NULL;
}

const struct profile_condition *profile_state_condition(const struct profile *profile,
							enum profile_state state)
{
	return (unsigned)state < PROFILE_STATE_COUNT
		       ? profile_condition(profile, profile->states[state])
		       : NULL;
}

const struct profile_condition *profile_condition(const struct profile *profile, int index)
{
	return index >= 0 && (size_t)index < profile->condition_count ? profile->conditions[index]
								      : NULL;
}

static double raw_number(const struct profile_signal *signal, uint64_t raw)
{
	return signal->format.is_signed ? (double)(int64_t)raw : (double)raw;
}

static bool is_null(const struct profile_signal *signal, const struct profile_value *value)
{
	for (size_t i = 0; i < signal->null_count; i++) {
		const struct profile_null *null = &signal->nulls[i];
		const double number = null->raw ? raw_number(signal, value->raw) : value->number;

		if (number >= null->first && number <= null->last)
			return true;
	}
	return false;
}

static const char *word_of(const struct profile *profile, const struct profile_signal *signal,
			   uint64_t raw)
{
	const size_t end = signal->word_first + signal->word_count;

	for (size_t i = signal->word_first; i < end; i++) {
		if ((uint64_t)profile->words[i].raw == raw)
			return profile->words[i].name;
	}
	return NULL;
}

/* Has the answer one of the lengths that the signal stands in? */
static bool stands_in(const struct profile_signal *signal, size_t len)
{
	if (!signal->len_min && !signal->len_max)
		return true;
	return len >= signal->len_min && len <= signal->len_max;
}

enum profile_outcome profile_decode(const struct profile *profile,
				    const struct profile_signal *signal, const uint8_t *answer,
				    size_t len, struct profile_value *ret_value)
{
	const size_t owner = profile->owners[signal - profile->signals];
	const size_t echo = profile->commands[owner].echo_len;
	struct profile_value value = {0};

	if (signal->text || (len >= echo && !stands_in(signal, len - echo)))
		return PROFILE_NOT_APPLICABLE;
	if (len < echo || !model_signal_raw(&signal->format, answer + echo, len - echo, &value.raw))
		return PROFILE_SHORT;
	value.number = model_signal_scale(&signal->format, value.raw);
	value.word = word_of(profile, signal, value.raw);
	*ret_value = value;
	if (is_null(signal, &value))
		return PROFILE_NULL;
	if (!isfinite(value.number) || (signal->word_count > 0 && !value.word))
		return PROFILE_IMPLAUSIBLE;
	if (signal->min <= signal->max &&
	    (value.number < signal->min || value.number > signal->max))
		return PROFILE_IMPLAUSIBLE;
	return PROFILE_VALUE;
}
