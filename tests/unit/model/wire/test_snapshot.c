#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/wire/snapshot.h"
#include "model/wire/value.h"
#include "tests/golden/golden.h"
#include "tests/unit/model/wire/sample.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	struct model_device obd, gps, back;
	struct model_update update;
	struct model_update_room room;
	struct buf buf;
};

static int64_t anchor(void *arg, int64_t boot, int64_t mono_us)
{
	(void)arg;
	return SAMPLE_AT + boot * 1000 + mono_us / 1000;
}

/* What comes without a boot cannot be dated here, for the sake of the golden file. */
static void judge_time(void *arg, const struct model_stamp *stamp, struct wire_time *ret_time)
{
	*ret_time = (struct wire_time){.at_ms = model_effective_ms(stamp, anchor, arg),
				       .quality = WIRE_TIME_SYNCED};
	if (stamp->boot)
		return;
	*ret_time = (struct wire_time){.at_ms = MODEL_NO_TIME,
				       .quality = WIRE_TIME_UNSYNCED,
				       .not_before_ms = MODEL_NO_TIME,
				       .not_after_ms = stamp->received_ms};
}

static void merge(struct fixture *t, struct model_device *device, const struct model_stamp *stamp)
{
	assert_int_equal(model_device_merge(device, &t->update, stamp, anchor, NULL, NULL), 0);
}

static void fill_obd(struct fixture *t)
{
	struct model_stamp stamp = {.boot = 1,
				    .mono_us = 5000000,
				    .at_ms = MODEL_NO_TIME,
				    .received_ms = SAMPLE_AT + 60000,
				    .batch = 41,
				    .position = 2};

	sample_init(&t->update, &t->room);
	for (enum model_field f = 0; f < model_module_first(MODEL_WARRANTY); f++)
		sample_field(&t->update, f, (int)f + 1);
	assert_int_equal(model_update_set_null(&t->update, MODEL_FIELD_GEAR), 0);
	model_update_set_age(&t->update, MODEL_FIELD_SPEED_KMH, 1500);
	strcpy(t->update.vin, "1HGCM82633A004352");
	t->update.module_status[MODEL_VEHICLE_STATE] = MODEL_STATUS_PARTIAL;
	t->update.module_status[MODEL_WARRANTY] = MODEL_STATUS_UNSUPPORTED;
	merge(t, &t->obd, &stamp);

	/* A keyframe that has the battery's charge only. */
	sample_init(&t->update, &t->room);
	t->update.keyframe = true;
	assert_int_equal(model_update_set_number(&t->update, MODEL_FIELD_STATE_OF_CHARGE_PCT, 82),
			 0);
	stamp.mono_us = 9000000;
	stamp.batch = 42;
	stamp.position = 0;
	merge(t, &t->obd, &stamp);
}

static void fill_gps(struct fixture *t)
{
	struct model_stamp stamp = {.mono_us = MODEL_NO_TIME,
				    .at_ms = SAMPLE_AT + 20000,
				    .received_ms = SAMPLE_AT + 21000};

	sample_init(&t->update, &t->room);
	strcpy(t->update.provider, "nmea");
	strcpy(t->update.source, "gps0");
	t->update.simulated = true;
	assert_int_equal(model_update_set_number(&t->update, MODEL_FIELD_LATITUDE, 48.137154), 0);
	assert_int_equal(model_update_set_number(&t->update, MODEL_FIELD_LONGITUDE, 11.576124), 0);
	assert_int_equal(
		model_update_set_text(&t->update, MODEL_FIELD_LOCATION_STATUS, "available", 9), 0);
	merge(t, &t->gps, &stamp);
}

static int set_up(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	buf_init(&t->buf, 1 << 20);
	model_device_init(&t->obd, "bus-12");
	model_device_init(&t->gps, "bus-12-gps");
	fill_obd(t);
	fill_gps(t);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *t = *state;

	buf_free(&t->buf);
	free(t);
	return 0;
}

