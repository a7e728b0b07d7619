#include "hal/stream.h"

#include <errno.h>
#include <string.h>

#include "hal/linux/stream_priv.h"

/* What follows `scheme`, or NULL. */
static const char *after(const char *address, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(address, scheme, len) == 0 ? address + len : NULL;
}

int stream_open(const char *address, unsigned baud, struct stream **ret_stream)
{
	const char *rest;

	if (!stream_address_valid(address))
		return -EINVAL;
	rest = after(address, "serial:");
	if (rest)
		return stream_serial_open(rest, baud, ret_stream);
	return stream_tcp_open(after(address, "tcp:"), ret_stream);
}

int stream_address_valid(const char *address)
{
	const char *rest = after(address, "serial:");

	if (rest)
		return *rest == '/';
	rest = after(address, "tcp:");
	return rest && stream_tcp_target_valid(rest);
}

static int open_linux(struct stream_opener *opener, const char *address, unsigned baud,
		      struct stream **ret_stream)
{
	(void)opener;
	return stream_open(address, baud, ret_stream);
}

struct stream_opener *stream_opener_linux(void)
{
	static struct stream_opener opener = {.open = open_linux};

	return &opener;
}
