"""The core where its place fails it: the broker's protocol, its password, its disk, its lock; and what
it tells the service manager."""

import json
import resource
import socket
import sqlite3
import threading

import paho.mqtt.client as mqtt
import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, WORKSPACE, Core, secret_file
from freshet.gateway import Gateway, update
from freshet.process import run
from freshet.records import CoreHistory, Spool

SOON_S = 3  # "within a second or two", with two busy cores


def ready(core):
    """(status, {check: bool})."""
    status, body = core.request("/ready")
    return status, json.loads(body)["checks"]


def agent_settings():
    return {"period": "200 ms"}


class OldBroker:
    """In front of a broker: answers MQTT 5 as a broker of 3.1.1 does, and passes on the rest."""

    def __init__(self, port):
        self.behind = port
        self.versions = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        first = peer.recv(4096)
        name = first.find(b"\0\4MQTT")
        if name < 0:
            peer.close()
            return
        self.versions.append(first[name + 6])
        if first[name + 6] != 4:
            peer.sendall(bytes([0x20, 2, 0, 1]))  # 3.1.1, 3.2.2.3: unacceptable protocol version
            peer.close()
            return
        other = socket.create_connection(("127.0.0.1", self.behind))
        other.sendall(first)
        threading.Thread(target=self._pump, args=(other, peer), daemon=True).start()
        self._pump(peer, other)

    @staticmethod
    def _pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()


@pytest.fixture(name="depot")
def make_depot():
    """Broker and core with a gateway that a test plays, and its vehicle."""
    with Depot(vehicles=0) as depot:
        depot.start_base()
        depot.core.cli("gateway", "add", WORKSPACE, GATEWAY)
        depot.register("v1", "1HGCM82633A004352", GATEWAY)
        yield depot


def test_a_broker_that_speaks_3_1_1_only_will_do():
    with Depot(vehicles=0) as depot:
        depot.broker.start()
        old = OldBroker(depot.broker.port)
        depot.core.write()
        text = depot.core.conf.read_text(encoding="utf-8")
        depot.core.conf.write_text(text.replace(f"port = {depot.broker.port}", f"port = {old.port}"),
                                   encoding="utf-8")
        depot.core.cli("migrate")
        depot.core.cli("workspace", "add", WORKSPACE)
        depot.core.cli("gateway", "add", WORKSPACE, GATEWAY)
        depot.register("v1", "1HGCM82633A004352", GATEWAY)
        depot.core.start()
        depot.core.wait_ready()
        assert old.versions[:2] == [5, 4]
        with Gateway(depot.broker) as gateway:
            gateway.send([update("v1-obd", vehicle_state={"speed_kmh": 17})])
        assert depot.core.get("/snapshots/v1")["vehicle_state"]["speed_kmh"] == 17
        old.close()


def test_a_wrong_password_is_named_and_the_core_is_not_ready_until_it_is_right():
    with Depot(vehicles=0) as depot:
        depot.broker.start()
        depot.core.write()
        depot.core.cli("migrate")
        secret_file(depot.core.folder / "password", "not it\n")
        depot.core.start()
        wait_until(lambda: "refuses the connection" in depot.core.log(), 10, "the refusal is logged",
                   [depot.core])
        line = [line for line in depot.core.log().splitlines() if "refuses the connection" in line][0]
        assert "user=core-1" in line and "password_file" in line and "not it" not in depot.core.log()
        assert wait_until(lambda: depot.core.get_status("/ready"), 10) == 503
        assert ready(depot.core) == (503, {"database": True, "ingest": True, "broker": False})
        assert depot.core.get_status("/health") == 200
        assert depot.core.stop() == 0
        secret_file(depot.core.folder / "password", depot.broker.passwords["core-1"] + "\n")
        depot.core.start()
        depot.core.wait_ready()


def test_the_core_listens_again_after_the_broker_was_away(depot):
    with Gateway(depot.broker) as gateway:
        gateway.send([update("v1-obd", vehicle_state={"speed_kmh": 1})])
    depot.broker.kill()
    wait_until(lambda: ready(depot.core)[1]["broker"] is False, 10, "not ready without a broker")
    depot.broker.restart()
    depot.core.wait_ready()
    with Gateway(depot.broker) as gateway:
        gateway.send([update("v1-obd", vehicle_state={"speed_kmh": 2})])


