"""Whatever a gateway sends: the outcome of the contract, counted, listed, nothing else disturbed.

One real gateway with two vehicles goes on all the while; another one, played by the test, sends what
no agent should.
"""

import json
import time

import pytest
import zstandard

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, WORKSPACE
from freshet.gateway import NOT_AUTHORIZED, TOO_LARGE, Gateway, digest, mono_us, random_bytes, update, utc
from freshet.records import CoreHistory

BAD = "g-bad"
DEVICE = "van-x-obd"  # of the bad gateway
VIN = "1HGCM82633A004352"
FOREIGN_VIN = "1FTFW1ET5DFC10312"


@pytest.fixture(scope="module")
def depot():
    with Depot(vehicles=2, gateways=(GATEWAY, BAD)) as depot:
        depot.start(source={"period": "300 ms"}, agent={"batch": {"heartbeat": "300 ms"}})
        depot.core.cli("gateway", "add", WORKSPACE, BAD)
        depot.register("van-x", VIN, BAD)
        depot.core.cli("workspace", "add", "elsewhere")
        depot.core.cli("device", "add", "elsewhere", "theirs-obd", "--provider", "obd")
        depot.wait_healthy(2)
        yield depot


@pytest.fixture(scope="module")
def bad(depot):
    with Gateway(depot.broker, BAD) as gateway:
        gateway.link()
        yield gateway


@pytest.fixture(autouse=True)
def nothing_else_is_disturbed(depot):
    """After each test both programs live, and the good gateway's data is newer than before it."""
    def received():
        return {name: item["last_update_received_at"] for name, item in depot.core.health().items()
                if item["gateway_id"] == GATEWAY}
    pids, before = (depot.core.pid, depot.agent.pid), received()
    yield
    depot.check_alive()
    assert (depot.core.pid, depot.agent.pid) == pids
    wait_until(lambda: all(now > before[name] for name, now in received().items()), 20,
               "the good gateway goes on", depot.programs())
    assert all(item["health_state"] == "healthy" for item in depot.core.health().values()
               if item["gateway_id"] == GATEWAY)


def rejections(depot):
    """{reason: count} of the workspace."""
    counts = {}
    for item in depot.core.items("/rejections"):
        counts[item["reason"]] = counts.get(item["reason"], 0) + item["count"]
    return counts


def total(counts):
    return sum(counts.values())


def refused(depot, bad, payload, reason=None, topic=None):
    """Publishes; waits until one more rejection is listed, and returns it."""
    before = {item["rejection_id"]: item["count"] for item in depot.core.items("/rejections")}
    bad.publish(payload, topic)

    def listed():
        for item in depot.core.items("/rejections"):
            if before.get(item["rejection_id"], 0) < item["count"]:
                return item
        return None
    item = wait_until(listed, 10, f"a rejection is listed ({reason})", [depot.core])
    if reason:
        assert item["reason"] in ((reason,) if isinstance(reason, str) else reason)
    return item


def body_of(*records):
    return json.dumps(list(records)).encode()


PLAIN = body_of(update(DEVICE, vehicle_state={"speed_kmh": 30.0}))


def test_the_gateway_of_this_test_can_do_it_right(depot, bad):
    bad.send([update(DEVICE, vin=VIN, keyframe=True, vehicle_state={"speed_kmh": 41.5})])
    bad.send([update(DEVICE, vehicle_state={"odometer_km": 1234.5})], zstd=True)
    snapshot = depot.core.get("/snapshots/van-x")
    assert snapshot["vehicle_state"]["speed_kmh"] == 41.5
    assert snapshot["vehicle_state"]["odometer_km"] == 1234.5
    assert snapshot["battery"] is None  # not delivered, so nothing is said of it


