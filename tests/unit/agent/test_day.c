#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "tests/unit/agent/day.h"

int suite_agent_day(void);
int suite_agent_days(void);

/* Never at the beginning of a minute, when the voltage may be measured. */
#define AT(h, m) ((int64_t)(h)*DAY_HOUR + (int64_t)(m)*DAY_MINUTE + ((h)*7 + (m)) % 53 * DAY_SECOND)
/* After the vehicle changes the core may still say what was before. */
#define REASON_LAG_MIN 3
/* From turning the key to hearing of it: one measurement of the voltage, the look, the first round. */
#define WAKE_LAG_US (90 * DAY_SECOND)
#define STATE_LAG_US (60 * DAY_SECOND)
/* Without a voltage: the time between two looks, and a first round. */
#define BLIND_LAG_US (41 * DAY_MINUTE)
/* That woke the vehicle, where the voltage is measured: one in 4 h, and one that came too late. */
#define LOOKS_A_DAY 7

/* Night, out and back, lunch at the charger, a round with a stop for fast charging, night. */
static const struct vehicle_leg electric_day[] = {
	{0, VEHICLE_PARKED},
	{AT(6, 30), VEHICLE_STANDING},
	{AT(6, 32), VEHICLE_DRIVING},
	{AT(7, 30), VEHICLE_PARKED},
	{AT(9, 0), VEHICLE_DRIVING},
	{AT(9, 40), VEHICLE_PARKED},
	{AT(9, 45), VEHICLE_CHARGING},
	{AT(12, 30), VEHICLE_PARKED},
	{AT(13, 0), VEHICLE_DRIVING},
	{AT(14, 15), VEHICLE_PARKED},
	{AT(14, 18), VEHICLE_FAST_CHARGING},
	{AT(14, 40), VEHICLE_STANDING},
	{AT(14, 41), VEHICLE_DRIVING},
	{AT(16, 0), VEHICLE_PARKED},
	{AT(23, 0), VEHICLE_CHARGING},
};

static const struct vehicle_leg engine_day[] = {
	{0, VEHICLE_PARKED},          {AT(5, 0), VEHICLE_STANDING}, {AT(5, 5), VEHICLE_DRIVING},
	{AT(7, 30), VEHICLE_PARKED},  {AT(7, 50), VEHICLE_DRIVING}, {AT(9, 0), VEHICLE_PARKED},
	{AT(13, 0), VEHICLE_DRIVING}, {AT(15, 0), VEHICLE_PARKED},
};

static struct day day;

static struct day_setup setup_of(enum vehicle_kind kind)
{
	struct day_setup setup = {.kind = kind};

	setup.legs = electric_day;
	setup.leg_count = sizeof(electric_day) / sizeof(electric_day[0]);
	if (kind == VEHICLE_TRUCK_DIESEL || kind == VEHICLE_SUV_29BIT || kind == VEHICLE_OLD_VAN) {
		setup.legs = engine_day;
		setup.leg_count = sizeof(engine_day) / sizeof(engine_day[0]);
	}
	rhythm_defaults(&setup.rhythm);
	return setup;
}

/* ---- the table ---- */

struct hour {
	struct day_minute first, last;
	double worst_pct;
	int minutes, healthy, asleep;
	int reasons[HEALTH_REASON_COUNT];
	int activities[VEHICLE_ACTIVITY_COUNT];
};

static double load_pct(uint64_t frames, double seconds)
{
	return 100.0 * (double)frames * RHYTHM_FRAME_BITS / (seconds * 500000);
}

static void add_minute(struct hour *hour, size_t index)
{
	const struct day_minute *minute = &day.minutes[index];
	const uint64_t before = index ? day.minutes[index - 1].frames : 0;
	const double load = load_pct(minute->frames - before, 60);

	hour->last = *minute;
	hour->minutes++;
	hour->healthy += minute->state == HEALTH_HEALTHY;
	hour->asleep += minute->asleep;
	hour->reasons[minute->reason]++;
	hour->activities[minute->activity]++;
	if (load > hour->worst_pct)
		hour->worst_pct = load;
}

