#include "tests/faults/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define GATEWAY "g1"
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define NEW_BOOT 999999 /* of no story */
#define AFTER 3         /* batches made after the cut */

/* One opening after a cut. */
struct after {
	struct judge *judge;
	struct core *core;
	struct core copy; /* one that time passes for, beside the judge's own */
	struct spool *spool;
	struct clock_fake clock;
	const char *what; /* for messages */
	int64_t position; /* of the disk */
	/* The story up to here has happened; and the last change of the image, for what had begun to
	 * go may be gone. */
	int64_t stamp, last_change;
	int64_t honest; /* what was made durable by then must be there */
	bool may_be_damaged, damaged;
	struct spool_batch *held;
	int held_count;
};

/* For whoever looks into a failure: what the core knows of the epoch. */
static void tell_account(struct core *core, const char *epoch)
{
	struct sql_stmt *stmt =
		sql_stmt(coredb_sql(core->db),
			 "SELECT highest, end_at, over, open, abandoned, forked, floor,"
			 " prev FROM epoch WHERE name = $1");

	sql_bind_text(stmt, 1, epoch);
	if (sql_step(stmt) == 1)
		print_message("the core: highest %lld end %lld over %lld open %lld abandoned %lld"
			      " forked %lld floor %lld prev %s\n",
			      (long long)sql_int(stmt, 0), (long long)sql_int(stmt, 1),
			      (long long)sql_int(stmt, 2), (long long)sql_int(stmt, 3),
			      (long long)sql_int(stmt, 4), (long long)sql_int(stmt, 5),
			      (long long)sql_int(stmt, 6), sql_text(stmt, 7));
	else
		print_message("the core knows no epoch %s\n", epoch);
	sql_done(stmt);
}

static void wrong(const struct after *after, const char *what, const struct story_batch *batch)
{
	tell_account(after->core, batch->epoch);
	fail_msg("%s at %lld (stamp %lld): %s: %s %lld (%s, made %lld durable %lld gone %lld%s)",
		 after->what, (long long)after->position, (long long)after->stamp, what,
		 batch->epoch, (long long)batch->number, wire_class_name(batch->class),
		 (long long)batch->made,
		 (long long)(batch->durable == STORY_NEVER ? -1 : batch->durable),
		 (long long)(batch->gone == STORY_NEVER ? -1 : batch->gone),
		 batch->acked ? " acked" : "");
}

/* The core. */

static void play_core(struct judge *judge, int64_t stamp)
{
	struct story *story = judge->story;
	enum accept_answer answer;
	bool any = false;

	while (judge->sent < story->send_count && story->sends[judge->sent].committed <= stamp) {
		const struct buf *payload = &story->sends[judge->sent++].payload;

		assert_int_equal(
			core_take(&judge->core, GATEWAY, payload->data, payload->len, &answer), 0);
		assert_true(answer == ACCEPT_COMMITTED || answer == ACCEPT_AGAIN);
		any = true;
	}
	if (any)
		assert_int_equal(core_commit(&judge->core, NULL, NULL), 0);
}

static void send_held(struct after *after)
{
	enum accept_answer answer;
	struct buf payload;
	int i;

	for (i = 0; i < after->held_count; i++) {
		story_encode(after->spool, &after->clock.clock, &after->held[i], &payload);
		assert_int_equal(
			core_take(after->core, GATEWAY, payload.data, payload.len, &answer), 0);
		buf_free(&payload);
		if (answer != ACCEPT_COMMITTED && answer != ACCEPT_AGAIN)
			fail_msg("%s at %lld: the core refuses a batch", after->what,
				 (long long)after->position);
	}
}

/* The spool. */

static bool is_held(const struct after *after, const struct story_batch *batch)
{
	int i;

	for (i = 0; i < after->held_count; i++)
		if (after->held[i].number == batch->number &&
		    strcmp(after->held[i].epoch, batch->epoch) == 0)
			return true;
	return false;
}

