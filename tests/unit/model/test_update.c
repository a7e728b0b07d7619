#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/update.h"

/* Large: not on the stack of a small target. */
static struct model_update_room room;
static struct model_update update;

static int set_up(void **state)
{
	(void)state;
	model_update_init(&update, &room);
	return 0;
}

static void a_new_update_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(update.item_count, 0);
	assert_int_equal(update.mono_us, MODEL_NO_TIME);
	assert_int_equal(update.at_ms, MODEL_NO_TIME);
	assert_int_equal(update.module_status[MODEL_BATTERY], MODEL_STATUS_NOT_REQUESTED);
	assert_null(model_update_get(&update, MODEL_FIELD_SPEED_KMH));
}

static void setting_a_field_delivers_its_module(void **state)
{
	(void)state;
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 42.5), 0);
	assert_int_equal(update.module_status[MODEL_VEHICLE_STATE], MODEL_STATUS_SUCCESS);
	assert_int_equal(update.module_status[MODEL_BATTERY], MODEL_STATUS_NOT_REQUESTED);
	assert_true(model_update_get(&update, MODEL_FIELD_SPEED_KMH)->value.as.number > 42);
}

static void a_status_that_is_set_stays(void **state)
{
	(void)state;
	update.module_status[MODEL_VEHICLE_STATE] = MODEL_STATUS_PARTIAL;
	assert_int_equal(model_update_set_null(&update, MODEL_FIELD_LATITUDE), 0);
	assert_int_equal(update.module_status[MODEL_VEHICLE_STATE], MODEL_STATUS_PARTIAL);
	assert_true(model_update_get(&update, MODEL_FIELD_LATITUDE)->null);
}

static void setting_again_replaces_value_null_and_age(void **state)
{
	const struct model_item *item;

	(void)state;
	assert_int_equal(model_update_set_null(&update, MODEL_FIELD_GEAR), 0);
	model_update_set_age(&update, MODEL_FIELD_GEAR, 4000);
	item = model_update_get(&update, MODEL_FIELD_GEAR);
	assert_int_equal(item->age_ms, 4000);
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_GEAR, "d", 1), 0);
	item = model_update_get(&update, MODEL_FIELD_GEAR);
	assert_false(item->null);
	assert_int_equal(item->value.as.integer, 3);
	assert_int_equal(item->age_ms, 0);
	assert_int_equal(update.item_count, 1);
}

static void what_a_field_cannot_have_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 50), 0);
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 5000),
			 MODEL_E_INVALID);
	assert_int_equal(model_update_set_integer(&update, MODEL_FIELD_SPEED_KMH, 5),
			 MODEL_E_INVALID);
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_LOCKED, 1), MODEL_E_INVALID);
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_SPEED_KMH, "5", 1),
			 MODEL_E_INVALID);
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_GEAR, "x", 1), MODEL_E_INVALID);
	assert_int_equal(model_update_set_null(&update, MODEL_FIELD_COUNT), MODEL_E_INVALID);
	assert_int_equal(update.item_count, 1);
	assert_int_equal(update.module_status[MODEL_BATTERY], MODEL_STATUS_NOT_REQUESTED);
	assert_true(model_update_get(&update, MODEL_FIELD_SPEED_KMH)->value.as.number > 49);
}

static void texts_are_copied(void **state)
{
	char plate[] = "B-FR 42";
	const struct model_item *item;

	(void)state;
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_IDENTITY_LICENSE_PLATE, plate,
					       strlen(plate)),
			 0);
	memset(plate, 'x', strlen(plate));
	item = model_update_get(&update, MODEL_FIELD_IDENTITY_LICENSE_PLATE);
	assert_int_equal(item->value.as.text.len, 7);
	assert_memory_equal(item->value.as.text.data, "B-FR 42", 7);
}

static void texts_set_many_times_do_not_use_up_the_memory(void **state)
{
	char name[128];
	const struct model_item *item;

	(void)state;
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_IDENTITY_MAKE, "Solaris", 7),
			 0);
	for (int i = 0; i < 1000; i++) {
		memset(name, 'a' + i % 26, sizeof(name));
		assert_int_equal(model_update_set_text(&update, MODEL_FIELD_IDENTITY_DISPLAY_NAME,
						       name, sizeof(name)),
				 0);
	}
	item = model_update_get(&update, MODEL_FIELD_IDENTITY_DISPLAY_NAME);
	assert_memory_equal(item->value.as.text.data, name, sizeof(name));
	item = model_update_get(&update, MODEL_FIELD_IDENTITY_MAKE);
	assert_memory_equal(item->value.as.text.data, "Solaris", 7);
}

