#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/notify.h"

int suite_base_notify(void);

static void nothing_is_sent_where_nobody_listens(void **state)
{
	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
}

static void systemd_hears_what_it_asked_for(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char folder[] = "/tmp/freshet-notify-XXXXXX";
	char heard[64] = "";

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(mkdtemp(folder));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)setenv("NOTIFY_SOCKET", address.sun_path, 1);
	assert_int_equal(notify_send("READY=1"), 1);
	assert_int_equal(recv(fd, heard, sizeof(heard) - 1, 0), 7);
	assert_string_equal(heard, "READY=1");
	(void)unsetenv("NOTIFY_SOCKET");
	(void)close(fd);
	(void)unlink(address.sun_path);
	(void)rmdir(folder);
}

static void the_watchdog_is_fed_only_by_the_process_it_watches(void **state)
{
	(void)state;
	(void)setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_us(), 30000000);
	(void)setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	(void)unsetenv("WATCHDOG_PID");
	(void)setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	(void)unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_us(), 0);
}

int suite_base_notify(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_sent_where_nobody_listens),
		cmocka_unit_test(systemd_hears_what_it_asked_for),
		cmocka_unit_test(the_watchdog_is_fed_only_by_the_process_it_watches),
	};

	return cmocka_run_group_tests_name("base.notify", tests, NULL, NULL);
}
