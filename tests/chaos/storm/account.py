"""Who had what: every number that a spool gave and every body in it, as the files say while no agent
has them open; what the core committed; what was lost, and whether the core says so."""

import hashlib
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from freshet import Failure
from freshet.depot import ROOT
from freshet.records import EPOCH_SHIFT, unpack

sys.path.insert(0, str(ROOT / "tests/model"))
from check_trace import Trace  # noqa: E402

NUMBERS = (1 << EPOCH_SHIFT) - 1
ALARM = 2  # of the classes sample, state, alarm, ledger
DIGEST = 16  # hexadecimal digits
SLACK_US = 2_000_000  # by which a busy machine may be late


class Copy:
    """A database at rest, opened as a copy: what looks at it must not mend it."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="freshet-floor-")
        for end in ("", "-wal"):
            if Path(f"{self.path}{end}").exists():
                shutil.copy(f"{self.path}{end}", self.folder.name)
        self.db = sqlite3.connect(Path(self.folder.name) / self.path.name)
        return self.db

    def __exit__(self, *_):
        self.db.close()
        self.folder.cleanup()


class Floor:
    """A spool's file at rest."""

    def __init__(self, path):
        self.next = {}  # epoch -> the number that the next batch gets
        self.held = {}  # (epoch, number) -> (digest, last_mono_us, class)
        with Copy(path) as db:
            if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'batch'").fetchone()[0]:
                self.read(db)

    def read(self, db):
        names = {}
        for seq, name, following in db.execute("SELECT seq, id, next FROM epoch"):
            names[seq] = name
            self.next[name] = following
        for id_, *about in db.execute("SELECT id, digest, last_mono_us, class FROM batch"):
            self.held[names[id_ >> EPOCH_SHIFT], id_ & NUMBERS] = tuple(about)


def bodies_of(path, wanted):
    """((epoch, number), records) in a spool's file at rest."""
    with Copy(path) as db:
        names = dict(db.execute("SELECT seq, id FROM epoch"))
        for id_, encoding, body in db.execute("SELECT id, encoding, body FROM batch"):
            number = (names[id_ >> EPOCH_SHIFT], id_ & NUMBERS)
            if number in wanted:
                yield number, json.loads(unpack(encoding, body))


