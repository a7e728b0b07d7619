#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <cmocka.h>

#include "agent/renewal.h"
#include "base/file.h"

int suite_agent_renewal(void);

#define DAY_MS INT64_C(86400000)
#define NOW_MS INT64_C(1795190400000)
#define SECOND INT64_C(1000000)

static char folder[64];
static char cert_file[96], key_file[96], new_cert[96], new_key[96];
static struct renewal renewal;
static int64_t now;

static EVP_PKEY *write_key(const char *path, mode_t mode)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *out = fopen(path, "w");

	assert_non_null(key);
	assert_non_null(out);
	assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, mode), 0);
	return key;
}

static void write_certificate(const char *path, EVP_PKEY *key, int64_t ends_ms)
{
	X509 *certificate = X509_new();
	FILE *out = fopen(path, "w");

	assert_non_null(certificate);
	assert_non_null(out);
	assert_non_null(
		ASN1_TIME_set(X509_getm_notBefore(certificate), (NOW_MS - 30 * DAY_MS) / 1000));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(certificate), ends_ms / 1000));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(out, certificate), 1);
	assert_int_equal(fclose(out), 0);
	X509_free(certificate);
}

static void write_pair(const char *cert, const char *key, int64_t ends_ms)
{
	EVP_PKEY *pair = write_key(key, 0600);

	write_certificate(cert, pair, ends_ms);
	EVP_PKEY_free(pair);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/freshet-renewal-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(cert_file, sizeof(cert_file), "%s/gateway.pem", folder);
	(void)snprintf(key_file, sizeof(key_file), "%s/gateway.key", folder);
	(void)snprintf(new_cert, sizeof(new_cert), "%s/gateway.pem.new", folder);
	(void)snprintf(new_key, sizeof(new_key), "%s/gateway.key.new", folder);
	write_pair(cert_file, key_file, NOW_MS + DAY_MS);
	now = 1000 * SECOND;
	return renewal_init(&renewal, cert_file, key_file);
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(cert_file);
	(void)unlink(key_file);
	(void)unlink(new_cert);
	(void)unlink(new_key);
	return rmdir(folder);
}

/* Which certificate the next connection uses. */
static const char *chosen(void)
{
	const char *cert, *key;

	renewal_choose(&renewal, NOW_MS, now, &cert, &key);
	return cert;
}

static bool waits(void)
{
	now += 10 * SECOND;
	return renewal_waits(&renewal, NOW_MS, now);
}

static int64_t ends(const char *path)
{
	int64_t ms = 0;

	assert_int_equal(tls_certificate_end(path, &ms), 0);
	return ms;
}

static void without_a_new_pair_the_old_one_is_used(void **state)
{
	(void)state;
	assert_false(waits());
	assert_string_equal(chosen(), cert_file);
	assert_int_equal(renewal_accepted(&renewal, now), 0);
	assert_string_equal(renewal.problem, "");
}

static void a_gateway_without_a_certificate_has_nothing_to_renew(void **state)
{
	(void)state;
	assert_int_equal(renewal_init(&renewal, NULL, NULL), 0);
	assert_false(waits());
	assert_null(chosen());
	assert_int_equal(renewal_accepted(&renewal, now), 0);
}

static void a_new_pair_that_is_accepted_replaces_the_old_one(void **state)
{
	(void)state;
	write_pair(new_cert, new_key, NOW_MS + 90 * DAY_MS);
	assert_true(waits());
	assert_string_equal(chosen(), new_cert);
	assert_int_equal(ends(cert_file), NOW_MS + DAY_MS); /* not before it was accepted */
	assert_int_equal(renewal_accepted(&renewal, now), 1);
	assert_int_equal(ends(cert_file), NOW_MS + 90 * DAY_MS);
	assert_int_equal(tls_check_pair(cert_file, key_file, NOW_MS, NULL, NULL), 0);
	assert_int_equal(access(new_cert, F_OK), -1);
	assert_int_equal(access(new_key, F_OK), -1);
	assert_string_equal(chosen(), cert_file);
}

static void a_new_pair_that_is_refused_is_not_tried_again_until_it_changes(void **state)
{
	(void)state;
	write_pair(new_cert, new_key, NOW_MS + 90 * DAY_MS);
	assert_true(waits());
	assert_string_equal(chosen(), new_cert);
	renewal_failed(&renewal, true, "certificate revoked", now);
	assert_non_null(strstr(renewal.problem, "certificate revoked"));
	for (int i = 0; i < 5; i++) {
		assert_string_equal(chosen(), cert_file);
		assert_false(waits());
	}
	assert_int_equal(unlink(new_cert), 0);
	write_pair(new_cert, new_key, NOW_MS + 91 * DAY_MS);
	assert_true(waits());
	assert_string_equal(renewal.problem, "");
	assert_string_equal(chosen(), new_cert);
}

