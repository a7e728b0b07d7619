"""Broker, simulator, core and agents, started as an operator starts them."""

import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .process import Failure, Program, free_port, listening, print_logs, run, wait_until

ROOT = Path(__file__).resolve().parents[3]
WORKSPACE = "demo"
GATEWAY = "depot-1"


def build_folder():
    """FRESHET_BUILD, else the first build that has the programs."""
    named = os.environ.get("FRESHET_BUILD")
    if named:
        return Path(named)
    for preset in ("dev", "release"):
        folder = ROOT / "build" / preset
        if (folder / "bin" / "freshet-core").exists():
            return folder
    raise Failure("no build: FRESHET_BUILD names none, build/dev and build/release have no programs")


def sbin(name):
    """mosquitto and its like live where an ordinary user's PATH does not lead."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin") or name


def memory_folder():
    """A folder on tmpfs; None where there is none."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def secret_file(path, text):
    """A file that only its owner reads."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)


class Broker(Program):
    """mosquitto with the configuration and the access list of the repository."""

    def __init__(self, folder):
        self.folder = folder
        self.port = None
        self.passwords = {}
        self.tls = {}
        super().__init__("broker", [sbin("mosquitto"), "-c", folder / "mosquitto.conf"], folder)

    def add_user(self, name):
        """Before start()."""
        self.passwords[name] = f"secret of {name}"

    def use_tls(self, cert_file, key_file, **settings):
        """Before start(): the listener speaks TLS alone; `settings` are mosquitto's own."""
        self.tls = {"certfile": cert_file, "keyfile": key_file, **settings}

    def _write(self):
        passwd = self.folder / "passwd"
        secret_file(passwd, "".join(f"{name}:{word}\n" for name, word in self.passwords.items()))
        run([sbin("mosquitto_passwd"), "-U", passwd])
        words = {"PORT": self.port, "USER": pwd.getpwuid(os.getuid()).pw_name, "PASSWD": passwd,
                 "ACL": ROOT / "cross/mosquitto/acl"}
        text = (ROOT / "cross/mosquitto/mosquitto.conf.in").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        text += "".join(f"{key} {value}\n" for key, value in self.tls.items())
        (self.folder / "mosquitto.conf").write_text(text, encoding="utf-8")

    def start(self):
        """The first start chooses a port; a restart keeps it."""
        for _ in range(5):
            if self.port is None or not (self.folder / "mosquitto.conf").exists():
                self.port = free_port()
                self._write()
            super().start()
            if self._came_up():
                return
            if self.child.returncode == 0:
                break
            (self.folder / "mosquitto.conf").unlink()  # the port was taken in between
        raise Failure("the broker does not start")

    def restart(self):
        """After a kill: the port is known to others."""
        super().start()
        if not self._came_up():
            raise Failure("the broker does not start again")

    def _came_up(self):
        return wait_until(lambda: listening(self.port) or not self.running(), 10,
                          "the broker listens") and self.running()


class Sim(Program):
    """freshet-sim depot."""

    def __init__(self, folder, bin_folder, vehicles, options=()):
        self.exe = bin_folder / "freshet-sim"
        self.control = folder / "sim.sock"
        self.journal = folder / "journal.jsonl"
        self.count = vehicles
        super().__init__("sim", [self.exe, "depot", "--vehicles", vehicles, "--dir", folder / "ptys",
                                 "--control", self.control, "--journal", self.journal, "--json",
                                 *options], folder)
        self.vehicles = []

    def start(self):
        """Returns when every adapter is there; fills `vehicles`."""
        super().start()
        wait_until(lambda: len(self._listed()) == self.count, 20, "the depot lists its vehicles",
                   [self])
        self.vehicles = self._listed()

    def _listed(self):
        return [json.loads(line) for line in self.log().splitlines()
                if line.startswith('{"vehicle"') and line.endswith("}")]

    def fault(self, vehicle, what):
        run([self.exe, "fault", "--control", self.control, vehicle, what], 10)

    def served(self):
        """The journal: [{vehicle, mono_us, answer}]."""
        with open(self.journal, encoding="ascii") as journal:
            return [json.loads(line) for line in journal if line.endswith("\n")]


