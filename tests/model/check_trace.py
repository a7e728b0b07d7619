#!/usr/bin/python3
"""Judges a trace of the real programs as the model is judged.

The trace is JSONL, one event a line, in any order; events without `gateway` belong to "":
  {"ev":"made","gateway":G,"epoch":E,"batch":N,"digest":D}        the spool gave a number
  {"ev":"committed","gateway":G,"epoch":E,"batch":N,"digest":D}   a body in the core's database,
                                                                 once for each time it was applied
  {"ev":"held","gateway":G,"epoch":E,"batch":N,"digest":D}        the spool still holds it at the end
  {"ev":"gap","gateway":G,"epoch":E,"ranges":[[A,B],...]}         the core reports A..B as lost
  {"ev":"gap",...,"possible":true,"from":A}                       the open tail A.. may be lost
`batch` may be `ranges` instead; `digest` may be left out where numbers were not used twice.
Other events are ignored. Prints `lost N applied_twice N gaps_unreported N false_gaps N unmade N`:
  lost             made, not committed and not held
  gaps_unreported  lost, and in no gap
  applied_twice    committed more than once
  false_gaps       in a gap that is not `possible`, although committed or never made
  unmade           committed, and never made
Exits 1 unless the last four are 0 (with --lossless: also `lost`), 2 where the trace is unreadable.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict

from transfer.check import judge


class Trace:
    """What a trace says."""

    def __init__(self):
        self.made = {}  # body -> [(epoch, number)]
        self.committed = Counter()
        self.held = set()
        self.gaps = defaultdict(list)  # epoch -> [(first, last)]
        self.tails = {}  # epoch -> first number of the open tail

    def take(self, event):
        """Takes one event in."""
        kind = event.get("ev")
        if kind not in ("made", "committed", "held", "gap"):
            return
        epoch = (event.get("gateway", ""), event["epoch"])
        if kind == "gap" and event.get("possible"):
            first = event.get("from", 1)
            self.tails[epoch] = min(first, self.tails.get(epoch, first))
            return
        ranges = event["ranges"] if "ranges" in event else [[event["batch"], event["batch"]]]
        if kind == "gap":
            self.gaps[epoch] += [(first, last) for first, last in ranges]
            return
        for first, last in ranges:
            for number in range(first, last + 1):
                self._body(kind, (epoch, number), event.get("digest"))

    def _body(self, kind, number, digest):
        body = (number, digest)
        if kind == "made":
            self.made[body] = [number]
        elif kind == "committed":
            self.committed[body] += 1
        else:
            self.held.add(body)

    def in_gap(self, epoch, number):
        return (any(a <= number <= b for a, b in self.gaps[epoch]) or
                number >= self.tails.get(epoch, float("inf")))

    def verdict(self):
        lost, unreported, twice = judge(self.made, self.committed, self.held, self.in_gap)
        numbers = {number for number, _ in self.made}
        committed = {number for number, _ in self.committed}
        gaps = [(epoch, n) for epoch, ranges in self.gaps.items() for a, b in ranges
                for n in range(a, b + 1)]
        false = [g for g in gaps if g in committed or g not in numbers]
        unmade = [body for body in self.committed if body not in self.made]
        return {"lost": lost, "applied_twice": twice, "gaps_unreported": unreported,
                "false_gaps": false, "unmade": unmade}


def read(lines):
    trace = Trace()
    for place, line in enumerate(lines, 1):
        if line.strip():
            try:
                trace.take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"line {place}: {error!r}") from error
    return trace


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", nargs="?", type=argparse.FileType(), default=sys.stdin)
    parser.add_argument("--lossless", action="store_true", help="a loss is a failure, reported or not")
    parser.add_argument("-v", "--verbose", action="store_true", help="name what was found")
    args = parser.parse_args()
    try:
        trace = read(args.trace)
    except ValueError as error:
        print(f"check_trace: {args.trace.name}: {error}", file=sys.stderr)
        return 2
    verdict = trace.verdict()
    if args.verbose:
        for name, found in verdict.items():
            for item in found[:20]:
                print(f"{name}: {item}")
    print(" ".join(f"{name} {len(found)}" for name, found in verdict.items()),
          f"(made {len(trace.made)} committed {len(trace.committed)} held {len(trace.held)})")
    bad = [name for name, found in verdict.items() if found and (name != "lost" or args.lossless)]
    return 1 if bad or not trace.made else 0


if __name__ == "__main__":
    sys.exit(main())
