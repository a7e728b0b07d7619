/* What cards, disks and kills do to a spool, and a long random life against a simple oracle. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "storage/spool/spool.h"
#include "storage/sql/sql.h"
#include "tests/unit/storage/spool_fixture.h"

#define SAMPLE WIRE_CLASS_SAMPLE

/* Kills of a spooling process. */
#define KILLS 20
/* Steps of the random life. */
#define STEPS 700

static uint32_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 24);
}

static void name_of(struct spool_fixture *f, const char *suffix, char out[static 128])
{
	(void)snprintf(out, 128, "%s%s", f->path, suffix);
}

static void overwrite(const char *path, off_t at, size_t len, int byte)
{
	char block[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	memset(block, byte, sizeof(block));
	while (len > 0) {
		size_t part = len < sizeof(block) ? len : sizeof(block);

		assert_true(pwrite(fd, block, part, at) == (ssize_t)part);
		len -= part;
		at += (off_t)part;
	}
	assert_int_equal(close(fd), 0);
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Fills the spool with `count` batches and closes it, so that all is in the one file. */
static void fill_and_close(struct spool_fixture *f, int count)
{
	int i;

	for (i = 1; i <= count; i++)
		(void)fixture_put(f, SAMPLE, i, 2000);
	spool_close(f->spool);
	f->spool = NULL;
}

/* The file was set aside, said so, and a new spool works. */
static void expect_set_aside(struct spool_fixture *f, const char *old_epoch, off_t old_size)
{
	char name[256] = "", path[512];

	fixture_open(f);
	assert_non_null(f->notice);
	assert_non_null(strstr(f->notice, "set aside"));
	assert_true(folder_find(f->folder, "spool.db.corrupt-", name, sizeof(name)) >= 1);
	(void)snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	assert_int_equal(size_of(path), old_size);
	assert_string_not_equal(spool_epoch(f->spool), old_epoch);
	/* The first number went to the end of the old epoch. */
	assert_int_equal(fixture_put(f, SAMPLE, 1, 0), 2);
	fixture_abandon(f);
	assert_null(f->notice);
	assert_int_equal(fixture_put(f, SAMPLE, 2, 0), 3);
}

static void keep_epoch(struct spool_fixture *f, char out[static IDS_RANDOM_SIZE])
{
	(void)snprintf(out, IDS_RANDOM_SIZE, "%s", spool_epoch(f->spool));
}

static void a_file_that_is_no_database_is_set_aside(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	off_t size;

	keep_epoch(f, epoch);
	fill_and_close(f, 50);
	size = size_of(f->path);
	overwrite(f->path, 0, (size_t)size, 'x');
	expect_set_aside(f, epoch, size);
}

static void a_file_without_its_first_page_is_set_aside(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	off_t size;

	keep_epoch(f, epoch);
	fill_and_close(f, 50);
	size = size_of(f->path);
	overwrite(f->path, 100, 3996, 0);
	expect_set_aside(f, epoch, size);
}

static void a_truncated_file_is_set_aside(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	off_t size;

	keep_epoch(f, epoch);
	fill_and_close(f, 50);
	size = size_of(f->path) / 2 / 4096 * 4096;
	assert_int_equal(truncate(f->path, size), 0);
	expect_set_aside(f, epoch, size);
}

static void broken_pages_are_found_after_a_disorderly_end(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];
	struct sql *sql = NULL;
	char url[160];
	off_t size;

	keep_epoch(f, epoch);
	fill_and_close(f, 100);
	/* As a power cut leaves it: no orderly end. */
	(void)snprintf(url, sizeof(url), "sqlite:%s", f->path);
	assert_int_equal(sql_open(url, 0, &sql, NULL, 0), 0);
	assert_int_equal(sql_exec(sql, "UPDATE epoch SET orderly = 0"), 0);
	sql_close(sql);
	size = size_of(f->path);
	overwrite(f->path, size / 8192 * 4096, 8192, 0xff);
	expect_set_aside(f, epoch, size);
}

static void corrupt_files_of_one_moment_do_not_meet(void **state)
{
	struct spool_fixture *f = *state;
	char name[256];
	int i;

	for (i = 0; i < 3; i++) {
		fill_and_close(f, 5);
		overwrite(f->path, 0, 4096, 'x');
		fixture_open(f);
		assert_non_null(f->notice);
	}
	assert_int_equal(folder_find(f->folder, "spool.db.corrupt-", name, sizeof(name)), 3);
}

static void an_empty_file_is_a_new_spool(void **state)
{
	struct spool_fixture *f = *state;
	char epoch[IDS_RANDOM_SIZE];

	keep_epoch(f, epoch);
	fill_and_close(f, 5);
	assert_int_equal(truncate(f->path, 0), 0);
	fixture_open(f);
	assert_null(f->notice);
	assert_string_not_equal(spool_epoch(f->spool), epoch);
	assert_int_equal(fixture_put(f, SAMPLE, 1, 0), 1);
}

static void a_foreign_or_empty_log_does_no_harm(void **state)
{
	struct spool_fixture *f = *state;
	char wal[128];
	struct seen seen;

	name_of(f, "-wal", wal);
	fill_and_close(f, 20);
	overwrite(wal, 0, 50000, 'w');
	fixture_open(f);
	assert_null(f->notice);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 20);
	seen_free(&seen);
	fill_and_close(f, 1);
	overwrite(wal, 0, 1, 0);
	assert_int_equal(truncate(wal, 0), 0);
	fixture_open(f);
	assert_null(f->notice);
	assert_int_equal(fixture_put(f, SAMPLE, 22, 0), 22);
}