# Payloads that are no batch, or not the one that was made: never committed.
NO_BATCH = {
    "empty": lambda g: b"",
    "not JSON": lambda g: b"not json at all\n[]",
    "no header line": lambda g: PLAIN,
    "header only": lambda g: g.header(PLAIN, 1),
    "header is an array": lambda g: b"[1]\n" + PLAIN,
    "header without epoch": lambda g: g.payload(PLAIN, epoch=None),
    "header with a wrong type": lambda g: g.payload(PLAIN, batch="seven"),
    "batch 0": lambda g: g.payload(PLAIN, batch=0),
    "negative floor": lambda g: g.payload(PLAIN, floor=-1),
    "duplicate keys in the header": lambda g: g.payload(PLAIN).replace(b'"v":1,', b'"v":1,"v":1,', 1),
    "header of 4 KiB": lambda g: g.payload(PLAIN, spare="x" * 4096),
    "wrong digest": lambda g: g.payload(PLAIN, digest="0" * 16),
    "truncated": lambda g: g.payload(PLAIN)[:-9],
    "unknown compression": lambda g: g.payload(PLAIN, body="lzma"),
    "no records": lambda g: g.payload([]),
    "1,001 records": lambda g: g.payload([{"kind": "none"}] * 1001),
    "over 1 MiB": lambda g: g.payload(b"[" + b" " * (1 << 20) + b"]"),
}

