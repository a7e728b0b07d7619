#include <errno.h>
#include <stdio.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "cloud/http/access.h"
#include "tests/unit/cloud/accept/bench.h"

int suite_cloud_access(void);

static struct http_request empty_request(void)
{
	return (struct http_request){.path = "/",
				     .authorization = "",
				     .cookie = "",
				     .accept = "",
				     .if_none_match = "",
				     .host = "",
				     .origin = "",
				     .body = ""};
}

/* Adds a token; its secret in `secret`. */
static int64_t add_token(struct bench *b, const char *roles, const char *workspaces,
			 int64_t expires_ms, char secret[static COREDB_SECRET_SIZE])
{
	struct coredb_token token = {.name = "t1", .expires_at_ms = expires_ms};

	(void)snprintf(token.roles, sizeof(token.roles), "%s", roles);
	(void)snprintf(token.workspaces, sizeof(token.workspaces), "%s", workspaces);
	assert_int_equal(access_secret(secret), 0);
	assert_int_equal(coredb_begin_aside(b->db), 0);
	assert_int_equal(coredb_token_add(b->db, &token, secret, WALL), 0);
	assert_int_equal(coredb_commit(b->db), 0);
	return token.id;
}

static int check_bearer(struct bench *b, const char *secret, int64_t now_ms,
			struct access_principal *ret)
{
	struct http_request request = empty_request();
	char text[200];

	(void)snprintf(text, sizeof(text), "Bearer %s", secret);
	request.authorization = text;
	return access_check(b->db, &request, now_ms, ret, NULL);
}

static int check_cookie(struct bench *b, const char *secret, int64_t now_ms, bool *ret_touch)
{
	struct http_request request = empty_request();
	struct access_principal principal;
	char text[200];

	(void)snprintf(text, sizeof(text), "a=b; " ACCESS_COOKIE "=%s; c=d", secret);
	request.cookie = text;
	return access_check(b->db, &request, now_ms, &principal, ret_touch);
}

static void secrets_are_long_and_never_twice_the_same(void **state)
{
	char a[COREDB_SECRET_SIZE], b[COREDB_SECRET_SIZE];

	(void)state;
	assert_int_equal(access_secret(a), 0);
	assert_int_equal(access_secret(b), 0);
	assert_int_equal(strlen(a), 4 + 43);
	assert_memory_equal(a, "fst_", 4);
	assert_string_not_equal(a, b);
}

static void roles_are_words_and_nothing_else(void **state)
{
	unsigned roles = 99;

	(void)state;
	assert_int_equal(access_roles_parse("ops", &roles), 0);
	assert_int_equal(roles, ACCESS_OPS);
	assert_int_equal(access_roles_parse("ops,system ingest", &roles), 0);
	assert_int_equal(roles, ACCESS_OPS | ACCESS_SYSTEM | ACCESS_INGEST);
	assert_int_equal(access_roles_parse("", &roles), -EINVAL);
	assert_int_equal(access_roles_parse(" , ", &roles), -EINVAL);
	assert_int_equal(access_roles_parse("root", &roles), -EINVAL);
	assert_int_equal(access_roles_parse("ops opsx", &roles), -EINVAL);
}

static void a_bearer_token_is_recognised_until_it_expires(void **state)
{
	struct access_principal principal;
	char secret[COREDB_SECRET_SIZE];
	struct bench *b = *state;

	add_token(b, "ops", "w1 w2", WALL + 1000, secret);
	assert_int_equal(check_bearer(b, secret, WALL, &principal), 0);
	assert_int_equal(principal.roles, ACCESS_OPS);
	assert_int_equal(check_bearer(b, secret, WALL + 1000, &principal), -ENOENT);
	secret[10] ^= 1;
	assert_int_equal(check_bearer(b, secret, WALL, &principal), -ENOENT);
	assert_int_equal(check_bearer(b, "", WALL, &principal), -ENOENT);
}

