#include "agent/probe/ports.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False where it does not fit. */
static bool copy(char out[static PROBE_PATH_SIZE], const char *text)
{
	const int len = snprintf(out, PROBE_PATH_SIZE, "%s", text);

	return len >= 0 && len < PROBE_PATH_SIZE;
}

static bool path_of(const char *root, const char *rest, char out[static PROBE_PATH_SIZE])
{
	const int len = snprintf(out, PROBE_PATH_SIZE, "%s/%s", root, rest);

	return len >= 0 && len < PROBE_PATH_SIZE;
}

/* Where a link leads; false where it leads nowhere. */
static bool resolve(const char *path, char out[static PROBE_PATH_SIZE])
{
	char real[PATH_MAX];

	return realpath(path, real) && copy(out, real);
}

static size_t add_devices(const char *root, const char *pattern, struct probe_port *out,
			  size_t count)
{
	char path[PROBE_PATH_SIZE];
	glob_t found;

	if (!path_of(root, pattern, path) || glob(path, 0, NULL, &found) != 0)
		return count;
	for (size_t i = 0; i < found.gl_pathc && count < PROBE_PORTS_MAX; i++) {
		struct probe_port *port = &out[count];

		if (!resolve(found.gl_pathv[i], port->device) || !copy(port->name, port->device))
			continue;
		port->usable = access(port->device, R_OK | W_OK) == 0;
		count++;
	}
	globfree(&found);
	return count;
}

/* Links in one folder; a name that was given is kept. */
static void add_names(const char *root, const char *pattern, struct probe_port *ports, size_t count)
{
	char path[PROBE_PATH_SIZE];
	glob_t found;

	if (!path_of(root, pattern, path) || glob(path, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char device[PROBE_PATH_SIZE];

		if (strlen(found.gl_pathv[i]) >= PROBE_PATH_SIZE ||
		    !resolve(found.gl_pathv[i], device))
			continue;
		for (size_t k = 0; k < count; k++)
			if (strcmp(ports[k].device, device) == 0 &&
			    strcmp(ports[k].name, device) == 0)
				(void)copy(ports[k].name, found.gl_pathv[i]);
	}
	globfree(&found);
}

size_t probe_ports_list(const char *root, struct probe_port out[static PROBE_PORTS_MAX])
{
	static const char *const devices[] = {"ttyUSB*", "ttyACM*", "rfcomm*"};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		count = add_devices(root, devices[i], out, count);
	add_names(root, "freshet/*", out, count);
	add_names(root, "serial/by-id/*", out, count);
	return count;
}

void probe_ports_name(const char *root, const char *path, char out[static PROBE_PATH_SIZE])
{
	struct probe_port ports[PROBE_PORTS_MAX];
	const size_t count = probe_ports_list(root, ports);
	char device[PROBE_PATH_SIZE];

	if (resolve(path, device)) {
		for (size_t i = 0; i < count; i++) {
			if (strcmp(ports[i].device, device) != 0)
				continue;
			(void)copy(out, ports[i].name);
			return;
		}
	}
	(void)copy(out, path);
}
