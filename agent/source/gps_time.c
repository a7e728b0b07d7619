#include "agent/source/gps_time.h"

#include <string.h>

#define AGREE_US INT64_C(1000000)
#define ENOUGH 3
/* A receiver that corrects itself stays with it; one that is confused does not. */
#define ENOUGH_TO_CORRECT 30
#define TELL_US INT64_C(60000000)
/* Quartz is off by 50 ppm at most; what came soonest long ago is worth less by twice that. */
#define DRIFT_DIVISOR 10000

void gps_time_init(struct gps_time *time, int64_t floor_ms)
{
	memset(time, 0, sizeof(*time));
	time->floor_ms = floor_ms;
}

static bool agrees(const struct gps_time_line *line, int64_t offset_us)
{
	const int64_t apart = offset_us - line->offset_us;

	return line->count > 0 && apart <= AGREE_US && apart >= -AGREE_US;
}

static void join(struct gps_time_line *line, int64_t offset_us, int64_t mono_us)
{
	line->offset_us -= (mono_us - line->at_us) / DRIFT_DIVISOR;
	if (offset_us > line->offset_us)
		line->offset_us = offset_us;
	line->at_us = mono_us;
	if (line->count < ENOUGH_TO_CORRECT)
		line->count++;
}

/* Nothing is sure yet: who is outvoted goes. */
static void outvote(struct gps_time *time, int64_t offset_us, int64_t mono_us)
{
	if (time->held.count > 1)
		time->held.count--;
	else
		time->held = (struct gps_time_line){offset_us, mono_us, 1};
}

/* False where the fix disagrees with what is held. */
static bool weigh(struct gps_time *time, int64_t offset_us, int64_t mono_us)
{
	if (agrees(&time->held, offset_us)) {
		join(&time->held, offset_us, mono_us);
		time->other.count = 0;
		return true;
	}
	time->refused += time->held.count > 0;
	if (time->held.count < ENOUGH) {
		outvote(time, offset_us, mono_us);
		return false;
	}
	if (agrees(&time->other, offset_us))
		join(&time->other, offset_us, mono_us);
	else
		time->other = (struct gps_time_line){offset_us, mono_us, 1};
	if (time->other.count < ENOUGH_TO_CORRECT)
		return false;
	time->held = time->other;
	time->other.count = 0;
	time->told = false;
	return true;
}

bool gps_time_take(struct gps_time *time, int64_t wall_ms, int64_t mono_us, int64_t *ret_wall_ms,
		   int64_t *ret_mono_us)
{
	time->agreed = false;
	/* 9999-12-31: later ones have no text. */
	if (wall_ms < time->floor_ms || wall_ms > INT64_C(253402300799999)) {
		time->refused++;
		return false;
	}
	time->agreed = weigh(time, wall_ms * 1000 - mono_us, mono_us) && time->held.count >= ENOUGH;
	if (!time->agreed || (time->told && mono_us - time->told_us < TELL_US))
		return false;
	time->told = true;
	time->told_us = mono_us;
	*ret_wall_ms = (mono_us + time->held.offset_us) / 1000;
	*ret_mono_us = mono_us;
	return true;
}

bool gps_time_agrees(const struct gps_time *time)
{
	return time->agreed;
}
