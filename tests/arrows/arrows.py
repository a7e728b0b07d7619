#!/usr/bin/env python3
"""Check the arrows of the house: who may include and link whom.

Reads the #include lines of the tree, and, with --links, what CMake was told to link (one line a
target, written by freshet_finish()). With --build it also looks into the portable libraries
with objdump: no writable data, no allocation, no I/O, no clock. Prints one line a violation; exit status 1
when there is one.
"""
import argparse
import os
import re
import subprocess
import sys

ROOMS = ("base", "model", "provider", "hal", "storage", "agent", "cloud", "tests")

# Portable modules stand on the C library alone and may use portable modules below them.
PORTABLE = ("model", "agent/protocol", "cloud/domain")
HOSTED_INSIDE_PORTABLE = ("model/wire",)

MAY_USE = {
    "base": ("base",),
    "model": ("model",),
    "model/wire": ("model", "model/wire", "base"),
    "provider": ("provider", "model", "model/wire", "base"),
    "hal": ("hal", "base"),
    "storage": ("storage", "model", "model/wire", "base"),
    "agent": ("agent", "agent/protocol", "storage", "provider", "model", "model/wire", "hal", "base"),
    "agent/protocol": ("agent/protocol", "model"),
    "cloud": ("cloud", "cloud/domain", "storage", "provider", "model", "model/wire", "base"),
    "cloud/domain": ("cloud/domain", "model"),
    "tests/sim": ("tests/sim", "base", "hal", "provider", "model", "model/wire", "agent/protocol"),
    # A test may look at everything.
    "tests": ("tests", "tests/sim", "base", "hal", "provider", "model", "model/wire", "storage",
              "agent", "agent/protocol", "cloud", "cloud/domain"),
}

C11_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp stdalign "
    "stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath uchar wchar "
    "wctype".split())

# What a portable module may not call: memory, files and streams, clocks, the environment.
FORBIDDEN_CALLS = frozenset(
    "malloc calloc realloc free aligned_alloc strdup strndup fopen fclose fread fwrite printf "
    "fprintf vprintf vfprintf puts putchar fputs fputc open close read write socket time clock "
    "gettimeofday clock_gettime localtime gmtime mktime getenv setenv system signal "
    "pthread_create usleep nanosleep sleep rand srand strtok setlocale".split())

# Libraries that the agent must never carry.
NOT_IN_AGENT = re.compile(r"(?i)(^|::|_)(pq|libpq|postgres(ql)?)$")

WRITABLE = re.compile(r"\.(data|bss|tdata|tbss)\b|\*COM\*")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def room_of(path):
    """The room (or the room within a room that has rules of its own) of a file or folder."""
    best = None
    for room in MAY_USE:
        if (path == room or path.startswith(room + "/")) and len(room) > len(best or ""):
            best = room
    return best


def is_portable(folder):
    """Does the file in this folder belong to a portable module?"""
    return room_of(folder) in PORTABLE


def sources(root):
    for room in ROOMS:
        for folder, subs, files in os.walk(os.path.join(root, room)):
            subs[:] = sorted(s for s in subs if s not in ("node_modules", "build"))
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def blank_comments(text):
    """Comments become blank lines, so that line numbers stay."""
    return COMMENT.sub(lambda m: "\n" * m.group(0).count("\n") or " ", text)


def check_includes(root):
    """Yield one text a forbidden #include."""
    for path in sources(root):
        folder = os.path.dirname(path)
        room = room_of(folder)
        with open(os.path.join(root, path), encoding="utf-8") as f:
            text = blank_comments(f.read())
        for m in INCLUDE.finditer(text):
            where = f"{path}:{text.count(chr(10), 0, m.start()) + 1}"
            bracket, name = m.groups()
            if bracket == "<":
                if is_portable(folder) and name.removesuffix(".h") not in C11_HEADERS:
                    yield f"{where}: portable code includes <{name}>, which is not C11"
                continue
            yield from check_project_include(root, where, folder, room, name)


