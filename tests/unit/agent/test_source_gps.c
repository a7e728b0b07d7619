#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/gps.h"
#include "base/rfc3339.h"
#include "hal/fake/stream_fake.h"

int suite_agent_source_gps(void);

#define SECOND INT64_C(1000000)
#define WEEK_MS INT64_C(604800000)

/* ---- a receiver, and a source that reads it, on a fake clock ---- */

static struct bench {
	struct clock_fake clock;
	struct loop *loop;
	struct stream_fake *device;
	struct source_config config;
	struct source_env env;
	struct source *source;
	int updates, keyframes, changes, times;
	int64_t wall_ms, mono_us; /* the last time told */
	struct model_update last;
	struct model_update_room room;
	/* What the receiver sends. */
	int64_t now_ms; /* of its clock */
	double latitude, longitude, knots;
	bool fix;
} bench;

static void on_update(void *arg, const struct model_update *update)
{
	(void)arg;
	bench.updates++;
	bench.keyframes += update->keyframe;
	model_update_init(&bench.last, &bench.room);
	bench.last.mono_us = update->mono_us;
	bench.last.at_ms = update->at_ms;
	memcpy(bench.last.device_id, update->device_id, sizeof(update->device_id));
	memcpy(bench.last.provider, update->provider, sizeof(update->provider));
	for (size_t i = 0; i < update->item_count; i++) {
		const enum model_field field = (enum model_field)update->items[i].field;

		if (update->items[i].null)
			assert_int_equal(model_update_set_null(&bench.last, field), 0);
		else
			assert_int_equal(
				model_update_set_value(&bench.last, field, &update->items[i].value),
				0);
	}
}

static void on_changed(void *arg, struct source *source)
{
	(void)arg;
	(void)source;
	bench.changes++;
}

static void on_time(void *arg, int64_t wall_ms, int64_t mono_us)
{
	(void)arg;
	bench.times++;
	bench.wall_ms = wall_ms;
	bench.mono_us = mono_us;
}

static int64_t utc(const char *text)
{
	int64_t ms = 0;

	assert_int_equal(rfc3339_parse(text, strlen(text), &ms), 0);
	return ms;
}

static void run(void)
{
	while (loop_run_once(bench.loop, 0) > 0)
		;
}

static void pass(int64_t us)
{
	for (int64_t i = 0; i < us; i += SECOND / 20) {
		clock_fake_advance(&bench.clock, SECOND / 20);
		run();
	}
}

static void give(const char *text)
{
	char line[160];
	unsigned sum = 0;

	for (const char *c = text; *c; c++)
		sum ^= (unsigned char)*c;
	(void)snprintf(line, sizeof(line), "$%s*%02X\r\n", text, sum);
	assert_int_equal(stream_fake_give_text(bench.device, line), 0);
}

static void angle(double degrees, int digits, const char *letters, char out[static 24])
{
	const double value = degrees < 0 ? -degrees : degrees;
	const int whole = (int)value;

	(void)snprintf(out, 24, "%0*d%08.5f,%c", digits, whole, (value - whole) * 60,
		       letters[degrees < 0]);
}

/* The sentences of the receiver's moment; `late_us`: how long its line takes. */
static void moment(void)
{
	char when[RFC3339_SIZE], text[160], north[24], east[24];

	rfc3339_format(bench.now_ms, when);
	angle(bench.latitude, 2, "NS", north);
	angle(bench.longitude, 3, "EW", east);
	/* 2026-08-17T12:00:00.000Z */
	(void)snprintf(text, sizeof(text),
		       "GPRMC,%.2s%.2s%.2s.%.2s,%c,%s,%s,%.1f,90.0,%.2s%.2s%.2s,,,%c", when + 11,
		       when + 14, when + 17, when + 20, bench.fix ? 'A' : 'V', north, east,
		       bench.knots, when + 8, when + 5, when + 2, bench.fix ? 'A' : 'N');
	give(text);
	(void)snprintf(text, sizeof(text), "GPGGA,%.2s%.2s%.2s.%.2s,%s,%s,%d,08,1.0,35.1,M,,M,,",
		       when + 11, when + 14, when + 17, when + 20, north, east, bench.fix ? 1 : 0);
	give(text);
}