class Agent(Program):
    """freshet-agent; `sources` is a list of sections' texts."""

    def __init__(self, folder, bin_folder, gateway, broker, settings=None):
        self.exe = bin_folder / "freshet-agent"
        self.gateway = gateway
        self.folder = folder / f"agent-{gateway}"
        self.folder.mkdir(mode=0o700)
        self.conf = self.folder / "agent.conf"
        self.spool = self.folder / "state" / "spool.db"
        # As /run is: in memory, and gone with the machine.
        self.run_dir = Path(tempfile.mkdtemp(prefix="freshet-run-", dir=memory_folder()))
        self.young = self.run_dir / "young.db"
        self.broker = broker
        # Short waits, so that tests need not: nothing here changes what is right.
        self.settings = {
            "agent": {"workspace": WORKSPACE, "gateway_id": gateway,
                      "state_dir": self.folder / "state", "run_dir": self.run_dir,
                      "socket": self.folder / "agent.sock"},
            "clock": {"trust": "always"},
            "mqtt": {"host": "127.0.0.1", "password_file": self.folder / "password",
                     "reconnect_min": "100 ms", "reconnect_max": "1 s", "resend": "1 s",
                     "resend_max": "3 s", "stable_after": "0", "status_interval": "2 s"},
            # Each reading of an odometer is looked for.
            "batch": {"heartbeat": "10 s", "min_interval": "0"},
            "deadband": {"odometer_km": "0"},
        }
        for section, values in (settings or {}).items():
            self.settings.setdefault(section, {}).update(values)
        self.sources = []
        super().__init__(f"agent-{gateway}", [self.exe, "run", "-c", self.conf], folder)

    def add_source(self, vehicle, **settings):
        """A vehicle as the simulator lists it, read as device VEHICLE-obd."""
        self.sources.append((vehicle["vehicle"], {
            "kind": "obd", "device": vehicle["device"], "device_id": f"{vehicle['vehicle']}-obd",
            "simulated": "yes", **settings}))

    def write(self):
        (self.folder / "state").mkdir(mode=0o700, exist_ok=True)
        beside = self.spool.with_name("young.db")
        if not beside.is_symlink():
            beside.symlink_to(self.young)
        self.settings["mqtt"]["port"] = self.broker.port
        secret_file(self.folder / "password",
                    self.broker.passwords[f"{WORKSPACE}/{self.gateway}"] + "\n")
        lines = []
        sections = list(self.settings.items())
        sections += [(f"source {name}", values) for name, values in self.sources]
        for name, values in sections:
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""]
        self.conf.write_text("\n".join(lines), encoding="utf-8")

    def status(self):
        """`freshet-agent status --json`, None while the daemon does not answer."""
        done = run([self.exe, "status", "--json", "-c", self.conf], 10, check=False)
        if done.returncode == 2:
            raise Failure(done.stderr)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status_text(self):
        return run([self.exe, "status", "-c", self.conf], 10)

    def cli(self, *words, check=True):
        return run([self.exe, *words, "-c", self.conf], 20, check)