/* Time passes a little with each look at it, for salvage ends by time. */
static int64_t tick_mono_us(struct clock *clock)
{
	struct clock_fake *fake = (struct clock_fake *)clock;

	return fake->mono_us += 20;
}

static void set_clock(struct after *after, bool same_boot)
{
	static struct clock_ops ticking;

	clock_fake_init(&after->clock, after->judge->story->clock.wall_ms, INT64_C(5000000));
	story_boot_id(same_boot ? story_boot_at(after->judge->story, after->stamp) : NEW_BOOT,
		      after->clock.boot_id);
	after->clock.quality = CLOCK_QUALITY_SYNCED;
	ticking = *after->clock.clock.ops;
	ticking.mono_us = tick_mono_us;
	if (after->may_be_damaged)
		after->clock.clock.ops = &ticking;
}

/* Opens what is left; `same_boot` where the machine has gone on. */
static void open_left(struct after *after, bool same_boot)
{
	struct judge *judge = after->judge;
	struct spool_config config = judge->story->config;
	char error[256] = "", *notice = NULL;

	if (!after->damaged)
		set_clock(after, same_boot);
	config.path = judge->disk_path;
	config.young_path = judge->young_path;
	config.clock = &after->clock.clock;
	config.damaged = after->damaged;
	if (spool_open(&config, &after->spool, &notice, error, sizeof(error)) ||
	    (notice && !after->may_be_damaged))
		fail_msg("%s at %lld: %s%s", after->what, (long long)after->position, error,
			 notice ? notice : "");
	judge->set_aside += notice != NULL;
	free(notice);
}

static void look_again(struct after *after)
{
	story_collected_free(after->held, after->held_count);
	after->held_count = story_collect(after->spool, SPOOL_OLDEST_FIRST, 100000, &after->held);
	if (after->held_count == -EUCLEAN && after->may_be_damaged && !after->damaged) {
		/* As the agent does. */
		after->damaged = true;
		spool_close(after->spool);
		open_left(after, false);
		after->held_count =
			story_collect(after->spool, SPOOL_OLDEST_FIRST, 100000, &after->held);
	}
	if (after->held_count < 0)
		fail_msg("%s at %lld: %s", after->what, (long long)after->position,
			 spool_error(after->spool));
}

/* Life goes on: some batches more, which must get numbers of their own. */
static void go_on(struct after *after)
{
	static const char json[] =
		"[{\"kind\":\"update\",\"device_id\":\"d1\",\"provider\":\"obd\","
		"\"source\":\"after\",\"mono_us\":4000000,\"battery\":{"
		"\"state_of_charge_pct\":1}}]";
	const struct spool_put put = {.class = WIRE_CLASS_ALARM,
				      .json = json,
				      .len = sizeof(json) - 1,
				      .count = 1,
				      .first_mono_us = 4000000,
				      .last_mono_us = 4000000};
	const struct story_batch *batch;
	int64_t number;
	int i;

	for (i = 0; i < AFTER; i++) {
		if (spool_append(after->spool, &put, 1, &number))
			fail_msg("%s at %lld: %s", after->what, (long long)after->position,
				 spool_error(after->spool));
		batch = story_find(after->judge->story, spool_epoch(after->spool), number);
		if (batch && batch->made <= after->stamp)
			wrong(after, "a number is given twice", batch);
	}
	look_again(after);
}

/* Judgements. */

/* What is held is what was made under that number. Of a call that was cut short nobody has heard: what
 * it had not stored is made anew, and may say something else. */
static void check_bodies(struct after *after)
{
	const struct story_batch *batch;
	int i;

	for (i = 0; i < after->held_count; i++) {
		batch = story_find(after->judge->story, after->held[i].epoch,
				   after->held[i].number);
		if (batch && batch->made <= after->stamp &&
		    strcmp(batch->digest, after->held[i].digest) != 0)
			wrong(after, "another body under its number", batch);
	}
}

