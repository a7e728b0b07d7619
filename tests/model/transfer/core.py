"""The core: a database that lasts, and two processes with a cache and a lease on it."""

import pickle
from collections import Counter
from dataclasses import dataclass, field

LEASE = 6
ASK_AFTER = 10
ASK_MAX = 8
ABANDON_AFTER = 90
ASK_AGAIN = 5
ASK_PAUSE = 2
FOLD_AFTER = 20
RANK = {"none": 0, "core": 1, "synced": 2}
LONG_AGO = -10**9


def clone(thing):
    """A deep copy, in a fifth of copy.deepcopy()'s time."""
    return pickle.loads(pickle.dumps(thing, -1))


@dataclass
class Ack:
    session: str
    at: int
    epoch: str
    committed: list
    ask: list


@dataclass
class Epoch:
    """What the core knows of an epoch: the row behind `gap = lost minus committed`."""

    prev: str = None
    digests: dict = field(default_factory=dict)  # committed number -> digests of its bodies
    lost: set = field(default_factory=set)
    settled_to: int = 0  # every number up to here is committed or lost
    next: int = 1
    over: bool = False
    end: int = None
    forked: bool = False
    heard_at: int = 0  # a batch or an epoch_end of it came
    asked_at: int = None  # the core asks for it since; None: not now
    told_at: int = LONG_AGO  # it stood in an ack
    folded_at: int = None  # of what was committed before, only the numbers are known

    def learn_header(self, header, rules):
        """Below the floor nothing is held any more: what is not committed there is lost."""
        self.prev = self.prev or header.prev
        if "floor" in rules:
            self._lose(header.floor, ())

    def learn_end(self, end, rules):
        """The epoch is over; of all its numbers only those in `held` can still come."""
        self.prev = self.prev or end.prev
        self.over = True
        if end.end:
            self.end = max(self.end or 0, end.end)
        known = self.next if "cut-end" in rules else 1
        self._lose(end.end or known, end.held)

    def _lose(self, limit, held):
        for number in range(self.settled_to + 1, limit):
            if number not in held and number not in self.digests:
                self.lost.add(number)
        self._settle()

    def commit(self, number, digest, rules):
        self.digests.setdefault(number, []).append(digest)
        self.next = max(self.next, number + 1)
        if "heal" in rules:
            self.lost.discard(number)
        self._settle()

    def _settle(self):
        while self.settled_to + 1 in self.digests or self.settled_to + 1 in self.lost:
            self.settled_to += 1

    def settled(self):
        """Nothing is outstanding: every number that was given is committed or lost."""
        return self.over and self.settled_to + 1 >= (self.end or self.next)

    def reports(self, number, now, rules):
        """Whether a number that is not committed stands in a gap, `possible` ones included."""
        if number in self.lost or (self.forked and "fork" in rules):
            return True
        if self.over and self.end is None and number >= self.next:
            return True
        return "abandon" in rules and not self.settled() and self.abandoned(now)

    def heard(self, now):
        self.heard_at, self.asked_at = now, None

    def abandoned(self, now):
        """Asked for all this time, and nobody answers."""
        return self.asked_at is not None and now - self.asked_at >= ABANDON_AFTER

    def silent(self, now):
        """Whether the core may ask for it now: it is open, silent, and not given up."""
        return not (self.settled() or now - self.heard_at < ASK_AFTER or self.abandoned(now)
                    or now - self.told_at < ASK_AGAIN)

    def ask(self, now):
        self.asked_at = self.asked_at or now
        self.told_at = now

    def fold(self, now):
        """Over, accounted for (or given up) and silent: its digests go, its numbers stay."""
        if (self.settled() or self.abandoned(now)) and now - self.heard_at >= FOLD_AFTER \
                and any(self.digests.values()):
            self.digests = {number: [] for number in self.digests}
            self.folded_at = now


@dataclass
class Boot:
    """A time base and what bounds its offset to true time."""

    anchor: tuple = (0, "none")
    latest: float = float("inf")  # no later than any send allows


@dataclass
class Cell:
    """A value of one field from one source."""

    value: int
    boot: str
    mono: int
    number: int
    true_time: int
    at: int  # effective time at commit, for runs without `derive`


@dataclass
class Lease:
    term: int = 0
    owner: str = None
    expires: int = 0


