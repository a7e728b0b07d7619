#!/usr/bin/python3
"""What the programs weigh: stripped release binaries, and the memory of the running ones while one
agent reads 20 simulated vehicles.

  ./dev bench footprint [--seconds N] [--vehicles N] [--json]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from freshet import Depot, Failure  # noqa: E402


def stripped_bytes(exe):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, exe], check=True)
        return Path(out.name).stat().st_size


def rows(args):
    """(name, value, unit)"""
    with Depot(vehicles=args.vehicles) as depot:
        for exe in ("freshet-agent", "freshet-core"):
            yield f"{exe} stripped", stripped_bytes(depot.bin / exe), "bytes"
        depot.start()
        depot.wait_healthy(deadline_s=60)
        began = time.monotonic()
        used = {program: program.cpu_s() for program in (depot.agent, depot.core)}
        time.sleep(args.seconds)
        took = time.monotonic() - began
        depot.check_alive()
        for name, program in (("agent", depot.agent), ("core", depot.core), ("broker", depot.broker)):
            rss, pss = program.memory_kib()
            yield f"{name} RSS", rss, "KiB"
            yield f"{name} PSS", pss, "KiB"
        for name, program in (("agent", depot.agent), ("core", depot.core)):
            yield f"{name} CPU", round(100 * (program.cpu_s() - used[program]) / took, 2), "% of a core"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="how long they run before (30)")
    parser.add_argument("--vehicles", type=int, default=20, help="20")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    if not args.json:
        print(f"{args.vehicles} vehicles, one agent, {args.seconds:g} s after all are healthy")
    try:
        for name, value, unit in rows(args):
            if args.json:
                print(json.dumps({"name": f"footprint.{name}", "peer": None, "value": value, "unit": unit,
                                  "n": 1, "target": None, "met": None}), flush=True)
            else:
                print(f"{name:28} {value:>12} {unit}", flush=True)
    except Failure as failure:
        print(f"footprint: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
