#!/usr/bin/python3
"""A storm over a gateway's spool, its broker, its core and the links between them, with an exact account.

  ./dev chaos spool [--rounds N] [--seed S] [--vehicles N] [--window MS] [--batch N]
                    [--protocol P] [--every N] [--first N] [--plan] [--json]

A round lasts about a second and a half: programs are killed, stopped and killed, frozen, ended in an
orderly way, killed while they start; the gateway boots anew, loses its power, loses its young floor;
links are cut, refused, held and slowed down in one or both directions, lose everything, and MQTT packets
come twice, late, shortened, not at all, or with bytes missing or repeated. What happens when follows from
the seed alone (--plan prints it). Every N rounds there is calm: the spool must become empty, and
everything is judged.

Each reading has a value of its own (the simulated odometer moves on with each answer), each batch its
number and digest. While no agent runs the files of both floors are read, so that every number that was
given and every batch that stood on the young floor alone is known. tests/model/check_trace.py judges:

  lost            batches that were given a number and are neither committed nor held, though no power
                  cut took them; and readings that were served, are in no batch, and that no end of the
                  agent explains
  applied_twice   batches or readings that are in the history more than once
  gaps_unreported batches that are lost (in a power cut, too), and of which the core does not say so
  unspooled       readings that the agent had not yet stored when it ended: at most one a vehicle and end

Exits 1 unless the first three are 0, unspooled is within its limit, every snapshot is the merge of the
history, and nothing else is wrong. The folder is kept then.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
sys.path.insert(0, str(ROOT / "tests/chaos"))

from freshet import Depot, Failure, wait_until  # noqa: E402
from freshet.depot import build_folder  # noqa: E402
from freshet.gateway import mono_us  # noqa: E402
from freshet.records import odometer_of  # noqa: E402
from storm.account import Account  # noqa: E402
from storm.merge import Reference, compare, wall_offset_ms  # noqa: E402
from storm.proxy import Links  # noqa: E402
from storm.weather import Plan, Storm  # noqa: E402

PERIOD_MS = 200
MAX_AGE_MS = 50  # of a reading that is not yet in the spool
SIGNALS = f"odometer_km:{PERIOD_MS}ms speed_kmh:1s engine_coolant_temp_c:2s"
# By which a busy machine may be late; more than one reading of a vehicle an end is never explained.
SLACK_MS = 1500
DRAIN_S = 120
TIME_LIMIT_MS = 100  # by which the time of a value may be wrong
VERDICT = ("seed", "lost", "applied_twice", "gaps_unreported", "unspooled")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="200")
    parser.add_argument("--seed", type=int, default=None, help="of the plan (random)")
    parser.add_argument("--first", type=int, default=0, help="the round to begin with (0)")
    parser.add_argument("--vehicles", type=int, default=8, help="8")
    parser.add_argument("--window", type=int, default=500, help="durability window in ms (500)")
    parser.add_argument("--batch", type=int, default=2, help="the most records of a batch (2)")
    parser.add_argument("--protocol", default="auto", help="of the agent at the broker: auto, 3.1.1, 5")
    parser.add_argument("--every", type=int, default=40, help="rounds between two judgements (40)")
    parser.add_argument("--plan", action="store_true", help="print what would happen, and end")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 31)
    return args


class Behind:
    """A broker as its clients see it through a proxy."""

    def __init__(self, broker, proxy):
        self.port = proxy.port
        self.passwords = broker.passwords


class Served:
    """The simulator's journal: readings served, and when."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.at = {}  # (vehicle, tenths of a km) -> microseconds

    def read(self):
        with open(self.path, "rb") as journal:
            journal.seek(self.offset)
            for line in journal:
                if not line.endswith(b"\n"):
                    break
                self.offset += len(line)
                entry = json.loads(line)
                if odometer_of(entry) is not None:
                    self.at[entry["vehicle"], odometer_of(entry)] = entry["mono_us"]
        return len(self.at)