/* A power cut on a card that lied: the log lost its end, the boot is another one. */
static void a_log_that_lost_its_end_gives_no_number_twice(void **state)
{
	struct spool_fixture *f = *state;
	char copy[128], wal[136], cmd[640], epoch[IDS_RANDOM_SIZE];
	struct seen seen;
	int i;

	keep_epoch(f, epoch);
	for (i = 1; i <= 20; i++)
		(void)fixture_put(f, SAMPLE, i, 2000);
	/* The files as they are now, while the spool is open, are what the power cut leaves. */
	(void)snprintf(copy, sizeof(copy), "%s/cut.db", f->folder);
	(void)snprintf(wal, sizeof(wal), "%s-wal", copy);
	(void)snprintf(cmd, sizeof(cmd), "cp %s %s && cp %s-wal %s", f->path, copy, f->path, wal);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c): paths of our own making */
	assert_int_equal(truncate(wal, size_of(wal) / 2), 0);
	f->abandoned[f->abandoned_count++] = f->spool;
	f->spool = NULL;
	f->config.path = copy;
	fixture_boot(f, 2);
	fixture_open(f);
	f->config.path = f->path;
	assert_null(f->notice);
	assert_string_not_equal(spool_epoch(f->spool), epoch);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_in_range(seen.count, 2, 20);
	assert_string_equal(seen.items[seen.count - 1].kind, "epoch_end");
	assert_string_equal(seen.items[seen.count - 1].of_epoch, epoch);
	assert_int_equal(seen.items[seen.count - 1].end, -1);
	seen_free(&seen);
}

/* Three batches and one more; the card changes the body of the second one. */
static void change_second_body(struct spool_fixture *f)
{
	static const char mark[] = "{\"n\":4711,";
	char *file;
	off_t size, i;
	int fd;

	(void)fixture_put(f, SAMPLE, 1, 100);
	(void)fixture_put(f, SAMPLE, 4711, 100);
	(void)fixture_put(f, SAMPLE, 3, 100);
	fill_and_close(f, 1);
	size = size_of(f->path);
	file = malloc((size_t)size);
	assert_non_null(file);
	fd = open(f->path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, file, (size_t)size, 0), size);
	for (i = 0; i + (off_t)sizeof(mark) < size; i++)
		if (memcmp(file + i, mark, sizeof(mark) - 1) == 0)
			break;
	assert_true(i + (off_t)sizeof(mark) < size);
	assert_int_equal(pwrite(fd, "9", 1, i + 5), 1);
	(void)close(fd);
	free(file);
	fixture_open(f);
	assert_null(f->notice);
}

