/* What a person can do about it. */
#include <string.h>

#include "agent/probe/probe.h"

/* `scheme`: of addresses that the words are for, "" for every one; the first that fits is taken. */
static const struct {
	const char *reason, *scheme, *advice;
} advices[] = {
	{"adapter_unplugged", "serial:",
	 "Plug the adapter in; `freshet-agent probe` alone lists the adapters that are there."},
	{"adapter_unplugged", "", "Switch the adapter on and join its network, then probe again."},
	{"adapter_denied", "rfcomm:",
	 "Pair it: bluetoothctl, then agent on, pair ADDRESS (PIN 1234 or 0000), trust ADDRESS."},
	{"adapter_denied", "",
	 "Put your user into the group of the device (usermod -aG dialout USER) and log in again, or "
	 "probe as root."},
	{"adapter_busy", "",
	 "Stop the program that has it: the agent itself (systemctl stop freshet-agent), a terminal, "
	 "ModemManager; `fuser -v DEVICE` names it."},
	{"adapter_unreachable", "rfcomm:",
	 "Go near with the adapter under power, end connections of phones, see that `bluetoothctl "
	 "show` says Powered: yes."},
	{"adapter_unreachable", "",
	 "Join the adapter's network, see that `ping` reaches it, and that the port is right (35000, "
	 "23)."},
	{"adapter_speed", "", "Leave --baud out: the speed is found by trying."},
	{"interface_down", "",
	 "Bring it up at the vehicle's rate: ip link set NAME up type can bitrate 500000 (or 250000) "
	 "restart-ms 100."},
	{"interface_gone", "",
	 "`ip -details link show type can` lists the interfaces; a USB one must be plugged in."},
	{"listen_only", "",
	 "Set it down, then ip link set NAME type can listen-only off, then up again."},
	{"bus_error", "can:",
	 "See that the plug sits firmly, that the ignition is on, and that the interface has the "
	 "vehicle's bit rate (500000, some 250000)."},
	{"adapter_address", "can:", "Use a kernel with CAN, and an interface that exists."},
	{"adapter_address", "rfcomm:", "Use a kernel with Bluetooth, or an adapter on USB."},
	{"adapter_address", "", "An address is " OBD_ADDRESS_FORMS "."},
	{"adapter_error", "",
	 "Pull the adapter out, wait ten seconds, plug it in again; if the error "
	 "comes back, replace it."},
	{"source_silent", "serial:",
	 "See that the adapter has power (it takes it from the vehicle's plug) and is an ELM327 or STN; "
	 "pull it out, wait ten seconds, plug it in again. An unusual speed is given by --baud."},
	{"source_silent", "",
	 "See that the adapter has power and that nobody else is connected to it; pull it out, wait "
	 "ten seconds, plug it in again."},
	{"bus_error", "",
	 "See that the plug sits firmly and that the ignition is on, then probe again."},
	{"vehicle_asleep", "",
	 "Turn the ignition on (an electric vehicle: press start with the foot on the brake, or plug "
	 "in a charger), then probe again."},
	{"profile", "",
	 "See whether the profile is this vehicle's: `freshet-agent probe --device ADDRESS` suggests "
	 "one."},
	{"starting", "",
	 "The adapter is very slow or loses its replies: probe again; if it stays so, replace it."},
};

const char *probe_advice(const struct source_report *report, const char *device)
{
	const char *reason = report->reason;

	/* An adapter that has told its name is not the one to blame, nor a bus that a VIN came over. */
	if (strcmp(reason, "source_silent") == 0 && report->adapter[0])
		reason = report->vin[0] ? "profile" : "bus_error";
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (strcmp(advices[i].reason, reason) == 0 &&
		    strncmp(device, advices[i].scheme, strlen(advices[i].scheme)) == 0)
			return advices[i].advice;
	return "";
}
