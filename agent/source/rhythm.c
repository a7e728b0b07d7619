#include "agent/source/rhythm_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BIT_RATE_DEFAULT 500000
#define PERIOD_MIN_US (RHYTHM_SECOND / 100)
#define ONCE_RETRY_MIN_US (5 * RHYTHM_SECOND)
/* Nobody answered, or it was refused: twice the period, doubled up to these. */
#define UNANSWERED_MAX_US (300 * RHYTHM_SECOND)
#define REFUSED_MIN_US (60 * RHYTHM_SECOND)
#define REFUSED_MAX_US (3600 * RHYTHM_SECOND)
#define ECU_BACKOFF_MIN_US (10 * RHYTHM_SECOND)
#define ECU_BACKOFF_MAX_US (300 * RHYTHM_SECOND)
/* Back-offs are not forgotten more often, however often the ignition is turned. */
#define FORGIVE_GAP_US (60 * RHYTHM_SECOND)
/* A vehicle that charges or is off changes slowly, and is kept awake by whoever asks. */
#define GENTLE_US (10 * RHYTHM_SECOND)
/* Requests in a row that nobody answered: is anybody there? */
#define SILENT_RUN 5
/* Answers in a row that could not be used: the adapter or its line fails. */
#define GARBLED_RUN 10
#define GARBLED_PAUSE_MAX_US (30 * RHYTHM_SECOND)
/* The bus: what may be sent at once, and the share of the limit that is used, so that a minute with a
 * burst and a long answer is within the limit too. */
#define BURST_S 0.25
#define BURST_FRAMES_MIN 2
#define LIMIT_SHARE 0.98
#define FRAMES_EXPECTED 2

void rhythm_defaults(struct rhythm_config *config)
{
	*config = (struct rhythm_config){
		.bus_load_pct = 2,
		.bit_rate = 0,
		.wake_budget = 48,
		.asleep_retry_us = 240 * RHYTHM_MINUTE,
		.voltage_us = RHYTHM_MINUTE,
		.sleep_below_v = 12.4,
		.wake_above_v = 13.2,
		.linger_us = 5 * RHYTHM_MINUTE,
	};
}

/* ---- making ---- */

static void put_item(struct rhythm_entry *entry, const struct rhythm_item *item)
{
	*entry = (struct rhythm_entry){
		.item = *item,
		.hold_us = RHYTHM_NEVER,
		.asked_us = RHYTHM_NEVER,
	};
	if (entry->item.period_us < PERIOD_MIN_US)
		entry->item.period_us = PERIOD_MIN_US;
	if (item->when == PROFILE_WHEN_ONCE && entry->item.period_us < ONCE_RETRY_MIN_US)
		entry->item.period_us = ONCE_RETRY_MIN_US;
	entry->item.ecu %= RHYTHM_ECUS_MAX;
}

static size_t clamp_budget(int budget)
{
	if (budget <= 0)
		return 0;
	return budget > RHYTHM_BUDGET_MAX ? RHYTHM_BUDGET_MAX : (size_t)budget;
}

int rhythm_create(const struct rhythm_config *config, const struct rhythm_item *items, size_t count,
		  struct rhythm **ret_rhythm)
{
	const size_t budget = clamp_budget(config->wake_budget);
	struct rhythm *rhythm;

	if (count > (SIZE_MAX / 2 - sizeof(*rhythm)) / sizeof(rhythm->entries[0]))
		return -ENOMEM;
	rhythm = calloc(1, sizeof(*rhythm) + count * sizeof(rhythm->entries[0]));
	if (!rhythm)
		return -ENOMEM;
	rhythm->paid = calloc(budget + 1, sizeof(rhythm->paid[0]));
	if (!rhythm->paid) {
		free(rhythm);
		return -ENOMEM;
	}
	rhythm->config = *config;
	rhythm->budget = budget;
	rhythm->count = count;
	rhythm->credit_us = RHYTHM_NEVER;
	rhythm->forgave_us = RHYTHM_NEVER;
	rhythm->pause_us = RHYTHM_NEVER;
	for (size_t i = 0; i < RHYTHM_MINUTE_SLOTS; i++)
		rhythm->minute_second[i] = RHYTHM_NEVER;
	if (rhythm->config.voltage_us < RHYTHM_SECOND)
		rhythm->config.voltage_us = RHYTHM_SECOND;
	if (rhythm->config.asleep_retry_us < RHYTHM_SECOND)
		rhythm->config.asleep_retry_us = RHYTHM_SECOND;
	rhythm->turn_us = RHYTHM_NEVER;
	for (size_t i = 0; i < count; i++)
		put_item(&rhythm->entries[i], &items[i]);
	rhythm_rest_init(rhythm);
	*ret_rhythm = rhythm;
	return 0;
}

