"""Acknowledgements through a real broker: how many, how soon, and what is answered to what cannot be taken."""

import json
import time

import pytest

from freshet import Depot, wait_until
from freshet.depot import WORKSPACE
from freshet.gateway import Gateway, update

NAME = "g-acks"
DEVICE = "van-acks-obd"
INTERVAL_S = 0.050


@pytest.fixture(scope="module")
def depot():
    with Depot(vehicles=1, gateways=("gw-1", NAME)) as depot:
        depot.start_base()
        depot.core.cli("gateway", "add", WORKSPACE, NAME)
        depot.register("van-acks", "1HGCM82633A004352", NAME)
        yield depot


@pytest.fixture
def gateway(depot):
    with Gateway(depot.broker, NAME) as gateway:
        gateway.link()
        yield gateway


def batch(gateway, **over):
    return gateway.payload([update(DEVICE, vehicle_state={"speed_kmh": 30.0})], **over)


def wait_committed(gateway, count, deadline_s=30):
    wait_until(lambda: len(gateway.committed) >= count, deadline_s, f"{count} batches are committed")


def test_a_single_batch_of_a_quiet_gateway_is_answered_at_once(depot, gateway):
    waits = []
    for number in range(1, 31):
        payload = batch(gateway)
        began = time.monotonic()
        gateway.publish(payload, wait=False)
        wait_until(lambda: (gateway.epoch, number) in gateway.committed, 10, "it is committed",
                   step_s=0.0005)
        waits.append(time.monotonic() - began)
        time.sleep(max(0, INTERVAL_S + 0.01 - waits[-1]))
    waits.sort()
    print(f"idle gateway: publish to ack p50 {waits[15] * 1e3:.1f} ms, max {waits[-1] * 1e3:.1f} ms")
    assert waits[15] < INTERVAL_S / 2


def test_a_flood_is_answered_in_few_messages(depot, gateway):
    count = 2000
    payloads = [batch(gateway) for _ in range(count)]
    began = time.monotonic()
    for payload in payloads:
        gateway.publish(payload, wait=False)
    wait_committed(gateway, count)
    took = time.monotonic() - began
    messages = len(gateway.acks)
    print(f"flood: {count} batches in {took:.2f} s, {messages} ack messages, {messages / took:.1f}/s")
    assert messages <= took / INTERVAL_S + count / 64 + 2


def test_a_steady_sender_waits_no_longer_than_the_interval(depot, gateway):
    sent, waits = {}, []
    seen = len(gateway.acks)
    began = time.monotonic()
    for number in range(1, 101):
        payload = batch(gateway)
        sent[number] = time.monotonic()
        gateway.publish(payload, wait=False)
        until = time.monotonic() + 0.01
        while time.monotonic() < until:
            now = time.monotonic()
            for done in [n for n in sent if (gateway.epoch, n) in gateway.committed]:
                waits.append(now - sent.pop(done))
            time.sleep(0.0005)
    wait_committed(gateway, 100)
    took, messages = time.monotonic() - began, len(gateway.acks) - seen
    waits.sort()
    print(f"steady: 100 batches in {took:.2f} s, {messages} ack messages, {messages / took:.1f}/s, "
          f"p50 {waits[len(waits) // 2] * 1e3:.0f} ms, max {waits[-1] * 1e3:.0f} ms")
    assert messages <= took / INTERVAL_S + 2
    assert waits[len(waits) // 2] < 2 * INTERVAL_S


def test_a_header_that_is_readable_in_part_is_deferred(depot, gateway):
    gateway.publish(batch(gateway, lane="express"))
    number = gateway.batch
    wait_until(lambda: (gateway.epoch, number) in gateway.deferred, 10, "it is deferred")
    assert gateway.deferred[gateway.epoch, number] == "malformed"
    gateway.publish(batch(gateway, batch=number))
    wait_until(lambda: (gateway.epoch, number) in gateway.committed, 10, "it is taken when it is whole")


def test_a_kept_batch_is_ignored(depot, gateway):
    topic = f"freshet/v1/{gateway.user}/data"
    gateway.send([update(DEVICE, vehicle_state={"speed_kmh": 41.0})])
    kept = gateway.payload([update(DEVICE, vehicle_state={"speed_kmh": 42.0})], batch=4711)
    try:
        # Published while nobody hears it, so that it can only come as a kept one.
        depot.core.stop()
        gateway.client.publish(topic, kept, 1, True).wait_for_publish(10)
        depot.core.start()
        depot.core.wait_ready()
        reasons = wait_until(lambda: [r for r in depot.core.items("/rejections")
                                      if r["reason"] == "retained"], 20, "it is listed", [depot.core])
        assert reasons[0]["gateway_id"] == NAME
        gateway.send([update(DEVICE, vehicle_state={"speed_kmh": 43.0})])
        assert (gateway.epoch, 4711) not in gateway.committed
        assert "4711" not in json.dumps(gateway.acks)
    finally:
        gateway.client.publish(topic, b"", 1, True).wait_for_publish(10)
