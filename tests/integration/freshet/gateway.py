"""A gateway of a test's own: publishes any payload and keeps what the core answers."""

import hashlib
import json
import threading
import time
import uuid

import paho.mqtt.client as mqtt
import zstandard

from .depot import GATEWAY, WORKSPACE
from .process import Failure, wait_until

NOT_AUTHORIZED = 0x87
TOO_LARGE = 0x95


def mono_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def utc(seconds=None):
    """RFC 3339 with milliseconds."""
    seconds = time.time() if seconds is None else seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds)) + f"{int(seconds % 1 * 1000):03d}Z"


def update(device, **modules):
    """A record as an agent makes it; `mono_us`, `at`, `vin` ... are taken as they are given."""
    record = {"kind": "update", "device_id": device, "provider": "obd", "source": "test",
              "mono_us": mono_us(),
              "module_status": {name: "partial" for name, value in modules.items()
                                if isinstance(value, dict) and name != "age_ms"}}
    record.update(modules)
    return record


def digest(body):
    return hashlib.sha256(body).hexdigest()[:16]


class Gateway:
    """An MQTT 5 client in the place of an agent."""

    def __init__(self, broker, name=GATEWAY, workspace=WORKSPACE, v5=True):
        self.user = f"{workspace}/{name}"
        self.epoch = uuid.uuid4().hex
        self.session = uuid.uuid4().hex
        self.boot = str(uuid.uuid4())
        self.batch = 0
        self.acks = []
        self.codes = {}  # message id -> reason code of its PUBACK
        self.committed = set()
        self.deferred = {}
        self._event = threading.Event()
        self.client = mqtt.Client(client_id=self.user, protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311)
        self.client.username_pw_set(self.user, broker.passwords[self.user])
        self.client.max_inflight_messages_set(100)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        if v5:
            # paho 1.6 keeps no reason code of a PUBACK, and stumbles over some: taken where it is
            # read.
            handle = self.client._handle_pubackcomp
            self.client._handle_pubackcomp = lambda cmd: self._on_puback(cmd, handle)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        if not self._event.wait(10):
            raise Failure(f"{self.user} cannot subscribe")

    def _on_connect(self, client, *_):
        client.on_subscribe = lambda *_: self._event.set()
        client.subscribe(f"freshet/v1/{self.user}/ack", 0)

    def _on_puback(self, cmd, handle):
        packet = bytes(self.client._in_packet["packet"])
        self.codes[int.from_bytes(packet[:2], "big")] = packet[2] if len(packet) > 2 else 0
        self.client._in_packet["packet"] = packet[:2]
        self.client._in_packet["remaining_length"] = 2
        return handle(cmd)

    def _on_message(self, _client, _data, message):
        ack = json.loads(message.payload)
        self.acks.append(ack)
        for first, last in ack.get("committed", []):
            self.committed.update((ack["epoch"], n) for n in range(first, last + 1))
        for item in ack.get("deferred", []):
            self.deferred[ack["epoch"], item["batch"]] = item["reason"]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- payloads ----

    def header(self, content, count, **over):
        """The header line of the next batch with this body; what is given replaces what would stand there, None
        leaves a member out."""
        if "batch" not in over:
            self.batch += 1
        now = mono_us()
        line = {"v": 1, "session": self.session, "epoch": self.epoch, "prev": None,
                "batch": self.batch, "floor": 1, "count": count, "lane": "live", "class": "sample",
                "body": "json", "digest": digest(content),
                "boot": {"id": self.boot, "sent_mono_us": now, "anchor_mono_us": now,
                         "anchor_at": utc(), "quality": "synced"}}
        for key, value in over.items():
            if value is None:
                line.pop(key)
            else:
                line[key] = value
        return json.dumps(line, separators=(",", ":")).encode()

    def payload(self, records, zstd=False, **over):
        """A whole batch; `records` is a list, or a body as bytes (then `count` is to be given)."""
        if isinstance(records, bytes):
            body, count = records, over.pop("count", 1)
        else:
            body, count = json.dumps(records, separators=(",", ":")).encode(), len(records)
        if zstd:
            body = zstandard.ZstdCompressor(level=1).compress(body)
            over.setdefault("body", "zstd")
        return self.header(body, count, **over) + b"\n" + body

    # ---- sending ----

    def publish(self, payload, topic=None, wait=True):
        """Returns the broker's reason code."""
        info = self.client.publish(topic or f"freshet/v1/{self.user}/data", payload, 1)
        if not wait:
            return None
        return wait_until(lambda: (self.codes.get(info.mid, -1) + 1), 10,
                          "the broker answers a publish") - 1

    def send(self, records, deadline_s=10, **over):
        """Publishes a batch and waits for its commit; returns its number."""
        self.publish(self.payload(records, **over))
        number = self.batch
        wait_until(lambda: (self.epoch, number) in self.committed, deadline_s,
                   f"batch {number} of {self.user} is committed")
        return number

    def link(self, state="online"):
        self.client.publish(f"freshet/v1/{self.user}/link",
                            json.dumps({"v": 1, "session": self.session, "state": state}), 1, True)


def random_bytes(count, length, seed):
    """The same for ever."""
    state = hashlib.sha256(str(seed).encode()).digest()
    for _ in range(count):
        state = hashlib.sha256(state).digest()
        size = 1 + int.from_bytes(state[:4], "big") % length
        out = b""
        while len(out) < size:
            state = hashlib.sha256(state).digest()
            out += state
        yield out[:size]


