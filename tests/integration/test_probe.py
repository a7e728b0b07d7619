"""freshet-agent probe against adapters of the simulator: what a technician is told, and given."""

import fcntl
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from freshet import wait_until
from freshet.depot import ROOT, build_folder
from freshet.process import Program, run

PROFILES = ROOT / "provider/obd/profiles"
AGENT = build_folder() / "bin" / "freshet-agent"
DEADLINE_S = 90


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="freshet-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


class Adapter(Program):
    """One simulated adapter with a vehicle behind it."""

    def __init__(self, folder, vehicle, temperament="plain", activity="standing", options=()):
        self.control = folder / "sim.sock"
        super().__init__("sim", [build_folder() / "bin" / "freshet-sim", "elm327", "--dir", folder / "ptys",
                                 "--vehicle", vehicle, "--temperament", temperament, "--activity",
                                 activity, "--control", self.control, "--json", *options], folder)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        super().start()
        line = wait_until(lambda: next((line for line in self.log().splitlines()
                                        if line.startswith('{"vehicle"') and line.endswith("}")), None),
                          10, "the adapter is there", [self])
        self.vehicle = json.loads(line)
        self.device = self.vehicle["device"]
        return self

    def fault(self, what):
        run([self.argv[0], "fault", "--control", self.control, "all", what], 10)


