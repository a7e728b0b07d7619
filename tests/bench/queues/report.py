"""What was found, as a table for people or as one JSON object a line."""

import json

OURS = "freshet"
MB = 1e6
COLUMNS = (  # key, head, how
    ("accepted_rate", "accepted/s", "{:,.0f}"),
    ("survivors", "after kill -9", "{:,.0f}"),
    ("drain_rate", "drain/s", "{:,.0f}"),
    ("slow_rate", "at 100 ms", "{:,.0f}"),
    ("twice", "twice", "{:,.0f}"),
    ("unordered", "unordered", "{:,.0f}"),
    ("rss_mb", "RSS MB", "{:,.1f}"),
    ("disk_burst", "disk, burst", "{:,.0f}"),
    ("disk_paced", "disk, 500/s", "{:,.0f}"),
    ("wire", "wire B", "{:,.1f}"),
)
UNITS = {"accepted_rate": "records/s", "survivors": "records", "drain_rate": "records/s",
         "slow_rate": "records/s", "twice": "records", "unordered": "records", "rss_mb": "MB",
         "disk_burst": "bytes/record", "disk_paced": "bytes/record", "wire": "bytes/record"}


def shown(value, how):
    return "-" if value is None else how.format(value)


class Report:
    def __init__(self, as_json):
        self.as_json = as_json
        self.found = {}  # (name, count): figures
        self.disk = {}  # (name, records/s): bytes a record
        self.lines = []  # (name, peer, value, unit, n, target, met, ratio)
        self.failed = []
        self.online_run = None
        self.core_rates = {}  # records: (records/s, of how many)
        self.commits = {}

    # ---- what comes in ----

    def head(self, text):
        self.intro = text

    def not_measured(self, what, failure):
        self.failed.append((what, str(failure)))

    def line(self, name, value, unit, n, peer=None, target=None, met=None, ratio=None):
        self.lines.append((name, peer, value, unit, n, target, met, ratio))

    def outage(self, name, count, figures):
        if "rss_kib" in figures:
            figures["rss_mb"] = max(figures["rss_kib"], *figures.get("rss_drain_kib", [0])) * 1024 / MB
        self.found[name, count] = figures

    def killed_at_once(self, name, count, came, accepted):
        ours = name == OURS
        self.line("spool.survivors_killed_at_once", came, "records", count, None if ours else name,
                  accepted if ours else None, came == accepted if ours else None)

    def paced(self, name, rate, figures):
        self.disk[name, rate] = figures

    def online(self, written, records, wire):
        self.online_run = (written, records, wire)

    def committed(self, count, rate, taken, limit_s):
        self.commits[count] = (rate, taken, limit_s)

    def ingest(self, count, rate, measured):
        self.core_rates[count] = (rate, measured)

    # ---- judging ----

    def peers(self, count, key, survivors=True):
        """{name: figure} of the peers, of those alone that lose nothing where `survivors`."""
        return {name: figures[key] for (name, n), figures in self.found.items()
                if n == count and name != OURS and figures.get(key) is not None
                and (not survivors or self.survives(figures))}

    @staticmethod
    def survives(figures):
        """Nothing was lost: all that was accepted came, or the time was over before."""
        return figures.get("survivors", 0) is None or figures["survivors"] == figures["accepted"] > 0

    def judge(self, name, value, unit, n, target, met, best=None):
        """A line of ours with its target; `best` is (peer, its figure)."""
        peer, ratio = None, None
        if best:
            peer, other = best
            ratio = value / other if other else None
        self.line(name, value, unit, n, peer, target, met, ratio)

    def best(self, count, key, most):
        found = self.peers(count, key)
        if not found:
            return None
        name = (max if most else min)(found, key=found.get)
        return name, found[name]

    def judge_outage(self, count):
        ours = self.found.get((OURS, count))
        if not ours or "drain_rate" not in ours:
            return
        self.judge("spool.survivors", ours["survivors"], "records", count, ours["accepted"],
                   ours["survivors"] == ours["accepted"] == count)
        self.judge("spool.twice", ours["twice"], "records", count, 0, ours["twice"] == 0)
        self.judge("spool.unordered", ours["unordered"], "records", count, 0, ours["unordered"] == 0)
        best = self.best(count, "drain_rate", True)
        target = max(120000, 2 * best[1]) if best else 120000
        self.judge("spool.drain", ours["drain_rate"], "records/s", count, target,
                   ours["drain_rate"] >= target, best)
        if ours.get("slow_rate"):
            self.judge("spool.drain_100ms", ours["slow_rate"], "records/s", count, 12000,
                       ours["slow_rate"] >= 12000, self.best(count, "slow_rate", True))
        self.judge("spool.accepted", ours["accepted_rate"], "records/s", count, None, None,
                   self.best(count, "accepted_rate", True))
        self.judge("spool.wire", ours["wire"], "bytes/record", count, 40, ours["wire"] <= 40,
                   self.best(count, "wire", False))
        self.judge("spool.disk_burst", ours["disk_burst"], "bytes/record", count, None, None,
                   self.best(count, "disk_burst", False))
        self.judge("spool.agent_rss", ours["rss_drain_kib"][2] * 1024 / MB, "MB", count, 10,
                   ours["rss_drain_kib"][2] * 1024 <= 10 * MB, self.best(count, "rss_mb", False))

    def judge_rss_growth(self, counts):
        rss = [self.found.get((OURS, n), {}).get("rss_drain_kib") for n in counts]
        if len(counts) > 1 and rss[0] and rss[-1]:
            growth = (rss[-1][2] - rss[0][2]) * 1024 / MB
            self.judge(f"spool.agent_rss_growth_from_{counts[0]}", growth, "MB", counts[-1], 1, growth <= 1)

    def judge_disk(self):
        for (name, rate), pages in self.disk.items():
            if not name.startswith(OURS):
                continue
            target = 150 if rate == 250 else None
            window = name.removeprefix(OURS + ", window ").replace(" ", "") if "window" in name else "2s"
            keep = {peer for (peer, _), figures in self.found.items() if self.survives(figures)}
            best = {peer: got for (peer, at), got in self.disk.items()
                    if at == rate == 500 and peer != OURS and peer in keep}
            peer = min(best, key=best.get) if best else None
            self.judge(f"spool.disk_offline_{rate}/s_window_{window}", pages, "bytes/record", None, target,
                       None if target is None else pages <= target, (peer, best[peer]) if peer else None)
        if self.online_run:
            written, records, wire = self.online_run
            self.judge("spool.disk_online_250/s", written, "bytes", records, 0, written == 0)
            self.judge("spool.wire_online_250/s", wire, "bytes/record", records, None, None)

    def judge_core(self):
        for count, (got, taken, limit_s) in self.commits.items():
            rate, measured = self.core_rates.get(count, (None, None))
            if rate:
                self.judge("spool.core_ingest_rate", rate, "records/s", measured, None, None)
            # One gateway against ten, on a machine that is never quite quiet: nine tenths are the same.
            self.judge("spool.drain_committed", got, "records/s", count, rate and round(0.9 * rate),
                       rate and got >= 0.9 * rate)
            if taken < count:
                self.found[OURS, count]["notes"].append(
                    f"not all committed after {limit_s} s: {taken:,} records")

    # ---- what goes out ----

    def table(self, count):
        rows = [(name, figures) for (name, n), figures in self.found.items() if n == count]
        print(f"\n{count:,} records")
        print(f"{'':30}" + "".join(f"{head:>14}" for _, head, _ in COLUMNS))
        for name, figures in rows:
            print(f"{name:30}" + "".join(f"{shown(figures.get(key), how):>14}" for key, _, how in COLUMNS))
        for name, figures in rows:
            for note in figures["notes"]:
                print(f"  {name}: {note}")

    def print_text(self, counts):
        print(self.intro)
        for count in counts:
            self.table(count)
        print(f"\n{'':44}{'n':>10}{'figure':>12}{'target':>10}  {'':8}ratio to best peer")
        for name, peer, value, unit, n, target, met, ratio in self.lines:
            verdict = "" if met is None else "met" if met else "MISSED"
            beside = f"{ratio:,.2f} of {peer}" if ratio is not None else peer or ""
            text = shown(value, "{:,.0f}" if value is None or abs(value) >= 1000 else "{:,.1f}")
            print(f"{name:44}{shown(n, '{:,}'):>10}{text:>12}{shown(target, '{:,.0f}'):>10}  {verdict:8}"
                  f"{unit:14}{beside}")
        for what, why in self.failed:
            print(f"NOT MEASURED {what}: {why}")

    def print_json(self):
        def rounded(value):
            return round(value, 3) if isinstance(value, float) else value

        for (name, count), figures in self.found.items():
            if name == OURS:
                continue
            for key, _, _ in COLUMNS:
                print(json.dumps({"name": f"spool.{key}", "peer": name, "value": rounded(figures.get(key)),
                                  "unit": UNITS[key], "n": count, "target": None, "met": None}))
            for note in figures["notes"]:
                print(json.dumps({"name": "spool.note", "peer": name, "value": note, "unit": None,
                                  "n": count, "target": None, "met": None}))
        for name, peer, value, unit, n, target, met, ratio in self.lines:
            print(json.dumps({"name": name, "peer": peer, "value": rounded(value), "unit": unit, "n": n,
                              "target": rounded(target), "met": met, "ratio": rounded(ratio)}))
        for what, why in self.failed:
            print(json.dumps({"name": "spool.not_measured", "peer": None, "value": f"{what}: {why}",
                              "unit": None, "n": None, "target": None, "met": None}))

    def finish(self, counts):
        """Prints all of it; the exit status."""
        for count in counts:
            self.judge_outage(count)
            for (name, n), figures in self.found.items():
                if n == count and (name, 500) in self.disk:
                    figures["disk_paced"] = self.disk[name, 500]
                elif n == count and name.startswith("paho") and ("paho, files, default", 500) in self.disk:
                    figures["disk_paced"] = self.disk["paho, files, default", 500]
        self.judge_rss_growth(counts)
        self.judge_disk()
        self.judge_core()
        if self.as_json:
            self.print_json()
        else:
            self.print_text(counts)
        return 1 if self.failed else 0
