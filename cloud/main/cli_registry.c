/* The registry's commands. Each is one transaction, also beside a running core: what was parked for a
 * device is applied in the transaction that mends the registry. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cloud/accept/evidence.h"
#include "cloud/domain/policy.h"
#include "cloud/main/cli_priv.h"
#include "storage/coredb/state.h"

#define LIST_MAX 1000000
#define VEHICLE_DEVICES_MAX 64

/* Options of a workspace: its name for people and its policy. */
static int workspace_options(struct cli *cli, struct coredb_workspace *row)
{
	struct policy policy;
	enum policy_field wrong;
	int r = cli_text(cli, "display-name", row->display_name, sizeof(row->display_name));

	evidence_policy(&row->policy, &policy);
	for (int i = 0; i < POLICY_FIELD_COUNT && !r; i++) {
		const struct policy_field_info *info = policy_field_info((enum policy_field)i);
		int64_t value = policy_get(&policy, (enum policy_field)i);

		r = cli_number(cli, info->name, INT64_MIN, INT64_MAX, &value);
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
	return cli_check_options(cli);
}

static int workspace_change(struct cli *cli, const char *verb, const char *name)
{
	struct coredb_workspace row = {0};
	struct policy policy;
	int found = coredb_workspace_find(cli->db, name, &row);
	int r;

	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return cli_fail(cli, "workspace", name, found);
	if (strcmp(verb, "remove") == 0) {
		r = coredb_workspace_remove(cli->db, row.id, cli->now_ms);
		return r ? cli_fail(cli, "workspace", name, r)
			 : cli_finish(cli, "workspace", name, "removed", 0);
	}
	if (found) {
		policy_default(&policy);
		evidence_policy_back(&policy, &row.policy);
		r = cli_name(row.name, name);
		if (r)
			return r;
	}
	r = workspace_options(cli, &row);
	if (r)
		return r;
	r = found ? coredb_workspace_add(cli->db, &row, cli->now_ms)
		  : coredb_workspace_update(cli->db, &row, cli->now_ms);
	if (r)
		return cli_fail(cli, "workspace", name, r);
	return cli_finish(cli, "workspace", name, found ? "added" : "changed", 0);
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
	return cli_print_row(cli);
}

static int gateway_change(struct cli *cli, int64_t workspace, const char *verb, const char *name)
{
	struct coredb_gateway row = {.workspace = workspace};
	int found = coredb_gateway_find(cli->db, workspace, name, &row);
	int r = cli_check_options(cli);

	if (r)
		return r;
	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return cli_fail(cli, "gateway", name, found);
	if (strcmp(verb, "remove") == 0) {
		r = coredb_gateway_remove(cli->db, row.id, cli->now_ms);
		return r ? cli_fail(cli, "gateway", name, r)
			 : cli_finish(cli, "gateway", name, "removed", 0);
	}
	if (!found)
		return cli_finish(cli, "gateway", name, "unchanged", 0);
	r = cli_name(row.name, name);
	if (r)
		return r;
	r = coredb_gateway_add(cli->db, &row, cli->now_ms);
	return r ? cli_fail(cli, "gateway", name, r) : cli_finish(cli, "gateway", name, "added", 0);
}

static int print_gateway(void *arg, const struct coredb_gateway *row)
{
	struct cli *cli = arg;
	struct coredb_gateway_state state;
	bool two;
	int r;

	coredb_gateway_state_init(&state);
	r = coredb_gateway_state_get(cli->db, row->id, &state);
	if (r && r != -ENOENT)
		return 1;
	two = coredb_is_duplicate(state.duplicate_since_ms, state.duplicate_at_ms, cli->now_ms);
	if (cli->json)
		(void)printf("{\"gateway_id\":\"%s\",\"duplicate\":%s}\n", row->name,
			     two ? "true" : "false");
	else
		(void)printf("%s%s\n", row->name, two ? "  two machines send under this name" : "");
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
		return cli_fail(cli, "vehicle", name, found);
	if (strcmp(verb, "remove") == 0) {
		r = cli_check_options(cli);
		if (r)
			return r;
		r = coredb_vehicle_remove(cli->db, row.id, cli->now_ms);
		return r ? cli_fail(cli, "vehicle", name, r)
			 : cli_finish(cli, "vehicle", name, "removed", 0);
	}
	r = found ? cli_name(row.name, name) : 0;
	if (!r)
		r = cli_text(cli, "vin", row.vin, sizeof(row.vin));
	if (!r)
		r = cli_text(cli, "display-name", row.display_name, sizeof(row.display_name));
	if (!r)
		r = cli_check_options(cli);
	if (r)
		return r;
	r = found ? coredb_vehicle_add(cli->db, &row, cli->now_ms)
		  : coredb_vehicle_update(cli->db, &row, cli->now_ms);
	if (!r && !found)
		r = apply_vehicle(cli, row.id, &applied);
	if (r)
		return cli_fail(cli, "vehicle", name, r);
	return cli_finish(cli, "vehicle", name, found ? "added" : "changed", applied);
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
	return cli_print_row(cli);
}

/* The rows that a device refers to by name; "none" takes a reference away. */
static int device_references(struct cli *cli, struct coredb_device *row)
{
	const char *vehicle = cli_option(cli, "vehicle");
	const char *gateway = cli_option(cli, "gateway");
	struct coredb_vehicle v = {0};
	struct coredb_gateway g = {0};
	int r = 0;

	if (vehicle && strcmp(vehicle, "none") != 0)
		r = coredb_vehicle_find(cli->db, row->workspace, vehicle, &v);
	if (r)
		return cli_fail(cli, "vehicle", vehicle, r);
	if (gateway && strcmp(gateway, "none") != 0)
		r = coredb_gateway_find(cli->db, row->workspace, gateway, &g);
	if (r)
		return cli_fail(cli, "gateway", gateway, r);
	if (vehicle)
		row->vehicle = v.id;
	if (gateway)
		row->gateway = g.id;
	return 0;
}

static int device_options(struct cli *cli, struct coredb_device *row)
{
	const char *kind = cli_option(cli, "asset-kind");
	const char *activate = cli_option(cli, "activate");
	int r = device_references(cli, row);

	if (!r)
		r = cli_text(cli, "provider", row->provider, sizeof(row->provider));
	if (!r)
		r = cli_text(cli, "external-id", row->external_id, sizeof(row->external_id));
	if (!r)
		r = cli_number(cli, "interval-s", 0, INT32_MAX, &row->interval_s);
	if (!r)
		r = cli_bool(cli, "simulated", &row->simulated);
	if (r)
		return r;
	if (kind && strcmp(kind, "vehicle") != 0 && strcmp(kind, "energy_site") != 0)
		return cli_usage("asset-kind", "vehicle or energy_site");
	if (kind)
		row->energy_site = strcmp(kind, "energy_site") == 0;
	if (activate && strcmp(activate, "now") != 0)
		return cli_usage("activate", "now");
	if (activate)
		row->activated_at_ms = cli->now_ms;
	return cli_check_options(cli);
}

static int device_change(struct cli *cli, int64_t workspace, const char *verb, const char *name)
{
	struct coredb_device row = {
		.workspace = workspace, .provider = "obd", .activated_at_ms = cli->now_ms};
	int found = coredb_device_find(cli->db, workspace, name, &row);
	unsigned applied = 0;
	int r;

	if (found && (found != -ENOENT || strcmp(verb, "add") != 0))
		return cli_fail(cli, "device", name, found);
	if (strcmp(verb, "remove") == 0) {
		r = cli_check_options(cli);
		if (r)
			return r;
		r = coredb_device_remove(cli->db, row.id, cli->now_ms);
		return r ? cli_fail(cli, "device", name, r)
			 : cli_finish(cli, "device", name, "removed", 0);
	}
	r = found ? cli_name(row.name, name) : 0;
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
		return cli_fail(cli, "device", name, r);
	return cli_finish(cli, "device", name, found ? "added" : "changed", applied);
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
	return cli_print_row(cli);
}

static int end_list(struct cli *cli, int r)
{
	return r < 0 ? cli_fail(cli, cli->words[0], "list", r) : CORE_DONE;
}

static int workspace_list(struct cli *cli)
{
	int r = cli_check_options(cli);

	if (r)
		return r;
	return end_list(cli, coredb_workspace_each(cli->db, NULL, LIST_MAX, print_workspace, cli));
}

/* Workspace of a command about something in it; 0 or an exit code. */
static int find_workspace(struct cli *cli, int64_t *ret_id)
{
	struct coredb_workspace workspace;
	int r = coredb_workspace_find(cli->db, cli->words[2], &workspace);

	if (r)
		return cli_fail(cli, "workspace", cli->words[2], r);
	*ret_id = workspace.id;
	return 0;
}

static int member_list(struct cli *cli)
{
	const char *kind = cli->words[0];
	int64_t workspace = 0;
	int r = cli_check_options(cli);

	if (!r)
		r = find_workspace(cli, &workspace);
	if (r)
		return r;
	if (strcmp(kind, "gateway") == 0)
		r = coredb_gateway_each(cli->db, workspace, NULL, LIST_MAX, print_gateway, cli);
	else if (strcmp(kind, "vehicle") == 0)
		r = coredb_vehicle_each(cli->db, workspace, NULL, LIST_MAX, print_vehicle, cli);
	else
		r = coredb_device_each(cli->db, workspace, NULL, LIST_MAX, print_device, cli);
	return end_list(cli, r);
}

static int workspace_run(struct cli *cli)
{
	return workspace_change(cli, cli->words[1], cli->words[2]);
}

static int member_run(struct cli *cli)
{
	const char *kind = cli->words[0];
	int64_t workspace = 0;
	int r = find_workspace(cli, &workspace);

	if (r)
		return r;
	if (strcmp(kind, "gateway") == 0)
		return gateway_change(cli, workspace, cli->words[1], cli->words[3]);
	if (strcmp(kind, "vehicle") == 0)
		return vehicle_change(cli, workspace, cli->words[1], cli->words[3]);
	return device_change(cli, workspace, cli->words[1], cli->words[3]);
}

#define WORKSPACE_WANTS "add|set|remove NAME, or list"
#define GATEWAY_WANTS "add|remove WORKSPACE NAME, or list WORKSPACE"
#define MEMBER_WANTS "add|set|remove WORKSPACE NAME, or list WORKSPACE"

const struct cli_command cli_registry_commands[] = {
	{"workspace", "add", 1, 1, true, WORKSPACE_WANTS, workspace_run},
	{"workspace", "set", 1, 1, true, WORKSPACE_WANTS, workspace_run},
	{"workspace", "remove", 1, 1, true, WORKSPACE_WANTS, workspace_run},
	{"workspace", "list", 0, 0, false, WORKSPACE_WANTS, workspace_list},
	{"gateway", "add", 2, 2, true, GATEWAY_WANTS, member_run},
	{"gateway", "remove", 2, 2, true, GATEWAY_WANTS, member_run},
	{"gateway", "list", 1, 1, false, GATEWAY_WANTS, member_list},
	{"vehicle", "add", 2, 2, true, MEMBER_WANTS, member_run},
	{"vehicle", "set", 2, 2, true, MEMBER_WANTS, member_run},
	{"vehicle", "remove", 2, 2, true, MEMBER_WANTS, member_run},
	{"vehicle", "list", 1, 1, false, MEMBER_WANTS, member_list},
	{"device", "add", 2, 2, true, MEMBER_WANTS, member_run},
	{"device", "set", 2, 2, true, MEMBER_WANTS, member_run},
	{"device", "remove", 2, 2, true, MEMBER_WANTS, member_run},
	{"device", "list", 1, 1, false, MEMBER_WANTS, member_list},
	{.kind = NULL},
};
