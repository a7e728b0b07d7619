#include "agent/source/can_isotp.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/source/isotp_own.h"

struct can_isotp {
	struct canbus_opener *opener;
	enum can_isotp_way wanted;
	enum can_isotp_way way; /* that was found */
	struct isotp_own *own;  /* also where the kernel speaks: it watches the bus */
	char interface[IF_NAMESIZE];
};

int can_isotp_create(struct loop *loop, struct canbus_opener *opener, const char *interface,
		     enum can_isotp_way way, struct can_isotp **ret_isotp)
{
	static const struct canbus_filter nothing = {0};
	const struct canbus_options options = {.filters = &nothing, .filter_count = 0};
	struct can_isotp *isotp;
	struct canbus *bus;
	int r;

	if (!canbus_name_valid(interface))
		return -ENODEV;
	isotp = calloc(1, sizeof(*isotp));
	if (!isotp)
		return -ENOMEM;
	isotp->opener = opener;
	isotp->wanted = way;
	snprintf(isotp->interface, sizeof(isotp->interface), "%s", interface);
	r = opener->open(opener, interface, &options, &bus);
	if (!r)
		r = isotp_own_create(loop, bus, &isotp->own);
	if (r < 0) {
		free(isotp);
		return r;
	}
	*ret_isotp = isotp;
	return 0;
}

void can_isotp_destroy(struct can_isotp *isotp)
{
	if (!isotp)
		return;
	isotp_own_destroy(isotp->own);
	free(isotp);
}

static int open_kernel(struct can_isotp *isotp, const struct isotp_pair *pair,
		       struct isotp_channel **ret_channel)
{
	int r = isotp->opener->open_isotp(isotp->opener, isotp->interface, pair, ret_channel);

	if (!r)
		isotp->way = CAN_ISOTP_KERNEL;
	return r;
}

/* Once our own speaks on an interface the kernel does not, and the other way round. */
int can_isotp_open(struct can_isotp *isotp, const struct isotp_pair *pair,
		   struct isotp_channel **ret_channel)
{
	int r;

	if (isotp->wanted != CAN_ISOTP_OWN && isotp->way != CAN_ISOTP_OWN) {
		r = open_kernel(isotp, pair, ret_channel);
		if (r != -EPROTONOSUPPORT || isotp->wanted == CAN_ISOTP_KERNEL ||
		    isotp->way == CAN_ISOTP_KERNEL)
			return r;
	}
	r = isotp_own_open(isotp->own, pair, ret_channel);
	if (!r)
		isotp->way = CAN_ISOTP_OWN;
	return r;
}

enum can_isotp_way can_isotp_way(const struct can_isotp *isotp)
{
	return isotp->way;
}

void can_isotp_state(struct can_isotp *isotp, struct canbus_state *ret_state)
{
	isotp_own_state(isotp->own, ret_state);
}
