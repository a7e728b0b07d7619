/* A frame becomes messages, and these become values. */
#include "agent/source/bus_priv.h"

static void take_value(void *arg, size_t index, double value)
{
	struct bus *bus = arg;

	(void)bus_reading_take(bus->reading, index, bus->from, value, bus->at_us, &bus->update);
}

static void take_message(struct bus *bus, const struct j1939_id *id, const uint8_t *data,
			 size_t len)
{
	bus->from = id->source;
	if (bus->request_count)
		bus_ask_take(bus, id, data, len);
	if (bus->j1939)
		bus_unit_take(bus, id, data, len);
	(void)bus_table_decode(bus->table, id->pgn, true, data, len, take_value, bus);
}

static void take_transport(struct bus *bus, const struct j1939_id *id, const uint8_t *data,
			   size_t len)
{
	struct j1939_tp_result result;

	j1939_tp_feed(&bus->tp, id, data, len, bus->at_us, &result);
	if (result.reply)
		(void)bus_send(bus, &result.reply_id, result.reply_data, 8);
	if (result.data)
		take_message(bus, &result.id, result.data, result.len);
}

static void take_j1939(struct bus *bus, const struct canbus_frame *frame)
{
	const struct j1939_id id = j1939_id_parse(frame->id);

	bus->addresses[id.source / 8] |= (uint8_t)(1U << id.source % 8);
	if (id.pgn == J1939_PGN_TP_CM || id.pgn == J1939_PGN_TP_DT)
		take_transport(bus, &id, frame->data, frame->len);
	else
		take_message(bus, &id, frame->data, frame->len);
}

void bus_take_frame(struct bus *bus, const struct canbus_frame *frame)
{
	bus->report.bus.frames++;
	bus->report.last_ok_us = frame->mono_us;
	if (bus->heard_us == MODEL_NO_TIME || frame->mono_us - bus->heard_us > bus->silence_us) {
		bus->awake_us = frame->mono_us;
		bus_codes_wake(&bus->active, frame->mono_us);
		bus_codes_wake(&bus->previous, frame->mono_us);
	}
	bus->heard_us = frame->mono_us;
	bus->at_us = frame->mono_us;
	if (bus->report.state != SOURCE_OK || bus->report.reason[0])
		bus_set_state(bus, SOURCE_OK, "", "");
	bus_begin_update(bus, frame->mono_us);
	if (!bus_table_by_pgn(bus->table)) {
		bus->from = 0;
		(void)bus_table_decode(bus->table, frame->id, frame->extended, frame->data,
				       frame->len, take_value, bus);
	} else if (frame->extended) {
		take_j1939(bus, frame);
	}
	if (bus->update.item_count)
		bus_emit(bus);
}
