#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/obd/condition.h"
#include "provider/obd/profile.h"

/* Like the gate of requests: what reads. */
static bool reads(const uint8_t *request, size_t len)
{
	static const uint8_t services[] = {0x01, 0x02, 0x03, 0x06, 0x07, 0x09,
					   0x0a, 0x19, 0x1a, 0x21, 0x22, 0x3e};

	return len >= 1 && len <= 7 && memchr(services, request[0], sizeof(services)) != NULL;
}

/* Parses; the mistakes are in a text that the caller frees. */
static int parse(const char *text, struct profile **ret_profile, char **ret_errors)
{
	size_t size = 0;
	FILE *errors = open_memstream(ret_errors, &size);
	int r;

	assert_non_null(errors);
	r = profile_parse(text, strlen(text), "car.conf", reads, errors, ret_profile);
	assert_int_equal(fclose(errors), 0);
	return r;
}

static struct profile *parse_good(const char *text)
{
	struct profile *profile = NULL;
	char *errors = NULL;

	if (parse(text, &profile, &errors) != 0)
		fail_msg("%s", errors);
	free(errors);
	return profile;
}

#define HEAD "[profile]\nname = car\n"
#define BMS "[command bms]\nrequest = 22 01 01\necu = 7E4 7EC\nperiod = 5 s\n"
#define VOLTAGE                                                                                    \
	"[signal voltage]\ncommand = bms\nbytes = 12 2\ndiv = 10\nunit = V\n"                      \
	"field = battery.pack_voltage_v\ntrust = captures\n"

static void a_file_becomes_commands_and_signals(void **state)
{
	struct profile *profile = parse_good(
		"[profile]\nname = e-gmp\ntitle = Hyundai, Kia\nbus = can11_500\n"
		"vin = KMHKM KNDC3, KNA?3\ndetect = bms\n"
		"[command bms]\nrequest = 220101\necu = 7E4 7EC\nperiod = 5 s\nwhen = awake\n"
		"[command vcms]\nrequest = 22 E0 01\necu = 744 74C\nperiod = 1 min\n"
		"[command speed]\nrequest = 01 0D\nperiod = 1 s\nwhen = driving\n"
		"[signal soc]\ncommand = bms\nbytes = 4 1\ndiv = 2\nunit = %\n"
		"field = battery.state_of_charge_pct\ntrust = captures\n"
		"[signal speed]\ncommand = speed\nbytes = 0 1\nunit = km/h\n"
		"field = vehicle_state.speed_kmh\ntrust = sources\n"
		"[signal ac]\ncommand = vcms\nbit = 17.2\ntrust = claimed\n" VOLTAGE);
	const struct profile_command *bms = profile_command(profile, 0);
	const struct profile_command *vcms = profile_command(profile, 1);
	const struct profile_command *speed = profile_command(profile, 2);
	const struct profile_signal *voltage;

	(void)state;
	assert_string_equal(profile_name(profile), "e-gmp");
	assert_string_equal(profile_title(profile), "Hyundai, Kia");
	assert_string_equal(profile_path(profile), "car.conf");
	assert_int_equal(profile_protocol(profile), 6);
	assert_ptr_equal(profile_detect(profile), bms);
	assert_int_equal(profile_matches_vin(profile, "KMHKM81AFNU000001"), 5);
	assert_int_equal(profile_matches_vin(profile, "KNAC481AFNU000001"), 0);
	assert_int_equal(profile_matches_vin(profile, "KNAC"), 0);
	assert_int_equal(profile_matches_vin(profile, "KNAX3"), 5);
	assert_int_equal(profile_command_count(profile), 3);
	assert_null(profile_command(profile, 3));
	assert_int_equal(bms->ecu.tx, 0x7e4);
	assert_int_equal(bms->ecu.rx, 0x7ec);
	assert_int_equal(bms->ecu.id_bits, 11);
	assert_false(bms->ecu.flow_control);
	assert_false(bms->ecu.functional);
	assert_int_equal(bms->request_len, 3);
	assert_int_equal(bms->echo_len, 3);
	assert_int_equal(bms->period_us, 5000000);
	assert_int_equal(bms->unless_valid, -1);
	assert_true(vcms->ecu.flow_control);
	assert_true(speed->ecu.functional);
	assert_int_equal(speed->ecu.tx, 0x7df);
	assert_int_equal(speed->echo_len, 2);
	assert_int_equal(speed->when, PROFILE_WHEN_DRIVING);
	/* The signals of a command stand together though the file mixes them. */
	assert_int_equal(bms->signal_first, 0);
	assert_int_equal(bms->signal_count, 2);
	assert_int_equal(vcms->signal_first, 2);
	assert_int_equal(vcms->signal_count, 1);
	assert_int_equal(profile_signal_find(profile, "voltage"), 1);
	assert_int_equal(profile_signal_find(profile, "ac"), 2);
	assert_int_equal(profile_signal_find(profile, "none"), -1);
	voltage = profile_signal(profile, 1);
	assert_int_equal(voltage->field, MODEL_FIELD_PACK_VOLTAGE_V);
	assert_int_equal(voltage->format.start, 96);
	assert_int_equal(voltage->format.bits, 16);
	assert_int_equal(voltage->trust, PROFILE_TRUST_CAPTURES);
	assert_int_equal(profile_signal(profile, 2)->format.start, 17 * 8 + 5);
	profile_free(profile);
}

int suite_provider_profile(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_becomes_commands_and_signals),
	};

	return cmocka_run_group_tests_name("provider.profile", tests, NULL, NULL);
}
