/* A build without CAN (CONFIG_HAL_CAN): nothing opens. */
#include <errno.h>

#include "hal/can.h"

static int open_bus(struct canbus_opener *opener, const char *interface,
		    const struct canbus_options *options, struct canbus **ret_bus)
{
	(void)opener;
	(void)interface;
	(void)options;
	(void)ret_bus;
	return -EAFNOSUPPORT;
}

static int open_isotp(struct canbus_opener *opener, const char *interface,
		      const struct isotp_pair *pair, struct isotp_channel **ret_channel)
{
	(void)opener;
	(void)interface;
	(void)pair;
	(void)ret_channel;
	return -EPROTONOSUPPORT;
}

struct canbus_opener *canbus_opener_linux(void)
{
	static struct canbus_opener opener = {.open = open_bus, .open_isotp = open_isotp};

	return &opener;
}
