#include "base/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/file.h"

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

/* ---- what a handshake says ---- */

/* 0 where it cannot be told. */
static int64_t time_ms(const ASN1_TIME *time)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* Notes why a certificate is refused: the libraries above say only that one was. */
static int note_verdict(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_said *said = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);

	if (!said || !certificate)
		return good;
	if (X509_STORE_CTX_get_error_depth(store) == 0)
		said->ends_ms = time_ms(X509_get0_notAfter(certificate));
	if (good)
		return 1;
	said->refusal = X509_STORE_CTX_get_error(store);
	if (said->refusal == X509_V_ERR_CERT_HAS_EXPIRED)
		said->refused_ms = time_ms(X509_get0_notAfter(certificate));
	if (said->refusal == X509_V_ERR_CERT_NOT_YET_VALID)
		said->refused_ms = time_ms(X509_get0_notBefore(certificate));
	return 0;
}

/* Holds on to a connection over which a refusal may still come. */
static void keep(const SSL *ssl, struct tls_said *said)
{
	/* The callback's argument is no constant object: its type only asks not to change it here. */
	SSL *const it = (SSL *)(uintptr_t)ssl;
	const int fd = SSL_get_fd(ssl);
	int copy;

	if (fd < 0)
		return;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return;
	if (SSL_up_ref(it) != 1) {
		close(copy);
		return;
	}
	said->kept = it;
	said->kept_fd = copy;
}

void tls_last_word(struct tls_said *said)
{
	char room[1];

	if (!said->kept)
		return;
	/* The library has closed its own file descriptor. Nothing is read but an alert: the peer has
	 * not answered, and the socket does not block. */
	if (SSL_set_fd(said->kept, said->kept_fd) == 1)
		(void)SSL_peek(said->kept, room, sizeof(room));
	ERR_clear_error();
	tls_let_go(said);
}

void tls_let_go(struct tls_said *said)
{
	if (!said->kept)
		return;
	SSL_free(said->kept);
	close(said->kept_fd);
	said->kept = NULL;
}

/* Notes why the peer refuses us; its orderly goodbye is no refusal. */
static void note_alert(const SSL *ssl, int where, int value)
{
	struct tls_said *said = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (said && said->keep && !said->kept && (where & SSL_CB_HANDSHAKE_DONE))
		keep(ssl, said);
	if (said && (where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		said->alert = value & 0xff;
}

/* OpenSSL counts in the C library's time_t, in 32 bits on armhf: past 2038 it is told the last second
 * that it knows, never one in 1901. */
static time_t library_time(int64_t ms)
{
	const int64_t last = sizeof(time_t) == sizeof(int32_t) ? INT32_MAX : INT64_MAX;

	return (time_t)(ms / 1000 > last ? last : ms / 1000);
}

static void say_day(int64_t ms, char *out, size_t size)
{
	const time_t seconds = library_time(ms);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, size, "%Y-%m-%d", &tm))
		out[0] = '\0';
}

void tls_refusal(const struct tls_said *said, char *out, size_t size)
{
	const char *why = X509_verify_cert_error_string(said->refusal);
	char day[32];

	if (!said->refused_ms) {
		(void)snprintf(out, size, "%s", why);
		return;
	}
	say_day(said->refused_ms, day, sizeof(day));
	(void)snprintf(out, size, "%s (%s %s)", why,
		       said->refusal == X509_V_ERR_CERT_HAS_EXPIRED ? "on" : "it begins on", day);
}

const char *tls_alert(int alert)
{
	/* OpenSSL's words for what came after its list was made. */
	return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
						    : SSL_alert_desc_string_long(alert);
}

bool tls_alert_is_of_certificate(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

/* ---- files ---- */

static int say(char *problem, int error, const char *what, const char *path)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	if (!problem)
		return error;
	if (!path)
		(void)snprintf(problem, TLS_PROBLEM_SIZE, "%s", what);
	else
		(void)snprintf(problem, TLS_PROBLEM_SIZE, "%s %s cannot be used: %s", what, path,
			       why ? why : "it holds nothing of the kind");
	return error;
}

/* Nobody is there to type a passphrase, and OpenSSL would ask on the terminal. */
static int no_passphrase(char *room, int size, int writing, void *arg)
{
	(void)room;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

/* The file is open already: what is checked is what is read. */
static int load_key(const char *path, EVP_PKEY **ret_key, char *problem)
{
	bool asked = false;
	EVP_PKEY *key;
	FILE *file;
	int fd;
	const int r = file_open_secret(path, &fd, problem, TLS_PROBLEM_SIZE);

	if (r)
		return r == -EPERM || r == -ENOMEM ? r : -EINVAL;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	key = PEM_read_PrivateKey(file, NULL, no_passphrase, &asked);
	fclose(file);
	if (!key && asked && problem)
		(void)snprintf(problem, TLS_PROBLEM_SIZE,
			       "the key %s has a passphrase, which nobody is there to give", path);
	if (!key)
		return asked ? -EINVAL : say(problem, -EINVAL, "the key", path);
	*ret_key = key;
	return 0;
}

static int use_key(SSL_CTX *context, const struct tls_peer *peer, char *problem)
{
	EVP_PKEY *key = NULL;
	int r = load_key(peer->key_file, &key, problem);

	if (r)
		return r;
	if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1) {
		r = -EINVAL;
		if (problem)
			(void)snprintf(problem, TLS_PROBLEM_SIZE,
				       "the key %s does not belong to the certificate %s",
				       peer->key_file, peer->cert_file);
	}
	EVP_PKEY_free(key);
	return r;
}

