#include "agent/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/daemon_priv.h"
#include "agent/saved_time.h"
#include "base/notify.h"
#include "base/tls.h"

#define UPKEEP_US INT64_C(60000000)
#define SAVE_US INT64_C(600000000)

static void on_seal(struct loop_timer *timer);
static void on_upkeep(struct loop_timer *timer);

int daemon_spool_path(const struct agent_config *config, char out[static DAEMON_PATH_MAX])
{
	if (snprintf(out, DAEMON_PATH_MAX, "%s/spool.db", config->state_dir) >= DAEMON_PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static int make_folders(const char *path)
{
	char part[DAEMON_PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (const char *at = strchr(path + 1, '/');; at = strchr(at + 1, '/')) {
		const size_t len = at ? (size_t)(at - path) : strlen(path);

		memcpy(part, path, len);
		part[len] = '\0';
		if (mkdir(part, 0750) && errno != EEXIST)
			return -errno;
		if (!at)
			return 0;
	}
}

static int make_parent(const char *path)
{
	char folder[DAEMON_PATH_MAX];
	const char *slash = strrchr(path, '/');
	const size_t len = slash ? (size_t)(slash - path) : 0;

	if (!len)
		return 0;
	if (len >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, len);
	folder[len] = '\0';
	return make_folders(folder);
}

int daemon_lock(const struct agent_config *config)
{
	char path[DAEMON_PATH_MAX];
	int fd;
	int r = make_folders(config->state_dir);

	if (r)
		return r;
	if (snprintf(path, sizeof(path), "%s/lock", config->state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* ---- spool ---- */

static int open_spool(struct daemon *daemon)
{
	char path[DAEMON_PATH_MAX];
	char error[256] = "";
	char *notice = NULL;
	struct spool_config config = {
		.path = path,
		.max_bytes = daemon->config->spool_bytes,
		.max_age_ms = daemon->config->spool_age_ms,
		.clock = &daemon->clock.clock,
	};
	int r = daemon_spool_path(daemon->config, path);

	if (!r)
		r = spool_open(&config, &daemon->spool, &notice, error, sizeof(error));
	if (notice)
		log_error("spool replaced: %s", notice);
	free(notice);
	if (r)
		log_error("spool cannot be opened path=\"%s\" reason=\"%s\"", path,
			  error[0] ? error : strerror(-r));
	daemon->uplink_env.spool = daemon->spool;
	return r;
}

/* -EUCLEAN: the file is damaged; opening again sets it aside and begins a new one. */
static void reopen_spool(struct daemon *daemon)
{
	spool_close(daemon->spool);
	daemon->spool = NULL;
	if (open_spool(daemon)) {
		/* Without a spool nothing may be read: systemd starts us anew. */
		log_error("going down: there is no spool");
		exit(EXIT_FAILURE);
	}
	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
}

static void spool_trouble(struct daemon *daemon, int error)
{
	daemon->spool_errors++;
	if (!daemon->spool_failing)
		log_error("spool fails, readings are kept in memory reason=\"%s\" errno=%d",
			  spool_error(daemon->spool), -error);
	daemon->spool_failing = true;
	if (error == -EUCLEAN)
		reopen_spool(daemon);
}

/* A drop leaves a hole in what the core knows: devices state themselves whole. */
static void watch_drops(struct daemon *daemon)
{
	struct spool_stats stats;

	spool_stats(daemon->spool, &stats);
	if (stats.dropped_total == daemon->dropped)
		return;
	log_warning("spool is full, oldest records are given up records=%" PRId64,
		    stats.dropped_total - daemon->dropped);
	daemon->dropped = stats.dropped_total;
	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
}

static int on_batches(void *arg, const struct spool_put *puts, size_t count)
{
	struct daemon *daemon = arg;
	int64_t first;
	const int r = spool_append(daemon->spool, puts, count, &first);

	if (r) {
		spool_trouble(daemon, r);
		return r;
	}
	if (daemon->spool_failing)
		log_notice("spool works again");
	daemon->spool_failing = false;
	if (daemon->uplink)
		uplink_stored(daemon->uplink, count);
	return 0;
}

/* ---- sampler ---- */

static void arm_seal(struct daemon *daemon)
{
	const int64_t due = sampler_due(daemon->sampler);

	if (due == INT64_MAX)
		loop_timer_cancel(&daemon->seal);
	else if (loop_timer_set(daemon->loop, &daemon->seal, due - loop_now_us(daemon->loop),
				on_seal, daemon))
		(void)sampler_flush(daemon->sampler, loop_now_us(daemon->loop));
}

static void on_seal(struct loop_timer *timer)
{
	struct daemon *daemon = timer->arg;

	/* An error was said by spool_trouble(); the readings wait. */
	(void)sampler_flush(daemon->sampler, loop_now_us(daemon->loop));
	watch_drops(daemon);
	arm_seal(daemon);
}

static void on_update(void *arg, const struct model_update *update)
{
	struct daemon *daemon = arg;
	const int r = sampler_update(daemon->sampler, update, loop_now_us(daemon->loop));

	if (r == -ENOSPC && !daemon->spool_failing) {
		if (!daemon->refused++)
			log_error("too many devices for one gateway device=%s", update->device_id);
	}
	arm_seal(daemon);
}

/* ---- sources ---- */

static void tell_systemd(struct daemon *daemon)
{
	struct uplink_report link;
	char text[200];
	size_t ok = 0;

	for (size_t i = 0; i < daemon->source_count; i++) {
		struct source_report report;

		daemon->sources[i]->ops->report(daemon->sources[i], &report);
		ok += report.state == SOURCE_OK;
	}
	uplink_report(daemon->uplink, &link);
	(void)snprintf(text, sizeof(text), "STATUS=%zu of %zu sources ok, uplink %s", ok,
		       daemon->source_count, uplink_state_name(link.state));
	(void)notify_send(text);
}

static void on_source_changed(void *arg, struct source *source)
{
	struct daemon *daemon = arg;
	struct source_report report;

	source->ops->report(source, &report);
	if (report.state == SOURCE_OK)
		log_info(
			"source source=%s device_id=%s state=ok%s%s adapter=\"%s\" protocol=\"%s\"",
			source->config->name, source->config->device_id,
			report.reason[0] ? " reason=" : "", report.reason, report.adapter,
			report.protocol);
	else
		log_warning("source source=%s device_id=%s state=%s reason=%s detail=\"%s\"",
			    source->config->name, source->config->device_id,
			    source_state_name(report.state), report.reason, report.detail);
	if (!daemon->uplink || daemon->stopping)
		return;
	uplink_status_changed(daemon->uplink);
	tell_systemd(daemon);
}

static int make_sources(struct daemon *daemon)
{
	daemon->source_env = (struct source_env){
		.loop = daemon->loop,
		.opener = stream_opener_linux(),
		.update = on_update,
		.changed = on_source_changed,
		.arg = daemon,
	};
	for (size_t i = 0; i < daemon->config->source_count; i++) {
		const struct source_config *config = &daemon->config->sources[i];
		const int r = source_kind(config->kind)
				      ->create(config, &daemon->source_env, &daemon->sources[i]);

		if (r) {
			log_error("source cannot be made source=%s reason=\"%s\"", config->name,
				  strerror(-r));
			return r;
		}
		daemon->source_count++;
	}
	return 0;
}

static int start_sources(struct daemon *daemon)
{
	int r = 0;

	for (size_t i = 0; i < daemon->source_count && !r; i++)
		r = daemon->sources[i]->ops->start(daemon->sources[i]);
	return r;
}

static void stop_sources(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->source_count; i++)
		daemon->sources[i]->ops->stop(daemon->sources[i]);
}

/* ---- time ---- */

int64_t daemon_wall_ms(struct daemon *daemon, int64_t mono_us)
{
	struct clock *clock = &daemon->clock.clock;

	if (mono_us == MODEL_NO_TIME || clock_quality(clock) == CLOCK_QUALITY_NONE)
		return MODEL_NO_TIME;
	return clock_wall_ms(clock) - (clock_mono_us(clock) - mono_us) / 1000;
}

/* The machine was set back or stood still: what was read before has no place on the new time base. */
static void begin_time_base(struct daemon *daemon)
{
	log_warning("the clock jumped against the machine's uptime: a new time base begins boot=%s",
		    spool_boot(daemon->spool));
	stop_sources(daemon);
	sampler_forget(daemon->sampler);
	if (start_sources(daemon))
		log_error("sources cannot be started again");
}

static void offer_anchor(struct daemon *daemon, int64_t at_ms, enum clock_quality quality)
{
	int r;

	/* What waits was read on the time base that holds now. */
	if (sampler_flush(daemon->sampler, loop_now_us(daemon->loop)))
		return;
	r = spool_set_anchor(daemon->spool, clock_mono_us(&daemon->clock.clock), at_ms, quality);
	if (r < 0)
		spool_trouble(daemon, r);
	else if (r > 0)
		begin_time_base(daemon);
}

static void keep_time(struct daemon *daemon)
{
	struct clock *clock = &daemon->clock.clock;
	const enum clock_quality quality = clock_quality(clock);
	const int64_t now = loop_now_us(daemon->loop);

	if (quality < CLOCK_QUALITY_GPS)
		return;
	offer_anchor(daemon, clock_wall_ms(clock), quality);
	if (daemon->saved_us && now - daemon->saved_us < SAVE_US)
		return;
	daemon->saved_us = now;
	if (saved_time_store(daemon->config->state_dir, clock_wall_ms(clock)))
		log_warning("time cannot be saved folder=\"%s\"", daemon->config->state_dir);
}

static void upkeep(struct daemon *daemon)
{
	keep_time(daemon);
	arm_seal(daemon);
	if (loop_timer_set(daemon->loop, &daemon->upkeep, UPKEEP_US, on_upkeep, daemon))
		log_error("out of memory: times are no longer kept");
}

static void on_upkeep(struct loop_timer *timer)
{
	upkeep(timer->arg);
}

static void on_core_time(void *arg, int64_t at_ms)
{
	struct daemon *daemon = arg;
	const int64_t now = loop_now_us(daemon->loop);

	if (clock_quality(&daemon->clock.clock) != CLOCK_QUALITY_NONE)
		return;
	if (daemon->core_anchor_us && now - daemon->core_anchor_us < UPKEEP_US)
		return;
	daemon->core_anchor_us = now;
	offer_anchor(daemon, at_ms, CLOCK_QUALITY_CORE);
}

/* ---- uplink ---- */

static void on_online(void *arg)
{
	struct daemon *daemon = arg;

	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
	arm_seal(daemon);
}

static void on_uplink_changed(void *arg)
{
	struct daemon *daemon = arg;
	struct uplink_report report;

	uplink_report(daemon->uplink, &report);
	if (report.state == UPLINK_ONLINE)
		log_info("uplink state=online protocol=%s sessions=%" PRId64,
			 report.mqtt5 ? "5" : "3.1.1", report.sessions);
	else if (report.state == UPLINK_DOWN)
		log_warning("uplink state=down reason=%s detail=\"%s\"", report.reason,
			    report.detail);
	tell_systemd(daemon);
}

static void on_status(void *arg, struct wire_status *status)
{
	daemon_fill_status(arg, status);
}

static void on_spool_failed(void *arg, int error)
{
	spool_trouble(arg, error);
}

static void on_stopped(void *arg)
{
	struct daemon *daemon = arg;

	loop_stop(daemon->loop);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int make_uplink(struct daemon *daemon)
{
	daemon->uplink_env.loop = daemon->loop;
	daemon->uplink_env.clock = &daemon->clock.clock;
	daemon->uplink_env.verify_ms =
		later(tls_build_ms(), saved_time_load(daemon->config->state_dir));
	daemon->uplink_env.core_time = on_core_time;
	daemon->uplink_env.online = on_online;
	daemon->uplink_env.changed = on_uplink_changed;
	daemon->uplink_env.status = on_status;
	daemon->uplink_env.stopped = on_stopped;
	daemon->uplink_env.spool_failed = on_spool_failed;
	daemon->uplink_env.arg = daemon;
	return uplink_create(&daemon->config->uplink, &daemon->uplink_env, &daemon->uplink);
}

/* ---- life ---- */

static void on_signal(void *arg, int signo)
{
	struct daemon *daemon = arg;

	if (daemon->stopping)
		return;
	daemon->stopping = true;
	log_notice("stopping signal=%d", signo);
	(void)notify_send("STOPPING=1");
	stop_sources(daemon);
	if (sampler_flush(daemon->sampler, loop_now_us(daemon->loop)))
		log_error("the last readings could not be stored");
	uplink_stop(daemon->uplink);
}

static void on_watchdog(struct loop_timer *timer);

static void feed_watchdog(struct daemon *daemon)
{
	(void)notify_send("WATCHDOG=1");
	(void)loop_timer_set(daemon->loop, &daemon->watchdog, notify_watchdog_us() / 2, on_watchdog,
			     daemon);
}

static void on_watchdog(struct loop_timer *timer)
{
	feed_watchdog(timer->arg);
}

static int set_up(struct daemon *daemon)
{
	int r = clock_system_init(&daemon->clock, daemon->config->trust);

	if (!r)
		r = loop_create(&daemon->clock.clock, &daemon->loop);
	if (!r)
		r = loop_signal(daemon->loop, SIGTERM, on_signal, daemon);
	if (!r)
		r = loop_signal(daemon->loop, SIGINT, on_signal, daemon);
	if (r) {
		log_error("cannot start reason=\"%s\"", strerror(-r));
		return r;
	}
	daemon->start_us = loop_now_us(daemon->loop);
	daemon->lock = daemon_lock(daemon->config);
	if (daemon->lock < 0) {
		log_error("state folder cannot be used path=\"%s\" reason=\"%s\"",
			  daemon->config->state_dir,
			  daemon->lock == -EWOULDBLOCK ? "another agent uses it"
						       : strerror(-daemon->lock));
		return daemon->lock;
	}
	r = open_spool(daemon);
	if (!r)
		r = sampler_create(&daemon->config->sampler, on_batches, daemon, &daemon->sampler);
	if (!r)
		r = make_uplink(daemon);
	if (!r)
		r = make_sources(daemon);
	if (r)
		return r;
	r = make_parent(daemon->config->socket);
	if (!r)
		r = control_listen(daemon->loop, daemon->config->socket, daemon_answer, daemon,
				   &daemon->control);
	if (r)
		log_error("control socket cannot be made path=\"%s\" reason=\"%s\"",
			  daemon->config->socket, strerror(-r));
	return r;
}

static void tear_down(struct daemon *daemon)
{
	control_close(daemon->control);
	uplink_destroy(daemon->uplink);
	for (size_t i = 0; i < daemon->source_count; i++)
		daemon->sources[i]->ops->destroy(daemon->sources[i]);
	sampler_destroy(daemon->sampler);
	spool_close(daemon->spool);
	loop_destroy(daemon->loop);
	if (daemon->lock >= 0)
		close(daemon->lock);
}

int daemon_run(const struct agent_config *config)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	struct spool_stats stats;
	int r;

	if (!daemon)
		return -ENOMEM;
	daemon->config = config;
	daemon->lock = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	r = set_up(daemon);
	if (r)
		goto out;
	spool_stats(daemon->spool, &stats);
	daemon->dropped = stats.dropped_total;
	log_notice("started version=%s workspace=%s gateway=%s sources=%zu waiting=%" PRId64
		   " epoch=%s",
		   FRESHET_VERSION, config->workspace, config->gateway_id, config->source_count,
		   stats.batches, spool_epoch(daemon->spool));
	upkeep(daemon);
	r = start_sources(daemon);
	if (!r)
		r = uplink_start(daemon->uplink);
	if (r)
		goto out;
	if (notify_watchdog_us())
		feed_watchdog(daemon);
	(void)notify_send("READY=1");
	r = loop_run(daemon->loop);
	if (r)
		log_error("event loop failed reason=\"%s\"", strerror(-r));
	else
		log_notice("stopped");
out:
	tear_down(daemon);
	free(daemon);
	return r;
}
