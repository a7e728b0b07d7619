/* What is told: the source's state, and updates of the vehicle. */
#include <stdio.h>
#include <string.h>

#include "agent/source/bus_priv.h"

#define OFF_AGAIN_US (60 * BUS_SECOND) /* a parked vehicle's bus was silent for another minute */
#define WHOLE_US (10 * BUS_SECOND)     /* by then everything was heard that is said often */

const char bus_starting[] = "starting";

void bus_set_state(struct bus *bus, enum source_state state, const char *reason, const char *detail)
{
	struct source_report *report = &bus->report;
	const bool other = report->state != state || strcmp(report->reason, reason) != 0;

	(void)snprintf(report->detail, sizeof(report->detail), "%s", detail);
	if (!other)
		return;
	report->state = state;
	report->reason = reason;
	report->since_us = bus_now_us(bus);
	bus->source.env->changed(bus->source.env->arg, &bus->source);
}

/* ---- what was observed ---- */

void bus_begin_update(struct bus *bus, int64_t mono_us)
{
	bus->update.mono_us = mono_us;
}

static void name_update(struct bus *bus)
{
	const struct source_config *config = bus->source.config;
	struct model_update *update = &bus->update;

	(void)snprintf(update->device_id, sizeof(update->device_id), "%s", config->device_id);
	(void)snprintf(update->provider, sizeof(update->provider), "%s",
		       bus->j1939 ? BUS_PROVIDER_J1939 : BUS_PROVIDER_CAN);
	(void)snprintf(update->source, sizeof(update->source), "%s", config->name);
	memcpy(update->vin, bus->report.vin, sizeof(update->vin));
	update->simulated = config->simulated;
}

/* A while after the bus was heard first what is known is stated whole, once. */
static bool is_whole(struct bus *bus)
{
	if (bus->awake_us == MODEL_NO_TIME || bus->update.mono_us - bus->awake_us < WHOLE_US)
		return false;
	bus->awake_us = MODEL_NO_TIME;
	return true;
}

void bus_emit(struct bus *bus)
{
	struct model_update *update = &bus->update;

	(void)bus_reading_derive(bus->reading, update->mono_us, update);
	if (update->item_count) {
		name_update(bus);
		update->keyframe = is_whole(bus);
		bus->source.env->update(bus->source.env->arg, update);
	}
	model_update_clear(update);
}

/* ---- once a second ---- */

static void count_frames(struct bus *bus, int64_t now_us)
{
	struct source_bus_report *report = &bus->report.bus;

	if (now_us > bus->last_tick_us)
		report->frames_per_s = (double)(report->frames - bus->last_frames) * 1e6 /
				       (double)(now_us - bus->last_tick_us);
	bus->last_frames = report->frames;
	bus->last_tick_us = now_us;
}

/* The bus was heard, and is silent now: the vehicle is off. */
static void tell_off(struct bus *bus, int64_t now_us)
{
	bus_set_state(bus, SOURCE_OK, "ignition_off",
		      "The bus was heard and is silent now: the vehicle is off.");
	if (bus->off_told_us != MODEL_NO_TIME && now_us - bus->off_told_us < OFF_AGAIN_US)
		return;
	bus->off_told_us = now_us;
	bus_begin_update(bus, now_us);
	(void)bus_reading_silent(bus->reading, now_us, &bus->update);
	bus_emit(bus);
}

static void tell_unheard(struct bus *bus, int64_t now_us)
{
	const struct source_bus_report *report = &bus->report.bus;

	if (now_us - bus->open_us <= bus->silence_us)
		return;
	if (report->bus_errors > (int64_t)bus->before.bus_errors)
		bus_set_state(bus, SOURCE_SILENT, "source_silent",
			      "Only errors are heard: the bit rate is not that of the bus, or its "
			      "wires are wrong.");
	else
		bus_set_state(bus, SOURCE_SILENT, "source_silent",
			      "Nothing that is wanted was heard since the start: the vehicle is "
			      "off, or wires or bit rate are wrong.");
}

static bool tell_condition(struct bus *bus)
{
	struct canbus_state state;

	canbus_state(bus->can, &state);
	if (state.condition == CANBUS_DOWN) {
		bus_set_state(bus, SOURCE_ERROR, "interface_down",
			      "The CAN interface is down: it must be set up with the bit rate of "
			      "the bus.");
		return true;
	}
	if (state.condition == CANBUS_OFF) {
		bus_set_state(bus, SOURCE_ERROR, "bus_off",
			      "The CAN controller has left the bus after too many errors: check "
			      "bit rate and wires, and set restart-ms.");
		return true;
	}
	return false;
}

void bus_tick(struct bus *bus)
{
	const int64_t now = bus_now_us(bus);

	bus_note_state(bus);
	count_frames(bus, now);
	if (tell_condition(bus)) {
		bus->open_us = now; /* no silence of the bus is meant while it cannot be heard */
		bus->heard_us = MODEL_NO_TIME;
		return;
	}
	bus_ask_tick(bus);
	if (bus->heard_us == MODEL_NO_TIME) {
		tell_unheard(bus, now);
		return;
	}
	if (now - bus->heard_us > bus->silence_us) {
		tell_off(bus, now);
		return;
	}
	bus->off_told_us = MODEL_NO_TIME;
	bus_begin_update(bus, now);
	if (bus->j1939)
		bus_unit_tell(bus, now);
	bus_emit(bus);
}
