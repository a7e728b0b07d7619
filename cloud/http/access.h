/* Who asks, and what they may: bearer tokens, browser sessions, one-time codes. Secrets are made
 * here; the database only ever sees their SHA-256. */
#ifndef CLOUD_HTTP_ACCESS_H
#define CLOUD_HTTP_ACCESS_H

#include "cloud/http/message.h"
#include "storage/coredb/auth.h"

/* X(ident, word, what it may) */
#define ACCESS_ROLES(X)                                                                            \
	X(OPS, "ops", "read the workspaces of the token")                                          \
	X(ACCOUNTS, "accounts", "read the workspaces of the token")                                \
	X(ADMIN, "admin", "read and change settings of the workspaces of the token")               \
	X(SYSTEM, "system", "everything in all workspaces")                                        \
	X(INGEST, "ingest", "deliver data, read nothing")

enum access_role_index {
#define X(ident, word, help) ACCESS_INDEX_##ident,
	ACCESS_ROLES(X)
#undef X
		ACCESS_ROLE_COUNT
};
enum access_roles {
#define X(ident, word, help) ACCESS_##ident = 1 << ACCESS_INDEX_##ident,
	ACCESS_ROLES(X)
#undef X
		ACCESS_READERS = ACCESS_OPS | ACCESS_ACCOUNTS | ACCESS_ADMIN | ACCESS_SYSTEM,
};
/* Bits of words separated by spaces or commas; -EINVAL for a word that is none, or for no word. */
int access_roles_parse(const char *words, unsigned *ret_roles);

#define ACCESS_SESSION_MS (12LL * 3600 * 1000)
#define ACCESS_IDLE_MS (30LL * 60 * 1000)
#define ACCESS_CODE_MS (10LL * 60 * 1000)
/* A session's use is written down at most this often. */
#define ACCESS_TOUCH_MS (60LL * 1000)

struct access_principal {
	struct coredb_token token;
	unsigned roles;
	bool by_cookie;
	char secret[COREDB_SECRET_SIZE]; /* of the session, where by_cookie; never shown */
};
/* May this principal see the workspace at all? */
bool access_sees(const struct access_principal *principal, const char *workspace);

/* 256 random bits: "fst_" and 43 characters of base64url. 0 or -errno of getrandom(2). */
int access_secret(char out[static COREDB_SECRET_SIZE]);

/* Recognises the request's bearer token or session cookie. 0; -ENOENT where there is none, or none
 * that holds; -errno of the database. `db` may be a reader; *ret_touch (may be NULL): the session's
 * use is to be written down with access_touch(). */
int access_check(struct coredb *db, const struct http_request *request, int64_t now_ms,
		 struct access_principal *ret_principal, bool *ret_touch);
/* Still the same principal? For connections that stay open. 0, -ENOENT, -errno. */
int access_recheck(struct coredb *db, const struct access_principal *principal, int64_t now_ms);

/* Is the request from a page of this very server (Origin names Host)? What carries no Origin is no
 * page's doing. */
bool access_same_origin(const struct http_request *request);

/* The following write, each in a transaction of its own. */
int access_touch(struct coredb *db, const char *secret, int64_t now_ms);
/* Makes a code that logs in once, as `token`. */
int access_link(struct coredb *db, int64_t token, int64_t now_ms,
		char code[static COREDB_SECRET_SIZE]);
/* Uses it: the secret of a new session. -ENOENT: used, over, or never made. */
int access_login(struct coredb *db, const char *code, int64_t now_ms,
		 char secret[static COREDB_SECRET_SIZE]);
int access_logout(struct coredb *db, const char *secret);
/* The cookie's name, and the header that sets (or with "" ends) it. */
#define ACCESS_COOKIE "freshet_session"
void access_set_cookie(struct http_reply *reply, const char *secret, bool secure);

#endif
