/* CAN and ISO-TP as a real kernel has them: runs in the guest (test_can.py), where vcan0 and vcan1 are
 * virtual interfaces, can0 and can1 emulated controllers on one bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "hal/can.h"
#include "tests/unit/agent/isotp_bench.h"

int suite_vm_can(void);

static struct clock_system the_clock;

static void shell(const char *command)
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- frames ---- */

static struct canbus *open_bus(const char *interface, const struct canbus_options *options)
{
	struct canbus_opener *opener = canbus_opener_linux();
	struct canbus *bus;

	assert_int_equal(opener->open(opener, interface, options, &bus), 0);
	return bus;
}

static struct canbus *open_all(const char *interface)
{
	const struct canbus_options options = {0};

	return open_bus(interface, &options);
}

/* What read says when there is something, or after a moment without. */
static ssize_t read_soon(struct canbus *bus, struct canbus_frame *frames, size_t room)
{
	struct pollfd poll_fd = {.fd = canbus_fd(bus), .events = POLLIN};

	poll(&poll_fd, 1, 300);
	return canbus_read(bus, frames, room);
}

static struct canbus_state state_of(struct canbus *bus)
{
	struct canbus_state state;

	canbus_state(bus, &state);
	return state;
}

static void frames_of_both_lengths_pass_in_order_with_their_times(void **state)
{
	static const struct canbus_frame sent[] = {
		{.id = 0x7df, .len = 3, .data = {2, 1, 0}},
		{.id = 0x7df, .extended = true, .len = 8, .data = {1, 2, 3, 4, 5, 6, 7, 8}},
		{.id = 0x1fffffff, .extended = true},
	};
	struct canbus *here = open_all("vcan0"), *there = open_all("vcan0");
	struct canbus *elsewhere = open_all("vcan1");
	const int64_t before = clock_mono_us(&the_clock.clock);
	struct canbus_frame got[8];
	ssize_t count = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(canbus_write(here, &sent[i]), 0);
	while (count < 3) {
		const ssize_t n = read_soon(there, got + count, 8 - (size_t)count);

		assert_true(n > 0);
		count += n;
	}
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(got[i].id, sent[i].id);
		assert_int_equal(got[i].extended, sent[i].extended);
		assert_int_equal(got[i].len, sent[i].len);
		assert_memory_equal(got[i].data, sent[i].data, sent[i].len);
		assert_true(got[i].mono_us >= (i ? got[i - 1].mono_us : before));
		assert_true(got[i].mono_us <= clock_mono_us(&the_clock.clock));
	}
	assert_int_equal(canbus_read(there, got, 8), -EAGAIN);
	assert_int_equal(canbus_read(here, got, 8), -EAGAIN); /* its own */
	assert_int_equal(canbus_read(elsewhere, got, 8), -EAGAIN);
	canbus_close(elsewhere);
	canbus_close(there);
	canbus_close(here);
}

static void only_what_the_filters_let_in_comes(void **state)
{
	static const struct canbus_filter filters[] = {
		{.id = 0x7e8, .mask = 0x7f8},
		{.id = 0x18daf100, .mask = 0x1fffff00, .extended = true},
	};
	static const struct canbus_frame sent[] = {
		{.id = 0x7ef},
		{.id = 0x7df},
		{.id = 0x7e8, .extended = true},
		{.id = 0x18daf1aa, .extended = true},
		{.id = 0x18daf2aa, .extended = true},
	};
	const struct canbus_options options = {.filters = filters, .filter_count = 2};
	const struct canbus_options nothing = {.filters = filters, .filter_count = 0};
	struct canbus_opener *opener = canbus_opener_linux();
	struct canbus *here = open_all("vcan0"), *there = open_bus("vcan0", &options);
	struct canbus *deaf = open_bus("vcan0", &nothing), *none;
	struct canbus_frame got[8];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(canbus_write(here, &sent[i]), 0);
	assert_int_equal(read_soon(there, got, 8), 2);
	assert_int_equal(got[0].id, 0x7ef);
	assert_int_equal(got[1].id, 0x18daf1aa);
	assert_int_equal(canbus_read(deaf, got, 8), -EAGAIN);
	assert_int_equal(canbus_set_filters(there, NULL, 0), 0);
	assert_int_equal(canbus_write(here, &sent[1]), 0);
	assert_int_equal(read_soon(there, got, 8), 1);
	assert_int_equal(canbus_set_filters(there, filters, CANBUS_FILTERS_MAX + 1), -EINVAL);
	assert_int_equal(
		opener->open(opener, "vcan0",
			     &(struct canbus_options){.filters = filters, .filter_count = 65},
			     &none),
		-EINVAL);
	canbus_close(deaf);
	canbus_close(there);
	canbus_close(here);
}

