/* The OBD-II source on a CAN interface: control units whose every frame is scripted here, and simulated
 * vehicles with faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "agent/source/obd.h"
#include "hal/fake/can_fake.h"
#include "tests/sim/can_port.h"

int suite_agent_obd_can(void);

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define FRAMES_MAX 256

static const char two_values[] =
	"[profile]\nname = test\nbus = can11_500\n"
	"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
	"[command battery]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 1 s\n"
	"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\ntrust = sources\n"
	"field = vehicle_state.speed_kmh\n"
	"[signal charge]\ncommand = battery\nbytes = 8 1\nunit = %\ntrust = sources\n"
	"field = battery.state_of_charge_pct\n";

struct desk {
	struct clock_fake clock;
	struct loop *loop;
	struct can_fake *wire;
	struct profile *profile;
	struct source_config config;
	struct source_env env;
	struct source *source;
	int given[MODEL_FIELD_COUNT];
	double number[MODEL_FIELD_COUNT];
	/* Simulated: */
	struct vehicle vehicle;
	struct can_port port;
	/* Scripted: what 7E4 says to 22 01 01. */
	struct canbus_frame answer[8];
	size_t answer_count;
	bool speaks; /* 7E8 and 7E9 answer 01 .. */
	struct canbus_frame sent[FRAMES_MAX];
	size_t sent_count;
};

static struct desk desk;

static void on_update(void *arg, const struct model_update *update)
{
	struct desk *at = arg;

	for (size_t i = 0; i < update->item_count; i++) {
		const struct model_item *item = &update->items[i];

		at->given[item->field] += !item->null;
		if (model_field_info((enum model_field)item->field)->type == MODEL_TYPE_NUMBER)
			at->number[item->field] = item->value.as.number;
	}
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
}

/* ---- scripted units ---- */

static void script(size_t index, const char *bytes, size_t len)
{
	struct canbus_frame *frame = &desk.answer[index];

	*frame = (struct canbus_frame){.id = 0x7ec, .len = (uint8_t)len};
	memcpy(frame->data, bytes, len);
	desk.answer_count = index + 1;
}
#define SCRIPT(index, text) script(index, text, sizeof(text) - 1)

static void on_write(struct can_fake *wire, const struct canbus_frame *frame, void *arg)
{
	(void)arg;
	if (desk.sent_count < FRAMES_MAX)
		desk.sent[desk.sent_count++] = *frame;
	if (frame->id == 0x7df && desk.speaks && frame->data[1] == 0x01 && frame->data[2] == 0) {
		can_fake_send_data(wire, 0x7e8, "\x06\x41\x00\x00\x08\x00\x00", 7);
		can_fake_send_data(wire, 0x7e9, "\x06\x41\x00\x00\x08\x00\x00", 7);
	}
	if (frame->id == 0x7df && desk.speaks && frame->data[1] == 0x01 && frame->data[2] == 0x0d) {
		can_fake_send_data(wire, 0x7e9, "\x03\x41\x0d\x33", 4);
		can_fake_send_data(wire, 0x7e8, "\x03\x41\x0d\x32", 4);
	}
	if (frame->id != 0x7e4)
		return;
	if (frame->data[0] == 3 && desk.answer_count)
		can_fake_send(wire, &desk.answer[0]);
	for (size_t i = 1; frame->data[0] == 0x30 && i < desk.answer_count; i++)
		can_fake_send(wire, &desk.answer[i]);
}

/* ---- life ---- */

static void make(const char *text, const char *device, profile_allowed_fn *allowed)
{
	memset(&desk, 0, sizeof(desk));
	assert_int_equal(
		profile_parse(text, strlen(text), "test.conf", allowed, stderr, &desk.profile), 0);
	clock_fake_init(&desk.clock, 0, SECOND);
	assert_int_equal(loop_create(&desk.clock.clock, &desk.loop), 0);
	assert_int_equal(can_fake_create(&desk.clock.clock, &desk.wire), 0);
	can_fake_set_rate(desk.wire, 500000, 0);
	can_fake_on_write(desk.wire, on_write, NULL);
	desk.speaks = true;
	desk.config = (struct source_config){
		.name = "obd0",
		.kind = "obd",
		.device = device,
		.device_id = "bus-12",
		.profile = desk.profile,
		.signals = "",
		.timeout_us = 2 * SECOND,
	};
	rhythm_defaults(&desk.config.rhythm);
	desk.env = (struct source_env){
		.loop = desk.loop,
		.can = can_fake_opener(desk.wire),
		.update = on_update,
		.changed = on_changed,
		.arg = &desk,
	};
}

