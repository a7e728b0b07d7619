#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cloud/domain/assess.h"
#include "cloud/domain/freshness.h"
#include "cloud/domain/health.h"

int suite_domain_health(void);

#define NOW INT64_C(1795190400000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A device by gateway gw-1, updated `age_ms` ago, with nothing wrong. */
static struct health_input healthy_input(int64_t age_ms)
{
	return (struct health_input){
		.evaluated_at_ms = NOW,
		.activated_at_ms = NOW - 86400000,
		.last_update_at_ms = NOW - age_ms,
		.last_accepted_at_ms = NOW - age_ms,
		.vin_mismatch_at_ms = MODEL_NO_TIME,
		.registered_vin = "WVWZZZ1KZAW12****",
		.has_gateway = true,
		.gateway_name = "gw-1",
		.gateway_contact_at_ms = NOW - 1000,
		.listening_since_ms = NOW - 3600000,
		.backlog_oldest_at_ms = MODEL_NO_TIME,
		.source = HEALTH_SOURCE_OK,
		.source_name = "obd0",
		.source_reason = "",
		.source_since_ms = NOW - 5000,
		.ignition_since_ms = MODEL_NO_TIME,
		.asleep_since_ms = MODEL_NO_TIME,
	};
}

static struct health evaluate(const struct health_input *in)
{
	struct policy policy;
	struct health health;

	policy_default(&policy);
	memset(&health, 0x5a, sizeof(health));
	health_evaluate(&policy, in, &health);
	return health;
}

static void age_decides_with_boundaries_on_the_better_side(void **state)
{
	static const struct {
		int64_t age_ms;
		enum health_state want;
		int64_t since_ms;
	} cases[] = {
		{0, HEALTH_HEALTHY, NOW},
		{300000, HEALTH_HEALTHY, NOW - 300000},
		{300001, HEALTH_DELAYED, NOW - 1},
		{900000, HEALTH_DELAYED, NOW - 600000},
		{900001, HEALTH_STALE, NOW - 1},
		{INT64_C(86400000) * 30, HEALTH_STALE, NOW - INT64_C(86400000) * 30 + 900000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct health_input in = healthy_input(cases[i].age_ms);
		struct health health;

		in.activated_at_ms = NOW - INT64_C(86400000) * 60;
		health = evaluate(&in);
		assert_int_equal(health.state, cases[i].want);
		assert_true(health.age_ms == cases[i].age_ms);
		assert_true(health.state_since_ms == cases[i].since_ms);
	}
}

static void a_device_without_data_awaits_it_until_the_end_of_grace(void **state)
{
	static const struct {
		int64_t since_activation_ms;
		enum health_state want;
	} cases[] = {
		{0, HEALTH_AWAITING_FIRST_DATA},
		{3600000, HEALTH_AWAITING_FIRST_DATA},
		{3600001, HEALTH_CONFIGURED_NO_DATA},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct health_input in = healthy_input(0);
		struct health health;

		in.activated_at_ms = NOW - cases[i].since_activation_ms;
		in.last_update_at_ms = MODEL_NO_TIME;
		in.last_accepted_at_ms = MODEL_NO_TIME;
		health = evaluate(&in);
		assert_int_equal(health.state, cases[i].want);
		assert_true(health.age_ms == MODEL_NO_TIME);
		assert_int_equal(health.reason, HEALTH_REASON_NEVER_REPORTED);
	}
}

static void data_from_before_an_activation_does_not_count(void **state)
{
	struct health_input in = healthy_input(120000);

	(void)state;
	in.activated_at_ms = NOW - 60000;
	assert_int_equal(evaluate(&in).state, HEALTH_AWAITING_FIRST_DATA);
	/* A record observed before, but accepted after (it was parked) is data. */
	in.last_accepted_at_ms = NOW - 60000;
	assert_int_equal(evaluate(&in).state, HEALTH_HEALTHY);
}

static void a_longer_interval_moves_both_thresholds(void **state)
{
	struct health_input in = healthy_input(3660000);

	(void)state;
	assert_int_equal(evaluate(&in).state, HEALTH_STALE);
	in.interval_s = 3600; /* 3360 s past the poll interval: target 3660 s */
	assert_int_equal(evaluate(&in).state, HEALTH_HEALTHY);
	in.last_update_at_ms = NOW - 3660001;
	assert_int_equal(evaluate(&in).state, HEALTH_DELAYED);
	in.interval_s = 60;
	assert_int_equal(evaluate(&in).state, HEALTH_STALE);
}

/* All evidence at once; peeling the reasons off one by one shows their precedence. */
static struct health_input everything_wrong(void)
{
	struct health_input in = healthy_input(1000000);

	in.vin_mismatch_at_ms = NOW - 500;
	in.gateway_is_two = true;
	in.gateway_two_since_ms = NOW - 600;
	in.gateway_said_offline = true;
	in.source = HEALTH_SOURCE_ERROR;
	in.source_reason = "adapter_unplugged";
	in.ignition_off = true;
	in.ignition_since_ms = NOW - 1100000;
	in.asleep = true;
	in.asleep_since_ms = NOW - 1200000;
	in.backlog_batches = 7;
	in.backlog_oldest_at_ms = NOW - 1300000;
	in.clock_untrusted = true;
	return in;
}

static void the_first_reason_that_holds_is_told(void **state)
{
	struct health_input in = everything_wrong();
	struct health health;

	(void)state;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_VIN_MISMATCH);
	assert_true(health.reason_since_ms == NOW - 500);
	in.vin_mismatch_at_ms = MODEL_NO_TIME;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_DUPLICATE_GATEWAY);
	assert_true(health.reason_since_ms == NOW - 600);
	in.gateway_is_two = false;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_GATEWAY_OFFLINE);
	assert_true(health.reason_since_ms == NOW - 1000);
	in.gateway_said_offline = false;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_ADAPTER_UNPLUGGED);
	assert_true(health.reason_since_ms == NOW - 5000);
	in.source_reason = "no_answer";
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_IGNITION_OFF);
	assert_true(health.reason_since_ms == NOW - 1100000);
	in.ignition_off = false;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_VEHICLE_ASLEEP);
	assert_true(health.reason_since_ms == NOW - 1200000);
	in.asleep = false;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_SOURCE_SILENT);
	in.source = HEALTH_SOURCE_OK;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_BACKLOG_DRAINING);
	assert_true(health.reason_since_ms == NOW - 1300000);
	in.backlog_batches = 0;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_CLOCK_UNTRUSTED);
	in.clock_untrusted = false;
	health = evaluate(&in);
	assert_int_equal(health.reason, HEALTH_REASON_NONE);
	assert_string_equal(health.detail, "");
}

