#include "tests/sim/depot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sim/adapter.h"

/* Where a vehicle of the depot stands: its adapter, and the way back from there. */
struct berth {
	struct adapter adapter;
	struct depot *depot;
};

struct depot {
	struct loop *loop;
	struct berth *berths;
	unsigned count;
	int journal;
	int control;
	char control_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct loop_fd control_watch;
};

/* One write(2) a line, so that a reader of the journal never sees half an answer. */
static void journal_answer(struct depot *depot, const struct adapter *adapter,
			   const uint8_t *answer, size_t len)
{
	char hex[2 * ECU_ANSWER_MAX + 1] = "";
	char line[2 * ECU_ANSWER_MAX + 128];
	int n;

	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02X", answer[i]);
	n = snprintf(line, sizeof(line),
		     "{\"vehicle\":\"%s\",\"mono_us\":%lld,\"answer\":\"%s\"}\n", adapter->name,
		     (long long)loop_now_us(depot->loop), hex);
	if (write(depot->journal, line, (size_t)n) != n)
		perror("freshet-sim: journal");
}

static void on_served(void *arg, const uint8_t *answer, size_t len)
{
	struct berth *berth = arg;

	berth->adapter.answers_served++;
	if (berth->depot->journal >= 0)
		journal_answer(berth->depot, &berth->adapter, answer, len);
}

/* The entry for vehicle `number` of a list "ioniq5,zoe" that begins anew at its end. */
static int kind_of(const char *list, unsigned number, enum vehicle_kind *ret_kind)
{
	char name[32];
	unsigned count = 1;

	for (const char *c = list; *c != '\0'; c++)
		count += *c == ',';
	for (unsigned skip = (number - 1) % count; skip > 0; skip--)
		list = strchr(list, ',') + 1;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(list, ","), list);
	return vehicle_kind_parse(name, ret_kind);
}

static int set_vehicle(struct vehicle *vehicle, const struct depot_options *options)
{
	enum vehicle_activity activity;

	vehicle->odometer_step_km = options->odometer_step_km;
	if (options->activity) {
		if (vehicle_activity_parse(options->activity, &activity) < 0)
			return -EINVAL;
		vehicle_set_activity(vehicle, activity);
		/* It has been doing so for a while. */
		vehicle_step(vehicle, vehicle->now_us + INT64_C(20000000));
	}
	vehicle->frozen = options->frozen;
	return 0;
}

