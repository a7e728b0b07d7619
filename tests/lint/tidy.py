#!/usr/bin/env python3
"""Run clang-tidy over the files of a compile_commands.json, only where something changed.

A file passes again without a run when its preprocessed text, its flags and .clang-tidy are those
of a run that passed. Exit status 1 when a file fails.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys

TIDY = "clang-tidy-14"


def key_of(entry, config):
    """What the verdict on one file depends on; None when it does not even preprocess."""
    args = shlex.split(entry["command"])
    if "-o" in args:
        at = args.index("-o")
        del args[at:at + 2]
    args = [a for a in args if a != "-c"]
    run = subprocess.run(args + ["-E"], cwd=entry["directory"], capture_output=True, check=False)
    if run.returncode:
        return None
    total = hashlib.sha256(config)
    total.update(" ".join(args).encode())
    total.update(run.stdout)
    return total.hexdigest()


def check(entry, build, config, cache):
    """Returns (file, output or None when clean, was a run needed)."""
    key = key_of(entry, config)
    stamp = os.path.join(cache, key) if key else None
    if stamp and os.path.exists(stamp):
        os.utime(stamp)
        return entry["file"], None, False
    run = subprocess.run([TIDY, "-p", build, "--quiet", entry["file"]], capture_output=True,
                         text=True, check=False)
    if run.returncode:
        return entry["file"], run.stdout or run.stderr, True
    if stamp:
        with open(stamp, "w", encoding="utf-8"):
            pass
    return entry["file"], None, True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("build", help="a build tree of clang with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()

    cache = os.path.join(args.build, "tidy")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(args.root, ".clang-tidy"), "rb") as f:
        config = f.read()
    with open(os.path.join(args.build, "compile_commands.json"), encoding="utf-8") as f:
        # What the build itself wrote is not ours to mend.
        entries = [e for e in json.load(f)
                   if not os.path.abspath(e["file"]).startswith(os.path.abspath(args.build) + "/")]
    # A file that several suites share is judged once.
    entries = list({e["file"]: e for e in entries}.values())

    failed = ran = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name, output, fresh in pool.map(lambda e: check(e, args.build, config, cache), entries):
            ran += fresh
            if output is not None:
                failed += 1
                print(f"{os.path.relpath(name, args.root)}:\n{output}", flush=True)
    print(f"clang-tidy: {len(entries)} files, {ran} run, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
