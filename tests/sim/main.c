/* freshet-sim: a depot on a laptop. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "base/clock.h"
#include "base/loop.h"
#include "tests/sim/depot.h"
#include "tests/sim/gps_line.h"
#include "tests/sim/sim_control.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
	"usage: freshet-sim depot   --vehicles N --dir DIR [OPTIONS] [--json|--agent-conf]\n"
	"       freshet-sim elm327  --dir DIR | --tcp  [--vehicle NAME] [OPTIONS]\n"
	"       freshet-sim can     --interface NAME [--vehicle NAME] [OPTIONS]\n"
	"       freshet-sim gps     --dir DIR | --tcp  [OPTIONS]\n"
	"       freshet-sim tell    --control SOCKET VEHICLE|all WHAT\n"
	"       freshet-sim fault   --control SOCKET VEHICLE|all WHAT\n"
	"\n"
	"depot    plays N vehicles, each with an ELM327 adapter on a pty named DIR/VEHICLE (or on a\n"
	"         TCP port), and prints where they are and which profile reads them, one a line;\n"
	"         --agent-conf prints the sections of an agent's configuration instead.\n"
	"elm327   one adapter with a vehicle behind it.\n"
	"can      a vehicle on a CAN interface (vcan0), for an agent's device = can:NAME.\n"
	"\n"
	"         --vehicle NAME[,NAME...]  which vehicles, in turn (a depot has one of each unless\n"
	"                 --vehicles says more): bus van car truck suv old-van ioniq5 niro leaf-24\n"
	"                 leaf-30 leaf-40 i3 id4 zoe-40 zoe bolt mach-e bz4x. Without it: bus, van, car,\n"
	"                 truck.\n"
	"         --temperament NAME  plain; stn: an STN1110; v15: the 1.4b command set; clone: a poor\n"
	"                 \"v2.1\" without flow control; moody: resets, drops prompts and characters;\n"
	"                 slow: 9600 baud, 1-2 s an answer.\n"
	"         --baud N  a pty whose other end is set to another speed gets garbage, and sends it;\n"
	"                 any: every speed will do (default: the temperament's own, plain any).\n"
	"         --activity driving|standing|parked|charging|fast-charging  all do this, for good.\n"
	"         --freeze  nothing changes any more (see tell).\n"
	"         --control SOCKET  where tell and fault find it.\n"
	"         --journal FILE  keeps a line of JSON for each answer served.\n"
	"         --delay-ms N  how long a control unit needs to answer (default 8).\n"
	"         --odometer-step KM  each reading of an odometer is further by KM (tests tell answers\n"
	"                 apart by it).\n"
	"         --tcp   TCP ports instead of ptys.\n"
	"\n"
	"gps      an NMEA receiver on a pty named DIR/gps, or on a TCP port; it drives in a circle.\n"
	"         --control, --freeze (it stands), --tcp as above; --interval-ms N  between two fixes\n"
	"                 (default 1000).\n"
	"         fault --control SOCKET gps WHAT: no-fix, cold-start, garbage, rollover, cut, silence,\n"
	"                 repeat, jump, unplug, plug, or none. tell: freeze, thaw, truth.\n"
	"\n"
	"tell     WHAT is an activity (see above), freeze, thaw, or truth: what is true of the vehicle\n"
	"         now, as JSON, in the canonical model's fields.\n"
	"fault    WHAT is unplug, plug, silence, asleep, mute, garbage, can-error, lv-reset, slow,\n"
	"         no-prompt, or none to end a fault; on CAN silence, deaf (to flow control), lost-frame,\n"
	"         wrong-sequence, cut-off, slow, refuse.\n";

enum option_code {
	OPT_VEHICLES = 256,
	OPT_DIR,
	OPT_CONTROL,
	OPT_JOURNAL,
	OPT_DELAY,
	OPT_STEP,
	OPT_VEHICLE,
	OPT_TEMPERAMENT,
	OPT_BAUD,
	OPT_ACTIVITY,
	OPT_FREEZE,
	OPT_TCP,
	OPT_INTERVAL,
	OPT_INTERFACE,
	OPT_JSON,
	OPT_AGENT_CONF,
	OPT_HELP
};

static const struct option long_options[] = {
	{"vehicles", required_argument, NULL, OPT_VEHICLES},
	{"dir", required_argument, NULL, OPT_DIR},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"journal", required_argument, NULL, OPT_JOURNAL},
	{"delay-ms", required_argument, NULL, OPT_DELAY},
	{"odometer-step", required_argument, NULL, OPT_STEP},
	{"vehicle", required_argument, NULL, OPT_VEHICLE},
	{"temperament", required_argument, NULL, OPT_TEMPERAMENT},
	{"baud", required_argument, NULL, OPT_BAUD},
	{"activity", required_argument, NULL, OPT_ACTIVITY},
	{"freeze", no_argument, NULL, OPT_FREEZE},
	{"tcp", no_argument, NULL, OPT_TCP},
	{"interval-ms", required_argument, NULL, OPT_INTERVAL},
	{"interface", required_argument, NULL, OPT_INTERFACE},
	{"json", no_argument, NULL, OPT_JSON},
	{"agent-conf", no_argument, NULL, OPT_AGENT_CONF},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

struct arguments {
	struct depot_options depot;
	unsigned kinds; /* listed with --vehicle */
	bool counted;   /* --vehicles was given */
	bool baud_given;
	int64_t interval_us; /* of a GPS */
	bool json;
	bool agent_conf;
	bool help;
};

