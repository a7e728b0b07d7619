/* One value: is it plausible, does its source count, is it time to give it? */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "provider/bus/bus_reading_priv.h"

#define RANKS (BUS_MAP_SOURCES_MAX + 1) /* of one signal: its sources, then the others */

/* ---- life ---- */

static void forget(struct bus_reading *reading)
{
	reading->start_us = MODEL_NO_TIME;
	for (size_t i = 0; i < MODEL_FIELD_COUNT; i++)
		reading->holders[i] = (struct bus_holder){.heard_us = MODEL_NO_TIME};
	for (size_t i = 0; i < bus_map_count(reading->map); i++)
		reading->signals[i].given_us = MODEL_NO_TIME;
	reading->rpm.at_us = MODEL_NO_TIME;
	reading->speed.at_us = MODEL_NO_TIME;
	reading->voltage.at_us = MODEL_NO_TIME;
	reading->current.at_us = MODEL_NO_TIME;
}

void bus_reading_reset(struct bus_reading *reading)
{
	forget(reading);
	odometer_reset(&reading->odometer);
	reading->ignition = BUS_IGNITION_NONE;
}

int bus_reading_create(const struct bus_map *map, struct bus_reading **ret_reading)
{
	const size_t count = bus_map_count(map);
	struct bus_reading *reading =
		calloc(1, sizeof(*reading) + count * sizeof(reading->signals[0]));
	int ranks[MODEL_FIELD_COUNT] = {0};

	if (!reading)
		return -ENOMEM;
	reading->map = map;
	for (size_t i = 0; i < count; i++) {
		const struct bus_map_signal *signal = bus_map_signal(map, i);
		struct bus_signal_state *state = &reading->signals[i];

		reading->mapped[signal->field] = true;
		state->rank = ranks[signal->field];
		ranks[signal->field] += RANKS;
		state->window_us = 3 * signal->period_us;
		if (state->window_us < BUS_HEARD_US)
			state->window_us = BUS_HEARD_US;
	}
	bus_reading_reset(reading);
	*ret_reading = reading;
	return 0;
}

void bus_reading_destroy(struct bus_reading *reading)
{
	free(reading);
}

void bus_reading_counts(const struct bus_reading *reading, struct bus_reading_counts *ret_counts)
{
	*ret_counts = reading->counts;
}

/* ---- is it plausible? ---- */

static bool find_word(const struct bus_map_signal *signal, double value, int64_t *ret_integer)
{
	for (size_t i = 0; i < signal->word_count; i++) {
		const double word = signal->words[i].value;

		if (!(word < value) && !(word > value)) {
			*ret_integer = signal->words[i].integer;
			return true;
		}
	}
	return false;
}

static bool is_above(const struct bus_map_signal *signal, double value)
{
	return value > signal->above;
}

static int64_t above_value(const struct bus_map_signal *signal, double value)
{
	if (signal->field == MODEL_FIELD_IGNITION)
		return is_above(signal, value) ? MODEL_IGNITION_ON : MODEL_IGNITION_OFF;
	return is_above(signal, value);
}

/* The field's value; false where the number is none that it can have. */
static bool convert(const struct bus_map_signal *signal, double value, struct model_value *ret)
{
	const double number = value * signal->to_mul + signal->to_add;

	if (!isfinite(value))
		return false;
	if (signal->min <= signal->max && (value < signal->min || value > signal->max))
		return false;
	switch (signal->kind) {
	case BUS_MAP_WORDS:
		if (!find_word(signal, value, &ret->as.integer))
			return false;
		break;
	case BUS_MAP_ABOVE:
		ret->as.integer = above_value(signal, value);
		break;
	case BUS_MAP_FLAG:
		ret->as.integer = value > 0;
		if (value < (double)ret->as.integer || value > (double)ret->as.integer)
			return false;
		break;
	case BUS_MAP_NUMBER:
		if (model_field_info(signal->field)->type == MODEL_TYPE_NUMBER)
			ret->as.number = number;
		else if (fabs(number) < 9e15)
			ret->as.integer = llround(number);
		else
			return false;
		break;
	}
	return model_validate(signal->field, ret) == MODEL_VALID;
}

/* ---- does its source count? ---- */

/* The place of a source in its field's order of trust; -1: its word does not count. */
static int rank_of(const struct bus_map_signal *signal, const struct bus_signal_state *state,
		   uint8_t source)
{
	for (int i = 0; i < signal->source_count; i++)
		if (signal->sources[i] == source)
			return state->rank + i;
	if (signal->source_count == 0 || signal->others)
		return state->rank + signal->source_count;
	return -1;
}

/* Before anybody was heard the most trusted one is waited for. */
static bool may_hold(const struct bus_reading *reading, const struct bus_holder *holder, int rank,
		     size_t index, uint8_t source, int64_t mono_us)
{
	if (holder->heard_us == MODEL_NO_TIME)
		return rank == 0 || mono_us - reading->start_us > BUS_HEARD_US;
	if (rank != holder->rank)
		return rank < holder->rank || mono_us - holder->heard_us > holder->window_us;
	return (index == holder->signal && source == holder->source) ||
	       mono_us - holder->heard_us > holder->window_us;
}

