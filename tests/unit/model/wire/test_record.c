#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/wire/record.h"
#include "model/wire/value.h"
#include "tests/golden/golden.h"
#include "tests/unit/model/wire/sample.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	struct wire_record record;
	struct model_update_room room;
	struct jr_doc *doc;
	struct buf buf;
	struct jw w;
	char problem[160];
};

static int set_up(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	sample_init(&t->record.update, &t->room);
	buf_init(&t->buf, 1 << 20);
	jw_init(&t->w, &t->buf);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *t = *state;

	jr_free(t->doc);
	buf_free(&t->buf);
	free(t);
	return 0;
}

static int decode_bytes(struct fixture *t, const char *text, size_t len)
{
	struct jr_error error;

	jr_free(t->doc);
	t->doc = NULL;
	t->problem[0] = '\0';
	assert_int_equal(jr_parse(text, len, &t->doc, &error), 0);
	return wire_record_decode(jr_root(t->doc), &t->record, t->problem, sizeof(t->problem));
}

static int decode(struct fixture *t, const char *text)
{
	return decode_bytes(t, text, strlen(text));
}

#define HEAD "\"kind\":\"update\",\"device_id\":\"bus-12\",\"provider\":\"obd\""
/* Decodes an update with further members. */
#define UPDATE(t, members) decode(t, "{" HEAD "," members "}")

static const struct model_item *item(const struct fixture *t, enum model_field field)
{
	return model_update_get(&t->record.update, field);
}

static void encode(struct fixture *t)
{
	buf_reset(&t->buf);
	jw_init(&t->w, &t->buf);
	switch (t->record.kind) {
	case WIRE_UPDATE:
		wire_update_encode(&t->w, &t->record.update);
		break;
	case WIRE_ENVELOPE:
		wire_envelope_encode(&t->w, &t->record.envelope);
		break;
	case WIRE_DROPPED:
		wire_dropped_encode(&t->w, &t->record.dropped);
		break;
	case WIRE_EPOCH_END:
		wire_epoch_end_encode(&t->w, &t->record.epoch_end);
		break;
	}
	assert_int_equal(t->buf.error, 0);
}

/* Encodes the record, compares with the golden file, reads that and encodes it again. */
static void round_trip(struct fixture *t, const char *name)
{
	size_t len = 0;
	char *golden;

	encode(t);
	golden_check(name, t->buf.data, t->buf.len);
	golden = golden_read(name, &len);
	assert_int_equal(decode_bytes(t, golden, len), 0);
	assert_int_equal(t->record.implausible, 0);
	assert_int_equal(t->record.unknown_fields, 0);
	encode(t);
	assert_int_equal(t->buf.len, len);
	assert_memory_equal(t->buf.data, golden, len);
	free(golden);
}

static void an_update_with_every_field_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;
	struct model_update *update = &t->record.update;

	/* Set backwards: the wire has the table's order all the same. */
	for (int f = MODEL_FIELD_COUNT - 1; f >= 0; f--) {
		sample_field(update, (enum model_field)f, f + 1);
		model_update_set_age(update, (enum model_field)f,
				     f % 7 == 0 ? (int64_t)f * 1000 : 0);
	}
	strcpy(update->vin, "1HGCM82633A004352");
	update->at_ms = SAMPLE_AT;
	update->keyframe = true;
	update->simulated = true;
	update->module_status[MODEL_VEHICLE_STATE] = MODEL_STATUS_PARTIAL;
	round_trip(t, "update_full.json");
	assert_int_equal(update->item_count, MODEL_FIELD_COUNT);
}

static void an_update_of_nulls_and_statuses_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;
	struct model_update *update = &t->record.update;

	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++)
		assert_int_equal(model_update_set_null(update, f), 0);
	for (int i = 0; i < MODEL_STATUS_COUNT - 1; i++)
		update->module_status[i] = (uint8_t)(i + 1);
	round_trip(t, "update_nulls.json");
	assert_true(item(t, MODEL_FIELD_LATITUDE)->null);
	assert_int_equal(update->module_status[MODEL_CHARGING], MODEL_STATUS_AUTH_FAILED);
}

