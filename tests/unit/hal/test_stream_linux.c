#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asm/termbits.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hal/stream.h"

#define DEADLINE_MS 5000

/* A pty whose slave is reached by a name of ours, as /dev/serial/by-id/ does it. */
struct bench {
	char folder[32];
	char device[48];
	char address[64];
	int master;
};

static void plug(struct bench *bench)
{
	char slave[64];

	bench->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(bench->master >= 0);
	assert_int_equal(grantpt(bench->master), 0);
	assert_int_equal(unlockpt(bench->master), 0);
	assert_int_equal(ptsname_r(bench->master, slave, sizeof(slave)), 0);
	assert_int_equal(symlink(slave, bench->device), 0);
}

static void unplug(struct bench *bench)
{
	if (bench->master >= 0)
		close(bench->master);
	bench->master = -1;
	unlink(bench->device);
}

static int begin(void **state)
{
	static struct bench bench;

	strcpy(bench.folder, "/tmp/freshet-hal-XXXXXX");
	if (!mkdtemp(bench.folder))
		return -1;
	snprintf(bench.device, sizeof(bench.device), "%s/adapter", bench.folder);
	snprintf(bench.address, sizeof(bench.address), "serial:%s", bench.device);
	plug(&bench);
	*state = &bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	unplug(bench);
	return rmdir(bench->folder);
}

static int wait_for(int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};

	return poll(&wait, 1, DEADLINE_MS);
}

