#include "agent/source/obd_target.h"

struct diag_target obd_target(const struct profile_ecu *ecu)
{
	return (struct diag_target){
		.tx = ecu->tx,
		.rx = ecu->rx,
		.id_bits = ecu->id_bits,
		.extension = ecu->extension,
		.tester = ecu->tester,
		.functional = ecu->functional,
		.flow_control = ecu->flow_control,
	};
}