/* So many seconds with a moment each. */
static void seconds(int count)
{
	for (int i = 0; i < count; i++) {
		moment();
		run();
		pass(SECOND);
		bench.now_ms += 1000;
	}
}

static struct source_report report(void)
{
	struct source_report r;

	bench.source->ops->report(bench.source, &r);
	return r;
}

static void start(void)
{
	assert_int_equal(source_gps_ops.create(&bench.config, &bench.env, &bench.source), 0);
	assert_int_equal(bench.source->ops->start(bench.source), 0);
	run();
}

static int setup(void **state)
{
	(void)state;
	memset(&bench, 0, sizeof(bench));
	/* As a board without a clock boots. */
	clock_fake_init(&bench.clock, 7000, 5 * SECOND);
	bench.clock.quality = CLOCK_QUALITY_NONE;
	if (loop_create(&bench.clock.clock, &bench.loop) || stream_fake_create(&bench.device))
		return -1;
	bench.config = (struct source_config){.name = "gps0",
					      .kind = "gps",
					      .device = "serial:/dev/ttyACM0",
					      .device_id = "bus-12-gps",
					      .signals = ""};
	bench.env = (struct source_env){.loop = bench.loop,
					.opener = stream_fake_opener(bench.device),
					.update = on_update,
					.changed = on_changed,
					.time = on_time};
	bench.env.floor_ms = utc("2026-01-01T00:00:00.000Z");
	bench.now_ms = utc("2026-08-17T12:00:00.000Z");
	bench.latitude = 48.86775;
	bench.longitude = 2.35163;
	bench.fix = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (bench.source)
		bench.source->ops->destroy(bench.source);
	stream_fake_destroy(bench.device);
	loop_destroy(bench.loop);
	return 0;
}

static double number(enum model_field field)
{
	const struct model_item *item = model_update_get(&bench.last, field);

	assert_non_null(item);
	assert_false(item->null);
	return item->value.as.number;
}

static bool is_null(enum model_field field)
{
	const struct model_item *item = model_update_get(&bench.last, field);

	return item && item->null;
}

static const char *status(void)
{
	const struct model_item *item = model_update_get(&bench.last, MODEL_FIELD_LOCATION_STATUS);

	assert_non_null(item);
	return model_word(MODEL_WORDS_LOCATION_STATUS, (size_t)item->value.as.integer);
}

/* ---- positions ---- */

static void a_fix_becomes_a_location_with_the_receivers_own_time(void **state)
{
	(void)state;
	start();
	seconds(2);
	assert_int_equal(bench.updates, 1);
	assert_int_equal(bench.keyframes, 1);
	assert_string_equal(bench.last.device_id, "bus-12-gps");
	assert_string_equal(bench.last.provider, "gps");
	assert_true(number(MODEL_FIELD_LATITUDE) > 48.867749 &&
		    number(MODEL_FIELD_LATITUDE) < 48.867751);
	assert_true(number(MODEL_FIELD_LONGITUDE) > 2.351629 &&
		    number(MODEL_FIELD_LONGITUDE) < 2.351631);
	assert_true(number(MODEL_FIELD_ALTITUDE_M) == 35.1);
	assert_true(number(MODEL_FIELD_ACCURACY_M) == 5.0);
	assert_string_equal(status(), "available");
	/* Its time counts when it agrees with itself. */
	assert_true(bench.last.at_ms == MODEL_NO_TIME);
	seconds(5);
	assert_int_equal(bench.updates, 2);
	assert_true(bench.last.at_ms == utc("2026-08-17T12:00:06.000Z"));
	assert_null(model_update_get(&bench.last, MODEL_FIELD_SPEED_KMH));
	assert_int_equal(report().state, SOURCE_OK);
	assert_string_equal(report().reason, "");
}

static void positions_are_thinned_to_the_period(void **state)
{
	(void)state;
	bench.knots = 20;
	start();
	for (int i = 0; i < 30; i++) {
		bench.latitude += 0.0001;
		seconds(1);
	}
	assert_in_range(bench.updates, 6, 7);
	assert_int_equal(report().gps.fixes, 30);
}

