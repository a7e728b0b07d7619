#include "agent/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t tls_build_ms(void)
{
	/* "Nov 20 2026" of the compiler, or of SOURCE_DATE_EPOCH where the build sets it. */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static const char date[] = __DATE__;
	struct tm tm = {0};
	char month[4] = "";
	const char *at;

	if (sscanf(date, "%3s %d %d", month, &tm.tm_mday, &tm.tm_year) != 3)
		return 0;
	at = strstr(months, month);
	if (!at)
		return 0;
	tm.tm_mon = (int)((at - months) / 3);
	tm.tm_year -= 1900;
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