static void a_parked_vehicle_that_is_measured_is_healthy_and_asleep(void **state)
{
	struct health_input in = healthy_input(60000);
	struct health health;

	(void)state;
	in.source = HEALTH_SOURCE_OK;
	in.ignition_off = true;
	in.ignition_since_ms = NOW - 1100000;
	in.source_reason = "ignition_off";
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_IGNITION_OFF);
	in.source_reason = "vehicle_asleep";
	health = evaluate(&in);
	assert_int_equal(health.state, HEALTH_HEALTHY);
	assert_int_equal(health.reason, HEALTH_REASON_VEHICLE_ASLEEP);
	assert_true(health.reason_since_ms == in.source_since_ms);
}

static void every_reason_has_a_sentence_that_ends(void **state)
{
	struct health_input in = everything_wrong();
	char name[65];

	(void)state;
	memset(name, 'n', 64);
	name[64] = '\0';
	in.gateway_name = name;
	in.source_name = name;
	for (int reason = HEALTH_REASON_VIN_MISMATCH; reason < HEALTH_REASON_COUNT; reason++) {
		struct health health = evaluate(&in);
		size_t len = strlen(health.detail);

		assert_true(len > 20 && len < HEALTH_SENTENCE_SIZE - 1);
		assert_int_equal(health.detail[len - 1], '.');
		assert_int_equal(health.reason, reason);
		in.vin_mismatch_at_ms = MODEL_NO_TIME;
		if (reason == HEALTH_REASON_DUPLICATE_GATEWAY)
			in.gateway_is_two = false;
		else if (reason == HEALTH_REASON_GATEWAY_OFFLINE)
			in.gateway_said_offline = false;
		else if (reason == HEALTH_REASON_ADAPTER_UNPLUGGED)
			in.source_reason = "no_answer";
		else if (reason == HEALTH_REASON_IGNITION_OFF)
			in.ignition_off = false;
		else if (reason == HEALTH_REASON_VEHICLE_ASLEEP)
			in.asleep = false;
		else if (reason == HEALTH_REASON_SOURCE_SILENT)
			in.source = HEALTH_SOURCE_OK;
		else if (reason == HEALTH_REASON_BACKLOG_DRAINING)
			in.backlog_batches = 0;
		else if (reason == HEALTH_REASON_CLOCK_UNTRUSTED) {
			in.clock_untrusted = false;
			in.last_update_at_ms = MODEL_NO_TIME;
		}
	}
}