static int most(const int *counts, int count)
{
	int best = 0;

	for (int i = 1; i < count; i++)
		if (counts[i] > counts[best])
			best = i;
	return best;
}

static void print_hour(int number, const struct hour *hour)
{
	const struct day_minute *a = &hour->first, *b = &hour->last;

	(void)printf(
		"%4d  %-13s %6d %8" PRId64 " %7" PRId64 " %6" PRId64 " %7.3f %7.3f %8" PRId64
		" %8" PRId64 " %7" PRId64 " %5d/%-2d  %s\n",
		number,
		vehicle_activity_name(
			(enum vehicle_activity)most(hour->activities, VEHICLE_ACTIVITY_COUNT)),
		hour->asleep, b->requests - a->requests, b->requests_asleep - a->requests_asleep,
		b->looks - a->looks, load_pct(b->frames - a->frames, 3600), hour->worst_pct,
		b->updates - a->updates, b->values - a->values, b->records - a->records,
		hour->healthy, hour->minutes,
		hour->reasons[HEALTH_REASON_NONE] == hour->minutes
			? "-"
			: health_reason_name((enum health_reason)most(hour->reasons + 1,
								      HEALTH_REASON_COUNT - 1) +
					     1));
}

static void print_table(void)
{
	struct day_minute before = {0};

	(void)printf("\n%s read by the profile %s\n", vehicle_kind_name(day.vehicle.kind),
		     profile_name(day.profile));
	(void)printf("hour  mostly        asleep requests  asleep  looks  load %%  peak %%  updates"
		     "   values records healthy  reason (most)\n");
	for (size_t i = 0; i < day.minute_count; i += 60) {
		struct hour hour = {.first = before};

		for (size_t k = i; k < i + 60 && k < day.minute_count; k++)
			add_minute(&hour, k);
		before = hour.last;
		print_hour((int)(i / 60), &hour);
	}
	(void)printf("requests %" PRId64 ", into a silent bus %" PRId64 ", that woke it %" PRId64
		     "; values %" PRId64 ", compared %" PRId64 ", wrong or not new %" PRId64 "\n",
		     day.vehicle.counts.requests, day.vehicle.counts.requests_asleep,
		     day.vehicle.counts.wakeups, day.values, day.checked, day.faults);
	(void)printf("told at the latest: ignition on after %.1f s, off after %.1f s; charging on "
		     "after %.1f s, off after %.1f s\n",
		     (double)day.ignition.worst_on_us / DAY_SECOND,
		     (double)day.ignition.worst_off_us / DAY_SECOND,
		     (double)day.charging.worst_on_us / DAY_SECOND,
		     (double)day.charging.worst_off_us / DAY_SECOND);
}

/* ---- what must hold ---- */

/* It does something else, or was looked at: while it is being found out, nothing is known. */
static bool changed_within(size_t index, int minutes)
{
	const struct day_minute *now = &day.minutes[index];

	for (size_t back = 1; back <= (size_t)minutes; back++)
		if (back > index || day.minutes[index - back].activity != now->activity ||
		    day.minutes[index - back].looks != now->looks)
			return true;
	return false;
}

static bool reason_fits(const struct day_minute *minute)
{
	const bool rests = minute->reason == HEALTH_REASON_IGNITION_OFF ||
			   minute->reason == HEALTH_REASON_VEHICLE_ASLEEP;

	switch (minute->activity) {
	case VEHICLE_PARKED:
		return rests;
	case VEHICLE_CHARGING:
	case VEHICLE_FAST_CHARGING:
		return rests || minute->reason == HEALTH_REASON_NONE;
	default:
		return minute->reason == HEALTH_REASON_NONE;
	}
}

/* On a CAN interface nothing is measured of a vehicle that is left alone before it sleeps: its data is
 * old for those minutes, and said to be. */
static bool is_between(size_t index)
{
	return day.setup.over_can && day.minutes[index].activity == VEHICLE_PARKED &&
	       !(day.minutes[index].asleep && day.minutes[index - 1].asleep);
}

