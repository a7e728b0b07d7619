"""The harness and the broker's confinement, before any program of ours."""

import json
import subprocess
import sys

import pytest

from freshet.depot import Broker
from freshet.gateway import NOT_AUTHORIZED, TOO_LARGE, Gateway
from freshet.process import Failure, Program, wait_until


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    for user in ("core-1", "demo/g1", "demo/g2", "other/g1"):
        broker.add_user(user)
    broker.start()
    yield broker
    broker.kill()


def test_a_gateway_may_not_write_another_ones_topic(broker):
    with Gateway(broker, "g1") as gateway:
        for topic in ("freshet/v1/demo/g2/data", "freshet/v1/other/g1/data", "freshet/v1/demo/g1/ack",
                      "freshet/v1/demo/g1/data/x", "freshet/v1/demo/_events"):
            assert gateway.publish(b"x", topic) == NOT_AUTHORIZED, topic
        assert gateway.publish(b"x") in (0, 0x10)


def test_a_message_over_the_limit_is_refused_and_the_connection_lives(broker):
    with Gateway(broker, "g1") as gateway:
        assert gateway.publish(bytes(2 << 20)) == TOO_LARGE
        assert gateway.publish(b"x") in (0, 0x10)


def test_a_broker_that_is_killed_comes_back_on_its_port(broker):
    port = broker.port
    broker.kill()
    broker.restart()
    assert broker.port == port
    with Gateway(broker, "g2") as gateway:
        assert gateway.publish(b"x") in (0, 0x10)


def test_waiting_fails_when_a_program_is_gone(tmp_path):
    program = Program("gone", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
    program.start()
    with pytest.raises(Failure, match="gone is not running .status 3"):
        wait_until(lambda: False, 10, "never", [program])


def test_programs_end_with_the_test_that_started_them(tmp_path):
    script = ("import sys; sys.path.insert(0, sys.argv[1])\n"
              "from freshet.process import Program\n"
              "import os, signal, json\n"
              "p = Program('sleeper', ['sleep', '60'], sys.argv[2]); p.start()\n"
              "print(json.dumps(p.pid), flush=True)\n"
              "os.kill(os.getpid(), signal.SIGKILL)\n")
    done = subprocess.run([sys.executable, "-c", script, sys.path[0], str(tmp_path)],
                          capture_output=True, text=True, timeout=20, check=False)
    pid = json.loads(done.stdout)

    def gone():
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True
    wait_until(gone, 5, "the child is gone")