/* An odometer of a unit that wakes may be any number; the most trusted one's is not. */
static bool is_unsure_odometer(const struct bus_reading *reading, enum model_field field, int rank,
			       int64_t mono_us)
{
	return field == MODEL_FIELD_ODOMETER_KM && rank > 0 &&
	       (reading->mapped[MODEL_FIELD_ENGINE_RPM] ||
		reading->mapped[MODEL_FIELD_SPEED_KMH]) &&
	       !bus_reading_runs(reading, mono_us);
}

static bool is_heard(struct bus_reading *reading, size_t index, uint8_t source, int64_t mono_us)
{
	const struct bus_map_signal *signal = bus_map_signal(reading->map, index);
	const struct bus_signal_state *state = &reading->signals[index];
	struct bus_holder *holder = &reading->holders[signal->field];
	const int rank = rank_of(signal, state, source);

	if (rank < 0 || !may_hold(reading, holder, rank, index, source, mono_us) ||
	    is_unsure_odometer(reading, signal->field, rank, mono_us))
		return false;
	if (signal->field == MODEL_FIELD_ODOMETER_KM && holder->heard_us != MODEL_NO_TIME &&
	    rank < holder->rank)
		odometer_reset(&reading->odometer);
	*holder = (struct bus_holder){.rank = rank,
				      .source = source,
				      .signal = index,
				      .heard_us = mono_us,
				      .window_us = state->window_us};
	return true;
}

/* ---- is it time to give it? ---- */

static bool is_due(const struct bus_map_signal *signal, const struct bus_signal_state *state,
		   const struct model_value *value, int64_t mono_us)
{
	if (state->given_us == MODEL_NO_TIME || mono_us - state->given_us >= signal->period_us)
		return true;
	return signal->kind != BUS_MAP_NUMBER && value->as.integer != state->given.as.integer;
}

static void note_evidence(struct bus_reading *reading, const struct bus_map_signal *signal,
			  const struct bus_signal_state *state, const struct model_value *value,
			  int64_t mono_us)
{
	struct bus_evidence *evidence;

	switch (signal->field) {
	case MODEL_FIELD_ENGINE_RPM:
		evidence = &reading->rpm;
		break;
	case MODEL_FIELD_SPEED_KMH:
		evidence = &reading->speed;
		break;
	case MODEL_FIELD_PACK_VOLTAGE_V:
		evidence = &reading->voltage;
		break;
	case MODEL_FIELD_PACK_CURRENT_A:
		evidence = &reading->current;
		break;
	default:
		return;
	}
	evidence->value = value->as.number;
	evidence->at_us = mono_us;
	evidence->window_us = state->window_us;
}

static void mark_fresh(struct bus_reading *reading, enum model_field field)
{
	if (field == MODEL_FIELD_ENGINE_RPM)
		reading->rpm.fresh = true;
	else if (field == MODEL_FIELD_SPEED_KMH)
		reading->speed.fresh = true;
	else if (field == MODEL_FIELD_PACK_CURRENT_A)
		reading->current.fresh = true;
}

static int give(struct bus_reading *reading, size_t index, const struct model_value *value,
		int64_t mono_us, struct model_update *update)
{
	const struct bus_map_signal *signal = bus_map_signal(reading->map, index);
	struct bus_signal_state *state = &reading->signals[index];

	if (signal->field == MODEL_FIELD_ODOMETER_KM &&
	    !odometer_accept(&reading->odometer, value->as.number, mono_us)) {
		reading->counts.implausible++;
		return 0;
	}
	if (model_update_set_value(update, signal->field, value))
		return 0;
	state->given_us = mono_us;
	state->given = *value;
	reading->counts.values++;
	mark_fresh(reading, signal->field);
	return 1;
}

int bus_reading_take(struct bus_reading *reading, size_t index, uint8_t source, double value,
		     int64_t mono_us, struct model_update *update)
{
	const struct bus_map_signal *signal = bus_map_signal(reading->map, index);
	struct model_value canonical = {.as.integer = 0};

	if (!signal)
		return 0;
	if (reading->start_us == MODEL_NO_TIME)
		reading->start_us = mono_us;
	if (!convert(signal, value, &canonical)) {
		reading->counts.implausible++;
		return 0;
	}
	if (!is_heard(reading, index, source, mono_us)) {
		reading->counts.outranked++;
		return 0;
	}
	note_evidence(reading, signal, &reading->signals[index], &canonical, mono_us);
	if (!is_due(signal, &reading->signals[index], &canonical, mono_us)) {
		reading->counts.thinned++;
		return 0;
	}
	return give(reading, index, &canonical, mono_us, update);
}

int bus_reading_silent(struct bus_reading *reading, int64_t mono_us, struct model_update *update)
{
	(void)mono_us;
	forget(reading);
	reading->ignition = BUS_IGNITION_NONE; /* nothing more follows until it is heard again */
	return model_update_set_integer(update, MODEL_FIELD_IGNITION, MODEL_IGNITION_OFF) == 0;
}
