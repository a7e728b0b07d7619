"""The agent as a holder, and the core behind it."""

import json
import time
from datetime import datetime

from freshet import Depot
from freshet.depot import WORKSPACE, Broker, secret_file
from freshet.process import run
from freshet.records import CoreHistory

from .peers import Holder
from .plant import VEHICLES, Drain, Failure, Program, wait_until

GATEWAY = "gw-1"
CORE = "core-1"
USER = f"{WORKSPACE}/{GATEWAY}"


def auth_broker(plant):
    """The repository's broker, with a gateway and somebody in the place of a core."""
    broker = plant.add(Broker(plant.sub("broker")))
    for user in (CORE, USER):
        broker.add_user(user)
    broker.start()
    return broker


class Ours(Holder):
    """Records are stored by bench_agent, the agent's spool and uplink under a generator; what comes
    after a kill is the agent itself."""

    def __init__(self, plant, broker, spool=None):
        super().__init__(plant, "freshet")
        self.broker = broker
        self.spool = spool or {}

    def folders(self):
        return [self.state, self.young]

    def start(self):
        self.folder = self.plant.sub("agent")
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o700)
        self.young = self.plant.sub("young", self.plant.memory)
        self.conf = self.folder / "agent.conf"
        self.write(self.broker, self.link_port)

    def write(self, broker, port):
        """Everything that is not said here is as it comes by default."""
        secret_file(self.folder / "password", broker.passwords[USER] + "\n")
        sections = {
            "agent": {"workspace": WORKSPACE, "gateway_id": GATEWAY, "state_dir": self.state,
                      "run_dir": self.young,
                      "socket": self.folder / "agent.sock"},
            "clock": {"trust": "always"},
            # Only so that nobody waits for the link to be found again: the clock runs from the first
            # record that arrives.
            "mqtt": {"host": "127.0.0.1", "port": port, "password_file": self.folder / "password",
                     "reconnect_min": "100 ms", "reconnect_max": "1 s"},
            "spool": self.spool,
        }
        self.conf.write_text("".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n"
            for name, keys in sections.items() if keys), encoding="utf-8")

    def begin_accept(self, series, rate, limit_s, *words):
        self.limit_s = limit_s
        self.program = self.plant.tool("bench_agent", "bench_agent", [
            "-c", self.conf, "--base", series.base_us, "--step", series.step_us,
            "--count", series.count, "--rate", rate, *words])
        self.program.start()

    def end_accept(self):
        return self.program.report(self.limit_s + 30)

    def restart(self):
        self.program = self.plant.add(Program(f"{self.folder.name}-{len(self.plant.programs)}",
                                              [self.plant.bin / "freshet-agent", "run", "-c", self.conf],
                                              self.plant.folder))
        self.program.start()
        wait_until(self.status, 30, "the agent answers", [self.program])

    def status(self):
        done = run([self.plant.bin / "freshet-agent", "status", "--json", "-c", self.conf], 10,
                   check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def online_since(self):
        """By the agent's own log."""
        for line in self.program.log().splitlines():
            if "uplink state=online" in line:
                return datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()
        return None

    def drain(self, series, rtt_s, limit_s):
        return Drain(self.plant, series, self.broker.port, self.link_port, "freshet/v1/+/+/data", rtt_s,
                     limit_s, ["--user", CORE, "--password", self.broker.passwords[CORE], "--ack"])


class Committed:
    """The same gateway before a real core: how fast a backlog is in its database."""

    def __init__(self):
        self.depot = Depot(vehicles=0, gateways=[GATEWAY])

    def __enter__(self):
        self.depot.__enter__()
        self.depot.start_base()
        core = self.depot.core
        core.cli("gateway", "add", WORKSPACE, GATEWAY)
        for number in range(1, VEHICLES + 1):
            name = f"coach-{number:02}"
            core.cli("vehicle", "add", WORKSPACE, name, "--vin", f"ZZ9FRESHET00000{number:02}")
            core.cli("device", "add", WORKSPACE, f"{name}-obd", "--vehicle", name, "--gateway", GATEWAY,
                     "--provider", "obd")
        return self

    def __exit__(self, *what):
        self.depot.__exit__(*what)

    def drain(self, ours, count, limit_s):
        """(records/s, records) that came from what the agent holds, from its connection on; starts
        it."""
        ours.write(self.depot.broker, self.depot.broker.port)
        before = self.taken()
        ours.restart()
        online = wait_until(ours.online_since, 20, "the agent is online", [ours.program])
        taken, at = 0, online
        while taken < count and at < online + limit_s:
            time.sleep(0.01)
            taken, at = self.taken() - before, time.time()
        return taken / (at - online), taken

    def taken(self):
        """Records, by the core's own count."""
        status, text = self.depot.core.request("/metrics")
        if status != 200:
            raise Failure(f"/metrics: {status}")
        return next(int(line.split()[1]) for line in text.splitlines()
                    if line.startswith("freshet_records_total "))

    def check(self, count):
        """What the database says in the end: all of it, once, without a gap."""
        history = CoreHistory(self.depot.core.database)
        numbers = [(epoch, number) for _, epoch, number, _, _ in history.batches]
        outcomes = {name: total for name, total in history.outcomes.items() if total}
        if len(numbers) != len(set(numbers)) or history.gaps or outcomes.get("accepted", 0) < count:
            raise Failure(f"of {count} records: {outcomes}, {len(history.gaps)} gaps, "
                          f"{len(numbers) - len(set(numbers))} batches twice")
