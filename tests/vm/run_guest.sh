#!/bin/bash
# run_guest.sh [-m MODULE]... [-c] [-t SECONDS] COMMAND ARGS...: runs a command in a small guest with a
# kernel of its own, where CAN, ISO-TP, J1939 and Bluetooth are real although the host has none.
#
#	-m MODULE   of the kernel, loaded before (make_guest.sh has the list); vcan brings vcan0, vcan1
#	-c          an emulated pair of CAN controllers: can0 and can1 on one bus, 500 kbit/s
#	-t SECONDS  for all of it (default 100)
#
# The guest sees the host's file system, read-only under a layer of memory: programs, libraries and the
# tree stand where they stand here, and whatever the command writes is gone with the guest. The
# command's exit status is ours; 125: the guest never said. QEMU without KVM: the same everywhere.
#
# FRESHET_GUEST names the folder of make_guest.sh (./dev test makes it: build/guest).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
guest=${FRESHET_GUEST:-$here/../../build/guest}
modules=
seconds=100
devices=()
while getopts m:ct: option; do
	case $option in
	m) modules=$modules${modules:+,}$OPTARG ;;
	c)
		modules=$modules${modules:+,}kvaser_pci,can_raw
		devices+=(-object "can-bus,id=bus" -device "kvaser_pci,canbus=bus" -device "kvaser_pci,canbus=bus")
		;;
	t) seconds=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || {
	echo "run_guest.sh: which command?" >&2
	exit 2
}
if [ ! -s "$guest/stamp" ]; then
	echo "run_guest.sh: no guest in $guest: ./dev test -L vm makes it" >&2
	exit 125
fi

share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
{
	echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run/tmp'
	printf 'export FRESHET_BUILD=%q\n' "${FRESHET_BUILD:-}"
	printf '. %q\n' "$here/guest_links.sh"
	printf 'cd %q && exec' "$PWD"
	printf ' %q' "$@"
	echo
} >"$share/job"

timeout --foreground "$seconds" qemu-system-x86_64 -accel tcg -m 512 -nodefaults -no-user-config \
	-display none -monitor none -serial stdio -no-reboot \
	-kernel "$guest/vmlinuz" -initrd "$guest/initramfs.gz" \
	-append "console=ttyS0 quiet panic=-1 tsc=unstable freshet.modules=$modules" \
	-virtfs "local,path=$share,mount_tag=share,security_model=none" \
	-virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap" \
	"${devices[@]}" </dev/null || echo "run_guest.sh: QEMU ended with status $?" >&2
status=$(cat "$share/status" 2>/dev/null || echo 125)
exit "$status"
