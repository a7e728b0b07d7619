# shellcheck shell=bash
# Read by the guest's job before its command: brings up what the modules have made.
ip link set lo up
if [ -d /sys/module/vcan ]; then
	for i in 0 1; do
		ip link add dev vcan$i type vcan
		ip link set vcan$i mtu 72 # CAN FD passes
		ip link set up vcan$i
	done
fi
for i in 0 1; do
	if [ -d /sys/class/net/can$i ]; then
		ip link set can$i type can bitrate 500000 restart-ms 100
		ip link set can$i txqueuelen 1000
		ip link set up can$i
	fi
done