static void a_parked_vehicle_keeps_its_position_while_the_receiver_wanders(void **state)
{
	double latitude, longitude;

	(void)state;
	start();
	seconds(2);
	latitude = number(MODEL_FIELD_LATITUDE);
	longitude = number(MODEL_FIELD_LONGITUDE);
	for (int i = 0; i < 60; i++) {
		bench.latitude = 48.86775 + ((i * 7) % 11 - 5) * 0.00001; /* 5 m */
		bench.longitude = 2.35163 + ((i * 5) % 9 - 4) * 0.00001;
		seconds(1);
		assert_true(number(MODEL_FIELD_LATITUDE) == latitude);
		assert_true(number(MODEL_FIELD_LONGITUDE) == longitude);
	}
	assert_true(bench.updates > 10); /* it is said again and again: it is known now */
	assert_true(bench.clock.mono_us - bench.last.mono_us < 6 * SECOND);
	bench.latitude += 0.0005; /* 55 m */
	seconds(6);
	assert_true(number(MODEL_FIELD_LATITUDE) > latitude);
}

static void speed_and_heading_are_given_only_where_they_are_wanted(void **state)
{
	(void)state;
	bench.config.speed = true;
	bench.knots = 20;
	start();
	seconds(2);
	assert_true(number(MODEL_FIELD_SPEED_KMH) == 37.0);
	assert_true(number(MODEL_FIELD_HEADING_DEG) == 90.0);
	bench.knots = 0.4;
	seconds(6);
	assert_true(number(MODEL_FIELD_SPEED_KMH) == 0);
	assert_null(model_update_get(&bench.last, MODEL_FIELD_HEADING_DEG));
}

static void a_tunnel_is_no_news_and_a_garage_is(void **state)
{
	(void)state;
	start();
	seconds(3);
	bench.fix = false;
	seconds(20);
	assert_int_equal(bench.updates, 1);
	assert_string_equal(report().reason, "");
	seconds(15);
	assert_string_equal(report().reason, "no_fix");
	assert_int_equal(report().state, SOURCE_OK);
	assert_string_equal(status(), "no_fix");
	assert_true(is_null(MODEL_FIELD_LATITUDE));
	assert_true(is_null(MODEL_FIELD_LONGITUDE));
	assert_true(is_null(MODEL_FIELD_ACCURACY_M));
	bench.fix = true;
	seconds(1);
	assert_string_equal(status(), "available");
	assert_string_equal(report().reason, "");
}

static void a_receiver_that_never_had_a_fix_says_so(void **state)
{
	(void)state;
	bench.fix = false;
	start();
	seconds(5);
	assert_string_equal(report().reason, "no_fix");
	assert_int_equal(bench.updates, 0);
	seconds(30);
	assert_string_equal(status(), "no_fix");
	assert_int_equal(bench.keyframes, 1);
}

static void an_old_fix_is_never_told_as_a_new_one(void **state)
{
	int updates;

	(void)state;
	start();
	seconds(2);
	updates = bench.updates;
	for (int i = 0; i < 30; i++) {
		bench.now_ms -= 1000;
		seconds(1); /* the same moment again */
	}
	assert_int_equal(bench.updates, updates);
	assert_int_equal(report().state, SOURCE_SILENT);
	assert_string_equal(report().reason, "source_silent");
}

static void what_waited_unread_is_not_from_now(void **state)
{
	(void)state;
	start();
	seconds(1);
	for (int i = 0; i < 5; i++) {
		bench.latitude += 0.01;
		bench.now_ms += 1000;
		moment();
	}
	run();
	assert_int_equal(report().gps.fixes, 2);
	assert_true(number(MODEL_FIELD_LATITUDE) > 48.91);
}

/* ---- trouble ---- */

static void silence_is_told_and_ends(void **state)
{
	int updates;

	(void)state;
	bench.config.baud = 9600;
	start();
	seconds(2);
	updates = bench.updates;
	pass(12 * SECOND);
	assert_int_equal(report().state, SOURCE_SILENT);
	assert_string_equal(report().reason, "source_silent");
	assert_int_equal(bench.updates, updates);
	bench.now_ms += 12000;
	seconds(1);
	assert_int_equal(report().state, SOURCE_OK);
}

