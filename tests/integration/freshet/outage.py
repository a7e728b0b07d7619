"""A link that was away for hours and returns: a night's backlog, made in process by the real sampler and
spool, then the real agent, broker and core with a simulated depot that lives."""

import calendar
import json
import queue
import socket
import sqlite3
import threading
import time
import uuid
from collections import defaultdict

from .depot import GATEWAY, Depot
from .gateway import mono_us
from .process import Failure, free_port, run, wait_until
from .records import CoreHistory, unpack

SIGNALS = "speed_kmh:1s odometer_km:1s aux_battery_v:1s state_of_charge_pct:1s fuel_level_pct:1s"
LIVE_S = 5  # a value that was observed so long before the link came back is a live one
BOOT_MARGIN_S = 600
CONNECT, PUBLISH = 1, 3
PIECE_BYTES = 1448  # a TCP segment
BUFFER_BYTES = 256 << 10  # what a slow way holds
# What an outage that ends well has to tell.
EVENTS = {"RegistryChanged", "GatewayEpochBegan"}


class Link:
    """The agent's way to the broker: refused until it is opened. Notes when which PUBLISH passed.
    `delay_s` each way; `rate` bytes a second towards the broker, 0 for all that come."""

    def __init__(self, broker, delay_s=0.0, rate=0):
        self._delay_s = delay_s
        self._rate = rate
        self.port = free_port()
        self.passwords = broker.passwords
        self._broker = broker
        self._listener = None
        self.seen = []  # (time.monotonic(), mono_us, payload of a PUBLISH, its topic's last word)
        self.bytes = 0  # from the agent
        self._v5 = False

    def open(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        if self._listener:
            self._listener.close()

    def _accept(self):
        while True:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self._broker.port))
            for one, other in ((agent, broker), (broker, agent)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(one, other, one is agent), daemon=True).start()

    def _pass(self, source, sink, is_up):
        if not self._delay_s and not self._rate:
            self._pump(source, sink, is_up)
            return
        way = queue.Queue(BUFFER_BYTES // PIECE_BYTES)
        threading.Thread(target=self._deliver, args=(way, sink, is_up), daemon=True).start()
        self._pump(source, sink, is_up, way)

    def _pump(self, source, sink, is_up, way=None):
        rest = b""
        while True:
            try:
                data = source.recv(PIECE_BYTES if way else 65536)
                if not data:
                    break
                if way:
                    way.put((time.monotonic() + self._delay_s, data))
                else:
                    sink.sendall(data)
            except OSError:
                break
            self.bytes += len(data) if is_up else 0
            if is_up or not way:
                rest = self._note(rest + data)
        if way:
            way.put((0, b""))
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _deliver(self, way, sink, is_up):
        rest, free_at = b"", 0.0
        while True:
            due, data = way.get()
            if not data:
                return
            now = time.monotonic()
            if is_up and self._rate:
                free_at = max(free_at, now) + len(data) / self._rate
            time.sleep(max(0.0, due - now, free_at - now))
            if not is_up:
                rest = self._note(rest + data)
            try:
                sink.sendall(data)
            except OSError:
                return

    def _note(self, data):
        """Takes whole packets off; returns the rest."""
        at = 0
        while True:
            length, shift, body = 0, 0, at + 1
            while body < len(data):
                length |= (data[body] & 127) << shift
                shift += 7
                body += 1
                if not data[body - 1] & 128:
                    break
            else:
                return data[at:]
            if len(data) < body + length:
                return data[at:]
            if data[at] >> 4 == CONNECT:
                self._v5 = data[body + 6] == 5
            elif data[at] >> 4 == PUBLISH:
                end = body + 2 + int.from_bytes(data[body:body + 2], "big")
                topic = data[body + 2:end].decode()
                end += 2 if data[at] & 6 else 0
                end += 1 + data[end] if self._v5 else 0  # fewer than 128 bytes of properties
                self.seen.append((time.monotonic(), mono_us(), data[end:body + length],
                                  topic.rsplit("/", 1)[1]))
            at = body + length

    def online_at(self):
        """When the agent first said that it is online; None before."""
        for at, _, payload, what in list(self.seen):
            if what == "link" and b'"online"' in payload:
                return at
        return None


class Outage:
    """`vehicles` vehicles, `minutes` without a link; `rebooted`: the gateway boots anew before the link is
    there again, so the backlog is of an epoch that is over. A machine that has not run for so long can do
    only that."""

    def __init__(self, depot, vehicles, minutes, rebooted=False, delay_s=0.0, rate=0):
        self.depot = depot
        self.vehicles = vehicles
        self.minutes = minutes
        self.link = Link(depot.broker, delay_s, rate)
        self.made = None   # what make_backlog says
        self.batches = {}  # (epoch, number) -> records
        self.same_boot = not rebooted and mono_us() / 1e6 > minutes * 60 + BOOT_MARGIN_S
        self.online = None  # time.monotonic()
        self.live_s = None
        self.drained_s = None

    def prepare(self):
        """The backlog is there, the agent reads every vehicle, the core knows nothing."""
        depot = self.depot
        depot.start_base()
        agent = depot.add_agent(GATEWAY, depot.sim.vehicles, {"period": "1 s", "signals": SIGNALS})
        agent.broker = self.link
        agent.write()
        boot = str(uuid.uuid4())
        end = mono_us() if self.same_boot else self.minutes * 60000000 + BOOT_MARGIN_S * 1000000
        self.made = json.loads(run(
            [depot.bin / "make_backlog", self.vehicles, self.minutes, agent.spool, agent.young, boot, end,
             int(time.time() * 1000)], 300))
        agent.env["FRESHET_BOOT_ID"] = boot if self.same_boot else str(uuid.uuid4())
        self._read_spool(agent)
        agent.start()
        wait_until(lambda: self._reads_all(agent), 60, "the agent reads every vehicle", [agent], 0.2)
        if depot.core.healthy():
            raise Failure("healthy before the link is there")

    def _read_spool(self, agent):
        # In the boot in which the agent will run: a spool that is opened in another begins an epoch.
        done = run(["env", *(f"{key}={value}" for key, value in agent.env.items()),
                    agent.exe, "spool", "export", "-c", agent.conf], 300)
        for line in done.splitlines():
            batch = json.loads(line)
            if batch["class"] != "ledger":
                self.batches[batch["epoch"], batch["batch"]] = batch["records"]
        if sum(len(records) for records in self.batches.values()) != self.made["records"]:
            raise Failure(f"the spool does not hold what was made: {self.made}")

    def _reads_all(self, agent):
        status = agent.status()
        sources = status["sources"] if status else []
        # Each has been read twice at least, and what it said is in the spool.
        return len(sources) == self.vehicles and all(source["state"] == "ok" for source in sources) and \
            status["sampler"]["told"] > 2 * 3 * self.vehicles

    def reconnect(self, deadline_s):
        """Opens the link; returns when every vehicle shows live values and the backlog is in."""
        core = self.depot.core
        core.token()
        self.link.open()
        self.online = wait_until(self.link.online_at, 30, "the agent connects", [self.depot.agent], 0.002)
        online_wall = time.time() - (time.monotonic() - self.online)
        wait_until(lambda: self._live(core, online_wall), 60, "every vehicle is live",
                   self.depot.programs(), 0.005)
        self.live_s = time.monotonic() - self.online
        wait_until(self._drained, deadline_s, "the backlog is in", self.depot.programs(), 0.2)
        self.drained_s = time.monotonic() - self.online

    def _live(self, core, online_wall):
        # Times of one form compare as texts.
        limit = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(online_wall - LIVE_S))
        items = core.health().values()
        return sum(item["health_state"] == "healthy" and (item["observed_at"] or "") >= limit
                   for item in items) >= self.vehicles

    def _drained(self):
        db = sqlite3.connect(f"file:{self.depot.core.database}?mode=ro", uri=True, timeout=10)
        (count,), = db.execute("SELECT coalesce(sum(records), 0) FROM batch b JOIN epoch e ON e.id = b.epoch_id"
                               " WHERE e.name = ? AND number <= ?",
                               (self._epoch(), self._last())).fetchall()
        db.close()
        return count >= self.made["records"]

    def _epoch(self):
        return next(iter(self.batches))[0]

    def _last(self):
        return max(number for _, number in self.batches)

    # ---- what came of it ----

    def latencies(self):
        """(while the backlog went in, afterwards): seconds from the observation of a live record to the
        passing of its acknowledgement."""
        sent, during, after = {}, [], []
        for at, at_us, payload, what in list(self.link.seen):
            if what == "ack":
                ack = json.loads(payload)
                for first, last in ack["committed"]:
                    for number in range(first, last + 1):
                        late = at > self.online + self.drained_s
                        for observed in sent.pop((ack["epoch"], number), ()):
                            (after if late else during).append((at_us - observed) / 1e6)
            elif what == "data":
                line, body = payload.split(b"\n", 1)
                header = json.loads(line)
                if header["lane"] == "live" and header["class"] != "ledger" and at >= self.online:
                    records = json.loads(unpack(header["body"] == "zstd", body))
                    # A keyframe may state what was read before there was a link.
                    sent.setdefault((header["epoch"], header["batch"]),
                                    [record["mono_us"] for record in records
                                     if not record.get("keyframe")])
        return sorted(during), sorted(after)

    def check(self):
        """Each record once, as it was made, in order; no gap, no false time. A Failure where not."""
        history = CoreHistory(self.depot.core.database)
        if history.gaps:
            raise Failure(f"gaps: {history.gaps[:5]}")
        kept, last = {}, 0
        newest = defaultdict(int)
        for _, epoch, number, packing, body in history.batches:
            if (epoch, number) in kept:
                raise Failure(f"{epoch} {number} is there twice")
            kept[epoch, number] = json.loads(unpack(packing, body))
            if (epoch, number) not in self.batches:
                continue
            if number <= last:
                raise Failure(f"batch {number} after {last}")
            last = number
            for key, at_us in observations(kept[epoch, number]):
                if at_us < newest[key] - 1000:  # ages are whole milliseconds
                    raise Failure(f"batch {number}: {key} goes back in time")
                newest[key] = at_us
        for key, records in self.batches.items():
            if kept.get(key) != records:
                raise Failure(f"{key} is not in the core as it was made")
        outcomes = {name: count for name, count in history.outcomes.items() if count}
        # A keyframe that states only what was told is a duplicate.
        if outcomes.keys() - {"accepted", "late", "duplicate"}:
            raise Failure(f"outcomes {outcomes}")
        self._check_times(kept)
        self._check_events()

    def _check_events(self):
        """Nothing is told as if it happened now."""
        db = sqlite3.connect(f"file:{self.depot.core.database}?mode=ro", uri=True, timeout=10)
        names = {name for name, in db.execute("SELECT DISTINCT name FROM event")}
        db.close()
        if names - EVENTS:
            raise Failure(f"events {names - EVENTS}")

    def _check_times(self, kept):
        """What is shown is the newest that was read, with its time: the live readings."""
        shown = self.depot.core.health()
        newest = defaultdict(int)
        for (epoch, number), records in kept.items():
            if (epoch, number) in self.batches and not self.same_boot:
                continue  # of the boot before
            for record in records:
                if record["kind"] == "update":
                    newest[record["device_id"]] = max(newest[record["device_id"]], record["mono_us"])
        offset_s = time.time() - mono_us() / 1e6
        for device, at_us in newest.items():
            observed = shown[device]["observed_at"]
            wall = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_us / 1e6 + offset_s))
            seconds = abs(_seconds(observed[:19]) - _seconds(wall))
            if seconds > 1:
                raise Failure(f"{device} is shown as of {observed}, was read at {wall}")


def observations(records):
    """((device, field), mono_us) of what the records say."""
    for record in records:
        ages = record.get("age_ms", {})
        for module in record["module_status"]:
            for field in record.get(module, {}):
                age_us = 1000 * ages.get(f"{module}.{field}", 0)
                yield (record["device_id"], module, field), record["mono_us"] - age_us


def _seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def depot_of(vehicles):
    return Depot(vehicles=vehicles, sim_options=("--odometer-step", "0.1"))


def quantile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")
