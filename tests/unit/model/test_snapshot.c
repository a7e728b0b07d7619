#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/snapshot.h"

/* Large: not on the stack of a small target. */
static struct model_device device, other;
static struct model_update_room room;
static struct model_update update;
static struct model_merge_result result;

#define SOC MODEL_FIELD_STATE_OF_CHARGE_PCT
#define HOUR INT64_C(3600000)
#define NOW (INT64_C(495000) * HOUR)

/* Boots 1..9: their monotonic zero, as wall time. */
static int64_t zero_of_boot[10];

static int64_t anchor(void *arg, int64_t boot, int64_t mono_us)
{
	(void)arg;
	if (zero_of_boot[boot] == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	return zero_of_boot[boot] + mono_us / 1000;
}

static void begin(const char *source)
{
	model_update_init(&update, &room);
	strcpy(update.device_id, "bus-12");
	strcpy(update.provider, "obd");
	(void)snprintf(update.source, sizeof(update.source), "%s", source);
}

static int set_up(void **state)
{
	(void)state;
	model_device_init(&device, "bus-12");
	model_device_init(&other, "gps-12");
	for (int i = 0; i < 10; i++)
		zero_of_boot[i] = NOW;
	memset(&result, 0, sizeof(result));
	begin("obd0");
	return 0;
}

/* Observed in boot 1, received at once. */
static struct model_stamp at_mono(int64_t mono_us)
{
	struct model_stamp stamp = {.boot = 1,
				    .mono_us = mono_us,
				    .at_ms = MODEL_NO_TIME,
				    .received_ms = NOW + HOUR,
				    .batch = 1};
	return stamp;
}

/* Polled: no monotonic time. */
static struct model_stamp at_wall(int64_t at_ms, int64_t received_ms)
{
	struct model_stamp stamp = {
		.mono_us = MODEL_NO_TIME, .at_ms = at_ms, .received_ms = received_ms};
	return stamp;
}

static enum model_merge merge_into(struct model_device *to, const struct model_stamp *stamp)
{
	assert_int_equal(model_device_merge(to, &update, stamp, anchor, NULL, &result), 0);
	for (int i = 0; i < 4; i++)
		if (result.count[i] > 0)
			return (enum model_merge)i;
	return MODEL_MERGE_DUPLICATE;
}

/* Merges one number and says how it ended. */
static enum model_merge merge_soc(double soc, struct model_stamp stamp)
{
	assert_int_equal(model_update_set_number(&update, SOC, soc), 0);
	return merge_into(&device, &stamp);
}

static int soc(void)
{
	return (int)device.cells[SOC].value.as.number;
}

static void within_a_boot_the_monotonic_time_decides_whatever_the_wall_clock_says(void **state)
{
	struct model_stamp first = at_mono(5000000), second = at_mono(6000000);

	(void)state;
	/* The source's clock jumped back to 1970 in between, and the second was received first. */
	first.at_ms = NOW + HOUR;
	second.at_ms = 5;
	second.received_ms = NOW;
	assert_int_equal(merge_soc(50, first), MODEL_MERGE_NEWER);
	assert_int_equal(merge_soc(51, second), MODEL_MERGE_NEWER);
	assert_int_equal(soc(), 51);
	assert_int_equal(merge_soc(50, first), MODEL_MERGE_OLDER);
	assert_int_equal(soc(), 51);
}

static void the_same_monotonic_time_is_ordered_by_batch_and_position(void **state)
{
	struct model_stamp stamp = at_mono(5000000);

	(void)state;
	stamp.batch = 7;
	stamp.position = 3;
	assert_int_equal(merge_soc(50, stamp), MODEL_MERGE_NEWER);
	stamp.position = 4;
	assert_int_equal(merge_soc(51, stamp), MODEL_MERGE_NEWER);
	stamp.batch = 6;
	stamp.position = 9;
	assert_int_equal(merge_soc(52, stamp), MODEL_MERGE_OLDER);
	stamp.batch = 8;
	stamp.position = 0;
	assert_int_equal(merge_soc(53, stamp), MODEL_MERGE_NEWER);
	assert_int_equal(soc(), 53);
}

static void between_boots_the_effective_time_decides(void **state)
{
	struct model_stamp old_boot = at_mono(INT64_C(9000000000)), new_boot = at_mono(1000000);

	(void)state;
	new_boot.boot = 2;
	zero_of_boot[2] = NOW + 3 * HOUR;
	old_boot.received_ms = new_boot.received_ms = NOW + 5 * HOUR;
	assert_int_equal(merge_soc(60, new_boot), MODEL_MERGE_NEWER);
	assert_int_equal(merge_soc(59, old_boot), MODEL_MERGE_OLDER);
	assert_int_equal(soc(), 60);
}

static void a_better_anchor_reorders_what_was_merged_before(void **state)
{
	struct model_stamp first = at_mono(1000000), second = at_mono(1000000);

	(void)state;
	second.boot = 2;
	first.received_ms = second.received_ms = NOW + 9 * HOUR;
	zero_of_boot[1] = NOW + 4 * HOUR;
	assert_int_equal(merge_soc(60, first), MODEL_MERGE_NEWER);
	zero_of_boot[1] = NOW - HOUR;
	assert_int_equal(merge_soc(61, second), MODEL_MERGE_NEWER);
}

static void the_effective_time_is_the_least_of_its_evidence(void **state)
{
	struct model_stamp stamp = at_mono(5000000);

	(void)state;
	assert_true(model_effective_ms(&stamp, anchor, NULL) == NOW + 5000);
	stamp.at_ms = NOW + 4000;
	assert_true(model_effective_ms(&stamp, anchor, NULL) == NOW + 4000);
	stamp.at_ms = NOW + 6000;
	assert_true(model_effective_ms(&stamp, anchor, NULL) == NOW + 5000);
	stamp.received_ms = NOW + 3000;
	assert_true(model_effective_ms(&stamp, anchor, NULL) == NOW + 3000);
	stamp.at_ms = MODEL_NO_TIME;
	zero_of_boot[1] = MODEL_NO_TIME;
	assert_true(model_effective_ms(&stamp, anchor, NULL) == NOW + 3000);
	assert_true(model_effective_ms(&stamp, NULL, NULL) == NOW + 3000);
	stamp.boot = 0;
	stamp.mono_us = 1;
	zero_of_boot[0] = 0;
	assert_true(model_effective_ms(&stamp, anchor, NULL) == NOW + 3000);
}

static void a_time_in_the_future_is_clamped_by_its_receipt(void **state)
{
	(void)state;
	assert_int_equal(merge_soc(50, at_wall(NOW + 9 * HOUR, NOW)), MODEL_MERGE_NEWER);
	assert_int_equal(merge_soc(51, at_wall(NOW + 1, NOW + 1)), MODEL_MERGE_NEWER);
	assert_int_equal(soc(), 51);
}

static void the_same_time_source_and_value_is_a_duplicate(void **state)
{
	(void)state;
	assert_int_equal(merge_soc(50, at_mono(5)), MODEL_MERGE_NEWER);
	assert_int_equal(merge_soc(50, at_mono(5)), MODEL_MERGE_DUPLICATE);
	/* A poll that gives the provider's last value again. */
	assert_int_equal(merge_soc(50, at_wall(NOW + HOUR, NOW + 2 * HOUR)), MODEL_MERGE_NEWER);
	assert_int_equal(merge_soc(50, at_wall(NOW + HOUR, NOW + 3 * HOUR)), MODEL_MERGE_DUPLICATE);
	assert_int_equal(merge_soc(51, at_wall(NOW + HOUR, NOW + 3 * HOUR)), MODEL_MERGE_NEWER);
	begin("obd1");
	assert_int_equal(merge_soc(51, at_wall(NOW + HOUR, NOW + 3 * HOUR)), MODEL_MERGE_OLDER);
}

static void older_data_completes_what_is_missing_and_no_more(void **state)
{
	struct model_stamp late = at_mono(1000000);

	(void)state;
	assert_int_equal(merge_soc(50, at_mono(9000000)), MODEL_MERGE_NEWER);
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 30), 0);
	assert_int_equal(model_update_set_number(&update, SOC, 49), 0);
	(void)merge_into(&device, &late);
	assert_int_equal(result.count[MODEL_MERGE_COMPLETES], 1);
	assert_int_equal(result.count[MODEL_MERGE_OLDER], 1);
	assert_int_equal(result.count[MODEL_MERGE_NEWER], 0);
	assert_int_equal(soc(), 50);
	assert_true(device.cells[MODEL_FIELD_SPEED_KMH].present);
}

