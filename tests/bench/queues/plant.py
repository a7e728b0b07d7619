"""What every run needs: a link that can be down and slow, a far end, and looks into /proc."""

import json
import os
import pwd
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from freshet import Failure, wait_until
from freshet.depot import build_folder, memory_folder, sbin
from freshet.process import Program, free_port, listening

VEHICLES = 20  # of the generator


def boottime_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Series:
    """Which records a run makes: `count` of them, `step_us` apart, read before now."""

    def __init__(self, count):
        self.count = count
        # Four milliseconds apart (250 a second), less where the machine has not run for so long.
        self.step_us = max(1, min(4000, boottime_us() * 8 // 10 // count))
        self.base_us = boottime_us() - 1000000 - count * self.step_us

    def words(self):
        return [self.base_us, self.step_us, self.count]


class Tool(Program):
    """A program that reports by lines of JSON on stdout and takes lines on stdin."""

    def start(self):
        self.begin = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        read, self.feed = os.pipe()
        super().start(stdin=read)
        os.close(read)

    def say(self):
        os.write(self.feed, b"\n")

    def told(self):
        """What it has said since it was started."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.begin)
            return log.read()

    def reports(self):
        return [json.loads(line) for line in self.told().splitlines()
                if line.startswith("{") and line.endswith("}")]

    def report(self, limit_s):
        """Its first report, when it comes."""
        return wait_until(self.reports, limit_s, f"{self.name} reports", [self])[0]

    def result(self, limit_s):
        """Its last report, when it has ended."""
        wait_until(lambda: not self.running(), limit_s, f"{self.name} ends")
        if self.child.returncode != 0 or not self.reports():
            raise Failure(f"{self.name}: status {self.child.returncode}: {self.told()[-500:]}")
        return self.reports()[-1]


def written_of(pid):
    """Bytes of the pages that it has made dirty for a disk."""
    with open(f"/proc/{pid}/io", encoding="ascii") as table:
        rows = dict(line.split(": ") for line in table)
    return int(rows["write_bytes"])


def rss_kib(pid):
    """(now, the most so far)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as table:
        rows = dict(line.split(":", 1) for line in table)
    return int(rows["VmRSS"].split()[0]), int(rows["VmHWM"].split()[0])


def file_system_of(path):
    path, best = os.path.realpath(path), ("", "?")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind = line.split()[:3]
            if (path + "/").startswith(point.rstrip("/") + "/") and len(point) > len(best[0]):
                best = (point, kind)
    return best[1]


class FarBroker(Program):
    """A broker that takes whatever a peer sends and drops nothing."""

    def __init__(self, folder, name="far"):
        self.port = free_port()
        conf = Path(folder) / f"{name}.conf"
        conf.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
                        f"user {pwd.getpwuid(os.getuid()).pw_name}\n"
                        "set_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
                        "persistence false\nlog_dest stderr\nlog_type error\n", encoding="utf-8")
        super().__init__(name, [sbin("mosquitto"), "-c", conf], folder)

    def start(self):
        super().start()
        wait_until(lambda: listening(self.port), 10, "the far broker listens", [self])


class Drain:
    """The link comes back: from then on until the far end has all, or the time is over."""

    def __init__(self, plant, series, far_port, link_port, topic, rtt_s=0.0, limit_s=60,
                 sink_words=()):
        self.quiet_s = plant.quiet_s
        self.limit_s = limit_s
        self.series = series
        half_us = int(rtt_s * 1e6 / 2)
        self.proxy = plant.tool("proxy", "bench_proxy", [link_port, far_port, half_us])
        self.sink = plant.tool("sink", "bench_sink", [
            "--port", far_port, "--topic", topic, "--base", series.base_us, "--step", series.step_us,
            "--expect", series.count, "--limit", limit_s, "--quiet", plant.quiet_s, *sink_words])

    def begin(self):
        """Opens the link."""
        self.sink.start()
        wait_until(lambda: "subscribed" in self.sink.told(), 10, "the far end listens", [self.sink])
        self.proxy.start()
        wait_until(lambda: "listening" in self.proxy.told(), 10, "the link is up", [self.proxy])

    def end(self):
        """{records, different, twice, unordered, rate, up, down ...}; closes the link."""
        self.wait_for_first()
        got = self.sink.result(self.limit_s + 60)
        self.proxy.child.terminate()
        counted = self.proxy.result(10)
        got.update(counted)
        # From the moment of the connection: what the protocol needs to begin is part of it.
        took = got["last_s"] - got["begin_s"] if got["records"] else 0
        got["seconds"] = took
        got["rate"] = got["different"] / took if took > 0 else 0
        got["finished"] = got["different"] >= self.series.count
        return got

    def wait_for_first(self):
        """A holder that has nothing says nothing, after it has connected."""
        connected = None
        while self.sink.running() and "first" not in self.sink.told():
            time.sleep(0.05)
            self.proxy.child.send_signal(signal.SIGUSR1)
            if connected is None and any(report["connections"] for report in self.proxy.reports()):
                connected = time.monotonic()
            if connected and time.monotonic() - connected > self.quiet_s:
                self.sink.child.terminate()
                return


class Plant:
    """The folder, the programs, and their end."""

    def __init__(self, quiet_s=4.0, settle_s=2.5):
        self.quiet_s = quiet_s  # nothing for so long: there is no more
        # A peer that saves each second, and our window of two, have had their time.
        self.settle_s = settle_s
        self.build = build_folder()
        self.bin = self.build / "bin"
        # Not in /tmp, which may be memory: what is measured is a disk.
        self.folder = Path(tempfile.mkdtemp(prefix="bench-spool-", dir=self.build))
        self.memory = Path(tempfile.mkdtemp(prefix="freshet-bench-", dir=memory_folder()))
        self.programs = []
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.kill()
        for folder in (self.folder, self.memory):
            subprocess.run(["rm", "-rf", folder], check=False)

    def sub(self, name, parent=None):
        """A fresh folder."""
        self.count += 1
        path = (parent or self.folder) / f"{self.count}-{name}"
        path.mkdir(mode=0o700)
        return path

    def tool(self, name, exe, words):
        self.count += 1
        return self.add(Tool(f"{self.count}-{name}", [self.bin / exe, *words], self.folder))

    def add(self, program):
        self.programs.append(program)
        return program

    def forget(self, program):
        program.kill()
        self.programs.remove(program)
