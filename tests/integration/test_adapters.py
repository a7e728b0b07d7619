"""Every shipped profile behind adapters of every temperament: what is read, against what is true; what is
refused, and why. The table goes to adapters.txt in the build's folder, and to stdout (pytest -s)."""

import shutil
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from freshet import wait_until
from freshet.adapters import TEMPERAMENTS, Bench, fields_of, is_right
from freshet.depot import build_folder

PROBE_S = 70
ROUND_S = 20  # that the agent runs, after the probe; the slow one has not read all by then

# What no adapter without flow control, priorities and extended addresses can ask for.
BEYOND_CLONES = {
    "ioniq5": {"charger", "charger_state", "body", "climate", "cluster", "tyres"},
    "niro": {"climate", "cluster", "tyres"},
    "leaf-24": {"battery", "speed", "cluster"},
    "leaf-30": {"battery", "speed", "cluster"},
    "leaf-40": {"battery", "battery_health", "speed", "cluster"},
    "i3": {"current", "voltage", "charge", "speed", "odometer", "health", "range", "charger"},
    "id4": {"voltage", "modes", "speed", "charge", "temperature_max", "temperature_min", "odometer"},
    "mach-e": {"aux"},
    "bz4x": {"charge", "battery_charge", "speed", "odometer"},
}

ADAPTERS_FAULT = "the adapter"  # begins such a reason

# Of every electric vehicle with a profile of its own, behind an adapter that can.
ALWAYS_READ = {"battery.state_of_charge_pct", "vehicle_state.speed_kmh", "vehicle_state.aux_battery_v"}


class Result:
    """What became of one temperament."""

    def __init__(self, bench):
        self.bench = bench
        self.fields = defaultdict(set)  # vehicle -> fields that were read
        self.wrong = []
        self.strange = []  # fields of which nothing is known
        self.values = 0
        self.refused = defaultdict(dict)  # vehicle -> command -> reason
        self.counts = {}
        self.sources = {}  # vehicle -> what the agent says of its source at the end

    def truth_profile(self, vehicle):
        return self.counts[vehicle]["sim.profile"]

    def judge(self, vehicle, fields, truth, when):
        kind = self.bench.kinds[vehicle]
        for field, value in fields.items():
            if value is None:
                continue
            self.values += 1
            self.fields[vehicle].add(field)
            right = is_right(kind, field, value, truth)
            if right is None:
                self.strange.append((vehicle, field, value))
            elif not right:
                self.wrong.append((when, vehicle, field, value, truth.get(field)))

    def take_refusals(self, sources):
        for source in sources:
            for refusal in source["refused"]:
                self.refused[source["name"]][refusal["command"]] = refusal["reason"]


def settled(bench):
    """Every source of the agent has read its vehicle for a while, or will not."""
    status = bench.agent.status()
    return status and all(source["answers"] > 3 * source["values"] for source in status["sources"])


def examine(bench):
    """All drive while they are probed. While the agent runs they are charged; those that cannot be stand
    with the ignition on."""
    result = Result(bench)
    truths = bench.truths()
    sources = bench.probe(PROBE_S)
    for vehicle, source in sources.items():
        result.judge(vehicle, source["readings"], truths[vehicle], "probe: driving")
    result.take_refusals(sources.values())

    for vehicle, truth in truths.items():
        bench.tell(vehicle, "charging" if "battery.pack_voltage_v" in truth else "standing")
    truths = bench.truths()
    bench.agent.start()
    try:
        wait_until(lambda: settled(bench), ROUND_S, "all is read", [bench.agent], 0.5)
    except AssertionError:
        bench.agent.check_alive()  # what is there is judged
    status = bench.agent.status()["sources"]
    result.take_refusals(status)
    result.sources = {source["name"]: source for source in status}
    assert bench.agent.stop() == 0
    for vehicle, records in bench.records().items():
        for record in records:
            fields = {field: value for field, (value, _) in fields_of(record).items()}
            result.judge(vehicle, fields, truths[vehicle], "run: charging, standing")
    result.counts = bench.truths()
    return result


@pytest.fixture(scope="module")
def results():
    folder = Path(tempfile.mkdtemp(prefix="freshet-"))
    benches = [Bench(folder, build_folder() / "bin", temperament) for temperament in TEMPERAMENTS]
    try:
        for bench in benches:
            bench.start(bus_load="0")
        with ThreadPoolExecutor(len(benches)) as pool:
            found = {result.bench.temperament: result for result in pool.map(examine, benches)}
        text = table(found)
        (build_folder() / "adapters.txt").write_text(text, encoding="utf-8")
        print("\n" + text)
        yield found
    finally:
        for bench in benches:
            bench.kill()
        shutil.rmtree(folder, ignore_errors=True)