static void a_field_that_was_read_earlier_has_its_own_time(void **state)
{
	struct model_stamp stamp = at_mono(10000000);

	(void)state;
	assert_int_equal(model_update_set_number(&update, SOC, 50), 0);
	model_update_set_age(&update, SOC, 4000);
	stamp.at_ms = NOW + 10000;
	(void)merge_into(&device, &stamp);
	assert_true(device.cells[SOC].stamp.mono_us == 6000000);
	assert_true(device.cells[SOC].stamp.at_ms == NOW + 6000);
	assert_int_equal(merge_soc(51, at_mono(5000000)), MODEL_MERGE_OLDER);
	assert_int_equal(merge_soc(52, at_mono(7000000)), MODEL_MERGE_NEWER);
	/* Without any clock the age counts from the receipt. */
	assert_int_equal(model_update_set_number(&update, SOC, 50), 0);
	model_update_set_age(&update, SOC, 4000);
	stamp = at_wall(MODEL_NO_TIME, NOW + 10 * HOUR);
	(void)merge_into(&device, &stamp);
	assert_true(model_effective_ms(&device.cells[SOC].stamp, anchor, NULL) ==
		    NOW + 10 * HOUR - 4000);
}

static void a_null_is_known_to_be_unknown(void **state)
{
	struct model_stamp stamp = at_mono(2);

	(void)state;
	assert_int_equal(merge_soc(50, at_mono(1)), MODEL_MERGE_NEWER);
	assert_int_equal(model_update_set_null(&update, SOC), 0);
	assert_int_equal(merge_into(&device, &stamp), MODEL_MERGE_NEWER);
	assert_true(device.cells[SOC].present && device.cells[SOC].null);
	assert_int_equal(merge_into(&device, &stamp), MODEL_MERGE_DUPLICATE);
	assert_int_equal(merge_soc(49, at_mono(0)), MODEL_MERGE_OLDER);
	assert_int_equal(merge_soc(51, at_mono(3)), MODEL_MERGE_NEWER);
}

