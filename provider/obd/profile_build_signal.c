#include <errno.h>
#include <string.h>

#include "base/ids.h"
#include "provider/obd/profile_build_priv.h"
#include "provider/unit.h"

#define WORDS_MAX 16384

void profile_signal_init(struct profile_signal *signal)
{
	*signal = (struct profile_signal){
		.format = {.mul = 1, .div = 1},
		.field = -1,
		.to_mul = 1,
		.min = 1,
		.max = 0,
		.trust = PROFILE_TRUST_CLAIMED,
	};
}

int profile_build_signal_find(const struct profile_build *build, const char *id)
{
	return profile_signal_find(build->profile, id);
}

struct profile_signal *profile_build_signal_at(struct profile_build *build, int signal)
{
	return &build->profile->signals[signal];
}

/* Lists that grow together share one room, which the last of them sets. */
static int signal_room(struct profile_build *build)
{
	struct profile *profile = build->profile;
	const size_t count = profile->signal_count;
	size_t room = build->signal_room;
	struct profile_signal *signals;
	uint16_t *owners = profile_with_room(profile->owners, &room, count, sizeof(*owners));
	struct profile_origin *origins;

	if (!owners)
		return -ENOMEM;
	profile->owners = owners;
	room = build->signal_room;
	origins = profile_with_room(build->origins, &room, count, sizeof(*origins));
	if (!origins)
		return -ENOMEM;
	build->origins = origins;
	signals = profile_with_room(profile->signals, &build->signal_room, count, sizeof(*signals));
	if (!signals)
		return -ENOMEM;
	profile->signals = signals;
	return 0;
}

int profile_build_signal(struct profile_build *build, int command,
			 const struct profile_signal *signal)
{
	struct profile *profile = build->profile;
	const int twin = profile_build_signal_find(build, signal->id);
	int r;

	if (!ids_valid(signal->id, strlen(signal->id)))
		return profile_build_fault(build, "signal", signal->id, signal->line, "",
					   "an id of 1..%d letters, digits, '.', '_', '-'",
					   PROFILE_ID_SIZE - 1);
	if (twin >= 0)
		return profile_build_fault(build, "signal", signal->id, signal->line, "",
					   "every signal once; this one stands in line %d already",
					   profile->signals[twin].line);
	if (profile->signal_count == PROFILE_SIGNALS_MAX)
		return profile_build_fault(build, "signal", signal->id, signal->line, "",
					   "at most %d signals", PROFILE_SIGNALS_MAX);
	r = signal_room(build);
	if (r < 0)
		return r;
	profile->owners[profile->signal_count] = (uint16_t)command;
	build->origins[profile->signal_count] =
		(struct profile_origin){.unit = "", .file = build->file};
	profile->signals[profile->signal_count] = *signal;
	return (int)profile->signal_count++;
}

int profile_build_word(struct profile_build *build, int signal, int64_t raw, const char *name,
		       int line)
{
	struct profile *profile = build->profile;
	struct profile_signal *owner = &profile->signals[signal];
	struct profile_word word = {.raw = raw};
	struct profile_word *words;

	if (!*name || strlen(name) >= sizeof(word.name))
		return profile_build_fault(build, "signal", owner->id, line, "words",
					   "names of 1..%zu bytes", sizeof(word.name) - 1);
	if (profile->word_count == WORDS_MAX)
		return profile_build_fault(build, "signal", owner->id, line, "words",
					   "at most %d words", WORDS_MAX);
	memcpy(word.name, name, strlen(name) + 1);
	words = profile_with_room(profile->words, &build->word_room, profile->word_count,
				  sizeof(*words));
	if (!words)
		return -ENOMEM;
	profile->words = words;
	if (build->worded != signal) {
		owner->word_first = profile->word_count;
		owner->word_count = 0;
		build->worded = signal;
	}
	for (size_t i = owner->word_first; i < profile->word_count; i++) {
		if (profile->words[i].raw == raw)
			return profile_build_fault(build, "signal", owner->id, line, "words",
						   "every raw value once, not %lld twice",
						   (long long)raw);
	}
	profile->words[profile->word_count++] = word;
	owner->word_count++;
	return 0;
}

int profile_build_null(struct profile_build *build, int signal, const struct profile_null *null,
		       int line)
{
	struct profile_signal *owner = &build->profile->signals[signal];

	if (!(null->first <= null->last))
		return profile_build_fault(build, "signal", owner->id, line, "null",
					   "a range that begins with its smaller end");
	if (owner->null_count == PROFILE_NULLS_MAX)
		return profile_build_fault(build, "signal", owner->id, line, "null",
					   "at most %d values or ranges", PROFILE_NULLS_MAX);
	owner->nulls[owner->null_count++] = *null;
	return 0;
}

int profile_build_null_ones(struct profile_build *build, int signal, int line)
{
	const struct model_signal *format = &build->profile->signals[signal].format;
	struct profile_null null = {.first = -1, .last = -1, .raw = true};

	/* Past 53 bits a double names its neighbours too: none of them is a measured value. */
	if (!format->is_signed && format->bits >= 1 && format->bits <= 64) {
		null.first = (double)(UINT64_MAX >> (64U - format->bits));
		null.last = null.first;
	}
	return profile_build_null(build, signal, &null, line);
}

int profile_build_unit(struct profile_build *build, int signal, const char *unit, int line)
{
	const char *known = unit_find(unit);

	if (!known)
		return profile_build_fault(build, "signal", build->profile->signals[signal].id,
					   line, "unit",
					   "a known unit (docs/profiles.md), not \"%.32s\"", unit);
	build->origins[signal].unit = known;
	return 0;
}

int profile_build_field(struct profile_build *build, int signal, int field, int line)
{
	struct profile_signal *owner = &build->profile->signals[signal];
	const char *unit = build->origins[signal].unit;
	double mul = 1;
	double add = 0;

	if (field >= 0 && !unit_convert(unit, field, &mul, &add))
		return profile_build_fault(build, "signal", owner->id, line, "unit",
					   "a unit that becomes the field's, \"%s\", not \"%s\"",
					   unit_of_field(field), unit);
	owner->field = field;
	owner->to_mul = mul;
	owner->to_add = add;
	return 0;
}