/* A socket of the test's own, for what our code does not send. */
static int plain_socket(const char *interface)
{
	const struct sockaddr_can address = {.can_family = AF_CAN,
					     .can_ifindex = (int)if_nametoindex(interface)};
	const int on = 1;
	int fd = socket(AF_CAN, SOCK_RAW, CAN_RAW);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FD_FRAMES, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void remote_frames_and_those_of_can_fd_do_not_come(void **state)
{
	static const struct can_frame remote = {.can_id = 0x123 | CAN_RTR_FLAG};
	static const struct can_frame data = {.can_id = 0x124};
	static const struct canfd_frame longer = {.can_id = 0x125, .len = 32};
	const struct canbus_filter filter = {.id = 0x120, .mask = 0x7f0};
	struct canbus *all = open_all("vcan0");
	struct canbus *some =
		open_bus("vcan0", &(struct canbus_options){.filters = &filter, .filter_count = 1});
	struct canbus_frame got[8];
	int fd = plain_socket("vcan0");

	(void)state;
	assert_int_equal(write(fd, &remote, sizeof(remote)), sizeof(remote));
	assert_int_equal(write(fd, &longer, sizeof(longer)), sizeof(longer));
	assert_int_equal(write(fd, &data, sizeof(data)), sizeof(data));
	assert_int_equal(read_soon(all, got, 8), 1);
	assert_int_equal(got[0].id, 0x124);
	assert_int_equal(read_soon(some, got, 8), 1);
	close(fd);
	canbus_close(some);
	canbus_close(all);
}

static void who_only_listens_cannot_write(void **state)
{
	const struct canbus_options options = {.listen_only = true};
	struct canbus *bus = open_bus("vcan0", &options), *other = open_all("vcan0");
	const struct canbus_frame frame = {.id = 1};
	struct canbus_frame got[2];

	(void)state;
	assert_int_equal(canbus_write(bus, &frame), -EPERM);
	assert_int_equal(read_soon(other, got, 2), -EAGAIN);
	assert_int_equal(canbus_write(other, &frame), 0);
	assert_int_equal(read_soon(bus, got, 2), 1);
	canbus_close(other);
	canbus_close(bus);
}

static void frames_that_there_are_not_are_refused(void **state)
{
	struct canbus *bus = open_all("vcan0");

	(void)state;
	assert_int_equal(canbus_write(bus, &(struct canbus_frame){.id = 0x800}), -EINVAL);
	assert_int_equal(canbus_write(bus, &(struct canbus_frame){.id = 1, .len = 9}), -EINVAL);
	assert_int_equal(
		canbus_write(bus, &(struct canbus_frame){.id = 0x20000000, .extended = true}),
		-EINVAL);
	canbus_close(bus);
}

static void an_interface_that_is_down_says_so_once_and_comes_back(void **state)
{
	struct canbus *here = open_all("vcan1"), *there = open_all("vcan1"), *late;
	const struct canbus_frame frame = {.id = 5};
	struct canbus_frame got[4];

	(void)state;
	shell("ip link set vcan1 down");
	assert_int_equal(read_soon(there, got, 4), -ENETDOWN);
	assert_int_equal(canbus_read(there, got, 4), -EAGAIN);
	assert_int_equal(state_of(there).condition, CANBUS_DOWN);
	assert_int_equal(canbus_write(here, &frame), -ENETDOWN);
	late = open_all("vcan1");
	assert_int_equal(state_of(late).condition, CANBUS_DOWN);
	assert_int_equal(read_soon(late, got, 4), -ENETDOWN);
	shell("ip link set vcan1 up");
	assert_int_equal(state_of(there).condition, CANBUS_ACTIVE);
	assert_int_equal(canbus_read(here, got, 4), -EAGAIN); /* the write has told it */
	assert_int_equal(canbus_write(here, &frame), 0);
	assert_int_equal(read_soon(there, got, 4), 1);
	assert_int_equal(read_soon(late, got, 4), 1);
	canbus_close(late);
	canbus_close(there);
	canbus_close(here);
}

static void an_interface_that_is_removed_is_gone(void **state)
{
	const struct isotp_pair pair = {.tx = 0x7e0, .rx = 0x7e8};
	const struct canbus_options options = {0};
	struct canbus_opener *opener = canbus_opener_linux();
	struct isotp_channel *channel;
	struct canbus_frame got[1];
	struct canbus *bus, *none;
	uint8_t data[8] = {0};

	(void)state;
	shell("ip link add dev vcan9 type vcan && ip link set vcan9 up");
	bus = open_all("vcan9");
	assert_int_equal(opener->open_isotp(opener, "vcan9", &pair, &channel), 0);
	shell("ip link del vcan9");
	/* The kernel may tell that it goes down before it tells that it goes. */
	if (read_soon(bus, got, 1) == -ENETDOWN)
		assert_int_equal(read_soon(bus, got, 1), -ENODEV);
	assert_int_equal(canbus_read(bus, got, 1), -ENODEV);
	assert_int_equal(canbus_write(bus, &(struct canbus_frame){.id = 1}), -ENODEV);
	assert_int_equal(state_of(bus).condition, CANBUS_DOWN);
	if (isotp_channel_receive(channel, data, sizeof(data)) == -ENETDOWN)
		assert_int_equal(isotp_channel_receive(channel, data, sizeof(data)), -ENODEV);
	assert_int_equal(isotp_channel_receive(channel, data, sizeof(data)), -ENODEV);
	assert_int_equal(isotp_channel_send(channel, data, 3), -ENODEV);
	assert_int_equal(opener->open(opener, "vcan9", &options, &none), -ENODEV);
	isotp_channel_close(channel);
	canbus_close(bus);
}

static void what_is_no_can_interface_does_not_open(void **state)
{
	static const char *const names[] = {"lo", "can77", "", "a/b", "much_too_long_name"};
	const struct canbus_options options = {0};
	const struct isotp_pair pair = {.tx = 1, .rx = 2};
	struct canbus_opener *opener = canbus_opener_linux();
	struct isotp_channel *channel;
	struct canbus *bus;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(opener->open(opener, names[i], &options, &bus), -ENODEV);
		assert_int_equal(opener->open_isotp(opener, names[i], &pair, &channel), -ENODEV);
	}
}

