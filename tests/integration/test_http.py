"""The API, sessions and live updates of the real core: each route good and bad, who may, and what
no client should send."""

import json
import time

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY
from freshet.web import Refused, WebSocket, ask, send_raw

WS = "/api/workspaces/demo"
READERS = ("ops", "accounts", "admin", "system")


@pytest.fixture(scope="module")
def depot():
    with Depot(vehicles=3) as depot:
        depot.start(source={"period": "200 ms"})
        depot.wait_healthy()
        depot.core.cli("workspace", "add", "other")
        depot.core.cli("vehicle", "add", "other", "secret-van")
        yield depot


@pytest.fixture(scope="module")
def tokens(depot):
    """One token a role, for workspace demo."""
    made = {role: depot.core.cli("token", "add", f"t-{role}", "--roles", role, "--workspaces", "demo")
            .strip() for role in (*READERS, "ingest")}
    made["other"] = depot.core.cli("token", "add", "t-other", "--roles", "ops", "--workspaces",
                                   "other").strip()
    return made


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def get(depot, path, token=None, **headers):
    return ask(depot.core.port, "GET", path, {**(bearer(token) if token else {}), **headers})


def problem(answer, status):
    """A problem document that says what a client needs to know."""
    got, headers, body = answer
    assert got == status, (got, body)
    assert headers["content-type"] == "application/problem+json"
    document = json.loads(body)
    assert document["status"] == status and document["title"] and document["type"]
    return document


LISTS = ["", "/health", "/issues", "/snapshots", "/gaps", "/rejections", "/parked", "/devices",
         "/vehicles", "/gateways"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("base", ["/api/workspaces", "/api/telematics-mvp/workspaces"])
def test_every_list_answers_under_both_names(depot, tokens, base, path):
    status, headers, body = get(depot, f"{base}/demo{path}", tokens["ops"])
    assert status == 200 and headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    document = json.loads(body)
    if path:
        assert isinstance(document["items"], list) and "next_cursor" in document


def test_every_answer_carries_the_security_headers(depot):
    for path in ("/", "/health", "/nowhere"):
        headers = get(depot, path)[1]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["", "/health", "/snapshots", "/snapshots/x", "/gaps"])
def test_without_a_token_nothing_is_told(depot, path):
    answer = get(depot, WS + path)
    problem(answer, 401)
    assert answer[1]["www-authenticate"].startswith("Bearer")
    problem(get(depot, WS + path, "fst_wrong"), 401)
    problem(get(depot, WS + path, Authorization="Basic YTpi"), 401)
    problem(get(depot, WS + path, "x" * 3000), 431)


def test_readers_read_and_ingest_does_not(depot, tokens):
    for role in READERS:
        assert get(depot, f"{WS}/health", tokens[role])[0] == 200, role
    problem(get(depot, f"{WS}/health", tokens["ingest"]), 403)


def test_another_tenants_objects_are_not_there(depot, tokens):
    unknown = problem(get(depot, "/api/workspaces/nobody/health", tokens["ops"]), 404)
    foreign = problem(get(depot, "/api/workspaces/other/health", tokens["ops"]), 404)
    assert unknown["detail"] == foreign["detail"]
    problem(get(depot, f"{WS}/snapshots/secret-van", tokens["ops"]), 404)
    assert get(depot, "/api/workspaces/other/snapshots/secret-van", tokens["other"])[0] == 200
    assert get(depot, "/api/workspaces/other/health", tokens["system"])[0] == 200
    seen = json.loads(get(depot, "/api/workspaces", tokens["ops"])[2])
    assert [item["workspace_id"] for item in seen["items"]] == ["demo"]
    seen = json.loads(get(depot, "/api/workspaces", tokens["system"])[2])
    assert [item["workspace_id"] for item in seen["items"]] == ["demo", "other"]


