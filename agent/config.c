#include "agent/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_spool.h"
#include "agent/source/bus_table.h"
#include "base/ids.h"

#define KIB INT64_C(1024)
#define MIB (KIB * KIB)
#define PERIOD_MIN_US INT64_C(20000)
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* The order of clock_trust, log_level and uplink_tls is that of the words here. */
static const struct conf_key agent_keys[] = {
	{"workspace", CONF_ID, NULL, 0, 0, NULL, "the id of the workspace"},
	{"gateway_id", CONF_ID, NULL, 0, 0, NULL, "the id of this gateway"},
	{"state_dir", CONF_PATH, "/var/lib/freshet", 0, 0, NULL, "a folder that lasts"},
	{"run_dir", CONF_PATH, "/run/freshet", 0, 0, NULL,
	 "a folder on tmpfs, for this gateway alone"},
	{"socket", CONF_PATH, "/run/freshet/agent.sock", 0, 0, NULL, "the path of a unix socket"},
	{"profile_dir", CONF_PATH, "", 0, 0, NULL,
	 "the folder of the vehicle profiles, those that come with the agent by default"},
	{"map_dir", CONF_PATH, "", 0, 0, NULL,
	 "the folder of the maps of buses, those that come with the agent by default"},
	{.name = NULL},
};
static const struct conf_key clock_keys[] = {
	{"trust", CONF_ENUM, "kernel", 0, 0, "kernel gps core always",
	 "who vouches for the system's clock: kernel, gps, core or always"},
	{.name = NULL},
};
enum { TLS_AUTO, TLS_ON, TLS_OFF };
static const struct conf_key mqtt_keys[] = {
	{"host", CONF_TEXT, "127.0.0.1", 1, 253, NULL, "the broker's name or address"},
	{"port", CONF_INT, "0", 0, 65535, NULL, "the broker's port, 0 for 1883 or with TLS 8883"},
	{"protocol", CONF_ENUM, "auto", 0, 0, "auto 3.1.1 5", "auto, 3.1.1 or 5"},
	{"password_file", CONF_PATH, "", 0, 0, NULL,
	 "a file with the gateway's password, mode 0600"},
	{"tls", CONF_ENUM, "auto", 0, 0, "auto on off",
	 "auto, on or off; auto is on where the broker is not on this machine"},
	{"ca_file", CONF_PATH, "/etc/ssl/certs/ca-certificates.crt", 0, 0, NULL,
	 "the certificates that vouch for the broker (PEM)"},
	{"cert_file", CONF_PATH, "", 0, 0, NULL, "the gateway's certificate (PEM)"},
	{"key_file", CONF_PATH, "", 0, 0, NULL, "its key (PEM), mode 0600"},
	{"keepalive", CONF_DURATION, "30 s", 5000, 600000, NULL,
	 "how often a silent connection is tried"},
	{"connect_timeout", CONF_DURATION, "15 s", 1000, 120000, NULL,
	 "how long name, TCP, TLS and login may take together"},
	{"dead_after", CONF_DURATION, "20 s", 2000, 10 * MINUTE_MS, NULL,
	 "how long the broker may take to confirm what it gets"},
	{"window", CONF_INT, "256", 1, WINDOW_MAX, NULL,
	 "how many batches may wait for the core's acknowledgement"},
	{"window_bytes", CONF_SIZE, "2 MiB", 64 * KIB, 64 * MIB, NULL,
	 "how many bytes may wait for the core's acknowledgement"},
	{"resend", CONF_DURATION, "10 s", 500, 10 * MINUTE_MS, NULL,
	 "how long an acknowledgement is awaited at first"},
	{"resend_max", CONF_DURATION, "30 s", 500, HOUR_MS, NULL,
	 "the longest wait for an acknowledgement"},
	{"backlog_rate", CONF_SIZE, "auto", 0, KIB *MIB, "auto",
	 "auto, or bytes a second that what has piled up may take at most"},
	{"reconnect_min", CONF_DURATION, "1 s", 100, HOUR_MS, NULL,
	 "the shortest pause before a reconnect"},
	{"reconnect_max", CONF_DURATION, "2 min", 100, HOUR_MS, NULL,
	 "the longest pause before a reconnect"},
	{"stable_after", CONF_DURATION, "1 min", 0, HOUR_MS, NULL,
	 "how long a session must last until the next reconnect is quick again"},
	{"status_interval", CONF_DURATION, "1 min", 1000, HOUR_MS, NULL,
	 "the time between two reports"},
	{.name = NULL},
};
static const struct conf_key batch_keys[] = {
	{"max_records", CONF_INT, "100", 1, WIRE_RECORDS_MAX, NULL, "the most records of a batch"},
	{"max_bytes", CONF_SIZE, "64 KiB", 1024, 512 * KIB, NULL,
	 "the most bytes of a batch before compression"},
	{"max_age", CONF_DURATION, "100 ms", 0, 60000, NULL,
	 "how long a change may wait for the spool, shorter than every period"},
	{"max_age_offline", CONF_DURATION, "1 s", 0, 60000, NULL,
	 "the same for samples while the link is down; they fill batches"},
	{"min_interval", CONF_DURATION, "1 s", 0, HOUR_MS, NULL,
	 "the time between two values of a number that changes all the time, 0 for no limit"},
	{"heartbeat", CONF_DURATION, "2 min", 100, DAY_MS, NULL,
	 "when a value that is read but does not change is stated again at the latest"},
	{"keyframe", CONF_DURATION, "5 min", 1000, 5 * MINUTE_MS, NULL,
	 "when a device is stated whole again"},
	{.name = NULL},
};
static const struct conf_key log_keys[] = {
	{"level", CONF_ENUM, "info", 0, 0, "error warning notice info debug",
	 "error, warning, notice, info or debug"},
	{.name = NULL},
};
static const struct conf_key source_keys[] = {
	{"kind", CONF_TEXT, NULL, 1, 15, NULL, "the kind of the source: obd, gps, j1939 or can"},
	{"device", CONF_TEXT, NULL, 1, 200, NULL,
	 STREAM_ADDRESS_FORMS "; obd, j1939 and can: can:INTERFACE; gps: gpsd, too"},
	{"device_id", CONF_ID, NULL, 0, 0, NULL, "the id of the device whose data this is"},
	{"profile", CONF_TEXT, "generic", 1, 255, NULL,
	 "the name of a vehicle profile, or the absolute path of one"},
	{"signals", CONF_TEXT, "", 0, 900, NULL,
	 "what is wanted of the profile, such as state_of_charge_pct:10s odometer_km; all by default"},
	{"baud", CONF_TEXT, "auto", 1, 7, NULL, "auto, or the line's speed from 300 to 4000000"},
	{"period", CONF_DURATION, "0", 0, DAY_MS, NULL,
	 "the time between two readings of the fastest values, 0 as the profile says"},
	{"timeout", CONF_DURATION, "5 s", 200, 60000, NULL, "how long one answer may take"},
	{"bus_load", CONF_NUMBER, "2", 0, 50, NULL,
	 "percent of the bus's time that requests and answers may take, 0 for no limit"},
	{"wake_budget", CONF_INT, "48", 0, RHYTHM_BUDGET_MAX, NULL,
	 "how many requests a day a vehicle may get that sleeps"},
	{"asleep_retry", CONF_DURATION, "4 h", 1000, DAY_MS, NULL,
	 "the time between two looks at a vehicle that sleeps and whose voltage is measured"},
	{"voltage_period", CONF_DURATION, "1 min", 1000, HOUR_MS, NULL,
	 "the time between two measurements of the voltage at the plug"},
	{"sleep_voltage", CONF_NUMBER, "12.4", 8, 16, NULL,
	 "the voltage at or below which a parked vehicle is left alone"},
	{"wake_voltage", CONF_NUMBER, "13.2", 8, 16, NULL,
	 "the voltage at or above which a vehicle that sleeps is looked at"},
	{"linger", CONF_DURATION, "5 min", 0, DAY_MS, NULL,
	 "how long a vehicle is read after it was switched off"},
	{"map", CONF_TEXT, "", 0, 255, NULL,
	 "j1939, can: the name of a map, or the absolute path of one"},
	{"requests", CONF_TEXT, "", 0, 200, NULL,
	 "j1939: what is asked for, such as vin hours; nothing by default"},
	{"request_period", CONF_DURATION, "10 min", MINUTE_MS, DAY_MS, NULL,
	 "the time between two requests of one thing"},
	{"speed", CONF_BOOL, "no", 0, 0, NULL,
	 "yes or no; for vehicles that do not tell their speed themselves"},
	{"simulated", CONF_BOOL, "no", 0, 0, NULL, "yes or no; simulated data is never billable"},
	{.name = NULL},
};

