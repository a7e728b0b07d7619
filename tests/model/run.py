#!/usr/bin/python3
"""Runs the model of the transfer protocol under random faults.

Prints one line a scenario and a summary; exits 1 where a run shows what none may show.
"""

import argparse
import sys
import time
from collections import Counter

from transfer import rules as protocol
from transfer.check import VIOLATIONS
from transfer.faults import SCENARIOS
from transfer.world import World

STORM, CALM = 270, 140


def run_once(seed, faults, rules):
    """One storm, then calm in which everything must come out right."""
    world = World(seed, faults, rules)
    for _ in range(STORM):
        world.step()
    world.calm = True
    for _ in range(CALM):
        world.step()
    return world.oracle.verdict(), world.oracle


def run_scenario(name, args, rules):
    total, worst, failing = Counter(), Counter(), {}
    for seed in range(args.seed, args.seed + args.runs):
        result, oracle = run_once(seed, SCENARIOS[name], rules)
        total += result
        for key, value in oracle.longest.items():
            worst[key] = max(worst[key], value)
        if any(result[v] for v in VIOLATIONS):
            failing[seed] = oracle.example
            if args.first:
                break
    return total, worst, failing


def report(name, args, total, worst, failing):
    bad = " ".join(f"{v} {total[v]}" for v in VIOLATIONS if total[v])
    print(f"{name:14} runs {args.runs} made {total['made']} lost {total['lost']} "
          f"beyond {total['beyond_telling']} wrong_s {worst['wrong']} misordered_s {worst['misordered']} "
          f"ahead_s {worst['fresher_trusted']}/{worst['fresher_untrusted']} "
          f"{'FAILED in %d: ' % len(failing) + bad if bad else 'ok'}", flush=True)
    if args.verbose:
        for seed, example in list(failing.items())[:5]:
            print(f"    seed {seed}: {example}")


def scenarios_for(rule, args):
    if args.quick:
        return [protocol.PROOF[rule]] if rule in protocol.PROOF else []
    return args.scenario or SCENARIOS


def remove_each_rule(args):
    """A table of what each rule is for. Fails where a bearing rule turns out not to bear."""
    idle, args.first = [], True
    for rule in protocol.ALL:
        broken = Counter()
        where = []
        for name in scenarios_for(rule, args):
            total, _, failing = run_scenario(name, args, frozenset(protocol.ALL) - {rule})
            if failing:
                where.append(name)
                broken += Counter(v for v in VIOLATIONS if total[v])
        if args.quick and rule in protocol.EASING:
            continue
        print(f"without {rule:18}", ", ".join(f"{v} ({n})" for v, n in broken.most_common()) or
              "nothing breaks", f" [{' '.join(where)}]" if where else "", flush=True)
        if not where and rule in protocol.BEARING:
            idle.append(rule)
    print("bearing rules that did not bear:", " ".join(idle) or "none")
    return 1 if idle else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs a scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="default: all")
    parser.add_argument("--without", action="append", default=[], choices=protocol.ALL,
                        metavar="RULE", help="take a rule away")
    parser.add_argument("--rules", action="store_true", help="list the rules and leave")
    parser.add_argument("--each-rule", action="store_true",
                        help="take each rule away in turn and show what then breaks")
    parser.add_argument("--quick", action="store_true",
                        help="with --each-rule: only the scenario that fails soonest")
    parser.add_argument("--first", action="store_true", help="stop a scenario at its first failure")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    if args.rules:
        for name, text in protocol.ALL.items():
            print(f"{name:18}{text}")
        return 0
    rules = frozenset(protocol.ALL) - set(args.without)
    if args.each_rule:
        return remove_each_rule(args)
    started, summary = time.monotonic(), Counter()
    for name in args.scenario or SCENARIOS:
        total, worst, failing = run_scenario(name, args, rules)
        report(name, args, total, worst, failing)
        summary += total
    print(" ".join(f"{v} {summary[v]}" for v in VIOLATIONS),
          f"(made {summary['made']} lost {summary['lost']} beyond {summary['beyond_telling']}, "
          f"{time.monotonic() - started:.1f} s, seed {args.seed})")
    return 1 if any(summary[v] for v in VIOLATIONS) else 0


if __name__ == "__main__":
    sys.exit(main())