static struct jr_doc *encode(struct fixture *t, size_t devices, bool provenance)
{
	const struct model_device *const list[] = {&t->obd, &t->gps};
	struct jr_doc *doc = NULL;
	struct jr_error error;
	struct jw w;

	buf_reset(&t->buf);
	jw_init(&w, &t->buf);
	jw_open_object(&w);
	wire_snapshot_encode(&w, list, devices, anchor, judge_time, NULL, provenance);
	jw_close_object(&w);
	assert_int_equal(t->buf.error, 0);
	assert_int_equal(jr_parse(t->buf.data, t->buf.len, &doc, &error), 0);
	return doc;
}

static void a_snapshot_has_the_contracts_bytes(void **state)
{
	struct fixture *t = *state;

	jr_free(encode(t, 2, false));
	golden_check("snapshot.json", t->buf.data, t->buf.len);
}

static void a_snapshot_with_provenance_has_the_contracts_bytes(void **state)
{
	struct fixture *t = *state;

	jr_free(encode(t, 2, true));
	golden_check("snapshot_provenance.json", t->buf.data, t->buf.len);
}

/* The member that a dotted name stands for. */
static const struct jr_value *dig(const struct jr_value *value, const char *name)
{
	char key[WIRE_FIELD_NAME_SIZE];

	for (const char *dot; (dot = strchr(name, '.')) != NULL; name = dot + 1) {
		(void)snprintf(key, sizeof(key), "%.*s", (int)(dot - name), name);
		value = jr_get(value, key);
	}
	return jr_get(value, name);
}

static void every_field_of_a_delivered_module_is_there(void **state)
{
	struct fixture *t = *state;
	struct jr_doc *doc = encode(t, 2, false);
	const struct jr_value *root = jr_root(doc);
	char name[WIRE_FIELD_NAME_SIZE];

	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		const char *module = model_module_name(model_field_info(f)->module);

		wire_field_name(f, name);
		if (jr_type(jr_get(root, module)) == JR_OBJECT && !dig(root, name))
			fail_msg("%s is missing", name);
	}
	/* Undelivered ones are null, and their status says why. */
	assert_int_equal(jr_type(jr_get(root, "warranty")), JR_NULL);
	assert_int_equal(jr_type(jr_get(root, "software")), JR_NULL);
	assert_int_equal(jr_count(jr_get(root, "module_status")), MODEL_MODULE_COUNT);
	jr_free(doc);
}

static void not_known_is_null_and_never_zero(void **state)
{
	struct fixture *t = *state;
	struct jr_doc *doc = encode(t, 2, false);
	const struct jr_value *root = jr_root(doc);
	double number = 0;

	assert_int_equal(jr_type(dig(root, "vehicle_state.gear")), JR_NULL);
	assert_int_equal(jr_type(dig(root, "battery.pack_voltage_v")), JR_NULL);
	assert_true(jr_number(dig(root, "battery.state_of_charge_pct"), &number));
	assert_true(number > 81.9 && number < 82.1);
	/* The location is the newer device's. */
	assert_true(jr_number(dig(root, "vehicle_state.location.latitude"), &number));
	assert_true(number > 48.1 && number < 48.2);
	jr_free(doc);
}

