#include <errno.h>

#include "agent/daemon_priv.h"
#include "agent/saved_time.h"

#define SAVE_US INT64_C(600000000)

static void on_upkeep(struct loop_timer *timer);

int64_t daemon_wall_ms(struct daemon *daemon, int64_t mono_us)
{
	return time_keeper_wall_ms(&daemon->time, mono_us);
}

/* The machine was set back or stood still: what was read before has no place on the new time base. */
static void begin_time_base(struct daemon *daemon)
{
	log_warning("the clock jumped against the machine's uptime: a new time base begins boot=%s",
		    spool_boot(daemon->spool));
	daemon_stop_sources(daemon);
	sampler_forget(daemon->sampler);
	if (daemon_start_sources(daemon))
		log_error("sources cannot be started again");
}

/* The two times of an offer belong together: they were taken before anything is stored here. That may
 * take seconds on a slow card, and with the time after it the clock would seem to have jumped. */
static void make_offer(struct daemon *daemon, const struct time_offer *offer)
{
	int r;

	/* What waits was read on the time base that holds now. */
	if (time_keeper_jumped(&daemon->time, offer) &&
	    sampler_flush(daemon->sampler, loop_now_us(daemon->loop)))
		return;
	r = spool_set_anchor(daemon->spool, offer->mono_us, offer->at_ms, offer->quality);
	if (r < 0) {
		daemon_spool_trouble(daemon, r);
		return;
	}
	if (daemon->time.given.quality != offer->quality)
		log_notice("the time is known by=%s", clock_quality_name(offer->quality));
	time_keeper_given(&daemon->time, offer);
	if (r > 0)
		begin_time_base(daemon);
}

/* For the certificates of the next start, which may be in 1970 again. */
static void save_time(struct daemon *daemon, const struct time_offer *offer)
{
	const int64_t now = loop_now_us(daemon->loop);

	if (daemon->saved_us && now - daemon->saved_us < SAVE_US)
		return;
	daemon->saved_us = now;
	if (saved_time_store(daemon->config->state_dir, offer->at_ms))
		log_warning("time cannot be saved folder=\"%s\"", daemon->config->state_dir);
}

static void use_offer(struct daemon *daemon, const struct time_offer *offer)
{
	make_offer(daemon, offer);
	save_time(daemon, offer);
	daemon_arm_seal(daemon);
}

void daemon_keep_time(struct daemon *daemon)
{
	struct time_offer offer;

	if (time_keeper_system(&daemon->time, &offer))
		use_offer(daemon, &offer);
	if (loop_timer_set(daemon->loop, &daemon->upkeep, TIME_KEEPER_LOOK_US, on_upkeep, daemon))
		log_error("out of memory: times are no longer kept");
}

static void on_upkeep(struct loop_timer *timer)
{
	daemon_keep_time(timer->arg);
}

void daemon_take_core_time(void *arg, int64_t at_ms)
{
	struct daemon *daemon = arg;
	struct time_offer offer;

	if (time_keeper_core(&daemon->time, at_ms, &offer))
		use_offer(daemon, &offer);
}

static void on_gps_time(struct loop_timer *timer)
{
	struct daemon *daemon = timer->arg;

	use_offer(daemon, &daemon->gps_offer);
}

void daemon_take_gps_time(void *arg, int64_t wall_ms, int64_t mono_us)
{
	struct daemon *daemon = arg;

	if (!time_keeper_gps(&daemon->time, wall_ms, mono_us, &daemon->gps_offer))
		return;
	/* Not here: a new time base stops and starts the source that is speaking. */
	if (loop_timer_set(daemon->loop, &daemon->gps_time, 0, on_gps_time, daemon))
		log_error("out of memory: the time that GPS tells is not used");
}