static void damaged_sentences_are_counted_and_give_nothing(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 5; i++)
		assert_int_equal(stream_fake_give_text(bench.device,
						       "$GPRMC,120000.00,A,4852.0650,N,00221."
						       "0980,E,0.0,0.0,170826,,,A*00\r\n"),
				 0);
	run();
	assert_int_equal(bench.updates, 0);
	assert_int_equal(report().gps.bad_checksum, 5);
	pass(12 * SECOND);
	assert_int_equal(report().gps.bad_checksum, 5); /* also after other speeds were tried */
	assert_string_equal(report().reason, "source_silent");
}

static void a_receiver_that_is_unplugged_is_told_and_opened_again(void **state)
{
	(void)state;
	start();
	seconds(2);
	stream_fake_vanish(bench.device);
	pass(SECOND);
	assert_int_equal(report().state, SOURCE_ERROR);
	assert_string_equal(report().reason, "adapter_unplugged");
	stream_fake_return(bench.device);
	pass(10 * SECOND);
	bench.now_ms += 10000;
	seconds(2);
	assert_int_equal(report().state, SOURCE_OK);
	assert_int_equal(bench.keyframes, 2);
	assert_int_equal(stream_fake_opens(bench.device), 2);
}

static void a_port_that_gpsd_holds_is_called_busy(void **state)
{
	(void)state;
	stream_fake_fail_open(bench.device, -EBUSY);
	start();
	assert_string_equal(report().reason, "adapter_busy");
	assert_non_null(strstr(report().detail, "gpsd"));
}

static void the_speed_is_found(void **state)
{
	(void)state;
	start();
	assert_int_equal(stream_fake_baud(bench.device), 9600);
	for (int i = 0; i < 10 && stream_fake_baud(bench.device) != 38400; i++) {
		assert_int_equal(stream_fake_give(bench.device, "\xf8\x80\xe6\r\n", 5), 0);
		pass(SECOND);
	}
	assert_int_equal(stream_fake_baud(bench.device), 38400);
	bench.now_ms += 10000;
	seconds(20);
	assert_int_equal(stream_fake_baud(bench.device), 38400);
	assert_int_equal(report().baud, 38400);
	assert_int_equal(report().state, SOURCE_OK);
}

static void a_configured_speed_is_kept(void **state)
{
	(void)state;
	bench.config.baud = 57600;
	start();
	pass(20 * SECOND);
	assert_int_equal(stream_fake_baud(bench.device), 57600);
}

/* ---- time ---- */

static void three_fixes_that_agree_tell_the_time(void **state)
{
	(void)state;
	start();
	seconds(2);
	assert_int_equal(bench.times, 0);
	moment();
	run();
	assert_int_equal(bench.times, 1);
	assert_true(bench.wall_ms == bench.now_ms);
	assert_true(bench.mono_us == bench.clock.mono_us);
	seconds(30);
	assert_int_equal(bench.times, 1); /* once a minute */
	seconds(60);
	assert_int_equal(bench.times, 2);
}

static void the_moment_is_when_its_first_byte_came(void **state)
{
	int64_t began_us = 0;

	(void)state;
	start();
	for (int i = 0; i < 3; i++) {
		began_us = bench.clock.mono_us;
		/* A slow line: satellites first, the position 400 ms later. */
		for (int k = 0; k < 8; k++) {
			give("GPGSV,3,1,11,03,03,111,00,04,15,270,00,06,01,010,00,13,06,292,00");
			run();
			pass(SECOND / 20);
		}
		moment();
		run();
		pass(SECOND * 6 / 10);
		bench.now_ms += 1000;
	}
	assert_int_equal(bench.times, 1);
	assert_true(bench.mono_us == began_us);
	assert_true(bench.wall_ms == bench.now_ms - 1000);
}

