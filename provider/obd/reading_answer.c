/* What the units answered to one command, becoming fields. */
#include <math.h>
#include <string.h>

#include "provider/obd/reading_priv.h"

/* Integers that a double still tells apart. */
#define INTEGER_MAX 9e15

/* ---- one answer ---- */

struct check {
	const struct obd_reading *reading;
	const struct profile_command *command;
	const struct obd_answer *answer;
};

/* The value of a signal in one answer, whatever it means: that is what a check is for. */
static bool value_in_answer(void *arg, size_t signal, double *ret_value)
{
	const struct check *check = arg;
	const struct profile *profile = check->reading->profile;
	struct profile_value value;

	if (signal < check->command->signal_first ||
	    signal - check->command->signal_first >= check->command->signal_count)
		return false;
	switch (profile_decode(profile, profile_signal(profile, signal), check->answer->data,
			       check->answer->len, &value)) {
	case PROFILE_VALUE:
	case PROFILE_NULL:
	case PROFILE_IMPLAUSIBLE:
		*ret_value = value.number;
		return true;
	default:
		return false;
	}
}

static enum truth is_valid(const struct obd_reading *reading, const struct profile_command *command,
			   const struct obd_answer *answer)
{
	struct check check = {reading, command, answer};

	if (command->unless_valid < 0)
		return TRUTH_TRUE;
	return condition_eval(profile_condition(reading->profile, command->unless_valid),
			      value_in_answer, &check);
}

static bool is_bool(const struct profile_signal *signal)
{
	return signal->field >= 0 &&
	       model_field_info((enum model_field)signal->field)->type == MODEL_TYPE_BOOL;
}

/* Does the signal stand in answers of this length? */
static bool fits_length(const struct profile_command *command, const struct profile_signal *signal,
			const struct obd_answer *answer)
{
	const size_t len = answer->len > command->echo_len ? answer->len - command->echo_len : 0;

	return signal->len_max == 0 || (len >= signal->len_min && len <= signal->len_max);
}

/* The bytes of a text; false where the answer does not reach that far. */
static bool find_text(const struct profile_command *command, const struct profile_signal *signal,
		      const struct obd_answer *answer, struct model_text *ret_text)
{
	const size_t first = command->echo_len + signal->format.start / 8;
	const size_t bytes = signal->format.bits / 8;

	if (answer->len < first || answer->len - first < bytes)
		return false;
	*ret_text = (struct model_text){(const char *)answer->data + first, bytes};
	/* Fillers around it: NUL, FF, blanks, and the ESC of some Nissans. */
	while (ret_text->len > 0 && strchr(" \x1b\xff", ret_text->data[0]) != NULL) {
		ret_text->data++;
		ret_text->len--;
	}
	while (ret_text->len > 0 && strchr(" \x1b\xff", ret_text->data[ret_text->len - 1]) != NULL)
		ret_text->len--;
	return true;
}

/* Yes or no, by the words of the signal where it has any. */
static bool says_yes(const struct profile_value *value)
{
	return value->word ? strcmp(value->word, "yes") == 0 : value->raw != 0;
}

/* Notes what one unit says with one signal: the first value counts, but for what any unit may
 * say. */
static void note_value(struct reading_slot *slot, const struct profile_value *value, size_t answer,
		       bool any)
{
	const bool yes = says_yes(value);

	if (slot->has_value && !(any && yes && !slot->yes))
		return;
	slot->has_value = true;
	slot->yes = yes;
	slot->number = value->number;
	slot->word = value->word;
	slot->answer = answer;
}

static void take_text(struct obd_reading *reading, const struct profile_command *command, size_t s,
		      const struct obd_answer *answer, size_t index)
{
	const struct profile_signal *signal = profile_signal(reading->profile, s);
	const struct profile_value value = {0};
	struct model_text text;

	if (!fits_length(command, signal, answer))
		return;
	if (!find_text(command, signal, answer, &text))
		reading->counts.shorts++;
	else if (text.len == 0)
		reading->slots[s].has_null = true;
	else
		note_value(&reading->slots[s], &value, index, false);
}

