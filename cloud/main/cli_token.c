/* The commands of tokens. Secrets are shown once, here, and stand nowhere else. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cloud/http/access.h"
#include "cloud/main/cli_priv.h"
#include "storage/coredb/auth.h"

/* As text the secret alone, for scripts; as JSON with what it belongs to. */
static int print_secret(struct cli *cli, const char *about, const char *of, const char *kind,
			const char *secret)
{
	struct jw w;
	int r;

	if (!cli->json) {
		(void)puts(secret);
		return CORE_DONE;
	}
	jw_init(&w, &cli->out);
	jw_open_object(&w);
	jw_text(&w, about, of);
	jw_text(&w, kind, secret);
	jw_close_object(&w);
	r = cli_print_row(cli);
	return r ? CORE_FAILED : CORE_DONE;
}

static int token_show(struct cli *cli)
{
	char path[700];
	char secret[128];
	bool made = false;
	int r;

	r = cli_check_options(cli);
	if (r)
		return r;
	if (core_admin_token(cli->core, &made))
		return CORE_FAILED;
	core_admin_token_path(cli->core, path, sizeof(path));
	if (core_read_secret(path, secret, sizeof(secret)))
		return CORE_FAILED;
	r = print_secret(cli, "file", path, "token", secret);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

/* Commas become spaces, in place; false where something is neither an id nor "*" alone. */
static bool split_words(char *text)
{
	if (strcmp(text, "*") == 0)
		return true;
	for (char *at = text; *at;) {
		size_t len = strcspn(at, " ,");

		if (!ids_valid(at, len))
			return false;
		at += len;
		if (*at)
			*at++ = ' ';
	}
	return text[0] != '\0';
}

struct find_token {
	const char *name;
	int64_t id; /* 0: none found */
};

static int find_token(void *arg, const struct coredb_token *row)
{
	struct find_token *find = arg;

	if (row->revoked_at_ms == MODEL_NO_TIME && strcmp(row->name, find->name) == 0)
		find->id = row->id;
	return 0;
}

/* A name that a browser on this machine can use. */
static void link_host(const char *host, char *out, size_t size)
{
	if (!host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		(void)snprintf(out, size, "127.0.0.1");
	else
		(void)snprintf(out, size, strchr(host, ':') ? "[%s]" : "%s", host);
}

static int token_add(struct cli *cli)
{
	struct coredb_token token = {.expires_at_ms = MODEL_NO_TIME,
				     .revoked_at_ms = MODEL_NO_TIME};
	char secret[COREDB_SECRET_SIZE];
	unsigned roles;
	int64_t days = 0;
	int r = cli_name(token.name, cli->words[2]);

	if (!r)
		r = cli_text(cli, "roles", token.roles, sizeof(token.roles));
	if (!r)
		r = cli_text(cli, "workspaces", token.workspaces, sizeof(token.workspaces));
	if (!r)
		r = cli_number(cli, "days", 1, 36500, &days);
	if (!r)
		r = cli_check_options(cli);
	if (r)
		return r;
	if (!token.roles[0] || !token.workspaces[0])
		return cli_usage("token add", "--roles and --workspaces");
	if (access_roles_parse(token.roles, &roles))
		return cli_usage("--roles", "words of ops, accounts, admin, system, ingest");
	if (!split_words(token.roles) || !split_words(token.workspaces))
		return cli_usage("--workspaces", "ids separated by commas, or *");
	if (days > 0)
		token.expires_at_ms = cli->now_ms + days * 86400000;
	r = access_secret(secret);
	if (!r)
		r = coredb_token_add(cli->db, &token, secret, cli->now_ms);
	if (!r)
		r = accept_commit(cli->accept);
	if (r)
		return cli_fail(cli, "token", token.name, r);
	/* The only time that it is shown. */
	r = print_secret(cli, "name", token.name, "token", secret);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

/* A link that logs a browser in once, as the token of that name (or the first one). */
static int token_link(struct cli *cli)
{
	const struct conf_sect *http = conf_get(cli->core->conf, "http");
	const char *name = cli->word_count == 3 ? cli->words[2] : "admin";
	struct find_token find = {.name = name};
	char code[COREDB_SECRET_SIZE];
	char host[80];
	int r = cli_check_options(cli);

	if (r)
		return r;
	r = coredb_token_each(cli->db, find_token, &find);
	if (r >= 0)
		r = find.id ? access_link(cli->db, find.id, cli->now_ms, code) : -ENOENT;
	if (r)
		return cli_fail(cli, "token", name, r);
	link_host(conf_host(http, "listen"), host, sizeof(host));
	(void)printf("%shttp://%s:%u/login?code=%s%s\n", cli->json ? "{\"link\":\"" : "", host,
		     conf_port(http, "listen"), code, cli->json ? "\"}" : "");
	explicit_bzero(code, sizeof(code));
	return CORE_DONE;
}

static int print_token(void *arg, const struct coredb_token *row)
{
	struct cli *cli = arg;
	struct jw w;

	if (!cli->json) {
		(void)printf("%-24s roles \"%s\" workspaces \"%s\"%s\n", row->name, row->roles,
			     row->workspaces,
			     row->revoked_at_ms == MODEL_NO_TIME ? "" : " revoked");
		return 0;
	}
	jw_init(&w, &cli->out);
	jw_open_object(&w);
	jw_text(&w, "name", row->name);
	jw_text(&w, "roles", row->roles);
	jw_text(&w, "workspaces", row->workspaces);
	jw_time(&w, "created_at", row->created_at_ms);
	jw_time(&w, "expires_at", row->expires_at_ms);
	jw_time(&w, "revoked_at", row->revoked_at_ms);
	jw_close_object(&w);
	return cli_print_row(cli);
}

static int token_list(struct cli *cli)
{
	int r = cli_check_options(cli);

	if (r)
		return r;
	r = coredb_token_each(cli->db, print_token, cli);
	return r < 0 ? cli_fail(cli, "token", "list", r) : CORE_DONE;
}

static int token_revoke(struct cli *cli)
{
	int r = cli_check_options(cli);

	if (r)
		return r;
	r = coredb_token_revoke(cli->db, cli->words[2], cli->now_ms);
	return r ? cli_fail(cli, "token", cli->words[2], r)
		 : cli_finish(cli, "token", cli->words[2], "revoked", 0);
}

#define TOKEN_WANTS "show, list, add NAME, revoke NAME or link [NAME]"

const struct cli_command cli_token_commands[] = {
	{"token", "show", 0, 0, false, TOKEN_WANTS, token_show},
	{"token", "list", 0, 0, false, TOKEN_WANTS, token_list},
	{"token", "add", 1, 1, true, TOKEN_WANTS, token_add},
	{"token", "create", 1, 1, true, TOKEN_WANTS, token_add},
	{"token", "revoke", 1, 1, true, TOKEN_WANTS, token_revoke},
	{"token", "link", 0, 1, false, TOKEN_WANTS, token_link},
	{.kind = NULL},
};
