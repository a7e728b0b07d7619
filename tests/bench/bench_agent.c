/* An agent whose readings come from a generator: the agent's own spool and uplink on its event loop,
 * configured by an agent's file, without sources and sampler, which cannot make a million records a
 * minute.
 *
 *   bench_agent -c agent.conf --base US --step US --count N [--rate R] [--online] [--simulate]
 *
 * At --rate, what has come in [batch] max_age is sealed as the sampler would; without it, full batches
 * are stored as fast as it goes. When all are stored it prints {"accepted":N,"seconds":S,"bytes":B}
 * and stays, as an agent does, until it is killed; SIGTERM ends it in order. With --simulate time does
 * not pass but jumps from event to event: hours of a slow gateway in a moment, with the same writes.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/uplink.h"
#include "base/loop.h"
#include "storage/spool/spool.h"
#include "tests/bench/bench_record.h"

#define LOOK_US INT64_C(1000000)
#define PUTS_MAX 16 /* batches of one transaction, where a slow disk made them pile up */

struct bench {
	struct agent_config config;
	const char *conf_path;
	int64_t base_us, step_us, count, rate;
	bool online, simulate;

	struct clock *clock;
	struct clock_system system;
	struct clock_fake fake;
	struct loop *loop;
	struct spool *spool;
	struct uplink *uplink;
	struct uplink_env env;
	struct loop_timer seal, move;
	struct bench_records records;
	struct buf bodies[PUTS_MAX];
	int64_t start_us, stored, bytes;
};

static _Noreturn void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_agent: %s: %s\n", what, why);
	exit(1);
}

/* ---- the spool ---- */

static void open_spool(struct bench *bench)
{
	struct spool_config config = bench->config.spool;
	char path[512], young_path[512], error[256] = "";
	char *notice = NULL;

	(void)snprintf(path, sizeof(path), "%s/spool.db", bench->config.state_dir);
	(void)snprintf(young_path, sizeof(young_path), "%s/young.db", bench->config.run_dir);
	config.path = path;
	config.young_path = young_path;
	config.clock = bench->clock;
	if (spool_open(&config, &bench->spool, &notice, error, sizeof(error)))
		die(path, error);
	if (notice)
		die(path, notice);
	if (spool_set_anchor(bench->spool, clock_mono_us(bench->clock), clock_wall_ms(bench->clock),
			     CLOCK_QUALITY_SYNCED) < 0)
		die("anchor", spool_error(bench->spool));
}

static void arm_move(struct bench *bench);

static void on_move(struct loop_timer *timer)
{
	struct bench *bench = timer->arg;

	if (spool_run(bench->spool))
		die("move to disk", spool_error(bench->spool));
	arm_move(bench);
}

/* As the agent does: acknowledgements give it work too, without a word to us. */
static void arm_move(struct bench *bench)
{
	const int64_t wait_us = spool_due(bench->spool) - loop_now_us(bench->loop);

	if (loop_timer_set(bench->loop, &bench->move,
			   wait_us < 0 ? 0 : (wait_us < LOOK_US ? wait_us : LOOK_US), on_move,
			   bench))
		die("timer", strerror(ENOMEM));
}

/* ---- records ---- */

/* One batch of `count` records, as the sampler would seal it. */
static void seal(struct bench *bench, struct buf *body, int count, struct spool_put *put)
{
	const int64_t now_us = clock_mono_us(bench->clock);

	buf_reset(body);
	for (int i = 0; i < count; i++) {
		char *room;
		size_t len;

		buf_putc(body, i ? ',' : '[');
		room = buf_reserve(body, BENCH_RECORD_MAX);
		if (!room)
			die("records", strerror(-body->error));
		len = bench_records_next(&bench->records, room);
		buf_commit(body, len);
		bench->bytes += (int64_t)len;
	}
	buf_putc(body, ']');
	if (body->error)
		die("records", strerror(-body->error));
	*put = (struct spool_put){
		.class = WIRE_CLASS_SAMPLE,
		.json = body->data,
		.len = body->len,
		.count = count,
		.first_mono_us = now_us,
		.last_mono_us = now_us,
	};
}

static void say_done(struct bench *bench)
{
	(void)printf("{\"accepted\":%" PRId64 ",\"seconds\":%.6f,\"bytes\":%" PRId64 "}\n",
		     bench->stored, (double)(loop_now_us(bench->loop) - bench->start_us) / 1e6,
		     bench->bytes);
	(void)fflush(stdout);
}

/* Stores what has come in since the last time; how many records. */
static int64_t store(struct bench *bench)
{
	const int most = bench->config.sampler.max_records;
	struct spool_put puts[PUTS_MAX];
	int64_t due = bench->count - bench->stored, first, stored = 0;
	size_t count = 0;

	if (bench->rate) {
		const int64_t came =
			(loop_now_us(bench->loop) - bench->start_us) * bench->rate / 1000000;

		due = came < bench->count ? came - bench->stored : due;
	} else if (due > most) {
		due = most;
	}
	while (due > 0 && count < PUTS_MAX) {
		const int n = due < most ? (int)due : most;

		seal(bench, &bench->bodies[count], n, &puts[count]);
		count++;
		due -= n;
		stored += n;
	}
	if (count && spool_append(bench->spool, puts, count, &first))
		die("append", spool_error(bench->spool));
	bench->stored += stored;
	if (count)
		arm_move(bench);
	if (count && bench->uplink)
		uplink_stored(bench->uplink, count);
	return stored;
}