/* Merges a keyframe that names the speed only but delivers the battery too. */
static void merge_keyframe(const char *source, int64_t mono_us)
{
	struct model_stamp stamp = at_mono(mono_us);

	begin(source);
	update.keyframe = true;
	update.module_status[MODEL_BATTERY] = MODEL_STATUS_SUCCESS;
	update.module_status[MODEL_SERVICE] = MODEL_STATUS_TRANSPORT_FAILED;
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 1), 0);
	(void)merge_into(&device, &stamp);
	begin("obd0");
}

static void a_keyframe_nulls_what_it_does_not_name(void **state)
{
	struct model_stamp stamp = at_mono(5);

	(void)state;
	assert_int_equal(model_update_set_integer(&update, MODEL_FIELD_MIL_ON, 1), 0);
	assert_int_equal(model_update_set_integer(&update, MODEL_FIELD_PLUGGED_IN, 1), 0);
	assert_int_equal(model_update_set_number(&update, SOC, 50), 0);
	(void)merge_into(&device, &stamp);
	merge_keyframe("obd0", 9);
	assert_int_equal(result.nulled, 1);
	assert_true(device.cells[SOC].null);
	/* Not what was not delivered, nor what failed. */
	assert_false(device.cells[MODEL_FIELD_MIL_ON].null);
	assert_false(device.cells[MODEL_FIELD_PLUGGED_IN].null);
	assert_int_equal(device.module_status[MODEL_SERVICE], MODEL_STATUS_TRANSPORT_FAILED);
	/* Again: there is nothing left to null. */
	merge_keyframe("obd0", 10);
	assert_int_equal(result.nulled, 0);
}

static void a_keyframe_leaves_other_sources_and_newer_values_alone(void **state)
{
	(void)state;
	assert_int_equal(merge_soc(50, at_mono(5)), MODEL_MERGE_NEWER);
	merge_keyframe("can0", 9);
	assert_int_equal(result.nulled, 0);
	assert_int_equal(soc(), 50);
	merge_keyframe("obd0", 4);
	assert_int_equal(result.nulled, 0);
	assert_int_equal(soc(), 50);
	assert_false(device.cells[SOC].null);
}

static void a_value_older_than_a_keyframe_without_it_does_not_slip_in(void **state)
{
	(void)state;
	merge_keyframe("obd0", 9);
	assert_int_equal(merge_soc(50, at_mono(5)), MODEL_MERGE_OLDER);
	assert_true(device.cells[SOC].null);
	/* Another source's may: the keyframe says nothing of that. */
	begin("can0");
	assert_int_equal(merge_soc(40, at_mono(5)), MODEL_MERGE_COMPLETES);
	assert_int_equal(soc(), 40);
}

