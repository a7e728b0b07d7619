#include "agent/pace.h"

#define BASE_SPAN_US INT64_C(60000000)
#define WORST_SPAN_US INT64_C(10000000)
#define IDLE_US INT64_C(10000000)  /* after so long without backlog the window is of long ago */
#define FLOOR_US INT64_C(10000000) /* at the smallest window for so long: the way is longer */
#define FLOOR_SAMPLES 3

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void forget_floor(struct pace *pace)
{
	pace->floor_us = -1;
	pace->floor_least_us = INT64_MAX;
	pace->floor_samples = 0;
}

static void start(struct pace *pace)
{
	pace->window = least(PACE_START_BYTES, pace->ceiling);
	pace->starting = true;
	forget_floor(pace);
}

void pace_init(struct pace *pace, int64_t ceiling)
{
	*pace = (struct pace){
		.ceiling = most(ceiling, PACE_FLOOR_BYTES),
		.smoothed_us = -1,
		.least_us = -1,
	};
	for (int i = 0; i < PACE_BASES; i++)
		pace->bases[i] = INT64_MAX;
	for (int i = 0; i < PACE_WORSTS; i++)
		pace->worsts[i] = -1;
	start(pace);
}

void pace_connected(struct pace *pace, int64_t now_us)
{
	start(pace);
	pace->least_us = -1;
	pace->acked_us = now_us;
	pace->cut_us = now_us;
}

int64_t pace_window(const struct pace *pace)
{
	return pace->window;
}

void pace_begin(struct pace *pace, int64_t now_us)
{
	if (now_us - pace->acked_us <= IDLE_US)
		return;
	if (pace->window > PACE_START_BYTES)
		start(pace);
	pace->acked_us = now_us;
}

/* How many places a row of spans moves on; *from_us becomes the beginning of the newest. */
static int spans_passed(int64_t *from_us, int64_t span_us, int size, int64_t now_us)
{
	const int64_t passed = (now_us - *from_us) / span_us;

	if (passed <= 0)
		return 0;
	*from_us += passed * span_us;
	return passed > size ? size : (int)passed;
}

static void move_on(int64_t *row, int size, int places, int64_t empty)
{
	for (int i = size - 1; i >= 0; i--)
		row[i] = i >= places ? row[i - places] : empty;
}

void pace_round_trip(struct pace *pace, int64_t us, int64_t now_us)
{
	int places;

	if (us < 0)
		return;
	places = spans_passed(&pace->base_from_us, BASE_SPAN_US, PACE_BASES, now_us);
	move_on(pace->bases, PACE_BASES, places, INT64_MAX);
	places = spans_passed(&pace->worst_from_us, WORST_SPAN_US, PACE_WORSTS, now_us);
	move_on(pace->worsts, PACE_WORSTS, places, -1);
	pace->bases[0] = least(pace->bases[0], us);
	pace->worsts[0] = most(pace->worsts[0], us);
	/* RFC 6298 section 2.3. */
	pace->smoothed_us =
		pace->smoothed_us < 0 ? us : pace->smoothed_us + (us - pace->smoothed_us) / 8;
	/* Acknowledgements are coalesced: the batch that was sent last waited least for its own. */
	if (pace->least_us < 0 || us < pace->least_us)
		pace->least_us = us;
}

static int64_t base_us(const struct pace *pace)
{
	int64_t base = PACE_BASE_MAX_US;

	for (int i = 0; i < PACE_BASES; i++)
		base = least(base, pace->bases[i]);
	return base;
}

/* At the smallest window next to nothing of what waits is ours: then it is the way that is long. */
static void watch_floor(struct pace *pace, int64_t us, int64_t now_us)
{
	if (pace->window > PACE_FLOOR_BYTES) {
		forget_floor(pace);
		return;
	}
	if (pace->floor_us < 0)
		pace->floor_us = now_us;
	pace->floor_least_us = least(pace->floor_least_us, us);
	pace->floor_samples++;
	if (now_us - pace->floor_us < FLOOR_US || pace->floor_samples < FLOOR_SAMPLES)
		return;
	for (int i = 0; i < PACE_BASES; i++)
		pace->bases[i] = INT64_MAX;
	pace->bases[0] = pace->floor_least_us;
	forget_floor(pace);
}

/* Up to a quarter more for a window's worth of acknowledgements, down to a half. */
static int64_t step(int64_t bytes, int64_t delay_us)
{
	const int64_t off = PACE_TARGET_US - most(delay_us, 0);

	if (off >= 0)
		return bytes * off / PACE_TARGET_US / 4;
	return -(bytes * least(-off, PACE_TARGET_US) / PACE_TARGET_US / 2);
}

void pace_acked(struct pace *pace, int64_t bytes, bool limited, int64_t now_us)
{
	const int64_t us = pace->least_us;
	int64_t delay_us, change;

	pace->least_us = -1;
	if (bytes > 0)
		pace->acked_us = now_us;
	if (us < 0)
		return;
	delay_us = us - base_us(pace);
	if (delay_us > PACE_TARGET_US / 2)
		pace->starting = false;
	bytes = least(bytes, pace->window);
	change = pace->starting ? bytes : step(bytes, delay_us);
	if (change < 0 || limited)
		pace->window += change;
	pace->window = least(most(pace->window, PACE_FLOOR_BYTES), pace->ceiling);
	watch_floor(pace, us, now_us);
}

void pace_lost(struct pace *pace, int64_t now_us)
{
	/* What was sent in the same round trip may be lost together: that is one loss. */
	if (now_us - pace->cut_us < most(pace->smoothed_us, PACE_TARGET_US))
		return;
	pace->cut_us = now_us;
	pace->starting = false;
	pace->window = most(pace->window / 2, PACE_FLOOR_BYTES);
}

int64_t pace_rate(const struct pace *pace)
{
	if (pace->smoothed_us < 0)
		return 0;
	return pace->window * 1000000 / most(pace->smoothed_us, 1000);
}

int64_t pace_worst_us(const struct pace *pace, int64_t now_us)
{
	const int64_t passed = (now_us - pace->worst_from_us) / WORST_SPAN_US;
	int64_t worst = -1;

	for (int i = 0; i < PACE_WORSTS; i++)
		if (i + passed < PACE_WORSTS)
			worst = most(worst, pace->worsts[i]);
	return worst;
}