static void an_update_of_no_field_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;

	t->record.update.module_status[MODEL_BATTERY] = MODEL_STATUS_TRANSPORT_FAILED;
	t->record.update.mono_us = MODEL_NO_TIME;
	round_trip(t, "update_bare.json");
	assert_int_equal(t->record.update.mono_us, MODEL_NO_TIME);
	assert_int_equal(t->record.update.item_count, 0);
}

static void an_envelope_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;

	t->record.kind = WIRE_ENVELOPE;
	t->record.envelope = (struct wire_envelope){.provider = "viriciti",
						    .external_id = "4711",
						    .mono_us = 911400000,
						    .at_ms = SAMPLE_AT,
						    .raw = {"{\"soc\":{\"value\":\"7\"}}\n", 22}};
	round_trip(t, "envelope.json");
	assert_int_equal(t->record.envelope.raw.len, 22);
}

static void loss_notices_come_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;

	t->record.kind = WIRE_DROPPED;
	t->record.dropped = (struct wire_dropped){.epoch = "b1f0c2d3e4f5061728394a5b6c7d8e9f",
						  .ranges = {{1, 1}, {30, 37}},
						  .range_count = 2,
						  .records = 740,
						  .reason = "spool_full",
						  .first_mono_us = 1,
						  .last_mono_us = 2};
	round_trip(t, "dropped.json");
	assert_int_equal(t->record.dropped.ranges[1].last, 37);

	t->record.kind = WIRE_EPOCH_END;
	t->record.epoch_end =
		(struct wire_epoch_end){.epoch = "b1f0c2d3e4f5061728394a5b6c7d8e9f",
					.boot_id = "0b5bd4a4-5a0f-4d16-9bd0-6f1cfd1d66a1",
					.held = {{5, 9}},
					.held_count = 1,
					.end = 58};
	round_trip(t, "epoch_end.json");
	t->record.epoch_end.held_count = 0;
	t->record.epoch_end.end = -1;
	round_trip(t, "epoch_end_open.json");
	assert_int_equal(t->record.epoch_end.end, -1);
}

static void the_contracts_own_record_is_read(void **state)
{
	struct fixture *t = *state;
	struct model_update *update = &t->record.update;

	assert_int_equal(
		decode(t,
		       "{\"kind\":\"update\",\"device_id\":\"bus-12\",\"provider\":\"obd\","
		       "\"source\":\"obd0\",\"mono_us\":911345678,\"vin\":\"KMHK381HFMU004242\","
		       "\"keyframe\":true,\"module_status\":{\"battery\":\"success\","
		       "\"vehicle_state\":\"partial\"},\"battery\":{\"state_of_charge_pct\":82.0},"
		       "\"age_ms\":{\"battery.state_of_charge_pct\":4000}}"),
		0);
	assert_string_equal(update->device_id, "bus-12");
	assert_string_equal(update->source, "obd0");
	assert_string_equal(update->vin, "KMHK381HFMU004242");
	assert_true(update->keyframe);
	assert_false(update->simulated);
	assert_true(update->mono_us == 911345678);
	assert_int_equal(update->at_ms, MODEL_NO_TIME);
	assert_int_equal(update->module_status[MODEL_VEHICLE_STATE], MODEL_STATUS_PARTIAL);
	assert_int_equal(update->item_count, 1);
	assert_int_equal(item(t, MODEL_FIELD_STATE_OF_CHARGE_PCT)->age_ms, 4000);
	assert_string_equal(t->record.first_problem, "");
}

