/* libmosquitto's own queue: publishing without a connection.
 *
 *   libmosquitto PORT BASE STEP COUNT RATE LIMIT
 *
 * Takes COUNT records while there is no connection and prints {"accepted":N,"seconds":S}; then, when a
 * line comes on stdin, connects and stays until it is killed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mosquitto.h>

#include "tests/bench/bench_mqtt.h"
#include "tests/bench/bench_record.h"

static _Noreturn void die(const char *what, int code)
{
	(void)fprintf(stderr, "libmosquitto: %s: %s\n", what, mosquitto_strerror(code));
	exit(1);
}

static int64_t take(struct mosquitto *mosq, struct bench_records *records, int64_t count,
		    int64_t rate, double limit_s)
{
	const double start_s = bench_now_s();
	char record[BENCH_RECORD_MAX];
	int64_t taken = 0;

	while (taken < count && bench_now_s() - start_s < limit_s) {
		size_t len;
		int r;

		if (rate && (double)taken > (bench_now_s() - start_s) * (double)rate) {
			(void)usleep(1000);
			continue;
		}
		len = bench_records_next(records, record);
		r = mosquitto_publish(mosq, NULL, "bench/records", (int)len, record, 1, false);
		/* It says that there is no connection, and queues all the same. */
		if (r && r != MOSQ_ERR_NO_CONN)
			die("publish", r);
		taken++;
	}
	return taken;
}

int main(int argc, char **argv)
{
	static struct bench_records records;
	struct mosquitto *mosq;
	double start_s;
	int64_t taken;
	int r;

	if (argc != 7) {
		(void)fprintf(stderr, "usage: libmosquitto PORT BASE STEP COUNT RATE LIMIT\n");
		return 2;
	}
	(void)mosquitto_lib_init();
	mosq = mosquitto_new("bench-libmosquitto", false, NULL);
	if (!mosq)
		die("new", MOSQ_ERR_NOMEM);
	/* It has to have been told of a broker before it takes anything. */
	(void)mosquitto_connect_async(mosq, "127.0.0.1", (int)strtol(argv[1], NULL, 10), 600);
	bench_records_init(&records, strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10));
	start_s = bench_now_s();
	taken = take(mosq, &records, strtoll(argv[4], NULL, 10), strtoll(argv[5], NULL, 10),
		     strtod(argv[6], NULL));
	(void)printf("{\"accepted\":%" PRId64 ",\"seconds\":%.6f}\n", taken,
		     bench_now_s() - start_s);
	(void)fflush(stdout);
	if (getchar() == EOF)
		return 0;
	r = mosquitto_reconnect(mosq);
	if (!r)
		r = mosquitto_loop_forever(mosq, 1000, 1);
	die("loop", r);
}
