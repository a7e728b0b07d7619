#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/model.h"
#include "model/model_priv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static enum model_validity number(enum model_field field, double value)
{
	return model_validate(field, &(struct model_value){.as.number = value});
}

static enum model_validity integer(enum model_field field, int64_t value)
{
	return model_validate(field, &(struct model_value){.as.integer = value});
}

static enum model_validity text(enum model_field field, const char *data, size_t len)
{
	return model_validate(field, &(struct model_value){.as.text = {data, len}});
}

#define LIST(field, cells) text(field, cells, sizeof(cells) - 1)

static void ten_modules_stand_in_the_contracts_order(void **state)
{
	static const char *const names[] = {
		"inventory", "identity", "vehicle_state", "battery",         "charging",
		"service",   "warranty", "software",      "factory_options", "technical_specs"};

	(void)state;
	assert_int_equal(MODEL_MODULE_COUNT, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_string_equal(model_module_name((enum model_module)i), names[i]);
		assert_int_equal(model_module_find(names[i], strlen(names[i])), i);
	}
	assert_null(model_module_name(MODEL_MODULE_COUNT));
	assert_int_equal(model_module_find("batter", 6), -1);
	assert_int_equal(model_module_find("battery2", 8), -1);
	assert_int_equal(model_module_find("", 0), -1);
}

