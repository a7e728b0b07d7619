"""The agent reads a vehicle through a Bluetooth adapter. Runs in the guest (run_guest.sh)."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from bluetooth import Adapter, Controllers
from freshet.depot import build_folder
from freshet.process import Program, print_logs, run, wait_until

CHANNEL = 1


class Bench:
    """Simulator, adapter, two controllers, and an agent whose broker is away."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-"))
        self.exe = build_folder() / "bin" / "freshet-agent"
        self.sim = Program("sim", [build_folder() / "bin" / "freshet-sim", "elm327", "--tcp", "--json"],
                           self.folder)
        self.controllers = Controllers(self.folder)
        self.conf = self.folder / "agent.conf"
        self.agent = Program("agent", [self.exe, "run", "-c", self.conf], self.folder)
        self.adapter = None
        self.device = None

    def start(self):
        self.sim.start()
        self.controllers.start()
        listed = wait_until(lambda: re.search(r'"device":"tcp:127.0.0.1:(\d+)"', self.sim.log()), 15,
                            "the simulator listens", [self.sim])
        self.adapter = Adapter(self.controllers.address["hci0"], CHANNEL, int(listed.group(1)))
        self.device = f"rfcomm:{self.controllers.address['hci0']}"
        self.write(self.device)

    def write(self, device):
        self.conf.write_text(
            f"[agent]\nworkspace = demo\ngateway_id = gw-1\nstate_dir = {self.folder}/state\n"
            f"socket = {self.folder}/agent.sock\n\n[mqtt]\nhost = 127.0.0.1\nport = 9\n\n"
            f"[source obd0]\nkind = obd\ndevice = {device}\ndevice_id = bus-1-obd\nsimulated = yes\n"
            "period = 300 ms\n", encoding="utf-8")

    def probe(self, device):
        self.write(device)
        done = run([self.exe, "probe", "--json", "-c", self.conf], 60, check=False)
        self.write(self.device)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)["sources"][0]

    def source(self):
        done = run([self.exe, "status", "--json", "-c", self.conf], 20, check=False)
        return json.loads(done.stdout)["sources"][0] if done.returncode == 0 else None

    def wait_source(self, state, reason=None, deadline_s=25):
        def reached():
            source = self.source()
            return source if source and source["state"] == state and \
                reason in (None, source["reason"]) else None
        return wait_until(reached, deadline_s, f"the source is {state} ({reason})", self.programs(),
                          0.2)

    def programs(self):
        return [self.sim, self.controllers, self.agent]


@pytest.fixture(scope="module")
def bench():
    bench = Bench()
    (bench.folder / "state").mkdir(mode=0o700)
    try:
        bench.start()
        yield bench
    except BaseException:
        print_logs(bench.programs())
        raise
    finally:
        for program in reversed(bench.programs()):
            program.kill()
        shutil.rmtree(bench.folder, ignore_errors=True)


def test_a_bluetooth_adapter_is_probed_as_any_other(bench):
    status, source = bench.probe(bench.device)
    assert status == 0, source
    assert source["state"] == "ok" and "ELM327" in source["adapter"]
    assert source["readings"]
    assert bench.adapter.connections >= 1


def test_a_technician_gets_a_section_for_it(bench):
    found = json.loads(run([bench.exe, "probe", "--json", "--device", bench.device], 60))
    assert found["suggested"] == "generic" and found["readings"]
    assert f"device = {bench.device}\n" in found["section"] and "baud" not in found["section"]


def test_what_is_wrong_with_the_link_is_named(bench):
    address = bench.controllers.address["hci0"]
    status, source = bench.probe(f"rfcomm:{address}/7")
    assert status == 1 and source["reason"] == "adapter_unreachable"
    assert "does not serve this channel" in source["detail"]
    status, source = bench.probe("rfcomm:00:11:22:33:44:55")
    assert status == 1 and source["reason"] == "adapter_unreachable"
    assert "does not answer" in source["detail"]


def test_a_link_that_is_lost_comes_back_by_itself(bench):
    bench.agent.start()
    bench.wait_source("ok")
    # The adapter ends the connection.
    before = bench.adapter.connections
    bench.adapter.drop()
    wait_until(lambda: bench.adapter.connections > before, 20, "the agent is connected again",
               bench.programs())
    bench.wait_source("ok")
    # The vehicle leaves.
    bench.controllers.leave("hci0")
    bench.wait_source("error", "adapter_unreachable")
    bench.controllers.come_back("hci0")
    answers = bench.wait_source("ok")["answers"]
    wait_until(lambda: bench.source()["answers"] > answers, 20, "values come again", bench.programs())


def test_an_adapter_that_is_in_use_says_so(bench):
    bench.wait_source("ok")
    status, source = bench.probe(bench.device)
    assert (status, source["reason"]) == (1, "adapter_busy"), source


def test_a_gateway_whose_bluetooth_is_off_says_so(bench):
    assert bench.agent.stop() == 0
    for name in ("hci0", "hci1"):
        bench.controllers.off(name)
    status, source = bench.probe(bench.device)
    assert status == 1 and source["reason"] == "adapter_unreachable"
    assert "no Bluetooth controller" in source["detail"]