static void a_vehicle_shows_the_newest_of_its_devices(void **state)
{
	const struct model_device *const devices[] = {&device, &other};
	struct model_stamp stamp = at_wall(NOW + 50, NOW + 60);
	size_t from = 9;

	(void)state;
	assert_null(model_snapshot_cell(devices, 2, SOC, anchor, NULL, &from));
	assert_int_equal(from, 9);
	assert_int_equal(merge_soc(50, at_wall(NOW, NOW)), MODEL_MERGE_NEWER);
	assert_int_equal(model_update_set_number(&update, SOC, 60), 0);
	(void)merge_into(&other, &stamp);
	assert_ptr_equal(model_snapshot_cell(devices, 2, SOC, anchor, NULL, &from),
			 &other.cells[SOC]);
	assert_int_equal(from, 1);
	/* A null that is stated later is shown. */
	stamp = at_wall(NOW + 55, NOW + 60);
	assert_int_equal(model_update_set_null(&update, SOC), 0);
	(void)merge_into(&device, &stamp);
	assert_true(model_snapshot_cell(devices, 2, SOC, anchor, NULL, &from)->null);
	assert_int_equal(from, 0);
	assert_null(model_snapshot_cell(devices, 2, MODEL_FIELD_COUNT, anchor, NULL, &from));
	assert_null(model_snapshot_cell(devices, 0, SOC, anchor, NULL, &from));
}

static void between_devices_of_one_boot_the_effective_time_decides(void **state)
{
	const struct model_device *const devices[] = {&device, &other};
	struct model_stamp stamp = at_mono(9000000);
	size_t from = 9;

	(void)state;
	/* Read later by the gateway, but measured an hour ago. */
	stamp.at_ms = NOW - HOUR;
	assert_int_equal(merge_soc(50, stamp), MODEL_MERGE_NEWER);
	stamp = at_mono(1000000);
	(void)merge_into(&other, &stamp);
	assert_non_null(model_snapshot_cell(devices, 2, SOC, anchor, NULL, &from));
	assert_int_equal(from, 1);
}

static void ties_between_devices_go_to_the_smaller_id(void **state)
{
	const struct model_device *const devices[] = {&other, &device};
	const struct model_device *const turned[] = {&device, &other};
	struct model_stamp stamp = at_wall(NOW, NOW);
	size_t from = 9;

	(void)state;
	assert_int_equal(merge_soc(50, stamp), MODEL_MERGE_NEWER);
	(void)merge_into(&other, &stamp);
	assert_non_null(model_snapshot_cell(devices, 2, SOC, anchor, NULL, &from));
	assert_int_equal(from, 1);
	assert_non_null(model_snapshot_cell(turned, 2, SOC, anchor, NULL, &from));
	assert_int_equal(from, 0);
}

static void an_implied_null_hides_no_other_device(void **state)
{
	const struct model_device *const devices[] = {&device, &other};
	struct model_stamp stamp = at_mono(1000000);
	size_t from = 9;

	(void)state;
	assert_int_equal(model_update_set_number(&update, SOC, 60), 0);
	(void)merge_into(&other, &stamp);
	merge_keyframe("obd0", 9000000);
	assert_true(device.cells[SOC].null);
	assert_false(model_snapshot_cell(devices, 2, SOC, anchor, NULL, &from)->null);
	assert_int_equal(from, 1);
	assert_true(model_snapshot_cell(devices, 1, SOC, anchor, NULL, &from)->null);
}

static void a_module_shows_the_best_status_of_the_devices(void **state)
{
	const struct model_device *const devices[] = {&device, &other};

	(void)state;
	assert_int_equal(model_snapshot_status(devices, 2, MODEL_BATTERY),
			 MODEL_STATUS_NOT_REQUESTED);
	device.module_status[MODEL_BATTERY] = MODEL_STATUS_UNSUPPORTED;
	assert_int_equal(model_snapshot_status(devices, 2, MODEL_BATTERY),
			 MODEL_STATUS_UNSUPPORTED);
	other.module_status[MODEL_BATTERY] = MODEL_STATUS_AUTH_FAILED;
	assert_int_equal(model_snapshot_status(devices, 2, MODEL_BATTERY),
			 MODEL_STATUS_AUTH_FAILED);
	device.module_status[MODEL_BATTERY] = MODEL_STATUS_EMPTY;
	other.module_status[MODEL_BATTERY] = MODEL_STATUS_PARTIAL;
	assert_int_equal(model_snapshot_status(devices, 2, MODEL_BATTERY), MODEL_STATUS_PARTIAL);
	assert_int_equal(model_snapshot_status(devices, 2, MODEL_MODULE_COUNT),
			 MODEL_STATUS_NOT_REQUESTED);
}

