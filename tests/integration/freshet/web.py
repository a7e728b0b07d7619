"""HTTP and WebSocket by hand, so that tests can also send what no library would."""

import base64
import hashlib
import http.client
import json
import os
import socket
import struct
import time

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def ask(port, method, path, headers=None, body=None):
    """(status, headers with lower-case names, body as bytes)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return (answer.status, {key.lower(): value for key, value in answer.getheaders()},
                answer.read())
    finally:
        connection.close()


def send_raw(port, data, deadline_s=10, half_close=True):
    """What the server says to these bytes until it hangs up, or b"" where it just does."""
    with socket.create_connection(("127.0.0.1", port), timeout=deadline_s) as peer:
        answer = b""
        try:
            peer.sendall(data)
            if half_close:
                peer.shutdown(socket.SHUT_WR)
            while chunk := peer.recv(65536):
                answer += chunk
        except TimeoutError:
            raise
        except OSError:
            pass  # hung up on while still speaking
        return answer


class Refused(Exception):
    """The server answered the upgrade with something else."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class WebSocket:
    """A client of one connection; only what the tests need of RFC 6455."""

    def __init__(self, port, headers=None, path="/ws", protocol="freshet.v1", small_buffer=False):
        self.peer = socket.socket()
        if small_buffer:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.peer.settimeout(10)
        self.peer.connect(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        if protocol:
            lines.append(f"Sec-WebSocket-Protocol: {protocol}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        head = self._until(b"\r\n\r\n").decode()
        status = int(head.split()[1]) if head else 0
        if status != 101:
            self.close()
            raise Refused(status)
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert accept in head and "freshet.v1" in head

    def _until(self, mark):
        while mark not in self.buffer:
            chunk = self.peer.recv(65536)
            if not chunk:
                return b""
            self.buffer += chunk
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _take(self, count):
        while len(self.buffer) < count:
            chunk = self.peer.recv(65536)
            if not chunk:
                raise ConnectionError("closed by the core")
            self.buffer += chunk
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def send(self, data, opcode=1):
        if not isinstance(data, (bytes, str)):
            data = json.dumps(data)
        if isinstance(data, str):
            data = data.encode()
        mask = os.urandom(4)
        length = len(data)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.peer.sendall(head + mask + masked)

    def frame(self):
        """(opcode, last, payload)."""
        first, second = self._take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._take(8))[0]
        return first & 0x0F, bool(first & 0x80), self._take(length)

    def receive(self, deadline_s=10):
        """The next message as JSON; pings are answered on the way."""
        self.peer.settimeout(deadline_s)
        text = b""
        while True:
            opcode, last, payload = self.frame()
            if opcode == 9:
                self.send(payload, 10)
                continue
            if opcode == 8:
                raise ConnectionError(f"closed: {payload[2:].decode()}")
            text += payload
            if last:
                return json.loads(text)

    def receive_type(self, kind, deadline_s=10):
        """The next message of that type; others are let go."""
        end = time.monotonic() + deadline_s
        while True:
            message = self.receive(max(0.1, end - time.monotonic()))
            if message["type"] == kind:
                return message

    def close(self):
        self.peer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
