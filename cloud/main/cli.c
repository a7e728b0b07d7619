/* The registry's commands. Each is one transaction, also beside a running core: what was parked for
 * a device is applied in the transaction that mends the registry. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/accept.h"
#include "cloud/accept/evidence.h"
#include "cloud/domain/policy.h"
#include "cloud/http/access.h"
#include "cloud/main/core.h"
#include "storage/coredb/auth.h"

#define LIST_MAX 1000000
#define VEHICLE_DEVICES_MAX 64
#define OPTIONS_MAX 24

struct cli {
	struct core *core;
	struct coredb *db;
	struct accept *accept;
	bool json;
	/* The command line: words, and --option value. */
	const char *words[8];
	int word_count;
	const char *options[OPTIONS_MAX];
	const char *values[OPTIONS_MAX];
	bool used[OPTIONS_MAX];
	int option_count;
	int64_t now_ms;
	struct buf out;
};

void core_usage(FILE *out)
{
	(void)fputs(
		"freshet-core COMMAND ... [-c FILE] [--json]\n"
		"  run                                run the core\n"
		"  check-config                       read the configuration, say what is wrong\n"
		"  migrate [--check]                  bring the database up to date\n"
		"  workspace add|set|remove NAME [--display-name TEXT] [--POLICY-FIELD N]\n"
		"  workspace list\n"
		"  gateway   add|remove WORKSPACE NAME      gateway list WORKSPACE\n"
		"  vehicle   add|set|remove WORKSPACE NAME [--vin VIN] [--display-name TEXT]\n"
		"  vehicle   list WORKSPACE\n"
		"  device    add|set|remove WORKSPACE NAME [--vehicle NAME] [--gateway NAME]\n"
		"            [--provider ID] [--external-id ID] [--asset-kind vehicle|energy_site]\n"
		"            [--interval-s N] [--simulated yes|no] [--activate now]\n"
		"  device    list WORKSPACE\n"
		"  token     show | list | revoke NAME | link [NAME]\n"
		"  token     add NAME --roles ops,accounts,admin,system,ingest\n"
		"            --workspaces NAMES|* [--days N]\n"
		"`add` of something that is there changes it, as `set` does.\n"
		"Policy fields: freshness_target_s stale_threshold_s no_data_grace_s\n"
		"poll_interval_s retention_days.\n",
		out);
}

static int usage_error(const char *what, const char *expected)
{
	(void)fprintf(stderr, "%s: expected %s\n", what, expected);
	return CORE_USAGE;
}

static int fail(const struct cli *cli, const char *what, int r)
{
	const char *detail = accept_error(cli->accept);

	if (r == -ENOENT)
		detail = "there is none of that name";
	(void)fprintf(stderr, "%s: %s\n", what, detail);
	return CORE_FAILED;
}

static int parse_words(struct cli *cli, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			if (cli->word_count == 8)
				return usage_error(argv[i], "fewer words");
			cli->words[cli->word_count++] = argv[i];
			continue;
		}
		if (cli->option_count == OPTIONS_MAX || i + 1 == argc)
			return usage_error(argv[i], "a value after it");
		cli->options[cli->option_count] = argv[i] + 2;
		cli->values[cli->option_count++] = argv[++i];
	}
	return 0;
}

/* Options are the same with - and _. */
static bool same_option(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
			return false;
	}
	return *a == *b;
}

static const char *option(struct cli *cli, const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < cli->option_count; i++) {
		if (!same_option(cli->options[i], name))
			continue;
		cli->used[i] = true;
		value = cli->values[i];
	}
	return value;
}

static int check_all_used(const struct cli *cli)
{
	for (int i = 0; i < cli->option_count; i++) {
		if (!cli->used[i]) {
			(void)fprintf(stderr, "--%s: is no option of this command\n",
				      cli->options[i]);
			return CORE_USAGE;
		}
	}
	return 0;
}

static int number_option(struct cli *cli, const char *name, int64_t *value)
{
	const char *text = option(cli, name);
	char *end;
	long long number;

	if (!text)
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return usage_error(name, "a whole number");
	*value = number;
	return 0;
}

