/* freshet-agent: the edge gateway. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon.h"
#include "agent/main_priv.h"
#include "hal/stream.h"

static void print_usage(FILE *out)
{
	fputs("usage: freshet-agent COMMAND -c agent.conf [--json]\n"
	      "\n"
	      "  run              read, store and publish until SIGTERM\n"
	      "  check-config     say what is wrong with the configuration\n"
	      "  status           ask the running agent how it is\n"
	      "  probe            list the serial adapters that are there\n"
	      "  probe --device ADDRESS  say what is behind an adapter, and write a section for it\n"
	      "  probe -c FILE [SOURCE]  the same for configured sources (agent stopped)\n"
	      "  profile FILE [COMMAND ANSWER]\n"
	      "                   what is wrong with a vehicle profile, or what it says, or what\n"
	      "                   it makes of an answer (hex, as 620101...); needs no configuration\n"
	      "  spool ls         list the batches that the core has not committed\n"
	      "  spool export     print every batch as a line of JSON (agent stopped)\n"
	      "  spool verify     read every batch and compare its digest (agent stopped)\n"
	      "  spool drop       give batches up for good; the core is told what is lost\n"
	      "\n"
	      "  -c, --config FILE   the configuration (default /etc/freshet/agent.conf)\n"
	      "      --json          print JSON\n"
	      "  -V, --version\n"
	      "  -h, --help\n"
	      "\n"
	      "of probe --device:\n"
	      "      --baud N        the line's speed; without it all usual ones are tried\n"
	      "      --write FILE    add the section to FILE, whose other lines stay as they are\n"
	      "      --source NAME   of the section (default obd0)\n"
	      "      --device-id ID  whose data it is (default the source's name)\n"
	      "      --profiles DIR  where the vehicle profiles are\n"
	      "      --show-vin      whole, not masked\n"
	      "\n"
	      "of spool drop:\n"
	      "      --all           everything\n"
	      "      --class CLASS   sample, state or alarm\n"
	      "      --older TIME    older than, as '2 h'\n"
	      "      --batches EPOCH[:FIRST-LAST]  as spool ls shows them\n"
	      "      --yes           because it cannot be taken back\n"
	      "\n"
	      "ADDRESS is " STREAM_ADDRESS_FORMS " or can:INTERFACE.\n"
	      "\n"
	      "exit status: 0 done, 1 failed, 2 usage or configuration error\n",
	      out);
}

int main_usage_error(const char *what, const char *word)
{
	(void)fprintf(stderr, "freshet-agent: %s%s%s\n", what, word ? ": " : "", word ? word : "");
	(void)fputs("freshet-agent --help says more\n", stderr);
	return EXIT_USAGE;
}

int main_fail(const char *what, int error)
{
	(void)fprintf(stderr, "freshet-agent: %s: %s\n", what, strerror(-error));
	return EXIT_FAILED;
}

/* ---- run, check-config, probe ---- */

static int run(const struct agent_config *config, const struct options *options)
{
	(void)options;
	if (agent_config_check_secrets(config, stderr))
		return EXIT_USAGE;
	log_init("freshet-agent", config->log_level);
	return daemon_run(config) ? EXIT_FAILED : EXIT_DONE;
}

static int check_config(const struct agent_config *config, const struct options *options)
{
	if (agent_config_check_secrets(config, stderr))
		return EXIT_USAGE;
	if (options->json)
		(void)printf("{\"file\":\"ok\",\"sources\":%zu}\n", config->source_count);
	else
		(void)printf("%s: ok, gateway %s of workspace %s, %zu source%s\n", options->config,
			     config->gateway_id, config->workspace, config->source_count,
			     config->source_count == 1 ? "" : "s");
	return EXIT_DONE;
}

