"""The core's command line: every command, good and bad, as people and as programs read it; its
configuration's mistakes; the first token."""

import json
import stat
from pathlib import Path

import pytest

from freshet import Depot
from freshet.depot import WORKSPACE, secret_file
from freshet.process import run

VIN = "1HGCM82633A004352"


@pytest.fixture(scope="module", name="core")
def make_core():
    """A core that does not run: the command line needs none."""
    with Depot(vehicles=0) as depot:
        depot.broker.port = 1883
        depot.core.write()
        depot.core.cli("migrate")
        yield depot.core


def ask(core, *words):
    """(status, stdout, stderr)."""
    done = core.cli(*words, check=False)
    return done.returncode, done.stdout, done.stderr


def rows(core, *words):
    return [json.loads(line) for line in core.cli(*words, "--json").splitlines()]


def test_a_database_that_is_missing_or_old_is_told_apart_and_migrate_makes_it(core, tmp_path):
    conf = tmp_path / "core.conf"
    conf.write_text(f"[core]\nstate_dir = {tmp_path}\n", encoding="ascii")
    def say(*words):
        return run([core.exe, *words, "-c", conf], 20, False)
    assert say("workspace", "list").returncode == 1
    assert "migrate" in say("workspace", "list").stderr
    assert say("migrate", "--check").returncode == 1
    done = json.loads(say("migrate", "--json").stdout)
    assert done["applied"] >= 1 and done["database"].endswith("core.db")
    check = say("migrate", "--check", "--json")
    assert check.returncode == 0 and json.loads(check.stdout)["pending"] == 0
    assert say("migrate", "--chekc").returncode == 2
    assert json.loads(say("migrate", "--json").stdout)["applied"] == 0
    assert say("workspace", "list").returncode == 0


def test_the_registry_is_filled_listed_changed_and_emptied(core):
    core.cli("workspace", "add", WORKSPACE, "--display-name", 'the "first" one',
             "--freshness-target-s", 60, "--stale_threshold_s", "120")
    core.cli("gateway", "add", WORKSPACE, "g1")
    core.cli("vehicle", "add", WORKSPACE, "v1", "--vin", VIN)
    added = core.cli("device", "add", WORKSPACE, "d1", "--vehicle", "v1", "--gateway", "g1", "--interval-s",
                     600, "--simulated", "yes", "--json")
    assert json.loads(added) == {"device": "d1", "done": "added", "parked_applied": 0}
    (workspace,) = rows(core, "workspace", "list")
    assert workspace["display_name"] == 'the "first" one'
    assert workspace["policy"]["stale_threshold_s"] == 120
    assert rows(core, "gateway", "list", WORKSPACE) == [{"gateway_id": "g1", "duplicate": False}]
    assert rows(core, "vehicle", "list", WORKSPACE)[0]["vin"] == VIN
    (device,) = rows(core, "device", "list", WORKSPACE)
    assert (device["vehicle_id"], device["gateway_id"], device["interval_s"], device["simulated"]) == (
        "v1", "g1", 600, True)
    # The same for people.
    for words in (("workspace", "list"), ("gateway", "list", WORKSPACE), ("vehicle", "list", WORKSPACE),
                  ("device", "list", WORKSPACE), ("token", "list")):
        assert core.cli(*words).count("\n") >= 1 or words[0] == "token"
    core.cli("device", "set", WORKSPACE, "d1", "--gateway", "none", "--asset-kind", "energy_site")
    assert rows(core, "device", "list", WORKSPACE)[0]["gateway_id"] is None
    core.cli("vehicle", "set", WORKSPACE, "v1", "--display-name", "Bus 1")
    # In use: the reason, and status 1.
    status, _, error = ask(core, "vehicle", "remove", WORKSPACE, "v1")
    assert status == 1 and "in use" in error
    status, _, error = ask(core, "workspace", "remove", WORKSPACE)
    assert status == 1 and "in use" in error
    for words in (("device", "remove", WORKSPACE, "d1"), ("vehicle", "remove", WORKSPACE, "v1"),
                  ("gateway", "remove", WORKSPACE, "g1"), ("workspace", "remove", WORKSPACE)):
        core.cli(*words)
    assert rows(core, "workspace", "list") == []


