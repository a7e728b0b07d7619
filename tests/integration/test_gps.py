"""Where a vehicle is: receivers, gpsd, agent, core together; and the time that they tell."""

import time
from datetime import datetime, timezone

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY
from freshet.gps import Gps, Gpsd, add_gps, register_gps
from freshet.process import at_time
from freshet.records import CoreHistory, gateway_report

FAST = {"period": "500 ms", "simulated": "yes"}


@pytest.fixture(scope="module")
def depot():
    """One vehicle with an adapter and two receivers: a bare one, and one behind gpsd."""
    with Depot(vehicles=1) as depot:
        depot.start_base()
        depot.bare = Gps(depot, "bare", ["--interval-ms", "500"])
        depot.bare.start()
        depot.behind = Gps(depot, "behind")
        depot.behind.start()
        depot.gpsd = Gpsd(depot, depot.behind.device)
        depot.gpsd.start()
        vehicle, = depot.sim.vehicles
        depot.name = vehicle["vehicle"]
        agent = depot.add_agent(GATEWAY, [vehicle], {"period": "500 ms"})
        register_gps(depot.core, f"{depot.name}-gps", depot.name)
        depot.core.cli("vehicle", "add", "demo", "other")
        register_gps(depot.core, "other-gps", "other")
        add_gps(agent, "bare", depot.bare.device, f"{depot.name}-gps", **FAST)
        add_gps(agent, "gpsd", depot.gpsd.address, "other-gps", **FAST)
        agent.settings["batch"] = {"heartbeat": "500 ms"}
        agent.settings["mqtt"]["status_interval"] = "1 s"
        agent.write()
        agent.start()
        yield depot


def location(depot, name):
    return (depot.core.get(f"/snapshots/{name}").get("vehicle_state") or {}).get("location") or {}


def is_near(place, receiver, metres=100):
    """Its place a moment ago: it drives 12 m/s."""
    latitude, longitude = receiver.place()
    return (abs(place["latitude"] - latitude) * 111320 < metres
            and abs(place["longitude"] - longitude) * 73000 < metres)


def reported(depot):
    """What the core has last heard from the gateway; {} before."""
    try:
        return gateway_report(depot.core.database)
    except (TypeError, ValueError):
        return {}


def source(depot, name):
    return next((one for one in reported(depot).get("sources", []) if one["name"] == name), {})


def wait_source(depot, name, state, reason=""):
    wait_until(lambda: (source(depot, name).get("state"), source(depot, name).get("reason") or "") ==
               (state, reason), 45, f"source {name} is {state} {reason}", [depot.agent], 0.1)


def test_a_location_joins_the_vehicle_beside_what_its_adapter_reads(depot):
    depot.wait_healthy(3)
    place = wait_until(lambda: location(depot, depot.name).get("status") == "available"
                       and location(depot, depot.name), 20, "the vehicle has a location")
    assert is_near(place, depot.bare)
    assert place["accuracy_m"] == 4.5 and place["altitude_m"] == 62.4
    state = depot.core.get(f"/snapshots/{depot.name}")["vehicle_state"]
    assert state["odometer_km"] is not None and state["speed_kmh"] is not None
    provenance = depot.core.get(f"/snapshots/{depot.name}?provenance=1")
    text = str(provenance)
    assert f"{depot.name}-gps" in text and f"{depot.name}-obd" in text


def test_a_moving_receiver_moves(depot):
    before = location(depot, depot.name)
    wait_until(lambda: abs(location(depot, depot.name)["latitude"] - before["latitude"])
               + abs(location(depot, depot.name)["longitude"] - before["longitude"]) > 0.0003, 30,
               "it has moved some 30 m")
    assert is_near(location(depot, depot.name), depot.bare)


def test_gpsd_tells_the_place_of_its_receiver(depot):
    place = wait_until(lambda: location(depot, "other").get("status") == "available"
                       and location(depot, "other"), 40, "the vehicle behind gpsd has a location",
                       depot.programs())
    assert is_near(place, depot.behind, 200)
    wait_source(depot, "gpsd", "ok")


