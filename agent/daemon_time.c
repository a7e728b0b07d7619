#include <errno.h>

#include "agent/daemon_priv.h"
#include "agent/saved_time.h"

#define UPKEEP_US INT64_C(60000000)
#define SAVE_US INT64_C(600000000)

static void on_upkeep(struct loop_timer *timer);

int64_t daemon_wall_ms(struct daemon *daemon, int64_t mono_us)
{
	struct clock *clock = &daemon->clock.clock;

	if (mono_us == MODEL_NO_TIME)
		return MODEL_NO_TIME;
	if (clock_quality(clock) == CLOCK_QUALITY_NONE)
		return daemon->gps_mono_us ? daemon->gps_ms + (mono_us - daemon->gps_mono_us) / 1000
					   : MODEL_NO_TIME;
	return clock_wall_ms(clock) - (clock_mono_us(clock) - mono_us) / 1000;
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

/* The two times belong together: they are taken before anything is stored. That may take seconds on a
 * slow card, and with the time after it the clock would seem to have jumped. */
static void offer_anchor(struct daemon *daemon, int64_t mono_us, int64_t at_ms,
			 enum clock_quality quality)
{
	int r;

	/* What waits was read on the time base that holds now. */
	if (sampler_flush(daemon->sampler, loop_now_us(daemon->loop)))
		return;
	r = spool_set_anchor(daemon->spool, mono_us, at_ms, quality);
	if (r < 0)
		daemon_spool_trouble(daemon, r);
	else if (r > 0)
		begin_time_base(daemon);
}

static void save_time(struct daemon *daemon, int64_t wall_ms)
{
	const int64_t now = loop_now_us(daemon->loop);

	if (daemon->saved_us && now - daemon->saved_us < SAVE_US)
		return;
	daemon->saved_us = now;
	if (saved_time_store(daemon->config->state_dir, wall_ms))
		log_warning("time cannot be saved folder=\"%s\"", daemon->config->state_dir);
}

/* A clock that is trusted dates what the spool holds, and is kept for the next start. */
static void use_clock(struct daemon *daemon)
{
	struct clock *clock = &daemon->clock.clock;
	const enum clock_quality quality = clock_quality(clock);

	if (quality < CLOCK_QUALITY_GPS)
		return;
	offer_anchor(daemon, clock_mono_us(clock), clock_wall_ms(clock), quality);
	save_time(daemon, clock_wall_ms(clock));
}

void daemon_keep_time(struct daemon *daemon)
{
	use_clock(daemon);
	daemon_arm_seal(daemon);
	if (loop_timer_set(daemon->loop, &daemon->upkeep, UPKEEP_US, on_upkeep, daemon))
		log_error("out of memory: times are no longer kept");
}

static void on_upkeep(struct loop_timer *timer)
{
	daemon_keep_time(timer->arg);
}

void daemon_take_core_time(void *arg, int64_t at_ms)
{
	struct daemon *daemon = arg;
	const int64_t now = loop_now_us(daemon->loop);

	if (clock_quality(&daemon->clock.clock) != CLOCK_QUALITY_NONE)
		return;
	if (daemon->core_anchor_us && now - daemon->core_anchor_us < UPKEEP_US)
		return;
	daemon->core_anchor_us = now;
	offer_anchor(daemon, clock_mono_us(&daemon->clock.clock), at_ms, CLOCK_QUALITY_CORE);
}

static void on_gps_time(struct loop_timer *timer)
{
	struct daemon *daemon = timer->arg;

	offer_anchor(daemon, daemon->gps_mono_us, daemon->gps_ms, CLOCK_QUALITY_GPS);
	save_time(daemon, daemon->gps_ms);
	daemon_arm_seal(daemon);
}

void daemon_take_gps_time(void *arg, int64_t wall_ms, int64_t mono_us)
{
	struct daemon *daemon = arg;
	const enum clock_trust trust = daemon->config->trust;

	if (clock_quality(&daemon->clock.clock) != CLOCK_QUALITY_NONE ||
	    (trust != CLOCK_TRUST_GPS && trust != CLOCK_TRUST_KERNEL))
		return;
	if (!daemon->gps_mono_us)
		log_notice("GPS tells the time");
	daemon->gps_ms = wall_ms;
	daemon->gps_mono_us = mono_us;
	/* Not here: a new time base stops and starts the source that is speaking. */
	if (loop_timer_set(daemon->loop, &daemon->gps_time, 0, on_gps_time, daemon))
		log_error("out of memory: the time that GPS tells is not used");
}