static void a_memory_that_is_used_up_says_so_and_keeps_what_it_has(void **state)
{
	const struct model_item *item;

	(void)state;
	update.text_cap = 8;
	update.item_cap = 2;
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_IDENTITY_MAKE, "Volvo", 5), 0);
	assert_int_equal(model_update_set_text(&update, MODEL_FIELD_IDENTITY_MODEL, "7900", 4),
			 MODEL_E_SPACE);
	assert_int_equal(
		model_update_set_text(&update, MODEL_FIELD_IDENTITY_MAKE, "VolvoVolvo", 10),
		MODEL_E_SPACE);
	item = model_update_get(&update, MODEL_FIELD_IDENTITY_MAKE);
	assert_memory_equal(item->value.as.text.data, "Volvo", 5);
	assert_int_equal(model_update_set_null(&update, MODEL_FIELD_GEAR), 0);
	assert_int_equal(model_update_set_null(&update, MODEL_FIELD_LOCKED), MODEL_E_SPACE);
	assert_int_equal(update.item_count, 2);
}

/* Fills every field with the longest value that it can have. */
static void every_field_at_its_longest_fits_a_room(void **state)
{
	static char text[4096];

	(void)state;
	memset(text, '1', sizeof(text));
	for (enum model_field i = 0; i < MODEL_FIELD_COUNT; i++) {
		const struct model_field_info *info = model_field_info(i);
		size_t cells, len;

		if (info->type == MODEL_TYPE_TEXT) {
			assert_int_equal(model_update_set_text(&update, i, text, (size_t)info->max),
					 0);
			continue;
		}
		if (info->type != MODEL_TYPE_LIST) {
			assert_int_equal(model_update_set_null(&update, i), 0);
			continue;
		}
		/* One row that takes all bytes: a long first cell, or empty ones and a long last. */
		len = model_rows_bytes_max(info->aux);
		(void)model_columns(info->aux, &cells);
		memset(text, info->aux == MODEL_ROWS_CHARGING_SESSION ? '\0' : '1', cells - 1);
		text[len - 1] = '\0';
		if (info->aux == MODEL_ROWS_WARRANTY)
			text[len - 2] = text[len - 3] = '\0';
		assert_int_equal(model_update_set_text(&update, i, text, len), 0);
		memset(text, '1', sizeof(text));
	}
	assert_int_equal(update.item_count, MODEL_FIELD_COUNT);
}

static void clearing_keeps_the_memory(void **state)
{
	(void)state;
	assert_int_equal(model_update_set_number(&update, MODEL_FIELD_SPEED_KMH, 50), 0);
	update.mono_us = 5;
	model_update_clear(&update);
	assert_int_equal(update.item_count, 0);
	assert_int_equal(update.mono_us, MODEL_NO_TIME);
	assert_ptr_equal(update.text, room.text);
	assert_int_equal(update.item_cap, MODEL_FIELD_COUNT);
}

int suite_model_update(void);
int suite_model_update(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_new_update_says_nothing, set_up),
		cmocka_unit_test_setup(setting_a_field_delivers_its_module, set_up),
		cmocka_unit_test_setup(a_status_that_is_set_stays, set_up),
		cmocka_unit_test_setup(setting_again_replaces_value_null_and_age, set_up),
		cmocka_unit_test_setup(what_a_field_cannot_have_changes_nothing, set_up),
		cmocka_unit_test_setup(texts_are_copied, set_up),
		cmocka_unit_test_setup(texts_set_many_times_do_not_use_up_the_memory, set_up),
		cmocka_unit_test_setup(a_memory_that_is_used_up_says_so_and_keeps_what_it_has,
				       set_up),
		cmocka_unit_test_setup(every_field_at_its_longest_fits_a_room, set_up),
		cmocka_unit_test_setup(clearing_keeps_the_memory, set_up),
	};

	return cmocka_run_group_tests_name("model.update", tests, NULL, NULL);
}