void rhythm_destroy(struct rhythm *rhythm)
{
	if (!rhythm)
		return;
	free(rhythm->paid);
	free(rhythm);
}

void rhythm_set_bit_rate(struct rhythm *rhythm, unsigned bit_rate)
{
	rhythm->config.bit_rate = bit_rate;
}

void rhythm_bar(struct rhythm *rhythm, size_t index, bool barred)
{
	if (index < rhythm->count)
		rhythm->entries[index].barred = barred;
}

/* ---- the bus ---- */

/* Bits a second that may be used; 0: no limit. */
static double bus_rate(const struct rhythm *rhythm)
{
	const unsigned rate = rhythm->config.bit_rate ? rhythm->config.bit_rate : BIT_RATE_DEFAULT;

	if (rhythm->config.bus_load_pct <= 0)
		return 0;
	return LIMIT_SHARE * rate * rhythm->config.bus_load_pct / 100;
}

static double bus_burst(double rate)
{
	const double burst = BURST_S * rate;
	const double least = BURST_FRAMES_MIN * (double)RHYTHM_FRAME_BITS;

	return burst > least ? burst : least;
}

static void refill(struct rhythm *rhythm, int64_t now_us)
{
	const double rate = bus_rate(rhythm);
	const double burst = bus_burst(rate);

	if (rhythm->credit_us == RHYTHM_NEVER)
		rhythm->credit = burst;
	else
		rhythm->credit += rate * (double)(now_us - rhythm->credit_us) / RHYTHM_SECOND;
	if (rhythm->credit > burst)
		rhythm->credit = burst;
	rhythm->credit_us = now_us;
}

/* An exchange is known only afterwards: what it took more is waited for before the next. */
void rhythm_spend(struct rhythm *rhythm, unsigned frames, int64_t now_us)
{
	const int64_t second = now_us / RHYTHM_SECOND;
	const size_t slot = (size_t)(second % RHYTHM_MINUTE_SLOTS);
	const double bits = (double)frames * RHYTHM_FRAME_BITS;

	rhythm->stats.frames += frames;
	refill(rhythm, now_us);
	rhythm->credit -= bits;
	if (rhythm->minute_second[slot] != second) {
		rhythm->minute_second[slot] = second;
		rhythm->minute_bits[slot] = 0;
	}
	rhythm->minute_bits[slot] += bits;
}

/* How long the bus makes a request of so many frames wait; 0: not. */
static int64_t bus_wait(struct rhythm *rhythm, unsigned frames, int64_t now_us)
{
	const double rate = bus_rate(rhythm);
	double need = (double)(frames ? frames : FRAMES_EXPECTED) * RHYTHM_FRAME_BITS;

	if (rate <= 0)
		return 0;
	refill(rhythm, now_us);
	if (need > bus_burst(rate))
		need = bus_burst(rate);
	if (rhythm->credit >= need)
		return 0;
	return (int64_t)((need - rhythm->credit) / rate * RHYTHM_SECOND) + 1;
}

/* ---- what is due ---- */

bool rhythm_eligible(const struct rhythm_entry *entry, enum obd_activity activity)
{
	if (entry->barred)
		return false;
	switch (entry->item.when) {
	case PROFILE_WHEN_ONCE:
		return !entry->done;
	case PROFILE_WHEN_ON:
		return activity >= OBD_ACTIVITY_ON;
	case PROFILE_WHEN_DRIVING:
		return activity == OBD_ACTIVITY_DRIVING;
	case PROFILE_WHEN_CHARGING:
		return activity == OBD_ACTIVITY_CHARGING;
	case PROFILE_WHEN_AWAKE:
	case PROFILE_WHEN_COUNT:
		break;
	}
	return true; /* what sleeps is not asked for anything, see rhythm_rest.c */
}

