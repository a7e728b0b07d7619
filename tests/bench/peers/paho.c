/* Eclipse Paho's MQTTAsync with its own file persistence, as its documentation says for an
 * application that is offline: everything may be sent at any time, nothing is given up.
 *
 *   paho FOLDER PORT INFLIGHT BASE STEP COUNT RATE LIMIT
 *
 * Opens the folder (what is in it is restored), takes COUNT records while there is no connection and
 * prints {"accepted":N,"seconds":S,"restored_s":S}; then, when a line comes on stdin, connects and
 * stays until it is killed. INFLIGHT 0 is the library's default.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <MQTTAsync.h>

#include "tests/bench/bench_mqtt.h"
#include "tests/bench/bench_record.h"

static _Noreturn void die(const char *what, int code)
{
	(void)fprintf(stderr, "paho: %s: %d\n", what, code);
	exit(1);
}

static void on_failed(void *context, MQTTAsync_failureData *data)
{
	(void)context;
	(void)fprintf(stderr, "paho: not connected: %d\n", data ? data->code : 0);
}

static void on_connected(void *context, MQTTAsync_successData *data)
{
	(void)context;
	(void)data;
	(void)fprintf(stderr, "paho: connected\n");
}

static MQTTAsync make(const char *folder, const char *port)
{
	MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
	char url[64];
	MQTTAsync client;
	int r;

	(void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%s", port);
	options.sendWhileDisconnected = 1;
	options.allowDisconnectedSendAtAnyTime = 1;
	options.maxBufferedMessages = 10000000;
	r = MQTTAsync_createWithOptions(&client, url, "bench-paho", MQTTCLIENT_PERSISTENCE_DEFAULT,
					(void *)(uintptr_t)folder, &options);
	if (r)
		die("create", r);
	return client;
}

static int64_t take(MQTTAsync client, struct bench_records *records, int64_t count, int64_t rate,
		    double limit_s)
{
	const double start_s = bench_now_s();
	char record[BENCH_RECORD_MAX];
	int64_t taken = 0;

	while (taken < count && bench_now_s() - start_s < limit_s) {
		MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
		size_t len;
		int r;

		if (rate && (double)taken > (bench_now_s() - start_s) * (double)rate) {
			(void)usleep(1000);
			continue;
		}
		len = bench_records_next(records, record);
		r = MQTTAsync_send(client, "bench/records", (int)len, record, 1, 0, &response);
		if (r)
			die("send", r);
		taken++;
	}
	return taken;
}

static void go_online(MQTTAsync client, int inflight)
{
	MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
	int r;

	options.keepAliveInterval = 600;
	options.cleansession = 0;
	options.automaticReconnect = 1;
	options.minRetryInterval = 1;
	options.MQTTVersion = MQTTVERSION_3_1_1;
	options.onSuccess = on_connected;
	options.onFailure = on_failed;
	if (inflight)
		options.maxInflight = inflight;
	r = MQTTAsync_connect(client, &options);
	if (r)
		die("connect", r);
}

int main(int argc, char **argv)
{
	static struct bench_records records;
	double start_s, restored_s;
	MQTTAsync client;
	int64_t taken;

	if (argc != 9) {
		(void)fprintf(stderr,
			      "usage: paho FOLDER PORT INFLIGHT BASE STEP COUNT RATE LIMIT\n");
		return 2;
	}
	start_s = bench_now_s();
	client = make(argv[1], argv[2]);
	restored_s = bench_now_s() - start_s;
	bench_records_init(&records, strtoll(argv[4], NULL, 10), strtoll(argv[5], NULL, 10));
	start_s = bench_now_s();
	taken = take(client, &records, strtoll(argv[6], NULL, 10), strtoll(argv[7], NULL, 10),
		     strtod(argv[8], NULL));
	(void)printf("{\"accepted\":%" PRId64 ",\"seconds\":%.6f,\"restored_s\":%.6f}\n", taken,
		     bench_now_s() - start_s, restored_s);
	(void)fflush(stdout);
	if (getchar() == EOF)
		return 0;
	go_online(client, (int)strtol(argv[3], NULL, 10));
	for (;;)
		(void)pause();
}
