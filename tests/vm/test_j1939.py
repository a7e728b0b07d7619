"""The agent on J1939 and CAN buses, against the kernel's own J1939 sockets and can-utils. Runs in the
guest (run_guest.sh)."""

import json
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from freshet.depot import build_folder
from freshet.process import Program, print_logs, run, wait_until

VIN = b"1M8GDM9AXKP042788"
OTHER_VIN = b"WDB9634031L123456"
ENGINE, BRAKES, RETARDER = 0x00, 0x0B, 0x0F
TOOL = 0xF9
PGN_VIN, PGN_DM1 = 65260, 65226


def raw(link):
    can = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    can.bind((link,))
    can.settimeout(5)
    return can


def frame(ident, data):
    if ident > 0x7FF:
        ident |= socket.CAN_EFF_FLAG
    return struct.pack("=IB3x8s", ident, len(data), data)


class Unit:
    """A control unit, as the kernel's J1939 speaks."""

    def __init__(self, link, source):
        self.link = link
        self.socket = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_J1939)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.bind((link, socket.J1939_NO_NAME, socket.J1939_NO_PGN, source))

    def say(self, pgn, data, to=socket.J1939_NO_ADDR):
        self.socket.sendto(data, (self.link, socket.J1939_NO_NAME, pgn, to))

    def close(self):
        self.socket.close()


class Engine(threading.Thread):
    """700 rpm, ten times a second, so that the bus is awake."""

    def __init__(self, link):
        super().__init__(daemon=True)
        self.can = raw(link)
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.can.send(frame(0x0CF00400, bytes.fromhex("ffff7de015ffffff")))
            except OSError:
                pass  # the interface is down

    def stop(self):
        self.over.set()
        self.join(5)
        self.can.close()


