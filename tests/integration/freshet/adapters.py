"""Vehicles behind adapters of every temperament: what was read, against what is true."""

import json
from collections import defaultdict

from .depot import WORKSPACE, Agent, Sim
from .process import Failure, free_port, run

TEMPERAMENTS = ("stn", "v15", "clone", "moody", "slow")

# Of every shipped profile, and more of what "generic" must cope with: an electric bus, a hybrid, a diesel
# truck; 29-bit identifiers with several control units; the K-line.
VEHICLES = ("bus", "car", "truck", "suv", "old-van", "ioniq5", "niro", "leaf-24", "leaf-30", "leaf-40",
            "i3", "id4", "zoe-40", "zoe", "bolt", "mach-e", "bz4x")

# Half a step of the coarsest scale on which a vehicle sends a field, and what rounding adds.
TOLERANCE = {
    "vehicle_state.odometer_km": 0.82,  # whole miles
    "vehicle_state.speed_kmh": 0.51,
    "vehicle_state.engine_rpm": 0.26,
    "vehicle_state.engine_coolant_temp_c": 0.51,
    "vehicle_state.fuel_level_pct": 0.2,
    "vehicle_state.aux_battery_v": 0.052,
    "vehicle_state.outside_temp_c": 0.51,
    "vehicle_state.inside_temp_c": 0.51,
    "battery.state_of_charge_pct": 0.51,
    "battery.usable_state_of_charge_pct": 0.26,
    "battery.pack_voltage_v": 0.26,
    "battery.pack_current_a": 0.13,
    "battery.pack_power_kw": 0.15,
    "battery.temperature_min_c": 0.51,
    "battery.temperature_max_c": 0.51,
    "battery.cell_min_v": 0.0101,
    "battery.cell_max_v": 0.0101,
    "battery.state_of_health_pct": 0.51,
    "battery.usable_capacity_kwh": 0.03,
    "battery.estimated_range_km": 0.51,
    "charging.charger_power_kw": 0.06,
    "charging.charger_current_a": 0.11,
    "charging.charger_voltage_v": 1,
    "vehicle_state.tyre_pressure_kpa.fl": 0.75,
    "vehicle_state.tyre_pressure_kpa.fr": 0.75,
    "vehicle_state.tyre_pressure_kpa.rl": 0.75,
    "vehicle_state.tyre_pressure_kpa.rr": 0.75,
}

# What their battery calls full is what their makers' requests give, besides what the dash shows or
# instead of it.
OWN_SOC = {"leaf-24", "leaf-30", "leaf-40", "id4", "zoe", "bz4x"}

MODULES = ("inventory", "identity", "vehicle_state", "battery", "charging", "service", "software")


def flatten(value, path=""):
    """{"vehicle_state.tyre_pressure_kpa.fl": 240.0, ...}"""
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            found.update(flatten(inner, f"{path}.{key}" if path else key))
        return found
    return {path: value}


def fields_of(record):
    """{field: (value, age in ms)} of a record."""
    ages = record.get("age_ms", {})
    fields = flatten({name: record[name] for name in MODULES if name in record})
    return {field: (value, ages.get(field, 0)) for field, value in fields.items()}


def is_right(kind, field, value, truth):
    """Is this what is true? None where the truth knows no such field."""
    expected = truth.get(field)
    if value == "unknown":
        return True
    if field == "battery.charging_state":
        return (value == "charging") == (expected == "charging")
    if expected is None:
        return None
    allowed = TOLERANCE.get(field)
    if allowed is None:
        return value == expected
    if field == "battery.state_of_charge_pct" and kind in OWN_SOC and \
            abs(value - truth["battery.bms_state_of_charge_pct"]) <= allowed:
        return True
    return abs(value - expected) <= allowed


class Bench:
    """A simulator with an adapter of one temperament for each vehicle, and an agent that reads them all."""

    def __init__(self, folder, bin_folder, temperament, vehicles=VEHICLES):
        self.temperament = temperament
        self.folder = folder / temperament
        self.folder.mkdir(mode=0o700)
        self.sim = Sim(self.folder, bin_folder, len(vehicles),
                       ["--vehicle", ",".join(vehicles), "--temperament", temperament,
                        "--activity", "driving", "--freeze"])
        self.agent = Agent(self.folder, bin_folder, temperament, NoBroker(temperament))
        self.kinds = {}  # vehicle -> what it is

    def start(self, **source):
        """The simulator, and the agent's configuration; the agent, or its probe, is the caller's to run."""
        self.sim.start()
        for vehicle in self.sim.vehicles:
            self.kinds[vehicle["vehicle"]] = vehicle["kind"]
            self.agent.add_source(vehicle, profile=vehicle["profile"], **source)
        self.agent.write()

    def kill(self):
        self.agent.kill()
        self.sim.kill()

    def tell(self, vehicle, what):
        return run([self.sim.exe, "tell", "--control", self.sim.control, vehicle, what], 10)

    def truths(self):
        """{vehicle: {field: what is true now}}, with "sim.requests" and the like."""
        return {vehicle: flatten(json.loads(self.tell(vehicle, "truth"))) for vehicle in self.kinds}

    def probe(self, deadline_s):
        """freshet-agent probe --json: {vehicle: source}, its readings flat and by whole names."""
        done = run([self.agent.exe, "probe", "--json", "-c", self.agent.conf], deadline_s, check=False)
        if not done.stdout:
            raise Failure(f"probe: status {done.returncode}\n{done.stderr}")
        truth = next(iter(self.truths().values()))
        names = {field.split(".", 1)[1]: field for field in (*TOLERANCE, *truth)}
        sources = {source["name"]: source for source in json.loads(done.stdout)["sources"]}
        for source in sources.values():
            source["readings"] = {names.get(field, field): value
                                  for field, value in flatten(source["readings"]).items()}
        return sources

    def records(self):
        """{vehicle: [record]} of the spool of an agent that was stopped."""
        found = defaultdict(list)
        for line in run([self.agent.exe, "spool", "export", "-c", self.agent.conf], 30).splitlines():
            for record in json.loads(line)["records"]:
                if record.get("kind") == "update":
                    found[record["source"]].append(record)
        return found


class NoBroker:
    """Nobody listens: everything stays in the spool."""

    def __init__(self, gateway):
        self.port = free_port()
        self.passwords = {f"{WORKSPACE}/{gateway}": "none"}