static const struct conf_section schema[] = {
	{"agent", CONF_REQUIRED, agent_keys},
	{"clock", CONF_OPTIONAL, clock_keys},
	{"mqtt", CONF_OPTIONAL, mqtt_keys},
	{"spool", CONF_OPTIONAL, config_spool_keys},
	{"batch", CONF_OPTIONAL, batch_keys},
	{"deadband", CONF_OPTIONAL, deadband_keys},
	{"log", CONF_OPTIONAL, log_keys},
	{"source", CONF_MANY, source_keys},
	{.kind = NULL},
};

static int64_t us_of(const struct conf_sect *sect, const char *key)
{
	return conf_int(sect, key) * 1000;
}

static const char *path_if_set(const struct conf_sect *sect, const char *key)
{
	return conf_is_set(sect, key) ? conf_text(sect, key) : NULL;
}

static const char *map_folder(const struct conf *conf)
{
	const char *dir = path_if_set(conf_get(conf, "agent"), "map_dir");

	return dir ? dir : bus_map_dir();
}

static const char *profile_folder(const struct conf *conf)
{
	const char *dir = path_if_set(conf_get(conf, "agent"), "profile_dir");

	return dir ? dir : profile_dir();
}

/* ---- reading ---- */

static void read_uplink(struct agent_config *config)
{
	const struct conf_sect *mqtt = conf_get(config->conf, "mqtt");
	struct uplink_config *uplink = &config->uplink;

	uplink->workspace = config->workspace;
	uplink->gateway_id = config->gateway_id;
	uplink->host = conf_text(mqtt, "host");
	uplink->protocol = (enum uplink_protocol)conf_int(mqtt, "protocol");
	uplink->tls = conf_int(mqtt, "tls") == TLS_ON ||
		      (conf_int(mqtt, "tls") == TLS_AUTO && !conf_host_is_loopback(uplink->host));
	uplink->port = (int)conf_int(mqtt, "port");
	if (!uplink->port)
		uplink->port = uplink->tls ? 8883 : 1883;
	uplink->password_file = path_if_set(mqtt, "password_file");
	uplink->ca_file = conf_text(mqtt, "ca_file");
	uplink->cert_file = path_if_set(mqtt, "cert_file");
	uplink->key_file = path_if_set(mqtt, "key_file");
	uplink->keepalive_s = (int)(conf_int(mqtt, "keepalive") / 1000);
	uplink->connect_us = us_of(mqtt, "connect_timeout");
	uplink->dead_us = us_of(mqtt, "dead_after");
	uplink->reconnect_min_us = us_of(mqtt, "reconnect_min");
	uplink->reconnect_max_us = us_of(mqtt, "reconnect_max");
	uplink->stable_us = us_of(mqtt, "stable_after");
	uplink->window.batches = (int)conf_int(mqtt, "window");
	uplink->window.bytes = conf_int(mqtt, "window_bytes");
	uplink->window.resend_us = us_of(mqtt, "resend");
	uplink->window.resend_max_us = us_of(mqtt, "resend_max");
	uplink->window.backlog_rate = conf_int(mqtt, "backlog_rate");
	uplink->status_us = us_of(mqtt, "status_interval");
}

