#!/usr/bin/python3
"""The uplink is down, N records are accepted, kill -9, the uplink is up: who has kept what, how fast
does it come, what did it cost? Our agent beside what Debian offers, on one machine in one run.

  ./dev bench spool [--records N ...] [--quick] [--no-peers] [--json]

Records are those of 20 vehicles, about 300 bytes of JSON each; peers send each as a message of QoS 1, our
agent 100 of them a batch, as it comes by default. "Disk" is write_bytes of /proc/PID/io: pages that
became dirty for a disk. "Wire" is what passed the link in both directions above TCP. A drain is timed at
the far end's subscriber, from the connection to the last record. Peers that are killed first get 2.5 s, so
that one which saves each second has done so.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from queues import report  # noqa: E402
from queues.ours import Committed, Ours, auth_broker  # noqa: E402
from queues.peers import all_peers  # noqa: E402
from queues.plant import Failure, Plant, Series, file_system_of, written_of  # noqa: E402
from queues.runs import Outage, paced, plain_stream, steady  # noqa: E402

RTT_S = 0.1
SIZES = (20000, 1000000)


class Bench:
    def __init__(self, plant, args):
        self.plant = plant
        self.args = args
        self.out = report.Report(args.json)
        self.broker = auth_broker(plant)
        self.begin = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:5.0f} s] {text}", file=sys.stderr, flush=True)

    def attempt(self, what, work):
        """One run; where it cannot be measured, that is said, and the others go on."""
        self.say(what)
        try:
            return work()
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            self.out.not_measured(what, failure)
            return None

    def peers(self):
        if not self.args.peers:
            return []
        peers = all_peers(self.plant)
        return peers if not self.args.quick else [peer for peer in peers if peer.quick]

    # ---- the parts ----

    def link(self):
        for rtt_s in (0.0, RTT_S):
            rate = plain_stream(self.plant, rtt_s, 16 if self.args.quick else 512)
            self.out.line(f"link.plain_{int(rtt_s * 1000)}ms", rate, "MB/s", None)

    def outages(self, count):
        for holder in [Ours(self.plant, self.broker), *self.peers()]:
            ours = isinstance(holder, Ours)
            # Past the first size only who still matters is tried on the slow link.
            slow = (ours or count == self.args.records[0] and not self.args.quick
                    or count > 1000 and holder.name.endswith("bridge, best"))
            limit = 120 if ours else self.args.limit
            outage = Outage(holder, count, limit, limit)
            self.attempt(f"{holder.name}, {count:,} records",
                         lambda o=outage, s=slow: o.run(RTT_S if s else 0) or True)
            holder.close()
            self.out.outage(holder.name, count, outage.figures)

    def killed_at_once(self):
        """Those that keep anything at all, killed in the moment in which they accepted the last one."""
        count = self.args.records[0]
        for holder in [Ours(self.plant, self.broker), *(p for p in self.peers() if not p.ram_only)]:
            if "1,000" in holder.name:
                continue
            limit = 120 if isinstance(holder, Ours) else self.args.limit
            came, accepted = Outage(holder, count, limit, limit).killed_at_once()
            self.out.killed_at_once(holder.name, count, came, accepted)

    def pacing(self):
        seconds = 2 if self.args.quick else 40
        ours = [Ours(self.plant, self.broker), Ours(self.plant, self.broker)]
        jobs = [(ours[0], 500, ()), (ours[1], 250, ())]
        peers = [peer for peer in self.peers() if "1,000" not in peer.name]
        jobs += [(peer, 500, ()) for peer in peers]
        found = paced(jobs, seconds)
        self.out.paced("freshet", 500, found[0])
        self.out.paced("freshet", 250, found[1])
        for peer, figures in zip(peers, found[2:]):
            self.out.paced(peer.name, 500, figures)

    def slow_gateways(self):
        """Five records a second for an hour, in simulated time: the writes are those of an hour."""
        for window in ("2 s", "60 s"):
            holder = Ours(self.plant, self.broker, {"window": window})
            series = Series(90 if self.args.quick else 18000)
            holder.start()
            holder.begin_accept(series, 5, 120, "--simulate")
            accepted = holder.end_accept()["accepted"]
            self.out.paced(f"freshet, window {window}", 5,
                           written_of(holder.pid()) / accepted)
            holder.close()

    def online(self):
        holder = Ours(self.plant, self.broker)
        self.out.online(*steady(holder, 250, 1 if self.args.quick else 15, 1 if self.args.quick else 5))

    def committed(self):
        for count in self.args.records:
            with Committed() as core:
                holder = Ours(self.plant, self.broker)
                holder.start()
                holder.begin_accept(Series(count), 0, 120)
                holder.end_accept()
                holder.kill()
                rate, taken = core.drain(holder, count, self.args.commit_limit)
                holder.close()
                self.out.committed(count, rate, taken, self.args.commit_limit)
                if taken >= count:
                    core.check(count)

    def ingest(self, count):
        """What ./dev bench ingest says of as many records: a short run is slower than a long one."""
        done = subprocess.run([sys.executable, Path(__file__).with_name("ingest.py"), "--json",
                               "--records", str(min(count, 300000))],
                              stdout=subprocess.PIPE, text=True, timeout=300, check=False)
        for line in map(json.loads, done.stdout.splitlines()):
            if line["name"] == "ingest.saturated rate":
                self.out.ingest(count, line["value"], line["n"])
                return
        raise Failure(f"./dev bench ingest: status {done.returncode}")

    def run(self):
        disk = file_system_of(self.plant.folder)
        self.out.head("RSS: the most of holder and drain. Disk: bytes a record, pages that became dirty for "
                      f"{disk} at {self.plant.folder.parent}.\nWire: bytes a record, both directions, above TCP. "
                      "Drain: from the connection to the last record.\nPeers that lose all when killed are "
                      "drained in a run without a kill.")
        self.attempt("the link alone", self.link)
        for count in self.args.records:
            self.outages(count)
        self.attempt("killed at once", self.killed_at_once)
        self.attempt("paced", self.pacing)
        self.attempt("5 records/s", self.slow_gateways)
        self.attempt("online", self.online)
        self.attempt("into the core", self.committed)
        for count in [] if self.args.quick else self.args.records:
            self.attempt("the core's own rate", lambda n=count: self.ingest(n))
        self.say("done")
        return self.out.finish(self.args.records)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=list(SIZES), help="20000 1000000")
    parser.add_argument("--limit", type=int, default=30, help="seconds that a peer gets for a step (30)")
    parser.add_argument("--commit-limit", type=int, default=120, help="seconds of a drain into the core (120)")
    parser.add_argument("--quick", action="store_true", help="short runs with few peers: does all of it work?")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="ours alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    try:
        with Plant(1.0 if args.quick else 4.0) as plant:
            return Bench(plant, args).run()
    except Failure as failure:
        print(f"spool: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