static void a_source_that_has_just_begun_is_not_silent_yet(void **state)
{
	struct health_input in = healthy_input(1000000);

	(void)state;
	in.source = HEALTH_SOURCE_SILENT;
	in.source_reason = "starting";
	in.source_since_ms = NOW - HEALTH_SOURCE_START_MS;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
	in.source_since_ms = NOW - HEALTH_SOURCE_START_MS - 1;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_SOURCE_SILENT);
	in.source_since_ms = NOW;
	in.source_reason = "no_answer";
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_SOURCE_SILENT);
}

static void a_clock_is_blamed_only_for_data_that_nobody_can_date(void **state)
{
	struct health_input in = healthy_input(1000);

	(void)state;
	in.clock_untrusted = true;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
	in.last_update_at_ms = MODEL_NO_TIME;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_CLOCK_UNTRUSTED);
}

static void a_parked_vehicle_is_healthy_and_says_that_it_sleeps(void **state)
{
	struct health_input in = healthy_input(1000);
	struct health health;

	(void)state;
	in.asleep = true;
	in.asleep_since_ms = NOW - 7200000;
	health = evaluate(&in);
	assert_int_equal(health.state, HEALTH_HEALTHY);
	assert_int_equal(health.reason, HEALTH_REASON_VEHICLE_ASLEEP);
	assert_true(health.reason_since_ms == NOW - 7200000);
}

static void a_healthy_device_is_not_blamed_for_silence_or_backlog(void **state)
{
	struct health_input in = healthy_input(1000);

	(void)state;
	in.source = HEALTH_SOURCE_SILENT;
	in.backlog_batches = 3;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
}

static void a_mismatch_older_than_the_last_good_data_is_over(void **state)
{
	struct health_input in = healthy_input(1000);

	(void)state;
	in.vin_mismatch_at_ms = NOW - 1001;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
	in.vin_mismatch_at_ms = NOW - 1000;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_VIN_MISMATCH);
}

static void silence_makes_a_gateway_offline_only_while_the_core_listens(void **state)
{
	struct health_input in = healthy_input(1000000);

	(void)state;
	in.gateway_contact_at_ms = NOW - HEALTH_GATEWAY_SILENCE_MS;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
	in.gateway_contact_at_ms = NOW - HEALTH_GATEWAY_SILENCE_MS - 1;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_GATEWAY_OFFLINE);
	in.listening_since_ms = NOW - 1000; /* the core was away: it cannot tell yet */
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
	in.listening_since_ms = MODEL_NO_TIME;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
	/* A gateway that never said a word is silent since the core listens. */
	in.listening_since_ms = NOW - HEALTH_GATEWAY_SILENCE_MS - 1;
	in.gateway_contact_at_ms = MODEL_NO_TIME;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_GATEWAY_OFFLINE);
	in.has_gateway = false;
	assert_int_equal(evaluate(&in).reason, HEALTH_REASON_NONE);
}

static void names_read_back(void **state)
{
	(void)state;
	for (int i = 0; i < HEALTH_STATE_COUNT; i++)
		assert_int_equal(health_state_find(health_state_name((enum health_state)i)), i);
	for (int i = 0; i < HEALTH_REASON_COUNT; i++)
		assert_int_equal(health_reason_find(health_reason_name((enum health_reason)i)), i);
	assert_int_equal(health_state_find("broken"), -1);
	assert_string_equal(health_state_name(HEALTH_CONFIGURED_NO_DATA), "configured-no-data");
	assert_string_equal(health_state_name(HEALTH_AWAITING_FIRST_DATA), "awaiting-first-data");
}

