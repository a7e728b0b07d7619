/* What was lost, for operators at a shell: listed, and dismissed where it is only possible. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "cloud/main/cli_priv.h"
#include "cloud/query/query.h"

#define NOTE_SIZE 400
#define LIST_MAX 1000000

/* 0 or an exit code. */
static int find_workspace(struct cli *cli, struct coredb_workspace *ret)
{
	int r = coredb_workspace_find(cli->db, cli->words[2], ret);

	return r ? cli_fail(cli, "workspace", cli->words[2], r) : 0;
}

static int take_filter(struct cli *cli, int64_t workspace, struct coredb_gap_filter *filter)
{
	const char *gateway = cli_option(cli, "gateway");
	const char *device = cli_option(cli, "device");
	struct coredb_gateway g = {0};
	struct coredb_device d = {0};
	int r;

	r = cli_bool(cli, "open", &filter->open);
	if (!r)
		r = cli_bool(cli, "certain", &filter->sure);
	if (!r)
		r = cli_check_options(cli);
	if (r)
		return r;
	r = gateway ? coredb_gateway_find(cli->db, workspace, gateway, &g) : 0;
	if (r)
		return cli_fail(cli, "gateway", gateway, r);
	r = device ? coredb_device_find(cli->db, workspace, device, &d) : 0;
	if (r)
		return cli_fail(cli, "device", device, r);
	filter->gateway = g.id;
	filter->device = d.id;
	return 0;
}

static int print_name(void *arg, int64_t device, const char *name)
{
	int *count = arg;

	(void)device;
	(void)printf("%s%s", (*count)++ ? "," : " devices ", name);
	return 0;
}

static const char *time_text(int64_t ms, char text[static RFC3339_SIZE])
{
	return ms == MODEL_NO_TIME ? "?" : rfc3339_format(ms, text);
}

static int print_gap(void *arg, const struct coredb_gap *gap)
{
	struct cli *cli = arg;
	char from[RFC3339_SIZE];
	char to[RFC3339_SIZE];
	char last[24] = "...";
	int devices = 0;
	int r;

	if (gap->last >= 0)
		(void)snprintf(last, sizeof(last), "%lld", (long long)gap->last);
	(void)printf("%lld %s %s %lld..%s %s %s %s to %s", (long long)gap->id, gap->gateway_name,
		     gap->epoch_name[0] ? gap->epoch_name : "-", (long long)gap->first, last,
		     gap->reason,
		     gap->recovered_at_ms != MODEL_NO_TIME   ? "recovered"
		     : gap->dismissed_at_ms != MODEL_NO_TIME ? "dismissed"
		     : gap->possible                         ? "possible"
							     : "lost",
		     time_text(gap->from_ms, from), time_text(gap->to_ms, to));
	if (gap->records >= 0)
		(void)printf(" records %lld", (long long)gap->records);
	r = coredb_gap_devices(cli->db, gap, 20, print_name, &devices);
	(void)putchar('\n');
	return r < 0;
}

/* As the API answers it, an item a line. */
static int print_json(struct cli *cli, const struct coredb_workspace *workspace,
		      const struct coredb_gap_filter *filter)
{
	struct query *query = NULL;
	struct query_page page = {.limit = LIST_MAX};
	struct buf out;
	struct jw w;
	int r;

	buf_init(&out, (size_t)64 * 1024 * 1024);
	jw_init(&w, &out);
	r = query_create(cli->db, &query);
	if (!r)
		r = query_begin(query, cli->now_ms);
	if (!r)
		r = query_gaps(query, workspace, filter, &page, &w);
	if (!r)
		(void)puts(buf_text(&out));
	query_destroy(query);
	buf_free(&out);
	return r;
}

static int gaps_list(struct cli *cli)
{
	struct coredb_gap_filter filter = {0};
	struct coredb_workspace workspace;
	int r = find_workspace(cli, &workspace);

	if (!r)
		r = take_filter(cli, workspace.id, &filter);
	if (r)
		return r;
	if (cli->json)
		r = print_json(cli, &workspace, &filter);
	else
		r = coredb_gap_each(cli->db, workspace.id, &filter, 0, LIST_MAX, print_gap, cli);
	return r < 0 ? cli_fail(cli, "gaps", "list", r) : CORE_DONE;
}

/* Whoever is logged in, for the record. */
static void who(char *out, size_t size)
{
	const char *name = getenv("SUDO_USER");

	if (!name || !name[0])
		name = getenv("USER");
	(void)snprintf(out, size, "cli:%.60s", name && ids_valid(name, strlen(name)) ? name : "?");
}

static int gaps_dismiss(struct cli *cli)
{
	struct coredb_workspace workspace;
	char note[NOTE_SIZE] = "";
	char by[IDS_SIZE];
	char *end;
	int64_t id;
	int r = find_workspace(cli, &workspace);

	if (!r)
		r = cli_text(cli, "note", note, sizeof(note));
	if (!r)
		r = cli_check_options(cli);
	if (r)
		return r;
	errno = 0;
	id = strtoll(cli->words[3], &end, 10);
	if (errno || end == cli->words[3] || *end || id <= 0)
		return cli_usage(cli->words[3], "the number of a gap, as gaps list shows it");
	who(by, sizeof(by));
	r = coredb_gap_dismiss(cli->db, workspace.id, id, by, note, cli->now_ms);
	if (r)
		return cli_fail(cli, "gap", cli->words[3], r);
	return cli_finish(cli, "gap", cli->words[3], "dismissed", 0);
}

#define GAPS_WANTS "list WORKSPACE, or dismiss WORKSPACE NUMBER"

const struct cli_command cli_gaps_commands[] = {
	{"gaps", "list", 1, 1, false, GAPS_WANTS, gaps_list},
	{"gaps", "dismiss", 2, 2, true, GAPS_WANTS, gaps_dismiss},
	{.kind = NULL},
};
