"""Brokers behind TLS, judged by the real agent and core: the right one is accepted, whatever the
clock of the gateway says, and every wrong one is refused with a reason."""

import time

import pytest

from freshet import Depot, wait_until
from freshet.depot import GATEWAY, WORKSPACE
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
            "-addext", "keyUsage=critical,keyCertSign"]))

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


def wait_refused(agent, words):
    """The status says why, and so does the log."""
    wait_until(lambda: uplink(agent).get("reason") == "certificate_refused", 15,
               "the certificate is refused", [agent])
    assert words in uplink(agent)["detail"]
    assert "reason=certificate_refused" in agent.log() and words in agent.log()
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
        assert agent.status()["clock"] == "none"


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
