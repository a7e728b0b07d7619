#include <errno.h>
#include <fcntl.h>
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

#include "agent/probe/section.h"

static const struct probe_section section = {
	.name = "obd0",
	.device = "serial:/dev/serial/by-id/usb-ELM_1",
	.device_id = "bus-12-obd",
	.profile = "nissan-leaf",
	.baud = 115200,
	.comment = "ELM327 v1.5, CAN 11/500",
};

static const char text_of_section[] = "[source obd0]\n"
				      "# ELM327 v1.5, CAN 11/500\n"
				      "kind = obd\n"
				      "device = serial:/dev/serial/by-id/usb-ELM_1\n"
				      "baud = 115200\n"
				      "device_id = bus-12-obd\n"
				      "profile = nissan-leaf\n";

struct room {
	char folder[40];
	char path[64];
};

static int begin(void **state)
{
	static struct room room;

	strcpy(room.folder, "/tmp/freshet-section-XXXXXX");
	if (!mkdtemp(room.folder))
		return -1;
	snprintf(room.path, sizeof(room.path), "%s/agent.conf", room.folder);
	*state = &room;
	return 0;
}

static int end(void **state)
{
	struct room *room = *state;

	unlink(room->path);
	return rmdir(room->folder);
}

static void put(const struct room *room, const char *text)
{
	FILE *file = fopen(room->path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void expect(const struct room *room, const char *before, const char *after)
{
	char want[4096], got[4096];
	FILE *file = fopen(room->path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(got, 1, sizeof(got) - 1, file);
	got[len] = '\0';
	fclose(file);
	snprintf(want, sizeof(want), "%s%s", before, after);
	assert_string_equal(got, want);
}

static void a_section_has_what_was_found_and_nothing_else(void **state)
{
	struct probe_section bare = {.name = "x", .device = "tcp:10.0.0.1:1", .device_id = "y"};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	probe_section_print(&section, &out);
	assert_string_equal(buf_text(&out), text_of_section);
	buf_reset(&out);
	probe_section_print(&bare, &out);
	assert_string_equal(buf_text(&out),
			    "[source x]\nkind = obd\ndevice = tcp:10.0.0.1:1\ndevice_id = y\n");
	buf_free(&out);
}

static void a_file_that_is_not_there_is_made_for_owner_and_group(void **state)
{
	struct room *room = *state;
	const mode_t mask = umask(0);
	unsigned line = 0;
	struct stat st;

	assert_int_equal(probe_section_add(&section, room->path, &line), 0);
	umask(mask);
	expect(room, "", text_of_section);
	assert_int_equal(stat(room->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void what_stands_in_a_file_stays(void **state)
{
	static const char old[] =
		"[agent]\nworkspace = w\n\n[source other]\ndevice = tcp:1.2.3.4:5";
	struct room *room = *state;
	unsigned line = 0;

	put(room, old); /* without an end of its last line */
	assert_int_equal(probe_section_add(&section, room->path, &line), 0);
	expect(room, "[agent]\nworkspace = w\n\n[source other]\ndevice = tcp:1.2.3.4:5\n\n",
	       text_of_section);
}

static void a_name_or_a_device_that_is_taken_is_refused_and_nothing_added(void **state)
{
	static const char *const taken[] = {
		"[agent]\n[source obd0]\n",
		"\n[source  obd0] ; mine\n",
		"[source a]\n device=serial:/dev/serial/by-id/usb-ELM_1\n",
		"[source a]\r\ndevice =  serial:/dev/serial/by-id/usb-ELM_1 \r\n",
	};
	static const char *const free_of_it[] = {
		"[source obd01]\n",
		"[source xobd0]\n",
		"# [source obd0]\n",
		"[source a]\ndevice = serial:/dev/serial/by-id/usb-ELM_12\n",
		"[source a]\ndevice_id = serial:/dev/serial/by-id/usb-ELM_1\n",
		"",
	};
	struct room *room = *state;

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		unsigned line = 0;

		put(room, taken[i]);
		assert_int_equal(probe_section_add(&section, room->path, &line), -EEXIST);
		assert_int_equal(line, 2);
		expect(room, taken[i], "");
	}
	for (size_t i = 0; i < sizeof(free_of_it) / sizeof(free_of_it[0]); i++) {
		char after[512];
		unsigned line = 0;

		put(room, free_of_it[i]);
		assert_int_equal(probe_section_add(&section, room->path, &line), 0);
		snprintf(after, sizeof(after), "%s%s", free_of_it[i][0] ? "\n" : "",
			 text_of_section);
		expect(room, free_of_it[i], after);
	}
}

static void what_cannot_be_written_is_said(void **state)
{
	struct room *room = *state;
	unsigned line = 0;

	assert_int_equal(probe_section_add(&section, room->folder, &line), -EISDIR);
	assert_int_equal(probe_section_add(&section, "/nowhere/agent.conf", &line), -ENOENT);
	assert_int_equal(probe_section_add(&section, "/dev/null", &line), -EINVAL);
	/* Much too large for a configuration. */
	put(room, "");
	assert_int_equal(truncate(room->path, 2097152), 0);
	assert_int_equal(probe_section_add(&section, room->path, &line), -EFBIG);
}

#define IN_A_ROOM(test) cmocka_unit_test_setup_teardown(test, begin, end)

int suite_agent_probe_section(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_section_has_what_was_found_and_nothing_else),
		IN_A_ROOM(a_file_that_is_not_there_is_made_for_owner_and_group),
		IN_A_ROOM(what_stands_in_a_file_stays),
		IN_A_ROOM(a_name_or_a_device_that_is_taken_is_refused_and_nothing_added),
		IN_A_ROOM(what_cannot_be_written_is_said),
	};

	return cmocka_run_group_tests_name("agent.probe_section", tests, NULL, NULL);
}