def probe(device, *options):
    """(exit status, JSON)."""
    done = run([AGENT, "probe", "--json", "--device", device, *options], DEADLINE_S, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


# ---- what is found ----

def test_a_vehicle_is_known_by_its_vin_and_its_answers(folder):
    with Adapter(folder, "ioniq5", "v15", "driving") as adapter:
        status, found = probe(adapter.device)
        text = run([AGENT, "probe", "--device", adapter.device], DEADLINE_S)
    assert status == 0 and found["state"] == "ok"
    assert found["adapter"]["version"] == "ELM327 v1.5" and found["adapter"]["baud"] == 38400
    assert found["adapter"]["capabilities"]["flow_mode"] is True
    assert found["adapter"]["capabilities"]["stn"] is False
    assert found["vehicle"]["bus"].startswith("CAN 11/500")
    assert all(unit["id"] and unit["pids"] for unit in found["vehicle"]["units"])
    assert found["suggested"] == "hyundai-kia-egmp"
    family = next(item for item in found["profiles"] if item["name"] == found["suggested"])
    assert family["detect"] == "answered" and family["vin_match"] >= 3
    assert found["readings"]["battery.pack_voltage_v"] > 300
    assert found["readings"]["vehicle_state.ignition"] == "on"
    # Masked, and nowhere else whole.
    assert found["vehicle"]["vin"] == adapter.vehicle["vin"][:13] + "****"
    assert adapter.vehicle["vin"] not in json.dumps(found) + text
    assert "hyundai-kia-egmp" in text and "[source obd0]" in text


def test_a_vehicle_that_is_silent_when_everybody_is_asked_is_found_by_its_own_question(folder):
    with Adapter(folder, "leaf-40", "stn") as adapter:
        status, found = probe(adapter.device, "--show-vin")
    assert status == 0, found
    assert found["suggested"] == "nissan-leaf" and not found["vehicle"]["units"]
    assert found["vehicle"]["vin"] == adapter.vehicle["vin"]
    assert found["adapter"]["chip"].startswith("STN1110") and found["adapter"]["baud"] == 115200


def test_an_adapter_that_cannot_ask_a_family_says_why_and_reads_what_it_can(folder):
    with Adapter(folder, "i3", "clone") as adapter:
        status, found = probe(adapter.device)
    assert status == 0, found
    assert found["unreadable"] == "bmw-i3" and found["suggested"] == "generic"
    family = next(item for item in found["profiles"] if item["name"] == "bmw-i3")
    assert family["detect"] == "unreachable" and "extended addressing" in family["problem"]
    assert "vehicle_state.speed_kmh" in found["readings"]


def test_units_are_asked_for_nothing_but_what_reads(folder):
    journal = folder / "journal.jsonl"
    with Adapter(folder, "bus", options=("--journal", journal)) as adapter:
        status, found = probe(adapter.device)
    assert status == 0, found
    served = [json.loads(line)["answer"] for line in journal.read_text(encoding="ascii").splitlines()]
    assert served and all(answer[:2] in ("41", "43", "47", "49", "4A", "59", "5A", "61", "62", "7F")
                          for answer in served), served


# ---- what is written ----

def test_a_section_is_added_once_and_the_agent_takes_it(folder):
    conf = folder / "agent.conf"
    conf.write_text(f"[agent]\nworkspace = demo\ngateway_id = gw-1\nstate_dir = {folder}\n"
                    f"socket = {folder}/agent.sock\n", encoding="utf-8")
    before = conf.read_text(encoding="utf-8")
    words = ("--write", conf, "--source", "van", "--device-id", "van-7-obd")
    with Adapter(folder, "van") as adapter:
        status, found = probe(adapter.device, *words)
        assert status == 0, found
        written = conf.read_text(encoding="utf-8")
        assert written == before + "\n" + found["section"]
        assert "device_id = van-7-obd\n" in written and "profile = generic\n" in written
        assert "1 source" in run([AGENT, "check-config", "-c", conf])
        # As configured it is the same vehicle.
        done = run([AGENT, "probe", "--json", "-c", conf, "van"], DEADLINE_S)
        source = json.loads(done)["sources"][0]
        assert source["state"] == "ok" and source["readings"]
        assert "[source van] of van-7-obd" in run([AGENT, "probe", "-c", conf], DEADLINE_S)
        # Nothing is overwritten.
        done = run([AGENT, "probe", "--device", adapter.device, *words], DEADLINE_S, check=False)
        assert done.returncode == 1 and f"{conf}:7: " in done.stderr
    assert conf.read_text(encoding="utf-8") == written


# ---- what is wrong, and what to do about it ----

def expect_trouble(device, reason, to_do, *options):
    status, found = probe(device, *options)
    assert (status, found["reason"]) == (1, reason), found
    assert found["detail"] and to_do in found["to_do"], found
    assert found["vehicle"] is None and found["section"] is None
    return found


def test_a_port_without_an_adapter(folder):
    found = expect_trouble(f"serial:{folder}/nothing", "adapter_unplugged", "Plug the adapter in")
    assert found["adapter"] is None


def test_an_adapter_that_is_mute(folder):
    with Adapter(folder, "van") as adapter:
        adapter.fault("mute")
        expect_trouble(adapter.device, "source_silent", "power")


def test_a_port_that_is_in_use(folder):
    with Adapter(folder, "van") as adapter:
        with open(adapter.device.removeprefix("serial:"), "rb+", buffering=0) as port:
            fcntl.flock(port, fcntl.LOCK_EX)
            expect_trouble(adapter.device, "adapter_busy", "systemctl stop freshet-agent")


def test_a_port_without_permission(folder):
    with Adapter(folder, "van") as adapter:
        path = adapter.device.removeprefix("serial:")
        os.chmod(path, 0)
        if os.geteuid() != 0:
            expect_trouble(adapter.device, "adapter_denied", "dialout")
            return
        # Root may open everything: as nobody, with a copy that nobody may read.
        folder.chmod(0o755)
        (folder / "ptys").chmod(0o755)
        shutil.copy(AGENT, folder / "agent")
        shutil.copytree(PROFILES, folder / "profiles")
        nobody = pwd.getpwnam("nobody").pw_uid
        done = subprocess.run([folder / "agent", "probe", "--json", "--device", adapter.device,
                               "--profiles", folder / "profiles"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False,
                              cwd="/", user=nobody, extra_groups=())
        found = json.loads(done.stdout)
        assert (done.returncode, found["reason"]) == (1, "adapter_denied"), done
        assert "dialout" in found["to_do"]


def test_a_vehicle_that_sleeps(folder):
    with Adapter(folder, "van") as adapter:
        adapter.fault("asleep")
        found = expect_trouble(adapter.device, "vehicle_asleep", "Turn the ignition on")
    assert found["adapter"]["version"].startswith("ELM327")


def test_nobody_behind_a_network_address():
    expect_trouble("tcp:127.0.0.1:9", "adapter_unreachable", "network")


# ---- the command line ----

@pytest.mark.parametrize("words, said", [
    (("--device", "/dev/ttyUSB0"), "serial:/dev/NAME, tcp:ADDRESS:PORT or rfcomm:ADDRESS"),
    (("--device", "tcp:127.0.0.1:9", "--baud", "fast"), "--baud"),
    (("--device", "tcp:127.0.0.1:9", "--source", "a b"), "--source"),
    (("--device", "tcp:127.0.0.1:9", "--device-id", "events"), "--device-id"),
    (("--device", "tcp:127.0.0.1:9", "-c", "agent.conf"), "not both"),
    (("--device", "tcp:127.0.0.1:9", "obd0"), "not both"),
])
def test_a_wrong_word_is_named(words, said):
    done = run([AGENT, "probe", *words], 10, check=False)
    assert done.returncode == 2 and said in done.stderr


def test_an_option_of_probe_alone_is_refused_elsewhere():
    done = run([AGENT, "run", "--device", "tcp:127.0.0.1:9"], 10, check=False)
    assert done.returncode == 2 and "only probe" in done.stderr


def test_a_folder_without_the_profile_for_every_vehicle_is_said(folder):
    done = run([AGENT, "probe", "--device", "tcp:127.0.0.1:9", "--profiles", folder], 10, check=False)
    assert done.returncode == 2 and f"generic in: {folder}" in done.stderr


def test_profiles_that_are_not_there_are_said(folder):
    done = run([AGENT, "probe", "--device", "tcp:127.0.0.1:9", "--profiles", folder / "none"], 10,
               check=False)
    assert done.returncode == 1 and str(folder / "none") in done.stderr


def test_probe_alone_lists_what_is_plugged_in():
    done = run([AGENT, "probe"], 10, check=False)
    assert done.returncode in (0, 1) and "--device" in done.stdout
    done = run([AGENT, "probe", "--json"], 10, check=False)
    listed = json.loads(done.stdout)["adapters"]
    assert done.returncode == (0 if listed else 1)
    assert all(adapter["address"].startswith("serial:/dev/") for adapter in listed)