static void an_older_status_does_not_replace_a_newer_one(void **state)
{
	struct model_stamp stamp = at_mono(9);

	(void)state;
	update.module_status[MODEL_BATTERY] = MODEL_STATUS_AUTH_FAILED;
	strcpy(update.vin, "1HGCM82633A004352");
	(void)merge_into(&device, &stamp);
	update.module_status[MODEL_BATTERY] = MODEL_STATUS_SUCCESS;
	update.module_status[MODEL_SERVICE] = MODEL_STATUS_SUCCESS;
	strcpy(update.vin, "1M8GDM9AXKP042788");
	strcpy(update.provider, "can");
	stamp = at_mono(5);
	(void)merge_into(&device, &stamp);
	assert_int_equal(device.module_status[MODEL_BATTERY], MODEL_STATUS_AUTH_FAILED);
	assert_int_equal(device.module_status[MODEL_SERVICE], MODEL_STATUS_SUCCESS);
	assert_string_equal(device.vin, "1HGCM82633A004352");
	assert_string_equal(device.provider, "obd");
}

static void texts_replaced_many_times_do_not_use_up_the_memory(void **state)
{
	char name[128];
	static char notes[1536];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct model_stamp stamp = at_mono(i);

		memset(name, 'a' + i % 26, sizeof(name));
		memset(notes, 'A' + i % 26, sizeof(notes));
		notes[sizeof(notes) - 1] = '\0';
		assert_int_equal(model_update_set_text(&update, MODEL_FIELD_IDENTITY_DISPLAY_NAME,
						       name, sizeof(name)),
				 0);
		assert_int_equal(model_update_set_text(&update, MODEL_FIELD_RELEASE_NOTES, notes,
						       sizeof(notes)),
				 0);
		assert_int_equal(
			model_update_set_text(&update, MODEL_FIELD_IDENTITY_MAKE, "Solaris", 7), 0);
		assert_int_equal(merge_into(&device, &stamp), MODEL_MERGE_NEWER);
		assert_memory_equal(
			device.cells[MODEL_FIELD_IDENTITY_DISPLAY_NAME].value.as.text.data, name,
			sizeof(name));
		assert_memory_equal(device.cells[MODEL_FIELD_RELEASE_NOTES].value.as.text.data,
				    notes, sizeof(notes));
		assert_memory_equal(device.cells[MODEL_FIELD_IDENTITY_MAKE].value.as.text.data,
				    "Solaris", 7);
	}
	assert_in_range(device.text_len, 1, MODEL_DEVICE_TEXT);
}

static void too_many_sources_leave_the_device_as_it_was(void **state)
{
	char source[] = "obd0";
	struct model_stamp stamp = at_mono(100);

	(void)state;
	for (int i = 0; i < MODEL_SOURCES_MAX; i++) {
		source[3] = (char)('0' + i);
		begin(source);
		assert_int_equal(model_update_set_null(&update, (enum model_field)i), 0);
		(void)merge_into(&device, &stamp);
	}
	begin("gps0");
	update.module_status[MODEL_BATTERY] = MODEL_STATUS_SUCCESS;
	assert_int_equal(model_update_set_null(&update, SOC), 0);
	assert_int_equal(model_device_merge(&device, &update, &stamp, anchor, NULL, &result),
			 MODEL_E_SPACE);
	assert_false(device.cells[SOC].present);
	assert_int_equal(device.module_status[MODEL_BATTERY], MODEL_STATUS_NOT_REQUESTED);
	/* A source whose values were all replaced makes room. */
	begin("obd0");
	assert_int_equal(model_update_set_null(&update, (enum model_field)7), 0);
	stamp = at_mono(200);
	(void)merge_into(&device, &stamp);
	begin("gps0");
	assert_int_equal(model_device_merge(&device, &update, &stamp, NULL, NULL, NULL), 0);
}

