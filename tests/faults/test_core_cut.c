/* Power cuts under the core's ledger: at every write and sync of a run of the real door on a real
 * database. What was acknowledged is there, nothing is there twice, and gateways that send again what was
 * not acknowledged bring it to where it would be without the cut. */
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

#include "tests/faults/core.h"
#include "tests/faults/fault_image.h"
#include "tests/unit/storage/folder.h"

int suite_faults_core(void);

#define EPOCHS 3   /* two of g1, one of g2 */
#define NUMBERS 12 /* an epoch */
#define MADE (EPOCHS * NUMBERS)
#define COMMITS 22
#define SEED UINT64_C(20261120)

struct made {
	struct buf payload;
	int epoch;
	int64_t number;
	int64_t acked_at; /* the journal's length when the commit's ack was given; -1: never */
};

/* What the run comes to in the end, however often it was interrupted. */
struct result {
	int64_t batches, records, parked, rejections, outcomes, gaps;
};

struct fixture {
	char folder[FOLDER_SIZE], cut_folder[FOLDER_SIZE];
	struct fault_disk *disk;
	struct core core;
	struct made made[MADE];
	struct result result;
	uint64_t seed;
	int64_t end; /* of the journal, when the run was over */
	int64_t twice, images;
	int64_t counted, failed; /* of a disk that refuses */
};

static const char *const epoch_names[EPOCHS] = {"aa0000000000000000000000000000e1",
						"aa0000000000000000000000000000e2",
						"aa0000000000000000000000000000e3"};

static const char *gateway_of(const struct made *made)
{
	return made->epoch < 2 ? "g1" : "g2";
}

static uint32_t next(struct fixture *f)
{
	f->seed ^= f->seed << 13;
	f->seed ^= f->seed >> 7;
	f->seed ^= f->seed << 17;
	return (uint32_t)(f->seed >> 24);
}

/* Bodies. */

/* One reading of a device that is registered, one of a device that is not (parked); now and then one that
 * cannot be taken (rejected), the end of an epoch, and a loss. */
static int write_records(const struct made *made, char *out, size_t size)
{
	long long mono = 1000000LL * (made->number * EPOCHS + made->epoch + 1);
	int count = 2, len;

	len = snprintf(
		out, size,
		"[{\"kind\":\"update\",\"device_id\":\"d%d\",\"provider\":\"obd\",\"source\":"
		"\"obd0\",\"mono_us\":%lld,\"battery\":{\"state_of_charge_pct\":%d}},"
		"{\"kind\":\"update\",\"device_id\":\"stranger\",\"provider\":\"obd\","
		"\"source\":\"obd0\",\"mono_us\":%lld,\"battery\":{\"state_of_charge_pct\":%d}}",
		made->epoch < 2 ? 1 : 2, mono, (int)made->number, mono, (int)made->number);
	if (made->number % 5 == 0) {
		len += snprintf(out + len, size - (size_t)len, ",{\"kind\":\"nonsense\"}");
		count++;
	}
	if (made->epoch == 1 && made->number == 3) {
		len += snprintf(out + len, size - (size_t)len,
				",{\"kind\":\"epoch_end\",\"epoch\":\"%s\",\"prev\":null,"
				"\"boot_id\":\"boot-0\",\"held\":[[1,%d]],\"end\":%d}",
				epoch_names[0], NUMBERS, NUMBERS + 5);
		count++;
	}
	if (made->epoch == 2 && made->number == 4) {
		len += snprintf(out + len, size - (size_t)len,
				",{\"kind\":\"dropped\",\"epoch\":\"%s\",\"ranges\":[[20,22]],"
				"\"records\":9,\"reason\":\"spool_full\",\"first_mono_us\":1,"
				"\"last_mono_us\":2}",
				epoch_names[2]);
		count++;
	}
	(void)snprintf(out + len, size - (size_t)len, "]");
	return count;
}