class Core(Program):
    """freshet-core with its command line and its API."""

    def __init__(self, folder, bin_folder, broker, user="core-1"):
        self.exe = bin_folder / "freshet-core"
        self.folder = folder / "core"
        self.folder.mkdir(mode=0o700)
        self.conf = self.folder / "core.conf"
        self.broker = broker
        self.user = user
        self.mqtt = {}  # further settings of [mqtt], before write()
        self.port = None
        self._token = None
        super().__init__("core", [self.exe, "run", "-c", self.conf], folder)

    @property
    def database(self):
        return next(iter(sorted((self.folder / "state").glob("*.db"))))

    def write(self):
        self.port = free_port()
        (self.folder / "state").mkdir(mode=0o700, exist_ok=True)
        secret_file(self.folder / "password", self.broker.passwords[self.user] + "\n")
        self.conf.write_text(
            f"[core]\nstate_dir = {self.folder / 'state'}\n\n"
            f"[http]\nlisten = 127.0.0.1:{self.port}\n\n"
            f"[mqtt]\nhost = 127.0.0.1\nport = {self.broker.port}\nuser = {self.user}\n"
            f"password_file = {self.folder / 'password'}\n" +
            "".join(f"{key} = {value}\n" for key, value in self.mqtt.items()), encoding="utf-8")

    def cli(self, *words, check=True):
        return run([self.exe, *words, "-c", self.conf], 20, check)

    def wait_ready(self, deadline_s=20):
        wait_until(lambda: self.get_status("/ready") == 200, deadline_s, "the core is ready", [self])

    # ---- the API ----

    def token(self):
        if self._token is None:
            self._token = self.cli("token", "show").strip()
        return self._token

    def request(self, path, token=None, headers=None):
        """(status, body as text)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}",
                                         headers=headers or {})
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get_status(self, path):
        try:
            return self.request(path)[0]
        except OSError:
            return None

    def get(self, path):
        """A path below the workspace, as JSON."""
        status, body = self.request(f"/api/workspaces/{WORKSPACE}{path}", self.token())
        if status != 200:
            raise Failure(f"GET {path}: {status} {body}")
        return json.loads(body)

    def items(self, path):
        """All items of a list, page by page."""
        found, cursor = [], None
        while True:
            sign = "&" if "?" in path else "?"
            page = self.get(f"{path}{sign}limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    def health(self):
        """{device_id: item}."""
        return {item["device_id"]: item for item in self.items("/health")}

    def healthy(self):
        return sum(item["health_state"] == "healthy" for item in self.health().values())


class Depot:
    """The whole of it; `with Depot(...) as depot:`."""

    def __init__(self, vehicles=4, sim_options=(), gateways=(GATEWAY,), users=("core-1",)):
        self.folder = Path(tempfile.mkdtemp(prefix="freshet-"))
        self.bin = build_folder() / "bin"
        self.broker = Broker(self.folder)
        for user in (*users, *(f"{WORKSPACE}/{gateway}" for gateway in gateways)):
            self.broker.add_user(user)
        self.sim = Sim(self.folder, self.bin, vehicles, sim_options) if vehicles else None
        self.core = Core(self.folder, self.bin, self.broker)
        self.agents = []
        self.others = []  # programs of a test's own

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # The programs are killed at once: an orderly end is a test's own subject. Readers first, so
        # that their logs do not end with complaints about that.
        for program in reversed(self.programs()):
            program.kill()
        # A killed program gives no status: what a sanitizer said of it stands in its log.
        found = [program.name for program in self.programs()
                 if re.search(r"(WARNING|ERROR): \w+Sanitizer", program.log())]
        for agent in self.agents:
            shutil.rmtree(agent.run_dir, ignore_errors=True)
        if found or kind is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
            print_logs(self.programs())
        if os.environ.get("FRESHET_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        if found:
            raise Failure(f"a sanitizer found something in {', '.join(found)}")

    @property
    def agent(self):
        return self.agents[0]

    def programs(self):
        programs = [self.broker, self.sim, self.core, *self.agents, *self.others]
        return [program for program in programs if program]

    def check_alive(self):
        for program in self.programs():
            program.check_alive()

    # ---- the usual steps; a test may take them one by one ----

    def start(self, source=None, agent=None):
        """Everything, with one agent that reads every vehicle; returns at once."""
        self.start_base()
        self.add_agent(GATEWAY, self.sim.vehicles, source, agent).start()

    def start_base(self, policy=None):
        """Broker, simulator, core with its registry."""
        self.broker.start()
        if self.sim:
            self.sim.start()
        self.core.write()
        self.core.cli("migrate")
        self.core.cli("workspace", "add", WORKSPACE)
        if policy:
            self.set_policy(**policy)
        self.core.start()
        self.core.wait_ready()

    def set_policy(self, **policy):
        words = [word for key, value in policy.items() for word in (f"--{key.replace('_', '-')}", value)]
        self.core.cli("workspace", "set", WORKSPACE, *words)

    def add_agent(self, gateway, vehicles, source=None, settings=None, register=True):
        """Registers a gateway with its vehicles and configures its agent; the caller starts it."""
        if register:
            self.core.cli("gateway", "add", WORKSPACE, gateway)
        agent = Agent(self.folder, self.bin, gateway, self.broker, settings)
        for vehicle in vehicles:
            if register:
                self.register(vehicle["vehicle"], vehicle["vin"], gateway)
            agent.add_source(vehicle, **(source or {}))
        agent.write()
        self.agents.append(agent)
        return agent

    def register(self, name, vin, gateway):
        self.core.cli("vehicle", "add", WORKSPACE, name, "--vin", vin)
        self.core.cli("device", "add", WORKSPACE, f"{name}-obd", "--vehicle", name, "--gateway", gateway,
                      "--provider", "obd")

    def wait_healthy(self, count=None, deadline_s=40):
        """Until every vehicle is healthy."""
        count = count or self.sim.count
        wait_until(lambda: self.core.healthy() >= count, deadline_s, f"{count} vehicles are healthy",
                   self.programs(), 0.1)
