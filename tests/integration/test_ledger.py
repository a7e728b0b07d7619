"""What the core says of losses and of gateways that are two, through a real broker, its API and its command line."""

import json
import time

import pytest

from freshet import Depot, wait_until
from freshet.depot import WORKSPACE
from freshet.gateway import Gateway, mono_us, update, utc

NAME = "g-ledger"
DEVICE = "van-ledger-obd"


@pytest.fixture(scope="module")
def depot():
    with Depot(vehicles=1, gateways=("gw-1", NAME)) as depot:
        depot.start_base()
        for name in ("gw-1", NAME):
            depot.core.cli("gateway", "add", WORKSPACE, name)
        depot.register("van-ledger", "1HGCM82633A004352", NAME)
        yield depot


@pytest.fixture
def gateway(depot):
    with Gateway(depot.broker, NAME) as gateway:
        gateway.link()
        yield gateway


def speed(value):
    return [update(DEVICE, vehicle_state={"speed_kmh": value})]


def gaps(depot, epoch, **args):
    words = "&".join(f"{key}={value}" for key, value in args.items())
    return [gap for gap in depot.core.items(f"/gaps?{words}") if gap["epoch"] == epoch]


def seconds(text):
    whole, millis = text[:-1].split(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + int(millis) / 1000


def test_a_dropped_range_has_its_times_and_its_devices(depot, gateway):
    gateway.send(speed(20.0))
    first, last = mono_us() - 40_000_000, mono_us() - 10_000_000
    wall = time.time()
    gateway.batch += 3
    missing = [gateway.batch - 2, gateway.batch]
    gateway.send([{"kind": "dropped", "epoch": gateway.epoch, "ranges": [missing], "records": 300,
                   "reason": "spool_full", "first_mono_us": first, "last_mono_us": last}],
                 **{"class": "ledger"})
    gap = wait_until(lambda: gaps(depot, gateway.epoch), 10, "the gap is listed", [depot.core])[0]
    assert [gap["first"], gap["last"]] == missing
    assert gap["records"] == 300 and gap["reason"] == "spool_full" and not gap["possible"]
    assert abs(seconds(gap["from_at"]) - (wall - 40)) < 1
    assert abs(gap["seconds"] - 30) < 0.01
    assert gap["devices"] == [DEVICE]
    assert gap["time_quality"] == "synced"
    assert gaps(depot, gateway.epoch, device=DEVICE) and not gaps(depot, gateway.epoch, gateway="gw-1")
    figures = depot.core.get("/indicators?window=1h")["gaps"]
    assert figures["count"] >= 1 and figures["records"] >= 300 and figures["seconds"] >= 29
    assert NAME in json.dumps(figures["by_gateway"]) and DEVICE in json.dumps(figures["by_device"])
    # Half of it comes after all, also after the core was killed.
    depot.core.kill()
    depot.core.start()
    depot.core.wait_ready()
    gateway.publish(gateway.payload(speed(21.0), batch=missing[0]))
    wait_until(lambda: [g["first"] for g in gaps(depot, gateway.epoch, open=1)] == [missing[0] + 1], 20,
               "the gap shrinks", [depot.core])
    assert depot.core.get("/indicators?window=1h")["gaps"]["recovered"] >= 1


def test_an_operator_dismisses_what_is_only_possible(depot, gateway):
    gateway.send(speed(30.0))
    old, gateway.epoch, gateway.batch = gateway.epoch, gateway.epoch[::-1], 0
    gateway.send([{"kind": "epoch_end", "epoch": old, "prev": None, "boot_id": gateway.boot, "held": [],
                   "end": None}], prev=old, **{"class": "ledger"})
    tail = wait_until(lambda: gaps(depot, old), 10, "the open tail is listed", [depot.core])[0]
    assert tail["possible"] and tail["last"] is None and tail["reason"] == "end_unknown"
    assert tail["from_at"] and tail["to_at"]
    listed = depot.core.cli("gaps", "list", WORKSPACE, "--gateway", NAME, "--open", "yes")
    assert old in listed and "possible" in listed and DEVICE in listed
    number = str(tail["gap_id"])
    done = depot.core.cli("gaps", "dismiss", WORKSPACE, number, "--note", "it was off")
    assert "dismissed" in done
    gap = depot.core.get(f"/gaps/{number}")
    assert gap["dismissed_by"].startswith("cli:") and gap["note"] == "it was off"
    assert not gaps(depot, old, open=1)
    assert depot.core.cli("gaps", "dismiss", WORKSPACE, number, check=False).returncode == 1
    assert depot.core.cli("gaps", "dismiss", WORKSPACE, "x", check=False).returncode == 2
    # The core goes on behind the change.
    gateway.send(speed(31.0))
    shown = depot.core.get(f"/gateways/{NAME}")["epochs"]
    assert [e["epoch"] for e in shown[:2]] == [gateway.epoch, old]
    assert shown[1]["state"] == "accounted_for"


def test_two_machines_with_one_identity_are_told_of(depot):
    lives = {}
    for turn in range(6):
        # A card and its copy: each has its own epoch and boot, and throws the other out.
        with Gateway(depot.broker, NAME) as machine:
            machine.epoch, machine.boot, machine.batch = lives.get(
                turn % 2, (machine.epoch, machine.boot, 0))
            machine.link()
            machine.send(speed(40.0 + turn))
            lives[turn % 2] = (machine.epoch, machine.boot, machine.batch)
    item = wait_until(lambda: [i for i in depot.core.items("/health?reason=duplicate_gateway")
                               if i["device_id"] == DEVICE], 10, "health says so", [depot.core])[0]
    assert NAME in item["reason"]["detail"]
    assert [g["gateway_id"] for g in depot.core.get("/issues")["gateways"]] == [NAME]
    shown = [g for g in depot.core.items("/gateways") if g["gateway_id"] == NAME][0]
    assert shown["duplicate_since"] and shown["duplicate_since"] <= utc()
    assert not [g for g in depot.core.items("/gateways")
                if g["gateway_id"] != NAME and g["duplicate_since"]]
