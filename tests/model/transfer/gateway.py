"""The agent on a gateway: two floors, batches, statements, anchors."""

import copy
import pickle
from dataclasses import dataclass, field

SOURCES = {"obd": "abc", "gps": "cd"}  # field c is measured by both
KEYFRAME_EVERY = 30
DURABILITY_WINDOW = 2
RESEND_AFTER = 6
LIVE_AGE = 3
BACKLOG_RATE = 6
ANSWER_EVERY = 10


@dataclass
class Batch:
    """An immutable batch. `uid` stands for its body (and so for its digest)."""

    epoch: str
    number: int
    uid: str
    boot: str
    made_at: int
    kind: str
    records: list


@dataclass
class Update:
    """What one source read: field -> (value, mono of the reading, true time of the reading)."""

    source: str
    mono: int
    fields: dict


@dataclass
class EpochEnd:
    """The record `epoch_end`: what a gateway says of an epoch that is over. Facts only grow: it
    may arrive late, twice, in any order."""

    epoch: str
    prev: str
    held: frozenset
    end: int  # one past the last number where it was flushed in order, else None


@dataclass
class Header:
    """Made at each send."""

    epoch: str
    prev: str
    floor: int  # the oldest batch of the epoch that is still held


@dataclass
class Message:
    """A batch as sent. The header is made at each send, the body once."""

    batch: Batch
    header: Header
    session: str
    sent_mono: int  # None where the batch's boot is not the running one
    anchor: tuple  # (offset, quality)


@dataclass
class EpochRow:
    """What the disk remembers of an epoch, also when it is over."""

    prev: str
    largest: int = 0
    end: int = None


@dataclass
class Disk:
    """The floor that survives a power cut."""

    batches: dict = field(default_factory=dict)
    epochs: dict = field(default_factory=dict)
    anchors: dict = field(default_factory=dict)
    current: str = None

    def copy(self):
        rows = {name: copy.copy(row) for name, row in self.epochs.items()}
        return Disk(dict(self.batches), rows, dict(self.anchors), self.current)


@dataclass
class Tmpfs:
    """The floor that survives kill -9 and restart, not a boot."""

    epoch: str
    largest: int = 0
    batches: dict = field(default_factory=dict)


