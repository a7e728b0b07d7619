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

/* One moment on both clocks. They are read one after the other and the thread may be kept from the
 * processor in between, so the best of a few tries is taken: the two belong together to about a
 * millisecond even where the machine is busy. */
struct clock_moment {
	int64_t mono_us, wall_ms;
};
struct clock_moment clock_moment(struct clock *clock);

/* How far the system's clock is trusted: `[clock] trust = kernel | gps | core | always`. The system
 * clock is CLOCK_QUALITY_SYNCED when the kernel says so (kernel) or without asking (always); with gps
 * and core it is CLOCK_QUALITY_NONE, and whoever hears GPS or the core anchors the time itself. */
enum clock_trust { CLOCK_TRUST_KERNEL, CLOCK_TRUST_GPS, CLOCK_TRUST_CORE, CLOCK_TRUST_ALWAYS };

/* What the kernel says of the wall clock, as adjtimex(2) returns it. */
struct clock_kernel {
	int state;  /* the call's return value: TIME_OK ... TIME_ERROR, -1 where it fails */
	int status; /* STA_* */
	int64_t max_error_us; /* grows by 500 us a second since whoever steers the clock last did so */
};

/* An error that large means that nobody has steered the clock for hours: a synchronisation that is
 * over. The kernel itself says so at 16 s. */
#define CLOCK_MAX_ERROR_US INT64_C(4000000)

/* Is the wall clock synchronised? Not while a leap second is being inserted either: that second has
 * the name of the one before. Whoever steers the clock must tell the kernel (chrony: `rtcsync`); a
 * time restored at boot (fake-hwclock, systemd's saved time) or set by hand does not. */
bool clock_kernel_synced(const struct clock_kernel *kernel);

struct clock_system {
	struct clock clock;
	enum clock_trust trust;
	/* Before this the wall clock is wrong, whoever vouches for it (the time of the build, less a
	 * day for its time zone); 0: no such bound. The owner may set it. */
	int64_t floor_ms;
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