@dataclass
class State:
    """What is in the database (and, as a copy, in a core's cache)."""

    epochs: dict = field(default_factory=dict)
    boots: dict = field(default_factory=dict)
    cells: dict = field(default_factory=dict)
    applied: Counter = field(default_factory=Counter)
    next_event: int = 0
    lease: Lease = field(default_factory=Lease)

    def offset(self, boot, rules):
        """True time of mono 0 of a time base, as far as it is known."""
        row = self.boots.get(boot)
        if row is None:
            return LONG_AGO
        offset, quality = row.anchor
        live = row.latest < float("inf") and "clamp" in rules
        if quality == "none":
            return row.latest if live else LONG_AGO
        return min(offset, row.latest) if live else offset

    def time(self, cell, rules):
        """A cell's effective time: derived, so that a better anchor also corrects old cells."""
        if "derive" in rules:
            return self.offset(cell.boot, rules) + cell.mono
        return cell.at

    def shown(self, name, rules):
        """The cell that the snapshot shows for a field, and its effective time."""
        best = None
        for source, cell in self.cells.get(name, {}).items():
            at = self.time(cell, rules)
            if best is None or (at, source) > best[0]:
                best = ((at, source), cell)
        return (best[1], best[0][0]) if best else (None, None)


class Cluster:
    """The database, its backups, and the cores."""

    def __init__(self, world):
        self.world = world
        self.db = State()
        self.backups = []
        self.restored_at = None
        self.cores = [Core(world, self, "X")]
        if world.faults.get("cores", 1) > 1:
            self.cores.append(Core(world, self, "Y"))

    def step(self):
        world = self.world
        if world.faults.get("dbrestore") and world.now % 15 == 0:
            self.backups = self.backups[-5:] + [clone(self.db)]
        if self.backups and world.happens("dbrestore"):
            self.db = clone(world.rng.choice(self.backups))
            self.restored_at = world.now
            if not world.faults.get("liverestore"):
                for core in self.cores:
                    core.kill(2)
        for core in self.cores:
            core.step()

    def deliver(self, message):
        """Every core that believes to be the owner is subscribed."""
        for core in self.cores:
            core.deliver(message)


