#!/usr/bin/env python3
"""Cut the power of a whole file system under a process that spools, and look what is left.

fs_cut.py WRITER [--rounds N] [--seed S]

Each round: a fresh xfs or ext4 on a loop device, `spool_writer write` on it (windows of 0, 50 and 200 ms;
the young floor on tmpfs, gone after the cut), a shutdown of the file system without flushing its log in the middle of its work, kill -9,
unmount, mount (the log is replayed), up to four times; then `spool_writer list` with another boot id. What the spool had said to be on
disk must be there and whole, and the epoch must be a new one. The shutdown is what `xfs_io -x -c shutdown`
does; ext4 has the same call.

Exit status 77 and a sentence where the machine cannot do it: it takes root, loop devices, and mkfs and the
kernel's driver of at least one of the two.
"""
import argparse
import ctypes
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): XFS_IOC_GOINGDOWN, EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2
CLONE_NEWNS = 0x00020000
IMAGE_BYTES = {"xfs": 320 << 20, "ext4": 64 << 20}
MKFS = {"xfs": ["mkfs.xfs", "-q", "-f"], "ext4": ["mkfs.ext4", "-q", "-F"]}
WINDOWS_MS = (0, 50, 200)


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout.strip()


def own_mounts():
    """Mounts of ours are nobody else's, and go with this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        return os.strerror(ctypes.get_errno())
    subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True)
    return ""


class Disk:
    """A file system on a loop device."""

    def __init__(self, folder, kind):
        self.kind = kind
        self.image = os.path.join(folder, kind + ".img")
        self.mount_point = os.path.join(folder, "mnt")
        os.makedirs(self.mount_point, exist_ok=True)
        with open(self.image, "wb") as out:
            out.truncate(IMAGE_BYTES[kind])
        self.device = run("losetup", "--find", "--show", self.image)
        self.mounted = False
        try:
            run(*MKFS[kind], self.device)
            self.mount()
        except BaseException:
            self.close()
            raise

    def mount(self):
        run("mount", "-t", self.kind, self.device, self.mount_point)
        self.mounted = True

    def cut(self):
        fd = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def unmount(self):
        if self.mounted:
            run("umount", self.mount_point)
            self.mounted = False

    def close(self):
        self.unmount()
        subprocess.run(["losetup", "-d", self.device], check=False, capture_output=True)
        os.unlink(self.image)


def why_not():
    """Why whole file systems cannot be cut here, and which kinds can be."""
    if os.geteuid() != 0:
        return "it takes root", []
    if not shutil.which("losetup") or not os.path.exists("/dev/loop-control"):
        return "there are no loop devices", []
    trouble = own_mounts()
    if trouble:
        return "no mounts of our own: " + trouble, []
    kinds, reasons = [], []
    for kind, mkfs in MKFS.items():
        if not shutil.which(mkfs[0]):
            reasons.append(f"no {mkfs[0]}")
            continue
        folder = tempfile.mkdtemp(prefix="freshet-cut-")
        try:
            disk = Disk(folder, kind)
            try:
                disk.cut()
                kinds.append(kind)
            finally:
                disk.close()
        except (OSError, subprocess.CalledProcessError) as e:
            said = getattr(e, "stderr", None)
            reasons.append(f"{kind}: {said.strip() if said else e}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return "; ".join(reasons), kinds


def boot_id(number):
    return f"00000000-0000-4000-8000-{number:012d}"


class Writer:
    """spool_writer write, and what it said."""

    def __init__(self, program, disk, young, window_ms, boot):
        env = dict(os.environ, FRESHET_BOOT_ID=boot_id(boot))
        self.process = subprocess.Popen(
            [program, "write", disk, young, str(window_ms)],
            stdout=subprocess.PIPE, env=env, text=True)
        self.made, self.durable, self.epochs, self.notices = set(), set(), set(), []

    def take(self, line):
        what, _, rest = line.rstrip("\n").partition(" ")
        if what == "made":
            self.made.add(rest)
            self.epochs.add(rest.split()[0])
        elif what == "disk":
            self.durable.add(rest)
        elif what == "notice":
            self.notices.append(rest)

    def read_until(self, count, deadline_s=20):
        """Until so many are on disk."""
        deadline = time.monotonic() + deadline_s
        for line in self.process.stdout:
            self.take(line)
            if len(self.durable) >= count:
                return
            if time.monotonic() > deadline:
                break
        raise RuntimeError(f"the writer has {len(self.durable)} of {count} on disk")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.take(line)
        self.process.wait()
        self.process.stdout.close()


def listed(program, disk, young, boot):
    env = dict(os.environ, FRESHET_BOOT_ID=boot_id(boot))
    out = subprocess.run([program, "list", disk, young], env=env, text=True, check=False,
                         capture_output=True)
    if out.returncode:
        raise RuntimeError("the spool does not open: " + out.stderr.strip())
    held, epoch, notices = set(), "", []
    for line in out.stdout.splitlines():
        what, _, rest = line.partition(" ")
        if what == "held":
            held.add(rest)
        elif what == "open":
            epoch = rest
        elif what == "notice":
            notices.append(rest)
    return held, epoch, notices


class Round:
    """One disk, cut again and again."""

    def __init__(self, program, kind, rng, totals):
        self.program, self.kind, self.rng, self.totals = program, kind, rng, totals
        self.durable, self.epochs, self.boot = set(), set(), 0

    def fail(self, what):
        raise RuntimeError(f"{self.kind}, cut {self.boot}: {what}")

    def one_cut(self, disk, young_root):
        young_folder = tempfile.mkdtemp(dir=young_root)
        self.boot += 1
        window = self.rng.choice(WINDOWS_MS)
        path = os.path.join(disk.mount_point, "spool.db")
        writer = Writer(self.program, path, os.path.join(young_folder, "young.db"), window, self.boot)
        try:
            writer.read_until(self.rng.randint(1, 400))
            time.sleep(self.rng.random() * 0.02)  # no condition: a moment anywhere in its work
            disk.cut()
        finally:
            writer.kill()
        if writer.notices:
            self.fail("set aside: " + writer.notices[0])
        if self.epochs & writer.epochs:
            self.fail("an epoch was used again")
        self.durable |= writer.durable
        self.epochs |= writer.epochs
        disk.unmount()
        disk.mount()
        self.totals["cuts"] += 1
        self.totals["made"] += len(writer.made)
        self.totals["durable"] += len(writer.durable)
        shutil.rmtree(young_folder)

    def check(self, disk, young_root):
        young_folder = tempfile.mkdtemp(dir=young_root)
        self.boot += 1
        held, epoch, notices = listed(self.program, os.path.join(disk.mount_point, "spool.db"),
                                      os.path.join(young_folder, "young.db"), self.boot)
        shutil.rmtree(young_folder)
        if notices:
            self.fail("set aside: " + notices[0])
        if epoch in self.epochs:
            self.fail("the epoch goes on")
        missing = self.durable - held
        if missing:
            self.fail(f"{len(missing)} were on disk and are gone, one is {sorted(missing)[0]}")
        self.totals["held"] += len(held)

    def run(self, folder, young_root):
        disk = Disk(folder, self.kind)
        try:
            for _ in range(self.rng.randint(1, 4)):
                self.one_cut(disk, young_root)
                if self.rng.random() < 0.5:
                    self.check(disk, young_root)
            self.check(disk, young_root)
        finally:
            disk.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("writer")
    parser.add_argument("--rounds", type=int, default=2, help="of each kind of file system")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    reasons, kinds = why_not()
    if not kinds:
        print("fs_cut: whole file systems cannot be cut here:", reasons)
        return 77
    if reasons:
        print("fs_cut: not tried:", reasons)
    young_root = tempfile.mkdtemp(prefix="freshet-young-",
                                  dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    rng = random.Random(args.seed)
    status = 0
    try:
        for kind in kinds:
            totals = {"cuts": 0, "made": 0, "durable": 0, "held": 0}
            for _ in range(args.rounds):
                folder = tempfile.mkdtemp(prefix="freshet-cut-")
                try:
                    Round(args.writer, kind, rng, totals).run(folder, young_root)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
            print(f"{kind}: cuts {totals['cuts']}, batches made {totals['made']}, on disk"
                  f" {totals['durable']} (as the spool said), lost of them 0")
    except RuntimeError as e:
        print("fs_cut:", e)
        status = 1
    finally:
        shutil.rmtree(young_root, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