/* `believed`: its values may be given; otherwise it is only looked at for the counts. */
static void take_signal(struct obd_reading *reading, const struct profile_command *command,
			size_t s, const struct obd_answer *answer, size_t index, bool believed)
{
	const struct profile_signal *signal = profile_signal(reading->profile, s);
	struct reading_slot *slot = &reading->slots[s];
	struct profile_value value;

	if (signal->text) {
		if (believed)
			take_text(reading, command, s, answer, index);
		return;
	}
	switch (profile_decode(reading->profile, signal, answer->data, answer->len, &value)) {
	case PROFILE_VALUE:
		if (believed)
			note_value(slot, &value, index, is_bool(signal));
		break;
	case PROFILE_NULL:
		slot->has_null = slot->has_null || believed;
		break;
	case PROFILE_IMPLAUSIBLE:
		reading->counts.implausible++;
		break;
	case PROFILE_SHORT:
		reading->counts.shorts++;
		break;
	case PROFILE_NOT_APPLICABLE:
		break;
	}
}

static void take_answer(struct obd_reading *reading, const struct profile_command *command,
			const struct obd_answer *answer, size_t index)
{
	const enum truth valid = is_valid(reading, command, answer);

	if (valid == TRUTH_FALSE) {
		reading->counts.asleep++;
		return;
	}
	for (size_t i = 0; i < command->signal_count; i++)
		take_signal(reading, command, command->signal_first + i, answer, index,
			    valid == TRUTH_TRUE);
}

/* The answer of the smallest unit after that of `last`; false: there is none. Two answers of
 * one unit come in their order. */
static bool next_answer(const struct obd_answer *answers, size_t count, bool begun, size_t last,
			size_t *ret_index)
{
	bool found = false;

	for (size_t i = 0; i < count; i++) {
		const bool later = !begun || answers[i].ecu > answers[last].ecu ||
				   (i > last && answers[i].ecu == answers[last].ecu);

		if (later && (!found || answers[i].ecu < answers[*ret_index].ecu)) {
			*ret_index = i;
			found = true;
		}
	}
	return found;
}

static void take_answers(struct obd_reading *reading, const struct profile_command *command,
			 const struct obd_answer *answers, size_t count)
{
	bool begun = false;
	size_t last = 0, index = 0;

	for (size_t i = 0; i < command->signal_count; i++) {
		struct reading_slot *slot = &reading->slots[command->signal_first + i];

		slot->has_value = false;
		slot->has_null = false;
		slot->word = NULL;
	}
	while (next_answer(answers, count, begun, last, &index)) {
		take_answer(reading, command, &answers[index], index);
		last = index;
		begun = true;
	}
}

/* ---- giving ---- */

bool reading_is_held(const struct obd_reading *reading, enum model_field field, size_t signal,
		     int64_t mono_us)
{
	const struct reading_given *given = &reading->given[field];

	return given->signal < signal && reading_is_fresh(given->at_us, given->keep_us, mono_us);
}

/* A value becomes the field: a text is found in its answer, a word is the field's word, a number is
 * in the field's unit already. Returns 0 or the setter's error. */
static int set_field(const struct obd_reading *reading, const struct profile_command *command,
		     size_t s, const struct obd_answer *answers, double number,
		     struct model_update *update)
{
	const struct profile_signal *signal = profile_signal(reading->profile, s);
	const struct reading_slot *slot = &reading->slots[s];
	const enum model_field field = (enum model_field)signal->field;
	struct model_text text;

	if (signal->text)
		return find_text(command, signal, &answers[slot->answer], &text)
			       ? model_update_set_text(update, field, text.data, text.len)
			       : MODEL_E_INVALID;
	switch (model_field_info(field)->type) {
	case MODEL_TYPE_NUMBER:
		return model_update_set_number(update, field, number);
	case MODEL_TYPE_BOOL:
		return model_update_set_integer(update, field, slot->yes);
	case MODEL_TYPE_ENUM:
		return slot->word ? model_update_set_text(update, field, slot->word,
							  strlen(slot->word))
				  : MODEL_E_INVALID;
	case MODEL_TYPE_INTEGER:
		return fabs(number) < INTEGER_MAX
			       ? model_update_set_integer(
					 update, field,
					 (int64_t)(number < 0 ? number - 0.5 : number + 0.5))
			       : MODEL_E_INVALID;
	default:
		return MODEL_E_INVALID;
	}
}

static bool is_electric(enum model_field field)
{
	return field == MODEL_FIELD_STATE_OF_CHARGE_PCT || field == MODEL_FIELD_PACK_VOLTAGE_V ||
	       field == MODEL_FIELD_PACK_CURRENT_A;
}