static void read_source(const struct conf_sect *sect, struct source_config *source)
{
	source->name = conf_name(sect);
	source->kind = conf_text(sect, "kind");
	source->device = conf_text(sect, "device");
	source->device_id = conf_text(sect, "device_id");
	source->signals = conf_text(sect, "signals");
	source->baud = (unsigned)strtoul(conf_text(sect, "baud"), NULL, 10); /* auto: 0 */
	source->period_us = us_of(sect, "period");
	source->timeout_us = us_of(sect, "timeout");
	rhythm_defaults(&source->rhythm);
	source->rhythm.bus_load_pct = conf_number(sect, "bus_load");
	source->rhythm.wake_budget = (int)conf_int(sect, "wake_budget");
	source->rhythm.asleep_retry_us = us_of(sect, "asleep_retry");
	source->rhythm.voltage_us = us_of(sect, "voltage_period");
	source->rhythm.sleep_below_v = conf_number(sect, "sleep_voltage");
	source->rhythm.wake_above_v = conf_number(sect, "wake_voltage");
	source->rhythm.linger_us = us_of(sect, "linger");
	source->speed = conf_bool(sect, "speed");
	source->requests = conf_text(sect, "requests");
	source->request_us = us_of(sect, "request_period");
	source->simulated = conf_bool(sect, "simulated");
}

