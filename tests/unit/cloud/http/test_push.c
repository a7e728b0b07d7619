#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "cloud/http/push.h"
#include "tests/unit/cloud/http/desk.h"

int suite_cloud_push(void);

/* A desk with a push on it and one client that may read w1. */
struct stand {
	struct desk *desk;
	struct live *live;
	struct push *push;
	struct push_client *client;
	struct jr_doc *doc;
};

static struct access_principal principal_of(struct desk *desk)
{
	struct http_request request = desk->request;
	struct access_principal principal;

	request.authorization = desk->bearer;
	assert_int_equal(access_check(desk->api->reader, &request, WALL, &principal, NULL), 0);
	return principal;
}

static int setup(void **state)
{
	struct stand *stand = calloc(1, sizeof(*stand));
	struct access_principal principal;
	void *desk = NULL;

	assert_non_null(stand);
	assert_int_equal(desk_setup(&desk), 0);
	stand->desk = desk;
	desk_token(stand->desk, "ops", "w1");
	assert_int_equal(live_create(&stand->live), 0);
	assert_int_equal(push_create(stand->desk->api, stand->live, &stand->push), 0);
	principal = principal_of(stand->desk);
	assert_int_equal(push_client_open(stand->push, &principal, &stand->client), 0);
	*state = stand;
	return 0;
}

static int teardown(void **state)
{
	struct stand *stand = *state;
	void *desk = stand->desk;

	jr_free(stand->doc);
	push_destroy(stand->push);
	live_destroy(stand->live);
	desk_teardown(&desk);
	free(stand);
	return 0;
}

static void send(struct stand *stand, const char *text)
{
	assert_int_equal(push_client_receive(stand->client, text, strlen(text)), 0);
}

/* The type of the next message, which stand->doc then holds; "" without one. */
static const char *next(struct stand *stand)
{
	static char type[32];
	struct jr_error error;
	struct buf out;
	int r;

	type[0] = '\0';
	buf_init(&out, HTTP_REPLY_MAX);
	r = push_client_next(stand->client, &out);
	assert_in_range(r, 0, 1);
	if (r) {
		jr_free(stand->doc);
		assert_int_equal(jr_parse(out.data, out.len, &stand->doc, &error), 0);
		assert_true(
			jr_string_copy(jr_get(jr_root(stand->doc), "type"), type, sizeof(type)));
	}
	buf_free(&out);
	return type;
}

static size_t shown(struct stand *stand)
{
	return jr_count(jr_get(jr_root(stand->doc), "items"));
}

static int64_t counted(struct stand *stand, const char *health)
{
	int64_t value = -1;

	assert_true(jr_integer(jr_get(jr_get(jr_root(stand->doc), "counts"), health), &value));
	return value;
}

static void pass(struct stand *stand, int64_t us)
{
	clock_fake_advance(&stand->desk->bench->clock, us);
	assert_int_equal(push_tick(stand->push), 0);
}

/* Data of d1, as the writer tells of it. */
static void change(struct stand *stand, int64_t number, double soc)
{
	struct bench *b = stand->desk->bench;

	desk_data(stand->desk, number, soc);
	live_changed(stand->live, b->workspace.id, b->device.id);
}

#define SUBSCRIBE "{\"type\":\"subscribe\",\"workspace_id\":\"w1\",\"devices\":[\"d1\",\"nobody\"]}"
#define SUBSCRIBE_ALL "{\"type\":\"subscribe\",\"workspace_id\":\"w1\"}"

static void a_subscriber_sees_the_state_then_what_changes(void **state)
{
	struct stand *stand = *state;

	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	assert_int_equal(shown(stand), 1);
	assert_int_equal(counted(stand, "awaiting-first-data"), 1);
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "");
	change(stand, 1, 40);
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(shown(stand), 1);
	assert_int_equal(counted(stand, "healthy"), 1);
	assert_string_equal(next(stand), "");
}

static void a_client_gets_at_most_two_updates_a_second(void **state)
{
	struct stand *stand = *state;
	int updates = 0;

	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	for (int i = 0; i < 40; i++) {
		change(stand, i + 1, i);
		pass(stand, 100000);
		if (push_client_wants(stand->client))
			updates += strcmp(next(stand), "status_update") == 0;
	}
	/* Forty changes in four seconds. */
	assert_in_range(updates, 7, 8);
}

