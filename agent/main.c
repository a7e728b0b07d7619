/* freshet-agent: the edge gateway. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/daemon.h"
#include "agent/main_priv.h"
#include "hal/stream.h"

#define ASK_TIMEOUT_MS 5000

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
	log_init("freshet-agent", config->log_level);
	return daemon_run(config) ? EXIT_FAILED : EXIT_DONE;
}

static int check_config(const struct agent_config *config, const struct options *options)
{
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

/* ---- status ---- */

const char *main_text_of(const struct jr_value *object, const char *key)
{
	const char *text = "";
	size_t len;

	return jr_string(jr_get(object, key), &text, &len) ? text : "";
}

int64_t main_int_of(const struct jr_value *object, const char *key)
{
	int64_t value = 0;

	(void)jr_integer(jr_get(object, key), &value);
	return value;
}

/* "3.2 s ago" or "never". */
static const char *age_of(const struct jr_value *object, const char *key, char out[static 32])
{
	double value;

	if (jr_number(jr_get(object, key), &value))
		(void)snprintf(out, 32, "%.1f s ago", value);
	else
		(void)snprintf(out, 32, "never");
	return out;
}

static void print_source(const struct jr_value *source)
{
	char age[32];

	(void)printf("%-12s %-16s %-7s %-18s %-14s %-17s %s\n", main_text_of(source, "name"),
		     main_text_of(source, "device_id"), main_text_of(source, "state"),
		     main_text_of(source, "reason"), age_of(source, "last_ok_s", age),
		     main_text_of(source, "vin"), main_text_of(source, "detail"));
}

/* How a vehicle is read, where it is read by a profile. */
static void print_vehicle(const struct jr_value *source)
{
	const struct jr_value *refused = jr_get(source, "refused");
	double load = 0;

	if (!main_text_of(source, "profile")[0])
		return;
	(void)jr_number(jr_get(source, "bus_load_pct"), &load);
	(void)printf("             profile %s, vehicle %s, %.2f %% of the bus, %" PRId64
		     " of %" PRId64 " looks today\n",
		     main_text_of(source, "profile"), main_text_of(source, "activity"), load,
		     main_int_of(source, "looks_today"), main_int_of(source, "wake_budget"));
	if (main_text_of(source, "vin_given")[0])
		(void)printf("             the VIN %s is not believed: %s\n",
			     main_text_of(source, "vin_given"),
			     main_text_of(source, "vin_judgement"));
	for (size_t i = 0; i < jr_count(refused); i++)
		(void)printf("             not asked: %s, %s\n",
			     main_text_of(jr_at(refused, i), "command"),
			     main_text_of(jr_at(refused, i), "reason"));
}

/* How a bus is heard, where a source listens to one. */
static void print_bus(const struct jr_value *source)
{
	const char *asking = main_text_of(source, "asking");
	double rate = 0;

	if (!main_text_of(source, "map")[0])
		return;
	(void)jr_number(jr_get(source, "frames_per_s"), &rate);
	(void)printf("             %s: %.0f frames/s, %" PRId64 " dropped, controller %s%s%s\n",
		     main_text_of(source, "map"), rate, main_int_of(source, "dropped"),
		     main_text_of(source, "condition"), asking[0] ? ", " : "", asking);
	if (main_text_of(source, "vin_given")[0])
		(void)printf("             the VIN %s is not believed: %s\n",
			     main_text_of(source, "vin_given"),
			     main_text_of(source, "vin_judgement"));
}

static void print_status(const struct jr_value *status)
{
	const struct jr_value *uplink = jr_get(status, "uplink");
	const struct jr_value *spool = jr_get(status, "spool");
	const struct jr_value *sources = jr_get(status, "sources");
	char age[32];

	(void)printf("gateway   %s/%s, agent %s on %s, up %" PRId64 " s, clock %s\n",
		     main_text_of(status, "workspace"), main_text_of(status, "gateway_id"),
		     main_text_of(status, "agent_version"), main_text_of(status, "board"),
		     main_int_of(status, "uptime_s"), main_text_of(status, "clock"));
	(void)printf("uplink    %s:%" PRId64 " %s%s%s, MQTT %s, %" PRId64 " sent, %" PRId64
		     " again, %" PRId64 " committed, last %s\n",
		     main_text_of(uplink, "host"), main_int_of(uplink, "port"),
		     main_text_of(uplink, "state"), main_text_of(uplink, "reason")[0] ? " " : "",
		     main_text_of(uplink, "reason"), main_text_of(uplink, "protocol"),
		     main_int_of(uplink, "sent"), main_int_of(uplink, "resent"),
		     main_int_of(uplink, "acked"), age_of(uplink, "last_ack_s", age));
	if (main_text_of(uplink, "detail")[0])
		(void)printf("          %s\n", main_text_of(uplink, "detail"));
	(void)printf("spool     %" PRId64 " batches, %" PRId64 " bytes waiting; %" PRId64
		     " records given up\n",
		     main_int_of(spool, "batches"), main_int_of(spool, "bytes"),
		     main_int_of(spool, "dropped_total"));
	(void)printf("\n%-12s %-16s %-7s %-18s %-14s %-17s %s\n", "SOURCE", "DEVICE", "STATE",
		     "REASON", "LAST ANSWER", "VIN", "DETAIL");
	for (size_t i = 0; i < jr_count(sources); i++)
		print_source(jr_at(sources, i));
	(void)putchar('\n');
	for (size_t i = 0; i < jr_count(sources); i++) {
		(void)printf("%s\n", main_text_of(jr_at(sources, i), "name"));
		print_vehicle(jr_at(sources, i));
		print_bus(jr_at(sources, i));
	}
}

int main_ask(const struct agent_config *config, const char *request, struct buf *out)
{
	int r;

	buf_init(out, CONTROL_ANSWER_MAX + 1);
	r = control_ask(config->socket, request, ASK_TIMEOUT_MS, out);
	if (!r && !buf_text(out))
		r = out->error;
	return r;
}

static int status(const struct agent_config *config, const struct options *options)
{
	struct jr_error error;
	struct jr_doc *doc;
	struct buf out;
	int r = main_ask(config, "status", &out);

	if (r) {
		buf_free(&out);
		return main_fail(r == -ENOENT || r == -ECONNREFUSED ? "no agent is running here"
								    : "the agent does not answer",
				 r);
	}
	if (options->json) {
		(void)fputs(buf_text(&out), stdout);
	} else {
		r = jr_parse(out.data, out.len, &doc, &error);
		if (!r) {
			print_status(jr_root(doc));
			jr_free(doc);
		}
	}
	buf_free(&out);
	return r ? main_fail("the agent's answer cannot be read", r) : EXIT_DONE;
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int words; /* that may follow */
	int (*fn)(const struct agent_config *config, const struct options *options);
} commands[] = {
	{"run", 0, run},     {"check-config", 0, check_config}, {"status", 0, status},
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
	for (int i = optind + 1; i < argc; i++) {
		if (options.word_count == 3)
			return main_usage_error("unexpected word", argv[i]);
		options.words[options.word_count++] = argv[i];
	}
	return run_command(argv[optind], &options);
}
