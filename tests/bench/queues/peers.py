"""Other ways to keep records through an outage.

A holder takes records while the link is down, may be killed and started again, and gives them away
once the link is up:

  start(); begin_accept(series, rate, limit_s); end_accept(); kill(); restart(); go_online()
"""

import os
import pwd
import subprocess

from .plant import Drain, FarBroker, Program, free_port, listening, sbin, wait_until

BEST = {"persistence": "true", "autosave_interval": 1, "max_queued_messages": 0}


class Holder:
    """What peers and we have in common; `program` holds the records."""

    ram_only = False
    quick = True  # part of a quick run

    def __init__(self, plant, name):
        self.plant = plant
        self.name = name
        self.link_port = free_port()
        self.program = None
        self.far = None

    def pid(self):
        return self.program.pid

    def kill(self):
        self.program.kill()

    def drain(self, series, rtt_s, limit_s):
        """A Drain to a fresh broker; the caller begins it."""
        self.far = self.plant.add(FarBroker(self.plant.folder, f"{self.plant.count}-far"))
        self.plant.count += 1
        self.far.start()
        return Drain(self.plant, series, self.far.port, self.link_port, "bench/records", rtt_s, limit_s)

    def close(self):
        """Ends what still runs."""
        for program in (self.program, self.far):
            if program:
                program.kill()
        for folder in self.folders():
            subprocess.run(["rm", "-rf", folder], check=False)

    def go_online(self):
        pass

    def folders(self):
        """Where it keeps records."""
        return []


class Bridge(Holder):
    """A broker beside the source that bridges to the far one."""

    def __init__(self, plant, name, settings):
        super().__init__(plant, name)
        self.settings = settings
        self.ram_only = settings.get("persistence") != "true"
        self.publisher = None

    def folders(self):
        return [self.folder]

    def start(self):
        folder = self.folder = self.plant.sub("bridge")
        self.port = free_port()
        conf = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true",
                 f"user {pwd.getpwuid(os.getuid()).pw_name}", f"persistence_location {folder}/",
                 "log_dest stderr", "log_type error", "log_type warning",
                 *(f"{key} {value}" for key, value in self.settings.items()),
                 "connection far", f"address 127.0.0.1:{self.link_port}", "topic bench/# out 1",
                 "cleansession false", "bridge_protocol_version mqttv311", "notifications false",
                 # Only so that nobody waits: the clock runs from the first record that arrives.
                 "restart_timeout 1"]
        conf.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.program = self.plant.add(Program(f"{folder.name}", [sbin("mosquitto"), "-c", conf],
                                              self.plant.folder))
        self.restart()

    def restart(self):
        self.program.start()
        wait_until(lambda: listening(self.port), 90, "the bridge listens", [self.program], 0.1)

    def begin_accept(self, series, rate, limit_s):
        self.limit_s = limit_s
        self.publisher = self.plant.tool("publish", "bench_peer_publish",
                                         [self.port, *series.words(), rate, limit_s])
        self.publisher.start()

    def end_accept(self):
        return self.publisher.result(self.limit_s + 30)


class Library(Holder):
    """A library inside the application; the tool is the application."""

    exe = None

    def words(self, series, rate, limit_s):
        return [self.link_port, *series.words(), rate, limit_s]

    def start(self):
        self.program = None

    def begin_accept(self, series, rate, limit_s):
        self.limit_s = limit_s
        self.series = series
        self.program = self.plant.tool(self.exe, self.exe, self.words(series, rate, limit_s))
        self.program.start()

    def end_accept(self):
        return self.program.report(self.limit_s + 30)

    def restart(self):
        nothing = [str(word) for word in self.words(self.series, 0, 0)]
        self.program.argv = [self.program.argv[0], *nothing]
        self.program.start()
        self.program.report(120)

    def go_online(self):
        self.program.say()


class LibMosquitto(Library):
    exe = "bench_peer_libmosquitto"
    ram_only = True


class Paho(Library):
    exe = "bench_peer_paho"

    def __init__(self, plant, name, inflight):
        super().__init__(plant, name)
        self.inflight = inflight
        self.folder = None

    def folders(self):
        return [self.folder]

    def start(self):
        super().start()
        self.folder = self.plant.sub("paho")

    def words(self, series, rate, limit_s):
        return [self.folder, self.link_port, self.inflight, *series.words(), rate, limit_s]


def all_peers(plant):
    peers = [
        Bridge(plant, "mosquitto bridge, default", {}),
        Bridge(plant, "mosquitto bridge, best", BEST),
        Paho(plant, "paho, files, default", 0),
        Paho(plant, "paho, files, 1,000 in flight", 1000),
        LibMosquitto(plant, "libmosquitto queue"),
    ]
    peers[0].quick = peers[3].quick = False
    # Its library may be missing where nobody asked for measurements.
    peers[2].quick = (plant.bin / Paho.exe).exists()
    return peers