static void a_record_without_what_it_needs_is_malformed(void **state)
{
	static const struct {
		const char *json, *problem;
	} cases[] = {
		{"[]", "expected an object"},
		{"\"update\"", "expected an object"},
		{"{}", "kind: is missing"},
		{"{\"kind\":7}", "kind: expected"},
		{"{\"kind\":\"updated\"}", "kind: expected"},
		{"{\"kind\":\"update\",\"provider\":\"obd\"}", "device_id: is missing"},
		{"{\"kind\":\"update\",\"device_id\":\"b\"}", "provider: is missing"},
		{"{\"kind\":\"update\",\"device_id\":\"b/7\",\"provider\":\"obd\"}", "device_id: "},
		{"{\"kind\":\"update\",\"device_id\":\"b\",\"provider\":\"o bd\"}", "provider: "},
		{"{\"kind\":\"update\",\"device_id\":\"b\\u0000\",\"provider\":\"o\"}",
		 "device_id: "},
		{"{\"kind\":\"update\",\"device_id\":null,\"provider\":\"o\"}", "device_id: "},
		{"{" HEAD ",\"source\":\"\"}", "source: "},
		{"{" HEAD ",\"mono_us\":1.5}", "mono_us: "},
		{"{" HEAD ",\"mono_us\":-1}", "mono_us: "},
		{"{" HEAD ",\"at\":\"2026-02-30T00:00:00Z\"}", "at: "},
		{"{" HEAD ",\"at\":1795190400000}", "at: "},
		{"{" HEAD ",\"vin\":\"SHORT\"}", "vin: "},
		{"{" HEAD ",\"vin\":\"1HGCM82633A0O4352\"}", "vin: "},
		{"{" HEAD ",\"keyframe\":1}", "keyframe: "},
		{"{" HEAD ",\"simulated\":\"true\"}", "simulated: "},
		{"{" HEAD ",\"module_status\":[]}", "module_status: "},
		{"{" HEAD ",\"age_ms\":5}", "age_ms: "},
		{"{\"kind\":\"envelope\",\"provider\":\"v\",\"external_id\":\"1\"}", "raw: "},
		{"{\"kind\":\"envelope\",\"provider\":\"v\",\"raw\":\"x\"}", "external_id: "},
		{"{\"kind\":\"envelope\",\"provider\":\"v\",\"external_id\":\"1\",\"raw\":{}}",
		 "raw: "},
		{"{\"kind\":\"dropped\",\"epoch\":\"e\",\"ranges\":[[5,4]],\"records\":1,"
		 "\"reason\":\"r\"}",
		 "ranges: "},
		{"{\"kind\":\"dropped\",\"epoch\":\"e\",\"ranges\":[[0,4]],\"records\":1,"
		 "\"reason\":\"r\"}",
		 "ranges: "},
		{"{\"kind\":\"dropped\",\"epoch\":\"e\",\"ranges\":[[1,4],[4,5]],\"records\":1,"
		 "\"reason\":\"r\"}",
		 "ranges: "},
		{"{\"kind\":\"dropped\",\"epoch\":\"e\",\"ranges\":[[1,4,5]],\"records\":1,"
		 "\"reason\":\"r\"}",
		 "ranges: "},
		{"{\"kind\":\"dropped\",\"epoch\":\"e\",\"ranges\":{},\"records\":1,"
		 "\"reason\":\"r\"}",
		 "ranges: "},
		{"{\"kind\":\"epoch_end\",\"epoch\":\"e\",\"boot_id\":\"b\",\"held\":[],"
		 "\"end\":0}",
		 "end: "},
		{"{\"kind\":\"epoch_end\",\"epoch\":\"e\",\"boot_id\":\"b\",\"end\":4}", "held: "},
	};
	struct fixture *t = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		int status = decode(t, cases[i].json);

		if (status != -EINVAL ||
		    strncmp(t->problem, cases[i].problem, strlen(cases[i].problem)) != 0)
			fail_msg("%s: %d, %s", cases[i].json, status, t->problem);
	}
}

