"""Clocks that are wrong, set, and set back under the real agent and core: what the core then says of the
time of each reading, against the time at which the simulated vehicle gave it."""

import sqlite3
import time
from contextlib import closing
from datetime import datetime, timezone

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, build_folder
from freshet.process import free_port, with_clock, with_kernel
from freshet.records import QUALITIES, CoreHistory

ALLOWED_MS = 100
LONG_AGO = "@1970-01-02 00:00:00"
RIGHT = "+0"


def true_offset_ms():
    """True wall time of monotonic zero."""
    best = None
    for _ in range(5):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        took = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before
        if best is None or took < best[0]:
            best = took, (wall - before - took // 2) / 1e6
    return best[1]


class Clock:
    """The wall clock of one program."""

    def __init__(self, folder, name):
        self.path = folder / f"clock-{name}"
        self.kernel_path = folder / f"kernel-{name}"

    @staticmethod
    def _replace(path, text):
        fresh = path.with_suffix(".new")
        fresh.write_text(f"{text}\n", encoding="ascii")
        fresh.rename(path)

    def set(self, text):
        self._replace(self.path, text)

    def kernel_says(self, word):
        self._replace(self.kernel_path, word)

    def drive(self, program, text, kernel=None):
        self.set(text)
        program.argv = with_clock(self.path, program.argv)
        if kernel:
            self.kernel_says(kernel)
            program.argv = with_kernel(self.kernel_path, build_folder() / "tests" / "libkernel_clock.so",
                                       program.argv)


def boots(depot):
    """[(name, quality, offset in ms or None)], in the order of their first batch."""
    with closing(sqlite3.connect(f"file:{depot.core.database}?mode=ro", uri=True, timeout=10)) as db:
        return [(name, QUALITIES[quality], offset) for name, quality, offset in
                db.execute("SELECT name, held_quality, held_offset_ms FROM boot ORDER BY id")]


def errors_ms(depot):
    """Of every reading of an odometer that the core has: what it says of its time, less the truth."""
    zero = true_offset_ms()
    with closing(sqlite3.connect(f"file:{depot.core.database}?mode=ro", uri=True, timeout=10)) as db:
        offsets = dict(db.execute("SELECT e.name, o.held_offset_ms FROM epoch e JOIN boot o"
                                  " ON o.id = e.boot_id"))
    found = [offsets[epoch] - zero for _, epoch, _, record in CoreHistory(depot.core.database).records()
             if record["kind"] == "update" and "odometer_km" in record.get("vehicle_state", {})]
    assert found
    return found


def held(agent):
    return ((agent.status() or {}).get("spool") or {}).get("batches", 0)


def committed(depot):
    return len(CoreHistory(depot.core.database).batches)


def wait_drained(depot, more_than=0):
    wait_until(lambda: committed(depot) > more_than and held(depot.agent) <= 1, 30,
               "everything is in the core", depot.programs(), 0.1)


def parse_ms(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp() * 1000


def odometer(snapshot):
    return snapshot["provenance"].get("vehicle_state.odometer_km", {})


@pytest.fixture(name="depot")
def make_depot():
    """Core, simulator and an agent that is configured but not started."""
    with Depot(vehicles=2) as depot:
        depot.start_base()
        depot.clock = Clock(depot.folder, "agent")
        yield depot


def add_agent(depot, trust, clock_text, vehicles=None, kernel=None):
    agent = depot.add_agent(GATEWAY, vehicles or depot.sim.vehicles, {"period": "200 ms"},
                            {"clock": {"trust": trust}})
    depot.clock.drive(agent, clock_text, kernel)
    return agent


def go_offline(agent):
    """Its broker is a port where nobody listens."""
    real = agent.broker.port
    agent.settings["mqtt"]["port"] = free_port()
    rewrite(agent, agent.settings["mqtt"]["port"])
    return real


def rewrite(agent, port):
    broker = agent.broker
    agent.broker = type("At", (), {"port": port, "passwords": broker.passwords})()
    agent.write()
    agent.broker = broker


def test_readings_of_a_boot_in_1970_are_dated_when_the_clock_is_set(depot):
    depot.broker.stop()
    agent = add_agent(depot, "always", LONG_AGO)
    agent.start()
    wait_until(lambda: held(agent) >= 8, 20, "it records", [agent], 0.1)
    assert "the time is known" not in agent.log()
    depot.clock.set(RIGHT)
    wait_until(lambda: "the time is known by=synced" in agent.log(), 20, "the clock is trusted", [agent], 0.1)
    depot.broker.start()
    wait_drained(depot)
    (_, quality, _), = boots(depot)
    assert quality == "synced"
    assert max(abs(error) for error in errors_ms(depot)) <= ALLOWED_MS
    depot.wait_healthy()


def test_readings_of_a_boot_in_1970_are_dated_by_the_core_alone(depot):
    depot.broker.stop()
    agent = add_agent(depot, "core", LONG_AGO)
    agent.start()
    wait_until(lambda: held(agent) >= 8, 20, "it records", [agent], 0.1)
    depot.broker.start()
    depot.wait_healthy()
    wait_drained(depot)
    assert "the time is known by=core" in agent.log()
    # For the certificates of a next start in 1970.
    saved_ms = int((agent.folder / "state" / "time").read_text(encoding="ascii"))
    assert abs(saved_ms - time.time() * 1000) < 60000
    (_, quality, _), = boots(depot)
    assert quality == "core"
    assert max(abs(error) for error in errors_ms(depot)) <= ALLOWED_MS
    items = depot.core.health()
    for item in items.values():
        assert abs(parse_ms(item["observed_at"]) - time.time() * 1000) < 15000


def test_a_time_that_fake_hwclock_restored_is_not_trusted_until_the_kernel_calls_it_synchronised(depot):
    depot.broker.stop()
    agent = add_agent(depot, "kernel", "-2d", kernel="unsynced")
    agent.start()
    wait_until(lambda: held(agent) >= 4, 20, "it records", [agent], 0.1)
    depot.broker.start()
    depot.wait_healthy()
    (_, quality, _), = boots(depot)
    assert quality == "core" and "the time is known by=synced" not in agent.log()
    assert max(abs(error) for error in errors_ms(depot)) <= ALLOWED_MS
    depot.clock.set(RIGHT)
    depot.clock.kernel_says("synced")
    wait_until(lambda: boots(depot)[0][1] == "synced", 20, "the core has the better anchor",
               depot.programs(), 0.1)
    # Nothing trusted was contradicted: no new time base, and all that was committed moved with it.
    assert len(boots(depot)) == 1
    assert max(abs(error) for error in errors_ms(depot)) <= ALLOWED_MS
    # No server answers any more: what was known stays known.
    depot.clock.kernel_says("unsynced")
    depot.clock.set("-2d")
    count = committed(depot)
    wait_until(lambda: committed(depot) > count + 4, 20, "it goes on", depot.programs(), 0.1)
    assert [quality for _, quality, _ in boots(depot)] == ["synced"]
    assert max(abs(error) for error in errors_ms(depot)) <= ALLOWED_MS


def test_boots_that_never_knew_the_time_are_bounded_and_make_nothing_fresh(depot, monkeypatch):
    """The first vehicle is read in all boots, the second one only where nobody knows the time."""
    first, second = depot.sim.vehicles
    agent = add_agent(depot, "always", RIGHT, [first, second])
    only_first = [source for source in agent.sources if source[0] == first["vehicle"]]
    both, agent.sources = agent.sources, only_first
    rewrite(agent, depot.broker.port)
    monkeypatch.setenv("FRESHET_BOOT_ID", "00000000-0000-4000-8000-000000000001")
    agent.start()
    depot.wait_healthy(1)
    began_ms = time.time() * 1000
    agent.stop()

    agent.sources = both
    for boot in (2, 3):
        monkeypatch.setenv("FRESHET_BOOT_ID", f"00000000-0000-4000-8000-{boot:012d}")
        depot.clock.set(LONG_AGO)
        rewrite(agent, free_port())
        count = 6 * (boot - 1)
        agent.start()
        wait_until(lambda: held(agent) >= count, 20, "it records", [agent], 0.1)
        agent.stop()
    ended_ms = time.time() * 1000

    agent.sources = only_first
    monkeypatch.setenv("FRESHET_BOOT_ID", "00000000-0000-4000-8000-000000000004")
    depot.clock.set(RIGHT)
    rewrite(agent, depot.broker.port)
    agent.start()
    wait_drained(depot, committed(depot))
    known = {name[-1]: offset for name, _, offset in boots(depot)}
    assert known["2"] is None and known["3"] is None
    assert abs(known["4"] - true_offset_ms()) <= ALLOWED_MS

    seen = depot.core.get(f"/snapshots/{second['vehicle']}?provenance=1")
    assert seen["observed_at"] is None and seen["time_quality"] == "unsynced"
    cell = odometer(seen)
    assert cell["at"] is None and cell["time_quality"] == "unsynced"
    # The truth lies within, and what nobody saw is all that is open.
    assert began_ms - 2000 <= parse_ms(cell["not_before"]) <= parse_ms(cell["not_after"])
    assert parse_ms(cell["not_after"]) <= ended_ms + 15000
    item = depot.core.health()[f"{second['vehicle']}-obd"]
    assert item["health_state"] in ("awaiting-first-data", "configured-no-data")
    assert item["freshness_age_s"] is None
    shown = {boot["boot_id"][-1]: boot for boot in depot.core.get(f"/gateways/{GATEWAY}")["boots"]}
    assert [shown[name]["clock"] for name in "1234"] == ["synced", "none", "none", "synced"]
    assert shown["2"]["first_at"] is None
    assert began_ms - 2000 <= parse_ms(shown["2"]["not_before"]) < parse_ms(shown["3"]["not_after"])
    assert parse_ms(shown["3"]["not_after"]) <= ended_ms + 15000
    # What can be dated takes its place.
    path = f"/snapshots/{first['vehicle']}?provenance=1"
    wait_until(lambda: odometer(depot.core.get(path)).get("time_quality") == "synced", 20,
               "the first vehicle has a dated odometer", depot.programs(), 0.1)
    assert depot.core.get(path)["time_quality"] == "synced"


def test_a_wall_clock_that_is_set_back_a_day_and_right_again_leaves_no_false_time(depot):
    agent = add_agent(depot, "always", RIGHT)
    agent.start()
    depot.wait_healthy()
    depot.clock.set("-1d")
    wait_until(lambda: agent.log().count("a new time base begins") == 1, 20, "the jump is seen", [agent], 0.1)
    depot.clock.set(RIGHT)
    wait_until(lambda: agent.log().count("a new time base begins") == 2, 20, "it is seen again", [agent], 0.1)
    count = committed(depot)
    wait_until(lambda: committed(depot) > count + 4, 20, "it goes on", depot.programs(), 0.1)
    depot.wait_healthy()
    day_ms = 86400000
    for error in errors_ms(depot):
        assert abs(error) <= ALLOWED_MS or abs(error + day_ms) <= ALLOWED_MS
    assert [quality for _, quality, _ in boots(depot)] == ["synced"] * 3
    assert not depot.core.items("/gaps")


def test_a_core_whose_clock_was_hours_behind_is_right_when_it_is_set(depot):
    clock = Clock(depot.folder, "core")
    depot.core.kill()
    clock.drive(depot.core, "-5h")
    depot.core.start()
    depot.core.wait_ready()
    agent = add_agent(depot, "always", RIGHT)
    agent.start()
    wait_until(lambda: committed(depot) >= 5, 30, "it is heard", depot.programs(), 0.1)
    assert max(errors_ms(depot)) < -4 * 3600000  # too old, never too fresh
    clock.set(RIGHT)
    wait_until(lambda: max(map(abs, errors_ms(depot))) <= ALLOWED_MS, 30, "times are right again",
               depot.programs(), 0.2)
    depot.wait_healthy()


def test_a_day_in_2038_is_a_day_like_any_other(depot):
    end = 2147483647  # 2038-01-19 03:14:07, all that 32 bits can tell
    shift = f"+{end - int(time.time()) - 8}"
    core = Clock(depot.folder, "core")
    depot.core.kill()
    core.drive(depot.core, shift)
    depot.core.start()
    depot.core.wait_ready()
    agent = add_agent(depot, "always", shift)
    agent.start()
    depot.wait_healthy()
    wait_until(lambda: time.time() + int(shift) > end + 3, 20, "the second has passed", depot.programs(), 0.1)
    count = committed(depot)
    wait_until(lambda: committed(depot) > count + 4, 20, "it goes on", depot.programs(), 0.1)
    depot.wait_healthy()
    assert all(abs(error - int(shift) * 1000) <= ALLOWED_MS for error in errors_ms(depot))
    for item in depot.core.health().values():
        assert item["observed_at"].startswith("2038-01-19T03:14:")
        assert parse_ms(item["observed_at"]) > end * 1000
    saved = int((agent.folder / "state" / "time").read_text(encoding="ascii"))
    assert saved > (end - 60) * 1000
