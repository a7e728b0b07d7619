#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/wire/control.h"
#include "tests/golden/golden.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AT INT64_C(1795190400000)

struct fixture {
	struct wire_ack ack;
	struct wire_link link;
	struct buf buf;
	struct jw w;
	char problem[160];
};

static int set_up(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	buf_init(&t->buf, 1 << 20);
	jw_init(&t->w, &t->buf);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *t = *state;

	buf_free(&t->buf);
	free(t);
	return 0;
}

static void again(struct fixture *t)
{
	buf_reset(&t->buf);
	jw_init(&t->w, &t->buf);
}

static void an_ack_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;
	size_t len = 0;
	char *golden;

	t->ack = (struct wire_ack){.at_ms = AT,
				   .epoch = "b1f0c2d3e4f5061728394a5b6c7d8e9f",
				   .committed = {{38, 41}, {43, 43}},
				   .committed_count = 2,
				   .session = "5f1d7a3b",
				   .ask = {"0a1b2c3d4e5f60718293a4b5c6d7e8f9", "e2"},
				   .ask_count = 2,
				   .deferred = {{42, "unsupported_version", 600}},
				   .deferred_count = 1};
	wire_ack_encode(&t->w, &t->ack);
	golden_check("ack.json", t->buf.data, t->buf.len);
	golden = golden_read("ack.json", &len);
	memset(&t->ack, 0, sizeof(t->ack));
	assert_int_equal(wire_ack_decode(golden, len, &t->ack, t->problem, sizeof(t->problem)), 0);
	again(t);
	wire_ack_encode(&t->w, &t->ack);
	assert_string_equal(buf_text(&t->buf), golden);
	assert_int_equal(t->ack.committed_count, 2);
	assert_int_equal(t->ack.deferred[0].retry_after_s, 600);
	assert_string_equal(t->ack.session, "5f1d7a3b");
	assert_int_equal(t->ack.ask_count, 2);
	assert_string_equal(t->ack.ask[1], "e2");
	free(golden);
}

static void an_ack_names_its_session_and_asks_for_epochs(void **state)
{
	struct fixture *t = *state;
	struct wire_ack back;

	t->ack = (struct wire_ack){.at_ms = AT,
				   .session = "0123456789abcdef0123456789abcdef",
				   .epoch = "b1f0c2d3e4f5061728394a5b6c7d8e9f",
				   .ask = {"a1f0c2d3e4f5061728394a5b6c7d8e9f", "second"},
				   .ask_count = 2};
	wire_ack_encode(&t->w, &t->ack);
	assert_int_equal(
		wire_ack_decode(t->buf.data, t->buf.len, &back, t->problem, sizeof(t->problem)), 0);
	assert_string_equal(back.session, t->ack.session);
	assert_int_equal(back.ask_count, 2);
	assert_string_equal(back.ask[1], "second");
}

static void a_link_comes_back_byte_for_byte(void **state)
{
	struct fixture *t = *state;
	size_t len = 0;
	char *golden;

	for (int online = 0; online < 2; online++) {
		const char *name = online ? "link_online.json" : "link_offline.json";

		again(t);
		t->link = (struct wire_link){"5f1d7a3b", online};
		wire_link_encode(&t->w, &t->link);
		golden_check(name, t->buf.data, t->buf.len);
		golden = golden_read(name, &len);
		memset(&t->link, 0, sizeof(t->link));
		assert_int_equal(
			wire_link_decode(golden, len, &t->link, t->problem, sizeof(t->problem)), 0);
		again(t);
		wire_link_encode(&t->w, &t->link);
		assert_string_equal(buf_text(&t->buf), golden);
		assert_int_equal(t->link.online, online);
		free(golden);
	}
}

