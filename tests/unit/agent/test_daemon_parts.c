#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "agent/control.h"
#include "agent/notify.h"
#include "agent/saved_time.h"
#include "agent/tls.h"

int suite_agent_daemon_parts(void);

static char folder[64];
static char path[96];
static struct clock_system sys;
static struct loop *loop;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/freshet-parts-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/agent.sock", folder);
	return clock_system_init(&sys, CLOCK_TRUST_ALWAYS) || loop_create(&sys.clock, &loop);
}

static int teardown(void **state)
{
	char file[128];

	(void)state;
	loop_destroy(loop);
	(void)snprintf(file, sizeof(file), "%s/time", folder);
	(void)unlink(file);
	(void)unlink(path);
	return rmdir(folder);
}

static void answer(void *arg, const char *request, struct buf *out)
{
	(*(int *)arg)++;
	buf_printf(out, "{\"asked\":\"%s\"}", request);
}

struct asker {
	struct buf out;
	int r;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;

	buf_init(&asker->out, 65536);
	asker->r = control_ask(path, "status", 5000, &asker->out);
	loop_stop(loop);
	return NULL;
}

static void a_request_is_answered_over_the_socket(void **state)
{
	struct control *control;
	struct asker asker;
	struct stat info;
	pthread_t thread;
	int asked = 0;

	(void)state;
	assert_int_equal(control_listen(loop, path, answer, &asked, &control), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0660);
	assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(asker.r, 0);
	assert_string_equal(buf_text(&asker.out), "{\"asked\":\"status\"}\n");
	assert_int_equal(asked, 1);
	buf_free(&asker.out);
	control_close(control);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_second_daemon_is_refused_and_a_dead_ones_socket_replaced(void **state)
{
	const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct control *control;
	struct control *second;
	int asked = 0;

	(void)state;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(dead);
	assert_int_equal(control_listen(loop, path, answer, &asked, &control), 0);
	assert_int_equal(control_listen(loop, path, answer, &asked, &second), -EADDRINUSE);
	control_close(control);
}

static void nobody_answers_where_no_daemon_runs(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	assert_int_equal(control_ask(path, "status", 1000, &out), -ENOENT);
	buf_free(&out);
}

static void systemd_hears_what_it_asked_for(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char heard[64] = "";

	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)setenv("NOTIFY_SOCKET", path, 1);
	assert_int_equal(notify_send("READY=1"), 1);
	assert_int_equal(recv(fd, heard, sizeof(heard) - 1, 0), 7);
	assert_string_equal(heard, "READY=1");
	(void)unsetenv("NOTIFY_SOCKET");
	(void)close(fd);
	(void)setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_us(), 30000000);
	(void)setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	(void)unsetenv("WATCHDOG_PID");
	(void)setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	(void)unsetenv("WATCHDOG_USEC");
}

static void the_time_outlives_the_process(void **state)
{
	(void)state;
	assert_int_equal(saved_time_load(folder), 0);
	assert_int_equal(saved_time_store(folder, INT64_C(1795190400123)), 0);
	assert_int_equal(saved_time_load(folder), INT64_C(1795190400123));
	assert_int_equal(saved_time_store("/nowhere/at/all", 1), -ENOENT);
}

/* A self-signed certificate, made on the spot. */
static const char *write_certificate(void)
{
	static char file[128];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	FILE *out;

	assert_non_null(key);
	assert_non_null(cert);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	(void)snprintf(file, sizeof(file), "%s/ca.pem", folder);
	out = fopen(file, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_X509(out, cert), 1);
	assert_int_equal(fclose(out), 0);
	X509_free(cert);
	EVP_PKEY_free(key);
	return file;
}

static void certificates_are_judged_at_a_time_of_ours(void **state)
{
	struct tls_peer peer = {.host = "broker.example.net", .at_ms = INT64_C(1795190400000)};
	SSL_CTX *context = NULL;

	(void)state;
	assert_true(tls_build_ms() > INT64_C(1704067200000)); /* 2024 */
	peer.ca_file = "/nowhere/ca.pem";
	assert_int_equal(tls_context(&peer, &context), -EINVAL);
	peer.ca_file = write_certificate();
	assert_int_equal(tls_context(&peer, &context), 0);
	assert_int_equal(X509_VERIFY_PARAM_get_time(SSL_CTX_get0_param(context)), 1795190400);
	assert_int_equal(SSL_CTX_get_verify_mode(context), SSL_VERIFY_PEER);
	assert_string_equal(X509_VERIFY_PARAM_get0_host(SSL_CTX_get0_param(context), 0),
			    "broker.example.net");
	(void)unlink(peer.ca_file);
	SSL_CTX_free(context);
}

int suite_agent_daemon_parts(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(a_request_is_answered_over_the_socket),
		TEST(a_second_daemon_is_refused_and_a_dead_ones_socket_replaced),
		TEST(nobody_answers_where_no_daemon_runs),
		TEST(systemd_hears_what_it_asked_for),
		TEST(the_time_outlives_the_process),
		TEST(certificates_are_judged_at_a_time_of_ours),
#undef TEST
	};

	return cmocka_run_group_tests_name("agent.daemon_parts", tests, NULL, NULL);
}
