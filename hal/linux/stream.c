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

/* The schemes of this build; `is_valid` judges what follows. */
static int serial_path_valid(const char *path)
{
	return *path == '/';
}

static int open_tcp(const char *target, unsigned baud, struct stream **ret_stream)
{
	(void)baud;
	return stream_tcp_open(target, ret_stream);
}

#ifdef CONFIG_HAL_RFCOMM
static int open_rfcomm(const char *target, unsigned baud, struct stream **ret_stream)
{
	(void)baud;
	return stream_rfcomm_open(target, ret_stream);
}
#endif

static const struct {
	const char *scheme;
	int (*is_valid)(const char *target);
	int (*open)(const char *target, unsigned baud, struct stream **ret_stream);
} kinds[] = {
	{"serial:", serial_path_valid, stream_serial_open},
	{"tcp:", stream_tcp_target_valid, open_tcp},
#ifdef CONFIG_HAL_RFCOMM
	{"rfcomm:", stream_rfcomm_target_valid, open_rfcomm},
#endif
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

int stream_open(const char *address, unsigned baud, struct stream **ret_stream)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const char *target = after(address, kinds[i].scheme);

		if (target)
			return kinds[i].is_valid(target) ? kinds[i].open(target, baud, ret_stream)
							 : -EINVAL;
	}
	return -EINVAL;
}

int stream_address_valid(const char *address)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const char *target = after(address, kinds[i].scheme);

		if (target)
			return kinds[i].is_valid(target);
	}
	return 0;
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