/* What the contract's table of fields says, module by module. */
static void every_canonical_field_is_there_and_found_by_its_path(void **state)
{
	static const struct {
		enum model_module module;
		const char *paths;
	} rows[] = {
		{MODEL_INVENTORY, "vehicle_id state in_service access_type "},
		{MODEL_IDENTITY, "vin display_name make model trim year exterior_color "
				 "license_plate powertrain "},
		{MODEL_VEHICLE_STATE,
		 "software_version odometer_km speed_kmh heading_deg gear ignition locked "
		 "sentry_mode valet_mode inside_temp_c outside_temp_c engine_rpm "
		 "engine_coolant_temp_c fuel_level_pct aux_battery_v engine_load_pct "
		 "engine_hours_h fuel_rate_lph fuel_used_l adblue_level_pct gross_weight_kg "
		 "parking_brake brake_pressed doors_open tyre_pressure_kpa.fl "
		 "tyre_pressure_kpa.fr tyre_pressure_kpa.rl tyre_pressure_kpa.rr "
		 "location.latitude location.longitude location.altitude_m "
		 "location.accuracy_m location.status "},
		{MODEL_BATTERY, "state_of_charge_pct usable_state_of_charge_pct rated_range_km "
				"estimated_range_km charge_limit_pct charging_state pack_voltage_v "
				"pack_current_a pack_power_kw temperature_min_c temperature_max_c "
				"cell_min_v cell_max_v state_of_health_pct usable_capacity_kwh "},
		{MODEL_CHARGING,
		 "plugged_in charger_power_kw charger_voltage_v charger_current_a phases "
		 "energy_added_kwh time_to_full_min charge_port_open fast_charger_present "
		 "charger_type scheduled_start_at history "},
		{MODEL_SERVICE, "mil_on dtc_confirmed dtc_pending dtc_permanent dtc_previous "
				"service_status "
				"next_service_km next_service_at "},
		{MODEL_WARRANTY, "items "},
		{MODEL_SOFTWARE, "current_version available_version update_status release_notes "},
		{MODEL_FACTORY_OPTIONS, "codes "},
		{MODEL_TECHNICAL_SPECS,
		 "battery_capacity_kwh motor max_power_kw wheels seats curb_weight_kg "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum model_field field = model_module_first(rows[i].module);
		const char *path = rows[i].paths;

		for (const char *end; (end = strchr(path, ' ')) != NULL; path = end + 1) {
			size_t len = (size_t)(end - path);

			assert_int_equal(model_field_find(rows[i].module, path, len), field);
			assert_int_equal(model_field_info(field)->module, rows[i].module);
			assert_int_equal(strlen(model_field_info(field)->path), len);
			field++;
		}
		assert_int_equal(field, model_module_end(rows[i].module));
	}
	assert_int_equal(model_module_end(MODEL_TECHNICAL_SPECS), MODEL_FIELD_COUNT);
	assert_int_equal(model_field_find(MODEL_BATTERY, "vin", 3), -1);
	assert_int_equal(model_field_find(MODEL_IDENTITY, "vi", 2), -1);
	assert_null(model_field_info(MODEL_FIELD_COUNT));
}

static void the_table_stands_in_the_order_of_the_modules(void **state)
{
	(void)state;
	for (enum model_field i = 1; i < MODEL_FIELD_COUNT; i++)
		assert_true(model_field_info(i)->module >= model_field_info(i - 1)->module);
}

static void words_have_the_contracts_order(void **state)
{
	(void)state;
	assert_string_equal(model_word(MODEL_WORDS_INVENTORY_STATE, 1), "asleep");
	assert_string_equal(model_word(MODEL_WORDS_POWERTRAIN, 4), "unknown");
	assert_null(model_word(MODEL_WORDS_POWERTRAIN, 5));
	assert_string_equal(model_word(MODEL_WORDS_IGNITION, MODEL_IGNITION_ON), "on");
	assert_string_equal(model_word(MODEL_WORDS_CHARGING_STATE, MODEL_CHARGING_NO_POWER),
			    "no_power");
	assert_string_equal(model_word(MODEL_WORDS_LOCATION_STATUS, 1), "missing_in_payload");
	assert_int_equal(model_word_find(MODEL_WORDS_GEAR, "d", 1), 3);
	assert_int_equal(model_word_find(MODEL_WORDS_GEAR, "D", 1), -1);
	assert_int_equal(model_word_find(MODEL_WORDS_COUNT, "d", 1), -1);
	assert_null(model_word(MODEL_WORDS_GEAR, 1000));
}

static void statuses_and_capabilities_have_names(void **state)
{
	(void)state;
	assert_int_equal(MODEL_STATUS_NOT_REQUESTED, 0);
	assert_string_equal(model_status_name(MODEL_STATUS_SCHEMA_FAILED), "schema_failed");
	assert_null(model_status_name(MODEL_STATUS_COUNT));
	assert_int_equal(model_status_find("auth_failed", 11), MODEL_STATUS_AUTH_FAILED);
	assert_string_equal(model_capability_name(MODEL_CAPABILITY_PREMIUM), "premium");
	assert_null(model_capability_name(MODEL_CAPABILITY_COUNT));
	assert_true(model_status_delivered(MODEL_STATUS_EMPTY));
	assert_false(model_status_delivered(MODEL_STATUS_AUTH_FAILED));
	assert_false(model_status_delivered(MODEL_STATUS_NOT_REQUESTED));
}

static void lists_have_their_columns(void **state)
{
	const struct model_column *columns;
	size_t count = 0;

	(void)state;
	columns = model_columns(MODEL_ROWS_WARRANTY, &count);
	assert_int_equal(count, 3);
	assert_string_equal(columns[1].name, "expires_at");
	assert_int_equal(columns[1].type, MODEL_TYPE_TIME);
	columns = model_columns(MODEL_ROWS_CHARGING_SESSION, &count);
	assert_int_equal(count, MODEL_COLUMNS_MAX);
	assert_string_equal(columns[3].name, "place");
	assert_null(model_columns(MODEL_ROWS_COUNT, &count));
	assert_null(model_columns(0, &count));
}

static void numbers_outside_their_range_are_implausible(void **state)
{
	const double zero = 0.0;

	(void)state;
	assert_int_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT, 0), MODEL_VALID);
	assert_int_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT, 100), MODEL_VALID);
	assert_int_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT, 100.01), MODEL_OUT_OF_RANGE);
	assert_int_equal(number(MODEL_FIELD_STATE_OF_CHARGE_PCT, -0.01), MODEL_OUT_OF_RANGE);
	assert_int_equal(number(MODEL_FIELD_PACK_CURRENT_A, -2999.5), MODEL_VALID);
	assert_int_equal(number(MODEL_FIELD_LATITUDE, zero / zero), MODEL_OUT_OF_RANGE);
	assert_int_equal(number(MODEL_FIELD_ODOMETER_KM, 1 / zero), MODEL_OUT_OF_RANGE);
	assert_int_equal(integer(MODEL_FIELD_IDENTITY_YEAR, 2026), MODEL_VALID);
	assert_int_equal(integer(MODEL_FIELD_IDENTITY_YEAR, 1949), MODEL_OUT_OF_RANGE);
	assert_int_equal(integer(MODEL_FIELD_LOCKED, 1), MODEL_VALID);
	assert_int_equal(integer(MODEL_FIELD_LOCKED, 2), MODEL_OUT_OF_RANGE);
	assert_int_equal(integer(MODEL_FIELD_NEXT_SERVICE_AT, 0), MODEL_OUT_OF_RANGE);
	assert_int_equal(integer(MODEL_FIELD_NEXT_SERVICE_AT, 1795190400000), MODEL_VALID);
	assert_int_equal(integer(MODEL_FIELD_GEAR, 4), MODEL_VALID);
	assert_int_equal(integer(MODEL_FIELD_GEAR, 5), MODEL_BAD_WORD);
	assert_int_equal(integer(MODEL_FIELD_GEAR, -1), MODEL_BAD_WORD);
	assert_int_equal(number(MODEL_FIELD_COUNT, 1), MODEL_OUT_OF_RANGE);
}

