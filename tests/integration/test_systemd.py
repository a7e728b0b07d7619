"""The units in cross/systemd, and what the programs tell systemd: a socket of the test's own listens
in its place."""

import re
import socket

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, ROOT, build_folder
from freshet.process import run

UNITS = ROOT / "cross/systemd"
EXPOSURE_MAX = 25  # tenths; 100 is a service without any confinement


def settings(program):
    """{key: [values]} of a unit."""
    found = {}
    for line in (UNITS / f"freshet-{program}.service").read_text(encoding="utf-8").splitlines():
        if re.match(r"\w+=", line):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("program", ["agent", "core"])
def test_the_unit_is_right_and_confines_the_program(program, tmp_path):
    text = (UNITS / f"freshet-{program}.service").read_text(encoding="utf-8")
    # The programs and the documentation are not installed here.
    text = text.replace("/usr/bin/freshet-", f"{build_folder()}/bin/freshet-")
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
    unit = tmp_path / f"freshet-{program}.service"
    unit.write_text(text, encoding="utf-8")
    done = run(["systemd-analyze", "verify", unit], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    run(["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", unit])


def test_the_agent_may_read_the_kernels_verdict_on_the_clock_and_open_adapters():
    unit = settings("agent")
    # Each of these closes /dev to adapters that are plugged in later; ProtectClock= by the list of
    # devices that it implies. It also forbids adjtimex(), also for reading.
    assert not {"ProtectClock", "PrivateDevices", "DeviceAllow", "DevicePolicy"} & set(unit)
    allowed = " ".join(unit["SystemCallFilter"]).split()
    assert {"adjtimex", "clock_adjtime", "clock_adjtime64"} <= set(allowed)
    assert unit["CapabilityBoundingSet"] == [""]  # so nobody sets the clock


class Listener:
    """What stands behind NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def count(self, word):
        try:
            while True:
                self.heard += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            pass
        return sum(line.startswith(word) for line in self.heard)

    def wait(self, word, count=1):
        wait_until(lambda: self.count(word) >= count, 15, f"{count} times {word}")


def under_systemd(program, listener, watchdog_ms):
    program.argv = ["env", f"NOTIFY_SOCKET={listener.path}", f"WATCHDOG_USEC={watchdog_ms * 1000}",
                    *program.argv]


def check_life(program, listener):
    listener.wait("READY=1")
    listener.wait("STATUS=")
    listener.wait("WATCHDOG=1", 3)
    assert listener.count("STOPPING=1") == 0
    assert program.stop() == 0
    assert listener.count("STOPPING=1") == 1 and listener.count("READY=1") == 1


def test_the_agent_tells_systemd_of_its_life():
    with Depot(vehicles=0) as depot:
        depot.broker.start()
        listener = Listener(depot.folder / "notify.sock")
        agent = depot.add_agent(GATEWAY, [], register=False)
        under_systemd(agent, listener, 1000)
        agent.start()
        check_life(agent, listener)


def test_the_core_tells_systemd_of_its_life():
    with Depot(vehicles=0) as depot:
        listener = Listener(depot.folder / "notify.sock")
        under_systemd(depot.core, listener, 1000)
        depot.start_base()
        check_life(depot.core, listener)