def explained(times_us, ends_us):
    """How many of a vehicle's missing readings an end of the agent explains: one an end, served just
    before it (the agent may keep a reading for MAX_AGE_MS), or until just after the next start (into a
    line that nobody reads)."""
    early, late = (MAX_AGE_MS + SLACK_MS) * 1000, PERIOD_MS * 1000
    left = sorted(times_us)
    found = 0
    for end, start in ends_us:
        for at in left:
            if end - early <= at <= (start or at) + late:
                left.remove(at)
                found += 1
                break
    return found, left


class Run:
    """One storm on one depot."""

    def __init__(self, args, depot, links):
        self.args = args
        self.depot = depot
        proxies = [links.proxy(lambda: depot.broker.port, f"{args.seed}/{name}") for name in ("a", "c")]
        self.begin(proxies)
        self.proxies = proxies
        self.served = Served(depot.sim.journal)
        self.account = Account(depot.agent, depot.core, args.window * 1000)
        self.storm = Storm(depot, proxies, self.account, mono_us)
        self.reference = Reference()
        self.fields = 0
        self.stale = []  # what snapshots show wrongly
        self.lost_readings = []
        self.stuck = []
        self.found = {}
        self.unspooled = 0

    def begin(self, proxies):
        depot, args = self.depot, self.args
        depot.core.broker = Behind(depot.broker, proxies[1])
        depot.core.mqtt.update(keepalive="5s", connect_timeout="1s", reconnect_max="400ms", stable_after="0s")
        depot.start_base()
        agent = depot.add_agent("depot-1", depot.sim.vehicles, {
            "period": f"{PERIOD_MS} ms", "signals": SIGNALS, "timeout": "1 s"}, {
            "mqtt": {"protocol": args.protocol, "reconnect_max": "300 ms", "connect_timeout": "1 s", "keepalive": "5 s", "resend": "500 ms",
                     "resend_max": "2 s", "backlog_rate": "0"},
            # Small batches, so that there are many numbers to be judged.
            "spool": {"window": f"{args.window} ms"},
            "batch": {"max_age": f"{MAX_AGE_MS} ms", "max_age_offline": f"{MAX_AGE_MS} ms",
                      "max_records": args.batch, "heartbeat": "5 s"},
            "log": {"level": "notice"}})
        agent.broker = Behind(depot.broker, proxies[0])
        agent.write()
        agent.start()

    def readings(self):
        return self.served.read()

    # ---- calm ----

    def calm(self):
        """Everything works again; the spool becomes empty; the agent is down."""
        depot = self.depot
        self.storm.finish()
        depot.core.wait_ready(40)
        wait_until(depot.agent.status, 40, "the agent answers", depot.programs())
        # All vehicles are read once more before they fall silent: the path works.
        before = self.readings()
        wait_until(lambda: self.readings() >= before + 3 * depot.sim.count, 60,
                   "vehicles are read after the storm", depot.programs(), 0.1)
        depot.sim.fault("all", "silence")
        self.stuck = []
        try:
            wait_until(self.empty, DRAIN_S, "the spool is empty", depot.programs(), 0.2)
        except Failure as failure:  # what else is wrong says why
            self.stuck = [str(failure)]

    def empty(self):
        """Nothing is held, twice in a row, so that nothing is on its way into the spool."""
        for _ in range(2):
            status = self.depot.agent.status()
            if status is None or status["spool"]["batches"]:
                return False
            time.sleep(2 * PERIOD_MS / 1000)
        return True

    def judge(self):
        """Judges all that was until now, in calm; then the agent runs again."""
        self.calm()
        for _ in range(10):
            self.reference.take(self.account.read_core())
            self.readings()
            self.check_snapshots()
            if not self.stale:
                break
            time.sleep(0.3)  # a last word of an adapter may have come in between
        self.storm.term("agent")
        self.reference.take(self.account.read_core())
        self.readings()
        self.check_readings()
        found = self.account.judge()
        self.complain(found)
        self.storm.start("agent")
        self.depot.sim.fault("all", "none")
        return found

    def check_snapshots(self):
        """Field by field, value and time."""
        offset_ms = wall_offset_ms()
        self.fields = 0
        self.stale = []
        for vehicle in self.depot.sim.vehicles:
            name = vehicle["vehicle"]
            snapshot = self.depot.core.get(f"/snapshots/{name}?provenance=1")
            count, wrong = compare(f"{name}-obd", self.reference, snapshot, offset_ms, TIME_LIMIT_MS)
            self.fields += count
            self.stale += wrong
            last = max(value for of, value in self.served.at if of == name)
            shown = (snapshot.get("vehicle_state") or {}).get("odometer_km")
            if shown is None or round(shown * 10) != last:
                self.stale.append(f"{name}: shows {shown}, its odometer was {last / 10}")

    def check_readings(self):
        account = self.account
        held = account.held_readings()
        missing = {}
        for (vehicle, value), at in self.served.at.items():
            key = (vehicle, value)
            if not any(key in kept.when for kept in (account.readings, account.cut_readings, held)):
                missing.setdefault(vehicle, {})[at] = value
        self.unspooled = sum(map(len, missing.values()))
        self.lost_readings = []
        for vehicle, values in missing.items():
            _, left = explained(values, self.storm.agent_ends)
            self.lost_readings += [(vehicle, values[at], self.nearest_end(at)) for at in left]

    def nearest_end(self, at):
        """In words."""
        ends = sorted(self.storm.agent_ends, key=lambda end: abs(end[0] - at))
        after = (at - ends[0][0]) / 1000 if ends else 0
        return f"served at {at} us, {after:+.0f} ms from the nearest end of the agent"

    def unspooled_limit(self):
        return self.depot.sim.count * len(self.storm.agent_ends)

    def complain(self, found):
        """Raises a Failure, with the trace kept, where something is not as it must be."""
        account = self.account
        unserved = [key for key in account.readings.when if key not in self.served.at]
        bad = {name: items for name, items in found.items() if items and name not in ("cut_off", "held")}
        bad.update({name: items for name, items in (
            ("lost readings", self.lost_readings), ("readings applied twice", account.readings.twice()),
            ("readings never served", unserved), ("wrong in snapshots", self.stale), ("stuck", self.stuck)) if items})
        if self.unspooled > self.unspooled_limit():
            bad["unspooled"] = [self.unspooled]
        self.found = found
        if not bad:
            return
        for path in filter(None, account.files()):
            for end in ("", "-wal"):
                if Path(f"{path}{end}").exists():
                    shutil.copy(f"{path}{end}", self.depot.folder / f"at-end-{path.name}{end}")
        path = self.depot.folder / "trace.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in account.events), encoding="utf-8")
        for name, items in bad.items():
            print(f"{name} ({len(items)}): {items[:12]}", file=sys.stderr)
        raise Failure(f"not as it must be: {', '.join(bad)}")

    # ---- what is printed ----

    def rows(self, rounds, seconds):
        account, found = self.account, self.found
        harms = Counter()
        for proxy in self.proxies:
            harms += proxy.done
        lost = len(found["lost"]) + len(self.lost_readings)
        twice = len(found["applied_twice"]) + len(account.readings.twice())
        unreported = len(found["gaps_unreported"])
        made = sum(following - 1 for following in account.made.values())
        expected = made - len(found["cut_off"]) - len(found["held"])
        rows = [("rounds", rounds, "", None, None), ("storm and judgements", round(seconds, 1), "s", None, None)]
        rows += [(name, count, "", None, None) for name, count in sorted(self.storm.counts.items())]
        rows += [(f"links: {name}", count, "", None, None) for name, count in sorted(harms.items())]
        rows += [("epochs", len(account.made), "", None, None),
                 ("batches accepted by the spool", made, "", None, None),
                 ("batches committed", len(account.committed), "", expected,
                  len(account.committed) == expected),
                 ("batches still held", len(found["held"]), "", None, None),
                 ("batches lost with the power", len(found["cut_off"]), "", None, None),
                 ("of them in a gap", len(found["cut_off"]) - unreported, "", len(found["cut_off"]),
                  unreported == 0),
                 ("batches that came again", account.outcomes.get("duplicate", 0), "", None, None),
                 ("payloads rejected", account.outcomes.get("rejected", 0), "", None, None),
                 ("records committed", account.records, "", None, None),
                 ("records lost with the power", sum(account.cut_off[one] for one in found["cut_off"]), "", None, None),
                 ("false gaps", len(found["false_gaps"]), "", 0, not found["false_gaps"]),
                 ("batches never made", len(found["unmade"]), "", 0, not found["unmade"]),
                 ("numbers with two bodies", len(found["two_bodies"]), "", 0, not found["two_bodies"]),
                 ("not on disk in time", len(found["overdue"]), "", 0, not found["overdue"]),
                 ("alarms, notices not on disk at once", len(found["not durable at once"]), "", 0,
                  not found["not durable at once"]),
                 ("readings served", len(self.served.at), "", None, None),
                 ("readings in the history", len(account.readings.when), "", None, None),
                 ("readings stated again, as such", account.readings.restated, "", None, None),
                 ("fields of snapshots compared", self.fields, "", None, None),
                 ("fields that are wrong", len(self.stale), "", 0, not self.stale),
                 ("seed", self.args.seed, "", None, None),
                 ("lost", lost, "", 0, lost == 0), ("applied_twice", twice, "", 0, twice == 0),
                 ("gaps_unreported", unreported, "", 0, unreported == 0),
                 ("unspooled", self.unspooled, "", self.unspooled_limit(),
                  self.unspooled <= self.unspooled_limit())]
        return rows


