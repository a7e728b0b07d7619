"""A TCP proxy that knows where an MQTT packet begins, and treats packets and bytes badly when told to.

    with Links() as links:
        proxy = links.proxy(lambda: broker.port, seed)
        proxy.port                       # where a client connects to
        proxy.cut()                      # every connection is reset
        proxy.hold(("up", "down"), True) # nothing passes; what comes waits
        proxy.harm("double", "up", 3)    # each of the next 3 PUBLISH packets comes twice

`up` is from the client to the broker. All faults are those of a link or of a broker; what a link with
TLS cannot do (bytes in another order) is done as well: whoever reads them must survive it.
"""

import asyncio
import random
import threading
from collections import Counter

CONNECT, PUBLISH, PUBACK = 1, 3, 4
UP, DOWN = "up", "down"
WAITING_MAX = 8 << 20  # bytes that one direction keeps while it is held
LOSSY_S = (0.2, 3.0)  # after which a connection may end that has lost a packet
LAG_S = 0.15  # the most by which a second copy comes late

# What can be done to a packet; "any" of these names may be armed by Proxy.harm().
HARMS = ("double", "late", "drop", "drop_any", "shorten", "repeat_bytes", "lose_bytes", "break_off")


def varint(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def read_varint(data, at):
    """(value, where it ends); None where there is more to come."""
    value = shift = 0
    while at < len(data) and shift < 28:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 128:
            return value, at
    return None if shift < 28 else (0, at)


class Packets:
    """Bytes come in, whole packets go out."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        self.rest += data
        while len(self.rest) >= 2:
            found = read_varint(self.rest, 1)
            if found is None or len(self.rest) < found[1] + found[0]:
                return
            end = found[1] + found[0]
            yield self.rest[:end]
            self.rest = self.rest[end:]


def kind_of(packet):
    return packet[0] >> 4


def payload_at(packet, v5):
    """(where its body begins, where its payload does) of a PUBLISH; None where it is none."""
    _, body = read_varint(packet, 1)
    at = body + 2 + int.from_bytes(packet[body:body + 2], "big")
    if packet[0] & 6:
        at += 2
    if v5:
        found = read_varint(packet, at)
        if found is None:
            return None
        at = found[1] + found[0]
    return (body, at) if at <= len(packet) else None


def shortened(packet, v5, chance):
    """The same PUBLISH with a part of its payload, well framed; None where there is nothing to cut."""
    places = payload_at(packet, v5)
    if places is None or places[1] >= len(packet):
        return None
    body, payload = places
    end = chance.randrange(payload, len(packet))
    return packet[:1] + varint(end - body) + packet[body:end]


class Direction:
    """From one peer to the other: reads, harms, waits, writes."""

    def __init__(self, link, name, reader, writer):
        self.link = link
        self.name = name
        self.reader = reader
        self.writer = writer
        self.packets = Packets()
        self.queue = asyncio.Queue()
        self.waiting = 0

    async def read(self):
        proxy = self.link.proxy
        while True:
            if self.waiting > WAITING_MAX:
                await asyncio.sleep(0.02)
                continue
            data = await self.reader.read(65536)
            if not data:
                break
            for packet in self.packets.feed(data):
                if kind_of(packet) == CONNECT:
                    self.link.v5 = packet[8:9] == b"\5"
                self.take(packet, proxy)
        self.put(None)

    def take(self, packet, proxy):
        if self.name in proxy.swallowing:
            proxy.done["swallowed"] += 1
            return
        harm = proxy.next_harm(self.name, packet)
        if harm:
            self.harmed(harm, packet, proxy)
        else:
            self.put(packet)

    def harmed(self, harm, packet, proxy):
        chance = proxy.chance
        if harm in ("double", "late"):
            self.put(packet)
            if harm == "double":
                self.put(packet)
            else:
                asyncio.get_running_loop().call_later(chance.uniform(0.01, LAG_S), self.put, packet)
        elif harm == "shorten":
            less = shortened(packet, self.link.v5, chance)
            if less is None:
                self.put(packet)
                return
            self.put(less)
        elif harm == "repeat_bytes":
            first = chance.randrange(len(packet))
            last = chance.randrange(first, len(packet)) + 1
            self.put(packet[:last] + packet[first:])
        elif harm == "lose_bytes":
            first = chance.randrange(len(packet))
            last = chance.randrange(first, len(packet)) + 1
            self.put(packet[:first] + packet[last:])
        elif harm in ("drop", "drop_any"):
            # TCP loses nothing while it lives, so the connection ends soon; brokers lose things, too.
            if chance.random() < 0.5:
                asyncio.get_running_loop().call_later(chance.uniform(*LOSSY_S), self.link.end)
        elif harm == "break_off":
            self.put(packet[:chance.randrange(len(packet))])
            self.put(None)
        proxy.done[harm] += 1

    def put(self, data):
        due = asyncio.get_running_loop().time() + self.link.proxy.delays.get(self.name, 0.0)
        self.waiting += len(data) if data else 0
        self.queue.put_nowait((due, data))

    async def write(self):
        proxy = self.link.proxy
        while True:
            due, data = await self.queue.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            while self.name in proxy.held:
                await asyncio.sleep(0.01)
            if data is None:
                return
            self.waiting -= len(data)
            self.writer.write(data)
            await self.writer.drain()


class Link:
    """One connection of a client, with its own to the broker."""

    def __init__(self, proxy, reader, writer):
        self.proxy = proxy
        self.v5 = False
        self.client = (reader, writer)
        self.broker = None
        self.task = None

    async def run(self):
        try:
            self.broker = await asyncio.open_connection("127.0.0.1", self.proxy.target())
            up = Direction(self, UP, self.client[0], self.broker[1])
            down = Direction(self, DOWN, self.broker[0], self.client[1])
            tasks = [asyncio.create_task(one()) for one in (up.read, up.write, down.read, down.write)]
            try:
                # Readers end by a None for their writers: whatever ends first of the others ends all.
                waits = {tasks[1], tasks[3]}
                waits |= {asyncio.create_task(self.failing(task)) for task in (tasks[0], tasks[2])}
                tasks += waits - set(tasks)
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.abort()

    @staticmethod
    async def failing(task):
        """Returns when the task has failed; never when it has ended."""
        try:
            await asyncio.shield(task)
        except OSError:
            return
        await asyncio.Event().wait()

    def end(self):
        self.abort()
        if self.task:
            self.task.cancel()

    def abort(self):
        for pair in (self.client, self.broker):
            if pair:
                pair[1].transport.abort()


class Proxy:
    """One listening port; made by Links.proxy()."""

    def __init__(self, links, target, seed):
        self.links = links
        self.target = target
        self.chance = random.Random(seed)
        self.port = None
        self.connections = set()
        self.held = set()       # directions in which nothing passes
        self.swallowing = set() # directions in which everything is lost
        self.delays = {}        # direction -> seconds
        self.armed = []         # [harm, direction, how many]
        self.closed = False     # new connections are reset
        self.done = Counter()   # what was done, by name

    # ---- in the thread of the links ----

    async def listen(self):
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def accept(self, reader, writer):
        if self.closed:
            writer.transport.abort()
            self.done["refused"] += 1
            return
        link = Link(self, reader, writer)
        self.connections.add(link)
        link.task = asyncio.current_task()
        try:
            await link.run()
        except asyncio.CancelledError:
            link.abort()
        finally:
            self.connections.discard(link)

    def next_harm(self, direction, packet):
        """The harm that is armed for such a packet, if any: counted down."""
        for one in self.armed:
            harm, where, _ = one
            if where != direction:
                continue
            if harm in ("double", "late", "shorten") and kind_of(packet) != PUBLISH:
                continue
            if harm == "drop" and kind_of(packet) not in (PUBLISH, PUBACK):
                continue
            one[2] -= 1
            if one[2] <= 0:
                self.armed.remove(one)
            return harm
        return None

    def _cut(self):
        self.done["cut"] += len(self.connections)
        for link in list(self.connections):
            link.end()

    def _clear(self):
        self.armed.clear()
        self.held.clear()
        self.delays.clear()
        self.closed = False
        if self.swallowing:
            self.swallowing.clear()
            self._cut()

    # ---- from any thread ----

    def cut(self):
        self.links.call(self._cut)

    def close(self, closed):
        """New connections are reset, those that stand are not."""
        self.closed = closed

    def hold(self, directions, held):
        self.links.call(self.held.update if held else self.held.difference_update, directions)

    def swallow(self, directions, on):
        """Everything is lost while both ends believe in the connection; the end of it is a cut."""
        self.links.call(self.swallowing.update if on else self.swallowing.difference_update, directions)
        if not on:
            self.cut()

    def delay(self, direction, seconds):
        self.links.call(self.delays.__setitem__, direction, seconds)

    def harm(self, harm, direction, count):
        if harm not in HARMS:
            raise ValueError(harm)
        self.links.call(self.armed.append, [harm, direction, count])

    def heal(self):
        """No fault any more; what was damaged stays so until its connection ends."""
        self.links.call(self._clear)


class Links:
    """A thread with an event loop for all proxies."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="links", daemon=True)
        self.thread.start()
        self.servers = []

    def call(self, function, *words):
        """Runs it in the thread and waits for it."""
        done = threading.Event()

        def run():
            try:
                function(*words)
            finally:
                done.set()
        self.loop.call_soon_threadsafe(run)
        done.wait(10)

    def proxy(self, target, seed):
        proxy = Proxy(self, target, seed)
        self.servers.append(asyncio.run_coroutine_threadsafe(proxy.listen(), self.loop).result(10))
        return proxy

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def end():
            for server in self.servers:
                server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