static void a_slow_reader_gets_the_newest_once(void **state)
{
	struct stand *stand = *state;
	double soc = 0;

	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	for (int i = 0; i < 20; i++) {
		change(stand, i + 1, i);
		pass(stand, 1000000);
	}
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(shown(stand), 1);
	assert_true(
		jr_number(jr_get(jr_get(jr_at(jr_get(jr_root(stand->doc), "items"), 0), "values"),
				 "state_of_charge_pct"),
			  &soc));
	assert_true(soc > 18.9 && soc < 19.1);
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "");
}

static void time_alone_brings_changes_of_state(void **state)
{
	struct stand *stand = *state;

	change(stand, 1, 40);
	send(stand, SUBSCRIBE_ALL);
	assert_string_equal(next(stand), "initial_status");
	assert_int_equal(shown(stand), 0);
	assert_int_equal(counted(stand, "healthy"), 1);
	pass(stand, INT64_C(299) * 1000000);
	while (next(stand)[0])
		assert_int_equal(counted(stand, "healthy"), 1);
	pass(stand, INT64_C(2) * 1000000);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(shown(stand), 1);
	assert_int_equal(counted(stand, "delayed"), 1);
	pass(stand, INT64_C(600) * 1000000);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(counted(stand, "stale"), 1);
}

static void without_devices_new_values_alone_are_not_told(void **state)
{
	struct stand *stand = *state;

	change(stand, 1, 40);
	pass(stand, 1000);
	send(stand, SUBSCRIBE_ALL);
	assert_string_equal(next(stand), "initial_status");
	change(stand, 2, 41);
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "");
}

static void devices_that_come_and_go_are_counted(void **state)
{
	struct stand *stand = *state;
	struct bench *b = stand->desk->bench;
	int64_t device;

	send(stand, SUBSCRIBE_ALL);
	assert_string_equal(next(stand), "initial_status");
	device = desk_device(stand->desk, 1);
	pass(stand, PUSH_RESCAN_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(counted(stand, "awaiting-first-data"), 2);
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_device_remove(b->db, device, WALL), 0);
	assert_int_equal(accept_commit(b->accept), 0);
	pass(stand, PUSH_RESCAN_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(counted(stand, "awaiting-first-data"), 1);
}

static void a_removed_devices_row_may_be_given_again(void **state)
{
	struct stand *stand = *state;
	struct bench *b = stand->desk->bench;
	int64_t rows[4];

	for (int i = 0; i < 4; i++)
		rows[i] = desk_device(stand->desk, i);
	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	assert_int_equal(accept_begin(b->accept), 0);
	for (int i = 2; i < 4; i++)
		assert_int_equal(coredb_device_remove(b->db, rows[i], WALL), 0);
	assert_int_equal(accept_commit(b->accept), 0);
	assert_int_equal(desk_device(stand->desk, 7), rows[2]);
	pass(stand, PUSH_RESCAN_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(counted(stand, "awaiting-first-data"), 4);
	change(stand, 1, 40);
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(shown(stand), 1);
	assert_int_equal(counted(stand, "healthy"), 1);
}

static void a_row_between_others_finds_its_place(void **state)
{
	struct stand *stand = *state;
	struct bench *b = stand->desk->bench;
	struct coredb_workspace other = {.name = "w2", .policy = b->workspace.policy};
	struct coredb_device device = {.name = "y", .provider = "obd", .activated_at_ms = WALL};
	int64_t last;

	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_workspace_add(b->db, &other, WALL), 0);
	device.workspace = other.id;
	assert_int_equal(coredb_device_add(b->db, &device, WALL), 0);
	assert_int_equal(accept_commit(b->accept), 0);
	last = desk_device(stand->desk, 1);
	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	assert_int_equal(counted(stand, "awaiting-first-data"), 2);
	assert_int_equal(accept_begin(b->accept), 0);
	assert_int_equal(coredb_device_remove(b->db, device.id, WALL), 0);
	assert_int_equal(coredb_device_remove(b->db, last, WALL), 0);
	assert_int_equal(accept_commit(b->accept), 0);
	/* The other workspace's row, below one that the board has seen. */
	assert_int_equal(desk_device(stand->desk, 2), device.id);
	assert_true(device.id < last);
	pass(stand, PUSH_RESCAN_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(counted(stand, "awaiting-first-data"), 2);
	send(stand, "{\"type\":\"subscribe\",\"workspace_id\":\"w1\",\"devices\":[\"x2\"]}");
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "initial_status");
	assert_int_equal(shown(stand), 1);
}

static void too_many_changes_lead_to_a_look_at_everything(void **state)
{
	struct stand *stand = *state;

	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	desk_data(stand->desk, 1, 40);
	for (int64_t i = 0; i <= LIVE_MAX; i++)
		live_changed(stand->live, 999, i + 1000);
	pass(stand, PUSH_INTERVAL_US);
	assert_string_equal(next(stand), "status_update");
	assert_int_equal(counted(stand, "healthy"), 1);
}

static void bad_messages_are_answered_until_there_are_too_many(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"type\":1}",
		"{\"type\":\"x\"}",
		"{\"type\":\"subscribe\"}",
		"{\"type\":\"subscribe\",\"workspace_id\":\"nobody\"}",
		"{\"type\":\"subscribe\",\"workspace_id\":\"w1\",\"devices\":7}",
		"{\"type\":\"subscribe\",\"workspace_id\":\"w1\",\"devices\":[7]}"};
	struct stand *stand = *state;
	int r = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send(stand, bad[i]);
		assert_string_equal(next(stand), "error");
	}
	assert_false(push_is_watched(stand->push));
	for (int i = 0; i <= PUSH_ERRORS_MAX && !r; i++)
		r = push_client_receive(stand->client, "{", 1);
	assert_int_equal(r, -EPROTO);
}

