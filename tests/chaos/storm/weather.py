"""What breaks, and when: a plan that follows from the seed alone, and the one who carries it out.

A round lasts about a second and a half. In it each program dies at most once, alone or with others, and
mostly lives again before it is over; an outage of the broker or the core, and faults of the links, last
into the next rounds.
"""

import random
import signal
import time
import uuid
from collections import Counter

from freshet import Failure

from .proxy import DOWN, UP

PROGRAMS = ("agent", "broker", "core")
LINKS = ("agent-broker", "core-broker")
BOTH = (UP, DOWN)

BIRTH_S = 1.0  # within which a program may not yet know what a SIGTERM is for
OUTAGE_S = (2.0, 6.0)
DEAF_S = (3.0, 9.0)  # a keepalive is 5 s

# How a program ends: its odds.
ENDS = {
    "broker": {"kill": 5, "stall_kill": 3, "freeze": 2, "term": 2, "outage": 1},
    "core": {"kill": 5, "stall_kill": 3, "freeze": 2, "term": 3, "stillborn": 2, "outage": 1},
    # With a boot id of its own each: what is young stays (no tmpfs), goes with an orderly end, goes
    # with the power; and a young floor that somebody removes.
    "agent": {"kill": 6, "stall_kill": 3, "freeze": 2, "term": 3, "stillborn": 3, "reboot_kept": 2,
              "reboot": 3, "power_cut": 4, "floor_removed": 1},
}
# What happens to a link: its odds.
TROUBLES = {"cut": 4, "refuse": 2, "deaf_up": 1, "deaf_down": 1, "deaf_both": 1, "hold_up": 2, "hold_down": 2, "hold_both": 2, "swallow_up": 2,
            "swallow_down": 2, "delay": 3, "double": 5, "late": 4, "drop": 4, "drop_any": 1, "shorten": 3,
            "repeat_bytes": 2, "lose_bytes": 2, "break_off": 3}


LIBRARY_ABORT = "log__printf: Assertion `mosq' failed"


class Event:
    """At `at` seconds of its round, `what` happens to `whom`."""

    def __init__(self, at, whom, what, *words):
        self.at = at
        self.whom = whom
        self.what = what
        self.words = words

    def __str__(self):
        return " ".join([f"{self.at:5.2f} {self.whom} {self.what}", *map(str, self.words)])


class Plan:
    """The rounds of a seed: `round(i)` is the same whatever was asked before."""

    def __init__(self, seed):
        self.seed = seed

    def round(self, number):
        """(seconds, events in order)."""
        chance = random.Random(f"{self.seed}/{number}")
        length = chance.uniform(1.0, 2.0)
        events = []
        victims = [name for name, odds in (("agent", 0.5), ("broker", 0.3), ("core", 0.35))
                   if chance.random() < odds]
        if chance.random() < 0.05:
            victims = list(PROGRAMS)
        links = [name for name, odds in zip(LINKS, (0.4, 0.3)) if chance.random() < odds]
        if not victims and not links:
            links = [chance.choice(LINKS)]
        together = chance.uniform(0.0, length * 0.6) if chance.random() < 0.25 else None
        for name in victims:
            events += self.end_of(chance, name, length, together)
        for name in links:
            events += self.trouble_of(chance, name, length)
        length = max([length, *(event.at for event in events if event.whom == "agent")])
        return length, sorted(events, key=lambda event: event.at)

    @staticmethod
    def end_of(chance, name, length, together):
        how = chance.choices(list(ENDS[name]), list(ENDS[name].values()))[0]
        at = together if together is not None else chance.uniform(0.0, length * 0.6)
        up = chance.uniform(at, min(at + 0.6, length))
        if how == "outage":
            return [Event(at, name, "kill"), Event(at + chance.uniform(*OUTAGE_S), name, "start")]
        if how in ("stall_kill", "freeze"):
            end = at + chance.uniform(0.05, 0.4)
            last = "kill" if how == "stall_kill" else "thaw"
            more = [Event(max(up, end), name, "start")] if last == "kill" else []
            return [Event(at, name, "stop"), Event(end, name, last), *more]
        if how == "stillborn":
            events = [Event(at, name, "kill")]
            for _ in range(chance.randrange(1, 4)):
                events += [Event(at, name, "start"), Event(at + chance.uniform(0.0, 0.25), name, "kill")]
                at = events[-1].at
            return [*events, Event(at, name, "start")]
        first = "term" if how in ("term", "reboot") else "kill"
        then = {"reboot_kept": ["new_boot"], "reboot": ["lose_young", "new_boot"],
                "power_cut": ["lose_young", "new_boot"], "floor_removed": ["lose_young"]}.get(how, [])
        return [Event(at, name, first), *(Event(up, name, what) for what in then),
                Event(up, name, "start")]

    @staticmethod
    def trouble_of(chance, name, length):
        what = chance.choices(list(TROUBLES), list(TROUBLES.values()))[0]
        at = chance.uniform(0.0, length)
        until = at + chance.uniform(0.1, 1.2)
        if what == "cut":
            return [Event(at + i * 0.1, name, "cut") for i in range(chance.choice((1, 1, 1, 3)))]
        if what == "refuse":
            return [Event(at, name, "refuse", True), Event(at, name, "cut"), Event(until, name, "refuse", False)]
        if what.startswith(("hold", "swallow", "deaf")):
            verb, way = what.split("_")
            if verb == "deaf":  # for longer than anyone believes in the connection
                verb, until = "hold", at + chance.uniform(*DEAF_S)
            ways = BOTH if way == "both" else (way,)
            then = [Event(until, name, "cut")] if chance.random() < 0.4 else []
            return [Event(at, name, verb, ways, True), *then, Event(until, name, verb, ways, False)]
        if what == "delay":
            way = chance.choice(BOTH)
            return [Event(at, name, "delay", way, round(chance.uniform(0.02, 0.4), 3)),
                    Event(until, name, "delay", way, 0.0)]
        return [Event(at, name, "harm", what, chance.choice(BOTH), chance.choice((1, 1, 2, 5)))]