static int text_option(struct cli *cli, const char *name, char *out, size_t size)
{
	const char *text = option(cli, name);

	if (!text)
		return 0;
	if (strlen(text) >= size)
		return usage_error(name, "a shorter text");
	(void)snprintf(out, size, "%s", text);
	return 0;
}

static int bool_option(struct cli *cli, const char *name, bool *value)
{
	const char *text = option(cli, name);

	if (!text)
		return 0;
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return usage_error(name, "yes or no");
	*value = strcmp(text, "yes") == 0;
	return 0;
}

static int copy_name(char out[static IDS_SIZE], const char *name)
{
	if (!ids_assignable(name, strlen(name)))
		return usage_error(name, "an id: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a "
					 "letter or digit");
	(void)snprintf(out, IDS_SIZE, "%s", name);
	return 0;
}

/* Commits; prints what was done. */
static int finish(struct cli *cli, const char *kind, const char *name, const char *done,
		  unsigned applied)
{
	int r = accept_commit(cli->accept);

	if (r)
		return fail(cli, name, r);
	if (cli->json)
		(void)printf("{\"%s\":\"%s\",\"done\":\"%s\",\"parked_applied\":%u}\n", kind, name,
			     done, applied);
	else if (applied > 0)
		(void)printf("%s %s %s, %u parked records applied\n", kind, name, done, applied);
	else
		(void)printf("%s %s %s\n", kind, name, done);
	return CORE_DONE;
}

static int print_row(struct cli *cli)
{
	const char *text = buf_text(&cli->out);

	if (!text)
		return 1;
	(void)puts(text);
	buf_reset(&cli->out);
	return 0;
}

/* Options of a workspace: its name for people and its policy. */
static int workspace_options(struct cli *cli, struct coredb_workspace *row)
{
	struct policy policy;
	enum policy_field wrong;
	int r = text_option(cli, "display-name", row->display_name, sizeof(row->display_name));

	evidence_policy(&row->policy, &policy);
	for (int i = 0; i < POLICY_FIELD_COUNT && !r; i++) {
		const struct policy_field_info *info = policy_field_info((enum policy_field)i);
		int64_t value = policy_get(&policy, (enum policy_field)i);

		r = number_option(cli, info->name, &value);
		policy_set(&policy, (enum policy_field)i, value);
	}
	if (r)
		return r;
	if (policy_check(&policy, &wrong)) {
		const struct policy_field_info *info = policy_field_info(wrong);

		(void)fprintf(stderr,
			      "%s: expected %lld to %lld (%s), and stale_threshold_s not below "
			      "freshness_target_s\n",
			      info->name, (long long)info->min, (long long)info->max, info->help);
		return CORE_USAGE;
	}
	evidence_policy_back(&policy, &row->policy);
	return check_all_used(cli);
}

static int workspace_change(struct cli *cli, const char *verb, const char *name)
{
	struct coredb_workspace row = {0};
	struct policy policy;
	int found = coredb_workspace_find(cli->db, name, &row);
	int r;

	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return fail(cli, name, found);
	if (strcmp(verb, "remove") == 0) {
		r = coredb_workspace_remove(cli->db, row.id, cli->now_ms);
		return r ? fail(cli, name, r) : finish(cli, "workspace", name, "removed", 0);
	}
	if (found) {
		policy_default(&policy);
		evidence_policy_back(&policy, &row.policy);
		r = copy_name(row.name, name);
		if (r)
			return r;
	}
	r = workspace_options(cli, &row);
	if (r)
		return r;
	r = found ? coredb_workspace_add(cli->db, &row, cli->now_ms)
		  : coredb_workspace_update(cli->db, &row, cli->now_ms);
	if (r)
		return fail(cli, name, r);
	return finish(cli, "workspace", name, found ? "added" : "changed", 0);
}

static int print_workspace(void *arg, const struct coredb_workspace *row)
{
	struct cli *cli = arg;
	struct policy policy;
	struct jw w;

	evidence_policy(&row->policy, &policy);
	if (!cli->json) {
		(void)printf("%-24s target %llds stale %llds grace %llds poll %llds keep %lldd\n",
			     row->name, (long long)policy.freshness_target_s,
			     (long long)policy.stale_threshold_s, (long long)policy.no_data_grace_s,
			     (long long)policy.poll_interval_s, (long long)policy.retention_days);
		return 0;
	}
	jw_init(&w, &cli->out);
	jw_open_object(&w);
	jw_text(&w, "workspace_id", row->name);
	jw_text(&w, "display_name", row->display_name);
	jw_key(&w, "policy");
	jw_open_object(&w);
	for (int i = 0; i < POLICY_FIELD_COUNT; i++)
		jw_int(&w, policy_field_info((enum policy_field)i)->name,
		       policy_get(&policy, (enum policy_field)i));
	jw_close_object(&w);
	jw_close_object(&w);
	return print_row(cli);
}