static int64_t period_of(const struct rhythm_entry *entry, enum obd_activity activity)
{
	const bool gentle = activity == OBD_ACTIVITY_OFF || activity == OBD_ACTIVITY_CHARGING;

	/* What a profile wants while it charges has the period for that. */
	if (gentle && entry->item.when == PROFILE_WHEN_AWAKE && entry->item.period_us < GENTLE_US)
		return GENTLE_US;
	return entry->item.period_us;
}

static int64_t due_of(const struct rhythm *rhythm, const struct rhythm_entry *entry,
		      enum obd_activity activity)
{
	const struct rhythm_ecu *ecu = &rhythm->ecus[entry->item.ecu];
	const int64_t period = period_of(entry, activity);
	int64_t due = entry->due_us;

	if (period > entry->item.period_us && entry->asked_us != RHYTHM_NEVER &&
	    due < entry->asked_us + period)
		due = entry->asked_us + period;
	if (ecu->backoff_us && due < ecu->until_us)
		due = ecu->until_us;
	/* Where the unit is what fails, its first item to be due tries it. */
	if (ecu->backoff_us && entry->unanswered)
		return due;
	return due > entry->hold_us ? due : entry->hold_us;
}

/* The most overdue, in its own periods, of those that were due at `since_us` and still are. */
struct search {
	int ecu; /* < 0: of any control unit */
	int64_t since_us;
	bool found;
	size_t index;
	double urgency;
	int64_t next_us; /* when the first that is not yet due will be */
};

static void most_urgent(const struct rhythm *rhythm, struct search *search, int64_t now_us)
{
	search->found = false;
	search->next_us = INT64_MAX;
	for (size_t i = 0; i < rhythm->count; i++) {
		const struct rhythm_entry *entry = &rhythm->entries[i];
		int64_t due;
		double much;

		if (!rhythm_eligible(entry, rhythm->activity) ||
		    (search->ecu >= 0 && (unsigned)search->ecu != entry->item.ecu))
			continue;
		due = due_of(rhythm, entry, rhythm->activity);
		if (due > search->since_us) {
			if (due < search->next_us)
				search->next_us = due;
			continue;
		}
		much = (double)(now_us - due) / (double)period_of(entry, rhythm->activity);
		if (search->found && much <= search->urgency)
			continue;
		search->found = true;
		search->index = i;
		search->urgency = much;
	}
}

static struct search choose(const struct rhythm *rhythm, int64_t now_us)
{
	struct search all = {.ecu = -1, .since_us = now_us};
	struct search here = {.ecu = (int)rhythm->last_ecu, .since_us = rhythm->turn_us};

	most_urgent(rhythm, &here, now_us);
	if (here.found)
		return here;
	most_urgent(rhythm, &all, now_us);
	return all;
}

bool rhythm_is_due(const struct rhythm *rhythm, size_t index, enum obd_activity activity,
		   int64_t now_us)
{
	if (index >= rhythm->count || rhythm->rest != RHYTHM_AWAKE)
		return false;
	activity = rhythm_rest_believed(rhythm, activity);
	return rhythm_eligible(&rhythm->entries[index], activity) &&
	       due_of(rhythm, &rhythm->entries[index], activity) <= now_us;
}