static void texts_are_utf8_without_controls_and_not_too_long(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{"K\xc3\xa4the", true},
		{"\xe2\x82\xac", true},
		{"\xf0\x9f\x9a\x8c", true},
		{"a\nb", false},
		{"\x7f", false},
		{"\xc2\x85", false},         /* C1 control */
		{"\xc0\x80", false},         /* overlong */
		{"\xe0\x9f\xbf", false},     /* overlong */
		{"\xed\xa0\x80", false},     /* surrogate */
		{"\xf4\x90\x80\x80", false}, /* past U+10FFFF */
		{"\xff", false},
		{"\xe2\x82", false}, /* cut */
		{"\xe2\x82x", false},
	};
	char longest[129];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(text(MODEL_FIELD_IDENTITY_DISPLAY_NAME, cases[i].text,
				      strlen(cases[i].text)),
				 cases[i].valid ? MODEL_VALID : MODEL_BAD_TEXT);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(text(MODEL_FIELD_IDENTITY_DISPLAY_NAME, longest, 128), MODEL_VALID);
	assert_int_equal(text(MODEL_FIELD_IDENTITY_DISPLAY_NAME, longest, 129), MODEL_BAD_TEXT);
	assert_int_equal(text(MODEL_FIELD_IDENTITY_DISPLAY_NAME, NULL, 0), MODEL_BAD_TEXT);
	assert_int_equal(text(MODEL_FIELD_IDENTITY_DISPLAY_NAME, "a\0b", 3), MODEL_BAD_TEXT);
}

