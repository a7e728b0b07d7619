#!/usr/bin/python3
"""A depot's link is away for a night and returns: how soon everything is live again, how long the backlog
takes, what it does to live data.

  ./dev bench outage [--vehicles N] [--minutes N] [--rebooted]
                       [--delay MS] [--rate BYTES] [--json]

The night is made in process, on a clock that jumps, by the real sampler and the real spool from
simulated vehicles that are read at their usual rhythm. Then the real agent goes on with that spool and
reads a simulated depot, without a link; the link is opened; times count from the agent's "online". At the
end each record is compared with the core's history.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from freshet import Failure  # noqa: E402
from freshet.outage import Outage, depot_of, quantile  # noqa: E402

LIVE_TARGET_S = 1
AFTER_S = 15


def rows(args):
    """(name, value, unit, n, target)"""
    with depot_of(args.vehicles) as depot:
        outage = Outage(depot, args.vehicles, args.minutes, args.rebooted, args.delay / 1000, args.rate)
        outage.prepare()
        made = outage.made
        records = made["records"]
        yield "values read in the night", made["values"], "values", made["values"], None
        yield "records in the spool", records, "records", records, None
        yield "batches in the spool", made["batches"], "batches", made["batches"], None
        yield "bodies in the spool", round(made["bytes"] / records, 1), "bytes a record", records, None
        yield "written to the disk", round(made["written"] / records, 1), "bytes a record", records, None
        before = depot.agent.cpu_s(), depot.core.cpu_s()
        yield "memory of the agent before", depot.agent.memory_kib()[0], "KiB", 1, None
        outage.reconnect(540)
        sent = outage.link.bytes
        used = depot.agent.cpu_s() - before[0], depot.core.cpu_s() - before[1]
        yield ("online until every vehicle is healthy with live values", round(outage.live_s, 3), "s",
               args.vehicles, LIVE_TARGET_S)
        yield "online until the backlog is committed", round(outage.drained_s, 2), "s", records, None
        yield "backlog", round(records / outage.drained_s), "records/s", records, None
        yield "sent meanwhile", round(sent / records, 1), "bytes a record", records, None
        yield "CPU of the agent", round(1e6 * used[0] / records, 1), "us a record", records, None
        yield "CPU of the core", round(1e6 * used[1] / records, 1), "us a record", records, None
        yield "memory of the agent after", depot.agent.memory_kib()[0], "KiB", 1, None
        end = time.monotonic() + AFTER_S
        while time.monotonic() < end:
            depot.check_alive()
            time.sleep(0.1)
        during, after = outage.latencies()
        for when, values in (("while the backlog goes in", during), ("afterwards", after)):
            for share in (0.5, 0.99):
                yield (f"live, read to committed, {when}, p{int(100 * share)}",
                       round(1000 * quantile(values, share), 1), "ms", len(values), None)
        if depot.agent.stop() != 0:
            raise Failure("the agent does not end in order")
        outage.check()
        outage.link.close()
        yield "records missing, twice, changed or out of order", 0, "records", records, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=50, help="50")
    parser.add_argument("--minutes", type=int, default=480, help="without a link (480)")
    parser.add_argument("--rebooted", action="store_true", help="the gateway boots anew before the link returns"
                        " (always so where this machine has not run for so long)")
    parser.add_argument("--delay", type=int, default=0, help="of the link, ms each way (0)")
    parser.add_argument("--rate", type=int, default=0, help="of the link, bytes a second up (0: no limit)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    status = 0
    try:
        for name, value, unit, n, target in rows(args):
            met = None if target is None else value <= target
            if args.json:
                print(json.dumps({"name": f"outage.{name}", "peer": None, "value": value, "unit": unit, "n": n,
                                  "target": target, "met": met}), flush=True)
            else:
                limit = "" if target is None else f"  {'met' if met else 'NOT MET'}: {target}"
                print(f"{name:56} {value:>12} {unit:16}{limit}", flush=True)
            status = 1 if met is False else status
    except Failure as failure:
        print(f"outage: {failure}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