@pytest.mark.parametrize("query, pointer", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=ten", "limit"), ("limit=", "limit"),
    ("cursor=", "cursor"), ("cursor=x", "cursor"), ("cursor=-4", "cursor"), ("state=well", "state"),
    ("reason=magic", "reason"), ("reason=", "reason")])
def test_a_bad_argument_is_named(depot, tokens, query, pointer):
    document = problem(get(depot, f"{WS}/health?{query}", tokens["ops"]), 400)
    assert document["errors"][0]["pointer"].endswith(pointer) and document["errors"][0]["detail"]


@pytest.mark.parametrize("path", ["/issues", "/snapshots", "/gaps", "/rejections", "/parked", "/devices"])
def test_a_bad_cursor_is_named_by_every_list(depot, tokens, path):
    document = problem(get(depot, f"{WS}{path}?cursor=%20no%20", tokens["ops"]), 400)
    assert document["errors"][0]["pointer"].endswith("cursor")


def test_lists_come_in_pages(depot, tokens):
    seen, cursor = [], ""
    for _ in range(3):
        page = json.loads(get(depot, f"{WS}/health?limit=1{cursor}", tokens["ops"])[2])
        assert page["counts"]["healthy"] == 3
        seen += [item["device_id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert len(set(seen)) == 3 and page["next_cursor"] is None


def test_health_is_filtered_by_state_and_words(depot, tokens):
    vehicle = depot.sim.vehicles[0]
    found = json.loads(get(depot, f"{WS}/health?q={vehicle['vin'].lower()}", tokens["ops"])[2])
    assert [item["vehicle_id"] for item in found["items"]] == [vehicle["vehicle"]]
    assert not json.loads(get(depot, f"{WS}/health?state=stale", tokens["ops"])[2])["items"]
    assert len(json.loads(get(depot, f"{WS}/health?state=healthy&q=depot-1%20obd",
                              tokens["ops"])[2])["items"]) == 3


def test_a_snapshot_has_a_tag_and_its_provenance_on_request(depot, tokens):
    name = depot.sim.vehicles[0]["vehicle"]
    # Healthy is who has reported anything; the odometer is read a little later.
    wait_until(lambda: depot.core.get(f"/snapshots/{name}")["vehicle_state"]["odometer_km"] is not None, 20,
               f"{name} has its odometer", depot.programs())
    status, headers, body = get(depot, f"{WS}/snapshots/{name}?provenance=1", tokens["ops"])
    snapshot = json.loads(body)
    assert status == 200 and headers["etag"].startswith('"')
    assert snapshot["vehicle_id"] == name and snapshot["health_state"] == "healthy"
    origin = snapshot["provenance"]["vehicle_state.odometer_km"]
    assert origin["device_id"] == f"{name}-obd" and origin["at"]
    listed = json.loads(get(depot, f"{WS}/snapshots?device={name}-obd", tokens["ops"])[2])
    assert [item["vehicle_id"] for item in listed["items"]] == [name]
    problem(get(depot, f"{WS}/snapshots?device=nobody", tokens["ops"]), 404)
    problem(get(depot, f"{WS}/snapshots?device=*", tokens["ops"]), 400)
    problem(get(depot, f"{WS}/snapshots?provenance=yes", tokens["ops"]), 400)
    # A vehicle without data does not change by the passing of time.
    path = "/api/workspaces/other/snapshots/secret-van"
    tag = get(depot, path, tokens["other"])[1]["etag"]
    status, headers, body = get(depot, path, tokens["other"], **{"If-None-Match": tag})
    assert (status, body, headers["etag"]) == (304, b"", tag)


def test_a_gateway_shows_its_newest_report(depot, tokens):
    def report():
        status, _, body = get(depot, f"/api/workspaces/demo/gateways/{GATEWAY}", tokens["ops"])
        assert status == 200
        return json.loads(body)["status"]

    wait_until(lambda: report() is not None, 20, "the gateway's report")
    got = report()
    assert got["spool"]["batches"] >= 0 and got["spool"]["classes"]["sample"]["dropped"] == 0
    assert got["uplink"]["state"] == "online"
    assert got["sources"][0]["state"] in ("ok", "silent", "error")
    problem(get(depot, "/api/workspaces/demo/gateways/nobody", tokens["ops"]), 404)


def test_the_worklist_is_also_csv(depot, tokens):
    status, headers, body = get(depot, f"{WS}/issues.csv", tokens["ops"])
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert body.startswith(b"device_id,vehicle_id,vin,")


def test_methods_and_types_that_do_not_fit(depot, tokens):
    answer = ask(depot.core.port, "DELETE", f"{WS}/health", bearer(tokens["system"]))
    problem(answer, 405)
    assert answer[1]["allow"] == "GET, HEAD"
    problem(ask(depot.core.port, "POST", "/health", body="{}"), 405)
    problem(ask(depot.core.port, "POST", "/", body="x"), 405)
    problem(get(depot, f"{WS}/health", tokens["ops"], Accept="image/png"), 406)
    problem(get(depot, "/api/nothing"), 404)
    problem(get(depot, "/../../etc/passwd"), 404)
    status, headers, body = ask(depot.core.port, "HEAD", f"{WS}/health", bearer(tokens["ops"]))
    assert status == 200 and body == b"" and int(headers["content-length"]) > 100


def test_what_is_too_large_is_refused(depot, tokens):
    problem(get(depot, "/" + "a" * 2000), 414)
    problem(get(depot, f"{WS}/health?q=" + "a" * 5000, tokens["ops"]), 414)
    big = b"POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    assert b" 413 " in send_raw(depot.core.port, big)
    endless = b"POST /logout HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b" 411 " in send_raw(depot.core.port, endless)
    problem(ask(depot.core.port, "POST", "/logout", body=b"x" * 1048576), 401)


GARBAGE = [
    b"\x00\x01\x02\xff" * 100, b"GET", b"GET /\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /?" + b"a=b&" * 500 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"y" * 40000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(3000)) + b"\r\n",
    b"POST /logout HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /logout HTTP/1.1\r\nContent-Length: 5, 7\r\n\r\nhello",
    b"POST /logout HTTP/1.1\r\nContent-Length: 50\r\n\r\nshort",
    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: tea\r\nConnection: Upgrade\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_ends_its_own_connection_only(depot, data):
    send_raw(depot.core.port, data)
    assert get(depot, "/health")[0] == 200
    depot.core.check_alive()


def test_many_requests_go_over_one_connection(depot):
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = send_raw(depot.core.port, request * 5 + last, half_close=False)
    assert answer.count(b'"status":"healthy"') == 6


def test_the_page_is_there_for_everybody(depot):
    status, headers, body = get(depot, "/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert b"/app.js" in body
    for path, kind in (("/app.js", "text/javascript"), ("/app.css", "text/css"),
                       ("/favicon.svg", "image/svg+xml")):
        status, headers, body = get(depot, path)
        assert status == 200 and headers["content-type"].startswith(kind) and body
        again = get(depot, path, **{"If-None-Match": headers["etag"]})
        assert again[0] == 304 and again[2] == b""


def test_ready_and_metrics(depot):
    assert json.loads(get(depot, "/ready")[2])["status"] == "ready"
    text = get(depot, "/metrics")[2].decode()
    assert "freshet_batches_total" in text and "# TYPE" in text
    # What comes through a proxy is not from this machine.
    problem(get(depot, "/metrics", **{"X-Forwarded-For": "192.0.2.1"}), 401)


# ---- sessions ----


def login(depot):
    link = depot.core.cli("token", "link").strip()
    status, headers, _ = ask(depot.core.port, "GET", link.split(str(depot.core.port), 1)[1])
    assert status == 303 and headers["location"] == "/"
    return link.split(str(depot.core.port), 1)[1], headers["set-cookie"]


def cookie_of(header):
    return {"Cookie": "theme=dark; " + header.split(";")[0]}


def test_a_link_logs_in_once_and_logout_ends_it(depot):
    path, header = login(depot)
    for word in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert word in header
    cookie = cookie_of(header)
    assert ask(depot.core.port, "GET", f"{WS}/health", cookie)[0] == 200
    problem(ask(depot.core.port, "GET", path), 403)
    assert ask(depot.core.port, "GET", path, cookie)[0] == 303
    own = {"Origin": f"http://127.0.0.1:{depot.core.port}"}
    problem(ask(depot.core.port, "POST", "/logout", cookie, b""), 403)
    problem(ask(depot.core.port, "POST", "/logout", {**cookie, "Origin": "http://evil"}, b""), 403)
    assert ask(depot.core.port, "POST", "/logout", {**cookie, **own}, b"")[0] == 204
    problem(ask(depot.core.port, "GET", f"{WS}/health", cookie), 401)


def test_looking_at_a_link_does_not_use_it_up(depot):
    link = depot.core.cli("token", "link").strip().split(str(depot.core.port), 1)[1]
    problem_status = ask(depot.core.port, "HEAD", link)[0]
    assert problem_status == 403
    assert ask(depot.core.port, "GET", link)[0] == 303


def test_a_revoked_token_and_its_sessions_are_over_at_once(depot):
    token = depot.core.cli("token", "add", "short", "--roles", "ops", "--workspaces", "demo").strip()
    link = depot.core.cli("token", "link", "short").strip().split(str(depot.core.port), 1)[1]
    cookie = cookie_of(ask(depot.core.port, "GET", link)[1]["set-cookie"])
    assert get(depot, f"{WS}/health", token)[0] == 200
    assert ask(depot.core.port, "GET", f"{WS}/health", cookie)[0] == 200
    depot.core.cli("token", "revoke", "short")
    problem(get(depot, f"{WS}/health", token), 401)
    problem(ask(depot.core.port, "GET", f"{WS}/health", cookie), 401)


def test_no_secret_stands_in_the_log(depot, tokens):
    path, header = login(depot)
    log = depot.core.log()
    assert "fst_" not in log
    assert depot.core.token() not in log


# ---- live ----


def test_a_subscriber_sees_the_state_then_only_what_changes(depot, tokens):
    devices = [f"{vehicle['vehicle']}-obd" for vehicle in depot.sim.vehicles[:2]]
    with WebSocket(depot.core.port, bearer(tokens["ops"])) as ws:
        ws.send({"type": "ping"})
        assert ws.receive()["type"] == "pong"
        ws.send({"type": "subscribe", "workspace_id": "demo", "devices": devices + ["nobody"]})
        first = ws.receive_type("initial_status")
        assert first["workspace_id"] == "demo" and first["counts"]["healthy"] == 3
        assert sorted(item["device_id"] for item in first["items"]) == sorted(devices)
        assert all(item["freshness_age_s"] < 30 and item["values"] for item in first["items"])
        began = time.monotonic()
        updates = [ws.receive_type("status_update") for _ in range(4)]
        # At most two a second.
        assert time.monotonic() - began >= 1.4
        for update in updates:
            assert update["items"]
            assert {item["device_id"] for item in update["items"]} <= set(devices)


def test_without_devices_only_changes_of_state_come(depot, tokens):
    with WebSocket(depot.core.port, bearer(tokens["ops"])) as ws:
        ws.send({"type": "subscribe", "workspace_id": "demo"})
        first = ws.receive_type("initial_status")
        assert first["items"] == [] and first["counts"]["healthy"] == 3
        with pytest.raises(TimeoutError):
            ws.receive(1.5)
        # Time alone brings this one: nothing ever comes from a device that has no source.
        depot.core.cli("device", "add", "demo", "lonely", "--provider", "obd")
        update = ws.receive_type("status_update", 15)
        assert [item["device_id"] for item in update["items"]] == ["lonely"]
        assert update["counts"]["awaiting-first-data"] == 1
        depot.core.cli("device", "remove", "demo", "lonely")
        assert ws.receive_type("status_update", 15)["counts"]["awaiting-first-data"] == 0


def test_a_vehicle_that_falls_silent_changes_by_the_passing_of_time(depot, tokens):
    with WebSocket(depot.core.port, bearer(tokens["ops"])) as ws:
        ws.send({"type": "subscribe", "workspace_id": "demo"})
        ws.receive_type("initial_status")
        depot.agent.kill()
        depot.set_policy(freshness_target_s=2, stale_threshold_s=4)
        seen = set()
        while seen != {"delayed", "stale"}:
            update = ws.receive_type("status_update", 20)
            seen |= {state for state in ("delayed", "stale") if update["counts"][state]}
        depot.set_policy(freshness_target_s=300, stale_threshold_s=900)
        depot.agent.start()
        depot.wait_healthy()


def test_a_bad_message_is_answered_and_forgiven(depot, tokens):
    with WebSocket(depot.core.port, bearer(tokens["ops"])) as ws:
        for message in ("{", "[]", "null", '{"type":7}', {"type": "shout"}, {"type": "subscribe"},
                        {"type": "subscribe", "workspace_id": "other"},
                        {"type": "subscribe", "workspace_id": "demo", "devices": "all"},
                        {"type": "subscribe", "workspace_id": "demo", "devices": [1]},
                        {"type": "subscribe", "workspace_id": "demo", "devices": ["x"] * 1001},
                        "x" * 200000):
            ws.send(message)
            assert ws.receive()["type"] == "error", message
        ws.send(b"\x00\x01", opcode=2)
        assert ws.receive()["type"] == "error"
        ws.send({"type": "ping"})
        assert ws.receive()["type"] == "pong"


def test_who_sends_nothing_but_nonsense_is_hung_up_on(depot, tokens):
    with WebSocket(depot.core.port, bearer(tokens["ops"])) as ws:
        with pytest.raises(ConnectionError):
            for _ in range(200):
                ws.send("{")
                ws.receive()


def test_the_socket_is_for_those_who_may(depot, tokens):
    _, header = login(depot)
    own = {"Origin": f"http://127.0.0.1:{depot.core.port}"}
    with WebSocket(depot.core.port, {**cookie_of(header), **own}) as ws:
        ws.send({"type": "subscribe", "workspace_id": "demo"})
        assert ws.receive()["type"] == "initial_status"
    for headers, options, status in (
            ({}, {}, 401), (bearer("fst_wrong"), {}, 401), (bearer(tokens["ingest"]), {}, 403),
            ({**cookie_of(header), "Origin": "http://evil.example"}, {}, 403),
            (bearer(tokens["ops"]), {"protocol": None}, 400),
            (bearer(tokens["ops"]), {"protocol": "other"}, 400),
            (bearer(tokens["ops"]), {"path": "/other"}, 404)):
        with pytest.raises(Refused) as refused:
            WebSocket(depot.core.port, headers, **options)
        assert refused.value.status == status


def test_a_slow_reader_gets_the_newest_and_costs_nobody_anything(depot, tokens):
    devices = [f"{vehicle['vehicle']}-obd" for vehicle in depot.sim.vehicles]
    with WebSocket(depot.core.port, bearer(tokens["ops"]), small_buffer=True) as slow:
        slow.send({"type": "subscribe", "workspace_id": "demo", "devices": devices})
        with WebSocket(depot.core.port, bearer(tokens["ops"])) as quick:
            quick.send({"type": "subscribe", "workspace_id": "demo", "devices": devices})
            for _ in range(10):
                quick.receive_type("status_update")
        # Two a second at most were kept for the other one; and it is still served.
        newest = wait_until(lambda: slow.receive_type("status_update"), 10)
        assert newest["workspace_id"] == "demo"
    assert get(depot, "/health")[0] == 200