static int gateway_change(struct cli *cli, int64_t workspace, const char *verb, const char *name)
{
	struct coredb_gateway row = {.workspace = workspace};
	int found = coredb_gateway_find(cli->db, workspace, name, &row);
	int r = check_all_used(cli);

	if (r)
		return r;
	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return fail(cli, name, found);
	if (strcmp(verb, "remove") == 0) {
		r = coredb_gateway_remove(cli->db, row.id, cli->now_ms);
		return r ? fail(cli, name, r) : finish(cli, "gateway", name, "removed", 0);
	}
	if (!found)
		return finish(cli, "gateway", name, "unchanged", 0);
	r = copy_name(row.name, name);
	if (r)
		return r;
	r = coredb_gateway_add(cli->db, &row, cli->now_ms);
	return r ? fail(cli, name, r) : finish(cli, "gateway", name, "added", 0);
}

static int print_gateway(void *arg, const struct coredb_gateway *row)
{
	struct cli *cli = arg;

	if (cli->json)
		(void)printf("{\"gateway_id\":\"%s\"}\n", row->name);
	else
		(void)printf("%s\n", row->name);
	return 0;
}

struct id_list {
	int64_t ids[VEHICLE_DEVICES_MAX];
	int count;
};

static int collect_id(void *arg, const struct coredb_device *row)
{
	struct id_list *list = arg;

	list->ids[list->count++] = row->id;
	return list->count == VEHICLE_DEVICES_MAX;
}

/* Applies what is parked for the devices of a vehicle, whose VIN may have been corrected. */
static int apply_vehicle(struct cli *cli, int64_t vehicle, unsigned *applied)
{
	struct id_list list = {.count = 0};
	int r = coredb_vehicle_devices(cli->db, vehicle, collect_id, &list);

	for (int i = 0; i < list.count && r >= 0; i++) {
		struct coredb_device device;
		unsigned more = 0;

		r = coredb_device_get(cli->db, list.ids[i], &device);
		if (!r)
			r = accept_parked(cli->accept, &device, cli->now_ms, &more);
		*applied += more;
	}
	return r < 0 ? r : 0;
}

static int vehicle_change(struct cli *cli, int64_t workspace, const char *verb, const char *name)
{
	struct coredb_vehicle row = {.workspace = workspace};
	int found = coredb_vehicle_find(cli->db, workspace, name, &row);
	unsigned applied = 0;
	int r;

	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return fail(cli, name, found);
	if (strcmp(verb, "remove") == 0) {
		r = check_all_used(cli);
		if (r)
			return r;
		r = coredb_vehicle_remove(cli->db, row.id, cli->now_ms);
		return r ? fail(cli, name, r) : finish(cli, "vehicle", name, "removed", 0);
	}
	r = found ? copy_name(row.name, name) : 0;
	if (!r)
		r = text_option(cli, "vin", row.vin, sizeof(row.vin));
	if (!r)
		r = text_option(cli, "display-name", row.display_name, sizeof(row.display_name));
	if (!r)
		r = check_all_used(cli);
	if (r)
		return r;
	r = found ? coredb_vehicle_add(cli->db, &row, cli->now_ms)
		  : coredb_vehicle_update(cli->db, &row, cli->now_ms);
	if (!r && !found)
		r = apply_vehicle(cli, row.id, &applied);
	if (r)
		return fail(cli, name, r);
	return finish(cli, "vehicle", name, found ? "added" : "changed", applied);
}