static void a_token_sees_its_workspaces_only(void **state)
{
	struct access_principal principal = {.roles = ACCESS_OPS};

	(void)state;
	(void)snprintf(principal.token.workspaces, sizeof(principal.token.workspaces),
		       "w1 depot-2");
	assert_true(access_sees(&principal, "w1"));
	assert_true(access_sees(&principal, "depot-2"));
	assert_false(access_sees(&principal, "w"));
	assert_false(access_sees(&principal, "w11"));
	assert_false(access_sees(&principal, "depot"));
	assert_false(access_sees(&principal, ""));
	principal.roles = ACCESS_SYSTEM;
	assert_true(access_sees(&principal, "any"));
	principal.roles = ACCESS_OPS;
	(void)snprintf(principal.token.workspaces, sizeof(principal.token.workspaces), "*");
	assert_true(access_sees(&principal, "any"));
}

static void a_revoked_token_is_nobody(void **state)
{
	struct access_principal principal;
	char secret[COREDB_SECRET_SIZE];
	struct bench *b = *state;

	add_token(b, "ops", "w1", MODEL_NO_TIME, secret);
	assert_int_equal(check_bearer(b, secret, WALL, &principal), 0);
	assert_int_equal(access_recheck(b->db, &principal, WALL), 0);
	assert_int_equal(coredb_token_revoke(b->db, "t1", WALL), 0);
	assert_int_equal(check_bearer(b, secret, WALL, &principal), -ENOENT);
	assert_int_equal(access_recheck(b->db, &principal, WALL), -ENOENT);
}

static void a_code_logs_in_once_and_for_ten_minutes(void **state)
{
	char secret[COREDB_SECRET_SIZE], code[COREDB_SECRET_SIZE], session[COREDB_SECRET_SIZE];
	struct bench *b = *state;
	int64_t token = add_token(b, "ops", "w1", MODEL_NO_TIME, secret);

	assert_int_equal(access_link(b->db, token, WALL, code), 0);
	assert_int_equal(access_login(b->db, "fst_no", WALL, session), -ENOENT);
	assert_int_equal(access_login(b->db, code, WALL, session), 0);
	assert_int_equal(check_cookie(b, session, WALL, NULL), 0);
	assert_int_equal(access_login(b->db, code, WALL, session), -ENOENT);
	assert_int_equal(access_link(b->db, token, WALL, code), 0);
	assert_int_equal(access_login(b->db, code, WALL + ACCESS_CODE_MS, session), -ENOENT);
}

static void a_session_ends_when_idle_or_old_or_logged_out(void **state)
{
	char secret[COREDB_SECRET_SIZE], code[COREDB_SECRET_SIZE], session[COREDB_SECRET_SIZE];
	struct bench *b = *state;
	int64_t token = add_token(b, "ops", "w1", MODEL_NO_TIME, secret);
	int64_t now_ms = WALL;
	bool touch = true;

	assert_int_equal(access_link(b->db, token, now_ms, code), 0);
	assert_int_equal(access_login(b->db, code, now_ms, session), 0);
	assert_int_equal(check_cookie(b, session, now_ms + ACCESS_TOUCH_MS - 1, &touch), 0);
	assert_false(touch);
	assert_int_equal(check_cookie(b, session, now_ms + ACCESS_IDLE_MS - 1, &touch), 0);
	assert_true(touch);
	assert_int_equal(check_cookie(b, session, now_ms + ACCESS_IDLE_MS, NULL), -ENOENT);
	/* In use all the time, it still ends after twelve hours. */
	while (now_ms + ACCESS_IDLE_MS / 2 < WALL + ACCESS_SESSION_MS) {
		now_ms += ACCESS_IDLE_MS / 2;
		assert_int_equal(access_touch(b->db, session, now_ms), 0);
		assert_int_equal(check_cookie(b, session, now_ms, NULL), 0);
	}
	assert_int_equal(check_cookie(b, session, WALL + ACCESS_SESSION_MS, NULL), -ENOENT);
	assert_int_equal(access_logout(b->db, session), 0);
	assert_int_equal(check_cookie(b, session, now_ms, NULL), -ENOENT);
}