def test_gpsd_that_ends_and_comes_back_is_found_again(depot):
    depot.gpsd.kill()
    wait_source(depot, "gpsd", "error", "adapter_unreachable")
    depot.gpsd.start()
    wait_source(depot, "gpsd", "ok")


def test_a_receiver_that_is_pulled_is_named_and_found_again(depot):
    depot.bare.fault("unplug")
    wait_source(depot, "bare", "error", "adapter_unplugged")
    depot.bare.fault("plug")
    wait_source(depot, "bare", "ok")


@pytest.mark.parametrize("fault", ["silence", "garbage", "cut", "repeat"])
def test_a_receiver_that_tells_nothing_new_is_silent_and_its_place_gets_old(depot, fault):
    depot.bare.fault(fault)
    wait_source(depot, "bare", "silent", "source_silent")
    # It is restated every half second while it is known.
    assert depot.core.health()[f"{depot.name}-gps"]["freshness_age_s"] >= 5
    depot.bare.fault("none")
    wait_source(depot, "bare", "ok")


def test_a_receiver_without_a_view_of_the_sky_says_so(depot):
    depot.bare.fault("no-fix")
    wait_source(depot, "bare", "ok", "no_fix")
    wait_until(lambda: location(depot, depot.name)["status"] == "no_fix", 40, "the location is not known")
    assert location(depot, depot.name)["latitude"] is None
    depot.bare.fault("none")
    wait_until(lambda: location(depot, depot.name)["status"] == "available", 20, "it is known again")


def test_the_daemons_own_status_tells_of_the_receivers(depot):
    sources = {one["name"]: one for one in depot.agent.status()["sources"]}
    assert sources["bare"]["fix"] and sources["bare"]["satellites"] == 9
    assert sources["bare"]["fixes"] > 5 and "baud" in sources["bare"]["protocol"]
    assert sources["gpsd"]["protocol"].startswith("gpsd 3")


@pytest.mark.parametrize("fault", ["none", "rollover", "jump"])
def test_a_board_without_a_clock_gets_the_time_from_gps(fault):
    """It boots in 1970, reads, and its records are dated when the receiver has a fix."""
    with Depot(vehicles=1) as depot:
        depot.start_base()
        receiver = Gps(depot, options=["--interval-ms", "500"])
        receiver.start()
        receiver.fault("no-fix")
        depot.core.cli("vehicle", "add", "demo", "bus")
        agent = depot.add_agent(GATEWAY, depot.sim.vehicles, {"period": "500 ms"},
                                {"clock": {"trust": "gps"}})
        register_gps(depot.core, "bus-gps", "bus")
        add_gps(agent, "gps0", receiver.device, "bus-gps", period="500 ms")
        agent.write()
        agent.argv = at_time("1970-01-02 00:00:00", agent.argv)
        agent.start()
        wait_until(lambda: "state=ok reason=no_fix" in agent.log(), 20, "the receiver is heard",
                   depot.programs())
        depot.wait_healthy(1)
        (quality, _), = CoreHistory(depot.core.database).anchors
        assert quality in ("none", "core")
        receiver.fault(fault)
        wait_until(lambda: reported(depot).get("clock") == "gps", 30,
                   "the gateway has its time from GPS", depot.programs(), 0.1)
        item = wait_until(lambda: depot.core.health()["bus-gps"]["observed_at"]
                          and depot.core.health()["bus-gps"], 20, "a position arrives")
        seen = datetime.fromisoformat(item["observed_at"].replace("Z", "+00:00"))
        age = (datetime.now(timezone.utc) - seen).total_seconds()
        assert -1 < age < 20
        (quality, offset_ms), = CoreHistory(depot.core.database).anchors
        assert quality == "gps"
        # The simulator's clock is this machine's, and so is the agent's monotonic one.
        true_ms = time.time() * 1000 - time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
        assert abs(offset_ms - true_ms) < 1000