static int print_vehicle(void *arg, const struct coredb_vehicle *row)
{
	struct cli *cli = arg;
	struct jw w;

	if (!cli->json) {
		(void)printf("%-24s %-17s %s\n", row->name, row->vin, row->display_name);
		return 0;
	}
	jw_init(&w, &cli->out);
	jw_open_object(&w);
	jw_text(&w, "vehicle_id", row->name);
	jw_text(&w, "vin", row->vin[0] ? row->vin : NULL);
	jw_text(&w, "display_name", row->display_name);
	jw_close_object(&w);
	return print_row(cli);
}

/* The rows that a device refers to by name; "none" takes a reference away. */
static int device_references(struct cli *cli, struct coredb_device *row)
{
	const char *vehicle = option(cli, "vehicle");
	const char *gateway = option(cli, "gateway");
	struct coredb_vehicle v = {0};
	struct coredb_gateway g = {0};
	int r = 0;

	if (vehicle && strcmp(vehicle, "none") != 0)
		r = coredb_vehicle_find(cli->db, row->workspace, vehicle, &v);
	if (r)
		return fail(cli, vehicle, r);
	if (gateway && strcmp(gateway, "none") != 0)
		r = coredb_gateway_find(cli->db, row->workspace, gateway, &g);
	if (r)
		return fail(cli, gateway, r);
	if (vehicle)
		row->vehicle = v.id;
	if (gateway)
		row->gateway = g.id;
	return 0;
}

static int device_options(struct cli *cli, struct coredb_device *row)
{
	const char *kind = option(cli, "asset-kind");
	const char *activate = option(cli, "activate");
	int r = device_references(cli, row);

	if (!r)
		r = text_option(cli, "provider", row->provider, sizeof(row->provider));
	if (!r)
		r = text_option(cli, "external-id", row->external_id, sizeof(row->external_id));
	if (!r)
		r = number_option(cli, "interval-s", &row->interval_s);
	if (!r)
		r = bool_option(cli, "simulated", &row->simulated);
	if (r)
		return r;
	if (kind && strcmp(kind, "vehicle") != 0 && strcmp(kind, "energy_site") != 0)
		return usage_error("asset-kind", "vehicle or energy_site");
	if (kind)
		row->energy_site = strcmp(kind, "energy_site") == 0;
	if (activate && strcmp(activate, "now") != 0)
		return usage_error("activate", "now");
	if (activate)
		row->activated_at_ms = cli->now_ms;
	return check_all_used(cli);
}

static int device_change(struct cli *cli, int64_t workspace, const char *verb, const char *name)
{
	struct coredb_device row = {
		.workspace = workspace, .provider = "obd", .activated_at_ms = cli->now_ms};
	int found = coredb_device_find(cli->db, workspace, name, &row);
	unsigned applied = 0;
	int r;

	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return fail(cli, name, found);
	if (strcmp(verb, "remove") == 0) {
		r = check_all_used(cli);
		if (r)
			return r;
		r = coredb_device_remove(cli->db, row.id, cli->now_ms);
		return r ? fail(cli, name, r) : finish(cli, "device", name, "removed", 0);
	}
	r = found ? copy_name(row.name, name) : 0;
	if (!r)
		r = device_options(cli, &row);
	if (r)
		return r;
	r = found ? coredb_device_add(cli->db, &row, cli->now_ms)
		  : coredb_device_update(cli->db, &row, cli->now_ms);
	if (!r)
		r = coredb_device_get(cli->db, row.id, &row);
	if (!r)
		r = accept_parked(cli->accept, &row, cli->now_ms, &applied);
	if (r)
		return fail(cli, name, r);
	return finish(cli, "device", name, found ? "added" : "changed", applied);
}

static int print_device(void *arg, const struct coredb_device *row)
{
	struct cli *cli = arg;
	struct jw w;

	if (!cli->json) {
		(void)printf("%-24s vehicle %-20s gateway %-20s provider %s\n", row->name,
			     row->vehicle ? row->vehicle_name : "-",
			     row->gateway ? row->gateway_name : "-", row->provider);
		return 0;
	}
	jw_init(&w, &cli->out);
	jw_open_object(&w);
	jw_text(&w, "device_id", row->name);
	jw_text(&w, "vehicle_id", row->vehicle ? row->vehicle_name : NULL);
	jw_text(&w, "gateway_id", row->gateway ? row->gateway_name : NULL);
	jw_text(&w, "provider", row->provider);
	jw_text(&w, "external_id", row->external_id[0] ? row->external_id : NULL);
	jw_text(&w, "asset_kind", row->energy_site ? "energy_site" : "vehicle");
	jw_flag(&w, "simulated", row->simulated);
	jw_int(&w, "interval_s", row->interval_s);
	jw_time(&w, "activated_at", row->activated_at_ms);
	jw_close_object(&w);
	return print_row(cli);
}

