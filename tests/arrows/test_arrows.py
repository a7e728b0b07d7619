#!/usr/bin/env python3
"""Prove that arrows.py can fail: each case is a small bad tree and the violation it must find."""
import os
import tempfile
import unittest

import arrows

BAD_INCLUDES = {
    "base_knows_no_room": ("base/a.c", '#include "model/b.h"\n', "base may not include model"),
    "model_is_on_its_own": ("model/a.c", '#include "base/log.h"\n', "model may not include base"),
    "storage_knows_no_provider": ("storage/sql/a.c", '#include "provider/x.h"\n', "storage may not"),
    "provider_knows_no_agent": ("provider/obd/a.c", '#include "agent/x.h"\n', "provider may not"),
    "agent_knows_no_cloud": ("agent/a.c", '#include "cloud/query/q.h"\n', "agent may not include cloud"),
    "cloud_knows_no_agent": ("cloud/accept/a.c", '#include "agent/x.h"\n', "cloud may not include agent"),
    "cloud_knows_no_hardware": ("cloud/a.c", '#include "hal/stream.h"\n', "cloud may not include hal"),
    "domain_knows_no_database": ("cloud/domain/a.c", '#include "storage/sql/sql.h"\n', "may not include storage"),
    "domain_knows_no_wire": ("cloud/domain/a.c", '#include "model/wire/json.h"\n', "may not include model/wire"),
    "portable_has_no_posix": ("agent/protocol/a.c", "#include <unistd.h>\n", "which is not C11"),
    "portable_has_no_linux": ("model/a.h", "  #  include <sys/types.h>\n", "which is not C11"),
    "portable_has_no_library": ("cloud/domain/a.c", "#include <jansson.h>\n", "which is not C11"),
    "includes_start_at_the_root": ("base/a.c", '#include "a.h"\n', "not written from the root"),
    "private_stays_private": ("agent/a.c", '#include "storage/sql/sql_priv.h"\n', "is private"),
}

GOOD_INCLUDES = {
    "agent/a.c": '#include "agent/protocol/elm327.h"\n#include "hal/stream.h"\n#include <unistd.h>\n',
    "cloud/accept/a.c": '#include "cloud/domain/h.h"\n#include "storage/sql/sql.h"\n',
    "model/wire/a.c": '#include "model/update.h"\n#include "base/buf.h"\n#include <jansson.h>\n',
    "agent/protocol/a.c": "/* #include <unistd.h> */\n#include <stdint.h>\n// #include <poll.h>\n",
    "storage/sql/a.c": '#include "storage/sql/sql_priv.h"\n',
}

BAD_LINKS = {
    "agent_links_cloud": (
        ["module cloud_query cloud/query hosted", "program freshet-agent agent hosted cloud_query"],
        "agent may not link cloud"),
    "agent_reaches_libpq": (
        ["module storage_pg storage/sql hosted PkgConfig::LIBPQ",
         "program freshet-agent agent hosted storage_pg"],
        "the agent links PkgConfig::LIBPQ"),
    "portable_links_hosted": (
        ["module model_wire model/wire hosted", "module model_a model portable model_wire"],
        "portable, but links model_wire"),
    "portable_links_library": (
        ["module model_a model portable PkgConfig::JANSSON"], "portable, but links PkgConfig"),
    "portable_room_without_the_word": (["module model_a model hosted"], "is not PORTABLE"),
    "hosted_room_with_the_word": (["module base_a base portable"], "is PORTABLE, but stands in base"),
}

BAD_SYMBOLS = {
    "global": ("0000000000000000 l     O .bss.counter\t0000000000000004 counter", "writable data"),
    "initialised": ("0000000000000000 g     O .data\t0000000000000004 mode", "writable data"),
    "tentative": ("0000000000000004       O *COM*\t0000000000000004 shared", "writable data"),
    "thread": ("0000000000000000 l       .tbss.x\t0000000000000004 x", "writable data"),
    "allocation": ("0000000000000000         *UND*\t0000000000000000 malloc", "calls malloc"),
    "clock": ("0000000000000000         *UND*\t0000000000000000 time", "calls time"),
}

GOOD_SYMBOLS = """\
0000000000000000 l    df *ABS*\t0000000000000000 model.c
0000000000000000 l    d  .text\t0000000000000000 .text
0000000000000000 g     F .text.f\t0000000000000021 f
0000000000000000 l     O .data.rel.ro.local.names\t0000000000000050 names
0000000000000000 l     O .rodata.limits\t0000000000000050 limits
0000000000000000         *UND*\t0000000000000000 memcpy
"""


def includes_of(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        return list(arrows.check_includes(root))


def links_of(lines):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("\n".join(lines) + "\n")
        f.flush()
        return list(arrows.check_links(arrows.read_links(f.name)))


class Arrows(unittest.TestCase):
    def test_bad_includes_are_found(self):
        for name, (path, text, want) in BAD_INCLUDES.items():
            with self.subTest(name):
                files = {path: text}
                if name == "includes_start_at_the_root":
                    files["base/a.h"] = ""
                found = includes_of(files)
                self.assertEqual(len(found), 1, found)
                self.assertIn(want, found[0])
                self.assertTrue(found[0].startswith(f"{path}:1: "))

    def test_good_includes_pass(self):
        self.assertEqual(includes_of(GOOD_INCLUDES), [])

    def test_bad_links_are_found(self):
        for name, (lines, want) in BAD_LINKS.items():
            with self.subTest(name):
                self.assertTrue(any(want in text for text in links_of(lines)), links_of(lines))

    def test_good_links_pass(self):
        self.assertEqual(links_of(["module base_log base hosted", "module model_a model portable m",
                                   "program freshet-agent agent hosted base_log model_a"]), [])

    def test_bad_symbols_are_found(self):
        for name, (line, want) in BAD_SYMBOLS.items():
            with self.subTest(name):
                self.assertIn(want, " ".join(arrows.judge_symbols("m", line)))
        self.assertEqual(list(arrows.judge_symbols("m", GOOD_SYMBOLS)), [])


if __name__ == "__main__":
    unittest.main()