# words, status, a word of the message
BAD = [
    ("", 2, "COMMAND"),
    ("sing", 2, "is no command"),
    ("workspace", 2, "add|set|remove"),
    ("workspace sing x", 2, "add|set|remove"),
    ("workspace add", 2, "add|set|remove"),
    ("workspace add a b", 2, "add|set|remove"),
    ("workspace add /x", 2, "A-Z"),
    ("workspace add _x", 2, "A-Z"),
    ("workspace add events", 2, "A-Z"),
    ("workspace add w --stale-threshold-s", 2, "value"),
    ("workspace add w --stale-threshold-s ten", 2, "whole number"),
    ("workspace add w --stale-threshold-s 10", 2, "not below"),
    ("workspace add w --retention-days 0", 2, "retention_days"),
    ("workspace add w --colour red", 2, "--colour"),
    ("workspace set nobody", 1, "nobody"),
    ("workspace remove nobody", 1, "nobody"),
    ("workspace list --x y", 2, "--x"),
    ("gateway add nobody g", 1, "nobody"),
    ("gateway set bad g", 2, "add|remove"),
    ("gateway add bad g --x y", 2, "--x"),
    ("gateway remove bad g", 1, "g"),
    ("gateway list", 2, "list"),
    ("vehicle add bad v --vin SHORT", 2, "17"),
    ("vehicle add bad v --vin 1HGCM82633A00435O", 2, "17"),
    ("vehicle set bad v", 1, "v"),
    ("vehicle list nobody", 1, "nobody"),
    ("device add bad d --vehicle nobody", 1, "nobody"),
    ("device add bad d --gateway nobody", 1, "nobody"),
    ("device add bad d --interval-s -1", 2, "interval-s"),
    ("device add bad d --interval-s 1e3", 2, "whole number"),
    ("device add bad d --simulated maybe", 2, "yes or no"),
    ("device add bad d --asset-kind boat", 2, "energy_site"),
    ("device add bad d --activate later", 2, "now"),
    ("device add bad d --provider a/b", 2, "provider"),
    ("device add bad", 2, "add|set|remove"),
    ("device remove bad d", 1, "d"),
    ("device list bad --q x", 2, "--q"),
    ("token sing", 2, "show, list"),
    ("token add t", 2, "--roles"),
    ("token add t --roles king --workspaces *", 2, "ops"),
    ("token add t --roles ops --workspaces a/b", 2, "ids"),
    ("token add t --roles ops --workspaces * --days 0", 2, "days"),
    ("token add t --roles ops --workspaces * --days 99999999999", 2, "days"),
    ("token revoke nobody", 1, "nobody"),
    ("token link nobody", 1, "nobody"),
    ("token list --x y", 2, "--x"),
    ("token show --x y", 2, "--x"),
    ("migrate now", 2, "--check"),
]


@pytest.mark.parametrize("words,status,part", BAD, ids=[words or "nothing" for words, _, _ in BAD])
def test_a_command_that_cannot_be_says_why_and_changes_nothing(core, words, status, part):
    core.cli("workspace", "add", "bad")
    before = [rows(core, "workspace", "list"), rows(core, "device", "list", "bad")]
    got, out, error = ask(core, *words.split())
    assert (got, out) == (status, ""), error
    assert part in error
    assert [rows(core, "workspace", "list"), rows(core, "device", "list", "bad")] == before


