/* What a person is told of an adapter that cannot be reached. */
#include <errno.h>
#include <string.h>

#include "agent/source/obd_priv.h"

/* `scheme`: of addresses that the words are for, "" for every one; the first that fits is taken. */
static const struct {
	int error;
	const char *scheme;
	struct obd_trouble trouble;
} troubles[] = {
	{-ENETDOWN,
	 "can:",
	 {"interface_down",
	  "The CAN interface is down: ip link set NAME up type can bitrate 500000."}},
	{-EPERM,
	 "can:",
	 {"listen_only",
	  "The CAN interface is set to listen only, so nothing can be asked: set listen-only off."}},
	{-EAFNOSUPPORT,
	 "can:",
	 {"adapter_address", "This kernel has no CAN, or the agent may not use it."}},
	{-ENODEV, "can:", {"interface_gone", "There is no CAN interface of that name."}},
	{-EACCES,
	 "rfcomm:",
	 {"adapter_denied",
	  "The Bluetooth adapter refuses: pair it with bluetoothctl (PIN 1234 or 0000)."}},
	{-EBUSY, "rfcomm:", {"adapter_busy", "Another connection holds the Bluetooth adapter."}},
	{-ECONNREFUSED,
	 "rfcomm:",
	 {"adapter_unreachable",
	  "The Bluetooth adapter does not serve this channel, or serves somebody else."}},
	{-EHOSTDOWN,
	 "rfcomm:",
	 {"adapter_unreachable",
	  "The Bluetooth adapter does not answer: out of reach, without power, or in use by a phone."}},
	{-EHOSTUNREACH,
	 "rfcomm:",
	 {"adapter_unreachable",
	  "This gateway has no Bluetooth controller that is on (bluetoothctl power on)."}},
	{-EAFNOSUPPORT,
	 "rfcomm:",
	 {"adapter_address",
	  "This kernel has no Bluetooth (RFCOMM), or the agent may not use it."}},
	{-EBUSY, "", {"adapter_busy", "Another program has opened the adapter."}},
	{-EACCES,
	 "",
	 {"adapter_denied",
	  "The adapter may not be opened: the agent's user belongs into group dialout."}},
	{-ETIMEDOUT,
	 "",
	 {"source_silent", "The adapter does not answer: check its power and speed."}},
	{-ECONNREFUSED, "", {"adapter_unreachable", "The adapter refuses the connection."}},
	{-EHOSTUNREACH, "", {"adapter_unreachable", "There is no way to the adapter's address."}},
	{-ENETUNREACH, "", {"adapter_unreachable", "There is no way to the adapter's address."}},
	{-ERANGE, "", {"adapter_speed", "The line cannot do the configured baud rate."}},
	{-ENOTTY, "serial:", {"adapter_address", "The device is no serial port."}},
	{-EISDIR, "serial:", {"adapter_address", "The device is a folder, no serial port."}},
	{-EINVAL, "", {"adapter_address", "The device's address is not one that can be opened."}},
};

const struct obd_trouble *obd_trouble(const char *address, int error)
{
	static const struct obd_trouble other = {"adapter_unplugged",
						 "The adapter is not plugged in."};

	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		if (troubles[i].error == error &&
		    strncmp(address, troubles[i].scheme, strlen(troubles[i].scheme)) == 0)
			return &troubles[i].trouble;
	}
	return &other;
}