static void a_body_that_changed_on_the_card_is_stated_unreadable(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;

	change_second_body(f);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 3);
	seen_free(&seen);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 4);
	assert_string_equal(seen.items[3].kind, "dropped");
	assert_string_equal(seen.items[3].reason, "unreadable");
	assert_int_equal(seen.items[3].ranges[0].first, 2);
	assert_int_equal(seen.items[3].ranges[0].last, 2);
	seen_free(&seen);
}

static int take_id(void *arg, const struct spool_batch *batch)
{
	*(int64_t *)arg = batch->id;
	return 1;
}

static int take_number(void *arg, const struct spool_batch *batch)
{
	*(int64_t *)arg = batch->number;
	return 1;
}

static void behind_an_unreadable_batch_the_next_one_is_shown(void **state)
{
	struct spool_fixture *f = *state;
	int64_t number = 0;

	change_second_body(f);
	assert_int_equal(spool_peek(f->spool, SPOOL_OLDEST_FIRST, 0, 1, take_id, &number), 1);
	assert_int_equal(spool_peek(f->spool, SPOOL_OLDEST_FIRST, number, 1, take_number, &number),
			 1);
	assert_int_equal(number, 3);
}

/* Disks. */

/* Appends from `first` on until it fails. What was given before is there, nothing else is. */
static void append_until(struct spool_fixture *f, int first, int error)
{
	struct spool_stats before, after;
	int64_t number = -1;
	struct seen seen;
	int i, r = 0;

	for (i = first; i < first + 2000 && r == 0; i++) {
		spool_stats(f->spool, &before);
		r = fixture_try(f, SAMPLE, i, 3000, &number);
	}
	assert_int_equal(r, error);
	assert_string_not_equal(spool_error(f->spool), "no error");
	spool_stats(f->spool, &after);
	assert_int_equal(before.appended_total, after.appended_total);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, i - 2);
	if (seen.count > 0) {
		assert_int_equal(seen.items[seen.count - 1].n, i - 2);
		assert_int_equal(seen.items[seen.count - 1].number, i - 2);
	}
	seen_free(&seen);
	assert_int_equal(after.appended_total, i - 2);
}

static void a_full_disk_loses_nothing_and_gives_no_number(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;
	struct rlimit old, low;
	int64_t held;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = old;
	low.rlim_cur = 300000;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	append_until(f, 1, -ENOSPC);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	spool_stats(f->spool, &stats);
	held = stats.appended_total;
	assert_true(held > 10);
	assert_int_equal(fixture_put(f, SAMPLE, (int)held + 1, 3000), held + 1);
	fixture_abandon(f);
	assert_int_equal(fixture_put(f, SAMPLE, (int)held + 2, 3000), held + 2);
}

/* The descriptor of this process that stands for the spool's log. */
static int find_log(struct spool_fixture *f)
{
	char link[64], target[256], wal[128];
	ssize_t len;
	int fd;

	name_of(f, "-wal", wal);
	for (fd = 3; fd < 256; fd++) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, wal) == 0)
			return fd;
	}
	return -1;
}

static void a_disk_that_fails_loses_nothing(void **state)
{
	struct spool_fixture *f = *state;
	struct spool_stats stats;
	int fd, kept, blind, i;
	struct seen seen;
	char wal[128];

	(void)fixture_put(f, SAMPLE, 1, 3000);
	(void)fixture_put(f, SAMPLE, 2, 3000);
	fd = find_log(f);
	assert_true(fd > 0);
	name_of(f, "-wal", wal);
	/* Reads go on, writes fail. */
	kept = dup(fd);
	blind = open(wal, O_RDONLY | O_CLOEXEC);
	assert_true(kept > 0 && blind > 0);
	assert_true(dup2(blind, fd) == fd);
	for (i = 3; i <= 20; i++)
		assert_int_equal(fixture_put(f, SAMPLE, i, 3000), i);
	spool_stats(f->spool, &stats);
	assert_int_equal(stats.disk_errno, EIO);
	assert_int_equal(stats.young_batches, 18);
	assert_int_equal(spool_run(f->spool), -EIO);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 20);
	seen_free(&seen);
	assert_true(dup2(kept, fd) == fd);
	(void)close(kept);
	(void)close(blind);
	assert_true(spool_due(f->spool) > f->clock.mono_us);
	f->clock.mono_us = spool_due(f->spool);
	assert_int_equal(spool_run(f->spool), 0);
	spool_stats(f->spool, &stats);
	assert_int_equal(stats.disk_errno, 0);
	assert_int_equal(stats.young_batches, 0);
	assert_int_equal(fixture_count_on_disk(f, "1"), 20);
	assert_int_equal(fixture_put(f, SAMPLE, 21, 3000), 21);
	fixture_abandon(f);
	assert_int_equal(fixture_put(f, SAMPLE, 22, 3000), 22);
}