class Gateway:
    """A boot of a gateway on a disk."""

    def __init__(self, world, disk):
        self.world = world
        self.rules = world.rules
        self.disk = disk
        self.older = []  # what a lying card may fall back to
        self.boot_tick = world.now  # true time of mono 0
        self._start_clock()
        self.boot = world.fresh("B")
        if self.lying:
            world.oracle.lying_boots.add(self.boot)
        self._save_anchor()
        self._begin_epoch(over=self.disk.current)
        self.restart()

    # -- life ------------------------------------------------------------------------------------

    def restart(self):
        """The process starts (again) on what the floors hold; its memory is empty."""
        self.last = {}
        self.reported = {}
        self.answered = {}
        self.connect()

    def connect(self):
        """A new MQTT connection: a new session, keyframes first, everything is sent again."""
        self.session = self.world.fresh("S")
        self.sent = {}
        self.keyframe_due = dict.fromkeys(SOURCES, True)
        self.keyframe_at = dict.fromkeys(SOURCES, self.world.now)

    def flush(self):
        """SIGTERM: everything to disk, and the exact end of the epoch."""
        self._store(self.tmpfs.batches)
        if "end" in self.rules:
            self.disk.epochs[self.tmpfs.epoch].end = self.tmpfs.largest + 1

    def disk_after_cut(self):
        """The disk as found after a power cut; a lying card has forgotten its last writes."""
        if self.older and self.world.happens("lie"):
            return self.world.rng.choice(self.older)
        return self.disk

    def save(self):
        """A snapshot of the whole machine: memory, tmpfs, disk."""
        kept = {k: v for k, v in self.__dict__.items() if k not in ("world", "rules", "older")}
        return pickle.dumps(kept, -1)

    def load(self, image, slept):
        """The machine wakes as it was; its monotonic clock did not count the time between."""
        self.__dict__.update(pickle.loads(image))
        self.boot_tick += slept
        if slept:  # its wall clock stands back as well, until it is set again
            self.synced, self.error = False, -slept
            self.sync_at = self.world.now + self.world.rng.randint(0, 15)
        self.connect()

    def _begin_epoch(self, over):
        """A new epoch; `over` is the one before it, as far as this disk knows."""
        if "new-epoch" not in self.rules and over:
            self.tmpfs = Tmpfs(over, self.disk.epochs[over].largest)
            return
        name = self.world.fresh("E")
        self.disk.epochs[name] = EpochRow(over)
        self.disk.current = name
        self.tmpfs = Tmpfs(name)
        if over and "push" in self.rules:
            self._make("ledger", [self.epoch_end(over)], to_disk=True)

    # -- clock -----------------------------------------------------------------------------------

    def _start_clock(self):
        world = self.world
        self.synced = not world.happens("unsync")
        self.sync_at = world.now + world.rng.randint(10, 80)
        if world.faults.get("neversync"):
            self.sync_at = float("inf")
        self.error = 0 if self.synced else world.rng.choice([-10**9, -40, 40, 200, 5000])
        self.lying = self.synced and world.happens("clocklie")
        if self.lying:
            self.error = world.rng.choice([-40, 200])

    def mono(self):
        return self.world.now - self.boot_tick

    def _save_anchor(self):
        quality = "synced" if self.synced else "none"
        self.disk.anchors[self.boot] = (self.boot_tick + self.error, quality)

    def _keep_clock(self):
        if self.synced or self.world.now < self.sync_at:
            return
        self.synced, self.error = True, 0
        offset, quality = self.disk.anchors[self.boot]
        if quality == "synced" and "time-base" in self.rules and \
                self.boot_tick != offset:
            self._new_time_base()
        self._save_anchor()

    def _new_time_base(self):
        """A trusted anchor jumped: mono lost its meaning (the machine was set back). What is read
        from now on hangs on a new base and goes into a new epoch."""
        self.boot = self.world.fresh("B")
        self.last = {}
        self.keyframe_due = dict.fromkeys(SOURCES, True)
        self._store(dict(self.tmpfs.batches))
        self.disk.epochs[self.tmpfs.epoch].largest = self.tmpfs.largest
        self._begin_epoch(over=self.tmpfs.epoch)

    # -- making ----------------------------------------------------------------------------------

    def step(self):
        self._keep_clock()
        self._sample()
        old = {key: b for key, b in self.tmpfs.batches.items()
               if self.world.now - b.made_at >= DURABILITY_WINDOW}
        self._store(old)
        self._drop()
        if self.world.faults.get("lie"):
            self.older = self.older[-8:] + [self.disk.copy()]
        if self.world.link_up:
            self._send()

    def _sample(self):
        world, mono, records = self.world, self.mono(), []
        for source, names in SOURCES.items():
            changed = {}
            for name in names:
                if world.rng.random() < 0.35:
                    value = world.values[name]
                    self.last[source, name] = (value, mono, world.now)
                    world.oracle.measured[source, name] = value
                    if self.reported.get((source, name)) != value:
                        changed[name] = self.last[source, name]
            if "keyframe" in self.rules and (
                    self.keyframe_due[source] or
                    world.now - self.keyframe_at[source] >= KEYFRAME_EVERY):
                changed = {n: self.last[source, n] for n in names if (source, n) in self.last}
                self.keyframe_due[source] = False
                self.keyframe_at[source] = world.now
            for name, reading in changed.items():
                self.reported[source, name] = reading[0]
            if changed:
                records.append(Update(source, mono, changed))
        if records:
            self._make("state" if world.rng.random() < 0.2 else "sample", records)

    def _make(self, kind, records, to_disk=False):
        """Stores a batch and gives it its number, in one transaction."""
        if "ever-given" not in self.rules:
            held = [n for e, n in self.held() if e == self.tmpfs.epoch]
            self.tmpfs.largest = max(held, default=0)
        self.tmpfs.largest += 1
        epoch, number = self.tmpfs.epoch, self.tmpfs.largest
        batch = Batch(epoch, number, self.world.fresh("U"), self.boot, self.world.now,
                      kind, records)
        self.world.oracle.made(batch)
        if to_disk:
            self._store({(epoch, number): batch})
        else:
            self.tmpfs.batches[epoch, number] = batch

    def _store(self, batches):
        """Disk first, then out of tmpfs."""
        for (epoch, number), batch in list(batches.items()):
            self.disk.batches[epoch, number] = batch
            row = self.disk.epochs[epoch]
            row.largest = max(row.largest, number)
            self.tmpfs.batches.pop((epoch, number), None)

    def _drop(self):
        """Over the cap the oldest samples go, then the oldest of the rest."""
        excess = len(self.disk.batches) - self.world.faults.get("cap", 10**9)
        if excess <= 0 or self.world.calm:
            return
        oldest = sorted(self.disk.batches, key=_age_order)
        samples = [k for k in oldest if self.disk.batches[k].kind == "sample"]
        for key in (samples or oldest)[:excess + 5]:
            self.world.oracle.destroyed.add(self.disk.batches.pop(key).uid)
        self.keyframe_due = dict.fromkeys(SOURCES, True)

    # -- sending ---------------------------------------------------------------------------------

    def held(self):
        return {**self.disk.batches, **self.tmpfs.batches}

    def _prev(self, epoch):
        return self.disk.epochs[epoch].prev if "prev" in self.rules else None

    def epoch_end(self, epoch):
        """What this gateway can say of an epoch that is over."""
        held = frozenset(n for e, n in self.held() if e == epoch)
        return EpochEnd(epoch, self._prev(epoch), held, self.disk.epochs[epoch].end)

    def _send(self):
        """Young batches first, then the backlog, oldest first and rate-limited."""
        now, held = self.world.now, self.held()
        due = [k for k in held if now - self.sent.get(k, -99) >= RESEND_AFTER]
        live = [k for k in due
                if held[k].kind == "ledger" or now - held[k].made_at <= LIVE_AGE]
        young = set(live)
        backlog = sorted((k for k in due if k not in young), key=_age_order)
        headers = {}
        for key in live + backlog[:BACKLOG_RATE]:
            batch = held[key]
            if key[0] not in headers:
                floor = min(n for e, n in held if e == key[0])
                headers[key[0]] = Header(key[0], self._prev(key[0]), floor)
            self.sent[key] = now
            self.world.network.send("core", Message(
                batch, headers[key[0]], self.session,
                self.mono() if batch.boot == self.boot else None,
                self.disk.anchors.get(batch.boot, (0, "none"))))

    def on_ack(self, ack):
        """The core has committed, or asks."""
        if "session" in self.rules and ack.session != self.session:
            return
        if "ack-anchor" in self.rules and self.disk.anchors[self.boot][1] != "synced":
            offset, quality = ack.at - self.mono(), self.disk.anchors[self.boot][1]
            if quality == "none" or offset > self.disk.anchors[self.boot][0]:
                self.disk.anchors[self.boot] = (offset, "core")
        for number in ack.committed:
            self._forget((ack.epoch, number))
        for epoch in ack.ask:
            self._answer(epoch)

    def _forget(self, key):
        self.tmpfs.batches.pop(key, None)
        self.disk.batches.pop(key, None)

    def _answer(self, epoch):
        """The core asks for an epoch: state it again, unless it is not known here."""
        now = self.world.now
        if epoch == self.tmpfs.epoch:
            return
        if epoch in self.disk.epochs and now - self.answered.get(epoch, -99) >= ANSWER_EVERY:
            self.answered[epoch] = now
            self._make("ledger", [self.epoch_end(epoch)])


def _age_order(key):
    return int(key[0][1:]), key[1]