static void a_stated_token_is_not_mended_by_a_cookie(void **state)
{
	char secret[COREDB_SECRET_SIZE], code[COREDB_SECRET_SIZE], session[COREDB_SECRET_SIZE];
	struct http_request request = empty_request();
	struct access_principal principal;
	struct bench *b = *state;
	char cookie[200];

	assert_int_equal(
		access_link(b->db, add_token(b, "ops", "w1", MODEL_NO_TIME, secret), WALL, code),
		0);
	assert_int_equal(access_login(b->db, code, WALL, session), 0);
	(void)snprintf(cookie, sizeof(cookie), ACCESS_COOKIE "=%s", session);
	request.cookie = cookie;
	assert_int_equal(access_check(b->db, &request, WALL, &principal, NULL), 0);
	assert_true(principal.by_cookie);
	request.authorization = "Bearer fst_wrong";
	assert_int_equal(access_check(b->db, &request, WALL, &principal, NULL), -ENOENT);
}

static void the_database_holds_no_secret(void **state)
{
	char secret[COREDB_SECRET_SIZE], code[COREDB_SECRET_SIZE], session[COREDB_SECRET_SIZE];
	struct bench *b = *state;
	int64_t token = add_token(b, "ops", "w1", MODEL_NO_TIME, secret);
	char query[300];

	assert_int_equal(access_link(b->db, token, WALL, code), 0);
	(void)snprintf(query, sizeof(query),
		       "SELECT (SELECT count(*) FROM api_token WHERE hash = '%s') +"
		       " (SELECT count(*) FROM login_code WHERE hash = '%s')",
		       secret, code);
	assert_int_equal(bench_query(b, query), 0);
	assert_int_equal(access_login(b->db, code, WALL, session), 0);
	(void)snprintf(query, sizeof(query), "SELECT count(*) FROM web_session WHERE hash = '%s'",
		       session);
	assert_int_equal(bench_query(b, query), 0);
}

static void sessions_do_not_cost_the_writer_its_caches(void **state)
{
	char secret[COREDB_SECRET_SIZE], code[COREDB_SECRET_SIZE];
	struct coredb *other = NULL;
	struct bench *b = *state;
	bool foreign = true;

	assert_int_equal(coredb_open(b->url, 0, &other, NULL, 0), 0);
	assert_int_equal(coredb_begin(b->db, NULL), 0);
	assert_int_equal(coredb_commit(b->db), 0);
	assert_int_equal(
		access_link(other, add_token(b, "ops", "w1", MODEL_NO_TIME, secret), WALL, code),
		0);
	assert_int_equal(coredb_begin(b->db, &foreign), 0);
	assert_false(foreign);
	coredb_rollback(b->db);
	coredb_close(other);
}

static void an_origin_must_be_this_server(void **state)
{
	struct http_request request = empty_request();

	(void)state;
	request.host = "core.example:8080";
	assert_true(access_same_origin(&request));
	request.origin = "http://core.example:8080";
	assert_true(access_same_origin(&request));
	request.origin = "http://core.example";
	assert_false(access_same_origin(&request));
	request.origin = "http://evil.example:8080";
	assert_false(access_same_origin(&request));
	request.origin = "null";
	assert_false(access_same_origin(&request));
	request.host = "";
	request.origin = "http://";
	assert_false(access_same_origin(&request));
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int suite_cloud_access(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_long_and_never_twice_the_same),
		cmocka_unit_test(roles_are_words_and_nothing_else),
		cmocka_unit_test(a_token_sees_its_workspaces_only),
		cmocka_unit_test(an_origin_must_be_this_server),
		WITH_BENCH(a_bearer_token_is_recognised_until_it_expires),
		WITH_BENCH(a_revoked_token_is_nobody),
		WITH_BENCH(a_code_logs_in_once_and_for_ten_minutes),
		WITH_BENCH(a_session_ends_when_idle_or_old_or_logged_out),
		WITH_BENCH(a_stated_token_is_not_mended_by_a_cookie),
		WITH_BENCH(the_database_holds_no_secret),
		WITH_BENCH(sessions_do_not_cost_the_writer_its_caches),
	};

	return cmocka_run_group_tests_name("cloud_access", tests, NULL, NULL);
}