def check_project_include(root, where, folder, room, name):
    target = room_of(os.path.dirname(name))
    if target is None:
        if not os.path.exists(os.path.join(root, folder, name)):
            return  # generated at build time
        yield f'{where}: "{name}" is not written from the root of the repository'
    elif target not in MAY_USE[room]:
        yield f'{where}: {room} may not include {target} ("{name}")'
    elif name.endswith("_priv.h") and not folder.startswith(("tests", os.path.dirname(name))):
        yield f'{where}: "{name}" is private to its folder'


def read_links(path):
    """[(kind, name, folder, portable, [links])] as CMake wrote it."""
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            kind, name, folder, what, *links = line.split() or [None] * 4
            if kind:
                rows.append((kind, name, folder, what == "portable", links))
    return rows


def closure(rows, name):
    """Everything that a target links, directly or through others."""
    links = {row[1]: row[4] for row in rows}
    seen, todo = set(), [name]
    while todo:
        for link in links.get(todo.pop(), ()):
            if link not in seen:
                seen.add(link)
                todo.append(link)
    return seen


def check_links(rows):
    """Yield one text a forbidden link."""
    folder_of = {row[1]: row[2] for row in rows}
    portable = {row[1] for row in rows if row[3]}
    for kind, name, folder, is_port, links in rows:
        room = room_of(folder)
        if kind == "module" and room != "tests" and is_port != is_portable(folder):
            yield f"{name}: is {'' if is_port else 'not '}PORTABLE, but stands in {folder}"
        for link in links:
            if link not in folder_of:
                if is_port and kind == "module" and link != "m":
                    yield f"{name}: portable, but links {link}"
                continue
            if room_of(folder_of[link]) not in MAY_USE[room]:
                yield f"{name}: {room} may not link {room_of(folder_of[link])} ({link})"
            if is_port and link not in portable:
                yield f"{name}: portable, but links {link}, which is not"
        if kind == "program" and room == "agent":
            for link in sorted(closure(rows, name)):
                if NOT_IN_AGENT.search(link):
                    yield f"{name}: the agent links {link}"


def check_symbols(rows, build):
    """Yield one text a symbol that a portable library may not hold or call."""
    for kind, name, folder, is_port, _ in rows:
        archive = os.path.join(build, folder, f"lib{name}.a")
        if kind != "module" or not is_port or not os.path.exists(archive):
            continue
        out = subprocess.run(["objdump", "-t", archive], capture_output=True, text=True, check=True)
        yield from judge_symbols(name, out.stdout)


def judge_symbols(name, text):
    """`text` is what objdump -t prints: value, flags, section, TAB, size, name."""
    for line in text.splitlines():
        left, tab, right = line.partition("\t")
        if not tab:
            continue
        section, symbol = left.split()[-1], right.split()[-1]
        # Sanitizers, coverage and the compiler add their own; sections are symbols, too.
        if symbol.startswith(("__", ".", "_GLOBAL")):
            continue
        # Constant tables that hold addresses are relocated once and then read-only.
        if WRITABLE.match(section) and not section.startswith(".data.rel.ro"):
            yield f"{name}: portable, but holds writable data ({symbol})"
        if section == "*UND*" and symbol in FORBIDDEN_CALLS:
            yield f"{name}: portable, but calls {symbol}()"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="the top of the source tree")
    parser.add_argument("--links", help="generated/links.txt of a build tree")
    parser.add_argument("--build", help="a build tree with the libraries built")
    args = parser.parse_args()

    bad = list(check_includes(args.root))
    rows = read_links(args.links) if args.links else []
    bad += check_links(rows)
    if args.build:
        bad += check_symbols(rows, args.build)
    for text in bad:
        print(text)
    files = sum(1 for _ in sources(args.root))
    print(f"arrows: {files} files, {len(rows)} targets, {len(bad)} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
