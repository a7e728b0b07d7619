#!/bin/bash
# make_guest.sh FOLDER: a kernel and an initramfs for run_guest.sh, in FOLDER. Nothing is done where they
# are there and nothing has changed since.
#
# The kernel is Debian's: its package is fetched by apt (with its checks) and only unpacked, never
# installed. Version 6.12, which gateways run too, where the mirror has it: with 6.1.192 RFCOMM dies of a
# list corruption (hci_chan_del) when a device does not answer. The initramfs holds busybox and the
# modules that the tests need; all else is the host's own file system. Needs the packages of ./dev's
# group vm; no root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

# File systems and devices of the guest itself; CAN; Bluetooth with the ciphers that it asks for.
modules="virtio_pci 9pnet_virtio 9p overlay
	can_raw can_bcm can_gw can_isotp can_j1939 vcan kvaser_pci
	rfcomm hci_vhci algif_hash algif_skcipher cmac ecb aes_generic"

stamp=$(cat "$here/make_guest.sh" "$here/guest_init.sh" | sha256sum)
if [ -s "$out/vmlinuz" ] && [ -s "$out/initramfs.gz" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi

case $(uname -m) in
x86_64) flavour=amd64 ;;
*)
	echo "make_guest.sh: no guest for $(uname -m) yet" >&2
	exit 2
	;;
esac

work=$out/work
rm -rf "$work" "$out/stamp"
mkdir -p "$work/kernel" "$work/root"
cd "$work"

package=
for wanted in "linux-image-6.12-$flavour" "linux-image-$flavour"; do
	[ -n "$package" ] || package=$(apt-cache depends "$wanted" 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image/ { print $2; exit }')
done
[ -n "$package" ] || {
	echo "make_guest.sh: apt knows no kernel package (apt-get update?)" >&2
	exit 1
}
version=${package#linux-image-}
apt-get -q -o APT::Sandbox::User="$(id -un)" download "$package"
dpkg-deb --fsys-tarfile "${package}"_*.deb | tar -x -C kernel "./boot/vmlinuz-$version" "./lib/modules/$version"
depmod -b kernel "$version"

cd root
mkdir -p bin sbin proc sys dev tmp run newroot host share
cp /bin/busybox bin/busybox
for applet in $(/bin/busybox --list); do
	[ -e "bin/$applet" ] || ln -s busybox "bin/$applet"
done
ln -s ../bin/busybox sbin/modprobe # where the kernel looks for it
for module in $modules; do
	modprobe -d "$work/kernel" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
	file=lib/modules/${file##*/lib/modules/}
	mkdir -p "$(dirname "$file")"
	case $file in
	*.xz) /bin/busybox unxz -c "$work/kernel/$file" >"${file%.xz}" ;;
	*) cp "$work/kernel/$file" "$file" ;;
	esac
done
cp "$work/kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "lib/modules/$version/"
depmod -b . "$version"
install -m 755 "$here/guest_init.sh" init
find . -print0 | cpio --null -o -H newc -R 0:0 --quiet | gzip -9 >"$out/initramfs.gz"
cp "$work/kernel/boot/vmlinuz-$version" "$out/vmlinuz"

cd "$out"
rm -rf "$work"
echo "$stamp" >stamp
echo "guest: Linux $version in $out"
