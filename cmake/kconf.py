#!/usr/bin/env python3
"""Turn a defconfig (or the .config of a build tree) and overrides into .config and autoconf.h.

Also writes the list of the Kconfig files that were read, so that the build is configured
again when one of them changes. Every warning of kconfiglib, and every value that does not
stick (unmet dependency, out of range), is an error.
"""
import argparse
import os
import sys

import kconfiglib


def asked_text(sym):
    """The value that the user gave a symbol, as kconfiglib prints it."""
    if sym.orig_type in (kconfiglib.BOOL, kconfiglib.TRISTATE):
        return kconfiglib.TRI_TO_STR[sym.user_value]
    return sym.user_value


def override(kconf, text):
    """Apply one CONFIG_X=value from the command line; returns an error text or None."""
    name, _, value = text.partition("=")
    sym = kconf.syms.get(name.removeprefix("CONFIG_"))
    if sym is None or not sym.nodes:
        return f"{name}: no such option"
    if not sym.set_value(value):
        return f"{name}: {value!r} is not a valid value"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kconfig", help="the top Kconfig file")
    parser.add_argument("config_in", help="a defconfig, or the .config of this build tree")
    parser.add_argument("config_out")
    parser.add_argument("header_out")
    parser.add_argument("deps_out")
    parser.add_argument("overrides", nargs="*", metavar="CONFIG_X=value")
    args = parser.parse_args()

    try:
        kconf = kconfiglib.Kconfig(args.kconfig, warn_to_stderr=False)
        kconf.warn_assign_undef = True
        kconf.load_config(args.config_in)
    except (kconfiglib.KconfigError, OSError) as err:
        sys.exit(f"error: Kconfig: {err}")

    problems = [e for e in (override(kconf, o) for o in args.overrides) if e]
    # A .config that menuconfig wrote may hold values that a changed dependency now hides;
    # a defconfig or an override that does so is a mistake.
    strict = not os.path.basename(args.config_in).startswith(".")
    named = {o.partition("=")[0].removeprefix("CONFIG_") for o in args.overrides}
    for sym in kconf.unique_defined_syms:
        if sym.user_value is None or not (strict or sym.name in named):
            continue
        if asked_text(sym) != sym.str_value:
            problems.append(
                f"CONFIG_{sym.name}: asked for {asked_text(sym)!r}, got {sym.str_value!r} "
                "(unmet dependency or out of range)"
            )
    problems += kconf.warnings
    if problems:
        sys.exit("\n".join(["error: Kconfig:"] + problems))

    kconf.write_config(args.config_out)
    kconf.write_autoconf(args.header_out)
    with open(args.deps_out, "w", encoding="utf-8") as deps:
        for name in sorted(set(kconf.kconfig_filenames)):
            deps.write(os.path.join(kconf.srctree, name) + "\n")


if __name__ == "__main__":
    main()