static void freshness_takes_the_smaller_of_observed_and_received(void **state)
{
	const int64_t times[] = {NOW - 500, NOW - 20, MODEL_NO_TIME};

	(void)state;
	assert_true(freshness_claim_ms(NOW - 5, NOW) == NOW - 5);
	assert_true(freshness_claim_ms(NOW + 5, NOW) == NOW);
	assert_true(freshness_claim_ms(MODEL_NO_TIME, NOW) == NOW);
	assert_true(freshness_advance_ms(MODEL_NO_TIME, NOW) == NOW);
	assert_true(freshness_advance_ms(NOW, NOW - 60000) == NOW);
	assert_true(freshness_age_ms(NOW, NOW + 10) == 0);
	assert_true(freshness_best_ms(times, COUNT(times)) == NOW - 20);
	assert_true(freshness_best_ms(times, 0) == MODEL_NO_TIME);
}

static void policies_are_checked_and_name_the_field(void **state)
{
	struct policy policy;
	enum policy_field field = POLICY_FIELD_COUNT;

	(void)state;
	policy_default(&policy);
	assert_true(policy.freshness_target_s == 300 && policy.stale_threshold_s == 900);
	assert_true(policy.no_data_grace_s == 3600 && policy.poll_interval_s == 240);
	assert_int_equal(policy_check(&policy, &field), 0);
	assert_int_equal(field, POLICY_FIELD_COUNT);
	policy.stale_threshold_s = 299;
	assert_int_equal(policy_check(&policy, &field), POLICY_E_ORDER);
	assert_int_equal(field, POLICY_stale_threshold_s);
	policy.stale_threshold_s = 300;
	assert_int_equal(policy_check(&policy, NULL), 0);
	policy_set(&policy, (enum policy_field)policy_field_find("poll_interval_s"), 0);
	assert_int_equal(policy_check(&policy, &field), POLICY_E_RANGE);
	assert_string_equal(policy_field_info(field)->name, "poll_interval_s");
	assert_int_equal(policy_field_find("nothing"), -1);
}

static void only_failures_lower_an_assessment(void **state)
{
	enum assess_need need[MODEL_MODULE_COUNT] = {ASSESS_SOFT};
	uint8_t status[MODEL_MODULE_COUNT] = {MODEL_STATUS_NOT_REQUESTED};

	(void)state;
	need[MODEL_VEHICLE_STATE] = ASSESS_HARD;
	need[MODEL_TECHNICAL_SPECS] = ASSESS_PREMIUM;
	status[MODEL_VEHICLE_STATE] = MODEL_STATUS_PARTIAL;
	status[MODEL_WARRANTY] = MODEL_STATUS_UNSUPPORTED;
	assert_int_equal(assess_core_status(need, status), ASSESS_COMPLETE);
	status[MODEL_TECHNICAL_SPECS] = MODEL_STATUS_AUTH_FAILED;
	assert_int_equal(assess_core_status(need, status), ASSESS_PARTIAL);
	status[MODEL_VEHICLE_STATE] = MODEL_STATUS_TRANSPORT_FAILED;
	assert_int_equal(assess_core_status(need, status), ASSESS_FAILED);
	assert_string_equal(assess_reportability_name(ASSESS_FAILED), "non_billable_failed");
	assert_string_equal(assess_core_status_name(ASSESS_PARTIAL), "partial");
}

int suite_domain_health(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(age_decides_with_boundaries_on_the_better_side),
		cmocka_unit_test(a_device_without_data_awaits_it_until_the_end_of_grace),
		cmocka_unit_test(data_from_before_an_activation_does_not_count),
		cmocka_unit_test(a_longer_interval_moves_both_thresholds),
		cmocka_unit_test(the_first_reason_that_holds_is_told),
		cmocka_unit_test(a_parked_vehicle_that_is_measured_is_healthy_and_asleep),
		cmocka_unit_test(every_reason_has_a_sentence_that_ends),
		cmocka_unit_test(a_source_that_has_just_begun_is_not_silent_yet),
		cmocka_unit_test(a_clock_is_blamed_only_for_data_that_nobody_can_date),
		cmocka_unit_test(a_parked_vehicle_is_healthy_and_says_that_it_sleeps),
		cmocka_unit_test(a_healthy_device_is_not_blamed_for_silence_or_backlog),
		cmocka_unit_test(a_mismatch_older_than_the_last_good_data_is_over),
		cmocka_unit_test(silence_makes_a_gateway_offline_only_while_the_core_listens),
		cmocka_unit_test(names_read_back),
		cmocka_unit_test(freshness_takes_the_smaller_of_observed_and_received),
		cmocka_unit_test(policies_are_checked_and_name_the_field),
		cmocka_unit_test(only_failures_lower_an_assessment),
	};

	return cmocka_run_group_tests_name("domain.health", tests, NULL, NULL);
}
