/* What spool, uplink and sampler have to say, for the status topic and for `freshet-agent status`. */
#include <errno.h>
#include <stdio.h>

#include "agent/daemon_priv.h"

/* -1 says that there is none. */
static int64_t ms_of(int64_t us)
{
	return us < 0 ? -1 : (us + 500) / 1000;
}

static const char *disk_word(int error)
{
	switch (error) {
	case 0:
		return "ok";
	case ENOSPC:
		return "full";
	case EROFS:
		return "read_only";
	case EUCLEAN:
		return "corrupt";
	case EACCES:
		return "denied";
	default:
		return "io_error";
	}
}

void daemon_fill_spool(struct daemon *daemon, struct wire_spool *out)
{
	struct spool_stats stats;

	spool_stats(daemon->spool, &stats);
	*out = (struct wire_spool){
		.young = stats.young_batches,
		.young_bytes = stats.young_bytes,
		.batches = stats.batches,
		.bytes = stats.bytes,
		.oldest_at_ms = stats.oldest_at_ms,
		.dropped_total = stats.dropped_total,
		.written_bytes_today = stats.written_bytes_today,
		.written_bytes_total = stats.written_bytes_total,
		.write_budget = stats.write_budget,
		.card_life_days = stats.card_life_days,
		.errors = daemon->spool_errors,
	};
	(void)snprintf(out->disk, sizeof(out->disk), "%s", disk_word(stats.disk_errno));
	for (int class = 0; class < WIRE_CLASS_COUNT; class ++)
		out->classes[class] =
			(struct wire_spool_class){.batches = stats.class_batches[class],
						  .bytes = stats.class_bytes[class],
						  .dropped = stats.dropped[class]};
}

void daemon_fill_uplink(struct daemon *daemon, struct wire_uplink *out)
{
	struct uplink_report report;

	uplink_report(daemon->uplink, &report);
	*out = (struct wire_uplink){
		.tls = daemon->config->uplink.tls,
		.sessions = report.sessions,
		.sent = report.sent,
		.resent = report.resent,
		.acked = report.acked,
		.deferred = report.deferred,
		.bytes_sent = report.bytes_sent,
		.set_aside = report.set_aside,
		.live_in_flight = report.live_in_flight,
		.backlog_in_flight = report.backlog_in_flight,
		.window_batches = report.window_limit,
		.window_bytes = report.window_bytes,
		.backlog_rate = report.backlog_rate,
		.ack_ms = ms_of(report.ack_round_trip_us),
		.ack_max_ms = ms_of(report.ack_round_trip_worst_us),
	};
	(void)snprintf(out->state, sizeof(out->state), "%s", uplink_state_name(report.state));
	(void)snprintf(out->reason, sizeof(out->reason), "%s", report.reason);
	(void)snprintf(out->detail, sizeof(out->detail), "%s", report.detail);
	(void)snprintf(out->protocol, sizeof(out->protocol), "%s", report.mqtt5 ? "5" : "3.1.1");
}

void daemon_fill_sampler(struct daemon *daemon, struct wire_sampler *out)
{
	struct sampler_stats stats;

	sampler_stats(daemon->sampler, &stats);
	*out = (struct wire_sampler){
		.told = stats.told,
		.withheld = stats.withheld,
		.limited = stats.limited,
		.coalesced = stats.coalesced,
		.refused = daemon->refused,
	};
}
