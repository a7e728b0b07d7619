/* Time, behind an ops table, so that tests own it.
 *
 * Inside the programs: int64_t monotonic microseconds (CLOCK_BOOTTIME: counts suspend, starts at
 * boot). On wires and disk: int64_t milliseconds UTC. Nothing else reads a clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_BOOT_ID_LEN 36 /* as in /proc/sys/kernel/random/boot_id */

/* Who vouches for the wall clock; better ones are larger. */
enum clock_quality {
	CLOCK_QUALITY_NONE,   /* nobody: may be 1970 */
	CLOCK_QUALITY_CORE,   /* anchored by the core's own clock */
	CLOCK_QUALITY_GPS,    /* a GPS fix */
	CLOCK_QUALITY_SYNCED, /* the kernel says so (adjtimex), or the operator vouches for it */
};

/* Names as on the wire: "none", "core", "gps", "synced". */
const char *clock_quality_name(enum clock_quality quality);
int clock_quality_parse(const char *name, enum clock_quality *ret_quality); /* 0 or -EINVAL */

struct clock;

struct clock_ops {
	int64_t (*wall_ms)(struct clock *clock);
	int64_t (*mono_us)(struct clock *clock);
	enum clock_quality (*quality)(struct clock *clock);
	/* NUL-terminated, CLOCK_BOOT_ID_LEN characters, valid as long as the clock. */
	const char *(*boot_id)(struct clock *clock);
};

struct clock {
	const struct clock_ops *ops;
};

static inline int64_t clock_wall_ms(struct clock *clock)
{
	return clock->ops->wall_ms(clock);
}
static inline int64_t clock_mono_us(struct clock *clock)
{
	return clock->ops->mono_us(clock);
}
static inline enum clock_quality clock_quality(struct clock *clock)
{
	return clock->ops->quality(clock);
}
static inline const char *clock_boot_id(struct clock *clock)
{
	return clock->ops->boot_id(clock);
}

/* How far the system's clock is trusted: `[clock] trust = kernel | gps | core | always`. The system
 * clock is CLOCK_QUALITY_SYNCED when the kernel says so (kernel) or without asking (always); with gps
 * and core it is CLOCK_QUALITY_NONE, and whoever hears GPS or the core anchors the time itself. */
enum clock_trust { CLOCK_TRUST_KERNEL, CLOCK_TRUST_GPS, CLOCK_TRUST_CORE, CLOCK_TRUST_ALWAYS };

struct clock_system {
	struct clock clock;
	enum clock_trust trust;
	char boot_id[CLOCK_BOOT_ID_LEN + 1];
};

/* The machine's clocks. Returns 0 or -errno when the boot id cannot be read. Any thread may read it
 * afterwards. FRESHET_BOOT_ID in the environment stands in for the kernel's boot id (containers,
 * tests of a reboot); -EINVAL when it is not shaped like one. */
int clock_system_init(struct clock_system *sys, enum clock_trust trust);

/* A clock that moves only when told. */
struct clock_fake {
	struct clock clock;
	int64_t wall_ms;
	int64_t mono_us;
	enum clock_quality quality;
	char boot_id[CLOCK_BOOT_ID_LEN + 1];
};

/* Starts synced, with a boot id of its own; the test sets the members as it likes. */
void clock_fake_init(struct clock_fake *fake, int64_t wall_ms, int64_t mono_us);
/* Moves wall and monotonic time forward together. */
void clock_fake_advance(struct clock_fake *fake, int64_t us);
/* True for a clock made by clock_fake_init(): its time does not pass by waiting. */
bool clock_is_fake(const struct clock *clock);

#endif