static void start(void)
{
	assert_int_equal(source_obd_ops.create(&desk.config, &desk.env, &desk.source), 0);
	assert_int_equal(source_obd_ops.start(desk.source), 0);
}

static int setup(void **state)
{
	(void)state;
	make(two_values, "can:can0", obd2_request_allowed);
	SCRIPT(0, "\x10\x0c\x62\x01\x01\0\0\0");
	SCRIPT(1, "\x21\0\0\0\0\0\x32\0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	source_obd_ops.destroy(desk.source);
	can_port_close(&desk.port);
	assert_int_equal(can_fake_ends(desk.wire), 0);
	assert_true(loop_due_us(desk.loop) == INT64_MAX); /* no timer is left */
	can_fake_destroy(desk.wire);
	loop_destroy(desk.loop);
	profile_free(desk.profile);
	return 0;
}

static void pass(int64_t us)
{
	for (int64_t t = 0; t < us; t += 5 * MS) {
		clock_fake_advance(&desk.clock, 5 * MS);
		for (int i = 0; i < 100 && loop_run_once(desk.loop, 0) > 0; i++)
			;
	}
}

static struct source_report report(void)
{
	struct source_report out;

	source_obd_ops.report(desk.source, &out);
	return out;
}

static const char *refusal(const char *command)
{
	const struct source_report now = report();

	for (size_t i = 0; i < now.refusal_count; i++)
		if (strcmp(now.refusals[i].what, command) == 0)
			return now.refusals[i].reason;
	return "";
}

static size_t sent_to(uint32_t id)
{
	size_t count = 0;

	for (size_t i = 0; i < desk.sent_count; i++)
		count += desk.sent[i].id == id;
	return count;
}

/* ---- tests ---- */

static void single_and_long_answers_become_values(void **state)
{
	(void)state;
	start();
	pass(5 * SECOND);
	assert_int_equal(report().state, SOURCE_OK);
	assert_string_equal(report().protocol, "CAN 11/500");
	assert_int_equal(report().ecus, 2);
	assert_float_equal(desk.number[MODEL_FIELD_SPEED_KMH], 50, 0); /* of the smaller id */
	assert_float_equal(desk.number[MODEL_FIELD_STATE_OF_CHARGE_PCT], 50, 0);
	assert_non_null(strstr(report().adapter, "can0, 500000 bit/s, own ISO-TP"));
}

static void a_unit_that_refuses_is_noted(void **state)
{
	(void)state;
	SCRIPT(0, "\x03\x7f\x22\x31");
	start();
	pass(5 * SECOND);
	assert_non_null(strstr(refusal("battery"), "31"));
	assert_int_equal(desk.given[MODEL_FIELD_STATE_OF_CHARGE_PCT], 0);
	assert_true(desk.given[MODEL_FIELD_SPEED_KMH] > 2);
}

static void a_unit_that_wants_time_gets_it(void **state)
{
	(void)state;
	SCRIPT(0, "\x03\x7f\x22\x78");
	start();
	pass(SECOND);
	assert_int_equal(desk.given[MODEL_FIELD_STATE_OF_CHARGE_PCT], 0);
	/* Long after P2, within P2*. */
	pass(2 * SECOND);
	can_fake_send_data(desk.wire, 0x7ec, "\x10\x0c\x62\x01\x01\0\0\0", 8);
	pass(20 * MS);
	can_fake_send_data(desk.wire, 0x7ec, "\x21\0\0\0\0\0\x32\0", 8);
	pass(100 * MS);
	assert_int_equal(desk.given[MODEL_FIELD_STATE_OF_CHARGE_PCT], 1);
	assert_float_equal(desk.number[MODEL_FIELD_STATE_OF_CHARGE_PCT], 50, 0);
	assert_int_equal(sent_to(0x7e4), 2); /* the request and the flow control: asked once */
}

static void frames_that_are_lost_or_wrong_become_no_value(void **state)
{
	static const struct {
		const char *second;
		size_t len;
	} cases[] = {{"", 0}, {"\x22\0\0\0\0\0\x32\0", 8}, {"\x21\0\0", 3}};

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		script(1, cases[i].second, cases[i].len);
		desk.answer_count = cases[i].len ? 2 : 1;
		pass(10 * SECOND);
		assert_int_equal(desk.given[MODEL_FIELD_STATE_OF_CHARGE_PCT], 0);
	}
	assert_true(report().rejected > 0);
	assert_true(desk.given[MODEL_FIELD_SPEED_KMH] > 5);
	SCRIPT(1, "\x21\0\0\0\0\0\x32\0");
	pass(10 * MINUTE);
	assert_true(desk.given[MODEL_FIELD_STATE_OF_CHARGE_PCT] > 0);
}

