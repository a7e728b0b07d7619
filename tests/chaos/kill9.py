#!/usr/bin/python3
"""Kills agent, broker and core with SIGKILL at random moments while vehicles report at 5 Hz, starts
them again at random moments, and judges when the spool is empty.

  ./dev chaos kill9 [--rounds N] [--seed S] [--vehicles N] [--json]

Each reading has a value of its own (the simulated odometer moves on with each answer), so that the
simulator's journal and the core's history can be compared value by value, beside the numbers of the
batches, which tests/model/check_trace.py judges:

  lost            batches whose number was given and which neither core nor spool has, and values that
                  were served, are not in the history and that no kill of the agent explains
  applied_twice   batches or values that are in the history more than once
  gaps_unreported lost batches of which the core does not say so
  unspooled       values served that a killed agent had not yet stored: at most one a vehicle and kill

Exits 1 unless the first three are 0, every batch is committed, and unspooled is within its limit.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from freshet import Depot, Failure, wait_until  # noqa: E402
from freshet.depot import GATEWAY  # noqa: E402
from freshet.gateway import mono_us  # noqa: E402
from freshet.records import (CoreHistory, Spool, kept_odometers, odometer_of,  # noqa: E402
                             served_odometers, trace)

PERIOD_MS = 200
MAX_AGE_MS = 50  # of a reading that is not yet in the spool
TARGETS = ("agent", "broker", "core")
DRAIN_S = 60
# The lines that other programs look for: always there, last.
VERDICT = ("seed", "lost", "applied_twice", "gaps_unreported", "unspooled")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="kills of each program (20)")
    parser.add_argument("--seed", type=int, default=None, help="of the moments (random)")
    parser.add_argument("--vehicles", type=int, default=20, help="20")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 31)
    return args


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


class Storm:
    """The kills: each program dies and comes back by its own plan, so that they overlap. Broker and
    core often stall for a moment before they die, as with a slow disk: what others have been told
    meanwhile shows."""

    def __init__(self, depot, rounds, seed):
        self.depot = depot
        self.random = random.Random(seed)
        self.kills = {name: [] for name in TARGETS}  # when, on the simulator's clock
        self.stalled = 0
        self.rounds = rounds
        now = time.monotonic()
        # name -> (when, what comes then)
        self.plan = {name: (now + self.random.uniform(0.2, 1.5), "kill") for name in TARGETS}

    def program(self, name):
        return {"agent": self.depot.agent, "broker": self.depot.broker, "core": self.depot.core}[name]

    def run(self):
        while self.plan:
            name = min(self.plan, key=lambda key: self.plan[key][0])
            when, what = self.plan[name]
            time.sleep(max(0.0, when - time.monotonic()))
            self.step(name, what)
            progress(" ".join(f"{key} {len(at)}/{self.rounds}" for key, at in self.kills.items()))
        progress("")

    def step(self, name, what):
        program = self.program(name)
        if what == "kill":
            program.check_alive()  # a program that ended by itself is a failure, not a kill
            if name != "agent" and self.random.random() < 0.5:
                self.stalled += 1
                program.child.send_signal(signal.SIGSTOP)
                self.plan[name] = (time.monotonic() + self.random.uniform(0.05, 0.4), "end")
                return
        if what in ("kill", "end"):
            program.kill()
            self.kills[name].append(mono_us())
            self.plan[name] = (time.monotonic() + self.random.uniform(0.0, 0.6), "start")
            return
        program.start() if name != "broker" else program.restart()
        if len(self.kills[name]) < self.rounds:
            # Some die while they are starting, most while they work (an agent reads after 0.8 s).
            life = (0.02, 0.3) if self.random.random() < 0.2 else (0.9, 4.0)
            self.plan[name] = (time.monotonic() + self.random.uniform(*life), "kill")
        else:
            del self.plan[name]


def readings(depot):
    return sum(sum(values.values()) for values in served_odometers(depot.sim.served()).values())


def settle(depot):
    """No more readings, then an empty spool."""
    wait_until(lambda: depot.agent.status() is not None, 20, "the agent answers", depot.programs())
    depot.core.wait_ready()
    # All vehicles are read once more before they fall silent: the path works at the end.
    before = readings(depot)
    wait_until(lambda: readings(depot) >= before + 3 * depot.sim.count, 60,
               "vehicles are read after the storm", depot.programs())
    depot.sim.fault("all", "silence")
    wait_until(lambda: not sample_batches(depot), DRAIN_S,
               "the spool is empty", depot.programs(), 0.2)


def sample_batches(depot):
    """What the spool holds, twice in a row, so that nothing is on its way into it."""
    held = Spool(depot.agent.spool).held
    if held:
        return held
    time.sleep(2 * PERIOD_MS / 1000)
    return Spool(depot.agent.spool).held


def judge_batches(depot, spool, history):
    """What tests/model/check_trace.py says: ({name: count}, its text)."""
    events = "\n".join(json.dumps(event) for event in trace(GATEWAY, spool, history))
    path = depot.folder / "trace.jsonl"
    path.write_text(events + "\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-B", ROOT / "tests/model/check_trace.py", "--lossless", "-v",
                           path], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise Failure(f"check_trace: {done.stdout}{done.stderr}")
    words = done.stdout.splitlines()[-1].replace("(", "").replace(")", "").split()
    return {words[i]: int(words[i + 1]) for i in range(0, len(words) - 1, 2)}, done.stdout


def explained(times_us, kills_us):
    """How many of a vehicle's missing readings a kill explains: one a kill, served just before it
    (the agent may keep a reading for MAX_AGE_MS) or just after (into a line that nobody reads)."""
    early, late = (PERIOD_MS + MAX_AGE_MS) * 1000, PERIOD_MS * 1000
    left = sorted(times_us)
    found = 0
    for kill in kills_us:
        for at in left:
            if kill - early <= at <= kill + late:
                left.remove(at)
                found += 1
                break
    return found


def judge_values(depot, history, kills_us):
    """{name: count} of the values, and what a person wants to see of what is wrong."""
    journal = depot.sim.served()
    served = served_odometers(journal)
    kept, restated = kept_odometers(history)
    at = {(line["vehicle"], odometer_of(line)): line["mono_us"] for line in journal if odometer_of(line)}
    found = {"served": 0, "kept": 0, "missing": 0, "twice": 0, "unserved": 0, "restated": 0, "lost": 0}
    notes = []
    for vehicle in sorted(served.keys() | kept.keys()):
        want, have = served[vehicle], kept[vehicle]
        twice = [value for value, count in have.items() if count > max(1, want[value])]
        missing = [value for value in want if value not in have]
        unserved = [value for value in have if value not in want]
        lost = len(missing) - explained([at[vehicle, value] for value in missing], kills_us)
        for name, count in (("served", len(want)), ("kept", len(have)), ("missing", len(missing)),
                            ("lost", lost), ("twice", len(twice)), ("unserved", len(unserved)),
                            ("restated", sum(restated[vehicle].values()))):
            found[name] += count
        if twice or unserved or lost:
            notes.append(f"{vehicle}: twice {twice[:5]} unserved {unserved[:5]} missing {missing[:20]}")
    return found, notes


def report(args, rows):
    """(name, value, unit, target, met) each; `target` None where nothing is demanded."""
    for name, value, unit, target, met in rows:
        if args.json:
            print(json.dumps({"name": name, "peer": None, "value": value, "unit": unit,
                              "n": args.rounds, "target": target, "met": met}))
        elif name in VERDICT:
            print(f"{name} {value}" + (f" (limit {target})" if target else ""))
        else:
            print(f"{name:32} {value:>10} {unit}")


def storm(args):
    with Depot(vehicles=args.vehicles, sim_options=("--odometer-step", "0.2", "--delay-ms", "5")) as depot:
        depot.start(source={"period": f"{PERIOD_MS} ms", "signals": f"odometer_km:{PERIOD_MS}ms", "timeout": "1 s"},
                    agent={"mqtt": {"reconnect_max": "300 ms", "resend": "500 ms",
                                    "resend_max": "2 s", "backlog_rate": "0"},
                           # Small batches, so that there are many numbers to be judged.
                           "batch": {"max_age": f"{MAX_AGE_MS} ms", "max_age_offline": f"{MAX_AGE_MS} ms",
                                     "max_records": 1},
                           "log": {"level": "notice"}})
        wait_until(lambda: readings(depot) >= 5 * args.vehicles, 60, "every vehicle reports",
                   depot.programs())
        began = time.monotonic()
        weather = Storm(depot, args.rounds, args.seed)
        weather.run()
        storm_s = time.monotonic() - began
        settle(depot)
        spool = Spool(depot.agent.spool)
        history = CoreHistory(depot.core.database)
        batches, text = judge_batches(depot, spool, history)
        values, notes = judge_values(depot, history, weather.kills["agent"])
        limit = args.vehicles * len(weather.kills["agent"])
        lost = batches["lost"] + values["lost"]
        twice = batches["applied_twice"] + values["twice"]
        unreported = batches["gaps_unreported"]
        rows = [(f"kills of {name}", len(at), "", None, None) for name, at in weather.kills.items()]
        rows += [("of them stalled before", weather.stalled, "", None, None),
                 ("storm", round(storm_s, 1), "s", None, None),
                 ("epochs", len(spool.next), "", None, None),
                 ("batches made", batches["made"], "", None, None),
                 ("batches committed", batches["committed"], "", batches["made"],
                  batches["committed"] == batches["made"]),
                 ("batches that came again", history.outcomes.get("duplicate", 0), "", None, None),
                 ("batches lost", batches["lost"], "", 0, batches["lost"] == 0),
                 ("batches unmade", batches["unmade"], "", 0, batches["unmade"] == 0),
                 ("false gaps", batches["false_gaps"], "", 0, batches["false_gaps"] == 0),
                 ("values served", values["served"], "", None, None),
                 ("values in the history", values["kept"], "", None, None),
                 ("values stated again, as such", values["restated"], "", None, None),
                 ("values never served", values["unserved"], "", 0, values["unserved"] == 0),
                 ("values lost", values["lost"], "", 0, values["lost"] == 0),
                 ("seed", args.seed, "", None, None),
                 ("lost", lost, "", 0, lost == 0),
                 ("applied_twice", twice, "", 0, twice == 0),
                 ("gaps_unreported", unreported, "", 0, unreported == 0),
                 ("unspooled", values["missing"], "", limit, values["missing"] <= limit)]
        report(args, rows)
        bad = [name for name, _, _, _, met in rows if met is False]
        if bad:
            print("\n".join([*notes, text]), file=sys.stderr)
            raise Failure(f"not as it must be: {', '.join(bad)}")


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"kill9: {args.rounds} kills each of {', '.join(TARGETS)}, {args.vehicles} vehicles at "
          f"{1000 // PERIOD_MS} Hz, seed {args.seed}", file=sys.stderr)
    try:
        storm(args)
    except Failure as failure:
        print(f"kill9: {failure} (seed {args.seed})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