def limit_files(pid, size):
    """No file of the process grows past this: the disk is full for it."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_full_disk_acknowledges_nothing_and_all_is_committed_once_when_there_is_room():
    with Depot(vehicles=2) as depot:
        depot.start(source=agent_settings())
        depot.wait_healthy()
        pid = depot.core.pid
        limit_files(pid, 64 * 1024)
        wait_until(lambda: ready(depot.core)[0] == 503, 20, "not ready with a full disk", [depot.core])
        assert ready(depot.core)[1] == {"database": False, "ingest": True, "broker": True}
        assert depot.core.get_status("/health") == 200
        assert "takes nothing" in depot.core.log()
        before = len(CoreHistory(depot.core.database).batches)
        held = len(Spool(depot.agent.spool).held)
        # The gateway is started anew meanwhile: its link must not be lost.
        assert depot.agent.stop() == 0
        depot.agent.start()
        wait_until(lambda: len(Spool(depot.agent.spool).held) > held + 10, 20, "the spool grows",
                   [depot.core, depot.agent])
        assert len(CoreHistory(depot.core.database).batches) == before
        limit_files(pid, resource.RLIM_INFINITY)
        depot.core.wait_ready()
        made = Spool(depot.agent.spool).next
        wait_until(lambda: len(Spool(depot.agent.spool).held) <= 3, 40, "the spool drains",
                   [depot.core, depot.agent])
        history = CoreHistory(depot.core.database)
        numbers = [(epoch, number) for _, epoch, number, _, _ in history.batches]
        assert len(numbers) == len(set(numbers))
        held = set(Spool(depot.agent.spool).held)
        for epoch, following in made.items():
            for number in range(1, following):
                assert (epoch, number) in set(numbers) | held
        assert not history.gaps
        assert depot.core.pid == pid and depot.core.running()
        assert depot.core.log().count("takes nothing") == 1
        depot.wait_healthy()
        # The will of the session that came while the disk was full is believed.
        depot.agent.kill()
        wait_until(lambda: all(item["reason"]["code"] == "gateway_offline"
                               for item in depot.core.health().values() if item["reason"]) and
                   any(item["reason"] for item in depot.core.health().values()), 10,
                   "the gateway is offline")


def test_more_than_the_queue_holds_waits_in_the_broker_until_there_is_room(depot):
    count = 1500  # the queue between the threads takes 1,024 messages
    with Gateway(depot.broker) as gateway:
        gateway.send([update("v1-obd", vehicle_state={"speed_kmh": 1})])
        limit_files(depot.core.pid, 4096)
        for speed in range(count):
            gateway.publish(gateway.payload([update("v1-obd", vehicle_state={"speed_kmh": speed % 200})]),
                            wait=False)
        wait_until(lambda: len(gateway.codes) > count, 30, "the broker has them all", [depot.core])
        assert ready(depot.core)[0] == 503 and len(gateway.committed) == 1
        limit_files(depot.core.pid, resource.RLIM_INFINITY)
        wait_until(lambda: len(gateway.committed) == count + 1, 40, "all are committed", [depot.core])
        assert sorted(number for _, _, number, _, _ in CoreHistory(depot.core.database).batches) == list(
            range(1, count + 2))


def test_a_core_with_a_full_disk_still_ends_when_it_is_told(depot):
    with Gateway(depot.broker) as gateway:
        gateway.send([update("v1-obd", vehicle_state={"speed_kmh": 1})])
        limit_files(depot.core.pid, 4096)
        gateway.publish(gateway.payload([update("v1-obd", vehicle_state={"speed_kmh": 2})]))
        wait_until(lambda: ready(depot.core)[0] == 503, 20, "not ready with a full disk", [depot.core])
        assert depot.core.stop() == 0
        assert (gateway.epoch, gateway.batch) not in gateway.committed


def test_a_second_core_on_the_same_state_is_refused(depot):
    done = run([depot.core.exe, "run", "-c", depot.core.conf], 20, False)
    assert done.returncode == 1
    assert "another freshet-core runs on this database" in done.stderr
    assert str(depot.core.folder / "state") in done.stderr
    depot.core.check_alive()
    assert ready(depot.core)[0] == 200


def test_a_core_whose_database_another_one_takes_over_ends_and_says_so(depot):
    second = Core(depot.folder / "second", depot.bin, depot.broker) if (
        depot.folder / "second").mkdir() is None else None
    second.write()
    text = second.conf.read_text(encoding="utf-8")
    second.conf.write_text(text.replace("[http]", f"database = sqlite:{depot.core.database}\n\n[http]"),
                           encoding="utf-8")
    depot.others.append(second)
    second.start()
    wait_until(lambda: not depot.core.running(), 20, "the first one ends")
    assert depot.core.child.returncode == 1
    assert "another core has taken the database over" in depot.core.log()
    second.wait_ready()


def test_events_leave_soon_also_those_of_the_command_line():
    with Depot(vehicles=0, users=("core-1", "watcher")) as depot:
        depot.start_base(policy={"freshness_target_s": 1, "stale_threshold_s": 2})
        names = []
        # The access list names no watcher; the gateway's own password would not do either: a broker
        # of the test's own lets it read.
        acl = depot.folder / "acl"
        depot.broker.kill()
        text = (depot.broker.folder / "mosquitto.conf").read_text(encoding="utf-8")
        source = [line.split()[1] for line in text.splitlines() if line.startswith("acl_file")][0]
        with open(source, encoding="utf-8") as file:
            secret_file(acl, file.read() + "\nuser watcher\ntopic read freshet/v1/+/_events\n")
        (depot.broker.folder / "mosquitto.conf").write_text(text.replace(source, str(acl)), encoding="utf-8")
        depot.broker.restart()
        depot.core.wait_ready()
        watcher = mqtt.Client(client_id="watcher")
        watcher.username_pw_set("watcher", depot.broker.passwords["watcher"])
        subscribed = threading.Event()
        watcher.on_subscribe = lambda *_: subscribed.set()
        watcher.on_connect = lambda *_: watcher.subscribe("freshet/v1/+/_events", 1)
        watcher.on_message = lambda _c, _d, message: names.extend(
            event["name"] for event in json.loads(message.payload)["events"])
        watcher.connect("127.0.0.1", depot.broker.port)
        watcher.loop_start()
        assert subscribed.wait(10)
        depot.core.cli("gateway", "add", WORKSPACE, GATEWAY)
        wait_until(lambda: "RegistryChanged" in names, SOON_S, "the event of the command line leaves")
        depot.register("v1", "1HGCM82633A004352", GATEWAY)
        with Gateway(depot.broker) as gateway:
            gateway.send([update("v1-obd", vehicle_state={"speed_kmh": 1})])
            # Nothing else happens: only time makes it stale.
            wait_until(lambda: "DeviceMarkedStale" in names, 2 + SOON_S, "the crossing is told")
        watcher.loop_stop()


class Manager:
    """What a service manager hears at NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.heard = []

    def listen(self):
        try:
            while True:
                self.heard += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard

    def hears(self, start):
        return any(line.startswith(start) for line in self.listen())

    def environment(self):
        return ["env", f"NOTIFY_SOCKET={self.path}", "WATCHDOG_USEC=3000000"]


