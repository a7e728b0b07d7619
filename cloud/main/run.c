#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "cloud/http/http.h"
#include "cloud/ingest/broker.h"
#include "cloud/ingest/writer.h"
#include "cloud/main/core.h"
#include "storage/coredb/coredb.h"

#define TICK_US 1000000
/* A thread that has not come round for so long hangs: the watchdog is no longer fed. */
#define HANG_US (INT64_C(30) * 1000000)

struct run {
	struct core *core;
	struct loop *loop;
	struct loop_timer tick;
	struct broker *broker;
	struct writer *writer;
	struct http *http;
	int lock_fd;
	bool ready;
	int exit;
	char password[256];
};

static void on_signal(void *arg, int signo)
{
	struct run *run = arg;

	log_notice("stopping signal=%d", signo);
	loop_stop(run->loop);
}

static bool is_alive(struct run *run, const atomic_llong *seen_us)
{
	long long seen = atomic_load(seen_us);

	return seen == 0 || clock_mono_us(run->core->clock) - seen < HANG_US;
}

static void tell_status(struct run *run)
{
	const struct core_status *status = &run->core->status;
	char text[200];

	(void)snprintf(text, sizeof(text), "STATUS=broker %s, %llu batches, %llu records",
		       atomic_load(&status->broker_connected) ? "connected" : "not connected",
		       atomic_load(&status->batches), atomic_load(&status->records));
	(void)notify_send(text);
}

static void on_tick(struct loop_timer *timer)
{
	struct run *run = timer->arg;
	struct core_status *status = &run->core->status;

	if (atomic_load(&status->lost)) {
		run->exit = CORE_FAILED;
		loop_stop(run->loop);
		return;
	}
	if (is_alive(run, &status->ingest_seen_us) && is_alive(run, &status->writer_seen_us) &&
	    is_alive(run, &status->http_seen_us))
		(void)notify_send("WATCHDOG=1");
	if (!run->ready && atomic_load(&status->writer_seen_us)) {
		run->ready = true;
		(void)notify_send("READY=1");
	}
	tell_status(run);
	if (loop_timer_set(run->loop, timer, TICK_US, on_tick, run))
		loop_stop(run->loop);
}

