"""The truth: time, what the vehicle is doing, and a network that misbehaves."""

import random
from collections import defaultdict

from .core import Cluster
from .check import Oracle
from .gateway import Disk, Gateway

FIELDS = "abcd"
CHANGES = {"a": 0.3, "b": 0.01, "c": 0.3, "d": 0.01}  # a second; slow ones show a lost change
MAX_DELAY = 12


class Network:
    """Carries messages with loss, duplication, delay and reordering."""

    def __init__(self, world):
        self.world = world
        self.due = defaultdict(list)

    def send(self, receiver, message):
        """Queues a message for the tick in which it arrives, or loses it."""
        world = self.world
        if world.happens("loss"):
            return
        for _ in range(2 if world.happens("dup") else 1):
            delay = world.rng.randint(2, MAX_DELAY) if world.happens("delay") else 1
            self.due[world.now + delay].append((receiver, message))

    def arrivals(self):
        """What arrives in this tick, in any order where the network reorders."""
        messages = self.due.pop(self.world.now, [])
        if self.world.faults.get("dup"):
            self.world.rng.shuffle(messages)
        return messages


class World:
    """One run: a vehicle, its gateways (one, or two where a card is cloned), the core."""

    def __init__(self, seed, faults, rules):
        self.rng = random.Random(seed)
        self.faults = faults
        self.rules = rules
        self.now = 1000
        self.calm = False
        self.link_up = True
        self.link_back_at = 0
        self.serial = 0
        self.values = dict.fromkeys(FIELDS, 0)
        self.oracle = Oracle(self)
        self.network = Network(self)
        self.cluster = Cluster(self)
        self.card_image = None
        self.vm_image = None
        self.gateways = [Gateway(self, Disk())]

    def happens(self, fault):
        """Whether a fault strikes now. Nothing strikes in the calm at the end of a run."""
        odds = self.faults.get(fault)
        return bool(odds) and not self.calm and self.rng.random() < odds

    def fresh(self, prefix):
        """A name that was never used before."""
        self.serial += 1
        return f"{prefix}{self.serial}"

    def step(self):
        """One second."""
        self.now += 1
        for field in FIELDS:
            if self.rng.random() < CHANGES[field]:
                self.serial += 1
                self.values[field] = self.serial
        self._move_link()
        self._strike_gateways()
        self.cluster.step()
        for gateway in self.gateways:
            gateway.step()
        for receiver, message in self.network.arrivals():
            if receiver == "core":
                self.cluster.deliver(message)
            elif self.link_up:
                for gateway in self.gateways:
                    gateway.on_ack(message)
        self.oracle.look()

    def _move_link(self):
        if self.link_up and self.happens("linkdown"):
            self.link_up = False
            self.link_back_at = self.now + self.rng.randint(5, 60)
        elif not self.link_up and (self.calm or self.now >= self.link_back_at):
            self.link_up = True
            for gateway in self.gateways:
                gateway.connect()

    def _strike_gateways(self):
        if self.happens("image"):
            self.card_image = self.gateways[0].disk.copy()
        for index, gateway in enumerate(self.gateways):
            if self.happens("kill9"):
                gateway.restart()
            elif self.happens("cut"):
                disk = gateway.disk_after_cut()
                if self.card_image and self.happens("restore"):
                    disk = self.card_image.copy()
                self.oracle.destroy(gateway.held(), disk.batches)
                self.gateways[index] = Gateway(self, disk)
            elif self.happens("reboot"):
                gateway.flush()
                self.gateways[index] = Gateway(self, gateway.disk)
        if self.happens("vmsave"):
            self.vm_image = (self.now, self.gateways[0].save())
        if self.vm_image and self.happens("vmload"):
            saved_at, image = self.vm_image
            before = self.gateways[0].held()
            self.gateways[0].load(image, self.now - saved_at)
            self.oracle.set_back = True
            self.oracle.destroy(before, self.gateways[0].held())
            self.oracle.wrong.clear()
            self.oracle.misordered.clear()
        if len(self.gateways) < 2 and self.happens("clone"):
            self.gateways.append(Gateway(self, self.gateways[0].disk.copy()))
        if len(self.gateways) < 2 and self.happens("vmclone"):
            self.gateways.append(Gateway(self, Disk()))
            self.gateways[1].load(self.gateways[0].save(), 0)
