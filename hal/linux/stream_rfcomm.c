/* Bluetooth serial ports (RFCOMM). The kernel's socket needs neither libbluetooth nor a bound
 * /dev/rfcomm0; pairing is the system's business (bluetoothctl). */
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hex.h"
#include "hal/linux/stream_priv.h"

/* The kernel's interface, as in its net/bluetooth/rfcomm.h: user space has no header of its own for
 * it but libbluetooth's, and the library is not needed. */
#define RFCOMM_PROTOCOL 3 /* BTPROTO_RFCOMM */
#define RFCOMM_CHANNEL_DEFAULT 1
#define RFCOMM_CHANNEL_MAX 30
#define BLUETOOTH_ADDRESS_LEN 6

struct rfcomm_address {
	sa_family_t family;
	uint8_t device[BLUETOOTH_ADDRESS_LEN]; /* the last byte of the written form first */
	uint8_t channel;
};

/* What follows the address: nothing, or /CHANNEL. Returns it or -EINVAL. */
static int parse_channel(const char *text)
{
	int channel = 0;

	if (!*text)
		return RFCOMM_CHANNEL_DEFAULT;
	if (*text != '/' || text[1] < '1' || text[1] > '9')
		return -EINVAL;
	for (text++; *text >= '0' && *text <= '9' && channel <= RFCOMM_CHANNEL_MAX; text++)
		channel = channel * 10 + (*text - '0');
	return *text || channel > RFCOMM_CHANNEL_MAX ? -EINVAL : channel;
}

/* AA:BB:CC:DD:EE:FF[/CHANNEL]. Returns 0 or -EINVAL. */
static int parse_target(const char *target, struct rfcomm_address *address)
{
	int channel;

	for (int i = BLUETOOTH_ADDRESS_LEN - 1; i >= 0; i--) {
		const int high = hex_digit(target[0]);
		const int low = high < 0 ? -1 : hex_digit(target[1]);

		if (low < 0 || (i > 0 && target[2] != ':'))
			return -EINVAL;
		address->device[i] = (uint8_t)(high << 4 | low);
		target += i > 0 ? 3 : 2;
	}
	channel = parse_channel(target);
	if (channel < 0)
		return channel;
	address->channel = (uint8_t)channel;
	address->family = AF_BLUETOOTH;
	return 0;
}

int stream_rfcomm_target_valid(const char *target)
{
	struct rfcomm_address address;

	return parse_target(target, &address) == 0;
}

/* The kernel translates the controller's verdicts (bt_to_errno()) more finely than one can act upon. */
static int error_of(int error)
{
	switch (error) {
	case EBADE: /* no key: not paired, or the adapter has forgotten it */
	case EPERM:
		return EACCES;
	case EALREADY: /* a connection to it is being made or stands */
	case EMLINK:
		return EBUSY;
	case ETIMEDOUT: /* it was there, and stopped answering */
		return EHOSTDOWN;
	default:
		return error;
	}
}

int stream_rfcomm_open(const char *target, struct stream **ret_stream)
{
	struct rfcomm_address address = {.family = 0};
	int r = parse_target(target, &address);
	int fd;

	if (r < 0)
		return r;
	fd = socket(AF_BLUETOOTH, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, RFCOMM_PROTOCOL);
	if (fd < 0)
		return errno == EPROTONOSUPPORT ? -EAFNOSUPPORT : -errno;
	return stream_socket_connect(fd, (const struct sockaddr *)&address, sizeof(address),
				     error_of, ret_stream);
}