/* `since`: a batch of which `*since` says that it is there must be. */
static void check_held(struct after *after, bool killed)
{
	struct story *story = after->judge->story;
	size_t i;

	for (i = 0; i < story->batch_count; i++) {
		const struct story_batch *batch = &story->batches[i];
		int64_t since = killed ? batch->made : batch->durable;

		if (since <= after->honest && batch->gone > after->last_change &&
		    !is_held(after, batch))
			wrong(after, "it was stored and is gone", batch);
	}
}

/* A gap says between which moments what it holds was read. */
static void check_bounds(struct after *after, const struct story_batch *batch)
{
	struct core_bounds bounds = core_bounds_of(after->core, GATEWAY, batch->epoch,
						   batch->number, batch->mono_us, batch->mono_us);

	after->judge->gaps += bounds.gaps;
	after->judge->dated += bounds.dated;
	if (bounds.wrong)
		print_message("read at %lld us; gap %lld..%lld from %lld to %lld us\n",
			      (long long)batch->mono_us, (long long)bounds.last.first,
			      (long long)bounds.last.last, (long long)bounds.last.from_mono_us,
			      (long long)bounds.last.to_mono_us);
	if (bounds.wrong)
		wrong(after, "not within the times of its gap", batch);
}

static bool ended_once(struct after *after, const struct story_batch *batch);

static void check_word(struct after *after, const struct story_batch *batch, bool may_be_beyond)
{
	struct judge *judge = after->judge;
	enum core_word word = core_word_on(after->core, GATEWAY, batch->epoch, batch->number);
	bool held = is_held(after, batch);

	judge->batches++;
	judge->held += held;
	judge->committed += word == CORE_COMMITTED;
	judge->lost += word == CORE_LOST;
	judge->possible += word == CORE_POSSIBLE;
	if (held && word != CORE_COMMITTED)
		wrong(after, "held, sent and not committed", batch);
	if (word == CORE_LOST || word == CORE_POSSIBLE)
		check_bounds(after, batch);
	if (word != CORE_SILENT)
		return;
	if (!may_be_beyond)
		wrong(after, "lost and not reported", batch);
	judge->beyond++;
}

/* No gap says of a number that it is lost which was never given. */
static void check_false_gaps(struct after *after, const char *epoch)
{
	struct story *story = after->judge->story;
	int64_t n, last = 0;
	size_t i;

	for (i = 0; i < story->batch_count; i++)
		if (story->batches[i].begun <= after->stamp &&
		    strcmp(story->batches[i].epoch, epoch) == 0 && story->batches[i].number > last)
			last = story->batches[i].number;
	for (n = last + 1; n < last + 4; n++)
		if (strcmp(epoch, spool_epoch(after->spool)) != 0 &&
		    core_word_on(after->core, GATEWAY, epoch, n) == CORE_LOST)
			fail_msg("%s at %lld: %s %lld was never given and is a gap", after->what,
				 (long long)after->position, epoch, (long long)n);
}

/* What the core says of all that was made by then. */
static void check_words(struct after *after, bool killed,
			bool (*beyond)(struct after *, const char *))
{
	struct story *story = after->judge->story;
	const char *last_epoch = "";
	size_t i;

	for (i = 0; i < story->batch_count; i++) {
		const struct story_batch *batch = &story->batches[i];

		if (batch->made > after->stamp)
			continue;
		check_word(after, batch,
			   beyond && (beyond(after, batch->epoch) || ended_once(after, batch)));
		if (strcmp(last_epoch, batch->epoch) != 0)
			check_false_gaps(after, batch->epoch);
		last_epoch = batch->epoch;
	}
	if (killed && core_ask(after->core, "SELECT count(*) FROM gap WHERE possible = 1") != 0)
		fail_msg("%s at %lld: a possible gap where nothing can be lost", after->what,
			 (long long)after->position);
}