static void error_frames_become_the_state(void **state)
{
	struct canbus *bus = open_all("vcan0");
	struct canbus_frame got[4];

	(void)state;
	shell("cansend vcan0 20000004#0008000000000000");
	assert_int_equal(read_soon(bus, got, 4), -EAGAIN);
	assert_int_equal(state_of(bus).condition, CANBUS_WARNING);
	shell("cansend vcan0 20000004#0020000000000000");
	assert_int_equal(read_soon(bus, got, 4), -EAGAIN);
	assert_int_equal(state_of(bus).condition, CANBUS_PASSIVE);
	shell("cansend vcan0 20000040#0000000000000000");
	assert_int_equal(read_soon(bus, got, 4), -EAGAIN);
	assert_int_equal(state_of(bus).condition, CANBUS_OFF);
	assert_int_equal(state_of(bus).bus_offs, 1);
	shell("cansend vcan0 20000100#0000000000000000");
	assert_int_equal(read_soon(bus, got, 4), -EAGAIN);
	assert_int_equal(state_of(bus).condition, CANBUS_ACTIVE);
	assert_int_equal(state_of(bus).restarts, 1);
	assert_int_equal(state_of(bus).bus_errors, 4);
	/* Also without such a word: who hears frames is on the bus. */
	shell("cansend vcan0 20000040#0000000000000000 && cansend vcan0 123#00");
	assert_int_equal(read_soon(bus, got, 4), 1);
	assert_int_equal(state_of(bus).condition, CANBUS_ACTIVE);
	canbus_close(bus);
}

