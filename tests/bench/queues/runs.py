"""The runs: an outage with a kill, the same without one, paced, and over a slow link."""

import socket
import subprocess
import threading
import time

from .plant import Failure, Series, free_port, written_of, rss_kib, wait_until

def per(amount, count):
    return amount / count if count else None


class Saved:
    """Copies of a holder's folders, to begin again from the same state."""

    def __init__(self, holder):
        self.pairs = [(folder, folder.with_name(folder.name + ".saved")) for folder in holder.folders()]
        for folder, copy in self.pairs:
            subprocess.run(["cp", "-a", "--reflink=auto", folder, copy], check=True)

    def put_back(self):
        for folder, copy in self.pairs:
            subprocess.run(["rm", "-rf", folder], check=True)
            copy.rename(folder)


class Outage:
    """One holder, one number of records. `figures` is what was found, None where it was not asked."""

    def __init__(self, holder, count, accept_s, drain_s):
        self.holder = holder
        self.series = Series(count)
        self.accept_s = accept_s
        self.drain_s = drain_s
        self.figures = {"notes": []}

    def note(self, text):
        if text not in self.figures["notes"]:
            self.figures["notes"].append(text)

    def accept(self, settle_s=None):
        holder, found = self.holder, self.figures
        holder.start()
        before = written_of(holder.pid()) if holder.program else 0
        holder.begin_accept(self.series, 0, self.accept_s)
        report = holder.end_accept()
        time.sleep(holder.plant.settle_s if settle_s is None else settle_s)
        after = written_of(holder.pid())
        accepted = report["accepted"]
        found["accepted"] = accepted
        found["accepted_rate"] = per(accepted, report["seconds"])
        found["disk_burst"] = per(after - before, accepted)
        found["rss_kib"] = rss_kib(holder.pid())[0]
        if accepted < self.series.count:
            self.note(f"accepting not finished after {self.accept_s} s")

    def again(self, killed, rtt_s=0.0):
        """The link comes back; what the far end says."""
        holder = self.holder
        if killed:
            holder.restart()
        offline = rss_kib(holder.pid())[0]
        drain = holder.drain(self.series, rtt_s, self.drain_s)
        drain.begin()
        holder.go_online()
        got = drain.end()
        got["rss_kib"] = [offline, *rss_kib(holder.pid())]
        return got

    def note_drain(self, got, where):
        found = self.figures
        expected = found["accepted"]
        if got["unreadable"] or got["unknown"]:
            raise Failure(f"{self.holder.name}: {got['unreadable']} unreadable, {got['unknown']} unknown")
        if got["seconds"] >= self.drain_s - 5 and got["different"] < expected:
            self.note(f"{where} not finished after {self.drain_s} s: {got['different']:,} of "
                      f"{expected:,} records")

    def take_drain(self, got):
        found = self.figures
        self.note_drain(got, "draining")
        found["delivered"] = got["different"]
        found["drain_rate"] = got["rate"] or None
        found["twice"] = got["twice"]
        found["unordered"] = got["unordered"]
        found["wire"] = per(got["up"] + got["down"], got["records"])
        found["rss_drain_kib"] = got["rss_kib"]

    def run(self, slow_link_s):
        """Everything; slow_link_s is the round trip of the second drain, 0 for none."""
        holder, found = self.holder, self.figures
        self.accept()
        holder.kill()
        saved = Saved(holder) if slow_link_s and not holder.ram_only else None
        got = self.again(True)
        found["survivors"] = got["different"]
        if got["seconds"] >= self.drain_s - 5 and got["different"] < found["accepted"]:
            found["survivors"] = None  # more may have come
        if holder.ram_only:
            holder.close()
            self.accept()
            got = self.again(False)
        self.take_drain(got)
        if slow_link_s:
            self.slow(saved, slow_link_s)
        holder.close()

    def killed_at_once(self):
        """What is left where nobody had time to save anything: (records that came, accepted)."""
        self.accept(0)
        self.holder.kill()
        got = self.again(True)
        self.holder.close()
        return got["different"], self.figures["accepted"]

    def slow(self, saved, slow_link_s):
        holder = self.holder
        holder.close()
        if saved:
            saved.put_back()
            got = self.again(True, slow_link_s)
        else:
            self.accept()
            got = self.again(False, slow_link_s)
        self.note_drain(got, "draining at 100 ms")
        self.figures["slow_rate"] = got["rate"] or None


def paced(jobs, seconds):
    """jobs: [(holder, records/s, words)], all at the same time. Bytes to disk a record, of each."""
    started = []
    for holder, rate, words in jobs:
        series = Series(max(1, int(rate * seconds)))
        holder.start()
        before = written_of(holder.pid()) if holder.program else 0
        holder.begin_accept(series, rate, seconds * 2 + 20, *words)
        started.append((holder, before))
    found = []
    for holder, before in started:
        accepted = holder.end_accept()["accepted"]
        found.append((holder, before, accepted))
    time.sleep(jobs[0][0].plant.settle_s)
    results = []
    for holder, before, accepted in found:
        after = written_of(holder.pid())
        results.append(per(after - before, accepted))
        holder.close()
    return results


def steady(holder, rate, seconds, begin_s):
    """Online: (bytes to disk, records) of `seconds` that begin `begin_s` after the start."""
    series = Series(int(rate * (seconds + begin_s + 2)))
    holder.start()
    drain = holder.drain(series, 0.0, seconds + begin_s + 30)
    drain.begin()
    holder.begin_accept(series, rate, seconds + begin_s + 2, "--online")
    time.sleep(begin_s)
    before = written_of(holder.pid())
    time.sleep(seconds)
    written = written_of(holder.pid()) - before
    holder.end_accept()
    got = drain.end()
    holder.close()
    if got["different"] != series.count:
        raise Failure(f"online: {got['different']} of {series.count} records arrived")
    return written, int(rate * seconds), (got["up"] + got["down"]) / got["records"]


def plain_stream(plant, rtt_s, megabytes):
    """MB/s of a plain stream through the link: does it limit anything?"""
    far = socket.create_server(("127.0.0.1", 0))
    port = free_port()
    proxy = plant.tool("proxy", "bench_proxy", [port, far.getsockname()[1], int(rtt_s * 1e6 / 2)])
    proxy.start()
    wait_until(lambda: "listening" in proxy.told(), 10, "the link is up", [proxy])
    near = socket.create_connection(("127.0.0.1", port))
    end, _ = far.accept()
    block, total = bytes(1 << 20), megabytes << 20

    def send():
        for _ in range(megabytes):
            near.sendall(block)

    sender = threading.Thread(target=send, daemon=True)
    begin = time.monotonic()
    sender.start()
    got = 0
    while got < total:
        part = len(end.recv(1 << 20))
        if not part:
            raise Failure("the link broke")
        got += part
    took = time.monotonic() - begin
    sender.join()
    for end_of in (near, end, far):
        end_of.close()
    plant.forget(proxy)
    return megabytes * 1.048576 / took
