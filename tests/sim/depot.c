#include "tests/sim/depot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "hal/can.h"
#include "tests/sim/adapter.h"
#include "tests/sim/can_port.h"
#include "tests/sim/sim_control.h"

/* Where a vehicle of the depot stands: its adapter, or the CAN interface instead, and the way back from
 * there. */
struct berth {
	struct adapter adapter;
	struct can_port port;
	const char *interface; /* NULL: there is an adapter */
	int64_t delay_us;
	struct depot *depot;
};

struct depot {
	struct loop *loop;
	struct berth *berths;
	unsigned count;
	int journal;
	struct sim_control control;
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

static int open_can(struct berth *berth)
{
	return can_port_open(&berth->port, berth->depot->loop, canbus_opener_linux(),
			     berth->interface, &berth->adapter.vehicle, berth->delay_us);
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
	if (options->can) {
		berth->interface = options->can;
		berth->delay_us = options->delay_us;
		berth->port.served = on_served;
		berth->port.served_arg = berth;
		(void)snprintf(adapter->address, sizeof(adapter->address), "can:%s", options->can);
		return open_can(berth);
	}
	if (options->tcp)
		return adapter_open_tcp(adapter, 0);
	n = snprintf(path, sizeof(path), "%s/%s", options->dir, adapter->name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	return adapter_open_pty(adapter, path);
}

static struct berth *find_berth(struct depot *depot, const char *name)
{
	for (unsigned i = 0; i < depot->count; i++) {
		if (strcmp(depot->berths[i].adapter.name, name) == 0)
			return &depot->berths[i];
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

static int set_fault(struct berth *berth, const char *what)
{
	if (berth->interface)
		return can_port_fault_parse(what, &berth->port.fault);
	return elm327_fault_parse(what, &berth->adapter.elm.fault) ? -EINVAL : 0;
}

static int command_one(struct berth *berth, const char *what)
{
	struct adapter *adapter = &berth->adapter;
	enum vehicle_activity activity;

	if (strcmp(what, "unplug") == 0) {
		can_port_close(&berth->port);
		adapter_unplug(adapter);
		return 0;
	}
	if (strcmp(what, "plug") == 0 && berth->interface)
		return berth->port.can ? 0 : open_can(berth);
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
	return set_fault(berth, what);
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
	for (unsigned i = 0; i < CAN_PORT_FAULT_COUNT && used < size; i++)
		used += (size_t)snprintf(reply + used, size - used, "%s%s", i ? ", " : "; on CAN: ",
					 can_port_fault_name((enum can_port_fault)i));
}

/* Carries out "VEHICLE|all unplug|plug|FAULT|ACTIVITY|freeze|thaw" or "VEHICLE truth"; the answer goes
 * to `reply`. */
static void on_control(void *arg, char *command, char *reply, size_t reply_size)
{
	struct depot *depot = arg;
	char *save = NULL;
	const char *name = strtok_r(command, " \t\r\n", &save);
	const char *what = name ? strtok_r(NULL, " \t\r\n", &save) : NULL;
	struct berth *only;
	int rc = 0;

	if (!what) {
		say_usage(reply, reply_size);
		return;
	}
	only = find_berth(depot, name);
	if (!only && strcmp(name, "all") != 0) {
		snprintf(reply, reply_size, "error: no vehicle %.32s in this depot", name);
		return;
	}
	if (only && strcmp(what, "truth") == 0) {
		vehicle_step(&only->adapter.vehicle, loop_now_us(depot->loop));
		vehicle_print_truth(&only->adapter.vehicle, reply, reply_size);
		return;
	}
	for (unsigned i = 0; i < depot->count && rc == 0; i++) {
		struct berth *berth = &depot->berths[i];

		if (!only || only == berth)
			rc = command_one(berth, what);
	}
	if (rc == -EINVAL)
		say_usage(reply, reply_size);
	else if (rc < 0)
		snprintf(reply, reply_size, "error: %s: %s", what, strerror(-rc));
	else
		snprintf(reply, reply_size, "ok: %.32s %.32s", name, what);
}

int depot_create(struct loop *loop, const struct depot_options *options, struct depot **ret_depot)
{
	struct depot *depot = calloc(1, sizeof(*depot));
	int rc = 0;

	if (!depot)
		return -ENOMEM;
	depot->loop = loop;
	depot->journal = -1;
	depot->control.fd = -1;
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
		rc = sim_control_open(&depot->control, loop, options->control, on_control, depot);
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
	for (unsigned i = 0; i < depot->count; i++) {
		can_port_close(&depot->berths[i].port);
		adapter_close(&depot->berths[i].adapter);
	}
	free(depot->berths);
	sim_control_close(&depot->control);
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
