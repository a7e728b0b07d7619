"""A broker and core in one that answers a gateway as a test wants: too late, too little, not at all."""

import collections
import json
import socket
import struct
import threading
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = \
    1, 2, 3, 4, 8, 9, 12, 13, 14

Batch = collections.namedtuple("Batch", "header size at_mono_us outstanding")


def mono_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def _varint(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


class Whim:
    """`with Whim(hang_up_on=5) as broker:`; agents connect to broker.port."""

    def __init__(self, *, versions=(4, 5), hang_up=False, receive_maximum=None, packet_maximum=None,
                 suback=True, puback_after_s=0.0, puback=True, ack=True, pingresp=True, bytes_per_s=None):
        self.versions = versions
        self.hang_up = hang_up  # on another version; otherwise it is refused in words
        self.receive_maximum = receive_maximum
        self.packet_maximum = packet_maximum
        self.suback = suback
        self.puback = puback
        self.puback_after_s = puback_after_s
        self.ack = ack
        self.pingresp = pingresp
        self.bytes_per_s = bytes_per_s
        self.connects = []  # dicts of what CONNECT said
        self.batches = []
        self.most_outstanding = 0
        self.largest = 0
        self._end = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        if self.bytes_per_s:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end = True
        self._listener.close()
        self._thread.join(5)

    def _listen(self):
        self._listener.settimeout(0.1)
        while not self._end:
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with peer:
                try:
                    _Session(self, peer).run()
                except (ConnectionError, EOFError):
                    pass


class _Session:
    def __init__(self, whim, peer):
        self.whim = whim
        self.peer = peer
        self.v5 = False
        self.user = None
        self.data = b""
        self.waiting = collections.deque()  # (when, packet id): PUBACKs
        self.acks = []                      # (session, epoch, number): of the core
        self.peer.settimeout(0.01)
        self.read_bytes = 0
        self.begin = time.monotonic()

    def run(self):
        while not self.whim._end:
            self._answer_late()
            if self._may_read():
                try:
                    got = self.peer.recv(4096)
                except TimeoutError:
                    continue
                if not got:
                    raise EOFError
                self.read_bytes += len(got)
                self.data += got
            else:
                time.sleep(0.005)
            while self._take_packet():
                pass

    def _may_read(self):
        rate = self.whim.bytes_per_s
        return not rate or self.read_bytes < (time.monotonic() - self.begin) * rate

    def _send(self, kind, flags, body):
        self.peer.settimeout(5)
        self.peer.sendall(bytes([kind << 4 | flags]) + _varint(len(body)) + body)
        self.peer.settimeout(0.01)

    def _take_packet(self):
        size = shift = 0
        at = 1
        while True:
            if at >= len(self.data):
                return False
            size |= (self.data[at] & 127) << shift
            shift += 7
            at += 1
            if not self.data[at - 1] & 128:
                break
        if len(self.data) < at + size:
            return False
        head, body = self.data[0], self.data[at:at + size]
        self.data = self.data[at + size:]
        self.whim.largest = max(self.whim.largest, at + size)
        self._handle(head >> 4, head & 15, body)
        return True

    def _handle(self, kind, flags, body):
        if kind == CONNECT:
            self._connect(body)
        elif kind == SUBSCRIBE and self.whim.suback:
            self._send(SUBACK, 0, body[:2] + (b"\0" if self.v5 else b"") + b"\1")
        elif kind == PUBLISH:
            self._publish(flags, body)
        elif kind == PINGREQ and self.whim.pingresp:
            self._send(PINGRESP, 0, b"")
        elif kind == DISCONNECT:
            raise EOFError

    def _connect(self, body):
        version, flags = body[6], body[7]
        keepalive, = struct.unpack(">H", body[8:10])
        at, expiry = 10, None
        if version == 5:
            properties = body[11:11 + body[10]]
            at = 11 + body[10]
            if properties[:1] == b"\x11":
                expiry, = struct.unpack(">I", properties[1:5])
        size, = struct.unpack(">H", body[at:at + 2])
        self.user = body[at + 2:at + 2 + size].decode()
        self.v5 = version == 5
        self.whim.connects.append({"version": version, "clean": bool(flags & 2), "will": bool(flags & 4),
                                   "keepalive": keepalive, "expiry": expiry, "client_id": self.user})
        if version not in self.whim.versions:
            if self.whim.hang_up:
                raise EOFError
            self._send(CONNACK, 0, b"\0\1")  # as 3.1.1 says it, whatever was asked
            raise EOFError
        properties = b""
        if self.whim.receive_maximum:
            properties += b"\x21" + struct.pack(">H", self.whim.receive_maximum)
        if self.whim.packet_maximum:
            properties += b"\x27" + struct.pack(">I", self.whim.packet_maximum)
        self._send(CONNACK, 0, b"\0\0" + (_varint(len(properties)) + properties if self.v5 else b""))

    def _publish(self, flags, body):
        size, = struct.unpack(">H", body[:2])
        topic, at = body[2:2 + size].decode(), 2 + size
        if flags & 6:
            self.waiting.append((time.monotonic() + self.whim.puback_after_s, body[at:at + 2]))
            self.whim.most_outstanding = max(self.whim.most_outstanding, len(self.waiting))
            at += 2
        if self.v5:
            at += 1 + body[at]
        if topic.endswith("/data"):
            header = json.loads(body[at:].split(b"\n", 1)[0])
            self.whim.batches.append(Batch(header, len(body), mono_us(), len(self.waiting)))
            if self.whim.ack:
                self._ack(header)
        self._answer_late()

    def _answer_late(self):
        while self.whim.puback and self.waiting and self.waiting[0][0] <= time.monotonic():
            self._send(PUBACK, 0, self.waiting.popleft()[1])

    def _ack(self, header):
        ack = {"v": 1, "at": "2026-11-20T16:00:00.000Z", "session": header["session"],
               "epoch": header["epoch"], "committed": [[header["batch"], header["batch"]]]}
        topic = f"freshet/v1/{self.user}/ack".encode()
        self._send(PUBLISH, 0, struct.pack(">H", len(topic)) + topic + (b"\0" if self.v5 else b"") +
                   json.dumps(ack).encode())