static int list(struct cli *cli, const char *kind, int64_t workspace)
{
	int r = check_all_used(cli);

	if (r)
		return r;
	accept_rollback(cli->accept);
	if (strcmp(kind, "workspace") == 0)
		r = coredb_workspace_each(cli->db, NULL, LIST_MAX, print_workspace, cli);
	else if (strcmp(kind, "gateway") == 0)
		r = coredb_gateway_each(cli->db, workspace, NULL, LIST_MAX, print_gateway, cli);
	else if (strcmp(kind, "vehicle") == 0)
		r = coredb_vehicle_each(cli->db, workspace, NULL, LIST_MAX, print_vehicle, cli);
	else
		r = coredb_device_each(cli->db, workspace, NULL, LIST_MAX, print_device, cli);
	return r < 0 ? fail(cli, kind, r) : CORE_DONE;
}

static bool is_change(const char *verb)
{
	return strcmp(verb, "add") == 0 || strcmp(verb, "set") == 0 || strcmp(verb, "remove") == 0;
}

static int workspace_command(struct cli *cli)
{
	if (cli->word_count == 2 && strcmp(cli->words[1], "list") == 0)
		return list(cli, "workspace", 0);
	if (cli->word_count == 3 && is_change(cli->words[1]))
		return workspace_change(cli, cli->words[1], cli->words[2]);
	return usage_error("workspace", "add|set|remove NAME, or list");
}

/* gateway, vehicle, device: KIND VERB WORKSPACE [NAME]. */
static int member_command(struct cli *cli, int (*change)(struct cli *cli, int64_t workspace,
							 const char *verb, const char *name))
{
	struct coredb_workspace workspace;
	int r;

	if (cli->word_count < 3)
		return usage_error(cli->words[0],
				   "add|set|remove WORKSPACE NAME, or list WORKSPACE");
	r = coredb_workspace_find(cli->db, cli->words[2], &workspace);
	if (r)
		return fail(cli, cli->words[2], r);
	if (cli->word_count == 3 && strcmp(cli->words[1], "list") == 0)
		return list(cli, cli->words[0], workspace.id);
	if (cli->word_count == 4 && is_change(cli->words[1]))
		return change(cli, workspace.id, cli->words[1], cli->words[3]);
	return usage_error(cli->words[0], "add|set|remove WORKSPACE NAME, or list WORKSPACE");
}

static int token_show(struct cli *cli)
{
	char path[700];
	char secret[128];
	bool made = false;
	int r;

	accept_rollback(cli->accept);
	r = core_admin_token(cli->core, &made);
	if (r)
		return CORE_FAILED;
	core_admin_token_path(cli->core, path, sizeof(path));
	if (core_read_secret(path, secret, sizeof(secret)))
		return CORE_FAILED;
	if (cli->json)
		(void)printf("{\"token\":\"%s\",\"file\":\"%s\"}\n", secret, path);
	else
		(void)printf("%s\n", secret);
	explicit_bzero(secret, sizeof(secret));
	return CORE_DONE;
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
	int r = copy_name(token.name, cli->words[2]);

	if (!r)
		r = text_option(cli, "roles", token.roles, sizeof(token.roles));
	if (!r)
		r = text_option(cli, "workspaces", token.workspaces, sizeof(token.workspaces));
	if (!r)
		r = number_option(cli, "days", &days);
	if (!r)
		r = check_all_used(cli);
	if (r)
		return r;
	if (!token.roles[0] || !token.workspaces[0])
		return usage_error("token add", "--roles and --workspaces");
	if (access_roles_parse(token.roles, &roles))
		return usage_error("--roles", "words of ops, accounts, admin, system, ingest");
	if (!split_words(token.roles) || !split_words(token.workspaces))
		return usage_error("--workspaces", "ids separated by commas, or *");
	if (days > 0)
		token.expires_at_ms = cli->now_ms + days * 86400000;
	r = access_secret(secret);
	if (!r)
		r = coredb_token_add(cli->db, &token, secret, cli->now_ms);
	if (!r)
		r = accept_commit(cli->accept);
	if (r)
		return fail(cli, token.name, r);
	/* The only time that it is shown. */
	if (cli->json)
		(void)printf("{\"name\":\"%s\",\"token\":\"%s\"}\n", token.name, secret);
	else
		(void)printf("%s\n", secret);
	explicit_bzero(secret, sizeof(secret));
	return CORE_DONE;
}