static bool parse_count(const char *text, long least, long most, long *ret_value)
{
	char *end = NULL;
	long value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < least || value > most) {
		fprintf(stderr, "freshet-sim: '%s': expected a number from %ld to %ld\n", text,
			least, most);
		return false;
	}
	*ret_value = value;
	return true;
}

static bool parse_km(const char *text, double *ret_value)
{
	char *end = NULL;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= 0) || value > 1000) {
		fprintf(stderr, "freshet-sim: '%s': expected kilometres from 0 to 1000\n", text);
		return false;
	}
	*ret_value = value;
	return true;
}

static bool parse_temperament(const char *text, enum elm327_temperament *ret)
{
	if (elm327_temperament_parse(text, ret) == 0)
		return true;
	fprintf(stderr, "freshet-sim: '%s': expected plain, stn, v15, clone, moody or slow\n",
		text);
	return false;
}

/* "ioniq5,zoe"; *ret_count: how many. */
static bool parse_vehicles(const char *text, unsigned *ret_count)
{
	unsigned count = 0;

	for (const char *name = text;; name = strchr(name, ',') + 1) {
		enum vehicle_kind kind;
		char one[32];

		(void)snprintf(one, sizeof(one), "%.*s", (int)strcspn(name, ","), name);
		if (vehicle_kind_parse(one, &kind) < 0) {
			fprintf(stderr,
				"freshet-sim: '%s': expected a vehicle; --help lists them\n", one);
			return false;
		}
		count++;
		if (!strchr(name, ','))
			break;
	}
	*ret_count = count;
	return true;
}

static bool parse_activity(const char *text)
{
	enum vehicle_activity activity;

	if (vehicle_activity_parse(text, &activity) == 0)
		return true;
	fprintf(stderr,
		"freshet-sim: '%s': expected driving, standing, parked, charging or fast-charging\n",
		text);
	return false;
}

static bool take_option(struct arguments *args, int code)
{
	long number = 0;

	switch (code) {
	case OPT_VEHICLES:
		if (!parse_count(optarg, 1, 1000, &number))
			return false;
		args->depot.vehicles = (unsigned)number;
		args->counted = true;
		return true;
	case OPT_VEHICLE:
		args->depot.kinds = optarg;
		return parse_vehicles(optarg, &args->kinds);
	case OPT_TEMPERAMENT:
		return parse_temperament(optarg, &args->depot.temperament);
	case OPT_BAUD:
		args->baud_given = true;
		if (strcmp(optarg, "any") != 0 && !parse_count(optarg, 4800, 500000, &number))
			return false;
		args->depot.baud = (unsigned)number;
		return true;
	case OPT_ACTIVITY:
		args->depot.activity = optarg;
		return parse_activity(optarg);
	case OPT_FREEZE:
		args->depot.frozen = true;
		return true;
	case OPT_DELAY:
		if (!parse_count(optarg, 0, 60000, &number))
			return false;
		args->depot.delay_us = number * 1000;
		return true;
	case OPT_STEP:
		return parse_km(optarg, &args->depot.odometer_step_km);
	case OPT_DIR:
		args->depot.dir = optarg;
		return true;
	case OPT_CONTROL:
		args->depot.control = optarg;
		return true;
	case OPT_JOURNAL:
		args->depot.journal = optarg;
		return true;
	case OPT_TCP:
		args->depot.tcp = true;
		return true;
	case OPT_INTERVAL:
		if (!parse_count(optarg, 50, 60000, &number))
			return false;
		args->interval_us = number * 1000;
		return true;
	case OPT_INTERFACE:
		args->depot.can = optarg;
		return true;
	case OPT_JSON:
		args->json = true;
		return true;
	case OPT_AGENT_CONF:
		args->agent_conf = true;
		return true;
	case OPT_HELP:
		args->help = true;
		return true;
	default:
		return false;
	}
}