def report(args, rows):
    """(name, value, unit, target, met) each; `target` None where nothing is demanded."""
    for name, value, unit, target, met in rows:
        if args.json:
            print(json.dumps({"name": name, "peer": None, "value": value, "unit": unit,
                              "n": args.rounds, "target": target, "met": met}))
        elif name in VERDICT:
            print(f"{name} {value}" + (f" (limit {target})" if target else ""))
        else:
            print(f"{name:36} {value:>10} {unit}")
    sys.stdout.flush()


def print_plan(args):
    plan = Plan(args.seed)
    for number in range(args.first, args.first + args.rounds):
        length, events = plan.round(number)
        print(f"round {number}: {length:.2f} s")
        for event in events:
            print(f"  {event}")


def storm(args):
    plan = Plan(args.seed)
    began = time.monotonic()
    with Depot(vehicles=args.vehicles,
               sim_options=("--odometer-step", "0.2", "--delay-ms", "2")) as depot, Links() as links:
        run = Run(args, depot, links)
        wait_until(lambda: run.readings() >= 3 * args.vehicles, 60, "every vehicle reports",
                   depot.programs())
        for number in range(args.rounds):
            run.round = args.first + number
            try:
                run.storm.run(*plan.round(run.round))
                if (number + 1) % args.every == 0 or number + 1 == args.rounds:
                    run.judge()
                    print(f"spool: {number + 1} rounds, {time.monotonic() - began:.0f} s, "
                          f"{len(run.account.committed)} batches, {run.account.records} records, "
                          f"cut off {len(run.found['cut_off'])}, lost 0", file=sys.stderr, flush=True)
            except (Failure, OSError) as failure:
                os.environ["FRESHET_KEEP"] = "1"
                if run.found:  # as it was judged last
                    report(args, run.rows(number + 1, time.monotonic() - began))
                raise Failure(f"round {run.round}: {failure}") from failure
        report(args, run.rows(args.rounds, time.monotonic() - began))


def main():
    args = arguments()
    if args.plan:
        print_plan(args)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"spool: {args.rounds} rounds, {args.vehicles} vehicles at {1000 // PERIOD_MS} Hz, seed {args.seed}, "
          f"window {args.window} ms, {build_folder()}", file=sys.stderr, flush=True)
    try:
        storm(args)
    except Failure as failure:
        print(f"spool: {failure}\nagain: ./dev chaos spool --seed {args.seed} --rounds {args.rounds} "
              f"--first {args.first} --vehicles {args.vehicles} --window {args.window} "
              f"--batch {args.batch} --protocol {args.protocol} --every {args.every}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
