/* A process that keeps batches in a spool as fast as it is told, for cuts of the whole file system under
 * it (fs_cut.py).
 *
 *	spool_writer write DISK YOUNG WINDOW_MS    until it is killed; says on stdout
 *	                                             made EPOCH NUMBER     it is in the spool
 *	                                             disk EPOCH NUMBER     the spool says it is on disk
 *	                                             trouble ERRNO         the disk refuses
 *	spool_writer list DISK YOUNG                opens, as after a boot, and says what is held:
 *	                                             held EPOCH NUMBER     with the digest that it must have
 *	                                             open EPOCH | notice TEXT
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/spool/spool.h"

#define HELD_MAX 4096
#define SIZE 900

/* Made and not yet said to be on disk, oldest first. */
struct waiting {
	char epoch[IDS_RANDOM_SIZE];
	int64_t number, made_us;
};

struct writer {
	struct clock_system clock;
	struct spool_config config;
	struct spool *spool;
	struct waiting waiting[HELD_MAX];
	size_t count;
	int trouble;
};

static int open_spool(struct writer *w, char **argv)
{
	char error[256] = "", *notice = NULL;
	int r;

	r = clock_system_init(&w->clock, CLOCK_TRUST_ALWAYS);
	w->config = (struct spool_config){
		.path = argv[0],
		.young_path = argv[1],
		.window_us = argv[2] ? strtoll(argv[2], NULL, 10) * 1000 : 0,
		.max_bytes = INT64_C(64) * 1024 * 1024,
		.young_max_bytes = INT64_C(16) * 1024 * 1024,
		.clock = &w->clock.clock,
	};
	if (r == 0)
		r = spool_open(&w->config, &w->spool, &notice, error, sizeof(error));
	if (r)
		(void)fprintf(stderr, "spool_writer: %s\n", error[0] ? error : strerror(-r));
	if (notice)
		(void)printf("notice %s\n", notice);
	free(notice);
	return r;
}

/* What is older than the window is on disk, for spool_run() has just said so. */
static void say_durable(struct writer *w, int64_t before_us)
{
	size_t i = 0;

	while (i < w->count && w->waiting[i].made_us <= before_us) {
		(void)printf("disk %s %lld\n", w->waiting[i].epoch,
			     (long long)w->waiting[i].number);
		i++;
	}
	memmove(w->waiting, w->waiting + i, (w->count - i) * sizeof(*w->waiting));
	w->count -= i;
}

static int append(struct writer *w, int n)
{
	char json[SIZE + 64];
	struct spool_put put = {.class = WIRE_CLASS_SAMPLE, .json = json, .count = 1};
	struct waiting *waiting = &w->waiting[w->count];
	int i, r, len;

	len = snprintf(json, sizeof(json), "[{\"kind\":\"update\",\"device_id\":\"d%d\",\"pad\":\"",
		       n);
	for (i = 0; i < SIZE - 100; i++)
		json[len++] = (char)('a' + (n * 31 + i * i) % 26);
	(void)snprintf(json + len, sizeof(json) - (size_t)len, "\"}]");
	put.len = strlen(json);
	put.first_mono_us = clock_mono_us(&w->clock.clock);
	put.last_mono_us = put.first_mono_us;
	r = spool_append(w->spool, &put, 1, &waiting->number);
	if (r)
		return r;
	waiting->made_us = clock_mono_us(&w->clock.clock);
	(void)snprintf(waiting->epoch, sizeof(waiting->epoch), "%s", spool_epoch(w->spool));
	(void)printf("made %s %lld\n", waiting->epoch, (long long)waiting->number);
	w->count++;
	return 0;
}

/* True where the disk has taken what it was asked to take. */
static bool disk_is_well(struct writer *w, int r)
{
	struct spool_stats stats;

	spool_stats(w->spool, &stats);
	if (r == 0 && stats.disk_errno)
		r = -stats.disk_errno;
	if (r && !w->trouble)
		(void)printf("trouble %d\n", -r);
	w->trouble = r;
	return r == 0;
}

static int write_on(struct writer *w)
{
	int64_t now_us;
	int n, r = 0;

	for (n = 0; !ferror(stdout); n++) {
		if (w->count < HELD_MAX)
			r = append(w, n);
		now_us = clock_mono_us(&w->clock.clock);
		if (r == 0)
			r = spool_run(w->spool);
		if (disk_is_well(w, r))
			say_durable(w, now_us - w->config.window_us);
		if (fflush(stdout))
			break;
		(void)poll(NULL, 0, 1);
	}
	return 1; /* whoever listened is gone */
}

static int show(void *arg, const struct spool_batch *batch)
{
	(void)arg;
	(void)printf("held %s %lld\n", batch->epoch, (long long)batch->number);
	return 0;
}

static int list(struct writer *w)
{
	int r;

	(void)printf("open %s\n", spool_epoch(w->spool));
	r = spool_peek(w->spool, SPOOL_OLDEST_FIRST, 0, 10000000, show, NULL);
	if (r < 0)
		(void)fprintf(stderr, "spool_writer: %s\n", spool_error(w->spool));
	spool_close(w->spool);
	return r < 0;
}

int main(int argc, char **argv)
{
	static struct writer writer;
	bool writes = argc == 5 && strcmp(argv[1], "write") == 0;

	if (!writes && (argc != 4 || strcmp(argv[1], "list") != 0)) {
		(void)fprintf(stderr,
			      "spool_writer write DISK YOUNG WINDOW_MS | list DISK YOUNG\n");
		return 2;
	}
	if (open_spool(&writer, argv + 2))
		return 1;
	return writes ? write_on(&writer) : list(&writer);
}
