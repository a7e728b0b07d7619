#include "storage/coredb/auth.h"

#include <errno.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#include "storage/coredb/coredb_priv.h"

void coredb_hash(const void *data, size_t len, char out[static COREDB_HASH_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[32];

	/* The software SHA-256 cannot fail: it takes no memory and no hardware. */
	(void)mbedtls_sha256_ret(data, len, hash, 0);
	for (size_t i = 0; i < sizeof(hash); i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[COREDB_HASH_SIZE - 1] = '\0';
}

/* Secrets are compared by their hashes, inside the database's index: what its timing could tell is
 * the hash of a guess, not the secret. */
static void hash_secret(const char *secret, char out[static COREDB_HASH_SIZE])
{
	coredb_hash(secret, strlen(secret), out);
}

#define TOKEN_COLUMNS                                                                              \
	"SELECT t.id, t.name, t.roles, t.workspaces, t.created_at, t.expires_at, t.revoked_at"

static void read_token(struct sql_stmt *stmt, struct coredb_token *row)
{
	row->id = sql_int(stmt, 0);
	coredb_col_text(stmt, 1, row->name, sizeof(row->name));
	coredb_col_text(stmt, 2, row->roles, sizeof(row->roles));
	coredb_col_text(stmt, 3, row->workspaces, sizeof(row->workspaces));
	row->created_at_ms = sql_int(stmt, 4);
	row->expires_at_ms = coredb_col_time(stmt, 5);
	row->revoked_at_ms = coredb_col_time(stmt, 6);
}

COREDB_EVERY(token, struct coredb_token);

static int one_token(struct sql_stmt *stmt, struct coredb_token *ret)
{
	int r = coredb_one(stmt);

	if (r)
		return r;
	read_token(stmt, ret);
	sql_done(stmt);
	return 0;
}

int coredb_token_add(struct coredb *db, struct coredb_token *token, const char *secret,
		     int64_t now_ms)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;
	int r;

	if (!ids_valid(token->name, strlen(token->name)))
		return coredb_fail(db, -EINVAL, "token: expected an id as its name");
	stmt = coredb_stmt(db, "SELECT 1 FROM api_token WHERE name = $1 AND revoked_at IS NULL");
	sql_bind_text(stmt, 1, token->name);
	r = sql_step(stmt);
	sql_done(stmt);
	if (r < 0)
		return r;
	if (r == 1)
		return coredb_fail(db, -EEXIST, "token %s is there already", token->name);
	hash_secret(secret, hash);
	stmt = coredb_stmt(db, "INSERT INTO api_token (name, hash, roles, workspaces, created_at,"
			       " expires_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id");
	sql_bind_text(stmt, 1, token->name);
	sql_bind_text(stmt, 2, hash);
	sql_bind_text(stmt, 3, token->roles);
	sql_bind_text(stmt, 4, token->workspaces);
	sql_bind_int(stmt, 5, now_ms);
	coredb_bind_time(stmt, 6, token->expires_at_ms);
	r = coredb_insert(stmt, &token->id);
	if (!r)
		token->created_at_ms = now_ms;
	return r;
}

int coredb_token_check(struct coredb *db, const char *secret, int64_t now_ms,
		       struct coredb_token *ret)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;

	hash_secret(secret, hash);
	stmt = coredb_stmt(db, TOKEN_COLUMNS
			   " FROM api_token t WHERE t.hash = $1 AND t.revoked_at IS NULL"
			   " AND (t.expires_at IS NULL OR t.expires_at > $2)");
	sql_bind_text(stmt, 1, hash);
	sql_bind_int(stmt, 2, now_ms);
	return one_token(stmt, ret);
}

int coredb_token_get(struct coredb *db, int64_t id, struct coredb_token *ret)
{
	struct sql_stmt *stmt = coredb_stmt(db, TOKEN_COLUMNS " FROM api_token t WHERE t.id = $1");

	sql_bind_int(stmt, 1, id);
	return one_token(stmt, ret);
}

int coredb_token_revoke(struct coredb *db, const char *name, int64_t now_ms)
{
	struct sql_stmt *stmt = coredb_stmt(db, "UPDATE api_token SET revoked_at = $2"
						" WHERE name = $1 AND revoked_at IS NULL");
	int r;

	sql_bind_text(stmt, 1, name);
	sql_bind_int(stmt, 2, now_ms);
	r = sql_run(stmt);
	if (r)
		return r;
	return sql_changes(db->sql) > 0 ? 0 : -ENOENT;
}