static bool is_silent(const struct rhythm *rhythm)
{
	int limit = 0;

	for (size_t i = 0; i < rhythm->count && limit < SILENT_RUN; i++)
		limit += rhythm_eligible(&rhythm->entries[i], rhythm->activity);
	return rhythm->silent_run >= (limit < 2 ? 2 : limit);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static enum rhythm_action next_awake(struct rhythm *rhythm, int64_t now_us, size_t *ret_index,
				     int64_t *ret_until_us)
{
	struct search search;
	int64_t next, wait;

	if (is_silent(rhythm))
		return RHYTHM_LOOK;
	search = choose(rhythm, now_us);
	next = search.next_us;
	if (rhythm->pause_us > now_us) {
		next = rhythm->pause_us;
	} else if (search.found) {
		wait = bus_wait(rhythm, rhythm->entries[search.index].frames, now_us);
		if (!wait) {
			*ret_index = search.index;
			return RHYTHM_ASK;
		}
		rhythm->stats.held_back += !rhythm->held;
		rhythm->held = true;
		next = now_us + wait;
	}
	next = earlier(next, rhythm->measure_us);
	*ret_until_us = earlier(next, rhythm_rest_begins(rhythm));
	return RHYTHM_WAIT;
}

enum rhythm_action rhythm_next(struct rhythm *rhythm, enum obd_activity activity, int64_t now_us,
			       size_t *ret_index, int64_t *ret_until_us)
{
	int64_t look;

	rhythm_rest_step(rhythm, activity, now_us);
	if (now_us >= rhythm->measure_us)
		return RHYTHM_VOLTAGE;
	if (rhythm->rest == RHYTHM_AWAKE)
		return next_awake(rhythm, now_us, ret_index, ret_until_us);
	look = rhythm_rest_look_due(rhythm, now_us);
	if (now_us >= look)
		return RHYTHM_LOOK;
	*ret_until_us = earlier(look, rhythm->measure_us);
	return RHYTHM_WAIT;
}

/* ---- what became of it ---- */

/* Keeps the phase; what was missed is not made up for. */
static void schedule(struct rhythm_entry *entry, int64_t now_us)
{
	const int64_t period = entry->item.period_us;

	entry->due_us += period;
	if (entry->due_us <= now_us)
		entry->due_us = now_us + (period - (now_us - entry->due_us) % period);
}

static void back_off(struct rhythm_entry *entry, int64_t least_us, int64_t most_us, int64_t now_us)
{
	int64_t wait = entry->backoff_us ? entry->backoff_us * 2 : entry->item.period_us * 2;

	if (wait < least_us)
		wait = least_us;
	if (wait > most_us)
		wait = most_us;
	entry->backoff_us = wait;
	entry->hold_us = now_us + wait;
}

static void forget_backoff(struct rhythm_entry *entry)
{
	entry->unanswered = false;
	entry->refused = false;
	entry->backoff_us = 0;
	entry->hold_us = RHYTHM_NEVER;
}

static void ecu_answers(struct rhythm *rhythm, unsigned ecu)
{
	if (!rhythm->ecus[ecu].backoff_us)
		return;
	rhythm->ecus[ecu] = (struct rhythm_ecu){0};
	for (size_t i = 0; i < rhythm->count; i++)
		if (rhythm->entries[i].item.ecu == ecu && rhythm->entries[i].unanswered)
			forget_backoff(&rhythm->entries[i]);
}

/* A control unit is away when it has answered none of its items; a single item backs off alone. */
static void ecu_fails(struct rhythm *rhythm, unsigned index, int64_t now_us)
{
	struct rhythm_ecu *ecu = &rhythm->ecus[index];
	size_t asked = 0;

	for (size_t i = 0; i < rhythm->count; i++) {
		const struct rhythm_entry *entry = &rhythm->entries[i];

		if (entry->item.ecu != index || !rhythm_eligible(entry, rhythm->activity))
			continue;
		if (!entry->unanswered)
			return;
		asked++;
	}
	if (asked < 2)
		return;
	ecu->backoff_us = ecu->backoff_us ? ecu->backoff_us * 2 : ECU_BACKOFF_MIN_US;
	if (ecu->backoff_us > ECU_BACKOFF_MAX_US)
		ecu->backoff_us = ECU_BACKOFF_MAX_US;
	ecu->until_us = now_us + ecu->backoff_us;
}

static void note_garbled(struct rhythm *rhythm, int64_t now_us)
{
	int64_t pause = RHYTHM_SECOND;

	if (++rhythm->garbled_run < GARBLED_RUN)
		return;
	for (int i = GARBLED_RUN; i < rhythm->garbled_run && pause < GARBLED_PAUSE_MAX_US; i++)
		pause *= 2;
	rhythm->pause_us = now_us + earlier(pause, GARBLED_PAUSE_MAX_US);
}

void rhythm_asked(struct rhythm *rhythm, size_t index, enum rhythm_outcome outcome, unsigned frames,
		  int64_t now_us)
{
	struct rhythm_entry *entry;

	if (index >= rhythm->count)
		return;
	entry = &rhythm->entries[index];
	rhythm->stats.requests += frames > 0;
	rhythm->held = false;
	/* The turn of a control unit begins, or the next one of the same. */
	if (entry->item.ecu != rhythm->last_ecu ||
	    due_of(rhythm, entry, rhythm->activity) > rhythm->turn_us)
		rhythm->turn_us = now_us;
	rhythm->last_ecu = entry->item.ecu;
	rhythm_spend(rhythm, frames, now_us);
	entry->frames = frames;
	entry->asked_us = now_us;
	schedule(entry, now_us);
	if (outcome == RHYTHM_GARBLED)
		note_garbled(rhythm, now_us);
	else
		rhythm->garbled_run = 0;
	if (outcome == RHYTHM_UNANSWERED) {
		rhythm->silent_run += frames > 0;
		entry->refused = false;
		entry->unanswered = true;
		back_off(entry, 0, UNANSWERED_MAX_US, now_us);
		ecu_fails(rhythm, entry->item.ecu, now_us);
		return;
	}
	rhythm->silent_run = 0;
	ecu_answers(rhythm, entry->item.ecu);
	if (outcome == RHYTHM_REFUSED) {
		entry->unanswered = false;
		entry->refused = true;
		entry->done = true;
		back_off(entry, REFUSED_MIN_US, REFUSED_MAX_US, now_us);
	} else if (outcome == RHYTHM_ANSWERED) {
		entry->done = true;
		forget_backoff(entry);
	}
}

void rhythm_forgive(struct rhythm *rhythm, int64_t now_us)
{
	if (rhythm->forgave_us != RHYTHM_NEVER && now_us - rhythm->forgave_us < FORGIVE_GAP_US)
		return;
	rhythm->forgave_us = now_us;
	memset(rhythm->ecus, 0, sizeof(rhythm->ecus));
	for (size_t i = 0; i < rhythm->count; i++)
		if (rhythm->entries[i].unanswered)
			forget_backoff(&rhythm->entries[i]);
}

void rhythm_connected(struct rhythm *rhythm, int64_t now_us)
{
	rhythm_rest_wake(rhythm, false, now_us);
	rhythm->doubt = true;
	rhythm->silent_run = 0;
	memset(rhythm->ecus, 0, sizeof(rhythm->ecus));
	for (size_t i = 0; i < rhythm->count; i++) {
		struct rhythm_entry *entry = &rhythm->entries[i];

		forget_backoff(entry);
		entry->done = false;
		entry->due_us = now_us;
	}
}

void rhythm_stats(const struct rhythm *rhythm, int64_t now_us, struct rhythm_stats *ret_stats)
{
	const unsigned rate = rhythm->config.bit_rate ? rhythm->config.bit_rate : BIT_RATE_DEFAULT;
	const int64_t second = now_us / RHYTHM_SECOND;
	double bits = 0;

	for (size_t i = 0; i < RHYTHM_MINUTE_SLOTS; i++)
		if (rhythm->minute_second[i] != RHYTHM_NEVER &&
		    second - rhythm->minute_second[i] < RHYTHM_MINUTE_SLOTS)
			bits += rhythm->minute_bits[i];
	*ret_stats = rhythm->stats;
	ret_stats->looks_today = (int)rhythm_rest_paid(rhythm, now_us);
	ret_stats->bus_load_pct = 100 * bits / (RHYTHM_MINUTE_SLOTS * (double)rate);
	ret_stats->has_voltage = rhythm->volts_known;
	ret_stats->is_24v = rhythm->is_24v;
	ret_stats->is_bright = rhythm_rest_is_bright(rhythm, now_us);
	ret_stats->is_dark = rhythm_rest_is_dark(rhythm, now_us);
}
