#!/bin/sh
# /init of the guest (busybox): loads the modules that the kernel's command line names, puts the host's
# file system under a layer of memory, and runs /share/job there. Its status goes to /share/status.
export PATH=/sbin:/bin HOME=/root

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run

finish() {
	[ -z "$2" ] || echo "guest: $2"
	echo "$1" >/share/status
	sync
	poweroff -f
}

word_of() {
	sed -n "s/.*freshet\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

options=trans=virtio,version=9p2000.L,msize=262144
for module in virtio_pci 9pnet_virtio 9p overlay; do
	modprobe $module || echo "guest: no module $module"
done
# Without the share nobody hears of a failure: the host takes silence for one.
mount -t 9p -o $options share /share || poweroff -f
mount -t 9p -o $options,ro,cache=loose hostroot /host || finish 125 "no file system of the host"
mkdir -p /run/layer/upper /run/layer/work
mount -t overlay overlay -o lowerdir=/host,upperdir=/run/layer/upper,workdir=/run/layer/work /newroot ||
	finish 125 "no layer over the host's file system"
for folder in proc sys dev; do
	mount --rbind /$folder /newroot/$folder || finish 125 "no /$folder"
done
# What runs on the host is not here; what is written stays here.
mount -t tmpfs run /newroot/run
mkdir -p /newroot/run/share /newroot/run/tmp
mount --bind /share /newroot/run/share

for module in $(word_of modules | tr , ' '); do
	modprobe "$module" || finish 125 "no module $module"
done
echo "guest: up after $(cut -d ' ' -f 1 /proc/uptime) s"
chroot /newroot /bin/bash /run/share/job
status=$?
echo "guest: status $status after $(cut -d ' ' -f 1 /proc/uptime) s"
finish $status