static void leave(struct after *after)
{
	story_collected_free(after->held, after->held_count);
	spool_close(after->spool);
	after->judge->cuts++;
}

/* Cuts. */

static void write_image(struct fault_image *image, enum fault_loss loss, uint64_t seed,
			const char *folder)
{
	assert_int_equal(fault_image_write(image, loss, seed, seed / 4 % 2 ? 512 : 4096, folder),
			 0);
}

static void wipe(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[FOLDER_SIZE + 32];
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		(void)remove(name);
	}
}

/* The moment of the story just before the next change of a disk. */
static int64_t moment_before(const struct fault_disk *disk, int64_t position)
{
	return position < fault_disk_position(disk) ? fault_disk_change(disk, position)->stamp
						    : fault_stamp();
}

void judge_kill(struct judge *judge, struct fault_image *disk, struct fault_image *young,
		int64_t stamp)
{
	struct after after = {.judge = judge,
			      .core = &judge->core,
			      .what = "kill",
			      .stamp = stamp,
			      .honest = stamp,
			      .last_change = stamp - 1};

	after.position = fault_disk_position_at(judge->story->disk, stamp);
	fault_image_advance(disk, after.position);
	fault_image_advance(young, fault_disk_position_at(judge->story->young, stamp));
	write_image(disk, FAULT_LOSE_NOTHING, 1, judge->disk_folder);
	write_image(young, FAULT_LOSE_NOTHING, 1, judge->young_folder);
	play_core(judge, stamp);
	open_left(&after, true);
	look_again(&after);
	check_bodies(&after);
	check_held(&after, true);
	go_on(&after);
	send_held(&after);
	check_words(&after, true, NULL);
	core_back(after.core);
	leave(&after);
}

/* A set-back card. */

static bool core_knows(struct after *after, const char *epoch)
{
	return core_word_on(after->core, GATEWAY, epoch, 1) != CORE_SILENT;
}

/* Neither what is on the card nor the core has ever heard of such an epoch: nobody can tell. */
static bool beyond_telling(struct after *after, const char *epoch)
{
	int64_t floor;

	return spool_floor(after->spool, epoch, &floor) != 0 && !core_knows(after, epoch);
}

/* The card is as it was after an orderly stop, and says where the epoch ended then; but the agent was
 * started again in the same boot and went on in it, and of that the core has heard nothing. */
static bool ended_once(struct after *after, const struct story_batch *batch)
{
	struct sql_stmt *stmt = sql_stmt(coredb_sql(after->core->db),
					 "SELECT 1 FROM epoch WHERE name = $1 AND over = 1 AND"
					 " end_at >= 0 AND end_at <= $2 AND highest < $2");
	bool is;

	sql_bind_text(stmt, 1, batch->epoch);
	sql_bind_int(stmt, 2, batch->number);
	is = sql_step(stmt) == 1;
	sql_done(stmt);
	return is;
}

struct asked {
	struct after *after;
	char epochs[WIRE_ASK_MAX][IDS_RANDOM_SIZE];
	size_t count;
};

/* As the uplink takes it: what is committed goes, and what is asked for is answered. */
static void take_ack(void *arg, const char *workspace, const char *gateway,
		     const struct wire_ack *ack)
{
	struct asked *asked = arg;
	size_t i;

	(void)workspace;
	(void)gateway;
	if (spool_ack(asked->after->spool, ack->epoch, ack->committed, ack->committed_count, NULL))
		fail_msg("%s at %lld: ack: %s", asked->after->what,
			 (long long)asked->after->position, spool_error(asked->after->spool));
	for (i = 0; i < ack->ask_count && asked->count < WIRE_ASK_MAX; i++)
		memcpy(asked->epochs[asked->count++], ack->ask[i], IDS_RANDOM_SIZE);
}

