#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cloud/http/router.h"

int suite_cloud_router(void);

static const struct route routes[] = {
	{HTTP_GET, "/health", 0, NULL},
	{HTTP_GET, "/api/workspaces", 1, NULL},
	{HTTP_GET, "/api/workspaces/{ws}", 1, NULL},
	{HTTP_PUT, "/api/workspaces/{ws}", 1, NULL},
	{HTTP_GET, "/api/workspaces/{ws}/snapshots/{vehicle}", 1, NULL},
	{HTTP_GET, "/api/workspaces/{ws}/issues.csv", 1, NULL},
};

static struct router_match match(enum http_method method, const char *path)
{
	struct router_match found;

	router_match(routes, sizeof(routes) / sizeof(routes[0]), method, path, &found);
	return found;
}

static void paths_lead_to_their_route(void **state)
{
	(void)state;
	assert_ptr_equal(match(HTTP_GET, "/health").route, &routes[0]);
	assert_ptr_equal(match(HTTP_GET, "/api/workspaces").route, &routes[1]);
	assert_ptr_equal(match(HTTP_PUT, "/api/workspaces/w1").route, &routes[3]);
	assert_ptr_equal(match(HTTP_GET, "/api/workspaces/w1/issues.csv").route, &routes[5]);
}

static void segments_become_parameters(void **state)
{
	struct router_match found = match(HTTP_GET, "/api/workspaces/w-1/snapshots/bus.12");

	(void)state;
	assert_ptr_equal(found.route, &routes[4]);
	assert_int_equal(found.param_count, 2);
	assert_string_equal(found.params[0], "w-1");
	assert_string_equal(found.params[1], "bus.12");
}

static void head_is_answered_by_get(void **state)
{
	(void)state;
	assert_ptr_equal(match(HTTP_HEAD, "/health").route, &routes[0]);
}

static void the_name_of_earlier_clients_is_the_same_tree(void **state)
{
	(void)state;
	assert_ptr_equal(match(HTTP_GET, "/api/telematics-mvp/workspaces").route, &routes[1]);
	assert_ptr_equal(match(HTTP_GET, "/api/telematics-mvp/workspaces/w1").route, &routes[2]);
	assert_null(match(HTTP_GET, "/api/telematics-mvp/health").route);
}

static void what_is_no_id_matches_nothing(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/healthy",
		"/health/",
		"/api/workspaces/",
		"/api/workspaces/.hidden",
		"/api/workspaces/w1/",
		"/api/workspaces//snapshots/x",
		"/api/workspaces/a b",
		"/api/workspaces/w1/snapshots/",
		"/api/workspaces/w1/snapshots/x/y",
		"/api/workspaces/{ws}",
		"/api/workspaces/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct router_match found = match(HTTP_GET, paths[i]);

		assert_null(found.route);
		assert_int_equal(found.allowed, 0);
	}
}

static void a_known_path_with_another_method_says_which_it_knows(void **state)
{
	struct router_match found = match(HTTP_DELETE, "/api/workspaces/w1");
	char allow[64];

	(void)state;
	assert_null(found.route);
	router_allow(found.allowed, allow, sizeof(allow));
	assert_string_equal(allow, "GET, HEAD, PUT");
}

int suite_cloud_router(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_lead_to_their_route),
		cmocka_unit_test(segments_become_parameters),
		cmocka_unit_test(head_is_answered_by_get),
		cmocka_unit_test(the_name_of_earlier_clients_is_the_same_tree),
		cmocka_unit_test(what_is_no_id_matches_nothing),
		cmocka_unit_test(a_known_path_with_another_method_says_which_it_knows),
	};

	return cmocka_run_group_tests_name("cloud_router", tests, NULL, NULL);
}