static void on_stop(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

static int fail(const char *what, int rc)
{
	fprintf(stderr, "freshet-sim: %s: %s\n", what, strerror(-rc));
	return EXIT_FAILED;
}

/* What a simulator stands on. */
struct stage {
	struct clock_system clock;
	struct loop *loop;
};

/* Exit code; says what is wrong. The loop is the caller's to destroy in any case. */
static int set_stage(const struct arguments *args, struct stage *stage)
{
	int rc;

	if (!args->depot.tcp && !args->depot.dir && !args->depot.can) {
		fprintf(stderr, "freshet-sim: expected --dir DIR (or --tcp)\n");
		return EXIT_USAGE;
	}
	if (args->depot.dir && mkdir(args->depot.dir, 0755) != 0 && errno != EEXIST)
		return fail(args->depot.dir, -errno);
	rc = clock_system_init(&stage->clock, CLOCK_TRUST_KERNEL);
	if (rc < 0)
		return fail("boot id", rc);
	rc = loop_create(&stage->clock.clock, &stage->loop);
	if (rc == 0)
		rc = loop_signal(stage->loop, SIGTERM, on_stop, stage->loop);
	if (rc == 0)
		rc = loop_signal(stage->loop, SIGINT, on_stop, stage->loop);
	return rc < 0 ? fail("event loop", rc) : EXIT_DONE;
}

static int run_depot(const struct arguments *args)
{
	struct stage stage = {.loop = NULL};
	struct depot *depot = NULL;
	int code = set_stage(args, &stage);
	int rc;

	if (code != EXIT_DONE)
		goto out;
	rc = depot_create(stage.loop, &args->depot, &depot);
	if (rc < 0) {
		code = fail("depot", rc);
		goto out;
	}
	depot_print(depot, args->json, args->agent_conf);
	rc = loop_run(stage.loop);
	if (rc < 0)
		code = fail("event loop", rc);
out:
	depot_destroy(depot);
	loop_destroy(stage.loop);
	return code;
}

static int run_gps(const struct arguments *args)
{
	const struct gps_line_options options = {.dir = args->depot.dir,
						 .control = args->depot.control,
						 .interval_us = args->interval_us,
						 .frozen = args->depot.frozen,
						 .tcp = args->depot.tcp};
	struct stage stage = {.loop = NULL};
	struct gps_line *line = NULL;
	int code = set_stage(args, &stage);
	int rc;

	if (code != EXIT_DONE)
		goto out;
	rc = gps_line_create(stage.loop, &stage.clock.clock, &options, &line);
	if (rc < 0) {
		code = fail("gps", rc);
		goto out;
	}
	printf(args->json ? "{\"gps\":\"gps\",\"device\":\"%s\"}\n" : "gps %s\n",
	       gps_line_address(line));
	fflush(stdout);
	rc = loop_run(stage.loop);
	if (rc < 0)
		code = fail("event loop", rc);
out:
	gps_line_destroy(line);
	loop_destroy(stage.loop);
	return code;
}

static int run_tell(const struct arguments *args, int argc, char **argv)
{
	if (!args->depot.control || argc != 2) {
		fprintf(stderr, "freshet-sim: expected --control SOCKET VEHICLE|all WHAT\n");
		return EXIT_USAGE;
	}
	return sim_control_send(args->depot.control, argv[0], argv[1]);
}

int main(int argc, char **argv)
{
	struct arguments args = {.depot = {.vehicles = 1, .delay_us = 8000},
				 .interval_us = 1000000};
	const char *command = argc > 1 ? argv[1] : "";
	int code;

	if (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	optind = 2;
	while (argc > 1 && (code = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (!take_option(&args, code == 'h' ? OPT_HELP : code)) {
			fprintf(stderr, "%s", usage);
			return EXIT_USAGE;
		}
	}
	if (args.help) {
		fputs(usage, stdout);
		return EXIT_DONE;
	}
	if (!args.baud_given && args.depot.temperament != ELM327_TEMPER_PLAIN)
		args.depot.baud = elm327_temperament_baud(args.depot.temperament);
	if (!args.counted && args.kinds > 0)
		args.depot.vehicles = args.kinds;
	if (strcmp(command, "depot") == 0 && optind == argc)
		return run_depot(&args);
	if (strcmp(command, "gps") == 0 && optind == argc)
		return run_gps(&args);
	if (strcmp(command, "elm327") == 0 && optind == argc) {
		args.depot.vehicles = args.kinds > 0 ? args.kinds : 1;
		return run_depot(&args);
	}
	if (strcmp(command, "can") == 0 && optind == argc && args.depot.can) {
		args.depot.vehicles = 1;
		return run_depot(&args);
	}
	if (strcmp(command, "fault") == 0 || strcmp(command, "tell") == 0)
		return run_tell(&args, argc - optind, argv + optind);
	fprintf(stderr, "%s", usage);
	return EXIT_USAGE;
}