static void check_health(void)
{
	for (size_t i = 1; i < day.minute_count; i++) {
		const struct day_minute *minute = &day.minutes[i];

		if (is_between(i) && minute->state == HEALTH_DELAYED)
			continue;
		if (minute->state != HEALTH_HEALTHY)
			fail_msg("minute %zu: %s", i, health_state_name(minute->state));
		if (!changed_within(i, REASON_LAG_MIN) && !reason_fits(minute))
			fail_msg("minute %zu: %s, reason '%s'", i,
				 vehicle_activity_name(minute->activity),
				 health_reason_name(minute->reason));
	}
}

static void check_load(void)
{
	const double limit = day.setup.rhythm.bus_load_pct;
	uint64_t before = 0;

	for (size_t i = 0; i < day.minute_count; i++) {
		const double load = load_pct(day.minutes[i].frames - before, 60);

		if (load > limit)
			fail_msg("minute %zu: %.2f %% of the bus", i, load);
		before = day.minutes[i].frames;
	}
}

/* A parked vehicle falls asleep as soon as it may: after the linger and its own time, and again after
 * each time that it was woken. */
static void check_sleep(void)
{
	const int64_t own = day.vehicle.sleep_after_us / DAY_MINUTE + 2;
	const int64_t linger = day.setup.rhythm.linger_us / DAY_MINUTE;
	int64_t owed = 0;

	for (size_t i = 0; i < day.minute_count; i++) {
		const bool parked = day.minutes[i].activity == VEHICLE_PARKED;
		const bool was = i && day.minutes[i - 1].activity == VEHICLE_PARKED;

		owed += parked && !day.minutes[i].asleep;
		if (parked && !was)
			owed -= own + linger;
	}
	assert_true(owed <= day.vehicle.counts.wakeups * own);
}

static void check_rest(void)
{
	check_sleep();
	assert_true(day.vehicle.counts.requests_asleep <= day.setup.rhythm.wake_budget);
	assert_true(day.vehicle.counts.wakeups <= day.setup.rhythm.wake_budget);
}

static const struct profile *profile_of(enum vehicle_kind kind)
{
	struct profile *profile = NULL;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s.conf", FRESHET_PROFILES,
		       vehicle_kind_profile(kind));
	assert_int_equal(profile_load(path, obd2_request_allowed, stderr, &profile), 0);
	return profile;
}

/* Lives the day; what must hold for every vehicle and adapter holds. */
static void live(const struct day_setup *setup)
{
	const struct profile *profile = profile_of(setup->kind);

	assert_int_equal(day_begin(&day, setup, profile), 0);
	day_run(&day, 24 * DAY_HOUR);
	print_table();
	day_end(&day);
	profile_free((struct profile *)profile);
	assert_int_equal(day.minute_count, DAY_MINUTES);
	assert_true(day.faults == 0);
	assert_true(day.checked > 1000);
	check_load();
	check_rest();
}

static void a_day_of_an_electric_vehicle(void **state)
{
	const struct day_setup setup = setup_of(VEHICLE_IONIQ5);

	(void)state;
	live(&setup);
	check_health();
	assert_true(day.vehicle.counts.wakeups <= LOOKS_A_DAY);
	assert_true(day.ignition.worst_on_us <= WAKE_LAG_US);
	assert_true(day.ignition.worst_off_us <= STATE_LAG_US);
	assert_true(day.charging.worst_on_us <= WAKE_LAG_US);
	assert_true(day.charging.worst_off_us <= STATE_LAG_US);
}

static void a_day_of_a_truck_with_24_v(void **state)
{
	const struct day_setup setup = setup_of(VEHICLE_TRUCK_DIESEL);

	(void)state;
	live(&setup);
	check_health();
	assert_true(day.vehicle.counts.wakeups <= LOOKS_A_DAY);
	assert_true(day.ignition.worst_on_us <= WAKE_LAG_US);
}

/* Looks are all there is: within the budget, and a drive is found by the next of them. */
static void a_day_behind_an_adapter_without_a_voltmeter(void **state)
{
	struct day_setup setup = setup_of(VEHICLE_IONIQ5);

	(void)state;
	setup.no_voltage = true;
	live(&setup);
	assert_true(day.vehicle.counts.wakeups > LOOKS_A_DAY);
	assert_true(day.ignition.worst_on_us <= BLIND_LAG_US);
}

