"""A simulated GPS receiver, and the real gpsd before it."""

import json
import shutil
import socket

from .depot import GATEWAY, WORKSPACE
from .process import Program, Failure, free_port, listening, run, wait_until


class Gps(Program):
    """freshet-sim gps on a pty of its own."""

    def __init__(self, depot, name="receiver", options=()):
        self.exe = depot.bin / "freshet-sim"
        self.control = depot.folder / f"{name}.sock"
        self.folder = depot.folder / name
        super().__init__(name, [self.exe, "gps", "--dir", self.folder, "--control", self.control, "--json",
                                *options], depot.folder)
        depot.others.append(self)

    def start(self):
        """Returns when the receiver is there."""
        super().start()
        wait_until(lambda: '"device"' in self.log(), 10, "the receiver is there", [self])

    @property
    def device(self):
        return json.loads(self.log().splitlines()[-1])["device"]

    def fault(self, what):
        run([self.exe, "fault", "--control", self.control, "gps", what], 10)

    def place(self):
        """Where it is now, (latitude, longitude)."""
        truth = json.loads(run([self.exe, "tell", "--control", self.control, "gps", "truth"], 10))
        return truth["latitude"], truth["longitude"]


class Gpsd(Program):
    """The real gpsd, on a port of its own, with one receiver."""

    def __init__(self, depot, device):
        self.port = free_port()
        exe = shutil.which("gpsd", path="/usr/sbin:/usr/bin:/sbin")
        if not exe:
            raise Failure("no gpsd: install the package gpsd")
        # -N: no daemon; -n: reads also while nobody listens; -b: never writes to the receiver.
        super().__init__("gpsd", [exe, "-N", "-n", "-b", "-S", self.port,
                                  device.removeprefix("serial:")], depot.folder)
        depot.others.append(self)

    @property
    def address(self):
        return f"gpsd:127.0.0.1:{self.port}"

    def start(self):
        super().start()
        wait_until(lambda: listening(self.port), 10, "gpsd listens", [self])

    def ask(self, text):
        with socket.create_connection(("127.0.0.1", self.port), 5) as link:
            link.sendall(text.encode())
            return link.recv(65536).decode()


def add_gps(agent, name, device, device_id, **settings):
    """A section of the agent's configuration, before write()."""
    agent.sources.append((name, {"kind": "gps", "device": device, "device_id": device_id, **settings}))


def register_gps(core, device_id, vehicle, gateway=GATEWAY):
    core.cli("device", "add", WORKSPACE, device_id, "--vehicle", vehicle, "--gateway", gateway,
             "--provider", "gps")
