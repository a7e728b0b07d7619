/* Renewal of the gateway's certificate: a new one is tried before the old one is given up.
 *
 * Whoever renews certificates puts the new pair beside the old: KEY_FILE.new, then CERT_FILE.new (the
 * latter alone where the key stays). The gateway finds it, checks it by itself (readable, the key its
 * owner's alone, both belong together, valid now), connects with it, and only when the broker has
 * accepted the login and answered takes it for good, by renaming it to the configured names. Until
 * then the old pair stays and is used for every other attempt. A new pair that the broker refuses is
 * not tried again until its files change.
 *
 * A rename that was cut off between key and certificate leaves a new certificate for the key in use,
 * which is tried, and renamed, as any. One thread. The files' folder must be the gateway's to write;
 * where it is not, the new pair goes on being used from where it is.
 */
#ifndef AGENT_RENEWAL_H
#define AGENT_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/tls.h"

#define RENEWAL_PATH_SIZE 4096

/* Which files were there: another one under the same name has another stamp. */
struct renewal_stamp {
	dev_t device;
	ino_t inode[2];
	off_t size[2];
	int64_t changed_ns[2];
};

struct renewal {
	const char *cert_file, *key_file; /* NULL: the gateway has no certificate */
	char new_cert[RENEWAL_PATH_SIZE], new_key[RENEWAL_PATH_SIZE];
	bool trying;                /* the connection that is made, or there, uses the new pair */
	bool promoted;              /* it does so for good, though it could not be renamed */
	bool tried;                 /* the last attempt was with the new pair */
	bool refused;               /* by the broker, as of `stamp` */
	struct renewal_stamp stamp; /* of the new pair when last looked at */
	int64_t look_us, retry_us;  /* not before then */
	char problem[TLS_PROBLEM_SIZE + 64]; /* of the new pair; "": none */
};

/* The paths must outlive it; both NULL: nothing is ever done. 0 or -ENAMETOOLONG. */
int renewal_init(struct renewal *renewal, const char *cert_file, const char *key_file);

/* True where a new pair waits that may be tried now. Looks at files at most every few seconds. */
bool renewal_waits(struct renewal *renewal, int64_t at_ms, int64_t now_us);

/* A connection is made: with these files. */
void renewal_choose(struct renewal *renewal, int64_t at_ms, int64_t now_us,
		    const char **ret_cert_file, const char **ret_key_file);

/* The broker has accepted the connection: where it uses the new pair that replaces the old. Returns 1
 * replaced, 0 nothing to do, -errno where it cannot be renamed (it is used all the same, and
 * `problem` says so). */
int renewal_accepted(struct renewal *renewal, int64_t now_us);

/* The connection came to nothing. `certain`: because of the certificate, `why` in words. */
void renewal_failed(struct renewal *renewal, bool certain, const char *why, int64_t now_us);

#endif