class Readings:
    """Odometers in records, each told from every other by its value: a keyframe or a heartbeat states
    an earlier reading again, with the moment of that reading, and is no reading of its own."""

    def __init__(self):
        self.when = defaultdict(list)  # (vehicle, tenths of a km) -> moments in ms, one a reading
        self.restated = 0
        self.waiting = []

    def take(self, records):
        again = self.waiting
        self.waiting = []
        for record in records:
            value = record.get("vehicle_state", {}).get("odometer_km")
            if record.get("kind") != "update" or value is None:
                continue
            key = (record["device_id"].removesuffix("-obd"), round(value * 10))
            age_ms = record.get("age_ms", {}).get("vehicle_state.odometer_km", 0)
            if age_ms > 0 or record.get("keyframe"):
                again.append((key, record["mono_us"] // 1000 - age_ms))
            else:
                self.when[key].append(record["mono_us"] // 1000)
        for key, moment in again:
            # Ages are whole milliseconds, rounded.
            if any(abs(moment - other) <= 2 for other in self.when[key]):
                self.restated += 1
            else:
                self.when[key].append(moment)

    def twice(self):
        return [key for key, moments in self.when.items() if len(moments) > 1]


class Account:
    """Of one agent's spool and one core's database."""

    def __init__(self, agent, core, window_us):
        self.agent = agent
        self.core = core
        self.window_us = window_us
        self.made = Counter()  # epoch -> one past the largest number ever given
        self.digests = {}  # (epoch, number) -> digest, of what was seen in a spool
        self.two_bodies = []  # numbers that stood for two bodies
        self.cut_off = {}  # (epoch, number) in a young floor that went, and on no disk -> its records
        self.cut_readings = Readings()  # in them
        self.cuts = 0
        self.overdue = []  # older than the window, and not on disk although the agent ran
        self.at_once = []  # alarms and notices that were not on disk at once
        self.since_us = 0
        self.committed = Counter()  # (epoch, number, digest) -> how often it was applied
        self.last_row = 0
        self.gaps = []
        self.outcomes = {}
        self.records = 0
        self.events = []
        self.readings = Readings()

    # ---- the spool, while no agent runs ----

    def files(self):
        """(disk, young): a path each, None where there is none."""
        disk = self.agent.spool
        young = getattr(self.agent, "young", None)
        return disk if disk.exists() else None, young if young and young.exists() else None

    def started(self, now_us):
        self.since_us = now_us

    def rest(self, how, ended_us):
        """The agent has just ended, and worked until `ended_us`."""
        disk, young = (Floor(path) if path else None for path in self.files())
        for floor in (disk, young):
            for epoch, following in (floor.next.items() if floor else ()):
                self.made[epoch] = max(self.made[epoch], following)
            for number, (digest, _, _) in (floor.held.items() if floor else ()):
                if self.digests.setdefault(number, digest) != digest:
                    self.two_bodies.append(number)
        if young:
            self.at_once += [number for number, (_, _, sort) in young.held.items()
                             if sort >= ALARM and not (disk and number in disk.held)]
            self.check_window(young.held, disk.held if disk else {}, how == "term", ended_us)
        self.check_set_aside()

    def check_window(self, young, disk, orderly, ended_us):
        """What is older than the window stands on disk, after an orderly end everything does."""
        limit = ended_us - self.window_us - SLACK_US
        if orderly:
            limit = ended_us + SLACK_US
        elif self.since_us > limit:
            return  # it had not yet lived for so long
        self.overdue += [number for number, (_, mono, _) in young.items()
                         if mono < limit and number not in disk]

    def check_set_aside(self):
        folders = {path.parent for path in self.files() if path}
        found = [path for folder in folders for path in folder.glob("*.corrupt-*")]
        if found:
            raise Failure(f"a spool was set aside as corrupt: {found}")

    def lose_young(self):
        """The young floor goes: what stood on it alone is cut off."""
        disk, young = self.files()
        if not young:
            return
        self.cuts += 1
        on_disk = Floor(disk).held.keys() if disk else set()
        gone = Floor(young).held.keys() - on_disk
        for number, records in bodies_of(young, gone):
            self.cut_off[number] = len(records)
            self.cut_readings.take(records)
        for end in ("", "-wal", "-shm", "-journal"):
            Path(f"{young}{end}").unlink(missing_ok=True)

    def held_readings(self):
        """Those that no batch in the core has, but one in the spool."""
        held = Readings()
        for path in filter(None, self.files()):
            for _, records in bodies_of(path, Floor(path).held):
                held.take(records)
        return held

    # ---- the core's database ----

    def read_core(self):
        """What has been committed since the last time, for who wants to look at it: (device records,
        in the order of commit); all gaps as they stand."""
        db = sqlite3.connect(f"file:{self.core.database}?mode=ro", uri=True, timeout=10)
        rows = db.execute(
            "SELECT b.id, e.name, b.number, b.packing, b.body, b.records FROM batch b"
            " JOIN epoch e ON e.id = b.epoch_id WHERE b.id > ? ORDER BY b.id", (self.last_row,))
        fresh = []
        for row, epoch, number, packing, body, records in rows:
            self.last_row = row
            self.records += records
            digest = hashlib.sha256(body).hexdigest()[:DIGEST]
            self.committed[epoch, number, digest] += 1
            if self.digests.get((epoch, number), digest) != digest:
                self.two_bodies.append((epoch, number))
            fresh += json.loads(unpack(packing, body))
        self.gaps = db.execute(
            "SELECT e.name, p.first, p.last, p.possible FROM gap p JOIN epoch e ON e.id = p.epoch_id"
            " WHERE p.recovered_at IS NULL").fetchall()
        self.outcomes = dict(db.execute("SELECT outcome, sum(count) FROM outcome GROUP BY outcome"))
        db.close()
        self.readings.take(fresh)
        return fresh

    # ---- the judgement, while the agent is down and what it holds is known ----

    def trace(self, held):
        """The events of tests/model/check_trace.py."""
        for epoch, following in self.made.items():
            if following > 1:
                yield {"ev": "made", "epoch": epoch, "ranges": [[1, following - 1]]}
        for epoch, number in held:
            yield {"ev": "held", "epoch": epoch, "batch": number}
        for (epoch, number, _), times in self.committed.items():
            for _ in range(times):
                yield {"ev": "committed", "epoch": epoch, "batch": number}
        for epoch, first, last, possible in self.gaps:
            if possible:
                yield {"ev": "gap", "epoch": epoch, "possible": True, "from": first}
            else:
                yield {"ev": "gap", "epoch": epoch, "ranges": [[first, last]]}

    def judge(self):
        """{name: list of what was found} of the batches; keeps the trace's events in `events`."""
        held = set()
        for path in self.files():
            held |= Floor(path).held.keys() if path else set()
        trace = Trace()
        self.events = list(self.trace(held))
        for event in self.events:
            trace.take(event)
        found = trace.verdict()
        lost = {number for number, _ in found["lost"]}
        cut = {(("", epoch), number): (epoch, number) for epoch, number in self.cut_off}
        return {"lost": sorted(lost - cut.keys()),
                "cut_off": [cut[number] for number in sorted(lost & cut.keys())],
                "applied_twice": found["applied_twice"], "gaps_unreported": found["gaps_unreported"],
                "false_gaps": found["false_gaps"], "unmade": found["unmade"],
                "two_bodies": self.two_bodies, "overdue": self.overdue,
                "not durable at once": self.at_once, "held": sorted(held - {(epoch, number) for epoch, number, _ in self.committed})}