static void read_all(struct agent_config *config)
{
	static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING,
						LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};
	const struct conf_sect *agent = conf_get(config->conf, "agent");
	const struct conf_sect *batch = conf_get(config->conf, "batch");
	const struct conf_sect *spool = conf_get(config->conf, "spool");
	const struct conf_sect *sect = NULL;

	config->workspace = conf_text(agent, "workspace");
	config->gateway_id = conf_text(agent, "gateway_id");
	config->state_dir = conf_text(agent, "state_dir");
	config->run_dir = conf_text(agent, "run_dir");
	config->socket = conf_text(agent, "socket");
	config->trust = (enum clock_trust)conf_int(conf_get(config->conf, "clock"), "trust");
	config->log_level = levels[conf_int(conf_get(config->conf, "log"), "level")];
	config->sampler.max_records = (int)conf_int(batch, "max_records");
	config->sampler.max_bytes = conf_int(batch, "max_bytes");
	config->sampler.max_age_us = us_of(batch, "max_age");
	config->sampler.max_age_offline_us = us_of(batch, "max_age_offline");
	config->sampler.min_interval_us = us_of(batch, "min_interval");
	config->sampler.heartbeat_us = us_of(batch, "heartbeat");
	config->sampler.keyframe_us = us_of(batch, "keyframe");
	deadband_read(conf_get(config->conf, "deadband"), &config->sampler.bands);
	config_read_spool(spool, &config->spool);
	read_uplink(config);
	config->source_count = 0;
	while ((sect = conf_next(config->conf, "source", sect)) != NULL)
		if (config->source_count < WIRE_SOURCES_MAX)
			read_source(sect, &config->sources[config->source_count++]);
}

/* ---- what no schema can say; each returns 0 or -ENOMEM ---- */

static int check_mqtt(struct agent_config *config)
{
	const struct conf_sect *mqtt = conf_get(config->conf, "mqtt");
	int r = 0;

	if (!config->uplink.cert_file != !config->uplink.key_file)
		r = conf_add_error(config->conf, mqtt,
				   config->uplink.cert_file ? "key_file" : "cert_file",
				   "both cert_file and key_file, or neither");
	if (!r && config->uplink.reconnect_max_us < config->uplink.reconnect_min_us)
		r = conf_add_error(config->conf, mqtt, "reconnect_max",
				   "no less than reconnect_min");
	if (!r && config->uplink.window.resend_max_us < config->uplink.window.resend_us)
		r = conf_add_error(config->conf, mqtt, "resend_max", "no less than resend");
	return r;
}

