#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cloud/main/core.h"

static const struct conf_key core_keys[] = {
	{.name = "state_dir",
	 .type = CONF_PATH,
	 .fallback = "/var/lib/freshet-core",
	 .help = "the folder of the database, the lock and the first token"},
	{.name = "database",
	 .type = CONF_TEXT,
	 .fallback = "",
	 .max = 512,
	 .help = "sqlite:PATH; empty for core.db in state_dir"},
	{.name = "cache_devices",
	 .type = CONF_INT,
	 .fallback = "4096",
	 .min = 16,
	 .max = 1000000,
	 .help = "devices whose values are kept in memory, about 22 KB each"},
	{.name = NULL},
};

static const struct conf_key mqtt_keys[] = {
	{.name = "host",
	 .type = CONF_TEXT,
	 .fallback = "127.0.0.1",
	 .min = 1,
	 .max = 253,
	 .help = "name or address of the broker"},
	{.name = "port",
	 .type = CONF_INT,
	 .fallback = "1883",
	 .min = 1,
	 .max = 65535,
	 .help = "port of the broker, 1..65535"},
	{.name = "user",
	 .type = CONF_ID,
	 .fallback = "",
	 .help = "the core's name at the broker, also its client id"},
	{.name = "password_file",
	 .type = CONF_PATH,
	 .fallback = "",
	 .help = "a file of mode 0600 with the password as its first line"},
	{.name = "keepalive",
	 .type = CONF_DURATION,
	 .fallback = "30s",
	 .min = 5000,
	 .max = 600000,
	 .help = "5s to 10min"},
	{.name = "connect_timeout",
	 .type = CONF_DURATION,
	 .fallback = "15s",
	 .min = 1000,
	 .max = 120000,
	 .help = "until the broker has taken the subscriptions, 1s to 2min"},
	{.name = "reconnect_max",
	 .type = CONF_DURATION,
	 .fallback = "30s",
	 .min = 250,
	 .max = 3600000,
	 .help = "the longest wait between two connections, 250ms to 1h"},
	{.name = "stable_after",
	 .type = CONF_DURATION,
	 .fallback = "1min",
	 .min = 0,
	 .max = 3600000,
	 .help = "a connection that lasted so long starts the waits over, 0 to 1h"},
	{.name = "tls", .type = CONF_BOOL, .fallback = "no", .help = "yes or no"},
	{.name = "ca_file",
	 .type = CONF_PATH,
	 .fallback = "",
	 .help = "certificates to trust; empty for the system's"},
	{.name = "cert_file", .type = CONF_PATH, .fallback = "", .help = "the core's certificate"},
	{.name = "key_file", .type = CONF_PATH, .fallback = "", .help = "and its private key"},
	{.name = NULL},
};

static const struct conf_key http_keys[] = {
	{.name = "listen",
	 .type = CONF_HOST_PORT,
	 .fallback = "127.0.0.1:8080",
	 .help = "address and port of the API and the page"},
	{.name = "connections",
	 .type = CONF_INT,
	 .fallback = "1000",
	 .min = 8,
	 .max = 1500,
	 .help = "connections at a time, 8..1500"},
	{.name = NULL},
};

static const struct conf_key log_keys[] = {
	{.name = "level",
	 .type = CONF_ENUM,
	 .fallback = "info",
	 .words = "error warning notice info debug",
	 .help = "one of error, warning, notice, info, debug"},
	{.name = NULL},
};

const struct conf_section core_conf_schema[] = {
	{.kind = "core", .presence = CONF_OPTIONAL, .keys = core_keys},
	{.kind = "mqtt", .presence = CONF_OPTIONAL, .keys = mqtt_keys},
	{.kind = "http", .presence = CONF_OPTIONAL, .keys = http_keys},
	{.kind = "log", .presence = CONF_OPTIONAL, .keys = log_keys},
	{.kind = NULL},
};

/* What the table cannot say. */
static int check(struct conf *conf)
{
	const struct conf_sect *core = conf_get(conf, "core");
	const struct conf_sect *mqtt = conf_get(conf, "mqtt");
	const char *database = conf_text(core, "database");
	int r = 0;

	if (database[0] && strncmp(database, "sqlite:", strlen("sqlite:")) != 0)
		r = conf_add_error(conf, core, "database", "sqlite:PATH");
	if (!r && !conf_bool(mqtt, "tls") && !conf_is_set(mqtt, "tls") &&
	    !conf_host_is_loopback(conf_text(mqtt, "host")))
		r = conf_add_error(conf, mqtt, "tls",
				   "yes, or no said explicitly: the broker is not on this machine, "
				   "and without TLS anybody on the way reads the password");
	if (!r)
		r = conf_check_secret(conf, mqtt, "password_file");
	if (!r && !conf_text(mqtt, "cert_file")[0] != !conf_text(mqtt, "key_file")[0])
		r = conf_add_error(conf, mqtt,
				   conf_text(mqtt, "cert_file")[0] ? "key_file" : "cert_file",
				   "certificate and key together");
	return r;
}

int core_conf_load(const char *path, struct conf **ret_conf)
{
	struct conf *conf = NULL;
	int r = conf_load(path, core_conf_schema, &conf);

	if (r && r != -EINVAL) {
		(void)fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(-r));
		return CORE_USAGE;
	}
	if (!r)
		r = check(conf);
	if (conf_error_count(conf) > 0)
		conf_print_errors(conf, stderr);
	else if (r)
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-r));
	if (r || conf_error_count(conf) > 0) {
		conf_free(conf);
		return CORE_USAGE;
	}
	*ret_conf = conf;
	return 0;
}

int core_init(struct core *core, struct conf *conf)
{
	const struct conf_sect *sect = conf_get(conf, "core");
	const char *database = conf_text(sect, "database");
	int len;
	int r;

	memset(core, 0, sizeof(*core));
	core->queues.room_fd = -1;
	core->conf = conf;
	core->state_dir = conf_text(sect, "state_dir");
	r = clock_system_init(&core->system_clock, CLOCK_TRUST_ALWAYS);
	if (r)
		return r;
	core->clock = &core->system_clock.clock;
	if (database[0])
		len = snprintf(core->database_url, sizeof(core->database_url), "%s", database);
	else
		len = snprintf(core->database_url, sizeof(core->database_url), "sqlite:%s/core.db",
			       core->state_dir);
	return len < 0 || (size_t)len >= sizeof(core->database_url) ? -ENAMETOOLONG : 0;
}

void core_fini(struct core *core)
{
	conf_free(core->conf);
	core->conf = NULL;
}

int core_read_secret(const char *path, char *out, size_t size)
{
	struct stat st = {0};
	ssize_t len;
	int fd;
	int r = 0;

	out[0] = '\0';
	if (!path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		(void)fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(-r));
		return r;
	}
	len = read(fd, out, size - 1);
	if (len < 0 || fstat(fd, &st) < 0)
		r = -errno;
	(void)close(fd);
	if (r) {
		(void)fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(-r));
		return r;
	}
	out[len] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (st.st_mode & 077)
		log_warning("others may read a secret file=%s expected=0600", path);
	return 0;
}
