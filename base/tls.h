/* TLS clients: one way for every program to judge whom it talks to.
 *
 * Chain, host name and time are verified by the context itself, whatever the library on top of it
 * does, and the time is one that the caller gives: a gateway's first connection works with a clock of
 * 1970. Decision: docs/decisions/0003, point 7.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define TLS_PROBLEM_SIZE 256

/* When the program was built, ms UTC: no clock is earlier. */
int64_t tls_build_ms(void);

/* What a handshake brought to light. */
struct tls_said {
	int refusal;        /* X509_V_ERR_*: why we refuse the peer's certificate; 0: we do not */
	int64_t refused_ms; /* when the refused one ended, or begins; 0: time is not the reason */
	int alert;          /* why the peer refuses us, RFC 8446 section 6; 0: it has not */
	int64_t ends_ms;    /* when the peer's certificate ends; 0: none was seen */
	/* Set by the caller: a peer's refusal is wanted even where the library above has closed the
	 * connection before reading it (with TLS 1.3 it comes after the handshake, and may meet our
	 * first write). The caller then ends with tls_let_go(). */
	bool keep;
	SSL *kept; /* tls.c's own */
	int kept_fd;
};

/* Who is trusted, who we are, and whom we expect. */
struct tls_peer {
	const char *host;    /* the name or address that the peer's certificate must bear; not "" */
	const char *ca_file; /* PEM; NULL: those of the system */
	/* PEM; NULL: none. The key must be its owner's alone (mode 0600) and without a passphrase. */
	const char *cert_file, *key_file;
	int64_t at_ms; /* certificates are judged at this time, ms UTC */
	/* Zeroed by the caller, filled in while hands are shaken; must live as long as the context and
	 * what was made of it. NULL: not wanted. */
	struct tls_said *said;
};

/* A client context for one connection, TLS 1.2 or later. Free with SSL_CTX_free(). Any thread.
 * Returns 0; -ENOMEM; -EPERM where the key may be read by others; -EINVAL where a file cannot be used
 * or there is no host. `problem` (may be NULL; TLS_PROBLEM_SIZE bytes) then says which file and why. */
int tls_context(const struct tls_peer *peer, SSL_CTX **ret_context, char *problem);

/* Judges a certificate and its key as tls_context() does, and whether `at_ms` lies in the time of the
 * certificate. Returns 0, or the same errors; *ret_ends_ms (may be NULL) is when it ends. */
int tls_check_pair(const char *cert_file, const char *key_file, int64_t at_ms, int64_t *ret_ends_ms,
		   char *problem);

/* When the first certificate of a PEM file ends, ms UTC. Returns 0, -errno, or -EINVAL where the file
 * holds none. */
int tls_certificate_end(const char *path, int64_t *ret_ms);

/* The library above has closed the connection: reads what the peer said last, then lets go. */
void tls_last_word(struct tls_said *said);
/* Lets go of what was kept: no refusal is to be expected any more. May be called twice. */
void tls_let_go(struct tls_said *said);

/* A refusal of ours in words: "Hostname mismatch", "certificate has expired (on 2026-02-01)". */
void tls_refusal(const struct tls_said *said, char *out, size_t size);
/* The peer's refusal in words: "certificate revoked". Static. */
const char *tls_alert(int alert);
/* It is about the certificate that we have shown, or have not. */
bool tls_alert_is_of_certificate(int alert);

#endif
