/* freshet-agent: the edge gateway. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/daemon.h"
#include "agent/daemon_priv.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define ASK_TIMEOUT_MS 5000
#define LIST_MAX 1000

struct options {
	const char *config;
	bool json;
	const char *words[2]; /* after the command */
	int word_count;
};

static void print_usage(FILE *out)
{
	fputs("usage: freshet-agent COMMAND -c agent.conf [--json]\n"
	      "\n"
	      "  run              read, store and publish until SIGTERM\n"
	      "  check-config     say what is wrong with the configuration\n"
	      "  status           ask the running agent how it is\n"
	      "  probe [SOURCE]   open the sources and say what is behind them (agent stopped)\n"
	      "  spool ls         list the batches that the core has not committed\n"
	      "  spool verify     read every batch and compare its digest (agent stopped)\n"
	      "\n"
	      "  -c, --config FILE   the configuration (default /etc/freshet/agent.conf)\n"
	      "      --json          print JSON\n"
	      "  -V, --version\n"
	      "  -h, --help\n"
	      "\n"
	      "exit status: 0 done, 1 failed, 2 usage or configuration error\n",
	      out);
}

static int usage_error(const char *what, const char *word)
{
	(void)fprintf(stderr, "freshet-agent: %s%s%s\n", what, word ? ": " : "", word ? word : "");
	(void)fputs("freshet-agent --help says more\n", stderr);
	return EXIT_USAGE;
}

static int fail(const char *what, int error)
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
		(void)printf("%s: ok, gateway %s of workspace %s, %zu sources\n", options->config,
			     config->gateway_id, config->workspace, config->source_count);
	return EXIT_DONE;
}

static int probe(const struct agent_config *config, const struct options *options)
{
	const char *only = options->word_count ? options->words[0] : NULL;
	const int r = daemon_probe(config, only, options->json);

	if (r == -ENOENT)
		return usage_error("no such source", only ? only : "none is configured");
	if (r < 0)
		return fail("probe", r);
	return r ? EXIT_FAILED : EXIT_DONE;
}

/* ---- status ---- */

static const char *text_of(const struct jr_value *object, const char *key)
{
	const char *text = "";
	size_t len;

	return jr_string(jr_get(object, key), &text, &len) ? text : "";
}

static int64_t int_of(const struct jr_value *object, const char *key)
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

	(void)printf("%-12s %-16s %-7s %-18s %-14s %-17s %s\n", text_of(source, "name"),
		     text_of(source, "device_id"), text_of(source, "state"),
		     text_of(source, "reason"), age_of(source, "last_ok_s", age),
		     text_of(source, "vin"), text_of(source, "detail"));
}

static void print_status(const struct jr_value *status)
{
	const struct jr_value *uplink = jr_get(status, "uplink");
	const struct jr_value *spool = jr_get(status, "spool");
	const struct jr_value *sources = jr_get(status, "sources");
	char age[32];

	(void)printf("gateway   %s/%s, agent %s on %s, up %" PRId64 " s, clock %s\n",
		     text_of(status, "workspace"), text_of(status, "gateway_id"),
		     text_of(status, "agent_version"), text_of(status, "board"),
		     int_of(status, "uptime_s"), text_of(status, "clock"));
	(void)printf("uplink    %s:%" PRId64 " %s %s, MQTT %s, %" PRId64 " sent, %" PRId64
		     " again, %" PRId64 " committed, last %s\n",
		     text_of(uplink, "host"), int_of(uplink, "port"), text_of(uplink, "state"),
		     text_of(uplink, "reason"), text_of(uplink, "protocol"), int_of(uplink, "sent"),
		     int_of(uplink, "resent"), int_of(uplink, "acked"),
		     age_of(uplink, "last_ack_s", age));
	if (text_of(uplink, "detail")[0])
		(void)printf("          %s\n", text_of(uplink, "detail"));
	(void)printf("spool     %" PRId64 " batches, %" PRId64 " bytes waiting; %" PRId64
		     " records given up\n",
		     int_of(spool, "batches"), int_of(spool, "bytes"),
		     int_of(spool, "dropped_total"));
	(void)printf("\n%-12s %-16s %-7s %-18s %-14s %-17s %s\n", "SOURCE", "DEVICE", "STATE",
		     "REASON", "LAST ANSWER", "VIN", "DETAIL");
	for (size_t i = 0; i < jr_count(sources); i++)
		print_source(jr_at(sources, i));
}