/* Puts the folder on a read-only mount, in a namespace of this process' own. */
static bool mount_read_only(const char *folder)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(folder, folder, NULL, MS_BIND, NULL) == 0 &&
	       mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0;
}

/* In a child: the namespace must not outlive the test. Exit status: what spool_open() returned. */
static int open_on_read_only(struct spool_fixture *f)
{
	char error[256];
	struct spool *spool = NULL;
	int status, r;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (!mount_read_only(f->folder) && (getuid() == 0 || chmod(f->folder, 0500)))
			_exit(255);
		r = spool_open(&f->config, &spool, NULL, error, sizeof(error));
		_exit(-r & 0xff);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	(void)chmod(f->folder, 0700);
	return WEXITSTATUS(status);
}

static void a_read_only_folder_is_told_and_nothing_is_lost(void **state)
{
	struct spool_fixture *f = *state;
	struct seen seen;
	int r;

	fill_and_close(f, 3);
	r = open_on_read_only(f);
	if (r == 255) {
		print_message("no read-only mount can be made here (needs CAP_SYS_ADMIN)\n");
		skip();
	}
	assert_true(r == EROFS || r == EACCES);
	fixture_open(f);
	assert_null(f->notice);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_int_equal(seen.count, 3);
	seen_free(&seen);
	assert_int_equal(fixture_put(f, SAMPLE, 4, 0), 4);
}

/* Kills. */

struct report {
	char epoch[IDS_RANDOM_SIZE];
	int64_t number;
	int n;
};

static int append_some(struct spool_fixture *f, struct report *report, int count)
{
	struct spool_put puts[3];
	char json[3][32];
	int i;

	for (i = 0; i < count; i++) {
		puts[i] = (struct spool_put){.class = SAMPLE, .json = json[i], .count = 1};
		puts[i].len =
			(size_t)snprintf(json[i], sizeof(json[i]), "[{\"n\":%d}]", report->n + i);
	}
	return spool_append(f->spool, puts, (size_t)count, &report->number);
}

/* Appends for ever; tells each number after spool_append() has returned. */
static void spool_until_killed(struct spool_fixture *f, int out, int n)
{
	struct report report = {.n = n};
	int64_t first;
	int i, count = 1;

	if (spool_open(&f->config, &f->spool, NULL, NULL, 0))
		_exit(1);
	memcpy(report.epoch, spool_epoch(f->spool), sizeof(report.epoch));
	for (;; count = count % 3 + 1) {
		if (append_some(f, &report, count))
			_exit(2);
		first = report.number;
		for (i = 0; i < count; i++, report.n++) {
			report.number = first + i;
			if (write(out, &report, sizeof(report)) != (ssize_t)sizeof(report))
				_exit(3);
		}
	}
}

struct reports {
	struct report items[SEEN_MAX];
	int count;
};

static void read_reports(int in, struct reports *reports, int until)
{
	struct pollfd pfd = {.fd = in, .events = POLLIN};

	while (reports->count < until) {
		assert_true(reports->count < SEEN_MAX);
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		if (read(in, &reports->items[reports->count], sizeof(struct report)) !=
		    (ssize_t)sizeof(struct report))
			return;
		reports->count++;
	}
}