static void simulated_data_is_marked(void **state)
{
	(void)state;
	update.simulated = true;
	assert_int_equal(merge_soc(50, at_mono(1)), MODEL_MERGE_NEWER);
	assert_true(device.cells[SOC].simulated);
	update.simulated = false;
	assert_int_equal(merge_soc(50, at_mono(2)), MODEL_MERGE_NEWER);
	assert_false(device.cells[SOC].simulated);
}

/* Merges the updates of a random history in a random order; the same cells must come out. */
#define HISTORY 12

static void merge_history(struct model_device *to, const uint8_t *order)
{
	model_device_init(to, "bus-12");
	for (int i = 0; i < HISTORY; i++) {
		int n = order[i];
		struct model_stamp stamp = at_mono((int64_t)(n / 2) * 1000);

		stamp.boot = 1 + n % 2;
		stamp.batch = n;
		begin("obd0");
		update.keyframe = n % 4 == 3;
		update.module_status[MODEL_BATTERY] = MODEL_STATUS_SUCCESS;
		if (n % 3 != 0)
			assert_int_equal(model_update_set_number(&update, SOC, n), 0);
		if (n % 5 == 0)
			assert_int_equal(model_update_set_null(&update, MODEL_FIELD_PACK_POWER_KW),
					 0);
		if (n % 5 == 2)
			assert_int_equal(
				model_update_set_number(&update, MODEL_FIELD_PACK_POWER_KW, n), 0);
		assert_int_equal(model_device_merge(to, &update, &stamp, anchor, NULL, NULL), 0);
	}
}

static void the_order_of_merges_does_not_matter(void **state)
{
	uint8_t order[HISTORY];
	uint32_t seed = 7;

	(void)state;
	zero_of_boot[2] = NOW + 500;
	for (uint8_t i = 0; i < HISTORY; i++)
		order[i] = i;
	merge_history(&device, order);
	for (int round = 0; round < 200; round++) {
		for (uint32_t i = HISTORY - 1; i > 0; i--) {
			uint32_t j = (seed >> 16) % (i + 1);
			uint8_t swapped = order[i];

			seed = seed * 1664525u + 1013904223u;
			order[i] = order[j];
			order[j] = swapped;
		}
		merge_history(&other, order);
		for (enum model_field f = 0; f < MODEL_FIELD_COUNT; f++) {
			const struct model_cell *a = &device.cells[f], *b = &other.cells[f];

			assert_int_equal(a->present, b->present);
			assert_int_equal(a->null, b->null);
			assert_int_equal(a->stamp.batch, b->stamp.batch);
			assert_true(model_value_equal(f, &a->value, &b->value));
		}
	}
}

static void a_device_fits_24_kilobytes(void **state)
{
	(void)state;
	assert_in_range(sizeof(struct model_device), 1, 24576);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int suite_model_snapshot(void);
int suite_model_snapshot(void)
{
	const struct CMUnitTest tests[] = {
		TEST(within_a_boot_the_monotonic_time_decides_whatever_the_wall_clock_says),
		TEST(the_same_monotonic_time_is_ordered_by_batch_and_position),
		TEST(between_boots_the_effective_time_decides),
		TEST(a_better_anchor_reorders_what_was_merged_before),
		TEST(the_effective_time_is_the_least_of_its_evidence),
		TEST(a_time_in_the_future_is_clamped_by_its_receipt),
		TEST(the_same_time_source_and_value_is_a_duplicate),
		TEST(older_data_completes_what_is_missing_and_no_more),
		TEST(a_field_that_was_read_earlier_has_its_own_time),
		TEST(a_null_is_known_to_be_unknown),
		TEST(a_keyframe_nulls_what_it_does_not_name),
		TEST(a_keyframe_leaves_other_sources_and_newer_values_alone),
		TEST(a_value_older_than_a_keyframe_without_it_does_not_slip_in),
		TEST(a_vehicle_shows_the_newest_of_its_devices),
		TEST(between_devices_of_one_boot_the_effective_time_decides),
		TEST(ties_between_devices_go_to_the_smaller_id),
		TEST(an_implied_null_hides_no_other_device),
		TEST(a_module_shows_the_best_status_of_the_devices),
		TEST(an_older_status_does_not_replace_a_newer_one),
		TEST(texts_replaced_many_times_do_not_use_up_the_memory),
		TEST(too_many_sources_leave_the_device_as_it_was),
		TEST(simulated_data_is_marked),
		TEST(the_order_of_merges_does_not_matter),
		TEST(a_device_fits_24_kilobytes),
	};

	return cmocka_run_group_tests_name("model.snapshot", tests, NULL, NULL);
}
