/* The TLS context of the uplink: certificates are judged at a time of ours, so that a first
 * connection works with a clock of 1970. */
#ifndef AGENT_TLS_H
#define AGENT_TLS_H

#include <stdint.h>

#include <openssl/ssl.h>

/* When the program was built, ms UTC: no clock is earlier. */
int64_t tls_build_ms(void);

/* Who is trusted, who we are, and whom we expect. */
struct tls_peer {
	const char *host;    /* the name or address that the peer's certificate must bear */
	const char *ca_file; /* PEM */
	const char *cert_file, *key_file; /* PEM; NULL: none */
	int64_t at_ms;                    /* certificates are judged at this time, ms UTC */
};

/* A client context that verifies chain, host and time itself, whatever the library on top of it does.
 * Free with SSL_CTX_free(). Returns 0, -ENOMEM, or -EINVAL where a file cannot be used. */
int tls_context(const struct tls_peer *peer, SSL_CTX **ret_context);

#endif