static void run_and_kill(struct spool_fixture *f, struct reports *reports, uint64_t *seed, int n)
{
	struct timespec moment = {.tv_nsec = (long)(random_next(seed) % 3000000)};
	int status, ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(ends[0]);
		spool_until_killed(f, ends[1], n);
	}
	(void)close(ends[1]);
	read_reports(ends[0], reports, reports->count + 1 + (int)(random_next(seed) % 40));
	(void)nanosleep(&moment, NULL); /* anywhere inside an append */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	read_reports(ends[0], reports, SEEN_MAX);
	(void)close(ends[0]);
}

static const struct seen_batch *find_number(const struct seen *seen, int64_t number)
{
	int i;

	for (i = 0; i < seen->count; i++)
		if (seen->items[i].number == number)
			return &seen->items[i];
	return NULL;
}

/* After a kill: all that was told is there under its number, and no number is older than `last`. The
 * core then takes it all. Returns the largest number that was given. */
static int64_t check_after_kill(struct spool_fixture *f, const struct reports *reports,
				int64_t last)
{
	const struct seen_batch *batch;
	struct wire_range all;
	struct seen seen;
	int i;

	fixture_open(f);
	assert_null(f->notice);
	fixture_see(f, SPOOL_OLDEST_FIRST, &seen);
	assert_in_range(seen.count, reports->count, SEEN_MAX - 1);
	for (i = 0; i < seen.count; i++)
		assert_int_equal(seen.items[i].number, last + 1 + i);
	for (i = 0; i < reports->count; i++) {
		assert_string_equal(reports->items[i].epoch, spool_epoch(f->spool));
		batch = find_number(&seen, reports->items[i].number);
		assert_non_null(batch);
		assert_int_equal(batch->n, reports->items[i].n);
	}
	all = (struct wire_range){last + 1, last + seen.count};
	assert_int_equal(spool_ack(f->spool, spool_epoch(f->spool), &all, 1, NULL), 0);
	last += seen.count;
	seen_free(&seen);
	spool_close(f->spool);
	f->spool = NULL;
	return last;
}

static void kill_9_loses_nothing_that_was_told(void **state)
{
	struct spool_fixture *f = *state;
	struct reports *reports = calloc(1, sizeof(*reports));
	uint64_t seed = 20261120;
	int64_t last = 0;
	int i, told = 0;

	assert_non_null(reports);
	spool_close(f->spool);
	f->spool = NULL;
	for (i = 0; i < KILLS; i++) {
		reports->count = 0;
		run_and_kill(f, reports, &seed, told * 10 + 1);
		told += reports->count;
		last = check_after_kill(f, reports, last);
	}
	print_message("%d numbers told, %d stored, %d kills\n", told, (int)last, KILLS);
	free(reports);
}

/* A long random life against an oracle: every number that is given is held, acknowledged or stated as
 * lost; it never names two bodies; nothing is held that was given up. */

struct fate {
	char epoch[IDS_RANDOM_SIZE];
	char digest[WIRE_DIGEST_SIZE];
	int64_t number;
	bool held, gone, stated;
};

struct life {
	struct spool_fixture *f;
	struct fate *fates;
	int count;
	uint64_t seed;
	int n, boot;
	int acked, dropped, told;
	int64_t jump_ms;
	bool anchored; /* the running boot */
	bool killed;   /* in this step */
	int back;
};

#define FATES_MAX 20000

static struct fate *find_fate(struct life *life, const char *epoch, int64_t number)
{
	int i;

	/* What is looked for is mostly young. */
	for (i = life->count - 1; i >= 0; i--)
		if (life->fates[i].number == number && strcmp(life->fates[i].epoch, epoch) == 0)
			return &life->fates[i];
	return NULL;
}

static struct fate *add_fate(struct life *life, const char *epoch, int64_t number)
{
	struct fate *fate = &life->fates[life->count++];

	assert_true(life->count <= FATES_MAX);
	(void)snprintf(fate->epoch, sizeof(fate->epoch), "%s", epoch);
	fate->number = number;
	return fate;
}