/* Sends what is held and takes the answer. */
static void talk(struct after *after, struct asked *asked)
{
	*asked = (struct asked){.after = after};
	send_held(after);
	assert_int_equal(core_commit(after->core, take_ack, asked), 0);
	look_again(after);
}

/* The gateway is heard, asked for epochs that fell silent, and answers what it can. */
static void be_asked(struct after *after)
{
	struct asked asked, more;
	size_t i;

	talk(after, &asked);
	clock_fake_advance(&after->core->clock, INT64_C(11) * 60 * 1000000);
	clock_fake_advance(&after->clock, INT64_C(11) * 60 * 1000000);
	go_on(after);
	talk(after, &asked);
	for (i = 0; i < asked.count; i++)
		assert_true(spool_tell_end(after->spool, asked.epochs[i]) >= 0);
	look_again(after);
	talk(after, &more);
}

static void copy_core(struct judge *judge, char folder[static FOLDER_SIZE], struct core *ret)
{
	char text[FOLDER_SIZE + 64];

	folder_make(folder);
	(void)snprintf(text, sizeof(text), "VACUUM INTO '%s/core.db'", folder);
	assert_int_equal(sql_exec(coredb_sql(judge->core.db), text), 0);
	assert_int_equal(core_open(ret, folder), 0);
	ret->clock = judge->core.clock;
}

static int64_t count_silent(struct after *after)
{
	struct story *story = after->judge->story;
	int64_t silent = 0;
	size_t i;

	for (i = 0; i < story->batch_count; i++)
		silent += story->batches[i].made <= after->stamp &&
			  core_word_on(after->core, GATEWAY, story->batches[i].epoch,
				       story->batches[i].number) == CORE_SILENT;
	return silent;
}

/* Some of it is known only when the core has asked what became of an epoch. */
static void ask_then_check(struct after *after)
{
	char folder[FOLDER_SIZE];

	copy_core(after->judge, folder, &after->copy);
	after->core = &after->copy;
	be_asked(after);
	check_words(after, false, NULL);
	core_close(after->core);
	folder_remove(folder);
	after->judge->asked++;
}

void judge_power(struct judge *judge, struct fault_image *disk, int64_t position,
		 enum fault_loss loss, uint64_t seed)
{
	struct after after = {.judge = judge,
			      .core = &judge->core,
			      .what = fault_loss_name(loss),
			      .position = position};
	int64_t silent;

	after.stamp = moment_before(judge->story->disk, position);
	after.honest = after.stamp;
	if (position > 0)
		after.last_change = fault_disk_change(judge->story->disk, position - 1)->stamp;
	fault_image_advance(disk, position);
	write_image(disk, loss, seed, judge->disk_folder);
	wipe(judge->young_path);
	play_core(judge, after.stamp);
	open_left(&after, false);
	look_again(&after);
	check_bodies(&after);
	check_held(&after, false);
	go_on(&after);
	send_held(&after);
	silent = count_silent(&after);
	if (silent == 0)
		check_words(&after, false, NULL);
	core_back(after.core);
	if (silent > 0)
		ask_then_check(&after);
	leave(&after);
}

/* The core's account of all that was made, after a day in which it has asked for what fell silent. */
static void judge_in_the_long_run(struct after *after)
{
	char folder[FOLDER_SIZE];
	struct core *core = &after->copy;
	unsigned changed;
	int i;

	copy_core(after->judge, folder, core);
	after->core = core;
	for (i = 0; i < 4; i++)
		be_asked(after);
	clock_fake_advance(&core->clock, (DAY_MS + 3600000) * 1000);
	assert_int_equal(accept_sweep(core->accept, clock_wall_ms(&core->clock.clock), &changed),
			 0);
	assert_int_equal(core_commit(core, NULL, NULL), 0);
	check_words(after, false, beyond_telling);
	leave(after);
	core_close(core);
	folder_remove(folder);
}