# ---- the table ----

def table(found):
    lines = ["Fields read of each vehicle behind each adapter (values that differed from the vehicle's: "
             f"{sum(len(result.wrong) for result in found.values())})", "",
             f"{'vehicle':<9} {'profile':<18}" + "".join(f"{name:>7}" for name in found)]
    first = next(iter(found.values()))
    profiles = {vehicle["vehicle"]: vehicle["profile"] for vehicle in first.bench.sim.vehicles}
    for vehicle, profile in profiles.items():
        lines.append(f"{first.bench.kinds[vehicle]:<9} {profile:<18}" + "".join(
            f"{len(result.fields[vehicle]):>7}" for result in found.values()))
    lines += [f"{'values compared':<28}" + "".join(f"{result.values:>7}" for result in found.values()),
              "", "Not asked for, and why:"]
    for vehicle in profiles:
        reasons = defaultdict(set)
        for name, result in found.items():
            for command, reason in result.refused[vehicle].items():
                reasons[reason, command].add(name)
        grouped = defaultdict(list)
        for (reason, command), names in sorted(reasons.items()):
            grouped[reason, tuple(name for name in found if name in names)].append(command)
        for (reason, names), commands in grouped.items():
            who = "all" if len(names) == len(found) else " ".join(names)
            lines.append(f"  {first.bench.kinds[vehicle]:<9} {who}: {', '.join(commands)}: {reason}")
    lines += ["", "What the agent says of sources that are not well:"]
    for vehicle in profiles:
        for name, result in found.items():
            source = result.sources[vehicle]
            if source["state"] != "ok" or source["reason"]:
                lines.append(f"  {first.bench.kinds[vehicle]:<9} {name}: {source['state']} "
                             f"{source['reason']}: {source['detail']}")
    return "\n".join(lines) + "\n"


# ---- what must hold ----

def each(results):
    """(result, vehicle, kind) of each combination."""
    for result in results.values():
        for vehicle, kind in result.bench.kinds.items():
            yield result, vehicle, kind


def test_no_value_differs_from_what_is_true(results):
    wrong = [(name, *one) for name, result in results.items() for one in result.wrong]
    assert not wrong, "\n".join(map(str, wrong))


def test_no_field_is_given_that_no_vehicle_has(results):
    assert not [(name, *one) for name, result in results.items() for one in result.strange]


def test_nothing_that_writes_reaches_a_vehicle(results):
    for result, vehicle, _ in each(results):
        assert result.counts[vehicle]["sim.requests"] > 0
        assert result.counts[vehicle]["sim.forbidden"] == 0


def test_no_long_answer_is_asked_for_that_cannot_be_let_through(results):
    for result, vehicle, _ in each(results):
        if result.bench.temperament != "moody":  # that one loses its settings on the way
            assert result.counts[vehicle]["sim.starved"] == 0, (result.bench.temperament, vehicle)


def test_two_good_adapters_read_the_same_and_no_other_reads_more(results):
    for result, vehicle, _ in each(results):
        best = results["stn"].fields[vehicle]
        assert result.fields[vehicle] <= best
        if result.bench.temperament == "v15":
            assert result.fields[vehicle] == best


def test_moods_and_slowness_cost_time_not_values(results):
    for name in ("moody", "slow"):
        for vehicle, fields in results[name].fields.items():
            best = results["stn"].fields[vehicle]
            assert len(fields) >= 0.75 * len(best), (name, vehicle, best - fields)


def test_charge_speed_and_the_small_battery_are_read_of_every_electric_vehicle(results):
    for result, vehicle, kind in each(results):
        if result.bench.temperament != "clone" and result.truth_profile(vehicle) != "generic":
            assert ALWAYS_READ <= result.fields[vehicle], (result.bench.temperament, kind)


def test_what_a_clone_cannot_do_is_refused_with_the_reason(results):
    clone = results["clone"]
    for vehicle, kind in clone.bench.kinds.items():
        for command in BEYOND_CLONES.get(kind, ()):
            assert clone.refused[vehicle][command].startswith(ADAPTERS_FAULT), (kind, command)


def test_no_vehicle_is_called_asleep_that_is_awake(results):
    for result, vehicle, _ in each(results):
        assert result.sources[vehicle]["reason"] not in ("vehicle_asleep", "ignition_off")