static void state_ranges(struct life *life, const struct seen_batch *ledger)
{
	struct fate *fate;
	int64_t number;
	size_t i;

	for (i = 0; i < ledger->range_count; i++) {
		for (number = ledger->ranges[i].first; number <= ledger->ranges[i].last; number++) {
			fate = find_fate(life, ledger->of_epoch, number);
			/* Given up in the transaction that gave it. */
			if (!fate)
				fate = add_fate(life, ledger->of_epoch, number);
			assert_false(fate->stated);
			assert_false(fate->gone);
			fate->stated = true;
			life->dropped++;
		}
	}
}

/* `held` of an epoch's end is what was held then: it must not leave out what is held now. */
static void check_end(const struct seen_batch *ledger, const struct seen *seen)
{
	bool inside;
	size_t k;
	int i;

	for (i = 0; i < seen->count; i++) {
		if (strcmp(seen->items[i].epoch, ledger->of_epoch) != 0)
			continue;
		for (k = 0, inside = false; k < ledger->range_count; k++)
			inside |= seen->items[i].number >= ledger->ranges[k].first &&
				  seen->items[i].number <= ledger->ranges[k].last;
		assert_true(inside);
	}
}

static void learn(struct life *life, const struct seen_batch *batch, const struct seen *seen)
{
	struct fate *fate = find_fate(life, batch->epoch, batch->number);
	bool fresh = !fate || !fate->digest[0];

	if (!fate)
		fate = add_fate(life, batch->epoch, batch->number);
	if (fresh)
		memcpy(fate->digest, batch->digest, sizeof(fate->digest));
	assert_string_equal(fate->digest, batch->digest);
	/* What was acknowledged just before a kill may be there again, and is acknowledged again. */
	if (fate->gone && life->killed) {
		fate->gone = false;
		life->back++;
	}
	assert_false(fate->gone);
	fate->held = true;
	if (!fresh || batch->class != WIRE_CLASS_LEDGER)
		return;
	if (strcmp(batch->kind, "dropped") == 0)
		state_ranges(life, batch);
	else
		check_end(batch, seen);
}

static void check_life(struct life *life)
{
	struct spool_stats stats;
	struct seen seen;
	int i, held = 0;

	for (i = 0; i < life->count; i++)
		life->fates[i].held = false;
	fixture_see(life->f, SPOOL_OLDEST_FIRST, &seen);
	for (i = 0; i < seen.count; i++) {
		learn(life, &seen.items[i], &seen);
		assert_true(i == 0 || seen.items[i].id > seen.items[i - 1].id);
	}
	for (i = 0; i < life->count; i++) {
		held += life->fates[i].held;
		assert_int_equal(life->fates[i].held + life->fates[i].gone + life->fates[i].stated,
				 1);
	}
	assert_int_equal(held, seen.count);
	spool_stats(life->f->spool, &stats);
	assert_int_equal(stats.batches, seen.count);
	seen_free(&seen);
}

static void live_append(struct life *life)
{
	static const enum wire_class classes[] = {SAMPLE, SAMPLE,           SAMPLE,
						  SAMPLE, WIRE_CLASS_STATE, WIRE_CLASS_ALARM};
	int i, count = 1 + (int)(random_next(&life->seed) % 8);
	const char *epoch = spool_epoch(life->f->spool);
	int64_t number;

	for (i = 0; i < count; i++) {
		number = fixture_put(life->f, classes[random_next(&life->seed) % 6], life->n++,
				     200 + random_next(&life->seed) % 1500);
		assert_null(find_fate(life, epoch, number));
		(void)add_fate(life, epoch, number);
	}
}

static struct fate *pick_held(struct life *life)
{
	int i, at = life->count ? (int)(random_next(&life->seed) % (uint32_t)life->count) : 0;

	for (i = 0; i < life->count; i++, at = (at + 1) % life->count)
		if (life->fates[at].held)
			return &life->fates[at];
	return NULL;
}

