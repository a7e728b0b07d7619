#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/source/elm_link.h"
#include "hal/fake/stream_fake.h"

int suite_agent_elm_link(void);

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

static struct {
	int ready, replies, lost;
	enum elm327_kind kind;
} seen;

static struct stream_fake *device;
static struct clock_fake fake_clock;
static struct loop *loop;
static struct elm_link elm;
static bool deaf; /* the adapter takes what is written and answers nothing */

static const struct elm327_config on_can = {.headers = true, .id_digits = 3};

static void on_ready(void *arg)
{
	(void)arg;
	seen.ready++;
}

static void on_reply(void *arg, const struct elm327_reply *reply)
{
	(void)arg;
	seen.replies++;
	seen.kind = reply->kind;
}

static void on_noise(void *arg)
{
	(void)arg;
}

static void on_lost(void *arg, int error)
{
	(void)arg;
	(void)error;
	seen.lost++;
}

static const struct elm_link_events events = {on_ready, on_reply, on_noise, on_lost};

/* Every line is answered; ATI by a version. */
static void on_write(struct stream_fake *fake, const void *data, size_t len, void *arg)
{
	const char *text = data;
	const char *reply =
		len >= 3 && strncmp(text, "ATI", 3) == 0 ? "ELM327 v1.5\r\r>" : "OK\r\r>";

	(void)arg;
	if (!deaf && memchr(text, '\r', len))
		assert_int_equal(stream_fake_give_text(fake, reply), 0);
}

static void pass(int64_t us)
{
	for (int64_t t = 0; t < us; t += 10 * MS) {
		clock_fake_advance(&fake_clock, 10 * MS);
		for (int i = 0; i < 100 && loop_run_once(loop, 0) > 0; i++)
			;
	}
}

static int setup(void **state)
{
	struct stream_opener *opener;
	struct stream *stream = NULL;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	deaf = false;
	clock_fake_init(&fake_clock, 0, SECOND);
	if (loop_create(&fake_clock.clock, &loop) || stream_fake_create(&device))
		return -1;
	stream_fake_on_write(device, on_write, NULL);
	opener = stream_fake_opener(device);
	elm_link_init(&elm, loop, &events, NULL);
	if (opener->open(opener, "serial:/dev/fake", 38400, &stream) ||
	    elm_link_open(&elm, stream, NULL, 0))
		return -1;
	pass(SECOND);
	return seen.ready == 1 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	elm_link_close(&elm);
	stream_fake_destroy(device);
	loop_destroy(loop);
	return 0;
}

static void say(const char *command)
{
	const int replies = seen.replies;

	assert_int_equal(elm_link_send(&elm, command, &on_can, SECOND), 0);
	pass(200 * MS);
	assert_int_equal(seen.replies, replies + 1);
}

static void expect_refused(const char *command)
{
	size_t len = 1;

	stream_fake_forget_written(device);
	if (elm_link_send(&elm, command, &on_can, SECOND) != -EPERM)
		fail_msg("%s was sent", command);
	pass(2 * SECOND);
	assert_non_null(stream_fake_written(device, &len));
	assert_int_equal(len, 0);
	assert_int_equal(elm.state, ELM_LINK_IDLE);
}

static void what_the_gate_refuses_is_not_written(void **state)
{
	static const char *const refused[] = {
		"04",       "0401",   "08010000000000",  "1001",       "1003",     "1101",
		"14FFFFFF", "2701",   "2E F190 00",      "2F01",       "3101FF00", "3E00",
		"85 02",    "ATCAF0", "STPX H:7E0,D:04", "ATPP FF ON", "ATMA",     "ATSH0C4",
		"",         "4",      "ATFCSD0104",      "ATI\r04",
	};

	(void)state;
	say("ATZ");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect_refused(refused[i]);
	/* And the link goes on. */
	say("0100");
}

static void no_request_leaves_before_a_reset(void **state)
{
	(void)state;
	expect_refused("0100");
	say("ATZ");
	say("0100");
}

static void a_reset_that_nobody_answered_is_none(void **state)
{
	(void)state;
	say("ATZ");
	deaf = true;
	assert_int_equal(elm_link_send(&elm, "ATZ", &on_can, SECOND), 0);
	pass(SECOND);
	deaf = false;
	pass(3 * SECOND);
	assert_int_equal(seen.kind, ELM327_INCOMPLETE);
	expect_refused("0100");
	say("ATZ");
	say("0100");
}

static void a_new_opening_forgets_what_the_adapter_was_told(void **state)
{
	struct stream_opener *opener = stream_fake_opener(device);
	struct stream *stream = NULL;

	(void)state;
	say("ATZ");
	elm_link_close(&elm);
	assert_int_equal(opener->open(opener, "serial:/dev/fake", 38400, &stream), 0);
	assert_int_equal(elm_link_open(&elm, stream, NULL, 0), 0);
	pass(SECOND);
	expect_refused("0100");
}

/* Its first two bytes are lost by an adapter that wakes up. */
static void a_request_survives_the_loss_of_its_first_bytes(void **state)
{
	const char *written;
	size_t len = 0;

	(void)state;
	say("ATZ");
	stream_fake_forget_written(device);
	say("0104");
	written = stream_fake_written(device, &len);
	assert_string_equal(written + ELM_LINK_BLANKS, "0104\r");
	for (size_t i = 0; i < ELM_LINK_BLANKS; i++)
		assert_int_equal(written[i], ' ');
	stream_fake_forget_written(device);
	say("ATRV");
	assert_string_equal(stream_fake_written(device, &len), "ATRV\r");
}

static void a_lost_prompt_is_told_once_the_adapter_is_in_step(void **state)
{
	(void)state;
	say("ATZ");
	deaf = true;
	assert_int_equal(elm_link_send(&elm, "0100", &on_can, SECOND), 0);
	pass(SECOND / 2);
	assert_int_equal(elm_link_send(&elm, "0100", &on_can, SECOND), -EBUSY);
	pass(SECOND);
	deaf = false;
	pass(3 * SECOND);
	assert_int_equal(seen.replies, 2);
	assert_int_equal(seen.kind, ELM327_INCOMPLETE);
	assert_int_equal(elm.state, ELM_LINK_IDLE);
	assert_int_equal(seen.lost, 0);
}

int suite_agent_elm_link(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_the_gate_refuses_is_not_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_request_leaves_before_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_that_nobody_answered_is_none, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_new_opening_forgets_what_the_adapter_was_told,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_request_survives_the_loss_of_its_first_bytes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_prompt_is_told_once_the_adapter_is_in_step,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("agent.elm_link", tests, NULL, NULL);
}
