/* What the files of the command line share. */
#ifndef CLOUD_MAIN_CLI_PRIV_H
#define CLOUD_MAIN_CLI_PRIV_H

#include "cloud/accept/accept.h"
#include "cloud/main/core.h"
#include "model/wire/json.h"

#define CLI_WORDS_MAX 8
#define CLI_OPTIONS_MAX 24

struct cli {
	struct core *core;
	struct coredb *db;
	struct accept *accept; /* of commands that change something; its transaction is open */
	bool json;
	/* The command line: words (kind, verb, names), and --option value. */
	const char *words[CLI_WORDS_MAX];
	int word_count;
	const char *options[CLI_OPTIONS_MAX];
	const char *values[CLI_OPTIONS_MAX];
	bool used[CLI_OPTIONS_MAX];
	int option_count;
	int64_t now_ms;
	struct buf out;
};

/* One command: KIND VERB and so many words after them. `run` gives an exit code. */
struct cli_command {
	const char *kind, *verb;
	int least, most;
	bool changes; /* wants a transaction */
	const char *expected;
	int (*run)(struct cli *cli);
};
/* Each ends with one whose kind is NULL. */
extern const struct cli_command cli_registry_commands[];
extern const struct cli_command cli_token_commands[];
extern const struct cli_command cli_gaps_commands[];

/* Messages on stderr; they give the exit code: CORE_USAGE, or as `r` wants it. */
int cli_usage(const char *what, const char *expected);
int cli_fail(const struct cli *cli, const char *kind, const char *name, int r);

/* Options. Each says on stderr what is wrong; 0 or CORE_USAGE; without the option nothing is set. */
const char *cli_option(struct cli *cli, const char *name); /* NULL without */
int cli_number(struct cli *cli, const char *name, int64_t min, int64_t max, int64_t *value);
int cli_text(struct cli *cli, const char *name, char *out, size_t size);
int cli_bool(struct cli *cli, const char *name, bool *value);
int cli_check_options(const struct cli *cli); /* after all have been asked for: no other is there */
int cli_name(char out[static IDS_SIZE], const char *name);

/* Commits and prints what was done; an exit code. */
int cli_finish(struct cli *cli, const char *kind, const char *name, const char *done,
	       unsigned applied);
/* Prints what has been written to cli->out as a line; 0, or 1 where memory failed. */
int cli_print_row(struct cli *cli);

#endif
