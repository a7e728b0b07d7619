#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cloud/main/core.h"
#include "model/wire/json.h"
#include "storage/coredb/coredb.h"

#define ARGS_MAX 64

/* The words of the command line, without the options that every command has. */
struct command_line {
	char *words[ARGS_MAX];
	int count;
	const char *conf_path;
	bool json, help, version;
};

static int read_command_line(int argc, char **argv, struct command_line *line)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) {
			if (++i == argc) {
				(void)fprintf(stderr, "-c: expected a file\n");
				return CORE_USAGE;
			}
			line->conf_path = argv[i];
		} else if (strcmp(argv[i], "--json") == 0) {
			line->json = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			line->help = true;
		} else if (strcmp(argv[i], "--version") == 0) {
			line->version = true;
		} else if (line->count == ARGS_MAX) {
			(void)fprintf(stderr, "too many words\n");
			return CORE_USAGE;
		} else {
			line->words[line->count++] = argv[i];
		}
	}
	return 0;
}

static void print_json(const char *about, const char *of, const char *what, int64_t count)
{
	struct buf out;
	struct jw w;

	buf_init(&out, (size_t)16 * 1024);
	jw_init(&w, &out);
	jw_open_object(&w);
	jw_text(&w, about, of);
	jw_int(&w, what, count);
	jw_close_object(&w);
	if (buf_text(&out))
		(void)puts(buf_text(&out));
	buf_free(&out);
}

static int migrate(struct core *core, const struct command_line *line)
{
	bool check = line->count == 2 && strcmp(line->words[1], "--check") == 0;
	char error[300] = "";
	int pending = 0;
	int r;

	if (line->count > 2 || (line->count == 2 && !check)) {
		(void)fprintf(stderr, "migrate: expected nothing or --check\n");
		return CORE_USAGE;
	}
	r = coredb_migrate(core->database_url, check, &pending, error, sizeof(error));
	if (r) {
		(void)fprintf(stderr, "%s: %s\n", core->database_url, error);
		return CORE_FAILED;
	}
	if (line->json)
		print_json("database", core->database_url, check ? "pending" : "applied", pending);
	else
		(void)printf("%s: %d migrations %s\n", core->database_url, pending,
			     check ? "pending" : "applied");
	return check && pending > 0 ? CORE_FAILED : CORE_DONE;
}

static int check_config(const struct command_line *line)
{
	if (line->json)
		print_json("file", line->conf_path, "errors", 0);
	else
		(void)printf("%s: good\n", line->conf_path);
	return CORE_DONE;
}

static int dispatch(struct core *core, struct command_line *line)
{
	const char *command = line->words[0];

	if (strcmp(command, "check-config") == 0)
		return check_config(line);
	if (strcmp(command, "run") == 0)
		return core_run(core);
	if (strcmp(command, "migrate") == 0)
		return migrate(core, line);
	return core_cli(core, line->count, line->words, line->json);
}

static void start_log(const struct conf *conf)
{
	static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING,
						LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};

	log_init("freshet-core", levels[conf_int(conf_get(conf, "log"), "level")]);
}

int main(int argc, char **argv)
{
	struct command_line line = {.conf_path = "/etc/freshet/core.conf"};
	struct conf *conf = NULL;
	struct core *core;
	int r = read_command_line(argc, argv, &line);

	if (r)
		return r;
	if (line.version) {
		(void)printf("freshet-core %s\n", FRESHET_VERSION);
		return CORE_DONE;
	}
	if (line.help || line.count == 0) {
		core_usage(line.help ? stdout : stderr);
		return line.help ? CORE_DONE : CORE_USAGE;
	}
	r = core_conf_load(line.conf_path, &conf);
	if (r)
		return r;
	start_log(conf);
	core = calloc(1, sizeof(*core));
	if (!core) {
		conf_free(conf);
		return CORE_FAILED;
	}
	r = core_init(core, conf);
	if (r) {
		(void)fprintf(stderr, "%s: %s\n", line.conf_path, strerror(-r));
		r = CORE_FAILED;
	} else {
		r = dispatch(core, &line);
	}
	core_fini(core);
	free(core);
	if (fflush(stdout) != 0)
		r = CORE_FAILED;
	return r;
}