static void an_external_id_may_stand_for_the_device(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(
		decode(t, "{\"kind\":\"update\",\"external_id\":\"4711\",\"provider\":\"v\"}"), 0);
	assert_string_equal(t->record.update.external_id, "4711");
	assert_string_equal(t->record.update.device_id, "");
}

static void an_unknown_field_or_module_is_ignored_and_counted(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(UPDATE(t, "\"battery\":{\"charge_colour\":\"blue\","
				   "\"state_of_charge_pct\":50}"),
			 0);
	assert_int_equal(t->record.unknown_fields, 1);
	assert_int_equal(t->record.implausible, 0);
	assert_string_equal(t->record.first_problem, "battery.charge_colour: is not known here");
	assert_int_equal(t->record.update.item_count, 1);

	assert_int_equal(UPDATE(t,
				"\"trailer\":{\"a\":1},\"module_status\":{\"trailer\":\"empty\"},"
				"\"age_ms\":{\"trailer.a\":1},\"vehicle_state\":{\"location\":"
				"{\"mood\":1},\"location.latitude\":1,\"gear.x\":1,\"\":2}"),
			 0);
	assert_int_equal(t->record.unknown_fields, 7);
	assert_int_equal(t->record.update.item_count, 0);

	assert_int_equal(UPDATE(t, "\"warranty\":{\"items\":[{\"name\":\"x\",\"colour\":1}]}"), 0);
	assert_int_equal(t->record.unknown_fields, 1);
	assert_false(item(t, MODEL_FIELD_WARRANTY_ITEMS)->null);
}

static void an_implausible_field_is_nulled_and_counted_and_the_record_stays(void **state)
{
	static const struct {
		const char *json, *problem;
		enum model_field field;
	} cases[] = {
		{"\"battery\":{\"state_of_charge_pct\":101}",
		 "battery.state_of_charge_pct: is out of range", MODEL_FIELD_STATE_OF_CHARGE_PCT},
		{"\"battery\":{\"state_of_charge_pct\":\"50\"}",
		 "battery.state_of_charge_pct: is no number", MODEL_FIELD_STATE_OF_CHARGE_PCT},
		{"\"battery\":{\"state_of_charge_pct\":{\"a\":1}}",
		 "battery.state_of_charge_pct: is no number", MODEL_FIELD_STATE_OF_CHARGE_PCT},
		{"\"vehicle_state\":{\"gear\":\"x\"}",
		 "vehicle_state.gear: is none of the field's words", MODEL_FIELD_GEAR},
		{"\"vehicle_state\":{\"gear\":3}", "vehicle_state.gear: is no string",
		 MODEL_FIELD_GEAR},
		{"\"vehicle_state\":{\"locked\":1}", "vehicle_state.locked: is neither true nor",
		 MODEL_FIELD_LOCKED},
		{"\"vehicle_state\":{\"location\":{\"latitude\":91}}",
		 "vehicle_state.location.latitude: is out of range", MODEL_FIELD_LATITUDE},
		{"\"charging\":{\"phases\":3.0}", "charging.phases: is no integer",
		 MODEL_FIELD_CHARGER_PHASES},
		{"\"charging\":{\"scheduled_start_at\":\"tomorrow\"}",
		 "charging.scheduled_start_at: is no time", MODEL_FIELD_SCHEDULED_START_AT},
		{"\"charging\":{\"scheduled_start_at\":\"1970-01-01T00:00:00Z\"}",
		 "charging.scheduled_start_at: is out of range", MODEL_FIELD_SCHEDULED_START_AT},
		{"\"charging\":{\"history\":[{\"energy_added_kwh\":\"x\"}]}",
		 "charging.history: has a row", MODEL_FIELD_CHARGING_HISTORY},
		{"\"charging\":{\"history\":[7]}", "charging.history: has a row",
		 MODEL_FIELD_CHARGING_HISTORY},
		{"\"charging\":{\"history\":{}}", "charging.history: is no list",
		 MODEL_FIELD_CHARGING_HISTORY},
		{"\"service\":{\"dtc_pending\":[\"a\\u0000b\"]}", "service.dtc_pending: has a row",
		 MODEL_FIELD_DTC_PENDING},
		{"\"service\":{\"dtc_pending\":[\"\"]}", "service.dtc_pending: is no list that",
		 MODEL_FIELD_DTC_PENDING},
		{"\"identity\":{\"vin\":\"1HGCM82633A0O4352\"}", "identity.vin: is no text that",
		 MODEL_FIELD_IDENTITY_VIN},
		{"\"identity\":{\"make\":\"a\\u0000b\"}", "identity.make: is no text that",
		 MODEL_FIELD_IDENTITY_MAKE},
		{"\"identity\":{\"make\":\"\"}", "identity.make: is no text that",
		 MODEL_FIELD_IDENTITY_MAKE},
		{"\"identity\":{\"year\":3000}", "identity.year: is out of range",
		 MODEL_FIELD_IDENTITY_YEAR},
	};
	struct fixture *t = *state;
	char json[512];

	for (size_t i = 0; i < COUNT(cases); i++) {
		(void)snprintf(json, sizeof(json),
			       "{" HEAD ",\"inventory\":{\"state\":\"online\"},%s}", cases[i].json);
		assert_int_equal(decode(t, json), 0);
		if (t->record.implausible != 1 || !item(t, cases[i].field) ||
		    !item(t, cases[i].field)->null ||
		    strncmp(t->record.first_problem, cases[i].problem, strlen(cases[i].problem)) !=
			    0)
			fail_msg("%s: %u, %s", cases[i].json, t->record.implausible,
				 t->record.first_problem);
		assert_false(item(t, MODEL_FIELD_INVENTORY_STATE)->null);
	}
}