static int open_berth(struct depot *depot, const struct depot_options *options, unsigned number)
{
	struct berth *berth = &depot->berths[number - 1];
	struct adapter *adapter = &berth->adapter;
	enum vehicle_kind kind;
	char path[224];
	int n;

	if (options->kinds && kind_of(options->kinds, number, &kind) < 0)
		return -EINVAL;
	berth->depot = depot;
	adapter_init(adapter, depot->loop, number, options->kinds ? &kind : NULL,
		     options->delay_us);
	elm327_set_temperament(&adapter->elm, options->temperament);
	adapter->baud = options->baud;
	if (set_vehicle(&adapter->vehicle, options) < 0)
		return -EINVAL;
	adapter->elm.served = on_served;
	adapter->elm.served_arg = berth;
	depot->count = number;
	if (options->tcp)
		return adapter_open_tcp(adapter, 0);
	n = snprintf(path, sizeof(path), "%s/%s", options->dir, adapter->name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	return adapter_open_pty(adapter, path);
}

static struct adapter *find_adapter(struct depot *depot, const char *name)
{
	for (unsigned i = 0; i < depot->count; i++) {
		if (strcmp(depot->berths[i].adapter.name, name) == 0)
			return &depot->berths[i].adapter;
	}
	return NULL;
}

/* A frozen one changes to what follows from it, and stands still there. */
static void change_activity(struct adapter *adapter, enum vehicle_activity activity)
{
	struct vehicle *vehicle = &adapter->vehicle;
	bool frozen = vehicle->frozen;

	vehicle->frozen = false;
	vehicle_step(vehicle, loop_now_us(adapter->loop));
	vehicle_set_activity(vehicle, activity);
	vehicle_step(vehicle, vehicle->now_us + 1);
	vehicle->frozen = frozen;
}

static int command_one(struct adapter *adapter, const char *what)
{
	enum vehicle_activity activity;
	enum elm327_fault fault;

	if (strcmp(what, "unplug") == 0) {
		adapter_unplug(adapter);
		return 0;
	}
	if (strcmp(what, "plug") == 0)
		return adapter_plug(adapter);
	if (strcmp(what, "freeze") == 0 || strcmp(what, "thaw") == 0) {
		adapter->vehicle.frozen = what[0] == 'f';
		return 0;
	}
	if (vehicle_activity_parse(what, &activity) == 0) {
		change_activity(adapter, activity);
		return 0;
	}
	if (elm327_fault_parse(what, &fault) != 0)
		return -EINVAL;
	adapter->elm.fault = fault;
	return 0;
}

static void say_usage(char *reply, size_t size)
{
	size_t used =
		(size_t)snprintf(reply, size,
				 "error: expected VEHICLE and truth, or VEHICLE|all and one of "
				 "freeze, thaw, unplug, plug");

	for (unsigned i = 0; i < VEHICLE_ACTIVITY_COUNT && used < size; i++)
		used += (size_t)snprintf(reply + used, size - used, ", %s",
					 vehicle_activity_name((enum vehicle_activity)i));
	for (unsigned i = 0; i < ELM327_FAULT_COUNT && used < size; i++)
		used += (size_t)snprintf(reply + used, size - used, ", %s",
					 elm327_fault_name((enum elm327_fault)i));
}

void depot_command(struct depot *depot, char *command, char *reply, size_t reply_size)
{
	char *save = NULL;
	const char *name = strtok_r(command, " \t\r\n", &save);
	const char *what = name ? strtok_r(NULL, " \t\r\n", &save) : NULL;
	struct adapter *only;
	int rc = 0;

	if (!what) {
		say_usage(reply, reply_size);
		return;
	}
	only = find_adapter(depot, name);
	if (!only && strcmp(name, "all") != 0) {
		snprintf(reply, reply_size, "error: no vehicle %.32s in this depot", name);
		return;
	}
	if (only && strcmp(what, "truth") == 0) {
		vehicle_step(&only->vehicle, loop_now_us(depot->loop));
		vehicle_print_truth(&only->vehicle, reply, reply_size);
		return;
	}
	for (unsigned i = 0; i < depot->count && rc == 0; i++) {
		struct adapter *adapter = &depot->berths[i].adapter;

		if (!only || only == adapter)
			rc = command_one(adapter, what);
	}
	if (rc == -EINVAL)
		say_usage(reply, reply_size);
	else if (rc < 0)
		snprintf(reply, reply_size, "error: %s: %s", what, strerror(-rc));
	else
		snprintf(reply, reply_size, "ok: %.32s %.32s", name, what);
}

static void on_control(struct loop_fd *watch, unsigned events)
{
	struct depot *depot = watch->arg;
	struct sockaddr_un from = {0};
	socklen_t from_len = sizeof(from);
	char command[128];
	char reply[DEPOT_REPLY_MAX];
	ssize_t n;

	(void)events;
	n = recvfrom(depot->control, command, sizeof(command) - 1, MSG_DONTWAIT,
		     (struct sockaddr *)&from, &from_len);
	if (n < 0)
		return;
	command[n] = '\0';
	depot_command(depot, command, reply, sizeof(reply));
	sendto(depot->control, reply, strlen(reply), MSG_DONTWAIT, (struct sockaddr *)&from,
	       from_len);
}

static int open_control(struct depot *depot, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int rc;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	memcpy(depot->control_path, path, strlen(path) + 1);
	unlink(path);
	depot->control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (depot->control < 0 || bind(depot->control, (struct sockaddr *)&at, sizeof(at)) != 0)
		return -errno;
	rc = chmod(path, 0600) == 0 ? 0 : -errno;
	if (rc < 0)
		return rc;
	return loop_fd_add(depot->loop, &depot->control_watch, depot->control, LOOP_READ,
			   on_control, depot);
}

int depot_create(struct loop *loop, const struct depot_options *options, struct depot **ret_depot)
{
	struct depot *depot = calloc(1, sizeof(*depot));
	int rc = 0;

	if (!depot)
		return -ENOMEM;
	depot->loop = loop;
	depot->journal = -1;
	depot->control = -1;
	depot->berths = calloc(options->vehicles, sizeof(*depot->berths));
	if (!depot->berths) {
		rc = -ENOMEM;
		goto fail;
	}
	if (options->journal) {
		depot->journal =
			open(options->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (depot->journal < 0) {
			rc = -errno;
			goto fail;
		}
	}
	for (unsigned number = 1; number <= options->vehicles && rc == 0; number++)
		rc = open_berth(depot, options, number);
	if (rc == 0 && options->control)
		rc = open_control(depot, options->control);
	if (rc < 0)
		goto fail;
	*ret_depot = depot;
	return 0;
fail:
	depot_destroy(depot);
	return rc;
}

void depot_destroy(struct depot *depot)
{
	if (!depot)
		return;
	for (unsigned i = 0; i < depot->count; i++)
		adapter_close(&depot->berths[i].adapter);
	free(depot->berths);
	loop_fd_remove(&depot->control_watch);
	if (depot->control >= 0) {
		close(depot->control);
		unlink(depot->control_path);
	}
	if (depot->journal >= 0)
		close(depot->journal);
	free(depot);
}

static void print_agent_section(const struct adapter *adapter)
{
	const char *profile = vehicle_kind_profile(adapter->vehicle.kind);

	printf("# vehicle %s %s %s\n", adapter->name, adapter->vehicle.vin,
	       vehicle_kind_name(adapter->vehicle.kind));
	printf("[source %s]\nkind = obd\ndevice = %s\ndevice_id = %s-obd\nsimulated = yes\n",
	       adapter->name, adapter->address, adapter->name);
	if (strcmp(profile, "generic") != 0)
		printf("profile = %s\n", profile);
	printf("\n");
}

void depot_print(const struct depot *depot, bool json, bool agent_conf)
{
	for (unsigned i = 0; i < depot->count; i++) {
		const struct adapter *adapter = &depot->berths[i].adapter;
		const char *kind = vehicle_kind_name(adapter->vehicle.kind);
		const char *profile = vehicle_kind_profile(adapter->vehicle.kind);

		if (agent_conf)
			print_agent_section(adapter);
		else if (json)
			printf("{\"vehicle\":\"%s\",\"vin\":\"%s\",\"kind\":\"%s\",\"profile\":\"%s\",\"device\":\"%s\"}\n",
			       adapter->name, adapter->vehicle.vin, kind, profile,
			       adapter->address);
		else
			printf("%-10s %s %-7s %-16s %s\n", adapter->name, adapter->vehicle.vin,
			       kind, profile, adapter->address);
	}
	fflush(stdout);
}

int depot_send(const char *control, const char *vehicle, const char *what)
{
	struct sockaddr_un from = {.sun_family = AF_UNIX};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 5};
	char text[DEPOT_REPLY_MAX];
	ssize_t n = -1;
	int fd;

	if (strlen(control) >= sizeof(to.sun_path)) {
		fprintf(stderr, "freshet-sim: %s: too long for a socket's name\n", control);
		return 2;
	}
	memcpy(to.sun_path, control, strlen(control) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* An autobound address, so that the depot can answer. */
	if (fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof(from.sun_family)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0) {
		snprintf(text, sizeof(text), "%s %s", vehicle, what);
		if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)) >= 0)
			n = recv(fd, text, sizeof(text) - 1, 0);
	}
	if (n < 0)
		fprintf(stderr, "freshet-sim: %s: %s (is a depot running with --control?)\n",
			control, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return 1;
	text[n] = '\0';
	puts(text);
	return strncmp(text, "error", 5) != 0 ? 0 : 1;
}