# Batches whose digest says that this is what their gateway made, so that sending them again will not
# mend them: committed as refused, so that the stream goes on.
BAD_BODY = {
    "count too high": lambda g: g.payload(PLAIN, count=2),
    "body is an object": lambda g: g.payload(b'{"kind":"update"}'),
    "body has trailing junk": lambda g: g.payload(PLAIN + b" x"),
    "body is not UTF-8": lambda g: g.payload(b'[{"kind":"\xff\xfe"}]'),
    "body nested 1,000 deep": lambda g: g.payload(b"[" * 1000 + b"]" * 1000),
    "body nested 100,000 deep": lambda g: g.payload(b"[" * 100000),
    "broken zstd": lambda g: g.payload(
        zstandard.ZstdCompressor().compress(PLAIN)[:-4] + b"\0\0\0\0", body="zstd"),
    "zstd that is none": lambda g: g.payload(PLAIN, body="zstd"),
    "zstd without a content size": lambda g: g.payload(
        zstandard.ZstdCompressor(write_content_size=False).compress(PLAIN), body="zstd"),
    "zstd of 9 MiB": lambda g: g.payload(
        zstandard.ZstdCompressor().compress(b"[" + b" " * (9 << 20) + b"]"), body="zstd"),
    "zstd that claims 1 TiB": lambda g: g.payload(
        b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\0\0", body="zstd"),
    "two zstd frames": lambda g: g.payload(
        zstandard.ZstdCompressor().compress(PLAIN) * 2, body="zstd"),
}


def check_rejection(item):
    assert item["reason"] and item["source"] and item["detail"]
    assert item["gateway_id"] == BAD


@pytest.mark.parametrize("name", NO_BATCH)
def test_what_is_no_batch_is_refused_and_listed(depot, bad, name):
    committed = len(bad.committed)
    check_rejection(refused(depot, bad, NO_BATCH[name](bad)))
    assert len(bad.committed) == committed


@pytest.mark.parametrize("name", BAD_BODY)
def test_a_body_that_cannot_be_read_is_committed_as_refused(depot, bad, name):
    check_rejection(refused(depot, bad, BAD_BODY[name](bad)))
    number = bad.batch
    wait_until(lambda: (bad.epoch, number) in bad.committed, 10, "it is acknowledged")


def test_two_mebibytes_are_refused_by_the_broker(bad):
    assert bad.publish(bad.payload(bytes(2 << 20))) == TOO_LARGE


def test_a_later_version_is_deferred_not_lost(depot, bad):
    before = total(rejections(depot))
    bad.publish(bad.payload(PLAIN, v=2))
    number = bad.batch
    wait_until(lambda: (bad.epoch, number) in bad.deferred, 10, "the batch is deferred")
    assert bad.deferred[bad.epoch, number] == "unsupported_version"
    assert (bad.epoch, number) not in bad.committed
    # The same number as this version understands it is taken.
    bad.publish(bad.payload(PLAIN, batch=number))
    wait_until(lambda: (bad.epoch, number) in bad.committed, 10, "it is committed when it can be read")
    assert total(rejections(depot)) >= before


def test_records_are_refused_one_by_one(depot, bad):
    before = rejections(depot)
    poison = [
        {"kind": "update"},
        {"kind": "what"},
        {"no": "kind"},
        7,
        [],
        {"kind": "update", "device_id": "../x", "provider": "obd"},
        {"kind": "update", "device_id": DEVICE, "provider": "obd", "mono_us": "soon"},
    ]
    good = update(DEVICE, vehicle_state={"speed_kmh": 33.0})
    bad.send([*poison, good])
    assert depot.core.get("/snapshots/van-x")["vehicle_state"]["speed_kmh"] == 33.0
    assert total(rejections(depot)) - total(before) >= len(poison) - 1
    assert rejections(depot).get("malformed", 0) > before.get("malformed", 0)


def test_absurd_values_are_nulled_and_their_neighbours_stay(depot, bad):
    bad.send([update(DEVICE, keyframe=True, vehicle_state={
        "speed_kmh": 99999.0, "odometer_km": -5, "aux_battery_v": 12.5, "engine_rpm": 1e300,
        "gear": "sideways", "locked": "yes"}, battery={"state_of_charge_pct": 480})])
    snapshot = depot.core.get("/snapshots/van-x")
    assert snapshot["vehicle_state"]["aux_battery_v"] == 12.5
    assert snapshot["battery"]["state_of_charge_pct"] is None
    for field in ("speed_kmh", "odometer_km", "engine_rpm", "locked"):
        assert snapshot["vehicle_state"][field] is None, field
    assert snapshot["vehicle_state"]["gear"] in (None, "unknown")
    outcomes = CoreHistory(depot.core.database).outcomes
    assert outcomes.get("implausible", 0) + rejections(depot).get("implausible", 0) > 0


def test_numbers_beyond_any_type_do_no_harm(depot, bad):
    body = PLAIN.replace(b"30.0", b"1e999999").replace(b'"mono_us": ', b'"mono_us": 9999999999999999999')
    before = total(rejections(depot))
    bad.publish(bad.payload(body))
    wait_until(lambda: (bad.epoch, bad.batch) in bad.committed or total(rejections(depot)) > before, 10,
               "it is taken or refused")


def test_future_times_are_clamped_to_receipt(depot, bad):
    ahead = {"id": bad.boot, "sent_mono_us": mono_us(), "anchor_mono_us": mono_us(),
             "anchor_at": utc(time.time() + 86400), "quality": "synced"}
    bad.send([update(DEVICE, vehicle_state={"speed_kmh": 55.0}, at=utc(time.time() + 3600))],
             boot={**ahead, "id": "00000000-0000-4000-8000-00000000f00d"})
    item = depot.core.health()[DEVICE]
    assert item["freshness_age_s"] >= 0
    report = depot.core.get("/health")
    assert item["observed_at"] <= report["evaluated_at"]
    assert item["last_update_received_at"] <= report["evaluated_at"]
    # An hour that is yet to come must not keep out what is read now.
    bad.send([update(DEVICE, vehicle_state={"speed_kmh": 56.0})])
    assert depot.core.get("/snapshots/van-x")["vehicle_state"]["speed_kmh"] == 56.0


def parked(depot):
    return depot.core.items("/parked")


def test_an_unknown_device_is_parked_and_applied_when_it_is_registered(depot, bad):
    bad.send([update("late-obd", vin="1M8GDM9AXKP042788", vehicle_state={"speed_kmh": 61.0}),
              update(DEVICE, vehicle_state={"speed_kmh": 62.0})])
    kept = [item for item in parked(depot) if item["reason"] == "unknown_device"]
    assert len(kept) == 1 and "late-obd" in json.dumps(kept[0])
    assert depot.core.get("/snapshots/van-x")["vehicle_state"]["speed_kmh"] == 62.0
    depot.register("late", "1M8GDM9AXKP042788", BAD)
    wait_until(lambda: depot.core.health()["late-obd"]["last_update_received_at"], 10,
               "what was parked is applied", [depot.core])
    assert depot.core.get("/snapshots/late")["vehicle_state"]["speed_kmh"] == 61.0
    assert not [item for item in parked(depot) if "late-obd" in json.dumps(item)]


def test_a_foreign_vin_is_not_merged_but_parked_until_the_registry_is_mended(depot, bad):
    before = depot.core.get("/snapshots/van-x")["vehicle_state"]["speed_kmh"]
    bad.send([update(DEVICE, vin=FOREIGN_VIN, vehicle_state={"speed_kmh": 77.0})])
    assert depot.core.get("/snapshots/van-x")["vehicle_state"]["speed_kmh"] == before
    kept = [item for item in parked(depot) if item["reason"] == "vin_mismatch"]
    assert len(kept) == 1
    depot.core.cli("vehicle", "set", WORKSPACE, "van-x", "--vin", FOREIGN_VIN)
    wait_until(lambda: depot.core.get("/snapshots/van-x")["vehicle_state"]["speed_kmh"] == 77.0, 10,
               "what was parked is applied", [depot.core])
    assert not [item for item in parked(depot) if item["reason"] == "vin_mismatch"]
    depot.core.cli("vehicle", "set", WORKSPACE, "van-x", "--vin", VIN)


def test_a_device_of_another_workspace_is_refused(depot, bad):
    before = rejections(depot).get("wrong_workspace", 0)
    bad.send([update("theirs-obd", vehicle_state={"speed_kmh": 1.0})])
    assert rejections(depot).get("wrong_workspace", 0) == before + 1


def test_the_same_batch_twice_is_applied_once(depot, bad):
    payload = bad.payload([update(DEVICE, vehicle_state={"speed_kmh": 12.0})])
    acks = len(bad.acks)
    for _ in range(3):
        bad.publish(payload)
    wait_until(lambda: len(bad.acks) > acks and (bad.epoch, bad.batch) in bad.committed, 10, "it is acked")
    bad.send([update(DEVICE, vehicle_state={"speed_kmh": 13.0})])
    numbers = [number for _, epoch, number, _, _ in CoreHistory(depot.core.database).batches
               if epoch == bad.epoch]
    assert len(numbers) == len(set(numbers))


def test_a_dropped_range_becomes_a_gap_and_goes_when_the_batch_comes_after_all(depot, bad):
    bad.batch += 1
    missing = bad.batch
    bad.batch += 1
    bad.send([{"kind": "dropped", "epoch": bad.epoch, "ranges": [[missing, missing]], "records": 3,
               "reason": "spool_full", "first_mono_us": 1, "last_mono_us": 2}], **{"class": "ledger"})

    def open_gaps():
        return [gap for gap in depot.core.items("/gaps") if not gap.get("recovered_at")
                and bad.epoch in json.dumps(gap)]
    assert wait_until(open_gaps, 10, "the gap is listed", [depot.core])[0]["reason"] == "spool_full"
    bad.publish(bad.payload(PLAIN, batch=missing))
    wait_until(lambda: not [gap for gap in open_gaps() if gap.get("first") == missing], 10,
               "the gap is recovered", [depot.core])


def test_another_gateways_topic_is_refused_by_the_broker_and_nothing_arrives(depot, bad):
    before = depot.core.health()[f"{depot.sim.vehicles[0]['vehicle']}-obd"]
    device = before["device_id"]
    forged = bad.payload([update(device, vehicle_state={"speed_kmh": 199.0})], epoch="f" * 32)
    for topic in ("data", "status", "link"):
        assert bad.publish(forged, f"freshet/v1/{WORKSPACE}/{GATEWAY}/{topic}") == NOT_AUTHORIZED
    bad.send([update(DEVICE, vehicle_state={"speed_kmh": 2.0})])
    history = CoreHistory(depot.core.database)
    assert not [b for b in history.batches if b[1] == "f" * 32]


def test_link_and_status_that_are_none_are_refused(depot, bad):
    for topic in ("link", "status"):
        for payload in (b"", b"{", b"[]", b'{"v":9}', b"\xff" * 300):
            bad.publish(payload, f"freshet/v1/{bad.user}/{topic}")
    bad.link()
    bad.send([update(DEVICE, vehicle_state={"speed_kmh": 3.0})])


def test_random_bytes_do_no_harm(depot, bad):
    before = total(rejections(depot))
    sent = 0
    for junk in random_bytes(300, 2000, seed=20261120):
        bad.publish(junk, wait=False)
        sent += 1
    whole = bad.payload(PLAIN)
    for place, junk in enumerate(random_bytes(200, 8, seed=7)):
        at = place * 7 % len(whole)
        bad.publish(whole[:at] + junk + whole[at + len(junk):], wait=False)
    bad.send([update(DEVICE, vehicle_state={"speed_kmh": 4.0})], deadline_s=30)
    assert total(rejections(depot)) >= before + sent


def test_rejections_keep_the_first_bytes_and_a_digest_of_the_rest(depot, bad):
    payload = b"x" * 256 + b"y" * 1000
    item = refused(depot, bad, payload)
    assert item["bytes"] == 1256
    assert "x" * 32 in json.dumps(item) or "78" * 32 in json.dumps(item)
    assert digest(b"y" * 1000) in json.dumps(item)
