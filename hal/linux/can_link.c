/* What the kernel knows of a CAN interface: rtnetlink, which needs no capability for reading. */
#include <errno.h>
#include <linux/can/netlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hal/linux/can_priv.h"

#define ANSWER_MAX 16384 /* one interface: 1 to 3 KB */

int can_link_index(int fd, const char *interface, int *ret_index)
{
	struct ifreq request = {0};

	if (!canbus_name_valid(interface))
		return -ENODEV;
	memcpy(request.ifr_name, interface, strlen(interface));
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return -errno;
	*ret_index = request.ifr_ifindex;
	return 0;
}

static int read_flags(int fd, int index, bool *ret_up)
{
	struct ifreq request = {0};

	request.ifr_ifindex = index;
	if (ioctl(fd, SIOCGIFNAME, &request) < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return errno == ENXIO ? -ENODEV : -errno;
	*ret_up = (request.ifr_flags & IFF_UP) != 0;
	return 0;
}

/* A run of attributes; they may stand at any address, so they are copied out. */
struct attributes {
	const unsigned char *data;
	size_t len;
};

/* The payload of the first attribute of that type; false where there is none. */
static bool find(struct attributes in, unsigned short type, struct attributes *ret_payload)
{
	while (in.len >= sizeof(struct rtattr)) {
		struct rtattr head;
		size_t step;

		memcpy(&head, in.data, sizeof(head));
		if (head.rta_len < sizeof(head) || head.rta_len > in.len)
			return false;
		if ((head.rta_type & NLA_TYPE_MASK) == type) {
			ret_payload->data = in.data + sizeof(head);
			ret_payload->len = head.rta_len - sizeof(head);
			return true;
		}
		step = RTA_ALIGN((size_t)head.rta_len);
		if (step > in.len)
			return false;
		in.data += step;
		in.len -= step;
	}
	return false;
}

/* Copies as much of a structure as this kernel has: they grow at their end. */
static bool find_into(struct attributes in, unsigned short type, void *value, size_t size)
{
	struct attributes payload;

	if (!find(in, type, &payload))
		return false;
	memcpy(value, payload.data, payload.len < size ? payload.len : size);
	return true;
}

static enum canbus_condition condition_of(uint32_t state)
{
	switch (state) {
	case CAN_STATE_ERROR_WARNING:
		return CANBUS_WARNING;
	case CAN_STATE_ERROR_PASSIVE:
		return CANBUS_PASSIVE;
	case CAN_STATE_BUS_OFF:
		return CANBUS_OFF;
	default: /* active; stopped and sleeping go with an interface that is down */
		return CANBUS_ACTIVE;
	}
}

static void read_attributes(struct attributes message, struct can_link *link)
{
	struct can_bittiming timing = {0};
	struct can_ctrlmode mode = {0};
	struct attributes info, data;
	uint32_t state = 0, restart_ms = 0;

	if (!find(message, IFLA_LINKINFO, &info) || !find(info, IFLA_INFO_DATA, &data) ||
	    !find_into(data, IFLA_CAN_STATE, &state, sizeof(state)))
		return;
	link->controller = true;
	link->condition = condition_of(state);
	if (find_into(data, IFLA_CAN_BITTIMING, &timing, sizeof(timing)))
		link->bit_rate = timing.bitrate;
	if (find_into(data, IFLA_CAN_CTRLMODE, &mode, sizeof(mode)))
		link->silent = (mode.flags & CAN_CTRLMODE_LISTENONLY) != 0;
	if (find_into(data, IFLA_CAN_RESTART_MS, &restart_ms, sizeof(restart_ms)))
		link->restart_ms = restart_ms;
}

static bool ask(int fd, int index)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST},
		.info = {.ifi_family = AF_UNSPEC, .ifi_index = index},
	};

	return send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request);
}

static void read_netlink(int index, struct can_link *link)
{
	const size_t fixed = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	unsigned char answer[ANSWER_MAX];
	struct nlmsghdr head;
	ssize_t len;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return;
	/* The kernel answers while it is asked. */
	if (ask(fd, index)) {
		len = recv(fd, answer, sizeof(answer), MSG_TRUNC);
		if (len >= (ssize_t)fixed && len <= (ssize_t)sizeof(answer)) {
			memcpy(&head, answer, sizeof(head));
			if (head.nlmsg_type == RTM_NEWLINK && head.nlmsg_len >= fixed &&
			    head.nlmsg_len <= (size_t)len)
				read_attributes(
					(struct attributes){answer + fixed, head.nlmsg_len - fixed},
					link);
		}
	}
	close(fd);
}

int can_link_read(int fd, int index, struct can_link *ret_link)
{
	struct can_link link = {.condition = CANBUS_ACTIVE};
	int r = read_flags(fd, index, &link.up);

	if (r < 0)
		return r;
	read_netlink(index, &link);
	*ret_link = link;
	return 0;
}
