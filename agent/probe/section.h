/* A source's section of the agent's configuration, written for the technician who found the vehicle. */
#ifndef AGENT_PROBE_SECTION_H
#define AGENT_PROBE_SECTION_H

#include "base/buf.h"

/* Texts are NULL or "" where there is nothing to say. */
struct probe_section {
	const char *name;      /* of the source: "obd0" */
	const char *device;    /* an address for hal/stream.h */
	const char *device_id; /* whose data it is */
	const char *profile;
	unsigned baud;       /* 0: no line, or not known */
	const char *comment; /* a line of what was found */
};

/* Appends the section to `out`. */
void probe_section_print(const struct probe_section *section, struct buf *out);

/* Adds the section at the end of the file at `path`, which is made (mode 0640) where it is not there;
 * what stands in it stays as it is. Returns 0; -EEXIST where the file has a section of that name or
 * reads that device already, with *ret_line the line; -EFBIG for a file of more than 1 MiB; -ENOMEM;
 * -errno. After an error nothing was added. */
int probe_section_add(const struct probe_section *section, const char *path, unsigned *ret_line);

#endif
