"""Brokers behind TLS, judged by the real agent and core: the right one is accepted, whatever the
clock of the gateway says, and every wrong one is refused with a reason."""

import time

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, WORKSPACE, secret_file
from freshet.process import at_time, run

LONG_AGO = "1970-01-02 00:00:00"
HERE = "DNS:localhost,IP:127.0.0.1"


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.cert = folder / f"{name}.pem"
        run(at_time("2020-01-01 00:00:00", [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", folder / f"{name}.key", "-out", self.cert, "-days", 36500, "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign"]))

    def issue(self, name, subject, alt=None, start="2020-01-02 00:00:00", days=36000):
        """(certificate, key), valid from `start` on."""
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alt}\n" if alt else "basicConstraints=CA:FALSE\n",
                              encoding="ascii")
        run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", key, "-out", request, "-subj", subject])
        run(at_time(start, ["openssl", "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey",
                            self.folder / f"{self.name}.key", "-CAcreateserial", "-days", days, "-extfile",
                            extensions, "-out", cert]))
        return cert, key

    def revoke(self, *certs):
        """The list of what is revoked, for the broker's crlfile."""
        config, crl = self.folder / "ca.conf", self.folder / "crl.pem"
        (self.folder / "index").touch()
        (self.folder / "number").write_text("01\n", encoding="ascii")
        config.write_text(
            "[ca]\ndefault_ca = it\n[it]\ndefault_md = sha256\ndefault_crl_days = 9999\n"
            f"database = {self.folder / 'index'}\ncrlnumber = {self.folder / 'number'}\n",
            encoding="ascii")
        ca = ["openssl", "ca", "-config", config, "-cert", self.cert, "-keyfile",
              self.folder / f"{self.name}.key"]
        for cert in certs:
            run([*ca, "-revoke", cert])
        run([*ca, "-gencrl", "-out", crl])
        return crl


@pytest.fixture(scope="module", name="pki")
def make_pki(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


def tls_depot(certificate, vehicles=0, **settings):
    depot = Depot(vehicles=vehicles)
    depot.broker.use_tls(*certificate, **settings)
    return depot


def tls_agent(depot, ca_file, clock=None, **settings):
    """An agent without vehicles, not started."""
    agent = depot.add_agent(GATEWAY, [], register=False, settings={
        "mqtt": {"tls": "on", "ca_file": ca_file, **settings}})
    if clock:
        agent.argv = at_time(clock, agent.argv)
    return agent


def uplink(agent):
    return (agent.status() or {}).get("uplink", {})


def wait_online(agent):
    wait_until(lambda: uplink(agent).get("state") == "online", 15, "the agent is online", [agent])


def wait_reason(agent, reason, *words):
    """The status says why, and so does the log."""
    wait_until(lambda: uplink(agent).get("reason") == reason, 15, f"the reason is {reason}", [agent])
    for word in words:
        assert word in uplink(agent)["detail"]
        assert word in agent.log()
    assert f"reason={reason}" in agent.log()


def wait_refused(agent, words):
    wait_reason(agent, "certificate_refused", words, f"127.0.0.1:{agent.broker.port}")
    assert uplink(agent)["sessions"] == 0


def check_refused(certificate, ca_file, words):
    """Agent and core refuse a broker with this certificate."""
    with tls_depot(certificate) as depot:
        depot.broker.start()
        agent = tls_agent(depot, ca_file)
        agent.start()
        wait_refused(agent, words)
        depot.core.mqtt = {"tls": "yes", "ca_file": ca_file}
        depot.core.write()
        depot.core.cli("migrate")
        depot.core.start()
        wait_until(lambda: "certificate of the broker is refused" in depot.core.log(), 15,
                   "the core refuses", [depot.core])
        assert words in depot.core.log()


def test_the_right_certificate_carries_a_vehicle_to_the_core(pki):
    with tls_depot(pki.issue("good", "/CN=broker", HERE), vehicles=1) as depot:
        tls = {"tls": "yes", "ca_file": pki.cert}
        depot.core.mqtt = tls
        depot.start(source={"period": "500 ms"}, agent={"mqtt": {**tls, "tls": "on"}})
        depot.wait_healthy()
        assert uplink(depot.agent)["state"] == "online"


def test_a_gateway_may_be_known_by_its_certificate(pki):
    broker = pki.issue("identity", "/CN=broker", HERE)
    cert, key = pki.issue("gateway", f"/CN={WORKSPACE}\\/{GATEWAY}")
    with tls_depot(broker, cafile=pki.cert, require_certificate="true",
                   use_identity_as_username="true") as depot:
        depot.broker.start()
        agent = tls_agent(depot, pki.cert, cert_file=cert, key_file=key)
        agent.start()
        wait_online(agent)


def test_another_host_name_is_refused(pki):
    check_refused(pki.issue("elsewhere", "/CN=localhost", "DNS:broker.example.net,IP:192.0.2.1"),
                  pki.cert, "IP address mismatch")


def test_another_authority_is_refused(pki):
    other = Authority(pki.folder, "other")
    check_refused(pki.issue("unknown", "/CN=broker", HERE), other.cert,
                  "unable to get local issuer certificate")


def test_an_expired_certificate_is_refused(pki):
    check_refused(pki.issue("expired", "/CN=broker", HERE, days=30), pki.cert,
                  "certificate has expired")


def test_a_vehicle_is_healthy_though_its_gateway_is_in_1970(pki):
    with tls_depot(pki.issue("old", "/CN=broker", HERE), vehicles=1) as depot:
        depot.core.mqtt = {"tls": "yes", "ca_file": pki.cert}
        depot.start_base()
        agent = depot.add_agent(GATEWAY, depot.sim.vehicles, {"period": "500 ms"}, {
            "clock": {"trust": "core"}, "mqtt": {"tls": "on", "ca_file": pki.cert}})
        agent.argv = at_time(LONG_AGO, agent.argv)
        agent.start()
        depot.wait_healthy()
        assert agent.status()["clock"] == "core"


def test_a_certificate_younger_than_the_program_needs_the_saved_time(pki):
    certificate = pki.issue("young", "/CN=broker", HERE, start="+2d")
    with tls_depot(certificate) as depot:
        depot.broker.start()
        agent = tls_agent(depot, pki.cert, LONG_AGO)
        agent.start()
        wait_refused(agent, "certificate is not yet valid")
        agent.stop()
        saved_ms = int((time.time() + 3 * 86400) * 1000)
        (agent.folder / "state" / "time").write_text(f"{saved_ms}\n", encoding="ascii")
        agent.start()
        wait_online(agent)


def test_a_certificate_that_is_not_valid_yet_is_refused(pki):
    check_refused(pki.issue("soon", "/CN=broker", HERE, start="+2d"), pki.cert,
                  "certificate is not yet valid (it begins on ")


def identity_depot(pki, **settings):
    """A broker that knows gateways by their certificates alone."""
    broker = pki.issue("identity", "/CN=broker", HERE)
    depot = tls_depot(broker, cafile=pki.cert, require_certificate="true",
                      use_identity_as_username="true", **settings)
    depot.broker.start()
    return depot


def gateway_pair(pki, name, **more):
    return pki.issue(name, f"/CN={WORKSPACE}\\/{GATEWAY}", **more)


def copy_pair(agent, cert, key, suffix=""):
    """The gateway's own files, the key first."""
    for source, name in ((key, "gateway.key"), (cert, "gateway.pem")):
        secret_file(agent.folder / (name + suffix), source.read_text(encoding="ascii"))


def identity_agent(depot, pki, cert, key):
    agent = tls_agent(depot, pki.cert, cert_file="gateway.pem", key_file="gateway.key")
    copy_pair(agent, cert, key)
    return agent


def test_a_gateway_whose_certificate_is_revoked_is_told_so(pki):
    pair = gateway_pair(pki, "revoked")
    with identity_depot(pki, crlfile=pki.revoke(pair[0])) as depot:
        agent = identity_agent(depot, pki, *pair)
        agent.start()
        wait_reason(agent, "own_certificate_refused", "certificate revoked", "gateway.pem",
                    f"127.0.0.1:{depot.broker.port}")


def test_a_gateway_whose_certificate_has_expired_is_told_so(pki):
    with identity_depot(pki) as depot:
        agent = identity_agent(depot, pki, *gateway_pair(pki, "worn", days=30))
        agent.start()
        wait_reason(agent, "own_certificate_refused", "certificate expired", "gateway.pem")


def test_a_gateway_without_a_certificate_is_told_so(pki):
    with identity_depot(pki) as depot:
        agent = tls_agent(depot, pki.cert)
        agent.start()
        wait_reason(agent, "own_certificate_refused", "cert_file is not set")


def test_a_key_that_others_may_read_is_refused_at_each_connection(pki):
    with identity_depot(pki) as depot:
        agent = identity_agent(depot, pki, *gateway_pair(pki, "open"))
        key = agent.folder / "gateway.key"
        key.chmod(0o644)
        refused = agent.cli("check-config", check=False)
        assert refused.returncode == 2 and f"chmod 600 {key}" in refused.stderr
        key.chmod(0o600)
        agent.start()
        wait_online(agent)
        key.chmod(0o640)
        depot.broker.kill()
        depot.broker.restart()
        wait_reason(agent, "misconfigured", f"{key} may be read by others", f"chmod 600 {key}")
        key.chmod(0o600)
        wait_online(agent)


def test_a_password_file_that_others_may_read_is_refused_at_each_connection():
    with Depot(vehicles=0) as depot:
        depot.broker.start()
        agent = depot.add_agent(GATEWAY, [], register=False)
        agent.start()
        wait_online(agent)
        password = agent.folder / "password"
        password.chmod(0o604)
        depot.broker.kill()
        depot.broker.restart()
        wait_reason(agent, "misconfigured", f"chmod 600 {password}")
        password.chmod(0o600)
        wait_online(agent)


def test_nobody_listening_is_said_with_host_and_port():
    with Depot(vehicles=0) as depot:
        depot.broker.start()
        agent = depot.add_agent(GATEWAY, [], register=False)
        depot.broker.kill()
        agent.start()
        wait_reason(agent, "connection_refused", f"127.0.0.1:{depot.broker.port}",
                    "Connection refused")


def same(one, other):
    return one.read_bytes() == other.read_bytes()


def test_a_new_certificate_is_tried_and_then_taken(pki):
    old, new = gateway_pair(pki, "first"), gateway_pair(pki, "second")
    with identity_depot(pki) as depot:
        agent = identity_agent(depot, pki, *old)
        agent.start()
        wait_online(agent)
        copy_pair(agent, *new, ".new")
        wait_until(lambda: same(agent.folder / "gateway.pem", new[0]), 20, "the new one is taken",
                   [agent])
        wait_online(agent)
        assert same(agent.folder / "gateway.key", new[1])
        assert not list(agent.folder.glob("*.new"))
        assert uplink(agent)["sessions"] == 2


def check_not_taken(pki, depot, old, new, *words):
    agent = identity_agent(depot, pki, *old)
    agent.start()
    wait_online(agent)
    copy_pair(agent, *new, ".new")
    wait_until(lambda: uplink(agent).get("reason") == "certificate_not_renewed" and
               uplink(agent)["state"] == "online", 20, "the bad new one is reported", [agent])
    for word in words:
        assert word in uplink(agent)["detail"] and word in agent.log()
    assert same(agent.folder / "gateway.pem", old[0])
    sessions = uplink(agent)["sessions"]
    time.sleep(1)
    assert uplink(agent)["sessions"] == sessions  # it is not tried again and again
    return agent


def test_a_new_certificate_that_the_broker_refuses_is_not_taken_and_a_better_one_is(pki):
    old, bad, good = (gateway_pair(pki, name) for name in ("kept", "banned", "better"))
    with identity_depot(pki, crlfile=pki.revoke(bad[0])) as depot:
        agent = check_not_taken(pki, depot, old, bad, "certificate revoked")
        copy_pair(agent, *good, ".new")
        wait_until(lambda: same(agent.folder / "gateway.pem", good[0]), 20, "the good one is taken",
                   [agent])
        wait_until(lambda: uplink(agent).get("reason") == "", 15, "all is well", [agent])


def test_a_new_certificate_of_somebody_else_is_not_taken(pki):
    old, stranger = gateway_pair(pki, "own"), pki.issue("stranger", "/CN=somebody")
    with identity_depot(pki) as depot:
        check_not_taken(pki, depot, old, stranger, "does not let the gateway write")


def test_a_new_certificate_without_its_key_is_not_taken(pki):
    old, new, other = (gateway_pair(pki, name) for name in ("owner", "left", "right"))
    with identity_depot(pki) as depot:
        check_not_taken(pki, depot, old, (new[0], other[1]), "does not belong to the certificate")


def test_a_new_key_that_others_may_read_is_not_taken(pki):
    old, new = gateway_pair(pki, "closed"), gateway_pair(pki, "opened")
    with identity_depot(pki) as depot:
        agent = identity_agent(depot, pki, *old)
        agent.start()
        wait_online(agent)
        (agent.folder / "gateway.key.new").write_bytes(new[1].read_bytes())
        (agent.folder / "gateway.key.new").chmod(0o644)
        (agent.folder / "gateway.pem.new").write_bytes(new[0].read_bytes())
        wait_reason(agent, "certificate_not_renewed", f"chmod 600 {agent.folder / 'gateway.key.new'}")
        (agent.folder / "gateway.key.new").chmod(0o600)
        wait_until(lambda: same(agent.folder / "gateway.pem", new[0]), 20, "the new one is taken",
                   [agent])