static int probe(const struct agent_config *config, const struct options *options)
{
	const char *only = options->word_count ? options->words[0] : NULL;
	const int r = daemon_probe(config, only, options->json);

	if (r == -ENOENT)
		return main_usage_error("no such source", only ? only : "none is configured");
	if (r < 0)
		return main_fail("probe", r);
	return r ? EXIT_FAILED : EXIT_DONE;
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int words; /* that may follow */
	int (*fn)(const struct agent_config *config, const struct options *options);
} commands[] = {
	{"run", 0, run},     {"check-config", 0, check_config}, {"status", 0, main_status},
	{"probe", 1, probe}, {"spool", 1, main_spool},
};

static int run_command(const char *name, const struct options *options)
{
	struct agent_config config;
	int r;

	if (strcmp(name, "profile") == 0)
		return main_profile(options);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (options->word_count > commands[i].words)
			return main_usage_error("unexpected word",
						options->words[options->word_count - 1]);
		if (commands[i].fn == probe && options->device)
			return main_probe_device(options);
		if (commands[i].fn == probe && !options->config_given && !options->word_count)
			return main_probe_list(options);
		r = agent_config_load(options->config, &config, stderr);
		if (r) {
			if (r != -EINVAL)
				(void)fprintf(stderr, "freshet-agent: %s: %s\n", options->config,
					      strerror(-r));
			return EXIT_USAGE;
		}
		r = commands[i].fn(&config, options);
		agent_config_free(&config);
		return r;
	}
	return main_usage_error("unknown command", name);
}

static bool has_probe_options(const struct options *options)
{
	return options->device || options->baud || options->write || options->source ||
	       options->device_id || options->profiles || options->show_vin;
}

static bool has_drop_options(const struct options *options)
{
	return options->class || options->older || options->batches || options->all || options->yes;
}

static bool is_drop(int count, char **words)
{
	return count >= 2 && strcmp(words[0], "spool") == 0 && strcmp(words[1], "drop") == 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"device", required_argument, NULL, 'd'},
		{"baud", required_argument, NULL, 'b'},
		{"write", required_argument, NULL, 'w'},
		{"source", required_argument, NULL, 's'},
		{"device-id", required_argument, NULL, 'i'},
		{"profiles", required_argument, NULL, 'p'},
		{"show-vin", no_argument, NULL, 'v'},
		{"class", required_argument, NULL, 'C'},
		{"older", required_argument, NULL, 'o'},
		{"batches", required_argument, NULL, 'B'},
		{"all", no_argument, NULL, 'a'},
		{"yes", no_argument, NULL, 'y'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.config = "/etc/freshet/agent.conf"};
	int option;

	while ((option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.config = optarg;
			options.config_given = true;
			break;
		case 'd':
			options.device = optarg;
			break;
		case 'b':
			options.baud = optarg;
			break;
		case 'w':
			options.write = optarg;
			break;
		case 's':
			options.source = optarg;
			break;
		case 'i':
			options.device_id = optarg;
			break;
		case 'p':
			options.profiles = optarg;
			break;
		case 'v':
			options.show_vin = true;
			break;
		case 'C':
			options.class = optarg;
			break;
		case 'o':
			options.older = optarg;
			break;
		case 'B':
			options.batches = optarg;
			break;
		case 'a':
			options.all = true;
			break;
		case 'y':
			options.yes = true;
			break;
		case 'j':
			options.json = true;
			break;
		case 'V':
			(void)printf("freshet-agent %s\n", FRESHET_VERSION);
			return EXIT_DONE;
		case 'h':
			print_usage(stdout);
			return EXIT_DONE;
		default:
			return main_usage_error("see above", NULL);
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[optind], "probe") != 0 && has_probe_options(&options))
		return main_usage_error("only probe takes that option; command", argv[optind]);
	if (has_drop_options(&options) && !is_drop(argc - optind, argv + optind))
		return main_usage_error("only spool drop takes that option; command", argv[optind]);
	for (int i = optind + 1; i < argc; i++) {
		if (options.word_count == 3)
			return main_usage_error("unexpected word", argv[i]);
		options.words[options.word_count++] = argv[i];
	}
	return run_command(argv[optind], &options);
}
