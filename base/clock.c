/* Past 2038 also where time_t has 32 bits otherwise (armhf); only this file reads the clocks, and none
 * of these types leaves it. Before any header; it means nothing to other C libraries. */
#define _TIME_BITS 64

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const char *const quality_names[] = {
	[CLOCK_QUALITY_NONE] = "none",
	[CLOCK_QUALITY_CORE] = "core",
	[CLOCK_QUALITY_GPS] = "gps",
	[CLOCK_QUALITY_SYNCED] = "synced",
};
#define N_QUALITIES (sizeof(quality_names) / sizeof(quality_names[0]))

const char *clock_quality_name(enum clock_quality quality)
{
	return (unsigned)quality < N_QUALITIES ? quality_names[quality] : quality_names[0];
}

int clock_quality_parse(const char *name, enum clock_quality *ret_quality)
{
	for (size_t i = 0; i < N_QUALITIES; i++) {
		if (!strcmp(name, quality_names[i])) {
			*ret_quality = (enum clock_quality)i;
			return 0;
		}
	}
	return -EINVAL;
}

#define MOMENT_TRIES 4
#define MOMENT_GOOD_US 200

struct clock_moment clock_moment(struct clock *clock)
{
	struct clock_moment best = {0, 0};
	int64_t best_us = INT64_MAX;

	for (int i = 0; i < MOMENT_TRIES && best_us > MOMENT_GOOD_US; i++) {
		const int64_t before = clock_mono_us(clock);
		const int64_t wall_ms = clock_wall_ms(clock);
		const int64_t took_us = clock_mono_us(clock) - before;

		if (took_us >= best_us)
			continue;
		best_us = took_us;
		best = (struct clock_moment){before + took_us / 2, wall_ms};
	}
	return best;
}

_Static_assert(sizeof(time_t) == 8, "the wall clock is read past 2038");

static int64_t system_wall_ms(struct clock *clock)
{
	struct timespec now;

	(void)clock;
	/* Cannot fail: the clock exists and the address is good. */
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_mono_us(struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool clock_kernel_synced(const struct clock_kernel *kernel)
{
	return kernel->state >= 0 && kernel->state != TIME_ERROR && kernel->state != TIME_OOP &&
	       !(kernel->status & STA_UNSYNC) && kernel->max_error_us < CLOCK_MAX_ERROR_US;
}

static enum clock_quality system_quality(struct clock *clock)
{
	const struct clock_system *sys = (const struct clock_system *)clock;
	struct timex state = {.modes = 0};
	struct clock_kernel kernel;

	if (sys->trust != CLOCK_TRUST_KERNEL && sys->trust != CLOCK_TRUST_ALWAYS)
		return CLOCK_QUALITY_NONE;
	if (system_wall_ms(clock) < sys->floor_ms)
		return CLOCK_QUALITY_NONE;
	if (sys->trust == CLOCK_TRUST_ALWAYS)
		return CLOCK_QUALITY_SYNCED;
	kernel.state = adjtimex(&state);
	kernel.status = state.status;
	kernel.max_error_us = state.maxerror;
	return clock_kernel_synced(&kernel) ? CLOCK_QUALITY_SYNCED : CLOCK_QUALITY_NONE;
}

static const char *system_boot_id(struct clock *clock)
{
	return ((const struct clock_system *)clock)->boot_id;
}

static const struct clock_ops system_ops = {
	.wall_ms = system_wall_ms,
	.mono_us = system_mono_us,
	.quality = system_quality,
	.boot_id = system_boot_id,
};

/* 8-4-4-4-12 hexadecimal digits. */
static bool boot_id_valid(const char *text)
{
	if (strlen(text) != CLOCK_BOOT_ID_LEN)
		return false;
	for (int i = 0; i < CLOCK_BOOT_ID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* Fills text[CLOCK_BOOT_ID_LEN + 1] from the kernel. */
static int read_boot_id(char *text)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	int r = 0;

	if (fd < 0)
		return -errno;
	while (len < CLOCK_BOOT_ID_LEN) {
		ssize_t n = read(fd, text + len, CLOCK_BOOT_ID_LEN - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : -EIO;
			goto out;
		}
		len += (size_t)n;
	}
	text[len] = '\0';
	if (!boot_id_valid(text))
		r = -EIO;
out:
	close(fd);
	return r;
}

int clock_system_init(struct clock_system *sys, enum clock_trust trust)
{
	const char *stand_in = getenv("FRESHET_BOOT_ID");
	char boot_id[CLOCK_BOOT_ID_LEN + 1];
	int r;

	if (stand_in) {
		if (!boot_id_valid(stand_in))
			return -EINVAL;
		memcpy(boot_id, stand_in, sizeof(boot_id));
	} else {
		r = read_boot_id(boot_id);
		if (r < 0)
			return r;
	}
	sys->clock.ops = &system_ops;
	sys->trust = trust;
	sys->floor_ms = 0;
	memcpy(sys->boot_id, boot_id, sizeof(boot_id));
	return 0;
}

static int64_t fake_wall_ms(struct clock *clock)
{
	return ((const struct clock_fake *)clock)->wall_ms;
}

static int64_t fake_mono_us(struct clock *clock)
{
	return ((const struct clock_fake *)clock)->mono_us;
}

static enum clock_quality fake_quality(struct clock *clock)
{
	return ((const struct clock_fake *)clock)->quality;
}

static const char *fake_boot_id(struct clock *clock)
{
	return ((const struct clock_fake *)clock)->boot_id;
}

static const struct clock_ops fake_ops = {
	.wall_ms = fake_wall_ms,
	.mono_us = fake_mono_us,
	.quality = fake_quality,
	.boot_id = fake_boot_id,
};

void clock_fake_init(struct clock_fake *fake, int64_t wall_ms, int64_t mono_us)
{
	*fake = (struct clock_fake){
		.clock = {.ops = &fake_ops},
		.wall_ms = wall_ms,
		.mono_us = mono_us,
		.quality = CLOCK_QUALITY_SYNCED,
		.boot_id = "00000000-0000-4000-8000-000000000001",
	};
}

void clock_fake_advance(struct clock_fake *fake, int64_t us)
{
	/* The wall follows the monotonic clock's own milliseconds, so that many small steps add up. */
	fake->wall_ms += (fake->mono_us + us) / 1000 - fake->mono_us / 1000;
	fake->mono_us += us;
}

bool clock_is_fake(const struct clock *clock)
{
	return clock->ops == &fake_ops;
}