static void frames_that_were_not_fetched_in_time_are_counted(void **state)
{
	enum { SENT = 20000 };
	struct canbus *here = open_all("vcan0"), *there = open_all("vcan0");
	const struct canbus_frame frame = {.id = 7, .len = 8};
	struct canbus_frame got[32];
	uint64_t count = 0;
	ssize_t n;

	(void)state;
	for (int i = 0; i < SENT; i++)
		assert_int_equal(canbus_write(here, &frame), 0);
	while ((n = canbus_read(there, got, 32)) > 0)
		count += (uint64_t)n;
	assert_true(count > 100);
	assert_int_equal(canbus_write(here, &frame), 0);
	assert_int_equal(read_soon(there, got, 32), 1);
	print_message("the kernel kept %u frames of %u\n", (unsigned)count, (unsigned)SENT);
	assert_int_equal(count + state_of(there).dropped, SENT);
	canbus_close(there);
	canbus_close(here);
}

static void a_controller_tells_its_rate_and_whether_it_is_silent(void **state)
{
	struct canbus *here = open_all("can0"), *there = open_all("can1");
	const struct canbus_frame frame = {.id = 0x123, .len = 1};
	struct canbus_frame got[4];

	(void)state;
	assert_int_equal(canbus_write(here, &frame), 0);
	assert_int_equal(read_soon(there, got, 4), 1);
	assert_int_equal(state_of(here).condition, CANBUS_ACTIVE);
	assert_int_equal(state_of(here).bit_rate, 500000);
	assert_int_equal(state_of(here).restart_ms, 100);
	assert_false(state_of(here).silent);
	shell("ip link set can0 down && ip link set can0 type can bitrate 250000 listen-only on "
	      "restart-ms 0 && ip link set can0 up");
	assert_int_equal(read_soon(here, got, 4), -ENETDOWN);
	assert_int_equal(canbus_write(here, &frame), -EPERM);
	assert_int_equal(state_of(here).bit_rate, 250000);
	assert_int_equal(state_of(here).restart_ms, 0);
	assert_true(state_of(here).silent);
	shell("ip link set can0 down && ip link set can0 type can bitrate 500000 listen-only off "
	      "restart-ms 100 && ip link set can0 up");
	assert_int_equal(read_soon(here, got, 4), -ENETDOWN);
	assert_int_equal(canbus_write(here, &frame), 0);
	canbus_close(there);
	canbus_close(here);
}

/* In a process without root's rights. Returns 0 where everything could be done. */
static int as_nobody(void)
{
	const struct isotp_pair pair = {.tx = 0x7e0, .rx = 0x7e8};
	const struct canbus_options options = {0};
	struct canbus_opener *opener = canbus_opener_linux();
	struct isotp_channel *channel;
	struct canbus_state told;
	struct canbus *bus;

	if (setgid(65534) || setuid(65534) || setuid(0) == 0)
		return 1;
	if (opener->open(opener, "can0", &options, &bus))
		return 2;
	canbus_state(bus, &told);
	if (told.bit_rate != 500000)
		return 3;
	if (canbus_write(bus, &(struct canbus_frame){.id = 1}))
		return 4;
	return opener->open_isotp(opener, "can0", &pair, &channel) ? 5 : 0;
}

