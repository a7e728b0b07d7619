#include "agent/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

int tls_context(int64_t at_ms, SSL_CTX **ret_context)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context)
		return -ENOMEM;
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
		SSL_CTX_free(context);
		return -ENOMEM;
	}
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(context), (time_t)(at_ms / 1000));
	*ret_context = context;
	return 0;
}
