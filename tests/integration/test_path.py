"""Four vehicles through the whole path: adapter, agent, spool, broker, core, API; and what each
program does when it is told to end."""

import json

import pytest

from freshet import Depot, wait_until
from freshet.records import CoreHistory, Spool, gateway_report

# Service 01 as ISO 15031-5 gives it: {PID: (module, field, value of the raw number)}.
FIELDS = {
    0x05: ("vehicle_state", "engine_coolant_temp_c", lambda raw: raw - 40),
    0x0C: ("vehicle_state", "engine_rpm", lambda raw: raw / 4),
    0x0D: ("vehicle_state", "speed_kmh", lambda raw: raw),
    0x2F: ("vehicle_state", "fuel_level_pct", lambda raw: raw * 100 / 255),
    0x42: ("vehicle_state", "aux_battery_v", lambda raw: raw / 1000),
    0x46: ("vehicle_state", "outside_temp_c", lambda raw: raw - 40),
    0x5B: ("battery", "state_of_charge_pct", lambda raw: raw * 100 / 255),
    0xA6: ("vehicle_state", "odometer_km", lambda raw: raw / 10),
}


@pytest.fixture(scope="module")
def depot():
    with Depot(vehicles=4) as depot:
        depot.start(source={"period": "500 ms"})
        depot.wait_healthy()
        yield depot


LENGTHS = {0x01: 4, 0x0C: 2, 0x42: 2, 0x9A: 6, 0xA6: 4,  # the others have one byte
           **{base: 4 for base in range(0, 0x100, 0x20)}}


def parameters(answer):
    """[(PID, raw number)] of an answer of service 01: several may stand in one."""
    at = 1 if answer[0] == 0x41 else len(answer)
    while at < len(answer):
        end = at + 1 + LENGTHS.get(answer[at], 1)
        yield answer[at], int.from_bytes(answer[at + 1:end], "big")
        at = end


def served_values(depot):
    """{(vehicle, module, field): set of values} that the simulator answered."""
    served = {}
    for line in depot.sim.served():
        for pid, raw in parameters(bytes.fromhex(line["answer"])):
            if pid not in FIELDS:
                continue
            module, field, value = FIELDS[pid]
            served.setdefault((line["vehicle"], module, field), set()).add(round(value(raw), 3))
    return served


def check_values(vehicle, body, served):
    """Every value of FIELDS in a snapshot or record is one that was served; how many there are."""
    found = 0
    for module, field, _ in FIELDS.values():
        value = (body.get(module) or {}).get(field)
        if value is None:
            continue
        if field == "aux_battery_v" and value == round(value, 1):
            continue  # measured by the adapter itself, at its plug
        assert round(value, 3) in served[vehicle, module, field], (vehicle, module, field, value)
        found += 1
    return found


def test_every_vehicle_is_healthy_with_the_values_that_it_served(depot):
    for vehicle in depot.sim.vehicles:
        name = vehicle["vehicle"]
        # The odometer and one more at least: kinds differ in what they have.
        wait_until(lambda: {"odometer_km", "speed_kmh", "aux_battery_v"} <= {
            key for key, value in depot.core.get(f"/snapshots/{name}")["vehicle_state"].items()
            if value is not None}, 20, f"{name} has its common values")
        snapshot = depot.core.get(f"/snapshots/{name}")
        assert check_values(name, snapshot, served_values(depot)) >= 4
        assert snapshot["vin"] == vehicle["vin"]
    served = served_values(depot)
    checked = 0
    for _, _, _, record in CoreHistory(depot.core.database).records():
        if record["kind"] == "update":
            checked += check_values(record["device_id"].removesuffix("-obd"), record, served)
    assert checked > 20