static void a_time_that_jumps_is_refused(void **state)
{
	int64_t offset_ms;

	(void)state;
	start();
	seconds(5);
	assert_int_equal(bench.times, 1);
	offset_ms = bench.wall_ms - bench.mono_us / 1000;
	for (int i = 0; i < 100; i++) {
		if (i % 3 == 0)
			bench.now_ms += WEEK_MS;
		seconds(1);
		if (i % 3 == 0)
			bench.now_ms -= WEEK_MS;
	}
	assert_true(bench.times >= 2);
	assert_in_range(bench.wall_ms - bench.mono_us / 1000 - offset_ms + 100, 0, 200);
	assert_true(report().gps.refused_times >= 33);
}

static void a_receiver_that_corrects_itself_for_long_is_believed(void **state)
{
	(void)state;
	start();
	seconds(5);
	bench.now_ms += 3000;
	seconds(20);
	assert_int_equal(bench.times, 1);
	seconds(15);
	assert_int_equal(bench.times, 2);
	assert_in_range(bench.now_ms - bench.wall_ms, 0, 10000);
}

static void a_week_number_that_has_rolled_over_is_put_right(void **state)
{
	(void)state;
	bench.now_ms -= 1024 * WEEK_MS;
	start();
	seconds(3);
	assert_int_equal(bench.times, 1);
	assert_true(bench.wall_ms >= utc("2026-08-17T12:00:00.000Z"));
	assert_true(bench.wall_ms < utc("2026-08-17T12:00:05.000Z"));
}

static void simulated_receivers_tell_no_time(void **state)
{
	(void)state;
	bench.config.simulated = true;
	start();
	seconds(10);
	assert_int_equal(bench.times, 0);
	assert_true(bench.updates > 0);
}

/* ---- configuration ---- */

static int check(const char *device)
{
	const struct source_config config = {.device = device};
	char expected[160] = "";
	const char *key = "";
	const int r = source_gps_ops.check(&config, &key, expected, sizeof(expected));

	if (r) {
		assert_string_equal(key, "device");
		assert_true(expected[0] != '\0');
	}
	return r;
}

static void addresses_are_judged(void **state)
{
	(void)state;
	assert_int_equal(check("serial:/dev/ttyACM0"), 0);
	assert_int_equal(check("tcp:192.168.0.20:10110"), 0);
	assert_int_equal(check("/dev/ttyACM0"), -EINVAL);
	assert_int_equal(check("gpsd:"), -EINVAL);
	assert_int_equal(check("gpsd:example.org:2947"), -EINVAL);
	assert_int_equal(check("gpsdx"), -EINVAL);
#ifdef CONFIG_SOURCE_GPS_GPSD
	assert_int_equal(check("gpsd"), 0);
	assert_int_equal(check("gpsd:localhost:2948"), 0);
	assert_int_equal(check("gpsd:[fd00::1]:2947"), 0);
#else
	assert_int_equal(check("gpsd"), -EINVAL);
#endif
}

/* ---- gpsd ---- */

#ifdef CONFIG_SOURCE_GPS_GPSD

static void give_gpsd(const char *text)
{
	assert_int_equal(stream_fake_give_text(bench.device, text), 0);
	assert_int_equal(stream_fake_give_text(bench.device, "\r\n"), 0);
	run();
}

static void greet(void)
{
	give_gpsd("{\"class\":\"VERSION\",\"release\":\"3.22\",\"rev\":\"3.22\","
		  "\"proto_major\":3,\"proto_minor\":14}");
	give_gpsd("{\"class\":\"DEVICES\",\"devices\":[{\"class\":\"DEVICE\",\"path\":"
		  "\"/dev/ttyACM0\",\"driver\":\"u-blox\",\"activated\":"
		  "\"2026-08-17T12:00:00.000Z\"}]}");
}

static void gpsd_setup(const char *device)
{
	bench.config.device = device;
	start();
}