static int use_files(SSL_CTX *context, const struct tls_peer *peer, char *problem)
{
	const int trusted = peer->ca_file
				    ? SSL_CTX_load_verify_locations(context, peer->ca_file, NULL)
				    : SSL_CTX_set_default_verify_paths(context);

	if (trusted != 1)
		return say(problem, -EINVAL, "the file of authorities",
			   peer->ca_file ? peer->ca_file : "of the system");
	if (!peer->cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(context, peer->cert_file) != 1)
		return say(problem, -EINVAL, "the certificate", peer->cert_file);
	if (!peer->key_file)
		return say(problem, -EINVAL, "there is a certificate without a key", NULL);
	return use_key(context, peer, problem);
}

/* An address stands in a certificate as an address, a name as a name. */
static bool expect_host(X509_VERIFY_PARAM *param, const char *host)
{
	return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
	       X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

int tls_context(const struct tls_peer *peer, SSL_CTX **ret_context, char *problem)
{
	SSL_CTX *context;
	X509_VERIFY_PARAM *param;
	int r = -ENOMEM;

	/* OpenSSL takes an empty name for: any. */
	if (!peer->host || !peer->host[0])
		return say(problem, -EINVAL, "there is no host to expect", NULL);
	ERR_clear_error();
	context = SSL_CTX_new(TLS_client_method());
	if (!context)
		return say(problem, -ENOMEM, "there is no memory", NULL);
	param = SSL_CTX_get0_param(context);
	SSL_CTX_set_app_data(context, peer->said);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verdict);
	SSL_CTX_set_info_callback(context, note_alert);
	X509_VERIFY_PARAM_set_time(param, library_time(peer->at_ms));
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	    expect_host(param, peer->host))
		r = use_files(context, peer, problem);
	/* A file at fault must not be found in the queue by whoever looks next. */
	ERR_clear_error();
	if (r) {
		SSL_CTX_free(context);
		return r;
	}
	*ret_context = context;
	return 0;
}

/* ---- certificates beside a connection ---- */

static X509 *read_certificate(const char *path, int *ret_error)
{
	FILE *file = fopen(path, "re");
	X509 *certificate;

	if (!file) {
		*ret_error = -errno;
		return NULL;
	}
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	*ret_error = certificate ? 0 : -EINVAL;
	return certificate;
}

int tls_certificate_end(const char *path, int64_t *ret_ms)
{
	int r;
	X509 *certificate = read_certificate(path, &r);
	const int64_t ms = certificate ? time_ms(X509_get0_notAfter(certificate)) : 0;

	X509_free(certificate);
	ERR_clear_error();
	if (!r && !ms)
		r = -EINVAL;
	if (!r)
		*ret_ms = ms;
	return r;
}

static int judge_time(const X509 *certificate, const char *path, int64_t at_ms, char *problem)
{
	const int64_t begins = time_ms(X509_get0_notBefore(certificate));
	const int64_t ends = time_ms(X509_get0_notAfter(certificate));
	char day[32];

	if (at_ms >= begins && at_ms < ends)
		return 0;
	say_day(at_ms < begins ? begins : ends, day, sizeof(day));
	if (problem)
		(void)snprintf(problem, TLS_PROBLEM_SIZE, "the certificate %s %s %s", path,
			       at_ms < begins ? "is not valid before" : "has expired on", day);
	return -EINVAL;
}

int tls_check_pair(const char *cert_file, const char *key_file, int64_t at_ms, int64_t *ret_ends_ms,
		   char *problem)
{
	EVP_PKEY *key = NULL;
	X509 *certificate;
	int r;

	ERR_clear_error();
	certificate = read_certificate(cert_file, &r);
	if (!certificate) {
		if (problem && r != -EINVAL)
			(void)snprintf(problem, TLS_PROBLEM_SIZE, "the certificate %s: %s",
				       cert_file, strerror(-r));
		r = r == -EINVAL ? say(problem, r, "the certificate", cert_file) : -EINVAL;
		goto out;
	}
	r = load_key(key_file, &key, problem);
	if (!r && X509_check_private_key(certificate, key) != 1) {
		r = -EINVAL;
		if (problem)
			(void)snprintf(problem, TLS_PROBLEM_SIZE,
				       "the key %s does not belong to the certificate %s", key_file,
				       cert_file);
	}
	if (!r)
		r = judge_time(certificate, cert_file, at_ms, problem);
	if (!r && ret_ends_ms)
		*ret_ends_ms = time_ms(X509_get0_notAfter(certificate));
out:
	EVP_PKEY_free(key);
	X509_free(certificate);
	ERR_clear_error();
	return r;
}