class Storm:
    """Carries a plan out on a depot; `account` is told of each end of an agent."""

    def __init__(self, depot, links, account, clock):
        self.depot = depot
        self.links = dict(zip(LINKS, links))
        self.account = account
        self.clock = clock  # microseconds, as the simulator's journal
        self.counts = Counter()
        self.frozen = {}  # program -> since when
        self.fallen = set()  # programs that were aborted and wait for their next start
        self.down = set()  # programs in an outage
        self.born = {}  # program -> when it was started
        self.agent_ends = []  # [from, to] in microseconds: when no reading got into the spool
        self.late_events = []  # of the round before: (when, event)

    def program(self, name):
        return {"agent": self.depot.agent, "broker": self.depot.broker, "core": self.depot.core}[name]

    def run(self, length, events):
        """One round."""
        self.look_after()
        for name in sorted(self.fallen):
            self.start(name)
        begin = time.monotonic()
        due = self.late_events + [(begin + event.at, event) for event in events]
        due.sort(key=lambda one: one[0])
        self.late_events = [one for one in due if one[0] > begin + length]
        for when, event in due:
            if when <= begin + length:
                time.sleep(max(0.0, when - time.monotonic()))
                self.do(event)
        time.sleep(max(0.0, begin + length - time.monotonic()))

    def finish(self):
        """What lasts beyond the last round ends; everything runs and every link is well."""
        for _, event in self.late_events:
            self.do(event)
        self.late_events = []
        for link in self.links.values():
            link.heal()
        self.look_after()
        for name in PROGRAMS:
            if name in self.fallen:
                self.start(name)
            self.program(name).check_alive()

    def look_after(self):
        """libmosquitto 2.0.11 aborts its program on an MQTT 5 property that it does not know, which
        only damaged bytes bring. Whoever ended of that starts again, as systemd does it; whoever ended
        of anything else by itself is a failure."""
        for name in PROGRAMS:
            child = self.program(name).child
            if not child or child.poll() != -signal.SIGABRT or name in self.fallen:
                continue
            if LIBRARY_ABORT not in self.program(name).log()[-300:]:
                continue
            self.fallen.add(name)
            self.counts[f"{name} aborted by libmosquitto"] += 1
            if name == "agent":
                self.agent_ends.append([self.clock(), None])
                self.account.rest("abort", self.agent_ends[-1][0])

    def do(self, event):
        self.look_after()
        if event.whom in self.links:
            self.weaken(self.links[event.whom], event)
        else:
            getattr(self, event.what)(event.whom)

    def weaken(self, link, event):
        if event.what != "harm" and (event.what == "cut" or event.words[-1]):
            self.counts[f"link {event.what}"] += 1
        if event.what == "refuse":
            link.close(*event.words)
        else:
            getattr(link, event.what)(*event.words)

    # ---- of programs ----

    def stop(self, name):
        if name in self.fallen | self.down:
            return
        self.program(name).check_alive()
        self.program(name).child.send_signal(signal.SIGSTOP)
        self.frozen[name] = self.clock()
        self.counts[f"{name} stopped"] += 1

    def thaw(self, name):
        if self.frozen.pop(name, None):
            self.program(name).child.send_signal(signal.SIGCONT)

    def kill(self, name):
        program = self.program(name)
        if name in self.fallen | self.down:
            return
        program.check_alive()  # one that ended by itself is a failure, not a kill
        self.ending(name)
        program.kill()
        self.down.add(name)
        self.counts[f"{name} killed"] += 1
        self.ended(name, "kill")

    def term(self, name):
        program = self.program(name)
        if name in self.fallen | self.down:
            return
        program.check_alive()
        self.ending(name)
        status = program.stop(30)
        how = "term"
        if status == -signal.SIGTERM and time.monotonic() - self.born.get(name, 0) < BIRTH_S:
            how = "kill"  # it had not yet asked to be told
        elif status:
            raise Failure(f"{name} ended with status {status} when it was told to end")
        self.down.add(name)
        self.counts[f"{name} ended"] += 1
        self.ended(name, how)

    def ending(self, name):
        if name == "agent":
            self.agent_ends.append([self.frozen.get(name, self.clock()), None])

    def ended(self, name, how):
        self.frozen.pop(name, None)
        if name == "agent":
            self.account.rest(how, self.agent_ends[-1][0])

    def lose_young(self, name):
        if name not in self.down:
            return
        self.counts["agent young floor lost"] += 1
        self.account.lose_young()

    def new_boot(self, _):
        self.counts["agent boots"] += 1
        self.depot.agent.env["FRESHET_BOOT_ID"] = str(uuid.uuid4())

    def start(self, name):
        program = self.program(name)
        if name not in self.fallen | self.down:
            return  # an outage ended in the midst of another end
        self.fallen.discard(name)
        self.down.discard(name)
        self.born[name] = time.monotonic()
        program.start() if name != "broker" else program.restart()
        if name == "agent":
            self.agent_ends[-1][1] = self.clock()
            self.account.started(self.clock())