/* What rules see of a field that was just set: of a word its index, of yes 1. */
static double as_number(const struct model_update *update, enum model_field field, double number)
{
	switch (model_field_info(field)->type) {
	case MODEL_TYPE_ENUM:
	case MODEL_TYPE_BOOL:
		return (double)model_update_get(update, field)->value.as.integer;
	default:
		return number;
	}
}

/* A signal's value becomes its field, unless another signal has the field or it cannot be. Returns
 * how many fields were set, or MODEL_E_SPACE. */
static int give_value(struct obd_reading *reading, const struct profile_command *command, size_t s,
		      const struct obd_answer *answers, int64_t mono_us,
		      struct model_update *update)
{
	const struct profile_signal *signal = profile_signal(reading->profile, s);
	struct reading_slot *slot = &reading->slots[s];
	/* + 0.0: a current of -0 is none. */
	const double number = slot->number * signal->to_mul + signal->to_add + 0.0;
	enum model_field field;
	int r;

	slot->at_us = mono_us;
	if (signal->field < 0)
		return 0;
	field = (enum model_field)signal->field;
	if (reading_is_held(reading, field, s, mono_us))
		return 0;
	if (field == MODEL_FIELD_ODOMETER_KM && number >= 0 &&
	    number <= model_field_info(field)->max &&
	    !odometer_accept(&reading->odometer, number, mono_us)) {
		reading->counts.implausible++;
		return 0;
	}
	r = set_field(reading, command, s, answers, number, update);
	if (r == MODEL_E_INVALID) {
		reading->counts.implausible++;
		return 0;
	}
	if (r < 0)
		return r;
	reading->given[field] =
		(struct reading_given){as_number(update, field, number), mono_us, slot->keep_us, s};
	reading->electric = reading->electric || is_electric(field);
	reading->engine = reading->engine || (field == MODEL_FIELD_ENGINE_RPM && number > 0);
	reading->counts.values++;
	return 1;
}

/* A signal says "not known": another may have its field. */
static void let_go(struct obd_reading *reading, size_t s)
{
	const int field = profile_signal(reading->profile, s)->field;

	reading->slots[s].at_us = READING_NEVER;
	if (field >= 0 && reading->given[field].signal == s)
		reading->given[field].at_us = READING_NEVER;
}

/* Does another signal of the same answer have a value, believed or not? */
static bool has_twin(const struct obd_reading *reading, const struct profile_command *command,
		     int field)
{
	const size_t end = command->signal_first + command->signal_count;

	for (size_t s = command->signal_first; s < end; s++)
		if (reading->slots[s].has_value &&
		    profile_signal(reading->profile, s)->field == field)
			return true;
	return false;
}

/* And where no other knows, it is not known. */
static int give_null(struct obd_reading *reading, const struct profile_command *command, size_t s,
		     int64_t mono_us, struct model_update *update)
{
	const struct profile_signal *signal = profile_signal(reading->profile, s);
	const struct reading_given *given;
	int r;

	reading->counts.nulls++;
	if (signal->field < 0)
		return 0;
	given = &reading->given[signal->field];
	if (reading_is_fresh(given->at_us, given->keep_us, mono_us) ||
	    has_twin(reading, command, signal->field))
		return 0;
	r = model_update_set_null(update, (enum model_field)signal->field);
	return r < 0 ? r : 1;
}

static int give(struct obd_reading *reading, const struct profile_command *command,
		const struct obd_answer *answers, int64_t mono_us, struct model_update *update)
{
	const size_t end = command->signal_first + command->signal_count;
	int set = 0;

	for (size_t s = command->signal_first; s < end; s++)
		if (reading->slots[s].has_null && !reading->slots[s].has_value)
			let_go(reading, s);
	for (size_t s = command->signal_first; s < end; s++)
		if (reading->slots[s].has_value &&
		    !reading_add(&set, give_value(reading, command, s, answers, mono_us, update)))
			return set;
	/* After the values: in a cluster that counts miles, the km are not known. */
	for (size_t s = command->signal_first; s < end; s++)
		if (reading->slots[s].has_null && !reading->slots[s].has_value &&
		    !reading_add(&set, give_null(reading, command, s, mono_us, update)))
			return set;
	return set;
}

int reading_take(struct obd_reading *reading, const struct profile_command *command,
		 const struct obd_answer *answers, size_t count, int64_t mono_us,
		 struct model_update *update)
{
	take_answers(reading, command, answers, count);
	return give(reading, command, answers, mono_us, update);
}
