/* TLS clients: one way for every program to judge whom it talks to.
 *
 * Chain, host name and time are verified by the context itself, whatever the library on top of it
 * does, and the time is one that the caller gives: a gateway's first connection works with a clock of
 * 1970. Decision: docs/decisions/0003, point 7.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdint.h>

#include <openssl/ssl.h>

/* When the program was built, ms UTC: no clock is earlier. */
int64_t tls_build_ms(void);

/* Who is trusted, who we are, and whom we expect. */
struct tls_peer {
	const char *host;    /* the name or address that the peer's certificate must bear; not "" */
	const char *ca_file; /* PEM; NULL: those of the system */
	const char *cert_file, *key_file; /* PEM; NULL: none */
	int64_t at_ms;                    /* certificates are judged at this time, ms UTC */
	/* Set to what is wrong with the peer's certificate (X509_V_ERR_*) when it is refused; it must
	 * live as long as the context and what was made of it. NULL: not wanted. */
	int *refusal;
};

/* A client context for one connection, TLS 1.2 or later. Free with SSL_CTX_free(). Any thread.
 * Returns 0, -ENOMEM, or -EINVAL where a file cannot be used or there is no host. */
int tls_context(const struct tls_peer *peer, SSL_CTX **ret_context);

/* When the first certificate of a PEM file ends, ms UTC. Returns 0, -errno, or -EINVAL where the file
 * holds none. */
int tls_certificate_end(const char *path, int64_t *ret_ms);

/* A refusal in words: "Hostname mismatch", "certificate has expired". Static. */
const char *tls_refusal(int refusal);

#endif
