/* The one clock anchor of a boot: what wall time its monotonic clock stands for. Portable.
 *
 * An anchor is an offset: the wall time (ms UTC) of monotonic zero. Offers come with every send, in
 * any order, from any of the boot's epochs; the result does not depend on their order (but for
 * differences below ANCHOR_STEP_MS, which are not followed).
 *
 *	quality   synced > gps > core > none; a better one replaces a worse one
 *	equal     synced and gps: the one read later on the monotonic clock;
 *		  core: the later offset (the agent makes it from an ack, so it is a lower bound)
 *	ceiling   no live send was made after it was received: offset <= received_at - sent_mono. Where
 *		  the core's own clock was set since, the next live send makes the ceiling anew
 *	nothing   a boot that was ever live gets the ceiling itself, quality core; one that never was
 *		  has no time: its values only complete what is missing
 *
 * The end of the boot before is no bound: with a cloned card that boot may still run.
 */
#ifndef CLOUD_DOMAIN_ANCHOR_H
#define CLOUD_DOMAIN_ANCHOR_H

#include <stdbool.h>

#include "model/update.h"

#define ANCHOR_STEP_MS 20

/* Same order as the wire's qualities; larger is better. */
enum anchor_quality { ANCHOR_NONE, ANCHOR_CORE, ANCHOR_GPS, ANCHOR_SYNCED };

/* What is kept of a boot (of a time base: the header's boot id). */
struct anchor {
	enum anchor_quality quality; /* of the offer that holds; NONE: there is none */
	int64_t mono_us;             /* when it was read */
	int64_t offset_ms;           /* meaningless with NONE */
	int64_t ceiling_ms;          /* INT64_MAX: never live */
	int64_t ceiling_base_ms;     /* the core's time base on which it was received */
};

void anchor_init(struct anchor *anchor);

/* A send's pair (mono, wall) with its quality; at_ms MODEL_NO_TIME or quality NONE: no offer. */
void anchor_offer(struct anchor *anchor, enum anchor_quality quality, int64_t mono_us,
		  int64_t at_ms);
/* A live send: made at `sent_mono_us`, received at `received_ms` of the core's clock, whose time base
 * is `base_ms` (wall clock less uptime: it changes only where the clock is set, or the machine stood
 * still or booted). One that differs by ANCHOR_BASE_STEP_MS is another one: what was received before
 * says nothing of what is right now. */
#define ANCHOR_BASE_STEP_MS 1000
void anchor_live(struct anchor *anchor, int64_t sent_mono_us, int64_t received_ms, int64_t base_ms);
/* The offset that holds, with its quality in *ret_quality (may be NULL): MODEL_NO_TIME and NONE
 * where nothing at all is known. */
int64_t anchor_offset_ms(const struct anchor *anchor, enum anchor_quality *ret_quality);

/* What the neighbours of a boot that has no time say of it. Times in ms UTC, MODEL_NO_TIME where
 * nothing is known. */
struct anchor_between {
	int64_t after_ms;                 /* the boot before it was still there then */
	int64_t before_ms;                /* the boot after it was there already */
	int64_t min_mono_us, max_mono_us; /* the first and last moment known of it; -1 without */
};

/* The bounds of a moment of such a boot: not before its neighbour's end plus what the boot is known to have lasted,
 * not after the next one's begin less what it still lasted, nor after its receipt. Each becomes
 * MODEL_NO_TIME where it is not known; the lower one also where it contradicts the upper (of a copied
 * card the boot before may still run, so no order of values rests on these bounds). */
void anchor_bounds(const struct anchor_between *between, int64_t mono_us, int64_t received_ms,
		   int64_t *ret_not_before_ms, int64_t *ret_not_after_ms);

/* Wall time of a monotonic moment under an offset; MODEL_NO_TIME stays. */
int64_t anchor_wall_ms(int64_t offset_ms, int64_t mono_us);

/* Is the new offset different enough that stored times are to be worked out again? */
bool anchor_moved(int64_t old_offset_ms, int64_t new_offset_ms);

#endif
