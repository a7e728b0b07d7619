/* Messages over CAN by the kernel's ISO-TP (can-isotp, since Linux 5.10). */
#include <errno.h>
#include <linux/can/isotp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hal/linux/can_priv.h"

#define SINGLE_MAX 7
#define PADDING 0xcc

struct linux_channel {
	struct isotp_channel channel;
	int fd;
	size_t most; /* bytes of a message that can be sent */
	bool gone;
};

static struct linux_channel *linux_of(struct isotp_channel *channel)
{
	return (struct linux_channel *)channel;
}

/* The kernel's errors in the words of hal/can.h; ETIMEDOUT, EILSEQ, ECOMM, ENETDOWN are the same. */
static int failed(struct linux_channel *channel, int error)
{
	switch (error) {
	case ENODEV:
	case ENXIO:
	case EADDRNOTAVAIL: /* the socket is no longer bound */
		channel->gone = true;
		return -ENODEV;
	case EMSGSIZE: /* flow control said overflow */
		return -ECONNREFUSED;
	default:
		return -error;
	}
}

static int linux_send(struct isotp_channel *isotp, const uint8_t *data, size_t len)
{
	struct linux_channel *channel = linux_of(isotp);

	if (channel->gone)
		return -ENODEV;
	if (len < 1 || len > channel->most)
		return -EMSGSIZE;
	if (send(channel->fd, data, len, MSG_DONTWAIT) >= 0)
		return 0;
	return errno == ENOBUFS ? -EAGAIN : failed(channel, errno);
}

static ssize_t linux_receive(struct isotp_channel *isotp, uint8_t *data, size_t room)
{
	struct linux_channel *channel = linux_of(isotp);
	struct iovec part = {.iov_base = data, .iov_len = room};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t len;

	if (channel->gone)
		return -ENODEV;
	len = recvmsg(channel->fd, &message, MSG_DONTWAIT);
	if (len < 0)
		return failed(channel, errno);
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : len;
}

static int linux_fd(const struct isotp_channel *channel)
{
	return ((const struct linux_channel *)channel)->fd;
}

static void linux_close(struct isotp_channel *isotp)
{
	struct linux_channel *channel = linux_of(isotp);

	if (channel->fd >= 0)
		close(channel->fd);
	free(channel);
}

static const struct isotp_channel_ops linux_ops = {
	.send = linux_send,
	.receive = linux_receive,
	.fd = linux_fd,
	.close = linux_close,
};

/* Flow control 30 00 00 and times of one second are the kernel's own defaults. */
static int set_options(int fd, const struct isotp_pair *pair)
{
	struct can_isotp_options options = {.flags = CAN_ISOTP_TX_PADDING,
					    .txpad_content = PADDING};

	if (pair->functional)
		options.flags |= CAN_ISOTP_SF_BROADCAST;
	if (pair->addressed) {
		options.flags |= CAN_ISOTP_EXTEND_ADDR | CAN_ISOTP_RX_EXT_ADDR;
		options.ext_address = pair->target;
		options.rx_ext_address = pair->tester;
	}
	return setsockopt(fd, SOL_CAN_ISOTP, CAN_ISOTP_OPTS, &options, sizeof(options)) < 0 ? -errno
											    : 0;
}

static int bind_to(int fd, const char *interface, const struct isotp_pair *pair)
{
	struct sockaddr_can address = {.can_family = AF_CAN};
	int index;
	int r = can_link_index(fd, interface, &index);

	if (r < 0)
		return r;
	address.can_ifindex = index;
	address.can_addr.tp.tx_id = can_wire_id(pair->tx, pair->extended);
	if (!pair->functional)
		address.can_addr.tp.rx_id = can_wire_id(pair->rx, pair->extended);
	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static bool pair_valid(const struct isotp_pair *pair)
{
	return can_id_valid(pair->tx, pair->extended) &&
	       (pair->functional ||
		(can_id_valid(pair->rx, pair->extended) && pair->rx != pair->tx));
}

int can_isotp_open_linux(struct canbus_opener *opener, const char *interface,
			 const struct isotp_pair *pair, struct isotp_channel **ret_channel)
{
	struct linux_channel *channel;
	int r;

	(void)opener;
	if (!pair_valid(pair))
		return -EINVAL;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->channel.ops = &linux_ops;
	channel->most = ISOTP_CHANNEL_MAX;
	if (pair->functional)
		channel->most = pair->addressed ? SINGLE_MAX - 1 : SINGLE_MAX;
	channel->fd = socket(AF_CAN, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_ISOTP);
	r = channel->fd < 0 ? -errno : set_options(channel->fd, pair);
	if (!r)
		r = bind_to(channel->fd, interface, pair);
	if (r < 0) {
		linux_close(&channel->channel);
		return r;
	}
	*ret_channel = &channel->channel;
	return 0;
}
