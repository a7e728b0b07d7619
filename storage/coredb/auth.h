/* Tokens, sessions and one-time codes. Only SHA-256 hashes of secrets stand in the database; hashing
 * and comparing is this module's, making and showing secrets the caller's. Writers call
 * between coredb_begin_aside() and coredb_commit(). */
#ifndef STORAGE_COREDB_AUTH_H
#define STORAGE_COREDB_AUTH_H

#include "storage/coredb/coredb.h"

#define COREDB_SECRET_SIZE 64 /* "fst_", 43 characters, NUL */

struct coredb_token {
	int64_t id;
	char name[IDS_SIZE];
	char roles[128];      /* words separated by spaces: "ops accounts admin system ingest" */
	char workspaces[512]; /* "*" or names separated by spaces */
	int64_t created_at_ms;
	int64_t expires_at_ms; /* MODEL_NO_TIME: never */
	int64_t revoked_at_ms; /* MODEL_NO_TIME: is not */
};
/* Adds a token for `secret`; inside a transaction. id and created_at_ms are given. */
int coredb_token_add(struct coredb *db, struct coredb_token *token, const char *secret,
		     int64_t now_ms);
/* The token of a secret that is neither expired nor revoked: 0, -ENOENT, -errno. */
int coredb_token_check(struct coredb *db, const char *secret, int64_t now_ms,
		       struct coredb_token *ret);
int coredb_token_get(struct coredb *db, int64_t id, struct coredb_token *ret);
int coredb_token_revoke(struct coredb *db, const char *name, int64_t now_ms); /* -ENOENT */
typedef int coredb_token_fn(void *arg, const struct coredb_token *token);
int coredb_token_each(struct coredb *db, coredb_token_fn *fn, void *arg);

/* A code that logs a browser in once; inside transactions. Using it gives its token. */
int coredb_code_add(struct coredb *db, const char *code, int64_t token, int64_t now_ms,
		    int64_t expires_ms);
int coredb_code_use(struct coredb *db, const char *code, int64_t now_ms, int64_t *ret_token);

/* Browser sessions: over at expires_ms, or when idle for `idle_ms`. */
int coredb_session_add(struct coredb *db, const char *secret, int64_t token, int64_t now_ms,
		       int64_t expires_ms);
/* *ret_seen_ms (may be NULL): its last use that was written down. */
int coredb_session_check(struct coredb *db, const char *secret, int64_t now_ms, int64_t idle_ms,
			 struct coredb_token *ret, int64_t *ret_seen_ms);
int coredb_session_touch(struct coredb *db, const char *secret, int64_t now_ms);
int coredb_session_end(struct coredb *db, const char *secret);
/* Removes codes and sessions that are over. */
int coredb_auth_prune(struct coredb *db, int64_t now_ms);

/* SHA-256 as lower-case hex. */
#define COREDB_HASH_SIZE 65
void coredb_hash(const void *data, size_t len, char out[static COREDB_HASH_SIZE]);

#endif