def test_the_first_token_is_made_once_and_only_its_owner_reads_it(core):
    first = core.cli("token", "show").strip()
    file = Path(core.folder / "state" / "admin.token")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text(encoding="ascii").strip() == first
    said = json.loads(core.cli("token", "show", "--json"))
    assert said == {"file": str(file), "token": first}
    assert [row["name"] for row in rows(core, "token", "list")] == ["admin"]
    # The secret itself is nowhere in the database.
    for part in (core.folder / "state").glob("core.db*"):
        assert first.encode() not in part.read_bytes()
    core.cli("token", "add", "reader", "--roles", "ops,accounts", "--workspaces", "w1,w2", "--days", "2")
    reader = [row for row in rows(core, "token", "list") if row["name"] == "reader"][0]
    assert reader["roles"] == "ops accounts" and reader["workspaces"] == "w1 w2" and reader["expires_at"]
    core.cli("token", "revoke", "reader")
    assert [row for row in rows(core, "token", "list") if row["name"] == "reader"][0]["revoked_at"]
    assert ask(core, "token", "revoke", "reader")[0] == 1
    link = json.loads(core.cli("token", "link", "--json"))["link"]
    assert link.startswith(f"http://127.0.0.1:{core.port}/login?code=")


# text, line, "[section] key", a word of what was expected
CONFIGS = [
    ("[core]\nstate_dirs = /x\n", 2, "[core] state_dirs", "state_dir"),
    ("[kore]\n", 1, "[kore]", "expected"),
    ("[core]\ndatabase = mysql:x\n", 2, "[core] database", "sqlite:PATH"),
    ("[core]\ncache_devices = 1\n", 2, "[core] cache_devices", "16..1000000"),
    ("[mqtt]\nport = 99999\n", 2, "[mqtt] port", "1..65535"),
    ("[mqtt]\n\nkeepalive = 1h\n", 3, "[mqtt] keepalive", "5s to 10min"),
    ("[mqtt]\ntls = maybe\n", 2, "[mqtt] tls", "yes or no"),
    ("[mqtt]\nuser = a b\n", 2, "[mqtt] user", "expected"),
    ("[mqtt]\npassword_file = nowhere\n", 2, "[mqtt] password_file", "exists"),
    ("[mqtt]\npassword_file = for-all\n", 2, "[mqtt] password_file", "chmod 600"),
    ("[mqtt]\nhost = broker.example.net\n", None, "[mqtt] tls", "not on this machine"),
    ("[mqtt]\ncert_file = cert.pem\n", None, "[mqtt] key_file", "together"),
    ("[http]\nlisten = 8080\n", 2, "[http] listen", "expected"),
    ("[http]\nconnections = 0\n", 2, "[http] connections", "8..1500"),
    ("[log]\nlevel = loud\n", 2, "[log] level", "error, warning"),
    ("listen = 1\n", 1, "", "section"),
]


@pytest.mark.parametrize("text,line,where,expected", CONFIGS, ids=[repr(c[0]) for c in CONFIGS])
def test_a_broken_configuration_is_named_by_file_line_key_and_what_was_expected(
        core, tmp_path, text, line, where, expected):
    conf = tmp_path / "core.conf"
    conf.write_text(text, encoding="ascii")
    secret_file(tmp_path / "for-all", "x")
    (tmp_path / "for-all").chmod(0o644)
    for command in ("check-config", "run"):
        done = run([core.exe, command, "-c", conf], 20, False)
        assert (done.returncode, done.stdout) == (2, "")
        assert str(conf) + (f":{line}:" if line else ":") in done.stderr
        assert where in done.stderr and expected in done.stderr, done.stderr


def test_a_good_configuration_is_good_and_one_that_is_not_there_is_not(core):
    assert core.cli("check-config").endswith("good\n")
    assert json.loads(core.cli("check-config", "--json")) == {"file": str(core.conf), "errors": 0}
    done = run([core.exe, "check-config", "-c", "/nowhere/core.conf"], 20, False)
    assert done.returncode == 2 and "/nowhere/core.conf" in done.stderr
    assert run([core.exe, "--version"], 20).startswith("freshet-core ")
    assert "workspace" in run([core.exe, "--help"], 20)
