"""Programs as children that cannot outlive the test."""

import ctypes
import glob
import os
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(AssertionError):
    """What was waited for did not come, or a program ended by itself."""


def wait_until(condition, deadline_s, what=None, alive=(), step_s=0.02):
    """Returns condition()'s first true value; a Failure after `deadline_s`, or as soon as one of
    the programs in `alive` is gone."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        for program in alive:
            program.check_alive()
        if time.monotonic() > end:
            raise Failure(f"not within {deadline_s} s: {what or describe(condition)}")
        time.sleep(step_s)


def describe(condition):
    return (condition.__doc__ or condition.__name__).strip()


def free_port():
    """A port that was free a moment ago; who finds it taken asks for another one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def _die_with_parent(parent):
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os.kill(os.getpid(), signal.SIGKILL)


class Program:
    """One program of the depot; its output goes to one log over all its starts."""

    def __init__(self, name, argv, folder):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = os.path.join(folder, f"{name}.log")
        self.child = None
        self.env = {}  # beside this process's own, at the next start

    def start(self, stdin=subprocess.DEVNULL):
        assert not self.running(), f"{self.name} runs already"
        parent = os.getpid()
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                self.argv, stdin=stdin, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **self.env}, preexec_fn=lambda: _die_with_parent(parent))

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def check_alive(self):
        if not self.running():
            status = self.child.returncode if self.child else "never started"
            raise Failure(f"{self.name} is not running (status {status})")

    def stop(self, deadline_s=15):
        """SIGTERM; returns the exit status, a Failure where it does not end."""
        if not self.running():
            return self.child.returncode if self.child else None
        self.child.terminate()
        try:
            return self.child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not end within {deadline_s} s of SIGTERM") from None

    def kill(self):
        """kill -9."""
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def memory_kib(self):
        """Resident and proportional set size."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as table:
            rows = dict(line.split(":", 1) for line in table if ":" in line and "-" not in line[:9])
        return int(rows["Rss"].split()[0]), int(rows["Pss"].split()[0])

    def cpu_s(self):
        """Processor time used so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def at_time(when, argv):
    """The command with a clock that starts at `when`, "1970-01-02 00:00:00" or "+2d"; monotonic
    clocks stay as they are."""
    library = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
    if not library:
        raise Failure("no libfaketime: install the package faketime")
    when = when if when[0] in "+-" else f"@{when}"
    # Not by faketime(1): it forks, and a kill would reach only the parent.
    return ["env", "TZ=UTC", f"LD_PRELOAD={library[0]}", f"FAKETIME={when}",
            "FAKETIME_DONT_FAKE_MONOTONIC=1", *(str(word) for word in argv)]


def with_clock(path, argv):
    """The command with a clock that the file `path` sets, also while it runs: "@1970-01-02 00:00:00" (counted
    from its start), "+0" (right), "-1d". Monotonic clocks stay as they are."""
    words = at_time("+0", argv)
    words[words.index("FAKETIME=+0")] = f"FAKETIME_TIMESTAMP_FILE={path}"
    return [*words[:2], "FAKETIME_NO_CACHE=1", *words[2:]]


def with_kernel(path, library, argv):
    """The command of with_clock(), under a kernel that calls the clock synchronised while the file `path` says
    "synced"."""
    words = [f"{word}:{library}" if word.startswith("LD_PRELOAD=") else word for word in argv]
    return ["env", f"FRESHET_TEST_KERNEL_CLOCK={path}", *words]


def run(argv, deadline_s=30, check=True):
    """A command to its end; its stdout. A Failure with both outputs where it fails."""
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=deadline_s, check=False)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout if check else done


def print_logs(programs, limit=12000, out=sys.stderr):
    """The end of each log."""
    for program in programs:
        text = program.log()
        cut = text[-limit:]
        print(f"---- {program.name} ({program.log_path}"
              f"{', its end' if len(cut) < len(text) else ''}) ----", file=out)
        print(cut.rstrip(), file=out)
