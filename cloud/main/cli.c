/* The command line: words, options, what every command of it shares. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/main/cli_priv.h"

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
		"  gaps      list WORKSPACE [--gateway NAME] [--device NAME] [--open yes]\n"
		"            [--certain yes]\n"
		"  gaps      dismiss WORKSPACE NUMBER [--note TEXT]\n"
		"  token     show | list | revoke NAME | link [NAME]\n"
		"  token     add NAME --roles ops,accounts,admin,system,ingest\n"
		"            --workspaces NAMES|* [--days N]\n"
		"`add` of something that is there changes it, as `set` does.\n"
		"Policy fields: freshness_target_s stale_threshold_s no_data_grace_s\n"
		"poll_interval_s retention_days.\n",
		out);
}

int cli_usage(const char *what, const char *expected)
{
	(void)fprintf(stderr, "%s: expected %s\n", what, expected);
	return CORE_USAGE;
}

int cli_fail(const struct cli *cli, const char *kind, const char *name, int r)
{
	const char *detail = cli->accept ? accept_error(cli->accept) : coredb_error(cli->db);

	if (r == -ENOENT)
		detail = "there is none of that name";
	(void)fprintf(stderr, "%s %s: %s\n", kind, name, detail);
	/* A value that cannot be is the caller's mistake, not a failure. */
	return r == -EINVAL ? CORE_USAGE : CORE_FAILED;
}

static int parse_words(struct cli *cli, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			if (cli->word_count == CLI_WORDS_MAX)
				return cli_usage(argv[i], "fewer words");
			cli->words[cli->word_count++] = argv[i];
			continue;
		}
		if (cli->option_count == CLI_OPTIONS_MAX || i + 1 == argc)
			return cli_usage(argv[i], "a value after it");
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

const char *cli_option(struct cli *cli, const char *name)
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

int cli_check_options(const struct cli *cli)
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

int cli_number(struct cli *cli, const char *name, int64_t min, int64_t max, int64_t *value)
{
	const char *text = cli_option(cli, name);
	char expected[80];
	char *end;
	long long number;

	if (!text)
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return cli_usage(name, "a whole number");
	if (number < min || number > max) {
		(void)snprintf(expected, sizeof(expected), "a whole number in %lld..%lld",
			       (long long)min, (long long)max);
		return cli_usage(name, expected);
	}
	*value = number;
	return 0;
}

int cli_text(struct cli *cli, const char *name, char *out, size_t size)
{
	const char *text = cli_option(cli, name);

	if (!text)
		return 0;
	if (strlen(text) >= size)
		return cli_usage(name, "a shorter text");
	(void)snprintf(out, size, "%s", text);
	return 0;
}

int cli_bool(struct cli *cli, const char *name, bool *value)
{
	const char *text = cli_option(cli, name);

	if (!text)
		return 0;
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return cli_usage(name, "yes or no");
	*value = strcmp(text, "yes") == 0;
	return 0;
}

int cli_name(char out[static IDS_SIZE], const char *name)
{
	if (!ids_assignable(name, strlen(name)))
		return cli_usage(name, "an id: 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a "
				       "letter or digit");
	(void)snprintf(out, IDS_SIZE, "%s", name);
	return 0;
}

/* Commits; prints what was done. */
int cli_finish(struct cli *cli, const char *kind, const char *name, const char *done,
	       unsigned applied)
{
	int r = accept_commit(cli->accept);

	if (r)
		return cli_fail(cli, kind, name, r);
	if (cli->json)
		(void)printf("{\"%s\":\"%s\",\"done\":\"%s\",\"parked_applied\":%u}\n", kind, name,
			     done, applied);
	else if (applied > 0)
		(void)printf("%s %s %s, %u parked records applied\n", kind, name, done, applied);
	else
		(void)printf("%s %s %s\n", kind, name, done);
	return CORE_DONE;
}

int cli_print_row(struct cli *cli)
{
	const char *text = buf_text(&cli->out);

	if (!text)
		return 1;
	(void)puts(text);
	buf_reset(&cli->out);
	return 0;
}

static const struct cli_command *find_command(const struct cli_command *table, const char *kind,
					      const char *verb)
{
	for (; table->kind; table++) {
		if (strcmp(table->kind, kind) == 0 && (!verb || strcmp(table->verb, verb) == 0))
			return table;
	}
	return NULL;
}

/* 0, or CORE_USAGE with what was expected. */
static int choose(const struct cli *cli, const struct cli_command **ret_command)
{
	const struct cli_command *const tables[] = {cli_registry_commands, cli_token_commands,
						    cli_gaps_commands};
	const struct cli_command *table = NULL;
	const struct cli_command *command = NULL;
	int names = cli->word_count - 2;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !command; i++) {
		table = tables[i];
		command = find_command(table, cli->words[0], NULL);
	}
	if (!command) {
		(void)fprintf(stderr, "%s: is no command\n", cli->words[0]);
		core_usage(stderr);
		return CORE_USAGE;
	}
	if (cli->word_count < 2)
		return cli_usage(cli->words[0], command->expected);
	*ret_command = find_command(table, cli->words[0], cli->words[1]);
	if (!*ret_command || names < (*ret_command)->least || names > (*ret_command)->most)
		return cli_usage(cli->words[0], command->expected);
	return 0;
}

static int open_all(struct cli *cli, bool changes)
{
	struct accept_config config = {.clock = cli->core->clock, .cache_devices = 64};
	char error[300] = "";
	int r = coredb_open(cli->core->database_url, 0, &cli->db, error, sizeof(error));

	if (r) {
		(void)fprintf(stderr, "%s: %s (freshet-core migrate makes it)\n",
			      cli->core->database_url, error);
		return r;
	}
	if (!changes)
		return 0;
	config.db = cli->db;
	r = accept_create(&config, &cli->accept);
	if (!r)
		r = accept_begin(cli->accept);
	if (r)
		(void)fprintf(stderr, "%s: %s\n", cli->core->database_url,
			      cli->accept ? accept_error(cli->accept) : strerror(-r));
	return r;
}

int core_cli(struct core *core, int argc, char **argv, bool json)
{
	struct cli cli = {.core = core, .json = json, .now_ms = clock_wall_ms(core->clock)};
	const struct cli_command *command = NULL;
	int r = parse_words(&cli, argc, argv);

	if (r)
		return r;
	if (cli.word_count == 0) {
		core_usage(stderr);
		return CORE_USAGE;
	}
	r = choose(&cli, &command);
	if (r)
		return r;
	buf_init(&cli.out, (size_t)64 * 1024);
	r = open_all(&cli, command->changes) ? CORE_FAILED : command->run(&cli);
	accept_destroy(cli.accept);
	coredb_close(cli.db);
	buf_free(&cli.out);
	return r;
}