static void lists_have_whole_rows_of_the_right_cells(void **state)
{
	char many[256 * 2];

	(void)state;
	assert_int_equal(text(MODEL_FIELD_OPTION_CODES, NULL, 0), MODEL_VALID);
	assert_int_equal(LIST(MODEL_FIELD_OPTION_CODES, "AD15\0MDL3\0"), MODEL_VALID);
	assert_int_equal(LIST(MODEL_FIELD_OPTION_CODES, "AD15"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_OPTION_CODES, "AD15\0\0"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_OPTION_CODES, "a\tb\0"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0001795190400000\00080000.5\0"),
			 MODEL_VALID);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0\0\0"), MODEL_VALID);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0\0"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0001.5\0\0"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0\0nan\0"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0\0001e999\0"), MODEL_BAD_LIST);
	assert_int_equal(LIST(MODEL_FIELD_WARRANTY_ITEMS, "basic\0\000--1\0"), MODEL_BAD_LIST);
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = i % 2 ? '\0' : 'x';
	assert_int_equal(text(MODEL_FIELD_DTC_PENDING, many, 255 * (size_t)2), MODEL_VALID);
	assert_int_equal(text(MODEL_FIELD_DTC_PENDING, many, 256 * (size_t)2), MODEL_BAD_LIST);
}

static void a_list_has_a_bound_in_bytes(void **state)
{
	static char cells[1537];

	(void)state;
	assert_int_equal(model_rows_bytes_max(MODEL_ROWS_TEXT), 1536);
	assert_int_equal(model_rows_bytes_max(MODEL_ROWS_COUNT), 0);
	memset(cells, 'x', sizeof(cells));
	cells[1535] = '\0';
	assert_int_equal(text(MODEL_FIELD_RELEASE_NOTES, cells, 1536), MODEL_VALID);
	cells[1535] = 'x';
	cells[1536] = '\0';
	assert_int_equal(text(MODEL_FIELD_RELEASE_NOTES, cells, 1537), MODEL_BAD_LIST);
}

static void values_are_equal_by_their_type(void **state)
{
	struct model_value a = {.as.number = 1.5}, b = {.as.number = 1.5};

	(void)state;
	assert_true(model_value_equal(MODEL_FIELD_SPEED_KMH, &a, &b));
	b.as.number = 1.25;
	assert_false(model_value_equal(MODEL_FIELD_SPEED_KMH, &a, &b));
	a.as.integer = b.as.integer = 3;
	assert_true(model_value_equal(MODEL_FIELD_GEAR, &a, &b));
	b.as.integer = 2;
	assert_false(model_value_equal(MODEL_FIELD_GEAR, &a, &b));
	a.as.text = (struct model_text){"MAN", 3};
	b.as.text = (struct model_text){"MANX", 3};
	assert_true(model_value_equal(MODEL_FIELD_IDENTITY_MAKE, &a, &b));
	b.as.text.len = 4;
	assert_false(model_value_equal(MODEL_FIELD_IDENTITY_MAKE, &a, &b));
	a.as.text = b.as.text = (struct model_text){NULL, 0};
	assert_true(model_value_equal(MODEL_FIELD_OPTION_CODES, &a, &b));
}

static void a_vin_is_17_characters_without_i_o_q(void **state)
{
	(void)state;
	assert_true(model_vin_valid("1HGCM82633A004352", 17));
	assert_false(model_vin_valid("1HGCM82633A00435", 16));
	assert_false(model_vin_valid("1HGCM82633A0O4352", 17));
	assert_false(model_vin_valid("1hGCM82633A004352", 17));
	assert_int_equal(text(MODEL_FIELD_IDENTITY_VIN, "1HGCM82633A004352", 17), MODEL_VALID);
	assert_int_equal(text(MODEL_FIELD_IDENTITY_VIN, "QHGCM82633A004352", 17), MODEL_BAD_TEXT);
}

static void the_check_digit_of_a_vin_is_judged(void **state)
{
	(void)state;
	assert_true(model_vin_check_digit_ok("1HGCM82633A004352"));
	assert_true(model_vin_check_digit_ok("11111111111111111"));
	assert_true(model_vin_check_digit_ok("1M8GDM9AXKP042788"));
	assert_false(model_vin_check_digit_ok("1M8GDM9A1KP042788"));
	assert_false(model_vin_check_digit_ok("1HGCM82633A004353"));
	assert_false(model_vin_check_digit_ok("short"));
}

static void a_masked_vin_hides_its_serial_number(void **state)
{
	char out[MODEL_VIN_SIZE];

	(void)state;
	model_vin_mask("1HGCM82633A004352", out);
	assert_string_equal(out, "1HGCM82633A00****");
	model_vin_mask("no vin", out);
	assert_string_equal(out, "****");
}

static void compaction_keeps_every_text_and_gives_up_the_holes(void **state)
{
	char memory[] = "..bbb.a..cccc";
	struct model_text a = {memory + 6, 1}, b = {memory + 2, 3}, c = {memory + 9, 4};
	struct model_text none = {NULL, 0};
	struct model_text *texts[] = {&a, &none, &c, &b};
	size_t len = sizeof(memory) - 1;

	(void)state;
	model_text_compact(memory, &len, texts, COUNT(texts));
	assert_int_equal(len, 8);
	assert_memory_equal(memory, "bbbacccc", 8);
	assert_ptr_equal(b.data, memory);
	assert_ptr_equal(a.data, memory + 3);
	assert_ptr_equal(c.data, memory + 4);
}

int suite_model_model(void);
int suite_model_model(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_modules_stand_in_the_contracts_order),
		cmocka_unit_test(every_canonical_field_is_there_and_found_by_its_path),
		cmocka_unit_test(the_table_stands_in_the_order_of_the_modules),
		cmocka_unit_test(words_have_the_contracts_order),
		cmocka_unit_test(statuses_and_capabilities_have_names),
		cmocka_unit_test(lists_have_their_columns),
		cmocka_unit_test(numbers_outside_their_range_are_implausible),
		cmocka_unit_test(texts_are_utf8_without_controls_and_not_too_long),
		cmocka_unit_test(lists_have_whole_rows_of_the_right_cells),
		cmocka_unit_test(a_list_has_a_bound_in_bytes),
		cmocka_unit_test(values_are_equal_by_their_type),
		cmocka_unit_test(a_vin_is_17_characters_without_i_o_q),
		cmocka_unit_test(the_check_digit_of_a_vin_is_judged),
		cmocka_unit_test(a_masked_vin_hides_its_serial_number),
		cmocka_unit_test(compaction_keeps_every_text_and_gives_up_the_holes),
	};

	return cmocka_run_group_tests_name("model.model", tests, NULL, NULL);
}