/* A profile that was loaded past its own check. */
static bool anything(const uint8_t *request, size_t len)
{
	(void)request;
	return len > 0;
}

static void what_may_not_be_sent_does_not_leave_by_can_either(void **state)
{
	static const char text[] =
		"[profile]\nname = test\nbus = can11_500\n"
		"[command clear]\nrequest = 04 00\nperiod = 1 s\n"
		"[command speed]\nrequest = 01 0D\nperiod = 1 s\n"
		"[command other]\nrequest = 22 01 01\necu = 100 108\nperiod = 1 s\n"
		"[signal a]\ncommand = clear\nbytes = 0 1\ntrust = sources\n"
		"[signal b]\ncommand = speed\nbytes = 0 1\ntrust = sources\n"
		"[signal c]\ncommand = other\nbytes = 0 1\ntrust = sources\n";

	(void)state;
	make(text, "can:can0", anything);
	start();
	pass(20 * SECOND);
	assert_true(desk.sent_count > 5);
	for (size_t i = 0; i < desk.sent_count; i++) {
		assert_true(desk.sent[i].data[1] != 0x04);
		assert_true(desk.sent[i].id != 0x100);
	}
	assert_string_equal(refusal("clear"), "the gate of requests refuses it");
	assert_string_equal(refusal("other"), "the gate of requests refuses it");
}

static void a_bus_that_is_silent_is_a_vehicle_that_sleeps(void **state)
{
	(void)state;
	desk.speaks = false;
	desk.answer_count = 0;
	start();
	pass(3 * SECOND);
	assert_int_equal(report().state, SOURCE_OK);
	assert_string_equal(report().reason, "vehicle_asleep");
	/* A frame on the bus: it is looked at, and read. */
	pass(10 * SECOND);
	desk.speaks = true;
	can_fake_send_data(desk.wire, 0x130, "\0\0", 2);
	pass(3 * SECOND);
	assert_string_equal(report().reason, "");
	assert_true(desk.given[MODEL_FIELD_SPEED_KMH] > 0);
}

static void where_nobody_acknowledges_the_bus_is_at_fault(void **state)
{
	(void)state;
	desk.speaks = false;
	desk.answer_count = 0;
	can_fake_set_condition(desk.wire, CANBUS_PASSIVE);
	start();
	pass(3 * SECOND);
	assert_int_equal(report().state, SOURCE_ERROR);
	assert_string_equal(report().reason, "bus_error");
	assert_non_null(strstr(report().detail, "acknowledges"));
	desk.speaks = true;
	can_fake_set_condition(desk.wire, CANBUS_ACTIVE);
	pass(5 * SECOND);
	assert_int_equal(report().state, SOURCE_OK);
}

static void a_controller_that_left_the_bus_is_told_and_read_again(void **state)
{
	(void)state;
	start();
	pass(5 * SECOND);
	can_fake_set_condition(desk.wire, CANBUS_OFF);
	pass(3 * SECOND);
	assert_string_equal(report().reason, "bus_error");
	assert_non_null(strstr(report().detail, "restart-ms"));
	can_fake_set_condition(desk.wire, CANBUS_ACTIVE);
	pass(10 * SECOND);
	assert_string_equal(report().reason, "");
}

