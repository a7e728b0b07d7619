#include "cloud/http/access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

static const char *const role_words[ACCESS_ROLE_COUNT] = {
#define X(ident, word, help) word,
	ACCESS_ROLES(X)
#undef X
};

static int find_role(const char *word, size_t len)
{
	for (int i = 0; i < ACCESS_ROLE_COUNT; i++) {
		if (strlen(role_words[i]) == len && memcmp(role_words[i], word, len) == 0)
			return i;
	}
	return -1;
}

int access_roles_parse(const char *words, unsigned *ret_roles)
{
	unsigned roles = 0;

	while (*words) {
		size_t len = strcspn(words, " ,");
		int role = len ? find_role(words, len) : -1;

		if (len && role < 0)
			return -EINVAL;
		if (len)
			roles |= 1U << role;
		words += len + strspn(words + len, " ,");
	}
	if (!roles)
		return -EINVAL;
	*ret_roles = roles;
	return 0;
}

/* Is `word` one of the words? Names hold no spaces. */
static bool has_name(const char *words, const char *name)
{
	const size_t want = strlen(name);

	while (*words) {
		size_t len = strcspn(words, " ");

		if (len == want && memcmp(words, name, len) == 0)
			return true;
		words += len + strspn(words + len, " ");
	}
	return false;
}

bool access_sees(const struct access_principal *principal, const char *workspace)
{
	if (principal->roles & ACCESS_SYSTEM)
		return true;
	return strcmp(principal->token.workspaces, "*") == 0 ||
	       has_name(principal->token.workspaces, workspace);
}

int access_secret(char out[static COREDB_SECRET_SIZE])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char random[33] = {0};
	size_t n = 4;

	if (getrandom(random, 32, 0) != 32)
		return errno ? -errno : -EIO;
	memcpy(out, "fst_", 4);
	for (size_t i = 0; i < 33; i += 3) {
		unsigned bits =
			(unsigned)random[i] << 16 | (unsigned)random[i + 1] << 8 | random[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			out[n++] = digits[bits >> shift & 63];
	}
	out[4 + 43] = '\0';
	explicit_bzero(random, sizeof(random));
	return 0;
}

/* Copies the secret that follows `prefix`; false where there is none of a plausible length. */
static bool take_secret(const char *text, size_t len, char out[static COREDB_SECRET_SIZE])
{
	if (len == 0 || len >= COREDB_SECRET_SIZE)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static bool bearer_secret(const struct http_request *request, char out[static COREDB_SECRET_SIZE])
{
	const char *text = request->authorization;

	if (strncasecmp(text, "Bearer ", 7) != 0)
		return false;
	text += 7 + strspn(text + 7, " ");
	return take_secret(text, strlen(text), out);
}

static bool cookie_secret(const struct http_request *request, char out[static COREDB_SECRET_SIZE])
{
	const size_t name = strlen(ACCESS_COOKIE);
	const char *text = request->cookie;

	while (*text) {
		size_t len;

		text += strspn(text, "; ");
		len = strcspn(text, ";");
		if (len > name && strncmp(text, ACCESS_COOKIE "=", name + 1) == 0)
			return take_secret(text + name + 1, len - name - 1, out);
		text += len;
	}
	return false;
}

static int check_session(struct coredb *db, int64_t now_ms, struct access_principal *principal,
			 bool *ret_touch)
{
	int64_t seen_ms = 0;
	int r;

	r = coredb_session_check(db, principal->secret, now_ms, ACCESS_IDLE_MS, &principal->token,
				 &seen_ms);
	if (r)
		return r;
	principal->by_cookie = true;
	if (ret_touch)
		*ret_touch = now_ms - seen_ms >= ACCESS_TOUCH_MS;
	return 0;
}

int access_check(struct coredb *db, const struct http_request *request, int64_t now_ms,
		 struct access_principal *ret_principal, bool *ret_touch)
{
	struct access_principal principal = {.by_cookie = false};
	bool touch = false;
	int r = -ENOENT;

	/* A stated token counts alone: a wrong one is not mended by a cookie. */
	if (request->authorization[0]) {
		if (bearer_secret(request, principal.secret))
			r = coredb_token_check(db, principal.secret, now_ms, &principal.token);
		explicit_bzero(principal.secret, sizeof(principal.secret));
	} else if (cookie_secret(request, principal.secret)) {
		r = check_session(db, now_ms, &principal, &touch);
	}
	/* Roles that this version does not know give nothing. */
	if (!r && access_roles_parse(principal.token.roles, &principal.roles))
		r = -ENOENT;
	if (!r) {
		*ret_principal = principal;
		if (ret_touch)
			*ret_touch = touch;
	}
	explicit_bzero(principal.secret, sizeof(principal.secret));
	return r;
}

int access_recheck(struct coredb *db, const struct access_principal *principal, int64_t now_ms)
{
	struct coredb_token token;
	int64_t seen_ms;
	int r;

	if (principal->by_cookie)
		return coredb_session_check(db, principal->secret, now_ms, ACCESS_IDLE_MS, &token,
					    &seen_ms);
	r = coredb_token_get(db, principal->token.id, &token);
	if (r)
		return r;
	if (token.revoked_at_ms != MODEL_NO_TIME ||
	    (token.expires_at_ms != MODEL_NO_TIME && token.expires_at_ms <= now_ms))
		return -ENOENT;
	return 0;
}

bool access_same_origin(const struct http_request *request)
{
	const char *host;

	if (!request->origin[0])
		return true;
	host = strstr(request->origin, "://");
	return host && request->host[0] && strcasecmp(host + 3, request->host) == 0;
}

/* Ends a transaction by what came of it. */
static int finish(struct coredb *db, int r)
{
	if (!r)
		return coredb_commit(db);
	coredb_rollback(db);
	return r;
}

int access_touch(struct coredb *db, const char *secret, int64_t now_ms)
{
	int r = coredb_begin_aside(db);

	if (r)
		return r;
	return finish(db, coredb_session_touch(db, secret, now_ms));
}

int access_link(struct coredb *db, int64_t token, int64_t now_ms,
		char code[static COREDB_SECRET_SIZE])
{
	int r;

	r = access_secret(code);
	if (!r)
		r = coredb_begin_aside(db);
	if (r)
		return r;
	return finish(db, coredb_code_add(db, code, token, now_ms, now_ms + ACCESS_CODE_MS));
}

int access_login(struct coredb *db, const char *code, int64_t now_ms,
		 char secret[static COREDB_SECRET_SIZE])
{
	int64_t token;
	int r;

	r = access_secret(secret);
	if (!r)
		r = coredb_begin_aside(db);
	if (r)
		return r;
	r = coredb_code_use(db, code, now_ms, &token);
	if (!r)
		r = coredb_session_add(db, secret, token, now_ms, now_ms + ACCESS_SESSION_MS);
	if (!r)
		r = coredb_auth_prune(db, now_ms);
	return finish(db, r);
}

int access_logout(struct coredb *db, const char *secret)
{
	int r = coredb_begin_aside(db);

	if (r)
		return r;
	return finish(db, coredb_session_end(db, secret));
}

void access_set_cookie(struct http_reply *reply, const char *secret, bool secure)
{
	buf_printf(&reply->headers,
		   "Set-Cookie: " ACCESS_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; "
		   "Max-Age=%lld%s\r\n",
		   secret, secret[0] ? ACCESS_SESSION_MS / 1000 : 0LL, secure ? "; Secure" : "");
}
