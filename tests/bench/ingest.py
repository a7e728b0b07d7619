#!/usr/bin/python3
"""How fast the core takes batches in: synthetic gateways publish through a real broker, as agents do
(a window of unacknowledged batches each), until the core has committed everything.

  ./dev bench ingest [--records N] [--gateways N] [--rate N] [--json]

Two runs on one database: paced (latency from publish to commit acknowledgement) and saturated
(records a second). Bodies are made before the clock starts, 100 records each, compressed. The
publishers share the machine's processors with broker and core.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

import zstandard  # noqa: E402

from freshet import Depot, Failure, wait_until  # noqa: E402
from freshet.depot import WORKSPACE  # noqa: E402
from freshet.gateway import Gateway, mono_us  # noqa: E402
from freshet.records import CoreHistory  # noqa: E402

DEVICES = 20  # of a gateway
RECORDS = 100  # of a batch
WINDOW = 256  # batches, as an agent's

# Prototypes on a 2-core machine, SQLite with synchronous=FULL, 100-1,000 records a transaction.
PEER_RATE = ("prototype, SQLite FULL, saturated: 11,500-14,900 records/s", 14900)
# Its acknowledgements went out one by one; ours may wait 50 ms for company, and are held to the same.
PEER_P99 = ("prototype, SQLite FULL at 10,000 records/s: p99 23-38 ms", 38)


def bodies(gateway, count, begins_us, ends_us):
    """Bodies whose records are read one after the other between the two moments."""
    packer = zstandard.ZstdCompressor(level=1)
    made = []
    step_us = (ends_us - begins_us) // (count * RECORDS)
    assert step_us > 0, "more records than microseconds"
    at = begins_us
    for batch in range(count):
        records = []
        for place in range(RECORDS):
            n = batch * RECORDS + place
            at += step_us
            records.append(
                f'{{"kind":"update","device_id":"{gateway}-{n % DEVICES}","provider":"obd","source":"obd0",'
                f'"mono_us":{at},"module_status":{{"vehicle_state":"partial","battery":"partial"}},'
                f'"vehicle_state":{{"odometer_km":{10000 + n / 10},"speed_kmh":{n % 90},'
                f'"aux_battery_v":{11 + n % 300 / 100},"outside_temp_c":{n % 40}}},'
                f'"battery":{{"state_of_charge_pct":{n % 1000 / 10}}}}}')
        made.append(packer.compress(f"[{','.join(records)}]".encode()))
    return made


class Publisher(Gateway):
    """Keeps a window of batches under way; notes how long each took to be committed."""

    def __init__(self, broker, name):
        self.sent_at = {}
        self.delays = []
        self.room = threading.Semaphore(WINDOW)
        super().__init__(broker, name)

    def _on_message(self, client, data, message):
        now = time.monotonic()
        before = set(self.sent_at)
        super()._on_message(client, data, message)
        for number in before:
            if (self.epoch, number) in self.committed:
                self.delays.append(now - self.sent_at.pop(number))
                self.room.release()

    def put(self, body):
        if not self.room.acquire(timeout=30):
            raise Failure(f"{self.user}: no acknowledgement for 30 s")
        line = self.header(body, RECORDS, body="zstd", floor=self.batch + 1 - len(self.sent_at))
        self.sent_at[self.batch] = time.monotonic()
        self.client.publish(f"freshet/v1/{self.user}/data", line + b"\n" + body, 1)


def work(publisher, made, interval_s):
    due = time.monotonic()
    for body in made:
        if interval_s:
            due += interval_s
            time.sleep(max(0.0, due - time.monotonic()))
        publisher.put(body)


def measure(publishers, batches, begins_us, rate=None):
    """(records/s, delays in s) of `batches` batches spread over the publishers, of records read after
    `begins_us` and before now: newer than all before them, as live data is."""
    share = batches // len(publishers)
    ends_us = mono_us()
    made = [bodies(p.user.split("/")[1], share, begins_us, ends_us) for p in publishers]
    interval = len(publishers) * RECORDS / rate if rate else 0
    for p in publishers:
        p.delays.clear()
    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(p, m, interval), daemon=True)
               for p, m in zip(publishers, made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: not any(p.sent_at for p in publishers), 60, "every batch is committed")
    took = time.monotonic() - began
    delays = sorted(delay for p in publishers for delay in p.delays)
    return share * len(publishers) * RECORDS / took, delays


def quantile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def rows(args):
    """(name, peer, value, unit, n, target, met)"""
    names = [f"g{n}" for n in range(args.gateways)]
    with Depot(vehicles=0, gateways=names) as depot:
        depot.start_base()
        for name in names:
            depot.core.cli("gateway", "add", WORKSPACE, name)
            for number in range(DEVICES):
                depot.core.cli("device", "add", WORKSPACE, f"{name}-{number}", "--gateway", name,
                               "--provider", "obd")
        publishers = [Publisher(depot.broker, name) for name in names]
        paced = max(len(names), 10 * args.rate // RECORDS)
        begins_us = mono_us() - 3600 * 1000000
        rate, delays = measure(publishers, paced, begins_us, args.rate)
        count = len(delays) * RECORDS
        yield "paced rate", None, round(rate), "records/s", count, None, None
        for share, target in ((0.5, None), (0.99, PEER_P99[1])):
            value = round(1000 * quantile(delays, share), 1)
            peer = PEER_P99[0] if target else None
            yield (f"paced publish to ack p{int(share * 100)}", peer, value, "ms", count, target,
                   None if target is None else value <= target)
        used = depot.core.cpu_s()
        begins_us = mono_us() - 1000000  # the paced run's records were read before it began
        rate, delays = measure(publishers, args.records // RECORDS, begins_us)
        count = len(delays) * RECORDS
        used = depot.core.cpu_s() - used
        yield ("saturated rate", PEER_RATE[0], round(rate), "records/s", count, PEER_RATE[1],
               rate >= PEER_RATE[1])
        for share in (0.5, 0.99):
            yield (f"saturated publish to ack p{int(share * 100)}", None,
                   round(1000 * quantile(delays, share), 1), "ms", count, None, None)
        yield "core CPU", None, round(1e6 * used / count, 1), "us a record", count, None, None
        history = CoreHistory(depot.core.database)
        yield ("database", None, round(depot.core.database.stat().st_size / (paced * RECORDS + count), 1),
               "bytes a record", count, None, None)
        for publisher in publishers:
            publisher.close()
        wanted = len(history.batches) * RECORDS
        if history.outcomes.get("accepted") != wanted:
            raise Failure(f"{wanted} records were to be accepted: {history.outcomes}")
        numbers = [(epoch, number) for _, epoch, number, _, _ in history.batches]
        if len(numbers) != len(set(numbers)) or history.gaps:
            raise Failure("a batch is there twice, or a gap")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=600000, help="of the saturated run (600,000)")
    parser.add_argument("--gateways", type=int, default=10, help="10")
    parser.add_argument("--rate", type=int, default=10000, help="of the paced run, records/s (10,000)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    status = 0
    try:
        for name, peer, value, unit, n, target, met in rows(args):
            if args.json:
                print(json.dumps({"name": f"ingest.{name}", "peer": peer, "value": value, "unit": unit, "n": n,
                                  "target": target, "met": met}), flush=True)
            else:
                limit = "" if target is None else f"  {'met' if met else 'NOT MET'}: {target} ({peer})"
                print(f"{name:28} {value:>12} {unit:16}{limit}", flush=True)
            status = 1 if met is False else status
    except Failure as failure:
        print(f"ingest: {failure}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