static void an_interface_that_is_down_gone_or_only_listens_says_so(void **state)
{
	(void)state;
	can_fake_down(desk.wire);
	start();
	pass(SECOND);
	assert_string_equal(report().reason, "interface_down");
	can_fake_up(desk.wire);
	pass(10 * SECOND);
	assert_string_equal(report().reason, "");
	can_fake_down(desk.wire);
	pass(SECOND);
	assert_string_equal(report().reason, "interface_down");
	can_fake_up(desk.wire);
	pass(10 * SECOND);
	assert_string_equal(report().reason, "");
	can_fake_remove(desk.wire);
	pass(SECOND);
	assert_string_equal(report().reason, "interface_gone");
	can_fake_return(desk.wire);
	pass(10 * SECOND);
	assert_string_equal(report().reason, "");
	can_fake_down(desk.wire);
	can_fake_set_silent(desk.wire, true);
	pass(SECOND);
	can_fake_up(desk.wire);
	pass(10 * SECOND);
	assert_string_equal(report().reason, "listen_only");
}

static void an_address_is_checked(void **state)
{
	const char *key = NULL;
	char expected[200];

	(void)state;
	start();
	assert_int_equal(source_obd_ops.check(&desk.config, &key, expected, sizeof(expected)), 0);
	desk.config.device = "can:";
	assert_int_equal(source_obd_ops.check(&desk.config, &key, expected, sizeof(expected)),
			 -EINVAL);
	assert_string_equal(key, "device");
	desk.config.device = "can:a/b";
	assert_int_equal(source_obd_ops.check(&desk.config, &key, expected, sizeof(expected)),
			 -EINVAL);
	desk.config.device = "can:can0";
}

/* ---- simulated vehicles ---- */

static void put(enum vehicle_kind kind)
{
	vehicle_init_kind(&desk.vehicle, kind, 1, loop_now_us(desk.loop));
	vehicle_set_activity(&desk.vehicle, VEHICLE_DRIVING);
	can_fake_on_write(desk.wire, NULL, NULL);
	assert_int_equal(can_port_open(&desk.port, desk.loop, can_fake_opener(desk.wire), "can0",
				       &desk.vehicle, 8 * MS),
			 0);
}

static void faults_of_units_give_nothing_wrong_and_pass(void **state)
{
	(void)state;
	put(VEHICLE_IONIQ5);
	start();
	pass(10 * SECOND);
	assert_true(desk.given[MODEL_FIELD_SPEED_KMH] > 0 || report().answers > 0);
	for (int fault = 1; fault < CAN_PORT_FAULT_COUNT; fault++) {
		int64_t answers;

		desk.port.fault = (enum can_port_fault)fault;
		pass(20 * SECOND);
		desk.port.fault = CAN_PORT_NONE;
		answers = report().answers;
		pass(MINUTE);
		if (report().answers <= answers)
			fail_msg("after %s nothing is read any more",
				 can_port_fault_name((enum can_port_fault)fault));
	}
	assert_int_equal(desk.vehicle.counts.forbidden, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int suite_agent_obd_can(void)
{
	const struct CMUnitTest tests[] = {
		TEST(single_and_long_answers_become_values),
		TEST(a_unit_that_refuses_is_noted),
		TEST(a_unit_that_wants_time_gets_it),
		TEST(frames_that_are_lost_or_wrong_become_no_value),
		cmocka_unit_test_teardown(what_may_not_be_sent_does_not_leave_by_can_either,
					  teardown),
		TEST(a_bus_that_is_silent_is_a_vehicle_that_sleeps),
		TEST(where_nobody_acknowledges_the_bus_is_at_fault),
		TEST(a_controller_that_left_the_bus_is_told_and_read_again),
		TEST(an_interface_that_is_down_gone_or_only_listens_says_so),
		TEST(an_address_is_checked),
		TEST(faults_of_units_give_nothing_wrong_and_pass),
	};

	return cmocka_run_group_tests_name("agent.obd_can", tests, NULL, NULL);
}
