#include "base/tls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>

int64_t tls_build_ms(void)
{
	/* "Nov  5 2026", as the compiler writes it. */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static const char date[] = __DATE__;
	const char month[4] = {date[0], date[1], date[2], '\0'};
	const char *at = strstr(months, month);
	struct tm tm = {0};

	if (!at)
		return 0;
	tm.tm_mon = (int)((at - months) / 3);
	tm.tm_mday = (int)strtol(date + 4, NULL, 10);
	tm.tm_year = (int)strtol(date + 7, NULL, 10) - 1900;
	return (int64_t)timegm(&tm) * 1000;
}

/* Notes why a certificate is refused: the libraries above say only that one was. */
static int note_verdict(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	int *refusal = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!good && refusal)
		*refusal = X509_STORE_CTX_get_error(store);
	return good;
}

static int use_files(SSL_CTX *context, const struct tls_peer *peer)
{
	const int trusted = peer->ca_file
				    ? SSL_CTX_load_verify_locations(context, peer->ca_file, NULL)
				    : SSL_CTX_set_default_verify_paths(context);

	if (trusted != 1)
		return -EINVAL;
	if (!peer->cert_file)
		return 0;
	if (!peer->key_file || SSL_CTX_use_certificate_chain_file(context, peer->cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, peer->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(context) != 1)
		return -EINVAL;
	return 0;
}

/* An address stands in a certificate as an address, a name as a name. */
static bool expect_host(X509_VERIFY_PARAM *param, const char *host)
{
	return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
	       X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

int tls_context(const struct tls_peer *peer, SSL_CTX **ret_context)
{
	SSL_CTX *context;
	X509_VERIFY_PARAM *param;
	int r = -ENOMEM;

	/* OpenSSL takes an empty name for: any. */
	if (!peer->host || !peer->host[0])
		return -EINVAL;
	context = SSL_CTX_new(TLS_client_method());
	if (!context)
		return -ENOMEM;
	param = SSL_CTX_get0_param(context);
	SSL_CTX_set_app_data(context, peer->refusal);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verdict);
	X509_VERIFY_PARAM_set_time(param, (time_t)(peer->at_ms / 1000));
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	    expect_host(param, peer->host))
		r = use_files(context, peer);
	/* A file at fault must not be found in the queue by whoever looks next. */
	ERR_clear_error();
	if (r) {
		SSL_CTX_free(context);
		return r;
	}
	*ret_context = context;
	return 0;
}

int tls_certificate_end(const char *path, int64_t *ret_ms)
{
	FILE *file = fopen(path, "re");
	X509 *certificate = NULL;
	struct tm tm;
	int r = -EINVAL;

	if (!file)
		return -errno;
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	if (certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1) {
		*ret_ms = (int64_t)timegm(&tm) * 1000;
		r = 0;
	}
	X509_free(certificate);
	fclose(file);
	ERR_clear_error();
	return r;
}

const char *tls_refusal(int refusal)
{
	return X509_verify_cert_error_string(refusal);
}