static void gpsd_is_asked_to_watch_and_its_fixes_are_read(void **state)
{
	(void)state;
	gpsd_setup("gpsd");
	assert_string_equal(stream_fake_address(bench.device), "tcp:127.0.0.1:2947");
	assert_non_null(strstr(stream_fake_written(bench.device, NULL), "?WATCH={"));
	greet();
	give_gpsd("{\"class\":\"SKY\",\"device\":\"/dev/ttyACM0\",\"hdop\":0.9,\"satellites\":[]}");
	give_gpsd("{\"class\":\"TPV\",\"device\":\"/dev/ttyACM0\",\"mode\":3,\"time\":"
		  "\"2026-08-17T12:00:01.000Z\",\"lat\":48.5,\"lon\":-2.25,\"altMSL\":35.12,"
		  "\"eph\":4.5,\"speed\":10.0,\"track\":270.0}");
	assert_int_equal(bench.updates, 1);
	assert_true(number(MODEL_FIELD_LATITUDE) == 48.5);
	assert_true(number(MODEL_FIELD_LONGITUDE) == -2.25);
	assert_true(number(MODEL_FIELD_ALTITUDE_M) == 35.1);
	assert_true(number(MODEL_FIELD_ACCURACY_M) == 4.5);
	pass(SECOND);
	give_gpsd("{\"class\":\"TPV\",\"mode\":3,\"time\":\"2026-08-17T12:00:02.000Z\","
		  "\"lat\":48.5,\"lon\":-2.25}");
	pass(SECOND);
	give_gpsd("{\"class\":\"TPV\",\"mode\":3,\"time\":\"2026-08-17T12:00:03.000Z\","
		  "\"lat\":48.5,\"lon\":-2.25}");
	assert_int_equal(bench.times, 1);
	assert_true(bench.wall_ms == utc("2026-08-17T12:00:03.000Z"));
	assert_string_equal(report().adapter, "u-blox");
	assert_string_equal(report().protocol, "gpsd 3.22");
	assert_int_equal(report().state, SOURCE_OK);
}

static void a_report_of_gpsd_without_a_fix_is_none(void **state)
{
	(void)state;
	gpsd_setup("gpsd:127.0.0.1:3000");
	assert_string_equal(stream_fake_address(bench.device), "tcp:127.0.0.1:3000");
	greet();
	for (int i = 0; i < 40; i++) {
		give_gpsd("{\"class\":\"TPV\",\"device\":\"/dev/ttyACM0\",\"mode\":1,"
			  "\"lat\":48.5,\"lon\":2.25}");
		pass(SECOND);
	}
	assert_string_equal(status(), "no_fix");
	assert_string_equal(report().reason, "no_fix");
}

static void gpsd_without_a_receiver_says_so(void **state)
{
	(void)state;
	gpsd_setup("gpsd");
	give_gpsd("{\"class\":\"DEVICES\",\"devices\":[]}");
	pass(12 * SECOND);
	assert_int_equal(report().state, SOURCE_SILENT);
	assert_non_null(strstr(report().detail, "knows no receiver"));
}

static void a_receiver_that_gpsd_has_lost_is_told(void **state)
{
	(void)state;
	gpsd_setup("gpsd");
	greet();
	give_gpsd("{\"class\":\"DEVICE\",\"path\":\"/dev/ttyACM0\",\"activated\":0}");
	pass(12 * SECOND);
	assert_int_equal(report().state, SOURCE_ERROR);
	assert_string_equal(report().reason, "adapter_unplugged");
}

static void gpsd_that_is_not_there_is_tried_again(void **state)
{
	(void)state;
	stream_fake_fail_open(bench.device, -ECONNREFUSED);
	gpsd_setup("gpsd");
	assert_int_equal(report().state, SOURCE_ERROR);
	assert_string_equal(report().reason, "adapter_unreachable");
	assert_non_null(strstr(report().detail, "gpsd"));
	pass(2 * SECOND);
	assert_int_equal(stream_fake_is_open(bench.device), 1);
}

