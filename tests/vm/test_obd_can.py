"""The agent reads vehicles over a CAN interface, by the kernel's ISO-TP and by ours. Runs in the guest
(run_guest.sh)."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from freshet.adapters import TOLERANCE, flatten, is_right
from freshet.depot import build_folder
from freshet.process import Program, print_logs, run, wait_until

INTERFACE = "vcan0"

# 11 bits; 29 bits with three units that answer everybody; extended addresses; 29 bits of one maker.
PROFILES = {"ioniq5": "hyundai-kia-egmp", "suv": "generic", "i3": "bmw-i3", "id4": "vw-meb"}


def shell(command):
    subprocess.run(["sh", "-c", command], check=True)


@pytest.fixture(params=["kernel", "own"], scope="module", name="way")
def iso_tp(request):
    """Who speaks ISO-TP."""
    if request.param == "own":
        shell("rmmod can_isotp && echo /bin/false >/proc/sys/kernel/modprobe")
    yield request.param
    if request.param == "own":
        shell("echo /sbin/modprobe >/proc/sys/kernel/modprobe")


class Bench:
    """A simulated vehicle on the interface, and an agent whose broker is away."""

    def __init__(self, kind):
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-"))
        self.control = self.folder / "sim.sock"
        self.sim_exe = build_folder() / "bin" / "freshet-sim"
        self.exe = build_folder() / "bin" / "freshet-agent"
        self.sim = Program("sim", [self.sim_exe, "can", "--interface", INTERFACE, "--vehicle", kind,
                                   "--activity", "driving", "--freeze", "--control", self.control,
                                   "--json"], self.folder)
        self.conf = self.folder / "agent.conf"
        self.agent = Program("agent", [self.exe, "run", "-c", self.conf], self.folder)
        (self.folder / "state").mkdir(mode=0o700)
        self.conf.write_text(
            f"[agent]\nworkspace = demo\ngateway_id = gw-1\nstate_dir = {self.folder}/state\n"
            f"socket = {self.folder}/agent.sock\n\n[mqtt]\nhost = 127.0.0.1\nport = 9\n\n"
            f"[source obd0]\nkind = obd\ndevice = can:{INTERFACE}\ndevice_id = bus-1-obd\n"
            f"simulated = yes\nprofile = {PROFILES[kind]}\nasleep_retry = 2 s\nperiod = 300 ms\n",
            encoding="utf-8")

    def __enter__(self):
        self.sim.start()
        wait_until(lambda: '"device":"can:' in self.sim.log(), 15, "the simulator is there",
                   [self.sim])
        return self

    def __exit__(self, kind, *_):
        for program in (self.agent, self.sim):
            program.kill()
        if kind:
            print_logs([self.sim, self.agent])
        shutil.rmtree(self.folder, ignore_errors=True)

    def tell(self, what):
        return run([self.sim_exe, "tell", "--control", self.control, "all", what], 10)

    def truth(self):
        name = json.loads(self.sim.log().splitlines()[0])["vehicle"]
        text = run([self.sim_exe, "tell", "--control", self.control, name, "truth"], 10)
        return flatten(json.loads(text))

    def probe(self):
        done = run([self.exe, "probe", "--json", "-c", self.conf], 60, check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["sources"][0]

    def source(self):
        done = run([self.exe, "status", "--json", "-c", self.conf], 20, check=False)
        return json.loads(done.stdout)["sources"][0] if done.returncode == 0 else None

    def wait_source(self, state, reason, deadline_s=40):
        def reached():
            source = self.source()
            return source and source["state"] == state and (source["reason"] or "") == reason
        wait_until(reached, deadline_s, f"the source is {state} ({reason})", [self.sim, self.agent],
                   0.2)


@pytest.mark.parametrize("kind", list(PROFILES))
def test_what_is_read_is_true(way, kind):
    with Bench(kind) as bench:
        source = bench.probe()
        truth = bench.truth()
        names = {field.split(".", 1)[1]: field for field in (*TOLERANCE, *truth)}
        read = {names.get(field, field): value
                for field, value in flatten(source["readings"]).items()}
        judged = {field: is_right(kind, field, value, truth) for field, value in read.items()}
        wrong = [(field, read[field], truth.get(field))
                 for field, right in judged.items() if right is False]
        assert source["state"] == "ok", source
        assert wrong == []
        assert sum(right is True for right in judged.values()) >= 4, read
        assert not source["vin"] or source["vin"][:13] == truth["identity.vin"][:13]
        assert truth["sim.forbidden"] == 0 and truth["sim.starved"] == 0, truth
        assert ("kernel" if way == "kernel" else "own ISO-TP") in source["adapter"]


def test_an_interface_that_is_down_is_told_and_read_again_when_it_is_up(way):
    assert way
    with Bench("ioniq5") as bench:
        bench.agent.start()
        bench.wait_source("ok", "")
        shell(f"ip link set {INTERFACE} down")
        bench.wait_source("error", "interface_down")
        shell(f"ip link set {INTERFACE} up")
        bench.wait_source("ok", "")


def test_a_vehicle_that_falls_silent_sleeps_and_is_found_again(way):
    assert way
    with Bench("ioniq5") as bench:
        bench.agent.start()
        bench.wait_source("ok", "")
        bench.tell("unplug")
        bench.wait_source("ok", "vehicle_asleep", 60)
        bench.tell("plug")
        bench.wait_source("ok", "", 60)


def test_a_probe_without_a_configuration_finds_the_profile(way):
    assert way
    with Bench("ioniq5") as bench:
        done = run([bench.exe, "probe", "--device", f"can:{INTERFACE}", "--json"], 90, check=False)
        assert '"hyundai-kia-egmp"' in done.stdout, done.stdout + done.stderr