int agent_config_check_secrets(const struct agent_config *config, FILE *errors)
{
	const struct conf_sect *mqtt = conf_get(config->conf, "mqtt");
	int r = conf_check_secret(config->conf, mqtt, "password_file");

	if (!r)
		r = conf_check_secret(config->conf, mqtt, "key_file");
	if (!r && conf_error_count(config->conf)) {
		conf_print_errors(config->conf, errors);
		r = -EINVAL;
	}
	return r;
}

/* A CAN interface has room for sources of several kinds, each of which takes its own frames. */
static bool may_share(const struct conf_sect *one, const struct conf_sect *other)
{
	return strncmp(conf_text(one, "device"), "can:", 4) == 0 &&
	       strcmp(conf_text(one, "kind"), conf_text(other, "kind")) != 0;
}

static int check_twins(struct agent_config *config, const struct conf_sect *sect)
{
	const struct conf_sect *other = NULL;
	char expected[160];

	while ((other = conf_next(config->conf, "source", other)) != sect) {
		if (strcmp(conf_text(other, "device"), conf_text(sect, "device")) != 0 ||
		    may_share(sect, other))
			continue;
		(void)snprintf(expected, sizeof(expected),
			       "a device of its own: [source %s] already reads this one",
			       conf_name(other));
		return conf_add_error(config->conf, sect, "device", expected);
	}
	return 0;
}

/* Only what asks a vehicle has to know what it understands. */
static bool takes_profile(const struct source_config *source)
{
	return strcmp(source->kind, "obd") == 0;
}

/* And what listens to a bus, what is said there. */
static bool takes_map(const struct source_config *source)
{
	return strcmp(source->kind, "j1939") == 0 || strcmp(source->kind, "can") == 0;
}

static int check_kind(struct agent_config *config, const struct conf_sect *sect,
		      const struct source_config *source)
{
	const struct source_ops *ops = source_kind(conf_text(sect, "kind"));
	const char *key = "kind";
	char expected[160] = "";
	int r;

	if (!ops) {
		size_t len = (size_t)snprintf(expected, sizeof(expected),
					      "a kind that this build has, one of:");

		for (size_t i = 0; source_kind_at(i) && len < sizeof(expected); i++)
			len += (size_t)snprintf(expected + len, sizeof(expected) - len, " %s",
						source_kind_at(i)->kind);
		return conf_add_error(config->conf, sect, key, expected);
	}
	if ((takes_profile(source) && !source->profile) || (takes_map(source) && !source->table))
		return 0; /* told */
	r = ops->check(source, &key, expected, sizeof(expected));
	return r == -EINVAL ? conf_add_error(config->conf, sect, key, expected) : r;
}

static int check_baud(struct agent_config *config, const struct conf_sect *sect)
{
	const char *text = conf_text(sect, "baud");
	const unsigned long baud = strtoul(text, NULL, 10);

	if (strcmp(text, "auto") == 0 ||
	    (text[strspn(text, "0123456789")] == '\0' && baud >= 300 && baud <= 4000000))
		return 0;
	return conf_add_error(config->conf, sect, "baud",
			      "auto, or the line's speed from 300 to 4000000");
}

/* Its mistakes are told by the loader, with the profile's own lines. */
static int load_profile(struct agent_config *config, const struct conf_sect *sect,
			struct source_config *source, FILE *errors)
{
	const char *name = conf_text(sect, "profile");
	const bool is_relative = name[0] != '/' && strchr(name, '/');
	const char *what = "a profile without mistakes";
	char expected[160];
	int r = -EINVAL;

	if (!is_relative)
		r = profiles_get(config->profiles, name, errors, &source->profile);
	if (!r || r == -ENOMEM)
		return r;
	if (is_relative)
		what = "a name, or a whole path from / on";
	else if (r == -ENOENT)
		what = "a profile that is there";
	else if (r == -EACCES)
		what = "a profile that this user may read";
	(void)snprintf(expected, sizeof(expected), "%s, not '%.80s'%s", what, name,
		       r == -ENOENT ? " (see profile_dir)" : "");
	return conf_add_error(config->conf, sect, "profile", expected);
}