static void a_ping_is_answered_also_between_updates(void **state)
{
	struct stand *stand = *state;

	send(stand, SUBSCRIBE);
	assert_string_equal(next(stand), "initial_status");
	send(stand, "{\"type\":\"ping\"}");
	assert_string_equal(next(stand), "pong");
	assert_string_equal(next(stand), "");
}

static void a_revoked_token_ends_its_connections(void **state)
{
	struct stand *stand = *state;

	pass(stand, PUSH_RECHECK_US);
	assert_false(push_client_is_over(stand->client));
	assert_int_equal(coredb_token_revoke(stand->desk->bench->db, "token-1", WALL), 0);
	pass(stand, PUSH_RECHECK_US);
	assert_true(push_client_is_over(stand->client));
}

static void there_are_only_so_many_clients(void **state)
{
	struct stand *stand = *state;
	struct access_principal principal = principal_of(stand->desk);
	struct push_client *client;

	for (int i = 1; i < PUSH_CLIENTS_MAX; i++)
		assert_int_equal(push_client_open(stand->push, &principal, &client), 0);
	assert_int_equal(push_client_open(stand->push, &principal, &client), -ENOSPC);
	push_client_close(stand->client);
	assert_int_equal(push_client_open(stand->push, &principal, &client), 0);
}

static void the_last_subscriber_takes_the_board_along(void **state)
{
	struct stand *stand = *state;

	send(stand, SUBSCRIBE);
	send(stand, SUBSCRIBE_ALL);
	assert_true(push_is_watched(stand->push));
	push_client_close(stand->client);
	assert_false(push_is_watched(stand->push));
	assert_int_equal(push_tick(stand->push), 0);
}

#define WITH_STAND(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int suite_cloud_push(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STAND(a_subscriber_sees_the_state_then_what_changes),
		WITH_STAND(a_client_gets_at_most_two_updates_a_second),
		WITH_STAND(a_slow_reader_gets_the_newest_once),
		WITH_STAND(time_alone_brings_changes_of_state),
		WITH_STAND(without_devices_new_values_alone_are_not_told),
		WITH_STAND(devices_that_come_and_go_are_counted),
		WITH_STAND(a_removed_devices_row_may_be_given_again),
		WITH_STAND(a_row_between_others_finds_its_place),
		WITH_STAND(too_many_changes_lead_to_a_look_at_everything),
		WITH_STAND(bad_messages_are_answered_until_there_are_too_many),
		WITH_STAND(a_ping_is_answered_also_between_updates),
		WITH_STAND(a_revoked_token_ends_its_connections),
		WITH_STAND(there_are_only_so_many_clients),
		WITH_STAND(the_last_subscriber_takes_the_board_along),
	};

	return cmocka_run_group_tests_name("cloud_push", tests, NULL, NULL);
}