class Core:
    """A core process. Its cache is a copy of the database that it believes to be true."""

    def __init__(self, world, cluster, name):
        self.world, self.cluster, self.name = world, cluster, name
        self.rules = world.rules
        self.term = None
        self.cache = None
        self.down_until = 0
        self.paused_until = 0
        self.inbox = []

    def kill(self, seconds):
        self.down_until = self.world.now + seconds
        self.term = self.cache = None
        self.inbox = []

    def owns(self):
        return self.term is not None

    def running(self):
        return self.world.now >= max(self.down_until, self.paused_until)

    def step(self):
        world = self.world
        if world.happens("corekill"):
            self.kill(world.rng.randint(1, 10))
        if self.owns() and self.running() and world.happens("pause"):
            self.paused_until = world.now + world.rng.randint(3, 25)
            self.cache = clone(self.cache)  # from here on it only knows what it knew
        if not self.running():
            return
        waiting, self.inbox = self.inbox, []
        for message in waiting:  # a zombie works before it looks at the lease
            self.receive(message)
        self._hold_lease()

    def _hold_lease(self):
        lease, now = self.cluster.db.lease, self.world.now
        if self.owns():
            if (lease.term, lease.owner) == (self.term, self.name):
                lease.expires = now + LEASE
                self._fold_all()
            else:
                self.term = self.cache = None
        elif now >= lease.expires:
            lease.term, lease.owner, lease.expires = lease.term + 1, self.name, now + LEASE
            self.term, self.cache = lease.term, self.cluster.db

    def _fold_all(self):
        """The sweep: only on what is in the database."""
        if "fold" in self.rules and self.cache is self.cluster.db:
            for row in self.cache.epochs.values():
                row.fold(self.world.now)

    def deliver(self, message):
        if not self.owns() or self.world.now < self.down_until:
            return
        if self.world.now < self.paused_until:
            self.inbox.append(message)
        else:
            self.receive(message)

    def receive(self, message):
        """One batch: judge, commit, acknowledge."""
        if not self.owns():
            return
        self.world.oracle.reached(message)
        if "ack-after-commit" not in self.rules:
            self._ack(message)
        if self.world.happens("crash"):
            return self.kill(3)  # between receipt and commit
        if not self._enter_transaction():
            return
        self._accept(self.cache, message)
        self._write_back(message)
        if self.world.happens("crash"):
            return self.kill(3)  # between commit and ack
        self._ack(message)

    def _enter_transaction(self):
        """Takes the shard's row. Every write begins so, also in the losing core."""
        db = self.cluster.db
        if "fence" in self.rules and (db.lease.term, db.lease.owner) != (self.term, self.name):
            self.term = self.cache = None
            return False
        if "next-event" in self.rules and self.cache.next_event != db.next_event:
            self.cache = db  # reload: what we knew is not what is there
        return True

    def _accept(self, state, message):
        """Applies a batch once."""
        now, batch, header = self.world.now, message.batch, message.header
        epoch = state.epochs.setdefault(batch.epoch, Epoch())
        epoch.heard(now)
        epoch.learn_header(header, self.rules)
        self._keep_row(state, header.prev, now)
        self._anchor(state, message)
        if "keep-sets" not in self.rules:
            self._prune(state, now)
        known = epoch.digests.get(batch.number)
        if known is not None and "once" in self.rules and \
                not self._is_other(epoch, known, message):
            return
        epoch.forked = epoch.forked or known is not None or \
            bool(epoch.over and epoch.end and batch.number >= epoch.end)
        epoch.commit(batch.number, batch.uid, self.rules)
        self.cluster.db.applied[batch.uid] += 1
        for record in batch.records:
            if batch.kind == "ledger":
                self._keep_row(state, record.epoch, now)
                state.epochs[record.epoch].heard(now)
                state.epochs[record.epoch].learn_end(record, self.rules)
                self._keep_row(state, record.prev, now)
            else:
                self._merge(state, batch, record)

    def _is_other(self, epoch, known, message):
        """Whether a body under a committed number is none of those that were committed."""
        if message.batch.uid in known or "digest" not in self.rules:
            return False
        if known or epoch.folded_at is None:
            return True
        # Its digest is gone: nobody can tell, so it is not applied, and may be lost.
        epoch.forked = epoch.forked or "fold-doubt" in self.rules
        return False

    @staticmethod
    def _keep_row(state, name, now):
        """An epoch that is only spoken of has a row as well: it is open, and will be asked for."""
        if name and name not in state.epochs:
            state.epochs[name] = Epoch(heard_at=now)

    def _anchor(self, state, message):
        boot = state.boots.setdefault(message.batch.boot, Boot())
        if message.sent_mono is not None:
            boot.latest = min(boot.latest, self.world.now - message.sent_mono)
        new, old = message.anchor, boot.anchor
        if (RANK[new[1]], new[0] if new[1] == "core" else 0) >= \
                (RANK[old[1]], old[0] if old[1] == "core" else 0):
            boot.anchor = new

    def _merge(self, state, batch, update):
        for name, (value, mono, true_time) in update.fields.items():
            if "age" not in self.rules:
                mono = update.mono
            cells = state.cells.setdefault(name, {})
            at = state.offset(batch.boot, self.rules) + mono
            new = Cell(value, batch.boot, mono, batch.number, true_time, at)
            old = cells.get(update.source)
            if old is None or self._newer(state, new, old):
                cells[update.source] = new
            self.world.oracle.committed_value(name, true_time)

    def _newer(self, state, new, old):
        if "derive" in self.rules and new.boot == old.boot:
            return (new.mono, new.number) > (old.mono, old.number)
        return state.time(new, self.rules) > state.time(old, self.rules)

    def _prune(self, state, now):
        for name in [n for n, row in state.epochs.items() if now - row.heard_at > 40]:
            state.epochs[name].digests = {}

    def _write_back(self, message):
        """Commits. A cache that has parted from the database overwrites the rows it touched."""
        db, cache = self.cluster.db, self.cache
        cache.next_event += 1
        if cache is db:
            return
        db.next_event = cache.next_event
        names = {message.batch.epoch, message.header.prev}
        names |= {r.epoch for r in message.batch.records if message.batch.kind == "ledger"}
        for name in names & cache.epochs.keys():
            db.epochs[name] = clone(cache.epochs[name])
        db.boots[message.batch.boot] = clone(cache.boots[message.batch.boot])
        db.cells = clone(cache.cells)

    def _ack(self, message):
        now, batch = self.world.now, message.batch
        ask = []
        if "ask" in self.rules and self.cache:
            rows = self.cache.epochs
            if all(now - row.told_at >= ASK_PAUSE for row in rows.values()):
                silent = (name for name, row in rows.items() if row.silent(now))
                ask = sorted(silent, key=lambda name: rows[name].told_at)[:ASK_MAX]
            for name in ask:
                rows[name].ask(now)
        self.world.network.send("gateway", Ack(message.session, now, batch.epoch,
                                               [batch.number], ask))
