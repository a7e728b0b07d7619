"""A stale vehicle comes with its reason, and is healthy again without a restart."""

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY

TARGET_S = 2
STALE_S = 4


@pytest.fixture(scope="module")
def depot():
    with Depot(vehicles=3) as depot:
        depot.start_base(policy={"freshness_target_s": TARGET_S, "stale_threshold_s": STALE_S})
        depot.add_agent(GATEWAY, depot.sim.vehicles,
                        {"period": "300 ms", "timeout": "1 s", "asleep_retry": "1 s",
                         "voltage_period": "1 s", "wake_budget": "10000"},
                        {"batch": {"heartbeat": "500 ms"}, "mqtt": {"status_interval": "1 s"}}).start()
        depot.wait_healthy()
        yield depot


def of(depot, number):
    return depot.sim.vehicles[number]["vehicle"], f"{depot.sim.vehicles[number]['vehicle']}-obd"


def wait_state(depot, device, state, reason=None, deadline_s=20):
    """Waits; returns the item."""
    def reached():
        item = depot.core.health()[device]
        code = (item["reason"] or {}).get("code")
        return item if item["health_state"] == state and reason in (None, code) else None
    return wait_until(reached, deadline_s, f"{device} is {state} ({reason})", depot.programs(), 0.05)


def others_are_healthy(depot, device):
    return all(item["health_state"] == "healthy" for name, item in depot.core.health().items()
               if name != device)


def test_a_pulled_adapter_is_delayed_then_stale_and_healthy_when_it_is_back(depot):
    vehicle, device = of(depot, 0)
    depot.sim.fault(vehicle, "unplug")
    delayed = wait_state(depot, device, "delayed")
    assert TARGET_S < delayed["freshness_age_s"] <= STALE_S
    stale = wait_state(depot, device, "stale", "adapter_unplugged")
    assert stale["freshness_age_s"] > STALE_S
    assert stale["reason"]["since"] and stale["reason"]["detail"]
    assert others_are_healthy(depot, device)
    pid = depot.agent.pid
    depot.sim.fault(vehicle, "plug")
    back = wait_state(depot, device, "healthy")
    assert back["freshness_age_s"] <= TARGET_S
    assert depot.agent.pid == pid and depot.agent.running()


def test_an_adapter_that_says_nothing_is_silent(depot):
    vehicle, device = of(depot, 1)
    depot.sim.fault(vehicle, "mute")
    wait_state(depot, device, "stale", "source_silent")
    assert others_are_healthy(depot, device)
    depot.sim.fault(vehicle, "none")
    wait_state(depot, device, "healthy")


@pytest.mark.parametrize("fault", ["silence", "asleep"])
def test_a_vehicle_that_does_not_answer_is_parked_not_lost(depot, fault):
    """No control unit answers while the adapter does: that is a measurement, and fresh as one."""
    vehicle, device = of(depot, 2)
    depot.sim.fault(vehicle, fault)

    def says_so():
        item = depot.core.health()[device]
        return (item["reason"] or {}).get("code") == "vehicle_asleep"
    wait_until(says_so, 20, "the reason is that the vehicle sleeps", depot.programs(), 0.05)
    since = depot.core.health()[device]["last_update_received_at"]
    wait_until(lambda: depot.core.health()[device]["last_update_received_at"] > since, 10,
               "it goes on being measured", depot.programs())
    assert depot.core.health()[device]["health_state"] == "healthy"
    depot.sim.fault(vehicle, "none")

    def awake():
        item = depot.core.health()[device]
        return item["health_state"] == "healthy" and not item["reason"]
    wait_until(awake, 20, "the vehicle is awake", depot.programs(), 0.05)


def test_a_gateway_that_dies_is_the_reason_of_all_its_vehicles(depot):
    depot.agent.kill()
    devices = [of(depot, number)[1] for number in range(3)]
    for device in devices:
        wait_state_without_agent(depot, device, "stale", "gateway_offline")
    depot.agent.start()
    for device in devices:
        wait_state(depot, device, "healthy")


def wait_state_without_agent(depot, device, state, reason):
    def reached():
        item = depot.core.health()[device]
        return item["health_state"] == state and (item["reason"] or {}).get("code") == reason
    wait_until(reached, 20, f"{device} is {state} ({reason})", [depot.core, depot.broker], 0.05)