/* One core a database: the lock says so on one machine. It is given back by any kind of death. */
static int take_lock(struct run *run)
{
	char path[700];

	(void)snprintf(path, sizeof(path), "%s/core.lock", run->core->state_dir);
	if (mkdir(run->core->state_dir, 0750) < 0 && errno != EEXIST) {
		log_error("state_dir cannot be made path=%s error=\"%s\"", run->core->state_dir,
			  strerror(errno));
		return -errno;
	}
	run->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (run->lock_fd < 0) {
		log_error("the lock cannot be opened path=%s error=\"%s\"", path, strerror(errno));
		return -errno;
	}
	if (flock(run->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another freshet-core runs on this database lock=%s", path);
		return -EBUSY;
	}
	return 0;
}

static int prepare_database(struct core *core)
{
	char error[300] = "";
	char path[700];
	bool made = false;
	int pending = 0;
	int r = coredb_migrate(core->database_url, false, &pending, error, sizeof(error));

	if (r) {
		log_error("the database cannot be used url=%s error=\"%s\"", core->database_url,
			  error);
		return r;
	}
	if (pending > 0)
		log_notice("database migrated steps=%d", pending);
	r = core_admin_token(core, &made);
	if (r)
		return r;
	core_admin_token_path(core, path, sizeof(path));
	if (made)
		log_notice("an admin token was made, to be found in file=%s", path);
	return 0;
}

static int start_writer(struct run *run)
{
	struct core *core = run->core;
	char owner[IDS_RANDOM_SIZE];
	char error[300] = "";
	struct writer_config config = {
		.database_url = core->database_url,
		.owner = owner,
		.cache_devices = (size_t)conf_int(conf_get(core->conf, "core"), "cache_devices"),
		.clock = core->clock,
		.queues = &core->queues,
		.live = core->live,
		.stop = &core->writer_stop,
		.database_ok = &core->status.database_ok,
		.lost = &core->status.lost,
		.seen_us = &core->status.writer_seen_us,
		.batches = &core->status.batches,
		.records = &core->status.records,
		.rejected = &core->status.rejected,
		.commits = &core->status.commits,
		.commit_failures = &core->status.commit_failures,
		.deferred = &core->status.deferred,
		.acks = &core->status.acks,
	};
	int r = ids_random(owner);

	if (!r)
		r = writer_start(&config, &run->writer, error, sizeof(error));
	if (r)
		log_error("the writer cannot start error=\"%s\" detail=\"%s\"", strerror(-r),
			  error);
	return r;
}

static int start_broker(struct run *run)
{
	const struct conf_sect *mqtt = conf_get(run->core->conf, "mqtt");
	struct core *core = run->core;
	struct broker_config config = {
		.host = conf_text(mqtt, "host"),
		.port = (int)conf_int(mqtt, "port"),
		.user = conf_text(mqtt, "user"),
		.password = run->password,
		.tls = conf_bool(mqtt, "tls"),
		.ca_file = conf_text(mqtt, "ca_file"),
		.cert_file = conf_text(mqtt, "cert_file"),
		.key_file = conf_text(mqtt, "key_file"),
		.keepalive_s = (int)(conf_int(mqtt, "keepalive") / 1000),
		.connect_us = conf_int(mqtt, "connect_timeout") * 1000,
		.reconnect_max_ms = (int)conf_int(mqtt, "reconnect_max"),
		.stable_us = conf_int(mqtt, "stable_after") * 1000,
		.clock = core->clock,
		.queues = &core->queues,
		.stop = &core->stop,
		.connected = &core->status.broker_connected,
		.seen_us = &core->status.ingest_seen_us,
	};
	int r = core_read_secret(conf_text(mqtt, "password_file"), run->password,
				 sizeof(run->password));

	if (!r)
		r = broker_start(&config, &run->broker);
	if (r)
		log_error("the broker's thread cannot start error=\"%s\"", strerror(-r));
	return r;
}

static int start_http(struct run *run)
{
	const struct conf_sect *sect = conf_get(run->core->conf, "http");
	struct core *core = run->core;
	char error[300] = "";
	const struct http_config config = {
		.host = conf_host(sect, "listen"),
		.port = conf_port(sect, "listen"),
		.database_url = core->database_url,
		.clock = core->clock,
		.status = &core->status,
		.live = core->live,
		.file = core_page_file,
		.connections = (size_t)conf_int(sect, "connections"),
	};
	int r = http_start(&config, &run->http, error, sizeof(error));

	if (r)
		log_error("the http server cannot start error=\"%s\"", error);
	else
		log_notice("serving the API and the page address=http://%s:%u",
			   config.host[0] ? config.host : "*", http_port(run->http));
	return r;
}

static int start(struct run *run)
{
	struct core *core = run->core;
	int r = loop_create(core->clock, &run->loop);

	if (!r)
		r = loop_signal(run->loop, SIGTERM, on_signal, run);
	if (!r)
		r = loop_signal(run->loop, SIGINT, on_signal, run);
	if (!r)
		r = take_lock(run);
	if (!r)
		r = prepare_database(core);
	if (!r)
		r = ingest_queues_create(&core->queues);
	if (!r)
		r = live_create(&core->live);
	if (!r)
		r = start_writer(run);
	if (!r)
		r = start_broker(run);
	if (!r)
		r = start_http(run);
	if (!r)
		r = loop_timer_set(run->loop, &run->tick, TICK_US / 10, on_tick, run);
	return r;
}

/* Those who feed end first; what they fed is committed before the writer ends. */
static void stop(struct run *run)
{
	(void)notify_send("STOPPING=1");
	atomic_store(&run->core->stop, true);
	http_stop(run->http);
	broker_join(run->broker);
	atomic_store(&run->core->writer_stop, true);
	writer_join(run->writer);
	ingest_queues_destroy(&run->core->queues);
	live_destroy(run->core->live);
	run->core->live = NULL;
	loop_timer_cancel(&run->tick);
	loop_destroy(run->loop);
	if (run->lock_fd >= 0)
		(void)close(run->lock_fd);
	explicit_bzero(run->password, sizeof(run->password));
}

int core_run(struct core *core)
{
	struct run run = {.core = core, .lock_fd = -1, .exit = CORE_DONE};
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	/* A file size limit is an error of the write, like a full disk. */
	(void)signal(SIGXFSZ, SIG_IGN);
	r = start(&run);
	if (!r) {
		log_notice("running database=%s version=%s", core->database_url, FRESHET_VERSION);
		r = loop_run(run.loop);
	}
	stop(&run);
	if (r)
		log_error("ended error=\"%s\"", strerror(-r));
	return r ? CORE_FAILED : run.exit;
}
