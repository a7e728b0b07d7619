"""What snapshots must show: the merge of contract and decision D3, worked out from the history alone.

Every boot of a storm counts the same monotonic clock, so what was observed last is known without any
anchor: the record's moment less the field's age.
"""

import time
from datetime import datetime

MODULES = ("inventory", "identity", "vehicle_state", "battery", "charging", "service", "warranty",
           "software", "factory_options", "technical_specs")
AGE_MS = 2  # ages are whole milliseconds, rounded twice
DELIVERED = ("success", "partial")


def leaves(module, values):
    """(name, value) of the fields of a module, as names in age_ms have them."""
    for name, value in values.items():
        if isinstance(value, dict):
            for inner, leaf in value.items():
                yield f"{module}.{name}.{inner}", leaf
        else:
            yield f"{module}.{name}", value


class Reference:
    """{device: {field: (moment in ms, value)}}, fed with records in any order."""

    def __init__(self):
        self.fields = {}

    def take(self, records):
        for record in records:
            if record.get("kind") == "update":
                self.update(record)

    def update(self, record):
        device = self.fields.setdefault(record["device_id"], {})
        moment = record["mono_us"] / 1000
        ages = record.get("age_ms", {})
        there = {}
        for module in MODULES:
            if isinstance(record.get(module), dict):
                there.update(leaves(module, record[module]))
        for name, value in there.items():
            self.offer(device, name, moment - ages.get(name, 0), value)
        if record.get("keyframe"):
            given = {module for module, status in record["module_status"].items() if status in DELIVERED}
            for name in device:
                if name not in there and name.split(".")[0] in given:
                    self.offer(device, name, moment, None)

    @staticmethod
    def offer(device, name, moment, value):
        before = device.get(name)
        if before is None or moment > before[0]:
            device[name] = (moment, value)


def flat(snapshot):
    found = {}
    for module in MODULES:
        if isinstance(snapshot.get(module), dict):
            found.update(leaves(module, snapshot[module]))
    return found


def wall_offset_ms():
    """UTC less the monotonic clock, now."""
    return time.time() * 1000 - time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6


def compare(device, reference, snapshot, offset_ms, limit_ms):
    """(fields compared, [what is wrong]) of a vehicle with one device."""
    wrong = []
    shown = flat(snapshot)
    provenance = snapshot.get("provenance", {})
    wanted = reference.fields.get(device, {})
    for name, (moment, value) in sorted(wanted.items()):
        if shown.get(name) != value:
            wrong.append(f"{device} {name}: shown {shown.get(name)!r}, the newest is {value!r}")
            continue
        if value is None or name not in provenance:
            continue
        at = datetime.fromisoformat(provenance[name]["at"].replace("Z", "+00:00")).timestamp() * 1000
        if abs(at - moment - offset_ms) > limit_ms + AGE_MS:
            wrong.append(f"{device} {name}: shown as of {at - moment - offset_ms:+.0f} ms from the truth")
    for name, value in shown.items():
        if value is not None and name not in wanted:
            wrong.append(f"{device} {name}: shown {value!r}, no record has it")
    return len(wanted), wrong
