"""What the databases and the journal say, read from outside with SQLite alone."""

import json
import sqlite3
from collections import Counter, defaultdict

import zstandard

ODOMETER_PID = 0xA6
PID_BYTES = {0x05: 1, 0x0D: 1, ODOMETER_PID: 4}  # of values that are read beside an odometer
QUALITIES = ("none", "core", "gps", "synced")  # enum clock_quality
EPOCH_SHIFT = 40  # a spool's batch id is epoch.seq * 2^40 + number


def _open(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def unpack(packing, body):
    return zstandard.ZstdDecompressor().decompress(body, 8 << 20) if packing else body


class Spool:
    """An agent's spool: the file on disk and, beside it by a link, the one in memory. What leaves the
    young one is on disk before: so it is read first."""

    def __init__(self, path):
        self.epochs, self.next, held = {}, {}, set()
        for floor in (path.with_name("young.db"), path):
            if floor.exists():
                self._read(floor, held)
        self.held = [(self.epochs[id_ >> EPOCH_SHIFT], id_ & ((1 << EPOCH_SHIFT) - 1))
                     for id_ in sorted(held)]

    def _read(self, path, held):
        with _open(path) as db:
            db.execute("BEGIN")
            for seq, epoch, following in db.execute("SELECT seq, id, next FROM epoch"):
                self.epochs[seq] = epoch
                self.next[epoch] = max(following, self.next.get(epoch, 1))
            held.update(id_ for (id_,) in db.execute("SELECT id FROM batch"))
        db.close()


class CoreHistory:
    """The core's database."""

    def __init__(self, path):
        db = _open(path)
        self.batches = db.execute(
            "SELECT g.name, e.name, b.number, b.packing, b.body FROM batch b"
            " JOIN gateway g ON g.id = b.gateway_id JOIN epoch e ON e.id = b.epoch_id").fetchall()
        self.gaps = db.execute(
            "SELECT g.name, e.name, p.first, p.last, p.possible FROM gap p"
            " JOIN gateway g ON g.id = p.gateway_id JOIN epoch e ON e.id = p.epoch_id"
            " WHERE p.recovered_at IS NULL").fetchall()
        self.anchors = [(QUALITIES[quality], offset_ms) for quality, offset_ms in
                        db.execute("SELECT held_quality, held_offset_ms FROM boot")]
        self.outcomes = dict(db.execute("SELECT outcome, sum(count) FROM outcome GROUP BY outcome"))
        db.close()

    def records(self):
        for gateway, epoch, number, packing, body in self.batches:
            for record in json.loads(unpack(packing, body)):
                yield gateway, epoch, number, record


def gateway_report(path):
    """The newest status that the core keeps, of any gateway."""
    db = _open(path)
    (text,), = db.execute("SELECT status FROM gateway_state ORDER BY status_at DESC LIMIT 1").fetchall()
    db.close()
    return json.loads(text)


def trace(gateway, spool, history):
    """The events of tests/model/check_trace.py."""
    for epoch, following in spool.next.items():
        if following > 1:
            yield {"ev": "made", "gateway": gateway, "epoch": epoch, "ranges": [[1, following - 1]]}
    for epoch, number in spool.held:
        yield {"ev": "held", "gateway": gateway, "epoch": epoch, "batch": number}
    for of, epoch, number, _, _ in history.batches:
        yield {"ev": "committed", "gateway": of, "epoch": epoch, "batch": number}
    for of, epoch, first, last, possible in history.gaps:
        if possible:
            yield {"ev": "gap", "gateway": of, "epoch": epoch, "possible": True, "from": first}
        else:
            yield {"ev": "gap", "gateway": of, "epoch": epoch, "ranges": [[first, last]]}


def odometer_of(line):
    """The odometer that a line of the journal served, in tenths of a km; None for other answers. One
    answer may be of several PIDs, in any order."""
    answer = bytes.fromhex(line["answer"])
    at = 1
    while answer[:1] == b"\x41" and at < len(answer) and answer[at] in PID_BYTES:
        end = at + 1 + PID_BYTES[answer[at]]
        if answer[at] == ODOMETER_PID and end <= len(answer):
            return int.from_bytes(answer[at + 1:end], "big")
        at = end
    return None


def served_odometers(journal):
    """{vehicle: Counter of tenths of a km} that the simulator answered."""
    served = defaultdict(Counter)
    for line in journal:
        if odometer_of(line) is not None:
            served[line["vehicle"]][odometer_of(line)] += 1
    return served


def kept_odometers(history):
    """(readings, restated): {vehicle: Counter of tenths of a km}.

    A keyframe or a heartbeat states an earlier reading again, with the moment of that reading: such
    a record is counted apart where the reading itself is there too."""
    when, restated, readings = defaultdict(set), defaultdict(Counter), defaultdict(Counter)
    again = []
    for _, _, _, record in history.records():
        value = record.get("vehicle_state", {}).get("odometer_km")
        if record.get("kind") != "update" or value is None:
            continue
        key = (record["device_id"].removesuffix("-obd"), round(value * 10))
        age_ms = record.get("age_ms", {}).get("vehicle_state.odometer_km", 0)
        if age_ms > 0 or record.get("keyframe"):
            again.append((key, record["mono_us"] // 1000 - age_ms))
        else:
            readings[key[0]][key[1]] += 1
            when[key].add(record["mono_us"] // 1000)
    for key, mono_ms in again:
        # Ages are whole milliseconds, rounded.
        if any(abs(mono_ms - other) <= 2 for other in when[key]):
            restated[key[0]][key[1]] += 1
        else:
            readings[key[0]][key[1]] += 1
            when[key].add(mono_ms)
    return readings, restated