void judge_lying(struct judge *judge, int64_t honest, int64_t position, enum fault_loss loss)
{
	struct after after = {.judge = judge,
			      .core = &judge->core,
			      .what = "lying card",
			      .position = position,
			      .may_be_damaged = true};
	struct fault_image *disk = NULL;

	after.stamp = moment_before(judge->story->disk, position);
	after.last_change = after.stamp;
	assert_int_equal(fault_image_create(judge->story->disk, &disk), 0);
	fault_image_advance(disk, honest);
	fault_image_advance_lying(disk, position);
	write_image(disk, loss, (uint64_t)position + 1, judge->disk_folder);
	fault_image_free(disk);
	wipe(judge->young_path);
	play_core(judge, after.stamp);
	open_left(&after, false);
	look_again(&after);
	check_bodies(&after);
	judge_in_the_long_run(&after);
}

void judge_restored(struct judge *judge, struct fault_image *disk, int64_t position,
		    struct fault_image *young)
{
	struct after after = {.judge = judge,
			      .core = &judge->core,
			      .what = young ? "restored card, same boot" : "restored card",
			      .stamp = fault_stamp(),
			      .last_change = fault_stamp(),
			      .position = position};

	fault_image_advance(disk, position);
	write_image(disk, FAULT_LOSE_UNSYNCED, 1, judge->disk_folder);
	wipe(judge->young_path);
	if (young)
		write_image(young, FAULT_LOSE_NOTHING, 1, judge->young_folder);
	play_core(judge, after.stamp);
	open_left(&after, young != NULL);
	look_again(&after);
	check_bodies(&after);
	judge_in_the_long_run(&after);
}

/* The story itself, gone through to its end. */

void judge_story(struct judge *judge, const char *what, bool exact)
{
	struct story *story = judge->story;
	struct after after = {.judge = judge,
			      .core = &judge->core,
			      .spool = story->spool,
			      .clock = story->clock,
			      .what = what,
			      .stamp = fault_stamp(),
			      .last_change = fault_stamp(),
			      .position = fault_disk_position(story->disk)};
	unsigned changed;
	size_t i;
	int k;

	play_core(judge, after.stamp);
	for (k = 0; k < 4 && !exact; k++)
		be_asked(&after);
	if (!exact) {
		clock_fake_advance(&judge->core.clock, (DAY_MS + 3600000) * 1000);
		assert_int_equal(accept_sweep(judge->core.accept,
					      clock_wall_ms(&judge->core.clock.clock), &changed),
				 0);
		assert_int_equal(core_commit(&judge->core, NULL, NULL), 0);
	}
	look_again(&after);
	check_words(&after, exact, story->notices > 0 ? beyond_telling : NULL);
	for (i = 0; exact && i < story->batch_count; i++)
		if (story->batches[i].acked || story->batches[i].gone == STORY_NEVER)
			if (core_word_on(&judge->core, GATEWAY, story->batches[i].epoch,
					 story->batches[i].number) != CORE_COMMITTED)
				wrong(&after, "lost without need", &story->batches[i]);
	story_collected_free(after.held, after.held_count);
	judge->cuts++;
}

void judge_begin(struct judge *judge, struct story *story)
{
	memset(judge, 0, sizeof(*judge));
	judge->story = story;
	folder_make(judge->core_folder);
	folder_make(judge->disk_folder);
	folder_make(judge->young_folder);
	(void)snprintf(judge->disk_path, sizeof(judge->disk_path), "%s/spool.db",
		       judge->disk_folder);
	(void)snprintf(judge->young_path, sizeof(judge->young_path), "%s/young.db",
		       judge->young_folder);
	if (core_open(&judge->core, judge->core_folder))
		fail_msg("%s", judge->core.error);
}

void judge_end(struct judge *judge)
{
	core_close(&judge->core);
	folder_remove(judge->core_folder);
	folder_remove(judge->disk_folder);
	folder_remove(judge->young_folder);
}
