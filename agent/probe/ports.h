/* The serial adapters that this machine has now. No device is opened: that would move its lines. */
#ifndef AGENT_PROBE_PORTS_H
#define AGENT_PROBE_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_PORTS_MAX 64
#define PROBE_PATH_SIZE 256

struct probe_port {
	char device[PROBE_PATH_SIZE]; /* "/dev/ttyUSB0" */
	/* A name that stays over replugging and restarts (/dev/freshet, /dev/serial/by-id); where there
	 * is none, the device. */
	char name[PROBE_PATH_SIZE];
	bool usable; /* this process may read and write it */
};

/* Looks for ttyUSB*, ttyACM* and rfcomm* below `root` ("/dev"), in the order of their names. Returns
 * how many; what does not fit, or goes meanwhile, is left out. */
size_t probe_ports_list(const char *root, struct probe_port out[static PROBE_PORTS_MAX]);

/* The lasting name of the serial device at `path`; `path` itself where it has none. */
void probe_ports_name(const char *root, const char *path, char out[static PROBE_PATH_SIZE]);

#endif
