"""What an operator gets out of a gateway that no core has heard: spool ls, export, verify."""

import json
import sqlite3
import time

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


def waiting(depot):
    return json.loads(spool(depot, "ls", "--json").stdout)["items"]


def test_an_operator_gives_up_samples_and_says_so(depot):
    """Of a running agent, then of one that is stopped; what is given up is stated in a ledger batch."""
    for words, why in ((["--all"], "--yes"), (["--yes"], "say what"),
                       (["--all", "--class", "state", "--yes"], "stands alone"),
                       (["--class", "ledger", "--yes"], "sample, state or alarm"),
                       (["--older", "soon", "--yes"], "a duration"),
                       (["--batches", "no epoch", "--yes"], "EPOCH")):
        refused = spool(depot, "drop", *words)
        assert refused.returncode == 2 and why in refused.stderr, words
    before = waiting(depot)
    assert spool(depot, "ls", "--yes").returncode == 2

    done = spool(depot, "drop", "--class", "sample", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    gone = json.loads(done.stdout)["records"]
    samples = [item for item in before if item["class"] == "sample"]
    assert gone >= sum(item["records"] for item in samples) > 0
    assert depot.agent.status()["spool"]["dropped_total"] == gone
    assert not {item["id"] for item in samples} & {item["id"] for item in waiting(depot)}
    assert "an operator gave up" in depot.agent.log()

    one = next(item for item in waiting(depot) if item["class"] == "state")
    assert depot.agent.stop() == 0
    done = spool(depot, "drop", "--batches", f"{one['epoch']}:{one['batch']}", "--yes")
    assert done.returncode == 0 and done.stdout.startswith(f"{one['records']} records given up")
    stated = [record for line in spool(depot, "export").stdout.splitlines()
              for record in json.loads(line)["records"] if record["kind"] == "dropped"]
    assert {record["reason"] for record in stated} == {"operator"}
    assert [one["batch"], one["batch"]] in [bounds for record in stated
                                            for bounds in record["ranges"]]


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


def written(depot):
    return depot.agent.status()["spool"]["written_bytes_total"]


def test_online_the_disk_is_not_written():
    with Depot(vehicles=2) as depot:
        depot.start(source={"period": "200 ms"})
        depot.wait_healthy()
        # The first trouble codes are an alarm: that goes to disk, and leaves it again.
        wait_until(lambda: depot.agent.log().count("state=ok") >= 2, 20, "the sources are read",
                   [depot.agent])
        settled = {"at": time.monotonic(), "written": written(depot)}

        def quiet():
            if written(depot) != settled["written"]:
                settled.update(at=time.monotonic(), written=written(depot))
            return time.monotonic() - settled["at"] > 6

        wait_until(quiet, 40, "the disk is left alone", [depot.agent], 0.2)
        committed = depot.agent.status()["uplink"]["acked"]
        before, log = written(depot), depot.agent.spool.with_name("spool.db-wal").stat()
        wait_until(lambda: depot.agent.status()["uplink"]["acked"] > committed + 12, 30,
                   "a dozen batches are committed", [depot.agent])
        assert written(depot) == before
        assert depot.agent.spool.with_name("spool.db-wal").stat().st_mtime_ns == log.st_mtime_ns


def test_a_run_folder_without_room_is_done_without(tmp_path):
    memory = tmp_path / "run"
    memory.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", memory], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        (memory / "fill").write_bytes(b"x" * 8192)
        with Depot(vehicles=1) as depot:
            depot.broker.start()
            depot.sim.start()
            agent = depot.add_agent(GATEWAY, depot.sim.vehicles, {"period": "200 ms"},
                                    settings={"agent": {"run_dir": memory}}, register=False)
            agent.start()
            wait_until(lambda: "all is written to disk at once" in agent.log(), 10,
                       "the agent says so", [agent])
            wait_until(lambda: (agent.status() or {}).get("spool", {}).get("batches", 0) >= 3, 20,
                       "batches are kept", [agent])
            with sqlite3.connect(f"file:{agent.spool}?mode=ro", uri=True) as db:
                assert db.execute("SELECT count(*) FROM batch").fetchone()[0] >= 3
            db.close()
    finally:
        run(["umount", "-l", memory], check=False)