int coredb_token_each(struct coredb *db, coredb_token_fn *fn, void *arg)
{
	struct sql_stmt *stmt = coredb_stmt(db, TOKEN_COLUMNS " FROM api_token t ORDER BY t.id");

	return every_token(stmt, fn, arg);
}

int coredb_code_add(struct coredb *db, const char *code, int64_t token, int64_t now_ms,
		    int64_t expires_ms)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;

	hash_secret(code, hash);
	stmt = coredb_stmt(db, "INSERT INTO login_code (hash, token_id, created_at, expires_at)"
			       " VALUES ($1, $2, $3, $4)");
	sql_bind_text(stmt, 1, hash);
	sql_bind_int(stmt, 2, token);
	sql_bind_int(stmt, 3, now_ms);
	sql_bind_int(stmt, 4, expires_ms);
	return sql_run(stmt);
}

int coredb_code_use(struct coredb *db, const char *code, int64_t now_ms, int64_t *ret_token)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;

	hash_secret(code, hash);
	stmt = coredb_stmt(db, "UPDATE login_code SET used_at = $2 WHERE hash = $1"
			       " AND used_at IS NULL AND expires_at > $2 RETURNING token_id");
	sql_bind_text(stmt, 1, hash);
	sql_bind_int(stmt, 2, now_ms);
	return coredb_insert(stmt, ret_token);
}

int coredb_session_add(struct coredb *db, const char *secret, int64_t token, int64_t now_ms,
		       int64_t expires_ms)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;

	hash_secret(secret, hash);
	stmt = coredb_stmt(db, "INSERT INTO web_session (hash, token_id, created_at, seen_at,"
			       " expires_at) VALUES ($1, $2, $3, $3, $4)");
	sql_bind_text(stmt, 1, hash);
	sql_bind_int(stmt, 2, token);
	sql_bind_int(stmt, 3, now_ms);
	sql_bind_int(stmt, 4, expires_ms);
	return sql_run(stmt);
}

int coredb_session_check(struct coredb *db, const char *secret, int64_t now_ms, int64_t idle_ms,
			 struct coredb_token *ret, int64_t *ret_seen_ms)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;
	int r;

	hash_secret(secret, hash);
	stmt = coredb_stmt(db, TOKEN_COLUMNS ", s.seen_at FROM api_token t"
					     " JOIN web_session s ON s.token_id = t.id"
					     " WHERE s.hash = $1 AND s.expires_at > $2"
					     " AND s.seen_at > $2 - $3 AND t.revoked_at IS NULL"
					     " AND (t.expires_at IS NULL OR t.expires_at > $2)");
	sql_bind_text(stmt, 1, hash);
	sql_bind_int(stmt, 2, now_ms);
	sql_bind_int(stmt, 3, idle_ms);
	r = coredb_one(stmt);
	if (r)
		return r;
	read_token(stmt, ret);
	if (ret_seen_ms)
		*ret_seen_ms = sql_int(stmt, 7);
	sql_done(stmt);
	return 0;
}

int coredb_session_touch(struct coredb *db, const char *secret, int64_t now_ms)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;

	hash_secret(secret, hash);
	stmt = coredb_stmt(db, "UPDATE web_session SET seen_at = $2 WHERE hash = $1");
	sql_bind_text(stmt, 1, hash);
	sql_bind_int(stmt, 2, now_ms);
	return sql_run(stmt);
}

int coredb_session_end(struct coredb *db, const char *secret)
{
	char hash[COREDB_HASH_SIZE];
	struct sql_stmt *stmt;

	hash_secret(secret, hash);
	stmt = coredb_stmt(db, "DELETE FROM web_session WHERE hash = $1");
	sql_bind_text(stmt, 1, hash);
	return sql_run(stmt);
}

int coredb_auth_prune(struct coredb *db, int64_t now_ms)
{
	struct sql_stmt *stmt = coredb_stmt(db, "DELETE FROM login_code WHERE expires_at <= $1");
	int r;

	sql_bind_int(stmt, 1, now_ms);
	r = sql_run(stmt);
	if (r)
		return r;
	stmt = coredb_stmt(db, "DELETE FROM web_session WHERE expires_at <= $1");
	sql_bind_int(stmt, 1, now_ms);
	return sql_run(stmt);
}