static void a_list_past_its_bytes_or_rows_is_nulled(void **state)
{
	struct fixture *t = *state;

	for (int long_rows = 0; long_rows < 2; long_rows++) {
		buf_reset(&t->buf);
		buf_puts(&t->buf, "{" HEAD ",\"software\":{\"release_notes\":[");
		for (int i = 0; i < (long_rows ? 20 : 101); i++) {
			buf_puts(&t->buf, i ? ",\"x" : "\"x");
			for (int n = 0; long_rows && n < 200; n++)
				buf_putc(&t->buf, 'x');
			buf_putc(&t->buf, '"');
		}
		buf_puts(&t->buf, "]}}");
		assert_int_equal(decode_bytes(t, t->buf.data, t->buf.len), 0);
		assert_int_equal(t->record.implausible, 1);
		assert_true(item(t, MODEL_FIELD_RELEASE_NOTES)->null);
	}
}

static void a_group_that_is_no_object_nulls_all_of_it(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(UPDATE(t, "\"vehicle_state\":{\"location\":null}"), 0);
	assert_int_equal(t->record.implausible, 0);
	assert_int_equal(t->record.update.item_count, 5);
	assert_true(item(t, MODEL_FIELD_LOCATION_STATUS)->null);
	assert_int_equal(UPDATE(t, "\"vehicle_state\":{\"tyre_pressure_kpa\":250}"), 0);
	assert_int_equal(t->record.implausible, 1);
	assert_int_equal(t->record.update.item_count, 4);
	assert_true(item(t, MODEL_FIELD_TYRE_PRESSURE_RR_KPA)->null);
}

static void wrong_modules_statuses_and_ages_are_counted(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(
		UPDATE(t, "\"battery\":7,\"service\":null,\"module_status\":"
			  "{\"warranty\":\"fine\",\"charging\":5},"
			  "\"vehicle_state\":{\"locked\":true,\"gear\":\"d\"},"
			  "\"age_ms\":{\"vehicle_state.locked\":-1,"
			  "\"vehicle_state.speed_kmh\":5,\"vehicle_state.gear\":3155760000001}"),
		0);
	assert_int_equal(t->record.implausible, 6);
	assert_int_equal(item(t, MODEL_FIELD_LOCKED)->age_ms, 0);
	assert_int_equal(t->record.update.module_status[MODEL_WARRANTY],
			 MODEL_STATUS_NOT_REQUESTED);
}

