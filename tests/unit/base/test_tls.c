#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/tls.h"

int suite_base_tls(void);

#define DAY_MS INT64_C(86400000)
#define NOW_MS INT64_C(1795190400000)

/* A certificate that vouches for itself, valid from a day before to a day after NOW_MS. */
static EVP_PKEY *key;
static X509 *cert;
static char ca_file[64];
static struct tls_said said; /* by the last handshake */

static void add_extension(int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void write_ca_file(void)
{
	FILE *out;
	int fd;

	(void)snprintf(ca_file, sizeof(ca_file), "/tmp/freshet-tls-XXXXXX");
	fd = mkstemp(ca_file);
	assert_true(fd >= 0);
	out = fdopen(fd, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_X509(out, cert), 1);
	assert_int_equal(fclose(out), 0);
}

static int make_certificate(void **state)
{
	X509_NAME *name;

	(void)state;
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	assert_non_null(key);
	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), (NOW_MS - DAY_MS) / 1000));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), (NOW_MS + DAY_MS) / 1000));
	name = X509_get_subject_name(cert);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
						    (const unsigned char *)"broker", -1, -1, 0),
			 1);
	assert_int_equal(X509_set_issuer_name(cert, name), 1);
	add_extension(NID_subject_alt_name, "DNS:broker.example.net,IP:192.0.2.7");
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	write_ca_file();
	return 0;
}

static int free_certificate(void **state)
{
	(void)state;
	(void)unlink(ca_file);
	X509_free(cert);
	EVP_PKEY_free(key);
	return 0;
}

static SSL *server(SSL_CTX **ret_context)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	assert_non_null(context);
	assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	ssl = SSL_new(context);
	assert_non_null(ssl);
	SSL_set_accept_state(ssl);
	*ret_context = context;
	return ssl;
}

/* Shakes hands in memory with a peer that has the certificate. True where the client agreed. */
static bool shake_hands(SSL_CTX *client_context)
{
	SSL_CTX *server_context;
	SSL *const there = server(&server_context);
	SSL *const here = SSL_new(client_context);
	BIO *one;
	BIO *other;
	bool agreed;

	assert_non_null(here);
	SSL_set_connect_state(here);
	assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
	SSL_set_bio(here, one, one);
	SSL_set_bio(there, other, other);
	for (int i = 0; i < 8; i++) {
		(void)SSL_do_handshake(here);
		(void)SSL_do_handshake(there);
	}
	agreed = SSL_is_init_finished(here);
	SSL_free(here);
	SSL_free(there);
	SSL_CTX_free(server_context);
	return agreed;
}

/* What is wrong with the peer, as seen by a client that expects `host` at `at_ms`; 0: nothing. */
static int verdict(const char *host, int64_t at_ms)
{
	const struct tls_peer peer = {
		.host = host, .ca_file = ca_file, .at_ms = at_ms, .said = &said};
	SSL_CTX *context = NULL;
	bool agreed;

	said = (struct tls_said){0};
	assert_int_equal(tls_context(&peer, &context, NULL), 0);
	agreed = shake_hands(context);
	SSL_CTX_free(context);
	assert_int_equal(agreed, said.refusal == 0);
	return said.refusal;
}

static void a_peer_with_the_right_name_or_address_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(verdict("broker.example.net", NOW_MS), 0);
	assert_int_equal(verdict("192.0.2.7", NOW_MS), 0);
}

static void another_name_or_address_is_refused(void **state)
{
	(void)state;
	assert_int_equal(verdict("other.example.net", NOW_MS), X509_V_ERR_HOSTNAME_MISMATCH);
	/* Where alternative names stand, the common name counts for nothing. */
	assert_int_equal(verdict("broker", NOW_MS), X509_V_ERR_HOSTNAME_MISMATCH);
	assert_int_equal(verdict("192.0.2.8", NOW_MS), X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void certificates_are_judged_at_a_time_of_ours(void **state)
{
	char words[TLS_PROBLEM_SIZE];

	(void)state;
	assert_int_equal(verdict("broker.example.net", NOW_MS + 2 * DAY_MS),
			 X509_V_ERR_CERT_HAS_EXPIRED);
	assert_int_equal(verdict("broker.example.net", NOW_MS - 2 * DAY_MS),
			 X509_V_ERR_CERT_NOT_YET_VALID);
	assert_int_equal(said.refused_ms, NOW_MS - DAY_MS);
	tls_refusal(&said, words, sizeof(words));
	assert_string_equal(words, "certificate is not yet valid (it begins on 2026-11-19)");
	(void)verdict("broker.example.net", NOW_MS + 2 * DAY_MS);
	assert_int_equal(said.ends_ms, NOW_MS + DAY_MS);
	tls_refusal(&said, words, sizeof(words));
	assert_string_equal(words, "certificate has expired (on 2026-11-21)");
}

static void an_authority_that_is_not_trusted_is_refused(void **state)
{
	const struct tls_peer peer = {.host = "broker.example.net", .at_ms = NOW_MS, .said = &said};
	SSL_CTX *context = NULL;

	(void)state;
	said = (struct tls_said){0};
	assert_int_equal(tls_context(&peer, &context, NULL), 0); /* the system's authorities */
	assert_false(shake_hands(context));
	assert_int_not_equal(said.refusal, 0);
	SSL_CTX_free(context);
}

static void what_cannot_be_used_is_refused_at_once(void **state)
{
	struct tls_peer peer = {.host = "broker.example.net", .ca_file = "/nowhere/ca.pem"};
	char problem[TLS_PROBLEM_SIZE];
	SSL_CTX *context = NULL;

	(void)state;
	assert_int_equal(tls_context(&peer, &context, problem), -EINVAL);
	peer.ca_file = ca_file;
	peer.cert_file = ca_file;
	peer.key_file = "/nowhere/key.pem";
	assert_int_equal(tls_context(&peer, &context, problem), -EINVAL);
	peer.key_file = NULL;
	assert_int_equal(tls_context(&peer, &context, problem), -EINVAL);
	peer.cert_file = NULL;
	/* OpenSSL would take it for: any host. */
	peer.host = "";
	assert_int_equal(tls_context(&peer, &context, problem), -EINVAL);
	assert_null(context);
}

static void the_build_is_not_long_before_our_time(void **state)
{
	(void)state;
	assert_true(tls_build_ms() > INT64_C(1704067200000)); /* 2024 */
}

int suite_base_tls(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_with_the_right_name_or_address_is_accepted),
		cmocka_unit_test(another_name_or_address_is_refused),
		cmocka_unit_test(certificates_are_judged_at_a_time_of_ours),
		cmocka_unit_test(an_authority_that_is_not_trusted_is_refused),
		cmocka_unit_test(what_cannot_be_used_is_refused_at_once),
		cmocka_unit_test(the_build_is_not_long_before_our_time),
	};

	return cmocka_run_group_tests_name("base.tls", tests, make_certificate, free_certificate);
}
