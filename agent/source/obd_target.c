#include "agent/source/obd_target.h"

struct elm327_target obd_target(const struct profile_ecu *ecu)
{
	return (struct elm327_target){
		.tx = ecu->tx,
		.rx = ecu->rx,
		.id_bits = ecu->id_bits,
		.extension = ecu->extension,
		.tester = ecu->tester,
		.functional = ecu->functional,
		.flow_control = ecu->flow_control,
	};
}
