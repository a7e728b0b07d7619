/* What the files of the daemon share. */
#ifndef AGENT_DAEMON_PRIV_H
#define AGENT_DAEMON_PRIV_H

#include "agent/control.h"
#include "agent/daemon.h"
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
	struct loop_timer upkeep; /* anchor, saved time */
	struct loop_timer watchdog;
	int64_t start_us;
	int64_t core_anchor_us; /* when the core's time was last offered to the spool */
	int64_t saved_us;       /* when the time was last saved */
	int64_t dropped;        /* records that the spool had given up when last looked at */
	int64_t refused;        /* updates that the sampler could not take */
	int64_t spool_errors;
	bool spool_failing; /* said once, until it works again */
	bool stopping;
	int lock;
};

/* The report of the gateway for the status topic. */
void daemon_fill_status(struct daemon *daemon, struct wire_status *status);
/* Answers a request on the control socket. */
void daemon_answer(void *arg, const char *request, struct buf *out);
/* A monotonic moment as wall time; MODEL_NO_TIME where nobody vouches for the clock. */
int64_t daemon_wall_ms(struct daemon *daemon, int64_t mono_us);
/* The JSON members of a source's report, into an open object. */
void daemon_encode_source(struct jw *w, const struct source *source, int64_t now_us);
/* The batches of a spool as a JSON array, at most `limit`, into an open key. */
int daemon_encode_batches(struct jw *w, struct spool *spool, int64_t after, int limit);

#endif