def test_the_health_report_names_vehicle_gateway_and_times(depot):
    report = depot.core.get("/health")
    assert report["workspace_id"] == "demo"
    assert report["counts"]["healthy"] == 4
    for item in report["items"]:
        assert item["gateway_id"] == "depot-1" and item["provider"] == "obd"
        assert item["vehicle_id"] + "-obd" == item["device_id"]
        assert 0 <= item["freshness_age_s"] < 30
        assert item["observed_at"] <= report["evaluated_at"]
        assert item["last_update_received_at"] and item["last_contact_at"]


def test_the_gateway_is_known_to_be_online_with_its_sources(depot):
    def reported():
        gateway, = depot.core.items("/gateways")
        return gateway if gateway["link"] == "online" and gateway["status_at"] else None
    gateway = wait_until(reported, 10, "the core has the gateway's link and report")
    assert gateway["gateway_id"] == "depot-1" and gateway["last_contact_at"]
    well = {f"{vehicle['vehicle']}-obd": "ok" for vehicle in depot.sim.vehicles}
    wait_until(lambda: well == {source["device_id"]: source["state"]
                                for source in gateway_report(depot.core.database)["sources"]}, 10,
               "every source is reported to be well")
    report = gateway_report(depot.core.database)
    assert report["clock"] == "synced"
    assert all(source["vehicle"]["profile"] == "generic" for source in report["sources"])


def test_values_change_by_themselves(depot):
    before = depot.core.health()
    wait_until(lambda: all(item["last_update_received_at"] > before[device]["last_update_received_at"]
                           for device, item in depot.core.health().items()), 20,
               "every vehicle has newer data")


def test_the_agent_tells_its_state_to_people_and_programs(depot):
    status = wait_until(depot.agent.status, 10, "the agent answers")
    text = json.dumps(status)
    for vehicle in depot.sim.vehicles:
        assert vehicle["vehicle"] in text
        # A VIN is masked wherever it might be read over a shoulder.
        assert vehicle["vin"] not in depot.agent.log()
    people = depot.agent.status_text()
    for vehicle in depot.sim.vehicles:
        assert vehicle["vehicle"] in people


def test_what_the_core_has_committed_leaves_the_spool(depot):
    def drained():
        spool = Spool(depot.agent.spool)
        return len(spool.held) <= 2 and sum(spool.next.values()) > 10
    wait_until(drained, 20, "the spool holds no more than what is under way")
    history = CoreHistory(depot.core.database)
    assert not history.gaps
    numbers = [(epoch, number) for _, epoch, number, _, _ in history.batches]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("name", ["broker", "core", "agent"])
def test_a_program_that_is_stopped_and_started_again_goes_on(depot, name):
    program = getattr(depot, name)
    assert program.stop() == 0, f"{name} ends orderly on SIGTERM"
    before = depot.core.health() if name != "core" else {}
    if name == "broker":
        program.restart()
    else:
        program.start()
    if name == "core":
        depot.core.wait_ready()
        before = depot.core.health()
        assert len(before) == 4
    wait_until(lambda: all(item["last_update_received_at"] > before[device]["last_update_received_at"]
                           for device, item in depot.core.health().items()), 30,
               f"data flows again after a restart of the {name}", depot.programs())
    assert not CoreHistory(depot.core.database).gaps


def test_an_orderly_stop_leaves_nothing_behind_and_says_so(depot):
    wait_until(lambda: depot.agent.status() is not None, 10, "the agent answers")
    assert depot.agent.stop() == 0
    spool = Spool(depot.agent.spool)
    history = CoreHistory(depot.core.database)
    committed = {(epoch, number) for _, epoch, number, _, _ in history.batches}
    for epoch, following in spool.next.items():
        for number in range(1, following):
            assert (epoch, number) in committed or (epoch, number) in spool.held
    # The core knows at once that the gateway has left, not only when data is overdue.
    wait_until(lambda: depot.core.items("/gateways")[0]["link"] == "offline", 10,
               "the gateway has said good-bye")
    assert all((item["reason"] or {}).get("code") == "gateway_offline"
               for item in depot.core.health().values())
    assert depot.core.stop() == 0
    assert depot.broker.stop() == 0
    assert depot.sim.stop() == 0