static void no_capability_is_needed(void **state)
{
	const pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(as_nobody());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- messages ---- */

static enum can_isotp_way way_of(struct loop *loop, enum can_isotp_way wanted, int *ret_error)
{
	const struct isotp_pair pair = {.tx = 0x7e0, .rx = 0x7e8};
	struct isotp_channel *channel;
	struct can_isotp *isotp;
	enum can_isotp_way way;

	assert_int_equal(can_isotp_create(loop, canbus_opener_linux(), "vcan0", wanted, &isotp), 0);
	*ret_error = can_isotp_open(isotp, &pair, &channel);
	way = can_isotp_way(isotp);
	if (!*ret_error)
		isotp_channel_close(channel);
	can_isotp_destroy(isotp);
	return way;
}

static void our_own_speaks_where_the_kernel_cannot(void **state)
{
	struct loop *loop;
	int error;

	(void)state;
	assert_int_equal(loop_create(&the_clock.clock, &loop), 0);
	shell("rmmod can_isotp && echo /bin/false >/proc/sys/kernel/modprobe");
	assert_int_equal(way_of(loop, CAN_ISOTP_ANY, &error), CAN_ISOTP_OWN);
	assert_int_equal(error, 0);
	assert_int_equal(way_of(loop, CAN_ISOTP_KERNEL, &error), CAN_ISOTP_ANY);
	assert_int_equal(error, -EPROTONOSUPPORT);
	/* The guest's kernel finds its modules again. */
	shell("echo /sbin/modprobe >/proc/sys/kernel/modprobe");
	assert_int_equal(way_of(loop, CAN_ISOTP_ANY, &error), CAN_ISOTP_KERNEL);
	assert_int_equal(error, 0);
	loop_destroy(loop);
}

/* The cases that every ISO-TP must pass. */

static void set_link(struct isotp_bench *bench, bool up)
{
	(void)bench;
	shell(up ? "ip link set vcan0 up" : "ip link set vcan0 down");
}

static int begin_case(void **state)
{
	bench_begin(*state, &the_clock.clock);
	return 0;
}

static int end_case(void **state)
{
	struct isotp_bench *bench = *state;
	const enum can_isotp_way way = can_isotp_way(bench->isotp);

	bench_end(bench);
	return way == bench->way ? 0 : -1;
}

static int isotp_cases(const char *name, enum can_isotp_way way)
{
	struct isotp_bench bench = {.opener = canbus_opener_linux(),
				    .interface = "vcan0",
				    .way = way,
				    .set_link = set_link};

	return isotp_cases_run(name, &bench, begin_case, end_case);
}

int suite_vm_can(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_both_lengths_pass_in_order_with_their_times),
		cmocka_unit_test(only_what_the_filters_let_in_comes),
		cmocka_unit_test(remote_frames_and_those_of_can_fd_do_not_come),
		cmocka_unit_test(who_only_listens_cannot_write),
		cmocka_unit_test(frames_that_there_are_not_are_refused),
		cmocka_unit_test(an_interface_that_is_down_says_so_once_and_comes_back),
		cmocka_unit_test(an_interface_that_is_removed_is_gone),
		cmocka_unit_test(what_is_no_can_interface_does_not_open),
		cmocka_unit_test(error_frames_become_the_state),
		cmocka_unit_test(frames_that_were_not_fetched_in_time_are_counted),
		cmocka_unit_test(a_controller_tells_its_rate_and_whether_it_is_silent),
		cmocka_unit_test(no_capability_is_needed),
		cmocka_unit_test(our_own_speaks_where_the_kernel_cannot),
	};
	int failed;

	if (clock_system_init(&the_clock, CLOCK_TRUST_KERNEL) < 0)
		return 1;
	failed = cmocka_run_group_tests_name("hal_can_linux", tests, NULL, NULL);
	failed += isotp_cases("ISO-TP by the kernel", CAN_ISOTP_KERNEL);
	failed += isotp_cases("ISO-TP, our own", CAN_ISOTP_OWN);
	return failed;
}