static void make_body(struct made *made)
{
	struct wire_header header = {
		.session = "00112233445566778899aabbccddeeff",
		.batch = made->number,
		.floor = 1,
		.lane = WIRE_LANE_BACKLOG,
		.class = WIRE_CLASS_SAMPLE,
		.boot = {.sent_mono_us = MODEL_NO_TIME,
			 .anchor_mono_us = 0,
			 .anchor_at_ms = CORE_WALL_MS - 3600000,
			 .quality = CLOCK_QUALITY_SYNCED},
	};
	struct buf body;
	char json[2048];

	(void)snprintf(header.epoch, sizeof(header.epoch), "%s", epoch_names[made->epoch]);
	(void)snprintf(header.boot.id, sizeof(header.boot.id), "boot-%d", made->epoch);
	header.count = write_records(made, json, sizeof(json));
	buf_init(&body, WIRE_BATCH_BYTES_MAX);
	buf_init(&made->payload, WIRE_BATCH_BYTES_MAX);
	assert_int_equal(wire_body_pack(json, strlen(json), &body, &header.body), 0);
	wire_digest(body.data, body.len, header.digest);
	assert_int_equal(wire_batch_encode(&header, body.data, body.len, &made->payload), 0);
	buf_free(&body);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int i;

	assert_non_null(f);
	assert_int_equal(fault_vfs_install(), 0);
	folder_make(f->folder);
	folder_make(f->cut_folder);
	assert_int_equal(fault_disk_create(f->folder, &f->disk), 0);
	f->seed = SEED;
	for (i = 0; i < MADE; i++) {
		f->made[i].epoch = i / NUMBERS;
		f->made[i].number = i % NUMBERS + 1;
		f->made[i].acked_at = -1;
		make_body(&f->made[i]);
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int i;

	core_close(&f->core);
	fault_disk_free(f->disk);
	fault_vfs_remove();
	folder_remove(f->folder);
	folder_remove(f->cut_folder);
	for (i = 0; i < MADE; i++)
		buf_free(&f->made[i].payload);
	free(f);
	return 0;
}

/* The run. */

static struct made *find_made(struct fixture *f, const char *epoch, int64_t number)
{
	int e = 0;

	while (e < EPOCHS && strcmp(epoch_names[e], epoch) != 0)
		e++;
	assert_true(e < EPOCHS && number >= 1 && number <= NUMBERS);
	return &f->made[e * NUMBERS + (int)number - 1];
}

static void take_ack(void *arg, const char *workspace, const char *gateway,
		     const struct wire_ack *ack)
{
	struct fixture *f = arg;
	size_t i;
	int64_t n;

	(void)workspace;
	(void)gateway;
	for (i = 0; i < ack->committed_count; i++)
		for (n = ack->committed[i].first; n <= ack->committed[i].last; n++) {
			struct made *made = find_made(f, ack->epoch, n);

			if (made->acked_at < 0)
				made->acked_at = fault_disk_position(f->disk);
		}
}

static int take(struct core *core, const struct made *made, enum accept_answer *ret_answer)
{
	return core_take(core, gateway_of(made), made->payload.data, made->payload.len, ret_answer);
}

/* Some bodies in any order, some of them not for the first time; now and then it comes to nothing. */
static int one_commit(struct fixture *f)
{
	int i, r = 0, count = 1 + (int)(next(f) % 5);

	for (i = 0; r == 0 && i < count; i++)
		r = take(&f->core, &f->made[next(f) % MADE], NULL);
	clock_fake_advance(&f->core.clock, 1000000);
	if (r == 0 && next(f) % 8 == 0) {
		core_back(&f->core);
		return 0;
	}
	return r ? r : core_commit(&f->core, take_ack, f);
}

static int run(struct fixture *f)
{
	unsigned changed;
	int i, r;

	r = core_open(&f->core, f->folder);
	if (r == 0)
		r = sql_exec(coredb_sql(f->core.db), "PRAGMA wal_autocheckpoint = 60");
	for (i = 0; r == 0 && i < COMMITS; i++) {
		r = one_commit(f);
		if (r == 0 && i % 7 == 6)
			r = accept_sweep(f->core.accept, clock_wall_ms(&f->core.clock.clock),
					 &changed);
		if (r == 0 && i % 7 == 6)
			r = core_commit(&f->core, take_ack, f);
		if (r == 0 && i == COMMITS / 2) { /* it is stopped and started */
			core_close(&f->core);
			r = core_open(&f->core, f->folder);
		}
	}
	return r;
}

static void count_result(struct core *core, struct result *result)
{
	*result = (struct result){
		.batches = core_ask(core, "SELECT count(*) FROM batch"),
		.records = core_ask(core, "SELECT sum(accepted + late + duplicate + parked +"
					  " rejected) FROM batch"),
		.parked = core_ask(core, "SELECT count(*) FROM parked"),
		.rejections = core_ask(core, "SELECT sum(count) FROM rejection"),
		.outcomes = core_ask(core, "SELECT sum(count) FROM outcome"
					   " WHERE outcome <> 'duplicate'"),
		.gaps = core_ask(core, "SELECT sum((last - first + 1) * 1000 + first) FROM gap"
				       " WHERE recovered_at IS NULL"),
	};
}

/* The gateways send what they still hold, and once more what is acknowledged. */
static void finish(struct fixture *f, struct core *core, struct result *result)
{
	int i;

	for (i = 0; i < MADE; i++)
		assert_int_equal(take(core, &f->made[i], NULL), 0);
	assert_int_equal(core_commit(core, NULL, NULL), 0);
	count_result(core, result);
}

/* A cut. */

#define TWICE                                                                                      \
	"SELECT count(*) FROM (SELECT 1 FROM batch GROUP BY epoch_id, number HAVING count(*) > 1)"

static void show_result(const char *what, const struct result *result)
{
	print_message("%s: batches %lld records %lld parked %lld rejections %lld outcomes %lld gaps"
		      " %lld\n",
		      what, (long long)result->batches, (long long)result->records,
		      (long long)result->parked, (long long)result->rejections,
		      (long long)result->outcomes, (long long)result->gaps);
}

static void judge(struct fixture *f, int64_t position)
{
	struct result result;
	struct core core;
	int i;

	if (core_open(&core, f->cut_folder))
		fail_msg("cut at %lld: %s", (long long)position, core.error);
	if (!core_is_whole(&core))
		fail_msg("cut at %lld: the database is damaged", (long long)position);
	for (i = 0; i < MADE; i++) {
		const struct made *made = &f->made[i];

		if (made->acked_at >= 0 && made->acked_at <= position &&
		    core_word_on(&core, gateway_of(made), epoch_names[made->epoch], made->number) !=
			    CORE_COMMITTED)
			fail_msg("cut at %lld: %s %lld was acknowledged and is gone",
				 (long long)position, epoch_names[made->epoch],
				 (long long)made->number);
	}
	f->twice += core_ask(&core, TWICE);
	finish(f, &core, &result);
	f->twice += core_ask(&core, TWICE);
	if (memcmp(&result, &f->result, sizeof(result)) != 0) {
		show_result("without a cut", &f->result);
		show_result("after the cut", &result);
		fail_msg("cut at %lld: it does not come out as without one", (long long)position);
	}
	core_close(&core);
}

/* Each point with the next kind of loss; a slow run tries all kinds at each. */
#define ONE_EACH (-1)

static void cut_everywhere(struct fixture *f, int kind)
{
	enum fault_loss loss = (enum fault_loss)kind;
	struct fault_image *image = NULL;
	int64_t i;

	assert_int_equal(fault_image_create(f->disk, &image), 0);
	for (i = 0; i <= f->end; i++) {
		fault_image_advance(image, i);
		if (kind == ONE_EACH)
			loss = (enum fault_loss)(i % FAULT_LOSSES);
		assert_int_equal(fault_image_write(image, loss, (uint64_t)i + 1,
						   i / FAULT_LOSSES % 2 ? 512 : 4096,
						   f->cut_folder),
				 0);
		judge(f, i);
		f->images++;
	}
	fault_image_free(image);
}

static void what_was_acknowledged_is_there_after_every_cut(void **state)
{
	struct fixture *f = *state;
	int64_t writes, syncs;
	int i, loss, acked = 0;

	if (run(f))
		fail_msg("%s", coredb_error(f->core.db));
	for (i = 0; i < MADE; i++)
		acked += f->made[i].acked_at >= 0;
	assert_true(acked > MADE / 2);
	core_close(&f->core);
	f->end = fault_disk_position(f->disk);
	fault_disk_tally(f->disk, &writes, &syncs);
	/* Without a cut, on what it has left. */
	assert_int_equal(core_open(&f->core, f->folder), 0);
	finish(f, &f->core, &f->result);
	core_close(&f->core);
	assert_int_equal(f->result.batches, MADE);
	if (getenv("FRESHET_FAULTS_ALL"))
		for (loss = 0; loss < FAULT_LOSSES; loss++)
			cut_everywhere(f, loss);
	else
		cut_everywhere(f, ONE_EACH);
	print_message("core ledger: cut points %lld (writes %lld, syncs %lld), images %lld,"
		      " acknowledged %d, lost 0, applied twice %lld\n",
		      (long long)f->end + 1, (long long)writes, (long long)syncs,
		      (long long)f->images, acked, (long long)f->twice);
	assert_int_equal(f->twice, 0);
}

/* Disks that refuse. */

static void begin_again(struct fixture *f)
{
	int i;

	core_close(&f->core);
	fault_disk_free(f->disk);
	folder_remove(f->folder);
	folder_make(f->folder);
	assert_int_equal(fault_disk_create(f->folder, &f->disk), 0);
	f->seed = SEED;
	for (i = 0; i < MADE; i++)
		f->made[i].acked_at = -1;
}

/* The run with a disk that refuses from some operation on; what fails is taken back and not
 * acknowledged, and the core goes on. */
static void run_in_trouble(struct fixture *f, const struct fault_plan *plan)
{
	struct result result;
	int i;

	begin_again(f);
	if (core_open(&f->core, f->folder))
		fail_msg("%s", f->core.error);
	fault_disk_plan(f->disk, plan);
	for (i = 0; i < COMMITS; i++)
		if (one_commit(f))
			core_back(&f->core);
	f->counted = fault_disk_counted(f->disk);
	f->failed += fault_disk_failed(f->disk);
	fault_disk_plan(f->disk, NULL);
	for (i = 0; i < MADE; i++)
		if (f->made[i].acked_at >= 0)
			assert_int_equal(core_word_on(&f->core, gateway_of(&f->made[i]),
						      epoch_names[f->made[i].epoch],
						      f->made[i].number),
					 CORE_COMMITTED);
	finish(f, &f->core, &result);
	f->twice += core_ask(&f->core, TWICE);
	assert_true(core_is_whole(&f->core));
	if (memcmp(&result, &f->result, sizeof(result)) != 0) {
		show_result("without trouble", &f->result);
		show_result("with", &result);
		fail_msg("error %d at %lld for %lld: it does not come out as without", plan->error,
			 (long long)plan->at, (long long)plan->count);
	}
}

static void a_disk_that_refuses_costs_nothing_that_was_acknowledged(void **state)
{
	static const int errors[] = {ENOSPC, EROFS, EIO};
	static const int64_t counts[] = {1, 12, 0};
	struct fault_plan plan = {.ops = FAULT_CHANGES};
	struct fixture *f = *state;
	int64_t points, stride, runs = 0;

	/* Without trouble first: how many operations there are, and what comes out. */
	assert_int_equal(core_open(&f->core, f->folder), 0);
	finish(f, &f->core, &f->result);
	run_in_trouble(f, &plan);
	points = f->counted;
	stride = getenv("FRESHET_FAULTS_ALL") ? 1 : points / 100 + 1;
	for (plan.at = 1; plan.at <= points; plan.at += stride, runs++) {
		plan.error = errors[runs % 3];
		plan.count = counts[runs / 3 % 3];
		run_in_trouble(f, &plan);
	}
	print_message("core on a disk that refuses: operations %lld, runs %lld, failed operations"
		      " %lld, lost 0, applied twice %lld\n",
		      (long long)points, (long long)runs, (long long)f->failed,
		      (long long)f->twice);
	assert_true(f->failed >= runs);
	assert_int_equal(f->twice, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int suite_faults_core(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_acknowledged_is_there_after_every_cut),
		TEST(a_disk_that_refuses_costs_nothing_that_was_acknowledged),
	};

	return cmocka_run_group_tests_name("faults.core", tests, NULL, NULL);
}