class Bench:
    """An agent whose broker is away, on two buses."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-"))
        self.exe = build_folder() / "bin" / "freshet-agent"
        self.conf = self.folder / "agent.conf"
        self.agent = Program("agent", [self.exe, "run", "-c", self.conf], self.folder)
        (self.folder / "state").mkdir(mode=0o700)
        bus = Path(__file__).resolve().parents[1] / "unit" / "agent" / "bus"
        self.conf.write_text(
            f"[agent]\nworkspace = demo\ngateway_id = gw-1\nstate_dir = {self.folder}/state\n"
            f"socket = {self.folder}/agent.sock\n\n[mqtt]\nhost = 127.0.0.1\nport = 9\n\n"
            "[source truck]\nkind = j1939\ndevice = can:vcan0\ndevice_id = truck-7\n"
            "requests = vin hours\n\n"
            "[source car]\nkind = can\ndevice = can:vcan1\ndevice_id = car-1\n"
            f"map = {bus}/car.conf\n", encoding="utf-8")

    def source(self, name="truck"):
        done = run([self.exe, "status", "--json", "-c", self.conf], 20, check=False)
        if done.returncode:
            return None
        return next(s for s in json.loads(done.stdout)["sources"] if s["name"] == name)

    def wait(self, what, reached, name="truck", deadline_s=20):
        def asked():
            source = self.source(name)
            return source if source and reached(source) else None
        return wait_until(asked, deadline_s, what, [self.agent], 0.1)


@pytest.fixture(scope="module")
def bench():
    bench = Bench()
    try:
        yield bench
    except BaseException:
        print_logs([bench.agent])
        raise
    finally:
        bench.agent.kill()
        shutil.rmtree(bench.folder, ignore_errors=True)


def test_an_address_that_a_stronger_name_has_is_left_to_it(bench):
    cache = bench.folder / "acd"
    owner = subprocess.Popen(["j1939acd", "-r", "249-249", "-c", str(cache), "0000000000000001",
                              "vcan0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    engine = Engine("vcan0")
    with raw("vcan0") as wire:
        try:
            deadline = time.monotonic() + 10
            while True:  # the owner's claim
                ident = struct.unpack("=I", wire.recv(16)[:4])[0]
                if ident & 0xFFFFFFF == 0x8EEFFF9:
                    break
                assert time.monotonic() < deadline
            bench.agent.start()
            engine.start()
            source = bench.wait("an address is ours", lambda s: s["address"] >= 0)
            assert source["address"] == 0x80
            assert source["asking"] == "asking"
        finally:
            owner.kill()
            owner.wait(5)
            engine.stop()


def test_two_units_broadcast_at_once(bench):
    before = bench.source()["messages"]
    engine, retarder = Unit("vcan0", ENGINE), Unit("vcan0", RETARDER)
    with raw("vcan0") as wire:
        engine.say(PGN_VIN, VIN + b"*")
        retarder.say(PGN_DM1, bytes.fromhex("00ff6e000302e1060301"))
        source = bench.wait("both are put together", lambda s: s["messages"] >= before + 2)
        assert source["broken"] == 0
        assert source["vin"] == "1M8GDM9AXKP04****"
        wire.settimeout(0.1)
        order = []
        try:
            while True:
                ident = struct.unpack("=I", wire.recv(16)[:4])[0]
                if ident >> 16 & 0xFF == 0xEB:
                    order.append(ident & 0xFF)
        except TimeoutError:
            pass
        # They were on the wire at the same time.
        assert order != sorted(order) and order != sorted(order, reverse=True), order
    engine.close()
    retarder.close()


def test_a_handshake_between_others_is_overheard(bench):
    before = bench.source()["messages"]
    engine, brakes = Unit("vcan0", ENGINE), Unit("vcan0", BRAKES)
    engine.say(0x0EF00, OTHER_VIN + b"*", BRAKES)  # proprietary A: it has a destination
    source = bench.wait("it is overheard", lambda s: s["messages"] == before + 1)
    assert source["broken"] == 0
    engine.close()
    brakes.close()


def test_a_handshake_that_is_meant_for_the_agent_is_answered(bench):
    source = bench.source()
    engine = Unit("vcan0", ENGINE)
    with raw("vcan0") as wire:
        engine.say(0x0EF00, bytes(range(30)), source["address"])
        deadline = time.monotonic() + 10
        control = []
        while not control or control[-1] != 19:  # the kernel goes on by what the agent says
            ident, data = struct.unpack("=I4x8s", wire.recv(16))
            if ident >> 16 & 0xFF == 0xEC and ident & 0xFF == source["address"]:
                control.append(data[0])
            assert time.monotonic() < deadline, control
    assert control == [17, 19]
    assert bench.source()["messages"] == source["messages"] + 1
    engine.close()


def test_what_is_asked_is_answered(bench):
    engine = Engine("vcan0")
    with raw("vcan0") as wire:
        engine.start()
        try:
            source = bench.wait("both were asked for", lambda s: s["requests"] >= 2)
            wire.send(frame(0x18FEE500, bytes.fromhex("80841e00ffffffff")))
            source = bench.wait("engine hours", lambda s: s["given"] >= source["given"] + 1)
            assert source["condition"] == "active" and source["dropped"] == 0
        finally:
            engine.stop()


def test_a_bus_is_read_by_a_dbc_file(bench):
    bench.wait("nothing was heard yet", lambda s: s["state"] == "silent", "car", 20)
    subprocess.run(["cansend", "vcan1", "380#1000040000000000"], check=True, timeout=10)
    source = bench.wait("a speed", lambda s: s["given"] == 1, "car")
    assert source["state"] == "ok" and source["frames"] == 1
    subprocess.run(["cansend", "vcan1", "381#1000040000000000"], check=True, timeout=10)
    subprocess.run(["cansend", "vcan1", "520#00A00F9CFF000000"], check=True, timeout=10)
    assert bench.wait("the pack", lambda s: s["given"] == 3, "car")["frames"] == 2


def test_a_controller_that_leaves_the_bus_is_told(bench):
    with raw("vcan1") as can:
        can.send(struct.pack("=IB3x8s", 0x20000040, 8, bytes(8)))
        source = bench.wait("off the bus", lambda s: s["reason"] == "bus_off", "car")
        assert source["condition"] == "off" and source["bus_offs"] == 1
        can.send(struct.pack("=IB3x8s", 0x20000100, 8, bytes(8)))
        can.send(frame(0x380, bytes.fromhex("1000040000000000")))
        bench.wait("on the bus again", lambda s: s["state"] == "ok", "car")


def test_an_interface_that_goes_down_and_up_is_heard_again(bench):
    subprocess.run(["ip", "link", "set", "vcan0", "down"], check=True, timeout=10)
    bench.wait("it is down", lambda s: s["reason"] == "interface_down")
    assert bench.source()["address"] == -1
    subprocess.run(["ip", "link", "set", "vcan0", "up"], check=True, timeout=10)
    engine = Engine("vcan0")
    engine.start()
    try:
        bench.wait("it is up", lambda s: s["state"] == "ok" and s["reason"] == "")
        bench.wait("it has an address", lambda s: s["address"] == TOOL)
    finally:
        engine.stop()


@pytest.mark.skipif(not (build_folder() / "bin" / "bench_can").exists(), reason="no benchmarks here")
def test_a_full_bus_is_read_without_a_loss(bench):
    assert bench.source()["state"] == "ok"  # the agent listens to the same bus meanwhile
    done = run([build_folder() / "bin" / "bench_can", "--json", "--seconds", "3", "--interface",
                "vcan0"], 60, check=False)
    print(done.stdout)
    lines = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert lines["can.dropped"]["value"] == 0 and lines["can.allocations"]["value"] == 0, done.stdout
    # How fast the guest is, without KVM, is no business of ours; but it must have been a load.
    assert lines["can.interface_rate"]["value"] > 1000, done.stdout
