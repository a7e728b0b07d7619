"""What an operator gets out of a gateway that no core has heard: spool ls, export, verify."""

import json
import sqlite3

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY
from freshet.process import free_port, run


@pytest.fixture(name="depot")
def make_depot():
    """A vehicle and an agent; there is no broker and no core."""
    with Depot(vehicles=1) as depot:
        depot.broker.port = free_port()
        depot.sim.start()
        depot.add_agent(GATEWAY, depot.sim.vehicles, {"period": "200 ms"}, register=False).start()
        wait_until(lambda: (depot.agent.status() or {}).get("spool", {}).get("batches", 0) >= 5, 20,
                   "five batches wait", [depot.agent])
        yield depot


def spool(depot, *words):
    return run([depot.agent.exe, "spool", *words, "-c", depot.agent.conf], check=False)


def test_every_batch_is_exported_with_its_records(depot):
    refused = spool(depot, "export")
    assert refused.returncode == 2 and "stop the agent first" in refused.stderr
    assert depot.agent.stop() == 0

    done = spool(depot, "export")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    listed = json.loads(spool(depot, "ls", "--json").stdout)["items"]
    key = ("epoch", "batch", "class", "digest")
    assert [[line[k] for k in key] for line in lines] == [[item[k] for k in key] for item in listed]
    assert [line["batch"] for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert line["count"] == len(line["records"])
        assert line["boot"]["quality"] == "synced" and line["boot"]["anchor_at"].endswith("Z")
    records = [record for line in lines for record in line["records"]]
    vehicle = depot.sim.vehicles[0]
    assert {record["device_id"] for record in records} == {f"{vehicle['vehicle']}-obd"}
    assert any("odometer_km" in record.get("vehicle_state", {}) for record in records)

    verified = spool(depot, "verify", "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["batches"] == len(lines)


def test_a_damaged_batch_is_told_and_the_others_are_exported(depot):
    assert depot.agent.stop() == 0
    with sqlite3.connect(depot.agent.spool) as db:
        count, first = db.execute("SELECT count(*), min(id) FROM batch").fetchone()
        db.execute("UPDATE batch SET body = zeroblob(length(body)) WHERE id = ?", (first,))
    db.close()
    done = spool(depot, "export")
    assert done.returncode == 1 and "could not be read" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    # The spool gives it up and states the loss in a batch of its own.
    assert len(lines) == count
    assert lines[0]["batch"] == 2
    assert lines[-1]["class"] == "ledger" and lines[-1]["records"][0]["kind"] == "dropped"


def test_an_export_that_cannot_be_written_fails(depot):
    assert depot.agent.stop() == 0
    done = run(["sh", "-c", f"{depot.agent.exe} spool export -c {depot.agent.conf} >/dev/full"],
               check=False)
    assert done.returncode == 1 and "No space left on device" in done.stderr


def change_spool(path, *statements):
    with sqlite3.connect(path, timeout=10) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def test_a_spool_that_is_replaced_under_a_running_agent_goes_on_sending():
    with Depot(vehicles=1) as depot:
        depot.start(source={"period": "200 ms"})
        depot.wait_healthy()
        # As a new file is: without the epoch that runs.
        change_spool(depot.agent.young, "DELETE FROM batch", "DELETE FROM epoch")
        wait_until(lambda: "the spool was replaced" in depot.agent.log()
                   or "spool fails" in depot.agent.log(), 10, "the agent sees it", [depot.agent])
        before = depot.core.health()
        wait_until(lambda: all(item["last_update_received_at"] >
                               before[device]["last_update_received_at"]
                               for device, item in depot.core.health().items()), 10,
                   "there is newer data", [depot.agent])