@pytest.mark.parametrize("name", ["core", "agent"])
def test_the_service_manager_hears_ready_status_watchdog_and_stopping(name):
    with Depot(vehicles=1) as depot:
        manager = Manager(depot.folder / "notify.sock")
        depot.start_base()
        depot.core.stop()
        agent = depot.add_agent(GATEWAY, depot.sim.vehicles, register=False)
        program = {"core": depot.core, "agent": agent}[name]
        program.argv = [*manager.environment(), *program.argv]
        program.start()
        wait_until(lambda: manager.hears("READY=1"), 10, "READY=1", [program])
        wait_until(lambda: manager.hears("STATUS="), 10, "STATUS=", [program])
        wait_until(lambda: manager.listen().count("WATCHDOG=1") >= 3, 10, "the watchdog is fed", [program])
        assert manager.heard.index("READY=1") >= 0 and manager.heard.count("READY=1") == 1
        assert program.stop() == 0
        assert manager.hears("STOPPING=1")


def test_a_database_that_another_process_locks_is_waited_for(depot):
    db = sqlite3.connect(depot.core.database, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    with Gateway(depot.broker) as gateway:
        gateway.publish(gateway.payload([update("v1-obd", vehicle_state={"speed_kmh": 1})]))
        wait_until(lambda: ready(depot.core)[0] == 503, 20, "not ready while the database is locked")
        assert not gateway.committed
        db.execute("ROLLBACK")
        wait_until(lambda: (gateway.epoch, 1) in gateway.committed, 15, "committed when it is free")
    depot.core.wait_ready()