static void garbage_from_gpsd_is_counted(void **state)
{
	char big[20001];

	(void)state;
	gpsd_setup("gpsd");
	give_gpsd("HTTP/1.0 400 Bad Request");
	give_gpsd("{\"class\":\"TPV\",\"mode\":");
	give_gpsd("{\"class\":\"TPV\",\"mode\":3,\"lat\":\"north\"}");
	memset(big, '{', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	give_gpsd(big);
	assert_int_equal(bench.updates, 0);
	assert_true(report().gps.malformed >= 3);
	greet();
	give_gpsd("{\"class\":\"TPV\",\"mode\":3,\"time\":\"2026-08-17T12:00:01.000Z\","
		  "\"lat\":48.5,\"lon\":-2.25}");
	assert_int_equal(bench.updates, 1);
}

static void receivers_are_described_by_gpsds_of_many_versions(void **state)
{
	(void)state;
	gpsd_setup("gpsd");
	/* A text longer than an older one knows; no texts at all; what is no receiver. */
	give_gpsd("{\"class\":\"DEVICES\",\"devices\":[7,{\"path\":\"/dev/ttyACM0\",\"parity\":"
		  "\"N.\",\"driver\":[],\"activated\":\"2026-08-17T12:00:00.000Z\"}]}");
	assert_string_equal(report().adapter, "");
	/* Before 3.20: other names for height and error. */
	give_gpsd("{\"class\":\"TPV\",\"mode\":3,\"time\":\"2026-08-17T12:00:01.000Z\","
		  "\"lat\":48.5,\"lon\":-2.25,\"alt\":80.5,\"epx\":3,\"epy\":4}");
	assert_true(number(MODEL_FIELD_ALTITUDE_M) == 80.5);
	assert_true(number(MODEL_FIELD_ACCURACY_M) == 5);
	assert_int_equal(report().gps.malformed, 0);
	/* Simulated, estimated and time-only ones are no places. */
	for (int status = 5; status <= 8; status++) {
		char text[160];

		(void)snprintf(text, sizeof(text),
			       "{\"class\":\"TPV\",\"mode\":3,\"status\":%d,\"lat\":1,\"lon\":2}",
			       status);
		give_gpsd(text);
	}
	assert_int_equal(report().gps.fixes, 2); /* 6: estimated with satellites */
}

static void a_connection_without_a_sign_of_life_is_made_anew(void **state)
{
	(void)state;
	gpsd_setup("gpsd");
	greet();
	pass(20 * SECOND);
	assert_non_null(strstr(stream_fake_written(bench.device, NULL), "?DEVICES;"));
	assert_int_equal(stream_fake_opens(bench.device), 1);
	pass(20 * SECOND);
	assert_int_equal(stream_fake_opens(bench.device), 2);
}

#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int suite_agent_source_gps(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fix_becomes_a_location_with_the_receivers_own_time),
		TEST(positions_are_thinned_to_the_period),
		TEST(a_parked_vehicle_keeps_its_position_while_the_receiver_wanders),
		TEST(speed_and_heading_are_given_only_where_they_are_wanted),
		TEST(a_tunnel_is_no_news_and_a_garage_is),
		TEST(a_receiver_that_never_had_a_fix_says_so),
		TEST(an_old_fix_is_never_told_as_a_new_one),
		TEST(what_waited_unread_is_not_from_now),
		TEST(silence_is_told_and_ends),
		TEST(damaged_sentences_are_counted_and_give_nothing),
		TEST(a_receiver_that_is_unplugged_is_told_and_opened_again),
		TEST(a_port_that_gpsd_holds_is_called_busy),
		TEST(the_speed_is_found),
		TEST(a_configured_speed_is_kept),
		TEST(three_fixes_that_agree_tell_the_time),
		TEST(the_moment_is_when_its_first_byte_came),
		TEST(a_time_that_jumps_is_refused),
		TEST(a_receiver_that_corrects_itself_for_long_is_believed),
		TEST(a_week_number_that_has_rolled_over_is_put_right),
		TEST(simulated_receivers_tell_no_time),
		TEST(addresses_are_judged),
#ifdef CONFIG_SOURCE_GPS_GPSD
		TEST(gpsd_is_asked_to_watch_and_its_fixes_are_read),
		TEST(a_report_of_gpsd_without_a_fix_is_none),
		TEST(gpsd_without_a_receiver_says_so),
		TEST(a_receiver_that_gpsd_has_lost_is_told),
		TEST(gpsd_that_is_not_there_is_tried_again),
		TEST(garbage_from_gpsd_is_counted),
		TEST(receivers_are_described_by_gpsds_of_many_versions),
		TEST(a_connection_without_a_sign_of_life_is_made_anew),
#endif
	};

	return cmocka_run_group_tests_name("agent_source_gps", tests, NULL, NULL);
}
