/* The TLS context of the uplink: certificates are judged at a time of ours, so that a first
 * connection works with a clock of 1970. */
#ifndef AGENT_TLS_H
#define AGENT_TLS_H

#include <stdint.h>

#include <openssl/ssl.h>

/* When the program was built, ms UTC: no clock is earlier. */
int64_t tls_build_ms(void);

/* A client context that judges certificates at `at_ms`. Free with SSL_CTX_free(). 0 or -ENOMEM. */
int tls_context(int64_t at_ms, SSL_CTX **ret_context);

#endif