static void a_try_that_says_nothing_of_the_certificate_is_repeated_by_turns(void **state)
{
	(void)state;
	write_pair(new_cert, new_key, NOW_MS + 90 * DAY_MS);
	assert_true(waits());
	assert_string_equal(chosen(), new_cert);
	renewal_failed(&renewal, false, "no route", now);
	assert_string_equal(chosen(), cert_file);
	renewal_failed(&renewal, false, "no route", now);
	assert_string_equal(chosen(), new_cert);
	renewal_failed(&renewal, false, "no route", now);
	assert_string_equal(chosen(), cert_file);
	assert_int_equal(renewal_accepted(&renewal, now), 0);
	/* The old one works: there is no hurry. */
	assert_false(waits());
	now += 600 * SECOND;
	assert_true(waits());
}

static void what_does_not_fit_is_said_and_not_tried(void **state)
{
	(void)state;
	write_pair(new_cert, new_key, NOW_MS - DAY_MS);
	assert_false(waits());
	assert_non_null(strstr(renewal.problem, "has expired on 2026-11-19"));
	write_pair(new_cert, new_key, NOW_MS + DAY_MS);
	assert_int_equal(chmod(new_key, 0640), 0);
	assert_false(waits());
	assert_non_null(strstr(renewal.problem, "chmod 600"));
	EVP_PKEY_free(write_key(new_key, 0600));
	assert_false(waits());
	assert_non_null(strstr(renewal.problem, "does not belong to the certificate"));
	assert_string_equal(chosen(), cert_file);
}

static void a_rename_that_was_cut_off_is_finished(void **state)
{
	(void)state;
	write_pair(new_cert, new_key, NOW_MS + 90 * DAY_MS);
	assert_int_equal(rename(new_key, key_file), 0); /* and then the power went */
	assert_int_not_equal(tls_check_pair(cert_file, key_file, NOW_MS, NULL, NULL), 0);
	assert_int_equal(renewal_init(&renewal, cert_file, key_file), 0);
	assert_string_equal(chosen(), new_cert);
	assert_int_equal(renewal_accepted(&renewal, now), 1);
	assert_int_equal(tls_check_pair(cert_file, key_file, NOW_MS, NULL, NULL), 0);
}

static void a_new_certificate_may_be_for_the_same_key(void **state)
{
	FILE *in = fopen(key_file, "r");
	EVP_PKEY *key;

	(void)state;
	assert_non_null(in);
	key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	assert_int_equal(fclose(in), 0);
	write_certificate(new_cert, key, NOW_MS + 60 * DAY_MS);
	EVP_PKEY_free(key);
	assert_true(waits());
	assert_string_equal(chosen(), new_cert);
	assert_int_equal(renewal_accepted(&renewal, now), 1);
	assert_int_equal(ends(cert_file), NOW_MS + 60 * DAY_MS);
}

static void a_secret_that_others_may_read_is_not_opened(void **state)
{
	const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0644, 0777};
	char problem[256];
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		assert_int_equal(chmod(key_file, open_modes[i]), 0);
		assert_int_equal(file_open_secret(key_file, &fd, problem, sizeof(problem)), -EPERM);
		assert_non_null(strstr(problem, "chmod 600 /tmp/freshet-renewal-"));
		assert_int_equal(fd, -1);
	}
	assert_int_equal(chmod(key_file, 0400), 0);
	assert_int_equal(file_open_secret(key_file, &fd, NULL, 0), 0);
	close(fd);
	assert_int_equal(file_open_secret(folder, &fd, problem, sizeof(problem)), -EINVAL);
	assert_int_equal(file_open_secret("/nowhere/key", &fd, problem, sizeof(problem)), -ENOENT);
	assert_non_null(strstr(problem, "/nowhere/key"));
}

int suite_agent_renewal(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_a_new_pair_the_old_one_is_used, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_gateway_without_a_certificate_has_nothing_to_renew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_pair_that_is_accepted_replaces_the_old_one,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_new_pair_that_is_refused_is_not_tried_again_until_it_changes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_try_that_says_nothing_of_the_certificate_is_repeated_by_turns, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_said_and_not_tried, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_rename_that_was_cut_off_is_finished, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_new_certificate_may_be_for_the_same_key, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_secret_that_others_may_read_is_not_opened, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("agent.renewal", tests, NULL, NULL);
}
