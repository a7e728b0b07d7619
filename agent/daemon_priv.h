/* What the files of the daemon share. Which file does what:
 *
 *	daemon.c         its life; how sources and uplink are wired to the rest
 *	daemon_store.c   readings: from the sources through the sampler into the spool
 *	daemon_time.c    what the clock is worth, told to the spool and kept over a restart
 *	daemon_files.c   folders, the lock, paths
 *	daemon_report.c  the gateway's report, and answers on the control socket
 *	daemon_figures.c what spool, uplink and sampler say of themselves
 *	daemon_probe.c   the command `probe`
 */
#ifndef AGENT_DAEMON_PRIV_H
#define AGENT_DAEMON_PRIV_H

#include "agent/control.h"
#include "agent/daemon.h"
#include "agent/time_keeper.h"
#include "base/clock.h"

struct daemon {
	const struct agent_config *config;
	struct clock_system clock;
	struct loop *loop;
	struct spool *spool;
	struct sampler *sampler;
	struct uplink *uplink;
	struct uplink_env uplink_env;
	struct control *control;
	struct source_env source_env;
	struct source *sources[WIRE_SOURCES_MAX];
	size_t source_count;
	struct loop_timer seal;   /* what waits in the sampler */
	struct loop_timer move;   /* the spool's own work */
	struct loop_timer upkeep; /* anchor, saved time */
	struct loop_timer watchdog;
	struct loop_timer gps_time; /* an anchor that GPS has told */
	int64_t start_us;
	struct time_keeper time;
	struct time_offer gps_offer; /* for the timer gps_time */
	int64_t saved_us;            /* when the time was last saved; 0: not yet */
	bool stored;                 /* since drops were last looked for */
	int64_t dropped;             /* records that the spool had given up when last looked at */
	int64_t refused;             /* updates that the sampler could not take */
	int64_t spool_errors;
	bool spool_failing; /* said once, until it works again */
	bool disk_failing;  /* the same of the spool's disk */
	bool stopping;
	int lock, run_lock;
};

/* ---- daemon.c ---- */

int daemon_start_sources(struct daemon *daemon);
void daemon_stop_sources(struct daemon *daemon);

/* ---- daemon_store.c ---- */

/* Opens daemon->spool and says in the log what went wrong; `damaged` as in spool_config. Returns 0 or
 * -errno. */
int daemon_open_spool(struct daemon *daemon, unsigned damaged);
/* The timer `move` is set for what the spool has to do. To be called after everything that may have
 * given it something. */
void daemon_arm_spool(struct daemon *daemon);
/* The spool failed: says so once, until it works again, and begins a new one where it is damaged. */
void daemon_spool_trouble(struct daemon *daemon, int error);
/* The sampler's batches go into the spool; `arg` is the daemon. Returns 0 or -errno: the sampler keeps
 * them. */
int daemon_store(void *arg, const struct spool_put *puts, size_t count);
/* An operator gives batches up; *ret_records is how many records went. Returns 0 or -errno. */
int daemon_drop(struct daemon *daemon, const struct spool_filter *filter, int64_t *ret_records);
/* A source's update goes into the sampler; `arg` is the daemon. */
void daemon_take_update(void *arg, const struct model_update *update);
/* The timer `seal` is set for what waits in the sampler. */
void daemon_arm_seal(struct daemon *daemon);

/* ---- daemon_time.c ---- */

/* Offers the spool an anchor where the clock is trusted, saves the time, and does so again every
 * TIME_KEEPER_LOOK_US. */
void daemon_keep_time(struct daemon *daemon);
/* An acknowledgement told the core's time: an anchor where there is no better clock. */
void daemon_take_core_time(void *arg, int64_t at_ms);
/* GPS told that it was `wall_ms` at `mono_us`; `arg` is the daemon. It counts where the configuration
 * trusts GPS, or the kernel, and that has no time. */
void daemon_take_gps_time(void *arg, int64_t wall_ms, int64_t mono_us);
/* A monotonic moment as wall time; MODEL_NO_TIME where nobody vouches for the clock. */
int64_t daemon_wall_ms(struct daemon *daemon, int64_t mono_us);

/* ---- daemon_files.c ---- */

/* Makes the folders above a path. Returns 0 or -errno. */
int daemon_make_parent(const char *path);

/* ---- daemon_figures.c ---- */

void daemon_fill_spool(struct daemon *daemon, struct wire_spool *out);
void daemon_fill_uplink(struct daemon *daemon, struct wire_uplink *out);
void daemon_fill_sampler(struct daemon *daemon, struct wire_sampler *out);

/* ---- daemon_report.c ---- */

/* The report of the gateway for the status topic. */
void daemon_fill_status(struct daemon *daemon, struct wire_status *status);
/* Answers a request on the control socket. */
void daemon_answer(void *arg, const char *request, struct buf *out);
/* The JSON members of a source's report, into an open object. */
void daemon_encode_source(struct jw *w, const struct source *source, int64_t now_us);
/* The batches of a spool as a JSON array, at most `limit`, into an open key. */
int daemon_encode_batches(struct jw *w, struct spool *spool, int64_t after, int limit);

#endif
