/* freshet-agent status: what the running agent says of itself, for a person. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "agent/main_priv.h"

#define ASK_TIMEOUT_MS 5000
#define SIZE_TEXT 24

const char *main_text_of(const struct jr_value *object, const char *key)
{
	const char *text = "";
	size_t len;

	return jr_string(jr_get(object, key), &text, &len) ? text : "";
}

int64_t main_int_of(const struct jr_value *object, const char *key)
{
	int64_t value = 0;

	(void)jr_integer(jr_get(object, key), &value);
	return value;
}

static bool flag_of(const struct jr_value *object, const char *key)
{
	bool value = false;

	return jr_bool(jr_get(object, key), &value) && value;
}

/* "3.2 s ago" or "never". */
static const char *age_of(const struct jr_value *object, const char *key, char out[static 32])
{
	double value;

	if (jr_number(jr_get(object, key), &value))
		(void)snprintf(out, 32, "%.1f s ago", value);
	else
		(void)snprintf(out, 32, "never");
	return out;
}

/* "1.5 MiB". */
static const char *size_of(const struct jr_value *object, const char *key,
			   char out[static SIZE_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)main_int_of(object, key);
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(out, SIZE_TEXT, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

static void print_uplink(const struct jr_value *uplink)
{
	char age[32], bytes[SIZE_TEXT], rate[SIZE_TEXT];
	int64_t ms;

	(void)printf("uplink    %s:%" PRId64 " %s%s%s, MQTT %s%s, %" PRId64 " sent, %" PRId64
		     " again, %" PRId64 " committed, last %s\n",
		     main_text_of(uplink, "host"), main_int_of(uplink, "port"),
		     main_text_of(uplink, "state"), main_text_of(uplink, "reason")[0] ? " " : "",
		     main_text_of(uplink, "reason"), main_text_of(uplink, "protocol"),
		     flag_of(uplink, "tls") ? " over TLS" : "", main_int_of(uplink, "sent"),
		     main_int_of(uplink, "resent"), main_int_of(uplink, "acked"),
		     age_of(uplink, "last_ack_s", age));
	if (main_text_of(uplink, "detail")[0])
		(void)printf("          %s\n", main_text_of(uplink, "detail"));
	(void)printf("          in flight %" PRId64 " live and %" PRId64 " old of %" PRId64
		     " batches or %s",
		     main_int_of(uplink, "live_in_flight"),
		     main_int_of(uplink, "backlog_in_flight"),
		     main_int_of(uplink, "window_batches"), size_of(uplink, "window_bytes", bytes));
	if (main_int_of(uplink, "backlog_rate"))
		(void)printf(", old ones at most %s/s", size_of(uplink, "backlog_rate", rate));
	if (jr_integer(jr_get(uplink, "ack_ms"), &ms))
		(void)printf(", committed after %" PRId64 " ms", ms);
	if (jr_integer(jr_get(uplink, "ack_max_ms"), &ms))
		(void)printf(" (of late at most %" PRId64 ")", ms);
	(void)putchar('\n');
}

static void print_classes(const struct jr_value *classes)
{
	static const char *const names[] = {"alarm", "state", "sample", "ledger"};
	const char *comma = "          ";
	char bytes[SIZE_TEXT];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct jr_value *class = jr_get(classes, names[i]);
		const int64_t dropped = main_int_of(class, "dropped");

		if (!main_int_of(class, "batches") && !dropped)
			continue;
		(void)printf("%s%s %" PRId64 " (%s", comma, names[i], main_int_of(class, "batches"),
			     size_of(class, "bytes", bytes));
		if (dropped)
			(void)printf(", %" PRId64 " records given up", dropped);
		(void)putchar(')');
		comma = ", ";
	}
	if (comma[0] == ',')
		(void)putchar('\n');
}

static void print_spool(const struct jr_value *spool)
{
	const char *oldest = main_text_of(spool, "oldest_at");
	char bytes[SIZE_TEXT], today[SIZE_TEXT], total[SIZE_TEXT], budget[SIZE_TEXT];
	int64_t days;

	(void)printf("spool     %" PRId64 " batches, %s waiting, %" PRId64
		     " not on disk%s%s; %" PRId64 " records given up\n",
		     main_int_of(spool, "batches"), size_of(spool, "bytes", bytes),
		     main_int_of(spool, "young"), oldest[0] ? ", the oldest of " : "", oldest,
		     main_int_of(spool, "dropped_total"));
	print_classes(jr_get(spool, "classes"));
	(void)printf("          disk %s, %s written today%s%s, %s in all",
		     main_text_of(spool, "disk"), size_of(spool, "written_bytes_today", today),
		     main_int_of(spool, "write_budget") ? " of " : "",
		     main_int_of(spool, "write_budget") ? size_of(spool, "write_budget", budget)
							: "",
		     size_of(spool, "written_bytes_total", total));
	if (jr_integer(jr_get(spool, "card_life_days"), &days))
		(void)printf(", the card lasts about %.1f years", (double)days / 365.25);
	(void)putchar('\n');
}

static void print_certificates(const struct jr_value *certificates)
{
	for (size_t i = 0; i < jr_count(certificates); i++)
		(void)printf("%s%s until %s%s", i ? ", " : "certs     ",
			     main_text_of(jr_at(certificates, i), "name"),
			     main_text_of(jr_at(certificates, i), "expires_at"),
			     i + 1 == jr_count(certificates) ? "\n" : "");
}

static void print_sampler(const struct jr_value *sampler)
{
	(void)printf("sampler   %" PRId64 " values told, %" PRId64 " within their deadband",
		     main_int_of(sampler, "told"), main_int_of(sampler, "withheld"));
	if (main_int_of(sampler, "limited"))
		(void)printf(", %" PRId64 " replaced within the minimum interval",
			     main_int_of(sampler, "limited"));
	if (main_int_of(sampler, "coalesced"))
		(void)printf(", %" PRId64 " replaced while the spool took nothing",
			     main_int_of(sampler, "coalesced"));
	if (main_int_of(sampler, "refused"))
		(void)printf(", %" PRId64 " of too many devices", main_int_of(sampler, "refused"));
	(void)putchar('\n');
}

static void print_source(const struct jr_value *source)
{
	char age[32];

	(void)printf("%-12s %-16s %-7s %-18s %-14s %-17s %s\n", main_text_of(source, "name"),
		     main_text_of(source, "device_id"), main_text_of(source, "state"),
		     main_text_of(source, "reason"), age_of(source, "last_ok_s", age),
		     main_text_of(source, "vin"), main_text_of(source, "detail"));
}

/* How a vehicle is read, where it is read by a profile. */
static void print_vehicle(const struct jr_value *source)
{
	const struct jr_value *refused = jr_get(source, "refused");
	double load = 0;

	if (!main_text_of(source, "profile")[0])
		return;
	(void)jr_number(jr_get(source, "bus_load_pct"), &load);
	(void)printf("             profile %s, vehicle %s, %.2f %% of the bus, %" PRId64
		     " of %" PRId64 " looks today\n",
		     main_text_of(source, "profile"), main_text_of(source, "activity"), load,
		     main_int_of(source, "looks_today"), main_int_of(source, "wake_budget"));
	if (main_text_of(source, "vin_given")[0])
		(void)printf("             the VIN %s is not believed: %s\n",
			     main_text_of(source, "vin_given"),
			     main_text_of(source, "vin_judgement"));
	for (size_t i = 0; i < jr_count(refused); i++)
		(void)printf("             not asked: %s, %s\n",
			     main_text_of(jr_at(refused, i), "command"),
			     main_text_of(jr_at(refused, i), "reason"));
}

/* How a bus is heard, where a source listens to one. */
static void print_bus(const struct jr_value *source)
{
	const char *asking = main_text_of(source, "asking");
	double rate = 0;

	if (!main_text_of(source, "map")[0])
		return;
	(void)jr_number(jr_get(source, "frames_per_s"), &rate);
	(void)printf("             %s: %.0f frames/s, %" PRId64 " dropped, controller %s%s%s\n",
		     main_text_of(source, "map"), rate, main_int_of(source, "dropped"),
		     main_text_of(source, "condition"), asking[0] ? ", " : "", asking);
	if (main_text_of(source, "vin_given")[0])
		(void)printf("             the VIN %s is not believed: %s\n",
			     main_text_of(source, "vin_given"),
			     main_text_of(source, "vin_judgement"));
}

static void print_status(const struct jr_value *status)
{
	const struct jr_value *sources = jr_get(status, "sources");

	(void)printf("gateway   %s/%s, agent %s on %s, up %" PRId64 " s, clock %s\n",
		     main_text_of(status, "workspace"), main_text_of(status, "gateway_id"),
		     main_text_of(status, "agent_version"), main_text_of(status, "board"),
		     main_int_of(status, "uptime_s"), main_text_of(status, "clock"));
	print_uplink(jr_get(status, "uplink"));
	print_spool(jr_get(status, "spool"));
	print_sampler(jr_get(status, "sampler"));
	print_certificates(jr_get(status, "certificates"));
	(void)printf("\n%-12s %-16s %-7s %-18s %-14s %-17s %s\n", "SOURCE", "DEVICE", "STATE",
		     "REASON", "LAST ANSWER", "VIN", "DETAIL");
	for (size_t i = 0; i < jr_count(sources); i++)
		print_source(jr_at(sources, i));
	(void)putchar('\n');
	for (size_t i = 0; i < jr_count(sources); i++) {
		(void)printf("%s\n", main_text_of(jr_at(sources, i), "name"));
		print_vehicle(jr_at(sources, i));
		print_bus(jr_at(sources, i));
	}
}

int main_ask(const struct agent_config *config, const char *request, struct buf *out)
{
	int r;

	buf_init(out, CONTROL_ANSWER_MAX + 1);
	r = control_ask(config->socket, request, ASK_TIMEOUT_MS, out);
	if (!r && !buf_text(out))
		r = out->error;
	return r;
}

int main_status(const struct agent_config *config, const struct options *options)
{
	struct jr_error error;
	struct jr_doc *doc;
	struct buf out;
	int r = main_ask(config, "status", &out);

	if (r) {
		buf_free(&out);
		return main_fail(r == -ENOENT || r == -ECONNREFUSED ? "no agent is running here"
								    : "the agent does not answer",
				 r);
	}
	if (options->json) {
		(void)fputs(buf_text(&out), stdout);
	} else {
		r = jr_parse(out.data, out.len, &doc, &error);
		if (!r) {
			print_status(jr_root(doc));
			jr_free(doc);
		}
	}
	buf_free(&out);
	return r ? main_fail("the agent's answer cannot be read", r) : EXIT_DONE;
}