static void provenance_names_time_source_and_simulation(void **state)
{
	struct fixture *t = *state;
	struct jr_doc *doc = encode(t, 2, true);
	const struct jr_value *all = jr_get(jr_root(doc), "provenance");
	const struct jr_value *one = jr_get(all, "vehicle_state.location.latitude");
	char text[64];
	bool simulated = false;

	assert_true(jr_string_copy(jr_get(one, "device_id"), text, sizeof(text)));
	assert_string_equal(text, "bus-12-gps");
	assert_true(jr_string_copy(jr_get(one, "source"), text, sizeof(text)));
	assert_string_equal(text, "gps0");
	assert_true(jr_bool(jr_get(one, "simulated"), &simulated) && simulated);
	/* Nobody can date it: no time, but its bounds. */
	assert_int_equal(jr_type(jr_get(one, "at")), JR_NULL);
	assert_true(jr_string_copy(jr_get(one, "time_quality"), text, sizeof(text)));
	assert_string_equal(text, "unsynced");
	assert_int_equal(jr_type(jr_get(one, "not_before")), JR_NULL);
	assert_true(jr_string_copy(jr_get(one, "not_after"), text, sizeof(text)));
	assert_string_equal(text, "2026-11-20T16:00:21.000Z");
	one = jr_get(all, "vehicle_state.speed_kmh"); /* 1 s boot + 5 s mono - 1.5 s age */
	assert_true(jr_string_copy(jr_get(one, "at"), text, sizeof(text)));
	assert_string_equal(text, "2026-11-20T16:00:04.500Z");
	assert_true(jr_string_copy(jr_get(one, "time_quality"), text, sizeof(text)));
	assert_string_equal(text, "synced");
	assert_null(jr_get(one, "not_before"));
	assert_non_null(jr_get(all, "vehicle_state.gear"));
	assert_null(jr_get(all, "battery.pack_voltage_v"));
	jr_free(doc);
}

static void a_vehicle_without_data_has_a_snapshot_of_nulls(void **state)
{
	struct fixture *t = *state;
	struct jr_doc *doc = encode(t, 0, true);
	const struct jr_value *root = jr_root(doc);

	assert_int_equal(jr_type(jr_get(root, "provider")), JR_NULL);
	assert_int_equal(jr_type(jr_get(root, "vin")), JR_NULL);
	assert_int_equal(jr_type(jr_get(root, "battery")), JR_NULL);
	assert_int_equal(jr_count(jr_get(root, "provenance")), 0);
	jr_free(doc);
}

static void check_device(struct fixture *t, const struct model_device *device, const char *name)
{
	size_t len = 0;
	char *golden;

	buf_reset(&t->buf);
	assert_int_equal(wire_device_encode(device, &t->buf), 0);
	golden_check(name, t->buf.data, t->buf.len);
	golden = golden_read(name, &len);
	assert_int_equal(wire_device_decode(golden, len, &t->back), 0);
	buf_reset(&t->buf);
	assert_int_equal(wire_device_encode(&t->back, &t->buf), 0);
	assert_int_equal(t->buf.len, len);
	assert_memory_equal(t->buf.data, golden, len);
	free(golden);
	assert_string_equal(t->back.device_id, device->device_id);
	for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
		const struct model_cell *a = &device->cells[f], *b = &t->back.cells[f];

		assert_true(a->present == b->present && a->null == b->null &&
			    a->implied == b->implied && a->simulated == b->simulated);
		if (a->present && !a->null)
			assert_true(model_value_equal(f, &a->value, &b->value));
		assert_true(a->stamp.mono_us == b->stamp.mono_us &&
			    a->stamp.at_ms == b->stamp.at_ms && a->stamp.boot == b->stamp.boot);
	}
}

static void a_devices_bytes_come_back(void **state)
{
	struct fixture *t = *state;

	check_device(t, &t->obd, "device_obd.json");
	check_device(t, &t->gps, "device_gps.json");
	model_device_init(&t->gps, "new");
	check_device(t, &t->gps, "device_empty.json");
}