static void a_day_behind_each_kind_of_adapter(void **state)
{
	struct day_setup setup = setup_of(VEHICLE_IONIQ5);

	(void)state;
	for (int i = 0; i < ELM327_TEMPERAMENT_COUNT; i++) {
		setup.temperament = (enum elm327_temperament)i;
		(void)printf("\nadapter: %s", elm327_temperament_name(setup.temperament));
		live(&setup);
		assert_true(day.vehicle.counts.wakeups <= LOOKS_A_DAY);
	}
}

/* Whoever was ever told of, over an adapter that can do everything. */
static size_t fields_told(bool told[static MODEL_FIELD_COUNT])
{
	size_t count = 0;

	for (int i = 0; i < MODEL_FIELD_COUNT; i++) {
		told[i] = day.reads[i].count > 0;
		count += told[i];
	}
	return count;
}

/* What an adapter gives of every vehicle a CAN interface does, and nothing wrong. */
static void a_day_of_each_vehicle_on_a_can_interface(void **state)
{
	(void)state;
	for (int i = 0; i < VEHICLE_KIND_COUNT; i++) {
		struct day_setup setup = setup_of((enum vehicle_kind)i);
		bool by_adapter[MODEL_FIELD_COUNT], by_can[MODEL_FIELD_COUNT];

		if (setup.kind == VEHICLE_OLD_VAN) /* K-line */
			continue;
		setup.temperament = ELM327_TEMPER_STN;
		live(&setup);
		assert_true(fields_told(by_adapter) > 1);
		setup.over_can = true;
		live(&setup);
		assert_true(day.vehicle.counts.wakeups <= LOOKS_A_DAY);
		(void)fields_told(by_can);
		/* An adapter measures its plug; of some vehicles nobody else tells that voltage. */
		by_adapter[MODEL_FIELD_AUX_BATTERY_V] = false;
		for (int k = 0; k < MODEL_FIELD_COUNT; k++)
			if (by_adapter[k] && !by_can[k])
				fail_msg("%s: %s is not told over CAN",
					 vehicle_kind_name(setup.kind),
					 model_field_info((enum model_field)k)->path);
	}
}

static void a_day_of_each_vehicle(void **state)
{
	(void)state;
	for (int i = 0; i < VEHICLE_KIND_COUNT; i++) {
		const struct day_setup setup = setup_of((enum vehicle_kind)i);

		live(&setup);
		check_health();
		assert_true(day.vehicle.counts.wakeups <= LOOKS_A_DAY);
	}
}

/* The bus tells when it wakes: no voltage is needed. */
static void a_day_on_a_can_interface(void **state)
{
	struct day_setup setup = setup_of(VEHICLE_IONIQ5);

	(void)state;
	setup.over_can = true;
	live(&setup);
	check_health();
	assert_true(day.vehicle.counts.wakeups <= LOOKS_A_DAY);
	assert_true(day.ignition.worst_on_us <= STATE_LAG_US);
	assert_true(day.ignition.worst_off_us <= STATE_LAG_US);
	assert_true(day.charging.worst_on_us <= STATE_LAG_US);
	assert_true(day.charging.worst_off_us <= STATE_LAG_US);
}

int suite_agent_day(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_an_electric_vehicle),
		cmocka_unit_test(a_day_of_a_truck_with_24_v),
		cmocka_unit_test(a_day_behind_an_adapter_without_a_voltmeter),
		cmocka_unit_test(a_day_on_a_can_interface),
	};

	return cmocka_run_group_tests_name("agent.day", tests, NULL, NULL);
}

int suite_agent_days(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_behind_each_kind_of_adapter),
		cmocka_unit_test(a_day_of_each_vehicle),
		cmocka_unit_test(a_day_of_each_vehicle_on_a_can_interface),
	};

	return cmocka_run_group_tests_name("agent.days", tests, NULL, NULL);
}