static void live_ack(struct life *life)
{
	struct fate *fate = pick_held(life), *each;
	int64_t removed = 0, expected = 0, last;
	struct wire_range range;
	int i;

	if (!fate)
		return;
	last = fate->number + random_next(&life->seed) % 30;
	range = (struct wire_range){fate->number, last};
	for (i = 0; i < life->count; i++) {
		each = &life->fates[i];
		if (each->held && strcmp(each->epoch, fate->epoch) == 0 &&
		    each->number >= range.first && each->number <= range.last) {
			each->gone = true;
			expected++;
		}
	}
	assert_int_equal(spool_ack(life->f->spool, fate->epoch, &range, 1, &removed), 0);
	assert_int_equal(removed, expected);
	life->acked += (int)removed;
}

/* The clock jumps by an hour: a new time base. */
static void live_jump(struct life *life)
{
	life->jump_ms += 3600000;
	assert_int_equal(spool_set_anchor(life->f->spool, 0, life->jump_ms, CLOCK_QUALITY_SYNCED),
			 life->anchored ? 1 : 0);
	life->anchored = true;
}

static void live_tell(struct life *life)
{
	struct fate *fate = &life->fates[random_next(&life->seed) % (uint32_t)life->count];
	int r = spool_tell_end(life->f->spool, fate->epoch);

	assert_in_range(r, 0, 1);
	life->told += r;
}

static void live_kill(struct life *life)
{
	fixture_abandon(life->f);
	life->killed = true;
}

static void live_reboot(struct life *life)
{
	fixture_boot(life->f, ++life->boot);
	life->anchored = false;
	if (life->f->abandoned_count < ABANDONED_MAX && random_next(&life->seed) % 2)
		live_kill(life);
	else
		fixture_reopen(life->f);
}

static void live_step(struct life *life)
{
	uint32_t dice = random_next(&life->seed) % 100;

	if (dice < 55)
		live_append(life);
	else if (dice < 85)
		live_ack(life);
	else if (dice < 88)
		live_jump(life);
	else if (dice < 91 && life->count > 0)
		live_tell(life);
	else if (dice < 95)
		fixture_reopen(life->f);
	else if (dice < 97 && life->f->abandoned_count < ABANDONED_MAX)
		live_kill(life);
	else
		live_reboot(life);
	check_life(life);
	life->killed = false;
}

static void a_random_life_accounts_for_every_number(void **state)
{
	struct life life = {.f = *state, .seed = 4711, .boot = 1};
	int i;

	life.fates = calloc(FATES_MAX, sizeof(*life.fates));
	assert_non_null(life.fates);
	life.f->config.max_bytes = 25000;
	fixture_reopen(life.f);
	for (i = 0; i < STEPS && life.count < FATES_MAX - 100; i++)
		live_step(&life);
	print_message(
		"%d numbers: %d acknowledged, %d stated as lost, %d ends told again, %d boots\n",
		life.count, life.acked, life.dropped, life.told, life.boot);
	assert_true(life.acked > 100 && life.dropped > 100 && life.told > 20 && life.boot > 10);
	free(life.fates);
}

int suite_storage_spool_faults(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, spool_fixture_set_up, spool_fixture_tear_down)
	const struct CMUnitTest cases[] = {
		CASE(a_file_that_is_no_database_is_set_aside),
		CASE(a_file_without_its_first_page_is_set_aside),
		CASE(a_truncated_file_is_set_aside),
		CASE(broken_pages_are_found_after_a_disorderly_end),
		CASE(corrupt_files_of_one_moment_do_not_meet),
		CASE(an_empty_file_is_a_new_spool),
		CASE(a_foreign_or_empty_log_does_no_harm),
		CASE(a_log_that_lost_its_end_gives_no_number_twice),
		CASE(a_body_that_changed_on_the_card_is_stated_unreadable),
		CASE(behind_an_unreadable_batch_the_next_one_is_shown),
		CASE(a_full_disk_loses_nothing_and_gives_no_number),
		CASE(a_disk_that_fails_loses_nothing),
		CASE(a_read_only_folder_is_told_and_nothing_is_lost),
		CASE(kill_9_loses_nothing_that_was_told),
		CASE(a_random_life_accounts_for_every_number),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