static void a_status_of_not_requested_does_not_hide_fields(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(UPDATE(t, "\"module_status\":{\"battery\":\"not_requested\"},"
				   "\"battery\":{\"state_of_charge_pct\":1}"),
			 0);
	assert_int_equal(t->record.update.module_status[MODEL_BATTERY], MODEL_STATUS_SUCCESS);
}

static void messages_never_carry_foreign_bytes(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(
		UPDATE(t, "\"battery\":{\"\\n\xc3\xa4\\u001b[31m"
			  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\":1}"),
		0);
	for (const char *c = t->record.first_problem; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	assert_in_range(strlen(t->record.first_problem), 10, 100);
}

static void too_many_ranges_are_a_limit(void **state)
{
	struct fixture *t = *state;

	buf_puts(&t->buf, "{\"kind\":\"epoch_end\",\"epoch\":\"e\",\"boot_id\":\"b\",\"held\":[");
	for (int i = 0; i <= WIRE_RANGES_MAX; i++)
		buf_printf(&t->buf, "%s[%d,%d]", i ? "," : "", 2 * i + 1, 2 * i + 1);
	buf_puts(&t->buf, "],\"end\":null}");
	assert_int_equal(decode_bytes(t, t->buf.data, t->buf.len), -EMSGSIZE);
}

static void decoding_again_forgets_what_was_before(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(UPDATE(t, "\"vin\":\"1HGCM82633A004352\",\"keyframe\":true,"
				   "\"battery\":{\"state_of_charge_pct\":500}"),
			 0);
	assert_int_equal(UPDATE(t, "\"module_status\":{}"), 0);
	assert_int_equal(t->record.update.item_count, 0);
	assert_string_equal(t->record.update.vin, "");
	assert_false(t->record.update.keyframe);
	assert_int_equal(t->record.implausible, 0);
	assert_string_equal(t->record.first_problem, "");
}

static void field_names_are_module_and_path(void **state)
{
	char name[WIRE_FIELD_NAME_SIZE];

	(void)state;
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		wire_field_name(f, name);
		assert_int_equal(wire_field_find(name, strlen(name)), f);
	}
	assert_int_equal(wire_field_find("battery", 7), -1);
	assert_int_equal(wire_field_find("battery.", 8), -1);
	assert_int_equal(wire_field_find("x.vin", 5), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_model_wire_record(void);
int suite_model_wire_record(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_update_with_every_field_comes_back_byte_for_byte),
		TEST(an_update_of_nulls_and_statuses_comes_back_byte_for_byte),
		TEST(an_update_of_no_field_comes_back_byte_for_byte),
		TEST(an_envelope_comes_back_byte_for_byte),
		TEST(loss_notices_come_back_byte_for_byte),
		TEST(the_contracts_own_record_is_read),
		TEST(a_record_without_what_it_needs_is_malformed),
		TEST(an_external_id_may_stand_for_the_device),
		TEST(an_unknown_field_or_module_is_ignored_and_counted),
		TEST(an_implausible_field_is_nulled_and_counted_and_the_record_stays),
		TEST(a_list_past_its_bytes_or_rows_is_nulled),
		TEST(a_group_that_is_no_object_nulls_all_of_it),
		TEST(wrong_modules_statuses_and_ages_are_counted),
		TEST(a_status_of_not_requested_does_not_hide_fields),
		TEST(messages_never_carry_foreign_bytes),
		TEST(too_many_ranges_are_a_limit),
		TEST(decoding_again_forgets_what_was_before),
		TEST(field_names_are_module_and_path),
	};

	return cmocka_run_group_tests_name("model.wire_record", tests, NULL, NULL);
}
