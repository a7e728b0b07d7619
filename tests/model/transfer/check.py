"""The judge: knows the truth and says what went wrong."""

from collections import Counter, defaultdict

from .gateway import KEYFRAME_EVERY, RESEND_AFTER

MAX_DELAY = 12
SLACK = MAX_DELAY + 2 * RESEND_AFTER  # transport and one resend
WRONG_LIMIT = KEYFRAME_EVERY + SLACK

# What no run may show.
VIOLATIONS = ("lost_unreported", "lost_needlessly", "applied_twice", "false_gap", "stuck",
              "wrong_too_long", "misordered_too_long", "fresher_than_true")
LOSSY = {"cap", "cut", "vmload", "dbrestore"}  # faults that may cost a batch


def judge(made, applied, held, in_gap):
    """Judges a trace: {uid: [(epoch, number)...]}, {uid: times}, {uid}, in_gap(epoch, number).

    Returns (lost, unreported, twice): uids lost; of these, those that no gap tells of; uids that
    were applied more than once.
    """
    lost = [u for u in made if not applied.get(u) and u not in held]
    unreported = [u for u in lost if not any(in_gap(e, n) for e, n in made[u])]
    twice = [u for u, times in applied.items() if times > 1]
    return lost, unreported, twice


class Oracle:
    """Watches a world from outside."""

    def __init__(self, world):
        self.world = world
        self.measured = {}  # (source, field) -> value last read
        self.current_at = defaultdict(dict)  # field -> {value: tick when some source last had it}
        self.numbers = defaultdict(list)  # uid -> numbers that its body had
        self.bodies = Counter()  # (epoch, number) -> bodies that were given it
        self.newest = {}  # field -> true time of the newest committed value
        self.wrong = Counter()
        self.misordered = Counter()
        self.longest = Counter()
        self.fresher = Counter()
        self.set_back = False  # a machine snapshot was restored
        self.destroyed = set()  # bodies that a drop, a power cut or a set-back took away
        self.heard = set()  # bodies that reached a core alive
        self.heard_epochs = set()
        self.lying_boots = set()  # their clocks say that they are right, and are not
        self.online_since = 0
        self.example = {}

    def made(self, batch):
        self.numbers[batch.uid].append((batch.epoch, batch.number))
        self.bodies[batch.epoch, batch.number] += 1

    def reached(self, message):
        self.heard.add(message.batch.uid)
        self.heard_epochs |= {message.batch.epoch, message.header.prev}

    def destroy(self, before, after):
        """Notes what a gateway held and holds no more."""
        kept = {b.uid for b in after.values()}
        self.destroyed |= {b.uid for b in before.values()} - kept

    def committed_value(self, name, true_time):
        self.newest[name] = max(self.newest.get(name, 0), true_time)

    def look(self):
        """Looks at the snapshot that the database would show now."""
        world, db = self.world, self.world.cluster.db
        if not world.link_up or not any(c.owns() and c.running() for c in world.cluster.cores):
            self.wrong.clear()
            self.misordered.clear()
        if world.cluster.restored_at == world.now:
            self.newest = {n: max((c.true_time for c in cells.values()), default=0)
                           for n, cells in db.cells.items()}
            self.wrong.clear()
            self.misordered.clear()
        for (source, name), value in self.measured.items():
            self.current_at[name][value] = world.now
        for name in db.cells:
            self._look_at(name, *db.shown(name, world.rules))

    def _look_at(self, name, cell, at):
        now = self.world.now
        right = now - self.current_at[name].get(cell.value, -10**9) <= SLACK
        self._count(self.wrong, "wrong", name, not right)
        self._count(self.misordered, "misordered", name, cell.true_time < self.newest[name])
        ahead = at - cell.true_time
        trusted = (self.world.cluster.db.boots[cell.boot].anchor[1] == "synced" and
                   cell.boot not in self.lying_boots)
        allowed = 0 if trusted else MAX_DELAY
        kind = "fresher_trusted" if trusted else "fresher_untrusted"
        self.longest[kind] = max(self.longest[kind], ahead)
        if ahead > allowed:
            self.fresher[name] += 1
            self.example.setdefault("fresher_than_true", (now, name, cell, at))

    def _count(self, running, kind, name, bad):
        running[name] = running[name] + 1 if bad else 0
        if running[name] > self.longest[kind]:
            self.longest[kind] = running[name]
            if running[name] > WRONG_LIMIT:
                self.example.setdefault(kind, (self.world.now, name, running[name]))

    def verdict(self):
        """Counts at the end of a run. Keys in VIOLATIONS must be 0."""
        world, db, rules = self.world, self.world.cluster.db, self.world.rules
        held = {}
        for gateway in world.gateways:
            held.update({b.uid: b for b in gateway.held().values()})

        def in_gap(epoch, number):
            row = db.epochs.get(epoch)
            return bool(row) and row.reports(number, world.now, rules)

        lost, unreported, twice = judge(self.numbers, db.applied, held, in_gap)
        beyond = {u for u in unreported if self._beyond_telling(u)}
        unreported = [u for u in unreported if u not in beyond]
        given = {key for keys in self.numbers.values() for key in keys}
        committed = {(e, n) for e, row in db.epochs.items() for n in row.digests}
        false = [(e, n) for e, row in db.epochs.items() for n in row.lost
                 if (e, n) in committed or (e, n) not in given]
        stuck = [u for u, b in held.items() if not db.applied[u] and world.now - b.made_at > 60]
        found = {"lost_unreported": unreported, "applied_twice": twice, "false_gap": false,
                 "stuck": stuck}
        result = Counter({key: len(items) for key, items in found.items()})
        for key, items in found.items():
            if items:
                self.example[key] = (items[0], self.numbers.get(items[0]))
        result["wrong_too_long"] = int(self.longest["wrong"] > WRONG_LIMIT)
        result["misordered_too_long"] = int(self.longest["misordered"] > WRONG_LIMIT)
        result["fresher_than_true"] = sum(self.fresher.values())
        result["lost_needlessly"] = 0 if LOSSY & world.faults.keys() else len(lost)
        result["made"] = len(self.numbers)
        result["lost"] = len(lost)
        result["beyond_telling"] = len(beyond)
        return result

    def _beyond_telling(self, uid):
        """Nothing is left that could tell of it. Either nobody who lasts ever heard of its epoch
        (a card was set back), or it was destroyed before a core saw it, its number is used by
        another body (a machine was set back), and no two bodies met under one number."""
        rows = self.world.cluster.db.epochs
        epochs = {epoch for epoch, _ in self.numbers[uid]}
        if not epochs & self.heard_epochs.union(*(g.disk.epochs for g in self.world.gateways)):
            return True
        met = any(len(d) > 1 for e in epochs & rows.keys() for d in rows[e].digests.values())
        reused = any(self.bodies[key] > 1 for key in self.numbers[uid])
        return self.set_back and reused and uid in self.destroyed and uid not in self.heard and not met