/* A link that logs a browser in once, as the token of that name (or the first one). */
static int token_link(struct cli *cli, const char *name)
{
	const struct conf_sect *http = conf_get(cli->core->conf, "http");
	struct find_token find = {.name = name};
	char code[COREDB_SECRET_SIZE];
	char host[80];
	int r;

	accept_rollback(cli->accept);
	r = coredb_token_each(cli->db, find_token, &find);
	if (r >= 0)
		r = find.id ? access_link(cli->db, find.id, cli->now_ms, code) : -ENOENT;
	if (r)
		return fail(cli, name, r);
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
	return print_row(cli);
}

static int token_command(struct cli *cli)
{
	int r;

	if (cli->word_count == 2 && strcmp(cli->words[1], "show") == 0)
		return token_show(cli);
	if (cli->word_count == 2 && strcmp(cli->words[1], "list") == 0) {
		r = coredb_token_each(cli->db, print_token, cli);
		return r < 0 ? fail(cli, "token", r) : CORE_DONE;
	}
	if (cli->word_count == 3 &&
	    (strcmp(cli->words[1], "add") == 0 || strcmp(cli->words[1], "create") == 0))
		return token_add(cli);
	if ((cli->word_count == 2 || cli->word_count == 3) && strcmp(cli->words[1], "link") == 0)
		return token_link(cli, cli->word_count == 3 ? cli->words[2] : "admin");
	if (cli->word_count == 3 && strcmp(cli->words[1], "revoke") == 0) {
		r = coredb_token_revoke(cli->db, cli->words[2], cli->now_ms);
		return r ? fail(cli, cli->words[2], r)
			 : finish(cli, "token", cli->words[2], "revoked", 0);
	}
	return usage_error("token", "show, list, add NAME, revoke NAME or link [NAME]");
}

static int dispatch(struct cli *cli)
{
	const char *kind = cli->words[0];

	if (strcmp(kind, "workspace") == 0)
		return workspace_command(cli);
	if (strcmp(kind, "gateway") == 0)
		return member_command(cli, gateway_change);
	if (strcmp(kind, "vehicle") == 0)
		return member_command(cli, vehicle_change);
	if (strcmp(kind, "device") == 0)
		return member_command(cli, device_change);
	if (strcmp(kind, "token") == 0)
		return token_command(cli);
	core_usage(stderr);
	return CORE_USAGE;
}

static int open_all(struct cli *cli)
{
	struct accept_config config = {.clock = cli->core->clock, .cache_devices = 64};
	char error[300] = "";
	int r = coredb_open(cli->core->database_url, 0, &cli->db, error, sizeof(error));

	if (r) {
		(void)fprintf(stderr, "%s: %s (freshet-core migrate makes it)\n",
			      cli->core->database_url, error);
		return r;
	}
	config.db = cli->db;
	r = accept_create(&config, &cli->accept);
	if (!r) {
		r = accept_begin(cli->accept);
		if (r)
			(void)fprintf(stderr, "%s: %s\n", cli->core->database_url,
				      accept_error(cli->accept));
	}
	return r;
}

int core_cli(struct core *core, int argc, char **argv, bool json)
{
	struct cli cli = {.core = core, .json = json, .now_ms = clock_wall_ms(core->clock)};
	int r;

	buf_init(&cli.out, (size_t)64 * 1024);
	r = parse_words(&cli, argc, argv);
	if (!r && cli.word_count == 0) {
		core_usage(stderr);
		r = CORE_USAGE;
	}
	if (!r) {
		r = open_all(&cli) ? CORE_FAILED : dispatch(&cli);
		accept_destroy(cli.accept);
		coredb_close(cli.db);
	}
	buf_free(&cli.out);
	return r;
}