/* Its mistakes are told by the loader too, with the lines of the map or of its DBC file. */
static int load_map(struct agent_config *config, const struct conf_sect *sect, size_t index,
		    FILE *errors)
{
	const char *name = conf_text(sect, "map");
	char path[PATH_MAX], expected[160];
	int r = -EINVAL;

	if (!name[0] && strcmp(config->sources[index].kind, "j1939") == 0)
		name = "j1939";
	if (name[0] == '/' || !strchr(name, '/'))
		r = bus_map_find(map_folder(config->conf), name, path, sizeof(path));
	if (!r)
		r = bus_table_load(path, errors, &config->tables[index]);
	config->sources[index].table = config->tables[index];
	if (!r || r == -ENOMEM)
		return r;
	(void)snprintf(expected, sizeof(expected),
		       !name[0]       ? "the name of a map, or the absolute path of one"
		       : r == -ENOENT ? "a map that is there, with its DBC file, not '%.60s'"
				      : "a map without mistakes, not '%.60s'",
		       name);
	return conf_add_error(config->conf, sect, "map", expected);
}

static int check_period(struct agent_config *config, const struct conf_sect *sect,
			const struct source_config *source)
{
	if (source->period_us == 0)
		return 0;
	/* At most one reading of a value may wait for the spool. */
	if (config->sampler.max_age_us >= source->period_us)
		return conf_add_error(config->conf, sect, "period", "longer than [batch] max_age");
	if (source->period_us < PERIOD_MIN_US)
		return conf_add_error(config->conf, sect, "period", "20 ms or more, or 0");
	return 0;
}

static int check_source(struct agent_config *config, const struct conf_sect *sect,
			struct source_config *source, FILE *errors)
{
	const char *id = conf_text(sect, "device_id");
	int r = 0;

	if (!ids_assignable(id, strlen(id)))
		r = conf_add_error(config->conf, sect, "device_id",
				   "an id that is not reserved ('events' is)");
	if (!r)
		r = check_period(config, sect, source);
	if (!r)
		r = check_baud(config, sect);
	if (!r && takes_profile(source))
		r = load_profile(config, sect, source, errors);
	if (!r && takes_map(source))
		r = load_map(config, sect, (size_t)(source - config->sources), errors);
	if (!r)
		r = check_kind(config, sect, source);
	if (!r)
		r = check_twins(config, sect);
	return r;
}

static int check_all(struct agent_config *config, FILE *errors)
{
	const struct conf_sect *agent = conf_get(config->conf, "agent");
	const struct conf_sect *sect = NULL;
	size_t count = 0;
	int r;

	r = check_mqtt(config);
	if (!r && !ids_assignable(config->gateway_id, strlen(config->gateway_id)))
		r = conf_add_error(config->conf, agent, "gateway_id",
				   "an id that is not reserved ('events' is)");
	while (!r && (sect = conf_next(config->conf, "source", sect)) != NULL) {
		if (count == WIRE_SOURCES_MAX)
			return conf_add_error(config->conf, sect, "kind", "at most 64 sources");
		r = check_source(config, sect, &config->sources[count++], errors);
	}
	return r;
}

int agent_config_load(const char *path, struct agent_config *ret_config, FILE *errors)
{
	struct agent_config config = {0};
	int r;

	r = conf_load(path, schema, &config.conf);
	if (!r) {
		read_all(&config);
		r = profiles_create(profile_folder(config.conf), &config.profiles);
	}
	if (!r)
		r = check_all(&config, errors);
	if (!r && conf_error_count(config.conf))
		r = -EINVAL;
	if (r) {
		if (config.conf && r == -EINVAL)
			conf_print_errors(config.conf, errors);
		agent_config_free(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}

void agent_config_free(struct agent_config *config)
{
	profiles_destroy(config->profiles);
	config->profiles = NULL;
	for (size_t i = 0; i < WIRE_SOURCES_MAX; i++) {
		bus_table_free(config->tables[i]);
		config->tables[i] = NULL;
	}
	conf_free(config->conf);
	config->conf = NULL;
}
