#include "agent/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>

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

static int use_files(SSL_CTX *context, const struct tls_peer *peer)
{
	if (SSL_CTX_load_verify_locations(context, peer->ca_file, NULL) != 1)
		return -EINVAL;
	if (!peer->cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(context, peer->cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, peer->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(context) != 1)
		return -EINVAL;
	return 0;
}

int tls_context(const struct tls_peer *peer, SSL_CTX **ret_context)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *param;
	int r = -ENOMEM;

	if (!context)
		return -ENOMEM;
	param = SSL_CTX_get0_param(context);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set_time(param, (time_t)(peer->at_ms / 1000));
	/* An address stands in a certificate as an address, a name as a name. */
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	    (X509_VERIFY_PARAM_set1_ip_asc(param, peer->host) == 1 ||
	     X509_VERIFY_PARAM_set1_host(param, peer->host, 0) == 1))
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
