#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/probe/ports.h"

/* A /dev of our own: names are all that counts. */
static char root[64];

static void in_root(const char *rest, char out[static PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", root, rest);
}

static void make_file(const char *rest)
{
	char path[PATH_MAX];
	int fd;

	in_root(rest, path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void make_folder(const char *rest)
{
	char path[PATH_MAX];

	in_root(rest, path);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(const char *rest, const char *to)
{
	char path[PATH_MAX];

	in_root(rest, path);
	assert_int_equal(symlink(to, path), 0);
}

static int begin(void **state)
{
	char folder[] = "/tmp/freshet-ports-XXXXXX";
	char real[PATH_MAX];

	(void)state;
	if (!mkdtemp(folder) || !realpath(folder, real))
		return -1;
	snprintf(root, sizeof(root), "%.60s", real);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void a_machine_without_adapters_has_none(void **state)
{
	struct probe_port ports[PROBE_PORTS_MAX];

	(void)state;
	make_file("tty1");
	make_file("ttyS0");
	assert_int_equal(probe_ports_list(root, ports), 0);
	assert_int_equal(probe_ports_list("/nowhere", ports), 0);
}

static void adapters_are_listed_once_with_the_name_that_lasts(void **state)
{
	struct probe_port ports[PROBE_PORTS_MAX];
	char want[PATH_MAX];

	(void)state;
	make_file("ttyUSB0");
	make_file("ttyUSB1");
	make_file("ttyACM0");
	make_folder("serial");
	make_folder("serial/by-id");
	make_folder("freshet");
	make_link("serial/by-id/usb-ELM_A", "../../ttyUSB0");
	make_link("serial/by-id/usb-ELM_B", "../../ttyUSB1");
	make_link("serial/by-id/usb-gone", "../../ttyUSB7");
	make_link("freshet/A1", "../ttyUSB0");
	assert_int_equal(probe_ports_list(root, ports), 3);
	in_root("ttyUSB0", want);
	assert_string_equal(ports[0].device, want);
	in_root("freshet/A1", want); /* ours goes before the system's */
	assert_string_equal(ports[0].name, want);
	in_root("serial/by-id/usb-ELM_B", want);
	assert_string_equal(ports[1].name, want);
	in_root("ttyACM0", want);
	assert_string_equal(ports[2].device, want);
	assert_string_equal(ports[2].name, want);
	assert_true(ports[0].usable);
}

static void a_device_is_found_by_any_of_its_names(void **state)
{
	char name[PROBE_PATH_SIZE], path[PATH_MAX], want[PATH_MAX];

	(void)state;
	make_file("ttyUSB0");
	make_folder("freshet");
	make_link("freshet/A1", "../ttyUSB0");
	make_link("adapter", "ttyUSB0");
	in_root("freshet/A1", want);
	in_root("ttyUSB0", path);
	probe_ports_name(root, path, name);
	assert_string_equal(name, want);
	in_root("adapter", path);
	probe_ports_name(root, path, name);
	assert_string_equal(name, want);
	probe_ports_name(root, "/dev/pts/7", name);
	assert_string_equal(name, "/dev/pts/7");
}

#define IN_A_ROOM(test) cmocka_unit_test_setup_teardown(test, begin, end)

int suite_agent_probe_ports(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_ROOM(a_machine_without_adapters_has_none),
		IN_A_ROOM(adapters_are_listed_once_with_the_name_that_lasts),
		IN_A_ROOM(a_device_is_found_by_any_of_its_names),
	};

	return cmocka_run_group_tests_name("agent.probe_ports", tests, NULL, NULL);
}