/* Asks the daemon; the answer is in `out`. */
static int ask(const struct agent_config *config, const char *request, struct buf *out)
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
	int r = ask(config, "status", &out);

	if (r) {
		buf_free(&out);
		return fail(r == -ENOENT || r == -ECONNREFUSED ? "no agent is running here"
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
	return r ? fail("the agent's answer cannot be read", r) : EXIT_DONE;
}

/* ---- spool ---- */

static int open_spool(const struct agent_config *config, struct clock_system *clock,
		      struct spool **ret_spool)
{
	char path[DAEMON_PATH_MAX];
	char error[256] = "";
	char *notice = NULL;
	const struct spool_config spool = {.path = path,
					   .max_bytes = config->spool_bytes,
					   .max_age_ms = config->spool_age_ms,
					   .clock = &clock->clock};
	int r = daemon_spool_path(config, path);

	if (!r && access(path, R_OK))
		r = -errno;
	if (!r)
		r = clock_system_init(clock, config->trust);
	if (!r)
		r = spool_open(&spool, ret_spool, &notice, error, sizeof(error));
	if (notice)
		(void)fprintf(stderr, "freshet-agent: %s\n", notice);
	if (r && error[0])
		(void)fprintf(stderr, "freshet-agent: %s\n", error);
	free(notice);
	return r;
}

static int print_batches(const char *json, size_t len, bool as_json)
{
	const struct jr_value *items;
	struct jr_error error;
	struct jr_doc *doc;
	int r;

	if (as_json) {
		(void)printf("%.*s\n", (int)len, json);
		return 0;
	}
	r = jr_parse(json, len, &doc, &error);
	if (r)
		return r;
	items = jr_get(jr_root(doc), "items");
	(void)printf("%10s  %-32s %10s %-7s %7s %9s\n", "ID", "EPOCH", "BATCH", "CLASS", "RECORDS",
		     "BYTES");
	for (size_t i = 0; i < jr_count(items); i++) {
		const struct jr_value *item = jr_at(items, i);

		(void)printf("%10" PRId64 "  %-32s %10" PRId64 " %-7s %7" PRId64 " %9" PRId64 "\n",
			     int_of(item, "id"), text_of(item, "epoch"), int_of(item, "batch"),
			     text_of(item, "class"), int_of(item, "records"),
			     int_of(item, "bytes"));
	}
	(void)printf("%" PRId64 " batches, %" PRId64 " bytes; the oldest %zu are shown\n",
		     int_of(jr_root(doc), "batches"), int_of(jr_root(doc), "bytes"),
		     jr_count(items));
	jr_free(doc);
	return 0;
}

/* The same document as the daemon's, from the file. */
static int list_stopped(const struct agent_config *config, struct buf *out)
{
	struct clock_system clock;
	struct spool_stats stats;
	struct spool *spool;
	struct jw w;
	int lock;
	int r;

	lock = daemon_lock(config);
	if (lock < 0)
		return lock;
	r = open_spool(config, &clock, &spool);
	if (r)
		goto out;
	spool_stats(spool, &stats);
	jw_init(&w, out);
	jw_open_object(&w);
	jw_int(&w, "batches", stats.batches);
	jw_int(&w, "bytes", stats.bytes);
	jw_key(&w, "items");
	r = daemon_encode_batches(&w, spool, 0, LIST_MAX);
	jw_close_object(&w);
	r = r < 0 ? r : out->error;
	spool_close(spool);
out:
	close(lock);
	return r;
}

static int spool_ls(const struct agent_config *config, const struct options *options)
{
	struct buf out;
	int r = ask(config, "spool ls 0", &out);

	if (r == -ENOENT || r == -ECONNREFUSED) {
		buf_reset(&out);
		r = list_stopped(config, &out);
	}
	if (!r)
		r = print_batches(out.data, out.len, options->json);
	buf_free(&out);
	return r ? fail("spool ls", r) : EXIT_DONE;
}

struct verdict {
	int64_t batches, bytes, wrong, last;
};

static int judge(void *arg, const struct spool_batch *batch)
{
	struct verdict *verdict = arg;
	char digest[WIRE_DIGEST_SIZE];

	wire_digest(batch->data, batch->len, digest);
	verdict->wrong += strcmp(digest, batch->digest) != 0;
	verdict->batches++;
	verdict->bytes += (int64_t)batch->len;
	verdict->last = batch->id;
	return 0;
}

static int spool_verify(const struct agent_config *config, const struct options *options)
{
	struct verdict verdict = {0};
	struct spool_stats before;
	struct spool_stats after;
	struct clock_system clock;
	struct spool *spool;
	int64_t unreadable = 0;
	const int lock = daemon_lock(config);
	int r;

	if (lock < 0)
		return lock == -EWOULDBLOCK ? usage_error("stop the agent first", NULL)
					    : fail("spool verify", lock);
	r = open_spool(config, &clock, &spool);
	if (r)
		goto out;
	spool_stats(spool, &before);
	do
		r = spool_peek(spool, SPOOL_OLDEST_FIRST, verdict.last, LIST_MAX, judge, &verdict);
	while (r == LIST_MAX);
	spool_stats(spool, &after);
	spool_close(spool);
	/* A batch that cannot be read is given up by the spool, which counts its records. */
	unreadable = after.dropped_total - before.dropped_total;
	if (r >= 0 && options->json)
		(void)printf("{\"batches\":%" PRId64 ",\"bytes\":%" PRId64 ",\"wrong\":%" PRId64
			     ",\"unreadable_records\":%" PRId64 "}\n",
			     verdict.batches, verdict.bytes, verdict.wrong, unreadable);
	else if (r >= 0)
		(void)printf("%" PRId64 " batches, %" PRId64 " bytes, %" PRId64
			     " with a wrong digest, %" PRId64 " unreadable records\n",
			     verdict.batches, verdict.bytes, verdict.wrong, unreadable);
out:
	close(lock);
	if (r < 0)
		return fail("spool verify", r);
	return verdict.wrong || unreadable ? EXIT_FAILED : EXIT_DONE;
}

static int spool(const struct agent_config *config, const struct options *options)
{
	const char *what = options->word_count ? options->words[0] : "";

	if (strcmp(what, "ls") == 0)
		return spool_ls(config, options);
	if (strcmp(what, "verify") == 0)
		return spool_verify(config, options);
	return usage_error("spool ls or spool verify is expected", what);
}

/* ---- command line ---- */

static const struct {
	const char *name;
	int words; /* that may follow */
	int (*fn)(const struct agent_config *config, const struct options *options);
} commands[] = {
	{"run", 0, run},       {"check-config", 0, check_config},
	{"status", 0, status}, {"probe", 1, probe},
	{"spool", 1, spool},
};

static int run_command(const char *name, const struct options *options)
{
	struct agent_config config;
	int r;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (options->word_count > commands[i].words)
			return usage_error("unexpected word",
					   options->words[options->word_count - 1]);
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
	return usage_error("unknown command", name);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
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
			return usage_error("see above", NULL);
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	for (int i = optind + 1; i < argc; i++) {
		if (options.word_count == 2)
			return usage_error("unexpected word", argv[i]);
		options.words[options.word_count++] = argv[i];
	}
	return run_command(argv[optind], &options);
}