/* Reads exactly `want` from a stream, or up to its first error. */
static void expect_read(struct stream *stream, const char *want)
{
	size_t len = strlen(want);
	size_t got = 0;
	char text[64];

	while (got < len) {
		ssize_t n;

		assert_int_equal(wait_for(stream_fd(stream), POLLIN), 1);
		n = stream_read(stream, text + got, sizeof(text) - got);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(got, len);
	assert_memory_equal(text, want, len);
}

static void expect_from(int fd, const char *want)
{
	char text[64] = "";
	size_t got = 0;

	while (got < strlen(want)) {
		ssize_t n;

		assert_int_equal(wait_for(fd, POLLIN), 1);
		n = read(fd, text + got, sizeof(text) - 1 - got);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_string_equal(text, want);
}

/* The end may take the kernel a moment. */
static void expect_gone(struct stream *stream)
{
	char byte;
	ssize_t n;

	assert_int_equal(wait_for(stream_fd(stream), POLLIN), 1);
	n = stream_read(stream, &byte, 1);
	assert_int_equal(n, -ENODEV);
	assert_int_equal(stream_read(stream, &byte, 1), -ENODEV);
	assert_int_equal(stream_write(stream, "x", 1), -ENODEV);
	assert_true(stream_ready(stream) < 0);
}

/* Emulators of another processor (qemu-user 7.2) do not pass termios2 on; every Linux kernel has it. */
static void need_termios2(const struct bench *bench)
{
	struct termios2 mode;

	if (ioctl(bench->master, TCGETS2, &mode) < 0 && errno == ENOSYS) {
		print_message("no termios2 here: skipped\n");
		skip();
	}
}

static struct stream *open_serial(struct bench *bench, unsigned baud)
{
	struct stream *stream = NULL;

	need_termios2(bench);
	assert_int_equal(stream_open(bench->address, baud, &stream), 0);
	assert_non_null(stream);
	return stream;
}

static void bytes_pass_both_ways_unchanged(void **state)
{
	struct bench *bench = *state;
	struct stream *stream = open_serial(bench, 38400);

	assert_int_equal(stream_ready(stream), 0);
	/* What a terminal would translate, interpret or swallow. */
	assert_int_equal(stream_write(stream, "ATZ\r\n\x03\x11\xff", 8), 8);
	expect_from(bench->master, "ATZ\r\n\x03\x11\xff");
	assert_int_equal(write(bench->master, "ELM\r\n\x04\x13\x7f>", 9), 9);
	expect_read(stream, "ELM\r\n\x04\x13\x7f>");
	stream_close(stream);
}

static void nothing_echoes(void **state)
{
	struct bench *bench = *state;
	struct stream *stream = open_serial(bench, 38400);
	char byte;

	assert_int_equal(write(bench->master, "x", 1), 1);
	expect_read(stream, "x");
	assert_int_equal(fcntl(bench->master, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(bench->master, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	stream_close(stream);
}

static void reading_an_idle_line_does_not_block(void **state)
{
	struct stream *stream = open_serial(*state, 38400);
	char byte;

	assert_int_equal(stream_read(stream, &byte, 1), -EAGAIN);
	stream_close(stream);
}

static void writing_to_a_full_line_does_not_block(void **state)
{
	struct stream *stream = open_serial(*state, 38400);
	char block[1024] = {0};
	ssize_t n = 1;

	for (int i = 0; i < 1000 && n > 0; i++)
		n = stream_write(stream, block, sizeof(block));
	assert_int_equal(n, -EAGAIN);
	stream_close(stream);
}

static void any_baud_is_accepted_and_set(void **state)
{
	static const unsigned rates[] = {9600, 38400, 115200, 10400, 500000, 2000000, 123457};
	struct bench *bench = *state;
	struct stream *stream = open_serial(bench, 57600);
	struct termios2 mode;

	assert_int_equal(ioctl(bench->master, TCGETS2, &mode), 0);
	assert_int_equal(mode.c_ospeed, 57600);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		assert_int_equal(stream_set_baud(stream, rates[i]), 0);
		assert_int_equal(ioctl(bench->master, TCGETS2, &mode), 0);
		assert_int_equal(mode.c_ospeed, rates[i]);
		assert_int_equal(mode.c_ispeed, rates[i]);
	}
	assert_int_equal(stream_set_baud(stream, 0), -EINVAL);
	assert_int_equal(write(bench->master, "still alive", 11), 11);
	expect_read(stream, "still alive");
	stream_close(stream);
}

static void an_unplugged_device_is_gone_and_opens_again_when_it_is_back(void **state)
{
	struct bench *bench = *state;
	struct stream *stream;

	for (int round = 0; round < 3; round++) {
		struct stream *failed = NULL;

		stream = open_serial(bench, 38400);
		assert_int_equal(write(bench->master, "a", 1), 1);
		expect_read(stream, "a");
		unplug(bench);
		expect_gone(stream);
		assert_int_equal(stream_set_baud(stream, 9600), -ENODEV);
		stream_close(stream);
		assert_int_equal(stream_open(bench->address, 38400, &failed), -ENOENT);
		assert_null(failed);
		plug(bench);
	}
}

static void a_write_notices_the_unplugging_too(void **state)
{
	struct bench *bench = *state;
	struct stream *stream = open_serial(bench, 38400);

	unplug(bench);
	assert_int_equal(stream_write(stream, "x", 1), -ENODEV);
	stream_close(stream);
}

static void a_device_whose_other_end_is_gone_does_not_open(void **state)
{
	struct bench *bench = *state;
	struct stream *stream = NULL;

	/* The name stays, as with a stale link. */
	close(bench->master);
	bench->master = -1;
	assert_true(stream_open(bench->address, 38400, &stream) == -ENODEV ||
		    stream_open(bench->address, 38400, &stream) == -ENOENT);
	assert_null(stream);
}

static void a_device_has_one_opener_at_a_time(void **state)
{
	struct stream *stream = open_serial(*state, 38400);
	struct stream *second = NULL;

	assert_int_equal(stream_open(((struct bench *)*state)->address, 38400, &second), -EBUSY);
	assert_null(second);
	stream_close(stream);
	stream = open_serial(*state, 38400);
	stream_close(stream);
}

static void a_killed_opener_leaves_the_device_free(void **state)
{
	struct bench *bench = *state;
	struct stream *stream;
	int status;
	pid_t child;

	need_termios2(bench);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (stream_open(bench->address, 38400, &stream) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	/* As an ordinary user, whom a left-over TIOCEXCL would stop. */
	if (geteuid() == 0) {
		int exclusive = -1;
		int fd = open(bench->device, O_RDWR | O_NOCTTY);

		assert_true(fd >= 0);
		assert_int_equal(ioctl(fd, TIOCGEXCL, &exclusive), 0);
		assert_int_equal(exclusive, 0);
		close(fd);
	}
	stream = open_serial(bench, 38400);
	stream_close(stream);
}

static void what_is_no_serial_line_is_refused(void **state)
{
	struct stream *stream = NULL;

	need_termios2(*state);
	assert_int_equal(stream_open("serial:/dev/null", 38400, &stream), -ENOTTY);
	assert_int_equal(stream_open("serial:/nowhere/tty", 38400, &stream), -ENOENT);
	assert_null(stream);
}

static void addresses_have_three_forms(void **state)
{
	static const char *const good[] = {
		"serial:/dev/ttyUSB0",
		"serial:/dev/serial/by-id/usb-ELM_327",
		"tcp:192.168.0.10:35000",
		"tcp:127.0.0.1:1",
		"tcp:[::1]:65535",
#ifdef CONFIG_HAL_RFCOMM
		"rfcomm:00:1D:A5:68:98:8b",
		"rfcomm:00:1D:A5:68:98:8B/1",
		"rfcomm:FF:FF:ff:ff:FF:FF/30",
#endif
	};
	static const char *const bad[] = {
		"",
		"serial:",
		"serial:ttyUSB0",
		"/dev/ttyUSB0",
		"tcp:",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:0",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:80x",
		"tcp:127.0.0.1:+80",
		"tcp:adapter.local:80",
		"tcp:::1:80",
		"tcp:[127.0.0.1]:80",
		"tcp:[::1:80",
		"tcp::80",
		"udp:127.0.0.1:80",
		"SERIAL:/dev/x",
		"tcp:127.0.0.1:99999999999999999999",
		"rfcomm:",
		"rfcomm:00:1D:A5:68:98",
		"rfcomm:00:1D:A5:68:98:8",
		"rfcomm:00:1D:A5:68:98:8B:",
		"rfcomm:00:1D:A5:68:98:8B:00",
		"rfcomm:00-1D-A5-68-98-8B",
		"rfcomm:001DA568988B",
		"rfcomm:00:1D:A5:68:98:8G",
		"rfcomm:00:1D:A5:68:98:8B/",
		"rfcomm:00:1D:A5:68:98:8B/0",
		"rfcomm:00:1D:A5:68:98:8B/01",
		"rfcomm:00:1D:A5:68:98:8B/31",
		"rfcomm:00:1D:A5:68:98:8B/1x",
		"rfcomm:00:1D:A5:68:98:8B/99999999999999999999",
	};
	struct stream *stream = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!stream_address_valid(good[i]))
			fail_msg("%s is refused", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (stream_address_valid(bad[i]))
			fail_msg("%s is taken", bad[i]);
		assert_int_equal(stream_open(bad[i], 38400, &stream), -EINVAL);
	}
	assert_null(stream);
}

/* Where there is no Bluetooth, as in most places that run tests, that is what must be said. */
static void a_bluetooth_adapter_without_bluetooth_is_told_from_one_that_is_away(void **state)
{
#ifdef CONFIG_HAL_RFCOMM
	const int fd = socket(AF_BLUETOOTH, SOCK_STREAM, 3);
	struct stream *stream = NULL;
	int r;

	(void)state;
	r = stream_open("rfcomm:00:00:00:00:00:01", 0, &stream);
	if (fd < 0) {
		assert_int_equal(r, -EAFNOSUPPORT);
		assert_null(stream);
		return;
	}
	close(fd);
	/* No controller, or the beginning of a connection to an address that nobody has. */
	assert_true(!r || r == -EHOSTUNREACH);
	if (!r) {
		assert_int_equal(stream_ready(stream), -EAGAIN);
		assert_int_equal(stream_write(stream, "x", 1), -EAGAIN);
		stream_close(stream);
	}
#else
	(void)state;
	skip();
#endif
}

/* A listening socket on a port of the kernel's choice, and its address. */
static int listen_tcp(int backlog, char *address, size_t size)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	snprintf(address, size, "tcp:127.0.0.1:%u", ntohs(in.sin_port));
	return fd;
}

static struct stream *connect_tcp(const char *address)
{
	struct stream *stream = NULL;

	assert_int_equal(stream_open(address, 38400, &stream), 0);
	assert_int_equal(wait_for(stream_fd(stream), POLLOUT), 1);
	assert_int_equal(stream_ready(stream), 0);
	return stream;
}

static void a_tcp_connection_carries_bytes_and_ends(void **state)
{
	char address[64];
	int listener = listen_tcp(1, address, sizeof(address));

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct stream *stream = connect_tcp(address);
		int peer = accept(listener, NULL, NULL);
		char byte;

		assert_true(peer >= 0);
		assert_int_equal(stream_read(stream, &byte, 1), -EAGAIN);
		assert_int_equal(stream_write(stream, "ATZ\r", 4), 4);
		expect_from(peer, "ATZ\r");
		assert_int_equal(write(peer, "OK\r>", 4), 4);
		expect_read(stream, "OK\r>");
		assert_int_equal(stream_set_baud(stream, 9600), -ENOTSUP);
		close(peer);
		expect_gone(stream);
		stream_close(stream);
	}
	close(listener);
}

static void a_reset_peer_is_gone(void **state)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	char address[64];
	int listener = listen_tcp(1, address, sizeof(address));
	struct stream *stream = connect_tcp(address);
	int peer = accept(listener, NULL, NULL);

	(void)state;
	assert_true(peer >= 0);
	assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(peer);
	expect_gone(stream);
	stream_close(stream);
	close(listener);
}

static void a_refused_connection_says_so(void **state)
{
	char address[64];
	int listener = listen_tcp(1, address, sizeof(address));
	struct stream *stream = NULL;
	char byte;
	int r;

	(void)state;
	close(listener);
	r = stream_open(address, 0, &stream);
	if (r < 0) {
		assert_int_equal(r, -ECONNREFUSED);
		return;
	}
	assert_int_equal(wait_for(stream_fd(stream), POLLOUT), 1);
	assert_int_equal(stream_ready(stream), -ECONNREFUSED);
	assert_int_equal(stream_ready(stream), -ECONNREFUSED);
	assert_int_equal(stream_read(stream, &byte, 1), -ENODEV);
	assert_int_equal(stream_write(stream, "x", 1), -ENODEV);
	stream_close(stream);
}

static void connecting_goes_on_in_the_background(void **state)
{
	char address[64];
	/* One place in the queue of a listener that accepts nobody: the second stays outside. */
	int listener = listen_tcp(0, address, sizeof(address));
	struct stream *first = connect_tcp(address);
	struct stream *second = NULL;
	char byte;

	(void)state;
	assert_int_equal(stream_open(address, 0, &second), 0);
	assert_int_equal(stream_ready(second), -EAGAIN);
	assert_int_equal(stream_read(second, &byte, 1), -EAGAIN);
	assert_int_equal(stream_write(second, "x", 1), -EAGAIN);
	stream_close(second);
	stream_close(first);
	close(listener);
}

static void the_opener_is_the_same_door(void **state)
{
	struct bench *bench = *state;
	struct stream_opener *opener = stream_opener_linux();
	struct stream *stream = NULL;

	need_termios2(bench);
	assert_int_equal(opener->open(opener, "nonsense", 38400, &stream), -EINVAL);
	assert_int_equal(opener->open(opener, bench->address, 38400, &stream), 0);
	stream_close(stream);
	stream_close(NULL);
}

#define WITH_PTY(test) cmocka_unit_test_setup_teardown(test, begin, end)

int suite_hal_stream_linux(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PTY(bytes_pass_both_ways_unchanged),
		WITH_PTY(nothing_echoes),
		WITH_PTY(reading_an_idle_line_does_not_block),
		WITH_PTY(writing_to_a_full_line_does_not_block),
		WITH_PTY(any_baud_is_accepted_and_set),
		WITH_PTY(an_unplugged_device_is_gone_and_opens_again_when_it_is_back),
		WITH_PTY(a_write_notices_the_unplugging_too),
		WITH_PTY(a_device_whose_other_end_is_gone_does_not_open),
		WITH_PTY(a_device_has_one_opener_at_a_time),
		WITH_PTY(a_killed_opener_leaves_the_device_free),
		WITH_PTY(what_is_no_serial_line_is_refused),
		cmocka_unit_test(addresses_have_three_forms),
		cmocka_unit_test(
			a_bluetooth_adapter_without_bluetooth_is_told_from_one_that_is_away),
		cmocka_unit_test(a_tcp_connection_carries_bytes_and_ends),
		cmocka_unit_test(a_reset_peer_is_gone),
		cmocka_unit_test(a_refused_connection_says_so),
		cmocka_unit_test(connecting_goes_on_in_the_background),
		WITH_PTY(the_opener_is_the_same_door),
	};

	return cmocka_run_group_tests_name("hal.stream_linux", tests, NULL, NULL);
}
