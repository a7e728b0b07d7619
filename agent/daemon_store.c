#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon_priv.h"

/* How often the spool is asked whether there is something to do. */
#define SPOOL_LOOK_US INT64_C(1000000)

static void on_seal(struct loop_timer *timer);
static void on_move(struct loop_timer *timer);

/* ---- spool ---- */

/* Memory that is full, or no memory, is no reason to stand still: both floors lie in the state folder then,
 * and everything is on disk before it counts. */
static bool run_folder_refuses(int r)
{
	return r == -ENOSPC || r == -EROFS || r == -EIO;
}

static int open_in_state_folder(struct daemon *daemon, struct daemon_spool_paths *paths,
				struct spool_config *config, char **notice, char *error,
				size_t error_size)
{
	if (snprintf(paths->young, sizeof(paths->young), "%s/young-on-disk.db",
		     daemon->config->state_dir) >= (int)sizeof(paths->young))
		return -ENAMETOOLONG;
	log_error("the run folder cannot be used, all is written to disk at once run_dir=\"%s\""
		  " reason=\"%s\"",
		  daemon->config->run_dir, error[0] ? error : "no lock can be made there");
	config->window_us = 0;
	return spool_open(config, &daemon->spool, notice, error, error_size);
}

int daemon_open_spool(struct daemon *daemon, unsigned damaged)
{
	struct daemon_spool_paths *paths = malloc(sizeof(*paths));
	struct spool_config config;
	char error[256] = "";
	char *notice = NULL;
	int r = -ENOMEM;

	if (paths)
		r = daemon_spool_config(daemon->config, &daemon->clock.clock, paths, &config);
	if (!r) {
		config.damaged = damaged;
		r = daemon->run_lock < 0
			    ? daemon->run_lock
			    : spool_open(&config, &daemon->spool, &notice, error, sizeof(error));
	}
	if (run_folder_refuses(r))
		r = open_in_state_folder(daemon, paths, &config, &notice, error, sizeof(error));
	if (notice)
		log_error("spool replaced: %s", notice);
	free(notice);
	free(paths);
	if (r)
		log_error("spool cannot be opened folder=\"%s\" reason=\"%s\"",
			  daemon->config->state_dir, error[0] ? error : strerror(-r));
	daemon->uplink_env.spool = daemon->spool;
	return r;
}

/* -EUCLEAN: the file is damaged; opening again sets it aside and begins a new one. */
static void reopen_spool(struct daemon *daemon)
{
	const unsigned damage = spool_damage(daemon->spool);

	spool_close(daemon->spool);
	daemon->spool = NULL;
	if (daemon_open_spool(daemon, damage)) {
		/* Without a spool nothing may be read: systemd starts us anew. */
		log_error("going down: there is no spool");
		exit(EXIT_FAILURE);
	}
	if (daemon->uplink)
		uplink_spool_replaced(daemon->uplink);
	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
}

void daemon_spool_trouble(struct daemon *daemon, int error)
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

	daemon->stored = false;
	spool_stats(daemon->spool, &stats);
	if (stats.dropped_total == daemon->dropped)
		return;
	log_warning("records are given up, the oldest of the lowest class first records=%" PRId64,
		    stats.dropped_total - daemon->dropped);
	daemon->dropped = stats.dropped_total;
	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
}

/* Says once that the disk fails, and that it works again. */
static void watch_disk(struct daemon *daemon, int error)
{
	if (error && !daemon->disk_failing)
		log_error(
			"the spool's disk fails, what is new is kept in memory reason=\"%s\" errno=%d",
			spool_error(daemon->spool), -error);
	if (!error && daemon->disk_failing)
		log_notice("the spool's disk works again");
	daemon->disk_failing = error != 0;
}

static void on_move(struct loop_timer *timer)
{
	struct daemon *daemon = timer->arg;
	const int r = spool_run(daemon->spool);

	if (r == -EUCLEAN)
		daemon_spool_trouble(daemon, r);
	else
		watch_disk(daemon, r);
	/* A disk that came has batches with ids of their own. */
	if (spool_take_replaced(daemon->spool) && daemon->uplink)
		uplink_spool_replaced(daemon->uplink);
	if (spool_take_passed_over(daemon->spool) && daemon->uplink)
		uplink_spool_passed_over(daemon->uplink);
	watch_drops(daemon);
	daemon_arm_spool(daemon);
}

void daemon_arm_spool(struct daemon *daemon)
{
	const int64_t wait = spool_due(daemon->spool) - loop_now_us(daemon->loop);

	/* Acknowledgements give it work too, without a word to us. */
	if (loop_timer_set(daemon->loop, &daemon->move,
			   wait < 0 ? 0 : (wait < SPOOL_LOOK_US ? wait : SPOOL_LOOK_US), on_move,
			   daemon))
		log_error("out of memory: the spool is not moved to disk");
}

int daemon_store(void *arg, const struct spool_put *puts, size_t count)
{
	struct daemon *daemon = arg;
	int64_t first;
	const int r = spool_append(daemon->spool, puts, count, &first);

	if (r) {
		daemon_spool_trouble(daemon, r);
		return r;
	}
	if (daemon->spool_failing)
		log_notice("spool works again");
	daemon->spool_failing = false;
	daemon->stored = true;
	daemon_arm_spool(daemon);
	if (daemon->uplink)
		uplink_stored(daemon->uplink, count);
	return 0;
}

int daemon_drop(struct daemon *daemon, const struct spool_filter *filter, int64_t *ret_records)
{
	struct spool_stats stats;
	const int r = spool_drop(daemon->spool, filter, ret_records);

	spool_stats(daemon->spool, &stats);
	if (stats.dropped_total != daemon->dropped)
		log_notice("an operator gave up records=%" PRId64,
			   stats.dropped_total - daemon->dropped);
	daemon->dropped = stats.dropped_total;
	if (r)
		daemon_spool_trouble(daemon, r);
	sampler_keyframe_all(daemon->sampler, loop_now_us(daemon->loop));
	daemon_arm_seal(daemon);
	/* What states the loss. */
	if (daemon->uplink)
		uplink_stored(daemon->uplink, 1);
	return r;
}

/* ---- sampler ---- */

void daemon_arm_seal(struct daemon *daemon)
{
	int64_t due;

	/* Here, and not where it is stored: the sampler is in the middle of a sealing then. */
	if (daemon->stored)
		watch_drops(daemon);
	due = sampler_due(daemon->sampler);
	if (due == INT64_MAX)
		loop_timer_cancel(&daemon->seal);
	else if (loop_timer_set(daemon->loop, &daemon->seal, due - loop_now_us(daemon->loop),
				on_seal, daemon))
		(void)sampler_run(daemon->sampler, loop_now_us(daemon->loop));
}

static void on_seal(struct loop_timer *timer)
{
	struct daemon *daemon = timer->arg;

	/* An error was said by daemon_spool_trouble(); the readings wait. */
	(void)sampler_run(daemon->sampler, loop_now_us(daemon->loop));
	daemon_arm_seal(daemon);
}

void daemon_take_update(void *arg, const struct model_update *update)
{
	struct daemon *daemon = arg;
	const int r = sampler_update(daemon->sampler, update, loop_now_us(daemon->loop));

	if (r == -ENOSPC && !daemon->spool_failing) {
		if (!daemon->refused++)
			log_error("too many devices for one gateway device=%s", update->device_id);
	}
	daemon_arm_seal(daemon);
}