static void a_device_that_was_read_goes_on_merging(void **state)
{
	struct fixture *t = *state;
	struct model_stamp stamp = {.boot = 1,
				    .mono_us = 10000000,
				    .at_ms = MODEL_NO_TIME,
				    .received_ms = SAMPLE_AT + 70000,
				    .batch = 43};
	struct model_merge_result result;

	assert_int_equal(wire_device_encode(&t->obd, &t->buf), 0);
	assert_int_equal(wire_device_decode(t->buf.data, t->buf.len, &t->back), 0);
	sample_init(&t->update, &t->room);
	sample_field(&t->update, MODEL_FIELD_IDENTITY_MAKE, 99);
	assert_int_equal(model_device_merge(&t->back, &t->update, &stamp, anchor, NULL, &result),
			 0);
	assert_int_equal(result.count[MODEL_MERGE_NEWER], 1);
	assert_int_equal(t->back.cells[MODEL_FIELD_IDENTITY_MAKE].source,
			 t->obd.cells[MODEL_FIELD_IDENTITY_MAKE].source);
}

#define HEAD(v)                                                                                    \
	"{\"v\":" v ",\"device_id\":\"d\",\"provider\":\"p\",\"vin\":\"\","                        \
	"\"sources\":[\"s\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"],"                                  \
	"\"stamps\":[[0,null,null,5,0,0]],\"newest\":0,"

static void bytes_that_are_no_device_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"[]",
		"{}",
		HEAD("2") "\"modules\":{},\"cells\":{}}",
		HEAD("1") "\"modules\":{\"battery\":[\"fine\",0]},\"cells\":{}}",
		HEAD("1") "\"modules\":{\"battery\":[\"success\",1]},\"cells\":{}}",
		HEAD("1") "\"modules\":{},\"cells\":{\"identity.make\":[1,0,0,\"x\"]}}",
		HEAD("1") "\"modules\":{},\"cells\":{\"identity.make\":[0,8,0,\"x\"]}}",
		HEAD("1") "\"modules\":{},\"cells\":{\"identity.make\":[0,-1,0,\"x\"]}}",
		HEAD("1") "\"modules\":{},\"cells\":{\"identity.make\":\"x\"}}",
	};
	struct fixture *t = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		if (wire_device_decode(cases[i], strlen(cases[i]), &t->back) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
		assert_string_equal(t->back.device_id, "");
		assert_false(t->back.cells[MODEL_FIELD_IDENTITY_MAKE].present);
	}
}

static void what_this_version_does_not_know_is_left_out(void **state)
{
	static const char json[] =
		HEAD("1") "\"modules\":{\"trailer\":[\"success\",0]},\"cells\":{"
			  "\"trailer.length_m\":[0,0,0,1],\"battery.state_of_charge_pct\":"
			  "[0,0,0,500],\"identity.make\":[0,0,2,\"x\"]},\"new\":1}";
	struct fixture *t = *state;

	assert_int_equal(wire_device_decode(json, strlen(json), &t->back), 0);
	assert_false(t->back.cells[MODEL_FIELD_STATE_OF_CHARGE_PCT].present);
	assert_true(t->back.cells[MODEL_FIELD_IDENTITY_MAKE].present);
	assert_true(t->back.cells[MODEL_FIELD_IDENTITY_MAKE].simulated);
}

static void a_buffer_that_is_too_small_says_so(void **state)
{
	struct fixture *t = *state;
	struct buf small;

	buf_init(&small, 100);
	assert_int_equal(wire_device_encode(&t->obd, &small), -EMSGSIZE);
	buf_free(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_model_wire_snapshot(void);
int suite_model_wire_snapshot(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_snapshot_has_the_contracts_bytes),
		TEST(a_snapshot_with_provenance_has_the_contracts_bytes),
		TEST(every_field_of_a_delivered_module_is_there),
		TEST(not_known_is_null_and_never_zero),
		TEST(provenance_names_time_source_and_simulation),
		TEST(a_vehicle_without_data_has_a_snapshot_of_nulls),
		TEST(a_devices_bytes_come_back),
		TEST(a_device_that_was_read_goes_on_merging),
		TEST(bytes_that_are_no_device_are_refused),
		TEST(what_this_version_does_not_know_is_left_out),
		TEST(a_buffer_that_is_too_small_says_so),
	};

	return cmocka_run_group_tests_name("model.wire_snapshot", tests, NULL, NULL);
}