static void on_seal(struct loop_timer *timer)
{
	struct bench *bench = timer->arg;

	(void)store(bench);
	if (bench->stored == bench->count)
		say_done(bench);
	else if (loop_timer_set(bench->loop, &bench->seal,
				bench->rate ? bench->config.sampler.max_age_us : 0, on_seal, bench))
		die("timer", strerror(ENOMEM));
}

/* ---- the uplink ---- */

static void on_core_time(void *arg, int64_t at_ms)
{
	(void)arg;
	(void)at_ms;
}

static void on_nothing(void *arg)
{
	(void)arg;
}

static void on_status(void *arg, struct wire_status *status)
{
	const struct bench *bench = arg;

	(void)snprintf(status->agent_version, sizeof(status->agent_version), "%s", FRESHET_VERSION);
	(void)snprintf(status->boot_id, sizeof(status->boot_id), "%s", clock_boot_id(bench->clock));
	status->sent_at_ms = clock_wall_ms(bench->clock);
}

static void on_stopped(void *arg)
{
	const struct bench *bench = arg;

	loop_stop(bench->loop);
}

static void on_spool_failed(void *arg, int error)
{
	const struct bench *bench = arg;

	(void)error;
	die("spool", spool_error(bench->spool));
}

static void start_uplink(struct bench *bench)
{
	bench->env = (struct uplink_env){
		.loop = bench->loop,
		.clock = bench->clock,
		.spool = bench->spool,
		.core_time = on_core_time,
		.online = on_nothing,
		.changed = on_nothing,
		.status = on_status,
		.stopped = on_stopped,
		.spool_failed = on_spool_failed,
		.arg = bench,
	};
	if (uplink_create(&bench->config.uplink, &bench->env, &bench->uplink) ||
	    uplink_start(bench->uplink))
		die("uplink", "cannot start");
}

static void on_signal(void *arg, int signo)
{
	struct bench *bench = arg;

	(void)signo;
	if (bench->uplink)
		uplink_stop(bench->uplink);
	else
		loop_stop(bench->loop);
}

/* ---- life ---- */

static void read_options(int argc, char **argv, struct bench *bench)
{
	static const struct option longs[] = {
		{"base", required_argument, NULL, 'b'},
		{"step", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'n'},
		{"rate", required_argument, NULL, 'r'},
		{"online", no_argument, NULL, 'o'},
		{"simulate", no_argument, NULL, 'S'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c == 'c')
			bench->conf_path = optarg;
		else if (c == 'b')
			bench->base_us = strtoll(optarg, NULL, 10);
		else if (c == 's')
			bench->step_us = strtoll(optarg, NULL, 10);
		else if (c == 'n')
			bench->count = strtoll(optarg, NULL, 10);
		else if (c == 'r')
			bench->rate = strtoll(optarg, NULL, 10);
		else if (c == 'o')
			bench->online = true;
		else if (c == 'S')
			bench->simulate = true;
		else
			exit(2);
	}
	if (!bench->conf_path || bench->step_us < 1 || bench->count < 1)
		exit(2);
}

static void set_up(struct bench *bench)
{
	if (agent_config_load(bench->conf_path, &bench->config, stderr))
		exit(2);
	if (clock_system_init(&bench->system, bench->config.trust))
		die("clock", "no boot id");
	clock_fake_init(&bench->fake, clock_wall_ms(&bench->system.clock),
			clock_mono_us(&bench->system.clock));
	bench->clock = bench->simulate ? &bench->fake.clock : &bench->system.clock;
	for (size_t i = 0; i < PUTS_MAX; i++)
		buf_init(&bench->bodies[i], (size_t)1 << 20);
	bench_records_init(&bench->records, bench->base_us, bench->step_us);
	if (loop_create(bench->clock, &bench->loop) ||
	    loop_signal(bench->loop, SIGTERM, on_signal, bench))
		die("loop", strerror(errno));
	(void)signal(SIGPIPE, SIG_IGN);
	open_spool(bench);
	arm_move(bench);
	if (bench->online)
		start_uplink(bench);
	bench->start_us = loop_now_us(bench->loop);
	if (loop_timer_set(bench->loop, &bench->seal, 0, on_seal, bench))
		die("timer", strerror(ENOMEM));
}

/* From event to event until all is stored. */
static int run_simulated(struct bench *bench)
{
	int r = 0;

	while (r >= 0 && bench->stored < bench->count) {
		const int64_t wait_us = loop_due_us(bench->loop) - loop_now_us(bench->loop);

		if (wait_us > 0)
			clock_fake_advance(&bench->fake, wait_us);
		r = loop_run_once(bench->loop, 0);
	}
	return r < 0 ? r : loop_run(bench->loop);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	int r;

	read_options(argc, argv, &bench);
	set_up(&bench);
	r = bench.simulate ? run_simulated(&bench) : loop_run(bench.loop);
	uplink_destroy(bench.uplink);
	spool_close(bench.spool);
	loop_destroy(bench.loop);
	for (size_t i = 0; i < PUTS_MAX; i++)
		buf_free(&bench.bodies[i]);
	agent_config_free(&bench.config);
	if (r)
		die("loop", strerror(-r));
	return 0;
}
