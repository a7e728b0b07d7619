#include "agent/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon_priv.h"
#include "agent/saved_time.h"
#include "base/notify.h"
#include "base/tls.h"

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
		.can = canbus_opener_linux(),
		.update = daemon_take_update,
		.changed = on_source_changed,
		.time = daemon_take_gps_time,
		.floor_ms = tls_build_ms(),
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

int daemon_start_sources(struct daemon *daemon)
{
	int r = 0;

	for (size_t i = 0; i < daemon->source_count && !r; i++)
		r = daemon->sources[i]->ops->start(daemon->sources[i]);
	return r;
}

void daemon_stop_sources(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->source_count; i++)
		daemon->sources[i]->ops->stop(daemon->sources[i]);
}

/* ---- uplink ---- */

static void on_online(void *arg)
{
	struct daemon *daemon = arg;

	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
	/* At once, before the backlog: an error was said where it was met, and they wait. */
	(void)sampler_flush(daemon->sampler, loop_now_us(daemon->loop));
	daemon_arm_seal(daemon);
}

static void on_uplink_changed(void *arg)
{
	struct daemon *daemon = arg;
	struct uplink_report report;

	uplink_report(daemon->uplink, &report);
	sampler_set_offline(daemon->sampler, report.state != UPLINK_ONLINE);
	if (report.state == UPLINK_ONLINE && !report.reason[0])
		log_info("uplink state=online protocol=%s sessions=%" PRId64,
			 report.mqtt5 ? "5" : "3.1.1", report.sessions);
	if (report.state == UPLINK_DOWN || (report.state == UPLINK_ONLINE && report.reason[0]))
		log_warning("uplink state=%s reason=%s detail=\"%s\"",
			    uplink_state_name(report.state), report.reason, report.detail);
	tell_systemd(daemon);
}

static void on_status(void *arg, struct wire_status *status)
{
	daemon_fill_status(arg, status);
}

static void on_spool_failed(void *arg, int error)
{
	daemon_spool_trouble(arg, error);
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
	daemon->uplink_env.core_time = daemon_take_core_time;
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
	daemon_stop_sources(daemon);
	if (sampler_flush(daemon->sampler, loop_now_us(daemon->loop)))
		log_error("the last readings could not be stored");
	if (spool_flush(daemon->spool))
		log_error("the spool's disk fails, what is new stays in memory reason=\"%s\"",
			  spool_error(daemon->spool));
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

static int set_up_loop(struct daemon *daemon)
{
	/* __DATE__ is a day of the builder's time zone. */
	const int64_t floor_ms = tls_build_ms() - INT64_C(86400000);
	int r = clock_system_init(&daemon->clock, daemon->config->trust);

	daemon->clock.floor_ms = floor_ms;
	time_keeper_init(&daemon->time, &daemon->clock.clock, daemon->config->trust, floor_ms);
	if (!r)
		r = loop_create(&daemon->clock.clock, &daemon->loop);
	if (!r)
		r = loop_signal(daemon->loop, SIGTERM, on_signal, daemon);
	if (!r)
		r = loop_signal(daemon->loop, SIGINT, on_signal, daemon);
	if (r)
		log_error("cannot start reason=\"%s\"", strerror(-r));
	else
		daemon->start_us = loop_now_us(daemon->loop);
	return r;
}

/* Takes a folder for this agent alone; `lock` is what came of it. */
static int take_folder(int lock, const char *folder, const char *path)
{
	if (lock >= 0)
		return 0;
	log_error("%s cannot be used path=\"%s\" reason=\"%s\"", folder, path,
		  lock == -EWOULDBLOCK ? "another agent uses it" : strerror(-lock));
	return lock;
}

static int take_lock(struct daemon *daemon)
{
	const struct agent_config *config = daemon->config;
	int r;

	daemon->lock = daemon_lock(config);
	r = take_folder(daemon->lock, "state folder", config->state_dir);
	if (r)
		return r;
	daemon->run_lock = daemon_lock_run(config);
	/* Full, or not writable: daemon_open_spool() knows how to do without. */
	if (daemon->run_lock == -ENOSPC || daemon->run_lock == -EROFS || daemon->run_lock == -EIO)
		return 0;
	r = take_folder(daemon->run_lock, "run folder", config->run_dir);
	if (!r && !daemon_run_is_tmpfs(config))
		log_warning("the run folder is not in memory, it wears the disk run_dir=\"%s\"",
			    config->run_dir);
	return r;
}

static int open_control(struct daemon *daemon)
{
	int r = daemon_make_parent(daemon->config->socket);

	if (!r)
		r = control_listen(daemon->loop, daemon->config->socket, daemon_answer, daemon,
				   &daemon->control);
	if (r)
		log_error("control socket cannot be made path=\"%s\" reason=\"%s\"",
			  daemon->config->socket, strerror(-r));
	return r;
}

static int set_up(struct daemon *daemon)
{
	int r = set_up_loop(daemon);

	if (!r)
		r = take_lock(daemon);
	if (!r)
		r = daemon_open_spool(daemon, 0);
	if (r)
		return r;
	r = sampler_create(&daemon->config->sampler, daemon_store, daemon, &daemon->sampler);
	if (!r)
		r = make_uplink(daemon);
	if (r) {
		log_error("cannot start reason=\"%s\"", strerror(-r));
		return r;
	}
	r = make_sources(daemon);
	return r ? r : open_control(daemon);
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
	if (daemon->run_lock >= 0)
		close(daemon->run_lock);
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
	daemon->run_lock = -1;
	(void)signal(SIGPIPE, SIG_IGN);
	/* A file size limit is an error of the write, like a full disk. */
	(void)signal(SIGXFSZ, SIG_IGN);
	r = set_up(daemon);
	if (r)
		goto out;
	spool_stats(daemon->spool, &stats);
	daemon->dropped = stats.dropped_total;
	log_notice("started version=%s workspace=%s gateway=%s sources=%zu waiting=%" PRId64
		   " epoch=%s",
		   FRESHET_VERSION, config->workspace, config->gateway_id, config->source_count,
		   stats.batches, spool_epoch(daemon->spool));
	daemon_keep_time(daemon);
	daemon_arm_spool(daemon);
	r = daemon_start_sources(daemon);
	if (!r)
		r = uplink_start(daemon->uplink);
	if (r) {
		log_error("cannot start reason=\"%s\"", strerror(-r));
		goto out;
	}
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
