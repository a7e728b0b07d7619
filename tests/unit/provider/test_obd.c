#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/obd/obd.h"

int suite_provider_obd(void);

static struct model_update_room room;
static struct model_update update;

static int setup(void **state)
{
	(void)state;
	model_update_init(&update, &room);
	return 0;
}

static void a_value_lands_in_its_canonical_field(void **state)
{
	(void)state;
	assert_int_equal(obd_apply(&update, 0x0d, 80), 1);
	assert_int_equal(obd_apply(&update, 0x5b, 20), 1);
	assert_int_equal(obd_apply(&update, 0xa6, 10000.1), 1);
	assert_float_equal(model_update_get(&update, MODEL_FIELD_SPEED_KMH)->value.as.number, 80,
			   0);
	assert_float_equal(
		model_update_get(&update, MODEL_FIELD_STATE_OF_CHARGE_PCT)->value.as.number, 20, 0);
	assert_float_equal(model_update_get(&update, MODEL_FIELD_ODOMETER_KM)->value.as.number,
			   10000.1, 0);
	assert_int_equal(update.module_status[MODEL_BATTERY], MODEL_STATUS_SUCCESS);
	assert_int_equal(update.module_status[MODEL_CHARGING], MODEL_STATUS_NOT_REQUESTED);
}

static void what_has_no_field_or_cannot_be_sets_nothing(void **state)
{
	(void)state;
	assert_int_equal(obd_apply(&update, 0x11, 50), 0);
	assert_int_equal(obd_apply(&update, 0xa6, 429496729.5), MODEL_E_INVALID);
	assert_int_equal(update.item_count, 0);
}

static void ignition_follows_the_evidence(void **state)
{
	const struct obd_evidence none = {0};
	const struct obd_evidence silent = {.silent = true, .has_rpm = true, .rpm = 800};
	const struct obd_evidence engine = {.answers = true, .has_rpm = true, .rpm = 800};
	const struct obd_evidence moving = {.answers = true, .has_speed = true, .speed_kmh = 3};
	const struct obd_evidence stopped = {
		.answers = true, .has_rpm = true, .has_voltage = true, .voltage_v = 14.1};
	const struct obd_evidence parked = {
		.answers = true, .has_rpm = true, .has_voltage = true, .voltage_v = 12.4};
	const struct obd_evidence only_voltage = {
		.answers = true, .has_voltage = true, .voltage_v = 14.1};

	(void)state;
	assert_int_equal(obd_ignition(&none), MODEL_IGNITION_UNKNOWN);
	assert_int_equal(obd_ignition(&silent), MODEL_IGNITION_OFF);
	assert_int_equal(obd_ignition(&engine), MODEL_IGNITION_ON);
	assert_int_equal(obd_ignition(&moving), MODEL_IGNITION_ON);
	assert_int_equal(obd_ignition(&stopped), MODEL_IGNITION_ON);
	assert_int_equal(obd_ignition(&parked), MODEL_IGNITION_ACCESSORY);
	assert_int_equal(obd_ignition(&only_voltage), MODEL_IGNITION_UNKNOWN);
}

int suite_provider_obd(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_value_lands_in_its_canonical_field, setup),
		cmocka_unit_test_setup(what_has_no_field_or_cannot_be_sets_nothing, setup),
		cmocka_unit_test_setup(ignition_follows_the_evidence, setup),
	};

	return cmocka_run_group_tests_name("provider.obd", tests, NULL, NULL);
}