static void a_bad_ack_is_refused_and_nothing_is_touched(void **state)
{
	static const struct {
		const char *json, *problem;
		int status;
	} cases[] = {
		{"", "byte ", -EINVAL},
		{"{\"v\":1}x", "byte ", -EINVAL},
		{"[]", "expected an object", -EINVAL},
		{"{\"v\":2}", "v: ", -EINVAL},
		{"{\"v\":1,\"epoch\":\"e\",\"committed\":[]}", "at: is missing", -EINVAL},
		{"{\"v\":1,\"at\":\"now\",\"epoch\":\"e\",\"committed\":[]}", "at: ", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"committed\":[]}", "epoch: ", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\"}",
		 "committed: ", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\",\"committed\":[[2,1]]}",
		 "committed: ", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\",\"committed\":[],"
		 "\"ask\":[\"a b\"]}",
		 "ask: ", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\",\"committed\":[],"
		 "\"ask\":{}}",
		 "ask: ", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\",\"committed\":[],"
		 "\"deferred\":[7]}",
		 "expected an object inside", -EINVAL},
		{"{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\",\"committed\":[],"
		 "\"deferred\":[{\"batch\":1}]}",
		 "reason: ", -EINVAL},
	};
	struct fixture *t = *state;

	t->ack.at_ms = 42;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int status = wire_ack_decode(cases[i].json, strlen(cases[i].json), &t->ack,
					     t->problem, sizeof(t->problem));

		if (status != cases[i].status || t->ack.at_ms != 42 ||
		    strncmp(t->problem, cases[i].problem, strlen(cases[i].problem)) != 0)
			fail_msg("%s: %d, %s", cases[i].json, status, t->problem);
	}
}

static void what_the_limits_do_not_hold_is_said(void **state)
{
	struct fixture *t = *state;

	buf_puts(&t->buf, "{\"v\":1,\"at\":\"2026-11-20T16:00:00Z\",\"epoch\":\"e\","
			  "\"committed\":[],\"ask\":[\"e\"");
	for (int i = 0; i < WIRE_ASK_MAX; i++)
		buf_puts(&t->buf, ",\"e\"");
	buf_puts(&t->buf, "]}");
	assert_int_equal(
		wire_ack_decode(t->buf.data, t->buf.len, &t->ack, t->problem, sizeof(t->problem)),
		-EMSGSIZE);
	assert_non_null(strstr(t->problem, "ask"));
}

static void a_bad_link_is_refused(void **state)
{
	static const char *const links[] = {
		"{\"v\":1,\"session\":\"s\"}",
		"{\"v\":1,\"state\":\"online\"}",
		"{\"v\":1,\"session\":\"s\",\"state\":\"maybe\"}",
		"{\"v\":1,\"session\":\"a b\",\"state\":\"online\"}",
		"{\"session\":\"s\",\"state\":\"online\"}",
	};
	struct fixture *t = *state;

	for (size_t i = 0; i < COUNT(links); i++)
		assert_int_equal(wire_link_decode(links[i], strlen(links[i]), &t->link, t->problem,
						  sizeof(t->problem)),
				 -EINVAL);
}

static void unknown_members_are_ignored(void **state)
{
	static const char json[] = "{\"v\":1,\"session\":\"s\",\"state\":\"online\",\"new\":{}}";
	struct fixture *t = *state;

	assert_int_equal(
		wire_link_decode(json, strlen(json), &t->link, t->problem, sizeof(t->problem)), 0);
	assert_true(t->link.online);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_model_wire_control(void);
int suite_model_wire_control(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_ack_comes_back_byte_for_byte),
		TEST(an_ack_names_its_session_and_asks_for_epochs),
		TEST(a_link_comes_back_byte_for_byte),
		TEST(a_bad_ack_is_refused_and_nothing_is_touched),
		TEST(what_the_limits_do_not_hold_is_said),
		TEST(a_bad_link_is_refused),
		TEST(unknown_members_are_ignored),
	};

	return cmocka_run_group_tests_name("model.wire_control", tests, NULL, NULL);
}
